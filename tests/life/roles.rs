//! The tenant's own role: its sessions end on request, and it goes with a purge in the order that works.

use super::Place;
use crate::support::{TestDatabase, own_pg, pg, tcp};

/// A role with rights on one schema, as Cloacina makes them: grants, default privileges, a grant on the database.
fn role(db: &TestDatabase, schema: &str, name: &str) {
    db.sql(&format!(
        "create role {name} login; grant usage, create on schema {schema} to {name}; \
         grant all on all tables in schema {schema} to {name}; grant all on all sequences in schema {schema} to {name}; \
         alter default privileges in schema {schema} grant all on tables to {name}; \
         alter default privileges grant all on sequences to {name}; grant connect on database \"{}\" to {name}; \
         alter role {name} set search_path = {schema}",
        db.name
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_the_role_end_when_asked_and_only_those() {
    let place = Place::new("life_sessions");
    let name = pg().role("globex");
    place.db.sql(&format!(
        "grant usage on schema tenant_globex to {name}; grant all on all tables in schema tenant_globex to {name}"
    ));
    let (own, connection) =
        tokio_postgres::connect(&place.db.url_as(&name), tokio_postgres::NoTls).await.expect("a session");
    tokio::spawn(connection);
    let other = place.db.connect().await;
    own.batch_execute("select 1").await.expect("it works");
    place.expect(0, &["activate", "globex", "--yes"]);
    // Without the word nobody is ended.
    place.expect(0, &["suspend", "globex", "--yes"]);
    own.batch_execute("select 1").await.expect("it still works");
    let words = place.words(5, &["drop", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains(&name), "{words}");
    // A tenant without a role of its own has nobody to end.
    assert!(place.words(5, &["suspend", "acme", "--end-sessions", "--yes"]).contains("no role of its own"));
    place.expect(0, &["suspend", "globex", "--end-sessions", "--yes"]);
    assert!(own.batch_execute("select 1").await.is_err());
    other.batch_execute("select 1").await.expect("others go on");
    let said = place.audit("suspend").pop().expect("a line").2;
    assert_eq!((said["role"].as_str(), said["sessions"].as_u64()), (Some(name.as_str()), Some(1)));
    place.drop("globex", "tenant_globex");
}

#[test]
fn a_role_with_default_privileges_goes_behind_its_schema() {
    // Roles are of the whole server.
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_role");
    role(&place.db, "tenant_globex", "globex_user");
    let refused = place.db.try_sql("begin; drop role globex_user; rollback").expect_err("something depends on it");
    assert!(refused.starts_with("2BP01"), "{refused}");
    place.drop("globex", "tenant_globex");
    place.expect(0, &["undrop", "globex", "--yes"]);
    assert_eq!(place.db.value("select has_schema_privilege('globex_user', 'tenant_globex', 'CREATE')"), "t");
    place.drop("globex", "tenant_globex");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'globex_user'"), "0");
    assert_eq!(place.db.value("select count(*) from pg_default_acl"), "0");
    let steps = "select string_agg(after->>'step', ' ' order by id) from tenantui.audit where action = 'purge' and outcome = 'done'";
    assert_eq!(place.db.value(steps), "objects role forget");
    // Its name is free for the next one.
    place.db.sql("create role globex_user");
}

#[test]
fn a_role_that_has_anything_elsewhere_stays_and_the_plan_says_why() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_role");
    role(&place.db, "tenant_globex", "globex_user");
    let elsewhere = server.database("elsewhere");
    elsewhere.sql("create table t (id int); grant select on t to globex_user");
    place.drop("globex", "tenant_globex");
    let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
    assert!(plan["role_kept"].as_str().is_some_and(|why| why.contains(&elsewhere.name)), "{plan}");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'globex_user'"), "1");
    // A role of the application's, which has rights on one schema only by chance, is never taken for a tenant's.
    place.db.sql("update public.tenants set status = 'suspended' where slug = 'acme'; create role web login; grant usage on schema tenant_acme to web");
    place.drop("acme", "tenant_acme");
    let plan = place.json(0, &["purge", "acme", "--dry-run", "--json"]);
    assert!(plan["role_kept"].as_str().is_some_and(|why| why.contains("its name")), "{plan}");
    place.expect(0, &["purge", "acme", "--confirm", "tenant_acme", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'web'"), "1");
}
