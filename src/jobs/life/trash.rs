//! Schemas in the trash, and what the audit says of them.

use std::sync::Arc;

use crate::jobs::gate::Asks;
use crate::layout::naming::TRASH_PREFIX;
use crate::model::job::JobId;
use crate::model::life::{DropRecord, Trashed, UNDROP_DAYS};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::postgres::bind::{bind, like_pattern};
use crate::postgres::session::{QueryError, TextRow};
use crate::text::Untrusted;

const TRASH: &str = include_str!("../../../assets/sql/trash.sql");
/// Bytes of a schema's name that its name in the trash keeps.
const KEPT_BYTES: usize = 40;

/// The name of a schema in the trash: the job that dropped it, and the beginning of the name that it had.
#[must_use]
pub fn name(job: i32, schema: &str) -> String {
    let mut end = schema.len().min(KEPT_BYTES);
    while !schema.is_char_boundary(end) {
        end -= 1;
    }
    format!("{TRASH_PREFIX}{job}_{}", &schema[..end])
}

/// What is in the trash, newest first; what the audit does not know last.
///
/// # Errors
/// When the record cannot be read.
pub async fn list(session: &impl Asks, database: &DatabaseName) -> Result<Vec<Trashed>, QueryError> {
    let there = session.ask("SELECT pg_catalog.to_regclass('tenantui.audit') IS NOT NULL").await?;
    if !there.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
        return Ok(Vec::new());
    }
    session.ask(&question()).await?.iter().flatten().map(|row| trashed(row, database)).collect()
}

/// What the trash is read by, for [`trashed`]; only where the record is there.
pub(super) fn question() -> String {
    bind(TRASH, &[("prefix", &like_pattern(TRASH_PREFIX)), ("days", &UNDROP_DAYS.to_string())])
}

/// One row of the answer.
///
/// # Errors
/// When it is not what was asked for.
pub(super) fn trashed(row: &TextRow, database: &DatabaseName) -> Result<Trashed, QueryError> {
    let text = |column: usize| Untrusted::new(row.text(column).unwrap_or_default());
    let drop = match (row.parse::<i32>(2)?, row.text(3), row.parse::<i64>(8)?) {
        (Some(job), Some(original), Some(at)) => Some(DropRecord {
            job: JobId(job),
            original: Untrusted::new(original),
            slug: text(4),
            key: TenantKey { database: Arc::clone(database), local: row.text(5).unwrap_or_default().into() },
            id: row.text(6).map(Untrusted::new),
            at: jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            by: text(9),
            expired: row.is_true(10),
            begun: row.is_true(11),
            taken: row.is_true(12),
            row: row.text(7).map(columns).transpose()?.unwrap_or_default(),
        }),
        _ => None,
    };
    Ok(Trashed { database: Arc::clone(database), schema: text(1), schema_oid: row.parse(0)?.unwrap_or_default(), drop })
}

/// `{"status": "active", "deleted_at": null}`.
fn columns(json: &str) -> Result<Vec<(String, Option<String>)>, QueryError> {
    let unexpected = |what: &dyn std::fmt::Display| QueryError::Unexpected { what: Untrusted::new(what.to_string()) };
    let values: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|error| unexpected(&error))?;
    Ok(values.into_iter().map(|(column, value)| (column, value.as_str().map(str::to_owned))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ident::{MAX_IDENT_BYTES, SchemaName};

    #[test]
    fn a_name_in_the_trash_is_a_name_whatever_it_was() {
        assert_eq!(name(31, "t_aeon"), "zz_dropped_31_t_aeon");
        for schema in ["x".repeat(63), "é".repeat(31), format!("{}日本", "a".repeat(38)), "a\"b; drop".to_owned()] {
            let name = name(i32::MAX, &schema);
            assert!(name.len() <= MAX_IDENT_BYTES && SchemaName::tenant(&name).is_ok(), "{name}");
        }
        assert_eq!(name(1, &format!("{}日", "a".repeat(39))), format!("zz_dropped_1_{}", "a".repeat(39)));
    }
}
