//! The collector: one current picture of all tenants, cheap things first, undisturbed by what fails beside it.

mod rights;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tempfile::TempDir;
use tenantui::config::surroundings::Surroundings;
use tenantui::config::{self, Database};
use tenantui::fleet::{self, Fleet, FleetCommand, FleetError, ReadOptions};
use tenantui::jobs::orders;
use tenantui::jobs::service::{MigrateOrder, Order};
use tenantui::jobs::worker::{self, RunOptions};
use tenantui::migrations::plan::{PlanOptions, plan};
use tenantui::model::environment::Environment;
use tenantui::model::filter::{Filter, Selection};
use tenantui::model::fleet::{CacheView, Snapshot};
use tenantui::model::link::LinkState;
use tenantui::model::tenant::{TableDetail, Tenant, TenantKey, TenantState};
use tenantui::postgres::session::Target;

use crate::support::proxy::{Proxy, Verdict};
use crate::support::{TestDatabase, own_pg, pg, redis, tcp};

const LIMIT: Duration = Duration::from_secs(30);

/// Boundary's registry, and tenants in every state that this version can see.
const FLEET: &str = "
create table public.tenants (id varchar(36) primary key, slug varchar(100), name varchar(255), schema_name varchar(100),
  status varchar(50), created_at timestamptz, deleted_at timestamptz);
create table public.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024));
insert into public.schema_migrations values (20240101000000, now(), 'shared');
create procedure public.make(slug text, variadic versions bigint[]) language plpgsql as $$
declare s text := 'tenant_' || replace(slug, '-', '_');
begin
  execute format('create schema %I', s);
  execute format('create table %I.notes (id int primary key, body text)', s);
  execute format('create table %I.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))', s);
  execute format('insert into %I.schema_migrations select v, now(), ''x'' from unnest($1) v', s) using versions;
  insert into public.tenants values (slug, slug, initcap(slug), s, 'active', '2024-05-06 07:08:09+00');
end $$;
call public.make('acme', 20250101000000, 20250102000000);
call public.make('beta', 20250101000000);
call public.make('gap', 20250102000000);
call public.make('future', 20250101000000, 20250102000000, 20990101000000);
call public.make('stuck', 20250101000000, -1);
create schema tenant_fresh; insert into public.tenants values ('fresh', 'fresh', 'Fresh', 'tenant_fresh', 'suspended', now());
insert into public.tenants values ('gone', 'gone', 'Gone', 'tenant_gone', 'active', now());
create schema tenant_orphan; create table tenant_orphan.left_behind (id int);
insert into public.tenants values ('twin-a', 'twin-a', 'A', 'tenant_twin', 'active', now()),
  ('twin-b', 'twin-b', 'B', 'tenant_twin', 'active', now());
create schema tenant_twin;
create schema tenant_odd; create table tenant_odd.schema_migrations (what text, ever text);
insert into public.tenants values ('odd', 'odd', 'Odd', 'tenant_odd', 'active', now());
";

struct Home {
    database: TestDatabase,
    folder: TempDir,
}

fn home(name: &str) -> Home {
    let database = pg().database(name);
    database.sql(FLEET);
    let folder = tempfile::tempdir().expect("a folder");
    for (version, file) in [("20250101000000", "one"), ("20250102000000", "two")] {
        std::fs::write(folder.path().join(format!("{version}-{file}.up.sql")), "select 1").expect("a file");
    }
    Home { database, folder }
}

fn config(home: &Home, url: String) -> Database {
    let mut config = Database::new("fleet".into(), Environment::Development, SecretString::from(url));
    config.migrations.path = Some(home.folder.path().to_owned());
    config
}

fn target(config: Database) -> Target {
    Target::resolve(Arc::new(config), &Surroundings::fixed::<String, String>([])).expect("a target")
}

fn of<'s>(snapshot: &'s Snapshot, slug: &str) -> &'s Tenant {
    snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == slug).unwrap_or_else(|| panic!("{slug} is not listed"))
}

/// Waits for a picture.
async fn until(fleet: &mut Fleet, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let wait = fleet.snapshots.wait_for(|snapshot| holds(snapshot));
    let found = tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
    Arc::clone(&found.expect("the collector runs"))
}

