//! New tenants of tools whose migrations are code: the tool's own command brings them to the newest version; and the
//! locks of tools that are at work.

use std::sync::Arc;

use tenantui::jobs::orders::OrderError;
use tenantui::jobs::service::ProvisionOrder;
use tenantui::migrations::folder::Folder;
use tenantui::model::job::JobState;
use tenantui::model::ledger::Tool;

use super::{assert_nothing, order, provision, refused, tenant};
use crate::drive::stage::Stage;

fn wanted(stage: &Stage, slugs: &[&str]) -> ProvisionOrder {
    let folder = Folder::read(stage.fleet.folder.path(), Tool::Rails).expect("a folder");
    ProvisionOrder {
        tenants: slugs.iter().map(|slug| tenant(slug)).collect(),
        layout: Arc::clone(&stage.fleet.layout),
        folder: Some(Arc::new(folder)),
        role: false,
        seed: None,
        siblings: Vec::new(),
    }
}

#[tokio::test]
async fn the_command_brings_new_tenants_to_the_newest_version() {
    let stage = Stage::new(1, "honest").await;
    let job = order(&stage.fleet, wanted(&stage, &["acme", "beta"])).await.expect("ordered");
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2), "{log:#?}");
    for schema in ["tenant_acme", "tenant_beta"] {
        assert_eq!(stage.versions(schema), "1,2,3");
        assert_eq!(
            stage.fleet.db.value(&format!("select count(*) from public.tenants where schema_name = '{schema}'")),
            "1"
        );
    }
    let steps = "select string_agg(action, ' ' order by seq) from tenantui.step where slug = 'acme'";
    assert_eq!(stage.fleet.db.value(steps), "row schema command active");
    assert_eq!(
        stage
            .fleet
            .db
            .value("select count(*) from pg_class where relnamespace = 'public'::regnamespace and relname = 'm1'"),
        "0"
    );
}

/// The ledgers that another job of ours moves meanwhile are no trespass of this one's command.
#[tokio::test]
async fn what_another_job_migrates_meanwhile_is_not_held_against_the_command() {
    let stage = Stage::new(3, "neighbour").await;
    stage.order(|_| {}).await;
    let job = order(&stage.fleet, wanted(&stage, &["acme"])).await.expect("ordered");
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.done), (JobState::Done, 1), "{:?} {log:#?}", view.reason);
    assert_eq!(stage.versions("tenant_acme"), "1,2,3");
}

#[tokio::test]
async fn a_command_that_fails_leaves_a_schema_without_a_row_and_retry_goes_on() {
    let stage = Stage::new(1, "exits").await;
    let job = order(&stage.fleet, wanted(&stage, &["acme"])).await.expect("ordered");
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!(view.state, JobState::Failed, "{log:#?}");
    assert!(log.iter().any(|line| line.contains("half made and has no registry row")), "{log:#?}");
    assert_eq!(stage.fleet.db.value("select count(*) from public.tenants where slug = 'acme'"), "0");
    let failure = stage.fleet.outcomes(job).await["acme"].failure.clone().expect("a failure");
    assert!(failure.stays, "nobody takes back what a command did: {failure:?}");
    stage.mode("honest");
    let (view, log) = stage.go_on(job, true).await;
    assert_eq!(view.state, JobState::Done, "{log:#?}");
    assert_eq!(stage.versions("tenant_acme"), "1,2,3");
    // One that works in public instead is caught, and nobody uses the tenant.
    stage.mode("ignores");
    let job = order(&stage.fleet, wanted(&stage, &["beta", "gamma"])).await.expect("ordered");
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!(view.state, JobState::Paused, "{log:#?}");
    assert_eq!(stage.fleet.db.value("select count(*) from public.tenants where slug in ('beta', 'gamma')"), "0");
}

#[tokio::test]
async fn without_a_command_it_is_refused_with_the_reason() {
    let mut stage = Stage::new(1, "honest").await;
    stage.fleet.config.migrations.command = None;
    let lacks = order(&stage.fleet, wanted(&stage, &["acme"])).await;
    assert!(matches!(lacks, Err(OrderError::Unconfigured(_))), "it is a matter of the configuration: {lacks:?}");
    let words = refused(&stage.fleet, wanted(&stage, &["acme"])).await;
    assert!(words.contains("ledgers are not written by tenantui") && words.contains("command"), "{words}");
    assert_eq!(stage.fleet.db.value("select count(*) from tenantui.job"), "0");
    stage.fleet.config.migrations.command = Some(vec!["/nowhere/rails".to_owned(), "db:migrate".to_owned()]);
    let words = refused(&stage.fleet, wanted(&stage, &["acme"])).await;
    assert!(words.contains("/nowhere/rails"), "{words}");
}

/// golang-migrate locks one schema by name: one that is at work there keeps tenantui out.
#[tokio::test]
async fn a_tools_own_lock_of_the_schema_is_respected() {
    use tenantui::migrations::dialects::{LockPlace, ToolLock, dialect};
    let mut fleet = crate::jobs::Fleet::new("toollock", 0).await;
    std::fs::write(fleet.folder.path().join("1_one.up.sql"), "create table one (id int)").expect("written");
    fleet.config.migrations.tool = Some(Tool::GolangMigrate);
    let folder = Arc::new(Folder::read(fleet.folder.path(), Tool::GolangMigrate).expect("a folder"));
    let wanted = |slug: &str| ProvisionOrder { folder: Some(Arc::clone(&folder)), ..provision(&fleet, slug) };
    let known = dialect(Tool::GolangMigrate);
    let table = known.writing.as_ref().expect("written").table;
    let ToolLock::Schema(key) = known.lock else { panic!("a lock of a schema") };
    let key = key(&LockPlace { database: &fleet.db.name, schema: "tenant_acme", table });
    let client = fleet.db.connect().await;
    client.batch_execute(&format!("select pg_advisory_lock({key})")).await.expect("locked");
    let job = order(&fleet, wanted("acme")).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!(view.state, JobState::Failed);
    assert_nothing(&fleet, "acme");
    let failure = fleet.outcomes(job).await["acme"].failure.clone().expect("a failure");
    assert!(failure.message.raw().contains("golang-migrate"), "{failure:?}");
    drop(client);
    let view = fleet.run(job, true).await.0.expect("retried");
    assert_eq!(view.state, JobState::Done);
    assert_eq!(fleet.db.value("select version || ' ' || dirty from tenant_acme.schema_migrations"), "1 false");
}
