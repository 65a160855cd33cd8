//! Jobs and their steps as the faces see them. The durable record is `jobs::record`.

mod event;
mod outcome;

use std::fmt;

pub use event::{JobEvent, LogLine, LogMark};
pub use outcome::{FailedStatement, Outcome, StepFailure, TenantOutcome};

use super::life::{LifeKind, LifeStep};
use super::tenant::DatabaseName;
use crate::text::Untrusted;

/// The number of a job, unique in its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i32);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Makes tenants.
    Provision,
    /// Applies pending migrations.
    Migrate,
    /// Undoes migrations.
    Rollback,
    /// Undoes migrations and applies them again.
    Redo,
    /// Applies pending migrations on the canary and takes all of it back.
    Rehearse,
    /// Brings data from the shared schema into a tenant.
    Import,
    /// Does something to one tenant as a whole.
    Life(LifeKind),
}

impl JobKind {
    /// Every kind but those of a tenant's life, which are [`LifeKind::ALL`].
    pub const ALL: [Self; 6] =
        [Self::Provision, Self::Migrate, Self::Rollback, Self::Redo, Self::Rehearse, Self::Import];

    /// The word of the record, JSON and the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
            Self::Redo => "redo",
            Self::Rehearse => "rehearse",
            Self::Import => "import",
            Self::Life(kind) => kind.word(),
        }
    }

    /// Whether a worker may go on with such a job without asking anybody when the one that ran it is gone, or run it
    /// elsewhere than it was confirmed. Never for a kind that destroys something.
    #[must_use]
    pub const fn rescues_itself(self) -> bool {
        match self {
            Self::Provision | Self::Migrate | Self::Rehearse => true,
            Self::Rollback | Self::Redo | Self::Import | Self::Life(_) => false,
        }
    }

    /// Whether it goes through the tenants that are there, of which there is one job at a time in a database.
    #[must_use]
    pub const fn goes_through_tenants(self) -> bool {
        match self {
            Self::Provision | Self::Import | Self::Life(_) => false,
            Self::Migrate | Self::Rollback | Self::Redo | Self::Rehearse => true,
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let life = LifeKind::ALL.map(Self::Life);
        Self::ALL.into_iter().chain(life).find(|kind| kind.word() == word)
    }
}

/// What one step of a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepAction {
    /// Runs an up file in one tenant.
    Migrate,
    /// Runs a down file in one tenant.
    Rollback,
    /// Runs an up file in one tenant, within a transaction that is rolled back.
    Rehearse,
    /// Runs the migration tool's own command for one tenant.
    Command,
    /// Writes the registry's row of a new tenant.
    Row,
    /// Creates the schema of a new tenant.
    Schema,
    /// Creates the login role of a new tenant.
    Role,
    /// Grants that role what the migrations made.
    Grants,
    /// Runs the seed in a new tenant.
    Seed,
    /// Marks a new tenant as active.
    Active,
    /// Brings data into a tenant.
    Import,
    /// A step of a tenant's life.
    Life(LifeStep),
}

impl StepAction {
    /// Every action but those of a tenant's life, which are [`LifeStep::ALL`].
    pub const ALL: [Self; 11] = [
        Self::Migrate,
        Self::Rollback,
        Self::Rehearse,
        Self::Command,
        Self::Row,
        Self::Schema,
        Self::Role,
        Self::Grants,
        Self::Seed,
        Self::Active,
        Self::Import,
    ];

    /// The word of the record.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
            Self::Rehearse => "rehearse",
            Self::Command => "command",
            Self::Row => "row",
            Self::Schema => "schema",
            // "role" is the step of a purge that removes one.
            Self::Role => "make-role",
            Self::Grants => "grants",
            Self::Seed => "seed",
            Self::Active => "active",
            Self::Import => "import",
            Self::Life(step) => step.word(),
        }
    }

    /// The action of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let life = LifeStep::ALL.map(Self::Life);
        Self::ALL.into_iter().chain(life).find(|action| action.word() == word)
    }
}

/// The state of a job. `Orphaned` is derived: running in the record, and nobody holds its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the product say it")]
pub enum JobState {
    Queued,
    Running,
    Orphaned,
    Paused,
    Done,
    Failed,
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Running, Self::Orphaned, Self::Paused, Self::Done, Self::Failed, Self::Cancelled];

    /// The word of the record, JSON and the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Orphaned => "orphaned",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether nothing will happen any more unless an operator asks.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::Cancelled => true,
            Self::Queued | Self::Running | Self::Orphaned | Self::Paused => false,
        }
    }
}

/// Why a paused job waits. The reason in words stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waits {
    /// Its canary went well; the operator looks at it first.
    Canary,
    /// An operator paused it.
    Operator,
    /// Too many tenants failed.
    Budget,
    /// The process that ran it was asked to end.
    Process,
    /// Something that an operator has to look at: a failed canary, another server, a file that could not be read.
    Trouble,
}

impl Waits {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Canary, Self::Operator, Self::Budget, Self::Process, Self::Trouble];

    /// The word of the record, JSON and the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Operator => "operator",
            Self::Budget => "budget",
            Self::Process => "process",
            Self::Trouble => "trouble",
        }
    }

    /// The reason of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|waits| waits.word() == word)
    }
}

/// A job as lists and the job line show it. The counts are of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// The database whose record holds it.
    pub database: DatabaseName,
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The order in words: `180 tenants to 0042`.
    pub what: Untrusted,
    /// Where it stands.
    pub state: JobState,
    /// Why it stands there: `canary`, `3 failed, the limit is 3`, `stopped by ops`.
    pub reason: Option<Untrusted>,
    /// Why it waits, while it is paused.
    pub waits: Option<Waits>,
    /// How often it was claimed: the fencing number.
    pub attempt: i32,
    /// Tenants in all.
    pub total: u32,
    /// Tenants of which nothing is left to do: done, or skipped.
    pub done: u32,
    /// How many of these an operator skipped.
    pub skipped: u32,
    /// Tenants with a failed step.
    pub failed: u32,
    /// Tenants that a lock kept us out of.
    pub blocked: u32,
    /// Tenants that wait.
    pub pending: u32,
    /// The operator.
    pub created_by: Untrusted,
    /// When it was ordered.
    pub created_at: jiff::Timestamp,
    /// When it was first claimed.
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended.
    pub ended_at: Option<jiff::Timestamp>,
    /// Until when it was worked on, by the server's clock; `None` while it runs.
    pub until: Option<jiff::Timestamp>,
    /// Who runs it: `host pid`.
    pub worker: Option<Untrusted>,
    /// It runs in this process.
    pub mine: bool,
    /// Tenants per minute lately, while it runs.
    pub rate_per_minute: Option<u32>,
    /// Time left by that rate, in seconds.
    pub left_seconds: Option<u64>,
    /// All tenants are through, and their structures are compared.
    pub comparing: bool,
    /// Steps done and in all, skipped ones included.
    pub steps: (u32, u32),
    /// Pausing was asked for; the current steps finish.
    pub pause_requested: bool,
    /// Cancelling was asked for; the current tenants finish.
    pub cancel_requested: bool,
    /// Cancelling was asked for twice; running statements are cancelled.
    pub stop_now: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_word_of_its_own() {
        for action in StepAction::ALL.into_iter().chain(LifeStep::ALL.map(StepAction::Life)) {
            assert_eq!(StepAction::from_word(action.word()), Some(action));
        }
    }
}
