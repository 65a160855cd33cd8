//! The rows of the Migrations screen: the versions of each database, who stands there, and what blocks them.

use std::collections::HashMap;

use super::{counts_for_versions, settle};
use crate::migrations::sequence::Sequence;
use crate::model::fleet::{DatabaseView, FileView};
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
    let digests = &state.digests;
    let wanted = digests.database(&database.name);
    let mut by_version: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut missing: HashMap<usize, usize> = HashMap::new();
    for (index, digest) in digests.all().iter().enumerate() {
        if Some(digest.database) == wanted && digest.has.counts {
            by_version.entry(digest.version).or_default().push(index);
            for place in &digest.passed {
                *missing.entry(*place).or_default() += 1;
            }
        }
    }
    // Files in the order of their folder, which is not always that of the versions.
    let mut file_of: HashMap<usize, &FileView> = HashMap::new();
    for (place, file) in files.iter().filter_map(|file| Some((digests.place(&file.version)?, file))) {
        by_version.entry(Some(place)).or_default();
        file_of.insert(place, file);
    }
    let of = by_version.values().map(Vec::len).sum();
    let target = state.target(&database.name);
    let mut groups: Vec<VersionGroup> = by_version
        .into_iter()
        .map(|(place, tenants)| {
            let version = place.and_then(|place| digests.version(place));
            let file = place.and_then(|place| file_of.get(&place)).copied();
            let failed =
                tenants.iter().filter(|index| digests.all().get(**index).is_some_and(|of| of.has.failed)).count();
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
            if let Some(count) = place.and_then(|place| missing.get(&place)) {
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
