//! The task behind a [`super::service::Service`]: takes commands, runs jobs one after another, and stays able to
//! answer while one runs. A panic of a job's task is told as a refusal; it never reaches the face.

use std::collections::VecDeque;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::control;
use super::init;
use super::orders::{self, OrderError};
use super::record;
use super::service::ServiceCommand;
use super::watch as watching;
use super::worker::{self, RunOptions, Stop};
use crate::model::audit::AuditFilter;
use crate::model::job::{JobEvent, JobId};
use crate::postgres::session::{Patience, Reader, Target};
use crate::text::Untrusted;

/// A job that waits for its turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    job: JobId,
    retry: bool,
}

struct Desk {
    target: Target,
    events: mpsc::Sender<JobEvent>,
    turns: VecDeque<Turn>,
    stop: watch::Sender<Stop>,
}

/// Runs until all senders of commands are gone.
pub(super) async fn run(target: Target, mut commands: mpsc::Receiver<ServiceCommand>, events: mpsc::Sender<JobEvent>) {
    let (stop, _) = watch::channel(Stop::GoOn);
    let mut desk = Desk { target, events, turns: VecDeque::new(), stop };
    // It lists the jobs that are there, and tells of all that happens to them, here or elsewhere.
    let watch = watching::tell(desk.target.clone(), desk.events.clone());
    let mut running: Option<(JobId, JoinHandle<Result<(), OrderError>>)> = None;
    let mut asked = loop {
        if running.is_none() {
            running = desk.turns.pop_front().map(|turn| (turn.job, desk.start(turn)));
        }
        tokio::select! {
            command = commands.recv() => match command {
                None => break Stop::AfterStep,
                Some(ServiceCommand::Stop(stop)) => break stop,
                Some(command) => {
                    desk.take(command).await;
                    watch.nudge();
                }
            },
            (job, ended) = ended(&mut running), if running.is_some() => {
                running = None;
                desk.told(job, ended).await;
            }
        }
    };
    // The process ends: the current steps finish or are cancelled, and the job waits to be resumed.
    while running.is_some() {
        desk.stop.send_replace(asked);
        tokio::select! {
            command = commands.recv(), if asked < Stop::Now => match command {
                Some(ServiceCommand::Stop(stop)) => asked = asked.max(stop),
                Some(_) => {}
                // Nobody can ask for more any more.
                None => asked = Stop::Now,
            },
            (job, ended) = ended(&mut running) => {
                running = None;
                desk.told(job, ended).await;
            }
        }
    }
    // Its end is what a face waits for (`commands.closed()`).
    drop(commands);
}

type Ended = Result<Result<(), OrderError>, tokio::task::JoinError>;

async fn ended(running: &mut Option<(JobId, JoinHandle<Result<(), OrderError>>)>) -> (JobId, Ended) {
    match running {
        Some((job, task)) => (*job, task.await),
        None => std::future::pending().await,
    }
}

impl Desk {
    fn start(&self, turn: Turn) -> JoinHandle<Result<(), OrderError>> {
        let (target, events) = (self.target.clone(), self.events.clone());
        let options = RunOptions { wait_after_canary: true, parallel: None, stop: self.stop.subscribe() };
        tokio::spawn(async move { worker::run(&target, turn.job, turn.retry, options, events).await.map(|_| ()) })
    }

