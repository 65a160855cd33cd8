//! Orders as the rows that are inserted: a job's parameters and its steps. Pure.

use std::sync::Arc;

use super::bound::{PlanHash, StepIdentity};
use super::gate;
use super::granted::Granted;
use super::orders::OrderError;
use super::params::{
    CommandRef, FileRef, LeftOutRef, Pace, Params, ProvisionParams, RegistryRef, RoleRef, SeedRef, hex,
};
use super::service::{ImportOrder, MigrateOrder, ProvisionOrder, RollbackOrder};
use crate::config;
use crate::layout::Layout;
use crate::migrations::folder::MigrationFile;
use crate::migrations::plan::{Direction, LeftOut, Plan, TenantPlan};
use crate::model::job::{JobKind, StepAction};
use crate::model::ledger::Version;
use crate::text::counted;

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
    pub(super) fn plan_sha256(&self) -> Result<String, serde_json::Error> {
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
    /// Where the tenant stands before it; of a rollback, where it comes to.
    pub(super) from: Option<String>,
    pub(super) file: Option<([u8; 32], String)>,
}

/// Of a migration.
pub(super) fn migrate(order: &MigrateOrder, jobs: &config::Jobs) -> Draft {
    let plan = &*order.plan;
    let params = params(plan, &plan.tenants, &order.layout, order.wait_after_canary, jobs);
    let target = target(plan);
    let who = if plan.shared { format!("the shared schema {}", who(&plan.tenants)) } else { who(&plan.tenants) };
    Draft {
        kind: JobKind::Migrate,
        scope: SCOPE.to_owned(),
        what: if target.is_empty() { who } else { format!("{who} to {target}") },
        steps: if plan.is_driven() {
            plan.tenants.iter().filter_map(command_step).collect()
        } else {
            plan.tenants.iter().flat_map(|tenant| up_steps(tenant, StepAction::Migrate)).collect()
        },
        params,
    }
}

/// Of a rehearsal: the canaries alone, and nobody waits for anybody.
pub(super) fn rehearse(order: &MigrateOrder, jobs: &config::Jobs) -> Draft {
    let plan = &*order.plan;
    let tenants = plan.rehearsal();
    let mut params = params(plan, tenants, &order.layout, false, jobs);
    params.pace = Pace { canary: 0, batches: Vec::new(), parallel: 1, ..params.pace };
    params.left_out.clear();
    Draft {
        kind: JobKind::Rehearse,
        scope: SCOPE.to_owned(),
        what: format!("{} to {}", who(tenants), target(plan)),
        steps: tenants.iter().flat_map(|tenant| up_steps(tenant, StepAction::Rehearse)).collect(),
        params,
    }
}

/// Of a rollback or a redo.
///
/// # Errors
/// When the plan goes up.
pub(super) fn rollback(order: &RollbackOrder, jobs: &config::Jobs) -> Result<Draft, OrderError> {
    let plan = &*order.plan;
    let kind = match plan.direction {
        Direction::Up => return Err(gate::refused("a plan that applies migrations is no plan of a rollback")),
        Direction::Down => JobKind::Rollback,
        Direction::Again => JobKind::Redo,
    };
    let params = params(plan, &plan.tenants, &order.layout, order.wait_after_canary, jobs);
    let mut steps = Vec::with_capacity(plan.steps());
    for tenant in &plan.tenants {
        steps.extend(down_steps(tenant)?);
        if plan.direction == Direction::Again {
            steps.extend(again_steps(tenant));
        }
    }
    let who = who(&plan.tenants);
    let what = match (&plan.target, plan.direction) {
        (Some(version), Direction::Down) => format!("{who} down to {}", version.raw()),
        (Some(_) | None, _) => {
            format!("{who}, {}", counted(plan.tenants.iter().map(|t| t.files.len()).sum::<usize>(), "migration"))
        }
    };
    Ok(Draft { kind, scope: SCOPE.to_owned(), what, params, steps })
}

/// What there may be one live job of in a database: whatever goes through its tenants.
const SCOPE: &str = "migrate";
/// What there may be one live job of that makes several tenants; with a schema behind it, of one that makes that tenant.
const PROVISION_SCOPE: &str = "provision";

fn target(plan: &Plan) -> &str {
    plan.target.as_ref().map_or("", Version::raw)
}

fn who(tenants: &[TenantPlan]) -> String {
    match tenants {
        [only] => only.slug.raw().to_owned(),
        many => counted(many.len(), "tenant"),
    }
}

