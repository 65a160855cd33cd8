//! Undoing migrations on a real server: the down file and the ledger's row in one transaction, newest first, and what
//! each fault leads to; redo, which applies them again.

use std::time::Duration;

use tenantui::fleet::{ReadOptions, read_once};
use tenantui::jobs::rescue::Rescues;
use tenantui::jobs::{control, recorded, worker};
use tenantui::migrations::plan::{Direction, Reach};
use tenantui::model::job::{JobEvent, JobState, LogMark, Outcome};
use tenantui::model::ledger::Version;
use tenantui::postgres::session::{Patience, Reader};

use crate::cli::{json, text};
use crate::cli_fleet::{Fleet as CommandFleet, tenant};
use crate::faults::{Dice, count, report};
use crate::jobs::Fleet;
use crate::support::victim::{Aim, Victim};
use crate::support::wait_until_async;

fn pair(ledger: &str, tables: &str) -> (String, String) {
    (ledger.to_owned(), tables.to_owned())
}

/// Three tenants with 1, 2 and 3 applied.
async fn migrated(tenants: usize) -> Fleet {
    let fleet = Fleet::new("rollback", tenants).await;
    fleet.pairs(&[1, 2, 3]);
    let view = fleet.migrate(fleet.plan(|_| {})).await;
    assert_eq!(view.state, JobState::Done);
    fleet
}

#[tokio::test]
async fn the_newest_are_undone_with_their_rows_and_the_record_says_so() {
    let fleet = migrated(3).await;
    let plan = fleet.undo_plan(Direction::Down, &Reach::Steps(2), |options| options.parallel = 2).expect("a plan");
    let job = fleet.order_undo(plan).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.total, view.done, view.steps), (JobState::Done, 3, 3, (6, 6)));
    assert_eq!(view.kind.word(), "rollback");
    for slug in ["t000", "t001", "t002"] {
        assert_eq!(fleet.stands(slug), pair("1", "1"));
    }
    let outcome = &fleet.outcomes(job).await["t001"];
    assert_eq!((outcome.outcome, outcome.version.as_ref().map(Version::raw)), (Outcome::Done, Some("1")));
    let ok = |event: &JobEvent| matches!(event, JobEvent::Log(line) if line.mark == LogMark::Ok && line.text.raw().starts_with("3>1 "));
    assert_eq!(events.iter().filter(|event| ok(event)).count(), 3, "{events:?}");
    let said = "select count(*), string_agg(distinct after->>'version', ',') from tenantui.audit where action = 'rollback' and outcome = 'done'";
    assert_eq!(fleet.db.sql(said)[0], [Some("6".into()), Some("2,3".into())]);
    // A step's file is the down file, and it is the newest first.
    let steps = "select string_agg(version || '>' || from_version, ' ' order by seq) from tenantui.step where job_id = 2 and schema_name = 'tenant_t000'";
    assert_eq!(fleet.db.value(steps), "3>2 2>1");
    // What was undone is pending again, and the same files apply.
    assert_eq!(fleet.migrate(fleet.plan(|_| {})).await.done, 3);
    assert_eq!(fleet.stands("t000"), pair("1,2,3", "1,2,3"));
    // All of it, and nothing is left to undo.
    let (job, view) = fleet.undo(Direction::Down, Reach::Steps(99)).await;
    assert_eq!((view.state, view.done), (JobState::Done, 3));
    assert_eq!(fleet.stands("t002"), pair("", ""));
    assert_eq!(fleet.outcomes(job).await["t002"].version, None, "nothing stays");
    let nothing = fleet.undo_plan(Direction::Down, &Reach::Steps(1), |_| {}).expect("a plan");
    assert_eq!((nothing.tenants.len(), nothing.up_to_date), (0, 3));
    let error = fleet.order_undo(nothing).await.expect_err("nothing").to_string();
    assert!(error.contains("nothing is applied that could be undone"), "{error}");
}

#[tokio::test]
async fn down_to_a_version_leaves_it() {
    let fleet = migrated(2).await;
    fleet.db.sql("drop table tenant_t001.m2, tenant_t001.m3; delete from tenant_t001.schema_migrations where id > 1");
    let (job, view) = fleet.undo(Direction::Down, Reach::To(Version::new("2"))).await;
    assert_eq!((view.state, view.total), (JobState::Done, 1), "t001 stands below it and is left alone");
    assert_eq!((fleet.stands("t000"), fleet.stands("t001")), (pair("1,2", "1,2"), pair("1", "1")));
    assert_eq!(view.what.raw(), "t000 down to 2");
    assert_eq!(fleet.outcomes(job).await["t000"].version.as_ref().map(Version::raw), Some("2"));
    let error = fleet.undo_plan(Direction::Down, &Reach::To(Version::new("9")), |_| {}).expect_err("no such file");
    assert!(error.to_string().contains("has no migration 9"), "{error}");
}

