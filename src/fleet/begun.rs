//! Schemas that a job began to fill and that never became tenants: what the layout's rules do not take for a tenant's
//! schema is one all the same, for the record says who made it. No I/O.

use std::collections::HashSet;

use super::picture::Picture;
use crate::jobs::failures::Begun;
use crate::model::tenant::Tenant;
use crate::postgres::catalog;
use crate::text::Untrusted;

impl Picture {
    /// What the record says of this schema, where it still is the one that was made.
    fn begun_of(&self, schema: &str, oid: u32) -> Option<&Begun> {
        self.begun.get(schema).filter(|begun| begun.schema_oid == oid)
    }

    /// The begun schemas that are no tenants by any rule.
    pub(super) fn begun_alone(&self) -> Vec<Tenant> {
        if self.begun.is_empty() {
            return Vec::new();
        }
        let known: HashSet<u32> = self.base.iter().filter_map(|tenant| tenant.schema_oid).collect();
        let user = self.facts.as_ref().map(|facts| facts.user.clone()).unwrap_or_default();
        let begun = self
            .schemas
            .iter()
            .filter(|schema| !known.contains(&schema.oid) && self.begun_of(schema.name.raw(), schema.oid).is_some());
        begun.map(|schema| catalog::orphan(&self.config().name, schema, &user)).collect()
    }

    /// Who made the schema of a tenant without a row, and what to do.
    pub(super) fn begun_words(&self, tenant: &Tenant) -> Option<Untrusted> {
        let begun = self.begun_of(tenant.schema.as_ref()?.raw(), tenant.schema_oid?)?;
        Some(
            format!(
                "job {0} began to make it and did not come to its end: `tenantui job {0} retry` goes on with it, drop \
                 removes it",
                begun.job
            )
            .into(),
        )
    }
}
