//! The harness of all integration tests: real servers, private to this test binary, that end with it.
//!
//! - [`pg`] is one PostgreSQL for the whole binary; [`PgHandle::database`] makes a fresh database per test.
//! - [`own_pg`] is a server for one test that stops, restarts or configures it (passwords, TLS, limits).
//! - [`redis`] is one Redis for the whole binary with a logical database per test; [`own_redis`] is one to break.
//! - [`wait_until`] polls; nothing here sleeps to synchronise.
//!
//! No server programs means that tests fail with the message of `demo::servers`, never that they skip.

#![allow(dead_code, reason = "each test module uses its part of the harness")]

pub mod hostile;
pub mod picture;
pub mod proxy;
pub mod relay;
pub mod standby;
pub mod tty;
pub mod victim;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tenantui::demo::servers::{
    Home, PostgresOptions, PostgresServer, RedisOptions, RedisServer, find_postgres, find_redis,
};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tenantui"))
}

/// Whether the operator of these tests said, in `TENANTUI_TESTS_WITHOUT`, that a part cannot be had on this machine:
/// `pgbouncer`, `tls`. Nothing is left out unsaid.
pub fn left_out(part: &str) -> bool {
    let left = std::env::var("TENANTUI_TESTS_WITHOUT").unwrap_or_default();
    let left = left.split([',', ' ']).any(|word| word == part);
    if left {
        eprintln!("left out: the tests that need {part}");
    }
    left
}

/// Times between looks at a condition. They grow: a look is often a connection of its own, and what costs a server a
/// process each time would make everybody wait longer for what is looked for.
fn pauses() -> impl Iterator<Item = Duration> {
    (0..).map(|look: u64| Duration::from_millis((10 + 5 * look).min(80)))
}

/// Polls until the condition holds, and fails naming what was waited for when the limit is over.
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let (give_up, mut pauses) = (Instant::now() + limit, pauses());
    while !condition() {
        assert!(Instant::now() < give_up, "waited {limit:?} in vain for {what}");
        std::thread::sleep(pauses.next().unwrap_or_default());
    }
}

/// As [`wait_until`], for conditions that await.
pub async fn wait_until_async<F: Future<Output = bool>>(limit: Duration, what: &str, mut condition: impl FnMut() -> F) {
    let (give_up, mut pauses) = (Instant::now() + limit, pauses());
    while !condition().await {
        assert!(Instant::now() < give_up, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(pauses.next().unwrap_or_default()).await;
    }
}

/// A PostgreSQL that tests use: the shared one, or one of their own.
pub struct PgHandle {
    /// The server. A test that owns it may stop and restart it.
    pub server: PostgresServer,
    /// The folder in which it lives.
    pub home: Home,
}

/// The PostgreSQL that all tests of this binary share. The first call makes it.
pub fn pg() -> &'static PgHandle {
    static SHARED: OnceLock<PgHandle> = OnceLock::new();
    // Hundreds of databases, each of a moment: a worker of autovacuum for each would run all the time.
    let settings = || vec![setting("max_connections", "400"), setting("autovacuum_naptime", "1h")];
    SHARED.get_or_init(|| own_pg(PostgresOptions { settings: settings(), ..tcp() }))
}

/// Options for a server that listens on a free loopback port besides its Unix socket.
pub fn tcp() -> PostgresOptions {
    PostgresOptions { tcp_port: Some(0), ..PostgresOptions::default() }
}

