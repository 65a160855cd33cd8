//! Jobs whose worker is gone.

use tenantui::jobs::orders::OrderError;
use tenantui::jobs::worker;
use tenantui::model::job::JobState;

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
