//! Statements that PostgreSQL runs outside of transactions only: intent, statement, look, done; and what every
//! interruption between them leads to.

use std::time::Duration;

use tenantui::jobs::orders::OrderError;
use tenantui::model::job::{JobId, JobState, Outcome};

use crate::jobs::Fleet;
use crate::support::{pg, wait_until_async};

const MARK: &str = "-- :disable-transaction\n";

fn object(version: &str) -> String {
    format!("m{version}")
}

/// A fleet whose second file makes an index concurrently.
async fn with_index(tenants: usize, sql: &str) -> Fleet {
    let fleet = Fleet::new("alone", tenants).await;
    fleet.file(1, "make", "create table m1 (a int, b int)");
    fleet.file(2, "index", &format!("{MARK}{sql}"));
    fleet
}

async fn order(fleet: &Fleet) -> JobId {
    let plan = fleet.plan(|options| options.parallel = 2);
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    fleet.order(plan).await.expect("ordered")
}

/// Whether the index of a tenant is there and valid; `?` where there is none.
fn index(fleet: &Fleet, schema: &str) -> String {
    fleet.db.value(&format!(
        "select coalesce((select (indisvalid and indisready and indislive)::text from pg_index \
         where indexrelid = to_regclass('{schema}.m2')), '?')"
    ))
}

fn step(fleet: &Fleet, schema: &str) -> (String, String) {
    let rows = fleet.db.sql(&format!(
        "select state, coalesce(message, '') from tenantui.step where schema_name = '{schema}' and version = '2' order by job_id desc limit 1"
    ));
    (rows[0][0].clone().unwrap_or_default(), rows[0][1].clone().unwrap_or_default())
}

/// A job whose worker died between the intent and the end: the first file is done, the second may have been sent.
async fn left_in_intent(fleet: &Fleet) -> JobId {
    let job = order(fleet).await;
    fleet.db.sql(&format!(
        "create table tenant_t000.m1 (a int, b int); insert into tenant_t000.schema_migrations (id) values (1); \
         update tenantui.step set state = 'done' where version = '1'; \
         update tenantui.step set state = 'intent', attempt = 1 where version = '2'; \
         update tenantui.job set state = 'running', attempt = 1 where id = {job}"
    ));
    job
}

#[tokio::test]
async fn an_index_is_made_concurrently_in_every_tenant() {
    let fleet = with_index(3, "CREATE INDEX CONCURRENTLY m2 ON m1 (a);\n").await;
    fleet.file(3, "make", "create table m3 ()");
    fleet.db.sql("create table public.m1 (a int)");
    let job = order(&fleet).await;
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done), (JobState::Done, 3), "{:?}", fleet.outcomes(job).await);
    fleet.assert_whole(object);
    for schema in ["tenant_t000", "tenant_t001", "tenant_t002"] {
        assert_eq!(index(&fleet, schema), "true");
    }
    assert_eq!(fleet.db.value("select count(*) from pg_index where indrelid = 'public.m1'::regclass"), "0");
    let said = "select string_agg(outcome, ' ' order by id) from tenantui.audit where target = 'tenant_t001' and \
                after->>'version' = '2'";
    assert_eq!(fleet.db.value(said), "intent done");
    let times = "select bool_and(ended_at >= started_at and duration_ms >= 0) from tenantui.step";
    assert_eq!(fleet.db.value(times), "t");
}

#[tokio::test]
async fn an_invalid_index_is_no_index_whatever_the_file_says() {
    let fleet = with_index(1, "create unique index concurrently if not exists m2 on m1 (a)").await;
    fleet.db.sql("create table tenant_t000.m1 (a int, b int); insert into tenant_t000.m1 values (1), (1)");
    fleet.db.sql("insert into tenant_t000.schema_migrations (id) values (1)");
    fleet.db.try_sql("create unique index concurrently m2 on tenant_t000.m1 (a)").expect_err("not unique");
    assert_eq!(index(&fleet, "tenant_t000"), "false");
    fleet.db.sql("delete from tenant_t000.m1");
    let job = order(&fleet).await;
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(index(&fleet, "tenant_t000"), "true");
    fleet.assert_whole(object);
}

