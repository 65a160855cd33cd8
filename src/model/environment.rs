//! Environments of a database: how careful the dashboard has to be.

use std::fmt;

/// How a database is protected. Production and staging start with the write lock closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Customers' data: writes are locked at start, bulk and single writes ask for typed words.
    Production,
    /// Like production, except that opening the write lock asks no typed word.
    Staging,
    /// A developer's own database: writes are open at start.
    Development,
}

impl Environment {
    /// The word of the configuration and of typed confirmations.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        }
    }

    /// The badge of the header: `PROD`, `STAGING` or `DEV`.
    #[must_use]
    pub const fn badge(self) -> &'static str {
        match self {
            Self::Production => "PROD",
            Self::Staging => "STAGING",
            Self::Development => "DEV",
        }
    }

    /// The most careful of these.
    #[must_use]
    pub fn strictest(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().min_by_key(|environment| match environment {
            Self::Production => 0,
            Self::Staging => 1,
            Self::Development => 2,
        })
    }

    /// Whether the dashboard starts with the write lock closed.
    #[must_use]
    pub const fn is_protected(self) -> bool {
        match self {
            Self::Production | Self::Staging => true,
            Self::Development => false,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
