//! The arguments of `jobs`, `job`, `audit` and `worker`.

use clap::{Args, ValueEnum};

use super::Format;
use crate::cli::since;

/// `jobs`.
#[derive(Debug, Clone, Args)]
pub struct Jobs {
    /// At most so many of each database
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `job`.
#[derive(Debug, Clone, Args)]
pub struct Job {
    /// The job's number
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub id: i32,
    /// What to do with it; without it the job and its results are shown
    #[arg(value_enum)]
    pub action: Option<JobAction>,
    /// The tenant to skip: its slug, or its schema
    #[arg(required_if_eq("action", "skip"))]
    pub tenant: Option<String>,
    /// Why it is skipped; kept in the record
    #[arg(long, value_name = "TEXT", required_if_eq("action", "skip"))]
    pub note: Option<String>,
    /// Answer every question of this command with yes
    #[arg(long)]
    pub yes: bool,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// What can be done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JobAction {
    /// Print its progress and its log until nothing happens any more by itself
    Follow,
    /// Pause it after its current steps
    Pause,
    /// Go on with a queued, orphaned, paused or failed job, here; done steps stay done
    Resume,
    /// Run its failed steps again, here
    Retry,
    /// Stop it after its current tenants; the second time, cancel the statements that run
    Cancel,
    /// Leave a tenant out of the rest of it: what is done stays done
    Skip,
}

/// `audit`.
#[derive(Debug, Clone, Default, Args)]
pub struct Audit {
    /// Only of this job
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub job: Option<i32>,
    /// Only of this tenant: its slug, or its schema
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Not older than this: `90m`, `12h`, `7d`, or a time such as 2026-02-14T10:30:00Z
    #[arg(long, value_name = "TIME", value_parser = since::parse)]
    pub since: Option<jiff::Timestamp>,
    /// At most so many of each database
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `worker`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Worker {
    /// Take one job of each database, where there is one, and end
    #[arg(long, conflicts_with = "drain")]
    pub once: bool,
    /// End when nothing is queued or orphaned
    #[arg(long)]
    pub drain: bool,
    /// Let running steps go on for so long after a signal to end, then cancel them
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=3_600))]
    pub grace: u16,
}
