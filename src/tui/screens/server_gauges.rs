//! The upper part of the Server screen: what is not well, what is in use and of how much, sizes by plan, the link.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::vitals::{Facts, Severity, Vitals};
use crate::text::{counted, grouped, human_bytes, short_bytes, short_count, width};
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Column, cell, styled};
use crate::tui::widgets::{bars, columns, put, put_fit, put_right, put_safe};

/// Columns of a bar.
const BAR: u16 = 20;

/// Columns before a bar, or words in its place.
const TEXT: u16 = 14;

/// What is not well in so many lines, and below it the gauges.
pub fn draw(buf: &mut Buffer, area: Rect, alarms: u16, vitals: &Vitals, theme: &Theme) {
    draw_alarms(buf, Rect { height: alarms.min(area.height), ..area }, vitals, theme);
    let facts = &vitals.facts;
    let about = if facts.sees_all { "" } else { "at most " };
    let usable = facts.usable_connections();
    let words = format!(
        "{about}{} of {}, {} more are reserved",
        grouped(facts.connections),
        grouped(usable),
        facts.reserved_connections
    );
    gauge(buf, area, alarms, ("Connections", facts.connections, usable), &words, theme);
    let words = format!("{} of about {} locks", grouped(facts.locks_held), grouped(facts.lock_room));
    gauge(buf, area, alarms + 1, ("Lock table", facts.locks_held, facts.lock_room), &words, theme);
    let room = usize::from(area.width.saturating_sub(TEXT + 1));
    line(buf, area, alarms + 2, "Per second", &pace(vitals, room), theme);
    match &vitals.cache {
        None => line(buf, area, alarms + 3, "Cache", "none is configured", theme),
        Some(Err(why)) => line(buf, area, alarms + 3, "Cache", why.safe().as_str(), theme),
        Some(Ok(cache)) => match cache.max_bytes {
            Some(max) => {
                let words = fitting(
                    vec![
                        (0, format!("{} of {}", human_bytes(cache.used_bytes), human_bytes(max))),
                        (2, cache.policy.safe().to_string()),
                        (1, format!("{} evicted", short_count(cache.evicted_keys))),
                    ],
                    ", ",
                    room.saturating_sub(usize::from(BAR) + 1),
                );
                gauge(buf, area, alarms + 3, ("Cache", cache.used_bytes, max), &words, theme);
            }
            None => {
                let words = format!("{} in use, no limit is set", human_bytes(cache.used_bytes));
                line(buf, area, alarms + 3, "Cache", &words, theme);
            }
        },
    }
    line(buf, area, alarms + 4, "Autovacuum", &autovacuum(facts), theme);
}

fn draw_alarms(buf: &mut Buffer, area: Rect, vitals: &Vitals, theme: &Theme) {
    // Of ages as they are drawn elsewhere: nothing ticks.
    let alarms = vitals.as_shown(false).alarms();
    let room = area.width.saturating_sub(2);
    if alarms.is_empty() {
        let (words, style) = match (vitals.facts.max_connections, vitals.facts.sees_all) {
            (0, _) => ("Not known: see below.", theme.warn),
            (_, true) => ("Nothing is wrong here.", theme.ok),
            (_, false) => ("Nothing is wrong of what this role may see.", theme.ok),
        };
        put_fit(buf, area, 1, 0, room, words, style);
        return;
    }
    for (y, alarm) in (0..area.height).zip(&alarms) {
        let style = match alarm.severity {
            Severity::Bad => theme.error,
            Severity::Watch => theme.warn,
        };
        let mark = match alarm.severity {
            Severity::Bad => "! ",
            Severity::Watch => "",
        };
        let hidden = alarms.len().saturating_sub(usize::from(area.height));
        let mut end = area.width.saturating_sub(1);
        if y + 1 == area.height && hidden > 0 {
            end = put_right(buf, area, end, y, &format!("and {hidden} more"), theme.muted).saturating_sub(1);
        }
        let words = format!("{mark}{}", alarm.words.safe());
        put_safe(buf, area, 1, y, end.saturating_sub(1), &words, style, theme);
    }
}

