//! T1 and T4: a job's claim, its heartbeat and its end, all on the lock connection. The session lock says that a
//! worker lives; `idle_session_timeout` makes it a lease that the server enforces; safety is the fence in each step.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate;
use super::lease;
use super::orders::{OrderError, held_sql};
use super::params::{FORMAT, Params};
use super::record;
use super::steps;
use super::who;
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::{BOOKKEEPING, Fence};
use crate::migrations::apply::wire::{self, Trouble};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::literal;
use crate::model::job::{JobId, JobKind, JobState, JobView, Waits};
use crate::postgres::session::{Target, TextRow, WriterSession};
use crate::text::Untrusted;

/// A claimed job.
pub(super) struct Claim {
    /// Holds the session lock.
    pub(super) session: WriterSession,
    /// What the steps' fence compares.
    pub(super) fence: Fence,
    /// The parameters, as ordered.
    pub(super) params: Params,
    /// Its files, found in this process's folder.
    pub(super) files: HashMap<String, Arc<MigrationFile>>,
    /// The kind.
    pub(super) kind: JobKind,
    /// The state that it was claimed in.
    pub(super) before: JobState,
    /// The job after the claim.
    pub(super) view: JobView,
}

/// Takes the job's lock, then the job. Every claim is one attempt more, and so fences all earlier ones.
pub(super) async fn claim(target: &Target, job: JobId, retry: bool) -> Result<Claim, OrderError> {
    let session = gate::open(target, Some(job)).await?;
    gate::initialised(target, &session).await?;
    lease::settings(&session).await?;
    let held = gate::ask(&session, &format!("SELECT pg_catalog.pg_try_advisory_lock({JOB_CLASS}, {job})")).await?;
    if !held.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
        return Err(held_elsewhere(&session, job).await?);
    }
    match claim_held(target, &session, job, retry).await {
        Ok(held) => Ok(held.with(session)),
        Err(error) => {
            give_back(&session, job).await;
            Err(error)
        }
    }
}

/// A claim without the session that holds its lock.
struct Held {
    fence: Fence,
    params: Params,
    files: HashMap<String, Arc<MigrationFile>>,
    before: JobState,
    view: JobView,
}

impl Held {
    fn with(self, session: WriterSession) -> Claim {
        let Self { fence, params, files, before, view } = self;
        Claim { session, fence, params, files, kind: view.kind, before, view }
    }
}

/// Gives the job's lock back before the answer is: the server ends a session some time after we have left it, and the
/// next try would meet a job that nobody runs and everybody finds busy.
pub(super) async fn give_back(session: &WriterSession, job: JobId) {
    let sql = format!("SELECT pg_catalog.pg_advisory_unlock({JOB_CLASS}, {job})");
    if let Err(trouble) = gate::ask(session, &sql).await {
        tracing::debug!(%job, ?trouble, "the lock goes with its session");
    }
}

async fn claim_held(target: &Target, session: &WriterSession, job: JobId, retry: bool) -> Result<Held, OrderError> {
    let before = state_of(target, session, job).await?;
    check_claimable(job, &before, retry)?;
    // Before the claim, so that a job stays as it is for a worker that has its files.
    let params = params_of(session, job).await?;
    let files = steps::files(target, &params).await?;
    let rows = match take(session, job).await {
        Ok(rows) => rows,
        Err(Trouble::Server(refused)) if refused.sqlstate == DRAINING => {
            return Err(gate::refused(format!(
                "job {job} is draining: a step of its last worker still runs. Try again in a moment"
            )));
        }
        Err(Trouble::Server(refused)) if refused.sqlstate == "23505" => {
            return Err(gate::refused(format!(
                "job {job} cannot go on now: another job of the same scope is live. Finish or cancel that one first"
            )));
        }
        Err(trouble) => return Err(trouble.into()),
    };
    let Some(row) = rows.iter().flatten().next() else {
        return Err(gate::refused(format!("job {job} changed while it was being claimed; look again")));
    };
    let attempt = row.parse(0)?.unwrap_or_default();
    let fence = Fence { job: job.0, attempt };
    if retry {
        gate::ask(session, &retry_sql(fence)).await?;
    }
    let mut view = state_of(target, session, job).await?;
    view.mine = true;
    Ok(Held { fence, params, files, before: before.state, view })
}

/// The job's parameters, as they were ordered.
async fn params_of(session: &WriterSession, job: JobId) -> Result<Params, OrderError> {
    let rows = gate::ask(session, &format!("SELECT params::text FROM tenantui.job WHERE id = {job}")).await?;
    let json = rows.iter().flatten().next().and_then(|row| row.text(0)).unwrap_or_default();
    let params: Params = serde_json::from_str(json)
        .map_err(|error| gate::refused(format!("job {job} has parameters that this program does not read: {error}")))?;
    if params.format > FORMAT {
        return Err(gate::refused(format!("job {job} was ordered by a newer tenantui; run it with that one")));
    }
    Ok(params)
}

async fn held_elsewhere(session: &WriterSession, job: JobId) -> Result<OrderError, OrderError> {
    let sql = format!("SELECT worker FROM tenantui.job WHERE id = {job}");
    let rows = gate::ask(session, &sql).await?;
    let worker = rows.iter().flatten().next().and_then(|row| row.text(0)).unwrap_or("another worker").to_owned();
    let message = Untrusted::new(format!("job {job} is being run by {worker}"));
    Ok(OrderError::Busy { job, orphaned: false, message })
}

/// The job as it is now. Our own lock makes a running job look alive; what the record says is kept apart.
pub(super) async fn state_of(target: &Target, session: &WriterSession, job: JobId) -> Result<JobView, OrderError> {
    let rows = gate::ask(session, &record::job_sql(job)).await?;
    let Some(row) = rows.iter().flatten().next() else {
        return Err(gate::refused(format!("there is no job {job} in {}", target.config.name)));
    };
    Ok(record::job_view(&target.config.name, row)?)
}

