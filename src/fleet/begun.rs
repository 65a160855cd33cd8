//! Tenants that are half there. Schemas that a job began to fill and that never became tenants: what the layout's rules do
//! not take for a tenant's schema is one all the same, for the record says who made it. And tenants whose purge stopped on
//! its way. No I/O.

use std::collections::HashSet;

use super::picture::Picture;
use crate::jobs::failures::Begun;
use crate::model::tenant::{Tenant, TenantState};
use crate::postgres::catalog;
use crate::text::Untrusted;

impl Picture {
    /// What the record says of this schema, where it still is the one that was made.
    fn begun_of(&self, schema: &str, oid: u32) -> Option<&Begun> {
        self.begun.get(schema).filter(|begun| begun.schema_oid == oid)
    }

    /// The begun schemas that are no tenants by any rule.
    pub(super) fn begun_alone(&self) -> Vec<Tenant> {
        let Some(layout) = self.layout.as_ref().filter(|_| !self.begun.is_empty()) else { return Vec::new() };
        let known: HashSet<u32> = self.base.iter().filter_map(|tenant| tenant.schema_oid).collect();
        let user = self.facts.as_ref().map(|facts| facts.user.clone()).unwrap_or_default();
        let begun = self
            .schemas
            .iter()
            .filter(|schema| !known.contains(&schema.oid) && self.begun_of(schema.name.raw(), schema.oid).is_some());
        begun.map(|schema| catalog::orphan(&self.config().name, layout, schema, &user)).collect()
    }

    /// Which job left a tenant half made or half removed, and what to do.
    pub(super) fn half_words(&self, tenant: &Tenant) -> Option<Untrusted> {
        match tenant.state {
            TenantState::OrphanSchema => self.begun_words(tenant),
            TenantState::MissingSchema => self.purging.get(&*tenant.key.local).map(|job| {
                let retry = self.config().command(&format!("tenantui job {job} retry"));
                format!("job {job} removed its schema for good and did not come to its end: `{retry}` goes on").into()
            }),
            TenantState::NoAccess
            | TenantState::Conflict
            | TenantState::UnknownTool
            | TenantState::Dirty
            | TenantState::Locked
            | TenantState::NeverMigrated
            | TenantState::Ahead
            | TenantState::Behind
            | TenantState::Ok
            | TenantState::Unknown => None,
        }
    }

    /// Who made the schema of a tenant without a row, and what to do.
    fn begun_words(&self, tenant: &Tenant) -> Option<Untrusted> {
        let begun = self.begun_of(tenant.schema.as_ref()?.raw(), tenant.schema_oid?)?;
        let retry = self.config().command(&format!("tenantui job {} retry", begun.job));
        Some(
            format!(
                "job {} began to make it and did not come to its end: `{retry}` goes on with it, drop removes it",
                begun.job
            )
            .into(),
        )
    }
}
