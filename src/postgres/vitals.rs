//! Reads how a server is at this moment: a handful of statements in one message, bounded in rows, and none that looks at
//! relations of tenants.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bind::{bind, oid_array, text_array};
use super::membership::rights_sql;
use super::session::{QueryError, Reader, TextRow};
use crate::model::vitals::{
    Catalog, Facts, LockSession, LockWait, OpenTransaction, Rows, SessionGroup, Totals, TransactionKind, Vitals, tree,
};
use crate::text::Untrusted;

const FACTS: &str = include_str!("../../assets/sql/vitals_facts.sql");
const TOTALS: &str = include_str!("../../assets/sql/vitals_totals.sql");
const SESSIONS: &str = include_str!("../../assets/sql/vitals_sessions.sql");
const LOCKS: &str = include_str!("../../assets/sql/vitals_locks.sql");
const TRANSACTIONS: &str = include_str!("../../assets/sql/vitals_transactions.sql");
const ACTIVITY: &str = include_str!("../../assets/sql/activity.sql");
const CATALOGS: &str = include_str!("../../assets/sql/vitals_catalogs.sql");

/// What a role without `pg_read_all_stats` gets in place of another's query.
const HIDDEN: &str = "<insufficient privilege>";

/// A part of the reading: what it is called, its statement, and where its rows go.
struct Part {
    word: &'static str,
    sql: fn() -> String,
    place: fn(&mut Vitals, &[TextRow]) -> Result<(), QueryError>,
}

const PARTS: [Part; 6] = [
    Part { word: "the server's settings", sql: facts_sql, place: facts },
    Part { word: "the database's counters", sql: || TOTALS.to_owned(), place: totals },
    Part { word: "sessions", sql: || SESSIONS.to_owned(), place: sessions },
    Part { word: "locks", sql: || LOCKS.to_owned(), place: locks },
    Part { word: "open transactions", sql: || TRANSACTIONS.to_owned(), place: transactions },
    // What is kept of vacuums is of the server that vacuums: the facts come first.
    Part { word: "the size of catalogs", sql: || CATALOGS.to_owned(), place: catalogs },
];

/// Reads everything into `vitals`. A part that the server refuses becomes a problem, and the others are read all the same.
///
/// # Errors
/// When the link breaks or does not answer, or an answer has another form than it should.
pub async fn read(reader: &Reader, vitals: &mut Vitals) -> Result<(), QueryError> {
    let all: Vec<String> = PARTS.iter().map(|part| (part.sql)()).collect();
    match reader.read(&all.join(";\n")).await {
        Ok(answers) => {
            for (part, rows) in PARTS.iter().zip(&answers) {
                (part.place)(vitals, rows)?;
            }
            Ok(())
        }
        // One of them spoils the whole message: each by itself then.
        Err(QueryError::Server { .. }) => one_by_one(reader, vitals).await,
        Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => Err(error),
    }
}

async fn one_by_one(reader: &Reader, vitals: &mut Vitals) -> Result<(), QueryError> {
    for part in &PARTS {
        match reader.rows(&(part.sql)()).await {
            Ok(rows) => (part.place)(vitals, &rows)?,
            Err(QueryError::Server { sqlstate, message }) => {
                let words = format!("{} could not be read: {} ({sqlstate})", part.word, message.raw());
                vitals.problems.push(Untrusted::new(words));
            }
            Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => {
                return Err(error);
            }
        }
    }
    Ok(())
}

fn text(row: &TextRow, column: usize) -> Untrusted {
    row.text(column).map(Untrusted::new).unwrap_or_default()
}

fn known(row: &TextRow, column: usize) -> Option<Untrusted> {
    row.text(column).map(Untrusted::new)
}

/// What a session does, or did last; without what may be a password.
fn query(row: &TextRow, column: usize) -> Option<Untrusted> {
    let text = row.text(column).filter(|text| !text.trim().is_empty() && *text != HIDDEN)?;
    Some(Untrusted::new(without_passwords(text)))
}

/// A statement that speaks of a password, with everything after that word cut: it may be anywhere there, in any quotes.
fn without_passwords(sql: &str) -> String {
    // ASCII only changes no byte's place.
    match sql.to_ascii_lowercase().find("password") {
        Some(at) => format!("{} ...", &sql[..at + "password".len()]),
        None => sql.to_owned(),
    }
}

