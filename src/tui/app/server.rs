//! Screen 4: is the database well? What is shown of the server that is looked at, and when the collector reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::App;
use super::action::Action;
use super::command::Command;
use super::derive::settle;
use super::detail::REST;
use super::server_lists::{self, ServerSort};
use super::state::{Level, List, Screen, State};
use crate::fleet::{FleetCommand, Watched};
use crate::model::fleet::Snapshot;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::model::vitals::{Activity, Vitals};
use crate::text::Untrusted;

/// Screen 4.
#[derive(Debug, Clone, Default)]
pub struct ServerState {
    /// The database in front, where one was chosen here; else that of the tenant under the cursor.
    pub database: Option<DatabaseName>,
    /// The list in front.
    pub tab: ServerTab,
    /// The reading positions, in the order of [`ServerTab::ALL`].
    pub lists: [List<Untrusted>; 4],
    /// Words that the rows of all lists have to contain, as typed; empty for none.
    pub filter: String,
    /// Their orders; `None`: as it was read.
    pub sorts: [Option<ServerSort>; 4],
    /// The rows that are shown: positions in the reading.
    pub shown: [Vec<usize>; 4],
}

/// The lists of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerTab {
    /// Who is connected.
    #[default]
    Sessions,
    /// Who waits for whom.
    Locks,
    /// What is open for long.
    Transactions,
    /// Whether autovacuum keeps up.
    Catalogs,
}

impl ServerTab {
    /// In their order.
    pub const ALL: [Self; 4] = [Self::Sessions, Self::Locks, Self::Transactions, Self::Catalogs];

    /// Its title.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::Locks => "Locks",
            Self::Transactions => "Transactions",
            Self::Catalogs => "Catalogs",
        }
    }

    /// Its place in [`ServerState::lists`].
    #[must_use]
    pub const fn place(self) -> usize {
        self as usize
    }

    /// Its rows in a reading.
    #[must_use]
    pub const fn rows(self, vitals: &Vitals) -> usize {
        match self {
            Self::Sessions => vitals.sessions.len(),
            Self::Locks => vitals.locks.len(),
            Self::Transactions => vitals.transactions.len(),
            Self::Catalogs => vitals.catalogs.len(),
        }
    }

    /// What its rows are known by.
    fn keys(self, vitals: &Vitals) -> Vec<Untrusted> {
        match self {
            Self::Sessions => vitals.sessions.iter().map(|group| group.key()).collect(),
            Self::Locks => vitals.locks.iter().map(|session| Untrusted::new(session.pid.to_string())).collect(),
            Self::Transactions => vitals
                .transactions
                .iter()
                .map(|open| Untrusted::new(format!("{} {}", open.kind.word(), open.id.raw())))
                .collect(),
            Self::Catalogs => vitals.catalogs.iter().map(|catalog| catalog.name.clone()).collect(),
        }
    }
}

impl ServerState {
    /// The list in front.
    #[must_use]
    pub const fn list(&self) -> &List<Untrusted> {
        &self.lists[self.tab.place()]
    }

    /// The list in front.
    pub const fn list_mut(&mut self) -> &mut List<Untrusted> {
        &mut self.lists[self.tab.place()]
    }
}

/// The server in front, as it was last read.
#[must_use]
pub fn vitals(state: &State) -> Option<&Vitals> {
    let name = state.header.database.as_deref()?;
    state.snapshot.vitals.iter().find(|vitals| *vitals.database == *name).map(|vitals| &**vitals)
}

/// Rows of the list in front that are shown.
#[must_use]
pub const fn rows(state: &State) -> usize {
    state.server.shown[state.server.tab.place()].len()
}

/// The row of the list in front on which the cursor is: its position in the reading.
#[must_use]
pub fn cursor_row(state: &State) -> Option<usize> {
    state.server.shown[state.server.tab.place()].get(state.server.list().at).copied()
}

