//! T0: an order becomes a durable job.

use uuid::Uuid;

use super::service::Order;
use crate::model::job::JobId;
use crate::postgres::session::{LinkError, QueryError, Target};
use crate::text::Untrusted;

/// Why an order was not taken. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The `tenantui` schema is missing: `init` first.
    #[error("{} has no tenantui schema; run `tenantui init` first", .0.safe())]
    NotInitialised(Untrusted),
    /// Refused: read-only, standby, pooler, no privilege, exists already, newer `tenantui` schema.
    #[error("{}", .0.safe())]
    Refused(Untrusted),
    /// A live job of the same scope.
    #[error("{}", message.safe())]
    Busy {
        /// Which.
        job: JobId,
        /// It is orphaned: it can be gone on with.
        orphaned: bool,
        /// In words.
        message: Untrusted,
    },
    /// No link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server refused a statement of ours.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Records a job with all its steps and its audit row in one transaction. A second call with the same key returns
/// the same job.
///
/// # Errors
/// As [`OrderError`] says.
pub async fn order(_target: &Target, _order: &Order, _idempotency_key: Uuid) -> Result<JobId, OrderError> {
    todo!("jobs room")
}
