//! Groups, canaries, estimates and causes on the command line, on a real fleet.

use serde_json::json;

use crate::cli::text;
use crate::cli_fleet::{Fleet, slugs, tenant};
use crate::support::pg;
use crate::support::tty::{PATIENCE, Tty};

/// Three more tenants that lack all files.
fn larger() -> Fleet {
    let fleet = Fleet::new();
    for slug in ["north", "south", "west"] {
        fleet.tenant(slug, slug, 0);
    }
    fleet.init();
    fleet
}

#[test]
fn a_filter_is_the_same_for_reading_and_for_writing() {
    let fleet = larger();
    let behind = fleet.json(0, &["tenants", "behind>1 !slug:west !state:orphan_schema", "--json"]);
    assert_eq!(slugs(&behind), ["north", "south"]);
    let wrong = text(&fleet.expect(2, &["tenants", "stat:ok"]).stderr);
    assert!(wrong.contains("there is no field stat"), "{wrong}");
    let dry = fleet.json(0, &["migrate", "--filter", "behind>1 !slug:west", "--dry-run", "--json"]);
    assert_eq!(dry["plans"][0]["tenants"].as_array().map(Vec::len), Some(2));
    // It narrows --all and --state, too.
    let narrowed = fleet.json(0, &["migrate", "--all", "--filter", "slug:acme", "--dry-run", "--json"]);
    assert_eq!(narrowed["plans"][0]["tenants"].as_array().map(Vec::len), Some(1));
}

#[test]
fn canaries_are_named_and_must_be_among_the_chosen() {
    let fleet = larger();
    let order = ["migrate", "--filter", "behind>1", "--canary-tenants", "west,south", "--dry-run", "--json"];
    let plan = fleet.json(0, &order)["plans"][0].clone();
    assert_eq!(
        (&plan["canary"], &plan["tenants"][0]["tenant"], &plan["tenants"][1]["tenant"]),
        (&json!(2), &json!("west"), &json!("south"))
    );
    for (name, words) in [("acme", "not among the tenants chosen"), ("nobody", "not among the tenants chosen")] {
        let said =
            text(&fleet.expect(2, &["migrate", "--filter", "behind>1", "--canary-tenants", name, "--dry-run"]).stderr);
        assert!(said.contains(words), "{said}");
    }
    let words = text(
        &fleet.expect(2, &["migrate", "--filter", "tables>0", "--canary-tenants", "beta-two", "--dry-run"]).stderr,
    );
    assert!(words.contains("cannot be a canary") && words.contains("nothing is pending there"), "{words}");
}

/// Nothing of it runs then, and what was ordered is no job that waits for nobody and keeps all others from being ordered.
#[test]
fn a_file_that_changes_while_the_plan_is_read_ends_its_job() {
    let fleet = larger();
    fleet.file("20260501000000-more", "create table more (id int);");
    let config = fleet.home.path().join("config.toml").display().to_string();
    let mut tty = Tty::start(&["--config", &config, "migrate", "north"], 160, 50, None, &[]);
    tty.wait_for("[y/N]");
    fleet.file("20260501000000-more", "create table other (id int);");
    tty.type_keys("y\n");
    assert_eq!(tty.exit_code(PATIENCE), 5, "{}", tty.text());
    tty.wait_for("job 1 is cancelled: plan again");
    let job = |column: &str| fleet.database.value(&format!("select {column}::text from tenantui.job"));
    assert_eq!(
        (job("state"), job("attempt"), job("ended_at is not null")),
        ("cancelled".into(), "1".into(), "true".into())
    );
    let reason = job("reason");
    assert!(reason.contains("20260501000000-more.up.sql changed since the job was ordered"), "{reason}");
    let list = text(&fleet.expect(0, &["jobs"]).stdout);
    assert!(list.contains("cancelled") && list.contains("changed since the job was ordered"), "{list}");
    assert_eq!(fleet.database.value("select after ->> 'reason' from tenantui.audit where action = 'cancel'"), reason);
    assert_eq!(fleet.database.value("select count(*) from tenantui.step where state <> 'pending'"), "0");
    fleet.expect(0, &["migrate", "north", "--yes"]);
}

