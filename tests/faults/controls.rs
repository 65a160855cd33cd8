//! Does this harness find anything? One safeguard at a time is taken out of the program, and it must say so; with the
//! safeguard in place the same fault is found harmless.

use super::fleet::Fleet;
use super::kills::MIGRATE;
use super::report;
use super::zombies::{Grave, Rescue, Way};
use crate::support::pg;
use crate::support::proxy::{Proxy, Verdict};
use crate::support::victim::Aim;
use std::time::Duration;

/// The variable that takes a safeguard out of a build with debug assertions.
const SABOTAGE: &str = "TENANTUI_TEST_SABOTAGE";

/// Killed when the first COMMIT of a step has left: what is wrong then.
fn killed_behind_a_commit(sabotage: Option<&str>) -> Vec<String> {
    let mut fleet = Fleet::new(pg(), 2, Duration::ZERO);
    fleet.undisturbed();
    let proxy = Proxy::new(fleet.db.port);
    fleet.connect_to(proxy.port());
    fleet.reset();
    fleet.variables.extend(sabotage.map(|word| (SABOTAGE, word.to_owned())));
    let aim = Aim::default();
    let (target, mut job) = (aim.clone(), Vec::new());
    proxy.watch(move |message| {
        if message.kind == b's' && message.text.contains(" job ") {
            job.push(message.line);
        }
        let commit = message.is_query("COMMIT") && job.contains(&message.line);
        if commit { Verdict::KillAfter(target.clone()) } else { Verdict::Pass }
    });
    let end = fleet.start_as("config.toml", &MIGRATE, &aim).wait(super::fleet::LONG);
    assert!(end.killed, "{}", end.err);
    // The server may still be about to answer.
    crate::support::wait_until(super::fleet::LONG, "the server to have done with it", || {
        let busy = "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'tenantui % job %'";
        fleet.db.value(busy) == "0"
    });
    fleet.watch.violations(&fleet.db)
}

#[test]
fn without_the_single_transaction_a_kill_leaves_a_half_done_tenant() {
    assert!(killed_behind_a_commit(None).is_empty());
    let wrong = killed_behind_a_commit(Some("transaction"));
    assert!(wrong.iter().any(|line| line.contains("is half done")), "{wrong:?}");
    report("control: transaction", &format!("found: {}", wrong[0]));
}

#[test]
fn without_the_fence_a_zombie_goes_on() {
    let mut grave = Grave::new();
    let (_, wrong) = grave.case(Way::Frozen, Rescue::Dies, 1);
    assert!(wrong.is_empty(), "{wrong:?}");
    // On a busy machine the frozen one may come too late to do harm: it has a few graves to rise from.
    let found = (0..6).find_map(|_| {
        let mut grave = Grave::new();
        grave.fleet.variables.push((SABOTAGE, "fence".to_owned()));
        let (_, wrong) = grave.case(Way::Frozen, Rescue::Dies, 1);
        wrong.into_iter().find(|line| line.contains("was done by attempt 1 when attempt 2"))
    });
    report("control: fence", &format!("found: {}", found.expect("a zombie that went on")));
}

/// A file that leaves its tenant's schema: what it left outside, and how the run ended.
fn escaping(sabotage: Option<&str>) -> (bool, Option<i32>, String) {
    let mut fleet = Fleet::new(pg(), 2, Duration::ZERO);
    fleet.variables.extend(sabotage.map(|word| (SABOTAGE, word.to_owned())));
    fleet.file(101, "create table inside (id int);\n--;;\nselect set_config('search_path', 'public', false);\n--;;\ncreate table outside (id int)");
    fleet.reset();
    let end = fleet.run(&[&MIGRATE[..], &["--to", "101"]].concat());
    (fleet.db.value("select to_regclass('public.outside') is not null") == "t", end.code, end.out + &end.err)
}

#[test]
fn without_the_guard_a_file_leaves_its_schema() {
    let (outside, code, said) = escaping(None);
    assert!(!outside && code == Some(4) && said.contains("search_path was changed"), "{code:?} {said}");
    let (outside, _, said) = escaping(Some("guard"));
    assert!(outside, "{said}");
    report("control: guard", "found: a table in public");
}

#[test]
fn without_the_sanitiser_control_bytes_reach_the_terminal() {
    let hostile = |fleet: &Fleet| {
        fleet.db.sql("update public.tenants set name = E'evil \\x1b]0;x\\x07' where slug = 't0'");
        let end = fleet.must(0, &["tenants", "--csv"]);
        (end.out + &end.err).contains('\u{1b}')
    };
    let mut fleet = Fleet::new(pg(), 1, Duration::ZERO);
    assert!(!hostile(&fleet), "escapes are shown, not sent");
    fleet.variables.push((SABOTAGE, "sanitiser".to_owned()));
    assert!(hostile(&fleet), "the harness would have seen them");
    report("control: sanitiser", "found: an escape sequence in the output");
}
