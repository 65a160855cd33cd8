//! Where a ledger stands against a folder, or, where there is none, against its siblings.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::dialects::{Dialect, abbreviated, dialect};
use super::folder::Folder;
use crate::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};

/// Where a ledger stands against a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Successfully applied; 0 where the ledger is known to be absent or empty; `None` where unread.
    pub applied: Option<u32>,
    /// Files that are not in the ledger, in order.
    pub pending: Option<Arc<[Version]>>,
    /// In the ledger, no file.
    pub ahead: Option<Arc<[Version]>>,
    /// Applied versions whose file is not what was applied, by the checksums of the ledger.
    pub changed: Arc<[Version]>,
}

/// The set difference between a ledger and a folder (golang-migrate: by position).
#[must_use]
pub fn standing(ledger: &LedgerState, folder: &Folder) -> Standing {
    Standings::new(folder).of(ledger)
}

/// Whether a ledger of this tool may be compared with the files of that one.
#[must_use]
pub fn comparable(ledger: Tool, folder: Tool) -> bool {
    ledger == folder || (ledger == Tool::RailsOrDbmate && matches!(folder, Tool::Rails | Tool::Dbmate))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// [`standing`] for a fleet: equal ledgers are compared once and share their answer.
#[derive(Debug)]
pub struct Standings<'f> {
    folder: &'f Folder,
    dialect: &'static Dialect,
    keys: HashSet<&'f str>,
    all: Arc<[Version]>,
    none: Arc<[Version]>,
    /// The checksums that the ledger should hold, by key; made when the first ledger with checksums is met.
    checksums: Option<HashMap<&'f str, (&'f Version, String)>>,
    // By address: the set is held here, so that no other can come to live at it.
    known: HashMap<(*const AppliedSet, bool), (Arc<AppliedSet>, Standing)>,
}

impl<'f> Standings<'f> {
    /// Whether there is any file to compare with.
    #[must_use]
    pub const fn has_files(&self) -> bool {
        !self.folder.files.is_empty()
    }

    /// Against this folder.
    #[must_use]
    pub fn new(folder: &'f Folder) -> Self {
        let dialect = dialect(folder.tool);
        Self {
            folder,
            dialect,
            keys: folder.files.iter().map(|file| dialect.key(&file.version)).collect(),
            all: folder.files.iter().map(|file| file.version.clone()).collect(),
            none: Arc::new([]),
            checksums: None,
            known: HashMap::new(),
        }
    }

    /// Where this ledger stands.
    #[must_use]
    pub fn of(&mut self, ledger: &LedgerState) -> Standing {
        match ledger {
            LedgerState::Absent => self.at_the_beginning(),
            LedgerState::Unread
            | LedgerState::NoAccess(_)
            | LedgerState::DatabaseWide { .. }
            | LedgerState::Unreadable { .. } => Standing::default(),
            LedgerState::Read(reading) if !comparable(reading.tool, self.folder.tool) => {
                let counted = !position_only(reading.tool);
                Standing { applied: counted.then(|| count(reading.applied.versions.len())), ..Standing::default() }
            }
            LedgerState::Read(reading) => {
                let key = (Arc::as_ptr(&reading.applied), reading.dirty);
                if let Some((_, known)) = self.known.get(&key) {
                    return known.clone();
                }
                let standing =
                    if position_only(reading.tool) { self.by_position(reading) } else { self.by_set(reading) };
                self.known.insert(key, (Arc::clone(&reading.applied), standing.clone()));
                standing
            }
        }
    }

    fn at_the_beginning(&self) -> Standing {
        Standing {
            applied: Some(0),
            pending: Some(Arc::clone(&self.all)),
            ahead: Some(Arc::clone(&self.none)),
            changed: Arc::clone(&self.none),
        }
    }

    fn by_set(&mut self, reading: &LedgerReading) -> Standing {
        let applied: HashSet<&str> = reading.applied.versions.iter().map(|version| self.dialect.key(version)).collect();
        let baseline = reading.applied.baseline.as_ref();
        let is_covered =
            |version: &Version| baseline.is_some_and(|baseline| self.dialect.order.compare(version, baseline).is_le());
        let pending: Vec<Version> = self
            .folder
            .files
            .iter()
            .filter(|file| !applied.contains(self.dialect.key(&file.version)) && !is_covered(&file.version))
            .map(|file| file.version.clone())
            .collect();
        // A baseline needs no file.
        let ahead: Vec<Version> = reading
            .applied
            .versions
            .iter()
            .filter(|version| !self.keys.contains(self.dialect.key(version)) && baseline != Some(*version))
            .cloned()
            .collect();
        let changed = self.changed(&reading.applied);
        Standing {
            applied: Some(count(reading.applied.versions.len())),
            pending: Some(self.share(pending)),
            ahead: Some(self.share(ahead)),
            changed: self.share(changed),
        }
    }

