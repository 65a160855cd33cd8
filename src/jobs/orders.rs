//! T0: an order becomes a durable job, all of it in one transaction.

use uuid::Uuid;

use super::bound::{PlanHash, StepIdentity};
use super::confirmed;
use super::gate;
use super::params::{FORMAT, FileRef, LeftOutRef, Pace, Params, RegistryRef, hex};
use super::preflight;
pub use super::preflight::{runnable, whole};
use super::service::{MigrateOrder, Order, ProvisionOrder};
use super::who;
use crate::config;
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::{BEGIN, BOOKKEEPING};
use crate::migrations::apply::wire::{self, Trouble};
use crate::model::ident::literal;
use crate::model::job::{JobId, JobKind, StepAction};
use crate::postgres::session::{LinkError, QueryError, ServerFacts, Target, WriterSession};
use crate::text::Untrusted;

/// Rows of steps that one statement inserts.
const STEPS_PER_STATEMENT: usize = 500;

/// Why an order was not taken. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The `tenantui` schema is missing: `init` first.
    #[error("{} has no tenantui schema; run `tenantui init` first", .0.safe())]
    NotInitialised(Untrusted),
    /// Refused: read-only, standby, pooler, no privilege, exists already, newer `tenantui` schema.
    #[error("{}", .0.safe())]
    Refused(Untrusted),
    /// A live job of the same scope.
    #[error("{}", message.safe())]
    Busy {
        /// Which.
        job: JobId,
        /// It is orphaned: it can be gone on with.
        orphaned: bool,
        /// In words.
        message: Untrusted,
    },
    /// No link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server refused a statement of ours.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// A job's row and steps, ready to be inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) kind: JobKind,
    /// What it works on, and what there may be one live job of.
    pub(super) scope: String,
    pub(super) what: String,
    pub(super) params: Params,
    pub(super) steps: Vec<StepDraft>,
}

impl Draft {
    /// What each claim compares the record with.
    fn plan_sha256(&self) -> Result<String, serde_json::Error> {
        let mut hash = PlanHash::new(self.kind, &self.scope, &serde_json::to_value(&self.params)?);
        for (seq, step) in (1..).zip(&self.steps) {
            let (file, version) = match &step.file {
                Some((sha256, version)) => (Some(hex(sha256)), Some(version.as_str())),
                None => (None, None),
            };
            hash.step(&StepIdentity {
                seq,
                action: step.action.word(),
                tenant_key: step.tenant_key.as_deref(),
                tenant_id: step.tenant_id.as_deref(),
                slug: &step.slug,
                schema: &step.schema,
                schema_oid: step.schema_oid,
                from: step.from.as_deref(),
                version,
                file: file.as_deref(),
            });
        }
        Ok(hash.finish())
    }
}

/// One step's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepDraft {
    pub(super) action: StepAction,
    pub(super) tenant_key: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) slug: String,
    pub(super) schema: String,
    pub(super) schema_oid: Option<u32>,
    /// Where the tenant stands before it.
    pub(super) from: Option<String>,
    pub(super) file: Option<([u8; 32], String)>,
}

/// Records a job with all its steps and its audit row in one transaction. A second call with the same key returns
/// the same job.
///
/// # Errors
/// As [`OrderError`] says.
pub async fn order(target: &Target, order: &Order, idempotency_key: Uuid) -> Result<JobId, OrderError> {
    gate::writable(target)?;
    let session = gate::open(target, None).await?;
    gate::initialised(target, &session).await?;
    if let Some(job) = by_key(&session, idempotency_key).await? {
        return Ok(job);
    }
    confirmed::planned_here(order, &session.facts)?;
    let draft = match order {
        Order::Migrate(order) => {
            preflight::migrate(target, &session, order).await?;
            migrate_draft(order, &target.config.jobs)?
        }
        Order::Provision(order) => {
            let row = preflight::provision(target, &session, order).await?;
            provision_draft(order, &target.config.jobs, row)?
        }
    };
    record(target, session, &draft, idempotency_key).await
}

