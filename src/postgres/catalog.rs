//! What the catalog says of schemas: which there are, how many tables, how large by estimate; and the joining of
//! the registry's rows with the schemas that exist, which is where orphans and conflicts show.
//!
//! Nothing here opens a tenant's relation or waits for a lock. `pg_class` has no index on `relnamespace`, so the
//! questions over all schemas are scans of it for the background, and those over a few go through `pg_depend`.

mod join;

use std::collections::{BTreeSet, HashMap, HashSet};

pub use self::join::{orphan, tenants};
use super::bind::{bind, oid_array, text_array};
use super::registry::RegistryRow;
use super::session::{QueryError, Reader, TextRow};
use crate::layout::naming::{OWN_SCHEMA, TRASH_PREFIX};
use crate::layout::{Layout, TakenNames};
use crate::text::Untrusted;

const SCHEMAS: &str = include_str!("../../assets/sql/schemas.sql");
const SCAN: &str = include_str!("../../assets/sql/scan.sql");
const TOTALS: &str = include_str!("../../assets/sql/totals.sql");
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
    let schema = |row: &TextRow| {
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

/// Tables and estimated bytes of one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Ordinary and partitioned tables, partitions not.
    pub tables: u32,
    /// Bytes as `pg_class` estimates them, indexes and toast included.
    pub size_bytes: u64,
}

/// Tables and estimated bytes of every schema, by its oid. A schema that is not in the answer holds nothing. For the
/// background.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn totals(reader: &Reader) -> Result<HashMap<u32, Totals>, QueryError> {
    totals_of(&reader.rows(TOTALS).await?)
}

fn totals_of(rows: &[TextRow]) -> Result<HashMap<u32, Totals>, QueryError> {
    let mut answer = HashMap::with_capacity(rows.len());
    for row in rows {
        if let (Some(oid), Some(tables), Some(size_bytes)) = (row.parse(0)?, row.parse(1)?, row.parse(2)?) {
            answer.insert(oid, Totals { tables, size_bytes });
        }
    }
    Ok(answer)
}

/// Totals of a handful of schemas (a screen's), as fast in a fleet of 10,000 as in one of ten. Every asked schema is in
/// the answer.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn page(reader: &Reader, oids: &[u32]) -> Result<HashMap<u32, Totals>, QueryError> {
    let mut answer: HashMap<u32, Totals> = oids.iter().map(|oid| (*oid, Totals::default())).collect();
    if !oids.is_empty() {
        answer.extend(totals_of(&reader.rows(&bind(PAGE, &[("oids", &oid_array(oids))])).await?)?);
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
    // Of several rows of one schema the same is named every time.
    let mut pairs: Vec<(&str, &str)> =
        rows.iter().filter_map(|row| Some((row.schema.as_ref()?.raw(), row.slug.raw()))).collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    TakenNames {
        slugs: slugs.into_iter().map(str::to_owned).collect(),
        schemas: schemas.into_iter().map(str::to_owned).collect(),
        owners: pairs.into_iter().map(|(schema, slug)| (schema.to_owned(), slug.to_owned())).collect(),
        rows_hidden: false,
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
