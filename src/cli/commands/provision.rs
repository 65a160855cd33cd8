//! `provision SLUG --name NAME`: one tenant, whole or not at all.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::plan::counted;
use super::running::{self, Results};
use super::writing;
use crate::cli::args::Provision;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style};
use crate::cli::session::{self, Session};
use crate::fleet::{ReadOptions, Reading};
use crate::jobs::life::again;
use crate::jobs::orders;
use crate::jobs::service::{Order, ProvisionOrder};
use crate::layout::CheckedName;
use crate::postgres::session::Target;
use crate::text::{self, Untrusted};

#[derive(Serialize)]
struct Plan {
    database: String,
    tenant: String,
    name: String,
    schema: String,
    migrations: Option<Vec<String>>,
}

/// Makes a tenant.
///
/// # Errors
/// Exit 2 for a name that the layout refuses, 3 without a link, 5 where it exists already or may not be made.
pub async fn run(session: &Session, arguments: &Provision) -> Outcome<Status> {
    let database = session.only_database()?;
    if arguments.name.trim().is_empty() {
        return Err(Failure::usage("the display name (--name) is empty"));
    }
    let (target, reading) = session::read(&database, &ReadOptions::default()).await?;
    let context = &reading.context;
    let name = context.layout.naming.check(&arguments.slug).map_err(|error| {
        Failure::usage(format!("\"{}\" cannot be a tenant of {}: {error}", arguments.slug, database.name))
    })?;
    context.taken.check(&name).map_err(|error| {
        let trash = reading.snapshot.databases.first().map(|view| Arc::clone(&view.trash)).unwrap_or_default();
        let choice = again::choice(&name, reading.snapshot.tenants.iter().map(AsRef::as_ref), &trash);
        let choice = choice.map(|choice| format!("; {choice}")).unwrap_or_default();
        Failure::refused(format!("nothing was done: {error}{choice}"))
    })?;
    let plan = plan(&target, &reading, &name, arguments);
    let refused = context.folder.as_ref().map_or(Ok(()), |folder| orders::whole(folder, &database.migrations.allow));
    let style = Style::from(arguments.format);
    if arguments.consent.dry_run {
        writing::note_server(&target, &reading);
        match style {
            Style::Json => output::json(&plan)?,
            Style::Text | Style::Csv => output::data(&words(&plan, &target))?,
        }
        return Ok(refused.map(|()| Status::Done)?);
    }
    writing::check_server(&target, &reading)?;
    output::note(words(&plan, &target));
    refused?;
    let (status, results) = make(session, &target, &reading, name, arguments).await?;
    results.print(style)?;
    Ok(status)
}

/// Asks, orders and runs.
///
/// # Errors
/// As [`run`].
pub async fn make(
    session: &Session,
    target: &Target,
    reading: &Reading,
    name: CheckedName,
    arguments: &Provision,
) -> Outcome<(Status, Results)> {
    writing::check_writable(target, reading)?;
    let question = format!("Make the tenant {}?", name.slug);
    ask::confirm(&question, &target.config, arguments.consent, &session.signals).await?;
    let order = Order::Provision(ProvisionOrder {
        name,
        display_name: Untrusted::new(&arguments.name),
        plan: None,
        layout: Arc::clone(&reading.context.layout),
        folder: reading.context.folder.clone(),
    });
    let job = orders::order(target, &order, Uuid::new_v4()).await?;
    let view = running::run(target, job, false, arguments.consent, &session.signals).await?;
    output::note(running::progress_line(&view));
    let mut results = Results::default();
    results.add(target, &view).await?;
    Ok((running::status(&view, &session.signals, Status::Failed), results))
}

fn plan(target: &Target, reading: &Reading, name: &CheckedName, arguments: &Provision) -> Plan {
    Plan {
        database: target.config.name.to_string(),
        tenant: name.slug.clone(),
        name: arguments.name.clone(),
        schema: name.schema.raw().to_owned(),
        migrations: reading
            .context
            .folder
            .as_ref()
            .map(|folder| folder.files.iter().map(|file| file.version.raw().to_owned()).collect()),
    }
}

fn words(plan: &Plan, target: &Target) -> String {
    let safe = text::sanitise;
    let migrations = match &plan.migrations {
        None => "none: no migration folder is configured".to_owned(),
        Some(versions) => match versions.last() {
            Some(last) => format!("{}, to {}", counted(versions.len(), "migration"), safe(last)),
            None => "none: the folder is empty".to_owned(),
        },
    };
    format!(
        "[{}] {}: make the tenant {}\n  name        {}\n  schema      {}\n  migrations  {migrations}\n  \
         on failure  everything is undone\n",
        target.config.environment.badge(),
        plan.database,
        safe(&plan.tenant),
        safe(&plan.name),
        safe(&plan.schema),
    )
}
