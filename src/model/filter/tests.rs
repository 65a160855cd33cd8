use std::sync::Arc;

use proptest::prelude::*;

use super::fields::{Compare, FlagField, NumberField, TextField, What, like};
use super::units::{age, bytes, count, show_age};
use super::*;
use crate::model::job::JobId;
use crate::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use crate::model::tenant::{DatabaseName, FailedStep, TenantKey, TenantState};

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
        domains: vec!["blue.example.org".into(), "shop.blue.example".into()],
        created_at: Some("2026-01-31T12:00:00Z".into()),
        changed: Arc::default(),
        failed_step: None,
        problems: vec![],
    }
}

fn now() -> jiff::Timestamp {
    "2026-03-02T12:00:00Z".parse().expect("a time")
}

fn fits(filter: &str, tenant: &Tenant) -> bool {
    fits_with(filter, &SavedFilters::default(), tenant)
}

fn fits_with(filter: &str, saved: &SavedFilters, tenant: &Tenant) -> bool {
    Filter::parse_with(filter, saved).unwrap_or_else(|error| panic!("{filter}: {error}")).fits(tenant, now())
}

fn saved() -> SavedFilters {
    let mut saved = SavedFilters::default();
    saved.add("paying-behind", "plan:pro,team behind>0").expect("a filter");
    saved.add("foxes", "fox !red").expect("a filter");
    saved
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
        "deleted:no",
        "domain:blue.*",
        "domain:shop.*",
        "example.org",
        "age>29d",
        "age>=30d",
        "age<1y",
        "age<=720h",
        "plan:\"pro\",free",
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
        ("age:30d", "age is compared with > or <, as in age>30d"),
        ("age>30", "age is compared with a time, as in age>30d, not with \"30\""),
        (":", ": is followed by the name of a saved filter"),
        ("!:\"\"", ": is followed by"),
        (":big", "there is no saved filter big; none is saved"),
        ("x\u{1b}:1", ""),
    ] {
        match Filter::parse(filter) {
            Err(error) => assert!(error.to_string().contains(words), "{filter}: {error}"),
            Ok(_) => assert!(words.is_empty(), "{filter} was taken"),
        }
    }
}

#[test]
fn an_error_stands_at_its_term() {
    for (filter, at, length) in
        [("stat:ok", 0, 7), ("é  plan:pro stat:ok x", 12, 7), ("\"a b\" !behind>x", 6, 9), ("a :big", 2, 4)]
    {
        let error = Filter::parse(filter).expect_err(filter);
        assert_eq!((error.at, error.length), (at, length), "{filter}");
        assert!(error.to_string().starts_with(&format!("at {}: ", at + 1)), "{error}");
    }
}

#[test]
fn a_saved_filter_stands_for_its_terms() {
    let (saved, tenant) = (saved(), tenant());
    for filter in [":paying-behind", ":foxes :paying-behind", "blue :foxes", "!:paying-behind !blue"] {
        assert_eq!(fits_with(filter, &saved, &tenant), !filter.starts_with('!'), "{filter}");
    }
    let mut unread = tenant.clone();
    (unread.state, unread.pending) = (TenantState::Unknown, None);
    // Whether it is behind is not known; but a tenant on another plan is none of them, whatever that is.
    assert!(!fits_with(":paying-behind", &saved, &unread) && !fits_with("!:paying-behind", &saved, &unread));
    unread.plan = Some("free".into());
    assert!(fits_with("!:paying-behind", &saved, &unread));
    let error = |filter: &str| Filter::parse_with(filter, &saved).expect_err(filter).to_string();
    assert!(error("x :big").contains("at 3: there is no saved filter big; the saved ones are foxes, paying-behind"));
    assert!(error("!:foxes").contains("the filter has words"));
}

#[test]
fn what_cannot_be_saved_says_why() {
    for (name, text, words) in [
        ("Big", "size>1GB", "lower case letter"),
        ("", "size>1GB", "lower case letter"),
        ("2big", "size>1GB", "lower case letter"),
        ("big one", "size>1GB", "lower case letter"),
        ("big", "size>1XB", "at 1: size is compared with a number"),
        ("big", ":foxes", "cannot name another one"),
        ("big", "  ", "is empty"),
    ] {
        let why = saved().add(name, text).expect_err(name);
        assert!(why.contains(words), "{name}: {why}");
    }
    assert_eq!(
        saved().iter().collect::<Vec<_>>(),
        [("foxes", "fox !red"), ("paying-behind", "plan:pro,team behind>0")]
    );
}

#[test]
fn a_word_keeps_its_signs_for_the_face_that_matches_it() {
    let filter = Filter::parse("^acm !corp behind>2 'x 2024:1 \"a b\" \"!c\"").expect("a filter");
    let words: Vec<(bool, &str)> = filter.words().iter().map(|word| (word.negated, word.text.as_str())).collect();
    assert_eq!(
        words,
        [(false, "^acm"), (true, "corp"), (false, "'x"), (false, "2024:1"), (false, "a b"), (false, "!c")]
    );
    assert!(!filter.is_empty() && Filter::parse("  ").expect("a filter").is_empty());
}