#[tokio::test]
async fn a_down_file_that_fails_leaves_everything_and_names_the_statement() {
    let fleet = migrated(2).await;
    fleet.pair(
        3,
        "make",
        "create table m3 (id int);\n--;;\ninsert into m3 values (3)",
        "drop table m3;\n--;;\n\nselect 1 / 0",
    );
    let (job, view) = fleet.undo(Direction::Down, Reach::Steps(2)).await;
    assert_eq!((view.state, view.failed), (JobState::Failed, 2));
    assert_eq!(fleet.stands("t000"), pair("1,2,3", "1,2,3"));
    let outcome = &fleet.outcomes(job).await["t000"];
    assert_eq!((outcome.outcome, outcome.version.as_ref().map(Version::raw)), (Outcome::Failed, Some("3")));
    let failure = outcome.failure.clone().expect("a failure");
    let statement = failure.statement.expect("a statement");
    assert_eq!((failure.sqlstate.as_deref(), statement.number, statement.line), (Some("22012"), 2, 4));
    assert_eq!(
        fleet.db.value(
            "select string_agg(distinct action, ',') from tenantui.audit where outcome = 'failed' and action <> 'run'"
        ),
        "rollback"
    );
}

#[tokio::test]
async fn the_guard_and_the_lexer_look_at_down_files_too() {
    let fleet = migrated(1).await;
    fleet.pair(3, "make", "create table m3 (id int);\n--;;\ninsert into m3 values (3)", "drop table m3;\n--;;\ncommit");
    let plan = fleet.undo_plan(Direction::Down, &Reach::Steps(1), |_| {}).expect("a plan");
    assert_eq!(plan.refusals.iter().map(|refusal| refusal.finding.rule).collect::<Vec<_>>(), ["transaction-control"]);
    assert!(plan.refusals[0].file.path.ends_with("3-make.down.sql"), "{:?}", plan.refusals[0].file.path);
    let error = fleet.order_undo(plan.clone()).await.expect_err("refused").to_string();
    assert!(error.contains("3-make.down.sql:3"), "{error}");
    let mut forced = plan;
    forced.refusals.clear();
    let job = fleet.order_undo(forced).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed), (JobState::Paused, 1));
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("DIRTY"), "{failure:?}");
}

#[tokio::test]
async fn what_moved_since_the_plan_is_not_undone() {
    let fleet = migrated(3).await;
    let plan = fleet.undo_plan(Direction::Down, &Reach::Steps(1), |_| {}).expect("a plan");
    // Somebody applied a fourth in one, and undid the third in another.
    fleet.db.sql(
        "insert into tenant_t000.schema_migrations values (4); \
         drop table tenant_t001.m3; delete from tenant_t001.schema_migrations where id = 3",
    );
    let job = fleet.order_undo(plan).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Failed, 2, 1));
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("at 4 now, and was at 3"), "{failure:?}");
    assert_eq!(fleet.stands("t000"), pair("1,2,3,4", "1,2,3"));
    assert_eq!(
        fleet.db.value("select message from tenantui.step where job_id = 2 and schema_name = 'tenant_t001'"),
        "was undone already"
    );
}

#[tokio::test]
async fn who_cannot_be_undone_is_left_out_by_name() {
    let fleet = migrated(4).await;
    fleet.file(4, "no-way-back", "create table m4 ()");
    fleet.db.sql(
        "create table tenant_t001.m4 (); insert into tenant_t001.schema_migrations values (4); \
         insert into tenant_t002.schema_migrations values (7)",
    );
    let plan = fleet.undo_plan(Direction::Down, &Reach::Steps(1), |_| {}).expect("a plan");
    let left: Vec<_> = plan.left_out.iter().map(|left| format!("{}: {}", left.slug.raw(), left.why.raw())).collect();
    assert_eq!(
        left,
        [
            "t001: no down file: nothing undoes 4 (4-no-way-back.up.sql)",
            "t002: its ledger has 7, of which there is no file: it cannot be undone"
        ]
    );
    assert_eq!(plan.tenants.len(), 2);
}

