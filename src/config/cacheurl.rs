//! The URL of a cache, taken apart and checked: one server, or the sentinels that know where it is. What a connection
//! would refuse later, or pass over in silence, is refused here. Connects to nothing; no error repeats a part of the
//! URL, which may be a secret.

use std::fmt;
use std::os::unix::net::SocketAddr;

use percent_encoding::percent_decode_str;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use rustls::pki_types::ServerName;
use secrecy::SecretString;

/// What a URL may start with, and whether TLS follows from it.
const SCHEMES: [(&str, bool); 8] = [
    ("redis://", false),
    ("rediss://", true),
    ("unix://", false),
    ("redis+unix://", false),
    ("valkey://", false),
    ("valkeys://", true),
    ("redis-sentinel://", false),
    ("rediss-sentinel://", true),
];
/// The same in words.
pub(super) const ALLOWED: &str = "redis://, rediss://, unix://, redis-sentinel:// or rediss-sentinel://";
/// Sentinel's port.
const SENTINEL_PORT: u16 = 26_379;
/// What a user and a password may not hold as it is.
const ENCODED: &str = "in a user and a password, each of : / ? # @ % [ ] is written as %3A %2F %3F %23 %40 %25 %5B %5D";

/// Where a cache is.
#[derive(Debug)]
pub enum CacheUrl {
    /// One server.
    One(ConnectionInfo),
    /// The master that sentinels know.
    Sentinels(Sentinels),
}

/// What is wrong with a URL, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CacheUrlError(String);

/// Where the sentinels are, and which server is wanted.
#[derive(Debug)]
pub struct Sentinels {
    /// Their hosts and ports.
    pub hosts: Vec<(String, u16)>,
    /// TLS to them and to the server.
    pub tls: bool,
    /// The name that they have for it.
    pub master: String,
    /// The number of the database.
    pub db: i64,
    /// The login at the server.
    pub login: Login,
    /// The login at the sentinels.
    pub own: Login,
}

/// A user and a password, where they are needed.
#[derive(Debug, Default)]
pub struct Login {
    /// The user; `None`: the default one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
}

impl fmt::Display for Sentinels {
    /// The sentinels, with commas between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        f.write_str(&hosts.join(","))
    }
}

/// Whether the URL asks for TLS; `None` where it starts with nothing that is known.
pub(super) fn asks_tls(url: &str) -> Option<bool> {
    SCHEMES.iter().find(|(scheme, _)| url.starts_with(scheme)).map(|(_, tls)| *tls)
}

fn wrong<T>(why: impl Into<String>) -> Result<T, CacheUrlError> {
    Err(CacheUrlError(why.into()))
}

impl CacheUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn parse(url: &str) -> Result<Self, CacheUrlError> {
        let Some(tls) = asks_tls(url) else { return wrong(format!("must start with {ALLOWED}")) };
        let sentinels = ["redis-sentinel://", "rediss-sentinel://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        match sentinels {
            Some(rest) => Sentinels::parse(rest, tls).map(Self::Sentinels),
            None => one(url).map(Self::One),
        }
    }
}