fn params(plan: &Plan, tenants: &[TenantPlan], layout: &Layout, wait: bool, jobs: &config::Jobs) -> Params {
    let files = plan.files();
    let runs =
        |file: &MigrationFile| tenants.iter().any(|tenant| tenant.files.iter().any(|f| f.version == file.version));
    let params = Params {
        tool: Some(plan.tool.word().to_owned()),
        files: files.iter().filter(|file| runs(file)).map(|file| FileRef::of(file, plan.direction)).collect(),
        // The shared schema has nothing behind it.
        search_path_extra: if plan.shared { Vec::new() } else { extra(layout) },
        registry: RegistryRef::of(layout).filter(|_| !plan.shared),
        left_out: plan.left_out.iter().map(left_out).collect(),
        confirmed: Some(hex(&plan.sha256())),
        shared: plan.shared,
        ledger: plan.ledger.as_deref().map(str::to_owned),
        command: plan.options.command.as_deref().map(CommandRef::of),
        ..Params::of(Pace {
            parallel: plan.options.parallel,
            canary: u32::try_from(plan.canary).unwrap_or(0),
            batches: plan.options.batches.clone(),
            pause_ms: milliseconds(plan.options.pause),
            max_failures: plan.options.max_failures,
            wait_after_canary: wait,
            ..pace(jobs)
        })
    };
    params.owned(plan.runs_as(), None)
}

fn left_out(left: &LeftOut) -> LeftOutRef {
    LeftOutRef {
        key: left.key.local.to_string(),
        slug: left.slug.raw().to_owned(),
        schema: left.schema.as_ref().map(|schema| schema.raw().to_owned()),
        version: left.version.as_ref().map(|version| version.raw().to_owned()),
        why: left.why.raw().to_owned(),
    }
}

fn step(
    tenant: &TenantPlan,
    action: StepAction,
    from: Option<&Version>,
    (version, sha256): (&Version, [u8; 32]),
) -> StepDraft {
    StepDraft {
        action,
        tenant_key: Some(tenant.key.local.to_string()),
        tenant_id: tenant.id.as_ref().map(|id| id.raw().to_owned()),
        slug: tenant.slug.raw().to_owned(),
        schema: tenant.schema.raw().to_owned(),
        schema_oid: Some(tenant.schema_oid),
        from: from.map(|version| version.raw().to_owned()),
        file: Some((sha256, version.raw().to_owned())),
    }
}

/// One for all that is pending, up to the newest.
fn command_step(tenant: &TenantPlan) -> Option<StepDraft> {
    let newest = tenant.files.last()?;
    Some(step(tenant, StepAction::Command, tenant.from.as_ref(), (&newest.version, newest.sha256)))
}

fn up_steps(tenant: &TenantPlan, action: StepAction) -> impl Iterator<Item = StepDraft> + '_ {
    let before = std::iter::once(tenant.from.as_ref()).chain(tenant.files.iter().map(|file| Some(&file.version)));
    tenant.files.iter().zip(before).map(move |(file, from)| step(tenant, action, from, (&file.version, file.sha256)))
}

/// Newest first; each comes to the one that is undone next, the last to what stays.
fn down_steps(tenant: &TenantPlan) -> Result<Vec<StepDraft>, OrderError> {
    let comes_to = tenant.files.iter().skip(1).map(|file| Some(&file.version)).chain([tenant.stays.as_ref()]);
    let undone = tenant.files.iter().zip(comes_to);
    undone
        .map(|(file, to)| match &file.down {
            Some(down) => Ok(step(tenant, StepAction::Rollback, to, (&file.version, down.sha256))),
            None => Err(gate::refused(format!("{} has no down file", file.path.display()))),
        })
        .collect()
}

/// What was undone, applied again: oldest first.
fn again_steps(tenant: &TenantPlan) -> impl Iterator<Item = StepDraft> + '_ {
    let files = || tenant.files.iter().rev();
    let before = std::iter::once(tenant.stays.as_ref()).chain(files().map(|file| Some(&file.version)));
    files().zip(before).map(|(file, from)| step(tenant, StepAction::Migrate, from, (&file.version, file.sha256)))
}

