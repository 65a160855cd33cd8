//! Screen 3: what runs, what failed?
//!
//! ```text
//!    ID   KIND      WHAT                  STATE      PROGRESS         FAIL    TIME
//!  > 17   migrate   180 tenants to 0042   running    [####....] 61       1   02:10
//!    15   provision alba                  failed     3/6                 1   00:09
//!  -- job 17 by ops, runs here (db1 4411), 12/min ------------------------------
//!  12:04:29 ok    alcove     0039>0042   1.8s
//!  12:04:30 FAIL  adler-labs 0040>0041   55P03 lock timeout on t_adler_labs.users
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format::{job_style, job_time, outcome_style, version};
use super::header::stale;
use super::job_log::{self, as_of};
use super::places::{Places, ROOMY, Tier, jobs_parts};
use crate::model::job::{JobState, JobView};
use crate::model::job_words::{and_skipped, counted, progress, standing};
use crate::text::{self, fit, grouped, sanitise, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{above, bars, below, columns, put, put_fit, put_right, put_safe, wrap};

/// Columns of a job's numbers without a bar: `100/180`, `step 3/6`.
const NUMBERS: u16 = 10;

/// From this width on the list says who ordered a job.
const WITH_BY: u16 = 110;

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places, jobs: usize) -> usize {
    usize::from(jobs_parts(places, jobs).list.height.saturating_sub(1))
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    let parts = jobs_parts(places, state.jobs.shown.len());
    let buf = frame.buffer_mut();
    if state.jobs.shown.is_empty() {
        no_jobs(buf, places.body, state, theme);
        return;
    }
    draw_list(buf, parts.list, state, theme);
    if let Some(results) = parts.results {
        super::divider(buf, results, theme);
        draw_results(buf, results, state, theme);
    }
    if places.tier == Tier::Wide && !places.zoom {
        super::divider(buf, parts.log, theme);
    }
    job_log::draw(buf, parts.log, state, theme);
}

fn no_jobs(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let only = state.only_database.as_ref();
    let place = only.map_or_else(String::new, |only| format!(" in {}", sanitise(only)));
    put_fit(
        buf,
        area,
        3,
        1,
        area.width.saturating_sub(5),
        &format!("No job has been ordered{place} yet."),
        theme.title,
    );
    let mut databases = state.latest.databases.iter().filter(|view| only.is_none_or(|only| *only == view.name));
    let uninitialised = databases.any(|database| database.initialised == Some(false));
    let orders = format!(
        "{} on Tenants or Migrations brings tenants to the newest version; {} makes a new tenant.",
        state.key(Action::Migrate),
        state.key(Action::NewTenant)
    );
    let elsewhere = match state.jobs.jobs.len() {
        0 => String::new(),
        jobs => format!("Other databases have {}: `:database all` shows them.", text::counted(jobs, "job")),
    };
    let lines = [
        orders.as_str(),
        if uninitialised {
            "The first order offers to create the record of jobs (schema tenantui) in the database."
        } else {
            "Jobs are kept in the database: those of other operators and of tenantui worker show up here, too."
        },
        elsewhere.as_str(),
    ];
    let mut y = 3;
    for line in lines {
        for part in wrap(line, usize::from(area.width.saturating_sub(5))) {
            put(buf, area, 3, y, &part, theme.muted);
            y += 1;
        }
    }
}

/// The columns of the list on a screen so wide.
fn list_columns(room: u16, state: &State) -> Vec<Column> {
    let longest = state.shown_jobs().map(|job| job.id.to_string().len()).max().unwrap_or(0);
    let ids = columns(longest).max(3);
    let states = state_width(state.shown_jobs(), state);
    let mut all = vec![Column::fixed("ID", ids), Column::fixed("KIND", 9)];
    let several = state.several_databases();
    // Jobs of several databases have the same numbers: their names stay, whatever else has to go.
    let names = state.shown_jobs().map(|job| width(&sanitise(&job.database))).max().unwrap_or(0);
    let names = columns(names).clamp(8, 12);
    if several {
        all.push(Column::wide("DATABASE", names, 1).up_to(14));
    }
    let tight = several && room < WITH_BY;
    let words = if tight { 14 } else { 20 };
    let whats = state.shown_jobs().map(|job| width(job.what.safe().as_str())).max().unwrap_or(0);
    // Numbers are shown whole, whatever words are cut for them.
    let numbers = state.shown_jobs().map(|job| width(&progress(job))).max().unwrap_or(0);
    let numbers = columns(numbers).max(NUMBERS);
    // The bar goes before the words do.
    let (least, bar) = match room {
        ..ROOMY => (14, if states <= 12 && !several { 17 } else { 10 }),
        // Longer words than these take the bar's columns, and leave room for its numbers.
        ROOMY.. if whats > 20 => {
            let more = if room >= WITH_BY { 13 } else { 0 } + if several { names + 1 } else { 0 };
            // Kind, failures, time, and a blank behind each column.
            let others = MARKS + ids + states + 9 + 4 + 7 + 7 + more;
            (columns(whats).clamp(words, room.saturating_sub(others + numbers).max(words)), numbers)
        }
        ROOMY.. => (columns(whats).clamp(14, words), if states <= 12 && !tight { 14 } else { 10 }),
    };
    let bar = bar.max(numbers);
    all.extend([
        Column::wide("WHAT", least, 1).up_to(columns(whats).max(14)),
        Column::fixed("STATE", states),
        Column::wide("PROGRESS", bar, 2).up_to(40),
        Column::fixed("FAIL", 4).at_right().droppable(3),
        Column::fixed("TIME", 7).at_right().droppable(1),
    ]);
    if room >= WITH_BY {
        all.push(Column::fixed("BY", 12).droppable(4));
    }
    all
}

