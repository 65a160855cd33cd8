//! A way in between: a loopback port whose connections lead to a server, and which can be aimed at another one, cut,
//! and stalled (bytes stop, connections stay), as a proxy on the way does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    /// Connections of an earlier age are cut.
    age: u32,
    stalled: bool,
}

/// A relay; it ends with the runtime.
pub struct Relay {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    aim: Arc<AtomicU16>,
    taken: Arc<AtomicU32>,
    state: watch::Sender<State>,
}

impl Relay {
    /// Leads to this port of 127.0.0.1.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (aim, taken) = (Arc::new(AtomicU16::new(port)), Arc::new(AtomicU32::new(0)));
        let (state, watched) = watch::channel(State { age: 0, stalled: false });
        let (to, count) = (Arc::clone(&aim), Arc::clone(&taken));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))).await else { continue };
                tokio::spawn(carry(client, server, watched.clone()));
            }
        });
        Self { port: own, aim, taken, state }
    }

    /// Leads new connections to another port.
    pub fn aim(&self, port: u16) {
        self.aim.store(port, Ordering::SeqCst);
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.age += 1);
    }

    /// Carries no byte any more, or goes on.
    pub fn stall(&self, stalled: bool) {
        self.state.send_modify(|state| state.stalled = stalled);
    }

    /// Connections taken so far.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: TcpStream, mut state: watch::Receiver<State>) {
    let age = state.borrow().age;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (up, down) = (state.clone(), state.clone());
    let there = one_way(&mut from_client, &mut to_server, up);
    let back = one_way(&mut from_server, &mut to_client, down);
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = state.wait_for(|state| state.age != age) => {}
    }
}

async fn one_way(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut state: watch::Receiver<State>,
) {
    let mut bytes = [0; 16_384];
    while let Ok(read) = from.read(&mut bytes).await {
        if state.wait_for(|state| !state.stalled).await.is_err()
            || read == 0
            || to.write_all(&bytes[..read]).await.is_err()
        {
            return;
        }
    }
}
