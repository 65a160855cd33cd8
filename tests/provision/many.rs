//! Many tenants in one job: each whole or not at all, whatever becomes of the others.

use std::sync::Arc;
use std::time::Duration;

use tenantui::jobs::service::{NewTenant, ProvisionOrder, siblings};
use tenantui::jobs::worker::Stop;
use tenantui::migrations::seed;
use tenantui::model::job::{JobEvent, JobState, Outcome};
use tenantui::model::tenant::{Tenant, TenantState};

use super::{assert_nothing, order, provision, refused, tenant};
use crate::jobs::Fleet;
use crate::support::{pg, wait_until_async};

fn many(fleet: &Fleet, count: usize) -> ProvisionOrder {
    let tenants = (0..count).map(|number| tenant(&format!("new-{number:02}"))).collect();
    ProvisionOrder { tenants, ..provision(fleet, "x") }
}

/// Row, schema, ledger and table of each.
fn made(fleet: &Fleet) -> String {
    fleet.db.value(
        "select count(*) from public.tenants t join pg_namespace n on n.nspname = t.schema_name \
         where t.slug like 'new-%' and to_regclass(format('%I.one', t.schema_name)) is not null \
         and to_regclass(format('%I.schema_migrations', t.schema_name)) is not null",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tenants_are_made_side_by_side() {
    let fleet = Fleet::new("many", 1).await;
    fleet.file(1, "one", "create table one (id int)");
    fleet.file(2, "two", "create table two (id int)");
    let job = order(&fleet, many(&fleet, 24)).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.total, view.done, view.what.raw()), (JobState::Done, 24, 24, "24 tenants"));
    assert_eq!((made(&fleet), view.steps), ("24".into(), (120, 120)));
    // What one tenant tells step by step, many do not.
    let lines = events.iter().filter(|event| matches!(event, JobEvent::Log(_))).count();
    assert!(lines < 40, "{lines} lines");
    let keys = "select count(distinct tenant_key) || ' ' || count(distinct schema_oid) from tenantui.step";
    assert_eq!(fleet.db.value(keys), "24 24", "each has its own identity");
    let audit = "select count(*) from tenantui.audit where action = 'provision' and outcome = 'done'";
    assert_eq!(fleet.db.value(audit), "24");
    // One at a time.
    let live = order(&fleet, ProvisionOrder { tenants: vec![tenant("p"), tenant("q")], ..provision(&fleet, "x") })
        .await
        .expect("ordered");
    let second = ProvisionOrder { tenants: vec![tenant("r"), tenant("s")], ..provision(&fleet, "x") };
    let busy = order(&fleet, second).await.expect_err("busy").to_string();
    assert!(busy.contains(&format!("job {live}")), "{busy}");
}

/// A job is new to the server's statistics: it thinks that there is a step of it or none, and may go through all of them for
/// each tenant. What is read by the key of the steps grows with them, and not with their square.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_costs_no_more_in_a_larger_job() {
    let fleet = Fleet::new("many", 0).await;
    let before = order(&fleet, provision(&fleet, "before")).await.expect("ordered");
    assert_eq!(fleet.run(before, false).await.0.expect("run").state, JobState::Done);
    // Enough rows that it is worth while to look them up.
    fleet.db.sql(
        "insert into tenantui.step (job_id, seq, action, slug, schema_name, state) select 1, n, 'row', 's' || n, 's' || n, 'done' \
         from generate_series(1000, 9000) as n",
    );
    fleet.db.sql("analyze tenantui.step");
    let read = || -> i64 {
        let sql = "select idx_tup_read from pg_stat_user_indexes where indexrelname = 'step_pkey'";
        fleet.db.value(sql).parse().expect("a number")
    };
    let at_first = read();
    let job = order(&fleet, many(&fleet, 90)).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done), (JobState::Done, 90));
    let steps = i64::from(view.steps.1);
    // Sessions tell their counts when they end.
    let sessions = "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui%'";
    wait_until_async(Duration::from_secs(10), "the end of the sessions", async || fleet.db.value(sessions) == "0")
        .await;
    let each = (read() - at_first) / steps;
    assert!(each < 30, "{each} steps were read for each of {steps}");
}

