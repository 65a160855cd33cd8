//! golang-migrate: one row, the position. There is no history, so what is applied is known from the files.

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, Shape, ToolLock,
    always_transactional, leading_digits,
};
use crate::migrations::split;
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::GolangMigrate,
    shapes: &[Shape::exactly(&["schema_migrations"], &[("version", "int8"), ("dirty", "bool")])],
    order: Order::Number,
    zeros_are_equal: false,
    gap: Gap::NeverApplied,
    companion: None,
    lock: ToolLock::None,
    reading: Some(Reading { sql, parse, history, checksum: None, position_only: true }),
    files: Some(FileRules {
        depth: 1,
        classify,
        pieces: split::whole,
        transactional: always_transactional,
        down_pieces: None,
    }),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT version, dirty FROM {ledger} LIMIT 1")
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
    let Ok(version) = digits.parse::<u64>() else { return Class::Strange("its number is too large") };
    let name = FileName::new(&version.to_string(), &rest[..at]);
    if is_up { Class::Up(name) } else { Class::Down(name) }
}
