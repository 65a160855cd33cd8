//! Tools whose migrations are code: their own command per tenant, aimed at one schema, proved by the ledgers.

mod names;
mod secrets;
pub mod stage;

use std::time::{Duration, Instant};

use tenantui::jobs::worker::Stop;
use tenantui::model::job::{JobId, JobState, Outcome, Waits};
use tenantui::text::Untrusted;

use self::stage::{Stage, is_running};
use crate::support::proxy::{Proxy, Verdict};
use crate::support::victim::{Aim, Victim};
use crate::support::{pg, wait_until, wait_until_async};

#[tokio::test]
async fn an_honest_tool_migrates_each_tenant_and_the_ledger_proves_it() {
    let stage = Stage::new(3, "honest").await;
    let plan = stage.try_plan(|_| {}).await.expect("a plan");
    assert_eq!((plan.steps(), plan.files().len()), (3, 2), "one step per tenant, whatever is pending");
    let (view, log) = stage.migrate(|_| {}).await;
    assert_eq!((view.state, view.total, view.done, view.steps), (JobState::Done, 3, 3, (3, 3)));
    for tenant in ["t000", "t001", "t002"] {
        assert_eq!(stage.versions(&format!("tenant_{tenant}")), "1,2,3");
        for line in [format!("{tenant} == 2: migrating"), format!("{tenant} == 3: migrating")] {
            assert!(log.contains(&line), "{line} in {log:#?}");
        }
        assert!(log.iter().any(|line| line.starts_with(&format!("ok {tenant} 1>3   "))), "{log:#?}");
    }
    let steps = stage.fleet.db.sql("select action, state, version, duration_ms > 0 from tenantui.step order by seq");
    assert!(
        steps.iter().all(|row| *row == ["command", "done", "3", "t"].map(|text| Some(text.to_owned()))),
        "{steps:?}"
    );
    let audit = "select count(*) from tenantui.audit where action = 'command' and outcome = ";
    assert_eq!(stage.fleet.db.value(&format!("{audit}'intent'")), "3");
    assert_eq!(stage.fleet.db.value(&format!("{audit}'done'")), "3");
    assert_eq!(stage.fleet.db.value("select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"), "0");
    // What it was told: words are filled in, and it stands in the configuration's folder.
    let words = stage.read("t001.cmdline");
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(&words[5..8], ["tenant_t001", "id-t001", "3"], "{words:?}");
    assert!(words[8].starts_with("postgresql://postgres@127.0.0.1:"), "{words:?}");
    assert_eq!(
        stage.read("t001.folder").trim(),
        stage.seen.path().canonicalize().expect("a path").display().to_string()
    );
    let around = stage.read("t001.environ");
    for wanted in ["TENANTUI_SCHEMA=tenant_t001", "TENANTUI_TENANT=t001", "PGOPTIONS=-c search_path=tenant_t001"] {
        assert!(around.lines().any(|line| line == wanted), "{wanted} in {around}");
    }
    assert!(
        around.lines().any(|line| line.starts_with("PGAPPNAME=tenantui ") && line.ends_with(" step 2")),
        "{around}"
    );
    assert!(around.contains("options=-c%20search_path%3Dtenant_t001"), "{around}");
    assert!(!around.contains("TENANTUI_PG_BINDIR") && !around.contains("TENANTUI_TESTS"), "{around}");
}

/// What looked behind a tenant's command looks before the next one's, and none is open while a command runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_looks_with_one_session_between_two_commands() {
    let db = pg().database("drive");
    let proxy = Proxy::new(db.port);
    let url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), db.name);
    let stage = Stage::at(db, &url, 4, "honest").await;
    let job = stage.order(|options| options.parallel = 1).await;
    proxy.watch(|_| Verdict::Pass);
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.done), (JobState::Done, 4), "{log:#?}");
    let seen = proxy.seen();
    let looks: Vec<usize> =
        seen.iter().filter(|message| message.text.contains("WITH within AS")).map(|message| message.line).collect();
    let sessions: std::collections::BTreeSet<usize> = looks.iter().copied().collect();
    assert_eq!((looks.len(), sessions.len()), (8, 5), "{looks:?}");
    // Before and behind a command it is another one.
    assert!(looks.chunks(2).all(|look| look[0] != look[1]), "{looks:?}");
}

