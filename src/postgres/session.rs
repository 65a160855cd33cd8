//! Sessions: the read-only one that everything but jobs uses, and the raw one for jobs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

pub use super::cancel::{Cancel, CancelError};
pub use super::connect::Prompt;
use super::connect::{self, Life, Opened, Server};
use super::facts::{self, FactsError};
use super::words;
use crate::config;
use crate::config::conninfo::Conninfo;
use crate::config::surroundings::Surroundings;
use crate::model::ident::literal;
use crate::text::Untrusted;

/// Everything needed to open sessions of one database: where, who, how. Made once; the password is asked once.
/// Cheap to clone.
#[derive(Clone)]
pub struct Target {
    /// The database's configuration.
    pub config: Arc<config::Database>,
    /// `user@host:port/dbname` without the password, for messages.
    pub address: Untrusted,
    server: Arc<Server>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.config.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Reads the connection string, libpq's variables and the trusted certificates. Connects to nothing, and gets no
    /// password yet.
    ///
    /// # Errors
    /// When the connection string is wrong or asks for what is not supported, or the certificates cannot be read.
    pub fn resolve(config: Arc<config::Database>, around: &Surroundings) -> Result<Self, LinkError> {
        Self::resolve_with_prompt(config, around, None)
    }

    /// As [`Self::resolve`], with somebody to ask for the password where the server wants one and none is found. The
    /// question is asked once; call [`Self::log_in`] before the terminal is taken.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_with_prompt(
        config: Arc<config::Database>,
        around: &Surroundings,
        prompt: Option<Prompt>,
    ) -> Result<Self, LinkError> {
        let conninfo = Conninfo::parse(config.url.expose_secret(), around).map_err(|error| LinkError {
            kind: LinkErrorKind::Refused,
            message: Untrusted::new(format!("database {}: {error}", config.name)),
        })?;
        let address = Untrusted::new(conninfo.address());
        let mut server = connect::server(conninfo, around.home.clone(), config.password_command.clone())?;
        server.prompt = prompt;
        Ok(Self { config, address, server: Arc::new(server) })
    }

    /// Logs in and out once, so that a password is asked for now and not later.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub async fn log_in(&self) -> Result<(), LinkError> {
        self.server.open(&reader_name(&self.server)).await.map(drop)
    }

    /// The connection string as it is understood.
    #[must_use]
    pub fn conninfo(&self) -> &Conninfo {
        &self.server.conninfo
    }
}

fn reader_name(server: &Server) -> String {
    let own = concat!("tenantui/", env!("CARGO_PKG_VERSION"), " reader");
    server.conninfo.application_name.clone().unwrap_or_else(|| own.to_owned())
}

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

/// What a session turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `server_version`, as `15.20`.
    pub version: String,
    /// `server_version_num`, as 150020.
    pub version_num: u32,
    /// The session's user.
    pub user: Untrusted,
    /// The user is a superuser.
    pub superuser: bool,
    /// The key's pid equals `pg_backend_pid()`: no pooler between (poolers.md A.1).
    pub direct: bool,
    /// `pg_is_in_recovery()`.
    pub standby: bool,
    /// `pg_control_system()`'s identifier; `None` where the role may not read it.
    pub system_identifier: Option<String>,
    /// The timeline (first 8 hex digits of the WAL file name); `None` on a standby.
    pub timeline: Option<String>,
    /// The database's name.
    pub database: Untrusted,
    /// The database's oid.
    pub database_oid: u32,
    /// TLS is in use.
    pub tls: bool,
    /// Protections that the server refused or lacks, weak TLS and the like, in words.
    pub warnings: Vec<Untrusted>,
}

/// Why a session could not be opened, or was lost. Its `Display` says what failed, why, and what to do next; it
/// never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct LinkError {
    /// What kind, for the link's state machine.
    pub kind: LinkErrorKind,
    /// Host, port, user, database, the server's words, the hint.
    pub message: Untrusted,
}

/// Kinds of link errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkErrorKind {
    /// Wrong password, role or database, TLS that cannot be: trying again will not help.
    Refused,
    /// Nobody answers, or the connection broke: trying again may help.
    Unreachable,
}

/// What failed when a question was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The server refused the statement.
    #[error("{} ({sqlstate})", message.safe())]
    Server {
        /// Its code.
        sqlstate: String,
        /// Its words.
        message: Untrusted,
    },
    /// The answer did not come in time; the statement was cancelled.
    #[error("no answer within {} ms; the statement was cancelled", after.as_millis())]
    Timeout {
        /// How long we waited.
        after: Duration,
    },
    /// The link broke.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The answer was not of the expected form.
    #[error("unexpected answer: {}", what.safe())]
    Unexpected {
        /// What was wrong with it.
        what: Untrusted,
    },
}

/// One row of a simple query: text columns.
#[derive(Debug, Clone)]
pub struct TextRow {
    columns: Vec<Option<Box<str>>>,
}

impl TextRow {
    /// A row of these columns; for tests of parsers.
    #[must_use]
    pub fn new(columns: Vec<Option<Box<str>>>) -> Self {
        Self { columns }
    }

    /// The text of a column, `None` for NULL or where there is no such column.
    #[must_use]
    pub fn text(&self, index: usize) -> Option<&str> {
        self.columns.get(index).and_then(Option::as_deref)
    }

    /// A column parsed; `None` for NULL.
    ///
    /// # Errors
    /// When the text does not parse.
    pub fn parse<T: std::str::FromStr>(&self, index: usize) -> Result<Option<T>, QueryError> {
        self.text(index)
            .map(|text| {
                text.parse().map_err(|_| QueryError::Unexpected {
                    what: Untrusted::new(format!("column {} holds {text:?}", index + 1)),
                })
            })
            .transpose()
    }

