//! How a job goes through many tenants: the arguments that `migrate`, `rollback` and `redo` share.

use std::time::Duration;

use clap::Args;

use crate::migrations::plan::PlanOptions;

/// Who goes first, how many at a time, and when to stop.
#[derive(Debug, Clone, Default, Args)]
pub struct Rollout {
    /// How many tenants go first and alone, the smallest ones; 0 for none
    #[arg(long, value_name = "N")]
    pub canary: Option<u32>,
    /// These tenants go first and alone, in this order
    #[arg(long, value_name = "SLUG", value_delimiter = ',', conflicts_with = "canary")]
    pub canary_tenants: Vec<String>,
    /// Tenants in each batch after the canary, then the rest; 0 for no batches
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub batches: Vec<u32>,
    /// How long the next batch waits after one: `30s`, `5min`
    #[arg(long, value_name = "TIME", value_parser = crate::config::pause)]
    pub pause: Option<Duration>,
    /// Tenants at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: Option<u32>,
    /// Stop when so many tenants have failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failures: Option<u32>,
}

impl Rollout {
    /// What is given here instead of what the configuration says.
    pub fn put_into(&self, options: &mut PlanOptions) {
        options.canary = self.canary.unwrap_or(options.canary);
        if !self.canary_tenants.is_empty() {
            options.canary_tenants.clone_from(&self.canary_tenants);
        }
        if !self.batches.is_empty() {
            options.batches = self.batches.iter().copied().filter(|size| *size > 0).collect();
        }
        options.pause = self.pause.unwrap_or(options.pause);
        options.parallel = self.parallel.unwrap_or(options.parallel);
        options.max_failures = self.max_failures.unwrap_or(options.max_failures);
    }
}