/// The same options in both directions, and the worker follows them: the canary alone, then batches with a pause.
#[test]
fn a_rollback_is_rolled_out_as_a_migration_is() {
    let fleet = larger();
    fleet.downs();
    fleet.expect(0, &["migrate", "north", "south", "west", "--yes", "--canary", "0"]);
    let words = text(&fleet.expect(2, &["rollback", "north", "--canary-tenants", "acme", "--dry-run"]).stderr);
    assert!(words.contains("acme") && words.contains("not among the tenants chosen"), "{words}");
    let order = ["north", "south", "west", "--canary-tenants", "west", "--batches", "1", "--pause", "1s"];
    for (command, kind) in [("rollback", "rollback"), ("redo", "redo")] {
        let plan =
            fleet.json(0, &[&[command], order.as_slice(), &["--dry-run", "--json"]].concat())["plans"][0].clone();
        assert_eq!((&plan["canary"], &plan["tenants"][0]["tenant"]), (&json!(1), &json!("west")), "{command}");
        let said = text(&fleet.expect(0, &[&[command], order.as_slice(), &["--yes"]].concat()).stderr);
        let at = |part: &str| said.find(part).unwrap_or_else(|| panic!("{command}: no {part:?} in {said}"));
        assert!(at("canary: west") < at("batch 1: 1 tenant"), "{said}");
        assert!(at("batch 1: 1 tenant") < at("batch 2: 1 tenant"), "{said}");
        assert_eq!(said.matches("pausing 1 s before the next batch").count(), 2, "{said}");
        let pace = "select params #>> '{pace,batches}' || ' ' || (params #>> '{pace,pause_ms}') from tenantui.job order by id desc limit 1";
        assert_eq!(fleet.database.value(pace), "[1] 1000", "{command}");
        assert_eq!(fleet.database.value("select kind from tenantui.job order by id desc limit 1"), kind);
    }
}

#[test]
fn the_time_is_unknown_until_the_versions_have_run() {
    let fleet = larger();
    let before = fleet.json(0, &["migrate", "north", "--dry-run", "--json"])["plans"][0].clone();
    assert_eq!((&before["estimate_seconds"], &before["files"][0]["runs"]), (&json!(null), &json!(0)));
    assert!(
        text(&fleet.expect(0, &["migrate", "north", "--dry-run"]).stdout)
            .contains("unknown (20260101000000 and 2 more have not run here yet)")
    );
    fleet.expect(0, &["migrate", "south", "--yes"]);
    let after = fleet.json(0, &["migrate", "north", "--dry-run", "--json"])["plans"][0].clone();
    assert!(after["estimate_seconds"].as_u64().is_some_and(|seconds| seconds >= 1), "{after}");
    assert_eq!((&after["files"][0]["runs"], &after["tenants"][0]["estimate_seconds"]), (&json!(1), &json!(1)));
    assert!(text(&fleet.expect(0, &["migrate", "north", "--dry-run"]).stdout).contains("(from the last run)"));
    let tenant = fleet.json(0, &["tenant", "north", "--json"]);
    assert_eq!(tenant["migrations"][0]["estimate_seconds"], 1);
    let versions = fleet.json(0, &["migrations", "--json"]);
    assert!(
        versions["migrations"].as_array().expect("rows").iter().any(|row| row["runs"] == 1 && row["mean_seconds"] == 1)
    );
}

#[test]
fn failures_with_one_cause_are_told_as_one() {
    let fleet = larger();
    fleet.file("20260401000000-divide", "select 1 / 0;");
    let order = ["migrate", "--filter", "behind>2", "--canary", "0", "--max-failures", "9", "--yes"];
    let words = text(&fleet.expect(4, &order).stderr);
    assert!(words.contains("3 tenants: 22012 division by zero"), "{words}");
}

