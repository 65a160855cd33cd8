//! What writes: opening the dialogs, and turning what they decide into commands. Every decision is checked again
//! here, because the write lock may have closed and the link may have gone while a dialog was open.

use std::sync::Arc;

use uuid::Uuid;

use super::action::Action;
use super::allowed::may_write;
use super::command::Command;
use super::state::{Level, State};
use super::{App, clock};
use crate::jobs::granted::Granted;
use crate::jobs::service::{self, Order, ServiceCommand};
use crate::migrations::plan::{self, PlanOptions};
use crate::model::job::{JobId, JobState, JobView};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::{Untrusted, counted, sanitise};
use crate::tui::dialogs::{Dialog, DialogAction, NewTenant, NewTenantInput, OfferInit, Quit, WriteLock};

/// Plan words that the form offers at most.
const PLANS: usize = 50;

/// The tenants' order, which waits for the job of the shared schema.
#[derive(Debug, Clone)]
pub struct AfterShared {
    /// That job, once it is known.
    pub job: Option<JobId>,
    /// What is ordered then.
    pub then: Pending,
}

/// An order that was given, until it is known to be recorded.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Where.
    pub database: DatabaseName,
    /// What.
    pub order: Box<Order>,
    /// Its key: sent again, it is the same job.
    pub key: Uuid,
    /// The newest job of that database that was known when it was sent.
    pub newest: Option<JobId>,
}

impl App {
    /// `W`: opens or closes the lock of the database that the header names.
    pub(super) fn toggle_writes(&mut self) {
        let Some(view) = self.state.header_database() else { return };
        let (database, environment) = (view.name.clone(), view.environment);
        if self.state.lock.left(&database, self.state.now.elapsed).is_some() {
            self.state.lock.close(&database);
            return self.say(Level::Info, format!("writes to {} are locked; running jobs go on", sanitise(&database)));
        }
        self.open_dialog(Dialog::WriteLock(Box::new(WriteLock::new((database, environment)))));
    }

    /// `N`.
    pub(super) fn open_new_tenant(&mut self) {
        let state = &self.state;
        let Some(database) = state.header.database.clone() else { return };
        let Some(context) = state.context(&database) else { return };
        let mut plans: Vec<(usize, Untrusted)> = Vec::new();
        for plan in state.snapshot.tenants.iter().filter(|t| t.key.database == database).filter_map(|t| t.plan.as_ref())
        {
            if let Some((count, _)) = plans.iter_mut().find(|(_, known)| known == plan) {
                *count += 1;
            } else if plans.len() < PLANS {
                plans.push((1, plan.clone()));
            }
        }
        plans.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let config = self.database_config(&database);
        let input = NewTenantInput {
            owner: config.and_then(|config| config.tenants.owner.clone()),
            granted: config.and_then(|config| Granted::of(&context.layout, &config.tenants.grant_to)),
            run_as: config.map(|config| config.migrations.run_as).unwrap_or_default(),
            environment: state.environment(&database),
            layout: Arc::clone(&context.layout),
            taken: Arc::clone(&context.taken),
            trash: state.latest.database(&database).map(|view| Arc::clone(&view.trash)).unwrap_or_default(),
            folder: context.folder.clone(),
            plans: plans.into_iter().map(|(_, plan)| plan).collect(),
            siblings: service::siblings(&state.latest.tenants, &database, context.folder.as_deref()),
            times: state.latest.database(&database).map(|view| Arc::clone(&view.times)).unwrap_or_default(),
            drives: match (&context.folder, config) {
                (Some(folder), Some(config)) => plan::drives(folder, &PlanOptions::from(&**config))
                    .map(|_| self.driven(&database))
                    .map_err(|error| Untrusted::new(error.to_string())),
                (Some(_) | None, _) => Ok(None),
            },
            key: Uuid::new_v4(),
            database,
        };
        self.open_dialog(Dialog::NewTenant(Box::new(NewTenant::new(input))));
    }

    /// `q`: asks only if a job runs here.
    pub(super) fn leave(&mut self) -> Vec<Command> {
        let running: Vec<JobView> = self.state.jobs.jobs.iter().filter(|job| runs_here(job)).cloned().collect();
        if running.is_empty() {
            return vec![Command::Quit(0)];
        }
        self.open_dialog(Dialog::Quit(Box::new(Quit::new((running, self.state.key(Action::Continue))))));
        Vec::new()
    }

