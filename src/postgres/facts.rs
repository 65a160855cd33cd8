//! What a session turned out to be, asked with statements that every role may run behind every pooler.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::connect::{Opened, Server};
use super::errors::{LinkError, LinkErrorKind, TextRow};
use super::pooling::{self, Finding, Pooling};
use super::session::Patience;
use super::{target::Target, words};
use crate::config;
use crate::model::server::ServerIdentity;
use crate::text::Untrusted;

/// The warning of a role that may do everything.
pub const SUPERUSER: &str = "the role is a superuser";

/// What a session turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Which of the connection string's hosts, from 0.
    pub host: usize,
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
    /// What stands in between, the operator's word for it considered.
    pub pooling: Pooling,
    /// What was found out about the pooler in between, in words; `None` where there is none.
    pub pooler_note: Option<Untrusted>,
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

impl ServerFacts {
    /// Which server and database this is.
    #[must_use]
    pub fn identity(&self) -> ServerIdentity {
        ServerIdentity {
            system_identifier: self.system_identifier.clone(),
            database_oid: self.database_oid,
            timeline: self.timeline.clone(),
        }
    }

    /// Whether LISTEN works here: a standby refuses it, and behind a pooler that keeps no sessions it is taken
    /// without an error, nothing ever arrives, and strangers get what was meant for us.
    #[must_use]
    pub const fn may_listen(&self) -> bool {
        !self.standby && self.pooling.keeps_sessions()
    }

    /// Why nothing is written through this session and what to do, where that is so.
    #[must_use]
    pub const fn read_only_why(&self) -> Option<&'static str> {
        if self.standby {
            Some("the server is a standby; connect to the primary to write")
        } else {
            self.pooling.read_only_why()
        }
    }
}

const FACTS: &str = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version'), \
    pg_catalog.current_setting('server_version_num'), CURRENT_USER, pg_catalog.current_setting('is_superuser'), \
    pg_catalog.pg_is_in_recovery(), pg_catalog.current_database(), \
    (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())";

/// May be refused: `pg_control_system` can be revoked.
const SYSTEM: &str = "SELECT system_identifier FROM pg_catalog.pg_control_system()";

/// Refused on a standby.
const TIMELINE: &str = "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)";

/// Rows of all statements of a simple query that have rows, one list for each.
pub(super) fn row_lists(messages: &[SimpleQueryMessage]) -> Vec<Vec<TextRow>> {
    let mut lists: Vec<Vec<TextRow>> = Vec::new();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(_) => lists.push(Vec::new()),
            SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|index| row.get(index).map(Into::into)).collect();
                if let Some(list) = lists.last_mut() {
                    list.push(TextRow::new(columns));
                }
            }
            _ => {}
        }
    }
    lists
}

/// The first row of one statement's answer.
pub(super) async fn first_row(client: &Client, sql: &str) -> Result<Option<TextRow>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    Ok(row_lists(&messages).into_iter().next().and_then(|rows| rows.into_iter().next()))
}

/// The server's process id as a statement sees it.
pub(super) async fn backend_pid(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let row = first_row(client, "SELECT pg_catalog.pg_backend_pid()").await?;
    Ok(row.and_then(|row| row.text(0).and_then(|pid| pid.parse().ok())))
}

/// Asks for the facts, within the time that connecting may take.
pub(super) async fn ask_in_time(target: &Target, opened: &Opened) -> Result<ServerFacts, LinkError> {
    let conninfo = &target.server.host(opened.host).conninfo;
    let limit = conninfo.connect_timeout.unwrap_or(Patience::Background.limit());
    let (words, hint) = match tokio::time::timeout(limit, ask(opened)).await {
        Ok(Ok((mut facts, pid))) => {
            if !facts.direct {
                judge_pooler(&target.server, target.config.pooler, opened, pid, &mut facts).await;
            }
            // Whatever it is opened for: its timeline is remembered.
            target.role_of(&facts.identity());
            target.tried();
            return Ok(facts);
        }
        Ok(Err(FactsError::Library(error))) => (words::library_words(&error), ""),
        Ok(Err(FactsError::Odd(what))) => (format!("the server's answer has {what}"), "Is it PostgreSQL?"),
        Err(_) => (
            format!("logged in, and then no answer within {} s", limit.as_secs()),
            "The server, or a connection pooler in between, is overloaded",
        ),
    };
    opened.life.cut();
    target.tried();
    Err(words::link_error(conninfo, LinkErrorKind::Unreachable, &words, hint))
}

