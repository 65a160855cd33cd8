//! The lease of a claimed job, kept on the lock connection: it asks every two seconds whether the job is still ours
//! and what the operator wants of it, writes a heartbeat every fifteen, and finds the lock's way back when the
//! connection is lost. `idle_session_timeout` makes it a lease that the server enforces: no clock of two machines is
//! ever compared, and a process that slept through its lease finds that out before it starts another step.

mod times;

use std::time::{Duration, Instant};

pub(super) use times::Times;

use tokio::sync::watch;

use super::bound::Home;
use super::gate;
use super::lane::LINK_PATIENCE;
use super::orders::OrderError;
use super::toollock::{self, ToolKey};
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::Fence;
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::ident::literal;
use crate::model::job::JobId;
use crate::postgres::session::{ServerMessage, Target, TextRow, WriterSession};
use crate::text::Untrusted;

/// The channel on which the record says that a job changed; the payload is its number.
pub(super) const CHANNEL: &str = "tenantui";
/// How many questions in a row may stay without an answer before the lock counts as lost.
const MAX_MISSES: u32 = 2;

/// Whether steps may be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lease {
    /// Ours, as of then.
    Held {
        /// When the server last said so.
        since: Instant,
        /// For how long that is good.
        trust: Duration,
    },
    /// Not known: the lock connection is gone or does not answer, and is being regained.
    Lost(Untrusted),
    /// It could not be regained in time.
    Gone(Untrusted),
    /// The job must not go on by itself: the server is not the one that it was claimed on any more (a failover), or
    /// another session took the tool's lock meanwhile.
    Moved(Untrusted),
    /// Another worker has the job now.
    Taken,
}

impl Lease {
    /// Whether the job is lost for this worker.
    pub(super) const fn is_over(&self) -> bool {
        match self {
            Self::Gone(_) | Self::Moved(_) | Self::Taken => true,
            Self::Held { .. } | Self::Lost(_) => false,
        }
    }

    /// Just claimed.
    pub(super) fn fresh(times: Times) -> Self {
        Self::Held { since: Instant::now(), trust: times.trust() }
    }

    /// Whether this answer is one to act by; otherwise the next one has to be waited for.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            // A process that was frozen wakes up with an old answer.
            Self::Held { since, trust } => since.elapsed() < *trust,
            Self::Lost(_) => false,
            Self::Gone(_) | Self::Moved(_) | Self::Taken => true,
        }
    }
}

/// What the operator wants of the job, from whichever process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    /// Stop after the current tenants.
    pub(super) cancel: bool,
    /// Stop after the current steps.
    pub(super) pause: bool,
    /// The second cancel: what runs is cancelled too.
    pub(super) stop_now: bool,
}

/// The settings of a lock connection, and the wake-ups where they can be had: looking is the truth.
pub(super) async fn settings(session: &WriterSession, times: Times) -> Result<(), Trouble> {
    let mut sql = String::from(
        "SET statement_timeout = '30s'; SET lock_timeout = '5s'; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000;",
    );
    if session.facts.version_num >= 140_000 {
        sql.push_str(&format!(
            " SET idle_session_timeout = '{}ms'; SET client_connection_check_interval = '2s';",
            times.lease.as_millis()
        ));
    }
    gate::ask(session, &sql).await?;
    if session.facts.pooling.keeps_sessions()
        && let Err(trouble) = gate::ask(session, &format!("LISTEN {CHANNEL}")).await
    {
        tracing::warn!(?trouble, "no wake-ups: the flags of the job are seen every {:?}", times.look);
    }
    Ok(())
}

/// Who keeps a lease, and what it tells of it.
pub(super) struct Keeper<'a> {
    pub(super) target: &'a Target,
    /// The server that the job was claimed on.
    pub(super) home: &'a Home,
    pub(super) fence: Fence,
    pub(super) times: Times,
    /// The tool's lock of the database, which is kept on the same connection.
    pub(super) tool: Option<ToolKey>,
    pub(super) lease: watch::Sender<Lease>,
    pub(super) flags: watch::Sender<Flags>,
    /// What the heartbeat writes.
    pub(super) progress: watch::Receiver<String>,
    /// Turns true when the work is done.
    pub(super) over: watch::Receiver<bool>,
}

/// How one connection's watch ended.
enum Watch {
    Over,
    Taken,
    Lost(Untrusted),
}

/// What the lock's return came to.
pub(super) enum Regained {
    /// For the same attempt.
    Held(Box<WriterSession>),
    /// The server is another one now, or the tool's lock is another's, in words; nothing was locked.
    Moved(Untrusted),
    /// Another worker has the job.
    Taken,
}

