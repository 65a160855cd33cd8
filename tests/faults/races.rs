//! Several at once: operators who order the same, workers that want the same job, and the application beside them.

use std::time::{Duration, Instant};

use super::fleet::{Fleet, LONG};
use super::kills::{MIGRATE, WORKER};
use super::{Dice, count, report};
use crate::support::pg;
use crate::support::proxy::{Proxy, Verdict};
use crate::support::victim::Aim;

#[test]
fn two_operators_who_order_the_same_at_once_make_one_job() {
    let rounds = count("double_orders", 4);
    let mut dice = Dice::new("double orders");
    let mut fleet = Fleet::new(pg(), 6, Duration::from_millis(15));
    fleet.undisturbed();
    let (mut refused, mut late) = (0, 0);
    for round in 0..rounds {
        fleet.reset();
        let first = fleet.start(&MIGRATE);
        std::thread::sleep(dice.time(Duration::from_millis(40)));
        let second = fleet.start(&MIGRATE);
        let ends = [first.wait(LONG), second.wait(LONG)];
        let said = format!("round {round}: {:?}", ends.each_ref().map(|end| (end.code, &end.err)));
        fleet.check(&said);
        // Who comes when the job is over finds nothing left; whoever planned before that and orders after it makes a
        // second job, all of whose steps are found applied.
        let jobs = fleet.watch.jobs();
        let overlap = fleet.db.value(
            "select count(*) from tenantui.job a join tenantui.job b on a.id < b.id and b.created_at < a.ended_at \
             where (select max(id) from tenantui.job) in (b.id)",
        );
        assert_eq!(overlap, "0", "two live jobs of one scope: {said}");
        assert!(jobs == 1 || jobs == 2, "{said}");
        late += jobs - 1;
        refused += ends.iter().filter(|end| end.code == Some(5)).count();
        assert!(ends.iter().any(|end| end.code == Some(0)), "one of them did it: {said}");
        assert!(ends.iter().all(|end| end.code == Some(0) || end.code == Some(5)), "{said}");
        assert_eq!(fleet.finish(&said), 0, "{said}");
    }
    report(
        "double orders",
        &format!(
            "{rounds} times two operators at once: 1 job each time, {refused} were told of it, {late} came after its end"
        ),
    );
}

#[test]
fn workers_that_race_for_a_job_claim_it_once() {
    let rounds = count("worker_races", 3);
    let mut fleet = Fleet::new(pg(), 4, Duration::from_millis(5));
    fleet.undisturbed();
    let proxy = Proxy::new(fleet.db.port);
    fleet.configure("proxy.toml", proxy.port());
    for round in 0..rounds {
        fleet.reset();
        let aim = Aim::default();
        let target = aim.clone();
        proxy.watch(
            move |message| {
                if message.is_query("COMMIT") { Verdict::KillAfter(target.clone()) } else { Verdict::Pass }
            },
        );
        assert!(fleet.start_as("proxy.toml", &MIGRATE, &aim).wait(LONG).killed, "ordered and not begun");
        fleet.check("an order");
        let workers: Vec<_> = (0..4).map(|_| fleet.start(&WORKER)).collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.wait(LONG)).collect();
        let said = format!("round {round}: {:?}", ends.iter().map(|end| (end.code, &end.err)).collect::<Vec<_>>());
        fleet.check(&said);
        let attempts = fleet.db.value("select attempt from tenantui.job order by id desc limit 1");
        assert_eq!(attempts, "1", "{said}");
        assert_eq!(fleet.finish(&said), 0, "{said}");
    }
    report("worker races", &format!("{rounds} times four workers for one job: claimed once each time, 0 violations"));
}

#[test]
fn the_application_waits_no_longer_than_the_lock_timeout() {
    let seconds = count("app_seconds", 3);
    let mut fleet = Fleet::new(pg(), 4, Duration::ZERO);
    fleet.undisturbed();
    fleet.reset();
    fleet.db.sql("create table tenant_t0.users (id int primary key)");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (worst, asked) = runtime.block_on(async {
        // A report of the application reads for long; our ALTER waits behind it, and its short queries behind ours.
        let (slow, quick) = (fleet.db.connect().await, fleet.db.connect().await);
        slow.batch_execute("begin; select count(*) from tenant_t0.users").await.expect("a reader");
        let migrate = tokio::task::spawn_blocking({
            let victim = fleet.start(&MIGRATE);
            move || victim.wait(LONG)
        });
        let (started, mut worst, mut asked) = (Instant::now(), Duration::ZERO, 0);
        while started.elapsed() < Duration::from_secs(u64::try_from(seconds).expect("fits")) {
            let one = Instant::now();
            quick.simple_query("select count(*) from tenant_t0.users").await.expect("an answer");
            worst = worst.max(one.elapsed());
            asked += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slow.batch_execute("commit").await.expect("ended");
        migrate.await.expect("no panic");
        (worst, asked)
    });
    fleet.watch.may_fail = true;
    fleet.check("a reader in the way");
    assert!(worst > Duration::from_millis(200), "our DDL was in the way at all: {worst:?}");
    // lock_timeout is 500 ms; a machine that is busy with other tests gets some slack here.
    assert!(
        worst < Duration::from_millis(if super::full() { 600 } else { 1500 }),
        "a query of the application took {worst:?}"
    );
    report(
        "the application's queries behind our DDL",
        &format!("{asked} queries, at most {worst:.0?} (lock_timeout 500 ms)"),
    );
    fleet.finish("a reader in the way");
}
