//! What is checked before the making of a tenant is recorded: privileges, names, and the registry's columns.

use super::{listed, through_no_pooler, whole};
use crate::jobs::gate::{ask, refused};
use crate::jobs::orders::OrderError;
use crate::jobs::params::{ProvisionParams, RowValue, Value};
use crate::jobs::service::ProvisionOrder;
use crate::layout::{Registry, RegistryColumns, TakenNames};
use crate::model::ident::{Ident, QualifiedName, literal};
use crate::postgres::session::{Target, WriterSession};

/// Checks the order of a provisioning, and decides what the new row will hold.
pub(in crate::jobs) async fn provision(
    target: &Target,
    session: &WriterSession,
    order: &ProvisionOrder,
) -> Result<ProvisionParams, OrderError> {
    order.name.schema.check_tenant().map_err(|error| refused(error.to_string()))?;
    if let Some(folder) = &order.folder {
        whole(folder, &target.config.migrations.allow)?;
        through_no_pooler(session, folder.files.iter().map(AsRef::as_ref))?;
    }
    let row = match &order.layout.registry {
        Registry::Table { table, columns, oid } => {
            privileges(target, session, Some(table)).await?;
            others(session, *oid, table, columns).await?;
            let row = row_values(session, order, *oid, columns).await?;
            free(session, order, Some((table, columns))).await?;
            row
        }
        Registry::Query { .. } => {
            return Err(refused(
                "the tenants of this database come from a query: tenantui cannot know which table gets the new row",
            ));
        }
        Registry::Scan { .. } => {
            privileges(target, session, None).await?;
            free(session, order, None).await?;
            Vec::new()
        }
    };
    Ok(ProvisionParams { slug: order.name.slug.clone(), schema: order.name.schema.raw().to_owned(), row })
}

async fn privileges(target: &Target, session: &WriterSession, table: Option<&QualifiedName>) -> Result<(), OrderError> {
    let insert = table.map_or_else(
        || "true".to_owned(),
        |table| format!("pg_catalog.has_table_privilege({}::regclass, 'INSERT')", literal(&table.quoted())),
    );
    let rows = ask(
        session,
        &format!("SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), {insert}"),
    )
    .await?;
    let row = rows.iter().flatten().next();
    let has = |column| row.is_some_and(|row| row.is_true(column));
    let mut missing = Vec::new();
    if !has(0) {
        missing.push("CREATE ON DATABASE".to_owned());
    }
    if let (false, Some(table)) = (has(1), table) {
        missing.push(format!("INSERT ON {}", table.quoted()));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "{} may not provision in {}: GRANT {} is missing",
        session.facts.user.raw(),
        target.config.name,
        missing.join(" and GRANT ")
    )))
}

/// Refuses columns that must have a value and that no layout knows.
pub(in crate::jobs) async fn others(
    session: &WriterSession,
    oid: u32,
    table: &QualifiedName,
    columns: &RegistryColumns,
) -> Result<(), OrderError> {
    let known: Vec<&str> = [
        columns.id.as_ref(),
        Some(&columns.slug),
        columns.name.as_ref(),
        columns.schema_name.as_ref(),
        columns.status.as_ref(),
        columns.plan.as_ref(),
        columns.settings.as_ref(),
        columns.created_at.as_ref(),
        columns.updated_at.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(|column| column.name.raw())
    .collect();
    let rows = ask(
        session,
        &format!(
            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a \
             WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef \
             AND a.attidentity = ''::\"char\" ORDER BY a.attnum"
        ),
    )
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
        "{} has columns that must have a value, no default, and no meaning that tenantui knows: {}. Give them defaults",
        table.quoted(),
        listed(&unknown)
    )))
}

/// The new row, column by column.
pub(in crate::jobs) async fn row_values(
    session: &WriterSession,
    order: &ProvisionOrder,
    oid: u32,
    columns: &RegistryColumns,
) -> Result<Vec<RowValue>, OrderError> {
    let mut row = Vec::new();
    let mut put = |column: &crate::layout::Column, value: Value| {
        row.push(RowValue { column: column.name.raw().to_owned(), type_name: column.type_name.clone(), value });
    };
    if let Some(id) = columns.id.as_ref().filter(|id| !id.has_default) {
        put(id, id_value(&id.type_name)?);
    }
    put(&columns.slug, Value::Text(order.name.slug.clone()));
    if let Some(name) = &columns.name {
        put(name, Value::Text(order.display_name.raw().to_owned()));
    }
    if let Some(schema) = &columns.schema_name {
        put(schema, Value::Text(order.name.schema.raw().to_owned()));
    }
    if let Some(status) = &columns.status {
        match &order.layout.statuses.active {
            Some(word) => {
                allowed(session, oid, status, word).await?;
                put(status, Value::Text(word.clone()));
            }
            None if status.not_null && !status.has_default => {
                return Err(refused(format!(
                    "column {} must have a value and this layout knows no word for it",
                    status.name.raw()
                )));
            }
            None => {}
        }
    }
    match (&columns.plan, &order.plan) {
        (Some(plan), Some(word)) => {
            allowed(session, oid, plan, word).await?;
            put(plan, Value::Text(word.clone()));
        }
        (Some(plan), None) if plan.not_null && !plan.has_default => {
            return Err(refused(format!("column {} must have a value: name a plan", plan.name.raw())));
        }
        (None, Some(_)) => return Err(refused("this registry has no column for a plan")),
        (Some(_) | None, None) => {}
    }
    if let Some(settings) = columns.settings.as_ref().filter(|c| c.not_null && !c.has_default) {
        put(settings, Value::Text("{}".to_owned()));
    }
    if let Some(created) = columns.created_at.as_ref().filter(|c| !c.has_default) {
        put(created, time_value(created)?);
    }
    if let Some(updated) = columns.updated_at.as_ref().filter(|c| c.not_null && !c.has_default) {
        put(updated, time_value(updated)?);
    }
    Ok(row)
}

