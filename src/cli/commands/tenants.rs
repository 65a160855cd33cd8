//! `tenants`: the list.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::args::{SortBy, Tenants};
use crate::cli::exit::{Outcome, Status};
use crate::cli::output::{self, Cell, Style, Table};
use crate::cli::session::{self, Read, Session};
use crate::fleet::ReadOptions;
use crate::model::export::{Database, Shared, TenantRow};
use crate::model::filter::Selection;
use crate::model::tenant::{Tenant, TenantState};
use crate::text;

#[derive(Serialize)]
struct Document {
    databases: Vec<Database>,
    tenants: Vec<TenantRow>,
    shared: Vec<Shared>,
}

/// Lists the tenants of all chosen databases.
///
/// # Errors
/// When the output cannot be written.
pub async fn run(session: &Session, arguments: &Tenants) -> Outcome<Status> {
    let selection = Selection {
        states: arguments.state.clone(),
        status: arguments.status.clone(),
        filter: session.filter(arguments.filter.as_ref())?,
    };
    let exact = arguments.exact.then(|| selection.clone());
    let options = ReadOptions { exact, cache: arguments.cache, ..ReadOptions::default() };
    let reads = session.read_where(selection.filter.as_ref(), &options).await;
    if let Some(why) = session.nowhere(selection.filter.as_ref()) {
        output::note(why);
    }
    let status = session::tell_down(&reads);
    let tenants = select(&reads, arguments, &selection);
    match Style::from(arguments.format) {
        Style::Json => output::json(&document(&reads, &tenants))?,
        Style::Csv => output::data(&Table::of(tenants.iter().map(|tenant| TenantRow::from(&**tenant))).csv()?)?,
        Style::Text => {
            output::table(&table(&tenants, session.has_several(), arguments.cache))?;
            summary(&reads, &tenants);
        }
    }
    Ok(status)
}

fn select(reads: &[Read], arguments: &Tenants, selection: &Selection) -> Vec<Arc<Tenant>> {
    let now = jiff::Timestamp::now();
    let readings = reads.iter().filter_map(|read| read.reading.as_ref().ok());
    let mut tenants: Vec<Arc<Tenant>> = readings
        .flat_map(|(_, reading)| reading.snapshot.tenants.iter())
        .filter(|tenant| selection.fits(tenant, now))
        .cloned()
        .collect();
    if let Some(column) = arguments.sort {
        tenants.sort_by(|a, b| order(a, b, column).then_with(|| a.slug.cmp(&b.slug)));
    }
    if arguments.reverse {
        tenants.reverse();
    }
    tenants
}

/// Text ascending, numbers largest first, the unknown last.
fn order(a: &Tenant, b: &Tenant, column: SortBy) -> Ordering {
    fn known<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
    fn largest<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
        known(a.map(std::cmp::Reverse), b.map(std::cmp::Reverse))
    }
    match column {
        SortBy::Slug => a.slug.cmp(&b.slug),
        SortBy::Name => known(a.name.as_ref(), b.name.as_ref()),
        SortBy::Status => known(a.status.as_ref(), b.status.as_ref()),
        SortBy::State => a.state.cmp(&b.state),
        SortBy::Schema => known(a.schema.as_ref(), b.schema.as_ref()),
        SortBy::Version => known(a.version(), b.version()),
        SortBy::Applied => largest(a.applied, b.applied),
        SortBy::Pending => largest(a.pending_count(), b.pending_count()),
        SortBy::Tables => largest(a.tables, b.tables),
        SortBy::Size => largest(a.size_bytes, b.size_bytes),
        SortBy::Keys => largest(a.cache_keys, b.cache_keys),
        SortBy::Created => known(a.created_at.as_ref(), b.created_at.as_ref()),
    }
}

fn document(reads: &[Read], tenants: &[Arc<Tenant>]) -> Document {
    let readings = reads.iter().filter_map(|read| read.reading.as_ref().ok());
    Document {
        databases: databases(reads),
        tenants: tenants.iter().map(|tenant| TenantRow::from(&**tenant)).collect(),
        shared: readings.flat_map(|(_, reading)| reading.snapshot.shared.iter()).map(Shared::from).collect(),
    }
}

/// The databases of any document, those that are down with their error.
#[must_use]
pub fn databases(reads: &[Read]) -> Vec<Database> {
    reads
        .iter()
        .flat_map(|read| match &read.reading {
            Ok((_, reading)) => reading.snapshot.databases.iter().map(Database::read).collect(),
            Err(failure) => vec![Database::down(&read.database.name, read.database.read_only, &failure.message)],
        })
        .collect()
}

/// The table of a list of tenants.
#[must_use]
pub fn table(tenants: &[Arc<Tenant>], several: bool, cache: bool) -> Table {
    let mut heads = vec!["tenant", "schema", "status", "state", "version", "behind", "tables", "size"];
    if several {
        heads.insert(0, "database");
    }
    if cache {
        heads.push("keys");
    }
    let mut table = Table::new(&heads).giving_way(&["tables", "status", "size", "schema"]);
    for tenant in tenants {
        let size = tenant.size_bytes.map(|bytes| {
            let about = if tenant.size_exact { "" } else { "~" };
            Cell::Right(format!("{about}{}", text::human_bytes(bytes)))
        });
        let state = (tenant.state != TenantState::Unknown).then(|| tenant.state.word());
        let mut row: Vec<Cell> = vec![
            (&tenant.slug).into(),
            tenant.schema.as_ref().into(),
            tenant.status.as_ref().into(),
            state.into(),
            tenant.version().map(|version| version.raw().to_owned()).into(),
            tenant.pending_count().into(),
            tenant.tables.into(),
            size.into(),
        ];
        if several {
            row.insert(0, (&*tenant.key.database).into());
        }
        if cache {
            row.push(tenant.cache_keys.into());
        }
        table.row(row);
    }
    table
}

