//! What follows from the picture: rows, groups, counters, the header. Recomputed when the picture, a filter or an
//! order changes, never for a key that only moves.

mod digest;
mod from_jobs;
mod groups;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

pub use self::digest::{Changed, Digests};
pub use self::from_jobs::{job_told, jobs, results};
pub use self::groups::migrations;
use super::finder;
use super::state::{Counters, List, Screen, State, TableColumn, TablesSort};
use super::tenant_columns::Extent;
use crate::model::fleet::Snapshot;
use crate::model::tenant::{DatabaseName, TableDetail, Tenant, TenantKey, TenantState};

/// Whether a tenant is counted at a version: not deleted, no orphan, and its ledger was read.
#[must_use]
pub fn counts_for_versions(tenant: &Tenant) -> bool {
    if tenant.deleted {
        return false;
    }
    match tenant.state {
        TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::MissingSchema
        | TenantState::OrphanSchema
        | TenantState::UnknownTool
        | TenantState::Unknown => false,
        TenantState::Dirty
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok => true,
    }
}

/// Everything that hangs on the picture.
pub fn all(state: &mut State) {
    let (changed, before) = state.digests.follow(&state.snapshot, &state.contexts);
    state.tenants.extent = Extent::of(&state.digests);
    jobs(state);
    match (changed, before) {
        (Changed::Some(places), Some(before)) => {
            if !finder::follow(state, &places, &before) {
                hidden_marks(state);
            }
            settle_tenants(state);
        }
        (Changed::All | Changed::Some(_), _) => tenants(state),
    }
    migrations(state);
    open_tenant(state);
    super::server::derive(state);
    counters(state);
}

/// Shows one database, or all of them.
pub fn only(state: &mut State, database: Option<DatabaseName>) {
    state.only_database = database;
    all(state);
}

/// What follows from a picture with the same tenants as before: nothing of them is sorted, filtered or counted again.
pub fn around_tenants(state: &mut State) {
    // There may be other files.
    state.digests.follow(&state.snapshot, &state.contexts);
    jobs(state);
    migrations(state);
    open_tenant(state);
    super::server::derive(state);
    counters(state);
}

/// Whether two pictures hold the same tenants, object by object.
#[must_use]
pub fn same_tenants(old: &Snapshot, new: &Snapshot) -> bool {
    old.tenants.len() == new.tenants.len()
        && old.tenants.iter().zip(&new.tenants).all(|(old, new)| Arc::ptr_eq(old, new) || old == new)
}

/// The rows of the Tenants screen.
pub fn tenants(state: &mut State) {
    finder::find(state);
    hidden_marks(state);
    settle_tenants(state);
}

/// The rows of the Tenants screen, where nothing but the text of the filter changed.
pub fn filtered(state: &mut State) {
    finder::search(state);
    hidden_marks(state);
    settle_tenants(state);
}

/// How many marks the filter hides.
pub fn hidden_marks(state: &mut State) {
    let marks = &state.tenants.marks;
    if marks.is_empty() {
        state.tenants.marks_hidden = 0;
        return;
    }
    // Ten thousand look-ups in an ordered set would compare most names with a dozen others.
    let names: HashSet<&TenantKey> = marks.iter().collect();
    let visible = state
        .tenants
        .shown
        .iter()
        .filter(|index| state.snapshot.tenants.get(**index).is_some_and(|tenant| names.contains(&tenant.key)))
        .count();
    state.tenants.marks_hidden = marks.len().saturating_sub(visible);
}

fn settle_tenants(state: &mut State) {
    let tenants = &state.snapshot.tenants;
    let list = &mut state.tenants.list;
    let here = state.tenants.shown.get(list.at).and_then(|index| tenants.get(*index));
    if here.is_some_and(|tenant| Some(&tenant.key) == list.cursor.as_ref()) {
        return;
    }
    // Looked for where the tenants lie one behind the other, and not in the order of the rows: numbers are compared there.
    let place = list.cursor.as_ref().and_then(|cursor| tenants.iter().position(|tenant| tenant.key == *cursor));
    let row = place.and_then(|place| state.tenants.shown.iter().position(|index| *index == place));
    let key = |row: usize| state.tenants.shown.get(row).and_then(|index| tenants.get(*index)).map(|tenant| &tenant.key);
    settle_at(list, state.tenants.shown.len(), row, key);
}

/// Puts the cursor back on whom it was on; on the row that took that place where it is gone.
pub fn settle<'a, K: Clone + PartialEq + 'a>(list: &mut List<K>, rows: usize, key: impl Fn(usize) -> Option<&'a K>) {
    let found = list.cursor.as_ref().and_then(|cursor| {
        if key(list.at) == Some(cursor) { Some(list.at) } else { (0..rows).find(|row| key(*row) == Some(cursor)) }
    });
    settle_at(list, rows, found, key);
}

