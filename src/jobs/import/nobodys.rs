//! Tables that both schemas may have and that are no tenant's data: ledgers, and what belongs to all tenants.

use super::SOURCE;
use crate::layout::{Layout, Registry};
use crate::migrations::dialects::{Hints, candidate_names};
use crate::model::tenant::Tenant;

/// A table of the source that is brought into no tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nobodys {
    /// Its name.
    pub table: String,
    /// Why.
    pub why: Why,
}

/// Why a table is no tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It says which migrations were applied in its own schema.
    Ledger,
    /// It lists the tenants.
    Registry,
    /// It says which host leads to which tenant.
    Domains,
    /// It lets tenants in; what its rows are.
    Access(String),
    /// The layout says so: `excluded_tables`.
    OfAll,
}

impl Why {
    fn words(&self) -> String {
        match self {
            Self::Ledger => "a ledger".to_owned(),
            Self::Registry => "the registry".to_owned(),
            Self::Domains => "the domains of all tenants".to_owned(),
            Self::Access(title) => format!("the {title} of all tenants"),
            Self::OfAll => "of all tenants, by the layout".to_owned(),
        }
    }
}

/// The tables that no tenant gets. A name may stand there twice: the first says why.
#[must_use]
pub fn nobodys(layout: &Layout, hints: &Hints, tenant: &Tenant) -> Vec<Nobodys> {
    let mut names: Vec<String> = candidate_names(hints);
    names.extend(tenant.ledger.reading().map(|ledger| ledger.table.to_string()));
    names.push("ar_internal_metadata".to_owned());
    let mut found: Vec<Nobodys> = names.into_iter().map(|table| Nobodys { table, why: Why::Ledger }).collect();
    let registry = match &layout.registry {
        Registry::Table { table, .. } => Some(table),
        Registry::Query { .. } | Registry::Scan { .. } => None,
    };
    let single = [
        registry.map(|table| (table, Why::Registry)),
        layout.domains.as_ref().map(|domains| (&domains.table, Why::Domains)),
        layout.access.as_ref().map(|access| (&access.table, Why::Access(access.title.clone()))),
    ];
    for (table, why) in single.into_iter().flatten().filter(|(table, _)| table.schema.raw() == SOURCE) {
        found.push(Nobodys { table: table.name.raw().to_owned(), why });
    }
    let of_all = layout.about.excluded_tables.iter();
    found.extend(of_all.map(|name| Nobodys { table: name.raw().to_owned(), why: Why::OfAll }));
    found
}

/// What is wrong with naming them, a line for each.
#[must_use]
pub fn named(tables: &[String], not: &[Nobodys]) -> Vec<String> {
    let one = |table: &String| {
        let nobodys = not.iter().find(|nobodys| nobodys.table == *table)?;
        Some(format!("{SOURCE}.{table} is no tenant's data ({})", nobodys.why.words()))
    };
    tables.iter().filter_map(one).collect()
}

/// Which of these tables are left out, a line for each reason.
pub(super) fn left_out(tables: &[&str], not: &[Nobodys]) -> Vec<String> {
    let mut lines: Vec<(&Why, Vec<&str>)> = Vec::new();
    for table in tables {
        let Some(nobodys) = not.iter().find(|nobodys| nobodys.table == *table) else { continue };
        match lines.iter_mut().find(|(why, _)| **why == nobodys.why) {
            Some((_, names)) => names.push(table),
            None => lines.push((&nobodys.why, vec![table])),
        }
    }
    lines.into_iter().map(|(why, names)| format!("left out: {} ({})", names.join(", "), why.words())).collect()
}
