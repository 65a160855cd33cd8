//! Files that belong together: up, down, settings or program of one version, found by their names alone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::entries::{Entry, error, read_text};
use super::{Finding, FolderError, MigrationFile, Statement};
use crate::migrations::checks;
use crate::migrations::dialects::{Class, Dialect, FileName, FileRules, Objection, Order};
use crate::model::ledger::Version;
use crate::text::Untrusted;

/// The files of one migration.
#[derive(Default)]
pub(super) struct Parts {
    name: String,
    up: Option<Entry>,
    down: Option<Entry>,
    settings: Option<Entry>,
    code: Option<Entry>,
}

/// Groups files by version.
pub(super) fn sort_out(
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

pub(super) fn two_of_one(version: &str, first: &Path, second: &Path) -> FolderError {
    error(format!(
        "two files have the version {version}: {} and {}; give one of them another number",
        first.display(),
        second.display()
    ))
}

/// `1` and `001` are one version for some tools.
pub(super) fn equal_keys(files: &[Arc<MigrationFile>], dialect: &Dialect) -> Result<(), FolderError> {
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
pub(super) fn missing_numbers(files: &[Arc<MigrationFile>]) -> Option<Untrusted> {
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

pub(super) fn migration(
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
pub(super) fn bare(version: Version, name: Untrusted, entry: Entry, sql: Arc<str>) -> MigrationFile {
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