/// The same, where the row that whom it was on has now is known: `None` where it is gone.
fn settle_at<'a, K: Clone + 'a>(
    list: &mut List<K>,
    rows: usize,
    found: Option<usize>,
    key: impl Fn(usize) -> Option<&'a K>,
) {
    if rows == 0 {
        // The identity is kept: a filter that hides everything for a moment does not lose the place.
        list.at = 0;
        list.top = 0;
        return;
    }
    match found {
        Some(row) => {
            // The rows around the cursor stay where they were on the screen.
            list.top = (list.top + row).saturating_sub(list.at);
            list.at = row;
        }
        None => {
            list.at = list.at.min(rows - 1);
            list.cursor = key(list.at).cloned();
        }
    }
}

/// Keeps the cursor visible.
pub fn scroll<K>(list: &mut List<K>, rows: usize, visible: usize) {
    if visible == 0 || rows == 0 {
        list.top = 0;
        return;
    }
    list.top = list.top.min(rows.saturating_sub(visible));
    if list.at < list.top {
        list.top = list.at;
    } else if list.at >= list.top + visible {
        list.top = list.at + 1 - visible;
    }
}

fn compare_tables(a: &TableDetail, b: &TableDetail, sort: TablesSort) -> std::cmp::Ordering {
    fn known<T: Ord>(a: Option<T>, b: Option<T>, down: bool) -> std::cmp::Ordering {
        match (a, b) {
            (Some(a), Some(b)) if down => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            // Unknown comes last in both directions.
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
    let down = sort.descending;
    match sort.column {
        TableColumn::Table => known(Some(&a.name), Some(&b.name), down),
        TableColumn::Total => known(a.total_bytes, b.total_bytes, down),
        TableColumn::Heap => known(a.table_bytes, b.table_bytes, down),
        TableColumn::Index => known(a.index_bytes, b.index_bytes, down),
        TableColumn::Rows => known(a.rows_estimate, b.rows_estimate, down),
        TableColumn::Dead => known(a.dead_percent, b.dead_percent, down),
    }
    .then_with(|| a.name.cmp(&b.name))
}

/// The rows of the open tenant's tabs.
pub fn open_tenant(state: &mut State) {
    let Some(open) = &mut state.tenant else { return };
    let detail = state.snapshot.detail.clone().filter(|detail| detail.key == open.key);
    let slug = state.snapshot.tenant(&open.key).map(|tenant| tenant.slug.clone());
    let jobs_of: BTreeSet<_> = state
        .jobs
        .log
        .iter()
        .filter(|line| line.tenant.is_some() && line.tenant == slug && line.database == open.key.database)
        .map(|line| line.job)
        .collect();
    let outcomes = &state.jobs.outcomes;
    // The record knows what other processes did, and what was before this one.
    let recorded = detail.as_ref().map(|detail| detail.jobs.as_slice()).unwrap_or_default();
    open.jobs_shown = state
        .jobs
        .jobs
        .iter()
        .enumerate()
        .filter(|(_, job)| {
            let key = (job.database.clone(), job.id);
            job.database == open.key.database
                && (recorded.contains(&job.id)
                    || jobs_of.contains(&job.id)
                    || outcomes.get(&key).is_some_and(|list| {
                        list.iter().any(|outcome| {
                            outcome.key.as_ref() == Some(&open.key) || Some(&outcome.slug) == slug.as_ref()
                        })
                    })
                    || state
                        .snapshot
                        .tenant(&open.key)
                        .and_then(|tenant| tenant.failed_step.as_ref())
                        .is_some_and(|step| step.job == job.id))
        })
        .map(|(index, _)| index)
        .collect();
    let jobs: Vec<_> = open
        .jobs_shown
        .iter()
        .filter_map(|index| state.jobs.jobs.get(*index))
        .map(|job| (job.database.clone(), job.id))
        .collect();
    settle(&mut open.jobs, jobs.len(), |row| jobs.get(row));
    let Some(detail) = detail else {
        open.tables_shown.clear();
        return;
    };
    let mut shown: Vec<usize> = (0..detail.tables.len()).collect();
    shown.sort_by(|a, b| compare_tables(&detail.tables[*a], &detail.tables[*b], open.tables_sort));
    settle(&mut open.tables, shown.len(), |row| shown.get(row).map(|index| &detail.tables[*index].name));
    open.tables_shown = shown;
    settle(&mut open.migrations, detail.migrations.len(), |row| detail.migrations.get(row).map(|m| &m.version));
    settle(&mut open.cache, detail.cache_by_prefix.len(), |row| detail.cache_by_prefix.get(row).map(|(p, _)| p));
}

/// The numbers of line 2.
pub fn counters(state: &mut State) {
    let mut counters = Counters::default();
    let only = state.only_database.as_ref().map(|only| state.digests.database(only));
    for tenant in state.digests.all() {
        if only.is_some_and(|only| only != Some(tenant.database)) {
            continue;
        }
        counters.tenants += 1;
        counters.failed += usize::from(tenant.has.failed);
        counters.with_status += usize::from(tenant.has.status);
        counters.active += usize::from(tenant.has.active);
        counters.suspended += usize::from(tenant.has.suspended);
        match tenant.state {
            TenantState::NoAccess | TenantState::Conflict | TenantState::UnknownTool => counters.unreadable += 1,
            TenantState::Locked => counters.locked += 1,
            // The counter is the filter of its name, and a state is one word: never migrated is not behind.
            TenantState::Behind => counters.behind += 1,
            TenantState::NeverMigrated => counters.never_migrated += 1,
            TenantState::Ahead => counters.ahead += 1,
            TenantState::Ok => counters.at_target += 1,
            TenantState::Unknown => counters.unknown += 1,
            TenantState::MissingSchema | TenantState::OrphanSchema | TenantState::Dirty => {}
        }
    }
    state.counters = counters;
    // Of a part of the fleet, or of one that is not read yet, it would be another line.
    if state.loaded && counters.unknown == 0 && state.only_database.is_none() {
        state.trend.record(state.now.elapsed, counters.behind);
    }
    from_jobs::counters(state);
}

/// Keeps every cursor of the screen in front visible.
pub fn scroll_all(state: &mut State) {
    let visible = crate::tui::screens::list_rows(state);
    match state.screen {
        Screen::Tenants => scroll(&mut state.tenants.list, state.tenants.shown.len(), visible),
        Screen::Migrations => scroll(&mut state.migrations.list, state.migrations.groups.len(), visible),
        Screen::Jobs => scroll(&mut state.jobs.list, state.jobs.shown.len(), visible),
        Screen::JobResult => {
            let rows = state.jobs.result_of.as_ref().and_then(|key| state.jobs.outcomes.get(key)).map_or(0, Vec::len);
            scroll(&mut state.jobs.result, rows, visible);
        }
        Screen::Messages => scroll(&mut state.messages_list, state.messages.len(), visible),
        Screen::Server => {
            let rows = super::server::rows(state);
            scroll(state.server.list_mut(), rows, visible);
        }
        Screen::Audit => scroll(&mut state.audit.list, state.audit.shown, visible),
        Screen::Tenant => {
            let detail = state.snapshot.detail.clone();
            if let Some(open) = &mut state.tenant {
                let detail = detail.filter(|detail| detail.key == open.key);
                let count = |of: fn(&crate::model::tenant::TenantDetail) -> usize| detail.as_deref().map_or(0, of);
                scroll(&mut open.tables, open.tables_shown.len(), visible);
                scroll(&mut open.migrations, count(|detail| detail.migrations.len()), visible);
                scroll(&mut open.cache, count(|detail| detail.cache_by_prefix.len()), visible);
                scroll(&mut open.jobs, open.jobs_shown.len(), visible);
            }
        }
    }
}

/// Whether two pictures look different. When they were taken and how fast the link answered does not count: the
/// header draws those in steps of its own.
#[must_use]
pub fn looks_different(old: &Snapshot, new: &Snapshot) -> bool {
    use crate::model::link::LinkState;
    let databases = |snapshot: &Snapshot| {
        let mut databases = snapshot.databases.clone();
        for database in &mut databases {
            database.taken_at = None;
            if let LinkState::Up { latency_ms } = &mut database.link {
                *latency_ms = 0;
            }
            if let crate::model::fleet::CacheView::Counted { at, .. } = &mut database.cache {
                *at = jiff::Timestamp::UNIX_EPOCH;
            }
        }
        databases
    };
    let detail = |snapshot: &Snapshot| {
        snapshot.detail.as_ref().map(|detail| {
            let mut detail = (**detail).clone();
            detail.measured_at = jiff::Timestamp::UNIX_EPOCH;
            detail
        })
    };
    !same_tenants(old, new)
        || old.jobs != new.jobs
        || old.shared != new.shared
        || detail(old) != detail(new)
        || databases(old) != databases(new)
}
