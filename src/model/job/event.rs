//! What a worker tells the faces: the log's lines, and what changed.

use super::{JobId, JobView, TenantOutcome};
use crate::model::audit::{AuditFilter, AuditLine};
use crate::model::flush::FlushState;
use crate::model::life::LifePlan;
use crate::model::others_code::CodeOfPlan;
use crate::model::secret::Credentials;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;

/// How a log line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words say it")]
pub enum LogMark {
    Run,
    Ok,
    Fail,
    Note,
}

impl LogMark {
    /// The word of the log's second column.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Ok => "ok",
            Self::Fail => "FAIL",
            Self::Note => "",
        }
    }
}

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The database.
    pub database: DatabaseName,
    /// The job.
    pub job: JobId,
    /// When.
    pub at: jiff::Timestamp,
    /// What kind of line.
    pub mark: LogMark,
    /// The tenant's slug, where it concerns one.
    pub tenant: Option<Untrusted>,
    /// The line.
    pub text: Untrusted,
}

/// What a worker tells the faces. Lines of the log may be dropped (and are counted); changes of state never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// A job's numbers or state changed.
    Job(Box<JobView>),
    /// Something happened.
    Log(LogLine),
    /// This many lines could not be delivered.
    LogDropped(u64),
    /// The results of a job were read back or changed.
    Outcomes {
        /// The database.
        database: DatabaseName,
        /// The job.
        job: JobId,
        /// One line per tenant, failed first.
        outcomes: Vec<TenantOutcome>,
    },
    /// A tenant's role was made. This is the only time that its password is told.
    Credentials {
        /// The database.
        database: DatabaseName,
        /// The job.
        job: JobId,
        /// What the tenant's application logs in with.
        credentials: Credentials,
    },
    /// What operators did, newest first: the answer to a question for it.
    Audit {
        /// The database.
        database: DatabaseName,
        /// What was asked for.
        filter: AuditFilter,
        /// The lines.
        lines: Vec<AuditLine>,
    },
    /// An order could not be carried out: the message is for the operator.
    Rejected {
        /// The database.
        database: DatabaseName,
        /// What failed, why, what to do next.
        message: Untrusted,
        /// The `tenantui` schema is missing there: offer `init`.
        needs_init: bool,
    },
    /// The removal of a tenant's cache keys goes on, or has ended.
    Flush {
        /// Whose.
        tenant: TenantKey,
        /// Its slug.
        slug: Untrusted,
        /// Where it stands.
        state: FlushState,
    },
    /// `init` was carried out.
    Initialised {
        /// The database.
        database: DatabaseName,
    },
    /// What was asked to be planned for a tenant.
    LifePlanned(Box<LifePlan>),
    /// What a plan's files may run unawares: the answer to a question for it.
    Code(Box<CodeOfPlan>),
}
