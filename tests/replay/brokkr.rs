//! Brokkr: a broker per schema, or one in public alone; the generators in each are its second level.

use serde_json::Value;

use super::{count, evidence, health, look, members, problems, says, unwell};
use crate::cli::{home, tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg};

/// The tables of one broker, with 24 migrations in its ledger.
fn broker(schema: &str) -> String {
    let plain = [
        "stacks",
        "stack_labels",
        "stack_annotations",
        "stack_templates",
        "deployment_objects",
        "agent_events",
        "agent_labels",
        "agent_annotations",
        "agent_targets",
        "agent_generator_registrations",
        "audit_logs",
        "webhook_subscriptions",
        "webhook_deliveries",
        "work_order_log",
        "work_order_targets",
        "deployment_health",
    ];
    let plain: Vec<String> = plain.iter().map(|name| format!("create table {schema}.{name}(id uuid);")).collect();
    format!(
        "create schema if not exists {schema}; {}
         create table {schema}.__diesel_schema_migrations(version varchar(50) primary key, run_on timestamp not null default now());
         insert into {schema}.__diesel_schema_migrations(version) select lpad(i::text, 2, '0') from generate_series(0, 23) i;
         create table {schema}.app_initialization(id serial primary key, initialized_at timestamp default now());
         create table {schema}.admin_role(id uuid default gen_random_uuid(), pak_hash text not null);
         create table {schema}.generators(id uuid primary key default gen_random_uuid(), created_at timestamptz default now(),
           updated_at timestamptz, deleted_at timestamptz, name varchar(255) not null, description text, pak_hash text,
           last_active_at timestamptz, is_active boolean not null default true, is_system boolean not null default false);
         create table {schema}.agents(id uuid primary key default gen_random_uuid(), deleted_at timestamptz, name varchar(255),
           last_heartbeat timestamptz, status varchar(50) not null default 'INACTIVE');
         create table {schema}.work_orders(id uuid default gen_random_uuid(), status varchar(20) not null default 'PENDING',
           claimed_at timestamptz, claim_timeout_seconds int not null default 3600);
         insert into {schema}.generators(name, is_system) values ('__system__', true);",
        plain.join(" ")
    )
}

fn instances(count: u32) -> TestDatabase {
    let db = pg().database("brokkr");
    db.sql(&broker("public"));
    // Several brokers for one message: each is a transaction's worth of locks.
    for first in (1..=count).step_by(20) {
        let all: Vec<String> = (first..(first + 20).min(count + 1)).map(|i| broker(&format!("brokkr_b{i}"))).collect();
        db.sql(&all.join("\n"));
    }
    db
}

#[test]
fn a_hundred_brokers_and_the_generators_in_each() {
    let db = instances(100);
    db.sql(
        "delete from brokkr_b7.__diesel_schema_migrations where version = '23';
         insert into brokkr_b1.generators(name, is_active, last_active_at) values ('ci', true, '2026-02-09 11:00:00+01'), ('old', false, null);
         insert into brokkr_b1.generators(name, deleted_at) values ('gone', now());
         insert into brokkr_b2.generators(name) values ('other');
         insert into brokkr_b1.agents(name, last_heartbeat) values ('a', now()), ('b', now() - interval '1 day');
         insert into brokkr_b1.work_orders(status, claimed_at) values ('PENDING', null), ('CLAIMED', now() - interval '2 hours');
         create schema extensions; create table extensions.agents(id int)",
    );
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!((&document["databases"][0]["layout"], count(&document)), (&Value::from("brokkr"), 100));
    assert_eq!(unwell(&document), ["brokkr_b7:behind"], "behind its siblings, with no folder configured");
    assert_eq!(tenant(&document, "slug", "brokkr_b1")["version"], "23");
    assert_eq!(tenant(&document, "slug", "brokkr_b1")["applied"], 24);
    assert_eq!((&document["shared"][0]["schema"], &document["shared"][0]["applied"]), (&"public".into(), &24.into()));

    let one = look(&db, &["tenant", "brokkr_b1", "--json"]);
    assert_eq!(
        members(&one),
        [("ci", Some(true), None), ("old", Some(false), None)],
        "no deleted one, not the system's"
    );
    assert_eq!(one["members"][0]["last_active_at"], "2026-02-09T10:00:00Z");
    assert_eq!(health(&one, "generators"), (&1.into(), Some("of 2, last active 2026-02-09 10:00 UTC"), None));
    assert_eq!(health(&one, "agents"), (&2.into(), Some("1 with a heartbeat in 5 minutes"), None));
    let (waiting, _, problem) = health(&one, "work_orders");
    assert_eq!((waiting, problem), (&2.into(), Some("1 work order is claimed beyond its timeout")));
    assert!(problems(&one).contains("beyond its timeout"), "{one:#}");
    // Two schemas, a row each: invisible to each other.
    assert_eq!(members(&look(&db, &["tenant", "brokkr_b2", "--json"])), [("other", Some(true), None)]);

    let lines = evidence(&db);
    says(&lines, "ok", "brokkr: Brokkr; tenants are listed as the schemas with app_initialization");
    says(&lines, "ok", "written unquoted: capitals fold");
    says(&lines, "ok", "brokkr_b1.admin_role is there, with pak_hash");
    says(&lines, "off", "not boundary: public.tenants is absent");
}

