//! How a server is at this moment, read from real ones: who is connected, who waits for whom, what is open for long, and
//! what tenants do; while somebody looks, and only then.

use std::sync::Arc;
use std::time::Duration;

use tenantui::cache::Gauge;
use tenantui::config::surroundings::Surroundings;
use tenantui::config::{self, Cache};
use tenantui::demo::servers::{PostgresOptions, RedisOptions};
use tenantui::fleet::{self, Fleet, FleetCommand, Watched};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::vitals::{TransactionKind, Vitals};
use tenantui::postgres::session::{Patience, Reader, Target};
use tenantui::postgres::vitals;
use tokio_postgres::Client;

use crate::cli_fleet;
use crate::support::{TestDatabase, own_pg, own_redis, pg, redis, setting, tcp, wait_until_async};

const LIMIT: Duration = Duration::from_secs(20);

fn config(url: String) -> config::Database {
    config::Database::new("eu-1".into(), Environment::Development, url.into())
}

fn target(config: config::Database) -> Target {
    Target::resolve(Arc::new(config), &Surroundings::fixed([] as [(String, String); 0])).expect("a target")
}

async fn reader(database: &TestDatabase, role: &str) -> Reader {
    Reader::open(&target(config(database.url_as(role))), Patience::Foreground).await.expect("a session")
}

async fn read(reader: &Reader) -> Vitals {
    let mut vitals = Vitals::unread(&"eu-1".into());
    vitals::read(reader, &mut vitals).await.expect("read");
    vitals
}

async fn pid(client: &Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).await.expect("a pid").get(0)
}

/// A session in this statement, which waits; it ends with its runtime.
async fn waits(database: &TestDatabase, sql: &'static str) -> i32 {
    let client = database.connect().await;
    let pid = pid(&client).await;
    tokio::spawn(async move { client.batch_execute(sql).await });
    pid
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
    let here = |application: &str| {
        let group = vitals.sessions.iter().find(|group| group.here && group.application.raw() == application);
        group.unwrap_or_else(|| panic!("no {application} in {:?}", vitals.sessions))
    };
    let shop = here("shop");
    assert_eq!((shop.count, shop.is_own()), (3, false));
    assert_eq!(shop.state.as_ref().map(|state| state.raw()), Some("idle in transaction"));
    assert!(vitals.sessions.iter().any(|group| group.is_own() && group.here), "{:?}", vitals.sessions);
    let facts = &vitals.facts;
    assert!(facts.sees_all && facts.autovacuum && !facts.standby && facts.uptime_seconds.is_some(), "{facts:?}");
    assert_eq!((facts.max_connections, facts.reserved_connections), (400, 3));
    assert_eq!(facts.schemas, 3, "public and two tenants");
    assert!(facts.connections >= 4 && facts.lock_room >= 400 * 64, "{facts:?}");
    assert!(facts.frozen_age > 0 && facts.freeze_max_age > facts.frozen_age, "{facts:?}");
    assert_eq!((&vitals.problems, facts.blind_spot()), (&Vec::new(), None));
    let attribute = vitals.catalogs.iter().find(|catalog| catalog.name.raw() == "pg_attribute").expect("the largest");
    assert!(attribute.total_bytes > 100_000 && attribute.trigger_rows >= 50, "{attribute:?}");
    assert!(vitals.totals.as_ref().is_some_and(|totals| totals.reset_at.is_some() || totals.commits > 0));
}

#[tokio::test]
async fn who_blocks_whom_is_a_tree_with_the_tenants_table() {
    let database = pg().database("vitals");
    database.sql(
        "create schema tenant_acme; create table tenant_acme.users (id int primary key, name text);
         insert into tenant_acme.users values (1, 'x')",
    );
    let first = database.connect().await;
    let a = pid(&first).await;
    first
        .batch_execute("set application_name = 'web'; begin; update tenant_acme.users set name = 'y'")
        .await
        .expect("it");
    let reader = reader(&database, "postgres").await;
    let among =
        |vitals: &Vitals, pid: i32| vitals.locks.iter().any(|session| session.pid == pid && session.waits.is_some());
    let b = waits(&database, "update tenant_acme.users\n   set name = 'z'").await;
    wait_until_async(LIMIT, "the second that waits", || async { among(&read(&reader).await, b) }).await;
    let c = waits(&database, "alter table tenant_acme.users add column street text").await;
    wait_until_async(LIMIT, "the third that waits", || async { among(&read(&reader).await, c) }).await;

    let role = pg().role("low");
    for (role, sees_all) in [("postgres", true), (role.as_str(), false)] {
        let reader = self::reader(&database, role).await;
        let vitals = read(&reader).await;
        let ours: Vec<_> = vitals.locks.iter().filter(|session| [a, b, c].contains(&session.pid)).collect();
        assert_eq!(ours.len(), 3, "{:?}", vitals.locks);
        let [root, second, third] = ours.as_slice() else { panic!("three") };
        assert_eq!((root.pid, root.depth, &root.waits), (a, 0, &None));
        assert_eq!((second.pid, second.depth, second.blocked_by.as_slice()), (b, 1, [a].as_slice()));
        assert_eq!(third.pid, c);
        assert!(third.blocked_by.contains(&a), "{third:?}");
        let words = |wait: &Option<tenantui::model::vitals::LockWait>| wait.as_ref().map(|wait| wait.words());
        assert_eq!(words(&second.waits).as_deref(), Some("a row of tenant_acme.users"));
        assert_eq!(words(&third.waits).as_deref(), Some("AccessExclusiveLock on tenant_acme.users"));
        let known = pg().major_version() >= 14;
        assert_eq!(third.waits.as_ref().is_some_and(|wait| wait.seconds.is_some()), known);
        assert_eq!(
            (root.query.is_some(), root.state.is_some(), root.open_seconds.is_some()),
            (sees_all, sees_all, sees_all)
        );
        assert!(!sees_all || root.query.as_ref().is_some_and(|query| query.raw().contains("update tenant_acme.users")));
        let alarm = vitals.alarms().iter().any(|alarm| {
            alarm.words.raw().contains("waits for a lock") || alarm.words.raw().contains("wait for locks")
        });
        assert!(alarm, "{:?}", vitals.alarms());
    }
}

