//! Cloacina: schema = role = tenant, listed nowhere; what the server knows of them stands in public. Tenants are migrated
//! when a runner first opens them, and the removal of one leaves its schema behind.

use serde_json::Value;

use super::{count, evidence, health, look, problems, says, unwell};
use crate::cli::{home, tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg, quote};

const PLAIN: [&str; 24] = [
    "accumulator_boundaries",
    "accumulator_checkpoints",
    "execution_events",
    "fleet_agents",
    "key_trust_acls",
    "local_accounts",
    "login_throttle",
    "oidc_login_flows",
    "oidc_sessions",
    "package_artifacts",
    "package_providers",
    "package_signatures",
    "reactor_firings",
    "reactor_state",
    "reactor_trigger_subscriptions",
    "schedule_executions",
    "secrets",
    "signing_keys",
    "state_accumulator_buffers",
    "task_execution_metadata",
    "tenant_data_keys",
    "trusted_keys",
    "workflow_packages",
    "ws_tickets",
];

/// A function that makes the 35 tables of one schema, for any number of schemas in one batch.
fn maker() -> String {
    let plain: Vec<String> = PLAIN.iter().map(|name| format!("create table {name}(id int);")).collect();
    format!(
        "create function public.cloacina(name text) returns void language plpgsql as $f$ begin
           execute format('create schema if not exists %I', name);
           execute format('set local search_path = %I', name);
           {}
           create table workflow_registry(id int);
           create table __diesel_schema_migrations(version varchar(50) primary key, run_on timestamp not null default now());
           insert into __diesel_schema_migrations(version) select lpad(i::text, 3, '0') from generate_series(0, 49) i;
           create table contexts(id uuid, value text);
           create table workflow_executions(id uuid default gen_random_uuid(), status varchar, paused_at timestamp);
           create table task_executions(id uuid default gen_random_uuid(), status varchar, claimed_by uuid, heartbeat_at timestamptz);
           create table recovery_events(id uuid default gen_random_uuid(), recovery_type varchar, recovered_at timestamp);
           create table schedules(id uuid default gen_random_uuid(), enabled boolean not null default true, next_run_at timestamp,
             paused boolean not null default false);
           create table delivery_outbox(id bigint, acked_at timestamptz);
           create table api_keys(id uuid default gen_random_uuid(), key_hash text, name text, permissions text default 'admin',
             created_at timestamptz default now(), revoked_at timestamptz, tenant_id text, is_admin boolean default false,
             expires_at timestamptz);
           create table agent_desired_counts(tenant_id text primary key, desired_count int, updated_at timestamptz);
           create table agent_capacity_limits(tenant_id text primary key, max_agents int);
         end $f$",
        plain.join(" ")
    )
}

pub(super) fn server(tenants: u32) -> TestDatabase {
    let db = pg().database("cloacina");
    db.sql(&maker());
    db.sql(&format!(
        "do $$ begin
           perform public.cloacina('public'); commit;
           for i in 1..{tenants} loop perform public.cloacina('c' || i); commit; end loop;
         end $$"
    ));
    db.sql("drop function public.cloacina(text)");
    db
}

/// A key for each of so many tenants.
pub(super) fn keys(db: &TestDatabase, tenants: u32) {
    db.sql(&format!(
        "insert into public.api_keys(key_hash, name, tenant_id) select 'h' || i, 'key', 'c' || i from generate_series(1, {tenants}) i;
         insert into public.api_keys(key_hash, name, is_admin) values ('root', 'root', true)"
    ));
}

