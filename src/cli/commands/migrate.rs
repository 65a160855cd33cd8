//! `migrate`: choose, plan, ask, order, run, tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::plan::{self, PlanDocument, counted};
use super::running::{self, Results};
use super::writing;
use crate::cli::args::Migrate;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::{self, Session};
use crate::config;
use crate::fleet::{ReadOptions, Reading};
use crate::jobs::orders;
use crate::jobs::service::{MigrateOrder, Order};
use crate::migrations::plan::{Plan, PlanOptions};
use crate::model::job::{JobKind, JobState, JobView};
use crate::model::ledger::Version;
use crate::model::tenant::{Tenant, TenantState};
use crate::postgres::session::Target;

#[derive(Serialize)]
struct Plans {
    plans: Vec<PlanDocument>,
}

/// One database of the order, with what it will migrate.
struct Aim {
    target: Target,
    reading: Reading,
    tenants: Vec<Arc<Tenant>>,
}

/// Applies pending migrations.
///
/// # Errors
/// Exit 1 for an unknown tenant, 2 without a target, 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: &Migrate) -> Outcome<Status> {
    if arguments.slugs.is_empty() && !arguments.all && arguments.state.is_empty() {
        return Err(Failure::usage("which tenants? Name them, or add --all or --state STATE"));
    }
    let style = Style::from(arguments.format);
    if arguments.consent.dry_run {
        return dry_run(&choose(session, arguments).await?, arguments, style);
    }
    let (status, results) = carry_out(session, arguments).await?;
    results.print(style)?;
    Ok(status)
}

/// Plans, asks, orders and runs, one database after the other.
///
/// # Errors
/// As [`run`].
pub async fn carry_out(session: &Session, arguments: &Migrate) -> Outcome<(Status, Results)> {
    let mut results = Results::default();
    let mut status = Status::Done;
    for aim in choose(session, arguments).await? {
        match one_database(session, arguments, aim, &mut results).await {
            Ok(next) => status = status.and(next),
            Err(failure) if results.tenants.is_empty() => return Err(failure),
            Err(failure) => {
                // What was done before is told all the same.
                output::note(&failure.message);
                status = status.and(failure.status);
                break;
            }
        }
        if session.signals.first().is_some() {
            break;
        }
    }
    Ok((status, results))
}

/// Reads the databases and finds the tenants. All must answer: what a name means is not guessed while one is down.
async fn choose(session: &Session, arguments: &Migrate) -> Outcome<Vec<Aim>> {
    let reads = session.read(&ReadOptions::default()).await;
    let status = session::tell_down(&reads);
    if status != Status::Done {
        let hint = if session.has_several() { "; --database NAME leaves the others out" } else { "" };
        return Err(Failure::new(status, format!("nothing was done{hint}")));
    }
    let mut aims: Vec<Aim> = Vec::new();
    for (target, reading) in reads.into_iter().filter_map(|read| read.reading.ok()) {
        let tenants = if arguments.slugs.is_empty() { by_set(&reading, arguments) } else { Vec::new() };
        aims.push(Aim { target, reading, tenants });
    }
    for slug in arguments.slugs.iter().collect::<BTreeSet<_>>() {
        let (database, tenant) = find(&aims, slug)?;
        check_migratable(&tenant)?;
        if let Some(aim) = aims.get_mut(database) {
            aim.tenants.push(tenant);
        }
    }
    if arguments.slugs.is_empty() {
        Ok(aims)
    } else {
        Ok(aims.into_iter().filter(|aim| !aim.tenants.is_empty()).collect())
    }
}

/// `--all` and `--state`: never the deleted, never orphans.
fn by_set(reading: &Reading, arguments: &Migrate) -> Vec<Arc<Tenant>> {
    let tenants = reading.snapshot.tenants.iter();
    tenants
        .filter(|tenant| !tenant.deleted && tenant.state != TenantState::OrphanSchema)
        .filter(|tenant| arguments.all || arguments.state.contains(&tenant.state))
        .cloned()
        .collect()
}

/// Plans leave these out without a word, since a set never means them; a name does.
fn check_migratable(tenant: &Tenant) -> Outcome<()> {
    let why = if tenant.deleted {
        "is deleted in the registry"
    } else if tenant.state == TenantState::OrphanSchema {
        "is a schema without a row in the registry"
    } else {
        return Ok(());
    };
    Err(Failure::refused(format!("nothing was done: \"{}\" {why}, and such are never migrated", tenant.slug.raw())))
}

