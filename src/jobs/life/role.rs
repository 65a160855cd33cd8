//! The tenant's role: its sessions are ended; it is removed once its schema is gone, in the order that works: first what
//! was granted to it (default privileges too), then the role. Roles are of the whole server: one that has anything left
//! anywhere stays, and the step says what.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::Client;

use super::run::Life;
use super::tx::{self, Said, Work, failed};
use super::{facts, left};
use crate::migrations::apply::step::StepEnd;
use crate::model::ident::{Ident, literal};
use crate::model::life::LifeKind;
use crate::postgres::session::TextRow;

/// How long a session that was ended may take to go, and how often it is looked whether it has.
const GOING: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Ends the sessions of the role in this database.
pub(super) async fn end_sessions(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let role = life.role().map_err(failed)?;
    let tx = tx::open(work, false).await?;
    if let Some(oid) = oid_of(client, &role).await? {
        alone(client, life, &role, oid, false).await?;
    }
    let ended = terminate(client, &role).await?;
    let said = Said { before: None, after: json!({ "role": role.raw(), "sessions": ended }) };
    tx::done(work, tx, said).await
}

/// Before a drop: those that came since, and until none is seen. A session that was ended is there until its process is.
pub(super) async fn end_rest(client: &Client, life: &Life<'_>) -> Result<(), StepEnd> {
    let role = life.role().map_err(failed)?;
    let Some(oid) = oid_of(client, &role).await? else { return Ok(()) };
    alone(client, life, &role, oid, false).await?;
    let begun = Instant::now();
    loop {
        // What was seen of sessions is kept for the transaction.
        tx::ask(client, "SELECT pg_catalog.pg_stat_clear_snapshot()").await?;
        if terminate(client, &role).await? == 0 || begun.elapsed() > GOING {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// How many there were.
async fn terminate(client: &Client, role: &Ident) -> Result<usize, StepEnd> {
    let sessions = facts::role_sessions_sql(role.raw());
    let sql = format!("SELECT pg_catalog.pg_terminate_backend(s.pid) FROM ({sessions}) AS s");
    Ok(tx::ask(client, &sql).await?.iter().flatten().filter(|row| row.is_true(0)).count())
}

async fn oid_of(client: &Client, role: &Ident) -> Result<Option<u32>, StepEnd> {
    let there = format!("SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = {}::name", literal(role.raw()));
    let rows = tx::ask(client, &there).await?;
    Ok(rows.iter().flatten().next().and_then(|row| row.parse::<u32>(0).ok().flatten()))
}

/// It must be the tenant's alone still: what it got elsewhere since the plan was made is somebody else's business.
async fn alone(client: &Client, life: &Life<'_>, role: &Ident, oid: u32, removal: bool) -> Result<(), StepEnd> {
    let rows = tx::ask(client, &facts::outside_sql(life.schema_oid.unwrap_or_default(), oid)).await?;
    match rows.iter().flatten().next().and_then(|row| facts::kept(row, removal)) {
        None => Ok(()),
        Some(why) => Err(failed(format!("the role {} is left alone: {why}", role.raw()))),
    }
}

/// Removes the role.
pub(super) async fn remove(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let role = life.role().map_err(failed)?;
    let tx = tx::open(work, true).await?;
    let oid = oid_of(client, &role).await?;
    let of_one_gone = life.kind == LifeKind::Repair;
    if of_one_gone {
        no_schema(client, life.original()).await?;
    }
    let mut revoked = Vec::new();
    let mut ended = 0;
    if let Some(oid) = oid {
        if of_one_gone {
            still_left(client, life, &role).await?;
        } else {
            alone(client, life, &role, oid, true).await?;
            ended = terminate(client, &role).await?;
        }
        revoked = revokes(client, &role, oid).await?;
        for sql in &revoked {
            tx::ask(client, sql).await?;
        }
        // A tenant's role has nothing more by now. What it got this very moment keeps it: the server says so.
        if of_one_gone {
            revoked.extend(revoke_rest(client, &role, oid).await?);
        }
        tx::ask(client, &format!("DROP ROLE {}", role.quoted())).await?;
    }
    let said = Said {
        before: Some(json!({ "role": role.raw(), "there": oid.is_some() })),
        after: json!({ "sessions": ended, "revoked": revoked }),
    };
    tx::done(work, tx, said).await
}

/// The role of a tenant that is gone is not removed while somebody is in, nor where it got meanwhile what no tenant's
/// role has.
async fn still_left(client: &Client, life: &Life<'_>, role: &Ident) -> Result<(), StepEnd> {
    let shared = life.params.shared_schema.as_deref().unwrap_or("public");
    let rows = tx::ask(client, &left::role_sql(role.raw(), life.original(), shared)).await?;
    match rows.iter().flatten().next().and_then(left::kept) {
        None => Ok(()),
        Some(why) => Err(failed(format!("the role {} stays: {why}", role.raw()))),
    }
}

/// What has to be taken from the role before it can go: default privileges, and grants on the database and on schemas
/// that are not its own. Anything else keeps it: that is somebody's decision.
async fn revokes(client: &Client, role: &Ident, oid: u32) -> Result<Vec<String>, StepEnd> {
    let sql = format!(
        "SELECT pg_catalog.pg_get_userbyid(d.defaclrole), n.nspname, d.defaclobjtype::text FROM pg_catalog.pg_default_acl AS d \
         LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace WHERE EXISTS (SELECT 1 FROM \
         pg_catalog.aclexplode(d.defaclacl) AS x WHERE x.grantee = {oid}::oid); \
         SELECT CASE s.classid WHEN 'pg_catalog.pg_database'::pg_catalog.regclass THEN 'DATABASE' ELSE 'SCHEMA' END, \
         COALESCE(d.datname, n.nspname) FROM pg_catalog.pg_shdepend AS s \
         LEFT JOIN pg_catalog.pg_database AS d ON s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND d.oid = s.objid \
         LEFT JOIN pg_catalog.pg_namespace AS n ON s.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND n.oid = s.objid \
         WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = {oid}::oid AND s.deptype = 'a' \
         AND (d.datname = pg_catalog.current_database() OR (n.nspname IS NOT NULL AND s.dbid = \
         (SELECT c.oid FROM pg_catalog.pg_database AS c WHERE c.datname = pg_catalog.current_database())))"
    );
    let answers = tx::ask(client, &sql).await?;
    let [defaults, grants] = answers.as_slice() else {
        return Err(failed("the server's answer about the role has an unexpected form"));
    };
    let mut all = Vec::new();
    for row in defaults {
        all.push(default_privileges(row, role)?);
    }
    for row in grants {
        let name = Ident::new(row.text(1).unwrap_or_default()).map_err(|error| failed(error.to_string()))?;
        all.push(format!("REVOKE ALL ON {} {} FROM {}", row.text(0).unwrap_or_default(), name.quoted(), role.quoted()));
    }
    Ok(all)
}

/// Grants on single objects of other schemas, and its place in their policies: away in one sweep, which would also take
/// what the role owns. So it is only done where the role owns nothing here; else its removal says what it owns.
async fn revoke_rest(client: &Client, role: &Ident, oid: u32) -> Result<Option<String>, StepEnd> {
    let sql = format!(
        "SELECT pg_catalog.bool_or(s.deptype = 'o') FROM pg_catalog.pg_shdepend AS s \
         WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = {oid}::oid AND s.dbid = \
         (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())"
    );
    let answers = tx::ask(client, &sql).await?;
    if answers.iter().flatten().next().and_then(|row| row.text(0)) != Some("f") {
        return Ok(None);
    }
    let sweep = format!("DROP OWNED BY {}", role.quoted());
    tx::ask(client, &sweep).await?;
    Ok(Some(sweep))
}

/// The role of a tenant that is gone is not removed where the tenant was made anew meanwhile.
async fn no_schema(client: &Client, schema: &str) -> Result<(), StepEnd> {
    let sql = format!("SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {}::name", literal(schema));
    match tx::ask(client, &sql).await?.iter().flatten().next() {
        None => Ok(()),
        Some(_) => Err(failed(format!("the schema {schema} is there again: its role stays"))),
    }
}

fn default_privileges(row: &TextRow, role: &Ident) -> Result<String, StepEnd> {
    let ident = |column: usize| Ident::new(row.text(column).unwrap_or_default());
    let owner = ident(0).map_err(|error| failed(error.to_string()))?;
    let within = match row.text(1) {
        Some(_) => format!(" IN SCHEMA {}", ident(1).map_err(|error| failed(error.to_string()))?.quoted()),
        None => String::new(),
    };
    let on = match row.text(2) {
        Some("r") => "TABLES",
        Some("S") => "SEQUENCES",
        Some("f") => "FUNCTIONS",
        Some("T") => "TYPES",
        Some("n") => "SCHEMAS",
        other => return Err(failed(format!("default privileges of a kind that is not known: {other:?}"))),
    };
    Ok(format!(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {}{within} REVOKE ALL ON {on} FROM {}",
        owner.quoted(),
        role.quoted()
    ))
}
