//! Locks that other sessions hold at this moment, of the kinds that migration tools take.

use super::session::{QueryError, Reader, TextRow};
use crate::text::Untrusted;

const LIVE_LOCKS: &str = include_str!("../../assets/sql/live_locks.sql");

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What is locked.
    pub what: Locked,
    /// By which backend.
    pub pid: i32,
    /// What that session calls itself; `None` where this role may not see it.
    pub application: Option<Untrusted>,
}

/// What is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// The key of an advisory lock.
    Key(i64),
    /// A table, in this mode.
    Table {
        /// Its oid.
        oid: u32,
        /// As `pg_locks` writes it.
        mode: String,
    },
}

/// What others hold in this database.
///
/// # Errors
/// When the server refuses or the link breaks.
pub async fn held(reader: &Reader) -> Result<Vec<Held>, QueryError> {
    reader.rows(LIVE_LOCKS).await?.iter().map(parse).filter_map(Result::transpose).collect()
}

fn parse(row: &TextRow) -> Result<Option<Held>, QueryError> {
    let what = match (row.parse::<i64>(1)?, row.parse::<u32>(2)?) {
        (Some(key), _) => Locked::Key(key),
        (None, Some(oid)) => Locked::Table { oid, mode: row.text(3).unwrap_or_default().to_owned() },
        (None, None) => return Ok(None),
    };
    // A prepared transaction has no backend.
    let Some(pid) = row.parse(4)? else { return Ok(None) };
    let application = row.text(5).filter(|name| !name.is_empty()).map(Untrusted::from);
    Ok(Some(Held { what, pid, application }))
}
