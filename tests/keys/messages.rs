//! The message line: an error stays until a key, and what comes meanwhile is not lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tenantui::model::environment::Environment;
use tenantui::model::job::{JobId, JobKind, JobState};
use tenantui::model::life::{DropRecord, Trashed};
use tenantui::model::tenant::TenantState;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Level;

use super::desk::{Desk, job, snapshot};

fn error(desk: &mut Desk, why: &str) {
    desk.event(Event::Exported(Err(why.to_owned())));
    desk.draw();
}

fn warning(desk: &mut Desk, words: &str) {
    desk.event(Event::Note(words.to_owned()));
    desk.draw();
}

fn info(desk: &mut Desk) {
    desk.event(Event::Exported(Ok(PathBuf::from("tenants.csv"))));
    desk.draw();
}

#[test]
fn an_error_stays_until_a_key_and_says_how_much_came_meanwhile() {
    let mut desk = Desk::new(Environment::Production);
    error(&mut desk, "the disk is full");
    for seconds in [1, 20] {
        desk.wait(Duration::from_secs(seconds));
        warning(&mut desk, "the keymap file has changed");
        info(&mut desk);
    }
    assert!(desk.message().contains("the disk is full"), "{}", desk.message());
    assert!(desk.text().contains("4 more: :messages"), "{}", desk.text());
    // Another error is as bad, and newer.
    error(&mut desk, "the folder is gone");
    assert!(desk.message().contains("the folder is gone"), "{}", desk.message());
    assert!(desk.text().contains("5 more: :messages"), "{}", desk.text());
    desk.keys("j");
    assert_eq!(desk.message(), "");
    assert!(!desk.text().contains("more: :messages"), "{}", desk.text());
    warning(&mut desk, "the keymap file has changed");
    assert!(desk.message().contains("has changed"), "the line is free again");
    // Nothing of it is lost: newest first.
    desk.keys(":messages<Enter>");
    let kept = desk.app.state().messages.iter().map(|message| message.level).collect::<Vec<_>>();
    let (info, warning, error) = (Level::Info, Level::Warning, Level::Error);
    assert_eq!(kept, [error, warning, info, warning, info, error, warning]);
    for words in ["the disk is full", "the folder is gone", "tenants.csv", "the keymap file"] {
        assert!(desk.text().contains(words), "{words}: {}", desk.text());
    }
}

#[test]
fn an_error_that_is_cut_off_says_where_it_is_whole() {
    let mut desk = Desk::new(Environment::Production);
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    error(&mut desk, "the folder in which the exports are written does not exist any more; choose another");
    info(&mut desk);
    assert!(!desk.text().contains("more: "), "{}", desk.text());
    assert!(desk.text().contains("the folder in which the e..  :messages "), "{}", desk.text());
    assert_eq!(desk.app.state().kept_back, 1);
}

#[test]
fn an_open_dialog_answers_a_key_in_the_same_line() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes();
    desk.keys(":behind<Enter>aMmigrate 2");
    error(&mut desk, "the disk is full");
    // The write lock closes by itself, which is no key.
    desk.wait(Duration::from_secs(601));
    desk.draw();
    assert!(desk.message().contains("the disk is full"), "{}", desk.message());
    desk.keys("<Enter>");
    assert!(desk.app.state().dialog.is_some(), "{}", desk.text());
    assert!(desk.message().contains("nothing was ordered"), "{}", desk.message());
    assert!(desk.writes().is_empty());
}

#[test]
fn keys_before_a_dialog_is_seen_read_no_error() {
    let mut desk = Desk::new(Environment::Staging);
    desk.keys_ahead("W");
    desk.event(Event::Exported(Err("the disk is full".to_owned())));
    desk.keys_ahead("x<Enter>");
    assert!(desk.message().contains("the disk is full"), "{}", desk.message());
    desk.draw();
    desk.keys("<Esc>");
    assert_eq!(desk.message(), "");
}

