//! A fleet whose migrations are code: a Rails-like ledger in each schema, and a small program that keeps it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tenantui::config::Database;
use tenantui::jobs::init;
use tenantui::layout::Registry;
use tenantui::migrations::dialects::{Hints, Interner};
use tenantui::migrations::folder::Folder;
use tenantui::migrations::ledgers;
use tenantui::migrations::plan::{Plan, PlanError, PlanOptions, plan};
use tenantui::model::environment::Environment;
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::{JobEvent, JobId, JobView, LogMark};
use tenantui::model::ledger::{LedgerState, Tool};
use tenantui::model::tenant::{Tenant, TenantKey, TenantState};
use tenantui::postgres::session::{Patience, Reader};

use crate::jobs::{Fleet, REGISTRY, boundary, columns};
use crate::support::{TestDatabase, pg};

/// The program.
const TOOL: &str = include_str!("tool.sh");

/// Ledger, versions and objects of a tenant that has the first of three files.
const TENANT: &str = "create table {s}.schema_migrations (version varchar not null); \
    create unique index unique_schema_migrations on {s}.schema_migrations (version); \
    insert into {s}.schema_migrations values ('1'); create table {s}.m1 (id int); ";

pub struct Stage {
    pub fleet: Fleet,
    /// What the program leaves of itself, and where it looks how to behave.
    pub seen: TempDir,
}

impl Stage {
    /// So many tenants `t000`..., at the first of three versions.
    pub async fn new(tenants: usize, mode: &str) -> Self {
        Self::on(pg().database("drive"), tenants, mode).await
    }

    pub async fn on(db: TestDatabase, tenants: usize, mode: &str) -> Self {
        let url = db.url();
        Self::at(db, &url, tenants, mode).await
    }

    /// The same, with another way to the database.
    pub async fn at(db: TestDatabase, url: &str, tenants: usize, mode: &str) -> Self {
        db.sql(REGISTRY);
        for number in 0..tenants {
            let (slug, schema) = (format!("t{number:03}"), format!("tenant_t{number:03}"));
            db.sql(&format!(
                "insert into public.tenants (id, slug, name, schema_name, created_at) values ('id-{slug}', '{slug}', '{slug}', '{schema}', 'now'); \
                 create schema {schema}; {}",
                TENANT.replace("{s}", &schema)
            ));
        }
        let folder = tempfile::tempdir().expect("a folder");
        for version in 1..=3 {
            std::fs::write(folder.path().join(format!("{version}_make.rb")), "class Make; end\n").expect("a file");
        }
        let seen = tempfile::tempdir().expect("a folder");
        std::fs::write(seen.path().join("tool.sh"), TOOL).expect("a program");
        let mut config = Database::new("eu-1".into(), Environment::Development, url.to_owned().into());
        config.migrations.path = Some(folder.path().to_owned());
        config.migrations.tool = Some(Tool::Rails);
        config.migrations.command = Some(Self::command(folder.path(), seen.path()));
        config.migrations.command_folder = Some(seen.path().to_owned());
        let oid = db.value("select 'public.tenants'::regclass::oid").parse().expect("an oid");
        let table = QualifiedName { schema: SchemaName::public(), name: Ident::new("tenants").expect("a name") };
        let layout = Arc::new(boundary(Registry::Table { table, oid, columns: columns() }));
        let stage = Self { fleet: Fleet { db, folder, config, layout }, seen };
        stage.mode(mode);
        init::run(&stage.fleet.target()).await.expect("initialised");
        stage
    }

    /// The command's words.
    pub fn command(folder: &Path, seen: &Path) -> Vec<String> {
        let words = [Path::new("/bin/sh"), &seen.join("tool.sh"), &pg().bin("psql"), folder, seen].map(Path::to_owned);
        let words = words.into_iter().map(|word| word.display().to_string());
        words.chain(["{schema}", "{id}", "{to}", "{url}"].map(str::to_owned)).collect()
    }

