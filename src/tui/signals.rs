//! Signals that end the dashboard or stop it for a while.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end or stop the dashboard.
pub(super) struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: Signal,
    go_on: Signal,
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
        }
    }
}

/// What a signal means.
pub(super) enum Told {
    Stop(i32),
    Suspend,
    GoOn,
}
