//! Layout files: what a user may write is obeyed, and what is wrong is refused with its place.

use tenantui::config::{Database, LayoutChoice};
use tenantui::layout::file;
use tenantui::layout::role::{Privilege, RoleMade};
use tenantui::postgres::{catalog, questions, registry};

use crate::layouts::{config, listed, open, surveyed};
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
    assert_eq!(listed(&config).await, ["1:unknown"]);
}

/// As in the configuration.
#[tokio::test]
async fn a_table_may_be_written_in_quotes() {
    let db = pg().database("own_quoted");
    db.sql(
        "create schema acme; create schema \"My.Shop\"; create table public.shops(slug text); insert into public.shops values ('acme'); \
         create table \"My.Shop\".\"the shops\"(slug text); insert into \"My.Shop\".\"the shops\" values ('acme'), ('gone')",
    );
    let folder = tempfile::tempdir().expect("a folder");
    for (table, wanted) in [
        ("public.\"shops\"", &["acme:unknown"][..]),
        ("public.shops", &["acme:unknown"]),
        ("\"My.Shop\".\"the shops\"", &["acme:unknown", "gone:missing_schema"]),
    ] {
        let path = folder.path().join("shop.toml");
        let text = format!(
            "name = \"shop\"\ntitle = \"Shop\"\n[registry]\nkind = \"table\"\ntable = '{table}'\n[registry.columns]\nslug = [\"slug\"]\n\
             [naming]\nrule = \"plain\"\nschema = \"{{slug}}\"\nhyphens_become_underscores = false\n"
        );
        std::fs::write(&path, &text).expect("written");
        let config = Database { layout: LayoutChoice::File(path), ..config(&db, "postgres") };
        assert_eq!(listed(&config).await, wanted, "{table}");
        let wrong = text.replace(table, "public.\"shops");
        let error = file::parse("mine.toml", &wrong).expect_err("wrong").to_string();
        assert!(error.contains("registry.table: a quote is not closed"), "{error}");
    }
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

/// What a file asks cannot write, cannot take for ever, and takes nothing else with it.
#[tokio::test]
async fn questions_of_a_file_are_fenced_in() {
    let db = pg().database("own_questions");
    db.sql(
        "create schema shop_1; create table shop_1.items(id int, name text); insert into shop_1.items values (1, 'it''s'), (2, null);
         create function public.wipe() returns int language plpgsql as $$ begin delete from shop_1.items; return 1; end $$",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.toml");
    let head = "name = \"shop\"\ntitle = \"Shop\"\n[registry]\nkind = \"scan\"\npattern = \"shop_%\"\n[naming]\nrule = \"plain\"\n\
                schema = \"shop_{slug}\"\nhyphens_become_underscores = true\n";
    let question =
        |list: &str, name: &str, query: &str| format!("[[{list}]]\nname = \"{name}\"\nquery = '''{query}'''\n");
    let needs = "needs = [{ table = \"{schema}.items\", columns = [\"id\"], as = \"i\" }]\n";
    let text = [
        head.to_owned(),
        question("members", "items", "select i.id, {i.title|name} as name from {schema}.items i order by 1") + needs,
        question("health", "wipe", "select public.wipe() as value"),
        question("health", "slow", "select pg_sleep(30)::text as value"),
        question("health", "wrong", "select nothing as value"),
        question("health", "sly", "select set_config('default_transaction_read_only', 'off', false) as value"),
        question("health", "slug", "select :'slug' || ' in ' || :'schema' as value, 1 as detail"),
        question("fleet", "all", "select 'shop_1' as schema, 'is a shop' as problem"),
        question("fleet", "none", "select 1 / 0 as schema"),
    ];
    std::fs::write(&path, text.concat()).expect("written");
    let config = Database { layout: LayoutChoice::File(path), ..config(&db, "postgres") };
    let reader = open(&config).await;
    let layout = surveyed(&config).await.expect("a layout");
    let rows = registry::rows(&reader, &layout).await.expect("rows");
    let schemas = catalog::schemas_of(&reader, &layout).await.expect("schemas");
    let tenants = catalog::tenants(&config.name, &layout, &rows, &schemas, &reader.facts().user);
    let answers = questions::about(&reader, &layout, &tenants[0]).await.expect("answers");
    let members: Vec<(&str, &str)> = answers.members.iter().map(|one| (one.id.raw(), one.name.raw())).collect();
    assert_eq!(members, [("1", "it's"), ("2", "2")]);
    let facts: Vec<(&str, Option<&str>)> =
        answers.health.iter().map(|fact| (fact.name.raw(), fact.value.as_ref().map(|value| value.raw()))).collect();
    assert_eq!(facts, [("sly", Some("off")), ("slug", Some("1 in shop_1"))]);
    let problems: Vec<&str> = answers.problems.iter().map(|problem| problem.raw()).collect();
    for (problem, name) in problems.iter().zip(["wipe", "slow", "wrong"]) {
        assert!(problem.starts_with(&format!("{name} could not be read")), "{problems:?}");
    }
    assert!(
        problems[0].contains("25006") && problems[1].contains("57014") && problems[2].contains("42703"),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 3);
    assert_eq!(db.value("select count(*) from shop_1.items"), "2");
    // Nothing that a question set outlives it.
    let rows = reader.rows("show default_transaction_read_only").await.expect("a setting");
    assert_eq!(rows[0].text(0), Some("on"));

    let told = questions::about_fleet(&reader, &layout).await.expect("answers");
    assert_eq!(told.by_schema["shop_1"].iter().map(|problem| problem.raw()).collect::<Vec<_>>(), ["is a shop"]);
    assert!(told.problems[0].raw().contains("none could not be read: division by zero (22012)"), "{:?}", told.problems);
}