    pub fn mode(&self, mode: &str) {
        std::fs::write(self.seen.path().join("mode"), mode).expect("written");
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.seen.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The tenants as the database has them now.
    pub async fn tenants(&self) -> Vec<Arc<Tenant>> {
        let reader = Reader::open(&self.fleet.target(), Patience::Foreground).await.expect("a reader");
        let hints = Hints { configured: Some(Tool::Rails), folder: Some(Tool::Rails), table: None };
        let found = ledgers::find(&reader, &hints).await.expect("found");
        let rows = self.fleet.db.sql(
            "select t.id, t.slug, t.schema_name, n.oid::text from public.tenants t \
             join pg_namespace n on n.nspname = t.schema_name order by 2",
        );
        let mut tenants = Vec::new();
        for row in rows {
            let text = |column: usize| row[column].clone().unwrap_or_default();
            let oid: u32 = text(3).parse().expect("an oid");
            let read = ledgers::read(&reader, &found, &[oid], &mut Interner::default(), |_| ()).await.expect("read");
            tenants.push(Arc::new(self.tenant(&text(0), &text(1), &text(2), oid, read.state(oid))));
        }
        tenants
    }

    fn tenant(&self, id: &str, slug: &str, schema: &str, oid: u32, ledger: LedgerState) -> Tenant {
        Tenant {
            key: TenantKey::row(&self.fleet.name(), id),
            id: Some(id.into()),
            slug: slug.into(),
            name: None,
            status: Some("active".into()),
            plan: None,
            domains: Vec::new(),
            deleted: false,
            schema: Some(schema.into()),
            schema_oid: Some(oid),
            owner: None,
            state: TenantState::Behind,
            ledger,
            applied: None,
            pending: None,
            ahead: None,
            tables: None,
            size_bytes: None,
            size_exact: false,
            cache_keys: None,
            created_at: None,
            changed: Arc::default(),
            failed_step: None,
            problems: Vec::new(),
        }
    }

    pub async fn try_plan(&self, change: impl FnOnce(&mut PlanOptions)) -> Result<Plan, PlanError> {
        let mut options = PlanOptions::from(&self.fleet.config);
        options.canary = 0;
        options.batches = Vec::new();
        options.max_failures = 10;
        change(&mut options);
        let folder = Folder::read(self.fleet.folder.path(), Tool::Rails).expect("a folder");
        plan(&self.fleet.name(), &self.tenants().await, &folder, options)
    }

    pub async fn order(&self, change: impl FnOnce(&mut PlanOptions)) -> JobId {
        let plan = self.try_plan(change).await.expect("a plan");
        self.fleet.order(plan).await.expect("ordered")
    }

    /// Orders and runs; the job at its end, and its log.
    pub async fn migrate(&self, change: impl FnOnce(&mut PlanOptions)) -> (JobView, Vec<String>) {
        let job = self.order(change).await;
        self.go_on(job, false).await
    }

    pub async fn go_on(&self, job: JobId, retry: bool) -> (JobView, Vec<String>) {
        let (view, events) = self.fleet.run(job, retry).await;
        (view.expect("run"), log(&events))
    }

    /// What stopped a tenant, in the record's words.
    pub async fn failure(&self, job: JobId, slug: &str) -> String {
        let outcomes = self.fleet.outcomes(job).await;
        outcomes[slug].failure.as_ref().map_or_else(String::new, |failure| failure.message.raw().to_owned())
    }

    /// Versions in a schema's ledger.
    pub fn versions(&self, schema: &str) -> String {
        self.fleet
            .db
            .value(&format!("select string_agg(version, ',' order by version) from {schema}.schema_migrations"))
    }

    /// The processes of the program that were started so far, and still run.
    pub fn running(&self) -> Vec<String> {
        let pids = std::fs::read_to_string(self.file("pids")).unwrap_or_default();
        pids.lines().filter(|pid| is_running(pid)).map(str::to_owned).collect()
    }
}

/// Whether a process runs: one that is only waited for does not.
pub fn is_running(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// The lines of the log, with their mark and tenant.
pub fn log(events: &[JobEvent]) -> Vec<String> {
    let line = |event: &JobEvent| match event {
        JobEvent::Log(line) => {
            let mark = match line.mark {
                LogMark::Run => "run ",
                LogMark::Ok => "ok ",
                LogMark::Fail => "FAIL ",
                LogMark::Note => "",
            };
            let tenant = line.tenant.as_ref().map(|tenant| tenant.raw().to_owned()).unwrap_or_default();
            Some(format!("{mark}{tenant} {}", line.text.raw()))
        }
        _ => None,
    };
    events.iter().filter_map(line).collect()
}
