//! Ruby Sequel and Hanami: a row per applied file.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Sequel,
    Order::Text,
    Gap::Applied,
    &[Shape::exactly(&["schema_migrations"], &[("filename", "text")])],
);
