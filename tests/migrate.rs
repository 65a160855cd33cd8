//! Migrating a fleet on a real server: every file with its ledger row in one transaction, and what each fault leads to.

use std::sync::Arc;
use std::time::Duration;

use tenantui::jobs::control;
use tenantui::jobs::worker;
use tenantui::model::job::{JobEvent, JobState, LogMark, Outcome};
use tokio::sync::watch;

use crate::jobs::Fleet;
use crate::support::wait_until_async;

/// Objects `m<version>`, as the files of these tests make them.
fn object(version: &str) -> String {
    format!("m{version}")
}

fn add_file(fleet: &Fleet, version: u32) {
    fleet.file(
        version,
        "make",
        &format!("create table m{version} (id int);\n--;;\ninsert into m{version} values ({version})"),
    );
}

#[tokio::test]
async fn a_fleet_is_migrated_and_the_log_says_how() {
    let fleet = Fleet::new("migrate", 6).await;
    fleet.db.sql("drop table tenant_t003.schema_migrations; create table tenant_t003.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))");
    for version in [1, 2, 3] {
        add_file(&fleet, version);
    }
    let job = fleet.order(fleet.plan(|options| options.parallel = 3)).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.total, view.done, view.failed, view.pending), (JobState::Done, 6, 6, 0, 0));
    assert_eq!(view.what.raw(), "6 tenants to 3");
    assert!(view.started_at.is_some() && view.ended_at.is_some() && view.worker.is_some());
    fleet.assert_whole(object);
    let row = fleet.db.sql(
        "select id::text, description, applied is not null from tenant_t004.schema_migrations order by id limit 1",
    );
    assert_eq!(row[0], [Some("1".into()), Some("make".into()), Some("t".into())]);
    let oks: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Log(line) if line.mark == LogMark::Ok => {
                Some(format!("{} {}", line.tenant.as_ref()?.raw(), line.text.raw()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(oks.len(), 6, "{oks:?}");
    assert!(oks.iter().any(|line| line.starts_with("t004 ->3   ") && line.ends_with('s')), "{oks:?}");
    assert!(matches!(events.last(), Some(JobEvent::Job(last)) if **last == view), "the last view is told last");
    let outcome = &fleet.outcomes(job).await["t002"];
    assert_eq!((outcome.outcome, outcome.steps), (Outcome::Done, (3, 3)));
    assert_eq!(outcome.version.as_ref().map(|version| version.raw()), Some("3"));
    assert_eq!(
        fleet.db.value("select count(*) from tenantui.audit where action = 'migrate' and outcome = 'done'"),
        "18"
    );
    let error = fleet.order(fleet.plan(|_| {})).await.expect_err("nothing left").to_string();
    assert!(error.contains("nothing is pending"), "{error}");
}

#[tokio::test]
async fn a_ledger_is_made_where_there_is_none() {
    let fleet = Fleet::new("migrate", 3).await;
    add_file(&fleet, 1);
    add_file(&fleet, 2);
    let plan = fleet.plan(|_| {});
    fleet.db.sql("drop table tenant_t001.schema_migrations");
    let view = fleet.migrate(plan).await;
    assert_eq!((view.state, view.done), (JobState::Done, 3));
    fleet.assert_whole(object);
    let shape = "select string_agg(column_name || ' ' || data_type || coalesce(character_maximum_length::text, ''), ',' order by ordinal_position) \
        from information_schema.columns where table_name = 'schema_migrations' and table_schema = ";
    assert_eq!(fleet.db.value(&format!("{shape}'tenant_t001'")), fleet.db.value(&format!("{shape}'tenant_t000'")));
}

#[tokio::test]
async fn a_failure_leaves_nothing_and_names_the_statement() {
    let fleet = Fleet::new("migrate", 3).await;
    add_file(&fleet, 1);
    fleet.file(
        2,
        "bad",
        "create table m2 ();\n--;;\ninsert into users values (1);\n\nselect *\n  from nowhere;\n--;;\nselect 1",
    );
    add_file(&fleet, 3);
    let job = fleet.order(fleet.plan(|options| options.max_failures = 10)).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Failed, 0, 3));
    fleet.assert_whole(object);
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.users"), "0");
    let outcomes = fleet.outcomes(job).await;
    let outcome = &outcomes["t001"];
    assert_eq!((outcome.outcome, outcome.steps), (Outcome::Failed, (1, 3)));
    assert_eq!(outcome.version.as_ref().map(|version| version.raw()), Some("1"));
    let failure = outcome.failure.as_ref().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.tries), (Some("42P01"), 1));
    assert!(failure.message.raw().contains("nowhere"), "{failure:?}");
    let statement = failure.statement.as_ref().expect("a statement");
    assert_eq!((statement.number, statement.of, statement.line), (2, 3, 6));
    assert!(statement.text.raw().contains("from nowhere"));
    // Mended in the database's favour: the same bytes run, so what was missing is made.
    for tenant in ["tenant_t000", "tenant_t001", "tenant_t002"] {
        fleet.db.sql(&format!("create table {tenant}.nowhere (id int)"));
    }
    let (resumed, _) = fleet.run(job, false).await;
    assert!(resumed.is_err() || resumed.is_ok_and(|view| view.failed == 3), "without retry failed tenants stay failed");
    let view = fleet.run(job, true).await.0.expect("retried");
    assert_eq!((view.state, view.done, view.failed), (JobState::Done, 3, 0));
    fleet.assert_whole(object);
}

