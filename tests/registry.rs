//! The registry in all its shapes, joined with the schemas that exist; counts, sizes and the detail of one tenant;
//! hostile names; and what a role of few privileges still sees.

mod measured;

use std::time::{Duration, Instant};

use tenantui::config::Database;
use tenantui::layout::Layout;
use tenantui::model::tenant::{Tenant, TenantState};
use tenantui::postgres::registry::{RegistryError, RegistryRow};
use tenantui::postgres::session::Reader;
use tenantui::postgres::{catalog, detail, registry, survey};
use tenantui::text::{Untrusted, is_unsafe};

use crate::layouts::{MIGRATUS, config, open};
use crate::support::{TestDatabase, pg, quote};

struct Seen {
    reader: Reader,
    layout: Layout,
    rows: Vec<RegistryRow>,
    tenants: Vec<Tenant>,
}

async fn see(config: &Database) -> Seen {
    let reader = open(config).await;
    let layout = survey::survey(&reader, config).await.expect("a layout");
    let mut rows = registry::rows(&reader, &layout).await.expect("rows");
    rows.sort_by(|a, b| a.slug.cmp(&b.slug).then_with(|| a.id.cmp(&b.id)));
    let schemas = catalog::schemas_of(&reader, &layout).await.expect("schemas");
    let tenants = catalog::tenants(&config.name, &layout, &rows, &schemas, &reader.facts().user);
    Seen { reader, layout, rows, tenants }
}

fn raw(text: &Option<Untrusted>) -> Option<&str> {
    text.as_ref().map(Untrusted::raw)
}

fn boundary(name: &str, tenants: &str) -> TestDatabase {
    let db = pg().database(name);
    db.sql(&format!("{tenants}; create table {MIGRATUS}"));
    db
}

/// The five shapes of `public.tenants` (layouts.md A.1) with the same two tenants in each.
const SHAPES: [(&str, &str, &str); 5] = [
    (
        "boot",
        "create table tenants(id uuid primary key default gen_random_uuid(), slug varchar(255) not null, name varchar(255) not null,
           schema_name varchar(255) not null, status varchar(50) not null constraint chk_tenants_status check (status in ('active', 'suspended', 'deleted')),
           settings jsonb, created_at timestamptz not null, updated_at timestamptz, deleted_at timestamptz)",
        "insert into tenants(slug, name, schema_name, status, settings, created_at, deleted_at) values
           ('acme-corp', 'ACME', 'tenant_acme_corp', 'active', '{\"features\": {}}', '2026-02-09 11:00:00+01', null),
           ('blue', 'Blue', 'tenant_blue', 'deleted', null, '2026-02-10 10:00:00+00', '2026-03-01 10:00:00+00')",
    ),
    (
        "migration_010",
        "create table tenants(id varchar(36) primary key, slug varchar(100) unique, name varchar(255), schema_name varchar(63) unique,
           status varchar(20) default 'active' check (status in ('active', 'suspended', 'deleted')), settings text,
           created_at text not null, updated_at text, deleted_at text)",
        "insert into tenants values ('1', 'acme-corp', 'ACME', 'tenant_acme_corp', 'active', '{\"a\": 1', '2026-02-09T10:00:00Z', null, null),
           ('2', 'blue', 'Blue', 'tenant_blue', 'active', null, 'yesterday', null, '2026-03-01T10:00:00Z')",
    ),
    (
        "adr_004",
        "create table tenants(id uuid primary key default gen_random_uuid(), slug varchar(100) unique, name varchar(255), schema_name varchar(100) unique,
           status varchar(20), plan varchar(50), created_at timestamptz, updated_at timestamptz not null default now(), deleted_at timestamptz)",
        "insert into tenants(slug, name, schema_name, status, plan, created_at, deleted_at) values
           ('acme-corp', 'ACME', 'tenant_acme_corp', 'active', 'pro', '2026-02-09 10:00:00+00', null),
           ('blue', 'Blue', 'tenant_blue', 'provisioned', null, null, '2026-03-01 10:00:00+00')",
    ),
    (
        "readme",
        "create table tenants(id uuid primary key default gen_random_uuid(), slug text unique, name text, status text default 'active',
           settings jsonb, created_at timestamptz default now(), updated_at timestamptz, deleted_at timestamptz)",
        "insert into tenants(slug, name, status, created_at, deleted_at) values
           ('acme-corp', 'ACME', 'active', '2026-02-09 10:00:00+00', null), ('blue', 'Blue', 'deleted', '2026-02-10 10:00:00+00', null)",
    ),
    (
        "fixtures",
        "create table tenants(id varchar(36) primary key, slug varchar(100), name varchar(255), schema_name varchar(100), status varchar(50),
           created_at timestamp)",
        "insert into tenants values ('1', 'acme-corp', 'ACME', 'tenant_acme_corp', 'active', '2026-02-09 10:00:00'),
           ('2', 'blue', 'Blue', 'tenant_blue', 'deleted', '2026-02-10 10:00:00.75')",
    ),
];

