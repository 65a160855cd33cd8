//! Which of the tenants that are asked for are there already, as they are asked for. Nothing that is there is changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::wanted::{Wanted, Wrong};
use crate::cli::exit::{Outcome, Status};
use crate::config::RunAs;
use crate::fleet::{JobContext, Reading};
use crate::jobs::life::again;
use crate::jobs::orders;
use crate::jobs::provision::role_by_hand;
use crate::jobs::service::NewTenant;
use crate::jobs::settings;
use crate::layout::naming::fold;
use crate::layout::{CheckedName, Layout, Registry};
use crate::model::ident::literal;
use crate::model::tenant::{Tenant, TenantState};
use crate::postgres::session::{Patience, Reader, Target};
use crate::text::{Untrusted, sanitise};

/// The tenants that are asked for, sorted.
#[derive(Debug, Default)]
pub struct Sorted {
    /// To be made, in the order of the file.
    pub new: Vec<NewTenant>,
    /// There as they are asked for: slug, schema, version.
    pub present: Vec<Arc<Tenant>>,
}

/// Sorts, and says of every one what is wrong with it.
///
/// # Errors
/// When the database cannot be asked about settings.
pub async fn sort(
    target: &Target,
    reading: &Reading,
    wanted: &[Wanted],
    role: bool,
    wrong: &mut Wrong,
) -> Outcome<Sorted> {
    let context = &reading.context;
    let by_slug: HashMap<&str, &Arc<Tenant>> =
        reading.snapshot.tenants.iter().filter(|tenant| tenant.is_listed()).map(|t| (t.slug.raw(), t)).collect();
    let settings = differing_settings(target, context, wanted).await?;
    let no_role = if role { without_role(target, context, wanted).await? } else { HashMap::new() };
    let trash = reading.snapshot.databases.first().map(|view| Arc::clone(&view.trash)).unwrap_or_default();
    let has_table = matches!(context.layout.registry, Registry::Table { .. });
    let again = |name: &CheckedName| {
        again::choice(name, reading.snapshot.tenants.iter().map(AsRef::as_ref), &trash, has_table)
            .map(|choice| format!("; {choice}"))
    };
    let mut sorted = Sorted::default();
    for one in wanted {
        let name = match context.layout.naming.check(&one.slug) {
            Ok(name) => name,
            Err(error) => {
                wrong.add(one, Status::Usage, format!("\"{}\" cannot be a tenant: {error}", sanitise(&one.slug)));
                continue;
            }
        };
        if let Some(tenant) = by_slug.get(name.slug.as_str()) {
            let differs = settings.contains(&name.slug).then(|| "its settings are others".to_owned());
            let has_none = no_role.get(&name.slug).cloned();
            match difference(tenant, one, &context.layout.statuses.active).or(differs).or(has_none) {
                None => sorted.present.push(Arc::clone(tenant)),
                Some(why) => {
                    let choice = again(&name).unwrap_or_default();
                    let words =
                        format!("the tenant {} exists already, and not as it is asked for: {why}{choice}", name.slug);
                    wrong.add(one, Status::Refused, words);
                }
            }
            continue;
        }
        if let Err(error) = context.taken.check(&name) {
            let choice = again(&name).unwrap_or_else(|| context.taken.choice(&name).unwrap_or_default().to_owned());
            wrong.add(one, Status::Refused, format!("{error}{choice}"));
            continue;
        }
        sorted.new.push(NewTenant {
            name,
            display_name: Untrusted::new(one.name.trim()),
            plan: one.plan.clone(),
            settings: one.settings.clone(),
        });
    }
    Ok(sorted)
}

/// Whether what a file says of its new tenants can be: the registry has a place for it and allows it, and no role is in the
/// way. An order would be refused by the first of them, without its line.
///
/// # Errors
/// When the database cannot be asked.
pub async fn fit(
    target: &Target,
    layout: &Layout,
    asked: &[Wanted],
    new: &[NewTenant],
    role: bool,
    wrong: &mut Wrong,
) -> Outcome<()> {
    let unfit = orders::unfit(target, layout, new, role).await?;
    // What is wrong by itself is told already.
    let told = wrong.told();
    let fine = asked.iter().filter(|one| !told.contains(&one.line));
    let asked: HashMap<String, &Wanted> = fine.map(|one| (fold(&one.slug), one)).collect();
    for (place, why) in unfit {
        if let Some(one) = new.get(place).and_then(|tenant| asked.get(&fold(&tenant.name.slug))) {
            wrong.add(one, Status::Refused, why.to_string());
        }
    }
    Ok(())
}

