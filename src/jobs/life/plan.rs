//! The plan: what will be done to a tenant, what of it is known, and what stands in the way. Reads only; both faces show
//! it, and the order is made of it.

use std::sync::Arc;

use super::{facts, left, lock};
use crate::jobs::init::{self, InitStatus};
use crate::layout::Layout;
use crate::layout::naming::TRASH_PREFIX;
use crate::model::fleet::SharedSchema;
use crate::model::ident::{SchemaName, literal};
use crate::model::life::{CacheFact, LeftRole, LifeKind, LifePlan, LifeStep, LifeTenant, Repair, TenantRole, Trashed};
use crate::model::tenant::{DatabaseName, Tenant, TenantKey};
use crate::postgres::detail;
use crate::postgres::membership::rights_sql;
use crate::postgres::session::{QueryError, Reader, Target};
use crate::text::Untrusted;

mod repairs;
mod seen;
mod steps;
mod uses;
mod words;

pub(super) use self::repairs::unlock_of_subject;
pub use self::repairs::{repairs, repairs_of_shared};
use self::seen::{Row, Seen, look_beside};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct LifeRequest {
    /// What.
    pub kind: LifeKind,
    /// How, of a repair; `None`: as there is only one way.
    pub repair: Option<Repair>,
    /// To whom.
    pub subject: Subject,
    /// The layout.
    pub layout: Arc<Layout>,
    /// The new display name.
    pub becomes: Option<Untrusted>,
    /// Whether the sessions of the tenant's role are ended too; before a drop.
    pub end_sessions: bool,
}

/// To whom it is done.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A tenant of the list.
    Tenant(Arc<Tenant>),
    /// A schema in the trash.
    Trash(Box<Trashed>),
    /// The role of a tenant that is gone.
    Role(Box<LeftRole>),
    /// The schema that all tenants share: it can be repaired, and nothing else.
    Shared(Box<SharedSchema>),
}

impl LifeRequest {
    /// Of a tenant.
    #[must_use]
    pub const fn of(kind: LifeKind, tenant: Arc<Tenant>, layout: Arc<Layout>) -> Self {
        Self { kind, repair: None, subject: Subject::Tenant(tenant), layout, becomes: None, end_sessions: false }
    }

    /// Of a schema in the trash.
    #[must_use]
    pub fn of_trash(kind: LifeKind, trashed: Trashed, layout: Arc<Layout>) -> Self {
        let subject = Subject::Trash(Box::new(trashed));
        Self { kind, repair: None, subject, layout, becomes: None, end_sessions: false }
    }

    /// The repair of a shared schema.
    #[must_use]
    pub fn of_shared(shared: SharedSchema, layout: Arc<Layout>) -> Self {
        let subject = Subject::Shared(Box::new(shared));
        Self { kind: LifeKind::Repair, repair: None, subject, layout, becomes: None, end_sessions: false }
    }

    /// The repair of a role that a tenant left behind.
    #[must_use]
    pub fn of_role(role: LeftRole, layout: Arc<Layout>) -> Self {
        let (kind, repair) = (LifeKind::Repair, Some(Repair::Role));
        Self { kind, repair, subject: Subject::Role(Box::new(role)), layout, becomes: None, end_sessions: false }
    }
}

