use proptest::prelude::*;

use super::*;
use crate::migrations::split;

fn rules(sql: &str) -> Vec<(&'static str, bool, u32)> {
    found(sql, true).into_iter().map(|finding| (finding.rule, finding.refuses, finding.line)).collect()
}

fn found(sql: &str, transactional: bool) -> Vec<Finding> {
    check(sql, &split::whole(sql), transactional)
}

#[test]
fn a_block_that_commits_is_refused_inside_of_a_transaction_only() {
    let sql = "do $$ begin update t set a = 1; commit; end $$";
    assert!(rules(sql).contains(&("transaction-control", true, 1)), "{:?}", rules(sql));
    let alone = found(sql, false);
    assert!(alone.iter().all(|finding| !finding.refuses), "rows are changed batch by batch so: {alone:?}");
}

#[test]
fn transaction_control_is_refused_as_a_statement_only() {
    for sql in [
        "COMMIT",
        "begin;",
        "start transaction",
        "END",
        "rollback to savepoint a",
        "SAVEPOINT a",
        "release a",
        "abort",
        "prepare transaction 'x'",
        "set transaction isolation level serializable",
        "select 1;/**/commit",
        "select 1; -- a\rCOMMIT",
        "select '\\'; commit; --'",
    ] {
        assert_eq!(rules(sql).first().map(|found| (found.0, found.1)), Some(("transaction-control", true)), "{sql}");
    }
    for sql in [
        "create function f() returns void language plpgsql as $$ begin commit; end $$",
        "do 'begin null; end'",
        "create function f() returns int language sql begin atomic select 1; end",
        "select 'a; commit; '",
        "select E'\\'; commit; --'",
        "/* ; commit; */ select 1",
        "insert into t (\"begin\") values (1)",
    ] {
        assert_eq!(rules(sql), [], "{sql}");
    }
    assert_eq!(rules("select 1;\n\n  commit;"), [("transaction-control", true, 3)]);
}

#[test]
fn a_whole_table_is_written_outside_a_transaction_too() {
    let rules: Vec<&str> = found("vacuum full t", false).iter().map(|finding| finding.rule).collect();
    assert!(rules.contains(&"rewrite"), "{rules:?}");
    assert_eq!(found("reindex table concurrently t", false), []);
}

#[test]
fn what_leaves_the_schema_or_the_role_is_refused() {
    for (sql, rule) in [
        ("set search_path = public", "search-path"),
        ("SET LOCAL \"search_path\" TO x", "search-path"),
        ("reset search_path", "search-path"),
        ("set schema 'x'", "search-path"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "search-path"),
        ("select set_config( 'Search_Path', 'x', true)", "search-path"),
        ("set role admin", "role"),
        ("set session authorization x", "role"),
        ("reset role", "role"),
        ("set local role x", "role"),
        ("select set_config('role', 'x', true)", "role"),
        ("reset all", "reset"),
        ("discard all", "reset"),
        ("copy t from stdin", "copy-stdin"),
        ("copy t (a, b) from stdin with (format csv)", "copy-stdin"),
        ("\\i other.sql", "backslash"),
        ("select 1 \\gexec", "backslash"),
        ("create extension citext", "extension"),
        ("create extension if not exists citext", "extension"),
        ("drop extension citext cascade", "extension"),
        ("create unique index concurrently i on t (a)", "concurrently"),
        ("drop index concurrently i", "concurrently"),
        ("alter table t detach partition p concurrently", "concurrently"),
        ("vacuum t", "non-transactional"),
        ("create database d", "non-transactional"),
        ("alter system set work_mem = '1MB'", "non-transactional"),
        ("select 'never closed", "unclosed"),
        ("/* never closed */ select /* 1", "unclosed"),
        ("select $a$ 1 $b$", "unclosed"),
        ("select '\0'", "nul"),
    ] {
        let found = rules(sql);
        assert!(found.contains(&(rule, true, 1)), "{sql:?}: {found:?}");
    }
}

#[test]
fn what_is_meant_and_legal_is_not_refused() {
    for sql in [
        "create extension if not exists citext with schema extensions",
        "create function f() returns int language sql set search_path = pg_catalog as 'select 1'",
        "alter function f() set search_path to pg_catalog, pg_temp",
        "refresh materialized view concurrently v",
        "set local lock_timeout = '1s'",
        "set constraints all deferred",
        "select set_config('my.role_name', 'role', true)",
        "insert into commits (commit) values ('commit'); select begin_at from t",
        "select * from t where a = 'copy t from stdin'",
        "copy t from '/tmp/x'",
    ] {
        assert!(rules(sql).iter().all(|found| !found.1), "{sql}: {:?}", rules(sql));
    }
}

