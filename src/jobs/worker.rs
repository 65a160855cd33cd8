//! The worker: claims a job (T1), runs its steps (T2) on its own sessions, finishes it (T4).

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};

use super::bound::Home;
use super::claim::{self, Again, Claim};
use super::compare::{self, Ahead};
use super::drive::Drive;
use super::early;
use super::finish;
use super::gate;
use super::import;
use super::lane::LINK_PATIENCE;
use super::lease::{Flags, Keeper, Lease, Times};
use super::life;
use super::migrate::{self, Fleet};
use super::orders::OrderError;
use super::provision;
use super::rehearse;
use super::report::{self, Reports};
use super::rescue;
use super::shared::{Halt, Shared};
use super::steps::{self, TenantSteps};
use super::toollock::{self, ToolKey};
use super::watcher::Watcher;
use super::who;
use crate::migrations::apply::ledger::WritableLedger;
use crate::migrations::apply::step::{Fence, Limits};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::SchemaName;
use crate::model::job::{JobEvent, JobId, JobKind, JobView};
use crate::model::ledger::Tool;
use crate::postgres::session::{Target, WriterSession};
use crate::postgres::structure::PAGE;

/// How long a process that has to end at once waits for a lost link, to say in what state it leaves its job.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// How a job is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Wait after the canary where the job was ordered so (dashboard, worker); `false` goes on in any case (`--yes`).
    pub wait_after_canary: bool,
    /// Tenants at a time; `None`: as ordered.
    pub parallel: Option<u32>,
    /// Somebody is there who sees the passwords of roles that are made; `false`: such a role gets none.
    pub shows_credentials: bool,
    /// The order was given in this process just now, and this is its first run: where its files are not here as they
    /// were confirmed, the job ends. `false`: it is left to somebody who has them.
    pub ordered_here: bool,
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
/// When it cannot be claimed: another worker has it, its record is not what was confirmed, it was made for another
/// server, the server is a standby, behind a pooler, or gone. When the link was lost for too long in mid-job: the job
/// is left as it is, and its error says so.
pub async fn run(
    target: &Target,
    job: JobId,
    retry: bool,
    options: RunOptions,
    events: mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    run_again(target, job, &if retry { Again::All } else { Again::Nothing }, options, events).await
}

/// As [`run`], with the failed and blocked steps of one tenant put back first: they are tried as soon as nobody is in
/// the way of its schema, for at most ten minutes.
///
/// # Errors
/// As [`run`].
pub async fn retry_when_free(
    target: &Target,
    job: JobId,
    schema: &str,
    options: RunOptions,
    events: mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    run_again(target, job, &Again::WhenFree(schema.to_owned()), options, events).await
}

async fn run_again(
    target: &Target,
    job: JobId,
    again: &Again,
    options: RunOptions,
    events: mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    let times = Times::now();
    // On the heap, as the work below: a run is polled from deep stacks, and all of its parts would have room in each frame.
    let claim = Box::pin(claim::claim(target, job, again, options.ordered_here, times));
    let (claim, early) = tokio::join!(claim, Box::pin(early::session(target, job)));
    let claim = claim?;
    let fence = claim.fence;
    let (lease_out, lease) = watch::channel(Lease::fresh(times));
    let (flags_out, flags) = watch::channel(Flags::default());
    let (over_out, over) = watch::channel(false);
    let (progress_out, progress) = watch::channel(report::json(&claim.view));
    let (reports, reports_in) = Reports::new();
    let (halt, halted) = watch::channel(None);
    let Claim { session, params, files, kind, canary_seen, failed_before, view, .. } = claim;
    let home = Home::of(&session.facts);
    let version_num = session.facts.version_num;
    let database = session.facts.database.raw().to_owned();
    let mut ledger = ledger(&params);
    let tool = ledger.as_ref().ok().and_then(|ledger| {
        let key = ledger.database_key(&database)?;
        Some(ToolKey { tool: ledger.tool(), key })
    });
    // Nothing is begun where the tool is at work: the job waits for an operator, with the reason.
    if let Some(tool) = tool
        && let Err(error) = toollock::take(&session, tool).await
    {
        ledger = Err(error);
    }
    let patient = match again {
        Again::WhenFree(schema) => Some(schema.clone()),
        Again::Nothing | Again::All => None,
    };
    let claimed = Claimed {
        target,
        job,
        fence,
        params,
        files,
        kind,
        canary_seen,
        failed_before,
        home,
        version_num,
        database,
        ledger,
        patient,
        options,
        view,
    };
    let numbers = report::run(claimed.view.clone(), reports_in, events.clone(), progress_out);
    let keeper =
        Keeper { target, home: &claimed.home, fence, times, tool, lease: lease_out, flags: flags_out, progress, over };
    let work = async {
        let work = Box::pin(work(&claimed, Lines { reports, halt, lease, flags }, early));
        // A panic is a fault of this program: the job waits, and says so.
        let result = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => {
                Err(gate::refused(format!("the program failed ({}); nothing half-done is left", words(&*panic))))
            }
        };
        over_out.send_replace(true);
        result
    };
    let (lock, last, result) = tokio::join!(keeper.run(session), numbers, work);
    if let (Some(tool), Some(lock)) = (tool, &lock) {
        toollock::give_back(lock, tool).await;
    }
    let halt = halted.borrow().clone();
    finish::finish(&claimed, lock, last, result, halt, &events).await
}

