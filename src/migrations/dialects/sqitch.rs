//! Sqitch: `changes` is what is deployed now; by default in one schema `sqitch` for the whole database.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Sqitch,
    Order::Text,
    Gap::ByGraph,
    &[Shape::at_least(
        &["changes"],
        &[
            ("change_id", "text"),
            ("script_hash", "text"),
            ("change", "text"),
            ("project", "text"),
            ("committed_at", "timestamptz"),
        ],
    )],
);
