//! The banner: the one thing that should be known of the databases in front, most pressing first.
//!
//! ```text
//!  REPLICA  eu-1 is read-only: the server is a standby; replay is up to date with what was received
//!  POOLER   eu-1 is read-only: a connection pooler is in between; connect to PostgreSQL directly to write
//! ```

use ratatui::style::Style;

use crate::model::fleet::DatabaseView;
use crate::model::job::JobState;
use crate::model::job_words::progress;
use crate::model::link::LinkState;
use crate::model::server::ServerRole;
use crate::text::{Untrusted, sanitise};
use crate::tui::app::action::Action;
use crate::tui::app::state::{State, Writes};
use crate::tui::theme::Theme;

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
#[must_use]
pub fn banner(state: &State, theme: &Theme) -> Option<(String, Style)> {
    let only = state.only_database.as_ref();
    let shown: Vec<&DatabaseView> =
        state.latest.databases.iter().filter(|view| only.is_none_or(|only| *only == view.name)).collect();
    dangerous(&shown, theme)
        .or_else(|| troubled(&shown, state, theme))
        .or_else(|| read_only(state, theme))
        .or_else(|| orphan(state, theme))
        .or_else(|| reading(&shown, theme))
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
    shown.iter().find_map(|view| {
        let of_header = header == Some(&view.name);
        match &view.link {
            LinkState::Lost { why, .. } if !of_header => {
                Some((format!("{}: link lost: {}", name(view), why.safe()), theme.error))
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

fn reading(shown: &[&DatabaseView], theme: &Theme) -> Option<(String, Style)> {
    if let Some((view, progress)) = shown.iter().find_map(|view| Some((view, view.progress.as_ref()?))) {
        return Some((format!("{}: reading {}", name(view), progress.safe()), theme.muted));
    }
    shown.iter().find_map(|view| {
        let warning = view.warnings.first()?;
        let more = view.warnings.len() - 1;
        let more = if more > 0 { format!("  (and {more} more: tenantui doctor)") } else { String::new() };
        Some((format!("{}: {}{more}", name(view), warning.safe()), theme.warn))
    })
}
