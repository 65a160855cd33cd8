//! What an operator asks of a job from any process: pause it, cancel it, skip one of its tenants. Each is one
//! transaction with its audit row, and wakes whoever listens. Where no worker has the job it is carried out at once;
//! otherwise a flag is set that its worker heeds.

use std::time::{Duration, Instant};

use super::claim;
use super::gate;
use super::orders::OrderError;
use super::who;
use crate::migrations::apply::keys::{self, JOB_CLASS};
use crate::migrations::apply::step::BEGIN;
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::ident::literal;
use crate::model::job::{JobId, JobKind, JobState};
use crate::postgres::session::{Target, WriterSession};
use crate::text::Untrusted;

/// What a cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// Its worker stops after the current tenants.
    AfterTenant,
    /// The second cancel: its worker cancels the running statements; each step is rolled back.
    Now,
    /// Nobody ran it: it is cancelled.
    Ended,
}

/// A change of a job's row, in SQL.
struct Change {
    /// The audit's word.
    action: &'static str,
    /// What is set where a worker has the job, and the audit's outcome then.
    asked: (&'static str, &'static str),
    /// What is set where nobody has it, and the audit's outcome then.
    at_once: (&'static str, &'static str),
}

const CANCEL: Change = Change {
    action: "cancel",
    asked: (
        "stop_now_at = CASE WHEN j.cancel_requested_at IS NOT NULL THEN COALESCE(j.stop_now_at, pg_catalog.clock_timestamp()) END, \
         cancel_requested_at = COALESCE(j.cancel_requested_at, pg_catalog.clock_timestamp())",
        "CASE WHEN stop_now_at IS NULL THEN 'requested' ELSE 'requested now' END",
    ),
    at_once: (
        "state = 'cancelled', waits = NULL, attempt = j.attempt + 1, ended_at = pg_catalog.clock_timestamp(), reason = 'cancelled'",
        "'cancelled'",
    ),
};

const PAUSE: Change = Change {
    action: "pause",
    asked: ("pause_requested_at = COALESCE(j.pause_requested_at, pg_catalog.clock_timestamp())", "'requested'"),
    at_once: (
        "state = 'paused', waits = 'operator', attempt = j.attempt + 1, reason = 'paused by the operator'",
        "'paused'",
    ),
};

/// What came of a change.
enum Came {
    /// Its worker was asked. Whether for the second time.
    Asked(bool),
    /// Nobody has it: it is so now.
    AtOnce,
}

/// How long the end of what stands in the way is waited for: a claim, or the last step of a worker that is gone.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between two tries.
const BETWEEN: Duration = Duration::from_millis(100);

/// Asks for a stop after the current tenants; the second time, for the running statements to be cancelled. A job that
/// nobody runs is cancelled at once.
///
/// # Errors
/// When the job is over, a step of a dead worker still runs, or the database cannot be written.
pub async fn cancel(target: &Target, job: JobId) -> Result<Cancelled, OrderError> {
    let session = open(target, job).await?;
    let view = claim::state_of(target, &session, job).await?;
    if view.state.is_over() {
        return Err(gate::refused(format!("job {job} is {}: there is nothing to cancel", view.state.word())));
    }
    Ok(match carry_out(&session, job, &CANCEL).await? {
        Came::AtOnce => Cancelled::Ended,
        Came::Asked(true) => Cancelled::Now,
        Came::Asked(false) => Cancelled::AfterTenant,
    })
}

/// Asks for a pause after the current steps. A queued or orphaned job is paused at once. Whether it is paused already.
///
/// # Errors
/// When the job is paused or over, a step of a dead worker still runs, or the database cannot be written.
pub async fn pause(target: &Target, job: JobId) -> Result<bool, OrderError> {
    let session = open(target, job).await?;
    let view = claim::state_of(target, &session, job).await?;
    match view.state {
        JobState::Queued | JobState::Running | JobState::Orphaned => {}
        JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => {
            return Err(gate::refused(format!("job {job} is {}: there is nothing to pause", view.state.word())));
        }
    }
    Ok(match carry_out(&session, job, &PAUSE).await? {
        Came::AtOnce => true,
        Came::Asked(_) => false,
    })
}

