//! The tenant's cache keys, once its schema is gone: found by the patterns that were confirmed, in the cache that is
//! configured here. Redis knows no transaction of ours: what is removed is removed, and doing it again does no harm.

use std::sync::Arc;

use serde_json::json;
use tokio_postgres::Client;

use super::params::KeysRef;
use super::run::Life;
use super::trash;
use super::tx::{self, Said, Work, failed};
use crate::cache::{CacheIds, kept_words, unlink};
use crate::layout::naming::{SLUG_MARK, readings};
use crate::migrations::apply::step::{BEGIN, StepEnd};
use crate::model::ident::Ident;
use crate::model::job::LogMark;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::counted;

/// Removes them, then says so in the record.
pub(super) async fn remove(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, shared, life, .. } = *work;
    let keys = life.params.keys.as_ref().ok_or_else(|| failed("the job's record names no cache keys"))?;
    let Some(config) = &life.target.config.cache else {
        return Err(failed("no cache is configured here: run the job where it is"));
    };
    // The fence is looked at before anything is removed; the transaction that records it looks again.
    drop_transaction(client, tx::open(work, false).await?).await?;
    let database = Arc::clone(&life.target.config.name);
    let own = TenantKey { database: Arc::clone(&database), local: life.key.as_str().into() };
    let tenants: Arc<[CacheIds]> = everybody(client, life, keys, &database, &own).await?.into();
    let removed = unlink(config, &keys.patterns, &own, tenants, |_| {}).await;
    let removed = removed.map_err(|error| failed(error.to_string()))?;
    let text = format!("{} removed{}", counted(removed.deleted, "cache key"), kept_words(removed.shared));
    shared.reports.line(LogMark::Note, &life.slug, text).await;
    let tx = tx::open(work, false).await?;
    let said = Said { before: None, after: json!({ "keys": removed.deleted, "kept_for_others": removed.shared }) };
    tx::done(work, tx, said).await
}

async fn drop_transaction(client: &Client, tx: tx::Tx) -> Result<(), StepEnd> {
    drop(tx);
    tx::ask(client, "ROLLBACK").await.map(drop)
}

/// The others in the trash: they can come back, and their keys are theirs. Where no row tells tenants apart, another one
/// of the same name is another.
async fn dropped(
    client: &Client,
    life: &Life<'_>,
    database: &DatabaseName,
    own: &TenantKey,
) -> Result<Vec<CacheIds>, StepEnd> {
    let sql = format!("{BEGIN}; {}; COMMIT", trash::question().trim_end().trim_end_matches(';'));
    let mut all = Vec::new();
    for row in tx::ask(client, &sql).await?.iter().flatten() {
        let trashed = trash::trashed(row, database).map_err(|error| failed(error.to_string()))?;
        let is_row = life.registry.is_some() && trashed.drop.as_ref().is_some_and(|drop| drop.key == *own);
        if trashed.schema.raw() != life.name && !is_row {
            all.extend(CacheIds::of_trashed(&trashed));
        }
    }
    Ok(all)
}

/// Everybody who may have a claim to a key: the rows of the registry, or the schemas where there is none.
async fn everybody(
    client: &Client,
    life: &Life<'_>,
    keys: &KeysRef,
    database: &DatabaseName,
    own: &TenantKey,
) -> Result<Vec<CacheIds>, StepEnd> {
    let mut all = vec![CacheIds {
        key: own.clone(),
        id: life.id.clone(),
        slug: life.slug.clone(),
        schema: Some(life.original().to_owned()),
    }];
    let wrong = |error: crate::model::ident::IdentError| failed(error.to_string());
    let sql = match life.registry {
        Some(registry) => {
            let column = |name: Option<&String>| match name {
                Some(name) => Ok(format!("{}::text", Ident::new(name).map_err(wrong)?.quoted())),
                None => Ok::<_, StepEnd>("NULL::text".to_owned()),
            };
            format!(
                "{BEGIN}; SELECT {}, {}, {} FROM {}; COMMIT",
                column(registry.id.as_ref())?,
                column(Some(&registry.slug))?,
                column(registry.schema_name.as_ref())?,
                registry.table().map_err(wrong)?.quoted()
            )
        }
        None => "SELECT NULL::text, n.nspname, n.nspname FROM pg_catalog.pg_namespace AS n".to_owned(),
    };
    for row in tx::ask(client, &sql).await?.iter().flatten() {
        let (id, slug) = (row.text(0), row.text(1).unwrap_or_default());
        let key = match (id, life.registry) {
            (Some(id), Some(_)) => TenantKey::row(database, id),
            (None, Some(_)) => TenantKey::row(database, slug),
            (_, None) => TenantKey::schema(database, slug),
        };
        if key == *own {
            continue;
        }
        let derived = || {
            let slug = if keys.hyphens_become_underscores { slug.replace('-', "_") } else { slug.to_owned() };
            keys.template.replace(SLUG_MARK, &slug)
        };
        let schema = row.text(2).map_or_else(derived, str::to_owned);
        let mut slugs = vec![slug.to_owned()];
        if life.registry.is_none() {
            // Whatever slug a schema may have, its keys are another's.
            slugs.extend(readings(&keys.template, &schema));
        }
        slugs.dedup();
        let ids = |slug| CacheIds { key: key.clone(), id: id.map(str::to_owned), slug, schema: Some(schema.clone()) };
        all.extend(slugs.into_iter().map(ids));
    }
    all.extend(dropped(client, life, database, own).await?);
    Ok(all)
}
