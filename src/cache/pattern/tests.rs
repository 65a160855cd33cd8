//! The rules of patterns, as units and properties.

use super::*;
use crate::model::tenant::{DatabaseName, TenantKey};
use proptest::prelude::*;

fn ids(id: &str, slug: &str, schema: &str) -> CacheIds {
    let database: DatabaseName = "db".into();
    CacheIds {
        key: TenantKey::row(&database, id),
        id: Some(id.to_owned()),
        slug: slug.to_owned(),
        schema: Some(schema.to_owned()),
    }
}

fn matcher(patterns: &[&str], tenants: &[CacheIds]) -> Matcher {
    Matcher::new(patterns.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect(), tenants)
}

fn owner(matcher: &Matcher, key: &str) -> Option<u32> {
    matcher.find(key.as_bytes()).and_then(|claims| matcher.tenants_of(claims.best.slot).first().copied())
}

#[test]
fn the_forms_of_boundary_are_told_apart() {
    let tenants = [ids("11", "acme", "tenant_acme"), ids("12", "blue-fox", "tenant_blue_fox")];
    let all = ["tenant:{id}:*", "tenant:{slug}:*", "tenant:{schema}:*", "tenant:{slug}", "*:tenant:{id}:*"];
    let matcher = matcher(&all, &tenants);
    assert_eq!(owner(&matcher, "tenant:11:session:a"), Some(0));
    assert_eq!(owner(&matcher, "tenant:blue-fox:x"), Some(1));
    assert_eq!(owner(&matcher, "tenant:tenant_acme:x"), Some(0));
    assert_eq!(owner(&matcher, "tenant:acme"), Some(0));
    assert_eq!(owner(&matcher, "shop:eu:tenant:12:x"), Some(1));
    assert_eq!(owner(&matcher, "tenant:1:x"), None);
    assert_eq!(owner(&matcher, "tenant:111:x"), None);
    assert_eq!(owner(&matcher, "queue:mail"), None);
}

#[test]
fn glob_characters_of_a_tenant_mean_themselves() {
    let tenants = [ids("*", "?", "s1"), ids("[a]", "b\\", "s2"), ids("x:y", "x", "s3")];
    let matcher = matcher(&["tenant:{id}:*", "tenant:{slug}:*"], &tenants);
    assert_eq!(owner(&matcher, "tenant:*:k"), Some(0));
    assert_eq!(owner(&matcher, "tenant:?:k"), Some(0));
    assert_eq!(owner(&matcher, "tenant:q:k"), None);
    assert_eq!(owner(&matcher, "tenant:a:k"), None);
    assert_eq!(owner(&matcher, "tenant:[a]:k"), Some(1));
    assert_eq!(owner(&matcher, "tenant:b\\:k"), Some(1));
    assert_eq!(owner(&matcher, "tenant:x:y:k"), Some(2), "the longer value is the more specific");
}

#[test]
fn the_more_specific_match_wins() {
    let tenants = [ids("7", "a", "sa"), ids("8", "7", "sb"), ids("9", "a:cache", "sc")];
    let matcher = matcher(&["tenant:{slug}:*", "tenant:{id}:*", "tenant:{slug}:cache:*"], &tenants);
    assert_eq!(owner(&matcher, "tenant:7:x"), Some(0), "an id before a slug");
    assert_eq!(owner(&matcher, "tenant:a:cache:k"), Some(0), "of equally long ones the more literal pattern");
    assert_eq!(owner(&matcher, "tenant:a:cache:cache:k"), Some(2));
    // What is removed has no other claimant, whom it would be counted for or not.
    let claimants =
        |key: &str| matcher.find(key.as_bytes()).map(|claims| matcher.claimants(&claims)).unwrap_or_default();
    assert_eq!(claimants("tenant:7:x"), [0, 1], "one's id is the other's slug");
    assert_eq!(claimants("tenant:a:cache:k"), [0, 2], "as much of it is the one's as the other's");
    assert_eq!(claimants("tenant:8:x"), [1]);
    assert_eq!(claimants("tenant:a:cache:cache:k"), [2], "less of it would be the other's");
    assert_eq!(claimants("queue:mail"), [0_u32; 0]);
}

