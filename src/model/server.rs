//! What a server is to us: it leads, it follows, or it only believes that it leads. Plain data and the words for it.

use crate::text::{Untrusted, human_bytes, short_age};

/// Which server and which of its databases something was read on. A promoted standby has its primary's identifier, so
/// the timeline tells the two apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The cluster's identifier; `None` where the role may not read it.
    pub system_identifier: Option<String>,
    /// The database's oid.
    pub database_oid: u32,
    /// The timeline, 8 hex digits; `None` on a standby, and where the role may not read it.
    pub timeline: Option<String>,
}

/// The part that the answering server plays in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerRole {
    /// Nobody has answered yet.
    #[default]
    Unknown,
    /// It takes writes.
    Primary {
        /// Its timeline, 8 hex digits; `None` where the role may not read it.
        timeline: Option<String>,
    },
    /// It replays what a primary did: nothing can be written, and what is read may be old.
    Standby(Replica),
    /// It takes writes, but another server of its cluster was promoted past it: the old primary of a split brain.
    /// What is written here will be lost.
    Superseded {
        /// Its timeline.
        timeline: String,
        /// The higher timeline that was seen on another server of the same cluster.
        newer: String,
    },
    /// Another cluster answers than the one that this program was started on.
    Stranger,
}

impl ServerRole {
    /// One word for the banner: `REPLICA`, `OLD PRIMARY`, `OTHER SERVER`; none where the server is as it should be.
    #[must_use]
    pub const fn banner(&self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::Primary { .. } => None,
            Self::Standby(_) => Some("REPLICA"),
            Self::Superseded { .. } => Some("OLD PRIMARY"),
            Self::Stranger => Some("OTHER SERVER"),
        }
    }

    /// Whether the banner is a danger (red) and not merely a fact.
    #[must_use]
    pub const fn is_dangerous(&self) -> bool {
        match self {
            Self::Unknown | Self::Primary { .. } | Self::Standby(_) => false,
            Self::Superseded { .. } | Self::Stranger => true,
        }
    }

    /// The standby's state, where it is one.
    #[must_use]
    pub const fn replica(&self) -> Option<&Replica> {
        match self {
            Self::Standby(replica) => Some(replica),
            Self::Unknown | Self::Primary { .. } | Self::Superseded { .. } | Self::Stranger => None,
        }
    }

    /// Why nothing is written here and what to do, where that is so.
    #[must_use]
    pub fn read_only_why(&self) -> Option<Untrusted> {
        match self {
            Self::Unknown | Self::Primary { .. } => None,
            Self::Standby(_) => Some("the server is a standby; connect to the primary to write".into()),
            Self::Superseded { timeline, newer } => Some(Untrusted::new(format!(
                "this is the old primary of a split cluster: it is on timeline {timeline}, another server was \
                 promoted to {newer}. What is written here will be lost: stop this server, connect to the new primary"
            ))),
            Self::Stranger => Some(
                "another server answers than the one this program was started on (its system identifier differs); \
                 check the connection, and start tenantui again to write here"
                    .into(),
            ),
        }
    }

    /// What should be known of what is read here, in one line; none where nothing is odd.
    #[must_use]
    pub fn note(&self) -> Option<Untrusted> {
        match self {
            Self::Standby(replica) => Some(Untrusted::new(format!(
                "the server is a standby: {}; pending migrations may be stale, and scans and dead rows are the primary's to tell",
                replica.words()
            ))),
            Self::Unknown | Self::Primary { .. } => None,
            Self::Superseded { .. } | Self::Stranger => self.read_only_why(),
        }
    }
}

/// How a standby follows its primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// The process that takes the primary's WAL runs. Without it nobody here knows how far the primary is.
    pub receiving: bool,
    /// An administrator paused the replay.
    pub paused: bool,
    /// What was received and not yet replayed.
    pub lag: Lag,
}

/// How much of what a standby has received it has not replayed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// Nothing was ever streamed, or it may not be read.
    Unknown,
    /// All of it is replayed.
    None,
    /// Some is left.
    Behind {
        /// Bytes of WAL.
        bytes: u64,
        /// Age of the last replayed commit, in seconds; `None` before the first.
        age_seconds: Option<u64>,
    },
}

/// Ages that are told apart where nothing may tick, in seconds.
const STEPS: [u64; 8] = [0, 5, 15, 60, 300, 900, 3_600, 86_400];

