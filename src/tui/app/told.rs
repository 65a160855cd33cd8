//! What workers tell: jobs that begin, go on and end, lines of their logs, results, refused orders.

use super::action::Action;
use super::command::Command;
use super::prompts::Prompt;
use super::state::{Level, Screen};
use super::{App, orders};
use crate::fleet::FleetCommand;
use crate::model::job::{JobEvent, JobKind, JobState, JobView};
use crate::model::job_words::{and_skipped, done, finished, standing_in_full};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;
use crate::tui::dialogs::{self, Dialog};

impl App {
    /// A worker tells something.
    pub(super) fn told(&mut self, event: JobEvent) -> Vec<Command> {
        match event {
            JobEvent::Job(job) => self.job_told(*job),
            JobEvent::Log(line) => {
                self.dirty |= self.shows_log();
                self.touch(&line.database, line.tenant.as_ref());
                let state = &mut self.state;
                let chosen = state.jobs.list.cursor.as_ref();
                if !state.jobs.follow && chosen.is_some_and(|(name, job)| (name, *job) == (&line.database, line.job)) {
                    // What is read stays where it is.
                    state.jobs.log_back = (state.jobs.log_back + 1).min(super::LOG_LINES);
                }
                state.jobs.log.push_back(line);
                while state.jobs.log.len() > super::LOG_LINES {
                    state.jobs.log.pop_front();
                }
                Vec::new()
            }
            JobEvent::LogDropped(lines) => {
                self.state.jobs.log_dropped += lines;
                self.dirty |= self.shows_log();
                Vec::new()
            }
            JobEvent::Outcomes { database, job, outcomes } => {
                self.dirty = true;
                let key = (database, job);
                // What a job that stands has done is read again; while it runs its log tells whom it touched.
                if self.state.job(&key).is_none_or(|job| job.state != JobState::Running) {
                    self.touched.extend(outcomes.iter().filter_map(|outcome| outcome.key.clone()));
                }
                self.state.jobs.outcomes_at.insert(key.clone(), self.state.now.wall);
                self.state.jobs.outcomes.insert(key, outcomes);
                super::derive::results(&mut self.state);
                super::derive::open_tenant(&mut self.state);
                Vec::new()
            }
            JobEvent::Audit { database, filter, lines } => {
                self.dirty |= self.state.screen == Screen::Audit;
                super::audit::told(&mut self.state, &database, &filter, lines);
                Vec::new()
            }
            JobEvent::LifePlanned(plan) => self.life_planned(*plan),
            JobEvent::Code(code) => self.code_told(&code),
            JobEvent::Flush { tenant, slug, state } => self.flush_told(tenant, slug, state),
            JobEvent::Credentials { credentials, .. } => {
                self.credentials.push(credentials);
                Vec::new()
            }
            JobEvent::Rejected { database, message, needs_init } => self.rejected(&database, &message, needs_init),
            JobEvent::Initialised { database } => {
                self.initialised.insert(database.clone());
                self.say(Level::Info, format!("the schema tenantui stands in {database}"));
                match self.waiting_for_init.take() {
                    Some(pending) if pending.database == database => self.order(pending),
                    other => {
                        self.waiting_for_init = other;
                        Vec::new()
                    }
                }
            }
        }
    }

    pub(super) fn rejected(&mut self, database: &DatabaseName, message: &Untrusted, needs_init: bool) -> Vec<Command> {
        self.say(Level::Error, message.safe().to_string());
        self.life_failed(database, message);
        self.results_refused(database);
        self.state.audit.asked.remove(database);
        let sent = self.sent_orders.remove(database);
        if sent.is_some() {
            self.expected_tenant = None;
        }
        if !needs_init {
            self.after_shared.retain(|name, after| name != database || after.job.is_some());
        }
        if needs_init {
            self.initialised.remove(database);
            if let Some(pending) = sent
                && self.state.dialog.is_none()
            {
                self.offer_init(pending);
            }
        } else if let Some(sent) = sent {
            self.form_again(&sent, message);
        }
        vec![Command::Bell]
    }

