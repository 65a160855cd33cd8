//! A few cache keys of a tenant, as they are shown.

use crate::text::Untrusted;

/// One cache key of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySample {
    /// Its prefix, as the counts have it.
    pub prefix: Untrusted,
    /// The key.
    pub key: Untrusted,
    /// What it holds: `string`, `hash`...; `None` where the server does not say.
    pub kind: Option<Untrusted>,
    /// How long it lives; `None` where the server does not say.
    pub ttl: Option<Ttl>,
}

/// How long a cache key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// Until somebody removes it.
    Never,
    /// Seconds, begun ones counted.
    Seconds(u64),
}

impl Ttl {
    /// `for good`, `41s`, `3h`.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Never => "for good".to_owned(),
            Self::Seconds(seconds) => match seconds {
                0..=119 => format!("{seconds}s"),
                120..=7_199 => format!("{}m", seconds / 60),
                7_200..=172_799 => format!("{}h", seconds / 3_600),
                _ => format!("{}d", seconds / 86_400),
            },
        }
    }
}