#[tokio::test]
async fn what_is_open_for_long_is_told_with_prepared_transactions_and_slots() {
    let pg = own_pg(PostgresOptions { settings: vec![setting("max_prepared_transactions", "4")], ..tcp() });
    let database = pg.database("vitals");
    database.sql("create table public.t (id int primary key); insert into public.t values (1)");
    database.sql("select pg_create_physical_replication_slot('left_behind', true)");
    let client = database.connect().await;
    client.batch_execute("begin; update public.t set id = 1; prepare transaction 'half done'").await.expect("prepared");
    let open = database.connect().await;
    open.batch_execute("set application_name = 'batch'; begin isolation level repeatable read; select 1")
        .await
        .expect("open");
    let batch = pid(&open).await;
    let blocked = waits(&database, "update public.t set id = 2").await;
    let reader = reader(&database, "postgres").await;
    let old = |vitals: &Vitals| vitals.transactions.iter().any(|one| one.id.raw() == batch.to_string());
    let stuck = |vitals: &Vitals| vitals.locks.iter().any(|one| one.pid == blocked);
    wait_until_async(LIMIT, "a second to pass", || async {
        let vitals = read(&reader).await;
        old(&vitals) && stuck(&vitals)
    })
    .await;
    let vitals = read(&reader).await;
    let of = |kind: TransactionKind, id: &str| {
        let found = vitals.transactions.iter().find(|one| one.kind == kind && one.id.raw() == id);
        found.unwrap_or_else(|| panic!("no {id} in {:?}", vitals.transactions))
    };
    let session = of(TransactionKind::Session, &batch.to_string());
    assert_eq!(session.application.as_ref().map(|name| name.raw()), Some("batch"));
    assert!(session.open_seconds.is_some_and(|seconds| seconds >= 1) && session.xmin_age.is_some(), "{session:?}");
    let prepared = of(TransactionKind::Prepared, "half done");
    assert!(prepared.open_seconds.is_some() && prepared.xmin_age.is_some_and(|age| age >= 1), "{prepared:?}");
    let slot = of(TransactionKind::Slot, "left_behind");
    assert_eq!(slot.state.as_ref().map(|state| state.raw()), Some("inactive"));
    assert!(slot.retained_bytes.is_some(), "{slot:?}");
    let (root, waiter) = (&vitals.locks[0], &vitals.locks[1]);
    assert_eq!((root.pid, waiter.pid, waiter.depth), (0, blocked, 1), "a prepared transaction is in the way");
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
    let theirs = vitals.sessions.iter().find(|group| group.here && group.application.raw() == "theirs");
    let theirs = theirs.expect("it is seen");
    assert_eq!((theirs.count, &theirs.state, theirs.oldest_seconds), (1, &None, None));
    assert_eq!((vitals.facts.autovacuum_workers, &vitals.problems), (None, &Vec::new()));
    let words = vitals.facts.blind_spot().expect("told");
    assert!(words.raw().contains(&format!("GRANT pg_read_all_stats TO {role} would")), "{}", words.raw());
    // It does not help a role that does not inherit.
    pg().admin(&format!("alter role {role} noinherit; grant pg_read_all_stats to {role}"));
    let newer = reader.facts().version_num >= 160_000;
    let helps = if newer {
        format!("GRANT pg_read_all_stats TO {role} WITH INHERIT TRUE")
    } else {
        format!("ALTER ROLE {role} INHERIT")
    };
    let words = read(&reader).await.facts.blind_spot().expect("told");
    assert!(words.raw().contains(&format!("{helps} would")), "{}", words.raw());
    pg().admin(&helps);
    wait_until_async(LIMIT, "the grant that was named", || async { read(&reader).await.facts.sees_all }).await;
}

