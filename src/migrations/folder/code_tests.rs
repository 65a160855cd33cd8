//! Folders of tools whose migrations are code, or whose files say more than their names.

use super::tests::{folder, read, versions};
use super::*;
use crate::migrations::dialects::{LedgerScope, of_counted_apps};

fn listed(files: &[(&str, &str)], tool: Tool) -> Folder {
    read(files, tool).expect("a folder")
}

fn notes(folder: &Folder) -> String {
    folder.notes.iter().map(|note| note.raw()).collect::<Vec<_>>().join("; ")
}

#[test]
fn programs_go_by_their_names() {
    for (tool, file, version, other) in [
        (Tool::Ecto, "20250101120000_create_users.exs", "20250101120000", "seeds.exs"),
        (Tool::Sequel, "001_Create_Users.rb", "001_create_users.rb", "helper.rb"),
        (Tool::Laravel, "2025_01_01_120000_create_users.php", "2025_01_01_120000_create_users", "notes.txt"),
        (Tool::Knex, "20250101120000_users.ts", "20250101120000_users.ts", "types.d.ts"),
        (Tool::Sequelize, "20250101120000-users.cjs", "20250101120000-users.cjs", "README.md"),
        (Tool::Rails, "001_create_users.rb", "001", "schema.txt"),
    ] {
        let found = listed(&[(file, "a program"), (other, "something")], tool);
        assert_eq!(versions(&found), [version], "{tool}");
        assert!(found.files[0].is_code, "{tool}");
    }
    let supabase = listed(&[("20250101120000_users.sql", "select 1"), ("seed.sql", "")], Tool::Supabase);
    assert_eq!(versions(&supabase), ["20250101120000"]);
    assert!(!supabase.files[0].is_code && notes(&supabase).contains("seed.sql"), "{}", notes(&supabase));
}

#[test]
fn ids_in_programs_go_before_their_files_names() {
    let ef = listed(
        &[
            ("20250102120000_Second.cs", "public partial class Second : Migration { }"),
            ("20250101120000_First.Designer.cs", "[Migration(\"20250101120000_Renamed\")] partial class First { }"),
            ("AppDbContextModelSnapshot.cs", "class Snapshot { }"),
        ],
        Tool::EntityFramework,
    );
    assert_eq!(versions(&ef), ["20250101120000_Renamed", "20250102120000_Second"]);
    let typeorm = listed(
        &[
            ("1735905600000-Last.ts", "export class Last1735905600000 implements MigrationInterface {}"),
            ("1735732800000-First.ts", "export class Renamed1735732800000 implements MigrationInterface {}"),
            ("data-source.ts", "export class Source {}"),
        ],
        Tool::TypeOrm,
    );
    assert_eq!(versions(&typeorm), ["Renamed1735732800000", "Last1735905600000"]);
}

#[test]
fn revisions_follow_their_graph_and_open_heads_are_told() {
    let revision = |id: &str, down: &str| format!("revision: str = '{id}'\ndown_revision: Union[str, None] = {down}\n");
    let found = listed(
        &[
            ("env.py", "revision = 'no'"),
            ("versions/zz_first.py", &revision("zz01", "None")),
            ("versions/aa_left.py", &revision("aa01", "'zz01'")),
            ("versions/bb_right.py", &revision("bb01", "'zz'")),
            ("versions/cc_merge.py", &revision("cc01", "('aa01', 'bb01')")),
            ("versions/dd_open.py", &revision("dd01", "'bb01'")),
            ("versions/ee_odd.py", "revision = make()\ndown_revision = None\n"),
        ],
        Tool::Alembic,
    );
    assert_eq!(versions(&found), ["zz01", "aa01", "bb01", "cc01", "dd01"]);
    let told = notes(&found);
    assert!(told.contains("2 heads (cc01, dd01)") && told.contains("ee_odd.py is left out"), "{told}");
    let circle = listed(&[("a.py", &revision("a", "'b'")), ("b.py", &revision("b", "'a'"))], Tool::Alembic);
    assert!(notes(&circle).contains("circle"), "{}", notes(&circle));
}

#[test]
fn of_django_the_counting_apps_are_kept_and_one_goes_by_names_alone() {
    let migration = |body: &str| format!("class Migration(migrations.Migration):\n    {body}\n");
    let found = listed(
        &[
            ("manage.py", "import sys"),
            ("shop/models.py", "class Order: pass"),
            ("shop/migrations/__init__.py", ""),
            ("shop/migrations/0001_initial.py", &migration("dependencies = [('crm', '0001_initial')]")),
            ("shop/migrations/0002_more.py", &migration("dependencies = [('shop', '0001_initial')]")),
            ("shop/migrations/0003_empty.py", "# nothing"),
            (
                "crm/migrations/0001_initial.py",
                &migration("dependencies = []\n    run_before = [('aaa', '0001_initial')]"),
            ),
            ("aaa/migrations/0001_initial.py", &migration("dependencies = []")),
        ],
        Tool::Django,
    );
    assert_eq!(versions(&found), ["crm.0001_initial", "aaa.0001_initial", "shop.0001_initial", "shop.0002_more"]);
    assert!(notes(&found).contains("0003_empty.py is left out"), "{}", notes(&found));
    let owned = LedgerScope { tenants_table: Some("crm_client".to_owned()), ..LedgerScope::default() };
    assert_eq!(versions(&of_counted_apps(&found, &owned)), ["aaa.0001_initial", "shop.0001_initial", "shop.0002_more"]);
    let asked = LedgerScope { apps: Some(vec!["shop".to_owned()]), ..LedgerScope::default() };
    let one = of_counted_apps(&found, &asked);
    assert_eq!(versions(&one), ["0001_initial", "0002_more"]);
    assert_eq!(one.files.iter().map(|file| file.position).collect::<Vec<_>>(), [0, 1]);
    // A job finds its file in the whole folder again, by its hash where the name is in two apps.
    let wanted = &one.files[0];
    let again = found.find("0001_initial", |file| file.sha256 == wanted.sha256).expect("found");
    assert_eq!(again.version.raw(), "shop.0001_initial");
}

