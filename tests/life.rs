//! A tenant's life behind its making, by the command, on real servers: what each operation writes, what it refuses, and
//! that nothing is lost on the way.

mod access;
mod anew;

mod dropped;
mod guards;
mod hidden;
mod left;
mod lock;
mod outside;
mod pointing;
mod purge;
mod record;
mod repair;
mod roles;
mod runs;
mod scan;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{json, tenantui, text};
use crate::support::{PgHandle, TestDatabase, pg};

/// Boundary's registry with three tenants: `acme` (active), `globex` (suspended), `hooli` (deleted, schema kept).
pub const REGISTRY: &str = "create table public.tenants (id varchar(36) primary key, slug varchar(100) not null unique, \
    name varchar(255) not null, schema_name varchar(63) not null unique, status varchar(20) not null default 'active' \
    check (status in ('active', 'suspended', 'deleted')), settings text, created_at timestamptz not null default now(), \
    updated_at timestamptz, deleted_at timestamptz); \
    insert into public.tenants (id, slug, name, schema_name, status, deleted_at) values \
    ('1', 'acme', 'ACME', 'tenant_acme', 'active', null), ('2', 'globex', 'Globex', 'tenant_globex', 'suspended', null), \
    ('3', 'hooli', 'Hooli', 'tenant_hooli', 'deleted', '2026-01-02 03:04:05+00');";

/// A database with an application's tenants, and a configuration that names it.
pub struct Place {
    pub db: TestDatabase,
    pub home: TempDir,
}

impl Place {
    pub fn new(name: &str) -> Self {
        Self::on(pg(), name)
    }

    pub fn on(server: &PgHandle, name: &str) -> Self {
        let db = server.database(name);
        db.sql(REGISTRY);
        let schemas: Vec<String> = ["acme", "globex", "hooli"]
            .iter()
            .map(|slug| {
                format!(
                    "create schema tenant_{slug}; create table tenant_{slug}.schema_migrations (id bigint unique not null, \
                     applied timestamp, description varchar(1024)); create table tenant_{slug}.users (id serial primary key, \
                     mail text); insert into tenant_{slug}.users (mail) values ('a@x'), ('b@x');"
                )
            })
            .collect();
        db.sql(&schemas.concat());
        let place = Self { db, home: tempfile::tempdir().expect("a folder") };
        place.configure("");
        place.expect(0, &["init", "--yes"]);
        place
    }

    /// Another database of the application's own making, initialised.
    pub fn empty(name: &str) -> Self {
        let place = Self { db: pg().database(name), home: tempfile::tempdir().expect("a folder") };
        place.configure("");
        place
    }

    /// Writes the configuration: the database, and whatever more.
    pub fn configure(&self, more: &str) {
        self.configure_as("postgres", "development", more);
    }

    pub fn configure_as(&self, role: &str, environment: &str, more: &str) {
        let text = format!(
            "[[database]]\nname = \"eu-1\"\nenvironment = \"{environment}\"\nurl = \"{}\"\n{more}\n",
            self.db.url_as(role)
        );
        std::fs::write(self.config(), text).expect("written");
        // A password may stand in it.
        std::fs::set_permissions(self.config(), std::fs::Permissions::from_mode(0o600)).expect("the mode");
    }

    pub fn config(&self) -> std::path::PathBuf {
        self.home.path().join("config.toml")
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        tenantui(self.home()).arg("--config").arg(self.config()).args(arguments).output().expect("it runs")
    }

    /// Runs it; its exit status must be this.
    pub fn expect(&self, status: i32, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        output
    }

    /// The words of a refusal, or of any other end.
    pub fn words(&self, status: i32, arguments: &[&str]) -> String {
        text(&self.expect(status, arguments).stderr)
    }

    pub fn json(&self, status: i32, arguments: &[&str]) -> Value {
        json(&self.expect(status, arguments))
    }

    pub fn row(&self, slug: &str) -> String {
        self.db.value(&format!(
            "select concat_ws('|', name, status, to_char(deleted_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')) \
             from public.tenants where slug = '{slug}'"
        ))
    }

    pub fn schemas(&self) -> String {
        self.db.value(
            "select coalesce(string_agg(nspname, ',' order by nspname), '') from pg_namespace \
             where nspname like 'tenant\\_%' or nspname like 'zz\\_%'",
        )
    }

