//! Names of new tenants: the verdicts of each framework, tenantui's own guard, and collisions.

use proptest::prelude::*;
use tenantui::layout::file;
use tenantui::layout::naming::{boundary_schema_guard, fold};
use tenantui::layout::role::RoleNames;
use tenantui::layout::{CheckedName, NameRule, Naming, TakenNames};
use tenantui::model::ident::SchemaName;

const RULES: [NameRule; 5] =
    [NameRule::Boundary, NameRule::Brokkr, NameRule::Cloacina, NameRule::CloacinaTutorial, NameRule::ApartmentV4];

fn naming(rule: NameRule) -> Naming {
    let (template, hyphens) = match rule {
        NameRule::Boundary | NameRule::Plain => ("tenant_{slug}", true),
        NameRule::Brokkr
        | NameRule::Cloacina
        | NameRule::CloacinaTutorial
        | NameRule::ApartmentV3
        | NameRule::ApartmentV4 => ("{slug}", false),
    };
    Naming {
        rule,
        schema_template: template.to_owned(),
        hyphens_become_underscores: hyphens,
        folds: rule.unquoted(),
        read_back: false,
    }
}

/// The schema that a key becomes, or `-` where it is refused.
fn schema(rule: NameRule, slug: &str) -> String {
    naming(rule).check(slug).map_or_else(|_| "-".to_owned(), |name| name.schema.raw().to_owned())
}

/// One row of layouts.md E.1: the input, and the verdicts of the five rules themselves.
#[test]
fn each_framework_s_verdicts_are_its_own() {
    let sixty_three = "a".repeat(63);
    let sixty_four = "a".repeat(64);
    let fifty_six = "a".repeat(56);
    let rows: &[(&str, [bool; 5])] = &[
        ("", [false, false, false, false, false]),
        ("a", [false, true, true, true, true]),
        ("ab", [true, true, true, true, true]),
        ("acme", [true, true, true, true, true]),
        ("acme-corp", [true, false, false, false, true]),
        ("tenant-name", [true, false, false, false, true]),
        ("tenant-123", [true, false, false, false, true]),
        ("acme_corp", [false, true, true, true, true]),
        ("tenant_123", [false, true, true, true, true]),
        ("company123", [true, true, true, true, true]),
        ("client123", [true, true, true, true, true]),
        ("ACME", [false, true, true, true, true]),
        ("MySchema", [false, true, true, true, true]),
        ("-acme", [false, false, false, false, false]),
        ("acme-", [false, false, false, false, true]),
        ("_tenant", [false, false, true, false, true]),
        ("_private", [false, false, true, false, true]),
        ("acme corp", [false; 5]),
        ("tenant name", [false; 5]),
        ("has.dot", [false; 5]),
        ("tenant.name", [false; 5]),
        ("public", [true, true, false, false, true]),
        ("pg_temp", [false, true, false, false, false]),
        ("pg_toast", [false, true, true, false, false]),
        ("pg_custom", [false, true, true, false, false]),
        ("information_schema", [false, true, false, false, true]),
        ("user", [true, true, true, true, true]),
        ("order", [true, true, true, true, true]),
        ("foo@bar", [false; 5]),
        ("tenant@123", [false; 5]),
        ("tab\tinside", [false; 5]),
        ("line\ninside", [false; 5]),
        ("nul\0inside", [false; 5]),
        ("trailing\n", [false, false, false, true, false]),
        ("café", [false; 5]),
        ("schema_α", [false; 5]),
        ("test; DROP TABLE users; --", [false; 5]),
        ("has;semicolon", [false; 5]),
        (&fifty_six, [true; 5]),
        (&sixty_three, [true; 5]),
        (&sixty_four, [true, true, false, false, false]),
    ];
    for (slug, verdicts) in rows {
        for (rule, expected) in RULES.into_iter().zip(verdicts) {
            assert_eq!(rule.verdict(slug).is_ok(), *expected, "{rule:?} on {slug:?}");
        }
    }
}

