//! What is typed or pasted before a dialog can be read decides nothing: on a real terminal, against a real fleet with
//! writes open.

use std::time::Duration;

use super::bytes::{dashboard, fleet};
use crate::cli_fleet::Fleet;
use crate::support::tty::{PATIENCE, Tty};

/// No job was made, nobody was changed, nobody is new.
fn assert_untouched(fleet: &Fleet, before: &str, after: &str) {
    assert_eq!(fleet.database.value("select count(*) from tenantui.job"), "0", "{after}");
    assert_eq!(fleet.database.value("select count(*) from tenantui.audit where action <> 'init'"), "0", "{after}");
    assert_eq!(registry(fleet), before, "{after}");
}

fn registry(fleet: &Fleet) -> String {
    fleet.database.value("select md5(string_agg(t::text, '|' order by t::text)) from public.tenants t")
}

fn back(tty: &mut Tty) {
    for _ in 0..3 {
        // Each Esc by itself: with what follows it, it would be a key with Alt.
        tty.type_keys("\u{1b}");
        tty.wait_until_quiet(Duration::from_millis(50));
    }
    tty.type_keys("1");
    tty.wait_for("TENANT");
}

#[test]
fn two_hundred_enters_and_any_paste_decide_nothing() {
    let fleet = fleet(6, "development");
    fleet.init();
    let before = registry(&fleet);
    let mut tty = dashboard(&fleet, 100, 30, &[]);
    let enters = "\r".repeat(200);
    // Over the list, then with the key that opens a dialog, then while it is there.
    for opening in ["aM", "M", "N", "D", "U", ":suspend\r", ":purge\r", ":repair\r", "F", "X", "R", "K", "C", "q"] {
        tty.type_keys(&enters);
        back(&mut tty);
        tty.type_keys(&format!("{opening}{enters}"));
        tty.wait_until_quiet(Duration::from_millis(150));
        if opening == "q" {
            break;
        }
        back(&mut tty);
        tty.type_keys(opening);
        tty.wait_until_quiet(Duration::from_millis(200));
        tty.type_keys(&enters);
        back(&mut tty);
        tty.type_keys(opening);
        tty.wait_until_quiet(Duration::from_millis(200));
        for words in ["migrate 8\r", "acme\r\r", "tenant_acme\r", "y\r", "\r\n\t\t\t\t\r\n"] {
            tty.type_keys(&format!("\u{1b}[200~{words}\u{1b}[201~"));
        }
        back(&mut tty);
        tty.type_keys("u");
        assert_untouched(&fleet, &before, opening);
    }
    assert_eq!(tty.exit_code(PATIENCE), 0, "q needs no confirmation: no job runs");
    assert_untouched(&fleet, &before, "q");
}
