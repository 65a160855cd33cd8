//! `init`: creates or upgrades the schema `tenantui`, and with `--registry` the table of tenants.

use std::sync::Arc;

use super::across::Across;
use crate::cli::args::Init;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output;
use crate::cli::session::Session;
use crate::config;
use crate::jobs::init::{self, InitStatus};
use crate::jobs::registry;
use crate::postgres::session::{Patience, Reader};

/// Prepares all chosen databases for jobs: those that can be, and the others are told.
///
/// # Errors
/// Of a single database: exit 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: Init) -> Outcome<Status> {
    let mut across = Across::new(session.databases.len());
    for database in &session.databases {
        let came = one(session, database, arguments).await;
        // Who interrupts one question is not asked the next.
        if let Err(Failure { status: Status::Signal(_), .. }) = came {
            return came;
        }
        across.take(&database.name, came, false)?;
    }
    Ok(across.status())
}

async fn one(session: &Session, database: &Arc<config::Database>, arguments: Init) -> Outcome<Status> {
    let name = &database.name;
    let target = session.target(database)?;
    let reader = Reader::open(&target, Patience::Foreground).await?;
    let found = init::status(&reader).await?;
    let record = match found {
        InitStatus::Missing => Some("create the schema tenantui (jobs, steps, audit)".to_owned()),
        InitStatus::Older(version) => Some(format!("upgrade the schema tenantui from version {version}")),
        InitStatus::Current => None,
        InitStatus::Newer(version) => {
            return Err(Failure::refused(format!(
                "the schema tenantui of {name} has version {version}, made by a newer tenantui; use that one"
            )));
        }
    };
    let with_registry = arguments.registry && !registry::exists(&reader).await?;
    let table = with_registry.then(|| "create the table public.tenants".to_owned());
    let plan: Vec<String> = record.into_iter().chain(table).collect();
    let badge = database.environment.badge();
    if plan.is_empty() {
        let also = if arguments.registry { ", and public.tenants is there" } else { "" };
        output::note(format!("[{badge}] {name}: nothing to do: the schema tenantui is current{also}"));
        return Ok(Status::Done);
    }
    output::note(format!("[{badge}] {name}: {}", plan.join(", ")));
    if arguments.consent.dry_run {
        return Ok(Status::Done);
    }
    if database.read_only {
        return Err(Failure::refused(format!("{name} is read-only (read_only in its configuration, or --read-only)")));
    }
    ask::confirm("Go ahead?", database, arguments.consent, &session.signals).await?;
    init::run(&target).await?;
    if with_registry {
        registry::create(&target).await?;
    }
    output::note(format!("{name}: done"));
    Ok(Status::Done)
}
