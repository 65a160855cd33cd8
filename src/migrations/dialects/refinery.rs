//! refinery: a row per applied version; the date and the checksum are text. `V` files run in order; `U` files may come
//! late.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::rows::{self, Columns};
use super::{
    Class, Dialect, FileName, FileRules, Gap, LedgerTables, Order, Reading, Shape, ToolLock, Writing,
    always_transactional, int8, leading_digits,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Refinery,
    shapes: &[Shape::exactly(
        &["refinery_schema_history"],
        &[("version", "int"), ("name", "varchar*"), ("applied_on", "varchar*"), ("checksum", "varchar*")],
    )],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::NeverApplied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading {
        sql,
        parse: |rows, interner| {
            let columns = Columns { checksums: true, ..Columns::default() };
            Ok(rows::parsed(rows, interner, Order::Number, columns))
        },
        history,
        checksum: Some(|file| checksum(file, version_bytes(file).len())),
        position_only: false,
    },
    // The tool's own down to version 0.10: there is none.
    files: Some(FileRules {
        depth: 8,
        classify,
        pieces: split::whole,
        transactional: always_transactional,
        down_pieces: None,
    }),
    writing: Some(Writing {
        table: "refinery_schema_history",
        objections: rows::fine,
        create_ledger,
        before: rows::nothing,
        after: rows::nothing,
        is_applied: |ledger, file| rows::exists(ledger, &is(file)),
        applied,
        undone: |ledger, file, _| rows::delete(ledger, &is(file)),
    }),
};

/// A ledger with int8 versions is of a refinery that hashes eight bytes of them. Of a small version the file alone does
/// not tell which it was, so its checksum is not judged.
const JUDGED: &str = "CASE WHEN pg_typeof(version) = 'int4'::regtype OR version > 2147483647 THEN checksum END";

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT {} FROM {ledger}", rows::with_checksums("version", JUDGED))
}

fn history(ledger: &str) -> String {
    format!("SELECT version, name, applied_on, false, {JUDGED} FROM {ledger} ORDER BY version")
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, is_code) = match (file.strip_suffix(".sql"), file.strip_suffix(".rs")) {
        (Some(stem), _) => (stem, false),
        (None, Some(stem)) => (stem, true),
        (None, None) => return Class::Other,
    };
    let strange = if is_code {
        Class::Other
    } else {
        Class::Strange("its name is not V<number>__<name>.sql, of letters, digits and _; refinery skips it")
    };
    let Some((digits, rest)) = stem.strip_prefix(['V', 'U']).and_then(leading_digits) else { return strange };
    let Some(name) = rest.strip_prefix("__") else {
        return if rest.starts_with('.') { Class::Strange("refinery's versions are whole numbers") } else { strange };
    };
    if name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
        return strange;
    }
    match int8(digits) {
        None => Class::Strange("its number does not fit into a bigint"),
        Some(version) if is_code => Class::Code(FileName::new(&version, name)),
        Some(version) => Class::Up(FileName::new(&version, name)),
    }
}

/// A `U` file may come late: it is applied although it is older than the schema's version.
#[must_use]
pub fn is_unordered(file: &MigrationFile) -> bool {
    file.below.rsplit('/').next().is_some_and(|name| name.starts_with('U'))
}

/// As an int4, little end first; as an int8 where it does not fit.
fn version_bytes(file: &MigrationFile) -> Vec<u8> {
    let number: i64 = file.version.raw().parse().unwrap_or_default();
    i32::try_from(number).map_or_else(|_| number.to_le_bytes().to_vec(), |number| number.to_le_bytes().to_vec())
}

/// SipHash-1-3 without keys over name, version and SQL as Rust hashes them: a text has a byte 255 behind it.
fn checksum(file: &MigrationFile, width: usize) -> String {
    let mut version = version_bytes(file);
    version.resize(width, 0);
    let mut hasher = SipHasher13::new();
    hasher.write(&[file.name.raw().as_bytes(), &[0xff], &version, file.sql.as_bytes(), &[0xff]].concat());
    hasher.finish().to_string()
}

fn create_ledger(ledger: &QualifiedName) -> String {
    format!(
        "CREATE TABLE {} (version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255))",
        ledger.quoted()
    )
}

/// Only digits, and a bigint: [`classify`] made it by parsing one.
fn is(file: &MigrationFile) -> String {
    format!("version = {}::bigint", literal(file.version.raw()))
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    let table = ledger.quoted();
    format!(
        "INSERT INTO {table} (version, name, applied_on, checksum) VALUES ({}::bigint, {}, \
         to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
         CASE (SELECT atttypid FROM pg_attribute WHERE attrelid = {}::regclass AND attname = 'version') \
         WHEN 'int8'::regtype THEN '{}' ELSE '{}' END)",
        literal(file.version.raw()),
        literal(file.name.raw()),
        literal(&table),
        checksum(file, 8),
        checksum(file, version_bytes(file).len())
    )
}
