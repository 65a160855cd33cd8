//! The shapes in which the fleet leaves the program: JSON and CSV of the commands, exports of the dashboard. They are
//! a contract from the first release: fields may be added, never renamed or removed. Unknown is `null`, never 0.

pub mod audit;
mod shared;
mod trash;
pub mod vitals;

use serde::Serialize;
use serde_json::Value;

pub use self::audit::AuditRow;
pub use self::shared::Shared;
pub use self::trash::TrashRow;
use crate::model::fleet::DatabaseView;
use crate::model::job::{JobView, TenantOutcome};
use crate::model::ledger::{LedgerState, Version};
use crate::model::tenant::{Tenant, TenantState};
use crate::text::Untrusted;

/// A row of a list, in the order of the contract.
pub trait Row: Serialize {
    /// The fields of the row, in order.
    const COLUMNS: &'static [&'static str];

    /// One value per column.
    fn values(&self) -> Vec<Value> {
        // A struct of plain fields always becomes an object.
        let mut fields = serde_json::to_value(self).unwrap_or(Value::Null);
        Self::COLUMNS.iter().map(|column| fields.get_mut(*column).map(Value::take).unwrap_or_default()).collect()
    }
}

impl Row for TenantRow {
    const COLUMNS: &'static [&'static str] = &[
        "database",
        "id",
        "slug",
        "name",
        "status",
        "schema",
        "state",
        "tool",
        "version",
        "applied",
        "pending",
        "ahead",
        "dirty",
        "locked",
        "tables",
        "size_bytes",
        "size_exact",
        "cache_keys",
        "created_at",
        "problems",
    ];
}

impl Row for Job {
    #[rustfmt::skip]
    const COLUMNS: &'static [&'static str] = &[
        "database", "id", "kind", "state", "attempt", "total", "done", "failed", "blocked", "pending", "created_by",
        "worker", "skipped",
    ];
}

impl Row for ResultRow {
    const COLUMNS: &'static [&'static str] = &[
        "database",
        "tenant",
        "schema",
        "result",
        "version",
        "sqlstate",
        "message",
        "blocker",
        "note",
        "steps_done",
        "steps",
        "duration_ms",
    ];
}

/// A value as one cell of text, not yet safe for a terminal; unknown is empty.
#[must_use]
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join("; "),
        Value::Object(_) => value.to_string(),
    }
}

/// Text as data.
#[must_use]
pub fn raw(text: Option<&Untrusted>) -> Option<String> {
    text.map(|text| text.raw().to_owned())
}

fn version(version: Option<&Version>) -> Option<String> {
    version.map(|version| version.raw().to_owned())
}

fn count(list: Option<usize>) -> Option<u64> {
    list.map(|length| length as u64)
}

/// A database of a list.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the contract names them")]
pub struct Database {
    pub name: String,
    pub layout: Option<String>,
    pub tool: Option<&'static str>,
    pub server_version: Option<String>,
    pub read_only: bool,
    pub error: Option<String>,
}

impl Database {
    /// A database that was read.
    #[must_use]
    pub fn read(view: &DatabaseView) -> Self {
        Self {
            name: view.name.to_string(),
            layout: raw(view.layout.as_ref()),
            tool: view.tool.map(|tool| tool.word()),
            server_version: raw(view.server_version.as_ref()),
            read_only: view.read_only,
            error: raw(view.error.as_ref()),
        }
    }

    /// A database that could not be read.
    #[must_use]
    pub fn down(name: &str, read_only: bool, error: &str) -> Self {
        let error = Some(error.to_owned());
        Self { name: name.to_owned(), layout: None, tool: None, server_version: None, read_only, error }
    }
}

/// A tenant of a list.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the contract names them")]
pub struct TenantRow {
    pub database: String,
    pub id: Option<String>,
    pub slug: String,
    pub name: Option<String>,
    pub status: Option<String>,
    pub schema: Option<String>,
    pub state: Option<&'static str>,
    pub tool: Option<&'static str>,
    pub version: Option<String>,
    pub applied: Option<u32>,
    pub pending: Option<u64>,
    pub ahead: Option<u64>,
    pub dirty: Option<bool>,
    pub locked: Option<bool>,
    pub tables: Option<u32>,
    pub size_bytes: Option<u64>,
    pub size_exact: bool,
    pub cache_keys: Option<u64>,
    pub created_at: Option<String>,
    pub problems: Vec<String>,
}

impl From<&Tenant> for TenantRow {
    fn from(tenant: &Tenant) -> Self {
        let marks = marks(&tenant.ledger, tenant.state);
        Self {
            database: tenant.key.database.to_string(),
            id: raw(tenant.id.as_ref()),
            slug: tenant.slug.raw().to_owned(),
            name: raw(tenant.name.as_ref()),
            status: raw(tenant.status.as_ref()),
            schema: raw(tenant.schema.as_ref()),
            state: word(tenant.state),
            tool: marks.tool,
            version: version(tenant.version()),
            applied: tenant.applied,
            pending: count(tenant.pending_count()),
            ahead: count(tenant.ahead.as_ref().map(|versions| versions.len())),
            dirty: marks.dirty,
            locked: marks.locked,
            tables: tenant.tables,
            size_bytes: tenant.size_bytes,
            size_exact: tenant.size_exact,
            cache_keys: tenant.cache_keys,
            created_at: tenant.created_at.as_ref().map(timestamp),
            problems: problems(&tenant.problems),
        }
    }
}

/// What a ledger says of its tool, and whether it stands in the way.
struct Marks {
    tool: Option<&'static str>,
    dirty: Option<bool>,
    locked: Option<bool>,
}

