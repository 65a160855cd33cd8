//! What the operator should know besides the steps, and the statements that matter. Pure.

use super::{LifeRequest, Seen, quoted, unlock_of_subject};
use crate::jobs::granted::Granted;
use crate::jobs::life::access::{self, InForce};
use crate::jobs::life::draft::saved;
use crate::jobs::life::pointing::DomainsRef;
use crate::jobs::life::writes;
use crate::jobs::params::{RegistryRef, Value};
use crate::layout::role::RoleMade;
use crate::layout::{HiddenRows, Registry};
use crate::model::ident::{Ident, SchemaName, literal};
use crate::model::life::{CacheFact, LifeKind, LifePlan, LifeStep, Repair, TenantRole, UNDROP_DAYS};
use crate::text::{Untrusted, counted, grouped, sanitise};

pub(super) fn add(request: &LifeRequest, plan: &mut LifePlan, seen: &Seen) {
    plan.repair = plan.repair.or_else(|| repair_of(plan));
    plan.sql = plan.steps.iter().flat_map(|(step, _)| sql(*step, request, plan, seen)).collect();
    if plan.refusal.is_none() && plan.nothing.is_none() {
        plan.notes = notes(request, plan, seen).into_iter().map(Untrusted::from).collect();
    }
}

fn repair_of(plan: &LifePlan) -> Option<Repair> {
    if plan.kind != LifeKind::Repair {
        return None;
    }
    plan.steps.first().and_then(|(step, _)| Repair::ALL.into_iter().find(|repair| repair.word() == step.word()))
}

fn notes(request: &LifeRequest, plan: &LifePlan, seen: &Seen) -> Vec<String> {
    let row = seen.row.as_ref();
    let along = &seen.pointing.along;
    let mut notes: Vec<String> = along
        .iter()
        .map(|rows| format!("the database removes with its registry row: {rows} (ON DELETE CASCADE)"))
        .collect();
    if let Some(TenantRole { name, kept: Some(why) }) = &plan.role {
        match plan.kind {
            LifeKind::Purge => notes.push(format!("the role {} stays: {}", name.safe(), why.safe())),
            LifeKind::Drop | LifeKind::Suspend | LifeKind::Archive => {
                let open = match seen.uses.of_kept {
                    0 => String::new(),
                    count => format!("; it has {} open in this database, and none is ended", counted(count, "session")),
                };
                notes.push(format!("the role {} is left alone: {}{open}", name.safe(), why.safe()));
            }
            LifeKind::Rename | LifeKind::Activate | LifeKind::Undrop | LifeKind::Repair => {}
        }
    }
    notes.extend(part_of(plan.kind, seen));
    let has_table = writes::columns(&request.layout).is_ok();
    match plan.kind {
        LifeKind::Drop => {
            notes.push(format!("it can be brought back for {UNDROP_DAYS} days; purge removes it for good"));
            if row.is_some() && writes::status(&request.layout, LifeKind::Drop).is_ok_and(|writes| writes.is_empty()) {
                notes.push("the layout has no status for it: the registry row stays as it is".to_owned());
            }
            notes.extend(row_stays(request, plan));
            match (&request.layout.access, &seen.in_force) {
                (Some(_), InForce::Denied(why)) => notes.push(format!("the purge will be refused as it is now: {why}")),
                (Some(access), InForce::Keys(_) | InForce::NoTable) => {
                    notes.push(format!(
                        "its {}, if any, stay in force until the purge, which revokes them",
                        access.title
                    ));
                }
                (None, _) => {}
            }
            if !plan.dependants.is_empty() {
                notes.push(
                    "what depends on it goes on until the purge; code that names the schema breaks at once".to_owned(),
                );
            }
        }
        LifeKind::Purge => {
            if seen.made_anew {
                notes.push(
                    "a schema of the name that it had is there again: cache keys and registry row are that tenant's, and stay"
                        .to_owned(),
                );
                return notes;
            }
            if let (Some(hidden), true) = (&request.layout.about.hidden_rows, row.is_none() && has_table) {
                notes.push(format!("its registry row is not seen ({}): where there is one, it stays", hidden.words()));
            }
            notes.extend(row_stays(request, plan));
            match (&plan.cache, plan.original.is_some()) {
                (CacheFact::NotConfigured, _) => {
                    notes.push("no cache is configured: its keys, if any, stay".to_owned())
                }
                (CacheFact::NoPattern, _) => {
                    notes.push("no pattern says which cache keys are its own: they stay".to_owned());
                }
                (CacheFact::RowsHidden, _) => {
                    let why = request.layout.about.hidden_rows.as_ref().map(HiddenRows::words).unwrap_or_default();
                    notes.push(format!("which cache keys are another tenant's is not known: they stay ({why})"));
                }
                (CacheFact::Keys(_), false) => {
                    notes.push("whose it was is not known: cache keys and registry row stay".to_owned());
                }
                (CacheFact::Keys(_), true) => {}
            }
        }
        LifeKind::Undrop => {
            if has_table && row.is_none() && plan.tenant.key.local.starts_with("r:") {
                let is = match &request.layout.about.hidden_rows {
                    Some(hidden) => format!("not seen ({}): where there is none,", hidden.words()),
                    None => "gone:".to_owned(),
                };
                notes.push(format!(
                    "its registry row is {is} it comes back as a schema without a row, which repair mends"
                ));
            }
        }
        LifeKind::Suspend => {
            notes.push("whether the application heeds the status is its own affair".to_owned());
        }
        LifeKind::Repair if plan.repair == Some(Repair::Unlock) => {
            notes.push(
                "make sure that no migration runs there: nothing tells a lock left behind from one that is held"
                    .to_owned(),
            );
            notes.extend(
                plan.lock.iter().filter_map(|row| row.by.as_ref()).map(|by| format!("it is held by {}", by.safe())),
            );
        }
        LifeKind::Repair if matches!(plan.repair, Some(Repair::Adopt | Repair::Make)) => {
            let always = request.layout.role.as_ref().is_some_and(|role| role.rule.made == RoleMade::Always);
            if always && plan.role.is_none() {
                notes.push(
                    "the layout gives every tenant a login role, and this makes none: provision it again, and it says how"
                        .to_owned(),
                );
            }
        }
        LifeKind::Rename | LifeKind::Activate | LifeKind::Archive | LifeKind::Repair => {}
    }
    notes
}

