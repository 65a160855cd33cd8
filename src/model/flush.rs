//! The removal of one tenant's cache keys, as it is told.

use crate::text::Untrusted;

/// Where a removal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlushState {
    /// It goes on.
    Running {
        /// Keys removed so far.
        removed: u64,
    },
    /// All that are the tenant's own are gone.
    Done {
        /// Keys removed.
        removed: u64,
        /// Keys that are another row's too: they are kept.
        kept: u64,
    },
    /// It was stopped; done again, it removes the rest.
    Stopped {
        /// Keys removed until then.
        removed: u64,
    },
    /// It came to an error.
    Failed {
        /// What failed, why, and what to do.
        why: Untrusted,
    },
}

impl FlushState {
    /// Whether it goes on.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        match self {
            Self::Running { .. } => true,
            Self::Done { .. } | Self::Stopped { .. } | Self::Failed { .. } => false,
        }
    }
}
