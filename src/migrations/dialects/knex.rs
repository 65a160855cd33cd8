//! Knex: a row per applied file; its lock is a table of its own.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Knex,
    Order::Text,
    Gap::Applied,
    &[Shape::exactly(
        &["knex_migrations"],
        &[("id", "int"), ("name", "varchar*"), ("batch", "int4"), ("migration_time", "timestamptz")],
    )],
);
