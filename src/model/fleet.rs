//! The current picture of the fleet: what the collector publishes and the faces draw.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::environment::Environment;
use super::job::JobView;
use super::ledger::{LedgerState, Tool, Version};
use super::life::{LeftRole, Trashed};
use super::link::LinkState;
use super::server::{Back, ServerRole};
use super::tenant::{DatabaseName, Tenant, TenantDetail, TenantKey, TenantState};
use super::times::StepTimes;
use super::vitals::{Activity, Vitals};
use crate::text::{Untrusted, shell_word};

/// Everything known now. Published whole; parts that did not change are shared with the picture before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// One more for each picture that differs from the one before.
    pub revision: u64,
    /// The databases, in the order of the configuration.
    pub databases: Vec<DatabaseView>,
    /// All tenants, grouped by database in that order, by slug within.
    pub tenants: Vec<Arc<Tenant>>,
    /// The shared schemas.
    pub shared: Vec<SharedSchema>,
    /// Jobs as the durable record has them, newest first.
    pub jobs: Vec<JobView>,
    /// The open tenant, where one is open and was read.
    pub detail: Option<Arc<TenantDetail>>,
    /// Servers that were looked at, as they were last read.
    pub vitals: Vec<Arc<Vitals>>,
    /// What the tenants on the screen do, where that is looked at.
    pub activity: Arc<BTreeMap<TenantKey, Activity>>,
}

impl Snapshot {
    /// The tenant of a key, or the shared schema of that key that is looked at like one.
    #[must_use]
    pub fn tenant(&self, key: &TenantKey) -> Option<&Arc<Tenant>> {
        self.tenants.iter().find(|tenant| &tenant.key == key).or_else(|| self.shared_page(key))
    }

    /// The shared schema of a key that is looked at like a tenant.
    #[must_use]
    pub fn shared_page(&self, key: &TenantKey) -> Option<&Arc<Tenant>> {
        self.shared.iter().filter_map(|shared| shared.page.as_ref()).find(|page| &page.key == key)
    }

    /// The database of a name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&DatabaseView> {
        self.databases.iter().find(|database| &*database.name == name)
    }

    /// Whether this tenant's schema is in the trash: its row has none, as it should be, whatever its state says.
    #[must_use]
    pub fn is_dropped(&self, tenant: &Tenant) -> bool {
        tenant.state == TenantState::MissingSchema
            && self
                .database(&tenant.key.database)
                .is_some_and(|view| view.trash.iter().any(|trashed| trashed.is_of(tenant)))
    }
}

/// One configured database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseView {
    /// The configured name.
    pub name: DatabaseName,
    /// How careful to be.
    pub environment: Environment,
    /// `user@host`, `user@host:port` or the socket's folder, for the header. No password.
    pub address: Untrusted,
    /// The user.
    pub user: Untrusted,
    /// The layout's name, once known.
    pub layout: Option<Untrusted>,
    /// The tool most tenants' ledgers are of.
    pub tool: Option<Tool>,
    /// The server's version, as `15.20`.
    pub server_version: Option<Untrusted>,
    /// Never written: by configuration, flag, standby or pooler; the reason is in `read_only_why`.
    pub read_only: bool,
    /// Why, where it is read-only.
    pub read_only_why: Option<Untrusted>,
    /// Weak TLS, superuser and the like: shown in the header.
    pub warnings: Vec<Untrusted>,
    /// The link.
    pub link: LinkState,
    /// The part that the answering server plays: a banner where it is not an ordinary primary.
    pub server: ServerRole,
    /// A connection pooler stands in between.
    pub pooled: bool,
    /// The last return of a lost link, once everything was read anew; for the line that says so.
    pub back: Option<Back>,
    /// What failed when it was last read; the rest is of `taken_at`.
    pub error: Option<Untrusted>,
    /// The last reading failed: what is shown is of an earlier one.
    pub unread: bool,
    /// When its picture was last taken whole.
    pub taken_at: Option<jiff::Timestamp>,
    /// What is being read right now, for the header: `ledgers 4,200/10,000`.
    pub progress: Option<Untrusted>,
    /// The migration files, oldest first; `None` where no folder is configured.
    pub files: Option<Arc<[FileView]>>,
    /// The newest file, or the newest version of the fleet where there is no folder.
    pub target: Option<Version>,
    /// How long migrations took here before, from the record of jobs.
    pub times: Arc<StepTimes>,
    /// The cache.
    pub cache: CacheView,
    /// Whether the `tenantui` schema is there; `None` while unknown.
    pub initialised: Option<bool>,
    /// The schema that a slug would get, `tenant_{slug}`, for the form's preview.
    pub schema_rule: Option<Untrusted>,
    /// Dropped tenants that can be brought back or purged, newest first.
    pub trash: Arc<[Trashed]>,
    /// Login roles of tenants that are gone, by name.
    pub left_roles: Arc<[LeftRole]>,
}

/// A migration file as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileView {
    /// Its version.
    pub version: Version,
    /// Its name without version and ending.
    pub name: Untrusted,
    /// Whether there is a down file.
    pub has_down: bool,
    /// `newest`, `refused: COMMIT at line 4`, `drops a column`: what the list shows beside it.
    pub notes: Vec<Untrusted>,
}

