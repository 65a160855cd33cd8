//! Sentinel: `redis-sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/DB?master=NAME`. The sentinels are asked one after the
//! other where the master is; what they say is held against the server's own word.

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsCertificates};
use secrecy::ExposeSecret as _;

use super::errors::Trouble;
use super::pass;
use super::server::{self, Connected};
use crate::config::cacheurl::{Login, Sentinels};

fn settings(login: &Login) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default();
    if let Some(user) = &login.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password.expose_secret());
    }
    settings
}

impl Sentinels {
    /// Whether a connection to them could be begun.
    pub(super) fn check(&self, tls: &TlsCertificates) -> Result<Client, Trouble> {
        let (host, port) = self.hosts.first().ok_or_else(|| Trouble::Url("it names no sentinel".to_owned()))?;
        server::client(self.info(host, *port, settings(&self.own))?, tls)
    }

    /// Connects to the master; the trouble with the address that it is about.
    pub(super) async fn connect(&self, tls: &TlsCertificates) -> Result<Connected, (Trouble, String)> {
        let (mut said, mut by_tls) = (Vec::new(), false);
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
                Err(trouble) => {
                    by_tls |= matches!(trouble, Trouble::Tls(_));
                    said.push(format!("{place}: {}", trouble.words()));
                }
            }
        }
        Err((Trouble::Sentinel { master: self.master.clone(), said: said.join("; "), tls: by_tls }, self.to_string()))
    }

    /// Where this sentinel says that the master is.
    async fn ask(&self, host: &str, port: u16, tls: &TlsCertificates) -> Result<Option<(String, u16)>, Trouble> {
        let mut connection = server::open(self.info(host, port, settings(&self.own))?, tls).await?;
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
        let settings = settings(&self.login).set_db(self.db);
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
