//! Rules about what a statement costs those who work meanwhile: locks, whole tables read or written anew, rows moved,
//! and what reaches out of the transaction. All of them warn.

use std::collections::HashSet;

use super::Findings;
use super::rules::Words;
use crate::migrations::lexer::Token;

/// Functions whose value differs from row to row: as a default of a new column they make the server write the table
/// anew. `now()` and `current_timestamp` are the same for all rows, and cost nothing.
const VOLATILE: [&str; 9] = [
    "random",
    "gen_random_uuid",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv7",
    "clock_timestamp",
    "timeofday",
    "nextval",
];

const SERIAL: [&str; 6] = ["SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"];

/// Statements that are no ALTER TABLE.
pub(super) fn statement(words: &Words<'_, '_>, made: &HashSet<String>, findings: &mut Findings) {
    let line = words.line();
    if words.begins(&["LOCK"]) {
        let table = words.skip(1, &[&["TABLE"], &["ONLY"]]);
        let of = words.name(table).unwrap_or_else(|| "a table".to_owned());
        let message = format!("locks {of} until this file's transaction is committed: others wait");
        findings.warn("lock-table", line, &message);
    } else if words.begins(&["REFRESH", "MATERIALIZED", "VIEW"]) && !words.has(&["CONCURRENTLY"]) {
        findings.warn("lock-table", line, "refreshes a view: who reads it waits until that is done");
    } else if words.begins(&["VACUUM"]) && words.has(&["FULL"]) {
        findings.warn("rewrite", line, "VACUUM FULL writes the whole table anew under a lock");
    } else if words.begins(&["CLUSTER"]) && words.len() > 1 {
        findings.warn("rewrite", line, "CLUSTER writes the whole table anew under a lock");
    } else if words.begins(&["REINDEX"]) && !words.has(&["CONCURRENTLY"]) {
        findings.warn("blocking-index", line, "builds an index anew: writes to its table wait until it is done");
    } else if words.begins(&["COPY"]) && !words.has(&["STDIN"]) && !words.has(&["STDOUT"]) {
        findings.warn("server-file", line, "COPY reads or writes a file of the server's machine, once for each tenant");
    } else {
        moved_rows(words, made, findings);
        database_wide(words, findings);
        definer(words, findings);
    }
}

/// Rows that are written, changed or deleted: takes as long as the table is large, and locks each row.
fn moved_rows(words: &Words<'_, '_>, made: &HashSet<String>, findings: &mut Findings) {
    let target = if words.begins(&["UPDATE"]) {
        words.name(words.skip(1, &[&["ONLY"]]))
    } else if words.begins(&["DELETE", "FROM"]) || words.begins(&["MERGE", "INTO"]) {
        words.name(words.skip(2, &[&["ONLY"]]))
    } else if words.begins(&["INSERT", "INTO"]) && words.has(&["SELECT"]) && words.has(&["FROM"]) {
        words.name(2)
    } else if words.begins(&["WITH"]) && ["UPDATE", "DELETE", "INSERT", "MERGE"].iter().any(|verb| words.has(&[verb])) {
        Some("a table".to_owned())
    } else {
        None
    };
    if let Some(table) = target.filter(|table| !made.contains(table)) {
        let message = format!("moves data: writes rows of {table}, which takes as long as it is large");
        findings.warn("data-move", words.line(), &message);
    }
}

/// What does not belong to a tenant's schema at all. One tenant at a time, as for everything that all share.
fn database_wide(words: &Words<'_, '_>, findings: &mut Findings) {
    let changes = ["CREATE", "ALTER", "DROP"].into_iter().any(|verb| words.begins(&[verb]));
    if changes && words.at(1, &["EVENT", "TRIGGER"]) {
        let message = "an event trigger acts on what anybody changes in the whole database";
        findings.warn("shared-object", words.line(), message);
    } else if (words.begins(&["CREATE"]) || words.begins(&["ALTER"])) && words.at(1, &["SCHEMA"]) {
        let message = "makes or changes a schema by name: the second tenant finds it there already";
        findings.warn("other-schema", words.line(), message);
    }
}

