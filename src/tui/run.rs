//! The one event loop: keys, pictures, job events, signals and (only while something on the screen ages) a timer go
//! into [`App::update`]; its commands go out; a frame is drawn where something visible changed.
//!
//! Nothing here waits in the path of a key: commands go to bounded queues with `try_send`, frames to the writer's
//! thread. Must not hold a rule of what is shown.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyCode};
use futures_util::StreamExt;
use ratatui::Terminal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::app::command::Command;
use super::app::event::{Event, Now};
use super::app::keymap::Keymap;
use super::app::{App, AppInput};
use super::terminal::{FrameBackend, Screen, Watchdog, Writer, Written, clipboard_bytes};
use super::theme::Theme;
use crate::config;
use crate::fleet::{Fleet, JobContext};
use crate::jobs::service::{Service, ServiceCommand};
use crate::model::fleet::Snapshot;
use crate::model::job::{JobEvent, JobState};
use crate::text::Untrusted;

/// Data and progress are drawn at most this often.
const DATA_FRAME: Duration = Duration::from_millis(50);

/// Running steps may finish when the program is asked to stop.
pub const GRACE: Duration = Duration::from_secs(20);

/// A service with nothing to do ends within this time.
const IDLE_GRACE: Duration = Duration::from_millis(1_500);

/// What the dashboard runs on.
#[derive(Debug)]
pub struct RunInput {
    /// The databases: configuration and `user@host`, without a password.
    pub databases: Vec<(Arc<config::Database>, Untrusted)>,
    /// `[ui]`.
    pub ui: config::Ui,
    /// The keys.
    pub keymap: Keymap,
    /// Draw with ASCII only.
    pub ascii: bool,
    /// The collector.
    pub fleet: Fleet,
    /// One job service per database.
    pub services: Vec<Service>,
    /// What the services tell.
    pub job_events: mpsc::Receiver<JobEvent>,
}

/// How the dashboard ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The exit status: 0, or 128 + n on a signal (129 where the terminal vanished).
    pub code: u8,
}

/// Why the dashboard could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The terminal refuses.
    #[error("the terminal could not be used: {0}; run `tenantui tenants` for a table without one")]
    Terminal(#[from] io::Error),
    /// The theme.
    #[error("{0}")]
    Theme(String),
}

/// Runs the dashboard until the operator leaves, a signal comes or the terminal vanishes. Has to be awaited by the
/// thread that calls `block_on`: only a panic of that thread puts the terminal back.
///
/// # Errors
/// When the terminal cannot be used; it is put back then.
pub async fn run(input: RunInput) -> Result<Exit, RunError> {
    let begun = Instant::now();
    let theme = Theme::load(&input.ui.theme).map_err(RunError::Theme)?;
    let screen = Screen::enter(input.ui.mouse)?;
    let (columns, rows) = size();
    let app = App::new(AppInput {
        zone: jiff::tz::TimeZone::system(),
        databases: input.databases,
        refresh: input.ui.refresh,
        keymap: input.keymap,
        theme,
        ascii: input.ascii,
        size: (columns, rows),
        now: now(begun),
    });
    let (told, written) = mpsc::unbounded_channel();
    let (gone, vanished) = mpsc::unbounded_channel();
    let (exported_to, exported) = mpsc::unbounded_channel();
    let mut face = Face {
        begun,
        app,
        terminal: Terminal::new(FrameBackend::new(columns, rows))?,
        writer: Writer::start(told)?,
        outbox: Vec::new(),
        last_frame: None,
        urgent: true,
        frame_has_dialog: false,
        screen,
        fleet: input.fleet.commands,
        services: input.services,
        exported_to,
        test_panic: test_panic(),
    };
    // The first frame waits for nobody.
    face.draw()?;
    let watchdog = Watchdog::start(gone)?;
    let sources = Sources {
        events: EventStream::new(),
        snapshots: Some(input.fleet.snapshots),
        contexts: Some(input.fleet.contexts),
        jobs: Some(input.job_events),
        written,
        vanished,
        exported,
        signals: Signals::listen()?,
    };
    let code = face.go(sources).await?;
    drop(watchdog);
    face.screen.leave();
    face.end_services().await;
    Ok(Exit { code })
}

fn now(begun: Instant) -> Now {
    Now { wall: jiff::Timestamp::now(), elapsed: begun.elapsed() }
}

/// The terminal's columns and rows; 0 where it does not say.
fn size() -> (u16, u16) {
    rustix::termios::tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row))
}

/// Tests ask for a panic; a program made for release does not listen.
fn test_panic() -> Option<String> {
    if cfg!(debug_assertions) { std::env::var("TENANTUI_TEST_PANIC").ok() } else { None }
}

