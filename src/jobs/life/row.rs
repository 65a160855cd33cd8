//! What is written into the registry: one row, which must be the one that was planned with, and exactly one.

use serde_json::{Value as Json, json};
use tokio_postgres::Client;

use super::params::Write;
use super::run::Life;
use super::tx::{self, Said, Work, failed};
use crate::jobs::maker;
use crate::jobs::params::{RegistryRef, Value};
use crate::jobs::preflight::{taken_names, taken_sql};
use crate::layout::CheckedName;
use crate::migrations::apply::step::StepEnd;
use crate::model::ident::{Ident, IdentError, literal};
use crate::postgres::session::TextRow;

fn wrong(error: IdentError) -> StepEnd {
    failed(format!("the job's record: {error}"))
}

fn registry<'a>(life: &Life<'a>) -> Result<&'a RegistryRef, StepEnd> {
    life.registry.ok_or_else(|| failed("the job's record names no table of tenants"))
}

fn row_sql(life: &Life<'_>) -> Result<String, StepEnd> {
    registry(life)?.row_sql(life.id.as_deref(), &life.slug, life.original()).map_err(wrong)
}

/// `jsonb_build_object('status', "status"::text, ...)`.
fn json_sql<'a>(columns: impl Iterator<Item = &'a str>) -> Result<String, StepEnd> {
    let pairs = columns
        .map(|column| Ok(format!("{}, {}::text", literal(column), Ident::new(column).map_err(wrong)?.quoted())))
        .collect::<Result<Vec<_>, StepEnd>>()?;
    Ok(format!("pg_catalog.jsonb_build_object({})::text", pairs.join(", ")))
}

/// The one object of an answer; another number of rows is not what was planned.
fn only(rows: &[Vec<TextRow>]) -> Result<Json, StepEnd> {
    let rows: Vec<&TextRow> = rows.iter().flatten().collect();
    match rows.as_slice() {
        [row] => row
            .text(0)
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or_else(|| failed("the registry's row came back in an unexpected form")),
        [] => Err(failed("its registry row is not there any more, or was changed: look again")),
        several => Err(failed(format!("{} registry rows are this tenant's: mend the registry first", several.len()))),
    }
}

/// Whether the tenant has a row.
pub(super) async fn is_there(client: &Client, life: &Life<'_>) -> Result<bool, StepEnd> {
    let Some(registry) = life.registry else { return Ok(false) };
    let sql = format!("SELECT 1 FROM {} WHERE {}", registry.table().map_err(wrong)?.quoted(), row_sql(life)?);
    Ok(tx::ask(client, &sql).await?.iter().flatten().next().is_some())
}

/// The row is as it was when the operator confirmed what is done: whose status or name somebody changed since is another
/// one to decide about.
pub(super) async fn as_shown(client: &Client, life: &Life<'_>) -> Result<(), StepEnd> {
    let seen = &life.params.seen;
    if seen.is_empty() {
        return Ok(());
    }
    let table = registry(life)?.table().map_err(wrong)?.quoted();
    let json = json_sql(seen.iter().map(|(column, _)| column.as_str()))?;
    let sql = format!("SELECT {json} FROM {table} WHERE {} FOR NO KEY UPDATE", row_sql(life)?);
    let now = only(&tx::ask(client, &sql).await?)?;
    for (column, shown) in seen {
        let is = now.get(column).and_then(Json::as_str);
        if is != shown.as_deref() {
            let words = |value: Option<&str>| value.unwrap_or("none").to_owned();
            return Err(failed(format!(
                "its registry row was changed meanwhile: {column} is {}, and was {} when this was confirmed. Cancel the job \
                 and look again",
                words(is),
                words(shown.as_deref())
            )));
        }
    }
    Ok(())
}

/// Sets columns of the row, within an open transaction; what they were, and what they are.
pub(super) async fn set(client: &Client, life: &Life<'_>, writes: &[Write]) -> Result<(Json, Json), StepEnd> {
    let table = registry(life)?.table().map_err(wrong)?.quoted();
    let row = row_sql(life)?;
    let json = json_sql(writes.iter().map(|write| write.column.as_str()))?;
    let before = tx::ask(client, &format!("SELECT {json} FROM {table} WHERE {row} FOR NO KEY UPDATE")).await?;
    let before = only(&before)?;
    let sets = writes
        .iter()
        .map(|write| Ok(format!("{} = {}", Ident::new(&write.column).map_err(wrong)?.quoted(), value(write))))
        .collect::<Result<Vec<_>, StepEnd>>()?;
    let after =
        tx::ask(client, &format!("UPDATE {table} SET {} WHERE {row} RETURNING {json}", sets.join(", "))).await?;
    if after.iter().flatten().next().is_none() {
        return Err(failed(format!(
            "the server changed no row of {table}, and the tenant's is there (a trigger, a rule or a policy keeps it as it is): \
             mend that, or write the row by hand"
        )));
    }
    let after = only(&after)?;
    for write in writes {
        // A trigger that put another word there has the last word, and nobody is told that it was written.
        if let (Some(Value::Text(text)), Some(now)) = (&write.value, after.get(&write.column))
            && life.params.dropped_by.is_none()
            && now.as_str() != Some(text)
        {
            return Err(failed(format!(
                "column {} did not keep what was written (a trigger?); rolled back",
                write.column
            )));
        }
    }
    Ok((before, after))
}

