//! Whether this role may act as others: as the owners of schemas, where files run with their rights, and as the one that
//! new schemas are to belong to.

use super::{ask, listed};
use crate::config::RunAs;
use crate::jobs::gate::{Asks, refused};
use crate::jobs::orders::OrderError;
use crate::migrations::apply::ledger::WritableLedger;
use crate::migrations::plan::{Direction, Plan};
use crate::model::ident::{Ident, literal};
use crate::postgres::membership::{may_take_sql, membership_sql};
use crate::postgres::session::{QueryError, Target, WriterSession};

/// The owner of `public` since PostgreSQL 15. It is no role of an application's: it has no members but the database's
/// owner, no grant makes one, and what files make as it would be of nobody who works with it.
const DATABASE_OWNER: &str = "o.rolname OPERATOR(pg_catalog.=) 'pg_database_owner'";

/// What helps where a schema is that one's: the application's role, as far as the configuration names it, else `known`, an
/// expression of a name.
fn given_away(target: &Target, known: &str) -> String {
    let named = target.config.tenants.owner.as_ref().map(|owner| literal(&owner.quoted()));
    format!(
        "pg_catalog.format('ALTER SCHEMA %I OWNER TO %s', n.nspname, {})",
        named.unwrap_or_else(|| format!("coalesce({known}, 'the role of the application')"))
    )
}

/// Checks that this role may take the owner's of each of these schemas, by their oids.
///
/// # Errors
/// Refused: which it may not take, and what would help.
pub(super) async fn of_schemas(target: &Target, session: &WriterSession, oids: &[String]) -> Result<(), OrderError> {
    let sql = format!(
        "SELECT DISTINCT pg_catalog.quote_ident(o.rolname), o.rolsuper, \
         CASE WHEN {DATABASE_OWNER} THEN {given_away} ELSE {membership} END, pg_catalog.quote_ident(SESSION_USER) \
         FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner \
         JOIN pg_catalog.pg_roles AS me ON me.rolname = SESSION_USER \
         WHERE n.oid = ANY ('{{{oids}}}'::oid[]) AND (NOT {may_take} OR (o.rolsuper AND NOT me.rolsuper)) ORDER BY 1",
        given_away = given_away(target, "NULL"),
        membership = membership_sql("SESSION_USER", "o.oid"),
        may_take = may_take_sql("SESSION_USER", "o.oid"),
        oids = oids.join(","),
    );
    let rows = ask(session, &sql).await?;
    let of = |superuser: bool, column: usize| -> Vec<String> {
        let rows = rows.iter().flatten().filter(|row| row.is_true(1) == superuser);
        rows.filter_map(|row| row.text(column).map(str::to_owned)).collect()
    };
    let superusers = of(true, 0);
    if !superusers.is_empty() {
        return Err(refused(format!(
            "the files are to run as the owners of the schemas (run_as = \"owner\"), and {} is a superuser: they would run with \
             its rights in {}. Give those schemas to an ordinary role first",
            listed(&superusers),
            target.config.name,
        )));
    }
    let owners = of(false, 0);
    if owners.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "the files are to run as the owners of the schemas (run_as = \"owner\"), and {} may not take the role of {} in {}: {}, \
         or leave run_as out",
        of(false, 3).first().map_or("the login role", String::as_str),
        listed(&owners),
        target.config.name,
        of(false, 2).join("; "),
    )))
}

/// Checks that the owners of these schemas may write the ledgers that are there: the files' rows are written with their
/// rights. Who has written some rows by another role finds out in the middle of the run otherwise.
///
/// # Errors
/// Refused: which ledger, and the statement that helps.
pub(super) async fn of_ledgers(
    target: &Target,
    session: &WriterSession,
    plan: &Plan,
    oids: &[String],
) -> Result<(), OrderError> {
    let Some(ledger) = WritableLedger::named(plan.tool, plan.ledger.as_deref()) else { return Ok(()) };
    let takes_rows_back = match plan.direction {
        Direction::Up => ledger.is_rewritten(),
        Direction::Down | Direction::Again => true,
    };
    let needed = if takes_rows_back { &["SELECT", "INSERT", "DELETE"][..] } else { &["SELECT", "INSERT"] };
    let has = |right| format!("pg_catalog.has_table_privilege(n.nspowner, c.oid, '{right}')");
    let has: Vec<String> = needed.iter().map(has).collect();
    let sql = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(o.rolname), \
         CASE WHEN {DATABASE_OWNER} THEN {given_away} || ', or leave run_as out while the shared schema is migrated' \
         ELSE pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, o.rolname) END \
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner JOIN pg_catalog.pg_roles AS l ON l.oid = c.relowner \
         WHERE n.oid = ANY ('{{{oids}}}'::oid[]) AND c.relname = {ledger}::name AND c.relkind IN ('r', 'p') AND NOT ({has}) \
         ORDER BY 1",
        given_away = given_away(target, "CASE WHEN NOT l.rolsuper THEN pg_catalog.quote_ident(l.rolname) END"),
        oids = oids.join(","),
        ledger = literal(ledger.name().raw()),
        has = has.join(" AND "),
    );
    let rows = ask(session, &sql).await?;
    let of = |column: usize| -> Vec<String> {
        rows.iter().flatten().filter_map(|row| row.text(column).map(str::to_owned)).collect()
    };
    let (tables, mut owners) = (of(0), of(1));
    owners.dedup();
    if tables.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "the files are to run as the owners of the schemas (run_as = \"owner\"), and {} may not write the ledger {} in {}: {}",
        listed(&owners),
        listed(&tables),
        target.config.name,
        of(2).join("; "),
    )))
}

