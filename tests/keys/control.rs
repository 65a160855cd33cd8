//! Control of jobs: pause, continue, retry, skip, stop and stop now; of this process and of others.

use tenantui::jobs::service::ServiceCommand;
use tenantui::model::environment::Environment;
use tenantui::model::job::{
    JobEvent, JobId, JobKind, JobState, JobView, LogLine, LogMark, Outcome, StepFailure, TenantOutcome, Waits,
};
use tenantui::model::ledger::Version;
use tenantui::model::tenant::TenantKey;
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Screen;
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, FILES, epoch, job};

pub fn outcome(slug: &str, outcome: Outcome, failure: Option<(&str, &str)>) -> TenantOutcome {
    TenantOutcome {
        key: Some(TenantKey::row(&"eu-1".into(), slug)),
        slug: slug.into(),
        schema: format!("tenant_{slug}").into(),
        outcome,
        version: Some(Version::new(FILES[1])),
        failure: failure.map(|(code, message)| StepFailure {
            version: Some(Version::new(FILES[2])),
            sqlstate: Some(code.to_owned()),
            message: message.into(),
            statement: None,
            stays: false,
            blocker: Some("pid 4411  app@web-3  idle in transaction 00:03:12".into()),
            tries: 3,
        }),
        note: None,
        steps: (0, 2),
        duration_ms: None,
    }
}

/// A dashboard with writes open and the results of job 20, which waits: three tenants were kept out by locks, one
/// failed for another reason.
fn desk() -> Desk {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    let mut paused = job(20, JobKind::Migrate, JobState::Paused, [6, 1, 1, 1]);
    (paused.blocked, paused.waits, paused.mine) = (3, Some(Waits::Budget), false);
    desk.job(paused);
    let locked = Some(("55P03", "canceling statement due to lock timeout"));
    let outcomes = vec![
        outcome("acorn", Outcome::Failed, Some(("42P07", "relation \"tenant_acorn.notes\" already exists"))),
        outcome("acme", Outcome::Blocked, locked),
        outcome("alba", Outcome::Blocked, locked),
        outcome("agora", Outcome::Blocked, locked),
        outcome("abacus", Outcome::Done, None),
        outcome("zebra-corp", Outcome::Pending, None),
    ];
    desk.keys("3<Enter>");
    desk.event(Event::Job(JobEvent::Outcomes { database: "eu-1".into(), job: JobId(20), outcomes }));
    desk.draw();
    desk.writes();
    desk
}

fn skips(commands: &[ServiceCommand]) -> Vec<(&str, &str)> {
    let skip = |command: &ServiceCommand| matches!(command, ServiceCommand::Skip { job: JobId(20), .. });
    assert!(commands.iter().all(skip), "{commands:?}");
    commands
        .iter()
        .filter_map(|command| match command {
            ServiceCommand::Skip { schema, note, .. } => Some((schema.as_str(), note.as_str())),
            _ => None,
        })
        .collect()
}

/// Of a job that waits it is told what became of its tenants, and going on with it is at hand, also at 80 columns.
#[test]
fn a_job_that_waits_after_its_canary_counts_nobody_as_done_who_failed() {
    let mut desk = Desk::new(Environment::Development);
    let mut paused = job(20, JobKind::Migrate, JobState::Paused, [6, 2, 1, 3]);
    paused.waits = Some(Waits::Canary);
    desk.job(paused);
    desk.draw();
    assert!(desk.text().contains("jobs 1 paused"), "{}", desk.text());
    desk.keys("3");
    desk.draw();
    assert_eq!(desk.app.state().size, (80, 24));
    let hints = desk.text().lines().last().map(str::to_owned).unwrap_or_default();
    assert!(hints.contains("C continue"), "{hints}");
    desk.keys("C");
    desk.draw();
    assert!(desk.text().contains("2 of 6 tenants done, 1 failed; done steps stay done."), "{}", desk.text());
    // Of one that failed there is more to retry than to go on with.
    desk.keys("<Esc>");
    desk.job(job(20, JobKind::Migrate, JobState::Failed, [6, 2, 4, 0]));
    desk.draw();
    let hints = desk.text().lines().last().map(str::to_owned).unwrap_or_default();
    assert!(hints.contains("R retry failed"), "{hints}");
}

