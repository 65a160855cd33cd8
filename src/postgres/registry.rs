//! The rows of the registry: a table in any of its shapes, a query of the configuration, or a scan of schemas.
//!
//! Tolerant: every value comes as text, what a table lacks is `None`, and an odd row is a row with a problem.

use std::collections::HashMap;

use super::bind::{bind, like_pattern, text_array};
pub use super::query::check_query;
use super::query::{run_wrapped, wrap_query};
use super::questions::moment;
use super::session::{QueryError, Reader, TextRow};
use crate::layout::{Column, Domains, Layout, Naming, Registry, RegistryColumns};
use crate::model::ident::{Ident, QualifiedName};
use crate::text::Untrusted;

const SCAN: &str = include_str!("../../assets/sql/scan.sql");

/// More rows than this are an error: a registry of that size is a table of something else.
pub const MAX_ROWS: usize = 200_000;

/// One tenant as the registry lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryRow {
    /// The id, as text.
    pub id: Option<Untrusted>,
    /// The slug; where the row has none, its schema or id, so that it can be named.
    pub slug: Untrusted,
    /// The display name.
    pub name: Option<Untrusted>,
    /// The schema: from its column, else by the rule from the slug. `None` where neither says one.
    pub schema: Option<Untrusted>,
    /// The status, whatever word it is.
    pub status: Option<Untrusted>,
    /// The plan.
    pub plan: Option<Untrusted>,
    /// The status says deleted, or `deleted_at` is set.
    pub deleted: bool,
    /// RFC 3339 in UTC where the column is a timestamp (one without a zone is taken for UTC) or a date; else the
    /// text as it is.
    pub created_at: Option<Untrusted>,
    /// The domains, the primary one first.
    pub domains: Vec<Untrusted>,
    /// What is wrong with the row, in words.
    pub problems: Vec<Untrusted>,
}

impl RegistryRow {
    /// The tenant that a schema is by itself, where no table lists tenants: its slug is read back out of its name; one that
    /// no slug leads to is called as it is.
    #[must_use]
    pub fn of_schema(naming: &Naming, name: &str) -> Self {
        let slug = naming.slug_of(name).map_or_else(|| Untrusted::new(name), Untrusted::from);
        let name = Untrusted::new(name);
        Self {
            id: None,
            slug,
            name: None,
            schema: Some(name),
            status: None,
            plan: None,
            deleted: false,
            created_at: None,
            domains: Vec::new(),
            problems: Vec::new(),
        }
    }
}

/// Why the registry could not be read. Its `Display` says what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The role may not read it.
    #[error("the registry may not be read by this role: {}", grant.safe())]
    NoAccess {
        /// The GRANT that would help.
        grant: Untrusted,
    },
    /// The query of the configuration is wrong.
    #[error("[database.tenants] query: {}", why.safe())]
    BadQuery {
        /// In words.
        why: Untrusted,
    },
    /// More rows than any fleet has.
    #[error("the registry has more than {MAX_ROWS} rows; list the tenants with a query in [database.tenants]")]
    TooMany,
    /// The question failed otherwise.
    #[error("the registry could not be read: {0}")]
    Query(#[from] QueryError),
}

/// Reads the registry: one message, at most [`MAX_ROWS`] rows, in no particular order.
///
/// # Errors
/// When it may not be read, is absent by now, or the configured query is wrong.
pub async fn rows(reader: &Reader, layout: &Layout) -> Result<Vec<RegistryRow>, RegistryError> {
    let mut rows = match &layout.registry {
        Registry::Table { table, columns, .. } => {
            let answer = reader.rows(&table_query(table, columns)).await;
            let answer = answer.map_err(|error| no_access(reader, table, error))?;
            bounded(&answer)?;
            answer.iter().map(|row| from_table(row, layout)).collect()
        }
        Registry::Query { sql } => {
            // Its names are the operator's, and are found by the role's own search path.
            let sql = wrap_query(sql, "set local search_path to default;", MAX_ROWS + 1)
                .map_err(|why| RegistryError::BadQuery { why })?;
            let answer = run_wrapped(reader, &sql).await.map_err(bad_query)?;
            bounded(&answer)?;
            answer.iter().map(|row| from_json(row, layout)).collect::<Result<Vec<_>, _>>()?
        }
        Registry::Scan { pattern, requires } => {
            let exclude = layout.exclude.iter().map(|schema| schema.raw()).chain(["public"]);
            let pattern = like_pattern(pattern.as_deref().unwrap_or("%"));
            let values = [
                ("pattern", pattern.as_str()),
                ("requires", &text_array(requires.iter().map(|name| name.raw()))),
                ("exclude", &text_array(exclude)),
            ];
            let found = reader.rows(&bind(SCAN, &values)).await?;
            found.iter().map(|row| RegistryRow::of_schema(&layout.naming, row.text(0).unwrap_or_default())).collect()
        }
    };
    rows.retain(|row: &RegistryRow| !is_no_tenant(row, layout));
    if let Some(table) = &layout.domains {
        domains(reader, table, &mut rows).await?;
    }
    Ok(rows)
}

