//! The write lock of the dashboard: one for each database, closed at the start, open for a time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::tenant::DatabaseName;

/// Which databases writes are open to, and until when. Databases in development need none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteLock {
    /// On the clock of the dashboard (monotonic, since the start).
    open_until: BTreeMap<DatabaseName, Duration>,
}

impl WriteLock {
    /// Opens the lock of one database until a moment.
    pub fn open(&mut self, database: DatabaseName, until: Duration) {
        self.open_until.insert(database, until);
    }

    /// Closes the lock of one database.
    pub fn close(&mut self, database: &str) {
        self.open_until.remove(database);
    }

    /// Closes those whose time has run out. Whether there were any.
    pub fn expire(&mut self, now: Duration) -> bool {
        let before = self.open_until.len();
        self.open_until.retain(|_, until| *until > now);
        self.open_until.len() != before
    }

    /// How long the lock of a database stays open; `None`: it is closed.
    #[must_use]
    pub fn left(&self, database: &str, now: Duration) -> Option<Duration> {
        self.open_until.get(database)?.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// How long until the next one closes by itself; `None`: none is open.
    #[must_use]
    pub fn next_to_close(&self, now: Duration) -> Option<Duration> {
        self.open_until.values().min().map(|until| until.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_has_its_own_time() {
        let at = Duration::from_secs;
        let mut lock = WriteLock::default();
        lock.open("eu-1".into(), at(600));
        lock.open("us-1".into(), at(900));
        assert_eq!(lock.left("eu-1", at(599)), Some(at(1)));
        assert_eq!(lock.left("asia", at(0)), None);
        assert_eq!(lock.next_to_close(at(500)), Some(at(100)));
        assert!(!lock.expire(at(599)));
        assert_eq!(lock.left("eu-1", at(600)), None, "not even before it is cleared away");
        assert!(lock.expire(at(600)) && !lock.expire(at(600)));
        assert_eq!(lock.left("us-1", at(600)), Some(at(300)));
        lock.close("us-1");
        assert_eq!((lock.left("us-1", at(600)), lock.next_to_close(at(600))), (None, None));
    }
}
