//! `provision`: one tenant, or those of a file; each whole or not at all, and what is there already is left alone.

mod list;
mod present;
mod wanted;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use self::present::Sorted;
use self::wanted::{Wanted, Wrong};
use super::planned::{busy, name};
use super::running::{self, Results, Start};
use super::writing;
use crate::cli::args::Provision;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::{self, Session};
use crate::config::RunAs;
use crate::fleet::{LedgersRead, ReadOptions, Reading, Sizes};
use crate::jobs::orders;
use crate::jobs::record;
use crate::jobs::service::{self, NewTenant, Order, ProvisionOrder};
use crate::layout::Registry;
use crate::layout::role::RoleMade;
use crate::migrations::folder::{Folder, MigrationFile};
use crate::migrations::plan::{self, PlanOptions};
use crate::migrations::seed;
use crate::model::job::{JobKind, JobState, JobView, Waits};
use crate::postgres::session::{Patience, Reader, Target};
use crate::text::{self, counted};

/// What is going to be made, as `--dry-run --json` prints it. `tenant`, `name` and `schema` are of a single one.
#[derive(Serialize)]
struct Plan {
    database: String,
    tenant: Option<String>,
    name: Option<String>,
    schema: Option<String>,
    migrations: Option<Vec<String>>,
    role: Option<String>,
    seed: Option<String>,
    tenants: Vec<PlannedTenant>,
    present: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct PlannedTenant {
    tenant: String,
    name: String,
    schema: String,
    role: Option<String>,
}

/// Makes tenants.
///
/// # Errors
/// Exit 2 for names that the layout refuses and files that are wrong, 3 without a link, 5 where one exists already in
/// another form or may not be made.
pub async fn run(session: &Session, arguments: &Provision) -> Outcome<Status> {
    let database = session.only_database()?;
    let (asked, wrong) = wanted::read(arguments)?;
    let seed = arguments.seed.as_deref().map(seed::read).transpose().map_err(|e| Failure::usage(e.to_string()))?;
    let (target, reading) = session.read_one(&database, &read_for(&asked)).await?;
    let style = Style::from(arguments.format);
    let mut results = Results::new(style);
    let reading = match left_behind(&reading).filter(|_| !arguments.consent.dry_run && wrong.is_empty()) {
        Some(job) => finish_orphan(session, arguments, &asked, &target, &reading, job, &mut results).await?,
        None => reading,
    };
    let order = order(&target, &reading, arguments, (&asked, wrong), seed).await?;
    let makes = reading.context.folder.as_ref().map_or(Ok(()), |folder| orders::makes(&target, folder));
    let plan = plan(&target, &order)?;
    if arguments.consent.dry_run {
        writing::note_server(&target, &reading);
        match style {
            Style::Json => output::json(&plan)?,
            Style::Text | Style::Csv => output::data(&words(&plan, &target, &order))?,
        }
        makes?;
        if !order.order.tenants.is_empty() {
            orders::provisionable(&target, &order.order).await?;
        }
        return Ok(Status::Done);
    }
    writing::check_server(&target, &reading)?;
    output::note(words(&plan, &target, &order));
    makes?;
    let status = if order.order.tenants.is_empty() {
        Status::Done
    } else {
        carry_out(session, arguments, &target, &reading, order.order, &mut results).await?
    };
    results.add_present(&target.config.name, &order.sorted);
    results.print()?;
    Ok(status)
}

/// What has to be read for these tenants: how those stand that are there already, and a few siblings to compare with.
fn read_for(asked: &[Wanted]) -> ReadOptions {
    // As they are written, and as a layout that folds names spells them.
    let names = asked.iter().flat_map(|one| [one.slug.clone(), one.slug.to_ascii_lowercase()]).collect();
    ReadOptions {
        sizes: Sizes::WhereNamed,
        ledgers: LedgersRead::Of { names, standing: service::SIBLINGS },
        ..ReadOptions::default()
    }
}

/// An order with what needs none.
struct Asked {
    order: ProvisionOrder,
    sorted: Vec<Arc<crate::model::tenant::Tenant>>,
    /// Where the tenants are from, for messages.
    many: bool,
}

async fn order(
    target: &Target,
    reading: &Reading,
    arguments: &Provision,
    (asked, mut wrong): (&[Wanted], Wrong),
    seed: Option<MigrationFile>,
) -> Outcome<Asked> {
    let context = &reading.context;
    let role = wants_role(arguments, reading)?;
    let Sorted { new, present } = present::sort(target, reading, asked, role, &mut wrong).await?;
    if arguments.from.is_some() {
        present::fit(target, &context.layout, asked, &new, role, &mut wrong).await?;
    }
    wrong.judge(arguments.from.as_deref())?;
    let order = ProvisionOrder {
        tenants: new,
        layout: Arc::clone(&context.layout),
        folder: context.folder.clone(),
        role,
        seed: seed.map(Arc::new),
        siblings: service::siblings(&reading.snapshot.tenants, &target.config.name, context.folder.as_deref()),
    };
    Ok(Asked { order, sorted: present, many: arguments.from.is_some() })
}

/// Whether the tenants get roles: where the layout always makes them, or the operator asks for it.
fn wants_role(arguments: &Provision, reading: &Reading) -> Outcome<bool> {
    let layout = &reading.context.layout;
    match &layout.role {
        Some(role) => Ok(arguments.role || role.rule.made == RoleMade::Always),
        None if arguments.role => Err(Failure::usage(format!(
            "--role: the layout {} has no role of a tenant's own; write [role] and [grants] into a layout file to have one",
            layout.name
        ))),
        None => Ok(false),
    }
}

/// Orders and runs what is to be made.
async fn carry_out(
    session: &Session,
    arguments: &Provision,
    target: &Target,
    reading: &Reading,
    order: ProvisionOrder,
    results: &mut Results,
) -> Outcome<Status> {
    writing::check_writable(target, reading)?;
    let question = match order.tenants.as_slice() {
        [only] => format!("Make the tenant {}?", only.name.slug),
        many => format!("Make {}?", counted(many.len(), "tenant")),
    };
    ask::confirm(&question, &target.config, arguments.consent, &session.signals).await?;
    let when_failed = if order.tenants.len() == 1 { Status::Failed } else { Status::Partly };
    let target = with_pace(target, arguments);
    let job = orders::order(&target, &Order::Provision(order), Uuid::new_v4()).await?;
    let view = results.run(&target, job, Start::Ordered, arguments.consent, &session.signals).await?;
    Ok(running::status(&view, &session.signals, when_failed))
}

/// The target with what the arguments say of the pace.
fn with_pace(target: &Target, arguments: &Provision) -> Target {
    let mut target = target.clone();
    if arguments.parallel.is_some() || arguments.max_failures.is_some() {
        let mut config = (*target.config).clone();
        config.jobs.parallel = arguments.parallel.unwrap_or(config.jobs.parallel);
        config.jobs.max_failures = arguments.max_failures.unwrap_or(config.jobs.max_failures);
        target.config = Arc::new(config);
    }
    target
}

/// One tenant, for the demo without a terminal.
///
/// # Errors
/// As [`run`].
pub async fn one(session: &Session, arguments: &Provision) -> Outcome<(Status, Results)> {
    let (wanted, wrong) = wanted::read(arguments)?;
    let (target, reading) = session.read_one(&session.only_database()?, &read_for(&wanted)).await?;
    let asked = order(&target, &reading, arguments, (&wanted, wrong), None).await?;
    let mut results = Results::new(Style::from(arguments.format));
    let status = carry_out(session, arguments, &target, &reading, asked.order, &mut results).await?;
    Ok((status, results))
}

/// A job that makes several tenants and is not over: there is one at a time.
fn left_behind(reading: &Reading) -> Option<&JobView> {
    reading.snapshot.jobs.iter().find(|job| job.kind == JobKind::Provision && job.total > 1 && !job.state.is_over())
}

/// Whether a job that was paused with its process is what is asked for again: who ended another one may have meant it.
async fn is_same_again(target: &Target, job: &JobView, asked: &[Wanted]) -> Outcome<bool> {
    if job.state != JobState::Paused || job.waits != Some(Waits::Process) {
        return Ok(false);
    }
    let reader = Reader::open(target, Patience::Background).await?;
    let outcomes = record::outcomes(&reader, &job.database, job.id).await?;
    let made: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.slug.raw()).collect();
    let asked: BTreeSet<&str> = asked.iter().map(|one| one.slug.as_str()).collect();
    Ok(made.is_subset(&asked))
}

