//! `tenant SLUG`: one tenant, with measured sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::choose;
use super::writing::only_one;
use crate::cli::args;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Cell, Table};
use crate::cli::session::{self, Session};
use crate::fleet::{ReadOptions, Reading};
use crate::model::export::{TenantRow, raw};
use crate::model::fleet::{CacheView, SharedSchema};
use crate::model::ledger::LedgerState;
use crate::model::tenant::{HealthFact, Member, MigrationDetail, MigrationState, TableDetail, Tenant, TenantDetail};
use crate::model::times::{StepTime, StepTimes};
use crate::text::{self, Untrusted};

/// The head of what hangs on the schema from elsewhere.
const OUTSIDE: &str = "objects outside the schema that depend on it";

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    tenant: TenantRow,
    /// The primary one first.
    domains: Vec<String>,
    tables_detail: Option<Vec<TableRow>>,
    migrations: Option<Vec<MigrationRow>>,
    cache: Option<Cache>,
    members: Option<Vec<MemberRow>>,
    health: Option<Vec<HealthRow>>,
    objects_outside: Option<Vec<String>>,
    role: Option<String>,
}

#[derive(Serialize)]
struct TableRow {
    name: String,
    rows_estimate: Option<u64>,
    total_bytes: Option<u64>,
    table_bytes: Option<u64>,
    index_bytes: Option<u64>,
    toast_bytes: Option<u64>,
}

#[derive(Serialize)]
struct MigrationRow {
    version: String,
    name: Option<String>,
    applied_at: Option<String>,
    state: &'static str,
    checksum_ok: Option<bool>,
    /// Of a pending one, by its past runs here; null where it never ran.
    estimate_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Cache {
    keys: Option<u64>,
    by_prefix: Option<BTreeMap<String, u64>>,
}

#[derive(Serialize)]
struct MemberRow {
    id: String,
    name: String,
    active: Option<bool>,
    status: Option<String>,
    last_active_at: Option<String>,
}

#[derive(Serialize)]
struct HealthRow {
    name: String,
    title: String,
    /// A number where it is one.
    value: serde_json::Value,
    detail: Option<String>,
    problem: Option<String>,
}

impl From<&HealthFact> for HealthRow {
    fn from(fact: &HealthFact) -> Self {
        let value = fact.value.as_ref().map(Untrusted::raw);
        Self {
            name: fact.name.raw().to_owned(),
            title: fact.title.raw().to_owned(),
            value: match value.map(|text| text.parse::<i64>().map_err(|_| text)) {
                None => serde_json::Value::Null,
                Some(Ok(number)) => number.into(),
                Some(Err(text)) => text.into(),
            },
            detail: raw(fact.detail.as_ref()),
            problem: raw(fact.problem.as_ref()),
        }
    }
}

impl From<&TableDetail> for TableRow {
    fn from(table: &TableDetail) -> Self {
        Self {
            name: table.name.raw().to_owned(),
            rows_estimate: table.rows_estimate,
            total_bytes: table.total_bytes,
            table_bytes: table.table_bytes,
            index_bytes: table.index_bytes,
            toast_bytes: table.toast_bytes,
        }
    }
}

impl MigrationRow {
    fn of(migration: &MigrationDetail, times: &StepTimes) -> Self {
        Self {
            version: migration.version.raw().to_owned(),
            name: raw(migration.name.as_ref()),
            applied_at: raw(migration.applied_at.as_ref()),
            state: migration.state.word(),
            checksum_ok: migration.checksum_ok,
            estimate_seconds: estimate(migration, times).map(StepTime::seconds),
        }
    }
}

/// What a pending migration took before.
fn estimate<'t>(migration: &MigrationDetail, times: &'t StepTimes) -> Option<&'t StepTime> {
    times.of(&migration.version).filter(|_| migration.state == MigrationState::Pending)
}

impl From<&Member> for MemberRow {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id.raw().to_owned(),
            name: member.name.raw().to_owned(),
            active: member.active,
            status: raw(member.status.as_ref()),
            last_active_at: raw(member.last_active_at.as_ref()),
        }
    }
}

