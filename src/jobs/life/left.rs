//! Login roles that tenants left behind: the layout's rule leads from the role's name to a tenant of which there is
//! neither schema nor row, in the trash neither. A name alone proves little where a role is called as its schema is, and
//! its search path says the same name once more. So something else has to say whose it was: tenantui's record of that
//! tenant, with the search path or with the making of the role, or the framework's table of keys. What no tenant's role
//! has keeps it, whatever was said of it.

use std::collections::HashSet;
use std::sync::Arc;

use super::access;
use super::trash;
use crate::layout::Layout;
use crate::layout::naming::{SCHEMA_MARK, SLUG_MARK};
use crate::layout::role::RoleRule;
use crate::model::ident::{SchemaName, literal};
use crate::model::life::{LeftRole, Trashed};
use crate::model::tenant::{DatabaseName, Tenant};
use crate::postgres::bind::{bind, text_array};
use crate::postgres::session::{QueryError, Reader, TextRow};
use crate::text::Untrusted;

const FACTS: &str = include_str!("../../../assets/sql/left_roles.sql");
const RECORD: &str = include_str!("../../../assets/sql/left_roles_record.sql");
/// Roles that may be a tenant's: they log in, and have no right that no tenant has.
const LOGINS: &str = "SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolcanlogin AND NOT (r.rolsuper OR r.rolcreaterole \
    OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls) AND r.rolname !~ '^pg_' \
    AND r.rolname NOT IN (session_user, current_user)";

/// Roles left behind, by name.
///
/// # Errors
/// When something could not be read.
pub async fn list<'a>(
    reader: &Reader,
    database: &DatabaseName,
    layout: &Layout,
    tenants: impl Iterator<Item = &'a Tenant>,
    trash: &[Trashed],
) -> Result<Vec<LeftRole>, QueryError> {
    let Some(role) = layout.role.as_ref().filter(|role| role.rule.login) else { return Ok(Vec::new()) };
    if layout.about.hidden_rows.is_some() {
        // Of none is known that its tenant has no row.
        return Ok(Vec::new());
    }
    // Before anything is waited for: the tenants are not kept.
    let wanted = wanted(&role.rule, tenants, trash);
    let logins = reader.rows(LOGINS).await?;
    let names = logins.iter().filter_map(|row| row.text(0));
    let candidates: Vec<(String, String)> = names
        .filter(|name| !wanted.contains(*name))
        .filter_map(|name| Some((name.to_owned(), schema_of(&role.rule, layout, name)?)))
        .collect();
    of(reader, database, layout, &candidates).await
}

/// Those of these roles that would be listed, where none of their tenants is in the registry.
///
/// # Errors
/// When something could not be read.
pub(in crate::jobs) async fn among(
    reader: &Reader,
    database: &DatabaseName,
    layout: &Layout,
    names: &[String],
) -> Result<Vec<LeftRole>, QueryError> {
    let trash = trash::list(reader, database).await?;
    let all = list(reader, database, layout, std::iter::empty(), &trash).await?;
    Ok(all.into_iter().filter(|role| names.iter().any(|name| name == role.name.raw())).collect())
}

/// The same role as it is now; `None`: it is gone, or its schema is there.
pub(super) async fn again(reader: &Reader, layout: &Layout, role: &LeftRole) -> Result<Option<LeftRole>, QueryError> {
    let candidate = [(role.name.raw().to_owned(), role.schema.raw().to_owned())];
    Ok(of(reader, &role.database, layout, &candidate).await?.pop())
}

/// The roles that the tenants have, or would have: of those in the trash too.
fn wanted<'a>(rule: &RoleRule, tenants: impl Iterator<Item = &'a Tenant>, trash: &[Trashed]) -> HashSet<String> {
    let of_tenants = tenants.filter_map(|tenant| Some((tenant.slug.raw(), tenant.schema.as_ref()?.raw())));
    let of_trash = trash.iter().map(|trashed| (trashed.slug().raw(), trashed.original().raw()));
    of_tenants
        .chain(of_trash)
        .filter_map(|(slug, schema)| {
            Some(rule.name_of(slug, &SchemaName::existing(schema).ok()?).ok()?.raw().to_owned())
        })
        .collect()
}

/// The schema of the tenant whose role has this name by the layout's rule.
fn schema_of(rule: &RoleRule, layout: &Layout, name: &str) -> Option<String> {
    let mark = if rule.name.contains(SCHEMA_MARK) { SCHEMA_MARK } else { SLUG_MARK };
    let (before, after) = rule.name.split_once(mark)?;
    let part = name.strip_prefix(before)?.strip_suffix(after)?;
    let slug = if mark == SCHEMA_MARK { layout.naming.slug_of(part)? } else { part.to_owned() };
    let checked = layout.naming.check(&slug).ok()?;
    let same = rule.name_of(&checked.slug, &checked.schema).is_ok_and(|role| role.raw() == name);
    same.then(|| checked.schema.raw().to_owned())
}