fn gauge(buf: &mut Buffer, area: Rect, y: u16, (title, used, of): (&str, u64, u64), words: &str, theme: &Theme) {
    if y >= area.height {
        return;
    }
    let style = match used.saturating_mul(100) {
        hundred if of > 0 && hundred >= of.saturating_mul(95) => theme.error,
        hundred if of > 0 && hundred >= of.saturating_mul(80) => theme.warn,
        _ => theme.bar,
    };
    put(buf, area, 1, y, title, theme.muted);
    let x = put(buf, area, TEXT, y, &bars::progress(used, of, BAR), style);
    put_safe(buf, area, x + 1, y, area.width.saturating_sub(x + 2), words, Style::new(), theme);
}

fn line(buf: &mut Buffer, area: Rect, y: u16, title: &str, words: &str, theme: &Theme) {
    if y >= area.height {
        return;
    }
    put(buf, area, 1, y, title, theme.muted);
    put_safe(buf, area, TEXT, y, area.width.saturating_sub(TEXT + 1), words, Style::new(), theme);
}

/// What the database does per second, in so many columns.
fn pace(vitals: &Vitals, room: usize) -> String {
    let Some(pace) = vitals.pace else { return "known with the next reading".to_owned() };
    let parts = |rows: &str| {
        let mut parts = vec![(0, format!("{} commits", short_count(pace.commits)))];
        parts.extend((pace.rollbacks > 0).then(|| (1, format!("{} rollbacks", short_count(pace.rollbacks)))));
        parts.push((3, format!("{} {rows}", short_count(pace.rows_read))));
        parts.push((4, format!("{} written", short_count(pace.rows_written))));
        parts.extend(pace.hit_percent.map(|percent| (2, format!("{percent}% cached"))));
        parts
    };
    let whole = joined(&parts("rows read"), "  ");
    if width(&whole) <= room { whole } else { fitting(parts("read"), "  ", room) }
}

fn joined(parts: &[(u8, String)], between: &str) -> String {
    parts.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(between)
}

/// As many parts as there is room for; those of the highest number say least and go first. No word is cut.
fn fitting(mut parts: Vec<(u8, String)>, between: &str, room: usize) -> String {
    while parts.len() > 1 && width(&joined(&parts, between)) > room {
        let least = parts.iter().map(|(rank, _)| *rank).max();
        parts.retain(|(rank, _)| Some(*rank) != least);
    }
    joined(&parts, between)
}

/// What autovacuum does, and how old the oldest row is.
pub fn autovacuum(facts: &Facts) -> String {
    if facts.standby {
        return "the primary's to tell".to_owned();
    }
    if !facts.autovacuum {
        return "OFF".to_owned();
    }
    let most = counted(facts.autovacuum_max_workers, "worker");
    let workers = facts
        .autovacuum_workers
        .map_or_else(|| format!("at most {most}"), |workers| format!("{} of {most} run", grouped(workers)));
    let (age, limit) = (short_count(facts.frozen_age), short_count(facts.freeze_max_age));
    format!("{workers}; oldest row {age} of {limit} transactions old")
}

