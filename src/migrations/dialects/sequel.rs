//! Sequel (Ruby; Hanami, ROM): a row per applied file, in small letters, its ending included.

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, leading_digits, rows,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Sequel,
    shapes: &[Shape::exactly(&["schema_migrations"], &[("filename", "text")])],
    order: Order::Text,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(1, classify)),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(lower(filename), '{SEPARATOR}') FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::Text, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT lower(filename), NULL, NULL, false, NULL FROM {ledger} ORDER BY lower(filename) COLLATE \"C\"")
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "rb") {
        return Class::Other;
    }
    match leading_digits(stem).and_then(|(_, rest)| rest.strip_prefix('_')) {
        Some(name) if !name.is_empty() => Class::Code(FileName::new(&file.to_lowercase(), name)),
        Some(_) | None => Class::Other,
    }
}
