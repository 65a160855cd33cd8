//! What the catalog says of schemas: which there are, how many tables, how large by estimate; and the joining of
//! the registry's rows with the schemas that exist, which is where orphans and conflicts show.
//!
//! Nothing here opens a tenant's relation or waits for a lock. `pg_class` has no index on `relnamespace`, so the
//! questions over all schemas are scans of it for the background, and those over a few go through `pg_depend`.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::bind::{bind, oid_array, text_array};
use super::registry::RegistryRow;
use super::session::{QueryError, Reader};
use crate::layout::naming::{OWN_SCHEMA, TRASH_PREFIX, fold};
use crate::layout::{Layout, Registry, TakenNames};
use crate::model::ident::Ident;
use crate::model::ledger::LedgerState;
use crate::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use crate::text::Untrusted;

const SCHEMAS: &str = include_str!("../../assets/sql/schemas.sql");
const SCAN: &str = include_str!("../../assets/sql/scan.sql");
const TABLE_COUNTS: &str = include_str!("../../assets/sql/table_counts.sql");
const SIZE_ESTIMATES: &str = include_str!("../../assets/sql/size_estimates.sql");
const PAGE: &str = include_str!("../../assets/sql/page.sql");

/// One schema that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRow {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: Untrusted,
    /// Its owner's role.
    pub owner: Untrusted,
    /// This role has USAGE on it: without, its ledger cannot be read.
    pub usage: bool,
    /// An extension made it.
    pub extension: bool,
    /// It holds the tables that every tenant's schema holds, where the layout was asked for ([`schemas_of`]).
    pub holds_tenant_tables: bool,
}

/// Every schema but the server's own (`pg_*`, `information_schema`); `public` is among them.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn schemas(reader: &Reader) -> Result<Vec<SchemaRow>, QueryError> {
    let rows = reader.rows(SCHEMAS).await?;
    let schema = |row: &super::session::TextRow| {
        Ok(SchemaRow {
            oid: row.parse(0)?.unwrap_or_default(),
            name: Untrusted::new(row.text(1).unwrap_or_default()),
            owner: Untrusted::new(row.text(2).unwrap_or_default()),
            usage: row.is_true(3),
            extension: row.is_true(4),
            holds_tenant_tables: false,
        })
    };
    rows.iter().map(schema).collect()
}

/// As [`schemas`]; where the layout's names follow no pattern (the slug alone is the schema), each schema is also
/// asked for the tables that every tenant's holds, by which orphans are known there.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn schemas_of(reader: &Reader, layout: &Layout) -> Result<Vec<SchemaRow>, QueryError> {
    let mut schemas = schemas(reader).await?;
    if layout.naming.pattern().is_none() && !layout.tenant_tables.is_empty() {
        let requires = text_array(layout.tenant_tables.iter().map(|name| name.raw()));
        let rows = reader.rows(&bind(SCAN, &[("pattern", "%"), ("requires", &requires), ("exclude", "{}")])).await?;
        let holding: HashSet<&str> = rows.iter().filter_map(|row| row.text(0)).collect();
        for schema in &mut schemas {
            schema.holds_tenant_tables = holding.contains(schema.name.raw());
        }
    }
    Ok(schemas)
}

/// Ordinary and partitioned tables (partitions not) by the schema's oid, one scan of `pg_class`. A schema that is
/// not in the answer has none.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn table_counts(reader: &Reader) -> Result<HashMap<u32, u32>, QueryError> {
    pairs(reader, TABLE_COUNTS).await
}

/// Bytes by the schema's oid as `pg_class` estimates them, indexes and toast included. A schema that is not in the
/// answer holds nothing. For the background.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn size_estimates(reader: &Reader) -> Result<HashMap<u32, u64>, QueryError> {
    pairs(reader, SIZE_ESTIMATES).await
}

async fn pairs<T: std::str::FromStr>(reader: &Reader, sql: &str) -> Result<HashMap<u32, T>, QueryError> {
    let mut answer = HashMap::new();
    for row in reader.rows(sql).await? {
        if let (Some(oid), Some(value)) = (row.parse(0)?, row.parse(1)?) {
            answer.insert(oid, value);
        }
    }
    Ok(answer)
}

/// Tables and estimated bytes of one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageRow {
    /// Ordinary and partitioned tables, partitions not.
    pub tables: u32,
    /// Estimated bytes.
    pub size_bytes: u64,
}

/// Counts and estimates of a handful of schemas (a screen's), as fast in a fleet of 10,000 as in one of ten. Every
/// asked schema is in the answer.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn page(reader: &Reader, oids: &[u32]) -> Result<HashMap<u32, PageRow>, QueryError> {
    let mut answer: HashMap<u32, PageRow> = oids.iter().map(|oid| (*oid, PageRow::default())).collect();
    if oids.is_empty() {
        return Ok(answer);
    }
    for row in reader.rows(&bind(PAGE, &[("oids", &oid_array(oids))])).await? {
        if let (Some(oid), Some(tables), Some(size_bytes)) = (row.parse(0)?, row.parse(1)?, row.parse(2)?) {
            answer.insert(oid, PageRow { tables, size_bytes });
        }
    }
    Ok(answer)
}

