//! One transaction of a job that makes a tenant or brings data into one: tried again as far as its failure allows, and
//! recorded where it does not.

use std::time::Instant;

use super::attempt::{NO_TURN, TURN, pause, turn_pause};
use super::decide::{self, Question};
use super::gate;
use super::lane::Lane;
use super::report::Report;
use super::shared::{Ended, Halt, Shared};
use super::steps;
use super::verdict::{Verdict, flagged};
use super::watcher::Blocker;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::StepEnd;
use crate::model::ident::SchemaName;
use crate::model::job::LogMark;
use crate::postgres::session::WriterSession;

/// How often it is tried when another session was in the way.
const MAX_TRIES: u32 = 8;
/// How often its session may be lost before the job stops.
const MAX_LOSSES: u32 = 5;

/// How a try ended, and at which step.
pub(super) struct End {
    pub(super) end: StepEnd,
    pub(super) seq: i32,
}

/// What is done in one transaction.
pub(super) trait Transaction: Sync {
    /// One try, COMMIT included.
    fn attempt(&self, session: &WriterSession, tries: u32) -> impl Future<Output = End> + Send;
    /// The tenant.
    fn slug(&self) -> &str;
    /// Its schema.
    fn schema(&self) -> &SchemaName;
    /// A step in words.
    fn step_name(&self, seq: i32) -> String;
    /// What there is when it was rolled back.
    fn left(&self) -> &'static str;
    /// Whether its steps are told one by one, and so taken back with it.
    fn tells_steps(&self) -> bool;
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It is done.
    Done {
        /// By a COMMIT of this process, not by an earlier one's.
        here: bool,
    },
    /// The run is halted: the reason is set.
    Halted,
    /// It failed: recorded and told.
    Failed,
}

/// What one transaction has gone through so far.
#[derive(Default)]
struct Tried {
    tries: u32,
    losses: u32,
    turn_since: Option<Instant>,
    /// A COMMIT was sent.
    sent: bool,
}

/// Carries it out.
pub(super) async fn run<T: Transaction>(shared: &Shared<'_>, lane: &mut Lane<'_>, transaction: &T) -> Came {
    let mut tried = Tried::default();
    loop {
        if !shared.may_start(true).await {
            return Came::Halted;
        }
        tried.tries += 1;
        let (session, pid, watcher) = match lane.split().await {
            Ok(split) => split,
            Err(error) => return halted(shared, Halt::of(error)),
        };
        let work = shared.cancellable(session, transaction.attempt(session, tried.tries));
        let (Ended { end: End { end, seq }, cancelled }, blockers) =
            watcher.during(pid, shared.limits.lock, work).await;
        if cancelled && end.is_rolled_back() {
            let text = format!("cancelled: {}", transaction.left());
            shared.reports.line(LogMark::Note, transaction.slug(), text).await;
            return Came::Halted;
        }
        if !matches!(end, StepEnd::Done { .. } | StepEnd::Queued) {
            lane.drop_session();
            if transaction.tells_steps() {
                shared.reports.send(Report::StepsThrough(0)).await;
            }
        }
        let end = match tried.again(shared, lane, transaction, End { end, seq }).await {
            Ok(None) => continue,
            Ok(Some(came)) => return came,
            Err(end) => end,
        };
        let blockers = match &end {
            StepEnd::Locked(_) if blockers.is_empty() => {
                lane.watcher().holder(&shared.keys(transaction.schema())).await
            }
            _ => blockers,
        };
        return failed(shared, lane, transaction, seq, verdict(end, blockers, tried.tries)).await;
    }
}