#[tokio::test]
async fn each_shape_of_the_tenants_table_is_read() {
    for (shape, table, data) in SHAPES {
        let db =
            boundary(shape, &format!("{table}; {data}; create schema tenant_acme_corp; create schema tenant_blue"));
        let seen = see(&config(&db, "postgres")).await;
        assert_eq!(&*seen.layout.name, "boundary", "{shape}");
        let [acme, blue] = seen.rows.as_slice() else { panic!("{shape}: {:?}", seen.rows) };
        assert_eq!((acme.slug.raw(), raw(&acme.name)), ("acme-corp", Some("ACME")), "{shape}");
        assert_eq!(raw(&acme.schema), Some("tenant_acme_corp"), "{shape}");
        assert_eq!((raw(&acme.status), acme.deleted), (Some("active"), false), "{shape}");
        assert_eq!(raw(&acme.created_at), Some("2026-02-09T10:00:00Z"), "{shape}");
        assert!(acme.id.is_some(), "{shape}");
        assert!(blue.deleted, "{shape}");
        assert_eq!(raw(&acme.plan), (shape == "adr_004").then_some("pro"), "{shape}");
        let expected = match shape {
            "migration_010" => Some("yesterday"),
            "adr_004" => None,
            _ => Some("2026-02-10T10:00:00Z"),
        };
        assert_eq!(raw(&blue.created_at), expected, "{shape}");
        for tenant in &seen.tenants {
            assert_eq!(tenant.state, TenantState::Unknown, "{shape}");
            assert!(tenant.schema_oid.is_some(), "{shape}: {tenant:?}");
            let says: Vec<&str> = tenant.problems.iter().map(|problem| problem.raw()).collect();
            match (shape, tenant.slug.raw()) {
                // Deleted by its time alone: the word says something else.
                ("migration_010", "blue") => {
                    assert!(says[0].starts_with("its status is active, and deleted_at is set"))
                }
                ("adr_004", "blue") => assert!(says[0].starts_with("its status is provisioned, and deleted_at is set")),
                (_, _) => assert!(says.is_empty(), "{shape}: {tenant:?}"),
            }
            assert_eq!(raw(&tenant.owner), Some("postgres"));
        }
    }
}

#[tokio::test]
async fn nulls_anywhere_and_times_beyond_the_calendar_are_read() {
    let db = boundary(
        "nulls",
        "create table tenants(id uuid, slug text, name text, schema_name text, status text, created_at timestamptz, deleted_at timestamptz);
         insert into tenants values (null, null, null, null, null, null, null), (null, '', '', '', '', 'infinity', null),
           (null, 'old', null, null, null, '0044-03-15 10:00:00+00 BC', null), (null, 'none', null, 'tenant_x', null, null, null)",
    );
    let seen = see(&config(&db, "postgres")).await;
    assert_eq!(seen.rows.len(), 4);
    let old = seen.rows.iter().find(|row| row.slug.raw() == "old").expect("there");
    assert!(raw(&old.created_at).is_some_and(|at| at.contains("BC")), "{old:?}");
    let nameless: Vec<&Tenant> = seen.tenants.iter().filter(|tenant| tenant.slug.is_empty()).collect();
    assert_eq!(nameless.len(), 2);
    assert_ne!(nameless[0].key, nameless[1].key, "identity stays unique");
    for tenant in nameless {
        assert_eq!(tenant.state, TenantState::MissingSchema);
        assert!(tenant.problems.iter().any(|problem| problem.raw().contains("no slug")), "{:?}", tenant.problems);
    }
}

