//! A CSV file of tenants, and on which of its lines what stands: as an editor counts them.

use std::collections::HashMap;
use std::path::Path;

use csv::{ErrorKind, StringRecord};

use super::wanted::{Wanted, Wrong};
use crate::cli::exit::{Failure, Outcome, Status};
use crate::text::{counted, sanitise};

/// The columns that may be named.
const COLUMNS: [&str; 4] = ["slug", "name", "plan", "settings"];
/// The most tenants that are made by one order.
const MOST: usize = 100_000;

/// Reads the tenants of a file; lines that are none are added to what is wrong.
///
/// # Errors
/// Exit 2 for a file that cannot be read, lacks a column or has an unknown one.
pub fn read(path: &Path, wrong: &mut Wrong) -> Outcome<Vec<Wanted>> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| Failure::usage(format!("{shown}: it cannot be read: {error}")))?;
    let mut lines = Lines::of(&bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(&*bytes);
    let heads = match reader.headers() {
        Ok(heads) => heads.clone(),
        Err(error) => return Err(unreadable(path, &error, &mut lines, &StringRecord::new())),
    };
    let place = columns(&heads).map_err(|words| {
        let line = lines.at(heads.position().map_or(0, csv::Position::byte));
        Failure::usage(format!("{shown}:{line}: the line of heads {words}"))
    })?;
    let mut wanted = Vec::new();
    let mut any = false;
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(path, &error, &mut lines, &heads))?;
        any = true;
        let line = record.position().map(|position| lines.at(position.byte()));
        if record.len() != heads.len() {
            let fields = counted(record.len(), "field");
            let all: Vec<&str> = heads.iter().map(bare).collect();
            let words = format!("it has {fields}, and the line of heads has {}: {}", heads.len(), all.join(","));
            wrong.add_line(line, Status::Usage, sanitise(&words));
            continue;
        }
        let field = |name: &str| place.get(name).and_then(|at| record.get(*at)).unwrap_or_default().to_owned();
        let optional = |name: &str| Some(field(name)).filter(|text| !text.is_empty());
        wanted.push(Wanted {
            line,
            slug: field("slug"),
            name: field("name"),
            plan: optional("plan"),
            settings: optional("settings"),
        });
        if wanted.len() > MOST {
            return Err(Failure::usage(format!("{shown}: it has more than {MOST} tenants: split it")));
        }
    }
    if !any {
        return Err(Failure::usage(format!("{shown}: it names no tenant: there is nothing to do")));
    }
    Ok(wanted)
}

/// Without what a spreadsheet puts before the first letter.
fn bare(head: &str) -> &str {
    head.trim_start_matches('\u{feff}')
}

/// Where each column stands, or what is wrong with the heads.
fn columns(heads: &StringRecord) -> Result<HashMap<&'static str, usize>, String> {
    let mut place: HashMap<&str, usize> = HashMap::new();
    for (at, head) in heads.iter().enumerate() {
        let head = bare(head);
        let Some(known) = COLUMNS.into_iter().find(|known| known.eq_ignore_ascii_case(head)) else {
            return Err(format!(
                "names a column \"{}\"; the columns are slug,name and, where the registry has them, plan and settings",
                sanitise(head)
            ));
        };
        if place.insert(known, at).is_some() {
            return Err(format!("names {known} twice"));
        }
    }
    match ["slug", "name"].into_iter().find(|column| !place.contains_key(column)) {
        Some(missing) => Err(format!("does not name {missing}: it names the columns, slug,name at least")),
        None => Ok(place),
    }
}

/// Where a file stops being text.
fn unreadable(path: &Path, error: &csv::Error, lines: &mut Lines<'_>, heads: &StringRecord) -> Failure {
    let shown = path.display();
    let Some(line) = error.position().map(|position| lines.at(position.byte())) else {
        return Failure::usage(format!("{shown}: {error}"));
    };
    let words = match error.kind() {
        ErrorKind::Utf8 { err, .. } => {
            let column = heads.get(err.field()).map_or_else(|| format!("field {}", err.field() + 1), sanitise);
            format!("{column} is no UTF-8: save the file as UTF-8")
        }
        _ => error.to_string(),
    };
    Failure::usage(format!("{shown}:{line}: {words}"))
}

/// The lines of a file, counted once from its beginning to its end. The parser counts them too, but says where it was when a
/// record began: before the empty lines in front of it, and between the two bytes that end a line elsewhere.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u64,
}

impl<'b> Lines<'b> {
    const fn of(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    /// The line of what begins at this byte or behind the ends of lines there; never before what was asked for last.
    fn at(&mut self, byte: u64) -> u64 {
        while let Some(here) = self.bytes.get(self.at) {
            let ends = matches!(here, b'\r' | b'\n');
            if self.at as u64 >= byte && !ends {
                break;
            }
            // Of the two bytes the last one counts.
            if ends && !(*here == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n')) {
                self.line += 1;
            }
            self.at += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let text = b"a\n\n\nb\r\nc\rd\r\n\r\n\"x\ny\"\nz";
        let mut lines = Lines::of(text);
        let seen: Vec<u64> = [0, 2, 5, 8, 9, 12, 20].into_iter().map(|byte| lines.at(byte)).collect();
        assert_eq!(seen, [1, 4, 5, 6, 6, 8, 10]);
    }
}
