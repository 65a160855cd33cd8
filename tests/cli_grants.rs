//! What the command says of privileges is true: the roles that `doctor --grants` prints are enough, and a role without
//! them is told what it lacks. And files that changed after tenantui applied them.

use serde_json::Value;

use crate::cli::text;
use crate::cli_fleet::{Fleet, tenant};
use crate::life::Place;
use crate::support::{own_pg, pg, tcp};

/// A fleet whose schemas belong to an ordinary role, as real ones do.
pub fn owned() -> (Fleet, String) {
    let fleet = Fleet::new();
    let owner = pg().role("app");
    for schema in ["tenant_acme", "tenant_beta_two", "tenant_lost"] {
        fleet.database.sql(&format!("alter schema {schema} owner to {owner}"));
        fleet.database.sql(&format!(
            "do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = '{schema}' loop \
             execute format('alter table {schema}.%I owner to {owner}', t); end loop; end $$"
        ));
    }
    fleet.database.sql("drop schema tenant_lost; delete from public.tenants where slug = 'gone'");
    fleet.database.sql(&format!("revoke all on database \"{}\" from public", fleet.database.name));
    (fleet, owner)
}

/// Runs what `doctor --grants` prints for one purpose, for a role of this name.
pub fn grant(fleet: &Fleet, purpose: &str, role: &str) {
    let document = fleet.json(0, &["doctor", "--grants", "--json"]);
    let all = document["grants"].as_array().expect("a list");
    let one = all.iter().find(|grant| grant["purpose"] == purpose).expect("the purpose");
    let printed = one["role"].as_str().expect("a name");
    for statement in one["statements"].as_array().expect("a list").iter().filter_map(Value::as_str) {
        fleet.database.sql(&statement.replace(printed, role));
    }
}

pub fn unique(fleet: &Fleet, name: &str) -> String {
    format!("{name}_{}", fleet.database.name)
}

#[test]
fn the_roles_that_doctor_prints_are_enough() {
    let (fleet, owner) = owned();
    let superuser = fleet.block("eu-1", &fleet.database.url());
    let writer = unique(&fleet, "writer");
    grant(&fleet, "writing", &writer);
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&writer)));
    fleet.init();
    // The default privileges are for what migrations make: the record is not the application's.
    let of_record =
        "has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')".replace("(c.oid", &format!("('{owner}', c.oid"));
    let open = format!(
        "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'tenantui' \
         and c.relkind = 'r' and ({of_record} or has_schema_privilege('{owner}', n.oid, 'USAGE'))"
    );
    assert_eq!(fleet.database.value(&open), "0");
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(!doctor.contains("belongs to"), "it has said who may use what it makes: {doctor}");
    fleet.expect(0, &["migrate", "--all", "--yes"]);
    fleet.expect(0, &["provision", "new-one", "--name", "New", "--yes"]);
    let used = format!("has_table_privilege('{owner}', 'tenant_new_one.notes', 'INSERT')");
    assert_eq!(
        fleet.database.value(&format!("select {used} and has_schema_privilege('{owner}', 'tenant_new_one', 'USAGE')")),
        "t"
    );

    fleet.configure(&superuser);
    // A second operator's role gets them, too, although there are schemas of the first one's now.
    let printed = fleet.json(0, &["doctor", "--grants", "--json"]).to_string();
    assert!(printed.contains(&format!("ON TABLES TO \\\"{owner}\\\"")), "{printed}");
    let reader = unique(&fleet, "reader");
    grant(&fleet, "reading", &reader);
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&reader)));
    let document = fleet.json(0, &["tenants", "--json"]);
    for slug in ["acme", "beta-two", "new-one"] {
        assert_eq!(tenant(&document, "slug", slug)["state"], "ok", "{document}");
    }
    assert_ne!(document["shared"][0]["state"], "no_access", "{document}");
    let jobs = fleet.json(0, &["jobs", "--json"]);
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(2));
    let words = text(&fleet.expect(5, &["provision", "another", "--name", "A", "--yes"]).stderr);
    assert!(words.contains("permission denied") || words.contains("may not"), "{words}");
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains("may not create schemas"), "{doctor}");
}

