//! Dropped tenants where no row keeps their place: their cache keys stay theirs, their name is not given away for a wrong
//! reason, and whoever asks for one is told where it is.

use super::Place;
use crate::support::{own_pg, redis, tcp};

/// Apartment's tenants; no table lists them.
fn apartment(name: &str, schemas: &[&str]) -> Place {
    let place = Place::empty(name);
    for schema in schemas {
        place.db.sql(&format!(
            "create schema if not exists \"{schema}\"; create table \"{schema}\".schema_migrations (version varchar primary \
             key); create table \"{schema}\".ar_internal_metadata (key varchar primary key, value varchar, created_at \
             timestamp, updated_at timestamp)"
        ));
    }
    place.expect(0, &["init", "--yes"]);
    place
}

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("Redis")
}

fn fill(url: &str, keys: &[&str]) {
    let mut pipe = redis::pipe();
    for key in keys {
        pipe.cmd("SET").arg(key).arg("x").ignore();
    }
    pipe.exec(&mut connect(url)).expect("filled");
}

fn left(url: &str) -> String {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connect(url)).expect("keys");
    keys.sort();
    keys.join(" ")
}

fn drop(place: &Place, schema: &str) {
    place.expect(0, &["drop", schema, "--confirm", schema, "--yes"]);
}

#[test]
fn keys_of_a_tenant_in_the_trash_are_its_own_whatever_is_removed_of_others() {
    let place = apartment("life_dropped", &["public", "z", "z:y", "z:y:w", "other"]);
    let url = redis().database();
    place.configure(&format!("[database.cache]\nurl = \"{url}\""));
    fill(&url, &["z:1", "z:y:1", "z:y:2", "z:y:w:1", "other:1"]);
    drop(&place, "z:y");
    drop(&place, "z:y:w");
    assert_eq!(place.json(0, &["cache", "z", "--json"])["keys"], 1, "what is counted is what a removal removes");
    let removed = place.json(0, &["cache", "z", "--flush", "--confirm", "z", "--yes", "--json"]);
    assert_eq!(removed["removed"], 1, "{removed}");
    assert_eq!(left(&url), "other:1 z:y:1 z:y:2 z:y:w:1");
    // One that comes back finds its keys, and so does one that is dropped while another is purged.
    fill(&url, &["z:1"]);
    drop(&place, "z");
    place.expect(0, &["purge", "z", "--confirm", "z", "--yes"]);
    assert_eq!(left(&url), "other:1 z:y:1 z:y:2 z:y:w:1");
    place.expect(0, &["undrop", "z:y", "--yes"]);
    assert_eq!(place.json(0, &["cache", "z:y", "--json"])["keys"], 2);
    drop(&place, "z:y");
    place.expect(0, &["purge", "z:y", "--confirm", "z:y", "--yes"]);
    assert_eq!(left(&url), "other:1 z:y:w:1");
    place.expect(0, &["purge", "z:y:w", "--confirm", "z:y:w", "--yes"]);
    assert_eq!(left(&url), "other:1");
}

/// Two of one name share their keys: they go with the last of them.
#[test]
fn keys_of_two_of_one_name_in_the_trash_go_with_the_second() {
    let place = apartment("life_twice", &["public", "z", "other"]);
    let url = redis().database();
    place.configure(&format!("[database.cache]\nurl = \"{url}\""));
    fill(&url, &["z:1"]);
    drop(&place, "z");
    place.db.sql("create schema z; create table z.schema_migrations (version varchar primary key); \
         create table z.ar_internal_metadata (key varchar primary key, value varchar, created_at timestamp, updated_at timestamp)");
    // It is the tenant of the name now, and the keys are those that it uses.
    let removed = place.json(0, &["cache", "z", "--flush", "--confirm", "z", "--yes", "--json"]);
    assert_eq!(removed["removed"], 1, "{removed}");
    fill(&url, &["z:1"]);
    drop(&place, "z");
    let names = "select string_agg(nspname, ' ' order by oid) from pg_namespace where nspname like 'zz\\_dropped%'";
    let both = place.db.value(names);
    let (first, second) = both.split_once(' ').expect("two");
    place.expect(0, &["purge", first, "--confirm", first, "--yes"]);
    assert_eq!(left(&url), "z:1");
    place.expect(0, &["purge", second, "--confirm", second, "--yes"]);
    assert_eq!(left(&url), "");
}

