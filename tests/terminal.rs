//! The real program in a real (pseudo) terminal: what it shows, and that the terminal comes back whole on every way out.

mod bytes;
mod comfort;
mod flows;
mod jobs;
mod narrow;
mod odd;
mod pictures;
mod slow;
mod typed_ahead;
mod walk;

use std::path::Path;
use std::time::{Duration, Instant};

pub use self::flows::clipboard;
use crate::faults::count;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;

/// A database at which nobody answers: the dashboard has to work without.
const NOBODY: [&str; 2] = ["--url", "postgresql://ops:x@127.0.0.1:9/none?sslmode=disable"];

#[test]
fn the_terminal_comes_back_after_q_and_after_signals() {
    let ways = [("q", 0), ("TERM", 143), ("HUP", 129), ("INT", 130), ("QUIT", 131), ("TSTP", 0)];
    for (way, code) in ways.into_iter().cycle().take(ways.len() * count("ways", 1)) {
        let mut tty = Tty::start(&NOBODY, 80, 24, Some("stty -a >/dev/null; read line; exec \"$@\""), &[]);
        let modes = tty.modes();
        tty.type_keys("\n");
        tty.wait_for_screen();
        assert_ne!(tty.modes(), modes, "raw mode");
        if way == "TSTP" {
            tty.signal(way);
            tty.assert_restored(&modes);
            tty.forget();
            tty.signal("CONT");
            tty.wait_for_screen();
        }
        if code == 0 {
            tty.type_keys("q");
        } else {
            tty.signal(way);
        }
        assert_eq!(tty.exit_code(PATIENCE), code, "{way}");
        tty.assert_restored(&modes);
    }
}

#[test]
fn a_panic_of_the_dashboard_puts_the_terminal_back_before_its_message() {
    let variables = [("TENANTUI_TEST_PANIC", "ui"), ("RUST_BACKTRACE", "0")];
    let mut tty = Tty::start(&NOBODY, 80, 24, Some("read line; exec \"$@\""), &variables);
    let modes = tty.modes();
    tty.type_keys("\n");
    tty.wait_for_screen();
    tty.type_keys("\u{1b}[24~");
    assert_ne!(tty.exit_code(PATIENCE), 0);
    tty.assert_restored(&modes);
    assert!(tty.text().contains("asked for by TENANTUI_TEST_PANIC"), "{}", tty.text());
}

#[test]
fn a_panic_of_a_worker_leaves_the_dashboard_whole() {
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[("TENANTUI_TEST_PANIC", "worker")]);
    tty.wait_for_screen();
    tty.type_keys("\u{1b}[24~");
    tty.type_keys("3");
    tty.wait_for("Jobs");
    assert!(tty.screen().screen().alternate_screen());
    assert!(!tty.text().contains("this is a bug"), "{}", tty.text());
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn a_terminal_that_vanishes_ends_the_program_within_three_seconds() {
    // The shell leads the session and ignores the hang-up, so that the program is told nothing (sudo, tmux, nohup).
    let script = "trap '' HUP; \"$@\"; echo $? > code";
    let mut tty = Tty::start(&NOBODY, 80, 24, Some(script), &[]);
    tty.wait_for_screen();
    tty.vanish();
    let begun = Instant::now();
    let file = tty.folder.path().join("code");
    let code = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_until(Duration::from_secs(10), "the end of the program", || code().ends_with('\n'));
    assert_eq!(code().trim(), "129");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let mut tty = Tty::start(&NOBODY, 80, 24, Some("read line; exec \"$@\""), &[]);
    let modes = tty.modes();
    tty.type_keys("\n");
    tty.wait_for_screen();
    tty.type_keys("2");
    tty.wait_for("Migrations");
    tty.type_keys("\u{1a}");
    tty.assert_restored(&modes);
    tty.signal("CONT");
    wait_until(PATIENCE, "the alternate screen", || tty.screen().screen().alternate_screen());
    tty.wait_for("> Migrations");
    assert_ne!(tty.modes(), modes, "raw mode again");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
    tty.assert_restored(&modes);
}

