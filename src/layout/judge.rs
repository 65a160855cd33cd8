//! From facts of the catalog to a layout: a pure function, so that every case is a test without a server.
//!
//! A layout with marks (tables of its fingerprint) beats one without. Two with marks are never chosen between: the
//! configuration has to name one.

use std::collections::BTreeSet;

pub use super::apply::{Unfit, apply, learn_template};
pub use super::facts::{ColumnFacts, Facts, PointingTable, TableFacts};
use super::file::{FindTable, LayoutFile, RegistryKind, TableMark, Within};
use crate::text::Untrusted;

/// A layout that fits, and why.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    /// The file.
    pub file: &'a LayoutFile,
    /// Its registry's table, where it has one.
    pub registry: Option<&'a TableFacts>,
    /// Why, a line for each mark.
    pub evidence: Vec<Untrusted>,
    /// What was tried besides, and what it missed.
    pub missed: Vec<Missed>,
    /// What fits as well and was not taken, and why.
    pub doubts: Vec<Untrusted>,
    /// No tenant is there yet that would show it: only the shared schema has its marks.
    weak: bool,
}

/// A layout that does not fit, and what it missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Its name.
    pub layout: String,
    /// What was not there, in words.
    pub what: Untrusted,
}

/// Why no layout can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// None fits: what each missed.
    None(Vec<Missed>),
    /// Several do: their names, and the marks of each.
    Several(Vec<(String, Vec<Untrusted>)>),
}

/// The layout of `files` that fits. One with marks is taken before one without, unless that one's registry is another
/// table: then `public.tenants` with a slug says where tenants are, and the others are doubts. Where none fits, a tenants
/// table whose slug has another name is taken by the layout `plain`.
///
/// # Errors
/// What each layout missed, or that several fit.
pub fn judge<'a>(files: &'a [LayoutFile], facts: &'a Facts) -> Result<Fit<'a>, Undecided> {
    let (fits, missed) = try_all(files, facts, Slug::Certain);
    let (marked, bare): (Vec<Fit<'a>>, Vec<Fit<'a>>) =
        fits.into_iter().partition(|fit| !fit.file.fingerprint.tables.is_empty());
    let Some(bare) = bare.into_iter().next() else {
        if !marked.is_empty() {
            return one_of(marked, missed);
        }
        let named = files.iter().find_map(|file| fit(file, facts, Slug::AnyName).ok());
        return match named {
            Some(fit) => {
                let missed = missed.into_iter().filter(|missed| missed.layout != fit.file.name).collect();
                Ok(Fit { missed, ..fit })
            }
            None => Err(Undecided::None(missed)),
        };
    };
    let oid = |fit: &Fit<'_>| fit.registry.map(|table| table.oid);
    let (same, others): (Vec<Fit<'a>>, Vec<Fit<'a>>) =
        marked.into_iter().partition(|fit| fit.registry.is_some() && oid(fit) == oid(&bare));
    if !same.is_empty() {
        return one_of(same.into_iter().chain(others).collect(), missed);
    }
    let why = "the table with a slug was taken for the list of tenants";
    let doubts = others.iter().map(|fit| doubt(fit, why)).collect();
    Ok(Fit { missed, doubts, ..bare })
}

/// Every layout, tried.
fn try_all<'a>(files: &'a [LayoutFile], facts: &'a Facts, slug: Slug) -> (Vec<Fit<'a>>, Vec<Missed>) {
    let mut fits = Vec::new();
    let mut missed = Vec::new();
    for file in files {
        match fit(file, facts, slug) {
            Ok(fit) => fits.push(fit),
            Err(what) => missed.push(Missed { layout: file.name.clone(), what: Untrusted::new(what) }),
        }
    }
    (fits, missed)
}

fn doubt(fit: &Fit<'_>, why: &str) -> Untrusted {
    let marks: Vec<&str> = fit.evidence.iter().map(Untrusted::raw).collect();
    Untrusted::new(format!("{} fits as well ({}); {why}", fit.file.name, marks.join("; ")))
}

