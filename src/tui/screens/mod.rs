//! One file for each screen; what all have in common (header, job line, message line, hints) is put together here.
//! Drawing is a pure function of the state: no I/O, no clock, nothing remembered.

pub use self::footer::filter_words;
pub use self::tenants::ColumnState;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::state::{Prompt, Screen, State, TenantColumn, TenantTab};
use super::theme::Theme;
use super::widgets::{put, put_fit, seal};
use banner::Banner;
use places::{Places, SMALLEST, Said, places, too_small};

mod activity;
mod audit;
mod banner;
mod columns;
mod footer;
mod format;
mod header;
mod job_log;
mod job_result;
mod jobs;
mod menu;
mod messages;
mod migrations;
mod notice;
mod panes;
mod panes_migrations;
mod places;
mod server;
mod server_gauges;
mod server_panes;
mod strip;
mod tenant;
mod tenants;
mod tenants_detail;
mod welcome;
mod wellbeing;

/// Draws everything: header, the screen, job line, message line, hints, menus, the dialog.
pub fn draw(frame: &mut Frame, state: &State, theme: &Theme) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    if too_small(area) {
        let (columns, rows) = SMALLEST;
        let words = format!("tenantui needs {columns}x{rows}; this is {}x{}", area.width, area.height);
        put_fit(frame.buffer_mut(), area, 0, 0, area.width, &words, theme.warn);
        return;
    }
    let banner = Banner::of(state, area, theme);
    let places = places_of(area, banner.as_ref(), state);
    header::draw(frame.buffer_mut(), &places, state, theme);
    if state.screen != Screen::Tenant {
        header::counters(frame.buffer_mut(), places.line2, state, places.tier, theme);
    }
    if let Some(banner) = &banner {
        banner.draw(frame.buffer_mut(), places.banner, theme);
    }
    match state.screen {
        Screen::Tenants => tenants::draw(frame, &places, state, theme),
        Screen::Tenant => tenant::draw(frame, area, &places, state, theme),
        Screen::Migrations => migrations::draw(frame, &places, state, theme),
        Screen::Jobs => jobs::draw(frame, &places, state, theme),
        Screen::JobResult => job_result::draw(frame, &places, state, theme),
        Screen::Messages => messages::draw(frame, &places, state, theme),
        Screen::Audit => audit::draw(frame, &places, state, theme),
        Screen::Server => server::draw(frame, &places, state, theme),
    }
    strip::draw(frame.buffer_mut(), places.strip, state, theme);
    footer::draw(frame.buffer_mut(), &places, state, theme);
    if let Some(lines) = &state.welcome {
        welcome::draw(frame.buffer_mut(), places.body, lines, theme);
    }
    if matches!(state.prompt, Prompt::Menu(_) | Prompt::Columns(_)) || state.dialog.is_some() {
        // What is behind steps back.
        frame.buffer_mut().set_style(area, theme.stale);
    }
    match &state.prompt {
        Prompt::Menu(menu) => menu::draw(frame.buffer_mut(), area, menu, state, theme),
        Prompt::Columns(at) => columns::draw(frame.buffer_mut(), area, *at, state, theme),
        Prompt::Filter(_) | Prompt::None => {}
    }
    if let Some(dialog) = &state.dialog {
        dialog.draw(frame, area, state.dialog_off.as_deref(), theme);
    }
    seal(frame.buffer_mut(), state.ascii);
}

/// How many rows of the list of the current screen are visible at `state.size`; 0 where nothing fits.
/// The state keeps the cursor within `top .. top + list_rows`.
#[must_use]
pub fn list_rows(state: &State) -> usize {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    if too_small(area) {
        return 0;
    }
    let banner = Banner::of(state, area, &Theme::default());
    let places = places_of(area, banner.as_ref(), state);
    rows_of(&places, state)
}

