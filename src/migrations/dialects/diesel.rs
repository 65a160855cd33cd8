//! Diesel (Brokkr, Cloacina): a row per applied version; a migration is a folder.

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock,
};
use crate::migrations::split;
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Diesel,
    shapes: &[Shape::exactly(&["__diesel_schema_migrations"], &[("version", "varchar*"), ("run_on", "timestamp*")])],
    order: Order::Text,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Some(Reading { sql, parse, history, checksum: None, position_only: false }),
    files: Some(FileRules { depth: 2, classify, pieces: split::whole, transactional, down_pieces: None }),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version, '{SEPARATOR}') FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(Parsed {
        applied: interner.set(Order::Text, rows.first().and_then(|row| row.text(0))),
        dirty: false,
        locked: None,
    })
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