#[test]
fn a_job_is_paused_by_key_and_by_name_wherever_it_runs() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    let mut theirs = job(20, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]);
    (theirs.mine, theirs.created_by, theirs.worker) = (false, "ben".into(), Some("web-7 99".into()));
    desk.job(theirs.clone());
    desk.keys("3");
    assert!(desk.text().contains("by ben, runs on web-7 99"), "{}", desk.text());
    desk.keys("P");
    assert!(desk.text().contains("web-7 99"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty(), "Cancel is focused");
    desk.keys("Py<Esc>");
    assert!(desk.writes().is_empty(), "`y` does not confirm");
    desk.keys(":pause-job<Enter><Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Pause(JobId(20))]), "{}", desk.text());
    theirs.pause_requested = true;
    desk.job(theirs.clone());
    assert!(desk.text().contains("pausing"), "{}", desk.text());
    desk.keys("P");
    assert!(desk.message().contains("pausing already"), "{}", desk.message());
    (theirs.state, theirs.waits) = (JobState::Paused, Some(Waits::Operator));
    desk.job(theirs);
    assert!(desk.text().contains("paused (operator)"), "{}", desk.text());
    desk.keys("C<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Resume(JobId(20))]));
}

#[test]
fn the_second_stop_cancels_what_runs() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    let mut running = job(20, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]);
    desk.job(running.clone());
    desk.keys("3X<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Cancel(JobId(20))]));
    assert!(desk.message().contains("after its current tenants"), "{}", desk.message());
    running.cancel_requested = true;
    desk.job(running.clone());
    assert!(desk.text().contains("stopping"), "{}", desk.text());
    desk.keys("X");
    assert!(desk.text().contains("Cancel the running statements"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty(), "letting them finish is focused");
    desk.keys("X<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Cancel(JobId(20))]));
    running.stop_now = true;
    desk.job(running);
    assert!(desk.text().contains("stopping now"), "{}", desk.text());
    desk.keys("X");
    assert!(desk.message().contains("being cancelled"), "{}", desk.message());
    assert!(desk.app.state().dialog.is_none());
}

#[test]
fn what_was_cancelled_is_not_gone_on_with() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    desk.job(job(20, JobKind::Migrate, JobState::Cancelled, [16, 4, 1, 11]));
    desk.keys("3C");
    assert!(desk.message().contains("nothing to go on with"), "{}", desk.message());
    desk.keys("R");
    assert!(desk.message().contains("M orders the rest anew"), "{}", desk.message());
    assert!(desk.app.state().dialog.is_none() && desk.writes().is_empty());
}

#[test]
fn a_tenant_is_skipped_with_a_note() {
    let mut desk = desk();
    assert!(desk.text().contains("3 tenants: same 55P03"), "{}", desk.text());
    desk.keys("K");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Skip(_))), "{}", desk.text());
    desk.keys("<Tab><Enter>");
    assert!(desk.writes().is_empty(), "without a note nothing is skipped");
    desk.keys("<Esc>K");
    desk.paste("their tables\n");
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty(), "pasted text does not confirm");
    desk.keys("Kticket 4711<Enter>");
    assert_eq!(skips(&desk.writes()), [("tenant_acorn", "ticket 4711")]);
    // One that is done has nothing to skip.
    desk.keys("jjjjK");
    assert!(desk.message().contains("nothing to skip"), "{}", desk.message());
}

#[test]
fn one_decision_serves_all_that_have_one_cause() {
    let mut desk = desk();
    desk.keys("jKthey are at lunch<Tab><Enter>");
    let all = ["tenant_acme", "tenant_alba", "tenant_agora"].map(|schema| (schema, "they are at lunch"));
    assert_eq!(skips(&desk.writes()), all);
    desk.keys("T");
    assert!(desk.text().contains("2 others"), "{}", desk.text());
    desk.keys("<End><Tab><Tab><Enter>");
    let commands = desk.writes();
    let free = |command: &ServiceCommand| matches!(command, ServiceCommand::RetryWhenFree { job: JobId(20), .. });
    assert!(commands.len() == 3 && commands.iter().all(free), "{commands:?} {}", desk.text());
    // The other cause is no lock.
    desk.keys("kT");
    assert!(desk.message().contains("waits for no lock"), "{}", desk.message());
}

