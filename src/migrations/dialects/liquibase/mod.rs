//! Liquibase: a row per changeset, no primary key; its lock is a row beside it that survives a process that is killed.
//!
//! A changeset is known by its id, its author and its changelog's path, of which the end counts: the part before it
//! depends on where Liquibase was started.

mod document;
mod formatted;
mod xml;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::{
    Class, Dialect, FIELD, FileName, FileRules, Gap, Interner, LedgerTables, Names, Order, Parsed, Reading, SEPARATOR,
    Seen, Shape, ToolLock,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};
use crate::text::Untrusted;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Liquibase,
    shapes: &[Shape::at_least(
        &["databasechangelog"],
        &[
            ("id", "varchar*"),
            ("author", "varchar*"),
            ("filename", "varchar*"),
            ("dateexecuted", "timestamp*"),
            ("orderexecuted", "int4"),
            ("exectype", "varchar*"),
            ("md5sum", "varchar*"),
        ],
    )],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: Some(&Shape::at_least(
        &["databasechangeloglock"],
        &[("id", "int"), ("locked", "bool"), ("lockgranted", "timestamp*"), ("lockedby", "varchar*")],
    )),
    lock: ToolLock::Row,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(8, classify)),
    writing: None,
};

fn sql(tables: &LedgerTables<'_>) -> String {
    let lock = tables.companion.map_or_else(
        || "NULL".to_owned(),
        |lock| format!("(SELECT concat(k.lockedby, '{FIELD}', k.lockgranted) FROM {lock} k WHERE k.locked LIMIT 1)"),
    );
    format!(
        "SELECT string_agg(l.id || '{FIELD}' || l.author || '{FIELD}' || l.filename, '{SEPARATOR}' ORDER BY l.orderexecuted, \
         l.dateexecuted), {lock} FROM {} l WHERE l.exectype IN ('EXECUTED', 'RERAN', 'MARK_RAN')",
        tables.ledger
    )
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    let row = rows.first();
    Ok(Parsed {
        applied: interner.set(Order::AsListed, row.and_then(|row| row.text(0))),
        dirty: false,
        locked: row.and_then(|row| row.text(1)).map(locked),
    })
}

fn locked(lock: &str) -> Untrusted {
    let (by, since) = lock.split_once(FIELD).unwrap_or((lock, ""));
    format!(
        "databasechangeloglock is locked by {by} since {since}: Liquibase is migrating this schema now, or was killed \
         while it did. Until then every run waits for it and gives up. Make sure that no process migrates it, then run \
         `liquibase releaseLocks`"
    )
    .into()
}

fn history(ledger: &str) -> String {
    format!(
        "SELECT l.id || '{FIELD}' || l.author || '{FIELD}' || l.filename, nullif(l.description, ''), l.dateexecuted, false, \
         l.md5sum FROM {ledger} l WHERE l.exectype IN ('EXECUTED', 'RERAN', 'MARK_RAN') \
         ORDER BY l.orderexecuted, l.dateexecuted"
    )
}

fn classify(path: &str) -> Class {
    let stem = path.rsplit('/').next().unwrap_or(path);
    match kind(path) {
        Some(Kind::Sql) => Class::Up(FileName::new(path, stem)),
        Some(Kind::Xml | Kind::Yaml | Kind::Json) => Class::Code(FileName::new(path, stem)),
        None => Class::Other,
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Sql,
    Xml,
    Yaml,
    Json,
}

fn kind(path: &str) -> Option<Kind> {
    match path.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "sql" => Some(Kind::Sql),
        "xml" => Some(Kind::Xml),
        "yaml" | "yml" => Some(Kind::Yaml),
        "json" => Some(Kind::Json),
        _ => None,
    }
}

/// What a changelog holds, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A changeset.
    Set(ChangeSet),
    /// Another changelog.
    File { path: String, is_relative: bool },
    /// All changelogs of a folder, by name.
    Folder { path: String, is_relative: bool },
}

/// A changeset.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ChangeSet {
    id: String,
    author: String,
    /// The path that it goes by, where the changelog sets one.
    path: Option<String>,
    text: String,
    is_sql: bool,
    transactional: bool,
}

/// Reads a changelog; `Ok(None)` where the file is none.
fn items(kind: Kind, text: &str) -> Result<Option<Vec<Item>>, String> {
    match kind {
        Kind::Sql => Ok(formatted::items(text)),
        Kind::Xml => xml::items(text),
        Kind::Yaml => document::items(text, |text| serde_yaml_ng::from_str(text).map_err(|error| error.to_string())),
        Kind::Json => document::items(text, |text| serde_json::from_str(text).map_err(|error| error.to_string())),
    }
}

/// The changesets of all changelogs, each changelog where it is included; those that nobody includes by name.
pub(super) fn list(_: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut logs = Logs { entries: Vec::new(), items: Vec::new(), listing: Listing::default(), done: HashSet::new() };
    for entry in entries {
        let Some(kind) = kind(&entry.below) else { continue };
        let text = read_text(&entry.path)?;
        match items(kind, &text) {
            Ok(Some(items)) => {
                logs.entries.push(entry);
                logs.items.push(items);
            }
            Ok(None) => {}
            Err(why) => {
                let message = format!("{} is no changelog of Liquibase: {why}", entry.path.display()).into();
                return Err(FolderError { message });
            }
        }
    }
    let included: HashSet<usize> = (0..logs.entries.len())
        .flat_map(|log| logs.items[log].iter().flat_map(|item| logs.of(log, item)).collect::<Vec<_>>())
        .collect();
    for log in (0..logs.entries.len()).filter(|log| !included.contains(log)) {
        logs.add(log);
    }
    // A circle of changelogs is included by its own members only.
    for log in 0..logs.entries.len() {
        logs.add(log);
    }
    let mut listing = logs.listing;
    tell_apart(&mut listing);
    Ok(listing)
}

