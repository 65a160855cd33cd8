//! Who waits for a lock and who is in the way, as a tree. Plain data, pure rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::Untrusted;

/// A session that waits for a lock, or that is in the way of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockSession {
    /// Its backend; 0 for prepared transactions, which have none.
    pub pid: i32,
    /// Its role.
    pub role: Option<Untrusted>,
    /// What it calls itself, else what kind of process it is.
    pub application: Option<Untrusted>,
    /// Its database.
    pub database: Option<Untrusted>,
    /// `active`, `idle in transaction`...; `None` where this role may not see it.
    pub state: Option<Untrusted>,
    /// How long its transaction has been open, in seconds; `None` where it may not be seen, or none is.
    pub open_seconds: Option<u64>,
    /// What it does, or did last; `None` where this role may not see it.
    pub query: Option<Untrusted>,
    /// What it waits for; `None` where it only is in the way.
    pub waits: Option<LockWait>,
    /// The backends that are in its way.
    pub blocked_by: Vec<i32>,
    /// How many stand between it and the one that is in the way of all: 0 for that one.
    pub depth: usize,
}

/// What a session waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockWait {
    /// `relation`, `transactionid`, `advisory`... as `pg_locks` has it.
    pub kind: Untrusted,
    /// The mode.
    pub mode: Untrusted,
    /// For how long, in seconds; `None` before PostgreSQL 14.
    pub seconds: Option<u64>,
    /// The schema of the relation, where it is about one of this database.
    pub schema: Option<Untrusted>,
    /// The relation.
    pub relation: Option<Untrusted>,
}

impl LockWait {
    /// What it waits for in words: `AccessExclusiveLock on t_acme.users`, `a row of t_acme.users`, `advisory lock`.
    #[must_use]
    pub fn words(&self) -> String {
        let on = match (&self.schema, &self.relation) {
            (Some(schema), Some(relation)) => Some(format!("{}.{}", schema.raw(), relation.raw())),
            (None, Some(relation)) => Some(relation.raw().to_owned()),
            (_, None) => None,
        };
        match (self.kind.raw(), on) {
            ("transactionid" | "tuple", Some(on)) => format!("a row of {on}"),
            ("transactionid", None) => "the end of a transaction".to_owned(),
            ("relation", Some(on)) => format!("{} on {on}", self.mode.raw()),
            (kind, Some(on)) => format!("{kind} of {on}"),
            (kind, None) => format!("{kind} lock"),
        }
    }
}

/// Puts sessions into the order of a tree: whoever is in the way of all first, below it those that wait for it, each once.
/// One that waits for several stands below the first of them in that order. Those that wait for each other (the server
/// ends that soon) begin a tree of their own.
#[must_use]
pub fn tree(sessions: Vec<LockSession>) -> Vec<LockSession> {
    let mut waiters: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let known: BTreeSet<i32> = sessions.iter().map(|session| session.pid).collect();
    for session in &sessions {
        for blocker in session.blocked_by.iter().filter(|pid| **pid != session.pid) {
            waiters.entry(*blocker).or_default().push(session.pid);
        }
    }
    let below = |pid: i32| waiters.get(&pid).map_or(0, Vec::len);
    let is_root = |session: &&LockSession| !session.blocked_by.iter().any(|pid| known.contains(pid));
    let mut roots: Vec<i32> = sessions.iter().filter(is_root).map(|session| session.pid).collect();
    roots.sort_by_key(|pid| (std::cmp::Reverse(below(*pid)), *pid));
    // What no root leads to waits in a ring.
    roots.extend(sessions.iter().map(|session| session.pid));
    let mut left: BTreeMap<i32, LockSession> = sessions.into_iter().map(|session| (session.pid, session)).collect();
    let mut out = Vec::with_capacity(left.len());
    for root in roots {
        let mut open = vec![(root, 0)];
        while let Some((pid, depth)) = open.pop() {
            let Some(mut session) = left.remove(&pid) else { continue };
            session.depth = depth;
            out.push(session);
            // Taken from the end: the lowest comes first.
            let next = waiters.get(&pid).into_iter().flatten().rev().map(|waiter| (*waiter, depth + 1));
            open.extend(next);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session(pid: i32, blocked_by: &[i32]) -> LockSession {
        let waits = (!blocked_by.is_empty()).then(LockWait::default);
        LockSession { pid, blocked_by: blocked_by.to_vec(), waits, ..LockSession::default() }
    }

    fn shape(sessions: Vec<LockSession>) -> Vec<(i32, usize)> {
        tree(sessions).iter().map(|session| (session.pid, session.depth)).collect()
    }

    #[test]
    fn whoever_is_in_the_way_of_all_stands_first() {
        let waiting = vec![session(1, &[]), session(5, &[]), session(6, &[5]), session(7, &[6, 5]), session(8, &[1])];
        assert_eq!(shape(waiting), [(5, 0), (6, 1), (7, 2), (1, 0), (8, 1)]);
    }

    #[test]
    fn a_ring_is_told_and_ends() {
        assert_eq!(shape(vec![session(3, &[4]), session(4, &[3]), session(9, &[4])]), [(3, 0), (4, 1), (9, 2)]);
        assert_eq!(shape(vec![session(3, &[3])]), [(3, 0)]);
        assert_eq!(shape(vec![session(3, &[77])]), [(3, 0)], "in the way is one that has gone meanwhile");
    }

    #[test]
    fn waits_are_told_in_words() {
        let wait = |kind: &str, relation: bool| LockWait {
            kind: kind.into(),
            mode: "AccessExclusiveLock".into(),
            schema: relation.then(|| "t_acme".into()),
            relation: relation.then(|| "users".into()),
            seconds: None,
        };
        assert_eq!(wait("relation", true).words(), "AccessExclusiveLock on t_acme.users");
        assert_eq!(wait("transactionid", true).words(), "a row of t_acme.users");
        assert_eq!(wait("transactionid", false).words(), "the end of a transaction");
        assert_eq!(wait("advisory", false).words(), "advisory lock");
        assert_eq!(wait("extend", true).words(), "extend of t_acme.users");
    }

    proptest! {
        #[test]
        fn everybody_stands_in_the_tree_once(edges in prop::collection::vec((0..12_i32, prop::collection::vec(0..12_i32, 0..4)), 0..12)) {
            let by_pid: BTreeMap<i32, Vec<i32>> = edges.into_iter().collect();
            let sessions: Vec<LockSession> = by_pid.iter().map(|(pid, by)| session(*pid, by)).collect();
            let mut pids: Vec<i32> = tree(sessions).iter().map(|session| session.pid).collect();
            pids.sort_unstable();
            prop_assert_eq!(pids, by_pid.keys().copied().collect::<Vec<_>>());
        }
    }
}
