//! Control of jobs: what may be asked of one now, and the dialogs that ask for it. Everything works on jobs of any
//! process: the record carries the wish, and whoever runs the job heeds it.

use super::action::Action;
use super::allowed::{job_in_question, may_write};
use super::state::{Screen, State};
use super::{App, causes, nav};
use crate::migrations::folder::Folder;
use crate::model::job::{JobId, JobState, JobView, Outcome, StepFailure, TenantOutcome};
use crate::model::job_words::{so_far, standing, standing_in_full, whose};
use crate::model::ledger::Version;
use crate::model::tenant::{DatabaseName, Tenant};
use crate::text::counted;
use crate::tui::dialogs::{
    CardKeys, Confirm, ConfirmInput, Dialog, DialogAction, FailureCard, Skip, SkipInput, StopJob,
};

/// One decision serves at most so many tenants: each is a command of its own in a bounded queue.
pub const AT_ONCE: usize = 50;

/// A tenant whose result wants a decision, and those that have the same cause.
#[derive(Debug, Clone)]
pub struct Troubled {
    /// In which job.
    pub job: JobView,
    /// Its result.
    pub outcome: TenantOutcome,
    /// The schemas of all with the same cause, this one included.
    pub same: Vec<String>,
}

/// Whether `R`, `C`, `P` and `X` can be done with the job in question.
///
/// # Errors
/// Why not, and what to do.
pub fn job_action(state: &State, action: Action) -> Result<(), String> {
    let job = job_in_question(state).ok_or("there is no job under the cursor")?;
    of_job(state, job, action)?;
    may_write(state, &job.database)
}

/// Whether something can be asked of a job as it stands.
///
/// # Errors
/// Why not, and what to do.
fn of_job(state: &State, job: &JobView, action: Action) -> Result<(), String> {
    let (id, word) = (job.id, job.state.word());
    let live = match job.state {
        JobState::Running | JobState::Queued => true,
        JobState::Orphaned | JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => false,
    };
    let waits = match job.state {
        JobState::Orphaned | JobState::Paused => true,
        JobState::Running | JobState::Queued | JobState::Done | JobState::Failed | JobState::Cancelled => false,
    };
    // What was cancelled stays so: its rest is another plan.
    let closed = match job.state {
        JobState::Done | JobState::Cancelled => true,
        JobState::Queued | JobState::Running | JobState::Orphaned | JobState::Paused | JobState::Failed => false,
    };
    match action {
        Action::Retry | Action::Continue if closed => Err(format!(
            "job {id} is {word}: there is nothing to go on with; {} orders the rest anew",
            state.key(Action::Migrate)
        )),
        Action::Retry if live => Err(format!("job {id} is still {word}")),
        Action::Retry if job.failed + job.blocked == 0 => Err(format!("nothing failed in job {id}")),
        Action::Continue if live => Err(format!("job {id} is {word} already")),
        Action::Continue if !waits && job.pending == 0 => {
            Err(format!("job {id} is {word}: nothing waits; {} retries what failed", state.key(Action::Retry)))
        }
        Action::PauseJob if job.state.is_over() => Err(format!("job {id} is over: {word}")),
        Action::PauseJob if job.state == JobState::Paused => {
            Err(format!("job {id} is paused already; {} goes on", state.key(Action::Continue)))
        }
        Action::PauseJob if job.cancel_requested => Err(format!("job {id} is {} already", standing(job))),
        Action::PauseJob if job.pause_requested => {
            Err(format!("job {id} is pausing already: its current steps finish"))
        }
        Action::StopJob if job.state.is_over() => Err(format!("job {id} is over: {word}")),
        Action::StopJob if job.stop_now => {
            Err(format!("job {id} is stopping now: its running statements are being cancelled"))
        }
        _ => Ok(()),
    }
}