/// The trash belongs to the picture: of a tenant that is dropped it is not said that nobody ever dropped one.
#[test]
fn an_empty_trash_says_what_is_known_of_it() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("U");
    assert!(desk.message().contains("nothing is in the trash of eu-1: D drops a tenant"), "{}", desk.message());
    let mut picture = snapshot(Environment::Development);
    for tenant in &mut picture.tenants {
        Arc::make_mut(tenant).deleted = true;
    }
    desk.event(Event::Snapshot(Arc::new(picture.clone())));
    desk.keys("U");
    assert!(desk.message().contains("it was purged, or r finds it"), "{}", desk.message());
    picture.databases[0].taken_at = None;
    picture.revision += 1;
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.keys("U");
    assert!(desk.message().contains("wait for its first reading"), "{}", desk.message());
}

/// A tenant whose schema is in the trash lacks nothing that could be mended, and is not up to date either.
#[test]
fn one_in_the_trash_is_neither_repaired_nor_migrated() {
    let mut desk = Desk::new(Environment::Development);
    let mut picture = snapshot(Environment::Development);
    let tenant = Arc::make_mut(&mut picture.tenants[0]);
    let said = "it was dropped on 2026-07-01 by ana: undrop brings it back within 7 days";
    (tenant.state, tenant.deleted, tenant.schema_oid) = (TenantState::MissingSchema, true, None);
    (tenant.pending, tenant.problems) = (None, vec![said.into()]);
    let (key, slug) = (tenant.key.clone(), tenant.slug.clone());
    let drop = DropRecord {
        job: JobId(31),
        original: "tenant_it".into(),
        slug: slug.clone(),
        key,
        id: None,
        at: jiff::Timestamp::UNIX_EPOCH,
        by: "ana".into(),
        expired: false,
        begun: false,
        taken: false,
        row: Vec::new(),
    };
    let trashed = Trashed {
        database: "eu-1".into(),
        schema: "zz_dropped_31_tenant_it".into(),
        schema_oid: 16_400,
        drop: Some(drop),
    };
    picture.databases[0].trash = Arc::new([trashed]);
    picture.revision = 2;
    let lost = Arc::make_mut(&mut picture.tenants[1]);
    (lost.state, lost.schema_oid, lost.pending) = (TenantState::MissingSchema, None, None);
    let lost = lost.slug.clone();
    desk.event(Event::Snapshot(Arc::new(picture.clone())));
    // It lacks its schema as it should; who lost one is an orphan, and so is this one once nothing is in the trash.
    desk.keys(":orphans<Enter>");
    assert_eq!(desk.shown(), [lost.raw()]);
    let mut emptied = picture.clone();
    (emptied.revision, emptied.databases[0].trash) = (3, Arc::default());
    desk.event(Event::Snapshot(Arc::new(emptied)));
    assert_eq!(desk.shown(), [slug.raw(), lost.raw()]);
    picture.revision = 4;
    desk.event(Event::Snapshot(Arc::new(picture)));
    assert_eq!(desk.shown(), [lost.raw()]);
    desk.keys("<Esc>gg");
    assert_eq!(desk.cursor(), slug.raw());
    desk.keys(":repair<Enter>");
    let words = format!("{} is in the trash, as zz_dropped_31_tenant_it: undrop brings it back", slug.safe());
    assert!(desk.message().contains(&words), "{}", desk.message());
    desk.keys("M");
    let words = format!("{} is deleted, and such are never migrated: {said}", slug.safe());
    assert!(desk.message().contains(&words), "{}", desk.message());
}

/// What is printed to be pasted is a word of a shell, and means this one of several databases.
#[test]
fn the_command_of_an_import_can_be_pasted() {
    let mut desk = Desk::two(Environment::Development, Environment::Development);
    let mut picture = (*desk.app.state().latest).clone();
    let tenant = Arc::make_mut(&mut picture.tenants[0]);
    tenant.slug = "[a]?'b".into();
    let database = tenant.key.database.clone();
    picture.revision += 1;
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.keys("gg:import<Enter>");
    let words = format!(r"tenantui import '[a]?'\''b' --database {database}");
    assert!(desk.message().contains(&words), "{}", desk.message());
}

