//! The plan of a migration, and its confirmation. The set is frozen: what is drawn is what will be ordered.
//!
//! ```text
//! +-[PROD] Migrate-------------------------------------------------------------+
//! | Tenants    180  (filter behind; 4 left out: acorn, alba, ...)              |
//! | Target     0042  (1 to 3 steps: drop_legacy_flags, split_address, ..)      |
//! | Warning    0040 drops a column                                             |
//! | Code       none that runs with other rights                                |
//! | Canary     amber (smallest of the set)   then wait for me [x]              |
//! | Then       batches 5, 25, rest    at once 4    stop after 3 failures       |
//! | Timeouts   lock 500 ms, statement 10 min                                   |
//! | Time       about 9 min  (from the last 20 runs)                            |
//! |                                                                            |
//! | Type  migrate 180  to start: _                                             |
//! | [ Cancel ]   Rehearse   Show SQL   Plan   Start canary                     |
//! +----------------------------------------------------------------------------+
//! ```
//!
//! Tab goes to the canary, too: a number of the smallest, or names. The order of the set changes by that, never the set.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use super::dry_run;
use super::migrate_order::rehearse_off;
use super::migrate_view::View;
use super::parts::{Step, button_step, moved, scrolled, step};
use super::scroll::Scroll;
use super::which_set;
use super::{DialogAction, DialogInput, DialogOutcome, MigrateInput};
use crate::migrations::plan::{Canary, Plan};
use crate::model::environment::Environment;
use crate::model::others_code::CodeOfPlan;
use crate::text::Untrusted;
use crate::tui::widgets::field::Field;

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Canary,
    Wait,
    Cancel,
    Rehearse,
    Sql,
    DryRun,
    Start,
}

/// The plan of a migration.
#[derive(Debug, Clone)]
pub struct Migrate {
    /// What it was opened on.
    pub input: MigrateInput,
    pub(super) plan: Arc<Plan>,
    pub(super) view: View,
    pub(super) wait: bool,
    pub(super) focus: Stop,
    pub(super) field: Field,
    pub(super) tried: bool,
    /// Who goes first, as it is typed.
    pub(super) canary: Field,
    /// What is wrong with it.
    pub(super) canary_error: Option<String>,
    /// Why this plan cannot be rehearsed.
    pub(super) rehearse_off: Option<&'static str>,
    /// How many warnings the plan had by itself, once what was found in its schemas stands behind them.
    pub(super) own_warnings: Option<usize>,
    /// The job that goes through the tenants now: until it is over no other may.
    pub(super) blocked: Option<Blocked>,
}

/// A job that is in the way of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// `job 17`: beside a button.
    pub short: String,
    /// With its state, and what that means.
    pub words: String,
}

impl Migrate {
    /// Opens it; where marks are hidden it asks first which of the two sets is meant.
    #[must_use]
    pub fn new(input: MigrateInput) -> Self {
        let view = if input.shown.is_some() { View::WhichSet(0) } else { View::Plan };
        Self {
            canary: Field::new(&canary_text(&input.plan)),
            canary_error: None,
            rehearse_off: rehearse_off(&input.plan),
            plan: Arc::clone(&input.plan),
            view,
            wait: true,
            focus: Stop::Cancel,
            field: Field::default(),
            tried: false,
            own_warnings: None,
            blocked: None,
            input,
        }
    }

    /// A job is in its way, or none is any more; `false` where that was known.
    pub fn block(&mut self, blocked: Option<Blocked>) -> bool {
        let news = self.blocked != blocked;
        self.blocked = blocked;
        news
    }

    /// What it has to be told, once it is known which set is meant.
    #[must_use]
    pub fn asks(&self) -> Vec<DialogAction> {
        match self.view {
            View::WhichSet(_) => Vec::new(),
            View::Plan | View::Sql(_) | View::DryRun(_) => vec![DialogAction::ReadCode {
                database: self.input.database.clone(),
                plan: self.input.key,
                schemas: self.schemas(),
            }],
        }
    }

    /// Those of the tenants, and the one that is migrated first.
    fn schemas(&self) -> Vec<u32> {
        let shared = self.input.shared.iter().flat_map(|(plan, _)| plan.schemas());
        self.plan.schemas().into_iter().chain(shared).collect()
    }

