//! One tenant: what is in it, and why is it behind?
//!
//! ```text
//!  active since 2024-03-02   schema t_acme   owner t_acme_rw   plan pro
//!  Version 0039, target 0042: 3 behind.  Why: skipped by job 12 (lock timeout)
//!
//!  [Tables]  Migrations  Cache  Jobs                       Tab changes tab
//!    TABLE                          TOTALv     HEAP    INDEX     ROWS~  DEAD%
//!  > events                         201 MB   140 MB    61 MB      1.9M      3
//!    invoices                        72 MB    40 MB    32 MB      210k    41!
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{date, version};
use super::header::stale_line;
use super::places::{Places, Tier, tenant_panes};
use super::{activity, panes};
use crate::model::ledger::LedgerState;
use crate::model::tenant::{Tenant, TenantDetail, TenantState};
use crate::text::{grouped, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::{State, TenantScreen, TenantTab};
use crate::tui::theme::Theme;
use crate::tui::widgets::{bars, columns, pieces_width, put, put_fit, put_pieces, put_right, put_safe, wrap};

/// Rows of each of its lists.
#[must_use]
pub fn list_rows(places: &Places, state: &State) -> usize {
    let panes = tenant_panes(places);
    // One row is the heading; one below the list is for what there is to say about it.
    let rows = panes.iter().map(|pane| usize::from(pane.height.saturating_sub(2))).min().unwrap_or(0);
    match (state.tenant.as_ref().map(|open| open.tab), panes.last()) {
        (Some(TenantTab::Jobs), Some(pane)) => {
            rows.min(usize::from(panes::job_rows(*pane, crate::tui::app::nav::detail(state))))
        }
        (Some(TenantTab::Tables | TenantTab::Migrations | TenantTab::Cache | TenantTab::Jobs) | None, _) => rows,
    }
}

/// Draws it.
pub fn draw(frame: &mut Frame, area: Rect, places: &Places, state: &State, theme: &Theme) {
    let Some(open) = &state.tenant else { return };
    draw_facts(frame, area, state, theme);
    let panes = tenant_panes(places);
    let shown = shown_tabs(places.tier, places.zoom, open.tab);
    draw_tabs(frame, places, &panes, &shown, open, state, theme);
    for (index, (tab, pane)) in shown.iter().zip(&panes).enumerate() {
        if index % 2 == 1 {
            super::divider(frame.buffer_mut(), *pane, theme);
        }
        panes::draw(frame, *pane, *tab, open, state, theme);
    }
}

/// The tabs that are on a screen of this size.
#[must_use]
pub fn shown_tabs(tier: Tier, zoom: bool, open: TenantTab) -> Vec<TenantTab> {
    match tier {
        Tier::Small => vec![open],
        Tier::Medium | Tier::Wide if zoom => vec![open],
        Tier::Medium => match open {
            TenantTab::Tables | TenantTab::Migrations => vec![TenantTab::Tables, TenantTab::Migrations],
            TenantTab::Cache | TenantTab::Jobs => vec![TenantTab::Cache, TenantTab::Jobs],
        },
        Tier::Wide => TenantTab::ALL.to_vec(),
    }
}

fn draw_tabs(
    frame: &mut Frame,
    places: &Places,
    panes: &[Rect],
    shown: &[TenantTab],
    open: &TenantScreen,
    state: &State,
    theme: &Theme,
) {
    let buf = frame.buffer_mut();
    let doing = activity::words(state, &open.key, if places.tier == Tier::Small { 0 } else { 40 });
    if places.tier == Tier::Wide && !places.zoom {
        for (tab, pane) in shown.iter().zip(panes) {
            let title = if *tab == open.tab { format!("[{}]", tab.word()) } else { format!(" {} ", tab.word()) };
            let style = if *tab == open.tab { theme.title } else { theme.muted };
            let line = Rect { y: pane.y.saturating_sub(1), height: 1, ..*pane };
            put(buf, line, 1, 0, &title, style);
            if let Some(words) = doing.as_ref().filter(|_| *tab == TenantTab::Tables) {
                put_right(buf, line, line.width.saturating_sub(1), 0, words, theme.bar);
            }
        }
        return;
    }
    let words: Vec<&'static str> = TenantTab::ALL.iter().map(|tab| tab.word()).collect();
    let chosen = TenantTab::ALL.iter().position(|tab| *tab == open.tab).unwrap_or(0);
    let pieces = bars::tabs(&words, chosen, theme);
    let x = 1 + columns(pieces_width(&pieces));
    put_pieces(buf, places.body, 1, 0, &pieces);
    // What it does says more than the hint, which the footer has as well.
    let (hint, style) = doing.map_or_else(
        || (format!("{} changes tab", state.key(Action::NextTab)), theme.muted),
        |words| (words, theme.bar),
    );
    if usize::from(x) + width(&hint) + 4 < usize::from(places.body.width) {
        put_right(buf, places.body, places.body.width.saturating_sub(1), 0, &hint, style);
    }
}

/// The most lines that say where it stands, and why, on a screen of so many rows: the lists need theirs.
const fn most_lines(rows: u16) -> usize {
    if rows < 24 { 2 } else { 4 }
}

/// The sentence of where the open tenant stands, and why, in lines. What does not fit into them stands in the last one,
/// to be cut there.
pub fn standing_lines(area: Rect, state: &State) -> Vec<String> {
    let Some(tenant) = state.open_tenant() else { return Vec::new() };
    let mut lines = wrap(&standing(tenant, state), usize::from(area.width.saturating_sub(2)));
    let most = most_lines(area.height);
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(rest);
    }
    lines
}