fn draw_list(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let all = list_columns(area.width, state);
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let progress = all.iter().position(|column| column.title == "PROGRESS").unwrap_or(0);
    let room = placed.iter().find(|place| place.index == progress).map_or(0, |place| place.width);
    let rows = below(area, 1);
    let list = &state.jobs.list;
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(job) = state.shown_job(at) else { break };
        let mut cells = vec![cell(job.id.to_string()), cell(job.kind.word())];
        if state.several_databases() {
            cells.push(cell(sanitise(&job.database)));
        }
        cells.extend([
            cell(job.what.safe()),
            styled(state_word(job, state), state_style(job, state, theme)),
            cell(progress_words(job, room)),
            if job.failed + job.blocked > 0 {
                styled(grouped(u64::from(job.failed + job.blocked)), theme.error)
            } else {
                cell("0")
            },
            cell(job_time(job, state.now.wall)),
            cell(job.created_by.safe()),
        ]);
        let mark = RowMark {
            cursor: at == list.at,
            marked: false,
            failed: job.state == JobState::Failed,
            stale: state.latest.database(&job.database).is_some_and(stale),
        };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
}

/// Whether nobody knows how a job stands: the link to its database is lost, and it was not over.
#[must_use]
pub fn is_unknown(job: &JobView, state: &State) -> bool {
    !job.state.is_over() && state.latest.database(&job.database).is_some_and(stale)
}

/// How a job stands: `running`, `paused (canary)`; `unknown` while the link to its database is lost.
#[must_use]
pub fn state_word(job: &JobView, state: &State) -> String {
    if is_unknown(job, state) { "unknown".to_owned() } else { standing(job) }
}

fn state_style(job: &JobView, state: &State, theme: &Theme) -> Style {
    if is_unknown(job, state) { theme.warn } else { job_style(job.state, theme) }
}

/// Columns that the states of these jobs need.
pub fn state_width<'a>(jobs: impl Iterator<Item = &'a JobView>, state: &State) -> u16 {
    columns(jobs.map(|job| width(&state_word(job, state))).max().unwrap_or(0)).clamp(9, 17)
}

/// `[####....] 61/180` while it is not over, `61/180` afterwards; `step 3/6` of a provisioning.
fn progress_words(job: &JobView, room: u16) -> String {
    let (numbers, skipped) = (progress(job), and_skipped(job));
    // What is through is not all done: that is said before a bar is drawn.
    let numbers = if width(&numbers) + width(&skipped) <= usize::from(room) { numbers + &skipped } else { numbers };
    let (done, of) = counted(job);
    let bar = room.saturating_sub(columns(width(&numbers)) + 1);
    match job.state {
        JobState::Queued | JobState::Running | JobState::Orphaned | JobState::Paused if bar >= 6 => {
            format!("{} {numbers}", bars::progress(done.into(), of.into(), bar))
        }
        JobState::Queued
        | JobState::Running
        | JobState::Orphaned
        | JobState::Paused
        | JobState::Done
        | JobState::Failed
        | JobState::Cancelled => numbers,
    }
}

/// The results of the chosen job, failed first, beside its log.
fn draw_results(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(job) = state.cursor_job() else { return };
    let x = put_fit(buf, area, 0, 0, area.width, &format!("Results of job {}", job.id), theme.title);
    put_fit(buf, area, x, 0, area.width, &as_of(job, state), theme.muted);
    let rows = below(area, 1);
    let Some(outcomes) = state.jobs.outcomes.get(&(job.database.clone(), job.id)) else {
        put_fit(buf, rows, 0, 0, rows.width, &format!("{} reads them.", state.key(Action::Open)), theme.muted);
        return;
    };
    for (y, outcome) in (0..rows.height).zip(outcomes) {
        let code = outcome.failure.as_ref().and_then(|failure| failure.sqlstate.as_deref()).map(sanitise);
        let right = code.unwrap_or_else(|| version(outcome.version.as_ref()));
        let word = outcome.outcome.word();
        let start = put_right(buf, rows, rows.width.saturating_sub(1), y, &fit(&right, 20), Style::new());
        put(buf, rows, 0, y, word, outcome_style(outcome.outcome, theme));
        put_safe(buf, rows, 9, y, start.saturating_sub(10), outcome.slug.safe().as_str(), Style::new(), theme);
    }
    let rest = outcomes.len().saturating_sub(usize::from(rows.height));
    if rest > 0 {
        let last = above(below(rows, rows.height.saturating_sub(1)), 1);
        crate::tui::widgets::clear(buf, last);
        put_fit(
            buf,
            last,
            0,
            0,
            last.width,
            &format!("and {} more: {} lists them", grouped(rest as u64 + 1), state.key(Action::Open)),
            theme.muted,
        );
    }
}
