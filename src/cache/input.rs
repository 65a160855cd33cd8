//! What a pass is for: the patterns that are in force, and what identifies each tenant.

use std::sync::Arc;

use super::CacheIds;
use crate::config;
use crate::model::tenant::Tenant;

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
}