#[tokio::test]
async fn a_tool_that_ignores_its_aim_is_caught_and_the_job_stops() {
    let stage = Stage::new(3, "ignores").await;
    let job = stage.order(|_| {}).await;
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.waits), (JobState::Paused, Some(Waits::Trouble)), "{view:?}");
    assert_eq!((view.failed, view.pending), (1, 2), "nothing runs behind it");
    let reason = view.reason.expect("a reason").raw().to_owned();
    for words in [
        "t000: the command ignored its aim and migrated public",
        "table public.schema_migrations appeared",
        "did not move",
    ] {
        assert!(reason.contains(words), "{words} in {reason}");
    }
    assert!(log.iter().any(|line| line.contains("to repair")), "{log:#?}");
    let failure = stage.failure(job, "t000").await;
    assert!(
        failure.contains("table public.m1 appeared") && failure.contains("it printed: == 1: migrating"),
        "{failure}"
    );
    assert_eq!(stage.versions("tenant_t000"), "1");
    // Repaired: the operator removes what went astray, mends the command, and goes on.
    stage.fleet.db.sql("drop table public.schema_migrations, public.m1, public.m2, public.m3");
    stage.mode("honest");
    let (view, _) = stage.go_on(job, true).await;
    assert_eq!((view.state, view.done), (JobState::Done, 3));
}

#[tokio::test]
async fn what_else_it_changed_is_caught_though_its_own_ledger_moved() {
    let stage = Stage::new(3, "both").await;
    let (view, _) = stage.migrate(|_| {}).await;
    let reason = view.reason.expect("a reason").raw().to_owned();
    assert!(reason.contains("table public.intruder appeared; tenant_t000 has all that was planned"), "{reason}");
    // The canary runs alone: also other tenants' ledgers are watched.
    let stage = Stage::new(3, "neighbour").await;
    let (view, _) = stage.migrate(|options| options.canary = 1).await;
    assert_eq!((view.state, view.waits), (JobState::Paused, Some(Waits::Trouble)), "{view:?}");
    let reason = view.reason.expect("a reason").raw().to_owned();
    assert!(reason.contains("canary") || reason.contains("ledgers of other schemas moved: tenant_t002"), "{reason}");
    assert_eq!(view.failed, 1);
}

#[tokio::test]
async fn a_tool_that_does_not_do_its_work_and_ends_well_is_caught() {
    for (mode, words) in [
        ("idle", "ended well and the ledger of tenant_t000 did not move: it is at 1, and lacks 2, 3"),
        ("half", "ended well and did not do all: tenant_t000 went from 1 to 2, and lacks 3"),
    ] {
        let stage = Stage::new(2, mode).await;
        let (view, _) = stage.migrate(|_| {}).await;
        assert_eq!((view.state, view.waits, view.failed, view.pending), (JobState::Paused, Some(Waits::Trouble), 1, 1));
        let reason = view.reason.expect("a reason").raw().to_owned();
        assert!(reason.contains(words), "{reason}");
    }
}

#[tokio::test]
async fn an_exit_status_fails_the_tenant_alone_and_tells_the_last_words() {
    let stage = Stage::new(3, "exits").await;
    let job = stage.order(|_| {}).await;
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.failed), (JobState::Failed, 3));
    assert!(log.iter().any(|line| line == "FAIL t001 1>3   exit status 3: boom: no such column"), "{log:#?}");
    let failure = stage.failure(job, "t001").await;
    assert!(failure.contains("the schema is at 1") && failure.contains("it printed: "), "{failure}");
    let (view, _) = stage.migrate(|options| options.max_failures = 2).await;
    assert_eq!((view.state, view.waits, view.failed), (JobState::Paused, Some(Waits::Budget), 2));
}

#[tokio::test]
async fn a_tool_that_hangs_is_ended_with_its_sessions() {
    for (mode, limit) in [("hangs", Duration::from_secs(1)), ("stubborn", Duration::from_secs(1))] {
        let mut stage = Stage::new(1, mode).await;
        stage.fleet.config.migrations.command_timeout = Some(limit);
        let started = Instant::now();
        let job = stage.order(|_| {}).await;
        let (view, _) = stage.go_on(job, false).await;
        assert_eq!((view.state, view.failed), (JobState::Failed, 1), "{mode}");
        assert!(started.elapsed() < Duration::from_secs(60), "{mode}: {:?}", started.elapsed());
        let failure = stage.failure(job, "t000").await;
        assert!(failure.contains("did not end within 1 s and was ended: waiting"), "{mode}: {failure}");
        assert_eq!(stage.running(), Vec::<String>::new(), "{mode}");
        let left = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid() and datname = current_database()";
        assert_eq!(stage.fleet.db.value(left), "0", "{mode}: the server still works for it");
    }
}

