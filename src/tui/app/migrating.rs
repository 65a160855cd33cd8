//! `M`: what is planned over which tenants, and what all of them share.

use std::sync::Arc;

use uuid::Uuid;

use super::App;
use super::command::Command;
use super::selection::{Selection, selections};
use super::state::{Level, Screen, State};
use crate::migrations::aim::Driven;
use crate::migrations::plan::{self, LeftOut, Plan, PlanOptions};
use crate::model::job::JobView;
use crate::model::ledger::LedgerState;
use crate::model::others_code::CodeOfPlan;
use crate::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use crate::text::{Untrusted, grouped, sanitise};
use crate::tui::dialogs::{Blocked, Dialog, Migrate, MigrateInput};

impl App {
    /// `M`: the plan over the frozen set; of several databases a plan for each.
    pub(super) fn open_migrate(&mut self) -> Vec<Command> {
        match selections(&self.state) {
            Ok(mut selections) if selections.len() == 1 => {
                if let Some(selection) = selections.pop() {
                    self.open_migrate_in(selection);
                }
            }
            Ok(selections) => self.open_migrate_fleet(selections),
            Err(why) => self.say(Level::Warning, why),
        }
        let asks = match &self.state.dialog {
            Some(Dialog::Migrate(dialog)) => dialog.asks(),
            Some(Dialog::MigrateFleet(dialog)) => dialog.asks(),
            _ => Vec::new(),
        };
        asks.into_iter().flat_map(|action| self.decide(action)).collect()
    }

    /// What runs beside the files of a plan was found: the dialog that waits for it shows it.
    pub(super) fn code_told(&mut self, code: &CodeOfPlan) -> Vec<Command> {
        self.dirty |= match &mut self.state.dialog {
            Some(Dialog::Migrate(dialog)) => dialog.told(code),
            Some(Dialog::MigrateFleet(dialog)) => dialog.told(code),
            _ => false,
        };
        Vec::new()
    }

    fn open_migrate_in(&mut self, selection: Selection) {
        let unread = unread(&self.state, &selection);
        let plan_of = |keys: &[TenantKey]| {
            let mut plan = self.plan_of(&selection.database, keys)?;
            plan.warnings.splice(0..0, unread.as_deref().map(Into::into));
            Ok::<Plan, String>(plan)
        };
        let whole = match plan_of(&selection.keys) {
            Ok(plan) => plan,
            Err(why) => return self.say(Level::Error, format!("no plan was made: {why}")),
        };
        let shown = match selection.shown.as_deref().map(plan_of).transpose() {
            Ok(shown) => shown,
            Err(why) => return self.say(Level::Error, format!("no plan was made: {why}")),
        };
        // The hidden ones of a set may have nothing pending, as those that a job is through with: then there is no choice.
        let shown = shown.filter(|shown| shown.tenants != whole.tenants || shown.left_out != whole.left_out);
        if whole.tenants.is_empty() && self.is_nobody_in_the_way(&whole) && whole.refusals.is_empty() {
            let words = self.why_none(&whole, &selection.keys);
            let words = unread.map_or(words.clone(), |unread| format!("{words}; {unread}"));
            return self.open_shared_alone(selection.database, &whole, &words);
        }
        let Some(context) = self.state.context(&selection.database) else { return };
        let input = MigrateInput {
            environment: self.state.environment(&selection.database),
            shared: match self.shared_plan(&selection.database) {
                Ok(shared) => shared.map(|plan| (Arc::new(plan), Uuid::new_v4())),
                Err(why) => return self.say(Level::Error, format!("no plan of the shared schema was made: {why}")),
            },
            set: selection.words,
            plan: Arc::new(whole),
            shown: shown.map(Arc::new),
            layout: Arc::clone(&context.layout),
            jobs: self.database_config(&selection.database).map(|config| config.jobs.clone()).unwrap_or_default(),
            driven: self.driven(&selection.database),
            key: Uuid::new_v4(),
            database: selection.database,
        };
        let database = input.database.clone();
        self.open_dialog(Dialog::Migrate(Box::new(Migrate::new(input))));
        self.warn_of_live(&database);
    }

