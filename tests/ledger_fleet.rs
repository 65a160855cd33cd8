//! Ledgers of all kinds as the fleet shows them: with nothing configured but the folder, with renamed tables, with one
//! ledger for the whole database, and while a tool holds its lock.

use std::path::PathBuf;
use std::sync::Arc;

use tenantui::config::surroundings::Surroundings;
use tenantui::config::{Database, LedgerTable};
use tenantui::fleet::{self, ReadOptions, Reading};
use tenantui::migrations::dialects::{LockPlace, ToolLock, dialect};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::model::ident::{Ident, SchemaName};
use tenantui::model::ledger::{LedgerState, Tool};
use tenantui::model::tenant::{Tenant, TenantState};
use tenantui::postgres::session::Target;

use crate::ledgers::{fixture, loaded};
use crate::support::{TestDatabase, pg};

async fn reading(database: &TestDatabase, folder: Option<PathBuf>, edit: impl FnOnce(&mut Database)) -> Reading {
    reading_as(&database.url(), folder, edit).await
}

async fn reading_as(url: &str, folder: Option<PathBuf>, edit: impl FnOnce(&mut Database)) -> Reading {
    let mut config = Database::new("test".into(), Environment::Development, url.to_owned().into());
    config.migrations.path = folder;
    edit(&mut config);
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let options = ReadOptions { detail_of: Some("acme".to_owned()), ..ReadOptions::default() };
    fleet::read_once(&target, &options).await.expect("a reading")
}

fn of<'s>(snapshot: &'s Snapshot, schema: &str) -> &'s Tenant {
    let has = |tenant: &&Arc<Tenant>| tenant.schema.as_ref().is_some_and(|name| name.raw() == schema);
    snapshot.tenants.iter().find(has).expect("a tenant")
}

/// State, version, applied, pending.
type Line = (TenantState, Option<String>, Option<u32>, Option<usize>);

fn line(snapshot: &Snapshot, schema: &str) -> Line {
    let tenant = of(snapshot, schema);
    let version = tenant.version().map(|version| version.raw().to_owned());
    (tenant.state, version, tenant.applied, tenant.pending_count())
}

fn at(state: TenantState, version: &str, applied: u32, pending: usize) -> Line {
    (state, Some(version.to_owned()), Some(applied), Some(pending))
}

#[tokio::test]
async fn a_fleet_needs_no_more_than_the_folder() {
    for (name, current, behind) in [
        ("knex", "20250103120000_create_orders.js", "20250102120000_create_products.js"),
        ("alembic", "0e2f4a6c8b90", "5b7d9f1a2c34"),
        ("rails", "20250103120000", "20250102120000"),
        ("ecto", "20250103120000", "20250102120000"),
        ("sequelize", "20250103120000-create-orders.js", "20250102120000-create-products.js"),
        ("typeorm", "CreateOrders1735905600000", "CreateProducts1735819200000"),
        ("yoyo", "20250103_01_create_orders", "20250102_01_create_products"),
        ("liquibase", "create-orders", "create-products"),
        ("drizzle-own", "0002_create_orders", "0001_create_products"),
        ("django-tenants", "0003_create_orders", "0002_create_products"),
    ] {
        let database = loaded(name).await;
        let found = reading(&database, Some(fixture(name).join("migrations")), |_| ()).await;
        let snapshot = &found.snapshot;
        assert_eq!(snapshot.databases[0].error, None, "{name}");
        assert_eq!(line(snapshot, "tenant_acme"), at(TenantState::Ok, current, 3, 0), "{name}");
        assert_eq!(line(snapshot, "tenant_globex"), at(TenantState::Behind, behind, 2, 1), "{name}");
        assert_eq!(line(snapshot, "tenant_initech"), (TenantState::NeverMigrated, None, Some(0), Some(3)), "{name}");
        if matches!(name, "knex" | "yoyo" | "liquibase") {
            assert_eq!(line(snapshot, "tenant_umbrella"), at(TenantState::Locked, behind, 2, 1), "{name}");
        }
    }
}

