//! `worker`: runs queued and orphaned jobs with no terminal; for systemd and cron.
//!
//! With `--once` or `--drain` it ends by itself, and its exit status tells how it went. Without, it is a service: each
//! database is watched by itself, a lost link is said once and waited for, and only a signal ends it.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::bench::{Bench, Next};
use crate::cli::args::Worker;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output;
use crate::cli::session::Session;
use crate::cli::systemd::Manager;
use crate::jobs::orders::OrderError;
use crate::jobs::watch::{self, Sight, Wanted};
use crate::model::job::JobState;
use crate::postgres::session::{LinkErrorKind, Target};

/// The longest pause between two tries where the database answers and does not let us work.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs jobs until there is nothing to do (`--once`, `--drain`) or a signal comes.
///
/// # Errors
/// Exit 3 where no database answers, 5 where the databases may not be written; 128+n on a signal.
pub async fn run(session: &Session, arguments: Worker) -> Outcome<Status> {
    session.signals.set_grace(Duration::from_secs(arguments.grace.into()));
    let mut targets = Vec::new();
    for database in &session.databases {
        if database.read_only {
            output::note(format!("{} is read-only: its jobs are left alone", database.name));
        } else {
            targets.push(session.target(database)?);
        }
    }
    if targets.is_empty() {
        return Err(Failure::refused("there is no database that may be written"));
    }
    let floor = Floor {
        session,
        manager: Manager::of(std::env::var_os("NOTIFY_SOCKET").as_deref()),
        standings: RefCell::new(vec![Standing::Unknown; targets.len()]),
        ready: RefCell::new(false),
        targets,
    };
    let work = async {
        let indices = 0..floor.targets.len();
        let ended = if arguments.once || arguments.drain {
            join_all(indices.map(|index| floor.finite(index, arguments.once))).await
        } else {
            join_all(indices.map(|index| floor.serve(index))).await
        };
        ended.into_iter().fold(Status::Done, Status::and)
    };
    let status = tokio::select! {
        status = work => status,
        never = floor.farewell() => never,
    };
    floor.manager.stopping("ended");
    // Whatever else went wrong before: a worker that was told to end ended because of that.
    Ok(session.signals.first().map_or(status, Status::Signal))
}

/// How a database stands with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Not reached yet.
    Unknown,
    /// Its jobs can be claimed.
    Ready,
    /// Not for now: no link, or it does not let us.
    Down,
    /// Left for good.
    Left,
}

/// All databases of this worker.
struct Floor<'a> {
    session: &'a Session,
    manager: Manager,
    targets: Vec<Target>,
    standings: RefCell<Vec<Standing>>,
    /// The readiness was told.
    ready: RefCell<bool>,
}

