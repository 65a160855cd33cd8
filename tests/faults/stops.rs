//! The server is stopped as a crash does it, and started again, while lanes and several workers are at work.

use std::time::Duration;

use super::fleet::{Fleet, LONG};
use super::kills::{MIGRATE, WORKER};
use super::{Dice, count, report};
use crate::support::{own_pg, setting, tcp};
use tenantui::demo::servers::PostgresOptions;

/// Stops the server at random times of runs with four lanes and two further workers that wait for work.
fn stops(name: &str, synchronous_commit: &str, wanted: usize) {
    let mut dice = Dice::new(name);
    let settings = vec![
        setting("synchronous_commit", synchronous_commit),
        setting("wal_writer_delay", "5s"),
        setting("max_connections", "60"),
    ];
    let mut pg = own_pg(PostgresOptions { settings, ..tcp() });
    let mut fleet = Fleet::new(&pg, 8, Duration::from_millis(8));
    // Among them a statement that no transaction can hold: the crash may leave an index that is not valid.
    fleet.add_alone();
    let longest = fleet.undisturbed();
    let (mut stops, mut runs, mut alone, mut resumed) = (0, 0, 0, 0);
    while stops < wanted {
        fleet.reset();
        let mut victims = vec![fleet.start(&[&MIGRATE[..], &["--parallel", "4"]].concat())];
        for _ in 0..1 + dice.below(2) {
            std::thread::sleep(dice.time(longest));
            if !victims[0].is_running() {
                break;
            }
            pg.server.stop(true);
            stops += 1;
            std::thread::sleep(dice.time(Duration::from_millis(300)));
            pg.server.start_again(&pg.home).expect("it comes up again");
            fleet.check(&format!("stop {stops}"));
            // Whoever sees the job without an owner may take it: two more try.
            victims.extend((0..2).map(|_| fleet.start(&WORKER)));
        }
        let ends: Vec<_> = victims.into_iter().map(|victim| victim.wait(LONG)).collect();
        let said: Vec<String> = ends.iter().map(|end| format!("exit {:?}: {}", end.code, end.err)).collect();
        let said = format!("stop {stops}:\n{}", said.join("\n"));
        fleet.check(&said);
        if fleet.watch.jobs() == 0 {
            fleet.must(0, &MIGRATE);
        } else {
            alone += usize::from(fleet.watch.open(&fleet.db).is_empty());
        }
        resumed += fleet.finish(&said);
        runs += 1;
    }
    report(
        name,
        &format!(
            "{stops} immediate stops in {runs} runs of {longest:?} with 4 lanes and up to 4 further workers; {alone} ended by themselves, \
             {resumed} needed an operator; 0 violations; all tenants as in an undisturbed run"
        ),
    );
}

#[test]
fn a_server_that_is_stopped_and_comes_back_has_whole_tenants() {
    stops("immediate stops", "on", count("stops", 5));
}

#[test]
fn a_server_that_forgets_its_last_commits_has_whole_tenants() {
    stops("immediate stops, commits not waited for", "off", count("forgetful_stops", 3));
}
