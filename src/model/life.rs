//! A tenant's life behind its making: what can be done to it as a whole, the steps of that, and the plan that is shown
//! before it is confirmed. Plain data and its words; `jobs::life` reads and does it.

mod trash;

pub use self::trash::{DropRecord, Trashed};
use super::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;

/// How long a dropped tenant can be brought back, in days.
pub const UNDROP_DAYS: u32 = 7;

/// What is done to a tenant as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LifeKind {
    /// Gives it another display name.
    Rename,
    /// The registry says that it is suspended.
    Suspend,
    /// The registry says that it is active; also of an archived one.
    Activate,
    /// The registry says that it is deleted; the schema stays.
    Archive,
    /// Renames its schema into the trash.
    Drop,
    /// Brings it back from the trash.
    Undrop,
    /// Removes a schema in the trash for good, with role, cache keys and row.
    Purge,
    /// Mends one thing: an orphan, a missing schema, a lock left behind.
    Repair,
}

impl LifeKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Rename,
        Self::Suspend,
        Self::Activate,
        Self::Archive,
        Self::Drop,
        Self::Undrop,
        Self::Purge,
        Self::Repair,
    ];

    /// The word of the record, of the command and of the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rename => "rename",
            Self::Suspend => "suspend",
            Self::Activate => "activate",
            Self::Archive => "archive",
            Self::Drop => "drop",
            Self::Undrop => "undrop",
            Self::Purge => "purge",
            Self::Repair => "repair",
        }
    }

    /// With a capital, for a title and a button.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rename => "Rename",
            Self::Suspend => "Suspend",
            Self::Activate => "Activate",
            Self::Archive => "Archive",
            Self::Drop => "Drop",
            Self::Undrop => "Restore",
            Self::Purge => "Purge",
            Self::Repair => "Repair",
        }
    }

    /// Whether the name of a schema has to be typed for it.
    #[must_use]
    pub const fn is_typed(self) -> bool {
        match self {
            Self::Drop | Self::Purge => true,
            Self::Rename | Self::Suspend | Self::Activate | Self::Archive | Self::Undrop | Self::Repair => false,
        }
    }

    /// Whether it is about a schema in the trash.
    #[must_use]
    pub const fn is_of_trash(self) -> bool {
        match self {
            Self::Undrop | Self::Purge => true,
            Self::Rename | Self::Suspend | Self::Activate | Self::Archive | Self::Drop | Self::Repair => false,
        }
    }
}

/// What mends a tenant. Which of them are offered depends on what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Repair {
    /// Writes a registry row for a schema that has none.
    Adopt,
    /// Removes the registry row of a schema that does not exist.
    Forget,
    /// Creates the missing schema of a registry row, empty.
    Make,
    /// Takes away a lock that a migration tool left behind.
    Unlock,
    /// Removes the login role of a tenant that is gone.
    Role,
}

impl Repair {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Adopt, Self::Forget, Self::Make, Self::Unlock, Self::Role];

    /// The word of the command.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Forget => "forget",
            Self::Make => "make",
            Self::Unlock => "unlock",
            Self::Role => "role",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub const fn does(self) -> &'static str {
        match self {
            Self::Adopt => "writes a registry row for the schema",
            Self::Forget => "removes the registry row; there is no schema",
            Self::Make => "creates the missing schema, empty; migrate fills it",
            Self::Unlock => "takes away the lock that a migration tool left behind",
            Self::Role => "removes the login role of a tenant that is gone",
        }
    }

    /// The one of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|repair| repair.word() == word)
    }
}

/// One step of it: a transaction of its own, or several of one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LifeStep {
    /// Writes the display name.
    Name,
    /// Writes the status.
    Status,
    /// Ends the sessions of the tenant's role.
    Sessions,
    /// Renames the schema into the trash, and writes the status.
    Trash,
    /// Renames the schema back, and writes the status that it had.
    Restore,
    /// Revokes the keys that let the tenant in.
    Revoke,
    /// Removes a schema in the trash with all that is in it, a little at a time.
    Objects,
    /// Removes the tenant's role and what was granted to it.
    Role,
    /// Removes the tenant's cache keys.
    Keys,
    /// Removes the registry row.
    Forget,
    /// Writes a registry row.
    Adopt,
    /// Creates an empty schema.
    Make,
    /// Takes a migration tool's lock away.
    Unlock,
}

impl LifeStep {
    /// Every step.
    pub const ALL: [Self; 13] = [
        Self::Name,
        Self::Status,
        Self::Sessions,
        Self::Trash,
        Self::Restore,
        Self::Revoke,
        Self::Objects,
        Self::Role,
        Self::Keys,
        Self::Forget,
        Self::Adopt,
        Self::Make,
        Self::Unlock,
    ];

    /// The word of the record.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Status => "status",
            Self::Sessions => "sessions",
            Self::Trash => "trash",
            Self::Restore => "restore",
            Self::Revoke => "revoke",
            Self::Objects => "objects",
            Self::Role => "role",
            Self::Keys => "keys",
            Self::Forget => "forget",
            Self::Adopt => "adopt",
            Self::Make => "make",
            Self::Unlock => "unlock",
        }
    }
}

