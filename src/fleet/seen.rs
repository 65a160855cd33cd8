//! The ledgers of a picture as they are seen through folder and configuration, the shared schema's and those that are
//! kept for the whole database among them. No I/O.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::judge::{self, Facts};
use super::picture::Picture;
use super::reference::Reference;
use crate::layout::Registry;
use crate::migrations::dialects::{Found, Hints, LedgerScope};
use crate::migrations::ledgers::kept_elsewhere;
use crate::migrations::lens::{Glance, Lens};
use crate::migrations::standing::{Standing, Standings, comparable};
use crate::model::fleet::SharedSchema;
use crate::model::ledger::{LedgerState, Tool};
use crate::model::tenant::{Tenant, TenantKey, TenantState};
use crate::postgres::catalog::SchemaRow;

/// Ledgers as they are seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// By the schema's oid.
    pub ledgers: HashMap<u32, LedgerState>,
    /// What a tenant's schema without a ledger means where there is one for the whole database.
    elsewhere: Option<LedgerState>,
}

impl Seen {
    /// The ledger of a tenant's schema.
    pub fn of(&self, schema: u32) -> LedgerState {
        match (self.ledgers.get(&schema), &self.elsewhere) {
            (Some(LedgerState::Absent), Some(elsewhere)) => elsewhere.clone(),
            (Some(ledger), _) => ledger.clone(),
            (None, _) => LedgerState::Unread,
        }
    }
}

impl Picture {
    /// The tool of most tenants, or of the ledger that is kept for all; where no ledger was found yet, the folder's.
    #[must_use]
    pub fn tool(&self) -> Option<Tool> {
        let expected = || self.layout.as_ref().and_then(|layout| layout.expected_tool);
        self.found_tool().or(self.files.tool).or_else(expected)
    }

    /// The tool of the ledgers; where none was found yet, the layout's.
    #[must_use]
    pub fn ledger_tool(&self) -> Option<Tool> {
        self.found_tool().or_else(|| self.layout.as_ref().and_then(|layout| layout.expected_tool))
    }

    fn found_tool(&self) -> Option<Tool> {
        let mut votes: BTreeMap<Tool, usize> = BTreeMap::new();
        let tool_of = |oid: &u32| match self.found.by_schema.get(oid) {
            Some(Found::Ledger(ledger)) => Some(ledger.tool),
            Some(Found::Unclear { .. }) | None => None,
        };
        for tool in self.base.iter().filter_map(|tenant| tool_of(&tenant.schema_oid?)) {
            *votes.entry(tool).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(tool, _)| tool);
        most.or_else(|| self.wide.iter().find_map(tool_of))
    }

    /// The shared schema's oid and name, where the layout has one and it exists.
    #[must_use]
    pub fn shared_schema(&self) -> Option<&SchemaRow> {
        let shared = self.layout.as_ref()?.shared_schema.as_ref()?;
        self.schemas.iter().find(|schema| schema.name.raw() == shared.raw())
    }

    /// Whether the shared schema gets the tenants' own migrations.
    pub(super) fn shared_is_sibling(&self) -> bool {
        self.layout.as_ref().is_some_and(|layout| layout.about.shared_is_sibling)
    }

    /// What is known besides the catalog when ledgers are recognised.
    #[must_use]
    pub fn hints(&self) -> Hints {
        let migrations = &self.config().migrations;
        // What the files tell, not what other ledgers do: that would be a guess.
        Hints { configured: migrations.tool, folder: self.files.detected, table: migrations.ledger_table.clone() }
    }

    /// What counts of the tenants' ledgers and files.
    #[must_use]
    pub fn scope(&self) -> LedgerScope {
        let tenants_table = self.layout.as_ref().and_then(|layout| match &layout.registry {
            Registry::Table { table, .. } => Some(table.name.raw().to_owned()),
            Registry::Query { .. } | Registry::Scan { .. } => None,
        });
        LedgerScope { apps: self.config().migrations.apps.clone(), without: Vec::new(), tenants_table }
    }

    /// What counts of the shared schema's: all that is not the tenants'.
    #[must_use]
    pub fn shared_scope(&self) -> LedgerScope {
        let by_folder = self.files.folder.iter().flat_map(|folder| folder.facts.scopes.iter().cloned()).collect();
        let without = self.config().migrations.apps.clone().unwrap_or(by_folder);
        LedgerScope { apps: None, without, tenants_table: None }
    }

    /// All ledgers as they are seen, and the lens of the tenants'.
    pub(super) fn seen(&self) -> (Lens, Seen) {
        let shared = self.shared_schema().map(|schema| schema.oid);
        let of_tenants = || self.ledgers.iter().filter(|(oid, _)| Some(**oid) != shared);
        let lens = Lens::new(self.files.folder.as_deref(), &self.scope(), of_tenants().map(|(_, ledger)| ledger));
        let of_shared = shared.and_then(|oid| self.ledgers.get(&oid));
        let folder = self.shared_files.folder.as_deref();
        let shared_lens = Lens::new(folder, &self.shared_scope(), of_shared);
        let mut glance = Glance::default();
        let mut ledgers: HashMap<u32, LedgerState> =
            of_tenants().map(|(oid, ledger)| (*oid, lens.see(ledger, &mut glance))).collect();
        if let (Some(oid), Some(ledger)) = (shared, of_shared) {
            ledgers.insert(oid, shared_lens.see(ledger, &mut Glance::default()));
        }
        (lens, Seen { ledgers, elsewhere: self.elsewhere() })
    }

