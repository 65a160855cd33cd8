//! Who stands in the way: another session asks the server while one waits. One for all lanes: each session more takes its
//! part in every change of the catalog, for the server tells all of them (eight that were idle cost it a tenth of its time
//! where tenants are made).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::gate;
use crate::migrations::apply::wire;
use crate::model::job::JobId;
use crate::postgres::session::{Target, TextRow, WriterSession};
use crate::text::Untrusted;

/// Blockers that are told of one wait.
const MOST: u32 = 5;
/// How long an answer may take; not knowing is no error.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that others wait for, as `step.detail` keeps it. Text is as the server gave it: untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blocker {
    /// Its process.
    pub(super) pid: i32,
    /// Its role.
    pub(super) user: String,
    /// Its client's address; `local` for a socket.
    pub(super) host: String,
    /// Its `application_name`; may be empty.
    pub(super) application: String,
    /// `active`, `idle in transaction`...
    pub(super) state: String,
    /// How long its transaction has been open.
    pub(super) transaction_seconds: Option<u64>,
    /// How long ago its latest statement began.
    pub(super) query_seconds: Option<u64>,
}

impl Blocker {
    /// Of a row that begins with [`who`].
    pub(super) fn of(row: &TextRow) -> Option<Self> {
        let field = |column: usize| row.text(column).unwrap_or("?").to_owned();
        Some(Self {
            pid: row.parse(0).ok().flatten()?,
            user: field(1),
            host: field(2),
            application: row.text(3).unwrap_or_default().to_owned(),
            state: field(4),
            transaction_seconds: row.parse(5).ok().flatten(),
            query_seconds: row.parse(6).ok().flatten(),
        })
    }

    /// `pid 4711  app@10.0.0.5 (the app)  idle in transaction 00:03:12, query 00:03:10`.
    pub(super) fn words(&self) -> String {
        let application = if self.application.is_empty() { String::new() } else { format!(" ({})", self.application) };
        let age = |seconds: Option<u64>| seconds.map_or_else(|| "?".to_owned(), clock);
        format!(
            "pid {}  {}@{}{application}  {} {}, query {}",
            self.pid,
            self.user,
            self.host,
            self.state,
            age(self.transaction_seconds),
            age(self.query_seconds)
        )
    }
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// All of them in one line; `None` where nobody is known.
pub(super) fn in_words(blockers: &[Blocker]) -> Option<Untrusted> {
    let words: Vec<String> = blockers.iter().map(Blocker::words).collect();
    (!words.is_empty()).then(|| Untrusted::new(words.join("; ")))
}

/// A session beside those that work, opened when somebody has to wait.
pub(super) struct Watcher<'a> {
    target: &'a Target,
    job: JobId,
    session: Mutex<Option<WriterSession>>,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(target: &'a Target, job: JobId) -> Self {
        Self { target, job, session: Mutex::new(None) }
    }

    /// Waits for `work` of the session `pid`; where it takes longer than a third of `lock_timeout`, asks meanwhile who
    /// is in its way. The latest who were.
    pub(super) async fn during<T>(
        &self,
        pid: i32,
        lock_timeout: Duration,
        work: impl Future<Output = T>,
    ) -> (T, Vec<Blocker>) {
        let mut blockers = Vec::new();
        tokio::pin!(work);
        let mut wait = lock_timeout / 3;
        loop {
            tokio::select! {
                result = &mut work => return (result, blockers),
                () = tokio::time::sleep(wait) => {}
            }
            tokio::select! {
                result = &mut work => return (result, blockers),
                seen = self.blockers(pid) => if !seen.is_empty() { blockers = seen },
            }
            wait = wait.saturating_mul(2).clamp(Duration::from_millis(100), Duration::from_secs(5));
        }
    }

    /// Who a session waits for. Most work takes long without waiting for anybody, so that is asked first: it costs next
    /// to nothing.
    async fn blockers(&self, pid: i32) -> Vec<Blocker> {
        let waits = format!("SELECT pg_catalog.cardinality(pg_catalog.pg_blocking_pids({pid})) > 0");
        if !self.ask(&waits).await.first().is_some_and(|row| row.is_true(0)) {
            return Vec::new();
        }
        self.ask_who(&format!("a.pid = ANY (pg_catalog.pg_blocking_pids({pid}))")).await
    }

