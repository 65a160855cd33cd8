//! The one tenant that is open: exact sizes of its tables, its members, what outside depends on it, its role.
//!
//! Each part is read on its own: one that may not be read is a problem in words, and the others stand.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::bind::bind;
use super::others_code;
use super::session::{QueryError, Reader, TextRow};
use super::sizes::{self, Bytes, ListedTable};
use super::survey;
use crate::layout::Layout;
use crate::layout::judge::TableFacts;
use crate::model::ident::{Ident, SchemaName, literal};
use crate::model::tenant::{Member, TableDetail, Tenant};
use crate::text::Untrusted;

const OBJECTS_OUTSIDE: &str = include_str!("../../assets/sql/objects_outside.sql");

/// How long the tables of one tenant may be measured; what is not done then shows as unmeasured.
const BUDGET: Duration = Duration::from_secs(3);

/// The most objects outside, and members, that are listed.
const MOST_OBJECTS: usize = 100;
const MOST_MEMBERS: usize = 1_000;

/// What the catalog and the layout's tables say of one tenant's schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaDetail {
    /// Its tables, the largest first.
    pub tables: Tables,
    /// Members, where the layout has them.
    pub members: Vec<Member>,
    /// Objects in other schemas that depend on this one.
    pub objects_outside: Vec<Untrusted>,
    /// A login role of the schema's name, as Cloacina makes them.
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
    /// Tables that another session held exclusively, or for which there was no time.
    pub unmeasured: u32,
    /// Relations that the session opened.
    pub relations_opened: u32,
}

/// Reads all of it. A tenant without a schema has an empty detail.
///
/// # Errors
/// When the link breaks or no answer comes; what the server refuses is a problem in the answer.
pub async fn read(reader: &Reader, layout: &Layout, tenant: &Tenant) -> Result<SchemaDetail, QueryError> {
    let mut detail = SchemaDetail::default();
    let (Some(oid), Some(schema)) = (tenant.schema_oid, tenant.schema.as_ref()) else {
        let members = members(reader, layout, tenant, &mut detail.problems).await;
        detail.members = part(reader, members, "members", &mut detail.problems)?;
        return Ok(detail);
    };
    detail.tables = part(reader, tables(reader, oid).await, "sizes", &mut detail.problems)?;
    let members = members(reader, layout, tenant, &mut detail.problems).await;
    detail.members = part(reader, members, "members", &mut detail.problems)?;
    detail.objects_outside =
        part(reader, objects_outside(reader, oid).await, "objects outside the schema", &mut detail.problems)?;
    let code = part(reader, others_code::read(reader, oid).await, "code of others", &mut detail.problems)?;
    detail.problems.extend(code);
    detail.role = part(reader, role(reader, schema).await, "the role", &mut detail.problems)?;
    Ok(detail)
}

/// A part that the server refused, or that took too long, becomes a problem; a lost link is an error of the whole.
fn part<T: Default>(
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

/// Measures the tables of one schema, reached through `pg_depend` by the schema's oid: no USAGE is needed, and
/// the time does not grow with the fleet.
///
/// # Errors
/// When the catalog cannot be read or the link breaks; locks are no error.
pub async fn tables(reader: &Reader, schema_oid: u32) -> Result<Tables, QueryError> {
    let listed = sizes::list(reader, &[schema_oid]).await?;
    let oids: Vec<u32> = listed.iter().map(|table| table.oid).collect();
    let measured = sizes::measure(reader, &oids, BUDGET).await?;
    let facts = reader.facts();
    Ok(rolled_up(
        &listed,
        &measured,
        &Known { statistics: !facts.standby, never_is_negative: facts.version_num >= 140_000 },
    ))
}

/// What this server's catalog can be trusted with.
struct Known {
    /// Counters of live and dead rows are kept (not on a standby).
    statistics: bool,
    /// A table never analysed has -1 rows (PostgreSQL 14), not 0.
    never_is_negative: bool,
}

/// One row for each table that is no partition of another one in the list.
fn rolled_up(listed: &[ListedTable], measured: &HashMap<u32, Bytes>, known: &Known) -> Tables {
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
        match measured.get(&table.oid) {
            Some(bytes) => {
                *tables.total_bytes.get_or_insert(0) += bytes.total();
                tables.relations_opened += table.relations;
            }
            None => tables.unmeasured += 1,
        }
    }
    if listed.is_empty() {
        tables.total_bytes = Some(0);
    }
    tables.list.sort_by(|a, b| b.total_bytes.cmp(&a.total_bytes).then_with(|| a.name.cmp(&b.name)));
    tables
}

