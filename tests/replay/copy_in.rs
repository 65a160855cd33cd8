//! What copy-in leaves in `public` by each framework's own rules: what belongs to all tenants is brought into none.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::{apartment, cloacina, configured, look_at, problems};
use crate::cli::{home, json, tenantui, text};
use crate::cli_fleet::tenant;
use crate::support::{TestDatabase, pg, quote};

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

/// The case of SET SCHEMA: what ran in public alone becomes one tenant's, whose own tables are there and empty.
#[test]
fn a_server_s_tables_take_the_place_of_a_new_tenant_s() {
    let db = cloacina::server(3);
    let role = pg().role("cloacina_moved");
    let quoted = quote(&role);
    db.sql(&format!(
        "insert into public.contexts select gen_random_uuid(), 'v' || i from generate_series(1, 30) i;
         alter table public.schedules add column seq serial; alter table c1.schedules add column seq serial;
         alter table c2.schedules add column seq serial;
         insert into public.schedules(enabled) values (true), (false);
         grant usage on schema c1 to {quoted}; grant all on all tables in schema c1 to {quoted};
         grant all on all sequences in schema c1 to {quoted};
         revoke all on c1.task_executions from {quoted}; grant select (status) on c1.task_executions to {quoted};
         grant select on public.contexts to public; grant select on public.schedules_seq_seq to public"
    ));
    let home = configured(&db, "");
    let place = Place::new(db, home);
    let named = ["import", "c1", "--move", "--table", "contexts,schedules,task_executions"];
    let dry = place.json(0, &[&named[..], &["--dry-run", "--json"]].concat());
    assert!(dry["tables"].as_array().is_some_and(|all| all.iter().all(|table| table["replaces"] == true)), "{dry}");
    assert!(dry["notes"].to_string().contains("take their place, owners and rights: contexts, schedules"), "{dry}");
    let rights = "select string_agg(distinct format('%s.%s %s %s', c.relname, a.attname, x.grantee::regrole, x.privilege_type), ', ') \
                  from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attacl is not null \
                  cross join lateral aclexplode(coalesce(a.attacl, c.relacl)) x \
                  where c.relnamespace = 'c1'::regnamespace and c.relkind in ('r', 'S') and x.grantee <> c.relowner";
    let before = place.db.value(rights);
    let done = place.json(0, &[&named[..], &["--yes", "--json"]].concat());
    assert_eq!(tenant(&done, "tenant", "c1")["note"], "moved 3 tables, 32 rows", "{done}");
    let there = "select (select count(*) from c1.contexts) || ' ' || (select count(*) from c1.schedules) \
                 || coalesce(to_regclass('public.contexts')::text, '') || coalesce(to_regclass('public.schedules_seq_seq')::text, '')";
    assert_eq!(place.db.value(there), "30 2");
    assert_eq!(place.db.value(rights), before, "who may do what is as it was");
    assert_eq!(place.db.value("insert into c1.schedules default values returning seq"), "3");
    let one = look_at(&place.home, &["tenant", "c1", "--json"]);
    assert_eq!((&one["state"], problems(&one).as_str()), (&"ok".into(), "[]"), "{one:#}");
    assert_eq!(place.db.value("select count(*) from c2.contexts"), "0");
}