    /// Who holds one of these advisory locks.
    pub(super) async fn holder(&self, keys: &[i64]) -> Vec<Blocker> {
        self.ask_who(&format!("a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE {})", held_sql(keys))).await
    }

    /// Who has held a lock in a schema for longer than `least`: what an application's short transactions hold comes
    /// and goes, and is waited for by each try alone.
    pub(super) async fn holders(&self, keys: &[i64], schema_oid: u32, least: Duration) -> Vec<Blocker> {
        let condition = format!(
            "a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start < pg_catalog.clock_timestamp() - interval '{} ms' \
             AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation \
             WHERE l.pid = a.pid AND l.granted AND c.relnamespace = {schema_oid}::oid AND l.database = \
             (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))",
            least.as_millis()
        );
        let holders = self.holder(keys).await;
        if holders.is_empty() { self.ask_who(&condition).await } else { holders }
    }

    /// Sessions that fulfil a condition.
    async fn ask_who(&self, condition: &str) -> Vec<Blocker> {
        let sql = format!(
            "SELECT {} FROM pg_catalog.pg_stat_activity AS a WHERE {condition} ORDER BY a.xact_start LIMIT {MOST}",
            who()
        );
        self.ask(&sql).await.iter().filter_map(Blocker::of).collect()
    }

    /// The rows of one SELECT. Not knowing is no error: the report says nothing then.
    pub(super) async fn ask(&self, sql: &str) -> Vec<TextRow> {
        let mut kept = self.session.lock().await;
        if kept.as_ref().is_none_or(|session| session.client.is_closed()) {
            *kept = gate::again(self.target, Some(self.job)).await.ok();
        }
        let Some(session) = kept.as_ref() else { return Vec::new() };
        match wire::ask(&session.client, sql, PATIENCE).await {
            Ok(rows) => rows.into_iter().flatten().collect(),
            Err(trouble) => {
                tracing::debug!(?trouble, "who is in the way is not known");
                Vec::new()
            }
        }
    }
}

/// What is told of a session, of `pg_stat_activity AS a`.
pub(super) fn who() -> String {
    let age = |since: &str| {
        format!("GREATEST(pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - {since})), 0)::bigint")
    };
    format!(
        "a.pid, a.usename, COALESCE(pg_catalog.host(a.client_addr), 'local'), a.application_name, a.state, {}, {}",
        age("COALESCE(a.xact_start, a.state_change)"),
        age("a.query_start"),
    )
}

/// One SELECT of the sessions that hold an advisory lock: pid, role, application.
pub(super) fn holders_sql(key: i64) -> String {
    format!(
        "SELECT a.pid, a.usename, a.application_name FROM pg_catalog.pg_stat_activity AS a WHERE a.pid IN (SELECT l.pid \
         FROM pg_catalog.pg_locks AS l WHERE {}) ORDER BY 1 LIMIT {MOST}",
        held_sql(&[key])
    )
}

/// A condition on `pg_locks AS l`: one of these advisory locks, granted in this database.
fn held_sql(keys: &[i64]) -> String {
    let half = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    let each = keys.iter().map(|key| {
        let bytes = key.to_be_bytes();
        format!("(l.classid = {}::oid AND l.objid = {}::oid)", half(&bytes[..4]), half(&bytes[4..]))
    });
    format!(
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND ({}) AND l.database = (SELECT d.oid \
         FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())",
        each.collect::<Vec<_>>().join(" OR ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocker_is_kept_whole_and_told_in_one_line() {
        let row = ["4711", "app", "10.0.0.5", "web", "idle in transaction", "3725", "12"];
        let blocker = Blocker::of(&TextRow::new(row.iter().map(|text| Some((*text).into())).collect()));
        let blocker = blocker.expect("a blocker");
        let words = in_words(std::slice::from_ref(&blocker)).expect("words");
        assert_eq!(words.raw(), "pid 4711  app@10.0.0.5 (web)  idle in transaction 01:02:05, query 00:00:12");
        let json = serde_json::to_string(&blocker).expect("JSON");
        assert_eq!(serde_json::from_str::<Blocker>(&json).expect("read back"), blocker);
        assert_eq!(in_words(&[]), None);
    }
}
