//! Tenants: identity, state, numbers.

mod keys;
mod measured;

use std::fmt;
use std::sync::Arc;

pub use self::keys::{KeySample, Ttl};
pub use self::measured::{NotMeasured, Unmeasured};
use super::job::JobId;
use super::ledger::{LedgerState, Version};
use crate::text::Untrusted;

/// The configured name of a database.
pub type DatabaseName = Arc<str>;

/// What identifies a tenant across refreshes: its registry row, or its schema where there is no row.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantKey {
    /// The database it lives in.
    pub database: DatabaseName,
    /// `r:` and the row's id (or slug where the registry has no id), or `s:` and the schema; `h:` and the schema where its
    /// row may be hidden.
    pub local: Arc<str>,
}

impl TenantKey {
    /// The key of a registry row.
    #[must_use]
    pub fn row(database: &DatabaseName, id: &str) -> Self {
        Self { database: Arc::clone(database), local: format!("r:{id}").into() }
    }

    /// The key of a schema without a row.
    #[must_use]
    pub fn schema(database: &DatabaseName, schema: &str) -> Self {
        Self { database: Arc::clone(database), local: format!("s:{schema}").into() }
    }

    /// The key of a schema of which it is not known whether a row is its own: rows may be hidden from this role.
    #[must_use]
    pub fn hidden(database: &DatabaseName, schema: &str) -> Self {
        Self { database: Arc::clone(database), local: format!("h:{schema}").into() }
    }

    /// Whether it is the key of such a schema.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.local.starts_with("h:")
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}", &*self.database, &*self.local)
    }
}

/// The state of a tenant: the first that holds, in the order of the enum. Never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TenantState {
    /// What decides the state may not be read by this role.
    NoAccess,
    /// Two registry rows point at one schema, or one at a schema that is no tenant's.
    Conflict,
    /// A registry row without a schema.
    MissingSchema,
    /// A tenant-like schema without a row.
    OrphanSchema,
    /// There is a ledger, and no known tool keeps it (or one that this version does not read).
    UnknownTool,
    /// The tool recorded a failure.
    Dirty,
    /// A lock left behind in the ledger, or held now for this schema.
    Locked,
    /// There are files or migrated siblings, and no ledger or an empty one.
    NeverMigrated,
    /// The ledger has versions for which there is no file.
    Ahead,
    /// Files are pending.
    Behind,
    /// Up to date.
    Ok,
    /// Not read yet: shown as `-`, `null` in JSON.
    Unknown,
}

impl TenantState {
    /// Every state, in order.
    pub const ALL: [Self; 12] = [
        Self::NoAccess,
        Self::Conflict,
        Self::MissingSchema,
        Self::OrphanSchema,
        Self::UnknownTool,
        Self::Dirty,
        Self::Locked,
        Self::NeverMigrated,
        Self::Ahead,
        Self::Behind,
        Self::Ok,
        Self::Unknown,
    ];

    /// The word of JSON, `--state` and the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoAccess => "no_access",
            Self::Conflict => "conflict",
            Self::MissingSchema => "missing_schema",
            Self::OrphanSchema => "orphan_schema",
            Self::UnknownTool => "unknown_tool",
            Self::Dirty => "dirty",
            Self::Locked => "locked",
            Self::NeverMigrated => "never_migrated",
            Self::Ahead => "ahead",
            Self::Behind => "behind",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// One tenant as last seen. Unknown is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Identity.
    pub key: TenantKey,
    /// The registry's id, as text.
    pub id: Option<Untrusted>,
    /// The slug; the schema's name where there is no row.
    pub slug: Untrusted,
    /// The display name.
    pub name: Option<Untrusted>,
    /// The registry's status word, whatever it is.
    pub status: Option<Untrusted>,
    /// The registry's plan, where it has one.
    pub plan: Option<Untrusted>,
    /// The domains that the registry or its table of domains names, the primary one first.
    pub domains: Vec<Untrusted>,
    /// Soft-deleted: the status says so, or `deleted_at` is set.
    pub deleted: bool,
    /// The schema the row names or the rule derives; also where it does not exist.
    pub schema: Option<Untrusted>,
    /// The schema's oid, where it exists.
    pub schema_oid: Option<u32>,
    /// The schema's owner.
    pub owner: Option<Untrusted>,
    /// The state.
    pub state: TenantState,
    /// The ledger.
    pub ledger: LedgerState,
    /// Successfully applied migrations; 0 where a ledger is known to be absent or empty.
    pub applied: Option<u32>,
    /// Versions of files that are not in the ledger, in order of the files.
    pub pending: Option<Arc<[Version]>>,
    /// Versions in the ledger without a file.
    pub ahead: Option<Arc<[Version]>>,
    /// Ordinary and partitioned tables, the ledger included, partitions not.
    pub tables: Option<u32>,
    /// Bytes on disk.
    pub size_bytes: Option<u64>,
    /// Whether `size_bytes` was measured, or estimated from the catalog.
    pub size_exact: bool,
    /// Cache keys of this tenant.
    pub cache_keys: Option<u64>,
    /// When the registry says it was created; kept as the registry has it where it is no timestamp.
    pub created_at: Option<Untrusted>,
    /// Applied versions whose file is not any more what was applied, by tenantui's own record.
    pub changed: Arc<[Version]>,
    /// The last job step of this tenant failed: the `!` mark.
    pub failed_step: Option<Arc<FailedStep>>,
    /// What is wrong, in words.
    pub problems: Vec<Untrusted>,
}

