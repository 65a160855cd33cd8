//! The lists of the Server screen: their columns, and which rows of a reading are shown, in which order.

use super::filter::known;
use super::output;
use super::server::{ServerTab, vitals};
use super::state::State;
use crate::model::vitals::{LockWait, Vitals};
use crate::text::Untrusted;

/// What rows are compared by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A count, an age in seconds, a size in bytes.
    Number(u64),
    /// A name.
    Text(String),
}

/// A column by which a list can be sorted.
#[derive(Debug)]
pub struct ServerColumn {
    /// Its heading.
    pub title: &'static str,
    /// Of numbers the large ones are asked for first.
    pub largest_first: bool,
    key: fn(&Vitals, usize) -> Option<Key>,
}

const fn of(title: &'static str, largest_first: bool, key: fn(&Vitals, usize) -> Option<Key>) -> ServerColumn {
    ServerColumn { title, largest_first, key }
}

fn text(text: Option<&Untrusted>) -> Option<Key> {
    text.map(|text| Key::Text(text.raw().to_lowercase()))
}

fn number(number: Option<u64>) -> Option<Key> {
    number.map(Key::Number)
}

const SESSIONS: &[ServerColumn] = &[
    of("ROLE", false, |vitals, row| text(vitals.sessions.get(row).map(|group| &group.role))),
    of("APPLICATION", false, |vitals, row| text(vitals.sessions.get(row).map(|group| &group.application))),
    of("STATE", false, |vitals, row| text(vitals.sessions.get(row)?.state.as_ref())),
    of("SESSIONS", true, |vitals, row| number(vitals.sessions.get(row).map(|group| group.count))),
    of("SINCE", true, |vitals, row| number(vitals.sessions.get(row)?.oldest_seconds)),
    of("DATABASE", false, |vitals, row| text(vitals.sessions.get(row).map(|group| &group.database))),
];

const LOCKS: &[ServerColumn] = &[
    of("PID", false, |vitals, row| number(vitals.locks.get(row).and_then(|session| session.pid.try_into().ok()))),
    of("APPLICATION", false, |vitals, row| {
        let session = vitals.locks.get(row)?;
        text(session.application.as_ref().or(session.role.as_ref()))
    }),
    of("STATE", false, |vitals, row| text(vitals.locks.get(row)?.state.as_ref())),
    of("WAIT", true, |vitals, row| {
        number(vitals.locks.get(row)?.waits.as_ref().and_then(|wait: &LockWait| wait.seconds))
    }),
    of("OPEN", true, |vitals, row| number(vitals.locks.get(row)?.open_seconds)),
];

const TRANSACTIONS: &[ServerColumn] = &[
    of("PID OR NAME", false, |vitals, row| text(vitals.transactions.get(row).map(|open| &open.id))),
    of("APPLICATION", false, |vitals, row| {
        let open = vitals.transactions.get(row)?;
        text(open.application.as_ref().or(open.role.as_ref()))
    }),
    of("STATE", false, |vitals, row| text(vitals.transactions.get(row)?.state.as_ref())),
    of("OPEN", true, |vitals, row| number(vitals.transactions.get(row)?.open_seconds)),
    of("KEEPS", true, |vitals, row| number(vitals.transactions.get(row)?.xmin_age)),
    of("DATABASE", false, |vitals, row| text(vitals.transactions.get(row)?.database.as_ref())),
];

const CATALOGS: &[ServerColumn] = &[
    of("CATALOG", false, |vitals, row| text(vitals.catalogs.get(row).map(|catalog| &catalog.name))),
    of("SIZE", true, |vitals, row| number(vitals.catalogs.get(row).map(|catalog| catalog.total_bytes))),
    of("ROWS", true, |vitals, row| number(vitals.catalogs.get(row)?.live_rows)),
    of("DEAD", true, |vitals, row| number(vitals.catalogs.get(row)?.dead_rows)),
    of("VACUUM AT", true, |vitals, row| number(vitals.catalogs.get(row).map(|catalog| catalog.trigger_rows))),
    of("LAST VACUUM", true, |vitals, row| number(vitals.catalogs.get(row)?.vacuumed_seconds)),
];

impl ServerTab {
    /// The columns by which it can be sorted, in the order in which the key goes through them.
    #[must_use]
    pub const fn columns(self) -> &'static [ServerColumn] {
        match self {
            Self::Sessions => SESSIONS,
            Self::Locks => LOCKS,
            Self::Transactions => TRANSACTIONS,
            Self::Catalogs => CATALOGS,
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSort {
    /// The column: its place in [`ServerTab::columns`].
    pub column: usize,
    /// Largest first.
    pub descending: bool,
}

/// The mark of the order behind a heading.
#[must_use]
pub fn sort_mark(state: &State, tab: ServerTab, title: &str) -> &'static str {
    let sort = state.server.sorts[tab.place()];
    match sort.filter(|sort| tab.columns().get(sort.column).is_some_and(|column| column.title == title)) {
        Some(ServerSort { descending: true, .. }) => "v",
        Some(ServerSort { descending: false, .. }) => "^",
        None => "",
    }
}

/// Whether a list is shown as it was read: the tree of those that wait is one only then.
#[must_use]
pub fn as_read(state: &State, tab: ServerTab) -> bool {
    state.server.filter.trim().is_empty() && state.server.sorts[tab.place()].is_none()
}

/// A word of the filter: rows have to contain it, or must not.
fn fits(row: &str, word: &str) -> bool {
    match word.strip_prefix('!') {
        Some(not) => not.is_empty() || !row.contains(not),
        None => row.contains(word),
    }
}

/// The rows of a list that are shown: positions in the reading, in the chosen order.
pub(super) fn shown(state: &State, tab: ServerTab) -> Vec<usize> {
    let Some(vitals) = vitals(state) else { return Vec::new() };
    let filter = state.server.filter.to_lowercase();
    let words: Vec<&str> = filter.split_whitespace().collect();
    let mut rows: Vec<usize> = (0..tab.rows(vitals)).collect();
    if !words.is_empty() {
        let sheet = output::server_sheet(vitals, tab);
        rows.retain(|row| {
            let text = sheet.row_words(*row).to_lowercase();
            words.iter().all(|word| fits(&text, word))
        });
    }
    if let Some(sort) = state.server.sorts[tab.place()]
        && let Some(column) = tab.columns().get(sort.column)
    {
        let keys: Vec<Option<Key>> = (0..tab.rows(vitals)).map(|row| (column.key)(vitals, row)).collect();
        rows.sort_by(|a, b| known(keys[*a].as_ref(), keys[*b].as_ref(), sort.descending));
    }
    rows
}

/// The order after this one: by the next column, and behind the last one as it was read.
pub(super) fn next_sort(tab: ServerTab, now: Option<ServerSort>) -> Option<ServerSort> {
    by(tab, now.map_or(0, |sort| sort.column + 1))
}

/// By a column, as one asks for it first.
pub(super) fn by(tab: ServerTab, column: usize) -> Option<ServerSort> {
    tab.columns().get(column).map(|found| ServerSort { column, descending: found.largest_first })
}
