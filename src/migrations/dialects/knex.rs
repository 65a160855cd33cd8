//! Knex: a row per applied file, its ending included. Its lock is a flag in a table beside the ledger; it survives a
//! process that is killed in a migration without a transaction.

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, without_stamp,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Knex,
    shapes: &[Shape::exactly(
        &["knex_migrations"],
        &[("id", "int"), ("name", "varchar*"), ("batch", "int4"), ("migration_time", "timestamptz")],
    )],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::Applied,
    // Before 0.16 the lock had no index.
    companion: Some(&Shape {
        optional: &["index"],
        ..Shape::exactly(&["knex_migrations_lock"], &[("is_locked", "int4")])
    }),
    lock: ToolLock::Row,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(1, classify)),
    writing: None,
};

const LOCKED: &str = "is_locked is 1 in Knex's lock table: Knex is migrating this schema now, or a process was killed \
    while it did. Until then every run of Knex refuses. Make sure that no process migrates it and look for a \
    half-applied file, then run `knex migrate:unlock`";

fn sql(tables: &LedgerTables<'_>) -> String {
    let locked = tables
        .companion
        .map_or_else(|| "false".to_owned(), |lock| format!("EXISTS (SELECT FROM {lock} WHERE is_locked = 1)"));
    format!("SELECT string_agg(name, '{SEPARATOR}' ORDER BY id), {locked} FROM {}", tables.ledger)
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    let row = rows.first();
    Ok(Parsed {
        applied: interner.set(Order::AsListed, row.and_then(|row| row.text(0))),
        dirty: false,
        locked: row.is_some_and(|row| row.is_true(1)).then(|| LOCKED.into()),
    })
}

fn history(ledger: &str) -> String {
    format!("SELECT name, NULL, migration_time, false, NULL FROM {ledger} ORDER BY id")
}

/// The endings that Knex loads by default; a whole name is the key, its ending included.
fn classify(path: &str) -> Class {
    let Some((stem, ending)) = path.rsplit_once('.') else { return Class::Other };
    let loaded = ["co", "coffee", "eg", "iced", "js", "cjs", "mjs", "litcoffee", "ls", "ts", "cts", "mts"];
    if !loaded.contains(&ending) || stem.ends_with(".d") {
        return Class::Other;
    }
    Class::Code(FileName::new(path, without_stamp(stem)))
}
