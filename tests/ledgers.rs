//! Ledgers made by the real tools are recognised and read as the tools themselves see them, for a whole fleet at once,
//! also by a role that may read only a part of it.

mod whole_fleets;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::SinkExt;
use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::migrations::dialects::{Found, Hints, Interner, LedgerScope, Ledgers, dialect, of_counted_apps};
use tenantui::migrations::folder::Folder;
use tenantui::migrations::ledgers::{LedgersRead, detail, find, read};
use tenantui::migrations::lens::{Glance, Lens};
use tenantui::migrations::plan::standing;
use tenantui::model::environment::Environment;
use tenantui::model::ledger::{LedgerState, Tool};
use tenantui::model::tenant::MigrationState;
use tenantui::postgres::ledgers::read_chunked;
use tenantui::postgres::session::{Patience, QueryError, Reader, Target};

use crate::support::{TestDatabase, pg};

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ledgers").join(name)
}

pub async fn reader(url: &str) -> Reader {
    let config = Database::new("test".into(), Environment::Development, url.to_owned().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    Reader::open(&target, Patience::Background).await.expect("a session")
}

/// Loads a plain dump as psql does: statements, and COPY with its rows.
async fn load(database: &TestDatabase, dump: &str) {
    let client = database.connect().await;
    let mut statements = String::new();
    let mut lines = dump.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("\\restrict") || line.starts_with("\\unrestrict") {
            continue;
        }
        if line.starts_with("COPY ") && line.ends_with(" FROM stdin;") {
            client.batch_execute(&statements).await.expect("statements of the dump");
            statements.clear();
            let rows: Vec<&str> = lines.by_ref().take_while(|line| *line != "\\.").collect();
            let sink = client.copy_in::<_, Cursor<Vec<u8>>>(line.trim_end_matches(';')).await.expect("COPY");
            let mut sink = std::pin::pin!(sink);
            for row in rows {
                sink.send(Cursor::new(format!("{row}\n").into_bytes())).await.expect("a row");
            }
            sink.as_mut().finish().await.expect("the end of COPY");
        } else {
            statements.push_str(line);
            statements.push('\n');
        }
    }
    client.batch_execute(&statements).await.expect("statements of the dump");
}

/// The schemas of a database by name.
pub fn schemas(database: &TestDatabase) -> BTreeMap<String, u32> {
    database
        .sql(
            "select nspname, oid from pg_namespace where nspname not like 'pg\\_%' and nspname <> 'information_schema'",
        )
        .into_iter()
        .map(|row| {
            let oid = row[1].as_deref().expect("an oid").parse().expect("a number");
            (row[0].clone().expect("a name"), oid)
        })
        .collect()
}

pub async fn loaded(name: &str) -> TestDatabase {
    let database = pg().database(name);
    load(&database, &std::fs::read_to_string(fixture(name).join("dump.sql")).expect("a dump")).await;
    database
}

pub async fn read_all(reader: &Reader, database: &TestDatabase, hints: Hints) -> (Ledgers, LedgersRead) {
    let found = find(reader, &hints).await.expect("candidates");
    let oids: Vec<u32> = schemas(database).into_values().collect();
    let read = read(reader, &found, &oids, &mut Interner::default(), |_| ()).await.expect("ledgers");
    (found, read)
}