#[tokio::test]
async fn one_that_fails_leaves_nothing_and_the_others_go_on() {
    let fleet = Fleet::new("many", 0).await;
    fleet.file(1, "one", "create table one (id int)");
    let job = order(&fleet, many(&fleet, 6)).await.expect("ordered");
    // Between order and run somebody takes two of the names.
    fleet.db.sql("create schema tenant_new_01; create schema tenant_new_04");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Failed, 4, 2));
    assert_eq!(made(&fleet), "4");
    let outcomes = fleet.outcomes(job).await;
    let failure = outcomes["new-01"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("tenant_new_01"), "{failure:?}");
    fleet.db.sql("drop schema tenant_new_01; drop schema tenant_new_04");
    let view = fleet.run(job, true).await.0.expect("retried");
    assert_eq!((view.state, view.done, made(&fleet)), (JobState::Done, 6, "6".into()));
    // Too many failures stop what is left, and a resume goes on with it.
    let mut wanted = many(&fleet, 0);
    wanted.tenants = (0..8).map(|number| tenant(&format!("late-{number}"))).collect();
    let mut config = fleet.config.clone();
    config.jobs.max_failures = 2;
    config.jobs.parallel = 1;
    let strict = Fleet { config, ..fleet };
    let job = order(&strict, wanted).await.expect("ordered");
    strict.db.sql("create schema tenant_late_0; create schema tenant_late_1");
    let view = strict.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed, view.pending), (JobState::Paused, 2, 6), "{:?}", view.reason);
    let view = strict.run(job, false).await.0.expect("resumed");
    assert_eq!((view.state, view.failed, view.done), (JobState::Failed, 2, 6));
}

/// All names are looked at when the job begins; behind each tenant's lock, those that came or went since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_comes_while_the_job_runs_is_heeded_and_one_that_goes_is_free() {
    let fleet = Fleet::new("many", 0).await;
    fleet.db.sql("create table public.gate ()");
    fleet.file(1, "one", "create table one (id int);\n--;;\nselect count(*) from public.gate");
    let mut config = fleet.config.clone();
    (config.jobs.parallel, config.jobs.max_failures) = (1, 9);
    let fleet = Fleet { config, ..fleet };
    let job = order(&fleet, many(&fleet, 5)).await.expect("ordered");
    fleet.db.sql("create schema tenant_new_03; create schema tenant_new_04");
    let gate = fleet.db.connect().await;
    gate.batch_execute("begin; lock table public.gate in access exclusive mode").await.expect("locked");
    let run = fleet.start(job);
    let waits = "select count(*) from pg_locks where not granted and relation = 'public.gate'::regclass";
    wait_until_async(Duration::from_secs(20), "the first tenant at the gate", || async {
        fleet.db.value(waits) == "1"
    })
    .await;
    fleet.db.sql(
        "insert into public.tenants (id, slug, name, schema_name, created_at) values ('9', 'New_01', 'x', 'elsewhere', now()); \
         create schema \"tenant_NEW_02\"; drop schema tenant_new_03",
    );
    gate.batch_execute("rollback").await.expect("opened");
    let view = run.end().await.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Failed, 2, 3));
    let outcomes = fleet.outcomes(job).await;
    for (slug, words) in [
        ("new-01", "the key \"new-01\" is too like \"New_01\""),
        ("new-02", "the schema \"tenant_new_02\" is too like \"tenant_NEW_02\""),
        ("new-04", "the schema \"tenant_new_04\" exists already"),
    ] {
        let failure = outcomes[slug].failure.clone().expect("a failure");
        assert!(failure.message.raw().contains(words), "{slug}: {failure:?}");
    }
}

/// A registry that can be written and is no table: its rows do not say which transaction wrote them.
#[tokio::test]
async fn a_registry_that_is_a_view_is_looked_at_as_a_whole() {
    let fleet = Fleet::new("many", 0).await;
    fleet.db.sql(
        "alter table public.tenants rename to customers; create view public.tenants as select * from public.customers",
    );
    let job = order(&fleet, many(&fleet, 3)).await.expect("ordered");
    fleet.db.sql("insert into public.customers (id, slug, name, schema_name, created_at) values ('9', 'NEW-01', 'x', 'elsewhere', now())");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.failed), (JobState::Failed, 2, 1));
    let failure = fleet.outcomes(job).await["new-01"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("too like \"NEW-01\""), "{failure:?}");
}

