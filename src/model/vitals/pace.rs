//! What a database and its tenants do per second: the difference of two readings of counters. Plain data, pure rules.

use std::time::Duration;

/// A database's counters since its statistics were reset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Transactions that were committed.
    pub commits: u64,
    /// Transactions that were rolled back.
    pub rollbacks: u64,
    /// Rows that were read, entries of indexes included.
    pub rows_read: u64,
    /// Rows that were inserted, updated or deleted.
    pub rows_written: u64,
    /// Blocks found in the server's memory.
    pub blocks_hit: u64,
    /// Blocks asked of the system.
    pub blocks_read: u64,
    /// Deadlocks that the server ended.
    pub deadlocks: u64,
    /// When the statistics were reset, as the server writes it.
    pub reset_at: Option<String>,
}

/// What a database does per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Over this time, in milliseconds.
    pub over_ms: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Blocks found in the server's memory, in percent of those asked for; `None` where none were.
    pub hit_percent: Option<u8>,
    /// Deadlocks in that time, not per second.
    pub deadlocks: u64,
}

/// The shortest time over which a pace is told: the server itself counts up to a second late.
const LEAST: Duration = Duration::from_millis(900);

/// So many per second; `None` where the counter fell, which a reset or a crash does: that is no activity at all known,
/// not none.
#[must_use]
pub fn per_second(before: u64, now: u64, over: Duration) -> Option<u64> {
    let count = now.checked_sub(before)?;
    let milliseconds = u64::try_from(over.as_millis()).ok().filter(|time| *time > 0)?;
    Some(count.saturating_mul(1_000).saturating_add(milliseconds / 2) / milliseconds)
}

impl Totals {
    /// The pace since an earlier reading; `None` where statistics were reset between the two, or they are too near.
    #[must_use]
    pub fn pace_since(&self, before: &Self, over: Duration) -> Option<Pace> {
        if self.reset_at != before.reset_at || over < LEAST {
            return None;
        }
        let rate = |of: fn(&Self) -> u64| per_second(of(before), of(self), over);
        let hit = self.blocks_hit.checked_sub(before.blocks_hit)?;
        let all = hit + self.blocks_read.checked_sub(before.blocks_read)?;
        Some(Pace {
            over_ms: u64::try_from(over.as_millis()).unwrap_or(u64::MAX),
            commits: rate(|totals| totals.commits)?,
            rollbacks: rate(|totals| totals.rollbacks)?,
            rows_read: rate(|totals| totals.rows_read)?,
            rows_written: rate(|totals| totals.rows_written)?,
            hit_percent: (hit.saturating_mul(100)).checked_div(all).and_then(|percent| u8::try_from(percent).ok()),
            deadlocks: self.deadlocks.checked_sub(before.deadlocks)?,
        })
    }
}

/// A tenant's counters since its tables' statistics were reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rows {
    /// Rows that were read.
    pub read: u64,
    /// Rows that were inserted, updated or deleted.
    pub written: u64,
}

/// What a tenant does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Rows read per second; `None` until there are two readings to compare.
    pub read: Option<u64>,
    /// Rows written per second; `None` as well on a standby, whose counters know nothing of them.
    pub written: Option<u64>,
    /// Both together per reading, oldest first; for a sparkline.
    pub history: Vec<u64>,
    /// Time between the last two readings, in milliseconds.
    pub over_ms: u64,
}

/// Readings that are kept of a tenant.
const HISTORY: usize = 60;

impl Activity {
    /// With one more reading.
    #[must_use]
    pub fn then(&self, before: Rows, now: Rows, over: Duration, standby: bool) -> Self {
        let read = per_second(before.read, now.read, over);
        let written = per_second(before.written, now.written, over).filter(|_| !standby);
        let mut history = self.history.clone();
        match (read, written) {
            // What fell is no activity of none: the line begins anew.
            (None, _) => history.clear(),
            (Some(read), written) => history.push(read.saturating_add(written.unwrap_or(0))),
        }
        history.drain(..history.len().saturating_sub(HISTORY));
        Self { read, written, history, over_ms: u64::try_from(over.as_millis()).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_counter_that_fell_is_unknown_and_never_none() {
        assert_eq!(per_second(100, 600, SECOND * 5), Some(100));
        assert_eq!(per_second(100, 100, SECOND), Some(0));
        assert_eq!(per_second(100, 99, SECOND), None);
        assert_eq!(per_second(0, 1, Duration::ZERO), None);
    }

    #[test]
    fn a_pace_needs_two_readings_of_the_same_statistics() {
        let before = Totals { commits: 10, blocks_hit: 100, reset_at: Some("a".to_owned()), ..Totals::default() };
        let now = Totals { commits: 60, blocks_hit: 190, blocks_read: 10, ..before.clone() };
        let pace = now.pace_since(&before, SECOND * 5).expect("a pace");
        assert_eq!((pace.commits, pace.hit_percent, pace.over_ms), (10, Some(90), 5_000));
        assert_eq!(before.pace_since(&before, SECOND).map(|pace| pace.hit_percent), Some(None));
        assert_eq!(now.pace_since(&before, SECOND / 2), None, "too near");
        assert_eq!(before.pace_since(&now, SECOND), None, "a crash");
        let reset = Totals { reset_at: Some("b".to_owned()), ..now };
        assert_eq!(reset.pace_since(&before, SECOND), None);
    }

    #[test]
    fn a_line_begins_anew_after_a_reset() {
        let rows = |read, written| Rows { read, written };
        let first = Activity::default().then(rows(0, 0), rows(100, 10), SECOND * 10, false);
        assert_eq!((first.read, first.written, first.history.as_slice()), (Some(10), Some(1), [11].as_slice()));
        let reset = first.then(rows(100, 10), rows(5, 0), SECOND, false);
        assert_eq!((reset.read, reset.written, reset.history.len()), (None, None, 0));
        let standby = first.then(rows(100, 10), rows(200, 10), SECOND, true);
        assert_eq!((standby.read, standby.written), (Some(100), None));
        let mut long = Activity::default();
        for _ in 0..200 {
            long = long.then(rows(0, 0), rows(1, 0), SECOND, false);
        }
        assert_eq!(long.history.len(), HISTORY);
    }
}
