use std::fs;
use std::os::unix::fs::symlink;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

pub(super) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    folder
}

pub(super) fn read(files: &[(&str, &str)], tool: Tool) -> Result<Folder, FolderError> {
    Folder::read(folder(files).path(), tool)
}

pub(super) fn versions(folder: &Folder) -> Vec<&str> {
    folder.files.iter().map(|file| file.version.raw()).collect()
}

pub(super) fn failure(files: &[(&str, &str)], tool: Tool) -> String {
    read(files, tool).expect_err("an error").to_string()
}

#[test]
fn migratus_files_are_numbered_named_and_cut_up() {
    let found = read(
        &[
            ("20250102-second.up.sql", "-- :disable-transaction\ncreate index concurrently i on t (a)\n"),
            ("20250102-second.down.sql", "drop index i"),
            ("001-first_one.up.sql", "select 1;\r\n--;;\r\nselect 2;\r\n"),
            ("deep/er/00300-nested.up.sql", "select 3"),
            ("README.md", "not one"),
            ("notes.txt", "neither"),
            (".hidden-1.up.sql", "select"),
            ("20250104-later.sql", "x"),
            ("20250105_underscore.up.sql", "x"),
        ],
        Tool::Migratus,
    )
    .expect("a folder");
    assert_eq!(versions(&found), ["1", "300", "20250102"]);
    let first = &found.files[0];
    assert_eq!(first.name.raw(), "first_one");
    assert_eq!(
        first.statements.iter().map(|piece| (&*piece.sql, piece.line)).collect::<Vec<_>>(),
        [("select 1;", 1), ("select 2;", 3)]
    );
    assert!(first.transactional && !found.files[2].transactional);
    assert_eq!(found.files[2].down.as_ref().map(|down| &*down.sql), Some("drop index i"));
    assert_eq!(found.files[2].findings, []);
    let notes: Vec<String> = found.notes.iter().map(|note| note.safe().to_string()).collect();
    assert!(notes.iter().any(|note| note.starts_with("20250104-later.sql is left out")), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("20250105_underscore.up.sql is left out")), "{notes:?}");
}

#[test]
fn what_is_hashed_is_what_is_on_disk() {
    let text = "\u{feff}select 'ü';\r\n";
    let found = read(&[("1-a.up.sql", text)], Tool::Migratus).expect("a folder");
    let file = &found.files[0];
    assert_eq!(&*file.sql, text);
    assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(text.as_bytes())));
    assert_eq!(&*file.statements[0].sql, "select 'ü';");
    assert_eq!(file.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["byte-order-mark"]);
}

#[test]
fn code_in_a_folder_of_sql_is_known_and_refused() {
    let found = read(&[("1-a.up.sql", "select 1"), ("2-b.edn", "{:ns x}")], Tool::Migratus).expect("a folder");
    assert_eq!(versions(&found), ["1", "2"]);
    let finding = &found.files[1].findings[0];
    assert_eq!((finding.rule, finding.refuses), ("code", true));
}

#[test]
fn other_tools_name_their_files_otherwise() {
    let diesel = read(
        &[
            ("2025-01-01-120000_users/up.sql", "select 1"),
            ("2025-01-01-120000_users/down.sql", "select 2"),
            ("00000000000000_diesel_initial_setup/up.sql", "select 0"),
            ("23_index/up.sql", "create index concurrently i on t (a)"),
            ("23_index/metadata.toml", "run_in_transaction = false\n"),
        ],
        Tool::Diesel,
    )
    .expect("a folder");
    assert_eq!(versions(&diesel), ["00000000000000", "20250101120000", "23"], "as text");
    assert_eq!(diesel.files.iter().map(|file| file.transactional).collect::<Vec<_>>(), [true, true, false]);

    let sqlx = read(
        &[
            ("002_b_c.sql", "select 2"),
            ("10_late.up.sql", "-- no-transaction\nselect 1"),
            ("10_late.down.sql", "select"),
            ("seed.sql", "x"),
        ],
        Tool::Sqlx,
    )
    .expect("a folder");
    assert_eq!(versions(&sqlx), ["2", "10"]);
    assert_eq!(sqlx.files[0].name.raw(), "b c");
    assert!(!sqlx.files[1].transactional);

    let golang = read(
        &[
            ("000002_b.up.sql", ""),
            ("10_c.up.sql", "x"),
            ("000001_a.up.sql", "x"),
            ("000001_a.down.sql", "x"),
            ("3_x.sql", ""),
        ],
        Tool::GolangMigrate,
    )
    .expect("a folder");
    assert_eq!(versions(&golang), ["1", "2", "10"]);
    assert_eq!(golang.files[1].findings[0].rule, "empty");

    let rails = read(&[("20250101000000_create_users.rb", "class"), ("schema.rb", "")], Tool::Rails).expect("a folder");
    assert_eq!(versions(&rails), ["20250101000000"]);
    assert!(rails.files[0].statements.is_empty());

    let dbmate = read(
        &[
            ("2_b.sql", "-- migrate:up transaction:false\nselect 1;\n\n-- migrate:down\nselect 2;\n"),
            ("10_c.sql", "-- migrate:up\n-- migrate:down\n"),
        ],
        Tool::Dbmate,
    )
    .expect("a folder");
    assert_eq!(versions(&dbmate), ["10", "2"], "as text");
    assert_eq!((dbmate.files[1].statements.len(), &*dbmate.files[1].statements[0].sql), (1, "select 1;"));
    assert_eq!(dbmate.files[1].statements[0].line, 2);
    assert_eq!(dbmate.files[1].down.as_ref().map(|down| &*down.statements[0].sql), Some("select 2;"));
    assert!(!dbmate.files[1].transactional);
}

