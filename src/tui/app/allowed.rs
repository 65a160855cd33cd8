//! Whether an action can be done now, and why not. Every disabled action says why.

use super::action::Action;
use super::selection::selections;
use super::state::{Screen, State, TenantTab};
use crate::model::fleet::database_flag;
use crate::model::job::JobView;
use crate::model::life::LifeKind;
use crate::model::tenant::DatabaseName;
use crate::text::shell_word;

/// Whether a database may be written to from here now.
///
/// # Errors
/// Why not, and what to do.
pub fn may_write(state: &State, database: &str) -> Result<(), String> {
    let Some(view) = state.latest.database(database) else {
        return Err("nothing is known of the database yet; wait for its first reading".to_owned());
    };
    if view.read_only {
        let why =
            view.read_only_why.as_ref().map_or_else(|| "it is configured so".to_owned(), |w| w.safe().to_string());
        return Err(format!("{database} is read-only: {why}"));
    }
    if let Some(why) = state.context(database).and_then(|context| context.read_only_why.as_ref()) {
        return Err(format!("{database} is read-only: {}", why.safe()));
    }
    if !view.link.is_up() {
        return Err(format!(
            "there is no link to {database}; writes are off until it is back ({} tries again now)",
            state.key(Action::Refresh)
        ));
    }
    if is_shut(state, database) {
        return Err(shut_words(state, &[database]));
    }
    Ok(())
}

/// Whether only the write lock keeps a database from being written to.
fn is_shut(state: &State, database: &str) -> bool {
    let pooled = state.context(database).is_some_and(|context| context.read_only_why.is_some());
    state.latest.database(database).is_some_and(|view| {
        view.environment.is_protected()
            && !view.read_only
            && !pooled
            && view.link.is_up()
            && state.lock.left(database, state.now.elapsed).is_none()
    })
}

/// Whose write locks are closed, and what opens them.
fn shut_words(state: &State, shut: &[&str]) -> String {
    let named = |name: &&str| format!("{} ({})", crate::text::sanitise(name), state.environment(name));
    let key = state.key(Action::WriteLock);
    let how = match shut {
        [one] if state.header.database.as_deref() == Some(one) => format!("{key} opens them"),
        [_] => format!("{key} on one of its rows opens them"),
        _ => format!("{key} on a row of each opens them"),
    };
    format!("writes are locked on {}; {how}", shut.iter().map(named).collect::<Vec<_>>().join(" and "))
}

/// Whether no write lock stands in the way of one order over these databases. One that cannot be written to for another
/// reason is left out of it, and its lock does not matter.
///
/// # Errors
/// Whose locks are closed, and what opens them.
pub fn none_shut<'name>(state: &State, databases: impl IntoIterator<Item = &'name DatabaseName>) -> Result<(), String> {
    let mut shut: Vec<&str> = databases.into_iter().map(|name| &**name).filter(|name| is_shut(state, name)).collect();
    shut.dedup();
    if shut.is_empty() { Ok(()) } else { Err(shut_words(state, &shut)) }
}

/// Why one order over these databases cannot be given now, in a few words, for a button.
#[must_use]
pub fn why_off(state: &State, databases: &[&DatabaseName]) -> Option<String> {
    let several = databases.len() > 1;
    if several && let Some(name) = databases.iter().find(|name| is_shut(state, name)) {
        return Some(format!("writes are locked on {}", crate::text::sanitise(name)));
    }
    // Of several one that can be written to is enough.
    let offs: Option<Vec<String>> = databases.iter().map(|name| why_one_off(state, name)).collect();
    offs?.into_iter().next()
}

fn why_one_off(state: &State, database: &str) -> Option<String> {
    may_write(state, database).err()?;
    let view = state.latest.database(database);
    Some(match view {
        Some(view) if !view.link.is_up() => "no link".to_owned(),
        Some(view) if view.read_only => "read-only".to_owned(),
        Some(view) if view.environment.is_protected() => "writes are locked".to_owned(),
        Some(_) | None => "not now".to_owned(),
    })
}

