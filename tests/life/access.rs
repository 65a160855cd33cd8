//! What lets a tenant in from outside: a purge begins by revoking its keys, as Cloacina's own removal does.

use super::Place;
use crate::support::{pg, quote};

/// A Cloacina server with two tenants: `acme` has two keys in force and one that was revoked, `globex` one.
fn server(name: &str, revoked_at: &str) -> Place {
    let place = Place::empty(name);
    for schema in ["public", "acme", "globex"] {
        place.db.sql(&format!(
            "create schema if not exists {schema}; create table {schema}.task_executions (id int); \
             create table {schema}.contexts (id int); create table {schema}.__diesel_schema_migrations \
             (version varchar(50) primary key, run_on timestamp not null default now()); \
             insert into {schema}.__diesel_schema_migrations (version) values ('000')"
        ));
    }
    place.db.sql(&format!(
        "create table public.api_keys (id serial primary key, key_hash text, tenant_id text, revoked_at {revoked_at}); \
         insert into public.api_keys (key_hash, tenant_id, revoked_at) values ('1', 'acme', null), ('2', 'acme', null), \
         ('3', 'acme', '2026-01-01 00:00'), ('4', 'globex', null), ('5', null, null)"
    ));
    place.expect(0, &["init", "--yes"]);
    place
}

const IN_FORCE: &str =
    "select string_agg(key_hash, ',' order by key_hash) from public.api_keys where revoked_at is null";

fn drop(place: &Place, slug: &str) -> String {
    let notes = place.json(0, &["drop", slug, "--dry-run", "--json"]);
    place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
    notes.to_string()
}

#[test]
fn a_purge_revokes_the_keys_of_its_tenant_alone_and_first() {
    let place = server("life_access", "timestamptz");
    assert!(drop(&place, "acme").contains("stay in force until the purge"));
    assert_eq!(place.db.value(IN_FORCE), "1,2,4,5", "a drop can be taken back: nothing is revoked");
    let plan = place.json(0, &["purge", "acme", "--dry-run", "--json"]).to_string();
    assert!(plan.contains("revoke its API keys in \\\"public\\\".\\\"api_keys\\\": 2 in force"), "{plan}");
    place.expect(0, &["purge", "acme", "--confirm", "acme", "--yes"]);
    assert_eq!(place.db.value(IN_FORCE), "4,5");
    assert_eq!(place.db.value("select revoked_at < '2026-01-02' from public.api_keys where key_hash = '3'"), "t");
    let steps = "select string_agg(after->>'step', ' ' order by id) from tenantui.audit where action = 'purge' and outcome = 'done'";
    assert_eq!(place.db.value(steps), "revoke objects");
    assert_eq!(place.audit("purge").first().expect("a line").2["revoked"], 2);
    assert_eq!(place.db.value("select count(*) from pg_namespace where nspname = 'acme' or nspname like 'zz%'"), "0");
}

#[test]
fn a_time_without_a_zone_is_written_in_utc_and_the_keys_of_a_new_tenant_stay() {
    let place = server("life_access_zone", "timestamp");
    place.db.sql(&format!("alter database \"{}\" set timezone = 'Pacific/Auckland'", place.db.name));
    drop(&place, "globex");
    place.expect(0, &["purge", "globex", "--confirm", "globex", "--yes"]);
    let apart = "select abs(extract(epoch from revoked_at) - extract(epoch from now())) < 3600 from public.api_keys where key_hash = '4'";
    assert_eq!(place.db.value(apart), "t");
    // The tenant was made anew while the old one lay in the trash: its keys are the new one's.
    drop(&place, "acme");
    place.db.sql("create schema acme");
    let plan = place.json(0, &["purge", "acme", "--dry-run", "--json"]).to_string();
    assert!(!plan.contains("revoke its"), "{plan}");
    place.expect(0, &["purge", "acme", "--confirm", "acme", "--yes"]);
    assert_eq!(place.db.value(IN_FORCE), "1,2,5");
}

