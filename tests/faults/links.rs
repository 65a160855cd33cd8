//! Links that are cut, stalled and lose what was said: above all the answer to COMMIT, which both may have been and may
//! not have been carried out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fleet::{ALONE, Fleet, LONG, VERSIONS};
use super::kills::{MIGRATE, WORKER};
use super::{Dice, count, full, report};
use crate::support::pg;
use crate::support::proxy::{Message, Mood, Proxy, Verdict};
use crate::support::victim::Aim;

/// A fleet behind a proxy, and how long a run through it takes.
fn behind_a_proxy(tenants: usize, sleep: Duration) -> (Fleet, Proxy, Duration) {
    let mut fleet = Fleet::new(pg(), tenants, sleep);
    fleet.undisturbed();
    let proxy = Proxy::new(fleet.db.port);
    fleet.connect_to(proxy.port());
    let longest = fleet.undisturbed();
    (fleet, proxy, longest)
}

/// Picks out what sessions of a job say.
#[derive(Default)]
struct OfJobs(BTreeSet<usize>);

impl OfJobs {
    fn commit(&mut self, message: &Message) -> bool {
        if message.kind == b's' && message.text.contains(" job ") {
            self.0.insert(message.line);
        }
        self.0.contains(&message.line) && message.is_query("COMMIT")
    }
}

/// How often each way of losing an answer was taken.
#[derive(Debug, Default, Clone, Copy)]
struct Lost {
    committed: usize,
    not_committed: usize,
    either: usize,
}

/// Cuts these COMMITs of steps, each in one of three ways.
fn lose_answers(proxy: &Proxy, chosen: Vec<(usize, usize)>) -> Arc<Mutex<Lost>> {
    let lost = Arc::new(Mutex::new(Lost::default()));
    let (counts, mut of_jobs, mut number) = (Arc::clone(&lost), OfJobs::default(), 0);
    proxy.watch(move |message| {
        if !of_jobs.commit(message) {
            return Verdict::Pass;
        }
        number += 1;
        let Some((_, way)) = chosen.iter().find(|(at, _)| *at == number) else { return Verdict::Pass };
        let mut counts = counts.lock().expect("no panic");
        match way {
            0 => {
                counts.committed += 1;
                Verdict::CutAfterReply
            }
            1 => {
                counts.not_committed += 1;
                Verdict::CutBefore
            }
            _ => {
                counts.either += 1;
                Verdict::CutAfter
            }
        }
    });
    lost
}

#[test]
fn a_lost_answer_to_commit_is_decided_right_either_way() {
    let wanted = count("commits", 12);
    let mut dice = Dice::new("commits");
    let (mut fleet, proxy, _) = behind_a_proxy(8, Duration::ZERO);
    let steps = fleet.tenants * VERSIONS.len();
    let mut all = Lost::default();
    let (mut runs, mut again) = (0, 0);
    while all.committed + all.not_committed + all.either < wanted {
        fleet.reset();
        // Steps that run again have a COMMIT more: numbers beyond the steps' are met then.
        // Each way once in a run: left to the dice, one of them is missed now and then, and proves nothing.
        let chosen = (0..3).map(|way| (1 + dice.below(steps), way)).collect::<Vec<_>>();
        let lost = lose_answers(&proxy, chosen.clone());
        let end = fleet.run(&MIGRATE);
        let lost = *lost.lock().expect("no panic");
        let seen = proxy.seen();
        proxy.watch(|_| Verdict::Pass);
        let said = format!("{chosen:?} {lost:?}: exit {:?}\n{}", end.code, end.err);
        assert_eq!(end.code, Some(0), "a lost answer is no failure: {said}");
        fleet.check(&said);
        assert_eq!(fleet.finish(&said), 0, "{said}");
        // A step that committed is not run again; one that did not is, once.
        let begun = seen.iter().filter(|message| message.text.starts_with("create table a_")).count();
        let (least, most) = (steps + lost.not_committed, steps + lost.not_committed + lost.either);
        assert!((least..=most).contains(&begun), "{begun} files were begun for {steps} steps: {said}");
        again += begun - steps;
        all.committed += lost.committed;
        all.not_committed += lost.not_committed;
        all.either += lost.either;
        runs += 1;
    }
    let total = all.committed + all.not_committed + all.either;
    assert!(all.committed > 0 && again > 0, "both outcomes were wanted: {all:?}");
    report(
        "lost answers to COMMIT",
        &format!(
            "{total} cuts in {runs} runs: {} had committed, {again} had not and ran again; 0 wrong decisions, 0 marked failed",
            total - again
        ),
    );
}

