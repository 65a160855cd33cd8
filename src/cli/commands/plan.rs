//! A plan in words and as JSON.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::output::{self, Cell, Table};
use crate::config::{self, RunAs};
use crate::migrations::aim;
use crate::migrations::folder::MigrationFile;
use crate::migrations::plan::{Direction, Plan, TenantPlan};
use crate::model::ledger::Version;
use crate::model::times::StepTime;
use crate::text::{self, counted, grouped};

/// Tenants that a plan on standard error names; `--dry-run` names all.
const NAMED: usize = 20;

/// A plan as JSON.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct PlanDocument {
    pub database: String,
    pub tool: &'static str,
    pub direction: &'static str,
    pub shared: bool,
    pub shared_behind: Option<u32>,
    pub target: Option<String>,
    pub steps: u64,
    pub canary: u64,
    pub up_to_date: u64,
    pub estimate_seconds: Option<u64>,
    pub files: Vec<PlannedFile>,
    pub tenants: Vec<PlannedTenant>,
    pub left_out: Vec<LeftOutTenant>,
    pub refusals: Vec<RefusedFile>,
    pub warnings: Vec<String>,
}

/// A file that runs anywhere in a plan, and how long it took before.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct PlannedFile {
    pub version: String,
    pub name: String,
    pub tenants: u64,
    pub estimate_seconds: Option<u64>,
    pub runs: u32,
}

/// A tenant of a plan.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct PlannedTenant {
    pub tenant: String,
    pub schema: String,
    pub from: Option<String>,
    pub versions: Vec<String>,
    pub stays: Option<String>,
    pub estimate_seconds: Option<u64>,
    pub warnings: Vec<String>,
}

/// A tenant that a plan leaves out.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct LeftOutTenant {
    pub tenant: String,
    pub schema: Option<String>,
    pub version: Option<String>,
    pub why: String,
}

/// A file that a plan refuses.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "documented in the README")]
pub struct RefusedFile {
    pub file: String,
    pub line: u32,
    pub rule: String,
    pub message: String,
}

impl From<&Plan> for PlanDocument {
    fn from(plan: &Plan) -> Self {
        let raw = |texts: &[text::Untrusted]| texts.iter().map(|text| text.raw().to_owned()).collect();
        Self {
            database: plan.database.to_string(),
            tool: plan.tool.word(),
            direction: word(plan.direction),
            shared: plan.shared,
            shared_behind: plan.shared_behind,
            target: plan.target.as_ref().map(|version| version.raw().to_owned()),
            steps: plan.steps() as u64,
            canary: plan.canary as u64,
            up_to_date: plan.up_to_date as u64,
            estimate_seconds: plan.estimate.seconds(),
            files: files_of(plan),
            tenants: plan
                .tenants
                .iter()
                .map(|tenant| PlannedTenant {
                    tenant: tenant.slug.raw().to_owned(),
                    schema: tenant.schema.raw().to_owned(),
                    from: tenant.from.as_ref().map(|version| version.raw().to_owned()),
                    versions: tenant.files.iter().map(|file| file.version.raw().to_owned()).collect(),
                    stays: tenant.stays.as_ref().map(|version| version.raw().to_owned()),
                    estimate_seconds: plan.tenant_ms(tenant).map(|ms| ms.div_ceil(1_000).max(1)),
                    warnings: raw(&tenant.warnings),
                })
                .collect(),
            left_out: plan
                .left_out
                .iter()
                .map(|tenant| LeftOutTenant {
                    tenant: tenant.slug.raw().to_owned(),
                    schema: tenant.schema.as_ref().map(|schema| schema.raw().to_owned()),
                    version: tenant.version.as_ref().map(|version| version.raw().to_owned()),
                    why: tenant.why.raw().to_owned(),
                })
                .collect(),
            refusals: plan
                .refusals
                .iter()
                .map(|refusal| RefusedFile {
                    file: refusal.file.path.display().to_string(),
                    line: refusal.finding.line,
                    rule: refusal.finding.rule.to_owned(),
                    message: refusal.finding.message.raw().to_owned(),
                })
                .collect(),
            warnings: raw(&plan.warnings),
        }
    }
}

/// Which way, as JSON has it.
const fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "migrate",
        Direction::Down => "rollback",
        Direction::Again => "redo",
    }
}