/// That the row is left, where tenants come from a query.
fn row_stays(request: &LifeRequest, plan: &LifePlan) -> Option<String> {
    let by_query = matches!(request.layout.registry, Registry::Query { .. });
    (by_query && plan.tenant.key.local.starts_with("r:"))
        .then(|| "its tenants come from a query: the row behind it stays as it is".to_owned())
}

/// The statements of a step, as far as they are known beforehand.
fn sql(step: LifeStep, request: &LifeRequest, plan: &LifePlan, seen: &Seen) -> Vec<String> {
    let schema = quoted(plan.schema.as_ref().map_or("", Untrusted::raw));
    let original = quoted(plan.original.as_ref().map_or("", Untrusted::raw));
    let role = plan.role.as_ref().map_or_else(String::new, |role| quoted(role.name.raw()));
    match step {
        LifeStep::Name => {
            let name = request.becomes.as_ref().map(|name| name.raw().trim().to_owned()).unwrap_or_default();
            update(request, plan, writes::name(&request.layout, &name).unwrap_or_default())
        }
        LifeStep::Status => update(request, plan, writes::status(&request.layout, plan.kind).unwrap_or_default()),
        LifeStep::Sessions => {
            vec![format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {} AND datname = current_database();",
                literal(plan.role.as_ref().map_or("", |role| role.name.raw()))
            )]
        }
        LifeStep::Trash => {
            let name = plan.schema.as_ref().map_or("", Untrusted::raw);
            let trash = super::super::trash::name(0, name).replacen("_0_", "_<job>_", 1);
            let mut all = vec![format!("ALTER SCHEMA {schema} RENAME TO {};", quoted(&trash))];
            if plan.tenant.key.local.starts_with("r:") {
                all.extend(update(request, plan, writes::status(&request.layout, LifeKind::Drop).unwrap_or_default()));
            }
            all
        }
        LifeStep::Restore => {
            let saved = if seen.row.is_some() { saved(&request.subject, &request.layout) } else { Vec::new() };
            let rename = format!("ALTER SCHEMA {schema} RENAME TO {original};");
            std::iter::once(rename).chain(update(request, plan, saved)).collect()
        }
        LifeStep::Revoke => {
            let name = plan.original.as_ref().map_or("", Untrusted::raw);
            let access = request.layout.access.as_ref();
            access.map(|access| format!("{};", access::revoke_sql(access, name, "now()"))).into_iter().collect()
        }
        LifeStep::Objects => vec![
            format!("DROP TABLE {schema}.... CASCADE;  -- a few at a time, never more than a tenth of the lock table"),
            format!("DROP SCHEMA {schema};"),
        ],
        LifeStep::Role => vec![
            format!("ALTER DEFAULT PRIVILEGES ... REVOKE ALL ON ... FROM {role};  -- what is left of them"),
            format!("DROP ROLE {role};"),
        ],
        LifeStep::Keys => vec!["-- SCAN and UNLINK in the cache".to_owned()],
        LifeStep::Forget => forget(request, plan),
        LifeStep::Adopt => with_row(request, plan, |table, _| format!("INSERT INTO {table} ...;")),
        LifeStep::Make => {
            let owner = plan.owner.as_ref().and_then(|owner| Ident::new(owner.raw()).ok());
            let owner = owner.map(|owner| format!(" AUTHORIZATION {}", owner.quoted())).unwrap_or_default();
            let to: Vec<Ident> = plan.grant_to.iter().filter_map(|role| Ident::new(role.raw()).ok()).collect();
            let name = plan.schema.as_ref().and_then(|schema| SchemaName::tenant(schema.raw()).ok());
            let granted = Granted::of(&request.layout, &to).zip(name);
            // The statements have the maker besides, where files run with another role's rights.
            let granted = granted.and_then(|(granted, name)| granted.first_sql(&name, None).ok());
            let granted = granted.into_iter().map(|sql| sql.trim().to_owned());
            std::iter::once(format!("CREATE SCHEMA {schema}{owner};")).chain(granted).collect()
        }
        LifeStep::Unlock => {
            unlock_of_subject(&request.subject).map(|unlock| format!("{};", unlock.place.sql())).into_iter().collect()
        }
    }
}

