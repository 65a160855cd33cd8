//! The registry's rows and the schemas that exist, brought together: where orphans and conflicts show. Pure.

use std::collections::HashMap;

use super::{SchemaRow, is_tenant_like};
use crate::layout::naming::{OWN_SCHEMA, fold};
use crate::layout::{Layout, Registry};
use crate::model::ident::Ident;
use crate::model::ledger::LedgerState;
use crate::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use crate::postgres::registry::RegistryRow;
use crate::text::Untrusted;

/// Joins the registry's rows with the schemas that exist: a tenant for each row, and one for each tenant-like schema
/// without a row, sorted by slug. States are `conflict`, `missing_schema`, `orphan_schema`, `no_access` where its row may be
/// hidden, or still `unknown` (the ledger decides); ledger, counts and sizes are filled in later, by the schema's oid.
#[must_use]
pub fn tenants(
    database: &DatabaseName,
    layout: &Layout,
    rows: &[RegistryRow],
    schemas: &[SchemaRow],
    user: &Untrusted,
) -> Vec<Tenant> {
    let join = Join::new(layout, rows, schemas, user);
    let is_scan = match layout.registry {
        Registry::Scan { .. } => true,
        Registry::Table { .. } | Registry::Query { .. } => false,
    };
    let mut keys = HashMap::new();
    let mut tenants: Vec<Tenant> = rows
        .iter()
        .map(|row| {
            let key = if let (true, Some(schema)) = (is_scan, &row.schema) {
                TenantKey::schema(database, schema.raw())
            } else {
                // Identity must be unique even where the registry's is not.
                let id = row.id.as_ref().unwrap_or(&row.slug).raw();
                let seen: &mut u32 = keys.entry(id).or_default();
                *seen += 1;
                if *seen == 1 {
                    TenantKey::row(database, id)
                } else {
                    TenantKey::row(database, &format!("{id}#{seen}"))
                }
            };
            join.row(key, row)
        })
        .collect();
    if !is_scan {
        let orphans = schemas.iter().filter(|schema| join.is_orphan(schema));
        tenants.extend(orphans.map(|schema| orphan(database, layout, schema, user)));
    }
    tenants.sort_by(|a, b| a.slug.cmp(&b.slug).then_with(|| a.key.cmp(&b.key)));
    tenants
}

struct Join<'a> {
    layout: &'a Layout,
    user: &'a Untrusted,
    existing: HashMap<&'a str, &'a SchemaRow>,
    folded: HashMap<String, &'a SchemaRow>,
    by_schema: HashMap<&'a str, Vec<&'a RegistryRow>>,
    by_slug: HashMap<&'a str, usize>,
}

impl<'a> Join<'a> {
    fn new(layout: &'a Layout, rows: &'a [RegistryRow], schemas: &'a [SchemaRow], user: &'a Untrusted) -> Self {
        let existing: HashMap<&str, &SchemaRow> = schemas.iter().map(|schema| (schema.name.raw(), schema)).collect();
        let mut by_schema: HashMap<&str, Vec<&RegistryRow>> = HashMap::new();
        let mut by_slug: HashMap<&str, usize> = HashMap::new();
        for row in rows {
            if let Some(schema) = &row.schema {
                by_schema.entry(schema.raw()).or_default().push(row);
            }
            *by_slug.entry(row.slug.raw()).or_default() += 1;
        }
        // Only a row without its schema needs a name that is nearly its own.
        let lost = by_schema.keys().any(|name| !existing.contains_key(name));
        let folded = if lost {
            schemas.iter().map(|schema| (fold(schema.name.raw()), schema)).collect()
        } else {
            HashMap::new()
        };
        Self { layout, user, existing, folded, by_schema, by_slug }
    }

    fn is_orphan(&self, schema: &SchemaRow) -> bool {
        !self.by_schema.contains_key(schema.name.raw()) && is_tenant_like(self.layout, schema)
    }

    fn row(&self, key: TenantKey, row: &RegistryRow) -> Tenant {
        let schema = row.schema.as_ref().and_then(|name| self.existing.get(name.raw()).copied());
        let sharing = self.sharing(row);
        let nobodys = self.nobodys(row);
        let in_conflict = nobodys.is_some() || matches!(sharing, Some((Sharing::Conflict, _)));
        // Why it is in conflict is said first: refusals say that, and no more.
        let mut problems: Vec<Untrusted> = nobodys.into_iter().chain(sharing.map(|(_, said)| said)).collect();
        problems.extend(row.problems.iter().cloned());
        let state = if in_conflict {
            TenantState::Conflict
        } else if schema.is_none() {
            problems.extend(self.missing(row));
            TenantState::MissingSchema
        } else {
            TenantState::Unknown
        };
        if let Some(count) = self.by_slug.get(row.slug.raw()).filter(|count| **count > 1) {
            problems.push(Untrusted::new(format!("{count} registry rows have this slug")));
        }
        problems.extend(schema.and_then(|schema| usage(schema, self.user)));
        problems.extend(row.schema.as_ref().and_then(unusable));
        Tenant {
            id: row.id.clone(),
            slug: row.slug.clone(),
            name: row.name.clone(),
            status: row.status.clone(),
            plan: row.plan.clone(),
            deleted: row.deleted,
            schema: row.schema.clone(),
            created_at: row.created_at.clone(),
            domains: row.domains.clone(),
            state,
            problems,
            ..bare(key, schema)
        }
    }

