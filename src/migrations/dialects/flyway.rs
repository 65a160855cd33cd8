//! Flyway: a row per event; `schema_version` before 5.0, with a `version_rank` in 3.x.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Flyway,
    Order::Number,
    Gap::Refused,
    &[Shape {
        optional: &["version_rank"],
        ..Shape::exactly(
            &["flyway_schema_history", "schema_version"],
            &[
                ("installed_rank", "int4"),
                ("version", "varchar*"),
                ("description", "varchar*"),
                ("type", "varchar*"),
                ("script", "varchar*"),
                ("checksum", "int4"),
                ("installed_by", "varchar*"),
                ("installed_on", "timestamp"),
                ("execution_time", "int4"),
                ("success", "bool"),
            ],
        )
    }],
);
