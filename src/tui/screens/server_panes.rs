//! The lists of the Server screen: who is connected, who waits for whom, what is open, whether vacuum keeps up.
//!
//! ```text
//!    PID       APPLICATION  STATE               WAIT  OPEN  WAITS FOR              QUERY
//!  > 4411      web          idle in transaction    -    3m  in the way of 2        update users set ..
//!      4502    worker       active                12s   12s a row of t_acme.users  update users set ..
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::header::stale;
use super::server_gauges;
use crate::model::vitals::{Catalog, LockSession, OpenTransaction, SessionGroup, TransactionKind, Vitals, stepped};
use crate::text::{Untrusted, grouped, human_bytes, short_age, short_count, width};
use crate::tui::app::action::Action;
use crate::tui::app::server::ServerTab;
use crate::tui::app::server_lists::{as_read, sort_mark};
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{above, below, columns, put_safe};

/// Draws a list: heading, rows, and below them what there is to say.
pub fn draw(buf: &mut Buffer, area: Rect, tab: ServerTab, vitals: &Vitals, state: &State, theme: &Theme) {
    let mut all = columns_of(tab, &vitals.sessions);
    for column in &mut all {
        let mark = sort_mark(state, tab, &column.title);
        column.title.push_str(mark);
        if !mark.is_empty() {
            let least = columns(width(&column.title));
            (column.min, column.max) = (column.min.max(least), column.max.max(least));
        }
    }
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let rows = below(above(area, area.height.saturating_sub(1)), 1);
    let list = &state.server.lists[tab.place()];
    let stale = state.header_database().is_some_and(stale);
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(row) = state.server.shown[tab.place()].get(at).copied() else { break };
        let cells = match tab {
            ServerTab::Sessions => vitals.sessions.get(row).map(|group| session_cells(group, theme)),
            ServerTab::Locks => vitals.locks.get(row).map(|session| lock_cells(session, vitals, state, theme)),
            ServerTab::Transactions => vitals.transactions.get(row).map(|open| transaction_cells(open, theme)),
            ServerTab::Catalogs => vitals.catalogs.get(row).map(|catalog| catalog_cells(catalog, theme)),
        };
        let Some(cells) = cells else { break };
        let own = tab == ServerTab::Sessions && vitals.sessions.get(row).is_some_and(SessionGroup::is_own);
        let cursor = tab == state.server.tab && at == list.at;
        let mark = RowMark { cursor, marked: own, stale, ..RowMark::default() };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
    let last = below(area, area.height.saturating_sub(1));
    let problem = vitals.problems.first().filter(|_| tab == state.server.tab);
    let (words, style) = match problem {
        Some(problem) => (problem.safe().into(), theme.warn),
        None => (note(tab, vitals, state), theme.muted),
    };
    put_safe(buf, last, 3, 0, last.width.saturating_sub(4), &words, style, theme);
}

fn columns_of(tab: ServerTab, sessions: &[SessionGroup]) -> Vec<Column> {
    match tab {
        ServerTab::Sessions => session_columns(sessions),
        ServerTab::Locks => lock_columns(),
        ServerTab::Transactions => transaction_columns(),
        ServerTab::Catalogs => catalog_columns(),
    }
}

/// The headings of a list that this area has room for.
pub fn headings(area: Rect, tab: ServerTab) -> Vec<String> {
    // Which of them there is room for does not hang on what is in them.
    let all = columns_of(tab, &[]);
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    placed.into_iter().filter_map(|place| Some(all.get(place.index)?.title.clone())).collect()
}

