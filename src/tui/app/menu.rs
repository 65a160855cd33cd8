//! The palette (`:`) and the help (`?`), made from the table of actions.

use tui_input::Input;

use super::action::{ACTIONS, Action, ActionInfo};
use super::allowed::allowed;
use super::filter::Fuzzy;
use super::keymap::Keymap;
use super::state::{Menu, MenuEntry, MenuKind, MenuRun, QuickFilter, State};
use crate::model::tenant::TenantState;
use crate::text::Untrusted;

/// Tenants that the palette offers at most.
const TENANTS_OFFERED: usize = 20;

/// A menu with nothing typed yet.
#[must_use]
pub fn open(kind: MenuKind, state: &State, keymap: &Keymap) -> Menu {
    let mut menu = Menu { kind, input: Input::default(), entries: Vec::new(), at: 0 };
    search(&mut menu, state, keymap);
    menu
}

/// Finds again what matches.
pub fn search(menu: &mut Menu, state: &State, keymap: &Keymap) {
    let typed = menu.input.value().trim().to_owned();
    menu.entries = match menu.kind {
        MenuKind::Help => help(&typed, state, keymap),
        MenuKind::Palette => palette(&typed, state, keymap),
    };
    menu.at = 0;
}

fn entry(info: &ActionInfo, state: &State, keymap: &Keymap) -> MenuEntry {
    MenuEntry {
        name: info.name.to_owned(),
        title: info.title.to_owned(),
        keys: keymap.keys_of(info.action).join(", "),
        help: info.help.to_owned(),
        writes: info.writes,
        disabled: allowed(state, info.action).err(),
        run: MenuRun::Action(info.action),
    }
}