/// The row keeps slug and id; the schema's name, which a pattern may go by, is the trash's to know.
#[test]
fn keys_of_a_dropped_tenant_whose_row_stays_are_its_own_by_every_name() {
    let place = Place::new("life_row_stays");
    let url = redis().database();
    place.configure(&format!(
        "[database.cache]\nurl = \"{url}\"\nkeys = [\"{{slug}}:*\", \"{{schema}}:*\", \"{{id}}:*\"]"
    ));
    place.db.sql(
        "create schema \"acme:x\"; insert into public.tenants (id, slug, name, schema_name, status) \
         values ('acme:7', 'acme:s', 'X', 'acme:x', 'suspended')",
    );
    fill(&url, &["acme:1", "acme:x:1", "acme:s:1", "acme:7:1"]);
    place.drop("acme:s", "acme:x");
    let theirs = "acme:7:1 acme:s:1 acme:x:1";
    let removed = place.json(0, &["cache", "acme", "--flush", "--confirm", "acme", "--yes", "--json"]);
    assert_eq!((removed["removed"].as_u64(), left(&url).as_str()), (Some(1), theirs));
    // Nor where the row is gone as well.
    place.db.sql("delete from public.tenants where slug = 'acme:s'");
    place.expect(0, &["cache", "acme", "--flush", "--confirm", "acme", "--yes"]);
    assert_eq!(left(&url), theirs);
    place.expect(0, &["suspend", "acme", "--yes"]);
    place.drop("acme", "tenant_acme");
    place.expect(0, &["purge", "acme", "--confirm", "tenant_acme", "--yes"]);
    assert_eq!(left(&url), theirs);
}

/// Cloacina's tenants, each with the role that its library makes.
fn cloacina(name: &str, more: &str) -> (crate::support::PgHandle, Place) {
    let server = own_pg(tcp());
    let db = server.database(name);
    for schema in ["public", "zeta", "other"] {
        db.sql(&format!(
            "create schema if not exists {schema}; create table {schema}.task_executions (id int); create table \
             {schema}.contexts (id int); create table {schema}.__diesel_schema_migrations (version varchar(50) primary key, \
             run_on timestamp not null default now())"
        ));
    }
    db.sql(more);
    let place = Place { db, home: tempfile::tempdir().expect("a folder") };
    place.configure("");
    place.expect(0, &["init", "--yes"]);
    drop(&place, "zeta");
    (server, place)
}

#[test]
fn a_name_in_the_trash_is_not_given_away_for_what_is_there() {
    let provision = |place: &Place| place.words(5, &["provision", "zeta", "--name", "zeta", "--dry-run"]);
    let (_server, place) = cloacina("life_given", "");
    let words = provision(&place);
    assert!(words.contains("\"zeta\" is in the trash, and could not come back beside a new tenant"), "{words}");
    assert!(words.contains("tenantui undrop zeta") && !words.contains("cache"), "{words}");
    place.db.sql("create role zeta login; create table public.api_keys (tenant_id text, revoked_at timestamptz)");
    assert!(provision(&place).contains("and its API keys and role would be the new tenant's"));
    // Where there is a cache, no pattern of this layout says whose its keys are.
    place.configure(&format!("[database.cache]\nurl = \"{}\"", redis().database()));
    assert!(!provision(&place).contains("cache keys"));
    place.configure(&format!("[database.cache]\nurl = \"{}\"\nkeys = [\"{{slug}}:*\"]", redis().database()));
    assert!(provision(&place).contains("its cache keys, API keys and role would be"), "{}", provision(&place));
}

#[test]
fn who_asks_for_one_that_no_row_keeps_is_told_where_it_is() {
    let (_server, place) = cloacina("life_asked", "");
    place.configure(&format!("[database.cache]\nurl = \"{}\"\nkeys = [\"{{slug}}:*\"]", redis().database()));
    for arguments in [
        &["tenant", "zeta"][..],
        &["suspend", "zeta", "--yes"],
        &["migrate", "zeta", "--dry-run"],
        &["repair", "zeta", "--yes"],
        &["cache", "zeta"],
        &["cache", "zeta", "--flush", "--dry-run"],
        &["rename", "zeta", "--name", "X", "--yes"],
    ] {
        let words = place.words(1, arguments);
        assert!(words.contains("\"zeta\" is in the trash since 20"), "{arguments:?}: {words}");
        assert!(words.contains("UTC, as zz_dropped_1_zeta: undrop brings it back, purge removes it"), "{words}");
    }
    assert!(place.words(1, &["tenant", "zetta"]).contains("there is no tenant \"zetta\""));
}
