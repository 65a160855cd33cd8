//! The tenant's own role: its sessions end on request, and it goes with a purge in the order that works.

use std::time::Duration;

use super::Place;
use crate::support::{TestDatabase, own_pg, tcp, wait_until};

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

/// A session of a role.
async fn session(db: &TestDatabase, role: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(&db.url_as(role), tokio_postgres::NoTls).await.expect("a session");
    tokio::spawn(connection);
    client.batch_execute("select 1").await.expect("it works");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_the_role_end_when_asked_and_only_those_of_this_database() {
    // Roles are of the whole server.
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_sessions");
    let (elsewhere, name) = (server.database("elsewhere"), "tenant_globex");
    place.db.sql(&format!(
        "create role {name} login; grant usage on schema {name} to {name}; grant all on all tables in schema {name} to {name}"
    ));
    let (own, more) = (session(&place.db, name).await, session(&place.db, name).await);
    let (far, other) = (session(&elsewhere, name).await, place.db.connect().await);
    place.expect(0, &["activate", "globex", "--yes"]);
    // Without the word nobody is ended.
    place.expect(0, &["suspend", "globex", "--yes"]);
    own.batch_execute("select 1").await.expect("it still works");
    let words = place.words(5, &["drop", "globex", "--confirm", name, "--yes"]);
    assert!(words.contains(name) && words.contains("end the sessions of its role"), "{words}");
    // A tenant without a role of its own has nobody to end.
    assert!(place.words(5, &["suspend", "acme", "--end-sessions", "--yes"]).contains("no role of its own"));
    let plan = place.json(0, &["suspend", "globex", "--end-sessions", "--dry-run", "--json"]);
    assert!(plan["steps"][0]["what"].as_str().is_some_and(|what| what.contains("2 sessions now")), "{plan}");
    place.expect(0, &["suspend", "globex", "--end-sessions", "--yes"]);
    assert!(own.batch_execute("select 1").await.is_err() && more.batch_execute("select 1").await.is_err());
    other.batch_execute("select 1").await.expect("others go on");
    far.batch_execute("select 1").await.expect("another database is not this tenant's");
    let said = place.audit("suspend").pop().expect("a line").2;
    assert_eq!((said["role"].as_str(), said["sessions"].as_u64()), (Some(name), Some(2)));
    place.drop("globex", name);
    // Somebody is in with it elsewhere: it is not removed under his feet.
    let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
    assert!(plan["role_kept"].as_str().is_some_and(|why| why.contains(&elsewhere.name)), "{plan}");
    far.batch_execute("select 1").await.expect("it still works");
}

/// Where no table has a status nothing but this ends them.
#[tokio::test(flavor = "multi_thread")]
async fn a_drop_ends_the_sessions_of_the_role_first_when_asked() {
    let server = own_pg(tcp());
    let (place, name) = (Place::on(&server, "life_drain"), "tenant_globex");
    role(&place.db, name, name);
    let (own, other) = (session(&place.db, name).await, place.db.connect().await);
    own.batch_execute("begin; select * from users").await.expect("held");
    other.batch_execute("begin; select * from tenant_globex.users").await.expect("held");
    let drop = ["drop", "globex", "--confirm", name, "--yes"];
    let ends = [&drop[..], &["--end-sessions"]].concat();
    // Somebody else is in, whom nobody ends: no word of a way that would not do.
    let words = place.words(5, &drop);
    assert!(words.contains("2 sessions use it now") && !words.contains("--end-sessions"), "{words}");
    let words = place.words(5, &ends);
    assert!(words.contains("1 session uses it now") && words.contains("are not ended"), "{words}");
    own.batch_execute("select 1").await.expect("nobody was ended");
    other.batch_execute("rollback").await.expect("let go");
    assert!(place.words(5, &drop).contains("or end the sessions of its role with it (--end-sessions)"));
    let plan = place.json(0, &["drop", "globex", "--end-sessions", "--dry-run", "--json"]);
    let steps: Vec<_> = plan["steps"].as_array().expect("steps").iter().map(|step| step["step"].clone()).collect();
    assert_eq!(steps, ["sessions", "trash"], "{plan}");
    place.expect(0, &ends);
    assert!(own.batch_execute("select 1").await.is_err());
    assert_eq!(place.schemas().matches("zz_dropped_").count(), 1);
    place.expect(0, &["undrop", "globex", "--yes"]);
    // A tenant without a role of its own has nobody to end.
    place.expect(0, &["suspend", "acme", "--yes"]);
    let words = place.words(5, &["drop", "acme", "--end-sessions", "--confirm", "tenant_acme", "--yes"]);
    assert!(words.contains("no role of its own"), "{words}");
}

/// As Cloacina's library has it: the tenant's role is called after it, and not as the rule says.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_a_role_that_is_called_after_the_tenant_are_its_own_and_are_not_ended() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_after");
    place.db.sql(
        "create role globex_user login; grant usage on schema tenant_globex to globex_user; \
         create role web login; grant usage on schema tenant_hooli to web",
    );
    let (own, web) = (session(&place.db, "globex_user").await, session(&place.db, "web").await);
    let plan = place.json(5, &["drop", "globex", "--dry-run", "--json"]);
    assert_eq!((&plan["role"], plan["sessions"].as_array().map(Vec::len)), (&"globex_user".into(), Some(1)), "{plan}");
    let words = place.words(5, &["drop", "globex", "--end-sessions", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains("the role globex_user is left alone") && words.contains("none is ended"), "{words}");
    own.batch_execute("select 1").await.expect("nobody was ended");
    // What may be the application's keeps no tenant, and is told.
    let plan = place.json(0, &["drop", "hooli", "--dry-run", "--json"]);
    assert!(plan["notes"].to_string().contains("it has 1 session open in this database"), "{plan}");
    drop((own, web));
}

/// In a database of one tenant the application's own role has rights on that tenant's schema and on nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_the_application_are_never_ended() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_app");
    let elsewhere = server.database("elsewhere");
    place.db.sql("create role app login; grant usage on schema tenant_acme to app");
    let (here, there) = (session(&place.db, "app").await, session(&elsewhere, "app").await);
    let suspend = ["suspend", "acme", "--end-sessions", "--yes"];
    let words = place.words(5, &suspend);
    assert!(words.contains("the role app is left alone") && words.contains("none is ended"), "{words}");
    let plan = place.json(5, &["suspend", "acme", "--end-sessions", "--dry-run", "--json"]);
    assert!(plan["refusal"].as_str().is_some_and(|why| why.contains("none is ended")), "{plan}");
    // The name is right, and it has rights in another database too.
    place.db.sql("create role tenant_globex login; grant usage on schema tenant_globex to tenant_globex");
    elsewhere.sql("create table t (id int); grant select on t to tenant_globex");
    let far = session(&elsewhere, "tenant_globex").await;
    place.expect(0, &["activate", "globex", "--yes"]);
    let words = place.words(5, &["suspend", "globex", "--end-sessions", "--yes"]);
    assert!(words.contains(&elsewhere.name) && words.contains("none is ended"), "{words}");
    for client in [here, there, far] {
        client.batch_execute("select 1").await.expect("nobody was ended");
    }
    // Without the word it is suspended, and the plan says what becomes of the role.
    let plan = place.json(0, &["suspend", "acme", "--dry-run", "--json"]);
    assert!(plan["notes"].to_string().contains("the role app is left alone"), "{plan}");
    place.expect(0, &["suspend", "acme", "--yes"]);
    assert_eq!(place.row("acme"), "ACME|suspended");
}

