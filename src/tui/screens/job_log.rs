//! The log of the chosen job on the Jobs screen, below what there is to say of the job itself.
//!
//! ```text
//!  -- job 17 by ops, runs here (db1 4411), 12/min, about 4 min left ------------
//!  12:04:29 ok    alcove     0039>0042   1.8s
//!  12:04:30 FAIL  adler-labs 0040>0041   55P03 lock timeout on t_adler_labs.users
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{log_style, outcome_style, time_of_day, version};
use super::jobs::is_unknown;
use crate::model::job::{JobState, JobView, LogLine, TenantOutcome};
use crate::model::job_words::{progress, standing, standing_in_full, what_is_left, whose_narrower};
use crate::text::{self, grouped, sanitise, width};
use crate::tui::app::results::of_an_earlier_moment;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::{below, columns, put, put_fit, put_right, put_safe, wrap};

/// The most lines that are taken by what there is to say of a job.
const TITLE_LINES: usize = 3;

/// What there is to say of a job besides its row, in lines of so many columns. What matters is not cut: of a job that runs
/// the name of the machine gives way, then the rate, which the time left follows from, and what its row says of its state;
/// what is longer all the same goes on below, in three lines at most.
fn title(job: &JobView, state: &State, room: usize) -> Vec<String> {
    let whole = about(job, state, 0);
    let over = width(&whole).saturating_sub(room);
    let unrated = JobView { rate_per_minute: None, ..job.clone() };
    let unasked = JobView { stop_now: false, cancel_requested: false, pause_requested: false, ..unrated.clone() };
    let running = job.state == JobState::Running;
    let narrowed = [job, &unrated, if running { &unasked } else { &unrated }].map(|job| about(job, state, over));
    let words = std::iter::once(whole).chain(narrowed).reduce(|a, b| if width(&a) <= room { a } else { b });
    let mut lines = wrap(&words.unwrap_or_default(), room);
    if lines.len() > TITLE_LINES {
        let rest = lines.split_off(TITLE_LINES - 1).join(" ");
        lines.push(rest);
    }
    lines
}

/// What there is to say of a job besides its row; `narrower`: the columns that are too many for its place.
fn about(job: &JobView, state: &State, narrower: usize) -> String {
    let mut parts = vec![format!("job {} {}", job.id, whose_narrower(job, narrower))];
    if is_unknown(job, state) {
        parts.push(format!("state unknown, was {}", progress(job)));
        return parts.join(", ");
    }
    match job.state {
        JobState::Running if standing(job) == "running" => {}
        JobState::Queued if job.reason.is_none() => {}
        JobState::Queued
        | JobState::Running
        | JobState::Orphaned
        | JobState::Paused
        | JobState::Done
        | JobState::Failed
        | JobState::Cancelled => parts.push(standing_in_full(job)),
    }
    if job.skipped > 0 {
        parts.push(format!("{} skipped", grouped(job.skipped.into())));
    }
    if job.attempt > 1 {
        parts.push(format!("attempt {}", job.attempt));
    }
    if let Some(rate) = job.rate_per_minute {
        parts.push(format!("{rate}/min"));
    }
    parts.extend(what_is_left(job));
    parts.join(", ")
}

/// Draws the rule with what there is to say of the chosen job, and its log below.
pub fn draw(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(job) = state.cursor_job() else { return };
    let inside = usize::from(area.width.saturating_sub(2));
    // Room for the rule before it and a blank behind it.
    let lines = title(job, state, inside.saturating_sub(4));
    for (y, line) in (0..area.height).zip(&lines) {
        let words = if y == 0 { format!("-- {line} ") } else { format!("   {line}") };
        let rule = if y == 0 { "-".repeat(inside.saturating_sub(width(&words))) } else { String::new() };
        put_safe(buf, area, 1, y, columns(inside), &format!("{words}{rule}"), theme.muted, theme);
    }
    let rows = below(area, columns(lines.len()));
    let key = (job.database.clone(), job.id);
    let lines: Vec<&LogLine> = state.log_of(Some(&key)).collect();
    let visible = usize::from(rows.height);
    // Nobody knows how many rows the first lines take where they go on below.
    let least = if state.jobs.wrap { 1 } else { visible };
    let back = if state.jobs.follow { 0 } else { state.jobs.log_back.min(lines.len().saturating_sub(least)) };
    let end = lines.len() - back.min(lines.len());
    if lines.is_empty() {
        match state.jobs.outcomes.get(&key) {
            Some(outcomes) if !outcomes.is_empty() => draw_outcomes(buf, rows, job, outcomes, state, theme),
            Some(_) | None => {
                let words = if job.mine || job.state == JobState::Queued { "No lines yet." } else { "Reading ..." };
                put_fit(buf, rows, 1, 0, rows.width.saturating_sub(2), words, theme.muted);
            }
        }
    }
    draw_lines(buf, rows, &lines[..end], state, theme);
    if state.jobs.log_dropped > 0 && rows.height > 1 {
        let words = format!("{} dropped", text::counted(state.jobs.log_dropped, "line"));
        put_right(buf, area, area.width.saturating_sub(3), 0, &format!(" {words} "), theme.warn);
    }
}