fn files_of(plan: &Plan) -> Vec<PlannedFile> {
    let mut tenants: HashMap<&Version, u64> = HashMap::new();
    for file in plan.tenants.iter().flat_map(|tenant| &tenant.files) {
        *tenants.entry(&file.version).or_default() += 1;
    }
    let files = plan.files();
    let file = |file: &Arc<MigrationFile>| {
        let time = plan.time_of(&file.version);
        PlannedFile {
            version: file.version.raw().to_owned(),
            name: file.name.raw().to_owned(),
            tenants: tenants.get(&file.version).copied().unwrap_or(0),
            estimate_seconds: time.map(StepTime::seconds),
            runs: time.map_or(0, |time| time.runs),
        }
    };
    files.iter().map(file).collect()
}

/// A plan in words, safe to print. `all`: every tenant by name, else the first ones.
#[must_use]
pub fn words(plan: &Plan, database: &config::Database, all: bool) -> String {
    let mut lines = vec![headline(plan, database)];
    if !plan.tenants.is_empty() {
        lines.extend(how(plan, database));
    }
    if let Some(behind @ 1..) = plan.shared_behind {
        let migrations = counted(behind as usize, "migration");
        lines.push(if plan.tenants.is_empty() {
            format!("  shared    the shared schema lacks {migrations}: `tenantui migrate --shared` applies them")
        } else {
            format!("  first     the shared schema, which lacks {migrations}")
        });
    }
    lines.extend(plan.warnings.iter().map(|warning| format!("  warning   {}", warning.safe())));
    for refusal in &plan.refusals {
        let (file, finding) = (text::sanitise(&refusal.file.path.display().to_string()), &refusal.finding);
        lines.push(format!("  REFUSED   {file}:{}: {} ({})", finding.line, finding.message.safe(), finding.rule));
    }
    let mut out = lines.join("\n");
    out.push('\n');
    if !plan.tenants.is_empty() {
        out.push_str(&tenants(plan, if all { usize::MAX } else { NAMED }));
    }
    for tenant in &plan.left_out {
        out.push_str(&format!("  left out  {}: {}\n", tenant.slug.safe(), tenant.why.safe()));
    }
    out
}

fn headline(plan: &Plan, database: &config::Database) -> String {
    let target = plan.target.as_ref().map_or_else(|| "-".to_owned(), |version| version.untrusted().safe().to_string());
    let environment = database.environment.badge();
    if plan.tenants.is_empty() {
        // Tenants that are left out have, or may have, pending files.
        let (none, nobody, rest) = match plan.direction {
            Direction::Up => ("nothing is pending", "nothing can be migrated", "up to date"),
            Direction::Down | Direction::Again => {
                ("nothing is to be undone", "nothing can be undone", "with nothing to undo")
            }
        };
        let (what, left) = match plan.left_out.len() {
            0 => (none, String::new()),
            some => (nobody, format!(", {} left out", grouped(some as u64))),
        };
        return format!(
            "[{environment}] {}: {what} (target {target}, {} {rest}{left})",
            plan.database,
            grouped(plan.up_to_date as u64)
        );
    }
    let (tenants, steps) = (counted(plan.tenants.len(), "tenant"), counted(plan.steps(), "step"));
    let (verb, tool) = (plan.direction.verb(), plan.tool);
    let (same, left_out) = (grouped(plan.up_to_date as u64), grouped(plan.left_out.len() as u64));
    let rest = format!("{same} up to date, {left_out} left out");
    match (plan.shared, plan.direction, &plan.target) {
        (true, _, _) => {
            format!("[{environment}] {}: migrate the shared schema to {target}: {steps} with {tool}", plan.database)
        }
        (false, Direction::Up, _) => {
            format!("[{environment}] {}: {verb} {tenants} to {target}: {steps} with {tool}; {rest}", plan.database)
        }
        (false, Direction::Down, Some(_)) => {
            format!("[{environment}] {}: {verb} {tenants} down to {target}: {steps} with {tool}; {rest}", plan.database)
        }
        (false, Direction::Down | Direction::Again, _) => {
            format!("[{environment}] {}: {verb} {tenants}: {steps} with {tool}; {rest}", plan.database)
        }
    }
}

