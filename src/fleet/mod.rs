//! The collector: keeps one current picture of all tenants, cheap things first (performance.md 9).
//!
//! Published in a `watch` channel: the latest wins, and a face that is slow misses nothing but intermediate pictures.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::layout::{Layout, TakenNames};
use crate::migrations::folder::Folder;
use crate::model::fleet::Snapshot;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::postgres::session::{LinkError, Target};

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
    /// The tenants' migrations, where a folder is configured.
    pub folder: Option<Arc<Folder>>,
    /// Names that a new tenant may collide with.
    pub taken: Arc<TakenNames>,
    /// Why nothing may be written here, where that is so.
    pub read_only_why: Option<crate::text::Untrusted>,
}

/// Starts the collector over these databases.
#[must_use]
pub fn spawn(_targets: Vec<Target>, _refresh: Duration) -> Fleet {
    todo!("reading room")
}

/// How much one reading reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Measure exact sizes of all tenants, in slices.
    pub exact: bool,
    /// Count cache keys and wait for the count.
    pub cache: bool,
    /// Read this tenant in detail: a slug or a schema.
    pub detail_of: Option<String>,
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
pub async fn read_once(_target: &Target, _options: &ReadOptions) -> Result<Reading, FleetError> {
    todo!("reading room")
}

/// Why a database could not be read. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// No link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The registry, the layout or the folder is wrong.
    #[error("{}", .0.safe())]
    Unusable(crate::text::Untrusted),
}
