//! The one tenant that is open: its members, what outside depends on it, its role; and exact sizes of its tables, which
//! are measured in steps of their own.
//!
//! Each part is read on its own: one that may not be read is a problem in words, and the others stand.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::bind::{bind, oid_array};
use super::others_code;
use super::questions;
use super::session::{QueryError, Reader};
use super::sizes::{Bytes, ListedTable, Measured, Measuring};
use crate::layout::Layout;
use crate::model::ident::{SchemaName, literal};
use crate::model::tenant::{HealthFact, Member, NotMeasured, TableDetail, Tenant, Unmeasured};
use crate::text::Untrusted;

const OBJECTS_OUTSIDE: &str = include_str!("../../assets/sql/objects_outside.sql");

/// How long the tables of one tenant may be measured at once; what is not done then is said to have had no time.
pub const BUDGET: Duration = Duration::from_secs(3);

/// The most objects outside that are listed.
const MOST_OBJECTS: usize = 100;

/// What the catalog and the layout's tables say of one tenant's schema, besides the sizes of its tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaDetail {
    /// Members, where the layout has them.
    pub members: Vec<Member>,
    /// How it is, by what the layout knows.
    pub health: Vec<HealthFact>,
    /// Objects in other schemas that depend on this one.
    pub objects_outside: Vec<Untrusted>,
    /// The tenant's login role, named as the layout has it, where there is one that may use its schema.
    pub role: Option<Untrusted>,
    /// Parts that could not be read, and why; code that runs with other rights than one would think.
    pub problems: Vec<Untrusted>,
}

/// The measured tables of a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// The largest first, then those that could not be measured, by name. A partitioned table stands for its
    /// partitions.
    pub list: Vec<TableDetail>,
    /// The sum of what could be measured; `None` where nothing could.
    pub total_bytes: Option<u64>,
    /// Tables without a size, and why.
    pub unmeasured: Unmeasured,
    /// When the oldest of the measures was taken; `None` where there is none.
    pub measured_at: Option<jiff::Timestamp>,
}

/// Reads all of it but the tables. A tenant without a schema has an empty detail.
///
/// # Errors
/// When the link breaks or no answer comes; what the server refuses is a problem in the answer.
pub async fn read(reader: &Reader, layout: &Layout, tenant: &Tenant) -> Result<SchemaDetail, QueryError> {
    let mut detail = SchemaDetail::default();
    let answers = part(reader, questions::about(reader, layout, tenant).await, "members", &mut detail.problems)?;
    (detail.members, detail.health) = (answers.members, answers.health);
    detail.problems.extend(answers.problems);
    let (Some(oid), Some(schema)) = (tenant.schema_oid, tenant.schema.as_ref()) else { return Ok(detail) };
    detail.objects_outside =
        part(reader, objects_outside(reader, oid).await, "objects outside the schema", &mut detail.problems)?;
    let code = part(reader, others_code::read(reader, &[oid]).await, "code of others", &mut detail.problems)?;
    detail.problems.extend(code.into_iter().map(|found| found.words));
    let name = SchemaName::existing(schema.raw()).ok().and_then(|schema| match &layout.role {
        Some(role) => role.rule.name_of(tenant.slug.raw(), &schema).ok().map(|role| role.raw().to_owned()),
        None => Some(schema.raw().to_owned()),
    });
    if let Some(name) = name {
        detail.role = part(reader, role(reader, &name, oid).await, "the role", &mut detail.problems)?;
    }
    Ok(detail)
}

/// A part that the server refused, or that took too long, becomes a problem; a lost link is an error of the whole.
///
/// # Errors
/// When the link is lost.
pub fn part<T: Default>(
    reader: &Reader,
    answer: Result<T, QueryError>,
    what: &str,
    problems: &mut Vec<Untrusted>,
) -> Result<T, QueryError> {
    match answer {
        Ok(value) => Ok(value),
        Err(QueryError::Server { sqlstate, message }) => {
            problems.push(Untrusted::new(format!("{what} could not be read: {} ({sqlstate})", message.raw())));
            Ok(T::default())
        }
        Err(error @ QueryError::Timeout { .. }) if !reader.is_closed() => {
            problems.push(Untrusted::new(format!("{what} could not be read: {error}")));
            Ok(T::default())
        }
        Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => Err(error),
    }
}

