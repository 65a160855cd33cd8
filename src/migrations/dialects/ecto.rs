//! Ecto and Triplex: a row per applied version. While it migrates, Ecto holds the ledger itself, on a second connection.

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, int8, leading_digits, rows,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Ecto,
    shapes: &[Shape::exactly(&["schema_migrations"], &[("version", "int8"), ("inserted_at", "timestamp*")])],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::Table("ShareUpdateExclusiveLock"),
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(4, classify)),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version::text, '{SEPARATOR}') FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::Number, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT version, NULL, inserted_at, false, NULL FROM {ledger} ORDER BY version")
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "exs") {
        return Class::Other;
    }
    match leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('_')?))) {
        Some((digits, name)) if !name.is_empty() => int8(digits)
            .map_or(Class::Strange("its number does not fit into a bigint"), |version| {
                Class::Code(FileName::new(&version, name))
            }),
        Some(_) | None => Class::Other,
    }
}
