//! Drizzle: a row per applied file, by default in one schema `drizzle` for the whole database. A row holds the file's
//! stamp in the journal, by which its name is found. Only the newest stamp is compared: an older file is never applied.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::rows::Columns;
use super::{
    Class, Dialect, FIELD, FileName, FileRules, Gap, Interner, LedgerTables, Names, Order, Parsed, Reading, SEPARATOR,
    Seen, Shape, ToolLock, hex, rows, without_stamp,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, MigrationFile, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Drizzle,
    shapes: &[Shape {
        optional: &["name", "applied_at"],
        ..Shape::exactly(&["__drizzle_migrations"], &[("id", "int"), ("hash", "text"), ("created_at", "int8")])
    }],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::NeverApplied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: Some(checksum), position_only: false },
    files: Some(FileRules::not_run(2, classify)),
    writing: None,
};

/// Newer ledgers have the name, too.
fn entry() -> String {
    format!("l.created_at::text || coalesce('{FIELD}' || (to_jsonb(l) ->> 'name'), '')")
}

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg({}, '{SEPARATOR}' ORDER BY l.created_at, l.id) FROM {ledger} l", entry())
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::AsListed, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!(
        "SELECT {}, NULL, to_jsonb(l) ->> 'applied_at', false, l.hash FROM {ledger} l ORDER BY l.created_at, l.id",
        entry()
    )
}

fn checksum(file: &MigrationFile) -> String {
    hex(&Sha256::digest(file.sql.as_bytes()))
}

fn classify(path: &str) -> Class {
    match path.rsplit_once('/') {
        None => match path.strip_suffix(".sql") {
            Some(tag) => Class::Up(FileName::new(tag, without_stamp(tag))),
            None => Class::Other,
        },
        // Since 1.0 a folder for each, and no journal.
        Some((folder, "migration.sql")) => Class::Up(FileName::new(folder, without_stamp(folder))),
        Some(_) => Class::Other,
    }
}

#[derive(Deserialize)]
struct Journal {
    entries: Vec<JournalEntry>,
}

#[derive(Deserialize)]
struct JournalEntry {
    when: i64,
    tag: String,
}

/// What the journal lists, by its stamps. A file that the journal does not list is never applied.
pub(super) fn list(path: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut listing = Listing::default();
    let journal = entries.iter().find(|entry| entry.below == "meta/_journal.json").cloned();
    let stamps = journal.as_ref().map(|journal| stamps(&journal.path)).transpose()?;
    let mut files: HashMap<String, (FileName, Entry)> = HashMap::new();
    let mut tags = Vec::new();
    for entry in entries {
        if let Class::Up(name) = classify(&entry.below) {
            tags.push((String::new(), name.version.clone()));
            files.insert(name.version.clone(), (name, entry));
        }
    }
    let is_journaled = stamps.is_some();
    for (stamp, tag) in stamps.unwrap_or(tags) {
        let Some((name, entry)) = files.remove(&tag) else {
            listing.notes.push(format!("{}: the journal lists {tag}, and there is no such file", path.display()));
            continue;
        };
        let text: Arc<str> = read_text(&entry.path)?.into();
        let listed = Listed::code(&name.version, &name.name, entry, text);
        let keys = if is_journaled { vec![stamp] } else { Vec::new() };
        listing.files.push(Listed { is_code: false, keys, ..listed });
    }
    let mut left: Vec<String> = files.into_keys().collect();
    left.sort_unstable();
    listing.notes.extend(left.iter().map(|tag| format!("{tag} is left out: it is not in the journal")));
    Ok(listing)
}

fn stamps(path: &Path) -> Result<Vec<(String, String)>, FolderError> {
    let text = read_text(path)?;
    let mut journal: Journal = serde_json::from_str(&text).map_err(|cause| FolderError {
        message: format!("{} is no journal of Drizzle: {cause}", path.display()).into(),
    })?;
    journal.entries.sort_by_key(|entry| entry.when);
    Ok(journal.entries.into_iter().map(|entry| (entry.when.to_string(), entry.tag)).collect())
}

/// The journal's tag; else the name that a newer ledger holds; else the stamp.
pub(super) fn names(seen: &Seen<'_>) -> Names {
    let mut tags: HashMap<String, String> = HashMap::new();
    for (file, facts) in seen.folder.iter().flat_map(|folder| folder.files.iter().zip(&folder.facts.files)) {
        tags.extend(facts.keys.iter().map(|stamp| (stamp.clone(), file.version.raw().to_owned())));
    }
    let rename = move |entry: &str| {
        let (stamp, name) = entry.split_once(FIELD).unwrap_or((entry, ""));
        let told = if name.is_empty() { stamp } else { name };
        Some(tags.get(stamp).map_or(told, String::as_str).to_owned())
    };
    Names { rename: Some(Box::new(rename)), order: None, behind: Vec::new() }
}
