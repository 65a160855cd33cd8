//! What writes: dialogs, the write lock, orders and what comes of them.

mod driven;
mod in_the_way;
mod provisioning;
mod told;

use std::sync::Arc;
use std::time::Duration;

use tenantui::fleet::FleetCommand;
use tenantui::jobs::service::{Order, ServiceCommand};
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobId, JobKind, JobState, Outcome, TenantOutcome};
use tenantui::model::ledger::Version;
use tenantui::model::tenant::{DatabaseName, FailedStep};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::{Screen, Writes};
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, FILES, job, snapshot, tenant};

fn migrate_order(commands: &[ServiceCommand]) -> (Vec<String>, usize, bool) {
    let Some(ServiceCommand::Order { order, .. }) = commands.first() else { panic!("no order: {commands:?}") };
    let Order::Migrate(order) = &**order else { panic!("no migration: {order:?}") };
    let slugs = order.plan.tenants.iter().map(|tenant| tenant.slug.raw().to_owned()).collect();
    (slugs, order.plan.canary, order.wait_after_canary)
}

#[test]
fn on_production_nothing_is_written_before_the_lock_is_opened() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("jM");
    assert!(desk.message().contains("writes are locked on eu-1"), "{}", desk.message());
    desk.keys("N");
    assert!(desk.message().contains("W opens them"), "{}", desk.message());
    assert!(desk.app.state().dialog.is_none());
    assert_eq!(desk.app.state().header.writes, Writes::Locked);
    desk.keys("Wstaging<Enter>");
    assert!(!desk.is_open("eu-1"), "the wrong word opens nothing");
    desk.keys("<Esc>").open_writes();
    assert!(matches!(desk.app.state().header.writes, Writes::Open(Some(_))));
}

#[test]
fn the_lock_closes_by_itself_after_ten_minutes_and_by_hand() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    assert!(desk.app.next_tick().expect("a countdown") <= Duration::from_secs(1));
    desk.wait(Duration::from_secs(599));
    assert!(desk.is_open("eu-1"));
    desk.wait(Duration::from_secs(1));
    assert!(!desk.is_open("eu-1"));
    assert_eq!(desk.app.state().header.writes, Writes::Locked);
    desk.open_writes().keys("W");
    assert!(!desk.is_open("eu-1"));
}

#[test]
fn the_lock_that_closes_under_an_open_dialog_keeps_the_order_back() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes().keys("jMmigrate 1");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))));
    desk.wait(Duration::from_secs(601));
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty());
    assert!(desk.message().contains("nothing was ordered"), "{}", desk.message());
}

#[test]
fn all_that_are_behind_are_migrated_with_a_canary() {
    let mut desk = Desk::new(Environment::Production);
    desk.job(job(9, JobKind::Provision, JobState::Done, [1, 1, 0, 0]));
    desk.open_writes().keys(":behind<Enter>aM");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "{}", desk.message());
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty(), "Cancel has the focus");
    desk.keys("M");
    desk.paste("migrate 2");
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty(), "pasted words do not count");
    desk.keys("<Esc>Mmigrate 2<Enter>");
    let (slugs, canary, wait) = migrate_order(&desk.writes());
    assert_eq!(slugs.len(), 2);
    assert_eq!((canary, wait), (1, true));
    assert!(desk.app.state().dialog.is_none());
    // The canary is done: the job waits, and C goes on. An older job does not take the cursor of the list.
    let mut queued = job(17, JobKind::Migrate, JobState::Queued, [2, 0, 0, 2]);
    queued.mine = false;
    desk.job(queued);
    desk.job(job(17, JobKind::Migrate, JobState::Running, [2, 0, 0, 2]));
    let mut paused = job(17, JobKind::Migrate, JobState::Paused, [2, 1, 0, 1]);
    paused.reason = Some("canary".into());
    desk.job(paused);
    assert!(desk.message().contains("paused (canary)"), "{}", desk.message());
    desk.keys("3C<Tab><Enter>");
    assert!(matches!(desk.writes().last(), Some(ServiceCommand::Resume(JobId(17)))));
}

#[test]
fn the_set_is_frozen_when_the_dialog_opens() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys(":behind<Enter>aMmigrate 2");
    let mut later = snapshot(Environment::Development);
    later.revision += 1;
    let name: DatabaseName = "eu-1".into();
    later.tenants = vec![Arc::new(tenant(&name, "intruder", 99, 1))];
    desk.event(Event::Snapshot(Arc::new(later)));
    desk.keys("<Enter>");
    let (mut slugs, _, _) = migrate_order(&desk.writes());
    slugs.sort();
    assert_eq!(slugs, ["acme", "acorn"]);
}

