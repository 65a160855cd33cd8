//! After a run: whether the tenants that went through it have the structure of the canary, or of most of them where
//! there was none (docs/adr/0015). What differs is a note of that tenant and a line of the log; it fails nothing.
//!
//! Reads on sessions of its own that wait for no lock, page by page, and stops when its time is over. The hashes of
//! tenants that are through are taken while the others are at work: the server waits for its disk then.

mod access;
pub(super) mod new;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::gate;
use super::orders::OrderError;
use super::report::Report;
use super::shared::Shared;
use super::steps::TenantSteps;
use super::worker::Claimed;
use crate::migrations::apply::step::Fence;
use crate::model::ident::literal;
use crate::model::job::{JobKind, LogMark};
use crate::postgres::session::{LinkError, Patience, QueryError, Reader, Target};
use crate::postgres::structure::{self, PAGE, Structure};
use crate::text::{counted, grouped};

/// How long it may take in all.
const LONGEST: Duration = Duration::from_secs(120);
/// Differences that a note names.
const NAMED: usize = 5;
/// Tenants off the majority that are looked at in detail.
const MOST_ODD: usize = 500;
/// From so many tenants on it is said that they are being compared: it takes a while then.
const WORTH_TELLING: usize = 500;

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

/// What the comparison came to.
#[derive(Default)]
struct Compared {
    /// Of those that were looked at in detail: who differs, and how.
    odd: Vec<Odd>,
    /// Tenants whose hash is another one.
    by_hash: usize,
    /// Tenants of those that were looked at in detail.
    looked_at: usize,
}

/// What was learned while the run went on.
#[derive(Default)]
pub(super) struct Ahead {
    reader: Option<Reader>,
    hashes: HashMap<u32, String>,
}

/// Hashes the schemas that `through` names, a page at a time, until the run is `over`, beside what is known already. What is
/// left then, or could not be read, is left to [`after`] and [`new::new_tenants`].
pub(super) async fn ahead(
    known: Ahead,
    target: &Target,
    shared: &Shared<'_>,
    mut through: mpsc::UnboundedReceiver<u32>,
    mut over: oneshot::Receiver<()>,
) -> Ahead {
    let mut ahead = known;
    let mut page = Vec::with_capacity(PAGE);
    loop {
        while page.len() < PAGE {
            let room = PAGE - page.len();
            tokio::select! {
                biased;
                _ = &mut over => return ahead,
                more = through.recv_many(&mut page, room) => if more == 0 { return ahead },
            }
        }
        let hashed = tokio::select! {
            hashed = ahead.hash(target, &page) => hashed,
            // A process that has to end does not wait for this.
            () = shared.end_now() => return ahead,
        };
        if let Err(error) = hashed {
            tracing::debug!(%error, "structures are hashed after the run");
            return ahead;
        }
        page.clear();
    }
}

impl Ahead {
    async fn hash(&mut self, target: &Target, oids: &[u32]) -> Result<(), QueryError> {
        let hashes = structure::hashes(self.reader(target).await?, oids).await?;
        self.hashes.extend(hashes);
        Ok(())
    }

    async fn hash_all(&mut self, target: &Target, pages: &[&[u32]]) -> Result<(), QueryError> {
        for page in pages {
            self.hash(target, page).await?;
        }
        Ok(())
    }

    async fn reader(&mut self, target: &Target) -> Result<&Reader, LinkError> {
        if let Some(reader) = self.reader.take().filter(|reader| !reader.is_closed()) {
            return Ok(self.reader.insert(reader));
        }
        Ok(self.reader.insert(Reader::open(target, Patience::Background).await?))
    }
}

/// Compares and says so. Trouble on the way is said and no more.
pub(super) async fn after(claimed: &Claimed<'_>, shared: &Shared<'_>, tenants: &[TenantSteps], mut ahead: Ahead) {
    match claimed.kind {
        JobKind::Migrate | JobKind::Rollback | JobKind::Redo => {}
        JobKind::Provision | JobKind::Rehearse | JobKind::Import | JobKind::Life(_) => return,
    }
    let done = match done(&mut ahead, claimed).await {
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
    if through.len() >= WORTH_TELLING {
        shared.reports.note(format!("comparing the structures of {}", counted(through.len(), "tenant"))).await;
        shared.reports.send(Report::Comparing).await;
    }
    let work = compared(claimed.target, &through, reference, ahead);
    let found = tokio::select! {
        found = tokio::time::timeout(LONGEST, work) => match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return not_compared(shared, &error.to_string()).await,
            Err(_) => return not_compared(shared, "it took too long").await,
        },
        // A process that has to end does not wait for this.
        () = shared.end_now() => return,
    };
    tell(claimed, shared, &through, reference, &found).await;
}