#[test]
fn what_may_hurt_is_warned_of_with_its_line() {
    for (sql, rule, line) in [
        ("select 1 from\n public.users", "public-table", 2),
        ("alter table \"public\" . t add a int", "public-table", 1),
        ("create table t (p int references public.plans)", "public-table", 1),
        ("create table t (id uuid default public.gen_random_uuid(), m public.citext)", "public-object", 1),
        ("create trigger a before update on t for each row execute function public.touch()", "public-object", 1),
        ("grant usage on schema public to r", "shared-object", 1),
        ("revoke connect on database d from r", "shared-object", 1),
        ("grant admins to r", "shared-object", 1),
        ("grant select on all tables in schema s to r", "shared-object", 1),
        ("create extension if not exists citext with schema extensions", "shared-object", 1),
        ("alter table t\n  add a int,\n  drop column b", "drop-column", 3),
        ("alter table t drop b", "drop-column", 1),
        ("drop table if exists t", "drop-table", 1),
        ("truncate t", "truncate", 1),
        ("alter table t add column a int not null", "not-null", 1),
        ("alter table s.t add a int not null check (a > 1, 2)", "not-null", 1),
        ("alter table t alter a set not null", "not-null", 1),
        ("create index on t (a)", "blocking-index", 1),
        ("create unique index i on only s.t (a)", "blocking-index", 1),
        ("alter table t alter column a type bigint using a::bigint", "rewrite", 1),
        ("alter table t alter a set data type text", "rewrite", 1),
        ("grant select on t to r", "grant", 1),
        ("alter default privileges grant select on tables to r", "grant", 1),
        ("set statement_timeout = 0", "session-setting", 1),
        ("alter type mood add value 'x'; select 1", "enum-value", 1),
        ("create role r", "shared-object", 1),
        ("", "empty", 1),
        ("lock table t in exclusive mode", "lock-table", 1),
        ("lock t", "lock-table", 1),
        ("refresh materialized view v", "lock-table", 1),
        ("cluster t using i", "rewrite", 1),
        ("reindex table t", "blocking-index", 1),
        ("copy t from '/srv/x.csv'", "server-file", 1),
        ("select 1;\nupdate t set a = 1", "data-move", 2),
        ("delete from only s.t where a", "data-move", 1),
        ("insert into t (a) select b from u", "data-move", 1),
        ("with x as (select 1) update t set a = 1", "data-move", 1),
        ("merge into t using u on t.a = u.a when matched then delete", "data-move", 1),
        ("create event trigger e on ddl_command_end execute function f()", "shared-object", 1),
        ("create schema s", "other-schema", 1),
        ("insert into tenant_acme.t values (1)", "other-schema", 1),
        ("create table t (u int references\n tenant_acme.users)", "other-schema", 2),
        (
            "create or replace function f() returns int language sql security definer as 'select 1'",
            "security-definer",
            1,
        ),
        ("alter function f() security definer", "security-definer", 1),
        ("select dblink_exec('host=x', 'commit')", "other-connection", 1),
        ("select pg_advisory_lock(1)", "advisory-lock", 1),
        ("set local session_replication_role = replica", "trigger", 1),
        ("alter table t disable trigger all", "trigger", 1),
        ("alter table t add constraint c check (a > 0)", "validated-constraint", 1),
        ("alter table t add foreign key (a) references u", "validated-constraint", 1),
        ("alter table t add unique (a)", "blocking-index", 1),
        ("alter table t add constraint c primary key (a)", "blocking-index", 1),
        ("alter table t add a uuid default gen_random_uuid()", "rewrite", 1),
        ("alter table t add a bigserial not null", "rewrite", 1),
        ("alter table t add a int generated always as identity not null", "rewrite", 1),
        ("alter table t add a int generated always as (b * 2) stored", "rewrite", 1),
        ("alter table t set unlogged", "rewrite", 1),
    ] {
        let found = rules(sql);
        assert!(found.contains(&(rule, false, line)), "{sql:?}: {found:?}");
        assert!(found.iter().all(|found| !found.1), "{sql:?}: {found:?}");
    }
}

