//! Locks without outages: who waits for whom, for how long, what is tried again, and what runs for one tenant at a time.

use std::time::{Duration, Instant};

use tenantui::model::job::{JobEvent, JobState};
use tokio::sync::watch;

use crate::jobs::Fleet;
use crate::provision;
use crate::support::{pg, wait_until_async};

fn object(version: &str) -> String {
    format!("m{version}")
}

/// Lines of the log that say that a step was tried again.
fn tried_again(events: &[JobEvent], words: &str) -> usize {
    let says = |event: &&JobEvent| match event {
        JobEvent::Log(line) => line.text.raw().starts_with("tried again") && line.text.raw().contains(words),
        _ => false,
    };
    events.iter().filter(says).count()
}

/// Until a statement of ours waits for a lock.
async fn until_waiting(fleet: &Fleet, like: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui%' \
         and wait_event_type = 'Lock' and query like '{like}'"
    );
    wait_until_async(Duration::from_secs(20), "a statement that waits for a lock", || async {
        fleet.db.value(&sql) != "0"
    })
    .await;
}

#[tokio::test]
async fn a_lock_keeps_one_tenant_out_and_its_holder_is_named() {
    let fleet = Fleet::new("migrate", 3).await;
    fleet.file(1, "alter", "alter table users add column m1 int");
    let app = fleet.db.connect().await;
    app.batch_execute("set application_name = 'the app'; begin; select * from tenant_t001.users")
        .await
        .expect("a reader");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.done, view.blocked, view.failed), (JobState::Failed, 2, 1, 0));
    let failure = fleet.outcomes(job).await["t001"].failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.tries), (Some("55P03"), 4));
    let blocker = failure.blocker.expect("a blocker");
    assert!(blocker.raw().contains("(the app)") && blocker.raw().contains("idle in transaction"), "{blocker:?}");
    assert!(
        events.iter().any(|event| matches!(event, JobEvent::Log(line) if line.text.raw().contains("blocked by pid")))
    );
    app.batch_execute("commit").await.expect("ended");
    assert_eq!(fleet.run(job, true).await.0.expect("retried").state, JobState::Done);
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let mut fleet = Fleet::new("locks", 1).await;
    fleet.config.jobs.lock_timeout = Duration::from_secs(15);
    let name = fleet.db.name.clone();
    fleet.db.sql(&format!(
        "create table tenant_t000.a (id int); create table tenant_t000.b (id int); \
         alter database {name} set deadlock_timeout = '2s'"
    ));
    fleet.file(1, "both", "alter table a add x int;\n--;;\nalter table b add x int;\n--;;\ncreate table m1 ()");
    let app = fleet.db.connect().await;
    app.batch_execute("set deadlock_timeout = '60s'; begin; lock table tenant_t000.b").await.expect("locked");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let cross = async {
        until_waiting(&fleet, "%alter table b%").await;
        // Waits for us, who wait for it: the server ends ours.
        app.batch_execute("lock table tenant_t000.a; commit").await.expect("the app goes on");
    };
    let ((view, events), ()) = tokio::join!(fleet.run(job, false), cross);
    assert_eq!(view.expect("run").state, JobState::Done);
    assert_eq!(tried_again(&events, "deadlock detected"), 1, "{events:?}");
    assert_eq!(fleet.db.value("select tries from tenantui.step"), "2");
    fleet.assert_whole(object);
}

