//! dbmate: a row per applied version; up and down are two sections of one file.

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, Order, Parsed, Reading, Shape, ToolLock, leading_digits, rails,
};
use crate::migrations::folder::Statement;
use crate::migrations::split;
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

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
    reading: Some(Reading { sql: rails::sql, parse, history: rails::history, checksum: None, position_only: false }),
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces,
        transactional: |text, _| !marker_line(text).is_some_and(|line| line.contains("transaction:false")),
        down_pieces: Some(|text| {
            section(text, DOWN).map(|(from, part)| split::piece(text, from, part).into_iter().collect())
        }),
    }),
    writing: None,
};

const UP: &str = "-- migrate:up";
const DOWN: &str = "-- migrate:down";

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(Parsed {
        applied: interner.set(Order::Text, rows.first().and_then(|row| row.text(0))),
        dirty: false,
        locked: None,
    })
}

fn classify(path: &str) -> Class {
    let Some(stem) = path.strip_suffix(".sql") else { return Class::Other };
    match leading_digits(stem) {
        Some((digits, rest)) => Class::Up(FileName::new(digits, rest.trim_start_matches('_'))),
        None => Class::Other,
    }
}

/// The line that opens the up section, with its options.
fn marker_line(text: &str) -> Option<&str> {
    text.lines().find(|line| line.starts_with(UP))
}

/// The offset and text of a section: from behind its marker's line to the next marker or the end.
fn section<'t>(text: &'t str, marker: &str) -> Option<(usize, &'t str)> {
    let mut start = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        match start {
            None if line.starts_with(marker) => start = Some(offset + line.len()),
            Some(from) if line.starts_with("-- migrate:") => return Some((from, &text[from..offset])),
            None | Some(_) => {}
        }
        offset += line.len();
    }
    start.map(|from| (from, &text[from..]))
}

fn pieces(text: &str) -> Vec<Statement> {
    section(text, UP).and_then(|(from, part)| split::piece(text, from, part)).into_iter().collect()
}
