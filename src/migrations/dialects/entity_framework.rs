//! Entity Framework Core: a row per applied migration; the names are in upper and lower case.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::EntityFramework,
    Order::Text,
    Gap::Applied,
    &[Shape::exactly(&["__EFMigrationsHistory"], &[("MigrationId", "varchar*"), ("ProductVersion", "varchar*")])],
);