/// What there is to say below a list.
fn note(tab: ServerTab, vitals: &Vitals, state: &State) -> String {
    if state.server.shown[tab.place()].is_empty() && tab.rows(vitals) > 0 {
        return format!("No row contains this; {} clears the filter.", state.key(Action::Back));
    }
    let hidden = if vitals.facts.sees_all { "" } else { " that this role may see" };
    match tab {
        ServerTab::Sessions => "* sessions of tenantui; SINCE: how long the oldest has been in that state".to_owned(),
        ServerTab::Locks if vitals.locks.is_empty() => "Nobody waits for a lock.".to_owned(),
        ServerTab::Locks => {
            let tree = if as_read(state, tab) { "below each those that wait for it; " } else { "" };
            format!("{tree}{} shows the statement in full", state.key(Action::Open))
        }
        ServerTab::Transactions if vitals.transactions.is_empty() => {
            format!("No transaction{hidden} has been open for more than a second.")
        }
        ServerTab::Transactions => "KEEPS: transactions begun since, whose dead rows vacuum must keep".to_owned(),
        ServerTab::Catalogs => format!("autovacuum: {}", server_gauges::autovacuum(&vitals.facts)),
    }
}

fn text(text: Option<&Untrusted>) -> String {
    text.filter(|text| !text.is_empty()).map_or_else(|| "-".to_owned(), |text| text.safe().into())
}

/// An age in steps: nothing ticks.
fn age(seconds: Option<u64>) -> String {
    match seconds.map(stepped) {
        None => "-".to_owned(),
        Some(0) => "<5s".to_owned(),
        Some(seconds) => short_age(seconds),
    }
}

/// A state as the server says it; `hidden` where this role may not see it.
fn state_cell(state: Option<&Untrusted>, theme: &Theme) -> Cell {
    let style = match state.map(Untrusted::raw) {
        Some("active") => theme.ok,
        Some("idle in transaction" | "idle in transaction (aborted)" | "inactive") => theme.warn,
        Some(_) => Style::new(),
        None => theme.muted,
    };
    styled(state.map_or_else(|| "hidden".to_owned(), |state| state.safe().into()), style)
}

/// A statement in one line.
fn one_line(query: Option<&Untrusted>) -> String {
    query.map_or_else(
        || "-".to_owned(),
        |query| {
            let words: Vec<&str> = query.raw().split_whitespace().collect();
            crate::text::sanitise(&words.join(" "))
        },
    )
}

/// What is left over goes to the application first, as far as it is made use of: it is what tells sessions apart.
fn session_columns(sessions: &[SessionGroup]) -> Vec<Column> {
    let longest = |of: fn(&SessionGroup) -> &Untrusted, least: u16, most: u16| {
        columns(sessions.iter().map(|group| width(of(group).safe().as_str())).max().unwrap_or(0)).clamp(least, most)
    };
    vec![
        Column::wide("ROLE", 8, 1).up_to(longest(|group| &group.role, 8, 30)),
        Column::wide("APPLICATION", 10, 8).up_to(longest(|group| &group.application, 11, 48)),
        Column::fixed("STATE", 19),
        Column::fixed("SESSIONS", 8).at_right(),
        Column::fixed("SINCE", 5).at_right(),
        Column::wide("DATABASE", 8, 1).up_to(longest(|group| &group.database, 8, 30)).droppable(1),
    ]
}

fn session_cells(group: &SessionGroup, theme: &Theme) -> Vec<Cell> {
    vec![
        cell(group.role.safe()),
        cell(text(Some(&group.application))),
        state_cell(group.state.as_ref(), theme),
        cell(grouped(group.count)),
        cell(age(group.oldest_seconds)),
        styled(group.database.safe(), if group.here { Style::new() } else { theme.muted }),
    ]
}

fn lock_columns() -> Vec<Column> {
    vec![
        Column::fixed("PID", 10),
        Column::wide("APPLICATION", 8, 1).up_to(24),
        Column::wide("STATE", 11, 1).up_to(19).droppable(2),
        Column::fixed("WAIT", 4).at_right(),
        Column::fixed("OPEN", 4).at_right().droppable(4),
        // The end is the table.
        Column::wide("WAITS FOR", 16, 2).up_to(50).showing_ends(),
        Column::wide("TENANT", 8, 1).up_to(20).droppable(5),
        Column::wide("QUERY", 18, 4).droppable(1),
    ]
}

