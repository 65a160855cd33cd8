//! A lost link, another kind of server: the screen stays, writing is off with the reason, and what was not known is read
//! back.

use std::sync::Arc;
use std::time::Duration;

use tenantui::fleet::FleetCommand;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::job::{JobKind, JobState, Waits};
use tenantui::model::link::LinkState;
use tenantui::model::server::{Back, Lag, Replica, ServerRole};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Screen;
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, epoch, job, snapshot};

fn lost() -> LinkState {
    LinkState::Lost {
        since: epoch(),
        attempt: 4,
        next_try: epoch() + jiff::SignedDuration::from_secs(6),
        why: "server closed the connection (57P01 admin shutdown)".into(),
    }
}

/// Shows a picture; each is newer than the one before.
fn picture(desk: &mut Desk, revision: u64, environment: Environment, change: impl FnOnce(&mut Snapshot)) {
    let mut next = snapshot(environment);
    next.revision = revision;
    next.jobs = vec![running()];
    change(&mut next);
    desk.wait(Duration::from_millis(10));
    desk.event(Event::Snapshot(Arc::new(next)));
    desk.draw();
}

fn running() -> tenantui::model::job::JobView {
    let mut running = job(17, JobKind::Migrate, JobState::Running, [180, 60, 1, 119]);
    running.mine = false;
    running
}

fn desk(environment: Environment) -> Desk {
    let mut desk = Desk::new(environment);
    picture(&mut desk, 2, environment, |_| {});
    desk
}

#[test]
fn the_screen_stays_with_age_countdown_and_reason() {
    let mut desk = desk(Environment::Development);
    desk.keys("jj");
    picture(&mut desk, 3, Environment::Development, |next| next.databases[0].link = lost());
    let text = desk.text();
    assert!(text.contains("LINK LOST 00:00, try 4 in 6s"), "{text}");
    assert!(text.contains("job 17: state unknown, was 61/180; will be read back from the database"), "{text}");
    assert!(text.contains("zebra-corp"), "the rows stay: {text}");
    assert!(text.contains("r retry now") && text.contains("q quit"), "{text}");
    // What was pressed since does not take the reason away; lists, filters and copies work.
    desk.keys("k/ac<Enter>");
    assert!(desk.text().contains("57P01 admin shutdown"), "{}", desk.text());
    assert_eq!(desk.shown().len(), 4, "{:?}", desk.shown());
    desk.keys("yn");
    assert!(desk.commands.iter().any(|command| matches!(command, Command::Copy(_))));
    desk.keys("3");
    assert!(desk.text().lines().any(|line| line.contains("17") && line.contains("unknown")), "{}", desk.text());
    // The countdown goes on by itself.
    desk.wait(Duration::from_secs(2));
    desk.draw();
    assert!(desk.text().contains("LINK LOST 00:02, try 4 in 4s"), "{}", desk.text());
    // `r` tries now.
    desk.commands.clear();
    desk.keys("r");
    assert!(desk.commands.iter().any(|command| matches!(command, Command::Fleet(FleetCommand::Refresh))));
    assert!(desk.message().contains("trying eu-1 again now"), "{}", desk.message());
    desk.keys("X");
    assert!(desk.message().contains("no link to eu-1"), "{}", desk.message());
    assert!(desk.writes().is_empty());
}

#[test]
fn the_reason_is_read_whole_where_no_job_is_told() {
    let mut desk = Desk::new(Environment::Development);
    let why = "cannot connect to db1.internal:5432: Connection refused (os error 111). Nothing listens there: is the \
               server running, and are host and port right?";
    picture(&mut desk, 3, Environment::Development, |next| {
        next.jobs.clear();
        let next_try = epoch() + jiff::SignedDuration::from_secs(6);
        next.databases[0].link = LinkState::Lost { since: epoch(), attempt: 4, next_try, why: why.into() };
    });
    desk.keys("k");
    let lines: Vec<String> = desk.text().lines().map(|line| line.trim().to_owned()).collect();
    assert!(lines.join(" ").contains(why), "{}", desk.text());
}