    /// One job at a time goes through the tenants: told before anything is typed.
    fn warn_of_live(&mut self, database: &DatabaseName) {
        if let Some(blocked) = self.in_the_way(database) {
            self.say(Level::Warning, blocked.words);
        }
    }

    /// The job that goes through the tenants of a database, or will.
    pub(super) fn in_the_way(&self, database: &DatabaseName) -> Option<Blocked> {
        let goes =
            |job: &&JobView| job.database == *database && job.kind.goes_through_tenants() && !job.state.is_over();
        let job = self.state.jobs.jobs.iter().find(goes)?;
        let (id, state) = (job.id, job.state.word());
        Some(Blocked {
            short: format!("job {id}"),
            words: format!("job {id} is {state}: until it is over no other migrates {}", sanitise(database)),
        })
    }

    /// What is in the way of an open plan may come and go while it is read.
    pub(super) fn refresh_blocked(&mut self) {
        let Some(Dialog::Migrate(dialog)) = &self.state.dialog else { return };
        let blocked = self.in_the_way(&dialog.input.database);
        if let Some(Dialog::Migrate(dialog)) = &mut self.state.dialog {
            self.dirty |= dialog.block(blocked);
        }
    }

    /// Whether nobody is left out who could be migrated if something were mended.
    fn is_nobody_in_the_way(&self, plan: &Plan) -> bool {
        let tenant = |left: &LeftOut| self.state.latest.tenant(&left.key);
        plan.left_out.iter().all(|left| tenant(left).is_some_and(|tenant| never_planned(tenant).is_some()))
    }

    /// Why nothing is pending in the tenants: one that is never migrated is not counted as if it were up to date.
    fn why_none(&self, plan: &Plan, keys: &[TenantKey]) -> String {
        if let ([only], 0) = (keys, plan.up_to_date)
            && let Some(tenant) = self.state.latest.tenants.iter().find(|tenant| tenant.key == *only)
        {
            let problem = tenant.problems.first().map_or_else(String::new, |problem| format!(": {}", problem.safe()));
            let is = if tenant.deleted { "deleted" } else { tenant.state.word() };
            return format!("{} is {is}, and such are never migrated{problem}", tenant.slug.safe());
        }
        let left = match plan.left_out.len() {
            0 => String::new(),
            count => format!(", {count} never migrated: {}", left_out_names(plan)),
        };
        format!("{} of {} up to date{left}", plan.up_to_date, keys.len())
    }

    /// Nothing is pending in the tenants: where the shared schema is behind it is offered by itself.
    fn open_shared_alone(&mut self, database: DatabaseName, tenants: &Plan, words: &str) {
        let plan = match self.shared_plan(&database) {
            Ok(plan) => plan,
            Err(why) => return self.say(Level::Error, format!("no plan of the shared schema was made: {why}")),
        };
        let Some(context) = self.state.context(&database) else { return };
        let Some(plan) = plan else {
            let sibling = context.shared_sibling();
            return match sibling.and_then(|(shared, folder)| tenants.sibling_lacks(shared, folder)) {
                None => self.say(Level::Info, format!("nothing is pending: {words}")),
                Some(lacks) => self.say(Level::Warning, format!("nothing is pending: {words}; {lacks}")),
            };
        };
        let input = MigrateInput {
            environment: self.state.environment(&database),
            shared: None,
            set: format!("tenants: {words}"),
            plan: Arc::new(plan),
            shown: None,
            layout: Arc::clone(&context.layout),
            jobs: self.database_config(&database).map(|config| config.jobs.clone()).unwrap_or_default(),
            driven: None,
            key: Uuid::new_v4(),
            database,
        };
        self.open_dialog(Dialog::Migrate(Box::new(Migrate::new(input))));
    }

