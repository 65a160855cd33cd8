//! Where a ledger stands against a folder, or, where there is none, against its siblings.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::dialects::{Dialect, Order, abbreviated, dialect};
use super::folder::{Folder, graph};
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
        let mut new = Self {
            folder,
            dialect,
            keys: folder.files.iter().map(|file| dialect.key(&file.version)).collect(),
            all: folder.files.iter().map(|file| file.version.clone()).collect(),
            none: Arc::new([]),
            checksums: None,
            known: HashMap::new(),
        };
        let squashed = new.squashed(&mut HashSet::new());
        if !squashed.is_empty() {
            new.all = new.all.iter().filter(|version| !squashed.contains(version.raw())).cloned().collect();
        }
        new
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
                let standing = match (position_only(reading.tool), self.dialect.order) {
                    (true, Order::AsListed) => self.by_graph(reading),
                    (true, Order::Number | Order::Text | Order::Parts | Order::Stamp) => self.by_position(reading),
                    (false, _) => self.by_set(reading),
                };
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
        let changed = self.changed(&reading.applied);
        let mut applied: HashSet<&str> =
            reading.applied.versions.iter().map(|version| self.dialect.key(version)).collect();
        let squashed = self.squashed(&mut applied);
        let baseline = reading.applied.baseline.as_ref();
        let is_covered =
            |version: &Version| baseline.is_some_and(|baseline| self.dialect.order.compare(version, baseline).is_le());
        let is_pending = |version: &Version| {
            !applied.contains(self.dialect.key(version)) && !squashed.contains(version.raw()) && !is_covered(version)
        };
        let files = self.folder.files.iter().map(|file| &file.version);
        let pending: Vec<Version> = files.filter(|version| is_pending(version)).cloned().collect();
        let replaced: HashSet<&str> = self.replacing().flat_map(|(_, replaced)| replaced).map(Version::raw).collect();
        // A baseline needs no file, and neither does what another file stands for.
        let is_ahead = |version: &Version| {
            !self.keys.contains(self.dialect.key(version))
                && baseline != Some(version)
                && !replaced.contains(version.raw())
        };
        let ahead: Vec<Version> =
            reading.applied.versions.iter().filter(|version| is_ahead(version)).cloned().collect();
        let counted = if replaced.is_empty() {
            reading.applied.versions.len()
        } else {
            // A squashed migration and what it stands for are all in the ledger: the files that count are counted.
            self.folder.files.len() - pending.len() - squashed.len() + ahead.len()
        };
        Standing {
            applied: Some(count(counted)),
            pending: Some(self.share(pending)),
            ahead: Some(self.share(ahead)),
            changed: self.share(changed),
        }
    }

    /// Files that stand for others, and those others.
    fn replacing(&self) -> impl Iterator<Item = (&'f Version, &'f [Version])> {
        let files = self.folder.files.iter().zip(&self.folder.facts.files);
        files.filter(|(_, facts)| !facts.replaces.is_empty()).map(|(file, facts)| (&file.version, &facts.replaces[..]))
    }

    /// As Django does: a squashed migration is applied when all that it stands for is. While that is so, or none of it
    /// is, it stands for them; in between they stand for themselves. What does not count is returned.
    fn squashed(&self, applied: &mut HashSet<&'f str>) -> HashSet<&'f str> {
        let mut hidden = HashSet::new();
        for (version, replaced) in self.replacing() {
            let have = replaced.iter().filter(|one| applied.contains(one.raw())).count();
            let are_files = replaced.iter().any(|one| self.keys.contains(one.raw()));
            if have == replaced.len() {
                applied.insert(version.raw());
            }
            if have == replaced.len() || have == 0 {
                hidden.extend(replaced.iter().map(Version::raw).filter(|one| self.keys.contains(one)));
            } else if are_files {
                hidden.insert(version.raw());
            }
        }
        hidden
    }

    /// A ledger of heads: they and everything before them is applied, as far as the files know.
    fn by_graph(&self, reading: &LedgerReading) -> Standing {
        let places: HashMap<&str, usize> =
            self.folder.files.iter().map(|file| (file.version.raw(), file.position)).collect();
        let mut applied: HashSet<usize> = HashSet::new();
        let mut todo: Vec<usize> =
            reading.applied.versions.iter().filter_map(|head| places.get(head.raw()).copied()).collect();
        while let Some(place) = todo.pop() {
            if applied.insert(place) {
                let facts = self.folder.facts.files.get(place);
                let parents = facts.iter().flat_map(|facts| &facts.parents);
                todo.extend(parents.filter_map(|parent| places.get(parent.raw()).copied()));
            }
        }
        let pending = self.folder.files.iter().filter(|file| !applied.contains(&file.position));
        let ahead = reading.applied.versions.iter().filter(|head| !places.contains_key(head.raw()));
        let (pending, ahead): (Vec<Version>, Vec<Version>) =
            (pending.map(|file| file.version.clone()).collect(), ahead.cloned().collect());
        // What stands behind a head that is no file is not known, and so is how many are applied, and which are pending.
        let is_known = ahead.is_empty();
        Standing {
            applied: is_known.then(|| count(applied.len())),
            pending: is_known.then(|| self.share(pending)),
            ahead: Some(self.share(ahead)),
            changed: Arc::clone(&self.none),
        }
    }

    /// What the ledger's checksums say of the files. A program has none that could be made without its tool.
    fn changed(&mut self, applied: &AppliedSet) -> Vec<Version> {
        let checksum = self.dialect.reading.checksum;
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
    dialect(tool).reading.position_only
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
    let mut lists: BTreeMap<Tool, Vec<&AppliedSet>> = BTreeMap::new();
    let mut votes: BTreeMap<Tool, usize> = BTreeMap::new();
    for reading in ledgers.into_iter().filter_map(LedgerState::reading) {
        *votes.entry(reading.tool).or_default() += 1;
        let have = versions.entry(reading.tool).or_default();
        if seen.insert((Arc::as_ptr(&reading.applied), reading.tool)) {
            let dialect = dialect(reading.tool);
            lists.entry(reading.tool).or_default().push(&reading.applied);
            for version in &reading.applied.versions {
                have.entry(dialect.key(version).to_owned()).or_insert_with(|| version.clone());
            }
        }
    }
    let by_tool = versions
        .into_iter()
        .map(|(tool, versions)| {
            let mut versions: Vec<Version> = versions.into_values().collect();
            match dialect(tool).order {
                order @ (Order::Number | Order::Text | Order::Parts | Order::Stamp) => {
                    versions.sort_by(|a, b| order.compare(a, b))
                }
                Order::AsListed => versions = merged(lists.remove(&tool).unwrap_or_default()),
            }
            (tool, versions)
        })
        .collect();
    let majority = votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(tool, _)| tool);
    FleetReference { by_tool, majority }
}