fn lock_cells(session: &LockSession, vitals: &Vitals, state: &State, theme: &Theme) -> Vec<Cell> {
    let depth = if as_read(state, ServerTab::Locks) { session.depth.min(3) } else { 0 };
    let indent = " ".repeat(2 * depth);
    let pid = if session.pid == 0 { "prepared".to_owned() } else { session.pid.to_string() };
    let wait = session.waits.as_ref();
    let waits = wait.map_or_else(
        || {
            let waiting = vitals.locks.iter().filter(|other| other.blocked_by.contains(&session.pid)).count();
            styled(format!("in the way of {waiting}"), theme.error)
        },
        |wait| cell(crate::text::sanitise(&wait.words())),
    );
    let tenant = wait.and_then(|wait| wait.schema.as_ref()).and_then(|schema| {
        let here = |tenant: &&std::sync::Arc<crate::model::tenant::Tenant>| {
            tenant.key.database == vitals.database && tenant.schema.as_ref() == Some(schema)
        };
        state.snapshot.tenants.iter().find(here).map(|tenant| tenant.slug.clone())
    });
    let name = session.application.as_ref().or(session.role.as_ref());
    vec![
        cell(format!("{indent}{pid}")),
        cell(text(name)),
        state_cell(session.state.as_ref(), theme),
        styled(age(wait.and_then(|wait| wait.seconds)), theme.warn),
        cell(age(session.open_seconds)),
        waits,
        cell(text(tenant.as_ref())),
        cell(one_line(session.query.as_ref())),
    ]
}

fn transaction_columns() -> Vec<Column> {
    vec![
        Column::wide("PID OR NAME", 11, 1).up_to(24),
        Column::wide("APPLICATION", 8, 1).up_to(24),
        Column::fixed("STATE", 19),
        Column::fixed("OPEN", 4).at_right(),
        Column::fixed("KEEPS", 5).at_right(),
        Column::wide("QUERY", 18, 4).droppable(1),
        Column::wide("DATABASE", 8, 1).up_to(20).droppable(2),
    ]
}

fn transaction_cells(open: &OpenTransaction, theme: &Theme) -> Vec<Cell> {
    let query = match (open.kind, open.retained_bytes) {
        (TransactionKind::Slot, Some(bytes)) => format!("replication slot: {} of WAL are kept", human_bytes(bytes)),
        (TransactionKind::Slot, None) => "replication slot".to_owned(),
        (TransactionKind::Prepared, _) => "prepared transaction".to_owned(),
        (TransactionKind::Session, _) => one_line(open.query.as_ref()),
    };
    vec![
        cell(open.id.safe()),
        cell(text(open.application.as_ref().or(open.role.as_ref()))),
        state_cell(open.state.as_ref(), theme),
        cell(age(open.open_seconds)),
        cell(open.xmin_age.map_or_else(|| "-".to_owned(), short_count)),
        cell(query),
        cell(text(open.database.as_ref())),
    ]
}

fn catalog_columns() -> Vec<Column> {
    vec![
        Column::wide("CATALOG", 14, 1).up_to(24),
        Column::fixed("SIZE", 8).at_right(),
        Column::fixed("ROWS", 6).at_right(),
        Column::fixed("DEAD", 6).at_right(),
        Column::fixed("VACUUM AT", 9).at_right(),
        Column::fixed("LAST VACUUM", 11).at_right(),
        Column::wide("", 4, 1).droppable(1),
    ]
}

fn catalog_cells(catalog: &Catalog, theme: &Theme) -> Vec<Cell> {
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), short_count);
    let (overdue, late) = (catalog.overdue(), catalog.overdue() >= 2);
    vec![
        cell(catalog.name.safe()),
        cell(human_bytes(catalog.total_bytes)),
        cell(count(catalog.live_rows)),
        styled(count(catalog.dead_rows), if late { theme.warn } else { Style::new() }),
        cell(short_count(catalog.trigger_rows)),
        cell(catalog.vacuumed_seconds.map_or_else(|| "-".to_owned(), |seconds| age(Some(seconds)))),
        styled(if late { format!("{}x overdue", grouped(overdue)) } else { String::new() }, theme.warn),
    ]
}