fn marks(ledger: &LedgerState, state: TenantState) -> Marks {
    let (tool, dirty, locked) = match ledger {
        LedgerState::Read(reading) => (Some(reading.tool), Some(reading.dirty), Some(reading.locked.is_some())),
        LedgerState::Absent => (None, Some(false), Some(false)),
        LedgerState::Unreadable { tool, .. } => (*tool, None, None),
        LedgerState::DatabaseWide { tool, .. } => (Some(*tool), None, None),
        LedgerState::Unread | LedgerState::NoAccess(_) => (None, None, None),
    };
    let locked = locked.map(|left| left || state == TenantState::Locked);
    Marks { tool: tool.map(|tool| tool.word()), dirty, locked }
}

fn word(state: TenantState) -> Option<&'static str> {
    (state != TenantState::Unknown).then(|| state.word())
}

fn problems(problems: &[Untrusted]) -> Vec<String> {
    problems.iter().map(|problem| problem.raw().to_owned()).collect()
}

/// A time in the form of RFC 3339 and in UTC; what is no point in time stays as the registry has it.
fn timestamp(text: &Untrusted) -> String {
    text.raw().parse::<jiff::Timestamp>().map_or_else(|_| text.raw().to_owned(), |time| time.to_string())
}

/// A job of a list.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the contract names them")]
pub struct Job {
    pub database: String,
    pub id: i32,
    pub kind: &'static str,
    pub state: &'static str,
    pub attempt: i32,
    pub total: u32,
    pub done: u32,
    pub failed: u32,
    pub blocked: u32,
    pub pending: u32,
    pub created_by: String,
    pub worker: Option<String>,
    pub skipped: u32,
}

impl From<&JobView> for Job {
    fn from(job: &JobView) -> Self {
        Self {
            database: job.database.to_string(),
            id: job.id.0,
            kind: job.kind.word(),
            state: job.state.word(),
            attempt: job.attempt,
            total: job.total,
            done: job.done,
            failed: job.failed,
            blocked: job.blocked,
            pending: job.pending,
            created_by: job.created_by.raw().to_owned(),
            worker: raw(job.worker.as_ref()),
            skipped: job.skipped,
        }
    }
}

/// One job with all that is known of it.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct JobDetail {
    #[serde(flatten)]
    pub job: Job,
    pub what: String,
    pub reason: Option<String>,
    pub waits: Option<&'static str>,
    pub pause_requested: bool,
    pub cancel_requested: bool,
    pub stop_now: bool,
    pub steps_done: u32,
    pub steps: u32,
    pub created_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
}

impl From<&JobView> for JobDetail {
    fn from(job: &JobView) -> Self {
        Self {
            job: job.into(),
            what: job.what.raw().to_owned(),
            reason: raw(job.reason.as_ref()),
            waits: job.waits.map(|waits| waits.word()),
            pause_requested: job.pause_requested,
            cancel_requested: job.cancel_requested,
            stop_now: job.stop_now,
            steps_done: job.steps.0,
            steps: job.steps.1,
            created_at: job.created_at.to_string(),
            started_at: job.started_at.map(|time| time.to_string()),
            ended_at: job.ended_at.map(|time| time.to_string()),
        }
    }
}

/// The result of a job for one tenant.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct ResultRow {
    pub database: String,
    pub tenant: String,
    pub schema: Option<String>,
    pub result: &'static str,
    pub version: Option<String>,
    pub sqlstate: Option<String>,
    pub message: Option<String>,
    pub blocker: Option<String>,
    pub note: Option<String>,
    pub steps_done: u32,
    pub steps: u32,
    pub duration_ms: Option<u64>,
}

impl ResultRow {
    /// A tenant's outcome in a database.
    #[must_use]
    pub fn of(database: &str, outcome: &TenantOutcome) -> Self {
        let failure = outcome.failure.as_ref();
        Self {
            database: database.to_owned(),
            tenant: outcome.slug.raw().to_owned(),
            schema: Some(outcome.schema.raw().to_owned()).filter(|schema| !schema.is_empty()),
            result: outcome.outcome.word(),
            version: version(outcome.version.as_ref()),
            sqlstate: failure.and_then(|failure| failure.sqlstate.clone()),
            message: failure.map(|failure| failure.message.raw().to_owned()),
            blocker: failure.and_then(|failure| raw(failure.blocker.as_ref())),
            note: raw(outcome.note.as_ref()),
            steps_done: outcome.steps.0,
            steps: outcome.steps.1,
            duration_ms: outcome.duration_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns name every field once: CSV and exports hold what JSON holds.
    fn complete<R: Row>(row: &R) {
        let Value::Object(fields) = serde_json::to_value(row).expect("a row") else { panic!("a row is an object") };
        let mut columns: Vec<&str> = R::COLUMNS.to_vec();
        columns.sort_unstable();
        assert_eq!(columns, fields.keys().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn columns_are_the_fields() {
        complete(&Job {
            database: "a".into(),
            id: 1,
            kind: "migrate",
            state: "done",
            attempt: 1,
            total: 1,
            done: 1,
            failed: 0,
            blocked: 0,
            pending: 0,
            created_by: "ops".into(),
            worker: None,
            skipped: 0,
        });
        complete(&ResultRow {
            database: "a".into(),
            tenant: "acme".into(),
            schema: None,
            result: "done",
            version: None,
            sqlstate: None,
            message: None,
            blocker: None,
            note: None,
            steps_done: 1,
            steps: 1,
            duration_ms: None,
        });
    }
}
