//! What a worker without an operator may take: queued jobs, and jobs whose worker is gone, each no sooner than its
//! attempts allow. Only kinds that rescue themselves: what destroys runs where it was confirmed, and nowhere else.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::confirmed;
use super::control;
use super::gate;
use super::orders::{OrderError, held_sql};
use super::steps;
use super::unfit;
use crate::model::job::{JobId, JobKind};
use crate::postgres::session::{Target, WriterSession};

/// The longest a rescue waits.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest it waits where a worker is to end when nothing is left (`--drain`).
const LONGEST_IN_DRAIN: Duration = Duration::from_secs(2);
/// The second rescue waits so long; each further one twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// A job that may be taken, as far as the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ready {
    job: JobId,
    attempt: i32,
    /// Its worker is gone.
    orphaned: bool,
}

/// The queued and orphaned jobs whose files are here, oldest first, without any wait.
///
/// # Errors
/// When they cannot be read.
pub(super) async fn claimable(target: &Target) -> Result<Vec<JobId>, OrderError> {
    let (ready, left) = ready(target).await?;
    for (job, error) in left {
        tracing::warn!(%job, %error, "left for another worker");
    }
    Ok(ready.into_iter().map(|ready| ready.job).collect())
}

/// Remembers since when it sees each orphan of one database, by this process's own monotonic clock.
#[derive(Debug, Clone)]
pub struct Rescues {
    longest: Duration,
    seen: HashMap<JobId, Seen>,
    left: Vec<(JobId, OrderError)>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    attempt: i32,
    due: Instant,
}

impl Rescues {
    /// `drain`: the worker ends when nothing is left, and so does not wait long for anything.
    #[must_use]
    pub fn new(drain: bool) -> Self {
        Self { longest: if drain { LONGEST_IN_DRAIN } else { LONGEST }, seen: HashMap::new(), left: Vec::new() }
    }

    /// The jobs that may be taken now, oldest first. A job whose worker is gone is taken at once the first time, then
    /// after growing pauses: what kills its worker must not do so in a circle.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn claimable(&mut self, target: &Target) -> Result<Vec<JobId>, OrderError> {
        let (ready, left) = ready(target).await?;
        self.left = left;
        Ok(self.due(&ready, Instant::now(), jitter()))
    }

    /// The jobs that were there at the last look and cannot be run here, with the reason: their files are missing or
    /// changed, they are of another server, or of a newer program.
    #[must_use]
    pub fn left(&self) -> &[(JobId, OrderError)] {
        &self.left
    }

    /// How long it is until the next job that has to wait may be taken; `None` where none waits.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let now = Instant::now();
        self.seen.values().map(|seen| seen.due.saturating_duration_since(now)).filter(|wait| !wait.is_zero()).min()
    }

    fn due(&mut self, ready: &[Ready], now: Instant, jitter: u8) -> Vec<JobId> {
        self.seen.retain(|job, _| ready.iter().any(|ready| ready.job == *job && ready.orphaned));
        let mut due = Vec::new();
        for one in ready {
            if !one.orphaned {
                due.push(one.job);
                continue;
            }
            let fresh = Seen { attempt: one.attempt, due: now + backoff(one.attempt, self.longest, jitter) };
            let seen = self.seen.entry(one.job).or_insert(fresh);
            if seen.attempt != one.attempt {
                *seen = fresh;
            }
            if seen.due <= now {
                due.push(one.job);
            }
        }
        due
    }
}

/// How long after it was seen an orphan is taken: at once after its first attempt, then 1 s, 2 s, 4 s... less up to a
/// quarter, so that workers which saw it at the same time do not collide.
fn backoff(attempt: i32, longest: Duration, jitter: u8) -> Duration {
    let Ok(earlier) = u32::try_from(attempt.saturating_sub(2)) else { return Duration::ZERO };
    let full = FIRST.saturating_mul(2_u32.saturating_pow(earlier)).min(longest);
    full - full * u32::from(jitter) / (4 * u32::from(u8::MAX))
}

