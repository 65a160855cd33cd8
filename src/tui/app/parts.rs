//! The parts of the state: one for each screen, the header, prompts and messages. `state` puts them together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::finder::Finder;
use super::state::List;
use super::tenant_columns::{ColumnChoice, Extent, Sort};
use crate::model::job::{JobId, JobView, LogLine, TenantOutcome};
use crate::model::ledger::Version;
use crate::model::tenant::{DatabaseName, TenantKey, TenantState};
use crate::text::Untrusted;

/// Screen 1.
#[derive(Debug, Clone, Default)]
pub struct TenantsState {
    /// The rows: positions in `snapshot.tenants`, filtered and sorted.
    pub shown: Vec<usize>,
    /// The reading position in `shown`.
    pub list: List<TenantKey>,
    /// The marked ones; they stay marked while a filter hides them.
    pub marks: BTreeSet<TenantKey>,
    /// How many marked ones the filter hides.
    pub marks_hidden: usize,
    /// `v` was pressed here: the other end of a range.
    pub range_from: Option<TenantKey>,
    /// The order.
    pub sort: Sort,
    /// The columns that the operator chose.
    pub columns: ColumnChoice,
    /// What the columns need to know of all tenants.
    pub extent: Extent,
    /// The text filter, as typed; empty for none.
    pub filter: String,
    /// The quick filter.
    pub quick: Option<QuickFilter>,
    /// What finding keeps between two keys.
    pub finder: Finder,
}

/// A filter with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuickFilter {
    /// In this state.
    State(TenantState),
    /// The last job step failed.
    Failed,
    /// Soft-deleted by the registry.
    Deleted,
    /// The registry's status is this word.
    Status(Untrusted),
    /// The registry's status is its database's word for active.
    Active,
    /// The registry's status is its database's word for suspended.
    Suspended,
    /// Called so: one in each of several databases.
    Slug(Untrusted),
    /// Orphans of both kinds.
    Orphans,
    /// Marked.
    Marked,
    /// Standing at this version; `None`: no version at all.
    Version(Option<Version>),
}

/// The open tenant.
#[derive(Debug, Clone)]
pub struct TenantScreen {
    /// Whose.
    pub key: TenantKey,
    /// The tab in front.
    pub tab: TenantTab,
    /// Tables, by name.
    pub tables: List<Untrusted>,
    /// Migrations, by version.
    pub migrations: List<Version>,
    /// Cache prefixes.
    pub cache: List<Untrusted>,
    /// Jobs that touched it, by number.
    pub jobs: List<(DatabaseName, JobId)>,
    /// The order of the tables.
    pub tables_sort: TablesSort,
    /// The rows of Tables: positions in `detail.tables`, sorted.
    pub tables_shown: Vec<usize>,
    /// The rows of Jobs: positions in `State::jobs.jobs`.
    pub jobs_shown: Vec<usize>,
}

/// The tabs of the open tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the tabs say it")]
pub enum TenantTab {
    Tables,
    Migrations,
    Cache,
    Jobs,
}

impl TenantTab {
    /// Every tab, in order.
    pub const ALL: [Self; 4] = [Self::Tables, Self::Migrations, Self::Cache, Self::Jobs];

    /// Its title.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tables => "Tables",
            Self::Migrations => "Migrations",
            Self::Cache => "Cache",
            Self::Jobs => "Jobs",
        }
    }
}

/// The order of an open tenant's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablesSort {
    /// By what.
    pub column: TableColumn,
    /// Largest first.
    pub descending: bool,
}

/// Columns of the Tables tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the columns say it")]
pub enum TableColumn {
    Table,
    Total,
    Heap,
    Index,
    Rows,
    Dead,
}

impl TableColumn {
    /// Every column, in the order in which `s` goes through them.
    pub const ALL: [Self; 6] = [Self::Table, Self::Total, Self::Heap, Self::Index, Self::Rows, Self::Dead];

    /// Its heading.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Total => "TOTAL",
            Self::Heap => "HEAP",
            Self::Index => "INDEX",
            Self::Rows => "ROWS~",
            Self::Dead => "DEAD%",
        }
    }
}

/// Screen 2.
#[derive(Debug, Clone, Default)]
pub struct MigrationsState {
    /// The rows: newest first, `none` last; grouped by database.
    pub groups: Vec<VersionGroup>,
    /// The reading position, by database and version.
    pub list: List<(DatabaseName, Option<Version>)>,
}

