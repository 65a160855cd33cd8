//! Reading the durable record: lists, results. The counts of a job that ended are kept in its row; those of a live
//! one are counted from its steps.

use std::sync::Arc;

use super::init::{self, InitStatus};
use super::orders::held_sql;
use super::params::Params;
use super::watcher::Blocker;
use crate::migrations::dialects::{Order, dialect};
use crate::model::audit::{AuditFilter, AuditLine};
use crate::model::ident::literal;
use crate::model::job::{
    FailedStatement, JobId, JobKind, JobState, JobView, Outcome, StepFailure, TenantOutcome, Waits,
};
use crate::model::ledger::{Tool, Version};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::postgres::session::{QueryError, Reader, TextRow};
use crate::text::Untrusted;

/// Whether there is a record: one row, one boolean.
const THERE_SQL: &str = "SELECT pg_catalog.to_regclass('tenantui.step') IS NOT NULL";

/// The newest jobs, newest first; empty where the database was never initialised.
///
/// # Errors
/// When it cannot be read.
pub async fn list(reader: &Reader, database: &DatabaseName, limit: u32) -> Result<Vec<JobView>, QueryError> {
    if !there(reader).await? {
        return Ok(Vec::new());
    }
    let rows = read(reader, &jobs_sql("true", limit)).await?.pop().unwrap_or_default();
    rows.iter().map(|row| job_view(database, row)).collect()
}

/// One job.
///
/// # Errors
/// When it cannot be read.
pub async fn job(reader: &Reader, database: &DatabaseName, id: JobId) -> Result<Option<JobView>, QueryError> {
    if !there(reader).await? {
        return Ok(None);
    }
    let rows = read(reader, &job_sql(id)).await?.pop().unwrap_or_default();
    rows.first().map(|row| job_view(database, row)).transpose()
}

/// The results of a job, one per tenant, failed first.
///
/// # Errors
/// When it cannot be read.
pub async fn outcomes(reader: &Reader, database: &DatabaseName, id: JobId) -> Result<Vec<TenantOutcome>, QueryError> {
    if !there(reader).await? {
        return Ok(Vec::new());
    }
    let sets = reader.read(&outcomes_sql(id)).await?;
    tenant_outcomes(database, &sets)
}

/// What operators did, newest first; empty where the database was never initialised.
///
/// # Errors
/// When it cannot be read.
pub async fn audit(
    reader: &Reader,
    database: &DatabaseName,
    filter: &AuditFilter,
) -> Result<Vec<AuditLine>, QueryError> {
    if !there(reader).await? {
        return Ok(Vec::new());
    }
    let rows = reader.rows(&audit_sql(filter)).await?;
    rows.iter().map(|row| audit_line(database, row)).collect()
}

fn audit_sql(filter: &AuditFilter) -> String {
    let mut conditions = vec!["true".to_owned()];
    conditions.extend(filter.job.map(|job| format!("a.job_id = {job}")));
    // A tenant is named by its schema; where an order was for it alone, by the order's scope.
    conditions.extend(filter.target.as_deref().map(literal).map(|target| {
        format!(
            "pg_catalog.regexp_replace(a.target, '^(provision|import|tenant):', '') IN (SELECT {target} UNION \
             SELECT s.schema_name FROM tenantui.step AS s WHERE s.slug = {target})"
        )
    }));
    conditions.extend(filter.since.map(|since| format!("a.at >= {}::timestamptz", literal(&since.to_string()))));
    conditions.extend(filter.before.map(|id| format!("a.id < {id}")));
    format!(
        "SELECT a.id, {at}, a.actor, a.os_user, a.action, a.target, a.job_id, a.before::text, a.after::text, a.outcome \
         FROM tenantui.audit AS a WHERE {conditions} ORDER BY a.id DESC LIMIT {limit}",
        at = epoch("a.at"),
        conditions = conditions.join(" AND "),
        limit = filter.limit,
    )
}

fn audit_line(database: &DatabaseName, row: &TextRow) -> Result<AuditLine, QueryError> {
    Ok(AuditLine {
        database: Arc::clone(database),
        id: row.parse(0)?.unwrap_or_default(),
        at: time(row, 1)?.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        actor: text(row, 2).unwrap_or_default(),
        os_user: text(row, 3),
        action: text(row, 4).unwrap_or_default(),
        target: text(row, 5),
        job: row.parse(6)?.map(JobId),
        before: text(row, 7),
        after: text(row, 8),
        outcome: text(row, 9).unwrap_or_default(),
    })
}

