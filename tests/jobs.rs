//! The durable record: who may order, what a second order gets, what is told of jobs; and the fleet that the tests of
//! migrating and provisioning work on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::jobs::control;
use tenantui::jobs::init::{self, InitStatus};
use tenantui::jobs::orders::{self, OrderError};
use tenantui::jobs::record;
use tenantui::jobs::service::{self, MigrateOrder, Order, ServiceCommand};
use tenantui::jobs::worker::{self, RunOptions};
use tenantui::layout::{Column, Layout, NameRule, Naming, Registry, RegistryColumns, Statuses};
use tenantui::migrations::folder::Folder;
use tenantui::migrations::plan::{Plan, PlanOptions, plan};
use tenantui::model::environment::Environment;
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::{JobEvent, JobId, JobState, JobView, TenantOutcome};
use tenantui::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use tenantui::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use tenantui::postgres::session::{Patience, Reader, Target};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::support::{TestDatabase, pg, wait_until_async};

/// A Boundary fleet in a database of its own, with its migration folder.
pub struct Fleet {
    pub db: TestDatabase,
    pub folder: TempDir,
    pub config: Database,
    pub layout: Arc<Layout>,
}

/// The registry of Boundary's first release.
pub const REGISTRY: &str = "create table public.tenants (id varchar(36) primary key, slug varchar(100) not null unique, \
    name varchar(255) not null, schema_name varchar(63) not null unique, status varchar(20) not null default 'active' \
    check (status in ('active', 'suspended', 'deleted')), settings text, created_at text not null, updated_at text, deleted_at text)";

fn column(name: &str, type_name: &str, not_null: bool, has_default: bool) -> Column {
    Column { name: Ident::new(name).expect("a name"), type_name: type_name.into(), not_null, has_default }
}

/// The columns of [`REGISTRY`].
pub fn columns() -> RegistryColumns {
    RegistryColumns {
        id: Some(column("id", "character varying(36)", true, false)),
        slug: column("slug", "character varying(100)", true, false),
        name: Some(column("name", "character varying(255)", true, false)),
        schema_name: Some(column("schema_name", "character varying(63)", true, false)),
        status: Some(column("status", "character varying(20)", true, true)),
        plan: None,
        settings: Some(column("settings", "text", false, false)),
        created_at: Some(column("created_at", "text", true, false)),
        updated_at: Some(column("updated_at", "text", false, false)),
        deleted_at: Some(column("deleted_at", "text", false, false)),
    }
}

pub fn boundary(registry: Registry) -> Layout {
    Layout {
        name: "boundary".into(),
        evidence: Vec::new(),
        registry,
        naming: Naming {
            rule: NameRule::Boundary,
            schema_template: "tenant_{slug}".into(),
            hyphens_become_underscores: true,
        },
        expected_tool: Some(Tool::Migratus),
        statuses: Statuses {
            active: Some("active".into()),
            suspended: Some("suspended".into()),
            deleted: Some("deleted".into()),
        },
        cache_keys: Vec::new(),
        search_path_extra: Vec::new(),
        exclude: Vec::new(),
        tenant_tables: Vec::new(),
        shared_schema: None,
    }
}

impl Fleet {
    /// Tenants `t000`... with an empty ledger each and a table `users`.
    pub async fn new(name: &str, tenants: usize) -> Self {
        Self::on(pg().database(name), tenants).await
    }

    /// The same in this empty database.
    pub async fn on(db: TestDatabase, tenants: usize) -> Self {
        db.sql(REGISTRY);
        for number in 0..tenants {
            let slug = format!("t{number:03}");
            db.sql(&format!(
                "insert into public.tenants (id, slug, name, schema_name, created_at) values ('id-{slug}', '{slug}', '{slug}', 'tenant_{slug}', 'now'); \
                 create schema tenant_{slug}; create table tenant_{slug}.users (id int primary key); \
                 create table tenant_{slug}.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))"
            ));
        }
        let folder = TempDir::new().expect("a folder");
        let mut config = Database::new("eu-1".into(), Environment::Development, db.url().into());
        config.migrations.path = Some(folder.path().to_owned());
        config.migrations.tool = Some(Tool::Migratus);
        let oid = db.value("select 'public.tenants'::regclass::oid").parse().expect("an oid");
        let table = QualifiedName { schema: SchemaName::public(), name: Ident::new("tenants").expect("a name") };
        let layout = Arc::new(boundary(Registry::Table { table, oid, columns: columns() }));
        let fleet = Self { db, folder, config, layout };
        init::run(&fleet.target()).await.expect("initialised");
        fleet
    }

