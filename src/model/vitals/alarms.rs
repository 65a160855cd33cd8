//! What is not well on a server, in words, the worst first. Pure.

use super::{Facts, LockSession, OpenTransaction, TransactionKind, Vitals};
use crate::text::{Untrusted, grouped, human_bytes, short_age, short_count};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody is hurt by it, or will be soon.
    Bad,
    /// It should be watched.
    Watch,
}

impl Severity {
    /// Its word in lists and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Watch => "watch",
        }
    }
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what helps where that is known.
    pub words: Untrusted,
}

/// A session that is idle in its transaction for so long holds others up, in seconds.
const IDLE_SECONDS: u64 = 60;
/// A transaction that is open for so long keeps dead rows alive, in seconds.
const LONG_SECONDS: u64 = 600;
/// A wait for a lock that an application feels, in seconds.
const WAIT_SECONDS: u64 = 60;
/// WAL kept for a slot that nobody reads.
const RETAINED_BYTES: u64 = 1 << 30;
/// Dead rows so many times over what sets autovacuum off: it does not keep up.
const OVERDUE: u64 = 2;
/// From this age on the server takes measures, and at twice that it stops.
const WRAPAROUND: u64 = 1_000_000_000;

impl Vitals {
    /// What is not well, the worst first; nothing where all is.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        let mut say = |severity: Severity, words: String| alarms.push(Alarm { severity, words: words.into() });
        of_facts(&self.facts, &mut say);
        of_locks(&self.locks, &mut say);
        for open in &self.transactions {
            of_transaction(open, &mut say);
        }
        for catalog in self.catalogs.iter().filter(|catalog| catalog.overdue() >= OVERDUE) {
            let (name, dead) = (catalog.name.raw(), short_count(catalog.dead_rows.unwrap_or(0)));
            say(
                Severity::Watch,
                format!("{name} has {dead} dead rows, {} times what sets autovacuum off", grouped(catalog.overdue())),
            );
        }
        if let Some(pace) = self.pace.filter(|pace| pace.deadlocks > 0) {
            say(Severity::Watch, format!("{} deadlocks since the reading before", grouped(pace.deadlocks)));
        }
        match &self.cache {
            Some(Err(why)) => say(Severity::Watch, format!("the cache: {}", why.raw())),
            Some(Ok(cache)) => {
                if let Some(max) = cache.max_bytes.filter(|max| cache.used_bytes >= max / 10 * 9) {
                    let (used, policy) = (human_bytes(cache.used_bytes), cache.policy.raw());
                    say(Severity::Watch, format!("the cache uses {used} of {}: {policy}", human_bytes(max)));
                }
            }
            None => {}
        }
        // The order of the parts stays within each.
        alarms.sort_by_key(|alarm| alarm.severity);
        alarms
    }
}

fn of_facts(facts: &Facts, say: &mut impl FnMut(Severity, String)) {
    let (used, of) = (facts.connections, facts.usable_connections());
    if of > 0 && used * 100 >= of * 80 {
        let severity = if used * 100 >= of * 95 { Severity::Bad } else { Severity::Watch };
        say(severity, format!("{} of {} connections are in use", grouped(used), grouped(of)));
    }
    if facts.lock_room > 0 && facts.locks_held * 100 >= facts.lock_room * 70 {
        let (held, room) = (grouped(facts.locks_held), grouped(facts.lock_room));
        let words =
            format!("the lock table holds {held} locks and has room for about {room}: max_locks_per_transaction");
        say(Severity::Bad, words);
    }
    // On a standby nothing is vacuumed, and a reading that failed knows nothing of it.
    if !facts.autovacuum && !facts.standby && facts.max_connections > 0 {
        say(Severity::Bad, "autovacuum is off, or the statistics that set it off are".to_owned());
    }
    if facts.frozen_age >= WRAPAROUND {
        let age = short_count(facts.frozen_age);
        say(Severity::Bad, format!("the oldest row was frozen {age} transactions ago; vacuum the database before 2G"));
    }
}

fn of_locks(locks: &[LockSession], say: &mut impl FnMut(Severity, String)) {
    let waiting: Vec<&LockSession> = locks.iter().filter(|session| session.waits.is_some()).collect();
    let Some(first) = locks.first().filter(|_| !waiting.is_empty()) else { return };
    let longest = waiting.iter().filter_map(|session| session.waits.as_ref()?.seconds).max();
    let severity = if longest.is_some_and(|seconds| seconds >= WAIT_SECONDS) { Severity::Bad } else { Severity::Watch };
    let since = longest.map(|seconds| format!(", the longest for {}", short_age(seconds))).unwrap_or_default();
    let wait = if waiting.len() == 1 {
        "1 session waits for a lock".to_owned()
    } else {
        format!("{} sessions wait for locks", grouped(waiting.len() as u64))
    };
    let who = match (first.pid, &first.application) {
        (0, _) => "a prepared transaction is in the way".to_owned(),
        (pid, Some(name)) => format!("pid {pid} ({}) is in the way", name.raw()),
        (pid, None) => format!("pid {pid} is in the way"),
    };
    say(severity, format!("{wait}{since}; {who}"));
}