    /// The form of a new tenant that was refused comes back with what was typed, where nothing else is in front.
    fn form_again(&mut self, sent: &orders::Pending, why: &Untrusted) {
        let is_free = self.state.dialog.is_none() && matches!(self.state.prompt, Prompt::None);
        let form = self.sent_form.take().filter(|form| form.input.key == sent.key && is_free);
        if let Some(form) = form {
            self.open_dialog(Dialog::NewTenant(Box::new(form.refused(why.clone(), uuid::Uuid::new_v4()))));
        }
    }

    pub(super) fn job_told(&mut self, job: JobView) -> Vec<Command> {
        let before = self.state.job(&(job.database.clone(), job.id)).map(|known| known.state);
        let newer = self.sent_orders.get(&job.database).is_some_and(|sent| Some(job.id) > sent.newest);
        let ours = if newer { self.sent_orders.remove(&job.database) } else { None };
        if let (Some(sent), Some(after)) = (&ours, self.after_shared.get_mut(&job.database))
            && after.job.is_none()
            && sent.key != after.then.key
        {
            after.job = Some(job.id);
        }
        if ours.is_some() {
            self.sent_form = None;
            self.ordered.insert((job.database.clone(), job.id));
        }
        // Who comes to the list of jobs next looks for what was just ordered.
        if ours.is_some() && !self.looks_at_jobs() {
            self.state.jobs.list.cursor = Some((job.database.clone(), job.id));
        }
        // What was read of the record may have been faster than its worker: what counts is what was told.
        let now = (job.attempt, job.state);
        let told_before = self.told_standing.insert((job.database.clone(), job.id), now);
        let changed_state = before != Some(job.state) || told_before.is_some_and(|known| known != now);
        let stands = match job.state {
            JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => true,
            JobState::Queued | JobState::Running | JobState::Orphaned => false,
        };
        let ended = changed_state && stands;
        let told = job.clone();
        if super::derive::job_told(&mut self.state, job) {
            self.dirty = true;
        }
        self.tell_orphans();
        if !ended || (before.is_none() && !told.mine) {
            return Vec::new();
        }
        let mut commands = self.job_ended(&told);
        commands.extend(self.shared_stands(&told));
        commands
    }

    /// Passwords that were made are shown as soon as nothing else is in front, and only then forgotten.
    pub(super) fn show_credentials(&mut self) {
        if self.credentials.is_empty() {
            return;
        }
        match &mut self.state.dialog {
            Some(Dialog::Credentials(shown)) => {
                shown.add(std::mem::take(&mut self.credentials));
                self.dirty = true;
            }
            Some(_) => {}
            None if !matches!(self.state.prompt, Prompt::None) => {}
            None => {
                let made = std::mem::take(&mut self.credentials);
                self.open_dialog(Dialog::Credentials(Box::new(dialogs::Credentials::new(made))));
            }
        }
    }

    /// A job that this dashboard watched came to its end, its pause or its stop.
    pub(super) fn job_ended(&mut self, job: &JobView) -> Vec<Command> {
        let some = |count: u32, word: &str| if count > 0 { format!(", {count} {word}") } else { String::new() };
        let counts = format!(
            "{} of {} done{}{}{}",
            done(job),
            job.total,
            some(job.failed, "failed"),
            some(job.blocked, "blocked"),
            and_skipped(job)
        );
        let head = format!("job {} {} {}: {counts}", job.id, job.kind.word(), standing_in_full(job));
        let keys = self.state.keys.clone();
        let key = |action: Action| keys.of_action(action);
        let shows = format!("{} shows it", key(Action::Jobs));
        let mut commands =
            vec![Command::Fleet(FleetCommand::Refresh), self.ask_results((job.database.clone(), job.id))];
        match job.state {
            JobState::Done if job.kind == JobKind::Rehearse => {
                // Short enough to be read whole at 80 columns.
                let (id, done, of, migrates) = (job.id, done(job), job.total, key(Action::Migrate));
                let words = format!("job {id} rehearsed {done} of {of}; all of it was taken back, {migrates} migrates");
                self.say(Level::Info, words);
            }
            JobState::Done => self.say(Level::Info, head),
            JobState::Paused => {
                self.say(Level::Warning, format!("{head}; {} continues, {shows}", key(Action::Continue)))
            }
            JobState::Failed => {
                self.say(Level::Error, format!("{head}; {} retries what failed, {shows}", key(Action::Retry)))
            }
            JobState::Cancelled => self.say(Level::Warning, format!("{head}; {shows}")),
            JobState::Queued | JobState::Running | JobState::Orphaned => {}
        }
        if job.state != JobState::Done {
            commands.push(Command::Bell);
            if job.kind == JobKind::Provision {
                self.expected_tenant = None;
            }
        }
        commands.extend(self.flush_touched());
        commands
    }

