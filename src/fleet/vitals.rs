//! How the servers are at this moment, and what the tenants on the screen do: read only while somebody looks, on sessions
//! of its own that are closed when nobody does. An idle dashboard asks nothing of all this.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::publish::{Seen, Update};
use super::session::Session;
use super::{FleetError, Watched};
use crate::cache::Gauge;
use crate::model::fleet::Snapshot;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::model::vitals::{Activity, Rows, Totals, Vitals};
use crate::postgres::session::{Patience, QueryError, Target};
use crate::postgres::{server, vitals};

/// Round trips that are kept for the sparkline.
const LATENCIES: usize = 120;

/// A pace needs two readings: the second comes this soon after the first.
const SECOND_READING: Duration = Duration::from_secs(2);

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
    /// The latest picture: which links are up, and the tenants' schemas.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where readings go.
    pub updates: mpsc::Sender<Update>,
}

/// What is kept of a database while it is looked at.
#[derive(Debug)]
struct Place {
    session: Session,
    gauge: Gauge,
    /// The counters of the reading before.
    totals: Option<(Instant, Totals)>,
    rows: HashMap<TenantKey, (Instant, Rows)>,
}

impl Place {
    /// Nothing is open yet.
    fn new(target: Target) -> Self {
        let session = Session::new(target, Patience::Foreground);
        Self { session, gauge: Gauge::default(), totals: None, rows: HashMap::new() }
    }
}

/// Runs until nobody listens any more.
pub async fn run(mut desk: Desk) {
    let mut places: HashMap<DatabaseName, Place> = HashMap::new();
    let mut seen = Seen::default();
    loop {
        let watched = desk.watched.borrow_and_update().clone();
        desk.asked.mark_unchanged();
        places.retain(|name, _| watched.is_of(name) && desk.is_up(name));
        let mut next = desk.look(&watched, &mut places, &seen).await;
        std::mem::swap(&mut seen, &mut next);
        if seen != next && desk.updates.send(Update::Watched(seen.clone())).await.is_err() {
            return;
        }
        if !desk.wait(&watched, is_first(&watched, &seen)).await {
            return;
        }
    }
}

/// Whether something is looked at whose pace is not known yet.
fn is_first(watched: &Watched, seen: &Seen) -> bool {
    let server = watched.server.as_ref().and_then(|name| seen.vitals.iter().find(|vitals| vitals.database == *name));
    server.is_some_and(|vitals| vitals.pace.is_none())
        || watched.tenants.iter().any(|key| seen.activity.get(key).is_none_or(|one| one.read.is_none()))
}

/// The tenants of one database that are looked at.
#[derive(Default)]
struct Looked {
    /// With their schemas' oids.
    schemas: Vec<(TenantKey, u32)>,
    /// What their ledgers are called. The fleet's own reading of those is no activity of a tenant, and would move every
    /// idle screen.
    ledgers: BTreeSet<Arc<str>>,
}

impl Desk {
    /// One look at everything that is looked at.
    async fn look(&self, watched: &Watched, places: &mut HashMap<DatabaseName, Place>, before: &Seen) -> Seen {
        let mut seen = before.clone();
        if let Some(name) = &watched.server
            && let Some(place) = self.place(places, name)
        {
            let last = seen.vitals.iter().position(|vitals| vitals.database == *name).map(|at| seen.vitals.remove(at));
            seen.vitals.push(Arc::new(take(place, name, last.as_deref()).await));
        }
        let mut activity: BTreeMap<TenantKey, Activity> = BTreeMap::new();
        for target in &self.targets {
            let name = &target.config.name;
            let looked = self.schemas(watched, name);
            if looked.schemas.is_empty() {
                continue;
            }
            let Some(place) = self.place(places, name) else { continue };
            let standby = self.snapshots.borrow().database(name).is_some_and(|view| view.server.replica().is_some());
            match rows(place, &looked, &before.activity, standby).await {
                Ok(read) => activity.extend(read),
                // Their column says that nothing is known of them.
                Err(error) => tracing::warn!("{name}: what tenants do could not be read: {error}"),
            }
        }
        if *seen.activity != activity {
            seen.activity = Arc::new(activity);
        }
        seen
    }

    /// The tenants of a database that are looked at and have a schema.
    fn schemas(&self, watched: &Watched, database: &DatabaseName) -> Looked {
        let snapshot = self.snapshots.borrow();
        let wanted: HashSet<&TenantKey> = watched.tenants.iter().filter(|key| key.database == *database).collect();
        let mut looked = Looked::default();
        if wanted.is_empty() {
            return looked;
        }
        for tenant in snapshot.tenants.iter().filter(|tenant| wanted.contains(&tenant.key)) {
            let Some(oid) = tenant.schema_oid else { continue };
            looked.schemas.push((tenant.key.clone(), oid));
            looked.ledgers.extend(tenant.ledger.reading().map(|ledger| Arc::clone(&ledger.table)));
        }
        looked
    }

