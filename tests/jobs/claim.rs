//! What a job must be to be run: as it was confirmed, on the server it was made for, with the files it names.

use std::time::Duration;

use tenantui::jobs::orders::OrderError;
use tenantui::jobs::worker;
use tenantui::model::job::JobState;

use super::Fleet;
use crate::support::wait_until_async;

async fn ordered(tenants: usize) -> (Fleet, tenantui::model::job::JobId) {
    let fleet = Fleet::new("jobs", tenants).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    (fleet, job)
}

/// Changes a record as no program may: the triggers that keep plans are put aside meanwhile.
fn tamper(fleet: &Fleet, table: &str, change: &str) {
    fleet.db.sql(&format!(
        "begin; alter table tenantui.{table} disable trigger keep_plan; update tenantui.{table} set {change}; \
         alter table tenantui.{table} enable trigger keep_plan; commit"
    ));
}

#[tokio::test]
async fn a_record_that_is_not_what_was_confirmed_is_not_run() {
    let changes = [
        ("job", "params = jsonb_set(params, '{pace,max_failures}', '99')"),
        ("job", "params = params || '{\"more\": true}'"),
        ("job", "params = jsonb_set(params, '{format}', '1')"),
        ("job", "plan_sha256 = decode('00', 'hex')"),
        ("job", "scope = 'migrate2'"),
        ("step", "schema_name = 'tenant_t001', schema_oid = 'tenant_t001'::regnamespace where slug = 't000'"),
        ("step", "schema_oid = 1 where seq = 1"),
        ("step", "tenant_id = 'another' where seq = 1"),
        ("step", "file_sha256 = decode('00', 'hex') where seq = 2"),
        ("step", "from_version = '0' where seq = 2"),
    ];
    let (fleet, _) = ordered(2).await;
    for (table, change) in changes {
        let before = fleet.db.value("select max(id) from tenantui.job").parse().expect("a number");
        let job = tenantui::model::job::JobId(before);
        tamper(&fleet, table, change);
        let error = fleet.run(job, false).await.0.expect_err(change).to_string();
        assert!(error.contains("not what was confirmed") && error.contains("plan again"), "{change}: {error}");
        assert_eq!(fleet.view(job).await.state, JobState::Queued, "{change}");
        tenantui::jobs::control::cancel(&fleet.target(), job).await.expect("cancelled");
        fleet.order(fleet.plan(|_| {})).await.expect("planned again");
    }
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations"), "0");
    let steps = fleet.db.value("select count(*) from tenantui.step where state <> 'pending'");
    assert_eq!(steps, "0");
    // A row of the record that is gone, and one too many.
    let job =
        tenantui::model::job::JobId(fleet.db.value("select max(id) from tenantui.job").parse().expect("a number"));
    fleet.db.sql(&format!("create table public.kept as select * from tenantui.step where job_id = {job} and seq = 2"));
    fleet.db.sql(&format!("delete from tenantui.step where job_id = {job} and seq = 2"));
    let error = fleet.run(job, false).await.0.expect_err("a step less").to_string();
    assert!(error.contains("not what was confirmed"), "{error}");
    fleet.db.sql("insert into tenantui.step select * from public.kept");
    assert_eq!(fleet.run(job, false).await.0.expect("whole again").state, JobState::Done);
}

#[tokio::test]
async fn no_program_changes_what_was_ordered() {
    let (fleet, job) = ordered(1).await;
    for change in [
        "update tenantui.job set params = params || '{\"more\": 1}'",
        "update tenantui.job set active_scope = 'x'",
        "update tenantui.job set system_identifier = 'x'",
        "update tenantui.step set slug = 'x'",
        "update tenantui.step set schema_oid = 1",
        "update tenantui.step set tenant_id = null",
    ] {
        let error = fleet.db.try_sql(change).expect_err(change);
        assert!(error.contains("does not change once it is queued"), "{change}: {error}");
    }
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
}

#[tokio::test]
async fn a_job_of_an_older_program_is_run_without_a_hash_to_compare() {
    let (fleet, job) = ordered(2).await;
    tamper(&fleet, "job", "params = jsonb_set(params, '{format}', '1'), plan_sha256 = decode('00', 'hex')");
    fleet.db.sql("update tenantui.meta set upgraded_at = clock_timestamp()");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test]
