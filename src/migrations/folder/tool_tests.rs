//! What each tool makes of its files.

use proptest::prelude::*;

use super::tests::{failure, folder, read, versions};
use super::*;

/// Line and text of a file's pieces.
fn pieces(file: &MigrationFile) -> Vec<(u32, &str)> {
    file.statements.iter().map(|piece| (piece.line, &*piece.sql)).collect()
}

fn down(file: &MigrationFile) -> Vec<(u32, &str)> {
    file.down.as_deref().map(pieces).unwrap_or_default()
}

/// Rule and line of what is refused in a file's up or down part.
fn refused(file: &MigrationFile) -> Vec<(&'static str, u32)> {
    file.findings.iter().filter(|finding| finding.refuses).map(|finding| (finding.rule, finding.line)).collect()
}

fn notes(folder: &Folder) -> Vec<&str> {
    folder.notes.iter().map(|note| note.raw()).collect()
}

fn one(tool: Tool, name: &str, text: &str) -> Arc<MigrationFile> {
    let found = read(&[(name, text)], tool).expect("a folder");
    Arc::clone(&found.files[0])
}

#[test]
fn dbmate_has_sections_with_options_of_their_own() {
    let file = one(
        Tool::Dbmate,
        "1_a.sql",
        "-- why\n--  migrate:up\nselect 1;\n\n-- migrate:down transaction:false\nselect 2;\n",
    );
    assert_eq!((pieces(&file), file.transactional), (vec![(3, "select 1;")], true));
    assert_eq!(down(&file), [(6, "select 2;")]);
    assert_eq!(file.down.as_ref().map(|down| down.transactional), Some(false));
    assert_eq!(refused(&file), []);
    let up = one(Tool::Dbmate, "1_a.sql", "-- migrate:up transaction:false\nselect 1;\n-- migrate:down\n");
    assert!(!up.transactional && up.down.as_ref().is_some_and(|down| down.transactional));
    assert_eq!(down(&up), []);
    for (text, line) in [
        ("select 1", 1),
        ("-- migrate:up\nselect 1", 1),
        ("-- migrate:upwards\n-- migrate:down\n", 1),
        ("\n-- migrate:down\n-- migrate:up\nselect 1", 2),
        ("-- a\nselect 0;\n-- migrate:up\nselect 1;\n-- migrate:down\n", 2),
    ] {
        assert_eq!(refused(&one(Tool::Dbmate, "1_a.sql", text)), [("sections", line)], "{text}");
    }
}

#[test]
fn goose_parts_at_semicolons_that_end_lines_and_at_its_blocks() {
    let text = "-- about\n\n-- +goose Up\n-- first\ncreate table a (id int,\n  b text); -- done\r\nselect 1; select\n2;\n\
                -- +goose StatementBegin\ncreate function f() returns int language sql as $$\n  select 1;\n$$;\n\
                -- +goose StatementEnd\n\n-- +goose Down\ndrop function f;\ndrop table a;\n";
    let file = one(Tool::Goose, "001_a.sql", text);
    assert_eq!(
        pieces(&file),
        [
            (5, "create table a (id int,\n  b text); -- done"),
            (7, "select 1; select\n2;"),
            (10, "create function f() returns int language sql as $$\n  select 1;\n$$;"),
        ]
    );
    assert_eq!(down(&file), [(16, "drop function f;"), (17, "drop table a;")]);
    assert_eq!((file.version.raw(), file.name.raw(), file.transactional, refused(&file)), ("1", "a", true, vec![]));
    let alone = "-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently i on a (id);\n";
    let file = one(Tool::Goose, "1_a.sql", alone);
    assert!(!file.transactional && file.down.is_none() && refused(&file).is_empty());
    for (text, rule, line) in [
        ("select 1;", "sections", 1),
        ("-- +goose Up\nselect 1\n", "sections", 2),
        ("-- +goose Up\nselect 1\n-- +goose Down\nselect 2;", "sections", 2),
        ("-- +goose Down\nselect 1;\n", "sections", 1),
        ("-- +goose Up\n-- +goose Up\nselect 1;\n", "sections", 2),
        ("-- +goose Up\n-- +goose StatementBegin\nselect 1;\n", "sections", 1),
        ("-- +goose Up\n-- +goose StatementEnd\nselect 1;\n", "sections", 2),
        ("-- +goose Up\n-- +goose Sideways\nselect 1;\n", "sections", 2),
        ("-- +goose ENVSUB ON\n-- +goose Up\nselect '${USER}';\n", "placeholder", 1),
    ] {
        let file = one(Tool::Goose, "1_a.sql", text);
        assert!(refused(&file).contains(&(rule, line)), "{text}: {:?}", file.findings);
    }
}