/// Shows one tenant.
///
/// # Errors
/// Exit 1 where there is none of that name, 2 where several databases have one, 3 without a link.
pub async fn run(session: &Session, arguments: &args::Tenant) -> Outcome<Status> {
    let options = ReadOptions { cache: true, detail_of: Some(arguments.slug.clone()), ..ReadOptions::default() };
    let reads = session.read(&options).await;
    let mut found = Vec::new();
    for (_, reading) in reads.iter().filter_map(|read| read.reading.as_ref().ok()) {
        let matches = named(&reading.snapshot.tenants, &arguments.slug);
        found.extend(matches.into_iter().map(|tenant| (tenant, reading)));
    }
    let down = session::tell_down(&reads);
    if found.is_empty() && down != Status::Done {
        let word = text::sanitise(&arguments.slug);
        return Err(Failure::new(down, format!("\"{word}\" was not found in the databases that answer")));
    }
    if found.is_empty() {
        let shared = shared_schemas(&reads, &arguments.slug);
        let why = super::layout_checks::NO_TENANT;
        let words = format!("\"{}\" is no tenant: {why}", text::sanitise(&arguments.slug));
        found = shared.iter().filter_map(|(shared, reading)| Some((shared.page.clone()?, *reading))).collect();
        match (shared.is_empty(), found.is_empty()) {
            (false, true) => return Err(Failure::failed(words)),
            // It holds what a tenant's schema holds, and is shown like one.
            (_, false) => output::note(&words),
            (true, true) => {}
        }
    }
    let answered = reads.iter().filter_map(|read| read.reading.as_ref().ok());
    let (tenant, reading) =
        only_one(&arguments.slug, found, |(tenant, _)| tenant, answered.map(|(_, reading)| reading))?;
    let detail = reading.snapshot.detail.as_ref().filter(|detail| detail.key == tenant.key);
    let view = reading.snapshot.databases.first();
    let times = view.map(|database| Arc::clone(&database.times)).unwrap_or_default();
    if arguments.format.json {
        output::json(&document(&tenant, detail.map(|detail| &**detail), view.map(|view| &view.cache), &times))?;
    } else {
        output::data(&page(&tenant, detail.map(|detail| &**detail), &times))?;
    }
    Ok(down)
}

/// The shared schemas of a name.
fn shared_schemas<'r>(reads: &'r [session::Read], word: &str) -> Vec<(&'r SharedSchema, &'r Reading)> {
    let readings = reads.iter().filter_map(|read| read.reading.as_ref().ok());
    let shared = readings.flat_map(|(_, reading)| reading.snapshot.shared.iter().map(move |shared| (shared, reading)));
    shared.filter(|(shared, _)| shared.schema.is_written(word)).collect()
}

/// By slug, else by schema.
pub(super) fn named(tenants: &[Arc<Tenant>], word: &str) -> Vec<Arc<Tenant>> {
    choose::named(tenants, word, |tenant| tenant)
}

fn row(tenant: &Tenant, detail: Option<&TenantDetail>) -> TenantRow {
    let mut row = TenantRow::from(tenant);
    if let Some(detail) = detail {
        if let (Some(total), true) = (detail.total_bytes, detail.unmeasured.is_none()) {
            row.size_bytes = Some(total);
            row.size_exact = true;
        }
        // What the layout asks of every tenant it asks of the open one, too.
        let new = detail.problems.iter().filter(|problem| !tenant.problems.contains(problem));
        row.problems.extend(new.map(|problem| problem.raw().to_owned()));
    }
    row
}

fn document(tenant: &Tenant, detail: Option<&TenantDetail>, cache: Option<&CacheView>, times: &StepTimes) -> Document {
    let cache = match cache {
        None | Some(CacheView::NotConfigured) => None,
        Some(CacheView::Counting { .. } | CacheView::Counted { .. } | CacheView::Failed { .. }) => Some(Cache {
            keys: tenant.cache_keys,
            // Without a count there are no parts of it either.
            by_prefix: detail
                .filter(|_| tenant.cache_keys.is_some())
                .map(|detail| detail.cache_by_prefix.iter().map(|(p, keys)| (p.raw().to_owned(), *keys)).collect()),
        }),
    };
    // A ledger that could not be read has an unknown history, not an empty one.
    let known = match &tenant.ledger {
        LedgerState::Read(_) | LedgerState::Absent => true,
        LedgerState::Unread
        | LedgerState::NoAccess(_)
        | LedgerState::DatabaseWide { .. }
        | LedgerState::Unreadable { .. } => false,
    };
    let migrations = detail.map(|detail| &detail.migrations).filter(|migrations| known || !migrations.is_empty());
    Document {
        tenant: row(tenant, detail),
        domains: tenant.domains.iter().map(|domain| domain.raw().to_owned()).collect(),
        tables_detail: detail.map(|detail| detail.tables.iter().map(TableRow::from).collect()),
        migrations: migrations
            .map(|migrations| migrations.iter().map(|migration| MigrationRow::of(migration, times)).collect()),
        cache,
        members: detail.map(|detail| detail.members.iter().map(MemberRow::from).collect()),
        health: detail.map(|detail| detail.health.iter().map(HealthRow::from).collect()),
        objects_outside: detail
            .map(|detail| detail.objects_outside.iter().map(|object| object.raw().to_owned()).collect()),
        role: raw(detail.and_then(|detail| detail.role.as_ref())),
    }
}