/// The application's role is called after the tenant by chance, and reads the table of all tenants.
#[test]
fn an_applications_role_outlives_every_tenant_that_it_is_called_after() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_web");
    place.db.sql(
        "insert into public.tenants (id, slug, name, schema_name, status) values ('4', 'web', 'Web', 'tenant_web', 'suspended'); \
         create schema tenant_web; create table tenant_web.users (id int); create role mywebserver login; \
         grant usage on schema tenant_web to mywebserver; grant select on public.tenants to mywebserver",
    );
    place.drop("web", "tenant_web");
    let plan = place.json(0, &["purge", "web", "--dry-run", "--json"]);
    assert!(plan["role_kept"].as_str().is_some_and(|why| why.contains("is called tenant_web")), "{plan}");
    assert!(!plan["steps"].to_string().contains("role"), "{plan}");
    place.expect(0, &["purge", "web", "--confirm", "tenant_web", "--yes"]);
    let reads =
        |role: &str| place.db.value(&format!("select has_table_privilege('{role}', 'public.tenants', 'select')"));
    assert_eq!(reads("mywebserver"), "t");
    // By its very name: what it has outside of the schema keeps it, of whatever kind.
    place
        .db
        .sql("create role tenant_globex login; grant usage on schema tenant_globex to tenant_globex; create role many");
    place.drop("globex", "tenant_globex");
    let kept = || {
        let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
        plan["role_kept"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(kept(), "");
    for (give, take, words) in [
        (
            "grant select (id) on public.tenants to tenant_globex",
            "revoke all (id) on public.tenants from tenant_globex",
            "tenants",
        ),
        (
            "grant usage on schema tenant_acme to tenant_globex",
            "revoke all on schema tenant_acme from tenant_globex",
            "schema tenant_acme",
        ),
        ("create policy own on public.tenants to tenant_globex", "drop policy own on public.tenants", "policy own"),
        ("grant many to tenant_globex", "revoke many from tenant_globex", "member of many"),
        (
            "grant connect on database postgres to tenant_globex",
            "revoke connect on database postgres from tenant_globex",
            "database postgres",
        ),
        (
            "create table public.its (id int); alter table public.its owner to tenant_globex",
            "drop table public.its",
            "owns table",
        ),
    ] {
        place.db.sql(give);
        assert!(kept().contains(words), "{give}: {}", kept());
        place.db.sql(take);
    }
    place.db.sql("grant select on public.tenants to tenant_globex");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!((reads("tenant_globex"), reads("mywebserver")), ("t".into(), "t".into()));
}

#[test]
fn a_role_with_default_privileges_goes_behind_its_schema() {
    // Roles are of the whole server.
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_role");
    role(&place.db, "tenant_globex", "tenant_globex");
    let refused = place.db.try_sql("begin; drop role tenant_globex; rollback").expect_err("something depends on it");
    assert!(refused.starts_with("2BP01"), "{refused}");
    place.drop("globex", "tenant_globex");
    place.expect(0, &["undrop", "globex", "--yes"]);
    assert_eq!(place.db.value("select has_schema_privilege('tenant_globex', 'tenant_globex', 'CREATE')"), "t");
    place.drop("globex", "tenant_globex");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'tenant_globex'"), "0");
    assert_eq!(place.db.value("select count(*) from pg_default_acl"), "0");
    let steps = "select string_agg(after->>'step', ' ' order by id) from tenantui.audit where action = 'purge' and outcome = 'done'";
    assert_eq!(place.db.value(steps), "objects role forget");
    // Its name is free for the next one.
    place.db.sql("create role tenant_globex");
}

#[test]
fn a_role_that_has_anything_elsewhere_stays_and_the_plan_says_why() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_role");
    role(&place.db, "tenant_globex", "tenant_globex");
    let elsewhere = server.database("elsewhere");
    elsewhere.sql("create table t (id int); grant select on t to tenant_globex");
    place.drop("globex", "tenant_globex");
    let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
    assert!(plan["role_kept"].as_str().is_some_and(|why| why.contains(&elsewhere.name)), "{plan}");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'tenant_globex'"), "1");
    // A role of the application's, which has rights on one schema only by chance, is never taken for a tenant's.
    place.db.sql("update public.tenants set status = 'suspended' where slug = 'acme'; create role web login; grant usage on schema tenant_acme to web");
    place.drop("acme", "tenant_acme");
    let plan = place.json(0, &["purge", "acme", "--dry-run", "--json"]);
    assert!(plan["role_kept"].as_str().is_some_and(|why| why.contains("is called tenant_acme")), "{plan}");
    place.expect(0, &["purge", "acme", "--confirm", "tenant_acme", "--yes"]);
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'web'"), "1");
}