impl Keeper<'_> {
    /// Keeps the lease until `over` turns true; the lock's session, where there still is one.
    pub(super) async fn run(mut self, mut session: WriterSession) -> Option<WriterSession> {
        loop {
            let why = match self.watch(&mut session).await {
                Watch::Over => return Some(session),
                Watch::Taken => {
                    self.lease.send_replace(Lease::Taken);
                    return None;
                }
                Watch::Lost(why) => why,
            };
            self.lease.send_replace(Lease::Lost(why.clone()));
            drop(session);
            let mut over = self.over.clone();
            let regained = tokio::select! {
                regained = regain(self.target, self.home, self.fence, (self.times, self.tool), LINK_PATIENCE) => regained,
                // What the end needs it finds for itself.
                _ = over.wait_for(|over| *over) => return None,
            };
            let end = match regained {
                Ok(Regained::Held(again)) => {
                    session = *again;
                    self.lease.send_replace(Lease::fresh(self.times));
                    continue;
                }
                Ok(Regained::Moved(words)) => Lease::Moved(words),
                Ok(Regained::Taken) => Lease::Taken,
                Err(error) => Lease::Gone(Untrusted::new(format!("{}; {error}", why.raw()))),
            };
            self.lease.send_replace(end);
            return None;
        }
    }

    async fn watch(&mut self, session: &mut WriterSession) -> Watch {
        let mut misses = 0;
        let mut next_beat = Instant::now() + self.times.beat;
        let mut ended = session.ended();
        let mut told = self.progress.borrow_and_update().clone();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.times.look) => {}
                () = woken(session, self.fence.job) => {}
                // A closed session is seen at once, whenever the next look is due.
                _ = ended.wait_for(Option::is_some) => {}
                _ = self.over.wait_for(|over| *over) => return Watch::Over,
            }
            let progress = self.progress.borrow_and_update().clone();
            let beats = Instant::now() >= next_beat || progress != told;
            let sql = if beats { beat_sql(self.fence, &progress) } else { look_sql(self.fence) };
            let asked = Instant::now();
            match wire::ask(&session.client, &sql, self.times.patience).await {
                Ok(rows) => {
                    misses = 0;
                    if let Some(end) = self.heed(&rows, asked) {
                        return end;
                    }
                    if beats {
                        next_beat = Instant::now() + self.times.beat;
                        told = progress;
                    }
                }
                Err(trouble) => {
                    misses += 1;
                    if misses >= MAX_MISSES || session.client.is_closed() {
                        return Watch::Lost(trouble.message().clone());
                    }
                }
            }
        }
    }

    /// What the answer means: the flags are passed on, and the lease is good again as of the question.
    fn heed(&self, rows: &[Vec<TextRow>], asked: Instant) -> Option<Watch> {
        let Some(job) = rows.first().and_then(|rows| rows.first()) else { return Some(Watch::Taken) };
        if !rows.get(1).and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0)) {
            return Some(Watch::Lost(Untrusted::new("the job's lock is not held by this session any more")));
        }
        let flags = Flags { cancel: job.is_true(0), pause: job.is_true(1), stop_now: job.is_true(2) };
        self.flags.send_if_modified(|seen| {
            let changed = *seen != flags;
            *seen = flags;
            changed
        });
        self.lease.send_replace(Lease::Held { since: asked, trust: self.times.trust() });
        None
    }
}

/// Returns when the record says that this job changed; never where the session does not listen.
async fn woken(session: &mut WriterSession, job: i32) {
    loop {
        match session.messages.recv().await {
            Some(ServerMessage::Notification { channel, payload })
                if channel.raw() == CHANNEL && payload.raw() == job.to_string() =>
            {
                return;
            }
            Some(ServerMessage::Notification { .. } | ServerMessage::Notice { .. }) => {}
            None => std::future::pending().await,
        }
    }
}

const FLAGS: &str = "cancel_requested_at IS NOT NULL, pause_requested_at IS NOT NULL, stop_now_at IS NOT NULL";

/// The flags, while the job is ours; the lock and the server's role.
fn look_sql(fence: Fence) -> String {
    format!(
        "SELECT {FLAGS} FROM tenantui.job WHERE id = {} AND attempt = {} AND state = 'running'; {}",
        fence.job,
        fence.attempt,
        held_here_sql(fence.job)
    )
}