#[tokio::test]
async fn without_a_folder_the_siblings_tell_and_heads_do_not() {
    let knex = loaded("knex").await;
    let found = reading(&knex, None, |_| ()).await;
    let behind = at(TenantState::Behind, "20250102120000_create_products.js", 2, 1);
    assert_eq!(line(&found.snapshot, "tenant_globex"), behind);
    let alembic = loaded("alembic").await;
    let found = reading(&alembic, None, |_| ()).await;
    let globex = of(&found.snapshot, "tenant_globex");
    assert_eq!((globex.state, globex.applied, globex.pending_count()), (TenantState::Unknown, None, None));
    assert!(globex.problems.iter().any(|problem| problem.raw().contains("set path")), "{:?}", globex.problems);
}

#[tokio::test]
async fn of_django_the_apps_that_are_asked_for_count_and_both_ledgers_are_read() {
    let database = loaded("django-tenants").await;
    let folder = fixture("django-tenants").join("migrations");
    let flat = reading(&database, Some(folder.join("shop")), |_| ()).await;
    assert_eq!(line(&flat.snapshot, "tenant_globex"), at(TenantState::Behind, "0002_create_products", 2, 1));
    let two = reading(&database, Some(folder.clone()), |config| {
        config.migrations.apps = Some(vec!["shop".into(), "customers".into()]);
    })
    .await;
    assert_eq!(line(&two.snapshot, "tenant_globex"), at(TenantState::Behind, "shop.0002_create_products", 3, 1));
    assert_eq!(line(&two.snapshot, "tenant_acme"), at(TenantState::Ok, "shop.0003_create_orders", 4, 0));

    let found = reading(&database, Some(folder.clone()), |config| {
        config.migrations.shared_path = Some(folder.join("customers"));
    })
    .await;
    let shared = &found.snapshot.shared[0];
    let version = shared.version.as_ref().map(|version| version.raw());
    assert_eq!((version, shared.applied, shared.pending), (Some("0001_initial"), Some(1), Some(0)));
    let detail = found.snapshot.detail.as_ref().map(|detail| detail.migrations.len());
    assert!(detail.is_none_or(|count| count == 3), "only what counts: {detail:?}");
}

#[tokio::test]
async fn a_ledger_for_the_whole_database_says_nothing_of_its_tenants() {
    for (name, tool, schema, version, applied, pending) in [
        ("drizzle", Tool::Drizzle, "drizzle", "0001_create_products", 2, 1),
        ("sqitch", Tool::Sqitch, "sqitch", "orders", 3, 1),
    ] {
        let database = loaded(name).await;
        let found = reading(&database, Some(fixture(name).join("migrations")), |_| ()).await;
        let snapshot = &found.snapshot;
        assert_eq!(snapshot.databases[0].tool, Some(tool));
        let acme = of(snapshot, "tenant_acme");
        assert_eq!((acme.state, acme.applied, acme.pending_count()), (TenantState::Unknown, None, None), "{name}");
        assert!(matches!(&acme.ledger, LedgerState::DatabaseWide { tool: of, .. } if *of == tool), "{:?}", acme.ledger);
        assert!(acme.problems[0].raw().contains("whole database"), "{:?}", acme.problems);
        let shared = snapshot.shared.iter().find(|shared| shared.schema.raw() == schema).expect("listed");
        let seen = (shared.version.as_ref().map(|version| version.raw()), shared.applied, shared.pending);
        assert_eq!(seen, (Some(version), Some(applied), Some(pending)), "{name}");
    }
}

#[tokio::test]
async fn a_registry_of_its_own_is_the_tenants_and_a_failed_change_is_dirty() {
    let database = loaded("sqitch-own").await;
    let found = reading(&database, Some(fixture("sqitch-own").join("migrations")), |_| ()).await;
    assert_eq!(line(&found.snapshot, "tenant_acme"), at(TenantState::Ok, "users", 4, 0));
    assert_eq!(line(&found.snapshot, "tenant_globex"), at(TenantState::Behind, "orders", 3, 1));
    assert_eq!(of(&found.snapshot, "tenant_umbrella").state, TenantState::Dirty);
    assert_eq!(of(&found.snapshot, "tenant_initech").state, TenantState::NeverMigrated);
}

