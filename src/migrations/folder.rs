//! A migration folder, read once: files in their tool's order, with their statements and what is wrong with them.

mod detect;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::checks;
use super::dialects::{Class, Dialect, FileName, FileRules, Objection, Order, dialect};
use crate::model::ledger::{Tool, Version};
use crate::text::Untrusted;

/// The largest file that is read: 50 MiB. Data of that size belongs into a load, not into a migration.
pub const MAX_FILE_BYTES: u64 = 50 * 1024 * 1024;

/// The most files below a folder; more means that the path is wrong.
const MAX_ENTRIES: usize = 20_000;

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

/// A path below the folder, with `/`, and where it is.
#[derive(Clone)]
struct Entry {
    below: String,
    path: PathBuf,
}

/// The files of one migration.
#[derive(Default)]
struct Parts {
    name: String,
    up: Option<Entry>,
    down: Option<Entry>,
    settings: Option<Entry>,
    code: Option<Entry>,
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
            return Err(error(format!(
                "migration folders of {tool} are not read yet: leave out path in [database.migrations]; the fleet is then \
                 compared with itself"
            )));
        };
        let mut notes = Vec::new();
        let mut parts = sort_out(&entries(path, rules.depth)?, rules, path, &mut notes)?;
        let mut versions: Vec<Version> = parts.keys().cloned().collect();
        versions.sort_by(|a, b| dialect.order.compare(a, b));
        let mut files = Vec::with_capacity(versions.len());
        for (position, version) in versions.into_iter().enumerate() {
            if let Some(parts) = parts.remove(&version) {
                let file = migration(version, parts, dialect, rules)?;
                files.push(Arc::new(MigrationFile { position, ..file }));
            }
        }
        equal_keys(&files, dialect)?;
        notes.extend(missing_numbers(&files));
        Ok(Self { path: path.to_owned(), tool, files, notes })
    }

    /// The file of a version, exactly as the folder writes it.
    #[must_use]
    pub fn file(&self, version: &Version) -> Option<&Arc<MigrationFile>> {
        self.files.iter().find(|file| &file.version == version)
    }
}

fn error(text: String) -> FolderError {
    FolderError { message: text.into() }
}

/// All files below the folder, down to this depth, sorted; hidden ones are left out (editors' and Kubernetes' own).
/// A link to a file is a file; a link to a folder is not followed, so that no circle is.
fn entries(folder: &Path, depth: usize) -> Result<Vec<Entry>, FolderError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new(), depth)];
    while let Some((at, below, depth)) = folders.pop() {
        let listing = fs::read_dir(&at).map_err(|cause| cannot_list(&at, &cause, below.is_empty()))?;
        for entry in listing {
            let entry = entry.map_err(|cause| cannot_list(&at, &cause, false))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(error(format!(
                    "{}: the file name {} is not UTF-8; rename it",
                    at.display(),
                    name.display()
                )));
            };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(|cause| cannot_read(&path, &cause))?;
            if kind.is_dir() {
                if depth > 1 {
                    folders.push((path, format!("{below}{name}/"), depth - 1));
                }
            } else {
                found.push(Entry { below: format!("{below}{name}"), path });
            }
            if found.len() > MAX_ENTRIES {
                return Err(error(format!(
                    "{} holds more than {MAX_ENTRIES} files; is it the migration folder?",
                    folder.display()
                )));
            }
        }
    }
    found.sort_by(|a, b| a.below.cmp(&b.below));
    Ok(found)
}

fn cannot_list(path: &Path, cause: &std::io::Error, is_root: bool) -> FolderError {
    let hint = match cause.kind() {
        std::io::ErrorKind::NotFound if is_root => "; correct path in [database.migrations], or make the folder",
        std::io::ErrorKind::PermissionDenied => "; let this user list it",
        _ => "",
    };
    error(format!("the migration folder {} cannot be read: {cause}{hint}", path.display()))
}

fn cannot_read(path: &Path, cause: &std::io::Error) -> FolderError {
    error(format!("the migration file {} cannot be read: {cause}", path.display()))
}

/// Groups files by version.
fn sort_out(
    entries: &[Entry],
    rules: &FileRules,
    folder: &Path,
    notes: &mut Vec<Untrusted>,
) -> Result<HashMap<Version, Parts>, FolderError> {
    let mut found: HashMap<Version, Parts> = HashMap::new();
    for entry in entries {
        let (FileName { version, name }, slot): (FileName, fn(&mut Parts) -> &mut Option<Entry>) =
            match (rules.classify)(&entry.below) {
                Class::Up(name) => (name, |parts| &mut parts.up),
                Class::Down(name) => (name, |parts| &mut parts.down),
                Class::Settings(name) => (name, |parts| &mut parts.settings),
                Class::Code(name) => (name, |parts| &mut parts.code),
                Class::Other => continue,
                Class::Strange(why) => {
                    notes.push(format!("{} is left out: {why}", entry.below).into());
                    continue;
                }
            };
        let parts =
            found.entry(Version::new(&version)).or_insert_with(|| Parts { name: name.clone(), ..Parts::default() });
        if parts.name != name {
            return Err(error(format!(
                "{}: two migrations have the version {version}: {} and {name}; give one of them another number",
                folder.display(),
                parts.name
            )));
        }
        let slot = slot(parts);
        if let Some(first) = slot {
            return Err(two_of_one(&version, &first.path, &entry.path));
        }
        *slot = Some(entry.clone());
    }
    Ok(found)
}

fn two_of_one(version: &str, first: &Path, second: &Path) -> FolderError {
    error(format!(
        "two files have the version {version}: {} and {}; give one of them another number",
        first.display(),
        second.display()
    ))
}

