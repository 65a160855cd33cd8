//! Why a tenant is in its state, in one sentence. Pure.

use crate::layout::Statuses;
use crate::migrations::dialects::dialect;
use crate::model::ledger::{LedgerState, Version};
use crate::model::tenant::{Tenant, TenantState};
use crate::text::Untrusted;

/// The sentence; `statuses`: the words of its registry.
#[must_use]
pub fn why(tenant: &Tenant, statuses: &Statuses) -> Untrusted {
    match tenant.state {
        TenantState::NoAccess => first_problem(tenant, "what decides its state may not be read by this role"),
        TenantState::Conflict => first_problem(tenant, "another registry row points at the same schema"),
        TenantState::MissingSchema => first_problem(tenant, "the registry names a schema that does not exist"),
        TenantState::OrphanSchema => first_problem(tenant, "the schema has no row in the registry"),
        TenantState::UnknownTool => first_problem(tenant, "its ledger is of no tool that is read"),
        TenantState::Dirty => first_problem(tenant, "its migration tool recorded a failure"),
        TenantState::Locked => first_problem(tenant, "a lock was left behind in its ledger"),
        TenantState::NeverMigrated => never_migrated(tenant),
        TenantState::Ahead => ahead(tenant),
        TenantState::Behind => behind(tenant, statuses),
        TenantState::Ok => "up to date".into(),
        TenantState::Unknown => "not read yet".into(),
    }
}

fn first_problem(tenant: &Tenant, otherwise: &str) -> Untrusted {
    tenant.problems.first().cloned().unwrap_or_else(|| otherwise.into())
}

fn never_migrated(tenant: &Tenant) -> Untrusted {
    match &tenant.ledger {
        LedgerState::Read(reading) => format!("its ledger {} is empty: nothing was ever applied", reading.table).into(),
        LedgerState::Unread
        | LedgerState::Absent
        | LedgerState::NoAccess(_)
        | LedgerState::DatabaseWide { .. }
        | LedgerState::Unreadable { .. } => "it has no ledger: no migration was ever run in its schema".into(),
    }
}

fn ahead(tenant: &Tenant) -> Untrusted {
    let versions = tenant.ahead.as_deref().unwrap_or_default();
    format!(
        "its ledger has {} without a file here: {}",
        if versions.len() == 1 { "a version".to_owned() } else { format!("{} versions", versions.len()) },
        list(versions)
    )
    .into()
}

fn behind(tenant: &Tenant, statuses: &Statuses) -> Untrusted {
    if let Some(failed) = &tenant.failed_step {
        let version = failed.version.as_ref().map_or_else(String::new, |version| format!(" of {}", version.raw()));
        let code = failed.sqlstate.as_ref().map_or_else(String::new, |code| format!("{code}: "));
        return format!("the step{version} in job {} failed ({code}{})", failed.job, failed.message.raw()).into();
    }
    let suspended = tenant.status.as_ref().is_some_and(|status| statuses.says_suspended(status.raw()));
    let pending = tenant.pending.as_deref().unwrap_or_default();
    let gap = match (tenant.version(), pending.first()) {
        (Some(version), Some(first)) => {
            tenant.ledger.reading().is_some_and(|reading| dialect(reading.tool).order.compare(first, version).is_lt())
        }
        (Some(_), None) | (None, _) => false,
    };
    if gap {
        return format!("{} is older than its version and was never applied: a gap", list(&pending[..1])).into();
    }
    if suspended {
        return "not migrated yet; it is suspended".into();
    }
    // A rollback and a rehearsal leave no failure behind, and were tries all the same.
    "not migrated yet, or undone; no job of tenantui failed at it".into()
}

fn list(versions: &[Version]) -> String {
    let shown: Vec<&str> = versions.iter().take(3).map(Version::raw).collect();
    let more = if versions.len() > 3 { ", .." } else { "" };
    format!("{}{more}", shown.join(", "))
}