/// One `-c` setting.
pub fn setting(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A PostgreSQL for one test alone.
pub fn own_pg(options: PostgresOptions) -> PgHandle {
    let programs = find_postgres().unwrap_or_else(|error| panic!("{error}"));
    let home = Home::new().unwrap_or_else(|error| panic!("{error}"));
    let server = PostgresServer::start(&home, "pg", &programs, &options).unwrap_or_else(|error| panic!("{error}"));
    PgHandle { server, home }
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

fn unique(name: &str) -> String {
    let short: String = name.chars().take(40).collect();
    format!("{short}_{}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

impl PgHandle {
    /// A fresh, empty database whose name begins with this one.
    pub fn database(&self, name: &str) -> TestDatabase {
        let name = unique(name);
        self.admin(&format!("create database {}", quote(&name)));
        self.open(&name)
    }

    /// A fresh copy of another database, to which nobody may be connected.
    pub fn database_from(&self, name: &str, template: &TestDatabase) -> TestDatabase {
        let name = unique(name);
        self.admin(&format!("create database {} template {}", quote(&name), quote(&template.name)));
        self.open(&name)
    }

    /// A role that may log in, and nothing else; its name begins with this one. Roles belong to the whole server.
    pub fn role(&self, name: &str) -> String {
        let name = unique(name);
        self.admin(&format!("create role {} login nosuperuser nocreatedb nocreaterole", quote(&name)));
        name
    }

    /// Runs statements in the database `postgres`.
    pub fn admin(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        run(&self.server.socket_url("postgres", "postgres"), statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The path of one of the server's programs, such as `psql`.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.server.programs().program(name)
    }

    /// The major version, such as 15.
    pub fn major_version(&self) -> u32 {
        let rows = self.admin("show server_version_num");
        let number: u32 = rows[0][0].as_deref().and_then(|text| text.parse().ok()).expect("a number");
        number / 10_000
    }

    fn open(&self, name: &str) -> TestDatabase {
        TestDatabase {
            name: name.to_owned(),
            port: self.server.port(),
            socket_folder: self.server.socket_folder().to_owned(),
            socket_url: self.server.socket_url("postgres", name),
        }
    }
}

/// A database of one test. It is left behind at the end: its whole server goes with this process.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Its name in the server.
    pub name: String,
    /// The server's port on 127.0.0.1.
    pub port: u16,
    /// The folder of the server's socket.
    pub socket_folder: PathBuf,
    socket_url: String,
}

impl TestDatabase {
    /// The URL over TCP as the superuser.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// The URL over TCP as another role.
    pub fn url_as(&self, role: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/{}?sslmode=disable", self.port, self.name)
    }

    /// The URL over the Unix socket as the superuser.
    pub fn socket_url(&self) -> String {
        self.socket_url.clone()
    }

    /// Runs statements as the superuser; the rows of all their results as text. Fails the test on an error.
    pub fn sql(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        self.try_sql(statements).unwrap_or_else(|error| panic!("{error}\nin: {}", statements.trim()))
    }

    /// As [`Self::sql`], with the error as the server words it.
    pub fn try_sql(&self, statements: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        run(&self.socket_url, statements)
    }

    /// The only value of a query. Null is an empty string.
    pub fn value(&self, query: &str) -> String {
        let rows = self.sql(query);
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "one value wanted of: {query}");
        rows[0][0].clone().unwrap_or_default()
    }

    /// A connection of the test's own as the superuser, driven by the current runtime.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.socket_url, NoTls).await.expect("a connection");
        tokio::spawn(async move {
            let _ = connection.await;
        });
        client
    }
}

/// Quotes an identifier of the harness.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Runs statements on a connection of their own. On its own thread, so that it works inside any runtime.
fn run(url: &str, statements: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|error| words(&error))?;
            let driver = tokio::spawn(connection);
            let messages = client.simple_query(statements).await.map_err(|error| words(&error))?;
            drop(client);
            let _ = driver.await;
            Ok(messages.iter().filter_map(cells).collect())
        })
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
}

fn cells(message: &SimpleQueryMessage) -> Option<Vec<Option<String>>> {
    match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|cell| row.get(cell).map(str::to_owned)).collect()),
        _ => None,
    }
}

fn words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{}: {}", server.code().code(), server.message()),
        None => error.to_string(),
    }
}

/// A Redis that tests use.
pub struct RedisHandle {
    /// The server. A test that owns it may stop, freeze and restart it.
    pub server: RedisServer,
    /// The folder in which it lives.
    pub home: Home,
    next: AtomicU32,
}

/// The Redis that all tests of this binary share.
pub fn redis() -> &'static RedisHandle {
    static SHARED: OnceLock<RedisHandle> = OnceLock::new();
    SHARED.get_or_init(|| own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() }))
}

/// A Redis for one test alone.
pub fn own_redis(options: RedisOptions) -> RedisHandle {
    let program = find_redis().unwrap_or_else(|error| panic!("{error}"));
    let home = Home::new().unwrap_or_else(|error| panic!("{error}"));
    let server = RedisServer::start(&home, "redis", &program, &options).unwrap_or_else(|error| panic!("{error}"));
    RedisHandle { server, home, next: AtomicU32::new(0) }
}

impl RedisHandle {
    /// A logical database that no other test uses: its URL over TCP.
    pub fn database(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(number < 256, "the harness has 256 logical databases");
        format!("redis://127.0.0.1:{}/{number}", self.server.port())
    }

    /// A user with these rules, and database 0 as that user over TCP.
    pub fn user(&self, name: &str, rules: &[&str]) -> String {
        let mut connection = redis::Client::open(self.socket_url()).and_then(|client| client.get_connection());
        let connection = connection.as_mut().expect("a connection");
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(name).arg(&["reset", "on", ">sesame"]).arg(rules);
        command.exec(connection).expect("a user");
        format!("redis://{name}:sesame@127.0.0.1:{}/0", self.server.port())
    }

    /// Database 0 over the Unix socket.
    pub fn socket_url(&self) -> String {
        format!("unix://{}", self.server.socket().display())
    }
}

#[test]
fn each_test_has_a_database_of_its_own() {
    let one = pg().database("support");
    let two = pg().database("support");
    one.sql("create table only_here (id int); insert into only_here values (1)");
    assert_eq!(one.value("select count(*) from only_here"), "1");
    let error = two.try_sql("select count(*) from only_here").expect_err("another database");
    assert!(error.starts_with("42P01"), "{error}");
}

#[tokio::test]
async fn a_low_role_reaches_it_over_tcp_from_inside_a_runtime() {
    let database = pg().database("support");
    let role = pg().role("low");
    let (client, connection) = tokio_postgres::connect(&database.url_as(&role), NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let row = client.query_one("select current_user::text, rolsuper from pg_roles where rolname = current_user", &[]);
    let row = row.await.expect("a row");
    assert_eq!((row.get::<_, String>(0), row.get::<_, bool>(1)), (role, false));
}

#[test]
fn each_test_has_a_redis_database_of_its_own() {
    let open = || redis::Client::open(redis().database()).and_then(|client| client.get_connection()).expect("Redis");
    let (mut one, mut two) = (open(), open());
    redis::cmd("SET").arg("key").arg("value").exec(&mut one).expect("set");
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut one), Ok(1));
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut two), Ok(0));
}
