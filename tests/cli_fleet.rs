//! The reading commands on a real fleet: JSON, exit status, streams.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use tenantui::text::is_unsafe;

use crate::cli::{fields, home, json, tenantui, text};
use crate::support::{TestDatabase, pg, program, redis};

const FILES: [(&str, &str); 3] = [
    ("20260101000000-create-notes", "create table notes (id bigint primary key, body text not null);"),
    ("20260201000000-add-author", "alter table notes add column author text;"),
    ("20260301000000-index-author", "create index notes_author on notes (author);"),
];

const HOSTILE: &str = "evil \u{1b}]0;x\u{7}\u{202e}name";

/// A database in Boundary's layout, a folder of migrations, and a configuration of both.
pub struct Fleet {
    pub home: TempDir,
    pub database: TestDatabase,
}

impl Fleet {
    pub fn new() -> Self {
        Self::on(pg().database("cli"))
    }

    /// In this empty database.
    pub fn on(database: TestDatabase) -> Self {
        let fleet = Self { home: home(), database };
        fleet.database.sql(
            "create table public.tenants (id uuid primary key default gen_random_uuid(), slug varchar(100) not null unique, \
             name varchar(255) not null, schema_name varchar(63) not null unique, status varchar(20) not null default 'active' \
             check (status in ('active', 'suspended', 'deleted')), created_at timestamptz not null default now(), \
             updated_at timestamptz, deleted_at timestamptz);
             create table public.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024));
             insert into public.schema_migrations values (20260101000000, now(), 'x')",
        );
        for (slug, name, applied) in [("acme", "ACME Corp", 2), ("beta-two", HOSTILE, 3), ("gone", "Gone Ltd", 0)] {
            fleet.tenant(slug, name, applied);
        }
        fleet.database.sql("drop schema tenant_gone cascade; create schema tenant_lost");
        for (name, sql) in FILES {
            fleet.file(name, sql);
        }
        fleet.configure(&fleet.block("eu-1", &fleet.database.url()));
        fleet
    }

    pub fn tenant(&self, slug: &str, name: &str, applied: usize) {
        let schema = format!("tenant_{}", slug.replace('-', "_"));
        self.database.sql(&format!(
            "insert into public.tenants (slug, name, schema_name) values ('{slug}', '{name}', '{schema}');
             create schema {schema};
             create table {schema}.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))"
        ));
        for (file, sql) in &FILES[..applied] {
            let (version, description) = file.split_once('-').expect("a name");
            self.database.sql(&format!(
                "set search_path = {schema}; {sql} insert into {schema}.schema_migrations values ({version}, now(), '{description}')"
            ));
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.home.path().join("migrations")
    }

    pub fn file(&self, name: &str, sql: &str) {
        fs::create_dir_all(self.folder()).expect("a folder");
        fs::write(self.folder().join(format!("{name}.up.sql")), sql).expect("a file");
    }

    pub fn block(&self, name: &str, url: &str) -> String {
        format!(
            "[[database]]\nname = \"{name}\"\nurl = \"{url}\"\n[database.migrations]\npath = \"{}\"\n",
            self.folder().display()
        )
    }

    pub fn configure(&self, text: &str) {
        let path = self.home.path().join("config.toml");
        fs::write(&path, text).expect("a configuration");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the mode");
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("runs")
    }

    pub fn command(&self) -> assert_cmd::Command {
        let mut command = tenantui(self.home.path());
        command.arg("--config").arg(self.home.path().join("config.toml"));
        command
    }

    /// Runs a command that must end so, and gives its output.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\nout: {out}\nerr: {err}");
        for stream in [&out, &err] {
            let odd: Vec<char> = stream.chars().filter(|c| is_unsafe(*c) && *c != '\n').collect();
            assert!(odd.is_empty(), "{arguments:?} lets {odd:?} through");
        }
        output
    }

    pub fn json(&self, code: i32, arguments: &[&str]) -> Value {
        json(&self.expect(code, arguments))
    }

    pub fn init(&self) {
        self.expect(0, &["init", "--yes"]);
    }
}

pub fn slugs(document: &Value) -> Vec<&str> {
    document["tenants"].as_array().expect("a list").iter().filter_map(|tenant| tenant["slug"].as_str()).collect()
}

pub fn tenant<'a>(document: &'a Value, field: &str, slug: &str) -> &'a Value {
    let found = document["tenants"].as_array().expect("a list").iter().find(|tenant| tenant[field] == slug);
    found.unwrap_or_else(|| panic!("no {slug} in {document}"))
}