    pub fn target(&self) -> Target {
        Target::resolve(Arc::new(self.config.clone()), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target")
    }

    pub fn file(&self, version: u32, name: &str, sql: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{version}-{name}.up.sql"));
        std::fs::write(&path, sql).expect("written");
        path
    }

    pub fn read_folder(&self) -> Arc<Folder> {
        Arc::new(Folder::read(self.folder.path(), Tool::Migratus).expect("a folder"))
    }

    pub fn name(&self) -> DatabaseName {
        Arc::clone(&self.config.name)
    }

    /// The tenants as the registry has them now.
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        let rows = self.db.sql(
            "select t.id, t.slug, t.schema_name, n.oid::text from public.tenants t \
             join pg_namespace n on n.nspname = t.schema_name order by 2",
        );
        rows.into_iter().map(|row| Arc::new(self.tenant(&row))).collect()
    }

    fn tenant(&self, row: &[Option<String>]) -> Tenant {
        let text = |column: usize| row[column].clone().unwrap_or_default();
        let ids = self.db.sql(&format!("select id::text from {}.schema_migrations order by id", text(2)));
        let ids: Vec<String> = ids.into_iter().filter_map(|row| row[0].clone()).collect();
        let versions: Vec<Version> = ids.iter().filter(|id| *id != "-1").map(|id| Version::new(id)).collect();
        let current = versions.last().cloned();
        Tenant {
            key: TenantKey::row(&self.name(), &text(0)),
            id: Some(text(0).into()),
            slug: text(1).into(),
            name: None,
            status: Some("active".into()),
            plan: None,
            deleted: false,
            schema: Some(text(2).into()),
            schema_oid: text(3).parse().ok(),
            owner: None,
            state: TenantState::Behind,
            ledger: LedgerState::Read(LedgerReading {
                tool: Tool::Migratus,
                table: "schema_migrations".into(),
                applied: Arc::new(AppliedSet { versions, current }),
                dirty: false,
                locked: None,
            }),
            applied: None,
            pending: None,
            ahead: None,
            tables: None,
            size_bytes: None,
            size_exact: false,
            cache_keys: None,
            created_at: None,
            changed: std::sync::Arc::default(),
            failed_step: None,
            problems: Vec::new(),
        }
    }

    /// The plan of all tenants.
    pub fn plan(&self, change: impl FnOnce(&mut PlanOptions)) -> Plan {
        let mut options = PlanOptions::from(&self.config);
        options.canary = 0;
        options.batches = Vec::new();
        change(&mut options);
        plan(&self.name(), &self.tenants(), &self.read_folder(), options).expect("a plan")
    }

    pub fn migrate_order(&self, plan: Plan, wait_after_canary: bool) -> Order {
        Order::Migrate(MigrateOrder { plan: Arc::new(plan), layout: Arc::clone(&self.layout), wait_after_canary })
    }

    pub async fn order(&self, plan: Plan) -> Result<JobId, OrderError> {
        orders::order(&self.target(), &self.migrate_order(plan, true), Uuid::new_v4()).await
    }

    /// Runs a job to its end or pause; the events on the way.
    pub async fn run(&self, job: JobId, retry: bool) -> (Result<JobView, OrderError>, Vec<JobEvent>) {
        let (_stop, stop) = watch::channel(worker::Stop::GoOn);
        self.run_with(job, retry, stop).await
    }

