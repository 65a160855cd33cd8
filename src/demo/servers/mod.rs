//! Private, throw-away PostgreSQL and Redis servers from real programs (crates.md 1.2, 1.4).
//!
//! They live in a temporary folder that only the user can enter ([`Home`]), run as another user where we are root, and
//! end with this process on every way out: a watchdog process holds a pipe to us, and ends them when it closes.
//! Nothing here knows what the servers are filled with.

mod find;
mod home;
mod postgres;
mod redis;

pub use find::{PostgresPrograms, find_postgres, find_redis};
pub use home::{Home, ServerProcess, ServiceAccount};
pub use postgres::{PostgresOptions, PostgresServer};
pub use redis::{RedisOptions, RedisServer};

/// Why a server could not be found or started. Its `Display` says what was tried and what to install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServerError(pub String);

impl ServerError {
    /// An error of the operating system with what was being done.
    pub(crate) fn io(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self(format!("{doing}: {error}"))
    }
}
