//! Reads how a server is at this moment: a handful of statements in one message, bounded in rows, and none that looks at
//! relations of tenants.

use super::session::{QueryError, Reader, TextRow};
use crate::model::vitals::{Facts, SessionGroup, Vitals};
use crate::text::Untrusted;

const FACTS: &str = include_str!("../../assets/sql/vitals_facts.sql");
const SESSIONS: &str = include_str!("../../assets/sql/vitals_sessions.sql");

/// A part of the reading: what it is called, its statement, and where its rows go.
struct Part {
    word: &'static str,
    sql: &'static str,
    place: fn(&mut Vitals, &[TextRow]) -> Result<(), QueryError>,
}

const PARTS: [Part; 2] = [
    Part { word: "the server's settings", sql: FACTS, place: facts },
    Part { word: "sessions", sql: SESSIONS, place: sessions },
];

/// Reads everything into `vitals`. A part that the server refuses becomes a problem, and the others are read all the same.
///
/// # Errors
/// When the link breaks or does not answer, or an answer has another form than it should.
pub async fn read(reader: &Reader, vitals: &mut Vitals) -> Result<(), QueryError> {
    let all: Vec<&str> = PARTS.iter().map(|part| part.sql).collect();
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
        match reader.rows(part.sql).await {
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

/// A number that is not negative: clocks may be set back between two looks at them.
fn number(row: &TextRow, column: usize) -> Result<Option<u64>, QueryError> {
    Ok(row.parse::<i64>(column)?.map(|number| u64::try_from(number).unwrap_or(0)))
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