#[test]
fn goose_files_are_numbered_from_one_and_may_be_programs() {
    let found = read(
        &[
            ("00002_b.sql", "-- +goose Up\nselect 1;\n"),
            ("10_c.go", "package migrations"),
            ("10_c_test.go", "package migrations"),
            ("embed.go", "package migrations"),
            ("0_zero.sql", ""),
            ("seed.sql", ""),
        ],
        Tool::Goose,
    )
    .expect("a folder");
    assert_eq!(versions(&found), ["2", "10"]);
    assert!(found.files[1].is_code && refused(&found.files[1]) == [("code", 1)]);
    assert_eq!(notes(&found).len(), 2, "{:?}", found.notes);
}

#[test]
fn a_name_may_begin_with_any_letter() {
    let names = ["\u{fc}bung.sql", "\u{fc}.java", "\u{1f600}.sql.conf", "\u{fc}_001_a.up.sql", "\u{fc}.py"];
    for tool in Tool::ALL {
        let Some(rules) = &dialect(tool).files else { continue };
        let told: Vec<_> = names.iter().map(|name| (rules.classify)(name)).collect();
        assert_eq!(told.len(), names.len(), "{tool}");
    }
    let found = read(&[("\u{fc}bung.sql", ""), ("V1__a.sql", "select 1")], Tool::Flyway).expect("a folder");
    assert_eq!((found.files.len(), found.notes.len()), (1, 1), "it is told, as Flyway skips it");
}

#[test]
fn flyway_runs_v_files_and_says_what_it_would_do_with_the_others() {
    let found = read(
        &[
            ("V10__late.sql", "select 10"),
            ("V2_1__two_one.sql", "select 2"),
            ("deep/V2__two words.sql", "vacuum t"),
            ("V3__index.sql", "select 1;\ncreate unique index concurrently i on t (a)"),
            ("V4__told.sql", "vacuum"),
            ("V4__told.sql.conf", "# why\nexecuteInTransaction = FALSE\n"),
            ("V5__code.java", "class V5__code {}"),
            ("V6.sql", "select 'a; vacuum'; -- vacuum\nselect $$ vacuum $$"),
            ("V7__put.sql", "select 1;\nselect '${schema}'"),
            ("R__views.sql", ""),
            ("U2__two.sql", ""),
            ("B1__base.sql", ""),
            ("beforeMigrate.sql", ""),
            ("V1.a__x.sql", ""),
            ("seed.sql", ""),
            ("notes.txt", ""),
        ],
        Tool::Flyway,
    )
    .expect("a folder");
    assert_eq!(versions(&found), ["2", "2.1", "3", "4", "5", "6", "7", "10"]);
    let transactional: Vec<bool> = found.files.iter().map(|file| file.transactional).collect();
    assert_eq!(transactional, [false, true, false, false, true, true, true, true]);
    let first = &found.files[0];
    assert_eq!((first.name.raw(), &*first.below), ("two words", "deep/V2__two words.sql"));
    assert!(found.files[4].is_code);
    assert_eq!(refused(&found.files[6]), [("placeholder", 2)]);
    assert!(found.files.iter().all(|file| file.down.is_none()));
    let notes = notes(&found);
    for (name, word) in [
        ("R__views.sql", "repeatable"),
        ("U2__two.sql", "paid editions"),
        ("B1__base.sql", "baseline"),
        ("beforeMigrate.sql", "callback"),
        ("V1.a__x.sql", "numbers"),
        ("seed.sql", "skips it"),
    ] {
        assert!(notes.iter().any(|note| note.starts_with(name) && note.contains(word)), "{name}: {notes:?}");
    }
    assert!(failure(&[("V1_01__a.sql", "x"), ("V1_1__b.sql", "x")], Tool::Flyway).contains("two files"));
    assert!(failure(&[("V1__a.sql", "x"), ("V1_0__b.sql", "x")], Tool::Flyway).contains("two files"));
    assert!(failure(&[("V01__a.sql", "x"), ("V1__b.sql", "x")], Tool::Flyway).contains("two files"));
}

