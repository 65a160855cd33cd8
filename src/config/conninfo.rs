//! libpq's connection strings: URLs and `key=value` lists, with libpq's environment variables filling in what they
//! leave out. Every key that libpq has is either followed or refused with a word of why; none is ignored in silence.
//! This module parses and checks; it connects to nothing, and reads no file but the service file.

mod hosts;
mod params;
mod parse;
mod service;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::surroundings::{NotUnicode, Surroundings};

pub use hosts::{Place, SessionAttrs};
pub use parse::Params;

/// A connection string, parsed and checked.
#[derive(Debug, Clone)]
pub struct Conninfo {
    /// Where the server is; of several, the first.
    pub host: Host,
    /// The address to use instead of looking the host up; of several, the first's.
    pub hostaddr: Option<IpAddr>,
    /// The port; of several, the first's.
    pub port: u16,
    /// Further servers, tried after the first in this order.
    pub others: Vec<Place>,
    /// What a server has to be.
    pub session_attrs: SessionAttrs,
    /// The servers are tried in an order that differs from one connection to the next.
    pub load_balance: bool,
    /// The role.
    pub user: String,
    /// The database.
    pub dbname: String,
    /// The password in the connection string.
    pub password: Option<SecretString>,
    /// `PGPASSWORD`, where the connection string has no password.
    pub env_password: Option<SecretString>,
    /// The pass file, where one was named.
    pub passfile: Option<PathBuf>,
    /// TLS.
    pub sslmode: SslMode,
    /// Certificates to trust; `None`: libpq's default file where it is there, else the system's.
    pub sslrootcert: Option<RootCert>,
    /// The certificate with which to log in; `None`: libpq's default file where it is there.
    pub sslcert: Option<PathBuf>,
    /// Its private key; `None`: libpq's default file.
    pub sslkey: Option<PathBuf>,
    /// The password of the private key's file.
    pub sslpassword: Option<SecretString>,
    /// Whether a certificate is sent to a server that asks for one (`sslcertmode`).
    pub send_certificate: bool,
    /// Start TLS without asking first (PostgreSQL 17 and later).
    pub direct_tls: bool,
    /// Whether the host's name is sent in the TLS handshake.
    pub sslsni: bool,
    /// The lowest TLS version.
    pub tls_min: Option<TlsVersion>,
    /// The highest TLS version.
    pub tls_max: Option<TlsVersion>,
    /// Channel binding of SCRAM.
    pub channel_binding: ChannelBinding,
    /// Limit for the whole of connecting to one of the hosts; `None`: none.
    pub connect_timeout: Option<Duration>,
    /// TCP keepalive.
    pub keepalives: Keepalives,
    /// `application_name`, where the operator gave one.
    pub application_name: Option<String>,
    /// What was set and has no effect, in words.
    pub warnings: Vec<String>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or address.
    Tcp(String),
    /// The folder of a Unix socket.
    Unix(PathBuf),
    /// Nothing was said: the system's usual socket folder.
    DefaultSocket,
}

impl Host {
    /// Whether the server is on this machine: a socket, `localhost`, a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) | Self::DefaultSocket => true,
            Self::Tcp(name) => {
                let name = name.trim_end_matches('.');
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
            }
        }
    }
}

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Plain text.
    Disable,
    /// TLS where it works, else plain text.
    Prefer,
    /// TLS; the certificate is checked only where a root certificate is named.
    Require,
    /// TLS, and the certificate is of a trusted authority.
    VerifyCa,
    /// As `VerifyCa`, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
    /// libpq's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// The system's store.
    System,
    /// A PEM file.
    File(PathBuf),
}

/// A version of TLS that rustls speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    V12,
    /// 1.3
    V13,
}

/// `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    Prefer,
    /// A login without it fails.
    Require,
}