/// Apartment v3 has no rule; its own tests make a schema whose name is a number. The server and tenantui's guard remain.
#[test]
fn apartment_v3_takes_every_name_that_is_not_blank() {
    for good in ["1234", "my-tenant", "foo.bar", "a b", "pg_x", "café", "a@b"] {
        assert!(NameRule::ApartmentV3.verdict(good).is_ok(), "{good}");
    }
    for blank in ["", " ", "\t"] {
        assert!(NameRule::ApartmentV3.verdict(blank).is_err(), "{blank:?}");
    }
    assert_eq!(schema(NameRule::ApartmentV3, "1234"), "1234");
    assert_eq!(schema(NameRule::ApartmentV3, "foo.bar"), "foo.bar");
    for bad in ["pg_x", "public", "information_schema", "tenantui", "a\u{202e}b", &"a".repeat(64)] {
        assert_eq!(schema(NameRule::ApartmentV3, bad), "-", "{bad}");
    }
}

/// What provisioning makes of the same inputs: never a schema that PostgreSQL cuts, reserves or cannot reach.
#[test]
fn provisioning_accepts_what_the_rule_and_the_server_accept() {
    let cases: &[(NameRule, &str, &str)] = &[
        (NameRule::Boundary, "acme-corp", "tenant_acme_corp"),
        (NameRule::Boundary, "tenant-name", "tenant_tenant_name"),
        (NameRule::Boundary, "a--b", "tenant_a__b"),
        (NameRule::Boundary, "1st", "tenant_1st"),
        (NameRule::Boundary, "public", "tenant_public"),
        (NameRule::Boundary, "user", "tenant_user"),
        (NameRule::Brokkr, "MySchema", "myschema"),
        (NameRule::Brokkr, "ACME", "acme"),
        (NameRule::Brokkr, "public", "-"),
        (NameRule::Brokkr, "pg_temp", "-"),
        (NameRule::Brokkr, "pg_custom", "-"),
        (NameRule::Brokkr, "information_schema", "-"),
        (NameRule::Brokkr, "user", "-"),
        (NameRule::Brokkr, "Order", "-"),
        (NameRule::Cloacina, "MySchema", "myschema"),
        (NameRule::Cloacina, "_private", "_private"),
        (NameRule::Cloacina, "PG_TEMP", "-"),
        (NameRule::Cloacina, "pg_toast", "-"),
        (NameRule::Cloacina, "order", "-"),
        (NameRule::CloacinaTutorial, "trailing\n", "-"),
        (NameRule::ApartmentV4, "ACME", "ACME"),
        (NameRule::ApartmentV4, "acme-", "acme-"),
        (NameRule::ApartmentV4, "user", "user"),
        (NameRule::ApartmentV4, "public", "-"),
        (NameRule::ApartmentV4, "information_schema", "-"),
        (NameRule::ApartmentV4, "tenantui", "-"),
        (NameRule::ApartmentV4, "zz_dropped_31_acme", "-"),
        (NameRule::Plain, "acme.corp", "tenant_acme.corp"),
        (NameRule::Plain, "café", "tenant_café"),
        (NameRule::Plain, "cafe\u{301}", "-"),
        (NameRule::Plain, "$user", "-"),
        (NameRule::Plain, "a\"b", "-"),
        (NameRule::Plain, "../etc", "-"),
        (NameRule::Plain, "a*", "-"),
        (NameRule::Plain, "a\\b", "-"),
        (NameRule::Plain, "a\u{202e}b", "-"),
    ];
    for (rule, slug, expected) in cases {
        assert_eq!(schema(*rule, slug), *expected, "{rule:?} on {slug:?}");
    }
}