    /// What the audit has of an action that was done: target, before, after.
    pub fn audit(&self, action: &str) -> Vec<(String, Value, Value)> {
        let rows = self.db.sql(&format!(
            "select target, before::text, after::text from tenantui.audit where action = '{action}' and outcome = 'done' order by id"
        ));
        let value =
            |cell: &Option<String>| cell.as_ref().map_or(Value::Null, |json| serde_json::from_str(json).expect("JSON"));
        rows.iter().map(|row| (row[0].clone().unwrap_or_default(), value(&row[1]), value(&row[2]))).collect()
    }

    /// Drops a suspended tenant; its name in the trash.
    pub fn drop(&self, slug: &str, schema: &str) -> String {
        self.expect(0, &["drop", slug, "--confirm", schema, "--yes"]);
        self.db.value("select nspname from pg_namespace where nspname like 'zz\\_dropped%' order by oid desc limit 1")
    }
}

/// A word that is one tenant's slug and another's schema means neither.
#[test]
fn a_slug_that_is_another_ones_schema_is_asked_about() {
    let place = Place::new("life_twins");
    place.db.sql(
        "insert into public.tenants (id, slug, name, schema_name, status) values ('9', 'tenant_acme', 'Twin', 'tenant_twin', 'active'); \
         create schema tenant_twin",
    );
    let words = place.words(2, &["suspend", "tenant_acme", "--yes"]);
    assert!(words.contains("ambiguous") && words.contains("acme (schema tenant_acme)"), "{words}");
    assert_eq!(place.row("acme"), "ACME|active");
    place.expect(0, &["suspend", "tenant_twin", "--yes"]);
    assert_eq!((place.row("acme"), place.row("tenant_acme")), ("ACME|active".into(), "Twin|suspended".into()));
}

#[test]
fn the_display_name_is_written_and_nothing_else() {
    let place = Place::new("life");
    let plan = place.json(0, &["rename", "acme", "--name", "ACME Inc", "--dry-run", "--json"]);
    assert_eq!((plan["action"].as_str(), plan["becomes"].as_str()), (Some("rename"), Some("ACME Inc")));
    assert!(
        plan["sql"][0]
            .as_str()
            .is_some_and(|sql| sql.contains("UPDATE \"public\".\"tenants\" SET \"name\" = 'ACME Inc'"))
    );
    assert_eq!(place.row("acme"), "ACME|active");
    // Nobody can be asked.
    assert!(place.words(5, &["rename", "acme", "--name", "ACME Inc"]).contains("--yes"));
    let done = place.json(0, &["rename", "acme", "--name", " O'Brien \" & Söhne ", "--yes", "--json"]);
    assert_eq!(done["tenants"][0]["result"], "done");
    assert_eq!(place.row("acme"), "O'Brien \" & Söhne|active");
    assert_eq!(place.db.value("select count(*) from public.tenants where updated_at is not null"), "1");
    let audit = place.audit("rename");
    assert_eq!(audit[0].1["row"]["name"], "ACME");
    assert_eq!((audit[0].0.as_str(), audit[0].2["row"]["name"].as_str()), ("tenant_acme", Some("O'Brien \" & Söhne")));
    // The same again is nothing, an empty one is refused, an unknown tenant fails.
    assert!(place.words(0, &["rename", "acme", "--name", "O'Brien \" & Söhne", "--yes"]).contains("nothing to do"));
    place.expect(5, &["rename", "acme", "--name", "  ", "--yes"]);
    place.expect(1, &["rename", "nobody", "--name", "X", "--yes"]);
    // However long the name, the list of jobs is read in a terminal.
    place.expect(0, &["rename", "globex", "--name", &"long ".repeat(50), "--yes"]);
    let jobs = text(&place.expect(0, &["jobs"]).stdout);
    assert!(jobs.lines().all(|line| line.chars().count() < 200), "{jobs}");
    // What the column does not hold is refused, not cut.
    assert!(text(&place.expect(1, &["rename", "acme", "--name", &"x".repeat(300), "--yes"]).stdout).contains("22001"));
    assert_eq!(place.row("acme"), "O'Brien \" & Söhne|active");
}