/// Tenants and their sizes by plan, the largest first.
pub fn plans(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(database) = &state.header.database else { return };
    let mut by_plan: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let (mut known, mut exact) = (false, true);
    for tenant in state.snapshot.tenants.iter().filter(|tenant| tenant.key.database == *database) {
        let plan = tenant.plan.as_ref().map_or("", crate::text::Untrusted::raw);
        known |= tenant.plan.is_some();
        exact &= tenant.size_exact;
        let (tenants, bytes) = by_plan.entry(plan).or_default();
        *tenants += 1;
        *bytes += tenant.size_bytes.unwrap_or(0);
    }
    let mut rows: Vec<(&str, u64, u64)> =
        by_plan.into_iter().map(|(plan, (tenants, bytes))| (plan, tenants, bytes)).collect();
    rows.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(b.0)));
    let largest = rows.first().map_or(0, |row| row.2);
    let all = [
        Column::wide(if known { "PLAN" } else { "SIZES" }, 8, 1).up_to(20),
        Column::fixed("TENANTS", 7).at_right(),
        Column::fixed("SIZE", 6).at_right(),
        Column::wide("", 6, 1).up_to(14),
    ];
    let placed = table::place(&all, 0, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    for (y, (plan, tenants, bytes)) in (1..area.height).zip(rows) {
        let name = match (plan, known) {
            ("", true) => "(no plan)".to_owned(),
            ("", false) => "all".to_owned(),
            (plan, _) => crate::text::sanitise(plan),
        };
        let about = if exact { "" } else { "~" };
        let bar = placed.iter().find(|place| place.index == 3).map_or(0, |place| place.width);
        let cells = [
            cell(name),
            cell(grouped(tenants)),
            cell(format!("{about}{}", short_bytes(bytes))),
            styled(bars::share(bytes, largest, bar), theme.bar),
        ];
        for place in &placed {
            let (one, column) = (&cells[place.index], &all[place.index]);
            let text = crate::text::fit(&one.text, usize::from(place.width));
            let shift = if column.right { place.width.saturating_sub(columns(width(&text))) } else { 0 };
            put_safe(buf, area, place.x + shift, y, place.width, &text, one.style, theme);
        }
    }
}

/// How fast the server answers, and how fast it did.
fn latency_words(vitals: &Vitals) -> String {
    let all = vitals.latencies.iter().copied();
    let (lowest, highest) = (all.clone().min().unwrap_or(0), all.max().unwrap_or(0));
    match vitals.latencies.len() {
        0 | 1 => format!("{} ms", vitals.latency_ms),
        many if lowest == highest => format!("{lowest} ms in each of the last {many} readings"),
        many => format!("{} ms, between {lowest} and {highest} ms in the last {many} readings", vitals.latency_ms),
    }
}

/// The latency of the link over time, and more of the cache.
pub fn link(buf: &mut Buffer, area: Rect, vitals: &Vitals, theme: &Theme) {
    put(buf, area, 0, 0, "LINK", theme.heading);
    put_fit(buf, area, 0, 1, area.width.saturating_sub(1), &latency_words(vitals), Style::new());
    let values: Vec<u64> = vitals.latencies.iter().map(|latency| u64::from(*latency)).collect();
    let line = bars::sparkline(&values, area.width.saturating_sub(1).min(50));
    put(buf, area, 0, 2, &line, theme.bar);
    put(buf, area, 0, 4, "CACHE", theme.heading);
    let lines = match &vitals.cache {
        None => vec!["none is configured".to_owned()],
        Some(Err(_)) => vec!["it does not answer".to_owned()],
        Some(Ok(cache)) => vec![
            format!("keys {}   clients {}", grouped(cache.keys), grouped(cache.clients)),
            format!("evicted since its start {}", grouped(cache.evicted_keys)),
            cache.max_bytes.map_or_else(
                || "no limit of its memory is set".to_owned(),
                |max| format!("limit {}, then {}", human_bytes(max), cache.policy.safe()),
            ),
        ],
    };
    for (y, words) in (5..area.height).zip(lines) {
        put_safe(buf, area, 0, y, area.width.saturating_sub(1), &words, Style::new(), theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_that_stays_is_not_between_two() {
        let mut vitals = Vitals::unread(&"eu-1".into());
        (vitals.latency_ms, vitals.latencies) = (1, vec![1, 1, 1]);
        assert_eq!(latency_words(&vitals), "1 ms in each of the last 3 readings");
        vitals.latencies = vec![1, 4, 1];
        assert_eq!(latency_words(&vitals), "1 ms, between 1 and 4 ms in the last 3 readings");
    }

    #[test]
    fn what_says_least_goes_and_no_word_is_cut() {
        let parts = || vec![(0, "12 commits".to_owned()), (2, "9 read".to_owned()), (1, "99% cached".to_owned())];
        assert_eq!(fitting(parts(), "  ", 30), "12 commits  9 read  99% cached");
        assert_eq!(fitting(parts(), "  ", 29), "12 commits  99% cached");
        assert_eq!(fitting(parts(), "  ", 5), "12 commits");
    }
}