fn value(write: &Write) -> String {
    match &write.value {
        None => "NULL".to_owned(),
        // Untyped: the server checks it against the column instead of cutting it.
        Some(Value::Text(text)) => literal(text),
        Some(Value::Now) => "pg_catalog.now()".to_owned(),
        Some(Value::NowText) => maker::NOW_TEXT.to_owned(),
        // No column that is changed is numbered.
        Some(Value::NextNumber) => "DEFAULT".to_owned(),
    }
}

/// Name or status.
pub(super) async fn write(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    as_shown(client, life).await?;
    let (before, after) = set(client, life, &life.params.write).await?;
    let said = Said { before: Some(json!({ "row": before })), after: json!({ "row": after }) };
    tx::done(work, tx, said).await
}

/// Removes its domains, and then the row that they point at. A schema of its name must not exist: of that, the row is all that says whose it is.
pub(super) async fn forget(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    let there =
        format!("SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {}::name", literal(life.original()));
    if tx::ask(client, &there).await?.iter().flatten().next().is_some() {
        return Err(failed(format!("a schema {} exists: its registry row stays", life.original())));
    }
    let domains = forget_domains(client, life).await?;
    let table = registry(life)?.table().map_err(wrong)?.quoted();
    let json = json_sql(life.params.kept.iter().map(String::as_str))?;
    let deleted = tx::ask(client, &format!("DELETE FROM {table} WHERE {} RETURNING {json}", row_sql(life)?)).await?;
    let before = match (deleted.iter().flatten().count(), domains) {
        // Somebody removed it meanwhile: it is gone, which is what was wanted.
        (0, _) => {
            gone(client, life).await?;
            None
        }
        (_, None) => Some(json!({ "row": only(&deleted)? })),
        (_, Some(domains)) => Some(json!({ "row": only(&deleted)?, "domains": domains })),
    };
    tx::done(work, tx, Said { before, after: json!({}) }).await
}

/// That no row of the tenant is left: a trigger or a policy may keep it without a word.
async fn gone(client: &Client, life: &Life<'_>) -> Result<(), StepEnd> {
    let registry = registry(life)?;
    let same = registry.same_sql(life.id.as_deref(), &life.slug).map_err(wrong)?;
    let table = registry.table().map_err(wrong)?.quoted();
    if tx::ask(client, &format!("SELECT 1 FROM {table} WHERE {same}")).await?.iter().flatten().next().is_none() {
        return Ok(());
    }
    Err(failed(format!(
        "the server removed no row of {table}, and the tenant's is there still (a trigger, a rule or a policy keeps it, or it \
         was changed meanwhile): remove it by hand, then retry"
    )))
}

/// Which domains were removed, where the tenant had any.
async fn forget_domains(client: &Client, life: &Life<'_>) -> Result<Option<Vec<String>>, StepEnd> {
    let (Some(domains), Some(id)) = (&life.params.domains, &life.id) else { return Ok(None) };
    let delete = domains.delete_sql(registry(life)?, id, &row_sql(life)?).map_err(wrong)?;
    let deleted = tx::ask(client, &format!("{delete} {}", domains.returning_sql().map_err(wrong)?)).await?;
    Ok(Some(deleted.iter().flatten().filter_map(|row| row.text(0).map(str::to_owned)).collect()))
}

/// Writes a row for a schema that has none.
pub(super) async fn adopt(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    tx::same_schema(client, life).await?;
    let registry = registry(life)?;
    let table = registry.table().map_err(wrong)?;
    let slug_column = Ident::new(&registry.slug).map_err(wrong)?;
    let slug = life.params.row.iter().find(|value| value.column == registry.slug);
    let Some(Value::Text(slug)) = slug.map(|value| value.value.clone()) else {
        return Err(failed("the job's record names no slug"));
    };
    let mut taken = taken_names(&tx::ask(client, &taken_sql(Some(&table), Some(&slug_column))).await?);
    taken.schemas.clear();
    let schema = life.schema().map_err(failed)?;
    taken.check(&CheckedName { slug: slug.clone(), schema }).map_err(|error| failed(error.to_string()))?;
    let id = registry.id.as_deref().map(Ident::new).transpose().map_err(wrong)?;
    let insert = maker::insert_row_sql(&table, id.as_ref(), &life.params.row).map_err(wrong)?;
    let rows = tx::ask(client, &insert).await?;
    let id = rows.iter().flatten().next().and_then(|row| row.text(0)).map(str::to_owned);
    let said = Said { before: None, after: json!({ "slug": slug, "id": id }) };
    tx::done(work, tx, said).await
}
