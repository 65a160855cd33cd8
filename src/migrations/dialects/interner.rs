//! Makes one set of equal ledgers, from the text that each is read as.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::Order;
use crate::model::ledger::{AppliedSet, Version};

/// Parts versions in the one text that a ledger is read as. Versions are what outside programs wrote: one that holds
/// the separator itself would be two versions without files, which is visible and harmless.
pub const SEPARATOR: char = '\u{1e}';

/// Parts a version from its checksum in that text.
pub const PAIR: char = '\u{1f}';

/// Parts what else is told from the versions, in the text that a set is known by.
const FURTHER: &str = "\u{1d}";

/// Characters of a checksum that the reading of a fleet carries: numbers whole, and of a digest enough to tell any two
/// files apart. Ten thousand ledgers with their whole digests would be read slower than without them by far.
pub const CHECKSUM_CHARACTERS: usize = 24;

/// The part of a checksum that the reading of a fleet carries.
#[must_use]
pub fn abbreviated(checksum: &str) -> &str {
    checksum.char_indices().nth(CHECKSUM_CHARACTERS).map_or(checksum, |(end, _)| &checksum[..end])
}

/// What a ledger's one row says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing<'t> {
    /// The applied versions, parted by [`SEPARATOR`]. Their order does not matter unless it is [`Order::AsListed`]:
    /// ordering ten thousand ledgers on the server costs more than reading them.
    pub versions: Option<&'t str>,
    /// Each version has its checksum behind it, parted by [`PAIR`]; nothing where the ledger has none.
    pub checksums: bool,
    /// The version that the tool calls current, where that is not the last by the tool's order.
    pub current: Option<&'t str>,
    /// Everything up to this version counts as applied.
    pub baseline: Option<&'t str>,
}

impl<'t> Listing<'t> {
    /// The text that a set of these versions is known by.
    fn known_by(&self, versions: &'t str) -> Cow<'t, str> {
        if self.current.is_none() && self.baseline.is_none() {
            return Cow::Borrowed(versions);
        }
        let further = [self.current.unwrap_or_default(), self.baseline.unwrap_or_default()];
        Cow::Owned(format!("{versions}{FURTHER}{}{FURTHER}{}", further[0], further[1]))
    }

    fn set(&self, order: Order, items: &[&str]) -> AppliedSet {
        let mut versions = Vec::with_capacity(items.len());
        let mut checksums = Vec::new();
        for item in items {
            let (version, checksum) = match item.split_once(PAIR) {
                Some((version, checksum)) if self.checksums => (Version::new(version), checksum),
                Some(_) | None => (Version::new(item), ""),
            };
            if !checksum.is_empty() {
                checksums.push((version.clone(), checksum.into()));
            }
            versions.push(version);
        }
        versions.sort_by(|a, b| order.compare(a, b));
        let current = self.current.map(Version::new).or_else(|| versions.last().cloned());
        AppliedSet { versions, current, baseline: self.baseline.map(Version::new), checksums }
    }
}

/// Makes one [`AppliedSet`] of all equal ledgers: a fleet of ten thousand mostly equal ledgers holds a few sets.
#[derive(Debug, Default)]
pub struct Interner {
    sets: HashMap<(Order, bool), HashMap<Box<str>, Arc<AppliedSet>>>,
}

impl Interner {
    /// The set of versions in this text, which [`SEPARATOR`] parts.
    pub fn set(&mut self, order: Order, text: Option<&str>) -> Arc<AppliedSet> {
        self.listed(order, &Listing { versions: text, ..Listing::default() })
    }

    /// The set that a ledger lists.
    pub fn listed(&mut self, order: Order, listing: &Listing<'_>) -> Arc<AppliedSet> {
        let text = listing.versions.unwrap_or_default();
        let sets = self.sets.entry((order, listing.checksums)).or_default();
        let known_by = listing.known_by(text);
        if let Some(known) = sets.get(&*known_by) {
            return Arc::clone(known);
        }
        let mut items: Vec<&str> = text.split(SEPARATOR).filter(|item| !item.is_empty()).collect();
        // The same versions in another order are the same set, unless the order is what the ledger tells.
        if order != Order::AsListed {
            items.sort_unstable();
            items.dedup();
        }
        let joined = items.join("\u{1e}");
        let sorted: Box<str> = listing.known_by(&joined).into();
        let set = sets.get(&sorted).map_or_else(|| Arc::new(listing.set(order, &items)), Arc::clone);
        sets.insert(sorted, Arc::clone(&set));
        sets.insert(known_by.into(), Arc::clone(&set));
        set
    }

    /// Forgets sets that nobody holds any more.
    pub fn forget_unused(&mut self) {
        for sets in self.sets.values_mut() {
            // A set stands under its sorted text, and under each text that it came in.
            let mut own: HashMap<*const AppliedSet, usize> = HashMap::new();
            for set in sets.values() {
                *own.entry(Arc::as_ptr(set)).or_default() += 1;
            }
            sets.retain(|_, set| own.get(&Arc::as_ptr(set)).is_none_or(|own| Arc::strong_count(set) > *own));
        }
    }
}
