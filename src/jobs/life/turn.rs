//! One step, tried again as far as its failure allows, as a step of a migration is.

use std::time::Instant;

use super::run::{Life, LifeRow};
use super::tx::Work;
use super::{access, cache, lock, objects, role, row, schema};
use crate::jobs::attempt::{MAX_TRIES, NO_TURN, TURN, pause, turn_pause};
use crate::jobs::decide::{self, Question};
use crate::jobs::gate;
use crate::jobs::lane::{Lane, Unfinished};
use crate::jobs::shared::{Ended, Halt, Shared};
use crate::jobs::steps;
use crate::jobs::verdict::Verdict;
use crate::jobs::watcher::{self, Blocker};
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{Flag, StepEnd};
use crate::model::job::{LogMark, Outcome, Waits};
use crate::model::life::LifeStep;

/// How often a step's session may be lost before the job stops.
const MAX_LOSSES: u32 = 5;

/// What a try came to.
pub(super) enum Went {
    /// The step's own end.
    Ended(StepEnd),
    /// A part of it is committed, and there is more; what was done, in words.
    More(String),
}

/// What is known from one try to the next.
#[derive(Default)]
struct Count {
    tries: u32,
    losses: u32,
    turn_since: Option<Instant>,
    /// What a step with several transactions has learned.
    purge: objects::Learned,
}

/// Whether it is done; `false`: the job stops here, and the record or the halt says why.
pub(super) async fn run(shared: &Shared<'_>, lane: &mut Lane<'_>, life: &Life<'_>, row: &LifeRow) -> bool {
    let mut count = Count::default();
    loop {
        if !shared.may_start(false).await {
            return false;
        }
        count.tries += 1;
        let (end, blockers) = match once(shared, lane, life, row, &mut count).await {
            Ok((Went::More(words), _)) => {
                count.tries = 0;
                shared.reports.line(LogMark::Note, &life.slug, words).await;
                continue;
            }
            Ok((Went::Ended(end), blockers)) => (end, blockers),
            Err(halted) => return halted,
        };
        if matches!(end, StepEnd::Done { .. } | StepEnd::Already) {
            shared.reports.line(LogMark::Note, &life.slug, words(row.step)).await;
            return true;
        }
        match again(shared, lane, life, row, end, &mut count).await {
            Next::Again => {}
            Next::Stop => return false,
            Next::Done => return true,
            Next::Failed(outcome, fault) => {
                let verdict = Verdict { outcome, blockers, ..Verdict::failed(fault, count.tries) };
                stopped(shared, lane, life, row, verdict).await;
                return false;
            }
        }
    }
}

/// What a step did, for the log.
const fn words(step: LifeStep) -> &'static str {
    match step {
        LifeStep::Name => "display name written",
        LifeStep::Status => "status written",
        LifeStep::Sessions => "sessions ended",
        LifeStep::Trash => "in the trash",
        LifeStep::Restore => "back from the trash",
        LifeStep::Revoke => "keys revoked",
        LifeStep::Objects => "schema removed",
        LifeStep::Role => "role removed",
        LifeStep::Keys => "cache keys removed",
        LifeStep::Forget => "registry row removed",
        LifeStep::Adopt => "registry row written",
        LifeStep::Make => "schema created",
        LifeStep::Unlock => "lock taken away",
    }
}

/// One try. `Err`: there is no session for it, or what ran was cancelled; whether the step counts as done.
async fn once(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    life: &Life<'_>,
    row: &LifeRow,
    count: &mut Count,
) -> Result<(Went, Vec<Blocker>), bool> {
    let split = tokio::select! {
        split = lane.split() => split,
        () = shared.end_now() => return Err(false),
    };
    let (session, pid, watcher) = match split {
        Ok(split) => split,
        Err(error) => {
            shared.halt(Halt::of(error));
            return Err(false);
        }
    };
    let unfinished = Unfinished::of(session);
    let work = Work { client: &session.client, shared, life, row, tries: count.tries };
    let step = shared.cancellable(session, step(&work, &mut count.purge));
    let (Ended { end, cancelled }, blockers) = watcher.during(pid, shared.limits.lock, step).await;
    unfinished.over();
    if let Went::Ended(end) = &end {
        match end {
            StepEnd::Lost(_) => lane.abandon_session().await,
            _ if !end.keeps_session() => lane.drop_session(),
            _ => {}
        }
        if cancelled && end.is_rolled_back() {
            shared.reports.line(LogMark::Note, &life.slug, "cancelled, rolled back").await;
            return Err(false);
        }
    }
    Ok((end, blockers))
}

