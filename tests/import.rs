//! One customer's data comes from `public` into a tenant: copied into its tables or moved with them, counted before and
//! after, in one transaction, with foreign keys and sequences right; or nothing at all.

use std::time::Duration;

use serde_json::json;

use crate::cli::text;
use crate::cli_fleet::{Fleet, tenant};
use crate::support::pg;

/// The same tables in `public` (with rows) and in the tenant: a circle of foreign keys, one that points at its own
/// table, an identity, a serial, a generated column, an enum of each schema, a trigger that would stamp what is copied.
const TABLES: &str = "create type {s}.mood as enum ('sad', 'happy'); \
    create table {s}.teams (id int generated always as identity primary key, lead int, name text not null); \
    create table {s}.people (id serial primary key, team int not null references {s}.teams, boss int references {s}.people, \
      feels {s}.mood, half numeric generated always as (id / 2.0) stored, stamp text); \
    alter table {s}.teams add constraint led foreign key (lead) references {s}.people; \
    create table {s}.a_logs (person int not null references {s}.people, line text); \
    create function {s}.stamp() returns trigger language plpgsql as $$ begin new.stamp := 'touched'; return new; end $$; \
    create trigger stamp before insert on {s}.people for each row execute function {s}.stamp();";

fn fleet() -> Fleet {
    let fleet = Fleet::new();
    fleet.init();
    fleet.database.sql(&format!("{} {}", TABLES.replace("{s}", "public"), TABLES.replace("{s}", "tenant_acme")));
    fleet.database.sql(
        "alter table public.people disable trigger stamp; \
         insert into public.teams (id, name) overriding system value values (7, 'seven'), (3, 'three'); \
         insert into public.people (team, boss, feels, stamp) select 3, nullif(n - 1, 0), 'happy', 'theirs' from generate_series(1, 40) n; \
         update public.teams set lead = 2 where id = 7; delete from public.people where id = 40; \
         insert into public.a_logs select id, 'x' from public.people; \
         create table public.attic (id int); \
         create view public.report as select count(*) from public.people; \
         select setval('public.teams_id_seq', 50)",
    );
    fleet
}

fn counts(fleet: &Fleet) -> String {
    fleet.database.value(
        "select (select count(*) from tenant_acme.teams) || ' ' || (select count(*) from tenant_acme.people) || ' ' \
         || (select count(*) from tenant_acme.a_logs)",
    )
}

const ALL: [&str; 6] = ["import", "acme", "--table", "teams,people,a_logs", "--json", "--yes"];

