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
//! | Each is a job of its own; where it has a canary it then waits for you.     |
//! |                                                                            |
//! | Type  migrate 180 production  to start: _                                  |
//! | [ Cancel ]   Start 2 jobs                                                  |
//! +----------------------------------------------------------------------------+
//! ```

use std::sync::Arc;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use uuid::Uuid;

use super::parts::{Step, button_step, labelled, moved, step};
use super::which_set::{self, WhichSet};
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::jobs::service::{MigrateOrder, Order};
use crate::layout::Layout;
use crate::migrations::plan::Plan;
use crate::model::environment::Environment;
use crate::model::tenant::DatabaseName;
use crate::text::{grouped, sanitise, time_left};
use crate::tui::theme::Theme;
use crate::tui::widgets::buttons::{self, Button};
use crate::tui::widgets::field::Field;
use crate::tui::widgets::{boxes, columns, put, put_fit, put_safe};

/// Databases that have a line; of the others the last line tells.
const LINES: usize = 10;

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
    /// For the order.
    pub key: Uuid,
}

/// The plans of a migration in several databases.
#[derive(Debug, Clone)]
pub struct MigrateFleet {
    input: MigrateFleetInput,
    /// Which set is meant is still asked; the focused button.
    asks: Option<usize>,
    field: Field,
    focus: usize,
    tried: bool,
}

impl MigrateFleet {
    /// Opens it.
    #[must_use]
    pub fn new(input: MigrateFleetInput) -> Self {
        let asks = input.shown.is_some().then_some(0);
        Self { input, asks, field: Field::default(), focus: 0, tried: false }
    }

    fn orders(&self) -> impl Iterator<Item = (&FleetPart, &PartOrder)> {
        self.input.parts.iter().filter_map(|part| part.order.as_ref().ok().map(|order| (part, order)))
    }

    fn tenants(&self) -> usize {
        tenants(&self.input.parts)
    }

    /// The most careful environment of those that are written to.
    fn strictest(&self) -> Environment {
        let all = self.orders().map(|(part, _)| part.environment);
        Environment::strictest(all).unwrap_or(Environment::Production)
    }

    /// The words to type: how many, and the strictest of the environments.
    fn phrase(&self) -> String {
        format!("migrate {} {}", self.tenants(), self.strictest().word())
    }

    fn matches(&self) -> bool {
        self.field.value() == self.phrase()
    }

