//! T1: a job's claim on the lock connection. The session lock says that a worker lives; `idle_session_timeout` makes
//! it a lease that the server enforces; safety is the fence in each step.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::confirmed;
use super::gate;
use super::lease::{self, Times};
use super::orders::OrderError;
use super::params::Params;
use super::record;
use super::steps;
use super::unfit;
use super::who;
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::Fence;
use crate::migrations::apply::wire::Trouble;
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
    /// Whether it waited for somebody to look at its canary: who claims it has looked.
    pub(super) canary_seen: bool,
    /// Tenants that had failed when its worker died: they count against the limit, which nobody has looked at since.
    pub(super) failed_before: u32,
    /// The job after the claim.
    pub(super) view: JobView,
}

/// Which steps that did not go well are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// None.
    Nothing,
    /// All of them.
    All,
    /// Those of this schema, when nobody is in their way.
    WhenFree(String),
}

/// Takes the job's lock, then the job. Every claim is one attempt more, and so fences all earlier ones.
/// `ordered_here`: as in [`super::worker::RunOptions`].
pub(super) async fn claim(
    target: &Target,
    job: JobId,
    again: &Again,
    ordered_here: bool,
    times: Times,
) -> Result<Claim, OrderError> {
    let session = gate::open(target, Some(job)).await?;
    gate::initialised(target, &session).await?;
    lease::settings(&session, times).await?;
    gate::ask(&session, &format!("SELECT pg_catalog.pg_try_advisory_lock({JOB_CLASS}, {job})")).await?;
    // A standby gives away the lock that the primary has given away already.
    let held = gate::ask(&session, &lease::held_here_sql(job.0)).await?;
    if !held.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
        return Err(held_elsewhere(&session, job).await?);
    }
    match claim_held(target, &session, job, again, ordered_here).await {
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
    canary_seen: bool,
    failed_before: u32,
    view: JobView,
}

