//! One database, read once, for commands.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::measure::{self, Reach, Tell};
use super::picture::Picture;
use super::read::{self, Counts, LedgersOf, Scope};
use super::session::Session;
use super::{FleetError, LedgersRead, ReadOptions, Reading, Sizes, detail, publish};
use crate::cache::{self, CacheIds, CacheProgress};
use crate::model::fleet::{CacheView, SharedSchema};
use crate::model::link::LinkState;
use crate::model::server::ServerRole;
use crate::model::tenant::{Tenant, TenantKey};
use crate::postgres::session::{Patience, Target};
use crate::postgres::sizes::Measuring;
use crate::text::Untrusted;

/// Ledgers of others that are read first where some that stand at the newest migration are wanted.
const FIRST_SLICE: usize = 20;

/// Reads it. How far that is which may take long is told.
///
/// # Errors
/// When there is no link, or the registry cannot be read.
pub async fn read(target: &Target, options: &ReadOptions, tell: Tell<'_>) -> Result<Reading, FleetError> {
    let mut session = Session::new(target.clone(), Patience::Background);
    let mut picture = Picture::new(target.clone());
    let started = std::time::Instant::now();
    session.reader().await?;
    let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    picture.link = LinkState::Up { latency_ms };
    refresh(&mut session, &mut picture, options).await?;
    if let Some(selection) = &options.exact {
        measure::measure(&mut session, &mut picture, &selection.before_measuring(), tell).await?;
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
    let tenant = match wanted {
        Some(key) => part.tenants.iter().find(|tenant| tenant.key == key),
        None => options.detail_of.as_ref().and_then(|name| shared_page(&part.shared, name)),
    };
    let tenant = tenant.map(Arc::clone);
    let detail = match tenant {
        Some(tenant) => {
            let counts = picture.cache_counts.clone();
            let sizes = (&mut Measuring::default(), Reach::All(tell));
            Some(Arc::new(detail::read(&mut session, &context, &tenant, counts.as_deref(), sizes).await?))
        }
        None => None,
    };
    let snapshot = Arc::new(publish::assemble(&[part], publish::Beside { detail, ..publish::Beside::default() }));
    Ok(Reading { snapshot, context: context.as_ref().clone() })
}

impl Reading {
    /// Judges the server once more, by what was seen meanwhile of the other databases of the configuration.
    pub fn judge_again(&mut self, target: &Target) {
        let Some(server) = &self.context.layout.found_on else { return };
        let role = target.role_of(server);
        let ServerRole::Superseded { .. } = role else { return };
        let why = role.read_only_why();
        for view in &mut Arc::make_mut(&mut self.snapshot).databases {
            view.read_only = true;
            view.read_only_why.clone_from(&why);
            view.server = role.clone();
        }
        self.context.read_only_why = why;
    }
}

/// Registry and schemas, and as many ledgers and sizes as the command needs.
async fn refresh(session: &mut Session, picture: &mut Picture, options: &ReadOptions) -> Result<(), FleetError> {
    let ledgers = match &options.ledgers {
        LedgersRead::All => LedgersOf::All,
        LedgersRead::Of { .. } => LedgersOf::Shared,
    };
    let counts = match options.sizes {
        Sizes::Always => Counts::Read,
        Sizes::WherePending | Sizes::WhereNamed | Sizes::Never => Counts::Later,
    };
    read::refresh(session, picture, Scope { layout: true, counts, ledgers }, &mut |_| {}).await?;
    let mut named = None;
    if let LedgersRead::Of { names, standing } = &options.ledgers {
        let oids = schemas_of(&picture.base, names);
        read::ledgers_of(session, picture, &oids).await?;
        let known: HashSet<u32> = oids.into_iter().collect();
        until_some_stand(session, picture, &known, *standing).await?;
        named = Some(known);
    }
    let is_read = |oid: Option<u32>| named.as_ref().is_none_or(|named| oid.is_some_and(|oid| named.contains(&oid)));
    let counts = match options.sizes {
        Sizes::WherePending => {
            let lacks = |tenant: &Arc<Tenant>| is_read(tenant.schema_oid) && tenant.pending_count() != Some(0);
            picture.part().tenants.iter().any(lacks)
        }
        Sizes::WhereNamed => named.as_ref().is_some_and(|named| !named.is_empty()),
        Sizes::Always | Sizes::Never => false,
    };
    if counts {
        read::read_counts(session, picture).await?;
        picture.stale = true;
    }
    Ok(())
}

/// Reads ledgers of others, more and more at a time, until so many tenants stand at the newest migration.
async fn until_some_stand(
    session: &mut Session,
    picture: &mut Picture,
    known: &HashSet<u32>,
    wanted: usize,
) -> Result<(), FleetError> {
    let others = picture.base.iter().filter_map(|tenant| tenant.schema_oid).filter(|oid| !known.contains(oid));
    let others: Vec<u32> = others.collect();
    let (mut rest, mut slice) = (others.as_slice(), FIRST_SLICE);
    while !rest.is_empty() && wanted > 0 {
        let part = picture.part();
        let Some(newest) = part.context.as_ref().and_then(|context| context.folder.as_ref()?.files.last()) else {
            return Ok(());
        };
        if part.tenants.iter().filter(|tenant| tenant.stands_at(&newest.version)).count() >= wanted {
            return Ok(());
        }
        let (now, later) = rest.split_at(slice.min(rest.len()));
        read::ledgers_of(session, picture, now).await?;
        (rest, slice) = (later, slice * 2);
    }
    Ok(())
}

/// The schemas of the tenants of these slugs, or of these schemas.
fn schemas_of(tenants: &[Tenant], names: &[String]) -> Vec<u32> {
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    let is_known = |name: &Untrusted| names.contains(name.raw()) || names.contains(name.safe().as_str());
    let is_named = |tenant: &&Tenant| tenant.is_named(is_known);
    tenants.iter().filter(is_named).filter_map(|tenant| tenant.schema_oid).collect()
}

/// The shared schema of this name that is looked at like a tenant.
fn shared_page<'s>(shared: &'s [SharedSchema], name: &str) -> Option<&'s Arc<Tenant>> {
    shared.iter().filter(|shared| shared.schema.is_written(name)).find_map(|shared| shared.page.as_ref())
}

/// The tenants of a slug; where none has it, of a schema; else of either as it is shown.
fn keys_of(tenants: &[Tenant], name: &str) -> Vec<TenantKey> {
    let by = |fits: &dyn Fn(&Tenant) -> bool| -> Vec<TenantKey> {
        tenants.iter().filter(|tenant| fits(tenant)).map(|tenant| tenant.key.clone()).collect()
    };
    let by_slug = by(&|tenant| tenant.slug.raw() == name);
    if !by_slug.is_empty() {
        return by_slug;
    }
    let by_schema = by(&|tenant| tenant.schema.as_ref().is_some_and(|schema| schema.raw() == name));
    if !by_schema.is_empty() {
        return by_schema;
    }
    by(&|tenant| tenant.is_named(|known| known.is_written(name)))
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