#[tokio::test]
async fn redo_runs_both_ways_in_one_job() {
    let fleet = migrated(2).await;
    fleet.db.sql("insert into tenant_t000.m3 values (99)");
    let (job, view) = fleet.undo(Direction::Again, Reach::Steps(2)).await;
    assert_eq!((view.state, view.done, view.steps), (JobState::Done, 2, (8, 8)));
    assert_eq!(view.kind.word(), "redo");
    assert_eq!(fleet.stands("t000"), pair("1,2,3", "1,2,3"));
    assert_eq!(fleet.db.value("select string_agg(id::text, ',') from tenant_t000.m3"), "3", "it was made anew");
    assert_eq!(fleet.outcomes(job).await["t001"].version.as_ref().map(Version::raw), Some("3"));
    let order = "select string_agg(action || ' ' || version, ', ' order by seq) from tenantui.step where job_id = 2 and schema_name = 'tenant_t000'";
    assert_eq!(fleet.db.value(order), "rollback 3, rollback 2, migrate 2, migrate 3");
}

#[tokio::test]
async fn a_redo_that_fails_on_the_way_up_is_gone_on_with() {
    let fleet = migrated(1).await;
    fleet.pair(3, "make", "create table m3 (id int);\n--;;\nselect * from nowhere", "drop table m3");
    let (job, view) = fleet.undo(Direction::Again, Reach::Steps(1)).await;
    assert_eq!((view.state, view.failed), (JobState::Failed, 1));
    assert_eq!(fleet.stands("t000"), pair("1,2", "1,2"));
    assert_eq!(fleet.outcomes(job).await["t000"].version.as_ref().map(Version::raw), Some("2"));
    fleet.db.sql("create table tenant_t000.nowhere ()");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
    assert_eq!(fleet.stands("t000"), pair("1,2,3", "1,2,3"));
}

/// A ledger without checksums: what tenantui itself applied is the witness, as long as it was not undone.
#[tokio::test]
async fn what_was_undone_is_no_witness_of_a_change() {
    let fleet = migrated(1).await;
    let changed = |hash: u8| {
        let target = fleet.target();
        async move {
            let reader = Reader::open(&target, Patience::Foreground).await.expect("a reader");
            recorded::changed(&reader, &[(Version::new("3"), [hash; 32])]).await.expect("read")
        }
    };
    assert_eq!(changed(0).await.len(), 1);
    fleet.undo(Direction::Down, Reach::Steps(1)).await;
    assert!(changed(0).await.is_empty());
    fleet.migrate(fleet.plan(|_| {})).await;
    assert_eq!(changed(0).await.len(), 1);
    fleet.undo(Direction::Again, Reach::Steps(1)).await;
    assert_eq!(changed(0).await.len(), 1);
}

#[tokio::test]
async fn a_statement_outside_of_a_transaction_is_undone_and_looked_for() {
    const MARK: &str = "-- :disable-transaction\n";
    let fleet = Fleet::new("rollback", 2).await;
    fleet.pairs(&[1]);
    fleet.pair(
        2,
        "index",
        &format!("{MARK}create index concurrently m1_id on m1 (id)"),
        &format!("{MARK}drop index concurrently m1_id"),
    );
    assert_eq!(fleet.migrate(fleet.plan(|_| {})).await.state, JobState::Done);
    let (_, view) = fleet.undo(Direction::Down, Reach::Steps(1)).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2));
    assert_eq!(fleet.stands("t001"), pair("1", "1"));
    assert_eq!(fleet.db.value("select count(*) from pg_class where relname = 'm1_id'"), "0");
    let said = "select string_agg(outcome, ',' order by id) from tenantui.audit where action = 'rollback' and target = 'tenant_t000'";
    assert_eq!(fleet.db.value(said), "intent,done");
}

