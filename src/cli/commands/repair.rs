//! `repair`: what is not as it should be, and what mends it; then one of them, by name.

use std::sync::Arc;

use serde::Serialize;

use super::choose::{self, Aim};
use super::life::{How, carry_out};
use crate::cli::args::{Mend, Way};
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::{self, Session};
use crate::config;
use crate::fleet::{ReadOptions, Reading, Sizes};
use crate::jobs::life::left;
use crate::jobs::life::plan::{self, LifeRequest};
use crate::layout::Layout;
use crate::model::fleet::SharedSchema;
use crate::model::life::{LeftRole, LifeKind, Repair};
use crate::model::tenant::{Tenant, TenantState};
use crate::postgres::session::{Patience, Reader, Target};
use crate::text::{sanitise, shell_word};

#[derive(Debug, Serialize)]
struct Offers {
    repairs: Vec<Offer>,
}

/// Something that is wrong, and one thing that mends it.
#[derive(Debug, Serialize)]
struct Offer {
    database: String,
    /// Of a role: the schema that its tenant had.
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
/// Exit 1 for an unknown tenant, 2 for an ambiguous one, 3 without a link, 5 where it is refused. The list of one is told
/// of all databases that answer, and its exit is 3 where one does not.
pub async fn run(session: &Session, arguments: &Mend) -> Outcome<Status> {
    let Some(word) = &arguments.slug else { return list(session, Style::from(arguments.format)).await };
    let aims = choose::databases_of(session, word).await?;
    let (index, request) = asked(&aims, word, arguments.way).await?;
    let aim = aims.get(index).ok_or_else(no_database)?;
    carry_out(session, aim, request, How::plain(arguments.consent, arguments.format)).await
}

/// What a word asks for, and in which database.
async fn asked(aims: &[Aim], word: &str, way: Option<Way>) -> Outcome<(usize, LifeRequest)> {
    if way == Some(Way::Role) {
        let said = sanitise(word);
        let unknown = || Failure::failed(format!("no tenant left a role \"{said}\"; `tenantui repair` lists those"));
        let (index, role) = left_of(aims, word).await?.ok_or_else(unknown)?;
        return Ok((index, LifeRequest::of_role(role, layout(aims, index)?)));
    }
    let found = choose::find(aims, word);
    let is_broken = match &found {
        Ok((index, tenant)) => !plan::repairs(tenant, &*layout(aims, *index)?).is_empty(),
        Err(_) => false,
    };
    // A tenant may be called as the shared schema is: the broken one of the two is meant.
    if !is_broken && let Some((index, shared)) = shared_of(aims, word, found.is_ok())? {
        let mut request = LifeRequest::of_shared(shared, layout(aims, index)?);
        request.repair = way.map(Into::into);
        return Ok((index, request));
    }
    match (found, way) {
        (Ok((index, tenant)), way) => {
            let mut request = LifeRequest::of(LifeKind::Repair, tenant, layout(aims, index)?);
            request.repair = way.map(Into::into);
            Ok((index, request))
        }
        (Err(unknown), None) => {
            let (index, role) = left_of(aims, word).await?.ok_or(unknown)?;
            Ok((index, LifeRequest::of_role(role, layout(aims, index)?)))
        }
        (Err(unknown), Some(Way::Adopt | Way::Forget | Way::Make | Way::Unlock | Way::Role)) => Err(unknown),
    }
}

/// The shared schema that a word means, and in which database. Each has a `public`: where several have one, the broken
/// one is meant. `other`: a tenant is called so, too.
fn shared_of(aims: &[Aim], word: &str, other: bool) -> Outcome<Option<(usize, SharedSchema)>> {
    let mut all: Vec<(usize, &SharedSchema)> = Vec::new();
    for (index, aim) in aims.iter().enumerate() {
        let named = aim.reading.snapshot.shared.iter().filter(|shared| shared.schema.is_written(word));
        all.extend(named.map(|shared| (index, shared)));
    }
    if other || all.len() > 1 {
        let broken: Vec<_> =
            all.iter().copied().filter(|(_, shared)| !plan::repairs_of_shared(shared).is_empty()).collect();
        if other || !broken.is_empty() {
            all = broken;
        }
    }
    match all.as_slice() {
        [] => Ok(None),
        [(index, shared)] => Ok(Some((*index, (*shared).clone()))),
        several => {
            let names: Vec<&str> = several.iter().map(|(_, shared)| &*shared.database).collect();
            let (word, names) = (sanitise(word), names.join(", "));
            Err(Failure::usage(format!("\"{word}\" is in several databases ({names}): add --database")))
        }
    }
}

fn no_database() -> Failure {
    Failure::failed("there is no such database")
}

fn layout(aims: &[Aim], index: usize) -> Outcome<Arc<Layout>> {
    Ok(Arc::clone(&aims.get(index).ok_or_else(no_database)?.reading.context.layout))
}

/// The role left behind that a word means, and in which database. Roles are of the whole server: where two databases
/// tell of it, the first that could remove it is meant.
async fn left_of(aims: &[Aim], word: &str) -> Outcome<Option<(usize, LeftRole)>> {
    let mut all = Vec::new();
    for (index, aim) in aims.iter().enumerate() {
        let roles = left_roles(&aim.target, &aim.reading).await?;
        all.extend(left::named(&roles, word).map(|role| (index, role.clone())));
    }
    let first = all.iter().position(|(_, role)| role.kept.is_none()).unwrap_or(0);
    Ok(all.into_iter().nth(first))
}

/// Roles that tenants of this database left behind.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn left_roles(target: &Target, reading: &Reading) -> Outcome<Vec<LeftRole>> {
    let reader = Reader::open(target, Patience::Foreground).await?;
    let trash = reading.snapshot.databases.first().map(|view| Arc::clone(&view.trash)).unwrap_or_default();
    let tenants = reading.snapshot.tenants.iter().map(Arc::as_ref);
    Ok(left::list(&reader, &target.config.name, &reading.context.layout, tenants, &trash).await?)
}

