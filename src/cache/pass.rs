//! One polite pass of SCAN over a server. It waits as long as the server worked, longer when answers slow down, and
//! never sends anything but reads that take bounded time.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

use super::CacheProgress;
use super::errors::Trouble;
use super::pattern::{Claims, Match, Matcher};
use super::sample;

/// How long a command may take.
pub(super) const COMMAND_DEADLINE: Duration = Duration::from_millis(500);
/// How long connecting may take, TLS and login included.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// Wait before an unanswered SCAN is asked once more: its cursor stays good.
const SECOND_TRY: Duration = Duration::from_millis(250);
/// Keys a SCAN looks at, at most and at least.
const COUNT: (u32, u32) = (500, 50);
/// Answers that tell how fast the server is when nobody disturbs it.
const BASELINE_ANSWERS: u32 = 8;
/// An answer this many times slower than the baseline is a server with other work.
const SLOW_FACTOR: u32 = 4;
/// Answers below this are never called slow: the network's noise.
const SLOW_FLOOR: Duration = Duration::from_millis(3);
/// Pauses between two SCANs, least and most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// Prefixes of one tenant that are told apart.
const MAX_PREFIXES: usize = 1_000;
/// Keys longer than this are no use to a reader.
const MAX_SAMPLE_BYTES: usize = 4_096;

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Keys per slot of the matcher.
    pub(super) slots: Vec<u64>,
    /// Keys of a tenant (its index) that are counted in another one's slot, and are as much its own.
    pub(super) claimed: HashMap<u32, u64>,
    /// Keys in all.
    pub(super) keys: u64,
    /// Keys of the chosen tenant by prefix.
    pub(super) prefixes: HashMap<Vec<u8>, u64>,
    /// Some of that tenant's keys, each with its prefix.
    pub(super) sample: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Walks the whole database once. `split`: the tenant (its index) whose keys are also told apart by prefix.
pub(super) async fn walk(
    connection: &mut MultiplexedConnection,
    matcher: &Matcher,
    split: Option<u32>,
    progress: &watch::Sender<CacheProgress>,
) -> Result<Tally, (Trouble, CacheProgress)> {
    let mut at = CacheProgress::default();
    let of = match command::<u64>(connection, &redis::cmd("DBSIZE")).await {
        Ok(size) => Some(size),
        // Without DBSIZE's right the walk itself counts.
        Err(Trouble::Denied(_)) => None,
        Err(trouble) => return Err((trouble, at)),
    };
    at.of = of;
    progress.send_replace(at);
    // The server is spared the keys of others only where it can say how many there are.
    let narrow = of.and(matcher.scan_match());
    let mut counter = Counter::new(matcher, split);
    let mut pace = Pace::default();
    let mut cursor = 0_u64;
    loop {
        let started = Instant::now();
        let (next, keys) = scan(connection, cursor, narrow.as_deref(), &pace).await.map_err(|trouble| (trouble, at))?;
        let took = started.elapsed();
        counter.take(keys);
        at.seen = match (narrow.is_some(), of) {
            (true, Some(of)) => at.seen.max(walked(next, of)),
            (true, None) | (false, _) => counter.tally.keys,
        };
        progress.send_replace(at);
        cursor = next;
        if cursor == 0 {
            break;
        }
        tokio::time::sleep(pace.after(took)).await;
    }
    let mut tally = counter.tally;
    if narrow.is_some() {
        tally.keys = command(connection, &redis::cmd("DBSIZE")).await.map_err(|trouble| (trouble, at))?;
    }
    progress.send_replace(CacheProgress { seen: tally.keys, of });
    Ok(tally)
}

/// One command with its deadline.
pub(super) async fn command<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &redis::Cmd,
) -> Result<T, Trouble> {
    match tokio::time::timeout(COMMAND_DEADLINE, command.query_async(connection)).await {
        Ok(answer) => answer.map_err(Trouble::from),
        Err(_) => Err(Trouble::Slow),
    }
}

/// How many keys lie behind a cursor: it counts through the server's table with its bits reversed.
fn walked(cursor: u64, of: u64) -> u64 {
    let bits = 64 - of.saturating_sub(1).leading_zeros();
    if bits == 0 || bits >= 64 {
        return 0;
    }
    let place = u128::from(cursor.reverse_bits() >> (64 - bits));
    u64::try_from((place * u128::from(of)) >> bits).unwrap_or(of).min(of)
}

/// Counts keys, each once within what SCAN returned lately.
struct Counter<'a> {
    matcher: &'a Matcher,
    split: Option<u32>,
    tally: Tally,
    hasher: RandomState,
    /// Keys of the answer before: where the server's table shrinks or is rehashed, SCAN returns some keys again, mostly
    /// at once. Remembering every key would cost more memory than the count is worth; a key that comes again much
    /// later is counted twice.
    lately: HashSet<u64>,
}

impl<'a> Counter<'a> {
    fn new(matcher: &'a Matcher, split: Option<u32>) -> Self {
        let tally = Tally { slots: vec![0; matcher.slots()], ..Tally::default() };
        Self { matcher, split, tally, hasher: RandomState::new(), lately: HashSet::new() }
    }

