//! `tenantui audit`: every intent and outcome, as a table, JSON and CSV; who could change it.

use serde_json::{Value, json};

use crate::cli::{fields, text};
use crate::cli_fleet::Fleet;
use crate::support::{pg, quote};

fn lines(document: &Value) -> Vec<(&str, Option<&str>, &str)> {
    let all = document["audit"].as_array().expect("a list");
    all.iter()
        .map(|row| {
            (
                row["action"].as_str().expect("an action"),
                row["target"].as_str(),
                row["outcome"].as_str().expect("an outcome"),
            )
        })
        .collect()
}

#[test]
fn what_operators_did_is_listed_newest_first() {
    let fleet = Fleet::new();
    assert_eq!(fleet.json(0, &["audit", "--json"]), json!({"audit": []}));
    fleet.init();
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    fleet.expect(0, &["provision", "blue-fox", "--name", "Blue Fox", "--yes"]);
    let document = fleet.json(0, &["audit", "--json"]);
    assert_eq!(
        fields(&document["audit"][0]),
        ["action", "actor", "after", "at", "before", "database", "id", "job", "os_user", "outcome", "target"]
    );
    let all = lines(&document);
    assert_eq!(all.last(), Some(&("init", Some("tenantui"), "done")), "{document}");
    for wanted in [
        ("migrate", Some("migrate"), "ordered"),
        ("migrate", Some("tenant_acme"), "done"),
        ("provision", Some("provision:tenant_blue_fox"), "ordered"),
        ("run", None, "done"),
    ] {
        assert!(all.contains(&wanted), "{wanted:?} in {document}");
    }
    let ids: Vec<i64> =
        document["audit"].as_array().expect("a list").iter().filter_map(|row| row["id"].as_i64()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let step = document["audit"].as_array().expect("a list").iter().find(|row| row["target"] == "tenant_acme");
    let step = step.expect("acme's step");
    assert_eq!((&step["actor"], &step["after"]["version"]), (&json!("postgres"), &json!("20260301000000")));
    assert!(step["at"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "{step}");
    let job = step["job"].to_string();

    let of_job = fleet.json(0, &["audit", "--job", &job, "--json"]);
    let rows = of_job["audit"].as_array().expect("a list");
    assert!(rows.len() >= 3 && rows.iter().all(|row| row["job"] == step["job"]), "{of_job}");
    for tenant in ["acme", "tenant_acme"] {
        let of_tenant = fleet.json(0, &["audit", "--tenant", tenant, "--json"]);
        assert_eq!(lines(&of_tenant), [("migrate", Some("tenant_acme"), "done")], "{tenant}");
    }
    assert!(lines(&fleet.json(0, &["audit", "--tenant", "blue-fox", "--json"])).contains(&(
        "provision",
        Some("provision:tenant_blue_fox"),
        "ordered"
    )));
    assert_eq!(fleet.json(0, &["audit", "--limit", "2", "--json"])["audit"].as_array().map(Vec::len), Some(2));
    assert_eq!(fleet.json(0, &["audit", "--since", "2099-01-01", "--json"]), json!({"audit": []}));
    assert_eq!(fleet.json(0, &["audit", "--since", "1h", "--json"]), document);
    fleet.expect(2, &["audit", "--since", "yesterday"]);

    let table = text(&fleet.expect(0, &["audit"]).stdout);
    let head = table.lines().next().expect("a heading");
    assert_eq!(
        head.split_whitespace().collect::<Vec<_>>(),
        ["AT", "ACTOR", "ACTION", "TARGET", "JOB", "OUTCOME", "CHANGE"]
    );
    assert!(table.contains("@postgres") && table.contains("version 20260301000000"), "{table}");
    let csv = text(&fleet.expect(0, &["audit", "--csv"]).stdout);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().expect("a header").iter().next_back(), Some("after"));
    assert_eq!(reader.records().filter(Result::is_ok).count(), all.len());
}

#[test]
fn hostile_words_in_the_audit_are_shown_harmlessly() {
    let fleet = Fleet::new();
    fleet.init();
    fleet.database.sql(
        "insert into tenantui.audit (os_user, action, target, after, outcome) values \
         (E'\\x1b]0;x\\x07', E'sk\\u202Eip', E'a\\nb', jsonb_build_object('note', E'\\x1b[2J'), 'done')",
    );
    // `expect` refuses every unsafe character on both streams.
    for style in [&["audit"][..], &["audit", "--json"], &["audit", "--csv"]] {
        fleet.expect(0, style);
    }
    let document = fleet.json(0, &["audit", "--limit", "1", "--json"]);
    assert_eq!(document["audit"][0]["target"], "a\nb", "the value is unchanged");
}

/// The role that `doctor --grants` prints for writing can run jobs, and neither change nor delete what is audited.
#[test]
fn a_writer_adds_to_the_audit_and_cannot_change_it() {
    let fleet = Fleet::new();
    fleet.init();
    let doctor = |fleet: &Fleet| -> Value {
        let document = fleet.json(0, &["doctor", "--json"]);
        let checks = document["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["area"] == "audit").cloned().expect("the check")
    };
    let owner = doctor(&fleet);
    assert_eq!(owner["result"], "warn", "{owner}");
    assert!(owner["found"].as_str().is_some_and(|found| found.contains("postgres could change")), "{owner}");

    let owned_by = pg().role("app");
    for schema in ["tenant_acme", "tenant_beta_two", "tenant_lost"] {
        fleet.database.sql(&format!(
            "alter schema {schema} owner to {owned_by}; do $$ declare t text; begin for t in select tablename from \
             pg_tables where schemaname = '{schema}' loop execute format('alter table {schema}.%I owner to {owned_by}', t); \
             end loop; end $$"
        ));
    }
    let writer = pg().role("writer");
    let document = fleet.json(0, &["doctor", "--grants", "--json"]);
    let grants = document["grants"].as_array().expect("a list");
    let one = grants.iter().find(|grant| grant["purpose"] == "writing").expect("the purpose");
    for statement in one["statements"].as_array().expect("a list").iter().filter_map(Value::as_str) {
        if !statement.starts_with("CREATE ROLE") {
            fleet.database.sql(&statement.replace(one["role"].as_str().expect("a name"), &quote(&writer)));
        }
    }
    fleet.configure(&fleet.block("eu-1", &fleet.database.url_as(&writer)));
    fleet.expect(0, &["migrate", "acme", "--yes"]);
    let written = fleet.json(0, &["audit", "--tenant", "acme", "--json"]);
    assert_eq!(written["audit"][0]["actor"], Value::from(writer.as_str()), "{written}");
    for forbidden in
        ["update tenantui.audit set outcome = 'x'", "delete from tenantui.audit", "truncate tenantui.audit"]
    {
        let error = fleet.database.try_sql(&format!("set role {}; {forbidden}", quote(&writer))).expect_err(forbidden);
        assert!(error.starts_with("42501"), "{forbidden}: {error}");
    }
    assert_eq!(doctor(&fleet)["result"], "ok");
}
