//! Sqitch: `changes` is what is deployed now, `events` what happened; by default in one schema `sqitch` for the whole
//! database. A change is known by its id, which follows from the plan's text.

mod plan;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::{
    Class, Dialect, FIELD, FileName, FileRules, Gap, Interner, LedgerTables, LockPlace, Names, Order, Parsed, Reading,
    SEPARATOR, Seen, Shape, ToolLock,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, MigrationFile, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Sqitch,
    shapes: &[Shape::at_least(
        &["changes"],
        &[
            ("change_id", "text"),
            ("script_hash", "text"),
            ("change", "text"),
            ("project", "text"),
            ("committed_at", "timestamptz"),
        ],
    )],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::ByGraph,
    companion: Some(&Shape::at_least(
        &["events"],
        &[("event", "text"), ("change_id", "text"), ("change", "text"), ("committed_at", "timestamptz")],
    )),
    lock: ToolLock::Database(key),
    reading: Reading { sql, parse, history, checksum: Some(checksum), position_only: false },
    files: Some(FileRules::not_run(4, classify)),
    writing: None,
};

/// One number for every database.
fn key(_: &LockPlace<'_>) -> i64 {
    75_474_063
}

const ENTRY: &str = "c.change || '\u{1f}' || c.project || '\u{1f}' || c.change_id";

fn sql(tables: &LedgerTables<'_>) -> String {
    let event = tables.companion.map_or_else(
        || "NULL".to_owned(),
        |events| format!("(SELECT e.event::text FROM {events} e ORDER BY e.committed_at DESC LIMIT 1)"),
    );
    format!("SELECT string_agg({ENTRY}, '{SEPARATOR}' ORDER BY c.committed_at), {event} FROM {} c", tables.ledger)
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    let row = rows.first();
    Ok(Parsed {
        applied: interner.set(Order::AsListed, row.and_then(|row| row.text(0))),
        dirty: row.and_then(|row| row.text(1)) == Some("fail"),
        locked: None,
    })
}

fn history(ledger: &str) -> String {
    format!(
        "SELECT {ENTRY}, nullif(to_jsonb(c) ->> 'note', ''), c.committed_at, false, c.script_hash FROM {ledger} c \
         ORDER BY c.committed_at"
    )
}

/// Sqitch hashes the deploy script as it is.
fn checksum(file: &MigrationFile) -> String {
    sha1_smol::Sha1::from(file.sql.as_bytes()).digest().to_string()
}

fn classify(path: &str) -> Class {
    match path.strip_prefix("deploy/").and_then(|path| path.strip_suffix(".sql")) {
        Some(change) => Class::Up(FileName::new(change, change)),
        None => Class::Other,
    }
}

/// The changes of `sqitch.plan`, in its order.
pub(super) fn list(path: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut listing = Listing::default();
    let find = |below: &str| entries.iter().find(|entry| entry.below == below);
    let Some(file) = find("sqitch.plan") else {
        listing.notes.push(format!("{} has no sqitch.plan: there are no changes", path.display()));
        return Ok(listing);
    };
    let plan = plan::parse(&read_text(&file.path)?)
        .map_err(|why| FolderError { message: format!("{}{why}", file.path.display()).into() })?;
    for change in &plan.changes {
        let below = format!("deploy/{}.sql", change.version);
        let Some(deploy) = find(&below) else {
            listing.notes.push(format!("the plan has {}, and there is no {below}", change.version));
            continue;
        };
        let text: Arc<str> = read_text(&deploy.path)?.into();
        let name = if change.note.is_empty() { &change.name } else { &change.note };
        let listed = Listed::code(&change.version, name, deploy.clone(), text);
        let down = find(&format!("revert/{}.sql", change.version))
            .map(|revert| read_text(&revert.path).map(|text| Box::new((revert.clone(), text.into()))))
            .transpose()?;
        listing.files.push(Listed { is_code: false, keys: vec![change.id.clone()], down, ..listed });
    }
    listing.scopes = vec![plan.project];
    Ok(listing)
}

/// The change of the plan with this id; where the plan was edited since, the one of this name. Only the plan's project
/// counts; without a plan, a name is told with its project where there are several.
pub(super) fn names(seen: &Seen<'_>) -> Names {
    let projects: BTreeSet<&str> = seen.entries.iter().filter_map(|entry| entry.split(FIELD).nth(1)).collect();
    let is_one = projects.len() < 2;
    let project = seen.folder.and_then(|folder| folder.facts.scopes.first().cloned());
    let mut by_id: HashMap<String, String> = HashMap::new();
    for (file, facts) in seen.folder.iter().flat_map(|folder| folder.files.iter().zip(&folder.facts.files)) {
        by_id.extend(facts.keys.iter().map(|id| (id.clone(), file.version.raw().to_owned())));
    }
    let rename = move |entry: &str| {
        let mut parts = entry.split(FIELD);
        let (change, of, id) = (parts.next()?, parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match &project {
            Some(project) if project != of => None,
            Some(_) => Some(by_id.get(id).map_or(change, String::as_str).to_owned()),
            None if is_one => Some(change.to_owned()),
            None => Some(format!("{of}:{change}")),
        }
    };
    Names { rename: Some(Box::new(rename)), order: None, behind: Vec::new() }
}
