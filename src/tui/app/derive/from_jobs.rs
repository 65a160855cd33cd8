//! What follows from the jobs: their list, the reading positions in it and in results, their counters.

use std::cmp::Ordering;

use super::settle;
use crate::model::job::{JobState, JobView};
use crate::text::Untrusted;
use crate::tui::app::state::{List, Screen, State};

/// The jobs: the record's, and what the workers told since.
pub fn jobs(state: &mut State) {
    let known = std::mem::take(&mut state.jobs.jobs);
    let mut merged: Vec<JobView> = state.latest.jobs.clone();
    for told in known {
        match merged.iter_mut().find(|job| job.database == told.database && job.id == told.id) {
            Some(job) => {
                if is_newer(&told, job) {
                    *job = told;
                }
            }
            None => merged.push(told),
        }
    }
    state.jobs.jobs = merged;
    sort_jobs(state);
}

/// Whether what a worker told, or what was seen of another process's job, is newer than what the record said when it was
/// read: that is read now and then and takes long in a large fleet, a worker tells at once. An attempt only grows, what is
/// through only grows within it, and it ends once.
fn is_newer(told: &JobView, record: &JobView) -> bool {
    let reached = |job: &JobView| (job.attempt, job.done + job.failed + job.blocked, stage(job.state));
    match reached(told).cmp(&reached(record)) {
        Ordering::Greater => true,
        Ordering::Equal => told.mine,
        Ordering::Less => false,
    }
}

/// How far an attempt is by its state. A worker that lost its lock may find it again: those two stand side by side.
const fn stage(state: JobState) -> u8 {
    match state {
        JobState::Queued => 0,
        JobState::Running | JobState::Orphaned => 1,
        JobState::Paused => 2,
        JobState::Done | JobState::Failed | JobState::Cancelled => 3,
    }
}

/// Takes over what a worker told of a job. Whether something changed.
pub fn job_told(state: &mut State, told: JobView) -> bool {
    match state.jobs.jobs.iter_mut().find(|job| job.database == told.database && job.id == told.id) {
        Some(job) if *job == told => return false,
        Some(job) => *job = told,
        None => state.jobs.jobs.push(told),
    }
    sort_jobs(state);
    super::open_tenant(state);
    counters(state);
    true
}

fn sort_jobs(state: &mut State) {
    state.jobs.jobs.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.id.cmp(&a.id)));
    let shown = state.jobs.jobs.iter().enumerate().filter(|(_, job)| state.shows(&job.database));
    state.jobs.shown = shown.map(|(at, _)| at).collect();
    let keys: Vec<_> = state.shown_jobs().map(|job| (job.database.clone(), job.id)).collect();
    if !state.jobs.moved && state.jobs.follow && !is_watched(state) {
        state.jobs.list = List::default();
    }
    settle(&mut state.jobs.list, keys.len(), |row| keys.get(row));
    results(state);
}

/// Whether somebody is looking at the job under the cursor, of which there is more to come.
fn is_watched(state: &State) -> bool {
    state.screen == Screen::Jobs && state.cursor_job().is_some_and(|job| !job.state.is_over())
}

/// The reading position in the results that are in front.
pub fn results(state: &mut State) {
    let Some(key) = &state.jobs.result_of else { return };
    let outcomes = state.jobs.outcomes.get(key).map(Vec::as_slice).unwrap_or_default();
    let keys: Vec<Untrusted> = outcomes.iter().map(|outcome| outcome.schema.clone()).collect();
    if !state.jobs.result_moved {
        // Who runs now goes to the end when it is done: the reader stays with what is first.
        state.jobs.result = List::default();
    }
    settle(&mut state.jobs.result, keys.len(), |row| keys.get(row));
}

/// The numbers of line 2 that jobs have.
pub(super) fn counters(state: &mut State) {
    let count = |wanted: JobState| state.shown_jobs().filter(|job| job.state == wanted).count();
    let counts =
        [JobState::Running, JobState::Queued, JobState::Paused, JobState::Orphaned, JobState::Failed].map(count);
    let counters = &mut state.counters;
    [counters.jobs_running, counters.jobs_queued, counters.jobs_paused, counters.jobs_orphaned, counters.jobs_failed] =
        counts;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::{JobId, JobKind};

    fn job(attempt: i32, done: u32, state: JobState) -> JobView {
        JobView {
            database: "eu-1".into(),
            id: JobId(7),
            kind: JobKind::Migrate,
            what: "9 tenants to 0042".into(),
            state,
            reason: None,
            waits: None,
            attempt,
            total: 9,
            done,
            skipped: 0,
            failed: 0,
            blocked: 0,
            pending: 9 - done,
            created_by: "ana".into(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
            until: None,
            worker: None,
            mine: false,
            rate_per_minute: None,
            left_seconds: None,
            comparing: false,
            steps: (done, 9),
            pause_requested: false,
            cancel_requested: false,
            stop_now: false,
        }
    }

    #[test]
    fn what_was_read_before_takes_nothing_back() {
        use JobState::{Cancelled, Done, Orphaned, Paused, Running};
        for (told, record) in [
            // Gone on with and paused again, while a reading of the pause before it was still on its way.
            (job(3, 6, Paused), job(2, 4, Paused)),
            (job(3, 4, Running), job(2, 4, Orphaned)),
            (job(2, 5, Paused), job(2, 4, Running)),
            (job(2, 5, Paused), job(2, 5, Running)),
            (job(2, 9, Done), job(2, 9, Running)),
            (job(1, 4, Cancelled), job(1, 4, Paused)),
        ] {
            assert!(is_newer(&told, &record), "{told:?} {record:?}");
            assert!(!is_newer(&record, &told), "{told:?} {record:?}");
        }
        // Of what stands alike the record is believed, but where it is this process's own.
        assert!(!is_newer(&job(1, 4, Running), &job(1, 4, Orphaned)));
        assert!(is_newer(&JobView { mine: true, ..job(1, 4, Running) }, &job(1, 4, Orphaned)));
    }
}
