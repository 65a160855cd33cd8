//! What the ledgers of a fleet are compared with: the migration folder, or the siblings where there is none. Pure.

use crate::migrations::folder::Folder;
use crate::migrations::standing::{FleetReference, Standing, Standings};
use crate::model::ledger::{LedgerState, Version};

/// What ledgers are compared with.
pub enum Reference<'f> {
    /// The migration folder.
    Folder(Box<Standings<'f>>),
    /// The siblings, where no folder is configured.
    Fleet(FleetReference),
}

impl Reference<'_> {
    /// Where a ledger stands.
    pub fn standing(&mut self, ledger: &LedgerState) -> Standing {
        match self {
            Self::Folder(standings) => standings.of(ledger),
            Self::Fleet(reference) => reference.standing(ledger),
        }
    }

    /// Whether there is anything to compare with.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Self::Folder(standings) => standings.has_files(),
            Self::Fleet(reference) => !reference.versions().is_empty(),
        }
    }

    /// The newest version: of the folder, or of the siblings.
    #[must_use]
    pub fn target(&self, folder: Option<&Folder>) -> Option<Version> {
        match self {
            Self::Folder(_) => folder.and_then(|folder| folder.files.last()).map(|file| file.version.clone()),
            Self::Fleet(reference) => reference.target().cloned(),
        }
    }
}