/// Cuts the first of these messages of an order's session or a job's, before it or behind its reply.
fn cut_at(proxy: &Proxy, wanted: fn(&Message) -> bool, order: bool, committed: bool) {
    let (mut lines, mut over) = (BTreeSet::new(), false);
    proxy.watch(move |message| {
        if message.kind == b's' && message.text.contains(if order { " order" } else { " job " }) {
            lines.insert(message.line);
        }
        if over || !lines.contains(&message.line) || !wanted(message) {
            return Verdict::Pass;
        }
        over = true;
        if committed { Verdict::CutAfterReply } else { Verdict::CutBefore }
    });
}

#[test]
fn a_lost_answer_to_an_order_makes_one_job_or_none() {
    let (mut fleet, proxy, _) = behind_a_proxy(2, Duration::ZERO);
    cut_at(&proxy, |message| message.is_query("COMMIT"), true, true);
    fleet.reset();
    let end = fleet.must(0, &MIGRATE);
    fleet.check(&end.err);
    assert_eq!(fleet.watch.jobs(), 1, "the order was there, and was run: {}", end.err);
    fleet.finish("an order whose answer was lost");
    cut_at(&proxy, |message| message.is_query("COMMIT"), true, false);
    fleet.reset();
    let end = fleet.must(3, &MIGRATE);
    fleet.check(&end.err);
    assert_eq!(fleet.watch.jobs(), 0, "nothing was ordered: {}", end.err);
    proxy.watch(|_| Verdict::Pass);
    fleet.must(0, &MIGRATE);
    fleet.finish("an order after one that was not taken");
}

#[test]
fn a_lost_answer_to_the_end_of_a_job_is_read_back() {
    let (mut fleet, proxy, _) = behind_a_proxy(2, Duration::ZERO);
    for committed in [true, false] {
        cut_at(&proxy, |message| message.text.contains("pg_advisory_unlock"), false, committed);
        fleet.reset();
        let end = fleet.must(0, &MIGRATE);
        proxy.watch(|_| Verdict::Pass);
        fleet.check(&end.err);
        assert!(fleet.watch.open(&fleet.db).is_empty(), "the job is done, and was said to be: {}", end.err);
    }
}

#[test]
fn a_link_lost_before_the_first_step_is_opened_again() {
    let (mut fleet, proxy, _) = behind_a_proxy(2, Duration::ZERO);
    for committed in [true, false] {
        cut_at(&proxy, |message| message.text.starts_with("SELECT s.seq, s.tenant_id"), false, committed);
        fleet.reset();
        let end = fleet.must(0, &MIGRATE);
        assert!(
            proxy.seen().iter().filter(|message| message.text.starts_with("SELECT s.seq, s.tenant_id")).count() > 1,
            "it was cut"
        );
        proxy.watch(|_| Verdict::Pass);
        fleet.check(&end.err);
        assert_eq!(fleet.finish(&end.err), 0, "nobody has to look at this: {}", end.err);
    }
}

/// Cuts the line behind a statement: its answer was seen, and what comes next on that line is not sent on.
fn cut_behind(proxy: &Proxy, statement: &'static str) {
    let (mut on, mut over) = (None, false);
    proxy.watch(move |message| {
        if on == Some(message.line) && !over {
            over = true;
            return Verdict::CutBefore;
        }
        if message.kind == b'Q' && message.text.contains(statement) {
            on = Some(message.line);
        }
        Verdict::Pass
    });
}

