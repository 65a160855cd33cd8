//! Exact sizes, for the tenant that is open and for `--exact`. Never for a list that nobody asked to measure: each
//! relation is opened, its bytes are asked of the file system, and the backend keeps it in memory until it ends.
//!
//! A table that another session holds exclusively is not waited for: it is left out and counted.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::bind::{bind, oid_array};
use super::session::{QueryError, Reader, TextRow};
use crate::model::tenant::NotMeasured;
use crate::text::Untrusted;

const SCHEMA_TABLES: &str = include_str!("../../assets/sql/schema_tables.sql");
const LOCKED_TABLES: &str = include_str!("../../assets/sql/locked_tables.sql");
const MEASURE: &str = include_str!("../../assets/sql/measure.sql");

/// Tables measured in one message. The server gives each lock back as soon as its relation is measured; behind a pooler and
/// wherever it may hold on to them until the end, they are few.
const SLICE: usize = 50;

/// Relations opened in one message: a few hundredths of a lock table of the usual size, however many indexes a table has.
const SLICE_RELATIONS: u32 = 250;

/// Rows that a page may be thought to hold, of a table of which nothing else is known.
const ROWS_OF_A_PAGE: u64 = 100;

/// The exact size of one schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactSize {
    /// Bytes of the tables that could be measured, with their indexes and toast.
    pub bytes: u64,
    /// Tables that another session held, or that were not come to.
    pub unmeasured: u32,
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
    /// With those of its toast and all indexes.
    pub all_pages: u64,
    pub live: u64,
    pub dead: u64,
    pub relations: u32,
}

impl ListedTable {
    /// Pages that it may have, for the order alone: of one that was never looked at by vacuum or analyze its rows tell.
    fn weight(&self) -> u64 {
        self.all_pages.max((self.live + self.dead) / ROWS_OF_A_PAGE)
    }
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
            all_pages: row.parse(9)?.unwrap_or_default(),
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
    /// By the table's oid, and when that was.
    pub bytes: HashMap<u32, (Bytes, jiff::Timestamp)>,
    /// Tables that another session held exclusively. Those in neither were not come to.
    pub locked: HashSet<u32>,
}

impl Measured {
    /// What one has.
    pub fn of(&self, oid: u32) -> Option<Bytes> {
        self.bytes.get(&oid).map(|(bytes, _)| *bytes)
    }

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

/// The tables of some schemas, measured in steps that each open few of them: what was never measured comes first, the
/// largest before the others by what the catalog believes, and then what was measured longest ago. So what matters is
/// known first, and whoever goes on later goes on where it ended.
#[derive(Debug, Clone, Default)]
pub struct Measuring {
    pub(super) listed: Vec<ListedTable>,
    pub(super) measured: Measured,
    /// What this pass has still to measure, a message each, the next one last: tables and what each of them opens.
    slices: Vec<Vec<(u32, u32)>>,
}

impl Measuring {
    /// Begins a pass over the tables that these schemas have now. What an earlier pass measured stands until it is
    /// measured again.
    ///
    /// # Errors
    /// When the catalog cannot be read or the link breaks.
    pub async fn begin(&mut self, reader: &Reader, schema_oids: &[u32]) -> Result<(), QueryError> {
        self.listed = list(reader, schema_oids).await?;
        let there: HashSet<u32> = self.listed.iter().map(|table| table.oid).collect();
        self.measured.bytes.retain(|oid, _| there.contains(oid));
        self.measured.locked.clear();
        self.slices = sliced(&self.listed, &self.measured);
        Ok(())
    }

    /// Goes on until the pass is over, so many relations were opened, or a time has come; how many were opened. A backend
    /// keeps each of them in memory: the caller takes a new session after some thousand.
    ///
    /// # Errors
    /// When the link breaks; locks are no error.
    pub async fn go_on(&mut self, reader: &Reader, most: u32, until: Option<Instant>) -> Result<u32, QueryError> {
        let mut opened = 0;
        while opened < most && until.is_none_or(|until| Instant::now() < until) {
            let Some(slice) = self.slices.pop() else { break };
            opened += self.measure(reader, slice).await?;
        }
        Ok(opened)
    }

    /// Whether the pass has come to all of its tables.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.slices.is_empty()
    }

