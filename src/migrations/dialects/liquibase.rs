//! Liquibase: a row per changeset, no primary key.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Liquibase,
    Order::Text,
    Gap::Applied,
    &[Shape::at_least(
        &["databasechangelog"],
        &[
            ("id", "varchar*"),
            ("author", "varchar*"),
            ("filename", "varchar*"),
            ("dateexecuted", "timestamp*"),
            ("orderexecuted", "int4"),
            ("exectype", "varchar*"),
            ("md5sum", "varchar*"),
        ],
    )],
);
