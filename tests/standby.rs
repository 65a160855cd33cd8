//! A standby, its promotion, and a cluster that is split: what is read there, what is never written, and what is told.

use std::sync::Arc;
use std::time::Duration;

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{self, Fleet, ReadOptions};
use tenantui::jobs::control;
use tenantui::jobs::worker::{self, RunOptions, Stop};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::{DatabaseView, Snapshot};
use tenantui::model::job::JobState;
use tenantui::model::server::{Lag, ServerRole};
use tenantui::postgres::server;
use tenantui::postgres::session::{Patience, QueryError, Reader, Target, connect_writer};
use tokio::sync::{mpsc, watch};

use crate::cli::{json, text};
use crate::cli_fleet::{self, slugs, tenant};
use crate::jobs;
use crate::support::relay::Relay;
use crate::support::standby::{Pair, own_pair, pair};
use crate::support::{wait_until, wait_until_async};

const LIMIT: Duration = Duration::from_secs(30);

fn target(name: &str, url: String) -> Target {
    let config = Database::new(name.into(), Environment::Development, url.into());
    Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target")
}

/// A command-line fleet on the primary of the shared pair, with one job, and the configuration aimed at the standby.
fn fleet_on_standby(pair: &Pair) -> cli_fleet::Fleet {
    let fleet = cli_fleet::Fleet::on(pair.primary.database("standby"));
    fleet.init();
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    fleet.tenant("late", "Late", 1);
    pair.catch_up();
    fleet.configure(&fleet.block("eu-1", &pair.standby.url(&fleet.database.name)));
    fleet
}

#[test]
fn what_reads_works_on_a_standby() {
    let pair = pair();
    let fleet = fleet_on_standby(pair);
    let list = fleet.json(0, &["tenants", "--json", "--exact"]);
    assert_eq!(slugs(&list), ["acme", "beta-two", "gone", "late", "tenant_lost"]);
    assert_eq!(list["databases"][0]["read_only"], true);
    assert_eq!(tenant(&list, "slug", "acme")["state"], "ok");
    assert_eq!(tenant(&list, "slug", "late")["state"], "behind");
    assert_eq!(tenant(&list, "slug", "acme")["size_exact"], true);
    for command in [&["tenant", "acme", "--json"][..], &["migrations", "--json"], &["job", "1", "--json"]] {
        fleet.json(0, command);
    }
    let jobs = fleet.json(0, &["jobs", "--json"]);
    assert_eq!((jobs["jobs"][0]["state"].as_str(), jobs["jobs"][0]["done"].as_u64()), (Some("done"), Some(1)));
    // Whether its worker lives is known on the primary alone.
    fleet.database.sql("update tenantui.job set state = 'running'");
    pair.catch_up();
    let state = |document: serde_json::Value| document["jobs"][0]["state"].as_str().map(str::to_owned);
    assert_eq!(state(fleet.json(0, &["jobs", "--json"])).as_deref(), Some("running"));
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains("warn  cluster") && doctor.contains("replay is"), "{doctor}");
    assert_eq!(doctor.matches("a standby").count(), 2, "with its cluster, and why it is not written: {doctor}");
    // A plan is shown, and what it is worth.
    for (order, code) in [
        (&["migrate", "late", "--dry-run", "--json"][..], 0),
        (&["provision", "new-one", "--name", "New", "--dry-run", "--json"], 0),
    ] {
        let output = fleet.expect(code, order);
        json(&output);
        let words = text(&output.stderr);
        assert!(words.contains("standby") && words.contains("stale"), "{order:?}: {words}");
    }
    let log = pair.standby.log();
    for word in ["LISTEN", "NOTIFY", "READ WRITE", "FOR KEY SHARE"] {
        let sent = |line: &&str| {
            line.contains("statement:") && !line.contains("of_a_test") && line.to_ascii_uppercase().contains(word)
        };
        assert_eq!(log.lines().find(sent), None, "{word} was sent to a standby");
    }
}

