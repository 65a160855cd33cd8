//! The collector: keeps one current picture of all tenants, cheap things first (performance.md 9).
//!
//! Published in a `watch` channel: the latest wins, and a face that is slow misses nothing but intermediate pictures.

//!
//! Each database has a task of its own with its own session ([`database`]), its cache counter another ([`cache`]), and
//! the open tenant a third ([`detail`]); what is read only while it is looked at has a task for all ([`vitals`]). [`publish`] puts their parts together. Nothing here writes.

mod begun;
mod cache;
mod cluster;
mod database;
mod detail;
mod files;
mod judge;
mod live;
mod look;
mod measure;
mod once;
mod picture;
mod publish;
mod pulse;
mod read;
mod record;
mod reference;
mod rights;
mod roles;
mod seen;
mod session;
mod trash;
mod view;
mod vitals;
mod why;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use self::database::Message;
use self::picture::Picture;
use crate::layout::{Layout, TakenNames};
use crate::migrations::dialects::Ledgers;
use crate::migrations::folder::Folder;
use crate::migrations::lens::Lens;
use crate::migrations::plan::SharedTarget;
use crate::model::filter::Selection;
use crate::model::fleet::Snapshot;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::model::vitals::Vitals;
use crate::postgres::session::{LinkError, QueryError, Target};
use crate::text::Untrusted;

/// What a face can ask of the collector.
#[derive(Debug, Clone, PartialEq)]
pub enum FleetCommand {
    /// Read everything again now, lost links included.
    Refresh,
    /// Read this tenant in detail (exact sizes), and again with each refresh while it is open.
    Open(TenantKey),
    /// No tenant is open.
    Close,
    /// Read these tenants' ledgers and rows again now: a job changed them.
    Changed(Vec<TenantKey>),
    /// Time between two readings; `None` stops them.
    Every(Option<Duration>),
    /// Count the cache keys now.
    CountCache,
    /// This is looked at, and read again and again while it is.
    Watch(Watched),
}

/// What somebody looks at that is read only then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// The database whose server is on the screen.
    pub server: Option<DatabaseName>,
    /// The tenants on the screen whose rows per second are shown: a page of them at most.
    pub tenants: Vec<TenantKey>,
}

impl Watched {
    /// The databases that it takes to answer; one may come twice.
    fn databases(&self) -> impl Iterator<Item = &DatabaseName> {
        self.server.iter().chain(self.tenants.iter().map(|key| &key.database))
    }

    fn is_of(&self, name: &str) -> bool {
        self.databases().any(|database| **database == *name)
    }

    fn is_empty(&self) -> bool {
        self.databases().next().is_none()
    }
}

/// A running collector.
#[derive(Debug)]
pub struct Fleet {
    /// The latest picture.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// What jobs need to be ordered, per database, once known.
    pub contexts: watch::Receiver<Arc<Vec<JobContext>>>,
    /// Bounded: `try_send`.
    pub commands: mpsc::Sender<FleetCommand>,
}

/// What jobs of one database are ordered with.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// The database.
    pub database: DatabaseName,
    /// Its layout.
    pub layout: Arc<Layout>,
    /// The tenants' migrations, where a folder is configured and could be read.
    pub folder: Option<Arc<Folder>>,
    /// Why there is no folder although one is configured.
    pub folder_error: Option<Untrusted>,
    /// The shared schema and its migrations, where the layout has one and it exists.
    pub shared: Option<Arc<SharedTarget>>,
    /// Recognised ledgers.
    pub found: Arc<Ledgers>,
    /// What their entries are called.
    pub lens: Arc<Lens>,
    /// The `tenantui` schema is there.
    pub initialised: bool,
    /// Names that a new tenant may collide with.
    pub taken: Arc<TakenNames>,
    /// Why nothing may be written here, where that is so.
    pub read_only_why: Option<Untrusted>,
}

impl JobContext {
    /// The shared schema that gets the tenants' own migrations, and those.
    #[must_use]
    pub fn shared_sibling(&self) -> Option<(&SharedTarget, &Folder)> {
        let both = self.shared.as_deref().zip(self.folder.as_deref());
        both.filter(|_| self.layout.about.shared_is_sibling)
    }

