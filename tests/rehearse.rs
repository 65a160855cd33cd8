//! A rehearsal: the files of the canary in one transaction, with ledger, guard and verify, and nothing of it left.

use std::sync::Arc;
use std::time::Duration;

use tenantui::jobs::orders::{self, OrderError};
use tenantui::jobs::service::{MigrateOrder, Order};
use tenantui::migrations::plan::Plan;
use tenantui::model::job::{JobEvent, JobId, JobState, Outcome};
use tenantui::model::ledger::Version;
use uuid::Uuid;

use crate::cli::text;
use crate::cli_fleet::{Fleet as CommandFleet, tenant};
use crate::jobs::Fleet;
use crate::support::victim::{Aim, Victim};
use crate::support::{wait_until, wait_until_async};

async fn order(fleet: &Fleet, plan: Plan) -> Result<JobId, OrderError> {
    let order = MigrateOrder { plan: Arc::new(plan), layout: Arc::clone(&fleet.layout), wait_after_canary: true };
    orders::order(&fleet.target(), &Order::Rehearse(order), Uuid::new_v4()).await
}

fn lines(events: &[JobEvent]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Log(line) => Some(line.text.raw().to_owned()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn it_runs_on_the_canaries_and_leaves_nothing() {
    let fleet = Fleet::new("rehearse", 5).await;
    fleet.pairs(&[1, 2]);
    fleet.file(3, "function", "create function f() returns int language sql as 'select 1';\n--;;\nalter table users add column c int;\n--;;\ninsert into users values (7, f())");
    let before = fleet.fingerprint();
    let plan = fleet.plan(|options| options.canary = 2);
    assert_eq!(plan.rehearsal().len(), 2);
    let job = order(&fleet, plan).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.total, view.done, view.steps), (JobState::Done, 2, 2, (6, 6)), "{events:?}");
    assert_eq!(view.kind.word(), "rehearse");
    assert_eq!(fleet.fingerprint(), before, "something was left behind");
    let told = lines(&events);
    assert_eq!(
        told.iter().filter(|line| line.starts_with("->3 ") && line.contains("rolled back")).count(),
        2,
        "{told:?}"
    );
    for file in ["->1 ", "1>2 ", "2>3 "] {
        assert_eq!(
            told.iter().filter(|line| line.starts_with(file) && line.ends_with('s')).count(),
            2,
            "{file} {told:?}"
        );
    }
    let timed = "select bool_and(duration_ms is not null and message = 'rehearsed: rolled back' and action = 'rehearse') from tenantui.step";
    assert_eq!(fleet.db.value(timed), "t");
    assert_eq!(fleet.db.value("select string_agg(distinct outcome, ',') from tenantui.audit where action = 'rehearse' and target like 'tenant%'"), "rolled back");
    let outcome = &fleet.outcomes(job).await["t000"];
    assert_eq!(
        (outcome.outcome, outcome.version.as_ref().map(Version::raw)),
        (Outcome::Done, None),
        "it stands where it stood"
    );
    // Nothing of it counts: all is pending still, and runs.
    let view = fleet.migrate(fleet.plan(|_| {})).await;
    assert_eq!((view.state, view.done), (JobState::Done, 5));
    assert_ne!(fleet.fingerprint(), before, "a fingerprint that never changes shows nothing");
}

#[tokio::test]
async fn what_fails_is_named_and_rolled_back_whole() {
    let fleet = Fleet::new("rehearse", 3).await;
    fleet.pairs(&[1]);
    fleet.file(2, "bad", "create table m2 ();\n--;;\n\nselect * from nowhere");
    let before = fleet.fingerprint();
    let job = order(&fleet, fleet.plan(|_| {})).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.total, view.failed), (JobState::Failed, 1, 1));
    let outcome = &fleet.outcomes(job).await["t000"];
    let failure = outcome.failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.version.as_ref().map(Version::raw)), (Some("42P01"), Some("2")));
    assert_eq!(failure.statement.map(|statement| statement.line), Some(4));
    assert_eq!(fleet.fingerprint(), before);
    // Tried again, all files run again: the first one's work was rolled back with the second's.
    fleet.db.sql("create table tenant_t000.nowhere ()");
    let view = fleet.run(job, true).await.0.expect("retried");
    assert_eq!((view.state, view.done, view.steps), (JobState::Done, 1, (2, 2)));
    assert_eq!(fleet.db.value("select to_regclass('tenant_t000.m1') is null"), "t");
}

#[tokio::test]
async fn the_guard_watches_a_rehearsal_too() {
    let fleet = Fleet::new("rehearse", 1).await;
    fleet.pairs(&[1]);
    fleet.file(2, "escape", "create table m2 ();\n--;;\nselect set_config('search_path', 'public', false)");
    let mut plan = fleet.plan(|_| {});
    plan.refusals.clear();
    let before = fleet.fingerprint();
    let job = order(&fleet, plan).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("search_path was changed"), "{failure:?}");
    assert_eq!(fleet.fingerprint(), before);
}

