//! From facts of the catalog to a layout: a pure function, so that every case is a test without a server.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{ColumnNames, LayoutFile, RegistryKind, Within};
use super::naming::{SLUG_MARK, TRASH_PREFIX};
use super::{Column, Layout, Registry, RegistryColumns};
use crate::config::TenantsOverride;
use crate::model::ident::{Ident, QualifiedName, SchemaName};
use crate::text::Untrusted;

/// What the catalog says, as far as layouts ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Tables and their columns: possible registries, and the tables of fingerprints in `public` and in a few
    /// schemas that hold all of one fingerprint's.
    pub tables: Vec<TableFacts>,
    /// The role that asked, for the grants that would help.
    pub user: Untrusted,
}

/// One table (or view) of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Its oid.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// This role may use the schema.
    pub usage: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnFacts>,
    /// Row level security hides rows of it from this role.
    pub hides_rows: bool,
    /// Columns of tables that point at it with a foreign key, a set for each table.
    pub pointed_at_by: Vec<BTreeSet<String>>,
}

/// One column of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type with its length, as `format_type` prints it.
    pub type_name: String,
    /// NOT NULL.
    pub not_null: bool,
    /// It has a default, or is an identity.
    pub has_default: bool,
    /// This role may read it.
    pub readable: bool,
    /// The words that the column allows, where it is an enum or has a CHECK that lists them.
    pub words: Vec<String>,
}

impl TableFacts {
    fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether it has a column of this name and type; a type without a length stands for all lengths.
    fn has(&self, name: &str, type_name: &str) -> bool {
        self.column(name).is_some_and(|column| {
            type_name.is_empty()
                || column.type_name == type_name
                || column.type_name.split('(').next().is_some_and(|base| base == type_name)
        })
    }

    fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The statements that would let a role read these columns; all where none is named.
    #[must_use]
    pub fn grant(&self, columns: &[&str], user: &Untrusted) -> String {
        let quoted = |name: &str| Ident::new(name).map_or_else(|_| name.to_owned(), |name| name.quoted());
        let (schema, role) = (quoted(&self.schema), quoted(user.raw()));
        let list: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let list = if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
        let usage = if self.usage { String::new() } else { format!("GRANT USAGE ON SCHEMA {schema} TO {role}; ") };
        format!("{usage}GRANT SELECT{list} ON {schema}.{} TO {role}", quoted(&self.name))
    }
}

impl Facts {
    fn table(&self, schema: &str, name: &str) -> Option<&TableFacts> {
        self.tables.iter().find(|table| table.schema == schema && table.name == name)
    }
}

/// A layout that fits, and why.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    /// The file.
    pub file: &'a LayoutFile,
    /// Its registry's table, where it has one.
    pub registry: Option<&'a TableFacts>,
    /// Why, a line each.
    pub evidence: Vec<Untrusted>,
}

/// A layout that does not fit, and what it missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Its name.
    pub layout: String,
    /// What was not there, in words.
    pub what: Untrusted,
}

/// The first of `files` that fits. Where none does, a tenants table whose slug has another name is taken by the
/// layout `plain`.
///
/// # Errors
/// What each layout missed.
pub fn judge<'a>(files: &'a [LayoutFile], facts: &'a Facts) -> Result<Fit<'a>, Vec<Missed>> {
    let mut missed = Vec::new();
    for file in files {
        match fit(file, facts, Slug::Certain) {
            Ok(fit) => return Ok(fit),
            Err(what) => missed.push(Missed { layout: file.name.clone(), what: Untrusted::new(what) }),
        }
    }
    for file in files {
        if let Ok(fit) = fit(file, facts, Slug::AnyName) {
            return Ok(fit);
        }
    }
    Err(missed)
}

/// Whether a column by another name than the first may be the slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slug {
    /// Only the first name of the layout's list.
    Certain,
    /// Any name of the list.
    AnyName,
    /// The configuration says where tenants are listed.
    NotNeeded,
}

