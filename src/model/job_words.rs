//! How a job stands, in words: the same on every screen, in dialogs and in the command.

use super::job::{JobKind, JobState, JobView, Waits};
use crate::text::{fit, grouped, time_left, width};

/// Columns that the name of a machine keeps.
const LEAST_MACHINE: usize = 8;

/// One or two words: `running`, `stopping now`, `paused (canary)`.
#[must_use]
pub fn standing(job: &JobView) -> String {
    match (job.state, job.waits) {
        (JobState::Running, _) if job.stop_now => "stopping now".to_owned(),
        (JobState::Running, _) if job.cancel_requested => "stopping".to_owned(),
        (JobState::Running, _) if job.pause_requested => "pausing".to_owned(),
        (JobState::Paused, Some(waits)) => format!("paused ({})", waits.word()),
        (state, _) => state.word().to_owned(),
    }
}

/// The same with what there is to say of it: `paused (budget: 3 failed, the limit is 3)`.
#[must_use]
pub fn standing_in_full(job: &JobView) -> String {
    let reason = job.reason.as_ref().filter(|reason| !reason.is_empty()).map(|reason| reason.safe().to_string());
    match (job.state, job.waits) {
        (JobState::Paused, Some(waits)) => {
            let what = match waits {
                // What to do about it stands beside it: `C goes on`.
                Waits::Canary => waits.word().to_owned(),
                // Who asked is the one thing that its reason adds.
                Waits::Operator => with(waits.word(), reason.filter(|reason| reason != "paused by the operator")),
                Waits::Trouble => with(waits.word(), reason),
                Waits::Budget => match reason {
                    Some(reason) => with(waits.word(), Some(reason)),
                    None => format!("{}: {} failed", waits.word(), job.failed),
                },
                Waits::Process => with("its process ended", reason),
            };
            format!("paused ({what})")
        }
        (JobState::Running, _) => standing(job),
        (JobState::Orphaned, _) => {
            let worker = job.worker.as_ref().map(|worker| format!(" {}", worker.safe())).unwrap_or_default();
            format!("orphaned: its worker{worker} is gone")
        }
        (JobState::Queued | JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled, _) => {
            match reason {
                Some(reason) if reason != job.state.word() => format!("{} ({reason})", standing(job)),
                Some(_) | None => standing(job),
            }
        }
    }
}

/// What is left to do of a running job, where that is known: `about 4 min left`.
#[must_use]
pub fn what_is_left(job: &JobView) -> Option<String> {
    if job.comparing {
        return Some("comparing structures".to_owned());
    }
    // The last tenant is not the end of the job: what follows has no rate to be told by.
    job.left_seconds.filter(|_| job.pending > 0).map(|seconds| format!("{} left", time_left(seconds)))
}

/// A word and what is added to it, said once.
fn with(word: &str, reason: Option<String>) -> String {
    match reason {
        Some(reason) if reason == word => reason,
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    }
}

/// Tenants of a job that are done: nothing of them was skipped.
#[must_use]
pub const fn done(job: &JobView) -> u32 {
    job.done.saturating_sub(job.skipped)
}

/// `, 1 skipped`; nothing where none was.
#[must_use]
pub fn and_skipped(job: &JobView) -> String {
    match job.skipped {
        0 => String::new(),
        skipped => format!(", {} skipped", grouped(skipped.into())),
    }
}

/// Tenants of a job that are through, one way or another.
#[must_use]
pub const fn finished(job: &JobView) -> u32 {
    job.done.saturating_add(job.failed).saturating_add(job.blocked)
}

/// What a bar of its progress counts, done and in all: tenants; of the making of a single one its steps.
#[must_use]
pub const fn counted(job: &JobView) -> (u32, u32) {
    match job.kind {
        JobKind::Life(_) => job.steps,
        JobKind::Provision if job.total <= 1 => job.steps,
        JobKind::Provision
        | JobKind::Migrate
        | JobKind::Rollback
        | JobKind::Redo
        | JobKind::Rehearse
        | JobKind::Import => (finished(job), job.total),
    }
}

