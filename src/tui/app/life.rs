//! What is done to a tenant as a whole: opening its dialog, and giving it the plan.

use std::sync::Arc;

use uuid::Uuid;

use super::App;
use super::action::Action;
use super::allowed::may_write;
use super::command::Command;
use super::selection::no_shared;
use super::state::{Level, Screen, State};
use crate::jobs::life::plan::{LifeRequest, repairs, repairs_of_shared};
use crate::jobs::service::ServiceCommand;
use crate::layout::Layout;
use crate::model::fleet::SharedSchema;
use crate::model::life::{LeftRole, LifeKind, LifePlan, Repair, Trashed};
use crate::model::tenant::{DatabaseName, Tenant};
use crate::text::Untrusted;
use crate::tui::dialogs::{Dialog, Life, LifeInput};

/// The tenant that is meant: the open one, or the cursor's.
pub(super) fn meant(state: &State) -> Option<&Arc<Tenant>> {
    match state.screen {
        Screen::Tenant => state.open_tenant().filter(|tenant| state.snapshot.shared_page(&tenant.key).is_none()),
        Screen::Tenants
        | Screen::Migrations
        | Screen::Jobs
        | Screen::JobResult
        | Screen::Messages
        | Screen::Audit
        | Screen::Server => state.cursor_tenant(),
    }
}

/// The database that is meant: that of the tenant, else the header's.
fn database(state: &State) -> Option<DatabaseName> {
    meant(state).map(|tenant| tenant.key.database.clone()).or_else(|| state.header.database.clone())
}

fn layout<'a>(state: &'a State, database: &str) -> Result<&'a Arc<Layout>, String> {
    let context = state.context(database);
    context
        .map(|context| &context.layout)
        .ok_or_else(|| format!("the layout of {database} is not known yet; wait for its first reading"))
}

/// What is in the trash of a database; of the tenant alone where it is there.
fn trash(state: &State, database: &str) -> Vec<Trashed> {
    let Some(view) = state.latest.database(database) else { return Vec::new() };
    let own = meant(state);
    let own: Vec<Trashed> = own.and_then(|tenant| in_the_trash(state, tenant)).into_iter().cloned().collect();
    if own.is_empty() { view.trash.to_vec() } else { own }
}

/// The schema that a tenant had, where it is in the trash.
pub(super) fn in_the_trash<'a>(state: &'a State, tenant: &Tenant) -> Option<&'a Trashed> {
    let view = state.latest.database(&tenant.key.database)?;
    view.trash.iter().find(|trashed| trashed.is_of(tenant))
}

/// Login roles that tenants of the database left behind.
fn left_roles<'a>(state: &'a State, database: &str) -> &'a [LeftRole] {
    state.latest.database(database).map(|view| &*view.left_roles).unwrap_or_default()
}

/// Shared schemas of the database in which a lock was left behind.
fn locked_shared<'a>(state: &'a State, database: &'a str) -> impl Iterator<Item = &'a SharedSchema> {
    let of_database = state.latest.shared.iter().filter(move |shared| &*shared.database == database);
    of_database.filter(|shared| !repairs_of_shared(shared).is_empty())
}

/// What can be repaired: what is wrong with the tenant that is meant, then with the shared schema, then the roles that
/// tenants left behind.
fn to_repair(state: &State, database: &str, layout: &Arc<Layout>) -> Vec<(String, LifeRequest)> {
    // One in the trash is as it should be.
    let tenant = meant(state).filter(|tenant| in_the_trash(state, tenant).is_none());
    let of_tenant = tenant.into_iter().flat_map(|tenant| {
        let request = LifeRequest::of(LifeKind::Repair, Arc::clone(tenant), Arc::clone(layout));
        repairs(tenant, layout).into_iter().map(move |repair| {
            let words = format!("{}: {}", repair.word(), repair.does());
            (words, LifeRequest { repair: Some(repair), ..request.clone() })
        })
    });
    let of_roles = left_roles(state, database).iter().map(|role| {
        let stays = if role.kept.is_some() { " (it stays; its plan says why)" } else { "" };
        let words = format!("{}: {}, {}{stays}", Repair::Role.word(), role.name.safe(), Repair::Role.does());
        (words, LifeRequest::of_role(role.clone(), Arc::clone(layout)))
    });
    let of_shared = locked_shared(state, database).map(|shared| {
        let words = format!("{}: {}, {}", Repair::Unlock.word(), shared.schema.safe(), Repair::Unlock.does());
        let request = LifeRequest::of_shared(shared.clone(), Arc::clone(layout));
        (words, LifeRequest { repair: Some(Repair::Unlock), ..request })
    });
    of_tenant.chain(of_shared).chain(of_roles).collect()
}

/// Whether it can be asked for now.
///
/// # Errors
/// Why not, and what to do.
pub fn allowed(state: &State, kind: LifeKind) -> Result<(), String> {
    let Some(name) = database(state) else { return Err("nothing is known of the database yet".to_owned()) };
    may_write(state, &name)?;
    let layout = layout(state, &name)?;
    if kind.is_of_trash() {
        return if trash(state, &name).is_empty() { Err(nothing_in_trash(state, &name)) } else { Ok(()) };
    }
    let beside_tenants = !left_roles(state, &name).is_empty() || locked_shared(state, &name).next().is_some();
    if kind == LifeKind::Repair && beside_tenants {
        return Ok(());
    }
    no_shared(state)?;
    let tenant = meant(state).ok_or("there is no tenant under the cursor")?;
    if let (LifeKind::Repair, Some(trashed)) = (kind, in_the_trash(state, tenant)) {
        return Err(format!("nothing to repair: {} is in the trash, {}", tenant.slug.safe(), trashed.words()));
    }
    if kind == LifeKind::Repair && repairs(tenant, layout).is_empty() {
        return Err(format!("nothing to repair: {} is {}", tenant.slug.safe(), tenant.state_words()));
    }
    if kind == LifeKind::Drop && state.screen == Screen::Tenants && !state.tenants.marks.is_empty() {
        return Err(format!("one tenant at a time: {} takes the marks away", state.key(Action::UnmarkAll)));
    }
    Ok(())
}

