//! The cache counter of one database: a pass now and then, far from everything else. Whatever Redis does, only its
//! column knows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::database::Message;
use crate::cache::{self, CacheCounts, CacheInput, CacheProgress};
use crate::config;
use crate::model::fleet::CacheView;
use crate::model::tenant::TenantKey;

/// Time between two passes, at least; and a pass at most a tenth of the time.
const EVERY: Duration = Duration::from_secs(300);
/// Time before a pass that failed is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// A face sees progress this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// What the counter is told by.
#[derive(Debug)]
pub struct Counter {
    /// Where Redis is.
    pub config: config::Cache,
    /// For whom to count.
    pub input: watch::Receiver<Option<Arc<CacheInput>>>,
    /// One more for each pass that is asked for.
    pub asked: watch::Receiver<u64>,
    /// The open tenant: its count is split by prefix.
    pub open: watch::Receiver<Option<TenantKey>>,
    /// The database's task.
    pub database: mpsc::Sender<Message>,
    /// The latest counts, for the open tenant's detail.
    pub counts: watch::Sender<Option<Arc<CacheCounts>>>,
}

/// Runs until nobody listens any more.
pub async fn run(mut counter: Counter) {
    let mut last_good = None;
    loop {
        let Some(input) = counter.input.wait_for(Option::is_some).await.ok().and_then(|input| input.clone()) else {
            return;
        };
        counter.asked.mark_unchanged();
        counter.input.mark_unchanged();
        let started = Instant::now();
        let wait = match counter.pass(&input, &mut last_good).await {
            Ok(()) => EVERY.max(started.elapsed() * 10),
            Err(()) => return,
        };
        let wait = if last_good.is_some() { wait } else { RETRY };
        if !counter.wait(wait).await {
            return;
        }
    }
}

impl Counter {
    /// One pass with its progress. `Err` when nobody listens any more.
    async fn pass(&self, input: &CacheInput, last_good: &mut Option<(jiff::Timestamp, u64)>) -> Result<(), ()> {
        let (progress, mut seen) = watch::channel(CacheProgress::default());
        let prefixes_of = self.open.borrow().clone();
        let pass = cache::count(&self.config, &input.patterns, Arc::clone(&input.tenants), prefixes_of, progress);
        tokio::pin!(pass);
        let mut ticks = tokio::time::interval(PROGRESS_EVERY);
        let result = loop {
            tokio::select! {
                result = &mut pass => break result,
                _ = ticks.tick() => {
                    let now = *seen.borrow_and_update();
                    let view = match last_good {
                        None => CacheView::Counting { seen: now.seen, of: now.of },
                        Some((at, keys)) => CacheView::Counted { at: *at, keys: *keys, recounting: true },
                    };
                    self.send(view, None).await?;
                }
            }
        };
        match result {
            Ok(counts) => {
                let counts = Arc::new(counts);
                let at = jiff::Timestamp::now();
                *last_good = Some((at, counts.keys));
                self.counts.send_replace(Some(Arc::clone(&counts)));
                self.send(CacheView::Counted { at, keys: counts.keys, recounting: false }, Some(counts)).await
            }
            Err(error) => {
                let last_good = last_good.take().map(|(at, _)| at);
                self.send(CacheView::Failed { why: error.message, last_good }, None).await
            }
        }
    }

    async fn send(&self, view: CacheView, counts: Option<Arc<CacheCounts>>) -> Result<(), ()> {
        self.database.send(Message::Cache(view, counts)).await.map_err(drop)
    }

    /// Waits for the next pass: its time, a question, another set of tenants, or a tenant that was opened and whose
    /// prefixes are not known. False when nobody listens any more.
    async fn wait(&mut self, time: Duration) -> bool {
        let due = tokio::time::sleep(time);
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = &mut due => return true,
                asked = self.asked.changed() => return asked.is_ok(),
                input = self.input.changed() => return input.is_ok(),
                open = self.open.changed() => {
                    if open.is_err() {
                        return false;
                    }
                    if self.lacks_prefixes() {
                        return true;
                    }
                }
            }
        }
    }

    fn lacks_prefixes(&self) -> bool {
        let open = self.open.borrow();
        let counts = self.counts.borrow();
        open.as_ref().is_some_and(|open| counts.as_ref().is_some_and(|counts| !counts.by_prefix.contains_key(open)))
    }
}