/// The tenant that `K` and `T` mean: that of the row of results, or the open one where its last step failed.
///
/// # Errors
/// Why there is none.
pub fn troubled(state: &State) -> Result<Troubled, String> {
    let (job, outcome) = if state.screen == Screen::JobResult {
        let job =
            state.jobs.result_of.as_ref().and_then(|key| state.job(key)).ok_or("the job is not known any more")?;
        let outcome = nav::cursor_outcome(state).ok_or("there is no tenant under the cursor")?;
        (job, outcome.clone())
    } else {
        let tenant = state.open_tenant().ok_or("the tenant is not there any more")?;
        failed_outcome(state, tenant).ok_or("no step of this tenant failed: nothing wants a decision")?
    };
    let all = state.jobs.outcomes.get(&(job.database.clone(), job.id)).map(Vec::as_slice).unwrap_or_default();
    Ok(Troubled { same: causes::same(all, &outcome), job: job.clone(), outcome })
}

/// The result of a tenant whose last step failed: as it was read, else as far as the tenant's mark tells.
pub(super) fn failed_outcome<'a>(state: &'a State, tenant: &Tenant) -> Option<(&'a JobView, TenantOutcome)> {
    let step = tenant.failed_step.as_ref()?;
    let key = (tenant.key.database.clone(), step.job);
    let job = state.job(&key)?;
    let known = state.jobs.outcomes.get(&key).and_then(|outcomes| {
        outcomes.iter().find(|outcome| outcome.key.as_ref() == Some(&tenant.key) && outcome.failure.is_some())
    });
    let outcome = known.cloned().unwrap_or_else(|| TenantOutcome {
        key: Some(tenant.key.clone()),
        slug: tenant.slug.clone(),
        schema: tenant.schema.clone().unwrap_or_default(),
        outcome: Outcome::Failed,
        version: tenant.version().cloned(),
        failure: Some(StepFailure {
            version: step.version.clone(),
            sqlstate: step.sqlstate.clone(),
            message: step.message.clone(),
            statement: None,
            stays: false,
            blocker: None,
            tries: 1,
        }),
        note: None,
        steps: (0, 0),
        duration_ms: None,
    });
    Some((job, outcome))
}

/// Whether `K` and `T` can be done with the tenant in question.
///
/// # Errors
/// Why not, and what to do.
pub fn tenant_action(state: &State, action: Action) -> Result<(), String> {
    let troubled = troubled(state)?;
    of_tenant(&troubled.job, &troubled.outcome, action)?;
    may_write(state, &troubled.job.database)
}

/// Whether something can be asked for one tenant of a job.
///
/// # Errors
/// Why not, and what to do.
pub fn of_tenant(job: &JobView, outcome: &TenantOutcome, action: Action) -> Result<(), String> {
    let (id, slug) = (job.id, outcome.slug.safe());
    match job.state {
        JobState::Done | JobState::Cancelled => return Err(format!("job {id} is over: {}", job.state.word())),
        JobState::Queued | JobState::Running | JobState::Orphaned | JobState::Paused | JobState::Failed => {}
    }
    if action == Action::Skip {
        return match outcome.outcome {
            Outcome::Failed | Outcome::Blocked | Outcome::Unknown | Outcome::Pending => Ok(()),
            Outcome::Running => Err(format!("{slug} runs now; pause the job first")),
            Outcome::LeftOut | Outcome::Skipped | Outcome::Done => {
                Err(format!("{slug} is {} in job {id}: there is nothing to skip", outcome.outcome.word()))
            }
        };
    }
    if !causes::waits_for_lock(outcome) {
        return Err(format!("{slug} waits for no lock: it is {}", outcome.outcome.word()));
    }
    if job.state == JobState::Running && !job.mine {
        return Err(format!("job {id} {}: only there can it be tried again meanwhile", whose(job)));
    }
    Ok(())
}

impl App {
    /// `R`.
    pub(super) fn open_retry(&mut self) {
        let Some(job) = job_in_question(&self.state).cloned() else { return };
        let lines = vec![
            of(&job),
            format!(
                "{} failed and {} blocked tenants are tried again, here in this process; what is done stays done.",
                job.failed, job.blocked
            ),
            "Each step is one transaction: a step that fails again changes nothing.".to_owned(),
        ];
        let action = DialogAction::Retry(job.database.clone(), job.id);
        let sql = self.sql_of_failures(&job);
        self.confirm(&job, (format!("Retry job {}", job.id), lines, "Retry failed"), action, sql);
    }

    /// `T`.
    pub(super) fn open_retry_when_free(&mut self) {
        if let Ok(troubled) = troubled(&self.state) {
            self.ask_retry_when_free(troubled);
        }
    }