    /// What runs beside the files was found; `false` where that was not asked, or is known.
    pub fn told(&mut self, code: &CodeOfPlan) -> bool {
        if code.plan != self.input.key || self.own_warnings.is_some() {
            return false;
        }
        let plan = Arc::make_mut(&mut self.plan);
        self.own_warnings = Some(plan.warnings.len());
        plan.take_code(&code.found);
        true
    }

    /// Warnings of the plan itself, and of what was found in its schemas; `None` while that is looked for.
    pub(super) fn warnings(&self) -> (&[Untrusted], Option<&[Untrusted]>) {
        let all = &self.plan.warnings;
        match self.own_warnings.and_then(|own| all.split_at_checked(own)) {
            Some((own, code)) => (own, Some(code)),
            None => (all, None),
        }
    }

    /// The words that have to be typed: in bulk, and on production always.
    pub(super) fn phrase(&self) -> Option<String> {
        let bulk = self.plan.tenants.len() > 1;
        let typed = match self.input.environment {
            Environment::Production => true,
            Environment::Staging | Environment::Development => bulk,
        };
        (typed && self.can_start()).then(|| format!("migrate {}", self.plan.tenants.len()))
    }

    fn can_start(&self) -> bool {
        !self.plan.tenants.is_empty() && self.plan.refusals.is_empty() && !self.shared_is_refused()
    }

    pub(super) fn shared_is_refused(&self) -> bool {
        self.input.shared.as_ref().is_some_and(|(plan, _)| !plan.refusals.is_empty() || plan.tenants.is_empty())
    }

    fn matches(&self) -> bool {
        self.phrase().is_none_or(|phrase| self.field.value() == phrase)
    }

    /// Why `Start` is off.
    pub(super) fn off(&self) -> Option<&str> {
        if let Some(blocked) = &self.blocked {
            Some(&blocked.short)
        } else if !self.plan.refusals.is_empty() {
            Some("refused")
        } else if self.shared_is_refused() {
            Some("shared")
        } else if self.plan.tenants.is_empty() {
            Some("no steps")
        } else if !self.matches() {
            Some(if self.tried { "no match" } else { "type it" })
        } else {
            None
        }
    }

    /// Why `Rehearse` is off: it is a job that goes through tenants, too.
    pub(super) fn why_not_rehearsed(&self) -> Option<&str> {
        self.rehearse_off.or_else(|| self.blocked.as_ref().map(|blocked| blocked.short.as_str()))
    }

    pub(super) fn has_canary(&self) -> bool {
        dry_run::has_canary(&self.plan)
    }

    pub(super) fn stops(&self) -> Vec<Stop> {
        let mut stops = Vec::new();
        if self.plan.tenants.len() > 1 {
            stops.push(Stop::Canary);
        }
        if self.has_canary() {
            stops.push(Stop::Wait);
        }
        stops.extend([Stop::Cancel, Stop::Rehearse, Stop::Sql, Stop::DryRun, Stop::Start]);
        stops
    }

