//! T4: how a run ends, and that the record says so. A reply that was lost is read back; nothing is guessed.

use tokio::sync::mpsc;

use super::bound::{Home, Place};
use super::gate;
use super::orders::OrderError;
use super::record;
use super::report;
use super::shared::Halt;
use super::who;
use super::worker::Claimed;
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::Fence;
use crate::model::ident::literal;
use crate::model::job::{JobEvent, JobState, JobView, Waits};
use crate::model::job_words::done;
use crate::postgres::session::{LinkError, LinkErrorKind, WriterSession};
use crate::text;

/// How often the record is tried to be told.
const MAX_TRIES: u32 = 5;

/// What the record is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    state: JobState,
    waits: Option<Waits>,
    reason: Option<String>,
}

impl End {
    fn paused(waits: Waits, reason: impl Into<String>) -> Self {
        Self { state: JobState::Paused, waits: Some(waits), reason: Some(reason.into()) }
    }

    fn of(result: &Result<(), OrderError>, halt: Option<&Halt>) -> Ending {
        Ending::Known(match (result, halt) {
            // A link that is lost is nobody's decision: the job stays as it is, and whoever sees it without an owner takes it.
            (Err(error @ OrderError::Link(LinkError { kind: LinkErrorKind::Unreachable, .. })), _) => {
                return Ending::Left(error.clone());
            }
            // What could not even start waits for an operator; nothing was run.
            (Err(error), _) => Self::paused(Waits::Trouble, error.to_string()),
            (Ok(()), None) => return Ending::Through,
            (Ok(()), Some(Halt::Cancel)) => {
                Self { state: JobState::Cancelled, waits: None, reason: Some("cancelled".to_owned()) }
            }
            (Ok(()), Some(Halt::Pause(waits, reason))) => Self::paused(*waits, reason.clone()),
            (Ok(()), Some(Halt::Fenced)) => return Ending::Fenced,
            (Ok(()), Some(Halt::Lost(error))) => return Ending::Left(error.clone()),
        })
    }

    /// Whether it is the end by these numbers, too: a limit of failures that the last tenants reach
    /// keeps nothing back, and a job that waits keeps others from being ordered.
    fn keeps_back(&self, counted: &JobView) -> bool {
        self.waits != Some(Waits::Budget) || counted.pending > 0
    }

    /// By the steps, as the record counts them: every tenant was gone through.
    fn through(counted: &JobView) -> Self {
        if counted.pending > 0 {
            let reason = format!(
                "{} still to do although all were gone through: the record was changed meanwhile. Resume the job",
                text::counted(counted.pending, "tenant")
            );
            return Self::paused(Waits::Trouble, reason);
        }
        let state = if counted.failed + counted.blocked > 0 { JobState::Failed } else { JobState::Done };
        Self { state, waits: None, reason: None }
    }
}

/// What is known of a run's end before the record is asked.
enum Ending {
    /// Nothing is left to start.
    Through,
    Known(End),
    /// Another worker has the job.
    Fenced,
    /// The record cannot be told.
    Left(OrderError),
}

/// Tells the record and the faces how the run ended.
///
/// # Errors
/// The run's own error; or that the job is another worker's, or was left as it is.
pub(super) async fn finish(
    claimed: &Claimed<'_>,
    lock: Option<WriterSession>,
    last: JobView,
    result: Result<(), OrderError>,
    halt: Option<Halt>,
    events: &mpsc::Sender<JobEvent>,
) -> Result<JobView, OrderError> {
    let job = claimed.job;
    let known = match End::of(&result, halt.as_ref()) {
        Ending::Through => None,
        Ending::Known(end) => Some(end),
        Ending::Fenced => return Err(taken(claimed)),
        Ending::Left(error) => return Err(left(claimed, &last, &error)),
    };
    let lock = tell(claimed, lock, &last, known).await?;
    let view = read_back(claimed, &lock).await?;
    if let Ok(sets) = gate::ask(&lock, &record::outcomes_sql(job)).await
        && let Ok(outcomes) = record::tenant_outcomes(&claimed.target.config.name, &sets)
    {
        let database = claimed.target.config.name.clone();
        // A face that is gone needs no telling.
        let _gone = events.send(JobEvent::Outcomes { database, job, outcomes }).await;
    }
    let _gone = events.send(JobEvent::Job(Box::new(view.clone()))).await;
    result.map(|()| view)
}

