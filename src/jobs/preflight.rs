//! What is checked before a job is recorded: privileges, files, names, and the registry's columns. Everything here
//! is checked again by the step itself or refused by the server; here it is refused early and in words.

mod names;
mod owners;
mod provision;
mod role_there;
mod row;

pub(super) use names::{KnownNames, taken_like_sql, taken_names, taken_sql};
pub use owners::{no_grantees, no_owner};
pub(super) use provision::{provision, unfit};
pub(super) use row::{Allowed, allowed, display_name, drafted, others, row_values, time_value};

use std::collections::BTreeSet;

use super::drive;
use super::gate::{Asks, ask, refused};
use super::orders::OrderError;
use crate::config::RunAs;
use crate::migrations::alone;
use crate::migrations::apply::ledger::WritableLedger;
use crate::migrations::folder::{Folder, MigrationFile};
use crate::migrations::plan::{self, Direction, Plan, PlanOptions};
use crate::model::ident::SchemaName;
use crate::model::ledger::Tool;
use crate::postgres::membership::{lacks_rights_sql, membership_sql};
use crate::postgres::session::{Target, WriterSession};
use crate::text::counted;

/// Names in a refusal before it says how many more there are.
const NAMES_SHOWN: usize = 5;

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES_SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// Checks the order of a migration, a rollback or a redo: `direction` is what the order allows.
pub(super) async fn migrate(
    target: &Target,
    session: &WriterSession,
    plan: &Plan,
    direction: Direction,
) -> Result<(), OrderError> {
    if plan.direction != direction {
        return Err(refused(format!("a plan to {} is no plan to {}", plan.direction.verb(), direction.verb())));
    }
    if let Some(refusal) = plan.refusals.first() {
        return Err(refused(format!(
            "{}:{}: {}; nothing was ordered. Mend the file, or lift the refusal with allow = [\"{}:{}\"]",
            refusal.file.path.display(),
            refusal.finding.line,
            refusal.finding.message.raw(),
            refusal.file.version.raw(),
            refusal.finding.rule,
        )));
    }
    if plan.tenants.is_empty() {
        return Err(refused(match direction {
            Direction::Up => "nothing is pending: there is nothing to order",
            Direction::Down | Direction::Again => "nothing is applied that could be undone: there is nothing to order",
        }));
    }
    if plan.is_driven() {
        drive::startable(target, plan.options.command.as_ref())?;
    } else {
        let scripts = plan.scripts();
        runnable(plan.tool, scripts.iter().map(AsRef::as_ref))?;
        through_no_pooler(session, scripts.iter().map(AsRef::as_ref))?;
    }
    for tenant in &plan.tenants {
        let name = tenant.schema.raw();
        let checked = if plan.shared { SchemaName::shared(name) } else { SchemaName::tenant(name) };
        checked.map_err(|error| refused(format!("{}: {error}", tenant.slug.raw())))?;
    }
    let oids: Vec<String> = plan.tenants.iter().map(|tenant| tenant.schema_oid.to_string()).collect();
    match plan.runs_as() {
        RunAs::Login => {}
        RunAs::Owner => {
            owners::of_schemas(target, session, &oids).await?;
            owners::of_ledgers(target, session, plan, &oids).await?;
        }
    }
    creatable(target, session, plan.runs_as(), &oids).await
}

