//! The schema `tenantui`: made only by an explicit `init`.

use crate::postgres::session::{Reader, Target};

use super::orders::OrderError;

/// Whether a database was initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitStatus {
    /// There is no schema `tenantui`.
    Missing,
    /// It is of this program's version.
    Current,
    /// It is older: `init` upgrades it.
    Older(i32),
    /// It is newer: this program refuses to write.
    Newer(i32),
}

/// Whether the database was initialised.
///
/// # Errors
/// When it cannot be asked.
pub async fn status(_reader: &Reader) -> Result<InitStatus, crate::postgres::session::QueryError> {
    todo!("jobs room")
}

/// Creates or upgrades the `tenantui` schema; does nothing where it is current. Says what it did.
///
/// # Errors
/// When the role may not, the server is a standby or behind a pooler, or the schema is newer.
pub async fn run(_target: &Target) -> Result<InitStatus, OrderError> {
    todo!("jobs room")
}