#[tokio::test]
async fn two_workers_race_for_one_job_and_one_runs_it() {
    let fleet = Fleet::new("migrate", 4).await;
    add_file(&fleet, 1);
    for round in 0..5 {
        let version = round + 10;
        add_file(&fleet, version);
        let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
        let runs = futures_util::future::join_all((0..4).map(|_| fleet.run(job, false))).await;
        let done = runs.iter().filter(|run| run.0.is_ok()).count();
        assert_eq!(done, 1, "{:?}", runs.iter().map(|run| &run.0).collect::<Vec<_>>());
        let view = fleet.view(job).await;
        assert_eq!((view.state, view.done, view.attempt), (JobState::Done, 4, 1));
    }
    fleet.assert_whole(object);
}

#[tokio::test]
async fn the_row_minus_one_is_respected() {
    let fleet = Fleet::new("migrate", 3).await;
    add_file(&fleet, 1);
    let plan = fleet.plan(|_| {});
    fleet.db.sql("insert into tenant_t001.schema_migrations (id) values (-1)");
    let job = fleet.order(plan).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.blocked, view.failed), (JobState::Failed, 2, 1, 0));
    let failure = fleet.outcomes(job).await["t001"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("-1"), "{failure:?}");
    assert_eq!(fleet.db.value("select string_agg(id::text, ',') from tenant_t001.schema_migrations"), "-1");
    assert_eq!(fleet.db.value("select to_regclass('tenant_t001.m1') is null"), "t");
    fleet.db.sql("delete from tenant_t001.schema_migrations where id = -1");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    fleet.assert_whole(object);
}

#[tokio::test]
async fn a_migration_that_somebody_else_applied_meanwhile_is_not_run_again() {
    let fleet = Fleet::new("migrate", 2).await;
    add_file(&fleet, 1);
    let plan = fleet.plan(|_| {});
    fleet.db.sql("create table tenant_t001.m1 (); insert into tenant_t001.schema_migrations (id) values (1)");
    let view = fleet.migrate(plan).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2));
    assert_eq!(
        fleet.db.value("select message from tenantui.step where schema_name = 'tenant_t001'"),
        "was applied already"
    );
    // Everything that became done is in the audit, with whether this job did it.
    let audited = fleet
        .db
        .sql("select target, outcome from tenantui.audit where action = 'migrate' and outcome <> 'ordered' order by 1");
    let row = |target: &str, outcome: &str| vec![Some(target.to_owned()), Some(outcome.to_owned())];
    assert_eq!(audited, [row("tenant_t000", "done"), row("tenant_t001", "already")]);
    fleet.assert_whole(object);
}