/// The facts below the header, and where it stands.
fn draw_facts(frame: &mut Frame, area: Rect, state: &State, theme: &Theme) {
    let buf = frame.buffer_mut();
    let line = |y: u16| Rect { y: area.y + y, height: 1.min(area.height.saturating_sub(y)), ..area };
    let Some(tenant) = state.open_tenant() else {
        put(buf, line(1), 1, 0, "This tenant is no longer there: it was renamed or removed meanwhile.", theme.warn);
        put(buf, line(2), 1, 0, &format!("{} goes back to the list.", state.key(Action::Back)), theme.muted);
        return;
    };
    if let Some(words) = stale_line(state) {
        put_fit(buf, line(1), 1, 0, area.width, &words, theme.warn);
    } else {
        let room = area.width.saturating_sub(2);
        put_safe(buf, line(1), 1, 0, room, &facts(tenant, usize::from(room)), Style::new(), theme);
    }
    let style = super::format::state_style(tenant.state, theme);
    for (y, words) in (2..).zip(&standing_lines(area, state)) {
        put_safe(buf, line(y), 1, 0, area.width.saturating_sub(2), words, style, theme);
    }
}

/// `active since 2024-03-02   schema t_acme   owner t_acme_rw   plan pro`: what the registry and the catalog say.
/// Where there is no room for all of it, plan and owner are left out whole.
#[must_use]
pub fn facts(tenant: &Tenant, room: usize) -> String {
    let mut parts: Vec<String> = tenant.name.iter().map(|name| name.safe().into()).collect();
    let status: Option<String> = tenant.status.as_ref().map(|status| status.safe().into());
    match (status, tenant.created_at.is_some()) {
        (Some(status), true) => parts.push(format!("{status}, created {}", date(tenant.created_at.as_ref()))),
        (Some(status), false) => parts.push(status),
        (None, true) => parts.push(format!("created {}", date(tenant.created_at.as_ref()))),
        (None, false) => {}
    }
    match (&tenant.schema, tenant.schema_oid) {
        (Some(schema), Some(_)) => parts.push(format!("schema {}", schema.safe())),
        (Some(schema), None) => parts.push(format!("schema {} (missing)", schema.safe())),
        (None, _) => parts.push("no schema".to_owned()),
    }
    if let Some((primary, others)) = tenant.domains.split_first() {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        parts.push(format!("domain {}{more}", primary.safe()));
    }
    let kept = parts.len();
    for (word, value) in [("owner", &tenant.owner), ("plan", &tenant.plan)] {
        if let Some(value) = value {
            parts.push(format!("{word} {}", value.safe()));
        }
    }
    while parts.len() > kept && width(&parts.join("   ")) > room {
        parts.pop();
    }
    parts.join("   ")
}

