//! `:audit` and the audit of one job or tenant.

use tenantui::jobs::service::ServiceCommand;
use tenantui::model::audit::{AuditFilter, AuditLine};
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobId, JobKind, JobState};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Screen;
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, epoch, job};

fn line(id: i64, action: &str) -> AuditLine {
    AuditLine {
        database: "eu-1".into(),
        id,
        at: epoch() + jiff::SignedDuration::from_secs(id),
        actor: "ops".into(),
        os_user: Some("ana".into()),
        action: action.into(),
        target: Some("tenant_acme".into()),
        job: Some(JobId(17)),
        before: Some(r#"{"state": "running"}"#.into()),
        after: Some(r#"{"note": "a\u001b[31m b"}"#.into()),
        outcome: "requested".into(),
    }
}

/// What was asked since the last call.
fn asked(desk: &mut Desk) -> Vec<AuditFilter> {
    desk.commands
        .drain(..)
        .filter_map(|command| match command {
            Command::Service { command: ServiceCommand::ReadAudit(filter), .. } => Some(filter),
            _ => None,
        })
        .collect()
}

fn answer(desk: &mut Desk, filter: &AuditFilter, lines: Vec<AuditLine>) {
    desk.event(Event::Job(JobEvent::Audit { database: "eu-1".into(), filter: filter.clone(), lines }));
    desk.draw();
}

#[test]
fn the_audit_is_read_by_name_and_a_line_opens_in_full() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys(":audit<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Audit);
    assert!(desk.text().contains("Reading the audit"), "{}", desk.text());
    let asked_for = asked(&mut desk);
    let [filter] = &asked_for[..] else { panic!("one question: {asked_for:?}") };
    assert_eq!((filter.job, &filter.target), (None, &None));
    answer(&mut desk, filter, vec![line(2, "cancel"), line(1, "skip")]);
    assert!(desk.text().contains("ana@ops") && desk.text().contains("cancel"), "{}", desk.text());
    // A newer line does not move the cursor from the one it is on.
    desk.keys("j");
    answer(&mut desk, filter, vec![line(3, "pause"), line(2, "cancel"), line(1, "skip")]);
    assert_eq!(desk.app.state().audit.list.at, 2);
    desk.keys("<Enter>");
    let Some(Dialog::Sql(_)) = &desk.app.state().dialog else { panic!("not opened") };
    let text = desk.text();
    assert!(text.contains("before") && text.contains("running") && text.contains("skip"), "{text}");
    assert!(text.contains("\\u001b[31m") || text.contains("\\e[31m"), "{text}");
    desk.keys("<Esc>r");
    assert_eq!(asked(&mut desk).len(), 1, "r reads it again");
    desk.keys("<Esc>");
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    answer(&mut desk, filter, Vec::new());
    desk.keys(":audit<Enter>");
    assert!(desk.text().contains("Nothing is recorded"), "{}", desk.text());
}

#[test]
fn of_a_job_and_of_a_tenant_with_one_key() {
    let mut desk = Desk::new(Environment::Production);
    desk.job(job(17, JobKind::Migrate, JobState::Done, [2, 2, 0, 0]));
    desk.keys("3a");
    let of_job = asked(&mut desk);
    assert_eq!(of_job.first().and_then(|filter| filter.job), Some(JobId(17)), "{of_job:?}");
    assert!(desk.text().contains("Audit > job 17"), "{}", desk.text());
    answer(&mut desk, &of_job[0], vec![line(1, "skip")]);
    let heading =
        |desk: &Desk| desk.text().lines().find(|line| line.contains("WHO")).map(str::to_owned).unwrap_or_default();
    assert!(
        heading(&desk).contains("TARGET") && !heading(&desk).contains("JOB"),
        "its number stands above: {}",
        desk.text()
    );
    let text = desk.text();
    let row = text.lines().find(|line| line.contains("tenant_acme")).expect("a line");
    assert_eq!(row.find("tenant_acme"), heading(&desk).find("TARGET"), "each cell below its heading: {text}");
    desk.keys("1:acme<Enter>a");
    let of_tenant = asked(&mut desk);
    assert_eq!(of_tenant.first().and_then(|filter| filter.target.as_deref()), Some("tenant_acme"), "{of_tenant:?}");
    assert!(desk.text().contains("Audit > acme"), "{}", desk.text());
    answer(&mut desk, &of_tenant[0], vec![line(1, "skip")]);
    assert!(heading(&desk).contains("JOB") && !heading(&desk).contains("TARGET"), "{}", desk.text());
    answer(&mut desk, &of_tenant[0], Vec::new());
    // An answer to the question before is too late.
    answer(&mut desk, &of_job[0], vec![line(9, "run")]);
    assert!(desk.app.state().audit.lines.is_empty());
    desk.keys("[");
    assert_eq!(desk.app.state().screen, Screen::Tenant);
    desk.keys("]");
    assert_eq!(desk.app.state().screen, Screen::Audit);
}

/// Whichever database answers last: the newest line is on top, and the cursor on it until somebody moves.
#[test]
fn over_several_databases_it_opens_at_the_newest() {
    let mut desk = Desk::two(Environment::Development, Environment::Development);
    desk.keys(":audit<Enter>");
    let filter = asked(&mut desk).pop().expect("a question");
    let of = |database: &str, ids: &[i64]| {
        let line = |id: &i64| AuditLine { database: database.into(), ..line(*id, "skip") };
        JobEvent::Audit { database: database.into(), filter: filter.clone(), lines: ids.iter().map(line).collect() }
    };
    desk.event(Event::Job(of("eu-1", &[2, 1])));
    desk.event(Event::Job(of("us-1", &[9, 8, 7])));
    desk.draw();
    let audit = &desk.app.state().audit;
    assert_eq!((audit.list.at, audit.lines[0].id), (0, 9), "{}", desk.text());
    desk.keys("j");
    desk.event(Event::Job(of("eu-1", &[12, 2, 1])));
    desk.draw();
    assert_eq!(desk.app.state().audit.list.at, 2, "who moved stays where they are");
}

/// A page of lines of a database, newest first: a second apart, at the moments of their numbers.
fn page(database: &str, from: i64, to: i64) -> Vec<AuditLine> {
    (to..=from).rev().map(|id| AuditLine { database: database.into(), ..line(id, "skip") }).collect()
}

fn answer_of(desk: &mut Desk, database: &str, filter: &AuditFilter, lines: Vec<AuditLine>) {
    desk.event(Event::Job(JobEvent::Audit { database: database.into(), filter: filter.clone(), lines }));
    desk.draw();
}

#[test]
fn older_lines_are_read_when_the_end_comes_near() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys(":audit<Enter>");
    let newest = asked(&mut desk).pop().expect("a question");
    assert_eq!(newest.before, None);
    answer(&mut desk, &newest, page("eu-1", 900, 401));
    assert!(desk.text().contains("1/500+"), "there is more: {}", desk.text());
    desk.keys("jj");
    assert!(asked(&mut desk).is_empty(), "not while the end is far");
    desk.keys("G");
    let older = asked(&mut desk);
    assert_eq!(older.iter().map(|filter| filter.before).collect::<Vec<_>>(), [Some(401)]);
    assert!(desk.text().contains("reading older lines"), "{}", desk.text());
    desk.keys("kj");
    assert!(asked(&mut desk).is_empty(), "asked once");
    answer(&mut desk, &older[0], page("eu-1", 400, 1));
    let audit = &desk.app.state().audit;
    assert_eq!((audit.list.at, audit.shown().len()), (499, 900), "the cursor stays on its line");
    assert!(desk.text().contains("500/900") && !desk.text().contains("900+"), "that is all: {}", desk.text());
    desk.keys("G");
    assert!(asked(&mut desk).is_empty(), "there is nothing older");
    // Read again: what is known behind the newest lines stays, and a page that does not meet it takes its place.
    desk.keys("r");
    answer(&mut desk, &newest, page("eu-1", 905, 406));
    assert_eq!(desk.app.state().audit.shown().len(), 905);
    answer(&mut desk, &newest, page("eu-1", 2_000, 1_501));
    assert!(desk.text().contains("/500+"), "nothing is missing between: {}", desk.text());
}

#[test]
fn older_lines_that_were_refused_are_asked_for_again_when_somebody_moves() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys(":audit<Enter>");
    let newest = asked(&mut desk).pop().expect("a question");
    answer(&mut desk, &newest, page("eu-1", 900, 401));
    desk.keys("G");
    assert_eq!(asked(&mut desk).len(), 1);
    let refused = JobEvent::Rejected { database: "eu-1".into(), message: "no link".into(), needs_init: false };
    desk.event(Event::Job(refused));
    desk.draw();
    assert!(asked(&mut desk).is_empty(), "not by itself");
    assert!(!desk.text().contains("reading older lines"), "{}", desk.text());
    desk.keys("k");
    assert_eq!(asked(&mut desk).len(), 1);
}

/// Between two lines of one database there may be lines of another that were not read yet: none are shown past there.
#[test]
fn over_several_databases_nothing_is_missing_between_lines() {
    let mut desk = Desk::two(Environment::Development, Environment::Development);
    desk.keys(":audit<Enter>");
    let newest = asked(&mut desk).pop().expect("a question");
    answer_of(&mut desk, "eu-1", &newest, page("eu-1", 2_000, 1_501));
    answer_of(&mut desk, "us-1", &newest, page("us-1", 1_600, 1_590));
    assert_eq!(desk.app.state().audit.shown().len(), 511);
    answer_of(&mut desk, "us-1", &newest, page("us-1", 1_400, 1_300));
    assert_eq!(desk.app.state().audit.shown().len(), 500, "those of us-1 are older than what was read of eu-1");
    desk.keys("G");
    let older = asked(&mut desk);
    assert_eq!(older.iter().map(|filter| filter.before).collect::<Vec<_>>(), [Some(1_501)], "only who has more");
    answer_of(&mut desk, "eu-1", &older[0], page("eu-1", 1_500, 1_350));
    assert_eq!(desk.app.state().audit.shown().len(), 500 + 101 + 151);
}
