//! The worker: claims a job (T1), runs its steps (T2) on its own sessions, finishes it (T4).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::claim::{self, Claim};
use super::gate;
use super::lease::{self, Lease};
use super::migrate::{self, Fleet};
use super::orders::OrderError;
use super::provision;
use super::record;
use super::report::{self, Reports};
use super::steps;
use super::tenant::{Halt, Shared};
use super::who;
use crate::migrations::apply::ledger::WritableLedger;
use crate::migrations::apply::step::{Fence, Limits};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::SchemaName;
use crate::model::job::{JobEvent, JobId, JobKind, JobState, JobView, Waits};
use crate::model::ledger::Tool;
use crate::postgres::session::{Target, WriterSession};

/// How a job is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Wait after the canary where the job was ordered so (dashboard, worker); `false` goes on in any case (`--yes`).
    pub wait_after_canary: bool,
    /// Tenants at a time; `None`: as ordered.
    pub parallel: Option<u32>,
    /// Whether the process was asked to end.
    pub stop: watch::Receiver<Stop>,
}

/// What a process that is asked to end wants of the job that it runs. Only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Go on.
    #[default]
    GoOn,
    /// The running steps finish, then the job is paused.
    AfterStep,
    /// The running statements are cancelled, their steps roll back, and the job is paused.
    Now,
}

/// Claims a queued, orphaned, paused or failed job and runs it to its end, its pause or its stop.
/// Steps that are done stay done; `retry` puts failed steps back first.
///
/// # Errors
/// When it cannot be claimed: another worker has it, the server is a standby, behind a pooler, or gone. When the link
/// was lost for too long in mid-job: the job is left as it is, and its error says so.
pub async fn run(
    target: &Target,
    job: JobId,
    retry: bool,
    options: RunOptions,
    events: mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    let claim = claim::claim(target, job, retry).await?;
    let fence = claim.fence;
    let (lease_out, lease_in) = watch::channel(Lease::Held);
    let (over_out, over) = watch::channel(false);
    let (progress_out, progress) = watch::channel(report::json(&claim.view));
    let (reports, reports_in) = Reports::new();
    let (halt, halted) = watch::channel(None);
    let Claim { session, params, files, kind, before, view, .. } = claim;
    let claimed = Claimed {
        target,
        job,
        fence,
        params,
        files,
        kind,
        before,
        home: session.facts.clone(),
        options,
        view: view.clone(),
    };
    let keep = lease::keep(target, session, fence, lease_out, progress, over);
    let numbers = report::run(view, reports_in, events.clone(), progress_out);
    let work = async {
        let result = work(&claimed, reports, halt, lease_in).await;
        over_out.send_replace(true);
        result
    };
    let (lock, last, result) = tokio::join!(keep, numbers, work);
    let end = halted.borrow().clone();
    finish(target, &claimed, lock, last, result, end, &events).await
}

/// What a run works with.
struct Claimed<'a> {
    target: &'a Target,
    job: JobId,
    fence: Fence,
    params: super::params::Params,
    files: HashMap<String, Arc<MigrationFile>>,
    kind: JobKind,
    before: JobState,
    home: crate::postgres::session::ServerFacts,
    options: RunOptions,
    view: JobView,
}

async fn work(
    claimed: &Claimed<'_>,
    reports: Reports,
    halt: watch::Sender<Option<Halt>>,
    lease: watch::Receiver<Lease>,
) -> Result<(), OrderError> {
    let params = &claimed.params;
    let files = &claimed.files;
    let extra: Vec<SchemaName> = params
        .search_path_extra
        .iter()
        .map(|name| SchemaName::existing(name))
        .collect::<Result<_, _>>()
        .map_err(|error| gate::refused(format!("the job's record: {error}")))?;
    let ledger = match params.tool.as_deref().map(|word| (word, Tool::from_word(word).and_then(WritableLedger::of))) {
        Some((_, Some(ledger))) => ledger,
        Some((word, None)) => {
            return Err(gate::refused(format!("the ledger of {word} is not written by this version")));
        }
        // No files run: no ledger is written.
        None => WritableLedger::of(Tool::Migratus).ok_or_else(|| gate::refused("no ledger can be written"))?,
    };
    let os_user = who::os_user();
    let shared = Shared {
        fence: claimed.fence,
        limits: Limits {
            lock: Duration::from_millis(params.pace.lock_timeout_ms),
            statement: Duration::from_millis(params.pace.statement_timeout_ms),
            check_interval: claimed.home.version_num >= 140_000,
        },
        ledger,
        search_path_extra: &extra,
        os_user: &os_user,
        reports,
        halt,
        lease,
        stop: claimed.options.stop.clone(),
    };
    match claimed.kind {
        JobKind::Migrate => {
            let session = gate::open(claimed.target, Some(claimed.job)).await?;
            let tenants = steps::read(&session, claimed.job, params, files).await?;
            drop(session);
            let ordered_so = params.pace.wait_after_canary && claimed.before != JobState::Paused;
            let fleet = Fleet {
                target: claimed.target,
                job: claimed.job,
                home: &claimed.home,
                pace: &params.pace,
                parallel: claimed.options.parallel.unwrap_or(params.pace.parallel),
                wait_after_canary: ordered_so && claimed.options.wait_after_canary,
            };
            migrate::run(&fleet, &shared, &tenants).await
        }
        JobKind::Provision => {
            let place = provision::Place {
                target: claimed.target,
                job: claimed.job,
                home: &claimed.home,
                params,
                has_files: params.tool.is_some(),
            };
            provision::run(&place, &shared, files).await
        }
    }
}

