//! Data on standard output, everything else on standard error; nothing unsafe on either.

mod fit;
mod table;

use std::io::{self, Write as _};
use std::os::fd::AsFd;

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

/// Columns of the terminal that this is printed on; `None` where it is none: what goes into a file or a pipe is whole.
fn columns(out: &(impl io::IsTerminal + AsFd)) -> Option<usize> {
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(out).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Columns that text on standard output has; without end where that is no terminal.
#[must_use]
pub fn room() -> usize {
    columns(&io::stdout()).unwrap_or(usize::MAX)
}

/// Writes a table to standard output, on a terminal as it fits.
///
/// # Errors
/// As [`data`].
pub fn table(table: &Table) -> Outcome<()> {
    data(&fitted(table))
}

/// A table for standard output, on a terminal as it fits. What there is no room for is named on standard error.
#[must_use]
pub fn fitted(table: &Table) -> String {
    let (text, left_out) = table.within(room());
    if !left_out.is_empty() {
        note(format!("no room for {}: a wider terminal has it, and so has a file or a pipe", left_out.join(", ")));
    }
    text
}

/// A table that is said to the operator beside the data, as it fits there.
#[must_use]
pub fn fitted_note(table: &Table) -> String {
    table.within(columns(&io::stderr()).unwrap_or(usize::MAX)).0
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
