//! The row of a new tenant: what each of the registry's columns gets, and what the registry allows.

use std::collections::HashMap;

use super::listed;
use crate::jobs::gate::{Asks, refused};
use crate::jobs::orders::OrderError;
use crate::jobs::params::{RowValue, Value};
use crate::jobs::service::NewTenant;
use crate::jobs::settings;
use crate::layout::{Column, Layout, Registry, RegistryColumns};
use crate::model::ident::literal;
use crate::text::sanitise;

/// The columns that tenantui fills by itself.
fn own(columns: &RegistryColumns) -> impl Iterator<Item = &str> {
    let all = [
        columns.id.as_ref(),
        Some(&columns.slug),
        columns.name.as_ref(),
        columns.schema_name.as_ref(),
        columns.status.as_ref(),
        columns.plan.as_ref(),
        columns.settings.as_ref(),
        columns.created_at.as_ref(),
        columns.updated_at.as_ref(),
    ];
    all.into_iter().flatten().map(|column| column.name.raw())
}

/// Refuses columns that must have a value and that neither the layout nor the configuration knows.
pub(in crate::jobs) async fn others(session: &impl Asks, layout: &Layout) -> Result<(), OrderError> {
    let Registry::Table { table, columns, oid } = &layout.registry else { return Ok(()) };
    let known: Vec<&str> = own(columns).chain(layout.new_values.iter().map(|(column, _)| column.raw())).collect();
    let rows = session
        .ask(&format!(
            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a \
             WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef \
             AND a.attidentity = ''::\"char\" ORDER BY a.attnum"
        ))
        .await?;
    let unknown: Vec<String> = rows
        .iter()
        .flatten()
        .filter(|row| row.text(0).is_some_and(|name| !known.contains(&name)))
        .map(|row| format!("{} ({})", row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default()))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "{} has columns that must have a value, no default, and no meaning that tenantui knows: {}. Give them defaults, or \
         say in [database.tenants.values] what new rows get there",
        table.quoted(),
        listed(&unknown)
    )))
}

/// The new row, column by column; the registry allows its words.
pub(in crate::jobs) async fn row_values(
    session: &impl Asks,
    layout: &Layout,
    tenant: &NewTenant,
    oid: u32,
    columns: &RegistryColumns,
    allowed: &mut Allowed,
) -> Result<Vec<RowValue>, OrderError> {
    let row = drafted(layout, tenant, columns, uuid::Uuid::new_v4())?;
    let words = [(&columns.status, &layout.statuses.active), (&columns.plan, &tenant.plan)];
    for (column, word) in words {
        if let (Some(column), Some(word)) = (column, word) {
            allowed.check(session, oid, column, word).await?;
        }
    }
    Ok(row)
}

/// Refuses a display name with characters that no name has: whatever prints it would do what they say.
pub(in crate::jobs) fn display_name(name: &str) -> Result<(), String> {
    let is_control = |c: &char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    match name.chars().zip(1..).find(|(character, _)| is_control(character)) {
        None => Ok(()),
        Some((character, place)) => Err(format!(
            "the display name \"{}\" cannot be: character {place} is U+{:04X}, a control character; write it without",
            sanitise(name),
            u32::from(character)
        )),
    }
}

/// The new row, as far as the layout knows it. The id is taken where the registry makes none itself.
pub(in crate::jobs) fn drafted(
    layout: &Layout,
    tenant: &NewTenant,
    columns: &RegistryColumns,
    new_id: uuid::Uuid,
) -> Result<Vec<RowValue>, OrderError> {
    if columns.slug.is_generated {
        return Err(refused(format!(
            "column {} of the registry is generated from others: what the new tenant would be called there is not known before",
            columns.slug.name.raw()
        )));
    }
    let mut row = Vec::new();
    let mut put = |column: &Column, value: Value| {
        // The server makes it, and refuses any other.
        if column.is_generated {
            return;
        }
        row.push(RowValue { column: column.name.raw().to_owned(), type_name: column.type_name.clone(), value });
    };
    if let Some(id) = columns.id.as_ref().filter(|id| !id.has_default) {
        put(id, id_value(&id.type_name, new_id)?);
    }
    put(&columns.slug, Value::Text(tenant.name.slug.clone()));
    if let Some(name) = &columns.name {
        display_name(tenant.display_name.raw()).map_err(refused)?;
        put(name, Value::Text(tenant.display_name.raw().to_owned()));
    }
    // Where the slug is the schema's name, one column is both.
    if let Some(schema) = columns.schema_name.as_ref().filter(|schema| schema.name != columns.slug.name) {
        put(schema, Value::Text(tenant.name.schema.raw().to_owned()));
    }
    if let Some(status) = &columns.status {
        match &layout.statuses.active {
            Some(word) => put(status, Value::Text(word.clone())),
            None if status.not_null && !status.has_default => {
                return Err(refused(format!(
                    "column {} must have a value and this layout knows no word for it",
                    status.name.raw()
                )));
            }
            None => {}
        }
    }
    match (&columns.plan, &tenant.plan) {
        (Some(plan), Some(word)) => put(plan, Value::Text(word.clone())),
        (Some(plan), None) if plan.not_null && !plan.has_default => {
            return Err(refused(format!("column {} must have a value: name a plan", plan.name.raw())));
        }
        (None, Some(_)) => return Err(refused("this registry has no column for a plan")),
        (Some(_) | None, None) => {}
    }
    match (&columns.settings, &tenant.settings) {
        (Some(column), Some(settings)) => put(column, settings_value(column, settings)?),
        (Some(column), None) if column.not_null && !column.has_default => put(column, Value::Text("{}".to_owned())),
        (None, Some(_)) => return Err(refused("this registry has no column for settings")),
        (Some(_) | None, None) => {}
    }
    if let Some(created) = columns.created_at.as_ref().filter(|c| !c.has_default) {
        put(created, time_value(created)?);
    }
    if let Some(updated) = columns.updated_at.as_ref().filter(|c| c.not_null && !c.has_default) {
        put(updated, time_value(updated)?);
    }
    for (column, text) in &layout.new_values {
        let column = column.raw();
        if own(columns).any(|own| own == column) {
            return Err(refused(format!(
                "[database.tenants.values] names column {column}, which tenantui fills by itself: leave it out"
            )));
        }
        let value = Value::Text(text.clone());
        row.push(RowValue { column: column.to_owned(), type_name: String::new(), value });
    }
    Ok(row)
}

