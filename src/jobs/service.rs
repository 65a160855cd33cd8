//! The job service of one database inside a face: takes orders from a bounded queue, runs them one after another on
//! its own sessions, and tells what happens.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::flush::FlushOrder;
use super::import::ImportPlan;
use super::life::plan::LifeRequest;
use super::worker::Stop;
use crate::layout::{CheckedName, Layout};
use crate::migrations::folder::{Folder, MigrationFile};
use crate::migrations::plan::Plan;
use crate::model::audit::AuditFilter;
use crate::model::ident::SchemaName;
use crate::model::job::{JobEvent, JobId};
use crate::model::life::LifePlan;
use crate::model::tenant::{DatabaseName, Tenant, TenantState};
use crate::postgres::session::Target;
use crate::text::Untrusted;

/// What an operator can ask of the service of one database.
#[derive(Debug, Clone)]
pub enum ServiceCommand {
    /// Creates or upgrades the `tenantui` schema.
    Init,
    /// Records a job and runs it.
    Order {
        /// Made when the dialog opened: a double Enter makes one job.
        idempotency_key: uuid::Uuid,
        /// What to do.
        order: Box<Order>,
    },
    /// Goes on with a paused, failed or orphaned job: done steps stay done.
    Resume(JobId),
    /// Runs the failed steps of a job again.
    Retry(JobId),
    /// Runs the steps of one blocked tenant again as soon as nobody is in its way.
    RetryWhenFree {
        /// The job.
        job: JobId,
        /// The tenant's schema.
        schema: String,
    },
    /// Pauses a job after its current steps.
    Pause(JobId),
    /// Stops a job after its current tenants; the second time its running statements are cancelled.
    Cancel(JobId),
    /// Leaves a tenant out of the rest of a job.
    Skip {
        /// The job.
        job: JobId,
        /// The tenant's schema.
        schema: String,
        /// The operator's words.
        note: String,
    },
    /// Removes the cache keys of a tenant.
    Flush(Box<FlushOrder>),
    /// Stops that.
    StopFlush,
    /// Reads a job's results back.
    ReadOutcomes(JobId),
    /// Reads what operators did.
    ReadAudit(AuditFilter),
    /// Plans what is to be done to a tenant as a whole; reads only.
    PlanLife(Box<LifeRequest>),
    /// Looks for code with other rights in the schemas of a plan.
    ReadCode {
        /// The key of the plan's order.
        plan: uuid::Uuid,
        /// The schemas (oids).
        schemas: Vec<u32>,
    },
    /// The process ends: running steps finish (or are cancelled), the running job is paused, then the service ends and
    /// drops its receiver. Who waits for that awaits `commands.closed()`.
    Stop(Stop),
}

/// The order of a job: frozen when the dialog opened.
#[derive(Debug, Clone)]
pub enum Order {
    /// Makes tenants.
    Provision(ProvisionOrder),
    /// Applies pending migrations; to the shared schema where the plan is of that.
    Migrate(MigrateOrder),
    /// Runs the plan's files on its canaries (the first tenant where it has none) and takes all of it back.
    Rehearse(MigrateOrder),
    /// Undoes migrations, or undoes them and applies them again, as the plan's direction says.
    Rollback(RollbackOrder),
    /// Does something to a tenant as a whole.
    Life(Box<LifeOrder>),
    /// Brings data from `public` into a tenant.
    Import(ImportOrder),
}

/// The order of an import.
#[derive(Debug, Clone)]
pub struct ImportOrder {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Its schema, checked.
    pub schema: SchemaName,
    /// The plan as it was confirmed.
    pub plan: Arc<ImportPlan>,
    /// The layout.
    pub layout: Arc<Layout>,
}

