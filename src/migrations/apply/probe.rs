//! Whether the work of a statement outside of a transaction is there: asked before it is sent, after it came back, and
//! by whoever finds a step whose statement may have been sent by a worker that is gone.

use tokio_postgres::Client;

use super::step::BOOKKEEPING;
use super::wire::{self, Trouble};
use crate::migrations::alone::Alone;
use crate::model::ident::{Ident, QualifiedName, SchemaName, literal};
use crate::postgres::session::TextRow;

/// Where the tenant's objects are.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The schema.
    pub schema: &'a SchemaName,
    /// Its oid.
    pub oid: u32,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The work is there, whole.
    Done,
    /// Nothing of it is there, or it can be done again.
    Undone,
    /// A part is there that must be cleared first, by these statements, one after another.
    Leftover {
        /// Each is run alone; complete, with all names qualified.
        clear: Vec<String>,
        /// What it is, in words.
        what: String,
    },
    /// A session that is not ours is at work on it now, in words.
    AtWork(String),
    /// Something else has the name, or what it needs is missing: in words.
    Wrong {
        /// The SQLSTATE that the server would give.
        sqlstate: &'static str,
        /// In words.
        words: String,
    },
    /// Nothing tells.
    Unknowable,
}

/// When a probe is asked: what can be done again always counts as undone before, and as done after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the statement is sent.
    Before,
    /// After it came back without an error.
    After,
}

/// Looks.
///
/// # Errors
/// When the server refuses the question or the session is lost.
pub async fn look(client: &Client, place: Place<'_>, what: &Alone, when: When) -> Result<Seen, Trouble> {
    match what {
        Alone::MakeIndex { index, table, .. } => {
            let row = one(client, &index_sql(place, index)).await?;
            Ok(make_index(place, index, table, &row))
        }
        Alone::DropIndex { index, .. } => {
            let row = one(client, &index_sql(place, index)).await?;
            Ok(match row.text(KIND) {
                None => Seen::Done,
                Some("i" | "I") => Seen::Undone,
                Some(_) => wrong("42809", format!("{} is no index", shown(index))),
            })
        }
        Alone::Reindex { relation, concurrently } => reindex(client, place, relation, *concurrently, when).await,
        Alone::Detach { table, partition } => {
            let row = one(client, &partition_sql(place, table, partition)).await?;
            Ok(detach(place, table, partition, &row))
        }
        Alone::Vacuum { .. } => Ok(match when {
            When::Before => Seen::Undone,
            When::After => Seen::Done,
        }),
        Alone::Unprobed => Ok(match when {
            When::Before => Seen::Unknowable,
            When::After => Seen::Done,
        }),
    }
}

async fn one(client: &Client, sql: &str) -> Result<TextRow, Trouble> {
    let rows = wire::ask(client, sql, BOOKKEEPING).await?;
    Ok(rows.into_iter().flatten().next().unwrap_or_else(|| TextRow::new(vec![None; 8])))
}

fn shown(name: &Ident) -> String {
    crate::text::Untrusted::new(name.raw()).safe().to_string()
}

fn wrong(sqlstate: &'static str, words: String) -> Seen {
    Seen::Wrong { sqlstate, words }
}

fn qualified(place: Place<'_>, name: &Ident) -> String {
    QualifiedName { schema: place.schema.clone(), name: name.clone() }.quoted()
}

const KIND: usize = 0;
const VALID: usize = 1;
const TABLE: usize = 2;
const BUILDER: usize = 3;

/// A relation of this name in the schema: its kind, whether it is a valid index, of which table, and who builds it.
fn index_sql(place: Place<'_>, index: &Ident) -> String {
    format!(
        "SELECT c.relkind, i.indisvalid AND i.indisready AND i.indislive, t.relname, {builder} \
         FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid \
         LEFT JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid \
         WHERE c.relnamespace = {oid} AND c.relname = {name}::name",
        builder = builder("i.indrelid"),
        oid = place.oid,
        name = literal(index.raw()),
    )
}

/// The process that builds an index on this table now. An index that is being built is invalid as well, and no
/// leftover. The progress of other roles names no table; the table is locked by whoever builds.
fn builder(table: &str) -> String {
    format!(
        "(SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index AS p JOIN pg_catalog.pg_locks AS l ON l.pid = p.pid \
         WHERE l.relation = {table} AND l.granted AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d \
         WHERE d.datname = pg_catalog.current_database()) AND p.pid <> pg_catalog.pg_backend_pid() LIMIT 1)"
    )
}

fn at_work(pid: &str) -> Seen {
    Seen::AtWork(format!("pid {pid} builds an index on the same table"))
}

fn make_index(place: Place<'_>, index: &Ident, table: &Ident, row: &TextRow) -> Seen {
    match (row.text(KIND), row.text(TABLE)) {
        (None, _) => Seen::Undone,
        (Some("i" | "I"), Some(on)) if on != table.raw() => {
            wrong("42P07", format!("there is an index {} already, on {on}", shown(index)))
        }
        (Some("i" | "I"), _) if row.is_true(VALID) => Seen::Done,
        (Some("i" | "I"), _) => match row.text(BUILDER) {
            Some(pid) => at_work(pid),
            None => Seen::Leftover {
                clear: vec![format!("DROP INDEX CONCURRENTLY IF EXISTS {}", qualified(place, index))],
                what: format!("the invalid index {} of a run that did not end", shown(index)),
            },
        },
        (Some(_), _) => wrong("42P07", format!("there is a relation {} already, and it is no index", shown(index))),
    }
}