/// Of new tenants.
pub(super) fn provision(
    order: &ProvisionOrder,
    config: &config::Database,
    provision: Vec<ProvisionParams>,
    command: Option<&[String]>,
) -> Draft {
    let files = order.folder.as_ref().map(|folder| folder.files.as_slice()).unwrap_or_default();
    let (scope, what) = match provision.as_slice() {
        [only] => (format!("{PROVISION_SCOPE}:{}", only.schema), only.slug.clone()),
        many => (PROVISION_SCOPE.to_owned(), counted(many.len(), "tenant")),
    };
    let granted = Granted::of(&order.layout, &config.tenants.grant_to);
    let making = Making { driven: command.is_some(), grants: granted.is_some() };
    let steps = provision.iter().flat_map(|tenant| making_steps(order, tenant, making)).collect();
    let params = Params {
        tool: order.folder.as_ref().map(|folder| folder.tool.word().to_owned()),
        files: files.iter().map(|file| FileRef::of(file, Direction::Up)).collect(),
        search_path_extra: extra(&order.layout),
        registry: RegistryRef::of(&order.layout),
        role: role(order).filter(|_| provision.iter().any(|tenant| tenant.role.is_some())),
        provision,
        seed: order.seed.as_deref().map(SeedRef::of),
        siblings: order.siblings.clone(),
        command: command.map(CommandRef::of),
        ..Params::of(pace(&config.jobs))
    };
    // A command logs in by itself; the seed is tenantui's own to run.
    let params = params.owned(config.migrations.run_as, config.tenants.owner.as_ref()).granting(granted);
    Draft { kind: JobKind::Provision, scope, what, params, steps }
}

fn role(order: &ProvisionOrder) -> Option<RoleRef> {
    order.layout.role.as_ref().map(|role| RoleRef { login: role.rule.login, grants: role.grants.clone() })
}

/// How the new tenants of a job are made, all alike.
#[derive(Clone, Copy)]
struct Making {
    /// By a command.
    driven: bool,
    /// Roles that are there get something of them.
    grants: bool,
}

/// What makes one tenant, in order.
fn making_steps(order: &ProvisionOrder, tenant: &ProvisionParams, making: Making) -> Vec<StepDraft> {
    let step = |action, file| StepDraft {
        action,
        tenant_key: None,
        tenant_id: None,
        slug: tenant.slug.clone(),
        schema: tenant.schema.clone(),
        schema_oid: None,
        from: None,
        file,
    };
    let files = order.folder.as_ref().map(|folder| folder.files.as_slice()).unwrap_or_default();
    let file = |file: &Arc<MigrationFile>| Some((file.sha256, file.version.raw().to_owned()));
    let mut steps = vec![step(StepAction::Row, None), step(StepAction::Schema, None)];
    if tenant.role.is_some() {
        steps.push(step(StepAction::Role, None));
    }
    if making.driven {
        // One for all of them: what is run is the tool's to say.
        steps.extend(files.last().map(|newest| step(StepAction::Command, file(newest))));
    } else {
        steps.extend(files.iter().map(|one| step(StepAction::Migrate, file(one))));
    }
    if tenant.role.is_some() || making.grants {
        steps.push(step(StepAction::Grants, None));
    }
    if order.seed.is_some() {
        steps.push(step(StepAction::Seed, None));
    }
    steps.push(step(StepAction::Active, None));
    steps
}

/// Of data that is brought into a tenant.
///
/// # Errors
/// When the schema of the tenant is not known.
pub(super) fn import(order: &ImportOrder, jobs: &config::Jobs) -> Result<Draft, OrderError> {
    let tenant = &order.tenant;
    let schema_oid = tenant.schema_oid.ok_or_else(|| gate::refused("the tenant has no schema"))?;
    let has_row = tenant.key.local.starts_with("r:");
    let params = Params {
        search_path_extra: extra(&order.layout),
        registry: RegistryRef::of(&order.layout).filter(|_| has_row),
        import: Some((*order.plan).clone()),
        ..Params::of(pace(jobs))
    };
    let step = StepDraft {
        action: StepAction::Import,
        tenant_key: Some(tenant.key.local.to_string()),
        tenant_id: tenant.id.as_ref().map(|id| id.raw().to_owned()),
        slug: tenant.slug.raw().to_owned(),
        schema: order.schema.raw().to_owned(),
        schema_oid: Some(schema_oid),
        from: None,
        file: None,
    };
    let tables = counted(order.plan.tables.len(), "table");
    Ok(Draft {
        kind: JobKind::Import,
        scope: format!("import:{}", order.schema.raw()),
        what: format!("{tables} into {}", tenant.slug.raw()),
        params,
        steps: vec![step],
    })
}

fn extra(layout: &Layout) -> Vec<String> {
    layout.search_path_extra.iter().map(|schema| schema.raw().to_owned()).collect()
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn pace(jobs: &config::Jobs) -> Pace {
    Pace {
        parallel: jobs.parallel,
        canary: 0,
        batches: Vec::new(),
        pause_ms: 0,
        max_failures: jobs.max_failures,
        wait_after_canary: false,
        lock_timeout_ms: milliseconds(jobs.lock_timeout),
        statement_timeout_ms: milliseconds(jobs.statement_timeout),
    }
}
