//! Sequelize (sequelize-cli, umzug): a row per applied file, its ending included. The table is in capitals.

use super::rows::Columns;
use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, rows, without_stamp,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Sequelize,
    // The times are there after `db:migrate:schema:timestamps:add`.
    shapes: &[Shape {
        optional: &["createdAt", "updatedAt"],
        ..Shape::exactly(&["SequelizeMeta"], &[("name", "varchar*")])
    }],
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
    format!("SELECT string_agg(name, '{SEPARATOR}') FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::Text, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT name, NULL, to_jsonb(l) ->> 'createdAt', false, NULL FROM {ledger} l ORDER BY name COLLATE \"C\"")
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, ending)) = file.rsplit_once('.') else { return Class::Other };
    if !matches!(ending, "js" | "cjs" | "mjs" | "ts") {
        return Class::Other;
    }
    // Types beside programs are no migrations.
    if stem.ends_with(".d") {
        return Class::Other;
    }
    Class::Code(FileName::new(file, without_stamp(stem)))
}
