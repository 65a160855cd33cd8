//! What the dashboard knows and shows. Screens draw from this and nothing else.
//!
//! Cursor, marks and dialogs hold identities, never positions: a refresh cannot move the cursor to another tenant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::audit::AuditState;
use super::derive::Digests;
use super::event::Now;
pub use super::keymap::KeyNames;
pub use super::lock::WriteLock;
pub use super::messages::{Level, Message};
pub use super::parts::{
    Counters, DataAge, Header, Hint, JobsState, MigrationsState, QuickFilter, TableColumn, TablesSort, TenantScreen,
    TenantTab, TenantsState, VersionGroup, Writes,
};
pub use super::prompts::{Menu, MenuEntry, MenuKind, MenuRun, Prefix, Prompt};
use super::server::ServerState;
pub use super::tenant_columns::{ColumnChoice, Extent, Sort, TenantColumn};
use super::trend::Trend;
use crate::fleet::JobContext;
use crate::layout::Statuses;
use crate::model::environment::Environment;
use crate::model::filter::SavedFilters;
use crate::model::fleet::{DatabaseView, Snapshot};
use crate::model::job::{JobId, JobView, LogLine};
use crate::model::ledger::Version;
use crate::model::tenant::{DatabaseName, Tenant};
use crate::tui::dialogs::Dialog;

/// Everything that is drawn.
#[derive(Debug, Clone)]
pub struct State {
    /// The time of the last event.
    pub now: Now,
    /// The time zone in which times of day are shown: the system's; fixed in tests.
    pub zone: jiff::tz::TimeZone,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Only characters of ASCII may be drawn by ourselves.
    pub ascii: bool,
    /// The screen in front.
    pub screen: Screen,
    /// The picture whose rows are shown: the latest, or the one frozen with `p`.
    pub snapshot: Arc<Snapshot>,
    /// Its tenants in numbers.
    pub digests: Digests,
    /// The latest picture; links are drawn from it.
    pub latest: Arc<Snapshot>,
    /// Rows are frozen.
    pub frozen: bool,
    /// The collector has delivered a picture at all.
    pub loaded: bool,
    /// What jobs are ordered with, per database, once known.
    pub contexts: Arc<Vec<JobContext>>,
    /// The header's facts about the database it speaks of.
    pub header: Header,
    /// Numbers of line 2, over the tenants of the database filter.
    pub counters: Counters,
    /// How many were behind during the last day.
    pub trend: Trend,
    /// Screen 1.
    pub tenants: TenantsState,
    /// The open tenant, kept while other screens are in front.
    pub tenant: Option<TenantScreen>,
    /// Screen 2.
    pub migrations: MigrationsState,
    /// Screen 3.
    pub jobs: JobsState,
    /// `:audit`.
    pub audit: AuditState,
    /// Screen 4.
    pub server: ServerState,
    /// Reading position of `:messages`, newest first.
    pub messages_list: List<usize>,
    /// A text field at the bottom or a menu over the screen.
    pub prompt: Prompt,
    /// The keys typed of a prefix, and what may follow: (key, title).
    pub prefix: Option<Prefix>,
    /// What a first run begins with, until a key: five lines of help.
    pub welcome: Option<Vec<String>>,
    /// The message line.
    pub message: Option<Message>,
    /// Messages that an error on the line has kept from it, or that a newer error has covered: they are in `messages`.
    pub kept_back: usize,
    /// Every message, oldest first, at most 500.
    pub messages: VecDeque<Message>,
    /// The dialog in front.
    pub dialog: Option<Dialog>,
    /// Why the confirmation of the dialog in front does nothing now: the link is lost, the write lock has closed.
    pub dialog_off: Option<String>,
    /// The hints of the last line, by priority: the footer drops from the end, never `?` (which comes apart).
    pub hints: Vec<Hint>,
    /// The write lock of each database.
    pub lock: WriteLock,
    /// Time between two readings; `None`: stopped.
    pub refresh: Option<Duration>,
    /// The configuration's saved filters.
    pub filters: SavedFilters,
    /// A pane of several fills the screen.
    pub zoom: bool,
    /// The keys of actions, as they are shown.
    pub keys: KeyNames,
    /// Only this database is shown, where one was chosen by `:database NAME`.
    pub only_database: Option<DatabaseName>,
    /// Set by `t` on the Migrations screen, per database; else the newest.
    pub targets: BTreeMap<DatabaseName, Version>,
    /// The removal of a tenant's cache keys that is under way, or was the last.
    pub flush: Option<super::flush::Flush>,
    /// The process is stopping: running steps finish.
    pub stopping: bool,
}

/// The screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Screen {
    /// 1: who is in which state?
    #[default]
    Tenants,
    /// One tenant: what is in it, why is it behind?
    Tenant,
    /// 2: how far is the fleet?
    Migrations,
    /// 3: what runs, what failed?
    Jobs,
    /// The results of one job, failed first.
    JobResult,
    /// `:messages`.
    Messages,
    /// `:audit`: what operators did.
    Audit,
    /// 4: is the database well?
    Server,
}

impl Screen {
    /// Its name in messages and tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tenants => "Tenants",
            Self::Tenant => "Tenant",
            Self::Migrations => "Migrations",
            Self::Jobs => "Jobs",
            Self::JobResult => "Job results",
            Self::Messages => "Messages",
            Self::Audit => "Audit",
            Self::Server => "Server",
        }
    }
}

/// A list's reading position: by identity, with the place it had, for when it goes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<K> {
    /// Who the cursor is on.
    pub cursor: Option<K>,
    /// Where that is in the list that is shown.
    pub at: usize,
    /// The first visible row.
    pub top: usize,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self { cursor: None, at: 0, top: 0 }
    }
}