/// Six lanes wait at once, and somebody asks for each of them who is in its way: by one session. Each one more takes its part
/// in every change of the catalog (docs/adr/0035).
#[tokio::test]
async fn one_session_watches_for_all_lanes() {
    const LANES: u32 = 6;
    let fleet = Fleet::new("locks", 6).await;
    fleet.file(1, "wait", "alter table users add column m1 int;\n--;;\ncreate table m1 ()");
    let app = fleet.db.connect().await;
    let locks: String = (0..LANES).map(|n| format!("lock table tenant_t{n:03}.users;")).collect();
    app.batch_execute(&format!("begin; {locks}")).await.expect("locked");
    let job =
        fleet.order(fleet.plan(|options| (options.parallel, options.canary) = (LANES, 0))).await.expect("ordered");
    let most = async {
        let ours = "from pg_stat_activity where datname = current_database() and application_name like 'tenantui%'";
        let count = |which: &str| -> u32 {
            fleet.db.value(&format!("select count(*) {ours} and {which}")).parse().expect("a number")
        };
        let waiting = "wait_event_type = 'Lock'";
        let watching = "query like '%pg_blocking_pids%'";
        wait_until_async(Duration::from_secs(20), "six lanes that wait", async || {
            count(waiting) == LANES && count(watching) > 0
        })
        .await;
        let (seen_until, mut most) = (Instant::now() + Duration::from_secs(1), 0);
        while Instant::now() < seen_until {
            most = most.max(count("true"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        app.batch_execute("commit").await.expect("freed");
        most
    };
    let ((view, _), most) = tokio::join!(fleet.run(job, false), most);
    assert_eq!(view.expect("run").state, JobState::Done);
    // The lanes, the lock connection, the one that watches, and one that compares structures.
    assert!((LANES + 2..=LANES + 3).contains(&most), "{most} sessions");
}

#[tokio::test]
async fn a_serialization_failure_is_tried_again() {
    let fleet = Fleet::new("locks", 1).await;
    // A sequence remembers what a rollback takes back.
    fleet.db.sql("create sequence public.tries");
    fleet.file(
        1,
        "serial",
        "create table m1 ();\n--;;\ndo $$ begin if nextval('public.tries') < 3 then \
         raise exception 'could not serialize' using errcode = '40001'; end if; end $$",
    );
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done);
    assert_eq!(tried_again(&events, "could not serialize"), 2);
    fleet.assert_whole(object);
}

/// Two sessions that change one row of the catalog: the later one waits, and then fails with XX000 or 23505.
#[tokio::test]
async fn races_in_the_catalog_are_tried_again_and_data_is_not() {
    let role = pg().role("race");
    let grant = format!("grant usage on schema public to {role}");
    let cases = [
        (grant.clone(), format!("do $$ begin {grant}; end $$"), "tuple concurrently updated"),
        (
            "create schema made_by_both".to_owned(),
            "do $$ begin create schema if not exists made_by_both; end $$".to_owned(),
            "pg_namespace_nspname_index",
        ),
    ];
    for (theirs, ours, words) in cases {
        let mut fleet = Fleet::new("locks", 1).await;
        fleet.config.jobs.lock_timeout = Duration::from_secs(15);
        fleet.file(1, "race", &format!("create table m1 ();\n--;;\n{ours}"));
        let app = fleet.db.connect().await;
        app.batch_execute(&format!("begin; {theirs}")).await.expect("not committed");
        let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
        let commit = async {
            until_waiting(&fleet, "%do $$%").await;
            app.batch_execute("commit").await.expect("committed");
        };
        let ((view, events), ()) = tokio::join!(fleet.run(job, false), commit);
        assert_eq!(view.expect("run").state, JobState::Done, "{words}");
        assert_eq!(tried_again(&events, words), 1, "{words}: {events:?}");
        fleet.assert_whole(object);
    }
    let fleet = Fleet::new("locks", 1).await;
    fleet.db.sql("insert into tenant_t000.users values (1)");
    fleet.file(1, "twice", "create table m1 ();\n--;;\ninsert into users values (1)");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    let failure = fleet.outcomes(job).await["t000"].failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.tries), (Some("23505"), 1));
}

/// Eight lanes grant on the schema, the database and a role that all share: one after another, none fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_of_eight_lanes_at_once_do_not_meet() {
    let fleet = Fleet::new("locks", 40).await;
    let (one, two) = (pg().role("one"), pg().role("two"));
    let name = fleet.db.name.clone();
    fleet.file(
        1,
        "grant",
        &format!(
            "create table m1 ();\n--;;\ngrant usage on schema public to {one};\n--;;\nrevoke create on schema public from {one};\n\
             --;;\ngrant connect on database {name} to {one};\n--;;\ngrant {two} to {one}"
        ),
    );
    let plan = fleet.plan(|options| options.parallel = 8);
    let warned = plan.warnings.iter().filter(|warning| warning.raw().contains("one tenant at a time")).count();
    assert_eq!(warned, 4, "{:?}", plan.warnings);
    let view = fleet.migrate(plan).await;
    assert_eq!((view.state, view.done), (JobState::Done, 40));
    assert_eq!(fleet.db.value("select max(tries) from tenantui.step"), "1", "nobody had to try again");
    fleet.assert_whole(object);
}

