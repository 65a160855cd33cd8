//! Roles that tenants left behind: told where something says whose they were, and removed in the order that works.

use std::sync::Arc;

use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{ReadOptions, read_once};
use tenantui::jobs::life::left;
use tenantui::jobs::life::plan::{self, LifeRequest};
use tenantui::jobs::orders;
use tenantui::jobs::service::{LifeOrder, Order};
use tenantui::model::environment::Environment;
use tenantui::postgres::session::{Patience, Reader, Target};

use super::Place;
use crate::cli::text;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::{own_pg, tcp, wait_until};

/// Offers for roles, as `role by`, with the problems.
fn offers(place: &Place) -> Vec<(String, Option<String>, String)> {
    let document = place.json(0, &["repair", "--json"]);
    let list = document["repairs"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    list.filter(|offer| offer["state"] == "orphan_role")
        .map(|offer| {
            (text(&offer["tenant"]).expect("a tenant"), text(&offer["by"]), text(&offer["problem"]).expect("why"))
        })
        .collect()
}

fn role_checks(place: &Place) -> Vec<(String, String)> {
    let document = place.json(0, &["doctor", "--json"]);
    let checks = document["checks"].as_array().expect("checks").iter().filter(|check| check["area"] == "roles");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let words = |check: &Value| format!("{} {}", text(&check["found"]), text(&check["advice"])).trim_end().to_owned();
    checks.map(|check| (text(&check["result"]), words(check))).collect()
}

/// A role of a tenant that tenantui knew and somebody removed by hand.
fn gone(place: &Place, name: &str) {
    let slug = name.trim_start_matches("tenant_");
    place.expect(0, &["provision", slug, "--name", "Gone", "--yes"]);
    place.db.sql(&format!("drop schema {name} cascade; delete from public.tenants where slug = '{slug}'"));
    role(place, name);
}

/// A role as Cloacina's own making leaves it, with a right on a table of all.
fn role(place: &Place, name: &str) {
    place.db.sql(&format!(
        "create role {name} login; alter role {name} in database \"{0}\" set search_path = {name}; \
         grant connect on database \"{0}\" to {name}; alter default privileges grant all on sequences to {name}; \
         grant usage on schema public to {name}; grant select on public.tenants to {name}",
        place.db.name
    ));
}

#[test]
fn a_role_without_schema_and_row_is_told_and_removed() {
    // Roles are of the whole server.
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_left");
    assert_eq!(role_checks(&place), [("ok".to_owned(), "no tenant that is gone left its role".to_owned())]);
    gone(&place, "tenant_gone");
    let elsewhere = server.database("elsewhere");
    gone(&place, "tenant_busy");
    elsewhere.sql("create table t (id int); grant select on t to tenant_busy");
    gone(&place, "tenant_rich");
    place.db.sql(
        "create table public.its_own (id int); alter table public.its_own owner to tenant_rich; create role tenant_bare login; \
         create role tenant_app login; grant select on public.tenants to tenant_app; create role web login; \
         create role tenant_acme login; create role tenant_hooli login; create role tenant_globex login; \
         create role tenant_group; create role tenant_boss login superuser; create role tenant_maker login createrole; \
         create role tenant_member login; grant tenant_group to tenant_member; create role \"tenant_\" login; create role \"tenant_ACME\" login",
    );
    // One with a row and no schema, and one in the trash: both may come back.
    place.db.sql("drop schema tenant_hooli cascade");
    place.drop("globex", "tenant_globex");
    let found = offers(&place);
    let of =
        |name: &str| found.iter().find(|(role, _, _)| role == name).unwrap_or_else(|| panic!("{name} in {found:#?}"));
    let names: Vec<&str> = found.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, ["tenant_busy", "tenant_gone", "tenant_rich"]);
    for (name, by, words) in [
        ("tenant_gone", Some("role"), "its search path in this database is tenant_gone"),
        ("tenant_busy", None, elsewhere.name.as_str()),
        ("tenant_rich", None, "it owns table public.its_own"),
    ] {
        let (_, found, problem) = of(name);
        assert!(found.as_deref() == by && problem.contains(words), "{name}: {found:?} {problem}");
    }
    let told = role_checks(&place);
    assert_eq!(told[0].0, "warn");
    assert!(told[0].1.starts_with("3 login roles are of tenants that are gone: tenant_busy, tenant_gone"), "{told:?}");
    assert!(told[0].1.ends_with("removes those that it can, and says why 2 of them stay"), "{told:?}");

    // A plan, a question, a record; what it must not remove it does not.
    let plan = place.json(0, &["repair", "tenant_gone", "--by", "role", "--dry-run", "--json"]);
    assert!(plan.to_string().contains("DROP ROLE \\\"tenant_gone\\\""), "{plan}");
    assert!(place.words(5, &["repair", "tenant_gone", "--by", "role"]).contains("--yes"));
    assert!(place.words(5, &["repair", "tenant_busy", "--yes"]).contains(&elsewhere.name));
    assert!(place.words(5, &["repair", "tenant_rich", "--yes"]).contains("it owns table public.its_own"));
    for name in ["tenant_app", "tenant_bare"] {
        assert!(place.words(1, &["repair", name, "--by", "role", "--yes"]).contains("no tenant left a role"), "{name}");
    }
    place.expect(1, &["repair", "tenant_gone", "--by", "adopt", "--yes"]);
    place.expect(5, &["--read-only", "repair", "tenant_gone", "--yes"]);
    place.expect(0, &["repair", "tenant_gone", "--by", "role", "--yes"]);
    let left = "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname in ('tenant_gone', 'tenant_bare', 'tenant_rich')";
    assert_eq!(place.db.value(left), "tenant_bare tenant_rich", "nothing but its name speaks of tenant_bare");
    assert_eq!(place.db.value("select count(*) from public.its_own"), "0");
    assert_eq!(
        place.db.value("select has_table_privilege('tenant_app', 'public.tenants', 'select')"),
        "t",
        "nobody else's right is taken"
    );
    let said = place.audit("repair");
    assert_eq!(
        (said[0].0.as_str(), &said[0].2["step"], &said[0].1["role"]),
        ("tenant_gone", &"role".into(), &"tenant_gone".into())
    );
    // Once more there is nothing, and what it was is free for the next tenant.
    place.expect(1, &["repair", "tenant_gone", "--by", "role", "--yes"]);
    assert_eq!(offers(&place).len(), 2);
    elsewhere.sql("drop owned by tenant_busy");
    place.expect(0, &["repair", "tenant_busy", "--yes"]);
}