impl Replica {
    /// Rounded down to steps, for a picture that may change only when there is something to see.
    #[must_use]
    pub fn stepped(self) -> Self {
        let lag = match self.lag {
            Lag::Behind { bytes, age_seconds } => Lag::Behind {
                bytes: bytes.checked_ilog2().map_or(0, |power| 1 << power),
                age_seconds: age_seconds.map(|age| STEPS.iter().rev().find(|step| **step <= age).copied().unwrap_or(0)),
            },
            known @ (Lag::Unknown | Lag::None) => known,
        };
        Self { lag, ..self }
    }

    /// `replay is up to date`; `replay is 448 B and 15s behind`.
    #[must_use]
    pub fn words(&self) -> String {
        let replay = if self.paused { "replay is paused" } else { "replay is" };
        let behind = match (self.lag, self.paused) {
            (Lag::Unknown, false) => "replay lag is not known".to_owned(),
            (Lag::Unknown, true) => replay.to_owned(),
            (Lag::None, false) => format!("{replay} up to date with what was received"),
            (Lag::None, true) => format!("{replay}, 0 behind what was received"),
            (Lag::Behind { bytes, age_seconds }, paused) => {
                let age = age_seconds.map(|age| format!(" and {}", short_age(age))).unwrap_or_default();
                let comma = if paused { "," } else { "" };
                format!("{replay}{comma} {}{age} behind", human_bytes(bytes))
            }
        };
        if self.receiving {
            behind
        } else {
            format!("{behind}; nothing is being received from the primary, so the real lag is not known")
        }
    }
}

/// A link that is back after it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// When it was back and everything had been read anew.
    pub at: jiff::Timestamp,
    /// How long it was gone, in seconds.
    pub gone_seconds: u64,
    /// Tenants that came, went or differ from what was known before.
    pub rows_changed: u32,
}

impl Back {
    /// `back after 00:31, 2 rows changed`.
    #[must_use]
    pub fn words(&self) -> String {
        let rows = match self.rows_changed {
            0 => "nothing changed".to_owned(),
            1 => "1 row changed".to_owned(),
            many => format!("{} rows changed", crate::text::grouped(u64::from(many))),
        };
        format!("back after {}, {rows}", crate::text::clock(self.gone_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Replica = Replica { receiving: true, paused: false, lag: Lag::None };

    #[test]
    fn lag_is_told_in_words() {
        assert_eq!(UP.words(), "replay is up to date with what was received");
        let behind = Replica { lag: Lag::Behind { bytes: 448, age_seconds: Some(65) }, ..UP };
        assert_eq!(behind.words(), "replay is 448 B and 1m behind");
        let paused = Replica { paused: true, ..behind };
        assert_eq!(paused.words(), "replay is paused, 448 B and 1m behind");
        let down = Replica { receiving: false, ..UP };
        assert!(down.words().contains("nothing is being received"), "{}", down.words());
        assert!(!Replica { lag: Lag::Unknown, ..UP }.words().contains("up to date"));
    }

    #[test]
    fn a_stepped_lag_does_not_tick() {
        let at = |age| Replica { lag: Lag::Behind { bytes: 1_000 + age, age_seconds: Some(age) }, ..UP }.stepped();
        assert_eq!(at(0).lag, Lag::Behind { bytes: 512, age_seconds: Some(0) });
        assert_eq!(at(6), at(14), "one step");
        assert_ne!(at(14), at(15));
        assert_eq!(UP.stepped(), UP);
    }

    #[test]
    fn only_a_primary_may_be_written() {
        let standby = ServerRole::Standby(UP);
        let old = ServerRole::Superseded { timeline: "00000001".to_owned(), newer: "00000002".to_owned() };
        for (role, banner, dangerous) in [
            (ServerRole::Unknown, None, false),
            (ServerRole::Primary { timeline: None }, None, false),
            (standby, Some("REPLICA"), false),
            (old, Some("OLD PRIMARY"), true),
            (ServerRole::Stranger, Some("OTHER SERVER"), true),
        ] {
            assert_eq!((role.banner(), role.is_dangerous()), (banner, dangerous));
            assert_eq!(role.read_only_why().is_some(), banner.is_some(), "{role:?}");
        }
    }

    #[test]
    fn a_return_counts_rows() {
        let back = |rows_changed| Back { at: jiff::Timestamp::UNIX_EPOCH, gone_seconds: 31, rows_changed };
        assert_eq!(back(2).words(), "back after 00:31, 2 rows changed");
        assert_eq!(back(1).words(), "back after 00:31, 1 row changed");
        assert_eq!(back(0).words(), "back after 00:31, nothing changed");
    }
}