fn find(aims: &[Aim], slug: &str) -> Outcome<(usize, Arc<Tenant>)> {
    let found = |matches: &dyn Fn(&Tenant) -> bool| -> Vec<(usize, Arc<Tenant>)> {
        let all = aims
            .iter()
            .enumerate()
            .flat_map(|(index, aim)| aim.reading.snapshot.tenants.iter().map(move |t| (index, t)));
        all.filter(|(_, tenant)| matches(tenant)).map(|(index, tenant)| (index, Arc::clone(tenant))).collect()
    };
    let tenants = found(&|tenant| tenant.slug.raw() == slug);
    let tenants = if tenants.is_empty() {
        found(&|tenant| tenant.schema.as_ref().is_some_and(|schema| schema.raw() == slug))
    } else {
        tenants
    };
    writing::only_one(slug, tenants, |(_, tenant)| tenant)
}

fn make_plan(aim: &Aim, arguments: &Migrate) -> Outcome<Plan> {
    let database = &aim.target.config;
    let Some(folder) = &aim.reading.context.folder else {
        return Err(Failure::usage(format!(
            "{}: no migration folder is configured, so nothing can be applied; set path in [database.migrations]",
            database.name
        )));
    };
    let options = options(arguments, database);
    crate::migrations::plan::plan(&database.name, &aim.tenants, folder, options)
        .map_err(|error| Failure::usage(format!("{}: {error}", database.name)))
}

fn options(arguments: &Migrate, database: &config::Database) -> PlanOptions {
    let version = |text: &Option<String>| text.as_deref().map(Version::new);
    let mut options = PlanOptions::from(database);
    options.to = version(&arguments.to);
    options.only = version(&arguments.only);
    options.canary = arguments.canary.unwrap_or(options.canary);
    options.parallel = arguments.parallel.unwrap_or(options.parallel);
    options.max_failures = arguments.max_failures.unwrap_or(options.max_failures);
    options.accept_changed = arguments.accept_changed.iter().map(|version| Version::new(version)).collect();
    options
}

fn dry_run(aims: &[Aim], arguments: &Migrate, style: Style) -> Outcome<Status> {
    let mut status = Status::Done;
    let mut plans = Vec::new();
    for aim in aims {
        if let Some(job) = live_job(&aim.reading) {
            output::note(format!("{} is {}: see `tenantui job {}`", name(job), job.state.word(), job.id));
        }
        writing::note_server(&aim.target, &aim.reading);
        let plan = make_plan(aim, arguments)?;
        let runs = runs(&plan);
        if style == Style::Text {
            output::data(&plan::words(&plan, &aim.target.config, true))?;
        }
        if let Err(failure) = runs {
            output::note(&failure.message);
            status = status.and(failure.status);
        }
        status = status.and(judged(&plan));
        plans.push(PlanDocument::from(&plan));
    }
    match style {
        Style::Json => output::json(&Plans { plans })?,
        Style::Csv => output::data(&plan::table(&plans).csv()?)?,
        Style::Text => {}
    }
    Ok(status)
}

/// Whether this version can run the plan's files; asked before the operator is.
fn runs(plan: &Plan) -> Outcome<()> {
    if !plan.refusals.is_empty() {
        return Ok(());
    }
    Ok(orders::runnable(plan.tool, plan.files().iter().map(AsRef::as_ref))?)
}

/// What a plan says of the end: 5 where it cannot be ordered, 4 where tenants are left out.
fn judged(plan: &Plan) -> Status {
    match (plan.refusals.is_empty(), plan.left_out.is_empty()) {
        (false, _) => Status::Refused,
        (true, false) => Status::Partly,
        (true, true) => Status::Done,
    }
}

fn live_job(reading: &Reading) -> Option<&JobView> {
    reading.snapshot.jobs.iter().find(|job| job.kind == JobKind::Migrate && !job.state.is_over())
}

fn name(job: &JobView) -> String {
    format!("{}: job {} ({} {})", job.database, job.id, job.kind.word(), job.what.safe())
}

