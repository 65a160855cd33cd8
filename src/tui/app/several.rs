//! One order over tenants of several databases: a plan and a job for each.

use std::sync::Arc;

use uuid::Uuid;

use super::App;
use super::action::Action;
use super::allowed::migratable;
use super::migrating::unread;
use super::selection::Selection;
use super::state::Level;
use crate::tui::dialogs::{Dialog, FleetPart, MigrateFleet, MigrateFleetInput, PartOrder};

impl App {
    /// `M` over marks of several databases.
    pub(super) fn open_migrate_fleet(&mut self, selections: Vec<Selection>) {
        let set = selections.first().map(|selection| selection.words.clone()).unwrap_or_default();
        let parts = self.parts(&selections);
        let shown = selections.iter().any(|selection| selection.shown.is_some()).then(|| {
            let of = |selection: &Selection| {
                let keys = selection.shown.clone().unwrap_or_else(|| selection.keys.clone());
                (!keys.is_empty()).then(|| Selection { keys, shown: None, ..selection.clone() })
            };
            let selections: Vec<Selection> = selections.iter().filter_map(of).collect();
            self.parts(&selections)
        });
        if parts.iter().all(|part| part.order.is_err()) {
            let whys: Vec<String> = parts
                .iter()
                .filter_map(|part| Some(format!("{}: {}", part.database, part.order.as_ref().err()?)))
                .collect();
            return self.say(Level::Warning, format!("nothing to order: {}", whys.join("; ")));
        }
        let continues = self.state.key(Action::Continue);
        self.open_dialog(Dialog::MigrateFleet(Box::new(MigrateFleet::new(MigrateFleetInput {
            set,
            parts,
            shown,
            continues,
        }))));
    }

    fn parts(&self, selections: &[Selection]) -> Vec<FleetPart> {
        let part = |selection: &Selection| FleetPart {
            database: selection.database.clone(),
            environment: self.state.environment(&selection.database),
            order: self.part(selection),
        };
        selections.iter().map(part).collect()
    }

    /// What is ordered in one of them, or why nothing is.
    fn part(&self, selection: &Selection) -> Result<PartOrder, String> {
        let database = &selection.database;
        let key = self.state.key(Action::Migrate);
        migratable(&self.state, database)?;
        if let Some(blocked) = self.in_the_way(database) {
            return Err(blocked.words);
        }
        let view = self.state.latest.database(database);
        if view.and_then(|view| view.initialised) == Some(false) && !self.initialised.contains(database) {
            return Err(format!("it has no schema tenantui yet; {key} on one of its tenants offers to make it"));
        }
        let mut plan = self.plan_of(database, &selection.keys)?;
        let unread = unread(&self.state, selection);
        plan.warnings.splice(0..0, unread.as_deref().map(Into::into));
        if !plan.refusals.is_empty() {
            return Err(format!("a file is refused; {key} on one of its tenants shows which"));
        }
        if plan.tenants.is_empty() {
            let is_behind = self.shared_plan(database)?.is_some();
            let why = match plan.left_out.len() {
                0 if is_behind => format!(
                    "only the shared schema is behind; {} on one of its tenants alone offers to migrate it",
                    self.state.key(Action::Migrate)
                ),
                0 => "nothing is pending".to_owned(),
                count if plan.up_to_date > 0 => {
                    format!("{} up to date, {count} left out; {key} on one of them says why", plan.up_to_date)
                }
                count => format!("all {count} are left out; {key} on one of them says why"),
            };
            return Err(unread.map_or(why.clone(), |unread| format!("{why}; {unread}")));
        }
        let shared = self.shared_plan(database)?;
        if shared.as_ref().is_some_and(|plan| !plan.refusals.is_empty() || plan.tenants.is_empty()) {
            return Err(format!("the shared schema cannot be migrated first; {key} on one of its tenants shows why"));
        }
        let context = self.state.context(database).ok_or("its layout is not known yet")?;
        Ok(PartOrder {
            plan: Arc::new(plan),
            shared: shared.map(|plan| (Arc::new(plan), Uuid::new_v4())),
            layout: Arc::clone(&context.layout),
            driven: self.driven(database),
            key: Uuid::new_v4(),
        })
    }
}
