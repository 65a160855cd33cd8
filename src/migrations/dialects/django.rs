//! Django and django-tenants: a row per applied (app, name).

use super::{Dialect, Gap, Order, Shape};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect::recognised(
    Tool::Django,
    Order::Text,
    Gap::ByGraph,
    &[Shape::exactly(
        &["django_migrations"],
        &[("id", "int"), ("app", "varchar*"), ("name", "varchar*"), ("applied", "timestamptz")],
    )],
);
