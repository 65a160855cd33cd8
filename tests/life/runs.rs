//! The same as jobs: two at once, a standby, a lost worker, and the dashboard's own way from keys to the database.

use std::sync::Arc;
use std::time::Duration;

use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{ReadOptions, Reading, read_once};
use tenantui::jobs::life::plan;
use tenantui::jobs::orders;
use tenantui::jobs::service::ServiceCommand;
use tenantui::jobs::worker::{self, RunOptions};
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobKind, JobState, JobView};
use tenantui::model::life::LifeKind;
use tenantui::postgres::session::{Patience, Reader, Target};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::dialogs::Dialog;
use tokio::sync::{mpsc, watch};

use super::Place;
use crate::keys::desk::Desk;
use crate::support::victim::{Aim, Victim};
use crate::support::wait_until;

/// A dashboard over a real database: its questions are answered and its orders carried out, as its services do.
struct Real {
    desk: Desk,
    target: Target,
}

impl Real {
    async fn new(place: &Place, environment: Environment) -> Self {
        let config = Database::new("eu-1".into(), environment, place.db.url().into());
        let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
        let mut real = Self { desk: Desk::blank(environment, (80, 24)), target };
        real.look().await;
        real
    }

    /// What the collector would show now.
    async fn look(&mut self) {
        let Reading { snapshot, context } = read_once(&self.target, &ReadOptions::default()).await.expect("a reading");
        self.desk.event(Event::Snapshot(snapshot));
        self.desk.event(Event::Contexts(Arc::new(vec![context])));
        self.desk.draw();
    }

    /// Types, and answers what the dashboard asks for until it asks nothing more.
    async fn keys(&mut self, script: &str) {
        self.desk.keys(script);
        Box::pin(self.answer()).await;
    }

    async fn answer(&mut self) {
        loop {
            let commands: Vec<ServiceCommand> = self
                .desk
                .commands
                .drain(..)
                .filter_map(|command| match command {
                    Command::Service { command, .. } => Some(command),
                    _ => None,
                })
                .collect();
            if commands.is_empty() {
                return;
            }
            for command in commands {
                match command {
                    ServiceCommand::PlanLife(request) => {
                        let reader = Reader::open(&self.target, Patience::Foreground).await.expect("a reader");
                        let plan = plan::read(&reader, &self.target, &request).await.expect("a plan");
                        self.desk.event(Event::Job(JobEvent::LifePlanned(Box::new(plan))));
                        self.desk.draw();
                    }
                    ServiceCommand::Order { idempotency_key, order } => {
                        let job = orders::order(&self.target, &order, idempotency_key).await.expect("ordered");
                        let view = self.run(job).await;
                        assert_eq!(view.state, JobState::Done, "{view:?}");
                        self.desk.event(Event::Job(JobEvent::Job(Box::new(view))));
                        self.look().await;
                    }
                    _ => {}
                }
            }
        }
    }

    async fn run(&self, job: tenantui::model::job::JobId) -> JobView {
        let (_stop, stop) = watch::channel(worker::Stop::GoOn);
        let (events, mut heard) = mpsc::channel(256);
        let drain = tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let options =
            RunOptions { wait_after_canary: true, parallel: None, shows_credentials: false, ordered_here: false, stop };
        let view = worker::run(&self.target, job, false, options, events).await.expect("run");
        drain.await.expect("drained");
        view
    }

