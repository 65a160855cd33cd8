//! Ledgers of other tools than Migratus in both directions, and their own locks: of a schema in the step, of a database
//! once per job. A tool that is at work keeps tenantui out, and the other way round.

use std::fs;
use std::time::Duration;

use tenantui::migrations::dialects::{LockPlace, ToolLock, dialect};
use tenantui::model::ledger::Tool;

use crate::cli::text;
use crate::cli_fleet::{Fleet, tenant};
use crate::support::victim::{Aim, Victim};
use crate::support::wait_until_async;

/// Two tenants without a ledger, and a folder of this tool.
fn fleet(tool: Tool, files: &[(&str, &str)]) -> Fleet {
    let fleet = Fleet::new();
    fleet.database.sql(
        "delete from public.tenants where slug = 'gone'; drop table public.schema_migrations; drop schema tenant_lost; \
         drop schema tenant_acme cascade; drop schema tenant_beta_two cascade; create schema tenant_acme; create schema tenant_beta_two",
    );
    fs::remove_dir_all(fleet.folder()).expect("removed");
    fs::create_dir(fleet.folder()).expect("a folder");
    for (name, sql) in files {
        fs::write(fleet.folder().join(name), sql).expect("a file");
    }
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&format!("{block}tool = \"{tool}\"\n"));
    fleet.init();
    fleet
}

fn key(tool: Tool, database: &str, schema: &str) -> i64 {
    let known = dialect(tool);
    let table = known.writing.as_ref().expect("written").table;
    let place = LockPlace { database, schema, table };
    match known.lock {
        ToolLock::Schema(key) | ToolLock::Database(key) => key(&place),
        ToolLock::None | ToolLock::Row | ToolLock::Table(_) => panic!("{tool} has no such lock"),
    }
}

const GOLANG: [(&str, &str); 8] = [
    ("1_one.up.sql", "create table m1 (id int); insert into m1 values (1);"),
    ("1_one.down.sql", "drop table m1;"),
    ("2_two.up.sql", "create table m2 (id int);"),
    ("2_two.down.sql", "drop table m2;"),
    ("5_five.up.sql", "create table m5 (id int);"),
    ("5_five.down.sql", "drop table m5;"),
    ("6_six.up.sql", "create index concurrently m5_id on m5 (id)"),
    ("6_six.down.sql", "drop index concurrently m5_id"),
];

fn position(fleet: &Fleet) -> String {
    fleet
        .database
        .value("select coalesce((select version || ' ' || dirty::text from tenant_acme.schema_migrations), 'none')")
}

#[test]
fn a_ledger_that_is_a_position_goes_both_ways() {
    let fleet = fleet(Tool::GolangMigrate, &GOLANG);
    // Alone the second would say that the first is applied too, also where there is no ledger yet.
    let gap = fleet.json(4, &["migrate", "acme", "--only", "2", "--yes", "--json"]);
    assert!(tenant(&gap, "tenant", "acme")["message"].as_str().is_some_and(|why| why.contains("position")), "{gap}");
    fleet.expect(0, &["migrate", "acme", "--only", "1", "--yes"]);
    assert_eq!(position(&fleet), "1 false");
    fleet.expect(0, &["migrate", "--all", "--yes", "--canary", "0"]);
    assert_eq!(position(&fleet), "6 false");
    let back = fleet.json(0, &["rollback", "--all", "--to", "2", "--canary", "0", "--yes", "--json"]);
    assert_eq!(tenant(&back, "tenant", "acme")["version"], "2");
    assert_eq!(position(&fleet), "2 false");
    assert_eq!(fleet.database.value("select count(*) from pg_class where relname in ('m5', 'm5_id')"), "0");
    let redone = fleet.json(0, &["redo", "acme", "--steps", "2", "--yes", "--json"]);
    assert_eq!(tenant(&redone, "tenant", "acme")["version"], "2");
    fleet.expect(0, &["rollback", "acme", "--steps", "9", "--yes"]);
    assert_eq!(position(&fleet), "none");
    assert_eq!(fleet.database.value("select count(*) from pg_class where relname = 'm1'"), "1", "beta's alone");
    // A rehearsal moves the position within its transaction, file by file.
    let rehearsed = fleet.json(0, &["migrate", "acme", "--rehearse", "--to", "5", "--yes", "--json"]);
    assert_eq!((&rehearsed["jobs"][0]["state"], &rehearsed["jobs"][0]["steps_done"]), (&"done".into(), &3.into()));
    assert_eq!(position(&fleet), "none");
}

