//! node-pg-migrate: a row per applied file.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::NodePgMigrate,
    Order::Text,
    Gap::Refused,
    &[Shape::exactly(&["pgmigrations"], &[("id", "int"), ("name", "varchar*"), ("run_on", "timestamp*")])],
);