    pub async fn run_with(
        &self,
        job: JobId,
        retry: bool,
        stop: watch::Receiver<worker::Stop>,
    ) -> (Result<JobView, OrderError>, Vec<JobEvent>) {
        let (events, mut receiver) = mpsc::channel(256);
        let collect = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(event) = receiver.recv().await {
                all.push(event);
            }
            all
        });
        let options = RunOptions { wait_after_canary: true, parallel: None, stop };
        let result = worker::run(&self.target(), job, retry, options, events).await;
        (result, collect.await.expect("collected"))
    }

    /// Orders and runs; the job at its end.
    pub async fn migrate(&self, plan: Plan) -> JobView {
        let job = self.order(plan).await.expect("ordered");
        self.run(job, false).await.0.expect("run")
    }

    pub async fn outcomes(&self, job: JobId) -> BTreeMap<String, TenantOutcome> {
        let reader = Reader::open(&self.target(), Patience::Foreground).await.expect("a reader");
        let outcomes = record::outcomes(&reader, &self.name(), job).await.expect("outcomes");
        outcomes.into_iter().map(|outcome| (outcome.slug.raw().to_owned(), outcome)).collect()
    }

    pub async fn view(&self, job: JobId) -> JobView {
        let reader = Reader::open(&self.target(), Patience::Foreground).await.expect("a reader");
        record::job(&reader, &self.name(), job).await.expect("read").expect("a job")
    }

    /// Ledger rows, done steps and the objects that the files make are the same everywhere.
    pub fn assert_whole(&self, object_of: impl Fn(&str) -> String) {
        let steps =
            self.db.sql("select schema_name, version, state from tenantui.step where action = 'migrate' order by 1, 2");
        let questions: Vec<String> = steps
            .iter()
            .map(|step| {
                let [Some(schema), Some(version), Some(state)] = step.as_slice() else { panic!("{step:?}") };
                let object = object_of(version);
                format!(
                    "select '{schema} {version}', '{state}', (select count(*) from {schema}.schema_migrations where id = {version})::text, \
                     (to_regclass('{schema}.{object}') is not null)::int::text"
                )
            })
            .collect();
        let answers = if questions.is_empty() { Vec::new() } else { self.db.sql(&questions.join(" union all ")) };
        for answer in answers {
            let [Some(step), Some(state), Some(ledger), Some(object)] = answer.as_slice() else { panic!("{answer:?}") };
            let done = if state == "done" { "1" } else { "0" };
            assert_eq!((ledger.as_str(), object.as_str()), (done, done), "{step} {state}: ledger, object");
        }
        for row in self.db.sql("select distinct schema_name from tenantui.step where schema_oid is not null") {
            let schema = row[0].clone().unwrap_or_default();
            let locks = self.db.value(&format!("select count(*) from {schema}.schema_migrations where id = -1"));
            assert_eq!(locks, "0", "{schema}: a row -1 was left behind");
        }
    }
}

#[tokio::test]
async fn init_is_asked_for_made_once_and_never_downgraded() {
    let db = pg().database("jobs");
    let config = Database::new("eu-1".into(), Environment::Development, db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reader = Reader::open(&target, Patience::Foreground).await.expect("a reader");
    let name: DatabaseName = "eu-1".into();
    assert_eq!(init::status(&reader).await.expect("status"), InitStatus::Missing);
    assert!(record::list(&reader, &name, 10).await.expect("empty before init").is_empty());
    // Several at once make one.
    let runs = futures_util::future::join_all((0..6).map(|_| init::run(&target))).await;
    let found: Vec<InitStatus> = runs.into_iter().map(|run| run.expect("init")).collect();
    assert_eq!(found.iter().filter(|status| **status == InitStatus::Missing).count(), 1, "{found:?}");
    assert_eq!(init::status(&reader).await.expect("status"), InitStatus::Current);
    assert_eq!(init::run(&target).await.expect("again"), InitStatus::Current);
    assert_eq!(db.value("select count(*) from tenantui.audit where action = 'init'"), "1");
    db.sql("update tenantui.meta set version = 99");
    assert_eq!(init::status(&reader).await.expect("status"), InitStatus::Newer(99));
    let error = init::run(&target).await.expect_err("newer").to_string();
    assert!(error.contains("99") && error.contains("newer tenantui"), "{error}");
}

#[tokio::test]
async fn orders_are_refused_with_the_reason() {
    let mut fleet = Fleet::new("jobs", 2).await;
    fleet.file(1, "one", "create table one ()");
    let plan = fleet.plan(|_| {});
    fleet.db.sql("alter schema tenantui rename to tenantui_away");
    let error = fleet.order(plan.clone()).await.expect_err("not initialised");
    assert!(matches!(error, OrderError::NotInitialised(_)) && error.to_string().contains("tenantui init"), "{error}");
    fleet.db.sql("alter schema tenantui_away rename to tenantui; update tenantui.meta set version = 99");
    let error = fleet.order(plan.clone()).await.expect_err("newer").to_string();
    assert!(error.contains("version 99"), "{error}");
    fleet.db.sql("update tenantui.meta set version = 1");
    let error = fleet.order(plan.clone()).await.expect_err("older").to_string();
    assert!(error.contains("version 1") && error.contains("tenantui init"), "{error}");
    fleet.db.sql(&format!("update tenantui.meta set version = {}", init::VERSION));
    let mut empty = plan.clone();
    empty.tenants.clear();
    let error = fleet.order(empty).await.expect_err("nothing").to_string();
    assert!(error.contains("nothing is pending"), "{error}");
    let role = pg().role("weak");
    fleet.db.sql(&format!(
        "grant usage on schema tenantui to {role}; grant all on all tables in schema tenantui to {role}"
    ));
    let url = std::mem::replace(&mut fleet.config.url, fleet.db.url_as(&role).into());
    let error = fleet.order(plan.clone()).await.expect_err("no privilege").to_string();
    assert!(error.contains("tenant_t000, tenant_t001") && error.contains("GRANT USAGE, CREATE ON SCHEMA"), "{error}");
    fleet.config.url = url;
    fleet.config.read_only = true;
    let error = fleet.order(plan).await.expect_err("read-only").to_string();
    assert!(error.contains("read-only"), "{error}");
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "0");
}

