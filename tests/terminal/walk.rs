//! Read-only is truly read-only: thousands of random keys in the real program against a server that logs every statement
//! and counts every transaction that writes. `TENANTUI_FAULTS_SEED` repeats a walk, `TENANTUI_FAULTS_WALK_KEYS` makes it
//! longer.

use std::time::Duration;

use super::bytes::configure;
use crate::cli_fleet::Fleet;
use crate::faults::{Dice, count};
use crate::support::tty::{PATIENCE, Tty};
use crate::support::{PgHandle, own_pg, setting, tcp, wait_until};

/// What is typed: each key of the keymap but those that leave, and what dialogs and prompts are fed with.
const KEYS: [&str; 88] = [
    "j",
    "j",
    "j",
    "k",
    "G",
    "gg",
    "h",
    "l",
    "\t",
    "\t",
    "\t",
    "\t",
    "\r",
    "\r",
    "\r",
    "\r",
    "\r",
    "\r",
    "\u{1b}",
    "\u{1b}",
    "\u{1b}",
    "\u{1b}[A",
    "\u{1b}[B",
    "\u{1b}[C",
    "\u{1b}[D",
    "\u{1b}[5~",
    "\u{1b}[6~",
    "\u{1b}[Z",
    "\u{7f}",
    "1",
    "1",
    "2",
    "3",
    "4",
    "/",
    "/beta\r",
    "/\r",
    ":",
    ":m",
    ":behind\r",
    ":everything\r",
    ":audit\r",
    ":messages\r",
    ":suspend\r",
    ":activate\r",
    ":archive\r",
    ":rename\r",
    ":repair\r",
    ":purge\r",
    ":drop\r",
    ":migrate\r",
    ":undrop\r",
    "?",
    "?mig\r",
    " ",
    " ",
    "v",
    "a",
    "a",
    "u",
    "s",
    "S",
    "r",
    "p",
    "-",
    "+",
    "yy",
    "yr",
    "ye",
    "f",
    "i",
    "t",
    "[",
    "]",
    "W",
    "W",
    "N",
    "M",
    "M",
    "M",
    "D",
    "U",
    "R",
    "T",
    "K",
    "C",
    "P",
    "X",
];

/// Typed into whatever is open.
const WORDS: [&str; 7] =
    ["F", "migrate 2", "tenant_beta_two\r", "acme\r", "y\r", "\u{1b}[200~migrate 2\r\u{1b}[201~", "x"];

/// A server that says what it is asked, and on which nothing writes by itself.
fn server() -> PgHandle {
    let settings =
        vec![setting("log_statement", "all"), setting("log_line_prefix", "%a|"), setting("autovacuum", "off")];
    own_pg(tenantui::demo::servers::PostgresOptions { settings, ..tcp() })
}

fn log(pg: &PgHandle) -> String {
    std::fs::read_to_string(pg.home.folder().join("pg").join("log")).expect("the server's log")
}

/// Statements of tenantui that write, or that open a transaction that could.
fn writing(log: &str) -> Vec<String> {
    let verbs = [
        "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "grant", "revoke", "comment",
        "copy", "lock", "refresh", "reindex", "vacuum", "cluster", "call", "do", "notify", "reassign", "security",
        "import",
    ];
    let mut found = Vec::new();
    for line in log.lines().filter(|line| line.starts_with("tenantui")) {
        let Some((_, statement)) = line.split_once("statement: ").or_else(|| line.split_once("execute ")) else {
            continue;
        };
        let lower = statement.to_lowercase();
        let first = lower.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
        if verbs.contains(&first) || lower.contains("read write") || lower.contains("for update") {
            found.push(statement.to_owned());
        }
    }
    found
}

/// Grows with every transaction that writes.
fn transactions(fleet: &Fleet) -> String {
    fleet.database.value("select pg_snapshot_xmax(pg_current_snapshot())")
}

fn start(fleet: &Fleet, arguments: &[&str]) -> Tty {
    let config = fleet.home.path().join("config.toml").display().to_string();
    let all: Vec<&str> = ["--config", &config].iter().copied().chain(arguments.iter().copied()).collect();
    let tty = Tty::start(&all, 90, 26, None, &[]);
    tty.wait_for_screen();
    tty.wait_for("data live");
    tty
}

/// Walks; the titles of the dialogs that were seen.
fn walk(fleet: &Fleet, arguments: &[&str], name: &str) -> usize {
    let mut dice = Dice::new(name);
    let mut tty = start(fleet, arguments);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..count("walk_keys", 500) {
        let at = dice.below(KEYS.len() + WORDS.len());
        let key = KEYS.get(at).or_else(|| WORDS.get(at - KEYS.len())).expect("a key");
        tty.type_keys(key);
        if key.ends_with('\u{1b}') || number % 4 == 0 {
            // Esc by itself; and dialogs take nothing before they were seen.
            tty.wait_until_quiet(Duration::from_millis(25));
        }
        if number % 20 == 0 {
            let text = tty.text();
            seen.extend(
                text.lines().filter_map(|line| line.split_once("+-[")?.1.split_once("--")).map(|(t, _)| t.to_owned()),
            );
            if tty.child.try_wait().expect("a child").is_some() {
                // Left by the palette: the walk goes on.
                tty = start(fleet, arguments);
            }
            // Stopped by the palette: as `fg` does.
            tty.signal("CONT");
        }
    }
    println!("{name}: saw {seen:?}");
    seen.len()
}

#[test]
fn random_keys_write_nothing_while_writing_is_locked_or_forbidden() {
    let pg = server();
    let fleet = Fleet::on(pg.database("walk"));
    fleet.init();
    let before = transactions(&fleet);
    let said = log(&pg).len();
    configure(&fleet, "production");
    let locked = walk(&fleet, &[], "a walk with the lock closed");
    configure(&fleet, "development");
    let forbidden = walk(&fleet, &["--read-only"], "a walk with --read-only");
    assert!(locked + forbidden > 0, "no dialog was ever open");
    let all = log(&pg);
    let statements =
        all[said..].lines().filter(|line| line.starts_with("tenantui") && line.contains("statement: ")).count();
    assert!(statements > 100, "the server was read all the while: {statements}");
    assert_eq!(writing(&all[said..]), Vec::<String>::new());
    assert_eq!(transactions(&fleet), before, "no transaction wrote");
    // The same two would have seen a write.
    fleet.expect(0, &["suspend", "beta-two", "--yes"]);
    wait_until(PATIENCE, "the log", || !writing(&log(&pg)[said..]).is_empty());
    assert_ne!(transactions(&fleet), before);
}
