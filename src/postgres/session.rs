//! Sessions: the read-only one that everything but jobs uses, and the raw one for jobs.

use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::text::Untrusted;

/// Everything needed to open sessions of one database: where, who, how. Made once; the password is asked once.
#[derive(Clone)]
pub struct Target {
    /// The database's configuration.
    pub config: Arc<config::Database>,
    /// `user@host:port/dbname` without the password, for messages.
    pub address: Untrusted,
    // The link room adds what it needs: parsed conninfo, TLS connector, password.
}

/// What a session turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `server_version`, as `15.20`.
    pub version: String,
    /// `server_version_num`, as 150020.
    pub version_num: u32,
    /// The session's user.
    pub user: Untrusted,
    /// The user is a superuser.
    pub superuser: bool,
    /// The key's pid equals `pg_backend_pid()`: no pooler between (poolers.md A.1).
    pub direct: bool,
    /// `pg_is_in_recovery()`.
    pub standby: bool,
    /// `pg_control_system()`'s identifier; `None` where the role may not read it.
    pub system_identifier: Option<String>,
    /// The timeline (first 8 hex digits of the WAL file name); `None` on a standby.
    pub timeline: Option<String>,
    /// The database's name.
    pub database: Untrusted,
    /// The database's oid.
    pub database_oid: u32,
    /// TLS is in use.
    pub tls: bool,
    /// Protections that the server refused or lacks, weak TLS and the like, in words.
    pub warnings: Vec<Untrusted>,
}

/// Why a session could not be opened, or was lost. Its `Display` says what failed, why, and what to do next; it
/// never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct LinkError {
    /// What kind, for the link's state machine.
    pub kind: LinkErrorKind,
    /// Host, port, user, database, the server's words, the hint.
    pub message: Untrusted,
}

/// Kinds of link errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkErrorKind {
    /// Wrong password, role or database, TLS that cannot be: trying again will not help.
    Refused,
    /// Nobody answers, or the connection broke: trying again may help.
    Unreachable,
}

/// What failed when a question was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The server refused the statement.
    #[error("{} ({sqlstate})", message.safe())]
    Server {
        /// Its code.
        sqlstate: String,
        /// Its words.
        message: Untrusted,
    },
    /// The answer did not come in time; the statement was cancelled.
    #[error("no answer within {} ms; the statement was cancelled", after.as_millis())]
    Timeout {
        /// How long we waited.
        after: Duration,
    },
    /// The link broke.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The answer was not of the expected form.
    #[error("unexpected answer: {}", what.safe())]
    Unexpected {
        /// What was wrong with it.
        what: Untrusted,
    },
}

/// One row of a simple query: text columns.
#[derive(Debug, Clone)]
pub struct TextRow {
    columns: Vec<Option<Box<str>>>,
}

impl TextRow {
    /// A row of these columns; for tests of parsers.
    #[must_use]
    pub fn new(columns: Vec<Option<Box<str>>>) -> Self {
        Self { columns }
    }

    /// The text of a column, `None` for NULL or where there is no such column.
    #[must_use]
    pub fn text(&self, index: usize) -> Option<&str> {
        self.columns.get(index).and_then(Option::as_deref)
    }

    /// A column parsed; `None` for NULL.
    ///
    /// # Errors
    /// When the text does not parse.
    pub fn parse<T: std::str::FromStr>(&self, index: usize) -> Result<Option<T>, QueryError> {
        self.text(index)
            .map(|text| {
                text.parse().map_err(|_| QueryError::Unexpected {
                    what: Untrusted::new(format!("column {} holds {text:?}", index + 1)),
                })
            })
            .transpose()
    }

    /// A boolean column (`t` or `f`); NULL and everything else is false.
    #[must_use]
    pub fn is_true(&self, index: usize) -> bool {
        self.text(index) == Some("t")
    }
}

/// How long a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The dashboard waits for it: statement_timeout 5 s.
    Foreground,
    /// The background collector: 60 s.
    Background,
}

/// A read-only session. It sends simple queries only (safe behind any pooler) and has no way to write.
pub struct Reader {
    // The link room owns the fields.
    _private: (),
}

impl Reader {
    /// Opens a session: connects, finds out whether it is direct, then applies the read-only settings
    /// (lock_timeout 200 ms, default_transaction_read_only); behind a pooler each read carries them itself.
    ///
    /// # Errors
    /// When the server cannot be reached or will not have us.
    pub async fn open(_target: &Target, _patience: Patience) -> Result<Self, LinkError> {
        todo!("link room")
    }

    /// What the session turned out to be.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        todo!("link room")
    }

    /// Sends one or more SELECT statements in one message; one list of rows for each. Cancelled (by the cancel of
    /// poolers.md B) when it takes longer than the session's patience.
    ///
    /// # Errors
    /// When the server refuses one of them (none of the results is returned), or the link breaks.
    pub async fn read(&self, _sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
        todo!("link room")
    }

    /// One statement's rows.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn rows(&self, sql: &str) -> Result<Vec<TextRow>, QueryError> {
        Ok(self.read(sql).await?.pop().unwrap_or_default())
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        todo!("link room")
    }
}

/// A session that may write: for `jobs`, `migrations::apply` and `demo` only.
pub struct WriterSession {
    /// The client.
    pub client: tokio_postgres::Client,
    /// What it turned out to be.
    pub facts: ServerFacts,
    // The link room adds: the connection task, the cancel.
}

/// Opens a raw session with this `application_name` (cut at 63 bytes) and no other setting. `jobs` sets its own
/// timeouts after checking that it is direct.
///
/// # Errors
/// When the server cannot be reached or will not have us.
pub async fn connect_writer(_target: &Target, _application_name: &str) -> Result<WriterSession, LinkError> {
    todo!("link room")
}
