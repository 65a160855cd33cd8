//! Ecto and Triplex: a row per applied version.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Ecto,
    Order::Number,
    Gap::Applied,
    &[Shape::exactly(&["schema_migrations"], &[("version", "int8"), ("inserted_at", "timestamp*")])],
);
