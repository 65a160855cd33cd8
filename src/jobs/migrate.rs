//! A migrate job: canary tenants first and one by one, then batches, then the rest, several lanes at a time. The unit
//! is the tenant: its files run in order on one lane.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::bound::Home;
use super::lane::Lane;
use super::orders::OrderError;
use super::params::Pace;
use super::report::Report;
use super::shared::{Halt, Shared};
use super::steps::TenantSteps;
use super::tenant;
use crate::model::job::{JobId, Outcome, Waits};
use crate::postgres::session::{Target, WriterSession};
use crate::text::counted;

/// The most lanes of one job.
pub(super) const MAX_LANES: u32 = 64;

/// Where a migrate job runs and how.
pub(super) struct Fleet<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) home: &'a Home,
    pub(super) pace: &'a Pace,
    pub(super) parallel: u32,
    /// Pause after the canary went well.
    pub(super) wait_after_canary: bool,
    /// Tenants that failed under a worker that died.
    pub(super) failed_before: u32,
}

/// Goes through the tenants until all are through or something halts the run. The first lane works on `session`.
pub(super) async fn run(
    fleet: &Fleet<'_>,
    shared: &Shared<'_>,
    tenants: &[TenantSteps],
    session: WriterSession,
) -> Result<(), OrderError> {
    let lanes = fleet.parallel.clamp(1, MAX_LANES).min(u32::try_from(tenants.len()).unwrap_or(MAX_LANES));
    let mut lanes: Vec<Lane<'_>> =
        (0..lanes.max(1)).map(|_| Lane::new(fleet.target, fleet.job, fleet.home, &shared.watcher)).collect();
    if let Some(first) = lanes.first_mut() {
        first.adopt_if_alive(session).await?;
    }
    let canary = usize::try_from(fleet.pace.canary).unwrap_or(0).min(tenants.len());
    let (canaries, rest) = tenants.split_at(canary);
    if !canary_phase(fleet, shared, &mut lanes, canaries, rest).await {
        return Ok(());
    }
    // A canary is the first batch; one that went well in an earlier run was waited for then.
    let canary_ran = canaries.iter().any(TenantSteps::is_open);
    let open: Vec<&TenantSteps> = rest.iter().filter(|tenant| tenant.is_open()).collect();
    let max_failures = fleet.pace.max_failures.max(1);
    if fleet.failed_before >= max_failures && !open.is_empty() {
        over_budget(shared, fleet.failed_before, max_failures);
    }
    let failed = AtomicU32::new(fleet.failed_before);
    let pause = Duration::from_millis(fleet.pace.pause_ms);
    let mut start = 0;
    let mut number = 0;
    while start < open.len() && !shared.halted() {
        if !pause.is_zero() && (number > 0 || canary_ran) {
            let text = format!("pausing {} before the next batch", crate::text::duration(pause));
            shared.reports.note(text).await;
            shared.rest(pause).await;
            if !shared.may_start(true).await {
                break;
            }
        }
        let size = fleet.pace.batches.get(number).map_or(open.len(), |size| usize::try_from(*size).unwrap_or(1).max(1));
        let end = start.saturating_add(size).min(open.len());
        if !fleet.pace.batches.is_empty() {
            let tenants = counted(end - start, "tenant");
            let text = format!("batch {}: {tenants}, {} at a time", number + 1, lanes.len());
            shared.reports.note(text).await;
        }
        if number > 0 || canary_ran {
            shared.reports.send(Report::PaceChanges).await;
        }
        batch(shared, &mut lanes, &open[start..end], &failed, max_failures).await;
        start = end;
        number += 1;
    }
    Ok(())
}

/// The canaries, alone and in order. Whether the rest may run.
async fn canary_phase(
    fleet: &Fleet<'_>,
    shared: &Shared<'_>,
    lanes: &mut [Lane<'_>],
    canaries: &[TenantSteps],
    rest: &[TenantSteps],
) -> bool {
    let open: Vec<&TenantSteps> = canaries.iter().filter(|tenant| tenant.is_open()).collect();
    let Some(lane) = lanes.first_mut() else { return true };
    for (at, tenant) in open.iter().enumerate() {
        shared.reports.note(format!("canary: {}", tenant.slug)).await;
        match tenant::run(shared, lane, tenant).await {
            Some(Outcome::Done | Outcome::Skipped) => {}
            Some(_) => {
                // Where nobody comes behind it nothing is kept back: the job is over, and failed.
                if at + 1 < open.len() || rest.iter().any(TenantSteps::is_open) {
                    shared.halt(Halt::Pause(Waits::Trouble, format!("canary failed: {}", tenant.slug)));
                }
                return false;
            }
            None => return false,
        }
    }
    let untouched = rest.iter().all(TenantSteps::is_untouched);
    let rest_open = rest.iter().any(TenantSteps::is_open);
    // A worker that takes over a job whose canary is through, but which never waited, still waits.
    if fleet.wait_after_canary && !canaries.is_empty() && rest_open && untouched {
        shared.halt(Halt::Pause(Waits::Canary, "canary".to_owned()));
        return false;
    }
    true
}

/// One batch over all lanes: each takes the next tenant until none is left or the run is halted.
async fn batch(
    shared: &Shared<'_>,
    lanes: &mut [Lane<'_>],
    tenants: &[&TenantSteps],
    failed: &AtomicU32,
    max_failures: u32,
) {
    let next = AtomicUsize::new(0);
    join_all(lanes.iter_mut().map(|lane| lane_loop(shared, lane, tenants, &next, failed, max_failures))).await;
}

async fn lane_loop(
    shared: &Shared<'_>,
    lane: &mut Lane<'_>,
    tenants: &[&TenantSteps],
    next: &AtomicUsize,
    failed: &AtomicU32,
    max_failures: u32,
) {
    while !shared.halted() {
        let Some(tenant) = tenants.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        match tenant::run(shared, lane, tenant).await {
            Some(Outcome::Failed | Outcome::Unknown) => {
                let failed = failed.fetch_add(1, Ordering::Relaxed) + 1;
                if failed >= max_failures {
                    over_budget(shared, failed, max_failures);
                }
            }
            Some(
                Outcome::Done
                | Outcome::Blocked
                | Outcome::Skipped
                | Outcome::Running
                | Outcome::Pending
                | Outcome::LeftOut,
            ) => {}
            None => return,
        }
    }
}

/// Too many tenants failed: an operator looks first.
pub(super) fn over_budget(shared: &Shared<'_>, failed: u32, max_failures: u32) {
    shared.halt(Halt::Pause(Waits::Budget, format!("{failed} failed, the limit is {max_failures}")));
}
