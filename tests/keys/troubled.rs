//! Tenants with something wrong: what their page says of them, and what it offers.

use std::sync::Arc;

use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::job::{JobId, JobKind, JobState};
use tenantui::model::ledger::LedgerState;
use tenantui::model::life::{DropRecord, Trashed};
use tenantui::model::tenant::{Tenant, TenantDetail, TenantState};
use tenantui::tui::app::event::Event;

use super::desk::{Desk, epoch, job};
use super::next;
use crate::frames::sample::detail;

/// Takes the schema of `acme` away; `change` does more.
fn without_schema(desk: &mut Desk, change: impl FnOnce(&mut Snapshot, &Tenant)) {
    desk.event(Event::Snapshot(next(|snapshot| {
        let mut acme = Tenant::clone(&snapshot.tenants[1]);
        (acme.schema_oid, acme.state, acme.ledger) = (None, TenantState::MissingSchema, LedgerState::Unread);
        acme.problems = vec![
            "the schema tenant_acme does not exist; job 19 began to make it and did not come to its end: retry it, or \
             remove what is there"
                .into(),
        ];
        change(snapshot, &acme);
        snapshot.tenants[1] = Arc::new(acme);
    })));
    desk.draw();
    desk.keys("gg/acme<Enter><Enter>");
}

#[test]
fn why_stands_whole_above_its_lists() {
    for warned in [false, true] {
        let mut desk = Desk::new(Environment::Development);
        without_schema(&mut desk, |snapshot, _| {
            if warned {
                snapshot.databases[0].warnings = vec!["its role is a superuser: give it less".into()];
            }
        });
        let text = desk.text();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let why = "Why: the schema tenant_acme does not exist; job 19 began to make it and did not come to its end: \
                   retry it, or remove what is there";
        assert!(lines.join(" ").contains(why), "{text}");
        assert_eq!(text.contains("superuser"), warned, "{text}");
    }
}

#[test]
fn what_was_dropped_is_offered_back_and_nothing_else() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/acme<Enter><Enter>");
    let hints = |desk: &Desk| desk.text().lines().last().expect("hints").to_owned();
    assert!(hints(&desk).contains("migrate") && hints(&desk).contains("drop...") && !hints(&desk).contains("restore"));
    desk.keys("<Esc><Esc>");
    without_schema(&mut desk, |snapshot, acme| {
        let drop = DropRecord {
            job: JobId(3),
            original: "tenant_acme".into(),
            slug: "acme".into(),
            key: acme.key.clone(),
            id: None,
            at: epoch(),
            by: "ops".into(),
            expired: false,
            begun: false,
            taken: false,
            row: Vec::new(),
        };
        let schema = "zz_dropped_3_tenant_acme".into();
        let trashed = Trashed { database: acme.key.database.clone(), schema, schema_oid: 77, drop: Some(drop) };
        snapshot.databases[0].trash = Arc::new([trashed]);
    });
    let hints = hints(&desk);
    assert!(hints.contains("U restore") && !hints.contains("migrate") && !hints.contains("drop..."), "{hints}");
}

#[test]
fn of_a_schema_that_is_not_there_nothing_is_counted() {
    let mut desk = Desk::new(Environment::Development);
    without_schema(&mut desk, |snapshot, acme| {
        let mut detail = crate::frames::sample::detail(acme);
        detail.tables.clear();
        detail.migrations.clear();
        detail.total_bytes = None;
        snapshot.detail = Some(Arc::new(detail));
    });
    assert!(!desk.text().contains("0 tables") && desk.text().contains("There is no schema"), "{}", desk.text());
    desk.keys("<Tab>");
    assert!(desk.text().contains("4 migrations of the folder cannot be applied"), "{}", desk.text());
}

#[test]
fn the_command_of_an_import_can_be_pasted() {
    let mut desk = Desk::two(Environment::Development, Environment::Development);
    desk.event(Event::Snapshot(next(|snapshot| {
        let mut second = super::desk::database("us-1", Environment::Development);
        second.name = "us 1".into();
        snapshot.databases.push(second);
        let mut odd = Tenant::clone(&snapshot.tenants[0]);
        odd.slug = "[t]?-1".into();
        snapshot.tenants[0] = Arc::new(odd);
    })));
    desk.draw();
    desk.keys("gg:import<Enter>");
    assert!(desk.message().contains("tenantui import '[t]?-1' --database eu-1"), "{}", desk.message());
}

/// Turns `acorn` into a schema without a row.
fn with_an_orphan(desk: &mut Desk) {
    let mut picture = (*desk.app.state().latest).clone();
    picture.revision += 1;
    let acorn = Arc::make_mut(&mut picture.tenants[2]);
    acorn.state = TenantState::OrphanSchema;
    acorn.problems = vec!["the schema has no row in the registry".into()];
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.draw();
}

#[test]
fn whoever_is_marked_and_never_migrated_is_left_out_by_name() {
    let mut desk = Desk::new(Environment::Development);
    with_an_orphan(&mut desk);
    desk.keys("aM");
    let text = desk.text();
    assert!(text.contains("Left out") && text.contains("acorn: orphan_schema: the schema has no row"), "{text}");
    // Nothing else to do: it is said, and no dialog opens.
    let mut desk = Desk::new(Environment::Development);
    with_an_orphan(&mut desk);
    desk.keys("/acorn<Enter>M");
    assert!(
        desk.app.state().dialog.is_none() && desk.message().contains("such are never migrated"),
        "{}",
        desk.message()
    );
    desk.keys("<Esc><Esc>gg<Space>ggjj<Space>M");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
    assert!(desk.message().contains("1 of 2 up to date, 1 never migrated: acorn"), "{}", desk.text());
}

#[test]
fn the_page_of_an_orphan_does_not_offer_to_migrate_it() {
    let mut desk = Desk::new(Environment::Development);
    let hints = |desk: &Desk| desk.text().lines().last().expect("hints").to_owned();
    desk.keys("/acorn<Enter><Enter>");
    assert!(hints(&desk).contains("migrate"), "{}", desk.text());
    with_an_orphan(&mut desk);
    assert!(!hints(&desk).contains("migrate"), "{}", desk.text());
}

#[test]
fn the_jobs_of_a_tenant_are_those_that_the_record_has() {
    let mut desk = Desk::new(Environment::Development);
    for id in [17, 18] {
        desk.job(job(id, JobKind::Migrate, JobState::Done, [3, 3, 0, 0]));
    }
    desk.keys("gg/acme<Enter><Enter><Tab><Tab><Tab>");
    assert!(desk.text().contains("Reading the record"), "nothing is known yet: {}", desk.text());
    let read = |desk: &mut Desk, jobs: Vec<JobId>| {
        desk.event(Event::Snapshot(next(|snapshot| {
            snapshot.detail = Some(Arc::new(TenantDetail { jobs, ..detail(&snapshot.tenants[1]) }));
        })));
        desk.draw();
    };
    read(&mut desk, Vec::new());
    assert!(desk.text().contains("No job is known to have touched this tenant"), "{}", desk.text());
    read(&mut desk, vec![JobId(17), JobId(9), JobId(4)]);
    let text = desk.text();
    assert!(text.contains(" 17 ") && !text.contains(" 18 "), "{text}");
    assert!(text.contains("2 older jobs not in the list; the newest: `tenantui job 9`"), "{text}");
}
