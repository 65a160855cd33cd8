//! yoyo: a row per applied migration; its lock is a row in a table of its own, which survives a process that is killed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{
    Class, Dialect, FIELD, FileName, FileRules, Gap, Interner, LedgerTables, Order, Parsed, Reading, SEPARATOR, Shape,
    ToolLock, without_stamp,
};
use crate::migrations::folder::{Entry, FolderError, Listed, Listing, python, read_text};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};
use crate::text::Untrusted;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Yoyo,
    shapes: &[
        Shape::at_least(
            &["_yoyo_migration"],
            &[("migration_hash", "varchar*"), ("migration_id", "varchar*"), ("applied_at_utc", "timestamp*")],
        ),
        // Before 6.0; yoyo makes the other of it with its next run.
        Shape::exactly(&["_yoyo_migration"], &[("id", "varchar*"), ("ctime", "timestamp*")]),
    ],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::ByGraph,
    companion: Some(&Shape::at_least(&["yoyo_lock"], &[("locked", "int4"), ("ctime", "timestamp*"), ("pid", "int4")])),
    lock: ToolLock::Row,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(1, classify)),
    writing: None,
};

/// The migration's name and time, by whichever columns the ledger has.
const ID: &str = "coalesce(j ->> 'migration_id', j ->> 'id')";
const AT: &str = "coalesce(j ->> 'applied_at_utc', j ->> 'ctime')::timestamp";

fn sql(tables: &LedgerTables<'_>) -> String {
    let lock = tables.companion.map_or_else(
        || "NULL".to_owned(),
        |lock| format!("(SELECT concat(l.pid, '{FIELD}', l.ctime) FROM {lock} l LIMIT 1)"),
    );
    format!(
        "SELECT string_agg({ID}, '{SEPARATOR}' ORDER BY {AT}, {ID}), {lock} FROM {} m, to_jsonb(m) AS j",
        tables.ledger
    )
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    let row = rows.first();
    Ok(Parsed {
        applied: interner.set(Order::AsListed, row.and_then(|row| row.text(0))),
        dirty: false,
        locked: row.and_then(|row| row.text(1)).map(locked),
    })
}

fn locked(lock: &str) -> Untrusted {
    let (pid, since) = lock.split_once(FIELD).unwrap_or((lock, ""));
    format!(
        "yoyo_lock has a row of process {pid} since {since}: yoyo is migrating this schema now, or was killed while it \
         did. Until it is gone every run of yoyo gives up. Make sure that no process migrates it, then run \
         `yoyo break-lock`"
    )
    .into()
}

fn history(ledger: &str) -> String {
    format!("SELECT {ID}, NULL, {AT}, false, NULL FROM {ledger} m, to_jsonb(m) AS j ORDER BY {AT}, {ID}")
}

fn classify(path: &str) -> Class {
    let Some((stem, ending)) = path.rsplit_once('.') else { return Class::Other };
    match ending {
        "sql" => match stem.strip_suffix(".rollback") {
            Some(stem) => Class::Down(FileName::new(stem, without_stamp(stem))),
            None => Class::Up(FileName::new(stem, without_stamp(stem))),
        },
        // `post-apply.py` and the like are hooks, not migrations.
        "py" if !stem.starts_with('_') && !stem.starts_with("post-apply") => {
            Class::Code(FileName::new(stem, without_stamp(stem)))
        }
        _ => Class::Other,
    }
}

/// Files by name, each behind those that it names.
pub(super) fn list(_: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut listing = Listing { by_graph: true, ..Listing::default() };
    let mut downs: HashMap<String, (Entry, Arc<str>)> = HashMap::new();
    for entry in entries {
        let class = classify(&entry.below);
        let (name, is_code) = match class {
            Class::Up(name) if !name.version.starts_with("post-apply") => (name, false),
            Class::Code(name) => (name, true),
            Class::Down(name) => {
                let text = read_text(&entry.path)?.into();
                downs.insert(name.version, (entry, text));
                continue;
            }
            Class::Up(_) | Class::Settings(_) | Class::Other | Class::Strange(_) => continue,
        };
        let text: Arc<str> = read_text(&entry.path)?.into();
        let (depends, transactional) = if is_code { of_program(&text) } else { of_sql(&text) };
        let listed = Listed::code(&name.version, &name.name, entry, text);
        listing.files.push(Listed { is_code, transactional, parents: depends, ..listed });
    }
    for listed in &mut listing.files {
        listed.down = downs.remove(&listed.version).map(Box::new);
    }
    Ok(listing)
}

/// `-- depends: a b` and `-- transactional: false`, among the remarks that a file starts with.
fn of_sql(text: &str) -> (Vec<String>, bool) {
    let (mut depends, mut transactional) = (Vec::new(), true);
    for line in text.lines().map(str::trim) {
        let Some(remark) = line.strip_prefix("--") else { if line.is_empty() { continue } else { break } };
        match remark.split_once(':').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("depends", value)) => depends.extend(value.split_whitespace().map(str::to_owned)),
            Some(("transactional", value)) => transactional = !value.eq_ignore_ascii_case("false"),
            Some(_) | None => {}
        }
    }
    (depends, transactional)
}

/// `__depends__ = {"a"}` and `__transactional__ = False`.
fn of_program(text: &str) -> (Vec<String>, bool) {
    let found = python::assignments(text, &["__depends__"]);
    let depends = found.iter().filter(|one| one.top).flat_map(|one| one.value.texts()).map(str::to_owned).collect();
    let off = text.lines().any(|line| line.replace(' ', "").starts_with("__transactional__=False"));
    (depends, !off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_at_the_start_say_what_goes_before() {
        let text = "\n-- create users\n-- depends: a  b\n-- transactional: false\ncreate table t();\n-- depends: c\n";
        assert_eq!(of_sql(text), (vec!["a".to_owned(), "b".to_owned()], false));
        assert_eq!(
            of_program("from yoyo import step\n__depends__ = {'x', \"y\"}\n"),
            (vec!["x".to_owned(), "y".to_owned()], true)
        );
        assert_eq!(of_program("__depends__ = {}\n__transactional__ = False\n"), (vec![], false));
    }
}