    /// Whether it is the same context: the same objects, not merely equal ones.
    fn is_same(&self, other: &Self) -> bool {
        let same_folder = match (&self.folder, &other.folder) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same_shared = match (&self.shared, &other.shared) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_folder
            && same_shared
            && self.database == other.database
            && Arc::ptr_eq(&self.layout, &other.layout)
            && Arc::ptr_eq(&self.found, &other.found)
            && Arc::ptr_eq(&self.lens, &other.lens)
            && Arc::ptr_eq(&self.taken, &other.taken)
            && self.initialised == other.initialised
            && self.folder_error == other.folder_error
            && self.read_only_why == other.read_only_why
    }
}

/// Starts the collector over these databases. It ends when the returned handle and all its receivers are gone.
#[must_use]
pub fn spawn(targets: Vec<Target>, refresh: Duration) -> Fleet {
    let parts: Vec<_> = targets.iter().map(|target| Picture::new(target.clone()).part()).collect();
    let (snapshots, snapshots_out) = watch::channel(Arc::new(publish::assemble(&parts, publish::Beside::default())));
    let (contexts, contexts_out) = watch::channel(Arc::new(Vec::new()));
    let (updates, updates_in) = mpsc::channel(64);
    let (commands, commands_in) = mpsc::channel(64);
    let (open, open_in) = watch::channel(None);
    let (measure, measure_in) = watch::channel(0);
    let (count, count_in) = watch::channel(0);
    let (watched, watched_in) = watch::channel(Watched::default());
    let (every, every_in) = watch::channel(Some(refresh));
    // Of a command line they are shared already, with the sessions that write among them.
    let timelines = targets.first().map(|target| target.timelines().clone()).unwrap_or_default();
    let mut inboxes = Vec::new();
    let mut desks = Vec::new();
    for (index, target) in targets.into_iter().enumerate() {
        let target = target.sharing(&timelines);
        let (inbox, inbox_in) = mpsc::channel(64);
        let (cache_input, cache_input_in) = watch::channel(None);
        let (counts, counts_in) = watch::channel(None);
        if let Some(config) = target.config.cache.clone() {
            tokio::spawn(cache::run(cache::Counter {
                config,
                input: cache_input_in,
                asked: count_in.clone(),
                open: open_in.clone(),
                database: inbox.clone(),
                counts,
            }));
        }
        desks.push((target.clone(), counts_in));
        inboxes.push((Arc::clone(&target.config.name), inbox));
        tokio::spawn(database::run(database::Task {
            index,
            target,
            every: Some(refresh),
            inbox: inbox_in,
            updates: updates.clone(),
            cache_input,
        }));
    }
    tokio::spawn(vitals::run(vitals::Desk {
        targets: desks.iter().map(|(target, _)| target.clone()).collect(),
        watched: watched_in,
        every: every_in,
        asked: measure_in.clone(),
        snapshots: snapshots_out.clone(),
        updates: updates.clone(),
    }));
    tokio::spawn(detail::run(detail::Desk {
        databases: desks,
        open: open_in,
        asked: measure_in,
        snapshots: snapshots_out.clone(),
        contexts: contexts_out.clone(),
        updates,
    }));
    tokio::spawn(publish::publish(parts, updates_in, snapshots, contexts));
    tokio::spawn(dispatch(commands_in, Wires { inboxes, open, measure, count, watched, every }));
    Fleet { snapshots: snapshots_out, contexts: contexts_out, commands }
}

/// Where commands go.
struct Wires {
    inboxes: Vec<(DatabaseName, mpsc::Sender<Message>)>,
    open: watch::Sender<Option<TenantKey>>,
    measure: watch::Sender<u64>,
    count: watch::Sender<u64>,
    watched: watch::Sender<Watched>,
    every: watch::Sender<Option<Duration>>,
}