fn read_whole(snapshot: &Snapshot) -> bool {
    snapshot.databases.iter().all(|database| database.taken_at.is_some())
}

#[tokio::test]
async fn every_tenant_is_in_the_first_state_that_holds() {
    let home = home("fleet_states");
    let url = home.database.url();
    let reading = fleet::read_once(&target(config(&home, url)), &ReadOptions::default()).await.expect("a reading");
    let snapshot = &reading.snapshot;
    let state = |slug: &str| of(snapshot, slug).state;
    assert_eq!(state("acme"), TenantState::Ok);
    assert_eq!(state("beta"), TenantState::Behind);
    assert_eq!(state("gap"), TenantState::Behind, "pending is a set difference, not a comparison of maxima");
    assert_eq!(state("future"), TenantState::Ahead);
    assert_eq!(state("stuck"), TenantState::Locked);
    assert_eq!(state("fresh"), TenantState::NeverMigrated);
    assert_eq!(state("gone"), TenantState::MissingSchema);
    assert_eq!(state("tenant_orphan"), TenantState::OrphanSchema);
    assert_eq!(state("twin-a"), TenantState::Conflict);
    assert_eq!(state("odd"), TenantState::UnknownTool);
    let fresh = of(snapshot, "fresh");
    assert_eq!((fresh.applied, fresh.pending_count(), fresh.version()), (Some(0), Some(2), None));
    let gone = of(snapshot, "gone");
    assert_eq!((gone.applied, gone.tables, gone.size_bytes), (None, None, None), "unknown is none, never 0");
    let acme = of(snapshot, "acme");
    assert_eq!(acme.tables, Some(2));
    assert_eq!(acme.created_at.as_ref().map(|at| at.raw()), Some("2024-05-06T07:08:09Z"));
    assert!(!acme.size_exact && acme.size_bytes.is_some());
    assert_eq!(snapshot.shared[0].version.as_ref().map(|v| v.raw()), Some("20240101000000"));
    assert_eq!(snapshot.databases[0].target.as_ref().map(|v| v.raw()), Some("20250102000000"));
}

#[tokio::test]
async fn without_a_folder_the_reference_is_the_fleet() {
    let home = home("fleet_siblings");
    let mut config = config(&home, home.database.url());
    config.migrations = config::Migrations::default();
    let reading = fleet::read_once(&target(config), &ReadOptions::default()).await.expect("a reading");
    let snapshot = &reading.snapshot;
    assert_eq!(of(snapshot, "acme").state, TenantState::Behind, "a sibling has 2099");
    assert_eq!(of(snapshot, "future").state, TenantState::Ok, "nobody is ahead of a fleet that it belongs to");
    assert_eq!(of(snapshot, "fresh").state, TenantState::NeverMigrated);
    assert_eq!(snapshot.databases[0].files, None);
}

#[tokio::test]
async fn exact_sizes_and_the_open_tenant_are_measured() {
    let home = home("fleet_exact");
    home.database.sql("insert into tenant_acme.notes select n, repeat('x', 100) from generate_series(1, 1000) n");
    let options =
        ReadOptions { exact: Some(Selection::default()), detail_of: Some("acme".to_owned()), ..ReadOptions::default() };
    let reading = fleet::read_once(&target(config(&home, home.database.url())), &options).await.expect("a reading");
    let acme = of(&reading.snapshot, "acme");
    let by_server: u64 = home
        .database
        .value("select sum(pg_total_relation_size(oid))::bigint from pg_class where relkind = 'r' and relnamespace = 'tenant_acme'::regnamespace")
        .parse()
        .expect("a number");
    assert_eq!((acme.size_bytes, acme.size_exact), (Some(by_server), true));
    let detail = reading.snapshot.detail.as_ref().expect("the tenant's detail");
    assert_eq!(detail.total_bytes, Some(by_server));
    assert_eq!(detail.migrations.len(), 2);
    assert_eq!(detail.why.raw(), "up to date");
    // Of a selection nobody else is measured, but who has to be for it to be known who is in it.
    let measured = async |filter: &str| {
        let filter = Some(Filter::parse(filter).expect("a filter"));
        let options =
            ReadOptions { exact: Some(Selection { filter, ..Selection::default() }), ..ReadOptions::default() };
        let reading = fleet::read_once(&target(config(&home, home.database.url())), &options).await.expect("a reading");
        let exact = reading.snapshot.tenants.iter().filter(|tenant| tenant.size_exact).count();
        (exact, of(&reading.snapshot, "acme").size_exact)
    };
    assert_eq!(measured("acme").await, (1, true));
    assert!(measured("size<1kB").await.0 > 1);
}