/// How many are in which state, and what is wrong with whole databases.
fn summary(reads: &[Read], tenants: &[Arc<Tenant>]) {
    let mut counts: Vec<String> = Vec::new();
    let in_trash = |tenant: &&Tenant| {
        let mut readings = reads.iter().filter_map(|read| read.reading.as_ref().ok());
        readings.any(|(_, reading)| reading.snapshot.is_dropped(tenant))
    };
    let (dropped, there): (Vec<&Tenant>, Vec<&Tenant>) = tenants.iter().map(AsRef::as_ref).partition(in_trash);
    let in_state = |state| (there.iter().filter(|tenant| tenant.state == state).count(), state.word());
    for (count, word) in TenantState::ALL.map(in_state).into_iter().chain([(dropped.len(), "dropped")]) {
        if count > 0 {
            counts.push(format!("{} {word}", text::grouped(count as u64)));
        }
    }
    // Of databases that did not answer nothing is known, not even that there are none.
    if reads.iter().any(|read| read.reading.is_ok()) {
        let plural = if tenants.len() == 1 { "tenant" } else { "tenants" };
        let colon = if counts.is_empty() { "" } else { ": " };
        output::note(format!("{} {plural}{colon}{}", text::grouped(tenants.len() as u64), counts.join(", ")));
    }
    for (_, reading) in reads.iter().filter_map(|read| read.reading.as_ref().ok()) {
        for database in &reading.snapshot.databases {
            for words in database.error.iter().chain(&database.warnings) {
                output::note(format!("{}: {}", database.name, words.raw()));
            }
            if let crate::model::fleet::CacheView::Failed { why, .. } = &database.cache {
                output::note(format!("{}: {}", database.name, why.raw()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Arguments, Command};
    use crate::model::filter::SavedFilters;
    use crate::model::ledger::LedgerState;
    use crate::model::tenant::{DatabaseName, TenantKey};
    use clap::Parser as _;

    fn tenant(slug: &str, size: Option<u64>) -> Tenant {
        let database: DatabaseName = "eu-1".into();
        Tenant {
            key: TenantKey::row(&database, slug),
            id: Some(slug.into()),
            slug: slug.into(),
            name: Some("Name \u{202e}".into()),
            status: Some("active".into()),
            plan: None,
            domains: Vec::new(),
            deleted: false,
            schema: Some(format!("tenant_{slug}").into()),
            schema_oid: Some(1),
            owner: None,
            state: TenantState::Ok,
            ledger: LedgerState::Absent,
            applied: Some(0),
            pending: None,
            ahead: None,
            tables: Some(3),
            size_bytes: size,
            size_exact: false,
            cache_keys: None,
            created_at: Some("2026-02-09 10:00:00+00".into()),
            changed: std::sync::Arc::default(),
            failed_step: None,
            problems: vec![],
        }
    }

    fn arguments(line: &[&str]) -> Tenants {
        match Arguments::try_parse_from(line).expect("parses").command {
            Some(Command::Tenants(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_unknown_is_null_in_json_and_never_zero() {
        let json = serde_json::to_value(TenantRow::from(&tenant("acme", None))).expect("json");
        assert_eq!(json["size_bytes"], serde_json::Value::Null);
        assert_eq!(json["pending"], serde_json::Value::Null);
        assert_eq!(json["version"], serde_json::Value::Null);
        assert_eq!(json["applied"], 0);
        assert_eq!(json["dirty"], false);
        assert_eq!(json["created_at"], "2026-02-09T10:00:00Z");
    }

    #[test]
    fn sizes_sort_largest_first_and_the_unknown_last() {
        let mut tenants = [tenant("a", Some(1)), tenant("b", None), tenant("c", Some(9))];
        tenants.sort_by(|a, b| order(a, b, SortBy::Size));
        assert_eq!(tenants.map(|tenant| tenant.slug.raw().to_owned()), ["c", "a", "b"]);
    }

    #[test]
    fn filters_narrow() {
        let wanted = |line: &[&str]| {
            let Tenants { state: states, status, .. } = arguments(line);
            Selection { states, status, filter: None }.fits(&tenant("acme", None), jiff::Timestamp::UNIX_EPOCH)
        };
        assert!(wanted(&["tenantui", "tenants", "--state", "ok,behind", "--status", "active"]));
        assert!(!wanted(&["tenantui", "tenants", "--status", "suspended"]));
        let fits = |filter: &str| {
            let line = arguments(&["tenantui", "tenants", filter]);
            let filter = line.filter.expect("a filter").with(&SavedFilters::default()).expect("no saved one");
            filter.fits(&tenant("acme", None), jiff::Timestamp::UNIX_EPOCH)
        };
        assert!(fits("CME") && fits("acm status:active tables>2"));
        assert!(!fits("zzz") && !fits("acm !status:active"));
    }

    #[test]
    fn hostile_names_are_escaped_in_the_table() {
        let mut hostile = tenant("a", Some(2_048));
        hostile.slug = "a\u{1b}[31m".into();
        let text = table(&[Arc::new(hostile)], true, true).text();
        assert!(text.contains("a\\e[31m") && text.contains("~2.0 kB"), "{text}");
    }
}
