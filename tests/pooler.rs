//! Behind a connection pooler: what we do there must not reach the application, and nothing may be believed that is not
//! proved. Debian 12's PgBouncer is 1.18, whose process ends when a cancel leaves too early.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tenantui::config::surroundings::Surroundings;
use tenantui::config::{self, Database};
use tenantui::demo::servers::{PostgresOptions, ServerProcess};
use tenantui::fleet::{self, FleetCommand};
use tenantui::jobs::service::ServiceCommand;
use tenantui::model::audit::AuditFilter;
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobId, JobState};
use tenantui::postgres::session::{Patience, Pooling, QueryError, Reader, Target, connect_writer};
use tokio_postgres::NoTls;

use crate::cli::text;
use crate::cli_fleet::{self, tenant};
use crate::support::{PgHandle, left_out, own_pg, setting, tcp, wait_until, wait_until_async};

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("TENANTUI_PGBOUNCER").map(PathBuf::from);
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        let usual = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
        let mut candidates = std::env::split_paths(&places).chain(usual).map(|folder| folder.join("pgbouncer"));
        candidates.find(|path| path.is_file())
    });
    assert!(
        found.is_some() || left_out("pgbouncer"),
        "pgbouncer is not installed (Debian: apt-get install pgbouncer; or set TENANTUI_PGBOUNCER); \
         TENANTUI_TESTS_WITHOUT=pgbouncer leaves these tests out"
    );
    found
}

struct Pooler {
    process: ServerProcess,
    port: u16,
    pg: PgHandle,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.end(Signal::QUIT);
    }
}

