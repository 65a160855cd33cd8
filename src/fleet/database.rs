//! The task of one database: keeps its link and its picture, and reads what may have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::FleetError;
use super::picture::Picture;
use super::publish::Update;
use super::read::{self, Counts, LedgersOf, Scope};
use super::roles;
use super::session::Session;
use crate::cache::{CacheCounts, CacheInput};
use crate::model::fleet::CacheView;
use crate::model::server::Back;
use crate::model::tenant::{Tenant, TenantKey};
use crate::postgres::link::{Link, LinkEvent, jitter};
use crate::postgres::session::{Patience, Target};

/// Table counts and size estimates are scans of `pg_class`: at most this often, and at most a twentieth of the time.
const COUNTS_EVERY: Duration = Duration::from_secs(60);
/// The statistics that say which ledgers changed may lie: all are read again this often.
const LEDGERS_EVERY: Duration = Duration::from_secs(300);
/// Behind a reading that a job made necessary the server has this many times as long for itself as the reading took.
const RESTS: u32 = 4;
/// A question that takes longer is shown as an overdue answer.
const OVERDUE: Duration = Duration::from_secs(2);

/// What is known while more is being read is shown at most this often.
const SHOW_EVERY: Duration = Duration::from_millis(300);

/// What the task of one database is told.
#[derive(Debug)]
pub enum Message {
    /// Read everything now.
    Refresh,
    /// These tenants were changed by a job.
    Changed(Vec<TenantKey>),
    /// Time between two readings; `None` stops them.
    Every(Option<Duration>),
    /// The cache counter has news.
    Cache(CacheView, Option<Arc<CacheCounts>>),
}

/// What the task of one database is made with.
#[derive(Debug)]
pub struct Task {
    /// Its place in the configuration.
    pub index: usize,
    /// The database.
    pub target: Target,
    /// Time between two readings.
    pub every: Option<Duration>,
    /// What it is told.
    pub inbox: mpsc::Receiver<Message>,
    /// Where its part goes.
    pub updates: mpsc::Sender<Update>,
    /// What the cache counter needs of it.
    pub cache_input: watch::Sender<Option<Arc<CacheInput>>>,
}

struct Running {
    task: Task,
    session: Session,
    picture: Picture,
    link: Link,
    counted_at: Option<Instant>,
    counting_took: Duration,
    ledgers_at: Option<Instant>,
    /// When the last reading ended, and how long it took.
    read: Option<(Instant, Duration)>,
    /// A job changed what was counted.
    recount: bool,
    /// The link was lost, and not everything has been read since: for how long, and what was known before.
    gone: Option<(Duration, Arc<[Arc<Tenant>]>)>,
}

/// Runs until nobody listens any more.
pub async fn run(task: Task) {
    let mut running = Running {
        session: Session::new(task.target.clone(), Patience::Background),
        picture: Picture::new(task.target.clone()),
        link: Link::default(),
        counted_at: None,
        counting_took: Duration::ZERO,
        ledgers_at: None,
        read: None,
        recount: false,
        gone: None,
        task,
    };
    let mut everything = true;
    while running.cycle(everything).await.is_some() {
        match running.wait().await {
            Some(again) => everything = again,
            None => return,
        }
    }
}

