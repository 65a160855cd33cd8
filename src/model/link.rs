//! The link to a database server as one state machine, in plain data.

use crate::text::Untrusted;

/// The state of the link to one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// The first connection is being made.
    Connecting,
    /// Answers come in time.
    Up {
        /// Round trip of the last cheap question, in milliseconds.
        latency_ms: u32,
    },
    /// Connected, but an answer is overdue.
    Slow {
        /// How long the oldest open question has been waiting, in milliseconds.
        waiting_ms: u32,
    },
    /// The connection is gone; the next try is scheduled.
    Lost {
        /// When it was lost.
        since: jiff::Timestamp,
        /// How many tries were made.
        attempt: u32,
        /// When the next one starts.
        next_try: jiff::Timestamp,
        /// The server's or the system's words.
        why: Untrusted,
    },
    /// The server will not have us (wrong password, wrong TLS): no further tries until the operator asks.
    Refused {
        /// What failed, why, and what to change.
        why: Untrusted,
    },
}

impl LinkState {
    /// Whether questions can be asked now.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        match self {
            Self::Up { .. } | Self::Slow { .. } => true,
            Self::Connecting | Self::Lost { .. } | Self::Refused { .. } => false,
        }
    }
}
