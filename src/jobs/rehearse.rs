//! A rehearsal: all files of a tenant in one transaction that is rolled back, then the record of how it went. What is
//! recorded is what was seen; nothing of it counts as applied.

use std::time::{Duration, Instant};

use super::attempt::{MAX_TRIES, pause};
use super::bound::Home;
use super::gate;
use super::lane::{Lane, Unfinished};
use super::migrate::Fleet;
use super::orders::OrderError;
use super::report::{Report, seconds};
use super::shared::{Ended, Halt, Shared};
use super::steps::{self, TenantSteps};
use super::verdict::{StepResult, Verdict, flagged, stopped};
use crate::migrations::apply::rehearse::{self, Rehearsal};
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::{StepEnd, StepOrder};
use crate::migrations::folder::MigrationFile;
use crate::model::job::{JobId, LogMark, Outcome, Waits};
use crate::postgres::session::Target;

/// How often its session may be lost before the job stops.
const MAX_LOSSES: u32 = 5;

/// Goes through the tenants, one after the other.
pub(super) async fn run(fleet: &Fleet<'_>, shared: &Shared<'_>, tenants: &[TenantSteps]) -> Result<(), OrderError> {
    let Fleet { target, job, home, .. } = fleet;
    for tenant in tenants.iter().filter(|tenant| tenant.is_open()) {
        if shared.halted() || !rehearse_one(target, *job, home, shared, tenant).await {
            break;
        }
    }
    Ok(())
}

/// One tenant. Whether the next may be begun.
async fn rehearse_one(target: &Target, job: JobId, home: &Home, shared: &Shared<'_>, tenant: &TenantSteps) -> bool {
    let started = Instant::now();
    let mut lane = Lane::new(target, job, home, &shared.watcher);
    let Some(Rehearsal { times, end }) = tried(shared, &mut lane, tenant).await else { return false };
    if !told(shared, &mut lane, tenant, &times).await {
        return false;
    }
    let verdict = match verdict(end) {
        Ok(None) => {
            let to = tenant.steps.last().map_or("-", |step| step.comes_to());
            let from = tenant.steps.first().map_or("-", |step| step.stands());
            let text = format!("{from}>{to}   {}; rolled back, nothing of it is left", seconds(started.elapsed()));
            shared.reports.line(LogMark::Ok, &tenant.slug, text).await;
            shared.reports.send(Report::Ended(Outcome::Done)).await;
            return true;
        }
        Ok(Some(verdict)) => verdict,
        Err(fault) => {
            let words =
                format!("{} ended its transaction inside the file; that tenant needs a repair by hand", tenant.slug);
            shared.halt(Halt::Pause(Waits::Trouble, words));
            Verdict::escaped(fault, 1)
        }
    };
    let Some(row) = tenant.steps.get(times.len()).or(tenant.steps.last()) else { return true };
    match stopped(shared, &mut lane, tenant, row, verdict).await {
        StepResult::Stopped(outcome) => {
            shared.reports.send(Report::Ended(outcome)).await;
            true
        }
        StepResult::Done => true,
        StepResult::Halted => false,
    }
}

/// Why it was stopped; `Ok(None)` where it went through, `Err` where a file committed part of itself.
fn verdict(end: StepEnd) -> Result<Option<Verdict>, Fault> {
    let blocked = |fault| Verdict { outcome: Outcome::Blocked, ..Verdict::failed(fault, MAX_TRIES) };
    Ok(Some(match end {
        StepEnd::Done { .. } => return Ok(None),
        StepEnd::Escaped(fault) => return Err(fault),
        StepEnd::Locked(fault) => blocked(fault),
        StepEnd::Blocked(why) => blocked(Fault::ours(why)),
        StepEnd::Queued => blocked(Fault::ours("another session changes what all tenants share")),
        StepEnd::Already => Verdict::failed(Fault::ours("it is applied already: there is nothing to rehearse"), 1),
        StepEnd::LedgerIs { .. } => Verdict::failed(Fault::ours("the ledger table came and went meanwhile"), 1),
        StepEnd::Failed(fault) | StepEnd::Again(fault) | StepEnd::Unsure(fault) => Verdict::failed(fault, 1),
        // Decided before: nothing of these comes here.
        StepEnd::Flagged(_) | StepEnd::Skipped | StepEnd::Fenced | StepEnd::Lost(_) | StepEnd::Unknown { .. } => {
            Verdict::failed(Fault::ours("the rehearsal was ended before its files were through"), 1)
        }
    }))
}