/// Settings are one JSON object, in a column of either JSON type or of text.
fn settings_value(column: &Column, settings: &str) -> Result<Value, OrderError> {
    settings::check(settings).map_err(refused)?;
    let name = column.type_name.as_str();
    if matches!(name, "json" | "jsonb" | "text") || name.starts_with("character varying") {
        return Ok(Value::Text(settings.to_owned()));
    }
    Err(refused(format!("tenantui cannot write settings into column {} of type {name}", column.name.raw())))
}

fn id_value(type_name: &str, new_id: uuid::Uuid) -> Result<Value, OrderError> {
    let uuid = || Value::Text(new_id.to_string());
    match type_name {
        "uuid" | "text" | "character varying" => Ok(uuid()),
        "bigint" | "integer" => Ok(Value::NextNumber),
        other => match other.strip_prefix("character varying(").and_then(|rest| rest.strip_suffix(')')) {
            Some(length) if length.parse::<u32>().is_ok_and(|length| length >= 36) => Ok(uuid()),
            _ => Err(refused(format!("tenantui cannot make an id of type {other}; give the column a default"))),
        },
    }
}

pub(in crate::jobs) fn time_value(column: &Column) -> Result<Value, OrderError> {
    let name = column.type_name.as_str();
    if name.starts_with("timestamp") || name == "date" {
        return Ok(Value::Now);
    }
    if name == "text" || name.starts_with("character varying") {
        return Ok(Value::NowText);
    }
    Err(refused(format!("tenantui cannot write a time of type {name} into {}", column.name.raw())))
}

/// Words that were asked for already, and what was said of them: a thousand tenants have few.
#[derive(Default)]
pub(in crate::jobs) struct Allowed(HashMap<(String, String), Result<(), OrderError>>);

impl Allowed {
    async fn check(&mut self, session: &impl Asks, oid: u32, column: &Column, word: &str) -> Result<(), OrderError> {
        let key = (column.name.raw().to_owned(), word.to_owned());
        if let Some(said) = self.0.get(&key) {
            return said.clone();
        }
        let said = allowed(session, oid, column, word).await;
        self.0.insert(key, said.clone());
        said
    }
}

/// Only words that the registry allows are written to it: the column's own checks are asked beforehand.
pub(in crate::jobs) async fn allowed(
    session: &impl Asks,
    oid: u32,
    column: &Column,
    word: &str,
) -> Result<(), OrderError> {
    let name = &column.name;
    let not_allowed = |by: &str| {
        refused(format!("the registry does not allow {word:?} in column {}: {by}. Nothing was ordered", name.raw()))
    };
    let checks = session
        .ask(&format!(
            "SELECT c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid) FROM pg_catalog.pg_constraint AS c \
             WHERE c.conrelid = {oid} AND c.contype = 'c'::\"char\" AND c.conkey = (SELECT ARRAY[a.attnum] \
             FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = {oid} AND a.attname = {}::name)",
            literal(name.raw())
        ))
        .await?;
    let value = format!("CAST({} AS {})", literal(word), column.type_name);
    if let Err(trouble) = session.ask(&format!("SELECT {value}")).await {
        return Err(not_allowed(&trouble.to_string()));
    }
    for check in checks.iter().flatten() {
        let (Some(constraint), Some(expression)) = (check.text(0), check.text(1)) else { continue };
        let sql = format!("SELECT ({expression}) IS NOT FALSE FROM (SELECT {value} AS {}) AS t", name.quoted());
        let answer = session.ask(&sql).await?;
        if !answer.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
            return Err(not_allowed(&format!("check {constraint} refuses it")));
        }
    }
    Ok(())
}
