//! What the readings and the rows of several tools have in common.

use super::interner::{CHECKSUM_CHARACTERS, Interner, Listing, PAIR, SEPARATOR};
use super::{Objection, Order, Parsed};
use crate::model::ident::QualifiedName;
use crate::postgres::session::TextRow;

/// Which columns of a reading's one row say what. The first is always the applied versions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    /// The versions have their checksums with them.
    pub checksums: bool,
    /// Whether the tool recorded a failure.
    pub dirty: Option<usize>,
    /// The current version, where it is not the last.
    pub current: Option<usize>,
    /// The version up to which everything counts as applied.
    pub baseline: Option<usize>,
}

/// A reading's one row; none is an empty ledger.
pub(super) fn parsed(rows: &[TextRow], interner: &mut Interner, order: Order, columns: Columns) -> Parsed {
    let row = rows.first();
    let text = |column: Option<usize>| row.and_then(|row| row.text(column?));
    let listing = Listing {
        versions: text(Some(0)),
        checksums: columns.checksums,
        current: text(columns.current),
        baseline: text(columns.baseline),
    };
    Parsed {
        applied: interner.listed(order, &listing),
        dirty: columns.dirty.is_some_and(|column| row.is_some_and(|row| row.is_true(column))),
        locked: None,
    }
}

/// The aggregate that lists versions with their checksums.
pub(super) fn with_checksums(version: &str, checksum: &str) -> String {
    format!("string_agg({version} || '{PAIR}' || COALESCE(left({checksum}, {CHECKSUM_CHARACTERS}), ''), '{SEPARATOR}')")
}

/// Whether a row is in the ledger.
pub(super) fn exists(ledger: &QualifiedName, condition: &str) -> String {
    format!("SELECT EXISTS (SELECT FROM {} WHERE {condition}) AS applied", ledger.quoted())
}

/// Takes rows out of the ledger.
pub(super) fn delete(ledger: &QualifiedName, condition: &str) -> String {
    format!("DELETE FROM {} WHERE {condition}", ledger.quoted())
}

/// Nothing is written.
pub(super) fn nothing(_ledger: &QualifiedName) -> String {
    String::new()
}

/// The time since the transaction began, by the server's clock, in parts of a second.
pub(super) fn elapsed(per_second: u32, type_name: &str) -> String {
    format!("(extract(epoch FROM clock_timestamp() - transaction_timestamp()) * {per_second})::{type_name}")
}

/// Nothing is objected to.
pub(super) fn fine(_text: &str) -> Vec<Objection> {
    Vec::new()
}

/// The lines of a file: offset, number from 1, text without its end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, u32, &str)> {
    text.split_inclusive('\n').scan((0, 1), |(offset, number), line| {
        let at = (*offset, *number, line.trim_end_matches(['\n', '\r']));
        *offset += line.len();
        *number += 1;
        Some(at)
    })
}
