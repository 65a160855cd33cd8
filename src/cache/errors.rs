//! What can be wrong with a cache server, in words. Nothing here ever holds a URL: it may carry a password.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::{CacheError, CacheProgress};
use crate::text::{self, Untrusted};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The URL cannot be read.
    Url(String),
    /// A file of the configuration: certificates, a key.
    Files(String),
    /// The TLS handshake.
    Tls(String),
    /// No sentinel leads to the master.
    Sentinel {
        /// The master's name.
        master: String,
        /// What each of them said.
        said: String,
        /// TLS with one of them failed.
        tls: bool,
    },
    /// Nobody listens there.
    Absent(String),
    /// No answer in time.
    Slow,
    /// The connection broke.
    Gone(String),
    /// Wrong password, or none given.
    Login(String),
    /// The user may not run the command.
    Denied(String),
    /// A node of a cluster.
    Cluster,
    /// It is reading its data from disk, or has lost its master.
    NotReady(String),
    /// Anything else the server said.
    Other(String),
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        let words = words(&error);
        let code = error.code().unwrap_or_default();
        match error.kind() {
            ErrorKind::AuthenticationFailed => return Self::Login(words),
            ErrorKind::InvalidClientConfig => return Self::Url(words),
            ErrorKind::Server(ServerErrorKind::NoPerm) => return Self::Denied(words),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly,
            ) => {
                return Self::NotReady(words);
            }
            _ => {}
        }
        if matches!(code, "NOAUTH" | "WRONGPASS") || words.contains("NOAUTH") || words.contains("WRONGPASS") {
            Self::Login(words)
        } else if words.contains("no permissions") {
            // The database is chosen while connecting, where the library has words of its own around the server's.
            Self::Denied(words)
        } else if ["certificate", "fatal alert", "TLS", "corrupt message"].iter().any(|word| words.contains(word)) {
            Self::Tls(words)
        } else if error.is_cluster_error() {
            Self::Cluster
        } else if error.is_timeout() {
            Self::Slow
        } else if error.is_connection_refusal() {
            Self::Absent(words)
        } else if error.is_connection_dropped() || error.is_io_error() {
            Self::Gone(words)
        } else {
            Self::Other(words)
        }
    }
}

/// The server's words. A password that a server would echo is cut off with everything after the first line.
fn words(error: &RedisError) -> String {
    let text = error.to_string();
    text::fit(text.lines().next().unwrap_or_default(), 200)
}

impl Trouble {
    /// Whether it can be that another server is the master now, or will be soon.
    pub(super) const fn may_be_a_failover(&self) -> bool {
        match self {
            Self::Absent(_) | Self::Slow | Self::Gone(_) | Self::NotReady(_) => true,
            Self::Url(_)
            | Self::Files(_)
            | Self::Tls(_)
            | Self::Sentinel { .. }
            | Self::Login(_)
            | Self::Denied(_)
            | Self::Cluster
            | Self::Other(_) => false,
        }
    }

    /// What went wrong, without where.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Url(why)
            | Self::Files(why)
            | Self::Tls(why)
            | Self::Absent(why)
            | Self::Gone(why)
            | Self::Denied(why)
            | Self::NotReady(why)
            | Self::Other(why) => why.clone(),
            Self::Login(why) => format!("the login was refused ({why})"),
            Self::Slow => "no answer in time".to_owned(),
            Self::Cluster => "a node of a cluster".to_owned(),
            Self::Sentinel { master, said, .. } => format!("no way to the master {master}: {said}"),
        }
    }

    /// The error for the operator: what failed, why, what to do.
    pub(super) fn into_error(self, address: &str, at: CacheProgress) -> CacheError {
        let seen = match (at.seen, at.of) {
            (0, _) => String::new(),
            (seen, Some(of)) => {
                format!(" in the middle of the count ({} of {} keys)", text::grouped(seen), text::grouped(of))
            }
            (seen, None) => format!(" in the middle of the count ({})", text::counted(seen, "key")),
        };
        let message = match self {
            Self::Url(why) => {
                format!(
                    "the cache's url cannot be read: {why}; write redis://host:port/db, rediss://, unix:///path or redis-sentinel://host:port,host:port/db?master=NAME"
                )
            }
            Self::Files(why) => format!("the files of [database.cache] cannot be used: {why}"),
            Self::Tls(why) => format!(
                "TLS with the cache at {address} failed: {why}; check that its certificate names that host and is of the authority in [database.cache] ca (else of the system's), and cert and key where it asks for them"
            ),
            Self::Sentinel { master, said, tls } => {
                let by_tls = if tls {
                    ", and that the certificate of each sentinel names its host as the url does and is of the authority in [database.cache] ca (else of the system's), with cert and key where it asks for them"
                } else {
                    ""
                };
                format!(
                    "the sentinels {address} lead to no master \"{master}\": {said}; check the hosts, the name and the login (sentinel_user, sentinel_password) in [database.cache] url{by_tls}"
                )
            }
            Self::Absent(why) => {
                format!("no cache server at {address}: {why}; check [database.cache] url and that it runs")
            }
            Self::Slow => format!(
                "the cache at {address} gave no answer in time{seen}; it will be tried again with the next count"
            ),
            Self::Gone(why) => format!("the cache at {address} went away{seen}: {why}"),
            Self::Login(why) => format!(
                "the cache at {address} refused the login: {why}; check the user and password of [database.cache] url"
            ),
            Self::Denied(why) => {
                format!(
                    "the cache at {address} does not allow it: {why}; the user needs +scan and +dbsize, and +select for another database than 0"
                )
            }
            Self::Cluster => format!(
                "the cache at {address} is a node of a cluster, which holds only a part of the keys; counts need a server that holds all"
            ),
            Self::NotReady(why) => format!("the cache at {address} is not ready{seen}: {why}"),
            Self::Other(why) => format!("the cache at {address} failed{seen}: {why}"),
        };
        CacheError { message: Untrusted::from(message) }
    }
}
