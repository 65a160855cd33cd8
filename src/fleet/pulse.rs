//! The pulse: one small answer that tells whether anything of a fleet may have changed since it was last taken, so that
//! an idle fleet of ten thousand is not read, parsed and compared every few seconds. The server does the sums.

use crate::layout::{Layout, Registry};
use crate::migrations::dialects::candidate_names;
use crate::model::ident::literal;
use crate::postgres::session::{QueryError, Reader};

const PULSE: &str = include_str!("../../assets/sql/pulse.sql");

/// A fingerprint of the registry, the schemas and the ledgers' statistics. Equal ones mean that nothing was seen to
/// change; the statistics may lie, so everything is read again now and then all the same.
pub type Pulse = String;

/// Takes the pulse; `None` where it cannot be taken (a registry by query, a role that may not read whole rows).
///
/// # Errors
/// When the link breaks.
pub async fn take(reader: &Reader, layout: &Layout) -> Result<Option<Pulse>, QueryError> {
    let registry = match &layout.registry {
        Registry::Table { table, .. } => format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(t::pg_catalog.text, 0)) FROM {} AS t",
            table.quoted()
        ),
        Registry::Scan { .. } => "SELECT 0, 0".to_owned(),
        // The configuration's query runs only where it is fenced in.
        Registry::Query { .. } => return Ok(None),
    };
    let names = literal(&format!("{{{}}}", candidate_names().join(",")));
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
