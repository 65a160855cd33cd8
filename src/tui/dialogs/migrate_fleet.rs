//! Migrating tenants of several databases: one job for each, ordered together. The set is frozen; what is drawn is what
//! will be ordered. Canary, batches and limits are each database's own, from the configuration.
//!
//! ```text
//! +-[PROD] Migrate in 2 databases----------------------------------------------+
//! | Tenants    180  (182 marked)                                               |
//! | DATABASE      ENV   TENANTS LEFT OUT  TARGET      CANARY      TIME         |
//! | eu-1          PROD      120        1  0042        amber       about 9 min  |
//! | us-1          STAG       60        0  0042        acme        about 2 min  |
//! | asia          off: there is no link to asia                                |
//! | Warning    0040 line 3: a column is dropped                                |
//! | Code       eu-1: in amber: trigger users.audit calls a function ..         |
//! | Each is a job of its own; where it has a canary it then waits for you.     |
//! |                                                                            |
//! | Type  migrate 180 production  to start: _                                  |
//! | [ Cancel ]   Plan   Start 2 jobs                                           |
//! +----------------------------------------------------------------------------+
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};
use uuid::Uuid;

use super::dry_run::has_canary;
use super::parts::{Step, button_step, moved, step};
use super::scroll::Scroll;
use super::which_set;
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::jobs::service::{MigrateOrder, Order};
use crate::layout::Layout;
use crate::migrations::aim::Driven;
use crate::migrations::plan::Plan;
use crate::model::environment::Environment;
use crate::model::others_code::CodeOfPlan;
use crate::model::tenant::DatabaseName;
use crate::text::Untrusted;
use crate::tui::widgets::field::Field;

/// What it is opened on.
#[derive(Debug, Clone)]
pub struct MigrateFleetInput {
    /// In words, what the set is: `182 marked`.
    pub set: String,
    /// The databases, in the order of the configuration.
    pub parts: Vec<FleetPart>,
    /// The same for the tenants that are shown, where some of the set are hidden: which are meant is asked first.
    pub shown: Option<Vec<FleetPart>>,
    /// The key that goes on with a job that waits.
    pub continues: String,
}

/// What one database has to do with it.
#[derive(Debug, Clone)]
pub struct FleetPart {
    /// Which.
    pub database: DatabaseName,
    /// How careful to be there.
    pub environment: Environment,
    /// What is ordered there, or why nothing is.
    pub order: Result<PartOrder, String>,
}

/// The order of one database.
#[derive(Debug, Clone)]
pub struct PartOrder {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The plan of the shared schema where it is behind, with the key of its order: it is migrated first.
    pub shared: Option<(Arc<Plan>, Uuid)>,
    /// The layout.
    pub layout: Arc<Layout>,
    /// The tool's own command, where that does the work.
    pub driven: Option<Driven>,
    /// For the order.
    pub key: Uuid,
}

/// What the dialog shows.
#[derive(Debug, Clone)]
pub(super) enum View {
    /// Marks are hidden: which set is meant? The focused button.
    WhichSet(usize),
    /// The databases, a line each.
    Databases,
    /// Warnings and tenants of each.
    Plan(Scroll),
}

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Cancel,
    Plan,
    Start,
}

/// In the order of Tab.
const STOPS: [Stop; 3] = [Stop::Cancel, Stop::Plan, Stop::Start];

/// The plans of a migration in several databases.
#[derive(Debug, Clone)]
pub struct MigrateFleet {
    pub(super) input: MigrateFleetInput,
    pub(super) view: View,
    pub(super) field: Field,
    pub(super) focus: Stop,
    pub(super) tried: bool,
    /// By order, how many warnings its plan had by itself, once what was found in its schemas stands behind them.
    own_warnings: HashMap<Uuid, usize>,
}

impl MigrateFleet {
    /// Opens it.
    #[must_use]
    pub fn new(input: MigrateFleetInput) -> Self {
        Self {
            view: if input.shown.is_some() { View::WhichSet(0) } else { View::Databases },
            input,
            field: Field::default(),
            focus: Stop::Cancel,
            tried: false,
            own_warnings: HashMap::new(),
        }
    }

    pub(super) fn orders(&self) -> impl Iterator<Item = (&FleetPart, &PartOrder)> {
        self.input.parts.iter().filter_map(|part| part.order.as_ref().ok().map(|order| (part, order)))
    }

    /// Where it orders something.
    #[must_use]
    pub fn databases(&self) -> Vec<&DatabaseName> {
        self.orders().map(|(part, _)| &part.database).collect()
    }

    pub(super) fn tenants(&self) -> usize {
        tenants(&self.input.parts)
    }

    /// The most careful environment of those that are written to.
    pub(super) fn strictest(&self) -> Environment {
        let all = self.orders().map(|(part, _)| part.environment);
        Environment::strictest(all).unwrap_or(Environment::Production)
    }

    /// The words to type: how many, and the strictest of the environments.
    pub(super) fn phrase(&self) -> String {
        format!("migrate {} {}", self.tenants(), self.strictest().word())
    }

    pub(super) fn matches(&self) -> bool {
        self.field.value() == self.phrase()
    }

