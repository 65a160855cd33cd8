//! Data on standard output, everything else on standard error; nothing unsafe on either.

mod table;

use std::io::{self, Write as _};

pub use self::table::{Cell, Table};
use super::args::Format;
use super::exit::Outcome;
use crate::text;

/// How data is to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// An aligned table.
    Text,
    /// JSON.
    Json,
    /// CSV.
    Csv,
}

impl From<Format> for Style {
    fn from(format: Format) -> Self {
        match (format.json, format.csv) {
            (true, _) => Self::Json,
            (false, true) => Self::Csv,
            (false, false) => Self::Text,
        }
    }
}

/// Writes data to standard output.
///
/// # Errors
/// When the reader has gone or the file is full.
pub fn data(text: &str) -> Outcome<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes a value as JSON, a line.
///
/// # Errors
/// As [`data`].
pub fn json<T: serde::Serialize>(value: &T) -> Outcome<()> {
    let json = serde_json::to_string(value).map_err(io::Error::other)?;
    let mut json = text::json_for_terminal(&json);
    json.push('\n');
    data(&json)
}

/// Says something to the operator. Each line is made safe.
pub fn note(message: impl AsRef<str>) {
    let mut lines = String::new();
    for line in message.as_ref().lines() {
        lines.push_str(text::sanitise(line).as_str());
        lines.push('\n');
    }
    // At once: standard error keeps nothing back, and each piece would be a system call. Where nobody can be told any
    // more, the exit status still speaks.
    let _ = io::stderr().lock().write_all(lines.as_bytes());
}