fn check_claimable(job: JobId, view: &JobView, retry: bool) -> Result<(), OrderError> {
    match view.state {
        JobState::Queued | JobState::Running | JobState::Orphaned | JobState::Paused => Ok(()),
        JobState::Failed if retry || view.pending > 0 => Ok(()),
        JobState::Failed => {
            Err(gate::refused(format!("job {job} failed and has nothing left to do but its failed tenants: retry it")))
        }
        JobState::Done => Err(gate::refused(format!("job {job} is done: there is nothing to run"))),
        JobState::Cancelled => {
            Err(gate::refused(format!("job {job} was cancelled; order a new one for what is still pending")))
        }
    }
}

/// One statement: the row lock that waits for nobody, and the update that depends on it.
/// The SQLSTATE of a claim while a step of the last worker still runs: lock_not_available.
const DRAINING: &str = "55P03";
/// How long a rescue waits for such a step: as long as the server needs to see that its client is gone.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two tries of it.
const PAUSE: Duration = Duration::from_millis(100);

/// Claims the job, waiting for the last step of a worker that has gone.
async fn take(session: &WriterSession, job: JobId) -> Result<Vec<Vec<TextRow>>, Trouble> {
    let started = Instant::now();
    loop {
        match gate::ask(session, &claim_sql(job)).await {
            Err(Trouble::Server(refused)) if refused.sqlstate == DRAINING && started.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}

fn claim_sql(job: JobId) -> String {
    format!(
        "WITH locked AS (SELECT id FROM tenantui.job WHERE id = {job} AND state IN ('queued', 'running', 'paused', 'failed') \
         FOR UPDATE NOWAIT) UPDATE tenantui.job AS j SET state = 'running', attempt = j.attempt + 1, reason = NULL, \
         waits = NULL, cancel_requested_at = NULL, pause_requested_at = NULL, stop_now_at = NULL, ended_at = NULL, \
         started_at = COALESCE(j.started_at, pg_catalog.clock_timestamp()), worker = {worker}, \
         backend_pid = pg_catalog.pg_backend_pid(), heartbeat_at = pg_catalog.clock_timestamp() \
         FROM locked WHERE j.id = locked.id RETURNING j.attempt",
        worker = literal(&who::worker()),
    )
}

/// Failed and blocked steps wait again; done steps stay done.
fn retry_sql(fence: Fence) -> String {
    format!(
        "WITH mine AS (SELECT id FROM tenantui.job WHERE id = {job} AND attempt = {attempt} AND state = 'running' FOR KEY SHARE) \
         UPDATE tenantui.step AS s SET state = 'pending', sqlstate = NULL, message = NULL, detail = NULL, ended_at = NULL \
         FROM mine WHERE s.job_id = mine.id AND s.state IN ('failed', 'blocked', 'unknown')",
        job = fence.job,
        attempt = fence.attempt,
    )
}

/// T4: the fenced end of a run, its counts kept in the row, the lock given back. `false`: not ours any more.
pub(super) async fn finish(
    session: &WriterSession,
    fence: Fence,
    state: JobState,
    waits: Option<Waits>,
    reason: Option<&str>,
    progress: &str,
) -> Result<bool, Trouble> {
    let over = if state.is_over() { "pg_catalog.clock_timestamp()" } else { "NULL" };
    let sql = format!(
        "WITH ended AS (UPDATE tenantui.job SET state = '{state}', reason = {reason}, waits = {waits}, progress = {progress}::jsonb, \
         ended_at = {over}, heartbeat_at = pg_catalog.clock_timestamp() \
         WHERE id = {job} AND attempt = {attempt} AND state = 'running' RETURNING id), \
         said AS (INSERT INTO tenantui.audit (os_user, action, job_id, after, outcome) \
         SELECT {os_user}, 'run', id, pg_catalog.jsonb_build_object('reason', {reason}::text, 'progress', {progress}::jsonb), '{state}' FROM ended) \
         SELECT id, pg_catalog.pg_notify('tenantui', id::text) FROM ended; SELECT pg_catalog.pg_advisory_unlock({JOB_CLASS}, {job});",
        state = state.word(),
        waits = waits.map_or_else(|| "NULL".to_owned(), |waits| literal(waits.word())),
        reason = reason.map_or_else(|| "NULL".to_owned(), literal),
        progress = literal(progress),
        job = fence.job,
        attempt = fence.attempt,
        os_user = literal(&who::os_user()),
    );
    let rows = wire::ask(&session.client, &sql, BOOKKEEPING).await?;
    Ok(rows.first().is_some_and(|rows| !rows.is_empty()))
}

/// Queued and orphaned jobs whose files are here, oldest first.
pub(super) async fn claimable(target: &Target) -> Result<Vec<JobId>, OrderError> {
    let session = gate::open(target, None).await?;
    gate::initialised(target, &session).await?;
    let sql = format!(
        "SELECT j.id FROM tenantui.job AS j WHERE j.state = 'queued' OR (j.state = 'running' AND NOT {}) ORDER BY j.id",
        held_sql("j.id")
    );
    let rows = gate::ask(&session, &sql).await?;
    let mut found = Vec::new();
    for row in rows.iter().flatten() {
        let Some(job) = row.parse(0)?.map(JobId) else { continue };
        let fit = match params_of(&session, job).await {
            Ok(params) => steps::files(target, &params).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match fit {
            Ok(()) => found.push(job),
            Err(error) => tracing::warn!(%job, %error, "left for another worker"),
        }
    }
    Ok(found)
}