/// What to do next stands at the end: it is not cut where the line of the job is free.
#[test]
fn a_long_message_takes_the_line_of_the_job_where_none_is_told() {
    let mut desk = Desk::new(Environment::Production);
    let words = "cache of shop-0001: stopped, 14,602 keys removed; F removes the rest";
    warning(&mut desk, words);
    let screen = desk.text();
    let rows: Vec<&str> = screen.lines().skip(21).take(2).map(str::trim_end).collect();
    assert!(rows[0].ends_with("F removes") && rows[1].starts_with(" the rest "), "{screen}");
    warning(&mut desk, &format!("{words}, and again"));
    let screen = desk.text();
    let rows: Vec<&str> = screen.lines().skip(21).take(2).map(str::trim_end).collect();
    assert!(rows[0].ends_with("F removes the rest,") && rows[1].starts_with(" and again "), "{screen}");
    // A job keeps its line: where the message is told whole stands beside what is cut.
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    warning(&mut desk, words);
    let screen = desk.text();
    let rows: Vec<&str> = screen.lines().skip(21).take(2).collect();
    assert!(rows[0].starts_with(" job 17") && rows[1].contains(":messages"), "{screen}");
}

/// The record may be read between a job's end and its worker's word of it: the end is said all the same, and once.
#[test]
fn the_end_of_a_job_is_said_where_the_record_was_faster_than_its_worker() {
    let mut desk = Desk::new(Environment::Development);
    let mut running = job(17, JobKind::Provision, JobState::Running, [1, 0, 0, 1]);
    desk.job(running.clone());
    let done = job(17, JobKind::Provision, JobState::Done, [1, 1, 0, 0]);
    let mut picture = snapshot(Environment::Development);
    picture.revision += 1;
    let mut read = done.clone();
    read.mine = false;
    picture.jobs = vec![read];
    desk.event(Event::Snapshot(Arc::new(picture)));
    assert_eq!(desk.app.state().counters.jobs_running, 0, "the record is believed");
    desk.job(done.clone());
    assert!(desk.message().contains("provision done: 1 of 1 done"), "{}", desk.message());
    // Told again, it is no news.
    desk.keys("j").job(done.clone());
    assert_eq!(desk.message(), "");
    // Another attempt of the same job is.
    (running.attempt, running.mine) = (2, true);
    desk.job(running);
    desk.job(tenantui::model::job::JobView { attempt: 2, ..done });
    assert!(desk.message().contains("provision done: 1 of 1 done"), "{}", desk.message());
}

/// Another process's job is watched; the record, which is read more slowly, does not take its numbers back.
#[test]
fn the_numbers_of_a_job_do_not_go_back() {
    let mut desk = Desk::new(Environment::Development);
    let of = |done: u32| {
        let running = job(17, JobKind::Migrate, JobState::Running, [100, done, 0, 100 - done]);
        tenantui::model::job::JobView { mine: false, ..running }
    };
    desk.job(of(70));
    let mut picture = snapshot(Environment::Development);
    for (read, shown) in [(54, 70), (80, 80)] {
        picture.revision += 1;
        picture.jobs = vec![of(read)];
        desk.event(Event::Snapshot(Arc::new(picture.clone())));
        assert_eq!(desk.app.state().jobs.jobs[0].done, shown);
    }
    // A retry begins anew.
    picture.revision += 1;
    picture.jobs = vec![tenantui::model::job::JobView { attempt: 2, ..of(60) }];
    desk.event(Event::Snapshot(Arc::new(picture)));
    assert_eq!(desk.app.state().jobs.jobs[0].done, 60);
}
