//! goose: a row per event, of which the newest of a version counts; version 0 is a marker that comes with the table.

use super::rows::{self, Columns, lines};
use super::{
    Class, Dialect, DownPart, FileName, FileRules, Gap, LedgerTables, Objection, Order, Reading, SEPARATOR, Shape,
    ToolLock, Writing, int8, leading_digits,
};
use crate::migrations::folder::{MigrationFile, Statement};
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Goose,
    shapes: &[Shape::exactly(
        &["goose_db_version"],
        &[("id", "int"), ("version_id", "int8"), ("is_applied", "bool"), ("tstamp", "timestamp*")],
    )],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::Refused,
    companion: None,
    lock: ToolLock::None,
    reading: Reading {
        sql,
        parse: |rows, interner| Ok(rows::parsed(rows, interner, Order::Number, Columns::default())),
        history,
        checksum: None,
        position_only: false,
    },
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: |text| scan(text).up,
        transactional: |text, _| scan(text).transactional,
        down_pieces: Some(|text| {
            let Script { down, transactional, .. } = scan(text);
            down.map(|pieces| DownPart { pieces, transactional })
        }),
    }),
    writing: Some(Writing {
        table: "goose_db_version",
        objections: |text| scan(text).objections,
        create_ledger,
        before: rows::nothing,
        after: rows::nothing,
        is_applied,
        applied,
        undone: |ledger, file, _| rows::delete(ledger, &format!("version_id = {}", number(file))),
    }),
};

/// The newest row of each version, the marker left out.
fn newest(ledger: &str) -> String {
    format!("SELECT DISTINCT ON (version_id) * FROM {ledger} WHERE version_id > 0 ORDER BY version_id, id DESC")
}

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!(
        "SELECT string_agg(version_id::text, '{SEPARATOR}') FILTER (WHERE is_applied) FROM ({}) AS newest",
        newest(ledger)
    )
}

fn history(ledger: &str) -> String {
    format!(
        "SELECT version_id, NULL, tstamp, false, NULL FROM ({}) AS newest WHERE is_applied ORDER BY version_id",
        newest(ledger)
    )
}

fn classify(path: &str) -> Class {
    let (stem, is_code) = match (path.strip_suffix(".sql"), path.strip_suffix(".go")) {
        (Some(stem), _) => (stem, false),
        (None, Some(stem)) if !stem.ends_with("_test") => (stem, true),
        (None, _) => return Class::Other,
    };
    let Some((digits, name)) = leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('_')?)))
    else {
        // A folder of Go code holds other files than migrations.
        return if is_code { Class::Other } else { Class::Strange("its name is not <digits>_<name>.sql") };
    };
    match int8(digits) {
        None => Class::Strange("its number does not fit into a bigint"),
        Some(version) if version == "0" => Class::Strange("goose's versions are greater than 0"),
        Some(version) if is_code => Class::Code(FileName::new(&version, name)),
        Some(version) => Class::Up(FileName::new(&version, name)),
    }
}

/// What goose makes of a file.
struct Script {
    up: Vec<Statement>,
    down: Option<Vec<Statement>>,
    transactional: bool,
    objections: Vec<Objection>,
}

/// Where in a file goose is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Start,
    Up,
    Down,
}

/// goose goes line by line: a statement ends with a line that ends in a semicolon, or, between StatementBegin and
/// StatementEnd, with the latter. Blank lines and comments before a statement are passed over.
struct Scan<'t> {
    text: &'t str,
    script: Script,
    section: Section,
    /// Within StatementBegin.
    block: bool,
    /// Where the statement began that is not ended yet, and on which line.
    open: Option<(usize, u32)>,
}

fn scan(text: &str) -> Script {
    let script = Script { up: Vec::new(), down: None, transactional: true, objections: Vec::new() };
    let mut scan = Scan { text, script, section: Section::Start, block: false, open: None };
    let start = text.len() - split::without_bom(text).len();
    for (offset, number, line) in lines(text) {
        let line = if offset == 0 { &line[start.min(line.len())..] } else { line };
        match annotation(line) {
            Some(word) => scan.annotation(&word, offset, number),
            None => scan.line(line, offset, number),
        }
    }
    scan.end()
}

