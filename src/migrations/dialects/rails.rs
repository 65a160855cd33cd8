//! Rails (ActiveRecord, Apartment): a row per applied version. Since Rails 5 `ar_internal_metadata` stands beside it,
//! which is how it is told from dbmate's ledger of the same shape.

use super::{
    Class, Dialect, FileName, FileRules, Gap, Interner, LedgerTables, LockPlace, Order, Parsed, Reading, SEPARATOR,
    Shape, ToolLock, leading_digits,
};
use crate::model::ledger::Tool;
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Rails,
    // Rails 4.2 and earlier: a unique index and no key. Later ones are told from dbmate in `recognise`.
    shapes: &[Shape { primary_key: Some(false), ..Shape::exactly(&["schema_migrations"], &[("version", "varchar*")]) }],
    order: Order::Number,
    zeros_are_equal: true,
    gap: Gap::Applied,
    companion: None,
    lock: ToolLock::Database(key),
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(4, classify)),
    writing: None,
};

/// One number for the database, whatever the schema: two tenants of one database cannot be migrated at once.
pub(super) fn key(place: &LockPlace<'_>) -> i64 {
    2_053_462_845_i64.wrapping_mul(i64::from(crc32(place.database.as_bytes())))
}

/// As Ruby's `Zlib.crc32`.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

/// The table that stands beside the ledger of Rails 5+, and of no other tool.
pub(super) static METADATA: Shape =
    Shape::at_least(&["ar_internal_metadata"], &[("key", "varchar*"), ("value", "varchar*")]);

/// The reading of a ledger with nothing but versions, which dbmate's is too.
pub(super) fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(version, '{SEPARATOR}') FROM {ledger}")
}

pub(super) fn history(ledger: &str) -> String {
    format!("SELECT version, NULL, NULL, false, NULL FROM {ledger} ORDER BY version COLLATE \"C\"")
}

pub(super) fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(Parsed {
        applied: interner.set(Order::Number, rows.first().and_then(|row| row.text(0))),
        dirty: false,
        locked: None,
    })
}

fn classify(path: &str) -> Class {
    let file = path.rsplit('/').next().unwrap_or(path);
    let Some(stem) = file.strip_suffix(".rb") else { return Class::Other };
    match leading_digits(stem).and_then(|(digits, rest)| Some((digits, rest.strip_prefix('_')?))) {
        Some((digits, name)) => Class::Code(FileName::new(digits, name)),
        None => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_that_rails_takes() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
        let place = LockPlace { database: "app", schema: "tenant_acme", table: "schema_migrations" };
        assert_eq!(key(&place), 2_053_462_845 * i64::from(crc32(b"app")));
    }
}