/// Makes the plan.
///
/// # Errors
/// When something could not be read. What stands in the way is in the plan.
pub async fn read(reader: &Reader, target: &Target, request: &LifeRequest) -> Result<LifePlan, QueryError> {
    let mut plan = first(target, request);
    let initialised = init::status(reader).await? == InitStatus::Current;
    look_at_schema(reader, request, &mut plan).await?;
    if let Subject::Role(role) = &request.subject {
        plan.role = left::again(reader, &request.layout, role).await?.map(|role| TenantRole::from(&role));
    }
    if initialised {
        look_at_record(reader, request, &mut plan).await?;
    }
    if plan.kind == LifeKind::Repair
        && let Some(unlock) = unlock_of_subject(&request.subject)
    {
        let rows = reader.rows(&unlock.place.rows_sql()).await?;
        plan.lock = rows.iter().filter_map(lock::row).collect();
    }
    let mut seen = look_beside(reader, request, &plan).await?;
    plan.domains = seen.pointing.domains;
    // A purge ends them before it removes the role.
    if let (true, Some(role)) = (request.end_sessions || plan.kind == LifeKind::Purge, plan.own_role()) {
        seen.role_sessions = reader.rows(&facts::role_sessions_sql(role)).await?.len();
        seen.cannot_end = facts::cannot_end(reader, role).await?;
    }
    seen.uses = uses::read(reader, &plan).await?;
    match steps::of(request, &plan, &seen) {
        Ok(steps) => plan.steps = steps,
        Err(Stop::Nothing(why)) => plan.nothing = Some(why.into()),
        Err(Stop::Refused(why)) => plan.refusal = Some(why.into()),
    }
    if plan.refusal.is_none() && plan.nothing.is_none() {
        plan.refusal = obstacle(reader, request, &plan).await?.map(Untrusted::from);
    }
    words::add(request, &mut plan, &seen);
    Ok(plan)
}

/// Why there are no steps.
pub(super) enum Stop {
    Nothing(String),
    Refused(String),
}

/// What the request itself says.
fn first(target: &Target, request: &LifeRequest) -> LifePlan {
    let database = Arc::clone(&target.config.name);
    let (tenant, schema, schema_oid, original, counted) = match &request.subject {
        Subject::Tenant(tenant) => {
            let who = LifeTenant {
                key: tenant.key.clone(),
                id: tenant.id.clone(),
                slug: tenant.slug.clone(),
                name: tenant.name.clone(),
                status: tenant.status.clone(),
                status_since: None,
            };
            let original = tenant.schema.clone();
            (who, tenant.schema.clone(), tenant.schema_oid, original, tenant.cache_keys)
        }
        Subject::Trash(trashed) => {
            let key = trashed.drop.as_ref().map(|drop| drop.key.clone());
            let who = LifeTenant {
                key: key.unwrap_or_else(|| TenantKey::schema(&database, trashed.schema.raw())),
                id: trashed.drop.as_ref().and_then(|drop| drop.id.clone()),
                slug: trashed.slug().clone(),
                name: None,
                status: None,
                status_since: None,
            };
            let original = trashed.drop.as_ref().map(|drop| drop.original.clone());
            (who, Some(trashed.schema.clone()), Some(trashed.schema_oid), original, None)
        }
        Subject::Role(role) => (schema_alone(&database, &role.schema), None, None, Some(role.schema.clone()), None),
        Subject::Shared(shared) => {
            let schema = Some(shared.schema.clone());
            (schema_alone(&database, &shared.schema), schema.clone(), Some(shared.schema_oid), schema, None)
        }
    };
    LifePlan {
        database,
        kind: request.kind,
        repair: request.repair,
        tenant,
        schema,
        schema_oid,
        original,
        becomes: request.becomes.clone(),
        tables: None,
        size_bytes: None,
        rows_estimate: None,
        dependants: Vec::new(),
        sessions: None,
        owner: target.config.tenants.owner.as_ref().map(|owner| owner.raw().into()),
        grant_to: target.config.tenants.grant_to.iter().map(|role| role.raw().into()).collect(),
        role: None,
        domains: 0,
        lock: Vec::new(),
        last_backup: None,
        cache: cache(target, &request.layout, counted),
        steps: Vec::new(),
        sql: Vec::new(),
        notes: Vec::new(),
        nothing: None,
        refusal: None,
    }
}

/// A schema of which no row of a registry is meant.
fn schema_alone(database: &DatabaseName, schema: &Untrusted) -> LifeTenant {
    LifeTenant {
        key: TenantKey::schema(database, schema.raw()),
        id: None,
        slug: schema.clone(),
        name: None,
        status: None,
        status_since: None,
    }
}

