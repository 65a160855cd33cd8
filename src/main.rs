//! The thin binary: parse, hand the two faces what they need of each other, exit.

use std::process::ExitCode;

use tenantui::cli::args::Arguments;
use tenantui::cli::exit::{Failure, Outcome, Status};
use tenantui::cli::keymap::KeyLine;
use tenantui::cli::{self, Dashboard};
use tenantui::config::surroundings::state_folder;
use tenantui::tui::app::action::{ACTIONS, ActionInfo};
use tenantui::tui::app::keymap::Keymap;
use tenantui::tui::run::{self, RunError, RunInput};
use tenantui::{fleet, jobs};
use tokio::sync::mpsc;

/// Job events that may wait for the dashboard.
const EVENTS: usize = 1_024;

fn main() -> ExitCode {
    let arguments = match cli::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let keymap = match keymap(&arguments) {
        Ok(keymap) => keymap,
        Err(message) => return cli::refuse(&message),
    };
    let keys = key_lines(&keymap);
    cli::run(arguments, &keys, async move |dashboard| open(dashboard, keymap).await)
}

/// The embedded keys, with what the user's file changes.
fn keymap(arguments: &Arguments) -> Result<Keymap, String> {
    let user = cli::keymap_file(&arguments.connection)?;
    user.map_or_else(Keymap::embedded, |(text, file)| Keymap::with_user(&text, &file))
        .map_err(|error| error.to_string())
}

/// The dashboard's table of actions, for `keys`, the man page and the README.
fn key_lines(keymap: &Keymap) -> Vec<KeyLine> {
    let line = |info: &ActionInfo| {
        let (keys, section) = (keymap.keys_of(info.action), info.action.section());
        KeyLine { keys, section, name: info.name, help: info.help, writes: info.writes }
    };
    ACTIONS.iter().map(line).collect()
}

async fn open(dashboard: Dashboard, keymap: Keymap) -> Outcome<Status> {
    let Dashboard { config, targets, look } = dashboard;
    let (events, job_events) = mpsc::channel(EVENTS);
    let databases = targets.iter().map(|target| (target.config.clone(), target.address.clone())).collect();
    let services = targets.iter().map(|target| jobs::service::spawn(target.clone(), events.clone())).collect();
    let fleet = fleet::spawn(targets, config.ui.refresh);
    let (ui, ascii, keep, state_folder) = (config.ui, look.ascii, look.keep, state_folder());
    let input = RunInput { databases, ui, keymap, ascii, state_folder, keep, fleet, services, job_events };
    run::run(input).await.map(|exit| Status::Dashboard(exit.code)).map_err(|error| match error {
        RunError::Theme(why) => Failure::usage(why),
        RunError::Terminal(_) => Failure::failed(error.to_string()),
    })
}