/// The tenants that stand at one version. Deleted tenants and orphans are not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionGroup {
    /// The database.
    pub database: DatabaseName,
    /// The version; `None`: no version at all.
    pub version: Option<Version>,
    /// The file's name, where there is a file.
    pub name: Option<Untrusted>,
    /// The tenants: positions in `snapshot.tenants`.
    pub tenants: Vec<usize>,
    /// Tenants of the database that count, for the share.
    pub of: usize,
    /// How many of them are marked failed.
    pub failed: usize,
    /// What there is to say: `newest`, `target`, `2 failed`, `no down`, `no file`.
    pub notes: Vec<Untrusted>,
    /// It is the target.
    pub is_target: bool,
}

/// Screen 3 and the results of a job.
#[derive(Debug, Clone)]
pub struct JobsState {
    /// The jobs, newest first: the record's and what the workers told since.
    pub jobs: Vec<JobView>,
    /// The rows: positions in `jobs`, those of the one database where only one is shown.
    pub shown: Vec<usize>,
    /// The reading position in `shown`.
    pub list: List<(DatabaseName, JobId)>,
    /// Somebody moved it: until then it is on the newest.
    pub moved: bool,
    /// The lines of all jobs, oldest first, at most 2,000.
    pub log: VecDeque<LogLine>,
    /// Lines that could not be delivered.
    pub log_dropped: u64,
    /// The log follows its end.
    pub follow: bool,
    /// Long lines of the log go on in the next row.
    pub wrap: bool,
    /// Where it does not follow: lines of the shown job's log below the window.
    pub log_back: usize,
    /// Results that were read, one per tenant, failed first.
    pub outcomes: BTreeMap<(DatabaseName, JobId), Vec<TenantOutcome>>,
    /// When they came.
    pub outcomes_at: BTreeMap<(DatabaseName, JobId), jiff::Timestamp>,
    /// The job whose results are in front.
    pub result_of: Option<(DatabaseName, JobId)>,
    /// The reading position in its results: by schema.
    pub result: List<Untrusted>,
    /// Somebody moved it: until then it is on the first, whoever that is by now.
    pub result_moved: bool,
}

impl Default for JobsState {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            shown: Vec::new(),
            list: List::default(),
            moved: false,
            log: VecDeque::new(),
            log_dropped: 0,
            follow: true,
            wrap: false,
            log_back: 0,
            outcomes: BTreeMap::new(),
            outcomes_at: BTreeMap::new(),
            result_of: None,
            result: List::default(),
            result_moved: false,
        }
    }
}

/// The header's facts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// The database that the header speaks of: of the open tenant, of the cursor, or the first.
    pub database: Option<DatabaseName>,
    /// Its latency as shown: changes only when it really changes, so that an idle screen stays still.
    pub latency_ms: Option<u32>,
    /// Since when the latency has been another one than the one that is shown, on the clock of the dashboard.
    pub latency_differs_since: Option<Duration>,
    /// The age of the data, in steps.
    pub age: DataAge,
    /// The age of the open tenant's cache counts, where they are on the screen, in the same steps.
    pub cache_age: Option<u64>,
    /// Writing there.
    pub writes: Writes,
}

/// How old the data is, in steps: nothing ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataAge {
    /// Nothing was read yet.
    #[default]
    Never,
    /// Younger than two refreshes: `data live`.
    Live,
    /// The step it passed, in seconds: 15, 60, 300, then every 5 minutes. While the link is lost: seconds, exactly.
    Old(u64),
    /// The last reading failed; this old, by the same steps.
    Unread(u64),
    /// `p` froze the rows; this old, by the same steps.
    Frozen(u64),
}

/// Whether the database of the header can be written to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Writes {
    /// Never: configuration, standby, pooler, flag; why.
    ReadOnly(Untrusted),
    /// `READ-ONLY`: the write lock is closed.
    #[default]
    Locked,
    /// `WRITES ON`, with the seconds left.
    Open(Option<u64>),
}

/// Numbers of line 2. Unknown is `None`, drawn as `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the words of the line say it")]
pub struct Counters {
    pub tenants: usize,
    /// Tenants that have a word for it: without any, nobody is known to be active or suspended.
    pub with_status: usize,
    pub active: usize,
    pub behind: usize,
    pub never_migrated: usize,
    pub ahead: usize,
    pub failed: usize,
    pub locked: usize,
    pub suspended: usize,
    /// No access, unknown tool, conflict.
    pub unreadable: usize,
    /// Not read yet.
    pub unknown: usize,
    pub at_target: usize,
    pub jobs_running: usize,
    pub jobs_queued: usize,
    pub jobs_paused: usize,
    pub jobs_orphaned: usize,
    pub jobs_failed: usize,
}

/// One hint of the last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The key as shown: `Enter`, `M`, `g g`.
    pub key: String,
    /// The words.
    pub title: String,
    /// It can be done now.
    pub enabled: bool,
}