#[tokio::test]
async fn the_tools_lock_of_a_schema_keeps_out_and_is_kept() {
    let fleet = fleet(Tool::GolangMigrate, &GOLANG[..4]);
    let lock = key(Tool::GolangMigrate, &fleet.database.name, "tenant_acme");
    let theirs = fleet.database.connect().await;
    theirs.batch_execute("set application_name = 'golang-migrate'").await.expect("named");
    theirs.query_one("select pg_advisory_lock($1)", &[&lock]).await.expect("locked");
    let out = fleet.json(4, &["migrate", "--all", "--canary", "0", "--yes", "--json"]);
    let acme = tenant(&out, "tenant", "acme");
    assert_eq!(
        (acme["result"].as_str(), tenant(&out, "tenant", "beta-two")["result"].as_str()),
        (Some("blocked"), Some("done"))
    );
    assert!(acme["message"].as_str().is_some_and(|words| words.contains("the lock of golang-migrate")), "{acme}");
    assert!(acme["blocker"].as_str().is_some_and(|words| words.contains("(golang-migrate)")), "{acme}");
    assert_eq!(fleet.database.value("select to_regclass('tenant_acme.schema_migrations') is null"), "t");
    theirs.query_one("select pg_advisory_unlock($1)", &[&lock]).await.expect("given back");
    // While a step of ours runs, the tool finds its lock held; afterwards it is free.
    fs::write(fleet.folder().join("3_slow.up.sql"), "select pg_sleep(1.5)").expect("a file");
    let id = out["jobs"][0]["id"].to_string();
    fleet.expect(0, &["job", &id, "retry", "--yes"]);
    let config = fleet.home.path().join("config.toml").display().to_string();
    let words = ["--config", &config, "migrate", "acme", "--yes"];
    let run = Victim::start(fleet.home.path(), &words, &[], &Aim::default());
    wait_until_async(Duration::from_secs(20), "the slow file", || async {
        fleet.database.value("select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and query = 'select pg_sleep(1.5)'") == "1"
    })
    .await;
    let free = |row: tokio_postgres::Row| row.get::<_, bool>(0);
    assert!(!free(theirs.query_one("select pg_try_advisory_lock($1)", &[&lock]).await.expect("tried")), "ours");
    let end = run.wait(Duration::from_secs(60));
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(free(theirs.query_one("select pg_try_advisory_lock($1)", &[&lock]).await.expect("tried")), "given back");
}