/// Rows that are read elsewhere too.
fn part_of(kind: LifeKind, seen: &Seen) -> Option<String> {
    let (first, _) = seen.part_of.first()?;
    let tables: u64 = seen.part_of.iter().map(|(_, tables)| tables).sum();
    let whole = match seen.part_of.len() {
        1 => first.safe().to_string(),
        several => format!("{} and {}", first.safe(), counted(several - 1, "other table")),
    };
    let are = if tables == 1 { "is a partition or child" } else { "are partitions or children" };
    let rows = match kind {
        LifeKind::Purge => "its rows are gone from there too",
        _ => "its rows can be read there until the purge",
    };
    Some(format!("{} of its tables {are} of {whole}: {rows}", grouped(tables)))
}

/// Its domains first: they point at the row.
fn forget(request: &LifeRequest, plan: &LifePlan) -> Vec<String> {
    let domains = request.layout.domains.as_ref().filter(|_| plan.domains > 0).map(DomainsRef::of);
    let registry = RegistryRef::of(&request.layout);
    let id = plan.tenant.id.as_ref().map(Untrusted::raw);
    let of_domains = |row: &str| domains.as_ref()?.delete_sql(registry.as_ref()?, id?, row).ok();
    let domains = with_row(request, plan, |_, row| of_domains(row).map(|sql| format!("{sql};")).unwrap_or_default());
    let row = with_row(request, plan, |table, row| format!("DELETE FROM {table} WHERE {row};"));
    domains.into_iter().filter(|sql| !sql.is_empty()).chain(row).collect()
}

fn with_row(request: &LifeRequest, plan: &LifePlan, make: impl Fn(&str, &str) -> String) -> Vec<String> {
    let Some(registry) = RegistryRef::of(&request.layout) else { return Vec::new() };
    let id = plan.tenant.id.as_ref().map(Untrusted::raw);
    let schema = plan.original.as_ref().map_or("", Untrusted::raw);
    match (registry.table(), registry.row_sql(id, plan.tenant.slug.raw(), schema)) {
        (Ok(table), Ok(row)) => vec![make(&table.quoted(), &row)],
        (Err(_), _) | (_, Err(_)) => Vec::new(),
    }
}

fn update(request: &LifeRequest, plan: &LifePlan, writes: Vec<super::super::params::Write>) -> Vec<String> {
    let sets: Vec<String> = writes
        .iter()
        .map(|write| {
            let column = Ident::new(&write.column).map_or_else(|_| sanitise(&write.column), |column| column.quoted());
            let value = match &write.value {
                None => "NULL".to_owned(),
                Some(Value::Text(text)) => literal(text),
                Some(Value::Now | Value::NowText) => "now()".to_owned(),
                Some(Value::NextNumber) => "...".to_owned(),
            };
            format!("{column} = {value}")
        })
        .collect();
    if sets.is_empty() {
        return Vec::new();
    }
    with_row(request, plan, |table, row| format!("UPDATE {table} SET {} WHERE {row};", sets.join(", ")))
}
