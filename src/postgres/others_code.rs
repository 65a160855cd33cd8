//! Code in tenants' schemas that runs with other rights, or for others, than one would think: `SECURITY DEFINER` without
//! a fixed search path, functions and triggers of other roles, event triggers. Listed with the open tenant and in every
//! plan whose files run beside it, the first fifty.

use super::bind::{bind, oid_array};
use super::session::{QueryError, Reader};
use crate::model::others_code::OthersCode;
use crate::text::Untrusted;

const OTHERS_CODE: &str = include_str!("../../assets/sql/others_code.sql");

/// What there is in these schemas (oids); equal words once.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(reader: &Reader, schemas: &[u32]) -> Result<Vec<OthersCode>, QueryError> {
    let rows = reader.rows(&bind(OTHERS_CODE, &[("oids", &oid_array(schemas))])).await?;
    let found = rows.iter().filter_map(|row| {
        let (words, first) = (Untrusted::new(row.text(0)?), Untrusted::new(row.text(2)?));
        Some(OthersCode { words, schemas: row.text(1)?.parse().ok()?, first })
    });
    Ok(found.collect())
}