/// What of a tenant that is there is not as it is asked for.
fn difference(tenant: &Tenant, wanted: &Wanted, active: &Option<String>) -> Option<String> {
    let told =
        |text: &Option<Untrusted>| text.as_ref().map_or_else(|| "none".to_owned(), |t| format!("\"{}\"", t.safe()));
    if tenant.deleted {
        return Some("it is deleted".to_owned());
    }
    match tenant.state {
        TenantState::MissingSchema => {
            return Some("its registry row has no schema".to_owned());
        }
        TenantState::Conflict => return Some(format!("it is {}. Mend the registry first", tenant.state_words())),
        TenantState::NoAccess
        | TenantState::OrphanSchema
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => {}
    }
    if tenant.tables == Some(0) {
        return Some("its schema is there and empty: `tenantui migrate` fills it; or drop the schema and its row, then provision again".to_owned());
    }
    if tenant.name.is_some() && tenant.name.as_ref().map(Untrusted::raw) != Some(wanted.name.trim()) {
        return Some(format!("its name is {}", told(&tenant.name)));
    }
    if let (Some(status), Some(active)) = (&tenant.status, active)
        && status.raw() != active
    {
        return Some(format!("it is {}", status.safe()));
    }
    if wanted.plan.is_some() && tenant.plan.as_ref().map(Untrusted::raw) != wanted.plan.as_deref() {
        return Some(format!("its plan is {}", told(&tenant.plan)));
    }
    None
}

/// Of each tenant whose role by the layout's rule is not there: its slug, and that in words, with the way on.
async fn without_role(target: &Target, context: &JobContext, wanted: &[Wanted]) -> Outcome<HashMap<String, String>> {
    let Some(role) = &context.layout.role else { return Ok(HashMap::new()) };
    let mut roles: HashMap<String, CheckedName> = wanted
        .iter()
        .filter_map(|one| context.layout.naming.check(&one.slug).ok())
        .filter_map(|name| Some((role.rule.name_of(&name.slug, &name.schema).ok()?.raw().to_owned(), name)))
        .collect();
    let names: Vec<String> = roles.keys().map(|name| literal(name)).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname IN ({})", names.join(", "));
    let reader = Reader::open(target, Patience::Background).await?;
    for row in reader.rows(&sql).await? {
        roles.remove(row.text(0).unwrap_or_default());
    }
    let database = reader.facts().database.raw();
    let maker = match target.config.migrations.run_as {
        RunAs::Login => None,
        RunAs::Owner => target.config.tenants.owner.as_ref(),
    };
    let words = |(role, name): (String, CheckedName)| {
        let by_hand = role_by_hand(&context.layout, &name, database, maker).unwrap_or_default();
        (name.slug, format!("it has no login role {role}. A person makes it ({by_hand} and \\password {role} in psql)"))
    };
    Ok(roles.into_iter().map(words).collect())
}

/// The slugs whose settings are others than those that are asked for, as JSON: neither spaces nor order count.
async fn differing_settings(target: &Target, context: &JobContext, wanted: &[Wanted]) -> Outcome<HashSet<String>> {
    let Registry::Table { table, columns, .. } = &context.layout.registry else { return Ok(HashSet::new()) };
    let Some(column) = &columns.settings else { return Ok(HashSet::new()) };
    let asked: Vec<String> = wanted
        .iter()
        // What is no JSON is said to be wrong, and not asked about.
        .filter_map(|one| Some((&one.slug, one.settings.as_deref().filter(|text| settings::check(text).is_ok())?)))
        .map(|(slug, settings)| format!("({}, {}::jsonb)", literal(slug), literal(settings)))
        .collect();
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = format!(
        "SELECT v.slug FROM (VALUES {}) AS v (slug, settings) JOIN {} AS t ON t.{}::text = v.slug \
         WHERE t.{}::text::jsonb IS DISTINCT FROM v.settings",
        asked.join(", "),
        table.quoted(),
        columns.slug.name.quoted(),
        column.name.quoted()
    );
    let reader = Reader::open(target, Patience::Background).await?;
    let rows = reader.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.text(0).map(str::to_owned)).collect())
}
