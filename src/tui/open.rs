//! Puts the dashboard together over configured databases: collector, job services, keys, and the loop.

use tokio::sync::mpsc;

use super::app::keymap::{Keymap, KeymapError};
use super::run::{Exit, RunError, RunInput, run};
use crate::config;
use crate::postgres::session::Target;
use crate::{fleet, jobs};

/// Events of jobs that may wait for the dashboard.
const JOB_EVENTS: usize = 1_024;

/// Opens the dashboard over these databases and returns when it is closed.
///
/// # Errors
/// When the theme, the keymap or the terminal cannot be used.
pub async fn open(targets: Vec<Target>, ui: config::Ui) -> Result<Exit, RunError> {
    let keymap =
        Keymap::embedded().map_err(|KeymapError { file, problem }| RunError::Theme(format!("{file}: {problem}")))?;
    let databases = targets.iter().map(|target| (target.config.clone(), target.address.clone())).collect();
    let (events, job_events) = mpsc::channel(JOB_EVENTS);
    let services = targets.iter().map(|target| jobs::service::spawn(target.clone(), events.clone())).collect();
    drop(events);
    let fleet = fleet::spawn(targets, ui.refresh);
    run(RunInput { databases, ui, keymap, ascii: true, fleet, services, job_events }).await
}