/// Why new schemas cannot belong to the role that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoOwner {
    /// In words.
    pub why: String,
    /// What helps: a statement, where one does.
    pub helps: Option<String>,
}

/// Whether new schemas can belong to the role that is configured; `None` where they can, or none is.
///
/// # Errors
/// When the server cannot be asked.
pub async fn no_owner(target: &Target, session: &impl Asks) -> Result<Option<NoOwner>, QueryError> {
    let Some(owner) = &target.config.tenants.owner else { return Ok(None) };
    // The schema is made for it by the role that is acted as; files take it by the one that logged in.
    let takers = match target.config.migrations.runs_as() {
        RunAs::Login => "CURRENT_USER",
        RunAs::Owner => "CURRENT_USER, SESSION_USER",
    };
    let sql = format!(
        "SELECT {may_take}, r.rolsuper AND NOT me.rolsuper, pg_catalog.quote_ident(me.rolname), {helps}, \
         me.rolname OPERATOR(pg_catalog.<>) CURRENT_USER OR pg_catalog.pg_has_role(me.oid, r.oid, 'USAGE') \
         OR EXISTS (SELECT 1 FROM pg_catalog.pg_default_acl AS d WHERE d.defaclrole = r.oid AND d.defaclobjtype = 'n') \
         FROM pg_catalog.pg_roles AS r, pg_catalog.pg_roles AS me \
         WHERE r.rolname = {owner} AND me.rolname IN ({takers}) ORDER BY 1",
        may_take = may_take_sql("me.rolname", "r.oid"),
        helps = membership_sql("me.rolname", "r.oid"),
        owner = literal(owner.raw()),
    );
    let rows = session.ask(&sql).await?;
    let rows: Vec<_> = rows.iter().flatten().collect();
    let no = |why: String, helps: Option<String>| Ok(Some(NoOwner { why, helps }));
    if rows.is_empty() {
        return no("there is no such role".to_owned(), Some(format!("CREATE ROLE {}", owner.quoted())));
    }
    if rows.iter().any(|row| row.is_true(1)) {
        return no("that is a superuser: name an ordinary role".to_owned(), None);
    }
    // The new schema is its owner's, who alone may use it: whoever makes it goes on in it by the owner's rights. Default
    // privileges on schemas may say otherwise.
    let lacks = |column: usize| rows.iter().find(|row| !row.is_true(column));
    let (row, why) = match (lacks(0), lacks(4)) {
        (Some(row), _) => (row, "may not take that role"),
        (None, Some(row)) => (row, "is a member of that role without its rights, and could not use the schema"),
        (None, None) => return Ok(None),
    };
    no(format!("{} {why}", row.text(2).unwrap_or_default()), row.text(3).map(str::to_owned))
}

/// Those of `grant_to` that are no roles of the server; empty where all are.
///
/// # Errors
/// When the server cannot be asked.
pub async fn no_grantees(target: &Target, session: &impl Asks) -> Result<Vec<Ident>, QueryError> {
    let mut missing = target.config.tenants.grant_to.clone();
    if missing.is_empty() {
        return Ok(missing);
    }
    let names: Vec<String> = missing.iter().map(|name| literal(name.raw())).collect();
    let sql = format!("SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ({})", names.join(", "));
    let rows = session.ask(&sql).await?;
    let is_there = |name: &Ident| rows.iter().flatten().any(|row| row.text(0) == Some(name.raw()));
    missing.retain(|name| !is_there(name));
    Ok(missing)
}

/// Checks that new schemas can belong to the role that is configured, and that the roles are there which get something of
/// them.
///
/// # Errors
/// Refused: there is no such role, or this one may not take it.
pub(super) async fn of_new(target: &Target, session: &impl Asks) -> Result<(), OrderError> {
    if let Some(owner) = &target.config.tenants.owner
        && let Some(no) = no_owner(target, session).await?
    {
        let helps = no.helps.map(|statement| format!(": {statement}")).unwrap_or_default();
        return Err(refused(format!(
            "new schemas in {} are to belong to {} ([database.tenants] owner), and {}{helps}",
            target.config.name,
            owner.quoted(),
            no.why,
        )));
    }
    match no_grantees(target, session).await?.first() {
        None => Ok(()),
        Some(role) => Err(refused(format!(
            "{role} is to get rights on new schemas in {} ([database.tenants] grant_to), and there is no such role: \
             CREATE ROLE {role}",
            target.config.name,
            role = role.quoted(),
        ))),
    }
}