#[tokio::test]
async fn an_older_record_is_upgraded_with_what_is_in_it_and_plans_stay_as_they_are() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.db.sql("drop schema tenantui cascade");
    fleet.db.sql(include_str!("../assets/sql/record_v1.sql"));
    fleet.db.sql(
        "insert into tenantui.meta (version, app_version) values (1, '0.1.0'); \
         insert into tenantui.job (kind, scope, what, params, plan_sha256, idempotency_key, active_scope, app_version, database_oid, \
         state, reason) values ('migrate', 'migrate', '2 tenants', '{}', '\\x00', gen_random_uuid(), 'migrate', '0.1.0', 1, 'paused', 'canary'); \
         insert into tenantui.step (job_id, seq, action, slug, schema_name, version) values (1, 1, 'migrate', 'a', 'tenant_a', '1')",
    );
    assert_eq!(init::run(&fleet.target()).await.expect("upgraded"), InitStatus::Older(1));
    assert_eq!(init::run(&fleet.target()).await.expect("nothing to do"), InitStatus::Current);
    assert_eq!(fleet.db.value("select waits from tenantui.job"), "canary");
    for change in [
        "update tenantui.job set params = '{\"format\": 1}'",
        "update tenantui.job set plan_sha256 = '\\x01'",
        "update tenantui.step set version = '2'",
        "update tenantui.step set file_sha256 = '\\x01'",
    ] {
        let error = fleet.db.try_sql(change).expect_err(change);
        assert!(error.contains("does not change once it is queued"), "{change}: {error}");
    }
    fleet.db.sql("update tenantui.job set state = 'queued', params = params; update tenantui.step set schema_oid = 7");
    assert!(fleet.db.try_sql("update tenantui.step set schema_oid = 8").is_err());
}