#[test]
fn tenants_as_json_are_the_contract() {
    let fleet = Fleet::new();
    let document = fleet.json(0, &["tenants", "--json"]);
    assert_eq!(fields(&document), ["databases", "shared", "tenants"]);
    assert_eq!(slugs(&document), ["acme", "beta-two", "gone", "tenant_lost"]);
    let acme = tenant(&document, "slug", "acme");
    insta::with_settings!({sort_maps => true, filters => vec![
        (r#""id": "[0-9a-f-]{36}""#, r#""id": "[uuid]""#),
        (r#""created_at": "[0-9T:.-]+Z""#, r#""created_at": "[time]""#),
        (r#""size_bytes": \d+"#, r#""size_bytes": "[bytes]""#),
    ]}, {
        insta::assert_snapshot!("tenants_acme", serde_json::to_string_pretty(acme).expect("json"));
        insta::assert_snapshot!("tenants_shared", serde_json::to_string_pretty(&document["shared"]).expect("json"));
    });
    let database = &document["databases"][0];
    assert_eq!((database["layout"].as_str(), database["tool"].as_str()), (Some("boundary"), Some("migratus")));
    let gone = tenant(&document, "slug", "gone");
    assert_eq!((gone["state"].as_str(), &gone["size_bytes"]), (Some("missing_schema"), &Value::Null));
    assert_eq!(tenant(&document, "slug", "tenant_lost")["state"], "orphan_schema");
    assert_eq!(tenant(&document, "slug", "beta-two")["name"], HOSTILE, "the value is unchanged");
    let exact = fleet.json(0, &["tenants", "acme", "--json", "--exact"]);
    assert_eq!((exact["tenants"][0]["size_exact"].as_bool(), slugs(&exact)), (Some(true), vec!["acme"]));
}

#[test]
fn tenants_are_filtered_sorted_and_printed_as_tables() {
    let fleet = Fleet::new();
    assert_eq!(slugs(&fleet.json(0, &["tenants", "--state", "behind,ok", "--json"])), ["acme", "beta-two"]);
    assert_eq!(slugs(&fleet.json(0, &["tenants", "--sort", "applied", "--json"]))[0], "beta-two");
    assert!(slugs(&fleet.json(0, &["tenants", "--status", "suspended", "--json"])).is_empty());
    let table = fleet.expect(0, &["tenants"]);
    let (out, err) = (text(&table.stdout), text(&table.stderr));
    assert!(out.starts_with("TENANT") && out.lines().count() == 5, "{out}");
    assert!(err.contains("4 tenants: 1 missing_schema, 1 orphan_schema, 1 behind, 1 ok"), "{err}");
    let csv = text(&fleet.expect(0, &["tenants", "--csv"]).stdout);
    assert!(csv.starts_with("database,id,slug,name,status,schema,state,"), "{csv}");
    assert!(csv.contains("evil \\e]0;x\\u{7}\\u{202e}name"), "{csv}");
    // No command and no terminal: the table, once.
    let bare = fleet.expect(0, &[]);
    assert_eq!(text(&bare.stdout), out);
}

#[test]
fn one_tenant_is_shown_in_detail() {
    let fleet = Fleet::new();
    let acme = fleet.json(0, &["tenant", "acme", "--json"]);
    for field in
        ["tables_detail", "migrations", "cache", "members", "objects_outside", "role", "slug", "schema", "state"]
    {
        assert!(fields(&acme).contains(&field), "{field}: {acme}");
    }
    let tables: Vec<&str> =
        acme["tables_detail"].as_array().expect("tables").iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(tables.len(), 2, "{tables:?}");
    assert_eq!(
        fields(&acme["tables_detail"][0]),
        ["index_bytes", "name", "rows_estimate", "table_bytes", "toast_bytes", "total_bytes"]
    );
    let states: Vec<&Value> = acme["migrations"].as_array().expect("migrations").iter().map(|m| &m["state"]).collect();
    assert_eq!(states, [&json!("applied"), &json!("applied"), &json!("pending")]);
    assert_eq!(
        fields(&acme["migrations"][0]),
        ["applied_at", "checksum_ok", "estimate_seconds", "name", "state", "version"]
    );
    assert_eq!((acme["size_exact"].as_bool(), &acme["cache"]), (Some(true), &Value::Null));
    assert_eq!(fleet.json(0, &["tenant", "tenant_acme", "--json"])["slug"], "acme", "by schema too");
    assert!(text(&fleet.expect(0, &["tenant", "beta-two"]).stdout).contains("evil \\e]0;x"));
    let unknown = fleet.expect(1, &["tenant", "nobody", "--json"]);
    assert!(unknown.stdout.is_empty() && text(&unknown.stderr).contains("nobody"));
}

#[test]
fn cache_keys_are_counted_where_it_is_asked_for() {
    let fleet = Fleet::new();
    let url = redis().database();
    let mut connection = redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).expect("Redis");
    for key in ["tenant:acme:session:1", "tenant:acme:session:2", "tenant:acme:flags", "queue:mail"] {
        redis::cmd("SET").arg(key).arg("x").exec(&mut connection).expect("set");
    }
    let block = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&format!("{block}[database.cache]\nurl = \"{url}\"\n"));
    let document = fleet.json(0, &["tenants", "--cache", "--json"]);
    assert_eq!(tenant(&document, "slug", "acme")["cache_keys"], 3);
    assert_eq!(tenant(&document, "slug", "beta-two")["cache_keys"], 0);
    assert_eq!(fleet.json(0, &["tenants", "acme", "--json"])["tenants"][0]["cache_keys"], Value::Null);
    let acme = fleet.json(0, &["tenant", "acme", "--json"]);
    assert_eq!(acme["cache"], json!({"keys": 3, "by_prefix": {"session:": 2, "": 1}}));
    // A cache that is down disturbs nothing.
    fleet.configure(&format!("{block}[database.cache]\nurl = \"redis://:sesame@127.0.0.1:1/0\"\n"));
    let down = fleet.expect(0, &["tenants", "--cache"]);
    assert!(text(&down.stdout).contains("acme") && text(&down.stderr).contains("127.0.0.1:1"));
    assert!(!text(&down.stderr).contains("sesame"));
    assert_eq!(fleet.json(0, &["tenants", "acme", "--cache", "--json"])["tenants"][0]["cache_keys"], Value::Null);
}

#[test]
fn migrations_are_counted_over_the_fleet() {
    let fleet = Fleet::new();
    let document = fleet.json(0, &["migrations", "--json"]);
    insta::assert_snapshot!("migrations", serde_json::to_string_pretty(&document["migrations"]).expect("json"));
    assert!(text(&fleet.expect(0, &["migrations"]).stdout).starts_with("VERSION"));
    assert!(text(&fleet.expect(0, &["migrations", "--csv"]).stdout).starts_with("database,version,"));
}

#[test]
fn several_databases_are_printed_though_one_is_down() {
    let fleet = Fleet::new();
    let other = pg().database("cli");
    other.sql("create table public.tenants (id int, slug text, name text, schema_name text); insert into public.tenants values (1, 'acme', 'A', 'tenant_acme'); create schema tenant_acme");
    let (here, there) = (fleet.block("eu-1", &fleet.database.url()), fleet.block("eu-2", &other.url()));
    fleet.configure(&format!("{here}{}", fleet.block("eu-9", "postgresql://ops:sesame@127.0.0.1:1/x?sslmode=disable")));
    let document = fleet.json(3, &["tenants", "--json"]);
    assert_eq!(slugs(&document).len(), 4);
    assert_eq!(
        (&document["databases"][0]["error"], document["databases"][1]["name"].as_str()),
        (&Value::Null, Some("eu-9"))
    );
    assert!(document["databases"][1]["error"].is_string());
    let words = text(&fleet.expect(3, &["--database", "eu-9", "tenants"]).stderr);
    assert!(words.contains("eu-9") && !words.contains("0 tenants"), "nothing is known of it: {words}");
    assert_eq!(slugs(&fleet.json(0, &["--database", "eu-1", "tenants", "--json"])).len(), 4);
    fleet.expect(3, &["jobs", "--json"]);
    fleet.expect(3, &["migrate", "--all", "--yes"]);
    fleet.configure(&format!("{here}{there}"));
    let words = text(&fleet.expect(2, &["tenant", "acme"]).stderr);
    assert!(words.contains("--database") && words.contains("eu-1") && words.contains("eu-2"), "{words}");
    fleet.expect(2, &["migrate", "acme", "--yes"]);
    fleet.expect(2, &["provision", "x-y", "--name", "X", "--yes"]);
    assert_eq!(fleet.json(0, &["--database", "eu-1", "tenant", "acme", "--json"])["database"], "eu-1");
}

#[test]
fn the_first_of_several_databases_that_is_down_keeps_nobody_from_the_others() {
    let fleet = Fleet::new();
    let down = fleet.block("eu-9", "postgresql://ops:sesame@127.0.0.1:1/x?sslmode=disable");
    fleet.configure(&format!("{down}{}", fleet.block("eu-1", &fleet.database.url())));
    let words = text(&fleet.expect(3, &["init", "--yes"]).stderr);
    assert!(words.contains("eu-9: ") && words.contains("eu-1: done"), "{words}");
    assert_eq!(fleet.database.value("select count(*) from pg_namespace where nspname = 'tenantui'"), "1");
    fleet.database.sql("create schema tenant_stray");
    let output = fleet.expect(3, &["repair"]);
    let (list, words) = (text(&output.stdout), text(&output.stderr));
    assert!(list.contains("eu-1  tenant_stray  orphan_schema") && words.contains("eu-9: "), "{list}{words}");
    assert!(!words.contains("nothing was done"), "{words}");
    let document = fleet.json(3, &["repair", "--json"]);
    assert!(document["repairs"].as_array().expect("a list").iter().any(|offer| offer["tenant"] == "tenant_stray"));
    // Where one is all there is, it is an error as ever.
    fleet.configure(&down);
    fleet.expect(3, &["init", "--yes"]);
    fleet.expect(3, &["repair"]);
}

#[test]
fn a_role_that_may_read_little_sees_what_it_may() {
    let fleet = Fleet::new();
    let role = pg().role("little");
    fleet.database.sql(&format!(
        "grant select on public.tenants to {role}; grant usage on schema tenant_acme to {role}; \
         grant select on all tables in schema tenant_acme to {role}"
    ));
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&role)));
    let document = fleet.json(0, &["tenants", "--json"]);
    assert_eq!(tenant(&document, "slug", "acme")["state"], "behind");
    let beta = tenant(&document, "slug", "beta-two");
    assert_eq!(
        (beta["state"].as_str(), &beta["version"], &beta["applied"]),
        (Some("no_access"), &Value::Null, &Value::Null)
    );
    assert!(beta["problems"].to_string().contains("GRANT"), "{beta}");
    let doctor = fleet.json(0, &["doctor", "--json"]);
    assert!(doctor.to_string().contains("no_access"), "{doctor}");
    fleet.expect(5, &["init", "--yes"]);
}

