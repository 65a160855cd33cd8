//! What the migrate dialog orders, and whether that can be rehearsed.

use std::sync::Arc;

use super::DialogAction;
use super::migrate::Migrate;
use crate::jobs::orders;
use crate::jobs::service::{MigrateOrder, Order};
use crate::migrations::plan::Plan;

impl Migrate {
    pub(super) fn order(&self) -> DialogAction {
        DialogAction::Order {
            database: self.input.database.clone(),
            order: Box::new(Order::Migrate(MigrateOrder {
                plan: Arc::clone(&self.plan),
                layout: Arc::clone(&self.input.layout),
                wait_after_canary: self.wait && self.has_canary(),
            })),
            key: self.input.key,
            first: self.input.shared.as_ref().map(|(plan, key)| {
                let (plan, layout) = (Arc::clone(plan), Arc::clone(&self.input.layout));
                Box::new((Order::Migrate(MigrateOrder { plan, layout, wait_after_canary: false }), *key))
            }),
        }
    }

    /// Runs on the canary and takes all of it back: nothing of it is kept, so no words are asked for.
    pub(super) fn rehearsal(&self) -> DialogAction {
        DialogAction::Order {
            database: self.input.database.clone(),
            order: Box::new(Order::Rehearse(MigrateOrder {
                plan: Arc::clone(&self.plan),
                layout: Arc::clone(&self.input.layout),
                wait_after_canary: false,
            })),
            key: self.input.key,
            first: None,
        }
    }
}

/// Why a plan cannot be rehearsed, in the words of a button; the order says it in full.
pub(super) fn rehearse_off(plan: &Plan) -> Option<&'static str> {
    if plan.tenants.is_empty() {
        Some("nothing to do")
    } else if !plan.refusals.is_empty() {
        Some("a file is refused")
    } else if plan.is_driven() {
        Some("a command runs")
    } else if orders::rehearsable(plan).is_err() {
        Some("no transaction")
    } else {
        None
    }
}