async fn compare(name: &str, tool: Tool) {
    let database = loaded(name).await;
    let reader = reader(&database.url()).await;
    let folder = Folder::read(&fixture(name).join("migrations"), tool).expect("the folder");
    assert_eq!(Folder::detect(&folder.path).unwrap_or(tool), tool, "{name}: nothing else is taken for it");
    let scope = LedgerScope { tenants_table: Some("customers_client".to_owned()), ..LedgerScope::default() };
    let folder = of_counted_apps(&folder, &scope);
    assert_eq!(folder.tool, tool, "{name}");
    assert!(folder.files.len() >= 3, "{name}");
    let is_squashed = folder.facts.files.iter().any(|facts| !facts.replaces.is_empty());
    let hints = Hints { folder: Folder::detect(&folder.path), ..Hints::default() };
    let (found, read) = read_all(&reader, &database, hints).await;
    let oids = schemas(&database);
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(fixture(name).join("expected.json")).expect("expected.json"))
            .expect("JSON");
    assert!(!expected.is_empty());
    let lens = Lens::new(Some(&folder), &scope, read.states.values());
    let mut glance = Glance::default();
    for (schema, expected) in expected {
        let state = lens.see(&read.state(oids[&schema]), &mut glance);
        let standing = standing(&state, &folder);
        let reading = state.reading();
        let version = reading.and_then(|reading| reading.applied.current.as_ref());
        assert_eq!(version.map(|version| version.raw()), expected["version"].as_str(), "{name}/{schema}: version");
        assert_eq!(standing.applied.map(u64::from), expected["applied_count"].as_u64(), "{name}/{schema}: applied");
        let pending = standing.pending.expect("known").len();
        assert_eq!(Some(pending as u64), expected["pending"].as_u64(), "{name}/{schema}: pending");
        assert_eq!(standing.ahead.expect("known").len(), 0, "{name}/{schema}: ahead");
        assert_eq!(reading.is_some_and(|reading| reading.dirty), expected["dirty"] == true, "{name}/{schema}: dirty");
        let locked = reading.is_some_and(|reading| reading.locked.is_some());
        assert_eq!(locked, expected["locked"] == true, "{name}/{schema}: locked");
        let wanted = expected["version"].is_string().then_some(tool);
        assert_eq!(reading.map(|reading| reading.tool), wanted, "{name}/{schema}: tool");
        if version.is_none() {
            assert_eq!(state, LedgerState::Absent, "{name}/{schema}");
        }
        let details =
            detail(&reader, found.by_schema.get(&oids[&schema]), &state, Some(&folder), &lens).await.expect("detail");
        if is_squashed {
            continue;
        }
        assert_eq!(details.len(), folder.files.len(), "{name}/{schema}: {details:?}");
        let count = |state| details.iter().filter(|detail| detail.state == state).count() as u64;
        assert_eq!(Some(count(MigrationState::Applied)), expected["applied_count"].as_u64(), "{name}/{schema}");
        let has_no_times = [
            Tool::Dbmate,
            Tool::Rails,
            Tool::GolangMigrate,
            Tool::Alembic,
            Tool::TypeOrm,
            Tool::Sequelize,
            Tool::Drizzle,
        ];
        let has_times = !has_no_times.contains(&tool);
        let has_checksums = dialect(tool).reading.checksum.is_some();
        for detail in details.iter().filter(|detail| detail.state == MigrationState::Applied) {
            assert_eq!(detail.applied_at.is_some(), has_times, "{name}/{schema}: {detail:?}");
            assert_eq!(detail.checksum_ok, has_checksums.then_some(true), "{name}/{schema}: {detail:?}");
        }
        assert_eq!(&*standing.changed, [], "{name}/{schema}: the files are what was applied");
    }
}

#[tokio::test]
async fn migratus_ledgers_are_read_as_migratus_sees_them() {
    compare("migratus", Tool::Migratus).await;
}

#[tokio::test]
async fn rails_ledgers_are_read_as_rails_sees_them() {
    compare("rails", Tool::Rails).await;
}

#[tokio::test]
async fn diesel_ledgers_are_read_as_diesel_sees_them() {
    compare("diesel", Tool::Diesel).await;
}

#[tokio::test]
async fn sqlx_ledgers_are_read_as_sqlx_sees_them() {
    compare("sqlx", Tool::Sqlx).await;
}

#[tokio::test]
async fn golang_migrate_ledgers_are_read_as_it_sees_them() {
    compare("golang-migrate", Tool::GolangMigrate).await;
}

#[tokio::test]
async fn dbmate_ledgers_are_read_as_dbmate_sees_them() {
    compare("dbmate", Tool::Dbmate).await;
}

#[tokio::test]
async fn flyway_ledgers_are_read_as_flyway_sees_them() {
    compare("flyway", Tool::Flyway).await;
}

#[tokio::test]
async fn goose_ledgers_are_read_as_goose_sees_them() {
    compare("goose", Tool::Goose).await;
}

#[tokio::test]
async fn refinery_ledgers_are_read_as_refinery_sees_them() {
    compare("refinery", Tool::Refinery).await;
}

#[tokio::test]
async fn node_pg_migrate_ledgers_are_read_as_it_sees_them() {
    compare("node-pg-migrate", Tool::NodePgMigrate).await;
}

#[tokio::test]
async fn prisma_ledgers_are_read_as_prisma_sees_them() {
    compare("prisma", Tool::Prisma).await;
}

#[tokio::test]
async fn knex_ledgers_are_read_as_knex_sees_them() {
    compare("knex", Tool::Knex).await;
}

#[tokio::test]
async fn alembic_ledgers_are_read_as_alembic_sees_them() {
    compare("alembic", Tool::Alembic).await;
}

#[tokio::test]
async fn django_tenants_ledgers_are_read_by_the_apps_of_the_tenants() {
    compare("django-tenants", Tool::Django).await;
}

#[tokio::test]
async fn a_squashed_migration_counts_as_django_counts_it() {
    compare("django", Tool::Django).await;
}