/// A number that is not negative: clocks may be set back between two looks at them.
fn number(row: &TextRow, column: usize) -> Result<Option<u64>, QueryError> {
    Ok(row.parse::<i64>(column)?.map(|number| u64::try_from(number).unwrap_or(0)))
}

/// The facts, and the statement by which the role would see all of them.
fn facts_sql() -> String {
    let helps = rights_sql("CURRENT_USER", "'pg_read_all_stats'::pg_catalog.regrole");
    format!("{}, {helps}", FACTS.trim_end())
}

fn facts(vitals: &mut Vitals, rows: &[TextRow]) -> Result<(), QueryError> {
    let row = rows.first().ok_or_else(|| QueryError::Unexpected { what: "no row about the server".into() })?;
    vitals.facts = Facts {
        role: text(row, 0),
        sees_all: row.is_true(1),
        standby: row.is_true(2),
        uptime_seconds: number(row, 3)?,
        connections: number(row, 4)?.unwrap_or(0),
        max_connections: number(row, 5)?.unwrap_or(0),
        reserved_connections: number(row, 6)?.unwrap_or(0),
        schemas: number(row, 7)?.unwrap_or(0),
        locks_held: number(row, 8)?.unwrap_or(0),
        lock_room: number(row, 9)?.unwrap_or(0),
        autovacuum: row.is_true(10),
        autovacuum_workers: number(row, 11)?.filter(|_| row.is_true(1)),
        autovacuum_max_workers: number(row, 12)?.unwrap_or(0),
        frozen_age: number(row, 13)?.unwrap_or(0),
        freeze_max_age: number(row, 14)?.unwrap_or(0),
        sees_all_by: known(row, 15),
    };
    Ok(())
}

fn sessions(vitals: &mut Vitals, rows: &[TextRow]) -> Result<(), QueryError> {
    let group = |row: &TextRow| -> Result<SessionGroup, QueryError> {
        Ok(SessionGroup {
            database: text(row, 0),
            here: row.is_true(1),
            role: text(row, 2),
            application: text(row, 3),
            state: row.text(4).map(Untrusted::new),
            count: number(row, 5)?.unwrap_or(0),
            oldest_seconds: number(row, 6)?,
        })
    };
    vitals.sessions = rows.iter().map(group).collect::<Result<_, _>>()?;
    Ok(())
}

fn totals(vitals: &mut Vitals, rows: &[TextRow]) -> Result<(), QueryError> {
    let Some(row) = rows.first() else { return Ok(()) };
    let count = |column| Ok::<u64, QueryError>(number(row, column)?.unwrap_or(0));
    vitals.totals = Some(Totals {
        commits: count(0)?,
        rollbacks: count(1)?,
        rows_read: count(2)?,
        rows_written: count(3)?,
        blocks_hit: count(4)?,
        blocks_read: count(5)?,
        deadlocks: count(6)?,
        reset_at: row.text(7).map(str::to_owned),
    });
    Ok(())
}

fn locks(vitals: &mut Vitals, rows: &[TextRow]) -> Result<(), QueryError> {
    let session = |row: &TextRow| -> Result<LockSession, QueryError> {
        let waits = match known(row, 8) {
            None => None,
            Some(kind) => Some(LockWait {
                kind,
                mode: text(row, 9),
                seconds: number(row, 10)?,
                schema: known(row, 11),
                relation: known(row, 12),
            }),
        };
        Ok(LockSession {
            pid: row.parse(0)?.unwrap_or(0),
            role: known(row, 1),
            application: known(row, 2),
            database: known(row, 3),
            state: known(row, 4),
            open_seconds: number(row, 5)?,
            query: query(row, 6),
            waits,
            blocked_by: pids(row, 7)?,
            depth: 0,
        })
    };
    vitals.locks = tree(rows.iter().map(session).collect::<Result<_, _>>()?);
    Ok(())
}