#[test]
fn a_hundred_tenants_enriched_by_what_public_knows() {
    let db = server(100);
    keys(&db, 100);
    db.sql(
        "update public.api_keys set revoked_at = now() where tenant_id = 'c5';
         delete from public.api_keys where tenant_id = 'c6';
         insert into public.api_keys(key_hash, tenant_id, revoked_at) values ('r', 'c1', now());
         insert into public.api_keys(key_hash, tenant_id, expires_at) values ('e', 'c1', now() - interval '1 hour');
         insert into public.agent_desired_counts values ('c1', 3, now()); insert into public.agent_capacity_limits values ('c1', 5);
         delete from c7.__diesel_schema_migrations where version > '047';
         create schema extensions; create schema shared; create table shared.contexts(id int);
         insert into c1.workflow_executions(status) values ('Running'), ('Running'), ('Paused'), ('Completed');
         insert into c1.task_executions(status, heartbeat_at) values ('Running', now()), ('Running', now() - interval '10 minutes'),
           ('Completed', now() - interval '1 day'), ('Ready', null), ('Running', null);
         insert into c1.recovery_events(recovery_type, recovered_at) values ('task_reset', now() at time zone 'UTC'),
           ('task_reset', now() - interval '1 day'), ('abandoned', now() - interval '30 days');
         insert into c1.schedules(enabled, next_run_at, paused) values (true, '2026-02-09 10:00', false), (true, '2026-02-08 10:00', true),
           (false, null, false);
         insert into c1.delivery_outbox values (1, null), (2, now())",
    );
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!((&document["databases"][0]["layout"], count(&document)), (&Value::from("cloacina"), 100));
    assert_eq!(unwell(&document), ["c7:behind"], "migrated lazily: behind its siblings");
    let late = tenant(&document, "slug", "c7");
    assert_eq!((&late["version"], &late["pending"]), (&"047".into(), &2.into()));
    // Their keys were revoked, or they have none: what happened to them is not known, and is not said.
    let all = document["tenants"].as_array().expect("a list").iter();
    let keyless: Vec<&str> =
        all.filter(|one| problems(one).contains("has no key")).filter_map(|one| one["slug"].as_str()).collect();
    assert_eq!(keyless, ["c5", "c6"]);
    assert!(
        problems(tenant(&document, "slug", "c5")).contains("only revoked ones: it was removed and its schema left, or")
    );
    assert!(problems(tenant(&document, "slug", "c6")).contains("it is new and waits for its first, or it was removed"));

    let one = look(&db, &["tenant", "c1", "--json"]);
    assert_eq!(health(&one, "keys"), (&1.into(), Some("1 revoked"), None), "one more has ended");
    assert_eq!(health(&one, "agents"), (&3.into(), Some("at most 5"), None));
    assert_eq!(health(&one, "executions"), (&3.into(), Some("1 Paused, 2 Running"), None));
    let (stuck, detail, problem) = health(&one, "stuck");
    assert_eq!(stuck, &1);
    let told = |words: &str| words.starts_with("oldest heartbeat 2") && words.ends_with("UTC, 1 Running never had one");
    assert!(detail.is_some_and(told), "{detail:?}");
    assert_eq!(problem, Some("1 task is Running without a heartbeat for 5 minutes"));
    assert_eq!(health(&one, "recoveries"), (&2.into(), Some("2 task_reset"), None));
    assert_eq!(health(&one, "schedules"), (&1.into(), Some("next 2026-02-09 10:00 UTC, 1 paused, 1 off"), None));
    assert_eq!(health(&one, "outbox").0, &1);
    assert!(problems(&one).contains("without a heartbeat"), "{one:#}");
    // Another tenant sees its own rows only.
    let two = look(&db, &["tenant", "c2", "--json"]);
    assert_eq!((health(&two, "executions").0, health(&two, "stuck").0), (&0.into(), &0.into()));
    assert_eq!((health(&two, "keys").0, health(&two, "agents").0), (&1.into(), &Value::Null));
    assert_eq!(problems(&two), "[]");
    let lines = evidence(&db);
    says(&lines, "ok", "cloacina: Cloacina; tenants are listed as the schemas with task_executions");
    says(&lines, "ok", "c1.__diesel_schema_migrations is there, with version");
}

#[test]
fn after_an_upgrade_of_the_server_all_are_behind() {
    let db = server(3);
    db.sql("insert into public.__diesel_schema_migrations(version) values ('050')");
    assert_eq!(unwell(&look(&db, &["tenants", "--json"])), ["c1:behind", "c2:behind", "c3:behind"]);
}

#[test]
fn before_version_20_executions_were_of_pipelines_and_keys_without_an_end() {
    let db = server(2);
    keys(&db, 2);
    db.sql(
        "alter table c1.workflow_executions rename to pipeline_executions; alter table c1.schedules drop column paused;
         alter table c1.task_executions drop column heartbeat_at; alter table public.api_keys drop column expires_at;
         insert into c1.pipeline_executions(status) values ('Running'), ('Failed');
         insert into c1.schedules(enabled) values (true);
         delete from c1.__diesel_schema_migrations where version > '012'",
    );
    let one = look(&db, &["tenant", "c1", "--json"]);
    assert_eq!(health(&one, "executions"), (&1.into(), Some("1 Running"), None));
    assert_eq!(health(&one, "schedules").0, &1);
    assert_eq!(health(&one, "keys").0, &1);
    let names: Vec<&str> =
        one["health"].as_array().expect("a list").iter().filter_map(|fact| fact["name"].as_str()).collect();
    assert!(!names.contains(&"stuck"), "no heartbeats yet: {names:?}");
    assert_eq!((&one["state"], problems(&one).as_str()), (&Value::from("behind"), "[]"));
}

