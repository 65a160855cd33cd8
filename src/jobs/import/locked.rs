//! Who has a table that an import has to wait for: the server says of a lock only that it was not to be had in time.

use std::collections::BTreeSet;

use super::SOURCE;
use super::form::How;
use crate::jobs::watcher::{self, Blocker};
use crate::model::ident::{SchemaName, literal};
use crate::postgres::session::TextRow;

/// The SQLSTATE of a lock that was not to be had in time.
pub(super) const NO_LOCK: &str = "55P03";

/// What keeps an import from its tables.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// Their rows are counted.
    Read,
    /// They are brought over.
    Run(How),
}

impl Wanted {
    /// Locks that are in its way; of a move, whatever there is.
    const fn modes(self) -> &'static str {
        match self {
            Self::Read => "l.mode = 'AccessExclusiveLock'",
            Self::Run(How::Copy) => "l.mode NOT IN ('AccessShareLock', 'RowShareLock')",
            Self::Run(How::Move) => "true",
        }
    }
}

/// The one SELECT of who has or wants a lock of these tables of both schemas that is in the way: one who has it first. Of a
/// partition its table is told.
pub(super) fn sql<'t>(tenant: &SchemaName, tables: impl Iterator<Item = &'t str>, wanted: Wanted) -> String {
    let tables: BTreeSet<String> = tables.map(literal).collect();
    let tables: Vec<String> = tables.into_iter().collect();
    format!(
        "SELECT {who}, n.nspname || '.' || c.relname FROM pg_catalog.pg_locks AS l \
         JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
         JOIN pg_catalog.pg_class AS c ON c.oid = COALESCE(pg_catalog.pg_partition_root(l.relation)::oid, l.relation) \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE l.locktype = 'relation' AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d \
         WHERE d.datname = pg_catalog.current_database()) AND a.pid <> pg_catalog.pg_backend_pid() AND {modes} \
         AND n.nspname IN ({source}, {tenant}) AND c.relname IN ({tables}) \
         ORDER BY l.granted DESC, a.xact_start, a.pid LIMIT 1",
        who = watcher::who(),
        modes = wanted.modes(),
        source = literal(SOURCE),
        tenant = literal(tenant.raw()),
        tables = tables.join(", "),
    )
}

/// Its answer: `public.people is locked by pid 4711  app@local (web)  idle in transaction 00:03:12, query 00:03:10`. Who had
/// it may be through meanwhile, or be a prepared transaction, which is no session.
pub(super) fn words(rows: &[TextRow]) -> Option<String> {
    let row = rows.first()?;
    Some(format!("{} is locked by {}", row.text(7)?, Blocker::of(row)?.words()))
}
