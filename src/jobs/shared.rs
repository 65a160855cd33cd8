//! What all lanes of a run share: whether a step may start, why none is started any more, and the cancel of what runs.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::drive::Drive;
use super::gate;
use super::lease::{Flags, Lease};
use super::orders::OrderError;
use super::report::{Report, Reports};
use super::watcher::Watcher;
use super::worker::Stop;
use crate::config::RunAs;
use crate::migrations::apply::keys;
use crate::migrations::apply::ledger::WritableLedger;
use crate::migrations::apply::step::{Fence, Limits};
use crate::model::ident::SchemaName;
use crate::model::job::Waits;
use crate::postgres::session::WriterSession;
use crate::text::Untrusted;

/// Time between two cancels of the same work: the first may have met the moment between two statements.
const CANCEL_AGAIN: Duration = Duration::from_secs(2);
/// How many cancels are sent before the session is cut.
const MAX_CANCELS: u32 = 3;

/// Why no further step is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// The operator cancelled it.
    Cancel,
    /// Paused: why it waits, and the reason in words.
    Pause(Waits, String),
    /// Another worker has the job.
    Fenced,
    /// The link is gone for too long: the job stays as it is.
    Lost(OrderError),
}

impl Halt {
    /// Of an error on the way to a step. What is refused (another server, a standby, a pooler) is for an operator to
    /// look at; what did not answer may come back.
    pub(super) fn of(error: OrderError) -> Self {
        match error {
            OrderError::Refused(_)
            | OrderError::Over(_)
            | OrderError::Unconfigured(_)
            | OrderError::NotInitialised(_)
            | OrderError::Busy { .. }
            | OrderError::Query(_) => Self::Pause(Waits::Trouble, error.to_string()),
            OrderError::Link(_) => Self::Lost(error),
        }
    }

    /// Whether this reason takes the place of another one: a cancel ends what would only be paused.
    const fn outranks(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Cancel, Self::Pause(..)))
    }
}

/// What all lanes of a run share.
pub(super) struct Shared<'a> {
    pub(super) fence: Fence,
    pub(super) limits: Limits,
    pub(super) ledger: WritableLedger,
    /// The database's name in the server.
    pub(super) database: &'a str,
    pub(super) search_path_extra: &'a [SchemaName],
    /// Whose rights files run with.
    pub(super) run_as: RunAs,
    pub(super) os_user: &'a str,
    pub(super) reports: Reports,
    pub(super) halt: watch::Sender<Option<Halt>>,
    pub(super) lease: watch::Receiver<Lease>,
    /// What the operator wants, as the lease sees it.
    pub(super) flags: watch::Receiver<Flags>,
    /// What the process wants.
    pub(super) stop: watch::Receiver<Stop>,
    /// Held by the step that changes or locks what all tenants share.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// The schema whose steps wait until nobody is in their way.
    pub(super) patient: Option<&'a str>,
    /// Asks who is in the way, for all lanes.
    pub(super) watcher: Watcher<'a>,
    /// The tool's own command, where that does the work.
    pub(super) drive: Option<Drive<'a>>,
    /// Told of each schema whose tenant is through.
    pub(super) through: mpsc::UnboundedSender<u32>,
}

/// How work ended, and whether its cancel was sent before.
pub(super) struct Ended<T> {
    pub(super) end: T,
    pub(super) cancelled: bool,
}