#[test]
fn an_open_dialog_stays_and_its_confirmation_is_off_until_the_link_is_back() {
    // Without the job, which would keep it off as well.
    let mut desk = Desk::new(Environment::Development);
    desk.keys(":behind<Enter>aMmigrate 2");
    picture(&mut desk, 4, Environment::Development, |next| {
        next.jobs.clear();
        next.databases[0].link = lost();
    });
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "no other dialog takes the keys");
    assert!(desk.text().contains("(off: no link)"), "{}", desk.text());
    desk.wait(Duration::from_secs(1));
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty());
    assert!(desk.message().contains("nothing was ordered: there is no link to eu-1"), "{}", desk.message());
    picture(&mut desk, 5, Environment::Development, |next| next.jobs.clear());
    assert!(!desk.text().contains("(off:"), "{}", desk.text());
    desk.keys("<Enter>");
    assert_eq!(desk.writes().len(), 1, "what was typed is still there");
}

#[test]
fn on_return_one_line_says_how_long_what_changed_and_how_the_job_stands() {
    let mut desk = desk(Environment::Production);
    picture(&mut desk, 3, Environment::Production, |next| next.databases[0].link = lost());
    picture(&mut desk, 4, Environment::Production, |_| {});
    let back = |next: &mut Snapshot| {
        next.databases[0].back = Some(Back { at: epoch(), gone_seconds: 31, rows_changed: 2 });
        (next.jobs[0].state, next.jobs[0].waits) = (JobState::Paused, Some(Waits::Process));
    };
    picture(&mut desk, 5, Environment::Production, back);
    assert_eq!(desk.message(), "eu-1: back after 00:31, 2 rows changed; job 17 is paused (process), 61/180",);
    desk.keys("j");
    picture(&mut desk, 6, Environment::Production, back);
    assert_eq!(desk.message(), "", "told once");
}

#[test]
fn a_refused_link_is_not_tried_by_itself_and_names_the_line_to_fix() {
    let mut desk = desk(Environment::Production);
    picture(&mut desk, 3, Environment::Production, |next| {
        next.databases[0].link =
            LinkState::Refused { why: "password authentication failed for user \"ops\" (28P01)".into() };
    });
    desk.keys("j");
    let text = desk.text();
    assert!(text.contains("LINK REFUSED") && text.contains("28P01"), "{text}");
    assert!(text.contains("[[database]] name = \"eu-1\": url (user and password), or password_command"), "{text}");
    assert!(text.contains("r tries again"), "{text}");
    desk.commands.clear();
    desk.wait(Duration::from_secs(3_600));
    assert!(desk.commands.is_empty(), "nothing is asked for: {:?}", desk.commands);
}

#[test]
fn a_standby_says_so_and_its_promotion_too() {
    let mut desk = desk(Environment::Production);
    let role = |desk: &mut Desk, revision, role: ServerRole| {
        picture(desk, revision, Environment::Production, |next| {
            let view = &mut next.databases[0];
            view.read_only_why = role.read_only_why();
            (view.read_only, view.server) = (view.read_only_why.is_some(), role);
        });
    };
    role(&mut desk, 3, ServerRole::Standby(Replica { receiving: true, paused: false, lag: Lag::None }));
    assert!(desk.message().contains("the server is a standby"), "{}", desk.message());
    let text = desk.text();
    assert!(text.contains("REPLICA") && text.contains("replay is up to date"), "{text}");
    desk.keys("W");
    assert!(desk.message().contains("standby"), "{}", desk.message());
    desk.keys("jM");
    assert!(desk.message().contains("read-only: the server is a standby"), "{}", desk.message());
    role(&mut desk, 4, ServerRole::Primary { timeline: Some("00000002".to_owned()) });
    assert!(desk.message().contains("the server is a primary now"), "{}", desk.message());
    assert!(!desk.text().contains("REPLICA"), "{}", desk.text());
    role(&mut desk, 5, ServerRole::Superseded { timeline: "00000001".to_owned(), newer: "00000002".to_owned() });
    assert!(desk.message().contains("old primary of a split cluster"), "{}", desk.message());
    desk.keys("3");
    assert_eq!(desk.app.state().screen, Screen::Jobs);
    assert!(desk.text().contains("OLD PRIMARY"), "{}", desk.text());
}
