//! How a server is at this moment, read from real ones: who is connected, who waits for whom, what is open for long.

use std::sync::Arc;
use std::time::Duration;

use tenantui::config::surroundings::Surroundings;
use tenantui::config::{self};
use tenantui::model::environment::Environment;
use tenantui::model::vitals::{Facts, Vitals};
use tenantui::postgres::session::{Patience, Reader, Target};
use tenantui::postgres::vitals;

use crate::support::{TestDatabase, pg, wait_until_async};

const LIMIT: Duration = Duration::from_secs(20);

fn target(url: &str) -> Target {
    let config = config::Database::new("eu-1".into(), Environment::Development, url.to_owned().into());
    Target::resolve(Arc::new(config), &Surroundings::fixed([] as [(String, String); 0])).expect("a target")
}

fn unread() -> Vitals {
    Vitals {
        database: "eu-1".into(),
        read_at: jiff::Timestamp::UNIX_EPOCH,
        latency_ms: 0,
        latencies: Vec::new(),
        facts: Facts::default(),
        sessions: Vec::new(),
        problems: Vec::new(),
    }
}

async fn reader(database: &TestDatabase, role: &str) -> Reader {
    Reader::open(&target(&database.url_as(role)), Patience::Foreground).await.expect("a session")
}

async fn read(reader: &Reader) -> Vitals {
    let mut vitals = unread();
    vitals::read(reader, &mut vitals).await.expect("read");
    vitals
}

#[tokio::test]
async fn sessions_are_told_by_role_application_and_state() {
    let database = pg().database("vitals");
    database.sql("create schema tenant_a; create schema tenant_b");
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = database.connect().await;
        client.batch_execute("set application_name = 'shop'; begin; select 1").await.expect("open");
        clients.push(client);
    }
    let reader = reader(&database, "postgres").await;
    let vitals = read(&reader).await;
    let shop = vitals.sessions.iter().find(|group| group.application.raw() == "shop").expect("its sessions");
    assert_eq!((shop.count, shop.here, shop.is_own()), (3, true, false));
    assert_eq!(shop.state.as_ref().map(|state| state.raw()), Some("idle in transaction"));
    assert!(vitals.sessions.iter().any(|group| group.is_own() && group.here), "{:?}", vitals.sessions);
    let facts = &vitals.facts;
    assert!(facts.sees_all && !facts.standby && facts.uptime_seconds.is_some());
    assert_eq!((facts.max_connections, facts.reserved_connections), (400, 3));
    assert_eq!(facts.schemas, 3, "public and two tenants");
    assert!(facts.connections >= 4, "{facts:?}");
    assert_eq!((vitals.problems, facts.blind_spot()), (Vec::new(), None));
}

#[tokio::test]
async fn a_low_role_counts_the_same_sessions_and_guesses_no_state() {
    let database = pg().database("vitals");
    let role = pg().role("low");
    let client = database.connect().await;
    client.batch_execute("set application_name = 'theirs'").await.expect("set");
    let reader = reader(&database, &role).await;
    let vitals = read(&reader).await;
    assert!(!vitals.facts.sees_all);
    let theirs = vitals.sessions.iter().find(|group| group.application.raw() == "theirs").expect("it is seen");
    assert_eq!((theirs.count, &theirs.state, theirs.oldest_seconds), (1, &None, None));
    let words = vitals.facts.blind_spot().expect("told");
    assert!(words.raw().contains(&format!("GRANT pg_read_all_stats TO \"{role}\"")), "{}", words.raw());
    pg().admin(&format!("grant pg_read_all_stats to \"{role}\""));
    wait_until_async(LIMIT, "the grant that was named", || async { read(&reader).await.facts.sees_all }).await;
}
