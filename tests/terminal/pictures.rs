//! The pictures of the README are of the running program: `scripts/screenshot` has them written, the tests hold what is on
//! them.

use std::path::Path;
use std::time::Duration;

use crate::support::picture::Picture;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;

/// Writes what is on the screen, where pictures are asked for.
fn picture(tty: &Tty, name: &str) {
    let Some(folder) = std::env::var_os("TENANTUI_PICTURES") else { return };
    std::fs::create_dir_all(&folder).expect("a folder");
    let svg = Picture::from(tty.screen().screen()).svg();
    std::fs::write(Path::new(&folder).join(format!("{name}.svg")), svg).expect("a picture");
}

/// The demo in its terminal, with everything read and counted.
fn demo(columns: u16, rows: u16, tenants: &str) -> Tty {
    let tty = Tty::start(&["demo", "--tenants", tenants], columns, rows, None, &[("LANG", "C.UTF-8")]);
    tty.wait_for("data live");
    tty.wait_for(" ok ");
    wait_until(PATIENCE, "counted cache keys", || !tty.text().contains(" -\n"));
    tty
}

/// From the list to a rollout that waits for its operator after the canary.
fn roll_out(tty: &mut Tty) {
    tty.type_keys(":behind\r");
    tty.wait_for("filter");
    tty.open("aM", "Type  migrate");
    let count = tty
        .text()
        .lines()
        .find_map(|line| Some(line.split_once("Type  migrate ")?.1.split_whitespace().next()?.to_owned()));
    tty.type_keys(&format!("migrate {}", count.expect("the number to type")));
    tty.wait_until_quiet(Duration::from_millis(300));
}

#[test]
fn the_readmes_pictures_show_a_fleet_a_plan_and_its_job() {
    let mut tty = demo(110, 32, "60");
    roll_out(&mut tty);
    assert!(tty.text().contains("Canary"), "{}", tty.text());
    picture(&tty, "migrate");
    tty.type_keys("\r");
    tty.wait_for("paused (canary)");
    tty.type_keys("3");
    tty.wait_for("> Jobs");
    tty.wait_until_quiet(Duration::from_millis(700));
    picture(&tty, "jobs");
    tty.type_keys("1u");
    tty.type_keys("\u{1b}");
    tty.wait_for("/60");
    tty.type_keys("jjj  jj");
    tty.wait_until_quiet(Duration::from_millis(500));
    picture(&tty, "screenshot");
    tty.type_keys("\r");
    tty.wait_for("exact");
    tty.wait_until_quiet(Duration::from_millis(700));
    picture(&tty, "tenant");
    tty.resize(200, 50);
    // A key that comes with a change of size may wait for the next one.
    tty.wait_for("every 5s");
    tty.type_keys("\u{1b}");
    tty.wait_for("TENANT");
    tty.wait_for("/60");
    tty.wait_until_quiet(Duration::from_millis(1_500));
    assert!(tty.text().contains("paused (canary)"), "{}", tty.text());
    picture(&tty, "wide");
    tty.type_keys("q");
    // A paused job is no running one: nothing is asked.
    assert_eq!(tty.exit_code(PATIENCE), 0);
}