/// What a new tenant's names may collide with, in order, so that two readings of the same compare equal.
#[must_use]
pub fn taken_names(rows: &[RegistryRow], schemas: &[SchemaRow]) -> TakenNames {
    // The schema of a row that has none yet is taken too: its tenant may still be provisioned.
    let named = rows.iter().filter_map(|row| row.schema.as_ref());
    let schemas: BTreeSet<&str> = schemas.iter().map(|schema| &schema.name).chain(named).map(Untrusted::raw).collect();
    let slugs: BTreeSet<&str> = rows.iter().map(|row| row.slug.raw()).collect();
    TakenNames {
        slugs: slugs.into_iter().map(str::to_owned).collect(),
        schemas: schemas.into_iter().map(str::to_owned).collect(),
    }
}

/// Whether a name fits a pattern in which `%` is any text and everything else is literal.
#[must_use]
pub fn like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a schema looks like a tenant's: by the layout's pattern, or by its tables where there is none; none of the excluded, not the
/// shared one, not in the trash, not tenantui's own, not an extension's.
#[must_use]
pub fn is_tenant_like(layout: &Layout, schema: &SchemaRow) -> bool {
    let name = schema.name.raw();
    if schema.extension || name == OWN_SCHEMA || name == "public" || name.starts_with(TRASH_PREFIX) {
        return false;
    }
    if layout.shared_schema.iter().chain(&layout.exclude).any(|other| other.raw() == name) {
        return false;
    }
    let Some(pattern) = layout.naming.pattern() else { return schema.holds_tenant_tables };
    let (before, after) = pattern.split_once('%').unwrap_or((&pattern, ""));
    // The wildcard stands for a slug, and no slug is empty.
    like(&pattern, name) && name.len() > before.len() + after.len()
}

/// Joins the registry's rows with the schemas that exist: a tenant for each row, and one for each tenant-like schema
/// without a row, sorted by slug. States are `conflict`, `missing_schema`, `orphan_schema` or still `unknown` (the
/// ledger decides); ledger, counts and sizes are filled in later, by the schema's oid.
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
            let key = if is_scan {
                TenantKey::schema(database, row.slug.raw())
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
        tenants.extend(orphans.map(|schema| join.orphan(TenantKey::schema(database, schema.name.raw()), schema)));
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
        let mut problems = row.problems.clone();
        let sharing = row.schema.as_ref().and_then(|name| self.by_schema.get(name.raw())).map_or(0, Vec::len);
        let state = if sharing > 1 {
            problems.push(self.conflict(row));
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
        problems.extend(schema.and_then(|schema| self.usage(schema)));
        problems.extend(row.schema.as_ref().and_then(|schema| self.unusable(schema)));
        Tenant {
            id: row.id.clone(),
            slug: row.slug.clone(),
            name: row.name.clone(),
            status: row.status.clone(),
            plan: row.plan.clone(),
            deleted: row.deleted,
            schema: row.schema.clone(),
            created_at: row.created_at.clone(),
            domain: row.domain.clone(),
            state,
            problems,
            ..bare(key, schema)
        }
    }

    fn orphan(&self, key: TenantKey, schema: &SchemaRow) -> Tenant {
        let mut problems = vec![Untrusted::new("the schema has no row in the registry")];
        problems.extend(self.usage(schema));
        problems.extend(self.unusable(&schema.name));
        Tenant {
            slug: schema.name.clone(),
            schema: Some(schema.name.clone()),
            state: TenantState::OrphanSchema,
            problems,
            ..bare(key, Some(schema))
        }
    }

    fn conflict(&self, row: &RegistryRow) -> Untrusted {
        let schema = row.schema.clone().unwrap_or_default();
        let rows = self.by_schema.get(schema.raw()).map(Vec::as_slice).unwrap_or_default();
        let mut others: Vec<&str> =
            rows.iter().filter(|other| !std::ptr::eq(**other, row)).map(|other| other.slug.raw()).collect();
        others.sort_unstable();
        let more = others.len().saturating_sub(5);
        others.truncate(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Untrusted::new(format!("the schema {} is also that of {}{more}", schema.raw(), others.join(", ")))
    }

    fn missing(&self, row: &RegistryRow) -> Option<Untrusted> {
        let Some(name) = &row.schema else {
            return Some(Untrusted::new("the registry row names no schema, and none can be derived"));
        };
        let like = self.folded.get(&fold(name.raw()));
        let hint = like.map_or(String::new(), |schema| format!("; a schema {} exists", schema.name.raw()));
        Some(Untrusted::new(format!("the schema {} does not exist{hint}", name.raw())))
    }

    fn usage(&self, schema: &SchemaRow) -> Option<Untrusted> {
        if schema.usage {
            return None;
        }
        let quoted =
            |name: &Untrusted| Ident::new(name.raw()).map_or_else(|_| name.raw().to_owned(), |name| name.quoted());
        Some(Untrusted::new(format!(
            "this role may not look into the schema: GRANT USAGE ON SCHEMA {} TO {}",
            quoted(&schema.name),
            quoted(self.user)
        )))
    }

    /// A name that PostgreSQL reads as another one.
    fn unusable(&self, schema: &Untrusted) -> Option<Untrusted> {
        (schema.raw() == "$user").then(|| {
            Untrusted::new("search_path takes the name $user for the schema of the current role: rename this schema")
        })
    }
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
        domain: None,
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

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn only_the_percent_sign_is_a_wildcard() {
        for (pattern, name, fits) in [
            ("tenant_%", "tenant_acme", true),
            ("tenant_%", "tenantx", false),
            ("tenant_%", "tenants_archive", false),
            ("%", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("%_t", "acme_t", true),
            ("a%b%c", "aXbYc", true),
            ("a%b%c", "abc", true),
            ("a%b%c", "acb", false),
            ("a%a", "a", false),
        ] {
            assert_eq!(like(pattern, name), fits, "{pattern} {name}");
        }
    }
}
