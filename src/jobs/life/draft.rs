//! A confirmed plan as the job that is recorded. The plan is made again first: what changed since it was shown is
//! refused, not done.

use super::access::AccessRef;
use super::params::{KeysRef, LifeParams, LockRef, UnlockRef, Write};
use super::plan::{self, Subject, patterns, unlock_of_subject};
use super::pointing::DomainsRef;
use super::{left, writes};
use crate::config::RunAs;
use crate::jobs::draft::{Draft, StepDraft, pace};
use crate::jobs::gate::{self, refused};
use crate::jobs::granted::Granted;
use crate::jobs::orders::OrderError;
use crate::jobs::params::{Params, RegistryRef, RowValue, Value};
use crate::jobs::preflight::{self, Allowed};
use crate::jobs::service::{LifeOrder, NewTenant};
use crate::layout::{Layout, Registry};
use crate::model::job::{JobKind, StepAction};
use crate::model::life::{CacheFact, LifeKind, LifePlan, LifeStep, Repair};
use crate::postgres::session::{Patience, Reader, Target, WriterSession};
use crate::text::Untrusted;

/// Checks the order again, and makes the job's rows.
pub(in crate::jobs) async fn make(
    target: &Target,
    session: &WriterSession,
    order: &LifeOrder,
) -> Result<Draft, OrderError> {
    let reader = Reader::open(target, Patience::Background).await?;
    let now = plan::read(&reader, target, &order.request).await?;
    still(&now, &order.plan)?;
    confirmed(&now, order)?;
    let life = params(target, session, order, &now).await?;
    check_words(session, order, &life).await?;
    let params = Params {
        registry: RegistryRef::of(&order.request.layout),
        life: Some(Box::new(life)),
        ..Params::of(pace(&target.config.jobs))
    };
    let params = match now.repair {
        Some(Repair::Make) => params
            .owned(RunAs::Login, target.config.tenants.owner.as_ref())
            .granting(Granted::of(&order.request.layout, &target.config.tenants.grant_to)),
        Some(Repair::Adopt | Repair::Forget | Repair::Unlock | Repair::Role) | None => params,
    };
    let text = |name: &Option<Untrusted>| name.as_ref().map(|name| name.raw().to_owned());
    let schema = text(&now.schema).unwrap_or_else(|| now.tenant.slug.raw().to_owned());
    let steps = now.steps.iter().map(|(step, _)| StepDraft {
        action: StepAction::Life(*step),
        tenant_key: Some(now.tenant.key.local.to_string()),
        tenant_id: text(&now.tenant.id),
        slug: now.tenant.slug.raw().to_owned(),
        schema: schema.clone(),
        schema_oid: now.schema_oid,
        from: None,
        file: None,
    });
    Ok(Draft {
        kind: JobKind::Life(now.kind),
        scope: format!("tenant:{}", text(&now.original).unwrap_or_else(|| schema.clone())),
        what: what(&now),
        params,
        steps: steps.collect(),
    })
}

/// The order in words.
fn what(plan: &LifePlan) -> String {
    let slug = plan.tenant.slug.raw();
    match (plan.kind, plan.repair, &plan.becomes) {
        (LifeKind::Rename, _, Some(name)) => format!("{slug} to {}", name.raw().trim()),
        (LifeKind::Repair, Some(repair), _) => format!("{slug} ({})", repair.word()),
        (_, _, _) => slug.to_owned(),
    }
}

/// What was confirmed must still be what would be done.
fn still(now: &LifePlan, confirmed: &LifePlan) -> Result<(), OrderError> {
    if let Some(why) = now.refusal.as_ref().or(now.nothing.as_ref()) {
        return Err(refused(format!("nothing was ordered: {}", why.raw())));
    }
    let steps = |plan: &LifePlan| plan.steps.iter().map(|(step, _)| *step).collect::<Vec<_>>();
    let xids = |plan: &LifePlan| plan.lock.iter().map(|row| row.xid.clone()).collect::<Vec<_>>();
    let changed = if now.schema_oid != confirmed.schema_oid || now.schema != confirmed.schema {
        Some("the schema")
    } else if now.role.as_ref().map(|role| &role.name) != confirmed.role.as_ref().map(|role| &role.name) {
        Some("the tenant's role")
    } else if now.domains != confirmed.domains {
        Some("the tenant's domains")
    } else if xids(now) != xids(confirmed) {
        Some("the lock (it was released, and taken anew by a migration that may run now)")
    } else if steps(now) != steps(confirmed) {
        Some("what there is to do")
    } else {
        None
    };
    match changed {
        None => Ok(()),
        Some(what) => Err(refused(format!("nothing was ordered: {what} changed since the plan was made; look again"))),
    }
}