#[test]
fn what_writes_is_refused_on_a_standby_with_the_reason() {
    let pair = pair();
    let fleet = fleet_on_standby(pair);
    fleet.database.sql("update tenantui.job set state = 'paused', ended_at = null");
    pair.catch_up();
    for order in [
        &["migrate", "late", "--yes"][..],
        &["migrate", "--all", "--yes"],
        &["provision", "new-one", "--name", "New", "--yes"],
        &["worker", "--once"],
        &["job", "1", "retry", "--yes"],
        &["job", "1", "resume", "--yes"],
        &["job", "1", "cancel"],
    ] {
        let words = text(&fleet.expect(5, order).stderr);
        assert!(words.contains("standby") && words.contains("primary"), "{order:?}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_known_and_its_own_statistics_are_not_shown() {
    let pair = pair();
    let db = pair.primary.database("standby");
    db.sql(
        "create table public.tenants (id int primary key, slug text, schema_name text, created_at timestamptz);
         insert into public.tenants values (1, 'acme', 'tenant_acme', now());
         create schema tenant_acme; create table tenant_acme.notes as select n from generate_series(1, 1000) n;
         delete from tenant_acme.notes where n > 700; insert into tenant_acme.notes select n from generate_series(1, 300) n",
    );
    db.sql("analyze tenant_acme.notes");
    pair.catch_up();
    let target = target("eu-1", pair.standby.url(&db.name));
    let reader = Reader::open(&target, Patience::Foreground).await.expect("open");
    let facts = reader.facts();
    assert!(facts.standby && facts.direct && !facts.may_listen(), "{facts:?}");
    assert!(facts.system_identifier.is_some() && facts.timeline.is_none(), "{facts:?}");
    let now = server::now(&reader).await.expect("an answer");
    let replica = now.replica.expect("a standby");
    assert!(replica.receiving && !replica.paused && now.is_as_opened(&reader), "{replica:?}");
    let options = fleet::ReadOptions { detail_of: Some("acme".to_owned()), ..fleet::ReadOptions::default() };
    let reading = fleet::read_once(&target, &options).await.expect("read");
    let detail = reading.snapshot.detail.as_ref().expect("the detail");
    assert_eq!((detail.tables[0].rows_estimate, detail.tables[0].dead_percent), (Some(1000), None));
    assert_eq!(detail.problems, Vec::<tenantui::text::Untrusted>::new());
    let view = &reading.snapshot.databases[0];
    assert_eq!((view.server.banner(), view.read_only, view.server.is_dangerous()), (Some("REPLICA"), true, false));
    assert!(reading.context.read_only_why.as_ref().is_some_and(|why| why.raw().contains("primary")));
    // An advisory lock is granted there and proves nothing: no writer gets so far.
    let writer = connect_writer(&target, "test").await.expect("a session");
    assert_eq!(writer.facts.read_only_why().map(|why| why.contains("standby")), Some(true));
    let lock = writer.client.simple_query("select pg_try_advisory_lock(1, 1)").await;
    assert!(lock.is_ok(), "{lock:?}");
    for sql in [
        "begin read write -- of_a_test",
        "create table public.t ()",
        "listen of_a_test",
        "select * from public.tenants for key share -- of_a_test",
    ] {
        let error = writer.client.simple_query(sql).await.map(|_| ()).expect_err("refused");
        let error = writer.explain(&error).await;
        assert!(error.is_read_only(), "{sql}: {error:?}");
    }
}

/// The collector over some databases, and its pictures.
struct Watched(Fleet);

impl Watched {
    fn over(targets: Vec<Target>) -> Self {
        Self(fleet::spawn(targets, Duration::from_millis(300)))
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let wait = self.0.snapshots.wait_for(|snapshot| holds(snapshot));
        let found = tokio::time::timeout(LIMIT, wait).await;
        let found = found.unwrap_or_else(|_| panic!("waited in vain for {what}"));
        Arc::clone(&found.expect("the collector runs"))
    }

    fn read_only_why(&self, name: &str) -> Option<String> {
        let contexts = self.0.contexts.borrow();
        let context = contexts.iter().find(|context| &*context.database == name).expect("a context");
        context.read_only_why.as_ref().map(|why| why.raw().to_owned())
    }
}

fn view<'s>(snapshot: &'s Snapshot, name: &str) -> &'s DatabaseView {
    snapshot.database(name).expect("a database")
}