    /// The place of a database whose link is up. Where it is not, the database's own task is at it.
    fn place<'p>(&self, places: &'p mut HashMap<DatabaseName, Place>, name: &DatabaseName) -> Option<&'p mut Place> {
        if !self.is_up(name) {
            return None;
        }
        let target = self.targets.iter().find(|target| target.config.name == *name)?;
        Some(places.entry(name.clone()).or_insert_with(|| Place::new(target.clone())))
    }

    fn is_up(&self, name: &str) -> bool {
        self.snapshots.borrow().database(name).is_some_and(|view| view.link.is_up())
    }

    /// Waits until the next reading is due. False when nobody listens any more.
    async fn wait(&mut self, watched: &Watched, first: bool) -> bool {
        let every = *self.every.borrow_and_update();
        let due = every.map(|every| if first { every.min(SECOND_READING) } else { every });
        let ups = |desk: &Self| -> Vec<bool> { watched.databases().map(|name| desk.is_up(name)).collect() };
        let before = ups(self);
        let timer = async {
            match due.filter(|_| !watched.is_empty()) {
                Some(due) => tokio::time::sleep(due).await,
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
async fn take(place: &mut Place, name: &DatabaseName, last: Option<&Vitals>) -> Vitals {
    match reading(place, name, last).await {
        Ok(vitals) => vitals,
        Err(error) => {
            let known = last.cloned().unwrap_or_else(|| Vitals::unread(name));
            Vitals { problems: vec![error.to_string().into()], ..known }
        }
    }
}

async fn reading(place: &mut Place, name: &DatabaseName, last: Option<&Vitals>) -> Result<Vitals, QueryError> {
    let cache = place.session.config().cache.clone();
    let (gauge, server) = (&mut place.gauge, &mut place.session);
    let memory = async {
        let cache = cache?;
        Some(gauge.read(&cache).await.map_err(|error| error.message))
    };
    // A cache that does not answer holds nobody up twice.
    let (next, memory) = tokio::join!(of_server(server, name, last), memory);
    let (now, next) = next?;
    let mut next = Vitals { cache: memory, ..next };
    if let Some(totals) = &next.totals {
        next.pace = place.totals.as_ref().and_then(|(at, before)| totals.pace_since(before, now - *at));
    }
    place.totals = next.totals.clone().map(|totals| (now, totals));
    Ok(next)
}

async fn of_server(
    session: &mut Session,
    name: &DatabaseName,
    last: Option<&Vitals>,
) -> Result<(Instant, Vitals), QueryError> {
    let reader = session.reader().await?;
    // The cheapest question there is tells the round trip.
    let latency_ms = u32::try_from(server::now(reader).await?.took.as_millis()).unwrap_or(u32::MAX);
    let mut next = Vitals { latency_ms, ..Vitals::unread(name) };
    next.latencies.extend(last.iter().flat_map(|last| &last.latencies));
    next.latencies.push(latency_ms);
    let too_many = next.latencies.len().saturating_sub(LATENCIES);
    next.latencies.drain(..too_many);
    vitals::read(reader, &mut next).await?;
    let counted = Instant::now();
    next.problems.extend(next.facts.blind_spot());
    next.read_at = jiff::Timestamp::now();
    Ok((counted, next))
}

/// What these tenants do, from their counters now and those of the reading before.
async fn rows(
    place: &mut Place,
    looked: &Looked,
    known: &BTreeMap<TenantKey, Activity>,
    standby: bool,
) -> Result<BTreeMap<TenantKey, Activity>, QueryError> {
    let oids: Vec<u32> = looked.schemas.iter().map(|(_, oid)| *oid).collect();
    let reader = place.session.reader().await?;
    let read: HashMap<u32, Rows> = vitals::activity(reader, &oids, &looked.ledgers).await?.into_iter().collect();
    let now = Instant::now();
    let mut counters = HashMap::new();
    let mut activity = BTreeMap::new();
    for (key, oid) in &looked.schemas {
        // A schema without tables has no counters, and does nothing.
        let rows = read.get(oid).copied().unwrap_or_default();
        let before = place.rows.get(key);
        let so_far = known.get(key).cloned().unwrap_or_default();
        let one = match before {
            Some((at, before)) => so_far.then(*before, rows, now - *at, standby),
            None => Activity::default(),
        };
        activity.insert(key.clone(), one);
        counters.insert(key.clone(), (now, rows));
    }
    place.rows = counters;
    Ok(activity)
}

/// Reads the server of a database for a command: where a pace is wanted twice, so far apart.
///
/// # Errors
/// When there is no link, or a question is not answered.
pub async fn once(target: &Target, over: Option<Duration>) -> Result<Vitals, FleetError> {
    let name = Arc::clone(&target.config.name);
    let mut place = Place::new(target.clone());
    let first = reading(&mut place, &name, None).await?;
    match over {
        None => Ok(first),
        Some(over) => {
            tokio::time::sleep(over).await;
            Ok(reading(&mut place, &name, Some(&first)).await?)
        }
    }
}
