//! The ledgers that were found: whose, where, and whether this role may read them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::ident::{QualifiedName, SchemaName};
use crate::model::ledger::{LedgerState, Tool};
use crate::postgres::hidden::MEND_TABLE;
use crate::postgres::ledgers::Activity;
use crate::text::Untrusted;

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
    /// That table, where it is there and may not be read: what it says of locks and failures is then unknown.
    pub companion_denied: Option<QualifiedName>,
    /// The table's oid.
    pub table_oid: u32,
    /// USAGE on the schema and SELECT on the table.
    pub readable: Readable,
    /// A hint whether it changed since another reading.
    pub activity: Activity,
}

impl FoundLedger {
    /// The same tables, where their schema has another name by now.
    #[must_use]
    pub fn moved_to(&self, schema: &SchemaName) -> Self {
        let moved = |table: &QualifiedName| QualifiedName { schema: schema.clone(), name: table.name.clone() };
        Self {
            name: moved(&self.name),
            companion: self.companion.as_ref().map(moved),
            companion_denied: self.companion_denied.as_ref().map(moved),
            ..self.clone()
        }
    }
}

/// Whether the role may read a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the privileges")]
pub enum Readable {
    Yes,
    NeedsUsage,
    NeedsSelect,
    NeedsBoth,
    /// Row level security may hide rows of it: an empty one may not be empty.
    RowsHidden,
    /// The same of its companion.
    CompanionRowsHidden,
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
            Readable::Yes => {
                let table = self.companion_denied.as_ref()?.quoted();
                let text = format!(
                    "this role may read the ledger {} and not {table}, which says whether it is locked or failed; an owner \
                     can run: GRANT SELECT ON {table} TO {role}",
                    self.name.quoted()
                );
                return Some(LedgerState::NoAccess(text.into()));
            }
            Readable::NeedsUsage => usage,
            Readable::NeedsSelect => select,
            Readable::NeedsBoth => format!("{usage}; {select}"),
            Readable::RowsHidden => return Some(rows_hidden(&self.name, "what is applied")),
            Readable::CompanionRowsHidden => {
                let table = self.companion.as_ref().unwrap_or(&self.name);
                return Some(rows_hidden(table, "whether it is locked or failed"));
            }
        };
        let text = format!("this role may not read the ledger {}; an owner can run: {grants}", self.name.quoted());
        Some(LedgerState::NoAccess(text.into()))
    }
}

fn rows_hidden(table: &QualifiedName, what: &str) -> LedgerState {
    let table = table.quoted();
    let why = format!("{what} is not known: row level security may hide rows of {table} from this role; {MEND_TABLE}");
    LedgerState::NoAccess(why.into())
}