#[tokio::test]
async fn a_role_without_privileges_sees_what_it_may_and_which_grant_would_help() {
    let home = home("fleet_role");
    let role = pg().role("fleet_reader");
    home.database.sql(&format!(
        "grant select on public.tenants to {role}; grant usage on schema tenant_acme to {role}; \
         grant select on all tables in schema tenant_acme to {role}"
    ));
    let url = home.database.url_as(&role);
    let reading = fleet::read_once(&target(config(&home, url)), &ReadOptions::default()).await.expect("a reading");
    assert_eq!(of(&reading.snapshot, "acme").state, TenantState::Ok);
    let beta = of(&reading.snapshot, "beta");
    assert_eq!(beta.state, TenantState::NoAccess);
    let problems: Vec<&str> = beta.problems.iter().map(|problem| problem.raw()).collect();
    assert!(problems.iter().any(|problem| problem.contains("GRANT USAGE ON SCHEMA \"tenant_beta\"")), "{problems:?}");
    assert!(beta.size_bytes.is_some(), "estimates come from the catalog and need no grant");
}

#[tokio::test]
async fn a_change_shows_and_an_unchanged_tenant_stays_the_same_object() {
    let home = home("fleet_changes");
    let mut fleet = fleet::spawn(vec![target(config(&home, home.database.url()))], Duration::from_millis(200));
    let first = until(&mut fleet, "the first picture", read_whole).await;
    assert!(matches!(first.databases[0].link, LinkState::Up { .. }), "{:?}", first.databases[0].link);
    home.database.sql("insert into tenant_beta.schema_migrations values (20250102000000, now(), 'two')");
    let key = of(&first, "beta").key.clone();
    fleet.commands.send(FleetCommand::Changed(vec![key])).await.expect("the collector runs");
    let before = of(&first, "beta").state;
    let next = until(&mut fleet, "beta to be up to date", |s| {
        let state = of(s, "beta").state;
        // What is read again is shown as it was until then: a list by state does not lose it for a moment.
        assert!(state == before || state == TenantState::Ok, "{state:?}");
        state == TenantState::Ok
    })
    .await;
    let object = |snapshot: &Snapshot| {
        snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == "acme").map(Arc::clone).expect("acme")
    };
    assert!(Arc::ptr_eq(&object(&first), &object(&next)), "acme did not change");
    // What nobody told is found by the statistics, or at the latest when everything is read again.
    home.database.sql("delete from tenant_acme.schema_migrations where id = 20250102000000");
    fleet.commands.send(FleetCommand::Refresh).await.expect("the collector runs");
    until(&mut fleet, "acme to be behind", |s| of(s, "acme").state == TenantState::Behind).await;
    home.database.sql("insert into public.tenants values ('new', 'new', 'New', 'tenant_new', 'active', now())");
    until(&mut fleet, "the new row", |s| s.tenants.iter().any(|tenant| tenant.slug.raw() == "new")).await;
}

#[tokio::test]
async fn the_open_tenant_is_read_and_another_takes_its_place() {
    let home = home("fleet_open");
    let mut fleet = fleet::spawn(vec![target(config(&home, home.database.url()))], Duration::from_secs(60));
    let first = until(&mut fleet, "the first picture", read_whole).await;
    for slug in ["acme", "future"] {
        let key: TenantKey = of(&first, slug).key.clone();
        fleet.commands.send(FleetCommand::Open(key.clone())).await.expect("the collector runs");
        let open = until(&mut fleet, "the detail", |s| s.detail.as_ref().is_some_and(|detail| detail.key == key)).await;
        let detail = open.detail.as_ref().expect("a detail");
        assert_eq!(detail.tables.len(), 2);
        assert!(detail.total_bytes.is_some());
    }
    fleet.commands.send(FleetCommand::Close).await.expect("the collector runs");
    until(&mut fleet, "the detail to go", |s| s.detail.is_none()).await;
}

