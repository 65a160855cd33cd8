//! Sessions: the read-only one that everything but jobs uses, and the raw one for jobs.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

pub use super::cancel::{Cancel, CancelError};
pub use super::connect::Prompt;
use super::connect::{Life, Opened};
pub use super::errors::{LinkError, LinkErrorKind, QueryError, TextRow};
pub use super::facts::{SUPERUSER, ServerFacts};
pub use super::pooling::Pooling;
use super::target::reader_name;
pub use super::target::{Neighbours, Target};
use super::{facts, settings, words};
use crate::text::Untrusted;

/// What a server says without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// RAISE NOTICE and the like.
    Notice {
        /// `NOTICE`, `WARNING`..., in the server's language.
        severity: String,
        /// Its code.
        sqlstate: String,
        /// Its words.
        message: Untrusted,
    },
    /// NOTIFY on a channel that this session listens to.
    Notification {
        /// The channel.
        channel: Untrusted,
        /// What was sent.
        payload: Untrusted,
    },
}

/// How long a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The dashboard waits for it: statement_timeout 5 s.
    Foreground,
    /// The background collector: 60 s.
    Background,
}

impl Patience {
    /// The limit of one statement, and of a whole message as the client waits for it.
    #[must_use]
    pub const fn limit(self) -> Duration {
        match self {
            Self::Foreground => Duration::from_secs(5),
            Self::Background => Duration::from_secs(60),
        }
    }
}

/// Time beyond the patience in which the server's own timeout is expected to arrive.
const GRACE: Duration = Duration::from_secs(1);

/// The SQLSTATE with which a standby cancels a read that is in the way of its replay.
const RECOVERY_CONFLICT: &str = "40001";
/// How long the replay is left alone before the second try.
const AFTER_CONFLICT: Duration = Duration::from_millis(200);
/// The SQLSTATE of a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// On a standby an exclusive lock is the primary's, held by the process that replays it.
fn of_standby(error: QueryError) -> QueryError {
    match error {
        QueryError::Server { sqlstate, message } if sqlstate == LOCK_NOT_AVAILABLE => {
            let words = format!("blocked by replay of an exclusive lock of the primary: {}", message.raw());
            QueryError::Server { sqlstate, message: Untrusted::new(words) }
        }
        other @ (QueryError::Server { .. }
        | QueryError::Timeout { .. }
        | QueryError::Link(_)
        | QueryError::Unexpected { .. }) => other,
    }
}

/// A read-only session. It sends simple queries only (safe behind any pooler) and has no way to write.
pub struct Reader {
    client: Client,
    cancel: Cancel,
    life: Life,
    facts: ServerFacts,
    patience: Patience,
    address: Untrusted,
    /// What each message starts with behind a pooler, where no setting of a session may be made.
    prelude: Option<String>,
    /// A message behind a pooler whose answer was not waited for: its transaction may still be open.
    unfinished: AtomicBool,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("address", &self.address).field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a session: connects, finds out whether it is direct, then applies the read-only settings
    /// (lock_timeout 200 ms, default_transaction_read_only); behind a pooler each read carries them itself.
    ///
    /// # Errors
    /// When the server cannot be reached or will not have us.
    pub async fn open(target: &Target, patience: Patience) -> Result<Self, LinkError> {
        let opened = target.connect(&reader_name(&target.server)).await?;
        let mut facts = facts::ask_in_time(target, &opened).await?;
        let settings = settings::of(patience, facts.version_num);
        let prelude = if facts.direct {
            make(target, &opened, &settings, &mut facts).await?;
            None
        } else {
            Some(settings::prelude(&settings))
        };
        let Opened { host, client, cancel, life, .. } = opened;
        Ok(Self {
            client,
            cancel,
            life,
            facts,
            patience,
            address: target.address_of(host),
            prelude,
            unfinished: AtomicBool::new(false),
        })
    }

    /// What the session turned out to be.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// Sends one or more SELECT statements in one message; one list of rows for each. Cancelled (by the cancel of
    /// poolers.md B) when it takes longer than the session's patience; the session is closed then. What a standby
    /// cancels because it had to replay is asked once more.
    ///
    /// # Errors
    /// When the server refuses one of them (none of the results is returned), or the link breaks.
    pub async fn read(&self, sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
        self.read_within(sql, self.patience.limit() + GRACE).await
    }

    async fn read_within(&self, sql: &str, limit: Duration) -> Result<Vec<Vec<TextRow>>, QueryError> {
        let answer = match self.ask(sql, limit).await {
            Err(QueryError::Server { sqlstate, .. }) if sqlstate == RECOVERY_CONFLICT && !self.is_closed() => {
                if self.prelude.is_none() {
                    // The message may have opened a transaction of its own.
                    self.leave_transaction().await;
                }
                // The replay that cancelled it is behind and waits for nobody now.
                tokio::time::sleep(AFTER_CONFLICT).await;
                self.ask(sql, limit).await
            }
            answer => answer,
        };
        answer.map_err(|error| if self.facts.standby { of_standby(error) } else { error })
    }

