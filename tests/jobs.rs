//! Jobs: what is ordered, claimed, controlled, rescued and told; and the fleet that the tests of migrating and
//! provisioning work on.

mod boundary;
mod claim;
mod control;
mod early;
mod lease;
mod record;
mod rescue;
mod rollout;
mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::jobs::init;
use tenantui::jobs::orders::{self, OrderError};
use tenantui::jobs::record as records;
use tenantui::jobs::service::{MigrateOrder, Order, RollbackOrder};
use tenantui::jobs::worker::{self, RunOptions};
use tenantui::layout::{About, Column, Layout, NameRule, Naming, Registry, RegistryColumns, Statuses};
use tenantui::migrations::folder::Folder;
use tenantui::migrations::plan::{Direction, Plan, PlanError, PlanOptions, Reach, plan, undo};
use tenantui::model::environment::Environment;
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::{JobEvent, JobId, JobView, TenantOutcome};
use tenantui::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use tenantui::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use tenantui::postgres::session::{Patience, Reader, Target};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub use boundary::{REGISTRY, boundary, columns};

use crate::support::{TestDatabase, pg, wait_until_async};

/// A Boundary fleet in a database of its own, with its migration folder.
pub struct Fleet {
    pub db: TestDatabase,
    pub folder: TempDir,
    pub config: Database,
    pub layout: Arc<Layout>,
}

/// A run beside the test.
pub struct Started {
    pub stop: watch::Sender<worker::Stop>,
    task: tokio::task::JoinHandle<Result<JobView, OrderError>>,
}

impl Started {
    pub async fn end(self) -> Result<JobView, OrderError> {
        tokio::time::timeout(Duration::from_secs(60), self.task).await.expect("it ends").expect("no panic")
    }
}

impl Fleet {
    /// Tenants `t000`... with an empty ledger each and a table `users`.
    pub async fn new(name: &str, tenants: usize) -> Self {
        Self::on(pg().database(name), tenants).await
    }

    /// The same in this empty database.
    pub async fn on(db: TestDatabase, tenants: usize) -> Self {
        let url = db.url();
        Self::at(db, &url, tenants).await
    }

