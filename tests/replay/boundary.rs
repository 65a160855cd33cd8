//! Boundary: the five shapes of `public.tenants` that there are, a Migratus ledger in each schema, the stuck row -1,
//! members and invites, jobs in the database and in Redis.

use serde_json::Value;

use super::{configured, count, evidence, health, look, look_at, members, problems, says, unwell};
use crate::cli::{tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg, redis};

const LEDGER: &str = "schema_migrations(id bigint unique not null, applied timestamp, description varchar(1024))";

struct Shape {
    name: &'static str,
    /// Everything between the brackets of CREATE TABLE.
    columns: &'static str,
    id: &'static str,
    has_schema_name: bool,
    /// How a moment is written into the column.
    time: &'static str,
    deleted_at: bool,
}

const SHAPES: [Shape; 5] = [
    Shape {
        name: "boot",
        columns: "id uuid primary key, slug varchar(255) not null, name varchar(255) not null, \
                  schema_name varchar(255) not null, status varchar(50) not null \
                  constraint chk_tenants_status check (status in ('active', 'suspended', 'deleted')), settings jsonb, \
                  created_at timestamptz not null, updated_at timestamptz, deleted_at timestamptz",
        id: "uuid",
        has_schema_name: true,
        time: "timestamptz",
        deleted_at: true,
    },
    Shape {
        name: "migration",
        columns: "id varchar(36) primary key, slug varchar(100) not null unique, name varchar(255) not null, \
                  schema_name varchar(63) not null unique, status varchar(20) not null default 'active' \
                  check (status in ('active', 'suspended', 'deleted')), settings text, created_at text not null, \
                  updated_at text, deleted_at text",
        id: "text",
        has_schema_name: true,
        time: "text",
        deleted_at: true,
    },
    Shape {
        name: "adr",
        columns: "id uuid primary key default gen_random_uuid(), slug varchar(100) unique not null, \
                  name varchar(255) not null, schema_name varchar(100) unique not null, status varchar(20) not null, \
                  plan varchar(50), created_at timestamptz not null, updated_at timestamptz not null default now(), \
                  deleted_at timestamptz",
        id: "uuid",
        has_schema_name: true,
        time: "timestamptz",
        deleted_at: true,
    },
    Shape {
        name: "readme",
        columns: "id uuid primary key, slug text unique not null, name text not null, status text default 'active', \
                  settings jsonb, created_at timestamptz default now(), updated_at timestamptz",
        id: "uuid",
        has_schema_name: false,
        time: "timestamptz",
        deleted_at: false,
    },
    Shape {
        name: "fixture",
        columns: "id varchar(36) primary key, slug varchar(100) unique, name varchar(255), schema_name varchar(100), \
                  status varchar(50), settings text, created_at timestamp, updated_at timestamp",
        id: "text",
        has_schema_name: true,
        time: "timestamp",
        deleted_at: false,
    },
];

/// Sixty tenants: one behind, one with the lock row, one deleted, a row and a schema without each other, and schemas
/// that Boundary's own search would take for tenants.
fn database(shape: &Shape) -> TestDatabase {
    let db = pg().database(&format!("boundary_{}", shape.name));
    let (schema_column, schema_value) = match shape.has_schema_name {
        true => (", schema_name", ", 'tenant_t_' || i"),
        false => ("", ""),
    };
    let deleted = if shape.deleted_at { ", deleted_at = created_at" } else { "" };
    db.sql(&format!(
        "create table public.tenants({columns}); create table public.{LEDGER};
         insert into public.schema_migrations values (20260201000000, now(), 'create-memberships');
         insert into public.tenants(id, slug, name, status, created_at{schema_column})
           select md5('tenant ' || i)::uuid::{id}, 't-' || i, 'Tenant ' || i, 'active', '2026-02-09T10:00:00Z'::{time}{schema_value}
           from generate_series(1, 61) i;
         update public.tenants set status = 'suspended' where slug = 't-5';
         update public.tenants set status = 'deleted'{deleted} where slug = 't-9';
         create schema tenants_archive; create schema tenantx; create table tenantx.orders(id int)",
        columns = shape.columns,
        id = shape.id,
        time = shape.time,
    ));
    db.sql(&format!(
        "do $$ begin
           for i in 1..60 loop
             execute format('create schema tenant_t_%s', i);
             execute format('create table tenant_t_%s.{LEDGER}', i);
             execute format('insert into tenant_t_%s.schema_migrations values (20260101000000, now(), ''create-orders'')', i);
             execute format('create table tenant_t_%s.orders(id bigint primary key, total int)', i);
             if i <> 7 then
               execute format('insert into tenant_t_%s.schema_migrations values (20260201000000, now(), ''add-total'')', i);
             end if;
           end loop;
         end $$"
    ));
    db.sql(&format!(
        "insert into tenant_t_3.schema_migrations values (-1, now(), 'RESERVED'); create schema tenant_stray;
         create table tenant_stray.{LEDGER}"
    ));
    db
}