/// A run that was killed is finished first; what it made is there then, and is not made again.
async fn finish_orphan(
    session: &Session,
    arguments: &Provision,
    asked: &[Wanted],
    target: &Target,
    reading: &Reading,
    job: &JobView,
    results: &mut Results,
) -> Outcome<Reading> {
    if job.state != JobState::Orphaned && !is_same_again(target, job, asked).await? {
        return Err(busy(&target.config, job));
    }
    let why = if job.state == JobState::Orphaned { "was left by its worker" } else { "is paused" };
    output::note(format!("{} {why}; it is finished first", name(job)));
    writing::check_writable(target, reading)?;
    let question = format!("Finish job {}?", job.id);
    ask::confirm(&question, &target.config, arguments.consent, &session.signals).await?;
    let view = results.run(target, job.id, Start::GoOn, arguments.consent, &session.signals).await?;
    if !view.state.is_over() {
        let status = running::status(&view, &session.signals, Status::Partly);
        let words = format!("{} is {}; nothing else was ordered", name(&view), view.state.word());
        return Err(Failure::new(status, words));
    }
    session::read_again(target, &read_for(asked)).await
}

fn plan(target: &Target, asked: &Asked) -> Outcome<Plan> {
    let order = &asked.order;
    let role = |tenant: &NewTenant| match order.layout.role.as_ref().filter(|_| order.role) {
        Some(role) => match role.rule.name_of(&tenant.name.slug, &tenant.name.schema) {
            Ok(name) => Ok(Some(name.raw().to_owned())),
            Err(error) => Err(Failure::usage(error.to_string())),
        },
        None => Ok(None),
    };
    let mut tenants = Vec::with_capacity(order.tenants.len());
    for tenant in &order.tenants {
        tenants.push(PlannedTenant {
            tenant: tenant.name.slug.clone(),
            name: tenant.display_name.raw().to_owned(),
            schema: tenant.name.schema.raw().to_owned(),
            role: role(tenant)?,
        });
    }
    let only = tenants.first().filter(|_| !asked.many);
    Ok(Plan {
        database: target.config.name.to_string(),
        tenant: only.map(|tenant| tenant.tenant.clone()),
        name: only.map(|tenant| tenant.name.clone()),
        schema: only.map(|tenant| tenant.schema.clone()),
        role: only.and_then(|tenant| tenant.role.clone()),
        migrations: order
            .folder
            .as_ref()
            .map(|folder| folder.files.iter().map(|file| file.version.raw().to_owned()).collect()),
        seed: order.seed.as_ref().map(|seed| seed.path.display().to_string()),
        tenants,
        present: asked.sorted.iter().map(|tenant| tenant.slug.raw().to_owned()).collect(),
        warnings: if order.tenants.is_empty() { Vec::new() } else { warnings(target, order) },
    })
}

