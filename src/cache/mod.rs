//! Redis key counts per tenant: one polite SCAN pass for the whole fleet, bucketed by the configured patterns; never
//! KEYS, never a pass per tenant. Whatever Redis does, the rest is undisturbed.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config;
use crate::model::tenant::TenantKey;
use crate::text::Untrusted;

/// What identifies a tenant in cache keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheIds {
    /// Whose.
    pub key: TenantKey,
    /// `{id}`.
    pub id: Option<String>,
    /// `{slug}`.
    pub slug: String,
    /// `{schema}`.
    pub schema: Option<String>,
}

/// The result of a pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// Keys per tenant; a tenant that is absent has none.
    pub per_tenant: HashMap<TenantKey, u64>,
    /// Keys per tenant and prefix, for the tenants asked for.
    pub by_prefix: HashMap<TenantKey, Vec<(Untrusted, u64)>>,
    /// Keys in all, others' included.
    pub keys: u64,
}

/// Progress of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheProgress {
    /// Keys seen so far.
    pub seen: u64,
    /// DBSIZE at the start.
    pub of: Option<u64>,
}

/// Why a pass failed. Its `Display` says what failed, why, and what to do next; never a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct CacheError {
    /// In words.
    pub message: Untrusted,
}

/// Counts the keys of all these tenants in one pass. `prefixes_of`: tenants whose counts are also split by prefix.
/// A key that matches several tenants is counted for the one whose pattern is the most specific.
///
/// # Errors
/// When Redis is absent, slow beyond its deadline, or refuses us.
pub async fn count(
    _cache: &config::Cache,
    _patterns: &[String],
    _tenants: Arc<[CacheIds]>,
    _prefixes_of: Option<TenantKey>,
    _progress: watch::Sender<CacheProgress>,
) -> Result<CacheCounts, CacheError> {
    todo!("cache room")
}