/// Reads the record. An older one lacks columns: what to do about that is said instead of their names.
async fn read(reader: &Reader, sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
    match reader.read(sql).await {
        Err(error @ QueryError::Server { .. }) => match init::status(reader).await? {
            InitStatus::Older(version) => Err(QueryError::Unexpected { what: init::older(version).into() }),
            InitStatus::Missing | InitStatus::Current | InitStatus::Newer(_) => Err(error),
        },
        answer => answer,
    }
}

async fn there(reader: &Reader) -> Result<bool, QueryError> {
    Ok(reader.rows(THERE_SQL).await?.first().is_some_and(|row| row.is_true(0)))
}

/// One SELECT of jobs as [`job_view`] reads them.
pub(super) fn jobs_sql(condition: &str, limit: u32) -> String {
    format!(
        "SELECT j.id, j.kind, j.what, j.state, j.reason, j.attempt, \
         COALESCE(c.total, (j.progress->>'total')::bigint, 0), COALESCE(c.done, (j.progress->>'done')::bigint, 0), \
         COALESCE(c.failed, (j.progress->>'failed')::bigint, 0), COALESCE(c.blocked, (j.progress->>'blocked')::bigint, 0), \
         COALESCE(c.pending, (j.progress->>'pending')::bigint, 0), COALESCE(j.os_user, j.created_by), \
         {created}, {started}, {ended}, j.worker, j.cancel_requested_at IS NOT NULL, \
         CASE WHEN j.state = 'running' THEN (pg_catalog.pg_is_in_recovery() OR {held}) END, (j.progress->>'rate')::bigint, (j.progress->>'left')::bigint, \
         j.waits, j.pause_requested_at IS NOT NULL, j.stop_now_at IS NOT NULL, \
         GREATEST(COALESCE(c.steps_done, (j.progress->>'steps_done')::bigint, 0), CASE WHEN j.state = 'running' \
         THEN (j.progress->>'steps_done')::bigint END), COALESCE(c.steps, (j.progress->>'steps')::bigint, 0), \
         COALESCE(c.skipped, (j.progress->>'skipped')::bigint, 0), {until}, j.state = 'running' AND (j.progress->>'comparing')::boolean \
         FROM tenantui.job AS j LEFT JOIN LATERAL (SELECT pg_catalog.count(*) AS total, \
         pg_catalog.count(*) FILTER (WHERE t.failed) AS failed, \
         pg_catalog.count(*) FILTER (WHERE NOT t.failed AND t.blocked) AS blocked, \
         pg_catalog.count(*) FILTER (WHERE t.done) AS done, \
         pg_catalog.count(*) FILTER (WHERE t.done AND t.skipped) AS skipped, \
         pg_catalog.count(*) FILTER (WHERE NOT t.done AND NOT t.failed AND NOT t.blocked) AS pending, \
         pg_catalog.sum(t.steps_done) AS steps_done, pg_catalog.sum(t.steps) AS steps \
         FROM (SELECT pg_catalog.bool_or(s.state IN ('failed', 'unknown')) AS failed, \
         pg_catalog.bool_or(s.state = 'blocked') AS blocked, pg_catalog.bool_and(s.state IN ('done', 'skipped')) AS done, \
         pg_catalog.bool_or(s.state = 'skipped') AS skipped, \
         pg_catalog.count(*) FILTER (WHERE s.state = 'done') AS steps_done, pg_catalog.count(*) AS steps \
         FROM tenantui.step AS s WHERE s.job_id = j.id GROUP BY s.schema_name) AS t) AS c \
         ON j.state IN ('queued', 'running', 'paused') OR j.progress IS NULL \
         WHERE {condition} ORDER BY j.id DESC LIMIT {limit};",
        created = epoch("j.created_at"),
        started = epoch("j.started_at"),
        ended = epoch("j.ended_at"),
        // Its worker's last sign of life: what waits or is orphaned stands since then, whoever looks and when.
        until = epoch("COALESCE(j.heartbeat_at, j.ended_at)"),
        // A standby knows no lock of its primary: what is recorded as running there is running as far as anybody can tell.
        held = held_sql("j.id"),
    )
}

/// The SELECT of one job.
pub(super) fn job_sql(id: JobId) -> String {
    jobs_sql(&format!("j.id = {id}"), 1)
}

/// A time of the server in milliseconds.
pub(super) fn epoch(column: &str) -> String {
    format!("pg_catalog.floor(EXTRACT(epoch FROM {column}) * 1000)::bigint")
}

fn time(row: &TextRow, column: usize) -> Result<Option<jiff::Timestamp>, QueryError> {
    let Some(milliseconds) = row.parse::<i64>(column)? else { return Ok(None) };
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(Some)
        .map_err(|error| QueryError::Unexpected { what: Untrusted::new(error.to_string()) })
}