/// The words of a panic.
pub(super) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

/// What a run works with.
pub(super) struct Claimed<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) fence: Fence,
    params: super::params::Params,
    files: HashMap<String, Arc<MigrationFile>>,
    pub(super) kind: JobKind,
    canary_seen: bool,
    failed_before: u32,
    /// The server that it was claimed on.
    pub(super) home: Home,
    version_num: u32,
    /// The database's name in the server.
    database: String,
    /// Whose rows are written; or why nothing is.
    ledger: Result<WritableLedger, OrderError>,
    /// The schema whose steps wait until nobody is in their way.
    patient: Option<String>,
    options: RunOptions,
    /// The job after the claim.
    pub(super) view: JobView,
}

impl Claimed<'_> {
    /// How many tenants go first.
    pub(super) const fn canary(&self) -> u32 {
        self.params.pace.canary
    }

    /// How long a lost link is waited for at the end: a process that has to end cannot.
    pub(super) fn patience(&self) -> Duration {
        if *self.options.stop.borrow() == Stop::Now { LAST_PATIENCE } else { LINK_PATIENCE }
    }
}

/// The ledger that a job writes.
fn ledger(params: &super::params::Params) -> Result<WritableLedger, OrderError> {
    // Where no files run no ledger is written, and where a command runs them its tool writes it, under its own lock.
    let tool = params.tool.as_deref().filter(|_| params.command.is_none());
    let word = tool.unwrap_or(Tool::Migratus.word());
    let named = params.ledger.as_deref().filter(|_| params.command.is_none());
    let ledger = Tool::from_word(word).and_then(|tool| WritableLedger::named(tool, named));
    ledger.ok_or_else(|| gate::refused(format!("the ledger of {word} is not written by this version")))
}

/// How a run talks to what goes on beside it.
struct Lines {
    reports: Reports,
    halt: watch::Sender<Option<Halt>>,
    lease: watch::Receiver<Lease>,
    flags: watch::Receiver<Flags>,
}

