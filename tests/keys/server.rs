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

pub fn group(application: &str, count: u64, seconds: u64) -> SessionGroup {
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

/// A reading with three groups of sessions and a tree of three that wait.
fn busy() -> Vitals {
    let lock = |pid: i32, depth: usize, seconds: u64| LockSession {
        pid,
        depth,
        open_seconds: Some(seconds),
        application: Some("web".into()),
        query: Some(format!("update orders set n = {pid}").as_str().into()),
        ..LockSession::default()
    };
    Vitals {
        locks: vec![lock(7, 0, 5), lock(9, 1, 90), lock(8, 2, 30)],
        ..vitals(vec![group("web", 9, 5), group("batch", 2, 700), group("api", 4, 50)])
    }
}

fn looking() -> Desk {
    let mut desk = Desk::new(Environment::Production);
    desk.keys("4");
    desk.event(Event::Snapshot(next(|snapshot| snapshot.vitals = vec![Arc::new(busy())])));
    desk.draw();
    desk
}

/// The words that stand in this column of the list, from above.
fn column(desk: &Desk, words: &[&str]) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().find(|word| words.contains(word)).map(str::to_owned);
    desk.text().lines().skip(8).filter_map(first).collect()
}

#[test]
fn its_lists_are_sorted_by_their_columns_and_back() {
    let mut desk = looking();
    let names = ["web", "batch", "api"];
    assert_eq!(column(&desk, &names), names, "as it was read");
    desk.keys("S");
    assert!(desk.message().contains("s sorts it"), "{}", desk.message());
    desk.keys("ss");
    assert!(desk.text().contains("APPLICATION^"), "{}", desk.text());
    assert_eq!(column(&desk, &names), ["api", "batch", "web"]);
    desk.keys("ss");
    assert!(desk.text().contains("SESSIONSv"), "{}", desk.text());
    assert_eq!(column(&desk, &names), ["web", "api", "batch"]);
    // The cursor stays on whom it was on, and what is taken along is in this order.
    assert_eq!(desk.app.state().server.list().at, 0);
    desk.keys("S");
    assert_eq!(column(&desk, &names), ["batch", "api", "web"]);
    assert_eq!(desk.app.state().server.list().at, 2);
    desk.keys("ggej");
    let Some(Command::Export { content, .. }) = desk.commands.last() else { panic!("{:?}", desk.commands.last()) };
    let place = |name: &str| content.find(name).expect("exported");
    assert!(place("batch") < place("api") && place("api") < place("web"), "{content}");
    desk.keys("sss");
    assert_eq!(column(&desk, &names), names, "behind the last column: as it was read");
    // Each list has an order of its own; the tree of those that wait is one only as it was read.
    desk.keys("l");
    assert!(desk.text().contains("> 7 ") && desk.text().contains("\n       8 "), "{}", desk.text());
    desk.keys("s");
    assert!(desk.text().contains("PID^") && desk.text().contains("\n   8 "), "{}", desk.text());
    assert_eq!(column(&desk, &["7", "8", "9"]), ["7", "8", "9"]);
    // By what cannot be seen nothing is sorted: there is no room for OPEN here.
    desk.keys("sss");
    assert!(desk.text().contains("WAITv"), "{}", desk.text());
    desk.keys("s");
    assert_eq!(column(&desk, &["7", "8", "9"]), ["7", "9", "8"], "as it was read");
}

#[test]
fn its_lists_are_filtered_by_words_of_their_rows() {
    let mut desk = looking();
    desk.keys("/BAT");
    assert!(desk.text().contains("1 found") && desk.text().contains("[Sessions 1/3]"), "{}", desk.text());
    desk.keys("<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Server, "{}", desk.text());
    assert!(desk.text().contains("filter /BAT"), "{}", desk.text());
    desk.keys("yr");
    assert!(
        matches!(desk.commands.last(), Some(Command::Copy(text)) if text.contains("batch")),
        "the row that is shown"
    );
    // The other lists as well; a `!` leaves out.
    desk.keys("l");
    assert!(desk.text().contains("[Locks 0/3!]") && desk.text().contains("No row contains this"), "{}", desk.text());
    desk.keys("/<C-u>orders set<Enter>");
    assert_eq!(column(&desk, &["7", "8", "9"]), ["7", "9", "8"], "as they were read: {}", desk.text());
    desk.keys("/<C-u>orders !90<Enter>");
    assert_eq!(column(&desk, &["7", "8", "9"]), ["7", "8"], "{}", desk.text());
    // Esc clears the filter first, and goes back then.
    desk.keys("<Esc>");
    assert_eq!((desk.app.state().screen, column(&desk, &["7", "8", "9"]).len()), (Screen::Server, 3));
    desk.keys("/web<Esc>");
    assert_eq!(desk.app.state().server.filter, "");
    desk.keys("<Esc>");
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    assert_eq!(desk.app.state().tenants.filter, "", "the filter of the tenants is another one");
}

#[test]
fn its_list_fills_the_screen() {
    for size in [(80, 24), (120, 40), (200, 50)] {
        let mut desk = Desk::sized(Environment::Production, size);
        desk.keys("4");
        desk.event(Event::Snapshot(next(|snapshot| snapshot.vitals = vec![Arc::new(busy())])));
        desk.draw();
        assert!(desk.text().contains("Connections"), "{}", desk.text());
        desk.keys("lz");
        let text = desk.text();
        assert!(!text.contains("Connections") && text.contains("[Locks 3!]") && text.contains("zoomed (z)"), "{text}");
        assert!(text.contains("update orders set"), "{text}");
        desk.keys("G");
        assert_eq!(desk.app.state().server.list().at, 2);
        desk.keys("z");
        assert!(desk.text().contains("Connections"), "{}", desk.text());
    }
}