    /// Takes a key. Pasted text counts for nothing: the words are there to be typed.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        if let Some(focus) = self.asks {
            return self.answer(focus, key);
        }
        match step(key) {
            Step::Close => return DialogOutcome::Close,
            Step::Press => return self.press(),
            what @ (Step::Next | Step::Previous) => self.focus = moved(self.focus, 2, what),
            Step::Other => {
                if self.field.key(key) {
                    self.tried = false;
                    self.focus = usize::from(self.matches());
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
                self.asks = None;
            }
            what @ (Step::Next | Step::Previous | Step::Other) => {
                self.asks = Some(moved(focus, which_set::BUTTONS, what));
            }
        }
        DialogOutcome::Stay
    }

    fn press(&mut self) -> DialogOutcome {
        if self.focus == 0 && self.field.value().is_empty() {
            return DialogOutcome::Close;
        }
        if self.focus == 1 && self.matches() {
            return DialogOutcome::Do(self.orders().map(|(part, order)| action(part, order)).collect());
        }
        self.tried = true;
        DialogOutcome::Stay
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame, area: Rect, theme: &Theme) {
        if let Some(focus) = self.asks {
            let which = WhichSet {
                environment: self.strictest(),
                set: &self.input.set,
                shown: self.input.shown.as_deref().map_or(0, tenants),
                all: self.tenants(),
            };
            return which.draw(frame.buffer_mut(), area, focus, theme);
        }
        let parts = &self.input.parts;
        let lines = parts.len().min(LINES) + usize::from(parts.len() > LINES);
        let place = boxes::centred(area, 78.min(area.width), columns(lines) + 9);
        let buf = frame.buffer_mut();
        let jobs = self.orders().count();
        let title = match parts.len() {
            all if all == jobs => format!("Migrate in {jobs} databases"),
            all => format!("Migrate in {jobs} of {all} databases"),
        };
        let inside = boxes::draw(buf, place, Some(self.strictest()), &title, theme);
        let set = format!("{}  ({})", grouped(self.tenants() as u64), self.input.set);
        labelled(buf, inside, 0, ("Tenants", &set), Style::new(), theme);
        put_fit(buf, inside, 0, 1, inside.width, HEADS, theme.heading);
        let mut y = 2;
        for part in parts.iter().take(LINES) {
            let (words, style) = match &part.order {
                Ok(order) => (line(part, order), Style::new()),
                Err(why) => (format!("{:<13} off: {why}", cut(&part.database, 13)), theme.warn),
            };
            put_safe(buf, inside, 0, y, inside.width, &words, style, theme);
            y += 1;
        }
        if parts.len() > LINES {
            put(buf, inside, 0, y, &format!("and {} more databases", parts.len() - LINES), theme.muted);
            y += 1;
        }
        let words = if self.orders().any(|(_, order)| order.shared.is_some()) {
            "One job each; shared schemas go first, and a canary waits for you"
        } else {
            "Each is a job of its own; where it has a canary it then waits for you"
        };
        let words = format!("{words} ({}).", self.input.continues);
        put_fit(buf, inside, 0, y, inside.width, &words, theme.muted);
        let x = put(buf, inside, 0, y + 2, "Type  ", Style::new());
        let x = put(buf, inside, x, y + 2, &self.phrase(), theme.title);
        let x = put(buf, inside, x, y + 2, "  to start: ", Style::new());
        self.field.draw(buf, inside, (x, y + 2, inside.width.saturating_sub(x)), true, theme);
        let off =
            (!self.matches()).then_some(if self.tried { "the words do not match" } else { "type the words first" });
        let start = if jobs == 1 { "Start 1 job".to_owned() } else { format!("Start {jobs} jobs") };
        let all = [Button { title: "Cancel", off: None }, Button { title: &start, off }];
        buttons::draw(buf, inside, inside.height.saturating_sub(1), &all, Some(self.focus), theme);
    }
}

/// How many would be migrated.
fn tenants(parts: &[FleetPart]) -> usize {
    parts.iter().filter_map(|part| part.order.as_ref().ok()).map(|order| order.plan.tenants.len()).sum()
}

const HEADS: &str = "DATABASE      ENV     TENANTS LEFT OUT  TARGET      CANARY    TIME";

fn cut(text: &str, columns: usize) -> String {
    crate::text::fit(&sanitise(text), columns)
}

fn line(part: &FleetPart, order: &PartOrder) -> String {
    let plan = &order.plan;
    let target = plan.target.as_ref().map_or_else(|| "-".to_owned(), |target| target.untrusted().safe().to_string());
    let canary = match (plan.canary, plan.tenants.first()) {
        (0, _) | (_, None) => "none".to_owned(),
        (1, Some(first)) => first.slug.safe().to_string(),
        (many, Some(_)) => format!("{many} tenants"),
    };
    let time = plan.estimate.seconds().map_or_else(|| "unknown".to_owned(), time_left);
    format!(
        "{:<13} {:<7} {:>7} {:>8}  {:<11} {:<9} {time}",
        cut(&part.database, 13),
        part.environment.badge(),
        grouped(plan.tenants.len() as u64),
        grouped(plan.left_out.len() as u64),
        cut(&target, 11),
        cut(&canary, 9),
    )
}

fn action(part: &FleetPart, order: &PartOrder) -> DialogAction {
    let layout = || Arc::clone(&order.layout);
    DialogAction::Order {
        database: part.database.clone(),
        order: Box::new(Order::Migrate(MigrateOrder {
            plan: Arc::clone(&order.plan),
            layout: layout(),
            wait_after_canary: order.plan.canary > 0 && order.plan.tenants.len() > 1,
        })),
        key: order.key,
        first: order.shared.as_ref().map(|(plan, key)| {
            let plan = Arc::clone(plan);
            Box::new((Order::Migrate(MigrateOrder { plan, layout: layout(), wait_after_canary: false }), *key))
        }),
    }
}