/// How far it is: tenants that are through, `61/180`, and of a job that is over those that are done; of the making of a
/// single one its steps, `step 3/6`.
#[must_use]
pub fn progress(job: &JobView) -> String {
    let tenants = || {
        let through = if job.state.is_over() { done(job) } else { finished(job) };
        format!("{through}/{}", job.total)
    };
    match job.kind {
        JobKind::Migrate | JobKind::Rollback | JobKind::Redo | JobKind::Rehearse | JobKind::Import => tenants(),
        JobKind::Provision if job.total > 1 => tenants(),
        JobKind::Provision | JobKind::Life(_) => match (job.steps, job.state) {
            ((_, 0), _) => tenants(),
            ((_, of), JobState::Done) => format!("{of}/{of} steps"),
            ((done, of), _) => format!("step {}/{of}", done.saturating_add(1).min(of)),
        },
    }
}

/// What became of it so far, where nobody reads it as an end: `59 of 180 tenants done, 1 failed, 2 skipped`; of the making
/// of a single one its steps.
#[must_use]
pub fn so_far(job: &JobView) -> String {
    let by_steps = match job.kind {
        JobKind::Life(_) => job.steps.1 > 0,
        JobKind::Provision => job.total <= 1 && job.steps.1 > 0,
        JobKind::Migrate | JobKind::Rollback | JobKind::Redo | JobKind::Rehearse | JobKind::Import => false,
    };
    let done = if by_steps {
        format!("{} of {} steps done", grouped(job.steps.0.into()), grouped(job.steps.1.into()))
    } else {
        let tenants = if job.total == 1 { "tenant" } else { "tenants" };
        format!("{} of {} {tenants} done", grouped(done(job).into()), grouped(job.total.into()))
    };
    let blocked = match job.blocked {
        0 => String::new(),
        blocked => format!(", {} blocked", grouped(blocked.into())),
    };
    format!("{done}, {} failed{blocked}{}", grouped(job.failed.into()), and_skipped(job))
}

/// Who ordered it and where it runs: `by ana, runs on app3 4411`.
#[must_use]
pub fn whose(job: &JobView) -> String {
    whose_narrower(job, 0)
}

