//! The dashboard on its terminal: draws, gives events to the rules, and carries out the commands that come back.

use std::io;
use std::path::PathBuf;
use std::task::Poll;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyCode};
use futures_util::StreamExt;
use ratatui::Terminal;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::app::App;
use super::app::command::Command;
use super::app::event::{Event, Now};
use super::delivery::{deliver, export, service_words};
use super::frame::{FrameBackend, clipboard_bytes};
use super::signals::{Signals, Told};
use super::state_folder::StateFolder;
use super::terminal::{self, Screen};
use super::writer::{self, Writer};
use crate::fleet::FleetCommand;
use crate::jobs::service::{Service, ServiceCommand};
use crate::jobs::worker::Stop;
use crate::model::job::{JobId, JobState};

/// Data and progress are drawn at most this often.
pub(super) const DATA_FRAME: Duration = Duration::from_millis(50);

/// Running steps may finish when the program is asked to stop.
const GRACE: Duration = Duration::from_secs(20);

/// How long it may take to cancel running steps and to record that their job is paused.
const RECORDING: Duration = Duration::from_secs(5);

/// A service with nothing to do ends within this time.
const IDLE_GRACE: Duration = Duration::from_millis(1_500);

/// The time, for an event.
pub(super) fn now(begun: Instant) -> Now {
    Now { wall: jiff::Timestamp::now(), elapsed: begun.elapsed() }
}

/// The terminal's columns and rows; 0 where it does not say.
pub(super) fn size() -> (u16, u16) {
    rustix::termios::tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row))
}

/// The dashboard on its terminal.
pub(super) struct Face {
    pub(super) begun: Instant,
    pub(super) app: App,
    pub(super) terminal: Terminal<FrameBackend>,
    pub(super) writer: Writer,
    /// Bytes that are no frame: the bell, the clipboard. They go with the next frame.
    pub(super) outbox: Vec<u8>,
    pub(super) last_frame: Option<Instant>,
    /// A key was pressed: draw at once.
    pub(super) urgent: bool,
    /// The frame in flight shows a dialog.
    pub(super) frame_has_dialog: bool,
    pub(super) screen: Screen,
    pub(super) fleet: mpsc::Sender<FleetCommand>,
    pub(super) services: Vec<Service>,
    pub(super) exported_to: mpsc::UnboundedSender<Result<PathBuf, String>>,
    /// Where dumps of the screen go.
    pub(super) state_folder: Option<StateFolder>,
    pub(super) test_panic: Option<String>,
}

impl Face {
    pub(super) fn lost(&mut self, what: &str, why: &str) -> Option<u8> {
        self.update(Event::Undelivered { what: what.to_owned(), why: why.to_owned() })
    }

    pub(super) fn may_draw(&self) -> bool {
        let waited = self.last_frame.is_none_or(|last| last.elapsed() >= DATA_FRAME);
        (self.app.is_dirty() || !self.outbox.is_empty()) && !self.writer.is_busy() && (self.urgent || waited)
    }

