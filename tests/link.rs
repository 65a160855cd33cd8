//! The link to real servers: what a session is allowed, how it ends, and what its errors say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::model::environment::Environment;
use tenantui::postgres::session::{Patience, QueryError, Reader, Target, connect_writer};

use crate::support::{pg, wait_until_async};

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
    let lists = reader.read("select id from t order by id; select 'x', null").await.expect("read");
    assert_eq!(lists.len(), 2);
    assert_eq!(lists[0].iter().map(|row| row.text(0)).collect::<Vec<_>>(), [Some("1"), Some("2")]);
    assert_eq!((lists[1][0].text(0), lists[1][0].text(1)), (Some("x"), None));
    for sql in ["insert into t values (3)", "create table u ()", "create temp table u ()", "select nextval('s')"] {
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
    writer.client.batch_execute("create table t (id int)").await.expect("written");
    let name = db.value("select application_name from pg_stat_activity where datname = current_database() and application_name like 'www%'");
    assert_eq!(name, "w".repeat(63));

    let sleeping = writer.client.batch_execute("select pg_sleep(60)");
    let cancel = async {
        wait_until_async(Duration::from_secs(5), "the sleeper", || async {
            db.value("select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'")
                == "1"
        })
        .await;
        writer.cancel.cancel().await.expect("reached the server");
    };
    let started = Instant::now();
    let (slept, ()) = tokio::join!(sleeping, cancel);
    assert_eq!(slept.expect_err("cancelled").code().map(|code| code.code()), Some("57014"));
    assert!(started.elapsed() < Duration::from_secs(10));
    writer.client.batch_execute("insert into t values (1)").await.expect("usable after the cancel");

    db.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'www%'");
    let mut ended = writer.ended();
    ended.wait_for(Option::is_some).await.expect("the reason");
    let why = writer.why_closed().expect("the reason").to_string();
    assert!(why.contains("57P01"), "{why}");
}
