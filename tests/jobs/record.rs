//! The durable record: who may order, what a second order gets, what `init` makes and upgrades.

use std::sync::Arc;

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::jobs::control;
use tenantui::jobs::init::{self, InitStatus};
use tenantui::jobs::orders::{self, OrderError};
use tenantui::jobs::{record, worker};
use tenantui::model::audit::AuditFilter;
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobId, JobState};
use tenantui::model::tenant::DatabaseName;
use tenantui::postgres::session::{Patience, Reader, Target};
use uuid::Uuid;

use super::Fleet;
use crate::support::pg;

#[tokio::test]
async fn init_is_asked_for_made_once_and_never_downgraded() {
    let db = pg().database("jobs");
    let config = Database::new("eu-1".into(), Environment::Development, db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reader = Reader::open(&target, Patience::Foreground).await.expect("a reader");
    let name: DatabaseName = "eu-1".into();
    assert_eq!(init::status(&reader).await.expect("status"), InitStatus::Missing);
    assert!(record::list(&reader, &name, 10).await.expect("empty before init").is_empty());
    // Several at once make one.
    let runs = futures_util::future::join_all((0..6).map(|_| init::run(&target))).await;
    let found: Vec<InitStatus> = runs.into_iter().map(|run| run.expect("init")).collect();
    assert_eq!(found.iter().filter(|status| **status == InitStatus::Missing).count(), 1, "{found:?}");
    assert_eq!(init::status(&reader).await.expect("status"), InitStatus::Current);
    assert_eq!(init::run(&target).await.expect("again"), InitStatus::Current);
    assert_eq!(db.value("select count(*) from tenantui.audit where action = 'init'"), "1");
    db.sql("update tenantui.meta set version = 99");
    assert_eq!(init::status(&reader).await.expect("status"), InitStatus::Newer(99));
    let error = init::run(&target).await.expect_err("newer").to_string();
    assert!(error.contains("99") && error.contains("newer tenantui"), "{error}");
}

#[tokio::test]
async fn orders_are_refused_with_the_reason() {
    let mut fleet = Fleet::new("jobs", 2).await;
    fleet.file(1, "one", "create table one ()");
    let plan = fleet.plan(|_| {});
    fleet.db.sql("alter schema tenantui rename to tenantui_away");
    let error = fleet.order(plan.clone()).await.expect_err("not initialised");
    assert!(matches!(error, OrderError::NotInitialised(_)) && error.to_string().contains("tenantui init"), "{error}");
    fleet.db.sql("alter schema tenantui_away rename to tenantui; update tenantui.meta set version = 99");
    let error = fleet.order(plan.clone()).await.expect_err("newer").to_string();
    assert!(error.contains("version 99"), "{error}");
    fleet.db.sql("update tenantui.meta set version = 1");
    let error = fleet.order(plan.clone()).await.expect_err("older").to_string();
    assert!(error.contains("version 1") && error.contains("tenantui init"), "{error}");
    fleet.db.sql(&format!("update tenantui.meta set version = {}", init::VERSION));
    let mut empty = plan.clone();
    empty.tenants.clear();
    let error = fleet.order(empty).await.expect_err("nothing").to_string();
    assert!(error.contains("nothing is pending"), "{error}");
    let role = pg().role("weak");
    fleet.db.sql(&format!(
        "grant usage on schema tenantui to {role}; grant all on all tables in schema tenantui to {role}"
    ));
    let url = std::mem::replace(&mut fleet.config.url, fleet.db.url_as(&role).into());
    let error = fleet.order(plan.clone()).await.expect_err("no privilege").to_string();
    assert!(error.contains("tenant_t000, tenant_t001") && error.contains("GRANT USAGE, CREATE ON SCHEMA"), "{error}");
    fleet.config.url = url;
    fleet.config.read_only = true;
    let error = fleet.order(plan).await.expect_err("read-only").to_string();
    assert!(error.contains("read-only"), "{error}");
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "0");
}

#[tokio::test]
async fn an_older_record_is_upgraded_with_what_is_in_it_and_plans_stay_as_they_are() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.db.sql("drop schema tenantui cascade");
    fleet.db.sql(include_str!("../../assets/sql/record_v1.sql"));
    fleet.db.sql(
        "insert into tenantui.meta (version, app_version) values (1, '0.1.0'); \
         insert into tenantui.job (kind, scope, what, params, plan_sha256, idempotency_key, active_scope, app_version, database_oid, \
         state, reason) values ('migrate', 'migrate', '2 tenants', '{}', '\\x00', gen_random_uuid(), 'migrate', '0.1.0', 1, 'paused', 'canary'); \
         insert into tenantui.step (job_id, seq, action, slug, schema_name, version) values (1, 1, 'migrate', 'a', 'tenant_a', '1')",
    );
    let reader = Reader::open(&fleet.target(), Patience::Foreground).await.expect("a link");
    let error = record::list(&reader, &fleet.config.name, 5).await.expect_err("columns are missing").to_string();
    assert!(error.contains("version 1") && error.contains("tenantui init"), "{error}");
    assert_eq!(init::run(&fleet.target()).await.expect("upgraded"), InitStatus::Older(1));
    assert_eq!(init::run(&fleet.target()).await.expect("nothing to do"), InitStatus::Current);
    assert_eq!(fleet.db.value("select waits from tenantui.job"), "canary");
    for change in [
        "update tenantui.job set params = '{\"format\": 1}'",
        "update tenantui.job set plan_sha256 = '\\x01'",
        "update tenantui.step set version = '2'",
        "update tenantui.step set file_sha256 = '\\x01'",
    ] {
        let error = fleet.db.try_sql(change).expect_err(change);
        assert!(error.contains("does not change once it is queued"), "{change}: {error}");
    }
    fleet.db.sql("update tenantui.job set state = 'queued', params = params; update tenantui.step set schema_oid = 7");
    assert!(fleet.db.try_sql("update tenantui.step set schema_oid = 8").is_err());
}