/// The domains of a table of their own, the primary one first and then in order.
async fn domains(reader: &Reader, table: &Domains, rows: &mut [RegistryRow]) -> Result<(), RegistryError> {
    let text = |name: &Ident| format!("{}::pg_catalog.text", name.quoted());
    let primary = table.primary.as_ref().map_or_else(|| "null".to_owned(), text);
    let sql = format!(
        "select {}, {}, {primary} from {} limit {}",
        text(&table.tenant),
        text(&table.domain),
        table.table.quoted(),
        4 * MAX_ROWS
    );
    let mut by_id: HashMap<String, Vec<(bool, Untrusted)>> = HashMap::new();
    for row in reader.rows(&sql).await.map_err(|error| no_access(reader, &table.table, error))? {
        if let (Some(id), Some(domain)) = (row.text(0), filled(row.text(1))) {
            let second = !matches!(row.text(2), Some("true"));
            by_id.entry(id.to_owned()).or_default().push((second, domain));
        }
    }
    for row in rows {
        let Some(mut found) = row.id.as_ref().and_then(|id| by_id.remove(id.raw())) else { continue };
        found.sort();
        row.domains.extend(found.into_iter().map(|(_, domain)| domain));
        row.domains.dedup();
    }
    Ok(())
}

/// Rows that point at a schema which the layout or the configuration excludes.
fn is_no_tenant(row: &RegistryRow, layout: &Layout) -> bool {
    row.schema.as_ref().is_some_and(|schema| layout.exclude.iter().any(|excluded| excluded.raw() == schema.raw()))
}

fn bounded(rows: &[TextRow]) -> Result<(), RegistryError> {
    if rows.len() > MAX_ROWS { Err(RegistryError::TooMany) } else { Ok(()) }
}

/// The columns of every registry query: id, slug, name, schema, status, plan, created_at, deleted_at, domain.
fn table_query(table: &QualifiedName, columns: &RegistryColumns) -> String {
    let text = |column: Option<&Column>| {
        column.map_or_else(|| "null".to_owned(), |column| format!("{}::pg_catalog.text", column.name.quoted()))
    };
    let list = [
        text(columns.id.as_ref()),
        text(Some(&columns.slug)),
        text(columns.name.as_ref()),
        text(columns.schema_name.as_ref()),
        text(columns.status.as_ref()),
        text(columns.plan.as_ref()),
        columns.created_at.as_ref().map_or_else(|| "null".to_owned(), time),
        text(columns.deleted_at.as_ref()),
        text(columns.domain.as_ref()),
    ];
    format!("select {} from {} limit {}", list.join(", "), table.quoted(), MAX_ROWS + 1)
}

/// A time as RFC 3339 in UTC, whatever DateStyle and TimeZone the session has; `infinity` and the years before
/// Christ as the server prints them.
fn time(column: &Column) -> String {
    let name = column.name.quoted();
    let kind = column.type_name.as_str();
    let format = "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";
    let shown = if kind.starts_with("timestamp") && kind.ends_with("with time zone") {
        format!("pg_catalog.to_char({name} at time zone 'UTC', {format})")
    } else if kind.starts_with("timestamp") || kind == "date" {
        format!("pg_catalog.to_char({name}::pg_catalog.timestamp, {format})")
    } else {
        return format!("{name}::pg_catalog.text");
    };
    format!(
        "case when pg_catalog.isfinite({name}) and pg_catalog.date_part('year', {name}) > 0 then {shown} else {name}::pg_catalog.text end"
    )
}

fn filled(text: Option<&str>) -> Option<Untrusted> {
    text.filter(|text| !text.is_empty()).map(Untrusted::new)
}

fn from_table(row: &TextRow, layout: &Layout) -> RegistryRow {
    let fields = Fields {
        id: filled(row.text(0)),
        slug: filled(row.text(1)),
        name: filled(row.text(2)),
        schema: filled(row.text(3)),
        schema_is_empty: row.text(3) == Some(""),
        status: filled(row.text(4)),
        plan: filled(row.text(5)),
        created_at: filled(row.text(6)),
        // A boolean column says it in words.
        deleted: row.text(7).is_some_and(|text| !matches!(text, "" | "false" | "0")),
        domain: filled(row.text(8)),
    };
    fields.row(layout)
}

#[derive(Default)]
struct Fields {
    id: Option<Untrusted>,
    slug: Option<Untrusted>,
    name: Option<Untrusted>,
    schema: Option<Untrusted>,
    /// It is a text without a character, which NULL is not.
    schema_is_empty: bool,
    status: Option<Untrusted>,
    plan: Option<Untrusted>,
    created_at: Option<Untrusted>,
    deleted: bool,
    domain: Option<Untrusted>,
}

