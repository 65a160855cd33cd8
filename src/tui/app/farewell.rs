//! The line that is left on the terminal: how long, on what, which jobs were ordered and how they stand.

use super::App;
use crate::model::flush::FlushState;
use crate::model::job::{JobState, JobView};
use crate::model::job_words::progress;
use crate::text::{counted, sanitise, short_age};

impl App {
    /// The line, safe to print.
    #[must_use]
    pub fn farewell(&self) -> String {
        let names: Vec<String> = self.databases.iter().map(|database| sanitise(&database.name)).collect();
        let on = match names.as_slice() {
            [] => "no database".to_owned(),
            [name] => name.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        let time = short_age(self.state.now.elapsed.as_secs());
        let jobs: Vec<&JobView> = self.ordered.iter().filter_map(|key| self.state.job(key)).collect();
        let mut words = format!("{time} on {on}; ");
        match (jobs.len(), self.written) {
            (0, 0) => words.push_str("nothing was written"),
            (0, 1) => words.push_str("one order was given"),
            (0, count) => words.push_str(&format!("{count} orders were given")),
            (count, _) => {
                let all: Vec<String> = jobs.iter().map(|job| standing(job)).collect();
                words.push_str(&format!("{} ordered: {}", counted(count, "job"), all.join(", ")));
            }
        }
        let waiting = self.state.jobs.jobs.iter().find(|job| job.mine && goes_on(job.state));
        if let Some(job) = waiting {
            let database =
                if names.len() > 1 { format!(" --database {}", sanitise(&job.database)) } else { String::new() };
            words.push_str(&format!("; to go on: tenantui job {} resume{database}", job.id));
        }
        if let Some(flush) = self.state.flush.as_ref()
            && let FlushState::Running { removed } = flush.state
        {
            let (slug, removed) = (flush.slug.safe(), counted(removed, "key"));
            words.push_str(&format!("; the cache of {slug} was left half flushed: {removed} removed"));
        }
        words
    }
}

fn standing(job: &JobView) -> String {
    let word = format!("{} {}", job.id, job.state.word());
    if job.state == JobState::Done { word } else { format!("{word} at {}", progress(job)) }
}

const fn goes_on(state: JobState) -> bool {
    match state {
        JobState::Paused | JobState::Running | JobState::Orphaned | JobState::Queued => true,
        JobState::Done | JobState::Failed | JobState::Cancelled => false,
    }
}
