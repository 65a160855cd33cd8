//! How many tenants were behind during the last day, as far as this dashboard has seen it. Nothing is kept between runs.

use std::collections::BTreeMap;
use std::time::Duration;

/// Parts of a day that are told apart.
pub const PARTS: u64 = 16;

/// One of them.
const PART: u64 = 24 * 3_600 / PARTS;

/// The count by part of the day, counted since the dashboard started.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    parts: BTreeMap<u64, u64>,
}

impl Trend {
    /// So many are behind now. The last count of a part stands for it.
    pub fn record(&mut self, elapsed: Duration, behind: usize) {
        let part = elapsed.as_secs() / PART;
        self.parts.insert(part, behind as u64);
        // One from before the day stays: it says where the day began.
        let first = part.saturating_sub(PARTS - 1);
        let before = self.parts.range(..first).next_back().map(|(part, _)| *part);
        self.parts.retain(|part, _| *part >= first || Some(*part) == before);
    }

    /// The counts of the parts of the last day, the newest last; as many as this dashboard has seen.
    #[must_use]
    pub fn values(&self, elapsed: Duration) -> Vec<u64> {
        let now = elapsed.as_secs() / PART;
        // Where nothing was recorded nothing changed.
        let at = |part: u64| self.parts.range(..=part).next_back().map(|(_, behind)| *behind);
        (now.saturating_sub(PARTS - 1)..=now).filter_map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: u64) -> Duration {
        Duration::from_secs(hours * 3_600)
    }

    #[test]
    fn the_last_day_is_told_in_parts_and_what_is_older_is_forgotten() {
        let mut trend = Trend::default();
        assert!(trend.values(hours(3)).is_empty());
        trend.record(hours(0), 9);
        trend.record(hours(1), 7);
        assert_eq!(trend.values(hours(1)), [7], "the last of a part");
        trend.record(hours(6), 2);
        assert_eq!(trend.values(hours(7)), [7, 7, 7, 7, 2], "nothing was told between: nothing changed");
        trend.record(hours(30), 4);
        let day = trend.values(hours(30));
        assert_eq!((day.len(), day[0], day[15]), (16, 2, 4));
        trend.record(hours(90), 5);
        assert_eq!(trend.parts.len(), 2);
    }
}