#[test]
fn refinery_numbers_v_and_u_files_in_one_row() {
    let found = read(
        &[
            ("V1__a.sql", "select 1"),
            ("sub/U3__late.sql", "select 3"),
            ("V2__code.rs", "pub fn migration() {}"),
            ("mod.rs", ""),
            ("V1.2__x.sql", ""),
            ("V4__a-b.sql", ""),
            ("seed.sql", ""),
        ],
        Tool::Refinery,
    )
    .expect("a folder");
    assert_eq!(versions(&found), ["1", "2", "3"]);
    assert!(found.files[1].is_code);
    assert_eq!(notes(&found).len(), 3, "{:?}", found.notes);
    assert!(failure(&[("V1__a.sql", "x"), ("U1__b.sql", "x")], Tool::Refinery).contains("two migrations"));
}

#[test]
fn node_pg_migrate_has_sections_or_pairs_and_programs() {
    let found = read(
        &[
            ("0002_pair.up.sql", "select 1"),
            ("0002_pair.down.sql", "select 2"),
            ("1735689600000_one-file.sql", "-- Up Migration\nselect 3;\n\n---- down migration\nselect 4;\n"),
            ("20250101000000001_later.sql", "\u{feff}select 5"),
            ("1735689600002_code.ts", "export const up = () => {}"),
            ("1735689600003_odd.sql", "select 6;\n-- Down Migration\nselect 7;"),
            ("name.sql", ""),
            ("README.md", ""),
        ],
        Tool::NodePgMigrate,
    )
    .expect("a folder");
    assert_eq!(
        versions(&found),
        ["0002_pair", "1735689600000_one-file", "20250101000000001_later", "1735689600002_code", "1735689600003_odd"]
    );
    assert_eq!((pieces(&found.files[0]), down(&found.files[0])), (vec![(1, "select 1")], vec![(1, "select 2")]));
    assert_eq!(pieces(&found.files[1]), [(1, "-- Up Migration\nselect 3;")]);
    assert_eq!(down(&found.files[1]), [(4, "---- down migration\nselect 4;")]);
    assert_eq!((pieces(&found.files[2]), found.files[2].name.raw()), (vec![(1, "select 5")], "later"));
    assert!(found.files[3].is_code);
    assert_eq!(refused(&found.files[4]), [("sections", 2)]);
    assert!(notes(&found)[0].starts_with("name.sql is left out"), "{:?}", found.notes);
}

#[test]
fn prisma_names_a_migration_by_its_folder() {
    let found = read(
        &[
            ("20250101_b/migration.sql", "select 1"),
            ("20250101_a/migration.sql", "select 1"),
            ("20250101_a/notes.txt", ""),
            ("migration_lock.toml", ""),
        ],
        Tool::Prisma,
    )
    .expect("a folder");
    assert_eq!(versions(&found), ["20250101_a", "20250101_b"]);
    assert_eq!(found.files[0].name.raw(), "a");
}

#[test]
fn golang_migrate_sends_a_file_as_one_message() {
    let alone = one(Tool::GolangMigrate, "1_a.up.sql", "create index concurrently i on t (a);\n");
    assert!(!alone.transactional && refused(&alone).is_empty());
    let two = one(Tool::GolangMigrate, "1_a.up.sql", "select 1; create index concurrently i on t (a);\n");
    assert!(two.transactional && refused(&two) == [("concurrently", 1)], "as the server would refuse it");
    assert!(one(Tool::GolangMigrate, "1_a.up.sql", "do $$ begin end $$").transactional);
    let found = read(&[("99999999999999999999_a.up.sql", "")], Tool::GolangMigrate).expect("a folder");
    assert!(notes(&found)[0].contains("bigint"));
}