/// A function that runs with its owner's rights, and finds its tables where the caller says.
fn definer(words: &Words<'_, '_>, findings: &mut Findings) {
    let kinds = ["FUNCTION", "PROCEDURE", "ROUTINE"];
    let is_routine = (words.begins(&["CREATE"]) || words.begins(&["ALTER"]))
        && kinds.into_iter().any(|kind| words.skip(1, &[&["OR", "REPLACE"]]) == words.find(&[kind]).unwrap_or(0));
    let definer = words.find(&["SECURITY", "DEFINER"]).is_some();
    if is_routine && definer && !words.has(&["SET", "search_path"]) {
        let message = "SECURITY DEFINER without SET search_path: whoever calls it decides which tables it means, with the \
                       owner's rights";
        findings.warn("security-definer", words.line(), message);
    }
}

/// One action of ALTER TABLE on a table that is there already.
pub(super) fn action(action: &Words<'_, '_>, table: &str, findings: &mut Findings) {
    let line = action.line();
    if action.begins(&["ALTER"]) && action.has(&["SET", "NOT", "NULL"]) {
        let message = format!("sets NOT NULL: reads all of {table} under a lock, and fails where a value is missing");
        findings.warn("not-null", line, &message);
    }
    if action.begins(&["ALTER"]) && action.has(&["TYPE"]) && !action.has(&["SET", "DEFAULT"]) {
        let message = format!("changes a column's type: may write all of {table} anew under a lock");
        findings.warn("rewrite", line, &message);
    }
    for what in [&["LOGGED"][..], &["UNLOGGED"], &["TABLESPACE"], &["ACCESS", "METHOD"]] {
        if action.begins(&["SET"]) && action.at(1, what) {
            let message = format!("SET {}: writes all of {table} anew under a lock", what.join(" "));
            findings.warn("rewrite", line, &message);
        }
    }
    if action.at(1, &["TRIGGER"]) && (action.begins(&["DISABLE"]) || action.begins(&["ENABLE"])) {
        let message = format!("turns triggers of {table} on or off for everybody");
        findings.warn("trigger", line, &message);
    }
    if action.begins(&["ADD"]) {
        added(action, table, findings);
    }
}

fn added(action: &Words<'_, '_>, table: &str, findings: &mut Findings) {
    let constraint = if action.at(1, &["CONSTRAINT"]) { 3 } else { 1 };
    let kind = |word: &str| action.at(constraint, &[word]);
    if kind("PRIMARY") || kind("UNIQUE") || kind("EXCLUDE") {
        if !action.has(&["USING", "INDEX"]) {
            let message = format!("makes an index on {table} for a constraint: everybody waits until it is built");
            findings.warn("blocking-index", action.line(), &message);
        }
    } else if kind("FOREIGN") || kind("CHECK") {
        if !action.has(&["NOT", "VALID"]) {
            let message = format!(
                "adds a constraint that is checked at once: reads all of {table} under a lock; add it NOT VALID, and \
                 VALIDATE it in a later file"
            );
            findings.warn("validated-constraint", action.line(), &message);
        }
    } else if constraint == 1 {
        column(action, table, findings);
    }
}

fn column(action: &Words<'_, '_>, table: &str, findings: &mut Findings) {
    let serial = SERIAL.iter().any(|kind| action.has(&[kind]));
    let generated = action.has(&["GENERATED"]) && (action.has(&["STORED"]) || action.has(&["IDENTITY"]));
    let is_volatile = |token: &Token<'_>| token.identifier().is_some_and(|name| VOLATILE.contains(&name.as_str()));
    let volatile = action.find(&["DEFAULT"]).is_some_and(|at| action.from(at).iter().any(is_volatile));
    if serial || generated || volatile {
        let message =
            format!("adds a column with a value of its own in each row: writes all of {table} anew under a lock");
        findings.warn("rewrite", action.line(), &message);
    }
    let filled = action.has(&["DEFAULT"]) || action.has(&["GENERATED"]) || serial;
    if action.has(&["NOT", "NULL"]) && !filled {
        let message = format!("adds a column NOT NULL without a default: fails where {table} has rows");
        findings.warn("not-null", action.line(), &message);
    }
    if action.has(&["REFERENCES"]) && action.has(&["DEFAULT"]) {
        let message = format!("adds a column with a foreign key and a default: reads all of {table} under a lock");
        findings.warn("validated-constraint", action.line(), &message);
    }
}