#[test]
fn the_card_leads_to_skip_retry_and_continue() {
    let mut desk = desk();
    desk.event(Event::Job(JobEvent::Log(LogLine {
        database: "eu-1".into(),
        job: JobId(20),
        at: epoch(),
        mark: LogMark::Fail,
        tenant: Some("acme".into()),
        text: "55P03 lock timeout on notes".into(),
    })));
    desk.keys("j<Enter>");
    let text = desk.text();
    assert!(text.contains("pid 4411") && text.contains("3 times, last 10:30:00") && text.contains("2 others"));
    desk.keys("l");
    assert!(desk.text().contains("lock timeout on notes"), "{}", desk.text());
    desk.keys("<Esc>K");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Skip(_))));
    desk.keys("<Esc><Enter>T");
    assert!(desk.text().contains("In the way was: pid 4411"), "{}", desk.text());
    desk.keys("<Esc><Enter>C<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Resume(JobId(20))]), "{}", desk.text());
    // The same from the tenant itself.
    desk.keys("<Enter>R<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Retry(JobId(20))]), "{}", desk.text());
}

#[test]
fn what_a_dialog_decided_while_writing_was_locked_is_not_lost() {
    let mut desk = desk();
    desk.keys("Ka long story");
    desk.wait(std::time::Duration::from_secs(601));
    desk.draw();
    assert!(desk.text().contains("(off: writes are locked)"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty());
    assert!(desk.message().contains("W opens them"), "{}", desk.message());
    let Some(Dialog::Skip(_)) = &desk.app.state().dialog else { panic!("closed: {}", desk.text()) };
    assert!(desk.text().contains("a long story"), "{}", desk.text());
}

#[test]
fn an_orphan_is_told_and_gone_on_with_only_when_asked() {
    let mut desk = Desk::new(Environment::Production);
    let picture = |desk: &mut Desk, revision: u64, job: JobView| {
        let mut next = super::snapshot(Environment::Production);
        (next.revision, next.jobs) = (revision, vec![job]);
        desk.event(Event::Snapshot(std::sync::Arc::new(next)));
        desk.draw();
    };
    let mut theirs = job(20, JobKind::Migrate, JobState::Running, [180, 60, 1, 119]);
    (theirs.mine, theirs.worker) = (false, Some("web-7 99".into()));
    picture(&mut desk, 2, theirs.clone());
    theirs.state = JobState::Orphaned;
    picture(&mut desk, 3, theirs.clone());
    assert!(desk.message().contains("job 20 lost its worker (web-7 99)"), "{}", desk.message());
    assert!(desk.text().contains("C goes on"), "{}", desk.text());
    desk.keys("C");
    assert!(desk.message().contains("writes are locked"), "{}", desk.message());
    desk.open_writes().keys("C");
    let text = desk.text();
    assert!(text.contains("web-7 99 is gone since 10:30:00") && text.contains("go on here?"), "{text}");
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty(), "Cancel is focused");
    desk.keys("C<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Resume(JobId(20))]));
    // It is told once.
    picture(&mut desk, 4, theirs);
    assert!(!desk.message().contains("lost its worker"), "{}", desk.message());
}

#[test]
fn provisioning_counts_its_steps() {
    let mut desk = Desk::new(Environment::Production);
    let mut making = job(21, JobKind::Provision, JobState::Running, [1, 0, 0, 1]);
    making.steps = (2, 6);
    desk.job(making);
    assert!(desk.text().contains("step 3/6"), "{}", desk.text());
    desk.keys("3");
    assert!(desk.text().lines().any(|line| line.contains("provision") && line.contains("step 3/6")), "{}", desk.text());
}

#[test]
fn jobs_of_others_are_read_from_the_record() {
    let mut desk = Desk::new(Environment::Production);
    let mut theirs = job(20, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]);
    (theirs.mine, theirs.worker) = (false, Some("web-7 99".into()));
    desk.job(theirs.clone());
    desk.keys("3");
    desk.wait(std::time::Duration::from_millis(300));
    let reads = |desk: &mut Desk| {
        let read = |command: &Command| {
            matches!(command, Command::Service { command: ServiceCommand::ReadOutcomes(JobId(20)), .. })
        };
        std::mem::take(&mut desk.commands).iter().filter(|command| read(command)).count()
    };
    assert_eq!(reads(&mut desk), 1, "the cursor rests on it");
    let outcomes = vec![outcome("acme", Outcome::Failed, Some(("42P07", "it exists")))];
    desk.event(Event::Job(JobEvent::Outcomes { database: "eu-1".into(), job: JobId(20), outcomes }));
    desk.draw();
    assert!(desk.text().contains("runs on web-7 99") && desk.text().contains("42P07 it exists"), "{}", desk.text());
    desk.wait(std::time::Duration::from_millis(300));
    assert_eq!(reads(&mut desk), 0, "nothing changed");
    (theirs.done, theirs.pending) = (2, 1);
    desk.job(theirs.clone());
    desk.wait(std::time::Duration::from_secs(2));
    desk.wait(std::time::Duration::from_secs(2));
    assert_eq!(reads(&mut desk), 1, "its numbers changed");
    // However many they are: a state that is not true any more is not left standing.
    (theirs.total, theirs.done) = (10_000, 3);
    desk.job(theirs.clone());
    desk.wait(std::time::Duration::from_secs(12));
    assert_eq!(reads(&mut desk), 1, "10,000 are read every twelve seconds");
    theirs.done = 4;
    desk.job(theirs.clone());
    theirs.state = JobState::Orphaned;
    desk.job(theirs.clone());
    desk.wait(std::time::Duration::from_millis(300));
    assert_eq!(reads(&mut desk), 1, "its state changed");
    // What was refused is asked for again.
    theirs.id = JobId(20);
    desk.event(Event::Job(JobEvent::Rejected {
        database: "eu-1".into(),
        message: "too slow".into(),
        needs_init: false,
    }));
    desk.wait(std::time::Duration::from_secs(8));
    assert_eq!(reads(&mut desk), 0, "what is there is current");
    assert_eq!(desk.app.state().screen, Screen::Jobs);
}
