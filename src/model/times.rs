//! How long migrations took before: what a plan's time is estimated from. From the record of done steps; a version
//! that never ran here has no time, and its estimate is unknown.

use std::collections::HashMap;

use super::ledger::Version;

/// Runs of one version that its mean is over, at most: the newest ones.
pub const RUNS: u32 = 20;

/// The times of all versions that ran in a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepTimes {
    by_version: HashMap<Version, StepTime>,
}

/// The last runs of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTime {
    /// Their mean in milliseconds.
    pub mean_ms: u64,
    /// The longest of them in milliseconds.
    pub longest_ms: u64,
    /// How many: at most [`RUNS`].
    pub runs: u32,
    /// When the last one ended.
    pub last_at: jiff::Timestamp,
}

impl StepTimes {
    /// The time of a version; `None` where it never ran.
    #[must_use]
    pub fn of(&self, version: &Version) -> Option<&StepTime> {
        self.by_version.get(version)
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_version.is_empty()
    }
}

impl StepTime {
    /// The mean in whole seconds, for JSON: never 0, for nothing takes no time.
    #[must_use]
    pub const fn seconds(&self) -> u64 {
        let seconds = self.mean_ms.div_ceil(1_000);
        if seconds == 0 { 1 } else { seconds }
    }
}

impl FromIterator<(Version, StepTime)> for StepTimes {
    fn from_iter<I: IntoIterator<Item = (Version, StepTime)>>(times: I) -> Self {
        Self { by_version: times.into_iter().collect() }
    }
}
