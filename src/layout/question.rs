//! Questions of a layout file: what is asked about one tenant (its members, its health) or once about the whole fleet, as
//! SQL with the tables that it needs. Pure: `postgres::questions` asks.
//!
//! The SQL is one SELECT. `{schema}` stands for the tenant's schema, quoted; `:'id'`, `:'slug'` and `:'schema'` for its
//! values as literals; `{u.name|email}` for the first of these columns that the table behind the alias `u` has and this
//! role may read, as text, or for null.

use std::collections::HashSet;

use serde::Deserialize;

use super::facts::{ColumnFacts, TableFacts};
use super::naming::SCHEMA_MARK;
use super::statement::one_select;
use crate::model::ident::{Ident, SchemaName, literal};

/// One question. Of several with one name the first is asked whose tables are all there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its word, in JSON.
    pub name: String,
    /// Its words on the screen; the name where there are none.
    pub title: Option<String>,
    /// Tables that must be there.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// The SELECT.
    pub query: String,
    /// Of a tenant's health: its `problem` is asked of every tenant with each reading, not only of the open one.
    #[serde(default)]
    pub of_all: bool,
}

/// A table that a question needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// `schema.table` or `{schema}.table`.
    pub table: String,
    /// Columns that it must have.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The alias by which `{alias.column|...}` means it.
    #[serde(rename = "as")]
    pub alias: Option<String>,
}

/// Whom a question is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The registry's id.
    pub id: Option<&'a str>,
    /// The slug.
    pub slug: Option<&'a str>,
    /// The schema, where it exists.
    pub schema: Option<&'a SchemaName>,
}

/// Why a question is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unasked {
    /// The database has no such tables, or nothing is known that the question needs of the tenant.
    NotThere,
    /// This role may not read one of them.
    Denied {
        /// `schema.table`.
        table: String,
    },
    /// Row level security may hide rows of one of them from this role: what is counted would be less than there is.
    Hidden {
        /// `schema.table`.
        table: String,
    },
}

impl Need {
    /// Schema and table for one tenant; `None` where it has no schema.
    pub fn resolve<'n>(&'n self, subject: Subject<'n>) -> Option<(&'n str, &'n str)> {
        let (schema, table) = self.table.split_once('.')?;
        match schema {
            SCHEMA_MARK => Some((subject.schema?.raw(), table)),
            schema => Some((schema, table)),
        }
    }
}

impl Question {
    /// The words for the screen.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The SQL for one tenant, by what the catalog says of the needed tables.
    ///
    /// # Errors
    /// Where it cannot be asked.
    pub fn sql(&self, subject: Subject<'_>, facts: &[TableFacts]) -> Result<String, Unasked> {
        let mut aliases: Vec<(&str, &TableFacts)> = Vec::new();
        for need in &self.needs {
            let (schema, name) = need.resolve(subject).ok_or(Unasked::NotThere)?;
            let table = facts.iter().find(|table| table.schema == schema && table.name == name);
            let table = table.ok_or(Unasked::NotThere)?;
            let column = |name: &String| table.columns.iter().find(|column| column.name == *name);
            let found: Option<Vec<&ColumnFacts>> = need.columns.iter().map(column).collect();
            let found = found.ok_or(Unasked::NotThere)?;
            let readable = if found.is_empty() {
                table.columns.iter().any(|column| column.readable)
            } else {
                found.iter().all(|column| column.readable)
            };
            if !table.usage || !readable {
                return Err(Unasked::Denied { table: format!("{schema}.{name}") });
            }
            if table.rows_hidden {
                return Err(Unasked::Hidden { table: format!("{schema}.{name}") });
            }
            aliases.extend(need.alias.as_deref().map(|alias| (alias, table)));
        }
        let mut missing = false;
        let sql = filled(&self.query, |mark| match mark {
            Mark::Schema => subject.schema.map(SchemaName::quoted).or_else(|| none(&mut missing)),
            Mark::Value(name) => {
                let value = match name {
                    "id" => subject.id,
                    "slug" => subject.slug,
                    "schema" => subject.schema.map(SchemaName::raw),
                    _ => return None,
                };
                value.map(literal).or_else(|| none(&mut missing))
            }
            Mark::Column(alias, columns) => {
                let (_, table) = aliases.iter().find(|(name, _)| *name == alias)?;
                Some(first_column(alias, columns, table))
            }
        });
        if missing { Err(Unasked::NotThere) } else { Ok(sql) }
    }