/// One server. The library parses; what it would take without doing it is refused before.
fn one(text: &str) -> Result<ConnectionInfo, CacheUrlError> {
    let Some(url) = redis::parse_redis_url(text) else {
        return wrong(format!("its host or its port (1 to 65535) cannot be read; {ENCODED}"));
    };
    if url.fragment().is_some() {
        return wrong(
            "has a #: in a password and in a path it is written %23, and there is no TLS without a check of the server: name its authority by ca",
        );
    }
    let is_socket = url.scheme() == "unix" || url.scheme() == "redis+unix";
    let allowed: &[&str] = if is_socket { &["db", "user", "pass", "protocol"] } else { &["protocol"] };
    let mut names_user = !url.username().is_empty();
    let mut has_password = url.password().is_some_and(|password| !password.is_empty());
    for (key, value) in url.query_pairs() {
        if !allowed.contains(&&*key) {
            return wrong(format!("after the ? only {} may stand; {ENCODED}", allowed.join(", ")));
        }
        match &*key {
            "protocol" if !["2", "3", "resp2", "resp3"].contains(&&*value) => {
                return wrong("protocol has to be 2 or 3");
            }
            "user" => names_user = true,
            "pass" => has_password = !value.is_empty(),
            _ => {}
        }
    }
    if names_user && !has_password {
        return wrong(NO_PASSWORD);
    }
    if is_socket && (url.path().len() < 2 || url.host_str().is_some_and(|host| !host.is_empty())) {
        return wrong(SOCKET);
    }
    if !is_socket && url.host_str().is_none_or(str::is_empty) {
        return wrong(format!("has no host; {ENCODED}"));
    }
    let Ok(info) = url.into_connection_info() else {
        return wrong(if is_socket {
            format!("its path or its db, a number from 0 on, cannot be read; {SOCKET}")
        } else {
            format!(
                "has to be HOST:PORT/DB, where DB is a number from 0 on, HOST no wildcard, and user and password are UTF-8; {ENCODED}"
            )
        });
    };
    if info.redis_settings().db() < 0 {
        return wrong("the number of the database must be 0 or more");
    }
    match info.addr() {
        ConnectionAddr::Tcp(_, 0) | ConnectionAddr::TcpTls { port: 0, .. } => wrong("the port must be 1 to 65535"),
        ConnectionAddr::TcpTls { host, .. } if !is_certified(host) => wrong(NO_NAME),
        ConnectionAddr::Unix(path) if SocketAddr::from_pathname(path).is_err() => {
            wrong("the path of the socket is longer than the system takes")
        }
        _ => Ok(info),
    }
}

const NO_PASSWORD: &str =
    "names a user without a password, who would not be logged in: USER:PASSWORD (of a user that has none, any word)";
const SOCKET: &str = "a socket is named by its whole path: unix:///run/redis/redis.sock?db=0&user=NAME&pass=PASSWORD";
const NO_NAME: &str = "with TLS the host has to be a name or an address that a certificate can have";

fn is_certified(host: &str) -> bool {
    ServerName::try_from(host).is_ok()
}

fn decoded(text: &str) -> Result<String, CacheUrlError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => wrong("it is not UTF-8 when decoded"),
    }
}

fn filled(text: &str) -> Result<Option<String>, CacheUrlError> {
    Ok(Some(decoded(text)?).filter(|text| !text.is_empty()))
}

impl Login {
    fn is_whole(&self) -> bool {
        self.user.is_none() || self.password.is_some()
    }
}

impl Sentinels {
    fn parse(rest: &str, tls: bool) -> Result<Self, CacheUrlError> {
        if rest.contains('#') {
            return wrong("has a #; in a password and in a name it is written %23");
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let login = Login { user: filled(user)?, password: filled(password)?.map(SecretString::from) };
        let hosts: Vec<(String, u16)> = hosts.split(',').map(host).collect::<Result<_, _>>()?;
        if tls && !hosts.iter().all(|(name, _)| is_certified(name)) {
            return wrong(NO_NAME);
        }
        let db = match path {
            "" => 0,
            number => match number.parse() {
                Ok(number) if number >= 0 => number,
                _ => {
                    return wrong(
                        "what follows the / has to be the number of a database, 0 or more; the master is ?master=NAME",
                    );
                }
            },
        };
        let mut found = Self { hosts, tls, master: String::new(), db, login, own: Login::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "master" => found.master = decoded(value)?,
                "sentinel_user" => found.own.user = filled(value)?,
                "sentinel_password" => found.own.password = filled(value)?.map(SecretString::from),
                _ => return wrong("after the ? only master, sentinel_user and sentinel_password may stand"),
            }
        }
        if found.master.is_empty() {
            return wrong(
                "it does not say which master is wanted: append ?master=NAME, the name in the sentinels' own configuration",
            );
        }
        if !found.login.is_whole() || !found.own.is_whole() {
            return wrong(NO_PASSWORD);
        }
        Ok(found)
    }
}

