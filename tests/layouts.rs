//! Layouts: each framework's database is recognised with no configuration but the connection; overrides are obeyed;
//! where nothing fits, the error says what was tried and what to write.

mod overridden;

use std::sync::Arc;

use tenantui::config::surroundings::Surroundings;
use tenantui::config::{Database, LayoutChoice};
use tenantui::layout::judge::{self, ColumnFacts, Facts, Slug, TableFacts};
use tenantui::layout::role::{Privilege, RoleMade};
use tenantui::layout::{Layout, Registry, file};
use tenantui::model::environment::Environment;
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::ledger::Tool;
use tenantui::postgres::session::{Patience, Reader, Target};
use tenantui::postgres::survey::{SurveyError, survey};
use tenantui::postgres::{catalog, registry};

use crate::support::{TestDatabase, pg, quote};

pub fn config(db: &TestDatabase, role: &str) -> Database {
    Database::new("test".into(), Environment::Development, db.url_as(role).into())
}

pub async fn open(config: &Database) -> Reader {
    let target = Target::resolve(Arc::new(config.clone()), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    Reader::open(&target, Patience::Foreground).await.expect("a session")
}

pub async fn surveyed(config: &Database) -> Result<Layout, SurveyError> {
    survey(&open(config).await, config).await
}

/// Slugs and states, as `slug:state`, of the whole database.
pub async fn listed(config: &Database) -> Vec<String> {
    let reader = open(config).await;
    let layout = survey(&reader, config).await.expect("a layout");
    let rows = registry::rows(&reader, &layout).await.expect("rows");
    let schemas = catalog::schemas_of(&reader, &layout).await.expect("schemas");
    let tenants = catalog::tenants(&config.name, &layout, &rows, &schemas, &reader.facts().user);
    tenants.iter().map(|tenant| format!("{}:{}", tenant.slug.raw(), tenant.state.word())).collect()
}

pub const MIGRATUS: &str = "schema_migrations(id bigint unique not null, applied timestamp, description varchar(1024))";
const DIESEL: &str =
    "__diesel_schema_migrations(version varchar(50) primary key, run_on timestamp not null default now())";

fn in_schema(schema: &str, tables: &[&str]) -> String {
    let tables: Vec<String> = tables.iter().map(|table| format!("create table \"{schema}\".{table};")).collect();
    format!("create schema if not exists \"{schema}\"; {}", tables.join(" "))
}

fn brokkr(schema: &str) -> String {
    let generators = "generators(id uuid primary key default gen_random_uuid(), created_at timestamptz default now(), \
        updated_at timestamptz, deleted_at timestamptz, name varchar(255) not null, description text, pak_hash text, \
        last_active_at timestamptz, is_active bool default true, is_system bool default false)";
    let initialised = "app_initialization(id serial, initialized_at timestamptz default now())";
    in_schema(schema, &[DIESEL, initialised, "admin_role(pak_hash text)", generators, "agents(id uuid, status text)"])
}

fn cloacina(schema: &str) -> String {
    in_schema(
        schema,
        &[DIESEL, "contexts(id uuid)", "task_executions(id uuid, status text)", "workflow_executions(id uuid)"],
    )
}

fn apartment(schema: &str) -> String {
    let internal =
        "ar_internal_metadata(key varchar primary key, value varchar, created_at timestamp, updated_at timestamp)";
    in_schema(schema, &["schema_migrations(version varchar primary key)", internal, "orders(id bigserial primary key)"])
}

#[test]
fn the_embedded_layouts_are_sound() {
    let files = file::embedded().expect("sound files");
    assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), file::names().collect::<Vec<_>>());
    for file in files {
        assert!(!file.title.is_empty());
        let naming = file.naming();
        assert!(naming.schema_template.contains("{slug}"), "{}", file.name);
    }
}