/// Whether one layout fits.
///
/// # Errors
/// What it missed.
pub fn fit<'a>(file: &'a LayoutFile, facts: &'a Facts, slug: Slug) -> Result<Fit<'a>, String> {
    let mut evidence = Vec::new();
    let registry = needed(file, facts, slug)?;
    if let Some(table) = registry {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        evidence.push(Untrusted::new(format!("{} has the columns {}", table.shown(), names.join(", "))));
    }
    if !file.fingerprint.tables.is_empty() {
        let schema = marked_schema(file, facts)?;
        let names: Vec<&str> = file.fingerprint.tables.iter().map(|mark| mark.table.as_str()).collect();
        evidence.push(Untrusted::new(format!("the schema {schema} holds {} of {}", names.join(", "), file.title)));
    }
    Ok(Fit { file, registry, evidence })
}

fn needed<'a>(file: &LayoutFile, facts: &'a Facts, slug: Slug) -> Result<Option<&'a TableFacts>, String> {
    match (file.registry.kind, slug) {
        (RegistryKind::Table, Slug::Certain | Slug::AnyName) => registry(file, facts, slug).map(Some),
        (RegistryKind::Scan, _) | (RegistryKind::Table, Slug::NotNeeded) => Ok(None),
    }
}

/// The layout that the configuration names: its registry must be there, its fingerprint need not.
///
/// # Errors
/// What its registry misses.
pub fn named<'a>(file: &'a LayoutFile, facts: &'a Facts, slug: Slug) -> Result<Fit<'a>, String> {
    let registry = needed(file, facts, slug)?;
    let evidence = vec![Untrusted::new(format!("the configuration names the layout {}", file.name))];
    Ok(Fit { file, registry, evidence })
}

/// The layout that gives the rest (names, ledger, cache) where the configuration says where tenants are listed: the
/// first whose fingerprint fits, else the first without one.
#[must_use]
pub fn base<'a>(files: &'a [LayoutFile], facts: &'a Facts) -> Option<Fit<'a>> {
    let (marked, unmarked): (Vec<_>, Vec<_>) = files.iter().partition(|file| !file.fingerprint.tables.is_empty());
    marked.into_iter().chain(unmarked).find_map(|file| fit(file, facts, Slug::NotNeeded).ok())
}

/// The template that nine of ten pairs of slug and schema follow, and whether hyphens become underscores in it.
/// `None` where fewer than three pairs agree, or no rule covers enough of them.
#[must_use]
pub fn learn_template(pairs: &[(&str, &str)]) -> Option<(String, bool)> {
    let mut tally: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for (slug, schema) in pairs.iter().filter(|(slug, _)| !slug.is_empty()) {
        for hyphens in [true, false] {
            let slug = if hyphens { slug.replace('-', "_") } else { (*slug).to_owned() };
            if let Some((before, after)) = schema.rsplit_once(slug.as_str()) {
                *tally.entry((format!("{before}{SLUG_MARK}{after}"), hyphens)).or_default() += 1;
            }
        }
    }
    // Of equals the one in which hyphens become underscores: no slug of the sample has a hyphen.
    let ((template, hyphens), count) = tally.into_iter().max_by_key(|((_, hyphens), count)| (*count, *hyphens))?;
    (count >= 3 && count * 10 >= pairs.len() * 9).then_some((template, hyphens))
}

fn registry<'a>(file: &LayoutFile, facts: &'a Facts, slug: Slug) -> Result<&'a TableFacts, String> {
    let names = &file.registry.columns.slug;
    let wanted = match slug {
        Slug::Certain => &names[..names.len().min(1)],
        Slug::AnyName | Slug::NotNeeded => &names[..],
    };
    if let Some(table) = file.table()? {
        let (schema, name) = (table.schema.raw(), table.name.raw());
        let found = facts.table(schema, name).ok_or_else(|| format!("{schema}.{name} is absent"))?;
        if wanted.iter().any(|name| found.column(name).is_some()) {
            return Ok(found);
        }
        return Err(format!("{} has no column {}", found.shown(), wanted.join(" or ")));
    }
    let Some(find) = &file.registry.find else { return Err("the layout names no registry".to_owned()) };
    let mut candidates: Vec<&TableFacts> = facts
        .tables
        .iter()
        .filter(|table| table.schema == "public" && table.has(&find.column, &find.type_name))
        .collect();
    let pointed = |table: &&TableFacts| {
        !find.pointed_at_by.is_empty()
            && table.pointed_at_by.iter().any(|columns| find.pointed_at_by.iter().all(|name| columns.contains(name)))
    };
    if candidates.len() > 1 && candidates.iter().any(pointed) {
        candidates.retain(pointed);
    }
    match candidates.as_slice() {
        [] => Err(format!("no table of public has a column {} {}", find.column, find.type_name)),
        [table] => Ok(table),
        several => {
            let names: Vec<String> = several.iter().map(|table| table.shown()).collect();
            Err(format!("{} could each be the registry: name one in [database.tenants]", names.join(" and ")))
        }
    }
}