#[test]
fn a_journal_a_plan_and_a_changelog_give_the_order() {
    let journal =
        r#"{"entries": [{"when": 30, "tag": "0002_c"}, {"when": 10, "tag": "0009_a"}, {"when": 20, "tag": "gone"}]}"#;
    let drizzle = listed(
        &[("meta/_journal.json", journal), ("0002_c.sql", "c"), ("0009_a.sql", "a"), ("0003_loose.sql", "x")],
        Tool::Drizzle,
    );
    assert_eq!(versions(&drizzle), ["0009_a", "0002_c"]);
    let told = notes(&drizzle);
    assert!(told.contains("gone") && told.contains("0003_loose is left out"), "{told}");
    let plan = "%project=p\nb 2025-01-01T12:00:00Z A <a@b>\na [b] 2025-01-02T12:00:00Z A <a@b> # why\n";
    let sqitch = listed(
        &[("sqitch.plan", plan), ("deploy/a.sql", "a"), ("deploy/b.sql", "b"), ("revert/a.sql", "undo")],
        Tool::Sqitch,
    );
    assert_eq!(versions(&sqitch), ["b", "a"]);
    assert_eq!(sqitch.files[1].down.as_ref().map(|down| &*down.sql), Some("undo"));
    assert!(notes(&listed(&[("deploy/a.sql", "a")], Tool::Sqitch)).contains("no sqitch.plan"));
    let sql = |id: &str| format!("--liquibase formatted sql\n--changeset ann:{id}\nselect 1;\n");
    let liquibase = listed(
        &[
            (
                "root.yaml",
                "databaseChangeLog:\n- includeAll: {path: all, relativeToChangelogFile: true}\n- include: {file: z.sql}\n- include: {file: none.sql}\n",
            ),
            ("all/b.sql", &sql("two")),
            ("all/a.sql", &sql("same")),
            ("z.sql", &sql("same")),
            ("unrelated.json", "{}"),
        ],
        Tool::Liquibase,
    );
    assert_eq!(versions(&liquibase), ["all/a.sql::same::ann", "two", "z.sql::same::ann"]);
    assert!(notes(&liquibase).contains("none.sql"), "{}", notes(&liquibase));
}

#[test]
fn yoyos_files_follow_what_they_depend_on() {
    let found = listed(
        &[
            ("a.sql", "-- depends: z\nselect 1"),
            ("a.rollback.sql", "select 2"),
            ("m.py", "from yoyo import step\n__depends__ = {'a'}\n"),
            ("z.sql", "-- transactional: false\nselect 3"),
            ("post-apply.sql", "select 4"),
        ],
        Tool::Yoyo,
    );
    assert_eq!(versions(&found), ["z", "a", "m"]);
    assert_eq!(found.files[1].down.as_ref().map(|down| &*down.sql), Some("select 2"));
    assert!(!found.files[0].transactional && found.files[2].is_code);
}

#[test]
fn a_folder_says_whose_it_is() {
    for (tool, files) in [
        (Tool::Alembic, vec![("versions/ab_x.py", "revision = 'a'\ndown_revision = None"), ("env.py", "")]),
        (Tool::Django, vec![("shop/migrations/0001_initial.py", "class Migration(migrations.Migration): pass")]),
        (Tool::Yoyo, vec![("001_a.py", "from yoyo import step")]),
        (Tool::Yoyo, vec![("001_a.sql", "-- depends:\nselect 1")]),
        (Tool::Knex, vec![("1_a.js", "exports.up = (knex) => {}")]),
        (Tool::Sequelize, vec![("1_a.js", "up: (queryInterface) => {}")]),
        (Tool::TypeOrm, vec![("1-a.ts", "class A1735732800000 implements MigrationInterface {}")]),
        (Tool::NodePgMigrate, vec![("1_a.js", "exports.up = (pgm) => {}")]),
        (Tool::Ecto, vec![("1_a.exs", "defmodule A do")]),
        (Tool::Rails, vec![("1_a.rb", "class A < ActiveRecord::Migration[7.0]")]),
        (Tool::Sequel, vec![("1_a.rb", "Sequel.migration do")]),
        (Tool::Laravel, vec![("2025_a.php", "use Illuminate\\Database\\Migrations\\Migration;")]),
        (Tool::EntityFramework, vec![("1_A.cs", "void Up(MigrationBuilder b)")]),
        (Tool::Drizzle, vec![("0000_a.sql", "select 1"), ("meta/_journal.json", "{\"entries\": []}")]),
        (Tool::Sqitch, vec![("sqitch.plan", "%project=a"), ("deploy/a.sql", "select 1")]),
        (Tool::Liquibase, vec![("a.sql", "-- liquibase formatted sql\n")]),
        (Tool::Liquibase, vec![("a.xml", "<databaseChangeLog/>")]),
    ] {
        assert_eq!(Folder::detect(folder(&files).path()), Some(tool), "{files:?}");
    }
}
