//! Sentinel: `redis-sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/DB?master=NAME`. The sentinels are asked one after the
//! other where the master is; what they say is held against the server's own word.

use std::fmt;

use percent_encoding::percent_decode_str;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsCertificates};
use secrecy::{ExposeSecret as _, SecretString};

use super::errors::Trouble;
use super::pass;
use super::server::{self, Connected};

/// Sentinel's port.
const PORT: u16 = 26_379;

/// Where the sentinels are, and which server is wanted.
#[derive(Debug)]
pub(super) struct Sentinels {
    hosts: Vec<(String, u16)>,
    tls: bool,
    master: String,
    db: i64,
    /// The login at the server.
    login: Login,
    /// The login at the sentinels.
    own: Login,
}

#[derive(Debug, Default)]
struct Login {
    user: Option<String>,
    password: Option<SecretString>,
}

impl Login {
    fn settings(&self) -> RedisConnectionInfo {
        let mut settings = RedisConnectionInfo::default();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose_secret());
        }
        settings
    }
}

impl fmt::Display for Sentinels {
    /// The sentinels, with commas between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        f.write_str(&hosts.join(","))
    }
}

fn wrong<T>(why: &str) -> Result<T, Trouble> {
    Err(Trouble::Url(why.to_owned()))
}

fn decoded(text: &str) -> Result<String, Trouble> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => wrong("it is not UTF-8 when decoded"),
    }
}

impl Sentinels {
    /// Reads a URL of Sentinel; `None` where it is another one. No error repeats what may be a secret.
    pub(super) fn parse(url: &str) -> Option<Result<Self, Trouble>> {
        let (rest, tls) = match (url.strip_prefix("redis-sentinel://"), url.strip_prefix("rediss-sentinel://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return None,
        };
        Some(Self::parse_rest(rest, tls))
    }

    fn parse_rest(rest: &str, tls: bool) -> Result<Self, Trouble> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let filled = |text: &str| Ok::<_, Trouble>(Some(decoded(text)?).filter(|text| !text.is_empty()));
        let login = Login { user: filled(user)?, password: filled(password)?.map(SecretString::from) };
        let hosts = hosts.split(',').map(host).collect::<Result<_, _>>()?;
        let db = match path {
            "" => 0,
            number => match number.parse() {
                Ok(number) => number,
                Err(_) => {
                    return wrong("what follows the / has to be the number of a database; the master is ?master=NAME");
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
        Ok(found)
    }

    /// Connects to the master; the trouble with the address that it is about.
    pub(super) async fn connect(&self, tls: &TlsCertificates) -> Result<Connected, (Trouble, String)> {
        let mut said = Vec::new();
        for (host, port) in &self.hosts {
            let place = format!("{host}:{port}");
            match self.ask(host, *port, tls).await {
                Ok(Some((host, port))) => match self.open_master(&host, port, tls).await {
                    Ok(Some(connection)) => {
                        let address = format!("{host}:{port} (master {} of the sentinel {place})", self.master);
                        return Ok(Connected { connection, address });
                    }
                    Ok(None) => said.push(format!("{place} names {host}:{port}, which is no master (a failover?)")),
                    // The sentinels agree about the master: the next one would send us to the same place.
                    Err(trouble) => return Err((trouble, format!("{host}:{port}"))),
                },
                Ok(None) => said.push(format!("{place} knows no master \"{}\"", self.master)),
                Err(trouble) => said.push(format!("{place}: {}", trouble.words())),
            }
        }
        Err((Trouble::Sentinel { master: self.master.clone(), said: said.join("; ") }, self.to_string()))
    }

    /// Where this sentinel says that the master is.
    async fn ask(&self, host: &str, port: u16, tls: &TlsCertificates) -> Result<Option<(String, u16)>, Trouble> {
        let mut connection = server::open(self.info(host, port, self.own.settings())?, tls).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(&self.master);
        pass::command(&mut connection, &command).await
    }

    /// The server that was named, when it is a master by its own word.
    async fn open_master(
        &self,
        host: &str,
        port: u16,
        tls: &TlsCertificates,
    ) -> Result<Option<MultiplexedConnection>, Trouble> {
        let settings = self.login.settings().set_db(self.db);
        let mut connection = server::open(self.info(host, port, settings)?, tls).await?;
        match pass::command::<Vec<redis::Value>>(&mut connection, &redis::cmd("ROLE")).await {
            Ok(role) => {
                let word = role.first().and_then(|word| redis::from_redis_value_ref::<String>(word).ok());
                Ok((word.as_deref() == Some("master")).then_some(connection))
            }
            // A user that may only scan: what the sentinel says has to do.
            Err(Trouble::Denied(_)) => Ok(Some(connection)),
            Err(trouble) => Err(trouble),
        }
    }

    fn info(&self, host: &str, port: u16, settings: RedisConnectionInfo) -> Result<ConnectionInfo, Trouble> {
        let host = host.to_owned();
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = address.into_connection_info().map_err(Trouble::from)?;
        Ok(info.set_redis_settings(settings))
    }
}

/// `host`, `host:port`, `[v6]:port`.
fn host(text: &str) -> Result<(String, u16), Trouble> {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, after)) => (name, after.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let name = decoded(name)?;
    match (name.is_empty(), port.map(str::parse)) {
        (true, _) => wrong("a sentinel has no host; write redis-sentinel://host:26379,host:26379/0?master=NAME"),
        (false, Some(Err(_))) => wrong("the port of a sentinel is not a number from 1 to 65535"),
        (false, Some(Ok(port))) => Ok((name, port)),
        (false, None) => Ok((name, PORT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Sentinels, Trouble> {
        Sentinels::parse(url).expect("a URL of Sentinel")
    }

    #[test]
    fn urls_are_taken_apart() {
        let url = "rediss-sentinel://app:p%40w@a:1,b,[::1]:3/2?master=my%20master&sentinel_user=s&sentinel_password=q";
        let found = parsed(url).expect("parsed");
        assert_eq!(found.to_string(), "a:1,b:26379,::1:3");
        assert_eq!((found.tls, found.master.as_str(), found.db), (true, "my master", 2));
        assert_eq!(found.login.user.as_deref(), Some("app"));
        assert_eq!(found.login.password.as_ref().map(|secret| secret.expose_secret()), Some("p@w"));
        assert_eq!(found.own.password.as_ref().map(|secret| secret.expose_secret()), Some("q"));
        assert!(Sentinels::parse("redis://h").is_none());
        assert!(parsed("redis-sentinel://:pw@h?master=m").expect("parsed").login.user.is_none());
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        for url in [
            "redis-sentinel://u:marker@h/0",
            "redis-sentinel://u:marker@h/0?mater=m",
            "redis-sentinel://u:marker@h/m?master=m",
            "redis-sentinel://u:marker@/0?master=m",
            "redis-sentinel://u:marker@h:x/0?master=m",
            "redis-sentinel://u:%ff@h/0?master=m",
        ] {
            let Err(Trouble::Url(why)) = parsed(url) else { panic!("{url}") };
            assert!(!why.contains("marker"), "{why}");
        }
    }
}