/// Of every database that answers; those that do not are told.
async fn list(session: &Session, style: Style) -> Outcome<Status> {
    let mut offers = Offers { repairs: Vec::new() };
    let reads = session.read(&ReadOptions { sizes: Sizes::WherePending, ..ReadOptions::default() }).await;
    let mut status = session::tell_down(&reads);
    for (target, reading) in reads.into_iter().filter_map(|read| read.reading.ok()) {
        let name = &target.config.name;
        if let Some(hidden) = &reading.context.layout.about.hidden_rows {
            let words = hidden.words();
            output::note(format!("{name}: which schemas have no row is not known: {}", sanitise(&words)));
        }
        offers.repairs.extend(of_tenants(&target.config, &reading));
        offers.repairs.extend(reading.snapshot.shared.iter().filter_map(of_shared));
        match left_roles(&target, &reading).await {
            Ok(roles) => offers.repairs.extend(roles.iter().map(|role| of_role(&target.config, role))),
            Err(failure) => {
                output::note(format!("{name}: roles that were left behind are not known: {}", failure.message));
                status = status.and(failure.status);
            }
        }
    }
    match style {
        Style::Json => output::json(&offers)?,
        Style::Csv => output::data(&table(&offers).csv()?)?,
        Style::Text if !offers.repairs.is_empty() => output::data(&text(&offers))?,
        Style::Text if status == Status::Done => output::note("nothing is to be repaired"),
        Style::Text => output::note("nothing is to be repaired in what could be read"),
    }
    Ok(status)
}

/// What is wrong with the tenants of one database. A dropped tenant is as it should be.
fn of_tenants(config: &config::Database, reading: &Reading) -> Vec<Offer> {
    let tenants = reading.snapshot.tenants.iter();
    tenants
        .filter(|tenant| is_broken(tenant.state) && !reading.snapshot.is_dropped(tenant))
        .flat_map(|tenant| of_tenant(config, tenant, &reading.context.layout))
        .collect()
}

const fn is_broken(state: TenantState) -> bool {
    match state {
        TenantState::OrphanSchema | TenantState::MissingSchema | TenantState::Locked | TenantState::Conflict => true,
        TenantState::NoAccess
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => false,
    }
}

