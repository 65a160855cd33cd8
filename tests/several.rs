//! Several databases on two real servers: one list, one order over both, and what is told when one of them is gone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::fleet::{self, Fleet as Collector, FleetCommand};
use tenantui::model::environment::Environment;
use tenantui::model::fleet::Snapshot;
use tenantui::postgres::session::Target;

use crate::cli::text;
use crate::cli_fleet::{Fleet, slugs};
use crate::support::relay::Relay;
use crate::support::{PgHandle, TestDatabase, own_pg, tcp, wait_until};

/// Two fleets of the same folder, on a shared server and on one of its own.
struct Two {
    here: Fleet,
    there: Fleet,
    server: PgHandle,
}

impl Two {
    fn new() -> Self {
        let server = own_pg(tcp());
        let (here, there) = (Fleet::new(), Fleet::on(server.database("there")));
        there.tenant("only-there", "Only There", 1);
        let two = Self { here, there, server };
        for database in two.databases() {
            database.sql(
                "update tenants set slug = slug || '-' || substr(current_database(), 1, 1) where slug = 'beta-two'",
            );
        }
        two.configure("");
        two
    }

    fn databases(&self) -> [&TestDatabase; 2] {
        [&self.here.database, &self.there.database]
    }

    /// Both in the configuration of the first; `more` stands in the second's section.
    fn configure(&self, more: &str) {
        let here = self.here.block("eu-1", &self.here.database.url());
        let there = self.here.block("us-1", &self.there.database.url());
        let there = there.replacen("[database.migrations]", &format!("{more}\n[database.migrations]"), 1);
        self.here.configure(&format!("{here}{there}"));
    }

    fn init(&self) {
        self.here.expect(0, &["--database", "eu-1", "init", "--yes"]);
        self.here.expect(0, &["--database", "us-1", "init", "--yes"]);
    }
}

fn pairs(document: &Value, list: &str, what: &str) -> Vec<(String, String)> {
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    document[list].as_array().expect("a list").iter().map(|row| (word(row, "database"), word(row, what))).collect()
}

#[test]
fn one_order_goes_through_both_and_a_refusal_in_one_leaves_the_other_its_job() {
    let two = Two::new();
    two.init();
    let fleet = &two.here;
    let list = fleet.json(0, &["tenants", "database:us-1", "--json"]);
    assert!(slugs(&list).contains(&"only-there") && slugs(&list).iter().all(|slug| !slug.ends_with("-c")));

    // One of them may never be written: the other is migrated all the same, and the exit says that it is a part.
    two.configure("read_only = true");
    let output = fleet.expect(4, &["migrate", "--all", "--yes", "--json"]);
    let told = text(&output.stderr);
    assert!(told.contains("us-1: us-1 is read-only"), "{told}");
    let done = crate::cli::json(&output);
    let (jobs, tenants) = (pairs(&done, "jobs", "state"), pairs(&done, "tenants", "tenant"));
    assert_eq!(jobs, [("eu-1".to_owned(), "done".to_owned())]);
    assert!(tenants.contains(&("eu-1".to_owned(), "acme".to_owned())), "{tenants:?}");
    let version = "select max(id) from tenant_acme.schema_migrations";
    assert_eq!(two.here.database.value(version), "20260301000000");
    assert_eq!(two.there.database.value(version), "20260201000000", "never written");

    // Both, one job each; in each a row without a schema is left out.
    two.configure("");
    two.here.file("20260401000000-more", "create table more (id int);");
    let done = crate::cli::json(&fleet.expect(4, &["migrate", "--all", "--yes", "--json"]));
    let names: Vec<String> = pairs(&done, "jobs", "state").into_iter().map(|(database, _)| database).collect();
    assert_eq!(names, ["eu-1", "us-1"]);
    for database in two.databases() {
        assert_eq!(database.value(version), "20260401000000");
    }
    // A name that only one of them has is enough; one that both have is asked about.
    fleet.expect(0, &["tenant", "only-there"]);
    let told = text(&fleet.expect(2, &["migrate", "acme", "--yes"]).stderr);
    assert!(told.contains("--database") && told.contains("eu-1") && told.contains("us-1"), "{told}");
}

/// Printed commands mean what they say where they are pasted.
#[test]
fn commands_name_the_database_where_there_are_several() {
    let two = Two::new();
    for database in two.databases() {
        database.sql("create schema tenant_stray");
    }
    let list = two.here.json(0, &["repair", "--json"]);
    let commands: Vec<&str> =
        list["repairs"].as_array().expect("a list").iter().filter_map(|offer| offer["command"].as_str()).collect();
    for name in ["eu-1", "us-1"] {
        for command in ["repair tenant_stray --by adopt", "drop tenant_stray --confirm tenant_stray"] {
            let wanted = format!("tenantui {command} --database {name}");
            assert!(commands.contains(&wanted.as_str()), "{wanted}: {commands:#?}");
        }
    }
    assert!(commands.iter().all(|command| command.contains(" --database ")), "{commands:#?}");
}