impl State {
    /// The key of an action as it is shown: `W`, `g g`; `:name` where it has none.
    #[must_use]
    pub fn key(&self, action: Action) -> String {
        self.keys.of_action(action)
    }

    /// A tenant of the picture that is shown.
    #[must_use]
    pub fn shown_tenant(&self, row: usize) -> Option<&Arc<Tenant>> {
        self.tenants.shown.get(row).and_then(|index| self.snapshot.tenants.get(*index))
    }

    /// The tenant under the cursor of the Tenants screen.
    #[must_use]
    pub fn cursor_tenant(&self) -> Option<&Arc<Tenant>> {
        self.shown_tenant(self.tenants.list.at).filter(|tenant| self.tenants.list.cursor.as_ref() == Some(&tenant.key))
    }

    /// The open tenant.
    #[must_use]
    pub fn open_tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref().and_then(|open| self.snapshot.tenant(&open.key))
    }

    /// The database that the header speaks of, with its link as it is now.
    #[must_use]
    pub fn header_database(&self) -> Option<&DatabaseView> {
        self.header.database.as_deref().and_then(|name| self.latest.database(name))
    }

    /// The environment of a database; production where it is unknown, to be careful.
    #[must_use]
    pub fn environment(&self, database: &str) -> Environment {
        self.latest.database(database).map_or(Environment::Production, |view| view.environment)
    }

    /// What jobs of a database are ordered with, once known.
    #[must_use]
    pub fn context(&self, database: &str) -> Option<&JobContext> {
        self.contexts.iter().find(|context| &*context.database == database)
    }

    /// Whether the registry says of a tenant that it is active, with the word of its own database, and not that it is
    /// deleted.
    #[must_use]
    pub fn is_active(&self, tenant: &Tenant) -> bool {
        !tenant.deleted && self.says_active(tenant)
    }

    /// Whether its word in the registry is the one of those that are active.
    #[must_use]
    pub fn says_active(&self, tenant: &Tenant) -> bool {
        self.has_status(tenant, Statuses::says_active)
    }

    /// Whether the registry says of a tenant that it is suspended, with the word of its own database.
    #[must_use]
    pub fn is_suspended(&self, tenant: &Tenant) -> bool {
        self.has_status(tenant, Statuses::says_suspended)
    }

    fn has_status(&self, tenant: &Tenant, says: fn(&Statuses, &str) -> bool) -> bool {
        let Some(status) = &tenant.status else { return false };
        match self.context(&tenant.key.database) {
            Some(context) => says(&context.layout.statuses, status.raw()),
            None => says(&Statuses::default(), status.raw()),
        }
    }

    /// Whether more than one database is shown: lists then have a column for it.
    #[must_use]
    pub fn several_databases(&self) -> bool {
        self.only_database.is_none() && self.latest.databases.len() > 1
    }

    /// The job for the job line of every screen: one that runs here, else that runs anywhere, else that waits for
    /// the operator, else none. One of a database that is not shown comes after all that are.
    #[must_use]
    pub fn busiest_job(&self) -> Option<&JobView> {
        use crate::model::job::JobState;
        let rank = |job: &JobView| match job.state {
            JobState::Running => Some(if job.mine { 0 } else { 1 }),
            JobState::Paused => Some(2),
            JobState::Orphaned => Some(3),
            JobState::Queued => Some(4),
            JobState::Done | JobState::Failed | JobState::Cancelled => None,
        };
        self.jobs
            .jobs
            .iter()
            .filter_map(|job| rank(job).map(|rank| ((!self.shows(&job.database), rank), job)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, job)| job)
    }

    /// Whether a database is among those that are shown.
    #[must_use]
    pub fn shows(&self, database: &DatabaseName) -> bool {
        self.only_database.as_ref().is_none_or(|only| only == database)
    }

    /// A row of the Jobs screen.
    #[must_use]
    pub fn shown_job(&self, row: usize) -> Option<&JobView> {
        self.jobs.shown.get(row).and_then(|index| self.jobs.jobs.get(*index))
    }

    /// The rows of the Jobs screen.
    pub fn shown_jobs(&self) -> impl Iterator<Item = &JobView> {
        self.jobs.shown.iter().filter_map(|index| self.jobs.jobs.get(*index))
    }

    /// The job under the cursor of the Jobs screen.
    #[must_use]
    pub fn cursor_job(&self) -> Option<&JobView> {
        // Where no row is left the place is kept, and it is of a job that nobody sees.
        let key = self.jobs.list.cursor.as_ref().filter(|(database, _)| self.shows(database))?;
        self.job(key)
    }

    /// The job of a database and number.
    #[must_use]
    pub fn job(&self, key: &(DatabaseName, JobId)) -> Option<&JobView> {
        self.jobs.jobs.iter().find(|job| job.database == key.0 && job.id == key.1)
    }

    /// The group under the cursor of the Migrations screen.
    #[must_use]
    pub fn cursor_group(&self) -> Option<&VersionGroup> {
        self.migrations.groups.get(self.migrations.list.at)
    }

    /// The version that tenants of a database are migrated to: set with `t`, else the newest.
    #[must_use]
    pub fn target(&self, database: &str) -> Option<&Version> {
        self.targets.get(database).or_else(|| self.snapshot.database(database).and_then(|view| view.target.as_ref()))
    }

    /// The log lines of a job, oldest first; of all jobs for `None`.
    pub fn log_of<'a>(&'a self, job: Option<&'a (DatabaseName, JobId)>) -> impl Iterator<Item = &'a LogLine> + 'a {
        self.jobs
            .log
            .iter()
            .filter(move |line| job.is_none_or(|(database, id)| &line.database == database && line.job == *id))
    }
}
