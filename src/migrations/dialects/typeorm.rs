//! TypeORM: a row per applied class, `CreateUsers1735732800000`: the digits at its end are its place.

use std::path::Path;
use std::sync::Arc;

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, leading_digits, rows,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::TypeOrm,
    shapes: &[
        Shape::exactly(&["migrations"], &[("id", "int"), ("timestamp", "int8"), ("name", "varchar*")]),
        // Before 0.2.
        Shape::exactly(&["migrations"], &[("timestamp", "int8"), ("name", "varchar*")]),
    ],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(2, classify)),
    writing: None,
};

/// Digits at the end of a class: milliseconds.
const STAMP: usize = 13;

/// In which order they came; the oldest ledgers have no id.
const PLACE: &str = "l.\"timestamp\", (to_jsonb(l) ->> 'id')::bigint, l.name";

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(name, '{SEPARATOR}' ORDER BY {PLACE}) FROM {ledger} l")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::AsListed, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT name, NULL, NULL, false, NULL FROM {ledger} l ORDER BY {PLACE}")
}

/// `1735732800000-CreateUsers.ts`.
fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "js" | "ts" | "cjs" | "mjs" | "cts" | "mts") || stem.ends_with(".d") {
        return Class::Other;
    }
    match leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('-')?))) {
        Some((digits, name)) => Class::Code(FileName::new(&format!("{name}{digits}"), name)),
        None => Class::Code(FileName::new(stem, stem)),
    }
}

/// The classes in the files, by their digits. A name of their own (`name = "..."` in the class) goes before the class's.
pub(super) fn list(_: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut listing = Listing::default();
    let mut stamps = Vec::new();
    for entry in entries {
        let Class::Code(file) = classify(&entry.below) else { continue };
        let text: Arc<str> = read_text(&entry.path)?.into();
        let mut names = class_names(&text);
        if names.is_empty() {
            if text.contains("MigrationInterface") && stamp(&file.version).is_some() {
                names.push(file.version.clone());
            } else {
                continue;
            }
        }
        for name in names {
            let Some((title, stamp)) = stamp(&name) else { continue };
            stamps.push((stamp, listing.files.len()));
            listing.files.push(Listed::code(&name, title, entry.clone(), Arc::clone(&text)));
        }
    }
    stamps.sort_unstable();
    let mut files: Vec<Option<Listed>> = listing.files.into_iter().map(Some).collect();
    listing.files = stamps.into_iter().filter_map(|(_, place)| files[place].take()).collect();
    Ok(listing)
}

/// The name before the digits, and the digits.
fn stamp(name: &str) -> Option<(&str, u64)> {
    let at = name.len().checked_sub(STAMP).filter(|at| name.is_char_boundary(*at))?;
    let (title, digits) = name.split_at(at);
    Some((title, digits.parse().ok()?))
}

/// Names of classes that end in digits, and names that such classes give themselves.
fn class_names(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$')).collect()
    };
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("//") || line.starts_with('*') {
            continue;
        }
        let class = line.split("class ").nth(1).map(word).filter(|name| stamp(name).is_some());
        if let Some(name) = class.filter(|name| !names.contains(name)) {
            names.push(name);
        }
        let own = line.trim_start_matches("readonly ").strip_prefix("name").map(str::trim_start);
        let quoted = own.and_then(|rest| rest.split(['"', '\'', '`']).nth(1)).filter(|_| {
            own.is_some_and(|rest| rest.starts_with('=') || rest.starts_with(": string") || rest.starts_with(":string"))
        });
        if let (Some(name), Some(last)) = (quoted.filter(|name| stamp(name).is_some()), names.last_mut()) {
            *last = name.to_owned();
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_found_by_their_digits() {
        assert_eq!(
            class_names("export class CreateUsers1735732800000 implements MigrationInterface {"),
            ["CreateUsers1735732800000"]
        );
        assert_eq!(
            class_names("module.exports = class Init1735732800000 {\n  name = 'Renamed1735732800001'\n}"),
            ["Renamed1735732800001"]
        );
        assert_eq!(class_names("class Helper {}\n// class Old1735732800000"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(class |name|=| |'|é|1735732800000|A|\n|//){0,30}") {
            for name in class_names(&text) {
                prop_assert!(stamp(&name).is_some());
            }
        }
    }
}
