//! Screen 4 as a key script: read while it is looked at, and only then.

use std::sync::Arc;
use std::time::Duration;

use tenantui::fleet::{FleetCommand, Watched};
use tenantui::model::environment::Environment;
use tenantui::model::tenant::DatabaseName;
use tenantui::model::vitals::{Activity, Catalog, Facts, LockSession, SessionGroup, Vitals};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::server::ServerTab;
use tenantui::tui::app::state::{DataAge, Screen};

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
        read_at: epoch(),
        latency_ms: 3,
        latencies: vec![3],
        facts: Facts { sees_all: true, connections: 3, max_connections: 100, ..Facts::default() },
        sessions,
        ..Vitals::unread(&"eu-1".into())
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
    assert_eq!(desk.app.state().server.list().at, 2);
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

#[test]
fn lists_keep_their_places_and_are_exported() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("4");
    desk.event(Event::Snapshot(next(|snapshot| {
        let lock = |pid: i32| LockSession { pid, query: Some("select\n 1".into()), ..LockSession::default() };
        let catalog = Catalog {
            name: "pg_class".into(),
            total_bytes: 1,
            live_rows: None,
            dead_rows: None,
            trigger_rows: 1,
            vacuumed_seconds: None,
        };
        snapshot.vitals = vec![Arc::new(Vitals {
            locks: vec![lock(7), lock(8)],
            catalogs: vec![catalog],
            ..vitals(vec![group("web", 9, 5)])
        })];
    })));
    desk.keys("lj<Tab><S-Tab>yy");
    assert_eq!(desk.app.state().server.tab, ServerTab::Locks);
    assert!(matches!(desk.commands.last(), Some(Command::Copy(text)) if text == "8"), "{:?}", desk.commands.last());
    desk.keys("hh");
    assert_eq!(desk.app.state().server.tab, ServerTab::Catalogs);
    desk.keys("ej");
    let Some(Command::Export { name, content }) = desk.commands.last() else { panic!("{:?}", desk.commands.last()) };
    assert!(name.starts_with("tenantui-catalogs-") && content.contains("\"dead_rows\": null"), "{name} {content}");
}

#[test]
fn its_age_is_that_of_its_own_reading() {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("4");
    assert_eq!(desk.app.state().header.age, DataAge::Never);
    desk.event(Event::Snapshot(next(|snapshot| snapshot.vitals = vec![Arc::new(vitals(Vec::new()))])));
    assert_eq!(desk.app.state().header.age, DataAge::Live);
    desk.wait(Duration::from_secs(61));
    assert_eq!(desk.app.state().header.age, DataAge::Old(60));
}

#[test]
fn the_server_of_the_next_database_is_one_key_away() {
    let mut desk = Desk::two(Environment::Development, Environment::Production);
    desk.keys("4");
    desk.keys(">");
    assert!(desk.text().contains("us-1 > Server"), "{}", desk.text());
    desk.keys(">");
    let names = |name: &str| Some(DatabaseName::from(name));
    assert_eq!(watched(&desk), [names("eu-1"), names("us-1"), names("eu-1")]);
    let mut one = Desk::new(Environment::Production);
    one.keys("4>");
    assert!(one.message().contains("there is one database only"), "{}", one.message());
}

#[test]
fn a_page_of_tenants_is_asked_about_once_it_rests_and_there_is_room() {
    let tenants = |desk: &Desk| -> Vec<usize> {
        let count = |command: &Command| match command {
            Command::Fleet(FleetCommand::Watch(watched)) => Some(watched.tenants.len()),
            _ => None,
        };
        desk.commands.iter().filter_map(count).collect()
    };
    let mut desk = Desk::blank(Environment::Production, (200, 50));
    desk.event(Event::Snapshot(next(|_| {})));
    assert!(tenants(&desk).is_empty(), "it may fly past");
    assert!(desk.app.next_tick().expect("it will be asked") <= Duration::from_millis(250));
    desk.wait(Duration::from_millis(250));
    assert_eq!(tenants(&desk), [6]);
    desk.keys("/acme<Enter>");
    desk.wait(Duration::from_millis(250));
    desk.keys("<Enter>");
    assert_eq!(tenants(&desk), [6, 1], "the open one is the one of the page");
    desk.event(Event::Resize { columns: 80, rows: 24 });
    desk.keys("<Esc>");
    assert_eq!(tenants(&desk), [6, 1, 0], "there is no room for it");
}

#[test]
fn tenants_that_rest_draw_nothing() {
    let mut desk = Desk::blank(Environment::Production, (200, 50));
    let show = |desk: &mut Desk, revision: u64, history: Vec<u64>| {
        desk.event(Event::Snapshot(next(|snapshot| {
            snapshot.revision += revision;
            let one = Activity { read: Some(0), written: Some(0), history, over_ms: 5_000 };
            snapshot.activity = Arc::new([(snapshot.tenants[0].key.clone(), one)].into());
        })));
        desk.draw()
    };
    assert!(show(&mut desk, 1, vec![]));
    assert!(!show(&mut desk, 2, vec![0]) && !show(&mut desk, 3, vec![0, 0]));
    assert!(show(&mut desk, 4, vec![0, 0, 9]));
}