#[test]
fn a_role_without_privileges_is_refused_and_told_where_to_look() {
    let fleet = Fleet::new();
    fleet.init();
    let role = pg().role("lowly");
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&role)));
    let words = text(&fleet.expect(5, &["migrate", "acme", "--yes"]).stderr);
    assert!(words.contains("GRANT SELECT") && words.contains("tenants"), "{words}");
    fleet.database.sql(&format!("grant select on public.tenants to {role}"));
    for order in [&["init", "--yes"][..], &["provision", "new-one", "--name", "New", "--yes"], &["jobs"]] {
        let words = text(&fleet.expect(5, order).stderr);
        assert!(words.contains("doctor --grants"), "{order:?}: {words}");
    }
    let detail = fleet.json(0, &["tenant", "acme", "--json"]);
    assert_eq!((detail["state"].as_str(), &detail["migrations"]), (Some("no_access"), &Value::Null));
    let grants = format!(
        "GRANT USAGE ON SCHEMA \"tenant_acme\" TO \"{role}\"; GRANT SELECT ON \"tenant_acme\".\"schema_migrations\" TO \"{role}\""
    );
    let problems = detail["problems"].to_string().replace("\\\"", "\"");
    assert!(problems.contains(&grants), "{problems}");
    fleet.database.sql(&grants);
    assert_eq!(fleet.json(0, &["tenant", "acme", "--json"])["state"], "behind");
}

#[test]
fn a_file_that_changed_after_it_was_applied_leaves_its_tenants_out() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    let checks = |slug: &str| -> Vec<Value> {
        let detail = fleet.json(0, &["tenant", slug, "--json"]);
        let migrations = detail["migrations"].as_array().expect("a list");
        migrations.iter().map(|migration| migration["checksum_ok"].clone()).collect()
    };
    // Only the last file was applied by tenantui; of the others nothing is known.
    assert_eq!(checks("acme"), [Value::Null, Value::Null, Value::Bool(true)]);
    fleet.file("20260301000000-index-author", "create index notes_author on notes (author); -- edited");
    assert_eq!(checks("acme"), [Value::Null, Value::Null, Value::Bool(false)]);
    assert_eq!(checks("beta-two"), [Value::Null, Value::Null, Value::Null]);
    fleet.expect(0, &["migrate", "acme", "--yes"]);

    fleet.file("20260401000000-add-tag", "alter table notes add column tag text;");
    let words = text(&fleet.expect(4, &["migrate", "acme", "--yes"]).stderr);
    assert!(words.contains("nothing can be migrated") && !words.contains("nothing is pending"), "{words}");
    let done = fleet.json(4, &["migrate", "acme", "beta-two", "--yes", "--json"]);
    let left = tenant(&done, "tenant", "acme");
    assert_eq!(left["result"], "left out");
    assert!(left["message"].as_str().is_some_and(|why| why.contains("--accept-changed 20260301000000")), "{left}");
    assert_eq!(tenant(&done, "tenant", "beta-two")["result"], "done");
    fleet.expect(0, &["migrate", "acme", "--accept-changed", "20260301000000", "--yes"]);
    assert_eq!(checks("acme").last(), Some(&Value::Bool(true)));
}

/// What the layout asks of every tenant is read from tables of their schemas: the reader's grants have those, by the
/// layout's own data.
#[test]
fn the_reader_of_an_apartment_may_ask_for_each_environment() {
    let place = Place::empty("grants_rails");
    for (schema, environment) in [("public", "production"), ("acme", "production"), ("copied", "staging")] {
        place.db.sql(&format!(
            "create schema if not exists {schema}; create table {schema}.schema_migrations (version varchar primary key); \
             insert into {schema}.schema_migrations values ('20260101000000'); \
             create table {schema}.ar_internal_metadata (key varchar primary key, value varchar); \
             insert into {schema}.ar_internal_metadata values ('environment', '{environment}')"
        ));
    }
    let document = place.json(0, &["doctor", "--grants", "--json"]);
    let reading = document["grants"].as_array().expect("a list").iter().find(|grant| grant["purpose"] == "reading");
    let reading = reading.expect("the reader's");
    let role = pg().role("rails_reader");
    for statement in reading["statements"].as_array().expect("a list").iter().filter_map(Value::as_str) {
        if !statement.starts_with("CREATE ROLE") {
            place.db.sql(&statement.replace("tenantui_reader", &role));
        }
    }
    let notes = reading["notes"].to_string();
    assert!(!notes.contains("health of a tenant"), "nothing of a tenant is read without these grants: {notes}");
    place.configure_as(&role, "development", "");
    let copied = tenant(&place.json(0, &["tenants", "--json"]), "slug", "copied").clone();
    let problems = copied["problems"].to_string();
    assert!(problems.contains("the environment is staging here and production in public"), "{copied}");
    let doctor = text(&place.run(&["doctor"]).stdout);
    assert!(!doctor.contains("may not be read"), "{doctor}");
    let detail = place.json(0, &["tenant", "acme", "--json"]);
    assert!(!detail["problems"].to_string().contains("may not"), "{detail}");
}