#[test]
fn a_storm_of_sizes_does_no_harm() {
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[]);
    tty.wait_for_screen();
    let mut seed: u32 = 20_260_214;
    for _ in 0..300 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (columns, rows) = ((seed >> 8) % 240, (seed >> 20) % 70);
        let new = (u16::try_from(columns).expect("small"), u16::try_from(rows).expect("small"));
        tty.resize(new.0, new.1);
    }
    tty.forget();
    tty.resize(100, 30);
    tty.wait_for("Tenants");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn too_small_a_terminal_keeps_the_state() {
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[]);
    tty.wait_for_screen();
    tty.type_keys("2");
    tty.wait_for("Migrations");
    tty.resize(40, 10);
    tty.wait_for("60");
    tty.forget();
    tty.resize(80, 24);
    tty.wait_for("Migrations");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn the_first_frame_waits_for_no_server() {
    let begun = Instant::now();
    let mut tty = Tty::start(&NOBODY, 80, 24, None, &[]);
    tty.wait_for_screen();
    // The goal is 50 ms (benches/frame.rs); this machine may be busy with a hundred other tests.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    tty.type_keys("q");
    tty.exit_code(PATIENCE);
}

#[test]
fn the_demo_is_filtered_provisioned_and_migrated_by_keyboard() {
    let mut tty = Tty::start(&["demo", "--tenants", "12"], 80, 24, None, &[]);
    tty.wait_for("behind");
    tty.wait_for("data live");
    tty.wait_for(" ok ");
    tty.type_keys("N");
    tty.wait_for("New tenant");
    // What is typed before the dialog can be read is not for it.
    tty.wait_until_quiet(Duration::from_millis(300));
    tty.open("Blue Fox Ltd", "blue-fox-ltd");
    tty.type_keys("\t\t\t\t\t");
    tty.type_keys("\r");
    tty.wait_for("blue-fox-ltd");
    wait_until(Duration::from_secs(60), "the new tenant under the cursor", || {
        tty.text().lines().any(|line| line.contains('>') && line.contains("blue-fox-l"))
    });
    tty.type_keys("/blufox");
    wait_until(PATIENCE, "one tenant", || tty.text().contains("1/1"));
    tty.type_keys("\r");
    tty.wait_for("Tenants > blue-fox-ltd");
    tty.type_keys("\u{1b}");
    wait_until(PATIENCE, "the list of one", || tty.text().contains("1/1") && !tty.text().contains("> Tenants >"));
    tty.type_keys("\u{1b}");
    // Esc and what follows would be one key with Alt, if they came together.
    wait_until(PATIENCE, "all tenants again", || !tty.text().contains("1/1"));
    tty.type_keys(":behind\r");
    tty.wait_for("filter");
    tty.type_keys("a");
    tty.open("M", "Migrate");
    let count = tty.text().lines().find_map(|line| {
        let words = line.split_once("Type  migrate ")?.1;
        words.split_whitespace().next().map(str::to_owned)
    });
    let count = count.unwrap_or_else(|| panic!("no words to type:\n{}", tty.text()));
    tty.type_keys(&format!("migrate {count}"));
    tty.type_keys("\r");
    tty.wait_for("paused");
    tty.type_keys("3");
    tty.wait_for("> 2 ");
    tty.open("C", "Continue");
    tty.type_keys("\t\r");
    wait_until(Duration::from_secs(60), "the end of the job", || {
        tty.text().lines().any(|line| line.contains("migrate") && line.contains("done"))
    });
    idle_sends_nothing(&mut tty);
    // Nobody is behind any more: without the filter all are there.
    tty.type_keys("\u{1b}");
    tty.wait_for("/13");
    let folder = tty.folder.path().to_owned();
    tty.type_keys("ec");
    tty.wait_for("written:");
    assert!(exports(&folder) > 0);
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

/// With nothing going on, a refresh and more goes by without one byte.
fn idle_sends_nothing(tty: &mut Tty) {
    tty.type_keys("1");
    let sent = || tty.sent();
    let (mut known, mut since) = (sent(), Instant::now());
    wait_until(Duration::from_secs(60), "seven seconds without a byte", || {
        if sent() != known {
            (known, since) = (sent(), Instant::now());
        }
        since.elapsed() >= Duration::from_secs(7)
    });
}

fn exports(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).expect("a folder");
    files.filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|end| end == "csv"))).count()
}