async fn step(work: &Work<'_>, learned: &mut objects::Learned) -> Went {
    let end = match work.row.step {
        LifeStep::Name | LifeStep::Status => row::write(work).await,
        LifeStep::Forget => row::forget(work).await,
        LifeStep::Adopt => row::adopt(work).await,
        LifeStep::Trash => schema::trash(work).await,
        LifeStep::Restore => schema::restore(work).await,
        LifeStep::Make => schema::make(work).await,
        LifeStep::Unlock => lock::take_away(work).await,
        LifeStep::Sessions => role::end_sessions(work).await,
        LifeStep::Role => role::remove(work).await,
        LifeStep::Keys => cache::remove(work).await,
        LifeStep::Revoke => access::revoke(work).await,
        LifeStep::Objects => return objects::next(work, learned).await,
    };
    Went::Ended(end.unwrap_or_else(|end| end))
}

enum Next {
    Again,
    Done,
    Stop,
    Failed(Outcome, Fault),
}

/// What may pass is tried again; what will not is the step's end.
async fn again(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    life: &Life<'_>,
    row: &LifeRow,
    end: StepEnd,
    count: &mut Count,
) -> Next {
    let note = |text: String| shared.reports.line(LogMark::Note, &life.slug, text);
    let halt = |why: Halt| {
        shared.halt(why);
        Next::Stop
    };
    match end {
        StepEnd::Done { .. } | StepEnd::Already => Next::Done,
        StepEnd::Flagged(Flag::Cancel) => halt(Halt::Cancel),
        StepEnd::Flagged(Flag::Pause) => halt(Halt::Pause(Waits::Operator, "paused by the operator".to_owned())),
        StepEnd::Fenced => halt(Halt::Fenced),
        StepEnd::Queued if count.turn_since.get_or_insert_with(Instant::now).elapsed() < TURN => {
            count.tries -= 1;
            turn_pause().await;
            Next::Again
        }
        StepEnd::Locked(fault) | StepEnd::Again(fault) if count.tries < MAX_TRIES => {
            note(format!("tried again: {}", fault.message.raw())).await;
            pause(count.tries).await;
            Next::Again
        }
        StepEnd::Lost(why) => {
            count.losses += 1;
            count.tries -= 1;
            if count.losses >= MAX_LOSSES {
                return halt(Halt::Lost(gate::lost(why)));
            }
            note(format!("session lost ({}); the step is run again", why.raw())).await;
            Next::Again
        }
        StepEnd::Unknown { xid, why, .. } => {
            note(format!("reply to COMMIT lost ({}); reading it back", why.raw())).await;
            let question =
                Question { fence: shared.fence, seq: row.seq, xid: &xid, ledger: &shared.ledger, place: None };
            match decide::committed(lane, &question).await {
                Ok(true) => Next::Done,
                Ok(false) => {
                    count.losses += 1;
                    Next::Again
                }
                Err(error) => halt(Halt::of(error)),
            }
        }
        StepEnd::Locked(fault) => Next::Failed(Outcome::Blocked, fault),
        StepEnd::Blocked(why) => Next::Failed(Outcome::Blocked, Fault::ours(why)),
        StepEnd::Queued => Next::Failed(Outcome::Blocked, Fault::ours(NO_TURN)),
        StepEnd::Skipped | StepEnd::LedgerIs { .. } => {
            Next::Failed(Outcome::Failed, Fault::ours("the record was changed meanwhile"))
        }
        StepEnd::Again(fault) | StepEnd::Failed(fault) | StepEnd::Escaped(fault) => {
            Next::Failed(Outcome::Failed, fault)
        }
        StepEnd::Unsure(fault) => Next::Failed(Outcome::Unknown, fault),
    }
}

/// Records why it was not done, and says so.
async fn stopped(shared: &Shared<'_>, lane: &mut Lane<'_>, life: &Life<'_>, row: &LifeRow, verdict: Verdict) {
    if let Err(error) = steps::mark_stopped(lane, shared.fence, row.seq, &verdict, shared.os_user).await {
        return shared.halt(error.map_or(Halt::Fenced, Halt::of));
    }
    let code = verdict.fault.sqlstate.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let blocked = watcher::in_words(&verdict.blockers);
    let blocked = blocked.map(|blocker| format!("; blocked by {}", blocker.raw())).unwrap_or_default();
    let text = format!("{}   {code}{}{blocked}", row.step.word(), verdict.fault.message.raw());
    shared.reports.line(LogMark::Fail, &life.slug, text).await;
    let kept = "this step was rolled back; what was done before it stays done. Retry goes on from here";
    shared.reports.line(LogMark::Note, &life.slug, kept).await;
    shared.reports.send(crate::jobs::report::Report::Ended(verdict.outcome)).await;
}
