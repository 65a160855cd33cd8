//! `migrate`: choose, plan, ask, order, run, tell; the shared schema before the tenants.

use super::choose::{self, Aim, Chosen, Wanted};
use super::planned::{self, busy, live_job, name};
use super::running::{self, Results, Start};
use super::writing;
use crate::cli::args::Migrate;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::{self, Session};
use crate::config;
use crate::fleet::{LedgersRead, ReadOptions, Sizes};
use crate::jobs::orders;
use crate::jobs::service::{MigrateOrder, Order};
use crate::migrations::plan::{self, LeftOut, Plan, PlanOptions};
use crate::model::fleet::SharedSchema;
use crate::model::job::{JobKind, JobState, JobView};
use crate::model::ledger::Version;
use crate::text::counted;

/// Applies pending migrations.
///
/// # Errors
/// Exit 1 for an unknown tenant, 2 without a target, 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: &Migrate) -> Outcome<Status> {
    if !arguments.shared {
        wanted(session, arguments)?.check()?;
    }
    let style = Style::from(arguments.format);
    if arguments.consent.dry_run {
        let chosen = aims(session, arguments).await?;
        let runs = |aim: &Aim, plan: &Plan| {
            planned::runs(plan)?;
            if arguments.rehearse {
                return Ok(orders::rehearsable(plan)?);
            }
            shared_could_go_first(aim, plan)
        };
        return planned::dry_run(chosen, style, |aim| make_plan(aim, arguments), runs).await;
    }
    let (status, results) = carry_out(session, arguments).await?;
    results.print()?;
    Ok(status)
}

/// Plans, asks, orders and runs, one database after the other; what fails in one does not keep the others from it.
///
/// # Errors
/// As [`run`].
pub async fn carry_out(session: &Session, arguments: &Migrate) -> Outcome<(Status, Results)> {
    let mut results = Results::new(Style::from(arguments.format));
    let mut chosen = aims(session, arguments).await?;
    let mut across = chosen.across()?;
    for aim in chosen.aims {
        let name = aim.target.config.name.clone();
        let came = one_database(session, arguments, aim, &mut results).await;
        across.take(&name, came, !results.tenants.is_empty())?;
        if session.signals.first().is_some() {
            break;
        }
    }
    results.databases = across.ends();
    Ok((across.status(), results))
}

fn wanted<'a>(session: &Session, arguments: &'a Migrate) -> Outcome<Wanted<'a>> {
    Ok(Wanted {
        slugs: &arguments.slugs,
        all: arguments.all,
        state: &arguments.state,
        filter: session.filter(arguments.filter.as_ref())?,
        sizes: sizes(session, arguments),
        done: "migrated",
    })
}

/// Filters may ask for sizes, and canaries that are not named are the smallest. Nothing else of a plan depends on them.
fn sizes(session: &Session, arguments: &Migrate) -> Sizes {
    if arguments.filter.is_some() {
        return Sizes::Always;
    }
    let by_size = arguments.slugs.len() != 1
        && arguments.rollout.canary_tenants.is_empty()
        && session.databases.iter().any(|database| options(arguments, database).canary > 0);
    if by_size { Sizes::WherePending } else { Sizes::Never }
}

async fn aims(session: &Session, arguments: &Migrate) -> Outcome<Chosen> {
    if !arguments.shared {
        let chosen = wanted(session, arguments)?.choose(session).await?;
        choose::check_canaries(&chosen.aims, &arguments.rollout.canary_tenants)?;
        return Ok(chosen);
    }
    let chosen = choose::those_that_answer(session, None, Sizes::Never).await?;
    match chosen.aims.iter().find(|aim| aim.reading.context.shared.is_none()) {
        Some(aim) => Err(Failure::usage(format!(
            "{}: its layout has no shared schema, or there is none in the database",
            aim.target.config.name
        ))),
        None => Ok(chosen),
    }
}

fn make_plan(aim: &Aim, arguments: &Migrate) -> Outcome<Plan> {
    let options = options(arguments, &aim.target.config);
    if arguments.shared { shared_plan(aim, options) } else { tenants_plan(aim, options) }
}

fn tenants_plan(aim: &Aim, mut options: PlanOptions) -> Outcome<Plan> {
    let database = &aim.target.config;
    let Some(folder) = &aim.reading.context.folder else {
        return Err(no_folder(aim));
    };
    // A name may be of another database's tenant: somewhere it is, which was checked.
    options.canary_tenants.retain(|name| aim.has(name));
    let mut plan = plan::plan(&database.name, &aim.tenants, folder, options)
        .map_err(|error| Failure::usage(format!("{}: {error}", database.name)))?;
    let context = &aim.reading.context;
    plan.shared_behind = context.shared.as_ref().and_then(|shared| shared.behind());
    if let Some((shared, folder)) = context.shared_sibling() {
        plan.tell_sibling(shared, folder);
    }
    Ok(plan.with_times(&aim.times()))
}

/// Why there are no files to plan with.
pub fn no_folder(aim: &Aim) -> Failure {
    Failure::usage(format!(
        "{}: no migration folder is configured, so nothing can be applied; set path in [database.migrations]",
        aim.target.config.name
    ))
}

