//! The publisher: puts the parts of all databases together and publishes a picture when it differs from the last.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::JobContext;
use crate::model::fleet::{DatabaseView, SharedSchema, Snapshot};
use crate::model::job::JobView;
use crate::model::link::LinkState;
use crate::model::tenant::{Tenant, TenantDetail, TenantKey};
use crate::model::vitals::{Activity, Vitals};

/// One database's part of the picture.
#[derive(Debug, Clone)]
pub struct Part {
    /// The database.
    pub view: DatabaseView,
    /// Its tenants by slug.
    pub tenants: Arc<[Arc<Tenant>]>,
    /// Its shared schema, and ledgers that are kept for the whole database.
    pub shared: Vec<SharedSchema>,
    /// Its jobs, newest first.
    pub jobs: Arc<[JobView]>,
    /// What its jobs are ordered with.
    pub context: Option<Arc<JobContext>>,
}

/// Something that changed.
#[derive(Debug)]
pub enum Update {
    /// A database's part, by its place in the configuration.
    Part(usize, Box<Part>),
    /// The answer of a database's server is overdue by so many milliseconds.
    Waiting(usize, u32),
    /// The open tenant was read, or closed.
    Detail(Option<Arc<TenantDetail>>),
    /// What somebody looks at was read.
    Watched(Seen),
}

/// What was seen of what somebody looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The servers.
    pub vitals: Vec<Arc<Vitals>>,
    /// What tenants do.
    pub activity: Arc<BTreeMap<TenantKey, Activity>>,
}

/// What is read beside the databases' own parts, while somebody looks at it.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The open tenant.
    pub detail: Option<Arc<TenantDetail>>,
    /// Servers and what tenants do.
    pub seen: Seen,
}

/// Puts parts together until nobody is left to send any.
pub async fn publish(
    mut parts: Vec<Part>,
    mut updates: mpsc::Receiver<Update>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    contexts: watch::Sender<Arc<Vec<JobContext>>>,
) {
    let mut beside = Beside::default();
    while let Some(update) = updates.recv().await {
        place(&mut parts, &mut beside, update);
        // What waits already goes into the same picture.
        while let Ok(update) = updates.try_recv() {
            place(&mut parts, &mut beside, update);
        }
        publish_contexts(&parts, &contexts);
        let last = Arc::clone(&snapshots.borrow());
        let mut next = assemble(&parts, beside.clone());
        next.revision = last.revision;
        if next != *last {
            next.revision += 1;
            snapshots.send_replace(Arc::new(next));
        }
    }
}

fn place(parts: &mut [Part], beside: &mut Beside, update: Update) {
    match update {
        Update::Part(index, part) => {
            if let Some(slot) = parts.get_mut(index) {
                *slot = *part;
            }
        }
        Update::Waiting(index, waiting_ms) => {
            if let Some(part) = parts.get_mut(index).filter(|part| part.view.link.is_up()) {
                part.view.link = LinkState::Slow { waiting_ms };
            }
        }
        Update::Detail(read) => beside.detail = read,
        Update::Watched(seen) => beside.seen = seen,
    }
}

/// One picture of these parts, with revision 0.
#[must_use]
pub fn assemble(parts: &[Part], beside: Beside) -> Snapshot {
    let mut jobs: Vec<JobView> = parts.iter().flat_map(|part| part.jobs.iter().cloned()).collect();
    jobs.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
    Snapshot {
        revision: 0,
        databases: parts.iter().map(|part| part.view.clone()).collect(),
        tenants: parts.iter().flat_map(|part| part.tenants.iter().cloned()).collect(),
        shared: parts.iter().flat_map(|part| part.shared.clone()).collect(),
        jobs,
        detail: beside.detail,
        vitals: beside.seen.vitals,
        activity: beside.seen.activity,
    }
}

fn publish_contexts(parts: &[Part], contexts: &watch::Sender<Arc<Vec<JobContext>>>) {
    let known: Vec<&Arc<JobContext>> = parts.iter().filter_map(|part| part.context.as_ref()).collect();
    contexts.send_if_modified(|current| {
        let same = current.len() == known.len() && current.iter().zip(&known).all(|(a, b)| a.is_same(b));
        if !same {
            *current = Arc::new(known.iter().map(|context| JobContext::clone(context)).collect());
        }
        !same
    });
}