/// The one that fits; of several those count that a tenant or a registry shows.
fn one_of<'a>(fits: Vec<Fit<'a>>, missed: Vec<Missed>) -> Result<Fit<'a>, Undecided> {
    let (weak, mut strong): (Vec<Fit<'a>>, Vec<Fit<'a>>) = fits.into_iter().partition(|fit| fit.weak);
    let (mut first, others) = if strong.is_empty() { (weak, Vec::new()) } else { (std::mem::take(&mut strong), weak) };
    if first.len() > 1 {
        let all = first.into_iter().map(|fit| (fit.file.name.clone(), fit.evidence)).collect();
        return Err(Undecided::Several(all));
    }
    let why = "no tenant of it was found";
    let doubts = others.iter().map(|fit| doubt(fit, why)).collect();
    match first.pop() {
        Some(fit) => Ok(Fit { missed, doubts, ..fit }),
        None => Err(Undecided::None(missed)),
    }
}

/// Whether a column by another name than the first may be the slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slug {
    /// Only the first name of the layout's list.
    Certain,
    /// Any name of the list.
    AnyName,
    /// The configuration says where tenants are listed.
    NotNeeded,
}

/// Whether one layout fits.
///
/// # Errors
/// What it missed.
pub fn fit<'a>(file: &'a LayoutFile, facts: &'a Facts, slug: Slug) -> Result<Fit<'a>, String> {
    let mut evidence = Vec::new();
    let registry = needed(file, facts, slug)?;
    if let Some(table) = registry {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        evidence.push(Untrusted::new(format!("{} has the columns {}", table.shown(), names.join(", "))));
    }
    let mut weak = false;
    if !file.fingerprint.tables.is_empty() {
        let schema = marked_schema(file, facts)?;
        weak = registry.is_none() && schema == "public";
        if schema == "public"
            && let (Some(table), Some(find)) = (registry, &file.registry.find)
            && !is_pointed_at(table, find)
        {
            return Err(format!(
                "no schema but public holds {}, and no table with {} points at {}",
                file.fingerprint.tables.iter().map(|mark| mark.table.as_str()).collect::<Vec<_>>().join(", "),
                find.pointed_at_by.join(", "),
                table.shown()
            ));
        }
        evidence.extend(file.fingerprint.tables.iter().map(|mark| {
            let columns =
                if mark.columns.is_empty() { String::new() } else { format!(", with {}", mark.columns.join(", ")) };
            Untrusted::new(format!("{schema}.{} is there{columns}", mark.table))
        }));
    }
    Ok(Fit { file, registry, evidence, missed: Vec::new(), doubts: Vec::new(), weak })
}

fn needed<'a>(file: &LayoutFile, facts: &'a Facts, slug: Slug) -> Result<Option<&'a TableFacts>, String> {
    match (file.registry.kind, slug) {
        (RegistryKind::Table, Slug::Certain | Slug::AnyName) => registry(file, facts, slug).map(Some),
        (RegistryKind::Scan | RegistryKind::Query, _) | (RegistryKind::Table, Slug::NotNeeded) => Ok(None),
    }
}

/// The layout that the configuration names: its registry must be there, its fingerprint need not.
///
/// # Errors
/// What its registry misses.
pub fn named<'a>(file: &'a LayoutFile, facts: &'a Facts, slug: Slug) -> Result<Fit<'a>, String> {
    let registry = needed(file, facts, slug)?;
    let mut evidence = vec![Untrusted::new(format!("the configuration names the layout {}", file.name))];
    let mut doubts = Vec::new();
    match fit(file, facts, slug) {
        Ok(fit) => evidence.extend(fit.evidence),
        Err(what) => doubts.push(Untrusted::new(format!("its fingerprint is not there: {what}"))),
    }
    Ok(Fit { file, registry, evidence, missed: Vec::new(), doubts, weak: false })
}

