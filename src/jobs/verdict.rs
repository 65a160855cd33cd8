//! What is recorded and said of a step that was not done in this run.

use super::lane::Lane;
use super::report::Report;
use super::shared::{Halt, Shared};
use super::steps::{self, StepRow, TenantSteps};
use super::watcher::{self, Blocker};
use crate::migrations::alone;
use crate::migrations::apply::run::Fault;
use crate::migrations::apply::step::Flag;
use crate::model::job::{LogMark, Outcome, Waits};
use crate::text::Untrusted;

/// What came of one step.
pub(super) enum StepResult {
    Done,
    Stopped(Outcome),
    Halted,
}

/// What the operator asked for while it was to begin.
pub(super) async fn flagged(shared: &Shared<'_>, flag: Flag) -> StepResult {
    match flag {
        Flag::Cancel => {
            shared.reports.send(Report::CancelSeen).await;
            shared.halt(Halt::Cancel);
        }
        Flag::Pause => shared.halt(Halt::Pause(Waits::Operator, "paused by the operator".to_owned())),
    }
    StepResult::Halted
}

/// The work is done already: the record is told.
pub(super) async fn already(shared: &Shared<'_>, lane: &mut Lane<'_>, row: &StepRow, tries: u32) -> StepResult {
    match steps::mark_already(lane, shared.fence, row.seq, tries, shared.os_user).await {
        Ok(true) => StepResult::Done,
        Ok(false) => {
            shared.halt(Halt::Fenced);
            StepResult::Halted
        }
        Err(error) => {
            shared.halt(Halt::of(error));
            StepResult::Halted
        }
    }
}

/// Why a step will not be done in this run.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) fault: Fault,
    pub(super) blockers: Vec<Blocker>,
    pub(super) tries: u32,
    /// What it did, or part of it, is not taken back.
    pub(super) stays: bool,
}

impl Verdict {
    pub(super) const fn failed(fault: Fault, tries: u32) -> Self {
        Self { outcome: Outcome::Failed, fault, blockers: Vec::new(), tries, stays: false }
    }

    pub(super) fn escaped(mut fault: Fault, tries: u32) -> Self {
        fault.message = Untrusted::new(format!("DIRTY, part of the file is committed: {}", fault.message.raw()));
        Self { stays: true, ..Self::failed(fault, tries) }
    }
}

/// Records what stopped the tenant, and says so.
pub(super) async fn stopped(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenant: &TenantSteps,
    row: &StepRow,
    mut verdict: Verdict,
) -> StepResult {
    let is_alone = matches!(alone::of(&row.file), Ok(Some(_)));
    verdict.stays |= is_alone && verdict.outcome == Outcome::Failed;
    if let Err(error) = steps::mark_stopped(lane, shared.fence, row.seq, &verdict, shared.os_user).await {
        shared.halt(error.map_or(Halt::Fenced, Halt::of));
        return StepResult::Halted;
    }
    let from = row.stands();
    let code = verdict.fault.sqlstate.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
    let text = format!("{}   {code}{}", row.passage(), verdict.fault.message.raw());
    shared.reports.line(LogMark::Fail, &tenant.slug, text).await;
    let mut more = match verdict.outcome {
        Outcome::Unknown => format!("not known whether it was done; the ledger is still at {from}"),
        _ if is_alone => format!("ran outside of a transaction; the ledger is still at {from}"),
        _ if verdict.stays => format!("not rolled back; the ledger is still at {from}"),
        _ => format!("rolled back, schema is still at {from}"),
    };
    if let Some(statement) = &verdict.fault.statement {
        more.push_str(&format!("; statement {} of {}, line {}", statement.number, statement.of, statement.line));
    }
    if let Some(blocker) = watcher::in_words(&verdict.blockers) {
        more.push_str(&format!("; blocked by {}", blocker.raw()));
    }
    shared.reports.line(LogMark::Note, &tenant.slug, more).await;
    StepResult::Stopped(verdict.outcome)
}