    /// A boolean column (`t` or `f`); NULL and everything else is false.
    #[must_use]
    pub fn is_true(&self, index: usize) -> bool {
        self.text(index) == Some("t")
    }
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

/// The settings of readers, in milliseconds where they are times; the last is of PostgreSQL 14 and later.
fn settings(patience: Patience, version_num: u32) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", patience.limit().as_millis().to_string()),
        ("lock_timeout", "200".to_owned()),
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
    ];
    if version_num >= 140_000 {
        settings.push(("client_connection_check_interval", "2000".to_owned()));
    }
    settings
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
        let opened = target.server.open(&reader_name(&target.server)).await?;
        let mut facts = facts_in_time(target, &opened).await?;
        let settings = settings(patience, facts.version_num);
        let prelude = if facts.direct {
            let missing = apply(&opened.client, &settings).await;
            facts.warnings.extend(missing.into_iter().map(Untrusted::new));
            None
        } else {
            let local: Vec<String> = settings
                .iter()
                .filter(|(name, _)| *name != "default_transaction_read_only")
                .map(|(name, value)| format!("SET LOCAL {name} = {value}; "))
                .collect();
            Some(format!("BEGIN READ ONLY; {}", local.concat()))
        };
        let Opened { client, cancel, life, .. } = opened;
        Ok(Self { client, cancel, life, facts, patience, address: target.address.clone(), prelude })
    }

    /// What the session turned out to be.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// Sends one or more SELECT statements in one message; one list of rows for each. Cancelled (by the cancel of
    /// poolers.md B) when it takes longer than the session's patience; the session is closed then.
    ///
    /// # Errors
    /// When the server refuses one of them (none of the results is returned), or the link breaks.
    pub async fn read(&self, sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
        if let Some(why) = self.life.why() {
            return Err(QueryError::Link(why));
        }
        let wrapped = self.prelude.as_ref().map(|prelude| format!("{prelude}{sql}\n;COMMIT"));
        let limit = self.patience.limit();
        let started = tokio::time::Instant::now();
        let question = self.client.simple_query(wrapped.as_deref().unwrap_or(sql));
        match tokio::time::timeout(limit + GRACE, question).await {
            Ok(Ok(messages)) => Ok(facts::row_lists(&messages)),
            Ok(Err(error)) => {
                if wrapped.is_some() && error.as_db_error().is_some() {
                    self.leave_transaction().await;
                }
                let cancelled = error.code() == Some(&SqlState::QUERY_CANCELED);
                if cancelled && started.elapsed() >= limit {
                    return Err(QueryError::Timeout { after: limit });
                }
                let ended = if error.as_db_error().is_none() { self.life.reason().await } else { None };
                Err(words::query_error(&error, ended))
            }
            Err(_) => {
                self.give_up().await;
                Err(QueryError::Timeout { after: limit + GRACE })
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
}

async fn facts_in_time(target: &Target, opened: &Opened) -> Result<ServerFacts, LinkError> {
    let conninfo = &target.server.conninfo;
    let limit = conninfo.connect_timeout.unwrap_or(Patience::Background.limit());
    let (words, hint) = match tokio::time::timeout(limit, facts::ask(opened)).await {
        Ok(Ok(facts)) => return Ok(facts),
        Ok(Err(FactsError::Library(error))) => (words::library_words(&error), ""),
        Ok(Err(FactsError::Odd(what))) => (format!("the server's answer has {what}"), "Is it PostgreSQL?"),
        Err(_) => (
            format!("logged in, and then no answer within {} s", limit.as_secs()),
            "The server, or a connection pooler in between, is overloaded",
        ),
    };
    opened.life.cut();
    Err(words::link_error(conninfo, LinkErrorKind::Unreachable, &words, hint))
}

/// Makes the settings, reads them back, and says which are missing.
async fn apply(client: &Client, settings: &[(&str, String)]) -> Vec<String> {
    let statements: Vec<String> = settings.iter().map(|(name, value)| format!("SET {name} = {value}")).collect();
    let results = futures_util::future::join_all(statements.iter().map(|sql| client.simple_query(sql))).await;
    let mut missing = Vec::new();
    for ((name, _), result) in settings.iter().zip(results) {
        if let Err(error) = result {
            missing.push(format!("{name} cannot be set: {}", words::library_words(&error)));
        }
    }
    let names: Vec<String> = settings.iter().map(|(name, _)| literal(name)).collect();
    let sql = format!("SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({})", names.join(", "));
    match client.simple_query(&sql).await {
        Ok(messages) => {
            let rows = facts::row_lists(&messages).pop().unwrap_or_default();
            for (name, value) in settings {
                let found = rows.iter().find(|row| row.text(0) == Some(name)).and_then(|row| row.text(1));
                if found != Some(value) && !missing.iter().any(|words| words.starts_with(name)) {
                    missing.push(format!("{name} is {} although it was set to {value}", found.unwrap_or("unknown")));
                }
            }
        }
        Err(error) => missing.push(format!("settings cannot be read back: {}", words::library_words(&error))),
    }
    missing
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

/// Opens a raw session with this `application_name` (cut at 63 bytes) and no other setting. `jobs` sets its own
/// timeouts after checking that it is direct.
///
/// # Errors
/// When the server cannot be reached or will not have us.
pub async fn connect_writer(target: &Target, application_name: &str) -> Result<WriterSession, LinkError> {
    let opened = target.server.open(application_name).await?;
    let facts = facts_in_time(target, &opened).await?;
    let Opened { client, cancel, life, messages, .. } = opened;
    Ok(WriterSession { client, facts, cancel, messages, life })
}