#[test]
fn an_application_that_uses_the_library_alone_has_no_zombies_and_roles_by_another_name() {
    let db = server(2);
    let role = pg().role("cloacina_role");
    db.sql(&format!("alter schema c1 rename to {0}; grant usage on schema {0} to {0}", quote(&role)));
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!(unwell(&document), Vec::<String>::new());
    assert!(document["tenants"].as_array().expect("a list").iter().all(|one| problems(one) == "[]"), "{document:#}");
    assert_eq!(look(&db, &["tenant", &role, "--json"])["role"], role.as_str(), "schema = role = tenant");
    assert_eq!(look(&db, &["tenant", "c2", "--json"])["role"], Value::Null);
    // Of the same name, and no right here: it is the tenant's of another database.
    db.sql(&format!("revoke usage on schema {0} from {0}", quote(&role)));
    assert_eq!(look(&db, &["tenant", &role, "--json"])["role"], Value::Null);
}

#[test]
fn what_is_not_looked_at_whole_has_no_number() {
    let db = server(1);
    let fill = |count: u32| {
        db.sql(&format!(
            "truncate c1.workflow_executions, c1.task_executions, c1.recovery_events, c1.schedules, c1.delivery_outbox;
             insert into c1.workflow_executions(status) select 'Pending' from generate_series(1, {count});
             insert into c1.task_executions(status, heartbeat_at) select 'Running', now() - interval '1 hour' from generate_series(1, {count});
             insert into c1.recovery_events(recovery_type, recovered_at) select 'task_reset', now() from generate_series(1, {count});
             insert into c1.schedules(enabled) select true from generate_series(1, {count});
             insert into c1.delivery_outbox select 1, null from generate_series(1, {count})"
        ));
        look(&db, &["tenant", "c1", "--json"])
    };
    let names = ["executions", "stuck", "recoveries", "schedules", "outbox"];
    let full = fill(10_000);
    assert!(names.iter().all(|name| *health(&full, name).0 == 10_000), "{full:#}");
    let more = fill(10_001);
    for name in names {
        let (value, detail, _) = health(&more, name);
        let words = if name == "schedules" { "not all were looked at" } else { "more than 10,000" };
        assert_eq!((value, detail), (&Value::Null, Some(words)), "{name}");
    }
    assert!(health(&more, "stuck").2.is_some_and(|words| words.starts_with("more than 10,000 tasks")));
}

/// A policy that hides rows takes them out of every count without a word.
#[test]
fn rows_that_may_be_hidden_are_not_counted_as_none() {
    let db = server(2);
    keys(&db, 2);
    let role = pg().role("cloacina_rows");
    db.sql(&format!(
        "grant pg_read_all_data to {role}; insert into c1.workflow_executions(status) values ('Running');
         alter table public.api_keys enable row level security;
         create policy others on public.api_keys using (tenant_id <> 'c1');
         alter table c1.workflow_executions enable row level security;
         alter table c2.__diesel_schema_migrations enable row level security",
        role = quote(&role)
    ));
    let home = home();
    let see = |arguments: &[&str]| {
        let output = tenantui(home.path()).args(["--url", &db.url_as(&role)]).args(arguments).output().expect("runs");
        crate::cli::json(&output)
    };
    let one = see(&["tenant", "c1", "--json"]);
    assert_eq!((health(&one, "keys").0, health(&one, "executions").0), (&Value::Null, &Value::Null), "{one:#}");
    assert_eq!(health(&one, "outbox").0, &0, "what nothing hides is counted");
    let said = problems(&one);
    assert!(
        said.contains("hide rows of c1.workflow_executions, public.api_keys") && said.contains("BYPASSRLS"),
        "{said}"
    );
    assert!(!said.contains("has no key"), "{said}");
    // Nor is a ledger that looks empty one of a tenant that was never migrated.
    let list = see(&["tenants", "--json"]);
    let two = tenant(&list, "slug", "c2");
    assert_eq!((&two["state"], &two["applied"]), (&Value::from("no_access"), &Value::Null), "{two:#}");
    let why = problems(two);
    assert!(why.contains("what is applied is not known: row level security") && why.contains("USING (true)"), "{why}");
    // One that shows all rows hides none.
    db.sql(&format!(
        "create policy whole on c2.__diesel_schema_migrations for select to {role} using (true);
         create policy whole on public.api_keys for select to {role} using (true)",
        role = quote(&role)
    ));
    assert_eq!(tenant(&see(&["tenants", "--json"]), "slug", "c2")["state"], "ok");
    assert_eq!(health(&see(&["tenant", "c1", "--json"]), "keys").0, &1);
}

