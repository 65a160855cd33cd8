//! What the answering server is right now. A session outlives a promotion, so what it found out when it was opened
//! says nothing about later: this is asked with every reading.

use std::time::Duration;

use super::session::{Patience, QueryError, Reader, TextRow};
use crate::model::server::{Lag, Replica};

const ROLE: &str = include_str!("../../assets/sql/server_role.sql");

/// The answer, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNow {
    /// How it follows, where it is a standby.
    pub replica: Option<Replica>,
    /// Its timeline, 8 hex digits; `None` on a standby, and where the role may not read it.
    pub timeline: Option<String>,
    /// How far a standby has replayed; another text means that something was replayed.
    pub replayed: Option<String>,
    /// The round trip.
    pub took: Duration,
}

impl ServerNow {
    /// Whether this is still what the session took the server for when it was opened.
    #[must_use]
    pub fn is_as_opened(&self, reader: &Reader) -> bool {
        let facts = reader.facts();
        let same_timeline = match (&facts.timeline, &self.timeline) {
            (Some(then), Some(now)) => then == now,
            (None, _) | (_, None) => true,
        };
        facts.standby == self.replica.is_some() && same_timeline
    }
}

/// Asks. The answer is small and waits for no lock: none within five seconds is a link that does not work.
///
/// # Errors
/// When the link breaks or does not answer.
pub async fn now(reader: &Reader) -> Result<ServerNow, QueryError> {
    let started = std::time::Instant::now();
    let limit = Patience::Foreground.limit();
    let mut now = match reader.rows_within(ROLE, limit).await {
        Ok(rows) => parse(rows.first())?,
        // A function that was revoked, or a promotion between two of them: the least will do.
        Err(QueryError::Server { .. }) => {
            let rows = reader.rows_within("SELECT pg_catalog.pg_is_in_recovery()", limit).await?;
            parse(rows.first())?
        }
        Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => {
            return Err(error);
        }
    };
    now.took = started.elapsed();
    Ok(now)
}

fn parse(row: Option<&TextRow>) -> Result<ServerNow, QueryError> {
    let row = row.ok_or_else(|| QueryError::Unexpected { what: "no row about the server".into() })?;
    let lag = match row.parse::<i64>(3)? {
        None => Lag::Unknown,
        Some(bytes) => match u64::try_from(bytes) {
            // A standby that was restarted takes its WAL again from the start of a segment.
            Err(_) | Ok(0) => Lag::None,
            Ok(bytes) => {
                Lag::Behind { bytes, age_seconds: row.parse::<i64>(4)?.map(|age| u64::try_from(age).unwrap_or(0)) }
            }
        },
    };
    let replica = Replica { receiving: row.is_true(6), paused: row.is_true(5), lag };
    Ok(ServerNow {
        replica: row.is_true(0).then_some(replica),
        timeline: row.text(1).map(str::to_owned),
        replayed: row.text(2).map(str::to_owned),
        took: Duration::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[&str]) -> ServerNow {
        let columns = columns.iter().map(|text| (!text.is_empty()).then(|| (*text).into())).collect();
        parse(Some(&TextRow::new(columns))).expect("legal")
    }

    #[test]
    fn equal_positions_are_no_lag_however_old_the_last_commit_is() {
        let idle = of(&["t", "", "0/3000148", "0", "86400", "f", "t"]);
        assert_eq!(idle.replica, Some(Replica { receiving: true, paused: false, lag: Lag::None }));
        let restarted = of(&["t", "", "0/3000148", "-328", "3", "f", "t"]);
        assert_eq!(restarted.replica.map(|replica| replica.lag), Some(Lag::None));
        let behind = of(&["t", "", "0/3000148", "448", "4", "t", "f"]);
        let lag = Lag::Behind { bytes: 448, age_seconds: Some(4) };
        assert_eq!(behind.replica, Some(Replica { receiving: false, paused: true, lag }));
        let archive = of(&["t", "", "0/3000148", "", "", "f", "f"]);
        assert_eq!(archive.replica.map(|replica| replica.lag), Some(Lag::Unknown));
    }

    #[test]
    fn a_primary_has_a_timeline_and_no_lag() {
        let primary = of(&["f", "00000002", "", "", "", "", ""]);
        assert_eq!((primary.replica, primary.timeline.as_deref()), (None, Some("00000002")));
        assert!(parse(None).is_err());
    }
}
