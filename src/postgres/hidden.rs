//! Whether row level security may hide rows of a table from this role: what is not seen is not guessed. Where rows of the
//! registry may be hidden, no schema is known to be without one.

use super::bind::bind;
use super::query::{run_wrapped, wrap_query};
use super::session::{QueryError, Reader};
use crate::layout::{HiddenRows, Layout, Registry};

const ROWS_HIDDEN: &str = include_str!("../../assets/sql/rows_hidden.sql");
/// The commands of whoever only reads.
const READS: &str = "{r}";
/// What shows all rows of a table.
pub const MEND_TABLE: &str = "use a role with BYPASSRLS, or give this one a policy that shows all rows (USING (true))";
/// No policy helps: whether one that stands behind shows all rows is not found out.
const MEND_BEHIND: &str = "use a role (and for a view an owner) with BYPASSRLS, or name in [database.tenants] a table of \
                           which a policy shows this role all rows (USING (true))";

/// The question whether rows of a table may be kept from this role by row level security, for any of these commands, as
/// `pg_policy` has them: `r` for SELECT, `w` for UPDATE. The answer is the first column.
#[must_use]
pub fn rows_hidden_sql(oid: u32, commands: &str) -> String {
    bind(ROWS_HIDDEN, &[("oid", &oid.to_string()), ("commands", commands)])
}

/// Where rows may be hidden: that they may. Asked of the server each time, since a policy is made at any time.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn hidden_rows(reader: &Reader, layout: &Layout) -> Result<Option<HiddenRows>, QueryError> {
    let (hides, of, mend) = match &layout.registry {
        Registry::Table { table, oid, .. } => {
            let rows = reader.rows(&rows_hidden_sql(*oid, READS)).await?;
            let of = format!("{}.{}", table.schema.raw(), table.name.raw());
            match rows.first() {
                // Its owner's rights or those of who asks may count: the server knows which.
                Some(row) if row.is_true(1) => {
                    (filters(reader, &format!("select 1 from {}", table.quoted())).await?, of, MEND_BEHIND)
                }
                row => (row.is_some_and(|row| row.is_true(0)), of, MEND_TABLE),
            }
        }
        Registry::Query { sql } => {
            (filters(reader, sql).await?, "what the query of the tenants reads".to_owned(), MEND_BEHIND)
        }
        Registry::Scan { .. } => return Ok(None),
    };
    let why = format!("row level security may hide rows of {of} from this role").into();
    Ok(hides.then_some(HiddenRows { why, mend }))
}

/// Whether a policy would filter what a query reads: told not to filter, the server refuses it.
async fn filters(reader: &Reader, sql: &str) -> Result<bool, QueryError> {
    let may = async |settings: &str| {
        let settings = format!("set local search_path to default; set local row_security to {settings};");
        let sql = wrap_query(sql, &settings, 0).map_err(|what| QueryError::Unexpected { what })?;
        match run_wrapped(reader, &sql).await {
            Ok(_) => Ok(true),
            Err(QueryError::Server { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    };
    // What else is wrong with it is wrong either way, and reading it will tell.
    Ok(!may("off").await? && may("on").await?)
}