/// An event that waits already. Asked with the loop's own waker: the stream keeps the first waker that finds it empty,
/// so one of nobody's would leave the next key unseen until something else happens.
async fn waiting(events: &mut EventStream) -> Option<TerminalEvent> {
    let polled = std::future::poll_fn(|context| Poll::Ready(events.poll_next_unpin(context))).await;
    match polled {
        Poll::Ready(Some(Ok(event))) => Some(event),
        // An error shows again when the loop asks.
        Poll::Ready(Some(Err(_)) | None) | Poll::Pending => None,
    }
}

/// Signals that end or stop the dashboard.
struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: Signal,
    go_on: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop(15),
            _ = self.hangup.recv() => Told::Stop(1),
            _ = self.interrupt.recv() => Told::Stop(2),
            _ = self.quit.recv() => Told::Stop(3),
            _ = self.stop.recv() => Told::Suspend,
            _ = self.go_on.recv() => Told::GoOn,
        }
    }
}

/// What a signal means.
enum Told {
    Stop(i32),
    Suspend,
    GoOn,
}

/// Where events come from.
struct Sources {
    events: EventStream,
    snapshots: Option<watch::Receiver<Arc<Snapshot>>>,
    contexts: Option<watch::Receiver<Arc<Vec<JobContext>>>>,
    jobs: Option<mpsc::Receiver<JobEvent>>,
    written: mpsc::UnboundedReceiver<Written>,
    vanished: mpsc::UnboundedReceiver<()>,
    exported: mpsc::UnboundedReceiver<Result<PathBuf, String>>,
    signals: Signals,
}

/// The dashboard on its terminal.
struct Face {
    begun: Instant,
    app: App,
    terminal: Terminal<FrameBackend>,
    writer: Writer,
    /// Bytes that are no frame: the bell, the clipboard. They go with the next frame.
    outbox: Vec<u8>,
    last_frame: Option<Instant>,
    /// A key was pressed: draw at once.
    urgent: bool,
    /// The frame in flight shows a dialog.
    frame_has_dialog: bool,
    screen: Screen,
    fleet: mpsc::Sender<crate::fleet::FleetCommand>,
    services: Vec<Service>,
    exported_to: mpsc::UnboundedSender<Result<PathBuf, String>>,
    test_panic: Option<String>,
}

impl Face {
    /// The loop. The exit status.
    async fn go(&mut self, mut sources: Sources) -> io::Result<u8> {
        loop {
            if self.may_draw() {
                self.draw()?;
            }
            let tick = self.app.next_tick().map(|after| self.app.state().now.elapsed + after);
            let draw_at = (self.app.is_dirty() && !self.writer.is_busy())
                .then(|| self.last_frame.map_or_else(Instant::now, |last| last + DATA_FRAME));
            let tick_at = tick.map(|elapsed| self.begun + elapsed);
            let quit = tokio::select! {
                biased;
                told = sources.signals.next() => match told {
                    Told::Stop(number) => self.update(Event::Signal(number)),
                    Told::Suspend => self.suspend()?,
                    Told::GoOn => self.come_back()?,
                },
                Some(()) = sources.vanished.recv() => return Ok(129),
                Some(written) = sources.written.recv() => match written {
                    Written::Done => self.arrived(&mut sources.events).await,
                    Written::Gone(_) => return Ok(129),
                },
                event = sources.events.next() => match event {
                    Some(Ok(event)) => self.terminal_event(event),
                    // The terminal cannot be read any more: as if it had vanished.
                    Some(Err(_)) | None => return Ok(129),
                },
                Some(exported) = sources.exported.recv() => self.update(Event::Exported(exported)),
                told = changed(&mut sources.snapshots) => match told {
                    Some(snapshot) => self.update(Event::Snapshot(snapshot)),
                    None => self.lost("reading the fleet", "the collector has ended, see the log"),
                },
                told = changed(&mut sources.contexts) => match told {
                    Some(contexts) => self.update(Event::Contexts(contexts)),
                    None => None,
                },
                told = next_job(&mut sources.jobs) => match told {
                    Some(event) => self.update(Event::Job(event)),
                    None => self.lost("following jobs", "the job services have ended, see the log"),
                },
                () = until(tick_at) => self.update(Event::Clock),
                () = until(draw_at) => None,
            };
            if let Some(code) = quit {
                return Ok(code);
            }
        }
    }

    fn lost(&mut self, what: &str, why: &str) -> Option<u8> {
        self.update(Event::Undelivered { what: what.to_owned(), why: why.to_owned() })
    }

