//! Ledgers as the catalog sees them, and the reading of many of them in chunks.
//!
//! This module knows nothing of migration tools: `migrations::dialects` judges the facts that are brought here and
//! writes the statements that are sent here. It must never read all ledgers in one transaction: over some thousands of
//! tenants that overflows the server's lock table and fails the application's own transactions.

use std::collections::HashMap;
use std::sync::Arc;

use super::session::{QueryError, Reader, TextRow};
use crate::model::ident::{Ident, QualifiedName, SchemaName, literal};
use crate::text;

const CANDIDATES: &str = include_str!("../../assets/sql/ledger_candidates.sql");

/// Ledgers that are read in one message, and so in one transaction: a ledger and its index are two locks, and no
/// reader may hold more than 1,000.
pub const CHUNK: usize = 200;

/// A table that may be a ledger, as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateTable {
    /// The schema's oid.
    pub schema_oid: u32,
    /// The table with its schema.
    pub name: QualifiedName,
    /// The table's oid.
    pub table_oid: u32,
    /// What the relation is.
    pub kind: RelationKind,
    /// Columns and key; shared by all tables that have the same.
    pub shape: Arc<TableShape>,
    /// The role has USAGE on the schema.
    pub may_use_schema: bool,
    /// The role has SELECT on the table.
    pub may_select: bool,
    /// Row level security may hide rows of it from the role.
    pub rows_hidden: bool,
    /// A hint whether the ledger has changed since another reading.
    pub activity: Activity,
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary or partitioned table.
    Table,
    /// A view, a materialised view or a foreign table: not a ledger that a tool made.
    Other,
}

/// Columns and key of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableShape {
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnFact>,
    /// There is a primary key. Looked up only for tables of one column, where it tells tools apart.
    pub primary_key: bool,
}

/// A column of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnFact {
    /// Its name.
    pub name: Box<str>,
    /// Its type: `int8`, `varchar`, `varchar(50)`, `timestamp`...; types that no ledger has are `oid N`.
    pub type_name: Box<str>,
}

/// A hint from the statistics: where it is equal and known, the ledger need not be read again. Counters fall to zero
/// after a crash; that is unknown, never "no change".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Changes with TRUNCATE and rewrites.
    pub filenode: u32,
    /// Rows inserted, updated and deleted; `None` where the statistics do not say.
    pub changes: Option<u64>,
}

impl Activity {
    /// Whether nothing happened between this reading and a later one. Unknown is no.
    #[must_use]
    pub fn is_unchanged(&self, later: &Self) -> bool {
        self.changes.is_some() && self == later
    }

    /// Of two tables together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let changes = self.changes.zip(other.changes).map(|(a, b)| a.wrapping_add(b));
        Self { filenode: self.filenode ^ other.filenode.rotate_left(16), changes }
    }
}

/// All tables of these names, in all schemas, by one catalog query; in no order.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn candidates(reader: &Reader, names: &[String]) -> Result<Vec<CandidateTable>, QueryError> {
    let rows = reader.rows(&candidates_sql(names)).await?;
    parse_candidates(&rows)
}

/// The catalog query of [`candidates`], for those who send it together with others.
#[must_use]
pub fn candidates_sql(names: &[String]) -> String {
    CANDIDATES.replace(":'names'", &name_list(names))
}

/// Names as a literal of `name[]`; odd ones are quoted, as arrays want it.
#[must_use]
pub fn name_list(names: &[String]) -> String {
    let is_plain =
        |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let quoted = |name: &String| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let items: Vec<String> =
        names.iter().map(|name| if is_plain(name) && name != "NULL" { name.clone() } else { quoted(name) }).collect();
    literal(&format!("{{{}}}", items.join(",")))
}

