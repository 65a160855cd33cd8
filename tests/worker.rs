//! `tenantui worker` through the real program: what it takes, what it says, how it ends, and what it leaves behind when
//! it is told to end, is killed, or loses its database.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::text;
use crate::cli_fleet::Fleet;
use crate::support::{own_pg, pg, program, tcp, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// The program, running, with what it said on standard error.
pub struct Running {
    pub child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    pub fn start(fleet: &Fleet, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.env_clear().env("HOME", fleet.home.path()).env("USER", "tester").envs(variables.iter().copied());
        command.arg("--config").arg(fleet.home.path().join("config.toml")).args(arguments);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (heard, stderr) = (Arc::clone(&said), child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut said = heard.lock().expect("not poisoned");
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self { child, said }
    }

    pub fn said(&self) -> String {
        self.said.lock().expect("not poisoned").clone()
    }

    pub fn wait_for(&self, words: &str) {
        let give_up = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < give_up, "it did not say `{words}`, but:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("sent");
    }

    pub fn code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until(PATIENCE, "the end of the program", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fleet of `count` tenants that are one migration behind, with a job of it that nobody runs.
pub fn queued(count: usize, sql: &str) -> Fleet {
    let fleet = Fleet::new();
    fleet.init();
    for number in 0..count {
        fleet.tenant(&format!("q{number}"), "Q", 3);
    }
    fleet.file("20260501000000-more", sql);
    order(&fleet, count);
    fleet
}

/// Orders a job and leaves it queued: as [`orphan`], and then put back by hand.
pub fn order(fleet: &Fleet, count: usize) {
    orphan(fleet, count);
    wait_until(PATIENCE, "the end of its sessions", || nobody_works(fleet));
    fleet.database.sql("update tenantui.job set state = 'queued', worker = null, attempt = 0 where state = 'running'");
}

/// Orders a job for these tenants and kills the one who ordered it before anything was done.
pub fn orphan(fleet: &Fleet, count: usize) {
    let names: Vec<String> = (0..count).map(|number| format!("q{number}")).collect();
    let mut arguments = vec!["migrate", "--yes", "--canary", "0", "--parallel", "1"];
    arguments.extend(names.iter().map(String::as_str));
    // No step can end while the ledgers are locked.
    let lock = Lock::of(fleet, &names);
    let mut run = Running::start(fleet, &arguments, &[]);
    run.wait_for(" run  q0 ");
    run.signal(Signal::KILL);
    run.code();
    drop(lock);
}

/// Orders the last job once more, queued; its steps turn out to be done already.
pub fn clone(fleet: &Fleet) {
    let columns = "kind, scope, what, params, plan_sha256, active_scope, created_by, os_user, client_host, app_version, \
        system_identifier, timeline, database_oid";
    let steps = "seq, action, tenant_key, tenant_id, slug, schema_name, schema_oid, from_version, version, file_sha256";
    fleet.database.sql(&format!(
        "begin; insert into tenantui.job ({columns}, idempotency_key) select {columns}, gen_random_uuid() from tenantui.job \
         order by id desc limit 1; insert into tenantui.step (job_id, {steps}) select j.id, {steps} from tenantui.step, \
         (select max(id) as id from tenantui.job) as j where job_id = j.id - 1; notify tenantui; commit"
    ));
}

/// Whether no session of tenantui is at work in the fleet's database.
pub fn nobody_works(fleet: &Fleet) -> bool {
    fleet.database.value(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui %'",
    ) == "0"
}

/// Locks of a session of the test's own, until dropped.
pub struct Lock {
    _runtime: tokio::runtime::Runtime,
    _client: tokio_postgres::Client,
}

impl Lock {
    pub fn of(fleet: &Fleet, slugs: &[String]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let client = fleet.database.connect().await;
            let tables: Vec<String> = slugs.iter().map(|slug| format!("tenant_{slug}.schema_migrations")).collect();
            client
                .batch_execute(&format!("begin; lock table {} in exclusive mode", tables.join(", ")))
                .await
                .expect("locked");
            client
        });
        Self { _runtime: runtime, _client: client }
    }
}

pub fn job(fleet: &Fleet, column: &str) -> String {
    fleet.database.value(&format!("select {column}::text from tenantui.job order by id desc limit 1"))
}

#[test]
fn once_and_drain_run_what_is_queued_and_tell_by_their_status() {
    let fleet = queued(2, "create table more (id int);");
    let drained = fleet.expect(0, &["worker", "--drain"]);
    let words = text(&drained.stderr);
    assert!(words.contains("tenantui worker ready: eu-1") && words.contains("2/2"), "{words}");
    assert!(drained.stdout.is_empty());
    assert_eq!((job(&fleet, "state"), job(&fleet, "attempt")), ("done".into(), "1".into()));
    // One tenant fails: 4.
    fleet.database.sql("create table tenant_q0.clash (x int)");
    fleet.file("20260601000000-clash", "create table clash (id int);");
    order(&fleet, 2);
    fleet.expect(4, &["worker", "--once"]);
    assert_eq!((job(&fleet, "state"), job(&fleet, "worker is null")), ("failed".into(), "false".into()));
    fleet.expect(0, &["worker", "--drain"]);
}

#[test]
fn a_job_whose_files_are_not_here_is_left_with_the_reason() {
    let fleet = queued(1, "create table more (id int);");
    fleet.file("20260501000000-more", "create table other (id int);");
    let words = text(&fleet.expect(4, &["worker", "--drain"]).stderr);
    assert!(words.contains("job 1 is left") && words.contains("20260501000000"), "{words}");
    assert_eq!(job(&fleet, "state || attempt"), "queued0");
    // Whoever looks at the record is told as well, and who is kept from ordering by it.
    let reason = job(&fleet, "reason");
    assert!(reason.starts_with("left by ") && reason.contains("changed since the job was ordered"), "{reason}");
    assert!(text(&fleet.expect(0, &["jobs"]).stdout).contains("left by "));
    let busy = text(&fleet.expect(5, &["migrate", "q0", "--yes"]).stderr);
    assert!(busy.contains("is queued") && busy.contains("changed since the job was ordered"), "{busy}");
    // A service says so once, and takes it as soon as they are there.
    let mut service = Running::start(&fleet, &["worker"], &[]);
    service.wait_for("job 1 is left");
    service.signal(Signal::TERM);
    assert_eq!(service.code(), Some(143));
    fleet.file("20260501000000-more", "create table more (id int);");
    fleet.expect(0, &["worker", "--drain"]);
    assert_eq!((job(&fleet, "state"), job(&fleet, "reason is null")), ("done".into(), "true".into()));
}

#[test]
fn a_service_says_when_it_is_ready_and_runs_what_is_ordered_later() {
    let fleet = Fleet::new();
    fleet.init();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let heard = || {
        let mut bytes = [0; 512];
        let count = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let mut service = Running::start(&fleet, &["worker"], &[("NOTIFY_SOCKET", &path.display().to_string())]);
    service.wait_for("tenantui worker ready: eu-1\n");
    assert_eq!(heard(), "READY=1\nSTATUS=takes jobs of eu-1");
    fleet.tenant("q0", "Q", 3);
    fleet.file("20260501000000-more", "create table more (id int);");
    orphan(&fleet, 1);
    wait_until(PATIENCE, "the job's end", || job(&fleet, "state") == "done");
    service.wait_for("done, 1/1");
    service.signal(Signal::TERM);
    assert_eq!(service.code(), Some(143), "{}", service.said());
    assert!(heard().starts_with("STOPPING=1\n"));
    assert!(nobody_works(&fleet));
}

#[test]
fn a_service_that_is_told_to_end_lets_the_step_finish_and_pauses_the_job() {
    let fleet = queued(3, "select pg_sleep(2);\n--;;\ncreate table slow (id int);");
    let mut service = Running::start(&fleet, &["worker"], &[]);
    wait_until(PATIENCE, "the slow step", || asleep(&fleet));
    service.signal(Signal::TERM);
    assert_eq!(service.code(), Some(143), "{}", service.said());
    assert_eq!(job(&fleet, "state || '/' || waits"), "paused/process");
    assert_eq!(fleet.database.value("select count(*) from pg_tables where tablename = 'slow'"), "1");
    assert!(service.said().contains("tenantui job 1 resume"), "{}", service.said());
    whole(&fleet, 1);
    assert_eq!(fleet.json(0, &["job", "1", "resume", "--yes", "--json"])["jobs"][0]["done"], 3);
}

#[test]
fn after_the_grace_or_a_second_signal_the_step_is_cancelled() {
    for (arguments, signals) in [(&["worker", "--grace", "1"][..], 1), (&["worker"][..], 2)] {
        let fleet = queued(2, "select pg_sleep(60);\n--;;\ncreate table slow (id int);");
        let mut service = Running::start(&fleet, arguments, &[]);
        wait_until(PATIENCE, "the slow step", || asleep(&fleet));
        let begun = Instant::now();
        service.signal(Signal::INT);
        if signals == 2 {
            wait_until(PATIENCE, "the first signal to be taken", || begun.elapsed() > Duration::from_millis(300));
            service.signal(Signal::INT);
        }
        assert_eq!(service.code(), Some(130), "{}", service.said());
        assert!(begun.elapsed() < Duration::from_secs(7), "{:?}\n{}", begun.elapsed(), service.said());
        assert_eq!(job(&fleet, "state || '/' || waits"), "paused/process", "{}", service.said());
        assert_eq!(fleet.database.value("select count(*) from pg_tables where tablename = 'slow'"), "0");
        wait_until(PATIENCE, "the end of the step", || !asleep(&fleet));
        whole(&fleet, 0);
    }
}

#[test]
fn two_services_share_the_work_and_a_killed_ones_job_is_taken_over() {
    let fleet = queued(3, "select pg_sleep(1);\n--;;\ncreate table slow (id int);");
    let mut first = Running::start(&fleet, &["worker"], &[]);
    wait_until(PATIENCE, "the slow step", || asleep(&fleet));
    let mut second = Running::start(&fleet, &["worker"], &[]);
    second.wait_for("tenantui worker ready");
    first.signal(Signal::KILL);
    first.code();
    wait_until(PATIENCE, "the job's end", || job(&fleet, "state") == "done");
    assert_eq!(job(&fleet, "attempt"), "2");
    whole(&fleet, 3);
    let mut third = Running::start(&fleet, &["worker"], &[]);
    third.wait_for("tenantui worker ready");
    for _ in 0..5 {
        clone(&fleet);
        wait_until(PATIENCE, "the next job's end", || job(&fleet, "state") == "done");
        assert_eq!(job(&fleet, "attempt"), "1");
    }
    for service in [&mut second, &mut third] {
        service.signal(Signal::TERM);
        assert_eq!(service.code(), Some(143));
        assert!(!service.said().contains("is left"), "{}", service.said());
    }
}

#[test]
fn a_lost_database_is_said_once_and_its_return_too() {
    let mut own = own_pg(tcp());
    let fleet = Fleet::new();
    let database = own.database("cli");
    fleet.configure(&fleet.block("eu-1", &database.url()));
    database.sql("create table public.tenants (slug text primary key, schema_name text)");
    fleet.expect(0, &["init", "--yes"]);
    let mut service = Running::start(&fleet, &["worker"], &[]);
    service.wait_for("tenantui worker ready: eu-1");
    own.server.stop(false);
    service.wait_for("it is tried again until it is back");
    own.server.start_again(&own.home).expect("started");
    service.wait_for("eu-1: it is back");
    assert_eq!(service.said().matches("tried again").count(), 1, "{}", service.said());
    service.signal(Signal::TERM);
    assert_eq!(service.code(), Some(143));
}

#[test]
fn no_link_and_no_permission_to_write_end_it_at_once() {
    let fleet = Fleet::new();
    fleet.configure(&fleet.block("eu-1", "postgresql://ops:x@127.0.0.1:9/none?sslmode=disable"));
    fleet.expect(3, &["worker", "--once"]);
    fleet.expect(3, &["worker", "--drain"]);
    fleet.configure(&fleet.block("eu-1", &fleet.database.url()));
    fleet.expect(5, &["--read-only", "worker"]);
    let role = pg().role("stranger");
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&role)));
    fleet.database.sql("create schema tenantui");
    fleet.expect(2, &["worker", "--once", "--drain"]);
}

