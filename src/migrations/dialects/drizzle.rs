//! Drizzle: a row per applied file, by default in one schema `drizzle` for the whole database.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Drizzle,
    Order::Number,
    Gap::NeverApplied,
    &[Shape {
        optional: &["name", "applied_at"],
        ..Shape::exactly(&["__drizzle_migrations"], &[("id", "int"), ("hash", "text"), ("created_at", "int8")])
    }],
);