#[test]
fn all_five_shapes_are_read_with_nothing_but_the_url() {
    for shape in &SHAPES {
        let db = database(shape);
        let document = look(&db, &["tenants", "--json"]);
        assert_eq!(document["databases"][0]["layout"], "boundary", "{}", shape.name);
        assert_eq!(document["databases"][0]["tool"], "migratus", "{}", shape.name);
        // 61 rows, and the schema without one; neither of the two that only look like it.
        assert_eq!(count(&document), 62, "{}", shape.name);
        assert_eq!(
            unwell(&document),
            ["t-3:locked", "t-61:missing_schema", "t-7:behind", "tenant_stray:orphan_schema"],
            "{}",
            shape.name
        );
        let one = tenant(&document, "slug", "t-1");
        assert_eq!(one["schema"], "tenant_t_1", "{}", shape.name);
        assert_eq!(
            (&one["name"], &one["status"]),
            (&Value::from("Tenant 1"), &Value::from("active")),
            "{}",
            shape.name
        );
        assert_eq!(one["created_at"], "2026-02-09T10:00:00Z", "{}", shape.name);
        assert_eq!(one["id"].as_str().map(str::len), Some(36), "{}", shape.name);
        assert_eq!((&one["version"], &one["applied"]), (&Value::from("20260201000000"), &Value::from(2)));
        assert_eq!(tenant(&document, "slug", "t-5")["status"], "suspended", "{}", shape.name);
        // The lock's row is no version.
        let locked = tenant(&document, "slug", "t-3");
        assert_eq!((&locked["applied"], &locked["locked"]), (&Value::from(2), &Value::from(true)), "{}", shape.name);
        assert!(problems(locked).contains("-1"), "{}: {}", shape.name, problems(locked));
        assert_eq!(document["shared"][0]["version"], "20260201000000", "{}", shape.name);
    }
}

#[test]
fn doctor_prints_the_marks_and_what_the_others_missed() {
    let db = database(&SHAPES[0]);
    let lines = evidence(&db);
    says(&lines, "ok", "boundary: Boundary; tenants are listed by public.tenants");
    says(&lines, "ok", "public.tenants has the columns id, slug, name, schema_name, status");
    says(&lines, "ok", "schema_migrations is there, with id bigint");
    for (other, missed) in [
        ("brokkr", "app_initialization"),
        ("cloacina", "task_executions"),
        ("apartment", "ar_internal_metadata(key, value)"),
        ("django-tenants", "no table of public has a column schema_name character varying(63)"),
        ("triplex", "schema_migrations(version bigint, inserted_at)"),
    ] {
        let line = lines.iter().find(|(_, found)| found.starts_with(&format!("not {other}: ")));
        assert!(line.is_some_and(|(is, found)| is == "off" && found.contains(missed)), "{other} in {lines:#?}");
    }
    let doctor = look(&db, &["doctor", "--json"]);
    assert!(doctor.to_string().contains("Boundary keeps them in resources/migrations-tenant"), "{doctor}");
}

/// Members, invites and jobs, for the tenants 1 and 2.
fn people(db: &TestDatabase) {
    db.sql(
        "create table public.tenant_memberships(id uuid primary key default gen_random_uuid(), tenant_id varchar(255) not null,
           user_id varchar(255) not null, role varchar(50) not null, status varchar(50) not null, invited_at timestamptz,
           accepted_at timestamptz, created_at timestamptz default now(), updated_at timestamptz, unique (tenant_id, user_id));
         create table public.tenant_member_invites(id uuid primary key default gen_random_uuid(), tenant_id varchar(255) not null,
           email varchar(320) not null, role varchar(50), status varchar(50) not null, token_hash varchar(255) unique,
           expires_at timestamptz, accepted_at timestamptz, revoked_at timestamptz, accepted_by_user_id varchar(255),
           metadata jsonb, created_at timestamptz, updated_at timestamptz);
         create table public.users(id varchar(36) primary key, email varchar(255), name varchar(255), last_login_at timestamptz);
         create table public.job_queue(id uuid primary key default gen_random_uuid(), queue varchar(255) not null,
           priority_rank int not null default 2, status varchar(20) not null default 'ready', execute_at timestamp,
           locked_by varchar(255), locked_at timestamp, payload varchar(1000000) not null, created_at timestamp not null default now());
         insert into users values ('u1', 'ann@example.org', 'Ann', '2026-02-09 11:00:00+01'), ('u2', 'bob@example.org', null, null);
         insert into tenant_memberships(tenant_id, user_id, role, status)
           select t.id::text, u, 'member', s from tenants t, (values ('u1', 'active'), ('u2', 'suspended'), ('u3', 'revoked')) m(u, s)
           where t.slug = 't-1';
         insert into tenant_memberships(tenant_id, user_id, role, status)
           select id::text, 'u2', 'admin', 'active' from tenants where slug = 't-2';
         insert into tenant_member_invites(tenant_id, email, role, status, token_hash, expires_at)
           select t.id::text, e, 'viewer', s, 'hash ' || e, x from tenants t,
             (values ('eve@example.org', 'pending', now() + interval '1 day'), ('old@example.org', 'pending', now() - interval '1 day'),
                     ('dan@example.org', 'accepted', now())) i(e, s, x)
           where t.slug = 't-1';
         insert into job_queue(queue, status, payload)
           select 'default', s, '{\"id\":\"x\",\"args\":{},\"metadata\":{\"tenant-id\":\"' || t.id || '\"}}' from tenants t,
             (values ('ready'), ('ready'), ('scheduled'), ('completed')) j(s) where t.slug = 't-1';
         insert into job_queue(queue, payload) values ('default', '{\"metadata\":{\"tenant-id\":\"nobody\"}}'), ('default', '{}')",
    );
}