#[test]
fn with_one_server_stopped_the_rest_is_printed_and_told() {
    let mut two = Two::new();
    two.init();
    two.server.server.stop(true);
    let fleet = &two.here;
    let document = fleet.json(3, &["tenants", "--json"]);
    assert_eq!(pairs(&document, "tenants", "slug").iter().filter(|(database, _)| database == "eu-1").count(), 4);
    assert!(document["databases"][0]["error"].is_null() && document["databases"][1]["error"].is_string(), "{document}");
    for command in [&["jobs"][..], &["migrations"], &["audit"], &["doctor"]] {
        let output = fleet.run(command);
        let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_ne!(output.status.code(), Some(0), "{command:?}");
        assert!(shown.contains("us-1"), "{command:?}: {shown}");
    }
    // A filter that leaves a database out for certain leaves it alone: whether it is up is nobody's business.
    let told = fleet.expect(0, &["tenants", "database:eu-1", "--json"]);
    assert_eq!(crate::cli::json(&told)["databases"].as_array().map(Vec::len), Some(1));
    let told = fleet.expect(4, &["migrate", "--filter", "database:eu-1", "--dry-run"]);
    let told = format!("{}{}", text(&told.stdout), text(&told.stderr));
    assert!(told.contains("gone") && !told.contains("us-1"), "{told}");
    let told = text(&fleet.expect(4, &["migrate", "--filter", "!database:us-1", "--dry-run"]).stderr);
    assert!(!told.contains("us-1"), "{told}");
    let told = text(&fleet.expect(2, &["migrate", "--filter", "database:nope", "--yes"]).stderr);
    assert!(told.contains("leaves out every database there is (eu-1, us-1)"), "{told}");
    let told = text(&fleet.expect(0, &["tenants", "database:nope"]).stderr);
    assert!(told.contains("leaves out every database there is (eu-1, us-1)"), "{told}");
    // What a name means is not guessed while one is down; a set is of those that answer.
    let told = text(&fleet.expect(3, &["migrate", "acme", "--yes"]).stderr);
    assert!(told.contains("--database NAME leaves the others out"), "{told}");
    let dry = fleet.expect(3, &["migrate", "--all", "--dry-run", "--json"]);
    let plans = crate::cli::json(&dry);
    assert_eq!(plans["plans"].as_array().map(Vec::len), Some(1), "{plans:#}");
    assert!(text(&dry.stderr).contains("us-1: "), "{}", text(&dry.stderr));
    // Nobody is left out in eu-1: the exit is that of the database that is down alone.
    two.here.database.sql("delete from tenants where slug = 'gone'; drop schema tenant_lost");
    let done = fleet.expect(3, &["migrate", "--all", "--yes", "--json"]);
    let told = text(&done.stderr);
    assert!(told.contains("us-1: ") && told.contains("it is left out"), "{told}");
    let jobs = pairs(&crate::cli::json(&done), "jobs", "state");
    assert_eq!(jobs, [("eu-1".to_owned(), "done".to_owned())]);
    assert_eq!(two.here.database.value("select max(id) from tenant_acme.schema_migrations"), "20260301000000");
    fleet.expect(3, &["migrate", "--all", "--yes"]);
    fleet.expect(0, &["--database", "eu-1", "migrate", "--all", "--yes"]);
}

