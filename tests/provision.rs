//! Making a tenant on a real server: all of it or nothing, one of it whoever asks, and only what the registry allows.

use std::sync::Arc;

use tenantui::jobs::init;
use tenantui::jobs::orders::{self, OrderError};
use tenantui::jobs::service::{NewTenant, Order, ProvisionOrder};
use tenantui::jobs::worker;
use tenantui::layout::{CheckedName, Registry, RegistryColumns};
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::{JobEvent, JobId, JobKind, JobState, Outcome};
use uuid::Uuid;

use crate::jobs::{Fleet, boundary, columns};

mod driven;
mod many;
mod races;
mod refused;
mod roles;

pub fn name(slug: &str) -> CheckedName {
    CheckedName {
        slug: slug.to_owned(),
        schema: SchemaName::tenant(&format!("tenant_{}", slug.replace('-', "_"))).expect("a schema"),
    }
}

/// The order of a tenant of this slug.
pub fn provision(fleet: &Fleet, slug: &str) -> ProvisionOrder {
    ProvisionOrder {
        tenants: vec![tenant(slug)],
        layout: Arc::clone(&fleet.layout),
        folder: Some(fleet.read_folder()),
        role: false,
        seed: None,
        siblings: Vec::new(),
    }
}

/// A tenant of this slug.
pub fn tenant(slug: &str) -> NewTenant {
    NewTenant { name: name(slug), display_name: format!("The {slug} company").into(), plan: None, settings: None }
}

/// The order of a tenant with a plan.
fn with_plan(fleet: &Fleet, slug: &str, plan: Option<&str>) -> ProvisionOrder {
    let tenant = NewTenant { plan: plan.map(str::to_owned), ..tenant(slug) };
    ProvisionOrder { tenants: vec![tenant], ..provision(fleet, slug) }
}

pub async fn order(fleet: &Fleet, order: ProvisionOrder) -> Result<JobId, OrderError> {
    orders::order(&fleet.target(), &Order::Provision(order), Uuid::new_v4()).await
}

async fn refused(fleet: &Fleet, wanted: ProvisionOrder) -> String {
    match order(fleet, wanted).await {
        Err(OrderError::Refused(words) | OrderError::Unconfigured(words)) => words.raw().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A fleet whose registry has this form.
async fn with_registry(table: &str, columns: RegistryColumns) -> Fleet {
    let mut fleet = Fleet::new("provision", 0).await;
    fleet.db.sql(&format!("drop table public.tenants; {table}"));
    let oid = fleet.db.value("select 'public.tenants'::regclass::oid").parse().expect("an oid");
    let table = QualifiedName { schema: SchemaName::public(), name: Ident::new("tenants").expect("a name") };
    fleet.layout = Arc::new(boundary(Registry::Table { table, oid, columns }));
    fleet
}

/// Nothing of a tenant is left but its job's record.
pub fn assert_nothing(fleet: &Fleet, slug: &str) {
    assert_eq!(fleet.db.value(&format!("select count(*) from public.tenants where slug = '{slug}'")), "0");
    let schema = name(slug).schema.raw().to_owned();
    assert_eq!(fleet.db.value(&format!("select count(*) from pg_namespace where nspname = '{schema}'")), "0");
}

#[tokio::test]
async fn a_tenant_is_made_whole() {
    let fleet = Fleet::new("provision", 1).await;
    fleet.file(1, "one", "create table one (id int);\n--;;\ninsert into one values (1)");
    fleet.file(2, "two", "create table two (id int)");
    let job = order(&fleet, provision(&fleet, "blue-fox")).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.kind, view.state, view.total, view.done), (JobKind::Provision, JobState::Done, 1, 1));
    assert_eq!(view.what.raw(), "blue-fox");
    let row = fleet.db.sql("select slug, name, schema_name, status, length(id)::text, created_at ~ '^20..-..-..T.*Z$' from public.tenants where slug = 'blue-fox'");
    let text = |column: usize| row[0][column].clone().unwrap_or_default();
    assert_eq!(
        (text(0), text(1), text(2)),
        ("blue-fox".into(), "The blue-fox company".into(), "tenant_blue_fox".into())
    );
    assert_eq!((text(3), text(4), text(5)), ("active".into(), "36".into(), "t".into()));
    assert_eq!(
        fleet.db.value("select string_agg(id::text, ',' order by id) from tenant_blue_fox.schema_migrations"),
        "1,2"
    );
    assert_eq!(fleet.db.value("select count(*) from tenant_blue_fox.one, lateral (select to_regclass('tenant_blue_fox.two')) x where x is not null"), "1");
    let outcome = &fleet.outcomes(job).await["blue-fox"];
    assert_eq!((outcome.outcome, outcome.steps), (Outcome::Done, (5, 5)));
    let id = fleet.db.value("select id from public.tenants where slug = 'blue-fox'");
    assert_eq!(outcome.key.as_ref().map(|key| key.local.to_string()), Some(format!("r:{id}")));
    let lines: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            JobEvent::Log(line) => Some(line.text.raw()),
            _ => None,
        })
        .collect();
    assert!(lines.contains(&"reserve row") && lines.contains(&"create schema"), "{lines:?}");
    assert_eq!(
        fleet.db.value("select count(*) from tenantui.audit where action = 'provision' and outcome = 'done'"),
        "1"
    );
    // It is a tenant like any other: the next migration finds it.
    fleet.file(3, "three", "create table three ()");
    let view =
        fleet.migrate(fleet.plan(|options| options.only = Some(tenantui::model::ledger::Version::new("3")))).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2));
}

