//! Opens one connection: password, socket, TLS as `sslmode` means it, login. What a session is used for is not
//! decided here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::{AsyncMessage, Client, Connection};

use super::cancel::Cancel;
use super::errors::{LinkError, LinkErrorKind};
use super::password::{self, Kept, Origin, Password};
use super::session::ServerMessage;
use super::tls::{self, Check};
use super::wire::{self, Endpoint, Tls, Wire, WireError};
use super::words;
use crate::config::conninfo::{ChannelBinding, Conninfo, Host, SslMode};
use crate::text::Untrusted;

/// How many notices may wait to be taken.
const MESSAGES: usize = 256;
/// How long the refusal of a handshake may take to be told.
pub(super) const NO_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Asks the operator for a password; `None` where there is nobody to ask.
pub type Prompt = Arc<dyn Fn(&str) -> Option<SecretString> + Send + Sync>;

/// Everything about a server that does not change between two connections.
pub(super) struct Server {
    /// With all of its hosts.
    pub conninfo: Conninfo,
    /// One for each host, at least one.
    pub hosts: Vec<HostServer>,
    pub home: Option<PathBuf>,
    pub password_command: Option<Vec<String>>,
    pub kept: Mutex<Kept>,
    pub prompt: Option<Prompt>,
}

/// One of the hosts.
pub(super) struct HostServer {
    /// With this host alone.
    pub conninfo: Conninfo,
    pub tls: Option<(Tls, Check)>,
}

/// A connection, logged in.
pub(super) struct Opened {
    /// Which of the hosts.
    pub host: usize,
    pub client: Client,
    pub cancel: Cancel,
    pub life: Life,
    pub messages: mpsc::Receiver<ServerMessage>,
    /// The connection is encrypted.
    pub tls: bool,
    /// Weak TLS and the like.
    pub warnings: Vec<String>,
}

/// The task that moves a connection's bytes. It is the only place that learns why a connection ended.
pub(super) struct Life {
    pub ended: watch::Receiver<Option<LinkError>>,
    say: watch::Sender<Option<LinkError>>,
    address: String,
    task: tokio::task::AbortHandle,
}

impl Life {
    /// Why it ended; `None` while it lives.
    pub(super) fn why(&self) -> Option<LinkError> {
        self.ended.borrow().clone()
    }

    /// Cuts the connection.
    pub(super) fn cut(&self) {
        self.task.abort();
        self.say.send_if_modified(|why| {
            let first = why.is_none();
            if first {
                *why = Some(words::ended(&self.address, None));
            }
            first
        });
    }

    /// Waits a moment for the reason: the client's own error arrives before the task has written it down.
    pub(super) async fn reason(&self) -> Option<LinkError> {
        let mut ended = self.ended.clone();
        let waited = tokio::time::timeout(Duration::from_millis(500), ended.wait_for(Option::is_some)).await;
        waited.ok().and_then(Result::ok).and_then(|why| why.clone())
    }
}

impl Server {
    /// Opens a connection to one of the hosts under this name.
    pub(super) async fn open_host(&self, host: usize, application_name: &str) -> Result<Opened, LinkError> {
        let one = self.host(host);
        let password = self.password(one, &mut *self.kept.lock().await).await?;
        let refused = match one.try_open(application_name, &password).await {
            Ok(opened) => return Ok(Opened { host, ..opened }),
            Err(refused) => refused,
        };
        let again = match (&refused.again, &password.origin) {
            (Again::WrongPassword, Origin::Command { fresh: false }) => self.run_command_again(one, &password).await?,
            (Again::NoPassword, _) => self.ask().await,
            (Again::WrongPassword | Again::No, _) => None,
        };
        match again {
            Some(password) => {
                let opened = one.try_open(application_name, &password).await.map_err(|refused| refused.error)?;
                Ok(Opened { host, ..opened })
            }
            None => Err(refused.error),
        }
    }

    /// A command's password may be short-lived: what it printed for an earlier login may be stale by now.
    async fn run_command_again(&self, one: &HostServer, stale: &Password) -> Result<Option<Password>, LinkError> {
        let mut kept = self.kept.lock().await;
        let same = match (&kept.command, &stale.secret) {
            (Some(kept), Some(stale)) => password::exposed(kept) == password::exposed(stale),
            (None, _) | (_, None) => true,
        };
        if same {
            kept.command = None;
        }
        self.password(one, &mut kept).await.map(Some)
    }

    /// One of the hosts; an index that is none is the first's.
    pub(super) fn host(&self, index: usize) -> &HostServer {
        self.hosts.get(index).unwrap_or(&self.hosts[0])
    }

    /// The password of the next login there; nobody is asked for one.
    pub(super) async fn known_password(&self, host: usize) -> Result<Option<SecretString>, LinkError> {
        Ok(self.password(self.host(host), &mut *self.kept.lock().await).await?.secret)
    }

