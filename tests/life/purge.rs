//! Purge on a server with a small lock table: nobody else runs out of locks, and a kill loses nothing.

use std::time::Duration;

use tenantui::demo::servers::{PostgresOptions, RedisOptions};

use super::Place;
use crate::cli::text;
use crate::faults::count;
use crate::support::victim::{Aim, End, Victim};
use crate::support::{PgHandle, own_pg, own_redis, pg, redis, setting, tcp, wait_until};

/// A server whose lock table has room for 64 * 40 locks.
fn small() -> PgHandle {
    let settings = [("max_locks_per_transaction", "32"), ("max_connections", "40"), ("max_prepared_transactions", "0")];
    let settings = settings.iter().map(|(name, value)| setting(name, value)).collect();
    own_pg(PostgresOptions { settings, ..tcp() })
}

/// Makes tables, each with a key, text and an index, so many at a time that making them fits the lock table.
fn tables(place: &Place, schema: &str, count: usize) {
    let mut from = 1;
    while from <= count {
        let to = (from + 99).min(count);
        place.db.sql(&format!(
            "do $$ begin for i in {from}..{to} loop execute format('create table {schema}.big_%s (id serial primary key, note text)', i); \
             execute format('create index on {schema}.big_%s (note)', i); end loop; end $$"
        ));
        from = to + 1;
    }
}

/// The greatest number of locks that a transaction of the purge held, by its own audit.
fn most_locks(place: &Place) -> u64 {
    place
        .db
        .value("select max((after->>'locks')::int) from tenantui.audit where action = 'purge' and outcome = 'part'")
        .parse()
        .expect("a number")
}

/// Runs a command while others take as many locks as one transaction may on average, again and again: how it ended, and
/// how often they got them beside it.
fn beside(place: &Place, arguments: &[&str]) -> (End, usize, usize) {
    let config = place.config().display().to_string();
    let mut victim = Victim::start(place.home(), &[&["--config", &config], arguments].concat(), &[], &Aim::default());
    let locks: Vec<String> = (0..64).map(|n| format!("lock table app_{n} in access exclusive mode")).collect();
    let other = format!("begin; {}; rollback", locks.join("; "));
    let (mut rounds, mut beside) = (0, 0);
    while victim.is_running() {
        place.db.try_sql(&other).expect("another session gets its locks");
        rounds += 1;
        beside += usize::from(victim.is_running());
    }
    (victim.wait(Duration::from_secs(300)), rounds, beside)
}

