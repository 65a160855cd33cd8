//! Rows that tenantui writes are those that the tool writes, in a table as the tool makes it: held against ledgers that
//! the tools themselves made.

use tenantui::migrations::dialects::{Hints, Writing, dialect};
use tenantui::migrations::folder::{Folder, MigrationFile};
use tenantui::migrations::ledgers::detail;
use tenantui::migrations::lens::Lens;
use tenantui::migrations::plan::standing;
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::ledger::Tool;
use tenantui::model::tenant::MigrationState;

use crate::ledgers::{fixture, loaded, read_all, reader, schemas};
use crate::support::TestDatabase;

/// The tools whose rows are written, by their fixtures.
pub const WRITTEN: [(&str, Tool); 9] = [
    ("dbmate", Tool::Dbmate),
    ("golang-migrate", Tool::GolangMigrate),
    ("goose", Tool::Goose),
    ("diesel", Tool::Diesel),
    ("sqlx", Tool::Sqlx),
    ("refinery", Tool::Refinery),
    ("migratus", Tool::Migratus),
    ("flyway", Tool::Flyway),
    ("node-pg-migrate", Tool::NodePgMigrate),
];

/// A tool's ledger in one schema, and how it is written.
pub struct Ledger<'a> {
    database: &'a TestDatabase,
    writing: &'static Writing,
    name: QualifiedName,
}

impl<'a> Ledger<'a> {
    pub fn new(database: &'a TestDatabase, tool: Tool, schema: &str) -> Self {
        let writing = dialect(tool).writing.as_ref().expect("written");
        let name = QualifiedName {
            schema: SchemaName::tenant(schema).expect("a name"),
            name: Ident::new(writing.table).expect("a name"),
        };
        Self { database, writing, name }
    }

    fn create(&self) {
        self.transaction(&(self.writing.create_ledger)(&self.name));
    }

    /// With the search path that rows are written with.
    fn transaction(&self, sql: &str) {
        self.database.sql(&format!("begin; set local search_path = pg_catalog, pg_temp; {sql}; commit"));
    }

    fn apply(&self, file: &MigrationFile) {
        for piece in &file.statements {
            self.database.sql(&format!("set search_path = {}; {}", self.name.schema.quoted(), piece.sql));
        }
        let (before, after) = ((self.writing.before)(&self.name), (self.writing.after)(&self.name));
        self.transaction(&format!("{before}; {}; {after}", (self.writing.applied)(&self.name, file)));
    }

    fn has(&self, file: &MigrationFile) -> bool {
        self.database.value(&(self.writing.is_applied)(&self.name, file)) == "t"
    }

    /// Its rows without what differs from run to run.
    pub fn rows(&self) -> String {
        self.database.value(&format!(
            "select coalesce(string_agg(row::text, E'\\n' order by row::text), '') from (select to_jsonb(l) - \
             '{{run_on,applied_on,installed_on,tstamp,applied,execution_time,installed_by}}'::text[] as row \
             from {} l) r",
            self.name.quoted()
        ))
    }

    /// Columns, constraints and indexes, with the schema's name taken out.
    pub fn shape(&self) -> String {
        let table = format!("'{}'::regclass", self.name.quoted());
        let shape = self.database.value(&format!(
            "select string_agg(line, E'\\n' order by line) from ( \
             select format('column %s %s %s not null %s identity %s default %s', attnum, attname, \
             format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid)) as line \
             from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum \
             where attrelid = {table} and attnum > 0 and not attisdropped \
             union all select format('constraint %s %s', conname, pg_get_constraintdef(oid)) from pg_constraint \
             where conrelid = {table} \
             union all select pg_get_indexdef(indexrelid) from pg_index where indrelid = {table}) lines"
        ));
        shape.replace(&format!("{}.", self.name.schema.raw()), "")
    }
}

#[tokio::test]
async fn a_migration_that_is_applied_here_is_recorded_as_its_tool_does() {
    for (name, tool) in WRITTEN {
        let database = loaded(name).await;
        let folder = Folder::read(&fixture(name).join("migrations"), tool).expect("the folder");
        let ledger = |schema: &str| Ledger::new(&database, tool, schema);
        let (made_by_tool, one_behind, never) =
            (ledger("tenant_acme"), ledger("tenant_globex"), ledger("tenant_initech"));
        let last = folder.files.last().expect("a file");
        assert_eq!((one_behind.has(last), made_by_tool.has(last)), (false, true), "{name}");
        one_behind.apply(last);
        assert_eq!(one_behind.rows(), made_by_tool.rows(), "{name}: the third");
        never.create();
        for file in &folder.files {
            assert!(!never.has(file), "{name}: {:?}", file.version);
            never.apply(file);
            assert!(never.has(file), "{name}: {:?}", file.version);
        }
        assert_eq!(never.rows(), made_by_tool.rows(), "{name}: all");
        assert_eq!(never.shape(), made_by_tool.shape(), "{name}");
        assert_read_back(&database, name, &folder).await;
        undo_all(name, &never, &folder);
    }
}