/// Carries out what an operator asked of a worker that is gone.
///
/// # Errors
/// When a step of that worker still runs, or the database cannot be written.
pub(super) async fn settle(session: &WriterSession, job: JobId) -> Result<(), OrderError> {
    let sql = format!("SELECT cancel_requested_at IS NOT NULL FROM tenantui.job WHERE id = {job}");
    let cancel = gate::ask(session, &sql).await?.iter().flatten().next().is_some_and(|row| row.is_true(0));
    carry_out(session, job, if cancel { &CANCEL } else { &PAUSE }).await.map(|_| ())
}

/// Leaves a tenant out of the rest of a job: what is done of it stays done, the rest is not run by this job. A failed
/// job of which nothing else is left is done then.
///
/// # Errors
/// When a step of it runs now, the job has no open step of it, the job makes a tenant, or the database cannot be
/// written.
pub async fn skip(target: &Target, job: JobId, schema: &str, note: &str) -> Result<(), OrderError> {
    let session = open(target, job).await?;
    gate::ask(&session, BEGIN).await?;
    let opening = format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', '5s', true); \
         SELECT kind, state FROM tenantui.job WHERE id = {job} FOR NO KEY UPDATE; \
         SELECT pg_catalog.pg_try_advisory_xact_lock({key});",
        key = keys::tenant(schema),
    );
    let rows = gate::ask(&session, &opening).await?;
    let Some(row) = rows.get(1).and_then(|rows| rows.first()) else {
        return Err(gate::refused(format!("there is no job {job} in {}", target.config.name)));
    };
    match row.text(0).and_then(JobKind::from_word) {
        Some(JobKind::Migrate | JobKind::Rollback | JobKind::Redo | JobKind::Rehearse) => {}
        Some(JobKind::Provision | JobKind::Import | JobKind::Life(_)) | None => {
            return Err(gate::refused(format!("job {job} is of one tenant alone: cancel it instead")));
        }
    }
    if let Some(word @ ("done" | "cancelled")) = row.text(1) {
        return Err(gate::refused(format!("job {job} is {word}: there is nothing to skip")));
    }
    if !rows.get(2).and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0)) {
        return Err(gate::refused(format!(
            "a step of {} runs now: try again when it is through, or pause the job first",
            Untrusted::new(schema).safe()
        )));
    }
    let rows = gate::ask(&session, &skip_sql(job, schema, note)).await?;
    if rows.first().is_none_or(Vec::is_empty) {
        return Err(gate::refused(not_skipped(&session, job, schema).await?));
    }
    gate::ask(&session, "COMMIT").await?;
    Ok(())
}

/// Why a job has no open step of a tenant.
async fn not_skipped(session: &WriterSession, job: JobId, schema: &str) -> Result<String, OrderError> {
    let sql = format!(
        "SELECT pg_catalog.count(*) > 0, pg_catalog.bool_or(state = 'skipped') FROM tenantui.step \
         WHERE job_id = {job} AND schema_name = {}",
        literal(schema)
    );
    let rows = gate::ask(session, &sql).await?;
    let row = rows.iter().flatten().next();
    let is = |column| row.is_some_and(|row| row.is_true(column));
    let name = Untrusted::new(schema);
    let name = name.safe();
    Ok(match (is(0), is(1)) {
        (false, _) => format!("job {job} has no step of {name}: there is nothing to skip"),
        (true, true) => format!("{name} is skipped in job {job} already: nothing was changed, its note neither"),
        (true, false) => format!("{name} is done in job {job}: nothing of it is left to skip"),
    })
}

