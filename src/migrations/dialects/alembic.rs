//! Alembic: a row per head. There is no history; what is applied is known from the graph of the files.

use std::path::Path;
use std::sync::Arc;

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Names, Order, Parsed, Reading, SEPARATOR, Seen,
    Shape, ToolLock, rows,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, python, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Alembic,
    shapes: &[Shape::exactly(&["alembic_version"], &[("version_num", "varchar*")])],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::ByGraph,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: true },
    files: Some(FileRules::not_run(3, classify)),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version_num, '{SEPARATOR}' ORDER BY version_num) FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::AsListed, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT version_num, NULL, NULL, false, NULL FROM {ledger} ORDER BY version_num")
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    match file.strip_suffix(".py") {
        Some(stem) if !matches!(stem, "env" | "__init__") => {
            let (revision, name) = stem.split_once('_').unwrap_or((stem, stem));
            Class::Code(FileName::new(revision, name))
        }
        Some(_) | None => Class::Other,
    }
}

/// Files with a revision, each behind what it names. A merge names several; several files may name one: a branch.
pub(super) fn list(_: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut listing = Listing { by_graph: true, ..Listing::default() };
    for entry in entries {
        let Class::Code(file) = classify(&entry.below) else { continue };
        let text: Arc<str> = read_text(&entry.path)?.into();
        let found = python::assignments(&text, &["revision", "down_revision", "depends_on"]);
        let value = |name: &str| found.iter().find(|one| one.top && one.name == name).map(|one| &one.value);
        let Some(revision) = value("revision").and_then(python::Value::text) else {
            if value("down_revision").is_some() {
                listing.notes.push(format!("{} is left out: its revision is no plain text", entry.below));
            }
            continue;
        };
        let mut listed = Listed::code(revision, &file.name, entry, Arc::clone(&text));
        let behind = ["down_revision", "depends_on"].into_iter().filter_map(value).flat_map(python::Value::texts);
        listed.parents = behind.map(str::to_owned).collect();
        listing.files.push(listed);
    }
    whole_names(&mut listing);
    listing.notes.extend(heads(&listing));
    Ok(listing)
}

/// Alembic takes the start of a revision for the whole where it is of one only.
fn whole_names(listing: &mut Listing) {
    let names: Vec<String> = listing.files.iter().map(|listed| listed.version.clone()).collect();
    for parent in listing.files.iter_mut().flat_map(|listed| &mut listed.parents) {
        if !names.contains(parent) {
            let mut whole = names.iter().filter(|name| name.starts_with(parent.as_str()));
            if let (Some(one), None) = (whole.next(), whole.next()) {
                one.clone_into(parent);
            }
        }
    }
}

/// What the operator should know of branches that were not merged.
fn heads(listing: &Listing) -> Option<String> {
    let is_head = |version: &String| !listing.files.iter().any(|listed| listed.parents.contains(version));
    let heads: Vec<&str> = listing
        .files
        .iter()
        .map(|listed| &listed.version)
        .filter(|version| is_head(version))
        .map(String::as_str)
        .collect();
    (heads.len() > 1).then(|| {
        format!(
            "these revisions have {} heads ({}): `alembic upgrade head` refuses; merge them, or upgrade to `heads`",
            heads.len(),
            heads.join(", ")
        )
    })
}

/// The current one of several heads is the one that comes last in the files.
pub(super) fn names(seen: &Seen<'_>) -> Names {
    let order = seen.folder.map(|folder| folder.files.iter().map(|file| file.version.raw().to_owned()).collect());
    Names { rename: None, order, behind: Vec::new() }
}
