//! Flyway: a row per event; `schema_version` before 5.0, with a `version_rank` in 3.x. V files are run here. What is
//! undone by U files (they are paid for) and what repeats (R files) stays with Flyway.

use super::rows::{self, Columns, lines};
use super::{Class, Dialect, FileName, FileRules, Gap, LockPlace, Objection, Order, Reading, Shape, ToolLock, Writing};
use crate::migrations::folder::MigrationFile;
use crate::migrations::lexer::{Lexer, Statements, Token};
use crate::migrations::split;
use crate::model::ident::{QualifiedName, literal};
use crate::model::ledger::Tool;

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Flyway,
    shapes: &[Shape {
        optional: &["version_rank"],
        ..Shape::exactly(
            &["flyway_schema_history", "schema_version"],
            &[
                ("installed_rank", "int4"),
                ("version", "varchar*"),
                ("description", "varchar*"),
                ("type", "varchar*"),
                ("script", "varchar*"),
                ("checksum", "int4"),
                ("installed_by", "varchar*"),
                ("installed_on", "timestamp"),
                ("execution_time", "int4"),
                ("success", "bool"),
            ],
        )
    }],
    order: Order::Parts,
    zeros_are_equal: true,
    gap: Gap::Refused,
    companion: None,
    lock: ToolLock::Schema(key),
    reading: Reading {
        sql: |tables| LEDGER.replace(":ledger", tables.ledger),
        parse: |rows, interner| {
            let columns = Columns { checksums: true, dirty: Some(1), current: Some(2), baseline: Some(3) };
            Ok(rows::parsed(rows, interner, Order::Parts, columns))
        },
        history: |ledger| HISTORY.replace(":ledger", ledger),
        checksum: Some(checksum),
        position_only: false,
    },
    files: Some(FileRules { depth: 8, classify, pieces: split::whole, transactional, down_pieces: None }),
    writing: Some(Writing {
        table: "flyway_schema_history",
        objections,
        create_ledger,
        before: rows::nothing,
        after: rows::nothing,
        is_applied,
        applied,
        // No file of Flyway's has a down part here, so that nothing is undone; this is how an operator takes back a row.
        undone: |ledger, file, _| rows::delete(ledger, &format!("version = {}", literal(file.version.raw()))),
    }),
};

const LEDGER: &str = include_str!("../../../assets/sql/flyway_ledger.sql");
const HISTORY: &str = include_str!("../../../assets/sql/flyway_history.sql");

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, kind): (&str, fn(FileName) -> Class) =
        match (file.strip_suffix(".sql"), file.strip_suffix(".sql.conf"), file.strip_suffix(".java")) {
            (Some(stem), _, _) => (stem, Class::Up),
            (None, Some(stem), _) => (stem, Class::Settings),
            (None, None, Some(stem)) => (stem, Class::Code),
            (None, None, None) => return Class::Other,
        };
    let is_sql = file.ends_with(".sql");
    let strange = |why| if is_sql { Class::Strange(why) } else { Class::Other };
    if stem.starts_with("R__") {
        return strange("it is repeatable: Flyway runs it whenever it changed, tenantui never");
    }
    // A name may begin with any letter, of more than one byte too.
    let (letter, rest) = stem.split_at(stem.chars().next().map_or(0, char::len_utf8));
    match (letter, rest.starts_with(|first: char| first.is_ascii_digit())) {
        ("V", true) => {}
        ("U", true) => {
            return strange("it undoes a version, which Flyway does in its paid editions and tenantui never");
        }
        ("B", true) => return strange("it is a baseline: Flyway runs it in an empty schema, tenantui never"),
        _ if stem.starts_with("before") || stem.starts_with("after") => {
            return strange("it is a callback, which Flyway runs with every run and tenantui never");
        }
        _ => return strange("its name is not V<version>__<description>.sql; Flyway skips it"),
    }
    let (version, description) = rest.split_once("__").unwrap_or((rest, ""));
    let version = version.replace('_', ".");
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !version.split('.').all(is_number) {
        return strange("its version is not numbers parted by dots or _; Flyway stops at it");
    }
    kind(FileName::new(&version, &description.replace('_', " ")))
}

