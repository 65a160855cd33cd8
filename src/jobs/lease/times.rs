//! The times of a lease.

use std::time::Duration;

/// The times of a lease. All follow from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) struct Times {
    /// The server ends a lock connection that says nothing for so long.
    pub(in crate::jobs) lease: Duration,
    /// Time between two heartbeats: a quarter of it, at most 15 s.
    pub(in crate::jobs) beat: Duration,
    /// Time between two looks at the flags: at most 2 s.
    pub(in crate::jobs) look: Duration,
    /// How long an answer may take: at most 5 s.
    pub(in crate::jobs) patience: Duration,
}

impl Times {
    const LEASE: Duration = Duration::from_secs(60);

    /// Of this lease.
    pub(in crate::jobs) fn of(lease: Duration) -> Self {
        let part = |divisor: u32, limit: u64| (lease / divisor).min(Duration::from_secs(limit));
        Self { lease, beat: part(4, 15), look: part(8, 2), patience: part(4, 5) }
    }

    /// Those of this process. Programs made for tests can be given a shorter lease, so that freezing one beyond it
    /// takes no minute; a program made for release does not listen.
    pub(in crate::jobs) fn now() -> Self {
        let asked = if cfg!(debug_assertions) { std::env::var("TENANTUI_TEST_LEASE_MS").ok() } else { None };
        let lease = asked.and_then(|text| text.parse().ok()).map_or(Self::LEASE, Duration::from_millis);
        Self::of(lease.clamp(Duration::from_millis(400), Self::LEASE))
    }

    /// How old the last answer may be when a step is started: half of the lease.
    pub(in crate::jobs) fn trust(&self) -> Duration {
        self.lease / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::lease::MAX_MISSES;

    #[test]
    fn the_times_follow_from_the_lease() {
        let seconds = Duration::from_secs;
        let usual = Times::of(seconds(60));
        assert_eq!((usual.beat, usual.look, usual.patience), (seconds(15), seconds(2), seconds(5)));
        for lease in [400, 2_000, 8_000, 60_000] {
            let times = Times::of(Duration::from_millis(lease));
            // Two looks without an answer are noticed while the server still keeps the lock.
            assert!((times.look + times.patience) * MAX_MISSES < times.lease, "{times:?}");
            assert!(times.look < times.trust(), "{times:?}");
        }
    }
}
