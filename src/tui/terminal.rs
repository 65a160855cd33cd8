//! The terminal itself: raw mode, the alternate screen and their way back, the watchdog for a terminal that vanishes.
//! Must not know what is drawn.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste};
use crossterm::style::{Print, ResetColor};
use crossterm::terminal::{
    Clear, ClearType as CrosstermClear, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};

use super::frame::put;
use super::writer::{LEAVE_WAITS, within, write_now};

/// Whether the dashboard can be shown here.
///
/// # Errors
/// Why not: standard input or output is no terminal, or the terminal can do nothing.
pub fn usable() -> Result<(), &'static str> {
    if !io::stdin().is_terminal() {
        return Err("standard input is not a terminal");
    }
    if !io::stdout().is_terminal() {
        return Err("standard output is not a terminal");
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Err("TERM=dumb: the terminal can not place text");
    }
    Ok(())
}

/// What has to be put back, shared with the panic hook.
#[derive(Debug)]
struct Held {
    active: Arc<AtomicBool>,
    mouse: bool,
    thread: ThreadId,
}

impl Held {
    /// Puts the terminal back. Does nothing the second time.
    fn restore(&self) {
        if self.active.swap(false, Ordering::SeqCst) {
            let mut bytes = Vec::new();
            leave_sequence(&mut bytes, self.mouse);
            let write = move || write_now(&mut io::stdout().lock(), &bytes);
            // Without the terminal there is nothing to put back and nobody to tell.
            let _ = within(LEAVE_WAITS, write);
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
}

/// The terminal while the dashboard has it. Dropping it puts the terminal back.
#[derive(Debug)]
pub struct Screen {
    held: Arc<Held>,
}

impl Screen {
    /// Raw mode, the alternate screen, bracketed paste. From here on a panic of this thread puts the terminal back
    /// before its message; a panic of any other thread leaves the screen alone and goes to the log.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn enter(mouse: bool) -> io::Result<Self> {
        let held = Arc::new(Held { active: Arc::default(), mouse, thread: std::thread::current().id() });
        let screen = Self { held };
        screen.take()?;
        screen.hook_panics();
        Ok(screen)
    }

    fn take(&self) -> io::Result<()> {
        crossterm::terminal::enable_raw_mode()?;
        self.held.active.store(true, Ordering::SeqCst);
        let mut bytes = Vec::new();
        enter_sequence(&mut bytes, self.held.mouse);
        let mut out = io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()
    }

    /// Takes the terminal again, after a suspension.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn enter_again(&self) -> io::Result<()> {
        // The shell may have changed the modes meanwhile: forget ours, so that they are really set again.
        let _ = crossterm::terminal::disable_raw_mode();
        self.take()
    }

    /// Puts the terminal back.
    pub fn leave(&self) {
        self.held.restore();
    }

    /// Whether we have the terminal now: nothing but the way back is written once we do not.
    #[must_use]
    pub fn active(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.held.active)
    }

    fn hook_panics(&self) {
        let held = Arc::clone(&self.held);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !held.active.load(Ordering::SeqCst) {
                before(info);
            } else if std::thread::current().id() == held.thread {
                held.restore();
                before(info);
            } else {
                // The screen stays: a message in the middle of it would only be garbage.
                tracing::error!(panic = %info, "a worker ended in a panic");
            }
        }));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Clicks and the wheel, in the form that has no limit of columns; nothing for a mouse that only moves, which would keep
/// a slow link busy.
const CLICKS: &str = "\u{1b}[?1000h\u{1b}[?1006h";

fn enter_sequence(bytes: &mut Vec<u8>, mouse: bool) {
    put(bytes, EnterAlternateScreen);
    put(bytes, EnableBracketedPaste);
    if mouse {
        put(bytes, Print(CLICKS));
    }
    put(bytes, Hide);
    put(bytes, Clear(CrosstermClear::All));
}

