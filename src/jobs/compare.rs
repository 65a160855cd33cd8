//! After a run: whether the tenants that went through it have the structure of the canary, or of most of them where
//! there was none (docs/adr/0015). What differs is a note of that tenant and a line of the log; it fails nothing.
//!
//! Reads on a session of its own that waits for no lock, page by page, and stops when its time is over.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::gate;
use super::orders::OrderError;
use super::shared::Shared;
use super::steps::TenantSteps;
use super::worker::Claimed;
use crate::migrations::apply::step::Fence;
use crate::model::ident::literal;
use crate::model::job::{JobKind, LogMark};
use crate::postgres::session::{Patience, QueryError, Reader, WriterSession};
use crate::postgres::structure::{self, PAGE, Structure};

/// How long it may take in all.
const LONGEST: Duration = Duration::from_secs(120);
/// Differences that a note names.
const NAMED: usize = 5;
/// Tenants off the majority that are looked at in detail.
const MOST_ODD: usize = 500;

/// A tenant that went through, and where it stands.
struct Through<'t> {
    tenant: &'t TenantSteps,
    version: &'t str,
}

/// How a tenant's structure differs, and from whose.
struct Odd {
    oid: u32,
    words: String,
}

/// Compares and says so. Trouble on the way is said and no more.
pub(super) async fn after(claimed: &Claimed<'_>, shared: &Shared<'_>, tenants: &[TenantSteps]) {
    match claimed.kind {
        JobKind::Migrate | JobKind::Rollback | JobKind::Redo => {}
        JobKind::Provision | JobKind::Rehearse => return,
    }
    let session = match gate::open(claimed.target, Some(claimed.job)).await {
        Ok(session) => session,
        Err(error) => return not_compared(shared, &error.to_string()).await,
    };
    let done = match done(&session, claimed.fence).await {
        Ok(done) => done,
        Err(error) => return not_compared(shared, &error.to_string()).await,
    };
    let through: Vec<Through<'_>> = tenants
        .iter()
        .filter(|tenant| done.contains(tenant.schema.raw()))
        .filter_map(|tenant| Some(Through { tenant, version: tenant.steps.last()?.comes_to() }))
        .collect();
    // Alone a tenant has nobody to be compared with.
    if through.len() < 2 {
        return;
    }
    let canary = usize::try_from(claimed.canary()).unwrap_or(0);
    let reference = tenants.iter().take(canary).find(|tenant| through.iter().any(|t| std::ptr::eq(t.tenant, *tenant)));
    let work = compared(claimed, &through, reference);
    let found = tokio::select! {
        found = tokio::time::timeout(LONGEST, work) => match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return not_compared(shared, &error.to_string()).await,
            Err(_) => return not_compared(shared, "it took too long").await,
        },
        // A process that has to end does not wait for this.
        () = shared.end_now() => return,
    };
    tell(shared, &session, &through, reference, &found).await;
}

async fn not_compared(shared: &Shared<'_>, why: &str) {
    shared.reports.note(format!("structures were not compared: {why}")).await;
}

/// The schemas of which all steps are done.
async fn done(session: &WriterSession, fence: Fence) -> Result<HashSet<String>, OrderError> {
    let sql = format!(
        "SELECT s.schema_name FROM tenantui.step AS s WHERE s.job_id = {} GROUP BY s.schema_name \
         HAVING pg_catalog.bool_and(s.state = 'done')",
        fence.job
    );
    let rows = gate::ask(session, &sql).await?;
    Ok(rows.iter().flatten().filter_map(|row| row.text(0).map(str::to_owned)).collect())
}

