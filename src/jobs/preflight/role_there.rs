//! A role that a new tenant would get, and that exists already: who may tell what becomes of it.

use super::listed;
use crate::jobs::gate::{Asks, refused};
use crate::jobs::life::left;
use crate::jobs::orders::OrderError;
use crate::layout::Layout;
use crate::model::ident::{Ident, literal};
use crate::postgres::session::{Patience, QueryError, Reader, Target};

/// Databases in which a role owns something or has rights.
const USED_IN: &str = "SELECT DISTINCT d.datname FROM pg_catalog.pg_shdepend AS s \
    JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid JOIN pg_catalog.pg_roles AS r ON r.oid = s.refobjid \
    WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND r.rolname = ";

/// What a role owns that is more than one tenant's: databases, or several schemas of this one.
const OWNS: &str = "SELECT pg_catalog.concat_ws(' and ', (SELECT 'the database ' || pg_catalog.string_agg(d.datname, ', ') \
    FROM pg_catalog.pg_database AS d WHERE d.datdba = r.oid), (SELECT pg_catalog.count(*) || ' schemas' \
    FROM pg_catalog.pg_namespace AS n WHERE n.nspowner = r.oid HAVING pg_catalog.count(*) > 1)) \
    FROM pg_catalog.pg_roles AS r WHERE r.rolname = ";

/// Of roles that exist, those that a tenant of this database may have had: not a superuser's or this session's, none that
/// does more here than one tenant's role does, and none that all that is known of says that it is another database's.
const LEFT: &str = "WITH here AS (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()), \
    known (role, database) AS NOT MATERIALIZED (SELECT s.refobjid, s.dbid FROM pg_catalog.pg_shdepend AS s \
    WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.dbid <> 0 \
    UNION ALL SELECT c.setrole, c.setdatabase FROM pg_catalog.pg_db_role_setting AS c WHERE c.setdatabase <> 0) \
    SELECT r.rolname FROM pg_catalog.pg_roles AS r CROSS JOIN here \
    WHERE NOT r.rolsuper AND r.rolname NOT IN (session_user, current_user) \
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_database AS d WHERE d.datdba = r.oid) \
    AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace AS n WHERE n.nspowner = r.oid) < 2 \
    AND (SELECT pg_catalog.count(DISTINCT n.oid) FROM pg_catalog.pg_namespace AS n \
    CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS x WHERE x.grantee = r.oid AND n.nspname <> 'public') < 2 \
    AND (EXISTS (SELECT 1 FROM known AS k WHERE k.role = r.oid AND k.database = here.oid) \
    OR NOT EXISTS (SELECT 1 FROM known AS k WHERE k.role = r.oid))";

/// Which of these roles exist.
pub(super) async fn any(session: &impl Asks, names: &[&str]) -> Result<Vec<String>, OrderError> {
    which(session, "SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE true", names).await
}

/// Which of these exist and may be what a tenant that is gone left.
pub(super) async fn left(session: &impl Asks, names: &[&str]) -> Result<Vec<String>, OrderError> {
    which(session, LEFT, names).await
}

async fn which(session: &impl Asks, sql: &str, names: &[&str]) -> Result<Vec<String>, OrderError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    let rows = session.ask(&format!("{sql} AND r.rolname IN ({}) ORDER BY 1", names.join(", "))).await?;
    Ok(rows.iter().flatten().filter_map(|row| row.text(0).map(str::to_owned)).collect())
}

/// The refusal. Where `repair` would list one of the roles as left behind by a tenant that is gone, it says so.
pub(super) async fn refusal(target: &Target, layout: &Layout, there: &[String]) -> OrderError {
    let ways = match ways(target, layout, there).await {
        Ok(ways) => ways,
        Err(QueryError::Link(link)) => return link.into(),
        // Who may not read who was here before is told what is known without it.
        Err(_) => by_hand(there, &[]),
    };
    refused(words(there, &ways))
}

/// The refusal where nobody asked whose it may be.
pub(super) fn unexplained(name: &str) -> OrderError {
    let there = [name.to_owned()];
    refused(words(&there, &by_hand(&there, &[])))
}

fn words(there: &[String], ways: &str) -> String {
    format!(
        "the role {} exists already on this server, perhaps of a tenant that was removed or of another database; it is \
         never given to somebody else in silence. Choose another key, or {ways}",
        listed(there),
    )
}

async fn ways(target: &Target, layout: &Layout, there: &[String]) -> Result<String, QueryError> {
    let reader = Reader::open(target, Patience::Background).await?;
    let left = left::among(&reader, &target.config.name, layout, there).await?;
    if let Some(role) = left.into_iter().find(|role| role.kept.is_none()) {
        return Ok(format!(
            "remove it where it is of a tenant that is gone: `tenantui repair {} --by role` ({})",
            role.name.raw(),
            role.why.raw()
        ));
    }
    let name = literal(there.first().map_or("", String::as_str));
    if let Some(owns) = reader
        .rows(&format!("{OWNS}{name}::name"))
        .await?
        .first()
        .and_then(|row| row.text(0))
        .filter(|owns| !owns.is_empty())
    {
        return Ok(format!("leave it: it owns {owns}, and whatever works with that works with the role"));
    }
    let rows = reader.rows(&format!("{USED_IN}{name}::name ORDER BY 1")).await?;
    Ok(by_hand(there, &rows.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>()))
}

/// What is left to a person: in some databases it has something, and a tenant may live there.
fn by_hand(there: &[String], used_in: &[&str]) -> String {
    let Some(first) = there.first() else { return "look at the server's roles".to_owned() };
    let name = Ident::new(first).map_or_else(|_| first.clone(), |name| name.quoted());
    let remove = format!("DROP OWNED BY {name}; then DROP ROLE {name}");
    if used_in.is_empty() {
        return format!("look what it owns and remove it (in each database: {remove})");
    }
    format!(
        "make sure that nobody needs it before it is removed: it has something in {}, where a tenant may live by it (in each \
         of them: {remove})",
        used_in.join(", ")
    )
}