/// What plan time says of the files and of the seed.
fn warnings(target: &Target, order: &ProvisionOrder) -> Vec<String> {
    let allow = PlanOptions::from(&*target.config).allow;
    let drives = |folder: &Folder| orders::drives(target, folder).unwrap_or(false);
    let folder = order.folder.as_deref();
    let files = folder.into_iter().flat_map(|folder| &folder.files).map(AsRef::as_ref);
    let of_files = plan::warnings_of_new(files, &allow, folder.is_some_and(drives));
    let of_seed = plan::warnings_of_new(order.seed.as_deref().into_iter(), &[], false);
    of_files.iter().chain(&of_seed).map(|warning| warning.raw().to_owned()).collect()
}

/// What is left where a step fails.
fn on_failure(plan: &Plan, target: &Target, asked: &Asked) -> &'static str {
    let in_pieces = asked.order.folder.as_ref().is_some_and(|folder| orders::in_pieces(target, folder));
    let has_rows = matches!(asked.order.layout.registry, Registry::Table { .. });
    match (in_pieces, plan.tenants.len()) {
        (true, _) if has_rows => {
            "what was made is kept, and the registry row comes last: retry the job, or drop the schema"
        }
        (true, _) => "what was made is kept: retry the job, or drop the schema",
        (false, 1) => "everything is undone",
        (false, _) => "everything of that tenant is undone",
    }
}

