//! A layout file as it applies to one database: with the configuration's overrides and the registry's real columns. Pure.

use std::collections::BTreeMap;

use super::facts::{PointingTable, TableFacts};
use super::file::{ColumnNames, LayoutFile, RegistryKind, Within};
use super::judge::{Fit, Missed};
use super::naming::SLUG_MARK;
use super::{About, Column, Domains, Layout, Queues, Registry, RegistryColumns};
use crate::config::TenantsOverride;
use crate::model::ident::{Ident, QualifiedName, SchemaName};
use crate::text::Untrusted;

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
    let Fit { file, registry, mut evidence, missed, doubts, .. } = fit;
    let unfit = |what: String| Unfit(Untrusted::new(what));
    let wrong = |wrong: super::file::Wrong| unfit(wrong.to_string());
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
    } else if let Some(sql) = &file.registry.query {
        Registry::Query { sql: sql.clone() }
    } else {
        Registry::Scan { pattern: file.registry.pattern.clone(), requires: file.requires().map_err(wrong)? }
    };
    naming.read_back = match registry {
        Registry::Scan { .. } => true,
        Registry::Table { .. } | Registry::Query { .. } => false,
    };
    let domains = chosen.and_then(|table| domains(file, table, user, &mut evidence));
    // Where names follow no pattern, a schema without a row is known by its tables.
    let in_tenants = file.fingerprint.within == Within::Tenant
        || file.registry.kind == RegistryKind::Scan
        || naming.pattern().is_none();
    let marks = if in_tenants { file.fingerprint.tables.as_slice() } else { &[] };
    let mut exclude = file.exclude().map_err(wrong)?;
    exclude.extend(overrides.exclude.iter().cloned());
    let mut about = about(file, missed, doubts).map_err(wrong)?;
    let shared_schema = file.shared().map_err(wrong)?;
    if let Registry::Table { table, .. } = &registry
        && about.shared_is_sibling
        && shared_schema.as_ref() == Some(&table.schema)
        && !about.excluded_tables.contains(&table.name)
    {
        // Every tenant has a copy of the table that lists them, and nothing belongs into it.
        about.excluded_tables.push(table.name.clone());
    }
    Ok(Layout {
        name: file.shared_name(),
        evidence,
        statuses: statuses(file, &registry, chosen),
        registry,
        domains,
        naming,
        expected_tool: file.tool().map_err(wrong)?,
        role: file.role(),
        access: file.access().map_err(wrong)?,
        about,
        cache_keys: file.cache.keys.clone(),
        tenant_tables: marks.iter().filter_map(|mark| Ident::new(&mark.table).ok()).collect(),
        search_path_extra: file.search_path_extra().map_err(wrong)?,
        exclude,
        new_values: overrides.values.clone(),
        shared_schema,
        found_on: None,
    })
}

/// What else the file says.
fn about(file: &LayoutFile, missed: Vec<Missed>, doubts: Vec<Untrusted>) -> Result<About, super::file::Wrong> {
    Ok(About {
        title: file.title.clone(),
        variant: None,
        missed,
        doubts,
        hidden_rows: None,
        members: file.members.clone(),
        health: file.health.clone(),
        fleet: file.fleet.clone(),
        folder: file.ledger.folder.clone(),
        shared_folder: file.ledger.shared_folder.clone(),
        shared_is_sibling: file.ledger.shared_is_sibling,
        excluded_tables: file.excluded_tables()?,
        queues: Queues {
            keys: file.cache.queues.clone(),
            job: file.cache.job.clone(),
            job_tenant: file.cache.job_tenant.clone(),
        },
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
            is_generated: found.is_generated,
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
        domain: pick(&own.domain).filter(|column| column.name != slug.name),
        settings: pick(&own.settings),
        created_at: pick(&own.created_at),
        updated_at: pick(&own.updated_at),
        deleted_at: pick(&own.deleted_at),
        slug,
    };
    let schema = SchemaName::existing(&table.schema).map_err(|error| error.to_string())?;
    let name = Ident::new(&table.name).map_err(|error| error.to_string())?;
    Ok(Registry::Table { table: QualifiedName { schema, name }, oid: table.oid, columns })
}

/// The table of domains that points at the registry's, where the layout says what it looks like.
fn domains(file: &LayoutFile, table: &TableFacts, user: &Untrusted, evidence: &mut Vec<Untrusted>) -> Option<Domains> {
    let rule = file.registry.domains.as_ref()?;
    let wanted: Vec<&str> = [&rule.tenant, &rule.domain].into_iter().chain(&rule.primary).map(String::as_str).collect();
    let fits = |by: &&PointingTable| wanted.iter().all(|name| by.columns.contains(*name));
    let found = table.pointed_at_by.iter().find(fits)?;
    let shown = format!("{}.{}", found.schema, found.name);
    let name = QualifiedName { schema: SchemaName::existing(&found.schema).ok()?, name: Ident::new(&found.name).ok()? };
    if !wanted.iter().all(|name| found.readable.contains(*name)) {
        let role = Ident::new(user.raw()).map_or_else(|_| user.raw().to_owned(), |role| role.quoted());
        evidence.push(Untrusted::new(format!(
            "the domains in {shown} may not be read by this role: GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ON {} \
             TO {role}",
            name.schema.quoted(),
            name.quoted()
        )));
        return None;
    }
    evidence.push(Untrusted::new(format!("the tenants' domains are in {shown}")));
    let ident = |name: &String| Ident::new(name).ok();
    Some(Domains {
        table: name,
        tenant: ident(&rule.tenant)?,
        domain: ident(&rule.domain)?,
        primary: rule.primary.as_ref().and_then(ident),
    })
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
