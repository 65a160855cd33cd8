//! Removes the keys of one tenant: SCAN for what can be its own, UNLINK of what is. Never KEYS, never DEL, never a key
//! that another tenant has a claim to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use super::errors::Trouble;
use super::pass::{self, Pace};
use super::pattern::Matcher;
use super::{CacheError, CacheIds, open, read_patterns, server};
use crate::config;
use crate::model::tenant::TenantKey;
use crate::text::{Untrusted, counted, grouped};

/// Keys that one UNLINK removes: it takes a bounded time, whatever they hold.
const AT_ONCE: usize = 200;
/// How often the sentinels are asked for another master within one removal.
const FOLLOWED: u32 = 5;
/// How long a master is looked for: sentinels wait for half a minute where nobody told them otherwise, and then vote.
const FOLLOW: Duration = Duration::from_secs(45);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a removal came to, or has come to so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unlinked {
    /// Keys removed. Where an answer was lost and asked for again, those of the lost one are not counted; those that
    /// came back with another master are, each time.
    pub deleted: u64,
    /// Keys that are another row's too (two rows of one slug or schema, or one row's id is another's slug): they are kept.
    pub shared: u64,
    /// How often the master went away and the sentinels were asked for the next one.
    pub followed: u32,
}

/// Behind what was removed: `, 3 kept that another row shares`; nothing where none was kept.
#[must_use]
pub fn kept_words(kept: u64) -> String {
    if kept == 0 { String::new() } else { format!(", {} kept that another row shares", grouped(kept)) }
}

/// Removes the keys of one tenant, as the patterns and all other tenants have it: a key that fits another tenant's
/// pattern better is that one's. `told` hears the numbers after each piece. Done again, it removes what is left. A failover
/// is followed where the cache is found by its sentinels.
///
/// # Errors
/// When Redis is absent, slow beyond its deadline, refuses us, or goes away (what was removed until then is said); a
/// pattern that names no tenant; a tenant that is not among `tenants`.
pub async fn unlink(
    cache: &config::Cache,
    patterns: &[String],
    tenant: &TenantKey,
    tenants: Arc<[CacheIds]>,
    mut told: impl FnMut(Unlinked) + Send,
) -> Result<Unlinked, CacheError> {
    let matcher = Matcher::new(read_patterns(patterns)?, &tenants);
    let index = tenants.iter().position(|ids| &ids.key == tenant).and_then(|index| u32::try_from(index).ok());
    let Some(index) = index else {
        return Err(CacheError { message: Untrusted::new("whose cache keys are to be removed is not known") });
    };
    let mut done = Unlinked::default();
    if !matcher.may_own(index) {
        return Ok(done);
    }
    let (mut connection, mut address) = open(cache).await?;
    loop {
        let trouble = match walk(&mut connection, &matcher, index, &mut done, &mut told).await {
            Ok(()) => return Ok(done),
            Err(trouble) => trouble,
        };
        if done.followed == FOLLOWED || !trouble.may_be_a_failover() || !server::is_by_sentinel(cache) {
            return Err(failed(trouble, &address, done));
        }
        done.followed += 1;
        told(done);
        tracing::info!(master = %address, trouble = %trouble.words(), "the sentinels are asked for the next master");
        (connection, address) = next_master(cache).await.map_err(|error| so_far(error.message.raw(), done))?;
        // A cursor means nothing to another server, and what was removed in the old one may be there in this one: it is
        // walked from its start.
        done.shared = 0;
    }
}

/// The master that the sentinels name now, as soon as it is one. All that is asked of a server is asked of this one too.
async fn next_master(cache: &config::Cache) -> Result<(MultiplexedConnection, String), CacheError> {
    let started = Instant::now();
    loop {
        match open(cache).await {
            Err(error) if started.elapsed() > FOLLOW => return Err(error),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
            opened => return opened,
        }
    }
}

fn failed(trouble: Trouble, address: &str, done: Unlinked) -> CacheError {
    match trouble {
        Trouble::Denied(why) => {
            so_far(&format!("the cache at {address} does not allow it: {why}; the user needs +scan and +unlink"), done)
        }
        Trouble::Slow => so_far(&format!("the cache at {address} gave no answer in time"), done),
        other => so_far(other.into_error(address, super::CacheProgress::default()).message.raw(), done),
    }
}

fn so_far(why: &str, done: Unlinked) -> CacheError {
    let removed = counted(done.deleted, "key");
    let message = format!("{why}. {removed} removed until then; doing it again removes the rest");
    CacheError { message: Untrusted::from(message) }
}

async fn walk(
    connection: &mut MultiplexedConnection,
    matcher: &Matcher,
    tenant: u32,
    done: &mut Unlinked,
    told: &mut (impl FnMut(Unlinked) + Send),
) -> Result<(), Trouble> {
    let narrow = matcher.scan_match_of(tenant);
    let mut pace = Pace::default();
    let mut cursor = 0_u64;
    loop {
        let started = Instant::now();
        let (next, keys) = pass::scan(connection, cursor, narrow.as_deref(), &pace).await?;
        let took = started.elapsed();
        let mut own = Vec::new();
        for key in keys {
            let Some(claims) = matcher.find(&key) else { continue };
            match matcher.claimants(&claims).as_slice() {
                [only] if *only == tenant => own.push(key),
                several if several.contains(&tenant) => done.shared += 1,
                _ => {}
            }
        }
        for piece in own.chunks(AT_ONCE) {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(piece);
            done.deleted += pass::again::<u64>(connection, &unlink).await?;
            told(*done);
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
        tokio::time::sleep(pace.after(took)).await;
    }
}
