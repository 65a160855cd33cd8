//! Signals that ask the program to end. Reading commands end at once; commands that run a job let the running steps
//! finish and pause the job first; the second signal ends those at once too.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::{Failure, Outcome};
use crate::jobs::worker::Stop;

/// Whether, and by which signals, the program was asked to end.
#[derive(Debug, Clone)]
pub struct Signals {
    stop: watch::Receiver<Stop>,
    received: watch::Receiver<Vec<u8>>,
}

impl Signals {
    /// Listens for SIGHUP, SIGINT and SIGTERM. Needs a running tokio.
    ///
    /// # Errors
    /// When the system refuses handlers.
    pub fn listen() -> Outcome<Self> {
        let (stop, stop_seen) = watch::channel(Stop::GoOn);
        let (received, received_seen) = watch::channel(Vec::new());
        let refused = |error: std::io::Error| Failure::failed(format!("signals cannot be handled: {error}"));
        let mut hangup = signal(SignalKind::hangup()).map_err(refused)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = hangup.recv() => 1,
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                };
                received.send_modify(|all: &mut Vec<u8>| all.push(number));
                stop.send_replace(Stop::AfterStep);
            }
        });
        Ok(Self { stop: stop_seen, received: received_seen })
    }

    /// For jobs: the first signal lets their running steps finish.
    #[must_use]
    pub fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// The first signal, where there was one.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        self.received.borrow().first().copied()
    }

    /// Waits until so many signals have come, and returns the first.
    pub async fn wait(&self, count: usize) -> u8 {
        let mut received = self.received.clone();
        let first = match received.wait_for(|all| all.len() >= count).await {
            Ok(all) => all.first().copied(),
            Err(_) => None,
        };
        match first {
            Some(number) => number,
            // The listener lives as long as the runtime: without it there is nothing to wait for.
            None => std::future::pending().await,
        }
    }
}