/// The patterns of cache keys: the configuration's, else the layout's.
pub(super) fn patterns(target: &Target, layout: &Layout) -> Vec<String> {
    let configured = target.config.cache.as_ref().map(|cache| cache.keys.clone()).filter(|keys| !keys.is_empty());
    configured.unwrap_or_else(|| layout.cache_keys.clone())
}

fn cache(target: &Target, layout: &Layout, counted: Option<u64>) -> CacheFact {
    match (&target.config.cache, patterns(target, layout).is_empty()) {
        (None, _) => CacheFact::NotConfigured,
        (Some(_), true) => CacheFact::NoPattern,
        (Some(_), false) if layout.about.hidden_rows.is_some() => CacheFact::RowsHidden,
        (Some(_), false) => CacheFact::Keys(counted),
    }
}

/// Whether it is worth measuring what is in the schema.
const fn measures(kind: LifeKind) -> bool {
    match kind {
        LifeKind::Drop | LifeKind::Purge | LifeKind::Undrop => true,
        LifeKind::Rename | LifeKind::Suspend | LifeKind::Activate | LifeKind::Archive | LifeKind::Repair => false,
    }
}

async fn look_at_schema(reader: &Reader, request: &LifeRequest, plan: &mut LifePlan) -> Result<(), QueryError> {
    let (Some(oid), Some(schema)) = (plan.schema_oid, plan.schema.clone()) else { return Ok(()) };
    if measures(plan.kind) {
        let tables = detail::tables(reader, oid).await?;
        plan.tables = u32::try_from(tables.list.len()).ok();
        plan.size_bytes = if tables.unmeasured.is_none() { Some(tables.total_bytes.unwrap_or(0)) } else { None };
        plan.rows_estimate = tables.list.iter().map(|table| table.rows_estimate).sum();
        plan.dependants = detail::objects_outside(reader, oid).await?;
    }
    if let Subject::Shared(_) = &request.subject {
        // No role is its own, and whoever reads there is no migration.
        plan.sessions = Some(facts::writing_sessions(reader, oid).await?);
        return Ok(());
    }
    let names = (plan.tenant.slug.raw(), plan.original.as_ref().unwrap_or(&schema).raw());
    plan.role = facts::role(reader, &request.layout, oid, names, plan.kind == LifeKind::Purge).await?;
    // A purge ends the sessions of the role itself, unless one of them is in what it removes. Those of one that is called
    // after the tenant are its own as well, though none is ended that may be somebody else's too.
    let after = |role: &&TenantRole| role.kept.is_none() || facts::is_named_after(role.name.raw(), names.0, names.1);
    let role = plan.role.as_ref().filter(after).filter(|_| plan.kind != LifeKind::Purge);
    plan.sessions = Some(facts::sessions(reader, oid, role.map(|role| role.name.raw())).await?);
    Ok(())
}

async fn look_at_record(reader: &Reader, request: &LifeRequest, plan: &mut LifePlan) -> Result<(), QueryError> {
    let Some(original) = plan.original.clone() else { return Ok(()) };
    if measures(plan.kind) {
        plan.last_backup = facts::last_backup(reader, original.raw()).await?;
    }
    let statuses = &request.layout.statuses;
    let action = match plan.tenant.status.as_ref().map(Untrusted::raw) {
        Some(status) if statuses.suspended.as_deref() == Some(status) => "suspend",
        Some(status) if statuses.deleted.as_deref() == Some(status) => "archive",
        Some(_) | None => return Ok(()),
    };
    plan.tenant.status_since = facts::last(reader, original.raw(), action).await?;
    Ok(())
}

