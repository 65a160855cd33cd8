//! The dashboard's own worker on its way out: whatever ends the dashboard, the terminal is whole, no tenant is half
//! done, and the job waits to be gone on with.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::slow::fill;
use crate::cli_fleet::Fleet;
use crate::support::tty::{PATIENCE, STUCK, Tty};
use crate::support::wait_until;
use crate::worker::{asleep, job, orphan, whole};

/// A fleet of two tenants with a paused job whose steps take so long.
fn paused(seconds: u32) -> Fleet {
    let fleet = Fleet::new();
    fleet.init();
    for slug in ["q0", "q1"] {
        fleet.tenant(slug, "Q", 3);
    }
    fleet.file("20260501000000-more", &format!("create table slow (id int);\n--;;\nselect pg_sleep({seconds});"));
    orphan(&fleet, 2);
    let sql =
        "update tenantui.job set state = 'paused', waits = 'operator', reason = 'for the test' where state = 'running'";
    wait_until(PATIENCE, "the end of the killed one's step", || !asleep(&fleet));
    fleet.database.sql(sql);
    fleet
}

/// The dashboard with the job running in it; `wrapper` as in [`Tty::start`].
fn running(fleet: &Fleet, wrapper: Option<&str>, variables: &[(&str, &str)]) -> (Tty, String) {
    let config = fleet.home.path().join("config.toml").display().to_string();
    let mut tty = Tty::start(&["--config", &config], 100, 30, wrapper, variables);
    let modes = tty.modes();
    if wrapper.is_some_and(|script| script.starts_with("read line")) {
        tty.type_keys("\n");
    }
    tty.wait_for_screen();
    tty.wait_for("data live");
    tty.type_keys("3");
    tty.wait_for("paused");
    tty.open("C", "Continue");
    tty.type_keys("\t\r");
    wait_until(PATIENCE, "a step to run", || asleep(fleet));
    tty.wait_for("running");
    (tty, modes)
}

/// What a test of the way out ends with: nothing half done, and one key to go on.
fn assert_waits(fleet: &Fleet, done: usize) {
    assert_eq!(job(fleet, "state || '/' || coalesce(waits, '')"), "paused/process");
    wait_until(PATIENCE, "the end of the step", || !asleep(fleet));
    whole(fleet, done);
}

#[test]
fn signals_let_the_step_finish_give_the_terminal_back_at_once_and_pause_the_job() {
    for (way, code) in [("TERM", 143), ("HUP", 129), ("QUIT", 131)] {
        let fleet = paused(3);
        let (mut tty, modes) = running(&fleet, Some("read line; exec \"$@\""), &[]);
        tty.signal(way);
        tty.assert_restored(&modes);
        assert!(tty.child.try_wait().expect("a child").is_none(), "the step still runs, the terminal is back: {way}");
        assert_eq!(tty.exit_code(PATIENCE), code, "{way}");
        assert_waits(&fleet, 1);
    }
}

#[test]
fn a_second_signal_cancels_the_step() {
    let fleet = paused(60);
    let (mut tty, modes) = running(&fleet, Some("read line; exec \"$@\""), &[]);
    tty.signal("TERM");
    tty.wait_for("Another signal");
    let begun = Instant::now();
    tty.signal("INT");
    assert_eq!(tty.exit_code(PATIENCE), 143);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    tty.assert_restored(&modes);
    assert_waits(&fleet, 0);
}

/// Processor time of a process in seconds, as far as it is still there.
fn processor(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    (fields.first() != Some(&"Z")).then_some(ticks / 100.0)
}

/// The process that runs the program below the shell of this wrapper.
fn program_of(tty: &Tty) -> u32 {
    let pid = || std::fs::read_to_string(tty.folder.path().join("pid")).unwrap_or_default();
    wait_until(PATIENCE, "the program's number", || pid().ends_with('\n'));
    pid().trim().parse().expect("a number")
}

const IN_THE_BACK: &str = "trap '' HUP; sh -c 'echo $$ > pid; exec \"$@\"' sh \"$@\"; echo $? > code";

