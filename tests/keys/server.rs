//! Screen 4 as a key script: read while it is looked at, and only then.

use std::sync::Arc;
use std::time::Duration;

use tenantui::fleet::{FleetCommand, Watched};
use tenantui::model::environment::Environment;
use tenantui::model::tenant::DatabaseName;
use tenantui::model::vitals::{Facts, SessionGroup, Vitals};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Screen;

use super::desk::{Desk, epoch};
use super::next;

fn group(application: &str, count: u64, seconds: u64) -> SessionGroup {
    SessionGroup {
        database: "app".into(),
        here: true,
        role: "app".into(),
        application: application.into(),
        state: Some("idle".into()),
        count,
        oldest_seconds: Some(seconds),
    }
}

pub fn vitals(sessions: Vec<SessionGroup>) -> Vitals {
    Vitals {
        database: "eu-1".into(),
        read_at: epoch(),
        latency_ms: 3,
        latencies: vec![3],
        facts: Facts { sees_all: true, connections: 3, max_connections: 100, ..Facts::default() },
        sessions,
        problems: Vec::new(),
    }
}

fn watched(desk: &Desk) -> Vec<Option<DatabaseName>> {
    let server = |command: &Command| match command {
        Command::Fleet(FleetCommand::Watch(Watched { server, .. })) => Some(server.clone()),
        _ => None,
    };
    desk.commands.iter().filter_map(server).collect()
}

#[test]
fn the_server_is_read_while_it_is_on_the_screen() {
    let mut desk = Desk::new(Environment::Production);
    assert_eq!(watched(&desk), [], "nobody looks");
    desk.keys("4");
    assert_eq!(desk.app.state().screen, Screen::Server);
    assert!(desk.text().contains("Reading the server"), "{}", desk.text());
    desk.keys("3");
    desk.keys(":server<Enter>");
    desk.keys("<Esc>");
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    let eu: Option<DatabaseName> = Some("eu-1".into());
    assert_eq!(watched(&desk), [eu.clone(), None, eu, None]);
}

#[test]
fn its_cursor_stays_on_the_same_sessions() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("4");
    let show = |desk: &mut Desk, groups: Vec<SessionGroup>, revision: u64| {
        desk.event(Event::Snapshot(next(|snapshot| {
            snapshot.revision += revision;
            snapshot.vitals = vec![Arc::new(vitals(groups))];
        })));
    };
    show(&mut desk, vec![group("web", 9, 5), group("worker", 2, 5)], 1);
    desk.keys("j");
    assert!(desk.draw() || desk.text().contains("worker"));
    show(&mut desk, vec![group("batch", 30, 5), group("web", 9, 5), group("worker", 2, 5)], 2);
    assert_eq!(desk.app.state().server.sessions.at, 2);
    desk.keys("yn");
    assert!(matches!(desk.commands.last(), Some(Command::Copy(text)) if text == "app"), "{:?}", desk.commands.last());
    desk.keys("<Enter>");
    assert!(desk.text().contains("worker"), "{}", desk.text());
}

#[test]
fn a_reading_that_looks_the_same_draws_nothing() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("4");
    for round in 0..4_u64 {
        desk.event(Event::Snapshot(next(|snapshot| {
            snapshot.revision += round;
            let mut vitals = vitals(vec![group("web", 9, 16 + round)]);
            (vitals.read_at, vitals.latency_ms) =
                (epoch() + Duration::from_secs(round), 3 + u32::try_from(round).expect("few"));
            vitals.latencies.push(vitals.latency_ms);
            snapshot.vitals = vec![Arc::new(vitals)];
        })));
        assert_eq!(desk.draw(), round == 0, "round {round}");
    }
}