impl Running {
    /// One reading. `None` when nobody listens any more.
    async fn cycle(&mut self, everything: bool) -> Option<()> {
        // What happened while nobody looked is not in the statistics of a server that crashed or was replaced.
        let everything = everything || !self.session.is_open();
        let due = |at: Option<Instant>, every: Duration| at.is_none_or(|at| at.elapsed() >= every);
        let scope = Scope {
            layout: everything,
            counts: if everything || due(self.counted_at, self.between_counts()) {
                Counts::Read
            } else {
                Counts::Known
            },
            ledgers: if everything || due(self.ledgers_at, LEDGERS_EVERY) {
                LedgersOf::All
            } else {
                LedgersOf::Changed
            },
        };
        if !self.session.is_open() {
            if let Some(why) = self.session.why_closed() {
                self.lost(why.into());
            }
            self.link.apply(LinkEvent::TryStarted, Timestamp::now(), jitter());
            self.send().await?;
        }
        let started = Instant::now();
        let outcome = match self.read(scope).await {
            Ok(()) if scope.counts == Counts::Read => roles::read(&mut self.session, &mut self.picture).await,
            read => read,
        };
        // Before the tenants are put together: they count as told then.
        let news = self.picture.stale;
        match outcome {
            Ok(()) => {
                if scope.counts == Counts::Read {
                    self.recount = false;
                    self.counted_at = Some(Instant::now());
                    self.counting_took = started.elapsed();
                }
                if scope.ledgers == LedgersOf::All {
                    self.ledgers_at = Some(Instant::now());
                }
                self.answered();
                self.tell_return();
            }
            Err(FleetError::Link(error)) => self.lost(error.into()),
            // A question without an answer closes its session: the link did not hold.
            Err(FleetError::Unusable(why) | FleetError::Forbidden(why)) if !self.session.is_open() => {
                self.lost(LinkEvent::Lost { why })
            }
            Err(FleetError::Unusable(why) | FleetError::Forbidden(why)) => {
                self.picture.progress = None;
                self.picture.error = Some(why);
                self.answered();
            }
        }
        self.read = Some((Instant::now(), started.elapsed()));
        self.send().await?;
        if news {
            self.tell_cache();
        }
        Some(())
    }

    /// Counting looks at every relation: it is given a twentieth of the time, and no more than once a minute where no job
    /// changed anything.
    fn between_counts(&self) -> Duration {
        let rest = self.counting_took * 20;
        if self.recount { rest } else { COUNTS_EVERY.max(rest) }
    }

    /// When a job's changes may be read: a job that changes tenant after tenant is not slowed by who watches it.
    fn after_a_rest(&self) -> Instant {
        self.read.map_or_else(Instant::now, |(ended, took)| ended + took * RESTS)
    }

    async fn read(&mut self, scope: Scope) -> Result<(), FleetError> {
        if !self.session.is_open() {
            let started = Instant::now();
            self.session.reader().await?;
            let connected = LinkEvent::Connected { latency_ms: millis(started.elapsed()) };
            let gone = self.link.apply(connected, Timestamp::now(), jitter());
            // A first picture that was late is no return.
            if let Some(gone) = gone.filter(|_| self.picture.taken_at.is_some()) {
                let before = self.gone.take();
                let known = before.as_ref().map_or_else(|| self.picture.tenants(), |(_, known)| Arc::clone(known));
                self.gone = Some((gone + before.map_or(Duration::ZERO, |(earlier, _)| earlier), known));
            }
        }
        let updates = self.task.updates.clone();
        let index = self.task.index;
        let link = &mut self.link;
        let started = Instant::now();
        // When the last answer came, in milliseconds since then.
        let last = AtomicU64::new(0);
        let mut shown: Option<Instant> = None;
        let mut show = |picture: &mut Picture| {
            let waiting = waiting(started, &last);
            last.store(u64::from(millis(started.elapsed())), Ordering::Relaxed);
            let event = if waiting > OVERDUE {
                LinkEvent::Overdue { waiting_ms: millis(waiting) }
            } else {
                LinkEvent::Answered { latency_ms: link_latency(link) }
            };
            link.apply(event, Timestamp::now(), jitter());
            // To put a picture together costs time that the face needs, too.
            if shown.is_some_and(|at| at.elapsed() < SHOW_EVERY) {
                return;
            }
            shown = Some(Instant::now());
            picture.link = link.state().clone();
            // A face that is busy gets the next one: the last of a reading is always delivered.
            let _busy = updates.try_send(Update::Part(index, Box::new(picture.part())));
            // More is being read behind it.
            picture.stale = true;
        };
        let reading = read::refresh(&mut self.session, &mut self.picture, scope, &mut show);
        tokio::pin!(reading);
        loop {
            tokio::select! {
                ended = &mut reading => return ended,
                () = tokio::time::sleep(OVERDUE) => {}
            }
            let waiting = waiting(started, &last);
            if waiting >= OVERDUE {
                let _busy = self.task.updates.try_send(Update::Waiting(index, millis(waiting)));
            }
        }
    }

    /// The reading is done: the latency in the header is that of its first and cheapest question.
    fn answered(&mut self) {
        let latency_ms = millis(self.picture.answered_in);
        self.link.apply(LinkEvent::Answered { latency_ms }, Timestamp::now(), jitter());
    }

    fn lost(&mut self, event: LinkEvent) {
        self.session.close();
        self.picture.progress = None;
        self.link.apply(event, Timestamp::now(), jitter());
    }