/// The layout that gives the rest (names, ledger, cache) where the configuration says where tenants are listed: the
/// one whose fingerprint fits, else the first without one.
///
/// # Errors
/// Where several fit, or none.
pub fn base<'a>(files: &'a [LayoutFile], facts: &'a Facts) -> Result<Fit<'a>, Undecided> {
    let (fits, missed) = try_all(files, facts, Slug::NotNeeded);
    let (marked, bare): (Vec<Fit<'a>>, Vec<Fit<'a>>) =
        fits.into_iter().partition(|fit| !fit.file.fingerprint.tables.is_empty());
    if !marked.is_empty() {
        return one_of(marked, missed);
    }
    match bare.into_iter().next() {
        Some(fit) => Ok(Fit { missed, ..fit }),
        None => Err(Undecided::None(missed)),
    }
}

fn registry<'a>(file: &LayoutFile, facts: &'a Facts, slug: Slug) -> Result<&'a TableFacts, String> {
    let names = &file.registry.columns.slug;
    let wanted = match slug {
        Slug::Certain => &names[..names.len().min(1)],
        Slug::AnyName | Slug::NotNeeded => &names[..],
    };
    if let Some(table) = file.table().map_err(|wrong| wrong.to_string())? {
        let (schema, name) = (table.schema.raw(), table.name.raw());
        let found = facts.table(schema, name).ok_or_else(|| format!("{schema}.{name} is absent"))?;
        if wanted.iter().any(|name| found.column(name).is_some()) {
            return Ok(found);
        }
        return Err(format!("{} has no column {}", found.shown(), wanted.join(" or ")));
    }
    let Some(find) = &file.registry.find else { return Err("the layout names no registry".to_owned()) };
    let mut candidates: Vec<&TableFacts> = facts
        .tables
        .iter()
        .filter(|table| table.schema == "public" && table.has(&find.column, &find.type_name))
        .collect();
    let pointed = |table: &&TableFacts| is_pointed_at(table, find);
    if candidates.len() > 1 && candidates.iter().any(pointed) {
        candidates.retain(pointed);
    }
    match candidates.as_slice() {
        [] => Err(format!("no table of public has a column {} {}", find.column, find.type_name)),
        [table] => Ok(table),
        several => {
            let names: Vec<String> = several.iter().map(|table| table.shown()).collect();
            Err(format!("{} could each be the registry: name one in [database.tenants]", names.join(" and ")))
        }
    }
}

/// Whether a table with the columns that the layout names has a foreign key to this one.
fn is_pointed_at(table: &TableFacts, find: &FindTable) -> bool {
    !find.pointed_at_by.is_empty()
        && table.pointed_at_by.iter().any(|by| find.pointed_at_by.iter().all(|name| by.columns.contains(name)))
}

/// A schema that holds all tables of the fingerprint with their columns.
fn marked_schema<'a>(file: &LayoutFile, facts: &'a Facts) -> Result<&'a str, String> {
    let marks = &file.fingerprint.tables;
    let all = || facts.tables.iter().chain(&facts.dropped);
    let holds = |schema: &str, mark: &TableMark| {
        all()
            .find(|table| table.schema == schema && table.name == mark.table)
            .is_some_and(|table| mark.columns().all(|(name, type_name)| table.has(name, type_name)))
    };
    let schemas: BTreeSet<&str> = all()
        .map(|table| table.schema.as_str())
        .filter(|schema| match file.fingerprint.within {
            Within::Tenant => *schema != "public",
            Within::Anywhere => true,
        })
        .collect();
    // A tenant's tells more than the shared one.
    let mut fitting = schemas.iter().filter(|schema| marks.iter().all(|mark| holds(schema, mark)));
    let shared = fitting.clone().find(|schema| **schema == "public");
    if let Some(schema) = fitting.find(|schema| **schema != "public").or(shared) {
        return Ok(schema);
    }
    let where_ = match file.fingerprint.within {
        Within::Tenant => "no schema but public",
        Within::Anywhere => "no schema",
    };
    let marks: Vec<String> = marks
        .iter()
        .map(|mark| {
            if mark.columns.is_empty() {
                mark.table.clone()
            } else {
                format!("{}({})", mark.table, mark.columns.join(", "))
            }
        })
        .collect();
    Err(format!("{where_} holds {}", marks.join(", ")))
}