/// `scripts/faults` does it with five thousand tables; what matters is that they are more than the lock table holds.
#[test]
fn thousands_of_tables_go_while_everybody_else_gets_their_locks() {
    let server = small();
    let place = Place::on(&server, "life_big");
    tables(&place, "tenant_globex", count("purged_tables", 600));
    // What makes a plain drop fail: the whole at once does not fit.
    let plain = place.db.try_sql("begin; drop schema tenant_globex cascade; rollback").expect_err("it does not fit");
    assert!(plain.starts_with("53200"), "{plain}");
    // Its locks are given back behind its answer; until then the question itself may find the table full.
    wait_until(Duration::from_secs(20), "the locks of the drop that failed", || {
        let few = place.db.try_sql("select count(*) < 100 from pg_locks");
        few.is_ok_and(|rows| rows[0][0].as_deref() == Some("t"))
    });
    // One table alone that takes more along than a transaction may.
    place.db.sql(
        "create table tenant_globex.wide (id int primary key, note text); do $$ begin for i in 1..300 loop \
         execute format('create index wide_%s on tenant_globex.wide (note)', i); end loop; end $$",
    );
    // Foreign keys, a partitioned table, views, functions, types, an identity: all of it goes.
    place.db.sql(
        "create table tenant_globex.parted (id int, day date) partition by range (day); \
         create table tenant_globex.hub (id int generated always as identity primary key); \
         create type tenant_globex.colour as enum ('red'); create domain tenant_globex.mail as text; \
         create function tenant_globex.f(int) returns int language sql immutable as 'select $1'; \
         create procedure tenant_globex.p() language sql as 'select 1'; create aggregate tenant_globex.s(int) (sfunc = int4pl, stype = int); \
         create sequence tenant_globex.alone; create view tenant_globex.v as select tenant_globex.f(id) from tenant_globex.hub; \
         create materialized view tenant_globex.mv as select * from tenant_globex.v; \
         create statistics tenant_globex.st on id, day from tenant_globex.parted; \
         create operator tenant_globex.=== (leftarg = int, rightarg = int, procedure = int4eq); \
         create text search configuration tenant_globex.ts (copy = pg_catalog.simple); create collation tenant_globex.co from \"C\"; \
         alter default privileges in schema tenant_globex grant select on tables to public",
    );
    for number in 0..40 {
        place.db.sql(&format!(
            "create table tenant_globex.parted_{number} partition of tenant_globex.parted for values from \
             (date '2026-01-01' + {number}) to (date '2026-01-02' + {number}); \
             create table tenant_globex.spoke_{number} (hub int references tenant_globex.hub, c tenant_globex.colour)"
        ));
    }
    let many: Vec<String> = (0..64).map(|n| format!("create table app_{n} (id int)")).collect();
    place.db.sql(&many.join("; "));
    // Reading it, measuring it, planning what becomes of it: all of it leaves everybody their locks.
    tables(&place, "public", 300);
    for (status, arguments, words) in [
        (0, &["tenant", "globex", "--json"][..], "big_50"),
        (0, &["tenants", "--exact", "--json"], "tenant_globex"),
        (0, &["doctor", "--json"], "layout"),
        (0, &["drop", "globex", "--dry-run", "--json"], "zz_dropped"),
        (0, &["repair", "--json"], "repairs"),
        // One transaction that would hold them all at once is not begun.
        (5, &["import", "globex", "--yes"], "more than half of the server's 1,280"),
    ] {
        let (end, rounds, _) = beside(&place, arguments);
        assert_eq!(end.code, Some(status), "{arguments:?}: {}", end.err);
        assert!(end.out.contains(words) || end.err.contains(words), "{arguments:?}: {} {}", end.out, end.err);
        assert!(rounds > 0 && !end.err.contains("53200"), "{arguments:?}: {}", end.err);
    }
    let trash = place.drop("globex", "tenant_globex");
    assert_eq!(place.db.value("select count(*) from tenantui.audit where action = 'drop' and outcome = 'done'"), "1");
    let (end, rounds, beside) = beside(&place, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert!(rounds > 5 && beside > 3, "only {rounds} rounds beside it");
    assert_eq!(place.schemas(), "tenant_acme,tenant_hooli");
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'globex'"), "0");
    assert!(most_locks(&place) <= 128, "{} locks of 1,280", most_locks(&place));
    assert!(end.err.contains("locks of 1,280"), "{}", end.err);
    let steps = place.db.value(
        "select string_agg(after->>'step', ' ' order by id) from tenantui.audit where action = 'purge' and outcome = 'done'",
    );
    assert_eq!(steps, "objects forget");
    let row = place.audit("purge").pop().expect("the row").1;
    assert_eq!((row["row"]["slug"].as_str(), row["row"]["status"].as_str()), (Some("globex"), Some("deleted")));
    assert!(!row["row"].to_string().contains("settings"));
    println!("{trash}: {rounds} rounds, at most {} locks", most_locks(&place));
}

/// An import holds all its locks to its end: what others hold already is not left out of account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_not_begun_where_others_hold_the_locks() {
    let server = small();
    let place = Place::on(&server, "life_room");
    for schema in ["public", "tenant_globex"] {
        place.db.sql(&format!(
            "do $$ begin for i in 1..10 loop execute format('create table {schema}.room_%s (id int primary key)', i); end loop; end $$"
        ));
    }
    let other = place.db.connect().await;
    let hold = "begin; select pg_advisory_xact_lock(n) from generate_series(1, 1265) as n";
    other.batch_execute(hold).await.expect("held");
    let words = place.words(5, &["import", "globex", "--yes"]);
    assert!(words.contains("that others hold now, of the server's 1,280"), "{words}");
    other.batch_execute("rollback").await.expect("let go");
    // One that is carried out later looks again.
    place.db.sql(
        "insert into public.room_1 values (0); alter table tenant_globex.room_1 add constraint odd check (id > 0)",
    );
    place.expect(1, &["import", "globex", "--yes"]);
    place.db.sql("alter table tenant_globex.room_1 drop constraint odd");
    let job = place.db.value("select max(id) from tenantui.job");
    other.batch_execute(hold).await.expect("held");
    let end = place.run(&["job", &job, "retry", "--yes"]);
    let words = text(&end.stdout) + &text(&end.stderr);
    assert!(!end.status.success() && words.contains("that others hold now, of the server's 1,280"), "{words}");
    other.batch_execute("rollback").await.expect("let go");
    place.expect(0, &["job", &job, "retry", "--yes"]);
    assert_eq!(place.db.value("select count(*) from tenant_globex.room_1"), "1");
}