/// The same in so many columns less: the name of a machine gives way, as far as it still tells something. The number of
/// the process behind it is what tells one worker from another.
#[must_use]
pub fn whose_narrower(job: &JobView, columns: usize) -> String {
    let place = job.worker.as_ref().filter(|_| job.state == JobState::Running).map(|worker| {
        let worker = worker.safe().to_string();
        let worker = match worker.rsplit_once(' ') {
            Some((machine, process)) => {
                let room = width(machine).saturating_sub(columns).max(LEAST_MACHINE);
                format!("{} {process}", fit(machine, room))
            }
            None => worker,
        };
        if job.mine { format!(", runs here ({worker})") } else { format!(", runs on {worker}") }
    });
    format!("by {}{}", job.created_by.safe(), place.unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::job::JobId;

    pub(crate) fn job(kind: JobKind, state: JobState) -> JobView {
        JobView {
            database: "eu-1".into(),
            id: JobId(17),
            kind,
            what: "180 tenants to 0042".into(),
            state,
            reason: None,
            waits: None,
            attempt: 1,
            total: 180,
            done: 60,
            skipped: 0,
            failed: 1,
            blocked: 0,
            pending: 119,
            created_by: "ana".into(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
            until: None,
            worker: Some("app3 4411".into()),
            mine: false,
            rate_per_minute: None,
            left_seconds: None,
            comparing: false,
            steps: (2, 6),
            pause_requested: false,
            cancel_requested: false,
            stop_now: false,
        }
    }

    #[test]
    fn what_failed_or_was_skipped_is_not_done_when_all_is_over() {
        let mut job = job(JobKind::Migrate, JobState::Running);
        (job.total, job.done, job.skipped, job.failed, job.blocked) = (4, 2, 1, 1, 1);
        assert_eq!(progress(&job), "4/4", "that many are through");
        job.state = JobState::Failed;
        assert_eq!(progress(&job), "1/4");
    }

    #[test]
    fn behind_the_last_tenant_no_time_is_left_but_structures_are_compared() {
        let mut job = JobView { left_seconds: Some(240), ..job(JobKind::Migrate, JobState::Running) };
        assert_eq!(what_is_left(&job).as_deref(), Some("about 4 min left"));
        (job.done, job.pending, job.left_seconds) = (179, 0, Some(0));
        assert_eq!(what_is_left(&job), None);
        job.comparing = true;
        assert_eq!(what_is_left(&job).as_deref(), Some("comparing structures"));
    }

    #[test]
    fn a_running_job_says_what_was_asked_of_it() {
        let mut job = job(JobKind::Migrate, JobState::Running);
        assert_eq!((standing(&job), progress(&job)), ("running".into(), "61/180".into()));
        assert_eq!(whose(&job), "by ana, runs on app3 4411");
        job.pause_requested = true;
        assert_eq!(standing(&job), "pausing");
        job.cancel_requested = true;
        assert_eq!(standing(&job), "stopping");
        job.stop_now = true;
        assert_eq!(standing(&job), "stopping now");
        job.mine = true;
        assert_eq!(whose(&job), "by ana, runs here (app3 4411)");
    }

    #[test]
    fn a_paused_job_says_what_it_waits_for() {
        let paused = |waits, reason: Option<&str>| {
            let mut job = job(JobKind::Migrate, JobState::Paused);
            (job.waits, job.reason) = (Some(waits), reason.map(Into::into));
            (standing(&job), standing_in_full(&job))
        };
        let said =
            |waits, reason, short: &str, full: &str| assert_eq!(paused(waits, reason), (short.into(), full.into()));
        said(Waits::Canary, Some("canary"), "paused (canary)", "paused (canary)");
        said(Waits::Operator, Some("paused by ana"), "paused (operator)", "paused (operator: paused by ana)");
        said(Waits::Operator, Some("paused by the operator"), "paused (operator)", "paused (operator)");
        said(Waits::Budget, None, "paused (budget)", "paused (budget: 1 failed)");
        said(
            Waits::Budget,
            Some("3 failed, the limit is 3"),
            "paused (budget)",
            "paused (budget: 3 failed, the limit is 3)",
        );
        said(Waits::Process, Some("SIGTERM"), "paused (process)", "paused (its process ended: SIGTERM)");
        said(Waits::Trouble, None, "paused (trouble)", "paused (trouble)");
        let mut cancelled = job(JobKind::Migrate, JobState::Cancelled);
        cancelled.reason = Some("cancelled".into());
        assert_eq!(standing_in_full(&cancelled), "cancelled");
        assert_eq!(
            standing_in_full(&job(JobKind::Migrate, JobState::Orphaned)),
            "orphaned: its worker app3 4411 is gone"
        );
    }

    #[test]
    fn a_queued_job_says_why_it_was_left() {
        let mut job = job(JobKind::Migrate, JobState::Queued);
        assert_eq!(standing_in_full(&job), "queued");
        job.reason = Some("left by app3 4411: 1.up.sql changed".into());
        assert_eq!(standing_in_full(&job), "queued (left by app3 4411: 1.up.sql changed)");
    }

    #[test]
    fn what_was_skipped_is_through_and_not_done() {
        let mut job = job(JobKind::Migrate, JobState::Running);
        assert_eq!((done(&job), and_skipped(&job), progress(&job)), (60, String::new(), "61/180".into()));
        job.skipped = 2;
        assert_eq!((done(&job), and_skipped(&job), progress(&job)), (58, ", 2 skipped".into(), "61/180".into()));
    }

    #[test]
    fn what_failed_or_was_blocked_is_not_done_while_a_job_waits_either() {
        let mut job = job(JobKind::Migrate, JobState::Paused);
        (job.done, job.failed) = (2, 1);
        assert_eq!((progress(&job), so_far(&job)), ("3/180".into(), "2 of 180 tenants done, 1 failed".into()));
        (job.done, job.skipped, job.blocked) = (1_004, 2, 3);
        job.total = 1_200;
        assert_eq!(so_far(&job), "1,002 of 1,200 tenants done, 1 failed, 3 blocked, 2 skipped");
        (job.kind, job.total, job.failed) = (JobKind::Provision, 1, 1);
        (job.done, job.skipped, job.blocked) = (0, 0, 0);
        assert_eq!(so_far(&job), "2 of 6 steps done, 1 failed");
    }

    #[test]
    fn provisioning_one_tenant_counts_its_steps() {
        let one = |state| JobView { total: 1, ..job(JobKind::Provision, state) };
        assert_eq!(progress(&one(JobState::Running)), "step 3/6");
        assert_eq!(progress(&one(JobState::Failed)), "step 3/6");
        assert_eq!(progress(&one(JobState::Done)), "6/6 steps");
        assert_eq!(counted(&one(JobState::Running)), (2, 6));
        let many = job(JobKind::Provision, JobState::Running);
        assert_eq!((progress(&many), counted(&many)), ("61/180".into(), (61, 180)));
        let mut all = one(JobState::Running);
        all.steps = (6, 6);
        assert_eq!(progress(&all), "step 6/6");
        all.steps = (0, 0);
        assert_eq!(progress(&all), "61/1");
    }
}