/// What was written is read as up to date, with nothing wrong about it.
async fn assert_read_back(database: &TestDatabase, name: &str, folder: &Folder) {
    let reader = reader(&database.url()).await;
    let hints = Hints { configured: Some(folder.tool), ..Hints::default() };
    let (found, read) = read_all(&reader, database, hints).await;
    let oids = schemas(database);
    let current = |schema: &str| {
        let state = read.state(oids[schema]);
        state.reading().and_then(|reading| reading.applied.current.clone())
    };
    for schema in ["tenant_globex", "tenant_initech"] {
        let state = read.state(oids[schema]);
        let standing = standing(&state, folder);
        assert_eq!(standing.pending.as_deref(), Some(&[][..]), "{name}/{schema}");
        assert_eq!((standing.applied, standing.changed.len()), (Some(3), 0), "{name}/{schema}");
        assert_eq!(current(schema), current("tenant_acme"), "{name}/{schema}");
        let reading = state.reading().expect("read");
        assert!(!reading.dirty && reading.locked.is_none(), "{name}/{schema}");
        let details = detail(&reader, found.by_schema.get(&oids[schema]), &state, Some(folder), &Lens::default())
            .await
            .expect("detail");
        assert!(details.iter().all(|detail| detail.state == MigrationState::Applied), "{name}: {details:?}");
        assert!(details.iter().all(|detail| detail.checksum_ok != Some(false)), "{name}: {details:?}");
    }
}

fn undo_all(name: &str, ledger: &Ledger<'_>, folder: &Folder) {
    let empty = folder.tool == Tool::Goose;
    for (index, file) in folder.files.iter().enumerate().rev() {
        let below = index.checked_sub(1).map(|below| &folder.files[below].version);
        ledger.transaction(&(ledger.writing.undone)(&ledger.name, file, below));
        let have: Vec<bool> = folder.files.iter().map(|file| ledger.has(file)).collect();
        assert_eq!(have, (0..folder.files.len()).map(|other| other < index).collect::<Vec<_>>(), "{name}");
    }
    let rows = ledger.database.value(&format!("select count(*) from {}", ledger.name.quoted()));
    assert_eq!(rows, if empty { "1" } else { "0" }, "{name}: goose's marker stays");
}

#[tokio::test]
async fn what_tools_measure_is_measured_by_the_servers_clock() {
    for (name, tool, column, least) in
        [("sqlx", Tool::Sqlx, "execution_time", 10_000_000), ("flyway", Tool::Flyway, "execution_time", 10)]
    {
        let database = loaded(name).await;
        let folder = Folder::read(&fixture(name).join("migrations"), tool).expect("the folder");
        let ledger = Ledger::new(&database, tool, "tenant_globex");
        let applied = (ledger.writing.applied)(&ledger.name, &folder.files[2]);
        ledger.transaction(&format!("select pg_sleep(0.01); {applied}"));
        let took = format!("select {column} from {} order by 1 desc limit 1", ledger.name.quoted());
        let took: i64 = database.value(&took).parse().expect("a number");
        assert!((least..least * 10_000).contains(&took), "{name}: {took}");
    }
}

#[tokio::test]
async fn migratus_keeps_others_out_while_it_writes() {
    let database = loaded("migratus").await;
    let ledger = Ledger::new(&database, Tool::Migratus, "tenant_acme");
    let before = (ledger.writing.before)(&ledger.name);
    database.sql(&before);
    let twice = database.try_sql(&before).expect_err("the lock is held");
    assert!(twice.starts_with("23505"), "{twice}");
    database.sql(&(ledger.writing.after)(&ledger.name));
    database.sql(&before);
}

#[tokio::test]
async fn a_refinery_with_wide_versions_gets_its_own_checksum() {
    let database = loaded("refinery").await;
    database.sql("alter table tenant_globex.refinery_schema_history alter column version type bigint");
    let folder = Folder::read(&fixture("refinery").join("migrations"), Tool::Refinery).expect("the folder");
    let narrow = Ledger::new(&database, Tool::Refinery, "tenant_acme");
    let wide = Ledger::new(&database, Tool::Refinery, "tenant_globex");
    wide.apply(&folder.files[2]);
    let checksum = |ledger: &Ledger<'_>| {
        database.value(&format!("select checksum from {} where version = 3", ledger.name.quoted()))
    };
    assert_ne!(checksum(&wide), checksum(&narrow), "eight bytes of the version are hashed, not four");
    let reader = reader(&database.url()).await;
    let (_, read) = read_all(&reader, &database, Hints::default()).await;
    let state = read.state(schemas(&database)["tenant_globex"]);
    assert_eq!(&*standing(&state, &folder).changed, [], "what cannot be judged is not judged");
}
