use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::job::JobId;
use crate::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use crate::model::tenant::{DatabaseName, FailedStep, TenantKey};

fn tenant() -> Tenant {
    let database: DatabaseName = "eu-1".into();
    let reading = LedgerReading {
        tool: Tool::Migratus,
        applied: Arc::new(AppliedSet { current: Some(Version::new("0039")), ..AppliedSet::default() }),
        table: "schema_migrations".into(),
        dirty: false,
        locked: None,
    };
    Tenant {
        key: TenantKey::row(&database, "7"),
        id: Some("7".into()),
        slug: "blue-fox".into(),
        name: Some("Blue Fox Ltd".into()),
        status: Some("active".into()),
        plan: Some("pro".into()),
        deleted: false,
        schema: Some("t_blue_fox".into()),
        schema_oid: Some(1),
        owner: Some("app".into()),
        state: TenantState::Behind,
        ledger: LedgerState::Read(reading),
        applied: Some(39),
        pending: Some(Arc::new([Version::new("0040"), Version::new("0041"), Version::new("0042")])),
        ahead: None,
        tables: Some(38),
        size_bytes: Some(310 * 1_024 * 1_024),
        size_exact: false,
        cache_keys: None,
        domain: None,
        created_at: None,
        changed: Arc::default(),
        failed_step: None,
        problems: vec![],
    }
}

fn fits(filter: &str, tenant: &Tenant) -> bool {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).fits(tenant)
}

#[test]
fn every_term_has_to_hold_and_a_sign_turns_one_round() {
    let tenant = tenant();
    for filter in [
        "",
        "blue",
        "BLUE ltd",
        "state:behind",
        "state:dirty,behind",
        "!state:dirty",
        "status:Active",
        "plan:pro behind>2 fox",
        "plan=PRO",
        "version:0039",
        "version:00*",
        "!version:0042",
        "database:eu-1",
        "tool:migratus",
        "name:\"Blue Fox Ltd\"",
        "slug:*fox",
        "schema:t_*",
        "behind>=3",
        "behind:3",
        "behind<4",
        "applied<=39",
        "tables>30",
        "size>300MB",
        "size<1g",
        "size>=310MiB",
        "failed:no",
        "!acme",
        "!failed:yes",
    ] {
        assert!(fits(filter, &tenant), "{filter}");
        let negated = filter.strip_prefix('!').map_or_else(|| format!("!{filter}"), str::to_owned);
        if !filter.is_empty() && !filter.contains(' ') {
            assert!(!fits(&negated, &tenant), "{negated}");
        }
    }
    for filter in ["acme", "blue acme", "plan:free", "plan:pro behind>3", "size>1GB", "slug:fox", "version:none"] {
        assert!(!fits(filter, &tenant), "{filter}");
    }
}

#[test]
fn what_is_unknown_fits_neither_a_test_nor_its_opposite() {
    let mut unread = tenant();
    (unread.state, unread.ledger, unread.applied, unread.pending) =
        (TenantState::Unknown, LedgerState::Unread, None, None);
    for filter in ["keys>0", "!keys>0", "behind:0", "!behind:0", "state:ok", "!state:ok", "version:none", "!version:1"]
    {
        assert!(!fits(filter, &unread), "{filter}");
    }
    // An empty column of the registry is no unknown: the tenant is on no plan.
    unread.plan = None;
    assert!(fits("!plan:pro", &unread) && !fits("plan:pro", &unread));
    let mut empty = tenant();
    (empty.ledger, empty.applied) = (LedgerState::Absent, Some(0));
    assert!(fits("version:none", &empty) && fits("!version:0039", &empty) && !fits("tool:migratus", &empty));
}

#[test]
fn failures_are_a_field_too() {
    let mut failed = tenant();
    failed.failed_step =
        Some(Arc::new(FailedStep { job: JobId(1), version: None, sqlstate: None, message: "no".into() }));
    assert!(fits("failed:yes", &failed) && !fits("failed:no", &failed));
}

#[test]
fn an_error_names_the_field_and_what_is_allowed() {
    for (filter, words) in [
        ("stat:ok", "there is no field stat; the fields are state, status, plan, version"),
        ("state:happy", "there is no state happy; the states are no_access, conflict"),
        ("state:unknown", "there is no state unknown"),
        ("state:", "state wants a value, as in state:behind"),
        ("plan>pro", "plan is compared with `:` only, as in plan:pro"),
        ("behind>many", "behind is compared with a number, as in behind>2, not with \"many\""),
        ("size>1XB", "size is compared with a number, as in size>1GB, not with \"1XB\""),
        ("behind>", "behind is compared with a number"),
        ("failed:maybe", "failed is yes or no"),
        ("x\u{1b}:1", ""),
    ] {
        match Filter::parse(filter) {
            Err(error) => assert!(error.to_string().contains(words), "{filter}: {error}"),
            Ok(_) => assert!(words.is_empty(), "{filter} was taken"),
        }
    }
}

#[test]
fn a_word_keeps_its_signs_for_the_face_that_matches_it() {
    let filter = Filter::parse("^acm !corp behind>2 'x 2024:1").expect("a filter");
    assert_eq!(filter.words(), "^acm !corp 'x 2024:1");
    assert!(!filter.is_empty() && Filter::parse("  ").expect("a filter").is_empty());
}

#[test]
fn sizes_and_counts_are_read_as_they_are_shown() {
    assert_eq!(bytes("1GB"), Some(1_073_741_824));
    assert_eq!(bytes("1.5k"), Some(1_536));
    assert_eq!(bytes("12"), Some(12));
    assert_eq!(count("2k"), Some(2_000));
    for wrong in ["", "GB", "1GBB", "-1", "1e9", "9999999999999999999T", "."] {
        assert_eq!(bytes(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(text in any::<String>()) {
        if let Ok(filter) = Filter::parse(&text) {
            let _ = filter.fits(&tenant());
        }
    }

    #[test]
    fn a_pattern_without_stars_is_the_text_itself(pattern in "[a-c]{0,4}", text in "[a-c]{0,4}") {
        prop_assert_eq!(like(&pattern, &text), pattern == text);
    }

    #[test]
    fn stars_stand_for_anything(parts in prop::collection::vec("[a-b]{0,3}", 1..4), fill in "[a-b]{0,3}") {
        prop_assert!(like(&parts.join("*"), &parts.join(&fill)));
    }
}
