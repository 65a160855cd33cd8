//! Which steps an order has, or why it has none. Pure.

use super::{LifeRequest, Row, Seen, Stop, Subject, one, repairs, repairs_of_shared, uses};
use crate::jobs::life::access::InForce;
use crate::jobs::life::writes;
use crate::model::fleet::SharedSchema;
use crate::model::life::{CacheFact, LeftRole, LifeKind, LifePlan, LifeStep, Repair, TenantRole, Trashed};
use crate::model::tenant::{Tenant, TenantState};
use crate::text::{Untrusted, counted, grouped, sanitise};

/// Why no row is written for a schema that has none.
const NO_SLUG: &str = "no slug leads to this schema by the layout's rule: write its row by hand, or drop the schema";

type Steps = Result<Vec<(LifeStep, String)>, Stop>;

fn refused(why: impl Into<String>) -> Stop {
    Stop::Refused(why.into())
}

/// The steps, in order.
pub(super) fn of(request: &LifeRequest, plan: &LifePlan, seen: &Seen) -> Steps {
    let row = seen.row.as_ref();
    if let Some(hidden) = &seen.hidden {
        return Err(refused(format!("whether a row of the registry is its own is not known: {hidden}")));
    }
    match (&request.subject, request.kind) {
        (Subject::Tenant(tenant), LifeKind::Rename) => rename(request, tenant, row),
        (Subject::Tenant(tenant), LifeKind::Suspend | LifeKind::Activate | LifeKind::Archive) => {
            status(request, tenant, plan, seen)
        }
        (Subject::Tenant(tenant), LifeKind::Drop) => drop(request, tenant, plan, seen),
        (Subject::Tenant(tenant), LifeKind::Repair) => repair(request, tenant, plan, seen),
        (Subject::Role(left), _) => role(left, plan),
        (Subject::Shared(shared), LifeKind::Repair) => repair_shared(request, shared, plan),
        (
            Subject::Shared(_),
            LifeKind::Rename
            | LifeKind::Suspend
            | LifeKind::Activate
            | LifeKind::Archive
            | LifeKind::Drop
            | LifeKind::Undrop
            | LifeKind::Purge,
        ) => Err(refused("it is the shared schema, and no tenant")),
        (Subject::Trash(trashed), LifeKind::Undrop) => undrop(trashed, row),
        (Subject::Trash(trashed), LifeKind::Purge) => purge(request, trashed, plan, seen),
        (Subject::Tenant(_), LifeKind::Undrop | LifeKind::Purge) => {
            Err(refused("its schema is not in the trash: drop puts it there"))
        }
        (
            Subject::Trash(_),
            LifeKind::Rename
            | LifeKind::Suspend
            | LifeKind::Activate
            | LifeKind::Archive
            | LifeKind::Drop
            | LifeKind::Repair,
        ) => Err(refused("its schema is in the trash: undrop brings it back, purge removes it")),
    }
}

fn conflict(tenant: &Tenant) -> Stop {
    refused(format!("it is {}: mend the registry first", tenant.state_words()))
}

/// There must be one row to write.
fn has_row(tenant: &Tenant, row: Option<&Row>) -> Result<(), Stop> {
    if tenant.state == TenantState::OrphanSchema {
        return Err(refused("the schema has no row in the registry: repair writes one"));
    }
    if tenant.state == TenantState::Conflict {
        return Err(conflict(tenant));
    }
    match row {
        Some(_) => Ok(()),
        None => Err(refused("its registry row is not there any more, or was changed; look again")),
    }
}

fn rename(request: &LifeRequest, tenant: &Tenant, row: Option<&Row>) -> Steps {
    let name = request.becomes.as_ref().map(|name| name.raw().trim().to_owned()).unwrap_or_default();
    writes::name(&request.layout, &name).map_err(Stop::Refused)?;
    has_row(tenant, row)?;
    if name.is_empty() {
        return Err(refused("the new display name is empty"));
    }
    if row.and_then(|row| row.name.as_deref()) == Some(name.as_str()) {
        return Err(Stop::Nothing(format!("it is called {name} already")));
    }
    Ok(one(LifeStep::Name, format!("write the display name {name}")))
}

