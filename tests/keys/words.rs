//! Texts name keys as they are bound: with a keymap of the operator's own they name that one's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenantui::model::environment::Environment;
use tenantui::model::job::{JobId, JobKind, JobState};
use tenantui::model::tenant::FailedStep;
use tenantui::tui::app::action::{ACTIONS, Action};
use tenantui::tui::app::allowed::allowed;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::Screen;

use super::desk::{Desk, job};
use super::next;

/// Files whose texts name keys that cannot be bound: those of menus, of the chooser and of text fields; and the names
/// of the keys themselves.
const FIXED: [&str; 5] =
    ["app/keymap.rs", "screens/menu.rs", "screens/columns.rs", "dialogs/card_keys.rs", "screens/footer.rs"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The texts of a source file, each with its line; neither comments nor tests.
fn texts(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in source.lines().enumerate() {
        if open.is_none() && line.trim_start().starts_with("//") {
            continue;
        }
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match (&mut open, character) {
                // A quote as a character is none of a text.
                (None, '\'') if characters.peek() == Some(&'"') => {
                    characters.next();
                }
                (None, '"') => open = Some((number + 1, String::new())),
                (None, _) => {}
                (Some((_, text)), '\\') => text.extend(characters.next()),
                (Some(_), '"') => found.extend(open.take()),
                (Some((_, text)), other) => text.push(other),
            }
        }
    }
    found
}

/// Whether a text has one of these as a word of its own.
fn has_word(text: &str, words: &[String]) -> bool {
    let parts = text.split(|c: char| c.is_whitespace() || ",;:()`.\"".contains(c));
    parts.into_iter().any(|part| words.iter().any(|word| word == part))
}

/// The capitals that the embedded keymap gives to what writes, and to the write lock.
fn letters() -> Vec<String> {
    let keymap = tenantui::tui::app::keymap::Keymap::embedded().expect("the embedded keys");
    let wanted = ACTIONS.iter().filter(|info| info.writes || info.action == Action::WriteLock);
    wanted.flat_map(|info| keymap.keys_of(info.action)).collect()
}

#[test]
fn no_text_of_the_dashboard_has_a_key_written_into_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let named: Vec<String> = ["Enter", "Esc", "Tab", "Space"].map(String::from).into();
    let letters = letters();
    assert!(letters.contains(&"M".to_owned()) && letters.len() > 8, "{letters:?}");
    let (mut read, mut wrong) = (0, Vec::new());
    for file in files {
        let place = file.strip_prefix(&root).expect("below").display().to_string();
        if FIXED.contains(&place.as_str()) {
            continue;
        }
        // The keys inside dialogs and fields are fixed; the table says what fields do.
        let dialog = place.starts_with("dialogs/") || place == "app/table.rs";
        for (line, text) in texts(&std::fs::read_to_string(&file).expect("a file")) {
            read += 1;
            let format = text.starts_with('%');
            if !format && (has_word(&text, &letters) || (!dialog && has_word(&text, &named))) {
                wrong.push(format!("{place}:{line}: {text}"));
            }
        }
    }
    assert!(read > 1_000, "{read} texts");
    assert!(wrong.is_empty(), "these name keys that may be others; ask `State::key`:\n{}", wrong.join("\n"));
}

/// Every key of what writes, and more that texts speak of, moved to where nothing else is.
const MOVED: &str = "[keys]
write-lock = [\"ctrl-w\"]
new-tenant = [\"ctrl-n\"]
migrate = [\"ctrl-g\"]
drop = [\"ctrl-x\"]
undrop = [\"ctrl-v\"]
flush-cache = [\"ctrl-f\"]
retry = [\"ctrl-r\"]
retry-when-free = [\"ctrl-t\"]
skip = [\"ctrl-k\"]
continue = [\"ctrl-o\"]
pause-job = [\"ctrl-p\"]
stop-job = [\"ctrl-y\"]
open = [\"o\"]
jobs = [\"5\"]
unmark-all = [\"ctrl-l\"]
";

#[test]
fn refusals_and_screens_name_the_keys_of_the_operator() {
    let letters = letters();
    let mut seen = 0;
    for environment in [Environment::Production, Environment::Development] {
        for state in [None, Some(JobState::Done), Some(JobState::Paused), Some(JobState::Failed)] {
            let mut desk = Desk::rebound(environment, MOVED);
            if let Some(state) = state {
                desk.job(job(17, JobKind::Migrate, state, [3, 3, 0, 0]));
            }
            for screen in ["1", "1o", "2", "5", "4"] {
                desk.keys(screen);
                let words = desk.text();
                assert!(!has_word(&words, &letters), "{words}");
                for info in ACTIONS {
                    if let Err(why) = allowed(desk.app.state(), info.action) {
                        seen += 1;
                        assert!(!has_word(&why, &letters), "{}: {why}", info.name);
                    }
                }
            }
        }
    }
    assert!(seen > 100, "{seen} refusals");
}

#[test]
fn they_say_what_is_bound() {
    let mut desk = Desk::rebound(Environment::Production, MOVED);
    desk.keys("<C-g>");
    assert!(desk.message().contains("ctrl-w opens them"), "{}", desk.message());
    desk.keys("5");
    assert!(desk.text().contains("ctrl-g on Tenants or Migrations"), "{}", desk.text());
    assert!(desk.text().contains("ctrl-n makes a new tenant"), "{}", desk.text());
    desk.keys("1<C-w>production<Enter>");
    assert!(desk.message().contains("ctrl-w locks them"), "{}", desk.message());
    let mut running = job(17, JobKind::Migrate, JobState::Running, [3, 1, 1, 1]);
    desk.job(running.clone());
    running.state = JobState::Failed;
    desk.job(running);
    assert!(desk.message().contains("ctrl-r retries what failed, 5 shows it"), "{}", desk.message());
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    desk.event(Event::Snapshot(next(|snapshot| {
        let first = Arc::make_mut(&mut snapshot.tenants[0]);
        let step = FailedStep {
            job: JobId(17),
            version: None,
            sqlstate: Some("55P03".to_owned()),
            message: "lock timeout".into(),
        };
        first.failed_step = Some(step.into());
    })));
    desk.draw();
    desk.keys("ggo");
    assert!(desk.text().contains("ctrl-r retry what failed"), "{}", desk.text());
    desk.keys("<C-r>");
    assert!(desk.text().contains("[ Cancel ]"), "{}", desk.text());
}
