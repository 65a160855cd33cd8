//! goose: a row per event; version 0 is a marker.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Goose,
    Order::Number,
    Gap::Refused,
    &[Shape::exactly(
        &["goose_db_version"],
        &[("id", "int"), ("version_id", "int8"), ("is_applied", "bool"), ("tstamp", "timestamp*")],
    )],
);
