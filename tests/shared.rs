//! The shared schema: a target of its own, migrated before tenants and never counted as one; and tenants never fall
//! through to it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tenantui::jobs::orders;
use tenantui::jobs::service::{MigrateOrder, Order};
use tenantui::migrations::folder::Folder;
use tenantui::migrations::plan::{PlanOptions, SharedTarget, shared};
use tenantui::model::ident::SchemaName;
use tenantui::model::job::JobState;
use tenantui::model::ledger::{LedgerState, Tool};
use uuid::Uuid;

use crate::cli::text;
use crate::cli_fleet::{Fleet, tenant};
use crate::jobs;

fn shared_folder(fleet: &Fleet) -> PathBuf {
    fleet.home.path().join("shared")
}

/// The fleet with a folder for the shared schema: one file applied, one pending.
fn fleet() -> Fleet {
    let fleet = Fleet::new();
    fs::create_dir(shared_folder(&fleet)).expect("a folder");
    for (name, sql) in [
        ("20260101000000-one", "select 1"),
        ("20260115000000-plans", "create table plans (id int primary key);\n--;;\ninsert into plans values (7)"),
    ] {
        fs::write(shared_folder(&fleet).join(format!("{name}.up.sql")), sql).expect("a file");
    }
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&format!("{block}shared_path = \"{}\"\n", shared_folder(&fleet).display()));
    fleet.init();
    fleet
}

fn applied(fleet: &Fleet) -> String {
    fleet.database.value("select string_agg(id::text, ',' order by id) from public.schema_migrations")
}

#[test]
fn the_shared_schema_is_migrated_by_itself() {
    let fleet = fleet();
    let dry = fleet.json(0, &["migrate", "--shared", "--dry-run", "--json"]);
    let plan = &dry["plans"][0];
    assert_eq!(
        (plan["shared"].as_bool(), plan["canary"].as_u64(), plan["steps"].as_u64()),
        (Some(true), Some(0), Some(1))
    );
    assert!(text(&fleet.expect(5, &["migrate", "--shared"]).stderr).contains("--yes"));
    let done = fleet.json(0, &["migrate", "--shared", "--yes", "--json"]);
    assert_eq!((&done["jobs"][0]["kind"], &done["jobs"][0]["total"]), (&"migrate".into(), &1.into()));
    assert_eq!(tenant(&done, "tenant", "public")["result"], "done");
    assert_eq!(applied(&fleet), "20260101000000,20260115000000");
    assert_eq!(fleet.database.value("select id from public.plans"), "7");
    assert_eq!(fleet.database.value("select what from tenantui.job"), "the shared schema public to 20260115000000");
    assert!(text(&fleet.expect(0, &["migrate", "--shared", "--yes"]).stderr).contains("nothing is pending"));
    // It is no tenant, and is not found as one.
    fleet.expect(1, &["migrate", "public", "--yes"]);
    let listed = fleet.json(0, &["tenants", "--json"]);
    assert!(listed["tenants"].as_array().expect("tenants").iter().all(|tenant| tenant["slug"] != "public"));
    assert_eq!(
        fleet.database.value("select count(*) from tenant_acme.schema_migrations"),
        "2",
        "no tenant was touched"
    );
}

#[test]
fn tenants_wait_for_the_shared_schema() {
    let fleet = fleet();
    // What the tenants' next file needs is made in the shared schema only.
    fleet.file("20260401000000-plan", "alter table notes add column plan int references public.plans (id);");
    let words = text(&fleet.expect(0, &["migrate", "acme", "--dry-run"]).stdout);
    assert!(words.contains("first     the shared schema, which lacks 1 migration"), "{words}");
    let refused = text(&fleet.expect(5, &["migrate", "acme"]).stderr);
    assert!(refused.contains("migrated before tenants") && refused.contains("--yes"), "{refused}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0");
    let done = fleet.json(0, &["migrate", "acme", "--yes", "--json"]);
    let jobs: Vec<_> = done["jobs"].as_array().expect("jobs").iter().map(|job| job["total"].clone()).collect();
    assert_eq!(jobs.len(), 2, "{done}");
    assert_eq!(tenant(&done, "tenant", "acme")["version"], "20260401000000");
    assert_eq!(applied(&fleet), "20260101000000,20260115000000");
}

/// Where the tenants lack nothing it is said what does, and nothing is written.
#[test]
fn what_only_the_shared_schema_lacks_is_told() {
    let fleet = fleet();
    fleet.expect(0, &["migrate", "--shared", "--yes"]);
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    fs::write(shared_folder(&fleet).join("20260116000000-more.up.sql"), "select 1").expect("a file");
    let words = "the shared schema lacks 1 migration: `tenantui migrate --shared` applies them";
    for way in [["migrate", "acme", "--dry-run"], ["migrate", "acme", "--yes"]] {
        let output = fleet.expect(0, &way);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(said.contains("nothing is pending") && said.contains(words), "{way:?}: {said}");
    }
    assert_eq!(applied(&fleet), "20260101000000,20260115000000");
}