#[test]
fn statuses_go_round_and_say_what_they_are_already() {
    let place = Place::new("life");
    place.expect(0, &["suspend", "acme", "--yes"]);
    assert_eq!(place.row("acme"), "ACME|suspended");
    for how in ["--yes", "--dry-run"] {
        assert!(place.words(0, &["suspend", "acme", how]).contains("nothing to do: it is suspended already"), "{how}");
    }
    place.expect(0, &["activate", "acme", "--yes"]);
    assert_eq!(place.row("acme"), "ACME|active");
    assert!(place.words(0, &["activate", "acme", "--yes"]).contains("active already"));
    place.expect(0, &["archive", "acme", "--yes"]);
    assert_eq!(place.row("acme").split('|').collect::<Vec<_>>()[..2], ["ACME", "deleted"]);
    assert_ne!(place.db.value("select deleted_at is null from public.tenants where slug = 'acme'"), "t");
    // Boundary refuses the second soft delete; a suspended one has to be active or suspended first.
    assert!(place.words(5, &["archive", "acme", "--yes"]).contains("already"));
    place.expect(5, &["suspend", "acme", "--yes"]);
    place.expect(0, &["activate", "acme", "--yes"]);
    assert_eq!(place.row("acme"), "ACME|active");
    place.expect(0, &["activate", "globex", "--yes"]);
    // An archived one with its old mark of deletion comes back whole.
    place.expect(0, &["activate", "hooli", "--yes"]);
    assert_eq!((place.row("globex"), place.row("hooli")), ("Globex|active".into(), "Hooli|active".into()));
    let actions = "select string_agg(action || ':' || outcome, ' ' order by id) from tenantui.audit where outcome in ('done', 'ordered') and action in ('suspend', 'activate', 'archive')";
    assert!(
        place
            .db
            .value(actions)
            .starts_with("suspend:ordered suspend:done activate:ordered activate:done archive:ordered archive:done")
    );
    // The schema was never touched.
    assert_eq!(place.schemas(), "tenant_acme,tenant_globex,tenant_hooli");
}