/// A schema that holds all tables of the fingerprint with their columns.
fn marked_schema<'a>(file: &LayoutFile, facts: &'a Facts) -> Result<&'a str, String> {
    let marks = &file.fingerprint.tables;
    let holds = |schema: &str, mark: &super::file::TableMark| {
        facts
            .table(schema, &mark.table)
            .is_some_and(|table| mark.columns().all(|(name, type_name)| table.has(name, type_name)))
    };
    let schemas: BTreeSet<&str> = facts
        .tables
        .iter()
        .map(|table| table.schema.as_str())
        .filter(|schema| match file.fingerprint.within {
            Within::Tenant => *schema != "public" && !schema.starts_with(TRASH_PREFIX),
            Within::Anywhere => true,
        })
        .collect();
    if let Some(schema) = schemas.iter().find(|schema| marks.iter().all(|mark| holds(schema, mark))) {
        return Ok(schema);
    }
    let where_ = match file.fingerprint.within {
        Within::Tenant => "no schema but public",
        Within::Anywhere => "no schema",
    };
    let marks: Vec<String> = marks
        .iter()
        .map(|mark| {
            if mark.columns.is_empty() {
                mark.table.clone()
            } else {
                format!("{}({})", mark.table, mark.columns.join(", "))
            }
        })
        .collect();
    Err(format!("{where_} holds {}", marks.join(", ")))
}

/// Why the overrides of the configuration do not fit the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(pub Untrusted);

/// The layout as it applies: the file, the configuration's overrides, the registry's real columns. `table` holds the
/// facts of the overriding table, where one is configured and exists; `user` is the role, for grants that would help.
///
/// # Errors
/// When the overriding table is absent or lists no slug.
pub fn apply(
    fit: Fit<'_>,
    overrides: &TenantsOverride,
    table: Option<&TableFacts>,
    user: &Untrusted,
) -> Result<Layout, Unfit> {
    let Fit { file, registry, mut evidence } = fit;
    let unfit = |what: String| Unfit(Untrusted::new(what));
    let mut naming = file.naming();
    if let Some(schema) = &overrides.schema {
        if schema.matches(SLUG_MARK).count() != 1 {
            return Err(unfit(format!("[database.tenants] schema = \"{schema}\" must hold {{slug}} once")));
        }
        naming.schema_template.clone_from(schema);
        naming.hyphens_become_underscores = true;
        evidence.push(Untrusted::new(format!("the configuration names the schemas {schema}")));
    }
    let mut chosen = None;
    let registry = if let Some(name) = &overrides.table {
        let shown = format!("{}.{}", name.schema.raw(), name.name.raw());
        let table = table.ok_or_else(|| unfit(format!("[database.tenants] table: {shown} is absent")))?;
        evidence.push(Untrusted::new(format!("the configuration names the table {shown}")));
        chosen = Some(table);
        table_registry(file, table, user, &mut evidence).map_err(unfit)?
    } else if let Some(sql) = &overrides.query {
        evidence.push(Untrusted::new("the configuration has a query"));
        Registry::Query { sql: sql.clone() }
    } else if let Some(pattern) = &overrides.scan {
        evidence.push(Untrusted::new(format!("the configuration names the schemas like {pattern}")));
        Registry::Scan { pattern: Some(pattern.clone()), requires: Vec::new() }
    } else if let Some(table) = registry {
        chosen = Some(table);
        table_registry(file, table, user, &mut evidence).map_err(unfit)?
    } else {
        Registry::Scan { pattern: file.registry.pattern.clone(), requires: file.requires().map_err(unfit)? }
    };
    let marks = if file.fingerprint.within == Within::Tenant { file.fingerprint.tables.as_slice() } else { &[] };
    let mut exclude = file.exclude().map_err(unfit)?;
    exclude.extend(overrides.exclude.iter().cloned());
    Ok(Layout {
        name: file.shared_name(),
        evidence,
        statuses: statuses(file, &registry, chosen),
        registry,
        naming,
        expected_tool: file.tool().map_err(unfit)?,
        role: file.role(),
        cache_keys: file.cache.keys.clone(),
        tenant_tables: marks.iter().filter_map(|mark| Ident::new(&mark.table).ok()).collect(),
        search_path_extra: file.search_path_extra().map_err(unfit)?,
        exclude,
        shared_schema: file.shared().map_err(unfit)?,
        found_on: None,
    })
}

