//! How a command ends: its exit status, and the words that go with it.

use crate::fleet::FleetError;
use crate::jobs::flush::FlushError;
use crate::jobs::import::ImportError;
use crate::jobs::orders::OrderError;
use crate::postgres::session::{LinkError, QueryError};
use crate::text;

/// Exit statuses, as product.md has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// 0: done.
    Done,
    /// 1: failed, unknown tenant.
    Failed,
    /// 2: usage, configuration, a name the layout refuses, no target named.
    Usage,
    /// 3: no link to a database.
    NoLink,
    /// 4: some tenants failed or were left out.
    Partly,
    /// 5: refused.
    Refused,
    /// 128 + n: ended by a signal.
    Signal(u8),
    /// As the dashboard ended: 0, or 128 + n.
    Dashboard(u8),
}

impl Status {
    /// The number for the system.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoLink => 3,
            Self::Partly => 4,
            Self::Refused => 5,
            Self::Signal(number) => 128_u8.saturating_add(number),
            Self::Dashboard(code) => code,
        }
    }

    /// The status of two things done one after the other: the first that is not 0.
    #[must_use]
    pub const fn and(self, next: Self) -> Self {
        match self {
            Self::Done => next,
            Self::Failed | Self::Usage | Self::NoLink | Self::Partly | Self::Refused => self,
            Self::Signal(_) | Self::Dashboard(_) => self,
        }
    }
}

/// Why a command ended before its end. The message says what failed, why, and what to do next; it is safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub status: Status,
    /// The words, safe for a terminal; empty: nothing is to be said.
    pub message: String,
}

/// The result of a command's parts.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with these words, from whatever source: they are made safe here.
    #[must_use]
    pub fn new(status: Status, message: impl AsRef<str>) -> Self {
        // Line breaks of our own stay: some messages are lists.
        let lines: Vec<String> = message.as_ref().lines().map(text::sanitise).collect();
        Self { status, message: lines.join("\n") }
    }

    /// Who reads our output has gone: say nothing more.
    #[must_use]
    pub const fn broken_pipe() -> Self {
        Self { status: Status::Signal(13), message: String::new() }
    }

    /// Exit 2.
    #[must_use]
    pub fn usage(message: impl AsRef<str>) -> Self {
        Self::new(Status::Usage, message)
    }

    /// Exit 5.
    #[must_use]
    pub fn refused(message: impl AsRef<str>) -> Self {
        Self::new(Status::Refused, message)
    }

    /// Exit 1.
    #[must_use]
    pub fn failed(message: impl AsRef<str>) -> Self {
        Self::new(Status::Failed, message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::broken_pipe()
        } else {
            Self::failed(format!("the output could not be written: {error}"))
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::new(Status::NoLink, error.to_string())
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let status = match &error {
            QueryError::Link(_) => Status::NoLink,
            QueryError::Server { sqlstate, .. } if sqlstate == NO_PRIVILEGE => Status::Refused,
            QueryError::Server { .. } if error.is_read_only() => Status::Refused,
            QueryError::Server { .. } | QueryError::Timeout { .. } | QueryError::Unexpected { .. } => Status::Failed,
        };
        let advice = advice(&error).unwrap_or_default();
        Self::new(status, format!("{error}{advice}"))
    }
}

/// The SQLSTATE of a privilege that the role lacks.
const NO_PRIVILEGE: &str = "42501";

/// What to do about it, where more can be said than the server did.
fn advice(error: &QueryError) -> Option<&'static str> {
    match error {
        QueryError::Server { sqlstate, .. } if sqlstate == NO_PRIVILEGE => {
            Some("; `tenantui doctor --grants` prints what a role needs")
        }
        QueryError::Server { .. } if error.is_read_only() => Some(
            "; the server takes no writes in this session: it is a standby, or default_transaction_read_only is set for \
             the role or the database",
        ),
        QueryError::Server { .. }
        | QueryError::Link(_)
        | QueryError::Timeout { .. }
        | QueryError::Unexpected { .. } => None,
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        let status = match &error {
            FleetError::Link(_) => Status::NoLink,
            FleetError::Unusable(_) => Status::Usage,
            FleetError::Forbidden(_) => Status::Refused,
        };
        Self::new(status, error.to_string())
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Query(error) => error.into(),
            OrderError::NotInitialised(_) | OrderError::Refused(_) | OrderError::Over(_) | OrderError::Busy { .. } => {
                Self::refused(error.to_string())
            }
            OrderError::Unconfigured(_) => Self::new(Status::Usage, error.to_string()),
            OrderError::Link(_) => Self::new(Status::NoLink, error.to_string()),
        }
    }
}

impl From<FlushError> for Failure {
    fn from(error: FlushError) -> Self {
        match error {
            // A cache is no database, and whatever is the matter with it is one thing: what the command is about failed.
            FlushError::Cache(_) => Self::failed(error.to_string()),
            FlushError::Order(error) => error.into(),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::InTheWay(_) => Self::refused(error.to_string()),
            ImportError::Order(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_the_contract() {
        let all = [Status::Done, Status::Failed, Status::Usage, Status::NoLink, Status::Partly, Status::Refused];
        assert_eq!(all.map(Status::code), [0, 1, 2, 3, 4, 5]);
        assert_eq!(Status::Signal(15).code(), 143);
    }

    #[test]
    fn the_words_of_a_failure_cannot_drive_a_terminal() {
        let failure = Failure::failed("two\nlines \u{1b}[31m");
        assert_eq!(failure.message, "two\nlines \\e[31m");
    }
}