#[tokio::test]
async fn ecto_ledgers_are_read_as_ecto_sees_them() {
    compare("ecto", Tool::Ecto).await;
}

#[tokio::test]
async fn yoyo_ledgers_are_read_as_yoyo_sees_them() {
    compare("yoyo", Tool::Yoyo).await;
}

#[tokio::test]
async fn liquibase_ledgers_are_read_by_id_author_and_end_of_the_path() {
    compare("liquibase", Tool::Liquibase).await;
}

#[tokio::test]
async fn typeorm_ledgers_are_read_as_typeorm_sees_them() {
    compare("typeorm", Tool::TypeOrm).await;
}

#[tokio::test]
async fn sequelize_ledgers_are_read_as_sequelize_sees_them() {
    compare("sequelize", Tool::Sequelize).await;
}

#[tokio::test]
async fn drizzle_ledgers_are_read_by_the_journals_tags() {
    compare("drizzle", Tool::Drizzle).await;
    compare("drizzle-own", Tool::Drizzle).await;
}

#[tokio::test]
async fn sqitch_registries_are_read_by_the_plans_changes() {
    compare("sqitch", Tool::Sqitch).await;
    compare("sqitch-own", Tool::Sqitch).await;
}

#[tokio::test]
async fn without_a_folder_rails_and_dbmate_are_told_apart_as_far_as_the_catalog_does() {
    let database = pg().database("tie");
    database.sql(
        "create schema rails5; create table rails5.schema_migrations (version varchar primary key); \
         create table rails5.ar_internal_metadata (key varchar primary key, value varchar); \
         create schema rails4; create table rails4.schema_migrations (version varchar(255) not null unique); \
         create schema olddbmate; create table olddbmate.schema_migrations (version varchar(128) primary key); \
         create schema either; create table either.schema_migrations (version varchar primary key)",
    );
    let reader = reader(&database.url()).await;
    let oids = schemas(&database);
    let tool = |found: &Ledgers, schema: &str| match &found.by_schema[&oids[schema]] {
        Found::Ledger(ledger) => (ledger.tool, ledger.certain),
        unclear @ Found::Unclear { .. } => panic!("{unclear:?}"),
    };
    let found = find(&reader, &Hints::default()).await.expect("candidates");
    assert_eq!(tool(&found, "rails5"), (Tool::Rails, true));
    assert_eq!(tool(&found, "rails4"), (Tool::Rails, true));
    assert_eq!(tool(&found, "olddbmate"), (Tool::Dbmate, true));
    assert_eq!(tool(&found, "either"), (Tool::Rails, false), "its metadata is in another schema");
    let configured = Hints { configured: Some(Tool::Dbmate), ..Hints::default() };
    assert_eq!(tool(&find(&reader, &configured).await.expect("candidates"), "either"), (Tool::Dbmate, true));

    database.sql("drop table rails5.ar_internal_metadata");
    let found = find(&reader, &Hints::default()).await.expect("candidates");
    assert_eq!(tool(&found, "either"), (Tool::RailsOrDbmate, false));
    let folder = Hints { folder: Some(Tool::Dbmate), ..Hints::default() };
    assert_eq!(tool(&find(&reader, &folder).await.expect("candidates"), "either"), (Tool::Dbmate, true));
}

/// What tools without a fixture make, from the facts of their columns.
const HAND_MADE: &[(&str, Tool)] = &[
    ("schema_migrations (version bigint primary key, inserted_at timestamp(0))", Tool::Ecto),
    ("schema_migrations (filename text primary key)", Tool::Sequel),
    ("schema_migrations (version text primary key, statements text[], name text)", Tool::Supabase),
    ("schema_migrations (id bigint unique not null)", Tool::Migratus),
    (
        "refinery_schema_history (version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))",
        Tool::Refinery,
    ),
    (
        "_yoyo_migration (migration_hash varchar(64) primary key, migration_id varchar(255), applied_at_utc timestamp)",
        Tool::Yoyo,
    ),
    (
        "databasechangelog (id varchar(255) not null, author varchar(255) not null, filename varchar(255) not null, \
         dateexecuted timestamp, orderexecuted int, exectype varchar(10) not null, md5sum varchar(35), \
         description varchar(255), comments varchar(255), tag varchar(255), liquibase varchar(20), contexts varchar(255), \
         labels varchar(255), deployment_id varchar(10))",
        Tool::Liquibase,
    ),
    (
        "goose_db_version (id int primary key generated by default as identity, version_id bigint, is_applied bool, tstamp timestamp)",
        Tool::Goose,
    ),
    (
        "pgmigrations (id serial primary key, name varchar(255) not null, run_on timestamp not null)",
        Tool::NodePgMigrate,
    ),
    (
        "_prisma_migrations (id varchar(36) primary key, checksum varchar(64), finished_at timestamptz, \
         migration_name varchar(255), logs text, rolled_back_at timestamptz, started_at timestamptz default now(), \
         applied_steps_count int default 0)",
        Tool::Prisma,
    ),
    ("__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)", Tool::Drizzle),
    ("migrations (id serial primary key, timestamp bigint not null, name varchar not null)", Tool::TypeOrm),
    ("migrations (id serial primary key, migration varchar(255), batch int)", Tool::Laravel),
    ("\"SequelizeMeta\" (name varchar(255) primary key)", Tool::Sequelize),
    (
        "changes (change_id text primary key, script_hash text, change text, project text, note text, \
         committed_at timestamptz, committer_name text)",
        Tool::Sqitch,
    ),
    (
        "\"__EFMigrationsHistory\" (\"MigrationId\" varchar(150) primary key, \"ProductVersion\" varchar(32))",
        Tool::EntityFramework,
    ),
    (
        "schema_version (version_rank int, installed_rank int, version varchar(50) primary key, description varchar(200), \
         type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), installed_on timestamp, \
         execution_time int, success bool)",
        Tool::Flyway,
    ),
];