/// Of more tables than a glance has time for, the rest is measured step by step when somebody asks, and shown as it comes.
#[tokio::test(flavor = "multi_thread")]
async fn many_tables_of_the_open_tenant_are_measured_to_the_end_when_somebody_asks() {
    let handle = own_pg(tcp());
    let database = handle.database("fleet_many");
    database.sql(FLEET);
    database.sql(
        "do $$ begin for n in 1..500 loop execute format('create table tenant_acme.t%s(id int)', n); end loop; end $$",
    );
    let proxy = Proxy::new(database.port);
    let home = Home { database, folder: tempfile::tempdir().expect("a folder") };
    let url = home.database.url().replace(&format!(":{}/", home.database.port), &format!(":{}/", proxy.port()));
    let mut fleet = fleet::spawn(vec![target(config(&home, url))], Duration::from_secs(60));
    let first = until(&mut fleet, "the first picture", read_whole).await;
    proxy.watch(|message| {
        if message.text.contains("pg_table_size") {
            std::thread::sleep(Duration::from_millis(450));
        }
        Verdict::Pass
    });
    fleet.commands.send(FleetCommand::Open(of(&first, "acme").key.clone())).await.expect("the collector runs");
    let glance = until(&mut fleet, "the detail", |s| s.detail.is_some()).await;
    let glance = glance.detail.as_ref().expect("a detail");
    assert_eq!((glance.tables.len(), glance.unmeasured.locked), (502, 0));
    assert!((50..400).contains(&glance.unmeasured.no_time), "{:?}", glance.unmeasured);
    fleet.commands.send(FleetCommand::Refresh).await.expect("the collector runs");
    let fewer = |s: &Snapshot| s.detail.as_ref().is_some_and(|now| now.unmeasured.no_time < glance.unmeasured.no_time);
    until(&mut fleet, "more of them", fewer).await;
    let whole = |s: &Snapshot| s.detail.as_ref().is_some_and(|now| now.unmeasured.is_none());
    let whole = until(&mut fleet, "all of them", whole).await;
    let measured = |table: &TableDetail| table.total_bytes.is_some();
    assert!(whole.detail.as_ref().expect("a detail").tables.iter().all(measured));
}

#[tokio::test]
async fn a_lost_link_keeps_the_picture_and_comes_back() {
    let handle = own_pg(tcp());
    let database = handle.database("fleet_link");
    database.sql(FLEET);
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home { database, folder };
    let mut fleet = fleet::spawn(vec![target(config(&home, home.database.url()))], Duration::from_millis(200));
    let before = until(&mut fleet, "the first picture", read_whole).await;
    let mut server = handle.server;
    server.stop(true);
    let lost = until(&mut fleet, "the loss", |s| matches!(s.databases[0].link, LinkState::Lost { .. })).await;
    assert_eq!(lost.tenants.len(), before.tenants.len(), "what was known stays");
    server.start_again(&handle.home).expect("a start");
    fleet.commands.send(FleetCommand::Refresh).await.expect("the collector runs");
    until(&mut fleet, "the link", |s| matches!(s.databases[0].link, LinkState::Up { .. })).await;
}

#[tokio::test]
async fn one_database_that_is_down_does_not_disturb_another() {
    let home = home("fleet_two");
    let mut down = config(&home, "postgresql://nobody@127.0.0.1:1/none".to_owned());
    down.name = "down".into();
    let targets = vec![target(down), target(config(&home, home.database.url()))];
    let mut fleet = fleet::spawn(targets, Duration::from_millis(500));
    let picture = until(&mut fleet, "the one that is up", |s| s.databases[1].taken_at.is_some()).await;
    assert_eq!(of(&picture, "acme").state, TenantState::Ok);
    assert!(!picture.databases[0].link.is_up());
}

#[tokio::test]
async fn no_tenants_table_is_an_error_that_says_what_was_tried() {
    let database = pg().database("fleet_none");
    let home = Home { database, folder: tempfile::tempdir().expect("a folder") };
    let error = fleet::read_once(&target(config(&home, home.database.url())), &ReadOptions::default()).await;
    let Err(FleetError::Unusable(why)) = error else { panic!("no layout fits an empty database") };
    assert!(why.raw().contains("boundary") && why.raw().contains("[database.tenants]"), "{}", why.raw());
}