    /// Takes a key. Pasted text counts for nothing: the words are there to be typed.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        let DialogInput::Key(key) = input else { return DialogOutcome::Stay };
        match &mut self.view {
            View::Plan => return self.plan_key(key),
            View::WhichSet(focus) => {
                let focus = *focus;
                return self.set_key(focus, key);
            }
            View::Sql(scroll) => match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => self.view = View::Plan,
                KeyCode::Char('y') => {
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(scroll.lines().join("\n"))]);
                }
                _ => scroll.key(key),
            },
            View::DryRun(top) => match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => self.view = View::Plan,
                KeyCode::Char('y') => {
                    let rows = (0..self.dry_rows()).map(|row| self.dry_text(row));
                    let lines: Vec<String> = self.dry_head().into_iter().chain(rows).collect();
                    return DialogOutcome::DoAndStay(vec![DialogAction::Copy(lines.join("\n"))]);
                }
                _ => {
                    let top = *top;
                    let rows = self.dry_head().len() + self.dry_rows();
                    self.view = View::DryRun(scrolled(top, rows, key));
                }
            },
        }
        DialogOutcome::Stay
    }

    fn set_key(&mut self, focus: usize, key: KeyEvent) -> DialogOutcome {
        match button_step(key) {
            Step::Close => return DialogOutcome::Close,
            Step::Press => match (focus, &self.input.shown) {
                // Nobody of them has anything pending: the button says so.
                (1, Some(shown)) if shown.tenants.is_empty() => {}
                (1, Some(shown)) => {
                    self.plan = Arc::clone(shown);
                    self.canary.set(&canary_text(&self.plan));
                    self.rehearse_off = rehearse_off(&self.plan);
                    self.view = View::Plan;
                    return DialogOutcome::DoAndStay(self.asks());
                }
                (2, _) => {
                    self.view = View::Plan;
                    return DialogOutcome::DoAndStay(self.asks());
                }
                _ => return DialogOutcome::Close,
            },
            step => self.view = View::WhichSet(moved(focus, which_set::BUTTONS, step)),
        }
        DialogOutcome::Stay
    }

    fn plan_key(&mut self, key: KeyEvent) -> DialogOutcome {
        if self.focus == Stop::Canary {
            return self.canary_key(key);
        }
        let typing = self.phrase().is_some();
        if self.focus == Stop::Wait && key.code == KeyCode::Char(' ') {
            self.wait = !self.wait;
            return DialogOutcome::Stay;
        }
        match if typing { step(key) } else { button_step(key) } {
            Step::Close => return DialogOutcome::Close,
            Step::Press => return self.press(),
            what @ (Step::Next | Step::Previous) => self.move_focus(what),
            Step::Other => {
                if typing && self.field.key(key) {
                    self.tried = false;
                    // Enter after the right words starts; with any other words the focus is back on Cancel.
                    self.focus = if self.matches() { Stop::Start } else { Stop::Cancel };
                }
            }
        }
        DialogOutcome::Stay
    }

    fn move_focus(&mut self, step: Step) {
        let stops = self.stops();
        let at = stops.iter().position(|stop| *stop == self.focus).unwrap_or(0);
        self.focus = stops.get(moved(at, stops.len(), step)).copied().unwrap_or(Stop::Cancel);
    }

    /// The canary's field has the keys: it is left when what is in it makes a plan.
    fn canary_key(&mut self, key: KeyEvent) -> DialogOutcome {
        match step(key) {
            Step::Close => {
                // What was typed is given up; the plan is as it was.
                self.canary.set(&canary_text(&self.plan));
                self.canary_error = None;
                self.focus = Stop::Cancel;
            }
            Step::Press => {
                if self.take_canary() {
                    self.focus = Stop::Cancel;
                }
            }
            what @ (Step::Next | Step::Previous) => {
                if self.take_canary() {
                    self.move_focus(what);
                }
            }
            Step::Other => {
                self.canary.key(key);
                self.canary_error = None;
            }
        }
        DialogOutcome::Stay
    }

    fn take_canary(&mut self) -> bool {
        match self.plan.with_canary(Canary::parse(self.canary.value())) {
            Ok(plan) => {
                self.plan = Arc::new(plan);
                self.canary.set(&canary_text(&self.plan));
                self.canary_error = None;
                true
            }
            Err(error) => {
                self.canary_error = Some(error.to_string());
                false
            }
        }
    }

    fn press(&mut self) -> DialogOutcome {
        match self.focus {
            // Its own keys have it.
            Stop::Canary => {}
            Stop::Wait => self.wait = !self.wait,
            Stop::Cancel => {
                if self.field.value().is_empty() {
                    return DialogOutcome::Close;
                }
                // Somebody is typing: Enter says whether the words match instead of throwing them away.
                self.tried = true;
            }
            Stop::Rehearse => {
                if self.why_not_rehearsed().is_none() {
                    return DialogOutcome::Do(vec![self.rehearsal()]);
                }
            }
            Stop::Sql => self.view = View::Sql(Scroll::of_text(&self.sql_text())),
            Stop::DryRun => self.view = View::DryRun(0),
            Stop::Start => {
                if self.off().is_none() {
                    return DialogOutcome::Do(vec![self.order()]);
                }
                self.tried = true;
            }
        }
        DialogOutcome::Stay
    }
}

/// What stands in the canary's field: a number, or names.
fn canary_text(plan: &Plan) -> String {
    if plan.options.canary_tenants.is_empty() {
        plan.options.canary.to_string()
    } else {
        plan.options.canary_tenants.join(", ")
    }
}