    async fn ask(&self, sql: &str, limit: Duration) -> Result<Vec<Vec<TextRow>>, QueryError> {
        if let Some(why) = self.life.why() {
            return Err(QueryError::Link(why));
        }
        if self.unfinished.swap(self.prelude.is_some(), Ordering::Relaxed) {
            self.leave_transaction().await;
        }
        let wrapped = self.prelude.as_ref().map(|prelude| format!("{prelude}{sql}\n;COMMIT"));
        let started = tokio::time::Instant::now();
        let question = self.client.simple_query(wrapped.as_deref().unwrap_or(sql));
        match tokio::time::timeout(limit, question).await {
            Ok(Ok(messages)) => {
                self.unfinished.store(false, Ordering::Relaxed);
                Ok(facts::row_lists(&messages))
            }
            Ok(Err(error)) => {
                if wrapped.is_some() && error.as_db_error().is_some() {
                    self.leave_transaction().await;
                    self.unfinished.store(false, Ordering::Relaxed);
                }
                let cancelled = error.code() == Some(&SqlState::QUERY_CANCELED);
                if cancelled && started.elapsed() >= self.patience.limit() {
                    return Err(QueryError::Timeout { after: self.patience.limit() });
                }
                let ended = if error.as_db_error().is_none() { self.life.reason().await } else { None };
                Err(words::query_error(&error, ended))
            }
            Err(_) => {
                // A question that is given less time than the session's patience is small: there is nothing to cancel.
                if limit < self.patience.limit() {
                    self.life.cut();
                } else {
                    self.give_up().await;
                }
                Err(QueryError::Timeout { after: limit })
            }
        }
    }

    /// Behind a pooler a refused message leaves its transaction open, and with it the server's connection.
    async fn leave_transaction(&self) {
        let rollback = self.client.simple_query("ROLLBACK");
        if !matches!(tokio::time::timeout(GRACE, rollback).await, Ok(Ok(_))) {
            self.life.cut();
        }
    }

    /// The answer is overdue: cancels, and closes the session, whose state is unknown from now on.
    async fn give_up(&self) {
        if let Err(error) = self.cancel.cancel().await {
            tracing::warn!("{}: {error}", self.address.safe());
        }
        self.life.cut();
    }

    /// One statement's rows.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn rows(&self, sql: &str) -> Result<Vec<TextRow>, QueryError> {
        Ok(self.read(sql).await?.pop().unwrap_or_default())
    }

    /// As [`Self::rows`], for a question that is answered within `limit` or by a link that does not work.
    ///
    /// # Errors
    /// As [`Self::read`]; the session is closed where no answer came in time.
    pub async fn rows_within(&self, sql: &str, limit: Duration) -> Result<Vec<TextRow>, QueryError> {
        Ok(self.read_within(sql, limit).await?.pop().unwrap_or_default())
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Why the connection is gone; `None` while it lives.
    #[must_use]
    pub fn why_closed(&self) -> Option<LinkError> {
        self.life.why()
    }

    /// Becomes `Some` when the connection ends.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<LinkError>> {
        self.life.ended.clone()
    }
}

/// A session that may write: for `jobs`, `migrations::apply` and `demo` only.
pub struct WriterSession {
    /// The client.
    pub client: Client,
    /// What it turned out to be.
    pub facts: ServerFacts,
    /// The cancel that waits; never use the client's own.
    pub cancel: Cancel,
    /// Notices and notifications, for whoever wants them; the newest are dropped when nobody takes them.
    pub messages: mpsc::Receiver<ServerMessage>,
    life: Life,
}

impl fmt::Debug for WriterSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterSession").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl WriterSession {
    /// Why the connection is gone; `None` while it lives. The client's own errors say only that it is closed.
    #[must_use]
    pub fn why_closed(&self) -> Option<LinkError> {
        self.life.why()
    }

    /// Becomes `Some` when the connection ends.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<LinkError>> {
        self.life.ended.clone()
    }

    /// Cuts the connection at once, without a goodbye.
    pub fn cut(&self) {
        self.life.cut();
    }

    /// An error of the client as a question's error, with the reason where the connection is gone.
    pub async fn explain(&self, error: &tokio_postgres::Error) -> QueryError {
        let ended = if error.as_db_error().is_none() { self.life.reason().await } else { None };
        words::query_error(error, ended)
    }
}

/// Makes settings of a session that keeps them; those that the server lacks or refuses become warnings.
async fn make(
    target: &Target,
    opened: &Opened,
    settings: &[(&str, String)],
    facts: &mut ServerFacts,
) -> Result<(), LinkError> {
    match settings::apply(&opened.client, settings).await {
        Ok(missing) => {
            facts.warnings.extend(missing.into_iter().map(Untrusted::new));
            Ok(())
        }
        Err(settings::NoAnswer) => {
            opened.life.cut();
            let words = "logged in, and then no answer to its settings";
            Err(words::link_error(
                &target.server.host(opened.host).conninfo,
                LinkErrorKind::Unreachable,
                words,
                "Is the way there slow or stalled?",
            ))
        }
    }
}

/// Opens a raw session with this `application_name` (cut at 63 bytes) and, where a session keeps settings, our own
/// search path; no other setting. `jobs` sets its own timeouts.
///
/// # Errors
/// When the server cannot be reached or will not have us.
pub async fn connect_writer(target: &Target, application_name: &str) -> Result<WriterSession, LinkError> {
    let opened = target.connect(application_name).await?;
    let mut facts = facts::ask_in_time(target, &opened).await?;
    if facts.pooling.keeps_sessions() {
        let (name, path) = settings::SEARCH_PATH;
        make(target, &opened, &[(name, path.to_owned())], &mut facts).await?;
    }
    let Opened { client, cancel, life, messages, .. } = opened;
    Ok(WriterSession { client, facts, cancel, messages, life })
}