#[tokio::test]
async fn cache_keys_are_counted_and_a_dead_cache_disturbs_nothing() {
    let home = home("fleet_cache");
    let cache = redis().database();
    let client = redis::Client::open(cache.as_str()).expect("a client");
    let mut connection = client.get_connection().expect("a connection");
    for key in ["tenant:acme:a", "tenant:acme:b", "tenant:beta:a", "other"] {
        redis::cmd("SET").arg(key).arg(1).exec(&mut connection).expect("a key");
    }
    let with = |url: String| {
        let mut config = config(&home, home.database.url());
        config.cache = Some(config::Cache {
            keys: vec!["tenant:{slug}:*".to_owned()],
            ..config::Cache::new(SecretString::from(url))
        });
        target(config)
    };
    let options = ReadOptions { cache: true, ..ReadOptions::default() };
    let reading = fleet::read_once(&with(cache), &options).await.expect("a reading");
    assert_eq!(of(&reading.snapshot, "acme").cache_keys, Some(2));
    assert_eq!(of(&reading.snapshot, "future").cache_keys, Some(0));
    let mut fleet = fleet::spawn(vec![with("redis://127.0.0.1:1/0".to_owned())], Duration::from_secs(60));
    let failed = until(&mut fleet, "the cache's failure", |s| {
        read_whole(s) && matches!(s.databases[0].cache, CacheView::Failed { .. })
    })
    .await;
    assert_eq!(of(&failed, "acme").state, TenantState::Ok);
    assert_eq!(of(&failed, "acme").cache_keys, None);
}

#[tokio::test]
async fn a_file_that_changed_after_tenantui_applied_it_is_seen_and_keeps_the_tenant_out_of_plans() {
    let home = home("fleet_changed_file");
    let target = target(config(&home, home.database.url()));
    tenantui::jobs::init::run(&target).await.expect("init");
    let ordered = |snapshot: &Snapshot, context: &fleet::JobContext| {
        let tenants: Vec<Arc<Tenant>> =
            snapshot.tenants.iter().filter(|tenant| tenant.slug.raw() == "beta").map(Arc::clone).collect();
        let folder = context.folder.as_ref().expect("a folder");
        plan(&context.database, &tenants, folder, PlanOptions::from(&*target.config)).expect("a plan")
    };
    let reading = fleet::read_once(&target, &ReadOptions::default()).await.expect("a reading");
    let order = Order::Migrate(MigrateOrder {
        plan: Arc::new(ordered(&reading.snapshot, &reading.context)),
        layout: Arc::clone(&reading.context.layout),
        wait_after_canary: false,
    });
    let job = orders::order(&target, &order, uuid::Uuid::new_v4()).await.expect("an order");
    let (events, mut told) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move { while told.recv().await.is_some() {} });
    let (_stop, stop) = tokio::sync::watch::channel(worker::Stop::GoOn);
    let options =
        RunOptions { wait_after_canary: false, parallel: None, shows_credentials: true, ordered_here: false, stop };
    worker::run(&target, job, false, options, events).await.expect("a run");

    std::fs::write(home.folder.path().join("20250102000000-two.up.sql"), "select 2").expect("a change");
    std::fs::write(home.folder.path().join("20250103000000-three.up.sql"), "select 3").expect("a file");
    let options = ReadOptions { detail_of: Some("beta".to_owned()), ..ReadOptions::default() };
    let reading = fleet::read_once(&target, &options).await.expect("a reading");
    let plan = ordered(&reading.snapshot, &reading.context);
    assert!(plan.tenants.is_empty(), "{plan:?}");
    assert!(plan.left_out[0].why.raw().contains("--accept-changed 20250102000000"), "{:?}", plan.left_out);
    let detail = reading.snapshot.detail.as_ref().expect("a detail");
    let checked: Vec<Option<bool>> = detail.migrations.iter().map(|migration| migration.checksum_ok).collect();
    assert_eq!(checked, [None, Some(false), None], "applied by others, by tenantui, pending");
}