/// What the operator has to confirm besides the plan.
fn confirmed(now: &LifePlan, order: &LifeOrder) -> Result<(), OrderError> {
    if now.kind.is_typed() && !order.typed.as_deref().is_some_and(|typed| now.is_confirmed_by(typed)) {
        let word = now.word_to_type().map_or("", Untrusted::raw);
        return Err(refused(format!("nothing was ordered: the name of the schema, {word}, was not confirmed")));
    }
    let open = now.dependants.iter().filter(|object| !order.dependants.contains(*object));
    let open: Vec<&str> = open.map(Untrusted::raw).collect();
    if now.kind.is_typed() && !open.is_empty() {
        return Err(refused(format!(
            "nothing was ordered: these objects outside the schema depend on it, and were not confirmed one by one: {}",
            open.join("; ")
        )));
    }
    Ok(())
}

async fn params(
    target: &Target,
    session: &WriterSession,
    order: &LifeOrder,
    now: &LifePlan,
) -> Result<LifeParams, OrderError> {
    let request = &order.request;
    let layout = &request.layout;
    let has = |step: LifeStep| now.steps.iter().any(|(known, _)| *known == step);
    let text = |name: &Option<Untrusted>| name.as_ref().map(|name| name.raw().to_owned());
    let wrong = |why: String| refused(format!("nothing was ordered: {why}"));
    let write = if has(LifeStep::Name) {
        writes::name(layout, now.becomes.as_ref().map_or("", |name| name.raw().trim())).map_err(wrong)?
    } else if has(LifeStep::Status) || (has(LifeStep::Trash) && now.tenant.key.local.starts_with("r:")) {
        writes::status(layout, now.kind).map_err(wrong)?
    } else if has(LifeStep::Restore) {
        saved(&request.subject, layout)
    } else {
        Vec::new()
    };
    let keeps = has(LifeStep::Forget);
    let keys = match (&now.cache, has(LifeStep::Keys)) {
        (CacheFact::Keys(_), true) => Some(KeysRef {
            patterns: patterns(target, layout),
            template: layout.naming.schema_template.clone(),
            hyphens_become_underscores: layout.naming.hyphens_become_underscores,
        }),
        (CacheFact::Keys(_) | CacheFact::RowsHidden | CacheFact::NoPattern | CacheFact::NotConfigured, _) => None,
    };
    Ok(LifeParams {
        original: text(&now.original),
        write,
        seen: shown(order),
        row: if has(LifeStep::Adopt) { new_row(session, order, now).await? } else { Vec::new() },
        kept: if keeps { writes::columns(layout).map(writes::kept).unwrap_or_default() } else { Vec::new() },
        domains: layout.domains.as_ref().filter(|_| keeps && now.domains > 0).map(DomainsRef::of),
        role: now.own_role().map(str::to_owned),
        shared_schema: matches!(request.subject, Subject::Role(_)).then(|| left::shared(layout).to_owned()),
        dependants: order.dependants.iter().map(|object| object.raw().to_owned()).collect(),
        keys,
        access: layout.access.as_ref().filter(|_| has(LifeStep::Revoke)).map(AccessRef::of),
        unlock: unlock_of_subject(&request.subject).filter(|_| has(LifeStep::Unlock)).map(|unlock| UnlockRef {
            tool: unlock.tool,
            ledger: unlock.ledger,
            shared: matches!(request.subject, Subject::Shared(_)),
            seen: now.lock.iter().map(LockRef::of).collect(),
        }),
        dropped_by: match &request.subject {
            Subject::Trash(trashed) => trashed.drop.as_ref().map(|drop| drop.job.0),
            Subject::Tenant(_) | Subject::Role(_) | Subject::Shared(_) => None,
        },
    })
}