/// Whether tenants of this database can be migrated now.
///
/// # Errors
/// Why not, and what to do.
pub fn migratable(state: &State, database: &str) -> Result<(), String> {
    may_write(state, database)?;
    plannable(state, database)
}

/// The job that `R`, `C` and `X` mean here.
#[must_use]
pub fn job_in_question(state: &State) -> Option<&JobView> {
    match state.screen {
        Screen::Jobs => state.cursor_job(),
        Screen::JobResult => state.jobs.result_of.as_ref().and_then(|key| state.job(key)),
        Screen::Tenant => {
            let open = state.tenant.as_ref()?;
            match open.tab {
                TenantTab::Jobs => open.jobs.cursor.as_ref().and_then(|key| state.job(key)),
                TenantTab::Tables | TenantTab::Migrations | TenantTab::Cache => {
                    let step = state.open_tenant()?.failed_step.as_ref()?;
                    state.job(&(open.key.database.clone(), step.job))
                }
            }
        }
        // The one of the job line, which every screen shows; not one of a database that was put aside.
        Screen::Tenants | Screen::Migrations | Screen::Messages | Screen::Audit | Screen::Server => {
            state.busiest_job().filter(|job| state.shows(&job.database))
        }
    }
}

/// Whether an action can be done now.
///
/// # Errors
/// Why not, and what to do.
pub fn allowed(state: &State, action: Action) -> Result<(), String> {
    if !action.applies_to(state.screen) {
        return Err(format!("{} works on {}", action.info().title, super::action::scope_words(action.info())));
    }
    match action {
        Action::WriteLock => write_lock(state),
        Action::NextDatabase => super::server::next_database(state).map(drop),
        Action::NewTenant => new_tenant(state),
        Action::Migrate => {
            let selections = selections(state)?;
            none_shut(state, selections.iter().map(|selection| &selection.database))?;
            let refusals: Option<Vec<String>> =
                selections.iter().map(|selection| migratable(state, &selection.database).err()).collect();
            // One of several that can be migrated is enough.
            refusals.and_then(|refusals| refusals.into_iter().next()).map_or(Ok(()), Err)
        }
        Action::Rename => super::life::allowed(state, LifeKind::Rename),
        Action::Suspend => super::life::allowed(state, LifeKind::Suspend),
        Action::Activate => super::life::allowed(state, LifeKind::Activate),
        Action::Archive => super::life::allowed(state, LifeKind::Archive),
        Action::Drop => super::life::allowed(state, LifeKind::Drop),
        Action::Undrop => super::life::allowed(state, LifeKind::Undrop),
        Action::Purge => super::life::allowed(state, LifeKind::Purge),
        Action::Repair => super::life::allowed(state, LifeKind::Repair),
        Action::Import => Err(format!("the command does it: {}", import_here(state))),
        Action::Seed => {
            let words = "the command does it, with a new tenant: tenantui provision SLUG --name NAME --seed FILE";
            Err(words.to_owned())
        }
        Action::Retry | Action::Continue | Action::PauseJob | Action::StopJob => {
            super::control::job_action(state, action)
        }
        Action::Skip | Action::RetryWhenFree => super::control::tenant_action(state, action),
        Action::FlushCache => super::flush::allowed(state),
        Action::AuditHere => super::audit::here(state).map(drop),
        Action::Inspect | Action::SetTarget => on_row(state, action),
        Action::Zoom => zoom(state),
        Action::ExportCsv | Action::ExportJson | Action::ExportText | Action::CopyRow | Action::CopyName => {
            if has_rows(state) { Ok(()) } else { Err("there is nothing in this list".to_owned()) }
        }
        Action::HistoryBack
        | Action::HistoryForward
        | Action::Down
        | Action::Up
        | Action::HalfPageDown
        | Action::HalfPageUp
        | Action::PageDown
        | Action::PageUp
        | Action::First
        | Action::Last
        | Action::NextTab
        | Action::PreviousTab
        | Action::Open
        | Action::Back
        | Action::Tenants
        | Action::Migrations
        | Action::Jobs
        | Action::Server
        | Action::Filter
        | Action::Palette
        | Action::Help
        | Action::Mark
        | Action::MarkRange
        | Action::MarkAll
        | Action::UnmarkAll
        | Action::Sort
        | Action::Columns
        | Action::DumpScreen
        | Action::ReverseSort
        | Action::Refresh
        | Action::Freeze
        | Action::Slower
        | Action::Faster
        | Action::CopyError
        | Action::Follow
        | Action::Wrap
        | Action::Messages
        | Action::Audit
        | Action::ToShell
        | Action::Quit => Ok(()),
    }
}

