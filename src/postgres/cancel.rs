//! The cancel that waits (poolers.md B): the key's 16 bytes over a connection of their own, then reading until the
//! server closes it. The client library's own cancel leaves at once, which ends the whole process of PgBouncer 1.18
//! and with it every application client; it is never used.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::wire::{self, Endpoint, Tls};
use crate::config::conninfo::Keepalives;

/// How long a cancel may take in all.
const DEADLINE: Duration = Duration::from_secs(3);

/// Cancels what a session is running. Cheap to clone, and usable from another task.
#[derive(Clone)]
pub struct Cancel(Arc<Inner>);

struct Inner {
    place: Endpoint,
    keepalives: Keepalives,
    tls: Option<Tls>,
    request: [u8; 16],
}

/// A cancel that did not reach the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cancel did not reach the server: {0}")]
pub struct CancelError(String);

impl Cancel {
    /// Takes the session's key out of the client: its request for a cancel is written into a pipe in memory, because
    /// the library shows the key in no other way.
    pub(super) async fn of(
        client: &tokio_postgres::Client,
        place: Endpoint,
        keepalives: Keepalives,
        tls: Option<Tls>,
    ) -> Result<Self, tokio_postgres::Error> {
        let (ours, mut theirs) = tokio::io::duplex(64);
        client.cancel_token().cancel_query_raw(ours, InMemory).await?;
        let mut request = [0; 16];
        // The pipe holds all 16 bytes already, for the call above has returned.
        if theirs.read_exact(&mut request).await.is_err() {
            request = [0; 16];
        }
        Ok(Self(Arc::new(Inner { place, keepalives, tls, request })))
    }

    /// The process id in the session's key. A pooler's key is its own and never the server's process.
    #[must_use]
    pub fn key_pid(&self) -> i32 {
        let [.., a, b, c, d, _, _, _, _] = self.0.request;
        i32::from_be_bytes([a, b, c, d])
    }

    /// Asks the server to cancel, and waits until it has taken the request. What was running then ends with SQLSTATE
    /// 57014, unless it was done before.
    ///
    /// # Errors
    /// When the server cannot be reached within three seconds.
    pub async fn cancel(&self) -> Result<(), CancelError> {
        match tokio::time::timeout(DEADLINE, self.send()).await {
            Ok(done) => done,
            Err(_) => Err(CancelError(format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }

    async fn send(&self) -> Result<(), CancelError> {
        let places = std::slice::from_ref(&self.0.place);
        let (mut wire, _) = wire::connect(places, &self.0.keepalives, self.0.tls.as_ref())
            .await
            .map_err(|error| CancelError(format!("{error}")))?;
        let words = |error: io::Error| CancelError(error.to_string());
        wire.write_all(&self.0.request).await.map_err(words)?;
        wire.flush().await.map_err(words)?;
        let mut rest = [0; 64];
        loop {
            match wire.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // The server closes without TLS's own goodbye, or resets: both mean that it is done.
                Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    return Ok(());
                }
                Err(error) => return Err(words(error)),
            }
        }
    }
}

/// Lets the pipe in memory pass as an encrypted stream.
struct InMemory;

struct Pipe(DuplexStream);

impl TlsConnect<DuplexStream> for InMemory {
    type Stream = Pipe;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Pipe>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(Pipe(stream)))
    }
}

impl TlsStream for Pipe {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl tokio::io::AsyncRead for Pipe {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Pipe {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