#[tokio::test]
async fn what_is_refused_is_a_problem_and_the_rest_is_read() {
    let pg = own_pg(tcp());
    let database = pg.database("vitals");
    let role = pg.role("low");
    database.sql("revoke select on pg_catalog.pg_prepared_xacts from public");
    let vitals = read(&reader(&database, &role).await).await;
    let problems: Vec<&str> = vitals.problems.iter().map(|problem| problem.raw()).collect();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.starts_with("open transactions could not be read: ") && problem.contains("42501"), "{problem}");
    assert!(vitals.facts.max_connections > 0 && !vitals.sessions.is_empty() && !vitals.catalogs.is_empty());
}

/// Waits for a picture.
async fn until(fleet: &mut Fleet, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let wait = fleet.snapshots.wait_for(|snapshot| holds(snapshot));
    let found = tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
    Arc::clone(&found.expect("the collector runs"))
}

#[tokio::test]
async fn the_collector_reads_it_while_somebody_looks_and_only_then() {
    let home = cli_fleet::Fleet::new();
    let database = &home.database;
    let cache = Some(Cache::new(redis().database().into()));
    let config = config::Database { cache, ..config(database.url()) };
    let mut fleet = fleet::spawn(vec![target(config)], Duration::from_secs(1));
    let snapshot = until(&mut fleet, "the first picture", |snapshot| snapshot.tenants.len() > 2).await;
    let sessions = || {
        database.value("select count(*) from pg_stat_activity where application_name like 'tenantui%' and datname = current_database()")
    };
    wait_until_async(LIMIT, "one session", || async { sessions() == "1" }).await;
    assert_eq!((snapshot.vitals.len(), snapshot.activity.len()), (0, 0), "nobody looks");

    let acme = snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == "acme").expect("acme").key.clone();
    let gone = snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == "gone").expect("gone").key.clone();
    let watched = Watched { server: Some("eu-1".into()), tenants: vec![acme.clone(), gone.clone()] };
    fleet.commands.send(FleetCommand::Watch(watched)).await.expect("told");
    let snapshot = until(&mut fleet, "a pace", |snapshot| snapshot.vitals.iter().any(|one| one.pace.is_some())).await;
    let vitals = &snapshot.vitals[0];
    assert!(vitals.latencies.len() >= 2 && vitals.problems.is_empty(), "{vitals:?}");
    assert!(vitals.cache.as_ref().is_some_and(|cache| cache.as_ref().is_ok_and(|memory| memory.used_bytes > 0)));
    assert_eq!(sessions(), "2", "one more while somebody looks");

    let busy =
        |snapshot: &Snapshot| snapshot.activity.get(&acme).and_then(|one| one.written).is_some_and(|rows| rows > 0);
    let write = async {
        loop {
            database.sql("insert into tenant_acme.notes select coalesce((select max(id) from tenant_acme.notes), 0) + n, 'x' from generate_series(1, 500) n");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let snapshot = tokio::select! {
        snapshot = until(&mut fleet, "rows that are written", busy) => snapshot,
        () = write => unreachable!("it writes until it is seen"),
    };
    assert!(!snapshot.activity.contains_key(&gone), "without a schema nothing is known of it");

    fleet.commands.send(FleetCommand::Watch(Watched::default())).await.expect("told");
    wait_until_async(LIMIT, "one session less", || async { sessions() == "1" }).await;
    let last = Arc::clone(&fleet.snapshots.borrow());
    until(&mut fleet, "what tenants do to be forgotten", |snapshot| snapshot.activity.is_empty()).await;
    assert_eq!(last.vitals.len(), 1, "what was read stays, with its age");
}

#[tokio::test]
async fn the_memory_of_a_cache_is_read_and_a_refusal_names_what_helps() {
    let redis = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    let url = redis.database();
    let mut connection = ::redis::Client::open(url.clone()).and_then(|client| client.get_connection()).expect("Redis");
    let command = |connection: &mut ::redis::Connection, words: &[&str]| {
        ::redis::cmd(words[0]).arg(&words[1..]).exec(connection).expect("done");
    };
    command(&mut connection, &["CONFIG", "SET", "maxmemory", "64mb"]);
    command(&mut connection, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    command(&mut connection, &["SET", "key", "value"]);
    let memory = Gauge::default().read(&Cache::new(url.clone().into())).await.expect("read");
    assert_eq!((memory.max_bytes, memory.policy.raw(), memory.keys), (Some(64 << 20), "allkeys-lru", 1));
    assert!(memory.used_bytes > 0 && memory.clients >= 1, "{memory:?}");

    command(&mut connection, &["ACL", "SETUSER", "low", "on", ">pw", "~*", "+@all", "-info"]);
    let low = url.replace("redis://", "redis://low:pw@");
    let error = Gauge::default().read(&Cache::new(low.into())).await.expect_err("refused").to_string();
    assert!(error.contains("needs +info") && !error.contains("pw@"), "{error}");
}