#[test]
fn a_statement_that_ran_alone_is_not_run_again_when_its_session_is_lost_behind_it() {
    let (mut fleet, proxy, _) = behind_a_proxy(1, Duration::ZERO);
    fleet.add_alone();
    fleet.connect_to(fleet.db.port);
    fleet.undisturbed();
    fleet.connect_to(proxy.port());
    cut_behind(&proxy, "create index concurrently e_104");
    fleet.reset();
    let end = fleet.must(0, &MIGRATE);
    assert_eq!(fleet.finish(&end.err), 0, "an index that was made is not in its own way: {}", end.err);
    // What nothing can tell of: it leaves a mark each time it runs.
    fleet.db.sql("create table public.rings (n int); create procedure public.ring() language plpgsql as 'begin insert into public.rings values (1); commit; end'");
    fleet.file(ALONE, "-- :disable-transaction\ncall public.ring()");
    cut_behind(&proxy, "call public.ring()");
    fleet.reset();
    let end = fleet.run(&MIGRATE);
    assert_eq!(fleet.db.value("select count(*) from public.rings"), "1", "{}", end.err);
    assert_eq!(end.code, Some(0), "its end was seen: nobody has to decide that. {}", end.err);
    assert_eq!(fleet.db.value("select count(*) from tenant_t0.schema_migrations where id = 104"), "1");
}

#[test]
fn links_cut_at_random_times_are_opened_again() {
    let wanted = count("cuts", 8);
    let mut dice = Dice::new("cuts");
    let (mut fleet, proxy, longest) = behind_a_proxy(8, Duration::from_millis(4));
    let (mut cuts, mut alone, mut runs, mut resumed) = (0, 0, 0, 0);
    while cuts < wanted {
        fleet.reset();
        let mut victim = fleet.start(&MIGRATE);
        for _ in 0..1 + dice.below(2) {
            std::thread::sleep(dice.time(longest));
            if victim.is_running() {
                proxy.cut();
                cuts += 1;
            }
        }
        let end = victim.wait(LONG);
        let said = format!("cut {cuts}, exit {:?}: {}", end.code, end.err);
        fleet.check(&said);
        if fleet.watch.jobs() == 0 {
            assert_eq!(end.code, Some(3), "{said}");
            fleet.must(0, &MIGRATE);
        } else {
            alone += usize::from(fleet.watch.open(&fleet.db).is_empty());
        }
        resumed += fleet.finish(&said);
        runs += 1;
    }
    report(
        "cut links",
        &format!(
            "{cuts} cuts of all lines in {runs} runs, {alone} runs went on by themselves, {resumed} needed an operator, 0 violations"
        ),
    );
}

#[test]
fn links_that_stall_creep_or_lose_everything_lose_no_job() {
    let rounds = count("stalls", 1);
    let mut dice = Dice::new("stalls");
    let (mut fleet, proxy, longest) = behind_a_proxy(4, Duration::from_millis(20));
    let mut told = Vec::new();
    for mood in [Mood::Stall, Mood::Slow, Mood::DeafServer, Mood::DeafProgram].repeat(rounds) {
        fleet.reset();
        let victim = fleet.start(&MIGRATE);
        std::thread::sleep(dice.time(longest));
        proxy.mood(mood);
        let quiet = if full() { dice.time(Duration::from_secs(40)) } else { Duration::from_millis(1500) };
        std::thread::sleep(quiet);
        // What was swallowed never comes: such a line is dead.
        if matches!(mood, Mood::DeafServer | Mood::DeafProgram) {
            proxy.cut();
        }
        proxy.mood(Mood::Pass);
        let end = victim.wait(LONG);
        let said = format!("{mood:?} for {quiet:?}, exit {:?}: {}", end.code, end.err);
        fleet.check(&said);
        if fleet.watch.jobs() == 0 {
            fleet.must(0, &MIGRATE);
        }
        let resumed = fleet.finish(&said);
        told.push(format!(
            "{mood:?} {:.1} s: exit {:?}{}",
            quiet.as_secs_f64(),
            end.code.unwrap_or(-1),
            if resumed > 0 { ", resumed" } else { "" }
        ));
    }
    report("stalled, slow and deaf links", &format!("{}; 0 violations", told.join("; ")));
}

