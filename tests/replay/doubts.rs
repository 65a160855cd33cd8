//! Two layouts in one database: said, never guessed.

use super::{configured, evidence, layout_lines, look_at, says};
use crate::cli::{home, tenantui, text};
use crate::support::{TestDatabase, pg};

const DIESEL: &str = "__diesel_schema_migrations(version varchar(50) primary key, run_on timestamp default now())";

fn brokkr(schema: &str) -> String {
    format!(
        "create schema if not exists {schema}; create table {schema}.{DIESEL}; create table {schema}.app_initialization(id int);
         create table {schema}.admin_role(pak_hash text); create table {schema}.generators(id uuid, name text, pak_hash text);
         create table {schema}.agents(id uuid);"
    )
}

fn cloacina(schema: &str) -> String {
    format!(
        "create schema if not exists {schema}; create table {schema}.{DIESEL}; create table {schema}.contexts(id uuid);
         create table {schema}.task_executions(id uuid);"
    )
}

fn refused(db: &TestDatabase) -> String {
    let output = tenantui(home().path()).args(["--url", &db.url(), "tenants"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn a_database_of_two_frameworks_has_to_be_named() {
    let db = pg().database("both");
    db.sql(&(brokkr("fleet") + &cloacina("acme")));
    let words = refused(&db);
    for part in ["2 layouts fit", "brokkr (fleet.", "cloacina (acme.", "layout = \"brokkr\""] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let home = configured(&db, "layout = \"cloacina\"\n");
    let named = look_at(&home, &["tenants", "--json"]);
    assert_eq!((&named["tenants"][0]["slug"], &named["tenants"][1]), (&"acme".into(), &serde_json::Value::Null));
    // Whoever says only where tenants are listed has to say whose they are, too.
    let home = configured(&db, "[database.tenants]\nscan = \"a%\"\n");
    let output = tenantui(home.path()).args(["tenants"]).output().expect("runs");
    assert!(text(&output.stderr).contains("2 layouts fit"), "{}", text(&output.stderr));
}

#[test]
fn one_in_public_alone_yields_to_one_with_tenants() {
    let db = pg().database("weak");
    db.sql(&(brokkr("fleet") + &cloacina("public")));
    let lines = evidence(&db);
    says(&lines, "ok", "brokkr: Brokkr");
    says(&lines, "warn", "cloacina fits as well (public.task_executions is there");
    // Two that only public shows are two.
    let db = pg().database("weak");
    db.sql(&(brokkr("public") + &cloacina("public").replace(&format!("create table public.{DIESEL};"), "")));
    assert!(refused(&db).contains("2 layouts fit"));
}

#[test]
fn a_table_of_tenants_is_the_list_and_the_rest_a_doubt() {
    let db = pg().database("plain_and_more");
    db.sql(
        &(cloacina("tenant_acme")
            + "create table public.tenants(id int, slug text); insert into public.tenants values (1, 'acme')"),
    );
    let lines = evidence(&db);
    says(&lines, "ok", "plain: a tenants table; tenants are listed by public.tenants");
    says(&lines, "warn", "cloacina fits as well");
    says(&lines, "warn", "the table with a slug was taken for the list of tenants");
    // Boundary's own ledger and another's schemas: both have marks.
    db.sql("create table public.schema_migrations(id bigint unique not null, applied timestamp, description varchar(1024))");
    assert!(refused(&db).contains("boundary (public.tenants has the columns id, slug"));
}

#[test]
fn a_named_layout_without_its_marks_is_obeyed_with_a_doubt() {
    let db = pg().database("named");
    db.sql("create table public.tenants(id int, slug text)");
    let home = configured(&db, "layout = \"boundary\"\n");
    let lines = layout_lines(&look_at(&home, &["doctor", "--json"]));
    says(&lines, "ok", "the configuration names the layout boundary");
    says(&lines, "warn", "its fingerprint is not there: no schema holds schema_migrations(id bigint)");
}
