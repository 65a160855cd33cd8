//! Who goes first: the tenants that the operator names, else the smallest.

use std::collections::HashSet;

use super::{Plan, PlanError, TenantPlan};
use crate::text::sanitise;

/// What an operator chose as canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// So many of the smallest; 0 for none.
    Smallest(u32),
    /// These, in this order: slugs or schemas.
    Named(Vec<String>),
}

impl Canary {
    /// Reads `2` or `acme, globex`. A tenant whose slug is a number is named by its schema.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let names: Vec<&str> = text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).collect();
        match names.as_slice() {
            [] => Self::Smallest(0),
            [one] => one.parse().map_or_else(|_| Self::Named(vec![(*one).to_owned()]), Self::Smallest),
            many => Self::Named(many.iter().map(|name| (*name).to_owned()).collect()),
        }
    }
}

impl Plan {
    /// The same plan with other canaries. Nothing else changes: the set is the one that was looked at.
    ///
    /// # Errors
    /// When a tenant that is named is not migrated by this plan.
    pub fn with_canary(&self, canary: Canary) -> Result<Self, PlanError> {
        let mut plan = self.clone();
        (plan.options.canary, plan.options.canary_tenants) = match canary {
            Canary::Smallest(number) => (number, Vec::new()),
            Canary::Named(names) => (u32::try_from(names.len()).unwrap_or(u32::MAX), names),
        };
        plan.put_canaries_first()?;
        plan.estimate = plan.estimated();
        Ok(plan)
    }

    /// Sorts the tenants: the canaries, then the others by slug. Of the smallest one is always left for the rest; with a
    /// single tenant there is none.
    pub(super) fn put_canaries_first(&mut self) -> Result<(), PlanError> {
        self.tenants.sort_by(|a, b| (a.slug.raw(), &a.key).cmp(&(b.slug.raw(), &b.key)));
        let first = if self.options.canary_tenants.is_empty() { self.smallest() } else { self.named()? };
        self.canary = if self.tenants.len() > 1 { first.len() } else { 0 };
        let canaries: HashSet<usize> = first.iter().copied().collect();
        let rest = (0..self.tenants.len()).filter(|index| !canaries.contains(index));
        let order: Vec<usize> = first.iter().copied().chain(rest).collect();
        let mut tenants: Vec<Option<TenantPlan>> = std::mem::take(&mut self.tenants).into_iter().map(Some).collect();
        self.tenants = order.into_iter().filter_map(|index| tenants[index].take()).collect();
        Ok(())
    }

    /// They fail soonest and hurt least.
    fn smallest(&self) -> Vec<usize> {
        let wanted = usize::try_from(self.options.canary).unwrap_or(usize::MAX);
        let mut order: Vec<usize> = (0..self.tenants.len()).collect();
        order.sort_by_key(|index| (self.tenants[*index].size_bytes.unwrap_or(u64::MAX), *index));
        order.truncate(wanted.min(self.tenants.len().saturating_sub(1)));
        order
    }

    fn named(&self) -> Result<Vec<usize>, PlanError> {
        let mut first: Vec<usize> = Vec::new();
        for name in &self.options.canary_tenants {
            let place = self
                .tenants
                .iter()
                .position(|tenant| tenant.slug.raw() == name)
                .or_else(|| self.tenants.iter().position(|tenant| tenant.schema.raw() == name))
                .ok_or_else(|| self.no_canary(name))?;
            if !first.contains(&place) {
                first.push(place);
            }
        }
        Ok(first)
    }

    fn no_canary(&self, name: &str) -> PlanError {
        let is = |slug: &crate::text::Untrusted, schema: Option<&str>| slug.raw() == name || schema == Some(name);
        let left = self.left_out.iter().find(|left| is(&left.slug, left.schema.as_ref().map(|schema| schema.raw())));
        let why = match left {
            Some(left) => format!("it is left out: {}", left.why.safe()),
            None => "it is not among the tenants chosen, or nothing is pending there".to_owned(),
        };
        PlanError { message: format!("{} cannot be a canary: {why}; name another one", sanitise(name)).into() }
    }
}
