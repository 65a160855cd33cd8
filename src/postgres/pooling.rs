//! Whether a pooler stands between us and the server, and what the operator's word about it is worth (poolers.md A.1).

use std::time::Duration;

use super::connect::{Opened, Server};
use super::facts;

/// How long the search for signs of a transaction pool may take: behind an exhausted pool every question waits.
const DEADLINE: Duration = Duration::from_secs(2);
/// Their `application_name`.
const PROBE: &str = concat!("tenantui/", env!("CARGO_PKG_VERSION"), " probe");
/// Further connections that are opened to catch the first one's server process.
const PROBES: usize = 4;

/// What stands between us and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing: settings and locks of the session are ours.
    Direct,
    /// A pooler whose kind nobody stated: nothing is written.
    Pooled,
    /// The operator states session pooling, and no sign of another kind was found.
    StatedSession,
    /// The operator states session pooling, and it is not so: nothing is written.
    Disproved,
}

impl Pooling {
    /// Whether settings and locks of a session hold, so that jobs may run.
    #[must_use]
    pub const fn keeps_sessions(self) -> bool {
        match self {
            Self::Direct | Self::StatedSession => true,
            Self::Pooled | Self::Disproved => false,
        }
    }

    /// Why nothing is written through it and what to do, where that is so.
    #[must_use]
    pub const fn read_only_why(self) -> Option<&'static str> {
        match self {
            Self::Direct | Self::StatedSession => None,
            Self::Pooled => Some(
                "a connection pooler is in between, where locks and settings do not hold; connect to PostgreSQL directly \
                 to write (or state pooler = \"session\" if it pools sessions)",
            ),
            Self::Disproved => Some(
                "a connection pooler is in between, and it does not pool sessions although pooler = \"session\" is set; \
                 connect to PostgreSQL directly to write",
            ),
        }
    }
}

/// What the probe found.
pub(super) enum Finding {
    /// No sign of transaction or statement pooling.
    Nothing,
    /// It is not session pooling, and why we know.
    NotSession(&'static str),
    /// The probe did not come to an end, in words.
    Unknown(String),
}

/// Looks for signs that a pooler does not keep sessions; `first_pid` is what the first statement saw.
pub(super) async fn probe(server: &Server, opened: &Opened, first_pid: i32) -> Finding {
    match tokio::time::timeout(DEADLINE, look(server, opened, first_pid)).await {
        Ok(finding) => finding,
        Err(_) => Finding::Unknown(format!("the probe had no answer within {} s", DEADLINE.as_secs())),
    }
}

async fn look(server: &Server, first: &Opened, first_pid: i32) -> Finding {
    const MOVED: &str = "two statements of one session ran in two processes of the server";
    const SHARED: &str = "another session got this session's process of the server";
    let mut others = Vec::new();
    for _ in 0..PROBES {
        match facts::backend_pid(&first.client).await {
            Ok(Some(pid)) if pid == first_pid => {}
            Ok(_) => return Finding::NotSession(MOVED),
            Err(error) => return Finding::Unknown(super::words::library_words(&error)),
        }
        let other = match server.open_host(first.host, PROBE).await {
            Ok(other) => other,
            Err(error) => return Finding::Unknown(error.to_string()),
        };
        // A transaction keeps the process that it got, so that the next one gets another.
        if other.client.simple_query("BEGIN READ ONLY").await.is_err() {
            return Finding::NotSession("BEGIN is refused: it pools statements");
        }
        match facts::backend_pid(&other.client).await {
            Ok(Some(pid)) if pid == first_pid => return Finding::NotSession(SHARED),
            Ok(_) => {}
            Err(error) => return Finding::Unknown(super::words::library_words(&error)),
        }
        others.push(other);
    }
    Finding::Nothing
}