impl Tenant {
    /// Its state, and what is wrong with it where that is known: `orphan_schema: the schema has no row in the registry`.
    #[must_use]
    pub fn state_words(&self) -> String {
        let problem = self.problems.first().map_or_else(String::new, |problem| format!(": {}", problem.safe()));
        format!("{}{problem}", self.state.word())
    }

    /// Whether a row of the registry, or where there is none its schema, is known to make it a tenant.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.state != TenantState::OrphanSchema && !self.key.is_hidden()
    }

    /// Whether its slug or its schema is a name by this test.
    #[must_use]
    pub fn is_named(&self, is: impl Fn(&Untrusted) -> bool) -> bool {
        is(&self.slug) || self.schema.as_ref().is_some_and(is)
    }

    /// The newest applied version.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.ledger.reading().and_then(|reading| reading.applied.current.as_ref())
    }

    /// Whether nothing is wrong with it and its ledger has this migration.
    #[must_use]
    pub fn stands_at(&self, version: &Version) -> bool {
        self.state == TenantState::Ok
            && !self.deleted
            && self.ledger.reading().is_some_and(|reading| reading.applied.versions.contains(version))
    }

    /// How many files are pending.
    #[must_use]
    pub fn pending_count(&self) -> Option<usize> {
        self.pending.as_ref().map(|versions| versions.len())
    }
}

/// Why the last step of a tenant failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// The job.
    pub job: super::job::JobId,
    /// The version that failed.
    pub version: Option<Version>,
    /// The server's code, where the server refused it.
    pub sqlstate: Option<String>,
    /// The server's words.
    pub message: Untrusted,
}

/// The numbers of one table of the open tenant, measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDetail {
    /// The table's name.
    pub name: Untrusted,
    /// Rows as the planner believes; `None` where the table was never analysed.
    pub rows_estimate: Option<u64>,
    /// Everything: heap, indexes, toast. `None` where it was not measured.
    pub total_bytes: Option<u64>,
    /// Why it was not measured.
    pub not_measured: Option<NotMeasured>,
    /// The heap with its free space and visibility maps.
    pub table_bytes: Option<u64>,
    /// All indexes.
    pub index_bytes: Option<u64>,
    /// Toast with its index.
    pub toast_bytes: Option<u64>,
    /// Dead rows in percent of all; `None` where statistics do not say.
    pub dead_percent: Option<u8>,
}

/// One migration as seen from one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationDetail {
    /// The version.
    pub version: Version,
    /// The file's name, or the ledger's description where there is no file.
    pub name: Option<Untrusted>,
    /// When, where the ledger knows.
    pub applied_at: Option<Untrusted>,
    /// Where it stands.
    pub state: MigrationState,
    /// Whether the file is still what was applied; `None` where nothing recorded it.
    pub checksum_ok: Option<bool>,
}

/// Where one migration stands in one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MigrationState {
    /// In the ledger and in the folder.
    Applied,
    /// In the folder only.
    Pending,
    /// In the ledger only.
    Ahead,
    /// The tool recorded its failure.
    Dirty,
}

impl MigrationState {
    /// The word of JSON and the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Ahead => "ahead",
            Self::Dirty => "dirty",
        }
    }
}

/// Somebody inside a tenant: Boundary's members, Brokkr's generators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member's id.
    pub id: Untrusted,
    /// Name, address or user id.
    pub name: Untrusted,
    /// Whether the membership is in force.
    pub active: Option<bool>,
    /// The membership's own word: active, invited, suspended...
    pub status: Option<Untrusted>,
    /// The last activity that the database records.
    pub last_active_at: Option<Untrusted>,
}

/// One thing that a layout knows of how a tenant is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthFact {
    /// Its word in JSON.
    pub name: Untrusted,
    /// Its words on the screen.
    pub title: Untrusted,
    /// How much or what; `None` where the database says nothing.
    pub value: Option<Untrusted>,
    /// More, in words.
    pub detail: Option<Untrusted>,
    /// What is wrong, in words.
    pub problem: Option<Untrusted>,
}

/// What is read of the one tenant that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDetail {
    /// Whose.
    pub key: TenantKey,
    /// When it was measured.
    pub measured_at: jiff::Timestamp,
    /// Its tables, largest first.
    pub tables: Vec<TableDetail>,
    /// The sum of the tables that could be measured.
    pub total_bytes: Option<u64>,
    /// Tables without a size, and why.
    pub unmeasured: Unmeasured,
    /// Its migrations, oldest first.
    pub migrations: Vec<MigrationDetail>,
    /// Cache keys by prefix (the part after the tenant's own), most first.
    pub cache_by_prefix: Vec<(Untrusted, u64)>,
    /// Some of its cache keys, by prefix.
    pub cache_sample: Vec<KeySample>,
    /// Why types or times of those are not known.
    pub sample_unknown: Option<Untrusted>,
    /// The newest jobs that have steps of it by the record, newest first.
    pub jobs: Vec<JobId>,
    /// Members.
    pub members: Vec<Member>,
    /// How it is, by what its layout knows.
    pub health: Vec<HealthFact>,
    /// Objects outside the schema that depend on it.
    pub objects_outside: Vec<Untrusted>,
    /// The login role named by the layout, where there is one.
    pub role: Option<Untrusted>,
    /// Why it is in its state, in one sentence.
    pub why: Untrusted,
    /// Parts that could not be read, and why.
    pub problems: Vec<Untrusted>,
}
