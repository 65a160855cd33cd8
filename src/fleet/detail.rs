//! The one tenant that is open: read exactly, on a session of its own, so that nothing waits for it and its backend
//! can be let go.

mod desk;

pub use self::desk::{Desk, run};
use super::measure::{self, Reach};
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
use crate::model::ident::SchemaName;
use crate::model::job::JobId;
use crate::model::tenant::{HealthFact, MigrationDetail, Tenant, TenantDetail, TenantKey, Unmeasured};
use crate::postgres::detail::{self, Tables};
use crate::postgres::session::{QueryError, Reader};
use crate::postgres::sizes::Measuring;
use crate::text::{Untrusted, grouped};

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
    (measuring, reach): (&mut Measuring, Reach<'_>),
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
    let tables = match tenant.schema_oid {
        Some(oid) => measure::tables(session, measuring, oid, reach, &mut problems).await?,
        None => {
            *measuring = Measuring::default();
            Tables::default()
        }
    };
    let detail = TenantDetail {
        key: tenant.key.clone(),
        measured_at: jiff::Timestamp::now(),
        tables: Vec::new(),
        total_bytes: None,
        unmeasured: Unmeasured::default(),
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
    };
    Ok(with_tables(detail, tables))
}

/// A detail with its tables as far as they are measured.
fn with_tables(detail: TenantDetail, tables: Tables) -> TenantDetail {
    let Tables { list, total_bytes, unmeasured, measured_at } = tables;
    let measured_at = measured_at.unwrap_or(detail.measured_at);
    TenantDetail { tables: list, total_bytes, unmeasured, measured_at, ..detail }
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