fn shared_plan(aim: &Aim, options: PlanOptions) -> Outcome<Plan> {
    let name = &aim.target.config.name;
    let Some(shared) = &aim.reading.context.shared else {
        return Err(Failure::usage(format!("{name}: its layout has no shared schema")));
    };
    plan::shared(name, shared, options).map_err(|error| Failure::usage(format!("{name}: {error}")))
}

fn options(arguments: &Migrate, database: &config::Database) -> PlanOptions {
    let version = |text: &Option<String>| text.as_deref().map(Version::new);
    let mut options = PlanOptions::from(database);
    options.to = version(&arguments.to);
    options.only = version(&arguments.only);
    arguments.rollout.put_into(&mut options);
    options.accept_changed = arguments.accept_changed.iter().map(|version| Version::new(version)).collect();
    options
}

async fn one_database(session: &Session, arguments: &Migrate, aim: Aim, results: &mut Results) -> Outcome<Status> {
    writing::check_server(&aim.target, &aim.reading)?;
    let aim = match live_job(&aim.reading) {
        Some(job) if job.state == JobState::Orphaned && job.kind == JobKind::Migrate => {
            finish_orphan(session, arguments, &aim, job, results).await?
        }
        Some(job) => return Err(busy(&aim.target.config, job)),
        None => aim,
    };
    let plan = make_plan(&aim, arguments)?;
    let aim = match goes_first(&plan) {
        Some(behind) if !arguments.rehearse => shared_first(session, arguments, aim, behind, results).await?,
        Some(_) | None => aim,
    };
    let question = match (arguments.rehearse, plan.shared) {
        (true, _) => format!("Rehearse on {}, and roll back?", counted(plan.rehearsal().len(), "target")),
        (false, true) => "Migrate the shared schema?".to_owned(),
        (false, false) => format!("Migrate {}?", counted(plan.tenants.len(), "tenant")),
    };
    let (consent, layout) = (arguments.consent, aim.reading.context.layout.clone());
    let order = |plan| {
        let order = MigrateOrder { plan, layout, wait_after_canary: !consent.yes };
        if arguments.rehearse { Order::Rehearse(order) } else { Order::Migrate(order) }
    };
    planned::carry_out(session, &aim, plan, consent, &question, order, results).await
}

/// How much the shared schema lacks that is migrated before the tenants of this plan.
fn goes_first(plan: &Plan) -> Option<u32> {
    plan.shared_behind.filter(|behind| *behind > 0 && !plan.tenants.is_empty())
}

/// Whether [`shared_first`] would come to its job, as far as its plan says.
fn shared_could_go_first(aim: &Aim, plan: &Plan) -> Outcome<()> {
    if goes_first(plan).is_none() {
        return Ok(());
    }
    let first = shared_plan(aim, PlanOptions::from(&*aim.target.config))?;
    planned::carries(&first)?;
    match first.left_out.first() {
        Some(left) => Err(not_migrated(aim, Status::Partly, Some(left))),
        None => Ok(()),
    }
}

/// The shared schema is migrated before tenants: their files may name what is only made there.
async fn shared_first(
    session: &Session,
    arguments: &Migrate,
    aim: Aim,
    behind: u32,
    results: &mut Results,
) -> Outcome<Aim> {
    let plan = shared_plan(&aim, PlanOptions::from(&*aim.target.config))?;
    output::note(format!(
        "{}: the shared schema lacks {}; it is migrated before tenants",
        aim.target.config.name,
        counted(behind as usize, "migration")
    ));
    let left = plan.left_out.first().cloned();
    let layout = aim.reading.context.layout.clone();
    let order = |plan| Order::Migrate(MigrateOrder { plan, layout, wait_after_canary: false });
    let question = "Migrate the shared schema first?";
    let status = planned::carry_out(session, &aim, plan, arguments.consent, question, order, results).await?;
    if status != Status::Done {
        return Err(not_migrated(&aim, status, left.as_ref()));
    }
    // Its tenants are known already.
    let ledgers = LedgersRead::Of { names: Vec::new(), standing: 0 };
    let options = ReadOptions { sizes: Sizes::Never, ledgers, ..ReadOptions::default() };
    let reading = session::read_again(&aim.target, &options).await?;
    Ok(Aim { reading, ..aim })
}

/// The shared schema stands in the tenants' way: why, where a plan says it, and what to do, where that is known.
fn not_migrated(aim: &Aim, status: Status, left: Option<&LeftOut>) -> Failure {
    let name = aim.reading.context.shared.as_ref().map(|shared| shared.schema.raw());
    let shared = aim.reading.snapshot.shared.iter().find(|shared| Some(shared.schema.raw()) == name);
    let to_do = shared.and_then(SharedSchema::trouble).map(|trouble| trouble.to_do);
    let why = to_do.or_else(|| left.map(|left| left.why.raw().to_owned()));
    let words = "the shared schema is not migrated, so no tenant was touched";
    Failure::new(status, why.map_or_else(|| words.to_owned(), |why| format!("{words}; {why}")))
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
    let view = results.run(&aim.target, job.id, Start::GoOn, arguments.consent, &session.signals).await?;
    if !view.state.is_over() {
        let status = running::status(&view, &session.signals, Status::Partly);
        return Err(Failure::new(
            status,
            format!("{} is {}; nothing else was planned", name(&view), view.state.word()),
        ));
    }
    wanted(session, arguments)?.again(aim).await
}