#[tokio::test]
async fn a_renamed_ledger_is_found_by_its_name_and_told_by_its_columns() {
    let database = loaded("knex").await;
    for schema in ["tenant_acme", "tenant_globex", "tenant_umbrella"] {
        database.sql(&format!(
            "set search_path = {schema}; alter table knex_migrations rename to steps; \
             alter table knex_migrations_lock rename to steps_lock; create table schema_migrations (version varchar primary key)"
        ));
    }
    let folder = fixture("knex").join("migrations");
    let table = |schema: Option<&str>| LedgerTable {
        schema: schema.map(|schema| SchemaName::existing(schema).expect("a name")),
        name: Ident::new("steps").expect("a name"),
    };
    let found =
        reading(&database, Some(folder.clone()), |config| config.migrations.ledger_table = Some(table(None))).await;
    let behind = "20250102120000_create_products.js";
    assert_eq!(line(&found.snapshot, "tenant_globex"), at(TenantState::Behind, behind, 2, 1));
    assert_eq!(
        line(&found.snapshot, "tenant_umbrella"),
        at(TenantState::Locked, behind, 2, 1),
        "its lock is renamed, too"
    );
    assert_eq!(of(&found.snapshot, "tenant_initech").state, TenantState::NeverMigrated);

    database.sql("create schema keep; alter table tenant_acme.steps set schema keep");
    let found =
        reading(&database, Some(folder), |config| config.migrations.ledger_table = Some(table(Some("keep")))).await;
    assert!(matches!(of(&found.snapshot, "tenant_globex").ledger, LedgerState::DatabaseWide { .. }));
    assert!(found.snapshot.shared.iter().any(|shared| shared.schema.raw() == "keep" && shared.applied == Some(3)));
}

#[tokio::test]
async fn several_ledgers_in_a_schema_are_a_choice_that_nobody_guesses() {
    let database = loaded("alembic").await;
    database.sql(
        "create table tenant_acme.django_migrations (id bigint primary key, app varchar(255), name varchar(255), \
         applied timestamptz)",
    );
    let found = reading(&database, None, |_| ()).await;
    let acme = of(&found.snapshot, "tenant_acme");
    assert_eq!(acme.state, TenantState::UnknownTool);
    let words = acme.problems[0].raw();
    assert!(words.contains("alembic") && words.contains("django") && words.contains("tool = "), "{words}");
    let by_folder = reading(&database, Some(fixture("alembic").join("migrations")), |_| ()).await;
    assert_eq!(of(&by_folder.snapshot, "tenant_acme").state, TenantState::Ok);
    let configured = reading(&database, None, |config| config.migrations.tool = Some(Tool::Django)).await;
    assert_eq!(
        of(&configured.snapshot, "tenant_acme").ledger.reading().map(|reading| reading.tool),
        Some(Tool::Django)
    );
    let neither = reading(&database, None, |config| config.migrations.tool = Some(Tool::Knex)).await;
    let words = of(&neither.snapshot, "tenant_acme").problems[0].raw().to_owned();
    assert!(words.contains("none of the configured knex"), "{words}");
}