/// An `int[]`, `{4411,4412}`; each pid once, which parallel workers' leaders are not.
fn pids(row: &TextRow, column: usize) -> Result<Vec<i32>, QueryError> {
    let text = row.text(column).unwrap_or_default().trim_matches(['{', '}']);
    let pid = |text: &str| {
        text.parse().map_err(|_| QueryError::Unexpected { what: Untrusted::new(format!("not a pid: {text:?}")) })
    };
    let mut pids: Vec<i32> = text.split(',').filter(|text| !text.is_empty()).map(pid).collect::<Result<_, _>>()?;
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

fn transactions(vitals: &mut Vitals, rows: &[TextRow]) -> Result<(), QueryError> {
    let open = |row: &TextRow| -> Result<OpenTransaction, QueryError> {
        let word = row.text(0).unwrap_or_default();
        let kind = TransactionKind::from_word(word).ok_or_else(|| QueryError::Unexpected {
            what: Untrusted::new(format!("an open transaction of the kind {word:?}")),
        })?;
        Ok(OpenTransaction {
            kind,
            id: text(row, 1),
            role: known(row, 2),
            application: known(row, 3),
            database: known(row, 4),
            state: known(row, 5),
            open_seconds: number(row, 6)?,
            state_seconds: number(row, 7)?,
            xmin_age: number(row, 8)?,
            retained_bytes: number(row, 9)?,
            query: query(row, 10),
        })
    };
    vitals.transactions = rows.iter().map(open).collect::<Result<_, _>>()?;
    Ok(())
}

fn catalogs(vitals: &mut Vitals, rows: &[TextRow]) -> Result<(), QueryError> {
    let counted = !vitals.facts.standby;
    let catalog = |row: &TextRow| -> Result<Catalog, QueryError> {
        Ok(Catalog {
            name: text(row, 0),
            total_bytes: number(row, 1)?.unwrap_or(0),
            live_rows: number(row, 2)?,
            dead_rows: number(row, 3)?.filter(|_| counted),
            trigger_rows: number(row, 4)?.unwrap_or(0),
            vacuumed_seconds: number(row, 5)?.filter(|_| counted),
        })
    };
    vitals.catalogs = rows.iter().map(catalog).collect::<Result<_, _>>()?;
    Ok(())
}

/// Rows read and written in these schemas since the statistics were reset, by their oids. A schema without tables is
/// absent. Tables of the names `ledgers` do not count.
///
/// # Errors
/// When the catalog cannot be read or the link breaks.
pub async fn activity(
    reader: &Reader,
    schemas: &[u32],
    ledgers: &BTreeSet<Arc<str>>,
) -> Result<Vec<(u32, Rows)>, QueryError> {
    if schemas.is_empty() {
        return Ok(Vec::new());
    }
    let values = [("oids", oid_array(schemas)), ("ledgers", text_array(ledgers))];
    let rows = reader.rows(&bind(ACTIVITY, &values.each_ref().map(|(name, value)| (*name, value.as_str())))).await?;
    let one = |row: &TextRow| -> Result<Option<(u32, Rows)>, QueryError> {
        let Some(oid) = row.parse(0)? else { return Ok(None) };
        Ok(Some((oid, Rows { read: number(row, 1)?.unwrap_or(0), written: number(row, 2)?.unwrap_or(0) })))
    };
    rows.iter().map(one).filter_map(Result::transpose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_statement_is_not_shown() {
        assert_eq!(without_passwords("ALTER ROLE \"x\" PASSWORD 'geheim'"), "ALTER ROLE \"x\" PASSWORD ...");
        assert_eq!(without_passwords("create user é passWORD $$x$$ in role y"), "create user é passWORD ...");
        assert_eq!(without_passwords("select 1"), "select 1");
    }

    #[test]
    fn pids_are_told_once() {
        let row = |text: Option<&str>| TextRow::new(vec![text.map(Into::into)]);
        assert_eq!(pids(&row(Some("{7,5,7}")), 0).expect("pids"), [5, 7]);
        assert_eq!(pids(&row(Some("{}")), 0).expect("pids"), Vec::<i32>::new());
        assert_eq!(pids(&row(None), 0).expect("pids"), Vec::<i32>::new());
        assert!(pids(&row(Some("{x}")), 0).is_err());
    }
}