    /// Tables that the pass has come to, and all of them.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let left: usize = self.slices.iter().map(Vec::len).sum();
        (self.listed.len() - left, self.listed.len())
    }

    /// What the schemas have as far as it is measured; one without tables is not there.
    #[must_use]
    pub fn by_schema(&self) -> HashMap<u32, ExactSize> {
        let mut sizes: HashMap<u32, ExactSize> = HashMap::new();
        for table in &self.listed {
            let size = sizes.entry(table.schema).or_default();
            match self.measured.of(table.oid) {
                Some(bytes) => size.bytes += bytes.total(),
                None => size.unmeasured += 1,
            }
        }
        sizes
    }

    async fn measure(&mut self, reader: &Reader, slice: Vec<(u32, u32)>) -> Result<u32, QueryError> {
        let oids: Vec<u32> = slice.iter().map(|(oid, _)| *oid).collect();
        let locked = locked(reader, &oids).await?;
        let (held, free): (Vec<_>, Vec<_>) = slice.into_iter().partition(|(oid, _)| locked.contains(oid));
        for (oid, _) in held {
            self.hold(oid);
        }
        if free.is_empty() {
            return Ok(0);
        }
        let oids: Vec<u32> = free.iter().map(|(oid, _)| *oid).collect();
        match reader.rows(&bind(MEASURE, &[("oids", &oid_array(&oids))])).await {
            Ok(rows) => {
                let now = jiff::Timestamp::now();
                for row in rows {
                    // A table dropped since it was listed has no size.
                    if let (Some(oid), Some(table), Some(indexes), Some(toast)) =
                        (row.parse(0)?, row.parse(1)?, row.parse(2)?, row.parse(3)?)
                    {
                        self.measured.bytes.insert(oid, (Bytes { table, indexes, toast }, now));
                    }
                }
            }
            // Somebody locked one of them between the two questions: each half is asked again.
            Err(QueryError::Server { sqlstate, .. }) if sqlstate == "55P03" => match free.as_slice() {
                [(oid, _)] => self.hold(*oid),
                several => {
                    let (one, two) = several.split_at(several.len() / 2);
                    self.slices.extend([two.to_vec(), one.to_vec()]);
                }
            },
            // So many or such slow files: what is measured stands, and nothing more is asked of such a server.
            Err(QueryError::Timeout { .. }) if !reader.is_closed() => self.slices.clear(),
            Err(error) => return Err(error),
        }
        Ok(free.iter().map(|(_, relations)| relations).sum())
    }

    /// Another session holds one: what it had is not what it has.
    fn hold(&mut self, oid: u32) {
        self.measured.bytes.remove(&oid);
        self.measured.locked.insert(oid);
    }
}

/// The messages of a pass, the first one last.
fn sliced(listed: &[ListedTable], measured: &Measured) -> Vec<Vec<(u32, u32)>> {
    let mut order: Vec<&ListedTable> = listed.iter().collect();
    // `None` is less than any time.
    let last = |table: &ListedTable| measured.bytes.get(&table.oid).map(|(_, at)| *at);
    order.sort_by_cached_key(|table| (last(table), std::cmp::Reverse(table.weight())));
    let mut slices: Vec<Vec<(u32, u32)>> = Vec::new();
    let mut relations = 0;
    for table in order {
        relations += table.relations;
        match slices.last_mut() {
            Some(slice) if slice.len() < SLICE && relations <= SLICE_RELATIONS => {
                slice.push((table.oid, table.relations));
            }
            Some(_) | None => {
                relations = table.relations;
                slices.push(vec![(table.oid, table.relations)]);
            }
        }
    }
    slices.reverse();
    slices
}

async fn locked(reader: &Reader, tables: &[u32]) -> Result<HashSet<u32>, QueryError> {
    let rows = reader.rows(&bind(LOCKED_TABLES, &[("oids", &oid_array(tables))])).await?;
    rows.iter().filter_map(|row| row.parse(0).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, pages: u64, live: u64, relations: u32) -> ListedTable {
        ListedTable {
            schema: 1,
            oid,
            name: format!("t{oid}").into(),
            root: None,
            tuples: -1.0,
            pages,
            all_pages: pages,
            live,
            dead: 0,
            relations,
        }
    }

    fn firsts(slices: &[Vec<(u32, u32)>]) -> Vec<u32> {
        slices.iter().rev().flatten().map(|(oid, _)| *oid).collect()
    }

    #[test]
    fn the_largest_come_first_and_what_was_measured_comes_last_the_oldest_of_it_first() {
        // 3 was never analysed, and its rows say that it is large.
        let listed = [table(1, 10, 0, 4), table(2, 500, 0, 4), table(3, 0, 1_000_000, 4), table(4, 20, 0, 4)];
        let mut measured = Measured::default();
        assert_eq!(firsts(&sliced(&listed, &measured)), [3, 2, 4, 1]);
        let at = |second| jiff::Timestamp::from_second(second).expect("a time");
        measured.bytes.extend([(3, (Bytes::default(), at(20))), (2, (Bytes::default(), at(10)))]);
        assert_eq!(firsts(&sliced(&listed, &measured)), [4, 1, 2, 3]);
    }

    #[test]
    fn a_message_opens_few_relations_however_many_indexes_a_table_has() {
        let many: Vec<ListedTable> = (0..500).map(|oid| table(oid, 0, 0, if oid % 2 == 0 { 4 } else { 60 })).collect();
        let slices = sliced(&many, &Measured::default());
        assert_eq!(firsts(&slices).len(), 500);
        for slice in &slices {
            let relations: u32 = slice.iter().map(|(_, relations)| relations).sum();
            assert!(slice.len() <= SLICE && relations <= SLICE_RELATIONS, "{slice:?}");
        }
        // One that has more by itself is a message of its own.
        assert_eq!(sliced(&[table(1, 1, 0, 900), table(2, 0, 0, 4)], &Measured::default()).len(), 2);
    }
}