/// `Version 0039, target 0042: 3 behind.  Why: ...`: where it stands, and the sentence why.
#[must_use]
pub fn standing(tenant: &Tenant, state: &State) -> String {
    let target = state.target(&tenant.key.database);
    let at = version(tenant.version());
    let target = target.map(|target| format!(", target {}", target.untrusted().safe())).unwrap_or_default();
    let distance = match (tenant.state, tenant.pending_count()) {
        (TenantState::Ok, _) => "up to date".to_owned(),
        (TenantState::Behind, Some(count)) => format!("{} behind", grouped(count as u64)),
        (TenantState::Ahead, _) => {
            format!("{} ahead", tenant.ahead.as_ref().map_or(0, |versions| versions.len()))
        }
        (state, Some(count)) if count > 0 => format!("{}, {} pending", state.word(), grouped(count as u64)),
        (TenantState::Unknown, _) => "not read yet".to_owned(),
        (state, _) => state.word().to_owned(),
    };
    let why = why(tenant, detail(tenant, state));
    let why = why.map(|why| format!("  Why: {why}")).unwrap_or_default();
    format!("Version {at}{target}: {distance}.{why}")
}

/// The detail of a tenant, where it is the one that was read.
#[must_use]
pub fn detail<'a>(tenant: &Tenant, state: &'a State) -> Option<&'a TenantDetail> {
    state.snapshot.detail.as_deref().filter(|detail| detail.key == tenant.key)
}

/// Why it is in its state: as it was found out, else what is known without having opened it.
fn why(tenant: &Tenant, detail: Option<&TenantDetail>) -> Option<String> {
    if tenant.state == TenantState::Ok && tenant.failed_step.is_none() {
        // It says so already.
        return None;
    }
    if let Some(detail) = detail.filter(|detail| !detail.why.is_empty()) {
        return Some(detail.why.safe().into());
    }
    if let Some(step) = &tenant.failed_step {
        let at = step.version.as_ref().map(|version| format!(" at {}", version.untrusted().safe())).unwrap_or_default();
        let code = step.sqlstate.as_deref().map(|code| format!("{} ", crate::text::sanitise(code))).unwrap_or_default();
        return Some(format!("job {} failed{at}: {code}{}", step.job, step.message.safe()));
    }
    match &tenant.ledger {
        LedgerState::NoAccess(why) | LedgerState::DatabaseWide { why, .. } | LedgerState::Unreadable { why, .. } => {
            Some(why.safe().into())
        }
        LedgerState::Read(reading) => reading.locked.as_ref().map(|locked| locked.safe().into()),
        LedgerState::Unread | LedgerState::Absent => tenant.problems.first().map(|problem| problem.safe().into()),
    }
}

/// What stands at the right of the screens line.
#[must_use]
pub fn position(state: &State) -> Option<String> {
    let open = state.tenant.as_ref()?;
    let detail = state.snapshot.detail.as_ref().filter(|detail| detail.key == open.key);
    let (at, count) = match open.tab {
        TenantTab::Tables => (open.tables.at, open.tables_shown.len()),
        TenantTab::Migrations => (open.migrations.at, detail.map_or(0, |detail| detail.migrations.len())),
        TenantTab::Cache => (open.cache.at, detail.map_or(0, |detail| detail.cache_by_prefix.len())),
        TenantTab::Jobs => (open.jobs.at, open.jobs_shown.len()),
    };
    Some(if count == 0 { "0/0".to_owned() } else { format!("{}/{}", grouped(at as u64 + 1), grouped(count as u64)) })
}