#[tokio::test]
async fn boundary_needs_a_migratus_ledger_in_public_or_a_tenant() {
    for ledger in ["public", "tenant_acme"] {
        let db = pg().database("boundary");
        db.sql(
            "create table tenants(id uuid primary key, slug varchar(255) not null, schema_name varchar(255) not null)",
        );
        db.sql(&in_schema("tenant_acme", &["orders(id int)"]));
        let config = config(&db, "postgres");
        let layout = surveyed(&config).await.expect("a layout");
        assert_eq!(&*layout.name, "plain", "no ledger");
        db.sql(&in_schema(ledger, &[MIGRATUS]));
        let layout = surveyed(&config).await.expect("a layout");
        assert_eq!((&*layout.name, layout.expected_tool), ("boundary", Some(Tool::Migratus)), "ledger in {ledger}");
        assert!(layout.evidence.iter().any(|line| line.raw().contains(ledger)), "{:?}", layout.evidence);
    }
    // To be named is enough.
    let db = pg().database("boundary");
    db.sql("create table tenants(id uuid primary key, slug varchar(255) not null)");
    let config = Database { layout: LayoutChoice::Named("boundary".to_owned()), ..config(&db, "postgres") };
    assert_eq!(&*surveyed(&config).await.expect("a layout").name, "boundary");
}

#[tokio::test]
async fn a_rails_ledger_beside_a_tenants_table_is_plain() {
    let db = pg().database("plain");
    db.sql("create table tenants(id bigserial primary key, slug text not null)");
    db.sql(&apartment("tenant_acme"));
    db.sql("insert into tenants(slug) values ('acme'), ('blue-fox')");
    db.sql("create schema tenant_blue_fox");
    let config = config(&db, "postgres");
    assert_eq!(&*surveyed(&config).await.expect("a layout").name, "plain");
    assert_eq!(listed(&config).await, ["acme:unknown", "blue-fox:unknown"]);
}

#[tokio::test]
async fn brokkr_s_schemas_are_its_tenants() {
    let db = pg().database("brokkr");
    for schema in ["public", "brokkr_one", "brokkr_two"] {
        db.sql(&brokkr(schema));
    }
    db.sql(&in_schema("half", &["agents(id uuid)", DIESEL]));
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!((&*layout.name, layout.expected_tool), ("brokkr", Some(Tool::Diesel)));
    assert_eq!(layout.shared_schema, Some(SchemaName::public()));
    assert_eq!(listed(&config).await, ["brokkr_one:unknown", "brokkr_two:unknown"]);
}

#[tokio::test]
async fn cloacina_s_schemas_need_its_tables() {
    let db = pg().database("cloacina");
    for schema in ["public", "acme", "globex"] {
        db.sql(&cloacina(schema));
    }
    db.sql("create schema extensions; create schema shared");
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!(&*layout.name, "cloacina");
    assert_eq!(listed(&config).await, ["acme:unknown", "globex:unknown"]);
    assert_eq!(layout.naming.check("MySchema").expect("legal").schema.raw(), "myschema");
}

#[tokio::test]
async fn apartment_lists_schemas_with_both_of_rails_tables() {
    let db = pg().database("apartment");
    for schema in ["public", "1234", "my-tenant", "foo.bar"] {
        db.sql(&apartment(schema));
    }
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!((&*layout.name, layout.expected_tool), ("apartment", Some(Tool::Rails)));
    assert_eq!(listed(&config).await, ["1234:unknown", "foo.bar:unknown", "my-tenant:unknown"]);
    // Rails alone, with all its tables in public, is no fleet.
    let single = pg().database("rails");
    single.sql(&apartment("public"));
    let error = surveyed(&self::config(&single, "postgres")).await.expect_err("no fleet").to_string();
    assert!(error.contains("apartment: no schema but public holds"), "{error}");
}

