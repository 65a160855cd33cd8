//! T0: an order becomes a durable job, all of it in one transaction.

use uuid::Uuid;

use super::confirmed;
use super::draft::{self, Draft, StepDraft};
use super::gate;
use super::life;
use super::params::hex;
use super::preflight;
pub use super::preflight::{drives, in_pieces, makes, no_grantees, no_owner, rehearse as rehearsable, runnable};
use super::service::{NewTenant, Order, ProvisionOrder};
use super::who;
use crate::layout::Layout;
use crate::migrations::apply::keys::JOB_CLASS;
use crate::migrations::apply::step::{BEGIN, BOOKKEEPING};
use crate::migrations::apply::wire::{self, Trouble};
use crate::migrations::plan::Direction;
use crate::model::ident::literal;
use crate::model::job::JobId;
use crate::postgres::session::{LinkError, Patience, QueryError, Reader, ServerFacts, Target, WriterSession};
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
    /// The job has come to an end: somebody ran it, or it was cancelled.
    #[error("{}", .0.safe())]
    Over(Untrusted),
    /// What the configuration lacks for it: what to set.
    #[error("{}", .0.safe())]
    Unconfigured(Untrusted),
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
    let mut draft = match order {
        Order::Migrate(order) => {
            preflight::migrate(target, &session, &order.plan, Direction::Up).await?;
            draft::migrate(order, &target.config.jobs)
        }
        Order::Rehearse(order) => {
            preflight::migrate(target, &session, &order.plan, Direction::Up).await?;
            preflight::rehearse(&order.plan)?;
            draft::rehearse(order, &target.config.jobs)
        }
        Order::Rollback(order) => {
            preflight::migrate(target, &session, &order.plan, order.plan.direction).await?;
            draft::rollback(order, &target.config.jobs)?
        }
        Order::Import(order) => {
            order.schema.check_tenant().map_err(|error| gate::refused(error.to_string()))?;
            draft::import(order, &target.config.jobs)?
        }
        Order::Provision(order) => {
            let tenants = preflight::provision(target, &session, order).await?;
            let command = match &order.folder {
                Some(folder) if preflight::drives(target, folder)? => target.config.migrations.command.as_deref(),
                Some(_) | None => None,
            };
            draft::provision(order, &target.config, tenants, command)
        }
        Order::Life(order) => Box::pin(life::draft::make(target, &session, order)).await?,
    };
    // Where no tenant of the plan has a ledger yet, the configuration says what it is called.
    let configured = target.config.migrations.ledger_table.as_ref().filter(|table| table.schema.is_none());
    if let (true, None, Some(table)) = (draft.params.tool.is_some(), &draft.params.ledger, configured) {
        draft.params.ledger = Some(table.name.raw().to_owned());
    }
    record(target, session, &draft, idempotency_key).await
}

/// Whether tenants could be ordered as they are, asked by a session that only reads.
///
/// # Errors
/// What [`order`] would refuse.
pub async fn provisionable(target: &Target, order: &ProvisionOrder) -> Result<(), OrderError> {
    let reader = Reader::open(target, Patience::Foreground).await?;
    preflight::provision(target, &reader, order).await.map(|_| ())
}

/// Which of these new tenants could not be made as they are asked for, by their places, and why: what the registry has no
/// column for, or does not allow; a role that is there; a name in the trash. Asked by a session that only reads.
///
/// # Errors
/// When the database cannot be asked.
pub async fn unfit(
    target: &Target,
    layout: &Layout,
    tenants: &[NewTenant],
    role: bool,
) -> Result<Vec<(usize, OrderError)>, OrderError> {
    let reader = Reader::open(target, Patience::Foreground).await?;
    preflight::unfit(target, &reader, layout, tenants, role).await
}

/// The transaction. A lost reply to COMMIT is decided by the key: a new session asks whether the job is there.
async fn record(target: &Target, session: WriterSession, draft: &Draft, key: Uuid) -> Result<JobId, OrderError> {
    match insert(&session, draft, key).await {
        Ok(job) => Ok(job),
        Err(Trouble::Server(refused)) if refused.sqlstate == "23505" => {
            gate::ask(&session, "ROLLBACK").await?;
            match by_key(&session, key).await? {
                Some(job) => Ok(job),
                None => Err(busy(target, &session, draft).await?),
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
async fn busy(target: &Target, session: &WriterSession, draft: &Draft) -> Result<OrderError, OrderError> {
    let rows = gate::ask(
        session,
        &format!(
            "SELECT j.id, j.state, j.what, j.worker, {held}, j.kind, j.reason FROM tenantui.job AS j \
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
    let resume = target.config.command(&format!("tenantui job {id} resume"));
    let go_on = format!("`{resume}` goes on with it, `cancel` ends it");
    let (state, next) = match (state, orphaned) {
        (_, true) => ("orphaned (its worker is gone)", go_on),
        ("paused", _) => ("paused", go_on),
        // Nobody may ever come for it: a worker takes what is made or migrated, and nothing else.
        ("queued", _) => ("queued", format!("wait for who takes it, or `{resume}` runs it here; `cancel` ends it")),
        (other, _) => (other, "wait for it or cancel it".to_owned()),
    };
    let worker = row.text(3).map(|worker| format!(", run by {worker}")).unwrap_or_default();
    let kind = row.text(5).unwrap_or_default();
    let what = row.text(2).unwrap_or_default();
    // Of one that nobody has begun it says why nobody did.
    let reason = row.text(6).filter(|_| state == "queued").map(|why| format!(" ({why})")).unwrap_or_default();
    let message = format!("job {id} ({kind} {what}) is {state}{worker}{reason}; {next}");
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