fn migrate_draft(order: &MigrateOrder, jobs: &config::Jobs) -> Result<Draft, OrderError> {
    let plan = &order.plan;
    let target = plan.target.as_ref().map_or("", |version| version.raw());
    let who = match plan.tenants.as_slice() {
        [only] => only.slug.raw().to_owned(),
        many => format!("{} tenants", many.len()),
    };
    let params = Params {
        format: FORMAT,
        tool: Some(plan.tool.word().to_owned()),
        files: plan.files().iter().map(|file| FileRef::of(file)).collect(),
        search_path_extra: extra(&order.layout),
        registry: RegistryRef::of(&order.layout),
        pace: Pace {
            parallel: plan.options.parallel,
            canary: u32::try_from(plan.canary).unwrap_or(0),
            batches: plan.options.batches.clone(),
            max_failures: plan.options.max_failures,
            wait_after_canary: order.wait_after_canary,
            ..pace(jobs)
        },
        left_out: plan
            .left_out
            .iter()
            .map(|left| LeftOutRef {
                key: left.key.local.to_string(),
                slug: left.slug.raw().to_owned(),
                schema: left.schema.as_ref().map(|schema| schema.raw().to_owned()),
                version: left.version.as_ref().map(|version| version.raw().to_owned()),
                why: left.why.raw().to_owned(),
            })
            .collect(),
        provision: None,
        confirmed: Some(hex(&plan.sha256())),
    };
    let steps = plan.tenants.iter().flat_map(|tenant| {
        let before = std::iter::once(tenant.from.as_ref()).chain(tenant.files.iter().map(|file| Some(&file.version)));
        tenant.files.iter().zip(before).map(|(file, from)| StepDraft {
            action: StepAction::Migrate,
            tenant_key: Some(tenant.key.local.to_string()),
            tenant_id: tenant.id.as_ref().map(|id| id.raw().to_owned()),
            slug: tenant.slug.raw().to_owned(),
            schema: tenant.schema.raw().to_owned(),
            schema_oid: Some(tenant.schema_oid),
            from: from.map(|version| version.raw().to_owned()),
            file: Some((file.sha256, file.version.raw().to_owned())),
        })
    });
    Ok(Draft {
        kind: JobKind::Migrate,
        scope: "migrate".to_owned(),
        what: if target.is_empty() { who } else { format!("{who} to {target}") },
        steps: steps.collect(),
        params,
    })
}

fn provision_draft(
    order: &ProvisionOrder,
    jobs: &config::Jobs,
    provision: super::params::ProvisionParams,
) -> Result<Draft, OrderError> {
    let files = order.folder.as_ref().map(|folder| folder.files.as_slice()).unwrap_or_default();
    let params = Params {
        format: FORMAT,
        tool: order.folder.as_ref().map(|folder| folder.tool.word().to_owned()),
        files: files.iter().map(|file| FileRef::of(file)).collect(),
        search_path_extra: extra(&order.layout),
        registry: RegistryRef::of(&order.layout),
        pace: pace(jobs),
        left_out: Vec::new(),
        provision: Some(provision),
        confirmed: None,
    };
    let step = |action, file| StepDraft {
        action,
        tenant_key: None,
        tenant_id: None,
        slug: order.name.slug.clone(),
        schema: order.name.schema.raw().to_owned(),
        schema_oid: None,
        from: None,
        file,
    };
    let mut steps = vec![step(StepAction::Row, None), step(StepAction::Schema, None)];
    steps
        .extend(files.iter().map(|file| step(StepAction::Migrate, Some((file.sha256, file.version.raw().to_owned())))));
    steps.push(step(StepAction::Active, None));
    Ok(Draft {
        kind: JobKind::Provision,
        scope: format!("provision:{}", order.name.schema.raw()),
        what: order.name.slug.clone(),
        params,
        steps,
    })
}

fn extra(layout: &crate::layout::Layout) -> Vec<String> {
    layout.search_path_extra.iter().map(|schema| schema.raw().to_owned()).collect()
}

fn pace(jobs: &config::Jobs) -> Pace {
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Pace {
        parallel: jobs.parallel,
        canary: 0,
        batches: Vec::new(),
        max_failures: jobs.max_failures,
        wait_after_canary: false,
        lock_timeout_ms: milliseconds(jobs.lock_timeout),
        statement_timeout_ms: milliseconds(jobs.statement_timeout),
    }
}

/// The transaction. A lost reply to COMMIT is decided by the key: a new session asks whether the job is there.
async fn record(target: &Target, session: WriterSession, draft: &Draft, key: Uuid) -> Result<JobId, OrderError> {
    match insert(&session, draft, key).await {
        Ok(job) => Ok(job),
        Err(Trouble::Server(refused)) if refused.sqlstate == "23505" => {
            gate::ask(&session, "ROLLBACK").await?;
            match by_key(&session, key).await? {
                Some(job) => Ok(job),
                None => Err(busy(&session, draft).await?),
            }
        }
        Err(Trouble::Lost(why)) => {
            drop(session);
            let session = gate::open(target, None).await?;
            match by_key(&session, key).await? {
                Some(job) => Ok(job),
                None => Err(Trouble::Lost(why).into()),
            }
        }
        Err(trouble @ Trouble::Server(_)) => Err(trouble.into()),
    }
}

async fn insert(session: &WriterSession, draft: &Draft, key: Uuid) -> Result<JobId, Trouble> {
    gate::ask(session, BEGIN).await?;
    let sql = insert_job_sql(&session.facts, draft, key)?;
    let rows = gate::ask(session, &sql).await?;
    let id = rows.iter().flatten().last().and_then(|row| row.text(0)).and_then(|id| id.parse::<i32>().ok());
    let Some(id) = id else { return Err(Trouble::Lost(Untrusted::new("the job's number did not come back"))) };
    let mut messages: Vec<String> = draft
        .steps
        .chunks(STEPS_PER_STATEMENT)
        .enumerate()
        .map(|(chunk, steps)| insert_steps_sql(id, chunk * STEPS_PER_STATEMENT, steps))
        .collect();
    messages.push(format!(
        "INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) VALUES ({}, {}, {}, {id}, \
         pg_catalog.jsonb_build_object('what', {}::text, 'steps', {}), 'ordered'); SELECT pg_catalog.pg_notify('tenantui', '{id}');",
        literal(&who::os_user()),
        literal(draft.kind.word()),
        literal(&draft.scope),
        literal(&draft.what),
        draft.steps.len(),
    ));
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    for answer in wire::ask_in_order(&session.client, &messages, BOOKKEEPING).await {
        answer?;
    }
    gate::ask(session, "COMMIT").await?;
    Ok(JobId(id))
}

