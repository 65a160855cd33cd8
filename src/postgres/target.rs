//! The server behind a configured database: where, who, how.

mod neighbours;

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

pub use self::neighbours::Neighbours;
use super::connect::{self, Opened, Prompt, Server};
use super::errors::{LinkError, LinkErrorKind};
use super::facts::{self, ServerFacts};
use super::timelines::Timelines;
use crate::config;
use crate::config::conninfo::Conninfo;
use crate::config::surroundings::Surroundings;
use crate::model::server::{ServerIdentity, ServerRole};
use crate::text::Untrusted;

/// Everything needed to open sessions of one database: where, who, how. Made once; the password is asked once.
/// Cheap to clone.
#[derive(Clone)]
pub struct Target {
    /// The database's configuration.
    pub config: Arc<config::Database>,
    /// `user@host:port/dbname` without the password, for messages.
    pub address: Untrusted,
    /// The timelines that its servers were seen on, by all copies of this and by those that share it.
    timelines: Timelines,
    /// The databases of the same configuration.
    neighbours: Neighbours,
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
        Ok(Self {
            config,
            address,
            timelines: Timelines::default(),
            neighbours: Neighbours::default(),
            server: Arc::new(server),
        })
    }

    /// What a server that was logged in to is by the timelines that were seen in this process so far, this one's among
    /// them. Of several hosts the old primary of a failover may answer first, and takes writes like any other; so may
    /// another database of the configuration.
    pub(crate) fn role_of(&self, server: &ServerIdentity) -> ServerRole {
        self.timelines.role_of(server.system_identifier.as_deref(), server.timeline.as_deref())
    }

    /// The same as one of the databases of a configuration: it knows what is seen of the others' servers.
    #[must_use]
    pub fn among(self, neighbours: &Neighbours) -> Self {
        Self { timelines: neighbours.timelines().clone(), neighbours: neighbours.clone(), ..self }
    }

    /// The same, with timelines that are remembered together with other databases.
    #[must_use]
    pub fn sharing(self, timelines: &Timelines) -> Self {
        Self { timelines: timelines.clone(), ..self }
    }

    /// The timelines that were seen so far.
    #[must_use]
    pub const fn timelines(&self) -> &Timelines {
        &self.timelines
    }

    /// Looks at the other databases of the configuration, so that [`Self::role_of`] knows what they know.
    pub async fn look_around(&self) {
        self.neighbours.look(&[&self.config.name]).await;
    }

    /// One look at the server: what it says of itself, remembered.
    pub(super) async fn look(&self) -> Result<ServerFacts, LinkError> {
        let opened = self.server.open(&reader_name(&self.server)).await?;
        facts::ask_in_time(self, &opened).await
    }

    /// Opens a connection under this name.
    pub(super) async fn connect(&self, application_name: &str) -> Result<Opened, LinkError> {
        let opened = self.server.open(application_name).await;
        if opened.is_err() {
            self.tried();
        }
        opened
    }

    /// Nobody has to look at this database soon: what it says is remembered by now, or it says nothing.
    pub(super) fn tried(&self) {
        self.neighbours.tried(&self.config.name);
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