/// The rehearsal, tried again as far as what kept it out allows; `None` where the run is halted.
async fn tried(shared: &Shared<'_>, lane: &mut Lane<'_>, tenant: &TenantSteps) -> Option<Rehearsal> {
    let (mut tries, mut losses, mut ledger_expected, mut expectations) = (0, 0, true, 0);
    let files: Vec<&MigrationFile> = tenant.steps.iter().map(|step| &*step.file).collect();
    let first = tenant.steps.first()?;
    // All files run again where one did not: what an earlier try did was taken back. The record is asked by a step that
    // is not done yet.
    let open = tenant.steps.iter().find(|step| step.pending).unwrap_or(first);
    loop {
        if !shared.may_start(true).await {
            return None;
        }
        tries += 1;
        let order = StepOrder {
            fence: shared.fence,
            seq: open.seq,
            schema: &tenant.schema,
            schema_oid: tenant.schema_oid,
            registry_check: tenant.registry_check.as_deref(),
            search_path_extra: shared.search_path_extra,
            ledger: &shared.ledger,
            database: shared.database,
            way: first.way(),
            ledger_expected,
            run_as: shared.run_as,
            file: &first.file,
            limits: shared.limits,
            heed_flags: true,
            tries,
            os_user: shared.os_user,
        };
        let (session, pid, watcher) = match lane.split().await {
            Ok(split) => split,
            Err(error) => {
                shared.halt(Halt::of(error));
                return None;
            }
        };
        let unfinished = Unfinished::of(session);
        let work = shared.cancellable(session, rehearse::run(&session.client, &order, &files));
        let (Ended { end: Rehearsal { times, end }, cancelled }, _) =
            watcher.during(pid, shared.limits.lock, work).await;
        unfinished.over();
        // Whatever the files left in their session goes with it.
        lane.drop_session();
        if cancelled && !matches!(end, StepEnd::Done { .. } | StepEnd::Escaped(_)) {
            shared.reports.line(LogMark::Note, &tenant.slug, "cancelled, rolled back").await;
            return None;
        }
        match end {
            StepEnd::LedgerIs { present } if expectations < MAX_TRIES => {
                expectations += 1;
                tries -= 1;
                ledger_expected = present;
            }
            StepEnd::Locked(_) | StepEnd::Again(_) | StepEnd::Queued if tries < MAX_TRIES => pause(tries).await,
            StepEnd::Lost(why) | StepEnd::Unknown { why, .. } => {
                losses += 1;
                tries -= 1;
                if losses >= MAX_LOSSES {
                    shared.halt(Halt::Lost(gate::lost(why)));
                    return None;
                }
            }
            StepEnd::Flagged(flag) => {
                let _halted = flagged(shared, flag).await;
                return None;
            }
            StepEnd::Fenced => {
                shared.halt(Halt::Fenced);
                return None;
            }
            StepEnd::Skipped => {
                shared.reports.line(LogMark::Note, &tenant.slug, "skipped by the operator").await;
                return None;
            }
            end => return Some(Rehearsal { times, end }),
        }
    }
}

/// Records the files that ran, each with its time. Whether the job is still ours.
async fn told(shared: &Shared<'_>, lane: &mut Lane<'_>, tenant: &TenantSteps, times: &[Duration]) -> bool {
    for (step, time) in tenant.steps.iter().zip(times) {
        shared.reports.line(LogMark::Note, &tenant.slug, format!("{}   {}", step.passage(), seconds(*time))).await;
    }
    let ran: Vec<(i32, Duration)> = tenant.steps.iter().zip(times).map(|(step, time)| (step.seq, *time)).collect();
    match steps::mark_rehearsed(lane, shared.fence, &ran, shared.os_user).await {
        Ok(true) => {
            for _ in &ran {
                shared.reports.send(Report::Step).await;
            }
            true
        }
        Ok(false) => {
            shared.halt(Halt::Fenced);
            false
        }
        Err(error) => {
            shared.halt(Halt::of(error));
            false
        }
    }
}