#[tokio::test]
async fn the_tools_lock_of_a_database_is_taken_once_per_job() {
    let fleet = fleet(
        Tool::NodePgMigrate,
        &[
            (
                "1700000000001_one.sql",
                "-- Up Migration\ncreate table m1 (id int);\n-- Down Migration\ndrop table m1;\n",
            ),
            ("1700000000002_slow.sql", "-- Up Migration\nselect pg_sleep(1.5);\n-- Down Migration\nselect 1;\n"),
        ],
    );
    let lock = key(Tool::NodePgMigrate, &fleet.database.name, "");
    let theirs = fleet.database.connect().await;
    theirs.batch_execute("set application_name = 'their deploy'").await.expect("named");
    theirs.query_one("select pg_advisory_lock($1)", &[&lock]).await.expect("locked");
    let held = fleet.expect(5, &["migrate", "--all", "--canary", "0", "--yes"]);
    let words = text(&held.stderr);
    assert!(words.contains("the lock of node-pg-migrate for this database is held by pid"), "{words}");
    assert!(words.contains("(their deploy)"), "{words}");
    let job = fleet.database.sql("select id::text, state, waits from tenantui.job").remove(0);
    assert_eq!((job[1].as_deref(), job[2].as_deref()), (Some("paused"), Some("trouble")));
    assert_eq!(fleet.database.value("select count(*) from tenantui.step where state <> 'pending'"), "0");
    theirs.query_one("select pg_advisory_unlock($1)", &[&lock]).await.expect("given back");
    let config = fleet.home.path().join("config.toml").display().to_string();
    let words = ["--config", &config, "job", job[0].as_deref().unwrap_or_default(), "resume", "--yes"];
    let run = Victim::start(fleet.home.path(), &words, &[], &Aim::default());
    // Both tenants at a time: the lock shuts no step of ours out.
    wait_until_async(Duration::from_secs(20), "both slow files", || async {
        fleet.database.value("select count(*) from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep(1.5)%' and application_name like 'tenantui%'") == "2"
    })
    .await;
    let free = |row: tokio_postgres::Row| row.get::<_, bool>(0);
    assert!(!free(theirs.query_one("select pg_try_advisory_lock($1)", &[&lock]).await.expect("tried")), "ours");
    let end = run.wait(Duration::from_secs(60));
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(free(theirs.query_one("select pg_try_advisory_lock($1)", &[&lock]).await.expect("tried")), "given back");
    theirs.query_one("select pg_advisory_unlock($1)", &[&lock]).await.expect("given back");
    // Both sections of one file: what undoes it is the other half.
    let back = fleet.json(0, &["rollback", "--all", "--steps", "2", "--canary", "0", "--yes", "--json"]);
    assert_eq!(tenant(&back, "tenant", "acme")["version"], serde_json::Value::Null);
    assert_eq!(fleet.database.value("select count(*) from tenant_acme.pgmigrations"), "0");
    assert_eq!(fleet.database.value("select count(*) from pg_class where relname = 'm1'"), "0");
}

#[tokio::test]
async fn the_tools_lock_is_regained_with_the_connection_that_held_it() {
    let slow = ("1700000000001_slow.sql", "-- Up Migration\ncreate table m1 ();\nselect pg_sleep(4);\n");
    let fleet = fleet(Tool::NodePgMigrate, &[slow]);
    let lock = key(Tool::NodePgMigrate, &fleet.database.name, "");
    let holder = format!(
        "select coalesce(max(pid), 0) from pg_locks where locktype = 'advisory' and granted \
         and database = (select oid from pg_database where datname = current_database()) \
         and (classid::bigint << 32) | objid::bigint = {lock}"
    );
    let config = fleet.home.path().join("config.toml").display().to_string();
    let words = ["--config", &config, "migrate", "--all", "--canary", "0", "--yes"];
    let run = Victim::start(fleet.home.path(), &words, &[], &Aim::default());
    let wait = Duration::from_secs(20);
    wait_until_async(wait, "a slow file", || async {
        fleet.database.value("select count(*) > 0 from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep(4)%' and application_name like 'tenantui%'") == "t"
    })
    .await;
    let first = fleet.database.value(&holder);
    assert_ne!(first, "0");
    assert_eq!(fleet.database.value(&format!("select pg_terminate_backend({first})")), "t");
    wait_until_async(wait, "the lock to be held again", || async {
        let now = fleet.database.value(&holder);
        now != "0" && now != first
    })
    .await;
    let end = run.wait(Duration::from_secs(60));
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(fleet.database.value(&holder), "0", "given back");
    assert_eq!(fleet.database.value("select string_agg(distinct state, ',') from tenantui.step"), "done");
    assert_eq!(fleet.database.value("select attempt from tenantui.job"), "1", "no other worker had to come");
}

#[test]
fn tools_without_down_files_say_so() {
    let fleet = fleet(Tool::Refinery, &[("V1__one.sql", "create table m1 (id int);")]);
    fleet.expect(0, &["migrate", "--all", "--canary", "0", "--yes"]);
    let words = text(&fleet.expect(2, &["rollback", "--all", "--yes"]).stderr);
    assert!(words.contains("refinery keeps no files that undo a migration"), "{words}");
}