/// What an application writes behind a tenant's name is that tenant's, and may look like another one's key.
#[test]
fn a_name_behind_anothers_name_takes_no_key_from_it() {
    let tenants = [ids("11", "t-2", "tenant_t_2"), ids("12", "t-4", "tenant_t_4"), ids("13", "t-444", "tenant_t_444")];
    let matcher = matcher(&["tenant:{slug}:*", "*:tenant:{slug}:*", "*:tenant:{id}:*"], &tenants);
    let claimants =
        |key: &str| matcher.find(key.as_bytes()).map(|claims| matcher.claimants(&claims)).unwrap_or_default();
    assert_eq!(claimants("tenant:t-2:ns:tenant:t-4:x"), [0, 1], "one byte more of it is explained by the second");
    assert_eq!(claimants("tenant:t-2:ns:tenant:12:x"), [0, 1], "by its id as well");
    assert_eq!(claimants("app:tenant:t-2:ns:tenant:t-444:x"), [0, 2], "behind the namespace of the pool, too");
    assert_eq!(claimants("tenant:t-444:ns:tenant:t-2:x"), [2], "more of it is explained by the first");
    assert_eq!(claimants("tenant:t-2:ns:tenant:t-2:x"), [0], "twice the same");
    assert_eq!(claimants("shop:eu:tenant:t-4:x"), [1], "a namespace is nobody's name");
    assert_eq!(claimants("tenant:gone:ns:tenant:t-4:x"), [1], "nobody is called so");
}

#[test]
fn a_pattern_may_name_a_tenant_twice() {
    let tenants = [ids("1", "a", "sa"), ids("2", "b", "sb")];
    let matcher = matcher(&["{schema}:*:{id}:*"], &tenants);
    assert_eq!(owner(&matcher, "sa:x:1:y"), Some(0));
    assert_eq!(owner(&matcher, "sa:x:2:y"), None);
}

#[test]
fn the_scan_is_narrowed_by_what_all_patterns_share() {
    let narrowed =
        |patterns: &[&str]| matcher(patterns, &[]).scan_match().map(|glob| String::from_utf8(glob).expect("text"));
    assert_eq!(narrowed(&["tenant:{id}:*", "tenant:{slug}:*"]).as_deref(), Some("tenant:*"));
    assert_eq!(narrowed(&["t[1]:{id}:*"]).as_deref(), Some("t\\[1\\]:*"));
    assert_eq!(narrowed(&["tenant:{id}:*", "*:tenant:{id}:*"]), None);
    assert_eq!(narrowed(&["{schema}:*"]), None);
}

#[test]
fn braces_that_are_no_placeholder_are_text() {
    let matcher = matcher(&["{tenant:{id}}:*"], &[ids("5", "a", "s")]);
    assert_eq!(owner(&matcher, "{tenant:5}:cart"), Some(0));
    assert!(Pattern::parse("tenant:{name}:*").is_none());
}

#[test]
fn two_rows_with_one_slug_share_its_keys() {
    let matcher = matcher(&["tenant:{slug}:*"], &[ids("1", "a", "s1"), ids("2", "a", "s2")]);
    let found = matcher.find(b"tenant:a:x").expect("found");
    assert_eq!(matcher.tenants_of(found.best.slot), &[0, 1]);
}

proptest! {
    #[test]
    fn a_key_made_for_a_tenant_is_found(slug in "[a-z*?\\[\\]:\\\\]{1,12}", tail in "[a-z:]{0,8}", other in "[a-z]{13}") {
        let matcher = matcher(&["t:{slug}:*"], &[ids("1", &other, "s1"), ids("2", &slug, "s2")]);
        prop_assert_eq!(owner(&matcher, &format!("t:{slug}:{tail}")), Some(1));
    }

    #[test]
    fn no_key_panics(key in proptest::collection::vec(any::<u8>(), 0..64)) {
        let matcher = matcher(&["*{id}*a*{slug}", "x{schema}", "*:t:{id}:*"], &[ids("a", "b", "c"), ids("\u{e9}", "*", ":")]);
        let _ = matcher.find(&key);
    }
}