/// Measures the tables of one schema as far as there is time, reached through `pg_depend` by the schema's oid: no USAGE is
/// needed, and the time does not grow with the fleet.
///
/// # Errors
/// When the catalog cannot be read or the link breaks; locks are no error.
pub async fn tables(reader: &Reader, schema_oid: u32) -> Result<Tables, QueryError> {
    let until = Instant::now() + BUDGET;
    let mut measuring = Measuring::default();
    measuring.begin(reader, &[schema_oid]).await?;
    measuring.go_on(reader, u32::MAX, Some(until)).await?;
    Ok(tables_of(reader, &measuring))
}

/// The tables of a schema as far as they are measured.
#[must_use]
pub fn tables_of(reader: &Reader, measuring: &Measuring) -> Tables {
    let facts = reader.facts();
    let known = Known { statistics: !facts.standby, never_is_negative: facts.version_num >= 140_000 };
    rolled_up(&measuring.listed, &measuring.measured, &known)
}

/// What this server's catalog can be trusted with.
struct Known {
    /// Counters of live and dead rows are kept (not on a standby).
    statistics: bool,
    /// A table never analysed has -1 rows (PostgreSQL 14), not 0.
    never_is_negative: bool,
}

/// One row for each table that is no partition of another one in the list.
fn rolled_up(listed: &[ListedTable], measured: &Measured, known: &Known) -> Tables {
    let here: HashSet<u32> = listed.iter().map(|table| table.oid).collect();
    let mut groups: HashMap<u32, Vec<&ListedTable>> = HashMap::new();
    for table in listed {
        let root = table.root.filter(|root| here.contains(root)).unwrap_or(table.oid);
        groups.entry(root).or_default().push(table);
    }
    let mut tables = Tables::default();
    for table in listed {
        if let Some(group) = groups.get(&table.oid) {
            tables.list.push(table_detail(table, group, measured, known));
        }
        match measured.bytes.get(&table.oid) {
            Some((bytes, at)) => {
                *tables.total_bytes.get_or_insert(0) += bytes.total();
                tables.measured_at = Some(tables.measured_at.map_or(*at, |oldest| oldest.min(*at)));
            }
            None => measured.why_not(table.oid).into_iter().for_each(|why| tables.unmeasured.add(why)),
        }
    }
    if listed.is_empty() {
        tables.total_bytes = Some(0);
    }
    tables.list.sort_by(|a, b| b.total_bytes.cmp(&a.total_bytes).then_with(|| a.name.cmp(&b.name)));
    tables
}

fn table_detail(table: &ListedTable, group: &[&ListedTable], measured: &Measured, known: &Known) -> TableDetail {
    let bytes: Option<Vec<Bytes>> = group.iter().map(|part| measured.of(part.oid)).collect();
    let whys: Vec<NotMeasured> = group.iter().filter_map(|part| measured.why_not(part.oid)).collect();
    let sum = |of: fn(Bytes) -> u64| bytes.as_ref().map(|parts| parts.iter().map(|bytes| of(*bytes)).sum::<u64>());
    // A partitioned table has no rows of its own.
    let parts: Vec<&&ListedTable> = group.iter().filter(|part| group.len() == 1 || part.oid != table.oid).collect();
    let rows: Option<f64> = parts.iter().map(|part| rows(part, known)).sum();
    let (live, dead): (u64, u64) = parts.iter().fold((0, 0), |(live, dead), part| (live + part.live, dead + part.dead));
    let dead_percent = (known.statistics && live + dead > 0).then(|| (dead * 100 + (live + dead) / 2) / (live + dead));
    TableDetail {
        name: table.name.clone(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, not negative")]
        rows_estimate: rows.map(|rows| rows as u64),
        total_bytes: sum(Bytes::total),
        not_measured: if whys.contains(&NotMeasured::Locked) {
            Some(NotMeasured::Locked)
        } else {
            whys.first().copied()
        },
        table_bytes: sum(Bytes::heap),
        index_bytes: sum(|bytes| bytes.indexes),
        toast_bytes: sum(|bytes| bytes.toast),
        dead_percent: dead_percent.and_then(|percent| u8::try_from(percent).ok()),
    }
}

fn rows(table: &ListedTable, known: &Known) -> Option<f64> {
    let never = table.tuples < 0.0 || (!known.never_is_negative && table.tuples == 0.0 && table.pages == 0);
    (!never).then_some(table.tuples)
}

/// The question for objects outside a schema that depend on it; with `of` (class and oid each) only on these of it.
#[must_use]
pub fn objects_outside_sql(oid: u32, of: &[(u32, u32)]) -> String {
    let array = |side: fn(&(u32, u32)) -> u32| oid_array(&of.iter().map(side).collect::<Vec<_>>());
    let (classes, ids) = (array(|object| object.0), array(|object| object.1));
    bind(OBJECTS_OUTSIDE, &[("oid", &oid.to_string()), ("classes", &classes), ("ids", &ids)])
}

/// Objects outside a schema that depend on it, the first hundred and then `and more`.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn objects_outside(reader: &Reader, oid: u32) -> Result<Vec<Untrusted>, QueryError> {
    let rows = reader.rows(&objects_outside_sql(oid, &[])).await?;
    let more = rows.len() > MOST_OBJECTS;
    let mut objects: Vec<Untrusted> =
        rows.iter().take(MOST_OBJECTS).filter_map(|row| row.text(0)).map(Untrusted::new).collect();
    if more {
        objects.push(Untrusted::new("and more"));
    }
    Ok(objects)
}

