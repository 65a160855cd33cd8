//! How a database server is at this moment: what the Server screen and `tenantui server` tell. Plain data, pure rules.
//!
//! What the role may not see is `None` or said in `problems`: never a smaller number.

mod alarms;
mod locks;
mod pace;

pub use self::alarms::{Alarm, Severity};
pub use self::locks::{LockSession, LockWait, tree};
pub use self::pace::{Activity, Pace, Rows, Totals, per_second};
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
    /// Who waits for a lock and who is in the way, in the order of [`tree`].
    pub locks: Vec<LockSession>,
    /// What keeps old rows alive or locks taken, the oldest first.
    pub transactions: Vec<OpenTransaction>,
    /// The catalogs that grow with every schema, the largest first.
    pub catalogs: Vec<Catalog>,
    /// The database's counters; `None` where they could not be read.
    pub totals: Option<Totals>,
    /// What the database does per second; `None` until there are two readings to compare.
    pub pace: Option<Pace>,
    /// The memory of the cache server, or why it is not known; `None` where no cache is configured.
    pub cache: Option<Result<CacheMemory, Untrusted>>,
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
    /// The statement by which it may, as the server has it; `None` where it was not asked.
    pub sees_all_by: Option<Untrusted>,
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
    /// Entries of the lock table that are taken, about: those of the fast path are not among them.
    pub locks_held: u64,
    /// Entries that the lock table has room for at least.
    pub lock_room: u64,
    /// Autovacuum is on, and the statistics that set it off are kept.
    pub autovacuum: bool,
    /// Autovacuum workers that run now; `None` where this role may not see them.
    pub autovacuum_workers: Option<u64>,
    /// The most that may run at once.
    pub autovacuum_max_workers: u64,
    /// Transactions since the oldest row of the database was frozen.
    pub frozen_age: u64,
    /// The age at which autovacuum freezes whatever else is to be done.
    pub freeze_max_age: u64,
}

/// What an open transaction is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionKind {
    /// A session.
    Session,
    /// Two-phase commit: nobody has it, and it stays until it is committed or rolled back by its name.
    Prepared,
    /// A replication slot: no transaction, and it holds back as one does.
    Slot,
}

impl TransactionKind {
    /// Its word in lists and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Prepared => "prepared",
            Self::Slot => "slot",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Session, Self::Prepared, Self::Slot].into_iter().find(|kind| kind.word() == word)
    }
}

/// Something that keeps old rows alive or locks taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTransaction {
    /// What it is.
    pub kind: TransactionKind,
    /// The backend's pid, the name of the prepared transaction, the name of the slot.
    pub id: Untrusted,
    /// Whose it is; a slot is nobody's.
    pub role: Option<Untrusted>,
    /// What the session calls itself, else what kind of process it is; the plugin of a slot.
    pub application: Option<Untrusted>,
    /// Its database; `None` for a slot of the whole server.
    pub database: Option<Untrusted>,
    /// `active`, `idle in transaction`, `prepared`, `inactive`...
    pub state: Option<Untrusted>,
    /// How long it has been open, in seconds.
    pub open_seconds: Option<u64>,
    /// How long it has been in its state, in seconds.
    pub state_seconds: Option<u64>,
    /// How many transactions have begun since the oldest one that it may still look at: what vacuum must keep for it.
    pub xmin_age: Option<u64>,
    /// WAL that a slot keeps from being removed, in bytes.
    pub retained_bytes: Option<u64>,
    /// What it does, or did last.
    pub query: Option<Untrusted>,
}

/// One of the catalogs that grow with every schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Its name.
    pub name: Untrusted,
    /// Its size with indexes.
    pub total_bytes: u64,
    /// Live rows, about; `None` where nobody ever counted them.
    pub live_rows: Option<u64>,
    /// Dead rows that vacuum has not removed; `None` on a standby.
    pub dead_rows: Option<u64>,
    /// Dead rows that set autovacuum off.
    pub trigger_rows: u64,
    /// Since it was vacuumed last, in seconds; `None` where it never was, or on a standby.
    pub vacuumed_seconds: Option<u64>,
}