async fn of(
    reader: &Reader,
    database: &DatabaseName,
    layout: &Layout,
    candidates: &[(String, String)],
) -> Result<Vec<LeftRole>, QueryError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let roles = text_array(candidates.iter().map(|(role, _)| role));
    let schemas = text_array(candidates.iter().map(|(_, schema)| schema));
    let rows = reader.rows(&facts_sql(&roles, &schemas, shared(layout))).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let record = recorded(reader, &roles, &schemas).await?;
    let keys = keys(reader, layout, &schemas).await?;
    let mut all = Vec::new();
    for row in &rows {
        let (Some(name), Some(schema)) = (row.text(0), row.text(1)) else { continue };
        let why = if path(row).as_deref() == Some(schema) && record.tenants.contains(name) {
            format!("its search path in this database is {schema}, a tenant's schema that is gone")
        } else if record.made.contains(name) {
            format!("tenantui made it for {schema}, and there is no such schema")
        } else if let (Some(table), true) = (keys.table.as_ref(), keys.tenants.contains(schema)) {
            format!("{table} names the tenant {schema}, and there is no such schema")
        } else {
            continue;
        };
        all.push(LeftRole {
            database: Arc::clone(database),
            name: Untrusted::new(name),
            schema: Untrusted::new(schema),
            why: why.into(),
            kept: kept(row).map(Untrusted::from),
        });
    }
    Ok(all)
}

/// The schema in which a tenant's role has rights besides its own.
pub(super) fn shared(layout: &Layout) -> &str {
    layout.shared_schema.as_ref().map_or("public", |schema| schema.raw())
}

fn facts_sql(roles: &str, schemas: &str, shared: &str) -> String {
    bind(FACTS, &[("roles", roles), ("schemas", schemas), ("shared", shared)])
}

/// The question for what one role has, whose schema is not there: [`kept`] reads the answer.
pub(super) fn role_sql(role: &str, schema: &str, shared: &str) -> String {
    facts_sql(&text_array([role].iter()), &text_array([schema].iter()), shared)
}

/// Why it is not removed.
pub(super) fn kept(row: &TextRow) -> Option<String> {
    if let Some(databases) = row.text(5) {
        return Some(format!("it owns the database {databases}"));
    }
    if let Some(objects) = row.text(3) {
        return Some(format!("it owns {objects}: REASSIGN OWNED or DROP OWNED by hand first"));
    }
    if let Some(databases) = row.text(4) {
        return Some(format!("roles are of the whole server, and it has something in {databases} too"));
    }
    if let Some(objects) = row.text(6) {
        return Some(format!("it has rights that no tenant's role has: on {objects}"));
    }
    if let Some(groups) = row.text(8) {
        return Some(format!("it is a member of {groups}"));
    }
    match row.text(7) {
        None | Some("0") => None,
        Some("1") => Some("a session of it is open".to_owned()),
        Some(count) => Some(format!("{count} sessions of it are open")),
    }
}

/// The first schema of its search path here.
fn path(row: &TextRow) -> Option<String> {
    let path = row.text(2)?.strip_prefix("search_path=")?.trim_start();
    let Some(quoted) = path.strip_prefix('"') else {
        return Some(path.split(',').next().unwrap_or_default().trim().to_owned());
    };
    let mut name = String::new();
    let mut letters = quoted.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if letters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => return Some(name),
            letter => name.push(letter),
        }
    }
    None
}

/// What tenantui's record says of roles. Nothing of one that it removed since: one of that name may be anybody's then.
#[derive(Default)]
struct Record {
    /// A job made them.
    made: HashSet<String>,
    /// The schema that their names lead to was a tenant's: something was done in it.
    tenants: HashSet<String>,
}

async fn recorded(reader: &Reader, roles: &str, schemas: &str) -> Result<Record, QueryError> {
    let there = "SELECT pg_catalog.bool_and(COALESCE(pg_catalog.has_table_privilege(pg_catalog.to_regclass(t.name)::pg_catalog.oid, \
        'SELECT'), false)) FROM pg_catalog.unnest('{tenantui.audit,tenantui.job,tenantui.step}'::text[]) AS t(name)";
    if !reader.rows(there).await?.first().is_some_and(|row| row.is_true(0)) {
        return Ok(Record::default());
    }
    let rows = reader.rows(&bind(RECORD, &[("roles", roles), ("schemas", schemas)])).await?;
    let of = |column: usize| -> HashSet<String> {
        rows.iter().filter(|row| row.is_true(column)).filter_map(|row| Some(row.text(0)?.to_owned())).collect()
    };
    Ok(Record { made: of(1), tenants: of(2) })
}

/// Tenants that the framework's table of keys names.
#[derive(Default)]
struct Keys {
    table: Option<String>,
    tenants: HashSet<String>,
}

async fn keys(reader: &Reader, layout: &Layout, schemas: &str) -> Result<Keys, QueryError> {
    let Some(access) = &layout.access else { return Ok(Keys::default()) };
    if !access::is_readable(reader, access).await? {
        return Ok(Keys::default());
    }
    let (table, tenant) = (access.table.quoted(), access.tenant.quoted());
    let sql = format!(
        "SELECT DISTINCT k.{tenant}::text FROM {table} AS k WHERE k.{tenant}::text = ANY({}::text[])",
        literal(schemas)
    );
    let tenants = reader.rows(&sql).await?.iter().filter_map(|row| Some(row.text(0)?.to_owned())).collect();
    Ok(Keys { table: Some(table), tenants })
}

/// The one that a word of the operator's means: the role's name, or the schema that it had.
#[must_use]
pub fn named<'a>(roles: &'a [LeftRole], word: &str) -> Option<&'a LeftRole> {
    let by = |of: fn(&LeftRole) -> &Untrusted| roles.iter().find(|role| of(role).raw() == word);
    by(|role| &role.name).or_else(|| by(|role| &role.schema))
}
