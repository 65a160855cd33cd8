//! One tenant's part of a migrate job: its files in order on one lane, each a step; what is tried again, what stops
//! the tenant, what stops the job.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::gate;
use super::lane::{LINK_PATIENCE, Lane};
use super::orders::OrderError;
use super::report::{Report, seconds};
use super::shared::{Ended, Halt, Shared};
use super::steps::{self, StepRow, TenantSteps};
use super::wait;
use super::worker::words as panic_words;
use crate::migrations::alone::{self, Alone};
use crate::migrations::apply;
use crate::migrations::apply::alone::Trail;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{self, Fence, Flag, StepEnd, StepOrder};
use crate::migrations::folder::MigrationFile;
use crate::model::job::{LogMark, Outcome, Waits};
use crate::postgres::session::WriterSession;
use crate::text::Untrusted;

/// How often a step is tried when a lock, a deadlock or a race kept it out.
const MAX_TRIES: u32 = 4;
/// How often a step asks whether it is its turn to change what all tenants share: for about half a minute.
const MAX_TURNS: u32 = 240;
/// How often a step's session may be lost before the job stops.
const MAX_LOSSES: u32 = 5;

/// What came of one step.
enum StepResult {
    Done,
    Stopped(Outcome),
    Halted,
}

/// Runs a tenant's pending files in order. `None`: halted before it was through; what is done stays done.
pub(super) async fn run(shared: &Shared<'_>, lane: &mut Lane<'_>, tenant: &TenantSteps) -> Option<Outcome> {
    let started = Instant::now();
    let pending: Vec<&StepRow> = tenant.steps.iter().filter(|step| step.pending).collect();
    let mut ledger_expected = true;
    if !pending.is_empty() && shared.is_patient(tenant.schema.raw()) {
        wait::until_free(shared, lane, tenant).await;
    }
    for (index, step) in pending.iter().enumerate() {
        if !shared.may_start(index == 0).await {
            return None;
        }
        let from = step.from.as_deref().unwrap_or("-");
        let text = format!("{from}>{}   step {} of {}", step.version, index + 1, pending.len());
        shared.reports.line(LogMark::Run, &tenant.slug, text).await;
        let work = one(shared, lane, tenant, step, &mut ledger_expected, index == 0);
        let result = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => panicked(shared, lane, tenant, step, panic_words(&*panic)).await,
        };
        match result {
            StepResult::Done => shared.reports.send(Report::Step).await,
            StepResult::Halted => return None,
            StepResult::Stopped(outcome) => {
                shared.reports.send(Report::Ended(outcome)).await;
                return Some(outcome);
            }
        }
    }
    let from = pending.first().and_then(|step| step.from.as_deref()).unwrap_or("-");
    let to = pending.last().map_or("", |step| step.version.as_str());
    shared.reports.line(LogMark::Ok, &tenant.slug, format!("{from}>{to}   {}", seconds(started.elapsed()))).await;
    shared.reports.send(Report::Ended(Outcome::Done)).await;
    Some(Outcome::Done)
}

/// A panic is a fault of this program and ends the step as a failure does: the server rolls back what its session had
/// open, and the other tenants go on.
async fn panicked(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    words: &str,
) -> StepResult {
    lane.drop_session();
    let fault = Fault::ours(format!("tenantui itself failed here ({words}); please report it"));
    // A statement that no transaction holds may be through.
    let outcome = if matches!(alone::of(&row.file), Ok(None)) { Outcome::Failed } else { Outcome::Unknown };
    stopped(shared, lane, tenant, row, Verdict { outcome, fault, blocker: None, tries: 1 }).await
}

/// Tests ask for a panic within a step; a program made for release does not listen.
fn asked_to_panic(row: &StepRow) {
    if cfg!(debug_assertions) && std::env::var("TENANTUI_TEST_PANIC").is_ok_and(|at| at == format!("step {}", row.seq))
    {
        panic!("asked for by TENANTUI_TEST_PANIC");
    }
}

