//! The worker: claims a job (T1), runs its steps (T2) on its own sessions, finishes it (T4).

use tokio::sync::{mpsc, watch};

use super::orders::OrderError;
use crate::model::job::{JobEvent, JobId, JobView};
use crate::postgres::session::Target;

/// How a job is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// After the canary: pause the job (dashboard), or go on (`--yes`).
    pub wait_after_canary: bool,
    /// Tenants at a time; `None`: as ordered.
    pub parallel: Option<u32>,
    /// Turns true when the process is asked to stop: running steps finish, the job is paused.
    pub stop: watch::Receiver<bool>,
}

/// Claims a queued, orphaned, paused or failed job and runs it to its end, its pause or its stop.
/// Steps that are done stay done; `retry` puts failed steps back first.
///
/// # Errors
/// When it cannot be claimed: another worker has it, the server is a standby, behind a pooler, or gone.
pub async fn run(
    _target: &Target,
    _job: JobId,
    _retry: bool,
    _options: RunOptions,
    _events: mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    todo!("jobs room")
}

/// Asks for a stop after the current tenants; works from any process.
///
/// # Errors
/// When the job is not live, or the database cannot be written.
pub async fn cancel(_target: &Target, _job: JobId) -> Result<(), OrderError> {
    todo!("jobs room")
}

/// The queued and orphaned jobs of the database, oldest first: what `tenantui worker` takes.
///
/// # Errors
/// When they cannot be read.
pub async fn claimable(_target: &Target) -> Result<Vec<JobId>, OrderError> {
    todo!("jobs room")
}