    /// What the ledger's checksums say of the files. A program has none that could be made without its tool.
    fn changed(&mut self, applied: &AppliedSet) -> Vec<Version> {
        let checksum = self.dialect.reading.as_ref().and_then(|reading| reading.checksum);
        let Some(checksum) = checksum.filter(|_| !applied.checksums.is_empty()) else { return Vec::new() };
        let (folder, dialect) = (self.folder, self.dialect);
        let own = self.checksums.get_or_insert_with(|| {
            let files = folder.files.iter().filter(|file| !file.is_code);
            files.map(|file| (dialect.key(&file.version), (&file.version, checksum(file)))).collect()
        });
        let differs = |(version, recorded): &(Version, Box<str>)| {
            let (version, own) = own.get(dialect.key(version))?;
            (abbreviated(own) != abbreviated(recorded)).then(|| (*version).clone())
        };
        applied.checksums.iter().filter_map(differs).collect()
    }

    /// A ledger without history: files up to the position are applied; a failed one is not.
    fn by_position(&self, reading: &LedgerReading) -> Standing {
        let Some(position) = &reading.applied.current else {
            return self.at_the_beginning();
        };
        let is_applied = |version: &Version| if reading.dirty { version < position } else { version <= position };
        let (applied, pending): (Vec<Version>, Vec<Version>) = self.all.iter().cloned().partition(is_applied);
        let ahead = if self.keys.contains(self.dialect.key(position)) { Vec::new() } else { vec![position.clone()] };
        Standing {
            applied: Some(count(applied.len())),
            pending: Some(self.share(pending)),
            ahead: Some(self.share(ahead)),
            changed: Arc::clone(&self.none),
        }
    }

    fn share(&self, versions: Vec<Version>) -> Arc<[Version]> {
        if versions.is_empty() { Arc::clone(&self.none) } else { versions.into() }
    }
}

fn position_only(tool: Tool) -> bool {
    dialect(tool).reading.as_ref().is_some_and(|reading| reading.position_only)
}

/// What the siblings have, where no folder is configured: the reference is the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetReference {
    by_tool: BTreeMap<Tool, Vec<Version>>,
    /// The tool of most ledgers: what a schema without a ledger is compared with.
    majority: Option<Tool>,
}

/// What these ledgers have together, a list for each tool. Give it the ledgers of tenants that count: not of deleted
/// ones, not of orphans.
#[must_use]
pub fn fleet_reference<'l>(ledgers: impl IntoIterator<Item = &'l LedgerState>) -> FleetReference {
    let mut seen: HashSet<(*const AppliedSet, Tool)> = HashSet::new();
    let mut versions: BTreeMap<Tool, HashMap<String, Version>> = BTreeMap::new();
    let mut votes: BTreeMap<Tool, usize> = BTreeMap::new();
    for reading in ledgers.into_iter().filter_map(LedgerState::reading) {
        *votes.entry(reading.tool).or_default() += 1;
        let have = versions.entry(reading.tool).or_default();
        if seen.insert((Arc::as_ptr(&reading.applied), reading.tool)) {
            let dialect = dialect(reading.tool);
            for version in &reading.applied.versions {
                have.entry(dialect.key(version).to_owned()).or_insert_with(|| version.clone());
            }
        }
    }
    let by_tool = versions
        .into_iter()
        .map(|(tool, versions)| {
            let mut versions: Vec<Version> = versions.into_values().collect();
            versions.sort_by(|a, b| dialect(tool).order.compare(a, b));
            (tool, versions)
        })
        .collect();
    let majority = votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(tool, _)| tool);
    FleetReference { by_tool, majority }
}

impl FleetReference {
    /// The versions of the fleet, oldest first, of the tool that most of it has.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        self.majority.and_then(|tool| self.by_tool.get(&tool)).map_or(&[], Vec::as_slice)
    }

    /// The newest version of the fleet.
    #[must_use]
    pub fn target(&self) -> Option<&Version> {
        self.versions().last()
    }

    /// Where a ledger stands against its siblings. Nobody is ahead of a fleet that it belongs to. In a ledger without
    /// history only the positions that siblings have reached are known to be behind it.
    #[must_use]
    pub fn standing(&self, ledger: &LedgerState) -> Standing {
        let ahead: Option<Arc<[Version]>> = Some(Arc::new([]));
        match ledger {
            LedgerState::Absent => {
                Standing { applied: Some(0), pending: Some(self.versions().into()), ahead, ..Standing::default() }
            }
            LedgerState::Unread
            | LedgerState::NoAccess(_)
            | LedgerState::DatabaseWide { .. }
            | LedgerState::Unreadable { .. } => Standing::default(),
            LedgerState::Read(reading) => {
                let dialect = dialect(reading.tool);
                let siblings = self.by_tool.get(&reading.tool).map_or(&[][..], Vec::as_slice);
                let position_only = position_only(reading.tool);
                let applied: HashSet<&str> =
                    reading.applied.versions.iter().map(|version| dialect.key(version)).collect();
                let is_pending = |version: &&Version| {
                    if position_only {
                        reading.applied.current.as_ref().is_none_or(|current| *version > current)
                    } else {
                        !applied.contains(dialect.key(version))
                    }
                };
                Standing {
                    applied: (!position_only).then(|| count(reading.applied.versions.len())),
                    pending: Some(siblings.iter().filter(is_pending).cloned().collect()),
                    ahead,
                    ..Standing::default()
                }
            }
        }
    }
}