/// Whatever says whose it was: a right that no tenant's role has, or a group, is of somebody who is not gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_tenants_role_has_keeps_a_role() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_left");
    for name in ["tenant_report", "tenant_member", "tenant_later"] {
        gone(&place, name);
    }
    place.db.sql(
        "create role readers; grant readers to tenant_member; \
         grant usage on schema tenant_acme to tenant_report; grant select on tenant_acme.users to tenant_report",
    );
    let kept = |words: &str, name: &str| {
        let found = offers(&place);
        let (_, by, why) = found.iter().find(|(role, _, _)| role == name).expect(name);
        assert!(by.is_none() && why.contains(words), "{name}: {by:?} {why}");
        assert!(place.words(5, &["repair", name, "--yes"]).contains(words), "{name}");
    };
    kept("it has rights that no tenant's role has: on schema tenant_acme, table tenant_acme.users", "tenant_report");
    kept("it is a member of readers", "tenant_member");
    assert!(role_checks(&place)[0].1.ends_with("and says why 2 of them stay"), "{:?}", role_checks(&place));
    // What it gets between the order and its run counts as much.
    let config = Database::new("eu-1".into(), Environment::Development, place.db.url().into());
    let target = Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target");
    let reading = read_once(&target, &ReadOptions::default()).await.expect("a reading");
    let layout = Arc::clone(&reading.context.layout);
    let reader = Reader::open(&target, Patience::Background).await.expect("a session");
    let roles = left::list(&reader, &target.config.name, &layout, std::iter::empty(), &[]).await.expect("roles");
    let later = left::named(&roles, "tenant_later").expect("left").clone();
    let request = LifeRequest::of_role(later, layout);
    let plan = plan::read(&reader, &target, &request).await.expect("a plan");
    let order = Order::Life(Box::new(LifeOrder { request, plan, typed: None, dependants: Vec::new() }));
    let job = orders::order(&target, &order, uuid::Uuid::new_v4()).await.expect("ordered").to_string();
    place.db.sql("grant select on tenant_acme.users to tenant_later");
    let output = place.run(&["job", &job, "resume", "--yes"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.code() == Some(4) && said.contains("the role tenant_later stays: it has rights"), "{said}");
    place.db.sql("revoke select on tenant_acme.users from tenant_later");
    place.expect(0, &["job", &job, "retry", "--yes"]);
    let all = "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname like 'tenant\\_%'";
    assert_eq!(place.db.value(all), "tenant_member tenant_report");
    assert_eq!(place.db.value("select has_table_privilege('tenant_report', 'tenant_acme.users', 'select')"), "t");
}

