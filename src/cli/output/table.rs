//! Rows of cells as an aligned table or as CSV.

use std::io;

use serde_json::Value;

use super::fit::{Column, Shape, fit};
use crate::cli::exit::{Failure, Outcome};
use crate::model::export::{self, Row};
use crate::text::{self, Untrusted};

/// What has the same width in every row is printed whole up to this: times, versions, codes.
const WHOLE: usize = 20;

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
    /// Heads of columns that are left out where a terminal has no room, the first first.
    giving_way: &'static [&'static str],
    /// Heads of columns that go on in the lines below.
    wrapped: &'static [&'static str],
}

impl Table {
    /// An empty table with these heads.
    #[must_use]
    pub fn new(heads: &[&str]) -> Self {
        Self {
            heads: heads.iter().map(|head| (*head).to_owned()).collect(),
            rows: Vec::new(),
            giving_way: &[],
            wrapped: &[],
        }
    }

    /// What is left out first on a terminal that has no room for all.
    #[must_use]
    pub const fn giving_way(mut self, heads: &'static [&'static str]) -> Self {
        self.giving_way = heads;
        self
    }

    /// What is read whole, in as many lines as it takes: messages and reasons.
    #[must_use]
    pub const fn wrapping(mut self, heads: &'static [&'static str]) -> Self {
        self.wrapped = heads;
        self
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

    /// Aligned columns, two blanks apart; numbers to the right. As wide as it comes.
    #[must_use]
    pub fn text(&self) -> String {
        self.within(usize::MAX).0
    }

    /// The same in lines of at most so many columns, and the heads of what there was no room for.
    #[must_use]
    pub fn within(&self, columns: usize) -> (String, Vec<&str>) {
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::safe).collect()).collect();
        let facts: Vec<Column> = (0..self.heads.len()).map(|column| self.column(column, &rows)).collect();
        let shape = fit(&facts, columns);
        let mut out = String::new();
        let heads: Vec<String> = self.heads.iter().map(|head| head.to_uppercase()).collect();
        for row in std::iter::once(&heads).chain(&rows) {
            put(&mut out, row, &facts, &shape);
        }
        (out, shape.left_out.iter().map(|column| self.heads[*column].as_str()).collect())
    }

    fn column(&self, column: usize, rows: &[Vec<String>]) -> Column {
        let name = self.heads[column].as_str();
        let cells = || rows.iter().filter_map(|row| row.get(column)).map(|cell| text::width(cell));
        let known = || cells().filter(|width| *width > 0);
        let (head, widest) = (text::width(name), known().max().unwrap_or(0));
        let same = known().all(|width| width == widest) && widest <= WHOLE;
        Column {
            natural: widest.max(head).max(1),
            head,
            cut: !self.rows.iter().any(|row| row.get(column).is_some_and(Cell::is_right)),
            whole: same,
            wraps: self.wrapped.contains(&name),
            empty: widest == 0,
            // Of those the ones that say nothing but 0 go first.
            gives_way: self.giving_way.iter().position(|head| *head == name).map(|place| (self.counts(column), place)),
        }
    }

    /// Whether a column counts something in any row.
    fn counts(&self, column: usize) -> bool {
        let nothing = |cell: &Cell| matches!(cell, Cell::None | Cell::Number(0));
        !self.rows.iter().all(|row| row.get(column).is_none_or(nothing))
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

/// A row: one line, or more where a cell goes on below.
fn put(out: &mut String, row: &[String], facts: &[Column], shape: &Shape) {
    let mut cells: Vec<std::vec::IntoIter<String>> = Vec::with_capacity(shape.shown.len());
    for (column, width) in &shape.shown {
        let cell = row.get(*column).map_or("", String::as_str);
        let cell = if cell.is_empty() { "-" } else { cell };
        let cut = text::width(cell) > *width;
        let lines = if cut && facts[*column].wraps { text::wrap(cell, *width) } else { vec![text::fit(cell, *width)] };
        cells.push(lines.into_iter());
    }
    let lines = cells.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    for _ in 0..lines {
        let mut line = String::new();
        for (at, ((column, width), cell)) in shape.shown.iter().zip(&mut cells).enumerate() {
            let cell = cell.next().unwrap_or_default();
            let blanks = " ".repeat(width.saturating_sub(text::width(&cell)));
            line.push_str(if at == 0 { "" } else { "  " });
            let (before, after) = if !facts[*column].cut { (blanks, String::new()) } else { (String::new(), blanks) };
            line.push_str(&before);
            line.push_str(&cell);
            line.push_str(&after);
        }
        out.push_str(line.trim_end());
        out.push('\n');
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
    fn on_a_narrow_terminal_no_line_is_longer_and_reasons_are_read_whole() {
        let mut table = Table::new(&["tenant", "at", "by", "message"]).giving_way(&["by"]).wrapping(&["message"]);
        let why = "canceling statement due to lock timeout; blocked by pid 4711 of 日本日本日本日本日本";
        for slug in ["acme", "a-tenant-with-a-name-that-is-as-long-as-a-line"] {
            table.row(vec![slug.into(), "2026-01-02 03:04:05Z".into(), "ops@db1 (worker)".into(), why.into()]);
        }
        for columns in [40, 64, 80, 100] {
            let (text, left_out) = table.within(columns);
            assert!(text.lines().all(|line| text::width(line) <= columns), "{columns}:\n{text}");
            assert!(columns < 64 || text.contains("2026-01-02 03:04:05Z"), "{text}");
            assert_eq!(left_out.contains(&"by"), columns < 84, "{columns}:\n{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(words.contains(&"4711") && words.contains(&"canceling"), "{text}");
        }
        assert_eq!(table.within(usize::MAX).0, table.text());
        assert!(table.text().lines().nth(1).is_some_and(|line| line.ends_with(why)), "{}", table.text());
    }

    #[test]
    fn what_counts_nothing_is_left_out_before_what_counts() {
        let mut table = Table::new(&["job", "failed", "blocked"]).giving_way(&["blocked", "failed"]);
        table.row(vec!["migrate 12 tenants".into(), 0_u32.into(), 1_u32.into()]);
        table.row(vec!["migrate 13 tenants".into(), 0_u32.into(), Cell::None]);
        assert_eq!(table.within(30).1, ["failed"]);
        assert_eq!(table.within(20).1, ["failed", "blocked"]);
    }

    #[test]
    fn csv_quotes_and_leaves_the_unknown_empty() {
        let csv = table().csv().expect("csv");
        assert_eq!(csv, "slug,size_bytes\nacme,12\n日本,\n\"evil\\e[2J,\"\"x\"\"\\n\",1000\n");
    }
}
