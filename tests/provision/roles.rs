//! A tenant's login role: what it may, what it may not, and its password, which is shown once and is nowhere else.

use std::sync::Arc;

use tenantui::config::surroundings::Surroundings;
use tenantui::demo::servers::PostgresOptions;
use tenantui::jobs::service::ProvisionOrder;
use tenantui::jobs::worker::{self, RunOptions, Stop};
use tenantui::layout::file::embedded;
use tenantui::layout::{Layout, NameRule, Naming, Registry};
use tenantui::model::job::{JobEvent, JobState};
use tenantui::model::secret::Credentials;
use tenantui::postgres::session::{Patience, Reader, Target};
use tokio::sync::{mpsc, watch};

use super::{order, provision, refused, tenant};
use crate::jobs::{Fleet, boundary};
use crate::support::{own_pg, setting, tcp};

/// The fleet's layout, with this layout file's role and grants.
fn with_role(fleet: &mut Fleet, name: &str) {
    let file = embedded().expect("layouts").into_iter().find(|file| file.name == name).expect("a layout");
    fleet.layout = Arc::new(Layout { role: file.role(), ..(*fleet.layout).clone() });
}

fn wanted(fleet: &Fleet, slug: &str) -> ProvisionOrder {
    ProvisionOrder { role: true, ..provision(fleet, slug) }
}