#[tokio::test]
async fn ten_megabytes_of_output_are_bounded_and_escapes_are_not_sent_on() {
    let stage = Stage::new(1, "noisy").await;
    let (view, log) = stage.migrate(|_| {}).await;
    assert_eq!((view.state, view.done), (JobState::Done, 1));
    assert!(log.len() < 2_000, "{} lines", log.len());
    assert!(log.iter().any(|line| line.ends_with("more lines of its output not shown")), "{:?}", log.last());
    let escapes: Vec<&String> = log.iter().filter(|line| line.contains("52;c;AAAA")).collect();
    assert_eq!(escapes.len(), 1, "it is told what it printed");
    assert!(!Untrusted::new(escapes[0].as_str()).safe().to_string().contains(['\u{1b}', '\u{7}']), "{escapes:?}");
}

#[tokio::test]
async fn what_it_leaves_running_is_ended() {
    let stage = Stage::new(1, "forks").await;
    let started = Instant::now();
    let (view, log) = stage.migrate(|_| {}).await;
    assert_eq!((view.state, view.done), (JobState::Done, 1), "{log:#?}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(log.iter().any(|line| line.contains("left processes behind")), "{log:#?}");
    assert!(!is_running(stage.read("grandchild").trim()));
}

#[tokio::test]
async fn a_stop_now_ends_it_and_a_resume_brings_the_rest() {
    let stage = Stage::new(1, "hangs").await;
    let job = stage.order(|_| {}).await;
    // Each database counts its jobs by itself: in another one a session may have the same name, and be none of ours.
    let elsewhere = pg().database("drive_elsewhere");
    let bystander = elsewhere.connect().await;
    bystander.batch_execute(&format!("set application_name = '{}'", session_name(job))).await.expect("named");
    let run = stage.fleet.start(job);
    stage.fleet.wait_for_statement("pg_sleep(600)").await;
    // The first word lets it finish.
    run.stop.send_replace(Stop::AfterStep);
    assert_eq!(stage.running().len(), 1);
    run.stop.send_replace(Stop::Now);
    let view = run.end().await.expect("paused");
    assert_eq!((view.state, view.waits, view.failed), (JobState::Paused, Some(Waits::Process), 0), "{view:?}");
    assert_eq!(stage.running(), Vec::<String>::new());
    assert_eq!(stage.fleet.db.value("select state from tenantui.step"), "intent");
    bystander.query_one("select 1", &[]).await.expect("another database's session lives");
    stage.mode("honest");
    let (view, _) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.done), (JobState::Done, 1));
    assert_eq!(stage.versions("tenant_t000"), "1,2,3");
}

/// What the sessions of the first step's command are called.
fn session_name(job: JobId) -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".into());
    format!("tenantui {user} job {job} step 1")
}

#[tokio::test]
async fn a_tenant_that_was_brought_meanwhile_is_done_without_the_command() {
    let stage = Stage::new(2, "exits").await;
    let job = stage.order(|_| {}).await;
    stage.fleet.db.sql("insert into tenant_t000.schema_migrations values ('2'), ('3')");
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.done, view.failed), (1, 1));
    assert!(log.iter().any(|line| line == "t000 was applied already"), "{log:#?}");
    assert_eq!(stage.fleet.outcomes(job).await["t000"].outcome, Outcome::Done);
}