    pub(super) fn ask_retry_when_free(&mut self, troubled: Troubled) {
        let Troubled { job, outcome, same } = troubled;
        let blocker = outcome.failure.as_ref().and_then(|failure| failure.blocker.as_ref());
        let mut lines = vec![of(&job)];
        lines.extend(blocker.map(|blocker| format!("In the way was: {}", blocker.safe())));
        lines.push(match same.len() {
            1 => format!("{} is tried again as soon as nobody is in its way.", outcome.slug.safe()),
            many => format!(
                "{} and {} that the same kept out are tried again, each as soon as nobody is in its way.",
                outcome.slug.safe(),
                counted(many - 1, "other")
            ),
        });
        lines.push("Nobody is waited for inside a transaction: the application is never kept out.".to_owned());
        let sql = self.sql_of(&job.database, outcome.failure.iter().filter_map(|failure| failure.version.as_ref()));
        let schemas = same.into_iter().take(AT_ONCE).collect();
        let action = DialogAction::RetryWhenFree { database: job.database.clone(), job: job.id, schemas };
        self.confirm(&job, (format!("Retry in job {} when free", job.id), lines, "Retry when free"), action, sql);
    }

    /// `K`.
    pub(super) fn open_skip(&mut self) {
        if let Ok(troubled) = troubled(&self.state) {
            self.ask_skip(troubled);
        }
    }

    pub(super) fn ask_skip(&mut self, troubled: Troubled) {
        let Troubled { job, outcome, same } = troubled;
        let environment = self.state.environment(&job.database);
        let input = SkipInput { environment, job, outcome, same: same.into_iter().take(AT_ONCE).collect() };
        self.open_dialog(Dialog::Skip(Box::new(Skip::new(input))));
    }

    /// `C`.
    pub(super) fn open_continue(&mut self) {
        if let Some(job) = job_in_question(&self.state).cloned() {
            self.ask_continue(&job);
        }
    }

    pub(super) fn ask_continue(&mut self, job: &JobView) {
        let mut lines = vec![of(job)];
        if job.state == JobState::Orphaned {
            let worker = job.worker.as_ref().map(|worker| format!(" {}", worker.safe())).unwrap_or_default();
            lines.push(format!("Its worker{worker} is gone{}; go on here?", self.gone_since(job)));
            lines.push(
                "Whatever that worker still does is fenced off: it can finish no step once this one has begun."
                    .to_owned(),
            );
        } else {
            lines.push(format!("It is {}.", standing_in_full(job)));
        }
        lines.push(format!("{}; done steps stay done.", so_far(job)));
        lines.push(format!("It goes on here in this process, with {} to do.", counted(job.pending, "tenant")));
        let action = DialogAction::Resume(job.database.clone(), job.id);
        let button = if job.state == JobState::Orphaned { "Go on here" } else { "Continue" };
        self.confirm(job, (format!("Continue job {}", job.id), lines, button), action, None);
    }

    /// ` since 12:04:31`, where that was seen.
    fn gone_since(&self, job: &JobView) -> String {
        let since = self.orphaned_since.get(&(job.database.clone(), job.id));
        since.copied().flatten().map_or_else(String::new, |since| {
            let time = since.to_zoned(self.state.zone.clone()).strftime("%H:%M:%S").to_string();
            format!(" since {time}")
        })
    }

    /// `P`.
    pub(super) fn open_pause(&mut self) {
        let Some(job) = job_in_question(&self.state).cloned() else { return };
        let mut lines = vec![of(&job)];
        lines.push(match job.state {
            JobState::Running => "The steps that run now finish; then it waits.".to_owned(),
            JobState::Queued
            | JobState::Orphaned
            | JobState::Paused
            | JobState::Done
            | JobState::Failed
            | JobState::Cancelled => "Nobody runs it: it is paused at once.".to_owned(),
        });
        lines.push(format!("{} goes on with it, here or in any other tenantui.", self.state.key(Action::Continue)));
        let action = DialogAction::Pause(job.database.clone(), job.id);
        self.confirm(&job, (format!("Pause job {}", job.id), lines, "Pause"), action, None);
    }

