//! Diesel (Brokkr, Cloacina): a row per applied version; a migration is a folder.

use super::rows::{self, Columns};
use super::{
    Class, Dialect, FileName, FileRules, Gap, LedgerTables, Order, Reading, SEPARATOR, Shape, ToolLock, Writing,
};
use crate::migrations::folder::MigrationFile;
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Diesel,
    shapes: &[Shape::exactly(&["__diesel_schema_migrations"], &[("version", "varchar*"), ("run_on", "timestamp*")])],
    order: Order::Text,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading {
        sql,
        parse: |rows, interner| Ok(rows::parsed(rows, interner, Order::Text, Columns::default())),
        history,
        checksum: None,
        position_only: false,
    },
    files: Some(FileRules { depth: 2, classify, pieces: split::whole, transactional, down_pieces: None }),
    writing: Some(Writing {
        table: "__diesel_schema_migrations",
        objections: rows::fine,
        create_ledger,
        before: rows::nothing,
        after: rows::nothing,
        is_applied: |ledger, file| rows::exists(ledger, &is(file)),
        applied,
        undone: |ledger, file, _| rows::delete(ledger, &is(file)),
    }),
};

/// What the ledger's column holds.
const LONGEST: usize = 50;

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version, '{SEPARATOR}') FROM {ledger}")
}

fn history(ledger: &str) -> String {
    format!("SELECT version, NULL, run_on, false, NULL FROM {ledger} ORDER BY version COLLATE \"C\"")
}

fn classify(path: &str) -> Class {
    let Some((folder, file)) = path.split_once('/') else { return Class::Other };
    let (stamp, name) = folder.split_once('_').unwrap_or((folder, ""));
    let version = stamp.replace('-', "");
    let name = FileName::new(&version, name);
    match file {
        "up.sql" if version.is_empty() => Class::Strange("its folder's name has no version before the first _"),
        "up.sql" if version.chars().count() > LONGEST => {
            Class::Strange("its folder's version is longer than the 50 characters that the ledger holds")
        }
        "up.sql" => Class::Up(name),
        "down.sql" => Class::Down(name),
        "metadata.toml" => Class::Settings(name),
        _ => Class::Other,
    }
}

/// `metadata.toml` may switch the transaction off.
fn transactional(_text: &str, settings: Option<&str>) -> bool {
    settings
        .and_then(|text| text.parse::<toml::Table>().ok())
        .and_then(|table| table.get("run_in_transaction").and_then(toml::Value::as_bool))
        .unwrap_or(true)
}

fn create_ledger(ledger: &QualifiedName) -> String {
    format!(
        "CREATE TABLE {} (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        ledger.quoted()
    )
}

fn is(file: &MigrationFile) -> String {
    format!("version = {}", literal(file.version.raw()))
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!("INSERT INTO {} (version) VALUES ({})", ledger.quoted(), literal(file.version.raw()))
}