fn is_status(tenant: &Tenant, word: Option<&String>) -> bool {
    matches!((&tenant.status, word), (Some(status), Some(word)) if status.raw() == word)
}

fn status(request: &LifeRequest, tenant: &Tenant, plan: &LifePlan, seen: &Seen) -> Steps {
    writes::status(&request.layout, request.kind).map_err(Stop::Refused)?;
    has_row(tenant, seen.row.as_ref())?;
    if let (LifeKind::Activate | LifeKind::Suspend, Some(trashed)) = (request.kind, &seen.trashed) {
        return Err(refused(format!("its schema is in the trash, {}", trashed.words())));
    }
    let statuses = &request.layout.statuses;
    let (is_so, word, words) = match request.kind {
        LifeKind::Suspend => {
            let word = statuses.suspended.as_ref();
            (is_status(tenant, word) && !tenant.deleted, word, "suspended")
        }
        LifeKind::Activate => {
            let word = statuses.active.as_ref();
            (!tenant.deleted && (is_status(tenant, word) || tenant.status.is_none()), word, "active")
        }
        LifeKind::Archive
        | LifeKind::Rename
        | LifeKind::Drop
        | LifeKind::Undrop
        | LifeKind::Purge
        | LifeKind::Repair => (tenant.deleted, statuses.deleted.as_ref(), "deleted"),
    };
    // As the registry has it.
    let words = word.map_or(words, String::as_str);
    if request.kind == LifeKind::Suspend && tenant.deleted {
        return Err(refused("it is deleted in the registry: activate it first"));
    }
    if is_so && request.kind == LifeKind::Archive {
        return Err(refused("it is deleted in the registry already"));
    }
    let mut steps = Vec::new();
    if !is_so {
        steps.push((LifeStep::Status, format!("write the status: {words}")));
    }
    if request.end_sessions && request.kind != LifeKind::Activate {
        let words = end_sessions(plan, seen.role_sessions)?;
        if let Some(why) = &seen.cannot_end {
            return Err(refused(why.clone()));
        }
        steps.push((LifeStep::Sessions, words));
    }
    if steps.is_empty() {
        return Err(Stop::Nothing(format!("it is {words} already")));
    }
    Ok(steps)
}

/// What is ended, in words: only the sessions of a role that is surely the tenant's, and only those in this database.
fn end_sessions(plan: &LifePlan, count: usize) -> Result<String, Stop> {
    let why = match &plan.role {
        Some(TenantRole { name, kept: None }) => {
            let sessions = counted(count, "session");
            return Ok(format!("end the sessions of the role {} in this database: {sessions} now", name.safe()));
        }
        Some(TenantRole { name, kept: Some(why) }) => {
            format!("the role {} is left alone ({})", name.safe(), why.safe())
        }
        None => "it has no role of its own".to_owned(),
    };
    Err(refused(format!("{why}: its sessions are the application's, and none is ended")))
}

fn drop(request: &LifeRequest, tenant: &Tenant, plan: &LifePlan, seen: &Seen) -> Steps {
    if let Some(trashed) = &seen.trashed {
        return Err(Stop::Nothing(format!("it is in the trash already, {}", trashed.words())));
    }
    if tenant.state == TenantState::Conflict {
        return Err(conflict(tenant));
    }
    let Some(schema) = plan.schema.as_ref().filter(|_| plan.schema_oid.is_some()) else {
        return Err(Stop::Nothing("there is no schema to drop; its registry row stays (repair removes it)".to_owned()));
    };
    if let Err(error) = crate::model::ident::SchemaName::tenant(schema.raw()) {
        return Err(refused(error.to_string()));
    }
    let has_status = writes::columns(&request.layout).is_ok_and(|columns| columns.status.is_some());
    if let (Some(word), true) = (&request.layout.statuses.suspended, has_status)
        && tenant.state != TenantState::OrphanSchema
        && !tenant.deleted
        && tenant.status.as_ref().map(Untrusted::raw) != Some(word)
    {
        return Err(refused("it is not suspended: suspend it first, and wait until nobody uses it"));
    }
    let first = if request.end_sessions {
        let words = end_sessions(plan, seen.role_sessions)?;
        if let Some(why) = seen.cannot_end.clone().or_else(|| seen.uses.by_others()) {
            return Err(refused(why));
        }
        Some((LifeStep::Sessions, words))
    } else if let Some(why) = uses::in_use(&request.layout, plan, &seen.uses) {
        return Err(refused(why));
    } else {
        None
    };
    if plan.dependants.last().is_some_and(|last| last.raw() == "and more") {
        return Err(refused("more than a hundred objects outside the schema depend on it: remove them by hand first"));
    }
    writes::status(&request.layout, LifeKind::Drop).map_err(Stop::Refused)?;
    let trash = (LifeStep::Trash, format!("rename the schema to zz_dropped_<job>_{}", schema.safe().fit(40)));
    Ok(first.into_iter().chain([trash]).collect())
}

