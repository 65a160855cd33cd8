//! The lease: lost, regained, taken over, slept through.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tenantui::jobs::worker::Stop;
use tenantui::model::job::{JobState, Outcome, Waits};

use super::Fleet;
use crate::cli_fleet;
use crate::support::relay::Relay;
use crate::support::standby::own_pair;
use crate::support::{wait_until, wait_until_async};
use crate::worker::{Running, queued};

const LOCKS: &str = "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database where l.locktype = 'advisory' \
    and l.objsubid = 2 and l.granted and d.datname = current_database()";

/// Ends the session that holds the job's lock.
fn cut_lock(fleet: &Fleet) {
    fleet.db.sql(
        "select pg_terminate_backend(l.pid) from pg_locks as l join pg_database as d on d.oid = l.database \
         where l.locktype = 'advisory' and l.objsubid = 2 and l.granted and d.datname = current_database()",
    );
}

async fn sleepy(tenants: usize) -> Fleet {
    let fleet = Fleet::new("jobs", tenants).await;
    fleet.file(
        1,
        "one",
        "create table one ();\n--;;\nselect pg_sleep(seconds) from public.sleep where current_schema() = schema",
    );
    fleet.db.sql(
        "create table public.sleep (schema text, seconds int); insert into public.sleep values ('tenant_t000', 3)",
    );
    fleet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lock_is_regained_for_the_same_attempt() {
    let fleet = sleepy(3).await;
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    cut_lock(&fleet);
    wait_until_async(Duration::from_secs(10), "the lock again", || async { fleet.db.value(LOCKS) == "1" }).await;
    let ended = started.end().await.expect("its end");
    assert_eq!((ended.state, ended.done, ended.attempt), (JobState::Done, 3, 1));
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_job_starts_no_step_and_changes_nothing() {
    let fleet = sleepy(12).await;
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    // Another worker's claim, as far as the record tells: it has to wait for the step, and then fences.
    fleet.db.sql("with mine as (select id from tenantui.job for update) update tenantui.job as j set attempt = 7, worker = 'elsewhere 1' from mine where j.id = mine.id");
    let states = "select string_agg(state, ',' order by seq) from tenantui.step";
    let then = fleet.db.value(states);
    let error = started.end().await.expect_err("taken").to_string();
    assert!(error.contains("another worker took") && error.contains("nothing was lost"), "{error}");
    assert_eq!(fleet.db.value(states), then, "a step of the old attempt was written after the new one began");
    assert!(then.ends_with("pending"), "{then}");
    assert_eq!(fleet.db.value("select state || attempt || worker from tenantui.job"), "running7elsewhere 1");
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_in_mid_run_pauses_the_job_and_an_operator_goes_on() {
    let pair = own_pair(&[]);
    let db = pair.primary.database("failover");
    let mut fleet = Fleet::on(db.clone(), 3).await;
    fleet.file(1, "one", "create table one ();\n--;;\nselect pg_sleep(1)");
    let relay = Relay::to(db.port).await;
    fleet.config.url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", relay.port, db.name).into();
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let failover = async {
        let done = "select count(*) from tenantui.step where state = 'done'";
        wait_until_async(Duration::from_secs(20), "the first step", || async { db.value(done) == "1" }).await;
        pair.catch_up();
        // The way leads to the standby first, as an address does that follows before the promotion is through.
        relay.aim(pair.standby.open(&db).port);
        relay.cut();
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.standby.promote();
    };
    let ((ended, _), ()) = tokio::join!(fleet.run(job, false), failover);
    let ended = ended.expect("paused on the new primary");
    assert_eq!((ended.state, ended.waits), (JobState::Paused, Some(Waits::Trouble)));
    let reason = ended.reason.map(|reason| reason.raw().to_owned()).unwrap_or_default();
    assert!(reason.contains("failover") && reason.contains("00000001 to 00000002"), "{reason}");
    let new = pair.standby.open(&db);
    let done: u32 = new.value("select count(*) from tenantui.step where state = 'done'").parse().expect("a number");
    assert!((1..3).contains(&done), "it went on silently: {done}");
    fleet.db = new;
    fleet.assert_whole(|_| "one".into());
    assert_eq!(fleet.run(job, false).await.0.expect("resumed").state, JobState::Done);
    fleet.assert_whole(|_| "one".into());
    assert_eq!(fleet.db.value("select outcome from tenantui.audit where action = 'failover'"), "accepted");
    assert_eq!(fleet.db.value("select timeline from tenantui.job"), "00000002");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_has_to_end_does_not_wait_for_a_lost_link() {
    let mut fleet = sleepy(3).await;
    let relay = Relay::to(fleet.db.port).await;
    let direct = fleet.config.url.clone();
    fleet.config.url =
        format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", relay.port, fleet.db.name).into();
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    relay.aim(nobody.port());
    relay.cut();
    started.stop.send_replace(Stop::AfterStep);
    let asked = Instant::now();
    started.stop.send_replace(Stop::Now);
    let error = started.end().await.expect_err("the record could not be told").to_string();
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert!(error.contains("the link was lost while job") && error.contains("resume it"), "{error}");
    fleet.config.url = direct;
    wait_until_async(Duration::from_secs(10), "an orphan", || async {
        fleet.view(job).await.state == JobState::Orphaned
    })
    .await;
    let ended = fleet.run(job, false).await.0.expect("resumed");
    assert_eq!((ended.state, ended.done, ended.attempt), (JobState::Done, 3, 2));
    fleet.assert_whole(|_| "one".into());
}

#[test]
fn a_panic_within_a_step_is_a_failed_step_and_the_others_go_on() {
    let fleet = queued(3, "create table more (id int);");
    let run = fleet.command().env("TENANTUI_TEST_PANIC", "step 2").args(["worker", "--once"]).output().expect("runs");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(4), "{said}");
    let steps = fleet.database.sql("select state, coalesce(message, '') from tenantui.step order by seq");
    let states: Vec<_> = steps.iter().map(|row| row[0].clone().unwrap_or_default()).collect();
    assert_eq!(states, ["done", "failed", "done"], "{said}");
    let message = steps[1][1].clone().unwrap_or_default();
    assert!(message.contains("tenantui itself failed here") && message.contains("TENANTUI_TEST_PANIC"), "{message}");
    assert_eq!(fleet.database.value("select state from tenantui.job"), "failed");
    // It is a failure like any other: it is run again.
    fleet.expect(0, &["job", "1", "retry", "--yes"]);
    assert_eq!(fleet.database.value("select state from tenantui.job"), "done");
}

#[test]
fn a_panic_of_the_whole_run_leaves_a_paused_job_with_words() {
    let fleet = queued(1, "create table more (id int);");
    let run = fleet.command().env("TENANTUI_TEST_PANIC", "run").args(["worker", "--once"]).output().expect("runs");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(fleet.database.value("select state || waits from tenantui.job"), "pausedtrouble", "{said}");
    let reason = fleet.database.value("select reason from tenantui.job");
    assert!(reason.contains("the program failed (asked for by TENANTUI_TEST_PANIC)"), "{reason}");
    fleet.expect(0, &["job", "1", "resume", "--yes"]);
    assert_eq!(fleet.database.value("select state from tenantui.job"), "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provisioning_has_through_shows_elsewhere_while_it_runs() {
    let fleet = cli_fleet::Fleet::new();
    fleet.init();
    fleet.file("20260401000000-sleep", "select pg_sleep(8);");
    let mut run = Running::start(&fleet, &["provision", "new-one", "--name", "New", "--yes"], &[]);
    let steps = "select coalesce((progress->>'steps_done')::int, 0) from tenantui.job";
    wait_until(Duration::from_secs(7), "its steps", || {
        fleet.database.value("select count(*) from tenantui.job") == "1" && fleet.database.value(steps) == "5"
    });
    let views = fleet.json(0, &["jobs", "--json"]);
    assert_eq!(fleet.database.value("select count(*) from tenantui.step where state = 'done'"), "0");
    assert_eq!(views["jobs"][0]["state"], "running");
    assert_eq!(run.code(), Some(0), "{}", run.said());
    assert_eq!(fleet.database.value(steps), "7");
}

#[test]
fn a_worker_that_slept_through_its_lease_finds_itself_fenced() {
    let fleet = queued(4, "select pg_sleep(0.3); create table woke (id int);");
    let lease = [("TENANTUI_TEST_LEASE_MS", "1200")];
    let frozen = Running::start(&fleet, &["worker", "--once"], &lease);
    let done = || fleet.database.value("select count(*) from tenantui.step where state = 'done'");
    wait_until(Duration::from_secs(20), "a first step", || done() != "0");
    frozen.signal(Signal::STOP);
    // The server gives its lock away. A step that was open ends when the server sees nobody answer, or with its COMMIT
    // already sent; until then the job is draining.
    wait_until(Duration::from_secs(10), "the end of the lease", || fleet.database.value(LOCKS) == "0");
    fleet.database.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'tenantui %' \
         and state = 'idle in transaction'",
    );
    let other = fleet.run(&["worker", "--drain"]);
    assert_eq!(other.status.code(), Some(0), "{}", String::from_utf8_lossy(&other.stderr));
    assert_eq!(fleet.database.value("select state || attempt from tenantui.job"), "done2");
    let audits = fleet.database.value("select count(*) from tenantui.audit");
    let woken = Instant::now();
    frozen.signal(Signal::CONT);
    let mut frozen = frozen;
    assert_ne!(frozen.code(), Some(0), "{}", frozen.said());
    assert!(woken.elapsed() < Duration::from_secs(20), "{:?}", woken.elapsed());
    assert!(frozen.said().contains("took job"), "{}", frozen.said());
    // Nothing was run twice, and nothing was written by the one that woke.
    assert_eq!(fleet.database.value("select count(*) from tenantui.audit"), audits);
    assert_eq!(
        fleet.database.value("select count(*) from tenantui.audit where action = 'migrate' and outcome = 'done'"),
        "4"
    );
    assert_eq!(fleet.database.value("select string_agg(distinct state, ',') from tenantui.step"), "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_whose_reply_was_lost_is_read_back() {
    let fleet = sleepy(1).await;
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    // The lock's session ends at the very end: the end is told on another one, once.
    fleet.db.sql(
        "create function public.cut() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(l.pid) \
         from pg_locks as l join pg_database as d on d.oid = l.database where l.locktype = 'advisory' and l.objsubid = 2 \
         and l.granted and d.datname = current_database() and l.pid <> pg_backend_pid(); return null; end $$; \
         create trigger cut after update on tenantui.step for each row when (new.state = 'done') execute function public.cut()",
    );
    let ended = fleet.run(job, false).await.0.expect("run");
    assert_eq!((ended.state, ended.done), (JobState::Done, 1));
    assert_eq!(fleet.db.value("select count(*) from tenantui.audit where action = 'run'"), "1");
    assert_eq!(fleet.outcomes(job).await["t000"].outcome, Outcome::Done);
}