#[test]
fn sixty_three_bytes_are_counted_on_the_schema_in_bytes() {
    assert_eq!(schema(NameRule::Boundary, &"a".repeat(56)).len(), 63);
    for (rule, slug) in [
        (NameRule::Boundary, "a".repeat(57)),
        (NameRule::Boundary, "a".repeat(63)),
        (NameRule::Brokkr, "a".repeat(64)),
        (NameRule::Plain, "é".repeat(29)),
    ] {
        let error = naming(rule).check(&slug).expect_err("too long").to_string();
        assert!(error.contains("PostgreSQL keeps 63"), "{error}");
    }
    assert_eq!(schema(NameRule::Plain, &"é".repeat(28)).len(), 63);
}

#[test]
fn a_refusal_names_the_rule_and_the_character() {
    let say = |rule, slug: &str| naming(rule).check(slug).expect_err("refused").to_string();
    let error = say(NameRule::Boundary, "acme_corp");
    assert!(error.contains("Boundary") && error.contains("character 5 is an underscore"), "{error}");
    assert!(error.contains("lower-case letters, digits and hyphens"), "{error}");
    assert!(say(NameRule::Boundary, "Acme").contains("starts with the capital \"A\""));
    assert!(say(NameRule::Boundary, "acme-").contains("character 5, the last, is a hyphen"));
    assert!(say(NameRule::Boundary, "-acme").contains("starts with a hyphen"));
    assert!(say(NameRule::Boundary, "a").contains("at least 2"));
    assert!(say(NameRule::Boundary, &"a".repeat(101)).contains("at most 100"));
    assert!(say(NameRule::Boundary, "").contains("it is empty"));
    assert!(say(NameRule::Plain, "ac\u{200b}me").contains("character 3 is U+200B"));
    assert!(say(NameRule::Cloacina, "schema_α").contains("(U+03B1)"));
    assert!(say(NameRule::Brokkr, "user").contains("keyword"));
    // The message itself is fit for a terminal.
    assert!(!say(NameRule::Plain, "a\u{1b}]0;x\u{7}").chars().any(tenantui::text::is_unsafe));
}

#[test]
fn boundary_s_schema_guard() {
    for good in ["tenant_acme_corp", "tenant_company123", "tenant__", "tenant_1"] {
        assert!(boundary_schema_guard(good).is_ok(), "{good}");
    }
    let long = format!("tenant_{}", "a".repeat(57));
    for bad in ["public", "tenant_", "tenant_ACME", "tenant_a b", "tenant_a'b", "tenant_a\"b", "tenant_a;b", "user", ""]
        .into_iter()
        .chain([long.as_str()])
    {
        assert!(boundary_schema_guard(bad).is_err(), "{bad}");
    }
}

#[test]
fn proposals_are_names_that_pass() {
    let propose = |rule, name: &str| naming(rule).propose(name);
    assert_eq!(propose(NameRule::Boundary, "Blue Fox Ltd"), "blue-fox-ltd");
    assert_eq!(propose(NameRule::Boundary, "  Müller & Söhne GmbH.  "), "muller-sohne-gmbh");
    assert_eq!(propose(NameRule::Boundary, "O'Reilly"), "oreilly");
    assert_eq!(propose(NameRule::Boundary, "Straße 7"), "strasse-7");
    assert_eq!(propose(NameRule::Boundary, "日本"), "");
    assert_eq!(propose(NameRule::Boundary, ""), "");
    assert_eq!(propose(NameRule::Boundary, &"x".repeat(200)).len(), 56);
    assert_eq!(propose(NameRule::Brokkr, "Blue Fox"), "blue_fox");
    assert_eq!(propose(NameRule::Brokkr, "3M Company"), "t_3m_company");
    assert_eq!(propose(NameRule::Cloacina, "User"), "t_user");
}

fn taken(slugs: &[&str], schemas: &[&str]) -> TakenNames {
    TakenNames {
        slugs: slugs.iter().map(|name| (*name).to_owned()).collect(),
        schemas: schemas.iter().map(|name| (*name).to_owned()).collect(),
        ..TakenNames::default()
    }
}

fn checked(slug: &str, schema: &str) -> CheckedName {
    CheckedName { slug: slug.to_owned(), schema: SchemaName::existing(schema).expect("a legal name") }
}