async fn reindex(
    client: &Client,
    place: Place<'_>,
    relation: &Ident,
    concurrently: bool,
    when: When,
) -> Result<Seen, Trouble> {
    if !concurrently {
        return Ok(if when == When::Before { Seen::Undone } else { Seen::Done });
    }
    // The copies that REINDEX CONCURRENTLY makes beside an index, and the old ones that it takes away last.
    let sql = format!(
        "WITH of AS (SELECT COALESCE(i.indrelid, c.oid) AS oid FROM pg_catalog.pg_class AS c \
         LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid WHERE c.relnamespace = {oid} AND c.relname = {name}::name) \
         SELECT c.relname, {builder}, n.nspname FROM of JOIN pg_catalog.pg_index AS i ON i.indrelid = of.oid \
         OR i.indrelid = (SELECT t.reltoastrelid FROM pg_catalog.pg_class AS t WHERE t.oid = of.oid AND t.reltoastrelid <> 0) \
         JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' ORDER BY 1",
        builder = builder("of.oid"),
        oid = place.oid,
        name = literal(relation.raw()),
    );
    let rows = wire::ask(client, &sql, BOOKKEEPING).await?;
    let mut clear = Vec::new();
    for row in rows.iter().flatten() {
        if let Some(pid) = row.text(1) {
            return Ok(at_work(pid));
        }
        let parts =
            (SchemaName::existing(row.text(2).unwrap_or_default()), Ident::new(row.text(0).unwrap_or_default()));
        if let (Ok(schema), Ok(name)) = parts {
            clear.push(format!("DROP INDEX CONCURRENTLY IF EXISTS {}", QualifiedName { schema, name }.quoted()));
        }
    }
    Ok(match (clear.is_empty(), when) {
        (false, _) => Seen::Leftover { clear, what: "invalid indexes of a REINDEX that did not end".to_owned() },
        (true, When::Before) => Seen::Undone,
        (true, When::After) => Seen::Done,
    })
}

/// The partition's kind, whether it still belongs to the table, and whether it is on its way out.
fn partition_sql(place: Place<'_>, table: &Ident, partition: &Ident) -> String {
    // Before PostgreSQL 14 there is no such column: as JSON it is NULL then.
    format!(
        "SELECT c.relkind, (SELECT (pg_catalog.to_jsonb(h) ->> 'inhdetachpending')::boolean FROM pg_catalog.pg_inherits AS h \
         WHERE h.inhrelid = c.oid AND h.inhparent = p.oid), EXISTS (SELECT FROM pg_catalog.pg_inherits AS h \
         WHERE h.inhrelid = c.oid AND h.inhparent = p.oid) \
         FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_class AS p ON p.relnamespace = c.relnamespace \
         AND p.relname = {table}::name WHERE c.relnamespace = {oid} AND c.relname = {partition}::name",
        oid = place.oid,
        table = literal(table.raw()),
        partition = literal(partition.raw()),
    )
}

fn detach(place: Place<'_>, table: &Ident, partition: &Ident, row: &TextRow) -> Seen {
    if row.text(0).is_none() {
        return wrong("42P01", format!("there is no table {}", shown(partition)));
    }
    match (row.is_true(2), row.is_true(1)) {
        (false, _) => Seen::Done,
        (true, false) => Seen::Undone,
        (true, true) => Seen::Leftover {
            clear: vec![format!(
                "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                qualified(place, table),
                qualified(place, partition)
            )],
            what: format!("{} on its way out of {}", shown(partition), shown(table)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(name: &str) -> Ident {
        Ident::new(name).expect("a name")
    }

    fn row(columns: [Option<&str>; 4]) -> TextRow {
        TextRow::new(columns.into_iter().map(|column| column.map(Into::into)).collect())
    }

    #[test]
    fn only_a_valid_index_on_the_right_table_is_done() {
        let schema = SchemaName::existing("s\"x").expect("legal");
        let place = Place { schema: &schema, oid: 1 };
        let judge = |columns| make_index(place, &ident("i"), &ident("t"), &row(columns));
        assert_eq!(judge([None; 4]), Seen::Undone);
        assert_eq!(judge([Some("i"), Some("t"), Some("t"), None]), Seen::Done);
        match judge([Some("i"), Some("f"), Some("t"), None]) {
            Seen::Leftover { clear, .. } => assert_eq!(clear, ["DROP INDEX CONCURRENTLY IF EXISTS \"s\"\"x\".\"i\""]),
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(judge([Some("i"), Some("f"), Some("t"), Some("7")]), Seen::AtWork(words) if words.contains("7"))
        );
        assert!(matches!(judge([Some("i"), Some("t"), Some("other"), None]), Seen::Wrong { sqlstate: "42P07", .. }));
        assert!(matches!(judge([Some("r"), None, None, None]), Seen::Wrong { sqlstate: "42P07", .. }));
    }
}
