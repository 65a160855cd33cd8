//! `tenantui server`: what the Server screen shows, once, as text, JSON and CSV.

use serde_json::Value;

use crate::cli::text;
use crate::cli_fleet::Fleet;

#[test]
fn the_command_tells_the_same_as_text_json_and_csv() {
    let fleet = Fleet::new();
    let document = fleet.json(0, &["server", "--json"]);
    assert_eq!(document["databases"], serde_json::json!([{"name": "eu-1", "error": null}]));
    let server = &document["servers"][0];
    assert_eq!(
        (&server["database"], &server["sees_all"], &server["pace"]),
        (&"eu-1".into(), &true.into(), &Value::Null)
    );
    let own = server["sessions"].as_array().expect("sessions").iter().find(|row| row["own"] == true);
    assert!(own.is_some_and(|row| row["sessions"].as_u64() >= Some(1)), "{server}");
    assert!(server["catalogs"].as_array().is_some_and(|catalogs| catalogs.len() > 10), "{server}");
    let paced = fleet.json(0, &["server", "--pace", "1", "--json"]);
    assert!(paced["servers"][0]["pace"]["over_ms"].as_u64() >= Some(900), "{paced}");
    let told = text(&fleet.expect(0, &["server"]).stdout);
    assert!(told.contains("connections  ") && told.contains("CATALOG") && told.contains("pg_attribute"), "{told}");
    let csv = text(&fleet.expect(0, &["server", "--csv"]).stdout);
    assert!(csv.starts_with("database,read_at,role,sees_all,") && csv.lines().count() == 2, "{csv}");

    let down = fleet.block("us-1", "postgresql://postgres@127.0.0.1:1/app?sslmode=disable");
    fleet.configure(&format!("{}{down}", fleet.block("eu-1", &fleet.database.url())));
    let document = fleet.json(3, &["server", "--json"]);
    assert_eq!(document["servers"].as_array().map(Vec::len), Some(1), "the rest is told");
    assert!(document["databases"][1]["error"].as_str().is_some_and(|why| why.contains("127.0.0.1")), "{document}");
}