async fn not_compared(shared: &Shared<'_>, why: &str) {
    shared.reports.note(format!("structures were not compared: {why}")).await;
}

/// The schemas of which all steps are done.
async fn done(ahead: &mut Ahead, claimed: &Claimed<'_>) -> Result<HashSet<String>, QueryError> {
    let sql = format!(
        "SELECT s.schema_name FROM tenantui.step AS s WHERE s.job_id = {} GROUP BY s.schema_name \
         HAVING pg_catalog.bool_and(s.state = 'done')",
        claimed.job
    );
    let rows = ahead.reader(claimed.target).await?.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect())
}

/// Whose structure is another one than the reference's, or than that of most where there is no reference. Tenants at
/// different versions are not alike and need not be: each group is compared by itself.
async fn compared(
    target: &Target,
    through: &[Through<'_>],
    reference: Option<&TenantSteps>,
    mut ahead: Ahead,
) -> Result<Compared, QueryError> {
    let started = Instant::now();
    let known = ahead.hashes.len();
    rest(target, through, &mut ahead).await?;
    tracing::debug!(tenants = through.len(), known, took = ?started.elapsed(), "structures hashed");
    let mut groups: HashMap<&str, Vec<&TenantSteps>> = HashMap::new();
    for one in through {
        groups.entry(one.version).or_default().push(one.tenant);
    }
    let mut found = Compared::default();
    for group in groups.into_values() {
        let standard = group.iter().copied().find(|tenant| reference.is_some_and(|r| std::ptr::eq(r, *tenant)));
        let Some(standard) = standard.or_else(|| most(&group, &ahead.hashes)) else { continue };
        let off = off(group.iter().map(|tenant| tenant.schema_oid), standard.schema_oid, &ahead.hashes);
        let first = &off[..off.len().min(MOST_ODD)];
        found.by_hash += off.len();
        found.looked_at += first.len();
        found.odd.extend(looked_at(ahead.reader(target).await?, standard, first).await?);
    }
    Ok(found)
}

/// Hashes what was not hashed during the run. All of the run waits for this, and nothing else of it works meanwhile:
/// where there are several pages, two sessions halve the time.
async fn rest(target: &Target, through: &[Through<'_>], ahead: &mut Ahead) -> Result<(), QueryError> {
    let oids = through.iter().map(|through| through.tenant.schema_oid);
    let oids: Vec<u32> = oids.filter(|oid| !ahead.hashes.contains_key(oid)).collect();
    let pages: Vec<&[u32]> = oids.chunks(PAGE).collect();
    let (here, there) = pages.split_at(pages.len().div_ceil(2));
    let mut beside = Ahead::default();
    tokio::try_join!(ahead.hash_all(target, here), beside.hash_all(target, there))?;
    ahead.hashes.extend(beside.hashes);
    Ok(())
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

/// All whose hash is another one than the standard's.
fn off(oids: impl Iterator<Item = u32>, standard: u32, hashes: &HashMap<u32, String>) -> Vec<u32> {
    oids.filter(|oid| hashes.get(oid) != hashes.get(&standard)).collect()
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
            let words = format!("structure differs from {}: {}", standard.slug, named(differences));
            odd.push(Odd { oid: *oid, words });
        }
    }
    Ok(odd)
}

/// The first differences, and how many more there are.
fn named(differences: Vec<String>) -> String {
    let more = differences.len().saturating_sub(NAMED);
    let mut words = differences.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        words.push_str(&format!(" and {more} more"));
    }
    words
}

