//! Screen 4: is the database well?

use std::sync::Arc;

use tenantui::model::vitals::{Facts, SessionGroup, Vitals};

use super::sample::{at, eu1};
use super::scene;
use super::stage::Stage;

fn group(role: &str, application: &str, state: Option<&str>, count: u64, seconds: u64) -> SessionGroup {
    SessionGroup {
        database: "app".into(),
        here: true,
        role: role.into(),
        application: application.into(),
        state: state.map(Into::into),
        count,
        oldest_seconds: state.map(|_| seconds),
    }
}

fn sick() -> Vitals {
    let mut sessions = vec![
        group("app_rw", "web", Some("active"), 14, 2),
        group("app_rw", "web", Some("idle"), 9, 700),
        group("app_rw", "worker", Some("idle in transaction"), 1, 192),
        group("saas", "tenantui/0.1.0 reader", Some("idle"), 2, 3),
        group("evil", "\u{1b}[31mred\u{202e}", Some("active"), 1, 90_000),
    ];
    sessions.push(SessionGroup { database: "other".into(), here: false, ..group("bi", "", Some("idle"), 4, 4_000) });
    Vitals {
        database: eu1(),
        read_at: at(-3),
        latency_ms: 12,
        latencies: vec![11, 12, 40, 12],
        facts: Facts {
            role: "saas".into(),
            sees_all: true,
            standby: false,
            uptime_seconds: Some(266_000),
            connections: 31,
            max_connections: 100,
            reserved_connections: 3,
            schemas: 1_204,
        },
        sessions,
        problems: Vec::new(),
    }
}

fn show(stage: &mut Stage, vitals: Vitals) {
    stage.keys("4");
    stage.snapshot.vitals = vec![Arc::new(vitals)];
    stage.show();
}

#[test]
fn server_with_something_wrong() {
    scene("server", |stage| {
        show(stage, sick());
        stage.keys("j");
    });
}

#[test]
fn server_before_it_was_read() {
    scene("server_reading", |stage| stage.keys("4"));
    scene("server_link_lost", |stage| {
        show(stage, sick());
        super::lose_link(stage);
    });
}

#[test]
fn server_to_a_role_that_may_not_see_it() {
    scene("server_hidden", |stage| {
        let mut vitals = sick();
        vitals.facts.sees_all = false;
        for group in vitals.sessions.iter_mut().filter(|group| group.role.raw() != "saas") {
            (group.state, group.oldest_seconds) = (None, None);
        }
        vitals.problems.extend(vitals.facts.blind_spot());
        show(stage, vitals);
    });
}
