//! Alembic: one row per head, no history; the graph is in the files.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Alembic,
    Order::Text,
    Gap::ByGraph,
    &[Shape { primary_key: Some(true), ..Shape::exactly(&["alembic_version"], &[("version_num", "varchar*")]) }],
);
