//! One step of a tenant, tried again as far as its failure allows: locks, deadlocks and races a few times, lost sessions
//! a few times, a lost reply to COMMIT by reading back what it came to.

use std::time::{Duration, Instant};

use super::decide::{self, Question};
use super::gate;
use super::lane::{Lane, Unfinished};
use super::shared::{Ended, Halt, Shared};
use super::steps::{StepRow, TenantSteps};
use super::verdict::{StepResult, Verdict, already, flagged, stopped};
use super::wait;
use super::watcher::Blocker;
use crate::migrations::alone::{self, Alone};
use crate::migrations::apply;
use crate::migrations::apply::alone::Trail;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{self, StepEnd, StepOrder};
use crate::model::job::{LogMark, Outcome, Waits};
use crate::postgres::session::WriterSession;

/// How often a step is tried when a lock, a deadlock or a race kept it out. With the pauses between them a lock may stand
/// in the way for about five seconds before its tenant is `blocked` and the fleet goes on.
pub(super) const MAX_TRIES: u32 = 4;
/// How long a step waits for its turn to change what all tenants share, while another process is at it.
pub(super) const TURN: Duration = Duration::from_secs(60);
/// Why a step gave up that did not get its turn.
pub(super) const NO_TURN: &str = "other tenantui sessions change what all tenants share, and do not come to an end";
/// How often a step's session may be lost before the job stops.
const MAX_LOSSES: u32 = 5;

/// Where a step is run, and what is known of it from one try to the next.
struct Attempt<'t> {
    tenant: &'t TenantSteps,
    row: &'t StepRow,
    alone: Option<Alone>,
    trail: Trail,
    /// Its tenant's first step of this run: the operator's flags are heeded before it.
    first: bool,
    started: Instant,
    tries: u32,
    losses: u32,
    expectations: u32,
    turn_since: Option<Instant>,
}

/// One step, tried again as far as its failure allows.
pub(super) async fn run(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    ledger_expected: &mut bool,
    first: bool,
) -> StepResult {
    let alone = match alone::of(&row.file) {
        Ok(alone) => alone,
        Err(unfit) => return stopped(shared, lane, tenant, row, Verdict::failed(Fault::ours(unfit.message), 0)).await,
    };
    let mut attempt = Attempt {
        tenant,
        row,
        alone,
        trail: Trail { inherited: row.intent, ..Trail::default() },
        first,
        started: Instant::now(),
        tries: 0,
        losses: 0,
        expectations: 0,
        turn_since: None,
    };
    // The lanes of this process take their turns here; other processes are met at the lock in the step.
    let _turn = if row.file.is_one_at_a_time() {
        let turn = shared.turn.lock().await;
        if !shared.may_start(first).await {
            return StepResult::Halted;
        }
        Some(turn)
    } else {
        None
    };
    loop {
        let (end, blockers) = match attempt.once(shared, lane, *ledger_expected).await {
            Ok(ended) => ended,
            Err(result) => return result,
        };
        let next = match end {
            StepEnd::LedgerIs { present } if attempt.expectations < MAX_TRIES => {
                attempt.expectations += 1;
                attempt.tries -= 1;
                *ledger_expected = present;
                None
            }
            StepEnd::Done { .. } => {
                *ledger_expected = true;
                Some(StepResult::Done)
            }
            end => match attempt.again(shared, lane, end, blockers).await {
                Ok(next) => next,
                Err((end, blockers)) => Some(attempt.ended(shared, lane, end, blockers).await),
            },
        };
        if let Some(result) = next {
            return result;
        }
    }
}

/// Tests ask for a panic within a step; a program made for release does not listen.
fn asked_to_panic(row: &StepRow) {
    if cfg!(debug_assertions) && std::env::var("TENANTUI_TEST_PANIC").is_ok_and(|at| at == format!("step {}", row.seq))
    {
        panic!("asked for by TENANTUI_TEST_PANIC");
    }
}

