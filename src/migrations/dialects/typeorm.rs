//! TypeORM: a row per applied class, in a table named `migrations`, as applications name theirs too.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::TypeOrm,
    Order::Number,
    Gap::Applied,
    &[Shape::exactly(&["migrations"], &[("id", "int"), ("timestamp", "int8"), ("name", "varchar*")])],
);
