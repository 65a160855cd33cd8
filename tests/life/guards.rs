//! What keeps a tenant from harm: who uses it, what depends on it, where nothing is written, and names that are hostile.

use std::sync::Arc;

use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{ReadOptions, read_once};
use tenantui::jobs::life::plan::{self, LifeRequest};
use tenantui::jobs::orders;
use tenantui::jobs::service::{LifeOrder, Order};
use tenantui::model::environment::Environment;
use tenantui::model::life::LifeKind;
use tenantui::postgres::session::{Patience, Reader, Target};

use super::Place;
use crate::cli::text;
use crate::support::pg;

/// What was shown when it was confirmed is what is done it to.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_was_activated_meanwhile_is_not_dropped() {
    let place = Place::new("life_meanwhile");
    let config = Database::new("eu-1".into(), Environment::Development, place.db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reading = read_once(&target, &ReadOptions::default()).await.expect("a reading");
    let ordered = async |kind: LifeKind, slug: &str, becomes: Option<&str>| {
        let tenant = reading.snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == slug).expect("a tenant");
        let mut request = LifeRequest::of(kind, Arc::clone(tenant), Arc::clone(&reading.context.layout));
        request.becomes = becomes.map(Into::into);
        let reader = Reader::open(&target, Patience::Background).await.expect("a session");
        let plan = plan::read(&reader, &target, &request).await.expect("a plan");
        let typed = plan.word_to_type().map(|word| word.raw().to_owned());
        let order = Order::Life(Box::new(LifeOrder { request, plan, typed, dependants: Vec::new() }));
        orders::order(&target, &order, uuid::Uuid::new_v4()).await.expect("ordered")
    };
    let (drop, rename) =
        (ordered(LifeKind::Drop, "globex", None).await, ordered(LifeKind::Rename, "hooli", Some("Hooli XYZ")).await);
    place.db.sql(
        "update public.tenants set status = 'active' where slug = 'globex'; \
         update public.tenants set name = 'Newer' where slug = 'hooli'",
    );
    for (job, words) in [(drop, "status is active, and was suspended"), (rename, "name is Newer, and was Hooli")] {
        let output = place.run(&["job", &job.to_string(), "resume", "--yes"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains(words) && output.status.code() != Some(0), "{said}");
    }
    assert_eq!(place.schemas(), "tenant_acme,tenant_globex,tenant_hooli");
    assert!(place.row("globex").starts_with("Globex|active") && place.row("hooli").starts_with("Newer|"));
}

/// A schema that was given the name in the trash is nobody's: it is neither purged as the tenant nor brought back as it.
#[test]
fn a_schema_that_only_has_the_name_in_the_trash_is_left_alone() {
    let place = Place::new("life_name");
    let trash = place.drop("globex", "tenant_globex");
    place.db.sql(&format!(
        "alter schema {trash} rename to rescued; create schema {trash}; create table {trash}.precious (id int)"
    ));
    assert_eq!(place.json(0, &["purge", "--json"])["trash"][0]["tenant"], serde_json::Value::Null);
    for order in [&["purge", "globex", "--confirm", "tenant_globex", "--yes"][..], &["undrop", "globex", "--yes"]] {
        let output = place.run(order);
        assert_ne!(output.status.code(), Some(101), "{order:?}");
    }
    assert_eq!(place.db.value(&format!("select count(*) from {trash}.precious")), "0");
    assert!(place.row("globex").starts_with("Globex|deleted"));
}

#[test]
fn after_seven_days_it_does_not_come_back_and_a_name_that_was_taken_stops_it() {
    let place = Place::new("life");
    place.drop("globex", "tenant_globex");
    place.db.sql("create schema tenant_globex");
    assert!(place.words(5, &["undrop", "globex", "--yes"]).contains("exists already"));
    assert_eq!(place.json(0, &["undrop", "--json"])["trash"][0]["can_undrop"], false);
    place.db.sql("drop schema tenant_globex; update tenantui.audit set at = at - interval '7 days 1 minute' where action = 'drop'");
    let words = place.words(5, &["undrop", "globex", "--yes"]);
    assert!(words.contains("7 days") && words.contains("purged"), "{words}");
    place.db.sql("update tenantui.audit set at = at + interval '2 minutes' where action = 'drop'");
    place.expect(0, &["undrop", "globex", "--yes"]);
}