#[test]
fn collisions_are_refused_with_the_name_and_the_reason() {
    let names = taken(&["acme-corp", "Blue"], &["tenant_acme_corp", "Tenant_Old", "tenant_café", "public"]);
    let say = |slug, schema| names.check(&checked(slug, schema)).expect_err("taken").to_string();
    assert!(say("acme-corp", "tenant_x").contains("\"acme-corp\" exists already"));
    assert!(say("acme_corp", "tenant_x").contains("hyphens and underscores"));
    assert!(say("blue", "tenant_x").contains("\"Blue\""));
    assert!(say("new", "tenant_acme_corp").contains("never reused"));
    assert!(say("new", "tenant_old").contains("capitals"));
    assert!(say("new", "tenant_cafe\u{301}").contains("how the same characters are written"));
    assert!(names.check(&checked("acme-corp-2", "tenant_acme_corp_2")).is_ok());
}

#[test]
fn folding_sees_twins() {
    assert_eq!(fold("Acme-Corp"), fold("acme_corp"));
    assert_eq!(fold("cafe\u{301}"), fold("café"));
    assert_eq!(fold("ＡＣＭＥ"), fold("acme"));
    assert_eq!(fold("ﬁrm"), fold("firm"));
    assert_eq!(fold("İ"), fold("i\u{307}"));
    assert_ne!(fold("acme"), fold("acne"));
}

proptest! {
    /// Whatever two keys become the same schema, the second is refused.
    #[test]
    fn two_keys_never_share_a_schema(
        rule in prop::sample::select(vec![NameRule::Boundary, NameRule::Brokkr, NameRule::Cloacina, NameRule::ApartmentV4, NameRule::Plain]),
        first in "[A-Za-z0-9_.é-]{1,12}",
        flips in prop::collection::vec(0_u8..4, 12),
    ) {
        // The second is a twin of the first: capitals, hyphens and underscores changed here and there.
        let second: String = first.chars().zip(flips).map(|(c, flip)| match (c, flip) {
            ('-', 1) => '_',
            ('_', 1) => '-',
            (c, 2) if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            (c, 3) if c.is_ascii_uppercase() => c.to_ascii_lowercase(),
            (c, _) => c,
        }).collect();
        let naming = naming(rule);
        if let (Ok(a), Ok(b)) = (naming.check(&first), naming.check(&second)) {
            let names = taken(&[a.slug.as_str()], &[a.schema.raw()]);
            prop_assert!(names.check(&b).is_err(), "{a:?} {b:?}");
        }
    }

    /// The shortcut for ASCII names agrees with folding both.
    #[test]
    fn the_shortcut_agrees_with_folding(a in "[A-Za-z_éＡ-]{0,6}", b in "[A-Za-z_éＡ-]{1,6}") {
        prop_assume!(a != b);
        let refused = taken(&[&a], &[]).check(&checked(&b, "some_free_schema")).is_err();
        prop_assert_eq!(refused, fold(&a) == fold(&b));
    }

    /// No input makes the check panic, and what passes can be made on a server as it is.
    #[test]
    fn any_text_is_judged(slug in any::<String>(), rule in prop::sample::select(RULES.to_vec())) {
        if let Ok(name) = naming(rule).check(&slug) {
            prop_assert!(name.schema.raw().len() <= 63);
            prop_assert!(name.schema.check_tenant().is_ok());
            prop_assert!(!name.schema.raw().chars().any(tenantui::text::is_unsafe));
        }
    }

    /// A proposal is empty or passes.
    #[test]
    fn a_proposal_passes(name in any::<String>(), rule in prop::sample::select(vec![NameRule::Boundary, NameRule::Brokkr, NameRule::Cloacina, NameRule::ApartmentV4, NameRule::Plain])) {
        let naming = naming(rule);
        let slug = naming.propose(&name);
        prop_assert!(slug.is_empty() || naming.check(&slug).is_ok(), "{slug:?}");
    }
}