async fn tell(
    claimed: &Claimed<'_>,
    shared: &Shared<'_>,
    through: &[Through<'_>],
    reference: Option<&TenantSteps>,
    found: &Compared,
) {
    if !found.odd.is_empty()
        && let Err(error) = record(claimed, shared, through, &found.odd).await
    {
        shared.reports.note(format!("the differences were not recorded: {error}")).await;
    }
    let with = reference.map_or_else(|| "with most of them".to_owned(), |tenant| format!("with {}", tenant.slug));
    let numbers = (found.by_hash, found.looked_at, found.odd.len());
    let mut text = format!("structures of {} compared {with}: {}", counted(through.len(), "tenant"), result(numbers));
    if reference.is_some() && found.by_hash * 2 > through.len() {
        text.push_str("; with so many, look whether the canary itself is odd");
    }
    shared.reports.note(text).await;
}

/// The result in words: how many differ by their hash, of these how many were looked at in detail, and how many of them
/// do differ. A hash may differ for nothing, so that nobody who was not looked at counts as different.
fn result((by_hash, looked_at, odd): (usize, usize, usize)) -> String {
    let number = |count: usize| grouped(count as u64);
    let differ = |count: usize| if count == 1 { "differs" } else { "differ" };
    match odd {
        _ if by_hash > looked_at => format!(
            "{} {} by their hash; of the first {}, looked at in detail, {} {}",
            number(by_hash),
            differ(by_hash),
            number(looked_at),
            number(odd),
            differ(odd)
        ),
        0 => "all alike".to_owned(),
        odd => format!("{} {}", number(odd), differ(odd)),
    }
}

async fn record(
    claimed: &Claimed<'_>,
    shared: &Shared<'_>,
    through: &[Through<'_>],
    found: &[Odd],
) -> Result<(), OrderError> {
    let session = gate::again(claimed.target, Some(claimed.job)).await?;
    for odd in found {
        let Some(one) = through.iter().find(|one| one.tenant.schema_oid == odd.oid) else { continue };
        shared.reports.line(LogMark::Note, &one.tenant.slug, odd.words.clone()).await;
        let seq = one.tenant.steps.last().map_or(0, |step| step.seq);
        let sql = note_sql(shared.fence, one.tenant.schema.raw(), seq, &odd.words, shared.os_user);
        gate::ask(&session, &sql).await?;
    }
    Ok(())
}

/// The note on the tenant's last step, fenced, with its audit row.
fn note_sql(fence: Fence, schema: &str, seq: i32, words: &str, os_user: &str) -> String {
    format!(
        "WITH mine AS (SELECT id FROM tenantui.job WHERE id = {job} AND attempt = {attempt} AND state = 'running' FOR KEY SHARE), \
         noted AS (UPDATE tenantui.step AS s SET note = {words} FROM mine WHERE s.job_id = mine.id AND s.seq = {seq} \
         RETURNING s.job_id) INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) \
         SELECT {os_user}, 'compare', {schema}, job_id, pg_catalog.jsonb_build_object('differs', {words}::text), 'differs' FROM noted",
        job = fence.job,
        attempt = fence.attempt,
        words = literal(words),
        os_user = literal(os_user),
        schema = literal(schema),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_hash_is_counted() {
        let hashes = (1..=10_999).map(|oid| (oid, if oid <= 1_000 { "most" } else { "other" }.to_owned())).collect();
        assert_eq!(off(1..=10_999, 1, &hashes).len(), 9_999);
        assert_eq!(off(1..=3, 1, &hashes), [0; 0]);
        assert_eq!(off(1..=11_000, 1, &hashes).last(), Some(&11_000), "one without a hash is not known to be alike");
    }

    #[test]
    fn who_was_not_looked_at_is_counted_by_the_hash() {
        assert_eq!(result((0, 0, 0)), "all alike");
        assert_eq!(result((3, 3, 0)), "all alike", "their hashes differ for nothing");
        assert_eq!(result((3, 3, 1)), "1 differs");
        assert_eq!(result((500, 500, 500)), "500 differ");
        assert_eq!(
            result((9_999, MOST_ODD, 500)),
            "9,999 differ by their hash; of the first 500, looked at in detail, 500 differ"
        );
        assert_eq!(
            result((501, MOST_ODD, 1)),
            "501 differ by their hash; of the first 500, looked at in detail, 1 differs"
        );
    }
}