/// Moves the cursor of the list in front.
pub fn step(state: &mut State, target: impl Fn(usize) -> usize) {
    let at = target(state.server.list().at);
    let row = state.server.shown[state.server.tab.place()].get(at).copied();
    let key = row.zip(vitals(state)).and_then(|(row, vitals)| state.server.tab.keys(vitals).into_iter().nth(row));
    if let Some(key) = key {
        let list = state.server.list_mut();
        (list.at, list.cursor) = (at, Some(key));
    }
}

/// A new reading, another database, order or filter: the cursors stay on whom they were on.
pub fn derive(state: &mut State) {
    for tab in ServerTab::ALL {
        let shown = server_lists::shown(state, tab);
        let keys = vitals(state).map(|vitals| tab.keys(vitals)).unwrap_or_default();
        settle(&mut state.server.lists[tab.place()], shown.len(), |row| keys.get(*shown.get(row)?));
        state.server.shown[tab.place()] = shown;
    }
}

/// What is not well and what could not be read, all of it, for reading.
#[must_use]
pub fn wrong(state: &State) -> Option<String> {
    let vitals = vitals(state)?;
    let alarms = vitals.alarms().into_iter().map(|alarm| format!("{}: {}", alarm.severity.word(), alarm.words.safe()));
    let problems = vitals.problems.iter().map(|problem| format!("note: {}", problem.safe()));
    let lines: Vec<String> = alarms.chain(problems).collect();
    Some(if lines.is_empty() { "Nothing is wrong here.".to_owned() } else { lines.join("\n") })
}

/// The database after the one in front.
///
/// # Errors
/// When there is no other, and why.
pub fn next_database(state: &State) -> Result<DatabaseName, String> {
    if let Some(only) = &state.only_database {
        let name = crate::text::sanitise(only);
        return Err(format!("only {name} is shown; {} on Tenants shows all databases again", state.key(Action::Back)));
    }
    let all = &state.latest.databases;
    let at = all.iter().position(|view| state.header.database.as_ref() == Some(&view.name)).unwrap_or(0);
    match all.get((at + 1) % all.len().max(1)) {
        Some(view) if all.len() > 1 => Ok(view.name.clone()),
        Some(_) | None => Err("there is one database only".to_owned()),
    }
}

/// Whether two pictures look different in what is read only while it is looked at.
#[must_use]
pub fn looks_different(state: &State, old: &Snapshot, new: &Snapshot) -> bool {
    let wide = state.size.0 >= super::WIDE;
    match state.screen {
        Screen::Server => {
            let of = |all: &[Arc<Vitals>]| -> Vec<Vitals> { all.iter().map(|one| one.as_shown(wide)).collect() };
            of(&old.vitals) != of(&new.vitals)
        }
        Screen::Tenant => drawn(&old.activity) != drawn(&new.activity),
        Screen::Tenants => wide && drawn(&old.activity) != drawn(&new.activity),
        Screen::Migrations | Screen::Jobs | Screen::JobResult | Screen::Messages | Screen::Audit => false,
    }
}

/// A tenant, rows read and written per second, and the line of both.
type Drawn<'a> = (&'a TenantKey, Option<u64>, Option<u64>, &'a [u64]);

/// What is drawn of activity: a line of nothing but rest looks the same however long it is.
fn drawn(activity: &BTreeMap<TenantKey, Activity>) -> Vec<Drawn<'_>> {
    let line = |history: &'_ [u64]| history.iter().position(|rows| *rows > 0).unwrap_or(history.len());
    activity.iter().map(|(key, one)| (key, one.read, one.written, &one.history[line(&one.history)..])).collect()
}