/// Another program of ours has the shared lock for a while: the step waits its turn, and that is no failed try.
#[tokio::test]
async fn a_turn_is_waited_for() {
    let fleet = Fleet::new("locks", 2).await;
    let role = pg().role("turn");
    fleet.file(1, "grant", &format!("create table m1 ();\n--;;\ngrant usage on schema public to {role}"));
    let other = fleet.db.connect().await;
    let key = tenantui::migrations::apply::keys::shared();
    other.batch_execute(&format!("select pg_advisory_lock({key})")).await.expect("locked");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let free = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(fleet.db.value("select count(*) from tenantui.step where state = 'done'"), "0");
        other.batch_execute(&format!("select pg_advisory_unlock({key})")).await.expect("freed");
    };
    let (run, ()) = tokio::join!(fleet.run(job, false), free);
    assert_eq!(run.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select max(tries) from tenantui.step"), "1");
}

/// The making of a tenant runs the same files: it waits as long for its turn, and does not fail meanwhile.
#[tokio::test]
async fn the_making_of_a_tenant_waits_its_turn_too() {
    let fleet = Fleet::new("locks", 0).await;
    let role = pg().role("turn");
    fleet.file(1, "grant", &format!("create table m1 ();\n--;;\ngrant usage on schema public to {role}"));
    let other = fleet.db.connect().await;
    let key = tenantui::migrations::apply::keys::shared();
    other.batch_execute(&format!("select pg_advisory_lock({key})")).await.expect("locked");
    let job = provision::order(&fleet, provision::provision(&fleet, "blue-fox")).await.expect("ordered");
    let free = async {
        // Longer than all pauses between the tries of what a lock keeps out.
        tokio::time::sleep(Duration::from_millis(4_000)).await;
        provision::assert_nothing(&fleet, "blue-fox");
        other.batch_execute(&format!("select pg_advisory_unlock({key})")).await.expect("freed");
    };
    let (run, ()) = tokio::join!(fleet.run(job, false), free);
    let view = run.0.expect("run");
    assert_eq!(view.state, JobState::Done, "{:?}", fleet.db.sql("select message from tenantui.step"));
    assert_eq!(fleet.db.value("select max(tries) from tenantui.step"), "1");
}

/// jobs.md 4, figure 6: what waits behind our waiting DDL waits no longer than lock_timeout and 100 ms. What the machine
/// itself takes at worst is measured beside it, on a table that nobody locks, and allowed for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_waits_no_longer_than_our_lock_timeout() {
    let fleet = Fleet::new("locks", 1).await;
    fleet.db.sql("create table tenant_t000.calm (id int)");
    fleet.file(1, "alter", "alter table users add column m1 int");
    let holder = fleet.db.connect().await;
    holder.batch_execute("begin; select * from tenant_t000.users").await.expect("a reader that stays");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let (over, is_over) = watch::channel(false);
    let reader = |table: &'static str| {
        let (fleet, is_over) = (&fleet, is_over.clone());
        async move {
            let app = fleet.db.connect().await;
            let mut longest = Duration::ZERO;
            while !*is_over.borrow() {
                let started = Instant::now();
                app.batch_execute(&format!("select * from tenant_t000.{table}")).await.expect("read");
                longest = longest.max(started.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            longest
        }
    };
    let work = async {
        let result = fleet.run(job, false).await.0;
        over.send_replace(true);
        result
    };
    let (view, delayed, calm) = tokio::join!(work, reader("users"), reader("calm"));
    let view = view.expect("run");
    assert_eq!((view.state, view.blocked), (JobState::Failed, 1));
    let limit = fleet.config.jobs.lock_timeout + Duration::from_millis(100);
    println!("the application waited {delayed:?} at most; beside it {calm:?}; the limit is {limit:?}");
    assert!(delayed > fleet.config.jobs.lock_timeout / 4, "nobody ever waited behind us: {delayed:?}");
    assert!(delayed <= limit + 2 * calm, "{delayed:?} > {limit:?} (beside it {calm:?})");
}

