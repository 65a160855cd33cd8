//! Keeps the results of the job in front current: read when the cursor rests on it, and again when its numbers
//! changed, less often the more tenants it has. Of jobs that run elsewhere nothing else is known.

use std::collections::BTreeMap;
use std::time::Duration;

use super::App;
use super::command::Command;
use super::event::Now;
use super::state::{Screen, State};
use crate::jobs::service::ServiceCommand;
use crate::model::job::{JobId, JobState, JobView, Outcome, TenantOutcome};
use crate::model::job_words::finished;
use crate::model::tenant::DatabaseName;

/// A job is read when the cursor rested on it this long.
const REST: Duration = Duration::from_millis(250);

/// Time between two readings of one job in the same state: this, and half of it for each thousand tenants, which are read
/// in some 10 ms.
const PACE: Duration = Duration::from_secs(2);

type Key = (DatabaseName, JobId);

/// What results depend on.
type Numbers = (JobState, i32, [u32; 4], (u32, u32));

/// What was read of which job.
#[derive(Debug, Default)]
pub(super) struct Results {
    rests_on: Option<Key>,
    since: Duration,
    /// When each was asked for last, and the numbers that its answer is of; none where it was refused.
    asked: BTreeMap<Key, (Option<Numbers>, Duration)>,
}

fn numbers(job: &JobView) -> Numbers {
    (job.state, job.attempt, [job.done, job.failed, job.blocked, job.pending], job.steps)
}

/// The moment that the rows of a job's results are of, where its sums say already that more tenants are through.
#[must_use]
pub fn of_an_earlier_moment(state: &State, job: &JobView) -> Option<jiff::Timestamp> {
    let key = (job.database.clone(), job.id);
    let rows = state.jobs.outcomes.get(&key)?;
    let is = |outcome: &TenantOutcome| match outcome.outcome {
        Outcome::Done | Outcome::Skipped | Outcome::Failed | Outcome::Unknown | Outcome::Blocked => true,
        Outcome::Running | Outcome::Pending | Outcome::LeftOut => false,
    };
    let through = u32::try_from(rows.iter().filter(|row| is(row)).count()).unwrap_or(u32::MAX);
    if through < finished(job) { state.jobs.outcomes_at.get(&key).copied() } else { None }
}

impl App {
    fn job_in_front(&self) -> Option<&JobView> {
        match self.state.screen {
            Screen::Jobs => self.state.cursor_job(),
            Screen::JobResult => self.state.jobs.result_of.as_ref().and_then(|key| self.state.job(key)),
            Screen::Tenants
            | Screen::Tenant
            | Screen::Migrations
            | Screen::Messages
            | Screen::Audit
            | Screen::Server => None,
        }
    }

    /// Asks for the results of a job.
    pub(super) fn ask_results(&mut self, key: Key) -> Command {
        if let Some(job) = self.state.job(&key) {
            let asked = (Some(numbers(job)), self.state.now.elapsed);
            self.results.asked.insert(key.clone(), asked);
        }
        Command::Service { database: key.0, command: ServiceCommand::ReadOutcomes(key.1) }
    }

    /// A reading of this database was refused: what was asked for and did not come is asked for again, in its pace.
    pub(super) fn results_refused(&mut self, database: &DatabaseName) {
        let came = &self.state.jobs.outcomes;
        let asked = self.results.asked.iter_mut();
        for (_, (known, _)) in asked.filter(|(key, _)| key.0 == *database && !came.contains_key(*key)) {
            *known = None;
        }
    }

    /// When the results of the job in front have to be read; `None`: they are current.
    pub(super) fn results_due(&self) -> Option<Duration> {
        let job = self.job_in_front()?;
        let linked = self.state.latest.database(&job.database).is_some_and(|view| view.link.is_up());
        let key = (job.database.clone(), job.id);
        if !linked {
            return None;
        }
        let rested =
            if self.results.rests_on.as_ref() == Some(&key) { self.results.since } else { self.state.now.elapsed };
        match self.results.asked.get(&key) {
            Some((known, _)) if *known == Some(numbers(job)) => None,
            // What it came to stand at is no matter of pace.
            Some((Some((state, attempt, ..)), _)) if (*state, *attempt) != (job.state, job.attempt) => {
                Some(rested + REST)
            }
            // That all are through is said by the sums at once, and by the rows as soon.
            Some((Some((_, _, [_, _, _, pending], _)), _)) if *pending > 0 && job.pending == 0 => Some(rested + REST),
            Some((_, at)) => Some((*at + PACE + PACE / 2 * (job.total / 1_000)).max(rested + REST)),
            None => Some(rested + REST),
        }
    }

    /// Asks for the results of the job in front where that is due.
    pub(super) fn read_results(&mut self, now: Now) -> Option<Command> {
        let front = self.job_in_front().map(|job| (job.database.clone(), job.id));
        if self.results.rests_on != front {
            self.results.rests_on.clone_from(&front);
            self.results.since = now.elapsed;
        }
        let due = self.results_due()?;
        if due > now.elapsed {
            return None;
        }
        front.map(|key| self.ask_results(key))
    }
}
