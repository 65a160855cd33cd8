//! Signals that ask the program to end. Reading commands end at once. Commands that run a job give its running steps a
//! grace, then cancel them, and in both cases pause the job; the second signal ends the grace, the third the program.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::{Failure, Outcome};
use crate::jobs::worker::Stop;

/// How long running steps may go on after the first signal, unless a command says otherwise.
pub const GRACE: Duration = Duration::from_secs(20);

/// How long it may take to cancel the running steps and to record that the job is paused. A server that does not answer
/// meanwhile rolls the open steps back by itself, and the job shows as orphaned.
const RECORDING: Duration = Duration::from_secs(5);

/// Whether, and by which signals, the program was asked to end.
#[derive(Debug, Clone)]
pub struct Signals {
    stop: watch::Receiver<Stop>,
    received: watch::Receiver<Vec<u8>>,
    grace: watch::Sender<Duration>,
}

impl Signals {
    /// Listens for SIGHUP, SIGINT and SIGTERM. Needs a running tokio.
    ///
    /// # Errors
    /// When the system refuses handlers.
    pub fn listen() -> Outcome<Self> {
        let (stop, stop_seen) = watch::channel(Stop::GoOn);
        let (received, received_seen) = watch::channel(Vec::new());
        let (grace, grace_seen) = watch::channel(GRACE);
        let refused = |error: std::io::Error| Failure::failed(format!("signals cannot be handled: {error}"));
        let mut hangup = signal(SignalKind::hangup()).map_err(refused)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        tokio::spawn(async move {
            let mut end_of_grace = None;
            loop {
                let number = tokio::select! {
                    _ = hangup.recv() => 1,
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                    () = until(end_of_grace) => {
                        end_of_grace = None;
                        stop.send_replace(Stop::Now);
                        continue;
                    }
                };
                received.send_modify(|all: &mut Vec<u8>| all.push(number));
                if received.borrow().len() == 1 {
                    end_of_grace = Some(tokio::time::Instant::now() + *grace_seen.borrow());
                    stop.send_replace(Stop::AfterStep);
                } else {
                    end_of_grace = None;
                    stop.send_replace(Stop::Now);
                }
            }
        });
        Ok(Self { stop: stop_seen, received: received_seen, grace })
    }

    /// How long running steps may go on after a first signal that comes from now on.
    pub fn set_grace(&self, grace: Duration) {
        self.grace.send_replace(grace);
    }

    /// For jobs: after the first signal their running steps finish; after the grace, or with the second signal, they
    /// are cancelled.
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

    /// Waits until a job that was to be stopped at once has had its time for that, or a third signal comes: the program
    /// ends however the job stands. Returns the first signal.
    pub async fn overdue(&self) -> u8 {
        let mut stop = self.stop.clone();
        let late = async {
            if stop.wait_for(|stop| *stop == Stop::Now).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(RECORDING).await;
        };
        tokio::select! {
            number = self.wait(3) => number,
            () = late => self.wait(1).await,
        }
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