/// The role of this name, where it is the tenant's of this schema: roles are of the whole server, and another database may
/// have a tenant of the same name.
async fn role(reader: &Reader, name: &str, schema_oid: u32) -> Result<Option<Untrusted>, QueryError> {
    let sql = format!(
        "select r.rolname from pg_catalog.pg_roles r join pg_catalog.pg_namespace n on n.oid = {schema_oid} \
         where r.rolname = {} and r.rolcanlogin and (n.nspowner = r.oid or exists (select from pg_catalog.aclexplode(n.nspacl) x \
         where x.grantee = r.oid and x.privilege_type = 'USAGE'))",
        literal(name)
    );
    Ok(reader.rows(&sql).await?.first().and_then(|row| row.text(0)).map(Untrusted::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(oid: u32, root: Option<u32>) -> ListedTable {
        let name = Untrusted::new(format!("t{oid}"));
        let (tuples, pages, all_pages) = (1.0, 1, 1);
        ListedTable { schema: 1, oid, name, root, tuples, pages, all_pages, live: 1, dead: 0, relations: 1 }
    }

    fn at(second: u64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(i64::try_from(second).expect("small")).expect("a time")
    }

    #[test]
    fn what_was_locked_and_what_there_was_no_time_for_are_told_apart() {
        // 5 is partitioned into 6 and 7.
        let tables = [
            listed(2, None),
            listed(3, None),
            listed(4, None),
            listed(5, None),
            listed(6, Some(5)),
            listed(7, Some(5)),
        ];
        let measured = Measured {
            bytes: [2, 5].map(|oid| (oid, (Bytes { table: 8_192, indexes: 0, toast: 0 }, at(u64::from(oid))))).into(),
            locked: [3, 6].into(),
        };
        let found = rolled_up(&tables, &measured, &Known { statistics: true, never_is_negative: true });
        assert_eq!(found.unmeasured, Unmeasured { locked: 2, no_time: 2 });
        assert_eq!(found.total_bytes, Some(16_384));
        assert_eq!(found.measured_at, Some(at(2)), "as old as the oldest of them");
        let whys: Vec<(&str, Option<NotMeasured>)> =
            found.list.iter().map(|table| (table.name.raw(), table.not_measured)).collect();
        let (locked, no_time) = (Some(NotMeasured::Locked), Some(NotMeasured::NoTime));
        assert_eq!(whys, [("t2", None), ("t3", locked), ("t4", no_time), ("t5", locked)]);
        assert_eq!(found.unmeasured.words().as_deref(), Some("2 locked, 2 more not measured in time"));
        assert_eq!(Unmeasured { locked: 0, no_time: 901 }.words().as_deref(), Some("901 not measured in time"));
        assert_eq!(Unmeasured { locked: 1, no_time: 0 }.words().as_deref(), Some("1 locked, not measured"));
        assert_eq!(Unmeasured::default().words(), None);
    }
}
