//! The lease of a claimed job: the lock connection's heartbeat, and the lock's way back when the connection is lost.
//! `idle_session_timeout` makes it a lease that the server enforces; no clock is compared.

use std::time::Duration;

use tokio::sync::watch;

use super::gate;
use super::lane::LINK_PATIENCE;
use super::orders::OrderError;
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::Fence;
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::ident::literal;
use crate::model::job::JobId;
use crate::postgres::session::{Target, WriterSession};
use crate::text::Untrusted;

/// Time between two heartbeats: a quarter of the lease.
pub(super) const BEAT: Duration = Duration::from_secs(15);
/// How often the session is looked at between two beats.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a heartbeat may take.
const BEAT_PATIENCE: Duration = Duration::from_secs(5);
/// The lease: the server ends a session that says nothing for so long.
const LEASE_SECONDS: u32 = 60;

/// Why a worker must stop starting steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lease {
    /// Ours.
    Held,
    /// Not known: the lock connection is gone or does not answer, and is being regained.
    Lost(Untrusted),
    /// It could not be regained in time.
    Gone(Untrusted),
    /// Another worker has the job now.
    Taken,
}

/// The settings of a lock connection.
pub(super) async fn settings(session: &WriterSession) -> Result<(), Trouble> {
    let mut sql = String::from(
        "SET statement_timeout = '30s'; SET lock_timeout = '5s'; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3; SET tcp_user_timeout = 20000;",
    );
    if session.facts.version_num >= 140_000 {
        sql.push_str(&format!(
            " SET idle_session_timeout = '{LEASE_SECONDS}s'; SET client_connection_check_interval = '2s';"
        ));
    }
    gate::ask(session, &sql).await.map(|_| ())
}

/// Keeps the lease until `over` turns true: beats, regains a lost lock for the same attempt, and says in `lease` how
/// it stands. Returns the lock's session, where there still is one.
pub(super) async fn keep(
    target: &Target,
    mut session: WriterSession,
    fence: Fence,
    lease: watch::Sender<Lease>,
    progress: watch::Receiver<String>,
    mut over: watch::Receiver<bool>,
) -> Option<WriterSession> {
    loop {
        let why = match beats(&session, fence, &progress, &mut over).await {
            Beats::Over => return Some(session),
            Beats::Taken => {
                lease.send_replace(Lease::Taken);
                return None;
            }
            Beats::Lost(why) => why,
        };
        lease.send_replace(Lease::Lost(why.clone()));
        drop(session);
        session = match regain(target, fence, LINK_PATIENCE).await {
            Ok(Some(session)) => session,
            Ok(None) => {
                lease.send_replace(Lease::Taken);
                return None;
            }
            Err(error) => {
                lease.send_replace(Lease::Gone(Untrusted::new(format!("{}; {error}", why.raw()))));
                return None;
            }
        };
        lease.send_replace(Lease::Held);
    }
}

enum Beats {
    Over,
    Taken,
    Lost(Untrusted),
}

async fn beats(
    session: &WriterSession,
    fence: Fence,
    progress: &watch::Receiver<String>,
    over: &mut watch::Receiver<bool>,
) -> Beats {
    let mut missed = 0;
    let mut next = tokio::time::Instant::now() + BEAT;
    loop {
        tokio::select! {
            () = tokio::time::sleep(GLANCE) => {}
            _ = over.wait_for(|over| *over) => return Beats::Over,
        }
        // A closed session is seen at once, whenever the next beat is due.
        if tokio::time::Instant::now() < next && !session.client.is_closed() {
            continue;
        }
        next = tokio::time::Instant::now() + BEAT;
        let sql = beat_sql(fence, &progress.borrow());
        match wire::ask(&session.client, &sql, BEAT_PATIENCE).await {
            Ok(rows) => {
                missed = 0;
                if rows.first().is_none_or(Vec::is_empty) {
                    return Beats::Taken;
                }
                if !rows.get(1).and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0)) {
                    return Beats::Lost(Untrusted::new("the job's lock is not held by this session any more"));
                }
            }
            Err(trouble) => {
                missed += 1;
                if missed >= 2 || session.client.is_closed() {
                    return Beats::Lost(trouble.message().clone());
                }
            }
        }
    }
}

/// Heartbeat and progress for people; the lock and the server's role for us.
fn beat_sql(fence: Fence, progress: &str) -> String {
    format!(
        "UPDATE tenantui.job SET heartbeat_at = pg_catalog.clock_timestamp(), progress = {progress}::jsonb \
         WHERE id = {job} AND attempt = {attempt} AND state = 'running' RETURNING id; \
         SELECT NOT pg_catalog.pg_is_in_recovery() AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' \
         AND l.classid = {JOB_CLASS} AND l.objid = {job} AND l.objsubid = 2 AND l.granted AND l.pid = pg_catalog.pg_backend_pid())",
        progress = literal(progress),
        job = fence.job,
        attempt = fence.attempt,
    )
}

/// The lock again on a new session, for the same attempt. `false`: another worker has the job.
pub(super) async fn regain(
    target: &Target,
    fence: Fence,
    patience: Duration,
) -> Result<Option<WriterSession>, OrderError> {
    let job = JobId(fence.job);
    let started = std::time::Instant::now();
    loop {
        let left = patience.saturating_sub(started.elapsed());
        let session = gate::reopen(target, job, left).await?;
        settings(&session).await?;
        let sql = format!(
            "SELECT pg_catalog.pg_try_advisory_lock({JOB_CLASS}, {job}); \
             SELECT 1 FROM tenantui.job WHERE id = {job} AND attempt = {} AND state = 'running'",
            fence.attempt
        );
        let rows = gate::ask(&session, &sql).await?;
        if rows.get(1).is_none_or(Vec::is_empty) {
            return Ok(None);
        }
        if rows.first().and_then(|rows| rows.first()).is_some_and(|row| row.is_true(0)) {
            return Ok(Some(session));
        }
        // The server has not noticed yet that our old session is gone.
        if started.elapsed() > patience {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