impl Tried {
    /// What may pass is tried again: `Ok(None)`. What will not is given back.
    async fn again<T: Transaction>(
        &mut self,
        shared: &Shared<'_>,
        lane: &mut Lane<'_>,
        transaction: &T,
        End { end, seq }: End,
    ) -> Result<Option<Came>, StepEnd> {
        self.sent |= matches!(end, StepEnd::Done { .. } | StepEnd::Unknown { .. });
        let note = |text: String| shared.reports.line(LogMark::Note, transaction.slug(), text);
        match end {
            StepEnd::Done { .. } | StepEnd::Already => return Ok(Some(Came::Done { here: self.sent })),
            StepEnd::Flagged(flag) => {
                flagged(shared, flag).await;
                return Ok(Some(Came::Halted));
            }
            StepEnd::Fenced => return Ok(Some(halted(shared, Halt::Fenced))),
            StepEnd::Queued if self.turn_since.get_or_insert_with(Instant::now).elapsed() < TURN => {
                self.tries -= 1;
                turn_pause().await;
            }
            StepEnd::Locked(fault) | StepEnd::Again(fault) if self.tries < MAX_TRIES => {
                note(format!("tried again: {}", fault.message.raw())).await;
                pause(self.tries.min(4)).await;
            }
            StepEnd::Lost(why) => {
                self.losses += 1;
                self.tries -= 1;
                if self.losses >= MAX_LOSSES {
                    return Ok(Some(halted(shared, Halt::Lost(gate::lost(why)))));
                }
            }
            StepEnd::Unknown { xid, why, .. } => {
                note(format!("reply to COMMIT lost ({}); reading it back", why.raw())).await;
                // When it committed, the next round finds the step done.
                let question = Question { fence: shared.fence, seq, xid: &xid, ledger: &shared.ledger, place: None };
                if let Err(error) = decide::committed(lane, &question).await {
                    return Ok(Some(halted(shared, Halt::of(error))));
                }
            }
            end => return Err(end),
        }
        Ok(None)
    }
}

fn halted(shared: &Shared<'_>, why: Halt) -> Came {
    shared.halt(why);
    Came::Halted
}

/// Why it is not tried again.
fn fault(end: StepEnd) -> Fault {
    match end {
        StepEnd::Locked(fault)
        | StepEnd::Again(fault)
        | StepEnd::Failed(fault)
        | StepEnd::Unsure(fault)
        | StepEnd::Escaped(fault) => fault,
        StepEnd::Blocked(why) => Fault::ours(why),
        StepEnd::Queued => Fault::ours(NO_TURN),
        StepEnd::LedgerIs { .. } => Fault::ours("the new schema is not empty"),
        StepEnd::Skipped => Fault::ours("what is done in one transaction is not skipped"),
        StepEnd::Lost(why) | StepEnd::Unknown { why, .. } => Fault::ours(why),
        StepEnd::Done { .. } | StepEnd::Already | StepEnd::Flagged(_) | StepEnd::Fenced => {
            Fault::ours("it ended in a way that is no failure; please report this")
        }
    }
}

/// What is recorded of it.
fn verdict(end: StepEnd, blockers: Vec<Blocker>, tries: u32) -> Verdict {
    match end {
        StepEnd::Escaped(fault) => Verdict { blockers, ..Verdict::escaped(fault, tries) },
        end => Verdict { blockers, ..Verdict::failed(fault(end), tries) },
    }
}

async fn failed<T: Transaction>(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    transaction: &T,
    seq: i32,
    verdict: Verdict,
) -> Came {
    if let Err(error) = steps::mark_stopped(lane, shared.fence, seq, &verdict, shared.os_user).await {
        return halted(shared, error.map_or(Halt::Fenced, Halt::of));
    }
    let code = verdict.fault.sqlstate.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let text = format!("{}   {code}{}", transaction.step_name(seq), verdict.fault.message.raw());
    shared.reports.line(LogMark::Fail, transaction.slug(), text).await;
    let text = if verdict.stays {
        "not rolled back: the transaction was ended inside a file; look at the schema, and put right or remove what is there"
            .to_owned()
    } else {
        format!("rolled back: {}", transaction.left())
    };
    shared.reports.line(LogMark::Note, transaction.slug(), text).await;
    shared.reports.send(Report::Ended(verdict.outcome)).await;
    Came::Failed
}
