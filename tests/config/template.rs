//! The template is right and whole, and no mutation of it makes the program panic or tell a secret.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tenantui::config::{Place, load, template};

use super::{MARKER, Room, error};

/// The template with every option that is commented out put in, once for each that excludes another.
fn uncommented(alternative: &str) -> String {
    let lines = template().lines().map(|line| {
        let Some(rest) = line.strip_prefix("# ") else { return line.to_owned() };
        let key: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let is_option = !key.is_empty() && rest[key.len()..].starts_with(" = ");
        let is_excluded = ["table", "query", "scan"].contains(&key.as_str()) && key != alternative;
        if (is_option && !is_excluded) || rest.starts_with("[database") { rest.to_owned() } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_template_is_right_as_it_stands_and_uncommented() {
    let room = Room::new();
    fs::create_dir_all(room.path("migrations")).expect("folder");
    fs::create_dir_all(room.path("migrations-shared")).expect("folder");
    fs::create_dir_all(room.path("verify")).expect("folder");
    room.write("keymap.toml", "");
    let as_is = room.load(template()).expect("as it stands");
    // What is not commented out is the default: a database with nothing but a name is the same.
    let bare = room.load("[[database]]\nname = 'eu-1'\nurl = 'postgresql://ops@localhost:5432/app'").expect("bare");
    assert_eq!(as_is.ui, bare.ui);
    assert_eq!(format!("{:?}", as_is.databases), format!("{:?}", bare.databases));
    for alternative in ["table", "query", "scan"] {
        let text = uncommented(alternative);
        let config = room.load(&text).expect(alternative);
        let database = &config.databases[0];
        assert!(database.cache.is_some() && database.password_command.is_some(), "{text}");
        assert!(database.migrations.command.is_some() && database.migrations.shared_path.is_some());
        let tenants = &database.tenants;
        let given = [tenants.table.is_some(), tenants.query.is_some(), tenants.scan.is_some()];
        assert_eq!(given.iter().filter(|given| **given).count(), 1, "{alternative}");
    }
}

#[test]
fn the_template_lacks_no_option() {
    let full = uncommented("table") + &uncommented("query") + &uncommented("scan");
    // The program's own lists of allowed options, out of its errors.
    for section in ["ui", "database", "database.tenants", "database.migrations", "database.cache", "database.jobs"] {
        let header = match section {
            "ui" => "[ui]".to_owned(),
            "database" => "[[database]]".to_owned(),
            "database.cache" => "[[database]]\n[database.cache]\nurl = 'redis://h'".to_owned(),
            other => format!("[[database]]\n[{other}]"),
        };
        let shown = error(&format!("{header}\nno_such_option = 1"));
        let allowed = shown.split("allowed here: ").nth(1).unwrap_or_else(|| panic!("{shown}"));
        for option in allowed.split(", ") {
            let is_table =
                full.contains(&format!("[database.{option}]")) || full.contains(&format!("[{section}.{option}]"));
            assert!(is_table || full.contains(&format!("\n{option} = ")), "{section}: {option} is not in the template");
        }
    }
}

fn seed() -> String {
    let text = uncommented("query").replace("postgresql://ops@", &format!("postgresql://ops:{MARKER}@"));
    let text = text.replace("rediss://cache", &format!("rediss://:{MARKER}@cache"));
    assert_eq!(text.matches(MARKER).count(), 2);
    text
}

fn mutate(text: &mut Vec<u8>, kind: u8, at: usize, length: usize, byte: u8) {
    let at = at % (text.len() + 1);
    let end = (at + length).min(text.len());
    match kind {
        0 => drop(text.drain(at..end)),
        1 => text.insert(at, byte),
        2 => {
            let piece = text[at..end].to_vec();
            text.splice(at..at, piece);
        }
        _ => {
            if let Some(there) = text.get_mut(at) {
                *there = byte;
            }
        }
    }
}

fn loads_or_tells(path: &Path, room: &Room) {
    let mut request = room.request(&[("PGPASSWORD", MARKER)]);
    request.config = Some(path.to_owned());
    match load(&request) {
        Ok(config) => assert!(!format!("{config:?}").contains(MARKER)),
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(MARKER) && !shown.contains("zQ7!"), "{shown}");
            assert!(matches!(error.place(), Place::File { .. }), "{shown}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_neither_panic_nor_tell(
        steps in prop::collection::vec((0_u8..4, any::<usize>(), 1_usize..40, any::<u8>()), 1..6)
    ) {
        let room = Room::new();
        let mut text = seed().into_bytes();
        for (kind, at, length, byte) in steps {
            mutate(&mut text, kind, at, length, byte);
        }
        let path = room.write("config.toml", &text);
        loads_or_tells(&path, &room);
    }

    #[test]
    fn any_text_neither_panics_nor_tells(text in any::<String>()) {
        let room = Room::new();
        let path = room.write("config.toml", format!("{text}\n[[database]]\nurl = '{MARKER}"));
        loads_or_tells(&path, &room);
    }
}