#[tokio::test]
async fn one_key_is_one_job_and_a_second_order_is_told_of_the_first() {
    let fleet = Fleet::new("jobs", 3).await;
    fleet.file(1, "one", "create table one ()");
    let order = fleet.migrate_order(fleet.plan(|_| {}), true);
    let (target, key) = (fleet.target(), Uuid::new_v4());
    let same = futures_util::future::join_all((0..8).map(|_| orders::order(&target, &order, key))).await;
    let ids: Vec<JobId> = same.into_iter().map(|id| id.expect("ordered")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let others = futures_util::future::join_all((0..8).map(|_| orders::order(&target, &order, Uuid::new_v4()))).await;
    for other in others {
        match other {
            Err(OrderError::Busy { job, orphaned: false, message }) => {
                assert_eq!(job, ids[0]);
                assert!(message.raw().contains("3 tenants to 1") && message.raw().contains("queued"), "{message:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "1");
    assert_eq!(fleet.db.value("select count(*) from tenantui.step"), "3");
    assert_eq!(
        fleet.db.value("select count(*) from tenantui.audit where action = 'migrate' and outcome = 'ordered'"),
        "1"
    );
    assert_eq!(worker::claimable(&target).await.expect("claimable"), [ids[0]]);
    // Nobody runs it: it is cancelled at once, and its scope is free.
    control::cancel(&target, ids[0]).await.expect("cancelled");
    assert_eq!(fleet.view(ids[0]).await.state, JobState::Cancelled);
    assert!(control::cancel(&target, ids[0]).await.is_err());
    orders::order(&target, &order, Uuid::new_v4()).await.expect("free again");
}

#[tokio::test]
async fn an_orphan_is_seen_and_can_be_gone_on_with() {
    let fleet = Fleet::new("jobs", 2).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.db.sql("update tenantui.job set state = 'running', attempt = 1, worker = 'elsewhere 4711'");
    let view = fleet.view(job).await;
    assert_eq!((view.state, view.mine), (JobState::Orphaned, false));
    assert_eq!(worker::claimable(&fleet.target()).await.expect("claimable"), [job]);
    match fleet.order(fleet.plan(|_| {})).await {
        Err(OrderError::Busy { orphaned: true, job: named, .. }) => assert_eq!(named, job),
        other => panic!("{other:?}"),
    }
    let done = fleet.run(job, false).await.0.expect("run");
    assert_eq!((done.state, done.done, done.attempt), (JobState::Done, 2, 2));
    fleet.assert_whole(|_| "one".into());
}

#[tokio::test]
async fn a_job_whose_files_changed_is_not_run() {
    let fleet = Fleet::new("jobs", 1).await;
    fleet.file(1, "one", "create table one ()");
    let job = fleet.order(fleet.plan(|_| {})).await.expect("ordered");
    fleet.file(1, "one", "create table one (); drop table users");
    let error = fleet.run(job, false).await.0.expect_err("changed").to_string();
    assert!(error.contains("1-one.up.sql") && error.contains("changed since the job was ordered"), "{error}");
    assert_eq!(fleet.view(job).await.state, JobState::Queued, "it is left for a worker that has the files");
    assert!(worker::claimable(&fleet.target()).await.expect("claimable").is_empty());
    assert_eq!(fleet.db.value("select count(*) from tenant_t000.schema_migrations"), "0");
    fleet.file(1, "one", "create table one ()");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
}

#[tokio::test]
async fn the_service_offers_init_runs_orders_in_turn_and_stays_awake() {
    let fleet = Fleet::new("jobs", 3).await;
    fleet.file(1, "one", "create table one ()");
    fleet.db.sql("drop schema tenantui cascade");
    let (events, mut receiver) = mpsc::channel(256);
    let service = service::spawn(fleet.target(), events);
    let order = Box::new(fleet.migrate_order(fleet.plan(|_| {}), false));
    let send = |command| service.commands.try_send(command).expect("room");
    let key = Uuid::new_v4();
    send(ServiceCommand::Order { idempotency_key: key, order: order.clone() });
    send(ServiceCommand::Init);
    send(ServiceCommand::Order { idempotency_key: key, order });
    let mut seen = Vec::new();
    let deadline = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            event = receiver.recv() => {
                let event = event.expect("the service lives");
                let over = matches!(&event, JobEvent::Job(view) if view.state.is_over());
                seen.push(event);
                if over { break; }
            }
            () = &mut deadline => panic!("{seen:#?}"),
        }
    }
    assert!(matches!(&seen[0], JobEvent::Rejected { needs_init: true, .. }), "{seen:#?}");
    assert!(seen.iter().any(|event| matches!(event, JobEvent::Initialised { .. })));
    let Some(JobEvent::Job(last)) = seen.last() else { panic!("{seen:#?}") };
    assert_eq!((last.state, last.total, last.done, last.pending), (JobState::Done, 3, 3, 0));
    assert!(seen.iter().any(|event| matches!(event, JobEvent::Outcomes { outcomes, .. } if outcomes.len() == 3)));
    send(ServiceCommand::Stop(worker::Stop::AfterStep));
    tokio::time::timeout(Duration::from_secs(10), service.commands.closed()).await.expect("it ends");
    wait_until_async(Duration::from_secs(5), "its sessions to end", || async {
        fleet.db.value("select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui%'") == "0"
    })
    .await;
}