#[test]
fn who_uses_the_schema_stops_a_drop_and_is_named() {
    let place = Place::new("life");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let holder = runtime.block_on(async {
        let client = place.db.connect().await;
        client
            .batch_execute("set application_name = 'web-3'; begin; select * from tenant_globex.users")
            .await
            .expect("held");
        client
    });
    let words = place.words(5, &["drop", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains("1 session uses it now") && words.contains("web-3"), "{words}");
    runtime.block_on(async { holder.batch_execute("rollback").await.expect("let go") });
    place.drop("globex", "tenant_globex");
}

#[test]
fn what_depends_on_it_outside_is_confirmed_one_by_one() {
    let place = Place::new("life");
    place.db.sql(
        "create schema reports; create view reports.users as select * from tenant_globex.users; \
         create view reports.again as select * from reports.users; \
         create table reports.links (user_id int references tenant_globex.users, note text); \
         insert into reports.links values (1, 'kept')",
    );
    let plan = place.json(0, &["drop", "globex", "--dry-run", "--json"]);
    let outside: Vec<&str> = plan["dependants"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(
        outside,
        ["constraint links_user_id_fkey on table reports.links", "view reports.again", "view reports.users"]
    );
    let refused = |more: &[&str]| {
        let mut arguments = vec!["drop", "globex", "--confirm", "tenant_globex", "--yes"];
        arguments.extend(more);
        place.words(5, &arguments)
    };
    assert!(refused(&[]).contains("--dependant 'constraint links"));
    assert!(refused(&["--dependant", outside[0], "--dependant", outside[1]]).contains("view reports.users"));
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "0");
    let all = ["--dependant", outside[0], "--dependant", outside[1], "--dependant", outside[2]];
    let mut arguments = vec!["drop", "globex", "--confirm", "tenant_globex", "--yes"];
    arguments.extend(all);
    place.expect(0, &arguments);
    // In the trash they still work; the purge asks again, and takes along what was confirmed and nothing else.
    assert_eq!(place.db.value("select count(*) from reports.again"), "2");
    place.db.sql("create view reports.late as select 1 as one from reports.users");
    let mut arguments = vec!["purge", "globex", "--confirm", "tenant_globex", "--yes"];
    arguments.extend(all);
    assert!(place.words(5, &arguments).contains("view reports.late"));
    place.db.sql("drop view reports.late");
    place.expect(0, &arguments);
    assert_eq!(place.db.value("select count(*) from pg_class where relname in ('again') or (relname = 'users' and relnamespace = 'reports'::regnamespace)"), "0");
    assert_eq!(place.db.value("select note from reports.links"), "kept");
}

#[test]
fn a_standby_a_read_only_database_and_production_are_heeded() {
    let place = Place::new("life");
    for command in ["suspend", "archive"] {
        place.expect(5, &["--read-only", command, "acme", "--yes"]);
    }
    place.expect(5, &["--read-only", "drop", "globex", "--confirm", "tenant_globex", "--yes"]);
    // A dry run connects read-only and asks nothing.
    place.expect(0, &["--read-only", "drop", "globex", "--dry-run"]);
    place.configure_as("postgres", "production", "");
    assert!(place.words(5, &["suspend", "acme"]).contains("--yes"));
    assert!(place.words(5, &["drop", "globex", "--yes"]).contains("--confirm"));
    let role = pg().role("weak");
    place.db.sql(&format!("grant select on public.tenants to {role}; grant usage on schema tenantui, tenant_globex to {role}; grant select on all tables in schema tenantui to {role}; grant select on all tables in schema tenant_globex to {role}"));
    place.configure_as(&role, "development", "");
    let words = place.words(5, &["drop", "globex", "--confirm", "tenant_globex", "--yes"]);
    assert!(words.contains("does not own the schema"), "{words}");
    assert_eq!(place.schemas(), "tenant_acme,tenant_globex,tenant_hooli");
}

#[test]
fn on_a_standby_a_plan_is_shown_and_nothing_is_done() {
    let pair = crate::support::standby::pair();
    let place = Place::on(&pair.primary, "life_standby");
    let trash = place.drop("hooli", "tenant_hooli");
    pair.catch_up();
    let url = pair.standby.url(&place.db.name);
    std::fs::write(
        place.config(),
        format!("[[database]]\nname = \"eu-1\"\nenvironment = \"development\"\nurl = \"{url}\"\n"),
    )
    .expect("written");
    for refused in [
        &["suspend", "acme", "--yes"][..],
        &["rename", "acme", "--name", "X", "--yes"],
        &["drop", "globex", "--confirm", "tenant_globex", "--yes"],
        &["undrop", "hooli", "--yes"],
        &["purge", "hooli", "--confirm", "tenant_hooli", "--yes"],
    ] {
        let words = place.words(5, refused);
        assert!(words.contains("standby"), "{refused:?}: {words}");
    }
    let plan = place.json(0, &["purge", &trash, "--dry-run", "--json"]);
    assert_eq!(plan["original_schema"], "tenant_hooli");
}

#[test]
fn what_was_done_to_a_tenant_is_found_by_its_name() {
    let place = Place::new("life_audit");
    place.expect(0, &["suspend", "acme", "--yes"]);
    place.drop("acme", "tenant_acme");
    for name in ["acme", "tenant_acme"] {
        let lines = place.json(0, &["audit", "--tenant", name, "--json"]);
        let said: Vec<String> = lines["audit"]
            .as_array()
            .expect("lines")
            .iter()
            .rev()
            .map(|line| format!("{} {}", line["action"].as_str().unwrap_or(""), line["outcome"].as_str().unwrap_or("")))
            .collect();
        assert_eq!(said, ["suspend ordered", "suspend done", "drop ordered", "drop done"], "{name}");
    }
}

#[test]
fn hostile_names_are_only_names() {
    let place = Place::empty("life_hostile");
    place.configure("[database.tenants]\ntable = \"public.accounts\"");
    let name = "a\"b'; drop schema public; --\u{202e}";
    let sql = |text: &str| text.replace('\'', "''");
    let quoted = name.replace('"', "\"\"");
    place.db.sql(&format!(
        "create table public.accounts (id int primary key, slug text, schema_name text, status text, deleted_at timestamptz); \
         insert into public.accounts values (1, '{0}', '{0}', 'suspended'); create schema \"{quoted}\"; \
         create table \"{quoted}\".\"t\"\"able\" (id int); create table \"{quoted}\".\"O'Brien\" (id serial)",
        sql(name)
    ));
    place.expect(0, &["init", "--yes"]);
    assert!(!text(&place.expect(0, &["drop", name, "--dry-run"]).stdout).contains('\u{202e}'));
    let out = place.expect(0, &["drop", name, "--confirm", name, "--yes"]);
    assert!(!text(&out.stdout).contains('\u{202e}') && !text(&out.stderr).contains('\u{202e}'));
    assert_eq!(place.db.value("select count(*) from pg_namespace where nspname like 'zz%drop schema%'"), "1");
    place.expect(0, &["undrop", name, "--yes"]);
    place.expect(0, &["drop", name, "--confirm", name, "--yes"]);
    place.expect(0, &["purge", name, "--confirm", name, "--yes"]);
    assert_eq!(
        place.db.value("select count(*) from pg_namespace where nspname like 'zz%' or nspname like 'a\"%'"),
        "0"
    );
    assert_eq!(place.db.value("select count(*) from public.accounts"), "0");
}

/// What nobody can type is shown as an escape, and taken as that too: as a tenant's name, to confirm it, and of what
/// depends on it.
#[test]
fn a_name_is_taken_as_it_is_shown() {
    let place = Place::new("life_shown");
    place.db.sql(
        "create schema U&\"tenant_e\\001B[31m\\000Avil\"; create table U&\"tenant_e\\001B[31m\\000Avil\".a (id int); \
         create schema rep; create view rep.U&\"a\\0009b\" as select * from U&\"tenant_e\\001B[31m\\000Avil\".a",
    );
    let shown = r"tenant_e\e[31m\nvil";
    let offers = place.json(0, &["repair", "--json"])["repairs"].clone();
    let mut offers = offers.as_array().expect("a list").iter();
    let drop = offers.find(|offer| offer["by"] == "drop").expect("an offer");
    assert_eq!(drop["command"], format!("tenantui drop '{shown}' --confirm '{shown}'").as_str());
    let words = place.words(5, &["drop", shown, "--yes"]);
    assert!(words.contains(r#"add --dependant 'view rep."a\tb"'"#), "{words}");
    let dependant = ["--dependant", r#"view rep."a\tb""#];
    let words = place.words(5, &[&["drop", shown, "--yes"], &dependant[..]].concat());
    assert!(words.contains(&format!("add --confirm '{shown}'")), "{words}");
    place.expect(0, &[&["drop", shown, "--confirm", shown, "--yes"], &dependant[..]].concat());
    place.expect(0, &["undrop", shown, "--yes"]);
    // Where another is really called so it is that one.
    place.db.sql(r#"create schema "tenant_e\e[31m\nvil""#);
    assert_eq!(place.json(0, &["tenant", shown, "--json"])["schema"], shown);
}

#[test]
fn without_its_row_a_dropped_tenant_comes_back_as_an_orphan() {
    let place = Place::new("life_rowless");
    place.drop("globex", "tenant_globex");
    place.db.sql("delete from public.tenants where slug = 'globex'");
    let plan = place.json(0, &["undrop", "globex", "--dry-run", "--json"]);
    assert!(plan["notes"][0].as_str().is_some_and(|note| note.contains("repair")), "{plan}");
    place.expect(0, &["undrop", "globex", "--yes"]);
    let list = place.json(0, &["tenants", "--json"]);
    let globex =
        list["tenants"].as_array().expect("tenants").iter().find(|t| t["slug"] == "tenant_globex").expect("it");
    assert_eq!(globex["state"], "orphan_schema");
    place.expect(0, &["repair", "tenant_globex", "--yes"]);
    assert_eq!(place.row("globex"), "globex|active");
}
