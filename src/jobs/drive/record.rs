//! The step's row and the tenant's lock. The intent is committed before the command starts; the lock is the session's,
//! held while it runs; the end is one statement that can be sent twice.

use std::time::{Duration, Instant};

use crate::jobs::gate;
use crate::jobs::lane::Lane;
use crate::jobs::orders::OrderError;
use crate::jobs::shared::Shared;
use crate::jobs::steps::{self, StepRow, TenantSteps};
use crate::migrations::apply::keys;
use crate::migrations::apply::step::{BEGIN, BOOKKEEPING, CLEAN, Flag, durable_sql, fence_sql};
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::ident::literal;
use crate::postgres::session::{TextRow, WriterSession};

/// What opening a step came to.
pub(super) enum Opened {
    /// The intent is committed and the session holds the tenant.
    Ready {
        /// An earlier attempt had the intent.
        inherited: bool,
    },
    /// The step's row says done.
    Already,
    /// The operator asked for a stop.
    Flagged(Flag),
    /// The operator skipped the tenant.
    Skipped,
    /// The job is not this worker's.
    Fenced,
    /// Somebody else is at the tenant.
    Locked(String),
    /// It cannot be begun.
    Failed(String),
    /// The session was lost; nothing was begun that counts.
    Lost,
}

const BUSY: &str = "another tenantui session works in this schema";

/// T3a of jobs.md, for a command: the checks of every step and the intent, then the session's lock of the tenant.
pub(super) async fn open(
    lane: &mut Lane<'_>,
    shared: &Shared<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    heed_flags: bool,
    tries: u32,
) -> Result<Opened, OrderError> {
    let (session, _) = lane.session().await?;
    let opened = match intend(session, shared, tenant, row, heed_flags, tries).await {
        Ok(opened) => opened,
        Err(Trouble::Lost(_)) => return Ok(Opened::Lost),
        Err(trouble @ Trouble::Server(_)) => {
            let code = trouble.sqlstate().unwrap_or_default().to_owned();
            let words = trouble.message().raw().to_owned();
            roll_back(session).await;
            return Ok(if code == "55P03" { Opened::Locked(words) } else { Opened::Failed(words) });
        }
    };
    match opened {
        Opened::Ready { .. } => Ok(hold(session, shared, tenant).await?.unwrap_or(opened)),
        other => {
            roll_back(session).await;
            Ok(other)
        }
    }
}

async fn roll_back(session: &WriterSession) {
    if let Err(trouble) = gate::ask(session, "ROLLBACK").await {
        tracing::debug!(?trouble, "the transaction goes with its session");
    }
}

async fn intend(
    session: &WriterSession,
    shared: &Shared<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    heed_flags: bool,
    tries: u32,
) -> Result<Opened, Trouble> {
    let fence = shared.fence;
    let checks = format!(
        "{limits} {fence_sql} SELECT pg_catalog.pg_try_advisory_xact_lock({key}); \
         SELECT (SELECT n.oid::text FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {schema}::name), s.state, s.attempt \
         FROM tenantui.step AS s WHERE s.job_id = {job} AND s.seq = {seq}; {registry}",
        limits = shared.limits.sql(),
        fence_sql = fence_sql(fence),
        key = keys::tenant(tenant.schema.raw()),
        schema = literal(tenant.schema.raw()),
        job = fence.job,
        seq = row.seq,
        registry = tenant.registry_check.as_deref().unwrap_or("SELECT 1;"),
    );
    let checked = wire::ask_behind(&session.client, &[CLEAN, BEGIN, &checks], BOOKKEEPING).await?;
    let (inherited, over) = judge(&checked, tenant, heed_flags);
    if let Some(over) = over {
        return Ok(over);
    }
    let intent = format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); {durable} \
         UPDATE tenantui.step SET state = 'intent', attempt = {attempt}, tries = {tries}, \
         started_at = pg_catalog.clock_timestamp(), sqlstate = NULL, message = NULL, detail = NULL \
         WHERE job_id = {job} AND seq = {seq}; \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) VALUES ({os_user}, 'command', {schema}, \
         {job}, pg_catalog.jsonb_build_object('version', {version}::text, 'seq', {seq}), 'intent');",
        durable = durable_sql(true),
        attempt = fence.attempt,
        job = fence.job,
        seq = row.seq,
        os_user = literal(shared.os_user),
        schema = literal(tenant.schema.raw()),
        version = literal(row.version.raw()),
    );
    wire::ask(&session.client, &intent, BOOKKEEPING).await?;
    wire::ask(&session.client, "COMMIT", BOOKKEEPING).await?;
    Ok(Opened::Ready { inherited })
}

/// Whether the intent is inherited, and why the step is not begun.
fn judge(rows: &[Vec<TextRow>], tenant: &TenantSteps, heed_flags: bool) -> (bool, Option<Opened>) {
    let failed = |words: String| (false, Some(Opened::Failed(words)));
    let [_, fence, lock, facts, registry] = rows else {
        return failed("the server's answer to the checks has an unexpected form".to_owned());
    };
    let Some(fence) = fence.first() else { return (false, Some(Opened::Fenced)) };
    if heed_flags && fence.is_true(0) {
        return (false, Some(Opened::Flagged(Flag::Cancel)));
    }
    if heed_flags && fence.is_true(1) {
        return (false, Some(Opened::Flagged(Flag::Pause)));
    }
    let (Some(lock), Some(facts)) = (lock.first(), facts.first()) else {
        return failed("the step is not in the record any more".to_owned());
    };
    if !lock.is_true(0) {
        return (false, Some(Opened::Locked(BUSY.to_owned())));
    }
    let inherited = match facts.text(1) {
        Some("done") => return (false, Some(Opened::Already)),
        Some("skipped") => return (false, Some(Opened::Skipped)),
        state => state == Some("intent"),
    };
    let wrong = match facts.text(0).and_then(|text| text.parse::<u32>().ok()) {
        None => Some("the schema does not exist any more"),
        Some(oid) if oid != tenant.schema_oid => {
            Some("the schema was dropped and created again since the plan was made")
        }
        Some(_) if registry.is_empty() => Some("the tenant's registry row is not as it was when the plan was made"),
        Some(_) => None,
    };
    match wrong {
        Some(words) => failed(format!("{words}; nothing was run. Make a new plan")),
        None => (inherited, None),
    }
}

