//! How the servers are at this moment, and what the tenants on the screen do: read only while somebody looks, on sessions
//! of its own that are closed when nobody does. An idle dashboard asks nothing of all this.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Watched;
use super::publish::Update;
use super::session::Session;
use crate::model::fleet::Snapshot;
use crate::model::tenant::DatabaseName;
use crate::model::vitals::{Facts, Vitals};
use crate::postgres::session::{LinkError, Patience, QueryError, Target};
use crate::postgres::{server, vitals};

/// Round trips that are kept for the sparkline.
const LATENCIES: usize = 120;

/// What the task is told by.
#[derive(Debug)]
pub struct Desk {
    /// The databases.
    pub targets: Vec<Target>,
    /// What somebody looks at.
    pub watched: watch::Receiver<Watched>,
    /// Time between two readings; `None` stops them.
    pub every: watch::Receiver<Option<Duration>>,
    /// One more for each reading that is asked for.
    pub asked: watch::Receiver<u64>,
    /// The latest picture: which links are up.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where readings go.
    pub updates: mpsc::Sender<Update>,
}

/// Runs until nobody listens any more.
pub async fn run(mut desk: Desk) {
    let mut sessions: HashMap<DatabaseName, Session> = HashMap::new();
    let mut known: Vec<Arc<Vitals>> = Vec::new();
    loop {
        let watched = desk.watched.borrow_and_update().clone();
        desk.asked.mark_unchanged();
        sessions.retain(|name, _| watched.is_of(name));
        let before = known.clone();
        if let Some(name) = &watched.server
            && let Some(session) = desk.session(&mut sessions, name)
        {
            let last = known.iter().find(|vitals| vitals.database == *name).cloned();
            let next = Arc::new(take(session, name, last.as_deref()).await);
            known.retain(|vitals| vitals.database != *name);
            known.push(next);
        }
        if known != before && desk.updates.send(Update::Vitals(known.clone())).await.is_err() {
            return;
        }
        if !desk.wait(&watched).await {
            return;
        }
    }
}

impl Desk {
    /// The session of a database whose link is up. Where it is not, the database's own task is at it.
    fn session<'s>(
        &self,
        sessions: &'s mut HashMap<DatabaseName, Session>,
        name: &DatabaseName,
    ) -> Option<&'s mut Session> {
        if !self.is_up(name) {
            sessions.remove(name);
            return None;
        }
        let target = self.targets.iter().find(|target| target.config.name == *name)?;
        Some(sessions.entry(name.clone()).or_insert_with(|| Session::new(target.clone(), Patience::Foreground)))
    }

    fn is_up(&self, name: &str) -> bool {
        self.snapshots.borrow().database(name).is_some_and(|view| view.link.is_up())
    }

    /// Waits until the next reading is due. False when nobody listens any more.
    async fn wait(&mut self, watched: &Watched) -> bool {
        let every = *self.every.borrow_and_update();
        let ups = |desk: &Self| -> Vec<bool> { watched.databases().map(|name| desk.is_up(name)).collect() };
        let before = ups(self);
        let timer = async {
            match every.filter(|_| !watched.is_empty()) {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(timer);
        loop {
            tokio::select! {
                () = &mut timer => return true,
                changed = self.watched.changed() => return changed.is_ok(),
                asked = self.asked.changed() => return asked.is_ok(),
                every = self.every.changed() => return every.is_ok(),
                picture = self.snapshots.changed() => {
                    if picture.is_err() {
                        return false;
                    }
                    self.snapshots.mark_unchanged();
                    if ups(self) != before {
                        return true;
                    }
                }
            }
        }
    }
}

/// Reads a server once. Where that fails, what was known before stays, with the reason why it is not newer.
pub async fn take(session: &mut Session, name: &DatabaseName, last: Option<&Vitals>) -> Vitals {
    match reading(session, name, last).await {
        Ok(vitals) => vitals,
        Err(error) => {
            let problems = vec![error.to_string().into()];
            match last {
                Some(last) => Vitals { problems, ..last.clone() },
                None => Vitals { problems, ..unread(name) },
            }
        }
    }
}

/// What is known before anything was read.
fn unread(name: &DatabaseName) -> Vitals {
    Vitals {
        database: name.clone(),
        read_at: jiff::Timestamp::now(),
        latency_ms: 0,
        latencies: Vec::new(),
        facts: Facts::default(),
        sessions: Vec::new(),
        problems: Vec::new(),
    }
}

async fn reading(session: &mut Session, name: &DatabaseName, last: Option<&Vitals>) -> Result<Vitals, QueryError> {
    let reader = session.reader().await.map_err(|error: LinkError| QueryError::Link(error))?;
    // The cheapest question there is tells the round trip.
    let latency_ms = u32::try_from(server::now(reader).await?.took.as_millis()).unwrap_or(u32::MAX);
    let mut next = Vitals { latency_ms, ..unread(name) };
    next.latencies.extend(last.iter().flat_map(|last| &last.latencies));
    next.latencies.push(latency_ms);
    let too_many = next.latencies.len().saturating_sub(LATENCIES);
    next.latencies.drain(..too_many);
    vitals::read(reader, &mut next).await?;
    next.problems.extend(next.facts.blind_spot());
    next.read_at = jiff::Timestamp::now();
    Ok(next)
}