/// One step, tried again as far as its failure allows.
async fn one(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    ledger_expected: &mut bool,
    first: bool,
) -> StepResult {
    let mut tries = 0;
    let mut losses = 0;
    let mut expectations = 0;
    let mut turns = 0;
    let mut trail = Trail { sent: false, inherited: row.intent };
    let alone = match alone::of(&row.file) {
        Ok(alone) => alone,
        Err(unfit) => return stopped(shared, lane, tenant, row, Verdict::failed(Fault::ours(unfit.message), 0)).await,
    };
    let (started, patient) = (Instant::now(), shared.is_patient(tenant.schema.raw()));
    loop {
        tries += 1;
        asked_to_panic(row);
        let order = step_order(shared, tenant, row, *ledger_expected, first && tries == 1, tries);
        if alone.is_some() {
            // Its session is its own, from before the statement until after it.
            lane.drop_session();
        }
        let (Ended { end, cancelled }, mut blocker) = match lane.split().await {
            Ok((session, pid, watcher)) => {
                let work = shared.cancellable(session, run_step(session, &order, alone.as_ref(), &mut trail));
                watcher.during(pid, shared.limits.lock, work).await
            }
            Err(error) => {
                shared.halt(Halt::of(error));
                return StepResult::Halted;
            }
        };
        if cancelled && end.is_rolled_back() {
            lane.drop_session();
            shared.reports.line(LogMark::Note, &tenant.slug, "cancelled, rolled back").await;
            return StepResult::Halted;
        }
        if alone.is_some() || !end.keeps_session() {
            lane.drop_session();
        }
        match end {
            StepEnd::Done { .. } => {
                *ledger_expected = true;
                return StepResult::Done;
            }
            StepEnd::Already => return already(shared, lane, row, tries).await,
            StepEnd::Flagged(flag) => return flagged(shared, flag).await,
            StepEnd::Skipped => {
                shared.reports.line(LogMark::Note, &tenant.slug, "skipped by the operator").await;
                return StepResult::Stopped(Outcome::Skipped);
            }
            StepEnd::Queued if turns < MAX_TURNS => {
                turns += 1;
                tries -= 1;
                pause(1).await;
            }
            StepEnd::Queued => {
                let fault =
                    Fault::ours("other tenantui sessions change what all tenants share, and do not come to an end");
                let verdict = Verdict { outcome: Outcome::Blocked, fault, blocker: None, tries };
                return stopped(shared, lane, tenant, row, verdict).await;
            }
            StepEnd::Unsure(fault) => {
                let verdict = Verdict { outcome: Outcome::Unknown, fault, blocker: None, tries };
                return stopped(shared, lane, tenant, row, verdict).await;
            }
            StepEnd::Fenced => {
                shared.halt(Halt::Fenced);
                return StepResult::Halted;
            }
            StepEnd::LedgerIs { present } if expectations < MAX_TRIES => {
                expectations += 1;
                tries -= 1;
                *ledger_expected = present;
            }
            StepEnd::LedgerIs { .. } => {
                let fault = Fault::ours("the ledger table came and went while the step was tried");
                return stopped(shared, lane, tenant, row, Verdict::failed(fault, tries)).await;
            }
            StepEnd::Locked(fault) => {
                if fault.sqlstate.is_none() {
                    blocker = lane.watcher().holder(tenant.schema.raw()).await;
                }
                if tries >= MAX_TRIES && !(patient && started.elapsed() < wait::LONGEST && !shared.halted()) {
                    let verdict = Verdict { outcome: Outcome::Blocked, fault, blocker, tries };
                    return stopped(shared, lane, tenant, row, verdict).await;
                }
                pause(tries).await;
                if !shared.may_start(first).await {
                    return StepResult::Halted;
                }
            }
            StepEnd::Again(fault) if tries < MAX_TRIES => {
                shared.reports.line(LogMark::Note, &tenant.slug, format!("tried again: {}", fault.message.raw())).await;
                pause(tries).await;
            }
            StepEnd::Again(fault) | StepEnd::Failed(fault) => {
                return stopped(shared, lane, tenant, row, Verdict::failed(fault, tries)).await;
            }
            StepEnd::Blocked(why) => {
                let verdict = Verdict { outcome: Outcome::Blocked, fault: Fault::ours(why), blocker: None, tries };
                return stopped(shared, lane, tenant, row, verdict).await;
            }
            StepEnd::Escaped(fault) => {
                let words = format!(
                    "{} ended its transaction inside the file; that tenant needs a repair by hand",
                    tenant.slug
                );
                let result = stopped(shared, lane, tenant, row, Verdict::escaped(fault, tries)).await;
                shared.halt(Halt::Pause(Waits::Trouble, words));
                return result;
            }
            StepEnd::Lost(why) => {
                losses += 1;
                tries -= 1;
                if losses >= MAX_LOSSES {
                    shared.halt(Halt::Lost(gate::lost(why)));
                    return StepResult::Halted;
                }
                shared
                    .reports
                    .line(LogMark::Note, &tenant.slug, format!("session lost ({}); the step is run again", why.raw()))
                    .await;
            }
            StepEnd::Unknown { xid, why, .. } => {
                shared
                    .reports
                    .line(LogMark::Note, &tenant.slug, format!("reply to COMMIT lost ({}); reading it back", why.raw()))
                    .await;
                match decide(lane, shared.fence, row.seq, &xid).await {
                    Ok(true) => return StepResult::Done,
                    Ok(false) => losses += 1,
                    Err(error) => {
                        shared.halt(Halt::of(error));
                        return StepResult::Halted;
                    }
                }
            }
        }
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

fn step_order<'a>(
    shared: &'a Shared<'_>,
    tenant: &'a TenantSteps,
    row: &'a StepRow,
    ledger_expected: bool,
    heed_flags: bool,
    tries: u32,
) -> StepOrder<'a> {
    let file: &MigrationFile = &row.file;
    StepOrder {
        fence: shared.fence,
        seq: row.seq,
        schema: &tenant.schema,
        schema_oid: tenant.schema_oid,
        registry_check: tenant.registry_check.as_deref(),
        search_path_extra: shared.search_path_extra,
        ledger: shared.ledger,
        ledger_expected,
        file,
        limits: shared.limits,
        heed_flags,
        tries,
        os_user: shared.os_user,
    }
}

