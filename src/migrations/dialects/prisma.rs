//! Prisma: a row per attempt.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Prisma,
    Order::Text,
    Gap::Applied,
    &[Shape::exactly(
        &["_prisma_migrations"],
        &[
            ("id", "varchar*"),
            ("checksum", "varchar*"),
            ("finished_at", "timestamptz"),
            ("migration_name", "varchar*"),
            ("logs", "text"),
            ("rolled_back_at", "timestamptz"),
            ("started_at", "timestamptz"),
            ("applied_steps_count", "int4"),
        ],
    )],
);