async fn work(claimed: &Claimed<'_>, lines: Lines, early: Option<WriterSession>) -> Result<(), OrderError> {
    let Lines { reports, halt, lease, flags } = lines;
    // Tests ask for a panic; a program made for release does not listen.
    if cfg!(debug_assertions) && std::env::var("TENANTUI_TEST_PANIC").is_ok_and(|at| at == "run") {
        panic!("asked for by TENANTUI_TEST_PANIC");
    }
    let params = &claimed.params;
    let files = &claimed.files;
    let ledger = claimed.ledger.as_ref().map_err(Clone::clone)?;
    let extra: Vec<SchemaName> = params
        .search_path_extra
        .iter()
        .map(|name| SchemaName::existing(name))
        .collect::<Result<_, _>>()
        .map_err(|error| gate::refused(format!("the job's record: {error}")))?;
    let os_user = who::os_user();
    let (through, through_in) = mpsc::unbounded_channel();
    let shared = Shared {
        fence: claimed.fence,
        limits: Limits {
            lock: Duration::from_millis(params.pace.lock_timeout_ms),
            statement: Duration::from_millis(params.pace.statement_timeout_ms),
            check_interval: claimed.version_num >= 140_000,
        },
        ledger: ledger.clone(),
        database: &claimed.database,
        search_path_extra: &extra,
        run_as: params.run_as(),
        os_user: &os_user,
        reports,
        halt,
        lease,
        flags,
        stop: claimed.options.stop.clone(),
        turn: tokio::sync::Mutex::new(()),
        patient: claimed.patient.as_deref(),
        watcher: Watcher::new(claimed.target, claimed.job),
        drive: Drive::of(claimed.target, claimed.job, params).await?,
        through,
    };
    match claimed.kind {
        JobKind::Migrate | JobKind::Rollback | JobKind::Redo | JobKind::Rehearse => {
            through_tenants(claimed, &shared, through_in, early).await
        }
        JobKind::Import => {
            let (target, job, home) = (claimed.target, claimed.job, &claimed.home);
            import::run(&import::Place { target, job, home, params }, &shared, early).await
        }
        JobKind::Provision => {
            let place = provision::Place {
                target: claimed.target,
                job: claimed.job,
                home: &claimed.home,
                params,
                parallel: claimed.options.parallel.unwrap_or(params.pace.parallel),
                shows_credentials: claimed.options.shows_credentials,
            };
            let (over, run_over) = oneshot::channel();
            let run = async {
                let ran = provision::run(&place, &shared, files, early).await;
                // Who listens does so until then.
                let _told = over.send(());
                ran
            };
            let hashes = async {
                // Without files the new ones are empty: nothing of them is compared but who may use them. A few are compared
                // behind the run, in one question: beside it that would slow down what holds locks.
                if params.siblings.is_empty() || params.files.is_empty() || params.provision.len() < PAGE {
                    return compare::Ahead::default();
                }
                let known = compare::new::siblings_ahead(claimed.target, &shared, &params.siblings).await;
                compare::ahead(known, claimed.target, &shared, through_in, run_over).await
            };
            let (ran, ahead) = tokio::join!(run, hashes);
            ran?;
            if !shared.halted() {
                let siblings = compare::new::Siblings { all: &params.siblings, structures: !params.files.is_empty() };
                compare::new::new_tenants(claimed, &shared, siblings, ahead).await;
            }
            Ok(())
        }
        JobKind::Life(kind) => {
            let (target, job, home) = (claimed.target, claimed.job, &claimed.home);
            // On the heap: a run of the other kinds has no need of its room.
            Box::pin(life::run(&life::Place { target, job, home, params, kind }, &shared, early)).await
        }
    }
}

/// Goes through tenants that are there already, and compares what they are like afterwards.
async fn through_tenants(
    claimed: &Claimed<'_>,
    shared: &Shared<'_>,
    through: mpsc::UnboundedReceiver<u32>,
    early: Option<WriterSession>,
) -> Result<(), OrderError> {
    let params = &claimed.params;
    let (tenants, session) = read_steps(claimed, early).await?;
    let ordered_so = params.pace.wait_after_canary && !claimed.canary_seen;
    let fleet = Fleet {
        target: claimed.target,
        job: claimed.job,
        home: &claimed.home,
        pace: &params.pace,
        parallel: claimed.options.parallel.unwrap_or(params.pace.parallel),
        wait_after_canary: ordered_so && claimed.options.wait_after_canary,
        failed_before: claimed.failed_before,
    };
    if claimed.kind == JobKind::Rehearse {
        return rehearse::run(&fleet, shared, &tenants).await;
    }
    let (over, run_over) = oneshot::channel();
    let run = async {
        let ran = migrate::run(&fleet, shared, &tenants, session).await;
        // Who listens does so until then.
        let _told = over.send(());
        ran
    };
    let (ran, ahead) = tokio::join!(run, compare::ahead(Ahead::default(), claimed.target, shared, through, run_over));
    ran?;
    if !shared.halted() {
        compare::after(claimed, shared, &tenants, ahead).await;
    }
    Ok(())
}

/// The steps as the record has them, and the session that read them. A link that is lost here is opened again, as for the steps themselves.
async fn read_steps(
    claimed: &Claimed<'_>,
    mut early: Option<WriterSession>,
) -> Result<(Vec<TenantSteps>, WriterSession), OrderError> {
    let started = Instant::now();
    loop {
        let left = claimed.patience().saturating_sub(started.elapsed());
        let session = match early.take() {
            Some(session) => session,
            None => gate::reopen(claimed.target, claimed.job, left).await?,
        };
        match steps::read(&session, claimed.job, &claimed.params, &claimed.files).await {
            Err(OrderError::Link(error)) if !left.is_zero() => {
                tracing::warn!(job = %claimed.job, %error, "the job's steps are read again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            read => return read.map(|tenants| (tenants, session)),
        }
    }
}

/// The queued and orphaned jobs of the database whose files are in the folder here (same hashes), oldest first: what
/// `tenantui worker` takes. Others are left as they are, with a warning in the log.
///
/// # Errors
/// When they cannot be read.
pub async fn claimable(target: &Target) -> Result<Vec<JobId>, OrderError> {
    rescue::claimable(target).await
}