/// What looks small and takes much along: a table under views, a function that triggers call, an extension.
#[test]
fn what_hangs_on_views_functions_and_extensions_goes_in_parts_too() {
    let server = small();
    let place = Place::on(&server, "life_hung");
    place.db.sql(
        "create table tenant_globex.base (i int); create view tenant_globex.a as select * from tenant_globex.base; \
         create view tenant_globex.b as select * from tenant_globex.a; \
         create function tenant_globex.touch() returns trigger language plpgsql as 'begin return new; end'; \
         do $$ begin for i in 1..60 loop \
         execute format('create view tenant_globex.v%s as select * from tenant_globex.b', i); end loop; \
         create view tenant_globex.c0 as select * from tenant_globex.a; for i in 1..80 loop \
         execute format('create view tenant_globex.c%s as select * from tenant_globex.c%s', i, i - 1); end loop; end $$",
    );
    // Two triggers each: more than half of the lock table hangs on the one function.
    tables(&place, "tenant_globex", 330);
    for half in [(1, 165), (166, 330)] {
        place.db.sql(&format!(
            "do $$ begin for i in {}..{} loop for n in 1..2 loop execute format('create trigger t%s before update on \
             tenant_globex.big_%s for each row execute function tenant_globex.touch()', n, i); end loop; end loop; end $$",
            half.0, half.1
        ));
    }
    // A table of many columns that count by sequences of their own.
    let columns: Vec<String> =
        (0..200).map(|n| format!("s{n} serial, i{n} int generated always as identity")).collect();
    place.db.sql(&format!("create table tenant_globex.counts ({})", columns.join(", ")));
    place.db.sql("create extension hstore schema tenant_globex");
    let own = ["--dependant", "extension hstore"];
    place.expect(0, &[&["drop", "globex", "--confirm", "tenant_globex", "--yes"], &own[..]].concat());
    let end = place.expect(0, &[&["purge", "globex", "--confirm", "tenant_globex", "--yes"], &own[..]].concat());
    assert_eq!(place.schemas(), "tenant_acme,tenant_hooli", "{}", text(&end.stderr));
    assert_eq!(place.db.value("select count(*) from pg_extension where extname = 'hstore'"), "0");
    let parts =
        place.db.value("select string_agg(after::text, E'\\n' order by id) from tenantui.audit where outcome = 'part'");
    assert!(most_locks(&place) <= 128, "{} locks of 1,280: {parts}", most_locks(&place));
}

