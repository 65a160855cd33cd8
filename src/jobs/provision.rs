//! A provisioning job: row, schema, ledger, migrations and status in one transaction. A failure leaves nothing, and
//! two operators at once make one tenant: names that would collide share a lock, and are looked at behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::attempt::{Verdict, pause};
use super::bound::Home;
use super::decide::{self, Question};
use super::gate;
use super::lane::Lane;
use super::maker::{self, End, Maker};
use super::orders::OrderError;
use super::params::Params;
use super::report::{Report, seconds};
use super::shared::{Ended, Halt, Shared};
use super::steps;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{Flag, StepEnd};
use crate::migrations::folder::MigrationFile;
use crate::model::job::{JobId, LogMark, Outcome, Waits};
use crate::postgres::session::{Target, WriterSession};
use crate::text::Untrusted;

/// How often it is tried when another session was in the way.
const MAX_TRIES: u32 = 8;
/// How often its session may be lost before the job stops.
const MAX_LOSSES: u32 = 5;

/// Where a provisioning job runs.
pub(super) struct Place<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) home: &'a Home,
    pub(super) params: &'a Params,
    /// A migration folder is configured: the new schema gets a ledger.
    pub(super) has_files: bool,
}

/// Makes the tenant.
pub(super) async fn run(
    place: &Place<'_>,
    shared: &Shared<'_>,
    files: &HashMap<String, Arc<MigrationFile>>,
) -> Result<(), OrderError> {
    let session = gate::open(place.target, Some(place.job)).await?;
    let Some(maker) = prepare(place, shared, files, &session).await? else { return Ok(()) };
    drop(session);
    let started = Instant::now();
    let mut lane = Lane::new(place.target, place.job, place.home);
    let (mut tries, mut losses) = (0, 0);
    loop {
        if !shared.may_start(true).await {
            return Ok(());
        }
        tries += 1;
        let (session, pid, watcher) = match lane.split().await {
            Ok(split) => split,
            Err(error) => return halted(shared, Halt::of(error)),
        };
        let work = shared.cancellable(session, maker::make(&session.client, &maker, shared, tries));
        let (Ended { end: End { end, seq }, cancelled }, mut blockers) =
            watcher.during(pid, shared.limits.lock, work).await;
        if cancelled && end.is_rolled_back() {
            shared.reports.line(LogMark::Note, &maker.slug, "cancelled: nothing of this tenant is left").await;
            return Ok(());
        }
        if !matches!(end, StepEnd::Done { .. }) {
            lane.drop_session();
            shared.reports.send(Report::StepsThrough(0)).await;
        }
        let fault = match end {
            StepEnd::Done { .. } | StepEnd::Already => {
                let text = format!("tenant made   {}", seconds(started.elapsed()));
                shared.reports.line(LogMark::Ok, &maker.slug, text).await;
                shared.reports.send(Report::Ended(Outcome::Done)).await;
                return Ok(());
            }
            StepEnd::Flagged(Flag::Cancel) => return halted(shared, Halt::Cancel),
            StepEnd::Flagged(Flag::Pause) => {
                return halted(shared, Halt::Pause(Waits::Operator, "paused by the operator".to_owned()));
            }
            StepEnd::Fenced => return halted(shared, Halt::Fenced),
            StepEnd::Locked(fault) | StepEnd::Again(fault) if tries < MAX_TRIES => {
                let text = format!("tried again: {}", fault.message.raw());
                shared.reports.line(LogMark::Note, &maker.slug, text).await;
                pause(tries.min(4)).await;
                continue;
            }
            StepEnd::Lost(why) => {
                losses += 1;
                tries -= 1;
                if losses >= MAX_LOSSES {
                    return halted(shared, Halt::Lost(gate::lost(why)));
                }
                continue;
            }
            StepEnd::Unknown { xid, why, .. } => {
                let text = format!("reply to COMMIT lost ({}); reading it back", why.raw());
                shared.reports.line(LogMark::Note, &maker.slug, text).await;
                // When it committed, the next round finds the step done.
                let question = Question { fence: shared.fence, seq, xid: &xid, ledger: shared.ledger, place: None };
                if let Err(error) = decide::committed(&mut lane, &question).await {
                    return halted(shared, Halt::of(error));
                }
                continue;
            }
            StepEnd::Locked(fault) => {
                if blockers.is_empty() {
                    blockers = lane.watcher().holder(maker.schema.raw()).await;
                }
                fault
            }
            StepEnd::LedgerIs { .. } => Fault::ours("the new schema is not empty"),
            StepEnd::Blocked(why) => Fault::ours(why),
            StepEnd::Again(fault) | StepEnd::Failed(fault) | StepEnd::Unsure(fault) => fault,
            StepEnd::Skipped | StepEnd::Queued => Fault::ours("the making of a tenant is neither skipped nor queued"),
            StepEnd::Escaped(fault) => Fault {
                message: Untrusted::new(format!("DIRTY, part of the file is committed: {}", fault.message.raw())),
                ..fault
            },
        };
        return failed(shared, &mut lane, &maker, seq, Verdict { outcome: Outcome::Failed, fault, blockers, tries })
            .await;
    }
}

fn halted(shared: &Shared<'_>, why: Halt) -> Result<(), OrderError> {
    shared.halt(why);
    Ok(())
}

async fn failed(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    maker: &Maker<'_>,
    seq: i32,
    verdict: Verdict,
) -> Result<(), OrderError> {
    if let Err(error) = steps::mark_stopped(lane, shared.fence, seq, &verdict, shared.os_user).await {
        return halted(shared, error.map_or(Halt::Fenced, Halt::of));
    }
    let code = verdict.fault.sqlstate.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let text = format!("{}   {code}{}", maker.step_name(seq), verdict.fault.message.raw());
    shared.reports.line(LogMark::Fail, &maker.slug, text).await;
    shared.reports.line(LogMark::Note, &maker.slug, "rolled back: nothing of this tenant is left").await;
    shared.reports.send(Report::Ended(verdict.outcome)).await;
    Ok(())
}

/// The job's steps and parameters; `None` where all is done already.
async fn prepare<'a>(
    place: &Place<'a>,
    shared: &Shared<'_>,
    files: &HashMap<String, Arc<MigrationFile>>,
    session: &WriterSession,
) -> Result<Option<Maker<'a>>, OrderError> {
    let sql = format!(
        "SELECT s.seq, s.action, s.version, s.state FROM tenantui.step AS s WHERE s.job_id = {} ORDER BY s.seq",
        place.job
    );
    let rows = gate::ask(session, &sql).await?;
    let rows: Vec<_> = rows.iter().flatten().collect();
    if rows.iter().all(|row| row.text(3) == Some("done")) {
        return Ok(None);
    }
    if rows.iter().any(|row| row.text(3) == Some("failed")) {
        shared.halt(Halt::Pause(Waits::Trouble, "it failed before: retry it".to_owned()));
        return Ok(None);
    }
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let seq = row.parse(0)?.unwrap_or_default();
        let version = row.text(2);
        let file = version.and_then(|version| files.get(version)).cloned();
        if version.is_some() && file.is_none() {
            return Err(gate::refused(format!("job {} runs a file that is not in the folder", place.job)));
        }
        steps.push((seq, row.text(1).unwrap_or_default().to_owned(), file));
    }
    maker::Maker::new(place.params, place.target, steps, place.has_files).map(Some)
}