#[test]
fn members_invites_and_jobs_are_of_the_tenant_alone() {
    for shape in [&SHAPES[0], &SHAPES[1]] {
        let db = database(shape);
        people(&db);
        let one = look(&db, &["tenant", "t-1", "--json"]);
        assert_eq!(problems(&one), "[]", "{}", shape.name);
        assert_eq!(
            members(&one),
            [
                ("Ann", Some(true), Some("active")),
                ("u2", Some(false), Some("suspended")),
                ("u3", Some(false), Some("revoked")),
                ("eve@example.org", Some(false), Some("invited")),
                ("old@example.org", Some(false), Some("invited")),
            ]
        );
        assert_eq!(one["members"][0]["last_active_at"], "2026-02-09T10:00:00Z");
        assert_eq!(health(&one, "members"), (&Value::from(1), Some("1 active, 1 revoked, 1 suspended"), None));
        assert_eq!(health(&one, "invites"), (&Value::from(2), Some("1 expired"), None));
        assert_eq!(health(&one, "jobs"), (&Value::from(3), Some("1 completed, 2 ready, 1 scheduled"), None));
        let two = look(&db, &["tenant", "t-2", "--json"]);
        assert_eq!(members(&two), [("u2", Some(true), Some("active"))]);
        assert_eq!(health(&two, "jobs"), (&Value::from(0), None, None));
        let printed =
            tenantui(&std::env::temp_dir()).args(["--url", &db.url(), "tenant", "t-1"]).output().expect("runs");
        let printed = text(&printed.stdout);
        assert!(printed.contains("jobs waiting") && printed.contains("2 ready, 1 scheduled"), "{printed}");
    }
}

/// However the column keeps it, and however it was written.
#[test]
fn jobs_are_counted_in_text_json_and_jsonb() {
    for kind in ["text", "json", "jsonb"] {
        let db = database(&SHAPES[0]);
        people(&db);
        db.sql(&format!(
            "alter table job_queue alter payload type {kind} using payload::{kind};
             insert into job_queue(queue, status, payload) select 'default', 'ready',
               ('{{\"metadata\": {{ \"tenant-id\" : \"' || id || '\" }} }}')::{kind} from tenants where slug = 't-1'"
        ));
        let one = look(&db, &["tenant", "t-1", "--json"]);
        assert_eq!(health(&one, "jobs"), (&Value::from(4), Some("1 completed, 3 ready, 1 scheduled"), None), "{kind}");
        let two = look(&db, &["tenant", "t-2", "--json"]);
        assert_eq!(health(&two, "jobs"), (&Value::from(0), None, None), "{kind}");
    }
}

/// Those that are done pile up, and those that wait stand behind them.
#[test]
fn jobs_that_wait_are_found_behind_however_many_are_done() {
    let db = database(&SHAPES[0]);
    people(&db);
    db.sql(
        "truncate job_queue;
         insert into job_queue(queue, status, payload)
           select 'default', 'completed', '{\"metadata\":{\"tenant-id\":\"x\"}}' from generate_series(1, 20000);
         insert into job_queue(queue, payload)
           select 'default', '{\"metadata\":{\"tenant-id\":\"' || t.id || '\"}}' from tenants t, generate_series(1, 7)
           where t.slug = 't-2'",
    );
    let two = look(&db, &["tenant", "t-2", "--json"]);
    assert_eq!(health(&two, "jobs"), (&Value::from(7), Some("7 ready, not all were looked at"), None));
    // Where too many wait, how many are its own is not known.
    db.sql("insert into job_queue(queue, payload) select 'default', '{}' from generate_series(1, 10000)");
    let two = look(&db, &["tenant", "t-2", "--json"]);
    let (value, detail, _) = health(&two, "jobs");
    assert_eq!(value, &Value::Null);
    assert!(detail.is_some_and(|words| words.ends_with("not all were looked at")), "{detail:?}");
}

