//! What `doctor` says of the layout: which it is, each mark that shows it, what fits as well, and what every other one
//! that was tried has missed.

use std::collections::BTreeSet;

use super::doctor::{Examination, Verdict};
use crate::config::RunAs;
use crate::fleet::Reading;
use crate::jobs::orders;
use crate::layout::{Layout, Registry};
use crate::model::ident::{Ident, literal};
use crate::postgres::membership::{lacks_rights_sql, may_take_sql, membership_sql};
use crate::postgres::session::{Reader, Target};
use crate::text::{Untrusted, counted, shell_word};

/// What the shared schema is instead of a tenant.
pub(super) const NO_TENANT: &str =
    "it is the shared schema, migrated apart from the tenants, never counted, never dropped";

/// Adds the checks.
pub(super) fn examine(reading: &Reading, found: &mut Examination) {
    let layout = &reading.context.layout;
    found.add("layout", Verdict::Ok, which(layout), None);
    for line in &layout.evidence {
        found.add("layout", Verdict::Ok, line.raw(), None);
    }
    let advice = format!("where that is wrong: layout = \"{}\" or another in [[database]]", layout.name);
    for line in &layout.about.doubts {
        found.add("layout", Verdict::Warn, line.raw(), Some(&advice));
    }
    if let Some(hidden) = &layout.about.hidden_rows {
        let advice = format!("a schema without a row that is seen is called no orphan meanwhile: {}", hidden.mend);
        found.add("layout", Verdict::Warn, hidden.why.raw(), Some(&advice));
    }
    for shared in reading.snapshot.shared.iter().filter(|shared| shared.page.is_some()) {
        let name = shared.schema.raw();
        let words = format!("{name} holds all that a tenant's schema holds, and is none: {NO_TENANT}");
        let look = format!("`tenantui tenant {}` shows it", shell_word(name));
        found.add("layout", Verdict::Ok, words, Some(&look));
    }
    for missed in &layout.about.missed {
        found.add("layout", Verdict::Off, format!("not {}: {}", missed.layout, missed.what.raw()), None);
    }
}

/// Login roles of tenants that are gone.
pub(super) async fn roles(target: &Target, reading: &Reading, found: &mut Examination) {
    let layout = &reading.context.layout;
    if layout.role.is_none() || layout.about.hidden_rows.is_some() {
        return;
    }
    match super::repair::left_roles(target, reading).await {
        Err(failure) => found.fail("roles", &failure),
        Ok(left) if left.is_empty() => found.add("roles", Verdict::Ok, "no tenant that is gone left its role", None),
        Ok(left) => {
            let (count, such) = (left.len(), left.iter().take(3).map(|role| role.name.raw()).collect::<Vec<_>>());
            let (are, of) =
                if count == 1 { ("role is", "a tenant that is") } else { ("roles are", "tenants that are") };
            let words = format!("{count} login {are} of {of} gone: {}", such.join(", "));
            let advice = match left.iter().filter(|role| role.kept.is_some()).count() {
                0 => "`tenantui repair` lists and removes them".to_owned(),
                kept if kept == count => {
                    "`tenantui repair` says why it leaves them alone, and what they have".to_owned()
                }
                kept => {
                    format!("`tenantui repair` lists them, removes those that it can, and says why {kept} of them stay")
                }
            };
            found.add("roles", Verdict::Warn, words, Some(&advice));
        }
    }
}

/// Whether this role has said who may use what it makes, and whether it may make anything.
const OF_MAKER: &str = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_default_acl AS d JOIN pg_catalog.pg_roles AS r \
    ON r.oid = d.defaclrole WHERE r.rolname = CURRENT_USER), \
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')";

