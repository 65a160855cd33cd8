//! Jobs and log at the bottom of every screen at 200x50.
//!
//! ```text
//! -----------------------------------------------------------------------------
//!  job 17 migrate 180 tenants to 0042: [######........] 61/180  1 failed  ...
//!  12:04:30 FAIL  adler-labs 0040>0041  55P03 lock timeout on t_adler_labs.users
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::footer::job_line;
use super::format::{job_style, job_time};
use super::job_log::log_line;
use super::jobs::state_word;
use crate::model::job::{JobView, LogLine};
use crate::model::job_words::progress;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::{Piece, above, below, columns, piece, pieces_width, put, put_pieces, rule, slice};

/// Columns of the busiest job at least.
const BUSIEST: u16 = 110;

/// Before the last jobs, where none runs.
const LAST: &str = "No job runs.   Last:  ";

/// Draws it.
pub fn draw(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    if area.height == 0 {
        return;
    }
    rule(buf, area, 0, theme.muted);
    let jobs = above(below(area, 1), 1);
    let busiest = state.busiest_job();
    // What is told of the last jobs is told whole: as many as there is room for.
    let room =
        usize::from(area.width.saturating_sub(if busiest.is_some() { BUSIEST + 1 } else { columns(LAST.len()) + 1 }));
    let mut others: Vec<Piece> = Vec::new();
    for job in state.shown_jobs().filter(|job| !busiest.is_some_and(|busy| same(busy, job))).take(3) {
        let one = short(job, state, theme);
        if pieces_width(&others) + pieces_width(&one) > room {
            break;
        }
        others.extend(one);
    }
    let wanted = columns(pieces_width(&others));
    match busiest {
        Some(job) => {
            let left = area.width.saturating_sub(wanted + 3).max(BUSIEST).min(area.width);
            job_line(buf, slice(jobs, 0, left), job, state, theme);
            put_pieces(buf, slice(jobs, left + 1, area.width), 0, 0, &others);
        }
        None if others.is_empty() => {
            put(buf, jobs, 1, 0, "No jobs.", theme.muted);
        }
        None => {
            let x = put(buf, jobs, 1, 0, LAST, theme.muted);
            put_pieces(buf, jobs, x, 0, &others);
        }
    }
    let log = below(area, 2);
    let rows = usize::from(log.height);
    let lines: Vec<&LogLine> = state.log_of(None).collect();
    for (y, line) in (0..log.height).zip(&lines[lines.len().saturating_sub(rows)..]) {
        log_line(buf, log, y, (line, line.text.safe().as_str()), state, theme);
    }
}

fn same(a: &JobView, b: &JobView) -> bool {
    a.id == b.id && a.database == b.database
}

fn short(job: &JobView, state: &State, theme: &Theme) -> Vec<Piece> {
    vec![
        piece(format!("{} {} {}  ", job.id, job.kind.word(), job.what.safe().fit(24)), Style::new()),
        piece(state_word(job, state), job_style(job.state, theme)),
        piece(format!(" {} {}   ", progress(job), job_time(job, state.now.wall)), theme.muted),
    ]
}
