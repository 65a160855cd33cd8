//! A job's steps as the worker reads and marks them. Marks are fenced: a worker that lost its job changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::drive;
use super::gate;
use super::lane::Lane;
use super::orders::OrderError;
use super::params::{FileRef, Params, hex};
use super::record::{Detail, StatementDetail};
use super::seed;
use super::verdict::Verdict;
use super::watcher;
use crate::migrations::apply::ledger::Way;
use crate::migrations::apply::step::Fence;
use crate::migrations::apply::wire;
use crate::migrations::folder::{Folder, MigrationFile};
use crate::migrations::verify;
use crate::model::ident::{SchemaName, literal};
use crate::model::job::{JobId, Outcome, StepAction};
use crate::model::ledger::{Tool, Version};
use crate::model::life::LifeStep;
use crate::postgres::session::{Target, TextRow, WriterSession};

/// The condition on `tenantui.step` for these steps of a job, which stand side by side. By their numbers: the server knows
/// nothing of the values of a job that is new, thinks that it has a step or none, and goes through all of them for each tenant
/// where it may. A range of numbers it always looks up; a list of them it may only compare.
pub(super) fn by_numbers(job: i32, numbers: impl IntoIterator<Item = i32>) -> String {
    let numbers: Vec<i32> = numbers.into_iter().collect();
    let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else { return "false".to_owned() };
    let list: Vec<String> = numbers.iter().map(i32::to_string).collect();
    format!("job_id = {job} AND seq BETWEEN {first} AND {last} AND seq IN ({})", list.join(", "))
}

/// A tenant with its steps.
pub(super) struct TenantSteps {
    /// The registry's id.
    pub(super) id: Option<String>,
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
    pub(super) version: Version,
    /// Where its tenant stands before it; of a rollback, where it comes to.
    pub(super) from: Option<Version>,
    /// What runs: of a rollback the down file.
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

impl StepRow {
    /// Which way it goes.
    pub(super) fn way(&self) -> Way<'_> {
        match self.action {
            StepAction::Rollback => Way::Down { to: self.from.as_ref() },
            StepAction::Migrate
            | StepAction::Rehearse
            | StepAction::Command
            | StepAction::Row
            | StepAction::Schema
            | StepAction::Role
            | StepAction::Grants
            | StepAction::Seed
            | StepAction::Import
            | StepAction::Active
            | StepAction::Life(_) => Way::Up { from: self.from.as_ref() },
        }
    }

    /// Where its tenant stands before it; `-` for nowhere.
    pub(super) fn stands(&self) -> &str {
        let before = if self.way().leaves_it() { self.from.as_ref() } else { Some(&self.version) };
        before.map_or("-", Version::raw)
    }

    /// Where its tenant stands behind it.
    pub(super) fn comes_to(&self) -> &str {
        let after = if self.way().leaves_it() { Some(&self.version) } else { self.from.as_ref() };
        after.map_or("-", Version::raw)
    }

    /// Both, as the log has them.
    pub(super) fn passage(&self) -> String {
        format!("{}>{}", self.stands(), self.comes_to())
    }
}

/// The files of a job, found again in this process's own folder by version and hash.
///
/// # Errors
/// When no folder is configured, or it lacks a file, or a file changed.
pub(super) async fn files(target: &Target, params: &Params) -> Result<HashMap<String, Arc<MigrationFile>>, OrderError> {
    drive::same_command(target, params)?;
    seed::of(params).await?;
    let mut found = HashMap::new();
    if params.files.is_empty() {
        return Ok(found);
    }
    let tool = params
        .tool
        .as_deref()
        .and_then(Tool::from_word)
        .ok_or_else(|| gate::refused("the job's migration tool is not known to this program"))?;
    let migrations = &target.config.migrations;
    let path = if params.shared { &migrations.shared_path } else { &migrations.path };
    let Some(path) = path.clone() else {
        return Err(gate::refused(format!(
            "no migration folder is configured for {}{} here, and the job runs files",
            target.config.name,
            if params.shared { "'s shared schema" } else { "" }
        )));
    };
    let verify =
        migrations.verify_path.clone().filter(|_| params.files.iter().any(|file| file.verify_sha256.is_some()));
    let read = tokio::task::spawn_blocking(move || {
        let folder = Folder::read(&path, tool)?;
        match verify {
            Some(verify) => verify::attach(folder, &verify),
            None => Ok(folder),
        }
    })
    .await;
    let folder =
        read.map_err(|error| gate::refused(error.to_string()))?.map_err(|error| gate::refused(error.to_string()))?;
    for wanted in &params.files {
        found.insert(wanted.version.clone(), as_confirmed(&folder, wanted)?);
    }
    Ok(found)
}

