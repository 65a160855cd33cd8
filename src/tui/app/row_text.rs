//! A row in full, one value on a line: for reading it.

use serde_json::Value;

use super::output::{cell, cursor_row, sheet};
use super::state::State;
use crate::text::sanitise;

/// The row under the cursor for reading: a line for each column that has a value.
#[must_use]
pub fn row_lines(state: &State) -> Option<String> {
    let sheet = sheet(state);
    let row = sheet.rows.get(cursor_row(state))?;
    let widest = sheet.columns.iter().map(|column| column.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (column, value) in sheet.columns.iter().zip(row).filter(|(_, value)| !value.is_null()) {
        match value {
            // A statement is read as it was written. Its lines stand behind the names: none can pass for another value.
            Value::String(text) if *column == STATEMENT => {
                let names = std::iter::once(*column).chain(std::iter::repeat(""));
                lines.extend(names.zip(statement(text)).map(|(name, line)| format!("{name:<widest$}  {line}")));
            }
            value => lines.push(format!("{column:<widest$}  {}", cell(value))),
        }
    }
    Some(lines.join("\n"))
}

/// The column of the lists that has statements in it.
const STATEMENT: &str = "query";

/// The lines of a statement, each safe.
fn statement(text: &str) -> Vec<String> {
    text.lines().map(|line| sanitise(&line.replace('\t', "    "))).collect()
}
