//! The shared schema in JSON.

use serde::Serialize;

use super::{marks, problems, version, word};
use crate::model::fleet::SharedSchema;

/// A shared schema.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the contract names them")]
pub struct Shared {
    pub database: String,
    pub schema: String,
    pub version: Option<String>,
    pub applied: Option<u32>,
    pub pending: Option<u32>,
    pub state: Option<&'static str>,
    pub tool: Option<&'static str>,
    pub dirty: Option<bool>,
    pub locked: Option<bool>,
    pub problems: Vec<String>,
}

impl From<&SharedSchema> for Shared {
    fn from(shared: &SharedSchema) -> Self {
        let marks = marks(&shared.ledger, shared.state);
        Self {
            database: shared.database.to_string(),
            schema: shared.schema.raw().to_owned(),
            version: version(shared.version.as_ref()),
            applied: shared.applied,
            pending: shared.pending,
            state: word(shared.state),
            tool: marks.tool,
            dirty: marks.dirty,
            locked: marks.locked,
            problems: problems(&shared.problems),
        }
    }
}
