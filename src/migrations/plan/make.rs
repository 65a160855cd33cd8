//! How a plan is made: each tenant is judged by its ledger, then the order of execution is laid out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::driven;
use super::gaps::{self, Settled};
use super::{Direction, Estimate, LeftOut, Plan, PlanError, PlanOptions, Refusal, TenantPlan};
use crate::migrations::dialects::dialect;
use crate::migrations::folder::{Finding, Folder, MigrationFile};
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
    let driven = driven::check(folder, &options)?;
    let range = Range::new(folder, &options)?;
    let mut standings = Standings::new(folder);
    let mut plan = empty(database, tool, options);
    for tenant in tenants.iter().filter(|tenant| !tenant.deleted && tenant.state != TenantState::OrphanSchema) {
        match judge(tenant, &mut standings, &range, &plan.options) {
            Judged::UpToDate => plan.up_to_date += 1,
            Judged::LeftOut(why) => plan.left_out.push(left_out(tenant, why)),
            Judged::Planned(planned) => plan.tenants.push(planned),
        }
    }
    common_ledger(&mut plan, tenants);
    plan.left_out.sort_by(|a, b| (a.slug.raw(), &a.key).cmp(&(b.slug.raw(), &b.key)));
    plan.put_canaries_first()?;
    plan.target = target_of(&plan).or_else(|| range.files().last().map(|file| file.version.clone()));
    if driven {
        plan.warnings.extend(driven::one_at_a_time(tool, &mut plan.options));
    }
    let scripts = plan.scripts();
    collect_findings(&mut plan, &scripts, &[]);
    plan.estimate = plan.estimated();
    Ok(plan)
}

/// A plan of nobody yet.
pub(super) fn empty(database: &DatabaseName, tool: Tool, options: PlanOptions) -> Plan {
    Plan {
        database: Arc::clone(database),
        tool,
        direction: Direction::Up,
        ledger: None,
        shared: false,
        shared_behind: None,
        target: None,
        tenants: Vec::new(),
        canary: 0,
        up_to_date: 0,
        left_out: Vec::new(),
        refusals: Vec::new(),
        warnings: Vec::new(),
        options,
        times: Arc::default(),
        estimate: Estimate::default(),
    }
}

/// The newest version that is run anywhere.
pub(super) fn target_of(plan: &Plan) -> Option<Version> {
    plan.files().last().map(|file| file.version.clone())
}

pub(super) fn left_out(tenant: &Tenant, why: Untrusted) -> LeftOut {
    LeftOut {
        key: tenant.key.clone(),
        slug: tenant.slug.clone(),
        schema: tenant.schema.clone(),
        version: tenant.version().cloned(),
        why,
    }
}

/// A job writes ledgers of one name. Tools let it be configured, for all tenants alike: whose ledger is called otherwise
/// than most is left to a job of its own.
pub(super) fn common_ledger(plan: &mut Plan, tenants: &[Arc<Tenant>]) {
    let Some(usual) = dialect(plan.tool).writing.as_ref().map(|writing| writing.table) else { return };
    let names: HashMap<&TenantKey, &Arc<str>> = tenants
        .iter()
        .filter_map(|tenant| tenant.ledger.reading().map(|reading| (&tenant.key, &reading.table)))
        .collect();
    let mut votes: HashMap<&str, usize> = HashMap::new();
    for name in plan.tenants.iter().filter_map(|tenant| names.get(&tenant.key)) {
        *votes.entry(name).or_default() += 1;
    }
    let Some(most) = votes.into_iter().max_by_key(|(name, votes)| (*votes, *name)).map(|(name, _)| name) else {
        return;
    };
    let most: Arc<str> = most.into();
    let is_other = |tenant: &TenantPlan| names.get(&tenant.key).is_some_and(|name| ***name != *most);
    let (others, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.tenants).into_iter().partition(is_other);
    plan.tenants = stay;
    plan.left_out.extend(others.into_iter().map(|tenant| {
        let name = names.get(&tenant.key).map(|name| Untrusted::new(&***name).safe().to_string()).unwrap_or_default();
        let why = format!("its ledger is called {name}, the others' {}: name it alone", Untrusted::new(&*most).safe());
        LeftOut {
            key: tenant.key,
            slug: tenant.slug,
            schema: Some(tenant.schema.raw().into()),
            version: tenant.from,
            why: why.into(),
        }
    }));
    plan.ledger = (&*most != usual).then_some(most);
}

/// The files that the options let run.
pub(super) struct Range<'f> {
    folder: &'f Folder,
    to: Option<usize>,
    only: Option<usize>,
}

impl<'f> Range<'f> {
    pub(super) fn new(folder: &'f Folder, options: &PlanOptions) -> Result<Self, PlanError> {
        let place = |version: &Option<Version>| version.as_ref().map(|version| position(folder, version)).transpose();
        if options.to.is_some() && options.only.is_some() {
            return Err(PlanError { message: "--to and --only exclude each other; give one of them".into() });
        }
        Ok(Self { folder, to: place(&options.to)?, only: place(&options.only)? })
    }