    /// `X`; the second time: now.
    pub(super) fn open_stop(&mut self) {
        let Some(job) = job_in_question(&self.state).cloned() else { return };
        let environment = self.state.environment(&job.database);
        self.open_dialog(Dialog::StopJob(Box::new(StopJob::new((job, environment)))));
    }

    fn confirm(
        &mut self,
        job: &JobView,
        (title, lines, button): (String, Vec<String>, &str),
        action: DialogAction,
        sql: Option<(String, String)>,
    ) {
        let environment = Some(self.state.environment(&job.database));
        let input = ConfirmInput { environment, title, lines, button: button.to_owned(), action, sql };
        self.open_dialog(Dialog::Confirm(Box::new(Confirm::new(input))));
    }

    /// The SQL of the steps of a job that failed, where their results were read and the files are here.
    fn sql_of_failures(&self, job: &JobView) -> Option<(String, String)> {
        let outcomes = self.state.jobs.outcomes.get(&(job.database.clone(), job.id))?;
        let failed = outcomes.iter().filter(|outcome| causes::wants_decision(outcome.outcome));
        self.sql_of(&job.database, failed.filter_map(|outcome| outcome.failure.as_ref()?.version.as_ref()))
    }

    fn sql_of<'a>(
        &self,
        database: &DatabaseName,
        versions: impl Iterator<Item = &'a Version>,
    ) -> Option<(String, String)> {
        let folder: &Folder = self.state.context(database)?.folder.as_deref()?;
        let mut versions: Vec<&Version> = versions.collect();
        versions.sort();
        versions.dedup();
        let files: Vec<String> = versions
            .into_iter()
            .filter_map(|version| folder.file(version))
            .map(|file| format!("-- {} {}\n{}", file.version.untrusted().safe(), file.name.safe(), file.sql))
            .collect();
        (!files.is_empty()).then(|| ("What runs in each tenant, in its transaction".to_owned(), files.join("\n")))
    }

    /// The card of one result of a job, with what the dashboard knows besides.
    pub(super) fn card(&self, job: &JobView, outcome: &TenantOutcome) -> FailureCard {
        let key = (job.database.clone(), job.id);
        let all = self.state.jobs.outcomes.get(&key).map(Vec::as_slice).unwrap_or_default();
        let log =
            self.state.log_of(Some(&key)).filter(|line| line.tenant.as_ref().is_none_or(|slug| *slug == outcome.slug));
        let time = |at: jiff::Timestamp| at.to_zoned(self.state.zone.clone()).strftime("%H:%M:%S").to_string();
        let log: Vec<String> =
            log.map(|line| format!("{} {:<5}{}", time(line.at), line.mark.word(), line.text.safe())).collect();
        let last = self.state.log_of(Some(&key)).filter(|line| line.tenant.as_ref() == Some(&outcome.slug)).last();
        FailureCard::new((job.clone(), outcome.clone()))
            .with_same(causes::same(all, outcome))
            .with_log(&log, last.map(|line| time(line.at)))
            .with_keys(CardKeys::of(&self.keymap))
    }

    /// The card of a failed tenant, as far as it is known here.
    pub(super) fn failure_card(&self, tenant: &Tenant) -> Option<FailureCard> {
        let (job, outcome) = failed_outcome(&self.state, tenant)?;
        Some(self.card(job, &outcome))
    }

    /// The card of the result under the cursor.
    pub(super) fn result_card(&self) -> Option<FailureCard> {
        let outcome = nav::cursor_outcome(&self.state)?;
        outcome.failure.as_ref()?;
        let job = self.state.jobs.result_of.as_ref().and_then(|key| self.state.job(key))?;
        Some(self.card(job, outcome))
    }

    /// A card asks for a dialog about its tenant.
    pub(super) fn troubled_of(&self, database: &DatabaseName, job: JobId, outcome: TenantOutcome) -> Option<Troubled> {
        let key = (database.clone(), job);
        let all = self.state.jobs.outcomes.get(&key).map(Vec::as_slice).unwrap_or_default();
        Some(Troubled { job: self.state.job(&key)?.clone(), same: causes::same(all, &outcome), outcome })
    }
}

fn of(job: &JobView) -> String {
    format!("Job {}: {} {}, {}.", job.id, job.kind.word(), job.what.safe().fit(60), whose(job))
}
