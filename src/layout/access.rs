//! What lets a tenant in from outside, as a layout file says it: a table of keys in which a purge revokes the tenant's.
//! Data with its checks; `jobs::life` writes.

use serde::Deserialize;

use super::file::Wrong;
use crate::model::ident::{Ident, QualifiedName};

/// `[access]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// What its rows are, for sentences: `API keys`.
    pub title: String,
    /// `schema.table`.
    pub table: String,
    /// The column that names the tenant by its schema.
    pub tenant: String,
    /// The column of the time at which a row was revoked; null while it is in force.
    pub revoked_at: String,
}

/// The same, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What its rows are.
    pub title: String,
    /// The table.
    pub table: QualifiedName,
    /// The tenant's column.
    pub tenant: Ident,
    /// The time's column.
    pub revoked_at: Ident,
}

impl AccessRule {
    /// As types.
    ///
    /// # Errors
    /// When a name is none.
    pub fn checked(&self) -> Result<Access, Wrong> {
        let wrong = |key: &str, what: String| Wrong::new(format!("access.{key}"), what);
        let ident = |key: &str, name: &str| Ident::new(name).map_err(|error| wrong(key, error.to_string()));
        Ok(Access {
            title: self.title.clone(),
            table: QualifiedName::written(&self.table).map_err(|what| wrong("table", what))?,
            tenant: ident("tenant", &self.tenant)?,
            revoked_at: ident("revoked_at", &self.revoked_at)?,
        })
    }
}