/// What a migration makes belongs to the role that runs it. Where the schemas are another one's, neither that one nor the
/// application that it gave rights to may use it, unless this role says so itself.
pub(super) async fn ownership(reader: &Reader, run_as: RunAs, reading: &Reading, found: &mut Examination) {
    let user = &reader.facts().user;
    let tenants = reading.snapshot.tenants.iter();
    let others: Vec<&Untrusted> =
        tenants.filter_map(|tenant| tenant.owner.as_ref()).filter(|own| *own != user).collect();
    let Some(first) = others.first() else { return };
    members(reader, &others, found).await;
    match run_as {
        RunAs::Login => {}
        RunAs::Owner => return owners_role(reader, &others, found).await,
    }
    match reader.rows(OF_MAKER).await {
        Err(error) => found.fail("privileges", &error.into()),
        Ok(rows) if rows.first().is_some_and(|row| !row.is_true(0) && row.is_true(1)) => {
            let words = format!(
                "what {0} makes in {1} of {2} belongs to {0}: default privileges of {2} do not count for it, and {2} cannot \
                 change it",
                user.safe(),
                counted(others.len(), "schema"),
                first.safe()
            );
            let advice = "set run_as = \"owner\" in [database.migrations], or connect as the owner of the schemas; or say who may \
                          use it: ALTER DEFAULT PRIVILEGES, as `tenantui doctor --grants` prints";
            found.add("privileges", Verdict::Warn, words, Some(advice));
        }
        Ok(_) => {}
    }
}

/// These owners, once each, as SQL has them in a list.
fn listed(owners: &[&Untrusted]) -> String {
    let names: BTreeSet<&str> = owners.iter().map(|owner| owner.raw()).collect();
    let list: Vec<String> = names.into_iter().map(literal).collect();
    list.join(", ")
}

/// Owners of whom this role is a member without having their rights: it is told of one missing grant after the other.
async fn members(reader: &Reader, owners: &[&Untrusted], found: &mut Examination) {
    let sql = format!(
        "SELECT pg_catalog.quote_ident(r.rolname), {} FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ({}) \
         AND NOT r.rolsuper AND {} ORDER BY 1",
        membership_sql("CURRENT_USER", "r.oid"),
        listed(owners),
        lacks_rights_sql("r.oid"),
    );
    match reader.rows(&sql).await {
        Err(error) => found.fail("privileges", &error.into()),
        Ok(rows) => {
            for row in &rows {
                let words = format!(
                    "{} is a member of {}, and does not have its rights: it may only what is granted to itself",
                    reader.facts().user.safe(),
                    row.text(0).unwrap_or_default()
                );
                found.add("privileges", Verdict::Warn, words, row.text(1));
            }
        }
    }
}

/// Whether this role may act as the owners of the schemas, as whom the files are to run.
async fn owners_role(reader: &Reader, owners: &[&Untrusted], found: &mut Examination) {
    let sql = format!(
        "SELECT pg_catalog.quote_ident(r.rolname), r.rolsuper, {}, pg_catalog.quote_ident(SESSION_USER) \
         FROM pg_catalog.pg_roles AS r, pg_catalog.pg_roles AS me WHERE r.rolname IN ({}) AND me.rolname = SESSION_USER \
         AND (NOT {} OR (r.rolsuper AND NOT me.rolsuper)) ORDER BY 1",
        membership_sql("SESSION_USER", "r.oid"),
        listed(owners),
        may_take_sql("SESSION_USER", "r.oid")
    );
    let rows = match reader.rows(&sql).await {
        Err(error) => return found.fail("privileges", &error.into()),
        Ok(rows) => rows,
    };
    let of = |superuser: bool, column: usize| -> Vec<&str> {
        rows.iter().filter(|row| row.is_true(1) == superuser).filter_map(|row| row.text(column)).collect()
    };
    let (superusers, others) = (of(true, 0).join(", "), of(false, 0).join(", "));
    if !superusers.is_empty() {
        let words = format!("files are to run as the owner of each schema (run_as), and {superusers} is a superuser");
        let advice =
            "give those schemas, and the tables in them, to an ordinary role: nothing is migrated there until then";
        found.add("privileges", Verdict::Fail, words, Some(advice));
    }
    if !others.is_empty() {
        let user = of(false, 3).first().copied().unwrap_or_default();
        let words = format!(
            "files are to run as the owner of each schema (run_as), and {user} may not take the role of {others}"
        );
        let advice = format!("{}, or leave run_as out", of(false, 2).join("; "));
        found.add("privileges", Verdict::Fail, words, Some(&advice));
    }
    if rows.is_empty() {
        let user = reader.facts().user.safe();
        let words = format!("files run as the owner of each schema, whose role {user} may take (run_as = \"owner\")");
        found.add("privileges", Verdict::Ok, words, None);
    }
}

