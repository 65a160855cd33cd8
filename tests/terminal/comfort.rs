//! What lasts longer than a run: how the fleet was looked at, dumps of the screen, the last line; and the mouse.

use std::path::Path;

use super::NOBODY;
use crate::support::tty::{PATIENCE, Tty};
use crate::support::wait_until;

/// A run in this home.
fn run(home: &Path, arguments: &[&str], size: (u16, u16)) -> Tty {
    let home = home.display().to_string();
    let variables = [("HOME", home.as_str()), ("XDG_STATE_HOME", home.as_str())];
    Tty::start(arguments, size.0, size.1, None, &variables)
}

fn quit(tty: &mut Tty) -> String {
    tty.type_keys("q");
    assert_eq!(tty.exit_code(PATIENCE), 0);
    wait_until(PATIENCE, "the last line", || tty.text().contains("tenantui: "));
    tty.text()
}

#[test]
fn the_last_screen_and_the_columns_survive_a_restart() {
    let home = tempfile::tempdir().expect("a folder");
    let mut tty = run(home.path(), &NOBODY, (80, 24));
    tty.wait_for("Welcome to tenantui");
    tty.type_keys("3");
    tty.wait_for("> Jobs");
    assert!(!tty.text().contains("Welcome"), "{}", tty.text());
    let last = quit(&mut tty);
    assert!(last.contains("nothing was written"), "{last}");

    let file = home.path().join("tenantui/dashboard.toml");
    let kept = std::fs::read_to_string(&file).expect("kept");
    assert!(kept.contains("screen = \"jobs\"") && !kept.contains("ops:x"), "no password is kept: {kept}");
    let mut tty = run(home.path(), &NOBODY, (80, 24));
    tty.wait_for("> Jobs");
    assert!(!tty.text().contains("Welcome"), "once is enough");
    tty.type_keys("1");
    wait_until(PATIENCE, "screen 1", || !tty.text().contains("> Jobs"));
    quit(&mut tty);

    // A broken file is said, ignored, and written anew.
    std::fs::write(&file, "screen = [").expect("broken");
    let mut tty = run(home.path(), &NOBODY, (160, 24));
    tty.wait_for("dashboard.toml is ignored: line 1");
    quit(&mut tty);
    assert!(std::fs::read_to_string(&file).expect("kept").contains("screen = \"tenants\""));
}

#[test]
fn a_demo_keeps_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let mut tty = run(home.path(), &["demo", "--tenants", "4"], (80, 24));
    tty.wait_for("Welcome to tenantui");
    tty.type_keys("2");
    tty.wait_for("> Migrations");
    quit(&mut tty);
    assert!(!home.path().join("tenantui").exists());
}

#[test]
fn the_screen_is_dumped_and_the_path_is_said() {
    let home = tempfile::tempdir().expect("a folder");
    let mut tty = run(home.path(), &NOBODY, (160, 24));
    tty.wait_for_screen();
    tty.type_keys("3es");
    tty.wait_for("written: ");
    let folder = home.path().join("tenantui");
    let dump =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("one").path()).next().expect("a dump");
    assert!(tty.text().contains(&dump.file_name().expect("a name").display().to_string()), "{}", tty.text());
    let text = std::fs::read_to_string(&dump).expect("a dump");
    assert!(text.contains("> Jobs") && text.lines().count() == 24 && !text.contains('\u{1b}'), "{text}");
    quit(&mut tty);
}

#[test]
fn the_mouse_is_off_until_it_is_asked_for_and_given_back() {
    let captured = |tty: &Tty| tty.screen().screen().mouse_protocol_mode() != vt100::MouseProtocolMode::None;
    let home = tempfile::tempdir().expect("a folder");
    let mut tty = run(home.path(), &NOBODY, (80, 24));
    tty.wait_for_screen();
    assert!(!captured(&tty));
    quit(&mut tty);
    let mut tty = run(home.path(), &[NOBODY[0], NOBODY[1], "--mouse"], (80, 24));
    tty.wait_for_screen();
    assert!(captured(&tty));
    // A click on `2 Migrations`, as terminals tell it: column 14, row 21.
    tty.type_keys("\u{1b}[<0;14;21M\u{1b}[<0;14;21m");
    tty.wait_for("> Migrations");
    quit(&mut tty);
    assert!(!captured(&tty), "given back");
}

#[test]
fn a_theme_that_is_wrong_is_a_mistake_of_the_configuration() {
    let home = tempfile::tempdir().expect("a folder");
    let theme = home.path().join("mine.toml");
    std::fs::write(&theme, "# mine\nok = { fg = \"greenish\" }\n").expect("written");
    let theme = theme.display().to_string();
    let mut tty = Tty::start(&NOBODY, 160, 24, None, &[("TENANTUI_THEME", &theme)]);
    assert_eq!(tty.exit_code(PATIENCE), 2);
    tty.wait_for("mine.toml: line 2: \"greenish\" is not a colour");
}

#[test]
fn a_terminal_has_no_more_colours_than_it_says() {
    let colours = |variables: &[(&str, &str)]| {
        let mut all = vec![("TENANTUI_THEME", "high-contrast")];
        all.extend_from_slice(variables);
        let mut tty = Tty::start(&NOBODY, 80, 24, None, &all);
        tty.wait_for_screen();
        tty.type_keys("q");
        tty.exit_code(PATIENCE);
        let bytes = tty.bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text.contains("8;2;"), text.contains("8;5;"), text.contains("\u{1b}[97") || text.contains("\u{1b}[30;"))
    };
    assert_eq!(colours(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), (true, false, false));
    assert_eq!(colours(&[("TERM", "xterm"), ("COLORTERM", "")]), (false, false, true));
    assert_eq!(colours(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), (false, false, false));
}