fn how(plan: &Plan, database: &config::Database) -> Vec<String> {
    let canaries: Vec<String> =
        plan.tenants.iter().take(plan.canary).map(|tenant| tenant.slug.safe().to_string()).collect();
    let canary = if canaries.is_empty() { "none".to_owned() } else { canaries.join(", ") };
    let batches: Vec<String> = plan.options.batches.iter().map(u32::to_string).collect();
    let batches =
        if batches.is_empty() { "all".to_owned() } else { format!("batches of {}, then the rest", batches.join(", ")) };
    let batches = if plan.options.pause.is_zero() || plan.options.batches.is_empty() && plan.canary == 0 {
        batches
    } else {
        format!("{batches}, {} between them", text::duration(plan.options.pause))
    };
    let (parallel, failures) = (plan.options.parallel, counted(plan.options.max_failures as usize, "failure"));
    let timeouts = if plan.is_driven() {
        let limit = aim::limit(&database.migrations).as_secs();
        let command = aim::words(plan.options.command.as_deref().unwrap_or_default());
        format!("  command   {command}; once per tenant, within {limit} s each")
    } else {
        format!(
            "  timeouts  lock {} ms, statement {} s; each migration in a transaction of its own unless its file opts out",
            database.jobs.lock_timeout.as_millis(),
            database.jobs.statement_timeout.as_secs()
        )
    };
    let mut how = vec![
        format!("  canary    {canary}"),
        format!("  then      {batches}; {parallel} at a time; stop at {failures}"),
        timeouts,
    ];
    match plan.runs_as() {
        RunAs::Login => {}
        RunAs::Owner => how.push("  rights    of the owner of each schema, who owns what the files make".to_owned()),
    }
    how.push(format!("  time      {}", time(plan)));
    how
}

/// `about 9 min (from the last 20 runs)`.
fn time(plan: &Plan) -> String {
    let time = plan.estimate.seconds().map_or_else(|| "unknown".to_owned(), text::time_left);
    format!("{time} ({})", plan.estimate.basis())
}

fn tenants(plan: &Plan, most: usize) -> String {
    let what = match plan.direction {
        Direction::Up => "migrations",
        Direction::Down => "undone, newest first",
        Direction::Again => "undone, newest first, and applied again",
    };
    let mut table = Table::new(&["  tenant", "schema", "from", what, "time"]);
    for tenant in plan.tenants.iter().take(most) {
        table.row(vec![
            format!("  {}", tenant.slug.raw()).into(),
            tenant.schema.raw().into(),
            tenant.from.as_ref().map(|version| version.raw().to_owned()).into(),
            files(tenant).into(),
            plan.tenant_ms(tenant).map_or(Cell::None, |ms| Cell::Right(text::rough_time(ms))),
        ]);
    }
    // All of them are data; the first ones stand beside a question.
    let mut out = if most == usize::MAX { output::fitted(&table) } else { output::fitted_note(&table) };
    if plan.tenants.len() > most {
        out.push_str(&format!("  and {} more; --dry-run names all\n", plan.tenants.len() - most));
    }
    for (tenant, warning) in plan.tenants.iter().take(most).flat_map(|t| t.warnings.iter().map(move |w| (t, w))) {
        out.push_str(&format!("  warning   {}: {}\n", tenant.slug.safe(), warning.safe()));
    }
    out
}

fn files(tenant: &TenantPlan) -> String {
    let names: Vec<String> = tenant.files.iter().take(3).map(|file| file.version.raw().to_owned()).collect();
    let more = if tenant.files.len() > 3 { format!(" and {} more", tenant.files.len() - 3) } else { String::new() };
    format!("{}{more}", names.join(" "))
}

/// The plan's tenants as CSV.
#[must_use]
pub fn table(plans: &[PlanDocument]) -> Table {
    let mut table = Table::new(&["database", "tenant", "schema", "from", "migrations", "estimate_seconds", "left_out"]);
    for plan in plans {
        for tenant in &plan.tenants {
            table.row(vec![
                plan.database.as_str().into(),
                tenant.tenant.as_str().into(),
                tenant.schema.as_str().into(),
                tenant.from.clone().into(),
                tenant.versions.join(" ").into(),
                tenant.estimate_seconds.into(),
                Cell::None,
            ]);
        }
        for tenant in &plan.left_out {
            table.row(vec![
                plan.database.as_str().into(),
                tenant.tenant.as_str().into(),
                tenant.schema.clone().into(),
                tenant.version.clone().into(),
                Cell::None,
                Cell::None,
                tenant.why.as_str().into(),
            ]);
        }
    }
    table
}
