//! A lane: one work connection that is opened once and used for tenant after tenant, and opened anew after every
//! error.

use std::time::{Duration, Instant};

use super::bound::Home;
use super::gate;
use super::orders::OrderError;
use super::watcher::Watcher;
use crate::model::job::JobId;
use crate::postgres::session::{Cancel, Reader, ServerFacts, Target, WriterSession};

/// How long a lost link is waited for.
pub(super) const LINK_PATIENCE: Duration = Duration::from_secs(60);

/// How long a session that looks is kept for the next look: what idles for longer may be ended on the way.
const KEPT: Duration = Duration::from_secs(5);

/// A work connection.
pub(super) struct Lane<'a> {
    target: &'a Target,
    job: JobId,
    /// The server that the job was claimed on; another one is never written to.
    home: &'a Home,
    session: Option<(WriterSession, i32)>,
    /// What looked last, and when. Never kept longer than the work session: it looks at the same server.
    reader: Option<(Reader, Instant)>,
    watcher: &'a Watcher<'a>,
}

impl<'a> Lane<'a> {
    pub(super) const fn new(target: &'a Target, job: JobId, home: &'a Home, watcher: &'a Watcher<'a>) -> Self {
        Self { target, job, home, session: None, reader: None, watcher }
    }

    /// The session, where there is one that lives.
    pub(super) fn living(&self) -> Option<&WriterSession> {
        self.session.as_ref().map(|(session, _)| session).filter(|session| !session.client.is_closed())
    }

    /// Throws the session away: the next step opens a new one.
    pub(super) fn drop_session(&mut self) {
        self.session = None;
        self.reader = None;
    }

    /// The session that looked a moment ago, where it lives.
    pub(super) fn take_reader(&mut self) -> Option<Reader> {
        let (reader, at) = self.reader.take()?;
        (at.elapsed() < KEPT && !reader.is_closed()).then_some(reader)
    }

    /// Keeps a session that has looked for the next look: it reads, and remembers nothing.
    pub(super) fn keep_reader(&mut self, reader: Reader) {
        self.reader = Some((reader, Instant::now()));
    }

    /// Ends it: what runs next needs connections, too.
    pub(super) fn drop_reader(&mut self) {
        self.reader = None;
    }

    /// Throws a session away that did not answer: what may still run on it is cancelled, and it is cut. A client that
    /// is dropped while it waits for an answer goes on waiting for it.
    pub(super) async fn abandon_session(&mut self) {
        self.reader = None;
        let Some((session, _)) = self.session.take() else { return };
        if session.client.is_closed() {
            return;
        }
        if let Err(error) = session.cancel.cancel().await {
            tracing::warn!("{error}");
        }
        session.cut();
    }

    /// The session; opened where there is none, waiting for a lost link.
    ///
    /// # Errors
    /// When the server did not come back in time, or another server answers.
    pub(super) async fn session(&mut self) -> Result<(&WriterSession, i32), OrderError> {
        if self.session.as_ref().is_none_or(|(session, _)| session.client.is_closed()) {
            let session = gate::reopen(self.target, self.job, LINK_PATIENCE).await?;
            self.adopt(session).await?;
        }
        match &self.session {
            Some((session, pid)) => Ok((session, *pid)),
            None => Err(gate::refused("the work session could not be opened")),
        }
    }

    /// The first use of a lane, on a session that was opened for this job where there is one.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub(super) async fn session_or(&mut self, early: Option<WriterSession>) -> Result<&WriterSession, OrderError> {
        if let Some(session) = early {
            self.adopt_if_alive(session).await?;
        }
        self.session().await.map(|(session, _)| session)
    }

    /// Takes a session that was opened for this job. Where it was lost meanwhile, the lane opens another one.
    ///
    /// # Errors
    /// When it is another server's.
    pub(super) async fn adopt_if_alive(&mut self, session: WriterSession) -> Result<(), OrderError> {
        match self.adopt(session).await {
            Ok(()) | Err(OrderError::Link(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn adopt(&mut self, session: WriterSession) -> Result<(), OrderError> {
        same_server(self.home, &session.facts)?;
        self.reader = None;
        let rows = gate::ask(&session, "SELECT pg_catalog.pg_backend_pid()").await?;
        let pid = rows.iter().flatten().next().map(|row| row.parse(0)).transpose()?.flatten().unwrap_or_default();
        self.session = Some((session, pid));
        Ok(())
    }

    /// The session, its pid, and what asks about it meanwhile.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub(super) async fn split(&mut self) -> Result<(&WriterSession, i32, &'a Watcher<'a>), OrderError> {
        self.session().await?;
        match &self.session {
            Some((session, pid)) => Ok((session, *pid, self.watcher)),
            None => Err(gate::refused("the work session could not be opened")),
        }
    }

    /// Who asks about other sessions.
    pub(super) const fn watcher(&self) -> &'a Watcher<'a> {
        self.watcher
    }
}

/// A worker that panics leaves a statement running: cut, the server sees that its client is gone, rolls back, and
/// another worker can go on. A connection that is only let go waits for the statement's end.
impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if let Some((session, _)) = self.session.take_if(|_| std::thread::panicking()) {
            session.cut();
        }
    }
}

/// Work that must not go on in the server when nobody waits for it any more: where this is dropped before
/// [`Self::over`], the session's statement is cancelled.
pub(super) struct Unfinished(Option<Cancel>);

impl Unfinished {
    /// Work of this session.
    pub(super) fn of(session: &WriterSession) -> Self {
        Self(Some(session.cancel.clone()))
    }

    /// The work came to its end.
    pub(super) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Without a runtime the whole process ends, and the server sees that the client is gone.
        if let (Some(cancel), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = cancel.cancel().await {
                    tracing::warn!("{error}");
                }
            });
        }
    }
}

/// The plan is bound to its server: identifier, timeline, database.
fn same_server(home: &Home, now: &ServerFacts) -> Result<(), OrderError> {
    match home.place(&Home::of(now)).refusal() {
        None => Ok(()),
        Some(words) => Err(gate::refused(words)),
    }
}