/// The columns as they were before the drop.
pub(super) fn saved(subject: &Subject, layout: &Layout) -> Vec<Write> {
    let updated = writes::columns(layout).ok().and_then(writes::updated);
    match subject {
        Subject::Tenant(_) | Subject::Role(_) | Subject::Shared(_) => Vec::new(),
        Subject::Trash(trashed) => trashed.drop.as_ref().map_or_else(Vec::new, |drop| {
            let write = |(column, value): &(String, Option<String>)| match &updated {
                // It is changed now, whenever that was before.
                Some(now) if now.column == *column => now.clone(),
                Some(_) | None => Write { column: column.clone(), value: value.clone().map(Value::Text) },
            };
            drop.row.iter().map(write).collect()
        }),
    }
}

/// The row of a schema that has none, as provisioning would write it.
async fn new_row(session: &WriterSession, order: &LifeOrder, now: &LifePlan) -> Result<Vec<RowValue>, OrderError> {
    let layout = &order.request.layout;
    let Registry::Table { columns, oid, .. } = &layout.registry else {
        return Err(refused("this database has no table of tenants"));
    };
    let schema = now.schema.as_ref().map_or("", Untrusted::raw);
    let name = layout
        .naming
        .slug_of(schema)
        .and_then(|slug| layout.naming.check(&slug).ok())
        .ok_or_else(|| refused("no slug leads to this schema by the layout's rule"))?;
    preflight::others(session, layout).await?;
    let display_name = Untrusted::new(&name.slug);
    let tenant = NewTenant { name, display_name, plan: None, settings: None };
    let row = preflight::row_values(session, layout, &tenant, *oid, columns, &mut Allowed::default()).await?;
    Ok(row)
}

/// The row's status, and where that is what changes its name, as the operator saw them.
fn shown(order: &LifeOrder) -> Vec<(String, Option<String>)> {
    let (plan, text) = (&order.plan, |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned()));
    let Ok(columns) = writes::columns(&order.request.layout) else { return Vec::new() };
    let (status, name) = match plan.kind {
        LifeKind::Suspend | LifeKind::Activate | LifeKind::Archive | LifeKind::Drop => (true, false),
        LifeKind::Rename => (false, true),
        LifeKind::Undrop | LifeKind::Purge | LifeKind::Repair => (false, false),
    };
    if !plan.tenant.key.local.starts_with("r:") {
        return Vec::new();
    }
    let status = columns.status.as_ref().filter(|_| status).map(|column| (column, text(&plan.tenant.status)));
    let name = columns.name.as_ref().filter(|_| name).map(|column| (column, text(&plan.tenant.name)));
    status.into_iter().chain(name).map(|(column, shown)| (column.name.raw().to_owned(), shown)).collect()
}

/// Only words that the registry allows are written to it.
async fn check_words(session: &WriterSession, order: &LifeOrder, life: &LifeParams) -> Result<(), OrderError> {
    let Registry::Table { table, columns, oid } = &order.request.layout.registry else { return Ok(()) };
    let all = [&columns.status, &columns.name, &columns.deleted_at, &columns.updated_at];
    for write in &life.write {
        let column = all.into_iter().flatten().find(|column| column.name.raw() == write.column);
        if let (Some(column), Some(Value::Text(word))) = (column, &write.value) {
            preflight::allowed(session, *oid, column, word).await?;
        }
    }
    let wants = match (order.plan.kind, order.plan.repair) {
        (_, Some(Repair::Adopt)) => "INSERT",
        (_, Some(Repair::Forget)) | (LifeKind::Purge, _) if !life.kept.is_empty() => "DELETE",
        _ if !life.write.is_empty() => "UPDATE",
        _ => return Ok(()),
    };
    let table = table.quoted();
    let sql = format!(
        "SELECT pg_catalog.has_table_privilege({oid}, '{wants}') OR ('{wants}' <> 'DELETE' \
         AND pg_catalog.has_any_column_privilege({oid}, '{wants}'))"
    );
    let rows = gate::ask(session, &sql).await?;
    if rows.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
        return Ok(());
    }
    Err(refused(format!(
        "{} may not write the registry: GRANT {wants} ON {table} is missing",
        session.facts.user.raw()
    )))
}