/// The lines of the log that are seen at `state.size`, where this place belongs to the log of the chosen job.
#[must_use]
pub fn log_rows(state: &State, x: u16, y: u16) -> Option<usize> {
    let area = Rect::new(0, 0, state.size.0, state.size.1);
    if too_small(area) || state.screen != Screen::Jobs {
        return None;
    }
    let banner = Banner::of(state, area, &Theme::default());
    let places = places_of(area, banner.as_ref(), state);
    let log = places::jobs_parts(&places, state.jobs.shown.len()).log;
    // The first row says whose it is.
    log.contains((x, y).into()).then(|| usize::from(log.height.saturating_sub(1)))
}

/// Whether the screen in front shows what each tenant of a list does: there is room for it on wide screens.
#[must_use]
pub fn shows_activity(state: &State) -> bool {
    places::tier(Rect::new(0, 0, state.size.0, state.size.1)) == places::Tier::Wide
}

/// Whether the cache keys of the open tenant are on the screen in front.
#[must_use]
pub fn shows_cache(state: &State) -> bool {
    let tier = places::tier(Rect::new(0, 0, state.size.0, state.size.1));
    let open = state.tenant.as_ref().filter(|_| state.screen == Screen::Tenant);
    open.is_some_and(|open| tenant::shown_tabs(tier, state.zoom, open.tab).contains(&TenantTab::Cache))
}

/// Whether the screen in front shows more than one pane, so that one of them can fill it.
#[must_use]
pub fn has_panes(state: &State) -> bool {
    places::has_panes(Rect::new(0, 0, state.size.0, state.size.1), state)
}

/// What there is to say of each column of the Tenants screen at `state.size`, in the order of the screen.
#[must_use]
pub fn tenant_columns(state: &State) -> Vec<(TenantColumn, ColumnState)> {
    let area = Rect::new(0, 0, state.size.0.max(SMALLEST.0), state.size.1.max(SMALLEST.1));
    let places = places(area, state, Said::default());
    TenantColumn::ALL.into_iter().map(|column| (column, tenants::column_state(column, &places, state))).collect()
}

/// The columns of the Tenants screen that can be seen at `state.size`.
#[must_use]
pub fn shown_columns(state: &State) -> Vec<TenantColumn> {
    let all = tenant_columns(state).into_iter();
    all.filter(|(_, at)| *at == ColumnState::Shown).map(|(column, _)| column).collect()
}

/// The headings of the list of the Server screen that is in front, as far as they can be seen at `state.size`.
#[must_use]
pub fn server_headings(state: &State) -> Vec<String> {
    let area = Rect::new(0, 0, state.size.0.max(SMALLEST.0), state.size.1.max(SMALLEST.1));
    server::headings(&places(area, state, Said::default()), state.server.tab)
}

fn places_of(area: Rect, banner: Option<&Banner>, state: &State) -> Places {
    let standing = if state.screen == Screen::Tenant { tenant::standing_lines(area, state).len() } else { 0 };
    places(
        area,
        state,
        Said { banner: banner.map_or(0, Banner::rows), standing: crate::tui::widgets::columns(standing) },
    )
}

fn rows_of(places: &Places, state: &State) -> usize {
    match state.screen {
        Screen::Tenants => tenants::list_rows(places),
        Screen::Tenant => tenant::list_rows(places, state),
        Screen::Migrations => migrations::list_rows(places),
        Screen::Jobs => jobs::list_rows(places, state.jobs.shown.len()),
        Screen::JobResult => job_result::list_rows(places),
        Screen::Messages => messages::list_rows(places),
        Screen::Audit => audit::list_rows(places),
        Screen::Server => server::list_rows(places, state.server.tab),
    }
}

/// A rule beside an area, two columns left of it: between two panes.
fn divider(buf: &mut Buffer, right: Rect, theme: &Theme) {
    if right.x < 2 {
        return;
    }
    let line = Rect { x: right.x - 2, width: 1, ..right };
    for y in 0..line.height {
        put(buf, line, 0, y, "|", theme.muted);
    }
}
