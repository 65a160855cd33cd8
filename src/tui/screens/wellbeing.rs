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
use crate::text::{Untrusted, fit, grouped, width};
use crate::tui::theme::Theme;
use crate::tui::widgets::{columns, put_safe};

/// Columns of titles and names.
const TITLE: usize = 26;

/// Draws as many lines as fit from this row of the area on.
pub fn draw(buf: &mut Buffer, area: Rect, from: u16, detail: &TenantDetail, theme: &Theme) {
    let rows = usize::from(area.height.saturating_sub(from));
    let mut lines = lines(detail, theme);
    if lines.len() > rows {
        let more = lines.len() + 1 - rows;
        lines.truncate(rows.saturating_sub(1));
        lines.push((format!("and {more} more lines; `tenantui tenant` prints them all"), theme.muted));
    }
    for (row, (text, style)) in lines.iter().take(rows).enumerate() {
        put_safe(buf, area, 3, from + columns(row), area.width.saturating_sub(4), text, *style, theme);
    }
}

fn lines(detail: &TenantDetail, theme: &Theme) -> Vec<(String, Style)> {
    let problem = |words: &Untrusted| (String::from(words.safe()), theme.warn);
    let mut lines: Vec<(String, Style)> = detail.problems.iter().map(problem).collect();
    let is_heading = |fact: &&HealthFact| fact.name.raw() == "members" && !detail.members.is_empty();
    lines.extend(detail.health.iter().filter(|fact| !is_heading(fact)).map(|fact| {
        let style = if fact.problem.is_some() { theme.warn } else { Style::new() };
        (health(fact), style)
    }));
    if !detail.members.is_empty() {
        lines.push(match detail.health.iter().find(is_heading) {
            Some(fact) if fact.problem.is_some() => (health(fact), theme.warn),
            Some(fact) => (health(fact), theme.heading),
            None => (counted_here(&detail.members), theme.heading),
        });
        lines.extend(detail.members.iter().map(|one| (member(one), Style::new())));
    }
    lines
}

fn counted_here(members: &[Member]) -> String {
    let active = members.iter().filter(|member| member.active == Some(true)).count();
    three("members", &grouped(members.len() as u64), &format!("{} active", grouped(active as u64)))
}

fn health(fact: &HealthFact) -> String {
    let text = |text: Option<&Untrusted>| text.map_or_else(|| "-".to_owned(), |text| text.safe().into());
    let detail = fact.detail.as_ref().map_or_else(String::new, |detail| detail.safe().into());
    three(&String::from(fact.title.safe()), &text(fact.value.as_ref()), &detail)
}

fn member(member: &Member) -> String {
    let text = |text: Option<&Untrusted>| text.map(|text| String::from(text.safe()));
    let by_flag = || member.active.map(|active| if active { "active" } else { "inactive" }.to_owned());
    let status = text(member.status.as_ref()).or_else(by_flag).unwrap_or_else(|| "-".to_owned());
    let seen = text(member.last_active_at.as_ref()).unwrap_or_default();
    let seen = seen.get(..16).map_or_else(|| seen.clone(), |minutes| minutes.replace('T', " "));
    format!("  {} {} {seen}", padded(&String::from(member.name.safe()), TITLE), padded(&status, 10))
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
