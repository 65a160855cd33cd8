//! How a plan is made: each tenant is judged by its ledger, then the order of execution is laid out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::gaps::{self, Settled};
use super::{LeftOut, Plan, PlanError, PlanOptions, Refusal, TenantPlan};
use crate::migrations::dialects::dialect;
use crate::migrations::folder::{Folder, MigrationFile};
use crate::migrations::standing::{Standing, Standings};
use crate::model::ident::SchemaName;
use crate::model::ledger::{LedgerState, Tool, Version};
use crate::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use crate::text::Untrusted;

/// Makes the plan for these tenants.
///
/// # Errors
/// When no plan can be made at all: an unknown `to`, a tool that is not written here.
pub fn plan(
    database: &DatabaseName,
    tenants: &[Arc<Tenant>],
    folder: &Folder,
    options: PlanOptions,
) -> Result<Plan, PlanError> {
    let tool = folder.tool;
    if dialect(tool).writing.is_none() {
        return Err(PlanError { message: not_written(tool).into() });
    }
    let range = Range::new(folder, &options)?;
    let mut standings = Standings::new(folder);
    let mut plan = Plan {
        database: Arc::clone(database),
        tool,
        target: None,
        tenants: Vec::new(),
        canary: 0,
        up_to_date: 0,
        left_out: Vec::new(),
        refusals: Vec::new(),
        warnings: Vec::new(),
        options,
    };
    let mut sizes: HashMap<TenantKey, Option<u64>> = HashMap::new();
    for tenant in tenants.iter().filter(|tenant| !tenant.deleted && tenant.state != TenantState::OrphanSchema) {
        match judge(tenant, &mut standings, &range, &plan.options) {
            Judged::UpToDate => plan.up_to_date += 1,
            Judged::LeftOut(why) => plan.left_out.push(LeftOut {
                key: tenant.key.clone(),
                slug: tenant.slug.clone(),
                schema: tenant.schema.clone(),
                version: tenant.version().cloned(),
                why,
            }),
            Judged::Planned(planned) => {
                sizes.insert(planned.key.clone(), tenant.size_bytes);
                plan.tenants.push(planned);
            }
        }
    }
    plan.left_out.sort_by(|a, b| (a.slug.raw(), &a.key).cmp(&(b.slug.raw(), &b.key)));
    put_canaries_first(&mut plan, &sizes);
    let files = plan.files();
    plan.target =
        files.last().map(|file| file.version.clone()).or_else(|| range.files().last().map(|file| file.version.clone()));
    collect_findings(&mut plan, &files);
    Ok(plan)
}

fn not_written(tool: Tool) -> String {
    format!(
        "{tool} ledgers are not written by tenantui: migrate with {tool} itself; tenantui goes on showing where each tenant \
         stands"
    )
}

/// The files that the options let run.
struct Range<'f> {
    folder: &'f Folder,
    to: Option<usize>,
    only: Option<usize>,
}

impl<'f> Range<'f> {
    fn new(folder: &'f Folder, options: &PlanOptions) -> Result<Self, PlanError> {
        let position =
            |version: &Option<Version>| version.as_ref().map(|version| Self::position(folder, version)).transpose();
        if options.to.is_some() && options.only.is_some() {
            return Err(PlanError { message: "--to and --only exclude each other; give one of them".into() });
        }
        Ok(Self { folder, to: position(&options.to)?, only: position(&options.only)? })
    }

    fn position(folder: &Folder, version: &Version) -> Result<usize, PlanError> {
        let dialect = dialect(folder.tool);
        folder.files.iter().position(|file| dialect.key(&file.version) == dialect.key(version)).ok_or_else(|| {
            let newest = folder.files.last().map_or_else(
                || "the folder is empty".to_owned(),
                |file| format!("the newest is {}", file.version.untrusted().safe()),
            );
            let message =
                format!("{} has no migration {}; {newest}", folder.path.display(), version.untrusted().safe());
            PlanError { message: message.into() }
        })
    }

    fn files(&self) -> &'f [Arc<MigrationFile>] {
        match (self.to, self.only) {
            (_, Some(only)) => &self.folder.files[only..=only],
            (Some(to), None) => &self.folder.files[..=to],
            (None, None) => &self.folder.files,
        }
    }
}

enum Judged {
    UpToDate,
    LeftOut(Untrusted),
    Planned(TenantPlan),
}

fn judge(tenant: &Tenant, standings: &mut Standings<'_>, range: &Range<'_>, options: &PlanOptions) -> Judged {
    let standing = standings.of(&tenant.ledger);
    let dirty = tenant.ledger.reading().is_some_and(|reading| reading.dirty);
    let mut files: Vec<Arc<MigrationFile>> = Vec::new();
    if let Some(pending) = &standing.pending {
        let wanted: HashSet<&Version> = pending.iter().collect();
        files.extend(range.files().iter().filter(|file| wanted.contains(&file.version)).map(Arc::clone));
        // A recorded failure may be of a version that is no file: what it left behind is not known.
        if files.is_empty() && !dirty {
            return Judged::UpToDate;
        }
    }
    if let Some(why) = cannot_migrate(tenant, range.folder) {
        return Judged::LeftOut(why);
    }
    if standing.pending.is_none() {
        return Judged::LeftOut(match tenant.problems.last() {
            Some(problem) => problem.clone(),
            None => "what is pending is not known".into(),
        });
    }
    let unaccepted: Vec<String> = tenant
        .changed
        .iter()
        .filter(|version| !options.accept_changed.contains(version))
        .map(|version| version.untrusted().safe().to_string())
        .collect();
    if !unaccepted.is_empty() {
        let list = unaccepted.join(", ");
        return Judged::LeftOut(
            format!("changed checksum: the file of {list} is not what was applied here; if that is meant, accept it with --accept-changed {}", unaccepted[0]).into(),
        );
    }
    let Settled { files, warning } = match gaps::settle(tenant, &standing, files, range.only.is_some()) {
        Ok(settled) => settled,
        Err(why) => return Judged::LeftOut(why),
    };
    match (&tenant.schema, tenant.schema_oid) {
        (Some(schema), Some(schema_oid)) => match SchemaName::tenant(schema.raw()) {
            Ok(name) => Judged::Planned(TenantPlan {
                key: tenant.key.clone(),
                id: tenant.id.clone(),
                slug: tenant.slug.clone(),
                schema: name,
                schema_oid,
                from: tenant.version().cloned(),
                warnings: ahead(&standing).into_iter().chain(warning).collect(),
                files,
            }),
            Err(error) => Judged::LeftOut(format!("its schema is no tenant's: {error}").into()),
        },
        (_, _) => Judged::LeftOut("its schema does not exist".into()),
    }
}

