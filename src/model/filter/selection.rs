//! Which tenants a list is of.

use super::Filter;
use crate::model::tenant::{Tenant, TenantState};

/// What a list asks of a tenant; all of it has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// One of these states; any where there is none.
    pub states: Vec<TenantState>,
    /// This word as the registry's status.
    pub status: Option<String>,
    /// A filter.
    pub filter: Option<Filter>,
}

impl Selection {
    /// Whether a tenant is in it at a time.
    #[must_use]
    pub fn fits(&self, tenant: &Tenant, now: jiff::Timestamp) -> bool {
        let state = self.states.is_empty() || self.states.contains(&tenant.state);
        let status = self.status.as_deref().is_none_or(|word| tenant.status.as_ref().is_some_and(|s| s.raw() == word));
        state && status && self.filter.as_ref().is_none_or(|filter| filter.fits(tenant, now))
    }

    /// Without what asks for sizes and keys: whoever is in it has to be measured to know who is in the whole.
    #[must_use]
    pub fn before_measuring(&self) -> Self {
        Self { filter: self.filter.as_ref().map(Filter::before_measuring), ..self.clone() }
    }
}