    /// Where any tenant has a ledger of its own, one that lacks it was never migrated. Where none has, it is in the one
    /// that is kept for all.
    fn elsewhere(&self) -> Option<LedgerState> {
        let wide: HashSet<u32> = self.wide.iter().copied().collect();
        let own = self
            .base
            .iter()
            .filter_map(|tenant| tenant.schema_oid)
            .any(|oid| !wide.contains(&oid) && matches!(self.found.by_schema.get(&oid), Some(Found::Ledger(_))));
        if own { None } else { kept_elsewhere(&self.found, &self.wide) }
    }

    /// The shared schema, and the ledgers that are kept for the whole database.
    pub(super) fn shared_ledgers(&self, seen: &Seen, reference: &mut Reference<'_>) -> Vec<SharedSchema> {
        let mut shared = Vec::new();
        if let Some(schema) = self.shared_schema() {
            let ledger = seen.ledgers.get(&schema.oid).unwrap_or(&LedgerState::Unread);
            let standing = match &self.shared_files.folder {
                Some(folder) => Standings::new(folder).of(ledger),
                None => Standing { applied: rows(ledger), ..Standing::default() },
            };
            let mut own = self.shared_ledger(schema, ledger, &standing);
            if schema.holds_tenant_tables {
                // Without files of its own it is compared with those whose sibling it is.
                let as_one = self.shared_files.folder.is_none() && self.shared_is_sibling();
                let standing = if as_one { reference.standing(ledger) } else { standing };
                let state = self.state_of_shared(schema, ledger, &standing);
                own.page = Some(Arc::new(page(&own, schema, standing, state)));
            }
            shared.push(own);
        }
        let known = self.shared_schema().map(|schema| schema.oid);
        let wide = self.wide.iter().filter(|oid| Some(**oid) != known);
        for schema in wide.filter_map(|oid| self.schemas.iter().find(|schema| schema.oid == *oid)) {
            let ledger = seen.ledgers.get(&schema.oid).unwrap_or(&LedgerState::Unread);
            let is_of_files = |files: Tool| ledger.reading().is_some_and(|reading| comparable(reading.tool, files));
            // A ledger for all is what the tenants' folder is applied to.
            let standing = match &self.files.folder {
                Some(folder) if is_of_files(folder.tool) => reference.standing(ledger),
                Some(_) | None => Standing { applied: rows(ledger), ..Standing::default() },
            };
            shared.push(self.shared_ledger(schema, ledger, &standing));
        }
        shared
    }

    fn state_of_shared(&self, schema: &SchemaRow, ledger: &LedgerState, standing: &Standing) -> TenantState {
        judge::state(Facts {
            conflict: false,
            schema_exists: true,
            has_row: true,
            row_hidden: false,
            schema_readable: schema.usage,
            ledger,
            standing,
            reference_exists: standing.pending.as_ref().is_some_and(|pending| !pending.is_empty()),
            live: self.live.schemas.contains_key(&schema.oid),
        })
    }

    fn shared_ledger(&self, schema: &SchemaRow, ledger: &LedgerState, standing: &Standing) -> SharedSchema {
        let live = self.live.schemas.get(&schema.oid);
        SharedSchema {
            database: Arc::clone(&self.config().name),
            schema: schema.name.clone(),
            schema_oid: schema.oid,
            state: self.state_of_shared(schema, ledger, standing),
            ledger: ledger.clone(),
            version: ledger.reading().and_then(|reading| reading.applied.current.clone()),
            applied: standing.applied,
            pending: standing.pending.as_ref().map(|versions| u32::try_from(versions.len()).unwrap_or(u32::MAX)),
            among_several: self.config().among_several,
            page: None,
            problems: live.cloned().into_iter().chain(judge::problem(ledger)).collect(),
        }
    }
}

/// The shared schema as a tenant that is looked at: it has no row, and what only a row tells is left out.
fn page(shared: &SharedSchema, schema: &SchemaRow, standing: Standing, state: TenantState) -> Tenant {
    Tenant {
        key: TenantKey::schema(&shared.database, shared.schema.raw()),
        id: None,
        slug: shared.schema.clone(),
        name: None,
        status: None,
        plan: None,
        domains: Vec::new(),
        deleted: false,
        schema: Some(shared.schema.clone()),
        schema_oid: Some(shared.schema_oid),
        owner: Some(schema.owner.clone()),
        state,
        ledger: shared.ledger.clone(),
        applied: standing.applied,
        pending: standing.pending,
        ahead: standing.ahead,
        tables: None,
        size_bytes: None,
        size_exact: false,
        cache_keys: None,
        created_at: None,
        changed: standing.changed,
        failed_step: None,
        problems: shared.problems.clone(),
    }
}

/// What a ledger holds, without files to compare it with.
fn rows(ledger: &LedgerState) -> Option<u32> {
    match ledger {
        LedgerState::Absent => Some(0),
        LedgerState::Read(reading) => u32::try_from(reading.applied.versions.len()).ok(),
        LedgerState::Unread
        | LedgerState::NoAccess(_)
        | LedgerState::DatabaseWide { .. }
        | LedgerState::Unreadable { .. } => None,
    }
}
