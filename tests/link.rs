//! The link to real servers: what a session is allowed, how it ends, and what its errors say.

mod passwords;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::demo::servers::PostgresOptions;
use tenantui::model::environment::Environment;
use tenantui::postgres::session::{
    LinkError, LinkErrorKind, Patience, Prompt, QueryError, Reader, Target, connect_writer,
};

use crate::support::{PgHandle, own_pg, pg, setting, tcp, wait_until_async};

fn nobody() -> Surroundings {
    Surroundings::fixed([("PGTZ", "UTC")])
}

fn database(url: &str) -> Database {
    Database::new("test".into(), Environment::Development, url.to_owned().into())
}

fn target(url: &str) -> Target {
    Target::resolve(Arc::new(database(url)), &nobody()).expect("a target")
}

#[tokio::test]
async fn a_reader_reads_and_cannot_write() {
    let db = pg().database("link");
    db.sql("create table t (id int); insert into t values (1), (2)");
    let reader = Reader::open(&target(&db.url()), Patience::Foreground).await.expect("open");
    let lists = reader.read("select id from public.t order by id; select 'x', null").await.expect("read");
    assert_eq!(lists.len(), 2);
    assert_eq!(lists[0].iter().map(|row| row.text(0)).collect::<Vec<_>>(), [Some("1"), Some("2")]);
    assert_eq!((lists[1][0].text(0), lists[1][0].text(1)), (Some("x"), None));
    for sql in [
        "insert into public.t values (3)",
        "create table public.u ()",
        "create temp table u ()",
        "select nextval('public.s')",
    ] {
        match reader.read(sql).await {
            Err(QueryError::Server { sqlstate, .. }) if sqlstate == "25006" || sqlstate == "42P01" => {}
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(db.value("select count(*) from t"), "2");
}

#[tokio::test]
async fn facts_are_those_of_the_server() {
    let db = pg().database("link");
    let reader = Reader::open(&target(&db.url()), Patience::Foreground).await.expect("open");
    let facts = reader.facts();
    assert_eq!(facts.version_num.to_string(), db.value("show server_version_num"));
    assert!(db.value("show server_version").starts_with(&facts.version), "{}", facts.version);
    assert!(facts.direct && facts.superuser && !facts.standby && !facts.tls);
    assert_eq!(facts.database.raw(), db.name);
    assert_eq!(
        facts.database_oid.to_string(),
        db.value("select oid from pg_database where datname = current_database()")
    );
    assert_eq!(facts.system_identifier, Some(db.value("select system_identifier from pg_control_system()")));
    assert_eq!(facts.timeline.as_deref(), Some("00000001"));
    assert_eq!(facts.warnings.len(), 1, "{:?}", facts.warnings);
}

#[tokio::test]
async fn a_writer_writes_is_cancelled_and_tells_why_it_ended() {
    let db = pg().database("link");
    let target = target(&db.url());
    let long = "w".repeat(70);
    let writer = connect_writer(&target, &long).await.expect("a writer");
    writer.client.batch_execute("create table public.t (id int)").await.expect("written");
    let name = db.value("select application_name from pg_stat_activity where datname = current_database() and application_name like 'www%'");
    assert_eq!(name, "w".repeat(63));

    let sleeping = writer.client.batch_execute("select pg_sleep(60)");
    let cancel = async {
        wait_until_async(Duration::from_secs(20), "the sleeper", || async {
            // Other tests of this server sleep by the same words.
            db.value(
                "select count(*) from pg_stat_activity where datname = current_database() \
                 and query = 'select pg_sleep(60)' and state = 'active'",
            ) == "1"
        })
        .await;
        writer.cancel.cancel().await.expect("reached the server");
    };
    let (slept, ()) = tokio::join!(sleeping, cancel);
    assert_eq!(slept.expect_err("cancelled").code().map(|code| code.code()), Some("57014"));
    writer.client.batch_execute("insert into public.t values (1)").await.expect("usable after the cancel");

    db.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'www%'");
    let mut ended = writer.ended();
    ended.wait_for(Option::is_some).await.expect("the reason");
    let why = writer.why_closed().expect("the reason").to_string();
    assert!(why.contains("57P01"), "{why}");
}

fn words(result: Result<Reader, LinkError>) -> (LinkErrorKind, String) {
    let error = result.expect_err("no session");
    (error.kind, error.to_string())
}

async fn open(url: &str, around: &Surroundings) -> Result<Reader, LinkError> {
    let target = Target::resolve(Arc::new(database(url)), around).expect("a target");
    Reader::open(&target, Patience::Foreground).await
}

#[tokio::test]
async fn the_settings_of_a_reader_are_in_force() {
    let db = pg().database("link");
    for (patience, limit) in [(Patience::Foreground, "5s"), (Patience::Background, "1min")] {
        let reader = Reader::open(&target(&db.url()), patience).await.expect("open");
        let names = [
            ("default_transaction_read_only", "on"),
            ("statement_timeout", limit),
            ("lock_timeout", "200ms"),
            ("idle_in_transaction_session_timeout", "1min"),
            ("jit", "off"),
            ("search_path", "pg_catalog, pg_temp"),
            ("application_name", concat!("tenantui/", env!("CARGO_PKG_VERSION"), " reader")),
        ];
        for (name, value) in names {
            let rows = reader.rows(&format!("show {name}")).await.expect(name);
            assert_eq!(rows[0].text(0), Some(value), "{name}");
        }
    }
}

#[tokio::test]
async fn a_locked_table_is_given_up_and_named() {
    let db = pg().database("link");
    db.sql("create table t (id int)");
    let holder = db.connect().await;
    holder.batch_execute("begin; lock table t").await.expect("locked");
    let reader = Reader::open(&target(&db.url()), Patience::Foreground).await.expect("open");
    let started = Instant::now();
    match reader.read("select * from public.t").await {
        Err(QueryError::Server { sqlstate, .. }) => assert_eq!(sqlstate, "55P03"),
        other => panic!("{other:?}"),
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(!reader.is_closed());
}

#[tokio::test]
async fn a_slow_statement_ends_in_time_and_the_session_lives() {
    let db = pg().database("link");
    let reader = Reader::open(&target(&db.url()), Patience::Foreground).await.expect("open");
    let started = Instant::now();
    assert_eq!(
        reader.read("select pg_sleep(60)").await.expect_err("too slow"),
        QueryError::Timeout { after: Duration::from_secs(5) }
    );
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    assert_eq!(reader.rows("select 1").await.expect("usable")[0].text(0), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_given_up() {
    let pg = own_pg(tcp());
    let db = pg.database("link");
    let reader = Reader::open(&target(&db.url()), Patience::Foreground).await.expect("open");
    let pid: i32 =
        reader.rows("select pg_backend_pid()").await.expect("a row")[0].parse(0).expect("a number").expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("frozen");
    let started = Instant::now();
    let error = reader.read("select 1").await.expect_err("no answer");
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("thawed");
    assert!(matches!(error, QueryError::Timeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    let closed = || std::future::ready(reader.is_closed());
    wait_until_async(Duration::from_secs(30), "the session to be closed", closed).await;
    assert!(matches!(reader.read("select 1").await, Err(QueryError::Link(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_tells_why_its_link_broke() {
    let db = pg().database("link");
    let reader = Reader::open(&target(&db.url()), Patience::Foreground).await.expect("open");
    db.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'tenantui%'");
    match reader.read("select 1").await.expect_err("gone") {
        QueryError::Link(why) => {
            assert_eq!(why.kind, LinkErrorKind::Unreachable);
            assert!(why.to_string().contains("57P01") && why.to_string().contains("was lost"), "{why}");
        }
        // The words of the end may be the answer to the question itself.
        QueryError::Server { sqlstate, .. } => assert_eq!(sqlstate, "57P01"),
        other => panic!("{other:?}"),
    }
    // The reason comes through the connection's own task, which a blocking wait would keep from running.
    let ended = || std::future::ready(reader.is_closed() && reader.why_closed().is_some());
    wait_until_async(Duration::from_secs(30), "the end", ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart_from_what_passes() {
    let pg = own_pg(PostgresOptions {
        settings: vec![setting("max_connections", "6"), setting("superuser_reserved_connections", "2")],
        ..tcp()
    });
    let db = pg.database("link");
    let url =
        |user: &str, name: &str| format!("postgresql://{user}@127.0.0.1:{}/{name}?sslmode=disable", pg.server.port());
    for (user, name, state, hint) in [
        ("postgres", "absent", "3D000", "there is no database absent"),
        ("nobody-here", "postgres", "28000", "no such role"),
    ] {
        let (kind, shown) = words(open(&url(user, name), &nobody()).await);
        assert_eq!(kind, LinkErrorKind::Refused, "{shown}");
        let place = format!("{user}@127.0.0.1:{}/{name}", pg.server.port());
        assert!(shown.contains(state) && shown.contains(hint) && shown.contains(&place), "{shown}");
    }
    let role = pg.role("full");
    let mut held = Vec::new();
    let (kind, shown) = loop {
        assert!(held.len() < 10, "the server has no limit");
        match open(&db.url_as(&role), &nobody()).await {
            Ok(reader) => held.push(reader),
            Err(error) => break (error.kind, error.to_string()),
        }
    };
    assert_eq!(kind, LinkErrorKind::Unreachable, "{shown}");
    assert!(shown.contains("53300"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_within_the_limit() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    let (kind, shown) = words(open(&format!("postgresql://ops@127.0.0.1:{port}/app"), &nobody()).await);
    assert_eq!(kind, LinkErrorKind::Unreachable);
    assert!(shown.contains(&format!("ops@127.0.0.1:{port}/app")) && shown.contains("refused"), "{shown}");

    // Connects, and nothing answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    for rest in ["sslmode=disable", "sslmode=require"] {
        let started = Instant::now();
        let (kind, shown) =
            words(open(&format!("postgresql://ops@127.0.0.1:{port}/app?connect_timeout=1&{rest}"), &nobody()).await);
        assert_eq!(kind, LinkErrorKind::Unreachable);
        assert!(shown.contains("no answer within 1 s") && shown.contains("ops@127.0.0.1"), "{shown}");
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
    let (kind, shown) = words(open("postgresql://ops@no-such-host.invalid/app?connect_timeout=5", &nobody()).await);
    assert_eq!(kind, LinkErrorKind::Unreachable, "{shown}");
    assert!(shown.contains("no-such-host.invalid"), "{shown}");
    let (kind, shown) = words(open("host=/nonexistent user=ops", &nobody()).await);
    assert_eq!(kind, LinkErrorKind::Unreachable);
    assert!(shown.contains("/nonexistent/.s.PGSQL.5432") && shown.contains("unix_socket_directories"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_may_not_be_read_are_missing_and_named() {
    let pg = own_pg(tcp());
    let role = pg.role("low");
    pg.admin("revoke execute on function pg_control_system() from public");
    let url = format!("postgresql://{role}@127.0.0.1:{}/postgres", pg.server.port());
    let reader = open(&url, &nobody()).await.expect("open");
    let facts = reader.facts();
    assert_eq!((facts.system_identifier.as_ref(), facts.superuser), (None, false));
    assert!(facts.warnings.iter().any(|words| words.raw().contains("system identifier cannot be read")), "{facts:?}");
}
