//! Rows of cells as an aligned table or as CSV.

use std::io;

use serde_json::Value;

use crate::cli::exit::{Failure, Outcome};
use crate::model::export::{self, Row};
use crate::text::{self, Untrusted};

/// One cell. Unknown is empty in CSV and `-` in a table, never 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Not known, or there is none.
    None,
    /// Text; made safe when it is printed.
    Text(String),
    /// A number, to the right.
    Number(u64),
    /// Text for people, to the right: a size, an age.
    Right(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Number(number) => number.as_u64().map_or_else(|| Self::Text(number.to_string()), Self::Number),
            Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => Self::Text(export::cell(value)),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Untrusted> for Cell {
    fn from(text: &Untrusted) -> Self {
        Self::Text(text.raw().to_owned())
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Text(if yes { "true" } else { "false" }.to_owned())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Self::None, Into::into)
    }
}

impl Cell {
    fn safe(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) | Self::Right(text) => text::sanitise(text),
            Self::Number(number) => number.to_string(),
        }
    }

    const fn is_right(&self) -> bool {
        match self {
            Self::Number(_) | Self::Right(_) => true,
            Self::None | Self::Text(_) => false,
        }
    }
}

/// Rows under heads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these heads.
    #[must_use]
    pub fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new() }
    }

    /// Rows of the contract under their own names.
    #[must_use]
    pub fn of<R: Row>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut table = Self::new(R::COLUMNS);
        for row in rows {
            table.row(row.values().iter().map(Cell::from).collect());
        }
        table
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned columns, two blanks apart; numbers to the right.
    #[must_use]
    pub fn text(&self) -> String {
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::safe).collect()).collect();
        let columns = self.heads.len();
        let right: Vec<bool> = (0..columns)
            .map(|column| self.rows.iter().any(|row| row.get(column).is_some_and(Cell::is_right)))
            .collect();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| text::width(cell));
                cells.chain([text::width(&self.heads[column]), 1]).max().unwrap_or(1)
            })
            .collect();
        let mut out = String::new();
        let heads: Vec<String> = self.heads.iter().map(|head| head.to_uppercase()).collect();
        for row in std::iter::once(&heads).chain(&rows) {
            let mut line = String::new();
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                let cell = if cell.is_empty() { "-" } else { cell };
                let blanks = " ".repeat(width.saturating_sub(text::width(cell)));
                let gap = if column == 0 { "" } else { "  " };
                line.push_str(gap);
                if right[column] {
                    line.push_str(&blanks);
                    line.push_str(cell);
                } else {
                    line.push_str(cell);
                    line.push_str(&blanks);
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// CSV with a header line; unsafe characters are visible escapes.
    ///
    /// # Errors
    /// None that can happen in memory.
    pub fn csv(&self) -> Outcome<String> {
        let wrong = |error: csv::Error| Failure::from(io::Error::other(error));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.heads).map_err(wrong)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::safe)).map_err(wrong)?;
        }
        let bytes = writer.into_inner().map_err(|error| Failure::from(io::Error::other(error.to_string())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["slug", "size_bytes"]);
        table.row(vec!["acme".into(), Cell::Number(12)]);
        table.row(vec!["日本".into(), Cell::None]);
        table.row(vec!["evil\u{1b}[2J,\"x\"\n".into(), Cell::Number(1_000)]);
        table
    }

    #[test]
    fn columns_are_aligned_and_escapes_visible() {
        let text = table().text();
        assert_eq!(
            text,
            "SLUG             SIZE_BYTES\n\
             acme                     12\n\
             日本                      -\n\
             evil\\e[2J,\"x\"\\n        1000\n"
        );
    }

    #[test]
    fn csv_quotes_and_leaves_the_unknown_empty() {
        let csv = table().csv().expect("csv");
        assert_eq!(csv, "slug,size_bytes\nacme,12\n日本,\n\"evil\\e[2J,\"\"x\"\"\\n\",1000\n");
    }
}
