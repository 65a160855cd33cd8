//! What the Jobs screen says of a job: how long it took, who runs it, of which moment its results are.

use tenantui::model::job::JobView;

use super::super::control::outcome;
use super::super::desk::epoch;
use super::*;

fn seconds(seconds: i64) -> Option<jiff::Timestamp> {
    Some(epoch() + jiff::SignedDuration::from_secs(seconds))
}

/// The row of a job.
fn row(desk: &Desk, id: &str) -> String {
    let text = desk.text();
    text.lines()
        .find(|line| line.contains(id) && line.contains(" migrate "))
        .unwrap_or_else(|| panic!("no {id}: {text}"))
        .to_owned()
}

/// What waits took as long as the record says, whenever somebody looks and on whichever clock.
#[test]
fn a_job_that_waits_does_not_age() {
    let mut desk = Desk::new(Environment::Production);
    desk.wait(Duration::from_secs(7));
    let stood = |id, state| JobView { until: seconds(130), ..job(id, JobKind::Migrate, state, [3, 1, 0, 2]) };
    desk.job(stood(17, JobState::Paused));
    desk.job(stood(18, JobState::Orphaned));
    desk.job(JobView { started_at: None, ..job(19, JobKind::Migrate, JobState::Queued, [3, 0, 0, 3]) });
    desk.keys("3");
    for _ in 0..2 {
        assert!(row(&desk, " 17 ").ends_with("02:10") && row(&desk, " 18 ").ends_with("02:10"), "{}", desk.text());
        assert!(row(&desk, " 19 ").ends_with('-'), "{}", desk.text());
        desk.wait(Duration::from_secs(3_600));
        desk.keys("j");
    }
    desk.job(JobView { until: None, ..job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]) });
    desk.wait(Duration::from_secs(3));
    desk.draw();
    assert!(row(&desk, " 17 ").ends_with("2:00:10"), "{}", desk.text());
}

/// Of who runs it the name of the machine gives way, and never what tells one worker from another.
#[test]
fn what_there_is_to_say_of_a_job_is_not_cut() {
    let mut desk = Desk::new(Environment::Production);
    let running = JobView {
        worker: Some("tenantui-worker-7f9c6d5b8-xk2lp.internal.example.com 4194303".into()),
        created_by: "deploy".into(),
        attempt: 12,
        rate_per_minute: Some(1_200),
        left_seconds: Some(240),
        mine: false,
        ..job(17, JobKind::Migrate, JobState::Running, [9_000, 7_000, 0, 2_000])
    };
    desk.job(running.clone());
    desk.keys("3");
    let text = desk.text();
    let title = text.lines().find(|line| line.contains("-- job 17")).expect("a title");
    assert!(title.contains("runs on tenant.. 4194303, attempt 12, about 4 min left"), "{text}");
    let reason = "no link to eu-1: connection to server at db1.internal.example.com (10.2.3.4), port 5432 failed: \
                  no route to host; the last words";
    desk.job(JobView {
        state: JobState::Paused,
        waits: Some(tenantui::model::job::Waits::Trouble),
        reason: Some(reason.into()),
        ..running
    });
    assert!(desk.text().contains("the last words)"), "{}", desk.text());
}

#[test]
fn behind_the_last_tenant_structures_are_compared() {
    let mut desk = Desk::new(Environment::Production);
    let through = JobView { left_seconds: Some(0), ..job(17, JobKind::Migrate, JobState::Running, [3, 3, 0, 0]) };
    desk.job(through.clone());
    assert!(!desk.text().contains(" left"), "{}", desk.text());
    desk.job(JobView { comparing: true, left_seconds: None, ..through });
    assert!(desk.text().contains("3/3  comparing structures"), "{}", desk.text());
    desk.keys("3");
    assert!(desk.text().contains("(host 1), comparing structures --"), "{}", desk.text());
}

/// Rows and sums come one after the other: rows that are of an earlier moment say of which.
#[test]
fn results_of_an_earlier_moment_say_so() {
    let mut desk = Desk::sized(Environment::Production, (200, 50));
    let at = |done| job(22, JobKind::Migrate, JobState::Running, [3, done, 0, 3 - done]);
    desk.job(at(1));
    desk.keys("3");
    let told = |desk: &mut Desk, all: [Outcome; 3]| {
        let all = ["acme", "acorn", "alba"].iter().zip(all);
        let outcomes = all.map(|(slug, one)| outcome(slug, one, None)).collect();
        desk.event(Event::Job(JobEvent::Outcomes { database: "eu-1".into(), job: JobId(22), outcomes }));
        desk.draw();
    };
    desk.wait(Duration::from_secs(1));
    told(&mut desk, [Outcome::Done, Outcome::Running, Outcome::Pending]);
    assert!(desk.text().contains("Results of job 22 "), "{}", desk.text());
    assert!(!desk.text().contains("as of"), "{}", desk.text());
    let asked = |desk: &mut Desk| {
        let read = |command: &Command| {
            matches!(command, Command::Service { command: ServiceCommand::ReadOutcomes(JobId(22)), .. })
        };
        desk.commands.drain(..).any(|command| read(&command))
    };
    asked(&mut desk);
    // That all are through is known at once: the rows are asked for, whatever their pace.
    desk.job(at(3));
    assert!(desk.text().contains("Results of job 22 as of 10:30:01"), "{}", desk.text());
    assert!(asked(&mut desk));
    desk.keys("<Enter>");
    assert!(desk.text().contains("rows as of 10:30:01"), "{}", desk.text());
    told(&mut desk, [Outcome::Done; 3]);
    assert!(!desk.text().contains("as of"), "{}", desk.text());
}

#[test]
fn where_there_is_no_job_no_log_is_followed() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("3");
    assert!(!desk.text().contains("following log"), "{}", desk.text());
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    assert!(desk.text().contains("following log (f)"), "{}", desk.text());
}
