//! Private, throw-away PostgreSQL and Redis servers from real programs (crates.md 1.2, 1.4).
//!
//! They live in a temporary folder that only the user can enter, run as another user where we are root, and end with
//! this process on every way out: a watchdog holds a pipe to us and kills them when it closes.

use std::path::PathBuf;

/// The programs of a PostgreSQL installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresPrograms {
    /// The folder of `initdb` and `postgres`.
    pub bin: PathBuf,
}

/// Why a server could not be found or started. Its `Display` says what was tried and what to install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServerError(pub String);

/// How a private PostgreSQL is started.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Listen on 127.0.0.1 on this port; 0 takes a free one; `None`: Unix socket only.
    pub tcp_port: Option<u16>,
    /// Further `-c name=value` settings.
    pub settings: Vec<(String, String)>,
    /// Lines of `pg_hba.conf`; empty: trust for local and loopback.
    pub hba: Vec<String>,
}

/// Finds PostgreSQL: `TENANTUI_PG_BINDIR`, `pg_config`, `/usr/lib/postgresql/*/bin`, PATH and the rest of crates.md 1.2.
///
/// # Errors
/// When there is none.
pub fn find_postgres() -> Result<PostgresPrograms, ServerError> {
    todo!("demo room")
}
