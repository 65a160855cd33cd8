//! The task behind a [`super::service::Service`]: takes commands, runs jobs one after another, and never waits for the
//! database itself: every command is an errand of another task, so that a stop is heard whatever a server does. A
//! panic in a job or an errand is told as a refusal; it never reaches the face.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::errands::{Clerk, How, Turn};
use super::flush::Flushes;
use super::service::ServiceCommand;
use super::watch as watching;
use super::worker::{self, RunOptions, Stop};
use crate::model::job::{JobEvent, JobId};
use crate::postgres::session::Target;

/// How long an errand that is under way may take when the process ends: what it orders is durable or not there.
const LAST_ERRAND: Duration = Duration::from_secs(5);

/// Runs until all senders of commands are gone, or a stop is asked for.
pub(super) async fn run(target: Target, mut commands: mpsc::Receiver<ServiceCommand>, events: mpsc::Sender<JobEvent>) {
    let clerk = Clerk { target, events };
    // It lists the jobs that are there, and tells of all that happens to them, here or elsewhere.
    let watch = watching::tell(clerk.target.clone(), clerk.events.clone());
    let mut orders = Errands::default();
    let mut controls = Errands::default();
    let mut runs = Runs::new();
    let mut flushes = Flushes::default();
    let asked = loop {
        orders.begin(&clerk);
        controls.begin(&clerk);
        runs.begin(&clerk);
        tokio::select! {
            command = commands.recv() => match command {
                None => break Stop::AfterStep,
                Some(ServiceCommand::Stop(stop)) => break stop,
                // In the order in which they came: an order behind the `init` that it needs.
                Some(command @ (ServiceCommand::Init | ServiceCommand::Order { .. })) => orders.waiting.push_back(command),
                Some(ServiceCommand::Flush(order)) => flushes.begin(&clerk, *order),
                Some(ServiceCommand::StopFlush) => flushes.stop(),
                Some(command) => {
                    if let ServiceCommand::Cancel(job) | ServiceCommand::Pause(job) = &command {
                        runs.forget(*job);
                    }
                    controls.waiting.push_back(command);
                }
            },
            ended = orders.ended() => runs.take(&clerk, ended).await,
            ended = controls.ended() => runs.take(&clerk, ended).await,
            ended = flushes.ended() => if let Err(error) = ended {
                clerk.failed(&error).await;
            },
            (job, ended) = runs.ended() => clerk.panicked(job, ended).await,
        }
        watch.nudge();
    };
    flushes.stop();
    orders.waiting.clear();
    controls.waiting.clear();
    runs.stop(&clerk, asked, &mut commands).await;
    for mut errands in [orders, controls] {
        if errands.now.is_some() && tokio::time::timeout(LAST_ERRAND, errands.ended()).await.is_err() {
            tracing::warn!("the process ends before an errand was done");
        }
    }
    let last_flush = async {
        while flushes.is_busy() {
            flushes.ended().await.map_err(drop)?
        }
        Ok::<_, ()>(())
    };
    if !matches!(tokio::time::timeout(LAST_ERRAND, last_flush).await, Ok(Ok(()))) {
        tracing::warn!("the process ends before a removal of cache keys was told and recorded");
    }
    // Its end is what a face waits for (`commands.closed()`).
    drop(commands);
}

/// Errands of one kind, one after another.
#[derive(Default)]
struct Errands {
    waiting: VecDeque<ServiceCommand>,
    now: Option<JoinHandle<Option<Turn>>>,
}

impl Errands {
    fn begin(&mut self, clerk: &Clerk) {
        if self.now.is_none()
            && let Some(command) = self.waiting.pop_front()
        {
            let clerk = clerk.clone();
            self.now = Some(tokio::spawn(async move { clerk.carry_out(command).await }));
        }
    }

    /// The turn that came of the errand under way; never where there is none.
    async fn ended(&mut self) -> Result<Option<Turn>, JoinError> {
        match &mut self.now {
            Some(task) => {
                let ended = task.await;
                self.now = None;
                ended
            }
            None => std::future::pending().await,
        }
    }
}