/// Who may make roles need not be one of theirs, and then ends no session of them.
#[tokio::test(flavor = "multi_thread")]
async fn whose_sessions_cannot_be_ended_is_told_before_the_first_step() {
    let server = own_pg(tcp());
    let (place, name) = (Place::on(&server, "life_ops"), "tenant_globex");
    role(&place.db, name, name);
    place.db.sql(&format!(
        "create role ops login createrole; grant create on database \"{}\" to ops; grant all on public.tenants to ops; \
         grant usage on schema tenantui to ops; grant all on all tables in schema tenantui to ops; \
         grant all on all sequences in schema tenantui to ops; alter schema {name} owner to ops; \
         alter table {name}.users owner to ops; alter table {name}.schema_migrations owner to ops",
        place.db.name
    ));
    place.expect(0, &["activate", "globex", "--yes"]);
    place.configure_as("ops", "development", "");
    let client = session(&place.db, name).await;
    let words = place.words(5, &["suspend", "globex", "--end-sessions", "--yes"]);
    assert!(words.contains("ops may not end the sessions of the role tenant_globex"), "{words}");
    assert!(words.contains("GRANT pg_signal_backend TO ops is missing"), "{words}");
    assert_eq!(place.row("globex"), "Globex|active", "nothing of it was written");
    place.expect(0, &["suspend", "globex", "--yes"]);
    drop(client);
    let over = || place.db.value(&format!("select count(*) from pg_stat_activity where usename = '{name}'")) == "0";
    wait_until(Duration::from_secs(20), "the session is over", over);
    let trash = place.drop("globex", name);
    let client = session(&place.db, name).await;
    let words = place.words(5, &["purge", "globex", "--confirm", &trash, "--yes"]);
    assert!(words.contains("GRANT pg_signal_backend TO ops is missing, and one is open"), "{words}");
    assert_eq!(
        place.db.value(&format!(
            "select count(*) from pg_class where relnamespace = '{trash}'::regnamespace and relkind = 'r'"
        )),
        "2"
    );
    // A grant alone does not help a role that does not inherit.
    let newer = place.db.value("select current_setting('server_version_num')::int >= 160000") == "t";
    place.db.sql("alter role ops noinherit; grant pg_signal_backend to ops");
    let helps = if newer { "GRANT pg_signal_backend TO ops WITH INHERIT TRUE" } else { "ALTER ROLE ops INHERIT" };
    let words = place.words(5, &["purge", "globex", "--confirm", &trash, "--yes"]);
    assert!(words.contains(&format!("{helps} is missing")), "{words}");
    place.db.sql(helps);
    if newer {
        // Who makes roles there removes its own alone.
        let words = place.words(5, &["purge", "globex", "--confirm", &trash, "--yes"]);
        assert!(words.contains("GRANT tenant_globex TO ops WITH ADMIN OPTION is missing"), "{words}");
        place.db.sql("grant tenant_globex to ops with admin option");
    }
    let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
    assert!(plan["steps"].to_string().contains("in this database (1 now)"), "{plan}");
    // What cannot be done at the end is not begun.
    place.db.sql("alter role ops nocreaterole");
    let words = place.words(5, &["purge", "globex", "--confirm", &trash, "--yes"]);
    assert!(words.contains("ALTER ROLE ops CREATEROLE is missing; nothing was begun"), "{words}");
    assert_eq!(place.db.value(&format!("select count(*) from pg_namespace where nspname = '{trash}'")), "1");
    drop(client);
}