impl Fields {
    fn row(self, layout: &Layout) -> RegistryRow {
        let mut problems = Vec::new();
        let derived = self.slug.as_ref().map(|slug| Untrusted::new(layout.naming.schema_of(slug.raw())));
        let schema = self.schema.or(derived);
        if self.slug.is_none() {
            problems.push(Untrusted::new("the registry row has no slug"));
        }
        if let (true, Some(schema)) = (self.schema_is_empty, &schema) {
            problems.push(Untrusted::new(format!(
                "its schema_name is empty, and is no name: by the layout's rule it is {}; write that into the row",
                schema.raw()
            )));
        }
        if let Some(name) = schema.as_ref().filter(|name| name.raw().len() > crate::model::ident::MAX_IDENT_BYTES) {
            problems.push(Untrusted::new(format!(
                "the schema's name has {} bytes and PostgreSQL keeps 63: no schema can have it",
                name.raw().len()
            )));
        }
        let says_deleted = match (&self.status, &layout.statuses.deleted) {
            (Some(status), Some(deleted)) => status.raw() == deleted,
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        // What each of them says alone is not what both say.
        if let (true, false, Some(status), Some(deleted)) =
            (self.deleted, says_deleted, &self.status, &layout.statuses.deleted)
        {
            problems.push(Untrusted::new(format!(
                "its status is {}, and deleted_at is set: it counts as deleted; activate it, or write {deleted} as its status",
                status.raw()
            )));
        }
        let slug = self.slug.or_else(|| schema.clone()).or_else(|| self.id.clone()).unwrap_or_default();
        RegistryRow {
            id: self.id,
            slug,
            name: self.name,
            schema,
            status: self.status,
            plan: self.plan,
            deleted: self.deleted || says_deleted,
            created_at: self.created_at,
            domains: self.domain.into_iter().collect(),
            problems,
        }
    }
}

fn from_json(row: &TextRow, layout: &Layout) -> Result<RegistryRow, RegistryError> {
    let unexpected = || QueryError::Unexpected { what: Untrusted::new("a row of the query is no object") };
    let json: serde_json::Value =
        row.text(0).and_then(|json| serde_json::from_str(json).ok()).ok_or_else(unexpected)?;
    let object = json.as_object().ok_or_else(unexpected)?;
    let text = |name: &str| match object.get(name)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => filled(Some(text)),
        other @ (serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => filled(Some(&other.to_string())),
    };
    if !object.contains_key("slug") && !object.contains_key("schema_name") {
        return Err(RegistryError::BadQuery {
            why: Untrusted::new(
                "its columns need a slug (and may have id, name, schema_name, status, plan, created_at, deleted_at, \
                 domain): \
                 rename them with AS",
            ),
        });
    }
    let schema = text("schema_name");
    let fields = Fields {
        id: text("id"),
        slug: text("slug").or_else(|| schema.clone().filter(|_| !object.contains_key("slug"))),
        name: text("name"),
        schema_is_empty: object.get("schema_name").and_then(serde_json::Value::as_str) == Some(""),
        schema,
        status: text("status"),
        plan: text("plan"),
        created_at: text("created_at").map(|time| moment(&time)),
        deleted: text("deleted_at").is_some_and(|text| !matches!(text.raw(), "false" | "0")),
        domain: text("domain"),
    };
    Ok(fields.row(layout))
}

fn no_access(reader: &Reader, table: &QualifiedName, error: QueryError) -> RegistryError {
    match &error {
        QueryError::Server { sqlstate, message } if sqlstate == "42501" => {
            let user = crate::model::ident::Ident::new(reader.facts().user.raw());
            let role = user.map_or_else(|_| "CURRENT_USER".to_owned(), |user| user.quoted());
            let grant = if message.raw().contains("schema") {
                format!("GRANT USAGE ON SCHEMA {} TO {role}", table.schema.quoted())
            } else {
                format!("GRANT SELECT ON {} TO {role}", table.quoted())
            };
            RegistryError::NoAccess { grant: Untrusted::new(grant) }
        }
        QueryError::Server { .. }
        | QueryError::Timeout { .. }
        | QueryError::Link(_)
        | QueryError::Unexpected { .. } => RegistryError::Query(error),
    }
}

/// Syntax errors and unknown names (class 42) are the query's; all else is the server's.
fn bad_query(error: QueryError) -> RegistryError {
    match error {
        QueryError::Server { sqlstate, message } if sqlstate.starts_with("42") || sqlstate == "0A000" => {
            RegistryError::BadQuery { why: Untrusted::new(format!("{} ({sqlstate})", message.raw())) }
        }
        other @ (QueryError::Server { .. }
        | QueryError::Timeout { .. }
        | QueryError::Link(_)
        | QueryError::Unexpected { .. }) => RegistryError::Query(other),
    }
}
