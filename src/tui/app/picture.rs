//! A new picture of the fleet comes in: what of it is shown, and what there is to tell.

use std::sync::Arc;

use super::state::Level;
use super::{App, derive, finder, server};
use crate::config;
use crate::fleet::JobContext;
use crate::model::fleet::{CacheView, DatabaseView, Snapshot};
use crate::model::job::JobView;
use crate::model::job_words::{progress, standing};
use crate::model::link::LinkState;
use crate::model::server::ServerRole;
use crate::text::{Untrusted, sanitise};

impl App {
    /// The collector has a new picture.
    pub(super) fn picture(&mut self, snapshot: Arc<Snapshot>) {
        let first = !self.state.loaded;
        let visible = first
            || derive::looks_different(&self.state.latest, &snapshot)
            || server::looks_different(&self.state, &self.state.latest, &snapshot);
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
            if same_rows && !finder::is_outdated(&self.state) {
                derive::around_tenants(&mut self.state);
            } else {
                derive::all(&mut self.state);
            }
            self.dirty = true;
        }
        self.tell_orphans();
        self.look_for_expected();
    }

    /// What is known of databases besides their pictures. Who is active is said with a database's own words.
    pub(super) fn contexts(&mut self, contexts: Arc<Vec<JobContext>>) {
        self.state.contexts = contexts;
        if self.state.digests.have_other_words(&self.state.contexts) {
            derive::all(&mut self.state);
            self.dirty = true;
        }
    }

    /// One line when a link goes or is back, and when another kind of server answers.
    fn tell_links(&mut self, snapshot: &Snapshot) {
        let mut lines = Vec::new();
        let (mut lost, mut back_again) = (Vec::new(), Vec::new());
        for view in &snapshot.databases {
            let Some(before) = self.state.latest.database(&view.name) else { continue };
            let name = sanitise(&view.name);
            match (&before.link, &view.link) {
                (LinkState::Up { .. } | LinkState::Slow { .. }, LinkState::Lost { why, .. }) => {
                    lost.push((view.name.clone(), format!("{name}: link lost: {}", why.safe())));
                }
                (before, LinkState::Refused { why }) if !matches!(before, LinkState::Refused { .. }) => {
                    lost.push((view.name.clone(), format!("{name}: {}", why.safe())));
                }
                (_, _) => {}
            }
            lines.extend(role_line(&name, &before.server, &view.server));
            // Told once all has been read anew, with what is different now.
            if let Some(back) = view.back.filter(|back| before.back != Some(*back)) {
                back_again.push(view.name.clone());
                let jobs = self.read_back(&view.name, snapshot);
                lines.push((Level::Info, format!("{name}: {}{jobs}", back.words())));
            }
            if let Some(error) = view.error.as_ref().filter(|error| before.error.as_ref() != Some(error)) {
                lines.push((Level::Error, format!("{name}: {}", error.safe())));
            }
        }
        for name in back_again {
            self.link_is_back(&name);
        }
        for (name, text) in lost {
            self.say_lost(&name, text);
        }
        for (level, text) in lines {
            self.say(level, text);
        }
    }

    /// How the job stands of which nothing was known while the link was lost.
    fn read_back(&self, database: &str, snapshot: &Snapshot) -> String {
        let was_live = |job: &&JobView| &*job.database == database && !job.state.is_over();
        let Some(before) = self.state.jobs.jobs.iter().find(was_live) else { return String::new() };
        let now = snapshot.jobs.iter().find(|job| job.database == before.database && job.id == before.id);
        now.map_or_else(String::new, |job| format!("; job {} is {}, {}", job.id, standing(job), progress(job)))
    }
}

/// What there is to say when another kind of server answers than before: a promotion, a fail-over, a split cluster.
fn role_line(name: &str, before: &ServerRole, now: &ServerRole) -> Option<(Level, String)> {
    if before.banner() == now.banner() || matches!(before, ServerRole::Unknown) {
        return None;
    }
    Some(match (now.read_only_why(), now) {
        (Some(why), _) if now.is_dangerous() => (Level::Error, format!("{name}: {}", why.safe())),
        (Some(why), _) => (Level::Warning, format!("{name}: {}; nothing is written here", why.safe())),
        (None, ServerRole::Primary { .. }) => (Level::Info, format!("{name}: the server is a primary now")),
        (None, _) => return None,
    })
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
        pooled: false,
        back: None,
        error: None,
        unread: false,
        taken_at: None,
        progress: None,
        files: None,
        target: None,
        times: std::sync::Arc::default(),
        cache: CacheView::NotConfigured,
        initialised: None,
        schema_rule: None,
        trash: Arc::default(),
        left_roles: Arc::default(),
    }
}