/// Waits for the end of a process; how long that took, and the share of a processor that it used meanwhile.
fn end_of(pid: u32) -> (Duration, f64) {
    let (begun, at_first) = (Instant::now(), processor(pid).expect("running"));
    let mut last = at_first;
    wait_until(Duration::from_secs(20), "the end of the program", || match processor(pid) {
        Some(now) => {
            last = now;
            false
        }
        None => true,
    });
    (begun.elapsed(), (last - at_first) / begun.elapsed().as_secs_f64())
}

#[test]
fn a_vanished_terminal_ends_it_within_three_seconds_with_the_job_paused() {
    let fleet = paused(60);
    let (mut tty, _) = running(&fleet, Some(IN_THE_BACK), &[]);
    let pid = program_of(&tty);
    tty.vanish();
    let (took, share) = end_of(pid);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(share < 0.05, "{share} of a processor");
    assert_waits(&fleet, 0);
    assert_eq!(std::fs::read_to_string(tty.folder.path().join("code")).expect("a code").trim(), "129");
}

/// The terminal lives on, and the program is told with a hang-up: it has the whole grace.
#[test]
fn the_death_of_the_shell_lets_the_step_finish_and_pauses_the_job() {
    let fleet = paused(3);
    let wrapper = "read line; sh -c 'echo $$ > pid; exec \"$@\"' sh \"$@\"; echo never";
    let (tty, modes) = running(&fleet, Some(wrapper), &[]);
    let (pid, shell) = (program_of(&tty), tty.child.process_id().expect("running"));
    assert_ne!(pid, shell);
    let shell = Pid::from_raw(i32::try_from(shell).expect("a number")).expect("a number");
    kill_process(shell, Signal::KILL).expect("killed");
    let (took, _) = end_of(pid);
    assert!(took < Duration::from_secs(10), "{took:?}");
    tty.assert_restored(&modes);
    assert_waits(&fleet, 1);
}

#[test]
fn a_panic_of_the_jobs_worker_leaves_the_dashboard_whole_and_says_what_became_of_the_job() {
    let fleet = paused(60);
    let (mut tty, _) = running(&fleet, None, &[("TENANTUI_TEST_PANIC", "job")]);
    tty.wait_for("orphaned");
    // The message line may show by now what follows from it.
    tty.type_keys(":messages\r");
    tty.wait_for("> Messages");
    tty.wait_for("the worker of job 1 failed");
    tty.leave("> Messages");
    tty.wait_for("> Jobs");
    assert!(tty.screen().screen().alternate_screen());
    // Its session is cut: the server does not finish what nobody waits for.
    wait_until(Duration::from_secs(20), "the end of the step", || !asleep(&fleet));
    whole(&fleet, 0);
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

/// Stopped, the process keeps no lease: the server ends its lock session, and the job shows as orphaned elsewhere. Gone
/// on with, it finds that out before it begins another step, and takes the job up again where nobody else has.
#[test]
fn ctrl_z_says_that_the_job_stands_still_and_fg_goes_on_with_it() {
    let fleet = paused(1);
    let variables = [("TENANTUI_TEST_LEASE_MS", "1500")];
    let (mut tty, modes) = running(&fleet, Some("read line; exec \"$@\""), &variables);
    tty.type_keys("\u{1a}");
    tty.assert_restored(&modes);
    tty.wait_for("job 1 stands still while this process is stopped");
    wait_until(PATIENCE, "the orphan", || fleet.json(0, &["jobs", "--json"])["jobs"][0]["state"] == "orphaned");
    tty.signal("CONT");
    wait_until(PATIENCE, "the alternate screen", || tty.screen().screen().alternate_screen());
    wait_until(PATIENCE, "the job's end", || job(&fleet, "state") == "done");
    assert_eq!(job(&fleet, "attempt"), "2", "one of the order, one of going on");
    whole(&fleet, 2);
    tty.wait_for("done");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
    tty.assert_restored(&modes);
}

/// A terminal that takes nothing (a connection that hangs) holds up neither the step nor its end: what would be said on
/// the screen that is given back is given up.
#[test]
fn a_terminal_that_takes_nothing_does_not_hold_up_the_end() {
    let fleet = paused(3);
    let (mut tty, _) = running(&fleet, None, &[]);
    tty.pace(STUCK);
    tty.resize(200, 50);
    fill(&mut tty);
    let begun = Instant::now();
    tty.signal("TERM");
    assert_eq!(tty.exit_code(PATIENCE), 143);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_waits(&fleet, 1);
}
