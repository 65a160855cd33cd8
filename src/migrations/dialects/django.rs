//! Django and django-tenants: a row per applied (app, name). A ledger names every app of the project, also those whose
//! tables are elsewhere, so only the rows of the apps that count for a schema say anything about it (docs/adr/0013).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::rows::Columns;
use super::{
    Class, Dialect, FIELD, FileName, FileRules, Gap, Interner, LedgerTables, Names, Order, Parsed, Reading, SEPARATOR,
    Seen, Shape, ToolLock, leading_digits, rows,
};
use crate::migrations::folder::{
    Entry, FileFacts, Folder, FolderError, FolderFacts, Listed, Listing, MigrationFile, python, read_text,
};
use crate::model::ledger::{Tool, Version};
use crate::postgres::session::{QueryError, TextRow};

pub(super) static DIALECT: Dialect = Dialect {
    tool: Tool::Django,
    shapes: &[Shape::exactly(
        &["django_migrations"],
        &[("id", "int"), ("app", "varchar*"), ("name", "varchar*"), ("applied", "timestamptz")],
    )],
    order: Order::AsListed,
    zeros_are_equal: false,
    gap: Gap::ByGraph,
    companion: None,
    lock: ToolLock::None,
    reading: Reading { sql, parse, history, checksum: None, position_only: false },
    files: Some(FileRules::not_run(7, classify)),
    writing: None,
};

fn sql(LedgerTables { ledger, .. }: &LedgerTables<'_>) -> String {
    format!("SELECT string_agg(app || '{FIELD}' || name, '{SEPARATOR}' ORDER BY id) FROM {ledger}")
}

fn parse(rows: &[TextRow], interner: &mut Interner) -> Result<Parsed, QueryError> {
    Ok(rows::parsed(rows, interner, Order::AsListed, Columns::default()))
}

fn history(ledger: &str) -> String {
    format!("SELECT app || '{FIELD}' || name, name, applied, false, NULL FROM {ledger} ORDER BY id")
}

/// `<app>/migrations/0001_initial.py`, `<app>/0001_initial.py`, or a folder of one app.
fn classify(path: &str) -> Class {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let Some(stem) = file.strip_suffix(".py") else { return Class::Other };
    let is_named = leading_digits(stem).is_some_and(|(digits, rest)| digits.len() == 4 && rest.starts_with('_'));
    let is_placed = folder == "migrations" || folder.ends_with("/migrations");
    if stem.starts_with(['_', '~']) || !(is_named || is_placed) {
        return Class::Other;
    }
    let app = folder.strip_suffix("migrations").map_or(folder, |above| above.trim_end_matches('/'));
    let app = app.rsplit('/').next().unwrap_or(app);
    let version = if app.is_empty() { stem.to_owned() } else { long(app, stem) };
    Class::Code(FileName::new(&version, stem))
}

fn long(app: &str, name: &str) -> String {
    format!("{app}.{name}")
}

/// Migrations of all apps, each behind those that it depends on.
pub(super) fn list(path: &Path, entries: Vec<Entry>) -> Result<Listing, FolderError> {
    let mut listing = Listing { by_graph: true, ..Listing::default() };
    let mut first: Vec<(String, String)> = Vec::new();
    for entry in entries {
        let Class::Code(file) = classify(&entry.below) else { continue };
        let text: Arc<str> = read_text(&entry.path)?.into();
        if !text.contains("class Migration") {
            listing.notes.push(format!("{} is left out: it has no class Migration", entry.below));
            continue;
        }
        let mut listed = Listed::code(&file.version, &file.name, entry, Arc::clone(&text));
        listed.transactional = !text.lines().any(|line| line.replace(' ', "").starts_with("atomic=False"));
        for found in python::assignments(&text, &["dependencies", "replaces", "run_before"]) {
            let pairs = found.value.pairs();
            let keys = pairs.iter().map(|(app, name)| long(app, name));
            match found.name.as_str() {
                "dependencies" => listed.parents.extend(keys),
                "replaces" => listed.replaces.extend(keys),
                _ => first.extend(keys.map(|key| (file.version.clone(), key))),
            }
        }
        listing.files.push(listed);
    }
    let apps: BTreeSet<String> = listing
        .files
        .iter()
        .filter_map(|listed| listed.version.split_once('.'))
        .map(|(app, _)| app.to_owned())
        .collect();
    if apps.is_empty() {
        one_app(path, &mut listing);
    }
    for (before, after) in first {
        if let Some(listed) = listing.files.iter_mut().find(|listed| listed.version == after) {
            listed.parents.push(before);
        }
    }
    for listed in &mut listing.files {
        for parent in &mut listed.parents {
            // `("auth", "__first__")`: that app's first file, whatever its name is.
            if let Some(app) = parent.strip_suffix(".__first__") {
                *parent = long(app, "0001_initial");
            }
        }
    }
    listing.scopes = apps.into_iter().collect();
    Ok(listing)
}

