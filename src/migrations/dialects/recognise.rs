//! Which tool keeps the ledger of a schema: judged from the catalog's facts, for all schemas at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::found::{Found, FoundLedger, Ledgers, Readable};
use super::{Dialect, Shape, dialect, rails};
use crate::config::LedgerTable;
use crate::model::ledger::Tool;
use crate::postgres::ledgers::{CandidateTable, RelationKind, TableShape};

/// Names that applications give to tables of their own: without a tool's columns they say nothing.
const COMMON_NAMES: [&str; 3] = ["migrations", "changes", "schema_version"];

/// The names to look for in the catalog: every tool's default names or the configured one, the tables that stand beside
/// ledgers, and what tells Rails from dbmate.
#[must_use]
pub fn candidate_names(hints: &Hints) -> Vec<String> {
    let shapes = |tool: Tool| -> &'static [Shape] { if hints.table.is_none() { dialect(tool).shapes } else { &[] } };
    let mut names: Vec<String> = Tool::ALL
        .into_iter()
        .flat_map(|tool| shapes(tool).iter().chain(dialect(tool).companion))
        .chain([&rails::METADATA])
        .flat_map(|shape| shape.tables)
        .map(|name| (*name).to_owned())
        .collect();
    if let Some(table) = &hints.table {
        names.extend([table.name.raw().to_owned(), lock_name(table.name.raw())]);
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Knex names the table of its lock after the ledger.
fn lock_name(ledger: &str) -> String {
    format!("{ledger}_lock")
}

/// What is known besides the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// `tool` of the configuration.
    pub configured: Option<Tool>,
    /// The tool whose files are in the migration folder.
    pub folder: Option<Tool>,
    /// `ledger_table` of the configuration: only this table is a ledger, by whatever tool's columns.
    pub table: Option<LedgerTable>,
}

/// Judges the candidates of a whole database.
#[must_use]
pub fn recognise(candidates: &[CandidateTable], hints: &Hints) -> Ledgers {
    let mut by_shape: HashMap<(*const TableShape, &str), Arc<[Tool]>> = HashMap::new();
    let mut with_metadata: HashSet<u32> = HashSet::new();
    let mut tables: HashMap<u32, Vec<Candidate<'_>>> = HashMap::new();
    let mut beside: HashMap<u32, Vec<&CandidateTable>> = HashMap::new();
    for candidate in candidates {
        let name = candidate.name.name.raw();
        let is_asked = hints.table.as_ref().is_some_and(|table| table.name.raw() == name);
        if rails::METADATA.tables.contains(&name) {
            if matches(&rails::METADATA, &candidate.shape) {
                with_metadata.insert(candidate.schema_oid);
            }
            continue;
        }
        if !is_asked && is_companion_name(name, hints) {
            beside.entry(candidate.schema_oid).or_default().push(candidate);
            continue;
        }
        let tools: Arc<[Tool]> = match (candidate.kind, &hints.table) {
            (RelationKind::Other, _) => Arc::new([]),
            (RelationKind::Table, Some(table)) if !is_asked || !table.is_in(&candidate.name.schema) => continue,
            (RelationKind::Table, _) => Arc::clone(
                by_shape
                    .entry((Arc::as_ptr(&candidate.shape), name))
                    .or_insert_with(|| tools_of(name, candidate, hints)),
            ),
        };
        if !tools.is_empty() || is_asked || !COMMON_NAMES.contains(&name) {
            tables.entry(candidate.schema_oid).or_default().push((candidate, tools));
        }
    }
    let by_schema = tables
        .into_iter()
        .map(|(schema, tables)| {
            let metadata = if with_metadata.contains(&schema) {
                Metadata::Here
            } else if with_metadata.is_empty() {
                Metadata::Nowhere
            } else {
                Metadata::Elsewhere
            };
            let beside = beside.get(&schema).map_or(&[][..], Vec::as_slice);
            (schema, judge(&tables, beside, metadata, hints))
        })
        .collect();
    Ledgers { by_schema }
}

fn is_companion_name(name: &str, hints: &Hints) -> bool {
    let named = hints.table.as_ref().is_some_and(|table| lock_name(table.name.raw()) == name);
    named || Tool::ALL.into_iter().filter_map(|tool| dialect(tool).companion).any(|shape| shape.tables.contains(&name))
}

/// The tools whose ledger this may be: by name and columns, and where a name is configured by the columns alone.
fn tools_of(name: &str, candidate: &CandidateTable, hints: &Hints) -> Arc<[Tool]> {
    if hints.table.is_none() {
        return tool_of(name, &candidate.shape).into_iter().collect();
    }
    let has_its_columns = |tool: &Tool| dialect(*tool).shapes.iter().any(|shape| matches(shape, &candidate.shape));
    let fitting: Vec<Tool> = Tool::ALL.into_iter().filter(has_its_columns).collect();
    let tie = [Tool::Rails, Tool::Dbmate, Tool::RailsOrDbmate];
    let is_meant = |tool: &&Tool| match hints.configured {
        Some(configured) => configured == **tool || (tie.contains(&configured) && tie.contains(tool)),
        None => true,
    };
    let meant: Arc<[Tool]> = fitting.iter().filter(is_meant).copied().collect();
    if meant.is_empty() { fitting.into() } else { meant }
}

/// Where `ar_internal_metadata` is, as seen from one schema.
#[derive(Clone, Copy)]
enum Metadata {
    Here,
    Elsewhere,
    Nowhere,
}

/// A candidate, and the tools whose ledger it may be.
type Candidate<'c> = (&'c CandidateTable, Arc<[Tool]>);