    /// The same, with another way to the database.
    pub async fn at(db: TestDatabase, url: &str, tenants: usize) -> Self {
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
        let mut config = Database::new("eu-1".into(), Environment::Development, url.to_owned().into());
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

    /// A file with the one that undoes it.
    pub fn pair(&self, version: u32, name: &str, up: &str, down: &str) {
        self.file(version, name, up);
        let path = self.folder.path().join(format!("{version}-{name}.down.sql"));
        std::fs::write(path, down).expect("written");
    }

    /// Files that make a table `m<version>` with a row, and undo that.
    pub fn pairs(&self, versions: &[u32]) {
        for version in versions {
            let up = format!("create table m{version} (id int);\n--;;\ninsert into m{version} values ({version})");
            self.pair(*version, "make", &up, &format!("drop table m{version}"));
        }
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
            domains: Vec::new(),
            deleted: false,
            schema: Some(text(2).into()),
            schema_oid: text(3).parse().ok(),
            owner: None,
            state: TenantState::Behind,
            ledger: LedgerState::Read(LedgerReading {
                tool: Tool::Migratus,
                table: "schema_migrations".into(),
                applied: Arc::new(AppliedSet { versions, current, ..AppliedSet::default() }),
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

    /// The plan that undoes in all tenants.
    pub fn undo_plan(
        &self,
        direction: Direction,
        reach: &Reach,
        change: impl FnOnce(&mut PlanOptions),
    ) -> Result<Plan, PlanError> {
        let mut options = PlanOptions::from(&self.config);
        options.canary = 0;
        options.batches = Vec::new();
        change(&mut options);
        undo(&self.name(), &self.tenants(), &self.read_folder(), (direction, reach), options)
    }

    /// Records what undoes, and gives the job's number.
    pub async fn order_undo(&self, plan: Plan) -> Result<JobId, OrderError> {
        let order = RollbackOrder { plan: Arc::new(plan), layout: Arc::clone(&self.layout), wait_after_canary: true };
        orders::order(&self.target(), &Order::Rollback(order), Uuid::new_v4()).await
    }

    /// Undoes, and applies again where the direction says so; the job at its end.
    pub async fn undo(&self, direction: Direction, reach: Reach) -> (JobId, JobView) {
        let plan = self.undo_plan(direction, &reach, |_| {}).expect("a plan");
        let job = self.order_undo(plan).await.expect("ordered");
        (job, self.run(job, false).await.0.expect("run"))
    }

    /// What the ledger of a tenant holds, and which of the tables `m<version>` are there.
    pub fn stands(&self, slug: &str) -> (String, String) {
        let ledger =
            format!("select coalesce(string_agg(id::text, ',' order by id), '') from tenant_{slug}.schema_migrations");
        let tables = format!(
            "select coalesce(string_agg(substr(relname, 2), ',' order by relname), '') from pg_class where relkind = 'r' \
             and relname ~ '^m[0-9]+$' and relnamespace = 'tenant_{slug}'::regnamespace"
        );
        (self.db.value(&ledger), self.db.value(&tables))
    }

    /// Everything that makes the schemas of tenants: catalog, ledgers and rows, in one text. Servers without XML have no
    /// way to look into tables by name, so the statement names them.
    pub fn fingerprint(&self) -> String {
        let names = "select quote_ident(nspname) from pg_namespace where nspname like 'tenant\\_%' order by 1";
        let mut lines = vec![
            "select format('%s %s %s %s', n.nspname, c.relname, c.relkind, c.relfilenode) from pg_class c \
             join pg_namespace n on n.oid = c.relnamespace where n.nspname like 'tenant\\_%' or n.nspname = 'public'"
                .to_owned(),
            "select format('%s %s %s', a.attrelid, a.attname, a.atttypid) from pg_attribute a join pg_class c on \
             c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace where n.nspname like 'tenant\\_%'"
                .to_owned(),
            "select format('%s %s', p.oid, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace \
             where n.nspname like 'tenant\\_%'"
                .to_owned(),
        ];
        for row in self.db.sql(names) {
            let schema = row[0].as_deref().expect("a name");
            lines.extend(
                ["schema_migrations", "users"]
                    .map(|table| format!("select format('{schema} {table} %s', t) from {schema}.{table} as t")),
            );
        }
        let lines = lines.join(" union all ");
        self.db.value(&format!("select md5(string_agg(line, E'\\n' order by line)) from ({lines}) as l (line)"))
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
        let options =
            RunOptions { wait_after_canary: true, parallel: None, shows_credentials: true, ordered_here: false, stop };
        let result = worker::run(&self.target(), job, retry, options, events).await;
        (result, collect.await.expect("collected"))
    }

    /// Starts a run beside the test.
    pub fn start(&self, job: JobId) -> Started {
        self.start_with(job, false)
    }

    /// The same, with what failed.
    pub fn start_again(&self, job: JobId) -> Started {
        self.start_with(job, true)
    }

    fn start_with(&self, job: JobId, retry: bool) -> Started {
        let (stop, stopped) = watch::channel(worker::Stop::GoOn);
        let (events, mut receiver) = mpsc::channel(256);
        let target = self.target();
        let task = tokio::spawn(async move {
            let options = RunOptions {
                wait_after_canary: true,
                parallel: None,
                shows_credentials: true,
                ordered_here: false,
                stop: stopped,
            };
            let drain = async { while receiver.recv().await.is_some() {} };
            tokio::join!(worker::run(&target, job, retry, options, events), drain).0
        });
        Started { stop, task }
    }

    /// Waits until somebody holds a job's lock.
    pub async fn wait_for_claim(&self) {
        let sql = "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database where l.locktype = 'advisory' \
            and l.objsubid = 2 and l.granted and d.datname = current_database()";
        wait_until_async(Duration::from_secs(20), "a claim", || async { self.db.value(sql) != "0" }).await;
    }

    /// Waits until a statement with these words runs.
    pub async fn wait_for_statement(&self, words: &str) {
        let sql = format!(
            "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' \
             and pid <> pg_backend_pid() and query like '%{words}%'"
        );
        wait_until_async(Duration::from_secs(20), words, || async { self.db.value(&sql) != "0" }).await;
    }

    /// Orders and runs; the job at its end.
    pub async fn migrate(&self, plan: Plan) -> JobView {
        let job = self.order(plan).await.expect("ordered");
        self.run(job, false).await.0.expect("run")
    }

    pub async fn outcomes(&self, job: JobId) -> BTreeMap<String, TenantOutcome> {
        let reader = Reader::open(&self.target(), Patience::Foreground).await.expect("a reader");
        let outcomes = records::outcomes(&reader, &self.name(), job).await.expect("outcomes");
        outcomes.into_iter().map(|outcome| (outcome.slug.raw().to_owned(), outcome)).collect()
    }

    pub async fn view(&self, job: JobId) -> JobView {
        let reader = Reader::open(&self.target(), Patience::Foreground).await.expect("a reader");
        records::job(&reader, &self.name(), job).await.expect("read").expect("a job")
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
