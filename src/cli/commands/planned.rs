//! From a plan to its results: print it, ask, order, run, tell. The same for every command that goes through tenants.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::across::DatabaseEnd;
use super::choose::{Aim, Chosen};
use super::plan::{self, PlanDocument};
use super::running::{self, Results, Start};
use super::writing;
use crate::cli::args::Consent;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::Session;
use crate::config;
use crate::fleet::Reading;
use crate::jobs::orders;
use crate::jobs::service::Order;
use crate::migrations::plan::Plan;
use crate::model::job::{JobKind, JobState, JobView, Outcome as TenantResult};
use crate::postgres::others_code;
use crate::postgres::session::{Patience, Reader};

#[derive(Serialize)]
struct Plans {
    databases: Vec<DatabaseEnd>,
    plans: Vec<PlanDocument>,
}

/// Prints plans, and changes nothing. `runs` says why one could not be carried out, besides what it says itself.
///
/// # Errors
/// As `make` says, or when the output cannot be written.
pub async fn dry_run(
    mut chosen: Chosen,
    style: Style,
    make: impl Fn(&Aim) -> Outcome<Plan>,
    runs: impl Fn(&Aim, &Plan) -> Outcome<()>,
) -> Outcome<Status> {
    // Told here; what the plans come to is judged below.
    let across = chosen.across()?;
    let (mut databases, down) = (across.ends(), across.status());
    let mut status = Status::Done;
    let mut plans = Vec::new();
    for aim in &chosen.aims {
        if let Some(job) = live_job(&aim.reading) {
            let see = aim.target.config.command(&format!("tenantui job {}", job.id));
            output::note(format!("{} is {}: see `{see}`", name(job), job.state.word()));
        }
        writing::note_server(&aim.target, &aim.reading);
        let (plan, _) = with_code(aim, make(aim)?).await;
        databases.push(DatabaseEnd { name: plan.database.to_string(), error: None });
        let runs = runs(aim, &plan);
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
        Style::Json => output::json(&Plans { databases, plans })?,
        Style::Csv => output::data(&plan::table(&plans).csv()?)?,
        Style::Text => {}
    }
    Ok(match down {
        Status::Done => status,
        // The rest is planned all the same.
        Status::NoLink => Status::NoLink,
        _ => status.and(Status::Partly),
    })
}

/// Prints the plan, asks, orders and runs.
///
/// # Errors
/// Exit 5 where the plan is refused, not confirmed, or the database cannot be written.
pub async fn carry_out(
    session: &Session,
    aim: &Aim,
    plan: Plan,
    consent: Consent,
    question: &str,
    order: impl FnOnce(Arc<Plan>) -> Order,
    results: &mut Results,
) -> Outcome<Status> {
    let (plan, lost) = with_code(aim, plan).await;
    if let Some(lost) = lost {
        // Whoever asks again waits for nothing as long again.
        results.add_lost(&plan, TenantResult::LeftOut, &lost.message);
        return Err(lost);
    }
    output::note(plan::words(&plan, &aim.target.config, false));
    carries(&plan)?;
    let judged = judged(&plan);
    if plan.tenants.is_empty() {
        results.add_left_out(&plan.database, &plan.left_out);
        return Ok(judged);
    }
    let plan = Arc::new(plan);
    let order = order(Arc::clone(&plan));
    if let Order::Rehearse(_) = &order {
        orders::rehearsable(&plan)?;
    }
    writing::check_writable(&aim.target, &aim.reading)?;
    ask::confirm(question, &aim.target.config, consent, &session.signals).await?;
    let job = match orders::order(&aim.target, &order, Uuid::new_v4()).await.map_err(Failure::from) {
        Ok(job) => job,
        Err(failure) => {
            if failure.status == Status::NoLink {
                let look = aim.target.config.command("tenantui jobs");
                let why = format!("whether the job was ordered is not known: `{look}` tells; {}", failure.message);
                results.add_lost(&plan, TenantResult::Unknown, &why);
            }
            return Err(failure);
        }
    };
    let view = match results.run(&aim.target, job, Start::Ordered, consent, &session.signals).await {
        Ok(view) => view,
        Err(failure) => {
            if failure.status == Status::NoLink {
                let look = aim.target.config.command(&format!("tenantui job {job}"));
                results.add_lost(&plan, TenantResult::Unknown, &format!("the link was lost: `{look}` tells"));
            }
            return Err(failure);
        }
    };
    results.add_left_out(&plan.database, &plan.left_out);
    Ok(running::status(&view, &session.signals, Status::Partly).and(judged))
}