/// The words behind `-- +goose`, in small letters.
fn annotation(line: &str) -> Option<String> {
    let words = line.trim_start().strip_prefix("--")?.trim_start().strip_prefix("+goose")?;
    Some(words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase())
}

impl Scan<'_> {
    fn object(&mut self, line: u32, message: &str) {
        self.script.objections.push(Objection::sections(line, message));
    }

    fn annotation(&mut self, word: &str, offset: usize, line: u32) {
        match (word, self.section, self.block) {
            ("up", Section::Start, _) => self.section = Section::Up,
            ("up", Section::Up | Section::Down, _) => self.object(line, "a second -- +goose Up; goose stops at it"),
            ("down", Section::Up, false) => {
                self.unfinished();
                self.section = Section::Down;
                self.script.down = Some(Vec::new());
            }
            ("down", _, _) => self.object(line, "-- +goose Down belongs behind the one -- +goose Up, once"),
            ("statementbegin", Section::Up | Section::Down, false) => self.block = true,
            ("statementend", _, true) => {
                self.close(offset);
                self.block = false;
            }
            ("statementbegin" | "statementend", _, _) => {
                self.object(line, "StatementBegin and StatementEnd belong in pairs into a section; goose stops at it");
            }
            ("no transaction", _, _) => self.script.transactional = false,
            ("envsub off" | "envsubst off", _, _) => {}
            ("envsub on" | "envsubst on", _, _) => self.script.objections.push(Objection {
                rule: "placeholder",
                line,
                message: "goose would put variables of the environment into this file; tenantui does not".to_owned(),
            }),
            (_, _, _) => self.object(line, "goose knows no such annotation and stops at it"),
        }
    }

    fn line(&mut self, line: &str, offset: usize, number: u32) {
        let trimmed = line.trim();
        if self.open.is_none() && (trimmed.is_empty() || trimmed.starts_with("--")) {
            return;
        }
        if self.section == Section::Start {
            self.object(number, "stands before -- +goose Up and belongs to no section; goose stops at it");
            return;
        }
        self.open.get_or_insert((offset, number));
        if !self.block && ends_with_semicolon(line) {
            self.close(offset + line.len());
        }
    }

    /// The open statement ends here.
    fn close(&mut self, end: usize) {
        let Some((from, _)) = self.open.take() else { return };
        let end = end.max(from).min(self.text.len());
        let piece = self.text.get(from..end).and_then(|part| split::piece(self.text, from, part));
        match self.section {
            Section::Start => {}
            Section::Up => self.script.up.extend(piece),
            Section::Down => self.script.down.get_or_insert_default().extend(piece),
        }
    }

    fn unfinished(&mut self) {
        if let Some((_, line)) = self.open.take() {
            self.object(line, "this statement does not end in a semicolon at the end of a line; goose stops at it");
        }
    }

    fn end(mut self) -> Script {
        if self.block {
            self.open = None;
            self.object(1, "a -- +goose StatementBegin has no StatementEnd; goose stops at this file");
        }
        self.unfinished();
        if self.section == Section::Start {
            self.object(1, "there is no line -- +goose Up; goose stops at this file");
        }
        self.script
    }
}

/// As goose sees it: the last word before a comment.
fn ends_with_semicolon(line: &str) -> bool {
    line.split_whitespace().take_while(|word| !word.starts_with("--")).last().is_some_and(|word| word.ends_with(';'))
}

/// With a serial before 3.22; now an identity.
fn create_ledger(ledger: &QualifiedName) -> String {
    let table = ledger.quoted();
    format!(
        "CREATE TABLE {table} (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT NULL, \
         is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now()); \
         INSERT INTO {table} (version_id, is_applied) VALUES (0, true)"
    )
}

/// Only digits, and a bigint: [`classify`] made it by parsing one.
fn number(file: &MigrationFile) -> String {
    literal(file.version.raw()) + "::bigint"
}

fn is_applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!(
        "SELECT COALESCE((SELECT is_applied FROM {} WHERE version_id = {} ORDER BY id DESC LIMIT 1), false) AS applied",
        ledger.quoted(),
        number(file)
    )
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!("INSERT INTO {} (version_id, is_applied) VALUES ({}, true)", ledger.quoted(), number(file))
}