    /// Makes a frame and hands it to the writer.
    pub(super) fn draw(&mut self) -> io::Result<()> {
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
    pub(super) async fn arrived(&mut self, events: &mut EventStream) -> Option<u8> {
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

    /// Takes the size that the terminal has now: an event may be one of a storm, and one that came before anybody
    /// listened was lost.
    pub(super) fn resized(&mut self) -> Option<u8> {
        let (columns, rows) = size();
        self.terminal.backend_mut().set_size(columns, rows);
        self.update(Event::Resize { columns, rows })
    }

    pub(super) fn terminal_event(&mut self, event: TerminalEvent) -> Option<u8> {
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
            TerminalEvent::Resize(_, _) => self.resized(),
            TerminalEvent::Mouse(mouse) => {
                self.urgent = true;
                self.update(Event::Mouse(mouse))
            }
            TerminalEvent::FocusGained | TerminalEvent::FocusLost => None,
        }
    }

    #[allow(clippy::panic, reason = "this is the panic that the terminal's tests ask for")]
    pub(super) fn panic_for_tests(&self) {
        match self.test_panic.as_deref() {
            Some("ui") => panic!("asked for by TENANTUI_TEST_PANIC"),
            Some("worker") => {
                tokio::spawn(async { panic!("asked for by TENANTUI_TEST_PANIC") });
            }
            Some(_) | None => {}
        }
    }

    /// Gives an event to the dashboard and carries out what comes of it. The exit status, where it ends.
    pub(super) fn update(&mut self, event: Event) -> Option<u8> {
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

    pub(super) fn carry_out(&mut self, command: Command) -> Result<Option<u8>, Event> {
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
            Command::DumpScreen { name } => self.dump(name),
            Command::Suspend => {
                return self
                    .suspend()
                    .map_err(|error| Event::Undelivered { what: "suspend".to_owned(), why: error.to_string() });
            }
            Command::Quit(code) => return Ok(Some(code)),
        }
        Ok(None)
    }

    /// Writes what the screen shows, as it would be drawn now.
    fn dump(&self, name: String) {
        let told = self.exported_to.clone();
        let frame = self.terminal.size().and_then(|size| {
            let mut paper = Terminal::new(FrameBackend::new(size.width, size.height))?;
            Ok(paper.draw(|frame| self.app.draw(frame))?.buffer.clone())
        });
        let folder = self.state_folder.clone();
        tokio::task::spawn_blocking(move || {
            let written = match (folder, frame) {
                (None, _) => Err("there is no folder for it: HOME is not set".to_owned()),
                (_, Err(error)) => Err(error.to_string()),
                (Some(folder), Ok(frame)) => folder.dump(&name, &frame),
            };
            // Nobody listens where the dashboard has ended meanwhile; the file is there all the same.
            let _ = told.send(written);
        });
    }

    /// Back to the shell; returns when the shell brings us back.
    pub(super) fn suspend(&mut self) -> io::Result<Option<u8>> {
        self.screen.leave();
        for job in self.running() {
            // Said on the shell's own screen, which the operator now has before them.
            writer::say(format!(
                "tenantui: job {job} stands still while this process is stopped; after about a minute another worker may \
                 take it over (fg goes on)"
            ));
        }
        // The whole group, as the terminal itself would: a wrapper such as cargo has to stop too, or the shell
        // would not come back.
        rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
        self.come_back()
    }

    /// Takes the terminal again and draws everything.
    pub(super) fn come_back(&mut self) -> io::Result<Option<u8>> {
        self.screen.enter_again()?;
        let (columns, rows) = size();
        let backend = self.terminal.backend_mut();
        backend.set_size(columns, rows);
        backend.entered_again();
        self.terminal.clear()?;
        self.urgent = true;
        Ok(self.update(Event::Resize { columns, rows }).or_else(|| self.update(Event::Redraw)))
    }

    /// The jobs that run here.
    fn running(&self) -> Vec<JobId> {
        let jobs = self.app.state().jobs.jobs.iter();
        jobs.filter(|job| job.mine && job.state == JobState::Running).map(|job| job.id).collect()
    }

    /// Tells the services to end after the steps that run.
    pub(super) async fn stop_services(&self) {
        stop(&self.services, Stop::AfterStep).await;
    }

    /// Running steps, told to be the last, finish within the grace, or are cancelled after it; their job is paused. Who does not want to wait
    /// sends another signal. `hurry`: the terminal is gone.
    pub(super) async fn end_services(
        &mut self,
        mut signals: Signals,
        mut vanished: mpsc::UnboundedReceiver<()>,
        hurry: bool,
    ) {
        let running = !self.running().is_empty();
        if running && !hurry {
            // A terminal that is gone cannot be told.
            writer::say(format!(
                "tenantui: running steps may finish within {} s, then they are cancelled; the job is paused and can be \
                 continued. Another signal (ctrl-c) cancels them now",
                GRACE.as_secs()
            ));
        }
        let services = &self.services;
        let ended = async {
            for service in services {
                service.commands.closed().await;
            }
        };
        tokio::pin!(ended);
        let grace = if running { GRACE } else { IDLE_GRACE };
        if !hurry {
            tokio::select! {
                () = &mut ended => return,
                () = sleep(grace) => {}
                () = another(&mut signals) => {}
                Some(()) = vanished.recv() => {}
            }
        }
        if hurry || terminal::has_vanished() {
            // The watchdog counts the time, tells the services to hurry, and ends the program where they do not.
            let _ = timeout(GRACE, ended).await;
            return;
        }
        stop(services, Stop::Now).await;
        tokio::select! {
            () = &mut ended => {}
            () = sleep(if running { RECORDING } else { IDLE_GRACE }) => {}
            () = another(&mut signals) => {}
        }
    }
}

/// Tells all services to end. Where one has ended already there is nothing to stop.
async fn stop(services: &[Service], stop: Stop) {
    for service in services {
        let _ = timeout(IDLE_GRACE, service.commands.send(ServiceCommand::Stop(stop))).await;
    }
}

/// Waits for a signal that asks for the end.
async fn another(signals: &mut Signals) {
    while matches!(signals.next().await, Told::Suspend | Told::GoOn | Told::Resized) {}
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