/// A name whose role is there still is refused with the way out.
#[test]
fn a_new_tenant_whose_role_was_left_behind_is_told_how_to_remove_it() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_left");
    gone(&place, "tenant_taken");
    place.db.sql("create role tenant_other login; grant select on public.tenants to tenant_other");
    let provision =
        |slug: &str, status: i32, more: &str| place.words(status, &["provision", slug, "--name", "X", "--role", more]);
    for how in ["--dry-run", "--yes"] {
        let words = provision("taken", 5, how);
        assert!(words.contains("the role tenant_taken exists already on this server"), "{words}");
        assert!(words.contains("`tenantui repair tenant_taken --by role` (its search path"), "{words}");
    }
    // Nothing says that this one was a tenant's: `repair` does not list it, and is not named.
    let words = provision("other", 5, "--yes");
    assert!(words.contains("DROP OWNED BY \"tenant_other\"") && !words.contains("repair"), "{words}");
    // One that owns more than a tenant's is to be left: a word of how to remove it would be one too many.
    place.db.sql("create role tenant_boss login; create schema s1 authorization tenant_boss; create schema s2 authorization tenant_boss");
    let words = provision("boss", 5, "--yes");
    assert!(words.contains("leave it: it owns 2 schemas") && !words.contains("DROP OWNED"), "{words}");
    assert_eq!(place.db.value("select count(*) from tenantui.job"), "1", "the one that made the tenant that is gone");
    place.expect(0, &["repair", "tenant_taken", "--by", "role", "--yes"]);
    provision("taken", 0, "--yes");
    assert_eq!(place.db.value("select count(*) from pg_roles where rolname = 'tenant_taken'"), "1");
}

/// A role and its search path say the same name twice: whether a tenant ever had it, the record knows.
#[test]
fn a_role_whose_schema_was_never_a_tenants_is_nobodys_to_remove() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_left");
    role(&place, "tenant_soon");
    assert_eq!(offers(&place), []);
    assert_eq!(role_checks(&place), [("ok".to_owned(), "no tenant that is gone left its role".to_owned())]);
    place.expect(1, &["repair", "tenant_soon", "--by", "role", "--yes"]);
    // A tenant that was not made says nothing of whose the name is.
    std::fs::create_dir(place.home().join("m")).expect("a folder");
    std::fs::write(place.home().join("m/20260101000000-bad.up.sql"), "select 1 / 0;").expect("a file");
    place.configure("[database.migrations]\npath = \"m\"");
    place.expect(1, &["provision", "later", "--name", "Later", "--yes"]);
    place.configure("");
    role(&place, "tenant_later");
    assert_eq!(offers(&place), []);
    // It was one, and was dropped and purged with the role that it had then; this one is another.
    gone(&place, "tenant_was");
    place.expect(0, &["repair", "tenant_was", "--by", "role", "--yes"]);
    role(&place, "tenant_was");
    assert_eq!(offers(&place), []);
    assert_eq!(
        place.db.value("select count(*) from pg_roles where rolname in ('tenant_soon', 'tenant_later', 'tenant_was')"),
        "3"
    );
}