/// `keepalives` and its siblings. Only TCP has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether they are sent.
    pub enabled: bool,
    /// Seconds of silence before the first.
    pub idle_seconds: Option<u32>,
    /// Seconds between two.
    pub interval_seconds: Option<u32>,
    /// Lost ones after which the connection is dead.
    pub count: Option<u32>,
    /// `tcp_user_timeout` in milliseconds.
    pub user_timeout_ms: Option<u32>,
}

/// Why a connection string cannot be used. Never holds a value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConninfoError {
    /// Not a URL nor a list of `key=value`.
    #[error("the connection string cannot be read: {0}")]
    Syntax(String),
    /// A key that libpq does not have.
    #[error("the connection parameter \"{key}\" is not one of libpq's{hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// What it is likely to be, or nothing.
        hint: &'static str,
    },
    /// A value that the key cannot have.
    #[error("the connection parameter \"{key}\" has an impossible value; allowed: {allowed}")]
    BadValue {
        /// The key.
        key: String,
        /// What is allowed.
        allowed: String,
    },
    /// libpq has it, tenantui does not follow it.
    #[error("the connection parameter \"{key}\" is not supported{}: {why}", if *yet { " yet" } else { "" })]
    Unsupported {
        /// The key.
        key: String,
        /// Whether it may come.
        yet: bool,
        /// Why, or what to do instead.
        why: &'static str,
    },
    /// A service that cannot be followed.
    #[error("the service \"{name}\" (PGSERVICE, or service= in the connection string): {why}")]
    Service {
        /// Its name.
        name: String,
        /// File and line, and what is wrong there.
        why: String,
    },
    /// There is no user to log in as.
    #[error("no user is given, and the name of this account is unknown; set user= in the connection string, or PGUSER")]
    NoUser,
    /// A variable is not text.
    #[error(transparent)]
    NotUnicode(#[from] NotUnicode),
}

impl Conninfo {
    /// Parses a URL or a `key=value` list; empty text means libpq's variables alone.
    ///
    /// # Errors
    /// When it cannot be read, names an unknown key, or asks for what is not supported.
    pub fn parse(text: &str, around: &Surroundings) -> Result<Self, ConninfoError> {
        let params = Params::parse(text)?;
        params::check(&params, around)
    }