/// Why a tenant that has or may have pending files is not touched.
fn cannot_migrate(tenant: &Tenant, folder: &Folder) -> Option<Untrusted> {
    let problems = || tenant.problems.iter().map(|problem| problem.raw()).collect::<Vec<_>>().join("; ");
    let because = |what: &str| -> Untrusted {
        match problems() {
            none if none.is_empty() => what.into(),
            some => format!("{what}: {some}").into(),
        }
    };
    match tenant.state {
        TenantState::Conflict => return Some(because("conflict: two registry rows point at its schema")),
        TenantState::MissingSchema => return Some(because("its schema does not exist")),
        TenantState::NoAccess
        | TenantState::OrphanSchema
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => {}
    }
    match &tenant.ledger {
        LedgerState::Unread => return Some("its ledger has not been read yet; refresh and plan again".into()),
        LedgerState::NoAccess(why) => return Some(format!("no access: {}", why.raw()).into()),
        LedgerState::DatabaseWide { why, .. } => return Some(why.clone()),
        LedgerState::Unreadable { why, .. } => return Some(format!("unreadable ledger: {}", why.raw()).into()),
        LedgerState::Absent => {}
        LedgerState::Read(reading) => {
            if reading.tool != folder.tool {
                let why = format!("its ledger is of {}, the files are of {}", reading.tool, folder.tool);
                return Some(why.into());
            }
            if reading.dirty {
                return Some(format!("dirty: {} recorded a migration that failed", reading.tool).into());
            }
            if let Some(why) = &reading.locked {
                return Some(format!("locked: {}", why.raw()).into());
            }
        }
    }
    match tenant.state {
        TenantState::Locked => Some(because("locked: another session is migrating it")),
        TenantState::NoAccess => Some(because("no access")),
        TenantState::Dirty => Some(because("dirty")),
        TenantState::UnknownTool => Some(because("its ledger is of no known tool")),
        TenantState::Conflict
        | TenantState::MissingSchema
        | TenantState::OrphanSchema
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => None,
    }
}

/// Versions of which there is no file.
fn ahead(standing: &Standing) -> Option<Untrusted> {
    let ahead = standing.ahead.as_ref().filter(|ahead| !ahead.is_empty())?;
    let list: Vec<String> = ahead.iter().take(5).map(|version| version.untrusted().safe().to_string()).collect();
    Some(format!("ahead: it has {}, of which there is no file", list.join(", ")).into())
}

/// Canaries are the smallest: they fail soonest and hurt least.
fn put_canaries_first(plan: &mut Plan, sizes: &HashMap<TenantKey, Option<u64>>) {
    plan.tenants.sort_by(|a, b| (a.slug.raw(), &a.key).cmp(&(b.slug.raw(), &b.key)));
    let wanted = usize::try_from(plan.options.canary).unwrap_or(usize::MAX);
    plan.canary = wanted.min(plan.tenants.len().saturating_sub(1));
    if plan.canary == 0 {
        return;
    }
    let size = |tenant: &TenantPlan| sizes.get(&tenant.key).copied().flatten().unwrap_or(u64::MAX);
    let mut order: Vec<usize> = (0..plan.tenants.len()).collect();
    order.sort_by_key(|index| (size(&plan.tenants[*index]), *index));
    let canaries: HashSet<usize> = order[..plan.canary].iter().copied().collect();
    let mut first: Vec<usize> = order[..plan.canary].to_vec();
    first.extend((0..plan.tenants.len()).filter(|index| !canaries.contains(index)));
    let mut tenants: Vec<Option<TenantPlan>> = std::mem::take(&mut plan.tenants).into_iter().map(Some).collect();
    plan.tenants = first.into_iter().filter_map(|index| tenants[index].take()).collect();
}

fn collect_findings(plan: &mut Plan, files: &[Arc<MigrationFile>]) {
    for file in files {
        for finding in &file.findings {
            let lifted =
                plan.options.allow.iter().any(|(version, rule)| version == file.version.raw() && rule == finding.rule);
            if finding.refuses && !lifted {
                plan.refusals.push(Refusal { file: Arc::clone(file), finding: finding.clone() });
            } else {
                let allowed = if finding.refuses { " (allowed by the configuration)" } else { "" };
                let name = file.path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
                let warning = format!("{name}:{}: {}{allowed}", finding.line, finding.message.raw());
                plan.warnings.push(warning.into());
            }
        }
    }
}
