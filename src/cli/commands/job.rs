//! `job ID`: one job: show, follow, pause, resume, retry, cancel, skip a tenant.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use super::jobs;
use super::running::{self, Results, Start};
use crate::cli::args::{Consent, Job, JobAction};
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::Session;
use crate::config;
use crate::jobs::control::{self, Cancelled};
use crate::jobs::record;
use crate::jobs::watch::{self, Sight, Wanted};
use crate::model::job::{JobId, JobState, JobView, Outcome as TenantResult, TenantOutcome};
use crate::postgres::session::{Patience, Reader, Target};
use crate::text;

/// Shows a job, or does something with it.
///
/// # Errors
/// Exit 1 where there is no such job or tenant, 2 where several databases have one, 3 without a link, 5 where it is
/// refused.
pub async fn run(session: &Session, arguments: &Job) -> Outcome<Status> {
    if arguments.action != Some(JobAction::Skip) && (arguments.tenant.is_some() || arguments.note.is_some()) {
        return Err(Failure::usage("a tenant and --note go with skip only"));
    }
    let id = JobId(arguments.id);
    let (target, view) = find(session, id).await?;
    let style = Style::from(arguments.format);
    match arguments.action {
        None => show(&target, &view, style).await,
        Some(JobAction::Follow) => {
            let view = follow(session, &target, view).await?;
            show(&target, &view, style).await
        }
        Some(JobAction::Pause) => {
            check_read_only(&target)?;
            let words = if control::pause(&target, id).await? {
                "is paused: nobody ran it"
            } else {
                "is paused after its current steps"
            };
            told(&target, id, words, style).await
        }
        Some(JobAction::Cancel) => {
            check_read_only(&target)?;
            let words = match control::cancel(&target, id).await? {
                Cancelled::AfterTenant => "stops after its current tenants; cancel it again to cancel what runs now",
                Cancelled::Now => "cancels the statements that run now; their steps are rolled back",
                Cancelled::Ended => "is cancelled: nobody ran it",
            };
            told(&target, id, words, style).await
        }
        Some(JobAction::Skip) => skip(session, &target, &view, arguments).await,
        Some(JobAction::Resume) => go_on(session, &target, &view, false, arguments).await,
        Some(JobAction::Retry) => go_on(session, &target, &view, true, arguments).await,
    }
}

async fn show(target: &Target, view: &JobView, style: Style) -> Outcome<Status> {
    let mut results = Results::new(style);
    results.add(target, view).await?;
    if style == Style::Text {
        output::table(&jobs::table(std::slice::from_ref(view), true))?;
        output::data("\n")?;
    }
    results.print()?;
    Ok(Status::Done)
}

/// Says what was asked of a job; prints the job as it is now where a program wants to know.
async fn told(target: &Target, id: JobId, words: &str, style: Style) -> Outcome<Status> {
    output::note(format!("job {id} {words}"));
    match style {
        Style::Text => Ok(Status::Done),
        Style::Json | Style::Csv => {
            let reader = Reader::open(target, Patience::Foreground).await?;
            match record::job(&reader, &target.config.name, id).await? {
                Some(view) => show(target, &view, style).await,
                None => Err(Failure::failed(format!("job {id} is no longer recorded"))),
            }
        }
    }
}