/// `1` and `001` are one version for some tools.
fn equal_keys(files: &[Arc<MigrationFile>], dialect: &Dialect) -> Result<(), FolderError> {
    let mut seen: HashMap<&str, &MigrationFile> = HashMap::new();
    for file in files {
        if let Some(first) = seen.insert(dialect.key(&file.version), file) {
            return Err(two_of_one(file.version.raw(), &first.path, &file.path));
        }
    }
    // `1.01` and `1.1` have no common writing, but one place.
    let one_place = |pair: &&[Arc<MigrationFile>]| dialect.order.compare(&pair[0].version, &pair[1].version).is_eq();
    match files.windows(2).find(one_place).filter(|_| dialect.order == Order::Parts) {
        Some(pair) => Err(two_of_one(pair[1].version.raw(), &pair[0].path, &pair[1].path)),
        None => Ok(()),
    }
}

/// Small numbers that count up by one and leave some out: probably a file was forgotten. Stamps of time do not count.
fn missing_numbers(files: &[Arc<MigrationFile>]) -> Option<Untrusted> {
    let mut numbers: Vec<u64> = files.iter().map(|file| file.version.raw().parse().ok()).collect::<Option<_>>()?;
    numbers.sort_unstable();
    if numbers.last().is_none_or(|last| *last >= 100_000) {
        return None;
    }
    let gaps: Vec<&[u64]> = numbers.windows(2).filter(|pair| pair[0].saturating_add(1) < pair[1]).collect();
    // Numbers in tens or hundreds are a habit, not a gap.
    if gaps.is_empty() || gaps.len() * 4 > numbers.len() {
        return None;
    }
    let missing: Vec<String> =
        gaps.iter().flat_map(|pair| pair[0] + 1..pair[1]).take(10).map(|n| n.to_string()).collect();
    Some(format!("no file has the number {}: was one forgotten?", missing.join(", ")).into())
}

fn migration(
    version: Version,
    parts: Parts,
    dialect: &Dialect,
    rules: &FileRules,
) -> Result<MigrationFile, FolderError> {
    let name = Untrusted::from(parts.name);
    if let Some(code) = parts.code {
        if let Some(up) = parts.up {
            return Err(two_of_one(version.raw(), &code.path, &up.path));
        }
        let text: Arc<str> = read_text(&code.path)?.into();
        let findings = dialect.writing.as_ref().map(|_| checks::code(&code.path)).into_iter().collect();
        return Ok(MigrationFile { is_code: true, findings, ..bare(version, name, code, text) });
    }
    let Some(up) = parts.up else {
        let only = parts.down.or(parts.settings).map(|entry| entry.path).unwrap_or_default();
        return Err(error(format!("version {} has no up file: there is only {}", version.raw(), only.display())));
    };
    let settings = parts.settings.map(|entry| read_text(&entry.path)).transpose()?;
    let sql: Arc<str> = read_text(&up.path)?.into();
    let script = |entry: Entry, sql: Arc<str>, statements: Vec<Statement>, transactional: bool| {
        let mut findings = checks::check(&sql, &statements, transactional);
        // Files that are not run here are not objected to.
        let objections = dialect.writing.as_ref().map(|writing| (writing.objections)(&sql)).unwrap_or_default();
        findings.extend(objections.into_iter().map(Finding::from));
        MigrationFile { statements, transactional, findings, ..bare(version.clone(), name.clone(), entry, sql) }
    };
    let transactional = |sql: &str| (rules.transactional)(sql, settings.as_deref());
    let down = match (parts.down, rules.down_pieces) {
        (Some(down), _) => {
            let text: Arc<str> = read_text(&down.path)?.into();
            let (statements, transactional) = ((rules.pieces)(&text), transactional(&text));
            Some(script(down, text, statements, transactional))
        }
        (None, Some(part)) => {
            part(&sql).map(|part| script(up.clone(), Arc::clone(&sql), part.pieces, part.transactional))
        }
        (None, None) => None,
    };
    let (statements, transactional) = ((rules.pieces)(&sql), transactional(&sql));
    Ok(MigrationFile { down: down.map(Arc::new), ..script(up, sql, statements, transactional) })
}

impl From<Objection> for Finding {
    fn from(Objection { rule, line, message }: Objection) -> Self {
        Self { rule, refuses: true, line, message: message.into() }
    }
}

/// A migration of which only the bytes are known so far.
fn bare(version: Version, name: Untrusted, entry: Entry, sql: Arc<str>) -> MigrationFile {
    MigrationFile {
        version,
        name,
        path: entry.path,
        below: entry.below,
        position: 0,
        is_code: false,
        sha256: Sha256::digest(sql.as_bytes()).into(),
        sql,
        down: None,
        verify: None,
        statements: Vec::new(),
        transactional: true,
        findings: Vec::new(),
    }
}

/// The text of a file, byte for byte: read once, and what was read is what is hashed and what runs.
pub(super) fn read_text(path: &Path) -> Result<String, FolderError> {
    let kind = fs::metadata(path).map_err(|cause| cannot_read(path, &cause))?;
    if !kind.is_file() {
        return Err(error(format!("{} is no ordinary file", path.display())));
    }
    let file = fs::File::open(path).map_err(|cause| cannot_read(path, &cause))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| cannot_read(path, &cause))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(error(format!(
            "{} is larger than {} MiB: load data of that size apart from migrations",
            path.display(),
            MAX_FILE_BYTES / 1024 / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|cause| {
        let at = cause.utf8_error().valid_up_to();
        let line = 1 + cause.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        error(format!("{}:{line}: not UTF-8 at byte {at}; save the file as UTF-8", path.display()))
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tool_tests;
