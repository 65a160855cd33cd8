//! What a desk's commands ask of the database, each carried out by a task of its own; what came of it is told to the
//! face.

use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::control;
use super::init;
use super::life::plan::{self, LifeRequest};
use super::orders::{self, OrderError};
use super::record;
use super::service::{Order, ServiceCommand};
use crate::model::audit::AuditFilter;
use crate::model::job::{JobEvent, JobId, JobView};
use crate::model::others_code::CodeOfPlan;
use crate::postgres::others_code;
use crate::postgres::session::{Patience, Reader, Target};
use crate::text::Untrusted;

/// A job that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) job: JobId,
    pub(super) how: How,
}

/// What is asked of a job's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// What was ordered here.
    Ordered,
    /// What is pending.
    Resume,
    /// And what failed.
    Retry,
    /// What failed of this schema, when nobody is in its way.
    WhenFree(String),
}

impl How {
    /// What serves both.
    pub(super) fn and(&self, other: Self) -> Self {
        match (self, other) {
            (Self::Ordered | Self::Resume, other) => other,
            (mine, Self::Ordered | Self::Resume) => mine.clone(),
            (Self::WhenFree(mine), Self::WhenFree(other)) if *mine == other => Self::WhenFree(other),
            (Self::Retry | Self::WhenFree(_), Self::Retry | Self::WhenFree(_)) => Self::Retry,
        }
    }

    /// Whether it may do nothing but wait for a long time.
    pub(super) const fn waits(&self) -> bool {
        match self {
            Self::WhenFree(_) => true,
            Self::Ordered | Self::Resume | Self::Retry => false,
        }
    }
}

/// Who carries out what is asked.
#[derive(Clone)]
pub(super) struct Clerk {
    pub(super) target: Target,
    pub(super) events: mpsc::Sender<JobEvent>,
}

impl Clerk {
    /// Carries out one command; the turn that comes of it.
    pub(super) async fn carry_out(&self, command: ServiceCommand) -> Option<Turn> {
        match command {
            ServiceCommand::Init => self.init().await,
            ServiceCommand::Order { idempotency_key, order } => return self.order(&order, idempotency_key).await,
            ServiceCommand::Resume(job) => return Some(Turn { job, how: How::Resume }),
            ServiceCommand::Retry(job) => return Some(Turn { job, how: How::Retry }),
            ServiceCommand::RetryWhenFree { job, schema } => return Some(Turn { job, how: How::WhenFree(schema) }),
            ServiceCommand::Cancel(job) => {
                self.changed(job, control::cancel(&self.target, job).await.map(|_| ())).await
            }
            ServiceCommand::Pause(job) => self.changed(job, control::pause(&self.target, job).await.map(|_| ())).await,
            ServiceCommand::Skip { job, schema, note } => {
                let skipped = control::skip(&self.target, job, &schema, &note).await;
                let told = skipped.is_ok();
                self.changed(job, skipped).await;
                if told {
                    self.outcomes(job).await;
                }
            }
            ServiceCommand::ReadOutcomes(job) => self.outcomes(job).await,
            ServiceCommand::ReadAudit(filter) => self.audit(filter).await,
            ServiceCommand::PlanLife(request) => self.plan_life(&request).await,
            ServiceCommand::ReadCode { plan, schemas } => self.code(plan, &schemas).await,
            // The desk ends with the one, and keeps the others beside its errands: they may take long.
            ServiceCommand::Stop(_) | ServiceCommand::Flush(_) | ServiceCommand::StopFlush => {}
        }
        None
    }

    async fn init(&self) {
        match init::run(&self.target).await {
            Ok(_) => self.say(JobEvent::Initialised { database: self.target.config.name.clone() }).await,
            Err(error) => self.reject(&error).await,
        }
    }

    async fn order(&self, order: &Order, key: uuid::Uuid) -> Option<Turn> {
        match orders::order(&self.target, order, key).await {
            Ok(job) => {
                self.view(job).await;
                Some(Turn { job, how: How::Ordered })
            }
            Err(error) => {
                self.reject(&error).await;
                None
            }
        }
    }

    async fn changed(&self, job: JobId, changed: Result<(), OrderError>) {
        match changed {
            Ok(()) => self.view(job).await,
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

    async fn plan_life(&self, request: &LifeRequest) {
        let Some(reader) = self.reader().await else { return };
        match plan::read(&reader, &self.target, request).await {
            Ok(plan) => self.say(JobEvent::LifePlanned(Box::new(plan))).await,
            Err(error) => self.reject(&error.into()).await,
        }
    }

    /// That this cannot be read is an answer, no refusal: it is a warning of the plan.
    async fn code(&self, plan: uuid::Uuid, schemas: &[u32]) {
        let found = match Reader::open(&self.target, Patience::Foreground).await {
            Ok(reader) => others_code::read(&reader, schemas).await.map_err(|error| error.to_string().into()),
            Err(error) => Err(error.to_string().into()),
        };
        let database = self.target.config.name.clone();
        self.say(JobEvent::Code(Box::new(CodeOfPlan { database, plan, found }))).await;
    }

    /// What became of a run.
    pub(super) async fn told(&self, job: JobId, ended: Result<JobView, OrderError>) {
        if let Err(error) = ended {
            self.reject(&error).await;
            self.view(job).await;
        }
    }

    /// A run's task, which may have failed in itself.
    pub(super) async fn panicked(&self, job: Option<JobId>, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            let job = job.map_or_else(|| "a job".to_owned(), |job| format!("job {job}"));
            let message = format!("the worker of {job} failed ({error}); nothing half-done is left: resume it");
            self.reject(&OrderError::Refused(message.into())).await;
        }
    }

    /// An errand that came to no end.
    pub(super) async fn failed(&self, error: &JoinError) {
        let message = format!("what was asked for last failed in tenantui itself ({error}); look whether it was done");
        self.reject(&OrderError::Refused(message.into())).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_twice_is_done_once_and_nothing_is_left_out() {
        let free = |schema: &str| How::WhenFree(schema.to_owned());
        assert_eq!(How::Resume.and(How::Resume), How::Resume);
        assert_eq!(How::Resume.and(How::Retry), How::Retry);
        assert_eq!(How::Retry.and(How::Resume), How::Retry);
        assert_eq!(free("a").and(How::Resume), free("a"));
        assert_eq!(free("a").and(free("a")), free("a"));
        assert_eq!(free("a").and(free("b")), How::Retry);
        assert_eq!(How::Retry.and(free("a")), How::Retry);
    }
}
