//! Jobs whose worker is gone.

use std::time::Duration;

use tenantui::jobs::orders::OrderError;
use tenantui::jobs::rescue::Rescues;
use tenantui::jobs::worker;
use tenantui::model::job::{JobState, Waits};

use super::Fleet;

#[tokio::test]
async fn an_orphan_is_seen_and_can_be_gone_on_with() {
    let fleet = Fleet::new("jobs", 2).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.db.sql("update tenantui.job set state = 'running', attempt = 1, worker = 'elsewhere 4711'");
    let view = fleet.view(job).await;
    assert_eq!((view.state, view.mine), (JobState::Orphaned, false));
    assert_eq!(worker::claimable(&fleet.target()).await.expect("claimable"), [job]);
    match fleet.order(fleet.plan(|_| {})).await {
        Err(OrderError::Busy { orphaned: true, job: named, .. }) => assert_eq!(named, job),
        other => panic!("{other:?}"),
    }
    let done = fleet.run(job, false).await.0.expect("run");
    assert_eq!((done.state, done.done, done.attempt), (JobState::Done, 2, 2));
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test]
async fn failures_under_a_worker_that_died_count_against_the_limit() {
    let fleet = Fleet::new("jobs", 9).await;
    fleet.file(1, "bad", "create table one (); select 1 / 0");
    let plan = fleet.plan(|options| {
        options.max_failures = 3;
        options.parallel = 1;
    });
    let job = fleet.order(plan).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.waits, view.failed, view.pending), (JobState::Paused, Some(Waits::Budget), 3, 6));
    // As if it had died just before it could say so: nobody has looked at these failures.
    fleet.db.sql("update tenantui.job set state = 'running', waits = null, reason = null, worker = 'elsewhere 1'");
    let view = fleet.run(job, false).await.0.expect("rescued");
    assert_eq!((view.state, view.waits, view.failed, view.pending), (JobState::Paused, Some(Waits::Budget), 3, 6));
    assert_eq!(
        fleet.db.value("select outcome from tenantui.audit where action = 'claim' order by id desc limit 1"),
        "rescued"
    );
    // An operator who goes on has looked.
    let view = fleet.run(job, false).await.0.expect("resumed");
    assert_eq!((view.waits, view.failed, view.pending), (Some(Waits::Budget), 6, 3));
    // The last of them reach the limit, too, and it keeps nothing back: a job that waits would keep others from beginning.
    let view = fleet.run(job, false).await.0.expect("resumed");
    assert_eq!((view.state, view.waits, view.failed, view.pending), (JobState::Failed, None, 9, 0));
}

#[tokio::test]
async fn only_a_look_at_the_canary_lets_the_rest_go() {
    let fleet = Fleet::new("jobs", 3).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|options| options.canary = 1)).await.expect("ordered");
    // Its process was asked to end before the canary was through.
    fleet.db.sql("update tenantui.job set state = 'paused', waits = 'process'");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.waits, view.done), (JobState::Paused, Some(Waits::Canary), 1));
    let view = fleet.run(job, false).await.0.expect("resumed");
    assert_eq!((view.state, view.waits, view.done), (JobState::Done, None, 3));
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test]
async fn an_orphan_whose_operator_asked_for_its_end_gets_it_from_the_next_worker() {
    let fleet = Fleet::new("jobs", 1).await;
    for (flag, state) in [("cancel_requested_at", "cancelled"), ("pause_requested_at", "paused")] {
        fleet.file(1, "one", "create table one ()");
        let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
        fleet.db.sql(&format!(
            "update tenantui.job set state = 'running', attempt = 1, worker = 'elsewhere 1', {flag} = now() where id = {job}"
        ));
        assert!(worker::claimable(&fleet.target()).await.expect("asked").is_empty(), "{flag}");
        assert_eq!(fleet.view(job).await.state.word(), state);
        // The late worker is fenced.
        assert_eq!(fleet.db.value(&format!("select attempt from tenantui.job where id = {job}")), "2");
    }
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations"), "0");
}

#[tokio::test]
async fn what_kills_its_worker_is_not_taken_up_in_a_circle() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let mut rescues = Rescues::new(false);
    let target = fleet.target();
    assert_eq!(rescues.claimable(&target).await.expect("asked"), [job], "a queued job waits for nothing");
    fleet.db.sql("update tenantui.job set state = 'running', attempt = 1, worker = 'elsewhere 1'");
    assert_eq!(rescues.claimable(&target).await.expect("asked"), [job], "the first rescue waits for nothing");
    assert_eq!(rescues.next(), None);
    fleet.db.sql("update tenantui.job set attempt = 6");
    assert!(rescues.claimable(&target).await.expect("asked").is_empty());
    let wait = rescues.next().expect("it waits");
    assert!((Duration::from_secs(11)..=Duration::from_secs(16)).contains(&wait), "{wait:?}");
    let mut drain = Rescues::new(true);
    assert!(drain.claimable(&target).await.expect("asked").is_empty());
    assert!(drain.next().is_some_and(|wait| wait <= Duration::from_secs(2)));
    tokio::time::timeout(Duration::from_secs(5), async {
        while drain.claimable(&target).await.expect("asked") != [job] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("its turn");
}
