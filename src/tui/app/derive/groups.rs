//! The rows of the Migrations screen: the versions of each database, who stands there, and what blocks them.

use std::collections::HashMap;

use super::{counts_for_versions, settle};
use crate::migrations::sequence::Sequence;
use crate::model::fleet::{DatabaseView, FileView, Snapshot};
use crate::model::ledger::Version;
use crate::text::{Untrusted, grouped};
use crate::tui::app::state::{State, VersionGroup};

/// The rows of the Migrations screen.
pub fn migrations(state: &mut State) {
    let mut groups = Vec::new();
    for database in &state.snapshot.databases {
        if state.only_database.as_ref().is_none_or(|only| *only == database.name) {
            groups.extend(of_database(state, database));
        }
    }
    let keys: Vec<_> = groups.iter().map(|group| (group.database.clone(), group.version.clone())).collect();
    settle(&mut state.migrations.list, keys.len(), |row| keys.get(row));
    state.migrations.groups = groups;
}

/// The groups of one database, newest first, those without a version last.
fn of_database(state: &State, database: &DatabaseView) -> Vec<VersionGroup> {
    let files = database.files.as_deref().unwrap_or_default();
    // Files in the order of their folder, which is not always that of the versions.
    let place: HashMap<&Version, usize> =
        files.iter().enumerate().map(|(place, file)| (&file.version, place)).collect();
    let mut by_version: HashMap<Option<&Version>, Vec<usize>> = HashMap::new();
    let mut missing: HashMap<&Version, usize> = HashMap::new();
    for (index, tenant) in state.snapshot.tenants.iter().enumerate() {
        if tenant.key.database == database.name && counts_for_versions(tenant) {
            by_version.entry(tenant.version()).or_default().push(index);
            let stands = tenant.version().and_then(|version| place.get(version));
            let passed = |version: &&Version| place.get(*version).is_some_and(|at| Some(at) < stands);
            for version in tenant.pending.iter().flat_map(|pending| pending.iter()).filter(passed) {
                *missing.entry(version).or_default() += 1;
            }
        }
    }
    for file in files {
        by_version.entry(Some(&file.version)).or_default();
    }
    let of = by_version.values().map(Vec::len).sum();
    let target = state.target(&database.name);
    let mut groups: Vec<VersionGroup> = by_version
        .into_iter()
        .map(|(version, tenants)| {
            let file = version.and_then(|version| place.get(version)).and_then(|place| files.get(*place));
            let failed = failed_at(&state.snapshot, &tenants);
            let is_target = version.is_some() && version == target;
            let is_newest = file.is_some() && file.map(|file| &file.version) == files.last().map(|file| &file.version);
            let mut notes: Vec<Untrusted> = Vec::new();
            if is_target && !is_newest {
                notes.push("target".into());
            }
            if is_newest {
                notes.push("newest".into());
            }
            if failed > 0 {
                notes.push(format!("{failed} failed").into());
            }
            if let Some(count) = version.and_then(|version| missing.get(version)) {
                notes.push(format!("missing from {}", grouped(*count as u64)).into());
            }
            notes.extend(of_file(file, version.is_some() && database.files.is_some()));
            VersionGroup {
                database: database.name.clone(),
                name: file.map(|file| file.name.clone()),
                version: version.cloned(),
                is_target,
                tenants,
                of,
                failed,
                notes,
            }
        })
        .collect();
    let ledgers = state.snapshot.tenants.iter().filter(|tenant| tenant.key.database == database.name);
    let ledgers = ledgers.filter(|tenant| counts_for_versions(tenant)).map(|tenant| &tenant.ledger);
    let sequence = Sequence::new(database.tool, files.iter().map(|file| &file.version), ledgers);
    groups.sort_by(|a, b| match (&a.version, &b.version) {
        (Some(a), Some(b)) => sequence.compare(b, a),
        // Without a version: last.
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    groups
}

/// What there is to say of a version's file, or of its absence where there should be one.
fn of_file(file: Option<&FileView>, wanted: bool) -> Vec<Untrusted> {
    match file {
        Some(file) => {
            let down = (!file.has_down).then(|| "no down".into());
            file.notes.iter().cloned().chain(down).collect()
        }
        None if wanted => vec!["no file".into()],
        None => Vec::new(),
    }
}

fn failed_at(snapshot: &Snapshot, tenants: &[usize]) -> usize {
    tenants
        .iter()
        .filter(|index| snapshot.tenants.get(**index).is_some_and(|tenant| tenant.failed_step.is_some()))
        .count()
}
