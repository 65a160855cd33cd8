//! Who uses the schema that something is to be done to, and what an operator can do about it.

use crate::jobs::life::{facts, writes};
use crate::layout::Layout;
use crate::model::life::{LifeKind, LifePlan};
use crate::postgres::session::{QueryError, Reader};
use crate::text::Untrusted;

/// Whose the sessions are.
#[derive(Default)]
pub(super) struct Uses {
    /// Of a tenant with a role of its own: those of others that use the schema.
    pub(super) others: Vec<Untrusted>,
    /// Of a role that is left alone: how many it has in this database.
    pub(super) of_kept: usize,
}

impl Uses {
    /// Who uses the schema now whose sessions are not ended.
    pub(super) fn by_others(&self) -> Option<String> {
        in_words(&self.others, " (they are not of the tenant's role, and are not ended)")
    }
}

/// Asks, as far as the plan's own list does not say it.
pub(super) async fn read(reader: &Reader, plan: &LifePlan) -> Result<Uses, QueryError> {
    let (Some(oid), Some(role)) = (plan.schema_oid, &plan.role) else { return Ok(Uses::default()) };
    if role.kept.is_some() {
        let of_kept = reader.rows(&facts::role_sessions_sql(role.name.raw())).await?.len();
        return Ok(Uses { others: Vec::new(), of_kept });
    }
    let some = plan.sessions.as_ref().is_some_and(|sessions| !sessions.is_empty());
    let others = if some { facts::sessions_besides(reader, oid, role.name.raw()).await? } else { Vec::new() };
    Ok(Uses { others, of_kept: 0 })
}

/// Who uses the schema now.
pub(super) fn in_use(layout: &Layout, plan: &LifePlan, uses: &Uses) -> Option<String> {
    let has_role = plan.own_role().is_some();
    let or = match plan.kind {
        LifeKind::Drop if has_role && uses.others.is_empty() => {
            ", or end the sessions of its role with it (--end-sessions)"
        }
        LifeKind::Repair if has_role && writes::status(layout, LifeKind::Suspend).is_ok() => {
            ", or suspend the tenant and end the sessions of its role"
        }
        LifeKind::Rename
        | LifeKind::Suspend
        | LifeKind::Activate
        | LifeKind::Archive
        | LifeKind::Drop
        | LifeKind::Undrop
        | LifeKind::Purge
        | LifeKind::Repair => "",
    };
    in_words(plan.sessions.as_deref().unwrap_or_default(), or)
}

fn in_words(sessions: &[Untrusted], or: &str) -> Option<String> {
    let first = sessions.first()?.raw();
    let (count, who, uses) = match sessions.len() {
        1 => (1, "session", "uses"),
        count => (count, "sessions", "use"),
    };
    Some(format!("{count} {who} {uses} it now ({first}): wait for the end{or}"))
}
