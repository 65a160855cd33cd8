//! Verify files in the transaction of their migration, and the comparison of structures after a run.

use std::path::PathBuf;

use tenantui::migrations::folder::Folder;
use tenantui::migrations::plan::{Plan, PlanOptions, plan};
use tenantui::migrations::verify;
use tenantui::model::job::{JobEvent, JobState, Outcome};
use tenantui::model::ledger::Tool;

use crate::cli::text;
use crate::cli_fleet::{Fleet as CommandFleet, tenant};
use crate::jobs::Fleet;

fn at(fleet: &Fleet) -> PathBuf {
    fleet.folder.path().join("verify")
}

/// A fleet with a folder of verify files.
async fn fleet(tenants: usize) -> Fleet {
    let mut fleet = Fleet::new("verify", tenants).await;
    std::fs::create_dir(at(&fleet)).expect("a folder");
    fleet.config.migrations.verify_path = Some(at(&fleet));
    fleet
}

fn verify_file(fleet: &Fleet, version: u32, sql: &str) {
    std::fs::write(at(fleet).join(format!("{version}.sql")), sql).expect("written");
}

fn verified_plan(fleet: &Fleet) -> Plan {
    let folder = Folder::read(fleet.folder.path(), Tool::Migratus).expect("a folder");
    let folder = verify::attach(folder, &at(fleet)).expect("attached");
    let options = PlanOptions { canary: 0, batches: Vec::new(), ..PlanOptions::from(&fleet.config) };
    plan(&fleet.name(), &fleet.tenants(), &folder, options).expect("a plan")
}

#[tokio::test]
async fn a_migration_that_is_not_verified_is_rolled_back() {
    for (sql, words, line) in [
        ("select true;\n\nselect count(*) = 2, 'rows' from m1", "verify: 1.sql:3: its first column is false (rows)", 3),
        ("select max(id) from m1 where false", "its first column is NULL", 1),
        ("select 1;\nselect missing from m1", "column \"missing\" does not exist", 2),
        ("do $$ begin raise exception 'not so'; end $$", "not so", 1),
        ("values (true), (false)", "its first column is false", 1),
    ] {
        let fleet = fleet(2).await;
        fleet.pairs(&[1]);
        verify_file(&fleet, 1, sql);
        let job = fleet.order(verified_plan(&fleet)).await.expect("ordered");
        let view = fleet.run(job, false).await.0.expect("run");
        assert_eq!((view.state, view.failed), (JobState::Failed, 2), "{sql}");
        let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
        assert!(failure.message.raw().starts_with("verify: 1.sql"), "{failure:?}");
        assert!(failure.message.raw().contains(words), "{sql}: {failure:?}");
        assert_eq!(failure.statement.map(|statement| statement.line), Some(line), "{sql}");
        assert_eq!(fleet.stands("t000"), (String::new(), String::new()), "{sql}");
    }
}

#[tokio::test]
async fn a_verified_migration_is_applied_and_what_verified_it_left_nothing() {
    let fleet = fleet(2).await;
    fleet.pairs(&[1, 2]);
    verify_file(
        &fleet,
        1,
        "select count(*) = 1 from m1;\nselect id from m1 where id = 99;\nwith x as (select 1 as n) select n from x",
    );
    verify_file(&fleet, 2, "select to_regclass('m2') is not null, current_setting('transaction_read_only')");
    let view = fleet.migrate(verified_plan(&fleet)).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2));
    assert_eq!(fleet.stands("t001"), ("1,2".into(), "1,2".into()));
    assert_eq!(fleet.db.value("select count(*) from pg_class where relname like 'tenantui_verify%'"), "0");
}

/// What the lexer cannot see a verify file write, the server refuses: and once is enough.
#[tokio::test]
async fn a_verify_file_cannot_write() {
    let fleet = fleet(1).await;
    fleet.pairs(&[1]);
    verify_file(&fleet, 1, "with w as (insert into m1 values (5) returning id) select true from w");
    let job = fleet.order(verified_plan(&fleet)).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("read-only transaction"), "{failure:?}");
    assert_eq!(failure.tries, 1);
    assert_eq!(fleet.stands("t000"), (String::new(), String::new()));
    verify_file(&fleet, 1, "insert into m1 values (5)");
    let refused = fleet.order(verified_plan(&fleet)).await.expect_err("refused").to_string();
    assert!(refused.contains("1.sql:1: a verify file only looks"), "{refused}");
}

#[tokio::test]
async fn a_job_is_bound_to_its_verify_files() {
    let fleet = fleet(1).await;
    fleet.pairs(&[1]);
    verify_file(&fleet, 1, "select false");
    let job = fleet.order(verified_plan(&fleet)).await.expect("ordered");
    verify_file(&fleet, 1, "select true");
    let error = fleet.run(job, false).await.0.expect_err("changed").to_string();
    assert!(error.contains("'s verify file changed since the job was ordered"), "{error}");
    verify_file(&fleet, 1, "select false");
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    // One that was not there when the job was confirmed does not run.
    std::fs::remove_file(at(&fleet).join("1.sql")).expect("removed");
    tenantui::jobs::control::cancel(&fleet.target(), job).await.unwrap_or(tenantui::jobs::control::Cancelled::Ended);
    let job = fleet.order(verified_plan(&fleet)).await.expect("ordered");
    verify_file(&fleet, 1, "select false");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
}