    /// A row that names a schema which can be no tenant's: whatever is done to the tenant would be done to all.
    fn nobodys(&self, row: &RegistryRow) -> Option<Untrusted> {
        let name = row.schema.as_ref()?.raw();
        let whose = if name == OWN_SCHEMA {
            "tenantui's own"
        } else if name == "public" || self.layout.shared_schema.as_ref().is_some_and(|shared| shared.raw() == name) {
            "shared by all tenants"
        } else if name == "information_schema" || name.starts_with("pg_") {
            "the server's own"
        } else {
            return None;
        };
        Some(Untrusted::new(format!(
            "the registry row names the schema {name}, which is {whose} and no tenant's; name its own in the row, or remove \
             the row"
        )))
    }

    /// Other rows of the same schema, and what follows from them.
    fn sharing(&self, row: &RegistryRow) -> Option<(Sharing, Untrusted)> {
        let schema = row.schema.as_ref()?;
        let rows = self.by_schema.get(schema.raw()).map(Vec::as_slice).unwrap_or_default();
        let others = || rows.iter().filter(|other| !std::ptr::eq(**other, row));
        others().next()?;
        let slugs = named(others().map(|other| other.slug.raw()).collect());
        if row.deleted || others().any(|other| !other.deleted) {
            let words = format!("the schema {} is also that of {slugs}", schema.raw());
            return Some((Sharing::Conflict, Untrusted::new(words)));
        }
        Some((
            Sharing::WithDeleted,
            Untrusted::new(format!(
                "a deleted registry row ({slugs}) names its schema too: what is in it may be of that tenant; remove that \
                 row where it is not"
            )),
        ))
    }

    fn missing(&self, row: &RegistryRow) -> Option<Untrusted> {
        let Some(name) = &row.schema else {
            return Some(Untrusted::new("the registry row names no schema, and none can be derived"));
        };
        let like = self.folded.get(&fold(name.raw()));
        let hint = like.map_or(String::new(), |schema| format!("; a schema {} exists", schema.name.raw()));
        Some(Untrusted::new(format!("the schema {} does not exist{hint}", name.raw())))
    }
}

/// A schema that is a tenant's and of which no row is seen: it has none, or that is not known where rows may be hidden.
/// Where nothing lists the tenants, to have none is no problem of it.
#[must_use]
pub fn orphan(database: &DatabaseName, layout: &Layout, schema: &SchemaRow, user: &Untrusted) -> Tenant {
    let name = schema.name.raw();
    let (key, state, why) = match (&layout.about.hidden_rows, &layout.registry) {
        (Some(hidden), _) => {
            let why = format!("whether the schema has a row in the registry is not known: {}", hidden.words());
            (TenantKey::hidden(database, name), TenantState::NoAccess, Some(why))
        }
        (None, Registry::Scan { .. }) => (TenantKey::schema(database, name), TenantState::OrphanSchema, None),
        (None, Registry::Table { .. } | Registry::Query { .. }) => {
            let why = "the schema has no row in the registry".to_owned();
            (TenantKey::schema(database, name), TenantState::OrphanSchema, Some(why))
        }
    };
    let mut problems: Vec<Untrusted> = why.into_iter().map(Untrusted::from).collect();
    problems.extend(usage(schema, user));
    problems.extend(unusable(&schema.name));
    Tenant { slug: schema.name.clone(), schema: Some(schema.name.clone()), state, problems, ..bare(key, Some(schema)) }
}

fn usage(schema: &SchemaRow, user: &Untrusted) -> Option<Untrusted> {
    if schema.usage {
        return None;
    }
    let quoted = |name: &Untrusted| Ident::new(name.raw()).map_or_else(|_| name.raw().to_owned(), |name| name.quoted());
    Some(Untrusted::new(format!(
        "this role may not look into the schema: GRANT USAGE ON SCHEMA {} TO {}",
        quoted(&schema.name),
        quoted(user)
    )))
}

/// A name that PostgreSQL reads as another one.
fn unusable(schema: &Untrusted) -> Option<Untrusted> {
    (schema.raw() == "$user").then(|| {
        Untrusted::new("search_path takes the name $user for the schema of the current role: rename this schema")
    })
}

/// What follows from another row of the same schema.
enum Sharing {
    /// Nobody can tell whose schema it is.
    Conflict,
    /// The others are deleted: the schema is this row's, and its data may be older than the row (ADR 21).
    WithDeleted,
}

/// Slugs in order, and how many more there are.
fn named(mut slugs: Vec<&str>) -> String {
    slugs.sort_unstable();
    let more = slugs.len().saturating_sub(5);
    slugs.truncate(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", slugs.join(", "))
}

/// A tenant of which only the schema is known.
fn bare(key: TenantKey, schema: Option<&SchemaRow>) -> Tenant {
    Tenant {
        key,
        id: None,
        slug: Untrusted::default(),
        name: None,
        status: None,
        plan: None,
        domains: Vec::new(),
        deleted: false,
        schema: None,
        schema_oid: schema.map(|schema| schema.oid),
        owner: schema.map(|schema| schema.owner.clone()),
        state: TenantState::Unknown,
        ledger: LedgerState::Unread,
        applied: None,
        pending: None,
        ahead: None,
        tables: None,
        size_bytes: None,
        size_exact: false,
        cache_keys: None,
        created_at: None,
        changed: std::sync::Arc::default(),
        failed_step: None,
        problems: Vec::new(),
    }
}