#[tokio::test]
async fn a_valid_index_is_done_only_where_the_file_allows_for_it() {
    for (words, state) in [("if not exists ", JobState::Done), ("", JobState::Failed)] {
        let fleet = with_index(1, &format!("create index concurrently {words}m2 on m1 (a)")).await;
        fleet.db.sql(
            "create table tenant_t000.m1 (a int, b int); create index m2 on tenant_t000.m1 (a); \
             insert into tenant_t000.schema_migrations (id) values (1)",
        );
        let job = order(&fleet).await;
        assert_eq!(fleet.run(job, false).await.0.expect("run").state, state);
        let outcome = fleet.outcomes(job).await["t000"].clone();
        match state {
            JobState::Done => assert!(step(&fleet, "tenant_t000").1.contains("there already")),
            _ => assert_eq!(outcome.failure.and_then(|f| f.sqlstate).as_deref(), Some("42P07")),
        }
    }
    // An index of that name on another table is not what the file makes.
    let fleet = with_index(1, "create index concurrently if not exists m2 on m1 (a)").await;
    fleet.db.sql("create index m2 on tenant_t000.users (id)");
    let job = order(&fleet).await;
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    assert!(step(&fleet, "tenant_t000").1.contains("on users"), "{:?}", step(&fleet, "tenant_t000"));
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations where id = 2"), "0");
}

#[tokio::test]
async fn what_a_refused_statement_leaves_is_removed() {
    let fleet = with_index(2, "create unique index concurrently m2 on m1 (a)").await;
    fleet.db.sql(
        "create table tenant_t000.m1 (a int, b int); insert into tenant_t000.m1 values (1), (1); \
         insert into tenant_t000.schema_migrations (id) values (1)",
    );
    let job = order(&fleet).await;
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Failed, 1, 1));
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.tries), (Some("23505"), 1), "data of a tenant is no race");
    assert!(failure.message.raw().contains("was removed"), "{failure:?}");
    assert!(failure.statement.is_some_and(|statement| statement.text.raw().contains("m2 on m1")));
    assert_eq!(index(&fleet, "tenant_t000"), "?");
    fleet.assert_whole(object);
    fleet.db.sql("delete from tenant_t000.m1");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    fleet.assert_whole(object);
}

#[tokio::test]
async fn a_step_left_in_intent_is_looked_at_first() {
    // The worker died before the statement, after it, in the middle of it.
    for before in ["", "create index m2 on tenant_t000.m1 (a)", "invalid"] {
        let fleet = with_index(1, "create unique index concurrently m2 on m1 (a)").await;
        let job = left_in_intent(&fleet).await;
        match before {
            "invalid" => {
                fleet.db.sql("insert into tenant_t000.m1 values (1), (1)");
                fleet.db.try_sql("create unique index concurrently m2 on tenant_t000.m1 (a)").expect_err("not unique");
                fleet.db.sql("delete from tenant_t000.m1");
            }
            "" => {}
            sql => {
                fleet.db.sql(sql);
            }
        }
        let oid = fleet.db.value("select coalesce(to_regclass('tenant_t000.m2')::oid::text, '')");
        let view = fleet.run(job, false).await.0.expect("run");
        assert_eq!((view.state, view.done), (JobState::Done, 1), "{before}");
        assert_eq!(index(&fleet, "tenant_t000"), "true", "{before}");
        let same = fleet.db.value("select to_regclass('tenant_t000.m2')::oid::text") == oid;
        assert_eq!(same, before.starts_with("create"), "{before}: a valid one is kept, an invalid one made anew");
        fleet.assert_whole(object);
    }
}

#[tokio::test]
async fn what_nothing_can_tell_is_unknown_and_the_operator_decides() {
    let backfill = "do $$ begin insert into runs values (1); commit; end $$";
    let fleet = with_index(1, backfill).await;
    fleet.db.sql("create table tenant_t000.runs (id int)");
    let runs = || fleet.db.value("select count(*) from tenant_t000.runs");
    let job = left_in_intent(&fleet).await;
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed), (JobState::Failed, 1));
    assert_eq!(runs(), "0", "it is not run again of itself");
    let outcome = fleet.outcomes(job).await["t000"].clone();
    assert_eq!(outcome.outcome, Outcome::Unknown);
    let words = outcome.failure.expect("words").message.raw().to_owned();
    for part in ["do $$", "look in schema tenant_t000", "INSERT INTO", "retry", "skip"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // It had not run: once more.
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    assert_eq!(runs(), "1");
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations where id = 2"), "1");
    // It had run: the operator records it as the message says.
    let fleet = with_index(1, backfill).await;
    fleet.db.sql("create table tenant_t000.runs (id int)");
    let job = left_in_intent(&fleet).await;
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    let words = step(&fleet, "tenant_t000").1;
    let (_, rest) = words.split_once("record it (").expect("the statement");
    fleet.db.sql(rest.split_once(") and retry").expect("its end").0);
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.runs"), "0");
}

#[tokio::test]
async fn what_commits_on_its_own_and_fails_is_not_tried_again() {
    let fleet = with_index(1, "do $$ begin insert into runs values (1); commit; perform 1 / 0; end $$").await;
    fleet.db.sql("create table tenant_t000.runs (id int)");
    let job = order(&fleet).await;
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.tries), (Some("22012"), 1));
    assert!(failure.message.raw().contains("what it committed before that stays"), "{failure:?}");
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.runs"), "1");
}