/// A login role of a tenant that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRole {
    /// Its database.
    pub database: DatabaseName,
    /// Its name.
    pub name: Untrusted,
    /// The schema of the tenant that it was of.
    pub schema: Untrusted,
    /// What says that it was.
    pub why: Untrusted,
    /// Why it is not removed; `None`: it can be.
    pub kept: Option<Untrusted>,
}

/// The role that is one tenant's, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRole {
    /// Its name.
    pub name: Untrusted,
    /// Why it is left alone, as it may be somebody else's too: neither removed, nor are its sessions ended. `None`: it is
    /// surely this tenant's.
    pub kept: Option<Untrusted>,
}

impl From<&LeftRole> for TenantRole {
    fn from(left: &LeftRole) -> Self {
        Self { name: left.name.clone(), kept: left.kept.clone() }
    }
}

/// A row of a migration tool's lock, as it is while the lock is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// The transaction that wrote it: a lock that is taken anew is written anew.
    pub xid: String,
    /// Who holds it since when, where the tool writes that.
    pub by: Option<Untrusted>,
}

/// What is known of the tenant's cache keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheFact {
    /// There is no cache in the configuration.
    NotConfigured,
    /// There is one, and no pattern says which keys are a tenant's.
    NoPattern,
    /// Rows of the registry may be hidden from this role: which keys are another tenant's is not known.
    RowsHidden,
    /// So many keys by the last count; `None`: not counted yet.
    Keys(Option<u64>),
}

/// Whom a plan is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeTenant {
    /// Who.
    pub key: TenantKey,
    /// The registry's id.
    pub id: Option<Untrusted>,
    /// The slug.
    pub slug: Untrusted,
    /// The display name.
    pub name: Option<Untrusted>,
    /// The registry's status.
    pub status: Option<Untrusted>,
    /// Since when it has it, where the audit knows.
    pub status_since: Option<jiff::Timestamp>,
}

/// What will be done, to what, and what stands in the way. Made by reading; confirmed as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifePlan {
    /// Where.
    pub database: DatabaseName,
    /// What.
    pub kind: LifeKind,
    /// How, of a repair.
    pub repair: Option<Repair>,
    /// Whom.
    pub tenant: LifeTenant,
    /// The schema as it is called now, where there is one.
    pub schema: Option<Untrusted>,
    /// Its oid.
    pub schema_oid: Option<u32>,
    /// What its tenant's schema is called outside the trash.
    pub original: Option<Untrusted>,
    /// The new display name of a rename.
    pub becomes: Option<Untrusted>,
    /// Tables; `None` where it is not asked for or could not be read.
    pub tables: Option<u32>,
    /// Bytes, measured; `None` where not all could be.
    pub size_bytes: Option<u64>,
    /// Rows, estimated.
    pub rows_estimate: Option<u64>,
    /// Objects outside the schema that would be removed with it.
    pub dependants: Vec<Untrusted>,
    /// Sessions that use the schema now, in words; `None` where it is not asked for.
    pub sessions: Option<Vec<Untrusted>>,
    /// The role that a schema which is made will belong to; `None`: the one that makes it.
    pub owner: Option<Untrusted>,
    /// Roles that are there and get something of a schema that is made.
    pub grant_to: Vec<Untrusted>,
    /// The tenant's own role.
    pub role: Option<TenantRole>,
    /// Its domains in a table of their own, which go with its registry row where that is removed.
    pub domains: u64,
    /// The migration tool's lock that a repair takes away.
    pub lock: Vec<LockRow>,
    /// The last backup that the record knows.
    pub last_backup: Option<jiff::Timestamp>,
    /// The cache.
    pub cache: CacheFact,
    /// The steps, in order, in words.
    pub steps: Vec<(LifeStep, String)>,
    /// The statements that matter, for reading.
    pub sql: Vec<String>,
    /// What the operator should know.
    pub notes: Vec<Untrusted>,
    /// There is nothing to do, and why that is well.
    pub nothing: Option<Untrusted>,
    /// It cannot be done, why, and what to do.
    pub refusal: Option<Untrusted>,
}

impl LifePlan {
    /// What has to be typed: the schema's name as the operator knows it.
    #[must_use]
    pub fn word_to_type(&self) -> Option<&Untrusted> {
        if self.kind.is_typed() { self.original.as_ref().or(self.schema.as_ref()) } else { None }
    }

    /// Whether a typed word is right: the name that the schema had, or has, as it is or as it is shown.
    #[must_use]
    pub fn is_confirmed_by(&self, typed: &str) -> bool {
        let same = |name: &Option<Untrusted>| name.as_ref().is_some_and(|name| name.is_written(typed));
        !typed.is_empty() && (same(&self.original) || same(&self.schema))
    }

    /// The role that is surely this tenant's alone, where it has one: its sessions are the tenant's, and no others are.
    #[must_use]
    pub fn own_role(&self) -> Option<&str> {
        self.role.as_ref().filter(|role| role.kept.is_none()).map(|role| role.name.raw())
    }

    /// In one line: `drop acme`, `repair acme (unlock)`.
    #[must_use]
    pub fn head(&self) -> String {
        let repair = self.repair.map(|repair| format!(" ({})", repair.word())).unwrap_or_default();
        format!("{} {}{repair}", self.kind.word(), self.tenant.slug.safe())
    }
}
