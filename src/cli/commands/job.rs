//! `job ID`: one job: show, follow, resume, retry, cancel.

use std::sync::Arc;
use std::time::Duration;

use super::jobs;
use super::running::{self, Results};
use crate::cli::args::{Consent, Job, JobAction};
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::{self, Session};
use crate::config;
use crate::jobs::control::{self, Cancelled};
use crate::jobs::record;
use crate::model::job::{JobId, JobState, JobView};
use crate::postgres::session::{Patience, Reader, Target};

/// Time between two looks at a job that runs elsewhere.
const LOOK: Duration = Duration::from_secs(1);

/// Shows a job, or does something with it.
///
/// # Errors
/// Exit 1 where there is no such job, 2 where several databases have one, 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: &Job) -> Outcome<Status> {
    let id = JobId(arguments.id);
    let (target, view) = find(session, id).await?;
    let style = Style::from(arguments.format);
    let view = match arguments.action {
        None => view,
        Some(JobAction::Follow) => follow(&target, view).await?,
        Some(JobAction::Cancel) => {
            check_read_only(&target)?;
            let words = match control::cancel(&target, id).await? {
                Cancelled::AfterTenant => "stops after its current tenants; cancel it again to cancel what runs now",
                Cancelled::Now => "cancels the statements that run now; their steps are rolled back",
                Cancelled::Ended => "is cancelled: nobody ran it",
            };
            output::note(format!("job {id} {words}"));
            return Ok(Status::Done);
        }
        Some(JobAction::Resume) => return go_on(session, &target, &view, false, arguments).await,
        Some(JobAction::Retry) => return go_on(session, &target, &view, true, arguments).await,
    };
    let mut results = Results::default();
    results.add(&target, &view).await?;
    if style == Style::Text {
        output::data(&jobs::table(std::slice::from_ref(&view), true).text())?;
        output::data("\n")?;
    }
    results.print(style)?;
    Ok(Status::Done)
}

fn check_read_only(target: &Target) -> Outcome<()> {
    if target.config.read_only {
        let name = &target.config.name;
        return Err(Failure::refused(format!("{name} is read-only (read_only in its configuration, or --read-only)")));
    }
    Ok(())
}

/// The job of this number; numbers are given by each database, so several may have it.
async fn find(session: &Session, id: JobId) -> Outcome<(Target, JobView)> {
    let mut found = Vec::new();
    let mut down = None;
    for database in &session.databases {
        match look(database, id).await {
            Ok((target, Some(view))) => found.push((target, view)),
            Ok((_, None)) => {}
            Err(failure) => {
                output::note(format!("{}: {}", database.name, failure.message));
                down = Some(failure);
            }
        }
    }
    match (found.pop(), found.is_empty(), down) {
        (Some(only), true, None) => Ok(only),
        (Some(_), true, Some(failure)) => {
            let message = format!("a database does not answer and may have a job {id} too; add --database");
            Err(Failure::new(failure.status, message))
        }
        (None, _, Some(failure)) => Err(Failure::new(failure.status, format!("job {id} was not found"))),
        (None, _, None) => Err(Failure::failed(format!("there is no job {id}; `tenantui jobs` lists them"))),
        (Some(last), false, _) => {
            let names: Vec<String> = found.iter().chain([&last]).map(|(_, view)| view.database.to_string()).collect();
            Err(Failure::usage(format!("there is a job {id} in {}; add --database", names.join(", "))))
        }
    }
}

async fn look(database: &Arc<config::Database>, id: JobId) -> Outcome<(Target, Option<JobView>)> {
    let target = session::target(database).await?;
    let reader = Reader::open(&target, Patience::Foreground).await?;
    let view = record::job(&reader, &database.name, id).await?;
    Ok((target, view))
}

/// Watches a job that runs anywhere until nothing happens any more by itself.
async fn follow(target: &Target, mut view: JobView) -> Outcome<JobView> {
    let reader = Reader::open(target, Patience::Foreground).await?;
    let mut told = String::new();
    loop {
        let line = running::progress_line(&view);
        if line != told {
            output::note(&line);
            told = line;
        }
        match view.state {
            JobState::Queued | JobState::Running => {}
            JobState::Orphaned | JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => {
                return Ok(view);
            }
        }
        tokio::time::sleep(LOOK).await;
        let id = view.id;
        view = record::job(&reader, &target.config.name, id)
            .await?
            .ok_or_else(|| Failure::failed(format!("job {id} is no longer recorded")))?;
    }
}

async fn go_on(session: &Session, target: &Target, view: &JobView, retry: bool, arguments: &Job) -> Outcome<Status> {
    output::note(running::progress_line(view));
    match view.state {
        JobState::Done | JobState::Cancelled => {
            return Err(Failure::refused(format!(
                "job {} is {}: there is nothing to go on with",
                view.id,
                view.state.word()
            )));
        }
        JobState::Running => {
            let hint = format!("`tenantui job {} follow` watches it", view.id);
            return Err(Failure::refused(format!("job {} is running already; {hint}", view.id)));
        }
        JobState::Queued | JobState::Orphaned | JobState::Paused | JobState::Failed => {}
    }
    check_read_only(target)?;
    let consent = Consent { yes: arguments.yes, dry_run: false };
    let verb = if retry { "Run the failed steps of" } else { "Go on with" };
    ask::confirm(&format!("{verb} job {}?", view.id), &target.config, consent, &session.signals).await?;
    let view = running::run(target, view.id, retry, consent, &session.signals).await?;
    output::note(running::progress_line(&view));
    let mut results = Results::default();
    results.add(target, &view).await?;
    results.print(Style::from(arguments.format))?;
    Ok(running::status(&view, &session.signals, Status::Partly))
}