/// Flyway runs a file without a transaction when its settings say so, or when it has a statement that cannot run in one.
fn transactional(text: &str, settings: Option<&str>) -> bool {
    let says = |line: &str| {
        line.split_once('=').is_some_and(|(key, value)| {
            key.trim() == "executeInTransaction" && value.trim().eq_ignore_ascii_case("false")
        })
    };
    if settings.is_some_and(|settings| settings.lines().any(says)) {
        return false;
    }
    let mut ends = Statements::default();
    let mut begin: Vec<Token<'_>> = Vec::new();
    for token in Lexer::new(text).filter(Token::is_significant) {
        if ends.ends_with(&token) {
            begin.clear();
        } else if begin.len() < 4 {
            begin.push(token);
            if runs_alone(&begin) {
                return false;
            }
        }
    }
    true
}

/// The beginnings of statements that Flyway takes for such.
fn runs_alone(begin: &[Token<'_>]) -> bool {
    let is = |words: &[&str]| {
        begin.len() == words.len()
            && begin.iter().zip(words).all(|(token, words)| words.split('|').any(|word| token.is(word)))
    };
    is(&["VACUUM"])
        || is(&["DISCARD", "ALL"])
        || is(&["ALTER", "SYSTEM"])
        || is(&["CREATE|DROP", "DATABASE|TABLESPACE|SUBSCRIPTION"])
        || is(&["CREATE|DROP", "INDEX", "CONCURRENTLY"])
        || is(&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"])
        || is(&["REINDEX", "SCHEMA|DATABASE|SYSTEM"])
        || is(&["REINDEX", "INDEX|TABLE", "CONCURRENTLY"])
}

/// Flyway replaces `${...}` everywhere in a file.
fn objections(text: &str) -> Vec<Objection> {
    let found = lines(text).find_map(|(_, number, line)| {
        let (_, behind) = line.split_once("${")?;
        let (name, _) = behind.split_once('}')?;
        Some((number, name.to_owned()))
    });
    let object = |(line, name): (u32, String)| Objection {
        rule: "placeholder",
        line,
        message: format!(
            "Flyway would put a value for ${{{name}}}; tenantui does not. Write the value, or, where Flyway runs with \
             placeholderReplacement=false, allow it"
        ),
    };
    found.map(object).into_iter().collect()
}

/// CRC-32 of the lines without their ends, so that these do not matter; with a sign.
fn checksum(file: &MigrationFile) -> String {
    let mut hasher = crc32fast::Hasher::new();
    for part in split::without_bom(&file.sql).split(['\n', '\r']) {
        hasher.update(part.as_bytes());
    }
    hasher.finalize().cast_signed().to_string()
}

/// The bytes of "Flyway", and Java's hash of the quoted table.
fn key(place: &LockPlace<'_>) -> i64 {
    const BASE: i64 = 0x466C_7977_6179;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let table = format!("{}.{}", quoted(place.schema), quoted(place.table));
    let hash = table.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    BASE + i64::from(hash)
}

fn create_ledger(ledger: &QualifiedName) -> String {
    let table = ledger.quoted();
    let named = |ending: &str| format!("\"{}{ending}\"", ledger.name.raw().replace('"', "\"\""));
    format!(
        "CREATE TABLE {table} (installed_rank INT NOT NULL, version VARCHAR(50), description VARCHAR(200) NOT NULL, \
         type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INTEGER, installed_by VARCHAR(100) NOT NULL, \
         installed_on TIMESTAMP NOT NULL DEFAULT now(), execution_time INTEGER NOT NULL, success BOOLEAN NOT NULL); \
         ALTER TABLE {table} ADD CONSTRAINT {} PRIMARY KEY (installed_rank); CREATE INDEX {} ON {table} (success)",
        named("_pk"),
        named("_s_idx")
    )
}

fn is_applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    format!(
        "SELECT COALESCE((SELECT type <> 'DELETE' AND type NOT LIKE 'UNDO%' FROM {} WHERE version = {} AND success \
         ORDER BY installed_rank DESC LIMIT 1), false) AS applied",
        ledger.quoted(),
        literal(file.version.raw())
    )
}

fn applied(ledger: &QualifiedName, file: &MigrationFile) -> String {
    let table = ledger.quoted();
    format!(
        "INSERT INTO {table} (installed_rank, version, description, type, script, checksum, installed_by, \
         execution_time, success) SELECT COALESCE(max(installed_rank), 0) + 1, {}, {}, 'SQL', {}, {}, current_user, {}, \
         true FROM {table}",
        literal(file.version.raw()),
        literal(&shortened(file.name.raw(), 200)),
        literal(&shortened_in_front(&file.below, 1_000)),
        checksum(file),
        rows::elapsed(1_000, "integer")
    )
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 3).chain("...".chars()).collect()
}

fn shortened_in_front(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    "...".chars().chain(text.chars().skip(length - (most - 3))).collect()
}