#[tokio::test]
async fn a_snapshot_in_the_way_blocks_one_tenant_and_is_named() {
    let mut fleet = with_index(1, "create index concurrently m2 on m1 (a)").await;
    fleet.config.jobs.lock_timeout = Duration::from_millis(10);
    fleet.file(1, "make", "create table m1 (a int, b int)");
    fleet.migrate(fleet.plan(|options| options.to = Some(tenantui::model::ledger::Version::new("1")))).await;
    let app = fleet.db.connect().await;
    app.batch_execute(
        "set application_name = 'the report'; begin isolation level repeatable read; select * from tenant_t000.m1",
    )
    .await
    .expect("a snapshot");
    let job = order(&fleet).await;
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.blocked), (JobState::Failed, 1), "{:?}", step(&fleet, "tenant_t000"));
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!(failure.sqlstate.as_deref(), Some("55P03"));
    assert!(failure.blocker.is_some_and(|blocker| blocker.raw().contains("the report")));
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations where id = 2"), "0");
    app.batch_execute("commit").await.expect("ended");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    assert_eq!(index(&fleet, "tenant_t000"), "true");
    fleet.assert_whole(object);
}

#[tokio::test]
async fn a_session_that_is_lost_in_the_middle_is_recovered_from() {
    let fleet = with_index(1, "create index concurrently m2 on m1 (a)").await;
    fleet.migrate(fleet.plan(|options| options.to = Some(tenantui::model::ledger::Version::new("1")))).await;
    let app = fleet.db.connect().await;
    app.batch_execute("begin isolation level repeatable read; select * from tenant_t000.m1").await.expect("a snapshot");
    let job = order(&fleet).await;
    let kill = async {
        wait_until_async(Duration::from_secs(20), "an index that waits for the snapshot", || async {
            !fleet
                .db
                .sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity where query like '%create index concurrently%' \
                     and wait_event_type = 'Lock' and datname = current_database()",
                )
                .is_empty()
        })
        .await;
        assert_eq!(index(&fleet, "tenant_t000"), "false", "the killed build left an invalid index");
        app.batch_execute("commit").await.expect("ended");
    };
    let (run, ()) = tokio::join!(fleet.run(job, false), kill);
    assert_eq!(run.0.expect("run").state, JobState::Done, "{:?}", step(&fleet, "tenant_t000"));
    assert_eq!(index(&fleet, "tenant_t000"), "true");
    fleet.assert_whole(object);
}

#[tokio::test]
async fn indexes_are_dropped_and_rebuilt_and_tables_vacuumed() {
    let fleet = Fleet::new("alone", 2).await;
    fleet.file(1, "make", "create table m1 (a int); create index old on m1 (a); create index m2 on m1 (a)");
    fleet.file(2, "reindex", &format!("{MARK}reindex table concurrently m1"));
    fleet.file(3, "drop", &format!("{MARK}drop index concurrently old"));
    fleet.file(4, "vacuum", &format!("{MARK}vacuum (analyze) m1"));
    fleet.file(
        5,
        "parts",
        "create table p (id int) partition by range (id); create table c partition of p for values from (1) to (2)",
    );
    fleet.file(6, "detach", &format!("{MARK}alter table p detach partition c concurrently"));
    // Runs in a transaction as well, and so it does: nothing can be left in doubt.
    fleet.file(7, "type", "create type mood as enum ('fine')");
    fleet.file(8, "value", &format!("{MARK}alter type mood add value 'low'"));
    let job = order(&fleet).await;
    let before = fleet.db.value("select coalesce(max(oid::int), 0) from pg_class");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done), (JobState::Done, 2), "{:?}", fleet.outcomes(job).await);
    for schema in ["tenant_t000", "tenant_t001"] {
        let value = |sql: &str| fleet.db.value(&sql.replace("$", schema));
        assert_eq!(value("select to_regclass('$.old') is null"), "t");
        assert_eq!(index(&fleet, schema), "true");
        assert_eq!(value("select count(*) from pg_inherits where inhrelid = '$.c'::regclass"), "0");
        assert_eq!(value("select count(*) from pg_enum where enumtypid = '$.mood'::regtype"), "2");
        assert_eq!(value("select string_agg(id::text, ',' order by id) from $.schema_migrations"), "1,2,3,4,5,6,7,8");
    }
    assert_ne!(before, "0");
    let intents = "select count(*) from tenantui.audit where outcome = 'intent'";
    assert_eq!(fleet.db.value(intents), "8", "four files in two tenants; the type's value needs none");
}