fn help(typed: &str, state: &State, keymap: &Keymap) -> Vec<MenuEntry> {
    let mut fuzzy = Fuzzy::new(typed);
    let mut entries: Vec<((u8, u32), MenuEntry)> = ACTIONS
        .iter()
        .filter(|info| info.action.applies_to(state.screen))
        .filter_map(|info| {
            let entry = entry(info, state, keymap);
            let score = fuzzy.score([info.name, info.title, info.help, entry.keys.as_str()].into_iter())?;
            Some(((rank(typed, info.name), score), entry))
        })
        .collect();
    // A stable sort: with nothing typed, the table's order.
    entries.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn named(name: &str, title: &str, run: MenuRun) -> MenuEntry {
    MenuEntry {
        name: name.to_owned(),
        title: title.to_owned(),
        keys: String::new(),
        help: String::new(),
        writes: false,
        disabled: None,
        run,
    }
}

/// The named filters: `:behind`, `:failed`...
fn filters(state: &State) -> Vec<MenuEntry> {
    let mut entries = vec![named("everything", "show all tenants", MenuRun::Quick(None))];
    for tenant_state in TenantState::ALL {
        let word = tenant_state.word();
        let title = format!("tenants that are {}", word.replace('_', " "));
        entries.push(named(word, &title, MenuRun::Quick(Some(QuickFilter::State(tenant_state)))));
    }
    entries.push(named("failed", "tenants whose last step failed", MenuRun::Quick(Some(QuickFilter::Failed))));
    entries.push(named("deleted", "tenants that are soft-deleted", MenuRun::Quick(Some(QuickFilter::Deleted))));
    entries.push(named(
        "orphans",
        "rows without a schema, schemas without a row",
        MenuRun::Quick(Some(QuickFilter::Orphans)),
    ));
    entries.push(named("marked", "tenants that are marked", MenuRun::Quick(Some(QuickFilter::Marked))));
    let mut statuses: Vec<&Untrusted> =
        state.snapshot.tenants.iter().filter_map(|tenant| tenant.status.as_ref()).collect();
    statuses.sort();
    statuses.dedup();
    for status in statuses.into_iter().take(50) {
        let word = status.safe().to_string();
        if !entries.iter().any(|entry| entry.name == word) {
            let title = format!("tenants whose status is {word}");
            entries.push(named(&word, &title, MenuRun::Quick(Some(QuickFilter::Status(status.clone())))));
        }
    }
    entries
}

fn databases(state: &State) -> Vec<MenuEntry> {
    if state.latest.databases.len() < 2 {
        return Vec::new();
    }
    let mut entries = vec![named("database all", "show all databases", MenuRun::Database(None))];
    for view in &state.latest.databases {
        let title = format!("show only {}", view.name);
        entries.push(named(&format!("database {}", view.name), &title, MenuRun::Database(Some(view.name.clone()))));
    }
    entries
}

fn palette(typed: &str, state: &State, keymap: &Keymap) -> Vec<MenuEntry> {
    if let Some(wanted) = typed.strip_prefix("tenant ") {
        return tenants(wanted.trim(), state).into_iter().map(|(_, entry)| entry).collect();
    }
    let everything = ACTIONS
        .iter()
        .filter(|info| offered(info.action, state))
        .map(|info| entry(info, state, keymap))
        .chain(filters(state))
        .chain(databases(state));
    let mut fuzzy = Fuzzy::new(typed);
    let mut found: Vec<((u8, u32), MenuEntry)> = everything
        .filter_map(|entry| {
            let score = fuzzy.score([entry.name.as_str(), entry.title.as_str()].into_iter())?;
            Some(((rank(typed, &entry.name), score), entry))
        })
        .collect();
    if !typed.is_empty() {
        found.extend(tenants(typed, state).into_iter().map(|(score, entry)| {
            let slug = entry.name.strip_prefix("tenant ").unwrap_or(&entry.name);
            // A tenant of exactly this name comes before actions that only resemble it.
            let rank = if slug.eq_ignore_ascii_case(typed) { 3 } else { 0 };
            ((rank, score), entry)
        }));
    }
    found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Moving about by name makes no sense; the rest is offered, also where it works on another screen only.
fn offered(action: Action, state: &State) -> bool {
    match action {
        Action::Down
        | Action::Up
        | Action::HalfPageDown
        | Action::HalfPageUp
        | Action::PageDown
        | Action::PageUp
        | Action::Open
        | Action::Palette => false,
        other => other.applies_to(state.screen) || other.info().writes,
    }
}

fn rank(typed: &str, name: &str) -> u8 {
    if typed.is_empty() {
        0
    } else if name.eq_ignore_ascii_case(typed) {
        4
    } else if name.starts_with(typed) {
        2
    } else {
        1
    }
}

fn tenants(typed: &str, state: &State) -> Vec<(u32, MenuEntry)> {
    let mut fuzzy = Fuzzy::new(typed);
    let mut found: Vec<(bool, u32, usize)> = state
        .snapshot
        .tenants
        .iter()
        .enumerate()
        .filter_map(|(index, tenant)| {
            let fields = [
                Some(tenant.slug.raw()),
                tenant.name.as_ref().map(|n| n.raw()),
                tenant.schema.as_ref().map(|s| s.raw()),
            ];
            let score = fuzzy.score(fields.into_iter().flatten())?;
            Some((tenant.slug.raw().eq_ignore_ascii_case(typed), score, index))
        })
        .collect();
    found.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then(a.2.cmp(&b.2)));
    found
        .into_iter()
        .take(TENANTS_OFFERED)
        .filter_map(|(_, score, index)| state.snapshot.tenants.get(index).map(|tenant| (score, tenant)))
        .map(|(score, tenant)| {
            let slug = tenant.slug.safe();
            let name = tenant.name.as_ref().map(|name| name.safe().to_string()).unwrap_or_default();
            let title =
                if state.latest.databases.len() > 1 { format!("{name} ({})", tenant.key.database) } else { name };
            (score, named(&format!("tenant {slug}"), &title, MenuRun::Tenant(tenant.key.clone())))
        })
        .collect()
}