    fn text(&self) -> String {
        self.desk.text()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_goes_from_keys_to_the_database() {
    let place = Place::new("life_keys");
    let mut real = Real::new(&place, Environment::Development).await;
    // A drop of an active tenant says why not; Enter on Close changes nothing.
    real.keys("gg").await;
    assert_eq!(real.desk.cursor(), "acme");
    real.keys("D").await;
    assert!(real.text().contains("Not possible: it is not suspended"), "{}", real.text());
    real.keys("<Enter>").await;
    real.keys(":rename<Enter>").await;
    real.keys("<End>").await;
    real.keys(" Inc<Enter>").await;
    assert!(real.text().contains("write the display name ACME Inc"), "{}", real.text());
    // Cancel has the focus: Enter alone does nothing.
    real.keys("<Enter>").await;
    assert_eq!(place.row("acme"), "ACME|active");
    real.keys(":rename<Enter><End>").await;
    real.keys(" Inc<Enter>").await;
    real.keys("<Tab><Tab><Enter>").await;
    assert_eq!(place.row("acme"), "ACME Inc|active");
    real.keys(":suspend<Enter>").await;
    real.keys("y").await;
    assert_eq!(place.row("acme"), "ACME Inc|active", "y does not confirm");
    real.keys("<Tab><Enter>").await;
    assert!(real.text().contains("UPDATE"), "Show SQL: {}", real.text());
    real.keys("<Esc><Tab><Enter>").await;
    assert_eq!(place.row("acme"), "ACME Inc|suspended");
    real.keys(":activate<Enter>").await;
    real.keys("<Tab><Tab><Enter>").await;
    assert_eq!(place.row("acme"), "ACME Inc|active");
    real.keys(":archive<Enter>").await;
    real.keys("<Tab><Tab><Enter>").await;
    assert!(place.row("acme").starts_with("ACME Inc|deleted"));
    // Drop: a wrong name keeps the button off, the right one brings the focus to it.
    real.keys("D").await;
    real.keys("tenant_acm<Enter>").await;
    assert!(real.text().contains("(off: the name does not match)"), "{}", real.text());
    assert_eq!(place.schemas(), "tenant_acme,tenant_globex,tenant_hooli");
    real.keys("e<Enter>").await;
    assert_eq!(place.schemas(), "tenant_globex,tenant_hooli,zz_dropped_5_tenant_acme");
    // U on it brings it back.
    real.keys("U").await;
    assert!(real.text().contains("rename the schema back to tenant_acme"), "{}", real.text());
    real.keys("<Tab><Tab><Enter>").await;
    assert!(place.row("acme").starts_with("ACME Inc|deleted"));
    real.keys("D").await;
    real.keys("tenant_acme<Enter>").await;
    real.keys(":purge<Enter>").await;
    real.keys("tenant_acme<Enter>").await;
    assert_eq!(place.schemas(), "tenant_globex,tenant_hooli");
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'acme'"), "0");
    // Repair: a row without a schema has two ways.
    place.db.sql("drop schema tenant_hooli cascade");
    real.look().await;
    real.keys("/hooli<Enter><Esc>").await;
    real.keys(":repair<Enter>").await;
    assert!(real.text().contains("forget:") && real.text().contains("make:"), "{}", real.text());
    real.keys("j<Enter>").await;
    real.keys("<Tab><Tab><Enter>").await;
    assert_eq!(place.schemas(), "tenant_globex,tenant_hooli");
}

#[tokio::test(flavor = "multi_thread")]
async fn dependants_are_marked_one_by_one_and_one_of_several_in_the_trash_is_chosen() {
    let place = Place::new("life_marks");
    place.db.sql("create schema reports; create view reports.a as select * from tenant_globex.users; create view reports.b as select * from tenant_globex.users");
    let mut real = Real::new(&place, Environment::Development).await;
    real.keys("/globex<Enter><Esc>").await;
    real.keys("D").await;
    real.keys("tenant_globex<Enter>").await;
    assert!(real.text().contains("2 not marked yet"), "{}", real.text());
    // Back to the list of objects, and Space on each.
    real.keys("<S-Tab><Space>").await;
    assert!(real.text().contains("[x] view reports.a") && real.text().contains("1 marked"), "{}", real.text());
    real.keys("<Space><S-Tab><Enter>").await;
    assert!(place.schemas().contains("zz_dropped_"), "{}", real.text());
    place.drop("hooli", "tenant_hooli");
    real.look().await;
    real.keys("<Esc>gg").await;
    assert_eq!(real.desk.cursor(), "acme");
    real.keys("U").await;
    assert!(real.text().contains("globex, dropped") && real.text().contains("hooli, dropped"), "{}", real.text());
    real.keys("j<Enter>").await;
    real.keys("<Tab><Tab><Enter>").await;
    assert_eq!(
        place.db.value("select count(*) from pg_namespace where nspname = 'tenant_globex'"),
        "1",
        "{}",
        place.schemas()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_writes_closed_nothing_opens_and_a_dialog_that_is_open_does_nothing() {
    let place = Place::new("life_locked");
    let mut real = Real::new(&place, Environment::Production).await;
    for keys in ["D", "U", ":suspend<Enter>", ":purge<Enter>", ":repair<Enter>"] {
        real.keys(keys).await;
        assert!(real.desk.app.state().dialog.is_none(), "{keys}");
        assert!(
            real.desk.message().contains("W opens them") || real.desk.message().contains("nothing is in the trash"),
            "{}",
            real.desk.message()
        );
    }
    real.desk.open_writes();
    real.keys("/globex<Enter><Esc>").await;
    real.keys("D").await;
    assert!(matches!(real.desk.app.state().dialog, Some(Dialog::Life(_))));
    // The lock closes while the dialog is open.
    real.desk.wait(Duration::from_secs(700));
    real.desk.draw();
    real.keys("tenant_globex<Enter>").await;
    assert!(real.text().contains("writes are locked"), "{}", real.text());
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
    // What is pasted goes into the field and confirms nothing; keys typed ahead of the plan are dropped.
    real.keys("<Esc>").await;
    real.desk.open_writes();
    real.desk.keys_ahead("Dtenant_globex\n");
    real.desk.keys_ahead("<Enter><Enter><Enter>");
    real.answer().await;
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_one_and_a_drop_waits_for_a_job_that_needs_the_schema() {
    let place = Place::new("life_race");
    let config = place.config().display().to_string();
    let drop = ["--config", &config, "drop", "globex", "--confirm", "tenant_globex", "--yes"];
    let victims: Vec<Victim> = (0..3).map(|_| Victim::start(place.home(), &drop, &[], &Aim::default())).collect();
    let ends: Vec<_> = victims.into_iter().map(|victim| victim.wait(Duration::from_secs(60))).collect();
    assert!(ends.iter().any(|end| end.code == Some(0)), "{ends:?}");
    assert!(ends.iter().all(|end| matches!(end.code, Some(0 | 1 | 5))), "{ends:?}");
    assert_eq!(place.db.value("select count(*) from tenantui.audit where action = 'drop' and outcome = 'done'"), "1");
    assert_eq!(place.db.value("select count(*) from pg_namespace where nspname like 'zz%'"), "1");
    place.expect(0, &["undrop", "globex", "--yes"]);
    place.db.sql(
        "insert into tenantui.job (kind, scope, what, params, plan_sha256, idempotency_key, active_scope, app_version, database_oid, state) \
         values ('migrate', 'migrate', 'x', '{}', '', gen_random_uuid(), 'migrate', '0', 0, 'paused'); \
         insert into tenantui.step (job_id, seq, action, slug, schema_name) select max(id), 1, 'migrate', 'globex', 'tenant_globex' from tenantui.job",
    );
    let words = place.words(5, &["drop", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains("(migrate) is paused"), "{words}");
}

#[test]
fn killed_at_random_a_drop_is_done_or_not_begun() {
    let place = Place::new("life_kills");
    let config = place.config().display().to_string();
    let drop = ["--config", &config, "drop", "globex", "--confirm", "tenant_globex", "--yes"];
    let undisturbed = Victim::start(place.home(), &drop, &[], &Aim::default()).wait(Duration::from_secs(60));
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.err);
    place.expect(0, &["undrop", "globex", "--yes"]);
    let mut dice = crate::faults::Dice::new("life");
    let mut done = 0;
    for round in 0..12 {
        let victim = Victim::start(place.home(), &drop, &[], &Aim::default());
        std::thread::sleep(dice.time(undisturbed.took));
        victim.kill();
        // Schema, row, step and audit say the same, whatever was cut.
        let truth = "select (select count(*) from pg_namespace where nspname like 'zz\\_dropped%')::text, \
            (select count(*) from pg_namespace where nspname = 'tenant_globex')::text, \
            (select (status = 'deleted')::int::text from public.tenants where slug = 'globex'), \
            (select (count(*) filter (where action = 'drop') - count(*) filter (where action = 'undrop'))::text \
             from tenantui.audit where outcome = 'done' and action in ('drop', 'undrop'))";
        wait_until(Duration::from_secs(20), "the server to end what was cut", || {
            place.db.value("select count(*) from pg_stat_activity where application_name like 'tenantui%' and datname = current_database()") == "0"
        });
        let row = place.db.sql(truth).remove(0);
        let is = |column: usize| row[column].clone().unwrap_or_default();
        let dropped = is(0) == "1";
        let expected = if dropped { ["1", "0", "1", "1"] } else { ["0", "1", "0", "0"] };
        assert_eq!([is(0), is(1), is(2), is(3)], expected, "round {round}");
        // A job that lost its worker goes on when it is asked to, and only then.
        let open = place.db.sql("select id::text from tenantui.job where state in ('queued', 'running', 'paused')");
        if let Some(job) = open.first().and_then(|row| row[0].clone()) {
            place.expect(0, &["worker", "--drain"]);
            let still = format!(
                "select count(*) from tenantui.job where id = {job} and state in ('queued', 'running', 'paused')"
            );
            assert_eq!(place.db.value(&still), "1");
            place.expect(0, &["job", &job, "resume", "--yes"]);
            done += 1;
            place.expect(0, &["undrop", "globex", "--yes"]);
        } else if dropped {
            place.expect(0, &["undrop", "globex", "--yes"]);
        }
        assert_eq!(place.row("globex"), "Globex|suspended");
    }
    println!("{done} jobs were gone on with");
}

#[test]
fn the_kinds_that_change_a_tenant_are_never_gone_on_with_unasked() {
    for kind in LifeKind::ALL {
        assert!(!JobKind::Life(kind).rescues_itself(), "{}", kind.word());
        assert_eq!(JobKind::from_word(kind.word()), Some(JobKind::Life(kind)));
    }
}