/// The same, with heartbeat and progress, which are for people.
fn beat_sql(fence: Fence, progress: &str) -> String {
    format!(
        "UPDATE tenantui.job SET heartbeat_at = pg_catalog.clock_timestamp(), progress = {}::jsonb \
         WHERE id = {} AND attempt = {} AND state = 'running' RETURNING {FLAGS}; {}",
        literal(progress),
        fence.job,
        fence.attempt,
        held_here_sql(fence.job)
    )
}

/// Whether this session holds the job's lock, on a primary: a standby gives the same lock away again.
pub(super) fn held_here_sql(job: i32) -> String {
    format!(
        "SELECT NOT pg_catalog.pg_is_in_recovery() AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l \
         WHERE l.locktype = 'advisory' AND l.classid = {JOB_CLASS} AND l.objid = {job} AND l.objsubid = 2 AND l.granted \
         AND l.pid = pg_catalog.pg_backend_pid())"
    )
}

/// The lock again on a new session, for the same attempt on the same server.
///
/// # Errors
/// When the server did not come back in time.
async fn regain(
    target: &Target,
    home: &Home,
    fence: Fence,
    (times, tool): (Times, Option<ToolKey>),
    patience: Duration,
) -> Result<Regained, OrderError> {
    let job = JobId(fence.job);
    let started = Instant::now();
    loop {
        let left = patience.saturating_sub(started.elapsed());
        let session = gate::reopen(target, job, left).await?;
        if let Some(words) = home.place(&Home::of(&session.facts)).refusal() {
            return Ok(Regained::Moved(Untrusted::new(words)));
        }
        let answer = match settings(&session, times).await {
            Ok(()) => lock_again(&session, fence).await,
            Err(trouble) => Err(trouble),
        };
        match answer {
            Ok((false, _)) => return Ok(Regained::Taken),
            Ok((true, true)) => match tool_again(&session, tool, started, patience).await {
                Ok(None) => return Ok(Regained::Held(Box::new(session))),
                Ok(Some(words)) => return Ok(Regained::Moved(words)),
                Err(trouble @ Trouble::Server(_)) => return Err(trouble.into()),
                Err(trouble @ Trouble::Lost(_)) if started.elapsed() > patience => return Err(trouble.into()),
                Err(Trouble::Lost(_)) => {}
            },
            // The server has not noticed yet that our old session is gone.
            Ok((true, false)) if started.elapsed() > patience => {
                return Err(gate::refused("the server still keeps the lock of the lost session"));
            }
            Err(Trouble::Server(refused)) => return Err(Trouble::Server(refused).into()),
            Err(trouble @ Trouble::Lost(_)) if started.elapsed() > patience => return Err(trouble.into()),
            // The server has not noticed yet that our old session is gone; or the new one is gone too.
            Ok((true, false)) | Err(Trouble::Lost(_)) => {}
        }
        tokio::time::sleep(times.look.min(Duration::from_millis(250))).await;
    }
}

/// The tool's lock again: our lost session may still hold it for a moment. In words, where another has it for good.
async fn tool_again(
    session: &WriterSession,
    tool: Option<ToolKey>,
    started: Instant,
    patience: Duration,
) -> Result<Option<Untrusted>, Trouble> {
    let Some(tool) = tool else { return Ok(None) };
    loop {
        if toollock::try_once(session, tool).await? {
            return Ok(None);
        }
        if started.elapsed() > patience {
            return Ok(Some(toollock::held(session, tool).await));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Whether the job is still this attempt's, and whether its lock was got.
async fn lock_again(session: &WriterSession, fence: Fence) -> Result<(bool, bool), Trouble> {
    let sql = format!(
        "SELECT 1 FROM tenantui.job WHERE id = {job} AND attempt = {attempt} AND state = 'running'; \
         SELECT pg_catalog.pg_try_advisory_lock({JOB_CLASS}, {job}) AND NOT pg_catalog.pg_is_in_recovery()",
        job = fence.job,
        attempt = fence.attempt,
    );
    let rows = gate::ask(session, &sql).await?;
    let ours = rows.first().is_some_and(|rows| !rows.is_empty());
    Ok((ours, rows.get(1).and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_answer_is_none() {
        let held = |age: u64| Lease::Held {
            since: Instant::now().checked_sub(Duration::from_secs(age)).expect("a time"),
            trust: Duration::from_secs(30),
        };
        assert!(held(0).is_settled() && held(25).is_settled());
        assert!(!held(31).is_settled() && !held(4000).is_settled());
        assert!(!Lease::Lost("x".into()).is_settled());
        for end in [Lease::Gone("x".into()), Lease::Moved("x".into()), Lease::Taken] {
            assert!(end.is_settled());
        }
    }
}
