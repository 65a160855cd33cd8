//! Whom `M` is about: the tenant under the cursor, a group, or those that are marked.

use super::action::Action;
use super::allowed::flag_of;
use super::state::{Screen, State};
use crate::model::tenant::{DatabaseName, TenantKey};

/// Whom `M` would migrate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Of which database.
    pub database: DatabaseName,
    /// Who.
    pub keys: Vec<TenantKey>,
    /// In words: `12 marked, 10 hidden`, `group 0039`, `acme`.
    pub words: String,
    /// Those of `keys` that are shown, where the filter hides some.
    pub shown: Option<Vec<TenantKey>>,
}

/// Whom `M` would migrate.
///
/// # Errors
/// When nobody, or tenants of several databases.
pub fn selection(state: &State) -> Result<Selection, String> {
    match state.screen {
        Screen::Tenant => {
            let tenant = state.open_tenant().ok_or("the tenant is not there any more")?;
            let flag = flag_of(state, &tenant.key.database);
            no_shared(state).map_err(|why| format!("{why}: tenantui migrate --shared{flag}"))?;
            Ok(single(&tenant.key, tenant.slug.safe().to_string()))
        }
        Screen::Migrations => {
            let group = state.cursor_group().ok_or("there is no group")?;
            if group.tenants.is_empty() {
                return Err("no tenant stands at this version".to_owned());
            }
            let keys = group
                .tenants
                .iter()
                .filter_map(|index| state.snapshot.tenants.get(*index))
                .map(|tenant| tenant.key.clone())
                .collect();
            let version =
                group.version.as_ref().map_or_else(|| "none".to_owned(), |v| v.untrusted().safe().to_string());
            Ok(Selection { database: group.database.clone(), keys, words: format!("group {version}"), shown: None })
        }
        Screen::Tenants if !state.tenants.marks.is_empty() => marked(state),
        Screen::Tenants | Screen::Jobs | Screen::JobResult | Screen::Messages | Screen::Audit | Screen::Server => {
            let tenant = state.cursor_tenant().ok_or("there is no tenant under the cursor")?;
            Ok(single(&tenant.key, tenant.slug.safe().to_string()))
        }
    }
}

/// Nothing is done to the shared schema by way of its page.
///
/// # Errors
/// Where that is open.
pub fn no_shared(state: &State) -> Result<(), String> {
    let open = state.tenant.as_ref().filter(|_| state.screen == Screen::Tenant);
    match open.and_then(|open| state.snapshot.shared_page(&open.key)) {
        None => Ok(()),
        Some(page) => Err(format!("{} is no tenant", page.slug.safe())),
    }
}

fn single(key: &TenantKey, words: String) -> Selection {
    Selection { database: key.database.clone(), keys: vec![key.clone()], words, shown: None }
}

/// Whom `M` is about, in one database after the other.
///
/// # Errors
/// When nobody.
pub fn selections(state: &State) -> Result<Vec<Selection>, String> {
    let marks = &state.tenants.marks;
    let mut databases: Vec<&DatabaseName> = marks.iter().map(|key| &key.database).collect();
    databases.dedup();
    if state.screen != Screen::Tenants || databases.len() < 2 {
        return Ok(vec![selection(state)?]);
    }
    let order = |name: &DatabaseName| state.latest.databases.iter().position(|view| view.name == *name);
    databases.sort_by_key(|name| order(name));
    let hidden = state.tenants.marks_hidden;
    let words = match hidden {
        0 => format!("{} marked", marks.len()),
        hidden => format!("{} marked, {hidden} hidden", marks.len()),
    };
    let shown = (hidden > 0).then(|| marks_shown(state));
    let of = |database: &DatabaseName| {
        let of_it = |keys: &mut dyn Iterator<Item = &TenantKey>| -> Vec<TenantKey> {
            keys.filter(|key| key.database == *database).cloned().collect()
        };
        Selection {
            database: database.clone(),
            keys: of_it(&mut marks.iter()),
            words: words.clone(),
            shown: shown.as_ref().map(|keys| of_it(&mut keys.iter())),
        }
    };
    Ok(databases.into_iter().map(of).collect())
}

fn marked(state: &State) -> Result<Selection, String> {
    let marks = &state.tenants.marks;
    let keys: Vec<TenantKey> = marks.iter().cloned().collect();
    let Some(database) = keys.first().map(|key| key.database.clone()) else {
        return Err("nothing is marked".to_owned());
    };
    if keys.iter().any(|key| key.database != database) {
        return Err(format!(
            "the marked tenants are of several databases; a job has one: `:database NAME` shows one, {} unmarks",
            state.key(Action::UnmarkAll)
        ));
    }
    let hidden = state.tenants.marks_hidden;
    // All that a filter shows is better known by the filter.
    let whole = (keys.len() == state.tenants.shown.len()).then(|| crate::tui::screens::filter_words(state)).flatten();
    let words = match (hidden, whole) {
        (0, Some(filter)) => format!("filter {filter}"),
        (0, None) => format!("{} marked", keys.len()),
        (_, _) => format!("{} marked, {hidden} hidden", keys.len()),
    };
    let shown = (hidden > 0).then(|| marks_shown(state));
    Ok(Selection { database, keys, words, shown })
}

/// The marked tenants that the filter shows.
fn marks_shown(state: &State) -> Vec<TenantKey> {
    let shown = state.tenants.shown.iter().filter_map(|index| state.snapshot.tenants.get(*index));
    shown.filter(|tenant| state.tenants.marks.contains(&tenant.key)).map(|tenant| tenant.key.clone()).collect()
}
