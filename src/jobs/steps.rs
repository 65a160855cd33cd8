//! A job's steps as the worker reads and marks them. Marks are fenced: a worker that lost its job changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::attempt::Verdict;
use super::gate;
use super::lane::Lane;
use super::orders::OrderError;
use super::params::{FileRef, Params};
use super::record::{Detail, StatementDetail};
use super::watcher;
use crate::migrations::apply::step::Fence;
use crate::migrations::apply::wire;
use crate::migrations::folder::{Folder, MigrationFile};
use crate::model::ident::{SchemaName, literal};
use crate::model::job::{JobId, Outcome, StepAction};
use crate::model::ledger::Tool;
use crate::postgres::session::{Target, TextRow, WriterSession};

/// A tenant with its steps.
pub(super) struct TenantSteps {
    pub(super) slug: String,
    pub(super) schema: SchemaName,
    pub(super) schema_oid: u32,
    pub(super) registry_check: Option<String>,
    pub(super) steps: Vec<StepRow>,
    /// A step of it failed or was blocked in an earlier run, and was not put back.
    pub(super) stopped: bool,
}

/// One step of a tenant.
pub(super) struct StepRow {
    pub(super) seq: i32,
    pub(super) action: StepAction,
    pub(super) version: String,
    /// The version before it within this job.
    pub(super) from: Option<String>,
    pub(super) file: Arc<MigrationFile>,
    pub(super) pending: bool,
    /// Its statement may have been sent by an attempt whose end nobody saw.
    pub(super) intent: bool,
}

impl TenantSteps {
    /// Whether there is something left to run.
    pub(super) fn is_open(&self) -> bool {
        !self.stopped && self.steps.iter().any(|step| step.pending)
    }

    /// Whether nothing of it was ever done.
    pub(super) fn is_untouched(&self) -> bool {
        !self.stopped && self.steps.iter().all(|step| step.pending)
    }
}

/// The files of a job, found again in this process's own folder by version and hash.
///
/// # Errors
/// When no folder is configured, or it lacks a file, or a file changed.
pub(super) async fn files(target: &Target, params: &Params) -> Result<HashMap<String, Arc<MigrationFile>>, OrderError> {
    let mut found = HashMap::new();
    if params.files.is_empty() {
        return Ok(found);
    }
    let tool = params
        .tool
        .as_deref()
        .and_then(Tool::from_word)
        .ok_or_else(|| gate::refused("the job's migration tool is not known to this program"))?;
    let Some(path) = target.config.migrations.path.clone() else {
        return Err(gate::refused(format!(
            "no migration folder is configured for {} here, and the job runs files",
            target.config.name
        )));
    };
    let read = tokio::task::spawn_blocking(move || Folder::read(&path, tool)).await;
    let folder =
        read.map_err(|error| gate::refused(error.to_string()))?.map_err(|error| gate::refused(error.to_string()))?;
    for wanted in &params.files {
        let Some(file) = folder.find(&wanted.version, |file| FileRef::of(file).sha256 == wanted.sha256) else {
            return Err(gate::refused(format!(
                "{} has no file of version {}, which the job runs",
                folder.path.display(),
                wanted.version
            )));
        };
        if FileRef::of(file).sha256 != wanted.sha256 {
            return Err(gate::refused(format!(
                "{} changed since the job was ordered: its bytes are not those that were confirmed. Cancel the job and plan again",
                file.path.display()
            )));
        }
        found.insert(wanted.version.clone(), Arc::clone(file));
    }
    Ok(found)
}

/// All steps of a migrate job, grouped by tenant in the order of the plan.
pub(super) async fn read(
    session: &WriterSession,
    job: JobId,
    params: &Params,
    files: &HashMap<String, Arc<MigrationFile>>,
) -> Result<Vec<TenantSteps>, OrderError> {
    let rows = gate::ask(
        session,
        &format!(
            "SELECT s.seq, s.tenant_id, s.slug, s.schema_name, s.schema_oid, s.version, s.state, s.tenant_key, s.from_version, s.action \
             FROM tenantui.step AS s WHERE s.job_id = {job} ORDER BY s.seq"
        ),
    )
    .await?;
    let mut tenants: Vec<TenantSteps> = Vec::new();
    for row in rows.iter().flatten() {
        let name = row.text(3).unwrap_or_default();
        if tenants.last().is_none_or(|tenant| tenant.schema.raw() != name) {
            tenants.push(tenant(row, params)?);
        }
        let Some(tenant) = tenants.last_mut() else { continue };
        let version = row.text(5).unwrap_or_default().to_owned();
        let file = files
            .get(&version)
            .ok_or_else(|| gate::refused(format!("job {job} has a step of version {version}, and no such file")))?;
        let from = row.text(8).map(str::to_owned);
        let action = row.text(9).and_then(StepAction::from_word).ok_or_else(|| {
            gate::refused(format!("job {job} has a step that this program does not know: use a newer tenantui"))
        })?;
        let state = row.text(6).unwrap_or_default();
        tenant.stopped |= matches!(state, "failed" | "blocked" | "unknown");
        tenant.steps.push(StepRow {
            seq: row.parse(0)?.unwrap_or_default(),
            action,
            version,
            from,
            file: Arc::clone(file),
            pending: matches!(state, "pending" | "intent"),
            intent: state == "intent",
        });
    }
    Ok(tenants)
}

