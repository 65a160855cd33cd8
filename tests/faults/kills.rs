//! kill -9 at random times of a run, of a worker that goes on with it, and of the next one.

use std::time::Duration;

use super::fleet::{Fleet, LONG, next};
use super::{Dice, count, report};
use crate::support::pg;

/// Orders the whole fleet and runs it.
pub const MIGRATE: [&str; 5] = ["migrate", "--all", "--yes", "--canary", "0"];
/// Goes on with whatever is queued or orphaned.
pub const WORKER: [&str; 2] = ["worker", "--drain"];

impl Fleet {
    /// One run that nothing disturbs: what it leaves is what all others must leave. Says how long it took.
    pub fn undisturbed(&mut self) -> Duration {
        self.reset();
        let took = self.must(0, &MIGRATE).took;
        self.watch.remember(&self.db);
        took
    }
}

#[test]
fn killed_at_random_times_it_leaves_nothing_half_done() {
    let wanted = count("kills", 8);
    let mut dice = Dice::new("kills");
    let mut fleet = Fleet::new(pg(), 8, Duration::from_millis(4));
    let longest = fleet.undisturbed().max(fleet.undisturbed());
    let (mut kills, mut late, mut jobs, mut resumed, mut most) = (0, 0, 0, 0, 0);
    while kills < wanted {
        fleet.reset();
        let mut in_a_row = 0;
        // The order and its run are killed; then, mostly, the worker that goes on with it, and the next.
        loop {
            let arguments = match fleet.watch.open(&fleet.db).first() {
                None => MIGRATE.map(str::to_owned).to_vec(),
                Some(open) => next(open),
            };
            let victim = fleet.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            std::thread::sleep(dice.time(longest));
            let end = victim.kill();
            if end.killed {
                (kills, in_a_row) = (kills + 1, in_a_row + 1);
            } else {
                late += 1;
            }
            fleet.check(&format!("kill {kills} of {arguments:?} after {:?}", end.took));
            let over = fleet.watch.jobs() > 0 && fleet.watch.open(&fleet.db).is_empty();
            if over || kills >= wanted || !dice.chance(70) {
                break;
            }
        }
        most = most.max(in_a_row);
        if fleet.watch.jobs() == 0 {
            // Killed before anything was ordered.
            let end = fleet.start(&MIGRATE).wait(LONG);
            assert_eq!(end.code, Some(0), "{}", end.err);
            fleet.check("an order after a kill");
        }
        resumed += fleet.finish(&format!("kill {kills}"));
        jobs += 1;
    }
    assert_eq!(resumed, 0, "a kill alone never needs an operator");
    report(
        "random kills",
        &format!(
            "{kills} kills over runs of {longest:?} ({late} came too late), {jobs} jobs all done, at most {most} kills of one, \
             {} checks, 0 violations",
            fleet.watch.checks
        ),
    );
}