/// Leaves a tenant out of the rest of a job.
async fn skip(session: &Session, target: &Target, view: &JobView, arguments: &Job) -> Outcome<Status> {
    let (word, note) = (arguments.tenant.as_deref().unwrap_or_default(), arguments.note.as_deref().unwrap_or_default());
    if note.trim().is_empty() {
        return Err(Failure::usage("--note is empty: say why the tenant is skipped"));
    }
    check_read_only(target)?;
    let reader = Reader::open(target, Patience::Foreground).await?;
    let outcomes = record::outcomes(&reader, &view.database, view.id).await?;
    drop(reader);
    let named = |by: fn(&TenantOutcome) -> &text::Untrusted| outcomes.iter().find(|outcome| by(outcome).raw() == word);
    let Some(tenant) = named(|outcome| &outcome.slug).or_else(|| named(|outcome| &outcome.schema)) else {
        let hint = format!("`{}` lists its tenants", target.config.command(&format!("tenantui job {}", view.id)));
        let word = text::sanitise(word);
        return Err(Failure::failed(format!("job {} has no tenant \"{word}\"; {hint}", view.id)));
    };
    let slug = tenant.slug.safe();
    if tenant.outcome == TenantResult::Done {
        return Err(Failure::refused(format!("{slug} is done in job {}: nothing of it is left to skip", view.id)));
    }
    if tenant.outcome == TenantResult::Skipped {
        return Err(Failure::refused(format!(
            "{slug} is skipped in job {} already: nothing was changed, its note neither",
            view.id
        )));
    }
    let (done, steps) = tenant.steps;
    output::note(format!("{slug} is {}, {done} of {steps} steps done; the rest is not run", tenant.outcome.word()));
    let consent = Consent { yes: arguments.yes, dry_run: false };
    let question = format!("Skip {slug} in job {}?", view.id);
    ask::confirm(&question, &target.config, consent, &session.signals).await?;
    control::skip(target, view.id, tenant.schema.raw(), note).await?;
    told(target, view.id, &format!("skips {slug}"), Style::from(arguments.format)).await
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
        match look(session, database, id).await {
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

async fn look(session: &Session, database: &Arc<config::Database>, id: JobId) -> Outcome<(Target, Option<JobView>)> {
    let target = session.target(database)?;
    let reader = Reader::open(&target, Patience::Foreground).await?;
    let view = record::job(&reader, &database.name, id).await?;
    Ok((target, view))
}

/// Watches a job that runs anywhere until nothing happens any more by itself.
async fn follow(session: &Session, target: &Target, view: JobView) -> Outcome<JobView> {
    let id = view.id;
    let zone = TimeZone::system();
    let (sights, mut seen) = mpsc::channel(64);
    let watch = watch::spawn(target.clone(), Wanted::Only(id), sights);
    let mut told = String::new();
    let mut last = view;
    let mut lost = false;
    loop {
        let line = running::progress_line(&last);
        if line != told {
            output::note(&line);
            told = line;
        }
        match last.state {
            JobState::Queued | JobState::Running => {}
            JobState::Orphaned | JobState::Paused | JobState::Done | JobState::Failed | JobState::Cancelled => {
                drop(watch);
                return Ok(last);
            }
        }
        let sight = tokio::select! {
            sight = seen.recv() => sight,
            // The job goes on where it runs.
            number = session.signals.wait(1) => return Err(Failure::new(Status::Signal(number), "")),
        };
        match sight {
            Some(Sight::Job(view)) if view.id == id => last = *view,
            Some(Sight::Job(_)) => {}
            Some(Sight::Line(line)) => output::note(running::log_line(&line, &zone)),
            Some(Sight::LinesLeftOut(count)) => {
                output::note(format!("({} of the log not shown)", text::counted(count, "line")))
            }
            Some(Sight::Lost(error)) => {
                lost = true;
                output::note(format!("{error}; it is tried again until it is back"));
            }
            Some(Sight::Watching) => {
                if std::mem::take(&mut lost) {
                    output::note("the link is back");
                }
            }
            None => return Err(Failure::failed(format!("job {id} cannot be watched any more, see the log"))),
        }
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
            let hint = format!("`{}` watches it", target.config.command(&format!("tenantui job {} follow", view.id)));
            return Err(Failure::refused(format!("job {} is running already; {hint}", view.id)));
        }
        JobState::Queued | JobState::Orphaned | JobState::Paused | JobState::Failed => {}
    }
    check_read_only(target)?;
    let consent = Consent { yes: arguments.yes, dry_run: false };
    let verb = if retry { "Run the failed steps of" } else { "Go on with" };
    ask::confirm(&format!("{verb} job {}?", view.id), &target.config, consent, &session.signals).await?;
    let mut results = Results::new(Style::from(arguments.format));
    let start = if retry { Start::Retry } else { Start::GoOn };
    let view = results.run(target, view.id, start, consent, &session.signals).await?;
    results.print()?;
    Ok(running::status(&view, &session.signals, Status::Partly))
}
