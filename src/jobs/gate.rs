//! What must hold before anything is written: opened by every order, claim and `init`.

use std::time::Duration;

use super::init::{self, InitStatus};
use super::orders::OrderError;
use super::who;
use crate::migrations::apply::step::{BOOKKEEPING, durable_sql};
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::job::JobId;
use crate::postgres::session::{
    LinkError, LinkErrorKind, QueryError, Reader, ServerFacts, Target, TextRow, WriterSession, connect_writer,
};
use crate::text::Untrusted;

impl From<Trouble> for OrderError {
    fn from(trouble: Trouble) -> Self {
        match crate::postgres::session::QueryError::from(trouble) {
            crate::postgres::session::QueryError::Link(link) => Self::Link(link),
            other => Self::Query(other),
        }
    }
}

/// A refusal in words.
#[must_use]
pub fn refused(words: impl Into<Untrusted>) -> OrderError {
    OrderError::Refused(words.into())
}

/// A lost link, in words.
#[must_use]
pub fn lost(why: Untrusted) -> OrderError {
    OrderError::Link(LinkError { kind: LinkErrorKind::Unreachable, message: why })
}

/// Refuses a database that is never written by its configuration. Needs no connection.
///
/// # Errors
/// When it is read-only.
pub fn writable(target: &Target) -> Result<(), OrderError> {
    if target.config.read_only {
        return Err(refused(format!(
            "{} is read-only (configuration or --read-only): nothing is written",
            target.config.name
        )));
    }
    Ok(())
}

/// Opens a session that may write and is fit for it: a primary that no server of the configuration's other databases
/// was promoted past, and no pooler between.
///
/// # Errors
/// When there is no link, or the server is not fit.
pub async fn open(target: &Target, job: Option<JobId>) -> Result<WriterSession, OrderError> {
    writable(target)?;
    let ((), session) = tokio::join!(target.look_around(), again(target, job));
    let session = session?;
    // By what the others said meanwhile.
    fit(target, &session)?;
    Ok(session)
}

/// As [`open`], within a run that was let in already: nobody else is looked at for it.
///
/// # Errors
/// As [`open`].
pub async fn again(target: &Target, job: Option<JobId>) -> Result<WriterSession, OrderError> {
    writable(target)?;
    let session = connect_writer(target, &who::application_name(job)).await?;
    fit(target, &session)?;
    wait_for_commits(&session).await?;
    Ok(session)
}

/// What a server with `synchronous_commit = off` has confirmed, a crash of it may take back: an order, a claim with its
/// fencing number, a cancel. Ours are on its disk before they are answered; nothing else of the setting is touched.
async fn wait_for_commits(session: &WriterSession) -> Result<(), OrderError> {
    ask(session, &durable_sql(false)).await?;
    Ok(())
}

/// As [`open`], trying again with growing pauses while the server cannot be reached, or is a standby: while a failover
/// lasts, the one that will be the primary still is one.
///
/// # Errors
/// When it could not be reached within `patience`, or is not fit.
pub async fn reopen(target: &Target, job: JobId, patience: Duration) -> Result<WriterSession, OrderError> {
    let started = std::time::Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let error = match retried(target, job).await {
            Ok(session) => return Ok(session),
            Err(Unfit::ForGood(error)) => return Err(error),
            Err(Unfit::ForNow(error)) => error,
        };
        if started.elapsed() + pause > patience {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Why a session was not opened.
enum Unfit {
    /// It may pass by itself.
    ForNow(OrderError),
    /// Somebody has to do something.
    ForGood(OrderError),
}

async fn retried(target: &Target, job: JobId) -> Result<WriterSession, Unfit> {
    let by_kind = |error: OrderError| match &error {
        OrderError::Link(link) => match link.kind {
            LinkErrorKind::Unreachable => Unfit::ForNow(error),
            LinkErrorKind::Refused => Unfit::ForGood(error),
        },
        OrderError::NotInitialised(_)
        | OrderError::Refused(_)
        | OrderError::Over(_)
        | OrderError::Unconfigured(_)
        | OrderError::Busy { .. }
        | OrderError::Query(_) => Unfit::ForGood(error),
    };
    writable(target).map_err(by_kind)?;
    let session =
        connect_writer(target, &who::application_name(Some(job))).await.map_err(|error| by_kind(error.into()))?;
    if let Err(error) = fit(target, &session) {
        return Err(if session.facts.standby { Unfit::ForNow(error) } else { Unfit::ForGood(error) });
    }
    wait_for_commits(&session).await.map_err(by_kind)?;
    Ok(session)
}

fn fit(target: &Target, session: &WriterSession) -> Result<(), OrderError> {
    let why = session.facts.read_only_why().map(Untrusted::from);
    match why.or_else(|| target.role_of(&session.facts.identity()).read_only_why()) {
        Some(why) => Err(refused(format!("{} cannot be written: {}", target.config.name, why.raw()))),
        None => Ok(()),
    }
}

/// A session that answers questions: one that writes, or one that only reads, which finds out what the other would be
/// told.
pub trait Asks: Sync {
    /// What the session turned out to be.
    fn facts(&self) -> &ServerFacts;

    /// Asks; a list of rows for each statement.
    ///
    /// # Errors
    /// When the server refuses, or the link breaks.
    fn ask(&self, sql: &str) -> impl Future<Output = Result<Vec<Vec<TextRow>>, QueryError>> + Send;
}

impl Asks for WriterSession {
    fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    async fn ask(&self, sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
        Ok(ask(self, sql).await?)
    }
}

impl Asks for Reader {
    fn facts(&self) -> &ServerFacts {
        Self::facts(self)
    }

    async fn ask(&self, sql: &str) -> Result<Vec<Vec<TextRow>>, QueryError> {
        self.read(sql).await
    }
}

/// Asks, with the patience of bookkeeping.
///
/// # Errors
/// As [`wire::ask`].
pub async fn ask(session: &WriterSession, sql: &str) -> Result<Vec<Vec<TextRow>>, Trouble> {
    wire::ask(&session.client, sql, BOOKKEEPING).await
}

/// Refuses where `init` was not run, or was run by another version.
///
/// # Errors
/// When the record is missing, older or newer.
pub async fn initialised(target: &Target, session: &WriterSession) -> Result<(), OrderError> {
    let rows = ask(session, init::STATUS_SQL).await?;
    let status = match rows.first().and_then(|rows| rows.first()) {
        Some(row) if row.is_true(0) => {
            let rows = ask(session, init::VERSION_SQL).await?;
            init::judge(rows.first().map(Vec::as_slice).unwrap_or_default())?
        }
        Some(_) | None => InitStatus::Missing,
    };
    match status {
        InitStatus::Current => Ok(()),
        InitStatus::Missing => Err(OrderError::NotInitialised(Untrusted::new(&*target.config.name))),
        InitStatus::Older(version) => Err(refused(format!("{}: {}", target.config.name, init::older(version)))),
        InitStatus::Newer(version) => Err(refused(init::newer(&target.config.name, version))),
    }
}