/// What else stands in the way, asked of the server.
async fn obstacle(reader: &Reader, request: &LifeRequest, plan: &LifePlan) -> Result<Option<String>, QueryError> {
    let removes_role = plan.steps.iter().any(|(step, _)| *step == LifeStep::Role);
    if let Some(role) = plan.own_role().filter(|_| removes_role)
        && let Some(why) = facts::cannot_remove(reader, role).await?
    {
        return Ok(Some(why));
    }
    let touches_schema = match (plan.kind, plan.repair) {
        (LifeKind::Drop | LifeKind::Undrop | LifeKind::Purge, _) => true,
        (LifeKind::Repair, Some(Repair::Make)) => return may_create(reader).await,
        (LifeKind::Rename | LifeKind::Suspend | LifeKind::Activate | LifeKind::Archive | LifeKind::Repair, _) => false,
    };
    let (true, Some(oid)) = (touches_schema, plan.schema_oid) else { return Ok(None) };
    let rows = reader
        .rows(&format!(
            "SELECT n.nspname, pg_catalog.pg_has_role(n.nspowner, 'USAGE'), {helps}, \
             EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS o WHERE o.nspname = {original}::name) \
             FROM pg_catalog.pg_namespace AS n WHERE n.oid = {oid}",
            helps = rights_sql("CURRENT_USER", "n.nspowner"),
            original = literal(plan.original.as_ref().map_or("", Untrusted::raw)),
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(Some("the schema is gone; look again".to_owned())) };
    if row.text(0) != plan.schema.as_ref().map(Untrusted::raw) {
        return Ok(Some("the schema was renamed meanwhile; look again".to_owned()));
    }
    if !row.is_true(1) {
        let (user, helps) = (reader.facts().user.raw(), row.text(2).unwrap_or_default());
        return Ok(Some(format!("{user} does not own the schema: {helps} is missing")));
    }
    if plan.kind == LifeKind::Undrop && row.is_true(3) {
        let original = plan.original.as_ref().map_or("", Untrusted::raw);
        return Ok(Some(format!(
            "a schema {original} exists already: the tenant was made anew meanwhile. Drop that one first, or \
             purge this one"
        )));
    }
    if plan.kind != LifeKind::Purge
        && let Some(why) = may_create(reader).await?
    {
        return Ok(Some(why));
    }
    live_steps(reader, request, plan).await
}

/// Renaming and making a schema need CREATE on the database.
async fn may_create(reader: &Reader) -> Result<Option<String>, QueryError> {
    let sql = "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')";
    let may = reader.rows(sql).await?.first().is_some_and(|row| row.is_true(0));
    let user = reader.facts().user.raw();
    Ok((!may).then(|| format!("{user} may not create or rename a schema here: GRANT CREATE ON DATABASE is missing")))
}

/// A job that still has to do something in this schema.
async fn live_steps(reader: &Reader, request: &LifeRequest, plan: &LifePlan) -> Result<Option<String>, QueryError> {
    let Some(schema) = &plan.schema else { return Ok(None) };
    if init::status(reader).await? != InitStatus::Current || request.kind == LifeKind::Purge {
        return Ok(None);
    }
    let sql = format!(
        "SELECT j.id, j.kind, j.state FROM tenantui.step AS s JOIN tenantui.job AS j ON j.id = s.job_id \
         WHERE s.schema_name = {} AND s.state IN ('pending', 'intent') AND j.state IN ('queued', 'running', 'paused') \
         AND j.kind <> {} ORDER BY 1 LIMIT 1",
        literal(schema.raw()),
        literal(plan.kind.word()),
    );
    let rows = reader.rows(&sql).await?;
    Ok(rows.first().map(|row| {
        let text = |column: usize| row.text(column).unwrap_or_default();
        format!(
            "job {} ({}) is {} and still has to do something in it: let it end, or cancel it first",
            text(0),
            text(1),
            text(2)
        )
    }))
}

/// Whether a schema is in the trash by its name.
pub(super) fn is_trash(name: &str) -> bool {
    name.starts_with(TRASH_PREFIX)
}

/// A statement's object, quoted where it is a name that can be.
pub(super) fn quoted(name: &str) -> String {
    SchemaName::existing(name).map_or_else(|_| name.to_owned(), |name| name.quoted())
}

/// The step that is alone.
pub(super) fn one(step: LifeStep, words: impl Into<String>) -> Vec<(LifeStep, String)> {
    vec![(step, words.into())]
}