#[test]
fn an_orphan_is_visible_within_two_seconds_of_a_kill() {
    let rounds = count("orphans", 3);
    let mut fleet = Fleet::new(pg(), 4, Duration::from_millis(300));
    fleet.undisturbed();
    let mut worst = Duration::ZERO;
    for round in 0..rounds {
        fleet.reset();
        let victim = fleet.start(&MIGRATE);
        crate::support::wait_until(LONG, "a first step", || {
            fleet.db.value("select count(*) from tenantui.step where state = 'done' and schema_oid in (select oid from pg_namespace)") != "0"
        });
        let killed = Instant::now();
        assert!(victim.kill().killed, "it was in the middle of a job");
        let seen = loop {
            let end = fleet.must(0, &["jobs", "--limit", "1", "--json"]);
            if end.out.contains("\"orphaned\"") {
                break killed.elapsed();
            }
            assert!(killed.elapsed() < LONG, "round {round}: {}", end.out);
        };
        worst = worst.max(seen);
        fleet.check("an orphan");
        fleet.finish("an orphan");
    }
    // A machine that is busy with other tests gets some slack here.
    assert!(worst < Duration::from_secs(if full() { 2 } else { 6 }), "an orphan was seen after {worst:?} only");
    report(
        "orphans seen elsewhere after kill -9",
        &format!("{rounds} kills, at most {worst:.2?} (the command's own start included)"),
    );
}

#[test]
fn an_orphan_is_visible_when_its_network_died_without_a_word() {
    let (mut fleet, proxy, _) = behind_a_proxy(4, Duration::from_millis(300));
    fleet.configure("direct.toml", fleet.db.port);
    // The server ends a session that says nothing for the lease; the default is 60 s.
    let lease = Duration::from_secs(if full() { 60 } else { 3 });
    fleet.variables.push(("TENANTUI_TEST_LEASE_MS", lease.as_millis().to_string()));
    fleet.reset();
    let victim = fleet.start(&MIGRATE);
    crate::support::wait_until(LONG, "a first step", || {
        fleet.db.value(
            "select count(*) from tenantui.step where state = 'done' and schema_oid in (select oid from pg_namespace)",
        ) != "0"
    });
    proxy.mood(Mood::DeafServer);
    let (died, aim) = (Instant::now(), Aim::default());
    let seen = loop {
        let end = fleet.start_as("direct.toml", &["jobs", "--limit", "1", "--json"], &aim).wait(LONG);
        if end.out.contains("\"orphaned\"") {
            break died.elapsed();
        }
        assert!(died.elapsed() < LONG, "it is never seen: {}", end.out);
        std::thread::sleep(Duration::from_millis(100));
    };
    fleet.check("a network that died");
    assert!(seen < lease + Duration::from_secs(5), "an orphan was seen after {seen:?} only");
    // Somebody else goes on with it, unless a step of the first is still open: then the server ends that in its time.
    let second = fleet.start_as("direct.toml", &WORKER, &aim).wait(LONG);
    fleet.check(&format!("a worker that took it over: {}", second.err));
    proxy.cut();
    proxy.mood(Mood::Pass);
    let first = victim.wait(LONG);
    let said = format!("first {:?}: {}\nsecond {:?}: {}", first.code, first.err, second.code, second.err);
    assert_eq!(fleet.finish(&said), 0, "{said}");
    let attempts = fleet.db.value("select attempt from tenantui.job order by id desc limit 1");
    let by = if attempts != "1" { "another worker finished it" } else { "the first worker got it back" };
    report(
        "orphan seen after a silent network death",
        &format!("after {seen:.1?} with a lease of {lease:?}; {by}, 0 violations"),
    );
}
