//! What lets a tenant in from outside: its keys in the framework's own table are revoked before its schema goes, as the
//! framework's own removal does it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::tx::{self, Said, Work, failed};
use crate::layout::access::Access;
use crate::migrations::apply::step::StepEnd;
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName, literal};
use crate::postgres::bind::bind;
use crate::postgres::hidden::rows_hidden_sql;
use crate::postgres::session::{QueryError, Reader, TextRow};

const ACCESS: &str = include_str!("../../../assets/sql/access.sql");

/// What the record keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRef {
    /// What its rows are.
    pub title: String,
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The column that names the tenant.
    pub tenant: String,
    /// The column of the time.
    pub revoked_at: String,
}

/// How many keys of a tenant are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum InForce {
    /// The database has no such table, or it is not asked for.
    #[default]
    NoTable,
    /// So many.
    Keys(u64),
    /// It cannot be known, or they could not be revoked; why, and what to do.
    Denied(String),
}

impl AccessRef {
    pub(super) fn of(access: &Access) -> Self {
        Self {
            title: access.title.clone(),
            schema: access.table.schema.raw().to_owned(),
            table: access.table.name.raw().to_owned(),
            tenant: access.tenant.raw().to_owned(),
            revoked_at: access.revoked_at.raw().to_owned(),
        }
    }

    fn checked(&self) -> Result<Access, IdentError> {
        Ok(Access {
            title: self.title.clone(),
            table: QualifiedName { schema: SchemaName::existing(&self.schema)?, name: Ident::new(&self.table)? },
            tenant: Ident::new(&self.tenant)?,
            revoked_at: Ident::new(&self.revoked_at)?,
        })
    }
}

fn facts_sql(access: &Access) -> String {
    bind(
        ACCESS,
        &[
            ("schema", access.table.schema.raw()),
            ("table", access.table.name.raw()),
            ("tenant", access.tenant.raw()),
            ("revoked_at", access.revoked_at.raw()),
        ],
    )
}

/// The rows of a tenant that are in force.
fn rows_sql(access: &Access, schema: &str) -> String {
    let (tenant, revoked_at) = (access.tenant.quoted(), access.revoked_at.quoted());
    format!("{tenant} = {} AND {revoked_at} IS NULL", literal(schema))
}

fn count_sql(access: &Access, schema: &str) -> String {
    format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", access.table.quoted(), rows_sql(access, schema))
}

/// The present time as the column keeps it: one without a zone is in UTC.
fn now_sql(facts: &TextRow) -> Option<&'static str> {
    match facts.text(1)? {
        "timestamp with time zone" => Some("pg_catalog.now()"),
        "timestamp without time zone" => Some("(pg_catalog.now() AT TIME ZONE 'UTC')"),
        _ => None,
    }
}

/// What is done, for reading and for doing; `now`: how the column keeps the present time.
pub(super) fn revoke_sql(access: &Access, schema: &str, now: &str) -> String {
    format!(
        "UPDATE {} SET {} = {now} WHERE {}",
        access.table.quoted(),
        access.revoked_at.quoted(),
        rows_sql(access, schema)
    )
}

/// The question whether row level security may keep keys from this role, where it looks for them or where it revokes them.
fn hidden_sql(facts: &TextRow) -> Option<String> {
    Some(rows_hidden_sql(facts.text(2)?.parse().ok()?, "{r,w}"))
}

fn hidden_words(access: &Access) -> String {
    format!(
        "whether its {0} in {1} are in force is not known: row level security may hide rows of {1} from this role, or keep them \
         from being revoked; use a role with BYPASSRLS, or give this one policies for SELECT and for UPDATE that show all rows \
         (USING (true))",
        access.title,
        access.table.quoted()
    )
}

/// Whether the table is there, and this role may do with it what a purge does.
pub(super) async fn is_readable(reader: &Reader, access: &Access) -> Result<bool, QueryError> {
    let rows = reader.rows(&facts_sql(access)).await?;
    let Some(facts) = rows.first().filter(|facts| facts.is_true(0)) else { return Ok(false) };
    Ok(!may_be_hidden(reader, facts).await?)
}

async fn may_be_hidden(reader: &Reader, facts: &TextRow) -> Result<bool, QueryError> {
    let Some(sql) = hidden_sql(facts) else { return Ok(false) };
    Ok(reader.rows(&sql).await?.first().is_some_and(|row| row.is_true(0)))
}

/// How many keys of the tenant of this schema are in force.
///
/// # Errors
/// When the link breaks or the server refuses what it said it would answer.
pub(super) async fn in_force(reader: &Reader, access: &Access, schema: &str) -> Result<InForce, QueryError> {
    let rows = reader.rows(&facts_sql(access)).await?;
    let Some(facts) = rows.first() else { return Ok(InForce::NoTable) };
    let (table, user) = (access.table.quoted(), reader.facts().user.raw().to_owned());
    if !facts.is_true(0) {
        let user = Ident::new(&user).map_or(user, |user| user.quoted());
        return Ok(InForce::Denied(format!(
            "its {} in {table} could not be revoked: GRANT SELECT, UPDATE ON {table} TO {user} is missing",
            access.title
        )));
    }
    if now_sql(facts).is_none() {
        let (column, type_name) = (access.revoked_at.quoted(), facts.text(1).unwrap_or_default());
        return Ok(InForce::Denied(format!("{column} of {table} is {type_name}, and no time can be written into it")));
    }
    if may_be_hidden(reader, facts).await? {
        return Ok(InForce::Denied(hidden_words(access)));
    }
    let count =
        reader.rows(&count_sql(access, schema)).await?.first().map(|row| row.parse::<u64>(0)).transpose()?.flatten();
    Ok(InForce::Keys(count.unwrap_or_default()))
}

/// Revokes them.
pub(super) async fn revoke(work: &Work<'_>) -> Result<StepEnd, StepEnd> {
    let Work { client, life, .. } = *work;
    let access = life.params.access.as_ref().ok_or_else(|| failed("the job's record names no table of keys"))?;
    let access = access.checked().map_err(|error| failed(format!("the job's record: {error}")))?;
    let tx = tx::open(work, false).await?;
    let facts = tx::ask(client, &facts_sql(&access)).await?;
    let facts = facts.iter().flatten().next();
    let now = facts.and_then(now_sql);
    let now = now.ok_or_else(|| failed(format!("{} is not as it was planned with", access.table.quoted())))?;
    // A policy may have been made since.
    if let Some(sql) = facts.and_then(hidden_sql)
        && tx::ask(client, &sql).await?.iter().flatten().next().is_some_and(|row| row.is_true(0))
    {
        return Err(failed(hidden_words(&access)));
    }
    let sql = format!(
        "WITH revoked AS ({} RETURNING 1) SELECT pg_catalog.count(*) FROM revoked",
        revoke_sql(&access, life.original(), now)
    );
    let count: Option<u64> = number(&tx::ask(client, &sql).await?);
    let left = number(&tx::ask(client, &count_sql(&access, life.original())).await?);
    if let Some(left @ 1..) = left {
        let (title, table) = (&access.title, access.table.quoted());
        return Err(failed(format!(
            "{left} of its {title} in {table} are in force still: the server did not revoke them (a trigger or a rule keeps \
             them); revoke them by hand, then retry"
        )));
    }
    tx::done(work, tx, Said { before: None, after: json!({ "revoked": count }) }).await
}

fn number(rows: &[Vec<TextRow>]) -> Option<u64> {
    rows.iter().flatten().next().and_then(|row| row.text(0)).and_then(|text| text.parse().ok())
}
