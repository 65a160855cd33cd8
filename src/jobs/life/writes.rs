//! What a registry's row gets when its tenant's status changes: only words and columns that the layout has.

use super::params::Write;
use crate::jobs::params::Value;
use crate::jobs::preflight::{display_name, time_value};
use crate::layout::{Column, Layout, Registry, RegistryColumns};
use crate::model::life::LifeKind;

/// The registry's columns; or why its rows are not written.
pub(super) fn columns(layout: &Layout) -> Result<&RegistryColumns, String> {
    match &layout.registry {
        Registry::Table { columns, .. } => Ok(columns),
        Registry::Query { .. } => {
            Err("the tenants of this database come from a query: tenantui cannot know which row to write".to_owned())
        }
        Registry::Scan { .. } => Err(format!(
            "no table lists the tenants of this database (layout {}): a tenant has neither a name nor a status here",
            layout.name
        )),
    }
}

/// What is written for a new display name.
pub(super) fn name(layout: &Layout, name: &str) -> Result<Vec<Write>, String> {
    let columns = columns(layout)?;
    let column = columns.name.as_ref().ok_or("the registry has no column of display names")?;
    display_name(name)?;
    if column.is_generated {
        let column = column.name.raw();
        return Err(format!("column {column} of the registry is generated from others: change what it is made of"));
    }
    let mut writes = vec![text(column, name)];
    writes.extend(updated(columns));
    Ok(writes)
}

/// What is written when a tenant is suspended, activated, archived or dropped; empty for a drop where the layout has no
/// word and no column for it.
pub(super) fn status(layout: &Layout, kind: LifeKind) -> Result<Vec<Write>, String> {
    let columns = match (columns(layout), kind) {
        (Ok(columns), _) => columns,
        // A drop needs no row.
        (Err(_), LifeKind::Drop) => return Ok(Vec::new()),
        (Err(why), _) => return Err(why),
    };
    let statuses = &layout.statuses;
    let (word, deleted) = match kind {
        LifeKind::Suspend => (&statuses.suspended, None),
        LifeKind::Activate => (&statuses.active, Some(false)),
        LifeKind::Archive | LifeKind::Drop => (&statuses.deleted, Some(true)),
        LifeKind::Rename | LifeKind::Undrop | LifeKind::Purge | LifeKind::Repair => return Ok(Vec::new()),
    };
    let mut writes = Vec::new();
    // One that the server makes of others follows them.
    let written = |column: &&Column| !column.is_generated;
    if let (Some(column), Some(word)) = (columns.status.as_ref().filter(written), word) {
        writes.push(text(column, word));
    }
    if let (Some(column), Some(deleted)) = (columns.deleted_at.as_ref().filter(written), deleted) {
        writes.push(mark(column, deleted)?);
    }
    if writes.is_empty() && kind == LifeKind::Drop {
        return Ok(writes);
    }
    if writes.is_empty() {
        return Err(format!(
            "the layout {} has no status for it: its registry has no such column or no such word",
            layout.name
        ));
    }
    writes.extend(updated(columns));
    Ok(writes)
}

fn text(column: &Column, text: &str) -> Write {
    Write { column: column.name.raw().to_owned(), value: Some(Value::Text(text.to_owned())) }
}

/// A mark of deletion: a time, or a boolean.
fn mark(column: &Column, set: bool) -> Result<Write, String> {
    let name = column.name.raw().to_owned();
    let value = match (column.type_name.as_str(), set) {
        ("boolean", set) => Some(Value::Text(set.to_string())),
        (_, false) => None,
        (_, true) => Some(time_value(column).map_err(|error| error.to_string())?),
    };
    Ok(Write { column: name, value })
}

pub(super) fn updated(columns: &RegistryColumns) -> Option<Write> {
    let column = columns.updated_at.as_ref().filter(|column| !column.is_generated)?;
    // A column of a type that no time can be written into is left alone.
    let value = time_value(column).ok()?;
    Some(Write { column: column.name.raw().to_owned(), value: Some(value) })
}

/// Columns whose values the audit keeps of a row that is removed. Settings are not among them: they may hold secrets.
pub(super) fn kept(columns: &RegistryColumns) -> Vec<String> {
    [
        columns.id.as_ref(),
        Some(&columns.slug),
        columns.name.as_ref(),
        columns.schema_name.as_ref(),
        columns.status.as_ref(),
        columns.plan.as_ref(),
        columns.created_at.as_ref(),
        columns.deleted_at.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(|column| column.name.raw().to_owned())
    .collect()
}
