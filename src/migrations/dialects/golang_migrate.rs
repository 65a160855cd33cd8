//! golang-migrate: one row, the position. There is no history, so what is applied is known from the files.

use super::rows::{self, Columns};
use super::{
    Class, Dialect, FileName, FileRules, Gap, LedgerTables, LockPlace, Order, Reading, Shape, ToolLock, Writing,
    implicit_transaction, int8, leading_digits,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::{Tool, Version};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::GolangMigrate,
    shapes: &[Shape::exactly(&["schema_migrations"], &[("version", "int8"), ("dirty", "bool")])],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::NeverApplied,
    companion: None,
    lock: ToolLock::Schema(key),
    reading: Reading {
        sql,
        parse: |rows, interner| {
            Ok(rows::parsed(rows, interner, Order::Number, Columns { dirty: Some(1), ..Columns::default() }))
        },
        history,
        checksum: None,
        position_only: true,
    },
    // It opens no transaction: a file is one message, of which the server makes one.
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: split::whole,
        transactional: implicit_transaction,
        down_pieces: None,
    }),
    writing: Some(Writing {
        table: "schema_migrations",
        objections: rows::fine,
        create_ledger: |ledger| {
            format!("CREATE TABLE {} (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)", ledger.quoted())
        },
        before: rows::nothing,
        after: rows::nothing,
        is_applied: |ledger, file| {
            let version = number(&file.version);
            rows::exists(ledger, &format!("version > {version} OR (version = {version} AND NOT dirty)"))
        },
        // The tool writes (n, true), runs the file, writes (n, false): three transactions, and a failure in between
        // leaves it dirty. In the one transaction of a step there is no in-between.
        applied: |ledger, file: &MigrationFile| position(ledger, Some(&file.version)),
        undone: |ledger, _, below| position(ledger, below),
    }),
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT version, dirty FROM {ledger} LIMIT 1")
}

fn history(ledger: &str) -> String {
    format!("SELECT version, NULL, NULL, dirty, NULL FROM {ledger}")
}

fn classify(path: &str) -> Class {
    let Some((digits, rest)) = leading_digits(path) else { return Class::Other };
    let Some(rest) = rest.strip_prefix('_') else { return Class::Other };
    // The last `.up.` or `.down.` that something follows, as the tool's own pattern finds it.
    let (is_up, at) = match (rest.rfind(".up."), rest.rfind(".down.")) {
        (Some(up), Some(down)) => (up > down, up.max(down)),
        (Some(up), None) => (true, up),
        (None, Some(down)) => (false, down),
        (None, None) => return Class::Strange("it ends neither in .up.sql nor in .down.sql; golang-migrate skips it"),
    };
    let Some(version) = int8(digits) else { return Class::Strange("its number does not fit into a bigint") };
    let name = FileName::new(&version, &rest[..at]);
    if is_up { Class::Up(name) } else { Class::Down(name) }
}

/// Schema, table and `/database` (the path of the URL that it was opened with), hashed and salted in 32 bits.
fn key(place: &LockPlace<'_>) -> i64 {
    const SALT: u32 = 1_486_364_155;
    let text = format!("{}\0{}\0/{}", place.schema, place.table, place.database);
    i64::from(crc32fast::hash(text.as_bytes()).wrapping_mul(SALT))
}

/// Only digits, and a bigint: [`classify`] made it by parsing one.
fn number(version: &Version) -> String {
    literal(version.raw()) + "::bigint"
}

/// Puts the position to a version, or before all.
fn position(ledger: &QualifiedName, version: Option<&Version>) -> String {
    let table = ledger.quoted();
    version.map_or_else(
        || format!("DELETE FROM {table}"),
        |version| {
            format!("DELETE FROM {table}; INSERT INTO {table} (version, dirty) VALUES ({}, false)", number(version))
        },
    )
}