/// The rows of [`candidates_sql`].
///
/// # Errors
/// When a row is not of the expected form.
pub fn parse_candidates(rows: &[TextRow]) -> Result<Vec<CandidateTable>, QueryError> {
    let mut shapes: HashMap<(&str, bool), Arc<TableShape>> = HashMap::new();
    let mut names: HashMap<&str, Ident> = HashMap::new();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        // A name that cannot be an identifier of ours is a name that nothing of ours will be sent to.
        let (Some(schema), Some(table)) = (row.text(1), row.text(3)) else { continue };
        let Ok(schema) = SchemaName::existing(schema) else { continue };
        let table = match names.get(table) {
            Some(known) => known.clone(),
            None => {
                let Ok(ident) = Ident::new(table) else { continue };
                names.insert(table, ident.clone());
                ident
            }
        };
        let signature = (row.text(7).unwrap_or_default(), row.is_true(8));
        let shape = shapes.entry(signature).or_insert_with(|| Arc::new(parse_shape(signature.0, signature.1)));
        found.push(CandidateTable {
            schema_oid: required(row, 0)?,
            name: QualifiedName { schema, name: table },
            table_oid: required(row, 2)?,
            kind: if matches!(row.text(4), Some("r" | "p")) { RelationKind::Table } else { RelationKind::Other },
            shape: Arc::clone(shape),
            may_use_schema: row.is_true(5),
            may_select: row.is_true(6),
            rows_hidden: row.is_true(11),
            activity: Activity {
                filenode: row.parse(9)?.unwrap_or_default(),
                changes: row.parse(10)?.filter(|changes| *changes > 0),
            },
        });
    }
    Ok(found)
}

fn required(row: &TextRow, column: usize) -> Result<u32, QueryError> {
    row.parse(column)?.ok_or_else(|| QueryError::Unexpected {
        what: format!("column {} of the ledger candidates is NULL", column + 1).into(),
    })
}

fn parse_shape(signature: &str, primary_key: bool) -> TableShape {
    let columns = signature
        .split('\u{1e}')
        .filter(|column| !column.is_empty())
        .map(|column| {
            let mut parts = column.split('\u{1f}');
            let name = parts.next().unwrap_or_default();
            let oid = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
            let modifier = parts.next().and_then(|part| part.parse().ok()).unwrap_or(-1);
            ColumnFact { name: name.into(), type_name: type_name(oid, modifier).into() }
        })
        .collect();
    TableShape { columns, primary_key }
}

/// Built-in types have the same oid in every database.
fn type_name(oid: u32, modifier: i32) -> String {
    let name = match oid {
        16 => "bool",
        17 => "bytea",
        18 => "char",
        19 => "name",
        20 => "int8",
        21 => "int2",
        23 => "int4",
        25 => "text",
        114 => "json",
        1009 => "text[]",
        1015 => "varchar[]",
        1042 => "bpchar",
        1043 if modifier > 4 => return format!("varchar({})", modifier - 4),
        1043 => "varchar",
        1114 => "timestamp",
        1184 => "timestamptz",
        1700 => "numeric",
        2950 => "uuid",
        3802 => "jsonb",
        _ => return format!("oid {oid}"),
    };
    name.to_owned()
}

/// What one chunked reading brought.
#[derive(Debug)]
pub struct ChunkedRead<T> {
    /// The rows, or why the server refused this one, in the order of the request.
    pub results: Vec<(T, Result<Vec<TextRow>, QueryError>)>,
    /// Relations that the session opened, at least: a backend keeps every one (about 9 kB), so the caller opens a
    /// new session after some thousands.
    pub relations: usize,
}