/// Why there is nothing to bring back or to purge. The trash belongs to the picture, which may be older than a drop.
fn nothing_in_trash(state: &State, name: &DatabaseName) -> String {
    let again = state.key(Action::Refresh);
    if state.latest.database(name).is_some_and(|view| view.taken_at.is_none()) {
        return format!("the trash of {name} is not read yet; wait for its first reading");
    }
    match meant(state).filter(|tenant| tenant.deleted) {
        Some(tenant) => format!(
            "the schema of {} was in no trash of {name} at the last reading: it was purged, or {again} finds it{}",
            tenant.slug.safe(),
            // A purge that stopped on its way is told with the way on.
            tenant.problems.first().map_or_else(String::new, |problem| format!("; {}", problem.safe()))
        ),
        None => format!("nothing is in the trash of {name}: {} drops a tenant", state.key(Action::Drop)),
    }
}

impl App {
    /// Opens the dialog of an action, and asks for its plan.
    pub(super) fn open_life(&mut self, kind: LifeKind) -> Vec<Command> {
        let Some(name) = database(&self.state) else { return Vec::new() };
        let choices = match self.choices(kind, &name) {
            Ok(choices) => choices,
            Err(why) => {
                self.say(Level::Warning, why);
                return Vec::new();
            }
        };
        let environment = self.state.environment(&name);
        let input = LifeInput { database: name, environment, kind, choices, key: Uuid::new_v4() };
        let (dialog, actions) = Life::new(input);
        self.open_dialog(Dialog::Life(Box::new(dialog)));
        actions.into_iter().flat_map(|action| self.decide(action)).collect()
    }

    fn choices(&self, kind: LifeKind, name: &DatabaseName) -> Result<Vec<(String, LifeRequest)>, String> {
        let layout = layout(&self.state, name)?;
        if kind.is_of_trash() {
            let trash = trash(&self.state, name);
            return Ok(trash.into_iter().map(|trashed| in_trash(kind, trashed, layout)).collect());
        }
        if kind == LifeKind::Repair {
            return Ok(to_repair(&self.state, name, layout));
        }
        let tenant = meant(&self.state).ok_or("there is no tenant under the cursor")?;
        let mut request = LifeRequest::of(kind, Arc::clone(tenant), Arc::clone(layout));
        match kind {
            LifeKind::Rename => {
                // The field begins with the name that it has.
                request.becomes = Some(tenant.name.clone().unwrap_or_default());
                Ok(vec![(tenant.slug.raw().to_owned(), request)])
            }
            LifeKind::Suspend
            | LifeKind::Activate
            | LifeKind::Archive
            | LifeKind::Drop
            | LifeKind::Undrop
            | LifeKind::Purge
            | LifeKind::Repair => Ok(vec![(tenant.slug.raw().to_owned(), request)]),
        }
    }

    /// A plan came: the dialog that waits for it shows it.
    pub(super) fn life_planned(&mut self, plan: LifePlan) -> Vec<Command> {
        if let Some(Dialog::Life(dialog)) = &mut self.state.dialog
            && dialog.planned(plan)
        {
            // What was typed before the plan could be seen confirms nothing.
            self.dialog_drawn = false;
            self.dirty = true;
        }
        Vec::new()
    }

    /// No plan came, and why.
    pub(super) fn life_failed(&mut self, database: &DatabaseName, why: &Untrusted) {
        if let Some(Dialog::Life(dialog)) = &mut self.state.dialog
            && dialog.input.database == *database
            && dialog.failed(why)
        {
            self.dirty = true;
        }
    }

    /// Asks for a plan.
    pub(super) fn plan_life(&mut self, request: Box<LifeRequest>) -> Vec<Command> {
        let Some(Dialog::Life(dialog)) = &self.state.dialog else { return Vec::new() };
        let database = dialog.input.database.clone();
        vec![Command::Service { database, command: ServiceCommand::PlanLife(request) }]
    }
}

/// `aeon, dropped 2026-07-01 by ana (zz_dropped_31_t_aeon)`.
fn in_trash(kind: LifeKind, trashed: Trashed, layout: &Arc<Layout>) -> (String, LifeRequest) {
    let said = trashed.drop.as_ref().map_or_else(String::new, |drop| {
        let over = match (drop.begun, drop.expired) {
            (true, _) => ", its purge has begun",
            (false, true) => ", too long ago to bring back",
            (false, false) => "",
        };
        format!(", dropped {} by {}{over}", drop.at.strftime("%Y-%m-%d"), drop.by.safe())
    });
    let words = format!("{}{said} ({})", trashed.slug().safe(), trashed.schema.safe());
    (words, LifeRequest::of_trash(kind, trashed, Arc::clone(layout)))
}