/// The role of a tenant that is gone.
fn role(left: &LeftRole, plan: &LifePlan) -> Steps {
    let Some(role) = &plan.role else {
        return Err(Stop::Nothing("the role is gone, or its schema is there again".to_owned()));
    };
    match &role.kept {
        Some(why) => Err(refused(format!("the role {} stays: {}", role.name.safe(), why.safe()))),
        None => Ok(one(
            LifeStep::Role,
            format!("remove what was granted to the role {0}, and the role ({1})", role.name.safe(), left.why.safe()),
        )),
    }
}

fn undrop(trashed: &Trashed, row: Option<&Row>) -> Steps {
    let Some(drop) = &trashed.drop else {
        return Err(refused("the audit does not say what it was called: rename the schema by hand, or purge it"));
    };
    if drop.begun {
        return Err(refused("its purge has begun and part of it is gone: it can only be purged"));
    }
    if drop.expired {
        return Err(refused(format!(
            "it was dropped on {}, and the {} days in which it can be brought back are over: it can only be purged",
            drop.at.strftime("%Y-%m-%d"),
            crate::model::life::UNDROP_DAYS
        )));
    }
    if crate::model::ident::SchemaName::tenant(drop.original.raw()).is_err() {
        return Err(refused("the audit has no usable name for it"));
    }
    let status = if row.is_some() && !drop.row.is_empty() { ", write the status that it had" } else { "" };
    Ok(one(LifeStep::Restore, format!("rename the schema back to {}{status}", drop.original.safe())))
}

fn purge(request: &LifeRequest, trashed: &Trashed, plan: &LifePlan, seen: &Seen) -> Steps {
    if let Some(why) = uses::in_use(&request.layout, plan, &seen.uses) {
        return Err(refused(why));
    }
    let mut steps = Vec::new();
    match (&request.layout.access, &seen.in_force) {
        (Some(access), InForce::Keys(count @ 1..)) => {
            let (title, table) = (&access.title, access.table.quoted());
            steps.push((LifeStep::Revoke, format!("revoke its {title} in {table}: {} in force", grouped(*count))));
        }
        (Some(_), InForce::Denied(why)) => return Err(refused(why.clone())),
        (Some(_), InForce::Keys(0) | InForce::NoTable) | (None, _) => {}
    }
    steps.push((
        LifeStep::Objects,
        format!("remove {} with all that is in it, a little at a time", trashed.schema.safe()),
    ));
    if let Some(role) = plan.role.as_ref().filter(|role| role.kept.is_none()) {
        // Found before the first step: behind it the schema is gone.
        if let (Some(why), 1..) = (&seen.cannot_end, seen.role_sessions) {
            return Err(refused(format!("{why}, and {} open", are(seen.role_sessions))));
        }
        steps.push((
            LifeStep::Role,
            format!(
                "end the sessions of the role {0} in this database ({1} now), remove what was granted to it, and the role",
                role.name.safe(),
                seen.role_sessions
            ),
        ));
    }
    // Where the tenant was made anew, they are the new one's.
    if seen.made_anew {
        return Ok(steps);
    }
    if let (CacheFact::Keys(_), Some(_)) = (&plan.cache, &trashed.drop) {
        steps.push((LifeStep::Keys, "remove its cache keys".to_owned()));
    }
    if seen.row.is_some() && writes::columns(&request.layout).is_ok() {
        steps.extend(forget(request, plan, seen)?);
    }
    Ok(steps)
}

fn are(sessions: usize) -> String {
    if sessions == 1 { "one is".to_owned() } else { format!("{sessions} are") }
}