/// A foreign key to a table of many partitions is one of each of them: it cannot go in less, and would leave nobody a lock.
#[test]
fn what_cannot_go_in_less_than_half_of_the_locks_is_named_and_left() {
    let server = small();
    let place = Place::on(&server, "life_whole");
    place.db.sql("create table tenant_globex.parts (a int primary key) partition by list (a)");
    for from in [0, 50, 100, 150] {
        place.db.sql(&format!(
            "do $$ begin for i in {from}..{from} + 49 loop execute format('create table tenant_globex.part_%s \
             partition of tenant_globex.parts for values in (%s)', i, i); end loop; end $$"
        ));
    }
    place.db.sql("create table tenant_globex.ref (a int references tenant_globex.parts)");
    let trash = place.drop("globex", "tenant_globex");
    let end = place.run(&["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    let words = text(&end.stdout) + &text(&end.stderr);
    assert!(!end.status.success() && words.contains("ref_a_fkey of"), "{words}");
    assert!(words.contains("more than half of the server's 1,280 locks: raise max_locks_per_transaction"), "{words}");
    assert!(most_locks(&place) <= 128, "{} locks of 1,280", most_locks(&place));
    place.db.sql(&format!("alter table {trash}.ref drop constraint ref_a_fkey"));
    let job = place.db.value("select max(id) from tenantui.job");
    place.expect(0, &["job", &job, "retry", "--yes"]);
    assert_eq!(place.schemas(), "tenant_acme,tenant_hooli");
    assert!(most_locks(&place) <= 128, "{} locks of 1,280", most_locks(&place));
}

/// A role that owns the schema may drop in it what another role made, and may not lock it.
#[test]
fn a_table_of_another_role_goes_with_the_schema_of_ours() {
    let place = Place::new("life_theirs");
    let (ours, theirs) = (pg().role("ours"), pg().role("theirs"));
    place.db.sql(&format!(
        "grant create on database {db} to {ours}; grant all on all tables in schema public, tenantui to {ours}; \
         grant all on all sequences in schema tenantui to {ours}; grant usage on schema tenantui to {ours}; \
         alter schema tenant_globex owner to {ours}; grant usage, create on schema tenant_globex to {theirs}; \
         set role {theirs}; create table tenant_globex.hub (id int primary key); \
         create table tenant_globex.spoke (hub int references tenant_globex.hub); \
         create view tenant_globex.seen as select * from tenant_globex.hub; reset role",
        db = place.db.name
    ));
    place.configure_as(&ours, "development", "");
    place.drop("globex", "tenant_globex");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(place.schemas(), "tenant_acme,tenant_hooli");
}

#[test]
fn killed_in_the_middle_it_goes_on_where_it_was() {
    let server = small();
    let place = Place::on(&server, "life_kill");
    tables(&place, "tenant_globex", 300);
    let trash = place.drop("globex", "tenant_globex");
    let config = place.config().display().to_string();
    let purge = ["--config", &config, "purge", "globex", "--confirm", "tenant_globex", "--yes"];
    let parts = || -> u64 {
        let sql = "select count(*) from tenantui.audit where action = 'purge' and outcome = 'part'";
        place.db.value(sql).parse().expect("a number")
    };
    let mut arguments: Vec<String> = purge.iter().map(|word| (*word).to_owned()).collect();
    let mut kills = 0;
    for target in [1, 9, 18] {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let victim = Victim::start(place.home(), &words, &[], &Aim::default());
        wait_until(Duration::from_secs(60), "a part of the purge", || parts() >= target);
        if victim.kill().killed {
            kills += 1;
        }
        let job = place.db.value("select max(id) from tenantui.job");
        // Nobody goes on with it unasked.
        assert_eq!(place.db.value(&format!("select state from tenantui.job where id = {job}")), "running");
        place.expect(0, &["worker", "--drain"]);
        assert_eq!(place.db.value(&format!("select count(*) from pg_namespace where nspname = '{trash}'")), "1");
        arguments =
            ["--config", &config, "job", &job, "resume", "--yes"].iter().map(|word| (*word).to_owned()).collect();
    }
    assert_eq!(kills, 3);
    // What is gone in part does not come back.
    assert!(place.words(5, &["undrop", "globex", "--yes"]).contains("its purge has begun"));
    assert_eq!(place.json(0, &["purge", "--json"])["trash"][0]["can_undrop"], false);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let end = Victim::start(place.home(), &words, &[], &Aim::default()).wait(Duration::from_secs(120));
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(place.schemas(), "tenant_acme,tenant_hooli");
    assert_eq!(place.db.value("select string_agg(state, ',') from tenantui.job where kind = 'purge'"), "done");
    // Every object was counted once.
    let objects =
        "select sum((after->>'objects')::int) from tenantui.audit where action = 'purge' and outcome = 'part'";
    assert_eq!(place.db.value(objects), "302");
}

#[test]
fn once_another_worker_has_it_nothing_more_is_removed() {
    let place = Place::new("life_taken");
    tables(&place, "tenant_globex", 300);
    let trash = place.drop("globex", "tenant_globex");
    let parts = "select count(*) from tenantui.audit where action = 'purge' and outcome = 'part'";
    let parts = || -> u64 { place.db.value(parts).parse().expect("a number") };
    let config = place.config().display().to_string();
    let purge = ["--config", &config, "purge", "globex", "--confirm", "tenant_globex", "--yes"];
    let victim = Victim::start(place.home(), &purge, &[], &Aim::default());
    wait_until(Duration::from_secs(60), "a part of the purge", || parts() >= 1);
    place.db.sql("update tenantui.job set attempt = attempt + 1 where kind = 'purge'");
    let taken_at = parts();
    let end = victim.wait(Duration::from_secs(60));
    assert_ne!(end.code, Some(0), "{}", end.err);
    // One transaction may have been past its fence.
    assert!(parts() <= taken_at + 1, "{} parts, and {taken_at} when it was taken over", parts());
    assert_eq!(place.db.value(&format!("select count(*) from pg_namespace where nspname = '{trash}'")), "1");
    assert_eq!(place.db.value("select state from tenantui.job where kind = 'purge'"), "running", "it is the other's");
}

#[test]
fn cache_keys_go_behind_the_schema_and_before_the_row() {
    let place = Place::new("life_cache");
    let url = redis().database();
    place.configure(&format!("[database.cache]\nurl = \"{url}\""));
    let mut keys = redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).expect("Redis");
    let mut pipe = redis::pipe();
    for key in [
        "tenant:2:a",
        "tenant:globex:b",
        "tenant:globex",
        "tenant:tenant_globex:c",
        "tenant:1:a",
        "tenant:22:x",
        "other",
    ] {
        pipe.cmd("SET").arg(key).arg("x").ignore();
    }
    pipe.exec(&mut keys).expect("filled");
    place.drop("globex", "tenant_globex");
    let size = |keys: &mut redis::Connection| redis::cmd("DBSIZE").query::<i64>(keys).expect("a size");
    assert_eq!(size(&mut keys), 7, "kept until the purge");
    place.expect(0, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert_eq!(size(&mut keys), 3);
    let steps = "select string_agg(after->>'step', ' ' order by id) from tenantui.audit where action = 'purge' and outcome = 'done'";
    assert_eq!(place.db.value(steps), "objects keys forget");
    assert_eq!(place.audit("purge")[1].2["keys"], 4);
}

#[test]
fn a_cache_that_is_away_stops_it_before_the_row_and_a_retry_goes_on() {
    let place = Place::new("life_cache");
    let mut server = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    place.configure(&format!("[database.cache]\nurl = \"redis://:sesame@127.0.0.1:{}/0\"", server.server.port()));
    place.drop("globex", "tenant_globex");
    server.server.stop();
    let output = place.expect(1, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(text(&output.stdout).contains("no cache server") && !text(&output.stderr).contains("sesame"));
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'globex'"), "1");
    let job = place.db.value("select max(id) from tenantui.job");
    assert_eq!(
        place.db.value(&format!("select string_agg(state, ',' order by seq) from tenantui.step where job_id = {job}")),
        "done,failed,pending"
    );
    // Whoever looks for it is told how it goes on.
    let retry = format!("`tenantui job {job} retry`");
    let words = place.words(5, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains(&retry) && !words.contains("puts it there first"), "{words}");
    for list in ["tenant globex --json", "repair --json"] {
        let list: Vec<&str> = list.split(' ').collect();
        let document = place.json(0, &list);
        assert!(document.to_string().contains(&retry), "{document:#}");
    }
    let back = own_redis(RedisOptions { tcp_port: Some(0), ..RedisOptions::default() });
    place.configure(&format!("[database.cache]\nurl = \"redis://127.0.0.1:{}/0\"", back.server.port()));
    place.expect(0, &["job", &job, "retry", "--yes"]);
    assert_eq!(place.db.value("select count(*) from public.tenants where slug = 'globex'"), "0");
}

#[test]
fn what_was_made_anew_under_the_old_name_is_not_taken_along() {
    let place = Place::new("life_anew");
    let trash = place.drop("globex", "tenant_globex");
    place.db.sql(
        "create schema tenant_globex; create table tenant_globex.mine (id int); \
         update public.tenants set status = 'active', deleted_at = null where slug = 'globex'",
    );
    let plan = place.json(0, &["purge", &trash, "--dry-run", "--json"]);
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(1), "{plan}");
    place.expect(0, &["purge", &trash, "--confirm", &trash, "--yes"]);
    assert_eq!(
        (place.row("globex"), place.schemas()),
        ("Globex|active".into(), "tenant_acme,tenant_globex,tenant_hooli".into())
    );
}

#[test]
fn only_what_is_in_the_trash_is_ever_purged() {
    let place = Place::new("life_only");
    assert!(place.words(5, &["purge", "globex", "--confirm", "tenant_globex", "--yes"]).contains("drop"));
    place.expect(1, &["purge", "nobody", "--confirm", "nobody", "--yes"]);
    let trash = place.drop("globex", "tenant_globex");
    assert!(place.words(5, &["purge", "globex", "--yes"]).contains("--confirm tenant_globex"));
    place.expect(5, &["purge", "globex", "--confirm", "tenant_acme", "--yes"]);
    // A record that was changed to lead to another schema is not run.
    place.db.sql("alter table tenantui.job disable trigger all; alter table tenantui.step disable trigger all");
    place.expect(0, &["purge", "globex", "--dry-run"]);
    let oid = place.db.value("select 'tenant_acme'::regnamespace::oid");
    place.db.sql(&format!(
        "insert into tenantui.job (kind, scope, what, params, plan_sha256, idempotency_key, active_scope, app_version, database_oid) \
         select 'purge', scope, what, params, plan_sha256, gen_random_uuid(), scope, app_version, database_oid from tenantui.job where kind = 'drop'; \
         insert into tenantui.step (job_id, seq, action, tenant_key, slug, schema_name, schema_oid) \
         select max(id), 1, 'objects', 'r:1', 'acme', 'tenant_acme', {oid} from tenantui.job"
    ));
    let job = place.db.value("select max(id) from tenantui.job");
    assert!(place.words(5, &["job", &job, "resume", "--yes"]).contains("not what was confirmed"));
    assert_eq!(place.schemas(), format!("tenant_acme,tenant_hooli,{trash}"));
}
