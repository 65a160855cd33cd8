//! Supabase CLI: a row per applied version, with its statements; one schema `supabase_migrations` for the whole
//! database. Its files are plain SQL, which its own command runs.

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, leading_digits, rows,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Supabase,
    shapes: &[Shape {
        optional: &["created_by", "idempotency_key", "rollback"],
        ..Shape::exactly(&["schema_migrations"], &[("version", "text"), ("statements", "text[]"), ("name", "text")])
    }],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(1, classify)),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version, '{SEPARATOR}') FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::Number, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT version, name, NULL, false, NULL FROM {ledger} ORDER BY version COLLATE \"C\"")
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "sql") {
        return Class::Other;
    }
    match leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('_')?))) {
        Some((digits, name)) if !name.is_empty() => Class::Up(FileName::new(digits, name)),
        Some(_) | None => Class::Strange("its name is not <digits>_<name>.sql; Supabase skips it"),
    }
}