#[tokio::test]
async fn orphans_conflicts_and_lookalikes() {
    let db = boundary(
        "orphans",
        "create table tenants(id int primary key, slug text, name text, schema_name text, status text, deleted_at timestamptz);
         insert into tenants values (1, 'acme', 'A', 'tenant_acme', 'active', null), (2, 'lost', 'L', 'tenant_lost', 'active', null),
           (3, 'twin-a', 'T', 'tenant_twin', 'active', null), (4, 'twin-b', 'T', 'tenant_twin', 'frozen', null),
           (5, 'acme', 'A', 'tenant_acme_2', 'active', null), (6, 'case', 'C', 'tenant_Case', 'active', null),
           (7, 'again-old', 'O', 'tenant_again', 'deleted', now()), (8, 'again', 'N', 'tenant_again', 'active', null)",
    );
    for schema in [
        "tenant_acme",
        "tenant_acme_2",
        "tenant_twin",
        "tenant_again",
        "tenant_stray",
        "tenantx",
        "tenants_archive",
        "tenant_",
        "zz_dropped_7_tenant_gone",
        "tenantui",
        "tenant_case",
        "other",
        "tenant_kept",
    ] {
        db.sql(&format!("create schema {}", quote(schema)));
    }
    let mut config = config(&db, "postgres");
    config.tenants.exclude = vec![tenantui::model::ident::SchemaName::existing("tenant_kept").expect("a name")];
    let seen = see(&config).await;
    let states: Vec<String> = seen
        .tenants
        .iter()
        .map(|tenant| format!("{} {} {}", tenant.slug.raw(), raw(&tenant.schema).unwrap_or("-"), tenant.state.word()))
        .collect();
    assert_eq!(
        states,
        [
            "acme tenant_acme unknown",
            "acme tenant_acme_2 unknown",
            // The living row has the schema, and the deleted one cannot take it away (ADR 21).
            "again tenant_again unknown",
            "again-old tenant_again conflict",
            "case tenant_Case missing_schema",
            "lost tenant_lost missing_schema",
            "tenant_case tenant_case orphan_schema",
            "tenant_stray tenant_stray orphan_schema",
            "twin-a tenant_twin conflict",
            "twin-b tenant_twin conflict",
        ]
    );
    let problems = |slug: &str| {
        let tenant = seen.tenants.iter().find(|tenant| tenant.slug.raw() == slug).expect("there");
        tenant.problems.iter().map(|problem| problem.raw().to_owned()).collect::<Vec<_>>().join("; ")
    };
    assert!(problems("twin-a").contains("also that of twin-b"), "{}", problems("twin-a"));
    assert!(
        problems("again").contains("a deleted registry row (again-old) names its schema too"),
        "{}",
        problems("again")
    );
    assert!(problems("again-old").contains("also that of again"), "{}", problems("again-old"));
    assert!(problems("acme").contains("2 registry rows have this slug"));
    assert!(problems("case").contains("a schema tenant_case exists"), "{}", problems("case"));
    assert!(problems("lost").contains("tenant_lost does not exist"));
    // An unknown status is shown as it is.
    let twin = seen.tenants.iter().find(|tenant| tenant.slug.raw() == "twin-b").expect("there");
    assert_eq!((raw(&twin.status), twin.deleted), (Some("frozen"), false));
    // What exists and what is reserved by a row is taken.
    let taken = catalog::taken_names(&seen.rows, &catalog::schemas(&seen.reader).await.expect("schemas"));
    let mut backwards = seen.rows.clone();
    backwards.reverse();
    assert_eq!(taken, catalog::taken_names(&backwards, &catalog::schemas(&seen.reader).await.expect("schemas")));
    for slug in ["acme", "stray", "lost", "kept"] {
        let name = seen.layout.naming.check(slug).expect("legal");
        assert!(taken.check(&name).is_err(), "{slug}");
    }
    assert!(taken.check(&seen.layout.naming.check("brand-new").expect("legal")).is_ok());
}

#[tokio::test]
async fn no_tenants_is_an_empty_list() {
    let db = boundary("none", "create table tenants(id int primary key, slug text)");
    assert!(see(&config(&db, "postgres")).await.tenants.is_empty());
}

