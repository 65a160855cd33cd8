//! What mends what is wrong, and the lock that was left behind. Pure.

use super::Subject;
use crate::layout::{Layout, Registry};
use crate::migrations::unlock::LockPlace;
use crate::model::fleet::SharedSchema;
use crate::model::ident::SchemaName;
use crate::model::ledger::LedgerState;
use crate::model::life::Repair;
use crate::model::tenant::{Tenant, TenantState};

/// What can mend a shared schema, by what is wrong with it.
#[must_use]
pub fn repairs_of_shared(shared: &SharedSchema) -> Vec<Repair> {
    if unlock_of_shared(shared).is_some() { vec![Repair::Unlock] } else { Vec::new() }
}

/// What can mend a tenant, by what is wrong with it.
#[must_use]
pub fn repairs(tenant: &Tenant, layout: &Layout) -> Vec<Repair> {
    let has_table = matches!(layout.registry, Registry::Table { .. });
    // A schema can be made for a row of a query too: the row itself is left as it is.
    let has_rows = has_table || matches!(layout.registry, Registry::Query { .. });
    match tenant.state {
        TenantState::OrphanSchema if has_table && is_led_to(tenant, layout) => vec![Repair::Adopt],
        TenantState::MissingSchema if has_table && can_be_made(tenant) => vec![Repair::Forget, Repair::Make],
        TenantState::MissingSchema if has_table => vec![Repair::Forget],
        TenantState::MissingSchema if has_rows && can_be_made(tenant) => vec![Repair::Make],
        TenantState::Locked if unlock_of(tenant).is_some() => vec![Repair::Unlock],
        TenantState::OrphanSchema
        | TenantState::MissingSchema
        | TenantState::Locked
        | TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => Vec::new(),
    }
}

/// Whether a slug leads to its schema by the layout's rule, so that a row could say so.
fn is_led_to(tenant: &Tenant, layout: &Layout) -> bool {
    tenant.schema.as_ref().is_some_and(|schema| layout.naming.slug_of(schema.raw()).is_some())
}

/// Whether the schema that its row names is one that can be.
fn can_be_made(tenant: &Tenant) -> bool {
    tenant.schema.as_ref().is_some_and(|schema| SchemaName::tenant(schema.raw()).is_ok())
}

/// A lock that was left behind, and what takes it away.
pub(in crate::jobs::life) struct Unlock {
    /// The tool's word.
    pub(in crate::jobs::life) tool: String,
    /// Its ledger.
    pub(in crate::jobs::life) ledger: String,
    /// Where it is.
    pub(in crate::jobs::life) place: LockPlace,
}

impl Unlock {
    fn of(ledger: &LedgerState, schema: &SchemaName) -> Option<Self> {
        let LedgerState::Read(reading) = ledger else { return None };
        reading.locked.as_ref()?;
        let place = LockPlace::of(reading.tool, schema, &reading.table).ok()??;
        Some(Self { tool: reading.tool.word().to_owned(), ledger: reading.table.to_string(), place })
    }
}

/// Where a lock was left behind in a tenant.
fn unlock_of(tenant: &Tenant) -> Option<Unlock> {
    Unlock::of(&tenant.ledger, &SchemaName::tenant(tenant.schema.as_ref()?.raw()).ok()?)
}

/// Where one was left behind in a shared schema.
fn unlock_of_shared(shared: &SharedSchema) -> Option<Unlock> {
    Unlock::of(&shared.ledger, &SchemaName::shared(shared.schema.raw()).ok()?)
}

/// Where one was left behind in what is asked for.
pub(in crate::jobs::life) fn unlock_of_subject(subject: &Subject) -> Option<Unlock> {
    match subject {
        Subject::Tenant(tenant) => unlock_of(tenant),
        Subject::Shared(shared) => unlock_of_shared(shared),
        Subject::Trash(_) | Subject::Role(_) => None,
    }
}
