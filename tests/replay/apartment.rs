//! Apartment, v3 and v4: any application's own table of tenants, names of every kind, schemas that are no tenants, tables
//! that should be empty, an environment that is not ours.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::postgres::session::Target;

use super::{configured, count, evidence, health, layout_lines, look, look_at, problems, says, unwell};
use crate::cli::{home, tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg, quote};

/// A function that makes one tenant as a load of the schema file leaves it: all tables, all versions, no times.
const MAKER: &str = "create function public.apartment(name text) returns void language plpgsql as $f$ begin
    execute format('create schema if not exists %I', name);
    execute format('set local search_path = %I', name);
    create table schema_migrations(version varchar primary key);
    insert into schema_migrations values ('20260101000000'), ('20260201000000');
    create table ar_internal_metadata(key varchar primary key, value varchar, created_at timestamp(6), updated_at timestamp(6));
    insert into ar_internal_metadata values ('environment', 'production', now(), now()), ('schema_sha1', 'abc', now(), now());
    create table companies(id bigserial primary key, subdomain varchar, name varchar, created_at timestamp(6));
    create table orders(id bigserial primary key, total int);
  end $f$";

pub(super) fn database(names: &str) -> TestDatabase {
    let db = pg().database("apartment");
    db.sql(MAKER);
    db.sql(&format!(
        "do $$ declare name text; begin
           perform public.apartment('public'); commit;
           for name in {names} loop perform public.apartment(name); commit; end loop;
         end $$"
    ));
    db.sql("drop function public.apartment(text); create schema shared_extensions; create schema reporting");
    db
}

/// A hundred and more tenants with names that only v3 allows.
fn v3() -> TestDatabase {
    database(
        "select 't' || i from generate_series(1, 120) i union all select unnest(array['1234', 'my-tenant', 'foo.bar', md5('x')::uuid::text])",
    )
}

#[test]
fn v3_is_told_by_names_that_v4_refuses() {
    let db = v3();
    db.sql("delete from t7.schema_migrations where version = '20260201000000'; update t9.ar_internal_metadata set value = 'staging' where key = 'environment'");
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!((&document["databases"][0]["layout"], count(&document)), (&Value::from("apartment"), 124));
    assert_eq!(unwell(&document), ["t7:behind"]);
    for odd in ["1234", "my-tenant", "foo.bar"] {
        assert_eq!(tenant(&document, "slug", odd)["schema"], odd);
    }
    // It is told of the fleet, not only of the open one.
    assert!(problems(tenant(&document, "slug", "t9")).contains("a copy from elsewhere"), "{document:#}");
    let told = document["tenants"].as_array().expect("a list").iter().filter(|one| problems(one) != "[]").count();
    assert_eq!(told, 1, "{document:#}");
    let doctor = look(&db, &["doctor", "--json"]).to_string();
    assert!(doctor.contains("1 with a problem that is no state, such as t9"), "{doctor}");
    let lines = evidence(&db);
    says(&lines, "ok", "public holds all that a tenant's schema holds, and is none");
    says(&lines, "ok", "apartment: Apartment v3; tenants are listed as the schemas with ar_internal_metadata");
    says(&lines, "ok", "it is v3: v4 would refuse the schema name 1234");

    let well = look(&db, &["tenant", "1234", "--json"]);
    assert_eq!(health(&well, "environment"), (&"production".into(), None, None));
    assert_eq!((problems(&well).as_str(), &well["migrations"][0]["applied_at"]), ("[]", &Value::Null));
    let strange = look(&db, &["tenant", "t9", "--json"]);
    let (value, detail, problem) = health(&strange, "environment");
    assert_eq!((value, detail), (&"staging".into(), Some("production in public")));
    assert!(problem.is_some_and(|words| words.contains("staging here and production in public")), "{problem:?}");
    assert_eq!(problems(&strange).matches("a copy from elsewhere").count(), 1, "{strange:#}");
}