impl Shared<'_> {
    /// Nothing new is started from now on; the first reason stands.
    pub(super) fn halt(&self, why: Halt) {
        self.halt.send_if_modified(|halt| {
            let counts = halt.as_ref().is_none_or(|first| why.outranks(first));
            if counts {
                *halt = Some(why);
            }
            counts
        });
    }

    /// Whether the steps of this schema wait until nobody is in their way.
    pub(super) fn is_patient(&self, schema: &str) -> bool {
        self.patient == Some(schema)
    }

    /// The advisory locks that are of one schema: ours, and the tool's where it has one.
    pub(super) fn keys(&self, schema: &SchemaName) -> Vec<i64> {
        let tool = self.ledger.schema_key(self.database, schema);
        std::iter::once(keys::tenant(schema.raw())).chain(tool).collect()
    }

    pub(super) fn halted(&self) -> bool {
        self.halt.borrow().is_some()
    }

    /// Whether a step may start now: waits while the lock connection is being regained, and for a fresh answer where
    /// the last one is old, as after a process was frozen. `first`: the first step of its tenant.
    pub(super) async fn may_start(&self, first: bool) -> bool {
        if *self.stop.borrow() > Stop::GoOn {
            self.halt(stopped());
        }
        let mut lease = self.lease.clone();
        let state = tokio::select! {
            state = lease.wait_for(Lease::is_settled) => state.map(|lease| lease.clone()),
            () = self.end_now() => return false,
        };
        match state {
            Ok(Lease::Held { .. }) => {}
            Ok(Lease::Taken) => self.halt(Halt::Fenced),
            Ok(Lease::Moved(why)) => self.halt(Halt::Pause(Waits::Trouble, why.raw().to_owned())),
            Ok(Lease::Lost(why) | Lease::Gone(why)) => self.halt(Halt::Lost(gate::lost(why))),
            Err(_) => self.halt(Halt::Lost(gate::lost(Untrusted::new("the lock connection ended")))),
        }
        self.heed().await;
        if self.ends_now() {
            return false;
        }
        // A cancelled job finishes its current tenants; everything else stops after the step.
        match &*self.halt.borrow() {
            None => true,
            Some(Halt::Cancel) => !first,
            Some(Halt::Pause(..) | Halt::Fenced | Halt::Lost(_)) => false,
        }
    }

    /// Rests between two batches, for so long; less where the operator or the process wants the job to stop meanwhile,
    /// or another worker has it.
    pub(super) async fn rest(&self, time: Duration) {
        let (mut flags, mut stop, mut lease) = (self.flags.clone(), self.stop.clone(), self.lease.clone());
        let operator = async { flags.wait_for(|flags| flags.cancel || flags.stop_now || flags.pause).await.is_ok() };
        let process = async { stop.wait_for(|stop| *stop > Stop::GoOn).await.is_ok() };
        let lost = async { lease.wait_for(Lease::is_over).await.is_ok() };
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            // Where nobody can ask any more, the time alone counts.
            true = operator => {}
            true = process => {}
            true = lost => {}
        }
    }

    /// What the operator asked for becomes the reason to stop.
    async fn heed(&self) {
        let flags = *self.flags.borrow();
        if flags.cancel || flags.stop_now {
            if !matches!(&*self.halt.borrow(), Some(Halt::Cancel)) {
                self.reports.send(Report::CancelSeen).await;
            }
            self.halt(Halt::Cancel);
        } else if flags.pause {
            self.halt(Halt::Pause(Waits::Operator, "paused by the operator".to_owned()));
        }
    }

    /// Whether even running statements are to be cancelled.
    fn ends_now(&self) -> bool {
        self.flags.borrow().stop_now || *self.stop.borrow() == Stop::Now
    }

    /// Returns when the job is not this worker's any more, or never.
    pub(super) async fn taken(&self) {
        let mut lease = self.lease.clone();
        if lease.wait_for(|lease| matches!(lease, Lease::Taken)).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.halt(Halt::Fenced);
    }

    /// Returns when running statements are to be cancelled, with the reason already set.
    pub(super) async fn end_now(&self) {
        let (mut flags, mut stop) = (self.flags.clone(), self.stop.clone());
        let operator = async {
            if flags.wait_for(|flags| flags.stop_now).await.is_err() {
                // Nobody can ask any more.
                std::future::pending::<()>().await;
            }
        };
        let process = async {
            if stop.wait_for(|stop| *stop == Stop::Now).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = operator => self.halt(Halt::Cancel),
            () = process => self.halt(stopped()),
        }
    }

    /// Waits for `work`, which runs on `session`. When what runs is to be ended now, the session's statement is
    /// cancelled, and the work ends as the server's answer makes it end; a session that heeds no cancel is cut. The
    /// server rolls back what was not committed.
    pub(super) async fn cancellable<T>(&self, session: &WriterSession, work: impl Future<Output = T>) -> Ended<T> {
        tokio::pin!(work);
        tokio::select! {
            biased;
            end = &mut work => return Ended { end, cancelled: false },
            () = self.end_now() => {}
        }
        for _ in 0..MAX_CANCELS {
            let cancel = async {
                if let Err(error) = session.cancel.cancel().await {
                    tracing::warn!("{error}");
                }
                tokio::time::sleep(CANCEL_AGAIN).await;
            };
            tokio::select! {
                biased;
                end = &mut work => return Ended { end, cancelled: true },
                () = cancel => {}
            }
        }
        session.cut();
        Ended { end: work.await, cancelled: true }
    }
}

fn stopped() -> Halt {
    Halt::Pause(Waits::Process, "it was asked to end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stands_but_a_cancel_is_never_lost() {
        let pause = || Halt::Pause(Waits::Process, "x".into());
        assert!(Halt::Cancel.outranks(&pause()));
        for (later, first) in
            [(pause(), Halt::Cancel), (pause(), pause()), (Halt::Cancel, Halt::Fenced), (Halt::Fenced, pause())]
        {
            assert!(!later.outranks(&first), "{later:?} {first:?}");
        }
    }

    #[test]
    fn a_refusal_waits_for_an_operator_and_a_lost_link_does_not() {
        assert!(
            matches!(Halt::of(gate::refused("a standby")), Halt::Pause(Waits::Trouble, words) if words == "a standby")
        );
        assert!(matches!(Halt::of(gate::lost("gone".into())), Halt::Lost(_)));
    }
}