fn of_transaction(open: &OpenTransaction, say: &mut impl FnMut(Severity, String)) {
    let id = open.id.raw();
    let age = |seconds: Option<u64>| short_age(seconds.unwrap_or(0));
    let name = open.application.as_ref().map(|name| format!(" ({})", name.raw())).unwrap_or_default();
    match open.kind {
        TransactionKind::Session => {
            let idle = open.state.as_ref().is_some_and(|state| state.raw().starts_with("idle in transaction"));
            let long = |seconds: Option<u64>, most: u64| seconds.is_some_and(|seconds| seconds >= most);
            if idle && long(open.state_seconds, IDLE_SECONDS) {
                let since = age(open.state_seconds);
                say(Severity::Watch, format!("pid {id}{name} has been idle in its transaction for {since}"));
            } else if long(open.open_seconds, LONG_SECONDS) {
                let since = age(open.open_seconds);
                say(Severity::Watch, format!("the transaction of pid {id}{name} has been open for {since}"));
            }
        }
        TransactionKind::Prepared if open.open_seconds.is_some_and(|seconds| seconds >= LONG_SECONDS) => {
            let since = age(open.open_seconds);
            let words =
                format!("the prepared transaction {id} is {since} old; COMMIT PREPARED or ROLLBACK PREPARED ends it");
            say(Severity::Bad, words);
        }
        TransactionKind::Slot => {
            let active = open.state.as_ref().is_some_and(|state| state.raw() == "active");
            if let Some(bytes) = open.retained_bytes.filter(|bytes| !active && *bytes >= RETAINED_BYTES) {
                let bytes = human_bytes(bytes);
                say(
                    Severity::Bad,
                    format!("nobody reads the replication slot {id}, for which {bytes} of WAL are kept"),
                );
            }
        }
        TransactionKind::Prepared => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CacheMemory, Catalog, LockWait};
    use super::*;

    fn well() -> Vitals {
        let mut vitals = Vitals::unread(&"eu-1".into());
        vitals.facts = Facts {
            connections: 10,
            max_connections: 100,
            reserved_connections: 3,
            lock_room: 6_400,
            autovacuum: true,
            ..Facts::default()
        };
        vitals
    }

    fn words(vitals: &Vitals) -> String {
        vitals.alarms().iter().map(|alarm| format!("{} {}\n", alarm.severity.word(), alarm.words.raw())).collect()
    }

    fn open(kind: TransactionKind, state: &str, seconds: u64) -> OpenTransaction {
        OpenTransaction {
            kind,
            id: "77".into(),
            role: None,
            application: Some("web".into()),
            database: None,
            state: Some(state.into()),
            open_seconds: Some(seconds),
            state_seconds: Some(seconds),
            xmin_age: None,
            retained_bytes: None,
            query: None,
        }
    }

    #[test]
    fn a_server_that_is_well_or_unread_has_no_alarm() {
        assert_eq!(words(&well()), "");
        assert_eq!(words(&Vitals::unread(&"eu-1".into())), "");
    }

    #[test]
    fn each_thing_that_is_not_well_is_told_and_the_worst_first() {
        let mut sick = well();
        sick.facts = Facts { connections: 80, locks_held: 6_000, autovacuum: false, ..sick.facts };
        let wait = |seconds| Some(LockWait { seconds: Some(seconds), ..LockWait::default() });
        sick.locks = vec![
            LockSession { pid: 4_411, application: Some("web".into()), ..LockSession::default() },
            LockSession { pid: 5, waits: wait(61), ..LockSession::default() },
            LockSession { pid: 6, waits: wait(2), ..LockSession::default() },
        ];
        sick.transactions = vec![
            open(TransactionKind::Session, "idle in transaction", 192),
            open(TransactionKind::Session, "active", 601),
            open(TransactionKind::Prepared, "prepared", 7_200),
            OpenTransaction { retained_bytes: Some(3 << 30), ..open(TransactionKind::Slot, "inactive", 0) },
        ];
        sick.catalogs = vec![Catalog {
            name: "pg_attribute".into(),
            total_bytes: 1,
            live_rows: Some(1),
            dead_rows: Some(41_000),
            trigger_rows: 20_000,
            vacuumed_seconds: None,
        }];
        sick.cache = Some(Ok(CacheMemory {
            used_bytes: 95,
            max_bytes: Some(100),
            policy: "noeviction".into(),
            ..CacheMemory::default()
        }));
        let expected = "\
bad the lock table holds 6,000 locks and has room for about 6,400: max_locks_per_transaction
bad autovacuum is off, or the statistics that set it off are
bad 2 sessions wait for locks, the longest for 1m; pid 4411 (web) is in the way
bad the prepared transaction 77 is 2h old; COMMIT PREPARED or ROLLBACK PREPARED ends it
bad nobody reads the replication slot 77, for which 3.0 GB of WAL are kept
watch 80 of 97 connections are in use
watch pid 77 (web) has been idle in its transaction for 3m
watch the transaction of pid 77 (web) has been open for 10m
watch pg_attribute has 41k dead rows, 2 times what sets autovacuum off
watch the cache uses 95 B of 100 B: noeviction
";
        assert_eq!(words(&sick), expected);
    }

    #[test]
    fn what_is_short_or_in_use_is_no_alarm() {
        let mut vitals = well();
        vitals.transactions = vec![
            open(TransactionKind::Session, "idle in transaction", 59),
            open(TransactionKind::Session, "active", 599),
            open(TransactionKind::Prepared, "prepared", 599),
            OpenTransaction { retained_bytes: Some(3 << 30), ..open(TransactionKind::Slot, "active", 0) },
        ];
        assert_eq!(words(&vitals), "");
        vitals.cache = Some(Err("no cache server at x".into()));
        assert_eq!(words(&vitals), "watch the cache: no cache server at x\n");
    }
}