fn text(row: &TextRow, column: usize) -> Option<Untrusted> {
    row.text(column).map(Untrusted::new)
}

/// A job from its row.
pub(super) fn job_view(database: &DatabaseName, row: &TextRow) -> Result<JobView, QueryError> {
    let unexpected = |what: &str| QueryError::Unexpected {
        what: Untrusted::new(format!("{what} in tenantui.job is not known to this program")),
    };
    let number = |column: usize| row.parse::<u32>(column).map(Option::unwrap_or_default);
    let word = row.text(3).unwrap_or_default();
    let mut state = JobState::from_word(word).ok_or_else(|| unexpected("a state"))?;
    let held = row.text(17).map(|held| held == "t");
    if state == JobState::Running && held == Some(false) {
        state = JobState::Orphaned;
    }
    let running = state == JobState::Running;
    Ok(JobView {
        database: Arc::clone(database),
        id: JobId(row.parse(0)?.unwrap_or_default()),
        kind: row.text(1).and_then(JobKind::from_word).ok_or_else(|| unexpected("a kind"))?,
        what: text(row, 2).unwrap_or_default(),
        state,
        reason: text(row, 4),
        attempt: row.parse(5)?.unwrap_or_default(),
        total: number(6)?,
        done: number(7)?,
        skipped: number(25)?,
        failed: number(8)?,
        blocked: number(9)?,
        pending: number(10)?,
        created_by: text(row, 11).unwrap_or_default(),
        created_at: time(row, 12)?.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        started_at: time(row, 13)?,
        ended_at: time(row, 14)?,
        until: if running { None } else { time(row, 26)? },
        worker: text(row, 15),
        mine: running && row.text(15) == Some(super::who::worker().as_str()),
        rate_per_minute: if running { row.parse(18)? } else { None },
        left_seconds: if running { row.parse(19)? } else { None },
        waits: if state == JobState::Paused { row.text(20).and_then(Waits::from_word) } else { None },
        comparing: running && row.is_true(27),
        steps: (number(23)?, number(24)?),
        pause_requested: row.is_true(21) && running,
        cancel_requested: row.is_true(16) && !state.is_over(),
        stop_now: row.is_true(22) && !state.is_over(),
    })
}

/// Two SELECTs: the parameters, and one row per tenant. The failed step is looked up by its key, one by one, and never
/// joined: a planner that does not know yet how many steps a new job has would compare each tenant with each step.
pub(super) fn outcomes_sql(id: JobId) -> String {
    format!(
        "SELECT j.params::text FROM tenantui.job AS j WHERE j.id = {id}; \
         SELECT t.tenant_key, t.slug, t.schema_name, t.steps, t.done, t.running, t.spent, t.version, \
         f.state, f.version, f.sqlstate, f.message, f.detail::text, f.tries, t.skipped, t.note, t.began \
         FROM (SELECT s.schema_name, pg_catalog.min(s.seq) AS first, pg_catalog.min(s.tenant_key) AS tenant_key, \
         pg_catalog.min(s.slug) AS slug, pg_catalog.count(*) AS steps, \
         pg_catalog.count(*) FILTER (WHERE s.state = 'done') AS done, \
         pg_catalog.count(*) FILTER (WHERE s.state = 'skipped') AS skipped, \
         pg_catalog.max(s.note) AS note, \
         CASE WHEN pg_catalog.bool_or(s.action = 'rollback') THEN NULL \
         ELSE (pg_catalog.array_agg(s.from_version ORDER BY s.seq))[1] END AS began, \
         pg_catalog.count(*) FILTER (WHERE s.state = 'intent') AS running, pg_catalog.sum(s.duration_ms) AS spent, \
         CASE WHEN pg_catalog.count(*) FILTER ({counts}) > 0 \
         THEN (pg_catalog.array_agg(CASE WHEN s.action = 'rollback' THEN s.from_version ELSE s.version END ORDER BY s.seq DESC) \
         FILTER ({counts}))[1] ELSE (pg_catalog.array_agg(CASE WHEN s.action = 'rollback' THEN s.version ELSE s.from_version END \
         ORDER BY s.seq))[1] END AS version, \
         pg_catalog.min(s.seq) FILTER (WHERE s.state IN ('failed', 'blocked', 'unknown')) AS wrong \
         FROM tenantui.step AS s WHERE s.job_id = {id} GROUP BY s.schema_name) AS t \
         LEFT JOIN LATERAL (SELECT w.* FROM tenantui.step AS w WHERE w.job_id = {id} AND w.seq = t.wrong OFFSET 0) AS f ON true \
         ORDER BY t.first;",
        // Of a rehearsal nothing is left: its tenants stand where they stood.
        counts = "WHERE s.state = 'done' AND s.version IS NOT NULL AND s.action <> 'rehearse'",
    )
}

