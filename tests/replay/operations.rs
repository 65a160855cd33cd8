//! Every operation that a database of each framework can have, by the command and by that framework's own rules: what is
//! made, migrated, undone, dropped and purged in one tenant is in that tenant alone.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::configured;
use crate::cli::{json, tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg};

/// A framework with Diesel's ledger: a tenant is a schema, and nothing lists them.
struct System {
    layout: &'static str,
    /// What its first migration makes, by which its schemas are known.
    first: &'static str,
    /// Each tenant has a role of its name.
    role: bool,
}

const BROKKR: System = System {
    layout: "brokkr",
    first: "create table app_initialization (id int); create table admin_role (pak_hash text); create table agents (id int); \
            create table generators (id int, name varchar(255), pak_hash text);",
    role: false,
};
const CLOACINA: System = System {
    layout: "cloacina",
    first: "create table task_executions (id int); create table contexts (id int);",
    role: true,
};

/// `public` and one tenant, `one`, both at the first of two versions.
pub(super) struct Place {
    pub(super) db: TestDatabase,
    pub(super) home: TempDir,
    /// The tenant that is made here, by a name that no other database of the server has: roles are of all.
    pub(super) slug: String,
}

impl Place {
    fn new(system: &System) -> Self {
        let db = pg().database(&format!("{}_ops", system.layout));
        for schema in ["public", "one"] {
            db.sql(&format!(
                "create schema if not exists {schema}; set search_path = {schema}; {} \
                 create table __diesel_schema_migrations (version varchar(50) primary key, run_on timestamp not null default now()); \
                 insert into __diesel_schema_migrations (version) values ('00')",
                system.first
            ));
        }
        let home = configured(&db, "[database.migrations]\npath = \"migrations\"\n");
        let folder = home.path().join(".config/tenantui/migrations");
        for (name, up, down) in [
            ("00_first", system.first, "select 1;"),
            ("01_notes", "create table notes (id serial primary key, body text);", "drop table notes;"),
        ] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
            fs::write(folder.join(name).join("up.sql"), up).expect("a file");
            fs::write(folder.join(name).join("down.sql"), down).expect("a file");
        }
        let slug = format!("t_{}", db.name);
        let place = Self { db, home, slug };
        place.expect(0, &["init", "--yes"]);
        place
    }

    pub(super) fn expect(&self, status: i32, arguments: &[&str]) -> Output {
        let output = tenantui(self.home.path()).args(arguments).output().expect("runs");
        let words = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{words}");
        output
    }

    pub(super) fn words(&self, status: i32, arguments: &[&str]) -> String {
        text(&self.expect(status, arguments).stderr)
    }

    pub(super) fn json(&self, status: i32, arguments: &[&str]) -> Value {
        json(&self.expect(status, arguments))
    }

    /// Schemas with the table of the second migration, and the versions in each ledger.
    fn stands(&self) -> (String, String) {
        let notes = "select string_agg(schemaname, ',' order by schemaname) from pg_tables where tablename = 'notes'";
        let versions = format!(
            "select string_agg(v, ' ') from (select 'public ' || count(*) as v from public.__diesel_schema_migrations union all \
             select 'one ' || count(*) from one.__diesel_schema_migrations union all \
             select 'new ' || count(*) from {}.__diesel_schema_migrations) s",
            self.slug
        );
        (self.db.value(notes), self.db.value(&versions))
    }
}

fn goes_round(system: &System) {
    let place = Place::new(system);
    let slug = place.slug.as_str();
    let document = place.json(0, &["tenants", "--json"]);
    assert_eq!(document["databases"][0]["layout"], system.layout);
    assert_eq!(tenant(&document, "slug", "one")["state"], "behind");

    // Made in its own schema; a name is folded as the framework's unquoted SQL folds it.
    let made = place.json(0, &["provision", &slug.to_uppercase(), "--name", slug, "--yes", "--json"]);
    assert_eq!(tenant(&made, "tenant", slug)["result"], "done", "{made}");
    assert_eq!(place.stands(), (slug.to_owned(), "public 1 one 1 new 2".to_owned()));
    let roles = format!("select count(*) from pg_roles where rolname = '{slug}'");
    assert_eq!(place.db.value(&roles), if system.role { "1" } else { "0" });
    // Again it is there already; one that the rule refuses is not made.
    let again = place.run_again(slug);
    assert!(again.contains("already"), "{again}");
    place.expect(2, &["provision", "no-hyphens", "--name", "x", "--yes"]);
    place.expect(2, &["provision", "has.dot", "--name", "x", "--yes"]);

    // One migration reaches the tenant that lacks it, and nothing in public; a second run has nothing to do.
    place.expect(0, &["migrate", "--all", "--yes"]);
    assert_eq!(place.stands(), (format!("one,{slug}"), "public 1 one 2 new 2".to_owned()));
    assert!(place.words(0, &["migrate", "--all", "--yes"]).contains("nothing is pending"));
    // A row of one is invisible to the other.
    place.db.sql(&format!("insert into {slug}.notes (body) values ('mine')"));
    assert_eq!(place.db.value("select count(*) from one.notes"), "0");

    place.expect(0, &["rollback", "one", "--steps", "1", "--yes"]);
    assert_eq!(place.stands(), (slug.to_owned(), "public 1 one 1 new 2".to_owned()));

    // No table lists the tenants: neither name nor status, and a drop all the same.
    for command in
        [&["suspend", slug, "--yes"][..], &["archive", slug, "--yes"], &["rename", slug, "--name", "x", "--yes"]]
    {
        assert!(place.words(5, command).contains("no table lists the tenants"), "{command:?}");
    }
    place.expect(5, &["drop", slug, "--yes"]);
    place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
    place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
    place.expect(0, &["undrop", slug, "--yes"]);
    assert_eq!(place.db.value(&format!("select body from {slug}.notes")), "mine");
    place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
    place.expect(0, &["purge", slug, "--confirm", slug, "--yes"]);
    assert_eq!(place.db.value(&roles), "0", "the role goes behind its schema");
    let left = "select count(*) from pg_namespace where nspname like 'zz%' or nspname like 't\\_%'";
    assert_eq!(place.db.value(left), "0");
    assert_eq!(place.db.value("select count(*) from pg_default_acl"), "0");
    // Its name is free again: what made the framework's own re-creation fail is gone.
    place.expect(0, &["provision", slug, "--name", slug, "--yes"]);
}

impl Place {
    pub(super) fn run_again(&self, slug: &str) -> String {
        let output =
            tenantui(self.home.path()).args(["provision", slug, "--name", slug, "--yes"]).output().expect("runs");
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn a_broker_of_brokkr_goes_its_whole_way() {
    goes_round(&BROKKR);
}

#[test]
fn a_tenant_of_cloacina_goes_its_whole_way_with_its_role() {
    goes_round(&CLOACINA);
}

/// What all brokers share is found behind each tenant's own tables, as the broker itself finds it.
#[test]
fn a_file_of_brokkr_finds_what_is_in_public() {
    let place = Place::new(&BROKKR);
    place.db.sql("create table public.only_here (id int)");
    let folder = place.home.path().join(".config/tenantui/migrations/02_shared");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("up.sql"), "insert into only_here values (1);").expect("a file");
    place.expect(0, &["migrate", "one", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.only_here"), "1");
    assert_eq!(place.db.value("select max(version) from one.__diesel_schema_migrations"), "02");
}