    pub(super) fn files(&self) -> &'f [Arc<MigrationFile>] {
        match (self.to, self.only) {
            (_, Some(only)) => &self.folder.files[only..=only],
            (Some(to), None) => &self.folder.files[..=to],
            (None, None) => &self.folder.files,
        }
    }

    /// Why the one file of `only` cannot be run alone: a ledger that keeps its position only would say that all files
    /// below it were applied too.
    fn leaves_a_gap(&self, pending: &[Version]) -> Option<Untrusted> {
        let tool = self.folder.tool;
        let only = &self.folder.files[self.only?];
        let position_only = dialect(tool).reading.position_only;
        let first = pending.first().filter(|first| position_only && **first != only.version)?;
        let why = format!(
            "{tool} keeps its position and no history: with {} alone its ledger would say that {} is applied too",
            only.version.untrusted().safe(),
            first.untrusted().safe()
        );
        Some(why.into())
    }
}

/// The place of a version in the folder.
pub(super) fn position(folder: &Folder, version: &Version) -> Result<usize, PlanError> {
    let dialect = dialect(folder.tool);
    folder.files.iter().position(|file| dialect.key(&file.version) == dialect.key(version)).ok_or_else(|| {
        let newest = folder.files.last().map_or_else(
            || "the folder is empty".to_owned(),
            |file| format!("the newest is {}", file.version.untrusted().safe()),
        );
        let message = format!("{} has no migration {}; {newest}", folder.path.display(), version.untrusted().safe());
        PlanError { message: message.into() }
    })
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
    if let Some(why) = unfit(tenant, range.folder) {
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
    let Settled { files, warning } = match gaps::settle(tenant, &standing, range.folder, files, options) {
        Ok(settled) => settled,
        Err(why) => return Judged::LeftOut(why),
    };
    if let Some(why) = standing.pending.as_deref().and_then(|pending| range.leaves_a_gap(pending)) {
        return Judged::LeftOut(why);
    }
    match (&tenant.schema, tenant.schema_oid) {
        (Some(schema), Some(schema_oid)) => match SchemaName::tenant(schema.raw()) {
            Ok(name) => Judged::Planned(TenantPlan {
                key: tenant.key.clone(),
                id: tenant.id.clone(),
                slug: tenant.slug.clone(),
                schema: name,
                schema_oid,
                from: tenant.version().cloned(),
                size_bytes: tenant.size_bytes,
                warnings: ahead(&standing).into_iter().chain(warning).collect(),
                files,
                stays: None,
            }),
            Err(error) => Judged::LeftOut(format!("its schema is no tenant's: {error}").into()),
        },
        (_, _) => Judged::LeftOut("its schema does not exist".into()),
    }
}

/// Why a tenant that something is to be done to is not touched.
pub(super) fn unfit(tenant: &Tenant, folder: &Folder) -> Option<Untrusted> {
    let problems = || tenant.problems.iter().map(|problem| problem.raw()).collect::<Vec<_>>().join("; ");
    let because = |what: &str| -> Untrusted {
        match problems() {
            none if none.is_empty() => what.into(),
            some => format!("{what}: {some}").into(),
        }
    };
    match tenant.state {
        TenantState::Conflict => return Some(because("conflict")),
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
    if let Some(why) = cannot_write(&tenant.ledger, folder.tool) {
        return Some(why);
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

/// Why a ledger is not written by the rules of this tool.
pub(super) fn cannot_write(ledger: &LedgerState, tool: Tool) -> Option<Untrusted> {
    match ledger {
        LedgerState::Unread => Some("its ledger has not been read yet; refresh and plan again".into()),
        LedgerState::NoAccess(why) => Some(format!("no access: {}", why.raw()).into()),
        LedgerState::DatabaseWide { why, .. } => Some(why.clone()),
        LedgerState::Unreadable { why, .. } => Some(format!("unreadable ledger: {}", why.raw()).into()),
        LedgerState::Absent => None,
        LedgerState::Read(reading) => {
            if reading.tool != tool {
                return Some(format!("its ledger is of {}, the files are of {tool}", reading.tool).into());
            }
            if reading.dirty {
                return Some(format!("dirty: {} recorded a migration that failed", reading.tool).into());
            }
            reading.locked.as_ref().map(|why| format!("locked: {}", why.raw()).into())
        }
    }
}

/// Versions of which there is no file.
fn ahead(standing: &Standing) -> Option<Untrusted> {
    let ahead = standing.ahead.as_ref().filter(|ahead| !ahead.is_empty())?;
    let list: Vec<String> = ahead.iter().take(5).map(|version| version.untrusted().safe().to_string()).collect();
    Some(format!("ahead: it has {}, of which there is no file", list.join(", ")).into())
}

/// What plan time says of each of these files, but for some rules.
pub(super) fn collect_findings(plan: &mut Plan, files: &[Arc<MigrationFile>], but: &[&str]) {
    for file in files {
        for finding in file.findings.iter().filter(|finding| !but.contains(&finding.rule)) {
            let lifted =
                plan.options.allow.iter().any(|(version, rule)| version == file.version.raw() && rule == finding.rule);
            // The files are the tool's to read: what tenantui would not run itself is only told.
            if plan.is_driven() && finding.rule == "code" {
                continue;
            }
            if finding.refuses && !lifted && !plan.is_driven() {
                plan.refusals.push(Refusal { file: Arc::clone(file), finding: finding.clone() });
            } else {
                plan.warnings.push(warning(file, finding, lifted));
            }
        }
    }
}

/// A finding that keeps nobody from anything.
pub(super) fn warning(file: &MigrationFile, finding: &Finding, lifted: bool) -> Untrusted {
    let allowed = if finding.refuses && lifted { " (allowed by the configuration)" } else { "" };
    let name = file.path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
    format!("{name}:{}: {}{allowed}", finding.line, finding.message.raw()).into()
}