/// Checks that files can make something in each of these schemas, by whose rights they run with.
async fn creatable(
    target: &Target,
    session: &WriterSession,
    runs_as: RunAs,
    oids: &[String],
) -> Result<(), OrderError> {
    let maker = match runs_as {
        RunAs::Login => "CURRENT_USER",
        RunAs::Owner => "n.nspowner",
    };
    let rows = ask(
        session,
        &format!(
            "SELECT n.nspname, CASE WHEN {lacks} THEN {helps} END FROM pg_catalog.pg_namespace AS n \
             WHERE n.oid = ANY ('{{{oids}}}'::oid[]) AND NOT (pg_catalog.has_schema_privilege({maker}, n.oid, 'CREATE') \
             AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')) ORDER BY 1",
            lacks = lacks_rights_sql("n.nspowner"),
            helps = membership_sql("CURRENT_USER", "n.nspowner"),
            oids = oids.join(","),
        ),
    )
    .await?;
    let missing: Vec<String> = rows.iter().flatten().filter_map(|row| row.text(0).map(str::to_owned)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // A member that does not have the rights of its group gets them all at once.
    let helps: BTreeSet<&str> = rows.iter().flatten().filter_map(|row| row.text(1)).collect();
    let helps = if helps.is_empty() {
        "GRANT USAGE, CREATE ON SCHEMA is missing there".to_owned()
    } else {
        let all: Vec<&str> = helps.into_iter().collect();
        format!("it is a member of the owner and does not have its rights; what helps is {}", all.join("; "))
    };
    Err(refused(format!(
        "{} may not create in {} of {}: {}. {helps}",
        session.facts.user.raw(),
        counted(missing.len(), "schema"),
        target.config.name,
        listed(&missing),
    )))
}

/// Whether a plan can be rehearsed. Needs no connection.
///
/// # Errors
/// When a file runs outside of a transaction: what it did could not be taken back.
pub fn rehearse(plan: &Plan) -> Result<(), OrderError> {
    if plan.is_driven() {
        return Err(refused(format!(
            "what a command of {} does could not be taken back, so it is not rehearsed: a canary goes first instead",
            plan.tool
        )));
    }
    let files = plan.rehearsal().iter().flat_map(|tenant| &tenant.files);
    match files.into_iter().find(|file| !matches!(alone::of(file), Ok(None))) {
        Some(file) => Err(refused(format!(
            "{} runs outside of a transaction: what it does could not be taken back, so it is not rehearsed. Rehearse \
             what stands before it (--to)",
            file.path.display()
        ))),
        None => Ok(()),
    }
}

/// Whether this version can run these files and write their ledger. Needs no connection.
///
/// # Errors
/// When it cannot; which file, and why.
pub fn runnable<'a>(tool: Tool, files: impl Iterator<Item = &'a MigrationFile>) -> Result<(), OrderError> {
    if WritableLedger::of(tool).is_none() {
        return Err(refused(format!("the ledger of {tool} is not written by this version; run {tool} itself")));
    }
    for file in files {
        if let Err(unfit) = alone::of(file) {
            return Err(refused(format!("{}:{}: {}", file.path.display(), unfit.line, unfit.message)));
        }
    }
    Ok(())
}

/// What runs outside of a transaction sets the search path of its session, which a pooler would hand on.
fn through_no_pooler<'a>(
    session: &impl Asks,
    mut files: impl Iterator<Item = &'a MigrationFile>,
) -> Result<(), OrderError> {
    match files.find(|file| matches!(alone::of(file), Ok(Some(_)))) {
        Some(file) if !session.facts().direct => Err(refused(format!(
            "{} runs outside of a transaction, and that is not done through a connection pooler: aim at the server itself",
            file.path.display()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Whether a new tenant can get all files of a folder, from tenantui or from the tool's own command. Needs no connection
/// to the database.
///
/// # Errors
/// When a file is refused, this version cannot run it, or the command cannot be asked to.
pub fn makes(target: &Target, folder: &Folder) -> Result<(), OrderError> {
    if drives(target, folder)? {
        return drive::startable(target, target.config.migrations.command.as_ref());
    }
    for file in &folder.files {
        let allow = &target.config.migrations.allow;
        let lifted = |rule: &str| allow.iter().any(|a| a.version == file.version.raw() && a.rule == rule);
        if let Some(finding) = file.findings.iter().find(|finding| finding.refuses && !lifted(finding.rule)) {
            return Err(refused(format!(
                "{}:{}: {}. Mend the file, or lift the refusal with allow = [\"{}:{}\"]",
                file.path.display(),
                finding.line,
                finding.message.raw(),
                file.version.raw(),
                finding.rule
            )));
        }
    }
    runnable(folder.tool, folder.files.iter().map(AsRef::as_ref))
}

/// Whether a new tenant is made piece by piece, because something of it runs outside of a transaction: what fails in the
/// middle is kept then.
#[must_use]
pub fn in_pieces(target: &Target, folder: &Folder) -> bool {
    drives(target, folder).unwrap_or(false) && !folder.files.is_empty()
        || folder.files.iter().any(|file| matches!(alone::of(file), Ok(Some(_))))
}

/// Whether a new tenant's migrations are run by the tool's own command.
///
/// # Errors
/// When the tool's ledger is not written by tenantui and there is no command, or one that cannot be aimed.
pub fn drives(target: &Target, folder: &Folder) -> Result<bool, OrderError> {
    let options = PlanOptions::from(&*target.config);
    plan::drives(folder, &options).map_err(|error| OrderError::Unconfigured(error.to_string().into()))
}