#[tokio::test]
async fn a_worker_leaves_an_orphaned_rollback_to_its_operator() {
    let fleet = migrated(2).await;
    fleet.pair(
        3,
        "make",
        "create table m3 (id int);\n--;;\ninsert into m3 values (3)",
        "select pg_sleep(30);\n--;;\ndrop table m3",
    );
    let plan = fleet.undo_plan(Direction::Down, &Reach::Steps(1), |options| options.parallel = 1).expect("a plan");
    let job = fleet.order_undo(plan).await.expect("ordered");
    let mut rescues = Rescues::new(true);
    assert!(rescues.claimable(&fleet.target()).await.expect("looked").is_empty(), "queued, it waits as well");
    // While it lives nothing else goes through the tenants.
    let busy = fleet.order(fleet.plan(|_| {})).await.expect_err("nothing pending");
    assert!(busy.to_string().contains("nothing is pending"), "{busy}");
    let started = fleet.start(job);
    fleet.wait_for_statement("pg_sleep(30)").await;
    started.stop.send_replace(worker::Stop::Now);
    let view = started.end().await.expect("paused");
    assert_eq!((view.state, view.done), (JobState::Paused, 0));
    assert_eq!(fleet.stands("t000"), pair("1,2,3", "1,2,3"));
    assert!(rescues.claimable(&fleet.target()).await.expect("looked").is_empty());
    // The down file that was confirmed is what runs, or nothing.
    fleet.pair(3, "make", "create table m3 (id int);\n--;;\ninsert into m3 values (3)", "drop table m3");
    let error = fleet.run(job, false).await.0.expect_err("changed").to_string();
    assert!(error.contains("'s down file changed since the job was ordered"), "{error}");
    control::cancel(&fleet.target(), job).await.expect("cancelled");
}

#[tokio::test]
async fn only_one_job_goes_through_the_tenants_of_a_database() {
    let fleet = migrated(1).await;
    fleet.pairs(&[4]);
    let up = fleet.plan(|_| {});
    let down = fleet.undo_plan(Direction::Down, &Reach::Steps(1), |_| {}).expect("a plan");
    let job = fleet.order_undo(down).await.expect("ordered");
    let busy = fleet.order(up).await.expect_err("busy").to_string();
    assert!(busy.starts_with(&format!("job {job} (rollback t000")), "{busy}");
}

#[tokio::test]
async fn the_picture_of_the_fleet_follows() {
    let fleet = migrated(1).await;
    fleet.undo(Direction::Down, Reach::Steps(1)).await;
    let target = fleet.target();
    wait_until_async(Duration::from_secs(10), "the tenant to be behind", || async {
        let reading = read_once(&target, &ReadOptions::default()).await.expect("read");
        let tenant = reading.snapshot.tenants.first().expect("a tenant").clone();
        tenant.version().map(Version::raw) == Some("2") && tenant.pending.as_deref().map(<[_]>::len) == Some(1)
    })
    .await;
}

impl CommandFleet {
    fn down(&self, name: &str, sql: &str) {
        std::fs::write(self.folder().join(format!("{name}.down.sql")), sql).expect("a file");
    }

    /// What undoes each of the three.
    pub fn downs(&self) {
        self.down("20260101000000-create-notes", "drop table notes");
        self.down("20260201000000-add-author", "alter table notes drop column author");
        self.down("20260301000000-index-author", "drop index notes_author");
    }
}

#[test]
fn the_command_undoes_after_asking_and_says_what_it_leaves_out() {
    let fleet = CommandFleet::new();
    fleet.init();
    fleet.downs();
    assert!(text(&fleet.expect(2, &["rollback"]).stderr).contains("which tenants"));
    assert!(text(&fleet.expect(5, &["rollback", "beta-two"]).stderr).contains("--yes"));
    let dry = fleet.json(4, &["rollback", "--all", "--steps", "2", "--dry-run", "--json"]);
    let plan = &dry["plans"][0];
    assert_eq!((plan["direction"].as_str(), plan["steps"].as_u64()), (Some("rollback"), Some(4)));
    assert_eq!(plan["left_out"][0]["tenant"], "gone");
    let beta = plan["tenants"].as_array().expect("tenants").iter().find(|t| t["tenant"] == "beta-two").expect("beta");
    assert_eq!(beta["versions"], serde_json::json!(["20260301000000", "20260201000000"]));
    assert_eq!(beta["stays"], "20260101000000");
    let words = text(&fleet.expect(0, &["rollback", "beta-two", "--dry-run"]).stdout);
    assert!(words.contains("roll back 1 tenant: 1 step") && words.contains("UNDONE, NEWEST FIRST"), "{words}");
    let done = fleet.json(0, &["rollback", "beta-two", "--yes", "--json"]);
    assert_eq!(tenant(&done, "tenant", "beta-two")["version"], "20260201000000");
    assert_eq!(done["jobs"][0]["kind"], "rollback");
    assert_eq!(fleet.database.value("select count(*) from tenant_beta_two.schema_migrations"), "2");
    let redone = fleet.json(0, &["redo", "acme", "--to", "20260101000000", "--yes", "--json"]);
    assert_eq!(
        (&redone["jobs"][0]["kind"], &tenant(&redone, "tenant", "acme")["version"]),
        (&"redo".into(), &"20260201000000".into())
    );
    let nothing = fleet.expect(0, &["rollback", "acme", "--to", "20260201000000", "--yes"]);
    assert!(text(&nothing.stderr).contains("nothing is to be undone"), "{}", text(&nothing.stderr));
    fleet.expect(5, &["--read-only", "rollback", "acme", "--yes"]);
    std::fs::remove_file(fleet.folder().join("20260201000000-add-author.down.sql")).expect("removed");
    let left = fleet.expect(4, &["rollback", "acme", "--yes", "--json"]);
    let message = tenant(&json(&left), "tenant", "acme")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("no down file"), "{message}");
}

