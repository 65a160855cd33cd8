//! Removes the cache keys of one tenant when an operator says so: not a job of the record, because nothing of it can be
//! gone on with but by doing it again. Intent and outcome are in the audit, where there is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::errands::Clerk;
use super::gate;
use super::life::trash;
use super::orders::OrderError;
use super::who;
use crate::cache::{self, CacheError, CacheInput, Unlinked};
use crate::layout::Layout;
use crate::model::flush::FlushState;
use crate::model::ident::literal;
use crate::model::job::JobEvent;
use crate::model::tenant::{Tenant, TenantKey};
use crate::postgres::hidden::hidden_rows;
use crate::postgres::session::{Patience, Reader, Target, WriterSession};
use crate::text::{Untrusted, counted};

/// The order of a removal: frozen when the dialog opened.
#[derive(Debug, Clone)]
pub struct FlushOrder {
    /// Whose keys.
    pub tenant: TenantKey,
    /// Its slug, which the operator typed.
    pub slug: Untrusted,
    /// Its schema, for the audit.
    pub schema: Option<Untrusted>,
    /// The layout, for the patterns.
    pub layout: Arc<Layout>,
    /// All tenants of the database: a key that fits another one better is that one's.
    pub tenants: Vec<Arc<Tenant>>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushEnd {
    /// To its end.
    Done(Unlinked),
    /// By a stop.
    Stopped(Unlinked),
}

/// Why keys were not removed, or not all of them. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// The cache did not do it: absent, slow, gone, or its user may not. What was removed until then is said.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It was not begun, or its end could not be written into the audit.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// Removes the keys. `stop` becomes true to stop after the piece that is under way; `told` hears the numbers.
///
/// # Errors
/// When the database is read-only for whatever reason, the audit cannot be written, or the cache does not do it.
pub async fn run(
    target: &Target,
    order: &FlushOrder,
    mut stop: watch::Receiver<bool>,
    mut told: impl FnMut(Unlinked) + Send,
) -> Result<FlushEnd, FlushError> {
    gate::writable(target)?;
    let Some(cache) = &target.config.cache else {
        return Err(gate::refused(format!("no cache is configured for {}", target.config.name)).into());
    };
    let reader = Reader::open(target, Patience::Background).await.map_err(OrderError::from)?;
    if let Some(hidden) = hidden_rows(&reader, &order.layout).await.map_err(OrderError::from)? {
        let why = format!("nothing was removed: which keys are another tenant's is not known: {}", hidden.words());
        return Err(gate::refused(why).into());
    }
    let dropped = trash::list(&reader, &target.config.name).await.map_err(|error| {
        let why = OrderError::from(error);
        gate::refused(format!("nothing was removed: which keys are those of a dropped tenant is not known: {why}"))
    })?;
    drop(reader);
    let session = gate::open(target, None).await?;
    let audited = match gate::initialised(target, &session).await {
        Ok(()) => true,
        Err(OrderError::NotInitialised(_)) => false,
        Err(error) => return Err(error.into()),
    };
    if audited {
        audit(&session, order, Unlinked::default(), "requested", None).await?;
    }
    drop(session);
    let input = CacheInput::of(Some(cache), &order.layout.cache_keys, order.tenants.iter().map(|tenant| &**tenant))
        .with_trash(&dropped);
    let mut so_far = Unlinked::default();
    let work = cache::unlink(cache, &input.patterns, &order.tenant, input.tenants, |now| {
        so_far = now;
        told(now);
    });
    let ended = tokio::select! {
        ended = work => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let (outcome, numbers, why) = match &ended {
        Some(Ok(done)) => ("done", *done, None),
        Some(Err(error)) => ("failed", so_far, Some(error.to_string())),
        None => ("stopped", so_far, None),
    };
    if audited && let Err(error) = say_end(target, order, numbers, outcome, why.as_deref()).await {
        let removed = counted(numbers.deleted, "key");
        return Err(gate::refused(format!(
            "{removed} removed ({outcome}), but the audit has only the intent: {error}"
        ))
        .into());
    }
    match ended {
        Some(Ok(done)) => Ok(FlushEnd::Done(done)),
        Some(Err(error)) => Err(error.into()),
        None => Ok(FlushEnd::Stopped(so_far)),
    }
}

/// On a session of its own: the first may have timed out while Redis worked.
async fn say_end(
    target: &Target,
    order: &FlushOrder,
    numbers: Unlinked,
    outcome: &str,
    why: Option<&str>,
) -> Result<(), OrderError> {
    let session = gate::open(target, None).await?;
    audit(&session, order, numbers, outcome, why).await
}

async fn audit(
    session: &WriterSession,
    order: &FlushOrder,
    numbers: Unlinked,
    outcome: &str,
    why: Option<&str>,
) -> Result<(), OrderError> {
    let (os_user, outcome) = (literal(&who::os_user()), literal(outcome));
    let name = literal(order.schema.as_ref().unwrap_or(&order.slug).raw());
    let after = match why {
        Some(why) => {
            format!("pg_catalog.jsonb_build_object('removed', {}, 'error', {})", numbers.deleted, literal(why))
        }
        None => format!("pg_catalog.jsonb_build_object('removed', {}, 'kept', {})", numbers.deleted, numbers.shared),
    };
    let sql = format!(
        "INSERT INTO tenantui.audit (os_user, action, target, after, outcome) VALUES ({os_user}, 'flush', {name}, {after}, \
         {outcome})"
    );
    gate::ask(session, &sql).await?;
    Ok(())
}

/// The removals of one database's service: one at a time, beside its jobs.
pub(super) struct Flushes {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// One is under way. A task may outlive what it does by the time that telling its end takes.
    busy: Arc<AtomicBool>,
}

/// Held while a removal is under way, whatever ends it.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Default for Flushes {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), stop: watch::Sender::new(false), busy: Arc::default() }
    }
}