    /// The servers, in the order of the connection string.
    fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let first = Place { host: self.host.clone(), hostaddr: self.hostaddr, port: self.port };
        std::iter::once(first).chain(self.others.iter().cloned())
    }

    /// The same for each of the servers alone, in the order of the connection string.
    #[must_use]
    pub fn each(&self) -> Vec<Self> {
        let alone = |Place { host, hostaddr, port }| Self { host, hostaddr, port, others: Vec::new(), ..self.clone() };
        self.places().map(alone).collect()
    }

    /// Whether all servers are on this machine, as far as the connection string says: a forwarded port looks local too.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.places().all(|place| place.is_local())
    }

    /// `user@host:port/dbname`, or with the socket's folder for the host; hosts with commas between. Never the password.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@{}/{}", self.user, self.place(), self.dbname)
    }

    /// `host:port`, or the socket's folder with the port; hosts with commas between.
    #[must_use]
    pub fn place(&self) -> String {
        self.places().map(|place| place.words()).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn around(variables: &[(&str, &str)]) -> Surroundings {
        let mut around = Surroundings::fixed(variables.iter().copied());
        around.user = Some("account".to_owned());
        around
    }

    fn parsed(text: &str, variables: &[(&str, &str)]) -> Conninfo {
        Conninfo::parse(text, &around(variables)).expect(text)
    }

    #[test]
    fn variables_fill_in_and_never_override() {
        let variables = [
            ("PGHOST", "env.example"),
            ("PGPORT", "6000"),
            ("PGUSER", "env"),
            ("PGDATABASE", "envdb"),
            ("PGPASSWORD", "envpw"),
            ("PGSSLMODE", "require"),
            ("PGAPPNAME", "mine"),
            ("PGCONNECT_TIMEOUT", "3"),
        ];
        let empty = parsed("", &variables);
        assert_eq!(empty.address(), "env@env.example:6000/envdb");
        assert_eq!((empty.sslmode, empty.connect_timeout), (SslMode::Require, Some(Duration::from_secs(3))));
        assert_eq!(empty.application_name.as_deref(), Some("mine"));
        assert_eq!(empty.env_password.as_ref().map(|p| p.expose_secret()), Some("envpw"));
        let url = parsed("postgresql://u:p@h:1/d?sslmode=disable&connect_timeout=0", &variables);
        assert_eq!((url.address().as_str(), url.sslmode, url.connect_timeout), ("u@h:1/d", SslMode::Disable, None));
        // An empty variable counts as unset.
        assert_eq!(parsed("host=h", &[("PGPORT", "")]).port, 5432);
    }

    #[test]
    fn defaults_are_libpqs_except_where_that_is_unsafe() {
        let bare = parsed("", &[]);
        assert_eq!((&bare.host, bare.address().as_str()), (&Host::DefaultSocket, "account@local socket:5432/account"));
        assert_eq!((bare.sslmode, bare.connect_timeout), (SslMode::Prefer, Some(Duration::from_secs(10))));
        for (text, mode) in [
            ("host=localhost", SslMode::Prefer),
            ("host=127.0.0.1", SslMode::Prefer),
            ("host=/run/pg", SslMode::Prefer),
            ("host=db.example", SslMode::VerifyFull),
            ("hostaddr=10.0.0.1", SslMode::VerifyFull),
            ("host=localhost hostaddr=10.0.0.1", SslMode::VerifyFull),
            ("host=localhost sslrootcert=system", SslMode::VerifyFull),
            ("host=localhost,127.0.0.1", SslMode::Prefer),
            ("host=localhost,db.example", SslMode::VerifyFull),
        ] {
            assert_eq!(parsed(text, &[]).sslmode, mode, "{text}");
        }
        assert!(matches!(Conninfo::parse("", &Surroundings::fixed([("A", "b")])), Err(ConninfoError::NoUser)));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_name() {
        for (text, key) in [
            ("sslmode=allow", "sslmode=allow"),
            ("sslmode=bogus", "sslmode"),
            ("options='-c x=y'", "options"),
            ("sslcertmode=require", "sslcertmode"),
            ("service=x", "x"),
            ("load_balance_hosts=yes", "load_balance_hosts"),
            ("port=0", "port"),
            ("port=5432,5433", "port"),
            ("requirepeer=postgres", "requirepeer"),
            ("require_auth=scram-sha-256", "require_auth"),
            ("target_session_attrs=writable", "target_session_attrs"),
            ("gssencmode=require", "gssencmode"),
            ("client_encoding=LATIN1", "client_encoding"),
            ("sslrootcert=system sslmode=require", "sslmode"),
            ("sslnegotiation=direct", "sslnegotiation"),
            ("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", "ssl_min_protocol_version"),
            ("host=@abstract", "host"),
            ("oauth_issuer=x", "oauth_issuer"),
            ("database=x", "database"),
            ("keepalives=yes", "keepalives"),
        ] {
            let error = Conninfo::parse(text, &around(&[])).expect_err(text).to_string();
            assert!(error.contains(&format!("\"{key}\"")), "{text}: {error}");
        }
        let error = Conninfo::parse("", &around(&[("PGSERVICE", "x")])).expect_err("service").to_string();
        assert!(error.contains("PGSERVICE"), "{error}");
        assert_eq!(parsed("", &[("PGOPTIONS", "-c x=y")]).warnings.len(), 1);
        // Libpq's keys with the values that change nothing.
        parsed("client_encoding=auto sslcompression=0 gssencmode=disable target_session_attrs=any krbsrvname=p", &[]);
    }
}
