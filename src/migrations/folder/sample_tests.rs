//! One sample of each kind of file that the design names as hostile or unlucky, and what is said of it at plan time.

use super::tests::read;
use crate::model::ledger::Tool;

/// What a file is told.
#[derive(Debug, Clone, Copy)]
enum Told {
    /// It is not run, by this rule on this line.
    Refused(&'static str, u32),
    /// It is run after this warning.
    Warned(&'static str, u32),
    /// Nothing.
    Nothing,
}

use Told::{Nothing, Refused, Warned};

const SAMPLES: &[(&str, &str, Told)] = &[
    ("COMMIT", "create table t (a int);\ncommit;\n", Refused("transaction-control", 2)),
    ("BEGIN", "begin;\ncreate table t (a int);", Refused("transaction-control", 1)),
    ("ROLLBACK", "select 1; rollback;", Refused("transaction-control", 1)),
    ("SET search_path", "set search_path = other;", Refused("search-path", 1)),
    ("SET ROLE", "set role admin;", Refused("role", 1)),
    ("RESET ALL", "reset all;", Refused("reset", 1)),
    ("DISCARD", "discard all;", Refused("reset", 1)),
    ("a psql command", "select 1;\n\\i other.sql\n", Refused("backslash", 2)),
    ("COPY FROM STDIN", "copy t (a) from stdin;\n1\n\\.\n", Refused("copy-stdin", 1)),
    ("CONCURRENTLY", "create index concurrently i on t (a);", Refused("concurrently", 1)),
    ("VACUUM", "vacuum analyze t;", Refused("non-transactional", 1)),
    (
        "ALTER TYPE ADD VALUE, then its use",
        "alter type mood add value 'x';\nselect 'x'::mood;",
        Warned("enum-value", 1),
    ),
    ("CREATE EXTENSION", "create extension citext;", Refused("extension", 1)),
    ("CREATE EXTENSION in a shared schema", "create extension citext schema ext;", Warned("shared-object", 1)),
    ("an object of public", "insert into public.plans values (1);", Warned("public-table", 1)),
    ("dollar quotes", "select $a$ commit; $$ $a$;", Nothing),
    ("dollar quotes that stay open", "select $a$ commit;", Refused("unclosed", 1)),
    ("nested comments", "/* commit; /* rollback; */ begin; */ select 1;", Nothing),
    ("a byte-order mark", "\u{feff}select 1;", Warned("byte-order-mark", 1)),
    ("CRLF", "select 1;\r\nselect 2;\r\n", Nothing),
    ("CR alone, behind a comment", "select 1; -- x\rcommit;", Refused("transaction-control", 1)),
    ("NUL", "select 1;\nselect '\0';", Refused("nul", 2)),
    ("nothing at all", "", Warned("empty", 1)),
    ("only a comment", "-- later\n", Warned("empty", 1)),
    (
        "pg_dump's output",
        "--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\n\
         SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.t (a integer);\n",
        Refused("search-path", 5),
    ),
    (
        "SECURITY DEFINER without a search path",
        "create function f() returns int language sql security definer as 'select 1';",
        Warned("security-definer", 1),
    ),
    ("a function of another owner", "select 1;\nalter function f() owner to admin;", Warned("owner", 2)),
    ("everything of a role", "reassign owned by a to b;", Warned("shared-object", 1)),
    ("an event trigger", "create event trigger e on ddl_command_end execute function f();", Warned("shared-object", 1)),
    ("triggers off", "alter table t disable trigger all;", Warned("trigger", 1)),
    ("default privileges", "alter default privileges grant select on tables to r;", Warned("grant", 1)),
    (
        "a search path in a DO block",
        "do $$\nbegin\n  set local search_path = public;\nend $$;",
        Refused("search-path", 3),
    ),
    ("a role in a DO block", "do $$ begin perform set_config('role', 'x', true); end $$;", Refused("role", 1)),
    ("COMMIT in a DO block", "do $$ begin delete from t; commit; end $$;", Refused("transaction-control", 1)),
    (
        "a table that a DO block drops",
        "do language plpgsql $$\nbegin\n  if true then\n    drop table t;\n  end if;\nend $$;",
        Warned("drop-table", 4),
    ),
    (
        "rows that a DO block moves",
        "do $$ begin for i in 1..9 loop\n update t set a = i; end loop; end $$;",
        Warned("data-move", 2),
    ),
    ("a DO block in another language", "do language 'plperlu' $$ commit; $$;", Warned("do-block", 1)),
    ("a DO block that does nothing of it", "do $$ declare n int; begin n := 1; end $$ language plpgsql;", Nothing),
    (
        "what a function would do when it is called",
        "create function f() returns void language plpgsql as $$ begin set search_path = x; commit; end $$;",
        Nothing,
    ),
];

#[test]
fn each_kind_of_file_is_refused_or_warned_of_on_its_line() {
    let mut wrong = Vec::new();
    for (name, text, told) in SAMPLES {
        let folder = read(&[("1-x.up.sql", text)], Tool::Migratus).expect("a folder");
        let found: Vec<_> =
            folder.files[0].findings.iter().map(|finding| (finding.rule, finding.refuses, finding.line)).collect();
        let is_right = match *told {
            Refused(rule, line) => found.contains(&(rule, true, line)),
            Warned(rule, line) => found.contains(&(rule, false, line)) && found.iter().all(|finding| !finding.1),
            Nothing => found.is_empty(),
        };
        if !is_right {
            wrong.push((*name, *told, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
