//! The state of a server as it leaves the program.

use serde::Serialize;

use super::{Row, raw};
use crate::model::vitals::SessionGroup;

/// Client sessions that are alike.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct SessionRow {
    pub database: String,
    pub role: String,
    pub application: String,
    pub state: Option<String>,
    pub sessions: u64,
    pub oldest_seconds: Option<u64>,
    pub own: bool,
}

impl Row for SessionRow {
    const COLUMNS: &'static [&'static str] =
        &["database", "role", "application", "state", "sessions", "oldest_seconds", "own"];
}

impl From<&SessionGroup> for SessionRow {
    fn from(group: &SessionGroup) -> Self {
        Self {
            database: group.database.raw().to_owned(),
            role: group.role.raw().to_owned(),
            application: group.application.raw().to_owned(),
            state: raw(group.state.as_ref()),
            sessions: group.count,
            oldest_seconds: group.oldest_seconds,
            own: group.is_own(),
        }
    }
}