    async fn password(&self, one: &HostServer, kept: &mut Kept) -> Result<Password, LinkError> {
        let conninfo = &one.conninfo;
        let passfile = super::passfile::path(conninfo, self.home.as_deref());
        password::obtain(kept, self.password_command.as_deref(), conninfo, passfile).await.map_err(|error| {
            words::link_error(conninfo, LinkErrorKind::Refused, &error.to_string(), "Run it by hand to see why")
        })
    }

    /// Asks the operator, once in the life of the program; sessions that are opened meanwhile wait for the answer.
    async fn ask(&self) -> Option<Password> {
        let mut kept = self.kept.lock().await;
        let typed = |secret| Password { secret: Some(secret), origin: Origin::Prompt, ignored: None };
        if kept.asked {
            return kept.typed.clone().map(typed);
        }
        kept.asked = true;
        let prompt = self.prompt.clone()?;
        let question = format!("Password for {}: ", Untrusted::new(self.conninfo.address()).safe());
        kept.typed = tokio::task::spawn_blocking(move || prompt(&question)).await.ok().flatten();
        kept.typed.clone().map(typed)
    }
}

impl HostServer {
    async fn try_open(&self, application_name: &str, password: &Password) -> Result<Opened, Refusal> {
        let limit = self.conninfo.connect_timeout.unwrap_or(NO_LIMIT);
        match tokio::time::timeout(limit, self.negotiate(application_name, password)).await {
            Ok(result) => result,
            Err(_) => Err(Refusal::plain(words::link_error(
                &self.conninfo,
                LinkErrorKind::Unreachable,
                &format!("no answer within {} s (connect_timeout)", limit.as_secs()),
                "Check host and port, the network and its firewalls",
            ))),
        }
    }

    /// TLS as libpq: `prefer` tries again in plain text where the server has no TLS, the handshake fails, or the
    /// server refuses this login only when it is encrypted.
    async fn negotiate(&self, application_name: &str, password: &Password) -> Result<Opened, Refusal> {
        let conninfo = &self.conninfo;
        let of_wire = |error: &WireError| Refusal::plain(words::of_wire(conninfo, error));
        let places = wire::endpoints(conninfo).await.map_err(|error| of_wire(&error))?;
        let tls = self.tls.as_ref().map(|(tls, _)| tls);
        let may_fall_back = tls.is_some() && conninfo.sslmode == SslMode::Prefer;
        let (wire, place) = match wire::connect(&places, &conninfo.keepalives, tls).await {
            Err(WireError::NoTls | WireError::Handshake(_)) if may_fall_back => {
                wire::connect(&places, &conninfo.keepalives, None).await
            }
            other => other,
        }
        .map_err(|error| of_wire(&error))?;
        let encrypted = wire.is_tls();
        match self.log_in(wire, place, application_name, password).await {
            Err(refusal) if encrypted && may_fall_back && refusal.no_entry => {
                let (wire, place) =
                    wire::connect(&places, &conninfo.keepalives, None).await.map_err(|error| of_wire(&error))?;
                self.log_in(wire, place, application_name, password).await
            }
            other => other,
        }
    }

    async fn log_in(
        &self,
        wire: Wire,
        place: Endpoint,
        application_name: &str,
        password: &Password,
    ) -> Result<Opened, Refusal> {
        let conninfo = &self.conninfo;
        let encrypted = wire.is_tls();
        let result = self.library(application_name, password).connect_raw(wire, wire::Done).await;
        let refused = |error: tokio_postgres::Error| Refusal {
            error: words::of_login(conninfo, &error, &password.origin, password.ignored.as_deref()),
            again: if words::needs_password(&error) {
                Again::NoPassword
            } else if error.as_db_error().is_some_and(|server| server.code().code() == "28P01") {
                Again::WrongPassword
            } else {
                Again::No
            },
            no_entry: error.as_db_error().is_some_and(|server| server.code().code() == "28000"),
        };
        let (client, connection) = result.map_err(refused)?;
        let (life, messages) = live(connection, conninfo.address());
        let tls = self.tls.as_ref().map(|(tls, _)| tls.clone()).filter(|_| encrypted);
        let cancel = Cancel::of(&client, place, conninfo.keepalives, tls).await.map_err(refused)?;
        let mut warnings = self.warnings(encrypted);
        warnings.extend(password.ignored.clone());
        tracing::debug!(server = %conninfo.address(), tls = encrypted, "logged in");
        Ok(Opened { host: 0, client, cancel, life, messages, tls: encrypted, warnings })
    }

