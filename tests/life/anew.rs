//! A name that is made a second time while something of the first tenant is there, and registries whose rows are not all
//! tenantui's to write: by a query, and with columns that the server makes.

use super::Place;
use crate::support::{own_pg, tcp};

fn provision(place: &Place, slug: &str, status: i32) -> String {
    place.words(status, &["provision", slug, "--name", "New", "--yes"])
}

#[test]
fn a_name_in_the_trash_whose_row_was_deleted_is_refused_with_the_choice() {
    let place = Place::new("life_anew");
    place.db.sql("delete from public.tenants where slug = 'globex'");
    let trash = place.drop("tenant_globex", "tenant_globex");
    for how in ["--dry-run", "--yes"] {
        let words = place.words(5, &["provision", "globex", "--name", "New", how]);
        assert!(words.contains("is in the trash, and could not come back beside a new tenant of its name"), "{words}");
        assert!(words.contains("tenantui undrop tenant_globex") && words.contains("tenantui purge"), "{words}");
    }
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'globex'"), "0");
    place.expect(0, &["purge", "tenant_globex", "--confirm", &trash, "--yes"]);
    provision(&place, "globex", 0);
}

/// Whoever has its password gets into the new tenant's schema.
#[test]
fn a_role_of_the_name_is_no_new_tenants_even_where_none_is_made() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_anew");
    let elsewhere = server.database("elsewhere");
    place.db.sql("create role tenant_held login");
    let words = provision(&place, "held", 5);
    assert!(words.contains("the role tenant_held exists already on this server"), "{words}");
    assert!(words.contains("Choose another key, or look what it owns and remove it"), "{words}");
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
    // Where `repair` knows whose it was, it is the way.
    provision(&place, "known", 0);
    place.db.sql(&format!(
        "drop schema tenant_known cascade; delete from public.tenants where slug = 'known'; create role tenant_known login; \
         alter role tenant_known in database \"{}\" set search_path = tenant_known",
        place.db.name
    ));
    assert!(provision(&place, "known", 5).contains("`tenantui repair tenant_known --by role`"));
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "1");
    // That of another database's tenant is nobody's here, and one that may use many schemas is the application's.
    elsewhere.sql("create schema tenant_held; grant usage on schema tenant_held to tenant_held");
    place.db.sql(
        "create role tenant_app; create role tenant_boss superuser; \
         create role tenant_kept superuser; grant usage on schema tenant_acme, tenant_globex to tenant_app",
    );
    provision(&place, "held", 0);
    provision(&place, "app", 0);
    provision(&place, "boss", 0);
    // Where each is to get one of its own, whatever exists is in the way.
    place.expect(5, &["provision", "kept", "--name", "New", "--role", "--dry-run"]);
}

#[test]
fn a_tenant_that_is_half_made_is_told_how_its_making_goes_on() {
    let place = Place::new("life_half");
    let folder = place.home().join("migrations");
    std::fs::create_dir(&folder).expect("a folder");
    let file = |name: &str, sql: &str| std::fs::write(folder.join(name), sql).expect("written");
    file("20260101000000-one.up.sql", "create table one (id int);\n--;;\ninsert into one values (1), (1)");
    file("20260102000000-two.up.sql", "-- :disable-transaction\ncreate unique index concurrently one_id on one (id)");
    place.configure("[database.migrations]\npath = \"./migrations\"");
    provision(&place, "fox", 1);
    let job = place.db.value("select max(id) from tenantui.job");
    let words = provision(&place, "fox", 5);
    assert!(words.contains(&format!("`tenantui job {job} retry` goes on with it")), "{words}");
    assert!(words.contains("tenantui repair tenant_fox") && words.contains("tenantui drop tenant_fox"), "{words}");
}

#[test]
fn a_row_of_a_query_gets_its_schema_and_stays_when_that_is_purged() {
    let place = Place::new("life_query");
    place.configure(
        "[database.tenants]\nquery = \"select id, slug, name, schema_name from public.tenants where slug <> 'hooli'\"",
    );
    place.db.sql("drop schema tenant_acme cascade; drop schema tenant_hooli cascade");
    let list = place.json(0, &["repair", "--json"]);
    let own = list["repairs"].as_array().expect("a list").iter().filter(|offer| offer["tenant"] == "acme");
    let by: Vec<_> = own.filter_map(|offer| offer["by"].as_str()).collect();
    assert_eq!(by, ["make"], "{list}");
    // What would write the row is not offered.
    place.expect(5, &["repair", "acme", "--by", "forget", "--yes"]);
    place.expect(0, &["repair", "acme", "--yes"]);
    assert_eq!(place.schemas(), "tenant_acme,tenant_globex");
    let stays = "the row behind it stays as it is";
    assert!(place.words(0, &["drop", "globex", "--confirm", "tenant_globex", "--yes"]).contains(stays));
    let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
    assert!(plan["notes"].to_string().contains(stays), "{plan}");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.tenants"), "3");
}

#[test]
fn what_the_server_generates_of_a_row_is_left_to_it() {
    let place = Place::new("life_generated");
    let generate = |what: &str| {
        place.db.sql(&format!(
            "alter table public.tenants drop column schema_name; alter table public.tenants add column schema_name \
             varchar(63) generated always as ({what}) stored unique"
        ));
    };
    generate("'tenant_' || replace(slug, '-', '_')");
    provision(&place, "blue-fox", 0);
    assert_eq!(place.db.value("select schema_name from public.tenants where slug = 'blue-fox'"), "tenant_blue_fox");
    place.expect(0, &["suspend", "blue-fox", "--yes"]);
    let trash = place.drop("blue-fox", "tenant_blue_fox");
    place.expect(0, &["purge", "blue-fox", "--confirm", &trash, "--yes"]);
    // It names another schema than the one that is made.
    generate("'t_' || slug");
    let words = provision(&place, "zed", 1);
    assert!(words.contains("a generated column that names another schema"), "{words}");
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'zed'"), "0");
    // A name that is made of others is not written, and the refusal says so.
    place.db.sql(
        "alter table public.tenants drop column name; alter table public.tenants add column name varchar(255) generated \
         always as (upper(slug)) stored",
    );
    let words = place.words(5, &["rename", "acme", "--name", "Other", "--yes"]);
    assert!(words.contains("column name of the registry is generated from others"), "{words}");
}
