//! What a schema would take along: PostgreSQL says it where the schema is dropped, the plan says it before.

use std::collections::BTreeSet;
use std::future::poll_fn;

use serde_json::Value;
use tokio_postgres::AsyncMessage;

use super::Place;
use crate::support::TestDatabase;

/// One object outside of as many kinds as there are, each of which something in the tenant's schema holds up.
const OBJECTS: &str = "\
    create schema reports; \
    create type tenant_globex.span as range (subtype = int); create type tenant_globex.colour as enum ('red'); create domain tenant_globex.mail as text; \
    create type tenant_globex.pair as (a int, b int); create sequence tenant_globex.seq; \
    create table tenant_globex.parent (id int); create view tenant_globex.v as select * from tenant_globex.users; \
    create function tenant_globex.f(text) returns boolean language sql immutable as 'select true'; \
    create function tenant_globex.trig() returns trigger language plpgsql as 'begin return new; end'; \
    create function tenant_globex.evt() returns event_trigger language plpgsql as 'begin end'; \
    create function tenant_globex.validator(text[], oid) returns boolean language sql as 'select true'; \
    create function tenant_globex.cmp(int, int) returns int language sql immutable as 'select btint4cmp($1, $2)'; \
    create operator tenant_globex.=== (leftarg = int, rightarg = int, procedure = int4eq); \
    create collation tenant_globex.co from \"C\"; \
    create text search dictionary tenant_globex.dict (template = pg_catalog.simple); \
    create domain reports.code as text constraint out_check check (tenant_globex.f(value)); \
    create domain reports.over as tenant_globex.mail; create type reports.wraps as (c tenant_globex.colour); \
    create foreign data wrapper out_fdw validator tenant_globex.validator; \
    create server out_server foreign data wrapper out_fdw; create user mapping for current_user server out_server; \
    create foreign table reports.far (id int) server out_server; \
    create table reports.links (user_id int references tenant_globex.users, note text constraint out_note check \
    (tenant_globex.f(note)), n int default nextval('tenant_globex.seq'), m tenant_globex.mail, \
    k text collate tenant_globex.co, g boolean generated always as (tenant_globex.f('x')) stored); \
    create table reports.typed of tenant_globex.pair; create table reports.child () inherits (tenant_globex.parent); \
    create index out_index on reports.links (tenant_globex.f(note)); \
    create trigger out_trigger before insert on reports.links for each row execute function tenant_globex.trig(); \
    create policy out_policy on reports.links using (tenant_globex.f(note)); \
    create rule out_rule as on update to reports.links do also select tenant_globex.f(new.note); \
    create view reports.users as select * from tenant_globex.users; create view reports.again as select * from reports.users; \
    create materialized view reports.mat as select * from tenant_globex.v; \
    create function reports.takes(tenant_globex.colour) returns int language sql as 'select 1'; \
    create procedure reports.pro(tenant_globex.pair) language sql as 'select 1'; \
    create aggregate reports.agg(int) (sfunc = tenant_globex.cmp, stype = int); \
    create cast (text as tenant_globex.pair) with inout; \
    create event trigger out_event on ddl_command_end when tag in ('CREATE AGGREGATE') execute function tenant_globex.evt(); \
    alter event trigger out_event disable; \
    create operator reports.!== (leftarg = int, rightarg = int, procedure = tenant_globex.cmp); \
    create operator class reports.out_class for type int using btree as operator 3 tenant_globex.===, \
    function 1 tenant_globex.cmp(int, int); \
    create text search configuration reports.out_ts (copy = pg_catalog.simple); \
    alter text search configuration reports.out_ts alter mapping for asciiword with tenant_globex.dict; \
    create publication out_pub for table tenant_globex.users";

/// What the server says that DROP SCHEMA takes along from outside.
async fn by_the_server(db: &TestDatabase, schema: &str) -> BTreeSet<String> {
    let (client, mut connection) =
        tokio_postgres::connect(&db.socket_url(), tokio_postgres::NoTls).await.expect("a session");
    let notices = tokio::spawn(async move {
        let mut notices = Vec::new();
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                notices.push(notice.detail().unwrap_or(notice.message()).to_owned());
            }
        }
        notices
    });
    let sql = format!("set search_path = pg_catalog; begin; drop schema {schema} cascade; rollback");
    client.batch_execute(&sql).await.expect("dropped, and taken back");
    drop(client);
    let said = notices.await.expect("the notices").join("\n");
    let objects = said.lines().filter_map(|line| line.strip_prefix("drop cascades to "));
    // Of the schema itself: `table tenant_globex.users`.
    let mark = format!(" {schema}.");
    let is_inside = |object: &str| {
        object.split_once(&mark).is_some_and(|(kind, _)| kind.bytes().all(|c| c.is_ascii_lowercase() || c == b' '))
            && !object.starts_with("cast ")
    };
    objects.filter(|object| !is_inside(object)).map(str::to_owned).collect()
}