/// A run that is killed leaves whole tenants and nothing else, and the next one makes the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopped_run_left_is_made_by_the_next() {
    let fleet = Fleet::new("many", 0).await;
    fleet.file(1, "one", "create table one (id int);\n--;;\nselect pg_sleep(0.05)");
    let job = order(&fleet, many(&fleet, 20)).await.expect("ordered");
    let run = fleet.start(job);
    wait_until_async(Duration::from_secs(20), "some tenants", || async {
        made(&fleet).parse::<u32>().unwrap_or(0) >= 3
    })
    .await;
    run.stop.send_replace(Stop::Now);
    let view = run.end().await.expect("paused");
    assert_eq!(view.state, JobState::Paused);
    let whole = made(&fleet);
    assert_eq!(fleet.db.value("select count(*) from pg_namespace where nspname like 'tenant\\_new%'"), whole);
    assert_eq!(fleet.db.value("select count(*) from public.tenants"), whole);
    assert!(view.done >= 3 && view.done < 20, "{view:?}");
    let view = fleet.run(job, false).await.0.expect("resumed");
    assert_eq!((view.state, view.done, made(&fleet)), (JobState::Done, 20, "20".into()));
}

#[tokio::test]
async fn numbers_that_count_up_are_given_one_after_the_other() {
    let fleet = super::with_registry("create table public.tenants (id bigint primary key, slug text not null)", {
        let mut columns = crate::jobs::columns();
        columns.id = columns.id.map(|id| tenantui::layout::Column { type_name: "bigint".into(), ..id });
        columns.name = None;
        columns.schema_name = None;
        columns.status = None;
        columns.settings = None;
        columns.created_at = None;
        columns.updated_at = None;
        columns.deleted_at = None;
        columns
    })
    .await;
    let job = order(&fleet, many(&fleet, 8)).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select string_agg(id::text, ',' order by id) from public.tenants"), "1,2,3,4,5,6,7,8");
}

