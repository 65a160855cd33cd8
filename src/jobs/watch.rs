//! Watching the jobs of one database, whoever runs them: what the dashboard's service, `job ID follow` and the worker
//! are told. `LISTEN tenantui` only wakes; looking is the truth, so a job whose worker was killed shows at the next
//! look. Must not write, and must not decide what happens to a job.
//!
//! One session per watch. Where the connection is direct it listens and is looked through; behind a pooler or on a
//! standby nothing is listened to, and looks come more often instead. A look is one small statement; jobs and steps
//! are read only where it shows that they changed.

mod look;
mod steps;

use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use self::look::{Jobs, Wakes};
use super::who;
use crate::migrations::apply::wire;
use crate::model::job::{JobEvent, JobId, JobView, LogLine};
use crate::postgres::session::{
    LinkError, LinkErrorKind, Patience, QueryError, Reader, ServerMessage, Target, TextRow, WriterSession,
    connect_writer,
};
use crate::text::Untrusted;

/// Time between two looks while a job is live. With the look itself it stays under the two seconds within which an
/// orphan has to show.
const LIVE: Duration = Duration::from_millis(1_500);
/// Time between two looks while nothing is live and notifications would wake us: also the session's heartbeat.
const IDLE: Duration = Duration::from_secs(10);
/// How long a look may take before the session counts as lost.
const ANSWER: Duration = Duration::from_secs(5);
/// Time to the next look after one that the server refused (a role that may not read the record).
const REFUSED_LOOK: Duration = Duration::from_secs(30);
/// Notifications come in bursts: one look serves all that arrive within this time.
const BURST: Duration = Duration::from_millis(50);
/// The first and the longest pause before the next try to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The pause where the server will not have us: another try helps only once somebody has changed something.
const REFUSED: Duration = Duration::from_secs(300);

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A job that was not known, or that changed.
    Job(Box<JobView>),
    /// A step ended of a job that another process runs.
    Line(LogLine),
    /// So many ended steps were left out.
    LinesLeftOut(u64),
    /// The link is there, and all that is live has been told; comes again after each lost link.
    Watching,
    /// The link is gone; it is tried again by itself. Told once until it is back.
    Lost(LinkError),
}

/// What to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All jobs of the database.
    All,
    /// This one.
    Only(JobId),
}

/// A running watch; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    nudge: std::sync::Arc<Notify>,
}

