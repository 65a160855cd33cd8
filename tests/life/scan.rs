//! Where schemas alone list the tenants and a template names them, a tenant has one slug everywhere: in the list, for its
//! role, and for whoever makes it a second time.

use super::Place;
use crate::support::TestDatabase;

/// Triplex with a prefix, and a role that is called after the slug.
fn place() -> Place {
    let place = Place::empty("life_prefix");
    let layout = include_str!("../../assets/layouts/triplex.toml");
    let layout = layout.replacen("name = \"{schema}\"", "name = \"r_{slug}\"", 1);
    std::fs::write(place.home().join("prefix.toml"), layout).expect("a layout");
    place.configure("layout = \"./prefix.toml\"\n[database.tenants]\nschema = \"org_{slug}\"");
    place.expect(0, &["init", "--yes"]);
    place
}

/// Slugs and schemas, as they are listed.
fn listed(place: &Place) -> Vec<String> {
    let list = place.json(0, &["tenants", "--json"]);
    let tenants = list["tenants"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    tenants.map(|tenant| format!("{} {}", text(&tenant["slug"]), text(&tenant["schema"]))).collect()
}

fn has_role(db: &TestDatabase, name: &str) -> bool {
    db.value(&format!("select exists (select from pg_roles where rolname = '{name}')")) == "t"
}

#[test]
fn a_slug_is_read_back_out_of_its_schemas_name() {
    let place = place();
    // Roles are of the whole server: the database's name is nobody else's.
    let slug = place.db.name.clone();
    let (schema, role) = (format!("org_{slug}"), format!("r_{slug}"));
    place.expect(0, &["provision", &slug, "--name", "Zed", "--role", "--yes"]);
    assert_eq!(listed(&place), [format!("{slug} {schema}")]);
    assert!(has_role(&place.db, &role));
    assert_eq!(place.json(0, &["tenant", &slug, "--json"])["role"], role);
    place.db.sql(&format!("create table {schema}.things (id int)"));
    assert!(place.words(0, &["provision", &slug, "--name", "Zed", "--yes"]).contains("already"));
    // By its schema it is the same.
    assert_eq!(place.json(0, &["tenant", &schema, "--json"])["slug"], slug);
    // Its role is its own on every way.
    place.expect(0, &["drop", &slug, "--confirm", &schema, "--yes"]);
    assert!(listed(&place).is_empty());
    place.expect(0, &["undrop", &slug, "--yes"]);
    assert_eq!(listed(&place), [format!("{slug} {schema}")]);
    let trash = place.drop(&slug, &schema);
    place.expect(0, &["purge", &slug, "--confirm", &trash, "--yes"]);
    assert!(!has_role(&place.db, &role), "it goes with its tenant");
}

#[test]
fn what_the_template_did_not_make_keeps_its_name() {
    let place = place();
    let ledger = "schema_migrations (version bigint primary key, inserted_at timestamp)";
    for schema in ["org_zed", "org_", "lone", "org_a-b"] {
        place.db.sql(&format!("create schema \"{schema}\"; create table \"{schema}\".{ledger}"));
    }
    assert_eq!(listed(&place), ["lone lone", "org_ org_", "org_a-b org_a-b", "zed org_zed"]);
    // Hyphens became underscores, and are read as such from the beginning.
    for _ in 0..2 {
        place.expect(0, &["provision", "blue-fox", "--name", "Blue", "--yes"]);
        assert!(listed(&place).contains(&"blue_fox org_blue_fox".to_owned()));
    }
    assert_eq!(place.db.value("select string_agg(distinct slug, ',') from tenantui.step"), "blue_fox");
}

/// Nothing names the layout: it is told by its tenants, and there is none left.
#[test]
fn the_last_tenant_comes_back_from_the_trash() {
    let place = Place::empty("life_last");
    let ledger = "schema_migrations (version varchar primary key)";
    let internal =
        "ar_internal_metadata (key varchar primary key, value varchar, created_at timestamp, updated_at timestamp)";
    place.db.sql(&format!("create schema acme; create table acme.{ledger}; create table acme.{internal}"));
    place.expect(0, &["init", "--yes"]);
    let trash = place.drop("acme", "acme");
    assert!(listed(&place).is_empty());
    assert_eq!(place.json(0, &["doctor", "--json"])["checks"][0]["database"], "eu-1");
    assert_eq!(place.json(0, &["undrop", "--json"])["trash"][0]["trash_schema"], trash.as_str());
    place.expect(0, &["undrop", "acme", "--yes"]);
    assert_eq!(listed(&place), ["acme acme"]);
}