/// The command for the tenant under the cursor or open, as it can be pasted.
fn import_here(state: &State) -> String {
    let Some(tenant) = super::life::meant(state) else { return "tenantui import SLUG".to_owned() };
    format!("tenantui import {}{}", shell_word(tenant.slug.raw()), flag_of(state, &tenant.key.database))
}

/// What a command needs besides to mean this database; nothing where there is no other.
pub(super) fn flag_of(state: &State, database: &DatabaseName) -> String {
    if state.latest.databases.len() > 1 { database_flag(database) } else { String::new() }
}

fn zoom(state: &State) -> Result<(), String> {
    if state.zoom || crate::tui::screens::has_panes(state) {
        Ok(())
    } else {
        Err("only one pane is shown here; a larger terminal shows several".to_owned())
    }
}

fn has_rows(state: &State) -> bool {
    super::nav::rows(state) > 0
}

fn write_lock(state: &State) -> Result<(), String> {
    let Some(view) = state.header_database() else {
        return Err("nothing is known of the databases yet".to_owned());
    };
    if state.lock.left(&view.name, state.now.elapsed).is_some() {
        return Ok(());
    }
    let name = crate::text::sanitise(&view.name);
    if view.read_only {
        let why = view.read_only_why.as_ref();
        let why = why.map_or_else(|| "it is configured so".to_owned(), |why| why.safe().to_string());
        return Err(format!("writes to {name} cannot be opened: {why}"));
    }
    if !view.environment.is_protected() {
        return Err(format!("writes to {name} are open: it is in {}, which needs no lock", view.environment));
    }
    Ok(())
}

fn new_tenant(state: &State) -> Result<(), String> {
    let Some(database) = state.header.database.clone() else {
        return Err("nothing is known of the database yet".to_owned());
    };
    may_write(state, &database)?;
    if state.context(&database).is_none() {
        return Err(format!("the layout of {database} is not known yet; wait for its first reading"));
    }
    Ok(())
}

fn plannable(state: &State, database: &str) -> Result<(), String> {
    match state.context(database) {
        None => Err(format!("the migrations of {database} are not read yet; wait for its first reading")),
        Some(context) => match (&context.folder, &context.folder_error) {
            (Some(_), _) => Ok(()),
            (None, Some(why)) => Err(format!("the migration folder of {database} could not be read: {}", why.safe())),
            (None, None) => {
                Err(format!("no migration folder is configured for {database}; set `path` in [database.migrations]"))
            }
        },
    }
}

fn on_row(state: &State, action: Action) -> Result<(), String> {
    match (action, state.screen) {
        (Action::SetTarget, _) => {
            let group = state.cursor_group().ok_or("there is no version under the cursor")?;
            if group.version.is_none() || group.name.is_none() {
                return Err("there is no file of this version in the migration folder".to_owned());
            }
            Ok(())
        }
        (Action::Inspect, Screen::Migrations) => {
            let group = state.cursor_group().ok_or("there is no version under the cursor")?;
            if group.name.is_none() {
                return Err("there is no file of this version in the migration folder".to_owned());
            }
            Ok(())
        }
        (_, _) if has_rows(state) => Ok(()),
        (_, _) => Err("there is nothing under the cursor".to_owned()),
    }
}
