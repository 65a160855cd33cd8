//! One step: BEGIN alone, the checks, the file with its rows, COMMIT alone. Three round trips.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::guard::Guard;
use super::ledger::{Way, WritableLedger};
use super::opening::{self, Opened};
use super::run::{self, Fault, FileEnd, FileRun};
use super::wire::{self, Trouble};
use crate::config::RunAs;
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{QualifiedName, SchemaName, literal};
use crate::postgres::session::TextRow;
use crate::sabotage::{self, Safeguard};
use crate::text::Untrusted;

/// Opens every transaction of ours, whatever the role's defaults are.
pub const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
/// A session that an earlier file left something in (a setting, a temporary table, a lock) is clean again.
pub const CLEAN: &str = "DISCARD ALL";
/// How long bookkeeping may take to answer before the session counts as lost.
pub const BOOKKEEPING: Duration = Duration::from_secs(30);

/// Whose step it is: what the fence compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The job.
    pub job: i32,
    /// The attempt that this worker claimed.
    pub attempt: i32,
}

/// The server's own limits within a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `lock_timeout`.
    pub lock: Duration,
    /// `statement_timeout`.
    pub statement: Duration,
    /// The server has `client_connection_check_interval` (14 and newer).
    pub check_interval: bool,
}

impl Limits {
    /// How long the client waits for one statement.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.statement.saturating_add(BOOKKEEPING)
    }

    /// One SELECT that sets them for the transaction.
    #[must_use]
    pub fn sql(&self) -> String {
        self.set(true)
    }

    /// One SELECT that sets them for a session that is one statement's own, and is closed behind it.
    #[must_use]
    pub fn session_sql(&self) -> String {
        self.set(false)
    }

    fn set(&self, local: bool) -> String {
        let mut settings = vec![
            ("search_path", "pg_catalog, pg_temp".to_owned()),
            ("lock_timeout", format!("{}ms", self.lock.as_millis())),
            ("statement_timeout", format!("{}ms", self.statement.as_millis())),
            ("idle_in_transaction_session_timeout", "60s".to_owned()),
        ];
        if self.check_interval {
            settings.push(("client_connection_check_interval", "2s".to_owned()));
        }
        let calls = settings.iter().map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', {local})"));
        format!("SELECT {};", calls.collect::<Vec<_>>().join(", "))
    }
}

/// One SELECT after which a COMMIT that is answered outlives a crash of the server, whatever its default is: a step that
/// was taken back behind our back would be passed over, and the next file would run without it. For the transaction, or
/// for the session.
#[must_use]
pub fn durable_sql(transaction: bool) -> String {
    format!(
        "SELECT pg_catalog.set_config('synchronous_commit', 'local', {transaction}) \
         WHERE pg_catalog.current_setting('synchronous_commit') = 'off';"
    )
}

/// The statement that lets a transaction go on only while its job is still this worker's.
#[must_use]
pub fn fence_sql(fence: Fence) -> String {
    fence_and_sql(fence, "")
}

/// The same with more columns behind its own two (`, expression`).
#[must_use]
pub fn fence_and_sql(fence: Fence, more: &str) -> String {
    let job = fence.job;
    let held = if sabotage::removed(Safeguard::Fence) {
        String::new()
    } else {
        format!(" AND attempt = {} AND state = 'running' FOR KEY SHARE", fence.attempt)
    };
    format!(
        "SELECT cancel_requested_at IS NOT NULL, pause_requested_at IS NOT NULL{more} FROM tenantui.job \
         WHERE id = {job}{held};"
    )
}

/// What the answer to [`fence_sql`] means.
///
/// # Errors
/// With the end of the step: the job is another worker's, or, where flags are heeded, it was asked to stop or pause.
pub fn heed_fence(rows: &[TextRow], heed_flags: bool) -> Result<(), StepEnd> {
    let Some(flags) = rows.first() else { return Err(StepEnd::Fenced) };
    match (heed_flags, flags.is_true(0), flags.is_true(1)) {
        (true, true, _) => Err(StepEnd::Flagged(Flag::Cancel)),
        (true, false, true) => Err(StepEnd::Flagged(Flag::Pause)),
        (true, false, false) | (false, _, _) => Ok(()),
    }
}

