//! Which tenants' last step failed: the `!` mark of lists; which were begun and are not whole, and which are half gone.

use std::collections::HashMap;

use crate::model::job::JobId;
use crate::model::ledger::Version;
use crate::model::tenant::FailedStep;
use crate::postgres::session::{QueryError, Reader};
use crate::text::Untrusted;

/// Of each schema the newest step that ended, where it did not end well. A rehearsal leaves nothing behind. Schemas without such a step are not looked at.
const FAILED_SQL: &str = "SELECT schema_name, job_id, version, sqlstate, message FROM (\
     SELECT DISTINCT ON (s.schema_name) s.schema_name, s.job_id, s.state, s.version, s.sqlstate, s.message \
     FROM tenantui.step AS s WHERE s.state IN ('done', 'failed', 'blocked', 'unknown') AND s.action <> 'rehearse' \
     AND s.schema_name IN (\
     SELECT f.schema_name FROM tenantui.step AS f WHERE f.state IN ('failed', 'blocked', 'unknown')) \
     ORDER BY s.schema_name, s.job_id DESC, s.state = 'done', s.seq DESC) AS newest WHERE state <> 'done'";

/// The failed steps by schema, of a database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn failed_steps(reader: &Reader) -> Result<HashMap<String, FailedStep>, QueryError> {
    let mut failed = HashMap::new();
    for row in reader.rows(FAILED_SQL).await? {
        let Some(schema) = row.text(0) else { continue };
        failed.insert(
            schema.to_owned(),
            FailedStep {
                job: JobId(row.parse(1)?.unwrap_or_default()),
                version: row.text(2).map(Version::new),
                sqlstate: row.text(3).map(str::to_owned),
                message: Untrusted::new(row.text(4).unwrap_or_default()),
            },
        );
    }
    Ok(failed)
}

/// A schema that a job began to fill, and that never became a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The schema's oid, as it was made.
    pub schema_oid: u32,
    /// The job.
    pub job: JobId,
}

/// Of each schema the newest job that made it and did not come to its end. A job that runs, or waits for its turn, is
/// still at work. Tenants that are made in one transaction are never found here.
const BEGUN_SQL: &str = "SELECT s.schema_name, pg_catalog.max(s.schema_oid), pg_catalog.max(s.job_id) FROM tenantui.step AS s \
     JOIN tenantui.job AS j ON j.id = s.job_id \
     WHERE s.action = 'schema' AND s.state = 'done' AND s.schema_oid IS NOT NULL AND j.kind = 'provision' \
     AND j.state NOT IN ('queued', 'running') AND (s.job_id, s.schema_name) IN (\
     SELECT r.job_id, r.schema_name FROM tenantui.step AS r WHERE r.state <> 'done') GROUP BY 1";

/// Schemas that were begun, by name, of a database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn begun(reader: &Reader) -> Result<HashMap<String, Begun>, QueryError> {
    let mut begun = HashMap::new();
    for row in reader.rows(BEGUN_SQL).await? {
        if let (Some(schema), Some(schema_oid), Some(job)) = (row.text(0), row.parse(1)?, row.parse(2)?) {
            begun.insert(schema.to_owned(), Begun { schema_oid, job: JobId(job) });
        }
    }
    Ok(begun)
}

/// Of each tenant whose schema a purge removed the newest such job that did not come to its end: role, cache keys or
/// registry row are still there. One that was cancelled is not gone on with.
const PURGING_SQL: &str = "SELECT s.tenant_key, pg_catalog.max(s.job_id) FROM tenantui.step AS s \
     JOIN tenantui.job AS j ON j.id = s.job_id \
     WHERE j.kind = 'purge' AND j.state NOT IN ('queued', 'running', 'done', 'cancelled') AND s.tenant_key IS NOT NULL \
     AND s.state <> 'done' AND EXISTS (SELECT FROM tenantui.step AS o \
     WHERE o.job_id = s.job_id AND o.action = 'objects' AND o.state = 'done') GROUP BY 1";

/// Tenants whose purge stopped on its way, by the local part of their keys, of a database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn purging(reader: &Reader) -> Result<HashMap<String, JobId>, QueryError> {
    let mut purging = HashMap::new();
    for row in reader.rows(PURGING_SQL).await? {
        if let (Some(key), Some(job)) = (row.text(0), row.parse(1)?) {
            purging.insert(key.to_owned(), JobId(job));
        }
    }
    Ok(purging)
}