#[tokio::test]
async fn one_key_is_one_job_and_a_second_order_is_told_of_the_first() {
    let fleet = Fleet::new("jobs", 3).await;
    fleet.file(1, "one", "create table one ()");
    let order = fleet.migrate_order(fleet.plan(|_| {}), true);
    let (target, key) = (fleet.target(), Uuid::new_v4());
    let same = futures_util::future::join_all((0..50).map(|_| orders::order(&target, &order, key))).await;
    let ids: Vec<JobId> = same.into_iter().map(|id| id.expect("ordered")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let others = futures_util::future::join_all((0..8).map(|_| orders::order(&target, &order, Uuid::new_v4()))).await;
    for other in others {
        match other {
            Err(OrderError::Busy { job, orphaned: false, message }) => {
                assert_eq!(job, ids[0]);
                assert!(message.raw().contains("3 tenants to 1") && message.raw().contains("queued"), "{message:?}");
                // Nobody may be there who takes it.
                let way = format!("tenantui job {job} resume` runs it here");
                assert!(message.raw().contains(&way), "{message:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "1");
    assert_eq!(fleet.db.value("select count(*) from tenantui.step"), "3");
    assert_eq!(
        fleet.db.value("select count(*) from tenantui.audit where action = 'migrate' and outcome = 'ordered'"),
        "1"
    );
    assert_eq!(worker::claimable(&target).await.expect("claimable"), [ids[0]]);
    // Nobody runs it: it is cancelled at once, and its scope is free.
    control::cancel(&target, ids[0]).await.expect("cancelled");
    assert_eq!(fleet.view(ids[0]).await.state, JobState::Cancelled);
    assert!(control::cancel(&target, ids[0]).await.is_err());
    orders::order(&target, &order, Uuid::new_v4()).await.expect("free again");
}

#[tokio::test]
async fn of_two_operators_at_once_one_gets_the_job_and_the_other_its_number() {
    let fleet = Fleet::new("jobs", 2).await;
    fleet.file(1, "one", "create table one ()");
    let order = fleet.migrate_order(fleet.plan(|_| {}), true);
    let target = fleet.target();
    for round in 1..=6 {
        let both = futures_util::future::join_all((0..4).map(|_| orders::order(&target, &order, Uuid::new_v4()))).await;
        let (taken, refused): (Vec<_>, Vec<_>) = both.into_iter().partition(Result::is_ok);
        let [Ok(job)] = taken.as_slice() else { panic!("{taken:?} {refused:?}") };
        for other in &refused {
            assert!(matches!(other, Err(OrderError::Busy { job: named, .. }) if named == job), "{other:?}");
        }
        assert_eq!(fleet.db.value("select count(*) from tenantui.job"), round.to_string());
        control::cancel(&target, *job).await.expect("cancelled");
    }
    // Nothing of those that lost was left behind.
    assert_eq!(fleet.db.value("select count(*) from tenantui.step"), "12");
    assert_eq!(fleet.db.value("select count(*) from tenantui.audit where outcome = 'ordered'"), "6");
}

/// The planner takes a new job for as small as the last one was: what failed must not be looked for in all steps each time.
#[tokio::test]
async fn the_results_of_ten_thousand_are_read_before_the_planner_knows_of_them() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.db.sql(&format!(
        "alter table tenantui.step set (autovacuum_enabled = off); analyze tenantui.step; \
         insert into tenantui.step (job_id, seq, action, tenant_key, slug, schema_name, version, state, message) \
         select {job}, i, 'migrate', 'r:' || i, 'many-' || i, 'many_' || i, '1', \
         case when i % 2000 = 0 then 'failed' else 'done' end, case when i % 2000 = 0 then 'no' end \
         from generate_series(100, 10099) as i"
    ));
    // A reading that takes longer than the dashboard waits for it is an error: by comparing all with all it took eight
    // seconds.
    let outcomes = fleet.outcomes(job).await;
    assert_eq!(outcomes.len(), 10_001);
    let failed = |outcome: &&tenantui::model::job::TenantOutcome| outcome.failure.is_some();
    assert_eq!(outcomes.values().filter(failed).count(), 5);
}

#[tokio::test]
async fn the_audit_is_read_page_by_page() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.db.sql("insert into tenantui.audit (action, outcome) select 'look', 'done' from generate_series(1, 9)");
    let reader = Reader::open(&fleet.target(), Patience::Foreground).await.expect("a reader");
    let (mut before, mut all) = (None, Vec::new());
    loop {
        let filter = AuditFilter { before, limit: 4, ..AuditFilter::default() };
        let page = record::audit(&reader, &"eu-1".into(), &filter).await.expect("a page");
        before = page.last().map(|line| line.id);
        all.extend(page.iter().map(|line| line.id));
        if page.len() < 4 {
            break;
        }
    }
    let known = fleet.db.value("select string_agg(id::text, ',' order by id desc) from tenantui.audit");
    assert_eq!(all.iter().map(i64::to_string).collect::<Vec<_>>().join(","), known);
}