fn id_value(type_name: &str) -> Result<Value, OrderError> {
    let uuid = || Value::Text(uuid::Uuid::new_v4().to_string());
    match type_name {
        "uuid" | "text" | "character varying" => Ok(uuid()),
        "bigint" | "integer" => Ok(Value::NextNumber),
        other => match other.strip_prefix("character varying(").and_then(|rest| rest.strip_suffix(')')) {
            Some(length) if length.parse::<u32>().is_ok_and(|length| length >= 36) => Ok(uuid()),
            _ => Err(refused(format!("tenantui cannot make an id of type {other}; give the column a default"))),
        },
    }
}

pub(in crate::jobs) fn time_value(column: &crate::layout::Column) -> Result<Value, OrderError> {
    let name = column.type_name.as_str();
    if name.starts_with("timestamp") || name == "date" {
        return Ok(Value::Now);
    }
    if name == "text" || name.starts_with("character varying") {
        return Ok(Value::NowText);
    }
    Err(refused(format!("tenantui cannot write a time of type {name} into {}", column.name.raw())))
}

/// Only words that the registry allows are written to it: the column's own checks are asked beforehand.
pub(in crate::jobs) async fn allowed(
    session: &WriterSession,
    oid: u32,
    column: &crate::layout::Column,
    word: &str,
) -> Result<(), OrderError> {
    let name = &column.name;
    let not_allowed = |by: &str| {
        refused(format!("the registry does not allow {word:?} in column {}: {by}. Nothing was ordered", name.raw()))
    };
    let checks = ask(
        session,
        &format!(
            "SELECT c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid) FROM pg_catalog.pg_constraint AS c \
             WHERE c.conrelid = {oid} AND c.contype = 'c'::\"char\" AND c.conkey = (SELECT ARRAY[a.attnum] \
             FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = {oid} AND a.attname = {}::name)",
            literal(name.raw())
        ),
    )
    .await?;
    let value = format!("CAST({} AS {})", literal(word), column.type_name);
    if let Err(trouble) = ask(session, &format!("SELECT {value}")).await {
        return Err(not_allowed(trouble.message().raw()));
    }
    for check in checks.iter().flatten() {
        let (Some(constraint), Some(expression)) = (check.text(0), check.text(1)) else { continue };
        let sql = format!("SELECT ({expression}) IS NOT FALSE FROM (SELECT {value} AS {}) AS t", name.quoted());
        let answer = ask(session, &sql).await?;
        if !answer.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
            return Err(not_allowed(&format!("check {constraint} refuses it")));
        }
    }
    Ok(())
}

/// The name is free, exactly and folded; soft-deleted rows count.
async fn free(
    session: &WriterSession,
    order: &ProvisionOrder,
    table: Option<(&QualifiedName, &RegistryColumns)>,
) -> Result<(), OrderError> {
    let slug = table.map(|(_, columns)| &columns.slug.name);
    let taken = taken(session, table.map(|(table, _)| table), slug).await?;
    taken.check(&order.name).map_err(|error| refused(error.to_string()))
}

/// Every slug of the registry and every schema of the database, as they are now.
pub(in crate::jobs) async fn taken(
    session: &WriterSession,
    table: Option<&QualifiedName>,
    slug: Option<&Ident>,
) -> Result<TakenNames, OrderError> {
    let rows = ask(session, &taken_sql(table, slug)).await?;
    Ok(taken_names(&rows))
}

/// Two SELECTs: slugs, schemas.
pub(in crate::jobs) fn taken_sql(table: Option<&QualifiedName>, slug: Option<&Ident>) -> String {
    let slugs = match (table, slug) {
        (Some(table), Some(slug)) => format!("SELECT {}::text FROM {};", slug.quoted(), table.quoted()),
        (Some(_) | None, _) => "SELECT NULL::text WHERE false;".to_owned(),
    };
    format!("{slugs} SELECT n.nspname FROM pg_catalog.pg_namespace AS n;")
}

/// What the answers to [`taken_sql`] say.
pub(in crate::jobs) fn taken_names(rows: &[Vec<crate::postgres::session::TextRow>]) -> TakenNames {
    let names = |set: usize| -> Vec<String> {
        rows.get(set)
            .map(|rows| rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect())
            .unwrap_or_default()
    };
    TakenNames { slugs: names(0), schemas: names(1) }
}