#[test]
fn more_members_than_are_listed_are_said() {
    let db = database(&SHAPES[0]);
    people(&db);
    let add = |count: u32| {
        db.sql(&format!(
            "delete from tenant_memberships; insert into tenant_memberships(tenant_id, user_id, role, status)
               select t.id::text, 'm' || i, 'member', 'active' from tenants t, generate_series(1, {count}) i where t.slug = 't-2'"
        ));
        look(&db, &["tenant", "t-2", "--json"])
    };
    let all = add(1_000);
    assert_eq!((members(&all).len(), problems(&all).as_str()), (1_000, "[]"));
    let some = add(1_001);
    assert_eq!(members(&some).len(), 1_000);
    assert!(problems(&some).contains("there are more members: the first 1,000 are listed"), "{some:#}");
}

/// "Active" needs both: the status, and no time at which it was deleted.
#[test]
fn a_time_of_deletion_beside_another_status_is_said() {
    let db = database(&SHAPES[0]);
    db.sql("update tenants set deleted_at = now() where slug = 't-4'");
    let document = look(&db, &["tenants", "--json"]);
    let four = problems(tenant(&document, "slug", "t-4"));
    assert!(four.contains("its status is active, and deleted_at is set: it counts as deleted"), "{four}");
    assert_eq!(problems(tenant(&document, "slug", "t-9")), "[]", "both say deleted");
    assert_eq!(problems(tenant(&document, "slug", "t-5")), "[]", "suspended");
}

#[test]
fn jobs_in_redis_are_counted_for_their_tenant() {
    let db = database(&SHAPES[0]);
    let id = db.value("select id from tenants where slug = 't-1'");
    let url = redis().database();
    let mut connection =
        ::redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).expect("a connection");
    let mut pipe = ::redis::pipe();
    let job =
        |number: usize, tenant: &str| format!("{{\"id\":\"{number}\",\"metadata\":{{\"tenant-id\":\"{tenant}\"}}}}");
    for number in 0..30 {
        let tenant = if number % 3 == 0 { id.as_str() } else { "another" };
        pipe.cmd("SET").arg(format!("job:{number}")).arg(job(number, tenant)).ignore();
        match number {
            0..12 => pipe.cmd("LPUSH").arg("queue:default").arg(number).ignore(),
            12..18 => pipe.cmd("LPUSH").arg("queue:default:critical").arg(number).ignore(),
            18..24 => pipe.cmd("ZADD").arg("jobs:scheduled").arg(number).arg(number).ignore(),
            _ => pipe.cmd("LPUSH").arg("jobs:failed").arg(number).ignore(),
        };
    }
    // Not a job, and a queue of another kind of thing.
    pipe.cmd("LPUSH").arg("queue:default").arg("no such job").ignore();
    pipe.cmd("SET").arg("queue:text").arg("x").ignore();
    // By id, slug and schema name, and the cached row itself; what Boundary's own tests write.
    for number in 0..1_000 {
        pipe.cmd("SET").arg(format!("tenant:{id}:{number}")).arg("x").ignore();
    }
    for key in ["tenant:t-1:user-123", "tenant:tenant_t_1:x", "tenant:t-1", "tenant:t-2:session:abc", "tenant:nobody:x"]
    {
        pipe.cmd("SET").arg(key).arg("x").ignore();
    }
    pipe.exec(&mut connection).expect("filled");
    let home = configured(&db, &format!("[database.cache]\nurl = \"{url}\"\n"));
    let one = look_at(&home, &["tenant", "t-1", "--json"]);
    let words = "jobs:failed 2 of 6, jobs:scheduled 2 of 6, queue:default 4 of 13, queue:default:critical 2 of 6";
    assert_eq!(health(&one, "redis_jobs"), (&Value::from(10), Some(words), None), "{one:#}");
    assert_eq!(one["cache_keys"], 1_003);
    let two = look_at(&home, &["tenant", "t-2", "--json"]);
    assert_eq!((health(&two, "redis_jobs").0, &two["cache_keys"]), (&Value::from(0), &Value::from(1)));
    // Without Redis the rest stands, and the problem says so.
    let home = configured(&db, "[database.cache]\nurl = \"redis://127.0.0.1:1/0\"\n");
    let one = look_at(&home, &["tenant", "t-1", "--json"]);
    assert!(problems(&one).contains("jobs in Redis"), "{one:#}");
    assert_eq!(one["tables_detail"].as_array().map(Vec::len), Some(2));
}
