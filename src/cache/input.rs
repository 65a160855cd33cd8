//! What a pass is for: the patterns that are in force, and what identifies each tenant.

use std::sync::Arc;

use super::CacheIds;
use crate::config;
use crate::model::life::Trashed;
use crate::model::tenant::{Tenant, TenantKey};

/// What a pass counts, or removes, for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInput {
    /// The patterns of keys.
    pub patterns: Vec<String>,
    /// The tenants.
    pub tenants: Arc<[CacheIds]>,
}

impl CacheInput {
    /// The configured patterns, else the layout's; every tenant that is one. A schema without a registry row is none:
    /// its keys are nobody's; nor is one whose row may be hidden: which keys are its own is not known.
    pub fn of<'a>(
        cache: Option<&config::Cache>,
        by_layout: &[String],
        tenants: impl IntoIterator<Item = &'a Tenant>,
    ) -> Self {
        let configured = cache.map(|cache| &cache.keys[..]).filter(|keys| !keys.is_empty());
        let tenants = tenants.into_iter().filter(|tenant| tenant.is_listed());
        Self {
            patterns: configured.unwrap_or(by_layout).to_vec(),
            tenants: tenants
                .map(|tenant| CacheIds {
                    key: tenant.key.clone(),
                    id: tenant.id.as_ref().map(|id| id.raw().to_owned()),
                    slug: tenant.slug.raw().to_owned(),
                    schema: tenant.schema.as_ref().map(|schema| schema.raw().to_owned()),
                })
                .collect(),
        }
    }

    /// The same, and those in the trash: they can come back, and find their keys then. One whose row is still there is
    /// among the tenants already, with the schema that it has not now.
    #[must_use]
    pub fn with_trash<'a>(mut self, trash: impl IntoIterator<Item = &'a Trashed>) -> Self {
        let mut tenants = self.tenants.to_vec();
        for (ids, whose) in trash.into_iter().filter_map(|one| Some((CacheIds::of_trashed(one)?, one.drop.as_ref()?))) {
            match tenants.iter_mut().find(|tenant| tenant.key == whose.key) {
                Some(tenant) => tenant.schema = tenant.schema.take().or(ids.schema),
                None => tenants.push(ids),
            }
        }
        self.tenants = tenants.into();
        self
    }
}

impl CacheIds {
    /// What identifies a tenant in the trash, as far as its drop was recorded. It goes by the schema's name there: where
    /// no row tells tenants apart, there can be two of one name, or one that has the name again.
    #[must_use]
    pub fn of_trashed(trashed: &Trashed) -> Option<Self> {
        let drop = trashed.drop.as_ref()?;
        Some(Self {
            key: TenantKey::schema(&trashed.database, trashed.schema.raw()),
            id: drop.id.as_ref().map(|id| id.raw().to_owned()),
            slug: drop.slug.raw().to_owned(),
            schema: Some(drop.original.raw().to_owned()),
        })
    }
}
