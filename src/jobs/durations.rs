//! How long done steps took: what plans are estimated from.

use crate::model::ledger::Version;
use crate::model::times::{RUNS, StepTime, StepTimes};
use crate::postgres::session::{QueryError, Reader};

/// The mean over the newest runs of each version. Of new tenants nothing is taken: their tables are empty, and what
/// took no time there may take an hour elsewhere.
fn sql() -> String {
    format!(
        "SELECT run.version, pg_catalog.round(pg_catalog.avg(run.ms))::bigint, pg_catalog.max(run.ms)::bigint, \
         pg_catalog.count(*), pg_catalog.floor(pg_catalog.max(EXTRACT(EPOCH FROM run.ended_at)))::bigint \
         FROM (SELECT s.version, s.ended_at, s.duration_ms AS ms, \
         pg_catalog.row_number() OVER (PARTITION BY s.version ORDER BY s.ended_at DESC) AS place \
         FROM tenantui.step AS s JOIN tenantui.job AS j ON j.id = s.job_id AND j.kind <> 'provision' \
         WHERE s.state = 'done' AND s.action IN ('migrate', 'command') AND s.version IS NOT NULL \
         AND s.duration_ms IS NOT NULL AND s.ended_at IS NOT NULL) AS run WHERE run.place <= {RUNS} GROUP BY run.version"
    )
}

/// The times of all versions that ran, of a database that was initialised.
///
/// # Errors
/// When the record cannot be read.
pub async fn read(reader: &Reader) -> Result<StepTimes, QueryError> {
    let mut times = Vec::new();
    for row in reader.rows(&sql()).await? {
        let (Some(version), Some(mean_ms), Some(longest_ms), Some(runs), Some(second)) =
            (row.text(0), row.parse(1)?, row.parse(2)?, row.parse(3)?, row.parse(4)?)
        else {
            continue;
        };
        let last_at = jiff::Timestamp::from_second(second).unwrap_or_default();
        times.push((Version::new(version), StepTime { mean_ms, longest_ms, runs, last_at }));
    }
    Ok(times.into_iter().collect())
}
