//! Reading the durable record: lists, results.

use crate::model::job::{JobId, JobView, TenantOutcome};
use crate::model::tenant::DatabaseName;
use crate::postgres::session::{QueryError, Reader};

/// The newest jobs, newest first; empty where the database was never initialised.
///
/// # Errors
/// When it cannot be read.
pub async fn list(_reader: &Reader, _database: &DatabaseName, _limit: u32) -> Result<Vec<JobView>, QueryError> {
    todo!("jobs room")
}

/// One job.
///
/// # Errors
/// When it cannot be read.
pub async fn job(_reader: &Reader, _database: &DatabaseName, _id: JobId) -> Result<Option<JobView>, QueryError> {
    todo!("jobs room")
}

/// The results of a job, one per tenant, failed first.
///
/// # Errors
/// When it cannot be read.
pub async fn outcomes(
    _reader: &Reader,
    _database: &DatabaseName,
    _id: JobId,
) -> Result<Vec<TenantOutcome>, QueryError> {
    todo!("jobs room")
}
