//! dbmate: a row per applied version; up and down are two sections of one file.

use super::rows::{self, Columns, lines};
use super::{
    Class, Dialect, DownPart, FileName, FileRules, Gap, Objection, Order, Reading, Shape, ToolLock, Writing,
    leading_digits, rails,
};
use crate::migrations::folder::{MigrationFile, Statement};
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Dbmate,
    // Before April 2025 the column had a length. Now it has none, as with Rails: told apart in `recognise`.
    shapes: &[
        Shape { primary_key: Some(true), ..Shape::exactly(&["schema_migrations"], &[("version", "varchar(128)")]) },
        Shape { primary_key: Some(true), ..Shape::exactly(&["schema_migrations"], &[("version", "varchar(255)")]) },
    ],
    order: Order::Text,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading {
        sql: rails::sql,
        parse: |rows, interner| Ok(rows::parsed(rows, interner, Order::Text, Columns::default())),
        history: rails::history,
        checksum: None,
        position_only: false,
    },
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: |text| up(text).map(|part| part.pieces(text)).unwrap_or_default(),
        transactional: |text, _| up(text).is_none_or(|part| part.transactional()),
        down_pieces: Some(|text| {
            down(text).map(|part| DownPart { pieces: part.pieces(text), transactional: part.transactional() })
        }),
    }),
    writing: Some(Writing {
        table: "schema_migrations",
        objections,
        create_ledger: |ledger| format!("CREATE TABLE {} (version varchar PRIMARY KEY)", ledger.quoted()),
        before: rows::nothing,
        after: rows::nothing,
        is_applied: |ledger, file| rows::exists(ledger, &is(file)),
        applied,
        undone: |ledger, file, _| rows::delete(ledger, &is(file)),
    }),
};

fn classify(path: &str) -> Class {
    let Some(stem) = path.strip_suffix(".sql") else { return Class::Other };
    match leading_digits(stem) {
        Some((digits, rest)) => Class::Up(FileName::new(digits, rest.trim_start_matches('_'))),
        None => Class::Other,
    }
}

/// A section: its marker's options, and where its text begins and ends.
struct Part<'t> {
    options: &'t str,
    marker: usize,
    from: usize,
    to: usize,
}

impl Part<'_> {
    fn pieces(&self, text: &str) -> Vec<Statement> {
        split::piece(text, self.from, &text[self.from..self.to]).into_iter().collect()
    }

    fn transactional(&self) -> bool {
        !self.options.split_whitespace().any(|option| option == "transaction:false")
    }
}

/// The first line `-- migrate:<direction>`, and what is behind it.
fn section<'t>(text: &'t str, direction: &str) -> Option<Part<'t>> {
    lines(text).find_map(|(offset, _, line)| {
        let options = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?.strip_prefix(direction)?;
        let next = text[offset..].find('\n').map_or(text.len(), |end| offset + end + 1);
        (options.is_empty() || options.starts_with(char::is_whitespace)).then_some(Part {
            options,
            marker: offset,
            from: next,
            to: text.len(),
        })
    })
}

/// From the marker of up to that of down.
fn up(text: &str) -> Option<Part<'_>> {
    let part = section(text, "up")?;
    let to = section(text, "down").map_or(text.len(), |down| down.marker);
    // In the wrong order it is refused; until then it runs to the end.
    Some(if to < part.from { part } else { Part { to, ..part } })
}

fn down(text: &str) -> Option<Part<'_>> {
    section(text, "down")
}

/// What dbmate stops at.
fn objections(text: &str) -> Vec<Objection> {
    let object = |offset: usize, message: &str| {
        let line = 1 + text[..offset].bytes().filter(|byte| *byte == b'\n').count();
        vec![Objection::sections(u32::try_from(line).unwrap_or(u32::MAX), message)]
    };
    let Some(up) = section(text, "up") else {
        return object(0, "there is no line -- migrate:up; dbmate stops at this file");
    };
    let Some(down) = section(text, "down") else {
        return object(0, "there is no line -- migrate:down; dbmate stops at this file. The section may be empty");
    };
    if down.marker < up.marker {
        return object(down.marker, "-- migrate:down stands before -- migrate:up; dbmate stops at this file");
    }
    let stray = lines(text).take_while(|(offset, _, _)| *offset < up.marker).find(|(_, _, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("--")
    });
    stray.map_or_else(Vec::new, |(offset, _, _)| {
        object(offset, "stands before -- migrate:up and belongs to no section; dbmate stops at this file")
    })
}

fn is(file: &MigrationFile) -> String {
    format!("version = {}", literal(file.version.raw()))
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!("INSERT INTO {} (version) VALUES ({})", ledger.quoted(), literal(file.version.raw()))
}
