//! The link to real servers: what a session is allowed, how it ends, and what its errors say.

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

/// A server that wants passwords over TCP, with a role for each test.
fn guarded() -> PgHandle {
    own_pg(PostgresOptions {
        settings: vec![setting("log_connections", "on")],
        hba: vec!["local all all trust".to_owned(), "host all all 127.0.0.1/32 scram-sha-256".to_owned()],
        ..tcp()
    })
}

fn failures(pg: &PgHandle, role: &str) -> usize {
    let log = std::fs::read_to_string(pg.server.socket_folder().join("log")).expect("the server's log");
    log.matches(&format!("password authentication failed for user \"{role}\"")).count()
}

const MARKER: &str = "s3cr3t:mark\\er";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_the_first_place_that_has_one() {
    let pg = guarded();
    pg.admin(&format!("create role ops login password '{MARKER}'"));
    let folder = tempfile::TempDir::new().expect("a folder");
    let port = pg.server.port();
    let base = format!("host=127.0.0.1 port={port} user=ops dbname=postgres");
    let quoted = MARKER.replace('\\', "\\\\");
    let wrong = ("PGPASSWORD", "wrong");

    // The connection string before PGPASSWORD.
    let around = Surroundings::fixed([wrong]);
    open(&format!("{base} password='{quoted}'"), &around).await.expect("the connection string");
    open(&base, &Surroundings::fixed([("PGPASSWORD", MARKER)])).await.expect("PGPASSWORD");

    // The pass file, with libpq's escapes; what others may read is not used, and the error says so.
    let passfile = folder.path().join("pass");
    let line = MARKER.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(&passfile, format!("# a comment\nother:*:*:*:x\n127.0.0.1:*:postgres:ops:{line}\n"))
        .expect("written");
    let with_file = format!("{base} passfile={}", passfile.display());
    for mode in [0o600, 0o400, 0o640, 0o604, 0o666] {
        std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(mode)).expect("mode");
        let result = open(&with_file, &nobody()).await;
        if mode & 0o077 == 0 {
            result.expect("the pass file");
        } else {
            let (kind, shown) = words(result);
            assert_eq!(kind, LinkErrorKind::Refused);
            assert!(
                shown.contains("was ignored") && shown.contains("chmod 0600") && shown.contains("asks for a password"),
                "{shown}"
            );
        }
    }

    // The command before all of them.
    let mut config = database(&format!("{base} password=wrong"));
    config.password_command = Some(["printf", "%s\\nsecond line", MARKER].map(str::to_owned).to_vec());
    let target = Target::resolve(Arc::new(config), &around).expect("a target");
    Reader::open(&target, Patience::Foreground).await.expect("the command");
    assert_eq!(failures(&pg, "ops"), 0);
}

