//! The task that reads the open tenant: when it is opened, when what it was read of has changed, when somebody asks, and
//! now and then. Of many tables the largest are measured at once, and the rest when somebody asks, or as time goes by.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{read, with_tables};
use crate::cache::CacheCounts;
use crate::fleet::measure::{self, Reach};
use crate::fleet::publish::Update;
use crate::fleet::session::Session;
use crate::fleet::why::why;
use crate::fleet::{FleetError, JobContext};
use crate::migrations::dialects::Found;
use crate::model::fleet::Snapshot;
use crate::model::ident::QualifiedName;
use crate::model::tenant::{Tenant, TenantDetail, TenantKey, Unmeasured};
use crate::postgres::session::{Patience, Target};
use crate::postgres::sizes::Measuring;

/// Exact sizes are measured again at most this often by themselves; `r` measures at once, and to the end.
const EVERY: Duration = Duration::from_secs(60);

/// What the detail's task is told by.
#[derive(Debug)]
pub struct Desk {
    /// One session source per database, with the counter's latest counts.
    pub databases: Vec<(Target, watch::Receiver<Option<Arc<CacheCounts>>>)>,
    /// Which tenant is open.
    pub open: watch::Receiver<Option<TenantKey>>,
    /// One more for each measurement that is asked for.
    pub asked: watch::Receiver<u64>,
    /// The latest picture.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Layouts, folders and ledgers.
    pub contexts: watch::Receiver<Arc<Vec<JobContext>>>,
    /// Where the detail goes.
    pub updates: mpsc::Sender<Update>,
}

/// What is known of the tables of the tenant that is open: the next look goes on where the one before ended.
#[derive(Default)]
struct Sizes {
    whose: Option<TenantKey>,
    measuring: Measuring,
}

/// Why a detail is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Somebody asks for it.
    Asked,
    /// It was opened, or what it was read of has changed, or it is old.
    Outdated,
}

/// Runs until nobody listens any more.
pub async fn run(mut desk: Desk) {
    let mut shown: Option<Arc<TenantDetail>> = None;
    let mut sizes = Sizes::default();
    let mut occasion = Occasion::Outdated;
    loop {
        let open = desk.open.borrow_and_update().clone();
        desk.asked.mark_unchanged();
        desk.snapshots.mark_unchanged();
        // As it is before it is measured: what changes meanwhile is measured again.
        let measured = desk.stands(open.as_ref());
        if sizes.whose != open {
            sizes = Sizes { whose: open.clone(), measuring: Measuring::default() };
            occasion = Occasion::Outdated;
        }
        let (next, session) = match &open {
            Some(key) => desk.measure(key, shown.as_ref(), &mut sizes.measuring).await,
            None => (None, None),
        };
        let news = next != shown;
        shown.clone_from(&next);
        if news && desk.updates.send(Update::Detail(next)).await.is_err() {
            return;
        }
        if let (Some(session), Occasion::Asked) = (session, occasion)
            && !desk.measure_the_rest(session, &mut shown, &mut sizes.measuring).await
        {
            return;
        }
        occasion = match desk.wait(open.as_ref(), measured, shown.is_some()).await {
            Some(occasion) => occasion,
            None => return,
        };
    }
}

/// What a detail is read of.
struct Stands {
    tenant: Option<Arc<Tenant>>,
    /// The table of its ledger, which is found anew after the tenant is read.
    ledger: Option<QualifiedName>,
    counts: Option<Arc<CacheCounts>>,
}

impl Stands {
    fn is_same(&self, other: &Self) -> bool {
        let same_counts = match (&self.counts, &other.counts) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.tenant == other.tenant && self.ledger == other.ledger && same_counts
    }
}

impl Desk {
    /// The detail, and the session that read it where it was read.
    async fn measure(
        &mut self,
        key: &TenantKey,
        shown: Option<&Arc<TenantDetail>>,
        measuring: &mut Measuring,
    ) -> (Option<Arc<TenantDetail>>, Option<Session>) {
        let shown = shown.filter(|shown| &shown.key == key);
        let tenant = self.snapshots.borrow().tenant(key).map(Arc::clone);
        let context = self.contexts.borrow().iter().find(|context| context.database == key.database).cloned();
        let database = self.databases.iter().find(|(target, _)| target.config.name == key.database);
        let (Some(tenant), Some(context), Some((target, counts))) = (tenant, context, database) else {
            return (shown.cloned(), None);
        };
        let mut session = Session::new(target.clone(), Patience::Foreground);
        let counts = counts.borrow().clone();
        match read(&mut session, &context, &tenant, counts.as_deref(), (measuring, Reach::Budget)).await {
            Ok(detail) => (Some(Arc::new(detail)), Some(session)),
            Err(error) => {
                let detail = match shown {
                    // What was measured before stays, with the reason why it is not newer.
                    Some(shown) => {
                        TenantDetail { problems: vec![error.to_string().into()], ..TenantDetail::clone(shown) }
                    }
                    None => unread(&tenant, &context, &error),
                };
                (Some(Arc::new(detail)), None)
            }
        }
    }