    fn may_draw(&self) -> bool {
        let waited = self.last_frame.is_none_or(|last| last.elapsed() >= DATA_FRAME);
        (self.app.is_dirty() || !self.outbox.is_empty()) && !self.writer.is_busy() && (self.urgent || waited)
    }

    /// Makes a frame and hands it to the writer.
    fn draw(&mut self) -> io::Result<()> {
        let app = &self.app;
        self.terminal.draw(|frame| app.draw(frame))?;
        self.app.frame_made();
        self.urgent = false;
        self.last_frame = Some(Instant::now());
        self.frame_has_dialog = self.app.state().dialog.is_some();
        let mut piece = std::mem::take(&mut self.outbox);
        if let Some(frame) = self.terminal.backend_mut().take_frame() {
            piece.extend(frame);
        }
        if piece.is_empty() {
            self.app.frame_shown();
        } else {
            self.writer.send(piece);
        }
        Ok(())
    }

    /// The frame has arrived. What was typed before a dialog could be seen is dropped.
    async fn arrived(&mut self, events: &mut EventStream) -> Option<u8> {
        self.writer.arrived();
        if !self.frame_has_dialog {
            return None;
        }
        let mut quit = None;
        if self.app.dialog_unseen() {
            while let Some(event) = waiting(events).await {
                match event {
                    TerminalEvent::Resize(_, _) => quit = quit.or(self.terminal_event(event)),
                    TerminalEvent::Key(_)
                    | TerminalEvent::Paste(_)
                    | TerminalEvent::Mouse(_)
                    | TerminalEvent::FocusGained
                    | TerminalEvent::FocusLost => {}
                }
            }
        }
        self.app.frame_shown();
        quit
    }

    fn terminal_event(&mut self, event: TerminalEvent) -> Option<u8> {
        match event {
            TerminalEvent::Key(key) => {
                if key.code == KeyCode::F(12) {
                    self.panic_for_tests();
                }
                self.urgent = true;
                self.update(Event::Key(key))
            }
            TerminalEvent::Paste(text) => {
                self.urgent = true;
                self.update(Event::Paste(text))
            }
            TerminalEvent::Resize(_, _) => {
                // What the terminal says now; the event may be one of a storm.
                let (columns, rows) = size();
                self.terminal.backend_mut().set_size(columns, rows);
                self.update(Event::Resize { columns, rows })
            }
            TerminalEvent::Mouse(_) | TerminalEvent::FocusGained | TerminalEvent::FocusLost => None,
        }
    }

    #[allow(clippy::panic, reason = "this is the panic that the terminal's tests ask for")]
    fn panic_for_tests(&self) {
        match self.test_panic.as_deref() {
            Some("ui") => panic!("asked for by TENANTUI_TEST_PANIC"),
            Some("worker") => {
                tokio::spawn(async { panic!("asked for by TENANTUI_TEST_PANIC") });
            }
            Some(_) | None => {}
        }
    }

    /// Gives an event to the dashboard and carries out what comes of it. The exit status, where it ends.
    fn update(&mut self, event: Event) -> Option<u8> {
        let mut quit = None;
        let mut commands = self.app.update(now(self.begun), event);
        // A command that cannot be delivered is an event of its own, once.
        let mut undelivered = Vec::new();
        for command in commands.drain(..) {
            match self.carry_out(command) {
                Ok(Some(code)) => quit = Some(code),
                Ok(None) => {}
                Err(event) => undelivered.push(event),
            }
        }
        for event in undelivered {
            for command in self.app.update(now(self.begun), event) {
                if let Command::Bell = command {
                    self.outbox.push(7);
                }
            }
        }
        quit
    }

    fn carry_out(&mut self, command: Command) -> Result<Option<u8>, Event> {
        match command {
            Command::Fleet(command) => {
                let what = format!("{command:?}");
                let what = what.split(['(', ' ']).next().unwrap_or("reading").to_lowercase();
                deliver(self.fleet.try_send(command), format!("reading ({what})"))?;
            }
            Command::Service { database, command } => {
                let what = service_words(&command);
                let Some(service) = self.services.iter().find(|service| service.database == database) else {
                    let why = format!("nothing runs jobs of {database} here");
                    return Err(Event::Undelivered { what, why });
                };
                deliver(service.commands.try_send(command), what)?;
            }
            Command::Copy(text) => {
                let tmux = std::env::var_os("TMUX").is_some();
                let screen = std::env::var_os("STY").is_some();
                let bytes = clipboard_bytes(&text, tmux, screen).map_err(|why| Event::Copied(Err(why)))?;
                self.outbox.extend(bytes);
                return Err(Event::Copied(Ok(text.len())));
            }
            Command::Bell => self.outbox.push(7),
            Command::Export { name, content } => {
                let told = self.exported_to.clone();
                tokio::task::spawn_blocking(move || {
                    // Nobody listens where the dashboard has ended meanwhile; the file is there all the same.
                    let _ = told.send(export(&name, &content));
                });
            }
            Command::Suspend => {
                return self
                    .suspend()
                    .map_err(|error| Event::Undelivered { what: "suspend".to_owned(), why: error.to_string() });
            }
            Command::Quit(code) => return Ok(Some(code)),
        }
        Ok(None)
    }

