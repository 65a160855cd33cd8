//! What points at a tenant's registry row: told in the plan, gone with the row, or found before the schema goes.

use super::Place;
use crate::support::pg;

/// Whether the schema is in the trash still, and the row there.
fn whole(place: &Place) -> bool {
    let sql = "select (select count(*) from pg_namespace where nspname like 'zz\\_dropped%') = 1 \
               and (select count(*) from public.tenants where slug = 'globex') = 1";
    place.db.value(sql) == "t"
}

#[test]
fn what_keeps_the_row_is_told_and_stops_a_purge_before_the_schema_goes() {
    let place = Place::new("life_pointing");
    // Deferred, as Django makes them: without a look the row would fail at its COMMIT, behind the schema.
    place.db.sql(
        "create table public.invoices (id int, tenant_id varchar(36) references public.tenants (id) deferrable initially deferred); \
         insert into public.invoices values (1, '2'), (2, '2'), (3, '1')",
    );
    place.drop("globex", "tenant_globex");
    let why = "2 rows of \"public\".\"invoices\" (\"tenant_id\") point at its registry row";
    let dry = place.words(5, &["purge", "globex", "--dry-run"]);
    assert!(dry.contains(why) && dry.contains("remove them or let them point elsewhere first"), "{dry}");
    let words = place.words(5, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains(why), "{words}");
    assert!(whole(&place));
    // Nor is it forgotten where its schema is gone.
    place.db.sql("drop schema tenant_acme cascade");
    let words = place.words(5, &["repair", "acme", "--by", "forget", "--yes"]);
    assert!(words.contains("1 row of \"public\".\"invoices\" (\"tenant_id\") points"), "{words}");
    place.db.sql("delete from public.invoices");
    place.expect(0, &["repair", "acme", "--by", "forget", "--yes"]);
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.tenants"), "1");
}

#[test]
fn what_the_database_removes_along_is_told_and_what_keeps_that_is_found_too() {
    let place = Place::new("life_along");
    // The tenant's own table points at its row, and goes before it; who is pointed elsewhere keeps nothing.
    place.db.sql(
        "alter table public.tenants add parent varchar(36) references public.tenants (id) on delete set null; \
         update public.tenants set parent = '2' where slug = 'acme'; \
         create table tenant_globex.me (tenant_id varchar(36) references public.tenants (id)); \
         insert into tenant_globex.me values ('2'); \
         create table public.plans (id int primary key, slug varchar(100) references public.tenants (slug) on delete cascade); \
         insert into public.plans values (1, 'globex'), (2, 'globex'), (3, 'acme'); \
         create table public.bills (plan int references public.plans (id) on delete restrict); \
         insert into public.bills values (2), (3)",
    );
    place.drop("globex", "tenant_globex");
    let words = place.words(5, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains("1 row of \"public\".\"bills\" (\"plan\") points"), "{words}");
    assert!(whole(&place));
    place.db.sql("delete from public.bills where plan = 2");
    let plan = place.json(0, &["purge", "globex", "--dry-run", "--json"]);
    let told = "the database removes with its registry row: 2 rows of \"public\".\"plans\" (ON DELETE CASCADE)";
    assert!(plan["notes"].as_array().is_some_and(|notes| notes.iter().any(|note| note == told)), "{plan:#}");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    let left = "select (select string_agg(slug, ',' order by slug) from public.tenants) || ' ' \
                || (select string_agg(id::text, ',') from public.plans)";
    assert_eq!(place.db.value(left), "acme,hooli 3");
}

#[test]
fn where_nobody_may_look_it_is_not_taken_for_nothing() {
    let place = Place::new("life_unread");
    let role = pg().role("pointing");
    place.db.sql(&format!(
        "create table public.secrets (tenant_id varchar(36) references public.tenants (id)); \
         grant all on schema public, tenantui to {role}; grant all on public.tenants to {role}; \
         grant all on all tables in schema tenantui to {role}; grant all on all sequences in schema tenantui to {role}"
    ));
    place.drop("globex", "tenant_globex");
    place.db.sql(&format!(
        "do $$ declare name text; begin select nspname into name from pg_namespace where nspname like 'zz\\_%'; \
         execute format('alter schema %I owner to {role}', name); end $$"
    ));
    place.configure_as(&role, "development", "");
    let words = place.words(5, &["purge", "globex", "--dry-run"]);
    assert!(words.contains("GRANT SELECT ON \"public\".\"secrets\" TO"), "{words}");
    place.db.sql(&format!("grant select on public.secrets to {role}"));
    place.expect(0, &["purge", "globex", "--dry-run"]);
}