#[test]
fn hidden_marks_are_asked_about_first() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys(":behind<Enter>a:everything<Enter>/acme<Enter><Esc>M");
    assert!(desk.text().contains('2') && desk.text().contains('1'), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.app.state().dialog.is_none(), "Cancel is focused");
    // `Those shown` is next to Cancel; one tenant needs no typed words in development.
    desk.keys("M<Tab><Enter>");
    let Some(Dialog::Migrate(_)) = &desk.app.state().dialog else { panic!("closed") };
    desk.keys("<Tab><Tab><Tab><Tab><Enter>");
    let (slugs, _, _) = migrate_order(&desk.writes());
    assert_eq!(slugs, ["acme"]);
}

#[test]
fn a_group_and_a_single_tenant_are_migrated() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes().keys("2jMmigrate 1<Enter>");
    assert_eq!(migrate_order(&desk.writes()).0, ["acorn"]);
    desk.keys("2gg");
    desk.keys("M");
    assert!(desk.message().contains("nothing is pending"), "{}", desk.message());
    desk.keys(":acme<Enter>Mmigrate 1<Enter>");
    assert_eq!(migrate_order(&desk.writes()).0, ["acme"]);
}

#[test]
fn a_target_limits_the_plan() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("2jt:acme<Enter>M<Tab><Tab><Tab><Tab><Enter>");
    let commands = desk.writes();
    let Some(ServiceCommand::Order { order, .. }) = commands.first() else { panic!("no order: {}", desk.text()) };
    let Order::Migrate(order) = &**order else { panic!("no migration") };
    let versions: Vec<&str> = order.plan.tenants[0].files.iter().map(|file| file.version.raw()).collect();
    assert_eq!(versions, [FILES[2]]);
}

#[test]
fn two_hundred_enters_order_nothing() {
    for script in ["M", ":behind<Enter>aM", "N", "W", "3"] {
        let mut desk = Desk::new(Environment::Production);
        desk.open_writes();
        desk.keys(script);
        for _ in 0..200 {
            desk.keys("<Enter>");
            desk.keys_ahead("<Enter>");
        }
        assert!(desk.writes().is_empty(), "{script}");
    }
}

#[test]
fn what_was_typed_before_a_dialog_could_be_seen_is_dropped() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("j");
    // All of it typed ahead, without a frame between: the dialog opens and takes nothing of it.
    desk.keys_ahead("M<Tab><Tab><Tab><Tab><Enter>");
    assert!(desk.app.dialog_unseen());
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))));
    assert!(desk.writes().is_empty());
    desk.draw();
    desk.keys("<Tab><Tab><Tab><Tab><Enter>");
    assert_eq!(desk.writes().len(), 1);
}

#[test]
fn failed_jobs_are_retried_and_running_ones_stopped() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    desk.job(job(20, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.keys("3R");
    assert!(desk.message().contains("still running"), "{}", desk.message());
    desk.keys("X<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Cancel(JobId(20))]), "{}", desk.text());
    desk.job(job(20, JobKind::Migrate, JobState::Failed, [3, 2, 1, 0]));
    assert!(desk.message().contains("failed"), "{}", desk.message());
    desk.keys("X");
    assert!(desk.message().contains("is over"), "{}", desk.message());
    desk.keys("R<Enter>");
    assert!(desk.writes().is_empty(), "Cancel is focused");
    desk.keys("Ry");
    assert!(desk.writes().is_empty(), "`y` does not confirm");
    desk.keys("<Tab><Enter>");
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Retry(JobId(20))]));
}

#[test]
fn why_a_tenant_failed_is_two_keys_away() {
    let mut desk = Desk::new(Environment::Production);
    let mut failed = snapshot(Environment::Production);
    let mut acme = (*failed.tenants[1]).clone();
    acme.failed_step = Some(Arc::new(FailedStep {
        job: JobId(21),
        version: Some(Version::new(FILES[2])),
        sqlstate: Some("55P03".into()),
        message: "canceling statement due to lock timeout".into(),
    }));
    failed.tenants[1] = Arc::new(acme);
    failed.jobs = vec![job(21, JobKind::Migrate, JobState::Failed, [1, 0, 1, 0])];
    desk.event(Event::Snapshot(Arc::new(failed)));
    desk.keys(":failed<Enter>");
    assert_eq!(desk.shown(), ["acme"]);
    desk.keys("<Enter>");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::FailureCard(_))));
    assert!(desk.text().contains("55P03"), "{}", desk.text());
    desk.keys("<Esc>");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
}