#[tokio::test]
async fn two_heads_are_told_and_counted_by_the_graph() {
    let database = loaded("alembic").await;
    let home = tempfile::tempdir().expect("a folder");
    for (revision, down) in [("aa", "None"), ("b1", "'aa'"), ("b2", "'aa'"), ("cc", "('b1', 'b2')"), ("dd", "'cc'")] {
        let text = format!("revision = '{revision}'\ndown_revision = {down}\n\ndef upgrade():\n    pass\n");
        std::fs::write(home.path().join(format!("{revision}_step.py")), text).expect("a file");
    }
    database.sql(
        "update tenant_acme.alembic_version set version_num = 'b1'; insert into tenant_acme.alembic_version values ('b2'); \
         update tenant_globex.alembic_version set version_num = 'cc'",
    );
    let found = reading(&database, Some(home.path().to_owned()), |_| ()).await;
    assert_eq!(line(&found.snapshot, "tenant_acme"), at(TenantState::Behind, "b2", 3, 2));
    let acme = of(&found.snapshot, "tenant_acme");
    assert!(acme.problems.iter().any(|problem| problem.raw().contains("2 heads (b1, b2)")), "{:?}", acme.problems);
    assert_eq!(line(&found.snapshot, "tenant_globex"), at(TenantState::Behind, "cc", 4, 1));
    database.sql("update tenant_globex.alembic_version set version_num = 'zz'");
    let found = reading(&database, Some(home.path().to_owned()), |_| ()).await;
    let globex = of(&found.snapshot, "tenant_globex");
    assert_eq!((globex.state, globex.pending_count()), (TenantState::Ahead, None), "what is behind zz is not known");
}

#[tokio::test]
async fn a_lock_that_is_held_now_is_told_with_who_holds_it() {
    let ecto = loaded("ecto").await;
    let folder = || Some(fixture("ecto").join("migrations"));
    let holder = ecto.connect().await;
    holder
        .batch_execute(
            "set application_name = 'mix'; begin; lock table tenant_globex.schema_migrations in share update exclusive mode",
        )
        .await
        .expect("locked");
    let found = reading(&ecto, folder(), |_| ()).await;
    let globex = of(&found.snapshot, "tenant_globex");
    assert_eq!(globex.state, TenantState::Locked);
    assert!(globex.problems[0].raw().contains("held now by pid ") && globex.problems[0].raw().contains("(mix)"));
    assert_eq!(of(&found.snapshot, "tenant_acme").state, TenantState::Ok);
    // A session of tenantui itself is no tool's.
    holder.batch_execute("set application_name = 'tenantui ops job 17'").await.expect("named");
    assert_eq!(of(&reading(&ecto, folder(), |_| ()).await.snapshot, "tenant_globex").state, TenantState::Behind);
    holder.batch_execute("rollback").await.expect("unlocked");

    let rails = loaded("rails").await;
    let ToolLock::Database(key) = dialect(Tool::Rails).lock else { panic!("a lock of the database") };
    let name = rails.value("select current_database()");
    let key = key(&LockPlace { database: &name, schema: "", table: "" });
    let holder = rails.connect().await;
    holder
        .batch_execute(&format!("set application_name = 'puma'; select pg_advisory_lock({key})"))
        .await
        .expect("held");
    let found = reading(&rails, Some(fixture("rails").join("migrations")), |_| ()).await;
    assert_eq!(of(&found.snapshot, "tenant_globex").state, TenantState::Behind, "it is nobody's of the tenants");
    let told = &found.snapshot.databases[0].warnings;
    assert!(
        told.iter().any(|words| words.raw().contains("held now by pid ") && words.raw().contains("(puma)")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_lock_table_that_may_not_be_read_is_no_open_lock() {
    let database = loaded("knex").await;
    let role = pg().role("half");
    database.sql(&format!(
        "grant usage on schema tenant_acme, tenant_globex, tenant_umbrella, tenant_initech, public to {role}; \
         grant select on public.tenants, tenant_acme.knex_migrations, tenant_globex.knex_migrations, \
         tenant_globex.knex_migrations_lock to {role}"
    ));
    let found = reading_as(&database.url_as(&role), Some(fixture("knex").join("migrations")), |_| ()).await;
    let acme = of(&found.snapshot, "tenant_acme");
    assert_eq!(acme.state, TenantState::NoAccess);
    assert!(
        acme.problems[0].raw().contains("GRANT SELECT ON \"tenant_acme\".\"knex_migrations_lock\""),
        "{:?}",
        acme.problems
    );
    assert_eq!(of(&found.snapshot, "tenant_globex").state, TenantState::Behind);
}
