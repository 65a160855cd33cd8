//! refinery: a row per applied version; the date is text.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Refinery,
    Order::Number,
    Gap::NeverApplied,
    &[Shape::exactly(
        &["refinery_schema_history"],
        &[("version", "int"), ("name", "varchar*"), ("applied_on", "varchar*"), ("checksum", "varchar*")],
    )],
);