#[test]
fn rows_are_copied_with_keys_and_sequences_right() {
    let fleet = fleet();
    let dry = fleet.json(0, &["import", "acme", "--dry-run", "--json"]);
    let rows: Vec<_> =
        dry["tables"].as_array().expect("tables").iter().map(|t| (t["table"].clone(), t["rows"].clone())).collect();
    assert_eq!(rows.len(), 3, "what public and the tenant both have, and no ledger: {dry}");
    assert!(rows.contains(&(json!("people"), json!(39))) && dry["how"] == "copy", "{dry}");
    let notes = dry["notes"].to_string();
    for words in ["people.stamp", "views report", "functions stamp", "the tenant has no such table: attic"] {
        assert!(notes.contains(words), "{words} in {notes}");
    }
    assert_eq!(
        (counts(&fleet), fleet.database.value("select count(*) from tenantui.job")),
        ("0 0 0".into(), "0".into())
    );
    let refused = text(&fleet.expect(5, &["import", "acme"]).stderr);
    assert!(refused.contains("--yes") && refused.contains("ROWS IN PUBLIC"), "{refused}");
    let done = fleet.json(0, &ALL);
    let row = tenant(&done, "tenant", "acme");
    assert_eq!(
        (row["result"].as_str(), row["note"].as_str()),
        (Some("done"), Some("copied 3 tables, 80 rows")),
        "{done}"
    );
    assert_eq!((done["jobs"][0]["kind"].as_str(), counts(&fleet)), (Some("import"), "2 39 39".into()));
    // The same rows: nothing stamped them, and what is computed was computed.
    let same = "select not exists (select id, team, boss, feels::text, half, stamp from public.people except \
                select id, team, boss, feels::text, half, stamp from tenant_acme.people)";
    assert_eq!(fleet.database.value(same), "t");
    // The keys hold, and look as before.
    let keys = "select string_agg(conname || condeferrable::text || convalidated::text, ' ' order by conname) from pg_constraint \
                where connamespace = 'tenant_acme'::regnamespace and contype = 'f' and conrelid <> 'tenant_acme.notes'::regclass";
    assert_eq!(
        fleet.database.value(keys),
        "a_logs_person_fkeyfalsetrue ledfalsetrue people_boss_fkeyfalsetrue people_team_fkeyfalsetrue"
    );
    assert!(fleet.database.try_sql("insert into tenant_acme.a_logs values (4711)").is_err());
    // Sequences go on behind what came: behind the source's where that is further.
    let next = "insert into tenant_acme.teams (name) values ('new') returning id";
    assert_eq!(fleet.database.value(next), "51");
    let next = "insert into tenant_acme.people (team) values (3) returning id || stamp";
    assert_eq!(fleet.database.value(next), "41touched", "and the trigger fires again");
    assert_eq!(fleet.database.value("select count(*) from public.people"), "39", "public keeps its rows");
    let audit = "select (after->'rows'->>'people') || ' ' || (after->>'how') from tenantui.audit where action = 'import' and outcome = 'done'";
    assert_eq!(fleet.database.value(audit), "39 copy");
    // Once: nothing is mixed into what is there.
    let again = text(&fleet.expect(5, &ALL).stderr);
    assert!(again.contains("has 40 rows already") || again.contains("rows already"), "{again}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "1");
}

#[test]
fn what_does_not_fit_is_refused_with_every_reason() {
    let fleet = fleet();
    fleet.database.sql(
        "alter table tenant_acme.people alter stamp type varchar(5); alter table public.a_logs add column extra int; \
         insert into tenant_acme.teams (name) values ('there')",
    );
    let words = text(&fleet.expect(5, &["import", "acme", "--dry-run"]).stderr);
    // Each reason has a line of its own.
    for wanted in [
        "people.stamp is text in public and character varying(5) in the tenant: the types differ",
        "a_logs.extra is in public and not in the tenant: its values would be lost",
    ] {
        assert!(words.lines().any(|line| line == wanted), "{wanted} in {words}");
    }
    let words = text(&fleet.expect(5, &["import", "acme", "--table", "teams", "--dry-run"]).stderr);
    assert!(words.contains("teams has 1 row already"), "{words}");
    let words = text(&fleet.expect(5, &["import", "acme", "--table", "nowhere", "--dry-run"]).stderr);
    assert!(words.contains("no table public.nowhere"), "{words}");
    let nobodys = ["import", "acme", "--table", "schema_migrations,tenants", "--dry-run"];
    let words = text(&fleet.expect(2, &nobodys).stderr);
    assert!(words.contains("schema_migrations is no tenant's data (a ledger)\n"), "{words}");
    assert!(words.contains("tenants is no tenant's data (the registry)"), "{words}");
    fleet.expect(1, &["import", "nobody", "--dry-run"]);
    fleet.expect(5, &["import", "gone", "--dry-run"]);
    fleet.expect(2, &["import", "acme", "--move", "--dry-run"]);
}

/// A table's rows are its own, not those of the tables that inherit from it: they would come twice.
#[test]
fn tables_that_inherit_bring_each_row_once() {
    let fleet = fleet();
    for schema in ["public", "tenant_acme"] {
        fleet.database.sql(&format!(
            "create table {schema}.base (id int); create table {schema}.derived (more text) inherits ({schema}.base)"
        ));
    }
    fleet.database.sql("insert into public.base values (1); insert into public.derived values (2, 'x'), (3, 'y')");
    let words = ["import", "acme", "--table", "base,derived", "--json"];
    let dry = fleet.json(0, &[&words[..], &["--dry-run"]].concat());
    let rows: Vec<_> = dry["tables"].as_array().expect("tables").iter().map(|table| table["rows"].clone()).collect();
    assert_eq!(rows, [json!(1), json!(2)], "{dry}");
    fleet.expect(0, &[&words[..], &["--yes"]].concat());
    let there =
        "select (select count(*) from only tenant_acme.base) || ' ' || (select count(*) from tenant_acme.derived)";
    assert_eq!(fleet.database.value(there), "1 2");
}

/// Counted before and after, rows that a policy hides would be missing without a word.
#[test]
fn rows_that_a_policy_hides_are_not_left_behind_in_silence() {
    let fleet = fleet();
    let role = pg().role("importer");
    fleet.database.sql(&format!(
        "grant usage on schema tenantui, tenant_acme to {role}; grant all on all tables in schema tenantui, tenant_acme, public to {role}; \
         alter table public.people enable row level security; create policy few on public.people using (id < 10);"
    ));
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&role)));
    let words = text(&fleet.expect(5, &["import", "acme", "--table", "teams,people,a_logs", "--dry-run"]).stderr);
    assert!(words.contains("people") && words.contains("row-level security") && words.contains("BYPASSRLS"), "{words}");
    fleet.database.sql(&format!("alter role {role} bypassrls"));
    let dry = fleet.json(0, &["import", "acme", "--table", "teams,people,a_logs", "--dry-run", "--json"]);
    assert!(dry["tables"].as_array().expect("tables").iter().any(|table| table["rows"] == json!(39)), "{dry}");
}

