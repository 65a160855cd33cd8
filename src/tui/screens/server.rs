//! Screen 4: is the database well?
//!
//! ```text
//!  Connections  [#####...............] 23 of 97, 3 more are reserved
//!
//!    ROLE            APPLICATION          STATE                SESSIONS  SINCE  DATABASE
//!  > app             web                  idle in transaction         3     3m  app
//!  * ops             tenantui/0.1.0       idle                        2     5s  app
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::header::stale;
use super::places::{Places, Tier};
use crate::model::vitals::{Facts, SessionGroup, Vitals, stepped};
use crate::text::{grouped, sanitise, short_age};
use crate::tui::app::server::vitals;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{above, bars, below, put, put_fit, put_safe, wrap};

/// Rows above the list: the gauge and a blank.
const GAUGES: u16 = 2;

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places) -> usize {
    // A heading above it, a note below it.
    usize::from(places.body.height.saturating_sub(GAUGES + 2))
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    let buf = frame.buffer_mut();
    let Some(vitals) = vitals(state) else {
        let up = state.header_database().is_some_and(|view| view.link.is_up());
        let words =
            if up { "Reading the server ..." } else { "Nothing is known of the server while there is no link." };
        put_fit(buf, places.body, 3, 1, places.body.width, words, theme.muted);
        return;
    };
    connections(buf, places.body, &vitals.facts, theme);
    let list = below(places.body, GAUGES);
    sessions(buf, above(list, list.height.saturating_sub(1)), vitals, state, places.tier, theme);
    note(buf, below(list, list.height.saturating_sub(1)), vitals, theme);
}

/// The second line: what the server is.
pub fn facts(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(vitals) = vitals(state) else { return };
    let version = state.header_database().and_then(|view| view.server_version.as_ref());
    let mut words = vec![version.map_or_else(|| "PostgreSQL".to_owned(), |v| format!("PostgreSQL {}", v.safe()))];
    words.extend(vitals.facts.uptime_seconds.map(|seconds| format!("up {}", short_age(stepped(seconds)))));
    words.push(format!("schemas {}", grouped(vitals.facts.schemas)));
    words.push(format!("role {}", vitals.facts.role.safe()));
    put_safe(buf, area, 1, 0, area.width.saturating_sub(2), &words.join("   "), Style::new(), theme);
}

fn connections(buf: &mut Buffer, area: Rect, facts: &Facts, theme: &Theme) {
    let (used, of) = (facts.connections, facts.usable_connections());
    let style = match used * 100 {
        hundred if hundred >= of * 95 => theme.error,
        hundred if hundred >= of * 80 => theme.warn,
        _ => theme.bar,
    };
    let x = put(buf, area, 1, 0, "Connections", Style::new());
    let x = put(buf, area, x + 2, 0, &bars::progress(used, of, 24), style);
    let about = if facts.sees_all { "" } else { "at most " };
    let words =
        format!("{about}{} of {}, {} more are reserved", grouped(used), grouped(of), facts.reserved_connections);
    put_fit(buf, area, x + 1, 0, area.width.saturating_sub(x + 2), &words, Style::new());
}

fn sessions(buf: &mut Buffer, area: Rect, vitals: &Vitals, state: &State, tier: Tier, theme: &Theme) {
    let names = if tier == Tier::Small { 16 } else { 30 };
    let all = [
        Column::wide("ROLE", 8, 1).up_to(names),
        Column::wide("APPLICATION", 10, 2).up_to(48),
        Column::fixed("STATE", 19),
        Column::fixed("SESSIONS", 8).at_right(),
        Column::fixed("SINCE", 5).at_right(),
        Column::wide("DATABASE", 8, 1).up_to(names),
    ];
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let rows = below(area, 1);
    let list = &state.server.sessions;
    let stale = state.header_database().is_some_and(stale);
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(group) = vitals.sessions.get(at) else { break };
        let mark = RowMark { cursor: at == list.at, marked: group.is_own(), stale, ..RowMark::default() };
        table::row(buf, rows, y, (&all, &placed), &cells(group, theme), mark, theme);
    }
}

fn cells(group: &SessionGroup, theme: &Theme) -> [Cell; 6] {
    let style = match group.state.as_ref().map(crate::text::Untrusted::raw) {
        Some("active") => theme.ok,
        Some("idle in transaction" | "idle in transaction (aborted)") => theme.warn,
        Some(_) => Style::new(),
        None => theme.muted,
    };
    let state = group.state.as_ref().map_or_else(|| "hidden".to_owned(), |state| sanitise(state.raw()));
    [
        cell(group.role.safe()),
        cell(if group.application.is_empty() { "-".into() } else { String::from(group.application.safe()) }),
        styled(state, style),
        cell(grouped(group.count)),
        cell(group.oldest_seconds.map_or_else(|| "-".to_owned(), |seconds| short_age(stepped(seconds)))),
        styled(group.database.safe(), if group.here { Style::new() } else { theme.muted }),
    ]
}

/// What could not be read; else what the marks mean.
fn note(buf: &mut Buffer, area: Rect, vitals: &Vitals, theme: &Theme) {
    let room = usize::from(area.width.saturating_sub(4));
    match vitals.problems.first() {
        Some(problem) => {
            let words = wrap(problem.safe().as_str(), room).into_iter().next().unwrap_or_default();
            put_safe(buf, area, 3, 0, area.width.saturating_sub(4), &words, theme.warn, theme);
        }
        None => {
            let words = "* sessions of tenantui; SINCE is how long the oldest has been in that state";
            put_fit(buf, area, 3, 0, area.width.saturating_sub(4), words, theme.muted);
        }
    }
}
