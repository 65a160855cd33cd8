//! Where the schemas of a database stand: their ledgers found by one catalog query, recognised, read in chunks.
//!
//! ```text
//! let found = ledgers::find(&reader, hints).await?;                    // one query for all schemas
//! let read = ledgers::read(&reader, &found, &oids, &mut interner, |done| ...).await?;
//! let state = read.state(schema_oid);
//! ```

use std::collections::{HashMap, HashSet};

use super::dialects::{
    Found, FoundLedger, Hints, Interner, LedgerTables, Ledgers, Order, candidate_names, database_wide_schema, dialect,
    recognise,
};
use super::folder::Folder;
use super::lens::Lens;
use super::plan::standing;
use crate::model::ident::{Ident, QualifiedName};
use crate::model::ledger::{LedgerReading, LedgerState, Tool, Version};
use crate::model::tenant::{MigrationDetail, MigrationState};
use crate::postgres::ledgers::{CHUNK, candidates, read_chunked};
use crate::postgres::session::{QueryError, Reader, TextRow};

/// Ledgers as they were read.
#[derive(Debug, Default)]
pub struct LedgersRead {
    /// By the oid of the schema.
    pub states: HashMap<u32, LedgerState>,
    /// Relations that the session opened for it, at least: after some thousands, open a new session.
    pub relations: usize,
}

impl LedgersRead {
    /// The state of a schema that was asked for.
    #[must_use]
    pub fn state(&self, schema_oid: u32) -> LedgerState {
        self.states.get(&schema_oid).cloned().unwrap_or(LedgerState::Unread)
    }
}

/// Finds and recognises the ledgers of all schemas, by one catalog query.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn find(reader: &Reader, hints: &Hints) -> Result<Ledgers, QueryError> {
    Ok(recognise(&candidates(reader, &candidate_names(hints)).await?, hints))
}

/// The ledgers that are kept for the whole database: they say nothing about a single schema. A tenant's own and the
/// shared schema's are not among them, unless the configuration names that one table for all.
#[must_use]
pub fn database_wide(found: &Ledgers, hints: &Hints, tenants: &HashSet<u32>, shared: Option<u32>) -> Vec<u32> {
    let is_named = hints.table.as_ref().is_some_and(|table| table.schema.is_some());
    let is_wide = |(oid, found): (&u32, &Found)| match found {
        Found::Ledger(ledger) => {
            let by_tool = database_wide_schema(ledger.tool).is_some() && !tenants.contains(oid) && shared != Some(*oid);
            (is_named || by_tool).then_some(*oid)
        }
        Found::Unclear { .. } => None,
    };
    let mut wide: Vec<u32> = found.by_schema.iter().filter_map(is_wide).collect();
    wide.sort_unstable();
    wide
}

/// The state of a schema without a ledger of its own where there is one for the whole database.
#[must_use]
pub fn kept_elsewhere(found: &Ledgers, wide: &[u32]) -> Option<LedgerState> {
    let ledgers: Vec<&FoundLedger> = wide
        .iter()
        .filter_map(|oid| match found.by_schema.get(oid)? {
            Found::Ledger(ledger) => Some(ledger),
            Found::Unclear { .. } => None,
        })
        .collect();
    let tables: Vec<String> = ledgers.iter().map(|ledger| ledger.name.quoted()).collect();
    let first = ledgers.first()?;
    let why = format!(
        "{} keeps one ledger for the whole database, {}: it does not say what is applied in this schema",
        first.tool,
        tables.join(" and ")
    );
    Some(LedgerState::DatabaseWide { tool: first.tool, why: why.into() })
}

/// Reads the ledgers of these schemas, in this order, in chunks. What one schema's ledger refuses is that schema's
/// state and nobody else's. `progress` gets the number of ledgers that are done.
///
/// # Errors
/// When the link breaks.
pub async fn read(
    reader: &Reader,
    found: &Ledgers,
    schemas: &[u32],
    interner: &mut Interner,
    progress: impl FnMut(usize),
) -> Result<LedgersRead, QueryError> {
    let mut read = LedgersRead::default();
    let mut requests = Vec::new();
    let role = role(reader);
    for schema in schemas {
        match state_before_reading(found.by_schema.get(schema), &role) {
            Ok(ledger) => {
                let companion = ledger.companion.as_ref().map(QualifiedName::quoted);
                let tables = LedgerTables { ledger: &ledger.name.quoted(), companion: companion.as_deref() };
                requests.push(((*schema, ledger), (dialect(ledger.tool).reading.sql)(&tables)));
            }
            Err(state) => {
                read.states.insert(*schema, state);
            }
        }
    }
    // Two tables for a ledger are twice the locks.
    let beside = requests.iter().filter(|((_, ledger), _)| ledger.companion.is_some()).count();
    let chunk = if beside > 0 { CHUNK / 2 } else { CHUNK };
    let answers = read_chunked(reader, requests, chunk, progress).await?;
    read.relations = answers.relations + 2 * beside;
    for ((schema, ledger), answer) in answers.results {
        read.states.insert(schema, state(ledger, answer, interner));
    }
    Ok(read)
}

/// The session's role, quoted, for a GRANT.
fn role(reader: &Reader) -> String {
    Ident::new(reader.facts().user.raw()).map_or_else(|_| "CURRENT_USER".to_owned(), |user| user.quoted())
}

/// What is known of a schema's ledger before its rows are read: the ledger to read, or its state.
fn state_before_reading<'f>(found: Option<&'f Found>, role: &str) -> Result<&'f FoundLedger, LedgerState> {
    match found {
        None => Err(LedgerState::Absent),
        Some(Found::Unclear { why, .. }) => Err(LedgerState::Unreadable { tool: None, why: why.clone() }),
        Some(Found::Ledger(ledger)) => ledger.no_access(role).map_or(Ok(ledger), Err),
    }
}

