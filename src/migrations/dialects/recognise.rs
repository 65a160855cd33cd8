//! Which tool keeps the ledger of a schema: judged from the catalog's facts, for all schemas at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Dialect, Shape, dialect, rails};
use crate::model::ident::QualifiedName;
use crate::model::ledger::{LedgerState, Tool};
use crate::postgres::ledgers::{Activity, CandidateTable, RelationKind, TableShape};
use crate::text::Untrusted;

/// Names that applications give to tables of their own: without a tool's columns they say nothing.
const COMMON_NAMES: [&str; 3] = ["migrations", "changes", "schema_version"];

/// The names to look for in the catalog: every tool's default names, and what tells Rails from dbmate.
#[must_use]
pub fn candidate_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Tool::ALL
        .into_iter()
        .flat_map(|tool| dialect(tool).shapes)
        .chain([&rails::METADATA])
        .flat_map(|shape| shape.tables)
        .copied()
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What is known besides the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// `tool` of the configuration.
    pub configured: Option<Tool>,
    /// The tool whose files are in the migration folder.
    pub folder: Option<Tool>,
}

/// The ledger of one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLedger {
    /// Whose.
    pub tool: Tool,
    /// Whether the columns alone (or the configuration, or the folder) decide it. Writing needs a certain answer.
    pub certain: bool,
    /// The table.
    pub name: QualifiedName,
    /// The tool's further table beside it, where it is there and may be read.
    pub companion: Option<QualifiedName>,
    /// The table's oid.
    pub table_oid: u32,
    /// USAGE on the schema and SELECT on the table.
    pub readable: Readable,
    /// A hint whether it changed since another reading.
    pub activity: Activity,
}

/// Whether the role may read a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the privileges")]
pub enum Readable {
    Yes,
    NeedsUsage,
    NeedsSelect,
    NeedsBoth,
}

/// What was found in one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One ledger.
    Ledger(FoundLedger),
    /// Tables that look like a ledger, of no known tool or of several; why in words.
    Unclear {
        /// The tables' names.
        tables: Vec<Arc<str>>,
        /// In words.
        why: Untrusted,
    },
}

/// The ledgers of a database, by the oid of their schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledgers {
    /// A schema that is not here has no ledger.
    pub by_schema: HashMap<u32, Found>,
}

impl Ledgers {
    /// How many schemas have a ledger of each tool, most first.
    #[must_use]
    pub fn census(&self) -> Vec<(Tool, usize)> {
        let mut counts: HashMap<Tool, usize> = HashMap::new();
        for found in self.by_schema.values() {
            if let Found::Ledger(ledger) = found {
                *counts.entry(ledger.tool).or_default() += 1;
            }
        }
        let mut census: Vec<_> = counts.into_iter().collect();
        census.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        census
    }
}

impl FoundLedger {
    /// Why this role (quoted) may not read it, and the statements that would help; `None` where it may.
    #[must_use]
    pub fn no_access(&self, role: &str) -> Option<LedgerState> {
        let usage = format!("GRANT USAGE ON SCHEMA {} TO {role}", self.name.schema.quoted());
        let select = format!("GRANT SELECT ON {} TO {role}", self.name.quoted());
        let grants = match self.readable {
            Readable::Yes => return None,
            Readable::NeedsUsage => usage,
            Readable::NeedsSelect => select,
            Readable::NeedsBoth => format!("{usage}; {select}"),
        };
        let text = format!("this role may not read the ledger {}; an owner can run: {grants}", self.name.quoted());
        Some(LedgerState::NoAccess(text.into()))
    }
}

/// Judges the candidates of a whole database.
#[must_use]
pub fn recognise(candidates: &[CandidateTable], hints: Hints) -> Ledgers {
    let mut by_shape: HashMap<(*const TableShape, &str), Option<Tool>> = HashMap::new();
    let mut with_metadata: HashSet<u32> = HashSet::new();
    let mut tables: HashMap<u32, Vec<(&CandidateTable, Option<Tool>)>> = HashMap::new();
    for candidate in candidates {
        let name = candidate.name.name.raw();
        if rails::METADATA.tables.contains(&name) {
            if matches(&rails::METADATA, &candidate.shape) {
                with_metadata.insert(candidate.schema_oid);
            }
            continue;
        }
        let tool = match candidate.kind {
            RelationKind::Table => *by_shape
                .entry((Arc::as_ptr(&candidate.shape), name))
                .or_insert_with(|| tool_of(name, &candidate.shape)),
            RelationKind::Other => None,
        };
        if tool.is_some() || !COMMON_NAMES.contains(&name) {
            tables.entry(candidate.schema_oid).or_default().push((candidate, tool));
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
            (schema, judge(&tables, metadata, hints))
        })
        .collect();
    Ledgers { by_schema }
}

/// Where `ar_internal_metadata` is, as seen from one schema.
#[derive(Clone, Copy)]
enum Metadata {
    Here,
    Elsewhere,
    Nowhere,
}

fn judge(tables: &[(&CandidateTable, Option<Tool>)], metadata: Metadata, hints: Hints) -> Found {
    let known: Vec<(&CandidateTable, Tool, bool)> = tables
        .iter()
        .filter_map(|(candidate, tool)| {
            let (tool, certain) = settle((*tool)?, &candidate.shape, metadata, hints);
            Some((*candidate, tool, certain))
        })
        .collect();
    let names = || tables.iter().map(|(candidate, _)| candidate.name.name.raw().into()).collect();
    let chosen = match known.as_slice() {
        [] => {
            let why = tables.iter().map(|(candidate, _)| unknown(candidate)).collect::<Vec<_>>().join("; ");
            return Found::Unclear { tables: names(), why: why.into() };
        }
        [one] => one,
        several => match several.iter().find(|(_, tool, _)| Some(*tool) == hints.configured.or(hints.folder)) {
            Some(named) => named,
            None => {
                let tools: Vec<_> =
                    several.iter().map(|(c, tool, _)| format!("{} ({tool})", c.name.name.quoted())).collect();
                let why = format!(
                    "this schema has {} ledgers: {}; say which one counts with tool = \"...\" in [database.migrations]",
                    tools.len(),
                    tools.join(", ")
                );
                return Found::Unclear { tables: names(), why: why.into() };
            }
        },
    };
    let (candidate, tool, certain) = *chosen;
    let readable = match (candidate.may_use_schema, candidate.may_select) {
        (true, true) => Readable::Yes,
        (false, true) => Readable::NeedsUsage,
        (true, false) => Readable::NeedsSelect,
        (false, false) => Readable::NeedsBoth,
    };
    Found::Ledger(FoundLedger {
        tool,
        certain,
        name: candidate.name.clone(),
        companion: None,
        table_oid: candidate.table_oid,
        readable,
        activity: candidate.activity,
    })
}

/// Breaks the tie between Rails and dbmate, in the order of certainty.
fn settle(tool: Tool, shape: &TableShape, metadata: Metadata, hints: Hints) -> (Tool, bool) {
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
