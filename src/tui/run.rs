//! The one event loop: keys, pictures, job events, signals and (only while something on the screen ages) a timer go
//! into [`App::update`]; its commands go out; a frame is drawn where something visible changed.
//!
//! Nothing here waits in the path of a key: commands go to bounded queues with `try_send`, frames to the writer's
//! thread. Must not hold a rule of what is shown.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use crossterm::event::EventStream;
use futures_util::StreamExt;
use ratatui::Terminal;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::app::event::Event;
use super::app::keymap::Keymap;
use super::app::{App, AppInput};
use super::face::{DATA_FRAME, Face, now, size};
use super::frame::FrameBackend;
use super::memory::Memory;
use super::signals::{Signals, Told};
use super::state_folder::StateFolder;
use super::terminal::{self, Screen, Vanished, Watchdog};
use super::theme::Theme;
use super::writer::{Writer, Written};
use crate::config;
use crate::fleet::{Fleet, JobContext};
use crate::jobs::service::{Service, ServiceCommand};
use crate::jobs::worker::Stop;
use crate::model::fleet::Snapshot;
use crate::model::job::JobEvent;
use crate::text::Untrusted;

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
    /// The folder for what is kept between runs and for dumps of the screen.
    pub state_folder: Option<PathBuf>,
    /// Keep how the fleet was looked at: not for a demo, which leaves no trace.
    pub keep: bool,
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
    // Before the terminal is taken: from then on no signal may end us without giving it back.
    let signals = Signals::listen()?;
    let screen = Screen::enter(input.ui.mouse)?;
    let (columns, rows) = size();
    let state_folder = input.state_folder.map(StateFolder::new);
    let memory = Memory::of(state_folder.as_ref(), input.keep, &input.databases);
    let app = App::new(AppInput {
        zone: jiff::tz::TimeZone::system(),
        databases: input.databases,
        refresh: input.ui.refresh,
        keymap: input.keymap,
        filters: input.ui.filters,
        theme,
        ascii: input.ascii,
        size: (columns, rows),
        now: now(begun),
        kept: memory.view,
        welcome: memory.welcome,
    });
    let (told, written) = mpsc::unbounded_channel();
    let (exported_to, exported) = mpsc::unbounded_channel();
    let mut face = Face {
        begun,
        app,
        terminal: Terminal::new(FrameBackend::new(columns, rows))?,
        writer: Writer::start(screen.active(), told)?,
        outbox: Vec::new(),
        last_frame: None,
        urgent: true,
        frame_has_dialog: false,
        screen,
        fleet: input.fleet.commands,
        services: input.services,
        exported_to,
        state_folder,
        test_panic: test_panic(),
    };
    if let Some(words) = memory.broken {
        face.update(Event::Note(words));
    }
    // The first frame waits for nobody.
    face.draw()?;
    let (gone, vanished) = mpsc::unbounded_channel();
    let watchdog = Watchdog::start(tell_of_vanishing(&face.services, gone))?;
    let mut sources = Sources {
        events: EventStream::new(),
        snapshots: Some(input.fleet.snapshots),
        contexts: Some(input.fleet.contexts),
        jobs: Some(input.job_events),
        written,
        vanished,
        exported,
        signals,
    };
    if size() != (columns, rows) {
        face.resized();
    }
    let ended = face.go(&mut sources).await;
    // First: a terminal that takes nothing holds up its own way back, and nothing else.
    face.stop_services().await;
    face.screen.leave();
    let kept = face.keep(memory.fleet.as_deref());
    // The jobs are given their time whatever ended the loop; reading the terminal is over.
    let Sources { signals, vanished, jobs, .. } = sources;
    let hurry = match &ended {
        Ok(ended) => *ended == Ended::Vanished,
        Err(_) => true,
    };
    face.end_services(signals, vanished, hurry).await;
    if !hurry {
        face.say_farewell(jobs, kept);
    }
    drop(watchdog);
    Ok(Exit { code: ended?.code() })
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// With this exit status; the terminal is there.
    With(u8),
    /// The terminal is gone.
    Vanished,
}

impl Ended {
    const fn code(self) -> u8 {
        match self {
            Self::With(code) => code,
            // As the hang-up that was not delivered.
            Self::Vanished => 129,
        }
    }
}

/// Called by the watchdog: the services are told by its thread, for the loop may not hear of it.
fn tell_of_vanishing(services: &[Service], gone: mpsc::UnboundedSender<()>) -> impl Fn(Vanished) + Send + 'static {
    let services: Vec<_> = services.iter().map(|service| service.commands.clone()).collect();
    move |vanished| {
        let stop = match vanished {
            Vanished::Now => Stop::AfterStep,
            Vanished::Late => Stop::Now,
        };
        for service in &services {
            // A full queue is told by the loop, a closed one has nothing to stop.
            let _ = service.try_send(ServiceCommand::Stop(stop));
        }
        // Nobody listens where the dashboard has ended by itself.
        let _ = gone.send(());
    }
}

/// Tests ask for a panic; a program made for release does not listen.
fn test_panic() -> Option<String> {
    if cfg!(debug_assertions) { std::env::var("TENANTUI_TEST_PANIC").ok() } else { None }
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

impl Face {
    /// The loop.
    async fn go(&mut self, sources: &mut Sources) -> io::Result<Ended> {
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
                    Told::Resized => self.resized(),
                },
                Some(()) = sources.vanished.recv() => return Ok(Ended::Vanished),
                Some(written) = sources.written.recv() => match written {
                    Written::Done => self.arrived(&mut sources.events).await,
                    Written::Gone => return Ok(Ended::Vanished),
                },
                event = next_event(&mut sources.events) => match event {
                    Some(Ok(event)) => self.terminal_event(event),
                    // The terminal cannot be read any more: as if it had vanished.
                    Some(Err(_)) | None => return Ok(Ended::Vanished),
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
                return Ok(Ended::With(code));
            }
        }
    }
}

/// The terminal's next event; `None` when it has vanished, which crossterm would never tell: it would read for ever.
async fn next_event(events: &mut EventStream) -> Option<io::Result<crossterm::event::Event>> {
    std::future::poll_fn(
        |context| {
            if terminal::has_vanished() { Poll::Ready(None) } else { events.poll_next_unpin(context) }
        },
    )
    .await
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
