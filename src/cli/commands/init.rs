//! `init`: creates or upgrades the schema `tenantui`, and with `--registry` the table of tenants.

use std::sync::Arc;

use crate::cli::args::Init;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output;
use crate::cli::session::{self, Session};
use crate::config;
use crate::jobs::init::{self, InitStatus};
use crate::postgres::session::{Patience, Reader};

/// Prepares all chosen databases for jobs.
///
/// # Errors
/// Exit 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: Init) -> Outcome<Status> {
    for database in &session.databases {
        one(session, database, arguments).await?;
    }
    Ok(Status::Done)
}

async fn one(session: &Session, database: &Arc<config::Database>, arguments: Init) -> Outcome<()> {
    let name = &database.name;
    let target = session::target(database).await?;
    let reader = Reader::open(&target, Patience::Foreground).await?;
    let found = init::status(&reader).await?;
    let plan = match found {
        InitStatus::Missing => "create the schema tenantui (jobs, steps, audit)".to_owned(),
        InitStatus::Older(version) => format!("upgrade the schema tenantui from version {version}"),
        InitStatus::Current => "nothing to do: the schema tenantui is current".to_owned(),
        InitStatus::Newer(version) => {
            return Err(Failure::refused(format!(
                "{name}: the schema tenantui has version {version}, made by a newer tenantui; use that one"
            )));
        }
    };
    output::note(format!("[{}] {name}: {plan}", database.environment.badge()));
    if found == InitStatus::Current || arguments.consent.dry_run {
        return Ok(());
    }
    if database.read_only {
        return Err(Failure::refused(format!("{name} is read-only (read_only in its configuration, or --read-only)")));
    }
    ask::confirm("Go ahead?", database, arguments.consent, &session.signals).await?;
    init::run(&target).await?;
    output::note(format!("{name}: done"));
    Ok(())
}
