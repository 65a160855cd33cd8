//! What stands around the tenants of frameworks whose migrations are code: a shared schema that goes first, schemas behind
//! every tenant in the search path, and schemas that were begun and never became tenants.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::coded::{APARTMENT_3, DJANGO, Stage, System, TRIPLEX};
use crate::cli::text;
use crate::cli_fleet::tenant;

fn file(stage: &Stage, name: &str) -> PathBuf {
    stage.place.home.path().join(".config/tenantui").join(name)
}

/// Apartment migrates `public` first, with the tenants' own files: a plan says where it stands.
#[test]
fn what_public_of_apartment_lacks_is_told_before_its_tenants_go() {
    let stage = Stage::new(&APARTMENT_3);
    stage.command();
    let place = &stage.place;
    let told =
        "public, the shared schema, gets the same migrations and lacks 1 of them: migrate it first, with rails itself";
    let plan = |status: i32| text(&place.expect(status, &["migrate", "--all", "--dry-run"]).stdout);
    assert!(plan(0).contains(told), "{}", plan(0));
    let document = place.json(0, &["migrate", "--all", "--dry-run", "--json"]);
    assert_eq!(document["plans"][0]["warnings"][0], told, "{document:#}");
    // Named as a folder of its own it is tenantui's to migrate first, which it cannot: the dry run ends as the run does.
    let config = file(&stage, "config.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, format!("{text}shared_path = \"db/migrate\"\n")).expect("a configuration");
    let why = "migrate the shared schema with rails itself";
    for how in ["--yes", "--dry-run"] {
        let words = place.words(2, &["migrate", "--all", how]);
        assert!(words.contains(why), "{how}: {words}");
    }
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
    fs::write(&config, text).expect("a configuration");
    place.db.sql(&format!("set search_path = public; {}", APARTMENT_3.second));
    assert!(!plan(0).contains("the shared schema"), "{}", plan(0));
}

/// The schemas that the layout keeps behind every tenant are behind it for the tool's command, too.
#[test]
fn a_command_of_apartment_finds_what_all_tenants_share() {
    let stage = Stage::new(&APARTMENT_3);
    stage.command();
    let script = fs::read_to_string(file(&stage, "tool.sql")).expect("a script");
    let seen = "create table seen as select pg_catalog.current_setting('search_path') as path;";
    fs::write(file(&stage, "tool.sql"), script.replace("commit;", &format!("{seen} commit;"))).expect("a script");
    stage.place.expect(0, &["migrate", "one", "--yes"]);
    let path = stage.place.db.value("select replace(path, '\"', '') from one.seen");
    assert_eq!(path.split(',').map(str::trim).collect::<Vec<_>>()[..2], ["one", "shared_extensions"], "{path}");
}

/// A new tenant whose command fails: the plan said what is left, the lists show it, and it can be gone on with or removed.
fn half_made(system: &System, retried: bool) {
    let stage = Stage::new(system);
    stage.command();
    let (place, slug) = (&stage.place, stage.place.slug.as_str());
    let whole = fs::read_to_string(file(&stage, "tool.sql")).expect("a script");
    fs::write(file(&stage, "tool.sql"), "select 1 / 0;").expect("a script");
    let make = ["provision", slug, "--name", "Mine"];
    let plan = text(&place.expect(0, &[&make[..], &["--dry-run"]].concat()).stdout);
    assert!(plan.contains("what was made is kept") && !plan.contains("undone"), "{plan}");
    place.expect(1, &[&make[..], &["--yes"]].concat());
    let listed = || place.json(0, &["tenants", "--json"]);
    let (document, job) = (listed(), place.db.value("select max(id) from tenantui.job"));
    let one = tenant(&document, "slug", slug);
    assert_eq!(one["state"], "orphan_schema", "{document:#}");
    let retry = format!("job {job} began to make it and did not come to its end: `tenantui job {job} retry` goes on");
    assert!(one["problems"][0].as_str().is_some_and(|problem| problem.contains(&retry)), "{one:#}");
    assert_eq!(place.json(0, &["tenant", slug, "--json"])["state"], "orphan_schema");
    if system.layout == "triplex" {
        // No table lists the tenants: nothing is said of rows, and what helps is.
        assert!(!one["problems"].to_string().contains("registry"), "{one:#}");
        let words = place.words(0, &["repair", slug, "--yes"]);
        assert!(words.contains(&retry) && words.contains("drop"), "{words}");
        let words = place.run_again(slug);
        assert!(words.contains(&retry) && !words.contains("registry row"), "{words}");
    }
    let repairs = place.json(0, &["repair", "--json"]);
    let offers: Vec<&Value> =
        repairs["repairs"].as_array().expect("a list").iter().filter(|offer| offer["tenant"] == slug).collect();
    let drop = format!("tenantui drop {slug} --confirm {slug}");
    assert!(offers.iter().any(|offer| offer["by"] == "drop" && offer["command"] == drop.as_str()), "{repairs:#}");
    if retried {
        fs::write(file(&stage, "tool.sql"), whole).expect("a script");
        place.expect(0, &["job", &job, "retry", "--yes"]);
        assert_eq!(tenant(&listed(), "slug", slug)["state"], "ok", "{:#}", listed());
    } else {
        place.expect(0, &["drop", slug, "--confirm", slug, "--yes"]);
        let document = listed();
        let slugs = document["tenants"].as_array().expect("a list").iter().map(|tenant| tenant["slug"].clone());
        assert!(!slugs.collect::<Vec<_>>().contains(&slug.into()), "{document:#}");
        assert_eq!(place.db.value(&format!("select count(*) from pg_namespace where nspname = '{slug}'")), "0");
    }
}

#[test]
fn a_tenant_of_django_tenants_whose_command_failed_is_removed() {
    half_made(&DJANGO, false);
}

#[test]
fn a_tenant_of_django_tenants_whose_command_failed_is_gone_on_with() {
    half_made(&DJANGO, true);
}

/// Where the schemas are the list, one without its tables would be in none.
#[test]
fn a_tenant_of_triplex_whose_command_failed_is_removed() {
    half_made(&TRIPLEX, false);
}