#[tokio::test]
async fn a_table_dropped_after_the_survey_is_an_error_with_words() {
    let db = boundary("dropped", "create table tenants(id int primary key, slug text)");
    let seen = see(&config(&db, "postgres")).await;
    db.sql("drop table tenants");
    let error = registry::rows(&seen.reader, &seen.layout).await.expect_err("gone");
    assert!(matches!(error, RegistryError::Query(_)) && error.to_string().contains("42P01"), "{error}");
}

const HOSTILE: [&str; 10] = [
    "tenant_a\"; drop schema public; --",
    "tenant_it's",
    "tenant_\u{1b}[31mred",
    "tenant_line\nfeed",
    "tenant_\u{202e}txt",
    "$user",
    "Tenant_Capital",
    "tenant_\\",
    "tenant_%_x",
    "tenant_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaé",
];

#[tokio::test]
async fn hostile_names_are_kept_quoted_and_shown_safely() {
    assert_eq!(HOSTILE[9].len(), 63, "the last two bytes are one character");
    let db = boundary("hostile", "create table tenants(id serial primary key, slug text, name text, schema_name text)");
    for (number, schema) in HOSTILE.iter().enumerate() {
        db.sql(&format!("create schema {0}; create table {0}.t{number}(a int)", quote(schema)));
        db.sql(&format!(
            "insert into tenants(slug, name, schema_name) values ({0}, {0}, {0})",
            tenantui::model::ident::literal(schema)
        ));
    }
    db.sql("insert into tenants(slug, name, schema_name) values (E'\\e]0;pwned\\x07', repeat(E'\\u0301', 200), null)");
    let seen = see(&config(&db, "postgres")).await;
    assert_eq!(seen.tenants.len(), HOSTILE.len() + 1);
    for schema in HOSTILE {
        let tenant = seen.tenants.iter().find(|tenant| raw(&tenant.schema) == Some(schema)).expect("kept as it is");
        assert!(tenant.schema_oid.is_some(), "{schema:?}");
        let detail = detail::read(&seen.reader, &seen.layout, tenant).await.expect("a detail");
        let tables = detail::tables(&seen.reader, tenant.schema_oid.expect("an oid")).await.expect("tables");
        assert_eq!(tables.list.len(), 1, "{schema:?}");
        assert!(detail.problems.is_empty(), "{schema:?}: {:?}", detail.problems);
        for text in tenant.problems.iter().chain([&tenant.slug]) {
            assert!(!text.safe().as_str().chars().any(is_unsafe));
        }
    }
    let user = seen.tenants.iter().find(|tenant| raw(&tenant.schema) == Some("$user")).expect("there");
    assert!(user.problems.iter().any(|problem| problem.raw().contains("rename")), "{:?}", user.problems);
}

