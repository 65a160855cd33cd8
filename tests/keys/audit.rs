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
    desk.keys("1:acme<Enter>a");
    let of_tenant = asked(&mut desk);
    assert_eq!(of_tenant.first().and_then(|filter| filter.target.as_deref()), Some("tenant_acme"), "{of_tenant:?}");
    assert!(desk.text().contains("Audit > acme"), "{}", desk.text());
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
