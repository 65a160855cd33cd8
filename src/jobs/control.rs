//! What an operator asks of a job from any process: pause it, cancel it, skip one of its tenants. Each is one
//! transaction with its audit row, and wakes whoever listens. Where no worker has the job it is carried out at once;
//! otherwise a flag is set that its worker heeds.

use super::claim;
use super::gate;
use super::orders::OrderError;
use super::who;
use crate::migrations::apply::keys::{self, JOB_CLASS};
use crate::migrations::apply::step::BEGIN;
use crate::migrations::apply::wire::Trouble;
use crate::model::ident::literal;
use crate::model::job::{JobId, JobState};
use crate::postgres::session::{Target, WriterSession};

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

/// A change of a job's row.
struct Change {
    /// The audit's word.
    action: &'static str,
    /// What is set where a worker has the job.
    asked: String,
    /// What is set where nobody has it.
    at_once: String,
    /// The audit's outcome in these two cases.
    outcomes: (&'static str, &'static str),
}

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
    let second = view.cancel_requested;
    let asked = if second {
        "stop_now_at = COALESCE(j.stop_now_at, pg_catalog.clock_timestamp())"
    } else {
        "cancel_requested_at = pg_catalog.clock_timestamp()"
    };
    let change = Change {
        action: "cancel",
        asked: asked.to_owned(),
        at_once: "state = 'cancelled', waits = NULL, attempt = j.attempt + 1, \
                  ended_at = pg_catalog.clock_timestamp(), reason = 'cancelled'"
            .to_owned(),
        outcomes: (if second { "requested now" } else { "requested" }, "cancelled"),
    };
    Ok(match (carry_out(&session, job, &change).await?, second) {
        (true, _) => Cancelled::Ended,
        (false, true) => Cancelled::Now,
        (false, false) => Cancelled::AfterTenant,
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
    let change = Change {
        action: "pause",
        asked: "pause_requested_at = pg_catalog.clock_timestamp()".to_owned(),
        at_once: "state = 'paused', waits = 'operator', attempt = j.attempt + 1, reason = 'paused by the operator'"
            .to_owned(),
        outcomes: ("requested", "paused"),
    };
    carry_out(&session, job, &change).await
}

/// Leaves a tenant out of the rest of a job: what is done of it stays done, the rest is not run by this job.
///
/// # Errors
/// When a step of it runs now, the job has no open step of it, or the database cannot be written.
pub async fn skip(target: &Target, job: JobId, schema: &str, note: &str) -> Result<(), OrderError> {
    let session = open(target, job).await?;
    gate::ask(&session, BEGIN).await?;
    let os_user = literal(&who::os_user());
    let sql = format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); \
         SELECT 1 FROM tenantui.job WHERE id = {job} AND state NOT IN ('done', 'cancelled') FOR KEY SHARE; \
         SELECT pg_catalog.pg_try_advisory_xact_lock({key});",
        key = keys::tenant(schema),
    );
    let rows = gate::ask(&session, &sql).await?;
    if rows.get(1).is_none_or(Vec::is_empty) {
        return Err(gate::refused(format!("job {job} is over: there is nothing to skip")));
    }
    if !rows.get(2).and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0)) {
        return Err(gate::refused(format!("a step of {schema} runs now; pause the job first, or try again")));
    }
    let sql = format!(
        "WITH skipped AS (UPDATE tenantui.step SET state = 'skipped', note = {note}, ended_at = pg_catalog.clock_timestamp() \
         WHERE job_id = {job} AND schema_name = {schema} AND state NOT IN ('done', 'skipped') RETURNING seq, sqlstate) \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, before, after, outcome) SELECT {os_user}, 'skip', \
         {schema}, {job}, pg_catalog.jsonb_build_object('sqlstate', pg_catalog.max(sqlstate)), \
         pg_catalog.jsonb_build_object('steps', pg_catalog.count(*), 'note', {note}::text), 'skipped' FROM skipped \
         HAVING pg_catalog.count(*) > 0 RETURNING pg_catalog.pg_notify('tenantui', '{job}');",
        note = literal(note),
        schema = literal(schema),
    );
    let rows = gate::ask(&session, &sql).await?;
    if rows.iter().flatten().next().is_none() {
        return Err(gate::refused(format!("job {job} has no open step of {schema}: there is nothing to skip")));
    }
    gate::ask(&session, "COMMIT").await?;
    Ok(())
}

async fn open(target: &Target, job: JobId) -> Result<WriterSession, OrderError> {
    let session = gate::open(target, Some(job)).await?;
    gate::initialised(target, &session).await?;
    Ok(session)
}

/// Whether it was carried out at once, nobody having the job.
async fn carry_out(session: &WriterSession, job: JobId, change: &Change) -> Result<bool, OrderError> {
    let lock = gate::ask(session, &format!("SELECT pg_catalog.pg_try_advisory_lock({JOB_CLASS}, {job})")).await?;
    let nobody_runs_it = lock.iter().flatten().next().is_some_and(|row| row.is_true(0));
    let answer = gate::ask(session, &change_sql(job, change, nobody_runs_it)).await;
    if nobody_runs_it {
        claim::give_back(session, job).await;
    }
    let rows = match answer {
        Ok(rows) => rows,
        Err(Trouble::Server(refused)) if refused.sqlstate == "55P03" => {
            return Err(gate::refused(format!(
                "a step of job {job} still runs although its worker is gone; try again"
            )));
        }
        Err(trouble) => return Err(trouble.into()),
    };
    if rows.iter().flatten().next().is_none() {
        let action = change.action;
        return Err(gate::refused(format!("job {job} changed just now: there is nothing to {action}; look again")));
    }
    Ok(nobody_runs_it)
}

fn change_sql(job: JobId, change: &Change, nobody_runs_it: bool) -> String {
    let os_user = literal(&who::os_user());
    let (set, outcome, lock_row) = if nobody_runs_it {
        (&change.at_once, change.outcomes.1, "FOR UPDATE NOWAIT")
    } else {
        (&change.asked, change.outcomes.0, "FOR NO KEY UPDATE")
    };
    let action = change.action;
    format!(
        "WITH live AS (SELECT id, state FROM tenantui.job WHERE id = {job} AND state IN ('queued', 'running', 'paused') {lock_row}), \
         done AS (UPDATE tenantui.job AS j SET {set}, requested_by = {os_user} FROM live WHERE j.id = live.id RETURNING j.id, live.state), \
         said AS (INSERT INTO tenantui.audit (os_user, action, target, job_id, before, outcome) SELECT {os_user}, '{action}', NULL, id, \
         pg_catalog.jsonb_build_object('state', state), '{outcome}' FROM done) \
         SELECT id, pg_catalog.pg_notify('tenantui', id::text) FROM done"
    )
}
