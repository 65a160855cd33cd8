//! What the record remembers of tenants that are gone.

use crate::jobs::record::epoch;
use crate::model::ident::literal;
use crate::postgres::session::{QueryError, Reader};

/// When a tenant of this slug or schema was removed for good.
///
/// # Errors
/// When the record cannot be read.
pub async fn purged(reader: &Reader, word: &str) -> Result<Option<jiff::Timestamp>, QueryError> {
    let there = reader.rows("SELECT pg_catalog.to_regclass('tenantui.audit') IS NOT NULL").await?;
    if !there.first().is_some_and(|row| row.is_true(0)) {
        return Ok(None);
    }
    let word = literal(word);
    let sql = format!(
        "SELECT {} FROM tenantui.audit AS a WHERE a.action = 'purge' AND a.outcome = 'done' AND (a.target = {word} \
         OR a.job_id IN (SELECT s.job_id FROM tenantui.step AS s WHERE s.slug = {word} OR s.schema_name = {word}))",
        epoch("pg_catalog.max(a.at)"),
    );
    let rows = reader.rows(&sql).await?;
    let milliseconds = rows.first().map(|row| row.parse::<i64>(0)).transpose()?.flatten();
    Ok(milliseconds.and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok()))
}