/// Draws the last lines that fit; a long one goes on below where that is asked for.
fn draw_lines(buf: &mut Buffer, area: Rect, lines: &[&LogLine], state: &State, theme: &Theme) {
    let mut left = usize::from(area.height);
    let mut shown: Vec<(&LogLine, Vec<String>)> = Vec::new();
    for line in lines.iter().rev() {
        if left == 0 {
            break;
        }
        let text = line.text.safe();
        let room = usize::from(area.width.saturating_sub(text_column(line) + 1)).max(10);
        let mut parts = if state.jobs.wrap { wrap(text.as_str(), room) } else { vec![String::from(text)] };
        if parts.is_empty() {
            parts.push(String::new());
        }
        // Of one that is higher than what is left, the end is shown.
        parts.drain(..parts.len().saturating_sub(left));
        left -= parts.len();
        shown.push((line, parts));
    }
    let mut y = 0;
    for (line, parts) in shown.into_iter().rev() {
        for (place, part) in parts.iter().enumerate() {
            if place == 0 {
                log_line(buf, area, y, (line, part), state, theme);
            } else {
                let x = text_column(line);
                let style = log_style(line.mark, theme);
                put_safe(buf, area, x, y, area.width.saturating_sub(x + 1), part, style, theme);
            }
            y += 1;
        }
    }
}

/// The column at which the text of a line begins, behind its time, mark and tenant.
fn text_column(line: &LogLine) -> u16 {
    const TENANT: u16 = 16;
    let tenant = line.tenant.as_ref().map(|tenant| columns(width(tenant.safe().fit(24).as_str())).max(14) + 1);
    TENANT + tenant.unwrap_or(0)
}

/// ` as of 12:04:31`, where the rows of its results are of an earlier moment than its sums.
pub fn as_of(job: &JobView, state: &State) -> String {
    of_an_earlier_moment(state, job).map_or_else(String::new, |at| format!(" as of {}", time_of_day(at, state)))
}

/// What a job of another process did, where its lines were seen there: its results, failed first.
fn draw_outcomes(
    buf: &mut Buffer,
    area: Rect,
    job: &JobView,
    outcomes: &[TenantOutcome],
    state: &State,
    theme: &Theme,
) {
    // Whose it is stands above.
    let place = if job.mine { "from before this view" } else { "where it ran" };
    let head = format!("Its log is {place}; from the record{}, failed first:", as_of(job, state));
    let head = wrap(&head, usize::from(area.width.saturating_sub(2)));
    for (y, line) in (0..area.height).zip(&head) {
        put_safe(buf, area, 1, y, area.width.saturating_sub(2), line, theme.muted, theme);
    }
    let rows = below(area, columns(head.len()));
    for (y, outcome) in (0..rows.height).zip(outcomes) {
        put(buf, rows, 1, y, outcome.outcome.word(), outcome_style(outcome.outcome, theme));
        let end = put_safe(buf, rows, 10, y, 24, outcome.slug.safe().fit(24).as_str(), Style::new(), theme);
        let why = outcome.failure.as_ref().map_or_else(
            || format!("{}  {}/{}", version(outcome.version.as_ref()), outcome.steps.0, outcome.steps.1),
            |failure| {
                let code = failure.sqlstate.as_deref().map(sanitise).unwrap_or_default();
                format!("{code} {}", failure.message.safe())
            },
        );
        let x = end.max(24) + 1;
        put_safe(buf, rows, x, y, rows.width.saturating_sub(x + 1), why.trim(), Style::new(), theme);
    }
}

/// Draws one line of a log, with as much of its text as is given.
pub fn log_line(buf: &mut Buffer, area: Rect, y: u16, line: (&LogLine, &str), state: &State, theme: &Theme) {
    let (line, text) = line;
    let style = log_style(line.mark, theme);
    let x = put(buf, area, 1, y, &time_of_day(line.at, state), theme.muted);
    put(buf, area, x + 1, y, line.mark.word(), style);
    if let Some(tenant) = &line.tenant {
        put_safe(buf, area, x + 7, y, 24, tenant.safe().fit(24).as_str(), Style::new(), theme);
    }
    let x = text_column(line);
    let room = area.width.saturating_sub(x + 1);
    put_safe(buf, area, x, y, room, text, style, theme);
}
