//! Screen 4: is the database well? What is shown of the server that is looked at, and when the collector reads it.

use super::App;
use super::command::Command;
use super::derive::settle;
use super::state::{List, Screen, State};
use crate::fleet::{FleetCommand, Watched};
use crate::model::tenant::DatabaseName;
use crate::model::vitals::Vitals;
use crate::text::Untrusted;

/// Screen 4.
#[derive(Debug, Clone, Default)]
pub struct ServerState {
    /// The reading position in the sessions: by [`SessionGroup::key`](crate::model::vitals::SessionGroup::key).
    pub sessions: List<Untrusted>,
}

/// The server in front, as it was last read.
#[must_use]
pub fn vitals(state: &State) -> Option<&Vitals> {
    let name = state.header.database.as_deref()?;
    state.snapshot.vitals.iter().find(|vitals| *vitals.database == *name).map(|vitals| &**vitals)
}

/// Rows of the list in front.
#[must_use]
pub fn rows(state: &State) -> usize {
    vitals(state).map_or(0, |vitals| vitals.sessions.len())
}

/// Moves the cursor of the list in front.
pub fn step(state: &mut State, target: impl Fn(usize) -> usize) {
    let at = target(state.server.sessions.at);
    let key = vitals(state).and_then(|vitals| vitals.sessions.get(at)).map(|group| group.key());
    if let Some(key) = key {
        (state.server.sessions.at, state.server.sessions.cursor) = (at, Some(key));
    }
}

/// A new reading, or another database: the cursor stays on whom it was on.
pub fn derive(state: &mut State) {
    let keys: Vec<Untrusted> =
        vitals(state).map(|vitals| vitals.sessions.iter().map(|group| group.key()).collect()).unwrap_or_default();
    settle(&mut state.server.sessions, keys.len(), |row| keys.get(row));
}

/// Whether the readings look different where one is on the screen.
#[must_use]
pub fn looks_different(state: &State, old: &[std::sync::Arc<Vitals>], new: &[std::sync::Arc<Vitals>]) -> bool {
    if state.screen != Screen::Server {
        return false;
    }
    let wide = state.size.0 >= super::WIDE;
    let of = |all: &[std::sync::Arc<Vitals>]| -> Vec<Vitals> { all.iter().map(|one| one.as_shown(wide)).collect() };
    of(old) != of(new)
}

impl App {
    /// What is looked at now.
    fn wanted_watch(&self) -> Watched {
        let server: Option<DatabaseName> = match self.state.screen {
            Screen::Server => self.state.header.database.clone(),
            Screen::Tenants
            | Screen::Tenant
            | Screen::Migrations
            | Screen::Jobs
            | Screen::JobResult
            | Screen::Messages
            | Screen::Audit => None,
        };
        Watched { server }
    }

    /// Tells the collector what is looked at, where that is something else than before.
    pub(super) fn watch(&mut self) -> Option<Command> {
        let wanted = self.wanted_watch();
        if wanted == self.watched_now {
            return None;
        }
        self.watched_now = wanted.clone();
        derive(&mut self.state);
        Some(Command::Fleet(FleetCommand::Watch(wanted)))
    }
}