#[tokio::test]
async fn apartment_s_own_table_is_taken_by_its_columns() {
    let db = pg().database("apartment");
    db.sql(&apartment("acme"));
    db.sql("create table companies(id serial primary key, subdomain text, name text, created_at timestamp)");
    db.sql("insert into companies(subdomain, name) values ('acme', 'ACME'), ('lost', 'Lost')");
    let mut config = config(&db, "postgres");
    config.tenants.table = Some(name("public", "companies"));
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!(&*layout.name, "apartment");
    db.sql(&apartment("stray"));
    assert_eq!(listed(&config).await, ["acme:unknown", "lost:missing_schema", "stray:orphan_schema"]);
}

fn name(schema: &str, table: &str) -> QualifiedName {
    QualifiedName { schema: SchemaName::existing(schema).expect("a name"), name: Ident::new(table).expect("a name") }
}

#[tokio::test]
async fn django_tenants_registry_is_found_by_its_columns() {
    let db = pg().database("django");
    let ledger =
        "django_migrations(id bigserial primary key, app varchar(255), name varchar(255), applied timestamptz)";
    for schema in ["public", "acme", "left_behind"] {
        db.sql(&in_schema(schema, &[ledger]));
    }
    db.sql("create schema unrelated");
    db.sql(
        "create table customers_client(id bigserial primary key, schema_name varchar(63) unique, name varchar(100), created_on date);
         create table customers_domain(id bigserial primary key, domain varchar(253), is_primary bool,
           tenant_id bigint references customers_client(id));
         create table archive(schema_name varchar(63));
         insert into customers_client(schema_name, name, created_on) values ('public', 'Public', '2026-01-01'),
           ('acme', 'ACME', '2026-02-03');
         insert into customers_domain(domain, is_primary, tenant_id) values ('localhost', true, 1), ('a.example.org', false, 2),
           ('www.example.org', true, 2)",
    );
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!((&*layout.name, layout.expected_tool), ("django-tenants", Some(Tool::Django)));
    let Registry::Table { table, .. } = &layout.registry else { panic!("a table") };
    assert_eq!(table.name.raw(), "customers_client");
    // Names follow no pattern here: a schema without a row is known by its ledger.
    assert_eq!(listed(&config).await, ["acme:unknown", "left_behind:orphan_schema"]);
    let rows = registry::rows(&open(&config).await, &layout).await.expect("rows");
    assert_eq!(rows[0].created_at.as_ref().map(|at| at.raw()), Some("2026-02-03T00:00:00Z"));
    // The primary domain first.
    assert_eq!(rows[0].domains, ["www.example.org".into(), "a.example.org".into()]);
    let says = |layout: &Layout, words: &str| layout.evidence.iter().any(|line| line.raw().contains(words));
    assert!(says(&layout, "the tenants' domains are in public.customers_domain"), "{:?}", layout.evidence);
    // A role that may not read them is told so, and reads the rest.
    let role = pg().role("django_reader");
    db.sql(&format!(
        "grant select on customers_client to {role}; grant usage on schema acme to {role}",
        role = quote(&role)
    ));
    let config = self::config(&db, &role);
    let layout = surveyed(&config).await.expect("a layout");
    assert!(says(&layout, "GRANT SELECT ON \"public\".\"customers_domain\" TO"), "{:?}", layout.evidence);
    let rows = registry::rows(&open(&config).await, &layout).await.expect("rows");
    assert!(rows[0].domains.is_empty());
}

