//! Terminals that can do little: a dumb one, none at all, one without a size; and what a wrong argument says on one.

use super::NOBODY;
use super::bytes::fleet;
use crate::cli::text;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;
use tenantui::text::is_unsafe;

#[test]
fn a_dumb_terminal_and_none_get_the_table_once() {
    let fleet = fleet(3, "development");
    let config = fleet.home.path().join("config.toml").display().to_string();
    let mut tty = Tty::start(&["--config", &config], 200, 24, None, &[("TERM", "dumb")]);
    assert_eq!(tty.exit_code(PATIENCE), 0);
    wait_until(PATIENCE, "the table", || tty.text().contains("tenant_shop_3"));
    assert_eq!(tty.text().matches("TENANT ").count(), 1, "{}", tty.text());
    assert!(!tty.bytes().contains(&0x1b), "no sequence for a terminal that knows none");
    let piped = text(&fleet.expect(0, &[]).stdout);
    assert!(piped.contains("tenant_shop_3") && !piped.contains('\u{1b}'), "{piped}");
}

#[test]
fn a_terminal_without_a_size_is_drawn_on_once_it_has_one() {
    let mut tty = Tty::start(&NOBODY, 0, 0, None, &[]);
    wait_until(PATIENCE, "the alternate screen", || tty.screen().screen().alternate_screen());
    for (columns, rows) in [(1, 1), (0, 40), (200, 1), (0, 0)] {
        tty.resize(columns, rows);
        tty.type_keys("j");
    }
    tty.resize(80, 24);
    tty.wait_for("Tenants");
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
}

#[test]
fn a_wrong_argument_drives_no_terminal() {
    for arguments in
        [&["tenants", "--state", "\u{1b}[31mx"][..], &["\u{1b}]0;owned\u{7}"], &["tenants", "--sort", "a\u{202e}b"]]
    {
        let mut tty = Tty::start(arguments, 100, 24, None, &[]);
        assert_eq!(tty.exit_code(PATIENCE), 2);
        wait_until(PATIENCE, "the words", || tty.text().contains("--help"));
        let said = String::from_utf8(tty.bytes()).expect("UTF-8");
        let odd: Vec<char> = said.chars().filter(|c| is_unsafe(*c) && !"\r\n".contains(*c)).collect();
        assert!(odd.is_empty(), "{odd:?} in {said:?}");
    }
}
