//! The statements of making a tenant that are more than a line.

use super::{Maker, Opened, Part};
use crate::jobs::params::{RowValue, Value};
use crate::jobs::shared::Shared;
use crate::jobs::steps;
use crate::migrations::apply::step::durable_sql;
use crate::model::ident::{Ident, IdentError, QualifiedName, literal};
use crate::model::tenant::TenantKey;

/// The new row; its id comes back.
pub(super) fn insert_sql(maker: &Maker<'_>) -> Result<String, IdentError> {
    match &maker.registry {
        Some(registry) => insert_row_sql(&registry.table, registry.id.as_ref(), &maker.provision.row),
        None => Ok("SELECT NULL::text;".to_owned()),
    }
}

/// The time of the transaction as ISO 8601 text in UTC.
pub(in crate::jobs) const NOW_TEXT: &str =
    "pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

/// A new row of a registry; its id comes back.
pub(in crate::jobs) fn insert_row_sql(
    table: &QualifiedName,
    id: Option<&Ident>,
    row: &[RowValue],
) -> Result<String, IdentError> {
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for value in row {
        let column = Ident::new(&value.column)?.quoted();
        values.push(match &value.value {
            // Untyped: the server checks it against the column instead of cutting it.
            Value::Text(text) => literal(text),
            Value::Now => "pg_catalog.now()".to_owned(),
            Value::NowText => NOW_TEXT.to_owned(),
            Value::NextNumber => {
                format!("(SELECT COALESCE(pg_catalog.max({column}), 0) + 1 FROM {})", table.quoted())
            }
        });
        columns.push(column);
    }
    let returning = id.map_or_else(|| "NULL::text".to_owned(), |id| format!("{}::text", id.quoted()));
    Ok(format!(
        "INSERT INTO {} ({}) VALUES ({}) RETURNING {returning};",
        table.quoted(),
        columns.join(", "),
        values.join(", ")
    ))
}

/// The row read back, the steps, the audit.
pub(super) fn tail_sql(
    maker: &Maker<'_>,
    shared: &Shared<'_>,
    part: Part,
    opened: &Opened,
    tries: u32,
) -> Result<String, IdentError> {
    let verify = match &maker.registry {
        Some(registry) if part.makes_row() => {
            // What generates the schema's name, or a trigger, may think of another one.
            let schema = registry.schema.as_ref().map_or_else(String::new, |column| {
                format!(" AND {}::text = {}", column.quoted(), literal(maker.schema.raw()))
            });
            format!(
                "SELECT 1 FROM {} WHERE {} = {}{schema}",
                registry.table.quoted(),
                registry.slug.quoted(),
                literal(&maker.slug)
            )
        }
        Some(_) | None => "SELECT 1".to_owned(),
    };
    let key = match (&opened.id, &maker.registry) {
        (Some(id), Some(_)) => TenantKey::row(&maker.target.config.name, id),
        (None, Some(_)) => TenantKey::row(&maker.target.config.name, &maker.slug),
        (_, None) => TenantKey::schema(&maker.target.config.name, maker.schema.raw()),
    };
    let id = opened.id.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let (identity, outcome) = if part.makes_row() {
        (format!(", tenant_id = {id}, tenant_key = {}", literal(&key.local)), "done")
    } else {
        (String::new(), "schema made")
    };
    let ours = steps::by_numbers(shared.fence.job, maker.steps.iter().map(|step| step.seq));
    let made = maker.made(part);
    let identity = format!("schema_oid = {}{identity}", literal(&opened.oid));
    let done = format!(
        "state = 'done', attempt = {attempt}, tries = {tries}, started_at = pg_catalog.now(), \
         ended_at = pg_catalog.clock_timestamp(), sqlstate = NULL, message = NULL, detail = NULL, xid = pg_catalog.txid_current(), \
         duration_ms = CASE WHEN action = 'active' THEN \
         (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now()) * 1000)::bigint END",
        attempt = shared.fence.attempt,
    );
    // All steps know the tenant; where the part is not all of it, some of them are left to be done.
    let steps = if made.len() == maker.steps.len() {
        format!("UPDATE tenantui.step SET {identity}, {done} WHERE {ours};")
    } else {
        let made = steps::by_numbers(shared.fence.job, made);
        format!("UPDATE tenantui.step SET {identity} WHERE {ours}; UPDATE tenantui.step SET {done} WHERE {made};")
    };
    Ok(format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true){home}; {verify}; {durable} {steps} \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) VALUES ({os_user}, 'provision', {schema}, {job}, \
         pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('slug', {slug}::text, 'id', {id}::text, 'role', {role}::text)), '{outcome}');",
        home = opened.guard.home_column(),
        durable = durable_sql(true),
        role = maker.role.as_ref().map_or_else(|| "NULL".to_owned(), |role| literal(role.name.raw())),
        job = shared.fence.job,
        os_user = literal(shared.os_user),
        schema = literal(maker.schema.raw()),
        slug = literal(&maker.slug),
    ))
}
