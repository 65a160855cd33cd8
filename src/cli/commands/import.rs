//! `import SLUG`: data that one customer has in `public` becomes a tenant's.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::choose;
use super::running::{self, Results, Start};
use super::writing;
use crate::cli::args::Import;
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::Session;
use crate::fleet::{ReadOptions, Reading};
use crate::jobs::import::{self, Count, How, ImportOptions, ImportPlan, Nobodys};
use crate::jobs::orders;
use crate::jobs::service::{ImportOrder, Order};
use crate::migrations::dialects::Hints;
use crate::model::ident::SchemaName;
use crate::model::tenant::Tenant;
use crate::postgres::session::Target;
use crate::text::{self, counted};

#[derive(Serialize)]
struct Plan<'p> {
    database: String,
    tenant: String,
    schema: String,
    how: How,
    tables: Vec<PlannedTable<'p>>,
    notes: Vec<&'p str>,
}

#[derive(Serialize)]
struct PlannedTable<'p> {
    table: &'p str,
    rows: u64,
    columns: usize,
    replaces: bool,
}

/// Imports.
///
/// # Errors
/// Exit 1 for an unknown tenant, 2 for a table that is no tenant's data, 3 without a link, 5 where something stands in the way or it is not confirmed.
pub async fn run(session: &Session, arguments: &Import) -> Outcome<Status> {
    let database = session.only_database()?;
    let (target, reading) = session.read_one(&database, &ReadOptions::default()).await?;
    let tenant = find(&reading, &arguments.slug)?;
    let Some(schema) = &tenant.schema else {
        return Err(Failure::refused(format!("{} has no schema: provision it first", tenant.slug.safe())));
    };
    if tenant.deleted {
        return Err(Failure::refused(format!("{} is deleted: nothing is brought into it", tenant.slug.safe())));
    }
    let schema = SchemaName::tenant(schema.raw()).map_err(|error| Failure::refused(error.to_string()))?;
    let options = ImportOptions {
        how: if arguments.moves { How::Move } else { How::Copy },
        tables: arguments.tables.clone(),
        not: nobodys(&target, &reading, &tenant),
    };
    let wrong = import::named(&options.tables, &options.not);
    if !wrong.is_empty() {
        return Err(Failure::usage(wrong.join("\n")));
    }
    let (plan, counts) = import::read(&target, &schema, &options).await?;
    let style = if arguments.format.json { Style::Json } else { Style::Text };
    if arguments.consent.dry_run {
        writing::note_server(&target, &reading);
        match style {
            Style::Json => output::json(&document(&target, &tenant, &schema, &plan, &counts))?,
            Style::Text | Style::Csv => output::data(&words(&target, &tenant, &schema, &plan, &counts))?,
        }
        return Ok(Status::Done);
    }
    writing::check_server(&target, &reading)?;
    output::note(words(&target, &tenant, &schema, &plan, &counts));
    writing::check_writable(&target, &reading)?;
    let verb = if arguments.moves { "Move" } else { "Copy" };
    let question = format!("{verb} {} into {}?", counted(plan.tables.len(), "table"), tenant.slug.safe());
    ask::confirm(&question, &target.config, arguments.consent, &session.signals).await?;
    let layout = Arc::clone(&reading.context.layout);
    let order = Order::Import(ImportOrder { tenant, schema, plan: Arc::new(plan), layout });
    let job = orders::order(&target, &order, Uuid::new_v4()).await?;
    let mut results = Results::new(style);
    let view = results.run(&target, job, Start::Ordered, arguments.consent, &session.signals).await?;
    results.print()?;
    Ok(running::status(&view, &session.signals, Status::Failed))
}

fn find(reading: &Reading, word: &str) -> Outcome<Arc<Tenant>> {
    writing::only_one(
        word,
        choose::named(&reading.snapshot.tenants, word, |tenant| tenant),
        |tenant| tenant,
        std::iter::once(reading),
    )
}

/// Tables that are no tenant's data.
fn nobodys(target: &Target, reading: &Reading, tenant: &Tenant) -> Vec<Nobodys> {
    let migrations = &target.config.migrations;
    let folder = reading.context.folder.as_ref().map(|folder| folder.tool);
    let hints = Hints { configured: migrations.tool, folder, table: migrations.ledger_table.clone() };
    import::nobodys(&reading.context.layout, &hints, tenant)
}

fn document<'p>(
    target: &Target,
    tenant: &Tenant,
    schema: &SchemaName,
    plan: &'p ImportPlan,
    counts: &'p [Count],
) -> Plan<'p> {
    let table = |(table, count): (&'p import::ImportTable, &'p Count)| PlannedTable {
        table: &table.name,
        rows: count.source,
        columns: table.columns.len(),
        replaces: table.replaces,
    };
    Plan {
        database: target.config.name.to_string(),
        tenant: tenant.slug.raw().to_owned(),
        schema: schema.raw().to_owned(),
        how: plan.how,
        tables: plan.tables.iter().zip(counts).map(table).collect(),
        notes: plan.notes.iter().map(text::Untrusted::raw).collect(),
    }
}

fn words(target: &Target, tenant: &Tenant, schema: &SchemaName, plan: &ImportPlan, counts: &[Count]) -> String {
    let verb = match plan.how {
        How::Copy => "copy the rows of",
        How::Move => "move",
    };
    let mut table = Table::new(&["table", "rows in public", "rows in the tenant"]);
    for count in counts {
        table.row(vec![count.table.as_str().into(), count.source.into(), count.target.into()]);
    }
    let mut lines = format!(
        "[{}] {}: {verb} {} from public into {} ({})\n{}",
        target.config.environment.badge(),
        target.config.name,
        counted(plan.tables.len(), "table"),
        tenant.slug.safe(),
        text::sanitise(schema.raw()),
        table.text()
    );
    let writers = match plan.how {
        How::Copy => "writers to these tables wait while the rows are copied",
        How::Move => "everybody who uses these tables waits, and looks for them in the tenant's schema afterwards",
    };
    lines.push_str(&format!("  meanwhile   {writers}\n  sequences   go on behind the values that came\n"));
    for note in &plan.notes {
        lines.push_str(&format!("  note        {}\n", note.safe()));
    }
    lines.push_str("  on failure  everything is undone (one transaction)\n");
    lines
}