    pub(super) fn plan_of(&self, database: &DatabaseName, keys: &[TenantKey]) -> Result<Plan, String> {
        let context = self.state.context(database).ok_or("the migrations are not read yet")?;
        let folder = context.folder.as_ref().ok_or("no migration folder is configured")?;
        let wanted: std::collections::HashSet<&TenantKey> = keys.iter().collect();
        // The latest picture, also where rows are frozen: what is planned is what is there.
        let tenants: Vec<Arc<Tenant>> =
            self.state.latest.tenants.iter().filter(|tenant| wanted.contains(&tenant.key)).cloned().collect();
        let mut options = match self.database_config(database) {
            Some(config) => PlanOptions::from(&**config),
            None => return Err(format!("{database} is not configured")),
        };
        options.to = self.state.targets.get(database).cloned();
        let mut plan = plan::plan(database, &tenants, folder, options).map_err(|error| error.to_string())?;
        name_unplanned(&mut plan, &tenants);
        if let Some((shared, folder)) = context.shared_sibling() {
            plan.tell_sibling(shared, folder);
        }
        let times = self.state.latest.database(database).map(|view| Arc::clone(&view.times)).unwrap_or_default();
        Ok(plan.with_times(&times))
    }

    /// The tool's own command, where that migrates the tenants of a database.
    pub(super) fn driven(&self, database: &DatabaseName) -> Option<Driven> {
        let (context, config) = (self.state.context(database)?, self.database_config(database)?);
        Driven::of(context.folder.as_ref()?.tool, config, &context.layout.search_path_extra)
    }

    /// The plan of the shared schema, where it is behind.
    pub(super) fn shared_plan(&self, database: &DatabaseName) -> Result<Option<Plan>, String> {
        let Some(shared) = self.state.context(database).and_then(|context| context.shared.as_ref()) else {
            return Ok(None);
        };
        if shared.behind().unwrap_or(0) == 0 {
            return Ok(None);
        }
        let Some(config) = self.database_config(database) else { return Ok(None) };
        plan::shared(database, shared, PlanOptions::from(&**config)).map(Some).map_err(|error| error.to_string())
    }
}

/// That somebody may be missing from a set: tenants of its database that are not read yet belong to no group and fit no
/// filter by their state. Of a single one nothing is missing.
pub(super) fn unread(state: &State, selection: &Selection) -> Option<String> {
    if selection.keys.len() < 2 && state.screen != Screen::Migrations {
        return None;
    }
    let of_it = |tenant: &&Arc<Tenant>| tenant.key.database == selection.database && is_unread(tenant);
    let all = state.latest.tenants.iter().filter(of_it).map(|tenant| &tenant.key);
    let chosen: std::collections::HashSet<&TenantKey> = selection.keys.iter().collect();
    match all.filter(|key| !chosen.contains(key)).count() {
        0 => None,
        1 => Some("1 tenant is not read yet: whether it belongs to this set is not known".to_owned()),
        many => Some(format!(
            "{} tenants are not read yet: who of them belongs to this set is not known",
            grouped(many as u64)
        )),
    }
}

/// Whether its ledger will be read, and was not yet.
fn is_unread(tenant: &Tenant) -> bool {
    !tenant.deleted && tenant.state == TenantState::Unknown && tenant.ledger == LedgerState::Unread
}

/// Why a tenant is never part of a plan, whatever its ledger says.
fn never_planned(tenant: &Tenant) -> Option<Untrusted> {
    if tenant.deleted {
        return Some("it is deleted".into());
    }
    match tenant.state {
        TenantState::OrphanSchema => Some(tenant.state_words().into()),
        TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::MissingSchema
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => None,
    }
}

/// Who was chosen and is never planned is left out by name: nobody vanishes between the marks and the plan.
fn name_unplanned(plan: &mut Plan, tenants: &[Arc<Tenant>]) {
    let left = |tenant: &Arc<Tenant>| {
        Some(LeftOut {
            key: tenant.key.clone(),
            slug: tenant.slug.clone(),
            schema: tenant.schema.clone(),
            version: tenant.version().cloned(),
            why: never_planned(tenant)?,
        })
    };
    plan.left_out.extend(tenants.iter().filter_map(left));
    plan.left_out.sort_by(|a, b| (a.slug.raw(), &a.key).cmp(&(b.slug.raw(), &b.key)));
}

/// The first few who are left out, with the reason.
fn left_out_names(plan: &Plan) -> String {
    let words = |left: &LeftOut| format!("{} ({})", left.slug.safe(), left.why.safe());
    let more = if plan.left_out.len() > 2 { ", ..." } else { "" };
    format!("{}{more}", plan.left_out.iter().take(2).map(words).collect::<Vec<_>>().join(", "))
}
