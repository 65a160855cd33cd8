//! The banner: the one thing that should be known of the databases in front, most pressing first.
//!
//! ```text
//!  REPLICA  eu-1 is read-only: the server is a standby; replay is up to date with what was received
//!  POOLER   eu-1 is read-only: a connection pooler is in between; connect to PostgreSQL directly to write
//! ```
//!
//! What comes and goes with every reading is not said here: the rows of the list would go down and up with it.
//! What to do stands at its end, so it is not cut where there are rows: it goes on in a second line, and a third.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::fleet::DatabaseView;
use crate::model::job::JobState;
use crate::model::job_words::progress;
use crate::model::link::LinkState;
use crate::model::server::ServerRole;
use crate::text::{Untrusted, sanitise, width};
use crate::tui::app::action::Action;
use crate::tui::app::state::{State, Writes};
use crate::tui::theme::Theme;
use crate::tui::widgets::{put_safe, wrap};

/// Columns that are free of words: one at the left, one at the right.
const MARGINS: u16 = 2;

/// Columns by which all lines but the first are indented.
const INDENT: u16 = 2;

/// The banner in lines, as many as its area has rows for.
#[derive(Debug, Clone)]
pub struct Banner {
    lines: Vec<String>,
    style: Style,
}

impl Banner {
    /// What there is to say, laid out for a whole screen; `None` where there is nothing.
    #[must_use]
    pub fn of(state: &State, area: Rect, theme: &Theme) -> Option<Self> {
        let (words, style) = banner(state, theme)?;
        Some(Self { lines: laid_out(&words, area), style })
    }

    /// Rows that it takes, at least one.
    #[must_use]
    pub fn rows(&self) -> u16 {
        crate::tui::widgets::columns(self.lines.len())
    }

    /// Draws it.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: &Theme) {
        for (y, line) in (0..area.height).zip(&self.lines) {
            let x = if y == 0 { 1 } else { 1 + INDENT };
            put_safe(buf, area, x, y, area.width.saturating_sub(x + 1), line, self.style, theme);
        }
    }
}

/// The most lines of a banner: a small screen needs its rows for the list.
const fn most_lines(rows: u16) -> usize {
    match rows {
        0..18 => 1,
        18..24 => 2,
        24.. => 3,
    }
}

/// The lines of a banner on a screen of this size. What does not fit into them stands in the last one, to be cut there.
fn laid_out(words: &str, area: Rect) -> Vec<String> {
    let (room, most) = (usize::from(area.width.saturating_sub(MARGINS)), most_lines(area.height));
    if width(words) <= room || most == 1 {
        return vec![words.to_owned()];
    }
    let mut lines = wrap(words, room.saturating_sub(usize::from(INDENT)));
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(rest);
    }
    lines
}

/// What kind of server answers, in one or two words, where it is not an ordinary primary reached directly; and
/// whether that is a danger.
#[must_use]
pub fn word(database: &DatabaseView) -> Option<(&'static str, bool)> {
    match database.server.banner() {
        Some(word) => Some((word, database.server.is_dangerous())),
        None if database.pooled && database.read_only => Some(("POOLER", false)),
        None => None,
    }
}

/// What the banner has to say, most pressing first.
fn banner(state: &State, theme: &Theme) -> Option<(String, Style)> {
    let only = state.only_database.as_ref();
    let shown: Vec<&DatabaseView> =
        state.latest.databases.iter().filter(|view| only.is_none_or(|only| *only == view.name)).collect();
    dangerous(&shown, theme)
        .or_else(|| troubled(&shown, state, theme))
        .or_else(|| read_only(state, theme))
        .or_else(|| orphan(state, theme))
        .or_else(|| warning(&shown, theme))
}

fn name(database: &DatabaseView) -> String {
    sanitise(&database.name)
}

/// A server that only believes that it leads, or another one than before.
fn dangerous(shown: &[&DatabaseView], theme: &Theme) -> Option<(String, Style)> {
    shown.iter().filter(|view| view.server.is_dangerous()).find_map(|view| {
        let (word, why) = (view.server.banner()?, view.server.read_only_why()?);
        Some((format!("{word}  {}: {}", name(view), why.safe()), theme.error))
    })
}

