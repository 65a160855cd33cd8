//! The bytes' way to a server: socket, TLS handshake, nothing of PostgreSQL beyond the request for TLS.
//!
//! The handshake is made here and not by the client library, because `sslmode` as libpq means it (a second try in
//! plain text, verification without the name) and a cancel that waits both need the stream in our own hands.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::conninfo::{Conninfo, Host, Keepalives};

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// The code of the request for TLS: 80877103, after its length of 8.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Where a connection went: kept, so that a cancel goes to the same server although the name has others too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// An address.
    Tcp(SocketAddr),
    /// A socket's path.
    Unix(PathBuf),
}

/// What keeps the stream from being there.
#[derive(Debug)]
pub(super) enum WireError {
    /// The name has no address.
    Lookup(io::Error),
    /// Nobody answered at any of the addresses; the last one's words.
    Connect(Endpoint, io::Error),
    /// The server does not speak TLS.
    NoTls,
    /// The server answered the request for TLS with something else.
    NotPostgres,
    /// The handshake failed.
    Handshake(io::Error),
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lookup(error) | Self::Connect(_, error) | Self::Handshake(error) => error.fmt(f),
            Self::NoTls => f.write_str("the server does not offer TLS"),
            Self::NotPostgres => f.write_str("the answer is not PostgreSQL's"),
        }
    }
}

/// An open stream to a server, encrypted or not.
pub(super) enum Wire {
    /// TCP in plain text.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<Encrypted>),
}

/// A TLS connector, with the name that the certificate has to have.
#[derive(Clone)]
pub(super) struct Tls {
    /// rustls with its verifier.
    pub connector: MakeRustlsConnect,
    /// The server's name.
    pub name: String,
    /// Start at once, without PostgreSQL's request.
    pub direct: bool,
}

/// The places to try, in order. Looks the name up.
pub(super) async fn endpoints(conninfo: &Conninfo) -> Result<Vec<Endpoint>, WireError> {
    let port = conninfo.port;
    if let Some(address) = conninfo.hostaddr {
        return Ok(vec![Endpoint::Tcp(SocketAddr::new(address, port))]);
    }
    match &conninfo.host {
        Host::Unix(folder) => Ok(vec![Endpoint::Unix(socket_path(folder, port))]),
        Host::DefaultSocket => Ok(vec![Endpoint::Unix(default_socket(port))]),
        Host::Tcp(name) => {
            let found: Vec<Endpoint> = tokio::net::lookup_host((name.as_str(), port))
                .await
                .map_err(WireError::Lookup)?
                .map(Endpoint::Tcp)
                .collect();
            if found.is_empty() {
                return Err(WireError::Lookup(io::Error::other("the name has no address")));
            }
            Ok(found)
        }
    }
}

fn socket_path(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// The usual folders: Debian's and most distributions', then PostgreSQL's own default.
fn default_socket(port: u16) -> PathBuf {
    let usual = ["/var/run/postgresql", "/tmp"].map(|folder| socket_path(Path::new(folder), port));
    let there = usual.iter().find(|path| path.exists()).cloned();
    let [first, _] = usual;
    there.unwrap_or(first)
}

/// Opens a stream to the first of the places that answers.
pub(super) async fn connect(
    places: &[Endpoint],
    keepalives: &Keepalives,
    tls: Option<&Tls>,
) -> Result<(Wire, Endpoint), WireError> {
    let mut last = None;
    for place in places {
        match open(place, keepalives).await {
            Ok(wire) => {
                let wire = match (wire, tls) {
                    (Wire::Tcp(stream), Some(tls)) => encrypt(stream, tls).await?,
                    (wire, _) => wire,
                };
                return Ok((wire, place.clone()));
            }
            Err(error) => last = Some(WireError::Connect(place.clone(), error)),
        }
    }
    Err(last.unwrap_or_else(|| WireError::Lookup(io::Error::other("the name has no address"))))
}

async fn open(place: &Endpoint, keepalives: &Keepalives) -> io::Result<Wire> {
    match place {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            watch_over(&stream, keepalives)?;
            Ok(Wire::Tcp(stream))
        }
        Endpoint::Unix(path) => UnixStream::connect(path).await.map(Wire::Unix),
    }
}

/// Keepalives: without them a vanished host is noticed after two hours.
fn watch_over(stream: &TcpStream, keepalives: &Keepalives) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, keepalives.enabled)?;
    if keepalives.enabled {
        let seconds = |given: Option<u32>, default| Duration::from_secs(u64::from(given.unwrap_or(default)));
        sockopt::set_tcp_keepidle(stream, seconds(keepalives.idle_seconds, 10))?;
        sockopt::set_tcp_keepintvl(stream, seconds(keepalives.interval_seconds, 5))?;
        sockopt::set_tcp_keepcnt(stream, keepalives.count.unwrap_or(3))?;
    }
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(stream, keepalives.user_timeout_ms.unwrap_or(20_000))?;
    Ok(())
}

async fn encrypt(mut stream: TcpStream, tls: &Tls) -> Result<Wire, WireError> {
    if !tls.direct {
        stream.write_all(&TLS_REQUEST).await.map_err(WireError::Handshake)?;
        // Exactly one byte: what follows it has to be of the handshake, or somebody in between put it there.
        match stream.read_u8().await.map_err(WireError::Handshake)? {
            b'S' => {}
            b'N' => return Err(WireError::NoTls),
            _ => return Err(WireError::NotPostgres),
        }
    }
    let connect = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls.connector.clone(), &tls.name)
        .map_err(|error| match error {})?;
    let stream = connect.connect(stream).await.map_err(WireError::Handshake)?;
    Ok(Wire::Tls(Box::new(stream)))
}

impl Wire {
    /// Whether it is encrypted.
    pub(super) const fn is_tls(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Tcp(_) | Self::Unix(_) => false,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Tcp(_) | Self::Unix(_) => ChannelBinding::none(),
            Self::Tls(stream) => stream.channel_binding(),
        }
    }
}

/// The handshake that the client library asks for: it was made already, so that the stream passes through.
pub(super) struct Done;

impl<S: TlsStream + Unpin> TlsConnect<S> for Done {
    type Stream = S;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<S>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}