fn words(plan: &Plan, target: &Target, asked: &Asked) -> String {
    let safe = text::sanitise;
    let badge = target.config.environment.badge();
    let present = match plan.present.as_slice() {
        [] => String::new(),
        [only] => format!("  present     {}: already provisioned, left alone\n", safe(only)),
        many => format!("  present     {}: already provisioned, left alone\n", counted(many.len(), "tenant")),
    };
    let mut lines = match plan.tenants.as_slice() {
        [] => return format!("[{badge}] {}: nothing to make\n{present}", plan.database),
        [only] => format!(
            "[{badge}] {}: make the tenant {}\n  name        {}\n  schema      {}\n",
            plan.database,
            safe(&only.tenant),
            safe(&only.name),
            safe(&only.schema)
        ),
        [first, .., last] => format!(
            "[{badge}] {}: make {}, {} at a time\n  tenants     {} to {}\n",
            plan.database,
            counted(plan.tenants.len(), "tenant"),
            target.config.jobs.parallel,
            safe(&first.tenant),
            safe(&last.tenant)
        ),
    };
    let migrations = match &plan.migrations {
        None => "none: no migration folder is configured".to_owned(),
        Some(versions) => match versions.last() {
            Some(last) => format!("{}, to {}", counted(versions.len(), "migration"), safe(last)),
            None => "none: the folder is empty".to_owned(),
        },
    };
    lines.push_str(&present);
    lines.push_str(&format!("  migrations  {migrations}\n"));
    if asked.order.role {
        let role = plan.role.as_deref().map_or_else(|| "one for each tenant".to_owned(), safe);
        lines.push_str(&format!("  role        {role}, with a password that is shown once\n"));
    }
    if let Some(owner) = &target.config.tenants.owner {
        let files = match target.config.migrations.runs_as() {
            RunAs::Owner => "of the schema and of what the files make",
            RunAs::Login => "of the schema alone; what the files make is the login role's (run_as)",
        };
        lines.push_str(&format!("  owner       {}: {files}\n", safe(owner.raw())));
    }
    if let [_, ..] = target.config.tenants.grant_to.as_slice() {
        let roles: Vec<String> = target.config.tenants.grant_to.iter().map(|role| safe(role.raw())).collect();
        lines.push_str(&format!("  grants      {}: the schema, and what the files make\n", roles.join(", ")));
    }
    if let Some(seed) = &plan.seed {
        lines.push_str(&format!("  seed        {}\n", safe(seed)));
    }
    if let Some(domains) = &asked.order.layout.domains {
        lines.push_str(&format!(
            "  domain      none: the application writes it into {}\n",
            safe(&domains.table.quoted())
        ));
    }
    for warning in &plan.warnings {
        lines.push_str(&format!("  warning     {}\n", safe(warning)));
    }
    lines.push_str(&format!("  on failure  {}\n", on_failure(plan, target, asked)));
    lines
}