#[tokio::test]
async fn the_canary_goes_alone_and_the_rest_waits_for_the_operator() {
    let fleet = Fleet::new("migrate", 8).await;
    add_file(&fleet, 1);
    let plan = fleet.plan(|options| {
        options.canary = 1;
        options.batches = vec![2, 3];
    });
    assert_eq!(plan.canary, 1);
    let first = plan.tenants[0].slug.raw().to_owned();
    let job = fleet.order(plan).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.pending), (JobState::Paused, 1, 7));
    assert_eq!(view.reason.as_ref().map(|reason| reason.raw()), Some("canary"));
    assert_eq!(fleet.outcomes(job).await[&first].outcome, Outcome::Done);
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("resumed");
    assert_eq!((view.state, view.done, view.pending, view.attempt), (JobState::Done, 8, 0, 2));
    let batches: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Log(line) if line.text.raw().starts_with("batch") => Some(line.text.raw()),
            _ => None,
        })
        .collect();
    assert_eq!(
        batches,
        ["batch 1: 2 tenants, 4 at a time", "batch 2: 3 tenants, 4 at a time", "batch 3: 2 tenants, 4 at a time"]
    );
    fleet.assert_whole(object);
}

#[tokio::test]
async fn a_failing_canary_and_too_many_failures_stop_the_fleet() {
    let fleet = Fleet::new("migrate", 9).await;
    fleet.file(1, "bad", "create table m1 (); select 1 / 0");
    let job = fleet.order(fleet.plan(|options| options.canary = 2)).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed, view.pending), (JobState::Paused, 1, 8));
    assert!(view.reason.as_ref().is_some_and(|reason| reason.raw().starts_with("canary failed")), "{view:?}");
    control::cancel(&fleet.target(), job).await.expect("cancelled");
    let plan = fleet.plan(|options| {
        options.max_failures = 3;
        options.parallel = 1;
    });
    let job = fleet.order(plan).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed, view.pending), (JobState::Paused, 3, 6));
    assert_eq!(view.reason.as_ref().map(|reason| reason.raw()), Some("3 failed, the limit is 3"));
    fleet.assert_whole(object);
}

/// A job that waits keeps others from being ordered: it does so only where somebody comes behind the canary.
#[tokio::test]
async fn a_canary_that_fails_alone_ends_its_job() {
    let fleet = Fleet::new("migrate", 1).await;
    fleet.file(1, "bad", "create table m1 (); select 1 / 0");
    let job = fleet.order(fleet.plan(|options| options.canary = 1)).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed, view.pending), (JobState::Failed, 1, 0));
    let view = fleet.run(job, true).await.0.expect("retried");
    assert_eq!((view.state, view.failed, view.pending), (JobState::Failed, 1, 0));
}

#[tokio::test]
async fn cancelling_lets_the_current_tenants_finish() {
    let fleet = Fleet::new("migrate", 6).await;
    fleet.file(1, "slow", "create table m1 ();\n--;;\nselect pg_sleep(1.5)");
    add_file(&fleet, 2);
    let job = fleet.order(fleet.plan(|options| options.parallel = 2)).await.expect("ordered");
    let target = fleet.target();
    let cancel = async {
        wait_until_async(Duration::from_secs(10), "a sleeping step", || async {
            fleet.db.value("select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep(1.5)%' and state = 'active' and application_name like 'tenantui%'") == "2"
        })
        .await;
        control::cancel(&target, job).await.expect("asked");
    };
    let (run, ()) = tokio::join!(fleet.run(job, false), cancel);
    let view = run.0.expect("run");
    assert_eq!((view.state, view.done, view.pending), (JobState::Cancelled, 2, 4), "{view:?}");
    fleet.assert_whole(object);
    assert!(fleet.run(job, true).await.0.is_err(), "a cancelled job stays cancelled");
}

