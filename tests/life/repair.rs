//! Orphans both ways and locks left behind: each has its repair, one by one; and a name whose schema is there already is
//! never taken again in silence.

use serde_json::Value;

use super::Place;
use crate::cli::text;

fn offers(place: &Place) -> Vec<String> {
    let list = place.json(0, &["repair", "--json"]);
    let text = |offer: &Value, field: &str| offer[field].as_str().unwrap_or("-").to_owned();
    let all = list["repairs"].as_array().expect("a list");
    // Roles are of the whole server, which other tests use too: tests/life/left.rs has one of its own.
    all.iter()
        .filter(|offer| offer["state"] != "orphan_role")
        .map(|offer| format!("{} {} {}", text(offer, "tenant"), text(offer, "state"), text(offer, "by")))
        .collect()
}

#[test]
fn a_schema_without_a_row_is_adopted_or_dropped() {
    let place = Place::new("life_orphan");
    assert!(offers(&place).is_empty());
    place.db.sql("create schema tenant_blue_fox; create schema \"tenant_ODD\"; create schema tenant_old");
    assert_eq!(
        offers(&place),
        [
            "tenant_ODD orphan_schema drop",
            "tenant_blue_fox orphan_schema adopt",
            "tenant_blue_fox orphan_schema drop",
            "tenant_old orphan_schema adopt",
            "tenant_old orphan_schema drop"
        ]
    );
    // Without a row there is no status to write.
    assert!(place.words(5, &["suspend", "tenant_old", "--yes"]).contains("no row"));
    place.expect(0, &["repair", "tenant_blue_fox", "--yes"]);
    assert_eq!(place.row("blue-fox"), "blue-fox|active");
    assert_eq!(place.db.value("select schema_name from public.tenants where slug = 'blue-fox'"), "tenant_blue_fox");
    // What would be refused is not offered, and is refused where it is asked for all the same.
    for by in [&["--yes"][..], &["--by", "adopt", "--yes"]] {
        let words = place.words(5, &[&["repair", "tenant_ODD"], by].concat());
        assert!(words.contains("no slug leads to this schema"), "{words}");
    }
    // An orphan has no status that would have to be suspended first.
    place.drop("tenant_old", "tenant_old");
    place.expect(0, &["undrop", "tenant_old", "--yes"]);
    let trash = place.drop("tenant_old", "tenant_old");
    place.expect(0, &["purge", "tenant_old", "--confirm", &trash, "--yes"]);
    assert_eq!(offers(&place), ["tenant_ODD orphan_schema drop"]);
}