#[test]
fn a_failure_in_the_middle_leaves_everything_where_it_was() {
    let fleet = fleet();
    // The last table of the order does not take its rows.
    fleet.database.sql("alter table tenant_acme.a_logs add constraint short check (line <> 'x')");
    let done = fleet.json(1, &ALL);
    let row = tenant(&done, "tenant", "acme");
    assert_eq!((row["result"].as_str(), row["sqlstate"].as_str()), (Some("failed"), Some("23514")), "{done}");
    assert_eq!(counts(&fleet), "0 0 0");
    assert_eq!(
        fleet.database.value(
            "select tgenabled from pg_trigger where tgrelid = 'tenant_acme.people'::regclass and tgname = 'stamp'"
        ),
        "O"
    );
    fleet.database.sql("alter table tenant_acme.a_logs drop constraint short");
    let id = done["jobs"][0]["id"].to_string();
    fleet.json(0, &["job", &id, "retry", "--yes", "--json"]);
    assert_eq!(counts(&fleet), "2 39 39");
}

/// A circle whose keys may be deferred, and are not by themselves: it needs no other order, and is checked all the same.
#[test]
fn a_circle_that_is_deferrable_is_checked_at_the_end() {
    let fleet = Fleet::new();
    fleet.init();
    for schema in ["public", "tenant_acme"] {
        fleet.database.sql(&format!(
            "create table {schema}.hens (id int primary key, egg int); create table {schema}.eggs (id int primary key, hen int); \
             alter table {schema}.eggs add constraint laid foreign key (hen) references {schema}.hens deferrable initially immediate"
        ));
    }
    let hatched = "alter table SCHEMA.hens add constraint hatched foreign key (egg) references SCHEMA.eggs deferrable initially immediate";
    fleet.database.sql(&hatched.replace("SCHEMA", "tenant_acme"));
    fleet.database.sql("insert into public.hens values (1, 1), (2, 7); insert into public.eggs values (1, 1)");
    let order = ["import", "acme", "--table", "hens,eggs", "--json", "--yes"];
    // There is no egg 7: its step says so, and no COMMIT is tried.
    let done = fleet.json(1, &order);
    let row = tenant(&done, "tenant", "acme");
    assert_eq!((row["result"].as_str(), row["sqlstate"].as_str()), (Some("failed"), Some("23503")), "{done}");
    let message = row["message"].as_str().unwrap_or_default();
    assert!(message.contains("hatched") && !message.contains("COMMIT"), "{done}");
    let id = done["jobs"][0]["id"].to_string();
    fleet.database.sql("insert into public.eggs values (7, 2)");
    fleet.json(0, &["job", &id, "retry", "--yes", "--json"]);
    let there = "select (select count(*) from tenant_acme.hens) || ' ' || (select count(*) from tenant_acme.eggs)";
    assert_eq!(fleet.database.value(there), "2 2");
    let keys = "select string_agg(conname || condeferrable::text || condeferred::text, ' ' order by conname) from pg_constraint \
                where connamespace = 'tenant_acme'::regnamespace and contype = 'f'";
    assert_eq!(fleet.database.value(keys), "hatchedtruefalse laidtruefalse");
}