fn jitter() -> u8 {
    uuid::Uuid::new_v4().as_bytes()[0]
}

/// What is there. An orphan whose operator asked for its end gets it here, for its worker cannot give it any more.
async fn ready(target: &Target) -> Result<(Vec<Ready>, Vec<(JobId, OrderError)>), OrderError> {
    let session = gate::open(target, None).await?;
    gate::initialised(target, &session).await?;
    let sql = format!(
        "SELECT j.id, j.kind, j.attempt, j.state = 'running', j.cancel_requested_at IS NOT NULL OR j.pause_requested_at IS NOT NULL \
         FROM tenantui.job AS j WHERE j.state = 'queued' OR (j.state = 'running' AND NOT {}) ORDER BY j.id",
        held_sql("j.id")
    );
    let rows = gate::ask(&session, &sql).await?;
    let (mut found, mut left) = (Vec::new(), Vec::new());
    for row in rows.iter().flatten() {
        let Some(job) = row.parse(0)?.map(JobId) else { continue };
        let one = Ready { job, attempt: row.parse(2)?.unwrap_or_default(), orphaned: row.is_true(3) };
        if one.orphaned && row.is_true(4) {
            if let Err(error) = control::settle(&session, job).await {
                tracing::warn!(%job, %error, "its end was asked for and is not carried out yet");
            }
            continue;
        }
        // A kind of a newer program is left to that one.
        if !row.text(1).and_then(JobKind::from_word).is_some_and(JobKind::rescues_itself) {
            continue;
        }
        match fits(target, &session, job).await {
            Ok(()) => found.push(one),
            Err(error) => left.push((job, error)),
        }
    }
    Ok((found, left))
}

/// Whether the job may be run against this server with the files that are here.
async fn fits(target: &Target, session: &WriterSession, job: JobId) -> Result<(), OrderError> {
    let order = confirmed::read(session, job).await?;
    order.belongs_here(job, &session.facts)?;
    match steps::files(target, &order.params).await {
        Ok(_) => Ok(()),
        Err(why) => Err(unfit::refuse(session, job, false, &why).await),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_rescue_waits_for_nothing_and_later_ones_longer() {
        let waits: Vec<u64> = (0..10).map(|attempt| backoff(attempt, LONGEST, 0).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(9, LONGEST_IN_DRAIN, 0), 2 * SECOND);
        assert_eq!(backoff(i32::MIN, LONGEST, 0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest_nor_shortened_by_more_than_a_quarter(attempt: i32, jitter: u8, drain: bool) {
            let longest = if drain { LONGEST_IN_DRAIN } else { LONGEST };
            let (full, less) = (backoff(attempt, longest, 0), backoff(attempt, longest, jitter));
            prop_assert!(less <= full && full <= longest);
            prop_assert!(less >= full * 3 / 4, "{less:?} of {full:?}");
        }
    }

    #[test]
    fn an_orphan_waits_by_its_attempts_and_a_queued_job_does_not() {
        let mut rescues = Rescues::new(false);
        let start = Instant::now();
        let orphan = |attempt| Ready { job: JobId(7), attempt, orphaned: true };
        let queued = Ready { job: JobId(8), attempt: 9, orphaned: false };
        assert_eq!(rescues.due(&[orphan(1), queued], start, 0), [JobId(7), JobId(8)]);
        // It was taken and died again.
        assert_eq!(rescues.due(&[orphan(4), queued], start, 0), [JobId(8)]);
        assert_eq!(rescues.due(&[orphan(4)], start + 3 * SECOND, 0), []);
        assert_eq!(rescues.due(&[orphan(4)], start + 4 * SECOND, 0), [JobId(7)]);
        // Somebody else took it meanwhile: what was waited for counts no more.
        assert_eq!(rescues.due(&[], start + 5 * SECOND, 0), []);
        assert_eq!(rescues.due(&[orphan(5)], start + 6 * SECOND, 0), []);
        assert_eq!(rescues.due(&[orphan(5)], start + 14 * SECOND, 0), [JobId(7)]);
    }
}