#[tokio::test]
async fn settings_and_plans_are_written_as_they_were_given() {
    let fleet = Fleet::new("many", 0).await;
    let with = |slug: &str, settings: &str| {
        let tenant = NewTenant { settings: Some(settings.to_owned()), ..tenant(slug) };
        ProvisionOrder { tenants: vec![tenant], ..provision(&fleet, slug) }
    };
    let job = order(&fleet, with("acme", "{\"limits\": {\"max-users\": 5}, \"it's\": 1}")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    let settings = "select settings::jsonb->'limits'->>'max-users' || (settings::jsonb->>'it''s') from public.tenants";
    assert_eq!(fleet.db.value(settings), "51");
    for wrong in ["[1]", "{", "7"] {
        assert!(refused(&fleet, with("beta", wrong)).await.contains("settings"), "{wrong}");
    }
    fleet.db.sql("alter table public.tenants drop column settings; alter table public.tenants add column settings int");
    let mut columns = crate::jobs::columns();
    columns.settings =
        columns.settings.map(|column| tenantui::layout::Column { type_name: "integer".into(), ..column });
    let layout = super::relayout(&fleet, columns);
    let words = refused(&fleet, ProvisionOrder { layout, ..with("beta", "{}") }).await;
    assert!(words.contains("integer"), "{words}");
}

#[tokio::test]
async fn the_seed_is_part_of_the_transaction_and_stays_what_was_confirmed() {
    let fleet = Fleet::new("many", 0).await;
    fleet.file(1, "one", "create table one (id int primary key)");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seed.sql");
    let with = |sql: &str, slug: &str| {
        std::fs::write(&path, sql).expect("written");
        let seed = Some(Arc::new(seed::read(&path).expect("a seed")));
        ProvisionOrder { seed, ..provision(&fleet, slug) }
    };
    let job =
        order(&fleet, with("insert into one values (1);\ninsert into one values (2);", "acme")).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select count(*) from tenant_acme.one"), "2");
    assert!(format!("{events:?}").contains("run the seed"));
    // What fails there undoes the tenant, and says the line.
    let job =
        order(&fleet, with("insert into one values (1);\ninsert into one values (1);", "beta")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    assert_nothing(&fleet, "beta");
    let failure = fleet.outcomes(job).await["beta"].failure.clone().expect("a failure");
    assert_eq!(failure.sqlstate.as_deref(), Some("23505"));
    // Other bytes than those that were confirmed do not run.
    std::fs::write(&path, "drop table one").expect("written");
    let words = fleet.run(job, true).await.0.expect_err("refused").to_string();
    assert!(words.contains("seed.sql changed since the job was ordered"), "{words}");
    // What leaves its schema by what it executes is caught.
    let job = order(&fleet, with("do $$ begin execute 'se' || 't search_path = public'; end $$", "gamma"))
        .await
        .expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    assert_nothing(&fleet, "gamma");
}

#[tokio::test]
async fn new_tenants_are_compared_with_their_siblings() {
    let fleet = Fleet::new("many", 0).await;
    fleet.file(1, "one", "create table one (id int primary key, label text not null)");
    for slug in ["old-a", "old-b", "drifted"] {
        let job = order(&fleet, provision(&fleet, slug)).await.expect("ordered");
        assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    }
    fleet.db.sql("alter table tenant_drifted.one add column by_hand int");
    let folder = fleet.read_folder();
    let standing: Vec<Arc<Tenant>> = fleet
        .tenants()
        .into_iter()
        .map(|tenant| Arc::new(Tenant { state: TenantState::Ok, ..(*tenant).clone() }))
        .collect();
    let found = siblings(&standing, &fleet.name(), Some(&folder));
    assert_eq!(found.len(), 3, "{found:?}");
    let with = |slug: &str| ProvisionOrder { siblings: found.clone(), ..provision(&fleet, slug) };
    let job = order(&fleet, with("same")).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done);
    assert!(format!("{events:?}").contains("structure compared with old-a: the same"), "{events:?}");
    assert!(!format!("{events:?}").contains("may use"), "{events:?}");
    // An application's role that may use all of them, and a tenant's own.
    let (app, own) = (pg().role("app"), pg().role("own"));
    fleet.db.sql(&format!(
        "grant usage on schema tenant_old_a, tenant_old_b, tenant_drifted to {app}; grant usage on schema tenant_old_a to {own}"
    ));
    let job = order(&fleet, with("unseen")).await.expect("ordered");
    let told = format!("{:?}", fleet.run(job, false).await.1);
    assert!(told.contains(&format!("{app} may use the schemas of most siblings and not the new one")), "{told}");
    assert!(!told.contains(&own), "{told}");
    // The same ledger, and not the same structure: a file was changed after it was applied.
    fleet.file(1, "one", "create table one (id int primary key, label text)");
    let job = order(&fleet, with("other")).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed), (JobState::Done, 0), "it fails nothing");
    let outcome = &fleet.outcomes(job).await["other"];
    assert_eq!(outcome.outcome, Outcome::Done);
    let note = outcome.note.as_ref().expect("a note").raw().to_owned();
    assert!(note.contains("structure differs from old-a: column one.label differs"), "{note}");
}

/// Nothing of a new tenant is like its siblings' where there are no files, and yet the application has to find it.
#[tokio::test]
async fn who_may_not_use_a_new_tenant_is_told_without_files_too() {
    let fleet = Fleet::new("many", 3).await;
    let app = pg().role("app");
    let tenants = fleet.tenants();
    let found = siblings(&tenants, &fleet.name(), None);
    assert_eq!(found.len(), 3, "{found:?}");
    let empty = |slug: &str| ProvisionOrder { folder: None, siblings: found.clone(), ..provision(&fleet, slug) };
    let run = async |slug: &str| {
        let job = order(&fleet, empty(slug)).await.expect("ordered");
        let (view, events) = fleet.run(job, false).await;
        assert_eq!(view.expect("run").state, JobState::Done);
        format!("{events:?}")
    };
    let told = run("alone").await;
    assert!(!told.contains("may use") && !told.contains("structure"), "{told}");
    for schema in tenants.iter().filter_map(|tenant| tenant.schema.as_ref()) {
        let schema = schema.raw();
        fleet.db.sql(&format!(
            "grant usage on schema {schema} to {app}; alter default privileges in schema {schema} grant select on tables to {app}"
        ));
    }
    let told = run("unseen").await;
    let words = format!("{app} may use the schemas of most siblings and not the new one: GRANT USAGE ON SCHEMA");
    assert!(told.contains(&words) && told.contains("ALTER DEFAULT PRIVILEGES IN SCHEMA"), "{told}");
    assert!(!told.contains("structure"), "{told}");
}
