//! Screen 4: is the database well?
//!
//! ```text
//!  2 sessions wait for locks, the longest for 12s; pid 4411 (web) is in the way     and 1 more
//!  Connections  [######............] 31 of 97, 3 more are reserved
//!  Lock table   [#.................] 120 of about 6,400
//!  Per second   120 commits  4.2k rows read  40 written  99% from memory
//!  Cache        [########..........] 120 MB of 256 MB, allkeys-lru
//!  [Sessions 6]  Locks 3!  Transactions 1  Catalogs 14                          Tab next list
//!    ROLE         APPLICATION      STATE               SESSIONS SINCE DATABASE
//!  > app_rw       web              idle in transaction        3    3m app
//!  * ops          tenantui/0.1.0.. idle                       2     - app
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::places::{Places, Tier, side_by_side};
use super::{server_gauges, server_panes};
use crate::model::vitals::{Vitals, stepped};
use crate::text::{grouped, short_age, width};
use crate::tui::app::action::Action;
use crate::tui::app::server::{ServerTab, vitals};
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::{Piece, above, below, piece, put_fit, put_pieces, put_right, put_safe};

/// Where the parts of the screen stand.
struct Parts {
    /// What is not well, and how much of everything is in use.
    gauges: Rect,
    /// Sizes by plan.
    plans: Option<Rect>,
    /// The link's latency, and more of the cache.
    link: Option<Rect>,
    /// The titles of the lists; none on wide screens, where each has its own.
    tabs: Option<Rect>,
    /// The lists that are shown, in their order.
    panes: Vec<(ServerTab, Rect)>,
}

/// Lines that say what is not well.
const fn alarm_rows(tier: Tier) -> u16 {
    match tier {
        Tier::Small => 1,
        Tier::Medium => 3,
        Tier::Wide => 4,
    }
}

fn parts(places: &Places, tab: ServerTab) -> Parts {
    let body = places.body;
    if places.zoom {
        let tabs = Some(above(body, 1));
        return Parts { gauges: above(body, 0), plans: None, link: None, tabs, panes: vec![(tab, below(body, 1))] };
    }
    match places.tier {
        Tier::Small => Parts {
            gauges: above(body, 5),
            plans: None,
            link: None,
            tabs: Some(above(below(body, 5), 1)),
            panes: vec![(tab, below(body, 6))],
        },
        Tier::Medium => {
            let (gauges, _, plans) = side_by_side(above(body, 8), 76);
            let rest = below(body, 10);
            let rows = rest.height / 2;
            let lists = match tab {
                ServerTab::Sessions | ServerTab::Locks => [ServerTab::Sessions, ServerTab::Locks],
                ServerTab::Transactions | ServerTab::Catalogs => [ServerTab::Transactions, ServerTab::Catalogs],
            };
            let panes = lists.into_iter().zip([above(rest, rows), below(rest, rows)]).collect();
            Parts { gauges, plans: Some(plans), link: None, tabs: Some(above(below(body, 9), 1)), panes }
        }
        Tier::Wide => {
            let (gauges, _, right) = side_by_side(above(body, 9), 98);
            let (plans, _, link) = side_by_side(right, 46);
            let rest = below(body, 10);
            let (rows, half) = (rest.height / 2, rest.width.saturating_sub(2) / 2);
            let mut areas = Vec::new();
            for part in [above(rest, rows), above(below(rest, rows), rows)] {
                let (left, _, right) = side_by_side(part, half);
                areas.extend([below(left, 1), below(right, 1)]);
            }
            let panes = ServerTab::ALL.into_iter().zip(areas).collect();
            Parts { gauges, plans: Some(plans), link: Some(link), tabs: None, panes }
        }
    }
}

/// Rows of each of its lists.
#[must_use]
pub fn list_rows(places: &Places, tab: ServerTab) -> usize {
    // A heading above each list, a note below it.
    let rows = parts(places, tab).panes.iter().map(|(_, pane)| pane.height.saturating_sub(2)).min();
    usize::from(rows.unwrap_or(0))
}

/// The headings of the list in front that can be seen.
#[must_use]
pub fn headings(places: &Places, tab: ServerTab) -> Vec<String> {
    let parts = parts(places, tab);
    let pane = parts.panes.iter().find(|(of, _)| *of == tab);
    pane.map_or_else(Vec::new, |(_, area)| server_panes::headings(*area, tab))
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
    let parts = parts(places, state.server.tab);
    if !parts.gauges.is_empty() {
        server_gauges::draw(buf, parts.gauges, alarm_rows(places.tier), vitals, theme);
    }
    if let Some(area) = parts.plans {
        super::divider(buf, area, theme);
        server_gauges::plans(buf, area, state, theme);
    }
    if let Some(area) = parts.link {
        super::divider(buf, area, theme);
        server_gauges::link(buf, area, vitals, theme);
    }
    if let Some(area) = parts.tabs {
        let pieces: Vec<Piece> = ServerTab::ALL
            .iter()
            .flat_map(|tab| [title(*tab, vitals, state, theme), piece("  ", theme.muted)])
            .collect();
        let end = put_pieces(buf, area, 1, 0, &pieces);
        let hint = format!("{} next list", state.key(Action::NextTab));
        if usize::from(end) + width(&hint) + 1 < usize::from(area.width) {
            put_right(buf, area, area.width.saturating_sub(1), 0, &hint, theme.muted);
        }
    }
    for (index, (tab, pane)) in parts.panes.iter().enumerate() {
        if parts.tabs.is_none() {
            let line = Rect { y: pane.y.saturating_sub(1), height: 1, ..*pane };
            put_pieces(buf, line, 1, 0, &[title(*tab, vitals, state, theme)]);
            if index % 2 == 1 {
                super::divider(buf, Rect { y: line.y, height: pane.height + 1, ..*pane }, theme);
            }
        }
        server_panes::draw(buf, *pane, *tab, vitals, state, theme);
    }
}

/// `[Sessions 6]`; with a mark where somebody waits.
fn title(tab: ServerTab, vitals: &Vitals, state: &State, theme: &Theme) -> Piece {
    let waiting = tab == ServerTab::Locks && !vitals.locks.is_empty();
    let (shown, all) = (state.server.shown[tab.place()].len(), tab.rows(vitals));
    let count = if shown == all { grouped(all as u64) } else { format!("{shown}/{}", grouped(all as u64)) };
    let words = format!("{} {count}{}", tab.word(), if waiting { "!" } else { "" });
    match (tab == state.server.tab, waiting) {
        (true, _) => piece(format!("[{words}]"), theme.title),
        (false, true) => piece(words, theme.warn),
        (false, false) => piece(words, theme.muted),
    }
}

/// The second line: what the server is.
pub fn facts(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(vitals) = vitals(state) else { return };
    let version = state.header_database().and_then(|view| view.server_version.as_ref());
    let mut words = vec![version.map_or_else(|| "PostgreSQL".to_owned(), |v| format!("PostgreSQL {}", v.safe()))];
    words.extend(vitals.facts.uptime_seconds.map(|seconds| format!("up {}", short_age(stepped(seconds)))));
    words.push(format!("schemas {}", grouped(vitals.facts.schemas)));
    words.push(format!("role {}", vitals.facts.role.safe()));
    if vitals.facts.standby {
        words.push("standby".to_owned());
    }
    if state.header_database().is_some_and(|view| view.pooled) {
        words.push("behind a pooler: sessions are the pooler's".to_owned());
    }
    put_safe(buf, area, 1, 0, area.width.saturating_sub(2), &words.join("   "), Style::new(), theme);
}