/// Carries commands to the tasks until the face is gone; with it go the tasks' inboxes, and with those the tasks.
async fn dispatch(mut commands: mpsc::Receiver<FleetCommand>, wires: Wires) {
    while let Some(command) = commands.recv().await {
        match command {
            FleetCommand::Refresh => {
                wires.measure.send_modify(|asked| *asked += 1);
                wires.to_all(|| Message::Refresh).await;
            }
            FleetCommand::Open(key) => {
                wires.open.send_replace(Some(key));
            }
            FleetCommand::Close => {
                wires.open.send_replace(None);
            }
            FleetCommand::Changed(keys) => wires.changed(keys).await,
            FleetCommand::Every(every) => {
                wires.every.send_replace(every);
                wires.to_all(|| Message::Every(every)).await;
            }
            FleetCommand::CountCache => wires.count.send_modify(|asked| *asked += 1),
            FleetCommand::Watch(watched) => {
                wires.watched.send_replace(watched);
            }
        }
    }
}

impl Wires {
    async fn to_all(&self, message: impl Fn() -> Message) {
        for (_, inbox) in &self.inboxes {
            // A task that ended has nothing to read any more.
            let _ended = inbox.send(message()).await;
        }
    }

    async fn changed(&self, keys: Vec<TenantKey>) {
        for (name, inbox) in &self.inboxes {
            let own: Vec<TenantKey> = keys.iter().filter(|key| key.database == *name).cloned().collect();
            if !own.is_empty() {
                let _ended = inbox.send(Message::Changed(own)).await;
            }
        }
    }
}

/// How much one reading reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Measure exact sizes of the tenants of this selection, in slices.
    pub exact: Option<Selection>,
    /// Count cache keys and wait for the count.
    pub cache: bool,
    /// Read this tenant in detail: a slug or a schema.
    pub detail_of: Option<String>,
    /// Whether tables are counted and sizes estimated, which looks at every relation of the database.
    pub sizes: Sizes,
    /// Whose ledgers are read. Of ten thousand that takes seconds.
    pub ledgers: LedgersRead,
}

/// Whose ledgers one reading reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LedgersRead {
    /// Everybody's.
    #[default]
    All,
    /// Theirs who are named, and of others as many as it takes. Who is left out is listed, and its state is unknown.
    Of {
        /// Slugs or schemas.
        names: Vec<String>,
        /// Tenants that stand at the folder's newest migration, where there are so many.
        standing: usize,
    },
}

/// When tables are counted and sizes estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sizes {
    /// With every reading.
    #[default]
    Always,
    /// Where some tenant has pending migrations: the smallest go first then. With nothing to do nobody asks for them.
    WherePending,
    /// Where one of the tenants that [`LedgersRead::Of`] names is there.
    WhereNamed,
    /// They are left unknown: nothing depends on them.
    Never,
}

/// One database, read once, for commands.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The picture: one database.
    pub snapshot: Arc<Snapshot>,
    /// What jobs are ordered with.
    pub context: JobContext,
}

/// Reads one database once.
///
/// # Errors
/// When there is no link, or the registry cannot be read.
pub async fn read_once(target: &Target, options: &ReadOptions) -> Result<Reading, FleetError> {
    once::read(target, options, &|_| {}).await
}

/// As [`read_once`]; how far that is which may take long is told now and then, safe to print.
///
/// # Errors
/// As [`read_once`].
pub async fn read_once_telling(
    target: &Target,
    options: &ReadOptions,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Reading, FleetError> {
    once::read(target, options, tell).await
}

/// Reads how the server of a database is, once; where `over` is given a second time so much later, for what it does per
/// second.
///
/// # Errors
/// When there is no link, or a question is not answered.
pub async fn read_server(target: &Target, over: Option<Duration>) -> Result<Vitals, FleetError> {
    vitals::once(target, over).await
}

/// Why a database could not be read. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// No link.
    #[error(transparent)]
    Link(LinkError),
    /// The registry, the layout or the folder is wrong.
    #[error("{}", .0.safe())]
    Unusable(Untrusted),
    /// The role may not read what everything else depends on.
    #[error("{}", .0.safe())]
    Forbidden(Untrusted),
}

impl From<LinkError> for FleetError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<QueryError> for FleetError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Link(link) => Self::Link(link),
            QueryError::Server { ref sqlstate, .. } if sqlstate == "42501" => Self::Forbidden(error.to_string().into()),
            other @ (QueryError::Server { .. } | QueryError::Timeout { .. } | QueryError::Unexpected { .. }) => {
                Self::Unusable(other.to_string().into())
            }
        }
    }
}