#[tokio::test]
async fn without_files_the_ledger_alone_is_made_and_without_a_folder_nothing() {
    let fleet = Fleet::new("provision", 0).await;
    let job = order(&fleet, provision(&fleet, "empty")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select string_agg(relname, ',') from pg_class where relnamespace = 'tenant_empty'::regnamespace and relkind = 'r'"), "schema_migrations");
    let wanted = ProvisionOrder { folder: None, ..provision(&fleet, "bare") };
    let job = order(&fleet, wanted).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select count(*) from pg_class where relnamespace = 'tenant_bare'::regnamespace"), "0");
}

#[tokio::test]
async fn a_failure_undoes_everything_and_retry_makes_it() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.db.sql("create schema ext");
    fleet.file(1, "one", "create table one ()");
    fleet.file(2, "two", "create table two ();\n--;;\nselect 1 from ext.missing");
    let job = order(&fleet, provision(&fleet, "acme")).await.expect("ordered");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed, view.total), (JobState::Failed, 1, 1));
    assert_nothing(&fleet, "acme");
    let failure = fleet.outcomes(job).await["acme"].failure.clone().expect("a failure");
    assert_eq!((failure.sqlstate.as_deref(), failure.version.as_ref().map(|v| v.raw())), (Some("42P01"), Some("2")));
    assert_eq!(failure.statement.as_ref().map(|s| (s.number, s.of, s.line)), Some((2, 2, 3)));
    fleet.db.sql("create table ext.missing ()");
    let view = fleet.run(job, true).await.0.expect("retried");
    assert_eq!((view.state, view.done, view.failed), (JobState::Done, 1, 0));
    assert_eq!(fleet.db.value("select count(*) from tenant_acme.schema_migrations"), "2");
}

#[tokio::test]
async fn a_name_that_is_taken_in_any_way_is_refused() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.db.sql(
        "insert into public.tenants (id, slug, name, schema_name, status, created_at, deleted_at) values ('1', 'gone', 'x', 'tenant_gone', 'deleted', 'now', 'now'); \
         create schema tenant_left; create schema \"tenant_Upper\"; create schema \"tenant_two-words\"",
    );
    for (slug, word) in
        [("gone", "gone"), ("left", "tenant_left"), ("upper", "tenant_Upper"), ("two-words", "tenant_two-words")]
    {
        let words = refused(&fleet, provision(&fleet, slug)).await;
        assert!(words.contains(word), "{slug}: {words}");
    }
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "0");
    // Taken between the order and the run: found behind the lock, and nothing is touched.
    let job = order(&fleet, provision(&fleet, "late")).await.expect("ordered");
    fleet.db.sql("create schema tenant_late; create table tenant_late.precious (id int)");
    let view = fleet.run(job, false).await.0.expect("run");
    assert_eq!((view.state, view.failed), (JobState::Failed, 1));
    assert_eq!(fleet.db.value("select count(*) from pg_class where relnamespace = 'tenant_late'::regnamespace"), "1");
    assert_eq!(fleet.db.value("select count(*) from public.tenants where slug = 'late'"), "0");
}

#[tokio::test]
async fn only_words_that_the_registry_allows_are_written() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.db.sql("alter table public.tenants drop constraint tenants_status_check, add constraint words check (status in ('enabled', 'disabled'))");
    let words = refused(&fleet, provision(&fleet, "acme")).await;
    assert!(words.contains("\"active\"") && words.contains("check words"), "{words}");
    fleet.db.sql("alter table public.tenants drop constraint words; create type mood as enum ('ok'); alter table public.tenants alter status drop default, alter status type mood using 'ok'");
    let mut columns = columns();
    if let Some(status) = &mut columns.status {
        status.type_name = "mood".into();
    }
    let fleet = Fleet { layout: relayout(&fleet, columns), ..fleet };
    let words = refused(&fleet, provision(&fleet, "acme")).await;
    assert!(words.contains("\"active\"") && words.contains("mood"), "{words}");
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "0");
}

fn relayout(fleet: &Fleet, columns: RegistryColumns) -> Arc<tenantui::layout::Layout> {
    let Registry::Table { table, oid, .. } = &fleet.layout.registry else { panic!("a table") };
    Arc::new(boundary(Registry::Table { table: table.clone(), oid: *oid, columns }))
}

