//! What is done to a tenant as a whole: rename, suspend, activate, archive, drop, restore, purge, repair. It asks for a
//! plan, shows it, and orders what was confirmed; a drop and a purge want the schema's name typed, and each object
//! outside the schema marked.
//!
//! ```text
//! +-[PROD] Drop tenant---------------------------------------------------+
//! | This removes the tenant's data. It cannot run in bulk.               |
//! |                                                                      |
//! | Tenant     aeon, suspended since 2026-07-01                          |
//! | Schema     t_aeon: 38 tables, 12 MB exact, about 61,000 rows         |
//! | Cache      0 keys   Sessions now 0   Last backup unknown             |
//! | Step 1     rename the schema to zz_dropped_<job>_t_aeon              |
//! | Note       it can be brought back for 7 days                         |
//! |                                                                      |
//! | Type the schema name to go on: t_ae_                                 |
//! | [ Cancel ]   Show SQL   Drop  (off: the name does not match)         |
//! +----------------------------------------------------------------------+
//! ```

use std::collections::BTreeSet;

use uuid::Uuid;

use super::scroll::Scroll;
use super::{DialogAction, DialogInput, DialogOutcome};
use crate::jobs::life::plan::LifeRequest;
use crate::jobs::service::{LifeOrder, Order};
use crate::model::environment::Environment;
use crate::model::life::{LifeKind, LifePlan};
use crate::model::tenant::DatabaseName;
use crate::text::Untrusted;
use crate::tui::widgets::field::Field;

/// What it is opened on.
#[derive(Debug, Clone)]
pub struct LifeInput {
    /// Where.
    pub database: DatabaseName,
    /// How careful to be.
    pub environment: Environment,
    /// What is done.
    pub kind: LifeKind,
    /// What can be asked for, each in words: one where there is nothing to choose.
    pub choices: Vec<(String, LifeRequest)>,
    /// For the order.
    pub key: Uuid,
}

/// How far it is.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// One of several is chosen.
    Choose(usize),
    /// A display name is typed.
    Name,
    /// The plan is being made.
    Planning,
    /// No plan could be made; why.
    Failed(Untrusted),
    /// The plan is shown.
    Planned(Box<LifePlan>),
}

/// Where the focus can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The objects outside the schema.
    Dependants,
    /// Whether the sessions of the role are ended too.
    Sessions,
    Cancel,
    Sql,
    Go,
}

/// What is done to a tenant as a whole.
#[derive(Debug, Clone)]
pub struct Life {
    /// What it was opened on.
    pub input: LifeInput,
    pub(super) phase: Phase,
    pub(super) chosen: usize,
    pub(super) field: Field,
    pub(super) focus: Stop,
    /// Objects outside that were marked, by their place.
    pub(super) marked: BTreeSet<usize>,
    /// The object under the cursor.
    pub(super) at: usize,
    pub(super) reading: Option<Scroll>,
    pub(super) tried: bool,
}

impl Life {
    /// Opens it, and what has to be asked for first.
    #[must_use]
    pub fn new(input: LifeInput) -> (Self, Vec<DialogAction>) {
        let mut dialog = Self {
            input,
            phase: Phase::Choose(0),
            chosen: 0,
            field: Field::default(),
            focus: Stop::Cancel,
            marked: BTreeSet::new(),
            at: 0,
            reading: None,
            tried: false,
        };
        let actions = if dialog.input.choices.len() == 1 { dialog.choose(0) } else { Vec::new() };
        (dialog, actions)
    }

    /// The request that is planned or was.
    #[must_use]
    pub fn request(&self) -> Option<&LifeRequest> {
        self.input.choices.get(self.chosen).map(|(_, request)| request)
    }

    /// A plan was made: taken where it is the one that is waited for.
    pub fn planned(&mut self, plan: LifePlan) -> bool {
        let is_mine = plan.kind == self.input.kind
            && plan.database == self.input.database
            && matches!(self.phase, Phase::Planning);
        if is_mine {
            self.marked.clear();
            self.at = 0;
            self.phase = Phase::Planned(Box::new(plan));
            if self.wants_marks() {
                // They are what is asked for first: Space marks, and letters go into the field all the same.
                self.focus = Stop::Dependants;
            }
        }
        is_mine
    }

    /// No plan could be made: said where one is waited for.
    pub fn failed(&mut self, why: &Untrusted) -> bool {
        let waits = matches!(self.phase, Phase::Planning);
        if waits {
            self.phase = Phase::Failed(why.clone());
        }
        waits
    }

