//! The one tenant that is open: read exactly, on a session of its own, so that nothing waits for it and its backend
//! can be let go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::publish::Update;
use super::session::Session;
use super::why::why;
use super::{FleetError, JobContext};
use crate::cache::queues::{self, Waiting};
use crate::cache::{CacheCounts, CacheError, CacheIds};
use crate::config;
use crate::jobs::recorded;
use crate::layout::Queues;
use crate::migrations::dialects::Found;
use crate::migrations::folder::Folder;
use crate::migrations::ledgers;
use crate::model::fleet::Snapshot;
use crate::model::ident::{QualifiedName, SchemaName};
use crate::model::job::JobId;
use crate::model::tenant::{HealthFact, MigrationDetail, Tenant, TenantDetail, TenantKey, Unmeasured};
use crate::postgres::detail;
use crate::postgres::session::{Patience, QueryError, Reader, Target};
use crate::text::{Untrusted, grouped};

/// Exact sizes are measured again at most this often by themselves; `r` measures at once.
const EVERY: Duration = Duration::from_secs(60);

/// Jobs that are looked for in the record.
const JOBS: u32 = 50;

/// Reads one tenant.
///
/// # Errors
/// When the link breaks or no answer comes.
pub async fn read(
    session: &mut Session,
    context: &JobContext,
    tenant: &Tenant,
    counts: Option<&CacheCounts>,
) -> Result<TenantDetail, FleetError> {
    let cache = session.config().cache.clone();
    let reader = session.reader().await?;
    let queues = &context.layout.about.queues;
    let (schema, waiting) =
        tokio::join!(detail::read(reader, &context.layout, tenant), waiting(cache.as_ref(), queues, tenant));
    let mut schema = schema?;
    match waiting {
        Some(Ok(fact)) => schema.health.push(fact),
        Some(Err(error)) => schema.problems.push(format!("jobs in Redis: {error}").into()),
        None => {}
    }
    let found = ledger_now(context, tenant);
    let mut problems = schema.problems;
    let folder = folder_of(context, tenant);
    let migrations = match ledgers::detail(reader, found.as_ref(), &tenant.ledger, folder, &context.lens).await {
        Ok(migrations) => with_record(reader, context, tenant, migrations, &mut problems).await?,
        Err(QueryError::Server { sqlstate, message }) => {
            problems.push(format!("the ledger could not be read: {} ({sqlstate})", message.raw()).into());
            Vec::new()
        }
        Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => {
            return Err(error.into());
        }
    };
    let jobs = jobs(reader, context, tenant, &mut problems).await?;
    let sample = counts.and_then(|counts| counts.sample.get(&tenant.key));
    session.opened(usize::try_from(schema.tables.relations_opened).unwrap_or(usize::MAX));
    Ok(TenantDetail {
        key: tenant.key.clone(),
        measured_at: jiff::Timestamp::now(),
        tables: schema.tables.list,
        total_bytes: schema.tables.total_bytes,
        unmeasured: schema.tables.unmeasured,
        migrations,
        cache_by_prefix: prefixes(counts, &tenant.key),
        cache_sample: sample.cloned().unwrap_or_default(),
        sample_unknown: counts.filter(|_| sample.is_some()).and_then(|counts| counts.sample_unknown.clone()),
        jobs,
        members: schema.members,
        health: schema.health,
        objects_outside: schema.objects_outside,
        role: schema.role,
        why: why(tenant, &context.layout.statuses),
        problems,
    })
}

/// The files that the schema gets: the shared schema has its own.
fn folder_of<'c>(context: &'c JobContext, tenant: &Tenant) -> Option<&'c Folder> {
    match &context.shared {
        Some(shared) if Some(shared.oid) == tenant.schema_oid => shared.folder.as_deref(),
        Some(_) | None => context.folder.as_deref(),
    }
}

/// The tenant's ledger where it is now. The schema may have another name than when ledgers were looked for: a drop and an
/// undrop rename it, and its row is read before its ledger is found anew.
fn ledger_now(context: &JobContext, tenant: &Tenant) -> Option<Found> {
    let found = context.found.by_schema.get(&tenant.schema_oid?)?;
    let schema = tenant.schema.as_ref().and_then(|schema| SchemaName::existing(schema.raw()).ok());
    Some(match (found, schema) {
        (Found::Ledger(ledger), Some(schema)) => Found::Ledger(ledger.moved_to(&schema)),
        (Found::Ledger(_) | Found::Unclear { .. }, _) => found.clone(),
    })
}