/// The file of a version as it was confirmed, with what undoes and verifies it as far as the job runs that.
fn as_confirmed(folder: &Folder, wanted: &FileRef) -> Result<Arc<MigrationFile>, OrderError> {
    let file = folder.find(&wanted.version, |file| hex(&file.sha256) == wanted.sha256);
    let Some(file) = file else {
        return Err(gate::refused(format!(
            "{} has no file of version {}, which the job runs",
            folder.path.display(),
            wanted.version
        )));
    };
    let same = |file: Option<&Arc<MigrationFile>>, wanted: &Option<String>| {
        wanted.is_none() || file.map(|file| hex(&file.sha256)) == *wanted
    };
    for (what, is_same) in [
        ("", hex(&file.sha256) == wanted.sha256),
        ("'s down file", same(file.down.as_ref(), &wanted.down_sha256)),
        ("'s verify file", same(file.verify.as_ref(), &wanted.verify_sha256)),
    ] {
        if !is_same {
            return Err(gate::refused(format!(
                "{}{what} changed since the job was ordered: its bytes are not those that were confirmed",
                file.path.display()
            )));
        }
    }
    // What nobody confirmed does not run.
    if wanted.verify_sha256.is_none() && file.verify.is_some() {
        return Ok(Arc::new(MigrationFile { verify: None, ..(**file).clone() }));
    }
    Ok(Arc::clone(file))
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
        let version = row.text(5).unwrap_or_default();
        let missing = || gate::refused(format!("job {job} has a step of version {version}, and no such file"));
        let file = files.get(version).ok_or_else(missing)?;
        let from = row.text(8).map(Version::new);
        let action = row.text(9).and_then(StepAction::from_word).ok_or_else(|| {
            gate::refused(format!("job {job} has a step that this program does not know: use a newer tenantui"))
        })?;
        let file = match action {
            StepAction::Rollback => file.down.as_ref().ok_or_else(missing)?,
            StepAction::Migrate
            | StepAction::Rehearse
            | StepAction::Command
            | StepAction::Row
            | StepAction::Schema
            | StepAction::Role
            | StepAction::Grants
            | StepAction::Seed
            | StepAction::Import
            | StepAction::Active
            | StepAction::Life(_) => file,
        };
        let state = row.text(6).unwrap_or_default();
        tenant.stopped |= matches!(state, "failed" | "blocked" | "unknown");
        tenant.steps.push(StepRow {
            seq: row.parse(0)?.unwrap_or_default(),
            action,
            version: Version::new(version),
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
    // No record leads a job into the shared schema but one that was ordered as such.
    let schema = if params.shared { SchemaName::shared(name) } else { SchemaName::tenant(name) }.map_err(wrong)?;
    let schema_oid = row.parse(4)?.unwrap_or_default();
    let id = row.text(1).map(str::to_owned);
    Ok(TenantSteps { id, slug, schema, schema_oid, registry_check, steps: Vec::new(), stopped: false })
}

/// A condition: a step's action is one of a tenant's life.
fn life_sql(column: &str) -> String {
    let words: Vec<String> = LifeStep::ALL.into_iter().map(|step| literal(step.word())).collect();
    format!("{column} IN ({})", words.join(", "))
}

/// `WITH mine AS (...)`: no row where the job is not this worker's any more.
pub(super) fn mine(fence: Fence) -> String {
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
        "{mine}, was AS (SELECT s.job_id, s.seq, s.action, s.state, s.schema_name, s.version FROM tenantui.step AS s, mine \
         WHERE s.job_id = mine.id AND s.seq = {seq} FOR UPDATE OF s), \
         said AS (INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, \
         CASE action WHEN 'rollback' THEN 'rollback' ELSE 'migrate' END, \
         schema_name, job_id, pg_catalog.jsonb_build_object('version', version, 'seq', seq), 'already' FROM was \
         WHERE state <> 'done') \
         UPDATE tenantui.step AS s SET state = 'done', attempt = {attempt}, tries = {tries}, \
         started_at = COALESCE(s.started_at, pg_catalog.now()), ended_at = COALESCE(s.ended_at, pg_catalog.clock_timestamp()), \
         message = CASE WHEN was.state = 'done' THEN s.message WHEN was.action = 'rollback' THEN 'was undone already' ELSE 'was applied already' END \
         FROM was WHERE s.job_id = was.job_id AND s.seq = was.seq RETURNING s.seq",
        mine = mine(fence),
        attempt = fence.attempt,
        os_user = literal(os_user),
    );
    let (session, _) = lane.session().await?;
    Ok(gate::ask(session, &sql).await?.iter().flatten().next().is_some())
}

/// Records the files of one tenant that ran in a rehearsal, with its audit row. `false`: the job is not ours.
pub(super) async fn mark_rehearsed(
    lane: &mut Lane<'_>,
    fence: Fence,
    ran: &[(i32, Duration)],
    os_user: &str,
) -> Result<bool, OrderError> {
    if ran.is_empty() {
        return Ok(true);
    }
    let values: Vec<String> = ran.iter().map(|(seq, time)| format!("({seq}, {})", time.as_millis())).collect();
    let sql = format!(
        "{mine}, ran AS (UPDATE tenantui.step AS s SET state = 'done', attempt = {attempt}, tries = s.tries + 1, \
         started_at = pg_catalog.clock_timestamp() - v.ms * interval '1 millisecond', \
         ended_at = pg_catalog.clock_timestamp(), duration_ms = v.ms, sqlstate = NULL, detail = NULL, \
         message = 'rehearsed: rolled back' FROM mine, (VALUES {values}) AS v (seq, ms) \
         WHERE s.job_id = mine.id AND s.seq = v.seq RETURNING s.job_id, s.schema_name, s.version) \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, 'rehearse', \
         schema_name, job_id, pg_catalog.jsonb_build_object('versions', pg_catalog.jsonb_agg(version)), 'rolled back' \
         FROM ran GROUP BY schema_name, job_id RETURNING job_id",
        mine = mine(fence),
        attempt = fence.attempt,
        values = values.join(", "),
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
        stays: verdict.stays,
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
         RETURNING s.job_id, s.schema_name, s.version, s.action) \
         INSERT INTO tenantui.audit (os_user, action, target, job_id, after, outcome) SELECT {os_user}, \
         CASE WHEN action IN ('rollback', 'rehearse', 'import') THEN action WHEN {life} THEN \
         (SELECT j.kind FROM tenantui.job AS j WHERE j.id = job_id) ELSE 'migrate' END, schema_name, job_id, \
         pg_catalog.jsonb_build_object('version', version, 'seq', {seq}, 'sqlstate', {sqlstate}::text, 'message', {message}::text), '{state}' FROM stopped RETURNING job_id",
        mine = mine(fence),
        life = life_sql("action"),
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
