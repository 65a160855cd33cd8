//! What a file does beyond its tenant: to its transaction, its search path, its role and its session. The lexer refuses
//! it when the plan is made; these files were let through, and the guard behind them has to see it.

use tenantui::migrations::plan::Plan;
use tenantui::model::job::{JobState, Outcome};

use crate::jobs::Fleet;

/// Objects `m<version>`, as the files of these tests make them.
fn object(version: &str) -> String {
    format!("m{version}")
}

fn add_file(fleet: &Fleet, version: u32) {
    fleet.file(version, "make", &format!("create table m{version} (id int)"));
}

/// A plan with what plan time refuses.
fn forced(mut plan: Plan) -> Plan {
    plan.refusals.clear();
    plan
}

#[tokio::test]
async fn the_guard_catches_what_the_lexer_missed() {
    let cases = [
        ("create table m1 ();\n--;;\nset search_path = public", "search_path was changed"),
        ("create table m1 ();\n--;;\nselect set_config('search_path', 'public', false)", "search_path was changed"),
        ("create table m1 ();\n--;;\nset session_replication_role = replica", "settings were changed"),
        ("create table m1 ();\n--;;\nset role pg_monitor", "settings were changed"),
    ];
    for (sql, words) in cases {
        let fleet = Fleet::new("migrate", 1).await;
        fleet.file(1, "escape", sql);
        let job = fleet.order(forced(fleet.plan(|_| {}))).await.expect("ordered");
        let view = fleet.run(job, false).await.0.expect("run");
        assert_eq!((view.state, view.failed), (JobState::Failed, 1), "{sql}");
        let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
        assert!(failure.message.raw().contains(words), "{sql}: {failure:?}");
        fleet.assert_whole(object);
    }
}

#[tokio::test]
async fn a_commit_inside_a_file_stops_the_fleet() {
    for sql in [
        "create table m1 (); commit",
        "create table m1 ();\n--;;\ncommit;\n--;;\nbegin",
        "create table m1 (); rollback; select 1 / 0",
    ] {
        let fleet = Fleet::new("migrate", 6).await;
        fleet.file(1, "commit", sql);
        let plan = forced(fleet.plan(|options| {
            options.canary = 1;
            options.max_failures = 99;
        }));
        let job = fleet.order(plan).await.expect("ordered");
        let view = fleet.run(job, false).await.0.expect("run");
        assert_eq!((view.state, view.failed, view.pending), (JobState::Paused, 1, 5), "{sql}: {view:?}");
        let outcomes = fleet.outcomes(job).await;
        let failed: Vec<_> = outcomes.values().filter(|outcome| outcome.outcome == Outcome::Failed).collect();
        let failure = failed[0].failure.as_ref().expect("a failure");
        assert!(failure.message.raw().contains("DIRTY"), "{sql}: {failure:?}");
        assert_eq!(fleet.db.value("select count(*) from tenantui.step where state = 'done'"), "0");
    }
}

#[tokio::test]
async fn nothing_of_a_file_lands_outside_the_tenant() {
    let fleet = Fleet::new("migrate", 2).await;
    fleet.db.sql("create table public.shared_thing (id int)");
    fleet.file(1, "outside", "insert into shared_thing values (1)");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!(view.failed, 2);
    assert_eq!(
        fleet.outcomes(job).await["t000"].failure.as_ref().and_then(|f| f.sqlstate.clone()).as_deref(),
        Some("42P01")
    );
    assert_eq!(fleet.db.value("select count(*) from public.shared_thing"), "0");
}

#[tokio::test]
async fn what_a_file_leaves_in_its_session_does_not_reach_the_next_tenant() {
    let fleet = Fleet::new("migrate", 4).await;
    fleet.file(1, "leaky", "create temp table users (id int);\n--;;\nset work_mem = '1234kB'");
    fleet.file(
        2,
        "next",
        "create table m2 as select current_setting('work_mem') as seen;\n--;;\ninsert into users values (7)",
    );
    let view = fleet.migrate(forced(fleet.plan(|options| options.parallel = 1))).await;
    assert_eq!((view.state, view.done), (JobState::Done, 4));
    for tenant in ["tenant_t000", "tenant_t003"] {
        assert_ne!(fleet.db.value(&format!("select seen from {tenant}.m2")), "1234kB");
        assert_eq!(fleet.db.value(&format!("select id from {tenant}.users")), "7");
    }
}

#[tokio::test]
async fn a_schema_that_is_not_the_planned_one_is_not_touched() {
    let fleet = Fleet::new("migrate", 3).await;
    add_file(&fleet, 1);
    let plan = fleet.plan(|_| {});
    fleet.db.sql(
        "drop schema tenant_t000 cascade; create schema tenant_t000; drop schema tenant_t001 cascade; \
         update public.tenants set schema_name = 'tenant_elsewhere' where slug = 't002'",
    );
    let job = fleet.order(plan).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!(view.failed, 3);
    let outcomes = fleet.outcomes(job).await;
    let words = |slug: &str| {
        outcomes[slug].failure.as_ref().map(|failure| failure.message.raw().to_owned()).unwrap_or_default()
    };
    assert!(words("t000").contains("dropped and created again"), "{}", words("t000"));
    assert!(words("t001").contains("does not exist any more"), "{}", words("t001"));
    assert!(words("t002").contains("registry row"), "{}", words("t002"));
    assert_eq!(fleet.db.value("select count(*) from pg_class where relname = 'm1'"), "0");
}

