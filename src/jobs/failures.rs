//! Which tenants' last step failed: the `!` mark of lists.

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