fn made(events: &[JobEvent]) -> Vec<Credentials> {
    let of = |event: &JobEvent| match event {
        JobEvent::Credentials { credentials, .. } => Some(credentials.clone()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// A server that wants passwords over TCP and writes every statement down.
#[tokio::test]
async fn the_role_logs_in_with_the_password_that_is_shown_once_and_stands_nowhere() {
    let server = own_pg(PostgresOptions {
        hba: vec!["local all all trust".to_owned(), "host all all 127.0.0.1/32 scram-sha-256".to_owned()],
        settings: vec![setting("log_statement", "all"), setting("log_min_duration_statement", "0")],
        ..tcp()
    });
    let db = server.database("roles");
    let socket = db.socket_url();
    let mut fleet = Fleet::at(db, &socket, 0).await;
    with_role(&mut fleet, "boundary");
    fleet.file(1, "one", "create table one (id int generated always as identity, label text)");
    fleet.file(2, "two", "create function answer() returns int language sql as 'select 42'");
    fleet.db.sql("create table public.secret_of_all (x int)");
    let job = order(&fleet, wanted(&fleet, "acme")).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    let view = view.expect("run");
    assert_eq!((view.state, view.steps), (JobState::Done, (7, 7)), "{:?}", fleet.outcomes(job).await);
    let [credentials] = made(&events).try_into().expect("one password");
    assert_eq!((credentials.tenant.as_str(), credentials.role.as_str()), ("acme", "tenant_acme"));
    let password = credentials.password.expose().to_owned();
    // It gets in, by SCRAM, into its own schema and no other.
    let mut config = fleet.config.clone();
    config.url =
        format!("postgresql://tenant_acme:{password}@127.0.0.1:{}/{}?sslmode=disable", fleet.db.port, fleet.db.name)
            .into();
    let target = Target::resolve(Arc::new(config.clone()), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reader = Reader::open(&target, Patience::Foreground).await.expect("it logs in");
    let rows = reader
        .rows(
            "select current_user, has_schema_privilege('tenant_acme', 'create'), has_table_privilege('tenant_acme.one', 'insert'), \
             has_table_privilege('tenant_acme.one', 'truncate'), has_function_privilege('tenant_acme.answer()', 'execute'), \
             has_table_privilege('public.secret_of_all', 'select'), has_table_privilege('public.tenants', 'select')",
        )
        .await
        .expect("rows");
    let text: Vec<&str> = (0..7).filter_map(|column| rows[0].text(column)).collect();
    assert_eq!(text, ["tenant_acme", "f", "t", "f", "t", "f", "f"]);
    let path = fleet.db.value(
        "select array_to_string(setconfig, ' ') from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase \
         where s.setrole = 'tenant_acme'::regrole and d.datname = current_database()",
    );
    assert_eq!(path, "search_path=tenant_acme");
    let wrong = config_with(&config, &fleet, "wrong");
    assert!(Reader::open(&wrong, Patience::Foreground).await.is_err());
    // The server has a verifier, and nothing that it keeps or shows has the password.
    let verifier = fleet.db.value("select rolpassword from pg_authid where rolname = 'tenant_acme'");
    assert!(verifier.starts_with("SCRAM-SHA-256$4096:"), "{verifier}");
    for place in [
        "select string_agg(j::text, '') from tenantui.job j",
        "select string_agg(s::text, '') from tenantui.step s",
        "select string_agg(a::text, '') from tenantui.audit a",
        "select string_agg(query, '') from pg_stat_activity",
    ] {
        let text = fleet.db.value(place);
        assert!(!text.contains(&password) && !text.contains("SCRAM"), "{place}");
    }
    let log = std::fs::read_to_string(server.server.socket_folder().join("log")).expect("a log");
    assert!(log.contains("CREATE ROLE \"tenant_acme\"") && !log.contains(&password));
    let told = events.iter().filter(|event| !matches!(event, JobEvent::Credentials { .. }));
    assert!(told.into_iter().all(|event| !format!("{event:?}").contains(&password)));
    assert!(!format!("{events:?}").contains(&password), "not even where it is carried");
    let audit =
        fleet.db.value("select after->>'role' from tenantui.audit where action = 'provision' and outcome = 'done'");
    assert_eq!(audit, "tenant_acme");
}

fn config_with(config: &tenantui::config::Database, fleet: &Fleet, password: &str) -> Target {
    let mut config = config.clone();
    config.url =
        format!("postgresql://tenant_acme:{password}@127.0.0.1:{}/{}?sslmode=disable", fleet.db.port, fleet.db.name)
            .into();
    Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target")
}

/// Cloacina's grants: all on tables and sequences, also of those that the provisioning role makes later.
#[tokio::test]
async fn cloacinas_role_has_what_cloacina_gives() {
    let mut fleet = Fleet::new("roles", 0).await;
    with_role(&mut fleet, "cloacina");
    fleet.layout = Arc::new(Layout {
        registry: Registry::Scan { pattern: None, requires: Vec::new() },
        naming: Naming {
            rule: NameRule::Cloacina,
            schema_template: "{slug}".into(),
            hyphens_become_underscores: false,
            read_back: false,
            folds: true,
        },
        ..(*fleet.layout).clone()
    });
    fleet.file(1, "one", "create table one (id serial)");
    let slug = crate::support::pg().role("clo").replace("clo", "cloacina");
    let checked = fleet.layout.naming.check(&slug).expect("a name");
    let mut asked = wanted(&fleet, "x");
    asked.tenants[0].name = checked;
    let job = order(&fleet, asked).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done, "{:?}", fleet.outcomes(job).await);
    assert_eq!(made(&events)[0].role, slug);
    let has = format!(
        "select has_schema_privilege('{slug}', '{slug}', 'create') and has_table_privilege('{slug}', '{slug}.one', 'truncate') \
         and has_table_privilege('{slug}', '{slug}.schema_migrations', 'select') and has_sequence_privilege('{slug}', '{slug}.one_id_seq', 'update')"
    );
    assert_eq!(fleet.db.value(&has), "t");
    // Two entries per tenant naming the role: by them Cloacina's tenants with roles are known.
    let defaults = format!(
        "select count(*) from pg_default_acl where defaclnamespace = '{slug}'::regnamespace and array_to_string(defaclacl, ' ') like '%{slug}=%'"
    );
    assert_eq!(fleet.db.value(&defaults), "2");
    fleet.db.sql(&format!("create table {slug}.later (x int)"));
    assert_eq!(fleet.db.value(&format!("select has_table_privilege('{slug}', '{slug}.later', 'insert')")), "t");
    // The working order of a removal: the schema, then the role, and nothing is left of either.
    fleet.db.sql(&format!("drop schema {slug} cascade; drop role {slug}"));
}

#[tokio::test]
async fn a_role_that_exists_is_refused_and_one_that_fails_leaves_none() {
    let mut fleet = Fleet::new("roles", 0).await;
    with_role(&mut fleet, "boundary");
    let slug = crate::support::pg().role("has").replace('_', "-");
    let role = format!("tenant_{}", slug.replace('-', "_"));
    fleet.db.sql(&format!("create role {role}"));
    let words = refused(&fleet, wanted(&fleet, &slug)).await;
    assert!(words.contains(&role) && words.contains("exists already") && words.contains("DROP OWNED BY"), "{words}");
    assert_eq!(fleet.db.value("select count(*) from tenantui.job"), "0");
    // Made between order and run.
    fleet.db.sql(&format!("drop role {role}"));
    let job = order(&fleet, wanted(&fleet, &slug)).await.expect("ordered");
    fleet.db.sql(&format!("create role {role}"));
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Failed);
    assert!(made(&events).is_empty(), "no password of a role that was not made");
    super::assert_nothing(&fleet, &slug);
    fleet.db.sql(&format!("drop role {role}"));
    // A file that fails takes the role with it.
    fleet.file(1, "one", "select 1 / 0");
    let job = order(&fleet, wanted(&fleet, &slug)).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!((view.expect("run").state, made(&events).len()), (JobState::Failed, 0));
    assert_eq!(fleet.db.value(&format!("select count(*) from pg_roles where rolname = '{role}'")), "0");
    // A layout without roles makes none.
    fleet.layout = Arc::new(boundary(fleet.layout.registry.clone()));
    let words = refused(&fleet, wanted(&fleet, &slug)).await;
    assert!(words.contains("has no role"), "{words}");
}

/// A worker without a face makes the role all the same: it lets nobody in until a password is set.
#[tokio::test]
async fn where_nobody_is_shown_a_password_there_is_none() {
    let mut fleet = Fleet::new("roles", 0).await;
    with_role(&mut fleet, "boundary");
    let slug = crate::support::pg().role("lone").replace('_', "-");
    let job = order(&fleet, wanted(&fleet, &slug)).await.expect("ordered");
    let (_stop, stop) = watch::channel(Stop::GoOn);
    let (events, mut heard) = mpsc::channel(256);
    let options =
        RunOptions { wait_after_canary: true, parallel: None, shows_credentials: false, ordered_here: false, stop };
    let view = worker::run(&fleet.target(), job, false, options, events).await.expect("run");
    assert_eq!(view.state, JobState::Done);
    let mut all = Vec::new();
    while let Some(event) = heard.recv().await {
        all.push(event);
    }
    assert!(made(&all).is_empty());
    assert!(format!("{all:?}").contains("has no password"), "{all:?}");
    let role = tenant(&slug).name.schema.raw().to_owned();
    assert_eq!(
        fleet.db.value(&format!("select rolpassword is null and rolcanlogin from pg_authid where rolname = '{role}'")),
        "t"
    );
}

/// Of files that run alone the role is made with the schema, and its password is told when that is there.
#[tokio::test]
async fn a_tenant_in_pieces_has_its_role_from_the_first() {
    let mut fleet = Fleet::new("roles", 0).await;
    with_role(&mut fleet, "boundary");
    fleet.file(1, "one", "create table one (id int)");
    fleet.file(2, "two", "-- :disable-transaction\ncreate index concurrently one_id on one (id)");
    fleet.file(3, "three", "create table three (id int)");
    let slug = crate::support::pg().role("piece").replace('_', "-");
    let role = tenant(&slug).name.schema.raw().to_owned();
    let job = order(&fleet, wanted(&fleet, &slug)).await.expect("ordered");
    let (view, events) = fleet.run(job, false).await;
    assert_eq!(view.expect("run").state, JobState::Done, "{:?}", fleet.outcomes(job).await);
    assert_eq!(made(&events).len(), 1);
    for table in ["one", "three"] {
        let has = format!("select has_table_privilege('{role}', '{role}.{table}', 'select')");
        assert_eq!(fleet.db.value(&has), "t", "{table}");
    }
}