#[test]
fn a_new_table_cannot_be_blocked_or_rewritten() {
    let sql = "create table if not exists t (a int);\ncreate index on t (a);\nalter table t add b int not null;\n\
               alter table t alter a type bigint;";
    assert_eq!(rules(sql), []);
    for sql in [
        "alter table t add a int not null default 1",
        "alter table t add a timestamptz not null default now()",
        "alter table t drop constraint c",
        "alter table t add constraint c check (a is not null) not valid",
        "alter table t validate constraint c",
        "alter table t add constraint c unique using index i",
        "create table t (a uuid primary key default gen_random_uuid()); insert into t select b from u; update t set a = b",
        "insert into t values (1)",
        "select a.b from t join u on t.a = u.a where extract(epoch from t.c) > 0",
        "create function f() returns int language sql security definer set search_path = pg_catalog as 'select 1'",
        "select pg_try_advisory_xact_lock(1)",
        "alter table t alter a set default 'type'",
    ] {
        assert_eq!(rules(sql), [], "{sql}");
    }
}

#[test]
fn a_file_without_a_transaction_has_one_statement() {
    assert_eq!(found("create index concurrently i on t (a)", false), []);
    let several = found("create index concurrently i on t (a); create index concurrently j on t (b)", false);
    assert_eq!(several.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["one-statement"]);
    let pieces = split::migratus("vacuum a;\n--;;\nvacuum b;\n");
    assert_eq!(check("", &pieces, false).len(), 1);
}

#[test]
fn many_findings_of_one_rule_are_counted() {
    let found = found(&"commit;\n".repeat(1_000), true);
    assert_eq!(found.len(), MOST_OF_ONE_RULE);
    assert!(found.last().is_some_and(|last| last.message.raw().contains("995 more")), "{found:?}");
}

#[test]
fn lines_are_those_of_the_file_in_every_piece() {
    let text = "select 1;\n--;;\n\nselect 2;\ncommit;\n";
    let found = check(text, &split::migratus(text), true);
    assert_eq!(
        found.iter().map(|finding| (finding.rule, finding.line)).collect::<Vec<_>>(),
        [("transaction-control", 5)]
    );
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(text in any::<String>(), transactional in any::<bool>()) {
        let _ = check(&text, &split::whole(&text), transactional);
        let _ = check(&text, &split::migratus(&text), transactional);
    }

    /// A file that is refused stays refused, whatever is put before or behind it on lines of its own; and nothing that
    /// a mutation does makes it panic.
    #[test]
    fn what_is_refused_stays_refused_among_other_statements(
        at in 0..6_usize,
        before in prop::collection::vec(prop::sample::select(vec![
            "select 1;", "-- a comment", "/* a /* nested */ one */", "select 'it''s; commit';", "select $t$ ; $t$;",
            "\r\n", "create function f() returns int begin atomic select 1; end;",
        ]), 0..6),
    ) {
        let refused = ["commit;", "\\i x", "set role x;", "set search_path = x;", "copy t from stdin;", "discard all;"][at];
        let text = format!("{}\n{refused}\nselect 2;", before.join("\n"));
        let found = check(&text, &split::whole(&text), true);
        let line = 1 + format!("{}\n", before.join("\n")).bytes().filter(|byte| *byte == b'\n').count() as u32;
        prop_assert!(found.iter().any(|finding| finding.refuses && finding.line == line), "{text}: {found:?}");
    }

    #[test]
    fn a_mutated_file_never_panics(at in 0..400_usize, with in any::<char>(), cut in 0..40_usize) {
        let text = "begin; alter table only s.t add column a int not null default random(), drop b; copy t from stdin;\n\
                    create function f() returns int language sql security definer as $a$ select 1; $a$;\n\
                    select set_config('search_path', E'x\\'', true); lock table t; insert into x.y select 1 from z;";
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.min(characters.len() - 1);
        let end = (at + cut).min(characters.len());
        characters.splice(at..end, [with]);
        let text: String = characters.into_iter().collect();
        let _ = check(&text, &split::whole(&text), true);
        let _ = check(&text, &split::migratus(&text), false);
    }

    #[test]
    fn words_in_any_order_do_not_make_it_panic(words in prop::collection::vec(prop::sample::select(vec![
        "alter", "table", "add", "column", "drop", "create", "index", "on", "only", "set", "local", "search_path", "(", ")",
        ",", ";", ".", "public", "t", "not", "null", "type", "copy", "from", "stdin", "begin", "atomic", "end", "extension",
    ]), 0..30)) {
        let text = words.join(" ");
        let _ = check(&text, &split::whole(&text), true);
    }
}