async fn one_database(session: &Session, arguments: &Migrate, aim: Aim, results: &mut Results) -> Outcome<Status> {
    writing::check_server(&aim.target, &aim.reading)?;
    let aim = match live_job(&aim.reading) {
        Some(job) if job.state == JobState::Orphaned => finish_orphan(session, arguments, &aim, job, results).await?,
        Some(job) => return Err(busy(job)),
        None => aim,
    };
    let plan = make_plan(&aim, arguments)?;
    output::note(plan::words(&plan, &aim.target.config, false));
    if !plan.refusals.is_empty() {
        return Err(Failure::refused(refused(&plan)));
    }
    runs(&plan)?;
    let judged = judged(&plan);
    if plan.tenants.is_empty() {
        results.add_left_out(&plan.database, &plan.left_out);
        return Ok(judged);
    }
    writing::check_writable(&aim.target, &aim.reading)?;
    let question = format!("Migrate {}?", counted(plan.tenants.len(), "tenant"));
    ask::confirm(&question, &aim.target.config, arguments.consent, &session.signals).await?;
    let plan = Arc::new(plan);
    let order = Order::Migrate(MigrateOrder {
        plan: Arc::clone(&plan),
        layout: Arc::clone(&aim.reading.context.layout),
        wait_after_canary: !arguments.consent.yes,
    });
    let job = orders::order(&aim.target, &order, Uuid::new_v4()).await?;
    let view = running::run(&aim.target, job, false, arguments.consent, &session.signals).await?;
    output::note(running::progress_line(&view));
    results.add(&aim.target, &view).await?;
    results.add_left_out(&plan.database, &plan.left_out);
    Ok(running::status(&view, &session.signals, Status::Partly).and(judged))
}

/// Names the entry that would lift the first refusal: the rule is known to the program, not to the operator.
fn refused(plan: &Plan) -> String {
    let lift = plan.refusals.first().map_or_else(String::new, |refusal| {
        let (version, rule) = (refusal.file.version.untrusted().safe(), refusal.finding.rule);
        format!(
            "; correct them, or lift a rule for an old file: allow = [\"{version}:{rule}\"] in [database.migrations]"
        )
    });
    format!("nothing was done: the plan has files that are refused{lift}")
}

fn busy(job: &JobView) -> Failure {
    // Of a job that does not run the worker is only its last one.
    let worker = job.worker.as_ref().filter(|_| job.state == JobState::Running);
    let worker = worker.map_or_else(String::new, |worker| format!(" by {}", worker.safe()));
    let next = match job.state {
        JobState::Paused | JobState::Queued => {
            format!("`tenantui job {0} resume` goes on with it, `cancel` ends it", job.id)
        }
        JobState::Running | JobState::Orphaned | JobState::Done | JobState::Failed | JobState::Cancelled => {
            format!("`tenantui job {} follow` watches it", job.id)
        }
    };
    Failure::refused(format!("{} is {}{worker}; one migrate job at a time. {next}", name(job), job.state.word()))
}

/// An orphaned job holds the place of every other: it is finished first, then the rest is planned anew.
async fn finish_orphan(
    session: &Session,
    arguments: &Migrate,
    aim: &Aim,
    job: &JobView,
    results: &mut Results,
) -> Outcome<Aim> {
    output::note(format!("{} was left by its worker; it is finished first", name(job)));
    writing::check_writable(&aim.target, &aim.reading)?;
    let question = format!("Finish job {}?", job.id);
    ask::confirm(&question, &aim.target.config, arguments.consent, &session.signals).await?;
    let view = running::run(&aim.target, job.id, false, arguments.consent, &session.signals).await?;
    output::note(running::progress_line(&view));
    results.add(&aim.target, &view).await?;
    if !view.state.is_over() {
        let status = running::status(&view, &session.signals, Status::Partly);
        return Err(Failure::new(
            status,
            format!("{} is {}; nothing else was planned", name(&view), view.state.word()),
        ));
    }
    let (target, reading) = session::read(&aim.target.config, &ReadOptions::default()).await?;
    let chosen: BTreeSet<_> = aim.tenants.iter().map(|tenant| &tenant.key).collect();
    let tenants = if arguments.slugs.is_empty() {
        by_set(&reading, arguments)
    } else {
        reading.snapshot.tenants.iter().filter(|tenant| chosen.contains(&tenant.key)).cloned().collect()
    };
    Ok(Aim { target, reading, tenants })
}
