//! The way to a cache server: the URL, TLS with the files of the configuration, and Sentinel. Every step has its deadline.

use std::path::Path;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use secrecy::ExposeSecret as _;

use super::errors::Trouble;
use super::{CacheError, CacheProgress, pass};
use crate::config;
use crate::config::cacheurl::CacheUrl;

/// A connection, and where it leads, in words without a secret.
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) address: String,
}

/// Connects to the server of the configuration, by its sentinels where it has them.
pub(super) async fn connect(cache: &config::Cache) -> Result<Connected, CacheError> {
    let at = CacheProgress::default();
    let url = cache.url.expose_secret();
    let tls = certificates(cache).map_err(|trouble| trouble.into_error("", at))?;
    let info = match CacheUrl::parse(url).map_err(|error| Trouble::Url(error.to_string()).into_error("", at))? {
        CacheUrl::One(info) => info,
        CacheUrl::Sentinels(sentinels) => {
            return sentinels.connect(&tls).await.map_err(|(trouble, address)| trouble.into_error(&address, at));
        }
    };
    let address = info.addr().to_string();
    match open(info, &tls).await {
        Ok(connection) => Ok(Connected { connection, address }),
        Err(trouble) => Err(trouble.into_error(&address, at)),
    }
}

/// Whether a connection could be begun: the URL, and the files of certificates. Connects to nothing.
///
/// # Errors
/// What a connection would be refused for before anything is sent.
pub fn check(cache: &config::Cache) -> Result<(), CacheError> {
    let made = || {
        let tls = certificates(cache)?;
        let url = CacheUrl::parse(cache.url.expose_secret()).map_err(|error| Trouble::Url(error.to_string()))?;
        match url {
            CacheUrl::One(info) => client(info, &tls),
            CacheUrl::Sentinels(sentinels) => sentinels.check(&tls),
        }
        .map(drop)
    };
    made().map_err(|trouble: Trouble| trouble.into_error("", CacheProgress::default()))
}

/// Whether sentinels say where the server is: after a failover it is another one.
pub(super) fn is_by_sentinel(cache: &config::Cache) -> bool {
    matches!(CacheUrl::parse(cache.url.expose_secret()), Ok(CacheUrl::Sentinels(_)))
}

/// What connects; with the certificates where it is with TLS.
pub(super) fn client(info: ConnectionInfo, tls: &TlsCertificates) -> Result<Client, Trouble> {
    let client = match info.addr() {
        ConnectionAddr::TcpTls { .. } => Client::build_with_tls(info, tls.clone()),
        _ => Client::open(info),
    };
    client.map_err(|error| Trouble::Files(error.to_string()))
}

/// Opens a connection.
pub(super) async fn open(info: ConnectionInfo, tls: &TlsCertificates) -> Result<MultiplexedConnection, Trouble> {
    let client = client(info, tls)?;
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(pass::CONNECT_DEADLINE))
        .set_response_timeout(Some(pass::COMMAND_DEADLINE));
    // The outer limit holds for the whole: name, socket, TLS and login.
    match tokio::time::timeout(pass::CONNECT_DEADLINE, client.get_multiplexed_async_connection_with_config(&settings))
        .await
    {
        Ok(connection) => connection.map_err(Trouble::from),
        Err(_) => Err(Trouble::Slow),
    }
}

fn certificates(cache: &config::Cache) -> Result<TlsCertificates, Trouble> {
    let read = |path: &Path, option: &str| {
        std::fs::read(path).map_err(|error| Trouble::Files(format!("{option} = {}: {error}", path.display())))
    };
    let root_cert = cache.ca.as_ref().map(|path| pem(read(path, "ca")?, path, "ca", "CERTIFICATE")).transpose()?;
    let client_tls = match &cache.client {
        None => None,
        Some((cert, key)) => Some(ClientTlsConfig {
            client_cert: pem(read(cert, "cert")?, cert, "cert", "CERTIFICATE")?,
            client_key: pem(read(key, "key")?, key, "key", "PRIVATE KEY")?,
        }),
    };
    Ok(TlsCertificates { client_tls, root_cert })
}

/// The file, when it holds what is wanted: the library takes an empty one for "trust nobody".
fn pem(bytes: Vec<u8>, path: &Path, option: &str, what: &str) -> Result<Vec<u8>, Trouble> {
    let wrong = |why: String| Err(Trouble::Files(format!("{option} = {}: {why}", path.display())));
    let text = String::from_utf8_lossy(&bytes);
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{what}-----"));
    if text.contains("ENCRYPTED") {
        return wrong(
            "the key is encrypted, which is not read here; name a copy without a password (mode 600)".to_owned(),
        );
    }
    if !text.lines().any(begins) {
        return wrong(format!("holds no {} in PEM form", what.to_lowercase()));
    }
    Ok(bytes)
}
