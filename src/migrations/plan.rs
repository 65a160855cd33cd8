//! The plan: a pure function of tenants, their ledgers, a folder and options. Its types are here; how it is made is in
//! `make`.

mod canary;
mod code;
mod driven;
mod estimate;
mod gaps;
mod make;
mod new;
mod shared;
mod undo;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::folder::{Finding, MigrationFile};
pub use super::standing::{FleetReference, Standing, Standings, fleet_reference, standing};
use crate::config::RunAs;
use crate::model::ident::SchemaName;
use crate::model::ledger::{Tool, Version};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::model::times::StepTimes;
use crate::text::Untrusted;

pub use canary::Canary;
pub use driven::drives;
pub use estimate::Estimate;
pub use make::plan;
pub use new::warnings_of_new;
pub use shared::{SharedTarget, shared};
pub use undo::{Reach, undo};

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// Up to and including this version; `None` for all.
    pub to: Option<Version>,
    /// Only this version.
    pub only: Option<Version>,
    /// How many tenants go first and alone; 0 for none. With a single tenant there is none.
    pub canary: u32,
    /// These go first instead, in this order: slugs or schemas. Empty: the smallest.
    pub canary_tenants: Vec<String>,
    /// Tenants at a time.
    pub parallel: u32,
    /// Sizes of the batches after the canary, then the rest.
    pub batches: Vec<u32>,
    /// How long the next batch waits after one.
    pub pause: Duration,
    /// Failed tenants at which the job stops.
    pub max_failures: u32,
    /// Versions whose changed files the operator accepts.
    pub accept_changed: Vec<Version>,
    /// Refusals lifted: (version, rule).
    pub allow: Vec<(String, String)>,
    /// The tool's own command, which does the work then.
    pub command: Option<Vec<String>>,
    /// Whose rights the files run with.
    pub run_as: RunAs,
}

impl From<&crate::config::Database> for PlanOptions {
    fn from(database: &crate::config::Database) -> Self {
        let jobs = &database.jobs;
        Self {
            to: None,
            only: None,
            canary: jobs.canary,
            canary_tenants: Vec::new(),
            parallel: jobs.parallel,
            batches: jobs.batches.clone(),
            pause: jobs.pause,
            max_failures: jobs.max_failures,
            accept_changed: Vec::new(),
            allow: database.migrations.allow.iter().map(|a| (a.version.clone(), a.rule.clone())).collect(),
            command: database.migrations.command.clone(),
            run_as: database.migrations.run_as,
        }
    }
}

/// Which way a plan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Up files run.
    Up,
    /// Down files run, newest first.
    Down,
    /// Down files run, newest first, then the same migrations' up files (`redo`).
    Again,
}

impl Direction {
    /// What is done to the tenants, for a sentence.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Up => "migrate",
            Self::Down => "roll back",
            Self::Again => "redo",
        }
    }
}

/// What the plan says of one tenant that will be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPlan {
    /// Identity.
    pub key: TenantKey,
    /// The registry's id, for the fence against a row that changed.
    pub id: Option<Untrusted>,
    /// The slug.
    pub slug: Untrusted,
    /// The schema, checked.
    pub schema: SchemaName,
    /// Its oid at planning.
    pub schema_oid: u32,
    /// Where it stands.
    pub from: Option<Version>,
    /// Bytes on disk, where they are known: canaries are the smallest.
    pub size_bytes: Option<u64>,
    /// What runs, in order: up files oldest first; of a rollback the migrations that are undone, newest first.
    pub files: Vec<Arc<MigrationFile>>,
    /// The version that stays when `files` are undone; `None` where none does, and in a plan that goes up.
    pub stays: Option<Version>,
    /// `ahead` and the like.
    pub warnings: Vec<Untrusted>,
}

/// A tenant that has or may have pending files but cannot be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Identity.
    pub key: TenantKey,
    /// The slug.
    pub slug: Untrusted,
    /// The schema.
    pub schema: Option<Untrusted>,
    /// Where it stands.
    pub version: Option<Version>,
    /// Why.
    pub why: Untrusted,
}

/// A file that plan time refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub file: Arc<MigrationFile>,
    /// Why.
    pub finding: Finding,
}

