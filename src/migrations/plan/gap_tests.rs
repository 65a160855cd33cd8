//! What happens to pending files that are older than a tenant's version.

use super::tests::{folder_of, ledger_of, left_out, made, options, runs, tenant};
use super::*;
use crate::model::ledger::LedgerState;

/// The plan for a tenant with these versions of a folder of 1 to 4, by default or for one version.
fn planned(tool: Tool, applied: &[&str], only: Option<&str>) -> Plan {
    let name = |version: &str| match tool {
        Tool::NodePgMigrate => format!("{version}_x"),
        _ => version.to_owned(),
    };
    let files: Vec<String> = ["1", "2", "3", "4"].map(name).to_vec();
    let applied: Vec<String> = applied.iter().map(|version| name(version)).collect();
    let applied: Vec<&str> = applied.iter().map(String::as_str).collect();
    let folder = folder_of(tool, &files.iter().map(String::as_str).collect::<Vec<_>>());
    let ledger = LedgerState::Read(ledger_of(tool, &applied));
    let only = only.map(|version| Version::new(&name(version)));
    made(vec![tenant("a", ledger)], &folder, PlanOptions { only, ..options() })
}

fn warnings(plan: &Plan) -> Vec<&str> {
    plan.tenants.iter().flat_map(|tenant| &tenant.warnings).map(Untrusted::raw).collect()
}

#[test]
fn tools_that_apply_gaps_get_them_applied() {
    for tool in [Tool::Dbmate, Tool::Diesel, Tool::Sqlx, Tool::Migratus] {
        let plan = planned(tool, &["1", "3"], None);
        assert_eq!(runs(&plan), [("a".to_owned(), vec!["2", "4"])], "{tool}");
        assert!(warnings(&plan)[0].contains("as the tool does"), "{tool}");
    }
}

#[test]
fn tools_that_stop_at_gaps_are_not_led_past_them() {
    for tool in [Tool::Goose, Tool::Flyway, Tool::NodePgMigrate] {
        let plan = planned(tool, &["1", "3"], None);
        assert_eq!(runs(&plan), [], "{tool}");
        let (_, why) = left_out(&plan)[0];
        assert!(why.starts_with("gap: 2") && why.contains("--only 2") && why.contains(tool.word()), "{tool}: {why}");
        let plan = planned(tool, &["1", "3"], Some("2"));
        assert_eq!(runs(&plan)[0].1.len(), 1, "{tool}: asked for by name");
        assert!(warnings(&plan)[0].contains("stops at"), "{tool}: {:?}", warnings(&plan));
        assert!(warnings(&planned(tool, &["1", "2"], None)).is_empty(), "{tool}: no gap");
    }
    assert!(warnings(&planned(Tool::NodePgMigrate, &["1", "3"], Some("2")))[0].contains("--no-check-order"));
}

#[test]
fn a_gap_that_refinery_never_applies_is_passed_over() {
    let plan = planned(Tool::Refinery, &["1", "3"], None);
    assert_eq!(runs(&plan), [("a".to_owned(), vec!["4"])]);
    assert!(warnings(&plan)[0].contains("passed over"), "{:?}", warnings(&plan));
    let plan = planned(Tool::Refinery, &["1", "3", "4"], None);
    assert!(left_out(&plan)[0].1.contains("never applies"), "{:?}", left_out(&plan));
    assert_eq!(runs(&planned(Tool::Refinery, &["1", "3"], Some("2"))), [("a".to_owned(), vec!["2"])]);
    let mut folder = folder_of(Tool::Refinery, &["1", "2", "3"]);
    let late = MigrationFile { below: "U2__x.sql".to_owned(), ..(*folder.files[1]).clone() };
    folder.files[1] = Arc::new(late);
    let ledger = LedgerState::Read(ledger_of(Tool::Refinery, &["1", "3"]));
    let plan = made(vec![tenant("a", ledger)], &folder, options());
    assert_eq!((runs(&plan), warnings(&plan)), (vec![("a".to_owned(), vec!["2"])], vec![]), "U files may come late");
}

#[test]
fn what_is_older_follows_the_journal_where_versions_have_no_order() {
    // Drizzle's tags are in the order of its journal; it never applies what is older than the newest row.
    let folder = folder_of(Tool::Drizzle, &["z_first", "m_second", "a_third"]);
    let made = |applied: &[&str]| {
        let ledger = LedgerState::Read(ledger_of(Tool::Drizzle, applied));
        let options = PlanOptions {
            command: Some(vec!["npx".to_owned(), "drizzle-kit".to_owned(), "migrate".to_owned()]),
            ..options()
        };
        made(vec![tenant("a", ledger)], &folder, options)
    };
    let plan = made(&["z_first"]);
    assert_eq!((runs(&plan), warnings(&plan)), (vec![("a".to_owned(), vec!["m_second", "a_third"])], vec![]));
    let plan = made(&["m_second"]);
    assert_eq!(runs(&plan), [("a".to_owned(), vec!["a_third"])]);
    assert!(warnings(&plan)[0].contains("passed over"), "{:?}", warnings(&plan));
    let plan = made(&["z_first", "a_third"]);
    assert!(left_out(&plan)[0].1.contains("never applies"), "{:?}", left_out(&plan));
}

#[test]
fn a_position_is_not_moved_over_files_that_did_not_run() {
    let plan = planned(Tool::GolangMigrate, &["2"], Some("4"));
    assert!(left_out(&plan)[0].1.contains("--to 4"), "{:?}", left_out(&plan));
    assert_eq!(runs(&planned(Tool::GolangMigrate, &["2"], Some("3"))), [("a".to_owned(), vec!["3"])]);
    assert_eq!(runs(&planned(Tool::GolangMigrate, &["3"], None)), [("a".to_owned(), vec!["4"])]);
}