#[test]
fn a_layout_without_names_or_statuses_says_so_and_still_drops() {
    let place = Place::empty("life_scan");
    let scan = "[database.tenants]\nscan = \"t_%\"\nschema = \"t_{slug}\"";
    place.configure(scan);
    place.db.sql("create schema t_one; create table t_one.a (id int); create schema t_two");
    place.expect(0, &["init", "--yes"]);
    for command in [
        &["suspend", "t_one", "--yes"][..],
        &["archive", "t_one", "--yes"],
        &["rename", "t_one", "--name", "x", "--yes"],
    ] {
        assert!(place.words(5, command).contains("no table lists the tenants"), "{command:?}");
    }
    place.expect(0, &["drop", "t_one", "--confirm", "t_one", "--yes"]);
    let trash = place.db.value("select nspname from pg_namespace where nspname like 'zz%'");
    // In the trash it is no tenant, and its name is free again.
    let tenants = place.json(0, &["tenants", "--json"]);
    assert_eq!(tenants["tenants"].as_array().map(Vec::len), Some(1));
    assert!(place.words(0, &["drop", "t_one", "--confirm", "t_one", "--yes"]).contains("in the trash already"));
    place.expect(0, &["undrop", "t_one", "--yes"]);
    assert_eq!(place.db.value("select count(*) from t_one.a"), "0");
    let again = {
        place.expect(0, &["drop", "t_one", "--confirm", "t_one", "--yes"]);
        place.db.value("select nspname from pg_namespace where nspname like 'zz%'")
    };
    assert_ne!(trash, again);
    place.expect(0, &["purge", "t_one", "--confirm", "t_one", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_namespace where nspname like 'zz%' or nspname = 't_one'"), "0");
    // Removed twice is no error, and neither is dropping what was removed.
    assert!(place.words(0, &["purge", "t_one", "--confirm", "t_one", "--yes"]).contains("removed for good"));
    assert!(place.words(0, &["drop", "t_one", "--confirm", "t_one", "--yes"]).contains("removed for good"));
    place.expect(1, &["drop", "t_none", "--confirm", "t_none", "--yes"]);
}

#[test]
fn a_drop_is_confirmed_by_name_and_comes_back_as_it_was() {
    let place = Place::new("life");
    let before = place.row("globex");
    // Not suspended, not confirmed, wrongly confirmed: nothing happens, whatever --yes says.
    assert!(place.words(5, &["drop", "acme", "--confirm", "tenant_acme", "--yes"]).contains("suspend it first"));
    assert!(place.words(5, &["drop", "globex", "--yes"]).contains("--confirm tenant_globex"));
    assert!(place.words(5, &["drop", "globex", "--confirm", "globex", "--yes"]).contains("is not the name"));
    assert!(place.words(5, &["drop", "globex", "--confirm", "tenant_globex"]).contains("--yes"));
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
    let plan = place.json(0, &["drop", "globex", "--dry-run", "--json"]);
    assert_eq!((plan["tables"].as_u64(), plan["confirm"].as_str()), (Some(2), Some("tenant_globex")));
    assert_eq!((&plan["last_backup"], plan["sessions"].as_array().map(Vec::len)), (&Value::Null, Some(0)));
    assert!(plan["size_bytes"].as_u64().is_some_and(|bytes| bytes > 8_000), "{plan}");
    assert!(place.words(0, &["undrop"]).contains("the trash is empty"));
    let trash = place.drop("globex", "tenant_globex");
    let job = place.db.value("select max(id) from tenantui.job");
    assert_eq!(trash, format!("zz_dropped_{job}_tenant_globex"));
    assert!(place.row("globex").starts_with("Globex|deleted|"));
    let (target, was, is) = place.audit("drop").remove(0);
    assert_eq!((target.as_str(), was["schema"].as_str()), ("tenant_globex", Some("tenant_globex")));
    assert_eq!((was["row"]["status"].as_str(), is["schema"].as_str()), (Some("suspended"), Some(trash.as_str())));
    let list = place.json(0, &["undrop", "--json"]);
    let row = &list["trash"][0];
    assert_eq!((row["tenant"].as_str(), row["schema"].as_str()), (Some("globex"), Some("tenant_globex")), "{list}");
    assert_eq!((row["trash_schema"].as_str(), row["can_undrop"].as_bool()), (Some(trash.as_str()), Some(true)));
    let table = text(&place.expect(0, &["purge"]).stdout);
    assert!(table.contains(&trash) && table.contains("undrop, purge"), "{table}");
    place.expect(2, &["purge", "--confirm", &trash]);
    // It says where it is; it is no orphan, and not one that is to be repaired.
    let tenants = place.json(0, &["tenants", "--json"]);
    let globex =
        tenants["tenants"].as_array().expect("tenants").iter().find(|t| t["slug"] == "globex").expect("globex");
    assert!(globex["problems"][0].as_str().is_some_and(|why| why.contains("undrop brings it back")), "{globex}");
    assert_eq!(globex["state"], "missing_schema");
    let sums = place.words(0, &["tenants"]);
    assert!(sums.contains("3 tenants: 2 ok, 1 dropped") && !sums.contains("missing_schema"), "{sums}");
    let checks = place.json(0, &["doctor", "--json"])["checks"].clone();
    let checks: Vec<&Value> =
        checks.as_array().expect("checks").iter().filter(|check| check["area"] == "tenants").collect();
    assert!(
        matches!(checks[..], [one] if one["result"] == "ok" && one["found"] == "1 dropped, such as globex"),
        "{checks:?}"
    );
    let repairs = place.json(0, &["repair", "--json"])["repairs"].clone();
    // Roles are of the whole server, which other tests use too.
    let mut repairs = repairs.as_array().expect("a list").iter().filter(|offer| offer["state"] != "orphan_role");
    assert!(repairs.next().is_none());
    assert!(place.words(5, &["activate", "globex", "--yes"]).contains("undrop"));
    // Dropped twice is no error.
    assert!(
        place.words(0, &["drop", "globex", "--confirm", "tenant_globex", "--yes"]).contains("in the trash already")
    );
    let sql = place.json(0, &["undrop", "globex", "--dry-run", "--json"])["sql"].clone();
    assert!(sql[1].as_str().is_some_and(|sql| sql.contains("\"status\" = 'suspended'")), "{sql}");
    place.expect(0, &["undrop", "globex", "--yes"]);
    assert_eq!((place.row("globex"), place.schemas()), (before, "tenant_acme,tenant_globex,tenant_hooli".into()));
    assert_eq!(place.db.value("select count(*) from tenant_globex.users"), "2");
    let changed = "select updated_at > now() - interval '1 hour' from public.tenants where slug = 'globex'";
    assert_eq!(place.db.value(changed), "t", "it is changed now, not when it was changed last before");
    // As for a purge: what is not in the trash is neither brought back nor removed.
    for order in [&["undrop", "globex", "--yes"][..], &["undrop", "globex", "--dry-run"], &["purge", "globex", "--yes"]]
    {
        assert!(place.words(5, order).contains("globex is not in the trash"), "{order:?}");
    }
    // An archived one may be dropped without being suspended, and comes back archived.
    place.drop("hooli", "tenant_hooli");
    place.expect(0, &["undrop", "tenant_hooli", "--yes"]);
    assert_eq!(place.row("hooli"), "Hooli|deleted|2026-01-02 03:04:05");
}
