//! Workers that come back after their job was taken over: frozen, stalled, or robbed of their lock. They may do nothing
//! more: a trigger of the harness notes every step that is done by an attempt that has lost its job.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use super::fleet::{Fleet, LONG, VERSIONS};
use super::kills::{MIGRATE, WORKER};
use super::{Dice, count, full, report};
use crate::support::proxy::{Mood, Proxy, Verdict};
use crate::support::victim::{Aim, End, Victim};
use crate::support::{pg, wait_until};

/// The class of a job's advisory lock.
const JOB_CLASS: u32 = 1_952_804_469;

/// How a worker loses its job without dying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Frozen; its lock's session is ended by the server.
    Frozen,
    /// Frozen until the server ends its sessions by itself: the lease.
    Slept,
    /// Its link says nothing any more; its lock's session is ended by the server.
    Stalled,
    /// It runs on while its lock's session is ended, and another worker is already waiting.
    Robbed,
}

/// Who takes the job over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescue {
    /// A worker that finishes it.
    Finishes,
    /// A worker that dies as soon as it has claimed it: everything is left to be done wrongly.
    Dies,
}

/// A fleet with two ways to it: the zombie's, and that of the worker that takes over.
pub struct Grave {
    pub fleet: Fleet,
    zombies: Proxy,
    rescuers: Proxy,
}

impl Grave {
    pub fn new() -> Self {
        let mut fleet = Fleet::new(pg(), 3, Duration::ZERO);
        fleet.undisturbed();
        let (zombies, rescuers) = (Proxy::new(fleet.db.port), Proxy::new(fleet.db.port));
        fleet.connect_to(zombies.port());
        fleet.configure("rescue.toml", rescuers.port());
        fleet.configure("direct.toml", fleet.db.port);
        Self { fleet, zombies, rescuers }
    }

    /// Starts a job, and freezes its process when the server has been sent the COMMIT of this step.
    fn freeze_at(&self, step: usize) -> Victim {
        let aim = Aim::default();
        let frozen = Arc::new(AtomicBool::new(false));
        let (mut commits, mut job) = (0, Vec::new());
        let (seen, target) = (Arc::clone(&frozen), aim.clone());
        self.zombies.watch(move |message| {
            if message.kind == b's' && message.text.contains(" job ") {
                job.push(message.line);
            }
            let commit = message.is_query("COMMIT") && job.contains(&message.line);
            commits += usize::from(commit);
            if !commit || commits != step {
                return Verdict::Pass;
            }
            seen.store(true, Ordering::SeqCst);
            Verdict::FreezeAfter(target.clone())
        });
        let victim = self.fleet.start_as("config.toml", &[&MIGRATE[..], &["--parallel", "1"]].concat(), &aim);
        wait_until(LONG, "the step at which it freezes", || frozen.load(Ordering::SeqCst));
        victim
    }

    /// The server ends the session that holds the job's lock.
    fn end_lock(&self) {
        let ended = self.fleet.db.sql(&format!(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = {JOB_CLASS} and objsubid = 2 \
             and database = (select oid from pg_database where datname = current_database())"
        ));
        assert!(!ended.is_empty(), "somebody holds the job");
        self.lock_is_free();
    }

    fn lock_is_free(&self) {
        let holders = format!(
            "select count(*) from pg_locks where locktype = 'advisory' and classid = {JOB_CLASS} and objsubid = 2 \
             and database = (select oid from pg_database where datname = current_database())"
        );
        wait_until(LONG, "the lock to be free", || self.fleet.db.value(&holders) == "0");
    }

    /// Another worker takes the job over; with `Dies` it is killed at its first own transaction.
    fn rescue(&mut self, rescue: Rescue) -> End {
        let aim = Aim::default();
        let claims = Arc::new(Mutex::new(false));
        let (claimed, target) = (Arc::clone(&claims), aim.clone());
        self.rescuers.watch(move |message| {
            let mut claimed = claimed.lock().expect("no panic");
            *claimed = *claimed || message.text.contains("attempt = j.attempt + 1");
            let first = *claimed && message.text.starts_with("BEGIN");
            if rescue == Rescue::Dies && first { Verdict::KillBefore(target.clone()) } else { Verdict::Pass }
        });
        let end = self.fleet.start_as("rescue.toml", &WORKER, &aim).wait(LONG);
        let said = format!("the rescue ended with {:?}: {}", end.code, end.err);
        assert!(*claims.lock().expect("no panic"), "it claimed the job: {said}");
        assert_eq!(end.killed, rescue == Rescue::Dies, "{said}");
        self.fleet.check(&said);
        end
    }

    fn done(&self) -> String {
        self.fleet.db.value("select count(*) from tenantui.step where state = 'done'")
    }