impl Floor<'_> {
    /// Tells the service manager of the first signal; the jobs hear of it by themselves.
    async fn farewell(&self) -> Status {
        self.session.signals.wait(1).await;
        self.manager.stopping("running steps may finish; then their job is paused");
        std::future::pending().await
    }

    /// `--once`, `--drain`.
    async fn finite(&self, index: usize, once: bool) -> Status {
        let mut bench = Bench::new(self.session, &self.targets[index], true);
        let mut status = Status::Done;
        loop {
            let next = match bench.next().await {
                Ok(next) => next,
                Err(error) => {
                    bench.say(&error.to_string());
                    self.stand(index, Standing::Left);
                    return status.and(Failure::from(error).status);
                }
            };
            self.stand(index, Standing::Ready);
            match next {
                Next::Nothing => return status.and(bench.left()),
                Next::Wait(wait) => self.rest(Some(wait)).await,
                Next::Job(job) => match bench.run(job).await {
                    Ok(ran) => status = status.and(ran),
                    Err(failure) => {
                        bench.say(&failure.message);
                        return status.and(failure.status);
                    }
                },
            }
            if self.session.signals.first().is_some() || (once && matches!(next, Next::Job(_))) {
                return status.and(bench.left());
            }
        }
    }

    /// A service: watches the database and takes what comes, until a signal, or until trying again cannot help.
    async fn serve(&self, index: usize) -> Status {
        let mut bench = Bench::new(self.session, &self.targets[index], false);
        let (sights, mut seen) = mpsc::channel(64);
        let _watch = watch::spawn(self.targets[index].clone(), Wanted::All, sights);
        let mut wait = None;
        let mut pause = Duration::from_secs(1);
        loop {
            tokio::select! {
                sight = seen.recv() => match self.seen(index, &mut bench, sight) {
                    Seen::Work => {}
                    Seen::Nothing => continue,
                    Seen::Over(status) => return status,
                },
                () = self.rest(wait) => {}
            }
            if self.session.signals.first().is_some() {
                return Status::Done;
            }
            let mut more = false;
            let worked = tokio::select! {
                worked = self.work(index, &mut bench) => worked,
                never = mind(&mut seen, &mut more) => never,
            };
            wait = match worked {
                Ok(next) => {
                    pause = Duration::from_secs(1);
                    // A job that came after the last look at the record.
                    if more { Some(Duration::ZERO) } else { next }
                }
                Err(error) if self.outlives(index, &error) => {
                    bench.say_once(&format!("{error}; it is tried again until it can be worked on"));
                    self.stand(index, Standing::Down);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    Some(pause)
                }
                Err(error) => {
                    bench.say(&error.to_string());
                    self.stand(index, Standing::Left);
                    return Failure::from(error).status;
                }
            };
        }
    }

    /// What a sight means for a worker.
    fn seen(&self, index: usize, bench: &mut Bench<'_>, sight: Option<Sight>) -> Seen {
        match sight {
            Some(Sight::Lost(error)) => {
                let for_good = error.kind == LinkErrorKind::Refused && self.standing(index) == Standing::Unknown;
                if for_good {
                    bench.say(&error.to_string());
                    self.stand(index, Standing::Left);
                    return Seen::Over(Status::NoLink);
                }
                if self.standing(index) != Standing::Down {
                    bench.say(&format!("{error}; it is tried again until it is back"));
                    self.stand(index, Standing::Down);
                }
                Seen::Nothing
            }
            Some(sight) if is_work(&sight) => Seen::Work,
            Some(_) => Seen::Nothing,
            None => {
                bench.say("it cannot be watched any more, see the log");
                self.stand(index, Standing::Left);
                Seen::Over(Status::Failed)
            }
        }
    }

    /// Runs all there is. When to look again although nothing is told.
    async fn work(&self, index: usize, bench: &mut Bench<'_>) -> Result<Option<Duration>, OrderError> {
        loop {
            let next = bench.next().await?;
            if self.stand(index, Standing::Ready) == Standing::Down {
                bench.say("it is back");
                bench.forget_said();
            }
            match next {
                Next::Nothing => return Ok(None),
                Next::Wait(wait) => return Ok(Some(wait)),
                Next::Job(job) => {
                    if let Err(failure) = bench.run(job).await {
                        bench.say(&failure.message);
                        // Not at once: the server has to see first that our sessions are gone.
                        return Ok(Some(Duration::from_secs(1)));
                    }
                }
            }
            if self.session.signals.first().is_some() {
                return Ok(None);
            }
        }
    }

    /// Whether a service goes on after this: not where it never could work, and trying again cannot help.
    fn outlives(&self, index: usize, error: &OrderError) -> bool {
        let worked_before = self.standing(index) != Standing::Unknown;
        match error {
            OrderError::Link(error) => error.kind == LinkErrorKind::Unreachable || worked_before,
            OrderError::Refused(_)
            | OrderError::Unconfigured(_)
            | OrderError::Query(_)
            | OrderError::NotInitialised(_) => worked_before,
            OrderError::Busy { .. } | OrderError::Over(_) => true,
        }
    }

    fn standing(&self, index: usize) -> Standing {
        self.standings.borrow().get(index).copied().unwrap_or(Standing::Unknown)
    }

    /// Notes how a database stands now, and tells the readiness as soon as every database is ready or known not to be.
    /// Returns how it stood before.
    fn stand(&self, index: usize, now: Standing) -> Standing {
        let before = self.standing(index);
        if let Some(standing) = self.standings.borrow_mut().get_mut(index) {
            *standing = now;
        }
        let standings = self.standings.borrow();
        let ready: Vec<&str> = (self.targets.iter().zip(standings.iter()))
            .filter(|(_, standing)| **standing == Standing::Ready)
            .map(|(target, _)| &*target.config.name)
            .collect();
        let known = !standings.contains(&Standing::Unknown);
        if known && !ready.is_empty() && !self.ready.replace(true) {
            output::note(format!("tenantui worker ready: {}", ready.join(", ")));
            self.manager.ready(&format!("takes jobs of {}", ready.join(", ")));
        } else if before != now && *self.ready.borrow() {
            self.manager.status(&match ready.as_slice() {
                [] => "no database can be worked on; they are tried again".to_owned(),
                ready => format!("takes jobs of {}", ready.join(", ")),
            });
        }
        before
    }

    /// Waits so long, or for a signal; without a time, for the signal alone.
    async fn rest(&self, wait: Option<Duration>) {
        tokio::select! {
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            _ = self.session.signals.wait(1) => {}
        }
    }
}

/// What a sight means for a worker.
enum Seen {
    Work,
    Nothing,
    Over(Status),
}

/// Takes what is told until something else ends the waiting, and minds whether there is more to do.
async fn mind<T>(seen: &mut mpsc::Receiver<Sight>, more: &mut bool) -> T {
    while let Some(sight) = seen.recv().await {
        *more |= is_work(&sight);
    }
    std::future::pending().await
}

/// Whether there may be a job to take.
fn is_work(sight: &Sight) -> bool {
    match sight {
        Sight::Watching => true,
        Sight::Job(view) => match view.state {
            JobState::Queued | JobState::Orphaned => true,
            JobState::Running | JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => false,
        },
        Sight::Line(_) | Sight::LinesLeftOut(_) | Sight::Lost(_) => false,
    }
}
