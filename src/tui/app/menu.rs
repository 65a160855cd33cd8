//! The palette (`:`) and the help (`?`), made from the table of actions.

use std::sync::Arc;

use tui_input::Input;

use super::action::{ACTIONS, Action, ActionInfo, SECTIONS};
use super::allowed::allowed;
use super::filter::Fuzzy;
use super::keymap::Keymap;
use super::state::{Menu, MenuEntry, MenuKind, MenuRun, QuickFilter, State, TenantColumn};
use crate::model::filter::Filter;
use crate::model::job::JobView;
use crate::model::tenant::{Tenant, TenantState};
use crate::text::Untrusted;

/// Tenants that the palette offers at most.
const TENANTS_OFFERED: usize = 20;

/// Jobs that the palette offers at most.
const JOBS_OFFERED: usize = 20;

/// The section of what moves the cursor.
const MOVING: &str = SECTIONS[0].1;

/// A menu with nothing typed yet.
#[must_use]
pub fn open(kind: MenuKind, state: &State, keymap: &Keymap) -> Menu {
    let mut menu = Menu { kind, input: Input::default(), fuzzy: Fuzzy::default(), entries: Vec::new(), at: 0 };
    search(&mut menu, state, keymap);
    menu
}

/// Finds again what matches.
pub fn search(menu: &mut Menu, state: &State, keymap: &Keymap) {
    let typed = menu.input.value().trim().to_owned();
    menu.entries = match menu.kind {
        MenuKind::Help => help(&typed, &mut menu.fuzzy, state, keymap),
        MenuKind::Palette => palette(&typed, &mut menu.fuzzy, state, keymap),
    };
    menu.at = 0;
}

fn entry(info: &ActionInfo, state: &State, keymap: &Keymap) -> MenuEntry {
    MenuEntry {
        name: info.name.to_owned(),
        title: info.title.to_owned(),
        keys: keymap.keys_of(info.action).join(", "),
        help: info.help.to_owned(),
        section: info.action.section(),
        writes: info.writes,
        disabled: allowed(state, info.action).err(),
        run: MenuRun::Action(info.action),
    }
}