/// Writes the end, on a new session where the lock's is gone: the fence alone decides whether it is still ours to write.
async fn tell(
    claimed: &Claimed<'_>,
    lock: Option<WriterSession>,
    last: &JobView,
    known: Option<End>,
) -> Result<WriterSession, OrderError> {
    let mut lock = lock.filter(|lock| !lock.client.is_closed());
    let mut tries = 0;
    loop {
        tries += 1;
        let session = match lock.take() {
            Some(session) => session,
            None => match gate::reopen(claimed.target, claimed.job, claimed.patience()).await {
                Ok(session) => session,
                Err(error) => return Err(left(claimed, last, &error)),
            },
        };
        let place = claimed.home.place(&Home::of(&session.facts));
        let end = match (&place, place.refusal()) {
            (Place::Home, _) | (_, None) => known.clone(),
            // What was committed may be lost there; what the record says now is what counts, and somebody looks first.
            (Place::LaterTimeline { .. }, Some(words)) => Some(End::paused(Waits::Trouble, words)),
            (Place::OldPrimary { .. } | Place::OtherServer | Place::OtherDatabase, Some(words)) => {
                return Err(left(claimed, last, &gate::refused(words)));
            }
        };
        match write(claimed, &session, last, end).await {
            Ok(true) => return Ok(session),
            Ok(false) => return Err(taken(claimed)),
            Err(OrderError::Link(error)) if tries < MAX_TRIES => {
                tracing::warn!(job = %claimed.job, %error, "its end is told again");
            }
            Err(error) => return Err(left(claimed, last, &error)),
        }
    }
}

/// Whether the job is at its end by this attempt, be it by this statement or by one whose reply was lost.
async fn write(
    claimed: &Claimed<'_>,
    session: &WriterSession,
    last: &JobView,
    known: Option<End>,
) -> Result<bool, OrderError> {
    // The numbers of the record are those of its steps, not of this run.
    let counted = match read_back(claimed, session).await {
        Ok(counted) => counted,
        Err(error @ OrderError::Link(_)) => return Err(error),
        Err(error) => {
            tracing::warn!(job = %claimed.job, %error, "its steps could not be counted");
            last.clone()
        }
    };
    let fence = claimed.fence;
    if counted.attempt == fence.attempt && !matches!(counted.state, JobState::Running | JobState::Orphaned) {
        return Ok(true);
    }
    let end = known.filter(|end| end.keeps_back(&counted)).unwrap_or_else(|| End::through(&counted));
    let rows = gate::ask(session, &finish_sql(fence, &end, &report::json(&JobView { comparing: false, ..counted })))
        .await
        .map_err(OrderError::from)?;
    Ok(rows.first().is_some_and(|rows| !rows.is_empty()))
}

/// The fenced end: a cancel that came while the job was being paused is not lost.
fn finish_sql(fence: Fence, end: &End, progress: &str) -> String {
    let paused = end.state == JobState::Paused;
    let optional = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), literal);
    format!(
        "WITH mine AS (SELECT id, CASE WHEN {paused} AND cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE '{state}' END AS state \
         FROM tenantui.job WHERE id = {job} AND attempt = {attempt} AND state = 'running' FOR NO KEY UPDATE), \
         ended AS (UPDATE tenantui.job AS j SET state = mine.state, \
         reason = CASE WHEN mine.state = 'cancelled' THEN 'cancelled' ELSE {reason}::text END, \
         waits = CASE WHEN mine.state = 'paused' THEN {waits}::text END, progress = {progress}::jsonb, \
         cancel_requested_at = NULL, pause_requested_at = NULL, stop_now_at = NULL, \
         ended_at = CASE WHEN mine.state <> 'paused' THEN pg_catalog.clock_timestamp() END, \
         heartbeat_at = pg_catalog.clock_timestamp() FROM mine WHERE j.id = mine.id RETURNING j.id, j.state, j.reason), \
         said AS (INSERT INTO tenantui.audit (os_user, action, job_id, after, outcome) SELECT {os_user}, 'run', id, \
         pg_catalog.jsonb_build_object('reason', reason, 'attempt', {attempt}, 'progress', {progress}::jsonb), state FROM ended) \
         SELECT id, pg_catalog.pg_notify('tenantui', id::text) FROM ended; \
         SELECT pg_catalog.pg_advisory_unlock({JOB_CLASS}, {job});",
        state = end.state.word(),
        reason = optional(end.reason.as_deref()),
        waits = optional(end.waits.map(Waits::word)),
        progress = literal(progress),
        job = fence.job,
        attempt = fence.attempt,
        os_user = literal(&who::os_user()),
    )
}

async fn read_back(claimed: &Claimed<'_>, session: &WriterSession) -> Result<JobView, OrderError> {
    let job = claimed.job;
    let rows = gate::ask(session, &record::job_sql(job)).await?;
    match rows.iter().flatten().next() {
        Some(row) => Ok(record::job_view(&claimed.target.config.name, row)?),
        None => Err(gate::refused(format!("job {job} is gone from the record"))),
    }
}

fn taken(claimed: &Claimed<'_>) -> OrderError {
    let job = claimed.job;
    gate::refused(format!("another worker took job {job} over: this one stopped, nothing was lost"))
}

/// The record keeps the job as running, and once the server notices that nobody holds its lock it shows as orphaned.
fn left(claimed: &Claimed<'_>, last: &JobView, error: &OrderError) -> OrderError {
    let (job, done) = (claimed.job, done(last));
    gate::lost(
        format!(
            "the link was lost while job {job} ran: {error}. What was committed is kept (at least {}); \
             the job shows as orphaned: resume it when the database is back",
            text::counted(done, "tenant")
        )
        .into(),
    )
}