/// kill -9 at random times of a rollback: a version is in the ledger exactly where its table is, never half, and the job
/// is gone on with to its end.
#[test]
fn killed_at_random_times_a_rollback_leaves_nothing_half_undone() {
    let fleet = CommandFleet::new();
    fleet.init();
    fleet
        .database
        .sql("delete from public.tenants; drop schema tenant_acme cascade; drop schema tenant_beta_two cascade");
    for file in std::fs::read_dir(fleet.folder()).expect("a folder").flatten() {
        std::fs::remove_file(file.path()).expect("removed");
    }
    for version in 1..4 {
        fleet.file(&format!("{version}-make"), &format!("create table m{version} (id int);"));
        fleet.down(&format!("{version}-make"), &format!("select pg_sleep(0.02);\n--;;\ndrop table m{version};"));
    }
    for tenant in ["one", "two", "three"] {
        fleet.tenant(tenant, tenant, 0);
    }
    let config = fleet.home.path().join("config.toml").display().to_string();
    let mut dice = Dice::new("rollback kills");
    let (mut kills, mut undone) = (0, 0);
    for round in 0..count("rollback_kills", 4) {
        fleet.expect(0, &["migrate", "--all", "--yes", "--canary", "0"]);
        let mut arguments = vec![
            "rollback".to_owned(),
            "--all".to_owned(),
            "--steps".to_owned(),
            "3".to_owned(),
            "--canary".to_owned(),
            "0".to_owned(),
        ];
        let mut reach = Duration::from_millis(900);
        loop {
            let words = [&["--config".to_owned(), config.clone()][..], &arguments, &["--yes".to_owned()]].concat();
            let victim = Victim::start(
                fleet.home.path(),
                &words.iter().map(String::as_str).collect::<Vec<_>>(),
                &[],
                &Aim::default(),
            );
            std::thread::sleep(dice.time(reach));
            // On a machine that is busy the program may need longer than this to begin.
            reach += Duration::from_millis(300);
            kills += usize::from(victim.kill().killed);
            undone += assert_not_half(&fleet, round);
            let open = "select coalesce(max(id), 0) from tenantui.job where state in ('queued', 'running', 'paused')";
            match fleet.database.value(open).as_str() {
                "0" if fleet.database.value("select count(*) from pg_tables where tablename = 'm1'") == "0" => break,
                "0" => {}
                job => arguments = vec!["job".to_owned(), job.to_owned(), "resume".to_owned()],
            }
        }
    }
    assert!(kills > 0 && undone > 0, "{kills} kills met nothing");
    report("kills of rollbacks", &format!("{kills} kills, 0 violations"));
}

/// How many of all versions are undone.
fn assert_not_half(fleet: &CommandFleet, round: usize) -> usize {
    let mut undone = 0;
    // A session that was killed may be at its end only now: one statement is one snapshot.
    let tenant = |name: &str| {
        format!(
            "select '{name}', v.version, (select count(*) from {name}.schema_migrations where id = v.version)::text, \
             (select count(*) from pg_class where relnamespace = '{name}'::regnamespace and relname = 'm' || v.version)::text \
             from (values (1), (2), (3)) as v (version)"
        )
    };
    let rows = fleet.database.sql(&["tenant_one", "tenant_two", "tenant_three"].map(tenant).join(" union all "));
    for row in rows {
        let cell = |column: usize| row[column].clone().unwrap_or_default();
        assert_eq!(cell(2), cell(3), "round {round}: {} {}: ledger, table", cell(0), cell(1));
        undone += usize::from(cell(2) == "0");
    }
    undone
}