#[test]
fn no_tenant_is_touched_where_the_shared_schema_fails() {
    let fleet = fleet();
    fs::write(shared_folder(&fleet).join("20260116000000-bad.up.sql"), "select 1 / 0").expect("a file");
    let failed = fleet.expect(4, &["migrate", "acme", "--yes"]);
    assert!(text(&failed.stderr).contains("no tenant was touched"), "{}", text(&failed.stderr));
    assert_eq!(fleet.database.value("select count(*) from tenant_acme.schema_migrations"), "2");
    assert_eq!(applied(&fleet), "20260101000000,20260115000000", "each file is a transaction of its own");
    let usage = text(&fleet.expect(2, &["migrate", "--shared", "--all"]).stderr);
    assert!(usage.contains("--shared"), "{usage}");
}

/// The lock of a migration that was killed in `public`: it keeps the whole fleet from being migrated, so it is told
/// everywhere, and the repair takes it away.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_left_behind_in_the_shared_schema_is_told_and_taken_away() {
    let fleet = fleet();
    let repair = "tenantui repair public --by unlock";
    let before = fleet.json(0, &["tenants", "--json"]);
    let shared = &before["shared"][0];
    assert_eq!(
        (&shared["state"], &shared["locked"], &shared["dirty"]),
        (&"behind".into(), &false.into(), &false.into())
    );
    fleet.expect(0, &["repair", "public", "--yes"]);
    fleet.database.sql("insert into public.schema_migrations (id) values (-1)");
    for command in ["tenants", "migrations"] {
        let document = fleet.json(0, &[command, "--json"]);
        let shared = &document["shared"][0];
        assert_eq!((&shared["state"], &shared["locked"]), (&"locked".into(), &true.into()), "{command}: {document}");
        assert_eq!((&shared["version"], &shared["tool"]), (&"20260101000000".into(), &"migratus".into()));
        assert!(shared["problems"][0].as_str().is_some_and(|problem| problem.contains("id = -1")), "{document}");
        assert!(text(&fleet.expect(0, &[command]).stderr).contains(repair), "{command}");
    }
    let doctor = text(&fleet.run(&["doctor"]).stdout);
    let told: Vec<&str> = doctor.lines().filter(|line| line.contains("the shared schema, is locked")).collect();
    assert!(told.len() == 1 && doctor.contains(&format!("`{repair}` takes it away")), "{doctor}");
    for how in ["--yes", "--dry-run"] {
        let failed = text(&fleet.expect(4, &["migrate", "acme", how]).stderr);
        assert!(failed.contains("no tenant was touched") && failed.contains(repair), "{how}: {failed}");
    }
    let offers = fleet.json(0, &["repair", "--json"]);
    let offer = offers["repairs"].as_array().expect("a list").iter().find(|offer| offer["tenant"] == "public");
    assert_eq!(
        offer.map(|offer| (&offer["by"], &offer["command"])),
        Some((&"unlock".into(), &repair.into())),
        "{offers}"
    );
    // It is no tenant: nothing else is done to it, under no name.
    for arguments in [["repair", "public", "--by", "forget", "--yes"], ["repair", "public", "--by", "adopt", "--yes"]] {
        assert!(text(&fleet.expect(5, &arguments).stderr).contains("no tenant"), "{arguments:?}");
    }
    fleet.expect(1, &["drop", "public", "--confirm", "public", "--yes"]);
    // Who writes there may be the migration; who only reads is any application.
    let other = fleet.database.connect().await;
    other.batch_execute("begin; update public.tenants set name = name").await.expect("held");
    let refused = text(&fleet.expect(5, &["repair", "public", "--yes"]).stderr);
    assert!(refused.contains("which may be a migration"), "{refused}");
    other.batch_execute("rollback; begin; select * from public.tenants").await.expect("read");
    let asked = text(&fleet.expect(5, &["repair", "public", "--by", "unlock"]).stderr);
    assert!(asked.contains("DELETE FROM \"public\".\"schema_migrations\" WHERE id = -1;"), "{asked}");
    assert!(asked.contains("make sure that no migration runs there") && asked.contains("--yes"), "{asked}");
    let plan = fleet.json(0, &["repair", "public", "--dry-run", "--json"]);
    assert_eq!((&plan["tenant"], &plan["repair"]), (&"public".into(), &"unlock".into()));
    fleet.database.sql("insert into public.schema_migrations (id) values (7)");
    fleet.expect(0, &["repair", "public", "--by", "unlock", "--yes"]);
    assert_eq!(applied(&fleet), "7,20260101000000", "the lock alone is taken away");
    let audit = "select concat_ws('|', action, target, after ->> 'locks') from tenantui.audit where action = 'repair' and outcome = 'done'";
    assert_eq!(fleet.database.value(audit), "repair|public|1");
    fleet.expect(0, &["migrate", "acme", "--yes"]);
}

