//! The databases of one configuration, looked at together: which of them is the old primary of a promoted pair can only
//! be told by who has seen the other one. Must not ask for a password, and must not decide what is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{Target, Timelines};
use crate::model::tenant::DatabaseName;

/// How long one of them may take to answer. One that does not is no witness, and must not hold up the others' work.
const LIMIT: Duration = Duration::from_secs(3);
/// Nobody looks again at one that was connected to, or tried, within so long: an order opens several sessions one after the
/// other, and one that does not answer must not cost the wait for each.
const FRESH: Duration = Duration::from_secs(5);

/// The databases of one configuration, and the timelines that their servers were seen on. Copies share both.
#[derive(Debug, Clone, Default)]
pub struct Neighbours(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    timelines: Timelines,
    all: Vec<Target>,
    tried: Mutex<BTreeMap<DatabaseName, Instant>>,
    /// Held while it is looked: who comes meanwhile needs the answers too.
    looking: tokio::sync::Mutex<()>,
}

impl Neighbours {
    /// All databases of a configuration; one alone has no neighbour that could know better, and is never looked at.
    #[must_use]
    pub fn of(all: Vec<Target>) -> Self {
        let timelines = Timelines::default();
        let all = if all.len() > 1 { all } else { Vec::new() };
        let all = all.into_iter().map(|target| target.sharing(&timelines)).collect();
        Self(Arc::new(Inner { timelines, all, ..Inner::default() }))
    }

    /// The timelines that their servers were seen on.
    pub(super) fn timelines(&self) -> &Timelines {
        &self.0.timelines
    }

    /// Notes that a session of this database was opened, or could not be.
    pub(super) fn tried(&self, name: &DatabaseName) {
        let mut tried = self.0.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.insert(Arc::clone(name), Instant::now());
    }

    /// Looks at all of them at once, but for those of these names, whom somebody asks anyway, and for those that were tried
    /// a moment ago.
    pub async fn look(&self, besides: &[&str]) {
        if self.0.all.is_empty() {
            return;
        }
        let _looking = self.0.looking.lock().await;
        let due: Vec<&Target> = self.0.all.iter().filter(|target| self.is_due(target, besides)).collect();
        join_all(due.into_iter().map(|target| async {
            match tokio::time::timeout(LIMIT, target.look()).await {
                Ok(Ok(_remembered)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(database = %target.config.name, %error, "no word of its timeline");
                }
                Err(_) => tracing::debug!(database = %target.config.name, "no word of its timeline in time"),
            }
            self.tried(&target.config.name);
        }))
        .await;
    }

    fn is_due(&self, target: &Target, besides: &[&str]) -> bool {
        let name = &target.config.name;
        let tried = self.0.tried.lock().unwrap_or_else(PoisonError::into_inner);
        !besides.contains(&&**name) && tried.get(name).is_none_or(|at| at.elapsed() >= FRESH)
    }
}
