//! A provisioning job: row, schema, ledger, migrations and status in one transaction. A failure leaves nothing, and
//! two operators at once make one tenant: names that would collide share a lock, and are looked at behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::attempt::{self, NO_TURN, TURN, pause, turn_pause};
use super::bound::Home;
use super::decide::{self, Question};
use super::gate;
use super::lane::Lane;
use super::maker::{self, End, Maker, MakerStep, Part};
use super::orders::OrderError;
use super::params::Params;
use super::report::{Report, seconds};
use super::shared::{Ended, Halt, Shared};
use super::steps::{self, StepRow, TenantSteps};
use super::verdict::{StepResult, Verdict};
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{Flag, StepEnd};
use crate::migrations::folder::MigrationFile;
use crate::model::job::{JobId, LogMark, Outcome, StepAction, Waits};
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
    let made = if maker.is_in_pieces() {
        in_pieces(place, shared, files, maker, &mut lane).await?
    } else {
        part(shared, &mut lane, &maker, Part::Whole).await
    };
    if let Some(slug) = made {
        let text = format!("tenant made   {}", seconds(started.elapsed()));
        shared.reports.line(LogMark::Ok, &slug, text).await;
        shared.reports.send(Report::Ended(Outcome::Done)).await;
    }
    Ok(())
}

/// A tenant with files that run outside of a transaction: the schema, then file by file, and the registry row last, so
/// that nobody uses a tenant that is not whole. Its progress is in the steps: what is done is not done again.
async fn in_pieces<'p>(
    place: &Place<'p>,
    shared: &Shared<'_>,
    files: &HashMap<String, Arc<MigrationFile>>,
    mut maker: Maker<'p>,
    lane: &mut Lane<'_>,
) -> Result<Option<String>, OrderError> {
    if !maker.is_done(Part::Schema) {
        if part(shared, lane, &maker, Part::Schema).await.is_none() {
            return Ok(None);
        }
        let (session, _) = lane.session().await?;
        // Read back: the oid, and what is done.
        let Some(now) = prepare(place, shared, files, session).await? else { return Ok(None) };
        maker = now;
    }
    let Some(oid) = maker.steps.iter().find_map(|step| step.schema_oid) else {
        return Err(gate::refused("the job's record does not say which schema it made"));
    };
    let tenant = TenantSteps {
        id: None,
        slug: maker.slug.clone(),
        schema: maker.schema.clone(),
        schema_oid: oid,
        registry_check: None,
        steps: Vec::new(),
        stopped: false,
    };
    let mut ledger_expected = true;
    let mut from = None;
    for step in &maker.steps {
        let Some(file) = &step.file else { continue };
        let from = from.replace(file.version.clone());
        if step.done {
            continue;
        }
        if !shared.may_start(true).await {
            return Ok(None);
        }
        let row = StepRow {
            action: StepAction::Migrate,
            seq: step.seq,
            version: file.version.clone(),
            from,
            file: Arc::clone(file),
            pending: true,
            intent: step.intent,
        };
        let started = Instant::now();
        match attempt::run(shared, lane, &tenant, &row, &mut ledger_expected, true).await {
            StepResult::Done => {
                shared.reports.send(Report::Step).await;
                let text = format!("{}   {}", maker.step_name(step.seq), seconds(started.elapsed()));
                shared.reports.line(LogMark::Note, &maker.slug, text).await;
            }
            StepResult::Halted => return Ok(None),
            StepResult::Stopped(outcome) => {
                let text = format!(
                    "schema {} is half made and has no registry row: retry the job to go on, or cancel it and remove the \
                     schema (DROP SCHEMA {} CASCADE)",
                    maker.schema.raw(),
                    maker.schema.quoted()
                );
                shared.reports.line(LogMark::Note, &maker.slug, text).await;
                shared.reports.send(Report::Ended(outcome)).await;
                return Ok(None);
            }
        }
    }
    Ok(part(shared, lane, &maker, Part::Row(oid)).await)
}

