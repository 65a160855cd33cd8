//! The plan: a pure function of tenants, their ledgers, a folder and options.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::dialects::{Gap, dialect};
use super::folder::{Finding, Folder, MigrationFile};
pub use super::standing::{Standing, Standings, standing};
use crate::model::ident::SchemaName;
use crate::model::ledger::{LedgerState, Tool, Version};
use crate::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use crate::text::Untrusted;

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// Up to and including this version; `None` for all.
    pub to: Option<Version>,
    /// Only this version.
    pub only: Option<Version>,
    /// How many tenants go first and alone; 0 for none. With a single tenant there is none.
    pub canary: u32,
    /// Tenants at a time.
    pub parallel: u32,
    /// Sizes of the batches after the canary, then the rest.
    pub batches: Vec<u32>,
    /// Failed tenants at which the job stops.
    pub max_failures: u32,
    /// Versions whose changed files the operator accepts.
    pub accept_changed: Vec<Version>,
    /// Refusals lifted: (version, rule).
    pub allow: Vec<(String, String)>,
}

impl From<&crate::config::Database> for PlanOptions {
    fn from(database: &crate::config::Database) -> Self {
        let jobs = &database.jobs;
        Self {
            to: None,
            only: None,
            canary: jobs.canary,
            parallel: jobs.parallel,
            batches: jobs.batches.clone(),
            max_failures: jobs.max_failures,
            accept_changed: Vec::new(),
            allow: database.migrations.allow.iter().map(|a| (a.version.clone(), a.rule.clone())).collect(),
        }
    }
}

/// What the plan says of one tenant that will be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPlan {
    /// Identity.
    pub key: TenantKey,
    /// The registry's id, for the fence against a row that changed.
    pub id: Option<Untrusted>,
    /// The slug.
    pub slug: Untrusted,
    /// The schema, checked.
    pub schema: SchemaName,
    /// Its oid at planning.
    pub schema_oid: u32,
    /// Where it stands.
    pub from: Option<Version>,
    /// What runs, in order.
    pub files: Vec<Arc<MigrationFile>>,
    /// `ahead` and the like.
    pub warnings: Vec<Untrusted>,
}

/// A tenant that has or may have pending files but cannot be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Identity.
    pub key: TenantKey,
    /// The slug.
    pub slug: Untrusted,
    /// The schema.
    pub schema: Option<Untrusted>,
    /// Where it stands.
    pub version: Option<Version>,
    /// Why.
    pub why: Untrusted,
}

/// A file that plan time refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub file: Arc<MigrationFile>,
    /// Why.
    pub finding: Finding,
}

/// The plan. Immutable once ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The database.
    pub database: DatabaseName,
    /// Whose ledger is written.
    pub tool: Tool,
    /// The newest version that any tenant reaches.
    pub target: Option<Version>,
    /// In the order of execution: canaries first (the smallest), then by slug.
    pub tenants: Vec<TenantPlan>,
    /// The first so many of `tenants` are canaries.
    pub canary: usize,
    /// Up to date: nothing to do.
    pub up_to_date: usize,
    /// Named with the reason.
    pub left_out: Vec<LeftOut>,
    /// With any, the plan cannot be ordered.
    pub refusals: Vec<Refusal>,
    /// Findings that only warn, each once, with its file.
    pub warnings: Vec<Untrusted>,
    /// The options it was made with.
    pub options: PlanOptions,
}

/// Why there is no plan at all. Its `Display` says what failed, why, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.safe())]
pub struct PlanError {
    /// In words.
    pub message: Untrusted,
}

