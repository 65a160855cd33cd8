//! Laravel: a row per applied file, with the number of the run that applied it.

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, rows,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Laravel,
    shapes: &[
        Shape {
            optional: &["migrated_at"],
            ..Shape::exactly(&["migrations"], &[("id", "int"), ("migration", "varchar*"), ("batch", "int4")])
        },
        // Before 5.4.
        Shape::exactly(&["migrations"], &[("migration", "varchar*"), ("batch", "int4")]),
    ],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(2, classify)),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(migration, '{SEPARATOR}' ORDER BY batch, migration) FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::AsListed, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!(
        "SELECT l.migration, NULL, to_jsonb(l) ->> 'migrated_at', false, NULL FROM {ledger} l ORDER BY l.batch, l.migration"
    )
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "php") {
        return Class::Other;
    }
    Class::Code(FileName::new(stem, stem.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_')))
}