fn tenant(row: &TextRow, params: &Params) -> Result<TenantSteps, OrderError> {
    let wrong = |error: crate::model::ident::IdentError| gate::refused(format!("the job's record: {error}"));
    let name = row.text(3).unwrap_or_default();
    let slug = row.text(2).unwrap_or_default().to_owned();
    let has_row = row.text(7).is_some_and(|key| key.starts_with("r:"));
    let registry_check = match &params.registry {
        Some(registry) if has_row => Some(registry.check_sql(row.text(1), &slug, name).map_err(wrong)?),
        Some(_) | None => None,
    };
    let schema = SchemaName::tenant(name).map_err(wrong)?;
    let schema_oid = row.parse(4)?.unwrap_or_default();
    Ok(TenantSteps { slug, schema, schema_oid, registry_check, steps: Vec::new(), stopped: false })
}

/// `WITH mine AS (...)`: no row where the job is not this worker's any more.
fn mine(fence: Fence) -> String {
    format!(
        "WITH mine AS (SELECT id FROM tenantui.job WHERE id = {} AND attempt = {} AND state = 'running' FOR KEY SHARE)",
        fence.job, fence.attempt
    )
}

/// The ledger has it already: the step is done, and the audit says that this job did not do it. `false`: the job is not
/// ours.
pub(super) async fn mark_already(
    lane: &mut Lane<'_>,
    fence: Fence,
    seq: i32,
    tries: u32,
    os_user: &str,
) -> Result<bool, OrderError> {
    let sql = format!(
        "{mine}, was AS (SELECT s.job_id, s.seq, s.state, s.schema_name, s.version FROM tenantui.step AS s, mine \
         WHERE s.job_id = mine.id AND s.seq = {seq} FOR UPDATE OF s), \
         said AS (INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, 'migrate', \
         schema_name, job_id, pg_catalog.jsonb_build_object('version', version, 'seq', seq), 'already' FROM was \
         WHERE state <> 'done') \
         UPDATE tenantui.step AS s SET state = 'done', attempt = {attempt}, tries = {tries}, \
         started_at = COALESCE(s.started_at, pg_catalog.now()), ended_at = COALESCE(s.ended_at, pg_catalog.clock_timestamp()), \
         message = CASE WHEN was.state = 'done' THEN s.message ELSE 'was applied already' END \
         FROM was WHERE s.job_id = was.job_id AND s.seq = was.seq RETURNING s.seq",
        mine = mine(fence),
        attempt = fence.attempt,
        os_user = literal(os_user),
    );
    let (session, _) = lane.session().await?;
    Ok(gate::ask(session, &sql).await?.iter().flatten().next().is_some())
}

/// Records why a step was not done, with its audit row. `Err(None)`: the job is not ours.
pub(super) async fn mark_stopped(
    lane: &mut Lane<'_>,
    fence: Fence,
    seq: i32,
    verdict: &Verdict,
    os_user: &str,
) -> Result<(), Option<OrderError>> {
    let state = match verdict.outcome {
        Outcome::Blocked => "blocked",
        Outcome::Unknown => "unknown",
        Outcome::Failed | Outcome::Running | Outcome::Pending | Outcome::LeftOut | Outcome::Skipped | Outcome::Done => {
            "failed"
        }
    };
    let detail = Detail {
        statement: verdict.fault.statement.as_ref().map(|statement| StatementDetail {
            number: statement.number,
            of: statement.of,
            line: statement.line,
            text: statement.text.raw().to_owned(),
        }),
        blocker: watcher::in_words(&verdict.blockers).map(|words| words.raw().to_owned()),
        blockers: verdict.blockers.clone(),
    };
    let detail = serde_json::to_string(&detail).map_err(|error| Some(gate::refused(error.to_string())))?;
    let message = verdict.fault.message.safe();
    let message = wire::cut(message.as_str(), wire::MAX_MESSAGE_BYTES);
    let sql = format!(
        "{mine}, stopped AS (UPDATE tenantui.step AS s SET state = '{state}', attempt = {attempt}, tries = {tries}, \
         started_at = COALESCE(s.started_at, pg_catalog.now()), ended_at = pg_catalog.clock_timestamp(), sqlstate = {sqlstate}, \
         message = {message}, detail = {detail}::jsonb FROM mine WHERE s.job_id = mine.id AND s.seq = {seq} \
         RETURNING s.job_id, s.schema_name, s.version) \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, 'migrate', schema_name, job_id, \
         pg_catalog.jsonb_build_object('version', version, 'seq', {seq}, 'sqlstate', {sqlstate}::text, 'message', {message}::text), '{state}' FROM stopped RETURNING job_id",
        mine = mine(fence),
        attempt = fence.attempt,
        tries = verdict.tries,
        sqlstate = verdict.fault.sqlstate.as_deref().map_or_else(|| "NULL".to_owned(), literal),
        message = literal(message),
        detail = literal(&detail),
        os_user = literal(os_user),
    );
    for last in [false, true] {
        let (session, _) = lane.session().await.map_err(Some)?;
        match gate::ask(session, &sql).await {
            Ok(rows) if rows.iter().flatten().next().is_some() => return Ok(()),
            Ok(_) => return Err(None),
            // A mark can be made twice; so a lost session is no reason to give up.
            Err(wire::Trouble::Lost(_)) if !last => lane.drop_session(),
            Err(trouble) => return Err(Some(trouble.into())),
        }
    }
    Ok(())
}
