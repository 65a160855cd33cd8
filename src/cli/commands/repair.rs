//! `repair`: what is not as it should be, and what mends it; then one of them, by name.

use std::sync::Arc;

use serde::Serialize;

use super::choose;
use super::life::{How, carry_out, tenant};
use crate::cli::args::Mend;
use crate::cli::exit::{Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::Session;
use crate::fleet::Sizes;
use crate::jobs::life::plan::{self, LifeRequest};
use crate::model::life::LifeKind;
use crate::model::tenant::TenantState;

#[derive(Debug, Serialize)]
struct Offers {
    repairs: Vec<Offer>,
}

/// Something that is wrong, and one thing that mends it.
#[derive(Debug, Serialize)]
struct Offer {
    database: String,
    tenant: String,
    schema: Option<String>,
    state: &'static str,
    problem: Option<String>,
    /// What mends it; null: nothing that tenantui does.
    by: Option<&'static str>,
    does: Option<&'static str>,
    command: Option<String>,
}

/// Lists what can be repaired, or repairs one tenant.
///
/// # Errors
/// Exit 1 for an unknown tenant, 2 for an ambiguous one, 3 without a link, 5 where it is refused.
pub async fn run(session: &Session, arguments: &Mend) -> Outcome<Status> {
    let Some(word) = &arguments.slug else { return list(session, Style::from(arguments.format)).await };
    let (aim, tenant) = tenant(session, word).await?;
    let layout = Arc::clone(&aim.reading.context.layout);
    let mut request = LifeRequest::of(LifeKind::Repair, tenant, layout);
    request.repair = arguments.way.map(Into::into);
    carry_out(session, &aim, request, How::plain(arguments.consent, arguments.format)).await
}

async fn list(session: &Session, style: Style) -> Outcome<Status> {
    let mut offers = Offers { repairs: Vec::new() };
    for aim in choose::databases(session, Sizes::WherePending).await? {
        let trash = aim.reading.snapshot.databases.first().map(|view| Arc::clone(&view.trash)).unwrap_or_default();
        for tenant in &aim.reading.snapshot.tenants {
            let broken = match tenant.state {
                TenantState::OrphanSchema
                | TenantState::MissingSchema
                | TenantState::Locked
                | TenantState::Conflict => true,
                TenantState::NoAccess
                | TenantState::UnknownTool
                | TenantState::Dirty
                | TenantState::NeverMigrated
                | TenantState::Ahead
                | TenantState::Behind
                | TenantState::Ok
                | TenantState::Unknown => false,
            };
            let dropped = trash.iter().any(|trashed| trashed.drop.as_ref().is_some_and(|drop| drop.key == tenant.key));
            // A dropped tenant is as it should be.
            if !broken || dropped {
                continue;
            }
            let offer = |by: Option<&'static str>, does: Option<&'static str>, command: Option<String>| Offer {
                database: aim.target.config.name.to_string(),
                tenant: tenant.slug.raw().to_owned(),
                schema: tenant.schema.as_ref().map(|schema| schema.raw().to_owned()),
                state: tenant.state.word(),
                problem: tenant.problems.first().map(|problem| problem.raw().to_owned()),
                by,
                does,
                command,
            };
            let repairs = plan::repairs(tenant, &aim.reading.context.layout);
            let before = offers.repairs.len();
            offers.repairs.extend(repairs.into_iter().map(|repair| {
                let command = format!("tenantui repair {} --by {}", shell(tenant.slug.raw()), repair.word());
                offer(Some(repair.word()), Some(repair.does()), Some(command))
            }));
            if tenant.state == TenantState::OrphanSchema {
                let schema = tenant.schema.as_ref().map_or("", |schema| schema.raw());
                let command = format!("tenantui drop {0} --confirm {0}", shell(schema));
                offers.repairs.push(offer(Some("drop"), Some("moves the schema into the trash"), Some(command)));
            }
            if offers.repairs.len() == before {
                offers.repairs.push(offer(None, None, None));
            }
        }
    }
    match style {
        Style::Json => output::json(&offers)?,
        Style::Csv => output::data(&table(&offers).csv()?)?,
        Style::Text if offers.repairs.is_empty() => output::note("nothing is to be repaired"),
        Style::Text => output::data(&table(&offers).text())?,
    }
    Ok(Status::Done)
}

fn table(offers: &Offers) -> Table {
    let mut table = Table::new(&["database", "tenant", "state", "by", "does", "problem", "command"]);
    for offer in &offers.repairs {
        table.row(vec![
            offer.database.as_str().into(),
            offer.tenant.as_str().into(),
            offer.state.into(),
            offer.by.map(str::to_owned).into(),
            offer.does.map(str::to_owned).into(),
            offer.problem.clone().into(),
            offer.command.clone().into(),
        ]);
    }
    table
}

/// A word of a shell's command line.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