impl Attempt<'_> {
    /// One try. `Err`: there is no session for it, or what ran was cancelled.
    async fn once(
        &mut self,
        shared: &Shared<'_>,
        lane: &mut Lane<'_>,
        ledger_expected: bool,
    ) -> Result<(StepEnd, Vec<Blocker>), StepResult> {
        self.tries += 1;
        asked_to_panic(self.row);
        let mut trail = self.trail;
        let order = self.order(shared, ledger_expected);
        if self.alone.is_some() {
            // Its session is its own, from before the statement until after it.
            lane.drop_session();
        }
        // A lost link is waited for, but not by a process that has to end.
        let split = tokio::select! {
            split = lane.split() => split,
            () = shared.end_now() => return Err(StepResult::Halted),
        };
        let (Ended { end, cancelled }, blockers) = match split {
            Ok((session, pid, watcher)) => {
                let unfinished = Unfinished::of(session);
                let work = run_step(session, &order, self.alone.as_ref(), &mut trail);
                let ended = watcher.during(pid, shared.limits.lock, shared.cancellable(session, work)).await;
                unfinished.over();
                ended
            }
            Err(error) => {
                shared.halt(Halt::of(error));
                return Err(StepResult::Halted);
            }
        };
        self.trail = trail;
        match end {
            StepEnd::Lost(_) => lane.abandon_session().await,
            _ if self.alone.is_some() || !end.keeps_session() => lane.drop_session(),
            _ => {}
        }
        if cancelled && end.is_rolled_back() {
            let words = if self.alone.is_some() { "cancelled" } else { "cancelled, rolled back" };
            shared.reports.line(LogMark::Note, &self.tenant.slug, words).await;
            return Err(StepResult::Halted);
        }
        Ok((end, blockers))
    }

    fn order<'a>(&'a self, shared: &'a Shared<'_>, ledger_expected: bool) -> StepOrder<'a> {
        StepOrder {
            fence: shared.fence,
            seq: self.row.seq,
            schema: &self.tenant.schema,
            schema_oid: self.tenant.schema_oid,
            registry_check: self.tenant.registry_check.as_deref(),
            search_path_extra: shared.search_path_extra,
            ledger: &shared.ledger,
            database: shared.database,
            way: self.row.way(),
            ledger_expected,
            run_as: shared.run_as,
            file: &self.row.file,
            limits: shared.limits,
            heed_flags: self.first && self.tries == 1,
            tries: self.tries,
            os_user: shared.os_user,
        }
    }

    /// What may pass is tried again: `Ok(None)`. What will not is given back.
    async fn again(
        &mut self,
        shared: &Shared<'_>,
        lane: &mut Lane<'_>,
        end: StepEnd,
        blockers: Vec<Blocker>,
    ) -> Result<Option<StepResult>, (StepEnd, Vec<Blocker>)> {
        let note = |text: String| shared.reports.line(LogMark::Note, &self.tenant.slug, text);
        match end {
            StepEnd::Queued if self.turn_since.get_or_insert_with(Instant::now).elapsed() < TURN => {
                self.tries -= 1;
                turn_pause().await;
            }
            StepEnd::Locked(fault) => {
                let blockers = if fault.sqlstate.is_none() {
                    lane.watcher().holder(&shared.keys(&self.tenant.schema)).await
                } else {
                    blockers
                };
                let waits = shared.is_patient(self.tenant.schema.raw())
                    && self.started.elapsed() < wait::LONGEST
                    && !shared.halted();
                if self.tries >= MAX_TRIES && !waits {
                    return Err((StepEnd::Locked(fault), blockers));
                }
                pause(self.tries).await;
                if !shared.may_start(self.first).await {
                    return Ok(Some(StepResult::Halted));
                }
            }
            StepEnd::Again(fault) if self.tries < MAX_TRIES => {
                note(format!("tried again: {}", fault.message.raw())).await;
                pause(self.tries).await;
            }
            StepEnd::Lost(why) => {
                self.losses += 1;
                self.tries -= 1;
                if self.losses >= MAX_LOSSES {
                    shared.halt(Halt::Lost(gate::lost(why)));
                    return Ok(Some(StepResult::Halted));
                }
                if !shared.may_start(self.first).await {
                    return Ok(Some(StepResult::Halted));
                }
                note(format!("session lost ({}); the step is run again", why.raw())).await;
            }
            StepEnd::Unknown { xid, why, .. } => {
                note(format!("reply to COMMIT lost ({}); reading it back", why.raw())).await;
                let place = Some((&self.tenant.schema, &*self.row.file, self.row.way()));
                let question =
                    Question { fence: shared.fence, seq: self.row.seq, xid: &xid, ledger: &shared.ledger, place };
                match decide::committed(lane, &question).await {
                    Ok(true) => return Ok(Some(StepResult::Done)),
                    Ok(false) => self.losses += 1,
                    Err(error) => {
                        shared.halt(Halt::of(error));
                        return Ok(Some(StepResult::Halted));
                    }
                }
            }
            end => return Err((end, blockers)),
        }
        Ok(None)
    }

    /// What is not tried again.
    async fn ended(
        &self,
        shared: &Shared<'_>,
        lane: &mut Lane<'_>,
        end: StepEnd,
        blockers: Vec<Blocker>,
    ) -> StepResult {
        let (tenant, tries) = (self.tenant, self.tries);
        let verdict = match end {
            StepEnd::Done { .. } => return StepResult::Done,
            StepEnd::Already => return already(shared, lane, self.row, tries).await,
            StepEnd::Flagged(flag) => return flagged(shared, flag).await,
            StepEnd::Skipped => {
                shared.reports.line(LogMark::Note, &tenant.slug, "skipped by the operator").await;
                return StepResult::Stopped(Outcome::Skipped);
            }
            StepEnd::Fenced => {
                shared.halt(Halt::Fenced);
                return StepResult::Halted;
            }
            StepEnd::Escaped(fault) => {
                let words = format!(
                    "{} ended its transaction inside the file; that tenant needs a repair by hand",
                    tenant.slug
                );
                let result = stopped(shared, lane, tenant, self.row, Verdict::escaped(fault, tries)).await;
                shared.halt(Halt::Pause(Waits::Trouble, words));
                return result;
            }
            StepEnd::Locked(fault) => Verdict { outcome: Outcome::Blocked, blockers, ..Verdict::failed(fault, tries) },
            StepEnd::Blocked(why) => Verdict { outcome: Outcome::Blocked, ..Verdict::failed(Fault::ours(why), tries) },
            StepEnd::Queued => Verdict { outcome: Outcome::Blocked, ..Verdict::failed(Fault::ours(NO_TURN), tries) },
            StepEnd::Unsure(fault) => Verdict { outcome: Outcome::Unknown, ..Verdict::failed(fault, tries) },
            StepEnd::LedgerIs { .. } => {
                Verdict::failed(Fault::ours("the ledger table came and went while the step was tried"), tries)
            }
            StepEnd::Again(fault) | StepEnd::Failed(fault) => Verdict::failed(fault, tries),
            StepEnd::Lost(why) | StepEnd::Unknown { why, .. } => {
                shared.halt(Halt::Lost(gate::lost(why)));
                return StepResult::Halted;
            }
        };
        stopped(shared, lane, tenant, self.row, verdict).await
    }
}