/// The jobs of the tenant that wait in Redis, where the layout says how they are kept and a cache is configured.
async fn waiting(
    cache: Option<&config::Cache>,
    rule: &Queues,
    tenant: &Tenant,
) -> Option<Result<HealthFact, CacheError>> {
    let cache = cache.filter(|_| !rule.keys.is_empty())?;
    let ids = CacheIds {
        key: tenant.key.clone(),
        id: tenant.id.as_ref().map(|id| id.raw().to_owned()),
        slug: tenant.slug.raw().to_owned(),
        schema: tenant.schema.as_ref().map(|schema| schema.raw().to_owned()),
    };
    Some(queues::waiting(cache, rule, &ids).await.map(|waiting| queued(&waiting)))
}

fn queued(waiting: &Waiting) -> HealthFact {
    let own: Option<u64> = waiting.queues.iter().map(|queue| queue.of_tenant).sum();
    let each = waiting.queues.iter().map(|queue| {
        let own = queue.of_tenant.map(|own| format!("{} of ", grouped(own))).unwrap_or_default();
        format!("{} {own}{}", queue.key.raw(), grouped(queue.jobs))
    });
    let mut words: Vec<String> = each.collect();
    if waiting.partial {
        words.push("not all were looked at".to_owned());
    }
    HealthFact {
        name: "redis_jobs".into(),
        title: "jobs in Redis".into(),
        value: own.map(|own| own.to_string().into()),
        detail: (!words.is_empty()).then(|| words.join(", ").into()),
        problem: None,
    }
}

/// Where the ledger keeps no checksum, tenantui's own last step for a version says whether its file has changed.
async fn with_record(
    reader: &Reader,
    context: &JobContext,
    tenant: &Tenant,
    mut migrations: Vec<MigrationDetail>,
    problems: &mut Vec<Untrusted>,
) -> Result<Vec<MigrationDetail>, FleetError> {
    let (Some(folder), Some(schema), true) = (folder_of(context, tenant), &tenant.schema, context.initialised) else {
        return Ok(migrations);
    };
    let files = folder.files.iter().map(|file| (file.version.clone(), file.sha256));
    let checked = of_record(recorded::checked(reader, schema.raw(), files).await, problems)?;
    for migration in &mut migrations {
        migration.checksum_ok = migration.checksum_ok.or_else(|| checked.get(&migration.version).copied());
    }
    Ok(migrations)
}

/// The newest jobs that touched the tenant, by the record.
async fn jobs(
    reader: &Reader,
    context: &JobContext,
    tenant: &Tenant,
    problems: &mut Vec<Untrusted>,
) -> Result<Vec<JobId>, FleetError> {
    if !context.initialised {
        return Ok(Vec::new());
    }
    of_record(recorded::touching(reader, tenant, JOBS).await, problems)
}

/// What the record answered; nothing, and a problem, where it may not be read.
fn of_record<T: Default>(answer: Result<T, QueryError>, problems: &mut Vec<Untrusted>) -> Result<T, FleetError> {
    match answer {
        Ok(answer) => Ok(answer),
        Err(QueryError::Server { sqlstate, message }) => {
            let problem =
                Untrusted::new(format!("the record of jobs could not be read: {} ({sqlstate})", message.raw()));
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            Ok(T::default())
        }
        Err(error @ (QueryError::Timeout { .. } | QueryError::Link(_) | QueryError::Unexpected { .. })) => {
            Err(error.into())
        }
    }
}

fn prefixes(counts: Option<&CacheCounts>, key: &TenantKey) -> Vec<(Untrusted, u64)> {
    counts.and_then(|counts| counts.by_prefix.get(key)).cloned().unwrap_or_default()
}

/// What the detail's task is told by.
#[derive(Debug)]
pub struct Desk {
    /// One session source per database, with the counter's latest counts.
    pub databases: Vec<(Target, watch::Receiver<Option<Arc<CacheCounts>>>)>,
    /// Which tenant is open.
    pub open: watch::Receiver<Option<TenantKey>>,
    /// One more for each measurement that is asked for.
    pub asked: watch::Receiver<u64>,
    /// The latest picture.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Layouts, folders and ledgers.
    pub contexts: watch::Receiver<Arc<Vec<JobContext>>>,
    /// Where the detail goes.
    pub updates: mpsc::Sender<Update>,
}

/// Runs until nobody listens any more.
pub async fn run(mut desk: Desk) {
    let mut shown: Option<Arc<TenantDetail>> = None;
    loop {
        let open = desk.open.borrow_and_update().clone();
        desk.asked.mark_unchanged();
        desk.snapshots.mark_unchanged();
        // As it is before it is measured: what changes meanwhile is measured again.
        let measured = desk.stands(open.as_ref());
        let next = match &open {
            Some(key) => desk.measure(key, shown.as_ref()).await,
            None => None,
        };
        if next != shown {
            shown.clone_from(&next);
            if desk.updates.send(Update::Detail(next)).await.is_err() {
                return;
            }
        }
        if !desk.wait(open.as_ref(), measured, shown.is_some()).await {
            return;
        }
    }
}