/// After `migrate_schemas --shared` and the row of `public`: there is no tenant yet.
#[tokio::test]
async fn django_tenants_without_a_tenant_is_recognised() {
    let db = pg().database("django_new");
    db.sql(
        "create table django_migrations(id bigserial primary key, app varchar(255), name varchar(255), applied timestamptz);
         create table customers_client(id bigserial primary key, schema_name varchar(63) unique, name varchar(100));
         create table customers_domain(id bigserial primary key, domain varchar(253), is_primary bool,
           tenant_id bigint references customers_client(id));
         insert into customers_client(schema_name, name) values ('public', 'Public')",
    );
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!((&*layout.name, layout.about.doubts.len()), ("django-tenants", 0));
    assert!(listed(&config).await.is_empty());
    // The first tenant, and a schema whose row is gone.
    for schema in ["acme", "left_behind"] {
        db.sql(&in_schema(
            schema,
            &["django_migrations(id bigserial primary key, app varchar(255), name varchar(255), applied timestamptz)"],
        ));
    }
    db.sql("create schema unrelated; insert into customers_client(schema_name, name) values ('acme', 'ACME')");
    assert_eq!(listed(&config).await, ["acme:unknown", "left_behind:orphan_schema"]);
}

#[tokio::test]
async fn triplex_is_told_by_ecto_s_ledger() {
    let db = pg().database("triplex");
    for schema in ["public", "org_1", "org_2"] {
        db.sql(&in_schema(schema, &["schema_migrations(version bigint primary key, inserted_at timestamp(0))"]));
    }
    let config = config(&db, "postgres");
    let layout = surveyed(&config).await.expect("a layout");
    assert_eq!((&*layout.name, layout.expected_tool), ("triplex", Some(Tool::Ecto)));
    assert_eq!(listed(&config).await, ["org_1:unknown", "org_2:unknown"]);
}

/// Else the last tenant that was dropped could not come back.
#[tokio::test]
async fn the_trash_shows_the_layout_where_nothing_else_does() {
    let db = pg().database("trash");
    db.sql(&brokkr("zz_dropped_3_acme"));
    let layout = surveyed(&config(&db, "postgres")).await.expect("the layout of the last tenant");
    let evidence = layout.evidence.iter().any(|mark| mark.raw().contains("zz_dropped_3_acme.generators"));
    assert!(&*layout.name == "brokkr" && evidence, "{:?}", layout.evidence);
    assert!(listed(&config(&db, "postgres")).await.is_empty(), "what was dropped is no tenant");
    // What is there counts for more, and nothing is said of the trash.
    db.sql(&cloacina("acme"));
    let layout = surveyed(&config(&db, "postgres")).await.expect("one layout");
    assert_eq!((&*layout.name, layout.about.doubts.len()), ("cloacina", 0));
}

#[tokio::test]
async fn an_empty_database_gets_the_layouts_that_were_tried() {
    let db = pg().database("empty");
    let error = surveyed(&config(&db, "postgres")).await.expect_err("nothing there");
    let SurveyError::NoLayout { missed } = &error else { panic!("{error}") };
    let tried: Vec<&str> = missed.iter().map(|missed| missed.layout.as_str()).collect();
    assert_eq!(tried, file::names().collect::<Vec<_>>());
    let text = error.to_string();
    for wanted in ["boundary: public.tenants is absent", "generators", "[database.tenants]", "query = ", "scan = "] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert!(!text.contains('\n'), "one line");
}

#[tokio::test]
async fn a_tenants_table_without_any_key_says_which_columns_were_looked_for() {
    let db = pg().database("keyless");
    db.sql("create table tenants(weight int)");
    let text = surveyed(&config(&db, "postgres")).await.expect_err("no key").to_string();
    assert!(text.contains("plain: public.tenants has no column slug"), "{text}");
}

