//! What is wrong with a configuration, where, and what is allowed. Never holds a value: it may be a secret.

use std::fmt;
use std::path::PathBuf;

use crate::text::sanitise;

/// Why there is no configuration. Its `Display` is one line: file, line, column, option, what, allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or the flag or variable that is wrong; boxed to keep results small.
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    place: Place,
    option: Option<String>,
    what: String,
}

/// Where the mistake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, or the file itself.
    File {
        /// Which.
        path: PathBuf,
        /// Line and column, from 1; `None` where the whole file is meant.
        position: Option<(usize, usize)>,
    },
    /// A flag of the command line, such as `--url`.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
}

impl ConfigError {
    pub(super) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { place, option: None, what: what.into() }) }
    }

    pub(super) fn of_option(place: Place, option: &str, what: impl Into<String>) -> Self {
        let mut error = Self::new(place, what);
        error.inner.option = Some(option.to_owned());
        error
    }

    /// Where.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Which option, as `database[2].jobs.parallel`; the databases are counted from 1.
    #[must_use]
    pub fn option(&self) -> Option<&str> {
        self.inner.option.as_deref()
    }

    /// Whether the mistake is on the command line: a usage error.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self.inner.place {
            Place::Flag(_) => true,
            Place::File { .. } | Place::Variable(_) => false,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.place {
            Place::File { path, position } => {
                f.write_str(&sanitise(&path.display().to_string()))?;
                if let Some((line, column)) = position {
                    write!(f, ":{line}:{column}")?;
                }
            }
            Place::Flag(name) | Place::Variable(name) => f.write_str(name)?,
        }
        if let Some(option) = &self.inner.option {
            write!(f, ": {}", sanitise(option))?;
        }
        write!(f, ": {}", sanitise(&self.inner.what))
    }
}

impl std::error::Error for ConfigError {}
