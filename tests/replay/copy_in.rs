//! What copy-in leaves in `public` by each framework's own rules: what belongs to all tenants is brought into none.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::{apartment, cloacina, configured, look_at, problems};
use crate::cli::{home, json, tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg};

pub(super) struct Place {
    pub(super) db: TestDatabase,
    pub(super) home: TempDir,
}

impl Place {
    /// With the `tenantui` schema.
    pub(super) fn new(db: TestDatabase, home: TempDir) -> Self {
        let place = Self { db, home };
        place.words(0, &["init", "--yes"]);
        place
    }

    /// What a command says that must end so.
    pub(super) fn words(&self, status: i32, arguments: &[&str]) -> String {
        let output = tenantui(self.home.path()).args(arguments).output().expect("runs");
        let words = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{words}");
        words
    }

    pub(super) fn json(&self, status: i32, arguments: &[&str]) -> Value {
        let output = tenantui(self.home.path()).args(arguments).output().expect("runs");
        let words = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{words}");
        json(&output)
    }

    /// The tables of a plan, and its notes.
    fn plan(&self, slug: &str) -> (Vec<String>, String) {
        let plan = self.json(0, &["import", slug, "--dry-run", "--json"]);
        let tables = plan["tables"].as_array().expect("tables").iter();
        (tables.filter_map(|one| one["table"].as_str().map(str::to_owned)).collect(), plan["notes"].to_string())
    }
}

#[test]
fn a_server_s_keys_accounts_and_agents_are_brought_into_no_tenant() {
    let db = cloacina::server(2);
    cloacina::keys(&db, 2);
    db.sql(
        "insert into public.contexts values (gen_random_uuid(), 'theirs'); insert into public.local_accounts values (1);
         insert into public.oidc_sessions values (1); insert into public.fleet_agents values (1);
         insert into public.agent_desired_counts values ('c1', 3, now()); insert into public.secrets values (7)",
    );
    let home = configured(&db, "");
    let place = Place::new(db, home);
    let (tables, notes) = place.plan("c1");
    assert!(notes.contains("left out: api_keys (the API keys of all tenants)"), "{notes}");
    assert!(notes.contains("fleet_agents, local_accounts, login_throttle, oidc_login_flows, oidc_sessions"), "{notes}");
    let of_all = ["api_keys", "local_accounts", "oidc_sessions", "fleet_agents", "agent_desired_counts", "ws_tickets"];
    assert!(tables.iter().all(|table| !of_all.contains(&table.as_str())), "{tables:?}");
    let words = place.words(0, &["import", "c1", "--yes"]);
    let rows = |table: &str| place.db.value(&format!("select count(*) from c1.{table}"));
    for table in of_all {
        assert_eq!(rows(table), "0", "{table}: {words}");
    }
    assert_eq!((rows("contexts"), rows("secrets")), ("1".into(), "1".into()), "{words}");
    // Nor by name, however it would come.
    for how in [&["--dry-run"][..], &["--move", "--yes"]] {
        let named = [&["import", "c2", "--table", "contexts,api_keys,local_accounts"], how].concat();
        let words = place.words(2, &named);
        assert!(words.contains("public.api_keys is no tenant's data (the API keys of all tenants)\n"), "{words}");
        assert!(words.contains("public.local_accounts is no tenant's data (of all tenants, by the layout)"), "{words}");
        assert!(!words.contains("contexts is"), "{words}");
    }
    // One that got some otherwise is told of.
    place.db.sql("insert into c2.api_keys select * from public.api_keys");
    assert!(
        problems(&look_at(&place.home, &["tenant", "c2", "--json"])).contains("the table api_keys belongs to public")
    );
    assert_eq!(problems(&look_at(&place.home, &["tenant", "c1", "--json"])), "[]");
}

#[test]
fn an_excluded_model_s_table_stays_in_public() {
    let db = apartment::database("select unnest(array['acme', 'globex'])");
    db.sql("insert into public.companies(subdomain) values ('acme'); insert into public.orders(total) values (1), (2)");
    let printed = tenantui(home().path()).args(["config", "layout", "apartment"]).output().expect("runs");
    let file = text(&printed.stdout).replace("excluded_tables = []", "excluded_tables = [\"companies\"]");
    let home = configured(&db, "layout = \"apartment.toml\"\n");
    fs::write(home.path().join(".config/tenantui/apartment.toml"), file).expect("a layout");
    let place = Place::new(db, home);
    let (tables, notes) = place.plan("acme");
    assert_eq!(tables, ["orders"]);
    assert!(notes.contains("left out: companies (of all tenants, by the layout)"), "{notes}");
    let done = place.json(0, &["import", "acme", "--yes", "--json"]);
    assert_eq!(tenant(&done, "tenant", "acme")["note"], "copied 1 table, 2 rows", "{done}");
    assert_eq!(problems(&look_at(&place.home, &["tenant", "acme", "--json"])), "[]");
}

#[test]
fn the_clients_and_domains_of_django_tenants_stay_in_public() {
    let db = pg().database("django_copy");
    db.sql(
        "do $$ declare place text; begin
           foreach place in array array['public', 'acme'] loop
             execute format('create schema if not exists %I', place);
             execute format('set local search_path = %I', place);
             create table django_migrations(id bigserial primary key, app varchar(255), name varchar(255), applied timestamptz);
             create table customers_client(id bigserial primary key, schema_name varchar(63) unique, name varchar(100));
             create table customers_domain(id bigserial primary key, domain varchar(253), is_primary bool,
               tenant_id bigint references customers_client(id));
             create table orders(id bigserial primary key, total int);
           end loop;
         end $$;
         insert into public.customers_client(schema_name, name) values ('public', 'Public'), ('acme', 'ACME');
         insert into public.customers_domain(domain, is_primary, tenant_id) values ('acme.example.org', true, 2);
         insert into public.orders(total) values (1), (2), (3)",
    );
    let home = configured(&db, "");
    let place = Place::new(db, home);
    let (tables, notes) = place.plan("acme");
    assert_eq!(tables, ["orders"], "{notes}");
    assert!(notes.contains("left out: customers_client (the registry)"), "{notes}");
    assert!(notes.contains("left out: customers_domain (the domains of all tenants)"), "{notes}");
    let words = place.words(2, &["import", "acme", "--table", "customers_domain", "--dry-run"]);
    assert!(words.contains("public.customers_domain is no tenant's data (the domains of all tenants)"), "{words}");
    let done = place.json(0, &["import", "acme", "--yes", "--json"]);
    assert_eq!(tenant(&done, "tenant", "acme")["note"], "copied 1 table, 3 rows", "{done}");
    assert_eq!(place.db.value("select count(*) from acme.customers_domain"), "0");
}
