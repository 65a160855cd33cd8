//! The environment bar, line 2 and the banner.
//!
//! ```text
//!  [PROD] eu-1  saas@db1                   READ-ONLY   link ok 12ms   data live
//!  Tenants 1203   behind 208   failed 2   locked 0       target 0042   jobs 1 run
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{seconds_between, time_of_day, version};
use super::places::{Places, Tier};
use crate::model::environment::Environment;
use crate::model::fleet::DatabaseView;
use crate::model::link::LinkState;
use crate::text::{clock, fit, grouped, short_age, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::{Counters, DataAge, Screen, State, Writes};
use crate::tui::app::trend::PARTS;
use crate::tui::theme::Theme;
use crate::tui::widgets::{
    Piece, bars, columns, piece, pieces_width, put, put_fit, put_pieces, put_right, put_safe, style_row,
};

/// Draws the environment bar.
pub fn draw(buf: &mut Buffer, places: &Places, state: &State, theme: &Theme) {
    let area = places.header;
    let Some(database) = state.header_database() else {
        put(buf, area, 1, 0, "tenantui", theme.title);
        let words = if state.loaded { "no database" } else { "connecting" };
        put(buf, area, 11, 0, words, theme.muted);
        return;
    };
    // On production the whole line is the bar; elsewhere only the badge, so that the difference is seen at once.
    let whole_line = match database.environment {
        Environment::Production => true,
        Environment::Staging | Environment::Development => false,
    };
    let badge = theme.environment(database.environment);
    let plain = |style: Style| if whole_line { badge } else { style };
    if whole_line {
        put(buf, area, 0, 0, &" ".repeat(usize::from(area.width)), badge);
    }
    let right: Vec<Piece> = right_side(database, state, places.tier, theme)
        .into_iter()
        .map(|part| Piece { style: plain(part.style), ..part })
        .collect();
    let right_width = columns(pieces_width(&right));
    let start = area.width.saturating_sub(right_width + 1);
    let x = put(buf, area, 1, 0, &format!("[{}]", database.environment.badge()), badge);
    let left = left_side(database, state, places.tier);
    let room = start.saturating_sub(x + 2);
    put_safe(buf, area, x + 1, 0, room, &left, plain(theme.title), theme);
    if whole_line {
        style_row(buf, area, 0, badge);
    }
    put_pieces(buf, area, start, 0, &right);
}

fn left_side(database: &DatabaseView, state: &State, tier: Tier) -> String {
    let name = crate::text::sanitise(&database.name);
    let address = database.address.safe();
    let more = match tier {
        Tier::Small | Tier::Medium => String::new(),
        Tier::Wide => {
            let server =
                database.server_version.as_ref().map(|v| format!("  PostgreSQL {}", v.safe())).unwrap_or_default();
            let layout = database.layout.as_ref().map(|l| format!("  layout {}", l.safe())).unwrap_or_default();
            let tool = database.tool.map(|tool| format!(" ({tool})")).unwrap_or_default();
            format!("  {address}{server}  user {}{layout}{tool}", database.user.safe())
        }
    };
    match state.screen {
        Screen::Tenants if tier == Tier::Wide => format!("{name}{more}"),
        Screen::Tenants => format!("{name}  {address}"),
        Screen::Tenant => {
            let slug = state.open_tenant().map_or_else(|| "(gone)".to_owned(), |tenant| tenant.slug.safe().into());
            format!("{name} > Tenants > {slug}{more}")
        }
        Screen::Migrations => format!("{name} > Migrations{more}"),
        Screen::Jobs => {
            let job = state.cursor_job().map(|job| format!(" > {}", job.id)).unwrap_or_default();
            format!("{name} > Jobs{job}{more}")
        }
        Screen::JobResult => {
            let job = state.jobs.result_of.as_ref().map(|(_, id)| format!(" > {id}")).unwrap_or_default();
            format!("{name} > Jobs{job} > results{more}")
        }
        Screen::Messages => format!("{name} > Messages{more}"),
        Screen::Server => format!("{name} > Server{more}"),
        Screen::Audit => format!("{name} > Audit{}{more}", super::audit::scope_words(state)),
    }
}

fn right_side(database: &DatabaseView, state: &State, tier: Tier, theme: &Theme) -> Vec<Piece> {
    let mut out = vec![writes(database, state, tier, theme), piece("   ", Style::new())];
    out.push(link(&database.link, state, theme));
    let age = age(state, tier);
    if !age.is_empty() {
        out.push(piece("   ", Style::new()));
        out.push(piece(age, if stale(database) || database.unread { theme.warn } else { theme.muted }));
    }
    out
}

fn writes(database: &DatabaseView, state: &State, tier: Tier, theme: &Theme) -> Piece {
    let writes = &state.header.writes;
    // What kind of server it is says more than that nothing is written to it; the banner says the rest.
    if let (Writes::ReadOnly(_), Some((word, dangerous))) = (writes, super::banner::word(database)) {
        let words = if tier == Tier::Small { word.to_owned() } else { format!("{word}: READ-ONLY") };
        return piece(words, if dangerous { theme.error } else { theme.warn });
    }
    match (writes, tier) {
        (Writes::Open(_), _) if stale(database) => piece("WRITES OFF", theme.warn),
        (Writes::ReadOnly(_), Tier::Small) => piece("READ-ONLY", theme.warn),
        (Writes::ReadOnly(why), Tier::Medium | Tier::Wide) => {
            let room = if tier == Tier::Wide { 50 } else { 24 };
            piece(format!("READ-ONLY: {}", why.safe().fit(room)), theme.warn)
        }
        (Writes::Locked, Tier::Small | Tier::Medium) => piece("READ-ONLY", theme.accent),
        (Writes::Locked, Tier::Wide) => {
            piece(format!("READ-ONLY ({} opens writes)", state.key(Action::WriteLock)), theme.accent)
        }
        (Writes::Open(None), _) => piece("WRITES ON", theme.writes),
        (Writes::Open(Some(seconds)), _) => piece(format!("WRITES ON {} left", clock(*seconds)), theme.writes),
    }
}

fn link(link: &LinkState, state: &State, theme: &Theme) -> Piece {
    match link {
        LinkState::Connecting => piece("connecting", theme.warn),
        LinkState::Up { latency_ms } => {
            let latency = state.header.latency_ms.unwrap_or(*latency_ms);
            piece(format!("link ok {latency}ms"), theme.ok)
        }
        LinkState::Slow { waiting_ms } => piece(format!("LINK SLOW {}s", waiting_ms / 1_000), theme.warn),
        LinkState::Lost { since, attempt, next_try, .. } => {
            let (lost, left) = (seconds_between(*since, state.now.wall), seconds_between(state.now.wall, *next_try));
            piece(format!("LINK LOST {}, try {attempt} in {left}s", clock(lost)), theme.error)
        }
        LinkState::Refused { .. } => piece("LINK REFUSED", theme.error),
    }
}

fn age(state: &State, tier: Tier) -> String {
    let every = match (tier, state.refresh) {
        (Tier::Wide, Some(every)) => format!(", every {}", short_age(every.as_secs())),
        (Tier::Wide, None) => ", not refreshed".to_owned(),
        (Tier::Small | Tier::Medium, _) => String::new(),
    };
    match state.header.age {
        DataAge::Never => String::new(),
        DataAge::Live => format!("data live{every}"),
        DataAge::Old(seconds) => format!("data {} old{every}", short_age(seconds)),
        DataAge::Unread(0) => format!("data not read{every}"),
        DataAge::Unread(seconds) => format!("data {} old{every}", short_age(seconds)),
        DataAge::Frozen(seconds) => format!("frozen {} ({})", short_age(seconds), state.key(Action::Freeze)),
    }
}

/// Whether what is shown of a database may no longer be true.
#[must_use]
pub const fn stale(database: &DatabaseView) -> bool {
    match database.link {
        LinkState::Lost { .. } | LinkState::Refused { .. } => true,
        LinkState::Connecting | LinkState::Up { .. } | LinkState::Slow { .. } => false,
    }
}

/// The line that replaces the counters while the link is lost.
#[must_use]
pub fn stale_line(state: &State) -> Option<String> {
    let database = state.header_database().filter(|database| stale(database))?;
    let known = database.taken_at.map(|at| time_of_day(at, state));
    Some(match (&database.link, known) {
        (LinkState::Refused { .. }, Some(at)) => {
            format!(
                "Showing what was known at {at}. The server refuses us; {} tries again.",
                state.key(Action::Refresh)
            )
        }
        (_, Some(at)) => format!("Showing what was known at {at}. Writes are off until the link is back."),
        (_, None) => "Nothing is known yet. Writes are off until the link is back.".to_owned(),
    })
}

/// Draws the counters of Tenants and Migrations.
pub fn counters(buf: &mut Buffer, area: Rect, state: &State, tier: Tier, theme: &Theme) {
    if let Some(line) = stale_line(state) {
        put_fit(buf, area, 1, 0, area.width - 1, &line, theme.warn);
        return;
    }
    if !state.loaded {
        put(buf, area, 1, 0, "Reading the fleet ...", theme.muted);
        return;
    }
    if state.screen == Screen::Server {
        super::server::facts(buf, area, state, theme);
        return;
    }
    let numbers = &state.counters;
    let target = state.header.database.as_deref().and_then(|name| state.target(name));
    let target = format!("target {}", version(target));
    let mut left: Vec<(&str, usize, Style)> = Vec::new();
    let on = |count: usize, style: Style| if count > 0 { style } else { Style::new() };
    let at_target = at_target(state);
    match state.screen {
        Screen::Migrations => {
            left.extend([
                ("at target", at_target, on(at_target, theme.ok)),
                ("behind", numbers.behind, on(numbers.behind, theme.warn)),
                ("ahead", numbers.ahead, on(numbers.ahead, theme.warn)),
                ("failed", numbers.failed, on(numbers.failed, theme.error)),
                ("unreadable", numbers.unreadable, on(numbers.unreadable, theme.error)),
            ]);
            if tier > Tier::Small && numbers.never_migrated > 0 {
                left.push(("never_migrated", numbers.never_migrated, theme.warn));
            }
        }
        Screen::Tenants
        | Screen::Tenant
        | Screen::Jobs
        | Screen::JobResult
        | Screen::Messages
        | Screen::Audit
        | Screen::Server => {
            left.push(("Tenants", numbers.tenants, theme.title));
            let tells_status = tier > Tier::Small && (numbers.with_status > 0 || numbers.tenants == 0);
            if tells_status {
                left.push(("active", numbers.active, Style::new()));
            }
            left.extend([
                ("behind", numbers.behind, on(numbers.behind, theme.warn)),
                ("failed", numbers.failed, on(numbers.failed, theme.error)),
                ("locked", numbers.locked, on(numbers.locked, theme.warn)),
            ]);
            if tells_status {
                left.push(("suspended", numbers.suspended, Style::new()));
            }
            if tier > Tier::Small {
                left.push(("unreadable", numbers.unreadable, on(numbers.unreadable, theme.error)));
            }
            // Elsewhere target and jobs need the room.
            if tier == Tier::Wide && numbers.never_migrated > 0 {
                left.push(("never_migrated", numbers.never_migrated, theme.warn));
            }
        }
    }
    if numbers.unknown > 0 {
        left.push(("unread", numbers.unknown, theme.muted));
    }
    // A job that waits for somebody is worth more than that nothing is locked.
    let waits = jobs(numbers, usize::MAX);
    let all = left.iter().map(|(word, count, _)| width(word) + 4 + width(&grouped(*count as u64))).sum::<usize>();
    let room = usize::from(area.width).saturating_sub(all + width(&target) + 2);
    if numbers.jobs_paused + numbers.jobs_orphaned > 0 && width(&waits) > room {
        left.retain(|(word, count, _)| *word != "locked" || *count > 0);
    }
    let mut x = 1;
    if state.screen == Screen::Migrations {
        x = put_safe(buf, area, x, 0, 40, &target, theme.title, theme) + 3;
    }
    for (word, count, style) in left {
        let text = format!("{word} {}", grouped(count as u64));
        if usize::from(x) + width(&text) >= usize::from(area.width) {
            return;
        }
        x = put(buf, area, x, 0, &text, style) + 3;
    }
    if state.screen != Screen::Migrations {
        right_counters(buf, area, x, &target, state, theme);
    }
}

/// Who stands at the target, which may have been set to another than the newest: as the list below counts them. Where no
/// version is one, those that lack nothing.
fn at_target(state: &State) -> usize {
    let mut targets = state.migrations.groups.iter().filter(|group| group.is_target).peekable();
    if targets.peek().is_none() {
        return state.counters.at_target;
    }
    targets.map(|group| group.tenants.len()).sum()
}

/// How many were behind during the last day, at the right of a wide screen, once there is something to compare; what is
/// left of the line.
fn trend(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) -> Rect {
    let values = state.trend.values(state.now.elapsed);
    if !super::shows_activity(state) || values.len() < 2 {
        return area;
    }
    let line = bars::sparkline(&values, u16::try_from(PARTS).unwrap_or(u16::MAX));
    let start =
        put_right(buf, area, area.width.saturating_sub(1), 0, &format!("behind over 24h: [{line}]"), theme.muted);
    Rect { width: start.saturating_sub(2), ..area }
}

/// The jobs that are not over and those that failed, in so many columns: `   jobs 1 run, 1 paused, 2 failed`. What waits for
/// somebody is told beside what runs; the failed ones, which stay for ever, go first.
fn jobs(numbers: &Counters, room: usize) -> String {
    let live = [
        (numbers.jobs_running, "run"),
        (numbers.jobs_queued, "queued"),
        (numbers.jobs_paused, "paused"),
        (numbers.jobs_orphaned, "orphaned"),
    ];
    let mut words: Vec<String> =
        live.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if words.is_empty() {
        words.push("0 run".to_owned());
    }
    if numbers.jobs_failed > 0 {
        words.push(format!("{} failed", numbers.jobs_failed));
    }
    let choices = (1..=words.len()).rev().map(|kept| format!("   jobs {}", words[..kept].join(", ")));
    let all: usize = live.iter().map(|(count, _)| count).sum();
    choices.into_iter().find(|jobs| width(jobs) <= room).unwrap_or_else(|| format!("   jobs {all}"))
}

fn right_counters(buf: &mut Buffer, area: Rect, from: u16, target: &str, state: &State, theme: &Theme) {
    let numbers = &state.counters;
    let area = trend(buf, area, state, theme);
    let room = usize::from(area.width.saturating_sub(from + 1));
    let jobs = jobs(numbers, room.saturating_sub(width(target)));
    let target = fit(target, room.saturating_sub(width(&jobs)));
    if width(&target) < 10 {
        return;
    }
    let x = area.width.saturating_sub(columns(width(&target) + width(&jobs)) + 1);
    let x = put_safe(buf, area, x, 0, area.width, &target, Style::new(), theme);
    put(buf, area, x, 0, &jobs, if jobs.contains("failed") { theme.error } else { Style::new() });
}