    /// Everything was read anew after the link had been gone: how long that was, and how much is different.
    fn tell_return(&mut self) {
        let Some((gone, known)) = self.gone.take() else { return };
        // Puts the tenants together.
        self.picture.part();
        let rows_changed = rows_changed(&known, &self.picture.tenants());
        self.picture.back = Some(Back { at: Timestamp::now(), gone_seconds: gone.as_secs(), rows_changed });
    }

    /// Publishes the part. `None` when nobody listens any more.
    async fn send(&mut self) -> Option<()> {
        self.picture.link = self.link.state().clone();
        let part = Box::new(self.picture.part());
        self.task.updates.send(Update::Part(self.task.index, part)).await.ok()
    }

    fn tell_cache(&self) {
        if self.picture.layout.is_none() || self.picture.config().cache.is_none() {
            return;
        }
        let input = self.picture.cache_input();
        self.task.cache_input.send_if_modified(|known| {
            let same = known.as_deref() == Some(&input);
            if !same {
                *known = Some(Arc::new(input));
            }
            !same
        });
    }

    /// Waits for the next reading. True: everything is to be read; `None`: nobody listens any more.
    async fn wait(&mut self) -> Option<bool> {
        let mut due = self.next_reading();
        loop {
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                () = timer => return Some(false),
                message = self.task.inbox.recv() => message?,
                // Told at once, and with the server's own reason.
                why = self.session.ended() => {
                    self.lost(why.into());
                    self.send().await?;
                    due = self.next_reading();
                    continue;
                }
            };
            match message {
                Message::Refresh => {
                    self.link.apply(LinkEvent::RetryNow, Timestamp::now(), jitter());
                    return Some(true);
                }
                Message::Changed(keys) => {
                    self.mark_outdated(&keys);
                    due = Some(due.map_or_else(|| self.after_a_rest(), |due| due.min(self.after_a_rest())));
                }
                Message::Every(every) => {
                    self.task.every = every;
                    due = self.next_reading();
                }
                Message::Cache(view, counts) => {
                    self.picture.cache = view;
                    self.picture.stale |= counts.is_some();
                    self.picture.cache_counts = counts.or(self.picture.cache_counts.take());
                    self.send().await?;
                }
            }
        }
    }

    fn next_reading(&self) -> Option<Instant> {
        if let Some(wait) = self.link.wait(Timestamp::now()) {
            return Some(Instant::now() + wait);
        }
        if !self.link.state().is_up() {
            return None;
        }
        let usual = self.task.every.map(|every| Instant::now() + every);
        // What a job changed is counted as soon as its turn comes.
        let recount = self.counted_at.filter(|_| self.recount).map(|at| at + self.between_counts());
        [usual, recount].into_iter().flatten().min()
    }

    /// What a job changed is read again whatever the statistics say.
    fn mark_outdated(&mut self, keys: &[TenantKey]) {
        let changed = self.picture.base.iter().filter(|tenant| keys.contains(&tenant.key));
        self.picture.outdated.extend(changed.filter_map(|tenant| tenant.schema_oid));
        self.recount = true;
        self.picture.pulse = None;
    }
}

/// Tenants that came, went or differ.
fn rows_changed(before: &[Arc<Tenant>], now: &[Arc<Tenant>]) -> u32 {
    let known: HashMap<&TenantKey, &Arc<Tenant>> = before.iter().map(|tenant| (&tenant.key, tenant)).collect();
    let kept = now.iter().filter(|tenant| known.contains_key(&tenant.key)).count();
    let same = now.iter().filter(|tenant| known.get(&tenant.key).is_some_and(|before| before == tenant)).count();
    u32::try_from(before.len() - kept + now.len() - same).unwrap_or(u32::MAX)
}

/// How long the answer that is awaited has been so.
fn waiting(started: Instant, last: &AtomicU64) -> Duration {
    started.elapsed().saturating_sub(Duration::from_millis(last.load(Ordering::Relaxed)))
}

fn link_latency(link: &Link) -> u32 {
    use crate::model::link::LinkState;
    match link.state() {
        LinkState::Up { latency_ms } => *latency_ms,
        LinkState::Connecting | LinkState::Slow { .. } | LinkState::Lost { .. } | LinkState::Refused { .. } => 0,
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
