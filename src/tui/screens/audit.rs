//! `:audit`: what operators did, newest first.
//!
//! ```text
//!    TIME                 WHO         ACTION    TARGET            JOB  OUTCOME    CHANGE
//!  > 2026-02-14 12:04:31  ana@ops     skip      t_adler_labs       17  skipped    sqlstate was 55P03, ...
//!    2026-02-14 12:04:29  ana@ops     cancel    -                  17  requested  state was running
//! ```

use ratatui::Frame;

use super::header::stale;
use super::places::{Places, Tier};
use crate::model::audit::AuditLine;
use crate::model::export::audit as words;
use crate::text::{sanitise, width};
use crate::tui::app::audit::AuditScope;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self, Cell, Column, MARKS, RowMark, cell, styled};
use crate::tui::widgets::{below, columns, put_fit, wrap};

/// Rows of the list.
#[must_use]
pub fn list_rows(places: &Places) -> usize {
    usize::from(places.body.height.saturating_sub(1))
}

/// What the view is of, for the header: ` > job 17`.
#[must_use]
pub fn scope_words(state: &State) -> String {
    match &state.audit.scope {
        AuditScope::All => String::new(),
        AuditScope::Job(_, job) => format!(" > job {job}"),
        AuditScope::Tenant(key, schema) => {
            let slug = state.snapshot.tenant(key).map_or_else(|| schema.safe(), |tenant| tenant.slug.safe());
            format!(" > {slug}")
        }
    }
}

/// Draws it.
pub fn draw(frame: &mut Frame, places: &Places, state: &State, theme: &Theme) {
    let area = places.body;
    let lines = state.audit.shown();
    let small = places.tier == Tier::Small;
    let widest = |of: fn(&AuditLine) -> usize, least: u16, most: u16| {
        columns(lines.iter().map(of).max().unwrap_or(0)).clamp(least, most)
    };
    let mut all = vec![
        Column::fixed("TIME", if small { 14 } else { 19 }),
        Column::fixed("WHO", widest(|line| width(&sanitise(&words::who(line))), 8, if small { 14 } else { 24 })),
        Column::fixed("ACTION", widest(|line| line.action.safe().width(), 6, 9)),
        Column::wide("TARGET", 10, 2).up_to(48),
        Column::fixed("JOB", 5).at_right(),
        Column::fixed("OUTCOME", widest(|line| line.outcome.safe().width(), 8, 13)),
        Column::wide("CHANGE", 12, 4).droppable(1),
    ];
    if state.several_databases() {
        all.insert(1, Column::wide("DATABASE", 6, 1).up_to(14).droppable(2));
    }
    // What is the same in all lines stands above them.
    let said_above = match &state.audit.scope {
        AuditScope::All => None,
        AuditScope::Job(..) => all.iter().position(|column| column.title == "JOB"),
        AuditScope::Tenant(..) => all.iter().position(|column| column.title == "TARGET"),
    };
    if let Some(at) = said_above {
        all.remove(at);
    }
    let buf = frame.buffer_mut();
    let placed = table::place(&all, MARKS, area.width.saturating_sub(1));
    table::heading(buf, area, 0, &all, &placed, theme.heading);
    let rows = below(area, 1);
    let list = &state.audit.list;
    for y in 0..rows.height {
        let at = list.top + usize::from(y);
        let Some(line) = lines.get(at) else { break };
        let mut cells = cells(line, small, state, theme);
        if let Some(at) = said_above {
            cells.remove(at);
        }
        let stale = state.latest.database(&line.database).is_some_and(stale);
        let mark = RowMark { cursor: at == list.at, stale, ..RowMark::default() };
        table::row(buf, rows, y, (&all, &placed), &cells, mark, theme);
    }
    if lines.is_empty() {
        let text = match (state.audit.read, &state.audit.scope) {
            (false, _) => "Reading the audit ...",
            (true, AuditScope::All) => {
                "Nothing is recorded: no job was ever ordered here, or the schema tenantui was never made."
            }
            (true, AuditScope::Job(..) | AuditScope::Tenant(..)) => "Nothing is recorded of it.",
        };
        for (y, part) in (1..).zip(wrap(text, usize::from(area.width.saturating_sub(5)))) {
            put_fit(buf, rows, 3, y, rows.width, &part, theme.muted);
        }
    }
}

fn cells(line: &AuditLine, small: bool, state: &State, theme: &Theme) -> Vec<Cell> {
    let at = line.at.to_zoned(state.zone.clone());
    let time = at.strftime(if small { "%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" });
    let text = |text: Option<&crate::text::Untrusted>| text.map_or_else(|| "-".to_owned(), |text| text.safe().into());
    let style = match line.outcome.raw() {
        "failed" | "blocked" | "unknown" => theme.error,
        "cancelled" | "skipped" | "paused" => theme.warn,
        _ => ratatui::style::Style::new(),
    };
    let mut cells = vec![
        cell(time.to_string()),
        cell(sanitise(&words::who(line))),
        cell(line.action.safe()),
        cell(text(line.target.as_ref())),
        cell(line.job.map_or_else(|| "-".to_owned(), |job| job.to_string())),
        styled(line.outcome.safe(), style),
        cell(sanitise(&words::change(line))),
    ];
    if state.several_databases() {
        cells.insert(1, cell(sanitise(&line.database)));
    }
    cells
}