/// Within a transaction, or alone on this session, which is nobody else's then.
async fn run_step(session: &WriterSession, order: &StepOrder<'_>, alone: Option<&Alone>, trail: &mut Trail) -> StepEnd {
    match alone {
        None => step::run(&session.client, order).await,
        Some(what) if session.facts.direct => apply::alone::run(&session.client, order, what, trail).await,
        // Its search path is the session's, and a pooler would hand that to the application.
        Some(_) => StepEnd::Failed(Fault::ours(
            "a statement outside of a transaction is not run through a connection pooler: aim at the server itself",
        )),
    }
}

/// Growing pauses with jitter, 0.1 s to 10 s, so that two workers do not collide in step.
pub(super) async fn pause(tries: u32) {
    const LONGEST: Duration = Duration::from_secs(10);
    let base = Duration::from_millis(100 * 4_u64.saturating_pow(tries.saturating_sub(1)));
    tokio::time::sleep((base + base * jitter() / 512).min(LONGEST)).await;
}

/// Between two looks whether it is a step's turn.
pub(super) async fn turn_pause() {
    tokio::time::sleep(Duration::from_millis(50 + u64::from(jitter()) / 4)).await;
}

/// 0 to 255.
fn jitter() -> u32 {
    u32::from(uuid::Uuid::new_v4().as_bytes()[0])
}