#[tokio::test]
async fn a_column_that_nobody_can_fill_is_named() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.db.sql("alter table public.tenants add column region text not null");
    let words = refused(&fleet, provision(&fleet, "acme")).await;
    assert!(words.contains("region (text)"), "{words}");
    let wanted = with_plan(&fleet, "acme", Some("pro"));
    assert!(words.contains("say in [database.tenants.values] what new rows get there"), "{words}");
    let valued = |slug: &str, column: &str| {
        let mut layout = (*fleet.layout).clone();
        layout.new_values = vec![(Ident::new(column).expect("a name"), "it's \"us\"".to_owned())];
        ProvisionOrder { layout: Arc::new(layout), ..provision(&fleet, slug) }
    };
    let job = order(&fleet, valued("valued", "region")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select region from public.tenants where slug = 'valued'"), "it's \"us\"");
    fleet.db.sql("delete from public.tenants; alter table public.tenants alter region set default 'eu'");
    let words = refused(&fleet, valued("other", "slug")).await;
    assert!(words.contains("column slug, which tenantui fills by itself"), "{words}");
    let words = refused(&fleet, wanted).await;
    assert!(words.contains("no column for a plan"), "{words}");
    let job = order(&fleet, provision(&fleet, "acme")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Done);
    assert_eq!(fleet.db.value("select region from public.tenants"), "eu");
}

#[tokio::test]
async fn registries_of_other_types_get_their_rows() {
    let column = |name: &str, type_name: &str, not_null: bool, has_default: bool| tenantui::layout::Column {
        name: Ident::new(name).expect("a name"),
        type_name: type_name.into(),
        not_null,
        has_default,
        is_generated: false,
    };
    let bare = || RegistryColumns {
        id: None,
        slug: column("slug", "text", true, false),
        name: None,
        schema_name: None,
        status: None,
        plan: None,
        domain: None,
        settings: None,
        created_at: None,
        updated_at: None,
        deleted_at: None,
    };
    let shapes = [
        (
            "create table public.tenants (id uuid primary key, slug text not null, settings jsonb not null, created_at timestamptz not null, updated_at timestamp not null)",
            RegistryColumns {
                id: Some(column("id", "uuid", true, false)),
                settings: Some(column("settings", "jsonb", true, false)),
                created_at: Some(column("created_at", "timestamp with time zone", true, false)),
                updated_at: Some(column("updated_at", "timestamp without time zone", true, false)),
                ..bare()
            },
        ),
        (
            "create table public.tenants (id bigint primary key, slug text not null)",
            RegistryColumns { id: Some(column("id", "bigint", true, false)), ..bare() },
        ),
        (
            "create table public.tenants (id bigint generated always as identity, slug text not null, plan text not null check (plan in ('free', 'pro')))",
            RegistryColumns {
                id: Some(column("id", "bigint", true, true)),
                plan: Some(column("plan", "text", true, false)),
                ..bare()
            },
        ),
        ("create table public.tenants (slug text primary key)", bare()),
    ];
    for (table, columns) in shapes {
        let has_plan = columns.plan.is_some();
        let fleet = with_registry(table, columns).await;
        if has_plan {
            assert!(refused(&fleet, provision(&fleet, "acme")).await.contains("name a plan"));
            let wanted = with_plan(&fleet, "acme", Some("gold"));
            assert!(refused(&fleet, wanted).await.contains("\"gold\""));
        }
        let plan = has_plan.then_some("pro");
        for slug in ["acme", "beta"] {
            let wanted = with_plan(&fleet, slug, plan);
            let job = order(&fleet, wanted).await.unwrap_or_else(|error| panic!("{table}: {error}"));
            let view = fleet.run(job, false).await.0.expect("run");
            assert_eq!(view.state, JobState::Done, "{table}: {:?}", fleet.outcomes(job).await);
        }
        assert_eq!(fleet.db.value("select count(*) from public.tenants"), "2", "{table}");
    }
}

#[tokio::test]
async fn privileges_are_missed_when_ordering() {
    let mut fleet = Fleet::new("provision", 0).await;
    let role = crate::support::pg().role("weak");
    fleet.db.sql(&format!("grant usage on schema tenantui to {role}; grant all on all tables in schema tenantui to {role}; grant select on public.tenants to {role}"));
    fleet.config.url = fleet.db.url_as(&role).into();
    let words = refused(&fleet, provision(&fleet, "acme")).await;
    assert!(words.contains("CREATE ON DATABASE") && words.contains("INSERT ON"), "{words}");
}

#[tokio::test]
async fn files_that_break_the_transaction_are_refused_or_caught() {
    let fleet = Fleet::new("provision", 0).await;
    fleet.file(1, "one", "create table one ();\n--;;\ncommit");
    let words = refused(&fleet, provision(&fleet, "acme")).await;
    assert!(words.contains("1-one.up.sql:3"), "{words}");
    fleet.file(1, "one", "-- :disable-transaction\ncreate index concurrently on one (id)");
    let words = refused(&fleet, provision(&fleet, "acme")).await;
    assert!(words.contains("1-one.up.sql"), "{words}");
    fleet.file(1, "one", "create table one ();\n--;;\ndo $$ begin execute 'se' || 't search_path = public'; end $$");
    let job = order(&fleet, provision(&fleet, "acme")).await.expect("ordered");
    assert_eq!(fleet.run(job, false).await.0.expect("run").state, JobState::Failed);
    assert_nothing(&fleet, "acme");
}
