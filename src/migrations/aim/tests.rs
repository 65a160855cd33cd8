use super::*;
use crate::config::conninfo::Conninfo;
use crate::config::surroundings::Surroundings;
use crate::model::ident::SchemaName;

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_tool_that_would_migrate_another_schema_is_refused_with_what_to_write() {
    for (tool, command, wanted) in [
        (Tool::Ecto, &["mix", "ecto.migrate"][..], "\"--prefix\", \"{schema}\""),
        (Tool::NodePgMigrate, &["npx", "node-pg-migrate", "up"], "\"-s\", \"{schema}\""),
        (Tool::Django, &["python", "manage.py", "migrate_schemas"], "django-tenants"),
        (Tool::Refinery, &["refinery", "migrate"], "refinery is not aimed"),
        (Tool::Sqitch, &["sqitch", "deploy"], "\"--registry\", \"{schema}\""),
        (Tool::Supabase, &["supabase", "db", "push"], "{url}"),
    ] {
        let why = unaimed(tool, &words(command)).unwrap_or_else(|| panic!("{tool} is taken"));
        assert!(why.contains(wanted), "{tool}: {why}");
    }
}

#[test]
fn what_each_refusal_says_to_write_is_taken() {
    for tool in Tool::ALL {
        let example = words(aim(tool, &[]).example);
        assert!(!example.is_empty(), "{tool} has no example");
        assert_eq!(unaimed(tool, &example), None, "{tool}");
    }
    assert_eq!(unaimed(Tool::Django, &words(DJANGO_TENANTS.example)), None);
}

#[test]
fn words_are_filled_in_once_and_stay_words() {
    let fill = Fill { schema: "a {slug} b", slug: "x{url}", id: Some("7"), version: "0042", url: "postgresql://h/d" };
    let command = words(&["run", "--schema={schema}", "{tenant}", "{id}:{to}:{version}", "{url}", "{json: 1}", "{"]);
    assert_eq!(
        filled(&command, &fill),
        ["run", "--schema=a {slug} b", "x{url}", "7:0042:0042", "postgresql://h/d", "{json: 1}", "{"]
    );
    assert!(takes_version(&command) && !takes_version(&words(&["up"])));
}

fn conninfo(url: &str) -> Conninfo {
    Conninfo::parse(url, &Surroundings::fixed([("PGUSER", "ops")])).expect("a connection string")
}

fn path(schemas: &[&str]) -> String {
    let names: Vec<SchemaName> = schemas.iter().map(|name| SchemaName::existing(name).expect("a name")).collect();
    search_path(&names.iter().collect::<Vec<_>>())
}

#[test]
fn plain_names_have_no_quotes_and_others_lose_their_meaning() {
    assert_eq!(path(&["tenant_acme", "extensions"]), "tenant_acme,extensions");
    assert_eq!(path(&["Acme"]), "\"Acme\"");
    assert_eq!(path(&["a\"b, c"]), "\"a\"\"b, c\"");
    assert_eq!(pgoptions(&path(&["a \\b"])), "-c search_path=\"a\\ \\\\b\"");
    assert_eq!(pgoptions("x"), "-c search_path=x");
}

#[test]
fn urls_hold_the_schema_and_the_password_only_where_they_must() {
    let info = conninfo("postgresql://o%40ps:secret@db.example:6432/a%2Fb");
    let path = path(&["tenant 1"]);
    let address = Address { conninfo: &info, sslmode: "require", schema: "tenant 1", path: &path };
    assert_eq!(
        address.url(UrlAim::Options, None),
        "postgresql://o%40ps@db.example:6432/a%2Fb?sslmode=require&options=-c%20search_path%3D%22tenant%5C%201%22"
    );
    assert_eq!(
        address.url(UrlAim::Nothing, Some("p:w/")),
        "postgresql://o%40ps:p%3Aw%2F@db.example:6432/a%2Fb?sslmode=require"
    );
    assert!(address.url(UrlAim::Schema, None).contains("&schema=tenant%201&options="));
    assert_eq!(
        address.jdbc(true, Some("pw")),
        "jdbc:postgresql://db.example:6432/a%2Fb?currentSchema=%22tenant%201%22&sslmode=require&user=o%40ps&password=pw"
    );
    assert!(!address.jdbc(false, Some("pw")).contains("pw"));
}

#[test]
fn a_socket_is_a_parameter() {
    let info = conninfo("postgresql:///app?host=/run/pg");
    let address = Address { conninfo: &info, sslmode: "disable", schema: "t", path: "t" };
    assert_eq!(
        address.url(UrlAim::Options, None),
        "postgresql:///app?host=%2Frun%2Fpg&port=5432&user=ops&options=-c%20search_path%3Dt"
    );
    assert!(address.jdbc(false, None).starts_with("jdbc:postgresql://localhost:5432/app?currentSchema=t&"));
}