/// Errors, and links of databases that the header does not speak of. What the header's own link needs stands here
/// only where nothing but another configuration helps.
fn troubled(shown: &[&DatabaseView], state: &State, theme: &Theme) -> Option<(String, Style)> {
    if let Some((view, error)) = shown.iter().find_map(|view| Some((view, view.error.as_ref()?))) {
        return Some((format!("{}: {}", name(view), error.safe()), theme.error));
    }
    let header = state.header.database.as_ref();
    let is_lost = |view: &DatabaseView| matches!(view.link, LinkState::Lost { .. }) && header != Some(&view.name);
    let lost: Vec<String> = shown.iter().filter(|view| is_lost(view)).map(|view| name(view)).collect();
    let others = match lost.get(1..) {
        None | Some([]) => String::new(),
        Some(others) => format!(" (lost as well: {})", others.join(", ")),
    };
    shown.iter().find_map(|view| {
        let of_header = header == Some(&view.name);
        match &view.link {
            LinkState::Lost { why, .. } if !of_header => {
                Some((format!("{}: link lost: {}{others}", name(view), why.safe()), theme.error))
            }
            LinkState::Refused { why } if of_header => Some((to_change(view, why), theme.error)),
            LinkState::Refused { why } => Some((format!("{}: refused: {}", name(view), why.safe()), theme.error)),
            LinkState::Lost { .. } | LinkState::Slow { .. } | LinkState::Connecting | LinkState::Up { .. } => None,
        }
    })
}

/// The line of the configuration to fix, where the server will not have us any more.
fn to_change(view: &DatabaseView, why: &Untrusted) -> String {
    format!("Fix [[database]] name = \"{}\": {}", name(view), line_to_fix(why))
}

/// The option behind a refused connection.
#[must_use]
pub fn line_to_fix(why: &Untrusted) -> &'static str {
    let words = why.raw().to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["password", "28p01", "28000", "authentication"]) {
        "url (user and password), or password_command"
    } else if says(&["certificate", "tls", "ssl"]) {
        "url: sslmode and sslrootcert"
    } else if says(&["does not exist", "3d000"]) {
        "url: the name of the database behind the last slash"
    } else {
        "url"
    }
}

fn read_only(state: &State, theme: &Theme) -> Option<(String, Style)> {
    let (Writes::ReadOnly(why), Some(view)) = (&state.header.writes, state.header_database()) else { return None };
    let word = word(view).map(|(word, _)| format!("{word}  ")).unwrap_or_default();
    // Of a standby it is more to know how far it is than that it cannot be written.
    let why = match &view.server {
        ServerRole::Standby(replica) => {
            format!("a standby; {}. Jobs run on the primary; scans and dead rows are its to tell", replica.words())
        }
        ServerRole::Unknown | ServerRole::Primary { .. } | ServerRole::Superseded { .. } | ServerRole::Stranger => {
            let worker = if view.pooled { "; no job runs from here" } else { "" };
            format!("{}{worker}", why.safe())
        }
    };
    Some((format!("{word}{} is read-only: {why}", name(view)), theme.warn))
}

/// A job that lost its worker, where the job line speaks of another one.
fn orphan(state: &State, theme: &Theme) -> Option<(String, Style)> {
    let shown = state.busiest_job().map(|job| (&job.database, job.id));
    let orphan =
        state.jobs.jobs.iter().find(|job| job.state == JobState::Orphaned && Some((&job.database, job.id)) != shown)?;
    let worker = orphan.worker.as_ref().map(|worker| format!(" ({})", worker.safe())).unwrap_or_default();
    let (jobs, on) = (state.key(Action::Jobs), state.key(Action::Continue));
    let words =
        format!("job {} lost its worker{worker} at {}: {jobs}, then {on} goes on here", orphan.id, progress(orphan));
    Some((words, theme.warn))
}

fn warning(shown: &[&DatabaseView], theme: &Theme) -> Option<(String, Style)> {
    shown.iter().find_map(|view| {
        let warning = view.warnings.first()?;
        let more = view.warnings.len() - 1;
        let more = if more > 0 { format!("  (and {more} more: tenantui doctor)") } else { String::new() };
        Some((format!("{}: {}{more}", name(view), warning.safe()), theme.warn))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AREA: Rect = Rect { x: 0, y: 0, width: 80, height: 24 };

    #[test]
    fn what_to_do_at_the_end_goes_on_in_the_next_line() {
        let words =
            "POOLER  eu-1 is read-only: a connection pooler is in between; connect to PostgreSQL directly to write";
        let lines = laid_out(words, AREA);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].ends_with("directly to write"), "{lines:?}");
        assert_eq!(laid_out(words, Rect { height: 17, ..AREA }), [words]);
        assert_eq!(laid_out(words, Rect { width: 120, ..AREA }), [words]);
    }

    proptest! {
        #[test]
        fn a_banner_loses_no_word_and_fits(words in "[a-z]{1,9}( [a-z日]{1,9}){0,24}", width in 60_u16..120, rows in 18_u16..50) {
            let area = Rect { width, height: rows, ..AREA };
            let lines = laid_out(&words, area);
            prop_assert_eq!(lines.join(" "), words);
            prop_assert!(lines.len() <= most_lines(rows));
            let (last, whole) = lines.split_last().expect("at least one");
            let room = usize::from(width - MARGINS);
            prop_assert!(whole.iter().all(|line| crate::text::width(line) + usize::from(INDENT) <= room));
            prop_assert!(lines.len() == most_lines(rows) || crate::text::width(last) <= room);
        }
    }
}