    /// One case; the zombie's end, and what is wrong then.
    pub fn case(&mut self, way: Way, rescue: Rescue, step: usize) -> (End, Vec<String>) {
        self.fleet.reset();
        let zombie = self.freeze_at(step);
        match way {
            Way::Frozen | Way::Robbed => self.end_lock(),
            Way::Slept => self.lock_is_free(),
            Way::Stalled => {
                self.zombies.mood(Mood::Stall);
                zombie.aim().send(Signal::CONT);
                self.end_lock();
            }
        }
        if way == Way::Robbed {
            // Both want it: the old worker regains its lock, or the new one is first.
            zombie.aim().send(Signal::CONT);
            let end = self.fleet.start_as("direct.toml", &WORKER, &Aim::default()).wait(LONG);
            drop(end);
        } else {
            self.rescue(rescue);
        }
        let before = self.done();
        self.zombies.mood(Mood::Pass);
        zombie.aim().send(Signal::CONT);
        let end = zombie.wait(LONG);
        let mut wrong = self.fleet.watch.violations(&self.fleet.db);
        let after = self.done();
        if way != Way::Robbed && before != after {
            wrong.push(format!("{before} steps were done when it woke, {after} when it ended"));
        }
        (end, wrong)
    }
}

#[test]
fn a_worker_that_lost_its_job_does_no_further_step() {
    let wanted = count("zombies", 8);
    let mut dice = Dice::new("zombies");
    let mut grave = Grave::new();
    let steps = grave.fleet.tenants * VERSIONS.len();
    let ways = [Way::Frozen, Way::Stalled, Way::Robbed];
    let (mut kept, mut codes) = (0, std::collections::BTreeMap::<Option<i32>, usize>::new());
    for number in 0..wanted {
        let way = ways[number % ways.len()];
        let rescue = if dice.chance(50) { Rescue::Dies } else { Rescue::Finishes };
        let step = 1 + dice.below(steps - 1);
        let (end, wrong) = grave.case(way, rescue, step);
        let said = format!("{way:?}, its rescuer {rescue:?}, at step {step}: exit {:?}: {}", end.code, end.err);
        assert!(wrong.is_empty(), "{said}\n{}", wrong.join("\n"));
        if way == Way::Robbed {
            kept += usize::from(end.code == Some(0));
        } else {
            assert_ne!(end.code, Some(0), "it does not say that it did it: {said}");
        }
        *codes.entry(end.code).or_default() += 1;
        assert_eq!(grave.fleet.finish(&said), 0, "{said}");
    }
    report(
        "zombies",
        &format!(
            "{wanted} workers frozen, stalled or robbed of their lock; {kept} got it back in time; exits {codes:?}; 0 steps after the rescue"
        ),
    );
}

#[test]
fn a_worker_that_slept_through_its_lease_does_no_further_step() {
    let wanted = count("sleepers", 2);
    let mut dice = Dice::new("sleepers");
    let mut grave = Grave::new();
    let lease = if full() { 60_000 } else { 2_000 };
    grave.fleet.variables.push(("TENANTUI_TEST_LEASE_MS", lease.to_string()));
    let steps = grave.fleet.tenants * VERSIONS.len();
    for number in 0..wanted {
        let rescue = if number % 2 == 0 { Rescue::Dies } else { Rescue::Finishes };
        let (end, wrong) = grave.case(Way::Slept, rescue, 1 + dice.below(steps - 1));
        let said = format!("slept, its rescuer {rescue:?}: exit {:?}: {}", end.code, end.err);
        assert!(wrong.is_empty(), "{said}\n{}", wrong.join("\n"));
        assert_ne!(end.code, Some(0), "{said}");
        assert_eq!(grave.fleet.finish(&said), 0, "{said}");
    }
    report("sleepers", &format!("{wanted} workers frozen beyond a lease of {lease} ms; 0 steps after the rescue"));
}

#[test]
fn ended_sessions_are_opened_again() {
    let wanted = count("terminations", 12);
    let mut dice = Dice::new("terminations");
    let mut fleet = Fleet::new(pg(), 8, Duration::from_millis(8));
    fleet.undisturbed();
    let (mut ended, mut runs, mut alone, mut resumed) = (0, 0, 0, 0);
    while ended < wanted {
        fleet.reset();
        let mut victim = fleet.start(&MIGRATE);
        while victim.is_running() {
            std::thread::sleep(dice.time(Duration::from_millis(150)));
            let which = dice.next();
            let rows = fleet.db.sql(&format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
                 and application_name like 'tenantui % job %' order by hashint8(pid + {}) limit 1",
                which % 1_000_000
            ));
            ended += rows.len();
            fleet.check("an ended session");
        }
        let end = victim.wait(LONG);
        let said = format!("{ended} sessions ended; exit {:?}: {}", end.code, end.err);
        alone += usize::from(end.code == Some(0));
        if fleet.watch.jobs() == 0 {
            fleet.must(0, &MIGRATE);
        }
        resumed += fleet.finish(&said);
        runs += 1;
    }
    report(
        "ended sessions",
        &format!(
            "{ended} sessions ended in {runs} runs, {alone} runs went on by themselves, {resumed} needed an operator, 0 violations"
        ),
    );
}
