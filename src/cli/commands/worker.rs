//! `worker`: runs queued and orphaned jobs with no terminal; for systemd and cron.

use std::collections::BTreeSet;
use std::time::Duration;

use super::running::{self, AfterCanary};
use crate::cli::args::Worker;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output;
use crate::cli::session::{self, Session};
use crate::jobs::orders::OrderError;
use crate::jobs::worker;
use crate::model::job::JobId;
use crate::postgres::session::Target;

/// Time between two looks for work.
const LOOK: Duration = Duration::from_secs(2);

/// Runs jobs until there is nothing to do (`--once`, `--drain`) or a signal comes.
///
/// # Errors
/// Exit 3 where no database answers, 5 where the databases may not be written.
pub async fn run(session: &Session, arguments: Worker) -> Outcome<Status> {
    let mut targets = Vec::new();
    for database in &session.databases {
        if database.read_only {
            output::note(format!("{} is read-only: its jobs are left alone", database.name));
        } else {
            targets.push(session::target(database).await?);
        }
    }
    if targets.is_empty() {
        return Err(Failure::refused("there is no database that may be written"));
    }
    let mut status = Status::Done;
    // Jobs that this worker ran or could not take: not tried again in a circle.
    let mut seen: BTreeSet<(usize, JobId)> = BTreeSet::new();
    loop {
        let mut ran = false;
        for (index, target) in targets.iter().enumerate() {
            match take(session, target, index, &mut seen).await {
                Ok(None) => {}
                Ok(Some(next)) => (ran, status) = (true, status.and(next)),
                Err(failure) => {
                    output::note(format!("{}: {}", target.config.name, failure.message));
                    if let Status::Signal(_) = failure.status {
                        return Ok(failure.status);
                    }
                    status = status.and(failure.status);
                }
            }
            if let Some(number) = session.signals.first() {
                return Ok(Status::Signal(number));
            }
        }
        if arguments.once || (arguments.drain && !ran) {
            return Ok(status);
        }
        if !ran {
            if !arguments.drain {
                seen.clear();
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                number = session.signals.wait(1) => return Ok(Status::Signal(number)),
            }
        }
    }
}

/// Runs the oldest job that is there to be taken.
async fn take(
    session: &Session,
    target: &Target,
    index: usize,
    seen: &mut BTreeSet<(usize, JobId)>,
) -> Outcome<Option<Status>> {
    let jobs = match worker::claimable(target).await {
        Ok(jobs) => jobs,
        // Nothing was ever ordered here.
        Err(OrderError::NotInitialised(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(job) = jobs.into_iter().find(|job| !seen.contains(&(index, *job))) else { return Ok(None) };
    seen.insert((index, job));
    output::note(format!("{}: taking job {job}", target.config.name));
    let view = running::run(target, job, false, AfterCanary::AsOrdered, &session.signals).await?;
    output::note(running::progress_line(&view));
    Ok(Some(running::status(&view, &session.signals, Status::Partly)))
}