impl App {
    /// What is looked at now.
    fn wanted_watch(&self) -> Watched {
        let state = &self.state;
        let nothing = Watched::default();
        match state.screen {
            Screen::Server => Watched { server: state.header.database.clone(), ..nothing },
            Screen::Tenant => {
                Watched { tenants: state.tenant.iter().map(|open| open.key.clone()).collect(), ..nothing }
            }
            Screen::Tenants if crate::tui::screens::shows_activity(state) => {
                let rows = state.tenants.list.top..state.tenants.list.top + crate::tui::screens::list_rows(state);
                let shown = rows.filter_map(|row| state.shown_tenant(row)).map(|tenant| tenant.key.clone());
                Watched { tenants: shown.collect(), ..nothing }
            }
            Screen::Tenants
            | Screen::Migrations
            | Screen::Jobs
            | Screen::JobResult
            | Screen::Messages
            | Screen::Audit => nothing,
        }
    }

    /// Tells the collector what is looked at, where that is something else than before and the page has come to rest.
    pub(super) fn watch(&mut self) -> Option<Command> {
        let wanted = self.wanted_watch();
        if self.watch_wanted != wanted {
            self.watch_wanted = wanted;
            self.watch_since = self.state.now.elapsed;
            derive(&mut self.state);
        }
        if self.watch_due()? > self.state.now.elapsed {
            return None;
        }
        self.watched_now.clone_from(&self.watch_wanted);
        Some(Command::Fleet(FleetCommand::Watch(self.watch_wanted.clone())))
    }

    /// When the collector is to be told; `None`: it knows.
    pub(super) fn watch_due(&self) -> Option<std::time::Duration> {
        // Rows that fly past are not asked about.
        let rest = if self.state.screen == Screen::Tenants && !self.watch_wanted.tenants.is_empty() {
            REST
        } else {
            std::time::Duration::ZERO
        };
        (self.watch_wanted != self.watched_now).then(|| self.watch_since + rest)
    }

    /// Puts the server of the next database in front.
    pub(super) fn next_database(&mut self) {
        if let Ok(name) = next_database(&self.state) {
            self.state.server.database = Some(name);
        }
    }

    /// Sorts the list in front by its next column; behind the last one it is as it was read.
    pub(super) fn sort_server(&mut self) {
        let tab = self.state.server.tab;
        let seen = crate::tui::screens::server_headings(&self.state);
        let mut sort = self.state.server.sorts[tab.place()];
        loop {
            sort = server_lists::next_sort(tab, sort);
            // An order by what cannot be seen would look like none.
            let title = sort.and_then(|sort| tab.columns().get(sort.column)).map(|column| column.title);
            if title.is_none_or(|title| seen.iter().any(|heading| heading == title)) {
                break;
            }
        }
        self.state.server.sorts[tab.place()] = sort;
        derive(&mut self.state);
    }

    /// Sorts the list in front by the column of a heading; again: turns the order round.
    pub(super) fn sort_server_by(&mut self, heading: &str) {
        let tab = self.state.server.tab;
        let Some(column) = tab.columns().iter().position(|column| column.title == heading) else { return };
        if self.state.server.sorts[tab.place()].is_some_and(|sort| sort.column == column) {
            return self.reverse_server();
        }
        self.state.server.sorts[tab.place()] = server_lists::by(tab, column);
        derive(&mut self.state);
    }

    /// Turns the order of the list in front round, where it has one.
    pub(super) fn reverse_server(&mut self) {
        let tab = self.state.server.tab;
        match &mut self.state.server.sorts[tab.place()] {
            Some(sort) => sort.descending = !sort.descending,
            None => {
                let key = self.state.key(Action::Sort);
                self.say(Level::Info, format!("the list is as it was read; {key} sorts it"));
            }
        }
        derive(&mut self.state);
    }

    /// Shows the rows of all lists that contain these words.
    pub(super) fn filter_server(&mut self, filter: &str) {
        filter.clone_into(&mut self.state.server.filter);
        derive(&mut self.state);
    }

    pub(super) fn server_tab(&mut self, by: usize) {
        let at = self.state.server.tab.place();
        self.state.server.tab = ServerTab::ALL[(at + by) % ServerTab::ALL.len()];
    }
}