/// What is there is not made again, and who could change the audit is said alike by both forms of `doctor`.
#[test]
fn roles_that_are_there_are_not_made_again_and_the_owner_of_the_audit_is_named() {
    // Roles are of the whole server, and these have the printed names.
    let server = own_pg(tcp());
    let fleet = Fleet::on(server.database("grants"));
    let printed = || text(&fleet.expect(0, &["doctor", "--grants"]).stdout);
    let first = printed();
    assert!(
        first.contains("CREATE ROLE tenantui_writer LOGIN") && first.contains("CREATE ROLE tenantui_reader"),
        "{first}"
    );
    assert!(first.contains("whoever runs `tenantui init` owns the audit"), "{first}");
    fleet.database.sql(
        "create role app; create role tenantui_writer login noinherit createrole; create role tenantui_reader; \
         alter schema tenant_acme owner to app; alter table tenant_acme.schema_migrations owner to app",
    );
    fleet.database.sql(&format!("grant create on database \"{}\" to tenantui_writer", fleet.database.name));
    fleet.database.sql("grant select on public.tenants to tenantui_writer");
    let second = printed();
    assert!(!second.contains("CREATE ROLE"), "{second}");
    assert!(second.contains("-- tenantui_writer is there already"), "{second}");
    let new = fleet.database.value("select current_setting('server_version_num')::int >= 160000") == "t";
    if new {
        // A role that does not inherit has none of these by a bare grant.
        for of_server in ["pg_read_all_stats TO tenantui_writer", "pg_read_all_stats TO tenantui_reader"] {
            assert!(second.contains(&format!("GRANT {of_server} WITH INHERIT TRUE;")), "{second}");
        }
    }
    let rights = if new { "WITH INHERIT TRUE, SET TRUE;" } else { "ALTER ROLE tenantui_writer INHERIT;" };
    assert!(second.contains("GRANT \"app\" TO tenantui_writer") && second.contains(rights), "{second}");
    // What is printed runs, on roles that are there too.
    fleet.database.sql(&second);
    assert_eq!(fleet.database.value("select pg_has_role('tenantui_writer', 'app', 'USAGE')"), "t");
    assert_eq!(fleet.database.value("select pg_has_role('tenantui_writer', 'pg_read_all_stats', 'USAGE')"), "t");
    assert_eq!(
        fleet.database.value("select rolcreaterole from pg_roles where rolname = 'tenantui_writer'"),
        "t",
        "nothing that it may is taken from it"
    );
    let superuser = fleet.block("eu-1", &fleet.database.url());
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as("tenantui_writer")));
    fleet.init();
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains("tenantui_writer could change or delete what is audited"), "{doctor}");
    assert!(doctor.contains("ALTER TABLE tenantui.audit OWNER TO"), "{doctor}");
    fleet.configure(&superuser);
    let third = printed();
    assert!(third.contains("-- tenantui.audit belongs to tenantui_writer, which could change it"), "{third}");
    assert!(!third.contains("INSERT ON tenantui.audit"), "it owns that: {third}");
    fleet
        .database
        .sql("create role keeper; alter schema tenantui owner to keeper; alter table tenantui.audit owner to keeper");
    let fourth = printed();
    assert!(!fourth.contains("could change it") && fourth.contains("INSERT ON tenantui.audit"), "{fourth}");
    fleet.database.sql(&fourth);
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as("tenantui_writer")));
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert!(doctor.contains("tenantui_writer can read it or add to it, and not change it"), "{doctor}");
}
