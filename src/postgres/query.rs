//! Runs queries that an operator wrote, in a configuration or a layout file: they cannot write, and leave nothing behind.

use super::session::{QueryError, Reader, TextRow};
use crate::layout::statement::one_select;
use crate::text::Untrusted;

/// Whether a configured query can be run: one SELECT and nothing else.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_query(sql: &str) -> Result<(), Untrusted> {
    one_select(sql).map(drop).map_err(|why| Untrusted::new(format!("[database.tenants] query: {}", why.raw())))
}

/// The query as a sub-select, in which nothing can be written: INSERT and the like stand only at the top. Each row is an
/// object of JSON. `settings` are made for it alone, `SET LOCAL` statements or nothing.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn wrap_query(sql: &str, settings: &str, limit: usize) -> Result<String, Untrusted> {
    let text = one_select(sql)?;
    // The line feed ends a comment that the query may end in.
    // After its first statement a transaction cannot be made to write any more; and its end takes back whatever
    // setting the query may have made.
    Ok(format!(
        "begin read only; select 1; {settings} select pg_catalog.to_json(answer)::pg_catalog.text from (\n{text}\n) as answer limit {limit}; rollback"
    ))
}

/// Runs a wrapped query. One that fails leaves its transaction open, and the session is wanted for other questions.
///
/// # Errors
/// When the server refuses it, or the link breaks.
pub(super) async fn run_wrapped(reader: &Reader, sql: &str) -> Result<Vec<TextRow>, QueryError> {
    match reader.rows(sql).await {
        Err(error @ QueryError::Server { .. }) => {
            reader.read("rollback").await?;
            Err(error)
        }
        answer => answer,
    }
}