impl Flushes {
    /// Begins one, and tells how it goes.
    pub(super) fn begin(&mut self, clerk: &Clerk, order: FlushOrder) {
        let clerk = clerk.clone();
        if self.busy.swap(true, Ordering::AcqRel) {
            let why = "the keys of another tenant are being removed; stop that, or wait for its end";
            self.tasks.spawn(async move { clerk.flush_told(&order, FlushState::Failed { why: why.into() }).await });
            return;
        }
        self.stop.send_replace(false);
        let (stop, busy) = (self.stop.subscribe(), Busy(Arc::clone(&self.busy)));
        self.tasks.spawn(async move {
            let (numbers, mut seen) = watch::channel(Unlinked::default());
            let work = run(&clerk.target, &order, stop, move |now| {
                numbers.send_replace(now);
            });
            tokio::pin!(work);
            clerk.flush_told(&order, FlushState::Running { removed: 0 }).await;
            let ended = loop {
                tokio::select! {
                    ended = &mut work => break ended,
                    Ok(()) = seen.changed() => {
                        let removed = seen.borrow_and_update().deleted;
                        clerk.flush_told(&order, FlushState::Running { removed }).await;
                    }
                }
            };
            drop(busy);
            clerk.flush_told(&order, state_of(ended)).await;
        });
    }

    /// Stops what is under way.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The end of one; never where there is none.
    pub(super) async fn ended(&mut self) -> Result<(), JoinError> {
        match self.tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Whether one is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }
}

fn state_of(ended: Result<FlushEnd, FlushError>) -> FlushState {
    match ended {
        Ok(FlushEnd::Done(done)) => FlushState::Done { removed: done.deleted, kept: done.shared },
        Ok(FlushEnd::Stopped(done)) => FlushState::Stopped { removed: done.deleted },
        Err(error) => FlushState::Failed { why: Untrusted::new(error.to_string()) },
    }
}

impl Clerk {
    async fn flush_told(&self, order: &FlushOrder, state: FlushState) {
        let (tenant, slug) = (order.tenant.clone(), order.slug.clone());
        // A face that is gone needs no telling.
        let _gone = self.events.send(JobEvent::Flush { tenant, slug, state }).await;
    }
}
