//! Sequelize: a row per applied file, its ending included; the table's name is in upper and lower case.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Sequelize,
    Order::Text,
    Gap::Applied,
    &[Shape { optional: &["createdAt", "updatedAt"], ..Shape::exactly(&["SequelizeMeta"], &[("name", "varchar*")]) }],
);