/// The registry's row goes, and its domains with it, where nothing else keeps it.
fn forget(request: &LifeRequest, plan: &LifePlan, seen: &Seen) -> Steps {
    if let Some(why) = &seen.pointing.refusal {
        return Err(refused(why.clone()));
    }
    let domains = request.layout.domains.as_ref().filter(|_| plan.domains > 0);
    let domains = domains.map_or_else(String::new, |domains| {
        format!(" and its {} in {}", counted(plan.domains, "domain"), sanitise(&domains.table.quoted()))
    });
    Ok(one(LifeStep::Forget, format!("remove its registry row{domains}")))
}

fn repair(request: &LifeRequest, tenant: &Tenant, plan: &LifePlan, seen: &Seen) -> Steps {
    if let Some(trashed) = &seen.trashed {
        return Err(Stop::Nothing(format!("it is in the trash, {}", trashed.words())));
    }
    let offered = repairs(tenant, &request.layout);
    let repair = match (request.repair, offered.as_slice()) {
        (Some(wanted), offered) if offered.contains(&wanted) => wanted,
        (None, [only]) => *only,
        (_, []) if tenant.state == TenantState::OrphanSchema && writes::columns(&request.layout).is_ok() => {
            return Err(refused(NO_SLUG));
        }
        (_, []) => {
            return Err(Stop::Nothing(format!("nothing of it can be repaired here: it is {}", tenant.state_words())));
        }
        (_, several) => {
            let words: Vec<&str> = several.iter().map(|repair| repair.word()).collect();
            return Err(refused(format!("say how: {}", words.join(" or "))));
        }
    };
    mend(request, repair, plan, seen)
}

/// The schema that all tenants share.
fn repair_shared(request: &LifeRequest, shared: &SharedSchema, plan: &LifePlan) -> Steps {
    let offered = repairs_of_shared(shared);
    match (request.repair, offered.as_slice()) {
        (Some(wanted), offered) if offered.contains(&wanted) => {}
        (None, [_]) => {}
        (Some(wanted), [_, ..]) => {
            return Err(refused(format!("it is the shared schema, and no tenant: {} is not for it", wanted.word())));
        }
        (_, _) => {
            return Err(Stop::Nothing(format!("nothing of it can be repaired here: it is {}", shared.state.word())));
        }
    }
    match plan.sessions.as_deref() {
        Some([first, more @ ..]) => Err(refused(format!(
            "{} into it or changes it now, which may be a migration ({}): wait for the end",
            if more.is_empty() {
                "a session writes".to_owned()
            } else {
                format!("one of {} sessions writes", 1 + more.len())
            },
            first.raw()
        ))),
        Some([]) | None => unlock(plan),
    }
}

fn unlock(plan: &LifePlan) -> Steps {
    if plan.lock.is_empty() {
        return Err(Stop::Nothing("its lock was released meanwhile".to_owned()));
    }
    Ok(one(LifeStep::Unlock, "take the lock away that its migration tool left behind"))
}

fn mend(request: &LifeRequest, repair: Repair, plan: &LifePlan, seen: &Seen) -> Steps {
    match repair {
        Repair::Adopt => {
            let schema = plan.schema.as_ref().map_or("", Untrusted::raw);
            match request.layout.naming.slug_of(schema) {
                Some(name) => Ok(one(LifeStep::Adopt, format!("write a registry row with the slug {name}"))),
                None => Err(refused(NO_SLUG)),
            }
        }
        Repair::Forget => forget(request, plan, seen),
        Repair::Make => {
            let schema = plan.schema.as_ref().map_or("", Untrusted::raw);
            match crate::model::ident::SchemaName::tenant(schema) {
                Ok(_) => Ok(one(LifeStep::Make, "create the schema, empty; migrate fills it")),
                Err(error) => Err(refused(error.to_string())),
            }
        }
        // Offered for no tenant: it is of those that are gone.
        Repair::Role => Err(refused("name the role itself: `repair` lists those that were left behind")),
        Repair::Unlock => match uses::in_use(&request.layout, plan, &seen.uses) {
            Some(why) => Err(refused(why)),
            None => unlock(plan),
        },
    }
}
