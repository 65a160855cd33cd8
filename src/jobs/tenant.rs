//! One tenant's part of a migrate job: its files in order on one lane, each a step, until one stops it.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;

use super::attempt;
use super::drive;
use super::lane::Lane;
use super::report::{Report, seconds};
use super::shared::Shared;
use super::steps::{StepRow, TenantSteps};
use super::verdict::{StepResult, Verdict, stopped};
use super::wait;
use super::worker::words as panic_words;
use crate::migrations::alone;
use crate::migrations::apply::run::Fault;
use crate::model::job::{LogMark, Outcome, StepAction};

/// Runs a tenant's pending files in order. `None`: halted before it was through; what is done stays done.
pub(super) async fn run(shared: &Shared<'_>, lane: &mut Lane<'_>, tenant: &TenantSteps) -> Option<Outcome> {
    let started = Instant::now();
    let pending: Vec<&StepRow> = tenant.steps.iter().filter(|step| step.pending).collect();
    let mut ledger_expected = true;
    if !pending.is_empty() && shared.is_patient(tenant.schema.raw()) {
        wait::until_free(shared, lane, tenant).await;
    }
    for (index, step) in pending.iter().enumerate() {
        if !shared.may_start(index == 0).await {
            return None;
        }
        let text = format!("{}   step {} of {}", step.passage(), index + 1, pending.len());
        shared.reports.line(LogMark::Run, &tenant.slug, text).await;
        let work = one(shared, lane, tenant, step, &mut ledger_expected, index == 0);
        let result = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => panicked(shared, lane, tenant, step, panic_words(&*panic)).await,
        };
        match result {
            StepResult::Done => shared.reports.send(Report::Step).await,
            StepResult::Halted => return None,
            StepResult::Stopped(outcome) => {
                shared.reports.send(Report::Ended(outcome)).await;
                return Some(outcome);
            }
        }
    }
    let from = pending.first().map_or("-", |step| step.stands());
    let to = pending.last().map_or("", |step| step.comes_to());
    shared.reports.line(LogMark::Ok, &tenant.slug, format!("{from}>{to}   {}", seconds(started.elapsed()))).await;
    shared.reports.send(Report::Ended(Outcome::Done)).await;
    // Nobody listens where nothing is compared.
    let _alone = shared.through.send(tenant.schema_oid);
    Some(Outcome::Done)
}

/// One step: by tenantui, or by the tool's own command.
async fn one(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    step: &StepRow,
    ledger_expected: &mut bool,
    first: bool,
) -> StepResult {
    match step.action {
        StepAction::Command => drive::run(shared, lane, tenant, step, first).await,
        StepAction::Migrate
        | StepAction::Rollback
        | StepAction::Rehearse
        | StepAction::Row
        | StepAction::Schema
        | StepAction::Role
        | StepAction::Grants
        | StepAction::Seed
        | StepAction::Import
        | StepAction::Active
        | StepAction::Life(_) => attempt::run(shared, lane, tenant, step, ledger_expected, first).await,
    }
}

/// A panic is a fault of this program and ends the step as a failure does: the server rolls back what its session had
/// open, and the other tenants go on.
async fn panicked(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    words: &str,
) -> StepResult {
    lane.drop_session();
    let fault = Fault::ours(format!("tenantui itself failed here ({words}); please report it"));
    // A statement that no transaction holds may be through.
    let in_doubt = row.action == StepAction::Command || !matches!(alone::of(&row.file), Ok(None));
    let outcome = if in_doubt { Outcome::Unknown } else { Outcome::Failed };
    stopped(shared, lane, tenant, row, Verdict { outcome, ..Verdict::failed(fault, 1) }).await
}
