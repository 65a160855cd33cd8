//! A migration folder, read once: files in their tool's order, with their statements and what is wrong with them.
//!
//! Most tools say everything with the names of their files (`parts`). For the others a reader of the tool's own
//! ([`Lister`], in its dialect's file) looks into them: revisions, journals, plans, changelogs (`listed`).

pub(crate) mod detect;
mod entries;
pub(crate) mod graph;
pub(crate) mod listed;
mod parts;
pub(crate) mod python;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checks;
use super::dialects::{Order, dialect, lister};
use crate::model::ledger::{Tool, Version};
use crate::text::Untrusted;

pub(crate) use entries::{Entry, read_text, read_text_as};
pub use entries::{MAX_FILE_BYTES, is_foreign};
pub(crate) use listed::{Listed, Lister, Listing};

/// A folder of one tool's migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where it was read.
    pub path: PathBuf,
    /// Whose rules it was read by.
    pub tool: Tool,
    /// Its migrations, oldest first.
    pub files: Vec<Arc<MigrationFile>>,
    /// What is odd in it: files that the tool skips, numbers that are missing.
    pub notes: Vec<Untrusted>,
    /// What its files say besides, for tools whose ledger alone does not tell it.
    pub facts: FolderFacts,
}

/// What the files of a folder say besides version and text. Empty for tools that need no more than that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderFacts {
    /// Django: the apps with files (none where the folder itself is one app's). Sqitch: the plan's project.
    pub scopes: Vec<String>,
    /// One for each file, in their order; or none at all.
    pub files: Vec<FileFacts>,
}

/// What one file says besides version and text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// What ledgers call it, where that is not its version.
    pub keys: Vec<String>,
    /// The versions directly before it.
    pub parents: Vec<Version>,
    /// The versions that it stands for together (Django's squashed migrations).
    pub replaces: Vec<Version>,
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
    /// The same below the folder, with `/`.
    pub below: String,
    /// Its place in the folder's order, 0 for the oldest.
    pub position: usize,
    /// It is a program of its tool's language: known by name, and run by its tool only.
    pub is_code: bool,
    /// The up file's text as it was read; these bytes run.
    pub sql: Arc<str>,
    /// SHA-256 of the up file's bytes.
    pub sha256: [u8; 32],
    /// What undoes it, where there is that: of the same version, with statements and findings of its own.
    pub down: Option<Arc<MigrationFile>>,
    /// What says whether it did its work, where there is such a file: see `verify`.
    pub verify: Option<Arc<MigrationFile>>,
    /// The up file's statements, split as its tool splits them.
    pub statements: Vec<Statement>,
    /// The file runs inside one transaction with its ledger row.
    pub transactional: bool,
    /// What plan time refuses or warns of.
    pub findings: Vec<Finding>,
}

impl MigrationFile {
    /// Whether it changes or locks what all tenants share (grants, roles, extensions, tables in `public`): it then runs
    /// for one tenant at a time, whatever the job's parallelism is. By its text; what a function does is not seen.
    #[must_use]
    pub fn is_one_at_a_time(&self) -> bool {
        self.findings.iter().any(|finding| checks::SHARED.contains(&finding.rule))
    }
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
    pub fn read(path: &Path, tool: Tool) -> Result<Self, FolderError> {
        let tool = match tool {
            Tool::RailsOrDbmate => Self::detect(path).unwrap_or(tool),
            named => named,
        };
        let dialect = dialect(tool);
        let Some(rules) = &dialect.files else {
            return Err(entries::error(format!(
                "migration folders of {tool} are not read yet: leave out path in [database.migrations]; the fleet is then \
                 compared with itself"
            )));
        };
        if let Some(lister) = lister(tool) {
            return listed::read(path, dialect, rules.depth, lister);
        }
        let mut notes = Vec::new();
        let mut parts = parts::sort_out(&entries::entries(path, rules.depth)?, rules, path, &mut notes)?;
        let mut versions: Vec<Version> = parts.keys().cloned().collect();
        // By name first: where the ledger's own order counts, files follow each other by their names.
        versions.sort_by(|a, b| a.raw().cmp(b.raw()));
        versions.sort_by(|a, b| dialect.order.compare(a, b));
        let mut files = Vec::with_capacity(versions.len());
        for (position, version) in versions.into_iter().enumerate() {
            if let Some(parts) = parts.remove(&version) {
                let file = parts::migration(version, parts, dialect, rules)?;
                files.push(Arc::new(MigrationFile { position, ..file }));
            }
        }
        parts::equal_keys(&files, dialect)?;
        notes.extend(parts::missing_numbers(&files));
        Ok(Self { path: path.to_owned(), tool, files, notes, facts: FolderFacts::default() })
    }

    /// Whose migrations these are, by the names of the files and, where names alone do not tell, by their first lines.
    /// `None` where it is not certain, or the folder cannot be read.
    #[must_use]
    pub fn detect(path: &Path) -> Option<Tool> {
        detect::detect(path)
    }

    /// Whether one version comes before another: by the tool's order of versions, and where there is none by the order
    /// of the files. `None` where neither tells.
    #[must_use]
    pub fn is_before(&self, a: &Version, b: &Version) -> Option<bool> {
        let dialect = dialect(self.tool);
        match dialect.order {
            Order::Number | Order::Text | Order::Parts | Order::Stamp => Some(dialect.order.compare(a, b).is_lt()),
            Order::AsListed => {
                let is = |file: &MigrationFile, version| dialect.key(&file.version) == dialect.key(version);
                let place = |version| self.files.iter().position(|file| is(file, version));
                Some(place(a)? < place(b)?)
            }
        }
    }

    /// The file of a version, exactly as the folder writes it. Where only one of Django's apps counts, its files go by
    /// their names alone, and here by app and name: then the one that `is_it`, or else the first of that name.
    pub fn find(&self, version: &str, is_it: impl Fn(&MigrationFile) -> bool) -> Option<&Arc<MigrationFile>> {
        let exactly = self.files.iter().find(|file| file.version.raw() == version);
        let of_an_app = |file: &&Arc<MigrationFile>| {
            self.tool == Tool::Django && file.version.raw().split_once('.').is_some_and(|(_, name)| name == version)
        };
        let named = || self.files.iter().filter(of_an_app);
        exactly.or_else(|| named().find(|file| is_it(file))).or_else(|| named().next())
    }

    /// The file of a version, exactly as the folder writes it.
    #[must_use]
    pub fn file(&self, version: &Version) -> Option<&Arc<MigrationFile>> {
        self.files.iter().find(|file| &file.version == version)
    }
}

#[cfg(test)]
mod code_tests;
#[cfg(test)]
mod sample_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tool_tests;
