//! Signals that end the dashboard, stop it for a while, or tell of a new size.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that the dashboard heeds.
pub(super) struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: Signal,
    go_on: Signal,
    resize: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
            go_on: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            resize: signal(SignalKind::window_change())?,
        })
    }

    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop(15),
            _ = self.hangup.recv() => Told::Stop(1),
            _ = self.interrupt.recv() => Told::Stop(2),
            _ = self.quit.recv() => Told::Stop(3),
            _ = self.stop.recv() => Told::Suspend,
            _ = self.go_on.recv() => Told::GoOn,
            _ = self.resize.recv() => Told::Resized,
        }
    }
}

/// What a signal means.
pub(super) enum Told {
    Stop(i32),
    Suspend,
    GoOn,
    /// The terminal has another size. Listened to here because the event stream loses a change of size that comes together
    /// with a key.
    Resized,
}