/// A folder of one app, whose label nobody says here: what most files depend on and is among them, or the folder's name.
fn one_app(path: &Path, listing: &mut Listing) {
    let names: BTreeSet<String> = listing.files.iter().map(|listed| listed.version.clone()).collect();
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for listed in &listing.files {
        for parent in listed.parents.iter().chain(&listed.replaces) {
            if let Some((app, name)) = parent.split_once('.')
                && names.contains(name)
                && name != listed.version
            {
                *votes.entry(app.to_owned()).or_default() += 1;
            }
        }
    }
    let named = path.ends_with("migrations").then(|| path.parent()).flatten().unwrap_or(path).file_name();
    let named = named.and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let voted = votes.into_iter().max_by_key(|(app, votes)| (*votes, *app == named)).map(|(app, _)| app);
    let label = voted.unwrap_or(named);
    let prefix = format!("{label}.");
    for listed in &mut listing.files {
        for other in listed.parents.iter_mut().chain(&mut listed.replaces) {
            if let Some(name) = other.strip_prefix(&prefix) {
                *other = name.to_owned();
            }
        }
        listed.keys = vec![format!("{label}{FIELD}{}", listed.version)];
    }
}

/// The app whose table this is: Django names tables `<app>_<model>`.
fn owner<'a>(apps: impl Iterator<Item = &'a str>, table: Option<&str>) -> Option<&'a str> {
    let table = table?;
    apps.filter(|app| table.strip_prefix(app).is_some_and(|rest| rest.starts_with('_'))).max_by_key(|app| app.len())
}

/// The apps that count: those asked for, else all but the one that owns the tenants table and those of `without`.
fn counted<'a>(apps: &BTreeSet<&'a str>, seen: &super::LedgerScope) -> BTreeSet<&'a str> {
    if let Some(wanted) = &seen.apps {
        return apps.iter().copied().filter(|app| wanted.iter().any(|wanted| wanted == app)).collect();
    }
    let owner = owner(apps.iter().copied(), seen.tenants_table.as_deref());
    let left = |app: &&str| Some(*app) != owner && !seen.without.iter().any(|other| other == app);
    let counted: BTreeSet<&str> = apps.iter().copied().filter(left).collect();
    if counted.is_empty() { apps.clone() } else { counted }
}

