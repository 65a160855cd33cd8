//! The structure of schemas, as hashes first and in names where those differ (performance.md 4). Reads the catalog only,
//! by the pages that the caller gives: a page is one statement, and no statement looks at more schemas.

use std::collections::{BTreeMap, HashMap};

use super::session::{QueryError, Reader, TextRow};
use crate::model::ident::literal;

const RAW: &str = include_str!("../../assets/sql/structure_raw.sql");
const LINES: &str = include_str!("../../assets/sql/structure_lines.sql");

/// Schemas that one statement looks at.
pub const PAGE: usize = 50;

/// What a schema consists of: kind and name, with a hash of the definition.
pub type Structure = BTreeMap<(String, String), String>;

/// A hash for each of these schemas, at most [`PAGE`] of them. Equal hashes mean equal structures; different ones may.
/// A schema with nothing in it, and one that is not there, have none.
///
/// # Errors
/// When the catalog cannot be read in time.
pub async fn hashes(reader: &Reader, oids: &[u32]) -> Result<HashMap<u32, String>, QueryError> {
    let rows = reader.rows(&of(RAW, oids)).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let (Some(oid), Some(hash)) = (row.parse(0)?, row.text(1)) {
            found.insert(oid, hash.to_owned());
        }
    }
    Ok(found)
}

/// The structures of these schemas, at most [`PAGE`] of them.
///
/// # Errors
/// When the catalog cannot be read in time.
pub async fn structures(reader: &Reader, oids: &[u32]) -> Result<HashMap<u32, Structure>, QueryError> {
    parse(&reader.rows(&sql(oids)).await?, oids)
}

/// The one SELECT of [`structures`], where it is sent otherwise than by a reader.
#[must_use]
pub fn sql(oids: &[u32]) -> String {
    of(LINES, oids)
}

/// What it answered.
///
/// # Errors
/// When that has another form.
pub fn parse(rows: &[TextRow], oids: &[u32]) -> Result<HashMap<u32, Structure>, QueryError> {
    let mut found: HashMap<u32, Structure> = oids.iter().map(|oid| (*oid, Structure::new())).collect();
    for row in rows {
        let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
        if let Some(structure) = row.parse(0)?.and_then(|oid: u32| found.get_mut(&oid)) {
            structure.insert((text(1), text(2)), text(3));
        }
    }
    Ok(found)
}

fn of(sql: &str, oids: &[u32]) -> String {
    let list: Vec<String> = oids.iter().map(u32::to_string).collect();
    sql.replace(":'oids'", &literal(&format!("{{{}}}", list.join(","))))
}

/// How a structure differs from the one that it should be: `column users.email is missing`.
#[must_use]
pub fn differences(should: &Structure, is: &Structure) -> Vec<String> {
    let mut found = Vec::new();
    for ((kind, name), definition) in should {
        match is.get(&(kind.clone(), name.clone())) {
            None if owner_missing(should, is, kind, name) => {}
            None => found.push(format!("{kind} {name} is missing")),
            Some(other) if other != definition => found.push(format!("{kind} {name} differs")),
            Some(_) => {}
        }
    }
    for (kind, name) in is.keys() {
        let key = (kind.clone(), name.clone());
        if !should.contains_key(&key) && !owner_missing(is, should, kind, name) {
            found.push(format!("{kind} {name} is there and should not be"));
        }
    }
    found
}

/// Whether the table of a column (a constraint, a trigger) is missing as well: that alone is said then.
fn owner_missing(with: &Structure, without: &Structure, kind: &str, name: &str) -> bool {
    if !matches!(kind, "column" | "constraint" | "trigger" | "policy") {
        return false;
    }
    ["table", "view", "materialized view", "foreign table"].iter().any(|owner| {
        with.keys().any(|(kind, table)| {
            kind == owner
                && name.strip_prefix(table.as_str()).is_some_and(|rest| rest.starts_with('.'))
                && !without.contains_key(&(kind.clone(), table.clone()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(parts: &[(&str, &str, &str)]) -> Structure {
        parts.iter().map(|(kind, name, hash)| (((*kind).to_owned(), (*name).to_owned()), (*hash).to_owned())).collect()
    }

    #[test]
    fn differences_are_named_once() {
        let should = structure(&[
            ("table", "users", "1"),
            ("column", "users.id", "1"),
            ("column", "users.email", "1"),
            ("index", "users_email", "1"),
            ("table", "carts", "1"),
            ("column", "carts.id", "1"),
        ]);
        let is = structure(&[
            ("table", "users", "1"),
            ("column", "users.id", "2"),
            ("index", "users_email", "1"),
            ("index", "mine", "1"),
        ]);
        assert_eq!(
            differences(&should, &is),
            [
                "column users.email is missing",
                "column users.id differs",
                "table carts is missing",
                "index mine is there and should not be"
            ]
        );
        assert!(differences(&should, &should).is_empty());
    }
}
