//! In which order the versions of a fleet are shown: that of its tool, also where versions alone do not tell it.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::dialects::{Order, dialect};
use super::standing::fleet_reference;
use crate::model::ledger::{LedgerState, Tool, Version};

/// The order of a fleet's versions, oldest first.
#[derive(Debug)]
pub struct Sequence {
    order: Order,
    /// Where versions do not tell: the files in their order, and behind them what no file is of, as it was applied.
    places: HashMap<Version, usize>,
}

impl Sequence {
    /// Of a tool (where none is known versions are numbers), its files, and the ledgers of its tenants.
    #[must_use]
    pub fn new<'v>(
        tool: Option<Tool>,
        files: impl IntoIterator<Item = &'v Version>,
        ledgers: impl IntoIterator<Item = &'v LedgerState>,
    ) -> Self {
        let order = tool.map_or(Order::Number, |tool| dialect(tool).order);
        let mut places: HashMap<Version, usize> = HashMap::new();
        if order == Order::AsListed {
            for version in files {
                let place = places.len();
                places.entry(version.clone()).or_insert(place);
            }
            for version in fleet_reference(ledgers).versions() {
                let place = places.len();
                places.entry(version.clone()).or_insert(place);
            }
        }
        Self { order, places }
    }

    /// Compares two versions.
    #[must_use]
    pub fn compare(&self, a: &Version, b: &Version) -> Ordering {
        let place = |version| self.places.get(version).copied().unwrap_or(usize::MAX);
        let by_order = match self.order {
            Order::Number | Order::Text | Order::Parts | Order::Stamp => self.order.compare(a, b),
            Order::AsListed => place(a).cmp(&place(b)),
        };
        by_order.then_with(|| a.cmp(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ledger::{AppliedSet, LedgerReading};
    use std::sync::Arc;

    fn versions(texts: &[&str]) -> Vec<Version> {
        texts.iter().map(|text| Version::new(text)).collect()
    }

    fn sorted(tool: Option<Tool>, files: &[&str], ledgers: &[LedgerState], shown: &[&str]) -> Vec<String> {
        let files = versions(files);
        let sequence = Sequence::new(tool, &files, ledgers);
        let mut shown = versions(shown);
        shown.sort_by(|a, b| sequence.compare(a, b));
        shown.iter().map(|version| version.raw().to_owned()).collect()
    }

    fn ledger(tool: Tool, applied: &[&str]) -> LedgerState {
        let versions = versions(applied);
        let current = versions.last().cloned();
        LedgerState::Read(LedgerReading {
            tool,
            table: "t".into(),
            applied: Arc::new(AppliedSet { versions, current, ..AppliedSet::default() }),
            dirty: false,
            locked: None,
        })
    }

    #[test]
    fn numbers_and_parts_are_no_texts() {
        assert_eq!(sorted(Some(Tool::Flyway), &[], &[], &["1.10", "1.9", "10", "9"]), ["1.9", "1.10", "9", "10"]);
        assert_eq!(sorted(Some(Tool::GolangMigrate), &[], &[], &["10", "9"]), ["9", "10"]);
        assert_eq!(sorted(None, &[], &[], &["10", "9"]), ["9", "10"]);
        assert_eq!(sorted(Some(Tool::Diesel), &[], &[], &["9", "10"]), ["10", "9"], "Diesel sorts by text");
        assert_eq!(sorted(Some(Tool::NodePgMigrate), &[], &[], &["10_b", "9_a"]), ["9_a", "10_b"]);
    }

    #[test]
    fn names_follow_each_other_as_files_and_ledgers_list_them() {
        let ledgers = [ledger(Tool::TypeOrm, &["Zoo1", "Ant2"]), ledger(Tool::TypeOrm, &["Zoo1", "Ant2", "Bee3"])];
        assert_eq!(sorted(Some(Tool::TypeOrm), &[], &ledgers, &["Ant2", "Bee3", "Zoo1"]), ["Zoo1", "Ant2", "Bee3"]);
        let files = ["Zoo1", "Ant2"];
        assert_eq!(
            sorted(Some(Tool::TypeOrm), &files, &ledgers, &["Bee3", "Ant2", "Zoo1", "Aim0"]),
            ["Zoo1", "Ant2", "Bee3", "Aim0"],
            "what no file is of is newer, and what nobody lists the newest"
        );
    }
}