fn is_primary(view: &DatabaseView) -> bool {
    matches!(view.server, ServerRole::Primary { .. })
}

const REGISTRY: &str =
    "create table public.tenants (id int primary key, slug text, schema_name text, created_at timestamptz);
    insert into public.tenants values (1, 'acme', 'tenant_acme', now()); create schema tenant_acme;
    create table tenant_acme.notes (id int)";

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_opens_writing_and_closes_the_old_primary() {
    let pair = own_pair(&[]);
    let db = pair.primary.database("split");
    db.sql(REGISTRY);
    pair.catch_up();
    let mut fleet = Watched::over(vec![target("old", db.url()), target("new", pair.standby.url(&db.name))]);
    let both = |snapshot: &Snapshot| snapshot.databases.iter().all(|view| view.taken_at.is_some());
    let before = fleet.until("both to be read", both).await;
    assert!(is_primary(view(&before, "old")) && view(&before, "new").server.banner() == Some("REPLICA"));
    assert!(fleet.read_only_why("new").is_some_and(|why| why.contains("standby")));
    assert_eq!(fleet.read_only_why("old"), None);

    pair.standby.promote();
    let after = fleet.until("the promotion", |snapshot| is_primary(view(snapshot, "new"))).await;
    assert_eq!(view(&after, "new").server, ServerRole::Primary { timeline: Some("00000002".to_owned()) });
    // Its session lived on: nothing was lost, and nothing was believed of it for that.
    assert_eq!((&view(&after, "new").back, view(&after, "new").read_only), (&None, false));
    let split =
        fleet.until("the old primary to be found out", |snapshot| view(snapshot, "old").server.is_dangerous()).await;
    let old = view(&split, "old");
    assert_eq!((old.server.banner(), old.read_only), (Some("OLD PRIMARY"), true));
    assert_eq!(fleet.read_only_why("new"), None);
    assert!(fleet.read_only_why("old").is_some_and(|why| why.contains("00000001") && why.contains("00000002")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_stays_with_the_timeline_that_it_was_claimed_on() {
    let pair = own_pair(&[]);
    let db = pair.primary.database("split");
    let mut fleet = jobs::Fleet::on(db.clone(), 3).await;
    fleet.file(1, "slow", "create table m1 (id int);\n--;;\nselect pg_sleep(1)");
    let job = fleet.order(fleet.plan(|options| options.parallel = 1)).await.expect("ordered on the old primary");
    pair.catch_up();
    pair.standby.promote();
    let new = pair.standby.open(&db);

    // One address that leads to the new primary, and in the middle of the run to the old one.
    let relay = Relay::to(new.port).await;
    fleet.config.url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", relay.port, db.name).into();
    let misled = async {
        let sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid() and state = 'active'";
        wait_until_async(LIMIT, "the first step", || async { new.value(sleeping) == "1" }).await;
        relay.aim(db.port);
        relay.cut();
    };
    let ((result, _), ()) = tokio::join!(fleet.run(job, false), misled);
    let words = match &result {
        Ok(view) => format!("{:?} {:?}", view.state, view.reason),
        Err(error) => error.to_string(),
    };
    assert!(!matches!(&result, Ok(view) if view.state == JobState::Done), "{words}");
    let made = "select count(*) from pg_class where relname = 'm1'";
    assert_eq!(db.value(made), "0", "nothing was written on the old primary: {words}");
    assert_eq!(db.value("select state || attempt from tenantui.job"), "queued0", "{words}");

    // The way leads to the new one again: it goes on there.
    relay.aim(new.port);
    relay.cut();
    let (view, _) = fleet.run(job, false).await;
    let view = view.expect("resumed on the new primary");
    assert_eq!((view.state, view.done), (JobState::Done, 3));
    assert_eq!(new.value(made), "3");
    assert!(control::cancel(&fleet.target(), job).await.is_err(), "it is over");
}

/// The old primary's record knows nothing of the failover; who has seen the new one does.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_old_primary_is_not_run_by_who_has_seen_the_new_one() {
    let pair = own_pair(&[]);
    let db = pair.primary.database("split");
    let mut fleet = jobs::Fleet::on(db.clone(), 2).await;
    fleet.file(1, "one", "create table m1 (id int)");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered on the old primary");
    pair.catch_up();
    pair.standby.promote();
    let new = pair.standby.open(&db);
    let relay = Relay::to(new.port).await;
    fleet.config.url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", relay.port, db.name).into();
    let target = fleet.target();
    // As a dashboard or a worker that waits has it: one look at the new primary, then the old one answers.
    drop(Reader::open(&target, Patience::Foreground).await.expect("a reader"));
    relay.aim(db.port);
    relay.cut();
    let run = async |target: &Target| {
        let (_stop, stop) = watch::channel(Stop::GoOn);
        let (events, mut receiver) = mpsc::channel(256);
        let options =
            RunOptions { wait_after_canary: true, parallel: None, shows_credentials: true, ordered_here: false, stop };
        let drain = async { while receiver.recv().await.is_some() {} };
        tokio::join!(worker::run(target, job, false, options, events), drain).0
    };
    let words = run(&target).await.expect_err("refused").to_string();
    assert!(words.contains("old primary") && words.contains("00000001") && words.contains("00000002"), "{words}");
    assert_eq!(db.value("select state || attempt from tenantui.job"), "queued0", "{words}");
    assert_eq!(db.value("select count(*) from pg_class where relname = 'm1'"), "0");
    relay.aim(new.port);
    relay.cut();
    assert_eq!(run(&target).await.expect("on the new primary").state, JobState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planned_on_one_server_is_not_ordered_on_another() {
    let pair = own_pair(&[]);
    let db = pair.primary.database("split");
    let mut fleet = jobs::Fleet::on(db.clone(), 2).await;
    fleet.file(1, "one", "create table m1 (id int)");
    let relay = Relay::to(db.port).await;
    fleet.config.url = format!("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", relay.port, db.name).into();
    // Dialogs and commands order by what was read; between the two a person reads and types.
    let planned = async |fleet: &mut jobs::Fleet| {
        let reading = fleet::read_once(&fleet.target(), &ReadOptions::default()).await.expect("read");
        fleet.layout = Arc::clone(&reading.context.layout);
        fleet.plan(|_| {})
    };
    let before = planned(&mut fleet).await;
    pair.catch_up();
    pair.standby.promote();
    let new = pair.standby.open(&db);

    relay.aim(new.port);
    let words = fleet.order(before).await.expect_err("a failover since the plan").to_string();
    assert!(words.contains("nothing was ordered: a failover") && words.contains("plan again"), "{words}");
    // What was planned on the new primary is not ordered on the old one, which nobody has stopped.
    let plan = planned(&mut fleet).await;
    relay.aim(db.port);
    let words = fleet.order(plan.clone()).await.expect_err("the old primary").to_string();
    assert!(words.contains("nothing was ordered: this is the old primary of a failover"), "{words}");
    for server in [&db, &new] {
        assert_eq!(server.value("select count(*) from tenantui.job"), "0");
    }
    relay.aim(new.port);
    let job = fleet.order(plan).await.expect("planned and ordered on the new primary");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
}

/// Asks until the answer holds.
async fn ask_until(reader: &Reader, what: &str, holds: impl Fn(&server::ServerNow) -> bool) -> server::ServerNow {
    let give_up = std::time::Instant::now() + LIMIT;
    loop {
        let now = server::now(reader).await.expect("an answer");
        if holds(&now) {
            return now;
        }
        assert!(std::time::Instant::now() < give_up, "waited in vain for {what}: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_replay_and_its_conflicts_are_told_as_what_they_are() {
    let pair = own_pair(&[("max_standby_streaming_delay", "300ms"), ("hot_standby_feedback", "off")]);
    let db = pair.primary.database("lag");
    db.sql("create table t as select n from generate_series(1, 2000) n; create table locked (id int)");
    pair.catch_up();
    let replica = pair.standby.open(&db);
    let reader = Reader::open(&target("eu-1", pair.standby.url(&db.name)), Patience::Foreground).await.expect("open");

    // Replay paused: what is behind is counted; gone again after it.
    pair.standby.admin("select pg_wal_replay_pause()");
    db.sql("insert into t select n from generate_series(1, 1000) n");
    let behind = ask_until(&reader, "a lag", |now| {
        now.replica
            .is_some_and(|replica| replica.paused && matches!(replica.lag, Lag::Behind { bytes, .. } if bytes > 1_000))
    })
    .await;
    assert!(behind.replica.is_some_and(|replica| replica.words().contains("paused")), "{behind:?}");
    pair.standby.admin("select pg_wal_replay_resume()");
    pair.catch_up();
    let level =
        |now: &server::ServerNow| now.replica.is_some_and(|replica| replica.lag == Lag::None && replica.receiving);
    ask_until(&reader, "no lag", level).await;

    // A statement that is in the way of the replay is cancelled there (40001), and asked once more in silence.
    let conflict = async {
        wait_until_async(LIMIT, "the reader", || async {
            replica.value("select count(*) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid() and state = 'active'") == "1"
        })
        .await;
        db.sql("delete from t");
        // Without the truncation: its lock would be a second conflict, in the way of the second try.
        db.sql("vacuum (truncate false) t");
    };
    // Only the first try sleeps long enough to be in the way.
    let question = "select count(*), (select case when count(*) > 0 then pg_sleep(20) end from public.t) from public.t";
    let (answer, ()) = tokio::join!(reader.rows(question), conflict);
    assert_eq!(answer.expect("the second try")[0].text(0), Some("0"));
    let conflicts = "select confl_snapshot from pg_stat_database_conflicts where datname = current_database()";
    wait_until(LIMIT, "the conflict in the statistics", || replica.value(conflicts) != "0");

    // An exclusive lock of the primary is replayed as a lock here.
    let holder = db.connect().await;
    holder.batch_execute("begin; lock table locked in access exclusive mode").await.expect("locked");
    db.sql("select pg_switch_wal()");
    pair.catch_up();
    wait_until(LIMIT, "the lock to be replayed", || {
        replica
            .value("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and relation = 'locked'::regclass")
            == "1"
    });
    match reader.rows("select * from public.locked").await {
        Err(QueryError::Server { sqlstate, message }) => {
            assert_eq!(sqlstate, "55P03");
            assert!(message.raw().contains("blocked by replay"), "{}", message.raw());
        }
        other => panic!("{other:?}"),
    }
    holder.batch_execute("rollback").await.expect("let go");

    // What is received by nobody is not called up to date.
    let mut pair = pair;
    pair.primary.server.stop(true);
    let alone =
        ask_until(&reader, "the receiver to end", |now| now.replica.is_some_and(|replica| !replica.receiving)).await;
    assert!(alone.replica.is_some_and(|replica| replica.words().contains("real lag is not known")), "{alone:?}");
}
