//! A lane: one work connection that is opened once and used for tenant after tenant, and opened anew after every
//! error. Knows who stands in the way of its session.

use std::time::Duration;

use super::bound::Home;
use super::gate;
use super::orders::OrderError;
use crate::migrations::apply::keys;
use crate::migrations::apply::wire;
use crate::model::job::JobId;
use crate::postgres::session::{ServerFacts, Target, TextRow, WriterSession};
use crate::text::Untrusted;

/// How long a lost link is waited for.
pub(super) const LINK_PATIENCE: Duration = Duration::from_secs(60);

/// A work connection.
pub(super) struct Lane<'a> {
    target: &'a Target,
    job: JobId,
    /// The server that the job was claimed on; another one is never written to.
    home: &'a Home,
    session: Option<(WriterSession, i32)>,
    watcher: Watcher<'a>,
}

impl<'a> Lane<'a> {
    pub(super) const fn new(target: &'a Target, job: JobId, home: &'a Home) -> Self {
        Self { target, job, home, session: None, watcher: Watcher { target, job, session: None } }
    }

    /// Throws the session away: the next step opens a new one.
    pub(super) fn drop_session(&mut self) {
        self.session = None;
    }

    /// The session; opened where there is none, waiting for a lost link.
    ///
    /// # Errors
    /// When the server did not come back in time, or another server answers.
    pub(super) async fn session(&mut self) -> Result<(&WriterSession, i32), OrderError> {
        if self.session.as_ref().is_none_or(|(session, _)| session.client.is_closed()) {
            let session = gate::reopen(self.target, self.job, LINK_PATIENCE).await?;
            same_server(self.home, &session.facts)?;
            let rows = gate::ask(&session, "SELECT pg_catalog.pg_backend_pid()").await?;
            let pid = rows.iter().flatten().next().map(|row| row.parse(0)).transpose()?.flatten().unwrap_or_default();
            self.session = Some((session, pid));
        }
        match &self.session {
            Some((session, pid)) => Ok((session, *pid)),
            None => Err(gate::refused("the work session could not be opened")),
        }
    }

    /// The session, its pid, and what asks about it meanwhile.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub(super) async fn split(&mut self) -> Result<(&WriterSession, i32, &mut Watcher<'a>), OrderError> {
        self.session().await?;
        match &self.session {
            Some((session, pid)) => Ok((session, *pid, &mut self.watcher)),
            None => Err(gate::refused("the work session could not be opened")),
        }
    }

    /// Who asks about other sessions.
    pub(super) const fn watcher(&mut self) -> &mut Watcher<'a> {
        &mut self.watcher
    }
}

/// A worker that panics leaves a statement running: cut, the server sees that its client is gone, rolls back, and
/// another worker can go on. A connection that is only let go waits for the statement's end.
impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if let Some((session, _)) = self.session.take_if(|_| std::thread::panicking()) {
            session.cut();
        }
    }
}

/// A second session, opened when somebody has to wait.
pub(super) struct Watcher<'a> {
    target: &'a Target,
    job: JobId,
    session: Option<WriterSession>,
}

impl Watcher<'_> {
    /// Waits for `work` of the session `pid`; where it takes longer than a third of `lock_timeout`, asks meanwhile who
    /// is in its way.
    pub(super) async fn during<T>(
        &mut self,
        pid: i32,
        lock_timeout: Duration,
        work: impl Future<Output = T>,
    ) -> (T, Option<Untrusted>) {
        let mut blocker = None;
        tokio::pin!(work);
        let mut wait = lock_timeout / 3;
        loop {
            tokio::select! {
                result = &mut work => return (result, blocker),
                () = tokio::time::sleep(wait) => {}
            }
            let condition = format!("a.pid = ANY (pg_catalog.pg_blocking_pids({pid}))");
            tokio::select! {
                result = &mut work => return (result, blocker),
                seen = self.ask_who(&condition) => blocker = seen.or(blocker),
            }
            wait = wait.saturating_mul(2).clamp(Duration::from_millis(100), Duration::from_secs(5));
        }
    }

    /// Who holds the lock of a tenant's schema.
    pub(super) async fn holder(&mut self, schema: &str) -> Option<Untrusted> {
        let key = keys::tenant(schema).to_be_bytes();
        let half = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        let condition = format!(
            "a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted \
             AND l.classid = {}::oid AND l.objid = {}::oid AND l.objsubid = 1)",
            half(&key[..4]),
            half(&key[4..])
        );
        self.ask_who(&condition).await
    }

    /// Who has held a lock in a schema for longer than `least`: what an application's short transactions hold comes
    /// and goes, and is waited for by each try alone.
    pub(super) async fn holders(&mut self, schema: &str, schema_oid: u32, least: Duration) -> Option<Untrusted> {
        let condition = format!(
            "a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start < pg_catalog.clock_timestamp() - interval '{} ms' \
             AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation \
             WHERE l.pid = a.pid AND l.granted AND c.relnamespace = {schema_oid}::oid AND l.database = \
             (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))",
            least.as_millis()
        );
        match self.holder(schema).await {
            Some(holder) => Some(holder),
            None => self.ask_who(&condition).await,
        }
    }

    /// Sessions that fulfil a condition, in words. Not knowing is no error: the report says nothing then.
    async fn ask_who(&mut self, condition: &str) -> Option<Untrusted> {
        if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
            self.session = gate::open(self.target, Some(self.job)).await.ok();
        }
        let session = self.session.as_ref()?;
        let sql = format!(
            "SELECT a.pid, a.usename, COALESCE(pg_catalog.host(a.client_addr), 'local'), a.application_name, a.state, \
             pg_catalog.to_char(pg_catalog.clock_timestamp() - COALESCE(a.xact_start, a.state_change), 'HH24:MI:SS') \
             FROM pg_catalog.pg_stat_activity AS a WHERE {condition} ORDER BY a.xact_start LIMIT 5"
        );
        let rows = wire::ask(&session.client, &sql, Duration::from_secs(2)).await.ok()?;
        let words: Vec<String> = rows.iter().flatten().map(who).collect();
        (!words.is_empty()).then(|| Untrusted::new(words.join("; ")))
    }
}

fn who(row: &TextRow) -> String {
    let field = |column: usize| row.text(column).unwrap_or("?");
    let application = row.text(3).filter(|name| !name.is_empty()).map(|name| format!(" ({name})")).unwrap_or_default();
    format!("pid {}  {}@{}{application}  {} {}", field(0), field(1), field(2), field(4), field(5))
}

/// The plan is bound to its server: identifier, timeline, database.
fn same_server(home: &Home, now: &ServerFacts) -> Result<(), OrderError> {
    match home.place(&Home::of(now)).refusal() {
        None => Ok(()),
        Some(words) => Err(gate::refused(words)),
    }
}