fn help(typed: &str, fuzzy: &mut Fuzzy, state: &State, keymap: &Keymap) -> Vec<MenuEntry> {
    fuzzy.look_for(typed);
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
        section: "",
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

/// The configuration's filters, by their names; and any other, where `filter TEXT` was typed.
fn written_filters(typed: &str, state: &State) -> Vec<MenuEntry> {
    let saved = state
        .filters
        .iter()
        .map(|(name, text)| named(name, &format!("saved filter: {text}"), MenuRun::Filter(format!(":{name}"))));
    let mut entries: Vec<MenuEntry> = saved.collect();
    if let Some(text) = typed.strip_prefix("filter ").map(str::trim).filter(|text| !text.is_empty()) {
        let mut entry = named(typed, "tenants that fit it", MenuRun::Filter(text.to_owned()));
        entry.disabled = Filter::parse_with(text, &state.filters).err().map(|error| error.to_string());
        entries.push(entry);
    }
    entries
}

/// What takes an argument and is too much to be listed without one: `sort size`, `job 17`.
fn with_arguments(typed: &str, state: &State) -> Vec<MenuEntry> {
    let mut entries = Vec::new();
    if typed.starts_with("sort") {
        for column in TenantColumn::ALL.into_iter().filter(|column| column.sorts()) {
            let word = column.word().to_lowercase();
            entries.push(named(&format!("sort {word}"), &format!("sort the tenants by {word}"), MenuRun::Sort(column)));
        }
    }
    let number = typed.strip_prefix("job").unwrap_or(typed).trim();
    if typed.starts_with("job ") || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        let fits = |job: &&JobView| number.is_empty() || job.id.to_string().starts_with(number);
        for job in state.shown_jobs().filter(fits).take(JOBS_OFFERED) {
            let key = (job.database.clone(), job.id);
            let place = if state.several_databases() { format!(" ({})", job.database) } else { String::new() };
            let title = format!("results of {} {}, {}{place}", job.kind.word(), job.what.safe(), job.state.word());
            entries.push(named(&format!("job {}", job.id), &title, MenuRun::Job(key)));
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

fn palette(typed: &str, fuzzy: &mut Fuzzy, state: &State, keymap: &Keymap) -> Vec<MenuEntry> {
    if let Some(wanted) = typed.strip_prefix("tenant ") {
        return tenants(wanted.trim(), fuzzy, state).into_iter().map(|(_, entry)| entry).collect();
    }
    let everything = ACTIONS
        .iter()
        .filter(|info| offered(info.action))
        .map(|info| entry(info, state, keymap))
        .chain(filters(state))
        .chain(written_filters(typed, state))
        .chain(with_arguments(typed, state))
        .chain(databases(state));
    fuzzy.look_for(typed);
    let mut found: Vec<((u8, bool, u32), MenuEntry)> = everything
        .filter_map(|entry| {
            // What was typed in full is meant, also where its signs mean something in a search: `filter !state:ok`.
            let in_full = entry.name.eq_ignore_ascii_case(typed).then_some(u32::MAX);
            let score = in_full.or_else(|| fuzzy.score([entry.name.as_str(), entry.title.as_str()].into_iter()))?;
            Some(((rank(typed, &entry.name), works_here(&entry, state), score), entry))
        })
        .collect();
    if !typed.is_empty() {
        found.extend(tenants(typed, fuzzy, state).into_iter().map(|(score, entry)| {
            let slug = entry.name.strip_prefix("tenant ").unwrap_or(&entry.name);
            // A tenant of exactly this name comes before actions that only resemble it.
            let rank = if slug.eq_ignore_ascii_case(typed) { 3 } else { 0 };
            ((rank, true, score), entry)
        }));
    }
    found.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Moving about by name makes no sense; the rest is offered, also what works on another screen only: it says so.
fn offered(action: Action) -> bool {
    action.section() != MOVING && action != Action::Palette
}

fn works_here(entry: &MenuEntry, state: &State) -> bool {
    match &entry.run {
        MenuRun::Action(action) => action.applies_to(state.screen),
        MenuRun::Quick(_)
        | MenuRun::Tenant(_)
        | MenuRun::Named(_)
        | MenuRun::Database(_)
        | MenuRun::Filter(_)
        | MenuRun::Sort(_)
        | MenuRun::Job(_) => true,
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

fn tenants(typed: &str, fuzzy: &mut Fuzzy, state: &State) -> Vec<(u32, MenuEntry)> {
    fuzzy.look_for(typed);
    let is_here = |tenant: &Tenant| state.shows(&tenant.key.database);
    let mut found: Vec<(bool, bool, u32, usize)> = state
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
            let domains = tenant.domains.iter().map(|domain| domain.raw());
            let score = fuzzy.score(fields.into_iter().flatten().chain(domains))?;
            Some((tenant.slug.raw().eq_ignore_ascii_case(typed), is_here(tenant), score, index))
        })
        .collect();
    found.sort_by(|a, b| (b.0, b.1, b.2).cmp(&(a.0, a.1, a.2)).then(a.3.cmp(&b.3)));
    let several = in_several(&found, state);
    // Where the application's first instance is the shared schema, it is looked at like the others.
    let pages = state.snapshot.shared.iter().filter_map(|shared| shared.page.as_ref());
    let pages: Vec<_> = pages.filter_map(|page| Some((fuzzy.score(std::iter::once(page.slug.raw()))?, page))).collect();
    let each = found
        .into_iter()
        .take(TENANTS_OFFERED)
        .filter_map(|(_, _, score, index)| state.snapshot.tenants.get(index).map(|tenant| (score, tenant)))
        .chain(pages)
        .map(|(score, tenant)| {
            let slug = tenant.slug.safe();
            let name = tenant.name.as_ref().map(|name| name.safe().to_string()).unwrap_or_default();
            let title =
                if state.latest.databases.len() > 1 { format!("{name} ({})", tenant.key.database) } else { name };
            (score, named(&format!("tenant {slug}"), &title, MenuRun::Tenant(tenant.key.clone())))
        });
    several.into_iter().chain(each).collect()
}

/// What comes first where the name that was typed is that of tenants in several databases: all of them.
fn in_several(found: &[(bool, bool, u32, usize)], state: &State) -> Option<(u32, MenuEntry)> {
    let (is_it, is_here, score, index) = *found.first()?;
    let first = state.snapshot.tenants.get(index).filter(|_| is_it)?;
    let named_so = |(is_it, here, _, index): &&(bool, bool, u32, usize)| {
        // Of a database that is not shown nobody is meant, as long as the one that is has such a tenant.
        let same = |other: &Arc<Tenant>| other.slug == first.slug && other.key.database != first.key.database;
        *is_it && *here == is_here && state.snapshot.tenants.get(*index).is_some_and(same)
    };
    let others = found.iter().filter(named_so).count();
    let title = format!("in {} databases: shows them, to choose one", others + 1);
    let entry = named(&format!("tenant {}", first.slug.safe()), &title, MenuRun::Named(first.slug.clone()));
    (others > 0).then_some((score, entry))
}