#[test]
fn v4_is_told_by_the_default_privileges_of_its_policy() {
    let db = database("select 't_' || i from generate_series(1, 100) i");
    let says_nothing = evidence(&db);
    says(&says_nothing, "ok", "nothing in the database tells whether it is v4 or v3");
    let (ddl, app) = (pg().role("apartment_ddl"), pg().role("apartment_app"));
    db.sql(&format!(
        "do $$ begin
           for i in 1..100 loop
             execute format('grant usage on schema t_%s to {app}', i);
             execute format('alter default privileges for role {ddl} in schema t_%s grant select, insert, update, delete on tables to {app}', i);
             execute format('alter default privileges for role {ddl} in schema t_%s grant usage, select on sequences to {app}', i);
           end loop;
         end $$",
        ddl = quote(&ddl),
        app = quote(&app)
    ));
    let lines = evidence(&db);
    says(&lines, "ok", "apartment: Apartment v4;");
    says(&lines, "ok", "it is v4: default privileges for roles stand in t_1, as v4 leaves them");
    assert_eq!(count(&look(&db, &["tenants", "--json"])), 100);
    // A new one gets what its siblings have, where the roles of the application's policy are named.
    let home = configured(&db, &format!("[database.tenants]\ngrant_to = [\"{app}\"]\n"));
    let run = |arguments: &[&str]| {
        let end = tenantui(home.path()).args(arguments).output().expect("runs");
        assert_eq!(end.status.code(), Some(0), "{arguments:?}: {}", text(&end.stderr));
        text(&end.stderr)
    };
    run(&["init", "--yes"]);
    let told = run(&["provision", "t_101", "--name", "New", "--yes"]);
    assert!(!told.contains("may use the schemas of most siblings"), "{told}");
    let rights = |schema: &str| {
        db.value(&format!(
            "select string_agg(what, ' ' order by what) from (\
             select 'schema ' || x.privilege_type as what from pg_namespace n, aclexplode(n.nspacl) x \
             where n.nspname = '{schema}' and x.grantee = '{app}'::regrole union all \
             select d.defaclobjtype::text || ' ' || x.privilege_type from pg_default_acl d, aclexplode(d.defaclacl) x \
             where d.defaclnamespace = '{schema}'::regnamespace and x.grantee = '{app}'::regrole) as all_of_it"
        ))
    };
    // The policy of these siblings gives no functions.
    assert_eq!(rights("t_101").replace("f EXECUTE ", ""), rights("t_1"));
    db.sql("drop schema t_101 cascade");
    // A name of v3 beside it is told, and not decided.
    db.sql("alter schema t_2 rename to \"2nd\"");
    says(&evidence(&db), "ok", "marks of several versions: v4 (default privileges");
}

#[test]
fn the_application_s_own_table_lists_tenants_by_query() {
    let db = v3();
    db.sql("insert into public.companies(subdomain, name, created_at) values ('t1', 'One', '2026-02-09 10:00'), ('my-tenant', 'Mine', now()), ('lost', 'Lost', now())");
    let query = "[database.tenants]\nquery = \"select id, subdomain as slug, name, created_at from public.companies\"\nexclude = [\"t2\"]\n";
    let home = configured(&db, query);
    let document = look_at(&home, &["tenants", "--json"]);
    assert_eq!(document["databases"][0]["layout"], "apartment");
    let one = tenant(&document, "slug", "t1");
    assert_eq!(
        (&one["name"], &one["state"], &one["created_at"]),
        (&"One".into(), &"ok".into(), &"2026-02-09T10:00:00Z".into())
    );
    assert_eq!(tenant(&document, "slug", "lost")["state"], "missing_schema");
    // All other schemas with Rails' tables are orphans; the excluded, the persistent and the reporting schema are nobody's.
    assert_eq!(tenant(&document, "schema", "1234")["state"], "orphan_schema");
    let schemas = document["tenants"].as_array().expect("a list").iter().filter_map(|one| one["schema"].as_str());
    assert!(
        schemas.clone().all(|schema| !["t2", "shared_extensions", "reporting", "public"].contains(&schema)),
        "{document:#}"
    );
    assert_eq!(schemas.count(), 124);
}