/// A PgBouncer before a server of its own, on a free port. All clients share the pool of the role `app`.
fn pooler(mode: &str, size: u32) -> Option<Pooler> {
    let program = program()?;
    let settings = vec![setting("log_statement", "all"), setting("log_line_prefix", "%a|")];
    let pg = own_pg(PostgresOptions { settings, ..tcp() });
    pg.admin("create role app login; create table public.t (id int); insert into t values (1); grant all on t to app");
    let folder = pg.home.make_folder("pgbouncer").unwrap_or_else(|error| panic!("{error}"));
    let ini = folder.join("pgbouncer.ini");
    let server = pg.server.port();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let text = format!(
        "[databases]\npostgres = host=127.0.0.1 port={server} dbname=postgres user=app\n\
         * = host=127.0.0.1 port={server} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = {mode}\ndefault_pool_size = {size}\nserver_lifetime = 3600\n"
    );
    fs::write(&ini, text).expect("written");
    fs::set_permissions(&ini, fs::Permissions::from_mode(0o644)).expect("mode");
    let log = folder.join("log");
    let process = pg.home.start(&program, &[ini.display().to_string()], &log).unwrap_or_else(|error| panic!("{error}"));
    wait_until(Duration::from_secs(10), "the pooler", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Some(Pooler { process, port, pg })
}

impl Pooler {
    fn url(&self) -> String {
        format!("postgresql://app@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    fn target(&self, word: config::Pooler) -> Target {
        let mut database = Database::new("test".into(), Environment::Development, self.url().into());
        database.pooler = word;
        Target::resolve(Arc::new(database), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target")
    }

    /// The application: another client of the same pool. One without a name would be logged under ours.
    async fn application(&self) -> tokio_postgres::Client {
        let url = format!("{}&application_name=shop", self.url());
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }
}

async fn shown(client: &tokio_postgres::Client, name: &str) -> String {
    let messages = client.simple_query(&format!("show {name}")).await.expect("a setting");
    let value = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.expect("a value")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_leaves_no_trace_for_the_application() {
    // One server connection: whatever a reader leaves behind, the application gets.
    let Some(pooler) = pooler("transaction", 1) else { return };
    let application = pooler.application().await;
    let before = shown(&application, "statement_timeout").await;
    let reader = Reader::open(&pooler.target(config::Pooler::Auto), Patience::Foreground).await.expect("open");
    assert_eq!((reader.facts().direct, reader.facts().pooling), (false, Pooling::Pooled));
    assert!(
        reader.facts().pooler_note.as_ref().is_some_and(|words| words.raw().contains("pooler")),
        "{:?}",
        reader.facts()
    );
    for _ in 0..20 {
        let lists =
            reader.read("show statement_timeout; show lock_timeout; show transaction_read_only").await.expect("read");
        let values: Vec<_> = lists.iter().map(|rows| rows[0].text(0).unwrap_or_default().to_owned()).collect();
        assert_eq!(values, ["5s", "200ms", "on"]);
        application.simple_query("update t set id = id + 1").await.expect("the application writes");
        match reader.read("insert into public.t values (1)").await {
            Err(QueryError::Server { sqlstate, .. }) => assert_eq!(sqlstate, "25006"),
            other => panic!("{other:?}"),
        }
        // The refused read let go of the pool's only connection.
        let writing = application.simple_query("update t set id = id + 1 -- again");
        tokio::time::timeout(Duration::from_secs(5), writing).await.expect("not blocked").expect("written");
    }
    for (name, expected) in
        [("default_transaction_read_only", "off"), ("statement_timeout", before.as_str()), ("lock_timeout", "0")]
    {
        assert_eq!(shown(&application, name).await, expected, "{name}");
    }
    // A question that nobody waited for, and that failed later, does not spoil the next one.
    let abandoned = reader.read("select pg_sleep(0.2); select 1/0");
    assert!(tokio::time::timeout(Duration::from_millis(50), abandoned).await.is_err());
    assert_eq!(reader.rows("select 1").await.expect("usable")[0].text(0), Some("1"));
    drop(reader);
    assert_eq!(pooler.pg.admin("select id from t")[0][0].as_deref(), Some("41"));
}

/// Boundary's registry with three tenants, whose ledgers the role `app` may read, but for the last.
const FLEET: &str = "
create table public.tenants (id int primary key, slug text, schema_name text, status text, created_at timestamptz);
create procedure public.make(n int) language plpgsql as $$ begin
  execute format('create schema tenant_t%s authorization app', n);
  execute format('create table tenant_t%s.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))', n);
  execute format('grant select on tenant_t%s.schema_migrations to app', n);
  insert into public.tenants values (n, 't' || n, 'tenant_t' || n, 'active', now()); end $$;
call public.make(1); call public.make(2); call public.make(3);
grant select on public.tenants to app";

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_behind_it_leaves_the_application_as_it_is() {
    let Some(pooler) = pooler("transaction", 2) else { return };
    pooler.pg.admin(FLEET);
    let application = pooler.application().await;
    let settings = ["default_transaction_read_only", "statement_timeout", "lock_timeout", "search_path"];
    let mut before = Vec::new();
    for name in settings {
        before.push(shown(&application, name).await);
    }
    let mut fleet = fleet::spawn(vec![pooler.target(config::Pooler::Auto)], Duration::from_millis(200));
    let read =
        fleet.snapshots.wait_for(|snapshot| snapshot.databases[0].taken_at.is_some() && snapshot.tenants.len() == 3);
    let first = tokio::time::timeout(Duration::from_secs(30), read).await.expect("in time").expect("a picture").clone();
    assert!(first.databases[0].read_only_why.as_ref().is_some_and(|why| why.raw().contains("pooler")));
    fleet.commands.send(FleetCommand::Open(first.tenants[0].key.clone())).await.expect("told");
    // Readings that work, one that meets a lock, and one that may not be made.
    let (holder, connection) =
        tokio_postgres::connect(&pooler.pg.server.socket_url("postgres", "postgres"), NoTls).await.expect("a holder");
    tokio::spawn(connection);
    holder.batch_execute("begin; lock table tenant_t2.schema_migrations").await.expect("locked");
    let started = Instant::now();
    let mut writes = 0;
    while started.elapsed() < Duration::from_secs(4) {
        if writes == 40 {
            holder
                .batch_execute("rollback; revoke select on tenant_t3.schema_migrations from app")
                .await
                .expect("revoked");
        }
        if writes % 10 == 0 {
            fleet.commands.send(FleetCommand::Refresh).await.expect("told");
        }
        let writing = application.simple_query("update t set id = id + 1");
        tokio::time::timeout(Duration::from_secs(3), writing)
            .await
            .expect("not blocked")
            .expect("the application writes");
        for (name, before) in settings.iter().zip(&before) {
            assert_eq!(&shown(&application, name).await, before, "{name} after {writes} writes");
        }
        writes += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(writes > 45, "{writes}");
    drop(fleet);
    drop(application);
    assert_only_reads_in_transactions(&pooler, 50);
}

/// The watch of jobs that every dashboard has, and what it reads when a job is opened: it goes on reading, listens to
/// nothing, and sets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_dashboard_behind_it_are_watched_without_a_trace() {
    let Some(pooler) = pooler("transaction", 1) else { return };
    let direct = cli_fleet::Fleet::on(pooler.pg.database("watched"));
    direct.init();
    direct.expect(0, &["migrate", "acme", "--yes"]);
    let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", pooler.port, direct.database.name);
    let config = Database::new("test".into(), Environment::Development, url.clone().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let (application, connection) =
        tokio_postgres::connect(&format!("{url}&application_name=shop"), NoTls).await.expect("the application");
    tokio::spawn(connection);
    application.batch_execute("create table shop (n int)").await.expect("made");
    let (events, mut told) = tokio::sync::mpsc::channel(64);
    let service = tenantui::jobs::service::spawn(target, events);
    let mut next = async |what: &str| {
        tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap_or_else(|_| panic!("no {what}"))
    };
    assert!(matches!(next("job").await, Some(JobEvent::Job(view)) if view.state == JobState::Done));
    service.commands.send(ServiceCommand::ReadOutcomes(JobId(1))).await.expect("told");
    assert!(matches!(next("outcomes").await, Some(JobEvent::Outcomes { .. })));
    service.commands.send(ServiceCommand::ReadAudit(AuditFilter::default())).await.expect("told");
    assert!(matches!(next("audit").await, Some(JobEvent::Audit { .. })));
    // A worker refuses, with the reason.
    service.commands.send(ServiceCommand::Retry(JobId(1))).await.expect("told");
    let refused = next("refusal").await;
    assert!(
        matches!(&refused, Some(JobEvent::Rejected { message, .. }) if message.raw().contains("pooler")),
        "{refused:?}"
    );
    for _ in 0..60 {
        application.batch_execute("insert into shop values (1)").await.expect("the application writes");
        for (name, expected) in
            [("default_transaction_read_only", "off"), ("lock_timeout", "0"), ("statement_timeout", "0")]
        {
            assert_eq!(shown(&application, name).await, expected, "{name}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(service);
    assert_only_reads_in_transactions(&pooler, 10);
}

/// What reached the server in our name, and how often at least: nothing prepared, no LISTEN, no setting but for its own
/// transaction.
fn assert_only_reads_in_transactions(pooler: &Pooler, least: usize) {
    let log = fs::read_to_string(pooler.pg.server.socket_folder().join("log")).expect("the server's log");
    // What the command did directly came before: the pooler's own sessions are looked at.
    let log = log.rsplit_once("create table shop").map_or(log.as_str(), |(_, later)| later);
    let ours: Vec<&str> = log.lines().filter(|line| line.starts_with("tenantui")).collect();
    let statements: Vec<&str> =
        ours.iter().filter_map(|line| line.split_once("LOG:  statement: ")).map(|(_, sql)| sql).collect();
    assert!(statements.len() > least, "{}", statements.len());
    for line in &ours {
        assert!(!line.contains("LOG:  execute ") && !line.contains("LOG:  parse "), "prepared: {line}");
    }
    for sql in statements {
        let facts = ["SELECT pg_catalog.pg_backend_pid()", "SELECT system_identifier", "SELECT pg_catalog.substr("];
        let known = sql.starts_with("BEGIN READ ONLY; SET LOCAL ")
            || sql == "ROLLBACK"
            || facts.iter().any(|start| sql.starts_with(start));
        // The pooler's own way to tell one client's name from the next.
        assert!(known || sql.starts_with("SET application_name="), "{sql}");
    }
}

#[test]
fn nothing_is_written_through_it_but_where_sessions_are_kept() {
    for (mode, orders) in [("transaction", 5), ("session", 0)] {
        let Some(pooler) = pooler(mode, 20) else { return };
        let fleet = cli_fleet::Fleet::on(pooler.pg.database("pooled"));
        fleet.init();
        let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", pooler.port, fleet.database.name);
        let auto = fleet.block("eu-1", &url);
        fleet.configure(&auto);
        let list = fleet.json(0, &["tenants", "--json"]);
        assert_eq!(tenant(&list, "slug", "acme")["state"], "behind");
        fleet.json(0, &["jobs", "--json"]);
        fleet.expect(0, &["migrate", "acme", "--dry-run"]);
        for order in [
            &["migrate", "acme", "--yes"][..],
            &["provision", "new-one", "--name", "New", "--yes"],
            &["worker", "--once"],
            // A service, too: it never could work here.
            &["worker"],
        ] {
            let words = text(&fleet.expect(5, order).stderr);
            assert!(words.contains("pooler") && words.contains("pooler = \"session\""), "{mode} {order:?}: {words}");
        }
        fleet.configure(&auto.replace("[database.migrations]", "pooler = \"session\"\n[database.migrations]"));
        let words = text(&fleet.expect(orders, &["migrate", "acme", "--yes"]).stderr);
        assert_eq!(words.contains("it does not pool sessions although"), orders == 5, "{mode}: {words}");
        fleet.expect(orders, &["worker", "--once"]);
        let applied = fleet.database.value("select count(*) from tenant_acme.schema_migrations");
        assert_eq!(applied, if orders == 0 { "3" } else { "2" }, "{mode}");
        let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
        assert!(doctor.contains("pooler"), "{doctor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_session_is_believed_only_where_nothing_belies_it() {
    for (mode, size, expected) in [
        ("transaction", 1, Pooling::Disproved),
        ("transaction", 5, Pooling::Disproved),
        ("session", 10, Pooling::StatedSession),
    ] {
        let Some(pooler) = pooler(mode, size) else { return };
        let target = pooler.target(config::Pooler::Session);
        let started = Instant::now();
        let reader = Reader::open(&target, Patience::Foreground).await.expect("open");
        assert!(started.elapsed() < Duration::from_secs(8), "{mode}: {:?}", started.elapsed());
        assert_eq!(reader.facts().pooling, expected, "{mode} of {size}: {:?}", reader.facts().pooler_note);
        assert_eq!(reader.facts().pooling.keeps_sessions(), expected == Pooling::StatedSession);
        let writer = connect_writer(&target, "test").await.expect("a session");
        assert_eq!(writer.facts.pooling, expected, "{mode} of {size}, with a reader beside it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_through_the_pooler_arrive_and_it_survives_them() {
    let Some(mut pooler) = pooler("transaction", 4) else { return };
    let target = pooler.target(config::Pooler::Auto);
    for round in 0..50 {
        let writer = connect_writer(&target, "test").await.expect("a session");
        let name = format!("select pg_sleep(60), {round}");
        let (slept, cancelled) = tokio::join!(writer.client.simple_query(&name), async {
            wait_until_async(Duration::from_secs(10), "the sleeper", || async {
                let sql = format!("select from pg_stat_activity where query = '{name}' and state = 'active'");
                pooler.pg.admin(&sql).len() == 1
            })
            .await;
            writer.cancel.cancel().await
        });
        cancelled.expect("reached the pooler");
        let error = slept.map(|_| ()).expect_err("cancelled");
        assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
        assert!(pooler.process.is_running(), "the pooler ended in round {round}");
    }
}