/// One that counts down, one that no column owns, one for two tables, one whose values are words, rows out of its bounds.
#[test]
fn sequences_of_every_kind_go_on_behind_what_came() {
    let fleet = Fleet::new();
    fleet.init();
    for schema in ["public", "tenant_acme"] {
        fleet.database.sql(&format!(
            "set search_path = {schema}; create sequence shared; create sequence words; \
             create table downs (id int generated by default as identity (increment -1), body text); \
             create table ones (id int default nextval('shared'), body text); create table twos (id int default nextval('shared'), body text); \
             create table worded (code text default 'c' || nextval('words'), body text); alter sequence words owned by worded.code; \
             create table below (id serial, body text)"
        ));
    }
    fleet.database.sql(
        "insert into public.downs (body) select 'x' from generate_series(1, 5); insert into public.downs (id) values (9); \
         insert into public.ones (id) values (70); insert into public.twos (body) values ('x'), ('y'); \
         insert into public.worded (body) values ('x'), ('y'); insert into public.below (id) values (-3)",
    );
    let done = fleet.json(0, &["import", "acme", "--table", "downs,ones,twos,worded,below", "--json", "--yes"]);
    assert_eq!(tenant(&done, "tenant", "acme")["note"], "copied 5 tables, 12 rows", "{done}");
    for (table, column, wanted) in [
        ("downs", "id", "-6"),
        ("ones", "id", "71"),
        ("twos", "id", "72"),
        ("worded", "code", "c3"),
        ("below", "id", "1"),
    ] {
        let next = format!("insert into tenant_acme.{table} (body) values ('new') returning {column}");
        assert_eq!(fleet.database.value(&next), wanted, "{table}");
    }
}

#[test]
fn a_sequence_of_no_column_moves_with_all_that_count_by_it_or_is_told() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.database.sql(
        "set search_path = public; create sequence numbers; create sequence shared; \
         create table ones (id int default nextval('numbers'), other int default nextval('shared')); \
         create table twos (id int default nextval('numbers')); create table stays (id int default nextval('shared')); \
         insert into ones default values; insert into twos default values",
    );
    let notes = |tables: &str| {
        let dry = fleet.json(0, &["import", "acme", "--move", "--table", tables, "--dry-run", "--json"]);
        dry["notes"].to_string()
    };
    let told = notes("ones");
    assert!(told.contains("numbers stays in public") && told.contains("twos uses it too"), "{told}");
    let told = notes("ones,twos");
    assert!(told.contains("count by move too: numbers") && told.contains("shared stays in public"), "{told}");
    assert!(told.contains("stays uses it too"), "{told}");
    fleet.database.sql("create sequence tenant_acme.numbers");
    let order = ["import", "acme", "--move", "--table", "ones,twos", "--yes", "--json"];
    let words = text(&fleet.expect(5, &order).stderr);
    assert!(words.contains("the tenant has numbers already"), "{words}");
    fleet.database.sql("drop sequence tenant_acme.numbers");
    fleet.json(0, &order);
    let places = "select to_regclass('tenant_acme.numbers') is not null and to_regclass('public.numbers') is null \
                  and to_regclass('public.shared') is not null";
    assert_eq!(fleet.database.value(places), "t");
    assert_eq!(fleet.database.value("insert into tenant_acme.ones default values returning id || ' ' || other"), "3 2");
    assert_eq!(fleet.database.value("insert into public.stays default values returning id"), "3");
}

/// Between plan and run the tables changed: what was confirmed is not what would be done.
#[test]
fn a_plan_that_is_old_is_not_carried_out() {
    let fleet = fleet();
    fleet.database.sql("alter table tenant_acme.a_logs add constraint short check (line <> 'x')");
    let done = fleet.json(1, &ALL);
    let id = done["jobs"][0]["id"].to_string();
    fleet.database.sql(
        "alter table tenant_acme.a_logs drop constraint short; alter table tenant_acme.a_logs add column late int",
    );
    fleet.database.sql("alter table public.a_logs add column late int");
    let late = fleet.json(4, &["job", &id, "retry", "--yes", "--json"]);
    let row = tenant(&late, "tenant", "acme");
    assert!(row["message"].as_str().is_some_and(|words| words.contains("Make a new plan")), "{late}");
    assert_eq!(counts(&fleet), "0 0 0");
}