fn insert_job_sql(facts: &ServerFacts, draft: &Draft, key: Uuid) -> Result<String, Trouble> {
    let optional = |text: Option<&str>| text.map_or_else(|| "NULL".to_owned(), literal);
    let unwritable = |error: serde_json::Error| Trouble::Lost(Untrusted::new(error.to_string()));
    let params = draft.params.json().map_err(unwritable)?;
    let plan_sha256 = draft.plan_sha256().map_err(unwritable)?;
    Ok(format!(
        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', '5s', true); \
         INSERT INTO tenantui.job (kind, scope, what, params, plan_sha256, idempotency_key, active_scope, os_user, \
         client_host, app_version, system_identifier, timeline, database_oid) VALUES ({kind}, {scope}, {what}, \
         {params}::jsonb, '\\x{hash}'::bytea, '{key}', {scope}, {os_user}, {host}, {app}, {system}, {timeline}, {oid}) RETURNING id;",
        kind = literal(draft.kind.word()),
        scope = literal(&draft.scope),
        what = literal(&draft.what),
        params = literal(&params),
        hash = plan_sha256,
        os_user = literal(&who::os_user()),
        host = literal(&who::host()),
        app = literal(env!("CARGO_PKG_VERSION")),
        system = optional(facts.system_identifier.as_deref()),
        timeline = optional(facts.timeline.as_deref()),
        oid = facts.database_oid,
    ))
}

fn insert_steps_sql(job: i32, first: usize, steps: &[StepDraft]) -> String {
    let optional = |text: &Option<String>| text.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let mut sql = String::from(
        "INSERT INTO tenantui.step (job_id, seq, action, tenant_key, tenant_id, slug, schema_name, schema_oid, \
         from_version, version, file_sha256) VALUES ",
    );
    for (index, step) in steps.iter().enumerate() {
        let (hash, version) = match &step.file {
            Some((hash, version)) => (format!("'\\x{}'::bytea", hex(hash)), literal(version)),
            None => ("NULL::bytea".to_owned(), "NULL".to_owned()),
        };
        sql.push_str(&format!(
            "{}({job}, {}, '{}', {}, {}, {}, {}, {}, {}, {version}, {hash})",
            if index == 0 { "" } else { ", " },
            first + index + 1,
            step.action.word(),
            optional(&step.tenant_key),
            optional(&step.tenant_id),
            literal(&step.slug),
            literal(&step.schema),
            step.schema_oid.map_or_else(|| "NULL::oid".to_owned(), |oid| oid.to_string()),
            optional(&step.from),
        ));
    }
    sql.push(';');
    sql
}

async fn by_key(session: &WriterSession, key: Uuid) -> Result<Option<JobId>, OrderError> {
    let rows = gate::ask(session, &format!("SELECT id FROM tenantui.job WHERE idempotency_key = '{key}'")).await?;
    Ok(rows.iter().flatten().next().map(|row| row.parse(0)).transpose()?.flatten().map(JobId))
}

/// The live job that stands in the way.
async fn busy(session: &WriterSession, draft: &Draft) -> Result<OrderError, OrderError> {
    let rows = gate::ask(
        session,
        &format!(
            "SELECT j.id, j.state, j.what, j.worker, {held} FROM tenantui.job AS j \
             WHERE j.active_scope = {scope} AND j.state IN ('queued', 'running', 'paused')",
            held = held_sql("j.id"),
            scope = literal(&draft.scope),
        ),
    )
    .await?;
    let Some(row) = rows.iter().flatten().next() else {
        return Ok(gate::refused("another job of this kind ended just now; order again"));
    };
    let id = row.parse::<i32>(0)?.unwrap_or_default();
    let state = row.text(1).unwrap_or_default();
    let orphaned = state == "running" && !row.is_true(4);
    let (state, next) = match (state, orphaned) {
        (_, true) => ("orphaned (its worker is gone)", "go on with it or cancel it first"),
        ("paused", _) => ("paused", "go on with it or cancel it first"),
        (other, _) => (other, "wait for it or cancel it"),
    };
    let worker = row.text(3).map(|worker| format!(", run by {worker}")).unwrap_or_default();
    let kind = draft.kind.word();
    let what = row.text(2).unwrap_or_default();
    let message = format!("job {id} ({kind} {what}) is {state}{worker}; {next}");
    Ok(OrderError::Busy { job: JobId(id), orphaned, message: message.into() })
}

/// A boolean: whether a living worker holds the job of this number.
pub(super) fn held_sql(id: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.classid = {JOB_CLASS} \
         AND l.objid = {id}::oid AND l.objsubid = 2 AND l.granted AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d \
         WHERE d.datname = pg_catalog.current_database()))"
    )
}
