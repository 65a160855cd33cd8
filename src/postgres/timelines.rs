//! The timelines that servers were seen on. A promotion is a new timeline with the same identifier, so the timeline alone
//! tells the old primary of a split brain from the new one. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::server::ServerRole;

/// The highest timeline seen of each cluster, by its system identifier. Copies share it.
#[derive(Debug, Clone)]
pub struct Timelines(Arc<watch::Sender<BTreeMap<String, String>>>);

impl Default for Timelines {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl Timelines {
    /// Notes a primary's timeline; the highest one seen of its cluster. Eight hex digits each: as text they sort as
    /// the numbers do.
    pub fn saw(&self, identifier: &str, timeline: &str) -> String {
        self.0.send_if_modified(|seen| match seen.get_mut(identifier) {
            Some(highest) if highest.as_str() >= timeline => false,
            Some(highest) => {
                timeline.clone_into(highest);
                true
            }
            None => seen.insert(identifier.to_owned(), timeline.to_owned()).is_none(),
        });
        self.0.borrow().get(identifier).cloned().unwrap_or_else(|| timeline.to_owned())
    }

    /// What a server that takes writes is by all that was seen so far, its own timeline among it; unknown where it does not
    /// say both.
    pub fn role_of(&self, identifier: Option<&str>, timeline: Option<&str>) -> ServerRole {
        let (Some(identifier), Some(timeline)) = (identifier, timeline) else { return ServerRole::Unknown };
        let newer = self.saw(identifier, timeline);
        let timeline = timeline.to_owned();
        if newer > timeline {
            ServerRole::Superseded { timeline, newer }
        } else {
            ServerRole::Primary { timeline: Some(timeline) }
        }
    }
}