impl Plan {
    /// Steps in all: one per tenant and file.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.files.len()).sum()
    }

    /// The different files that run anywhere, in order.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<MigrationFile>> {
        let mut files: Vec<Arc<MigrationFile>> = Vec::new();
        let mut seen: HashSet<&Version> = HashSet::new();
        for file in self.tenants.iter().flat_map(|tenant| &tenant.files) {
            if seen.insert(&file.version) {
                files.push(Arc::clone(file));
            }
        }
        let order = dialect(self.tool).order;
        files.sort_by(|a, b| order.compare(&a.version, &b.version));
        files
    }

    /// SHA-256 over database, tenants, schema oids and file hashes: what a confirmation is bound to.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // Each part behind its length, so that no two plans run together into one text.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(b"tenantui plan 1");
        part(self.database.as_bytes());
        part(self.tool.word().as_bytes());
        part(&(self.canary as u64).to_be_bytes());
        part(&(self.tenants.len() as u64).to_be_bytes());
        for tenant in &self.tenants {
            part(tenant.key.local.as_bytes());
            part(tenant.id.as_ref().map_or("", Untrusted::raw).as_bytes());
            part(tenant.slug.raw().as_bytes());
            part(tenant.schema.raw().as_bytes());
            part(&tenant.schema_oid.to_be_bytes());
            part(tenant.from.as_ref().map_or("", Version::raw).as_bytes());
            part(&(tenant.files.len() as u64).to_be_bytes());
            for file in &tenant.files {
                part(file.version.raw().as_bytes());
                part(&file.sha256);
            }
        }
        hash.finalize().into()
    }
}

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
    plan_checked(database, tenants, folder, options, &Changed::default())
}

/// Versions that a tenant has and whose file is not what was applied, by what was recorded when it was.
pub type Changed = HashMap<TenantKey, Vec<Version>>;

/// [`plan`], leaving out tenants whose applied files have changed.
///
/// # Errors
/// As [`plan`].
pub fn plan_checked(
    database: &DatabaseName,
    tenants: &[Arc<Tenant>],
    folder: &Folder,
    options: PlanOptions,
    changed: &Changed,
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
        match judge(tenant, &mut standings, &range, &plan.options, changed) {
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
        "{tool} ledgers are not written by this version, only those of Migratus: migrate with {tool} itself; tenantui goes \
         on showing where each tenant stands"
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

fn judge(
    tenant: &Tenant,
    standings: &mut Standings<'_>,
    range: &Range<'_>,
    options: &PlanOptions,
    changed: &Changed,
) -> Judged {
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
    let unaccepted: Vec<String> = changed
        .get(&tenant.key)
        .into_iter()
        .flatten()
        .filter(|version| !options.accept_changed.contains(version))
        .map(|version| version.untrusted().safe().to_string())
        .collect();
    if !unaccepted.is_empty() {
        let list = unaccepted.join(", ");
        return Judged::LeftOut(
            format!("changed checksum: the file of {list} is not what was applied here; if that is meant, accept it with --accept-changed {}", unaccepted[0]).into(),
        );
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
                warnings: tenant_warnings(tenant, &standing, &files),
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

fn tenant_warnings(tenant: &Tenant, standing: &Standing, files: &[Arc<MigrationFile>]) -> Vec<Untrusted> {
    let mut warnings = Vec::new();
    let ahead: Vec<String> = standing
        .ahead
        .iter()
        .flat_map(|ahead| ahead.iter())
        .map(|version| version.untrusted().safe().to_string())
        .collect();
    if !ahead.is_empty() {
        let list = ahead.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        warnings.push(format!("ahead: it has {list}, of which there is no file").into());
    }
    let Some(reading) = tenant.ledger.reading() else { return warnings };
    let known = dialect(reading.tool);
    let older = files
        .iter()
        .filter(|file| {
            reading.applied.current.as_ref().is_some_and(|now| known.order.compare(&file.version, now).is_lt())
        })
        .count();
    if older > 0 {
        let does = match known.gap {
            Gap::Applied => "applied now, out of order, as the tool does",
            Gap::NeverApplied => "applied now; the tool itself would never apply them",
            Gap::Refused => "applied now; the tool itself stops at them with an error",
            Gap::ByGraph => "applied now",
        };
        warnings.push(format!("{older} pending below its version: {does}").into());
    }
    warnings
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