    /// What a dialog decided.
    pub(super) fn decide(&mut self, action: DialogAction) -> Vec<Command> {
        match action {
            DialogAction::OpenWrites(database, minutes) => {
                let open = std::time::Duration::from_secs(u64::from(minutes) * 60).min(clock::WRITES_OPEN);
                let (minutes, key) = (open.as_secs() / 60, self.state.key(Action::WriteLock));
                let name = sanitise(&database);
                self.state.lock.open(database, self.state.now.elapsed + open);
                self.say(Level::Info, format!("writes to {name} are open for {minutes} minutes; {key} locks them"));
                Vec::new()
            }
            DialogAction::Order { database, order, key, first } => {
                let pending = Pending { database, order, key, newest: None };
                match first {
                    Some(first) => self.order_first(*first, pending),
                    None => {
                        self.after_shared.remove(&pending.database);
                        self.order(pending)
                    }
                }
            }
            DialogAction::PlanLife(request) => self.plan_life(request),
            DialogAction::ReadCode { database, plan, schemas } => {
                vec![Command::Service { database, command: ServiceCommand::ReadCode { plan, schemas } }]
            }
            DialogAction::Init(database) => self.service(&database, ServiceCommand::Init, "making the tenantui schema"),
            DialogAction::Retry(database, job) => {
                self.service(&database, ServiceCommand::Retry(job), &format!("retrying what failed in job {job}"))
            }
            DialogAction::RetryWhenFree { database, job, schemas } => {
                let said = format!("{} tried again in job {job} when free", tenants(schemas.len()));
                let commands = schemas.into_iter().map(|schema| ServiceCommand::RetryWhenFree { job, schema });
                self.services(&database, commands.collect(), &said)
            }
            DialogAction::Skip { database, job, schemas, note } => {
                let said = format!("{} left out of job {job}", tenants(schemas.len()));
                let commands =
                    schemas.into_iter().map(|schema| ServiceCommand::Skip { job, schema, note: note.clone() });
                self.services(&database, commands.collect(), &said)
            }
            DialogAction::Resume(database, job) => {
                self.service(&database, ServiceCommand::Resume(job), &format!("going on with job {job}"))
            }
            DialogAction::Pause(database, job) => self.service(
                &database,
                ServiceCommand::Pause(job),
                &format!("job {job} pauses after its current steps"),
            ),
            DialogAction::Cancel { database, job, now } => {
                let text = if now {
                    format!("job {job}: its running statements are cancelled")
                } else {
                    format!(
                        "job {job} stops after its current tenants; {} again cancels what runs now",
                        self.state.key(Action::StopJob)
                    )
                };
                self.service(&database, ServiceCommand::Cancel(job), &text)
            }
            DialogAction::AskSkip { database, job, outcome } => {
                if let Some(troubled) = self.troubled_of(&database, job, *outcome) {
                    self.ask_skip(troubled);
                }
                Vec::new()
            }
            DialogAction::AskRetryWhenFree { database, job, outcome } => {
                if let Some(troubled) = self.troubled_of(&database, job, *outcome) {
                    self.ask_retry_when_free(troubled);
                }
                Vec::new()
            }
            DialogAction::AskContinue(database, job) => {
                if let Some(job) = self.state.job(&(database, job)).cloned() {
                    self.ask_continue(&job);
                }
                Vec::new()
            }
            DialogAction::Flush(order) => {
                let said = format!("removing the cache keys of {}", order.slug.safe());
                let database = order.tenant.database.clone();
                self.service(&database, ServiceCommand::Flush(order), &said)
            }
            DialogAction::StopFlush(database) => {
                vec![Command::Service { database, command: ServiceCommand::StopFlush }]
            }
            DialogAction::Copy(text) => vec![Command::Copy(text)],
            DialogAction::Quit => vec![Command::Quit(0)],
        }
    }

    fn service(&mut self, database: &DatabaseName, command: ServiceCommand, said: &str) -> Vec<Command> {
        self.services(database, vec![command], said)
    }

    fn services(&mut self, database: &DatabaseName, commands: Vec<ServiceCommand>, said: &str) -> Vec<Command> {
        if let Err(why) = may_write(&self.state, database) {
            self.say(Level::Error, format!("not done: {why}"));
            return Vec::new();
        }
        self.say(Level::Info, said);
        commands.into_iter().map(|command| Command::Service { database: database.clone(), command }).collect()
    }

