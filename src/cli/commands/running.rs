//! Running a job in this process, and telling how it goes.

mod lines;
mod rows;
mod telling;

use lines::{cause_line, why};
pub use lines::{log_line, progress_line};
use serde::Serialize;
use telling::{Heard, Told, tell};
use tokio::sync::mpsc;

use super::across::DatabaseEnd;
use super::credentials;
use crate::cli::args::Consent;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::signals::Signals;
use crate::jobs::orders::OrderError;
use crate::jobs::record;
use crate::jobs::worker::{self, RunOptions};
use crate::model::causes;
use crate::model::export::{JobDetail, ResultRow};
use crate::model::job::{JobId, JobState, JobView, TenantOutcome, Waits};
use crate::model::job_words::done;
use crate::model::secret::Credentials;
use crate::postgres::session::{Patience, Reader, Target};

/// Why a job is run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// This command has just ordered it.
    Ordered,
    /// It was there.
    GoOn,
    /// It was there, and what failed is tried again.
    Retry,
}

/// What came of one or more jobs: the document that `provision`, `migrate` and `job` print.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How they are printed.
    #[serde(skip)]
    style: Style,
    /// The databases of an order that may mean several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<DatabaseEnd>,
    /// The jobs, in the order in which they ran.
    pub jobs: Vec<JobDetail>,
    /// One line per tenant, the failed first.
    pub tenants: Vec<ResultRow>,
    /// What the applications of new tenants log in with. Printed this once, and kept nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "credentials::all")]
    pub credentials: Vec<Credentials>,
}

impl Results {
    /// Nothing yet, to be printed like this.
    #[must_use]
    pub const fn new(style: Style) -> Self {
        Self { style, databases: Vec::new(), jobs: Vec::new(), tenants: Vec::new(), credentials: Vec::new() }
    }

    /// Runs a job here, to its end, its pause or a signal, and adds it with its results. How it goes is told on standard
    /// error. After the canary the operator is asked; under `--yes` it goes on. Where text is printed, the password of a
    /// new role is printed as soon as the role is there: were the process killed behind it, nobody would know it.
    ///
    /// # Errors
    /// When it cannot be claimed, when the process was asked to end and the job could not be paused in time, or when the
    /// results cannot be read back.
    pub async fn run(
        &mut self,
        target: &Target,
        job: JobId,
        start: Start,
        consent: Consent,
        signals: &Signals,
    ) -> Outcome<JobView> {
        let (view, heard) = run(target, job, start, consent, signals, self.style).await?;
        self.credentials.extend(heard.credentials);
        output::note(progress_line(&view));
        match heard.outcomes {
            Some(outcomes) => self.add_outcomes(&view, &outcomes),
            None => self.add(target, &view).await?,
        }
        Ok(view)
    }

    /// Adds a job with its results.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn add(&mut self, target: &Target, view: &JobView) -> Outcome<()> {
        let reader = Reader::open(target, Patience::Background).await?;
        self.add_outcomes(view, &record::outcomes(&reader, &view.database, view.id).await?);
        Ok(())
    }

    fn add_outcomes(&mut self, view: &JobView, outcomes: &[TenantOutcome]) {
        self.jobs.push(view.into());
        causes::all(outcomes).iter().for_each(|cause| output::note(cause_line(cause)));
        self.tenants.extend(outcomes.iter().map(|outcome| ResultRow::of(&view.database, outcome)));
    }

    /// Adds those of another command.
    pub fn append(&mut self, other: Self) {
        self.jobs.extend(other.jobs);
        self.tenants.extend(other.tenants);
        self.credentials.extend(other.credentials);
    }

    /// Prints them.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn print(&self) -> Outcome<()> {
        let printed = self.put_out();
        if printed.is_err() && !self.credentials.is_empty() {
            output::note(credentials::lost(&self.credentials));
        }
        printed
    }

    fn put_out(&self) -> Outcome<()> {
        match self.style {
            Style::Json => output::json(self),
            Style::Csv if self.credentials.is_empty() => output::data(&Table::of(self.tenants.iter().cloned()).csv()?),
            Style::Csv => output::data(&credentials::beside(&self.tenants, &self.credentials).csv()?),
            Style::Text if self.tenants.is_empty() => Ok(()),
            Style::Text => {
                output::table(&self.text())?;
                if self.credentials.is_empty() {
                    return Ok(());
                }
                output::data(&credentials::table(&self.credentials).text())
            }
        }
    }

    fn text(&self) -> Table {
        let several = self.tenants.iter().any(|row| row.database != self.tenants[0].database);
        let mut heads = vec!["tenant", "result", "version", "sqlstate", "message"];
        if several {
            heads.insert(0, "database");
        }
        let mut table = Table::new(&heads).giving_way(&["sqlstate", "version"]).wrapping(&["message"]);
        for row in &self.tenants {
            let mut cells = vec![
                row.tenant.as_str().into(),
                row.result.into(),
                row.version.clone().into(),
                row.sqlstate.clone().into(),
                why(row).into(),
            ];
            if several {
                cells.insert(0, row.database.as_str().into());
            }
            table.row(cells);
        }
        table
    }
}