impl Catalog {
    /// How many times over the dead rows are what sets autovacuum off; 0 below that.
    #[must_use]
    pub fn overdue(&self) -> u64 {
        self.dead_rows.unwrap_or(0).checked_div(self.trigger_rows.max(1)).unwrap_or(0)
    }
}

/// The memory of a cache server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheMemory {
    /// In use.
    pub used_bytes: u64,
    /// The limit; `None`: there is none.
    pub max_bytes: Option<u64>,
    /// What is removed when the limit is reached.
    pub policy: Untrusted,
    /// Keys that were removed so since the server was started.
    pub evicted_keys: u64,
    /// Keys of all its databases.
    pub keys: u64,
    /// Clients that are connected.
    pub clients: u64,
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
        let statement = match &self.sees_all_by {
            Some(statement) => statement.raw().to_owned(),
            None => {
                let role = Ident::new(self.role.raw()).map_or_else(|_| "this role".to_owned(), |role| role.quoted());
                format!("GRANT pg_read_all_stats TO {role}")
            }
        };
        Some(Untrusted::new(format!("{statement} would show what sessions of other roles do")))
    }
}

/// An age rounded down to the steps at which a screen changes: five seconds, minutes, hours, days.
#[must_use]
pub const fn stepped(seconds: u64) -> u64 {
    match seconds {
        0..60 => seconds / 5 * 5,
        60..3_600 => seconds / 60 * 60,
        3_600..86_400 => seconds / 3_600 * 3_600,
        _ => seconds / 86_400 * 86_400,
    }
}

/// To two digits: what is drawn of a number that wavers.
fn rounded(number: u64) -> u64 {
    let unit = number.checked_ilog10().map_or(1, |digits| 10_u64.pow(digits.saturating_sub(1)));
    number / unit * unit
}

impl Vitals {
    /// A server of which nothing was read yet.
    #[must_use]
    pub fn unread(database: &DatabaseName) -> Self {
        Self {
            database: database.clone(),
            read_at: jiff::Timestamp::UNIX_EPOCH,
            latency_ms: 0,
            latencies: Vec::new(),
            facts: Facts::default(),
            sessions: Vec::new(),
            locks: Vec::new(),
            transactions: Vec::new(),
            catalogs: Vec::new(),
            totals: None,
            pace: None,
            cache: None,
            problems: Vec::new(),
        }
    }

    /// With ages rounded to steps, and without what is new with every reading: two that are equal so look the same.
    #[must_use]
    pub fn as_shown(&self, with_latencies: bool) -> Self {
        let mut shown = self.clone();
        shown.read_at = jiff::Timestamp::UNIX_EPOCH;
        if !with_latencies {
            (shown.latency_ms, shown.latencies) = (0, Vec::new());
        }
        shown.facts.uptime_seconds = shown.facts.uptime_seconds.map(stepped);
        let step = |seconds: &mut Option<u64>| *seconds = seconds.map(stepped);
        shown.sessions.iter_mut().for_each(|group| step(&mut group.oldest_seconds));
        for session in &mut shown.locks {
            step(&mut session.open_seconds);
            session.waits.iter_mut().for_each(|wait| step(&mut wait.seconds));
        }
        for open in &mut shown.transactions {
            step(&mut open.open_seconds);
            step(&mut open.state_seconds);
            open.xmin_age = open.xmin_age.map(rounded);
        }
        shown.catalogs.iter_mut().for_each(|catalog| step(&mut catalog.vacuumed_seconds));
        shown.totals = None;
        shown.facts.frozen_age = rounded(shown.facts.frozen_age);
        if let Some(Ok(cache)) = &mut shown.cache {
            cache.used_bytes = rounded(cache.used_bytes);
        }
        if let Some(pace) = &mut shown.pace {
            pace.over_ms = 0;
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
        assert_eq!((stepped(16), stepped(59), stepped(119), stepped(7_300)), (15, 55, 60, 7_200));
    }

    #[test]
    fn a_role_that_does_not_see_all_is_told_what_helps() {
        let facts = Facts { role: "ops ro".into(), ..Facts::default() };
        let words = facts.blind_spot().expect("blind");
        assert!(words.raw().contains("GRANT pg_read_all_stats TO \"ops ro\""), "{}", words.raw());
        assert_eq!(Facts { sees_all: true, ..facts }.blind_spot(), None);
    }
}
