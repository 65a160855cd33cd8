//! Which of a tenant's tables were not measured, and why.

use crate::text::grouped;

/// Why a table was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMeasured {
    /// Another session held it exclusively.
    Locked,
    /// The time for all tables of the tenant was over.
    NoTime,
}

impl NotMeasured {
    /// In the place of a size.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::NoTime => "no time",
        }
    }
}

/// How many tables of a tenant were not measured, partitions counted one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unmeasured {
    /// Another session held them exclusively.
    pub locked: u32,
    /// The time was over before their turn.
    pub no_time: u32,
}

impl Unmeasured {
    /// Counts one more.
    pub const fn add(&mut self, why: NotMeasured) {
        match why {
            NotMeasured::Locked => self.locked += 1,
            NotMeasured::NoTime => self.no_time += 1,
        }
    }

    /// Whether all were measured.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.locked == 0 && self.no_time == 0
    }

    /// `2 locked, 901 more not measured in time`; `None` where all were measured.
    #[must_use]
    pub fn words(self) -> Option<String> {
        let (locked, no_time) = (grouped(self.locked.into()), grouped(self.no_time.into()));
        match (self.locked, self.no_time) {
            (0, 0) => None,
            (_, 0) => Some(format!("{locked} locked, not measured")),
            (0, _) => Some(format!("{no_time} not measured in time")),
            (_, _) => Some(format!("{locked} locked, {no_time} more not measured in time")),
        }
    }
}
