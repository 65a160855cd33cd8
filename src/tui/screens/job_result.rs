//! The results of one job, one line per tenant, failed first.
//!
//! ```text
//!  migrate 180 tenants to 0042: 61 done, 1 failed, 0 blocked, 118 waiting
//!  Causes: 1 tenant: 55P03 canceling statement due to lock timeout
//!
//!    TENANT            RESULT   VERSION  STEPS   TIME  WHY
//!  > adler-labs        failed      0040    0/2   5.0s  55P03 canceling statement ...
//!    alcove            done        0042    3/3   1.8s
//! ```

use ratatui::Frame;
use ratatui::style::Style;

use super::format::{outcome_style, version, version_width};
use super::places::Places;
use crate::model::job::{JobView, TenantOutcome};
use crate::model::job_words::{and_skipped, done, standing_in_full, whose};
use crate::text::{fit, grouped, sanitise};
use crate::tui::app::causes::{self, Cause};
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{below, put, put_fit, put_safe, wrap};

/// Rows above the heading.
const ABOVE: u16 = 3;

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places) -> usize {
    usize::from(places.body.height.saturating_sub(ABOVE + 1))
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    let area = places.body;
    let buf = frame.buffer_mut();
    let Some(key) = &state.jobs.result_of else {
        put(buf, area, 1, 0, "No job is chosen.", theme.muted);
        return;
    };
    let room = area.width.saturating_sub(2);
    // Whose it is stands at the end: the second line may take the row of the causes, and these the blank one.
    let summary = state.job(key).map(|job| wrap(&summary(job), usize::from(room))).unwrap_or_default();
    let causes_at = if summary.len() > 1 { 2 } else { 1 };
    for (y, words) in (0..causes_at).zip(&summary) {
        put_safe(buf, area, 1, y, room, words, theme.title, theme);
    }
    let Some(outcomes) = state.jobs.outcomes.get(key) else {
        put(buf, area, 1, causes_at, "Reading the results ...", theme.muted);
        return;
    };
    let found = causes::all(outcomes);
    if !found.is_empty() {
        let words = found.iter().take(4).map(|cause| cause_words(cause, found.len()));
        let text = format!("Causes: {}", words.collect::<Vec<_>>().join("   "));
        put_safe(buf, area, 1, causes_at, room, &text, theme.error, theme);
    }
    let versions = version_width(outcomes.iter().filter_map(|outcome| outcome.version.as_ref()), 7, 20);
    let all = [
        Column::wide("TENANT", 12, 2).up_to(30),
        Column::fixed("RESULT", 8),
        Column::fixed("VERSION", versions).at_right(),
        Column::fixed("STEPS", 6).at_right().droppable(2),
        Column::fixed("TIME", 7).at_right().droppable(1),
        Column::wide("WHY", 10, 4),
    ];
    let list_area = below(area, ABOVE);
    let placed = table::place(&all, MARKS, list_area.width.saturating_sub(1));
    table::heading(buf, list_area, 0, &all, &placed, theme.heading);
    let rows = below(list_area, 1);
    let list = &state.jobs.result;
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(outcome) = outcomes.get(at) else { break };
        let cells = [
            cell(outcome.slug.safe()),
            styled(outcome.outcome.word(), outcome_style(outcome.outcome, theme)),
            cell(version(outcome.version.as_ref())),
            cell(format!("{}/{}", outcome.steps.0, outcome.steps.1)),
            cell(outcome.duration_ms.map_or_else(|| "-".to_owned(), duration)),
            cell(why(outcome)),
        ];
        let failed = causes::wants_decision(outcome.outcome);
        let mark = RowMark { cursor: at == list.at, failed, ..RowMark::default() };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
    if outcomes.is_empty() {
        put_fit(buf, rows, 3, 0, rows.width, "This job has no tenants.", Style::new());
    }
}

fn summary(job: &JobView) -> String {
    let some = |count: u32, word: &str| match count {
        0 => String::new(),
        count => format!(", {} {word}", grouped(count.into())),
    };
    format!(
        "{} {}: {}; {} done, {} failed{}{}{}; {}",
        job.kind.word(),
        job.what.safe(),
        standing_in_full(job),
        grouped(done(job).into()),
        grouped(job.failed.into()),
        some(job.blocked, "blocked"),
        and_skipped(job),
        some(job.pending, "waiting"),
        whose(job)
    )
}

/// `41 tenants: same 55P03 canceling statement due to lock timeout`.
fn cause_words(cause: &Cause, causes: usize) -> String {
    let who = match cause.count {
        1 => "1 tenant:".to_owned(),
        count => format!("{} tenants: same", grouped(count as u64)),
    };
    fit(format!("{who} {} {}", cause.code, cause.words).trim(), if causes == 1 { 90 } else { 60 })
}

fn why(outcome: &TenantOutcome) -> String {
    if let Some(note) = &outcome.note {
        return format!("note: {}", note.safe());
    }
    outcome.failure.as_ref().map_or_else(String::new, |failure| {
        let code = failure.sqlstate.as_deref().map(|code| format!("{} ", sanitise(code))).unwrap_or_default();
        format!("{code}{}", failure.message.safe())
    })
}

#[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..100_000 => format!("{:.1}s", ms as f64 / 1_000.0),
        _ => crate::text::clock(ms / 1_000),
    }
}