/// A new table that references one of `public` keeps its writers out until it is committed: so only one does at a time,
/// and between two of them the writer gets in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_reference_public_run_for_one_tenant_at_a_time() {
    let fleet = Fleet::new("locks", 8).await;
    fleet.db.sql("create table public.plans (id serial primary key)");
    fleet.file(1, "plan", "create table m1 (id int,\n  plan int references public.plans);\n--;;\nselect pg_sleep(0.1)");
    let plan = fleet.plan(|options| options.parallel = 8);
    let warning = plan.warnings.iter().find(|warning| warning.raw().contains("references a table in public"));
    assert!(warning.is_some_and(|warning| warning.raw().starts_with("1-plan.up.sql:2: ")), "{:?}", plan.warnings);
    let job = fleet.order(plan).await.expect("ordered");
    let (over, is_over) = watch::channel(false);
    let writer = async {
        let app = fleet.db.connect().await;
        let (mut longest, mut written) = (Duration::ZERO, 0);
        while !*is_over.borrow() {
            let started = Instant::now();
            app.batch_execute("insert into public.plans default values").await.expect("written");
            longest = longest.max(started.elapsed());
            written += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (longest, written)
    };
    let work = async {
        let result = fleet.run(job, false).await.0;
        over.send_replace(true);
        result
    };
    let (view, (longest, written)) = tokio::join!(work, writer);
    assert_eq!(view.expect("run").done, 8);
    println!("{written} rows written meanwhile; the longest took {longest:?}");
    let together = "select count(*) from tenantui.step a join tenantui.step b on a.seq < b.seq \
                    where (a.started_at, a.ended_at) overlaps (b.started_at, b.ended_at)";
    assert_eq!(fleet.db.value(together), "0", "steps that ran at the same time");
    assert!(longest < fleet.config.jobs.lock_timeout + Duration::from_millis(500), "a writer waited {longest:?}");
    fleet.assert_whole(object);
}

/// Nobody waits for the work any more: what the server still does of it is cancelled, not left to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_nobody_waits_for_is_cancelled() {
    let fleet = std::sync::Arc::new(Fleet::new("locks", 1).await);
    fleet.file(1, "slow", "create table m1 ();\n--;;\nselect pg_sleep(60)");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    let running = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' \
                   and query like '%pg_sleep(60)%' and application_name like 'tenantui%'";
    let work = tokio::spawn({
        let fleet = std::sync::Arc::clone(&fleet);
        async move { fleet.run(job, false).await }
    });
    wait_until_async(Duration::from_secs(20), "a sleeping step", || async { fleet.db.value(running) == "1" }).await;
    work.abort();
    wait_until_async(Duration::from_secs(10), "its end", || async { fleet.db.value(running) == "0" }).await;
    fleet.assert_whole(object);
}

/// The rows of a blocked step are kept one by one, for programs; the words are for people.
#[tokio::test]
async fn blockers_are_kept_in_the_record() {
    let fleet = Fleet::new("locks", 1).await;
    fleet.file(1, "alter", "alter table users add column m1 int");
    let app = fleet.db.connect().await;
    app.batch_execute("set application_name = E'web\\u202e'; begin; select * from tenant_t000.users")
        .await
        .expect("a reader");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").blocked, 1);
    let value = |path: &str| fleet.db.value(&format!("select detail #>> '{{blockers,0,{path}}}' from tenantui.step"));
    let pid = app.query_one("select pg_backend_pid()::text", &[]).await.expect("its pid").get::<_, String>(0);
    assert_eq!((value("pid"), value("user"), value("state")), (pid, "postgres".into(), "idle in transaction".into()));
    assert!(value("transaction_seconds").parse::<u64>().is_ok() && value("query_seconds").parse::<u64>().is_ok());
    let blocker = fleet.outcomes(job).await["t000"].failure.clone().and_then(|f| f.blocker).expect("a blocker");
    assert!(blocker.raw().contains(", query 00:00:0") && !blocker.safe().as_str().contains('\u{202e}'), "{blocker:?}");
}