    /// One line for each job that has lost its worker. It is gone on with only when the operator asks.
    pub(super) fn tell_orphans(&mut self) {
        let orphaned = |job: &&JobView| job.state == JobState::Orphaned;
        let now: Vec<JobView> = self.state.jobs.jobs.iter().filter(orphaned).cloned().collect();
        self.orphaned_since.retain(|key, _| now.iter().any(|job| (&job.database, &job.id) == (&key.0, &key.1)));
        for job in now {
            let key = (job.database.clone(), job.id);
            if self.orphaned_since.contains_key(&key) {
                continue;
            }
            // One that had no worker when this dashboard began lost it nobody knows when.
            let seen = self.watched.contains(&key).then_some(self.state.now.wall);
            self.orphaned_since.insert(key, seen);
            let worker = job.worker.as_ref().map(|worker| format!(" ({})", worker.safe())).unwrap_or_default();
            let through = format!("{} of {} through", finished(&job), job.total);
            let key = self.state.key(Action::Continue);
            self.say(Level::Warning, format!("job {} lost its worker{worker}: {through}; {key} goes on here", job.id));
        }
        let running = self.state.jobs.jobs.iter().filter(|job| job.state == JobState::Running);
        self.watched = running.map(|job| (job.database.clone(), job.id)).collect();
    }

    pub(super) fn looks_at_jobs(&self) -> bool {
        match self.state.screen {
            Screen::Jobs | Screen::JobResult => true,
            Screen::Tenants
            | Screen::Tenant
            | Screen::Migrations
            | Screen::Messages
            | Screen::Audit
            | Screen::Server => false,
        }
    }

    pub(super) fn shows_log(&self) -> bool {
        match self.state.screen {
            Screen::Jobs | Screen::JobResult => true,
            Screen::Tenants
            | Screen::Tenant
            | Screen::Migrations
            | Screen::Messages
            | Screen::Audit
            | Screen::Server => self.state.size.0 >= super::WIDE,
        }
    }

    /// A job changed this tenant: it is read again soon, together with others.
    pub(super) fn touch(&mut self, database: &DatabaseName, slug: Option<&Untrusted>) {
        let Some(slug) = slug else { return };
        let found = self.state.latest.tenants.iter().find(|t| t.slug == *slug && t.key.database == *database);
        if let Some(tenant) = found {
            self.touched.insert(tenant.key.clone());
            self.touched_since.get_or_insert(self.state.now.elapsed);
        }
    }

    /// Asks the collector to read again what jobs changed.
    pub(super) fn flush_touched(&mut self) -> Vec<Command> {
        self.touched_since = None;
        let touched: Vec<TenantKey> = std::mem::take(&mut self.touched).into_iter().collect();
        if touched.is_empty() { Vec::new() } else { vec![Command::Fleet(FleetCommand::Changed(touched))] }
    }

    /// After provisioning the cursor goes to the new tenant, as soon as it is seen.
    pub(super) fn look_for_expected(&mut self) {
        let Some((database, slug)) = &self.expected_tenant else { return };
        let found = self.state.snapshot.tenants.iter().find(|t| t.key.database == *database && t.slug.raw() == slug);
        let Some(key) = found.map(|tenant| tenant.key.clone()) else { return };
        self.expected_tenant = None;
        orders::select(&mut self.state, &key);
        self.dirty = true;
    }
}