#[test]
fn a_stale_claim_is_told_behind_however_many_orders() {
    let db = instances(1);
    db.sql(
        "insert into brokkr_b1.work_orders(status) select 'PENDING' from generate_series(1, 12000);
         insert into brokkr_b1.work_orders(status, claimed_at) values ('CLAIMED', now() - interval '2 days')",
    );
    let one = look(&db, &["tenant", "brokkr_b1", "--json"]);
    let (waiting, detail, problem) = health(&one, "work_orders");
    assert_eq!((waiting, detail), (&Value::Null, Some("more than 10,000, 1 claimed beyond their timeout")));
    assert_eq!(problem, Some("1 work order is claimed beyond its timeout"));
}

#[test]
fn all_are_behind_what_public_has() {
    let db = instances(3);
    db.sql("insert into public.__diesel_schema_migrations(version) values ('24')");
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!(unwell(&document), ["brokkr_b1:behind", "brokkr_b2:behind", "brokkr_b3:behind"]);
}

#[test]
fn a_broker_in_public_alone_is_recognised() {
    let db = pg().database("brokkr_public");
    db.sql(&broker("public"));
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!((&document["databases"][0]["layout"], count(&document)), (&Value::from("brokkr"), 0));
    assert_eq!((&document["shared"][0]["version"], &document["shared"][0]["applied"]), (&"23".into(), &24.into()));
    says(&evidence(&db), "ok", "public.generators is there, with pak_hash, name");
    // It is the shared schema and no tenant: told, where one looks for it.
    says(&evidence(&db), "ok", "public holds all that a tenant's schema holds, and is none: it is the shared schema");
    // The generators of a broker that was never given a schema are a second level as any others are.
    db.sql("insert into public.generators(name, is_active) values ('ci', true), ('gone', false)");
    let page = look(&db, &["tenant", "public", "--json"]);
    assert_eq!((&page["schema"], &page["state"], &page["applied"]), (&"public".into(), &"ok".into(), &24.into()));
    assert_eq!(members(&page), [("ci", Some(true), None), ("gone", Some(false), None)]);
    assert_eq!(health(&page, "generators").0, 1);
    assert_eq!(page["migrations"].as_array().map(Vec::len), Some(24));
    assert!(page["size_exact"].as_bool().expect("measured"), "{page:#}");
    let home = home();
    let run =
        |arguments: &[&str]| tenantui(home.path()).args(["--url", &db.url()]).args(arguments).output().expect("runs");
    let page = run(&["tenant", "public"]);
    assert_eq!(page.status.code(), Some(0), "{}", text(&page.stderr));
    assert!(text(&page.stderr).contains("\"public\" is no tenant: it is the shared schema"), "{}", text(&page.stderr));
    // What writes takes it for none.
    for order in ["suspend", "archive", "drop"] {
        let refused = run(&[order, "public", "--yes", "--confirm", "public"]);
        assert_ne!(refused.status.code(), Some(0), "{order}: {}", text(&refused.stdout));
    }
    assert_eq!(count(&look(&db, &["tenants", "--json"])), 0, "and it is never counted");
}

#[test]
fn generators_of_versions_before_the_system_s_are_listed_too() {
    let db = instances(1);
    db.sql(
        "alter table brokkr_b1.generators drop column is_system, drop column is_active, drop column last_active_at;
         delete from brokkr_b1.generators; insert into brokkr_b1.generators(name) values ('early')",
    );
    let one = look(&db, &["tenant", "brokkr_b1", "--json"]);
    assert_eq!(members(&one), [("early", None, None)]);
    assert_eq!(problems(&one), "[]");
}