    async fn take(&mut self, command: ServiceCommand) {
        match command {
            ServiceCommand::Init => match init::run(&self.target).await {
                Ok(_) => self.say(JobEvent::Initialised { database: self.target.config.name.clone() }).await,
                Err(error) => self.reject(&error).await,
            },
            ServiceCommand::Order { idempotency_key, order } => {
                match orders::order(&self.target, &order, idempotency_key).await {
                    Ok(job) => {
                        self.view(job).await;
                        self.enqueue(job, false);
                    }
                    Err(error) => self.reject(&error).await,
                }
            }
            ServiceCommand::Resume(job) => self.enqueue(job, false),
            ServiceCommand::Retry(job) => self.enqueue(job, true),
            ServiceCommand::Cancel(job) => self.cancel(job).await,
            ServiceCommand::Pause(job) => self.pause(job).await,
            ServiceCommand::Skip { job, schema, note } => self.skip(job, &schema, &note).await,
            // The whole job is tried again until a lock that one tenant waits for can be waited for alone.
            ServiceCommand::RetryWhenFree { job, schema: _ } => self.enqueue(job, true),
            ServiceCommand::ReadOutcomes(job) => self.outcomes(job).await,
            ServiceCommand::ReadAudit(filter) => self.audit(filter).await,
            // The loop ends with it.
            ServiceCommand::Stop(_) => {}
        }
    }

    /// A job has one turn, however often it was asked for.
    fn enqueue(&mut self, job: JobId, retry: bool) {
        match self.turns.iter_mut().find(|turn| turn.job == job) {
            Some(turn) => turn.retry |= retry,
            None => self.turns.push_back(Turn { job, retry }),
        }
    }

    async fn cancel(&mut self, job: JobId) {
        self.turns.retain(|turn| turn.job != job);
        match control::cancel(&self.target, job).await {
            Ok(_) => self.view(job).await,
            Err(error) => self.reject(&error).await,
        }
    }

    async fn pause(&mut self, job: JobId) {
        self.turns.retain(|turn| turn.job != job);
        match control::pause(&self.target, job).await {
            Ok(_) => self.view(job).await,
            Err(error) => self.reject(&error).await,
        }
    }

    async fn skip(&self, job: JobId, schema: &str, note: &str) {
        match control::skip(&self.target, job, schema, note).await {
            Ok(()) => {
                self.view(job).await;
                self.outcomes(job).await;
            }
            Err(error) => self.reject(&error).await,
        }
    }

    async fn audit(&self, filter: AuditFilter) {
        let Some(reader) = self.reader().await else { return };
        let database = self.target.config.name.clone();
        match record::audit(&reader, &database, &filter).await {
            Ok(lines) => self.say(JobEvent::Audit { database, filter, lines }).await,
            Err(error) => self.reject(&error.into()).await,
        }
    }

    /// What became of a run.
    async fn told(&self, job: JobId, ended: Ended) {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.reject(&error).await;
                self.view(job).await;
            }
            Err(error) => {
                let message =
                    format!("the worker of job {job} failed ({error}); nothing half-done is left: resume the job");
                self.reject(&OrderError::Refused(message.into())).await;
                self.view(job).await;
            }
        }
    }

    async fn reject(&self, error: &OrderError) {
        let needs_init = matches!(error, OrderError::NotInitialised(_));
        let database = self.target.config.name.clone();
        self.say(JobEvent::Rejected { database, message: Untrusted::new(error.to_string()), needs_init }).await;
    }

    async fn say(&self, event: JobEvent) {
        // A face that is gone needs no telling.
        let _gone = self.events.send(event).await;
    }

    async fn reader(&self) -> Option<Reader> {
        match Reader::open(&self.target, Patience::Foreground).await {
            Ok(reader) => Some(reader),
            Err(error) => {
                self.reject(&OrderError::Link(error)).await;
                None
            }
        }
    }

    async fn view(&self, job: JobId) {
        let Some(reader) = self.reader().await else { return };
        match record::job(&reader, &self.target.config.name, job).await {
            Ok(Some(view)) => self.say(JobEvent::Job(Box::new(view))).await,
            Ok(None) => {}
            Err(error) => self.reject(&error.into()).await,
        }
    }

    async fn outcomes(&self, job: JobId) {
        let Some(reader) = self.reader().await else { return };
        let database = self.target.config.name.clone();
        match record::outcomes(&reader, &database, job).await {
            Ok(outcomes) => self.say(JobEvent::Outcomes { database, job, outcomes }).await,
            Err(error) => self.reject(&error.into()).await,
        }
    }
}
