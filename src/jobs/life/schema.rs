//! What is done to the schema itself: into the trash and back, made empty.

use serde_json::json;
use tokio_postgres::Client;

use super::run::Life;
use super::tx::{self, Said, Work, failed};
use super::{facts, plan, role, row as registry, trash as trashed};
use crate::jobs::shared::Shared;
use crate::migrations::apply::step::StepEnd;
use crate::model::ident::{SchemaName, literal};
use crate::model::life::{LifeStep, UNDROP_DAYS};
use crate::postgres::detail::objects_outside_sql;

/// Nobody may use the schema now.
pub(super) async fn unused(client: &Client, life: &Life<'_>) -> Result<(), StepEnd> {
    let Some(oid) = life.schema_oid else { return Ok(()) };
    let is_shared = life.params.unlock.as_ref().is_some_and(|unlock| unlock.shared);
    let sql = if is_shared {
        facts::writing_sessions_sql(oid)
    } else {
        facts::sessions_sql(oid, life.params.role.as_deref())
    };
    let rows = tx::ask(client, &sql).await?;
    let sessions = rows.iter().flatten().map(facts::session).collect::<Result<Vec<_>, _>>();
    match sessions.map_err(|error| failed(error.to_string()))?.first() {
        None => Ok(()),
        Some(first) => Err(StepEnd::Blocked(format!("a session uses it now: {}", first.raw()).into())),
    }
}

/// What depends on it must have been confirmed.
pub(super) async fn confirmed(
    client: &Client,
    life: &Life<'_>,
    shared: &Shared<'_>,
    of: &[(u32, u32)],
) -> Result<(), StepEnd> {
    let Some(oid) = life.schema_oid else { return Ok(()) };
    let rows = tx::work(client, shared, &objects_outside_sql(oid, of)).await?;
    let open = rows.iter().flatten().filter_map(|row| row.text(0));
    match open.into_iter().find(|object| !life.params.dependants.iter().any(|known| known == object)) {
        None => Ok(()),
        Some(object) => {
            Err(failed(format!("{object} is outside the schema and depends on it, and was not confirmed: plan again")))
        }
    }
}

/// A name that is free, by the catalog itself.
async fn free(client: &Client, name: &SchemaName) -> Result<(), StepEnd> {
    let sql = format!("SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {}::name", literal(name.raw()));
    match tx::ask(client, &sql).await?.iter().flatten().next() {
        None => Ok(()),
        Some(_) => Err(failed(format!("a schema {} exists already", name.raw()))),
    }
}

/// Renames the schema into the trash, and writes the status.
pub(super) async fn trash(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, shared, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    tx::same_schema(client, life).await?;
    let schema = life.schema().map_err(failed)?;
    if life.steps.iter().any(|row| row.step == LifeStep::Sessions) {
        role::end_rest(client, life).await?;
    }
    unused(client, life).await?;
    confirmed(client, life, shared, &[]).await?;
    let to = SchemaName::tenant(&trashed::name(shared.fence.job, schema.raw()))
        .map_err(|error| failed(error.to_string()))?;
    free(client, &to).await?;
    registry::as_shown(client, life).await?;
    tx::ask(client, &format!("ALTER SCHEMA {} RENAME TO {}", schema.quoted(), to.quoted())).await?;
    let (before, after) = if life.params.write.is_empty() {
        (json!({}), json!({}))
    } else {
        registry::set(client, life, &life.params.write).await?
    };
    let said = Said {
        before: Some(json!({
            "schema": schema.raw(), "slug": life.slug, "key": life.key, "id": life.id, "row": before,
        })),
        after: json!({ "schema": to.raw(), "oid": life.schema_oid, "row": after }),
    };
    tx::done(work, tx, said).await
}

/// Renames the schema back, and writes the status that its row had.
pub(super) async fn restore(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    tx::same_schema(client, life).await?;
    in_trash(life)?;
    in_time(client, life).await?;
    let to = SchemaName::tenant(life.original()).map_err(|error| failed(error.to_string()))?;
    free(client, &to).await?;
    let schema = life.schema().map_err(failed)?;
    tx::ask(client, &format!("ALTER SCHEMA {} RENAME TO {}", schema.quoted(), to.quoted())).await?;
    let said = if life.params.write.is_empty() || !registry::is_there(client, life).await? {
        Said { before: None, after: json!({ "schema": to.raw() }) }
    } else {
        let (before, after) = registry::set(client, life, &life.params.write).await?;
        Said {
            before: Some(json!({ "schema": schema.raw(), "row": before })),
            after: json!({ "schema": to.raw(), "row": after }),
        }
    };
    tx::done(work, tx, said).await
}

/// Only a schema in the trash is touched: its name says so, whatever else the record says.
pub(super) fn in_trash(life: &Life<'_>) -> Result<(), StepEnd> {
    if plan::is_trash(&life.name) {
        return Ok(());
    }
    Err(failed(format!("{} is not in the trash", life.name)))
}

/// By the server's clock.
async fn in_time(client: &Client, life: &Life<'_>) -> Result<(), StepEnd> {
    let Some(job) = life.params.dropped_by else { return Err(failed("the job's record does not say what dropped it")) };
    let begun = format!(
        "SELECT 1 FROM tenantui.step AS s JOIN tenantui.audit AS a ON a.job_id = s.job_id WHERE s.schema_name = {} \
         AND a.action = 'purge' AND a.outcome IN ('part', 'done') LIMIT 1",
        literal(&life.name)
    );
    if tx::ask(client, &begun).await?.iter().flatten().next().is_some() {
        return Err(failed("its purge has begun and part of it is gone"));
    }
    let sql = format!(
        "SELECT pg_catalog.max(a.at) >= pg_catalog.now() - interval '{UNDROP_DAYS} days' FROM tenantui.audit AS a \
         WHERE a.job_id = {job} AND a.action = 'drop' AND a.outcome = 'done'"
    );
    let rows = tx::ask(client, &sql).await?;
    if rows.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
        return Ok(());
    }
    Err(failed(format!("the {UNDROP_DAYS} days in which it can be brought back are over")))
}

/// Creates the missing schema of a row.
pub(super) async fn make(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let tx = tx::open(work, false).await?;
    let schema = life.schema().map_err(failed)?;
    free(client, &schema).await?;
    let owner = life.owner.as_ref().map(|owner| format!(" AUTHORIZATION {}", owner.quoted())).unwrap_or_default();
    // What is made in it later is made by a job's files, or by whoever runs them.
    let granted = life.granted.map(|granted| granted.first_sql(&schema, life.maker())).transpose();
    let granted = granted.map_err(|error| failed(error.to_string()))?.unwrap_or_default();
    tx::ask(client, &format!("CREATE SCHEMA {}{owner};{granted}", schema.quoted())).await?;
    let said = Said { before: None, after: json!({ "schema": schema.raw() }) };
    tx::done(work, tx, said).await
}