/// A way that takes connections and carries nothing, as a network that drops what is sent: one connect timeout is all that
/// it costs, and the database and its tenants are told of all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_costs_one_connect_timeout_and_is_told_of() {
    let two = tokio::task::block_in_place(Two::new);
    let (here, there) = (&two.here, &two.there.database);
    let relay = Relay::to(there.port).await;
    tokio::task::block_in_place(|| two.init());
    let way = there.url().replace(&format!(":{}/", there.port), &format!(":{}/", relay.port));
    assert_ne!(way, there.url());
    let blocks = [here.block("eu-1", &here.database.url()), here.block("us-1", &format!("{way}&connect_timeout=2"))];
    here.configure(&blocks.concat());
    here.file("20260301500000-slow", "select pg_sleep(3);");

    // It is lost when it is its turn: what was planned for its tenants is left out, and nobody waits for it twice.
    let sleeps = "select count(*) from pg_stat_activity where query like '%pg_sleep(3)%' and state = 'active' and pid <> pg_backend_pid()";
    let (before, done) = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| here.expect(3, &["migrate", "--all", "--yes", "--json"]));
            wait_until(Duration::from_secs(30), "the first database's turn", || here.database.value(sleeps) != "0");
            relay.stall(true);
            let before = relay.taken();
            (before, run.join().expect("a run"))
        })
    });
    assert_eq!(relay.taken() - before, 1, "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("us-1: cannot connect"), "{}", text(&done.stderr));
    let results = crate::cli::json(&done);
    let errors: Vec<Option<&str>> =
        results["databases"].as_array().expect("a list").iter().map(|end| end["error"].as_str()).collect();
    assert!(errors[0].is_none() && errors[1].is_some_and(|why| why.contains("no answer within 2 s")), "{errors:?}");
    let of = |tenant: &str| {
        let rows = results["tenants"].as_array().expect("a list").iter();
        rows.filter(|row| row["database"] == "us-1" && row["tenant"] == tenant).cloned().collect::<Vec<_>>()
    };
    for tenant in ["acme", "beta-two-t", "only-there", "gone"] {
        let rows = of(tenant);
        assert!(rows.len() == 1 && rows[0]["result"] == "left out", "{tenant}: {rows:?}");
    }
    assert!(of("acme")[0]["message"].as_str().is_some_and(|why| why.contains("no answer")), "{results:#}");
    assert_eq!(of("acme")[0]["version"], "20260201000000", "where it stood");
    assert_eq!(there.value("select count(*) from tenantui.job"), "0");

    // It is lost from the beginning: nothing is known of its tenants, and the rest is carried out.
    let before = relay.taken();
    let done = tokio::task::block_in_place(|| here.expect(3, &["migrate", "--all", "--yes", "--json"]));
    assert_eq!(relay.taken() - before, 1, "{}", text(&done.stderr));
    let databases = crate::cli::json(&done)["databases"].clone();
    let error = |name: &str| {
        let all = databases.as_array().expect("a list").iter();
        all.filter(|end| end["name"] == name).map(|end| end["error"].is_string()).collect::<Vec<_>>()
    };
    assert_eq!((error("eu-1"), error("us-1")), (vec![false], vec![true]), "{databases}");
    let before = relay.taken();
    let dry = tokio::task::block_in_place(|| here.expect(3, &["migrate", "--all", "--dry-run", "--json"]));
    assert_eq!(relay.taken() - before, 1);
    assert_eq!(crate::cli::json(&dry)["databases"].as_array().map(Vec::len), Some(2));
}

fn target(name: &str, url: String) -> Target {
    let config = Database::new(name.into(), Environment::Production, url.into());
    Target::resolve(Arc::new(config), &Surroundings::fixed([("PGTZ", "UTC")])).expect("a target")
}

async fn until(fleet: &mut Collector, what: &str, condition: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let wait = fleet.snapshots.wait_for(|snapshot| condition(snapshot));
    match tokio::time::timeout(Duration::from_secs(60), wait).await {
        Ok(snapshot) => Arc::clone(&snapshot.expect("a collector")),
        Err(_) => panic!("waited in vain for {what}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_is_its_databases_alone() {
    let mut two = tokio::task::block_in_place(Two::new);
    let targets = vec![target("eu-1", two.here.database.url()), target("us-1", two.there.database.url())];
    let mut collector = fleet::spawn(targets, Duration::from_millis(500));
    let read = |snapshot: &Snapshot| snapshot.databases.iter().all(|view| view.taken_at.is_some());
    let before = until(&mut collector, "both", read).await;
    let of = |snapshot: &Snapshot, name: &str| {
        snapshot.tenants.iter().filter(|tenant| &*tenant.key.database == name).count()
    };
    assert_eq!((of(&before, "eu-1"), of(&before, "us-1")), (4, 5));
    tokio::task::block_in_place(|| two.server.server.stop(true));
    collector.commands.send(FleetCommand::Refresh).await.expect("told");
    until(&mut collector, "the lost link", |snapshot| !snapshot.databases[1].link.is_up()).await;
    // The other goes on being read: a change there is seen, and what was known of the lost one stays.
    tokio::task::block_in_place(|| two.here.tenant("newcomer", "New", 1));
    collector.commands.send(FleetCommand::Refresh).await.expect("told");
    let after = until(&mut collector, "the newcomer", |snapshot| of(snapshot, "eu-1") == 5).await;
    assert!(after.databases[0].link.is_up() && !after.databases[1].link.is_up());
    assert_eq!(of(&after, "us-1"), 5, "its rows are kept");
    let home = &two.server.home;
    tokio::task::block_in_place(|| two.server.server.start_again(home)).expect("started");
    until(&mut collector, "the link's return", |snapshot| snapshot.databases[1].link.is_up()).await;
}