#[tokio::test]
async fn a_file_that_commits_is_caught_whatever_verifies_it() {
    let fleet = fleet(1).await;
    fleet.file(1, "commit", "create table m1 (); commit");
    verify_file(&fleet, 1, "select true");
    let mut plan = verified_plan(&fleet);
    plan.refusals.clear();
    let job = fleet.order(plan).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Paused);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("DIRTY"), "{failure:?}");
}

#[tokio::test]
async fn a_statement_outside_of_a_transaction_is_verified_before_its_row() {
    let fleet = fleet(1).await;
    fleet.pairs(&[1]);
    assert_eq!(fleet.migrate(verified_plan(&fleet)).await.state, JobState::Done);
    fleet.file(2, "index", "-- :disable-transaction\ncreate index concurrently if not exists m1_id on m1 (id)");
    verify_file(&fleet, 2, "select false, 'slow still'");
    let job = fleet.order(verified_plan(&fleet)).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("what the statement did stays"), "{failure:?}");
    assert_eq!(fleet.stands("t000").0, "1");
    assert_eq!(fleet.db.value("select count(*) from pg_class where relname = 'm1_id'"), "1");
}

fn told(events: &[JobEvent], words: &str) -> bool {
    events.iter().any(|event| matches!(event, JobEvent::Log(line) if line.text.raw().contains(words)))
}

#[tokio::test]
async fn a_tenant_whose_structure_is_another_one_is_named() {
    let fleet = Fleet::new("verify", 6).await;
    fleet.file(1, "more", "create table m1 (id serial primary key, name text default 'x', ok bool check (ok));\n--;;\ncreate index m1_name on m1 (name)");
    fleet.db.sql(
        "alter table tenant_t002.users add column extra int; create table tenant_t003.only_here (); \
         alter table tenant_t004.users drop constraint users_pkey; \
         alter table tenant_t005.users add column gone int; alter table tenant_t005.users drop column gone",
    );
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Done, 6, 0), "it fails nothing");
    let outcomes = fleet.outcomes(job).await;
    let note = |slug: &str| outcomes[slug].note.as_ref().map(|note| note.raw().to_owned());
    assert_eq!(
        note("t002").as_deref(),
        Some("structure differs from t000: column users.extra is there and should not be")
    );
    assert_eq!(
        note("t003").as_deref(),
        Some("structure differs from t000: table only_here is there and should not be")
    );
    let t004 = note("t004").expect("a note");
    assert!(
        t004.contains("constraint users.users_pkey is missing") && t004.contains("index users_pkey is missing"),
        "{t004}"
    );
    assert_eq!(
        (note("t000"), note("t001"), note("t005")),
        (None, None, None),
        "a column that is gone is no difference"
    );
    assert_eq!(outcomes["t002"].outcome, Outcome::Done);
    assert!(told(&events, "structures of 6 tenants compared with most of them: 3 differ"), "{events:?}");
    assert_eq!(
        fleet.db.value("select count(*) from tenantui.audit where action = 'compare' and outcome = 'differs'"),
        "3"
    );
}

#[tokio::test]
async fn the_canary_is_the_measure_where_there_was_one() {
    let fleet = Fleet::new("verify", 4).await;
    fleet.pairs(&[1]);
    fleet.db.sql("alter table tenant_t000.users add column odd int");
    let plan = fleet.plan(|options| options.canary = 1);
    assert_eq!(plan.tenants[0].slug.raw(), "t000");
    let job = fleet.order(plan).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Paused);
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done);
    let words = "compared with t000: 3 differ; with so many, look whether the canary itself is odd";
    assert!(told(&events, words), "{events:?}");
    let outcomes = fleet.outcomes(job).await;
    let note = outcomes["t003"].note.as_ref().map(|note| note.raw().to_owned());
    assert_eq!(note.as_deref(), Some("structure differs from t000: column users.odd is missing"));
}

#[tokio::test]
async fn a_lock_on_the_catalog_is_waited_for_by_nobody() {
    let fleet = Fleet::new("verify", 2).await;
    fleet.pairs(&[1]);
    let app = fleet.db.connect().await;
    // What the migrations do not need and the comparison does.
    app.batch_execute("begin; lock table pg_catalog.pg_policy in access exclusive mode").await.expect("locked");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done);
    assert!(told(&events, "structures were not compared: "), "{events:?}");
}

#[test]
fn the_command_finds_verify_files_and_says_what_they_say() {
    let fleet = CommandFleet::new();
    fleet.init();
    let folder = fleet.home.path().join("verify");
    std::fs::create_dir(&folder).expect("a folder");
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&format!("{block}verify_path = \"{}\"\n", folder.display()));
    std::fs::write(
        folder.join("20260301000000-index-author.sql"),
        "select count(*) = 9 from pg_indexes where indexname = 'notes_author'",
    )
    .expect("a file");
    let failed = fleet.json(4, &["migrate", "acme", "--yes", "--json"]);
    let message = tenant(&failed, "tenant", "acme")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("verify: 20260301000000-index-author.sql:1: its first column is false"), "{message}");
    std::fs::write(folder.join("20260301000000-index-author.sql"), "commit").expect("a file");
    let refused = fleet.expect(5, &["migrate", "acme", "--dry-run"]);
    assert!(text(&refused.stdout).contains("20260301000000-index-author.sql:1"), "{}", text(&refused.stdout));
}
