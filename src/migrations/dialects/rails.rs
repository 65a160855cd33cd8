//! Rails (ActiveRecord, Apartment): a row per applied version. Since Rails 5 `ar_internal_metadata` stands beside it,
//! which is how it is told from dbmate's ledger of the same shape.

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, always_transactional, leading_digits,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Rails,
    // Rails 4.2 and earlier: a unique index and no key. Later ones are told from dbmate in `recognise`.
    shapes: &[Shape { primary_key: Some(false), ..Shape::exactly(&["schema_migrations"], &[("version", "varchar*")]) }],
    order: Order::Number,
    zeros_are_equal: true,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::None,
    reading: Some(Reading { sql, parse, history, checksum: None, position_only: false }),
    files: Some(FileRules {
        depth: 4,
        classify,
        pieces: |_| Vec::new(),
        transactional: always_transactional,
        down_pieces: None,
    }),
    writing: None,
};

/// The table that stands beside the ledger of Rails 5+, and of no other tool.
pub(super) static METADATA: Shape =
    Shape::at_least(&["ar_internal_metadata"], &[("key", "varchar*"), ("value", "varchar*")]);

/// The reading of a ledger with nothing but versions, which dbmate's is too.
pub(super) fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version, '{SEPARATOR}') FROM {ledger}")
}

pub(super) fn history(ledger: &str) -> String {
    format!("SELECT version, NULL, NULL, false, NULL FROM {ledger} ORDER BY version COLLATE \"C\"")
}

pub(super) fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(Parsed {
        applied: interner.set(Order::Number, rows.first().and_then(|row| row.text(0))),
        dirty: false,
        locked: None,
    })
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some(stem) = file.strip_suffix(".rb") else { return Class::Other };
    match leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('_')?))) {
        Some((digits, name)) => Class::Code(FileName::new(digits, name)),
        None => Class::Other,
    }
}
