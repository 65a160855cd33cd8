//! The template check: whether tenants that were made have the structure of their siblings at the same version. What a
//! migration did differently in an old tenant, or what was changed there by hand, shows here first.

use std::collections::HashMap;

use super::{Ahead, LONGEST, WORTH_TELLING, access, named, not_compared, note_sql};
use crate::jobs::gate;
use crate::jobs::orders::OrderError;
use crate::jobs::report::Report;
use crate::jobs::service::Sibling;
use crate::jobs::shared::Shared;
use crate::jobs::worker::Claimed;
use crate::migrations::apply::step::Fence;
use crate::model::job::LogMark;
use crate::postgres::session::{Reader, Target, WriterSession};
use crate::postgres::structure::{self, PAGE, Structure};

/// What new tenants are to be like.
#[derive(Clone, Copy)]
pub(in crate::jobs) struct Siblings<'a> {
    /// Which.
    pub(in crate::jobs) all: &'a [Sibling],
    /// In their structure too, not only in who may use them.
    pub(in crate::jobs) structures: bool,
}

/// A tenant that this run made.
struct Made {
    slug: String,
    schema: String,
    oid: u32,
    /// Its last step, which gets the note.
    seq: i32,
}

/// Hashes the siblings, while the new tenants are being made. What could not be read then is left to [`new_tenants`].
pub(in crate::jobs) async fn siblings_ahead(target: &Target, shared: &Shared<'_>, siblings: &[Sibling]) -> Ahead {
    let mut ahead = Ahead::default();
    let theirs = oids_of(siblings);
    let hashed = tokio::select! {
        hashed = ahead.hash(target, &theirs) => hashed,
        // A process that has to end does not wait for this.
        () = shared.end_now() => return ahead,
    };
    if let Err(error) = hashed {
        tracing::debug!(%error, "the siblings are hashed after the run");
    }
    ahead
}

/// Compares and says so. Trouble on the way is said and no more.
pub(in crate::jobs) async fn new_tenants(
    claimed: &Claimed<'_>,
    shared: &Shared<'_>,
    siblings: Siblings<'_>,
    ahead: Ahead,
) {
    if siblings.all.is_empty() {
        return;
    }
    let work = compared(claimed, shared, siblings, ahead);
    tokio::select! {
        ended = tokio::time::timeout(LONGEST, work) => match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => not_compared(shared, &error.to_string()).await,
            Err(_) => not_compared(shared, "it took too long").await,
        },
        // A process that has to end does not wait for this.
        () = shared.end_now() => {}
    }
}

async fn compared(
    claimed: &Claimed<'_>,
    shared: &Shared<'_>,
    Siblings { all: siblings, structures }: Siblings<'_>,
    mut ahead: Ahead,
) -> Result<(), OrderError> {
    let session = gate::again(claimed.target, Some(claimed.job)).await?;
    let made = made(&session, claimed.fence).await?;
    if made.is_empty() {
        return Ok(());
    }
    let oids: Vec<u32> = made.iter().map(|one| one.oid).collect();
    if let Some(words) = access::missed(&session, &oids_of(siblings), &oids).await? {
        shared.reports.note(words).await;
    }
    if !structures {
        return Ok(());
    }
    if made.len() >= WORTH_TELLING {
        shared.reports.send(Report::Comparing).await;
    }
    if ahead.hashes.is_empty() {
        let mut all = oids_of(siblings);
        all.extend(oids.iter().take(PAGE.saturating_sub(all.len())));
        ahead.hash(claimed.target, &all).await?;
    }
    let Some(standard) = most(siblings, &ahead.hashes) else {
        not_compared(shared, "the siblings are gone").await;
        return Ok(());
    };
    let left: Vec<u32> = made.iter().map(|one| one.oid).filter(|oid| !ahead.hashes.contains_key(oid)).collect();
    for page in left.chunks(PAGE) {
        ahead.hash(claimed.target, page).await?;
    }
    let is = |oid: u32| ahead.hashes.get(&oid);
    let odd: Vec<&Made> = made.iter().filter(|one| is(one.oid) != is(standard.schema_oid)).collect();
    let found = told(shared, ahead.reader(claimed.target).await?, &session, standard, &odd).await?;
    let text = match (made.len(), found) {
        (1, 0) => format!("structure compared with {}: the same", standard.slug),
        (1, _) => return Ok(()),
        (of, 0) => format!("structures of {of} new tenants compared with {}: all the same", standard.slug),
        (of, 1) => format!("structures of {of} new tenants compared with {}: 1 differs", standard.slug),
        (of, odd) => format!("structures of {of} new tenants compared with {}: {odd} differ", standard.slug),
    };
    shared.reports.note(text).await;
    Ok(())
}