/// Whether a slow step runs.
pub fn asleep(fleet: &Fleet) -> bool {
    fleet.database.value(
        "select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' \
         and state = 'active' and pid <> pg_backend_pid()",
    ) != "0"
}

/// Ledger, objects and steps of the last job agree; so many steps are done.
pub fn whole(fleet: &Fleet, done: usize) {
    let count = |sql: &str| fleet.database.value(sql);
    let steps = count(
        "select count(*) from tenantui.step where state = 'done' and job_id = (select max(id) from tenantui.job)",
    );
    assert_eq!(steps, done.to_string(), "steps");
    assert_eq!(count("select count(*) from pg_tables where tablename = 'slow'"), done.to_string(), "tables");
    let ledgers =
        fleet.database.sql("select relnamespace::regnamespace::text from pg_class where relname = 'slow' order by 1");
    for schema in ledgers {
        let schema = schema[0].clone().unwrap_or_default();
        assert_eq!(count(&format!("select count(*) from {schema}.schema_migrations where id = 20260501000000")), "1");
    }
}

/// Where systemd's program is, the unit in docs is sound; it is compared with the program everywhere.
#[test]
fn the_unit_in_docs_fits_the_program() {
    let unit = include_str!("../docs/tenantui-worker.service");
    let seconds = |name: &str| -> u64 {
        let found = unit.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        found.trim_end_matches('s').parse().expect("seconds")
    };
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).expect("a command");
    let (_, grace) = command.split_once("--grace ").expect("a grace");
    let grace: u64 = grace.parse().expect("seconds");
    assert!(seconds("TimeoutStopSec=") > grace + 10, "time to record the job as paused");
    let arguments = tenantui::cli::args::Arguments::try_parse_from(command.split(' '));
    assert!(arguments.is_ok(), "{command}");
    assert!(unit.contains("Type=notify") && unit.contains("SuccessExitStatus=143"));
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("tenantui-worker.service");
    std::fs::write(&copy, unit.replace("/usr/local/bin/tenantui", &program().display().to_string())).expect("a copy");
    match Command::new("systemd-analyze").arg("verify").arg(&copy).output() {
        Ok(output) => assert!(output.status.success(), "{}", text(&output.stderr)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}
