//! Ledgers that hold events, attempts and checksums, in the states that real life leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tenantui::migrations::dialects::Hints;
use tenantui::migrations::folder::Folder;
use tenantui::migrations::ledgers::detail;
use tenantui::migrations::lens::Lens;
use tenantui::migrations::plan::{Standing, standing};
use tenantui::model::ledger::{LedgerState, Tool, Version};
use tenantui::model::tenant::MigrationState;

use crate::cli::{home, json, tenantui};
use crate::ledgers::{fixture, loaded, read_all, reader, schemas};
use crate::support::{TestDatabase, pg};

fn raw(versions: &[Version]) -> Vec<&str> {
    versions.iter().map(Version::raw).collect()
}

async fn state(database: &TestDatabase, schema: &str) -> LedgerState {
    let reader = reader(&database.url()).await;
    let (_, read) = read_all(&reader, database, Hints::default()).await;
    read.state(schemas(database)[schema])
}

/// Current version, applied versions, dirty.
async fn reading(database: &TestDatabase, schema: &str) -> (Option<String>, Vec<String>, bool) {
    let state = state(database, schema).await;
    let reading = state.reading().unwrap_or_else(|| panic!("{state:?}"));
    let versions = reading.applied.versions.iter().map(|version| version.raw().to_owned()).collect();
    (reading.applied.current.as_ref().map(|version| version.raw().to_owned()), versions, reading.dirty)
}

fn written(versions: &[&str]) -> Vec<String> {
    versions.iter().map(|version| (*version).to_owned()).collect()
}

/// A copy of a fixture's migrations.
fn copied(name: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).expect("copied");
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    copy(&fixture(name).join("migrations"), folder.path());
    folder
}

const FLYWAY: &str = "(installed_rank int primary key, version varchar(50), description varchar(200) not null, \
    type varchar(20) not null, script varchar(1000) not null, checksum int, installed_by varchar(100) not null, \
    installed_on timestamp not null default now(), execution_time int not null, success bool not null)";

fn flyway(database: &TestDatabase, schema: &str, events: &[(i32, Option<&str>, &str, bool)]) {
    database.sql(&format!("create schema {schema}; create table {schema}.flyway_schema_history {FLYWAY}"));
    for (rank, version, kind, success) in events {
        let version = version.map_or_else(|| "null".to_owned(), |version| format!("'{version}'"));
        database.sql(&format!(
            "insert into {schema}.flyway_schema_history values ({rank}, {version}, 'd', '{kind}', 's', null, 'me', now(), 1, {success})"
        ));
    }
}

#[tokio::test]
async fn flyways_events_come_to_what_flyway_says() {
    let database = pg().database("flyway_events");
    flyway(
        &database,
        "late",
        &[
            (0, None, "SCHEMA", true),
            (1, Some("1"), "SQL", true),
            (2, Some("1.10"), "SQL", true),
            (3, None, "SQL", true),
            (4, Some("1.9"), "SQL", true),
        ],
    );
    let (current, versions, dirty) = reading(&database, "late").await;
    assert_eq!((current.as_deref(), versions), (Some("1.9"), written(&["1", "1.9", "1.10"])), "the newest by time");
    assert!(!dirty);
    flyway(
        &database,
        "undone",
        &[
            (1, Some("1"), "SQL", true),
            (2, Some("2"), "SQL", true),
            (3, Some("3"), "SQL", true),
            (4, Some("3"), "UNDO_SQL", true),
            (5, Some("2"), "DELETE", true),
            (6, Some("4"), "SQL", true),
            (7, Some("4"), "UNDO_SQL", true),
            (8, Some("4"), "SQL", true),
        ],
    );
    assert_eq!(reading(&database, "undone").await, (Some("4".to_owned()), written(&["1", "4"]), false));
    flyway(&database, "repeatable", &[(1, Some("1"), "SQL", true), (2, None, "SQL", false)]);
    assert_eq!(reading(&database, "repeatable").await, (Some("1".to_owned()), written(&["1"]), true), "any failure");
    flyway(&database, "empty", &[]);
    assert_eq!(reading(&database, "empty").await, (None, Vec::new(), false));
}

#[tokio::test]
async fn what_a_flyway_baseline_covers_is_not_pending() {
    let database = pg().database("flyway_baseline");
    flyway(&database, "based", &[(1, Some("2"), "BASELINE", true), (2, Some("3"), "SQL", true)]);
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["V1__a.sql", "V1_5__b.sql", "V3__c.sql", "V4__d.sql"] {
        fs::write(folder.path().join(name), "select 1").expect("a file");
    }
    let folder = Folder::read(folder.path(), Tool::Flyway).expect("the folder");
    let state = state(&database, "based").await;
    let standing = standing(&state, &folder);
    assert_eq!(raw(&standing.pending.expect("known")), ["4"]);
    assert_eq!(raw(&standing.ahead.expect("known")), Vec::<&str>::new(), "a baseline needs no file");
    let reader = reader(&database.url()).await;
    let (found, _) = read_all(&reader, &database, Hints::default()).await;
    let found = found.by_schema.get(&schemas(&database)["based"]);
    let details = detail(&reader, found, &state, Some(&folder), &Lens::default()).await.expect("detail");
    let pending = details.iter().filter(|detail| detail.state == MigrationState::Pending);
    assert_eq!(pending.map(|detail| detail.version.raw()).collect::<Vec<_>>(), ["4"], "{details:?}");
    assert_eq!(details.iter().map(|detail| detail.version.raw()).collect::<Vec<_>>(), ["1", "1.5", "2", "3", "4"]);
}