#[test]
fn tables_are_moved_with_what_is_theirs_and_not_from_under_others() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.database.sql(&TABLES.replace("{s}", "public"));
    fleet.database.sql(
        "insert into public.teams (name) values ('a'), ('b'); insert into public.people (team) values (1), (2); \
         insert into public.a_logs values (1, 'x'); create view public.report as select count(*) from public.people",
    );
    let order = ["import", "acme", "--move", "--table", "teams,people", "--yes", "--json"];
    let words = text(&fleet.expect(5, &order).stderr);
    assert!(words.contains("depends on the tables") && words.contains("report") && words.contains("a_logs"), "{words}");
    fleet.database.sql("drop view public.report");
    let order = ["import", "acme", "--move", "--table", "teams,people,a_logs", "--yes", "--json"];
    let done = fleet.json(0, &order);
    assert_eq!(tenant(&done, "tenant", "acme")["note"], "moved 3 tables, 5 rows", "{done}");
    assert_eq!(counts(&fleet), "2 2 1");
    assert_eq!(
        fleet.database.value(
            "select to_regclass('public.teams') is null and to_regclass('tenant_acme.people_id_seq') is not null"
        ),
        "t"
    );
    assert_eq!(fleet.database.value("insert into tenant_acme.people (team) values (1) returning id"), "3");
    let words = text(&fleet.expect(5, &["import", "acme", "--move", "--table", "teams", "--dry-run"]).stderr);
    assert!(words.contains("no table public.teams"), "{words}");
}

#[test]
fn a_partition_is_told_to_come_with_its_table() {
    let fleet = fleet();
    fleet.database.sql(
        "create table public.visits (id int) partition by range (id); \
         create table public.visits_1 partition of public.visits for values from (0) to (10) partition by range (id); \
         create table public.visits_1a partition of public.visits_1 for values from (0) to (5); \
         create schema attic; create table attic.old (id int) partition by range (id); \
         create table public.old_1 partition of attic.old for values from (0) to (10); \
         create table tenant_acme.visits (id int); insert into public.visits values (1), (2)",
    );
    for (table, how, wanted) in [
        ("visits_1", None, "public.visits_1 is a partition of public.visits: name that, it comes with it"),
        ("visits_1a", None, "public.visits_1a is a partition of public.visits: name that, it comes with it"),
        ("visits_1a", Some("--move"), "public.visits_1a is a partition of public.visits: such tables are not moved"),
        ("old_1", None, "public.old_1 is a partition of attic.old, which is not in public"),
        ("nothing", None, "there is no table public.nothing"),
    ] {
        let arguments: Vec<&str> = ["import", "acme", "--table", table, "--dry-run"].into_iter().chain(how).collect();
        let words = text(&fleet.expect(5, &arguments).stderr);
        assert!(words.contains(wanted), "{wanted} in {words}");
    }
    fleet.expect(0, &["import", "acme", "--table", "visits", "--yes"]);
    assert_eq!(fleet.database.value("select count(*) from tenant_acme.visits"), "2");
}

/// A lock of somebody else is no riddle: what is locked, and by whom.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_somebody_has_locked_is_named_with_who_it_is() {
    let fleet = fleet();
    let holder = fleet.database.connect().await;
    let hold = async |sql: &str| holder.batch_execute(sql).await.expect("it holds");
    hold("set application_name = 'the migration'").await;
    hold("begin; lock table public.people in access exclusive mode").await;
    let words = text(&fleet.expect(5, &["import", "acme", "--dry-run"]).stderr);
    assert!(words.contains("public.people is locked by pid") && words.contains("(the migration)  idle in"), "{words}");
    hold("rollback; begin; lock table tenant_acme.teams in access exclusive mode").await;
    let words = text(&fleet.expect(5, &["import", "acme", "--dry-run"]).stderr);
    assert!(words.contains("tenant_acme.teams is locked by pid") && words.contains("try again"), "{words}");
    // What may be read while it is written is planned, and not run.
    hold("rollback; begin; delete from public.a_logs where false").await;
    let run = tokio::task::spawn_blocking(move || {
        (text(&fleet.expect(0, &ALL[..4].iter().chain(&["--yes"]).copied().collect::<Vec<_>>()).stderr), fleet)
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    hold("rollback").await;
    let (words, fleet) = run.await.expect("it ends");
    assert!(words.contains("lock timeout: public.a_logs is locked by pid"), "{words}");
    assert!(words.contains("(the migration)  idle in transaction"), "{words}");
    assert_eq!(counts(&fleet), "2 39 39");
}