/// A tenant may be called as the shared schema is: what is broken of the two is meant.
#[test]
fn a_tenant_called_public_is_not_taken_for_the_shared_schema() {
    let fleet = fleet();
    fleet.tenant("public", "Public Ltd", 1);
    fleet.database.sql("insert into public.schema_migrations (id) values (-1); insert into tenant_public.schema_migrations (id) values (-1)");
    let locks =
        |schema: &str| fleet.database.value(&format!("select count(*) from {schema}.schema_migrations where id = -1"));
    fleet.expect(0, &["repair", "public", "--yes"]);
    assert_eq!((locks("tenant_public"), locks("public")), ("0".into(), "1".into()));
    fleet.expect(0, &["repair", "public", "--yes"]);
    assert_eq!((locks("tenant_public"), locks("public")), ("0".into(), "0".into()));
}

/// The tool's ledger and a table are in `public` too, under the very names that the files use.
#[tokio::test]
async fn a_tenant_never_falls_through_to_public() {
    let fleet = jobs::Fleet::new("shared", 2).await;
    fleet.db.sql(
        "create table public.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024)); \
         insert into public.schema_migrations values (1, now(), 'x'), (2, now(), 'y'); create table public.m1 (id int); \
         create table public.only_here (id int)",
    );
    fleet.pairs(&[1, 2]);
    let view = fleet.migrate(fleet.plan(|_| {})).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2), "public's ledger says nothing about them");
    assert_eq!(fleet.stands("t001"), ("1,2".into(), "1,2".into()));
    fleet.file(3, "outside", "create table m3 ();\n--;;\ninsert into only_here values (1)");
    let view = fleet.migrate(fleet.plan(|_| {})).await;
    assert_eq!((view.state, view.failed), (JobState::Failed, 2));
    assert_eq!(fleet.stands("t000"), ("1,2".into(), "1,2".into()));
    assert_eq!(fleet.db.value("select count(*) from public.schema_migrations"), "2");
    assert_eq!(fleet.db.value("select count(*) from public.only_here"), "0");
    assert_eq!(fleet.db.value("select count(*) from public.m1"), "0");
}

#[tokio::test]
async fn only_a_job_of_the_shared_schema_reaches_it() {
    let fleet = jobs::Fleet::new("shared", 1).await;
    fleet.file(1, "extension", "create table m1 (id int);\n--;;\ngrant select on m1 to public");
    let folder = Folder::read(fleet.folder.path(), Tool::Migratus).expect("a folder");
    let target = SharedTarget {
        schema: SchemaName::shared("public").expect("a name"),
        oid: fleet.db.value("select 'public'::regnamespace::oid").parse().expect("an oid"),
        ledger: LedgerState::Absent,
        folder: Some(Arc::new(folder)),
        folder_error: None,
        unlock: "tenantui repair public --by unlock".to_owned(),
    };
    let plan = shared(&fleet.name(), &target, PlanOptions::from(&fleet.config)).expect("a plan");
    assert_eq!((plan.tenants.len(), plan.canary, target.behind()), (1, 0, Some(1)));
    let order = |plan| {
        let order = MigrateOrder { plan: Arc::new(plan), layout: Arc::clone(&fleet.layout), wait_after_canary: true };
        Order::Migrate(order)
    };
    // The same plan without its mark is a plan of a tenant, and `public` is none.
    let mut forged = plan.clone();
    forged.shared = false;
    let error = orders::order(&fleet.target(), &order(forged), Uuid::new_v4()).await.expect_err("refused").to_string();
    assert!(error.contains("\"public\" is a system schema"), "{error}");
    let mut config = fleet.config.clone();
    config.migrations.shared_path = config.migrations.path.clone();
    let job = orders::order(&fleet.target(), &order(plan), Uuid::new_v4()).await.expect("ordered");
    let refused = fleet.run(job, false).await.0.expect_err("no folder of its own").to_string();
    assert!(refused.contains("shared schema"), "{refused}");
    let fleet = jobs::Fleet { config, ..fleet };
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.done, view.what.raw()), (JobState::Done, 1, "the shared schema public to 1"));
    assert_eq!(fleet.db.value("select count(*) from public.schema_migrations"), "1", "its ledger was made");
    assert_eq!(fleet.db.value("select to_regclass('public.m1') is not null"), "t");
    for wrong in ["pg_catalog", "information_schema", "$user", "pg_temp", ""] {
        assert!(SchemaName::shared(wrong).is_err(), "{wrong}");
    }
}
