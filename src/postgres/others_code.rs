//! Code in a tenant's schema that runs with other rights, or for others, than one would think: `SECURITY DEFINER` without
//! a fixed search path, functions and triggers of other roles, event triggers. Listed with the
//! open tenant, the first fifty.

use super::bind::bind;
use super::session::{QueryError, Reader};
use crate::text::Untrusted;

const OTHERS_CODE: &str = include_str!("../../assets/sql/others_code.sql");

/// What there is in one schema, in words.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(reader: &Reader, schema_oid: u32) -> Result<Vec<Untrusted>, QueryError> {
    let rows = reader.rows(&bind(OTHERS_CODE, &[("oid", &schema_oid.to_string())])).await?;
    Ok(rows.iter().filter_map(|row| row.text(0)).map(Untrusted::new).collect())
}