    /// The library's configuration. The stream is ready when it gets it: it is told to start TLS at once, and the
    /// connector that it gets for that lets the stream pass.
    fn library(&self, application_name: &str, password: &Password) -> tokio_postgres::Config {
        use tokio_postgres::config;
        let mut library = tokio_postgres::Config::new();
        library
            .user(&self.conninfo.user)
            .dbname(&self.conninfo.dbname)
            .application_name(cut(application_name, 63))
            .ssl_mode(config::SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct)
            .channel_binding(match self.conninfo.channel_binding {
                ChannelBinding::Disable => config::ChannelBinding::Disable,
                ChannelBinding::Prefer => config::ChannelBinding::Prefer,
                ChannelBinding::Require => config::ChannelBinding::Require,
            });
        if let Some(secret) = &password.secret {
            library.password(password::exposed(secret));
        }
        library
    }

    /// What the operator should know about the protection of this connection.
    fn warnings(&self, encrypted: bool) -> Vec<String> {
        let conninfo = &self.conninfo;
        let mut warnings = conninfo.warnings.clone();
        if !conninfo.is_local() {
            let mode = conninfo.sslmode.word();
            let weak = match (encrypted, self.tls.as_ref().map(|(_, check)| *check)) {
                (false, _) => Some(format!("the connection is not encrypted (sslmode={mode})")),
                (true, Some(Check::Nothing) | None) => {
                    Some(format!("TLS without checking the server's certificate (sslmode={mode})"))
                }
                (true, Some(Check::Authority)) => {
                    Some(format!("TLS without checking the certificate's name (sslmode={mode})"))
                }
                (true, Some(Check::Name)) => None,
            };
            warnings.extend(weak);
        }
        warnings
    }
}

/// A login that failed, and whether another password may help.
struct Refusal {
    error: LinkError,
    again: Again,
    /// SQLSTATE 28000: `pg_hba.conf` may allow this login in plain text only.
    no_entry: bool,
}

enum Again {
    No,
    NoPassword,
    WrongPassword,
}

impl Refusal {
    const fn plain(error: LinkError) -> Self {
        Self { error, again: Again::No, no_entry: false }
    }
}

/// At most so many bytes, at a character's edge.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Starts the task of a connection.
fn live(mut connection: Connection<Wire, Wire>, address: String) -> (Life, mpsc::Receiver<ServerMessage>) {
    let (say, ended) = watch::channel(None);
    let (pass_on, messages) = mpsc::channel(MESSAGES);
    let (told, to) = (say.clone(), address.clone());
    let task = tokio::spawn(async move {
        let error = loop {
            match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(message)) => forward(message, &pass_on),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        told.send_replace(Some(words::ended(&to, error.as_ref())));
    });
    (Life { ended, say, address, task: task.abort_handle() }, messages)
}

/// Notices are help, not truth: when nobody takes them they are dropped.
fn forward(message: AsyncMessage, to: &mpsc::Sender<ServerMessage>) {
    let message = match message {
        AsyncMessage::Notice(notice) => ServerMessage::Notice {
            severity: notice.severity().to_owned(),
            sqlstate: notice.code().code().to_owned(),
            message: Untrusted::new(words::server_words(&notice)),
        },
        AsyncMessage::Notification(note) => ServerMessage::Notification {
            channel: Untrusted::new(note.channel()),
            payload: Untrusted::new(note.payload()),
        },
        _ => return,
    };
    if let Err(error) = to.try_send(message) {
        tracing::debug!(
            "a message of the server was dropped: {}",
            match error {
                mpsc::error::TrySendError::Full(_) => "too many are waiting",
                mpsc::error::TrySendError::Closed(_) => "nobody takes them",
            }
        );
    }
}

/// The server behind a connection string; reads the trusted certificates.
pub(super) fn server(
    conninfo: Conninfo,
    home: Option<PathBuf>,
    password_command: Option<Vec<String>>,
) -> Result<Server, LinkError> {
    let each = conninfo.each();
    let wants_tls = |one: &Conninfo| {
        one.sslmode != SslMode::Disable && (matches!(one.host, Host::Tcp(_)) || one.hostaddr.is_some())
    };
    let made = if each.iter().any(wants_tls) {
        let made = tls::connector(&conninfo, home.as_deref())
            .map_err(|error| words::link_error(&conninfo, LinkErrorKind::Refused, &error.to_string(), ""))?;
        Some(made)
    } else {
        None
    };
    let host = |one: Conninfo| {
        let made = made.as_ref().filter(|_| wants_tls(&one));
        let tls = made.map(|(tls, check)| (Tls { name: tls::name(&one), ..tls.clone() }, *check));
        HostServer { conninfo: one, tls }
    };
    let hosts = each.into_iter().map(host).collect();
    Ok(Server { conninfo, hosts, home, password_command, kept: Mutex::new(Kept::default()), prompt: None })
}