/// Whose structure is another one than the reference's, or than that of most where there is no reference. Tenants at
/// different versions are not alike and need not be: each group is compared by itself.
async fn compared(
    claimed: &Claimed<'_>,
    through: &[Through<'_>],
    reference: Option<&TenantSteps>,
) -> Result<Vec<Odd>, QueryError> {
    let reader = Reader::open(claimed.target, Patience::Background).await?;
    let started = Instant::now();
    let pages: Vec<&[Through<'_>]> = through.chunks(PAGE).collect();
    let (here, beside) = pages.split_at(pages.len().div_ceil(2));
    let beside = async {
        match beside {
            [] => Ok(HashMap::new()),
            pages => hashed(&Reader::open(claimed.target, Patience::Background).await?, pages).await,
        }
    };
    // The whole run waits for this, and nothing else of it works meanwhile: two sessions halve the time.
    let (mut hashes, more) = tokio::try_join!(hashed(&reader, here), beside)?;
    hashes.extend(more);
    tracing::debug!(tenants = through.len(), took = ?started.elapsed(), "structures hashed");
    let mut groups: HashMap<&str, Vec<&TenantSteps>> = HashMap::new();
    for one in through {
        groups.entry(one.version).or_default().push(one.tenant);
    }
    let mut odd = Vec::new();
    for group in groups.into_values() {
        let standard = group.iter().copied().find(|tenant| reference.is_some_and(|r| std::ptr::eq(r, *tenant)));
        let Some(standard) = standard.or_else(|| most(&group, &hashes)) else { continue };
        let off: Vec<u32> = group
            .iter()
            .map(|tenant| tenant.schema_oid)
            .filter(|oid| hashes.get(oid) != hashes.get(&standard.schema_oid))
            .take(MOST_ODD)
            .collect();
        odd.extend(looked_at(&reader, standard, &off).await?);
    }
    Ok(odd)
}

/// The hashes of these tenants' structures, by schema.
async fn hashed(reader: &Reader, pages: &[&[Through<'_>]]) -> Result<HashMap<u32, String>, QueryError> {
    let mut hashes = HashMap::new();
    for page in pages {
        let oids: Vec<u32> = page.iter().map(|through| through.tenant.schema_oid).collect();
        hashes.extend(structure::hashes(reader, &oids).await?);
    }
    Ok(hashes)
}

/// One of those that have the structure of most; the first in the job's order where several structures are as many.
fn most<'t>(group: &[&'t TenantSteps], hashes: &HashMap<u32, String>) -> Option<&'t TenantSteps> {
    let mut votes: HashMap<&str, usize> = HashMap::new();
    for hash in group.iter().filter_map(|tenant| hashes.get(&tenant.schema_oid)) {
        *votes.entry(hash).or_default() += 1;
    }
    let best = votes.values().copied().max()?;
    group.iter().copied().find(|tenant| {
        hashes.get(&tenant.schema_oid).and_then(|hash| votes.get(hash.as_str())).is_some_and(|votes| *votes == best)
    })
}

/// Those whose definitions differ too: a hash may differ for nothing.
async fn looked_at(reader: &Reader, standard: &TenantSteps, off: &[u32]) -> Result<Vec<Odd>, QueryError> {
    if off.is_empty() {
        return Ok(Vec::new());
    }
    let own = [standard.schema_oid];
    let should: Structure = structure::structures(reader, &own).await?.remove(&standard.schema_oid).unwrap_or_default();
    let mut odd = Vec::new();
    for page in off.chunks(PAGE) {
        let structures = structure::structures(reader, page).await?;
        for oid in page {
            let Some(is) = structures.get(oid) else { continue };
            let differences = structure::differences(&should, is);
            if differences.is_empty() {
                continue;
            }
            let more = differences.len().saturating_sub(NAMED);
            let mut words = differences.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            if more > 0 {
                words.push_str(&format!(" and {more} more"));
            }
            odd.push(Odd { oid: *oid, words: format!("structure differs from {}: {words}", standard.slug) });
        }
    }
    Ok(odd)
}

async fn tell(
    shared: &Shared<'_>,
    session: &WriterSession,
    through: &[Through<'_>],
    reference: Option<&TenantSteps>,
    found: &[Odd],
) {
    for odd in found {
        let Some(one) = through.iter().find(|one| one.tenant.schema_oid == odd.oid) else { continue };
        shared.reports.line(LogMark::Note, &one.tenant.slug, odd.words.clone()).await;
        let sql = note_sql(shared.fence, one.tenant, &odd.words, shared.os_user);
        if let Err(trouble) = gate::ask(session, &sql).await {
            shared.reports.note(format!("that was not recorded: {}", trouble.message().raw())).await;
        }
    }
    let with = reference.map_or_else(|| "with most of them".to_owned(), |tenant| format!("with {}", tenant.slug));
    let text = match found.len() {
        0 => format!("structures of {} tenants compared {with}: all alike", through.len()),
        odd => format!("structures of {} tenants compared {with}: {odd} differ", through.len()),
    };
    shared.reports.note(text).await;
}

/// The note on the tenant's last step, fenced, with its audit row.
fn note_sql(fence: Fence, tenant: &TenantSteps, words: &str, os_user: &str) -> String {
    format!(
        "WITH mine AS (SELECT id FROM tenantui.job WHERE id = {job} AND attempt = {attempt} AND state = 'running' FOR KEY SHARE), \
         noted AS (UPDATE tenantui.step AS s SET note = {words} FROM mine WHERE s.job_id = mine.id AND s.seq = {seq} \
         RETURNING s.job_id) INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) \
         SELECT {os_user}, 'compare', {schema}, job_id, pg_catalog.jsonb_build_object('differs', {words}::text), 'differs' FROM noted",
        job = fence.job,
        attempt = fence.attempt,
        seq = tenant.steps.last().map_or(0, |step| step.seq),
        words = literal(words),
        os_user = literal(os_user),
        schema = literal(tenant.schema.raw()),
    )
}
