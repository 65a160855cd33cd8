//! `rollback` and `redo`: undo the newest migrations of tenants, or undo them and apply them again.

use super::choose::{self, Aim, Wanted};
use super::migrate::no_folder;
use super::planned::{self, busy, live_job};
use super::running::Results;
use super::writing;
use crate::cli::args::Undo;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::Style;
use crate::cli::session::Session;
use crate::fleet::Sizes;
use crate::jobs::service::{Order, RollbackOrder};
use crate::migrations::plan::{self, Direction, Plan, PlanOptions, Reach};
use crate::model::ledger::Version;
use crate::text::counted;

/// Undoes migrations; `direction` says whether they are applied again.
///
/// # Errors
/// Exit 1 for an unknown tenant, 2 without a target, 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: &Undo, direction: Direction) -> Outcome<Status> {
    let done = match direction {
        Direction::Up | Direction::Down => "rolled back",
        Direction::Again => "migrated",
    };
    let wanted = Wanted {
        slugs: &arguments.slugs,
        all: arguments.all,
        state: &arguments.state,
        filter: session.filter(arguments.filter.as_ref())?,
        sizes: Sizes::Always,
        done,
    };
    wanted.check()?;
    let style = Style::from(arguments.format);
    let mut chosen = wanted.choose(session).await?;
    choose::check_canaries(&chosen.aims, &arguments.rollout.canary_tenants)?;
    if arguments.consent.dry_run {
        let make = |aim: &Aim| make_plan(aim, arguments, direction);
        return planned::dry_run(chosen, style, make, |_, plan| planned::runs(plan)).await;
    }
    let mut results = Results::new(style);
    let mut across = chosen.across()?;
    for aim in &chosen.aims {
        let came = one_database(session, arguments, direction, aim, &mut results).await;
        across.take(&aim.target.config.name, came, !results.tenants.is_empty())?;
        if session.signals.first().is_some() {
            break;
        }
    }
    results.databases = across.ends();
    results.print()?;
    Ok(across.status())
}

fn make_plan(aim: &Aim, arguments: &Undo, direction: Direction) -> Outcome<Plan> {
    let database = &aim.target.config;
    let Some(folder) = &aim.reading.context.folder else {
        return Err(no_folder(aim));
    };
    let mut options = PlanOptions::from(&**database);
    arguments.rollout.put_into(&mut options);
    // A name may be of another database's tenant: somewhere it is, which was checked.
    options.canary_tenants.retain(|name| aim.has(name));
    let reach = match &arguments.to {
        Some(version) => Reach::To(Version::new(version)),
        None => Reach::Steps(arguments.steps.unwrap_or(1)),
    };
    plan::undo(&database.name, &aim.tenants, folder, (direction, &reach), options)
        .map_err(|error| Failure::usage(format!("{}: {error}", database.name)))
}

async fn one_database(
    session: &Session,
    arguments: &Undo,
    direction: Direction,
    aim: &Aim,
    results: &mut Results,
) -> Outcome<Status> {
    writing::check_server(&aim.target, &aim.reading)?;
    if let Some(job) = live_job(&aim.reading) {
        return Err(busy(&aim.target.config, job));
    }
    let plan = make_plan(aim, arguments, direction)?;
    let verb = match direction {
        Direction::Up | Direction::Down => "Roll back",
        Direction::Again => "Redo",
    };
    let undone = plan.tenants.iter().map(|tenant| tenant.files.len()).sum::<usize>();
    let tenants = counted(plan.tenants.len(), "tenant");
    let question = format!("{verb} {} in {tenants}?", counted(undone, "migration"));
    let (consent, layout) = (arguments.consent, aim.reading.context.layout.clone());
    let order = |plan| Order::Rollback(RollbackOrder { plan, layout, wait_after_canary: !consent.yes });
    planned::carry_out(session, aim, plan, consent, &question, order, results).await
}
