//! What a drop leaves: a schema in the trash, and what the audit keeps of it.

use crate::model::job::JobId;
use crate::model::tenant::{DatabaseName, Tenant, TenantKey};
use crate::text::Untrusted;

/// A schema in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Its database.
    pub database: DatabaseName,
    /// Its name there.
    pub schema: Untrusted,
    /// Its oid.
    pub schema_oid: u32,
    /// What the audit says of its drop; `None` where it says nothing.
    pub drop: Option<DropRecord>,
}

/// What the audit keeps of a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRecord {
    /// The job.
    pub job: JobId,
    /// The name that the schema had.
    pub original: Untrusted,
    /// The tenant's slug.
    pub slug: Untrusted,
    /// Who the tenant is.
    pub key: TenantKey,
    /// The registry's id.
    pub id: Option<Untrusted>,
    /// When it was dropped, by the server's clock.
    pub at: jiff::Timestamp,
    /// Who dropped it.
    pub by: Untrusted,
    /// The server says that it cannot be brought back any more.
    pub expired: bool,
    /// A purge of it began: part of it is gone.
    pub begun: bool,
    /// A schema of the name that it had is there again.
    pub taken: bool,
    /// Columns of the registry's row as they were, each with its value.
    pub row: Vec<(String, Option<String>)>,
}

impl Trashed {
    /// The slug, or the schema's name where the slug is not known.
    #[must_use]
    pub fn slug(&self) -> &Untrusted {
        self.drop.as_ref().map_or(&self.schema, |drop| &drop.slug)
    }

    /// The name that the schema had, or has where that is not known.
    #[must_use]
    pub fn original(&self) -> &Untrusted {
        self.drop.as_ref().map_or(&self.schema, |drop| &drop.original)
    }

    /// Whether a word names it: the slug, the schema's name before, or its name in the trash.
    #[must_use]
    pub fn is_named(&self, is: impl Fn(&Untrusted) -> bool) -> bool {
        is(&self.schema) || is(self.slug()) || is(self.original())
    }

    /// Whether it is the schema that this tenant had.
    #[must_use]
    pub fn is_of(&self, tenant: &Tenant) -> bool {
        tenant.schema_oid.is_none() && self.drop.as_ref().is_some_and(|drop| drop.key == tenant.key)
    }

    /// Whether it can be brought back: its days are not over, nothing of it was purged, its name is free, and the audit knows
    /// what it was.
    #[must_use]
    pub fn can_come_back(&self) -> bool {
        self.drop.as_ref().is_some_and(|drop| !drop.expired && !drop.begun && !drop.taken)
    }

    /// Where it is, and what there is to do: `as zz_dropped_3_t_acme: undrop brings it back, purge removes it for good`.
    #[must_use]
    pub fn words(&self) -> String {
        let next = if self.can_come_back() {
            "undrop brings it back, purge removes it for good"
        } else if self.drop.as_ref().is_some_and(|drop| drop.taken && !drop.expired && !drop.begun) {
            "a schema of its name is there again: drop that one to bring it back, or purge it"
        } else {
            "it can only be purged"
        };
        format!("as {}: {next}", self.schema.safe())
    }
}