#[test]
fn copies_of_the_table_that_lists_tenants_should_be_empty() {
    let db = database("select unnest(array['acme', 'globex'])");
    db.sql("insert into public.companies(subdomain, name) values ('acme', 'ACME'), ('globex', 'Globex'); insert into globex.companies(name) values ('x')");
    let home = configured(&db, "[database.tenants]\ntable = \"public.companies\"\n");
    assert_eq!(problems(&look_at(&home, &["tenant", "acme", "--json"])), "[]");
    let globex = look_at(&home, &["tenant", "globex", "--json"]);
    assert!(problems(&globex).contains("the table companies belongs to public"), "{globex:#}");
}

#[test]
fn persistent_schemas_and_excluded_tables_of_a_file_of_ones_own() {
    let db = database("select unnest(array['acme', 'globex', 'wide'])");
    db.sql("insert into acme.companies(subdomain) values ('wrong place')");
    let printed = tenantui(home().path()).args(["config", "layout", "apartment"]).output().expect("runs");
    let file = text(&printed.stdout)
        .replace("excluded_tables = []", "excluded_tables = [\"companies\", \"users\"]")
        .replace("persistent = [\"shared_extensions\"]", "persistent = [\"shared_extensions\", \"wide\"]");
    let home = configured(&db, "layout = \"apartment.toml\"\n");
    fs::write(home.path().join(".config/tenantui/apartment.toml"), file).expect("a layout");
    let document = look_at(&home, &["tenants", "--json"]);
    assert_eq!(count(&document), 2, "wide is no tenant: {document:#}");
    let acme = look_at(&home, &["tenant", "acme", "--json"]);
    assert!(
        problems(&acme).contains("the table companies belongs to public, and its copy here holds rows"),
        "{acme:#}"
    );
    assert_eq!(problems(&look_at(&home, &["tenant", "globex", "--json"])), "[]");
    let doctor = look_at(&home, &["doctor", "--json"]);
    says(&layout_lines(&doctor), "ok", "the configuration names the layout apartment");
    let unknown = tenantui(home.path()).args(["config", "layout", "rails"]).output().expect("runs");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("boundary"), "{}", text(&unknown.stderr));
}

/// What is asked of every tenant is asked again where a table has changed, and a hundred tenants are no more than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_environment_is_told_when_it_changes() {
    let db = tokio::task::block_in_place(|| database("select 't_' || i from generate_series(1, 250) i"));
    let config = Database::new("one".into(), Environment::Development, db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let mut collector = fleet::spawn(vec![target], Duration::from_millis(300));
    let strange = |picture: &Snapshot| -> Vec<String> {
        let told = picture.tenants.iter().filter(|tenant| !tenant.problems.is_empty());
        told.map(|tenant| tenant.slug.raw().to_owned()).collect()
    };
    for (change, wanted) in [
        ("select 1", &[][..]),
        ("update t_201.ar_internal_metadata set value = 'staging' where key = 'environment'", &["t_201"]),
        ("update t_3.ar_internal_metadata set value = 'test' where key = 'environment'", &["t_201", "t_3"]),
        ("update t_201.ar_internal_metadata set value = 'production' where key = 'environment'", &["t_3"]),
    ] {
        tokio::task::block_in_place(|| db.sql(change));
        let seen = collector.snapshots.wait_for(|picture| {
            picture.tenants.len() == 250 && picture.databases[0].taken_at.is_some() && strange(picture) == wanted
        });
        tokio::time::timeout(Duration::from_secs(60), seen).await.expect("in time").expect("a collector");
    }
}

#[test]
fn an_environment_that_may_not_be_read_is_said_once_for_all() {
    let db = database("select 't_' || i from generate_series(1, 20) i");
    let role = pg().role("apartment_reader");
    db.sql(&format!(
        "do $$ begin for i in 1..20 loop execute format('grant usage on schema t_%s to {role}; grant select on t_%s.schema_migrations to {role}', i, i); \
         end loop; end $$; grant select on public.ar_internal_metadata, public.schema_migrations to {role}",
        role = quote(&role)
    ));
    let home = home();
    let output = tenantui(home.path()).args(["--url", &db.url_as(&role), "tenants"]).output().expect("runs");
    let words = text(&output.stderr);
    let told = "Rails environment may not be read of 20 tenants; for the first: GRANT SELECT ON \"t_1\".\"ar_internal_metadata\"";
    assert_eq!((output.status.code(), words.matches(told).count()), (Some(0), 1), "{words}");
}