fn dependants(plan: &Value) -> BTreeSet<String> {
    plan["dependants"].as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lists_what_the_servers_own_drop_would_take_along() {
    let place = Place::new("life_outside");
    place.db.sql(OBJECTS);
    let mut wanted = by_the_server(&place.db, "tenant_globex").await;
    assert!(wanted.len() >= 30, "{wanted:#?}");
    for object in ["constraint out_check", "foreign-data wrapper out_fdw", "server out_server"] {
        assert!(wanted.contains(object), "{wanted:#?}");
    }
    // A publication loses the table without a word.
    wanted.insert("publication of table tenant_globex.users in publication out_pub".to_owned());
    let plan = place.json(0, &["drop", "globex", "--dry-run", "--json"]);
    assert_eq!(dependants(&plan), wanted);

    let with = |command: &'static str| {
        let plan = place.json(0, &[command, "globex", "--dry-run", "--json"]);
        let all = dependants(&plan).into_iter().flat_map(|object| ["--dependant".to_owned(), object]);
        ["globex", "--confirm", "tenant_globex", "--yes"].map(str::to_owned).into_iter().chain(all).collect::<Vec<_>>()
    };
    let run = |status: i32, command: &'static str, arguments: &[String]| {
        let words: Vec<&str> = std::iter::once(command).chain(arguments.iter().map(String::as_str)).collect();
        place.words(status, &words)
    };
    run(0, "drop", &with("drop"));
    // Each is asked for, whatever it is.
    let all = with("purge");
    for object in ["constraint out_check", "server out_server"] {
        let mut some = all.clone();
        let at = some.iter().position(|known| known == object).expect("it is listed");
        some.drain(at - 1..=at);
        assert!(run(5, "purge", &some).contains(object), "{object}");
    }
    // Whoever names none is told all of them at once.
    let told = run(5, "purge", &all[..4]);
    assert_eq!(told.matches("--dependant ").count(), (all.len() - 4) / 2, "{told}");
    run(0, "purge", &all);
    let left = "select (select count(*) from pg_foreign_data_wrapper) + (select count(*) from pg_publication_rel) \
                + (select count(*) from pg_constraint where conname like 'out%')";
    assert_eq!((place.db.value(left), place.schemas()), ("0".into(), "tenant_acme,tenant_hooli".into()));
    // What stood beside it stays.
    assert_eq!(place.db.value("select count(*) from reports.links, pg_publication"), "0");
    assert_eq!(place.db.value("select string_agg(pubname, ',') from pg_publication"), "out_pub");
}

/// An extension that lives elsewhere, and has a member in the tenant's schema: the server takes it along, and all that
/// is built on it.
#[tokio::test(flavor = "multi_thread")]
async fn an_extension_with_a_member_in_the_schema_is_listed() {
    let place = Place::new("life_member");
    place.db.sql(
        "create function tenant_globex.member() returns int language sql as 'select 1'; \
         alter extension plpgsql add function tenant_globex.member()",
    );
    let wanted = by_the_server(&place.db, "tenant_globex").await;
    assert!(wanted.contains("extension plpgsql"), "{wanted:#?}");
    assert_eq!(dependants(&place.json(0, &["drop", "globex", "--dry-run", "--json"])), wanted);
}

/// Level 3: nobody is in it. A session that holds something of it is told before anything is ordered.
#[tokio::test(flavor = "multi_thread")]
async fn who_uses_what_is_in_the_trash_stops_its_purge_and_is_named() {
    let place = Place::new("life_trash_used");
    let trash = place.drop("globex", "tenant_globex");
    let holder = place.db.connect().await;
    let hold = format!("set application_name = 'web-3'; begin; select * from {trash}.users");
    holder.batch_execute(&hold).await.expect("held");
    let jobs = || place.db.value("select count(*) from tenantui.job");
    let before = jobs();
    let purge = ["purge", "globex", "--confirm", "tenant_globex", "--yes"];
    let words = place.words(5, &purge);
    assert!(words.contains("1 session uses it now") && words.contains("web-3"), "{words}");
    assert!(!words.contains("suspend"), "{words}");
    let plan = place.json(5, &["purge", "globex", "--dry-run", "--json"]);
    assert_eq!((plan["sessions"].as_array().map(Vec::len), jobs()), (Some(1), before));
    holder.batch_execute("rollback").await.expect("let go");
    place.expect(0, &purge);
    assert_eq!(place.schemas(), "tenant_acme,tenant_hooli");
}

/// A tenant's tables may be partitions of a table that all share: whoever reads that reads its rows, in the trash too.
#[test]
fn rows_that_are_read_from_outside_are_told() {
    let place = Place::new("life_parts");
    place.db.sql(
        "create table public.events (tenant text, n int) partition by list (tenant); create table public.facts (n int); \
         create table tenant_globex.events partition of public.events for values in ('globex'); \
         create table tenant_globex.own (n int) partition by range (n); \
         create table tenant_globex.own_1 partition of tenant_globex.own for values from (1) to (2); \
         insert into public.events values ('globex', 1)",
    );
    let notes = |command: &str| place.json(0, &[command, "globex", "--dry-run", "--json"])["notes"].to_string();
    let drop = notes("drop");
    assert!(
        drop.contains(
            "1 of its tables is a partition or child of public.events: its rows can be read there until the purge"
        ),
        "{drop}"
    );
    place.db.sql("create table tenant_globex.facts () inherits (public.facts)");
    let both = notes("drop");
    assert!(both.contains("2 of its tables are partitions or children of public.events and 1 other table"), "{both}");
    place.drop("globex", "tenant_globex");
    assert_eq!(place.db.value("select count(*) from public.events"), "1");
    let purge = notes("purge");
    assert!(purge.contains("public.events and 1 other table: its rows are gone from there too"), "{purge}");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.events"), "0");
}
