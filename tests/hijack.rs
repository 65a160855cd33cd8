//! Nobody answers for the server: operators, functions and types of a schema that the role's search path has before
//! pg_catalog are never called by any statement of ours, read or written.

use tenantui::postgres::session::{Patience, Reader, Target};

use crate::cli::text;
use crate::cli_fleet::{Fleet, tenant};
use crate::support::pg;

/// Twins of the server's operators and functions that say that they were called, and types of other kinds.
const HOSTILE: &str = r#"
create schema evil;
do $make$
declare
  kinds regtype[] := array['name', 'text', 'oid', 'int2', 'int4', 'int8', 'bool', '"char"', 'float4', 'float8', 'numeric',
    'timestamptz', 'timestamp', 'interval', 'jsonb', 'bytea', 'uuid', 'pg_lsn', 'name[]', 'text[]', 'oid[]', 'int4[]', 'xid']::regtype[];
  o record;
  word text;
begin
  for o in select oprname, oprleft::regtype::text as l, oprright::regtype::text as r, oprresult::regtype::text as result
           from pg_operator where oprkind = 'b' and oprleft = any (kinds::oid[]) and oprright = any (kinds::oid[])
  loop
    execute format('create function evil.f%s(%s, %s) returns %s language plpgsql as $f$ begin raise exception ''the canary fired: operator %s''; end $f$',
      md5(o.oprname || o.l || o.r), o.l, o.r, o.result, replace(o.oprname, '%', '%%'));
    execute format('create operator evil.%s (leftarg = %s, rightarg = %s, function = evil.f%s)', o.oprname, o.l, o.r, md5(o.oprname || o.l || o.r));
  end loop;
  for o in select proname, pg_get_function_identity_arguments(oid) as args, prorettype::regtype::text as result
           from pg_proc where prokind = 'f' and not proretset and provariadic = 0 and pronargs <= 3
             and not (proargtypes::oid[] && array['internal', 'cstring', '"any"', 'anyelement', 'anyarray']::regtype[]::oid[])
             and prorettype not in ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype, 'anyelement'::regtype, 'anyarray'::regtype)
             and proname in ('current_setting', 'set_config', 'current_schema', 'current_database', 'pg_backend_pid', 'pg_is_in_recovery',
               'has_schema_privilege', 'has_table_privilege', 'has_database_privilege', 'lower', 'upper', 'length', 'octet_length', 'substr',
               'to_char', 'now', 'clock_timestamp', 'date_part', 'floor', 'pg_try_advisory_lock', 'pg_try_advisory_xact_lock',
               'pg_advisory_unlock', 'pg_notify', 'pg_get_userbyid', 'txid_current', 'left', 'right', 'replace', 'format_type', 'to_regclass',
               'to_regnamespace', 'pg_total_relation_size', 'obj_description', 'hashtextextended', 'array_length', 'cardinality', 'starts_with')
  loop
    begin
      execute format('create function evil.%I(%s) returns %s language plpgsql as $f$ begin raise exception ''the canary fired: %s''; end $f$',
        o.proname, o.args, o.result, o.proname);
    exception when others then raise notice '%: %', o.proname, sqlerrm;
    end;
  end loop;
  foreach word in array array['text', 'name', 'oid', 'jsonb', 'uuid', 'regclass', 'regnamespace', 'timestamptz'] loop
    execute format('create domain evil.%I as pg_catalog.int4 check (value is null)', word);
  end loop;
end $make$;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_before_pg_catalog_answers_nothing() {
    let fleet = Fleet::new();
    let role = pg().role("hijacked");
    fleet.database.sql(HOSTILE);
    let twins: u32 = fleet
        .database
        .value("select count(*) from pg_operator where oprnamespace = 'evil'::regnamespace")
        .parse()
        .expect("a number");
    assert!(twins > 150, "{twins}");
    pg().admin(&format!("alter role {role} superuser; alter role {role} set search_path = evil, pg_catalog, public"));
    let url = fleet.database.url_as(&role);

    // The twins are in force for whoever does not mind: the test can fail.
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    let fired = client
        .simple_query("select 1 where 'a'::pg_catalog.text = 'a'::pg_catalog.text")
        .await
        .expect_err("the canary");
    assert!(fired.as_db_error().is_some_and(|error| error.message().contains("the canary fired")), "{fired:?}");

    fleet.configure(&fleet.block("eu-1", &url));
    for command in [
        &["init", "--yes"][..],
        &["tenants", "--exact"],
        &["tenant", "acme"],
        &["migrations"],
        &["migrate", "acme", "--yes"],
        &["provision", "new-one", "--name", "New", "--yes"],
        &["jobs"],
        &["job", "1"],
        &["doctor"],
        &["doctor", "--grants"],
        &["worker", "--once"],
    ] {
        let output = fleet.run(command);
        let words = text(&output.stdout) + &text(&output.stderr);
        assert!(!words.contains("the canary fired"), "{command:?}: {words}");
        assert_eq!(output.status.code(), Some(0), "{command:?}: {words}");
    }
    let list = fleet.json(0, &["tenants", "--json"]);
    assert_eq!(
        (tenant(&list, "slug", "acme")["state"].as_str(), tenant(&list, "slug", "new-one")["state"].as_str()),
        (Some("ok"), Some("ok"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_query_keeps_the_search_path_of_its_role() {
    let db = pg().database("hijack");
    let role = pg().role("owner");
    db.sql(&format!(
        "create schema app; create table app.customers (sub text, home text); insert into app.customers values ('acme', 'tenant_acme'); \
         create schema tenant_acme; grant usage on schema app to {role}; grant select on app.customers to {role}"
    ));
    pg().admin(&format!("alter role {role} set search_path = app"));
    let mut config = tenantui::config::Database::new(
        "eu-1".into(),
        tenantui::model::environment::Environment::Development,
        db.url_as(&role).into(),
    );
    config.tenants.query = Some("select sub as slug, home as schema_name from customers".to_owned());
    let around = tenantui::config::surroundings::Surroundings::fixed([("PGTZ", "UTC")]);
    let target = Target::resolve(std::sync::Arc::new(config), &around).expect("a target");
    let reading = tenantui::fleet::read_once(&target, &tenantui::fleet::ReadOptions::default()).await.expect("read");
    assert_eq!(reading.snapshot.tenants[0].slug.raw(), "acme");
    // And the session has ours again.
    let reader = Reader::open(&target, Patience::Foreground).await.expect("open");
    let layout = &reading.context.layout;
    tenantui::postgres::registry::rows(&reader, layout).await.expect("rows");
    assert_eq!(reader.rows("show search_path").await.expect("shown")[0].text(0), Some("pg_catalog, pg_temp"));
}
