//! What an operator asks of a job, from whichever process, and what becomes of it.

use std::time::{Duration, Instant};

use tenantui::jobs::control::{self, Cancelled};
use tenantui::jobs::worker::{self, RunOptions, Stop};
use tenantui::migrations::plan::Plan;
use tenantui::model::job::{JobEvent, JobId, JobState, Outcome, Waits};
use tenantui::model::job_words;
use tokio::sync::{mpsc, watch};

use super::Fleet;
use crate::support::wait_until_async;

/// Two files: one at once, one that sleeps where the tenant says so.
async fn sleepy(tenants: usize) -> Fleet {
    let fleet = Fleet::new("jobs", tenants).await;
    fleet.file(1, "one", "create table m1 ()");
    fleet.file(
        2,
        "two",
        "create table m2 ();\n--;;\nselect pg_sleep(seconds) from public.sleep where current_schema() = schema",
    );
    fleet.db.sql(
        "create table public.sleep (schema text, seconds int); insert into public.sleep values ('tenant_t000', 60)",
    );
    fleet
}

fn wake(fleet: &Fleet) {
    fleet.db.sql("delete from public.sleep");
}

fn one_lane(fleet: &Fleet) -> Plan {
    fleet.plan(|options| options.parallel = 1)
}

fn audit(fleet: &Fleet, action: &str) -> String {
    fleet
        .db
        .value(&format!("select string_agg(outcome, ',' order by id) from tenantui.audit where action = '{action}'"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_cancel_cancels_what_runs() {
    let fleet = sleepy(3).await;
    let job = fleet.order(one_lane(&fleet)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    assert_eq!(control::cancel(&fleet.target(), job).await, Ok(Cancelled::AfterTenant));
    let view = fleet.view(job).await;
    assert_eq!((view.state, view.cancel_requested, view.stop_now), (JobState::Running, true, false));
    let asked = Instant::now();
    assert_eq!(control::cancel(&fleet.target(), job).await, Ok(Cancelled::Now));
    let ended = started.end().await.expect("its end");
    assert!(asked.elapsed() < Duration::from_secs(20), "the statement was not cancelled: {:?}", asked.elapsed());
    assert_eq!(
        (ended.state, ended.waits, ended.done, ended.failed, ended.pending),
        (JobState::Cancelled, None, 0, 0, 3)
    );
    fleet.assert_whole(|version| format!("m{version}"));
    assert_eq!(
        fleet.db.value("select string_agg(state, ',' order by seq) from tenantui.step where slug = 't000'"),
        "done,pending"
    );
    assert_eq!(audit(&fleet, "cancel"), "requested,requested now");
    assert_eq!(audit(&fleet, "run"), "cancelled");
    assert!(control::cancel(&fleet.target(), job).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_now_leaves_a_paused_job_that_goes_on() {
    let fleet = sleepy(2).await;
    let job = fleet.order(one_lane(&fleet)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    started.stop.send_replace(Stop::AfterStep);
    started.stop.send_replace(Stop::Now);
    let ended = started.end().await.expect("its end");
    assert_eq!((ended.state, ended.waits), (JobState::Paused, Some(Waits::Process)));
    assert!(ended.reason.as_ref().is_some_and(|reason| reason.raw().contains("asked to end")), "{ended:?}");
    assert_eq!(fleet.view(job).await.steps, (1, 4));
    assert!(worker::claimable(&fleet.target()).await.expect("asked").is_empty(), "a paused job waits for its operator");
    wake(&fleet);
    let done = fleet.run(job, false).await.0.expect("resumed");
    assert_eq!((done.state, done.done, done.waits, done.reason), (JobState::Done, 2, None, None));
    fleet.assert_whole(|version| format!("m{version}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_heeded_after_the_step_and_a_cancel_meanwhile_is_not_lost() {
    let fleet = sleepy(3).await;
    let job = fleet.order(one_lane(&fleet)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    assert_eq!(control::pause(&fleet.target(), job).await, Ok(false));
    assert!(fleet.view(job).await.pause_requested);
    fleet.db.sql("select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid()");
    let ended = started.end().await.expect("its end");
    assert_eq!((ended.state, ended.waits), (JobState::Paused, Some(Waits::Operator)));
    // It was worked on until then, by the server's clock: whoever looks later sees the same.
    let paused =
        fleet.db.value("select floor(extract(epoch from at) * 1000)::bigint from tenantui.audit where action = 'run'");
    let until = ended.until.expect("until when it ran").as_millisecond();
    assert!((until - paused.parse::<i64>().expect("a time")).abs() < 1_000, "{until} {paused}");
    assert_eq!(fleet.view(job).await.until, ended.until);
    assert_eq!(
        control::pause(&fleet.target(), job).await.expect_err("paused").to_string(),
        format!("job {job} is paused: there is nothing to pause")
    );
    // The tenant whose statement somebody else cancelled failed; the others wait.
    assert_eq!((ended.failed, ended.pending), (1, 2));
    let started = fleet.start(job);
    wait_until_async(Duration::from_secs(20), "the others", || async { fleet.view(job).await.done == 2 }).await;
    assert_eq!(started.end().await.expect("its end").state, JobState::Failed);
    let retried = fleet.start_again(job);
    fleet.wait_for_statement("pg_sleep").await;
    control::pause(&fleet.target(), job).await.expect("asked");
    control::cancel(&fleet.target(), job).await.expect("asked");
    fleet.db.sql("select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid()");
    assert!(matches!(retried.end().await.expect("its end").state, JobState::Cancelled | JobState::Failed));
    assert_eq!(audit(&fleet, "pause"), "requested,requested");
}

#[tokio::test]
async fn where_nobody_runs_a_job_it_is_paused_and_cancelled_at_once() {
    let fleet = Fleet::new("jobs", 2).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(control::pause(&fleet.target(), job).await, Ok(true));
    let view = fleet.view(job).await;
    assert_eq!((view.state, view.waits), (JobState::Paused, Some(Waits::Operator)));
    assert!(worker::claimable(&fleet.target()).await.expect("asked").is_empty());
    assert_eq!(fleet.run(job, false).await.0.expect("resumed").state, JobState::Done);
    // An orphan, whose late worker must not be able to write any more.
    fleet.file(2, "two", "create table two ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.db.sql(&format!(
        "update tenantui.job set state = 'running', attempt = 3, worker = 'elsewhere 1' where id = {job}"
    ));
    assert_eq!(control::pause(&fleet.target(), job).await, Ok(true));
    assert_eq!(fleet.db.value(&format!("select state || attempt from tenantui.job where id = {job}")), "paused4");
    assert_eq!(control::cancel(&fleet.target(), job).await, Ok(Cancelled::Ended));
    let view = fleet.view(job).await;
    assert_eq!((view.state, view.pending), (JobState::Cancelled, 2));
    assert_eq!((audit(&fleet, "pause").as_str(), audit(&fleet, "cancel").as_str()), ("paused,paused", "cancelled"));
}

#[tokio::test]
async fn a_cancel_at_the_moment_of_the_claim_is_never_lost() {
    let fleet = Fleet::new("jobs", 6).await;
    fleet.file(1, "one", "create table one ()");
    for round in 0..12 {
        let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
        let run = fleet.run(job, false);
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(round * 4)).await;
            control::cancel(&fleet.target(), job).await
        };
        let ((ended, _), cancelled) = tokio::join!(run, cancel);
        let state = fleet.view(job).await.state;
        match cancelled {
            // Asked at a time when it could be heeded, unless all was through by then.
            Ok(Cancelled::AfterTenant | Cancelled::Ended) => {
                assert!(matches!(state, JobState::Cancelled | JobState::Done), "round {round}: {state:?} {ended:?}");
            }
            Ok(Cancelled::Now) => panic!("it was asked once"),
            Err(error) => assert_eq!(state, JobState::Done, "round {round}: {error}"),
        }
        if fleet.plan(|_| {}).tenants.is_empty() {
            break;
        }
    }
    assert_eq!(fleet.db.value("select count(*) from tenantui.job where cancel_requested_at is not null"), "0");
}

#[tokio::test]
async fn a_skipped_tenant_is_left_out_with_a_note_and_a_failed_job_comes_to_its_end() {
    let fleet = Fleet::new("jobs", 3).await;
    fleet.file(1, "one", "create table m1 ()");
    fleet.file(2, "two", "create table m2 ();\n--;;\ninsert into users values (7)");
    fleet.db.sql("insert into tenant_t001.users values (7)");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    let skip = async |schema: &str| control::skip(&fleet.target(), job, schema, "left by its owner\u{1b}[2J").await;
    let error = skip("tenant_t000").await.expect_err("done").to_string();
    assert!(error.contains("tenant_t000 is done in job"), "{error}");
    assert!(skip("nobody\u{1b}[2J").await.expect_err("unknown").to_string().chars().all(|c| !c.is_control()));
    skip("tenant_t001").await.expect("skipped");
    let view = fleet.view(job).await;
    assert_eq!((view.state, view.done, view.failed, view.steps), (JobState::Done, 3, 0, (5, 6)));
    assert_eq!(view.reason.as_ref().map(|reason| reason.raw()), Some("what failed was skipped"));
    assert_eq!((view.done, view.skipped, job_words::done(&view)), (view.total, 1, view.total - 1));
    let outcome = &fleet.outcomes(job).await["t001"];
    assert_eq!((outcome.outcome, outcome.steps), (Outcome::Skipped, (1, 2)));
    assert_eq!(fleet.db.value("select note from tenantui.step where state = 'skipped'"), "left by its owner\u{1b}[2J");
    let said = fleet.db.sql("select target, after->>'note', outcome from tenantui.audit where action = 'skip'");
    assert_eq!(said[0][0].as_deref(), Some("tenant_t001"));
    assert_eq!((said.len(), said[0][2].as_deref()), (1, Some("skipped")));
    assert!(skip("tenant_t001").await.is_err(), "it is over");
    fleet.assert_whole(|version| format!("m{version}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_can_be_skipped_while_the_job_runs_but_not_while_it_is_its_turn() {
    let fleet = sleepy(4).await;
    let job = fleet.order(one_lane(&fleet)).await.expect("ordered");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep").await;
    let error = control::skip(&fleet.target(), job, "tenant_t000", "x").await.expect_err("runs").to_string();
    assert!(error.contains("a step of tenant_t000 runs now"), "{error}");
    control::skip(&fleet.target(), job, "tenant_t002", "moves to another server").await.expect("skipped");
    fleet.db.sql("select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid()");
    let ended = started.end().await.expect("its end");
    assert_eq!((ended.state, ended.done, ended.failed, ended.pending), (JobState::Failed, 3, 1, 0));
    assert_eq!((ended.skipped, job_words::done(&ended)), (1, 2));
    let outcomes = fleet.outcomes(job).await;
    assert_eq!(outcomes["t002"].outcome, Outcome::Skipped);
    assert_eq!(outcomes["t003"].outcome, Outcome::Done);
    assert_eq!(fleet.db.value("select count(*) from tenant_t002.schema_migrations"), "0");
    fleet.assert_whole(|version| format!("m{version}"));
    // A queued and a paused job.
    wake(&fleet);
    let retried = fleet.run(job, true).await.0.expect("retried");
    assert_eq!((retried.state, retried.done), (JobState::Done, 4));
    assert_eq!(fleet.outcomes(job).await["t002"].outcome, Outcome::Skipped, "a retry brings no skipped tenant back");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    control::skip(&fleet.target(), job, "tenant_t002", "still").await.expect("skipped while queued");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select count(*) from tenant_t002.schema_migrations"), "0");
}

/// Runs the steps of one tenant again when nobody is in its way; the lines of its log.
async fn when_free(fleet: &Fleet, job: JobId, schema: &str) -> (JobState, Vec<String>) {
    let (_stop, stop) = watch::channel(Stop::GoOn);
    let (events, mut seen) = mpsc::channel(256);
    let options =
        RunOptions { wait_after_canary: true, parallel: None, shows_credentials: true, ordered_here: false, stop };
    let lines = async {
        let mut lines = Vec::new();
        while let Some(event) = seen.recv().await {
            if let JobEvent::Log(line) = event {
                lines.push(line.text.raw().to_owned());
            }
        }
        lines
    };
    let target = fleet.target();
    let (ended, lines) = tokio::join!(worker::retry_when_free(&target, job, schema, options, events), lines);
    (ended.expect("run").state, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_tenant_is_tried_again_when_its_lock_is_free() {
    let mut fleet = Fleet::new("jobs", 2).await;
    fleet.config.jobs.lock_timeout = Duration::from_millis(50);
    fleet.file(1, "one", "create table m1 ();\n--;;\nalter table users add column more int");
    let reader = fleet.db.connect().await;
    reader
        .simple_query("begin; select * from tenant_t001.users; set application_name = 'a report'")
        .await
        .expect("held");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let ended = fleet.run(job, false).await.0.expect("run");
    assert_eq!((ended.state, ended.blocked, ended.done), (JobState::Failed, 1, 1));
    let free = async {
        wait_until_async(Duration::from_secs(20), "a second claim", || async {
            fleet.db.value("select attempt || state from tenantui.job") == "2running"
        })
        .await;
        // It waits, and asks for no lock meanwhile: whoever reads the table is not kept waiting behind it.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let waiting = "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database where not l.granted and d.datname = current_database()";
        assert_eq!(fleet.db.value(waiting), "0");
        reader.simple_query("rollback").await.expect("free");
    };
    let ((state, lines), ()) = tokio::join!(when_free(&fleet, job, "tenant_t001"), free);
    assert_eq!(state, JobState::Done, "{lines:#?}");
    assert!(
        lines.iter().any(|line| line.starts_with("waits until its schema is free: pid ") && line.contains("a report")),
        "{lines:#?}"
    );
    fleet.assert_whole(|version| format!("m{version}"));
    assert_eq!(audit(&fleet, "retry"), "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_lock_can_be_told_to_stop() {
    let mut fleet = Fleet::new("jobs", 1).await;
    fleet.config.jobs.lock_timeout = Duration::from_millis(50);
    fleet.file(1, "one", "create table m1 ();\n--;;\nalter table users add column more int");
    let reader = fleet.db.connect().await;
    reader.simple_query("begin; select * from tenant_t000.users").await.expect("held");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").blocked, 1);
    let pause = async {
        fleet.wait_for_claim().await;
        wait_until_async(Duration::from_secs(20), "the second run", || async { fleet.view(job).await.attempt == 2 })
            .await;
        control::pause(&fleet.target(), job).await.expect("asked")
    };
    let ((state, lines), at_once) = tokio::join!(when_free(&fleet, job, "tenant_t000"), pause);
    assert!(!at_once);
    assert_eq!(state, JobState::Paused, "{lines:#?}");
    assert_eq!(fleet.db.value("select state from tenantui.step"), "pending");
}
