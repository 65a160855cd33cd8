//! kill -9 before and after every message that an order, its run, a worker and the making of a tenant send: a proxy
//! counts them. A point is a message's text and how often it came before, so that it is met again in every run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fleet::{Fleet, LONG};
use super::kills::{MIGRATE, WORKER};
use super::{Dice, count, full, report};
use crate::support::proxy::{Message, Proxy, Verdict};
use crate::support::victim::Aim;
use crate::support::{pg, wait_until};

/// A message by its kind: the beginning of its text without numbers, and its place among those of the same kind.
type Point = (String, usize);

/// Tells kinds of messages apart, and counts each.
#[derive(Default)]
struct Counter(BTreeMap<String, usize>);

impl Counter {
    fn point(&mut self, message: &Message) -> Point {
        let text: String = message.text.chars().filter(|letter| !letter.is_ascii_digit()).take(90).collect();
        let kind = format!("{} {text}", char::from(message.kind));
        let count = self.0.entry(kind.clone()).or_default();
        *count += 1;
        (kind, *count)
    }
}

/// The messages on the lines on which one of them is like this.
fn on_lines(seen: &[Message], like: impl Fn(&str) -> bool) -> Vec<Point> {
    let lines: Vec<usize> = seen.iter().filter(|message| like(&message.text)).map(|message| message.line).collect();
    let mut counter = Counter::default();
    let points: Vec<(usize, Point)> = seen.iter().map(|message| (message.line, counter.point(message))).collect();
    points.into_iter().filter(|(line, _)| lines.contains(line)).map(|(_, point)| point).collect()
}

/// Messages that change something or decide something: the others only differ in when they come.
fn decides(point: &Point) -> bool {
    ["BEGIN", "COMMIT", "INSERT", "UPDATE", "set_config", "advisory_lock", "create table a_", "guard", "alter table"]
        .iter()
        .any(|word| point.0.contains(word))
}

/// What every push has time for: of each kind of the deciding messages the first, one in the middle and the last.
fn some(points: &[Point]) -> Vec<Point> {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, number) in points {
        last.insert(kind, *number);
    }
    let wanted = |(kind, number): &&Point| {
        let last = last[kind.as_str()];
        *number == 1 || *number == last || *number == last.div_ceil(2)
    };
    points.iter().filter(|point| decides(point)).filter(wanted).cloned().collect()
}

/// So many of them as every push has time for, spread over all: other ones each time, by the seed.
fn sample(all: Vec<(Point, Side)>, what: &str, wanted: usize) -> Vec<(Point, Side)> {
    if full() {
        return all;
    }
    let step = all.len().div_ceil(count(what, wanted)).max(1);
    let first = Dice::new(what).below(step);
    all.into_iter().skip(first).step_by(step).collect()
}

/// On which side of a message the program dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Lets the proxy kill what `aim` points at there; the answer says whether it came to that.
fn kill_at(proxy: &Proxy, point: &Point, side: Side, aim: &Aim) -> Arc<AtomicBool> {
    let met = Arc::new(AtomicBool::new(false));
    let (seen, point, aim, mut counter) = (Arc::clone(&met), point.clone(), aim.clone(), Counter::default());
    proxy.watch(move |message| {
        if counter.point(message) != point {
            return Verdict::Pass;
        }
        seen.store(true, Ordering::SeqCst);
        match side {
            Side::Before => Verdict::KillBefore(aim.clone()),
            Side::After => Verdict::KillAfter(aim.clone()),
        }
    });
    met
}

/// A small fleet behind a proxy.
struct Bench {
    fleet: Fleet,
    proxy: Proxy,
    kills: usize,
    unmet: usize,
}

impl Bench {
    fn new() -> Self {
        let mut fleet = Fleet::new(pg(), 2, Duration::ZERO);
        fleet.undisturbed();
        let proxy = Proxy::new(fleet.db.port);
        fleet.connect_to(proxy.port());
        Self { fleet, proxy, kills: 0, unmet: 0 }
    }

    /// The messages of an undisturbed run of this command.
    fn points(&self, arguments: &[&str]) -> Vec<Point> {
        let points = self.trace(arguments, |name| name.contains(" order") || name.contains(" job "));
        if full() { points } else { some(&points) }
    }

    /// The messages of an undisturbed run, on the lines where one of them is like this.
    fn trace(&self, arguments: &[&str], on: impl Fn(&str) -> bool) -> Vec<Point> {
        self.proxy.watch(|_| Verdict::Pass);
        self.fleet.must(0, arguments);
        on_lines(&self.proxy.seen(), on)
    }

    /// Runs a command that dies there.
    fn die(&mut self, arguments: &[&str], point: &Point, side: Side) {
        let aim = Aim::default();
        let met = kill_at(&self.proxy, point, side, &aim);
        let end = self.fleet.start_as("config.toml", arguments, &aim).wait(LONG);
        self.proxy.watch(|_| Verdict::Pass);
        let met = met.load(Ordering::SeqCst);
        // The very last message may come when the program has ended already.
        if met && (end.killed || point.0.starts_with('X')) {
            self.kills += usize::from(end.killed);
        } else {
            self.unmet += 1;
        }
        self.fleet.check(&format!("killed {side:?} {point:?}"));
    }