    /// Sends an order, or offers `init` first.
    pub(super) fn order(&mut self, pending: Pending) -> Vec<Command> {
        if let Err(why) = may_write(&self.state, &pending.database) {
            self.say(Level::Error, format!("nothing was ordered: {why}"));
            return Vec::new();
        }
        let known = self.state.latest.database(&pending.database).and_then(|view| view.initialised);
        if known == Some(false) && !self.initialised.contains(&pending.database) {
            self.offer_init(pending);
            return Vec::new();
        }
        let words = match &*pending.order {
            Order::Provision(order) => {
                let slugs: Vec<&str> = order.tenants.iter().map(|tenant| tenant.name.slug.as_str()).collect();
                format!("ordered: new tenant {}", Untrusted::new(slugs.join(", ")).safe())
            }
            Order::Migrate(order) => format!("ordered: migrate {}", counted(order.plan.tenants.len(), "tenant")),
            Order::Rehearse(order) => {
                format!("ordered: rehearse on {}", counted(order.plan.rehearsal().len(), "tenant"))
            }
            Order::Import(order) => format!("ordered: import into {}", order.tenant.slug.safe()),
            Order::Rollback(order) => {
                let tenants = counted(order.plan.tenants.len(), "tenant");
                format!("ordered: {} {tenants}", order.plan.direction.verb())
            }
            Order::Life(order) => format!("ordered: {}", order.plan.head()),
        };
        if let Order::Provision(order) = &*pending.order
            && let Some(first) = order.tenants.first()
        {
            self.expected_tenant = Some((pending.database.clone(), first.name.slug.clone()));
        }
        let command = ServiceCommand::Order { idempotency_key: pending.key, order: pending.order.clone() };
        let database = pending.database.clone();
        let newest = self.state.jobs.jobs.iter().filter(|job| job.database == database).map(|job| job.id).max();
        self.sent_orders.insert(database.clone(), Pending { newest, ..pending });
        self.service(&database, command, &words)
    }

    /// The shared schema's job; the tenants' is ordered when that one has gone well.
    fn order_first(&mut self, (order, key): (Order, Uuid), then: Pending) -> Vec<Command> {
        let first = Pending { database: then.database.clone(), order: Box::new(order), key, newest: None };
        self.after_shared.insert(then.database.clone(), AfterShared { job: None, then });
        self.order(first)
    }

    /// The shared schema's job stands: the tenants' job is ordered, or is not.
    pub(super) fn shared_stands(&mut self, job: &JobView) -> Vec<Command> {
        if self.after_shared.get(&job.database).is_none_or(|after| after.job != Some(job.id)) {
            return Vec::new();
        }
        let Some(after) = self.after_shared.remove(&job.database) else { return Vec::new() };
        if job.state == JobState::Done && job.failed + job.blocked == 0 {
            return self.order(after.then);
        }
        let text = format!("the shared schema was not migrated (job {}), so nothing was ordered for tenants", job.id);
        self.say(Level::Error, text);
        vec![Command::Bell]
    }

    pub(super) fn offer_init(&mut self, pending: Pending) {
        let environment = self.state.environment(&pending.database);
        let input = (pending.database.clone(), environment);
        self.waiting_for_init = Some(pending);
        self.open_dialog(Dialog::OfferInit(Box::new(OfferInit::new(input))));
    }

    /// A dialog was left without a decision.
    pub(super) fn dialog_left(&mut self, dialog: &Dialog) {
        if matches!(dialog, Dialog::OfferInit(_))
            && let Some(pending) = self.waiting_for_init.take()
        {
            self.expected_tenant = None;
            self.after_shared.remove(&pending.database);
            let text = format!(
                "nothing was ordered: jobs keep their record in the schema tenantui, which {} does not have",
                pending.database
            );
            self.say(Level::Warning, text);
        }
    }
}

fn tenants(count: usize) -> String {
    if count == 1 { "1 tenant is".to_owned() } else { format!("{count} tenants are") }
}

/// Puts the cursor on a tenant; filters that hide it are cleared.
pub(super) fn select(state: &mut State, key: &TenantKey) {
    state.tenants.list.cursor = Some(key.clone());
    let shown = |state: &State| {
        state
            .tenants
            .shown
            .iter()
            .filter_map(|index| state.snapshot.tenants.get(*index))
            .any(|tenant| tenant.key == *key)
    };
    if !shown(state) {
        state.tenants.filter.clear();
        state.tenants.quick = None;
        if state.only_database.as_ref().is_some_and(|only| *only != key.database) {
            super::derive::only(state, None);
        }
        state.tenants.list.cursor = Some(key.clone());
    }
    super::derive::tenants(state);
}

/// Whether a job runs in this process.
pub(super) fn runs_here(job: &JobView) -> bool {
    match job.state {
        JobState::Running => job.mine,
        JobState::Queued
        | JobState::Orphaned
        | JobState::Paused
        | JobState::Done
        | JobState::Failed
        | JobState::Cancelled => false,
    }
}