#[test]
fn what_may_not_be_read_is_said_with_the_grant_and_hides_nothing() {
    let db = server(2);
    keys(&db, 2);
    let role = pg().role("cloacina_low");
    db.sql(&format!(
        "grant usage on schema public, c1, c2 to {0}; grant select on c1.__diesel_schema_migrations, c2.__diesel_schema_migrations to {0}",
        quote(&role)
    ));
    let home = home();
    let output =
        tenantui(home.path()).args(["--url", &db.url_as(&role), "tenant", "c1", "--json"]).output().expect("runs");
    let one: Value = serde_json::from_str(&text(&output.stdout)).expect("JSON");
    assert_eq!((&one["state"], &one["version"]), (&Value::from("ok"), &"049".into()));
    let words = problems(&one);
    assert!(
        words.contains(&format!("GRANT SELECT ON \\\"c1\\\".\\\"task_executions\\\" TO \\\"{role}\\\"")),
        "{words}"
    );
    assert_eq!(one["health"].as_array().map(Vec::len), Some(0));
}

/// With nothing but the URL a new schema is empty until the application opens it: tenantui made it, and knows it.
#[test]
fn a_tenant_that_was_made_is_listed_before_its_application_filled_it() {
    let db = server(2);
    let (home, slug) = (home(), pg().role("cloacina_new"));
    db.sql(&format!("drop role {}", quote(&slug)));
    let run = |status: i32, arguments: &[&str]| {
        let output = tenantui(home.path()).args(["--url", &db.socket_url()]).args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    run(0, &["init", "--yes"]);
    run(0, &["provision", &slug, "--name", "New", "--yes"]);
    let listed = || look(&db, &["tenants", "--json"]);
    let new = tenant(&listed(), "slug", &slug).clone();
    assert_eq!((&new["state"], problems(&new).as_str()), (&Value::from("never_migrated"), "[]"), "{new:#}");
    assert!(run(0, &["tenant", &slug]).contains(&slug));
    run(0, &["drop", &slug, "--confirm", &slug, "--yes"]);
    assert_eq!(count(&listed()), 2, "what is in the trash is no tenant");
    // No row keeps its place: made anew it would have the old one's cache keys.
    let arguments = ["--url", &db.socket_url(), "provision", &slug, "--name", "New", "--yes"];
    let refused = tenantui(home.path()).args(arguments).output().expect("runs");
    let words = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{words}");
    assert!(words.contains("is in the trash") && words.contains(&format!("tenantui undrop {slug}")), "{words}");
    run(0, &["undrop", &slug, "--yes"]);
    assert_eq!(count(&listed()), 3);
    // Another schema of that name is not the one that was made.
    db.sql(&format!("drop schema {0}; create schema {0}", quote(&slug)));
    assert_eq!(count(&listed()), 2);
}

/// Cloacina makes a role with every tenant, and a purge revokes keys: the writer that is printed may do both.
#[test]
fn the_writer_that_is_printed_makes_roles_and_revokes_keys() {
    let db = server(2);
    let grants = look(&db, &["doctor", "--grants", "--json"]);
    let writer = &grants["grants"][1];
    let sql = writer["statements"].to_string();
    for part in [
        "NOCREATEDB CREATEROLE",
        "GRANT pg_signal_backend TO tenantui_writer",
        "GRANT SELECT, UPDATE ON TABLE \\\"public\\\".\\\"api_keys\\\" TO tenantui_writer",
    ] {
        assert!(sql.contains(part), "{part}: {sql}");
    }
    assert!(!grants.to_string().contains("configured query"), "{grants:#}");
}