#[tokio::test]
async fn only_the_command_that_was_confirmed_is_run() {
    let mut stage = Stage::new(1, "honest").await;
    let job = stage.order(|_| {}).await;
    let command = stage.fleet.config.migrations.command.clone();
    stage.fleet.config.migrations.command = Some(vec!["/bin/sh".into(), "-c".into(), "touch /tmp/never".into()]);
    let error = stage.fleet.run(job, false).await.0.expect_err("another command").to_string();
    assert!(error.contains("ordered with another command (sh)"), "{error}");
    stage.fleet.config.migrations.command = None;
    let error = stage.fleet.run(job, false).await.0.expect_err("no command").to_string();
    assert!(error.contains("none is configured here"), "{error}");
    assert_eq!(stage.fleet.view(job).await.state, JobState::Queued, "it is left for a worker that may run it");
    stage.fleet.config.migrations.command = command;
    assert_eq!(stage.go_on(job, false).await.0.state, JobState::Done);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_refused_before_anything_is_ordered() {
    let mut stage = Stage::new(1, "honest").await;
    for (program, words) in [("no-such-program", "no program no-such-program in PATH"), ("/no/such", "does not exist")]
    {
        stage.fleet.config.migrations.command = Some(vec![program.into()]);
        let plan = stage.try_plan(|_| {}).await.expect("a plan");
        let error = stage.fleet.order(plan).await.expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// A configuration for the program itself.
fn configure(stage: &Stage) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let command: Vec<String> =
        Stage::command(stage.fleet.folder.path(), stage.seen.path()).iter().map(|word| format!("{word:?}")).collect();
    let text = format!(
        "[[database]]\nname = \"eu-1\"\nurl = \"{}\"\nlayout = \"boundary\"\n[database.migrations]\ntool = \"rails\"\npath = \"{}\"\n\
         command = [{}]\n[database.jobs]\ncanary = 0\n",
        stage.fleet.db.url(),
        stage.fleet.folder.path().display(),
        command.join(", "),
    );
    let path = stage.seen.path().join("config.toml");
    std::fs::write(&path, text).expect("a configuration");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("the mode");
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_mid_command_nothing_of_it_goes_on_and_another_worker_finishes() {
    let stage = Stage::new(2, "hangs").await;
    let config = configure(&stage);
    let config = config.to_str().expect("UTF-8");
    let home = stage.seen.path();
    let victim = Victim::start(home, &["--config", config, "migrate", "--all", "--yes"], &[], &Aim::default());
    stage.fleet.wait_for_statement("pg_sleep(600)").await;
    assert!(!stage.running().is_empty());
    let end = victim.kill();
    assert!(end.killed, "{}", end.err);
    // The guard sees the end of its pipe, and ends the command with all that it started.
    wait_until(Duration::from_secs(10), "the end of the command", || stage.running().is_empty());
    let sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid() and datname = current_database()";
    // The server may still run its statement: what comes next must wait for that. An operator ends it here.
    stage.fleet.db.sql("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid() and datname = current_database()");
    wait_until_async(Duration::from_secs(10), "the end of its session", || async {
        stage.fleet.db.value(sleeping) == "0"
    })
    .await;
    assert_eq!(stage.fleet.db.value("select state from tenantui.step order by seq limit 1"), "intent");
    stage.mode("honest");
    let end = Victim::start(home, &["--config", config, "worker", "--drain"], &[], &Aim::default())
        .wait(Duration::from_secs(120));
    assert_eq!(end.code, Some(0), "out: {}\nerr: {}", end.out, end.err);
    assert_eq!(stage.fleet.db.value("select string_agg(distinct state, ',') from tenantui.job"), "done");
    for tenant in ["tenant_t000", "tenant_t001"] {
        assert_eq!(stage.versions(tenant), "1,2,3");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_a_dead_workers_command_is_waited_for() {
    let stage = Stage::new(1, "honest").await;
    let job = stage.order(|_| {}).await;
    // As a worker leaves it that died in mid-command, while the server still runs what its command sent last.
    stage.fleet.db.sql(&format!(
        "update tenantui.job set state = 'running', attempt = 1 where id = {job}; update tenantui.step set state = 'intent', attempt = 1"
    ));
    let url = format!("{}&application_name={}", stage.fleet.db.url(), session_name(job).replace(' ', "%20"));
    let psql = pg().bin("psql");
    let sql = "set search_path = tenant_t000; begin; create table m2 (); create table m3 (); \
        insert into schema_migrations values ('2'), ('3'); select pg_sleep(2); commit";
    let mut late = std::process::Command::new(psql).args(["-qXAt", "-d", &url, "-c", sql]).spawn().expect("psql");
    stage.fleet.wait_for_statement("pg_sleep(2)").await;
    stage.mode("exits");
    let (view, log) = stage.go_on(job, false).await;
    assert!(late.wait().expect("its end").success());
    assert_eq!((view.state, view.done), (JobState::Done, 1), "{log:#?}");
    assert!(log.iter().any(|line| line == "t000 brought by an earlier run of the command"), "{log:#?}");
}
