//! sqlx: a row per applied version with success and a checksum. One row that failed blocks every run.

use sha2::{Digest, Sha384};

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, int8, leading_digits,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Sqlx,
    shapes: &[Shape::exactly(
        &["_sqlx_migrations"],
        &[
            ("version", "int8"),
            ("description", "text"),
            ("installed_on", "timestamptz"),
            ("success", "bool"),
            ("checksum", "bytea"),
            ("execution_time", "int8"),
        ],
    )],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Some(Reading { sql, parse, history, checksum: Some(checksum), position_only: false }),
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: split::whole,
        transactional: |text, _| !text.starts_with("-- no-transaction"),
        down_pieces: None,
    }),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!(
        "SELECT string_agg(version::text, '{SEPARATOR}') FILTER (WHERE success), \
         bool_or(NOT success) FROM {ledger}"
    )
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    let row = rows.first();
    Ok(Parsed {
        applied: interner.set(Order::Number, row.and_then(|row| row.text(0))),
        dirty: row.is_some_and(|row| row.is_true(1)),
        locked: None,
    })
}

fn history(ledger: &str) -> String {
    format!(
        "SELECT version, description, installed_on, NOT success, encode(checksum, 'hex') FROM {ledger} ORDER BY version"
    )
}

/// SHA-384 of the whole file as it is: a CRLF changes it.
fn checksum(file: &MigrationFile) -> String {
    Sha384::digest(file.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn classify(path: &str) -> Class {
    let Some(stem) = path.strip_suffix(".sql") else { return Class::Other };
    let Some((digits, name)) = leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('_')?)))
    else {
        return Class::Other;
    };
    let Some(version) = int8(digits) else { return Class::Strange("its number does not fit into a bigint") };
    let described = |name: &str| FileName::new(&version, &name.replace('_', " "));
    match (name.strip_suffix(".up"), name.strip_suffix(".down")) {
        (_, Some(name)) => Class::Down(described(name)),
        (Some(name), None) => Class::Up(described(name)),
        (None, None) => Class::Up(described(name)),
    }
}
