//! Layout files: what a user may write is obeyed, and what is wrong is refused with its place.

use tenantui::config::{Database, LayoutChoice};
use tenantui::layout::file;
use tenantui::layout::role::{Privilege, RoleMade};

use crate::layouts::{config, listed, surveyed};
use crate::support::pg;

#[test]
fn a_wrong_layout_file_names_its_line() {
    let error = file::parse("mine.toml", "name = \"mine\"\ntitle = \"Mine\"\n[registry]\nkind = \"list\"\n");
    let text = error.expect_err("wrong").to_string();
    assert!(text.contains("mine.toml: line 4, column 8:"), "{text}");
    let head = "name = \"mine\"\ntitle = \"Mine\"\n[registry]\nkind = \"scan\"\npattern = \"a%\"\n[naming]\nrule = \"plain\"\n";
    for (rest, wanted) in [
        (
            "schema = \"x\"\nhyphens_become_underscores = true\n",
            "line 8, column 10: naming.schema: \"x\" must hold {slug} once",
        ),
        (
            "schema = \"{slug}\"\nhyphens_become_underscores = true\n[ledger]\ntool = \"abacus\"\n",
            "line 11, column 8: ledger.tool: \"abacus\"",
        ),
        (
            "schema = \"{slug}\"\nhyphens_become_underscores = true\ncolour = 1\n",
            "line 10, column 1: unknown field `colour`",
        ),
        (
            "schema = \"{slug}\"\nhyphens_become_underscores = true\n[[health]]\nname = \"a\"\nquery = \"select 1\"\n\
             [[health]]\nname = \"b\"\nquery = \"delete from x\"\n",
            "line 15, column 9: health.1.query: it must be a SELECT",
        ),
        (
            "schema = \"{slug}\"\nhyphens_become_underscores = true\n[schemas]\nexclude = [\"a\", \"\"]\n",
            "line 11, column 17: schemas.exclude.1: the name is empty",
        ),
        (
            "schema = \"{slug}\"\nhyphens_become_underscores = true\n[cache]\njob = \"job:{job}\"\n",
            "line 10, column 1: cache: `job` and `job_tenant` belong together",
        ),
    ] {
        let text = file::parse("mine.toml", &format!("{head}{rest}")).expect_err("wrong").to_string();
        assert!(text.contains(wanted), "{text}");
    }
}

#[tokio::test]
async fn a_file_of_the_user_is_a_layout() {
    let db = pg().database("own_file");
    db.sql("create schema shop_1; create schema shop_2; create schema other");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.toml");
    let text = "name = \"shop\"\ntitle = \"Shop\"\n[registry]\nkind = \"scan\"\npattern = \"shop_%\"\n[naming]\nrule = \"plain\"\n\
                schema = \"shop_{slug}\"\nhyphens_become_underscores = true\n[schemas]\nexclude = [\"shop_2\"]\n";
    std::fs::write(&path, text).expect("written");
    let config = Database { layout: LayoutChoice::File(path), ..config(&db, "postgres") };
    assert_eq!(&*surveyed(&config).await.expect("a layout").name, "shop");
    assert_eq!(listed(&config).await, ["shop_1:unknown"]);
}

#[tokio::test]
async fn a_file_of_the_user_may_list_tenants_by_query_and_say_how_names_are_written() {
    let db = pg().database("own_query");
    db.sql("create schema acme; create table shops(code text); insert into shops values ('acme'), ('gone')");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.toml");
    let text = "name = \"shop\"\ntitle = \"Shop\"\n[registry]\nkind = \"query\"\nquery = \"select code as slug from shops\"\n\
                [naming]\nrule = \"plain\"\nschema = \"{slug}\"\nhyphens_become_underscores = false\nquoting = \"folds\"\n";
    std::fs::write(&path, text).expect("written");
    let config = Database { layout: LayoutChoice::File(path), ..config(&db, "postgres") };
    assert_eq!(listed(&config).await, ["acme:unknown", "gone:missing_schema"]);
    let naming = surveyed(&config).await.expect("a layout").naming;
    assert_eq!(naming.check("NewOne").expect("legal").schema.raw(), "newone");
    assert!(naming.check("user").expect_err("a keyword").to_string().contains("unquoted"));
}

#[test]
fn roles_and_grants_are_data() {
    let files = file::embedded().expect("sound files");
    let role = |name: &str| files.iter().find(|file| file.name == name).and_then(|file| file.role());
    let cloacina = role("cloacina").expect("a role");
    assert_eq!((cloacina.rule.made, cloacina.rule.login), (RoleMade::Always, true));
    assert_eq!(cloacina.grants.schema, [Privilege::Usage, Privilege::Create]);
    assert_eq!((cloacina.grants.tables.as_slice(), cloacina.grants.functions.len()), ([Privilege::All].as_slice(), 0));
    assert_eq!(cloacina.grants.default.sequences, [Privilege::All]);
    assert_eq!(role("boundary").expect("a role").rule.made, RoleMade::Asked);
    assert_eq!(role("brokkr"), None, "a broker's login makes its own schema");

    let head = "name = \"mine\"\ntitle = \"Mine\"\n[registry]\nkind = \"scan\"\npattern = \"a%\"\n[naming]\nrule = \"plain\"\n\
                schema = \"{slug}\"\nhyphens_become_underscores = true\n";
    let role = "[role]\nname = \"{schema}\"\nlogin = true\nmade = \"asked\"\n";
    for (rest, wanted) in [
        ("[grants]\nschema = [\"usage\"]\n".to_owned(), "no [role]"),
        ("[role]\nname = \"app\"\nlogin = true\nmade = \"asked\"\n".to_owned(), "role.name: \"app\" must hold"),
        (
            format!("{role}[grants]\ntables = [\"execute\"]\n"),
            "line 15, column 10: grants.tables: execute is none of all, select",
        ),
        (format!("{role}[grants]\ntables = [\"read\"]\n"), "unknown variant `read`"),
        (format!("{role}[grants.default]\nschemas = [\"usage\"]\n"), "schemas"),
        (format!("{role}search_path = [\"\"]\n"), "role.search_path"),
    ] {
        let text = file::parse("mine.toml", &format!("{head}{rest}")).expect_err("wrong").to_string();
        assert!(text.contains(wanted), "{rest}: {text}");
    }
}
