//! The plan: a pure function of tenants, their ledgers, a folder and options. Its types are here; how it is made is in
//! `make`.

mod gaps;
mod make;

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::folder::{Finding, MigrationFile};
pub use super::standing::{FleetReference, Standing, Standings, fleet_reference, standing};
use crate::model::ident::SchemaName;
use crate::model::ledger::{Tool, Version};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;

pub use make::plan;

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// Up to and including this version; `None` for all.
    pub to: Option<Version>,
    /// Only this version.
    pub only: Option<Version>,
    /// How many tenants go first and alone; 0 for none. With a single tenant there is none.
    pub canary: u32,
    /// Tenants at a time.
    pub parallel: u32,
    /// Sizes of the batches after the canary, then the rest.
    pub batches: Vec<u32>,
    /// Failed tenants at which the job stops.
    pub max_failures: u32,
    /// Versions whose changed files the operator accepts.
    pub accept_changed: Vec<Version>,
    /// Refusals lifted: (version, rule).
    pub allow: Vec<(String, String)>,
}

impl From<&crate::config::Database> for PlanOptions {
    fn from(database: &crate::config::Database) -> Self {
        let jobs = &database.jobs;
        Self {
            to: None,
            only: None,
            canary: jobs.canary,
            parallel: jobs.parallel,
            batches: jobs.batches.clone(),
            max_failures: jobs.max_failures,
            accept_changed: Vec::new(),
            allow: database.migrations.allow.iter().map(|a| (a.version.clone(), a.rule.clone())).collect(),
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
    /// What runs, in order.
    pub files: Vec<Arc<MigrationFile>>,
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
    /// The newest version that any tenant reaches.
    pub target: Option<Version>,
    /// In the order of execution: canaries first (the smallest), then by slug.
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
}

/// Why there is no plan at all. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct PlanError {
    /// In words.
    pub message: Untrusted,
}

impl Plan {
    /// Steps in all: one per tenant and file.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.files.len()).sum()
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
        part(b"tenantui plan 1");
        part(self.database.as_bytes());
        part(self.tool.word().as_bytes());
        part(&(self.canary as u64).to_be_bytes());
        part(&(self.tenants.len() as u64).to_be_bytes());
        for tenant in &self.tenants {
            part(tenant.key.local.as_bytes());
            part(tenant.id.as_ref().map_or("", Untrusted::raw).as_bytes());
            part(tenant.slug.raw().as_bytes());
            part(tenant.schema.raw().as_bytes());
            part(&tenant.schema_oid.to_be_bytes());
            part(tenant.from.as_ref().map_or("", Version::raw).as_bytes());
            part(&(tenant.files.len() as u64).to_be_bytes());
            for file in &tenant.files {
                part(file.version.raw().as_bytes());
                part(&file.sha256);
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod gap_tests;
#[cfg(test)]
mod tests;
