//! yoyo: a row per applied migration; its lock is a table of its own.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Yoyo,
    Order::Text,
    Gap::ByGraph,
    &[Shape::at_least(
        &["_yoyo_migration"],
        &[("migration_hash", "varchar*"), ("migration_id", "varchar*"), ("applied_at_utc", "timestamp*")],
    )],
);
