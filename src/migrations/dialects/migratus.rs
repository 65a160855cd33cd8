//! Migratus (Boundary): a row per applied id, and the row -1, which is its lock.
//!
//! A migration runs as: insert row -1, run the file, insert its row, delete row -1, all in one transaction unless the
//! file opts out. A process that is killed in a file without a transaction leaves row -1 behind, and every later run of
//! Migratus then ends as if it were done.

use super::rows;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, Writing, int8, leading_digits,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Migratus,
    shapes: &[
        Shape::exactly(
            &["schema_migrations"],
            &[("id", "int8"), ("applied", "timestamp*"), ("description", "varchar*")],
        ),
        // Before it kept dates; Migratus adds the other columns with its next run.
        Shape { primary_key: Some(false), ..Shape::exactly(&["schema_migrations"], &[("id", "int8")]) },
    ],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::Row,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules {
        depth: 8,
        classify,
        pieces: split::migratus,
        transactional: |text, _| !split::without_bom(text).starts_with("-- :disable-transaction"),
        down_pieces: None,
    }),
    writing: Some(Writing {
        table: "schema_migrations",
        objections: rows::fine,
        create_ledger,
        before: |ledger| format!("INSERT INTO {} (id) VALUES (-1)", ledger.quoted()),
        after: |ledger| format!("DELETE FROM {} WHERE id = -1", ledger.quoted()),
        is_applied: |ledger, file| {
            format!("SELECT EXISTS (SELECT FROM {} WHERE id = {}) AS applied", ledger.quoted(), id(file))
        },
        applied,
        undone: |ledger, file, _| format!("DELETE FROM {} WHERE id = {}", ledger.quoted(), id(file)),
    }),
};

const LOCKED: &str = "row id = -1 is in the ledger: Migratus is migrating this schema now, or a process was killed \
    while it did. Until the row is gone Migratus skips this schema without a word. Make sure that no process migrates \
    it and look for a half-applied file, then delete the row";

/// The row that is the lock, as the ledger's text has it.
const LOCK: &str = "-1";

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(id::text, '{SEPARATOR}') FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    let text = rows.first().and_then(|row| row.text(0)).unwrap_or_default();
    let is_locked = text.split(SEPARATOR).any(|id| id == LOCK);
    let applied = if is_locked {
        let ids: Vec<&str> = text.split(SEPARATOR).filter(|id| *id != LOCK).collect();
        interner.set(Order::Number, Some(&ids.join("\u{1e}")))
    } else {
        interner.set(Order::Number, Some(text))
    };
    Ok(Parsed { applied, dirty: false, locked: is_locked.then(|| LOCKED.into()) })
}

fn history(ledger: &str) -> String {
    // Old ledgers have the id only: through the row as JSON, an absent column is NULL instead of an error.
    format!(
        "SELECT l.id, to_jsonb(l) ->> 'description', to_jsonb(l) ->> 'applied', false, NULL \
         FROM {ledger} l WHERE l.id <> -1 ORDER BY l.id"
    )
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let ending = file.rsplit('.').next().unwrap_or_default();
    if !matches!(ending, "sql" | "edn") {
        return Class::Other;
    }
    let Some((digits, rest)) = leading_digits(file) else { return Class::Other };
    let Some((name, endings)) = rest.strip_prefix('-').and_then(|rest| rest.split_once('.')) else {
        return Class::Strange("its name is not <digits>-<name>.up.sql; Migratus skips it");
    };
    let Some(version) = int8(digits) else { return Class::Strange("its number does not fit into a bigint") };
    if name.is_empty() {
        return Class::Strange("its name is not <digits>-<name>.up.sql; Migratus skips it");
    }
    let name = FileName::new(&version, name);
    match endings {
        "up.sql" => Class::Up(name),
        "down.sql" => Class::Down(name),
        "edn" => Class::Code(name),
        _ => Class::Strange("it ends neither in .up.sql nor in .down.sql"),
    }
}

fn create_ledger(ledger: &QualifiedName) -> String {
    format!(
        "CREATE TABLE {} (id BIGINT UNIQUE NOT NULL, applied TIMESTAMP, description VARCHAR(1024))",
        ledger.quoted()
    )
}

/// Only digits, and a bigint: [`classify`] made it by parsing one.
fn id(file: &MigrationFile) -> String {
    literal(file.version.raw()) + "::bigint"
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    // Migratus writes the local time in milliseconds.
    format!(
        "INSERT INTO {} (id, applied, description) VALUES ({}, clock_timestamp()::timestamp(3), {})",
        ledger.quoted(),
        id(file),
        literal(file.name.raw())
    )
}