/// Jobs that run here, and those that wait for their turn.
struct Runs {
    turns: VecDeque<Turn>,
    tasks: JoinSet<()>,
    jobs: HashMap<Id, Turn>,
    stop: watch::Sender<Stop>,
}

impl Runs {
    fn new() -> Self {
        let (stop, _) = watch::channel(Stop::GoOn);
        Self { turns: VecDeque::new(), tasks: JoinSet::new(), jobs: HashMap::new(), stop }
    }

    /// What came of an errand.
    async fn take(&mut self, clerk: &Clerk, ended: Result<Option<Turn>, JoinError>) {
        match ended {
            Ok(Some(turn)) => self.enqueue(turn),
            Ok(None) => {}
            Err(error) => clerk.failed(&error).await,
        }
    }

    /// A job has one turn of a kind, however often it was asked for.
    fn enqueue(&mut self, turn: Turn) {
        match self.turns.iter_mut().find(|waiting| waiting.job == turn.job) {
            Some(waiting) => waiting.how = waiting.how.and(turn.how),
            None => self.turns.push_back(turn),
        }
    }

    fn forget(&mut self, job: JobId) {
        self.turns.retain(|turn| turn.job != job);
    }

    /// One job at a time, but nobody waits behind a tenant whose lock is waited for.
    fn begin(&mut self, clerk: &Clerk) {
        if self.jobs.values().any(|turn| !turn.how.waits()) {
            return;
        }
        let next = self.turns.iter().position(|turn| self.jobs.values().all(|running| running.job != turn.job));
        let Some(turn) = next.and_then(|next| self.turns.remove(next)) else { return };
        let (clerk, job, how) = (clerk.clone(), turn.job, turn.how.clone());
        let options = RunOptions {
            wait_after_canary: true,
            parallel: None,
            shows_credentials: true,
            ordered_here: how == How::Ordered,
            stop: self.stop.subscribe(),
        };
        let task = self.tasks.spawn(async move {
            let (target, events) = (&clerk.target, clerk.events.clone());
            let run = async {
                match how {
                    How::Ordered | How::Resume => worker::run(target, job, false, options, events).await,
                    How::Retry => worker::run(target, job, true, options, events).await,
                    How::WhenFree(schema) => worker::retry_when_free(target, job, &schema, options, events).await,
                }
            };
            let ended = tokio::select! {
                ended = run => ended,
                never = panic_for_tests() => never,
            };
            clerk.told(job, ended).await;
        });
        self.jobs.insert(task.id(), turn);
    }

    /// A job's run that came to its end; never where none runs.
    async fn ended(&mut self) -> (Option<JobId>, Result<(), JoinError>) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => (self.jobs.remove(&id).map(|turn| turn.job), Ok(())),
            Some(Err(error)) => (self.jobs.remove(&error.id()).map(|turn| turn.job), Err(error)),
            None => std::future::pending().await,
        }
    }

    /// The process ends: the current steps finish or are cancelled, and the job waits to be resumed.
    async fn stop(&mut self, clerk: &Clerk, asked: Stop, commands: &mut mpsc::Receiver<ServiceCommand>) {
        let mut asked = asked;
        while !self.tasks.is_empty() {
            self.stop.send_replace(asked);
            tokio::select! {
                command = commands.recv(), if asked < Stop::Now => match command {
                    Some(ServiceCommand::Stop(stop)) => asked = asked.max(stop),
                    Some(_) => {}
                    // Nobody can ask for more any more.
                    None => asked = Stop::Now,
                },
                (job, ended) = self.ended() => clerk.panicked(job, ended).await,
            }
        }
    }
}

/// The panic of a worker in mid-job that the terminal's tests ask for; a program made for release does not listen.
#[allow(clippy::panic, reason = "this is the panic that is asked for")]
async fn panic_for_tests<T>() -> T {
    if cfg!(debug_assertions) && std::env::var_os("TENANTUI_TEST_PANIC").is_some_and(|word| word == "job") {
        tokio::time::sleep(Duration::from_secs(1)).await;
        panic!("asked for by TENANTUI_TEST_PANIC");
    }
    std::future::pending().await
}