impl Watch {
    /// Looks soon, and tries a link again that was refused.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a watch that tells `sights`.
#[must_use]
pub fn spawn(target: Target, wanted: Wanted, sights: mpsc::Sender<Sight>) -> Watch {
    let nudge = std::sync::Arc::new(Notify::new());
    let nudged = std::sync::Arc::clone(&nudge);
    let task = tokio::spawn(async move {
        let gone = sights.clone();
        let watcher = Watcher { jobs: Jobs::new(target.config.name.clone(), wanted), target, sights, nudge: nudged };
        tokio::select! {
            () = watcher.run() => {}
            () = gone.closed() => {}
        }
    });
    Watch { task, nudge }
}

/// Starts a watch of all jobs for a face that takes job events. Of the link it is silent: the face hears of that from
/// what reads the fleet.
#[must_use]
pub fn tell(target: Target, events: mpsc::Sender<JobEvent>) -> Watch {
    let (sights, mut seen) = mpsc::channel(64);
    let mut watch = spawn(target, Wanted::All, sights);
    let inner = std::mem::replace(
        &mut watch.task,
        tokio::spawn(async move {
            while let Some(sight) = seen.recv().await {
                let event = match sight {
                    Sight::Job(view) => JobEvent::Job(view),
                    Sight::Line(line) => JobEvent::Log(line),
                    Sight::LinesLeftOut(count) => JobEvent::LogDropped(count),
                    Sight::Watching | Sight::Lost(_) => continue,
                };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }),
    );
    // The inner task ends with its receiver.
    drop(inner);
    watch
}

/// The session of a watch.
enum Eye {
    /// Direct: listens, too.
    Listening(WriterSession),
    /// Behind a pooler, or on a standby.
    Looking(Reader),
}

struct Watcher {
    target: Target,
    sights: mpsc::Sender<Sight>,
    jobs: Jobs,
    nudge: std::sync::Arc<Notify>,
}

impl Watcher {
    async fn run(mut self) {
        let mut pause = PAUSES.0;
        let mut told_lost = false;
        loop {
            let error = match Eye::open(&self.target).await {
                Ok(mut eye) => match self.watch(&mut eye, &mut told_lost, &mut pause).await {
                    Some(error) => error,
                    None => return,
                },
                Err(error) => error,
            };
            let wait = match error.kind {
                LinkErrorKind::Refused => REFUSED,
                LinkErrorKind::Unreachable => pause,
            };
            if !told_lost {
                told_lost = true;
                if self.sights.send(Sight::Lost(error)).await.is_err() {
                    return;
                }
            }
            // A nudge that came while the link was there means nothing for the next one.
            let _ = timeout(wait, self.nudge.notified()).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Looks until the link is lost (why), or until nobody is there to be told (`None`).
    async fn watch(&mut self, eye: &mut Eye, told_lost: &mut bool, pause: &mut Duration) -> Option<LinkError> {
        let mut wakes = Wakes::default();
        let mut first = true;
        loop {
            let looked = self.jobs.look(eye, &wakes).await;
            let quiet = matches!(eye, Eye::Listening(_)) && !self.jobs.any_live();
            let mut next = Instant::now() + if quiet { IDLE } else { LIVE };
            let sights = match looked {
                Ok(sights) => sights,
                Err(QueryError::Link(error)) => return Some(error),
                Err(error) => {
                    // A look that is refused or slow says nothing of the link.
                    tracing::warn!(database = %self.target.config.name, %error, "the jobs could not be looked at");
                    next = Instant::now() + if may_pass(&error) { LIVE } else { REFUSED_LOOK };
                    Vec::new()
                }
            };
            for sight in sights {
                self.sights.send(sight).await.ok()?;
            }
            if std::mem::take(&mut first) {
                (*told_lost, *pause) = (false, PAUSES.0);
                self.sights.send(Sight::Watching).await.ok()?;
            }
            wakes = Wakes::default();
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.nudge.notified() => {}
                heard = eye.heard(&mut wakes) => if let Err(error) = heard {
                    return Some(error);
                },
            }
        }
    }
}

/// Whether the next look may well be answered: a lock or a cancel was in the way of this one (somebody upgrades the
/// record, the server is busy, a replay went on), and not a privilege. What happens meanwhile has to show in time.
fn may_pass(error: &QueryError) -> bool {
    match error {
        QueryError::Timeout { .. } | QueryError::Link(_) => true,
        QueryError::Server { sqlstate, .. } => {
            let class = sqlstate.get(..2).unwrap_or_default();
            matches!(sqlstate.as_str(), "55P03" | "57014") || matches!(class, "40" | "53")
        }
        QueryError::Unexpected { .. } => false,
    }
}

impl Eye {
    async fn open(target: &Target) -> Result<Self, LinkError> {
        let session = connect_writer(target, &format!("tenantui {} watch", who::os_user())).await?;
        if !session.facts.direct || session.facts.standby {
            drop(session);
            return Reader::open(target, Patience::Foreground).await.map(Self::Looking);
        }
        // Nothing is ever written here, and the session may stay silent for as long as it likes.
        let mut sql = String::from(
            "SET default_transaction_read_only = on; SET statement_timeout = '5s'; SET lock_timeout = '200ms'; \
             SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;",
        );
        if session.facts.version_num >= 140_000 {
            sql.push_str(" SET idle_session_timeout = 0; SET client_connection_check_interval = '2s';");
        }
        sql.push_str(" LISTEN tenantui;");
        match wire::ask(&session.client, &sql, ANSWER).await {
            Ok(_) => Ok(Self::Listening(session)),
            Err(trouble) => {
                let why = Untrusted::new(format!("{}: {}", target.config.name, trouble.message().raw()));
                Err(LinkError { kind: LinkErrorKind::Unreachable, message: why })
            }
        }
    }

    /// One message; one list of rows for each of its statements.
    async fn read(&self, sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
        match self {
            Self::Listening(session) => Ok(wire::ask(&session.client, sql, ANSWER).await?),
            Self::Looking(reader) => reader.read(sql).await,
        }
    }

    /// Waits for notifications, and for those that come right after. An error: the session is gone.
    async fn heard(&mut self, wakes: &mut Wakes) -> Result<(), LinkError> {
        let Self::Listening(session) = self else { return std::future::pending().await };
        loop {
            match session.messages.recv().await {
                Some(ServerMessage::Notification { payload, .. }) => {
                    wakes.add(&payload);
                    break;
                }
                Some(ServerMessage::Notice { .. }) => {}
                None => {
                    let message = Untrusted::new("the session that watches jobs ended");
                    let lost = LinkError { kind: LinkErrorKind::Unreachable, message };
                    return Err(session.why_closed().unwrap_or(lost));
                }
            }
        }
        let end = Instant::now() + BURST;
        while let Ok(Some(message)) = tokio::time::timeout_at(end, session.messages.recv()).await {
            match message {
                ServerMessage::Notification { payload, .. } => wakes.add(&payload),
                ServerMessage::Notice { .. } => {}
            }
        }
        Ok(())
    }
}
