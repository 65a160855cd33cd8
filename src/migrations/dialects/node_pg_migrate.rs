//! node-pg-migrate: a row per applied file, by its name without the ending. SQL files are run here; `.js` and `.ts` are
//! programs.

use super::rows::{self, Columns, lines};
use super::{
    Class, Dialect, DownPart, FileName, FileRules, Gap, LedgerTables, Objection, Order, Reading, SEPARATOR, Shape,
    ToolLock, Writing, always_transactional, leading_digits,
};
use crate::migrations::folder::{MigrationFile, Statement};
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::NodePgMigrate,
    shapes: &[Shape::exactly(&["pgmigrations"], &[("id", "int"), ("name", "varchar*"), ("run_on", "timestamp*")])],
    order: Order::Stamp,
    zeros_are_equal: false,
    gap: Gap::Refused,
    companion: None,
    lock: ToolLock::Database(|_| 7_241_865_325_823_964),
    reading: Reading {
        sql,
        parse: |rows, interner| {
            let columns = Columns { current: Some(1), ..Columns::default() };
            Ok(rows::parsed(rows, interner, Order::Stamp, columns))
        },
        history,
        checksum: None,
        position_only: false,
    },
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: |text| pieces(text, Sections::of(text).up),
        transactional: always_transactional,
        down_pieces: Some(|text| {
            let down = Sections::of(text).down?;
            Some(DownPart { pieces: pieces(text, down), transactional: true })
        }),
    }),
    writing: Some(Writing {
        table: "pgmigrations",
        objections,
        create_ledger,
        before: rows::nothing,
        after: rows::nothing,
        is_applied: |ledger, file| rows::exists(ledger, &is(file)),
        applied,
        undone: |ledger, file, _| rows::delete(ledger, &is(file)),
    }),
};

/// A whole run has one `run_on`.
fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(name, '{SEPARATOR}'), (array_agg(name ORDER BY run_on DESC, id DESC))[1] FROM {ledger}")
}

fn history(ledger: &str) -> String {
    format!("SELECT name, NULL, run_on, false, NULL FROM {ledger} ORDER BY run_on, id")
}

fn classify(path: &str) -> Class {
    let (stem, ending) = path.rsplit_once('.').unwrap_or((path, ""));
    let is_code = match ending {
        "sql" => false,
        "js" | "ts" | "cjs" | "mjs" | "cts" | "mts" => true,
        _ => return Class::Other,
    };
    let Some((_, rest)) = leading_digits(stem) else {
        return Class::Strange("its name does not begin with a number; node-pg-migrate stops at it with an error");
    };
    let name = rest.trim_start_matches(['_', '-']);
    if is_code {
        return Class::Code(FileName::new(stem, name));
    }
    // Pairs of files are one migration, named without the direction.
    let pair = |direction: &str| Some(FileName::new(stem.strip_suffix(direction)?, name.strip_suffix(direction)?));
    match (pair(".up"), pair(".down")) {
        (Some(name), _) => Class::Up(name),
        (None, Some(name)) => Class::Down(name),
        (None, None) => Class::Up(FileName::new(stem, name)),
    }
}

/// Where the sections of a file begin and end, in bytes.
struct Sections {
    up: (usize, usize),
    down: Option<(usize, usize)>,
}

impl Sections {
    /// A file without markers is an up section.
    fn of(text: &str) -> Self {
        let marker = |direction: &str| {
            lines(text).find(|(_, _, line)| is_marker(split::without_bom(line), direction)).map(|(offset, _, _)| offset)
        };
        let end = text.len();
        match (marker("up"), marker("down")) {
            (None, None) => Self { up: (0, end), down: None },
            (Some(up), None) => Self { up: (up, end), down: None },
            // The tool takes the whole file for up then; what belongs to down would run.
            (None, Some(down)) => Self { up: (0, end), down: Some((down, end)) },
            (Some(up), Some(down)) if up < down => Self { up: (up, down), down: Some((down, end)) },
            (Some(up), Some(down)) => Self { up: (up, end), down: Some((down, up)) },
        }
    }
}

/// `-- Up Migration`, with any number of dashes and spaces in front, in any case.
fn is_marker(line: &str, direction: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("--") else { return false };
    let rest = rest.trim_start_matches(|letter: char| letter == '-' || letter.is_whitespace()).to_lowercase();
    rest.strip_prefix(direction)
        .is_some_and(|rest| rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with("migration"))
}

fn pieces(text: &str, (from, to): (usize, usize)) -> Vec<Statement> {
    let part = &text[from..to];
    let start = from + (part.len() - split::without_bom(part).len());
    split::piece(text, start, &text[start..to]).into_iter().collect()
}

fn objections(text: &str) -> Vec<Objection> {
    let marker = |direction: &str| {
        lines(text).find(|(_, _, line)| is_marker(split::without_bom(line), direction)).map(|(_, number, _)| number)
    };
    match (marker("up"), marker("down")) {
        (None, Some(line)) => vec![Objection::sections(
            line,
            "there is -- Down Migration and no -- Up Migration: node-pg-migrate would run the whole file as up",
        )],
        (Some(_), _) | (None, None) => Vec::new(),
    }
}

fn create_ledger(ledger: &QualifiedName) -> String {
    format!(
        "CREATE TABLE {} (id SERIAL PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)",
        ledger.quoted()
    )
}

fn is(file: &MigrationFile) -> String {
    format!("name = {}", literal(file.version.raw()))
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!("INSERT INTO {} (name, run_on) VALUES ({}, now())", ledger.quoted(), literal(file.version.raw()))
}
