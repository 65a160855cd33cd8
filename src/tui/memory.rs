//! The dashboard's beginning and end: how the fleet was looked at the last time, what is kept of this time, and the line
//! that is left on the terminal.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::app::event::Event;
use super::face::Face;
use super::kept::{KeptView, fleet_key};
use super::state_folder::StateFolder;
use super::writer;
use crate::config;
use crate::model::job::JobEvent;
use crate::text::{Untrusted, sanitise};

/// What was kept.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The fleet's key; `None` where nothing is to be kept.
    pub(super) fleet: Option<String>,
    /// How it was looked at.
    pub(super) view: KeptView,
    /// It is the first run.
    pub(super) welcome: bool,
    /// What is wrong with the file.
    pub(super) broken: Option<String>,
}

impl Memory {
    /// Reads it. A demo begins as a first run does, every time.
    pub(super) fn of(
        folder: Option<&StateFolder>,
        keep: bool,
        databases: &[(Arc<config::Database>, Untrusted)],
    ) -> Self {
        let Some(folder) = folder.filter(|_| keep) else { return Self { welcome: true, ..Self::default() } };
        let addresses: Vec<String> = databases.iter().map(|(_, address)| address.safe().to_string()).collect();
        let names = databases.iter().map(|(database, _)| &*database.name);
        let fleet = fleet_key(names.zip(addresses.iter().map(String::as_str)));
        match folder.read() {
            Ok(mut kept) => Self {
                view: kept.fleet.remove(&fleet).unwrap_or_default(),
                welcome: !kept.welcomed,
                fleet: Some(fleet),
                broken: None,
            },
            Err(why) => Self { fleet: Some(fleet), broken: Some(why), ..Self::default() },
        }
    }
}

impl Face {
    /// Keeps how the fleet was looked at.
    ///
    /// # Errors
    /// Why it could not be kept.
    pub(super) fn keep(&self, fleet: Option<&str>) -> Result<(), String> {
        match (&self.state_folder, fleet) {
            (Some(folder), Some(fleet)) => folder.keep(fleet, self.app.kept()),
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// Leaves a line on the terminal. What the workers told on their way out counts.
    pub(super) fn say_farewell(&mut self, jobs: Option<mpsc::Receiver<JobEvent>>, kept: Result<(), String>) {
        if let Some(mut jobs) = jobs {
            while let Ok(event) = jobs.try_recv() {
                // Nobody is there any more to carry out what comes of it.
                let _ = self.app.update(super::face::now(self.begun), Event::Job(event));
            }
        }
        if let Err(why) = kept {
            writer::say(format!("tenantui: how you looked at the fleet is not kept: {}", sanitise(&why)));
        }
        writer::say(format!("tenantui: {}", self.app.farewell()));
    }
}
