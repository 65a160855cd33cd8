//! How the open tenant is and who is in it, by what its layout knows: below the jobs of its pane, as far as there is room.
//!
//! ```text
//!    Tasks without a heartbeat: 3 tasks are Running without a heartbeat for 5 minutes
//!    tasks stuck                 3   oldest heartbeat 2026-11-19 09:12 UTC
//!    schedules on               12   next 2026-11-19 10:00 UTC, 1 paused
//!    members                     2   1 active
//!      ann@example.org           active     2026-11-19 08:01
//! ```
//!
//! Where the layout counts the members itself, its line stands above their names: the number is said once.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::tenant::{HealthFact, Member, TenantDetail};
use crate::text::{Untrusted, counted, fit, grouped, width};
use crate::tui::theme::Theme;
use crate::tui::widgets::{columns, put_safe, wrap};

/// Columns of titles and names.
const TITLE: usize = 26;

/// Columns of a member's status, and of the minute at which it was seen.
const STATUS: usize = 10;
const MINUTES: usize = 16;

/// Draws as many lines as fit from this row of the area on.
pub fn draw(buf: &mut Buffer, area: Rect, from: u16, detail: &TenantDetail, theme: &Theme) {
    let rows = usize::from(area.height.saturating_sub(from));
    let room = area.width.saturating_sub(4);
    let mut lines = lines(detail, usize::from(room), theme);
    if lines.len() > rows {
        let more = lines.len() + 1 - rows;
        lines.truncate(rows.saturating_sub(1));
        lines.push((format!("and {}; `tenantui tenant` prints all", counted(more, "more line")), theme.muted));
    }
    for (row, (text, style)) in lines.iter().take(rows).enumerate() {
        put_safe(buf, area, 3, from + columns(row), room, text, *style, theme);
    }
}

/// The lines that there are in an area so wide.
pub fn rows(detail: &TenantDetail, width: u16) -> u16 {
    // How they look does not matter to their number.
    columns(lines(detail, usize::from(width.saturating_sub(4)), &Theme::default()).len())
}

fn lines(detail: &TenantDetail, room: usize, theme: &Theme) -> Vec<(String, Style)> {
    let styled = |lines: Vec<String>, style: Style| lines.into_iter().map(move |line| (line, style));
    let problem = |words: &Untrusted| styled(wrap(words.safe().as_str(), room), theme.warn);
    let mut lines: Vec<(String, Style)> = detail.problems.iter().flat_map(problem).collect();
    let is_heading = |fact: &&HealthFact| fact.name.raw() == "members" && !detail.members.is_empty();
    lines.extend(detail.health.iter().filter(|fact| !is_heading(fact)).flat_map(|fact| {
        let style = if fact.problem.is_some() { theme.warn } else { Style::new() };
        styled(health(fact, room), style)
    }));
    if !detail.members.is_empty() {
        lines.extend(match detail.health.iter().find(is_heading) {
            Some(fact) if fact.problem.is_some() => styled(health(fact, room), theme.warn),
            Some(fact) => styled(health(fact, room), theme.heading),
            None => styled(vec![counted_here(&detail.members)], theme.heading),
        });
        // Status and time stand behind a name whole.
        let names = TITLE.min(room.saturating_sub(STATUS + MINUTES + 4)).max(12);
        lines.extend(detail.members.iter().map(|one| (member(one, names), Style::new())));
    }
    lines
}

fn counted_here(members: &[Member]) -> String {
    let active = members.iter().filter(|member| member.active == Some(true)).count();
    three("members", &grouped(members.len() as u64), &format!("{} active", grouped(active as u64)))
}

/// A fact; its details in lines of their own where they do not fit behind it.
fn health(fact: &HealthFact, room: usize) -> Vec<String> {
    let text = |text: Option<&Untrusted>| text.map_or_else(|| "-".to_owned(), |text| text.safe().into());
    let detail = fact.detail.as_ref().map_or_else(String::new, |detail| detail.safe().into());
    let (title, value) = (String::from(fact.title.safe()), text(fact.value.as_ref()));
    let whole = three(&title, &value, &detail);
    if width(&whole) <= room {
        return vec![whole];
    }
    let mut lines = vec![three(&title, &value, "")];
    lines.extend(wrap(&detail, room.saturating_sub(2)).into_iter().map(|line| format!("  {line}")));
    lines
}

fn member(member: &Member, names: usize) -> String {
    let text = |text: Option<&Untrusted>| text.map(|text| String::from(text.safe()));
    let by_flag = || member.active.map(|active| if active { "active" } else { "inactive" }.to_owned());
    let status = text(member.status.as_ref()).or_else(by_flag).unwrap_or_else(|| "-".to_owned());
    let seen = text(member.last_active_at.as_ref()).unwrap_or_default();
    let seen = seen.get(..MINUTES).map_or_else(|| seen.clone(), |minutes| minutes.replace('T', " "));
    format!("  {} {} {seen}", padded(&String::from(member.name.safe()), names), padded(&status, STATUS))
        .trim_end()
        .to_owned()
}

/// A title, a number at the right of its column, and words.
fn three(title: &str, value: &str, words: &str) -> String {
    let gap = 8_usize.saturating_sub(width(value));
    format!("{} {}{value}   {words}", padded(title, TITLE - 4), " ".repeat(gap)).trim_end().to_owned()
}

fn padded(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let gap = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(gap))
}
