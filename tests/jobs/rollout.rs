//! How a fleet is gone through: canaries that were chosen, pauses between batches, and how long steps took.

use std::time::{Duration, Instant};

use tenantui::jobs::control;
use tenantui::jobs::durations;
use tenantui::jobs::worker::Stop;
use tenantui::model::job::{JobEvent, JobState, Waits};
use tenantui::model::ledger::Version;
use tenantui::postgres::session::{Patience, Reader};

use super::Fleet;
use crate::support::wait_until_async;

async fn fleet(tenants: usize) -> Fleet {
    let fleet = Fleet::new("rollout", tenants).await;
    fleet.file(1, "one", "create table m1 ()");
    fleet
}

fn notes(events: &[JobEvent]) -> Vec<String> {
    let note = |event: &JobEvent| match event {
        JobEvent::Log(line) => Some(line.text.raw().to_owned()),
        _ => None,
    };
    events.iter().filter_map(note).filter(|text| text.starts_with("canary") || text.contains("batch")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chosen_canaries_go_first_then_batches_with_a_pause_between_them() {
    let fleet = fleet(6).await;
    let plan = fleet.plan(|options| {
        options.canary_tenants = vec!["t004".into(), "t002".into()];
        options.batches = vec![2];
        options.pause = Duration::from_millis(700);
    });
    let job = fleet.order(plan).await.expect("ordered");
    let waiting = fleet.run(job, false).await.0.expect("run");
    assert_eq!((waiting.state, waiting.waits, waiting.done), (JobState::Paused, Some(Waits::Canary), 2));
    assert_eq!(
        fleet.db.value("select string_agg(slug, ',' order by seq) from tenantui.step where state = 'done'"),
        "t004,t002"
    );
    let started = Instant::now();
    let (ended, events) = fleet.run(job, false).await;
    assert_eq!(ended.expect("run").state, JobState::Done);
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
    // The operator looked at the canary: only between the two batches nobody did.
    let notes = notes(&events);
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].starts_with("batch 1: 2 tenants"), "{notes:?}");
    assert_eq!(notes[1], "pausing 700 ms before the next batch");
    assert!(notes[2].starts_with("batch 2: 2 tenants"), "{notes:?}");
    fleet.assert_whole(|version| format!("m{version}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_ends_at_once_when_the_operator_or_the_process_wants_the_job_to_stop() {
    let fleet = fleet(3).await;
    let first_batch_is_done =
        || async { fleet.db.value("select count(*) from tenantui.step where state = 'done'") == "1" };
    let resting = || {
        fleet.plan(|options| {
            options.batches = vec![1];
            options.pause = Duration::from_secs(3_600);
        })
    };
    let job = fleet.order(resting()).await.expect("ordered");
    let run = fleet.start(job);
    wait_until_async(Duration::from_secs(20), "the first batch", first_batch_is_done).await;
    control::pause(&fleet.target(), job).await.expect("asked");
    let paused = run.end().await.expect("its end");
    assert_eq!((paused.state, paused.waits, paused.done), (JobState::Paused, Some(Waits::Operator), 1));
    // Gone on with, it rests again behind its first batch; the process ends meanwhile.
    let run = fleet.start(job);
    let second_is_done = || async { fleet.db.value("select count(*) from tenantui.step where state = 'done'") == "2" };
    wait_until_async(Duration::from_secs(20), "the next batch", second_is_done).await;
    run.stop.send_replace(Stop::AfterStep);
    let stopped = run.end().await.expect("its end");
    assert_eq!((stopped.state, stopped.waits, stopped.done), (JobState::Paused, Some(Waits::Process), 2));
    assert_eq!(fleet.db.value("select params -> 'pace' ->> 'pause_ms' from tenantui.job"), "3600000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_the_mean_of_the_last_twenty_runs() {
    let fleet = fleet(2).await;
    fleet.migrate(fleet.plan(|_| {})).await;
    let read = || async {
        let reader = Reader::open(&fleet.target(), Patience::Foreground).await.expect("a reader");
        durations::read(&reader).await.expect("read")
    };
    let version = Version::new("1");
    assert_eq!(read().await.of(&version).map(|time| time.runs), Some(2));
    // Thirty runs more, of which the last twenty took 1000 and 3000 ms in turn; one step failed, one made a new tenant.
    fleet.db.sql(
        "insert into tenantui.step (job_id, seq, action, slug, schema_name, version, state, ended_at, duration_ms) \
         select 1, 100 + n, 'migrate', 'x', 'x', '1', 'done', now() + make_interval(hours => n), \
         case when n <= 10 then 900000 when n % 2 = 0 then 1000 else 3000 end from generate_series(1, 30) as n; \
         insert into tenantui.step (job_id, seq, action, slug, schema_name, version, state, ended_at, duration_ms) \
         values (1, 200, 'migrate', 'x', 'x', '1', 'failed', now() + interval '9 days', 99999), \
         (1, 201, 'rollback', 'x', 'x', '1', 'done', now() + interval '9 days', 99999)",
    );
    let times = read().await;
    let time = times.of(&version).expect("it ran");
    assert_eq!((time.mean_ms, time.longest_ms, time.runs), (2_000, 3_000, 20));
    assert_eq!(times.of(&Version::new("2")), None);
    fleet.db.sql("alter table tenantui.job disable trigger user; update tenantui.job set kind = 'provision'");
    assert!(read().await.is_empty(), "the empty tables of a new tenant say nothing");
}