    /// Back to the shell; returns when the shell brings us back.
    fn suspend(&mut self) -> io::Result<Option<u8>> {
        self.screen.leave();
        // The whole group, as the terminal itself would: a wrapper such as cargo has to stop too, or the shell
        // would not come back.
        rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
        self.come_back()
    }

    /// Takes the terminal again and draws everything.
    fn come_back(&mut self) -> io::Result<Option<u8>> {
        self.screen.enter_again()?;
        let (columns, rows) = size();
        let backend = self.terminal.backend_mut();
        backend.set_size(columns, rows);
        backend.entered_again();
        self.terminal.clear()?;
        self.urgent = true;
        Ok(self.update(Event::Resize { columns, rows }).or_else(|| self.update(Event::Redraw)))
    }

    /// Running steps finish, their job is paused; who does not want to wait sends another signal.
    async fn end_services(&mut self) {
        let running =
            self.app.state().jobs.jobs.iter().filter(|job| job.mine && job.state == JobState::Running).count();
        let grace = if running > 0 { GRACE } else { IDLE_GRACE };
        if running > 0 {
            // A terminal that is gone cannot be told.
            let _ = writeln!(
                io::stderr(),
                "tenantui: waiting up to {} s for running steps to finish; the job is paused then and can be continued",
                GRACE.as_secs()
            );
        }
        let ending = async {
            for service in &self.services {
                // Where it has ended already there is nothing to stop.
                let _ = service.commands.send(ServiceCommand::Stop).await;
            }
            for service in &self.services {
                service.commands.closed().await;
            }
        };
        let impatient = async {
            match Signals::listen() {
                Ok(mut signals) => while matches!(signals.next().await, Told::Suspend | Told::GoOn) {},
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = timeout(grace, ending) => {}
            () = impatient => {}
        }
    }
}

fn deliver<T>(sent: Result<(), mpsc::error::TrySendError<T>>, what: String) -> Result<(), Event> {
    sent.map_err(|error| {
        let why = match error {
            mpsc::error::TrySendError::Full(_) => "its queue is full; the server may be slow",
            mpsc::error::TrySendError::Closed(_) => "its worker has ended, see the log",
        };
        Event::Undelivered { what, why: why.to_owned() }
    })
}

fn service_words(command: &ServiceCommand) -> String {
    match command {
        ServiceCommand::Init => "making the tenantui schema".to_owned(),
        ServiceCommand::Order { .. } => "ordering the job".to_owned(),
        ServiceCommand::Resume(job) => format!("going on with job {job}"),
        ServiceCommand::Retry(job) => format!("retrying job {job}"),
        ServiceCommand::Cancel(job) => format!("stopping job {job}"),
        ServiceCommand::ReadOutcomes(job) => format!("reading the results of job {job}"),
        ServiceCommand::Stop => "stopping".to_owned(),
    }
}

/// Writes a new file into the working directory; an existing one is never touched.
fn export(name: &str, content: &str) -> Result<PathBuf, String> {
    let folder = std::env::current_dir().map_err(|error| format!("the working directory is gone: {error}"))?;
    let path = folder.join(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a file would look like a whole one.
        let _ = std::fs::remove_file(&path);
        format!("{}: {error}", path.display())
    })?;
    Ok(path)
}

/// The next value of a watched channel; `None`, once, when its sender has ended.
async fn changed<T: Clone>(receiver: &mut Option<watch::Receiver<T>>) -> Option<T> {
    let Some(watched) = receiver else { return std::future::pending().await };
    if watched.changed().await.is_err() {
        *receiver = None;
        return None;
    }
    Some(watched.borrow_and_update().clone())
}

/// The next job event; `None`, once, when all services have ended.
async fn next_job(receiver: &mut Option<mpsc::Receiver<JobEvent>>) -> Option<JobEvent> {
    let Some(events) = receiver else { return std::future::pending().await };
    let event = events.recv().await;
    if event.is_none() {
        *receiver = None;
    }
    event
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