/// What a detail is read of.
struct Stands {
    tenant: Option<Arc<Tenant>>,
    /// The table of its ledger, which is found anew after the tenant is read.
    ledger: Option<QualifiedName>,
    counts: Option<Arc<CacheCounts>>,
}

impl Stands {
    fn is_same(&self, other: &Self) -> bool {
        let same_counts = match (&self.counts, &other.counts) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.tenant == other.tenant && self.ledger == other.ledger && same_counts
    }
}

impl Desk {
    async fn measure(&mut self, key: &TenantKey, shown: Option<&Arc<TenantDetail>>) -> Option<Arc<TenantDetail>> {
        let shown = shown.filter(|shown| &shown.key == key);
        let tenant = self.snapshots.borrow().tenant(key).map(Arc::clone);
        let context = self.contexts.borrow().iter().find(|context| context.database == key.database).cloned();
        let database = self.databases.iter().find(|(target, _)| target.config.name == key.database);
        let (Some(tenant), Some(context), Some((target, counts))) = (tenant, context, database) else {
            return shown.cloned();
        };
        let mut session = Session::new(target.clone(), Patience::Foreground);
        let counts = counts.borrow().clone();
        match read(&mut session, &context, &tenant, counts.as_deref()).await {
            Ok(detail) => Some(Arc::new(detail)),
            Err(error) => Some(Arc::new(match shown {
                // What was measured before stays, with the reason why it is not newer.
                Some(shown) => TenantDetail { problems: vec![error.to_string().into()], ..TenantDetail::clone(shown) },
                None => unread(&tenant, &context, &error),
            })),
        }
    }

    /// The tenant, its ledger and its counts in the latest picture.
    fn stands(&self, open: Option<&TenantKey>) -> Stands {
        let tenant = open.and_then(|key| self.snapshots.borrow().tenant(key).map(Arc::clone));
        let ledger = tenant.as_ref().and_then(|tenant| {
            let contexts = self.contexts.borrow();
            let context = contexts.iter().find(|context| context.database == tenant.key.database)?;
            match context.found.by_schema.get(&tenant.schema_oid?)? {
                Found::Ledger(ledger) => Some(ledger.name.clone()),
                Found::Unclear { .. } => None,
            }
        });
        Stands { tenant, ledger, counts: open.and_then(|key| self.counts(key)) }
    }

    /// Waits until the detail may be out of date; `measured`: what it was read of. False when nobody listens any more.
    async fn wait(&mut self, open: Option<&TenantKey>, measured: Stands, known: bool) -> bool {
        let timer = async {
            match open {
                Some(_) if known => tokio::time::sleep(EVERY).await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::pin!(timer);
        loop {
            tokio::select! {
                () = &mut timer => return true,
                changed = self.open.changed() => return changed.is_ok(),
                asked = self.asked.changed() => return asked.is_ok(),
                picture = self.snapshots.changed() => {
                    if picture.is_err() {
                        return false;
                    }
                    if open.is_some() && (!known || !self.stands(open).is_same(&measured)) {
                        return true;
                    }
                }
                contexts = self.contexts.changed() => {
                    if contexts.is_err() {
                        return false;
                    }
                    if known && !self.stands(open).is_same(&measured) {
                        return true;
                    }
                }
            }
        }
    }

    fn counts(&self, key: &TenantKey) -> Option<Arc<CacheCounts>> {
        let (_, counts) = self.databases.iter().find(|(target, _)| target.config.name == key.database)?;
        counts.borrow().clone()
    }
}

/// A detail of which nothing could be read.
fn unread(tenant: &Tenant, context: &JobContext, error: &FleetError) -> TenantDetail {
    TenantDetail {
        key: tenant.key.clone(),
        measured_at: jiff::Timestamp::now(),
        tables: Vec::new(),
        total_bytes: None,
        unmeasured: Unmeasured::default(),
        migrations: Vec::new(),
        cache_by_prefix: Vec::new(),
        cache_sample: Vec::new(),
        sample_unknown: None,
        jobs: Vec::new(),
        members: Vec::new(),
        health: Vec::new(),
        objects_outside: Vec::new(),
        role: None,
        why: why(tenant, &context.layout.statuses),
        problems: vec![error.to_string().into()],
    }
}

#[cfg(test)]
mod tests;
