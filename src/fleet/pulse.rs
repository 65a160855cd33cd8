//! The pulse: one small answer that tells whether anything of a fleet may have changed since it was last taken, so that
//! an idle fleet of ten thousand is not read, parsed and compared every few seconds. The server does the sums.

use std::time::Duration;

use crate::layout::{Layout, Registry};
use crate::postgres::ledgers::name_list;
use crate::postgres::session::{QueryError, Reader};

/// The statistics of a standby are its own and know of no change, so what it replays is the only sign of one: looked
/// after at most this often, and at most a twentieth of the time.
const STANDBY_EVERY: Duration = Duration::from_secs(30);

const PULSE: &str = include_str!("../../assets/sql/pulse.sql");

/// A fingerprint of the registry, the schemas and the ledgers' statistics. Equal ones mean that nothing was seen to
/// change; the statistics may lie, so everything is read again now and then all the same.
pub type Pulse = String;

/// Takes the pulse; `None` where it cannot be taken (a registry by query, a role that may not read whole rows).
///
/// # Errors
/// When the link breaks.
pub async fn take(reader: &Reader, layout: &Layout, ledgers: &[String]) -> Result<Option<Pulse>, QueryError> {
    let registry = match &layout.registry {
        Registry::Table { table, .. } => format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(t::pg_catalog.text, 0)) FROM {} AS t",
            table.quoted()
        ),
        Registry::Scan { .. } => "SELECT 0, 0".to_owned(),
        // The configuration's query runs only where it is fenced in.
        Registry::Query { .. } => return Ok(None),
    };
    let names = name_list(ledgers);
    let sql = format!("{registry};\n{}", PULSE.replace(":'names'", &names));
    match reader.read(&sql).await {
        Ok(answers) => {
            let mut pulse = Pulse::new();
            for row in answers.iter().flatten() {
                for column in 0..3 {
                    pulse.push_str(row.text(column).unwrap_or("-"));
                    pulse.push('/');
                }
            }
            Ok(Some(pulse))
        }
        Err(QueryError::Server { .. } | QueryError::Timeout { .. }) => Ok(None),
        Err(error @ (QueryError::Link(_) | QueryError::Unexpected { .. })) => Err(error),
    }
}

/// Whether a standby has replayed something that is worth a reading: `known` is how far it was at the last whole one and
/// how long ago that is, `took` how long it took. Never on a primary, which has no such position.
#[must_use]
pub fn has_replayed(known: Option<(&str, Duration)>, now: Option<&str>, took: Duration) -> bool {
    match (known, now) {
        (Some((then, ago)), Some(position)) => then != position && ago >= STANDBY_EVERY.max(took * 20),
        (None, _) | (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_is_read_again_when_it_replayed_and_not_all_the_time() {
        let seconds = Duration::from_secs;
        let is = |ago, now, took| has_replayed(Some(("0/3000148", seconds(ago))), now, seconds(took));
        assert!(!is(3_600, Some("0/3000148"), 0), "an idle one is quiet");
        assert!(!is(29, Some("0/3000200"), 0));
        assert!(is(30, Some("0/3000200"), 0));
        assert!(!is(30, Some("0/3000200"), 3), "a large fleet is not read all the time");
        assert!(is(60, Some("0/3000200"), 3));
        assert!(!is(60, None, 0), "a primary has its statistics");
        assert!(!has_replayed(None, Some("0/3000200"), seconds(0)));
    }
}
