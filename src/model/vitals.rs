//! How a database server is at this moment: what the Server screen and `tenantui server` tell. Plain data, pure rules.
//!
//! What the role may not see is `None` or said in `problems`: never a smaller number.

use super::ident::Ident;
use super::tenant::DatabaseName;
use crate::text::Untrusted;

/// One reading of a server, as one of its databases sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// The database that was asked.
    pub database: DatabaseName,
    /// When.
    pub read_at: jiff::Timestamp,
    /// Round trip of the cheapest question, in milliseconds.
    pub latency_ms: u32,
    /// Round trips of the readings before and of this one, oldest first, in milliseconds.
    pub latencies: Vec<u32>,
    /// What is in use, and of how much.
    pub facts: Facts,
    /// Client sessions of the whole server, by database, role, application and state, the most first.
    pub sessions: Vec<SessionGroup>,
    /// What could not be read, why, and what would help.
    pub problems: Vec<Untrusted>,
}

/// What is in use on the server, and of how much.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The role that asked.
    pub role: Untrusted,
    /// It may see what sessions of other roles do.
    pub sees_all: bool,
    /// It is a standby: what autovacuum does is its primary's to tell.
    pub standby: bool,
    /// Since the server was started, in seconds.
    pub uptime_seconds: Option<u64>,
    /// Connections of clients. Where the role does not see all, others' background workers may be among them.
    pub connections: u64,
    /// The most that there can be, the reserved ones included.
    pub max_connections: u64,
    /// Kept for superusers and for roles with `pg_use_reserved_connections`.
    pub reserved_connections: u64,
    /// Schemas of the database, those of the system left out.
    pub schemas: u64,
}

/// Client sessions that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionGroup {
    /// Their database.
    pub database: Untrusted,
    /// It is the one that was asked.
    pub here: bool,
    /// Their role.
    pub role: Untrusted,
    /// What they call themselves.
    pub application: Untrusted,
    /// `active`, `idle`, `idle in transaction`...; `None` where this role may not see it.
    pub state: Option<Untrusted>,
    /// How many.
    pub count: u64,
    /// How long the one that is so for the longest has been in that state, in seconds; `None` where it may not be seen.
    pub oldest_seconds: Option<u64>,
}

/// Sessions of tenantui call themselves so.
const OWN: &str = "tenantui";

impl SessionGroup {
    /// Whether they are sessions of tenantui, this one or another.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.application.raw().starts_with(OWN)
    }

    /// Its identity in a list.
    #[must_use]
    pub fn key(&self) -> Untrusted {
        let state = self.state.as_ref().map_or("", Untrusted::raw);
        Untrusted::new(format!(
            "{}\u{0}{}\u{0}{}\u{0}{state}",
            self.database.raw(),
            self.role.raw(),
            self.application.raw()
        ))
    }
}

impl Facts {
    /// Connections that an ordinary role can have in all.
    #[must_use]
    pub const fn usable_connections(&self) -> u64 {
        self.max_connections.saturating_sub(self.reserved_connections)
    }

    /// What this role cannot see and the statement that would help; `None` where it sees all.
    #[must_use]
    pub fn blind_spot(&self) -> Option<Untrusted> {
        if self.sees_all {
            return None;
        }
        let role = Ident::new(self.role.raw()).map_or_else(|_| "this role".to_owned(), |role| role.quoted());
        Some(Untrusted::new(format!(
            "what sessions of other roles do is hidden; GRANT pg_read_all_stats TO {role} would show it"
        )))
    }
}

/// Ages that are told apart on a screen that must not tick, in seconds.
const STEPS: [u64; 10] = [0, 5, 15, 30, 60, 120, 300, 900, 3_600, 86_400];

/// An age rounded down to the steps at which a screen changes.
#[must_use]
pub fn stepped(seconds: u64) -> u64 {
    match seconds {
        0..3_600 => STEPS.iter().rev().find(|step| **step <= seconds).copied().unwrap_or(0),
        3_600..86_400 => seconds / 3_600 * 3_600,
        _ => seconds / 86_400 * 86_400,
    }
}

impl Vitals {
    /// With ages rounded to steps, and without what is new with every reading: two that are equal so look the same.
    #[must_use]
    pub fn as_shown(&self, with_latencies: bool) -> Self {
        let mut shown = self.clone();
        shown.read_at = jiff::Timestamp::UNIX_EPOCH;
        if !with_latencies {
            (shown.latency_ms, shown.latencies) = (0, Vec::new());
        }
        shown.facts.uptime_seconds = shown.facts.uptime_seconds.map(stepped);
        for group in &mut shown.sessions {
            group.oldest_seconds = group.oldest_seconds.map(stepped);
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_step_and_never_run_ahead() {
        for seconds in (0..90_000).chain([86_399, 86_400, 1_000_000]) {
            let step = stepped(seconds);
            assert!(step <= seconds && stepped(step) == step, "{seconds} {step}");
        }
        assert_eq!((stepped(16), stepped(29), stepped(31), stepped(7_300)), (15, 15, 30, 7_200));
    }

    #[test]
    fn a_role_that_does_not_see_all_is_told_what_helps() {
        let facts = Facts { role: "ops ro".into(), ..Facts::default() };
        let words = facts.blind_spot().expect("blind");
        assert!(words.raw().contains("GRANT pg_read_all_stats TO \"ops ro\""), "{}", words.raw());
        assert_eq!(Facts { sees_all: true, ..facts }.blind_spot(), None);
    }
}