/// The order of a provisioning: one tenant, or as many as are to be made together.
#[derive(Debug, Clone)]
pub struct ProvisionOrder {
    /// The tenants, in the order in which they are begun. Each is made whole or not at all, by itself.
    pub tenants: Vec<NewTenant>,
    /// The layout.
    pub layout: Arc<Layout>,
    /// The tenant migrations; `None` where no folder is configured.
    pub folder: Option<Arc<Folder>>,
    /// Each gets a login role of its own, as the layout says.
    pub role: bool,
    /// Runs in each new tenant behind its migrations.
    pub seed: Option<Arc<MigrationFile>>,
    /// Tenants that stand where the new ones will: what the new ones' structure and rights are compared with.
    pub siblings: Vec<Sibling>,
}

/// A tenant that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// Slug and schema, checked by the layout's rule.
    pub name: CheckedName,
    /// The display name.
    pub display_name: Untrusted,
    /// The plan word, where the registry has such a column.
    pub plan: Option<String>,
    /// A JSON object, where the registry has a column of settings.
    pub settings: Option<String>,
}

/// Tenants that those which were made are compared with, at most.
pub const SIBLINGS: usize = 5;

/// Tenants of this database that new ones are to be like: those to which nothing of these files is left to do, whose
/// structure they are to have too. Without files a new one is empty, and any tenant says who may use it.
#[must_use]
pub fn siblings(tenants: &[Arc<Tenant>], database: &DatabaseName, folder: Option<&Folder>) -> Vec<Sibling> {
    let newest = folder.and_then(|folder| folder.files.last());
    let is_one = |tenant: &Tenant| tenant.is_listed() && !tenant.deleted && tenant.state != TenantState::Conflict;
    let stands = |tenant: &&Arc<Tenant>| {
        tenant.key.database == *database
            && newest.map_or_else(|| is_one(tenant), |file| tenant.stands_at(&file.version))
    };
    let sibling =
        |tenant: &Arc<Tenant>| Some(Sibling { slug: tenant.slug.raw().to_owned(), schema_oid: tenant.schema_oid? });
    tenants.iter().filter(stands).filter_map(sibling).take(SIBLINGS).collect()
}

/// A tenant that is there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sibling {
    /// Its slug.
    pub slug: String,
    /// Its schema's oid.
    pub schema_oid: u32,
}

/// The order of something that is done to a tenant as a whole.
#[derive(Debug, Clone)]
pub struct LifeOrder {
    /// What was asked for.
    pub request: LifeRequest,
    /// The plan as it was confirmed.
    pub plan: LifePlan,
    /// The name of the schema as it was typed, where that is needed.
    pub typed: Option<String>,
    /// Objects outside the schema, each confirmed.
    pub dependants: Vec<Untrusted>,
}

/// The order of a migration.
#[derive(Debug, Clone)]
pub struct MigrateOrder {
    /// The plan as it was confirmed.
    pub plan: Arc<Plan>,
    /// The layout.
    pub layout: Arc<Layout>,
    /// After the canary: wait for the operator (dashboard), or go on (`--yes`).
    pub wait_after_canary: bool,
}

/// The order of a rollback or a redo.
#[derive(Debug, Clone)]
pub struct RollbackOrder {
    /// The plan as it was confirmed, made by `plan::undo`.
    pub plan: Arc<Plan>,
    /// The layout.
    pub layout: Arc<Layout>,
    /// After the canary: wait for the operator (dashboard), or go on (`--yes`).
    pub wait_after_canary: bool,
}

/// A running service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Whose.
    pub database: DatabaseName,
    /// Bounded: `try_send`, and a full queue is a visible message.
    pub commands: mpsc::Sender<ServiceCommand>,
}

/// Orders that wait for the one that runs.
const QUEUE: usize = 64;

/// Starts the service of one database. Dropping the last sender of commands ends it after its current step; the job is
/// then paused.
#[must_use]
pub fn spawn(target: Target, events: mpsc::Sender<JobEvent>) -> Service {
    let (commands, receiver) = mpsc::channel(QUEUE);
    let database = target.config.name.clone();
    tokio::spawn(super::desk::run(target, receiver, events));
    Service { database, commands }
}