#[test]
fn sizes_and_counts_are_read_as_they_are_shown() {
    assert_eq!(bytes("1GB"), Some(1_073_741_824));
    assert_eq!(bytes("1.5k"), Some(1_536));
    assert_eq!(bytes("12"), Some(12));
    assert_eq!(count("2k"), Some(2_000));
    assert_eq!((age("90s"), age("2min"), age("1.5h"), age("2w")), (Some(90), Some(120), Some(5_400), Some(1_209_600)));
    assert_eq!(
        (show_age(90), show_age(172_800), show_age(0), show_age(604_800)),
        ("90s".into(), "2d".into(), "0s".into(), "1w".into())
    );
    assert_eq!(age("30"), None);
    for wrong in ["", "GB", "1GBB", "-1", "1e9", "9999999999999999999T", "."] {
        assert_eq!(bytes(wrong), None, "{wrong}");
    }
}

/// The terms without their places.
fn bare(filter: &FilterText) -> Vec<Term> {
    filter.terms.iter().map(|(_, term)| term.clone()).collect()
}

fn term() -> impl Strategy<Value = Term> {
    let text = || "[a-z0-9 ,*._:!<>=-]{1,8}";
    let what = prop_oneof![
        prop::collection::vec(prop::sample::select(&TenantState::ALL[..]), 1..3)
            .prop_map(|states| states.into_iter().filter(|state| *state != TenantState::Unknown).collect::<Vec<_>>())
            .prop_filter("a state", |states| !states.is_empty())
            .prop_map(What::State),
        (prop::sample::select(&TextField::ALL[..]), prop::collection::vec(text(), 1..3))
            .prop_map(|(field, values)| What::Text(field, values)),
        prop::collection::vec(prop::option::of(text().prop_filter("none is no version", |text| text != "none")), 1..3)
            .prop_map(What::Version),
        (prop::sample::select(&FlagField::ALL[..]), any::<bool>())
            .prop_map(|(field, wanted)| What::Flag(field, wanted)),
        (
            prop::sample::select(&NumberField::ALL[..]),
            prop::sample::select(&[Compare::Over, Compare::AtLeast, Compare::Under, Compare::AtMost][..]),
            0..1_u64 << 50,
        )
            .prop_map(|(field, compare, limit)| What::Number(field, compare, limit)),
    ];
    prop_oneof![
        (any::<bool>(), what).prop_map(|(negated, what)| Term::Test(Test { negated, what })),
        (any::<bool>(), text()).prop_map(|(negated, text)| Term::Word(Word { negated, text })),
        (any::<bool>(), "[a-z0-9 _-]{1,8}").prop_map(|(negated, name)| Term::Saved { negated, name }),
    ]
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(text in any::<String>()) {
        if let Ok(filter) = Filter::parse(&text) {
            let _ = filter.fits(&tenant(), now());
        }
    }

    #[test]
    fn what_was_read_is_printed_so_that_it_reads_the_same(text in "[a-z:!<>=\", *^']{0,24}|.{0,16}") {
        if let Ok(filter) = FilterText::parse(&text) {
            let printed = filter.to_string();
            let again = FilterText::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
            prop_assert_eq!(bare(&again), bare(&filter), "{}", printed);
        }
    }

    #[test]
    fn every_filter_can_be_written(terms in prop::collection::vec(term(), 0..6)) {
        let filter = FilterText { terms: terms.into_iter().map(|term| (Spot::default(), term)).collect() };
        let printed = filter.to_string();
        let again = FilterText::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(bare(&again), bare(&filter), "{}", printed);
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

#[test]
fn a_database_is_left_out_only_where_no_tenant_of_it_can_fit() {
    let mut saved = saved();
    saved.add("europe", "database:eu-*").expect("a filter");
    saved.add("europe-behind", "database:eu-* behind>0").expect("a filter");
    for (filter, eu, us) in [
        ("", true, true),
        ("plan:pro acme", true, true),
        ("database:eu-1", true, false),
        ("database:EU-1 behind>0", true, false),
        ("database:us-1,asia", false, true),
        ("!database:eu-1", false, true),
        ("database:*-1", true, true),
        ("database:nope", false, false),
        // The words are of the tenant's names in the command, and no test of the database.
        ("eu-1", true, true),
        (":europe", true, false),
        ("!:europe", false, true),
        ("!:europe-behind", true, true),
    ] {
        let filter = Filter::parse_with(filter, &saved).expect("a filter");
        assert_eq!((filter.may_fit_in("eu-1"), filter.may_fit_in("us-1")), (eu, us), "{filter:?}");
        let tenant = tenant();
        assert!(filter.may_fit_in("eu-1") || !filter.fits(&tenant, now()), "{filter:?}");
    }
}