/// `host`, `host:port`, `[v6]:port`.
fn host(text: &str) -> Result<(String, u16), CacheUrlError> {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, after)) => (name, after.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let name = decoded(name)?;
    match (name.is_empty(), port.map(str::parse)) {
        (true, _) => wrong("a sentinel has no host; write redis-sentinel://host:26379,host:26379/0?master=NAME"),
        (false, Some(Ok(0) | Err(_))) => wrong("the port of a sentinel must be 1 to 65535"),
        (false, Some(Ok(port))) => Ok((name, port)),
        (false, None) => Ok((name, SENTINEL_PORT)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn sentinels(url: &str) -> Sentinels {
        match CacheUrl::parse(url) {
            Ok(CacheUrl::Sentinels(found)) => found,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn urls_of_sentinel_are_taken_apart() {
        let url = "rediss-sentinel://app:p%40w@a:1,b,[::1]:3/2?master=my%20master&sentinel_user=s&sentinel_password=q";
        let found = sentinels(url);
        assert_eq!(found.to_string(), "a:1,b:26379,::1:3");
        assert_eq!((found.tls, found.master.as_str(), found.db), (true, "my master", 2));
        assert_eq!(found.login.user.as_deref(), Some("app"));
        assert_eq!(found.login.password.as_ref().map(|secret| secret.expose_secret()), Some("p@w"));
        assert_eq!(found.own.password.as_ref().map(|secret| secret.expose_secret()), Some("q"));
        assert!(sentinels("redis-sentinel://:pw@h?master=m").login.user.is_none());
    }

    #[test]
    fn what_a_connection_can_follow_is_taken() {
        for url in [
            "redis://h",
            "redis://h:6379/15",
            "redis://h/",
            "redis://[::1]:1/0",
            "redis://:pw@h",
            "redis://u:p%23w@h:1/0?protocol=resp3",
            "valkey://h",
            "valkeys://cache_1.internal",
            "rediss://127.0.0.1:6380/0",
            "unix:///run/redis.sock",
            "redis+unix:///run/redis.sock?db=3&user=u&pass=w",
        ] {
            assert!(matches!(CacheUrl::parse(url), Ok(CacheUrl::One(_))), "{url}: {:?}", CacheUrl::parse(url).err());
        }
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        for (url, word) in [
            ("http://u:marker@h", "must start with redis://"),
            ("redis://", "no host"),
            ("redis://u:marker@", "host"),
            ("redis:///0", "no host"),
            ("redis://u:marker@h:x/0", "1 to 65535"),
            ("redis://u:marker@h:99999/0", "1 to 65535"),
            ("redis://u:marker@h:0/0", "1 to 65535"),
            ("redis://u:marker@h/-1", "0 or more"),
            ("redis://u:marker@h/zero", "a number from 0 on"),
            ("redis://u:mar/ker@h/0", "%2F"),
            ("redis://u:marker@h?db=3", "only protocol"),
            ("redis://u:marker@h?protocol=9", "2 or 3"),
            ("redis://u:mar#ker@h", "%23"),
            ("redis://u:%ff@h/0", "UTF-8"),
            ("redis://u:marker@0.0.0.0/0", "wildcard"),
            ("redis://marker@h", "without a password"),
            ("redis://marker:@h", "without a password"),
            ("rediss://u:marker@h/0#insecure", "ca"),
            ("rediss://u:marker@-h-/0", "certificate"),
            ("unix://run/redis.sock?pass=marker", "unix:///run"),
            ("unix:///?pass=marker", "unix:///run"),
            ("unix:///s?password=marker", "only db, user, pass, protocol"),
            ("unix:///s?db=marker", "db"),
            ("unix:///s?user=marker", "without a password"),
            ("redis-sentinel://u:marker@h/0", "?master=NAME"),
            ("redis-sentinel://u:marker@h/0?mater=m", "only master"),
            ("redis-sentinel://u:marker@h/m?master=m", "number of a database"),
            ("redis-sentinel://u:marker@h/-1?master=m", "number of a database"),
            ("redis-sentinel://u:marker@/0?master=m", "no host"),
            ("redis-sentinel://u:marker@h:x/0?master=m", "1 to 65535"),
            ("redis-sentinel://u:marker@h:0/0?master=m", "1 to 65535"),
            ("redis-sentinel://u:%ff@h/0?master=m", "UTF-8"),
            ("redis-sentinel://marker@h/0?master=m", "without a password"),
            ("redis-sentinel://h/0?master=m&sentinel_user=marker", "without a password"),
            ("rediss-sentinel://u:marker@-h-/0?master=m", "certificate"),
        ] {
            let why = CacheUrl::parse(url).expect_err(url).to_string();
            assert!(why.contains(word) && !why.contains("marker"), "{url}: {why}");
        }
        let long = format!("unix:///{}", "x".repeat(200));
        assert!(CacheUrl::parse(&long).expect_err("long").to_string().contains("longer"));
    }
}
