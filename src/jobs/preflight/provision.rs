//! What is checked before the making of a tenant is recorded: privileges, names, and the registry's columns.

use std::collections::HashSet;

use super::{listed, makes, through_no_pooler};
use crate::jobs::gate::{ask, refused};
use crate::jobs::orders::OrderError;
use crate::jobs::params::{ProvisionParams, RowValue, TenantRole, Value};
use crate::jobs::service::{NewTenant, ProvisionOrder, check_settings};
use crate::layout::naming::fold;
use crate::layout::{Column, Layout, Registry, RegistryColumns, TakenNames};
use crate::model::ident::{Ident, QualifiedName, literal};
use crate::postgres::session::{Target, WriterSession};

/// Checks the order of a provisioning, and decides what the new rows will hold.
pub(in crate::jobs) async fn provision(
    target: &Target,
    session: &WriterSession,
    order: &ProvisionOrder,
) -> Result<Vec<ProvisionParams>, OrderError> {
    if order.tenants.is_empty() {
        return Err(refused("no tenant is named: there is nothing to order"));
    }
    for tenant in &order.tenants {
        tenant.name.schema.check_tenant().map_err(|error| refused(error.to_string()))?;
    }
    if let Some(folder) = &order.folder {
        makes(target, folder)?;
        through_no_pooler(session, folder.files.iter().map(AsRef::as_ref))?;
    }
    let table = match &order.layout.registry {
        Registry::Table { table, columns, oid } => Some((table, columns, *oid)),
        Registry::Query { .. } => {
            return Err(refused(
                "the tenants of this database come from a query: tenantui cannot know which table gets the new row",
            ));
        }
        Registry::Scan { .. } => None,
    };
    privileges(target, session, table.map(|(table, ..)| table), order.role).await?;
    if let Some((table, columns, oid)) = table {
        others(session, oid, table, columns).await?;
    }
    let mut taken =
        taken(session, table.map(|(table, ..)| table), table.map(|(_, columns, _)| &columns.slug.name)).await?;
    let roles = roles(session, order).await?;
    let mut allowed = Allowed::default();
    let mut made = Vec::with_capacity(order.tenants.len());
    for (tenant, role) in order.tenants.iter().zip(roles) {
        let of = |error: &dyn std::fmt::Display| match order.tenants.len() {
            1 => refused(error.to_string()),
            _ => refused(format!("{}: {error}", tenant.name.slug)),
        };
        let choice = taken.choice(&tenant.name).unwrap_or_default();
        taken.check(&tenant.name).map_err(|error| of(&format!("{error}{choice}")))?;
        taken.slugs.push(tenant.name.slug.clone());
        taken.schemas.push(tenant.name.schema.raw().to_owned());
        let row = match table {
            Some((_, columns, oid)) => row_values(session, &order.layout, tenant, oid, columns, &mut allowed)
                .await
                .map_err(|error| of(&error))?,
            None => without_registry(tenant).map_err(|error| of(&error))?,
        };
        let schema = tenant.name.schema.raw().to_owned();
        made.push(ProvisionParams { slug: tenant.name.slug.clone(), schema, row, role });
    }
    Ok(made)
}

/// Where the schemas are the list of tenants, there is nowhere to keep anything of one.
fn without_registry(tenant: &NewTenant) -> Result<Vec<RowValue>, OrderError> {
    match (&tenant.plan, &tenant.settings) {
        (None, None) => Ok(Vec::new()),
        (Some(_), _) => Err(refused("this database has no registry, and so no column for a plan")),
        (None, Some(_)) => Err(refused("this database has no registry, and so no column for settings")),
    }
}

/// The roles that are to be made, none of which may exist. Roles are of the whole server.
async fn roles(session: &WriterSession, order: &ProvisionOrder) -> Result<Vec<Option<TenantRole>>, OrderError> {
    if !order.role {
        return Ok(vec![None; order.tenants.len()]);
    }
    let Some(role) = &order.layout.role else {
        return Err(refused(format!("the layout {} has no role of a tenant's own", order.layout.name)));
    };
    let mut roles = Vec::with_capacity(order.tenants.len());
    for tenant in &order.tenants {
        let name = &tenant.name;
        let wrong = |error: crate::layout::NameError| refused(error.to_string());
        let path = role.rule.path_of(&name.schema).map_err(wrong)?;
        roles.push(TenantRole {
            name: role.rule.name_of(&name.slug, &name.schema).map_err(wrong)?.raw().to_owned(),
            search_path: path.iter().map(|schema| schema.raw().to_owned()).collect(),
        });
    }
    let names: Vec<String> = roles.iter().map(|role| literal(&role.name)).collect();
    let sql =
        format!("SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ({}) ORDER BY 1", names.join(", "));
    let rows = ask(session, &sql).await?;
    let there: Vec<String> = rows.iter().flatten().filter_map(|row| row.text(0).map(str::to_owned)).collect();
    if let Some(first) = there.first() {
        return Err(refused(format!(
            "the role {} exists already on this server, perhaps of a tenant that was removed or of another database; it \
             is never given to somebody else in silence. Choose another key, or look what it owns and remove it (in each \
             database: DROP OWNED BY {quoted}; then DROP ROLE {quoted})",
            listed(&there),
            quoted = Ident::new(first).map_or_else(|_| first.clone(), |name| name.quoted()),
        )));
    }
    Ok(roles.into_iter().map(Some).collect())
}