/// What mends one tenant, one offer each; where nothing does, that it is broken.
fn of_tenant(config: &config::Database, tenant: &Tenant, layout: &Layout) -> Vec<Offer> {
    let offer = |by: Option<&'static str>, does: Option<&'static str>, command: Option<String>| Offer {
        database: config.name.to_string(),
        tenant: tenant.slug.raw().to_owned(),
        schema: tenant.schema.as_ref().map(|schema| schema.raw().to_owned()),
        state: tenant.state.word(),
        problem: tenant.problems.first().map(|problem| problem.raw().to_owned()),
        by,
        does,
        command,
    };
    let mend = |repair: Repair| {
        let command = command_of(config, tenant.slug.raw(), repair);
        offer(Some(repair.word()), Some(repair.does()), Some(command))
    };
    let mut offers: Vec<Offer> = plan::repairs(tenant, layout).into_iter().map(mend).collect();
    if tenant.state == TenantState::OrphanSchema {
        let schema = tenant.schema.as_ref().map_or("", |schema| schema.raw());
        let command = config.command(&format!("tenantui drop {0} --confirm {0}", shell_word(schema)));
        offers.push(offer(Some("drop"), Some("moves the schema into the trash"), Some(command)));
    }
    if offers.is_empty() {
        offers.push(offer(None, None, None));
    }
    offers
}

/// The schema that all tenants share, where a lock keeps it, and with it them, from being migrated.
fn of_shared(shared: &SharedSchema) -> Option<Offer> {
    if shared.state != TenantState::Locked {
        return None;
    }
    let repair = plan::repairs_of_shared(shared).first().copied();
    Some(Offer {
        database: shared.database.to_string(),
        tenant: shared.schema.raw().to_owned(),
        schema: Some(shared.schema.raw().to_owned()),
        state: shared.state.word(),
        problem: shared.problems.first().map(|problem| problem.raw().to_owned()),
        by: repair.map(Repair::word),
        does: repair.map(Repair::does),
        command: repair.map(|_| shared.unlock_command()),
    })
}

fn of_role(config: &config::Database, role: &LeftRole) -> Offer {
    let repair = role.kept.is_none().then_some(Repair::Role);
    let kept = role.kept.as_ref().map(|kept| format!("; it stays: {}", kept.raw())).unwrap_or_default();
    Offer {
        database: role.database.to_string(),
        tenant: role.schema.raw().to_owned(),
        schema: None,
        state: "orphan_role",
        problem: Some(format!("the role {}: {}{kept}", role.name.raw(), role.why.raw())),
        by: repair.map(Repair::word),
        does: repair.map(Repair::does),
        command: repair.map(|repair| command_of(config, role.name.raw(), repair)),
    }
}

/// What is wrong with each, and below it what mends it: a line each, as a command is to be read and pasted whole.
fn text(offers: &Offers) -> String {
    let about = |offer: &Offer| {
        let of = format!("{}  {}  {}", offer.database, offer.tenant, offer.state);
        let problem = offer.problem.as_ref().map_or_else(String::new, |problem| format!("\n  {}", sanitise(problem)));
        format!("{}{problem}\n", sanitise(&of))
    };
    let mut out = String::new();
    let mut last = String::new();
    for offer in &offers.repairs {
        let head = about(offer);
        if head != last {
            out.push_str(&format!("{}{head}", if last.is_empty() { "" } else { "\n" }));
            last = head;
        }
        match (offer.by, offer.does, &offer.command) {
            (Some(by), Some(does), Some(command)) => {
                out.push_str(&format!("  {by:<7} {does}\n          {}\n", sanitise(command)));
            }
            (_, _, _) => out.push_str("  -       nothing that tenantui does mends it\n"),
        }
    }
    out
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

/// The command of one repair, as it can be pasted.
fn command_of(config: &config::Database, word: &str, repair: Repair) -> String {
    config.command(&format!("tenantui repair {} --by {}", shell_word(word), repair.word()))
}