async fn flagged(shared: &Shared<'_>, flag: Flag) -> StepResult {
    match flag {
        Flag::Cancel => {
            shared.reports.send(Report::CancelSeen).await;
            shared.halt(Halt::Cancel);
        }
        Flag::Pause => shared.halt(Halt::Pause(Waits::Operator, "paused by the operator".to_owned())),
    }
    StepResult::Halted
}

async fn already(shared: &Shared<'_>, lane: &mut Lane<'_>, row: &StepRow, tries: u32) -> StepResult {
    match steps::mark_already(lane, shared.fence, row.seq, tries).await {
        Ok(true) => StepResult::Done,
        Ok(false) => {
            shared.halt(Halt::Fenced);
            StepResult::Halted
        }
        Err(error) => {
            shared.halt(Halt::of(error));
            StepResult::Halted
        }
    }
}

/// Why a step will not be done in this run.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) fault: Fault,
    pub(super) blocker: Option<Untrusted>,
    pub(super) tries: u32,
}

impl Verdict {
    pub(super) const fn failed(fault: Fault, tries: u32) -> Self {
        Self { outcome: Outcome::Failed, fault, blocker: None, tries }
    }

    fn escaped(mut fault: Fault, tries: u32) -> Self {
        fault.message = Untrusted::new(format!("DIRTY, part of the file is committed: {}", fault.message.raw()));
        Self::failed(fault, tries)
    }
}

/// Records what stopped the tenant, and says so.
async fn stopped(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    verdict: Verdict,
) -> StepResult {
    if let Err(error) = steps::mark_stopped(lane, shared.fence, row.seq, &verdict, shared.os_user).await {
        shared.halt(error.map_or(Halt::Fenced, Halt::of));
        return StepResult::Halted;
    }
    let from = row.from.as_deref().unwrap_or("-");
    let code = verdict.fault.sqlstate.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let text = format!("{from}>{}   {code}{}", row.version, verdict.fault.message.raw());
    shared.reports.line(LogMark::Fail, &tenant.slug, text).await;
    let mut more = format!("rolled back, schema is still at {from}");
    if let Some(statement) = &verdict.fault.statement {
        more.push_str(&format!("; statement {} of {}, line {}", statement.number, statement.of, statement.line));
    }
    if let Some(blocker) = &verdict.blocker {
        more.push_str(&format!("; blocked by {}", blocker.raw()));
    }
    shared.reports.line(LogMark::Note, &tenant.slug, more).await;
    StepResult::Stopped(verdict.outcome)
}

/// T2u: did it commit? Waits for the server to know, then reads the step's row, which is of the same transaction.
pub(super) async fn decide(lane: &mut Lane<'_>, fence: Fence, seq: i32, xid: &str) -> Result<bool, OrderError> {
    let sql = format!(
        "SELECT pg_catalog.txid_status({xid}::bigint); SELECT s.state = 'done' FROM tenantui.step AS s \
         WHERE s.job_id = {} AND s.seq = {seq}",
        fence.job
    );
    let started = Instant::now();
    loop {
        lane.drop_session();
        let (session, _) = lane.session().await?;
        let answer = gate::ask(session, &sql).await;
        let status = answer.as_ref().ok().and_then(|rows| rows.first()).and_then(|rows| rows.first());
        if let Some(row) = status
            && row.text(0) != Some("in progress")
        {
            return Ok(answer.iter().flatten().nth(1).and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0)));
        }
        if started.elapsed() > LINK_PATIENCE {
            return Err(gate::lost(Untrusted::new("the outcome of a COMMIT could not be read back in time")));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Growing pauses with jitter, 0.1 s to 10 s, so that two workers do not collide in step.
pub(super) async fn pause(tries: u32) {
    let base = Duration::from_millis(100 * 4_u64.saturating_pow(tries.saturating_sub(1))).min(Duration::from_secs(10));
    let jitter = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    tokio::time::sleep(base + base * jitter / 512).await;
}