fn state(ledger: &FoundLedger, answer: Result<Vec<TextRow>, QueryError>, interner: &mut Interner) -> LedgerState {
    let unreadable = |why: String| LedgerState::Unreadable { tool: Some(ledger.tool), why: why.into() };
    let table = ledger.name.quoted();
    let rows = match answer {
        Ok(rows) => rows,
        // Row security, or a privilege that went since the catalog was read.
        Err(QueryError::Server { sqlstate, message }) if sqlstate == "42501" => {
            return LedgerState::NoAccess(format!("the ledger {table} may not be read: {}", message.safe()).into());
        }
        // Dropped since the catalog was read: the next reading will say what is there now.
        Err(QueryError::Server { sqlstate, .. }) if matches!(sqlstate.as_str(), "42P01" | "3F000") => {
            return LedgerState::Unread;
        }
        Err(QueryError::Server { sqlstate, .. }) if sqlstate == "55P03" => {
            return unreadable(format!(
                "the ledger {table} is locked by another session; it is read again with the next refresh"
            ));
        }
        Err(error) => return unreadable(format!("the ledger {table} could not be read: {error}")),
    };
    match (dialect(ledger.tool).reading.parse)(&rows, interner) {
        Ok(parsed) => LedgerState::Read(LedgerReading {
            tool: ledger.tool,
            table: ledger.name.name.raw().into(),
            applied: parsed.applied,
            dirty: parsed.dirty,
            locked: parsed.locked,
        }),
        Err(error) => unreadable(format!("the ledger {table} could not be understood: {error}")),
    }
}

/// The migrations of one schema, oldest first, with what the ledger knows of each. The files that are pending come in
/// their place.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn detail(
    reader: &Reader,
    found: Option<&Found>,
    state: &LedgerState,
    folder: Option<&Folder>,
    lens: &Lens,
) -> Result<Vec<MigrationDetail>, QueryError> {
    let rows = match (found, state) {
        (Some(Found::Ledger(ledger)), LedgerState::Read(_)) => {
            reader.rows(&(dialect(ledger.tool).reading.history)(&ledger.name.quoted())).await?
        }
        _ => Vec::new(),
    };
    Ok(merge(&rows, state, folder, lens))
}

/// Brings the rows of a ledger and the files of a folder together.
fn merge(rows: &[TextRow], state: &LedgerState, folder: Option<&Folder>, lens: &Lens) -> Vec<MigrationDetail> {
    let tool = match (state.reading(), folder) {
        (Some(reading), _) => reading.tool,
        (None, Some(folder)) => folder.tool,
        (None, None) => return Vec::new(),
    };
    let known = dialect(tool);
    let files: HashMap<&str, _> =
        folder.into_iter().flat_map(|folder| &folder.files).map(|file| (known.key(&file.version), file)).collect();
    let checksum = known.reading.checksum;
    let mut details: Vec<MigrationDetail> = Vec::new();
    for row in rows {
        let Some(version) = row.text(0).and_then(|entry| lens.version(tool, entry)) else { continue };
        let file = files.get(known.key(&version));
        let failed = row.is_true(3);
        details.push(MigrationDetail {
            name: file.map(|file| file.name.clone()).or_else(|| row.text(1).map(Into::into)),
            applied_at: row.text(2).map(Into::into),
            state: match (failed, file, folder) {
                (true, _, _) => MigrationState::Dirty,
                (false, None, Some(_)) => MigrationState::Ahead,
                (false, Some(_), _) | (false, None, None) => MigrationState::Applied,
            },
            checksum_ok: match (checksum, row.text(4), file) {
                (Some(checksum), Some(recorded), Some(file)) if !file.is_code => Some(checksum(file) == recorded),
                _ => None,
            },
            version,
        });
    }
    if let Some(folder) = folder {
        add_files(&mut details, state, folder, tool);
    }
    match known.order {
        order @ (Order::Number | Order::Text | Order::Parts | Order::Stamp) => {
            details.sort_by(|a, b| order.compare(&a.version, &b.version))
        }
        // As the files come; what is no file stays behind them, as it was applied.
        Order::AsListed => {
            details.sort_by_key(|detail| files.get(known.key(&detail.version)).map_or(usize::MAX, |file| file.position))
        }
    }
    details
}

/// Files that the rows do not name: pending, or applied before the ledger's history begins.
fn add_files(details: &mut Vec<MigrationDetail>, state: &LedgerState, folder: &Folder, tool: Tool) {
    let known = dialect(tool);
    let pending = standing(state, folder).pending;
    // Where a position is no file, what lies before it is not known.
    let Some(pending) = pending else { return };
    let is_pending = |version: &Version| pending.contains(version);
    let has_a_past =
        known.reading.position_only || state.reading().is_some_and(|reading| reading.applied.baseline.is_some());
    let named: Vec<String> = details.iter().map(|detail| known.key(&detail.version).to_owned()).collect();
    for file in &folder.files {
        if named.iter().any(|key| key == known.key(&file.version)) {
            continue;
        }
        let state = match (is_pending(&file.version), has_a_past) {
            (true, _) => MigrationState::Pending,
            // Behind the position, or behind a baseline.
            (false, true) => MigrationState::Applied,
            // One of Django's that another stands for.
            (false, false) => continue,
        };
        details.push(MigrationDetail {
            version: file.version.clone(),
            name: Some(file.name.clone()),
            applied_at: None,
            state,
            checksum_ok: None,
        });
    }
}
