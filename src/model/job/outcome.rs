//! What a job came to for one tenant.

use crate::model::ledger::Version;
use crate::model::tenant::TenantKey;
use crate::text::Untrusted;

/// Where one tenant stands within a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words of the product say it")]
pub enum Outcome {
    Failed,
    Blocked,
    Unknown,
    Running,
    Pending,
    LeftOut,
    Skipped,
    Done,
}

impl Outcome {
    /// The word of JSON and the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
            Self::Running => "running",
            Self::Pending => "pending",
            Self::LeftOut => "left out",
            Self::Skipped => "skipped",
            Self::Done => "done",
        }
    }
}

/// The result of a job for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantOutcome {
    /// Which tenant; `None` for one that provisioning has not made.
    pub key: Option<TenantKey>,
    /// Its slug.
    pub slug: Untrusted,
    /// Its schema.
    pub schema: Untrusted,
    /// The result.
    pub outcome: Outcome,
    /// The version it stands at now, as far as this job knows.
    pub version: Option<Version>,
    /// The first step that failed.
    pub failure: Option<StepFailure>,
    /// The operator's words about a tenant that was skipped; or in what its structure differs from its siblings'.
    pub note: Option<Untrusted>,
    /// Steps done and in all.
    pub steps: (u32, u32),
    /// Time spent on its steps.
    pub duration_ms: Option<u64>,
}

/// A failed step, for the card and the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// The version whose file failed; `None` for steps without a file.
    pub version: Option<Version>,
    /// The server's code.
    pub sqlstate: Option<String>,
    /// The server's words, or ours.
    pub message: Untrusted,
    /// Which statement of the file: number, of how many, at which line, and its text.
    pub statement: Option<FailedStatement>,
    /// What it did, or part of it, is not taken back: it ran outside of a transaction, or ended it.
    pub stays: bool,
    /// Who stood in the way, where it was a lock.
    pub blocker: Option<Untrusted>,
    /// How often it was tried.
    pub tries: u32,
}

/// The statement that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStatement {
    /// 1 for the first.
    pub number: u32,
    /// How many the file has.
    pub of: u32,
    /// 1 for the first line of the file.
    pub line: u32,
    /// Its text, cut.
    pub text: Untrusted,
}