    /// What of it cannot be. `fleet`: it is asked once for all tenants, and so names none.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self, fleet: bool) -> Result<(), (&'static str, String)> {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(is_word) {
            return Err(("name", format!("\"{}\" must be lower-case letters, digits and underscores", self.name)));
        }
        for need in &self.needs {
            let sound = need.table.split_once('.').is_some_and(|(schema, table)| {
                (schema == SCHEMA_MARK || SchemaName::existing(schema).is_ok()) && Ident::new(table).is_ok()
            });
            if !sound {
                return Err(("needs", format!("\"{}\" must be schema.table or {{schema}}.table", need.table)));
            }
            if fleet && need.table.starts_with(SCHEMA_MARK) {
                return Err(("needs", format!("\"{}\": a question about the fleet is of no tenant", need.table)));
            }
        }
        if self.of_all {
            self.check_of_all(fleet)?;
        }
        let aliases: HashSet<&str> = self.needs.iter().filter_map(|need| need.alias.as_deref()).collect();
        let mut wrong = None;
        filled(&self.query, |mark| {
            let problem = match mark {
                Mark::Schema | Mark::Value("id" | "slug" | "schema") if fleet => {
                    Some("a question about the fleet is of no tenant".to_owned())
                }
                Mark::Schema | Mark::Value("id" | "slug" | "schema") => None,
                Mark::Value(name) => Some(format!(":'{name}' is none of :'id', :'slug', :'schema'")),
                Mark::Column(alias, _) if aliases.contains(alias) => None,
                Mark::Column(alias, _) => Some(format!("no table of needs is called \"{alias}\" (as = \"{alias}\")")),
            };
            wrong = wrong.take().or(problem);
            Some("null".to_owned())
        });
        if let Some(wrong) = wrong {
            return Err(("query", wrong));
        }
        // As it is sent, so that a placeholder is no syntax.
        let sent = filled(&self.query, |_| Some("null".to_owned()));
        one_select(&sent).map(drop).map_err(|why| ("query", why.raw().to_owned()))
    }
}

impl Question {
    /// Of every tenant only a problem is asked, and only of those whose own tables can have one.
    fn check_of_all(&self, fleet: bool) -> Result<(), (&'static str, String)> {
        if fleet {
            return Err(("of_all", "a question about the fleet is of all tenants already".to_owned()));
        }
        if !self.needs.iter().any(|need| need.table.starts_with(SCHEMA_MARK)) {
            return Err(("of_all", "it must need a table {schema}.table: by it the tenants are found".to_owned()));
        }
        if !self.query.contains("problem") {
            return Err(("of_all", "of all tenants a column \"problem\" is asked, and the query has none".to_owned()));
        }
        Ok(())
    }
}

fn none(missing: &mut bool) -> Option<String> {
    *missing = true;
    None
}

fn first_column(alias: &str, columns: &str, table: &TableFacts) -> String {
    let readable = |name: &&str| table.columns.iter().any(|column| column.name == **name && column.readable);
    let found = columns.split('|').map(str::trim).find(|name| readable(name)).and_then(|name| Ident::new(name).ok());
    match (found, Ident::new(alias)) {
        (Some(column), Ok(alias)) => format!("{}.{}::pg_catalog.text", alias.quoted(), column.quoted()),
        (None | Some(_), _) => "null::pg_catalog.text".to_owned(),
    }
}

/// A place in a query that is filled in.
#[derive(Clone, Copy)]
enum Mark<'a> {
    Schema,
    Value(&'a str),
    Column(&'a str, &'a str),
}

/// Fills the marks in, from left to right, so that a value is never looked at again. What `fill` does not know stays.
fn filled<'q>(query: &'q str, mut fill: impl FnMut(Mark<'q>) -> Option<String>) -> String {
    let mut out = String::with_capacity(query.len() + 64);
    let mut rest = query;
    while let Some(at) = rest.find(['{', ':']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let (mark, length) = mark(tail);
        match mark.and_then(&mut fill) {
            Some(text) => out.push_str(&text),
            None => out.push_str(&tail[..length]),
        }
        rest = &tail[length..];
    }
    out.push_str(rest);
    out
}

