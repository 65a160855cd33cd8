//! Exact sizes, for the tenant that is open and for `--exact`. Never for a list that nobody asked to measure: each
//! relation is opened, its bytes are asked of the file system, and the backend keeps it in memory until it ends.
//!
//! A table that another session holds exclusively is not waited for: it is left out and counted.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::bind::{bind, oid_array};
use super::session::{QueryError, Reader, TextRow};
use crate::model::tenant::NotMeasured;
use crate::text::Untrusted;

const SCHEMA_TABLES: &str = include_str!("../../assets/sql/schema_tables.sql");
const LOCKED_TABLES: &str = include_str!("../../assets/sql/locked_tables.sql");
const MEASURE: &str = include_str!("../../assets/sql/measure.sql");

/// Tables measured in one message: their locks, some four for each table, are held until it ends.
const SLICE: usize = 50;

/// How long one call may go on measuring a fleet's schemas.
const FLEET_BUDGET: Duration = Duration::from_secs(60);

/// Exact sizes of schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactSizes {
    /// By the schema's oid.
    pub by_schema: HashMap<u32, ExactSize>,
    /// Relations that the session opened for it. A backend keeps each in memory: the caller opens a new session
    /// after some ten thousand.
    pub relations_opened: u32,
}

/// The exact size of one schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactSize {
    /// Bytes of the tables that could be measured, with their indexes and toast.
    pub bytes: u64,
    /// Tables that another session held, or for which there was no time.
    pub unmeasured: u32,
}

/// Measures these schemas, all of whose tables together are opened: pass slices of a fleet, and a new session now
/// and then.
///
/// # Errors
/// When the catalog cannot be read or the link breaks; locks are no error.
pub async fn exact(reader: &Reader, schema_oids: &[u32]) -> Result<ExactSizes, QueryError> {
    let mut sizes = ExactSizes::default();
    sizes.by_schema.extend(schema_oids.iter().map(|oid| (*oid, ExactSize::default())));
    let tables = list(reader, schema_oids).await?;
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let measured = measure(reader, &oids, FLEET_BUDGET).await?;
    for table in &tables {
        let size = sizes.by_schema.entry(table.schema).or_default();
        match measured.bytes.get(&table.oid) {
            Some(bytes) => {
                size.bytes += bytes.total();
                sizes.relations_opened += table.relations;
            }
            None => size.unmeasured += 1,
        }
    }
    Ok(sizes)
}

/// A table of a schema before it is measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListedTable {
    pub schema: u32,
    pub oid: u32,
    pub name: Untrusted,
    /// The partitioned table that it is a partition of.
    pub root: Option<u32>,
    /// Rows as the planner believes; negative where it does not know.
    pub tuples: f64,
    pub pages: u64,
    pub live: u64,
    pub dead: u64,
    pub relations: u32,
}

/// The tables of some schemas, partitions included, by name.
pub(super) async fn list(reader: &Reader, schema_oids: &[u32]) -> Result<Vec<ListedTable>, QueryError> {
    if schema_oids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = reader.rows(&bind(SCHEMA_TABLES, &[("oids", &oid_array(schema_oids))])).await?;
    let table = |row: &TextRow| {
        Ok(ListedTable {
            schema: row.parse(0)?.unwrap_or_default(),
            oid: row.parse(1)?.unwrap_or_default(),
            name: Untrusted::new(row.text(2).unwrap_or_default()),
            root: row.parse(3)?,
            tuples: row.parse(4)?.unwrap_or(-1.0),
            pages: row.parse(5)?.unwrap_or_default(),
            live: row.parse(6)?.unwrap_or_default(),
            dead: row.parse(7)?.unwrap_or_default(),
            relations: row.parse(8)?.unwrap_or(1),
        })
    };
    rows.iter().map(table).collect()
}

/// Bytes of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    /// The heap with its maps, and its toast.
    pub table: u64,
    pub indexes: u64,
    /// The toast alone, with its index.
    pub toast: u64,
}

impl Bytes {
    /// All of it.
    pub const fn total(self) -> u64 {
        self.table + self.indexes
    }

    /// The heap with its maps.
    pub const fn heap(self) -> u64 {
        self.table.saturating_sub(self.toast)
    }
}

/// What was measured, and what was in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// By the table's oid.
    pub bytes: HashMap<u32, Bytes>,
    /// Tables that another session held exclusively. For those in neither the time was up.
    pub locked: HashSet<u32>,
}

impl Measured {
    /// Why a table has no size; `None` where it has one.
    pub fn why_not(&self, oid: u32) -> Option<NotMeasured> {
        if self.bytes.contains_key(&oid) {
            None
        } else if self.locked.contains(&oid) {
            Some(NotMeasured::Locked)
        } else {
            Some(NotMeasured::NoTime)
        }
    }
}

/// Measures tables by oid, as long as there is time.
pub(super) async fn measure(reader: &Reader, tables: &[u32], budget: Duration) -> Result<Measured, QueryError> {
    let give_up = Instant::now() + budget;
    let mut measured = Measured::default();
    let mut slices: Vec<Vec<u32>> = tables.chunks(SLICE).rev().map(<[u32]>::to_vec).collect();
    while let Some(slice) = slices.pop() {
        if Instant::now() >= give_up {
            break;
        }
        let locked = locked(reader, &slice).await?;
        let free: Vec<u32> = slice.into_iter().filter(|oid| !locked.contains(oid)).collect();
        measured.locked.extend(locked);
        if free.is_empty() {
            continue;
        }
        match reader.rows(&bind(MEASURE, &[("oids", &oid_array(&free))])).await {
            Ok(rows) => {
                for row in rows {
                    // A table dropped since it was listed has no size.
                    if let (Some(oid), Some(table), Some(indexes), Some(toast)) =
                        (row.parse(0)?, row.parse(1)?, row.parse(2)?, row.parse(3)?)
                    {
                        measured.bytes.insert(oid, Bytes { table, indexes, toast });
                    }
                }
            }
            // Somebody locked one of them between the two questions: each half is asked again.
            Err(QueryError::Server { sqlstate, .. }) if sqlstate == "55P03" => {
                if free.len() > 1 {
                    let (one, two) = free.split_at(free.len() / 2);
                    slices.push(two.to_vec());
                    slices.push(one.to_vec());
                } else {
                    measured.locked.extend(free);
                }
            }
            // So many or such slow files: what is measured stands.
            Err(QueryError::Timeout { .. }) if !reader.is_closed() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(measured)
}

async fn locked(reader: &Reader, tables: &[u32]) -> Result<HashSet<u32>, QueryError> {
    let rows = reader.rows(&bind(LOCKED_TABLES, &[("oids", &oid_array(tables))])).await?;
    rows.iter().filter_map(|row| row.parse(0).transpose()).collect()
}