async fn a_job_is_run_only_on_the_server_and_the_timeline_it_was_made_for() {
    let (fleet, job) = ordered(1).await;
    let refused = async |words: &str| {
        let error = fleet.run(job, false).await.0.expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
        assert!(worker::claimable(&fleet.target()).await.expect("asked").is_empty(), "{words}");
        let row = fleet.db.sql("select state, attempt::text from tenantui.job");
        assert_eq!(row[0], [Some("queued".into()), Some("0".into())], "{words}");
    };
    let here = fleet.db.value("select timeline from tenantui.job");
    tamper(&fleet, "job", "system_identifier = '7'");
    refused("another server answers").await;
    let identifier = fleet.db.value("select system_identifier from pg_control_system()");
    tamper(&fleet, "job", &format!("system_identifier = '{identifier}', database_oid = database_oid::int8 + 1"));
    refused("not the one the job was made for").await;
    tamper(&fleet, "job", "database_oid = database_oid::int8 - 1");
    fleet.db.sql("update tenantui.job set timeline = '0000000F'");
    refused("old primary of a failover (split brain)").await;
    // A failover happened since it was ordered: it goes on there, and the audit knows.
    fleet.db.sql("update tenantui.job set timeline = '00000000'");
    assert_eq!(worker::claimable(&fleet.target()).await.expect("asked"), [job]);
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select timeline from tenantui.job"), here);
    let row = fleet
        .db
        .sql("select before->>'timeline', after->>'timeline', outcome from tenantui.audit where action = 'failover'");
    assert_eq!(row, [[Some("00000000".into()), Some(here), Some("accepted".into())]]);
}

#[tokio::test]
async fn of_many_claims_at_once_one_runs_the_job() {
    let (fleet, job) = ordered(3).await;
    let runs = futures_util::future::join_all((0..12).map(|_| fleet.run(job, false))).await;
    let (done, refused): (Vec<_>, Vec<_>) = runs.into_iter().map(|(ended, _)| ended).partition(Result::is_ok);
    assert_eq!(done.len(), 1, "{refused:?}");
    for error in refused {
        match error.expect_err("refused") {
            OrderError::Busy { job: named, orphaned: false, .. } => assert_eq!(named, job),
            OrderError::Over(words) => assert!(words.raw().contains("is done"), "{words:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fleet.db.value("select attempt from tenantui.job"), "1");
    assert_eq!(fleet.db.value("select count(*) from tenantui.audit where action = 'claim'"), "1");
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test]
async fn a_job_whose_last_step_still_runs_is_draining() {
    let (fleet, job) = ordered(1).await;
    fleet.db.sql("update tenantui.job set state = 'running', attempt = 1, worker = 'elsewhere 4711'");
    // As the open transaction of a step whose worker was frozen or cut off.
    let step = fleet.db.connect().await;
    step.simple_query("begin; select 1 from tenantui.job for key share").await.expect("held");
    let error = fleet.run(job, false).await.0.expect_err("draining").to_string();
    assert!(error.contains("draining") && error.contains("still runs"), "{error}");
    assert_eq!(fleet.db.value("select attempt from tenantui.job"), "1");
    // A rescue waits a moment for such a step to end.
    let started = fleet.start(job);
    fleet.wait_for_claim().await;
    step.simple_query("rollback").await.expect("ended");
    assert_eq!(started.end().await.expect("run").state, JobState::Done);
    wait_until_async(Duration::from_secs(5), "the lock to be free", || async {
        fleet.db.value("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and database = (select oid from pg_database where datname = current_database())") == "0"
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_files_changed_is_not_run() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.file(1, "one", "create table one (); drop table users");
    let error = fleet.run(job, false).await.0.expect_err("changed").to_string();
    assert!(error.contains("1-one.up.sql") && error.contains("changed since the job was ordered"), "{error}");
    assert_eq!(fleet.view(job).await.state, JobState::Queued, "it is left for a worker that has the files");
    assert!(worker::claimable(&fleet.target()).await.expect("claimable").is_empty());
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations"), "0");
    fleet.file(1, "one", "create table one ()");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
}