#[test]
fn whose_v_files_they_are_is_said_where_something_tells() {
    let detect = |names: &[&str]| {
        let files: Vec<(&str, &str)> = names.iter().map(|name| (*name, "select 1")).collect();
        Folder::detect(folder(&files).path())
    };
    assert_eq!(detect(&["V1__a.sql"]), None, "Flyway's or refinery's");
    assert_eq!(detect(&["V1__a.sql", "R__b.sql"]), Some(Tool::Flyway));
    assert_eq!(detect(&["V1__a.sql", "V2__a.sql.conf"]), Some(Tool::Flyway));
    assert_eq!(detect(&["V1__a.sql", "V1_1__b.sql"]), Some(Tool::Flyway));
    assert_eq!(detect(&["V1__a.sql", "U1__a.sql"]), Some(Tool::Flyway));
    assert_eq!(detect(&["V1__a.sql", "U2__b.sql"]), Some(Tool::Refinery));
    assert_eq!(detect(&["V1__a.sql", "V2__b.rs"]), Some(Tool::Refinery));
    assert_eq!(detect(&["20250101_a/migration.sql", "migration_lock.toml"]), Some(Tool::Prisma));
    let node = folder(&[("1735689600000_a.sql", "-- Up Migration\nselect 1;\n-- Down Migration\n")]);
    assert_eq!(Folder::detect(node.path()), Some(Tool::NodePgMigrate));
}

/// Words that mean something to one of the tools.
const FRAGMENTS: &[&str] = &[
    "-- migrate:up",
    "-- migrate:down transaction:false",
    "-- +goose Up",
    "-- +goose Down",
    "-- +goose StatementBegin",
    "-- +goose StatementEnd",
    "-- +goose NO TRANSACTION",
    "-- Up Migration",
    "-- Down Migration",
    "--;;",
    "${x}",
    "vacuum",
    "create index concurrently i on t (a)",
    "select 'a;\n--;;\n'",
    "$$",
    ";",
    "\n",
    "\r\n",
    "\u{feff}",
    "/*",
    "*/",
    "ü",
    " ",
];

/// Parts of names that mean something to one of the tools.
const NAMES: &[&str] = &[
    "V1",
    "U2",
    "R",
    "__",
    "_",
    "-",
    ".",
    "/",
    "up",
    "down",
    "sql",
    "sql.conf",
    "001",
    "99999999999999999999",
    "a",
    "ü",
    "go",
    "rs",
    "ts",
    "edn",
    "migration.sql",
    "metadata.toml",
    "",
];

proptest! {
    #[test]
    fn no_name_and_no_text_makes_a_tool_panic_and_pieces_are_the_file(
        name in prop::collection::vec(prop::sample::select(NAMES), 0..8),
        text in prop::collection::vec(prop::sample::select(FRAGMENTS), 0..24),
    ) {
        let (name, text) = (name.concat(), text.concat());
        for tool in Tool::ALL {
            let Some(rules) = &dialect(tool).files else { continue };
            let _ = (rules.classify)(&name);
            let _ = (rules.transactional)(&text, Some(&text));
            if let Some(writing) = &dialect(tool).writing {
                let lines = u32::try_from(text.lines().count().max(1)).unwrap_or(u32::MAX);
                prop_assert!((writing.objections)(&text).iter().all(|odd| (1..=lines).contains(&odd.line)), "{}", tool);
            }
            let down = rules.down_pieces.and_then(|part| part(&text)).map(|part| part.pieces).unwrap_or_default();
            for pieces in [(rules.pieces)(&text), down] {
                let mut from = 0;
                for piece in &pieces {
                    // Each is a part of the file, behind the one before it, and on the line that it says.
                    let at = text[from..].find(&*piece.sql).map(|at| from + at);
                    prop_assert!(at.is_some(), "{}: {:?} is not in {:?}", tool, piece.sql, text);
                    let line = |at: usize| 1 + text[..at].bytes().filter(|byte| *byte == b'\n').count();
                    let places = text[from..].match_indices(&*piece.sql).map(|(at, _)| line(from + at));
                    prop_assert!(places.into_iter().any(|line| line == piece.line as usize), "{}: {:?}", tool, piece);
                    from = at.unwrap_or(from);
                }
                prop_assert!(pieces.windows(2).all(|pair| pair[0].line <= pair[1].line), "{}: {:?}", tool, pieces);
            }
        }
    }
}