/// A candidate that is settled: of this tool, with certainty or not.
type Known<'c> = (&'c CandidateTable, Tool, bool);

fn judge(tables: &[Candidate<'_>], beside: &[&CandidateTable], metadata: Metadata, hints: &Hints) -> Found {
    let unclear = |why: String| Found::Unclear {
        tables: tables.iter().map(|(candidate, _)| candidate.name.name.raw().into()).collect(),
        why: why.into(),
    };
    let known: Vec<Known<'_>> = tables
        .iter()
        .flat_map(|(candidate, tools)| tools.iter().map(move |tool| (*candidate, *tool)))
        .map(|(candidate, tool)| {
            let (tool, certain) = settle(tool, &candidate.shape, metadata, hints);
            (candidate, tool, certain)
        })
        .collect();
    let (candidate, tool, certain) = match known.as_slice() {
        [] => return unclear(tables.iter().map(|(candidate, _)| unknown(candidate)).collect::<Vec<_>>().join("; ")),
        [one] => *one,
        several => match choose(several, hints) {
            Some(chosen) => chosen,
            None => return unclear(which_counts(several, hints)),
        },
    };
    let companion = companion_of(tool, candidate, beside);
    let readable = match (candidate.may_use_schema, candidate.may_select) {
        (true, true) if candidate.rows_hidden => Readable::RowsHidden,
        (true, true) if companion.is_some_and(|table| table.may_select && table.rows_hidden) => {
            Readable::CompanionRowsHidden
        }
        (true, true) => Readable::Yes,
        (false, true) => Readable::NeedsUsage,
        (true, false) => Readable::NeedsSelect,
        (false, false) => Readable::NeedsBoth,
    };
    Found::Ledger(FoundLedger {
        tool,
        certain,
        name: candidate.name.clone(),
        companion: companion.filter(|table| table.may_select).map(|table| table.name.clone()),
        // Without USAGE the ledger cannot be read anyway, and that is what is told.
        companion_denied: companion.filter(|table| !table.may_select).map(|table| table.name.clone()),
        table_oid: candidate.table_oid,
        readable,
        activity: companion.map_or(candidate.activity, |table| candidate.activity.with(&table.activity)),
    })
}

/// The table that stands beside a ledger, of the same schema.
fn companion_of<'c>(tool: Tool, ledger: &CandidateTable, beside: &[&'c CandidateTable]) -> Option<&'c CandidateTable> {
    let shape = dialect(tool).companion?;
    let own = lock_name(ledger.name.name.raw());
    let fits = |table: &&&CandidateTable| table.kind == RelationKind::Table && matches(shape, &table.shape);
    let mut named = beside.iter().filter(fits);
    let by_name = beside.iter().filter(fits).find(|table| table.name.name.raw() == own);
    by_name.or_else(|| named.find(|table| shape.tables.contains(&table.name.name.raw()))).copied()
}

