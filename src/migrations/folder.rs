//! A migration folder, read once: files in their tool's order, with their statements and what is wrong with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::ledger::{Tool, Version};
use crate::text::Untrusted;

/// A folder of one tool's migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it was read.
    pub path: PathBuf,
    /// Whose rules it was read by.
    pub tool: Tool,
    /// Its migrations, oldest first.
    pub files: Vec<Arc<MigrationFile>>,
}

/// One migration: up file and, where there is one, down file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Its version as the ledger writes it.
    pub version: Version,
    /// Its name without version and ending.
    pub name: Untrusted,
    /// The up file's path.
    pub path: PathBuf,
    /// The up file's text as it was read; these bytes run.
    pub sql: Arc<str>,
    /// SHA-256 of the up file's bytes.
    pub sha256: [u8; 32],
    /// The down file's text, where there is one.
    pub down: Option<Arc<str>>,
    /// The up file's statements, split as its tool splits them.
    pub statements: Vec<Statement>,
    /// The file runs inside one transaction with its ledger row.
    pub transactional: bool,
    /// What plan time refuses or warns of.
    pub findings: Vec<Finding>,
}

/// One piece of a file that is sent as one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// 1 for the first line of the file.
    pub line: u32,
    /// Its text.
    pub sql: Arc<str>,
}

/// What is wrong or dangerous in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's word, for `allow`: `transaction-control`, `backslash`, `copy-stdin`, `search-path`, `role`,
    /// `concurrently`, `extension`, `public-table`, `drop-column`...
    pub rule: &'static str,
    /// Whether plan time refuses the file, or only warns.
    pub refuses: bool,
    /// 1 for the first line of the file.
    pub line: u32,
    /// In words.
    pub message: Untrusted,
}

/// Why a folder could not be read. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct FolderError {
    /// In words, with the path.
    pub message: Untrusted,
}

impl Folder {
    /// Reads a folder by a tool's rules. An empty folder is a folder with no files.
    ///
    /// # Errors
    /// When it does not exist, a file cannot be read or is not UTF-8, or two files have one version.
    pub fn read(_path: &Path, _tool: Tool) -> Result<Self, FolderError> {
        todo!("migrations room")
    }

    /// The file of a version.
    #[must_use]
    pub fn file(&self, version: &Version) -> Option<&Arc<MigrationFile>> {
        self.files.iter().find(|file| &file.version == version)
    }
}
