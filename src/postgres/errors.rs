//! What goes wrong with links and questions, and the rows of answers.

use std::time::Duration;

use crate::text::Untrusted;

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
    #[error("no answer within {} ms; the statement was given up", after.as_millis())]
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

impl QueryError {
    /// Whether the server refused because it takes no writes: a standby (25006, or 0A000 where the transaction was to be
    /// made a writing one), or a session that its role or database makes read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Server { sqlstate, message } => {
                sqlstate == "25006" || (sqlstate == "0A000" && message.raw().contains("recovery"))
            }
            Self::Timeout { .. } | Self::Link(_) | Self::Unexpected { .. } => false,
        }
    }
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

    /// How many columns it has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
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
