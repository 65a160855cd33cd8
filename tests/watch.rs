//! Watching jobs that run elsewhere: how soon an orphan and a new job show, what is told of their steps, what happens
//! when the watching session is lost; and what an operator asks of a job from another process.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::jobs::watch::{self, Sight, Wanted};
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobState, JobView, LogMark};
use tenantui::postgres::session::Target;
use tokio::sync::mpsc;

use crate::cli::text;
use crate::cli_fleet::{Fleet, tenant};
use crate::support::wait_until;
use crate::worker::{Running, asleep, clone, job, queued, whole};

const PATIENCE: Duration = Duration::from_secs(30);

fn target(fleet: &Fleet) -> Target {
    let config = Database::new("eu-1".into(), Environment::Development, fleet.database.url().into());
    Target::resolve(config.into(), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target")
}

/// As [`queued`], for tests that await.
async fn made(count: usize, sql: &'static str) -> Fleet {
    tokio::task::spawn_blocking(move || queued(count, sql)).await.expect("a fleet")
}

/// The next sight that this picks out.
async fn next<T>(seen: &mut mpsc::Receiver<Sight>, what: &str, mut pick: impl FnMut(&Sight) -> Option<T>) -> T {
    let wanted = async {
        loop {
            let sight = seen.recv().await.expect("watching");
            if let Some(found) = pick(&sight) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn state(state: JobState) -> impl FnMut(&Sight) -> Option<JobView> {
    move |sight| match sight {
        Sight::Job(view) if view.state == state => Some((**view).clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_shows_within_two_seconds_of_a_kill_and_a_new_job_too() {
    let fleet = made(3, "select pg_sleep(1);\n--;;\ncreate table slow (id int);").await;
    let (sights, mut seen) = mpsc::channel(64);
    let _watch = watch::spawn(target(&fleet), Wanted::All, sights);
    let first = next(&mut seen, "the queued job", state(JobState::Queued)).await;
    assert_eq!((first.id.0, first.created_by.raw()), (1, "tester"));
    next(&mut seen, "the first look", |sight| (*sight == Sight::Watching).then_some(())).await;
    let mut worker = Running::start(&fleet, &["worker"], &[]);
    let running = next(&mut seen, "the running job", state(JobState::Running)).await;
    assert!(!running.mine && running.worker.is_some_and(|worker| !worker.raw().is_empty()));
    let line = next(&mut seen, "an ended step", |sight| match sight {
        Sight::Line(line) => Some(line.clone()),
        _ => None,
    })
    .await;
    assert_eq!((line.mark, line.tenant.as_ref().map(|slug| slug.raw())), (LogMark::Ok, Some("q0")));
    assert!(line.text.raw().starts_with("20260301000000>20260501000000   "), "{:?}", line.text);
    worker.signal(Signal::KILL);
    let killed = Instant::now();
    let orphan = next(&mut seen, "the orphan", state(JobState::Orphaned)).await;
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    assert_eq!((orphan.done, orphan.total), (1, 3));
    worker.code();
    fleet.expect(0, &["worker", "--drain"]);
    next(&mut seen, "its end", state(JobState::Done)).await;
    let ordered = Instant::now();
    clone(&fleet);
    let new = next(&mut seen, "the new job", state(JobState::Queued)).await;
    assert!(ordered.elapsed() < Duration::from_secs(2), "{:?}", ordered.elapsed());
    assert_eq!(new.id.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_met_a_lock_does_not_blind_the_watch() {
    let fleet = made(2, "select pg_sleep(2);\n--;;\ncreate table slow (id int);").await;
    let (sights, mut seen) = mpsc::channel(64);
    let _watch = watch::spawn(target(&fleet), Wanted::All, sights);
    let mut worker = Running::start(&fleet, &["worker"], &[]);
    next(&mut seen, "the running job", state(JobState::Running)).await;
    // As an upgrade of the record does, or a rewrite by hand: longer than a look waits for its lock.
    let holder = fleet.database.connect().await;
    let locked = "begin; lock table tenantui.job in access exclusive mode; select pg_sleep(2); rollback";
    holder.batch_execute(locked).await.expect("locked, and let go");
    worker.signal(Signal::KILL);
    let killed = Instant::now();
    next(&mut seen, "the orphan", state(JobState::Orphaned)).await;
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    worker.code();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_watch_comes_back_and_tells_nothing_twice() {
    let fleet = made(1, "create table more (id int);").await;
    let (sights, mut seen) = mpsc::channel(64);
    let _watch = watch::spawn(target(&fleet), Wanted::All, sights);
    next(&mut seen, "the first look", |sight| (*sight == Sight::Watching).then_some(())).await;
    let ended = fleet.database.value(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() \
         and application_name like '% watch'",
    );
    assert_eq!(ended, "1");
    let mut again = Vec::new();
    next(&mut seen, "the link's return", |sight| {
        again.push(format!("{sight:?}"));
        (*sight == Sight::Watching).then_some(())
    })
    .await;
    assert!(again.len() == 2 && again[0].starts_with("Lost"), "{again:?}");
    fleet.expect(0, &["worker", "--drain"]);
    next(&mut seen, "the job's end", state(JobState::Done)).await;
}

#[test]
fn a_job_is_followed_paused_gone_on_with_and_cancelled_twice_from_another_process() {
    let fleet = queued(3, "select pg_sleep(2);\n--;;\ncreate table slow (id int);");
    let mut worker = Running::start(&fleet, &["worker"], &[]);
    let mut follower = Running::start(&fleet, &["job", "1", "follow"], &[]);
    wait_until(PATIENCE, "a step to run", || asleep(&fleet));
    // Who ordered it and where it runs.
    let listed = text(&fleet.expect(0, &["jobs"]).stdout);
    let place = job(&fleet, "worker");
    assert!(listed.contains("tester") && listed.contains("RUNS ON") && listed.contains(&place), "{place}: {listed}");
    let paused = fleet.json(0, &["job", "1", "pause", "--json"]);
    assert_eq!(paused["jobs"][0]["pause_requested"], true, "{paused}");
    assert_eq!(follower.code(), Some(0), "{}", follower.said());
    let said = follower.said();
    assert!(said.contains(" ok   q0 ") && said.contains("paused, 1/3"), "{said}");
    assert_eq!(job(&fleet, "state || '/' || waits"), "paused/operator");
    assert!(!text(&fleet.expect(0, &["jobs"]).stdout).contains(&place), "nobody runs it now");
    assert!(text(&fleet.expect(5, &["job", "1", "pause"]).stderr).contains("nothing to pause"));
    whole(&fleet, 1);
    // Somebody goes on with it; two cancels end what runs.
    fleet.file("20260501000000-more", "select pg_sleep(2);\n--;;\ncreate table slow (id int);");
    let mut resumed = Running::start(&fleet, &["job", "1", "resume", "--yes"], &[]);
    wait_until(PATIENCE, "the next step to run", || asleep(&fleet));
    let words = text(&fleet.expect(0, &["job", "1", "cancel"]).stderr);
    assert!(words.contains("after its current tenants"), "{words}");
    let words = text(&fleet.expect(0, &["job", "1", "cancel"]).stderr);
    assert!(words.contains("cancels the statements that run now"), "{words}");
    assert_eq!(resumed.code(), Some(4), "{}", resumed.said());
    assert_eq!(job(&fleet, "state"), "cancelled");
    whole(&fleet, 1);
    fleet.expect(5, &["job", "1", "cancel"]);
    worker.signal(Signal::TERM);
    assert_eq!(worker.code(), Some(143));
}

#[test]
fn a_tenant_is_skipped_with_a_note_and_only_with_one() {
    let fleet = queued(2, "create table more (id int);");
    for wrong in [
        &["job", "1", "skip"][..],
        &["job", "1", "skip", "q0"],
        &["job", "1", "skip", "q0", "--note", " "],
        &["job", "1", "pause", "q0"],
        &["job", "1", "--note", "x"],
    ] {
        fleet.expect(2, wrong);
    }
    fleet.expect(1, &["job", "1", "skip", "nobody", "--note", "x", "--yes"]);
    fleet.expect(5, &["job", "1", "skip", "q0", "--note", "x"]);
    fleet.expect(5, &["--read-only", "job", "1", "skip", "q0", "--note", "x", "--yes"]);
    let skipped = fleet.json(0, &["job", "1", "skip", "q0", "--note", "moves tonight", "--yes", "--json"]);
    assert_eq!(tenant(&skipped, "tenant", "q0")["result"], "skipped");
    let words = text(&fleet.expect(5, &["job", "1", "skip", "q0", "--note", "again", "--yes"]).stderr);
    assert!(words.contains("q0 is skipped in job 1 already") && !words.contains("the rest is not run"), "{words}");
    // A skipped step is not done, of a tenant or of the whole job.
    let counts = |document: &Value| {
        let of = |row: &Value| (row["steps_done"].as_u64(), row["steps"].as_u64());
        (of(&document["jobs"][0]), of(tenant(document, "tenant", "q0")))
    };
    assert_eq!(counts(&skipped), ((Some(0), Some(2)), (Some(0), Some(1))), "{skipped}");
    // Nothing is left to do of it, which does not make it done.
    let words = text(&fleet.expect(0, &["worker", "--drain"]).stderr);
    assert!(words.contains("done, 1/2, 1 skipped") && !words.contains("2/2"), "{words}");
    let ended = fleet.json(0, &["job", "1", "--json"]);
    let words = text(&fleet.expect(5, &["job", "1", "skip", "q1", "--note", "x", "--yes"]).stderr);
    assert!(
        words.contains("q1 is done in job 1: nothing of it is left to skip") && !words.contains("the rest"),
        "{words}"
    );
    assert_eq!(counts(&ended), ((Some(1), Some(2)), (Some(0), Some(1))), "{ended}");
    let listed = &fleet.json(0, &["jobs", "--json"])["jobs"][0];
    assert_eq!((&listed["total"], &listed["done"], &listed["skipped"]), (&2.into(), &2.into(), &1.into()), "{listed}");
    let list = text(&fleet.expect(0, &["jobs"]).stdout);
    assert!(list.contains(" 1/2 ") && list.contains("SKIPPED"), "{list}");
    assert_eq!(fleet.database.value("select note from tenantui.step where state = 'skipped'"), "moves tonight");
    assert_eq!(fleet.database.value("select count(*) from pg_tables where tablename = 'more'"), "1");
}

#[test]
fn following_ends_with_a_signal_and_leaves_the_job_alone() {
    let fleet = queued(1, "create table more (id int);");
    let mut follower = Running::start(&fleet, &["job", "1", "follow"], &[]);
    follower.wait_for("queued, 0/1");
    follower.signal(Signal::INT);
    assert_eq!(follower.code(), Some(130));
    assert_eq!(job(&fleet, "state"), "queued");
}

#[test]
fn an_orphan_is_finished_before_the_rest_is_planned_and_a_live_job_is_named() {
    let fleet = queued(2, "select pg_sleep(1);\n--;;\ncreate table slow (id int);");
    fleet.tenant("q9", "Q", 3);
    let mut worker = Running::start(&fleet, &["worker"], &[]);
    wait_until(PATIENCE, "a step to run", || asleep(&fleet));
    let busy = text(&fleet.expect(5, &["migrate", "q9", "--yes"]).stderr);
    assert!(busy.contains("job 1") && busy.contains("running") && busy.contains("follow"), "{busy}");
    worker.signal(Signal::KILL);
    worker.code();
    let rest = fleet.expect(0, &["migrate", "q9", "--yes", "--json"]);
    let words = text(&rest.stderr);
    assert!(words.contains("left by its worker; it is finished first"), "{words}");
    let document = crate::cli::json(&rest);
    assert_eq!(document["jobs"].as_array().map(Vec::len), Some(2), "{document}");
    assert_eq!(fleet.database.value("select count(*) from pg_tables where tablename = 'slow'"), "3");
}
