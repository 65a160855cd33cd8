//! The lines at the bottom: screens and position, the busiest job, the message, the hints.
//!
//! ```text
//!  1 Tenants  2 Migrations  3 Jobs  4 Server                    2 marked   6/1203
//!  job 17 migrate 180 tenants to 0042: [######........] 61/180  1 failed  about 4 min left
//!  a filter, message or error appears on this line                       12:04:31
//!  (one that needs more room takes the job's line too, where no job is told)
//!  Enter open  / filter  Space mark  s sort  M migrate  : all  ? help
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::time_of_day;
use super::job_log::as_of;
use super::jobs::is_unknown;
use super::places::Places;
use crate::model::filter::Filter;
use crate::model::job::{JobState, JobView};
use crate::model::job_words::{counted, progress, standing, standing_in_full, what_is_left};
use crate::model::link::LinkState;
use crate::text::{self, grouped, sanitise, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::{Hint, Level, Prompt, QuickFilter, Screen, State};
use crate::tui::theme::Theme;
use crate::tui::widgets::field::draw_input;
use crate::tui::widgets::{
    Piece, bars, columns, piece, pieces_width, put, put_hints, put_pieces, put_right, put_safe, wrap,
};

const SCREENS: [(Action, &str, Screen); 4] = [
    (Action::Tenants, "Tenants", Screen::Tenants),
    (Action::Migrations, "Migrations", Screen::Migrations),
    (Action::Jobs, "Jobs", Screen::Jobs),
    (Action::Server, "Server", Screen::Server),
];

/// Draws all of them.
pub fn draw(buf: &mut Buffer, places: &Places, state: &State, theme: &Theme) {
    let shared = places.screens == places.hints;
    let (start, end) = screens(buf, places.screens, state, theme);
    if shared {
        hints(buf, places.hints, start + 2, end.saturating_sub(2), state, theme);
    } else {
        hints(buf, places.hints, 1, places.hints.width, state, theme);
    }
    let job = state.busiest_job().filter(|_| places.job.height > 0);
    if let Some(job) = job {
        job_line(buf, places.job, job, state, theme);
    }
    let free = Some(places.job).filter(|line| line.height > 0 && job.is_none());
    message(buf, places.message, free, state, theme);
}

/// Draws screens and position; returns the free columns between them.
fn screens(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) -> (u16, u16) {
    let mut x = 1;
    for (action, word, screen) in SCREENS {
        let here = match state.screen {
            Screen::Tenant => screen == Screen::Tenants,
            Screen::JobResult => screen == Screen::Jobs,
            Screen::Tenants | Screen::Migrations | Screen::Jobs | Screen::Messages | Screen::Audit | Screen::Server => {
                screen == state.screen
            }
        };
        let style = if here { theme.title } else { theme.muted };
        x = put(buf, area, x, 0, &sanitise(&state.key(action)), theme.key);
        x = put(buf, area, x + 1, 0, word, style) + 2;
    }
    let right = fitting(position(state), usize::from(area.width.saturating_sub(x)));
    let end = put_right(buf, area, area.width.saturating_sub(1), 0, &right, Style::new());
    (x.saturating_sub(2), end)
}

/// The parts that fit into the room, apart by blanks. The place in the list, which is the last, stays longest; then what
/// comes first.
fn fitting(mut parts: Vec<String>, room: usize) -> String {
    loop {
        let text = parts.join("   ");
        if width(&text) <= room || parts.len() < 2 {
            return text;
        }
        parts.remove(parts.len() - 2);
    }
}

/// What stands at the right of the screens line.
fn position(state: &State) -> Vec<String> {
    let mut parts = Vec::new();
    let place = |at: usize, count: usize| {
        if count == 0 { "0/0".to_owned() } else { format!("{}/{}", grouped(at as u64 + 1), grouped(count as u64)) }
    };
    match state.screen {
        Screen::Tenants => {
            let marks = state.tenants.marks.len();
            if marks > 0 {
                let hidden = state.tenants.marks_hidden;
                let hidden = if hidden > 0 { format!(", {} hidden", grouped(hidden as u64)) } else { String::new() };
                parts.push(format!("{} marked{hidden}", grouped(marks as u64)));
            }
            let (shown, all) = (state.tenants.shown.len(), state.counters.tenants);
            if shown < all {
                parts.push(format!("{} of {} shown", grouped(shown as u64), grouped(all as u64)));
            }
            parts.push(place(state.tenants.list.at, shown));
        }
        Screen::Tenant => parts.extend(super::tenant::position(state)),
        Screen::Migrations => parts.push(place(state.migrations.list.at, state.migrations.groups.len())),
        Screen::Jobs => {
            let key = state.key(Action::Follow);
            match (state.cursor_job(), state.jobs.follow) {
                (None, _) => {}
                (Some(_), true) => parts.push(format!("following log ({key})")),
                (Some(_), false) => {
                    parts.push(format!("log {} back ({key} follows)", text::counted(state.jobs.log_back, "line")));
                }
            }
            parts.push(place(state.jobs.list.at, state.jobs.shown.len()));
        }
        Screen::JobResult => {
            let count = state.jobs.result_of.as_ref().and_then(|key| state.jobs.outcomes.get(key)).map_or(0, Vec::len);
            let job = state.jobs.result_of.as_ref().and_then(|key| state.job(key));
            parts.extend(job.map(|job| format!("rows{}", as_of(job, state))).filter(|words| words != "rows"));
            parts.push(place(state.jobs.result.at, count));
        }
        Screen::Messages => parts.push(place(state.messages_list.at, state.messages.len())),
        Screen::Server => parts.push(place(state.server.list().at, crate::tui::app::server::rows(state))),
        Screen::Audit => {
            let audit = &state.audit;
            if !audit.asked.is_empty() {
                parts.push("reading older lines".to_owned());
            }
            // What is not read yet is not counted, and said to be there.
            let more = if audit.more.is_empty() { "" } else { "+" };
            parts.push(place(audit.list.at, audit.shown) + more);
        }
    }
    if state.zoom && super::has_panes(state) {
        parts.insert(0, format!("zoomed ({})", state.key(Action::Zoom)));
    }
    parts
}

/// Draws one job: what it does, how far it is, how long it will take.
pub fn job_line(buf: &mut Buffer, area: Rect, job: &JobView, state: &State, theme: &Theme) {
    if is_unknown(job, state) {
        let words =
            format!("job {}: state unknown, was {}; will be read back from the database", job.id, progress(job));
        put_safe(buf, area, 1, 0, area.width.saturating_sub(2), &words, theme.warn, theme);
        return;
    }
    let mut after = vec![piece(format!(" {}", progress(job)), Style::new())];
    if job.failed > 0 {
        after.push(piece(format!("  {} failed", job.failed), theme.error));
    }
    if job.blocked > 0 {
        after.push(piece(format!("  {} blocked", job.blocked), theme.warn));
    }
    if job.skipped > 0 {
        after.push(piece(format!("  {} skipped", job.skipped), theme.muted));
    }
    after.extend(job_state(job, area.width >= 100, state, theme));
    if state.several_databases() || !state.shows(&job.database) {
        after.push(piece(format!("  in {}", sanitise(&job.database)), theme.muted));
    }
    let (done, of) = counted(job);
    let what = format!(" job {} {} {}", job.id, job.kind.word(), job.what.safe());
    let room = usize::from(area.width).saturating_sub(pieces_width(&after) + 1);
    // The bar gets what the words leave, and the words are cut before the bar is less than useful.
    let bar = (room.saturating_sub(width(&what) + 2)).clamp(6, 30).min(room);
    let x = put_safe(buf, area, 0, 0, columns(room.saturating_sub(bar + 2)), &what, Style::new(), theme);
    let x = put(buf, area, x, 0, ": ", Style::new());
    let x = put(buf, area, x, 0, &bars::progress(done.into(), of.into(), columns(bar)), theme.bar);
    put_pieces(buf, area, x, 0, &after);
}

fn job_state(job: &JobView, roomy: bool, state: &State, theme: &Theme) -> Vec<Piece> {
    // No key reaches a job of a database that is not shown.
    let shown = state.shows(&job.database);
    let goes_on = || shown.then(|| piece(format!("  {} goes on", state.key(Action::Continue)), theme.key));
    match job.state {
        JobState::Running if job.cancel_requested && !job.stop_now => {
            vec![
                piece("  stopping", theme.warn),
                piece(format!("  {} stops now", state.key(Action::StopJob)), theme.key),
            ]
        }
        JobState::Running if job.stop_now || job.pause_requested => {
            vec![piece(format!("  {}", standing(job)), theme.warn)]
        }
        JobState::Running => {
            let mut out = Vec::new();
            if let Some(rate) = job.rate_per_minute.filter(|_| roomy) {
                out.push(piece(format!("  {rate}/min"), theme.muted));
            }
            out.extend(what_is_left(job).map(|left| piece(format!("  {left}"), Style::new())));
            if !job.mine {
                let worker =
                    job.worker.as_ref().map(|worker| format!("  on {}", worker.safe().fit(20))).unwrap_or_default();
                out.push(piece(worker, theme.muted));
            }
            out
        }
        JobState::Paused => {
            let words = if roomy { standing_in_full(job) } else { standing(job) };
            let words = piece(format!("  {}", crate::text::fit(&words, 60)), theme.warn);
            std::iter::once(words).chain(goes_on()).collect()
        }
        JobState::Orphaned => {
            std::iter::once(piece("  orphaned: its worker is gone", theme.warn)).chain(goes_on()).collect()
        }
        JobState::Queued => vec![piece("  queued", theme.muted)],
        JobState::Done | JobState::Failed | JobState::Cancelled => {
            let words = crate::text::fit(&standing_in_full(job), 40);
            vec![piece(format!("  {words}"), super::format::job_style(job.state, theme))]
        }
    }
}

/// What to do next stands at the end of a message: one that needs more than the `room` of its own line begins in the line
/// above, where that is free. What is left for its own line.
fn begun_above(buf: &mut Buffer, free: Option<Rect>, room: usize, text: String, style: Style, theme: &Theme) -> String {
    let Some(above) = free.filter(|_| width(&text) > room) else { return text };
    let line = above.width.saturating_sub(2);
    let lines = wrap(&text, if width(&text) > usize::from(line) { usize::from(line) } else { room });
    let Some((first, rest)) = lines.split_first().filter(|(_, rest)| !rest.is_empty()) else { return text };
    put_safe(buf, above, 1, 0, line, first, style, theme);
    rest.join(" ")
}

fn message(buf: &mut Buffer, area: Rect, free: Option<Rect>, state: &State, theme: &Theme) {
    if let Prompt::Filter(input) = &state.prompt {
        let x = put(buf, area, 1, 0, "/", theme.key);
        let of_tenants = state.screen == Screen::Tenants;
        if let Err(error) = Filter::parse_with(input.value(), &state.filters).map(drop).or_else(|error| {
            // The lists of a server are looked through for plain words.
            if of_tenants { Err(error) } else { Ok(()) }
        }) {
            // What is wrong needs more room than what is typed, of which the end is shown.
            let room = columns(width(&sanitise(input.value())) + 1).min(area.width.saturating_sub(x + 2) / 3);
            draw_input(buf, area, (x, 0, room), input, true, theme);
            let words = error.to_string();
            let rest = area.width.saturating_sub(x + room + 2);
            put_safe(buf, area, x + room + 1, 0, rest, &words, theme.error, theme);
            return;
        }
        draw_input(buf, area, (x, 0, area.width.saturating_sub(x + 30).max(20)), input, true, theme);
        let found = if of_tenants { state.tenants.shown.len() } else { crate::tui::app::server::rows(state) };
        let enter = if of_tenants && found == 1 && !input.value().trim().is_empty() { "opens it" } else { "keeps" };
        let hints = [("Enter", enter), ("Esc", "clears")];
        let room = columns(hints.iter().map(|(key, words)| key.len() + 1 + words.len()).sum::<usize>() + 2);
        let start = area.width.saturating_sub(room + 1);
        put_hints(buf, area, (start, 0), room, &hints, theme);
        let count = format!("{} found  ", grouped(found as u64));
        put_right(buf, area, start, 0, &count, theme.muted);
        return;
    }
    if let Some(prefix) = &state.prefix {
        let mut pieces = vec![piece(sanitise(&prefix.keys), theme.key), piece("  then  ", theme.muted)];
        for (key, title) in &prefix.choices {
            pieces.push(piece(sanitise(key), theme.key));
            pieces.push(piece(format!(" {}  ", sanitise(title)), Style::new()));
        }
        put_pieces(buf, area, 1, 0, &pieces);
        return;
    }
    if let Some(message) = &state.message {
        let (word, style) = match message.level {
            Level::Info => ("", Style::new()),
            Level::Warning => ("warning: ", theme.warn),
            Level::Error => ("error: ", theme.error),
        };
        let time = time_of_day(message.at, state);
        let mut end = put_right(buf, area, area.width.saturating_sub(1), 0, &time, theme.muted);
        let mut text = format!("{word}{}", message.text.safe());
        let room = usize::from(end.saturating_sub(3));
        text = begun_above(buf, free, room, text, style, theme);
        let all = state.key(Action::Messages);
        let fits = |beside: usize| width(&text) + beside <= room;
        let more = (state.kept_back > 0).then(|| format!("{} more: {all}", grouped(state.kept_back as u64)));
        // What the error says comes first; where it says more than there is room for, where it is told whole.
        let beside = match more {
            _ if !fits(0) && area.width >= 60 => Some(all),
            Some(more) if fits(width(&more) + 3) => Some(more),
            Some(_) | None => None,
        };
        if let Some(beside) = beside {
            end = put_right(buf, area, end.saturating_sub(3), 0, &sanitise(&beside), theme.warn);
        }
        put_safe(buf, area, 1, 0, end.saturating_sub(3), &text, style, theme);
        return;
    }
    // The reason of a lost link stays where the messages are, whatever was pressed since.
    if let Some(LinkState::Lost { why, .. } | LinkState::Refused { why }) =
        state.header_database().map(|view| &view.link)
    {
        let (room, all) = (area.width.saturating_sub(2), state.key(Action::Messages));
        let text = begun_above(buf, free, usize::from(room), why.safe().into(), theme.error, theme);
        let end = if width(&text) > usize::from(room) {
            put_right(buf, area, area.width.saturating_sub(1), 0, &sanitise(&all), theme.warn).saturating_sub(3)
        } else {
            room
        };
        put_safe(buf, area, 1, 0, end, &text, theme.error, theme);
        return;
    }
    let filter = match state.screen {
        Screen::Tenants => filter_words(state),
        Screen::Server => Some(state.server.filter.trim())
            .filter(|filter| !filter.is_empty())
            .map(|filter| format!("/{}", sanitise(filter))),
        Screen::Tenant | Screen::Migrations | Screen::Jobs | Screen::JobResult | Screen::Messages | Screen::Audit => {
            None
        }
    };
    if let Some(words) = filter {
        let x = put(buf, area, 1, 0, "filter ", theme.muted);
        let x = put_safe(buf, area, x, 0, area.width.saturating_sub(24), &words, theme.accent, theme);
        let back = state.key(Action::Back);
        put_hints(buf, area, (x + 3, 0), area.width, &[(&back, "clears it")], theme);
    }
    reading(buf, area, state, theme);
}

/// What is being read, at the end of a line that says nothing else there: it comes and goes without moving anything.
fn reading(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let mut shown = state.latest.databases.iter().filter(|view| state.shows(&view.name));
    let Some((view, progress)) = shown.find_map(|view| Some((view, view.progress.as_ref()?))) else { return };
    let words = format!("{}: reading {}", sanitise(&view.name), progress.safe());
    put_right(buf, area, area.width.saturating_sub(1), 0, &crate::text::fit(&words, 40), theme.muted);
}

/// The filter of Tenants in words.
#[must_use]
pub fn filter_words(state: &State) -> Option<String> {
    let mut words = Vec::new();
    if let Some(quick) = &state.tenants.quick {
        words.push(match quick {
            QuickFilter::State(state) => state.word().to_owned(),
            QuickFilter::Failed => "failed".to_owned(),
            QuickFilter::Deleted => "deleted".to_owned(),
            QuickFilter::Status(status) => format!("status {}", status.safe()),
            QuickFilter::Slug(slug) => format!("slug {}", slug.safe()),
            QuickFilter::Active => "active".to_owned(),
            QuickFilter::Suspended => "suspended".to_owned(),
            QuickFilter::Orphans => "orphans".to_owned(),
            QuickFilter::Marked => "marked".to_owned(),
            QuickFilter::Version(Some(version)) => format!("version {}", version.untrusted().safe()),
            QuickFilter::Version(None) => "no version".to_owned(),
        });
    }
    if !state.tenants.filter.is_empty() {
        words.push(format!("/{}", sanitise(&state.tenants.filter)));
    }
    (!words.is_empty()).then(|| words.join("  "))
}

/// Draws the hints between two columns: from the left, as many as fit, `? help` always.
fn hints(buf: &mut Buffer, area: Rect, from: u16, to: u16, state: &State, theme: &Theme) {
    let hint = |action: Action, title: &str| Hint { key: state.key(action), title: title.to_owned(), enabled: true };
    let (help, all) = (hint(Action::Help, "help"), hint(Action::Palette, "all"));
    let mut shown: Vec<&Hint> = Vec::new();
    let cost = |hint: &Hint| width(&hint.key) + 1 + width(&hint.title) + 2;
    let mut left = usize::from(to.saturating_sub(from)).saturating_sub(cost(&help));
    let last = [&all, &help];
    let (last, kept) = if cost(&all) < left { (&last[..], cost(&all)) } else { (&last[1..], 0) };
    left = left.saturating_sub(kept);
    for hint in state.hints.iter().filter(|hint| hint.key != help.key && hint.key != all.key) {
        if cost(hint) > left {
            break;
        }
        left -= cost(hint);
        shown.push(hint);
    }
    shown.extend(last);
    let mut x = from;
    for hint in shown {
        let (key, title) = if hint.enabled { (theme.key, Style::new()) } else { (theme.muted, theme.muted) };
        x = put(buf, area, x, 0, &sanitise(&hint.key), key);
        x = put(buf, area, x + 1, 0, &sanitise(&hint.title), title) + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_beside_the_screens_goes_and_the_place_stays() {
        let parts = || ["4 marked, 1 hidden", "3 of 30 shown", "2/3"].map(String::from).to_vec();
        assert_eq!(fitting(parts(), 60), "4 marked, 1 hidden   3 of 30 shown   2/3");
        assert_eq!(fitting(parts(), 37), "4 marked, 1 hidden   2/3");
        assert_eq!(fitting(parts(), 20), "2/3");
        assert_eq!(fitting(parts(), 0), "2/3");
    }
}