#[test]
fn two_possible_registries_are_told_apart_or_asked_about() {
    let files = file::embedded().expect("sound files");
    let django = files.iter().find(|file| file.name == "django-tenants").expect("there");
    let table = |oid: u32, schema: &str, name: &str, columns: &[(&str, &str)]| TableFacts {
        oid,
        schema: schema.to_owned(),
        name: name.to_owned(),
        usage: true,
        columns: columns
            .iter()
            .map(|(name, type_name)| ColumnFacts {
                name: (*name).to_owned(),
                type_name: (*type_name).to_owned(),
                not_null: false,
                has_default: false,
                is_generated: false,
                readable: true,
                words: Vec::new(),
            })
            .collect(),
        pointed_at_by: Vec::new(),
        rows_hidden: false,
    };
    let registry: &[(&str, &str)] = &[("id", "bigint"), ("schema_name", "character varying(63)")];
    let ledger: &[(&str, &str)] = &[("app", "character varying(255)"), ("name", "character varying(255)")];
    let mut facts = Facts {
        tables: vec![
            table(1, "public", "shops_shop", registry),
            table(2, "public", "audit_shop", registry),
            table(3, "acme", "django_migrations", ledger),
        ],
        dropped: Vec::new(),
        user: "ops".into(),
    };
    let error = judge::fit(django, &facts, Slug::Certain).expect_err("two");
    assert!(error.contains("public.shops_shop and public.audit_shop could each be the registry"), "{error}");
    facts.tables[0].pointed_at_by = vec![judge::PointingTable {
        columns: ["domain", "tenant_id", "is_primary"].map(str::to_owned).into(),
        ..judge::PointingTable::default()
    }];
    let fit = judge::fit(django, &facts, Slug::Certain).expect("told apart");
    assert_eq!(fit.registry.map(|table| table.oid), Some(1));
    // Without a ledger it is not django-tenants. One in public alone is any application's of Django, unless a table of
    // domains says what the other one lists.
    facts.tables.pop();
    assert!(judge::fit(django, &facts, Slug::Certain).is_err());
    facts.tables.push(table(4, "public", "django_migrations", ledger));
    assert!(judge::fit(django, &facts, Slug::Certain).is_ok());
    facts.tables[0].pointed_at_by.clear();
    facts.tables.remove(1);
    let error = judge::fit(django, &facts, Slug::Certain).expect_err("not certain");
    assert!(error.contains("no table with domain, tenant_id, is_primary points at public.shops_shop"), "{error}");
}

#[test]
fn roles_and_grants_are_data() {
    let files = file::embedded().expect("sound files");
    let role = |name: &str| files.iter().find(|file| file.name == name).and_then(|file| file.role());
    let cloacina = role("cloacina").expect("a role");
    assert_eq!((cloacina.rule.made, cloacina.rule.login), (RoleMade::Always, true));
    assert_eq!(cloacina.grants.schema, [Privilege::Usage, Privilege::Create]);
    assert_eq!((cloacina.grants.tables.as_slice(), cloacina.grants.functions.len()), ([Privilege::All].as_slice(), 0));
    assert_eq!(cloacina.grants.default.sequences, [Privilege::All]);
    assert_eq!(role("boundary").expect("a role").rule.made, RoleMade::Asked);
    assert_eq!(role("brokkr"), None, "a broker's login makes its own schema");

    let head = "name = \"mine\"\ntitle = \"Mine\"\n[registry]\nkind = \"scan\"\npattern = \"a%\"\n[naming]\nrule = \"plain\"\n\
                schema = \"{slug}\"\nhyphens_become_underscores = true\n";
    let role = "[role]\nname = \"{schema}\"\nlogin = true\nmade = \"asked\"\n";
    for (rest, wanted) in [
        ("[grants]\nschema = [\"usage\"]\n".to_owned(), "no [role]"),
        ("[role]\nname = \"app\"\nlogin = true\nmade = \"asked\"\n".to_owned(), "role.name: \"app\" must hold"),
        (format!("{role}[grants]\ntables = [\"execute\"]\n"), "grants.tables: execute is none of all, select"),
        (format!("{role}[grants]\ntables = [\"read\"]\n"), "unknown variant `read`"),
        (format!("{role}[grants.default]\nschemas = [\"usage\"]\n"), "schemas"),
        (format!("{role}search_path = [\"\"]\n"), "role.search_path"),
    ] {
        let text = file::parse("mine.toml", &format!("{head}{rest}")).expect_err("wrong").to_string();
        assert!(text.contains(wanted), "{rest}: {text}");
    }
}
