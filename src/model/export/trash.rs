//! The trash as it leaves the program.

use serde::Serialize;

use super::{Row, raw};
use crate::model::life::Trashed;

/// A dropped tenant. What only the audit knows is null where that says nothing.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct TrashRow {
    pub database: String,
    pub tenant: Option<String>,
    pub id: Option<String>,
    pub schema: Option<String>,
    pub trash_schema: String,
    pub job: Option<i32>,
    pub dropped_at: Option<String>,
    pub dropped_by: Option<String>,
    pub can_undrop: bool,
}

impl Row for TrashRow {
    const COLUMNS: &'static [&'static str] =
        &["database", "tenant", "id", "schema", "trash_schema", "job", "dropped_at", "dropped_by", "can_undrop"];
}

impl From<&Trashed> for TrashRow {
    fn from(trashed: &Trashed) -> Self {
        let drop = trashed.drop.as_ref();
        Self {
            database: trashed.database.to_string(),
            tenant: raw(drop.map(|drop| &drop.slug)),
            id: raw(drop.and_then(|drop| drop.id.as_ref())),
            schema: raw(drop.map(|drop| &drop.original)),
            trash_schema: trashed.schema.raw().to_owned(),
            job: drop.map(|drop| drop.job.0),
            dropped_at: drop.map(|drop| drop.at.to_string()),
            dropped_by: raw(drop.map(|drop| &drop.by)),
            can_undrop: trashed.can_come_back(),
        }
    }
}
