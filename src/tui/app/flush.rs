//! `F` on an open tenant: its cache keys are removed, or that is stopped; and what is told of it.

use super::App;
use super::action::Action;
use super::allowed::may_write;
use super::command::Command;
use super::selection::no_shared;
use super::state::{Level, State};
use crate::cache::{CacheInput, kept_words};
use crate::fleet::FleetCommand;
use crate::jobs::flush::FlushOrder;
use crate::model::fleet::CacheView;
use crate::model::flush::FlushState;
use crate::model::tenant::TenantKey;
use crate::text::{Untrusted, counted};
use crate::tui::dialogs::{Confirm, ConfirmInput, Dialog, DialogAction, FlushCache, FlushInput};

/// The removal that is under way, or was the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flush {
    /// Whose keys.
    pub tenant: TenantKey,
    /// Its slug.
    pub slug: Untrusted,
    /// Where it stands.
    pub state: FlushState,
}

/// The removal that goes on in this database.
#[must_use]
pub fn running<'a>(state: &'a State, database: &str) -> Option<&'a Flush> {
    state.flush.as_ref().filter(|flush| &*flush.tenant.database == database && flush.state.is_running())
}

/// Whether the open tenant's cache keys can be removed now, or their removal stopped.
///
/// # Errors
/// Why not, and what to do.
pub fn allowed(state: &State) -> Result<(), String> {
    let tenant = state.open_tenant().ok_or("the tenant is not there any more")?;
    no_shared(state)?;
    let database = &tenant.key.database;
    if running(state, database).is_some() {
        return Ok(());
    }
    match state.latest.database(database).map(|view| &view.cache) {
        None | Some(CacheView::NotConfigured) => {
            return Err(format!("no cache is configured for {database}; set url in [database.cache]"));
        }
        Some(CacheView::Counting { .. } | CacheView::Counted { .. } | CacheView::Failed { .. }) => {}
    }
    if !tenant.is_listed() {
        return Err(
            "no row of the registry is known to be this schema's, so that no key of the cache is either".to_owned()
        );
    }
    may_write(state, database)?;
    if state.context(database).is_none() {
        return Err(format!("the layout of {database} is not known yet; wait for its first reading"));
    }
    Ok(())
}

impl App {
    /// `F`.
    pub(super) fn open_flush(&mut self) {
        let Some(tenant) = self.state.open_tenant().cloned() else { return };
        let database = &tenant.key.database;
        if let Some(flush) = running(&self.state, database) {
            let input = ConfirmInput {
                environment: Some(self.state.environment(database)),
                title: "Stop flushing the cache".to_owned(),
                lines: vec![
                    format!("The keys of {} are being removed from the cache.", flush.slug.safe().fit(40)),
                    format!(
                        "What is removed stays removed; {} again removes the rest.",
                        self.state.key(Action::FlushCache)
                    ),
                ],
                button: "Stop".to_owned(),
                action: DialogAction::StopFlush(database.clone()),
                sql: None,
            };
            return self.open_dialog(Dialog::Confirm(Box::new(Confirm::new(input))));
        }
        let Some(context) = self.state.context(database) else { return };
        let own = self.database_config(database).and_then(|config| config.cache.clone());
        let patterns = CacheInput::of(own.as_ref(), &context.layout.cache_keys, []).patterns;
        let tenants = self.state.latest.tenants.iter().filter(|other| other.key.database == *database);
        let order = FlushOrder {
            tenant: tenant.key.clone(),
            slug: tenant.slug.clone(),
            schema: tenant.schema.as_ref().map(|schema| schema.raw().into()),
            layout: context.layout.clone(),
            tenants: tenants.cloned().collect(),
        };
        let environment = self.state.environment(database);
        let input = FlushInput {
            environment,
            keys: tenant.cache_keys,
            patterns,
            stops: self.state.key(Action::FlushCache),
            order,
        };
        self.open_dialog(Dialog::FlushCache(Box::new(FlushCache::new(input))));
    }

    /// The service tells of a removal.
    pub(super) fn flush_told(&mut self, tenant: TenantKey, slug: Untrusted, state: FlushState) -> Vec<Command> {
        let name = slug.safe();
        let head = format!("cache of {name}");
        let mut commands = Vec::new();
        match &state {
            FlushState::Running { .. } => {}
            FlushState::Done { removed, kept } => {
                let kept = kept_words(*kept);
                self.say(Level::Info, format!("{head}: {} removed{kept}", counted(*removed, "key")));
                commands.push(Command::Fleet(FleetCommand::CountCache));
            }
            FlushState::Stopped { removed } => {
                let (removed, key) = (counted(*removed, "key"), self.state.key(Action::FlushCache));
                self.say(Level::Warning, format!("{head}: stopped, {removed} removed; {key} removes the rest"));
                commands.push(Command::Fleet(FleetCommand::CountCache));
            }
            FlushState::Failed { why } => {
                self.say(Level::Error, format!("{head}: {}", why.safe()));
                commands.push(Command::Bell);
            }
        }
        self.dirty = true;
        self.state.flush = Some(Flush { tenant, slug, state });
        commands
    }
}
