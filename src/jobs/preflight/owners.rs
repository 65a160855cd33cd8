//! Whether this role may act as others: as the owners of schemas, where files run with their rights, and as the one that
//! new schemas are to belong to.

use super::{ask, listed};
use crate::jobs::gate::{Asks, refused};
use crate::jobs::orders::OrderError;
use crate::migrations::apply::rights::may_take_sql;
use crate::model::ident::literal;
use crate::postgres::session::{Target, WriterSession};

/// Checks that this role may take the owner's of each of these schemas, by their oids.
///
/// # Errors
/// Refused: which it may not take, and what would help.
pub(super) async fn of_schemas(target: &Target, session: &WriterSession, oids: &[String]) -> Result<(), OrderError> {
    let sql = format!(
        "SELECT DISTINCT pg_catalog.quote_ident(o.rolname), o.rolsuper \
         FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner \
         JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user \
         WHERE n.oid = ANY ('{{{}}}'::oid[]) AND (NOT {} OR (o.rolsuper AND NOT me.rolsuper)) ORDER BY 1",
        oids.join(","),
        may_take_sql("o.oid")
    );
    let rows = ask(session, &sql).await?;
    let of = |superuser: bool| -> Vec<String> {
        let rows = rows.iter().flatten().filter(|row| row.is_true(1) == superuser);
        rows.filter_map(|row| row.text(0).map(str::to_owned)).collect()
    };
    let user = session.facts.user.raw();
    let superusers = of(true);
    if !superusers.is_empty() {
        return Err(refused(format!(
            "the files are to run as the owners of the schemas (run_as = \"owner\"), and {} is a superuser: they would run with \
             its rights in {}. Give those schemas to an ordinary role first",
            listed(&superusers),
            target.config.name,
        )));
    }
    let owners = of(false);
    if owners.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "the files are to run as the owners of the schemas (run_as = \"owner\"), and {user} may not take the role of {} in {}: \
         GRANT it to {user}, or leave run_as out",
        listed(&owners),
        target.config.name,
    )))
}

/// Checks that new schemas can belong to the role that is configured.
///
/// # Errors
/// Refused: there is no such role, or this one may not take it.
pub(super) async fn of_new(target: &Target, session: &impl Asks) -> Result<(), OrderError> {
    let Some(owner) = &target.config.tenants.owner else { return Ok(()) };
    let sql = format!(
        "SELECT {}, r.rolsuper AND NOT me.rolsuper FROM pg_catalog.pg_roles AS r, pg_catalog.pg_roles AS me \
         WHERE r.rolname = {} AND me.rolname = current_user",
        may_take_sql("r.oid"),
        literal(owner.raw())
    );
    let rows = session.ask(&sql).await?;
    let user = session.facts().user.raw();
    let why = match rows.iter().flatten().next().map(|row| (row.is_true(0), row.is_true(1))) {
        Some((_, true)) => "that is a superuser: name an ordinary role".to_owned(),
        Some((true, false)) => return Ok(()),
        Some((false, false)) => format!("{user} may not take that role: GRANT {} TO {user} is missing", owner.quoted()),
        None => "there is no such role".to_owned(),
    };
    Err(refused(format!(
        "new schemas in {} are to belong to {} ([database.tenants] owner), and {why}",
        target.config.name,
        owner.quoted()
    )))
}
