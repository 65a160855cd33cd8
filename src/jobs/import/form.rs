//! What an import is asked to do, and what its plan holds.

use serde::{Deserialize, Serialize};

use super::nobodys::Nobodys;
use crate::text::Untrusted;

/// How data comes into a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Rows are copied into the tenant's own tables; the source keeps them.
    Copy,
    /// The tables themselves are moved: ALTER TABLE ... SET SCHEMA.
    Move,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// How.
    pub how: How,
    /// Which tables; empty: those that both schemas have.
    pub tables: Vec<String>,
    /// Tables that are no tenant's data.
    pub not: Vec<Nobodys>,
}

/// One table of it, in the order in which they go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportTable {
    /// Its name in both schemas.
    pub name: String,
    /// The columns that are copied, with what is counted by which sequence; none where the table is moved.
    pub columns: Vec<ImportColumn>,
    /// It is moved to where an empty one of the tenant's stood, which is dropped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replaces: bool,
    /// Others inherit from it: only its own rows are meant, for theirs come with them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own_rows: bool,
}

/// A column that is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportColumn {
    /// Its name.
    pub name: String,
    /// A type of the schemas' own, by its name with a dot in front: the value goes there as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_type: Option<String>,
    /// The tenant's sequence that counts it, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// The source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sequence: Option<String>,
    /// Its values are no numbers, and none of them is compared with the sequence.
    #[serde(default, skip_serializing_if = "is_false")]
    pub worded: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A foreign key or a trigger that rests while rows are copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resting {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// How a trigger is enabled: `O`, `A` or `R`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub enabled: String,
}

/// What is going to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPlan {
    /// How.
    pub how: How,
    /// The tables.
    pub tables: Vec<ImportTable>,
    /// Foreign keys of tables that point at each other in a circle: checked at the end.
    pub circles: Vec<Resting>,
    /// Triggers of the tenant's tables that do not fire for copied rows.
    pub triggers: Vec<Resting>,
    /// Sequences of no column that are moved as well, as only the moved tables count by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<String>,
    /// What is not done, a line each.
    #[serde(skip)]
    pub notes: Vec<Untrusted>,
}