/// T4 and what is told of it.
async fn finish(
    target: &Target,
    claimed: &Claimed<'_>,
    lock: Option<WriterSession>,
    last: JobView,
    result: Result<(), OrderError>,
    halt: Option<Halt>,
    events: &mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    let job = claimed.job;
    let (state, waits, reason) = match (&result, &halt) {
        // What could not even start waits for an operator; nothing was run.
        (Err(error), _) => (JobState::Paused, Some(Waits::Trouble), Some(error.to_string())),
        (Ok(()), None) if last.failed + last.blocked > 0 => (JobState::Failed, None, None),
        (Ok(()), None) => (JobState::Done, None, None),
        (Ok(()), Some(Halt::Cancel)) => (JobState::Cancelled, None, Some("cancelled".to_owned())),
        (Ok(()), Some(Halt::Pause(waits, reason))) => (JobState::Paused, Some(*waits), Some(reason.clone())),
        (Ok(()), Some(Halt::Fenced)) => {
            return Err(gate::refused(format!(
                "another worker took job {job} over: this one stopped, nothing was lost"
            )));
        }
        (Ok(()), Some(Halt::Lost(error))) => {
            return left(claimed, error).map_or_else(Err, Ok);
        }
    };
    let lock = match lock {
        Some(lock) if !lock.client.is_closed() => lock,
        Some(_) | None => match lease::regain(target, claimed.fence, super::lane::LINK_PATIENCE).await {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                return Err(gate::refused(format!(
                    "another worker took job {job} over: this one stopped, nothing was lost"
                )));
            }
            Err(error) => return left(claimed, &error),
        },
    };
    // The numbers of the record are those of its steps, not of this run.
    let counted = read_back(target, &lock, job).await.unwrap_or(last);
    match claim::finish(&lock, claimed.fence, state, waits, reason.as_deref(), &report::json(&counted)).await {
        Ok(true) => {}
        Ok(false) => {
            return Err(gate::refused(format!("job {job} is not this worker's any more: nothing was changed")));
        }
        Err(trouble) => return left(claimed, &trouble.into()),
    }
    let view = read_back(target, &lock, job).await?;
    if let Ok(sets) = gate::ask(&lock, &record::outcomes_sql(job)).await
        && let Ok(outcomes) = record::tenant_outcomes(&target.config.name, &sets)
    {
        // A face that is gone needs no telling.
        let _gone = events.send(JobEvent::Outcomes { database: target.config.name.clone(), job, outcomes }).await;
    }
    let _gone = events.send(JobEvent::Job(Box::new(view.clone()))).await;
    match result {
        Ok(()) => Ok(view),
        Err(error) => Err(error),
    }
}

/// The link is gone: the record keeps the job as running, and once the server notices it shows as orphaned.
fn left(claimed: &Claimed<'_>, error: &OrderError) -> Result<JobView, OrderError> {
    let job = claimed.job;
    let done = claimed.view.done;
    Err(gate::lost(
        format!(
            "the link was lost while job {job} ran: {error}. What was committed is kept (at least {done} tenants); \
             the job shows as orphaned: resume it when the database is back"
        )
        .into(),
    ))
}

async fn read_back(target: &Target, session: &WriterSession, job: JobId) -> Result<JobView, OrderError> {
    let rows = gate::ask(session, &record::job_sql(job)).await?;
    match rows.iter().flatten().next() {
        Some(row) => Ok(record::job_view(&target.config.name, row)?),
        None => Err(gate::refused(format!("job {job} is gone from the record"))),
    }
}

/// The queued and orphaned jobs of the database whose files are in the folder here (same hashes), oldest first: what
/// `tenantui worker` takes. Others are left as they are, with a warning in the log.
///
/// # Errors
/// When they cannot be read.
pub async fn claimable(target: &Target) -> Result<Vec<JobId>, OrderError> {
    claim::claimable(target).await
}
