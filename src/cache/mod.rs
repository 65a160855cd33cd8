//! Redis key counts per tenant: one polite SCAN pass for the whole fleet, bucketed by the configured patterns; never
//! KEYS, never a pass per tenant. Whatever Redis does, the rest is undisturbed.

mod errors;
mod input;
mod memory;
mod pass;
mod pattern;
pub mod queues;
pub mod rights;
mod sample;
mod sentinel;
mod server;
mod unlink;

use std::collections::HashMap;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

use self::errors::Trouble;
pub use self::input::CacheInput;
pub use self::memory::Gauge;
use self::pattern::{Matcher, Pattern};
use self::server::Connected;
pub use self::server::check;
pub use self::unlink::{Unlinked, kept_words, unlink};
use crate::config;
use crate::model::tenant::{KeySample, TenantKey};
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
    /// Some keys of those tenants, by prefix and key.
    pub sample: HashMap<TenantKey, Vec<KeySample>>,
    /// Why types or times of those keys are not known.
    pub sample_unknown: Option<Untrusted>,
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

/// Counts the keys of all these tenants in one pass. `prefixes_of`: the tenant whose counts are also split by prefix.
/// A key that matches several tenants is counted for the one whose pattern is the most specific; rows that share a
/// value share its keys, and so do two of which one's id is the other's slug. SCAN may return a key again while the
/// server's table shrinks: such keys may count twice.
///
/// # Errors
/// When Redis is absent, slow beyond its deadline, refuses us, or goes away; a pattern that names no tenant.
pub async fn count(
    cache: &config::Cache,
    patterns: &[String],
    tenants: Arc<[CacheIds]>,
    prefixes_of: Option<TenantKey>,
    progress: watch::Sender<CacheProgress>,
) -> Result<CacheCounts, CacheError> {
    let matcher = Matcher::new(read_patterns(patterns)?, &tenants);
    let (mut connection, address) = open(cache).await?;
    let failed = |(trouble, at): (Trouble, CacheProgress)| trouble.into_error(&address, at);
    let split = prefixes_of.as_ref().and_then(|key| tenants.iter().position(|ids| &ids.key == key));
    let split = split.and_then(|index| u32::try_from(index).ok());
    let mut tally = pass::walk(&mut connection, &matcher, split, &progress).await.map_err(failed)?;
    let (sample, sample_unknown) = sample::look(&mut connection, &std::mem::take(&mut tally.sample)).await;
    let sample = prefixes_of.iter().map(|key| (key.clone(), sample.clone())).collect();
    Ok(CacheCounts { sample, sample_unknown, ..counts(&matcher, &tenants, tally, prefixes_of) })
}

/// A connection to a server that holds all keys, and its address for messages.
async fn open(cache: &config::Cache) -> Result<(MultiplexedConnection, String), CacheError> {
    let Connected { mut connection, address } = server::connect(cache).await?;
    match is_cluster_node(&mut connection).await {
        Ok(false) => Ok((connection, address)),
        Ok(true) => Err(Trouble::Cluster.into_error(&address, CacheProgress::default())),
        Err(trouble) => Err(trouble.into_error(&address, CacheProgress::default())),
    }
}

fn read_patterns(patterns: &[String]) -> Result<Vec<Pattern>, CacheError> {
    if patterns.is_empty() {
        let message = "no pattern says which cache keys belong to a tenant; set keys in [database.cache], for example \
                       keys = [\"tenant:{slug}:*\"]";
        return Err(CacheError { message: Untrusted::new(message) });
    }
    patterns
        .iter()
        .map(|text| {
            Pattern::parse(text).ok_or_else(|| CacheError {
                message: Untrusted::from(format!(
                    "the cache key pattern \"{text}\" names no tenant; it needs {{id}}, {{slug}} or {{schema}}"
                )),
            })
        })
        .collect()
}

/// A node of a cluster walks its own keys only: its counts would be quietly too low.
async fn is_cluster_node(connection: &mut MultiplexedConnection) -> Result<bool, Trouble> {
    match pass::command::<String>(connection, redis::cmd("INFO").arg("cluster")).await {
        Ok(info) => Ok(info.lines().any(|line| line.trim() == "cluster_enabled:1")),
        Err(Trouble::Denied(_) | Trouble::Other(_)) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

fn counts(matcher: &Matcher, tenants: &[CacheIds], tally: pass::Tally, split: Option<TenantKey>) -> CacheCounts {
    let mut per_tenant = HashMap::new();
    for (slot, keys) in tally.slots.iter().enumerate().filter(|(_, keys)| **keys > 0) {
        let Ok(slot) = u32::try_from(slot) else { continue };
        for ids in matcher.tenants_of(slot).iter().filter_map(|index| tenants.get(*index as usize)) {
            *per_tenant.entry(ids.key.clone()).or_insert(0) += keys;
        }
    }
    for (index, keys) in &tally.claimed {
        if let Some(ids) = tenants.get(*index as usize) {
            *per_tenant.entry(ids.key.clone()).or_insert(0) += keys;
        }
    }
    let mut by_prefix = HashMap::new();
    if let Some(key) = split {
        let mut prefixes: Vec<(Untrusted, u64)> = tally
            .prefixes
            .into_iter()
            .map(|(prefix, keys)| (Untrusted::from(String::from_utf8_lossy(&prefix).into_owned()), keys))
            .collect();
        prefixes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        by_prefix.insert(key, prefixes);
    }
    CacheCounts { per_tenant, by_prefix, sample: HashMap::new(), sample_unknown: None, keys: tally.keys }
}
