//! `demo`: a private, throwaway fleet. With a terminal the dashboard opens on it; without one it shows itself: the
//! fleet, a new tenant, the migration of those behind.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::args::{Consent, Demo, Migrate, Provision, Tenants};
use crate::cli::commands::{migrate, provision, tenants};
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output;
use crate::cli::session::Session;
use crate::cli::signals::Signals;
use crate::cli::{Dashboard, Look, is_screen, open};
use crate::demo::{self, DemoOptions, Progress};
use crate::jobs::init;
use crate::model::tenant::TenantState;

/// The tenant that a demo without a terminal makes.
const NEW_TENANT: (&str, &str) = ("harbour-lights", "Harbour Lights Ltd");

/// Starts the servers, fills them, and ends without a trace.
///
/// # Errors
/// Exit 1 where there are no server programs or a step fails.
pub async fn run<F>(arguments: Demo, look: Look, dashboard: F) -> Outcome<Status>
where
    F: AsyncFnOnce(Dashboard) -> Outcome<Status>,
{
    let signals = Signals::listen()?;
    tokio::select! {
        number = signals.wait(1), if !is_screen() => Ok(Status::Signal(number)),
        ended = live(arguments, look, signals.clone(), dashboard) => ended,
    }
}

async fn live<F>(arguments: Demo, look: Look, signals: Signals, dashboard: F) -> Outcome<Status>
where
    F: AsyncFnOnce(Dashboard) -> Outcome<Status>,
{
    let options = DemoOptions { tenants: arguments.tenants };
    let told = Mutex::new(None);
    let report = |progress| tell(progress, &told);
    let starting = demo::start(options, &report);
    let demo = tokio::select! {
        demo = starting => demo.map_err(|error| Failure::failed(error.to_string()))?,
        number = signals.wait(1) => return Ok(Status::Signal(number)),
    };
    let session = Session::of(demo.config(), signals);
    for database in &session.databases {
        // The demo is prepared for jobs: its first order should not begin with a question.
        init::run(&session.target(database)?).await?;
    }
    let ended = if is_screen() { open(session, look, dashboard).await } else { show(&session).await };
    // The servers end and their folder goes when the demo is dropped; not before the last session.
    drop(demo);
    ended
}

/// Time between two lines of progress while the fleet is made.
const PROGRESS: Duration = Duration::from_secs(2);

fn tell(progress: Progress, told: &Mutex<Option<Instant>>) {
    let is_due = match progress {
        Progress::Servers | Progress::Cache => true,
        Progress::Tenants { done, total, .. } => {
            // A poisoned lock only means that a line of progress was lost.
            let mut last = told.lock().unwrap_or_else(PoisonError::into_inner);
            let due = done == total || last.is_none_or(|last| last.elapsed() >= PROGRESS);
            if due {
                *last = Some(Instant::now());
            }
            due
        }
    };
    if is_due {
        output::note(progress.to_string());
    }
}

/// The demo without a terminal.
async fn show(session: &Session) -> Outcome<Status> {
    let all = Tenants { cache: true, ..Tenants::default() };
    tenants::run(session, &all).await?;
    let consent = Consent { yes: true, dry_run: false };
    let (slug, name) = NEW_TENANT;
    output::note(format!("making the tenant {slug}"));
    let order = Provision { slug: Some(slug.to_owned()), name: Some(name.to_owned()), consent, ..Provision::default() };
    let (status, mut results) = provision::one(session, &order).await?;
    if status != Status::Done {
        results.print()?;
        return Ok(status);
    }
    output::note("migrating the tenants that are behind");
    let order = Migrate { state: vec![TenantState::Behind, TenantState::NeverMigrated], consent, ..Migrate::default() };
    let (status, migrated) = migrate::carry_out(session, &order).await?;
    output::data("\n")?;
    tenants::run(session, &all).await?;
    output::data("\n")?;
    results.append(migrated);
    results.print()?;
    Ok(status)
}