impl Held {
    fn with(self, session: WriterSession) -> Claim {
        let Self { fence, params, files, canary_seen, failed_before, view } = self;
        Claim { session, fence, params, files, kind: view.kind, canary_seen, failed_before, view }
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

async fn claim_held(
    target: &Target,
    session: &WriterSession,
    job: JobId,
    again: &Again,
    ordered_here: bool,
) -> Result<Held, OrderError> {
    let before = state_of(target, session, job).await?;
    check_claimable(job, &before, again)?;
    // Before the claim, so that a job stays as it is for a worker that may run it and has its files.
    let order = confirmed::read(session, job).await?;
    let moved = order.belongs_here(job, &session.facts)?;
    confirmed::unchanged(session, job, &order).await?;
    let params = order.params;
    let files = match steps::files(target, &params).await {
        Ok(files) => files,
        Err(why) => return Err(unfit::refuse(session, job, ordered_here, &why).await),
    };
    let rows = match take(session, job, moved.as_deref()).await {
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
    match again {
        Again::Nothing => {}
        Again::All => drop(gate::ask(session, &retry_sql(fence, None)).await?),
        Again::WhenFree(schema) => drop(gate::ask(session, &retry_sql(fence, Some(schema))).await?),
    }
    let mut view = state_of(target, session, job).await?;
    view.mine = true;
    let canary_seen = before.waits == Some(Waits::Canary);
    // Our own lock makes an orphan look as if it were running.
    let died = matches!(before.state, JobState::Running | JobState::Orphaned);
    let failed_before = if died { before.failed } else { 0 };
    Ok(Held { fence, params, files, canary_seen, failed_before, view })
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

fn check_claimable(job: JobId, view: &JobView, again: &Again) -> Result<(), OrderError> {
    let over = |words: &str| Err(OrderError::Over(format!("job {job} {words}").into()));
    match view.state {
        JobState::Queued | JobState::Running | JobState::Orphaned | JobState::Paused => Ok(()),
        JobState::Failed if *again != Again::Nothing || view.pending > 0 => Ok(()),
        JobState::Failed => over("failed and has nothing left to do but its failed tenants: retry it"),
        JobState::Done => over("is done: there is nothing to run"),
        JobState::Cancelled => over("was cancelled; order a new one for what is still pending"),
    }
}

/// The SQLSTATE of a claim while a step of the last worker still runs: lock_not_available.
const DRAINING: &str = "55P03";
/// How long a rescue waits for such a step: as long as the server needs to see that its client is gone.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two tries of it.
const PAUSE: Duration = Duration::from_millis(100);

/// Claims the job, waiting for the last step of a worker that has gone. `moved`: the server's timeline, where it is
/// later than the job's.
async fn take(session: &WriterSession, job: JobId, moved: Option<&str>) -> Result<Vec<Vec<TextRow>>, Trouble> {
    let started = Instant::now();
    loop {
        match gate::ask(session, &claim_sql(job, moved)).await {
            Err(Trouble::Server(refused)) if refused.sqlstate == DRAINING && started.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}

/// One statement: the row lock that waits for nobody, the update that depends on it, and its rows of the audit.
fn claim_sql(job: JobId, moved: Option<&str>) -> String {
    let worker = literal(&who::worker());
    let os_user = literal(&who::os_user());
    let (timeline, failover) = match moved.map(literal) {
        None => ("j.timeline".to_owned(), String::new()),
        Some(now) => {
            let failover = format!(
                ", moved AS (INSERT INTO tenantui.audit (os_user, action, job_id, before, after, outcome) SELECT {os_user}, \
                 'failover', id, pg_catalog.jsonb_build_object('timeline', was_timeline), \
                 pg_catalog.jsonb_build_object('timeline', {now}::text), 'accepted' FROM mine)"
            );
            (now, failover)
        }
    };
    format!(
        "WITH locked AS (SELECT id, state AS was, timeline AS was_timeline, worker AS was_worker FROM tenantui.job WHERE id = {job} \
         AND state IN ('queued', 'running', 'paused', 'failed') FOR UPDATE NOWAIT), \
         mine AS (UPDATE tenantui.job AS j SET state = 'running', attempt = j.attempt + 1, reason = NULL, \
         waits = NULL, progress = NULL, cancel_requested_at = NULL, pause_requested_at = NULL, stop_now_at = NULL, ended_at = NULL, \
         started_at = COALESCE(j.started_at, pg_catalog.clock_timestamp()), worker = {worker}, timeline = {timeline}, \
         backend_pid = pg_catalog.pg_backend_pid(), heartbeat_at = pg_catalog.clock_timestamp() \
         FROM locked WHERE j.id = locked.id RETURNING j.id, j.attempt, locked.was, locked.was_timeline, locked.was_worker), \
         said AS (INSERT INTO tenantui.audit (os_user, action, job_id, before, after, outcome) SELECT {os_user}, 'claim', id, \
         pg_catalog.jsonb_build_object('state', was, 'worker', was_worker), \
         pg_catalog.jsonb_build_object('attempt', attempt, 'worker', {worker}::text), \
         CASE WHEN was = 'running' THEN 'rescued' ELSE 'running' END FROM mine){failover} \
         SELECT attempt, pg_catalog.pg_notify('tenantui', id::text) FROM mine",
    )
}

/// Failed and blocked steps wait again, those of one schema or all; done steps stay done.
fn retry_sql(fence: Fence, schema: Option<&str>) -> String {
    let only = schema.map(|schema| format!(" AND s.schema_name = {}", literal(schema))).unwrap_or_default();
    format!(
        "WITH mine AS (SELECT id FROM tenantui.job WHERE id = {job} AND attempt = {attempt} AND state = 'running' FOR KEY SHARE), \
         again AS (UPDATE tenantui.step AS s SET state = 'pending', sqlstate = NULL, message = NULL, detail = NULL, ended_at = NULL \
         FROM mine WHERE s.job_id = mine.id AND s.state IN ('failed', 'blocked', 'unknown'){only} RETURNING s.seq) \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, 'retry', {target}, {job}, \
         pg_catalog.jsonb_build_object('steps', pg_catalog.count(*)), 'done' FROM again",
        job = fence.job,
        attempt = fence.attempt,
        os_user = literal(&who::os_user()),
        target = schema.map_or_else(|| "NULL".to_owned(), literal),
    )
}