#[test]
fn doctor_says_what_works() {
    let fleet = Fleet::new();
    let document = fleet.json(0, &["doctor", "--json"]);
    let areas: Vec<(&str, &str)> = document["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter_map(|check| Some((check["area"].as_str()?, check["result"].as_str()?)))
        .collect();
    for expected in [
        ("config", "ok"),
        ("link", "ok"),
        ("tls", "ok"),
        ("privileges", "warn"),
        ("pooler", "ok"),
        ("cluster", "ok"),
        ("protections", "ok"),
        ("clocks", "ok"),
        ("jobs", "off"),
        ("layout", "ok"),
        ("ledgers", "ok"),
        ("migrations", "ok"),
        ("cache", "off"),
    ] {
        assert!(areas.contains(&expected), "{expected:?} in {areas:?}");
    }
    assert_eq!(fields(&document["checks"][0]), ["advice", "area", "database", "found", "result"]);
    fleet.init();
    assert!(text(&fleet.expect(0, &["doctor"]).stdout).contains("the schema tenantui is current"));
}

#[test]
fn a_database_without_a_registry_says_what_was_tried() {
    let fleet = Fleet::new();
    let empty = pg().database("cli");
    fleet.configure(&fleet.block("eu-1", &empty.url()));
    let output = fleet.expect(2, &["tenants", "--json"]);
    let words = text(&output.stderr);
    assert!(words.contains("boundary") && words.contains("tenants"), "{words}");
    assert!(json(&output)["databases"][0]["error"].is_string());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fleet = Fleet::new();
    for n in 0..300 {
        fleet
            .database
            .sql(&format!("insert into public.tenants (slug, name, schema_name) values ('t{n}', 'T', 'tenant_t{n}')"));
    }
    let line = format!(
        "'{}' --config '{}' tenants | head -1",
        program().display(),
        fleet.home.path().join("config.toml").display()
    );
    let output = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", &line])
        .env("HOME", fleet.home.path())
        .output()
        .expect("runs");
    assert!(text(&output.stdout).starts_with("TENANT"));
    assert!(
        !text(&output.stderr).contains("panic") && !text(&output.stderr).contains("ipe"),
        "{}",
        text(&output.stderr)
    );
    assert!(matches!(output.status.code(), Some(0 | 141)), "{:?}", output.status);
}
