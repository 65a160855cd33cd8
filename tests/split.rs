//! Both servers of a promoted pair in one configuration, for commands and a worker: the old primary is never written,
//! whichever of the two is listed first, and it is told. Two databases of one server are none of that.

use crate::cli::text;
use crate::cli_fleet::Fleet;
use crate::support::standby::{Pair, own_pair};
use crate::support::{TestDatabase, pg};

const VERSION: &str = "select max(id) from tenant_acme.schema_migrations";
const BEFORE: &str = "20260201000000";
const AFTER: &str = "20260301000000";

/// A fleet on a pair whose standby was promoted past the server that still answers.
struct Split {
    fleet: Fleet,
    new: TestDatabase,
    pair: Pair,
}

impl Split {
    fn new(prepare: impl Fn(&Fleet)) -> Self {
        let pair = own_pair(&[]);
        let fleet = Fleet::on(pair.primary.database("split"));
        fleet.init();
        prepare(&fleet);
        pair.catch_up();
        pair.standby.promote();
        let new = pair.standby.open(&fleet.database);
        Self { fleet, new, pair }
    }

    fn configure(&self, order: [&str; 2]) {
        let url = |name: &str| match name {
            "new" => self.pair.standby.url(&self.fleet.database.name),
            _ => self.fleet.database.url(),
        };
        self.fleet.configure(&order.map(|name| self.fleet.block(name, &url(name))).concat());
    }
}

fn is_told(words: &str) -> bool {
    words.contains("old primary") && words.contains("00000001") && words.contains("00000002")
}

#[test]
fn a_command_never_writes_the_old_primary_whichever_is_listed_first() {
    let split = Split::new(|_| {});
    let fleet = &split.fleet;
    for order in [["old", "new"], ["new", "old"]] {
        split.configure(order);
        // One alone, and no other is named in the order: what the other server knows counts all the same.
        for command in [&["migrate", "--all", "--yes"][..], &["provision", "new-one", "--name", "New", "--yes"]] {
            let words = text(&fleet.expect(5, &[&["--database", "old"], command].concat()).stderr);
            assert!(is_told(&words), "{command:?}: {words}");
        }
        let words = text(&fleet.expect(4, &["migrate", "--all", "--yes"]).stderr);
        assert!(words.contains("old: ") && is_told(&words), "{words}");
        assert_eq!(
            (fleet.database.value(VERSION), split.new.value(VERSION)),
            (BEFORE.into(), AFTER.into()),
            "{order:?}"
        );
        assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0", "{order:?}");

        let output = fleet.run(&["doctor"]);
        let doctor = text(&output.stdout);
        assert_eq!(doctor.matches("FAIL  cluster").count(), 1, "{doctor}");
        assert_eq!(doctor.matches("ok    cluster").count(), 1, "{doctor}");
        let flat = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(is_told(&flat) && flat.contains("point this entry at the new primary"), "{doctor}");

        // What reads goes on reading, and says so.
        let output = fleet.expect(0, &["tenants", "--json"]);
        let list = crate::cli::json(&output);
        for (index, name) in order.iter().enumerate() {
            assert_eq!(list["databases"][index]["read_only"], *name == "old", "{list:#}");
        }
        assert!(is_told(&text(&output.stderr)), "{}", text(&output.stderr));
        assert!(is_told(&text(&fleet.expect(0, &["jobs"]).stderr)));
    }
}

#[test]
fn a_worker_leaves_the_jobs_of_the_old_primary() {
    let split = Split::new(|fleet| {
        fleet.expect(0, &["migrate", "acme", "--yes"]);
        fleet.database.sql("update tenantui.job set state = 'queued', ended_at = null");
    });
    for order in [["old", "new"], ["new", "old"]] {
        split.configure(order);
        split.new.sql("update tenantui.job set state = 'queued', ended_at = null");
        let output = split.fleet.run(&["worker", "--drain"]);
        let words = text(&output.stderr);
        assert!(is_told(&words) && words.contains("old: "), "{words}");
        let state = "select state from tenantui.job";
        assert_eq!(
            (split.fleet.database.value(state), split.new.value(state)),
            ("queued".into(), "done".into()),
            "{words}"
        );
    }
}

#[test]
fn two_databases_of_one_server_are_both_written() {
    let fleet = Fleet::new();
    let other = Fleet::on(pg().database("cli"));
    fleet.configure(&[fleet.block("one", &fleet.database.url()), fleet.block("two", &other.database.url())].concat());
    fleet.expect(0, &["init", "--yes"]);
    fleet.expect(4, &["migrate", "--all", "--yes"]);
    assert_eq!([&fleet, &other].map(|fleet| fleet.database.value(VERSION)), [AFTER, AFTER]);
    let doctor = text(&fleet.expect(0, &["doctor"]).stdout);
    assert_eq!(doctor.matches("ok    cluster").count(), 2, "{doctor}");
}
