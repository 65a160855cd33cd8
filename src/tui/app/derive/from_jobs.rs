//! What follows from the jobs: their list, the reading positions in it and in results, their counters.

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

/// Whether what a worker told is newer than what the record said when it was read. The record is read now and then,
/// the worker tells at once.
fn is_newer(told: &JobView, record: &JobView) -> bool {
    let progress = |job: &JobView| (job.attempt, job.done + job.failed + job.blocked);
    if told.state.is_over() != record.state.is_over() && told.attempt == record.attempt {
        return told.state.is_over();
    }
    // Another process's job is watched besides, at shorter intervals than the record is read.
    let is_same_run = told.attempt == record.attempt && told.state == record.state;
    (told.mine && progress(told) >= progress(record)) || (is_same_run && progress(told) > progress(record))
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
    (state.counters.jobs_running, state.counters.jobs_failed) = (count(JobState::Running), count(JobState::Failed));
}
