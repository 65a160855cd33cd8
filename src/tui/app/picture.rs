//! A new picture of the fleet comes in: what of it is shown, and what there is to tell.

use std::sync::Arc;

use super::state::Level;
use super::{App, derive};
use crate::config;
use crate::model::fleet::{CacheView, DatabaseView, Snapshot};
use crate::model::link::LinkState;
use crate::model::server::ServerRole;
use crate::text::Untrusted;

impl App {
    /// The collector has a new picture.
    pub(super) fn picture(&mut self, snapshot: Arc<Snapshot>) {
        let first = !self.state.loaded;
        let visible = first || derive::looks_different(&self.state.latest, &snapshot);
        if first && snapshot.databases.is_empty() {
            return;
        }
        self.state.loaded |=
            snapshot.databases.iter().any(|view| view.taken_at.is_some()) || !snapshot.tenants.is_empty();
        self.tell_links(&snapshot);
        self.state.latest = Arc::clone(&snapshot);
        if self.state.frozen {
            // Rows stay; links and jobs are those of now.
            derive::jobs(&mut self.state);
            self.tell_orphans();
            self.dirty |= visible;
            return;
        }
        let same_rows = !first && derive::same_tenants(&self.state.snapshot, &snapshot);
        self.state.snapshot = snapshot;
        if visible {
            if same_rows {
                derive::around_tenants(&mut self.state);
            } else {
                derive::all(&mut self.state);
            }
            self.dirty = true;
        }
        self.tell_orphans();
        self.look_for_expected();
    }

    /// One line when a link comes back or goes.
    fn tell_links(&mut self, snapshot: &Snapshot) {
        let mut lines = Vec::new();
        for view in &snapshot.databases {
            let Some(before) = self.state.latest.database(&view.name) else { continue };
            match (&before.link, &view.link) {
                (LinkState::Lost { since, .. }, LinkState::Up { .. }) => {
                    let seconds = u64::try_from(self.state.now.wall.as_second() - since.as_second()).unwrap_or(0);
                    let after = crate::text::clock(seconds);
                    lines.push((Level::Info, format!("{}: back after {after}", view.name)));
                }
                (LinkState::Up { .. } | LinkState::Slow { .. }, LinkState::Lost { why, .. }) => {
                    lines.push((Level::Error, format!("{}: link lost: {}", view.name, why.safe())));
                }
                (before, LinkState::Refused { why }) if !matches!(before, LinkState::Refused { .. }) => {
                    lines.push((Level::Error, format!("{}: {}", view.name, why.safe())));
                }
                (_, _) => {}
            }
            if let Some(error) = view.error.as_ref().filter(|error| before.error.as_ref() != Some(error)) {
                lines.push((Level::Error, format!("{}: {}", view.name, error.safe())));
            }
        }
        for (level, text) in lines {
            self.say(level, text);
        }
    }
}

/// What is known of a database before anything was heard.
pub(super) fn first_view(config: &config::Database, address: &Untrusted) -> DatabaseView {
    DatabaseView {
        name: config.name.clone(),
        environment: config.environment,
        address: address.clone(),
        user: Untrusted::default(),
        layout: None,
        tool: None,
        server_version: None,
        read_only: config.read_only,
        read_only_why: config.read_only.then(|| "it is configured so".into()),
        warnings: Vec::new(),
        link: LinkState::Connecting,
        server: ServerRole::Unknown,
        back: None,
        error: None,
        taken_at: None,
        progress: None,
        files: None,
        target: None,
        cache: CacheView::NotConfigured,
        initialised: None,
        schema_rule: None,
    }
}