fn oids_of(siblings: &[Sibling]) -> Vec<u32> {
    siblings.iter().map(|sibling| sibling.schema_oid).collect()
}

/// One of those that have the structure of most of them.
fn most<'s>(siblings: &'s [Sibling], hashes: &HashMap<u32, String>) -> Option<&'s Sibling> {
    let alike = |sibling: &&Sibling| {
        let own = hashes.get(&sibling.schema_oid);
        siblings.iter().filter(|other| hashes.get(&other.schema_oid) == own).count()
    };
    // The first of several that are as many: `max_by_key` would take the last.
    siblings.iter().rev().filter(|sibling| hashes.contains_key(&sibling.schema_oid)).max_by_key(alike)
}

/// The tenants that this run made.
async fn made(session: &WriterSession, fence: Fence) -> Result<Vec<Made>, OrderError> {
    let sql = format!(
        "SELECT s.slug, s.schema_name, s.schema_oid, s.seq FROM tenantui.step AS s WHERE s.job_id = {} \
         AND s.action = 'active' AND s.state = 'done' AND s.attempt = {} ORDER BY s.seq",
        fence.job, fence.attempt
    );
    let rows = gate::ask(session, &sql).await?;
    let mut made = Vec::new();
    for row in rows.iter().flatten() {
        let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
        let Some(oid) = row.parse(2)? else { continue };
        made.push(Made { slug: text(0), schema: text(1), oid, seq: row.parse(3)?.unwrap_or_default() });
    }
    Ok(made)
}

/// Names the differences of those whose definitions differ too: a hash may differ for nothing. How many they are.
async fn told(
    shared: &Shared<'_>,
    reader: &Reader,
    session: &WriterSession,
    standard: &Sibling,
    odd: &[&Made],
) -> Result<usize, OrderError> {
    if odd.is_empty() {
        return Ok(0);
    }
    let own = [standard.schema_oid];
    let should: Structure = structure::structures(reader, &own).await?.remove(&standard.schema_oid).unwrap_or_default();
    let mut found = 0;
    for page in odd.chunks(PAGE) {
        let oids: Vec<u32> = page.iter().map(|one| one.oid).collect();
        let structures = structure::structures(reader, &oids).await?;
        for one in page {
            let differences =
                structures.get(&one.oid).map(|is| structure::differences(&should, is)).unwrap_or_default();
            if differences.is_empty() {
                continue;
            }
            found += 1;
            let words = format!("structure differs from {}: {}", standard.slug, named(differences));
            shared.reports.line(LogMark::Note, &one.slug, words.clone()).await;
            gate::ask(session, &note_sql(shared.fence, &one.schema, one.seq, &words, shared.os_user)).await?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_of_most_siblings_is_the_standard() {
        let sibling = |slug: &str, schema_oid| Sibling { slug: slug.into(), schema_oid };
        let siblings = [sibling("odd", 1), sibling("a", 2), sibling("b", 3), sibling("gone", 4)];
        let hashes = [(1, "x"), (2, "y"), (3, "y")].map(|(oid, hash)| (oid, hash.to_owned())).into();
        assert_eq!(most(&siblings, &hashes).map(|sibling| sibling.slug.as_str()), Some("a"));
        assert_eq!(most(&siblings, &HashMap::new()), None);
    }
}