fn leave_sequence(bytes: &mut Vec<u8>, mouse: bool) {
    put(bytes, EndSynchronizedUpdate);
    if mouse {
        put(bytes, DisableMouseCapture);
    }
    put(bytes, DisableBracketedPaste);
    put(bytes, ResetColor);
    put(bytes, Show);
    put(bytes, LeaveAlternateScreen);
}

/// Watches for a terminal that vanishes without a signal: closed SSH under sudo, a killed tmux. crossterm would
/// spin on its descriptor and tell nobody.
#[derive(Debug)]
pub struct Watchdog {
    ended: Arc<AtomicBool>,
}

/// What happens when the terminal has vanished, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vanished {
    /// Just now: running steps may finish.
    Now,
    /// The time for that is over: they are cancelled.
    Late,
}

impl Watchdog {
    /// Starts the thread; `tell` is called on it when the terminal is no more, and again when it is time to hurry. It
    /// must not block.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(tell: impl Fn(Vanished) + Send + 'static) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                if vanished(Duration::from_secs(5)) {
                    if let Err(error) = silence_input() {
                        tracing::debug!(%error, "the vanished terminal is still being read");
                    }
                    tell(Vanished::Now);
                    end_anyway(&stop, &tell);
                    return;
                }
            }
        })?;
        Ok(Self { ended })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// How long running steps may go on once the terminal is gone: nobody sees them any more.
const LAST_GRACE: Duration = Duration::from_millis(1_200);

/// How long the dashboard has to end by itself once its terminal is gone: after the grace its steps are cancelled, and
/// their job is recorded as paused.
const LAST: Duration = Duration::from_millis(2_600);

/// Ends the program where the dashboard does not: its loop may be inside crossterm, which reads a vanished terminal for
/// ever without giving the thread back, so jobs are told from here. What is still open then is rolled back by the
/// server; there is no terminal to restore.
fn end_anyway(ended: &AtomicBool, tell: &impl Fn(Vanished)) {
    let begun = Instant::now();
    let mut late = false;
    while !ended.load(Ordering::SeqCst) {
        if !late && begun.elapsed() > LAST_GRACE {
            late = true;
            tell(Vanished::Late);
        }
        if begun.elapsed() > LAST {
            tracing::error!("the terminal vanished, and the dashboard did not end by itself");
            std::process::exit(129);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Puts a pipe that nobody writes to in the place of standard input. crossterm's thread reads a vanished terminal in a
/// circle and cannot be told to stop; a silent pipe makes it wait instead.
fn silence_input() -> io::Result<()> {
    let (silent, writer) = rustix::pipe::pipe()?;
    rustix::stdio::dup2_stdin(&silent)?;
    // Closed, the pipe would be at its end, which is read in a circle too. The process ends within seconds.
    std::mem::forget(writer);
    Ok(())
}

/// Whether the terminal has vanished: to be asked before crossterm reads it.
#[must_use]
pub fn has_vanished() -> bool {
    vanished(Duration::ZERO)
}

/// Waits up to `patience` for the terminal to vanish.
fn vanished(patience: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let begun = Instant::now();
    // Once it has vanished, standard input is something else.
    let (stdin, stdout) = (io::stdin(), io::stdout());
    // No events are asked for: hang-up and error are always told, and a key does not wake us.
    let mut descriptors = [PollFd::new(&stdin, PollFlags::empty()), PollFd::new(&stdout, PollFlags::empty())];
    let timeout = Timespec { tv_sec: i64::try_from(patience.as_secs()).unwrap_or(5), tv_nsec: 0 };
    match poll(&mut descriptors, Some(&timeout)) {
        Ok(0) => false,
        Ok(_) => descriptors
            .iter()
            .any(|descriptor| descriptor.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
        Err(_) => {
            // A signal interrupted it; never spin.
            std::thread::sleep(Duration::from_millis(200).min(patience).saturating_sub(begun.elapsed()));
            false
        }
    }
}
