//! Triplex: a schema per tenant with Ecto's ledger, and nothing else that would tell.

use serde_json::Value;

use super::{count, evidence, look, says, unwell};
use crate::support::pg;

#[test]
fn a_hundred_and_fifty_prefixes_are_tenants() {
    let db = pg().database("triplex");
    db.sql(
        "create table public.schema_migrations(version bigint primary key, inserted_at timestamp(0));
         insert into public.schema_migrations values (20260101000000, now());
         create table public.organisations(id bigserial primary key, name text);
         do $$ begin
           for i in 1..150 loop
             execute format('create schema org_%s', i);
             execute format('create table org_%s.schema_migrations(version bigint primary key, inserted_at timestamp(0))', i);
             execute format('insert into org_%s.schema_migrations values (20260105000000, now()), (20260205000000, now())', i);
             execute format('create table org_%s.posts(id bigserial primary key)', i);
           end loop;
         end $$;
         delete from org_9.schema_migrations where version = 20260205000000; create schema extensions",
    );
    let document = look(&db, &["tenants", "--json"]);
    assert_eq!((&document["databases"][0]["layout"], count(&document)), (&Value::from("triplex"), 150));
    assert_eq!(document["databases"][0]["tool"], "ecto");
    // public has a set of its own: what it has is not what the tenants lack.
    assert_eq!(unwell(&document), ["org_9:behind"]);
    assert_eq!(document["shared"][0]["version"], "20260101000000");
    says(&evidence(&db), "ok", "triplex: Triplex; tenants are listed as the schemas with schema_migrations");
}