/// Everything one step needs.
#[derive(Debug, Clone)]
pub struct StepOrder<'a> {
    /// Whose.
    pub fence: Fence,
    /// Its number within the job.
    pub seq: i32,
    /// The schema.
    pub schema: &'a SchemaName,
    /// Its oid when the plan was made.
    pub schema_oid: u32,
    /// One SELECT that has a row while the registry's row equals the plan; `None` where there is no row to compare.
    pub registry_check: Option<&'a str>,
    /// Added to the search path behind the tenant's schema.
    pub search_path_extra: &'a [SchemaName],
    /// Whose ledger is written.
    pub ledger: &'a WritableLedger,
    /// The database's name in the server, of which keys of tools' locks are made.
    pub database: &'a str,
    /// Up or down.
    pub way: Way<'a>,
    /// The ledger table is expected to exist.
    pub ledger_expected: bool,
    /// Whose rights the file runs with, and the ledger's rows are written with.
    pub run_as: RunAs,
    /// The file: of a rollback the down file.
    pub file: &'a MigrationFile,
    /// The limits.
    pub limits: Limits,
    /// Stop here when the operator asked for it; within a tenant its further files still run.
    pub heed_flags: bool,
    /// How often this step was tried, this time included.
    pub tries: u32,
    /// Who asked for it, for the audit.
    pub os_user: &'a str,
}

impl StepOrder<'_> {
    /// What verifies the file, where it is applied and there is that.
    #[must_use]
    pub fn verify(&self) -> Option<&MigrationFile> {
        self.file.verify.as_deref().filter(|_| self.way.leaves_it())
    }
}

/// How a step ended. Where [`StepEnd::keeps_session`] does not say otherwise the session must be opened anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEnd {
    /// Committed.
    Done {
        /// Time of the whole step.
        took: Duration,
    },
    /// The ledger or the step's row said so already.
    Already,
    /// The operator asked for a stop; nothing was done.
    Flagged(Flag),
    /// The operator skipped the tenant; nothing was done.
    Skipped,
    /// Another session changes what all share: worth another try in a moment. Nothing was done.
    Queued,
    /// The job is not this worker's any more.
    Fenced,
    /// The ledger table is not as expected: try again with this expectation.
    LedgerIs {
        /// It exists.
        present: bool,
    },
    /// A lock kept us out (55P03, or another tenantui in this schema): worth another try.
    Locked(Fault),
    /// A deadlock or a race in the catalog: worth another try.
    Again(Fault),
    /// The tool's own lock is in the ledger: nobody should write here before an operator looked.
    Blocked(Untrusted),
    /// Refused; nothing of it is there.
    Failed(Fault),
    /// The file committed part of itself.
    Escaped(Fault),
    /// A statement outside of a transaction was sent, and nothing tells whether its work is done.
    Unsure(Fault),
    /// The session was lost before COMMIT was sent: nothing of it is there.
    Lost(Untrusted),
    /// The session was lost after COMMIT was sent: the outcome must be read back.
    Unknown {
        /// The transaction.
        xid: String,
        /// Why.
        why: Untrusted,
        /// Time until then.
        took: Duration,
    },
}

impl StepEnd {
    /// Whether nothing of the step is there, so that one which was cancelled may simply wait to be run again.
    #[must_use]
    pub const fn is_rolled_back(&self) -> bool {
        match self {
            Self::Flagged(_)
            | Self::Skipped
            | Self::Queued
            | Self::Fenced
            | Self::LedgerIs { .. }
            | Self::Locked(_)
            | Self::Again(_)
            | Self::Blocked(_)
            | Self::Failed(_)
            | Self::Lost(_) => true,
            Self::Done { .. } | Self::Already | Self::Escaped(_) | Self::Unsure(_) | Self::Unknown { .. } => false,
        }
    }

    /// Whether the session can go on with another step.
    #[must_use]
    pub const fn keeps_session(&self) -> bool {
        match self {
            Self::Done { .. } | Self::Already | Self::Flagged(_) | Self::Skipped | Self::Queued => true,
            Self::Fenced
            | Self::LedgerIs { .. }
            | Self::Locked(_)
            | Self::Again(_)
            | Self::Blocked(_)
            | Self::Failed(_)
            | Self::Escaped(_)
            | Self::Unsure(_)
            | Self::Lost(_)
            | Self::Unknown { .. } => false,
        }
    }
}

/// What an operator asked of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Stop for good.
    Cancel,
    /// Stop until it is resumed.
    Pause,
}

/// Runs one step.
pub async fn run(client: &Client, order: &StepOrder<'_>) -> StepEnd {
    let started = Instant::now();
    let Opened { guard, ledger_present, .. } = match opening::open(client, order, true).await {
        Ok(found) => found,
        Err(end) => return left(client, end).await,
    };
    let table = match order.ledger.table(order.schema) {
        Ok(table) => table,
        Err(error) => return StepEnd::Failed(Fault::ours(error.to_string())),
    };
    let create = if ledger_present { String::new() } else { order.ledger.create_sql(&table) };
    let before = format!("{create}{}", order.ledger.before_sql(&table));
    let rows = rows_sql(order, &table, &guard);
    let apart = sabotage::removed(Safeguard::Transaction);
    let after = if apart { guard.sql() } else { format!("{} {rows}", guard.sql()) };
    let file = FileRun { before, front: String::new(), file: order.file, verify: order.verify(), after };
    match run::file(client, &file, order.limits.patience()).await {
        FileEnd::Ran => {}
        FileEnd::Refused(fault) => return classify(fault),
        FileEnd::Escaped(fault) => return StepEnd::Escaped(fault),
        FileEnd::Lost(why) => return StepEnd::Lost(why),
    }
    if apart && let Err(end) = rows_apart(client, &rows).await {
        return end;
    }
    commit(client, guard.xid, started).await
}