/// What Cloacina's own tests assert of user names.
#[test]
fn cloacina_s_rule_of_role_names() {
    for good in ["tenant_user", "acme_admin", "user123", "_private_user", "a"] {
        assert!(RoleNames::Cloacina.verdict(good).is_ok(), "{good}");
    }
    let long = "a".repeat(64);
    for bad in [
        "postgres",
        "POSTGRES",
        "pg_read_all_data",
        "pg_monitor",
        "123user",
        "-user",
        "admin user",
        "admin--",
        "user()",
        "",
        &long,
    ] {
        assert!(RoleNames::Cloacina.verdict(bad).is_err(), "{bad}");
    }
}

/// The name of a tenant's role is one that PostgreSQL takes as it is.
#[test]
fn a_role_is_named_by_its_template() {
    let files = file::embedded().expect("sound files");
    let role =
        |layout: &str| files.iter().find(|file| file.name == layout).and_then(|file| file.role()).expect("a role");
    let schema = |name: &str| SchemaName::existing(name).expect("a legal name");
    let name = |layout: &str, slug: &str, name: &str| {
        role(layout)
            .rule
            .name_of(slug, &schema(name))
            .map(|role| role.raw().to_owned())
            .map_err(|error| error.to_string())
    };
    assert_eq!(name("cloacina", "acme", "acme").as_deref(), Ok("acme"));
    assert_eq!(name("boundary", "acme-corp", "tenant_acme_corp").as_deref(), Ok("tenant_acme_corp"));
    assert!(name("cloacina", "postgres", "postgres").expect_err("reserved").contains("PostgreSQL's own"));
    assert!(name("apartment", "none", "none").expect_err("reserved").contains("reserved"));
    let path = role("cloacina").rule.path_of(&schema("acme")).expect("a path");
    assert_eq!(path, [schema("acme")]);
}

#[test]
fn a_schema_of_another_tenant_is_told_with_its_owner_and_one_of_nobody_with_the_choice() {
    let mut names = taken(&["lab-1"], &["tenant_t_1", "tenant_left"]);
    names.owners.insert("tenant_t_1".into(), "lab-1".into());
    let own = checked("t-1", "tenant_t_1");
    let words = format!("{}{}", names.check(&own).expect_err("taken"), names.choice(&own).expect("a choice"));
    assert_eq!(words, "the schema \"tenant_t_1\" is that of \"lab-1\" already. Choose another key");
    let left = checked("left", "tenant_left");
    let words = format!("{}{}", names.check(&left).expect_err("taken"), names.choice(&left).expect("a choice"));
    assert!(words.contains("never reused in silence. Choose another key; or give the schema its"), "{words}");
    assert_eq!(names.choice(&checked("new", "tenant_new")), None);
}

#[test]
fn a_slug_leads_to_its_schema_or_there_is_none() {
    let boundary = naming(NameRule::Boundary);
    assert_eq!(boundary.slug_of("tenant_acme").as_deref(), Some("acme"));
    assert_eq!(boundary.slug_of("tenant_acme_corp").as_deref(), Some("acme-corp"));
    for schema in ["tenant_", "tenant_ACME", "acme", "tenant_a b"] {
        assert_eq!(boundary.slug_of(schema), None, "{schema}");
    }
    assert_eq!(naming(NameRule::ApartmentV4).slug_of("my-tenant").as_deref(), Some("my-tenant"));
    // Where nothing but the schema keeps it, a new slug is what it will be read back as.
    let scan = Naming { read_back: true, ..naming(NameRule::Plain) };
    assert_eq!(scan.check("blue-fox").expect("legal").slug, "blue_fox");
    assert_eq!(naming(NameRule::Plain).check("blue-fox").expect("legal").slug, "blue-fox");
    let boundary = Naming { read_back: true, ..boundary };
    assert_eq!(boundary.check("blue-fox").expect("legal").slug, "blue-fox", "no underscore could be meant");
}
