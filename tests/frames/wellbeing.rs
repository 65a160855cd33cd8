//! How the open tenant is and who is in it, below the jobs of its pane.

use std::sync::Arc;

use tenantui::model::environment::Environment;
use tenantui::model::fleet::SharedSchema;
use tenantui::model::tenant::{HealthFact, Member, Tenant, TenantKey, TenantState};

use super::sample::{SIZES, detail, tenant};
use super::stage::{Stage, text};
use super::{check, scene};

fn fact(title: &str, value: Option<&str>, detail: Option<&str>, problem: Option<&str>) -> HealthFact {
    HealthFact {
        name: title.replace(' ', "_").into(),
        title: title.into(),
        value: value.map(Into::into),
        detail: detail.map(Into::into),
        problem: problem.map(Into::into),
    }
}

fn member(name: &str, active: Option<bool>, status: Option<&str>, seen: Option<&str>) -> Member {
    Member {
        id: name.into(),
        name: name.into(),
        active,
        status: status.map(Into::into),
        last_active_at: seen.map(Into::into),
    }
}

#[test]
fn health_and_members_stand_below_the_jobs() {
    scene("tenant_wellbeing", |stage| {
        stage.open("acme");
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        let stuck = "3 tasks are Running without a heartbeat for 5 minutes";
        detail.problems.push(stuck.into());
        detail.health = vec![
            fact("tasks stuck", Some("3"), Some("oldest heartbeat 2026-11-19 09:12 UTC"), Some(stuck)),
            fact("schedules on", Some("1204"), Some("next 2026-11-19 10:00 UTC, 1 paused"), None),
            fact("agents wanted", None, None, None),
            fact("Rails environment", Some("production"), None, None),
        ];
        detail.members = vec![
            member("ann@example.org", Some(true), Some("active"), Some("2026-11-19T08:01:00Z")),
            member("a very long name that goes on and on \u{1b}[31m", Some(false), None, None),
        ];
        detail
            .members
            .extend((0..40).map(|number| member(&format!("member {number:02}"), None, Some("invited"), None)));
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
        stage.keys("Tab Tab Tab");
    });
}

/// Boundary's layout counts memberships and lists them: the pane says the number once, above the names.
#[test]
fn members_that_the_layout_counts_are_counted_once() {
    for size in SIZES {
        let mut stage = Stage::new(size);
        stage.open("acme");
        let mut detail = (**stage.snapshot.detail.as_ref().expect("read")).clone();
        let mut counted = fact("members", Some("2"), Some("2 active, 1 invited"), None);
        counted.title = "members active".into();
        detail.health = vec![counted, fact("invites", Some("0"), None, None)];
        detail.members = ["ann", "bo", "cy"]
            .into_iter()
            .map(|name| member(name, None, Some(if name == "cy" { "invited" } else { "active" }), None))
            .collect();
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
        stage.keys("Tab Tab Tab");
        let frame = text(&stage.frame());
        let lines: Vec<&str> = frame.lines().filter(|line| line.contains("members")).collect();
        assert!(matches!(lines[..], [one] if one.contains("2 active, 1 invited")), "{frame}");
    }
}

/// A broker of Brokkr's own in `public`: an empty list says where all is, and why it is no tenant; its page shows who is in
/// it, and does nothing to it.
#[test]
fn an_application_in_the_shared_schema_alone() {
    for size in SIZES {
        let mut stage = Stage::with(size, Environment::Development, Vec::new());
        stage.snapshot.jobs.clear();
        stage.snapshot.databases[0].layout = Some("brokkr".into());
        let page = Tenant {
            key: TenantKey::schema(&"eu-1".into(), "public"),
            id: None,
            status: None,
            plan: None,
            schema: Some("public".into()),
            schema_oid: Some(2200),
            ..tenant("public", Some(3), TenantState::Ok)
        };
        let shown = page.clone();
        stage.snapshot.shared = vec![SharedSchema {
            database: "eu-1".into(),
            schema: "public".into(),
            schema_oid: 2200,
            state: TenantState::Ok,
            ledger: page.ledger.clone(),
            version: None,
            applied: Some(24),
            pending: None,
            among_several: false,
            page: Some(Arc::new(page)),
            problems: Vec::new(),
        }];
        stage.show();
        check("tenants_public_alone", &stage);
        stage.keys(": t e n a n t Space p u b Enter");
        let mut detail = detail(&shown);
        detail.jobs.clear();
        detail.health = vec![fact("generators active", Some("1"), Some("of 2, never active"), None)];
        detail.members = vec![member("ci", Some(true), None, None), member("nightly", Some(false), None, None)];
        stage.snapshot.detail = Some(Arc::new(detail));
        stage.show();
        stage.keys("Tab Tab Tab");
        check("tenant_public", &stage);
        for (key, why) in [("M", "public is no tenant: tenantui migrate --shared"), ("D", "public is no tenant")] {
            stage.keys(key);
            let frame = text(&stage.frame());
            assert!(frame.contains(why), "{key}: {frame}");
        }
    }
}

#[test]
fn domains_stand_with_the_facts_of_a_tenant() {
    scene("tenant_domains", |stage| {
        let mut acme = (*stage.snapshot.tenants[0]).clone();
        acme.domains = vec!["shop.example.org".into(), "www.example.org".into(), "evil\u{1b}[31m.example".into()];
        stage.snapshot.tenants[0] = Arc::new(acme);
        let slug = stage.snapshot.tenants[0].slug.raw().to_owned();
        stage.open(&slug);
    });
}
