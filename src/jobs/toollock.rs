//! The migration tool's own lock, where it is one for the whole database: whoever holds it keeps the tool out of every
//! schema. A job takes it once, on the connection that says it lives, and loses and regains it with that connection;
//! were each step to take it, steps would shut each other out.

use std::time::{Duration, Instant};

use super::gate;
use super::orders::OrderError;
use super::watcher::holders_sql;
use crate::migrations::apply::wire::Trouble;
use crate::model::ledger::Tool;
use crate::postgres::session::WriterSession;
use crate::text::Untrusted;

/// How long another holder is waited for: the tool's own run of a migration or two.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// A tool's lock of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToolKey {
    pub(super) tool: Tool,
    pub(super) key: i64,
}

/// Takes it, trying again while another session holds it.
///
/// # Errors
/// When it is still held when the patience is over: by whom; or when the session is lost.
pub(super) async fn take(session: &WriterSession, lock: ToolKey) -> Result<(), OrderError> {
    let started = Instant::now();
    loop {
        if try_once(session, lock).await? {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(gate::refused(held(session, lock).await));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One try, which waits for nobody.
pub(super) async fn try_once(session: &WriterSession, lock: ToolKey) -> Result<bool, Trouble> {
    let rows = gate::ask(session, &format!("SELECT pg_catalog.pg_try_advisory_lock({})", lock.key)).await?;
    Ok(rows.iter().flatten().next().is_some_and(|row| row.is_true(0)))
}

/// Gives it back before the session goes: the server ends a session some time after we left it, and the tool would find
/// its lock held by nobody it can see.
pub(super) async fn give_back(session: &WriterSession, lock: ToolKey) {
    let sql = format!("SELECT pg_catalog.pg_advisory_unlock({})", lock.key);
    if let Err(trouble) = gate::ask(session, &sql).await {
        tracing::debug!(?trouble, "the tool's lock goes with its session");
    }
}

/// Who holds it, and what to do.
pub(super) async fn held(session: &WriterSession, lock: ToolKey) -> Untrusted {
    let rows = gate::ask(session, &holders_sql(lock.key)).await.unwrap_or_default();
    let who: Vec<String> = rows
        .iter()
        .flatten()
        .map(|row| {
            let field = |column: usize| row.text(column).unwrap_or_default();
            format!("pid {} of {} ({})", field(0), field(1), field(2))
        })
        .collect();
    let who = if who.is_empty() { String::new() } else { format!(" by {}", who.join(", ")) };
    Untrusted::new(format!(
        "the lock of {} for this database is held{who}: it migrates something now, and only one may. Resume the job when \
         it has ended",
        lock.tool
    ))
}