fn page(tenant: &Tenant, detail: Option<&TenantDetail>, times: &StepTimes) -> String {
    let row = row(tenant, detail);
    let mut out = String::new();
    let mut line = |head: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!("{head:<10}{}\n", text::sanitise(&value)));
        }
    };
    line("tenant", Some(row.slug.clone()));
    line("name", row.name.clone());
    line("id", row.id.clone());
    line("database", Some(row.database.clone()));
    line("schema", row.schema.clone());
    line("owner", raw(tenant.owner.as_ref()));
    line("plan", raw(tenant.plan.as_ref()));
    let domains: Vec<&str> = tenant.domains.iter().map(Untrusted::raw).collect();
    line("domains", Some(domains.join(", ")).filter(|domains| !domains.is_empty()));
    line("status", row.status.clone());
    line("created", row.created_at.clone());
    line("state", row.state.map(str::to_owned));
    line("why", detail.map(|detail| detail.why.raw().to_owned()).filter(|why| !why.is_empty()));
    line("tool", row.tool.map(str::to_owned));
    line("version", row.version.clone());
    let number = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), text::grouped);
    let applied = row.applied.map(u64::from);
    line("applied", Some(format!("{}, pending {}, ahead {}", number(applied), number(row.pending), number(row.ahead))));
    line(
        "size",
        row.size_bytes.map(|bytes| format!("{}{}", if row.size_exact { "" } else { "~" }, text::human_bytes(bytes))),
    );
    if let Some(words) = detail.and_then(|detail| detail.unmeasured.words()) {
        line("tables", Some(words));
    }
    line("keys", row.cache_keys.map(text::grouped));
    for problem in &row.problems {
        line("problem", Some(problem.clone()));
    }
    if let Some(detail) = detail {
        out.push_str(&sections(detail, times));
    }
    out
}

fn sections(detail: &TenantDetail, times: &StepTimes) -> String {
    let size = |bytes: Option<u64>| bytes.map_or(Cell::None, |bytes| Cell::Right(text::human_bytes(bytes)));
    let mut tables = Table::new(&["table", "total", "heap", "index", "toast", "rows~"]);
    for table in &detail.tables {
        let mut sizes = [table.total_bytes, table.table_bytes, table.index_bytes, table.toast_bytes].map(size);
        if let Some(why) = table.not_measured {
            sizes[0] = Cell::Right(why.word().to_owned());
        }
        let mut cells = vec![Cell::from(&table.name)];
        cells.extend(sizes);
        cells.push(table.rows_estimate.into());
        tables.row(cells);
    }
    let mut migrations = Table::new(&["version", "name", "state", "applied_at", "file", "time"]);
    for migration in &detail.migrations {
        let file = migration.checksum_ok.map(|same| if same { "unchanged" } else { "CHANGED" });
        migrations.row(vec![
            migration.version.raw().into(),
            migration.name.as_ref().into(),
            migration.state.word().into(),
            migration.applied_at.as_ref().into(),
            file.into(),
            estimate(migration, times)
                .map_or(Cell::None, |time| Cell::Right(format!("est. {}", text::rough_time(time.mean_ms)))),
        ]);
    }
    let mut keys = Table::new(&["prefix", "keys"]);
    for (prefix, count) in &detail.cache_by_prefix {
        keys.row(vec![prefix.into(), (*count).into()]);
    }
    let mut health = Table::new(&["health", "", "detail"]);
    for fact in &detail.health {
        let value = fact.value.as_ref().map_or(Cell::None, |value| Cell::Right(value.safe().into()));
        health.row(vec![(&fact.title).into(), value, fact.detail.as_ref().into()]);
    }
    let mut members = Table::new(&["member", "name", "active", "status", "last_active_at"]);
    for member in &detail.members {
        let (status, last) = (member.status.as_ref(), member.last_active_at.as_ref());
        members.row(vec![(&member.id).into(), (&member.name).into(), member.active.into(), status.into(), last.into()]);
    }
    let mut outside = Table::new(&[OUTSIDE]).wrapping(&[OUTSIDE]);
    for object in &detail.objects_outside {
        outside.row(vec![Cell::from(object)]);
    }
    let mut out = String::new();
    for table in [tables, migrations, keys, health, members, outside] {
        if !table.is_empty() {
            out.push('\n');
            out.push_str(&output::fitted(&table));
        }
    }
    out
}