/// A role that may purge what was dropped, and may do with the keys what `more` says (`:role`).
fn purger(place: &Place, more: &str) -> String {
    let role = pg().role("keyless");
    let grants = format!(
        "grant usage on schema tenantui to {role}; grant select, insert, update on all tables in schema tenantui to {role}; \
         do $$ begin execute format('alter schema %I owner to {role}', \
         (select nspname from pg_namespace where nspname like 'zz_dropped%')); end $$; \
         grant create on database \"{}\" to {role}",
        place.db.name,
        role = quote(&role),
    );
    place.db.sql(&format!("{grants}; {}", more.replace(":role", &quote(&role))));
    place.configure_as(&role, "development", "layout = \"cloacina\"");
    role
}

#[test]
fn keys_that_may_not_be_revoked_refuse_the_purge_with_the_grant() {
    let place = server("life_access_denied", "timestamptz");
    drop(&place, "acme");
    purger(&place, "");
    let words = place.words(5, &["purge", "acme", "--confirm", "acme", "--yes"]);
    assert!(words.contains("GRANT SELECT, UPDATE ON \"public\".\"api_keys\" TO"), "{words}");
}

/// Where a policy hides keys there seem to be none, and a purge would leave them in force without a word.
#[test]
fn keys_that_may_be_hidden_refuse_the_purge_before_anything_is_done() {
    let place = server("life_access_hidden", "timestamptz");
    drop(&place, "acme");
    let role = purger(
        &place,
        "grant select, update on public.api_keys to :role; alter table public.api_keys enable row level security; \
         create policy others on public.api_keys using (tenant_id <> 'acme')",
    );
    let refused = || {
        let words = place.words(5, &["purge", "acme", "--confirm", "acme", "--yes"]);
        assert!(
            words.contains("are in force is not known: row level security") && words.contains("BYPASSRLS"),
            "{words}"
        );
        assert_eq!(place.db.value(IN_FORCE), "1,2,4,5");
        assert_eq!(
            place.db.value("select count(*) from pg_namespace where nspname like 'zz%'"),
            "1",
            "nothing was begun"
        );
    };
    refused();
    // To see them is not enough: the UPDATE would change none.
    place.db.sql(&format!("create policy seen on public.api_keys for select to {} using (true)", quote(&role)));
    refused();
    place.db.sql(&format!("create policy changed on public.api_keys for update to {} using (true)", quote(&role)));
    let plan = place.json(0, &["purge", "acme", "--dry-run", "--json"]).to_string();
    assert!(plan.contains("revoke its API keys") && plan.contains("2 in force"), "{plan}");
}

/// The drop promises what the purge will do: here it could not.
#[test]
fn a_drop_says_that_the_purge_will_be_refused() {
    let place = server("life_access_promise", "timestamptz");
    let role = pg().role("keyless");
    place.db.sql(&format!(
        "grant select, update on public.api_keys to {role}; alter table public.api_keys enable row level security; \
         grant usage on schema tenantui to {role}; grant select, insert, update on all tables in schema tenantui to {role}; \
         alter schema globex owner to {role}; grant create on database \"{}\" to {role}",
        place.db.name,
        role = quote(&role),
    ));
    place.configure_as(&role, "development", "layout = \"cloacina\"");
    let plan = place.json(0, &["drop", "globex", "--dry-run", "--json"]).to_string();
    assert!(plan.contains("the purge will be refused as it is now") && !plan.contains("which revokes them"), "{plan}");
}

#[test]
fn keys_that_a_trigger_keeps_stop_the_purge() {
    let place = server("life_access_kept", "timestamptz");
    drop(&place, "acme");
    place.db.sql(
        "create function public.keep() returns trigger language plpgsql as 'begin return null; end'; \
         create trigger keep before update on public.api_keys for each row execute function public.keep()",
    );
    let words = place.words(1, &["purge", "acme", "--confirm", "acme", "--yes"]);
    assert!(words.contains("2 of its API keys in \"public\".\"api_keys\" are in force still"), "{words}");
    assert_eq!(place.db.value("select count(*) from pg_namespace where nspname like 'zz%'"), "1");
}