async fn privileges(
    target: &Target,
    session: &WriterSession,
    table: Option<&QualifiedName>,
    role: bool,
) -> Result<(), OrderError> {
    let insert = table.map_or_else(
        || "true".to_owned(),
        |table| format!("pg_catalog.has_table_privilege({}::regclass, 'INSERT')", literal(&table.quoted())),
    );
    let rows = ask(
        session,
        &format!(
            "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), {insert}, \
             r.rolsuper OR r.rolcreaterole FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user"
        ),
    )
    .await?;
    let row = rows.iter().flatten().next();
    let has = |column| row.is_some_and(|row| row.is_true(column));
    let mut missing = Vec::new();
    if !has(0) {
        missing.push("GRANT CREATE ON DATABASE".to_owned());
    }
    if let (false, Some(table)) = (has(1), table) {
        missing.push(format!("GRANT INSERT ON {}", table.quoted()));
    }
    if role && !has(2) {
        missing.push("ALTER ROLE ... CREATEROLE".to_owned());
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "{} may not provision in {}: {} is missing",
        session.facts.user.raw(),
        target.config.name,
        missing.join(" and ")
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
    layout: &Layout,
    tenant: &NewTenant,
    oid: u32,
    columns: &RegistryColumns,
    allowed: &mut Allowed,
) -> Result<Vec<RowValue>, OrderError> {
    let mut row = Vec::new();
    let mut put = |column: &Column, value: Value| {
        row.push(RowValue { column: column.name.raw().to_owned(), type_name: column.type_name.clone(), value });
    };
    if let Some(id) = columns.id.as_ref().filter(|id| !id.has_default) {
        put(id, id_value(&id.type_name)?);
    }
    put(&columns.slug, Value::Text(tenant.name.slug.clone()));
    if let Some(name) = &columns.name {
        put(name, Value::Text(tenant.display_name.raw().to_owned()));
    }
    if let Some(schema) = &columns.schema_name {
        put(schema, Value::Text(tenant.name.schema.raw().to_owned()));
    }
    if let Some(status) = &columns.status {
        match &layout.statuses.active {
            Some(word) => {
                allowed.check(session, oid, status, word).await?;
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
    match (&columns.plan, &tenant.plan) {
        (Some(plan), Some(word)) => {
            allowed.check(session, oid, plan, word).await?;
            put(plan, Value::Text(word.clone()));
        }
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
    Ok(row)
}

/// Settings are one JSON object, in a column of either JSON type or of text.
fn settings_value(column: &Column, settings: &str) -> Result<Value, OrderError> {
    check_settings(settings).map_err(refused)?;
    let name = column.type_name.as_str();
    if matches!(name, "json" | "jsonb" | "text") || name.starts_with("character varying") {
        return Ok(Value::Text(settings.to_owned()));
    }
    Err(refused(format!("tenantui cannot write settings into column {} of type {name}", column.name.raw())))
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

/// Words that were asked for already: a thousand tenants have few.
#[derive(Default)]
pub(in crate::jobs) struct Allowed(HashSet<(String, String)>);

impl Allowed {
    async fn check(
        &mut self,
        session: &WriterSession,
        oid: u32,
        column: &Column,
        word: &str,
    ) -> Result<(), OrderError> {
        let key = (column.name.raw().to_owned(), word.to_owned());
        if !self.0.contains(&key) {
            allowed(session, oid, column, word).await?;
            self.0.insert(key);
        }
        Ok(())
    }
}

/// Only words that the registry allows are written to it: the column's own checks are asked beforehand.
pub(in crate::jobs) async fn allowed(
    session: &WriterSession,
    oid: u32,
    column: &Column,
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

/// The same two SELECTs, of names only that may collide with this one: a plain one that folds alike, and every one with
/// other letters than ASCII's, whose folding the server does not know.
pub(in crate::jobs) fn taken_like_sql(registry: Option<(&QualifiedName, &Ident)>, slug: &str, schema: &str) -> String {
    // Asked behind a lock for each new tenant, of every name there is: what costs little is looked at first.
    let like = |column: &str, name: &str| {
        let folded = fold(name);
        format!(
            "(pg_catalog.octet_length({column}) <> pg_catalog.length({column}) \
             OR (pg_catalog.getdatabaseencoding() <> 'UTF8' AND {column} COLLATE \"C\" ~ '[^ -~]') \
             OR (pg_catalog.octet_length({column}) = {bytes} \
             AND pg_catalog.lower(pg_catalog.replace({column}, '-', '_') COLLATE \"C\") = {name}))",
            bytes = folded.len(),
            name = literal(&folded),
        )
    };
    let slugs = match registry {
        Some((table, column)) => {
            let column = format!("{}::text", column.quoted());
            format!("SELECT {column} FROM {} WHERE {};", table.quoted(), like(&column, slug))
        }
        None => "SELECT NULL::text WHERE false;".to_owned(),
    };
    format!("{slugs} SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE {};", like("n.nspname::text", schema))
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