/// One transaction of it, tried again as far as its failure allows. The slug, where it is done.
async fn part(shared: &Shared<'_>, lane: &mut Lane<'_>, maker: &Maker<'_>, part: Part) -> Option<String> {
    let (mut tries, mut losses, mut turn_since) = (0, 0, None::<Instant>);
    loop {
        if !shared.may_start(true).await {
            return None;
        }
        tries += 1;
        let (session, pid, watcher) = match lane.split().await {
            Ok(split) => split,
            Err(error) => return halted(shared, Halt::of(error)),
        };
        let work = shared.cancellable(session, maker::make(&session.client, maker, shared, part, tries));
        let (Ended { end: End { end, seq }, cancelled }, mut blockers) =
            watcher.during(pid, shared.limits.lock, work).await;
        if cancelled && end.is_rolled_back() {
            shared.reports.line(LogMark::Note, &maker.slug, format!("cancelled: {}", what_is_left(part))).await;
            return None;
        }
        if !matches!(end, StepEnd::Done { .. } | StepEnd::Queued) {
            lane.drop_session();
            shared.reports.send(Report::StepsThrough(0)).await;
        }
        let fault = match end {
            StepEnd::Done { .. } | StepEnd::Already => return Some(maker.slug.clone()),
            StepEnd::Flagged(Flag::Cancel) => return halted(shared, Halt::Cancel),
            StepEnd::Flagged(Flag::Pause) => {
                return halted(shared, Halt::Pause(Waits::Operator, "paused by the operator".to_owned()));
            }
            StepEnd::Fenced => return halted(shared, Halt::Fenced),
            StepEnd::Queued if turn_since.get_or_insert_with(Instant::now).elapsed() < TURN => {
                tries -= 1;
                turn_pause().await;
                continue;
            }
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
                let question = Question { fence: shared.fence, seq, xid: &xid, ledger: &shared.ledger, place: None };
                if let Err(error) = decide::committed(lane, &question).await {
                    return halted(shared, Halt::of(error));
                }
                continue;
            }
            StepEnd::Locked(fault) => {
                if blockers.is_empty() {
                    blockers = lane.watcher().holder(&shared.keys(&maker.schema)).await;
                }
                fault
            }
            StepEnd::LedgerIs { .. } => Fault::ours("the new schema is not empty"),
            StepEnd::Blocked(why) => Fault::ours(why),
            StepEnd::Again(fault) | StepEnd::Failed(fault) | StepEnd::Unsure(fault) => fault,
            StepEnd::Queued => Fault::ours(NO_TURN),
            StepEnd::Skipped => Fault::ours("the making of a tenant is not skipped"),
            StepEnd::Escaped(fault) => Fault {
                message: Untrusted::new(format!("DIRTY, part of the file is committed: {}", fault.message.raw())),
                ..fault
            },
        };
        return failed(shared, lane, maker, part, seq, Verdict { outcome: Outcome::Failed, fault, blockers, tries })
            .await;
    }
}

/// After a part was rolled back.
const fn what_is_left(part: Part) -> &'static str {
    match part {
        Part::Whole | Part::Schema => "nothing of this tenant is left",
        Part::Row(_) => "its schema is whole and has no registry row",
    }
}

fn halted(shared: &Shared<'_>, why: Halt) -> Option<String> {
    shared.halt(why);
    None
}

async fn failed(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    maker: &Maker<'_>,
    part: Part,
    seq: i32,
    verdict: Verdict,
) -> Option<String> {
    if let Err(error) = steps::mark_stopped(lane, shared.fence, seq, &verdict, shared.os_user).await {
        return halted(shared, error.map_or(Halt::Fenced, Halt::of));
    }
    let code = verdict.fault.sqlstate.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let text = format!("{}   {code}{}", maker.step_name(seq), verdict.fault.message.raw());
    shared.reports.line(LogMark::Fail, &maker.slug, text).await;
    shared.reports.line(LogMark::Note, &maker.slug, format!("rolled back: {}", what_is_left(part))).await;
    shared.reports.send(Report::Ended(verdict.outcome)).await;
    None
}

/// The job's steps and parameters; `None` where all is done already.
async fn prepare<'a>(
    place: &Place<'a>,
    shared: &Shared<'_>,
    files: &HashMap<String, Arc<MigrationFile>>,
    session: &WriterSession,
) -> Result<Option<Maker<'a>>, OrderError> {
    let sql = format!(
        "SELECT s.seq, s.action, s.version, s.state, s.schema_oid FROM tenantui.step AS s WHERE s.job_id = {} ORDER BY s.seq",
        place.job
    );
    let rows = gate::ask(session, &sql).await?;
    let rows: Vec<_> = rows.iter().flatten().collect();
    if rows.iter().all(|row| row.text(3) == Some("done")) {
        return Ok(None);
    }
    if rows.iter().any(|row| matches!(row.text(3), Some("failed" | "blocked" | "unknown"))) {
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
        let state = row.text(3).unwrap_or_default();
        steps.push(MakerStep {
            seq,
            action: row.text(1).unwrap_or_default().to_owned(),
            file,
            done: state == "done",
            intent: state == "intent",
            schema_oid: row.parse(4)?,
        });
    }
    maker::Maker::new(place.params, place.target, steps, place.has_files).map(Some)
}