/// The operator's word for the pooler, and whether the server's answers belie it.
async fn judge_pooler(server: &Server, word: config::Pooler, opened: &Opened, pid: i32, facts: &mut ServerFacts) {
    let warning = match word {
        config::Pooler::Auto => {
            "a connection pooler is in between: nothing is written here (pooler = \"session\" states session pooling)"
                .to_owned()
        }
        config::Pooler::Session => match pooling::probe(server, opened, pid).await {
            Finding::Nothing => {
                facts.pooling = Pooling::StatedSession;
                "a connection pooler is in between; it pools sessions as the configuration states".to_owned()
            }
            Finding::NotSession(why) => {
                facts.pooling = Pooling::Disproved;
                format!(
                    "nothing is written here: the pooler does not pool sessions, although pooler = \"session\" is set: {why}"
                )
            }
            Finding::Unknown(why) => {
                facts.pooling = Pooling::StatedSession;
                format!("a connection pooler is in between; that it pools sessions could not be tried: {why}")
            }
        },
    };
    facts.pooler_note = Some(Untrusted::new(warning));
}

/// Why the facts are not there.
enum FactsError {
    /// The link broke or the server refused.
    Library(tokio_postgres::Error),
    /// The answer has another form.
    Odd(&'static str),
}

/// Asks for the facts: three statements, sent at once. Also the process id that a statement sees.
async fn ask(opened: &Opened) -> Result<(ServerFacts, i32), FactsError> {
    let client = &opened.client;
    let (row, system, timeline) =
        tokio::join!(first_row(client, FACTS), first_row(client, SYSTEM), first_row(client, TIMELINE));
    let row = row.map_err(FactsError::Library)?.ok_or(FactsError::Odd("no row of facts about the server"))?;
    let text = |index: usize| row.text(index).unwrap_or_default();
    let number = |index: usize| text(index).parse::<u32>();
    let (Ok(pid), Ok(version_num), Ok(database_oid)) = (text(0).parse::<i32>(), number(2), number(7)) else {
        return Err(FactsError::Odd("facts about the server that are not numbers"));
    };
    let standby = row.is_true(5);
    let superuser = text(4) == "on";
    let mut warnings: Vec<Untrusted> = opened.warnings.iter().map(Untrusted::new).collect();
    if superuser {
        warnings.push(Untrusted::new(SUPERUSER));
    }
    let direct = pid == opened.cancel.key_pid();
    let mut one = |what: &str, answer: Result<Option<TextRow>, tokio_postgres::Error>, expected: bool| match answer {
        Ok(row) => row.and_then(|row| row.text(0).map(str::to_owned)),
        Err(error) => {
            if expected {
                warnings.push(Untrusted::new(format!("{what} cannot be read: {}", words::library_words(&error))));
            }
            None
        }
    };
    let system_identifier = one("the system identifier", system, true);
    let timeline = one("the timeline", timeline, !standby);
    let facts = ServerFacts {
        host: opened.host,
        version: text(1).split_whitespace().next().unwrap_or_default().to_owned(),
        version_num,
        user: Untrusted::new(text(3)),
        superuser,
        direct,
        pooling: if direct { Pooling::Direct } else { Pooling::Pooled },
        pooler_note: None,
        standby,
        system_identifier,
        timeline,
        database: Untrusted::new(text(6)),
        database_oid,
        tls: opened.tls,
        warnings,
    };
    Ok((facts, pid))
}