/// The steps with the note, the audit's row, and the job where nothing is left of it.
fn skip_sql(job: JobId, schema: &str, note: &str) -> String {
    format!(
        "WITH skipped AS (UPDATE tenantui.step SET state = 'skipped', note = {note}, ended_at = pg_catalog.clock_timestamp() \
         WHERE job_id = {job} AND schema_name = {schema} AND state NOT IN ('done', 'skipped') RETURNING seq, state, sqlstate) \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, before, after, outcome) SELECT {os_user}, 'skip', \
         {schema}, {job}, pg_catalog.jsonb_build_object('sqlstate', pg_catalog.max(sqlstate)), \
         pg_catalog.jsonb_build_object('steps', pg_catalog.count(*), 'note', {note}::text), 'skipped' FROM skipped \
         HAVING pg_catalog.count(*) > 0 RETURNING pg_catalog.pg_notify('tenantui', '{job}'); \
         UPDATE tenantui.job AS j SET progress = NULL, state = CASE WHEN c.open THEN j.state ELSE 'done' END, \
         reason = CASE WHEN c.open THEN j.reason ELSE 'what failed was skipped' END FROM (SELECT EXISTS (SELECT 1 \
         FROM tenantui.step AS s WHERE s.job_id = {job} AND s.state NOT IN ('done', 'skipped')) AS open) AS c \
         WHERE j.id = {job} AND j.state = 'failed';",
        note = literal(wire::cut(note, wire::MAX_MESSAGE_BYTES)),
        schema = literal(schema),
        os_user = literal(&who::os_user()),
    )
}

async fn open(target: &Target, job: JobId) -> Result<WriterSession, OrderError> {
    let session = gate::open(target, Some(job)).await?;
    gate::initialised(target, &session).await?;
    Ok(session)
}

/// At once where nobody has the job; otherwise its worker is asked. What stands between these two (a claim under way,
/// the last step of a worker that is gone) is waited for, so that nothing that was asked for is lost.
async fn carry_out(session: &WriterSession, job: JobId, change: &Change) -> Result<Came, OrderError> {
    let started = Instant::now();
    loop {
        let lock = gate::ask(session, &format!("SELECT pg_catalog.pg_try_advisory_lock({JOB_CLASS}, {job})")).await?;
        let nobody_runs_it = lock.iter().flatten().next().is_some_and(|row| row.is_true(0));
        let answer = gate::ask(session, &change_sql(job, change, nobody_runs_it)).await;
        if nobody_runs_it {
            claim::give_back(session, job).await;
        }
        let draining = match answer {
            Ok(rows) => match rows.iter().flatten().next() {
                Some(_) if nobody_runs_it => return Ok(Came::AtOnce),
                Some(row) => return Ok(Came::Asked(row.is_true(0))),
                None => false,
            },
            Err(Trouble::Server(refused)) if refused.sqlstate == "55P03" => true,
            Err(trouble) => return Err(trouble.into()),
        };
        if started.elapsed() > PATIENCE {
            let action = change.action;
            return Err(gate::refused(if draining {
                format!("a step of job {job} still runs although its worker is gone; try again")
            } else {
                format!("job {job} changed just now: there is nothing to {action}; look again")
            }));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// One row where it was done: whether the worker was asked for the second time.
fn change_sql(job: JobId, change: &Change, nobody_runs_it: bool) -> String {
    let os_user = literal(&who::os_user());
    let ((set, outcome), states, lock_row) = if nobody_runs_it {
        (change.at_once, "'queued', 'running', 'paused'", "FOR UPDATE NOWAIT")
    } else {
        // A flag on a job that is only just being claimed would be taken back by the claim.
        (change.asked, "'running'", "FOR NO KEY UPDATE")
    };
    let action = change.action;
    format!(
        "WITH live AS (SELECT id, state AS was FROM tenantui.job WHERE id = {job} AND state IN ({states}) {lock_row}), \
         done AS (UPDATE tenantui.job AS j SET {set}, requested_by = {os_user} FROM live WHERE j.id = live.id \
         RETURNING j.id, live.was, j.stop_now_at), \
         said AS (INSERT INTO tenantui.audit (os_user, action, job_id, before, outcome) SELECT {os_user}, '{action}', id, \
         pg_catalog.jsonb_build_object('state', was), {outcome} FROM done) \
         SELECT stop_now_at IS NOT NULL, pg_catalog.pg_notify('tenantui', id::text) FROM done"
    )
}
