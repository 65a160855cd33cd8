//! Supabase CLI: versions with their statements; normally in a schema `supabase_migrations`.

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Supabase,
    Order::Text,
    Gap::Applied,
    &[Shape::at_least(&["schema_migrations"], &[("version", "text"), ("statements", "text[]"), ("name", "text")])],
);