#[test]
fn a_tenant_s_table_is_not_replaced_where_anything_would_be_lost() {
    let db = cloacina::server(1);
    db.sql(
        "insert into public.contexts values (gen_random_uuid(), 'theirs');
         create type public.mood as enum ('sad'); create type c1.mood as enum ('sad');
         do $$ declare place text; begin
           foreach place in array array['public', 'c1'] loop
             execute format('set local search_path = %I', place);
             create table felt(is_felt mood); create sequence numbers;
             create table ones(id int default nextval('numbers')); create table twos(id int default nextval('numbers'));
             create table heads(id int primary key); create table lines(head int references heads);
           end loop;
         end $$",
    );
    let home = configured(&db, "");
    let place = Place::new(db, home);
    let sql = |sql: &str| place.db.sql(sql);
    let refused = |tables: &str| place.words(5, &["import", "c1", "--move", "--table", tables, "--dry-run"]);
    for (tables, make, words, undo) in [
        (
            "contexts",
            "insert into c1.contexts values (gen_random_uuid(), 'own')",
            "the tenant's contexts has 1 row already",
            "delete from c1.contexts",
        ),
        (
            "contexts",
            "alter table c1.contexts add column more int",
            "column contexts.more is missing",
            "alter table c1.contexts drop column more",
        ),
        (
            "contexts",
            "create index odd on public.contexts(value)",
            "index odd is there and should not be",
            "drop index public.odd",
        ),
        ("contexts", "create view c1.seen as select * from c1.contexts", "view c1.seen", "drop view c1.seen"),
        ("felt", "select 1", "felt.is_felt has the type mood of public", "select 1"),
        ("ones", "select 1", "numbers would stay in public: twos uses it too", "select 1"),
        ("lines", "select 1", "lines points at heads (lines_head_fkey): move that too", "select 1"),
        ("heads", "select 1", "public.lines", "select 1"),
    ] {
        sql(make);
        let said = refused(tables);
        assert!(said.lines().any(|line| line.contains(words)), "{words} in {said}");
        sql(undo);
    }
    // All that belongs together goes together.
    sql(
        "insert into public.heads values (1); insert into public.lines values (1); insert into public.twos default values",
    );
    place.words(0, &["import", "c1", "--move", "--table", "contexts,ones,twos,heads,lines", "--yes"]);
    assert_eq!(place.db.value("insert into c1.ones default values returning id"), "2");
    let kept = "select to_regclass('public.numbers') is null and (select confrelid = 'c1.heads'::regclass from pg_constraint \
                where conrelid = 'c1.lines'::regclass)";
    assert_eq!(place.db.value(kept), "t");
    assert_eq!(place.db.value("select count(*) from c1.contexts"), "1");
}

/// What only the move itself shows is found before COMMIT; and what changed since the plan was made.
#[test]
fn a_replaced_table_is_looked_at_again_in_the_transaction() {
    let db = cloacina::server(1);
    db.sql(
        "insert into public.contexts values (gen_random_uuid(), 'theirs');
         create function public.word() returns text language sql as $$ select 'public' $$;
         create function c1.word() returns text language sql as $$ select 'c1' $$;
         alter table public.contexts alter value set default public.word(); alter table c1.contexts alter value set default c1.word()",
    );
    let home = configured(&db, "");
    let place = Place::new(db, home);
    let order = ["import", "c1", "--move", "--table", "contexts", "--yes", "--json"];
    let done = place.json(1, &order);
    let message = tenant(&done, "tenant", "c1")["message"].to_string();
    assert!(message.contains("column contexts.value differs") && message.contains("rolled back"), "{message}");
    let there = "select (select count(*) from public.contexts) || ' ' || (select count(*) from c1.contexts)";
    assert_eq!(place.db.value(there), "1 0");
    // The same job, when the tenant got a row meanwhile.
    place.db.sql(
        "alter table public.contexts alter value drop default; alter table c1.contexts alter value drop default; \
         insert into c1.contexts values (gen_random_uuid(), 'own')",
    );
    let id = done["jobs"][0]["id"].to_string();
    let late = place.json(4, &["job", &id, "retry", "--yes", "--json"]);
    assert!(tenant(&late, "tenant", "c1")["message"].to_string().contains("contexts has 1 row already"), "{late}");
    place.db.sql("delete from c1.contexts; alter table c1.contexts add column late int");
    let late = place.json(4, &["job", &id, "retry", "--yes", "--json"]);
    assert!(tenant(&late, "tenant", "c1")["message"].to_string().contains("contexts.late is missing"), "{late}");
    place.db.sql("alter table c1.contexts drop column late");
    place.json(0, &["job", &id, "retry", "--yes", "--json"]);
    assert_eq!(place.db.value("select value from c1.contexts"), "theirs");
}