/// The one ledger of several that counts: of the configured tool, else of the folder's; of one tool's names the newer.
fn choose<'c>(several: &[Known<'c>], hints: &Hints) -> Option<Known<'c>> {
    let wanted = match (hints.configured, hints.folder) {
        (Some(tool), _) | (None, Some(tool)) => several.iter().filter(|(_, known, _)| *known == tool).collect(),
        (None, None) => Vec::new(),
    };
    let left: Vec<&Known<'c>> = if wanted.is_empty() { several.iter().collect() } else { wanted };
    let (_, tool, _) = left.first()?;
    if left.iter().any(|(_, other, _)| other != tool) {
        return None;
    }
    // Flyway left `schema_version` behind when it renamed its ledger, and reads the newer one.
    let names: Vec<&str> = dialect(*tool).shapes.iter().flat_map(|shape| shape.tables).copied().collect();
    let rank = |known: &&Known<'c>| names.iter().position(|name| *name == known.0.name.name.raw());
    left.into_iter().min_by_key(|known| rank(known).unwrap_or(usize::MAX)).copied()
}

fn which_counts(several: &[Known<'_>], hints: &Hints) -> String {
    let tables: HashSet<&str> = several.iter().map(|(candidate, _, _)| candidate.name.name.raw()).collect();
    let mut tools: Vec<_> = several.iter().map(|(c, tool, _)| format!("{} ({tool})", c.name.name.quoted())).collect();
    tools.sort();
    let what = if tables.len() == 1 { "a ledger that several tools could have made" } else { "several ledgers" };
    let other = match hints.configured {
        Some(tool) => format!(", and none of the configured {tool}"),
        None => String::new(),
    };
    format!(
        "this schema has {what}: {}{other}; say which one counts with tool = \"...\" in [database.migrations]",
        tools.join(", ")
    )
}

/// Breaks the tie between Rails and dbmate, in the order of certainty.
fn settle(tool: Tool, shape: &TableShape, metadata: Metadata, hints: &Hints) -> (Tool, bool) {
    let version_and_key = shape.primary_key && matches!(tool, Tool::RailsOrDbmate | Tool::Dbmate);
    if !version_and_key {
        return (tool, true);
    }
    if let Some(configured @ (Tool::Rails | Tool::Dbmate)) = hints.configured {
        return (configured, true);
    }
    match (metadata, tool, hints.folder) {
        (Metadata::Here, _, _) => (Tool::Rails, true),
        (_, Tool::Dbmate, _) => (Tool::Dbmate, true),
        (Metadata::Elsewhere, _, folder) => (Tool::Rails, folder == Some(Tool::Rails)),
        (Metadata::Nowhere, _, Some(folder @ (Tool::Rails | Tool::Dbmate))) => (folder, true),
        (Metadata::Nowhere, _, _) => (Tool::RailsOrDbmate, false),
    }
}

fn unknown(candidate: &CandidateTable) -> String {
    let name = candidate.name.name.quoted();
    match candidate.kind {
        RelationKind::Other => format!("{name} is named like a ledger, and is no table"),
        RelationKind::Table => {
            let columns: Vec<_> = candidate
                .shape
                .columns
                .iter()
                .take(12)
                .map(|column| format!("{} {}", column.name, column.type_name))
                .collect();
            format!("{name} is named like a ledger, and its columns ({}) are of no known tool", columns.join(", "))
        }
    }
}

/// The tool whose ledger has these columns. Shapes exclude each other; a test holds that.
pub(super) fn tool_of(table: &str, shape: &TableShape) -> Option<Tool> {
    let fits = |dialect: &&'static Dialect| {
        dialect.shapes.iter().any(|known| known.tables.contains(&table) && matches(known, shape))
    };
    Tool::ALL.into_iter().map(dialect).find(fits).map(|dialect| dialect.tool)
}

pub(super) fn matches(known: &Shape, table: &TableShape) -> bool {
    let required = known.columns.iter().all(|(name, kind)| {
        table.columns.iter().any(|column| &*column.name == *name && is_of_type(&column.type_name, kind))
    });
    let no_others = known.open
        || table.columns.iter().all(|column| {
            known.columns.iter().any(|(name, _)| *name == &*column.name) || known.optional.contains(&&*column.name)
        });
    required && no_others && known.primary_key.is_none_or(|wanted| wanted == table.primary_key)
}

fn is_of_type(type_name: &str, wanted: &str) -> bool {
    match wanted {
        "int" => matches!(type_name, "int4" | "int8"),
        "varchar*" => type_name == "varchar" || type_name.starts_with("varchar("),
        "timestamp*" => matches!(type_name, "timestamp" | "timestamptz"),
        exact => type_name == exact,
    }
}