/// The folder with the files of the apps that count. Where that is one app, its files are called by their names alone.
#[must_use]
pub fn of_counted_apps(folder: &Folder, scope: &super::LedgerScope) -> Folder {
    let apps: BTreeSet<&str> = folder.facts.scopes.iter().map(String::as_str).collect();
    if apps.is_empty() || folder.tool != Tool::Django {
        return folder.clone();
    }
    let counted = counted(&apps, scope);
    let is_one = counted.len() == 1;
    let called = |version: &Version| match version.raw().split_once('.') {
        Some((_, name)) if is_one => Version::new(name),
        Some(_) | None => version.clone(),
    };
    let is_counted = |version: &Version| version.raw().split_once('.').is_some_and(|(app, _)| counted.contains(app));
    let (mut files, mut facts) = (Vec::new(), Vec::new());
    for (file, fact) in folder.files.iter().zip(&folder.facts.files) {
        if is_counted(&file.version) {
            let position = files.len();
            let version = called(&file.version);
            files.push(Arc::new(MigrationFile { version, position, ..MigrationFile::clone(file) }));
            let among = |versions: &[Version]| versions.iter().filter(|one| is_counted(one)).map(called).collect();
            facts.push(FileFacts { keys: Vec::new(), parents: among(&fact.parents), replaces: among(&fact.replaces) });
        }
    }
    let scopes = counted.into_iter().map(str::to_owned).collect();
    Folder { files, facts: FolderFacts { scopes, files: facts }, ..folder.clone() }
}

/// Rows of the apps that count, called as their files are.
pub(super) fn names(seen: &Seen<'_>) -> Names {
    let apps: BTreeSet<&str> =
        seen.entries.iter().filter_map(|entry| entry.split_once(FIELD)).map(|(app, _)| app).collect();
    let counted: BTreeSet<String> = match seen.folder {
        Some(folder) if !folder.facts.scopes.is_empty() => folder.facts.scopes.iter().cloned().collect(),
        Some(folder) => app_of_flat(folder, seen).into_iter().collect(),
        None => counted(&apps, seen.scope).into_iter().map(str::to_owned).collect(),
    };
    let is_one = counted.len() == 1;
    let rename = move |entry: &str| {
        let (app, name) = entry.split_once(FIELD)?;
        counted.contains(app).then(|| if is_one { name.to_owned() } else { long(app, name) })
    };
    let files = seen.folder.iter().flat_map(|folder| folder.files.iter().zip(&folder.facts.files));
    let behind = files.filter(|(_, facts)| !facts.replaces.is_empty()).map(|(file, facts)| {
        (file.version.raw().to_owned(), facts.replaces.iter().map(|one| one.raw().to_owned()).collect())
    });
    Names { rename: Some(Box::new(rename)), order: None, behind: behind.collect() }
}

/// The app whose rows carry the names of the files of a folder; where several do, the one that the files hint at.
fn app_of_flat(folder: &Folder, seen: &Seen<'_>) -> Option<String> {
    let names: BTreeSet<&str> = folder.files.iter().map(|file| file.version.raw()).collect();
    let hint = folder.facts.files.iter().flat_map(|facts| &facts.keys).find_map(|key| key.split_once(FIELD));
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for (app, name) in seen.entries.iter().filter_map(|entry| entry.split_once(FIELD)) {
        let is_asked = seen.scope.apps.as_ref().is_none_or(|apps| apps.iter().any(|wanted| wanted == app));
        if is_asked && names.contains(name) {
            *votes.entry(app).or_default() += 1;
        }
    }
    let hinted = hint.map(|(app, _)| app);
    votes.into_iter().max_by_key(|(app, votes)| (*votes, Some(*app) == hinted)).map(|(app, _)| app.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_of_the_app_they_stand_in() {
        let version = |path: &str| match classify(path) {
            Class::Code(name) => Some(name.version),
            _ => None,
        };
        assert_eq!(version("shop/migrations/0001_initial.py").as_deref(), Some("shop.0001_initial"));
        assert_eq!(version("src/apps/shop/migrations/custom.py").as_deref(), Some("shop.custom"));
        assert_eq!(version("shop/0001_initial.py").as_deref(), Some("shop.0001_initial"));
        assert_eq!(version("0001_initial.py").as_deref(), Some("0001_initial"));
        for other in ["shop/models.py", "shop/migrations/__init__.py", "manage.py", "0001_initial.sql"] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_app_owns_the_table() {
        let of = |table| owner(["shop", "shop_tenants", "auth"].into_iter(), Some(table));
        assert_eq!(of("shop_tenants_client"), Some("shop_tenants"));
        assert_eq!(of("shop_client"), Some("shop"));
        assert_eq!(of("tenants"), None);
    }
}