fn table_detail(
    table: &ListedTable,
    group: &[&ListedTable],
    measured: &HashMap<u32, Bytes>,
    known: &Known,
) -> TableDetail {
    let bytes: Option<Vec<Bytes>> = group.iter().map(|part| measured.get(&part.oid).copied()).collect();
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

async fn objects_outside(reader: &Reader, oid: u32) -> Result<Vec<Untrusted>, QueryError> {
    let rows = reader.rows(&bind(OBJECTS_OUTSIDE, &[("oid", &oid.to_string())])).await?;
    let more = rows.len() > MOST_OBJECTS;
    let mut objects: Vec<Untrusted> =
        rows.iter().take(MOST_OBJECTS).filter_map(|row| row.text(0)).map(Untrusted::new).collect();
    if more {
        objects.push(Untrusted::new("and more"));
    }
    Ok(objects)
}

async fn role(reader: &Reader, schema: &Untrusted) -> Result<Option<Untrusted>, QueryError> {
    let sql = format!(
        "select r.rolname from pg_catalog.pg_roles r where r.rolname = {} and r.rolcanlogin",
        literal(schema.raw())
    );
    Ok(reader.rows(&sql).await?.first().and_then(|row| row.text(0)).map(Untrusted::new))
}

/// Boundary's memberships of the tenant's id, or Brokkr's generators of its schema; none where there is no such
/// table. What may not be read is a problem with the grant that would help.
async fn members(
    reader: &Reader,
    layout: &Layout,
    tenant: &Tenant,
    problems: &mut Vec<Untrusted>,
) -> Result<Vec<Member>, QueryError> {
    let user = &reader.facts().user;
    let sql = if &*layout.name == "brokkr" {
        let Some(schema) = tenant.schema.as_ref().filter(|_| tenant.schema_oid.is_some()) else {
            return Ok(Vec::new());
        };
        let facts = survey::table_facts(reader, [schema.raw()], ["generators"]).await?;
        let Some(table) = facts.first() else { return Ok(Vec::new()) };
        readable(table, &["id"], user, problems).and_then(|()| generators(table))
    } else {
        let Some(id) = &tenant.id else { return Ok(Vec::new()) };
        let facts = survey::table_facts(reader, ["public"], ["tenant_memberships", "users"]).await?;
        let of = |name: &str| facts.iter().find(|table| table.name == name);
        let Some(table) = of("tenant_memberships") else { return Ok(Vec::new()) };
        let users = of("users").filter(|users| readable(users, &["id"], user, problems).is_some());
        readable(table, &["tenant_id", "user_id"], user, problems).and_then(|()| memberships(table, users, id))
    };
    let Some(sql) = sql else { return Ok(Vec::new()) };
    Ok(reader.rows(&sql).await?.iter().map(member).collect())
}

/// Whether a table may be read where it has these columns; a problem where it may not.
fn readable(table: &TableFacts, columns: &[&str], user: &Untrusted, problems: &mut Vec<Untrusted>) -> Option<()> {
    let has = |name: &&str| table.columns.iter().find(|column| column.name == **name);
    let found: Vec<_> = columns.iter().filter_map(has).collect();
    if found.len() < columns.len() {
        return None;
    }
    if table.usage && found.iter().all(|column| column.readable) {
        return Some(());
    }
    problems.push(Untrusted::new(format!("{} may not be read: {}", table.name, table.grant(&[], user))));
    None
}

fn member(row: &TextRow) -> Member {
    Member {
        id: Untrusted::new(row.text(0).unwrap_or_default()),
        name: Untrusted::new(row.text(1).or(row.text(0)).unwrap_or_default()),
        active: row.text(2).map(|text| matches!(text, "t" | "true" | "active")),
        last_active_at: row.text(3).map(Untrusted::new),
    }
}

/// The first of these columns that the table has and this role may read, quoted.
fn column(table: &TableFacts, names: &[&str]) -> Option<String> {
    let found =
        names.iter().find_map(|name| table.columns.iter().find(|column| column.name == *name && column.readable));
    found.and_then(|column| Ident::new(&column.name).ok()).map(|name| name.quoted())
}

fn from(table: &TableFacts) -> Option<String> {
    let schema = SchemaName::existing(&table.schema).ok()?;
    Ident::new(&table.name).ok().map(|name| schema.qualify(&name))
}

fn text_of(alias: &str, column: Option<String>) -> String {
    column.map_or_else(|| "null".to_owned(), |column| format!("{alias}.{column}::pg_catalog.text"))
}

fn generators(table: &TableFacts) -> Option<String> {
    let (id, table_name) = (column(table, &["id"])?, from(table)?);
    let mut conditions = vec!["true".to_owned()];
    conditions.extend(column(table, &["is_system"]).map(|system| format!("not g.{system}")));
    conditions.extend(column(table, &["deleted_at"]).map(|deleted| format!("g.{deleted} is null")));
    Some(format!(
        "select g.{id}::pg_catalog.text, {}, {}, {} from {table_name} g where {} order by 2 limit {MOST_MEMBERS}",
        text_of("g", column(table, &["name"])),
        text_of("g", column(table, &["is_active"])),
        text_of("g", column(table, &["last_active_at"])),
        conditions.join(" and ")
    ))
}

fn memberships(table: &TableFacts, users: Option<&TableFacts>, tenant_id: &Untrusted) -> Option<String> {
    let (tenant, user) = (column(table, &["tenant_id"])?, column(table, &["user_id"])?);
    let usable = users.and_then(|users| Some((users, column(users, &["id"])?, from(users)?)));
    let (join, name, seen) = match usable {
        Some((users, id, users_name)) => (
            format!(" left join {users_name} u on u.{id}::pg_catalog.text = m.{user}::pg_catalog.text"),
            text_of("u", column(users, &["name", "display_name", "full_name", "email", "username"])),
            text_of("u", column(users, &["last_active_at", "last_login_at", "last_seen_at", "last_login"])),
        ),
        None => (String::new(), "null".to_owned(), "null".to_owned()),
    };
    Some(format!(
        "select m.{user}::pg_catalog.text, {name}, {}, {seen} from {} m{join} where m.{tenant}::pg_catalog.text = {} order by 2, 1 limit {MOST_MEMBERS}",
        text_of("m", column(table, &["status", "active", "is_active"])),
        from(table)?,
        literal(tenant_id.raw())
    ))
}