/// The registry's table with the columns that it has and that this role may read.
fn table_registry(
    file: &LayoutFile,
    table: &TableFacts,
    user: &Untrusted,
    evidence: &mut Vec<Untrusted>,
) -> Result<Registry, String> {
    let own = &columns_of(file)?;
    let mut pick = |names: &[String]| -> Option<Column> {
        let found = names.iter().find_map(|name| table.column(name))?;
        if !found.readable {
            evidence.push(Untrusted::new(format!(
                "{} of {} may not be read by this role: {}",
                found.name,
                table.shown(),
                table.grant(&[&found.name], user)
            )));
            return None;
        }
        Some(Column {
            name: Ident::new(&found.name).ok()?,
            type_name: found.type_name.clone(),
            not_null: found.not_null,
            has_default: found.has_default,
        })
    };
    let slug = match pick(&own.slug) {
        Some(slug) => slug,
        None => return Err(no_slug(file, table, user)),
    };
    let columns = RegistryColumns {
        id: pick(&own.id),
        name: pick(&own.name).filter(|column| column.name != slug.name),
        schema_name: pick(&own.schema_name),
        status: pick(&own.status),
        plan: pick(&own.plan),
        settings: pick(&own.settings),
        created_at: pick(&own.created_at),
        updated_at: pick(&own.updated_at),
        deleted_at: pick(&own.deleted_at),
        slug,
    };
    if table.hides_rows {
        evidence.push(Untrusted::new(format!("row level security hides rows of {} from this role", table.shown())));
    }
    let schema = SchemaName::existing(&table.schema).map_err(|error| error.to_string())?;
    let name = Ident::new(&table.name).map_err(|error| error.to_string())?;
    Ok(Registry::Table { table: QualifiedName { schema, name }, oid: table.oid, columns })
}

/// The names of registry columns; of a layout that has no registry table those of any application.
fn columns_of(file: &LayoutFile) -> Result<ColumnNames, String> {
    if !file.registry.columns.slug.is_empty() {
        return Ok(file.registry.columns.clone());
    }
    let embedded = super::file::embedded().map_err(|error| error.to_string())?;
    let plain = embedded.into_iter().find(|file| file.name == "plain");
    plain.map(|file| file.registry.columns).ok_or_else(|| "the layout names no columns".to_owned())
}

fn no_slug(file: &LayoutFile, table: &TableFacts, user: &Untrusted) -> String {
    let wanted = columns_of(file).map(|columns| columns.slug).unwrap_or_default();
    let names = wanted.join(", ");
    match wanted.iter().find_map(|name| table.column(name)) {
        Some(column) => {
            format!("{} of {} may not be read by this role: {}", column.name, table.shown(), table.grant(&[], user))
        }
        None => format!(
            "{} has no column that lists the tenants' keys (looked for {names}); name them with a query in [database.tenants]",
            table.shown()
        ),
    }
}

/// The layout's words, less those that the column's enum or CHECK does not allow.
fn statuses(file: &LayoutFile, registry: &Registry, table: Option<&TableFacts>) -> super::Statuses {
    let mut statuses = file.statuses();
    let Registry::Table { columns, .. } = registry else { return statuses };
    let column = columns.status.as_ref().and_then(|status| table.and_then(|table| table.column(status.name.raw())));
    match column {
        None => super::Statuses::default(),
        Some(column) => {
            if !column.words.is_empty() {
                for word in [&mut statuses.active, &mut statuses.suspended, &mut statuses.deleted] {
                    word.take_if(|word| !column.words.contains(word));
                }
            }
            statuses
        }
    }
}