#[tokio::test]
async fn the_server_refuses_a_commit_inside_of_do() {
    let fleet = Fleet::new("guard", 1).await;
    fleet.file(1, "commit", "create table m1 ();\n--;;\ndo $$ begin create table inner_one (); commit; end $$");
    let plan = fleet.plan(|_| {});
    assert_eq!(plan.refusals.first().map(|refusal| refusal.finding.rule), Some("transaction-control"));
    let job = fleet.order(forced(plan)).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.statement.map(|s| s.number)), (Some("2D000"), Some(2)));
    assert_eq!(fleet.db.value("select to_regclass('tenant_t000.inner_one') is null"), "t");
    fleet.assert_whole(object);
}

/// What pg_dump writes begins with settings of the session; the path that it empties would be the next tenant's.
#[tokio::test]
async fn a_dump_that_was_pasted_in_is_refused_and_caught() {
    let dump = "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nSET lock_timeout = 0;\n\
        SET idle_in_transaction_session_timeout = 0;\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\
        SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\nSET xmloption = content;\n\
        SET client_min_messages = warning;\nSET row_security = off;\n\nSET default_tablespace = '';\n\
        SET default_table_access_method = heap;\n\n";
    for (rest, code) in [("CREATE TABLE public.m1 (id integer);\n", None), ("CREATE TABLE m1 ();\n", Some("3F000"))] {
        let fleet = Fleet::new("guard", 2).await;
        fleet.file(1, "dump", &format!("{dump}{rest}"));
        let plan = fleet.plan(|_| {});
        assert_eq!(plan.refusals.iter().map(|refusal| refusal.finding.rule).collect::<Vec<_>>(), ["search-path"]);
        assert_eq!(plan.refusals[0].finding.line, 10);
        let job = fleet.order(forced(plan)).await.expect("ordered");
        let view = fleet.run(job, false).await.0.expect("run");
        assert_eq!((view.state, view.failed), (JobState::Failed, 2));
        let failure = fleet.outcomes(job).await["t001"].failure.clone().expect("a failure");
        match code {
            None => assert!(failure.message.raw().contains("search_path was changed"), "{failure:?}"),
            Some(code) => assert_eq!(failure.sqlstate.as_deref(), Some(code), "{failure:?}"),
        }
        assert_eq!(fleet.db.value("select to_regclass('public.m1') is null"), "t");
        fleet.assert_whole(object);
    }
}

#[tokio::test]
async fn what_resets_the_session_is_refused_and_caught() {
    for (sql, rule, words) in [
        ("create table m1 ();\n--;;\nreset all", "reset", "was changed"),
        ("create table m1 ();\n--;;\ndiscard all", "reset", "25001"),
        (
            "create table m1 ();\n--;;\nreset role;\n--;;\nset session authorization pg_monitor",
            "role",
            "settings were changed",
        ),
        ("create table m1 ();\n--;;\nset local search_path = public", "search-path", "search_path was changed"),
        ("create table m1 ();\n--;;\ndo $$ begin set local role pg_monitor; end $$", "role", "settings were changed"),
        (
            "create table m1 ();\n--;;\ndo $$ begin perform set_config('search_path', '', true); end $$",
            "search-path",
            "search_path was changed",
        ),
        // What a block puts together is seen by nobody before it runs.
        (
            "create table m1 ();\n--;;\ndo $$ begin execute 'set local ro' || 'le pg_monitor'; end $$",
            "",
            "settings were changed",
        ),
    ] {
        let fleet = Fleet::new("guard", 1).await;
        fleet.file(1, "reset", sql);
        let plan = fleet.plan(|_| {});
        assert_eq!(plan.refusals.first().map_or("", |refusal| refusal.finding.rule), rule, "{sql}");
        let job = fleet.order(forced(plan)).await.expect("ordered");
        assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1, "{sql}");
        let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
        let said = format!("{} {}", failure.sqlstate.clone().unwrap_or_default(), failure.message.raw());
        assert!(said.contains(words), "{sql}: {said}");
        fleet.assert_whole(object);
    }
}

/// A text of 100 MB comes over the wire, and 4 KiB of it stay.
#[tokio::test]
async fn an_enormous_error_is_survived_and_cut() {
    let fleet = Fleet::new("guard", 1).await;
    // The server's own log need not hold it.
    fleet.db.sql(&format!("alter database {} set log_min_messages = panic", fleet.db.name));
    let huge = "do $$ begin raise notice '%', repeat(E'\\x1b', 1000); raise exception '%', repeat(E'\\u202ex\\n', 20000000); end $$";
    fleet.file(1, "huge", &format!("create table m1 ();\n--;;\n{huge}"));
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed), (JobState::Failed, 1));
    let longest = "select max(octet_length(message)) between 1000 and 4096 from tenantui.step";
    assert_eq!(
        fleet.db.value(longest),
        "t",
        "{}",
        fleet.db.value("select max(octet_length(message)) from tenantui.step")
    );
    assert_eq!(fleet.db.value("select count(*) from tenantui.step where message ~ E'[\\u202e\\n]'"), "0");
    assert_eq!(fleet.outcomes(job).await["t000"].outcome, Outcome::Failed);
    fleet.assert_whole(object);
}