    fn take(&mut self, keys: Vec<Vec<u8>>) {
        let mut now = HashSet::with_capacity(keys.len());
        for key in keys {
            let hash = self.hasher.hash_one(&key);
            if self.lately.contains(&hash) || !now.insert(hash) {
                continue;
            }
            self.tally.keys += 1;
            let Some(claims) = self.matcher.find(&key) else { continue };
            if let Some(count) = self.tally.slots.get_mut(claims.best.slot as usize) {
                *count += 1;
            }
            self.claim(&claims);
            let is_own =
                |found: &&Match| self.split.is_some_and(|own| self.matcher.tenants_of(found.slot).contains(&own));
            if let Some(rest) = claims.all().find(is_own).map(|found| found.rest) {
                self.split_off(&key, rest);
            }
        }
        self.lately = now;
    }

    /// Counts a key for those who have as good a claim as the one that it is counted for.
    fn claim(&mut self, claims: &Claims) {
        if claims.equal.is_empty() {
            return;
        }
        let counted = self.matcher.tenants_of(claims.best.slot);
        for tenant in self.matcher.claimants(claims).into_iter().filter(|tenant| !counted.contains(tenant)) {
            *self.tally.claimed.entry(tenant).or_insert(0) += 1;
        }
    }

    /// Counts the part after the tenant's own up to its first colon; without one, the keys themselves.
    fn split_off(&mut self, key: &[u8], rest: usize) {
        let rest = key.get(rest..).unwrap_or_default();
        let prefix = match rest.iter().position(|byte| *byte == b':') {
            Some(colon) => &rest[..=colon],
            None => &[],
        };
        let known = self.tally.prefixes.contains_key(prefix) || self.tally.prefixes.len() < MAX_PREFIXES;
        let label = if known { prefix } else { b"..." };
        let count = self.tally.prefixes.entry(label.to_vec()).or_insert(0);
        *count += 1;
        // SCAN walks by hash: the first keys that it meets are as good a sample as any.
        let (of_prefix, in_all) = sample::LIMIT;
        if *count <= of_prefix as u64 && self.tally.sample.len() < in_all && key.len() <= MAX_SAMPLE_BYTES {
            self.tally.sample.push((label.to_vec(), key.to_vec()));
        }
    }
}

/// One piece of a walk over all keys: the next cursor, and the keys that were seen.
pub(super) async fn scan(
    connection: &mut MultiplexedConnection,
    cursor: u64,
    narrow: Option<&[u8]>,
    pace: &Pace,
) -> Result<(u64, Vec<Vec<u8>>), Trouble> {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor);
    if let Some(glob) = narrow {
        scan.arg("MATCH").arg(glob);
    }
    scan.arg("COUNT").arg(pace.count);
    again(connection, &scan).await
}

/// A command, asked once more where no answer came: a cursor stays good, and what is removed is removed.
pub(super) async fn again<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    asked: &redis::Cmd,
) -> Result<T, Trouble> {
    match command(connection, asked).await {
        Err(Trouble::Slow) => {
            tokio::time::sleep(SECOND_TRY).await;
            command(connection, asked).await
        }
        other => other,
    }
}

/// How hard the server is driven.
#[derive(Debug)]
pub(super) struct Pace {
    count: u32,
    baseline: Option<Duration>,
    answers: u32,
    pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { count: COUNT.0, baseline: None, answers: 0, pause: PAUSE.0 }
    }
}

impl Pace {
    /// The pause after an answer that took so long. At most half of the time is the server's; when its answers become
    /// slower than the first ones the pauses double and the pieces halve, and both recover step by step.
    pub(super) fn after(&mut self, took: Duration) -> Duration {
        self.answers += 1;
        if self.answers <= BASELINE_ANSWERS {
            self.baseline = Some(self.baseline.map_or(took, |best| best.min(took)));
        }
        let usual = self.baseline.unwrap_or(took);
        if took > SLOW_FLOOR && took > usual * SLOW_FACTOR {
            self.pause = (self.pause * 2).min(PAUSE.1);
            self.count = (self.count / 2).max(COUNT.1);
        } else {
            self.pause = (self.pause / 2).max(PAUSE.0);
            self.count = (self.count + COUNT.1).min(COUNT.0);
        }
        self.pause.max(took.min(PAUSE.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_is_given_time() {
        let mut pace = Pace::default();
        for _ in 0..BASELINE_ANSWERS {
            assert_eq!(pace.after(Duration::from_micros(400)), PAUSE.0);
        }
        let mut last = PAUSE.0;
        for _ in 0..10 {
            last = pace.after(Duration::from_millis(20));
        }
        assert_eq!((last, pace.count), (PAUSE.1, COUNT.1));
        for _ in 0..20 {
            last = pace.after(Duration::from_micros(400));
        }
        assert_eq!((last, pace.count), (PAUSE.0, COUNT.0));
    }

    #[test]
    fn a_cursor_says_how_far_the_walk_is() {
        assert_eq!(walked(0, 1_000), 0);
        assert_eq!(walked(1, 1_024), 512);
        assert_eq!(walked(0b11, 1_024), 768);
        assert_eq!(walked(u64::MAX, 1_000), 999);
        assert_eq!(walked(5, 0), 0);
        assert_eq!(walked(5, 1), 0);
    }
}
