//! What a fleet's ledgers say once folder and configuration are known: entries become versions, and those that do not
//! count for a schema go. Most tools' entries are their versions, and nothing changes.
//!
//! Pure, and cheap for a fleet: equal ledgers are looked at once and share what is seen.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::dialects::{LedgerScope, Names, Seen, names};
use super::folder::Folder;
use crate::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};

/// The names of a fleet's entries.
#[derive(Debug, Default)]
pub struct Lens {
    names: HashMap<Tool, Names>,
}

/// What was seen through a lens: equal ledgers stay one set.
#[derive(Debug, Default)]
pub struct Glance {
    // By address: the set is held here, so that no other can come to live at it.
    known: HashMap<(*const AppliedSet, Tool), (Arc<AppliedSet>, Arc<AppliedSet>)>,
}

impl Lens {
    /// For these ledgers, this folder and what counts.
    #[must_use]
    pub fn new<'l>(
        folder: Option<&Folder>,
        scope: &LedgerScope,
        ledgers: impl IntoIterator<Item = &'l LedgerState>,
    ) -> Self {
        let mut seen: HashSet<(*const AppliedSet, Tool)> = HashSet::new();
        let mut entries: HashMap<Tool, BTreeSet<&str>> = HashMap::new();
        for reading in ledgers.into_iter().filter_map(LedgerState::reading) {
            if names(reading.tool).is_some() && seen.insert((Arc::as_ptr(&reading.applied), reading.tool)) {
                entries.entry(reading.tool).or_default().extend(reading.applied.versions.iter().map(Version::raw));
            }
        }
        let named = entries.into_iter().filter_map(|(tool, entries)| {
            let folder = folder.filter(|folder| folder.tool == tool);
            Some((tool, names(tool)?(&Seen { folder, entries: &entries, scope })))
        });
        Self { names: named.collect() }
    }

    /// What an entry of a tool's ledger is called; `None` where it does not count.
    #[must_use]
    pub fn version(&self, tool: Tool, entry: &str) -> Option<Version> {
        match self.names.get(&tool).and_then(|names| names.rename.as_ref()) {
            Some(rename) => rename(entry).map(|version| Version::new(&version)),
            None => Some(Version::new(entry)),
        }
    }

    /// A ledger as it is seen.
    #[must_use]
    pub fn see(&self, ledger: &LedgerState, glance: &mut Glance) -> LedgerState {
        match ledger {
            LedgerState::Read(reading) if self.names.contains_key(&reading.tool) => {
                let key = (Arc::as_ptr(&reading.applied), reading.tool);
                let applied = match glance.known.get(&key) {
                    Some((_, seen)) => Arc::clone(seen),
                    None => {
                        let seen = Arc::new(self.applied(reading));
                        glance.known.insert(key, (Arc::clone(&reading.applied), Arc::clone(&seen)));
                        seen
                    }
                };
                LedgerState::Read(LedgerReading { applied, ..reading.clone() })
            }
            LedgerState::Read(_)
            | LedgerState::Unread
            | LedgerState::Absent
            | LedgerState::NoAccess(_)
            | LedgerState::DatabaseWide { .. }
            | LedgerState::Unreadable { .. } => ledger.clone(),
        }
    }

    fn applied(&self, reading: &LedgerReading) -> AppliedSet {
        let mut taken: HashSet<Version> = HashSet::new();
        let mut versions: Vec<Version> = reading
            .applied
            .versions
            .iter()
            .filter_map(|entry| self.version(reading.tool, entry.raw()))
            .filter(|version| taken.insert(version.clone()))
            .collect();
        if let Some(order) = self.names.get(&reading.tool).and_then(|names| names.order.as_ref()) {
            let places: HashMap<&str, usize> =
                order.iter().enumerate().map(|(at, version)| (version.as_str(), at)).collect();
            // What is no file is newer than all files, as far as anybody knows.
            versions.sort_by_key(|version| places.get(version.raw()).copied().unwrap_or(usize::MAX));
        }
        for (version, replaced) in self.names.get(&reading.tool).iter().flat_map(|names| &names.behind) {
            let own = versions.iter().position(|known| known.raw() == version);
            let last = versions.iter().rposition(|known| replaced.iter().any(|one| one == known.raw()));
            if let (Some(own), Some(last)) = (own, last.filter(|last| own.is_some_and(|own| own > *last))) {
                let version = versions.remove(own);
                versions.insert(last + 1, version);
            }
        }
        let current = versions.last().cloned();
        AppliedSet { versions, current, ..AppliedSet::default() }
    }
}