#[tokio::test]
async fn a_role_of_few_privileges_sees_the_rest() {
    let db = boundary(
        "few",
        "create table tenants(id int primary key, slug text, name text, status text, plan text, deleted_at timestamptz);
         insert into tenants values (1, 'acme', 'A', 'active', 'pro'), (2, 'blue', 'B', 'active', null);
         create schema tenant_acme; create table tenant_acme.orders(id int primary key);
         create schema tenant_blue; create table tenant_blue.orders(id int primary key);
         create table tenant_memberships(tenant_id text, user_id text, status text);
         create table users(id int, email text);
         insert into tenant_memberships values ('1', '1', 'active')",
    );
    let role = pg().role("few");
    let grantee = quote(&role);
    // Nothing at all: the layout is seen, the registry is not readable, and the error names the grant.
    let low = config(&db, &role);
    let reader = open(&low).await;
    let error = match survey::survey(&reader, &low).await {
        Ok(layout) => registry::rows(&reader, &layout).await.expect_err("no access").to_string(),
        Err(error) => error.to_string(),
    };
    assert!(error.contains(&format!("GRANT SELECT ON \"public\".\"tenants\" TO {grantee}")), "{error}");

    // Some columns only: they are read, and the others are named.
    db.sql(&format!(
        "grant select (id, slug, name) on tenants to {grantee}; grant usage on schema tenant_acme to {grantee}"
    ));
    let seen = see(&low).await;
    assert_eq!(&*seen.layout.name, "boundary");
    let evidence: Vec<&str> = seen.layout.evidence.iter().map(Untrusted::raw).collect();
    assert!(evidence.iter().any(|line| line.contains("status") && line.contains("may not be read")), "{evidence:?}");
    let [acme, blue] = seen.tenants.as_slice() else { panic!("{:?}", seen.tenants) };
    assert_eq!((acme.slug.raw(), raw(&acme.status), raw(&acme.name)), ("acme", None, Some("A")));
    assert!(acme.problems.is_empty(), "{:?}", acme.problems);
    let problem = blue.problems[0].raw();
    assert!(problem.contains(&format!("GRANT USAGE ON SCHEMA \"tenant_blue\" TO {grantee}")), "{problem}");
    assert!(catalog::totals(&seen.reader).await.expect("totals").contains_key(&blue.schema_oid.expect("an oid")));

    // Sizes need no privilege at all; members do, and say so.
    let tables = detail::tables(&seen.reader, blue.schema_oid.expect("an oid")).await.expect("tables");
    assert_eq!((tables.list.len(), tables.unmeasured.is_none()), (1, true));
    let detail = detail::read(&seen.reader, &seen.layout, acme).await.expect("a detail");
    assert!(detail.members.is_empty());
    let problems: Vec<&str> = detail.problems.iter().map(Untrusted::raw).collect();
    assert!(
        problems.iter().any(|problem| problem.contains("GRANT SELECT ON \"public\".\"tenant_memberships\"")),
        "{problems:?}"
    );
    db.sql(&format!("grant select on tenant_memberships to {grantee}"));
    let detail = detail::read(&seen.reader, &seen.layout, acme).await.expect("a detail");
    assert_eq!(detail.members.iter().map(|member| member.name.raw()).collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn rows_hidden_by_row_level_security_are_spoken_of() {
    let db = boundary(
        "rls",
        "create table tenants(id int primary key, slug text); insert into tenants values (1, 'acme');
         alter table tenants enable row level security",
    );
    let role = pg().role("rls");
    db.sql(&format!("grant select on tenants to {}", quote(&role)));
    let seen = see(&config(&db, &role)).await;
    assert!(seen.rows.is_empty());
    let hidden = seen.layout.about.hidden_rows.as_ref().map(|hidden| hidden.why.raw()).unwrap_or_default();
    assert!(hidden.contains("row level security") && hidden.contains("public.tenants"), "{hidden}");
}

#[tokio::test]
async fn ten_thousand_rows_are_one_message() {
    let db = boundary(
        "many",
        "create table tenants(id uuid primary key default gen_random_uuid(), slug text, name text, schema_name text, status text, created_at timestamptz default now());
         insert into tenants(slug, name, schema_name, status) select 't-' || i, 'Tenant ' || i, 'tenant_t_' || i, 'active' from generate_series(1, 10000) i",
    );
    let seen = see(&config(&db, "postgres")).await;
    assert_eq!(seen.tenants.len(), 10_000);
    let started = Instant::now();
    registry::rows(&seen.reader, &seen.layout).await.expect("rows");
    // A debug build on a busy machine; the true figure is tens of milliseconds.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn generators_of_brokkr_are_members() {
    let db = pg().database("generators");
    db.sql(
        "create schema b1; create table b1.__diesel_schema_migrations(version varchar(50) primary key, run_on timestamp default now());
         create table b1.app_initialization(id serial); create table b1.admin_role(pak_hash text); create table b1.agents(id uuid);
         create table b1.generators(id uuid default gen_random_uuid(), name varchar(255), pak_hash text, is_active bool default true,
           is_system bool default false, deleted_at timestamptz, last_active_at timestamptz);
         insert into b1.generators(name, is_system, deleted_at, is_active) values ('one', false, null, true), ('__system__', true, null, true),
           ('gone', false, now(), true), ('idle', false, null, false)",
    );
    let seen = see(&config(&db, "postgres")).await;
    let detail = detail::read(&seen.reader, &seen.layout, &seen.tenants[0]).await.expect("a detail");
    let members: Vec<(&str, Option<bool>)> =
        detail.members.iter().map(|member| (member.name.raw(), member.active)).collect();
    assert_eq!(members, [("idle", Some(false)), ("one", Some(true))]);
}
