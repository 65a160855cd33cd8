//! One database, read once, for commands.

use std::sync::Arc;

use tokio::sync::watch;

use super::picture::Picture;
use super::read::{self, Scope};
use super::session::Session;
use super::{FleetError, ReadOptions, Reading, Sizes, detail, publish};
use crate::cache::{self, CacheIds, CacheProgress};
use crate::model::fleet::CacheView;
use crate::model::link::LinkState;
use crate::model::tenant::{Tenant, TenantKey};
use crate::postgres::session::{Patience, Target};

/// Reads it.
///
/// # Errors
/// When there is no link, or the registry cannot be read.
pub async fn read(target: &Target, options: &ReadOptions) -> Result<Reading, FleetError> {
    let mut session = Session::new(target.clone(), Patience::Background);
    let mut picture = Picture::new(target.clone());
    let started = std::time::Instant::now();
    session.reader().await?;
    let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    picture.link = LinkState::Up { latency_ms };
    match options.sizes {
        Sizes::Always => read::refresh(&mut session, &mut picture, Scope::ALL, &mut |_| {}).await?,
        Sizes::WherePending => {
            read::refresh(&mut session, &mut picture, Scope::WITHOUT_COUNTS, &mut |_| {}).await?;
            if picture.part().tenants.iter().any(|tenant| tenant.pending_count() != Some(0)) {
                read::read_counts(&mut session, &mut picture).await?;
                picture.stale = true;
            }
        }
        Sizes::Never => read::refresh(&mut session, &mut picture, Scope::WITHOUT_COUNTS, &mut |_| {}).await?,
    }
    if options.exact {
        read::measure_all(&mut session, &mut picture).await?;
    }
    let wanted = options.detail_of.as_ref().map(|name| keys_of(&picture.base, name)).unwrap_or_default();
    // One that is ambiguous is not read in detail: the command asks which.
    let wanted = match wanted.as_slice() {
        [one] => Some(one.clone()),
        [] | [_, _, ..] => None,
    };
    if options.cache {
        count_cache(&mut picture, wanted.clone()).await;
    }
    let part = picture.part();
    let Some(context) = part.context.clone() else {
        return Err(FleetError::Unusable("the layout of the database is not known".into()));
    };
    let tenant = wanted.and_then(|key| part.tenants.iter().find(|tenant| tenant.key == key).map(Arc::clone));
    let detail = match tenant {
        Some(tenant) => {
            let counts = picture.cache_counts.clone();
            Some(Arc::new(detail::read(&mut session, &context, &tenant, counts.as_deref()).await?))
        }
        None => None,
    };
    let snapshot = Arc::new(publish::assemble(&[part], publish::Beside { detail, ..publish::Beside::default() }));
    Ok(Reading { snapshot, context: context.as_ref().clone() })
}

/// The tenants of a slug; where none has it, of a schema.
fn keys_of(tenants: &[Tenant], name: &str) -> Vec<TenantKey> {
    let by = |fits: &dyn Fn(&Tenant) -> bool| -> Vec<TenantKey> {
        tenants.iter().filter(|tenant| fits(tenant)).map(|tenant| tenant.key.clone()).collect()
    };
    let by_slug = by(&|tenant| tenant.slug.raw() == name);
    if by_slug.is_empty() {
        by(&|tenant| tenant.schema.as_ref().is_some_and(|schema| schema.raw() == name))
    } else {
        by_slug
    }
}

async fn count_cache(picture: &mut Picture, prefixes_of: Option<TenantKey>) {
    let Some(config) = picture.config().cache.clone() else { return };
    let input = picture.cache_input();
    let (progress, _seen) = watch::channel(CacheProgress::default());
    let tenants: Arc<[CacheIds]> = Arc::clone(&input.tenants);
    match cache::count(&config, &input.patterns, tenants, prefixes_of, progress).await {
        Ok(counts) => {
            let at = jiff::Timestamp::now();
            picture.cache = CacheView::Counted { at, keys: counts.keys, recounting: false };
            picture.cache_counts = Some(Arc::new(counts));
        }
        Err(error) => picture.cache = CacheView::Failed { why: error.message, last_good: None },
    }
}
