//! How long a plan will take, by how long its versions took before: the lanes, batches and pauses of the job are gone
//! through as the job will go through them. Waiting for locks is in the past runs as far as it was in them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::{Direction, Plan, TenantPlan};
use crate::model::ledger::Version;
use crate::model::times::{StepTime, StepTimes};

/// How long a plan will take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Estimate {
    /// In milliseconds; `None` where one of its versions never ran here.
    pub total_ms: Option<u64>,
    /// The fewest and the most runs that a version's mean is over.
    pub runs: Option<(u32, u32)>,
    /// The versions that never ran here.
    pub unknown: Vec<Version>,
    /// It undoes: what that took is not in the times, which are of up files.
    pub undoes: bool,
}

impl Estimate {
    /// In whole seconds, for JSON: never 0, for nothing takes no time.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        self.total_ms.map(|total| total.div_ceil(1_000).max(1))
    }

    /// Behind the time: `from the last 20 runs`; or why there is none.
    #[must_use]
    pub fn basis(&self) -> String {
        if self.undoes {
            return "how long undoing takes is not kept".to_owned();
        }
        match (self.runs, self.unknown.as_slice()) {
            (_, [one]) => format!("{} has not run here yet", one.untrusted().safe()),
            (_, [first, rest @ ..]) => {
                format!("{} and {} more have not run here yet", first.untrusted().safe(), rest.len())
            }
            (Some((1, 1)), []) => "from the last run".to_owned(),
            (Some((fewest, most)), []) if fewest == most => format!("from the last {most} runs"),
            (Some((fewest, most)), []) => format!("from the last {fewest} to {most} runs of each version"),
            (None, []) => "nothing runs".to_owned(),
        }
    }
}

impl Plan {
    /// The same plan with the times that its versions took before.
    #[must_use]
    pub fn with_times(mut self, times: &Arc<StepTimes>) -> Self {
        self.times = Arc::clone(times);
        self.estimate = self.estimated();
        self
    }

    /// How long one tenant's steps take; `None` where one of its versions never ran here.
    #[must_use]
    pub fn tenant_ms(&self, tenant: &TenantPlan) -> Option<u64> {
        tenant.files.iter().map(|file| self.time_of(&file.version).map(|time| time.mean_ms)).sum()
    }

    /// How long a version took before; `None` where it never ran, or where this plan undoes it.
    #[must_use]
    pub fn time_of(&self, version: &Version) -> Option<&StepTime> {
        match self.direction {
            Direction::Up => self.times.of(version),
            Direction::Down | Direction::Again => None,
        }
    }

    pub(super) fn estimated(&self) -> Estimate {
        let undoes = match self.direction {
            Direction::Up => false,
            Direction::Down | Direction::Again => true,
        };
        let mut estimate = Estimate { undoes, ..Estimate::default() };
        if undoes {
            return estimate;
        }
        for file in self.files() {
            match self.time_of(&file.version) {
                Some(time) => {
                    let (fewest, most) = estimate.runs.unwrap_or((time.runs, time.runs));
                    estimate.runs = Some((fewest.min(time.runs), most.max(time.runs)));
                }
                None => estimate.unknown.push(file.version.clone()),
            }
        }
        if estimate.unknown.is_empty() && !self.tenants.is_empty() {
            estimate.total_ms = Some(self.run_through());
        }
        estimate
    }

    /// The canaries one after another, then batch after batch, each tenant on the lane that is free first.
    fn run_through(&self) -> u64 {
        let pause = u64::try_from(self.options.pause.as_millis()).unwrap_or(u64::MAX);
        let (canaries, rest) = self.tenants.split_at(self.canary.min(self.tenants.len()));
        let mut now: u64 = canaries.iter().map(|tenant| self.ms(tenant)).sum();
        let mut left = rest;
        let mut sizes = self.options.batches.iter();
        while !left.is_empty() {
            let size = sizes.next().map_or(left.len(), |size| usize::try_from(*size).unwrap_or(1).max(1));
            let (batch, after) = left.split_at(size.min(left.len()));
            let is_first = left.len() == self.tenants.len();
            now = self.batch(batch, if is_first { now } else { now.saturating_add(pause) });
            left = after;
        }
        now
    }

    /// When a batch that starts now is through. A file that all tenants share runs for one tenant at a time.
    fn batch(&self, tenants: &[TenantPlan], now: u64) -> u64 {
        let lanes = usize::try_from(self.options.parallel).unwrap_or(1).clamp(1, tenants.len().max(1));
        let mut free: BinaryHeap<Reverse<u64>> = (0..lanes).map(|_| Reverse(now)).collect();
        let (mut turn, mut end) = (now, now);
        for tenant in tenants {
            let Some(Reverse(mut at)) = free.pop() else { break };
            for file in &tenant.files {
                let took = self.time_of(&file.version).map_or(0, |time| time.mean_ms);
                if file.is_one_at_a_time() {
                    at = at.max(turn).saturating_add(took);
                    turn = at;
                } else {
                    at = at.saturating_add(took);
                }
            }
            end = end.max(at);
            free.push(Reverse(at));
        }
        end
    }

    fn ms(&self, tenant: &TenantPlan) -> u64 {
        self.tenant_ms(tenant).unwrap_or(0)
    }
}