struct Logs {
    entries: Vec<Entry>,
    items: Vec<Vec<Item>>,
    listing: Listing,
    done: HashSet<usize>,
}

impl Logs {
    /// The changelogs that an item of this one names.
    fn of(&self, log: usize, item: &Item) -> Vec<usize> {
        let below = |index: &usize| self.entries[*index].below.as_str();
        let base = |is_relative: &bool| if *is_relative { folder_of(&self.entries[log].below) } else { "" };
        let all = (0..self.entries.len()).filter(|index| *index != log);
        match item {
            Item::Set(_) => Vec::new(),
            Item::File { path, is_relative } => {
                let wanted = joined(base(is_relative), path);
                let best = all.filter(|index| is_same_end(below(index), &wanted));
                // Several ends may fit: the longest path that does is meant.
                best.max_by_key(|index| below(index) == wanted || below(index).len() <= wanted.len())
                    .into_iter()
                    .collect()
            }
            Item::Folder { path, is_relative } => {
                let wanted = joined(base(is_relative), path.trim_end_matches('/'));
                let mut found: Vec<usize> = all
                    .filter(|index| {
                        let folder = folder_of(below(index)).trim_end_matches('/');
                        folder == wanted || folder.starts_with(&format!("{wanted}/")) || is_same_end(folder, &wanted)
                    })
                    .collect();
                found.sort_by(|a, b| below(a).cmp(below(b)));
                found
            }
        }
    }

    fn add(&mut self, log: usize) {
        if !self.done.insert(log) {
            return;
        }
        for item in std::mem::take(&mut self.items[log]) {
            let named = self.of(log, &item);
            match item {
                Item::Set(set) => {
                    let entry = self.entries[log].clone();
                    let path = set.path.clone().unwrap_or_else(|| entry.below.clone());
                    let listed = Listed::code(&set.id, &set.author, entry, Arc::from(set.text));
                    self.listing.files.push(Listed {
                        is_code: !set.is_sql,
                        transactional: set.transactional,
                        keys: vec![format!("{}{FIELD}{}{FIELD}{path}", set.id, set.author)],
                        ..listed
                    });
                }
                Item::File { path, .. } if named.is_empty() => {
                    let below = &self.entries[log].below;
                    self.listing
                        .notes
                        .push(format!("{below} includes {path}, and there is no such changelog below the folder"));
                }
                Item::File { .. } | Item::Folder { .. } => {
                    for other in named {
                        self.add(other);
                    }
                }
            }
        }
    }
}

/// A changeset is called by its id; where several have one id, by all that tells it: path, author and id.
fn tell_apart(listing: &mut Listing) {
    let mut count: HashMap<String, usize> = HashMap::new();
    for listed in &listing.files {
        *count.entry(listed.version.clone()).or_default() += 1;
    }
    let mut seen = HashSet::new();
    listing.files.retain_mut(|listed| {
        let key = listed.keys.first().cloned().unwrap_or_default();
        if count.get(&listed.version).is_some_and(|count| *count > 1) {
            listed.version = whole(&key);
        }
        seen.insert(key)
    });
}

/// As Liquibase writes it: `path::id::author`.
fn whole(entry: &str) -> String {
    let mut parts = entry.split(FIELD);
    let (id, author) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{}::{id}::{author}", parts.next().unwrap_or_default())
}

fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..=end])
}

/// A path without `.`, `..` and `classpath:`.
fn joined(base: &str, path: &str) -> String {
    let path = path.strip_prefix("classpath:").unwrap_or(path).replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether one path is the end of the other, by whole names.
fn is_same_end(a: &str, b: &str) -> bool {
    let (a, b) = (joined("", a), joined("", b));
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    !short.is_empty() && long.strip_suffix(short.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// The changeset of the folder with this id, author and end of the path; else the id, where it is of one changeset only.
pub(super) fn names(seen: &Seen<'_>) -> Names {
    let mut known: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for (file, facts) in seen.folder.iter().flat_map(|folder| folder.files.iter().zip(&folder.facts.files)) {
        for (who, path) in facts.keys.iter().filter_map(|key| key.rsplit_once(FIELD)) {
            known.entry(who.to_owned()).or_default().push((path.to_owned(), file.version.raw().to_owned()));
        }
    }
    let files: BTreeSet<String> = known.values().flatten().map(|(_, version)| version.clone()).collect();
    let mut ids: HashMap<String, BTreeSet<String>> = HashMap::new();
    for entry in seen.entries {
        if let Some((id, _)) = entry.split_once(FIELD) {
            ids.entry(id.to_owned()).or_default().insert((*entry).to_owned());
        }
    }
    let rename = move |entry: &str| {
        let (who, path) = entry.rsplit_once(FIELD).unwrap_or((entry, ""));
        let fitting = known.get(who).into_iter().flatten().filter(|(known, _)| is_same_end(known, path));
        if let Some((_, version)) = fitting.max_by_key(|(known, _)| known.len()) {
            return Some(version.clone());
        }
        let id = entry.split(FIELD).next().unwrap_or(entry);
        let is_one = ids.get(id).is_none_or(|entries| entries.len() < 2) && !files.contains(id);
        Some(if is_one { id.to_owned() } else { whole(entry) })
    };
    Names { rename: Some(Box::new(rename)), order: None, behind: Vec::new() }
}

#[cfg(test)]
mod tests;