/// The mark that a text starts with, and its length.
fn mark(text: &str) -> (Option<Mark<'_>>, usize) {
    if text.starts_with(SCHEMA_MARK) {
        return (Some(Mark::Schema), SCHEMA_MARK.len());
    }
    // A cast is no value.
    if text.starts_with("::") {
        return (None, 2);
    }
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '|' | ' '))
    };
    if let Some((name, _)) =
        text.strip_prefix(":'").and_then(|rest| rest.split_once('\'')).filter(|(name, _)| is_name(name))
    {
        return (Some(Mark::Value(name)), name.len() + 3);
    }
    let column = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).and_then(|(inside, _)| {
        let (alias, columns) = inside.split_once('.')?;
        (is_name(alias) && is_name(columns)).then_some((alias, columns))
    });
    match column {
        Some((alias, columns)) => (Some(Mark::Column(alias, columns)), alias.len() + columns.len() + 3),
        None => (None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(schema: &str, name: &str, columns: &[(&str, bool)]) -> TableFacts {
        TableFacts {
            oid: 1,
            schema: schema.to_owned(),
            name: name.to_owned(),
            usage: true,
            columns: columns
                .iter()
                .map(|(name, readable)| ColumnFacts {
                    name: (*name).to_owned(),
                    type_name: "text".to_owned(),
                    not_null: false,
                    has_default: false,
                    is_generated: false,
                    readable: *readable,
                    words: Vec::new(),
                })
                .collect(),
            pointed_at_by: Vec::new(),
            rows_hidden: false,
        }
    }

    fn question(query: &str) -> Question {
        let need =
            Need { table: "{schema}.users".to_owned(), columns: vec!["id".to_owned()], alias: Some("u".to_owned()) };
        Question { name: "members".to_owned(), title: None, needs: vec![need], query: query.to_owned(), of_all: false }
    }

    #[test]
    fn marks_are_filled_in_once_and_as_what_they_are() {
        let question =
            question("select {u.name|mail} as n, :'id'::uuid, '{a,b}' from {schema}.users u where x = :'slug'");
        let schema = SchemaName::existing("a\"b").expect("legal");
        let subject = Subject { id: Some("it's :'slug' {schema}"), slug: Some("s"), schema: Some(&schema) };
        let facts = [facts("a\"b", "users", &[("id", true), ("name", false), ("mail", true)])];
        assert_eq!(
            question.sql(subject, &facts).expect("asked"),
            "select \"u\".\"mail\"::pg_catalog.text as n, 'it''s :''slug'' {schema}'::uuid, '{a,b}' from \"a\"\"b\".users u where x = 's'"
        );
        let nobody = Subject { id: None, ..subject };
        assert_eq!(question.sql(nobody, &facts), Err(Unasked::NotThere));
        assert_eq!(question.sql(Subject { schema: None, ..subject }, &facts), Err(Unasked::NotThere));
    }

    #[test]
    fn a_question_is_asked_where_its_tables_are_there_and_may_be_read() {
        let question = question("select {u.name} as n from {schema}.users u");
        let schema = SchemaName::existing("acme").expect("legal");
        let subject = Subject { schema: Some(&schema), ..Subject::default() };
        assert_eq!(question.sql(subject, &[]), Err(Unasked::NotThere));
        assert_eq!(question.sql(subject, &[facts("acme", "users", &[("name", true)])]), Err(Unasked::NotThere));
        let denied = question.sql(subject, &[facts("acme", "users", &[("id", false)])]).expect_err("denied");
        assert_eq!(denied, Unasked::Denied { table: "acme.users".to_owned() });
        let hidden = TableFacts { rows_hidden: true, ..facts("acme", "users", &[("id", true)]) };
        let hidden = question.sql(subject, &[hidden]).expect_err("rows may be hidden");
        assert_eq!(hidden, Unasked::Hidden { table: "acme.users".to_owned() });
        let sql = question.sql(subject, &[facts("acme", "users", &[("id", true)])]).expect("asked");
        assert!(sql.starts_with("select null::pg_catalog.text as n"), "{sql}");
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let say = |query: &str, fleet| question(query).check(fleet).expect_err("refused").1;
        assert!(question("select :'id', {u.name} from {schema}.users u;").check(false).is_ok());
        assert!(say("delete from x", false).contains("must be a SELECT"));
        assert!(say("select 1; select 2", false).contains("one statement"));
        assert!(say("select {v.name}", false).contains("as = \"v\""));
        assert!(say("select :'name'", false).contains(":'name'"));
        assert!(say("select 1", true).contains("of no tenant"), "its table is of a tenant");
        let mut fleet = question("select :'slug'");
        fleet.needs.clear();
        assert!(fleet.check(true).expect_err("refused").1.contains("of no tenant"));
        let mut all = Question { of_all: true, ..question("select 1 as problem from {schema}.users") };
        assert!(all.check(false).is_ok());
        assert_eq!(all.check(true).expect_err("refused").0, "needs", "its table is of a tenant");
        all.query = "select 1 as value".to_owned();
        assert!(all.check(false).expect_err("refused").1.contains("\"problem\""));
        all.needs.clear();
        assert_eq!(all.check(false).expect_err("refused").0, "of_all");
        fleet.name = "A b".to_owned();
        assert_eq!(fleet.check(true).expect_err("refused").0, "name");
    }
}
