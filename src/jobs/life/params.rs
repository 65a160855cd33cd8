//! What the record keeps of a job of a tenant's life: all that its steps need, as it was confirmed.

use serde::{Deserialize, Serialize};

use super::access::AccessRef;
use super::pointing::DomainsRef;
use crate::jobs::params::{RowValue, Value};

/// The part of a job's parameters that is of a tenant's life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LifeParams {
    /// What the schema is called outside the trash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// What is written into the registry's row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<Write>,
    /// Columns of the row as they were shown when it was confirmed, as text: it is not written over what came since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<(String, Option<String>)>,
    /// A whole new row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub row: Vec<RowValue>,
    /// Columns of a row that is removed, which the audit keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// Its domains, which go with the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains: Option<DomainsRef>,
    /// The tenant's own role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Where the role of a tenant that is gone has rights as every tenant's role has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_schema: Option<String>,
    /// Objects outside the schema that were confirmed to go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependants: Vec<String>,
    /// Which cache keys are the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysRef>,
    /// Where its keys are revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessRef>,
    /// Whose lock is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlock: Option<UnlockRef>,
    /// The job that dropped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_by: Option<i32>,
}

/// A column and what is written into it; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The column.
    pub column: String,
    /// The value.
    pub value: Option<Value>,
}

/// Which cache keys are the tenant's. The cache itself is the one that is configured where the job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysRef {
    /// The patterns, as they were when it was confirmed.
    pub patterns: Vec<String>,
    /// How a schema's name is made of a slug, for rows that name none.
    pub template: String,
    /// Hyphens of a slug become underscores of a schema.
    pub hyphens_become_underscores: bool,
}

/// Whose lock is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlockRef {
    /// The tool, as its word.
    pub tool: String,
    /// Its ledger's table.
    pub ledger: String,
    /// The schema is the one that all tenants share.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Its rows as they were shown when it was confirmed: one that was taken since is left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<LockRef>,
}

/// A row of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRef {
    /// The transaction that wrote it.
    pub xid: String,
    /// Who holds it since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