#[test]
fn the_jobs_open_on_the_newest_until_somebody_moves() {
    let mut desk = Desk::new(Environment::Production);
    let at = |desk: &Desk| desk.app.state().cursor_job().map(|job| job.id.0);
    let over = |id| job(id, JobKind::Migrate, JobState::Done, [1, 1, 0, 0]);
    let mut all = snapshot(Environment::Production);
    all.jobs = (1..=19).map(over).collect();
    // The record comes with its oldest first, or all at once.
    desk.job(over(1));
    desk.event(Event::Snapshot(Arc::new(all)));
    desk.keys("3");
    assert_eq!((at(&desk), desk.app.state().jobs.list.at), (Some(19), 0), "{}", desk.text());
    desk.job(over(20));
    assert_eq!(at(&desk), Some(20));
    // A job that is looked at while it runs stays, and one to which somebody moved.
    desk.job(job(21, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.job(over(22));
    assert_eq!(at(&desk), Some(21));
    desk.keys("jj");
    desk.job(over(23));
    assert_eq!(at(&desk), Some(19), "{}", desk.text());
}

#[test]
fn a_new_tenant_that_is_refused_can_be_changed() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes().keys("NGhost Town<Tab>ghost<Tab><Tab><Tab><Enter>");
    let key = |commands: &[ServiceCommand]| match commands {
        [ServiceCommand::Order { idempotency_key, order }] => match &**order {
            Order::Provision(order) => (*idempotency_key, order.tenants[0].name.slug.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let first = key(&desk.writes());
    let why = "the role tenant_ghost exists already on this server, perhaps of a tenant that was removed or of another \
               database; it is never given to somebody else in silence. Choose another key, or remove it where it is of a \
               tenant that is gone: `tenantui repair tenant_ghost --by role` (job 4 made it)";
    desk.event(Event::Job(JobEvent::Rejected { database: "eu-1".into(), message: why.into(), needs_init: false }));
    desk.draw();
    let text = desk.text();
    assert!(text.contains("Ghost Town") && text.contains("--by role`"), "{text}");
    // What comes next is another order.
    desk.keys("2<Tab><Tab><Tab><Enter>");
    let second = key(&desk.writes());
    assert_ne!(first.0, second.0);
    assert_eq!(second.1, format!("{}2", first.1), "what was typed is still there");
}

#[test]
fn results_of_a_job_are_read_and_opened() {
    let mut desk = Desk::new(Environment::Production);
    desk.job(job(22, JobKind::Migrate, JobState::Done, [2, 2, 0, 0]));
    desk.keys("3<Enter>");
    assert_eq!(desk.app.state().screen, Screen::JobResult);
    let asked = |command: &Command| {
        matches!(command, Command::Service { command: ServiceCommand::ReadOutcomes(JobId(22)), .. })
    };
    assert!(desk.commands.iter().any(asked));
    let outcome = |slug: &str| TenantOutcome {
        key: None,
        slug: slug.into(),
        schema: format!("tenant_{slug}").into(),
        outcome: Outcome::Done,
        version: Some(Version::new(FILES[3])),
        failure: None,
        note: None,
        steps: (2, 2),
        duration_ms: Some(40),
    };
    let outcomes = vec![outcome("acme"), outcome("acorn")];
    desk.event(Event::Job(JobEvent::Outcomes { database: "eu-1".into(), job: JobId(22), outcomes }));
    desk.keys("jyn");
    assert!(matches!(desk.commands.last(), Some(Command::Copy(text)) if text == "acorn"), "{:?}", desk.commands.last());
    desk.keys("<Esc>");
    assert_eq!(desk.app.state().screen, Screen::Jobs);
}

#[test]
fn results_that_nobody_moved_in_stay_at_the_top() {
    let mut desk = Desk::new(Environment::Production);
    desk.job(job(22, JobKind::Migrate, JobState::Running, [3, 0, 0, 3]));
    desk.keys("3<Enter>");
    let reads = |desk: &Desk| {
        let read =
            |command: &&Command| matches!(command, Command::Service { command: ServiceCommand::ReadOutcomes(_), .. });
        desk.commands.iter().filter(read).count()
    };
    // A reading that was refused is asked for again.
    let before = reads(&desk);
    desk.event(Event::Job(JobEvent::Rejected {
        database: "eu-1".into(),
        message: "too slow".into(),
        needs_init: false,
    }));
    desk.wait(Duration::from_secs(3));
    assert_eq!(reads(&desk), before + 1);
    let told = |desk: &mut Desk, all: &[(&str, Outcome)]| {
        let outcomes = all.iter().map(|(slug, outcome)| super::control::outcome(slug, *outcome, None)).collect();
        desk.event(Event::Job(JobEvent::Outcomes { database: "eu-1".into(), job: JobId(22), outcomes }));
        desk.draw();
    };
    let at = |desk: &Desk| {
        let key = &desk.app.state().jobs.result.cursor;
        key.as_ref().map(|schema| schema.raw().to_owned()).unwrap_or_default()
    };
    told(&mut desk, &[("acme", Outcome::Running), ("acorn", Outcome::Pending), ("zeta", Outcome::Pending)]);
    let first = at(&desk);
    told(&mut desk, &[("acorn", Outcome::Running), ("zeta", Outcome::Pending), ("acme", Outcome::Done)]);
    assert_ne!(at(&desk), first, "who is done goes to the end, and the reader does not go with it");
    assert_eq!(desk.app.state().jobs.result.at, 0);
    // Who was chosen is kept.
    desk.keys("j");
    let chosen = at(&desk);
    told(&mut desk, &[("zeta", Outcome::Running), ("acme", Outcome::Done), ("acorn", Outcome::Done)]);
    assert_eq!(at(&desk), chosen);
}

#[test]
fn leaving_asks_only_while_a_job_runs_here() {
    let quits = |desk: &mut Desk| desk.commands.drain(..).any(|command| matches!(command, Command::Quit(0)));
    let mut desk = Desk::new(Environment::Production);
    desk.keys("q");
    assert!(quits(&mut desk));
    desk.job(job(23, JobKind::Migrate, JobState::Running, [3, 0, 0, 3]));
    desk.keys("q");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Quit(_))));
    desk.keys("<Enter>");
    assert!(!quits(&mut desk));
    let mut theirs = job(23, JobKind::Migrate, JobState::Running, [3, 0, 0, 3]);
    theirs.mine = false;
    desk.job(theirs);
    desk.keys("<C-c>");
    assert!(quits(&mut desk));
    desk.event(Event::Signal(15));
    assert!(matches!(desk.commands.last(), Some(Command::Quit(143))));
}

#[test]
fn lower_case_never_writes() {
    let mut desk = Desk::new(Environment::Development);
    desk.job(job(24, JobKind::Migrate, JobState::Failed, [3, 1, 1, 1]));
    for screen in ["1", "2", "3", "1<Enter>"] {
        for key in ('a'..='z').filter(|key| *key != 'q') {
            desk.keys(screen);
            desk.keys(&key.to_string());
            for _ in 0..6 {
                desk.keys("<Tab><Enter>");
            }
            desk.keys("<Esc><Esc>");
            assert!(desk.writes().is_empty(), "{key} on {screen}");
        }
    }
}

/// Passwords come while the operator does something else: they wait for that, and are shown as long as they are wanted.
#[test]
fn passwords_of_new_roles_wait_for_an_open_dialog() {
    use tenantui::model::secret::{Credentials, Secret};
    let mut desk = Desk::new(Environment::Development);
    let credentials = |role: &str| {
        let password = Secret::new(format!("password-of-{role}"));
        let credentials = Credentials { tenant: role.to_owned(), role: role.to_owned(), password };
        JobEvent::Credentials { database: "eu-1".into(), job: JobId(7), credentials }
    };
    desk.keys("N");
    desk.event(Event::Job(credentials("one")));
    assert!(matches!(desk.app.state().dialog, Some(Dialog::NewTenant(_))), "it takes no keys from what is open");
    desk.keys("<Esc>");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Credentials(_))));
    desk.event(Event::Job(credentials("two")));
    desk.draw();
    let shown = desk.text();
    assert!(shown.contains("password-of-one") && shown.contains("password-of-two"), "{shown}");
    desk.keys("<Esc>");
    assert!(desk.app.state().dialog.is_none());
    assert!(!desk.app.state().messages.iter().any(|message| message.text.raw().contains("password-of")));
}