/// The plan. Immutable once ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The database.
    pub database: DatabaseName,
    /// Whose ledger is written.
    pub tool: Tool,
    /// Which way it goes.
    pub direction: Direction,
    /// The ledgers' table where it has another name than the tool gives it.
    pub ledger: Option<Arc<str>>,
    /// It is of the shared schema: one target, which is no tenant.
    pub shared: bool,
    /// How many migrations the shared schema lacks, which is migrated before tenants; 0 where it lacks none, `None`
    /// where that is not known or nobody keeps files for it. Set by who makes the plan: see [`SharedTarget::behind`].
    pub shared_behind: Option<u32>,
    /// The newest version that any tenant reaches.
    pub target: Option<Version>,
    /// In the order of execution: canaries first (as named, else the smallest), then by slug.
    pub tenants: Vec<TenantPlan>,
    /// The first so many of `tenants` are canaries.
    pub canary: usize,
    /// Up to date: nothing to do.
    pub up_to_date: usize,
    /// Named with the reason.
    pub left_out: Vec<LeftOut>,
    /// With any, the plan cannot be ordered.
    pub refusals: Vec<Refusal>,
    /// Findings that only warn, each once, with its file.
    pub warnings: Vec<Untrusted>,
    /// The options it was made with.
    pub options: PlanOptions,
    /// How long its versions took before.
    pub times: Arc<StepTimes>,
    /// How long it will take by that.
    pub estimate: Estimate,
}

/// Why there is no plan at all. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct PlanError {
    /// In words.
    pub message: Untrusted,
}

impl Plan {
    /// Whether the tool's own command does the work.
    #[must_use]
    pub const fn is_driven(&self) -> bool {
        self.options.command.is_some()
    }

    /// Whose rights the files run with. A command logs in by itself.
    #[must_use]
    pub const fn runs_as(&self) -> RunAs {
        if self.is_driven() { RunAs::Login } else { self.options.run_as }
    }

    /// Steps in all: one per tenant and file, two where a file is undone and applied again, and one per tenant where a
    /// command does the work.
    #[must_use]
    pub fn steps(&self) -> usize {
        if self.is_driven() {
            return self.tenants.len();
        }
        let each = match self.direction {
            Direction::Up | Direction::Down => 1,
            Direction::Again => 2,
        };
        self.tenants.iter().map(|tenant| tenant.files.len() * each).sum()
    }

    /// The tenants that a rehearsal runs on: the canaries, or the first where the plan has none.
    #[must_use]
    pub fn rehearsal(&self) -> &[TenantPlan] {
        &self.tenants[..self.canary.max(1).min(self.tenants.len())]
    }

    /// The files whose statements run anywhere, in order: down files of a rollback, both of a redo, and what verifies
    /// the up files.
    #[must_use]
    pub fn scripts(&self) -> Vec<Arc<MigrationFile>> {
        let (down, up) = match self.direction {
            Direction::Up => (false, true),
            Direction::Down => (true, false),
            Direction::Again => (true, true),
        };
        let mut scripts = Vec::new();
        for file in self.files() {
            if down {
                scripts.extend(file.down.clone());
            }
            if up {
                scripts.push(Arc::clone(&file));
                scripts.extend(file.verify.clone());
            }
        }
        scripts
    }

    /// The different files that run anywhere, in order.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<MigrationFile>> {
        let mut files: Vec<Arc<MigrationFile>> = Vec::new();
        let mut seen: HashSet<&Version> = HashSet::new();
        for file in self.tenants.iter().flat_map(|tenant| &tenant.files) {
            if seen.insert(&file.version) {
                files.push(Arc::clone(file));
            }
        }
        files.sort_by_key(|file| file.position);
        files
    }

    /// SHA-256 over database, tenants, schema oids and file hashes: what a confirmation is bound to.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // Each part behind its length, so that no two plans run together into one text.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(b"tenantui plan 2");
        part(self.database.as_bytes());
        part(self.tool.word().as_bytes());
        part(self.direction.verb().as_bytes());
        part(self.ledger.as_deref().unwrap_or_default().as_bytes());
        part(&[u8::from(self.shared)]);
        // No part at all without one: plans of older programs keep their hash.
        for word in self.options.command.iter().flatten() {
            part(word.as_bytes());
        }
        match self.runs_as() {
            RunAs::Login => {}
            RunAs::Owner => part(b"as the owner"),
        }
        part(&(self.canary as u64).to_be_bytes());
        part(&(self.tenants.len() as u64).to_be_bytes());
        for tenant in &self.tenants {
            part(tenant.key.local.as_bytes());
            part(tenant.id.as_ref().map_or("", Untrusted::raw).as_bytes());
            part(tenant.slug.raw().as_bytes());
            part(tenant.schema.raw().as_bytes());
            part(&tenant.schema_oid.to_be_bytes());
            part(tenant.from.as_ref().map_or("", Version::raw).as_bytes());
            part(tenant.stays.as_ref().map_or("", Version::raw).as_bytes());
            part(&(tenant.files.len() as u64).to_be_bytes());
            for file in &tenant.files {
                part(file.version.raw().as_bytes());
                part(&file.sha256);
                part(
                    file.down.as_ref().filter(|_| self.direction != Direction::Up).map_or(&[], |down| &down.sha256[..]),
                );
                part(file.verify.as_ref().map_or(&[], |verify| &verify.sha256[..]));
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod gap_tests;
#[cfg(test)]
mod tests;