#[test]
fn code_that_runs_with_other_rights_is_listed_with_its_tenant() {
    let fleet = Fleet::new();
    let stranger = pg().role("stranger");
    fleet.database.sql(&format!(
        "create function tenant_acme.wide() returns int language sql security definer as 'select 1'; \
         create function tenant_acme.tight() returns int language sql security definer set search_path = pg_catalog as 'select 1'; \
         create function public.touch() returns trigger language plpgsql as 'begin return new; end'; \
         create function public.odd() returns trigger language plpgsql as 'begin return new; end'; \
         alter function public.odd() owner to {stranger}; \
         create trigger same before update on tenant_acme.notes for each row execute function public.touch(); \
         create trigger foreign_code before update on tenant_acme.notes for each row execute function public.odd(); \
         create function tenant_acme.theirs() returns int language sql as 'select 1'; \
         alter function tenant_acme.theirs() owner to {stranger}"
    ));
    let acme = fleet.json(0, &["tenant", "acme", "--json"]);
    let problems: Vec<&str> = acme["problems"].as_array().expect("a list").iter().filter_map(|p| p.as_str()).collect();
    let told = |part: &str| problems.iter().filter(|problem| problem.contains(part)).count();
    assert_eq!((told("SECURITY DEFINER"), told("wide()")), (1, 1), "{problems:?}");
    assert_eq!((told("theirs() belongs to"), told("trigger foreign_code on notes")), (1, 1), "{problems:?}");
    assert_eq!(problems.len(), 3, "{problems:?}");
    // A plan says it too, of all its tenants at once: equal code is one warning.
    fleet.database.sql(
        "create function tenant_beta_two.wide() returns int language sql security definer as 'select 1'; \
         create function tenant_beta_two.own() returns trigger language plpgsql as 'begin return new; end'; \
         create trigger own before update on tenant_beta_two.notes for each row execute function tenant_beta_two.own()",
    );
    fleet.file("20260401000000-more", "update notes set author = 'x';");
    let plan = fleet.json(0, &["migrate", "acme", "beta-two", "--dry-run", "--json"])["plans"][0].clone();
    let warnings: Vec<&str> = plan["warnings"].as_array().expect("a list").iter().filter_map(|w| w.as_str()).collect();
    let told = |part: &str| warnings.iter().filter(|warning| warning.contains(part)).count();
    assert_eq!(told("in tenant_acme and 1 more: function wide()"), 1, "{warnings:?}");
    assert_eq!(told("in tenant_acme: function theirs() belongs to"), 1, "{warnings:?}");
    assert_eq!(told("in tenant_acme: trigger foreign_code on notes runs public.odd"), 1, "{warnings:?}");
    assert_eq!(told("trigger own"), 0, "it runs with no other rights: {warnings:?}");
    fleet.init();
    let asked = text(&fleet.expect(5, &["migrate", "acme"]).stderr);
    assert!(asked.contains("trigger foreign_code on notes runs public.odd"), "{asked}");
    let none = fleet.json(0, &["migrate", "acme", "--to", "20260201000000", "--dry-run", "--json"]);
    assert_eq!(none["plans"][0]["warnings"], json!([]), "nothing runs there");
}

/// A version is the newest that is applied, not the last that was.
#[test]
fn a_gap_that_is_filled_leaves_the_version_where_it_was() {
    let fleet = Fleet::new();
    fleet.init();
    let standing = || fleet.json(0, &["tenants", "--json"]);
    let before = tenant(&standing(), "slug", "acme")["version"].clone();
    assert!(before.as_str().is_some_and(|version| version > "20260105000000"), "{before}");
    fleet.file("20260105000000-gap", "select 1");
    let done = fleet.json(0, &["migrate", "acme", "--only", "20260105000000", "--yes", "--json"]);
    let row = tenant(&done, "tenant", "acme");
    assert_eq!((&row["result"], &row["version"]), (&"done".into(), &before), "{done:#}");
    assert_eq!(tenant(&standing(), "slug", "acme")["version"], before);
}