#[tokio::test]
async fn deferred_constraints_are_checked_as_a_commit_would() {
    let fleet = Fleet::new("rehearse", 1).await;
    fleet.file(1, "deferred", "create table m1 (id int primary key, up int references m1 deferrable initially deferred);\n--;;\ninsert into m1 values (1, 2)");
    let job = order(&fleet, fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!(failure.sqlstate.as_deref(), Some("23503"));
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_refused_in_words() {
    let fleet = Fleet::new("rehearse", 1).await;
    fleet.pairs(&[1]);
    fleet.file(2, "index", "-- :disable-transaction\ncreate index concurrently i on m1 (id)");
    let error = order(&fleet, fleet.plan(|_| {})).await.expect_err("refused").to_string();
    assert!(error.contains("2-index.up.sql runs outside of a transaction"), "{error}");
    let to = |options: &mut tenantui::migrations::plan::PlanOptions| options.to = Some(Version::new("1"));
    assert!(order(&fleet, fleet.plan(to)).await.is_ok());
    // One of the kind that goes through tenants at a time.
    let busy = fleet.order(fleet.plan(|_| {})).await.expect_err("busy").to_string();
    assert!(busy.contains("(rehearse t000 to 1)"), "{busy}");
}

#[tokio::test]
async fn what_only_fails_in_one_transaction_says_so() {
    let fleet = Fleet::new("rehearse", 1).await;
    fleet.file(1, "type", "create type mood as enum ('sad');\n--;;\ncreate table m1 (mood mood)");
    assert_eq!(fleet.migrate(fleet.plan(|_| {})).await.done, 1);
    fleet.file(2, "value", "alter type mood add value 'ok';\n--;;\ncreate table m2 ()");
    fleet.file(3, "use", "insert into m1 values ('ok');\n--;;\ncreate table m3 ()");
    let job = order(&fleet, fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").failed, 1);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!(failure.sqlstate.as_deref(), Some("55P04"));
    assert!(failure.message.raw().contains("in one transaction"), "{failure:?}");
    assert_eq!(fleet.migrate(fleet.plan(|_| {})).await.state, JobState::Done);
}

#[test]
fn the_command_rehearses_and_is_a_write() {
    let fleet = CommandFleet::new();
    assert!(text(&fleet.expect(5, &["migrate", "acme", "--rehearse", "--yes"]).stderr).contains("tenantui init"));
    fleet.init();
    assert!(text(&fleet.expect(5, &["migrate", "acme", "--rehearse"]).stderr).contains("--yes"));
    fleet.expect(5, &["--read-only", "migrate", "acme", "--rehearse", "--yes"]);
    let done = fleet.json(0, &["migrate", "acme", "--rehearse", "--yes", "--json"]);
    assert_eq!(done["jobs"][0]["kind"], "rehearse");
    let acme = tenant(&done, "tenant", "acme");
    assert_eq!((acme["result"].as_str(), acme["version"].as_str()), (Some("done"), Some("20260201000000")));
    assert_eq!(fleet.database.value("select count(*) from tenant_acme.schema_migrations"), "2");
    let words = text(&fleet.expect(0, &["migrate", "acme", "--rehearse", "--yes"]).stderr);
    assert!(words.contains("rolled back, nothing of it is left"), "{words}");
    fleet.expect(0, &["migrate", "acme", "--yes"]);
}

#[tokio::test]
async fn killed_in_the_middle_it_leaves_nothing_and_a_worker_ends_it() {
    let fleet = CommandFleet::new();
    fleet.init();
    fleet.file("20260302000000-slow", "create table slow ();\n--;;\nselect pg_sleep(1.5) /* in the rehearsal */");
    let config = fleet.home.path().join("config.toml").display().to_string();
    let words = ["--config", &config, "migrate", "acme", "--rehearse", "--yes"];
    let victim = Victim::start(fleet.home.path(), &words, &[], &Aim::default());
    let asleep = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' \
                  and query like '%in the rehearsal%' and pid <> pg_backend_pid()";
    let wait = Duration::from_secs(20);
    wait_until_async(wait, "the slow file", || async { fleet.database.value(asleep) == "1" }).await;
    assert!(victim.kill().killed);
    wait_until(wait, "the server to see that its client is gone", || fleet.database.value(asleep) == "0");
    let left = "select to_regclass('tenant_acme.slow') is null and not exists (select from pg_class where relname = 'notes_author' \
                and relnamespace = 'tenant_acme'::regnamespace) and count(*) = 2 from tenant_acme.schema_migrations";
    assert_eq!(fleet.database.value(left), "t");
    assert_eq!(fleet.database.value("select state from tenantui.job"), "running", "nobody was left to say more");
    let end = Victim::start(fleet.home.path(), &["--config", &config, "worker", "--drain"], &[], &Aim::default())
        .wait(Duration::from_secs(60));
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(fleet.database.value("select state from tenantui.job"), "done");
    assert_eq!(fleet.database.value(left), "t");
}