/// Whether a plan can be ordered.
///
/// # Errors
/// Exit 5; which file, and why.
pub fn carries(plan: &Plan) -> Outcome<()> {
    if !plan.refusals.is_empty() {
        return Err(Failure::refused(refused(plan)));
    }
    runs(plan)
}

/// The plan with what its files may run unawares. That this cannot be read is a warning: it keeps nobody from anything but
/// a lost link, which is given back.
async fn with_code(aim: &Aim, mut plan: Plan) -> (Plan, Option<Failure>) {
    if plan.tenants.is_empty() {
        return (plan, None);
    }
    let schemas = plan.schemas();
    let mut lost = None;
    let found = match Reader::open(&aim.target, Patience::Background).await {
        Ok(reader) => others_code::read(&reader, &schemas).await.map_err(|error| error.to_string().into()),
        Err(error) => {
            let words = error.to_string().into();
            lost = Some(Failure::from(error));
            Err(words)
        }
    };
    plan.take_code(&found);
    (plan, lost)
}

/// Whether this version can run the plan's files; asked before the operator is.
///
/// # Errors
/// Exit 5; which file, and why.
pub fn runs(plan: &Plan) -> Outcome<()> {
    if !plan.refusals.is_empty() || plan.is_driven() {
        return Ok(());
    }
    Ok(orders::runnable(plan.tool, plan.scripts().iter().map(AsRef::as_ref))?)
}

/// What a plan says of the end: 5 where it cannot be ordered, 4 where tenants are left out.
fn judged(plan: &Plan) -> Status {
    match (plan.refusals.is_empty(), plan.left_out.is_empty()) {
        (false, _) => Status::Refused,
        (true, false) => Status::Partly,
        (true, true) => Status::Done,
    }
}

/// The job that goes through the tenants of a database now, or will: there is one at a time.
#[must_use]
pub fn live_job(reading: &Reading) -> Option<&JobView> {
    reading.snapshot.jobs.iter().find(|job| job.kind.goes_through_tenants() && !job.state.is_over())
}

/// A job in words.
#[must_use]
pub fn name(job: &JobView) -> String {
    format!("{}: job {} ({} {})", job.database, job.id, job.kind.word(), job.what.safe())
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

/// Why nothing can be ordered while this job lives.
#[must_use]
pub fn busy(config: &config::Database, job: &JobView) -> Failure {
    // Of a job that does not run the worker is only its last one.
    let worker = job.worker.as_ref().filter(|_| job.state == JobState::Running);
    let worker = worker.map_or_else(String::new, |worker| format!(" by {}", worker.safe()));
    // Of one that nobody has begun it says why nobody did.
    let reason = job.reason.as_ref().filter(|_| job.state == JobState::Queued);
    let reason = reason.map_or_else(String::new, |reason| format!(" ({})", reason.safe()));
    let next = match (job.state, job.kind) {
        (JobState::Paused | JobState::Queued, _)
        | (
            JobState::Orphaned,
            JobKind::Rollback | JobKind::Redo | JobKind::Rehearse | JobKind::Import | JobKind::Life(_),
        ) => {
            let resume = config.command(&format!("tenantui job {} resume", job.id));
            format!("`{resume}` goes on with it, `cancel` ends it")
        }
        (
            JobState::Running | JobState::Orphaned | JobState::Done | JobState::Failed | JobState::Cancelled,
            JobKind::Provision
            | JobKind::Migrate
            | JobKind::Rollback
            | JobKind::Redo
            | JobKind::Rehearse
            | JobKind::Import
            | JobKind::Life(_),
        ) => {
            format!("`{}` watches it", config.command(&format!("tenantui job {} follow", job.id)))
        }
    };
    let kind = if job.kind == JobKind::Provision { "provision" } else { "migrate" };
    Failure::refused(format!("{} is {}{worker}{reason}; one {kind} job at a time. {next}", name(job), job.state.word()))
}