/// The session's lock of the tenant, and the fence read again under it. `Some`: why not.
async fn hold(
    session: &WriterSession,
    shared: &Shared<'_>,
    tenant: &TenantSteps,
) -> Result<Option<Opened>, OrderError> {
    // While the command runs this session says nothing: the server must not end it for that.
    let patient = if session.facts.version_num >= 140_000 {
        "SELECT pg_catalog.set_config('idle_session_timeout', '0', false);"
    } else {
        "SELECT 1;"
    };
    let sql = format!(
        "{} {patient} {} {} SELECT pg_catalog.pg_try_advisory_lock({});",
        shared.limits.session_sql(),
        durable_sql(false),
        fence_sql(shared.fence),
        keys::tenant(tenant.schema.raw())
    );
    let rows = match wire::ask(&session.client, &sql, BOOKKEEPING).await {
        Ok(rows) => rows,
        Err(Trouble::Lost(_)) => return Ok(Some(Opened::Lost)),
        Err(trouble @ Trouble::Server(_)) => return Err(trouble.into()),
    };
    let [_, _, _, fence, lock] = rows.as_slice() else {
        return Err(super::lost("the server's answer to the lock has an unexpected form"));
    };
    if fence.is_empty() {
        return Ok(Some(Opened::Fenced));
    }
    let held = lock.first().is_some_and(|row| row.is_true(0));
    Ok((!held).then(|| Opened::Locked(BUSY.to_owned())))
}

/// Gives the tenant's lock back: the lane goes on with other tenants.
pub(super) async fn release(lane: &mut Lane<'_>, schema: &str) {
    let sql = format!("SELECT pg_catalog.pg_advisory_unlock({})", keys::tenant(schema));
    // With a session that is gone, the lock is too.
    let Some(session) = lane.living() else { return };
    if let Err(trouble) = gate::ask(session, &sql).await {
        tracing::debug!(?trouble, "the lock goes with its session");
        lane.drop_session();
    }
}

/// Asks on the lane's session, on a new one where that was lost meanwhile: every question here can be asked twice.
async fn ask(lane: &mut Lane<'_>, sql: &str) -> Result<Vec<Vec<TextRow>>, OrderError> {
    let (session, _) = lane.session().await?;
    match gate::ask(session, sql).await {
        Err(Trouble::Lost(_)) => {
            lane.drop_session();
            let (session, _) = lane.session().await?;
            Ok(gate::ask(session, sql).await?)
        }
        answer => Ok(answer?),
    }
}

/// Waits until no session of this name is left; `Some`: the pids of those that are still there at the end.
pub(super) async fn gone(lane: &mut Lane<'_>, name: &str, limit: Duration) -> Result<Option<String>, OrderError> {
    let sql = format!(
        "SELECT pg_catalog.string_agg(a.pid::text, ', ') FROM pg_catalog.pg_stat_activity AS a \
         WHERE a.application_name = {} AND a.datname = pg_catalog.current_database()",
        literal(name)
    );
    let started = Instant::now();
    loop {
        let rows = ask(lane, &sql).await?;
        let pids = rows.iter().flatten().next().and_then(|row| row.text(0).map(str::to_owned));
        if pids.is_none() || started.elapsed() > limit {
            return Ok(pids);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the sessions of a command that was ended.
pub(super) async fn end_sessions(lane: &mut Lane<'_>, name: &str) -> Result<(), OrderError> {
    let sql = format!(
        "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a \
         WHERE a.application_name = {} AND a.usename = CURRENT_USER AND a.datname = pg_catalog.current_database()",
        literal(name)
    );
    ask(lane, &sql).await.map(|_| ())
}

/// Records the step as done, with its audit row. `false`: the job is not ours.
pub(super) async fn done(
    lane: &mut Lane<'_>,
    shared: &Shared<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    message: Option<&str>,
) -> Result<bool, OrderError> {
    let sql = format!(
        "{mine}, done AS (UPDATE tenantui.step AS s SET state = 'done', attempt = {attempt}, \
         ended_at = pg_catalog.clock_timestamp(), duration_ms = {took}, sqlstate = NULL, message = {message}, detail = NULL FROM mine \
         WHERE s.job_id = mine.id AND s.seq = {seq} AND s.state <> 'done' RETURNING s.seq), \
         said AS (INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, 'command', \
         {schema}, {job}, pg_catalog.jsonb_build_object('version', {version}::text, 'seq', seq), 'done' FROM done) \
         SELECT pg_catalog.count(*) FROM mine",
        mine = steps::mine(shared.fence),
        attempt = shared.fence.attempt,
        message = message.map_or_else(|| "NULL".to_owned(), literal),
        // Where the command had nothing to do, how long it took says nothing of the version.
        took = match message {
            None => "(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - s.started_at) * 1000)::bigint",
            Some(_) => "NULL",
        },
        seq = row.seq,
        os_user = literal(shared.os_user),
        schema = literal(tenant.schema.raw()),
        job = shared.fence.job,
        version = literal(row.version.raw()),
    );
    let rows = ask(lane, &sql).await?;
    Ok(rows.iter().flatten().next().and_then(|row| row.text(0)) == Some("1"))
}