#[test]
fn two_files_of_one_version_are_an_error() {
    assert!(
        failure(&[("1-a.up.sql", "x"), ("1-b.up.sql", "x")], Tool::Migratus)
            .contains("two migrations have the version 1")
    );
    assert!(
        failure(&[("1-a.up.sql", "x"), ("01-a.up.sql", "x")], Tool::Migratus).contains("two files have the version 1")
    );
    assert!(failure(&[("1-a.up.sql", "x"), ("1-a.edn", "x")], Tool::Migratus).contains("two files have the version 1"));
    assert!(failure(&[("1_a.rb", "x"), ("001_a.rb", "x")], Tool::Rails).contains("two files have the version"));
    assert!(failure(&[("x/1-a.up.sql", "x"), ("y/1-a.up.sql", "x")], Tool::Migratus).contains("two files"));
}

#[test]
fn a_down_file_alone_is_an_error() {
    assert!(failure(&[("1-a.down.sql", "x")], Tool::Migratus).contains("has no up file"));
}

#[test]
fn an_absent_folder_is_an_error_and_an_empty_one_is_none() {
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(Folder::read(empty.path(), Tool::Migratus).expect("no files").files.len(), 0);
    let absent = Folder::read(&empty.path().join("absent"), Tool::Migratus).expect_err("absent").to_string();
    assert!(absent.contains("absent") && absent.contains("[database.migrations]"), "{absent}");
    let file = empty.path().join("file");
    fs::write(&file, "").expect("a file");
    assert!(Folder::read(&file, Tool::Migratus).is_err());
}

#[test]
fn bytes_that_are_no_text_are_an_error_with_their_place() {
    let folder = folder(&[("1-a.up.sql", "")]);
    fs::write(folder.path().join("1-a.up.sql"), b"select 1;\n-- \xff").expect("a file");
    let error = Folder::read(folder.path(), Tool::Migratus).expect_err("not UTF-8").to_string();
    assert!(error.contains("1-a.up.sql:2: not UTF-8 at byte 13"), "{error}");
    fs::write(folder.path().join("1-a.up.sql"), "select '\0'").expect("a file");
    let found = Folder::read(folder.path(), Tool::Migratus).expect("a finding, no error");
    assert!(found.files[0].findings.iter().any(|finding| finding.rule == "nul" && finding.refuses));
}

#[test]
fn a_file_that_is_too_large_is_an_error() {
    let folder = folder(&[]);
    let path = folder.path().join("1-a.up.sql");
    fs::File::create(&path).and_then(|file| file.set_len(MAX_FILE_BYTES + 1)).expect("a large file");
    let error = Folder::read(folder.path(), Tool::Migratus).expect_err("too large").to_string();
    assert!(error.contains("larger than 50 MiB"), "{error}");
}

#[test]
fn links_to_files_are_read_and_links_that_lead_nowhere_are_errors() {
    let folder = folder(&[("target/a.sql", "select 1")]);
    symlink(folder.path().join("target/a.sql"), folder.path().join("1-a.up.sql")).expect("a link");
    symlink(folder.path(), folder.path().join("circle")).expect("a link");
    let found = Folder::read(folder.path(), Tool::Migratus).expect("no circle");
    assert_eq!(&*found.files[0].sql, "select 1");
    symlink("/nonexistent/file", folder.path().join("2-b.up.sql")).expect("a link");
    let error = Folder::read(folder.path(), Tool::Migratus).expect_err("dangling").to_string();
    assert!(error.contains("2-b.up.sql"), "{error}");
    fs::remove_file(folder.path().join("2-b.up.sql")).expect("gone");
    fs::create_dir(folder.path().join("real")).expect("a folder");
    symlink(folder.path().join("real"), folder.path().join("3-c.up.sql")).expect("a link");
    let error = Folder::read(folder.path(), Tool::Migratus).expect_err("a folder").to_string();
    assert!(error.contains("no ordinary file"), "{error}");
}

#[test]
fn forgotten_numbers_are_noted_and_stamps_are_not() {
    let missing = |names: &[&str]| {
        let files: Vec<(String, &str)> = names.iter().map(|name| (format!("{name}-x.up.sql"), "select 1")).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        read(&files, Tool::Migratus).expect("a folder").notes.len()
    };
    assert_eq!(missing(&["1", "2", "4", "5", "6"]), 1);
    assert_eq!(missing(&["10", "20", "30"]), 0);
    assert_eq!(missing(&["20250101", "20250103", "20250104", "20250105"]), 0);
}

#[test]
fn whose_folder_it_is_is_said_only_where_it_is_certain() {
    let detect = |files: &[(&str, &str)]| Folder::detect(folder(files).path());
    assert_eq!(detect(&[("1-a.up.sql", "")]), Some(Tool::Migratus));
    assert_eq!(detect(&[("20250101_a.rb", "")]), Some(Tool::Rails));
    assert_eq!(detect(&[("2025_a/up.sql", "")]), Some(Tool::Diesel));
    assert_eq!(detect(&[("1_a.sql", "select 1")]), Some(Tool::Sqlx));
    assert_eq!(detect(&[("1_a.sql", "-- migrate:up\n")]), Some(Tool::Dbmate));
    assert_eq!(detect(&[("1_a.sql", "-- +goose Up\n")]), Some(Tool::Goose));
    assert_eq!(detect(&[("1_a.up.sql", "select 1")]), None, "sqlx's or golang-migrate's");
    assert_eq!(detect(&[("readme.md", "")]), None);
    assert_eq!(Folder::detect(Path::new("/nonexistent")), None);
}

#[test]
fn tools_whose_folders_are_not_read_yet_say_so() {
    let error = failure(&[], Tool::RailsOrDbmate);
    assert!(error.contains("rails-or-dbmate are not read yet"), "{error}");
}