/// A text without a character is no name, as NULL is none: the slug says which schema it is.
#[test]
fn a_row_with_an_empty_schema_name_is_the_tenants_all_the_same() {
    let place = Place::new("life_nameless");
    place.db.sql("update public.tenants set schema_name = '' where slug = 'globex'");
    let one = place.json(0, &["tenant", "globex", "--json"]);
    assert!(
        one["problems"][0].as_str().is_some_and(|words| words.contains("by the layout's rule it is tenant_globex"))
    );
    place.expect(0, &["rename", "globex", "--name", "Globe", "--yes"]);
    place.expect(0, &["activate", "globex", "--yes"]);
    assert_eq!(place.row("globex"), "Globe|active");
    place.expect(0, &["suspend", "globex", "--yes"]);
    place.expect(0, &["archive", "globex", "--yes"]);
    place.db.sql("drop schema tenant_globex cascade");
    place.expect(0, &["repair", "globex", "--by", "forget", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'globex'"), "0");
}

/// What is written is what is there afterwards, or it is said why not.
#[test]
fn a_trigger_that_keeps_the_row_is_named_as_the_reason() {
    let place = Place::new("life_kept_row");
    place.db.sql(
        "create function public.keep() returns trigger language plpgsql as 'begin return null; end'; \
         create trigger keep before update on public.tenants for each row execute function public.keep()",
    );
    let words = place.words(1, &["suspend", "acme", "--yes"]);
    assert!(words.contains("the server changed no row") && words.contains("a trigger"), "{words}");
    assert_eq!(place.row("acme"), "ACME|active");
}

#[test]
fn a_display_name_with_control_characters_is_refused() {
    let place = Place::new("life_control");
    for order in [
        &["rename", "acme", "--name", "a\u{1b}[31mb\nc", "--yes"][..],
        &["provision", "new", "--name", "a\u{1b}[31mb\nc", "--yes"],
    ] {
        let words = place.words(5, order);
        assert!(words.contains("character 2 is U+001B, a control character"), "{order:?}: {words}");
        assert!(words.contains("\"a\\e[31mb\\nc\""), "{order:?}: {words}");
    }
    assert_eq!(place.row("acme"), "ACME|active");
    // Joiners are part of names that people have.
    place.expect(0, &["rename", "acme", "--name", "\u{645}\u{6cc}\u{200c}\u{62e}", "--yes"]);
}

#[test]
fn a_word_with_a_line_feed_stays_on_its_line() {
    let place = Place::new("life_words");
    for order in
        [&["provision", "ab\nc", "--name", "x", "--yes"][..], &["tenant", "ab\nc"], &["suspend", "ab\nc", "--yes"]]
    {
        let words = text(&place.run(order).stderr);
        assert!(words.contains("\"ab\\nc\""), "{order:?}: {words}");
    }
}

#[test]
fn a_row_without_a_schema_is_removed_or_gets_one() {
    let place = Place::new("life_missing");
    place.db.sql("drop schema tenant_acme cascade; drop schema tenant_hooli cascade");
    assert_eq!(
        offers(&place),
        [
            "acme missing_schema forget",
            "acme missing_schema make",
            "hooli missing_schema forget",
            "hooli missing_schema make"
        ]
    );
    assert!(place.words(5, &["repair", "acme", "--yes"]).contains("forget or make"));
    // Read on a small terminal, and pasted from there.
    let list = text(&place.expect(0, &["repair"]).stdout);
    assert!(list.contains("\n          tenantui repair acme --by forget\n"), "{list}");
    let ours = list.split("\n\n").filter(|block| !block.contains("orphan_role"));
    assert!(ours.flat_map(str::lines).all(|line| line.chars().count() <= 80), "{list}");
    // There is nothing to drop, which is no error.
    assert!(place.words(0, &["drop", "hooli", "--confirm", "tenant_hooli", "--yes"]).contains("no schema to drop"));
    place.expect(0, &["repair", "acme", "--by", "make", "--yes"]);
    assert_eq!(place.schemas(), "tenant_acme,tenant_globex");
    place.expect(0, &["repair", "hooli", "--by", "forget", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.tenants"), "2");
    assert_eq!(place.audit("repair").pop().expect("a line").1["row"]["slug"], "hooli");
    assert!(place.words(0, &["repair", "acme", "--yes"]).contains("nothing of it can be repaired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_left_behind_is_taken_away_where_nobody_holds_it() {
    let place = Place::new("life_lock");
    place.db.sql("insert into tenant_acme.schema_migrations values (-1, now(), null), (5, now(), 'x')");
    assert_eq!(offers(&place), ["acme locked unlock"]);
    // Somebody is at work in the schema.
    let holder = place.db.connect().await;
    holder.batch_execute("begin; select * from tenant_acme.users").await.expect("held");
    assert!(place.words(5, &["repair", "acme", "--yes"]).contains("1 session uses it"));
    holder.batch_execute("rollback").await.expect("let go");
    assert!(place.words(5, &["repair", "acme"]).contains("make sure that no migration runs there"));
    place.expect(0, &["repair", "acme", "--yes"]);
    assert_eq!(place.db.value("select string_agg(id::text, ',') from tenant_acme.schema_migrations"), "5");
    assert_eq!(place.audit("repair").pop().expect("a line").2["locks"], 1);
    // Liquibase's and Knex's own lock tables are unlocked as those tools would.
    place.db.sql(
        "drop table tenant_globex.schema_migrations; \
         create table tenant_globex.knex_migrations (id serial primary key, name varchar(255), batch int, migration_time timestamptz); \
         create table tenant_globex.knex_migrations_lock (index serial primary key, is_locked int); \
         insert into tenant_globex.knex_migrations_lock (is_locked) values (1)",
    );
    assert_eq!(offers(&place), ["globex locked unlock"]);
    place.expect(0, &["repair", "globex", "--by", "unlock", "--yes"]);
    assert_eq!(place.db.value("select is_locked from tenant_globex.knex_migrations_lock"), "0");
    assert!(offers(&place).is_empty());
}

#[test]
fn a_name_whose_schema_is_there_is_refused_with_the_choice() {
    let place = Place::new("life_again");
    // The row was deleted by hand, the schema stays: Boundary itself would hand the old data to the new tenant.
    place.db.sql("delete from public.tenants where slug = 'globex'");
    let words = place.words(5, &["provision", "globex", "--name", "Globex", "--yes"]);
    assert!(
        words.contains("tenant_globex")
            && words.contains("repair tenant_globex")
            && words.contains("drop tenant_globex"),
        "{words}"
    );
    // One in the trash does not hold its name, but its row does.
    place.drop("hooli", "tenant_hooli");
    let words = place.words(5, &["provision", "hooli", "--name", "Hooli", "--yes"]);
    assert!(words.contains("undrop hooli") && words.contains("purge hooli"), "{words}");
    assert_eq!(place.db.value("select count(*) from tenant_globex.users"), "2");
}

/// Neither its row nor a new schema is what it needs: both would take from it what brings it back.
#[test]
fn one_in_the_trash_is_not_repaired() {
    let place = Place::new("life_trashed");
    let trash = place.drop("globex", "tenant_globex");
    let next = format!("it is in the trash, as {trash}: undrop brings it back, purge removes it for good");
    for how in [&["--yes"][..], &["--by", "forget", "--yes"], &["--by", "make", "--yes"], &["--dry-run"]] {
        let words = place.words(0, &[&["repair", "globex"], how].concat());
        assert!(words.contains(&next), "{how:?}: {words}");
    }
    assert_eq!(place.db.value("select count(*) from tenantui.job where kind = 'repair'"), "0");
    place.expect(0, &["undrop", "globex", "--yes"]);
    assert_eq!(place.row("globex"), "Globex|suspended");
}

#[test]
fn two_of_one_name_in_the_trash_of_one_database_are_told_apart_by_their_schemas() {
    let place = Place::new("life_twice");
    let first = place.drop("globex", "tenant_globex");
    place.db.sql("create schema tenant_globex; update public.tenants set status = 'suspended' where slug = 'globex'");
    let second = place.drop("globex", "tenant_globex");
    let words = place.words(2, &["undrop", "globex", "--yes"]);
    assert!(words.contains(&first) && words.contains(&second) && !words.contains("--database"), "{words}");
    place.expect(0, &["undrop", &first, "--yes"]);
}

#[test]
fn a_row_that_the_server_keeps_is_never_said_to_be_removed() {
    let place = Place::new("life_kept_row");
    place.db.sql(
        "create function public.keep() returns trigger language plpgsql as 'begin return null; end'; \
         create trigger keep before delete on public.tenants for each row execute function public.keep(); \
         drop schema tenant_acme cascade",
    );
    let output = place.run(&["repair", "acme", "--by", "forget", "--yes"]);
    let words = text(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{words}");
    assert!(words.contains("the tenant's is there still") && words.contains("remove it by hand"), "{words}");
    assert!(place.audit("repair").is_empty());
    assert_eq!(place.row("acme"), "ACME|active");
}

#[test]
fn a_row_without_a_slug_is_found_by_its_id() {
    let place = Place::new("life_no_slug");
    place.db.sql("update public.tenants set slug = '' where slug = 'globex'");
    place.expect(0, &["rename", "tenant_globex", "--name", "Other", "--yes"]);
    assert_eq!(place.db.value("select string_agg(name, ',' order by id) from public.tenants"), "ACME,Other,Hooli");
    let trash = place.drop("tenant_globex", "tenant_globex");
    place.expect(0, &["purge", &trash, "--confirm", &trash, "--yes"]);
    assert_eq!(place.db.value("select string_agg(id, ',' order by id) from public.tenants"), "1,3");
}

#[test]
fn a_row_of_a_schema_that_is_no_tenants_is_told_and_nothing_is_offered() {
    let place = Place::new("life_nobodys");
    place.db.sql(
        "insert into public.tenants (id, slug, name, schema_name) values ('7', 'all', 'All', 'public'), \
         ('8', 'ours', 'Ours', 'tenantui'), ('9', 'server', 'Server', 'pg_catalog')",
    );
    let list = place.json(0, &["tenants", "--json"]);
    for (slug, whose) in [("all", "shared by all tenants"), ("ours", "tenantui's own"), ("server", "the server's own")]
    {
        let all = list["tenants"].as_array().expect("a list");
        let tenant = all.iter().find(|tenant| tenant["slug"] == slug).expect("it is listed");
        assert_eq!(tenant["state"], "conflict", "{tenant}");
        assert!(tenant["problems"][0].as_str().is_some_and(|why| why.contains(whose)), "{tenant}");
        let schema = tenant["schema"].as_str().expect("a schema");
        for order in [&["drop", slug, "--confirm", schema, "--yes"][..], &["suspend", slug, "--yes"]] {
            let words = place.words(5, order);
            assert!(words.contains(whose), "{order:?}: {words}");
        }
    }
    assert_eq!(offers(&place), ["all conflict -", "ours conflict -", "server conflict -"]);
    assert_eq!(place.db.value("select count(*) from pg_namespace where nspname in ('public', 'tenantui')"), "2");
    // What no schema can be called is not offered to be made.
    let long = "x".repeat(70);
    place.db.sql(&format!(
        "delete from public.tenants where id in ('7', '8', '9'); alter table public.tenants alter schema_name type text; \
         insert into public.tenants (id, slug, name, schema_name) values ('10', 'long', 'Long', '{long}')"
    ));
    assert_eq!(offers(&place), ["long missing_schema forget"]);
}
