//! A worker's place at one database: which job is next, running it, and what is said of it, once. Must not decide when
//! the worker ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::running::{self, Broken};
use crate::cli::exit::{Failure, Status};
use crate::cli::output;
use crate::cli::session::Session;
use crate::jobs::orders::OrderError;
use crate::jobs::rescue::Rescues;
use crate::model::job::{JobId, Waits};
use crate::postgres::session::Target;

/// A job that another worker was quicker to claim is looked at again after so long.
const BUSY: Duration = Duration::from_secs(2);
/// A job that cannot be run here is tried again after so long: its files may arrive.
const REFUSED: Duration = Duration::from_secs(60);

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// This job.
    Job(JobId),
    /// Something, but not before so long.
    Wait(Duration),
    /// Nothing.
    Nothing,
}

/// A worker's place at one database.
pub(super) struct Bench<'a> {
    session: &'a Session,
    target: &'a Target,
    /// Before each line: the database's name.
    prefix: String,
    /// The worker ends by itself: what could not be taken is not tried again.
    finite: bool,
    /// Which jobs may be taken, and since when those are seen that nobody has any more.
    rescues: Rescues,
    /// Not to be taken before.
    held: BTreeMap<JobId, Instant>,
    /// What was said already.
    said: BTreeSet<String>,
    /// A job was left that nobody else has.
    left_out: bool,
}

impl<'a> Bench<'a> {
    pub(super) fn new(session: &'a Session, target: &'a Target, finite: bool) -> Self {
        Self {
            session,
            target,
            prefix: format!("{}: ", target.config.name),
            finite,
            rescues: Rescues::new(finite),
            held: BTreeMap::new(),
            said: BTreeSet::new(),
            left_out: false,
        }
    }

    /// Says something about this database.
    pub(super) fn say(&self, words: &str) {
        output::note(format!("{}{words}", self.prefix));
    }

    /// Says it unless it was said before.
    pub(super) fn say_once(&mut self, words: &str) {
        if self.said.insert(words.to_owned()) {
            self.say(words);
        }
    }

    /// What was said may be said again: things have changed.
    pub(super) fn forget_said(&mut self) {
        self.said.clear();
    }

    /// Partly, where a job was left that nobody else has.
    pub(super) fn left(&self) -> Status {
        if self.left_out { Status::Partly } else { Status::Done }
    }

    /// The oldest job that may be taken now.
    ///
    /// # Errors
    /// When the record cannot be read, or the database may not be written.
    pub(super) async fn next(&mut self) -> Result<Next, OrderError> {
        let jobs = match self.rescues.claimable(self.target).await {
            Ok(jobs) => jobs,
            Err(OrderError::NotInitialised(_)) => {
                if !self.finite {
                    self.say_once("it has no tenantui schema yet: there are jobs once `tenantui init` was run");
                }
                return Ok(Next::Nothing);
            }
            Err(error) => return Err(error),
        };
        let left: Vec<String> =
            self.rescues.left().iter().map(|(job, error)| format!("job {job} is left: {error}")).collect();
        self.left_out |= !left.is_empty();
        for words in &left {
            self.say_once(words);
        }
        let now = Instant::now();
        self.held.retain(|job, until| jobs.contains(job) && (self.finite || *until > now));
        if let Some(job) = jobs.iter().find(|job| !self.held.contains_key(job)) {
            return Ok(Next::Job(*job));
        }
        let mut waits: Vec<Duration> = self.rescues.next().into_iter().collect();
        if !self.finite {
            waits.extend(self.held.values().map(|until| until.saturating_duration_since(now)));
            waits.extend((!left.is_empty()).then_some(REFUSED));
        }
        Ok(waits.into_iter().min().map_or(Next::Nothing, Next::Wait))
    }

    /// Runs a job. An error: the link is gone, or the process has to end now.
    pub(super) async fn run(&mut self, job: JobId) -> Result<Status, Failure> {
        match running::run_as_ordered(self.target, job, &self.prefix, &self.session.signals).await {
            Ok(view) => {
                self.say(&running::progress_line(&view));
                if view.waits == Some(Waits::Process) {
                    self.say(&format!("`{}` goes on with it", running::resume(self.target, job)));
                }
                Ok(running::status(&view, &self.session.signals, Status::Partly))
            }
            Err(Broken::Order(error @ OrderError::Busy { .. })) => {
                tracing::debug!(%job, %error, "somebody else was quicker");
                self.hold(job, BUSY);
                Ok(Status::Done)
            }
            Err(Broken::Order(error @ OrderError::Over(_))) => {
                tracing::debug!(%job, %error, "it ended between the look at it and its claim");
                Ok(Status::Done)
            }
            Err(Broken::Order(
                error @ (OrderError::Refused(_)
                | OrderError::Unconfigured(_)
                | OrderError::Query(_)
                | OrderError::NotInitialised(_)),
            )) => {
                self.leave(job, &error);
                Ok(Status::Done)
            }
            Err(broken @ (Broken::Order(OrderError::Link(_)) | Broken::Overdue(_))) => Err(broken.into()),
        }
    }

    /// Leaves a job to others, and says why, once.
    fn leave(&mut self, job: JobId, error: &OrderError) {
        self.left_out = true;
        self.say_once(&format!("job {job} is left: {error}"));
        self.hold(job, REFUSED);
    }

    fn hold(&mut self, job: JobId, time: Duration) {
        self.held.insert(job, Instant::now() + time);
    }
}