#[tokio::test]
async fn a_process_that_is_asked_to_end_pauses_its_job() {
    let fleet = Fleet::new("migrate", 4).await;
    fleet.file(1, "slow", "create table m1 ();\n--;;\nselect pg_sleep(0.3)");
    add_file(&fleet, 2);
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let (stop, stopped) = watch::channel(worker::Stop::GoOn);
    let ask = async {
        wait_until_async(Duration::from_secs(10), "a sleeping step", || async {
            fleet.db.value("select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep(0.3)%' and state = 'active' and application_name like 'tenantui%'") == "1"
        })
        .await;
        stop.send_replace(worker::Stop::AfterStep);
    };
    let (run, ()) = tokio::join!(fleet.run_with(job, false, stopped), ask);
    let view = run.0.expect("run");
    assert_eq!((view.state, view.done), (JobState::Paused, 0), "{view:?}");
    assert!(view.reason.as_ref().is_some_and(|reason| reason.raw().contains("asked to end")));
    assert_eq!(fleet.db.value("select count(*) from tenantui.step where state = 'done'"), "1");
    fleet.assert_whole(object);
    assert_eq!(fleet.run(job, false).await.0.expect("resumed").state, JobState::Done);
    fleet.assert_whole(object);
}

#[tokio::test]
async fn killed_sessions_lose_nothing() {
    let fleet = Arc::new(Fleet::new("migrate", 30).await);
    for version in 1..=4 {
        fleet.file(
            version,
            "make",
            &format!("create table m{version} (id int primary key);\n--;;\nselect pg_sleep(0.005)"),
        );
    }
    let job = fleet.order(fleet.plan(|options| options.max_failures = 99)).await.expect("ordered");
    let (over, mut is_over) = watch::channel(false);
    let killer = {
        let fleet = Arc::clone(&fleet);
        tokio::spawn(async move {
            let admin = fleet.db.connect().await;
            let mut kills = 0;
            while !*is_over.borrow_and_update() && kills < 25 {
                let killed = admin
                    .query(
                        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
                            and application_name like 'tenantui%' order by random() limit 1",
                        &[],
                    )
                    .await
                    .expect("asked");
                kills += killed.len();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            kills
        })
    };
    let mut attempts = 0;
    let view = loop {
        attempts += 1;
        assert!(attempts < 40, "it must come to an end");
        match fleet.run(job, attempts > 1).await.0 {
            Ok(view) if view.state == JobState::Done => break view,
            Ok(_) | Err(_) => fleet.assert_whole(object),
        }
    };
    over.send_replace(true);
    let kills = killer.await.expect("the killer");
    assert!(kills >= 3, "only {kills} sessions were killed");
    assert_eq!((view.done, view.failed), (30, 0));
    fleet.assert_whole(object);
    assert_eq!(fleet.db.value("select count(*) from tenantui.step where state = 'done'"), "120");
}

#[tokio::test]
async fn a_worker_that_lost_its_job_does_no_further_step() {
    let fleet = Fleet::new("migrate", 12).await;
    fleet.file(1, "slow", "create table m1 ();\n--;;\nselect pg_sleep(0.2)");
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let take = async {
        wait_until_async(Duration::from_secs(10), "a first step", || async {
            fleet.db.value("select count(*) from tenantui.step where state = 'done'") == "1"
        })
        .await;
        // As a rescue does: the row lock first, so that a live step ends before the number changes.
        // The lock waits for the end of a step, whichever: there are enough of them for one to be met.
        let rescue = "select 1 from tenantui.job for update; update tenantui.job set attempt = attempt + 1";
        fleet.db.connect().await.batch_execute(rescue).await.expect("the rescue");
        fleet.db.value("select count(*) from tenantui.step where state = 'done'")
    };
    let (run, done) = tokio::join!(fleet.run(job, false), take);
    let error = run.0.expect_err("fenced").to_string();
    // Said by the heartbeat that looks who took it, or by the step whose fence closed first.
    assert!(error.contains("took job") || error.contains("not this worker's any more"), "{error}");
    assert_eq!(fleet.db.value("select count(*) from tenantui.step where state = 'done'"), done);
    fleet.assert_whole(object);
}