/// Cloacina's rule: what is special in a URL survives in user, password, database and parameters; so it does in keywords.
#[tokio::test(flavor = "multi_thread")]
async fn special_characters_of_a_connection_string_survive() {
    let pg = guarded();
    let (role, password, database) = ("o'ps \"x\"@é", "p@ss:w/o?r#d %41&=\\'", "my db/№?#&");
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let secret = password.replace('\'', "''");
    pg.admin(&format!("create role {} login password '{secret}'", quote(role)));
    pg.admin(&format!("create database {}", quote(database)));
    let coded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let port = pg.server.port();
    // Plain text only: the server itself masks any other letter of it.
    let name = "it's \"x\" \\ 50%41 a=b&c #?/@:";
    let url = format!(
        "postgresql://{}:{}@127.0.0.1:{port}/{}?connect_timeout=9&application_name={}&sslmode={}",
        coded(role),
        coded(password),
        coded(database),
        coded(name),
        coded("disable")
    );
    let word = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let words = format!(
        "host=127.0.0.1 port={port} user={} password={} dbname={} application_name={} sslmode='disable'",
        word(role),
        word(password),
        word(database),
        word(name)
    );
    for string in [url, words] {
        let reader = open(&string, &nobody()).await.expect(&string);
        assert_eq!((reader.facts().user.raw(), reader.facts().database.raw()), (role, database));
        let seen = reader.rows("select pg_catalog.current_setting('application_name')").await.expect("an answer");
        assert_eq!(seen[0].text(0), Some(name), "{string}");
    }
    // A wrong password is told by its parts, none of which is the secret.
    let wrong = format!("postgresql://{}:x{}@127.0.0.1:{port}/{}", coded(role), coded(password), coded(database));
    let (kind, shown) = self::words(open(&wrong, &nobody()).await);
    assert_eq!(kind, LinkErrorKind::Refused);
    assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_and_never_shown() {
    let pg = guarded();
    pg.admin("create role ops login password 'right'");
    let url = format!("host=127.0.0.1 port={} user=ops dbname=postgres", pg.server.port());
    for (number, origin) in ["connection string", "PGPASSWORD", "password_command"].into_iter().enumerate() {
        let mut config = database(&url);
        let mut around = nobody();
        match origin {
            "connection string" => config.url = format!("{url} password={MARKER}").into(),
            "PGPASSWORD" => around = Surroundings::fixed([("PGPASSWORD", MARKER)]),
            _ => config.password_command = Some(vec!["echo".to_owned(), MARKER.to_owned()]),
        }
        let target = Target::resolve(Arc::new(config), &around).expect("a target");
        let (kind, shown) = words(Reader::open(&target, Patience::Foreground).await);
        assert_eq!(kind, LinkErrorKind::Refused);
        assert!(shown.contains("28P01") && shown.contains(origin), "{shown}");
        assert!(!format!("{shown} {target:?}").contains("s3cr3t"), "{shown}");
        assert_eq!(failures(&pg, "ops"), number + 1, "one try for each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_rotates_its_password_is_asked_again() {
    let pg = guarded();
    pg.admin("create role ops login password 'one'");
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "one\n").expect("written");
    let mut config = database(&format!("host=127.0.0.1 port={} user=ops dbname=postgres", pg.server.port()));
    config.password_command = Some(vec!["cat".to_owned(), file.display().to_string()]);
    let target = Target::resolve(Arc::new(config), &nobody()).expect("a target");
    Reader::open(&target, Patience::Foreground).await.expect("the first");
    pg.admin("alter role ops password 'two'");
    std::fs::write(&file, "two\n").expect("written");
    Reader::open(&target, Patience::Foreground).await.expect("the second");
    assert_eq!(failures(&pg, "ops"), 1, "the stale one was tried once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_says_why_and_not_what_it_printed() {
    let run = async |script: &str| {
        let mut config = database("host=127.0.0.1 port=1 user=ops");
        config.password_command = Some(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
        let target = Target::resolve(Arc::new(config), &nobody()).expect("a target");
        let (kind, shown) = words(Reader::open(&target, Patience::Foreground).await);
        assert_eq!(kind, LinkErrorKind::Refused);
        assert!(!shown.contains("s3cr3t"), "{shown}");
        shown
    };
    let shown = run("echo s3cr3t; echo the store is locked s3cr3t >&2; exit 3").await;
    assert!(shown.contains("exit status: 3") && shown.contains("the store is locked ***"), "{shown}");
    assert!(run("exit 0").await.contains("printed no password"));
    assert!(run("printf 's3cr3t\\377'").await.contains("not UTF-8"));
    let mut config = database("host=127.0.0.1 port=1 user=ops");
    config.password_command = Some(vec!["/nonexistent/program".to_owned()]);
    let target = Target::resolve(Arc::new(config), &nobody()).expect("a target");
    let (_, shown) = words(Reader::open(&target, Patience::Foreground).await);
    assert!(shown.contains("/nonexistent/program could not be started"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_asked_once_and_only_when_the_server_wants_a_password() {
    let pg = guarded();
    pg.admin("create role ops login password 'right'; create role other login password 'right'");
    let asked = Arc::new(AtomicU32::new(0));
    let prompting = |url: &str, answer: Option<&'static str>| {
        let asked = Arc::clone(&asked);
        let prompt: Prompt = Arc::new(move |question| {
            assert!(
                question.starts_with("Password for ops@") || question.starts_with("Password for other@"),
                "{question}"
            );
            asked.fetch_add(1, Ordering::SeqCst);
            answer.map(|answer| answer.to_owned().into())
        });
        Target::resolve_with_prompt(Arc::new(database(url)), &nobody(), Some(prompt)).expect("a target")
    };
    let url = |user: &str| format!("host=127.0.0.1 port={} user={user} dbname=postgres", pg.server.port());
    // Trust on the socket: nobody is asked.
    prompting(&pg.server.socket_url("ops", "postgres"), Some("x")).log_in().await.expect("no password needed");
    assert_eq!(asked.swap(0, Ordering::SeqCst), 0);
    // Several sessions at once: one question.
    let target = prompting(&url("ops"), Some("right"));
    let sessions = (0..4).map(|_| Reader::open(&target, Patience::Foreground));
    for session in futures_util::future::join_all(sessions).await {
        session.expect("the answer serves all");
    }
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    // A wrong answer is not asked for again.
    let target = prompting(&url("other"), Some("wrong"));
    for _ in 0..3 {
        assert_eq!(target.log_in().await.expect_err("wrong").kind, LinkErrorKind::Refused);
    }
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    // Nobody to ask.
    let target = prompting(&url("other"), None);
    assert!(target.log_in().await.expect_err("none").to_string().contains("asks for a password"));
    assert_eq!(failures(&pg, "ops"), 0);
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
