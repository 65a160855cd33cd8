//! The schema `tenantui`: made only by an explicit `init`, upgraded by it, and never written by an older program.

use std::time::{Duration, Instant};

use super::gate;
use super::orders::OrderError;
use super::who;
use crate::migrations::apply::step::BEGIN;
use crate::migrations::apply::{keys, wire::Trouble};
use crate::model::ident::literal;
use crate::postgres::session::{QueryError, Reader, Target, TextRow, WriterSession};
use crate::text::Untrusted;

/// The version of the record that this program writes.
pub const VERSION: i32 = 2;
/// The statements that lead from each version to the next; the first makes version 1.
const UPGRADES: [&str; 2] =
    [include_str!("../../assets/sql/record_v1.sql"), include_str!("../../assets/sql/record_v2.sql")];
/// Takes back what default privileges gave others of a record that was just made.
const OWN: &str = include_str!("../../assets/sql/record_own.sql");
/// How long `init` waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the record is there at all: one row, one boolean.
pub const STATUS_SQL: &str = "SELECT pg_catalog.to_regclass('tenantui.meta') IS NOT NULL";
/// The record's version.
pub const VERSION_SQL: &str = "SELECT version FROM tenantui.meta";

/// Whether a database was initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitStatus {
    /// There is no schema `tenantui`.
    Missing,
    /// It is of this program's version.
    Current,
    /// It is older: `init` upgrades it.
    Older(i32),
    /// It is newer: this program refuses to write.
    Newer(i32),
}

/// Whether the database was initialised.
///
/// # Errors
/// When it cannot be asked.
pub async fn status(reader: &Reader) -> Result<InitStatus, QueryError> {
    let there = reader.rows(STATUS_SQL).await?;
    if !there.first().is_some_and(|row| row.is_true(0)) {
        return Ok(InitStatus::Missing);
    }
    judge(&reader.rows(VERSION_SQL).await?)
}

/// What the rows of [`VERSION_SQL`] mean.
///
/// # Errors
/// When the table is empty or holds no number.
pub fn judge(rows: &[TextRow]) -> Result<InitStatus, QueryError> {
    let version: Option<i32> = rows.first().map(|row| row.parse(0)).transpose()?.flatten();
    match version {
        None => Err(QueryError::Unexpected { what: Untrusted::new("tenantui.meta is empty") }),
        Some(version) if version == VERSION => Ok(InitStatus::Current),
        Some(version) if version < VERSION => Ok(InitStatus::Older(version)),
        Some(version) => Ok(InitStatus::Newer(version)),
    }
}

/// What to do about an older record.
#[must_use]
pub fn older(version: i32) -> String {
    format!(
        "the tenantui schema has version {version}, this program works with {VERSION}: run `tenantui init` to upgrade it"
    )
}

/// The refusal of a newer record.
#[must_use]
pub fn newer(database: &str, version: i32) -> String {
    format!(
        "the tenantui schema of {database} has version {version}, this program knows {VERSION}: use a newer tenantui"
    )
}

/// Creates or upgrades the `tenantui` schema; does nothing where it is current. Says what it found: `Missing` where
/// it was created, `Older` where it was upgraded, `Current` where there was nothing to do.
///
/// # Errors
/// When the role may not, the server is a standby or behind a pooler, or the schema is newer.
pub async fn run(target: &Target) -> Result<InitStatus, OrderError> {
    let session = gate::open(target, None).await?;
    let started = Instant::now();
    loop {
        match attempt(target, &session).await? {
            Some(found) => return Ok(found),
            None if started.elapsed() > PATIENCE => {
                return Err(gate::refused("another tenantui is creating or upgrading the record; try again"));
            }
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// One try; `None` where another session holds the lock.
async fn attempt(target: &Target, session: &WriterSession) -> Result<Option<InitStatus>, OrderError> {
    // Looked up in the tables: `to_regclass` answers from the session's cache, which an earlier try filled, and which does
    // not know yet what the holder of the lock committed a moment ago.
    let opening = format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', '5s', true); \
         SELECT pg_catalog.pg_try_advisory_xact_lock({}); \
         SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'tenantui' AND c.relname = 'meta'); \
         SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'tenantui'), \
         pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE');",
        keys::shared()
    );
    gate::ask(session, BEGIN).await?;
    let rows = gate::ask(session, &opening).await?;
    let yes = |set: usize, column: usize| {
        rows.get(set).and_then(|rows: &Vec<TextRow>| rows.first()).is_some_and(|row| row.is_true(column))
    };
    if !yes(1, 0) {
        gate::ask(session, "ROLLBACK").await?;
        return Ok(None);
    }
    let found = if yes(2, 0) {
        let rows = gate::ask(session, VERSION_SQL).await?;
        judge(rows.first().map(Vec::as_slice).unwrap_or_default())?
    } else {
        InitStatus::Missing
    };
    let from = match found {
        InitStatus::Current => {
            gate::ask(session, "ROLLBACK").await?;
            return Ok(Some(found));
        }
        InitStatus::Newer(version) => return Err(gate::refused(newer(&target.config.name, version))),
        InitStatus::Older(version) => version,
        InitStatus::Missing if yes(3, 0) => {
            return Err(gate::refused(format!(
                "{} has a schema named tenantui that is not of this program; rename it first",
                target.config.name
            )));
        }
        InitStatus::Missing if !yes(3, 1) => {
            return Err(gate::refused(format!(
                "{} may not create the schema tenantui in {}: GRANT CREATE ON DATABASE is missing",
                session.facts.user.safe(),
                target.config.name
            )));
        }
        InitStatus::Missing => 0,
    };
    upgrade(session, from).await?;
    Ok(Some(found))
}

async fn upgrade(session: &WriterSession, from: i32) -> Result<(), Trouble> {
    let first = usize::try_from(from).unwrap_or(0);
    for statements in UPGRADES.iter().skip(first) {
        gate::ask(session, statements).await?;
    }
    if first == 0 {
        gate::ask(session, OWN).await?;
    }
    let app = literal(env!("CARGO_PKG_VERSION"));
    let os_user = literal(&who::os_user());
    gate::ask(
        session,
        &format!(
            "INSERT INTO tenantui.meta (version, app_version) VALUES ({VERSION}, {app}) ON CONFLICT (only_row) DO UPDATE \
             SET version = {VERSION}, app_version = {app}, upgraded_at = pg_catalog.now(); \
             INSERT INTO tenantui.audit (os_user, action, target, before, after, outcome) VALUES ({os_user}, 'init', 'tenantui', \
             pg_catalog.jsonb_build_object('version', {from}), pg_catalog.jsonb_build_object('version', {VERSION}), 'done');"
        ),
    )
    .await?;
    gate::ask(session, "COMMIT").await?;
    Ok(())
}