#[tokio::test]
async fn a_partition_on_its_way_out_is_brought_out() {
    let fleet = Fleet::new("alone", 1).await;
    fleet.db.sql(
        "create table tenant_t000.p (id int) partition by range (id); \
         create table tenant_t000.c partition of tenant_t000.p for values from (1) to (2)",
    );
    let app = fleet.db.connect().await;
    app.batch_execute("begin isolation level repeatable read; select * from tenant_t000.p").await.expect("a reader");
    let detach = "alter table tenant_t000.p detach partition tenant_t000.c concurrently";
    let error = fleet.db.try_sql(&format!("set lock_timeout = '50ms'; {detach}")).expect_err("in one message");
    assert!(error.starts_with("25001"), "{error}");
    let ours = fleet.db.connect().await;
    ours.batch_execute("set lock_timeout = '50ms'").await.expect("set");
    assert!(ours.batch_execute(detach).await.is_err(), "the reader is in the way");
    assert_eq!(fleet.db.value("select inhdetachpending from pg_inherits"), "t");
    app.batch_execute("commit").await.expect("ended");
    fleet.file(1, "detach", &format!("{MARK}alter table p detach partition c concurrently"));
    let job = order(&fleet).await;
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done, "{:?}", fleet.outcomes(job).await);
    assert_eq!(fleet.db.value("select count(*) from pg_inherits where inhparent = 'tenant_t000.p'::regclass"), "0");
}

/// Why the session is the step's own: the server takes no setting and statement together (`docs/adr/0006`).
#[tokio::test]
async fn a_path_set_in_the_same_message_is_refused_by_the_server() {
    let db = pg().database("alone");
    db.sql("create schema s; create table s.t (a int)");
    for sql in [
        "set search_path = s; create index concurrently i on t (a)",
        "set local search_path = s; create index concurrently i on t (a)",
        "begin; set local search_path = s; create index concurrently i on t (a)",
    ] {
        let error = db.try_sql(sql).expect_err("refused");
        assert!(error.starts_with("25001"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn files_that_could_be_left_half_done_are_refused_in_words() {
    for (sql, words) in [
        (
            "create index concurrently m1 on users (id);\ncreate index concurrently m2 on users (id)",
            "several statements",
        ),
        ("create index concurrently on users (id)", "needs a name"),
        ("create index concurrently m1 on public.users (id)", "names a schema"),
        ("vacuum", "name the table"),
    ] {
        let fleet = Fleet::new("alone", 1).await;
        fleet.file(1, "index", &format!("{MARK}{sql}"));
        let mut plan = fleet.plan(|_| {});
        assert_eq!(plan.refusals.len(), 1, "{sql}");
        // Not even `allow` makes such a file run.
        plan.refusals.clear();
        match fleet.order(plan).await {
            Err(OrderError::Refused(said)) => {
                assert!(said.raw().contains("1-index.up.sql:2: ") && said.raw().contains(words), "{said:?}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
    let fleet = Fleet::new("alone", 1).await;
    fleet.file(1, "index", "create index concurrently m1 on users (id)");
    let plan = fleet.plan(|_| {});
    assert!(plan.refusals[0].finding.message.raw().contains("marked to run without one"), "{:?}", plan.refusals);
}

/// What runs is cancelled in its middle: what it left is removed at once or by the next run, and never taken for done.
#[tokio::test]
async fn a_cancelled_build_is_begun_anew() {
    let fleet = with_index(1, "create index concurrently m2 on m1 (a)").await;
    fleet.migrate(fleet.plan(|options| options.to = Some(tenantui::model::ledger::Version::new("1")))).await;
    let app = fleet.db.connect().await;
    app.batch_execute("begin isolation level repeatable read; select * from tenant_t000.m1").await.expect("a snapshot");
    let job = order(&fleet).await;
    let (stop, stopped) = tokio::sync::watch::channel(tenantui::jobs::worker::Stop::GoOn);
    let ask = async {
        let waiting = "select count(*) from pg_stat_activity where query like '%create index concurrently%' \
                       and wait_event_type = 'Lock' and datname = current_database()";
        wait_until_async(Duration::from_secs(20), "an index that waits for the snapshot", || async {
            fleet.db.value(waiting) != "0"
        })
        .await;
        stop.send_replace(tenantui::jobs::worker::Stop::Now);
    };
    let (run, ()) = tokio::join!(fleet.run_with(job, false, stopped), ask);
    assert_eq!(run.0.expect("run").state, JobState::Paused);
    assert_eq!(step(&fleet, "tenant_t000").0, "intent", "whoever goes on looks first");
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations where id = 2"), "0");
    app.batch_execute("commit").await.expect("ended");
    assert_eq!(fleet.run(job, false).await.0.expect("resumed").state, JobState::Done);
    assert_eq!(index(&fleet, "tenant_t000"), "true");
    fleet.assert_whole(object);
}
