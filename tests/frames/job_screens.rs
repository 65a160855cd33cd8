//! The screens of jobs and their results.

use super::*;

#[test]
fn jobs_normal_paused_stale_and_empty() {
    scene("jobs", |stage| {
        stage.keys("3");
        stage.event(Event::Job(JobEvent::Outcomes { database: eu1(), job: JobId(17), outcomes: outcomes() }));
    });
    scene("jobs_paused", |stage| {
        let mut job = stage.snapshot.jobs[0].clone();
        (job.state, job.reason) = (JobState::Paused, Some("canary".into()));
        (job.rate_per_minute, job.left_seconds) = (None, None);
        stage.event(Event::Job(JobEvent::Job(Box::new(job))));
        stage.keys("3");
    });
    scene("jobs_waits_and_orphans", |stage| {
        let told = |stage: &mut Stage, job: JobView| stage.event(Event::Job(JobEvent::Job(Box::new(job))));
        let mut budget = stage.snapshot.jobs[0].clone();
        (budget.state, budget.waits, budget.reason) =
            (JobState::Paused, Some(Waits::Budget), Some("3 failed, the limit is 3".into()));
        (budget.failed, budget.done, budget.rate_per_minute, budget.left_seconds) = (3, 58, None, None);
        told(stage, budget);
        let mut orphan = stage.snapshot.jobs[0].clone();
        (orphan.id, orphan.state, orphan.mine, orphan.attempt) = (JobId(14), JobState::Orphaned, false, 2);
        (orphan.worker, orphan.created_by, orphan.what) =
            (Some("web-7 99".into()), "ben".into(), "12 tenants to 0041".into());
        (orphan.created_at, orphan.total, orphan.done, orphan.pending) = (at(-900), 12, 4, 7);
        told(stage, orphan);
        let mut making = stage.snapshot.jobs[2].clone();
        (making.id, making.state, making.failed, making.pending) = (JobId(13), JobState::Running, 0, 1);
        (making.mine, making.created_by, making.worker) = (false, "ben".into(), Some("web-7 98".into()));
        (making.created_at, making.ended_at, making.reason) = (at(-950), None, None);
        told(stage, making);
        stage.keys("3");
    });
    scene("jobs_stopping_now", |stage| {
        let mut job = stage.snapshot.jobs[0].clone();
        (job.cancel_requested, job.stop_now) = (true, true);
        stage.event(Event::Job(JobEvent::Job(Box::new(job))));
        stage.keys("3");
    });
    scene("jobs_of_another_process", |stage| {
        let mut job = stage.snapshot.jobs[1].clone();
        (job.state, job.mine, job.created_by, job.worker) =
            (JobState::Running, false, "ben".into(), Some("web-7 99".into()));
        stage.event(Event::Job(JobEvent::Job(Box::new(job))));
        stage.keys("3 j");
        stage.event(Event::Job(JobEvent::Outcomes { database: eu1(), job: JobId(16), outcomes: outcomes() }));
    });
    scene("jobs_zoom_wrap", |stage| stage.keys("3 z w"));
    scene("jobs_link_lost", |stage| {
        stage.keys("3");
        lose_link(stage);
    });
    for size in SIZES {
        let mut stage = Stage::silent(size, Environment::Development, "default");
        stage.snapshot.jobs.clear();
        stage.snapshot.databases[0].initialised = Some(false);
        stage.snapshot.tenants = tenants(5).into_iter().map(Arc::new).collect();
        stage.show();
        stage.keys("3");
        check("jobs_empty", &stage);
    }
}

/// A fleet of ten thousand: what gives way is the bar and words, and no digit.
#[test]
fn the_numbers_of_a_large_job_are_whole() {
    for size in SIZES {
        let mut stage = Stage::silent(size, Environment::Development, "default");
        let mut job = stage.snapshot.jobs[0].clone();
        (job.what, job.state) = ("10,044 tenants, 10,044 migrations to 20260504070000".into(), JobState::Done);
        (job.total, job.done, job.failed, job.blocked, job.pending) = (10_044, 10_044, 0, 0, 0);
        stage.snapshot.jobs = vec![job];
        stage.show();
        stage.keys("3");
        let frame = text(&stage.frame());
        assert!(frame.contains("10044/10044"), "{frame}");
    }
}

#[test]
fn job_results_and_messages() {
    scene("job_result", |stage| {
        stage.keys("3 Enter");
        stage.event(Event::Job(JobEvent::Outcomes { database: eu1(), job: JobId(17), outcomes: outcomes() }));
    });
    scene("audit", |stage| {
        stage.keys(": a u d i t Enter");
        let filter = stage.audit_asked.clone().expect("asked");
        stage.event(Event::Job(JobEvent::Audit { database: eu1(), filter, lines: sample::audit() }));
        stage.keys("j");
    });
    scene("audit_line", |stage| {
        stage.keys(": a u d i t Enter");
        let filter = stage.audit_asked.clone().expect("asked");
        stage.event(Event::Job(JobEvent::Audit { database: eu1(), filter, lines: sample::audit() }));
        stage.keys("j Enter");
    });
    scene("messages", |stage| {
        lose_link(stage);
        stage.event(Event::Copied(Err("the terminal does not take OSC 52".into())));
        stage.keys(": m e s s a g e s Enter");
    });
}
