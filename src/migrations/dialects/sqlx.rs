//! sqlx: a row per applied version with success and a checksum. One row that failed blocks every run.

use sha2::{Digest, Sha384};

use super::rows::{self, Columns};
use super::{
    Class, Dialect, FileName, FileRules, Gap, LedgerTables, LockPlace, Order, Reading, Shape, ToolLock, Writing, int8,
    leading_digits,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

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
    // The library's Migrator takes it; the command takes none.
    lock: ToolLock::Database(key),
    reading: Reading {
        sql,
        parse: |rows, interner| {
            let columns = Columns { checksums: true, dirty: Some(1), ..Columns::default() };
            Ok(rows::parsed(rows, interner, Order::Number, columns))
        },
        history,
        checksum: Some(checksum),
        position_only: false,
    },
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: split::whole,
        transactional: |text, _| !text.starts_with("-- no-transaction"),
        down_pieces: None,
    }),
    writing: Some(Writing {
        table: "_sqlx_migrations",
        objections: rows::fine,
        create_ledger,
        before: rows::nothing,
        after: rows::nothing,
        is_applied: |ledger, file| rows::exists(ledger, &format!("{} AND success", is(file))),
        applied,
        undone: |ledger, file, _| rows::delete(ledger, &is(file)),
    }),
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    let versions = rows::with_checksums("version", "encode(checksum, 'hex')");
    format!("SELECT {versions} FILTER (WHERE success), bool_or(NOT success) FROM {ledger}")
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

/// The database's name, hashed and salted; the schema is not in it.
fn key(place: &LockPlace<'_>) -> i64 {
    const SALT: i64 = 0x3d32_ad9e;
    SALT.wrapping_mul(i64::from(crc32fast::hash(place.database.as_bytes())))
}

fn create_ledger(ledger: &QualifiedName) -> String {
    format!(
        "CREATE TABLE {} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, \
         execution_time BIGINT NOT NULL)",
        ledger.quoted()
    )
}

/// Only digits, and a bigint: [`classify`] made it by parsing one.
fn is(file: &MigrationFile) -> String {
    format!("version = {}::bigint", literal(file.version.raw()))
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!(
        "INSERT INTO {} (version, description, success, checksum, execution_time) \
         VALUES ({}::bigint, {}, true, decode('{}', 'hex'), {})",
        ledger.quoted(),
        literal(file.version.raw()),
        literal(file.name.raw()),
        checksum(file),
        rows::elapsed(1_000_000_000, "bigint")
    )
}
