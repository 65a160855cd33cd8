//! Whose migration folder it is, by its files.

use std::path::Path;

use super::{Entry, Folder, entries, read_text};
use crate::migrations::dialects::{Class, dialect};
use crate::model::ledger::Tool;

impl Folder {
    /// Whose migrations these are, by the names of the files and, where names alone do not tell, by their first lines.
    /// `None` where it is not certain, or the folder cannot be read.
    #[must_use]
    pub fn detect(path: &Path) -> Option<Tool> {
        let entries = entries(path, 2).ok()?;
        let claims = |tool: Tool| {
            dialect(tool).files.as_ref().is_some_and(|rules| {
                entries
                    .iter()
                    .filter(|entry| entry.below.matches('/').count() < rules.depth)
                    .any(|entry| matches!((rules.classify)(&entry.below), Class::Up(_) | Class::Code(_)))
            })
        };
        if claims(Tool::Rails) {
            return Some(Tool::Rails);
        }
        if claims(Tool::Migratus) {
            return Some(Tool::Migratus);
        }
        if claims(Tool::Prisma) {
            return Some(Tool::Prisma);
        }
        if claims(Tool::Diesel) && !claims(Tool::Sqlx) {
            return Some(Tool::Diesel);
        }
        if claims(Tool::Flyway) || claims(Tool::Refinery) {
            return of_v_files(&entries);
        }
        let sql: Vec<_> =
            entries.iter().filter(|entry| !entry.below.contains('/') && entry.below.ends_with(".sql")).collect();
        let first = sql.first()?;
        if let Some(tool) = by_text(&read_text(&first.path).ok()?) {
            return Some(tool);
        }
        // `<digits>_<name>.up.sql` may be sqlx's or golang-migrate's; without `.up` it is sqlx's.
        let plain = sql.iter().all(|entry| !entry.below.ends_with(".up.sql") && !entry.below.ends_with(".down.sql"));
        (plain && claims(Tool::Sqlx)).then_some(Tool::Sqlx)
    }
}

/// The markers that only one tool has.
fn by_text(text: &str) -> Option<Tool> {
    if text.lines().any(|line| line.starts_with("-- migrate:up")) {
        return Some(Tool::Dbmate);
    }
    if text.lines().any(|line| line.starts_with("-- +goose")) {
        return Some(Tool::Goose);
    }
    let is_marker = |line: &str| line.trim_end().eq_ignore_ascii_case("-- up migration");
    text.lines().any(is_marker).then_some(Tool::NodePgMigrate)
}

/// `V1__name.sql` may be Flyway's or refinery's; what only one of them has decides.
fn of_v_files(entries: &[Entry]) -> Option<Tool> {
    let names = || entries.iter().map(|entry| entry.below.rsplit('/').next().unwrap_or(&entry.below));
    if names().any(|name| name.starts_with("R__") || name.ends_with(".sql.conf") || name.ends_with(".java")) {
        return Some(Tool::Flyway);
    }
    // A U file of the same version undoes the V file.
    let undoes = |name: &str| {
        let version = name.strip_prefix('U').and_then(|rest| rest.split_once("__")).map(|(version, _)| version);
        version.is_some_and(|version| names().any(|name| name.starts_with(&format!("V{version}__"))))
    };
    if names().any(undoes) {
        return Some(Tool::Flyway);
    }
    let is = |tool: Tool, name: &str| {
        dialect(tool)
            .files
            .as_ref()
            .is_some_and(|rules| matches!((rules.classify)(name), Class::Up(_) | Class::Code(_)))
    };
    let only = |one: Tool, other: Tool| names().any(|name| is(one, name) && !is(other, name));
    match (only(Tool::Flyway, Tool::Refinery), only(Tool::Refinery, Tool::Flyway)) {
        (true, false) => Some(Tool::Flyway),
        (false, true) => Some(Tool::Refinery),
        (true, true) | (false, false) => None,
    }
}