#[tokio::test]
async fn flyways_older_tables_are_read_too() {
    let database = pg().database("flyway_old");
    database.sql(&format!(
        "create schema old; create table old.schema_version {}; \
         insert into old.schema_version values (1, 1, '1', 'd', 'INIT', 's', null, 'me', now(), 1, true), \
         (2, 2, '2', 'd', 'SQL', 's', 7, 'me', now(), 1, true)",
        FLYWAY.replace("(installed_rank int primary key", "(version_rank int not null, installed_rank int primary key")
    ));
    assert_eq!(reading(&database, "old").await, (Some("2".to_owned()), written(&["1", "2"]), false));
}

#[tokio::test]
async fn of_a_goose_version_the_newest_row_counts() {
    let database = pg().database("goose_rows");
    database.sql(
        "create schema g; create table g.goose_db_version (id int primary key generated by default as identity, \
         version_id bigint not null, is_applied bool not null, tstamp timestamp not null default now()); \
         insert into g.goose_db_version (version_id, is_applied) values (0, true), (1, true), (2, true), (2, false), \
         (3, true), (1, false), (1, true)",
    );
    assert_eq!(reading(&database, "g").await, (Some("3".to_owned()), written(&["1", "3"]), false));
}

#[tokio::test]
async fn of_node_pg_migrates_rows_the_last_by_time_is_current() {
    let database = pg().database("node_rows");
    database.sql(
        "create schema n; create table n.pgmigrations (id serial primary key, name varchar(255) not null, \
         run_on timestamp not null); insert into n.pgmigrations (name, run_on) values ('1_a', '2025-01-01'), \
         ('3_c', '2025-01-02'), ('2_b', '2025-01-03')",
    );
    assert_eq!(reading(&database, "n").await, (Some("2_b".to_owned()), written(&["1_a", "2_b", "3_c"]), false));
}

/// What the first tenant of a fixture says of a folder in which one file was changed.
async fn after_change(name: &str, tool: Tool, file: &str, append: &str) -> Standing {
    let database = loaded(name).await;
    let folder = copied(name);
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, format!("{text}{append}")).expect("changed");
    let folder = Folder::read(folder.path(), tool).expect("the folder");
    let state = state(&database, "tenant_acme").await;
    let reader = reader(&database.url()).await;
    let (found, _) = read_all(&reader, &database, Hints::default()).await;
    let found = found.by_schema.get(&schemas(&database)["tenant_acme"]);
    let details = detail(&reader, found, &state, Some(&folder), &Lens::default()).await.expect("detail");
    let standing = standing(&state, &folder);
    for detail in &details {
        assert_eq!(detail.checksum_ok, Some(!standing.changed.contains(&detail.version)), "{name}: {detail:?}");
    }
    standing
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_applied_is_told_by_the_ledgers_checksum() {
    for (name, tool, file, version) in [
        ("sqlx", Tool::Sqlx, "20250102120000_create_products.up.sql", "20250102120000"),
        ("flyway", Tool::Flyway, "V2__create_products.sql", "2"),
        ("refinery", Tool::Refinery, "V2__create_products.sql", "2"),
        ("prisma", Tool::Prisma, "20250102120000_create_products/migration.sql", "20250102120000_create_products"),
    ] {
        let changed = after_change(name, tool, file, "-- later\n").await.changed;
        assert_eq!(raw(&changed), [version], "{name}");
    }
    // The end of a line is nothing to Flyway, and everything to the others.
    assert_eq!(after_change("flyway", Tool::Flyway, "V2__create_products.sql", "\r\n").await.changed.len(), 0);
    let sqlx = "20250102120000_create_products.up.sql";
    assert_eq!(after_change("sqlx", Tool::Sqlx, sqlx, "\r\n").await.changed.len(), 1);
}

#[tokio::test]
async fn a_changed_file_keeps_its_tenants_out_of_a_run_until_it_is_accepted() {
    let database = loaded("sqlx").await;
    let folder = copied("sqlx");
    let path = folder.path().join("20250102120000_create_products.up.sql");
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, format!("{text}-- later\n")).expect("changed");
    let home = home();
    let config = home.path().join("config.toml");
    let url = database.url();
    let (name, migrations) = ("[[database]]\nname = \"shop\"", "[database.migrations]\ntool = \"sqlx\"");
    fs::write(&config, format!("{name}\nurl = \"{url}\"\n{migrations}\npath = \"{}\"\n", folder.path().display()))
        .expect("a configuration");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("the mode");
    let plan = |more: &[&str]| {
        let mut command = tenantui(home.path());
        command.arg("--config").arg(&config).args(["migrate", "--all", "--dry-run", "--json"]).args(more);
        json(&command.output().expect("runs"))["plans"][0].clone()
    };
    let names = |list: &serde_json::Value| -> Vec<String> {
        let tenants = list.as_array().expect("a list").iter().filter_map(|one| one["tenant"].as_str());
        let mut names: Vec<String> = tenants.map(Into::into).collect();
        names.sort_unstable();
        names
    };
    let plain = plan(&[]);
    assert_eq!(names(&plain["tenants"]), ["initech"], "{plain}");
    assert_eq!(names(&plain["left_out"]), ["globex", "umbrella"], "{plain}");
    assert!(plain["left_out"][0]["why"].as_str().is_some_and(|why| why.starts_with("changed checksum")), "{plain}");
    let accepted = plan(&["--accept-changed", "20250102120000"]);
    assert_eq!(names(&accepted["tenants"]), ["globex", "initech"], "{accepted}");
}
