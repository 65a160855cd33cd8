//! The whole way of a tenant in each system.

use super::*;

#[test]
fn a_tenant_of_apartment_3_goes_its_whole_way() {
    goes_round(&APARTMENT_3);
}

#[test]
fn a_tenant_of_apartment_4_goes_its_whole_way_with_its_row() {
    goes_round(&APARTMENT_4);
}

/// Apartment 4 skips who has nothing pending, but nobody where a version is given: a tenant that stands elsewhere may lack
/// that one. Here each tenant's own ledger says whether it lacks it; who has it is counted as up to date and not run.
#[test]
fn where_a_version_is_given_each_tenant_of_apartment_4_is_judged_by_its_own_ledger() {
    let stage = Stage::new(&APARTMENT_4);
    stage.command();
    let config = stage.place.home.path().join(".config/tenantui/config.toml");
    let aimed = fs::read_to_string(&config).expect("a configuration");
    let aimed = aimed.replace("\"-f\", ", "\"-v\", \"version={version}\", \"-f\", ");
    fs::write(&config, aimed).expect("a configuration");
    let place = &stage.place;
    let plan = |to: &str| place.json(0, &["migrate", "--all", "--to", to, "--dry-run", "--json"]);
    let (older, newest) = ("20260101000000", APARTMENT_4.newest.0);
    let meant = |document: &Value| {
        let tenants = document["plans"][0]["tenants"].as_array().expect("tenants").clone();
        let of = |tenant: &Value| (tenant["tenant"].clone(), tenant["versions"].clone());
        (tenants.iter().map(of).collect::<Vec<_>>(), document["plans"][0]["up_to_date"].clone())
    };
    let up_to = |version: &str| (vec![(Value::from("one"), Value::from(vec![version]))], Value::from(0));
    assert_eq!(meant(&plan(older)), (Vec::new(), Value::from(1)), "it stands there, and is counted");
    assert_eq!(meant(&plan(newest)), up_to(newest));
    let words = place.words(2, &["migrate", "--all", "--to", "20251231000000", "--yes"]);
    assert!(words.contains("has no migration 20251231000000"), "{words}");
    place.expect(0, &["migrate", "--all", "--to", newest, "--yes"]);
    let words = place.words(0, &["migrate", "--all", "--to", older, "--yes"]);
    assert!(words.contains("nothing is pending (target 20260101000000, 1 up to date)"), "{words}");
    // The newest stands in its ledger, and yet the older one is pending: where that is asked for, it is planned.
    place.db.sql(&format!("delete from one.schema_migrations where version = '{older}'"));
    assert_eq!(meant(&plan(older)), up_to(older));
}

#[test]
fn a_tenant_of_django_tenants_goes_its_whole_way_with_its_row() {
    goes_round(&DJANGO);
}

#[test]
fn a_tenant_of_triplex_goes_its_whole_way() {
    goes_round(&TRIPLEX);
}
