//! Code in tenants' schemas that runs with other rights, or for others, than one would think.

use super::tenant::DatabaseName;
use crate::text::Untrusted;

/// What there is in some schemas, in the same words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OthersCode {
    /// In words.
    pub words: Untrusted,
    /// In how many of the schemas.
    pub schemas: u64,
    /// The first of them by name.
    pub first: Untrusted,
}

/// What was found in the schemas of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeOfPlan {
    /// The database.
    pub database: DatabaseName,
    /// Whose question it answers: the key of the plan's order.
    pub plan: uuid::Uuid,
    /// The findings; or why they could not be looked for.
    pub found: Result<Vec<OthersCode>, Untrusted>,
}