    /// Every point on both sides of which the program may die.
    fn both_sides(points: &[Point]) -> Vec<(Point, Side)> {
        let all = points.iter().enumerate().flat_map(|(index, point)| {
            // Every push takes one side of most, and both of every COMMIT.
            let both = full() || point.0 == "Q COMMIT";
            let before = both || index % 2 == 0;
            let after = both || index % 2 == 1;
            [(before, Side::Before), (after, Side::After)]
                .into_iter()
                .filter(|(wanted, _)| *wanted)
                .map(|(_, side)| (point.clone(), side))
        });
        all.collect()
    }

    fn end(&self, name: &str, jobs: usize) {
        // Where a busy machine lets two lines go otherwise than in the run that was traced, a point is passed by.
        // One of the ten that every push has time for may be such a point.
        let few = self.unmet <= 1 + self.kills / 20 && self.kills > 8 * self.unmet;
        assert!(few, "{} of {} points were not met", self.unmet, self.kills + self.unmet);
        report(
            name,
            &format!(
                "{} kills, {} points not met, {jobs} jobs all done, {} checks, 0 violations",
                self.kills, self.unmet, self.fleet.watch.checks
            ),
        );
    }
}

#[test]
fn killed_at_every_message_of_an_order_and_its_run_it_leaves_nothing_half_done() {
    let mut bench = Bench::new();
    let arguments = [&MIGRATE[..], &["--parallel", "1"]].concat();
    bench.fleet.reset();
    let points = bench.points(&arguments);
    let mut jobs = 0;
    for (point, side) in sample(Bench::both_sides(&points), "order_messages", 24) {
        bench.fleet.reset();
        bench.die(&arguments, &point, side);
        if bench.fleet.watch.jobs() == 0 {
            bench.fleet.must(0, &arguments);
        }
        assert_eq!(bench.fleet.finish(&format!("killed {side:?} {point:?}")), 0, "no operator is needed");
        jobs += 1;
    }
    bench.end("kills at every message of order and run", jobs);
}

#[test]
fn killed_at_every_message_of_a_worker_it_leaves_nothing_half_done() {
    let mut bench = Bench::new();
    let commit: Point = ("Q COMMIT".to_owned(), 1);
    let order = [&MIGRATE[..], &["--parallel", "1"]].concat();
    // Ordered and not begun: its process dies as soon as the order is committed.
    let queue = |bench: &mut Bench| {
        for _ in 0..5 {
            bench.fleet.reset();
            bench.die(&order, &commit, Side::After);
            // COMMIT is on its way when its sender dies: a server that is busy carries it out a moment later, or never reads
            // it, where the link is torn before. What is there when its sessions are gone is there.
            let ours = "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui%'";
            wait_until(Duration::from_secs(20), "the end of its sessions", || bench.fleet.db.value(ours) == "0");
            if bench.fleet.watch.open(&bench.fleet.db).len() == 1 {
                return;
            }
        }
        panic!("an order that was committed is there");
    };
    queue(&mut bench);
    let points = bench.points(&WORKER);
    let sides = Bench::both_sides(&points);
    let mut jobs = 0;
    for (point, side) in sample(sides, "worker_messages", 10) {
        queue(&mut bench);
        bench.die(&WORKER, &point, side);
        assert_eq!(bench.fleet.finish(&format!("worker killed {side:?} {point:?}")), 0, "no operator is needed");
        jobs += 1;
    }
    bench.end("kills at every message of a worker", jobs);
}

#[test]
fn killed_at_every_message_of_a_statement_that_runs_alone_it_makes_a_valid_index() {
    let mut bench = Bench::new();
    bench.fleet.add_alone();
    bench.fleet.connect_to(bench.fleet.db.port);
    bench.fleet.undisturbed();
    bench.fleet.connect_to(bench.proxy.port());
    let arguments = [&MIGRATE[..], &["--parallel", "1"]].concat();
    bench.fleet.reset();
    // The session of the statement, without its opening; it is the only one that does so.
    let points = bench.trace(&arguments, |text| text.contains("create index concurrently"));
    let points: Vec<Point> = points.into_iter().filter(|(kind, _)| full() || !kind.starts_with('s')).collect();
    let all: Vec<(Point, Side)> =
        points.iter().flat_map(|point| [Side::Before, Side::After].map(|side| (point.clone(), side))).collect();
    let mut jobs = 0;
    for (point, side) in sample(all, "alone_messages", 10) {
        bench.fleet.reset();
        bench.die(&arguments, &point, side);
        assert_eq!(bench.fleet.finish(&format!("alone, killed {side:?} {point:?}")), 0, "no operator is needed");
        jobs += 1;
    }
    bench.end("kills at every message of a statement that runs alone", jobs);
}

#[test]
fn killed_at_every_message_of_making_a_tenant_it_makes_it_once_or_not_at_all() {
    let mut bench = Bench::new();
    let provision = ["provision", "first-one", "--name", "New", "--yes"];
    bench.fleet.tenants = 0;
    bench.fleet.reset();
    let points = bench.points(&provision);
    let sides = Bench::both_sides(&points);
    let mut jobs = 0;
    for (point, side) in sample(sides, "provision_messages", 10) {
        bench.fleet.reset();
        bench.die(&provision, &point, side);
        if bench.fleet.watch.jobs() == 0 {
            bench.fleet.must(0, &provision);
        }
        let said = format!("provision killed {side:?} {point:?}");
        assert_eq!(bench.fleet.finish(&said), 0, "no operator is needed");
        let made = bench.fleet.db.value("select string_agg(slug || ' ' || status, ',') from public.tenants");
        assert_eq!(made, "first-one active", "{said}");
        jobs += 1;
    }
    bench.end("kills at every message of making a tenant", jobs);
}