    /// Somebody waits for all of it: the tables that there was no time for are measured step by step and shown, until
    /// something else is asked. False when nobody listens any more.
    async fn measure_the_rest(
        &self,
        mut session: Session,
        shown: &mut Option<Arc<TenantDetail>>,
        measuring: &mut Measuring,
    ) -> bool {
        let asked = |desk: &Self| desk.open.has_changed().unwrap_or(true) || desk.asked.has_changed().unwrap_or(true);
        while !measuring.is_over() && !asked(self) {
            let Some(before) = shown.as_deref().cloned() else { break };
            let next = match measure::more(&mut session, measuring).await {
                Ok(tables) => with_tables(before, tables),
                // What is measured stands; the next look says what is wrong with the link.
                Err(error) => TenantDetail { problems: vec![error.to_string().into()], ..before },
            };
            let failed = next.problems != shown.as_ref().map_or(&[][..], |shown| &shown.problems);
            *shown = Some(Arc::new(next));
            if self.updates.send(Update::Detail(shown.clone())).await.is_err() {
                return false;
            }
            if failed {
                break;
            }
        }
        true
    }

    /// The tenant, its ledger and its counts in the latest picture.
    fn stands(&self, open: Option<&TenantKey>) -> Stands {
        let tenant = open.and_then(|key| self.snapshots.borrow().tenant(key).map(Arc::clone));
        let ledger = tenant.as_ref().and_then(|tenant| {
            let contexts = self.contexts.borrow();
            let context = contexts.iter().find(|context| context.database == tenant.key.database)?;
            match context.found.by_schema.get(&tenant.schema_oid?)? {
                Found::Ledger(ledger) => Some(ledger.name.clone()),
                Found::Unclear { .. } => None,
            }
        });
        Stands { tenant, ledger, counts: open.and_then(|key| self.counts(key)) }
    }

    /// Waits until the detail is asked for or may be out of date; `measured`: what it was read of. `None` when nobody
    /// listens any more.
    async fn wait(&mut self, open: Option<&TenantKey>, measured: Stands, known: bool) -> Option<Occasion> {
        let timer = async {
            match open {
                Some(_) if known => tokio::time::sleep(EVERY).await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::pin!(timer);
        loop {
            tokio::select! {
                () = &mut timer => return Some(Occasion::Outdated),
                changed = self.open.changed() => return changed.ok().map(|()| Occasion::Outdated),
                asked = self.asked.changed() => return asked.ok().map(|()| Occasion::Asked),
                picture = self.snapshots.changed() => {
                    picture.ok()?;
                    if open.is_some() && (!known || !self.stands(open).is_same(&measured)) {
                        return Some(Occasion::Outdated);
                    }
                }
                contexts = self.contexts.changed() => {
                    contexts.ok()?;
                    if known && !self.stands(open).is_same(&measured) {
                        return Some(Occasion::Outdated);
                    }
                }
            }
        }
    }

    fn counts(&self, key: &TenantKey) -> Option<Arc<CacheCounts>> {
        let (_, counts) = self.databases.iter().find(|(target, _)| target.config.name == key.database)?;
        counts.borrow().clone()
    }
}

/// A detail of which nothing could be read.
fn unread(tenant: &Tenant, context: &JobContext, error: &FleetError) -> TenantDetail {
    TenantDetail {
        key: tenant.key.clone(),
        measured_at: jiff::Timestamp::now(),
        tables: Vec::new(),
        total_bytes: None,
        unmeasured: Unmeasured::default(),
        migrations: Vec::new(),
        cache_by_prefix: Vec::new(),
        cache_sample: Vec::new(),
        sample_unknown: None,
        jobs: Vec::new(),
        members: Vec::new(),
        health: Vec::new(),
        objects_outside: Vec::new(),
        role: None,
        why: why(tenant, &context.layout.statuses),
        problems: vec![error.to_string().into()],
    }
}

#[cfg(test)]
mod tests;