/// The negative control `transaction`: the file is committed before its rows are written.
async fn rows_apart(client: &Client, rows: &str) -> Result<(), StepEnd> {
    for message in ["COMMIT", BEGIN, rows] {
        wire::ask(client, message, BOOKKEEPING).await.map_err(|trouble| StepEnd::Lost(trouble.message().clone()))?;
    }
    Ok(())
}

/// COMMIT as a message of its own: a client that died before it sent it has not committed.
pub async fn commit(client: &Client, xid: String, started: Instant) -> StepEnd {
    match wire::ask(client, "COMMIT", 2 * BOOKKEEPING).await {
        Ok(_) => StepEnd::Done { took: started.elapsed() },
        Err(trouble @ Trouble::Server(_)) => classify(Fault::server(&trouble)),
        Err(Trouble::Lost(why)) => StepEnd::Unknown { xid, why, took: started.elapsed() },
    }
}

/// What a step that was not begun comes to: where the session is to be used again, its transaction is ended.
pub async fn left(client: &Client, end: StepEnd) -> StepEnd {
    if end.keeps_session() && roll_back(client).await.is_err() {
        return StepEnd::Lost(Untrusted::new("the session was lost while rolling back"));
    }
    end
}

/// Ends a transaction that is to leave nothing.
///
/// # Errors
/// When the session is lost; the server has rolled back, or will.
pub async fn roll_back(client: &Client) -> Result<(), Trouble> {
    wire::ask(client, "ROLLBACK", BOOKKEEPING).await.map(|_| ())
}

/// What a message comes to that is none of a file's.
#[must_use]
pub fn ended(trouble: &Trouble) -> StepEnd {
    match trouble {
        Trouble::Lost(why) => StepEnd::Lost(why.clone()),
        Trouble::Server(_) => classify(Fault::server(trouble)),
    }
}

/// A refusal by its code: what may pass when tried again, and what will not.
#[must_use]
pub fn classify(fault: Fault) -> StepEnd {
    match fault.sqlstate.as_deref() {
        Some("55P03") => StepEnd::Locked(fault),
        // A transaction that was opened before its standby was promoted stays read-only to its end; the next one writes.
        Some("40P01" | "40001" | "25006") => StepEnd::Again(fault),
        // Two sessions changed one row of the catalog: grants on one object, CREATE OR REPLACE of one function.
        Some("XX000") if fault.message.raw().contains("tuple concurrently") => StepEnd::Again(fault),
        // Two sessions made one name in the catalog. A tenant's own data is no race: it is the same next time.
        Some("23505") if fault.in_catalog => StepEnd::Again(fault),
        Some(_) | None => StepEnd::Failed(fault),
    }
}

/// What stands behind the file and its guard in one message: the ledger's row, the step's, the audit's.
pub(super) fn rows_sql(order: &StepOrder<'_>, table: &QualifiedName, guard: &Guard) -> String {
    format!(
        "SET CONSTRAINTS ALL IMMEDIATE; SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); \
         {durable} {ledger} {home} {step} \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) VALUES ({os_user}, '{action}', \
         {schema}, {job}, {after}, 'done');",
        action = order.way.word(),
        durable = durable_sql(true),
        ledger = order.ledger.after_sql(table, order.file, order.way),
        home = guard.home_sql(),
        step = step_done_sql(order.fence, order.seq, order.tries, "NULL"),
        os_user = literal(order.os_user),
        schema = literal(order.schema.raw()),
        job = order.fence.job,
        after = literal(&serde_json::json!({ "version": order.file.version.raw(), "seq": order.seq }).to_string()),
    )
}

/// The step's row when its transaction commits. Its duration is the transaction's, up to here.
#[must_use]
pub fn step_done_sql(fence: Fence, seq: i32, tries: u32, message: &str) -> String {
    format!(
        "UPDATE tenantui.step SET state = 'done', attempt = {attempt}, tries = {tries}, started_at = pg_catalog.now(), \
         ended_at = pg_catalog.clock_timestamp(), duration_ms = (EXTRACT(epoch FROM pg_catalog.clock_timestamp() - \
         pg_catalog.now()) * 1000)::bigint, sqlstate = NULL, message = {message}, detail = NULL, \
         xid = pg_catalog.txid_current() WHERE job_id = {job} AND seq = {seq};",
        attempt = fence.attempt,
        job = fence.job,
    )
}