    /// What it has to be told, once it is known which set is meant.
    #[must_use]
    pub fn asks(&self) -> Vec<DialogAction> {
        if matches!(self.view, View::WhichSet(_)) {
            return Vec::new();
        }
        let ask = |(part, order): (&FleetPart, &PartOrder)| {
            let shared = order.shared.iter().flat_map(|(plan, _)| plan.schemas());
            DialogAction::ReadCode {
                database: part.database.clone(),
                plan: order.key,
                schemas: order.plan.schemas().into_iter().chain(shared).collect(),
            }
        };
        self.orders().map(ask).collect()
    }

    /// What runs beside the files of one database was found; `false` where that was not asked, or is known.
    pub fn told(&mut self, code: &CodeOfPlan) -> bool {
        let orders = self.input.parts.iter_mut().filter_map(|part| part.order.as_mut().ok());
        let Some(order) = orders.into_iter().find(|order| order.key == code.plan) else { return false };
        if self.own_warnings.contains_key(&order.key) {
            return false;
        }
        let plan = Arc::make_mut(&mut order.plan);
        self.own_warnings.insert(order.key, plan.warnings.len());
        plan.take_code(&code.found);
        if matches!(self.view, View::Plan(_)) {
            self.view = View::Plan(Scroll::of_text(&self.plan_text()));
        }
        true
    }

    /// Warnings of an order's plan itself, and of what was found in its schemas; `None` while that is looked for.
    pub(super) fn warnings<'order>(
        &self,
        order: &'order PartOrder,
    ) -> (&'order [Untrusted], Option<&'order [Untrusted]>) {
        let all = &order.plan.warnings[..];
        match self.own_warnings.get(&order.key).and_then(|own| all.split_at_checked(*own)) {
            Some((own, code)) => (own, Some(code)),
            None => (all, None),
        }
    }

    /// Takes a key. Pasted text counts for nothing: the words are there to be typed.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match &mut self.view {
            View::WhichSet(focus) => {
                let focus = *focus;
                return self.answer(focus, key);
            }
            View::Databases => return self.databases_key(key),
            View::Plan(scroll) => match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => self.view = View::Databases,
                KeyCode::Char('y') => {
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(scroll.lines().join("\n"))]);
                }
                _ => scroll.key(key),
            },
        }
        DialogOutcome::Stay
    }

    fn databases_key(&mut self, key: KeyEvent) -> DialogOutcome {
        match step(key) {
            Step::Close => return DialogOutcome::Close,
            Step::Press => return self.press(),
            what @ (Step::Next | Step::Previous) => {
                let at = STOPS.iter().position(|stop| *stop == self.focus).unwrap_or(0);
                self.focus = STOPS[moved(at, STOPS.len(), what)];
            }
            Step::Other => {
                if self.field.key(key) {
                    self.tried = false;
                    self.focus = if self.matches() { Stop::Start } else { Stop::Cancel };
                }
            }
        }
        DialogOutcome::Stay
    }

    /// A key while it is asked which set is meant.
    fn answer(&mut self, focus: usize, key: KeyEvent) -> DialogOutcome {
        match button_step(key) {
            Step::Close => return DialogOutcome::Close,
            Step::Press if focus == 0 => return DialogOutcome::Close,
            Step::Press => {
                let shown = self.input.shown.take().filter(|_| focus == 1);
                if shown.as_ref().is_some_and(Vec::is_empty) {
                    return DialogOutcome::Close;
                }
                self.input.parts = shown.unwrap_or_else(|| std::mem::take(&mut self.input.parts));
                self.view = View::Databases;
                return DialogOutcome::DoAndStay(self.asks());
            }
            what @ (Step::Next | Step::Previous | Step::Other) => {
                self.view = View::WhichSet(moved(focus, which_set::BUTTONS, what));
            }
        }
        DialogOutcome::Stay
    }

    fn press(&mut self) -> DialogOutcome {
        match self.focus {
            Stop::Cancel if self.field.value().is_empty() => return DialogOutcome::Close,
            Stop::Plan => self.view = View::Plan(Scroll::of_text(&self.plan_text())),
            Stop::Start if self.matches() => {
                return DialogOutcome::Do(self.orders().map(|(part, order)| action(part, order)).collect());
            }
            Stop::Cancel | Stop::Start => self.tried = true,
        }
        DialogOutcome::Stay
    }
}

/// How many would be migrated.
pub(super) fn tenants(parts: &[FleetPart]) -> usize {
    parts.iter().filter_map(|part| part.order.as_ref().ok()).map(|order| order.plan.tenants.len()).sum()
}

fn action(part: &FleetPart, order: &PartOrder) -> DialogAction {
    let layout = || Arc::clone(&order.layout);
    DialogAction::Order {
        database: part.database.clone(),
        order: Box::new(Order::Migrate(MigrateOrder {
            plan: Arc::clone(&order.plan),
            layout: layout(),
            wait_after_canary: has_canary(&order.plan),
        })),
        key: order.key,
        first: order.shared.as_ref().map(|(plan, key)| {
            let plan = Arc::clone(plan);
            Box::new((Order::Migrate(MigrateOrder { plan, layout: layout(), wait_after_canary: false }), *key))
        }),
    }
}
