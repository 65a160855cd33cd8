//! The one true tie: a ledger that Rails 5+ and dbmate make alike, where nothing else tells them apart. It is read
//! (the query is the same) and never written.

use super::{Dialect, Gap, Order, Reading, Shape, ToolLock, rails};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::RailsOrDbmate,
    shapes: &[Shape { primary_key: Some(true), ..Shape::exactly(&["schema_migrations"], &[("version", "varchar")]) }],
    order: Order::Number,
    zeros_are_equal: true,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::Database(rails::key),
    reading: Reading {
        sql: rails::sql,
        parse: rails::parse,
        history: rails::history,
        checksum: None,
        position_only: false,
    },
    files: None,
    writing: None,
};
