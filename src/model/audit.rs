//! What operators did, as the record keeps it: every intent and every outcome, in the transaction of its effect.

use super::job::JobId;
use super::tenant::DatabaseName;
use crate::text::Untrusted;

/// One row of `tenantui.audit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The database.
    pub database: DatabaseName,
    /// Its number; a later row has a larger one.
    pub id: i64,
    /// When, by the server's clock.
    pub at: jiff::Timestamp,
    /// The role that wrote.
    pub actor: Untrusted,
    /// The operating system's user, as the program said.
    pub os_user: Option<Untrusted>,
    /// What: `migrate`, `provision`, `run`, `cancel`, `pause`, `skip`, `init`...
    pub action: Untrusted,
    /// To what: a schema, a scope.
    pub target: Option<Untrusted>,
    /// In which job.
    pub job: Option<JobId>,
    /// JSON of what was there before.
    pub before: Option<Untrusted>,
    /// JSON of what is there now, or of what went wrong.
    pub after: Option<Untrusted>,
    /// `ordered`, `requested`, `done`, `already`, `failed`, `blocked`, a job's state...
    pub outcome: Untrusted,
}

/// Which rows of the audit; all conditions hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this job.
    pub job: Option<JobId>,
    /// Of this tenant: its slug, or its schema's name.
    pub target: Option<String>,
    /// Not older than this.
    pub since: Option<jiff::Timestamp>,
    /// Older than the row of this number.
    pub before: Option<i64>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self { job: None, target: None, since: None, before: None, limit: 200 }
    }
}