/// Results from the answers to [`outcomes_sql`], the left out included, failed first.
pub(super) fn tenant_outcomes(
    database: &DatabaseName,
    sets: &[Vec<TextRow>],
) -> Result<Vec<TenantOutcome>, QueryError> {
    let [params, rows] = sets else {
        return Err(QueryError::Unexpected { what: Untrusted::new("the results came in another form") });
    };
    let params: Option<Params> = params
        .first()
        .and_then(|row| row.text(0))
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| QueryError::Unexpected { what: Untrusted::new(error.to_string()) })?;
    let tool = params.as_ref().and_then(|params| Tool::from_word(params.tool.as_deref()?));
    let order = tool.map_or(Order::AsListed, |tool| dialect(tool).order);
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        outcomes.push(tenant_outcome(database, row, order)?);
    }
    if let Some(params) = params {
        outcomes.extend(params.left_out.into_iter().map(|left| TenantOutcome {
            key: Some(TenantKey { database: Arc::clone(database), local: left.key.into() }),
            slug: left.slug.into(),
            schema: left.schema.unwrap_or_default().into(),
            outcome: Outcome::LeftOut,
            version: left.version.as_deref().map(Version::new),
            failure: Some(StepFailure {
                version: None,
                sqlstate: None,
                message: left.why.into(),
                statement: None,
                stays: false,
                blocker: None,
                tries: 0,
            }),
            note: None,
            steps: (0, 0),
            duration_ms: None,
        }));
    }
    // Stable: within one result the order is that of the plan.
    outcomes.sort_by_key(|outcome| outcome.outcome);
    Ok(outcomes)
}

/// The newest that is applied: a file older than where the tenant stood, a gap, leaves that where it was.
fn newest(order: Order, began: Option<Version>, last: Option<Version>) -> Option<Version> {
    match (began, last) {
        (Some(began), Some(last)) => Some(if order.compare(&began, &last).is_gt() { began } else { last }),
        (began, last) => last.or(began),
    }
}

fn tenant_outcome(database: &DatabaseName, row: &TextRow, order: Order) -> Result<TenantOutcome, QueryError> {
    let steps: u32 = row.parse(3)?.unwrap_or_default();
    let done: u32 = row.parse(4)?.unwrap_or_default();
    let running: u32 = row.parse(5)?.unwrap_or_default();
    let skipped: u32 = row.parse(14)?.unwrap_or_default();
    let outcome = match row.text(8) {
        Some("blocked") => Outcome::Blocked,
        Some("unknown") => Outcome::Unknown,
        Some(_) => Outcome::Failed,
        None if done == steps => Outcome::Done,
        None if done + skipped == steps => Outcome::Skipped,
        None if running > 0 => Outcome::Running,
        None => Outcome::Pending,
    };
    let failure = if row.text(8).is_some() { Some(failure(row)?) } else { None };
    Ok(TenantOutcome {
        key: row.text(0).map(|key| TenantKey { database: Arc::clone(database), local: key.into() }),
        slug: text(row, 1).unwrap_or_default(),
        schema: text(row, 2).unwrap_or_default(),
        outcome,
        version: newest(order, row.text(16).map(Version::new), row.text(7).map(Version::new)),
        failure,
        note: text(row, 15),
        steps: (done, steps),
        duration_ms: row.parse(6)?,
    })
}

fn failure(row: &TextRow) -> Result<StepFailure, QueryError> {
    let detail: Detail = row
        .text(12)
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| QueryError::Unexpected { what: Untrusted::new(error.to_string()) })?
        .unwrap_or_default();
    Ok(StepFailure {
        version: row.text(9).map(Version::new),
        sqlstate: row.text(10).map(str::to_owned),
        message: text(row, 11).unwrap_or_default(),
        statement: detail.statement.map(|statement| FailedStatement {
            number: statement.number,
            of: statement.of,
            line: statement.line,
            text: statement.text.into(),
        }),
        stays: detail.stays,
        blocker: detail.blocker.map(Untrusted::from),
        tries: row.parse(13)?.unwrap_or_default(),
    })
}

/// `step.detail`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Detail {
    /// Which statement failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) statement: Option<StatementDetail>,
    /// What it did, or part of it, is not taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) stays: bool,
    /// Who stood in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) blocker: Option<String>,
    /// The same, each by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) blockers: Vec<Blocker>,
}

/// `step.detail.statement`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct StatementDetail {
    pub(super) number: u32,
    pub(super) of: u32,
    pub(super) line: u32,
    pub(super) text: String,
}