/// Where a role is called as its tenant is, its name proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn where_any_name_is_a_tenants_more_than_the_name_has_to_say_so() {
    let server = own_pg(tcp());
    let db = server.database("life_left");
    db.sql(
        "create table public.contexts (id int); create table public.task_executions (id int); \
         create table public.__diesel_schema_migrations (version varchar(50) primary key, run_on timestamp default now()); \
         create table public.api_keys (tenant_id text, revoked_at timestamptz); \
         insert into public.api_keys values ('removed', now()), ('c1', null); create role web login; create role removed login; \
         do $$ begin execute format('alter role web in database %I set search_path = web', current_database()); end $$; \
         create role c1 login; create schema c1; create table c1.contexts (id int); create table c1.task_executions (id int); \
         create table c1.__diesel_schema_migrations (version varchar(50) primary key, run_on timestamp default now())",
    );
    let place = Place { db, home: tempfile::tempdir().expect("a folder") };
    std::fs::create_dir_all(place.home().join("m/00_first")).expect("a folder");
    std::fs::write(
        place.home().join("m/00_first/up.sql"),
        "create table contexts (id int); create table task_executions (id int);",
    )
    .expect("a file");
    place.configure("[database.migrations]\npath = \"m\"");
    place.expect(0, &["init", "--yes"]);
    place.expect(0, &["provision", "acme", "--name", "acme", "--yes"]);
    let names = |place: &Place| offers(place).into_iter().map(|(name, _, why)| (name, why)).collect::<Vec<_>>();
    assert_eq!(names(&place).len(), 1);
    place.db.sql(
        "drop schema acme cascade; alter role acme in database life_left_1 reset search_path"
            .replace("life_left_1", &place.db.name)
            .as_str(),
    );
    let found = names(&place);
    let [(made, by_us), (removed, by_keys)] = found.as_slice() else { panic!("{found:?}") };
    assert!(made == "acme" && by_us.contains("tenantui made it for acme"), "{found:?}");
    assert!(removed == "removed" && by_keys.contains("\"api_keys\" names the tenant removed"), "{found:?}");
    // Somebody who is still in is left in peace.
    let (own, connection) =
        tokio_postgres::connect(&place.db.url_as("removed"), tokio_postgres::NoTls).await.expect("a session");
    tokio::spawn(connection);
    own.batch_execute("select 1").await.expect("it works");
    assert!(place.words(5, &["repair", "removed", "--yes"]).contains("a session of it is open"));
    place.expect(0, &["repair", "acme", "--yes"]);
    assert_eq!(place.db.value("select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname in ('acme', 'c1', 'removed', 'web')"), "c1 removed web");
    // One that somebody made since under that name is not the one that tenantui made.
    place.db.sql("create role acme login");
    assert_eq!(names(&place).len(), 1, "{:?}", names(&place));
    place.expect(1, &["repair", "acme", "--yes"]);
}

/// The dashboard tells of it, whatever tenant is under the cursor, and removes it behind a plan.
#[test]
fn the_dashboard_offers_to_remove_it() {
    let server = own_pg(tcp());
    let place = Place::on(&server, "life_left");
    gone(&place, "tenant_gone");
    gone(&place, "tenant_rich");
    place.db.sql("create table public.its_own (id int); alter table public.its_own owner to tenant_rich");
    let config = place.config().display().to_string();
    let mut tty = Tty::start(&["--config", &config], 120, 30, None, &[]);
    tty.wait_for_screen();
    tty.wait_for("left 2 login roles (tenant_gone, tenant_rich): repair removes 1 of them");
    tty.open(":repair\r", "role: tenant_rich");
    // What it may not remove, it says.
    tty.type_keys("j\r");
    tty.wait_for("it owns table public.its_own");
    tty.leave("it owns table public.its_own");
    tty.open(":repair\r", "role: tenant_gone");
    tty.open("\r", "remove what was granted to the role");
    tty.type_keys("\t\t\r");
    let roles = "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname like 'tenant\\_%'";
    wait_until(PATIENCE, "the end of the role", || place.db.value(roles) == "tenant_rich");
    // What is left is told anew.
    tty.wait_for("the login role tenant_rich: repair says why it stays");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}
