//! Imports run downwards only, and only jobs, `migrations::apply` and the demo may open a session that writes.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src`, lowest first; rooms of one rank may not import each other unless listed in `WITHIN_RANK`.
const RANKS: &[(&str, u8)] = &[
    ("sabotage", 0),
    ("text", 0),
    ("model", 0),
    ("config", 1),
    ("layout", 1),
    ("postgres", 2),
    ("cache", 2),
    ("migrations", 3),
    ("fleet", 4),
    ("jobs", 4),
    ("demo", 5),
    ("cli", 6),
    ("tui", 6),
];

/// Pairs of one rank that may see each other, in this direction only.
const WITHIN_RANK: &[(&str, &str)] =
    &[("model", "text"), ("text", "sabotage"), ("layout", "config"), ("fleet", "jobs")];

fn rank(room: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == room).map(|(_, rank)| *rank)
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).expect("below src");
            let room = relative.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
            let room = room.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("UTF-8 source");
            (room, path, text)
        })
        .collect()
}

/// Code lines without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(n, line)| (n + 1, line))
}

#[test]
fn imports_run_downwards_only() {
    let mut wrong = Vec::new();
    for (room, path, text) in all_sources() {
        let Some(own) = rank(&room) else { continue };
        for (number, line) in code(&text) {
            for part in line.split("crate::").skip(1) {
                let target: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let Some(other) = rank(&target) else { continue };
                let allowed = target == room || other < own || WITHIN_RANK.contains(&(room.as_str(), target.as_str()));
                if !allowed {
                    wrong.push(format!("{}:{number}: {room} imports {target}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_jobs_apply_and_demo_open_sessions_that_write() {
    let mut wrong = Vec::new();
    for (room, path, text) in all_sources() {
        let may = matches!(room.as_str(), "jobs" | "demo")
            || path.ends_with("migrations/apply.rs")
            || path.ends_with("postgres/session.rs")
            || path.components().any(|part| part.as_os_str() == "apply");
        if may {
            continue;
        }
        for (number, line) in code(&text) {
            if line.contains("connect_writer") || line.contains("WriterSession") {
                wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_of_tests_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let list = fs::read_to_string(folder.join("main.rs")).expect("the list of modules");
    for entry in fs::read_dir(&folder).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        let is_source = path.extension().is_some_and(|end| end == "rs");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if is_source && name != "main" {
            assert!(list.lines().any(|line| line == format!("mod {name};")), "tests/{name}.rs is in no binary");
        }
    }
}