/// The state of the cache counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheView {
    /// No cache is configured.
    NotConfigured,
    /// The first pass is under way.
    Counting {
        /// Keys seen so far.
        seen: u64,
        /// Keys in the database, where the server said.
        of: Option<u64>,
    },
    /// A pass is done.
    Counted {
        /// When it ended.
        at: jiff::Timestamp,
        /// Keys in all, tenants' and others'.
        keys: u64,
        /// A new pass is under way.
        recounting: bool,
    },
    /// It does not work; the database's part goes on undisturbed.
    Failed {
        /// Why, and what to do.
        why: Untrusted,
        /// The last good count's time.
        last_good: Option<jiff::Timestamp>,
    },
}

/// A shared schema: not a tenant, but a migratable target of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSchema {
    /// Its database.
    pub database: DatabaseName,
    /// Its name.
    pub schema: Untrusted,
    /// Its oid.
    pub schema_oid: u32,
    /// Its state, as a tenant's: the first that holds.
    pub state: TenantState,
    /// Its ledger.
    pub ledger: LedgerState,
    /// The newest applied version.
    pub version: Option<Version>,
    /// How many are applied.
    pub applied: Option<u32>,
    /// Files of the shared folder that are pending; `None` where no such folder is configured.
    pub pending: Option<u32>,
    /// There are other databases besides, whose shared schema is called so too: commands name this one's.
    pub among_several: bool,
    /// What is told of it as of a tenant, where it holds what a tenant's schema holds: Brokkr's first instance is there.
    /// It is none for all that: it is never counted, and no order means it by this.
    pub page: Option<Arc<Tenant>>,
    /// What is wrong, in words.
    pub problems: Vec<Untrusted>,
}

/// What keeps a shared schema, and with it the tenants behind it, from being migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTrouble {
    /// What is wrong.
    pub what: Untrusted,
    /// What to do.
    pub to_do: String,
}

impl SharedTrouble {
    /// Both in one line.
    #[must_use]
    pub fn line(&self) -> Untrusted {
        format!("{}; {}", self.what.raw(), self.to_do).into()
    }
}

impl SharedSchema {
    /// Whether a lock was left behind in its ledger, or may be held by a tool that keeps it there.
    #[must_use]
    pub fn has_lock(&self) -> bool {
        self.ledger.reading().is_some_and(|reading| reading.locked.is_some())
    }

    /// The command that takes a lock away which was left behind in it.
    #[must_use]
    pub fn unlock_command(&self) -> String {
        let flag = if self.among_several { database_flag(&self.database) } else { String::new() };
        format!("{}{flag}", unlock_command(&self.schema))
    }

    /// Its tool's failure or lock; `None` where it has neither.
    #[must_use]
    pub fn trouble(&self) -> Option<SharedTrouble> {
        let name = self.schema.raw();
        let reading = self.ledger.reading()?;
        let (tool, table) = (reading.tool, &reading.table);
        match self.state {
            TenantState::Dirty => Some(SharedTrouble {
                what: format!("{name}, the shared schema, is dirty: {tool} recorded a failed migration in {table}")
                    .into(),
                to_do: format!("mend what it left half done, then tell {tool} so; nothing is migrated there before"),
            }),
            TenantState::Locked if self.has_lock() => Some(SharedTrouble {
                what: format!("{name}, the shared schema, is locked: the lock of {tool} was left behind, or is held")
                    .into(),
                to_do: format!("once no migration runs there, `{}` takes it away", self.unlock_command()),
            }),
            TenantState::Locked => Some(SharedTrouble {
                what: format!("{name}, the shared schema, is being migrated by {tool}").into(),
                to_do: "wait until it has ended".to_owned(),
            }),
            TenantState::NoAccess
            | TenantState::Conflict
            | TenantState::MissingSchema
            | TenantState::OrphanSchema
            | TenantState::UnknownTool
            | TenantState::NeverMigrated
            | TenantState::Ahead
            | TenantState::Behind
            | TenantState::Ok
            | TenantState::Unknown => None,
        }
    }
}

/// The command that takes a lock away which was left behind in this schema.
#[must_use]
pub fn unlock_command(schema: &Untrusted) -> String {
    format!("tenantui repair {} --by unlock", shell_word(schema.raw()))
}

/// What a command needs to mean this one of several databases.
#[must_use]
pub fn database_flag(name: &DatabaseName) -> String {
    format!(" --database {}", shell_word(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ledger::LedgerReading;

    #[test]
    fn what_keeps_a_shared_schema_from_being_migrated_comes_with_what_to_do() {
        let of = |state, dirty, locked: Option<&str>| SharedSchema {
            database: "eu-1".into(),
            schema: "public".into(),
            schema_oid: 2200,
            state,
            ledger: LedgerState::Read(LedgerReading {
                tool: Tool::GolangMigrate,
                table: "schema_migrations".into(),
                applied: Arc::default(),
                dirty,
                locked: locked.map(Into::into),
            }),
            version: None,
            applied: None,
            pending: None,
            among_several: false,
            page: None,
            problems: Vec::new(),
        };
        let line = |shared: &SharedSchema| shared.trouble().map(|trouble| trouble.line().raw().to_owned());
        let dirty = line(&of(TenantState::Dirty, true, None)).expect("told");
        assert!(
            dirty.contains("is dirty: golang-migrate recorded a failed migration in schema_migrations; mend"),
            "{dirty}"
        );
        let left = line(&of(TenantState::Locked, false, Some("row -1"))).expect("told");
        assert!(left.contains("left behind") && left.contains("`tenantui repair public --by unlock`"), "{left}");
        let held = line(&of(TenantState::Locked, false, None)).expect("told");
        assert!(held.contains("being migrated by golang-migrate; wait"), "{held}");
        assert_eq!(line(&of(TenantState::Behind, false, None)), None);
    }
}