#[tokio::test]
async fn tools_are_told_by_their_columns_and_lookalikes_are_not_taken_for_ledgers() {
    let database = pg().database("hand_made");
    for (index, (table, _)) in HAND_MADE.iter().enumerate() {
        database.sql(&format!("create schema s{index}; set search_path = s{index}; create table {table}"));
    }
    database.sql(
        "create schema app; create table app.migrations (id int, animal text, season text); \
         create table app.changes (id int); \
         create schema odd; create table odd.schema_migrations (version numeric); \
         create schema seen; create view seen.schema_migrations as select 1::bigint as id; \
         create schema two; create table two.goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp); \
         create table two.alembic_version (version_num varchar(32) primary key)",
    );
    let reader = reader(&database.url()).await;
    let (found, read) = read_all(&reader, &database, Hints::default()).await;
    let oids = schemas(&database);
    for (index, (table, tool)) in HAND_MADE.iter().enumerate() {
        match &found.by_schema.get(&oids[&format!("s{index}")]) {
            Some(Found::Ledger(ledger)) => assert_eq!(ledger.tool, *tool, "{table}"),
            other => panic!("{table}: {other:?}"),
        }
    }
    assert_eq!(read.state(oids["app"]), LedgerState::Absent, "an application's own tables are no ledger");
    for (schema, word) in [("odd", "numeric"), ("seen", "no table"), ("two", "tool = ")] {
        match read.state(oids[schema]) {
            LedgerState::Unreadable { tool: None, why } => assert!(why.raw().contains(word), "{schema}: {why:?}"),
            other => panic!("{schema}: {other:?}"),
        }
    }
    let configured = Hints { configured: Some(Tool::Goose), ..Hints::default() };
    match &find(&reader, &configured).await.expect("candidates").by_schema[&oids["two"]] {
        Found::Ledger(ledger) => assert_eq!(ledger.tool, Tool::Goose, "the configuration decides"),
        unclear @ Found::Unclear { .. } => panic!("{unclear:?}"),
    }
}

#[tokio::test]
async fn a_role_that_may_read_a_part_is_told_which_grant_the_rest_needs() {
    let database = loaded("migratus").await;
    let role = pg().role("low");
    database.sql(&format!(
        "grant usage on schema tenant_acme, tenant_globex to {role}; grant select on tenant_acme.schema_migrations to {role}; \
         grant select on tenant_umbrella.schema_migrations to {role}"
    ));
    let reader = reader(&database.url_as(&role)).await;
    let (_, read) = read_all(&reader, &database, Hints::default()).await;
    let oids = schemas(&database);
    assert!(read.state(oids["tenant_acme"]).reading().is_some_and(|reading| reading.applied.versions.len() == 3));
    for (schema, grants) in [
        ("tenant_globex", vec!["GRANT SELECT ON \"tenant_globex\".\"schema_migrations\""]),
        ("tenant_umbrella", vec!["GRANT USAGE ON SCHEMA \"tenant_umbrella\""]),
    ] {
        match read.state(oids[schema]) {
            LedgerState::NoAccess(why) => {
                assert_eq!(why.raw().matches("GRANT").count(), grants.len(), "{why:?}");
                assert!(grants.iter().all(|grant| why.raw().contains(grant)), "{why:?}");
            }
            other => panic!("{schema}: {other:?}"),
        }
    }
    assert_eq!(read.state(oids["tenant_initech"]), LedgerState::Absent, "no ledger is not no access");
}
