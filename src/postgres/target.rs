//! The server behind a configured database: where, who, how.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::connect::{self, Prompt, Server};
use super::errors::{LinkError, LinkErrorKind};
use super::facts::ServerFacts;
use super::timelines::Timelines;
use crate::config;
use crate::config::conninfo::Conninfo;
use crate::config::surroundings::Surroundings;
use crate::model::server::ServerRole;
use crate::text::Untrusted;

/// Everything needed to open sessions of one database: where, who, how. Made once; the password is asked once.
/// Cheap to clone.
#[derive(Clone)]
pub struct Target {
    /// The database's configuration.
    pub config: Arc<config::Database>,
    /// `user@host:port/dbname` without the password, for messages.
    pub address: Untrusted,
    /// The timelines that its servers were seen on, by all copies of this.
    timelines: Timelines,
    pub(super) server: Arc<Server>,
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
        Ok(Self { config, address, timelines: Timelines::default(), server: Arc::new(server) })
    }

    /// What a server that was logged in to is by the timelines that were seen here so far, this one's among them. Of several
    /// hosts the old primary of a failover may answer first, and takes writes like any other.
    pub(crate) fn role_of(&self, facts: &ServerFacts) -> ServerRole {
        let (Some(identifier), Some(timeline)) = (&facts.system_identifier, &facts.timeline) else {
            return ServerRole::Unknown;
        };
        let (newer, timeline) = (self.timelines.saw(identifier, timeline), timeline.clone());
        if newer > timeline {
            ServerRole::Superseded { timeline, newer }
        } else {
            ServerRole::Primary { timeline: Some(timeline) }
        }
    }

    /// Logs in and out once, so that a password is asked for now and not later.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub async fn log_in(&self) -> Result<(), LinkError> {
        self.server.open(&reader_name(&self.server)).await.map(drop)
    }

    /// The password that the next login at this host ([`ServerFacts::host`](super::session::ServerFacts)) would use, for a program that is to log in by itself. After a session was
    /// opened it is one that the server has taken.
    ///
    /// # Errors
    /// When the password command fails.
    pub async fn password(&self, host: usize) -> Result<Option<SecretString>, LinkError> {
        self.server.known_password(host).await
    }

    /// The connection string as it is understood, with all of its hosts.
    #[must_use]
    pub fn conninfo(&self) -> &Conninfo {
        &self.server.conninfo
    }

    /// The same with one of its hosts alone ([`ServerFacts::host`](super::session::ServerFacts)).
    #[must_use]
    pub fn conninfo_of(&self, host: usize) -> &Conninfo {
        &self.server.host(host).conninfo
    }

    /// As [`Self::address`], with this host alone.
    #[must_use]
    pub fn address_of(&self, host: usize) -> Untrusted {
        Untrusted::new(self.conninfo_of(host).address())
    }
}

pub(super) fn reader_name(server: &Server) -> String {
    let own = concat!("tenantui/", env!("CARGO_PKG_VERSION"), " reader");
    server.conninfo.application_name.clone().unwrap_or_else(|| own.to_owned())
}