    pub(super) fn choose(&mut self, at: usize) -> Vec<DialogAction> {
        self.chosen = at;
        match (self.input.kind, self.request()) {
            (LifeKind::Rename, Some(request)) => {
                let now = request.becomes.as_ref().map_or("", Untrusted::raw).to_owned();
                self.field.set(&now);
                self.phase = Phase::Name;
                Vec::new()
            }
            (
                LifeKind::Suspend
                | LifeKind::Activate
                | LifeKind::Archive
                | LifeKind::Drop
                | LifeKind::Undrop
                | LifeKind::Purge
                | LifeKind::Repair,
                _,
            )
            | (LifeKind::Rename, None) => self.ask(),
        }
    }

    pub(super) fn ask(&mut self) -> Vec<DialogAction> {
        self.phase = Phase::Planning;
        self.request().map(|request| DialogAction::PlanLife(Box::new(request.clone()))).into_iter().collect()
    }

    /// Takes a key, or pasted text for a field.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        match input {
            DialogInput::Paste(text) => {
                if self.has_field() {
                    self.field.paste(&text);
                    self.follow_field();
                }
                DialogOutcome::Stay
            }
            DialogInput::Key(key) => self.key(key),
        }
    }

    /// The plan that is shown.
    #[must_use]
    pub fn plan(&self) -> Option<&LifePlan> {
        match &self.phase {
            Phase::Planned(plan) => Some(plan),
            Phase::Choose(_) | Phase::Name | Phase::Planning | Phase::Failed(_) => None,
        }
    }

    pub(super) fn has_field(&self) -> bool {
        match &self.phase {
            Phase::Name => true,
            Phase::Planned(plan) => plan.kind.is_typed() && is_open(plan),
            Phase::Choose(_) | Phase::Planning | Phase::Failed(_) => false,
        }
    }

    /// Whether the end of the role's sessions can be asked for.
    pub(super) fn offers_sessions(&self) -> bool {
        let Some(plan) = self.plan().filter(|plan| plan.own_role().is_some()) else { return false };
        match self.input.kind {
            LifeKind::Suspend | LifeKind::Archive => plan.refusal.is_none(),
            // They may be all that is in its way.
            LifeKind::Drop => {
                plan.sessions.as_ref().is_some_and(|sessions| !sessions.is_empty())
                    || self.request().is_some_and(|request| request.end_sessions)
            }
            LifeKind::Rename | LifeKind::Activate | LifeKind::Undrop | LifeKind::Purge | LifeKind::Repair => false,
        }
    }

    pub(super) fn stops(&self) -> Vec<Stop> {
        let Some(plan) = self.plan() else { return vec![Stop::Cancel] };
        let mut stops = Vec::new();
        if self.wants_marks() {
            stops.push(Stop::Dependants);
        }
        if self.offers_sessions() {
            stops.push(Stop::Sessions);
        }
        stops.push(Stop::Cancel);
        if !plan.sql.is_empty() {
            stops.push(Stop::Sql);
        }
        if is_open(plan) {
            stops.push(Stop::Go);
        }
        stops
    }

    /// Whether objects outside have to be marked.
    pub(super) fn wants_marks(&self) -> bool {
        self.plan().is_some_and(|plan| plan.kind.is_typed() && is_open(plan) && !plan.dependants.is_empty())
    }

    /// Why it cannot go on yet.
    pub(super) fn off(&self) -> Option<String> {
        let plan = self.plan()?;
        if !plan.kind.is_typed() {
            return None;
        }
        let open = plan.dependants.len() - self.marked.len().min(plan.dependants.len());
        if open > 0 {
            return Some(format!("{open} not marked yet"));
        }
        let typed = self.field.value();
        match plan.is_confirmed_by(typed) {
            true => None,
            false if typed.is_empty() && !self.tried => Some("type the name".to_owned()),
            false => Some("the name does not match".to_owned()),
        }
    }

    pub(super) fn order(&self) -> Option<DialogAction> {
        let (plan, request) = (self.plan()?.clone(), self.request()?.clone());
        let dependants = plan
            .dependants
            .iter()
            .enumerate()
            .filter(|(at, _)| self.marked.contains(at))
            .map(|(_, object)| object.clone());
        let order = LifeOrder {
            request,
            typed: plan.kind.is_typed().then(|| self.field.value().to_owned()),
            dependants: dependants.collect(),
            plan,
        };
        Some(DialogAction::Order {
            database: self.input.database.clone(),
            order: Box::new(Order::Life(Box::new(order))),
            key: self.input.key,
            first: None,
        })
    }
}

/// Whether a plan can be carried out.
pub(super) const fn is_open(plan: &LifePlan) -> bool {
    plan.refusal.is_none() && plan.nothing.is_none()
}
