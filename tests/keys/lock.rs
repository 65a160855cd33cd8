//! The write lock: each database has its own, and only the one that the header names is opened or closed.

use std::sync::Arc;
use std::time::Duration;

use tenantui::model::environment::Environment::{Development, Production, Staging};
use tenantui::model::job::{JobKind, JobState};
use tenantui::postgres::rights::Lacks;
use tenantui::tui::app::action::Action;
use tenantui::tui::app::allowed::allowed;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Writes;

use super::desk::{Desk, job};

/// The cursor goes to a row of this database.
fn go_to(desk: &mut Desk, database: &str) {
    desk.keys("gg");
    for _ in 0..desk.shown().len() {
        if desk.app.state().header.database.as_deref() == Some(database) {
            return;
        }
        desk.keys("j");
    }
    panic!("no row of {database}: {}", desk.text());
}

#[test]
fn opening_one_database_leaves_the_other_shut() {
    let mut desk = Desk::two(Production, Production);
    go_to(&mut desk, "eu-1");
    desk.open_writes();
    assert!(desk.text().contains("WRITES ON"), "{}", desk.text());
    assert!(!desk.is_open("us-1"));

    go_to(&mut desk, "us-1");
    assert_eq!(desk.app.state().header.writes, Writes::Locked);
    assert!(desk.text().contains("READ-ONLY") && !desk.text().contains("WRITES ON"), "{}", desk.text());
    for action in [Action::Migrate, Action::NewTenant, Action::Suspend, Action::Rename, Action::Drop] {
        let why = allowed(desk.app.state(), action).expect_err("the lock of us-1 is shut");
        assert!(why.contains("writes are locked on us-1 (production); W opens them"), "{action:?}: {why}");
    }
    desk.keys("M").keys("N").keys("D");
    assert!(desk.app.state().dialog.is_none() && desk.writes().is_empty(), "{}", desk.text());
    // The open tenant's database counts, too.
    desk.keys("<Enter>");
    assert_eq!(desk.app.state().header.writes, Writes::Locked);
    desk.keys("W");
    assert!(desk.text().contains("Open writes to us-1"), "{}", desk.text());
    desk.keys("production<Enter>");
    assert!(desk.is_open("us-1") && desk.message().contains("writes to us-1 are open"), "{}", desk.message());
}

#[test]
fn each_closes_at_its_own_time_and_by_hand() {
    let mut desk = Desk::two(Production, Production);
    go_to(&mut desk, "eu-1");
    desk.open_writes();
    desk.wait(Duration::from_secs(300));
    go_to(&mut desk, "us-1");
    desk.open_writes();
    // Beyond what is shown the other's end is an event as well: a dialog over it may be in front.
    desk.wait(Duration::from_secs(300));
    assert!(!desk.is_open("eu-1") && desk.is_open("us-1"));
    assert_eq!(desk.app.state().header.writes, Writes::Open(Some(300)));
    go_to(&mut desk, "eu-1");
    assert_eq!(desk.app.state().header.writes, Writes::Locked);
    desk.open_writes();
    desk.keys("W");
    assert!(desk.message().contains("writes to eu-1 are locked"), "{}", desk.message());
    assert!(!desk.is_open("eu-1") && desk.is_open("us-1"));
}

#[test]
fn an_order_over_several_needs_all_of_them_open() {
    let mut desk = Desk::two(Production, Staging);
    desk.keys("aM");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
    let both = "writes are locked on eu-1 (production) and us-1 (staging); W on a row of each opens them";
    assert!(desk.message().contains(both), "{}", desk.message());
    desk.open_writes_to("eu-1");
    go_to(&mut desk, "eu-1");
    desk.keys("uaM");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
    let one = "writes are locked on us-1 (staging); W on one of its rows opens them";
    assert!(desk.message().contains(one), "{}", desk.message());

    desk.wait(Duration::from_secs(60));
    desk.open_writes_to("us-1").keys("uaM");
    let words = desk.text();
    let phrase = "migrate 6 production";
    assert!(words.contains("Start 2 jobs") && words.contains(phrase), "{words}");
    desk.keys(phrase);
    // One runs out under the dialog: the other's order is kept back with it.
    desk.wait(Duration::from_secs(541));
    desk.draw();
    assert!(!desk.is_open("eu-1") && desk.is_open("us-1"));
    assert!(desk.text().contains("off: writes are locked on eu-1"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.writes().is_empty() && desk.app.state().dialog.is_some(), "{}", desk.text());
    assert!(desk.message().contains("nothing was ordered: writes are locked on eu-1"), "{}", desk.message());
}

#[test]
fn a_job_asks_for_the_lock_of_its_own_database() {
    let mut desk = Desk::two(Production, Production);
    let mut running = job(7, JobKind::Migrate, JobState::Running, [9, 1, 0, 0]);
    running.database = "us-1".into();
    desk.job(running);
    go_to(&mut desk, "eu-1");
    desk.open_writes().keys("3");
    assert_eq!(desk.app.state().header.writes, Writes::Locked, "{}", desk.text());
    for action in [Action::PauseJob, Action::StopJob] {
        let why = allowed(desk.app.state(), action).expect_err("us-1 is shut");
        assert!(why.contains("writes are locked on us-1 (production); W opens them"), "{why}");
    }
    desk.keys("PX");
    assert!(desk.app.state().dialog.is_none() && desk.writes().is_empty(), "{}", desk.text());
}

#[test]
fn what_needs_no_lock_and_what_is_read_only_says_so() {
    let mut desk = Desk::two(Development, Production);
    let mut picture = (*desk.app.state().latest).clone();
    picture.revision += 1;
    picture.databases[1].read_only = true;
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.draw();
    go_to(&mut desk, "eu-1");
    desk.keys("W");
    assert!(desk.message().contains("writes to eu-1 are open"), "{}", desk.message());
    go_to(&mut desk, "us-1");
    desk.keys("W");
    assert!(desk.message().contains("writes to us-1 cannot be opened"), "{}", desk.message());
    assert!(desk.app.state().dialog.is_none());
}

/// The header promises nothing that the server would refuse: privileges are part of it, and what to do about them is said.
#[test]
fn a_role_that_may_not_write_is_told_so_and_what_to_do() {
    for environment in [Production, Development] {
        let mut desk = Desk::sized(environment, (120, 40));
        let mut picture = super::desk::snapshot(environment);
        picture.revision += 1;
        picture.databases[0].read_only = true;
        picture.databases[0].read_only_why = Some(Lacks::Record.words("tenantui doctor --grants").into());
        desk.event(Event::Snapshot(Arc::new(picture)));
        desk.draw();
        let text = desk.text();
        let header = text.lines().next().expect("a header");
        assert!(header.contains("READ-ONLY: the role may not write"), "{text}");
        assert!(!text.contains("WRITES ON") && text.contains("`tenantui doctor --grants`"), "{text}");
        for keys in ["W", "M", "N"] {
            desk.keys(keys);
            assert!(desk.app.state().dialog.is_none(), "{keys}: {}", desk.text());
            let said = desk.message();
            assert!(said.contains("the role may not write") && said.contains("doctor --grants"), "{keys}: {said}");
        }
    }
}