/// Sends these statements in messages of at most `chunk`, each message one transaction. Where the server refuses a
/// message, its halves are tried, down to the one statement that fails: its neighbours are read all the same.
///
/// `progress` is called with the number of statements that are done after each message.
///
/// # Errors
/// When the link breaks, or an answer is not of the expected form. A statement that alone takes longer than the
/// session's patience is that statement's own failure.
pub async fn read_chunked<T>(
    reader: &Reader,
    requests: Vec<(T, String)>,
    chunk: usize,
    mut progress: impl FnMut(usize),
) -> Result<ChunkedRead<T>, QueryError> {
    let (ids, statements): (Vec<T>, Vec<String>) = requests.into_iter().unzip();
    let mut answers: Vec<Option<Result<Vec<TextRow>, QueryError>>> = statements.iter().map(|_| None).collect();
    let chunk = chunk.clamp(1, CHUNK);
    // Ranges still to be sent, the next one last.
    let mut todo: Vec<(usize, usize)> =
        (0..statements.len()).step_by(chunk).map(|from| (from, (from + chunk).min(statements.len()))).collect();
    todo.reverse();
    let (mut done, mut relations) = (0, 0);
    while let Some((from, to)) = todo.pop() {
        let message = statements[from..to].join(";\n");
        match reader.read(&message).await {
            Ok(results) if results.len() == to - from => {
                // A ledger and its index.
                relations += 2 * (to - from);
                for (slot, rows) in answers[from..to].iter_mut().zip(results) {
                    *slot = Some(Ok(rows));
                }
                done = to;
            }
            Ok(results) => {
                let what =
                    format!("{} for {}", text::counted(results.len(), "result"), text::counted(to - from, "statement"));
                return Err(QueryError::Unexpected { what: what.into() });
            }
            Err(error @ (QueryError::Server { .. } | QueryError::Timeout { .. })) if to - from == 1 => {
                answers[from] = Some(Err(error));
                done = to;
            }
            Err(QueryError::Server { .. } | QueryError::Timeout { .. }) => {
                let middle = from + (to - from) / 2;
                todo.push((middle, to));
                todo.push((from, middle));
            }
            Err(error @ (QueryError::Link(_) | QueryError::Unexpected { .. })) => return Err(error),
        }
        progress(done);
    }
    let results = ids.into_iter().zip(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Ok(Vec::new()))));
    Ok(ChunkedRead { results: results.collect(), relations })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[&str]) -> TextRow {
        TextRow::new(columns.iter().map(|text| Some((*text).into())).collect())
    }

    #[test]
    fn equal_signatures_are_one_shape() {
        let signature = "id\u{1f}20\u{1f}-1\u{1e}description\u{1f}1043\u{1f}1028";
        let rows = [
            row(&["1", "tenant_a", "10", "schema_migrations", "r", "t", "t", signature, "f", "10", "3"]),
            row(&["2", "tenant_b", "20", "schema_migrations", "v", "f", "t", signature, "f", "20", "0"]),
        ];
        let found = parse_candidates(&rows).expect("legal rows");
        assert!(Arc::ptr_eq(&found[0].shape, &found[1].shape));
        assert_eq!(&*found[0].shape.columns[1].type_name, "varchar(1024)");
        assert_eq!(found[0].activity.changes, Some(3));
        assert_eq!(found[1].activity.changes, None, "zero is unknown: counters fall to zero after a crash");
        assert_eq!(found[1].kind, RelationKind::Other);
        assert!(!found[1].may_use_schema);
    }

    #[test]
    fn the_names_reach_the_query_as_one_literal() {
        let sql = candidates_sql(&["schema_migrations".to_owned(), "SequelizeMeta".to_owned()]);
        assert!(sql.contains("ANY ('{schema_migrations,SequelizeMeta}'::name[])"), "{sql}");
        assert!(!sql.contains(":'"), "every variable is filled in: {sql}");
    }

    #[test]
    fn unknown_activity_is_never_unchanged() {
        let known = Activity { filenode: 1, changes: Some(2) };
        assert!(known.is_unchanged(&known));
        assert!(!known.is_unchanged(&Activity { filenode: 2, changes: Some(2) }));
        assert!(!Activity { filenode: 1, changes: None }.is_unchanged(&Activity { filenode: 1, changes: None }));
    }
}
