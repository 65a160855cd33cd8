//! The terminal itself: raw mode, the alternate screen and their way back, frames as bytes, the thread that writes
//! them, the watchdog for a terminal that vanishes.
//!
//! A frame is made in memory and written by a thread of its own, one at a time: a slow link drops frames and never
//! holds up a key. Must not know what is drawn.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType as CrosstermClear, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{Command, queue};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use tokio::sync::mpsc;

/// The most bytes that are sent to the terminal's clipboard; several terminals take no more.
pub const CLIPBOARD_BYTES: usize = 74_000;

/// How long leaving waits for a terminal that does not take bytes.
const LEAVE_WAITS: Duration = Duration::from_millis(800);

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
    active: AtomicBool,
    mouse: bool,
    thread: ThreadId,
}

impl Held {
    /// Puts the terminal back. Does nothing the second time.
    fn restore(&self) {
        if self.active.swap(false, Ordering::SeqCst) {
            let mut bytes = Vec::new();
            leave_sequence(&mut bytes, self.mouse);
            // Without the terminal there is nothing to put back and nobody to tell.
            let _ = write_within(bytes, LEAVE_WAITS);
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
        let held = Arc::new(Held { active: AtomicBool::new(false), mouse, thread: std::thread::current().id() });
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

/// Writing to memory cannot fail.
fn put(bytes: &mut Vec<u8>, command: impl Command) {
    let _ = queue!(bytes, command);
}

fn enter_sequence(bytes: &mut Vec<u8>, mouse: bool) {
    put(bytes, EnterAlternateScreen);
    put(bytes, EnableBracketedPaste);
    if mouse {
        put(bytes, EnableMouseCapture);
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

/// Writes from a thread, so that a terminal that takes nothing cannot hold us for ever.
fn write_within(bytes: Vec<u8>, patience: Duration) -> io::Result<()> {
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new().name("leave".to_owned()).spawn(move || {
        let mut out = io::stdout().lock();
        let written = out.write_all(&bytes).and_then(|()| out.flush());
        // Nobody may be waiting any more.
        let _ = sender.send(written);
    })?;
    receiver.recv_timeout(patience).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The bytes that put text into the terminal's clipboard (OSC 52), wrapped for tmux and screen.
///
/// # Errors
/// When the text is longer than [`CLIPBOARD_BYTES`].
pub fn clipboard_bytes(text: &str, tmux: bool, screen: bool) -> Result<Vec<u8>, String> {
    if text.len() > CLIPBOARD_BYTES {
        return Err(format!(
            "{} bytes are more than terminals take ({CLIPBOARD_BYTES}); export it instead (e)",
            text.len()
        ));
    }
    let mut plain = Vec::new();
    put(&mut plain, CopyToClipboard::to_clipboard_from(text));
    let wrapped = |opening: &[u8], body: &[u8]| [opening, body, b"\x1b\\"].concat();
    if tmux {
        let doubled: Vec<u8> =
            plain.iter().flat_map(|byte| if *byte == 0x1b { vec![0x1b, 0x1b] } else { vec![*byte] }).collect();
        // tmux itself takes the plain form (set-clipboard on); the wrapped form passes it on to the outer terminal.
        return Ok([plain, wrapped(b"\x1bPtmux;", &doubled)].concat());
    }
    if screen {
        // screen takes strings of at most 768 bytes; an ESC \ inside would end the wrapping.
        let body = plain.strip_suffix(b"\x1b\\").map_or_else(|| plain.clone(), |body| [body, b"\x07"].concat());
        return Ok(body.chunks(512).flat_map(|chunk| wrapped(b"\x1bP", chunk)).collect());
    }
    Ok(plain)
}

/// Makes frames in memory: only changed cells, nothing at all where nothing changed.
#[derive(Debug)]
pub struct FrameBackend {
    bytes: Vec<u8>,
    size: Size,
    cursor_shown: bool,
    position: Position,
    /// Where the terminal's cursor was put last; drawing cells moves it away.
    placed: Option<Position>,
}

impl FrameBackend {
    /// For a terminal of this size, whose cursor is hidden.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        Self {
            bytes: Vec::new(),
            size: Size::new(columns, rows),
            cursor_shown: false,
            position: Position::ORIGIN,
            placed: None,
        }
    }

    /// The terminal has a new size.
    pub const fn set_size(&mut self, columns: u16, rows: u16) {
        self.size = Size::new(columns, rows);
    }

    /// The screen was left and entered again: the cursor is hidden.
    pub const fn entered_again(&mut self) {
        self.cursor_shown = false;
        self.placed = None;
    }

    /// The bytes of the frame, as one synchronized update; `None` where nothing changed.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            return None;
        }
        let mut frame = Vec::with_capacity(self.bytes.len() + 32);
        put(&mut frame, BeginSynchronizedUpdate);
        frame.append(&mut self.bytes);
        put(&mut frame, EndSynchronizedUpdate);
        Some(frame)
    }
}

impl Backend for FrameBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_some() {
            self.placed = None;
            CrosstermBackend::new(&mut self.bytes).draw(content)?;
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown {
            put(&mut self.bytes, Hide);
            self.cursor_shown = false;
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !self.cursor_shown {
            put(&mut self.bytes, Show);
            self.cursor_shown = true;
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.position)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.position = position.into();
        if self.placed != Some(self.position) {
            put(&mut self.bytes, MoveTo(self.position.x, self.position.y));
            self.placed = Some(self.position);
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        let kind = match kind {
            ClearType::All => CrosstermClear::All,
            ClearType::AfterCursor => CrosstermClear::FromCursorDown,
            ClearType::BeforeCursor => CrosstermClear::FromCursorUp,
            ClearType::CurrentLine => CrosstermClear::CurrentLine,
            ClearType::UntilNewLine => CrosstermClear::UntilNewLine,
        };
        put(&mut self.bytes, Clear(kind));
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes to the terminal: one piece at a time.
#[derive(Debug)]
pub struct Writer {
    pieces: SyncSender<Vec<u8>>,
    in_flight: bool,
}

/// What became of a piece.
#[derive(Debug)]
pub enum Written {
    /// The terminal took it.
    Done,
    /// The terminal is gone.
    Gone(io::Error),
}

impl Writer {
    /// Starts the thread; what becomes of each piece is told through `told`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(told: mpsc::UnboundedSender<Written>) -> io::Result<Self> {
        let (pieces, receiver): (SyncSender<Vec<u8>>, Receiver<Vec<u8>>) = sync_channel(1);
        std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            for piece in receiver {
                let mut out = io::stdout().lock();
                let outcome = match out.write_all(&piece).and_then(|()| out.flush()) {
                    Ok(()) => Written::Done,
                    Err(error) => Written::Gone(error),
                };
                drop(out);
                if told.send(outcome).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { pieces, in_flight: false })
    }

    /// Whether the terminal still works on the last piece.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.in_flight
    }

    /// Sends a piece. Whether it was taken: not while another one is in flight.
    pub fn send(&mut self, piece: Vec<u8>) -> bool {
        if self.in_flight || self.pieces.try_send(piece).is_err() {
            return false;
        }
        self.in_flight = true;
        true
    }

    /// The piece in flight has arrived.
    pub const fn arrived(&mut self) {
        self.in_flight = false;
    }
}

/// Watches for a terminal that vanishes without a signal: closed SSH under sudo, a killed tmux. crossterm would
/// spin on its descriptor and tell nobody.
#[derive(Debug)]
pub struct Watchdog {
    ended: Arc<AtomicBool>,
}

impl Watchdog {
    /// Starts the thread; one message through `gone` when the terminal is no more.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(gone: mpsc::UnboundedSender<()>) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                if vanished(Duration::from_secs(5)) {
                    // Nobody listens where the dashboard has ended by itself.
                    let _ = gone.send(());
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

/// Waits up to `patience` for the terminal to vanish.
fn vanished(patience: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let begun = Instant::now();
    let stdin = io::stdin();
    // No events are asked for: hang-up and error are always told, and a key does not wake us.
    let mut descriptors = [PollFd::new(&stdin, PollFlags::empty())];
    let timeout = Timespec { tv_sec: i64::try_from(patience.as_secs()).unwrap_or(5), tv_nsec: 0 };
    match poll(&mut descriptors, Some(&timeout)) {
        Ok(0) => false,
        Ok(_) => descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(_) => {
            // A signal interrupted it; never spin.
            std::thread::sleep(Duration::from_millis(200).saturating_sub(begun.elapsed()));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::widgets::Paragraph;

    #[test]
    fn a_frame_that_changes_nothing_has_no_bytes() {
        let mut terminal = Terminal::new(FrameBackend::new(20, 3)).expect("terminal");
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hello"), frame.area())).expect("draws");
        let first = terminal.backend_mut().take_frame().expect("bytes");
        assert!(first.starts_with(b"\x1b[?2026h") && first.ends_with(b"\x1b[?2026l"), "{first:?}");
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hello"), frame.area())).expect("draws");
        assert_eq!(terminal.backend_mut().take_frame(), None);
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hellO"), frame.area())).expect("draws");
        let third = terminal.backend_mut().take_frame().expect("bytes");
        assert!(third.len() < 80, "only the changed cell: {third:?}");
    }

    #[test]
    fn a_cursor_that_stays_has_no_bytes() {
        let mut terminal = Terminal::new(FrameBackend::new(20, 3)).expect("terminal");
        for round in 0..3 {
            terminal
                .draw(|frame| {
                    frame.render_widget(Paragraph::new("x"), frame.area());
                    frame.set_cursor_position((4, 1));
                })
                .expect("draws");
            assert_eq!(terminal.backend_mut().take_frame().is_some(), round == 0);
        }
    }

    #[test]
    fn clipboard_text_is_capped_and_wrapped() {
        assert!(clipboard_bytes(&"x".repeat(CLIPBOARD_BYTES + 1), false, false).is_err());
        let plain = clipboard_bytes("acme", false, false).expect("fits");
        assert_eq!(plain, b"\x1b]52;c;YWNtZQ==\x1b\\");
        let tmux = clipboard_bytes("acme", true, false).expect("fits");
        assert!(tmux.windows(7).any(|part| part == b"\x1bPtmux;"), "{tmux:?}");
        assert!(tmux.windows(9).any(|part| part == b"\x1b\x1b]52;c;Y"), "{tmux:?}");
        let screen = clipboard_bytes(&"a".repeat(3_000), false, true).expect("fits");
        assert!(screen.starts_with(b"\x1bP\x1b]52;c;"), "{screen:?}");
        assert!(screen.split(|byte| *byte == 0x1b).all(|part| part.len() < 768));
    }
}
