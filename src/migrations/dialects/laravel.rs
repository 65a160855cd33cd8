//! Laravel: `migrations` with `migration` and `batch`; newer ones have more columns.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Laravel,
    Order::Text,
    Gap::Applied,
    &[Shape::at_least(&["migrations"], &[("migration", "varchar*"), ("batch", "int4")])],
);