async fn run(
    target: &Target,
    job: JobId,
    start: Start,
    consent: Consent,
    signals: &Signals,
    style: Style,
) -> Outcome<(JobView, Heard)> {
    let mut start = start;
    let mut heard = Heard::default();
    loop {
        let options = RunOptions {
            wait_after_canary: !consent.yes,
            parallel: None,
            shows_credentials: true,
            ordered_here: start == Start::Ordered,
            stop: signals.stop(),
        };
        let told = Told { passwords: style == Style::Text, ..Told::default() };
        let view = run_once(target, job, start == Start::Retry, options, signals, told, &mut heard).await;
        let view = match view {
            Ok(view) => view,
            Err(broken) => {
                // What was made is there, and nobody else knows how to get in.
                if !heard.credentials.is_empty()
                    && output::data(&credentials::table(&heard.credentials).text()).is_err()
                {
                    output::note(credentials::lost(&heard.credentials));
                }
                return Err(broken.into());
            }
        };
        start = Start::GoOn;
        if view.state == JobState::Paused && signals.first().is_some() {
            output::note(format!("job {job} is paused; `{}` goes on with it", resume(target, job)));
        }
        let waits = view.state == JobState::Paused && signals.first().is_none() && view.waits == Some(Waits::Canary);
        if !waits || consent.yes {
            return Ok((view, heard));
        }
        let question = format!("The canary is done ({} of {}). Go on with the rest?", done(&view), view.total);
        if let Err(failure) = ask::confirm(&question, &target.config, consent, signals).await {
            output::note(format!("job {job} stays paused after its canary; `{}` goes on with it", resume(target, job)));
            return Err(failure);
        }
    }
}

/// The command that goes on with a job.
pub(super) fn resume(target: &Target, job: JobId) -> String {
    target.config.command(&format!("tenantui job {job} resume"))
}

/// Why a run came to no end of its own.
pub(super) enum Broken {
    /// It could not be claimed, or the link was lost for too long.
    Order(OrderError),
    /// The process ends, and the job could not be paused in time.
    Overdue(Failure),
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Order(error) => error.into(),
            Broken::Overdue(failure) => failure,
        }
    }
}

/// Runs a job here, once, as it was ordered: for `worker`. `prefix` stands before each line that is told.
pub(super) async fn run_as_ordered(
    target: &Target,
    job: JobId,
    prefix: &str,
    signals: &Signals,
) -> Result<JobView, Broken> {
    let options = RunOptions {
        wait_after_canary: true,
        parallel: None,
        shows_credentials: false,
        ordered_here: false,
        stop: signals.stop(),
    };
    let told = Told { prefix: prefix.to_owned(), announce: true, passwords: false };
    // Nobody sees a worker's roles: they get no passwords.
    run_once(target, job, false, options, signals, told, &mut Heard::default()).await
}

async fn run_once(
    target: &Target,
    job: JobId,
    retry: bool,
    options: RunOptions,
    signals: &Signals,
    told: Told,
    heard: &mut Heard,
) -> Result<JobView, Broken> {
    let (events, incoming) = mpsc::channel(1_024);
    let teller = tokio::spawn(tell(incoming, told));
    let result = tokio::select! {
        result = worker::run(target, job, retry, options, events) => result,
        number = signals.overdue() => {
            let message = format!(
                "ended at once: job {job} is left as it stands, its open steps are rolled back by the server; \
                 `{}` goes on with it",
                resume(target, job)
            );
            return Err(Broken::Overdue(Failure::new(Status::Signal(number), message)));
        }
    };
    // The worker's end closes the channel; what it said last is still told.
    let told = teller.await.unwrap_or_default();
    heard.credentials.extend(told.credentials);
    heard.outcomes = told.outcomes;
    result.map_err(Broken::Order)
}

/// The exit status of a command that ran this job.
#[must_use]
pub fn status(view: &JobView, signals: &Signals, when_failed: Status) -> Status {
    if let (JobState::Paused, Some(number)) = (view.state, signals.first()) {
        return Status::Signal(number);
    }
    match view.state {
        JobState::Done if view.failed + view.blocked == 0 => Status::Done,
        JobState::Done | JobState::Failed | JobState::Cancelled => when_failed,
        JobState::Paused | JobState::Queued | JobState::Running | JobState::Orphaned => Status::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::{Outcome as TenantResult, StepFailure};

    #[test]
    fn who_stood_in_the_way_and_why_a_tenant_was_skipped_are_told() {
        let outcome = |slug: &str, outcome| TenantOutcome {
            key: None,
            slug: slug.into(),
            schema: "tenant_x".into(),
            outcome,
            version: None,
            failure: None,
            note: None,
            steps: (0, 1),
            duration_ms: None,
        };
        let blocker = "pid 4711  app@10.0.0.5 (web)  idle in transaction 01:02:05, query 00:00:12";
        let blocked = TenantOutcome {
            failure: Some(StepFailure {
                version: None,
                sqlstate: Some("55P03".to_owned()),
                message: "canceling statement due to lock timeout".into(),
                statement: None,
                stays: false,
                blocker: Some(blocker.into()),
                tries: 4,
            }),
            ..outcome("acme", TenantResult::Blocked)
        };
        let skipped = TenantOutcome { note: Some("moves tonight".into()), ..outcome("agora", TenantResult::Skipped) };
        let rows = [blocked, skipped].iter().map(|outcome| ResultRow::of("eu-1", outcome)).collect();
        let table = Results { tenants: rows, ..Results::new(Style::Text) }.text().text();
        assert!(table.contains(&format!("lock timeout; blocked by {blocker}")), "{table}");
        assert!(table.contains("note: moves tonight"), "{table}");
    }
}