/// Lists of which each has an order, as one: each version behind all that come before it in any list.
fn merged(mut lists: Vec<&AppliedSet>) -> Vec<Version> {
    // The longest first: it knows most of the order. Then by what they hold, so that it is the same every time.
    let text = |list: &AppliedSet| list.versions.iter().map(|version| version.raw().to_owned()).collect::<Vec<_>>();
    lists.sort_by_cached_key(|list| (usize::MAX - list.versions.len(), text(list)));
    let mut places: HashMap<&Version, usize> = HashMap::new();
    let mut versions: Vec<&Version> = Vec::new();
    for version in lists.iter().flat_map(|list| &list.versions) {
        places.entry(version).or_insert_with(|| {
            versions.push(version);
            versions.len() - 1
        });
    }
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); versions.len()];
    for pair in lists.iter().flat_map(|list| list.versions.windows(2)) {
        if let (Some(before), Some(after)) = (places.get(&pair[0]), places.get(&pair[1])) {
            parents[*after].push(*before);
        }
    }
    // Tenants that applied the same in different orders: a circle, which stays as the longest list has it.
    graph::order(&parents).0.into_iter().map(|place| versions[place].clone()).collect()
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
                // The heads of the siblings are not what they have applied.
                let is_known =
                    !self.majority.is_some_and(|tool| position_only(tool) && dialect(tool).order == Order::AsListed);
                let pending = is_known.then(|| self.versions().into());
                Standing { applied: Some(0), pending, ahead, ..Standing::default() }
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
                // Heads alone do not tell which is newer: only that all stand at the same is known.
                let is_graph = position_only && dialect.order == Order::AsListed;
                if is_graph && siblings.iter().any(|version| !applied.contains(dialect.key(version))) {
                    return Standing { ahead, ..Standing::default() };
                }
                let is_pending = |version: &&Version| {
                    if position_only && !is_graph {
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
