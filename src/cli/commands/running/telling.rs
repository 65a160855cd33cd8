//! What a run tells while it goes on: on standard error line by line; the password of a new role on standard output.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use super::lines::{log_line, progress_line};
use crate::cli::commands::credentials;
use crate::cli::output;
use crate::model::job::{JobEvent, JobState, TenantOutcome};
use crate::model::secret::Credentials;
use crate::text;

/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// What a run told that is not said line by line.
#[derive(Default)]
pub(super) struct Heard {
    /// The passwords of the roles that it made: nobody else knows them.
    pub(super) credentials: Vec<Credentials>,
    /// The results that it read back at its end.
    pub(super) outcomes: Option<Vec<TenantOutcome>>,
}

/// How a run is told.
#[derive(Default)]
pub(super) struct Told {
    /// Stands before each line.
    pub(super) prefix: String,
    /// Its first numbers are told at once, for nobody saw a plan.
    pub(super) announce: bool,
    /// Passwords are printed as they come.
    pub(super) passwords: bool,
}

/// Prints log lines as they come, and the numbers now and then. Results are not said beside them: they are given back, and
/// so are passwords that were not printed.
pub(super) async fn tell(mut events: mpsc::Receiver<JobEvent>, told: Told) -> Heard {
    let mut heard = Heard::default();
    let zone = TimeZone::system();
    let Told { prefix, mut announce, passwords } = told;
    let mut printed = false;
    let say = |line: &str| output::note(format!("{prefix}{line}"));
    let mut last = Instant::now();
    while let Some(event) = events.recv().await {
        match event {
            JobEvent::Log(line) => say(&log_line(&line, &zone)),
            JobEvent::LogDropped(count) => say(&format!("({} of the log not shown)", text::counted(count, "line"))),
            JobEvent::Job(view) => {
                // The last word is the command's.
                if (announce || last.elapsed() >= PROGRESS) && view.state == JobState::Running {
                    announce = false;
                    last = Instant::now();
                    say(&progress_line(&view));
                }
            }
            JobEvent::Rejected { message, .. } => say(message.raw()),
            JobEvent::Credentials { credentials, .. } if passwords => {
                if !printed {
                    say("tenant, role and password of each new role, shown this once and kept nowhere:");
                }
                match output::data(&credentials::line(&credentials)) {
                    Ok(()) => printed = true,
                    // The results go the same way: they say why it is closed.
                    Err(_) => heard.credentials.push(credentials),
                }
            }
            JobEvent::Credentials { credentials, .. } => heard.credentials.push(credentials),
            JobEvent::Outcomes { outcomes, .. } => heard.outcomes = Some(outcomes),
            JobEvent::Audit { .. }
            | JobEvent::Flush { .. }
            | JobEvent::Initialised { .. }
            | JobEvent::LifePlanned(_)
            | JobEvent::Code(_) => {}
        }
    }
    heard
}
