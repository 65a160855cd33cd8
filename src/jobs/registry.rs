//! The registry of tenants for a database that has none: `init --registry`. Made once, never changed afterwards.

use super::gate;
use super::orders::OrderError;
use super::who;
use crate::migrations::apply::step::BEGIN;
use crate::migrations::apply::wire::Trouble;
use crate::model::ident::literal;
use crate::postgres::session::{Reader, Target, TextRow, WriterSession};

const REGISTRY: &str = include_str!("../../assets/sql/registry.sql");
const LEDGER: &str = include_str!("../../assets/sql/registry_ledger.sql");

/// Whether there is a registry and a ledger beside it.
const FOUND: &str = "SELECT pg_catalog.to_regclass('public.tenants') IS NOT NULL, \
                     pg_catalog.to_regclass('public.schema_migrations') IS NOT NULL";

/// Whether the database has a table `public.tenants`.
///
/// # Errors
/// When it cannot be asked.
pub async fn exists(reader: &Reader) -> Result<bool, crate::postgres::session::QueryError> {
    Ok(reader.rows(FOUND).await?.first().is_some_and(|row| row.is_true(0)))
}

/// Creates `public.tenants` and, where there is none, the shared schema's ledger. False: the registry is there already,
/// and nothing was done. The schema `tenantui` has to be there: the audit is written in the same transaction.
///
/// # Errors
/// When the role may not, or the server is a standby or behind a pooler.
pub async fn create(target: &Target) -> Result<bool, OrderError> {
    let session = gate::open(target, None).await?;
    gate::initialised(target, &session).await?;
    gate::ask(&session, BEGIN).await?;
    let opening = format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), \
         pg_catalog.set_config('lock_timeout', '5s', true); {FOUND}"
    );
    let found = gate::ask(&session, &opening).await?;
    let there = |column: usize| {
        found.get(1).and_then(|rows: &Vec<TextRow>| rows.first()).is_some_and(|row| row.is_true(column))
    };
    if there(0) {
        gate::ask(&session, "ROLLBACK").await?;
        return Ok(false);
    }
    write(&session, !there(1)).await?;
    Ok(true)
}

async fn write(session: &WriterSession, with_ledger: bool) -> Result<(), Trouble> {
    gate::ask(session, REGISTRY).await?;
    if with_ledger {
        gate::ask(session, LEDGER).await?;
    }
    let os_user = literal(&who::os_user());
    let audit = format!(
        "INSERT INTO tenantui.audit (os_user, action, target, after, outcome) VALUES ({os_user}, 'init', 'public.tenants', \
         pg_catalog.jsonb_build_object('ledger', {with_ledger}), 'done')"
    );
    gate::ask(session, &audit).await?;
    gate::ask(session, "COMMIT").await?;
    Ok(())
}