/// Whether new schemas can belong to the role that is configured for them.
pub(super) async fn owner_of_new(target: &Target, reader: &Reader, found: &mut Examination) {
    grantees(target, reader, found).await;
    let Some(owner) = &target.config.tenants.owner else { return };
    let words = format!("new schemas are to belong to {} ([database.tenants] owner)", owner.quoted());
    match orders::no_owner(target, reader).await {
        Err(error) => found.fail("privileges", &error.into()),
        Ok(None) => found.add("privileges", Verdict::Ok, words, None),
        Ok(Some(no)) => {
            let advice = no.helps.unwrap_or_else(|| "correct owner in [database.tenants]".to_owned());
            found.add("privileges", Verdict::Warn, format!("{words}, and {}", no.why), Some(&advice));
        }
    }
}

/// Whether the roles are there that get something of new schemas.
async fn grantees(target: &Target, reader: &Reader, found: &mut Examination) {
    let roles: Vec<String> = target.config.tenants.grant_to.iter().map(Ident::quoted).collect();
    let words = format!("new schemas are granted to {} ([database.tenants] grant_to)", roles.join(", "));
    match orders::no_grantees(target, reader).await {
        Err(error) => found.fail("privileges", &error.into()),
        Ok(_) if roles.is_empty() => {}
        Ok(missing) if missing.is_empty() => found.add("privileges", Verdict::Ok, words, None),
        Ok(missing) => {
            let names: Vec<String> = missing.iter().map(Ident::quoted).collect();
            let words = format!("{words}, and there is no role {}: no tenant is made", names.join(", "));
            let create: Vec<String> = names.iter().map(|name| format!("CREATE ROLE {name}")).collect();
            found.add("privileges", Verdict::Fail, words, Some(&create.join("; ")));
        }
    }
}

/// `boundary, Boundary; tenants are listed by public.tenants; a tenant's schema is tenant_{slug}`.
fn which(layout: &Layout) -> String {
    let version = layout.about.variant.as_ref().map(|variant| format!(" {variant}")).unwrap_or_default();
    let listed = match &layout.registry {
        Registry::Table { table, .. } => format!("by {}.{}", table.schema.raw(), table.name.raw()),
        Registry::Query { .. } => "by a query".to_owned(),
        Registry::Scan { pattern, requires } => {
            let named = pattern.as_ref().map(|pattern| format!(" like {pattern}")).unwrap_or_default();
            let tables: Vec<&str> = requires.iter().map(Ident::raw).collect();
            let with = if tables.is_empty() { String::new() } else { format!(" with {}", tables.join(", ")) };
            format!("as the schemas{named}{with}")
        }
    };
    let names = if layout.naming.folds { ", written unquoted: capitals fold" } else { "" };
    format!(
        "{}: {}{version}; tenants are listed {listed}; the schema of a new one is {}{names}",
        layout.name, layout.about.title, layout.naming.schema_template
    )
}

/// Where the framework keeps the migration files, as advice where no folder is configured.
pub(super) fn folder_advice(layout: &Layout) -> String {
    let usual = match layout.about.folder.as_slice() {
        [] => String::new(),
        folders => format!(" ({} keeps them in {})", layout.about.title, folders.join(" or ")),
    };
    format!("set path in [database.migrations]{usual}; without it the fleet is compared with itself")
}
