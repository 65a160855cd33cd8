//! What is checked before the making of a tenant is recorded: privileges, names, and the registry's columns.

use super::names::taken;
use super::{Allowed, makes, others, owners, role_there, row_values, through_no_pooler};
use crate::jobs::gate::{Asks, refused};
use crate::jobs::life::{again, trash};
use crate::jobs::orders::OrderError;
use crate::jobs::params::{ProvisionParams, RowValue, TenantRole};
use crate::jobs::service::{NewTenant, ProvisionOrder};
use crate::layout::role::Role;
use crate::layout::{CheckedName, Layout, NameError, Registry};
use crate::model::ident::{QualifiedName, literal};
use crate::model::life::Trashed;
use crate::postgres::session::Target;

/// Roles that are there of which it is asked whose they may be, where a file would give them to its tenants.
const LOOKED_AT: usize = 20;

/// Checks the order of a provisioning, and decides what the new rows will hold.
pub(in crate::jobs) async fn provision(
    target: &Target,
    session: &impl Asks,
    order: &ProvisionOrder,
) -> Result<Vec<ProvisionParams>, OrderError> {
    if order.tenants.is_empty() {
        return Err(refused("no tenant is named: there is nothing to order"));
    }
    for tenant in &order.tenants {
        tenant.name.schema.check_tenant().map_err(|error| refused(error.to_string()))?;
    }
    if let Some(folder) = &order.folder {
        makes(target, folder)?;
        through_no_pooler(session, folder.files.iter().map(AsRef::as_ref))?;
    }
    let table = match &order.layout.registry {
        Registry::Table { table, columns, oid } => Some((table, columns, *oid)),
        Registry::Query { .. } => {
            return Err(refused(
                "the tenants of this database come from a query: tenantui cannot know which table gets the new row",
            ));
        }
        Registry::Scan { .. } => None,
    };
    privileges(target, session, table.map(|(table, ..)| table), order.role).await?;
    owners::of_new(target, session).await?;
    others(session, &order.layout).await?;
    let mut taken =
        taken(session, table.map(|(table, ..)| table), table.map(|(_, columns, _)| &columns.slug.name)).await?;
    let trash = trash::list(session, &target.config.name).await?;
    for tenant in &order.tenants {
        none_in_trash(target, session, &order.layout, tenant, &trash).await?;
    }
    taken.rows_hidden = order.layout.about.hidden_rows.is_some();
    let roles = roles(target, session, order).await?;
    let mut allowed = Allowed::default();
    let mut made = Vec::with_capacity(order.tenants.len());
    for (tenant, role) in order.tenants.iter().zip(roles) {
        let of = |error: &dyn std::fmt::Display| match order.tenants.len() {
            1 => refused(error.to_string()),
            _ => refused(format!("{}: {error}", tenant.name.slug)),
        };
        let choice = taken.choice(&tenant.name).unwrap_or_default();
        taken.check(&tenant.name).map_err(|error| of(&format!("{error}{choice}")))?;
        taken.slugs.push(tenant.name.slug.clone());
        taken.schemas.push(tenant.name.schema.raw().to_owned());
        let row = match table {
            Some((_, columns, oid)) => row_values(session, &order.layout, tenant, oid, columns, &mut allowed)
                .await
                .map_err(|error| of(&error))?,
            None => without_registry(tenant).map_err(|error| of(&error))?,
        };
        let schema = tenant.name.schema.raw().to_owned();
        made.push(ProvisionParams { slug: tenant.name.slug.clone(), schema, row, role });
    }
    Ok(made)
}

/// Where no row keeps its place, as it was deleted or never was, a dropped tenant's name looks free. What goes by that name
/// alone would be the new tenant's.
async fn none_in_trash(
    target: &Target,
    session: &impl Asks,
    layout: &Layout,
    tenant: &NewTenant,
    trash: &[Trashed],
) -> Result<(), OrderError> {
    let name = &tenant.name;
    let Some(choice) = again::choice(name, std::iter::empty(), trash, false) else { return Ok(()) };
    let goes_along = goes_along(target, session, layout, name).await?;
    let why = match goes_along.split_last() {
        None => "and could not come back beside a new tenant of its name".to_owned(),
        Some((only, [])) => format!("and its {only} would be the new tenant's"),
        Some((last, rest)) => format!("and its {} and {last} would be the new tenant's", rest.join(", ")),
    };
    Err(refused(format!("\"{}\" is in the trash, {why}; {choice}", name.slug)))
}

/// What a new tenant of a dropped one's name would have of it: what there can be of that here.
async fn goes_along(
    target: &Target,
    session: &impl Asks,
    layout: &Layout,
    name: &CheckedName,
) -> Result<Vec<String>, OrderError> {
    let mut all = Vec::new();
    if target.config.cache.as_ref().is_some_and(|cache| !cache.keys.is_empty() || !layout.cache_keys.is_empty()) {
        all.push("cache keys".to_owned());
    }
    if let Some(access) = &layout.access {
        let sql = format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(&access.table.quoted()));
        if session.ask(&sql).await?.iter().flatten().next().is_some_and(|row| row.is_true(0)) {
            all.push(access.title.clone());
        }
    }
    let own = layout.role.as_ref().and_then(|role| role.rule.name_of(&name.slug, &name.schema).ok());
    if let Some(own) = own
        && !role_there::any(session, &[own.raw()]).await?.is_empty()
    {
        all.push("role".to_owned());
    }
    Ok(all)
}

/// Where the schemas are the list of tenants, there is nowhere to keep anything of one.
fn without_registry(tenant: &NewTenant) -> Result<Vec<RowValue>, OrderError> {
    match (&tenant.plan, &tenant.settings) {
        (None, None) => Ok(Vec::new()),
        (Some(_), _) => Err(refused("this database has no registry, and so no column for a plan")),
        (None, Some(_)) => Err(refused("this database has no registry, and so no column for settings")),
    }
}

/// The roles that are to be made. None may exist, nor one that a tenant of the name had before, where none is made. Roles are
/// of the whole server.
async fn roles(
    target: &Target,
    session: &impl Asks,
    order: &ProvisionOrder,
) -> Result<Vec<Option<TenantRole>>, OrderError> {
    let Some(role) = &order.layout.role else {
        if !order.role {
            return Ok(vec![None; order.tenants.len()]);
        }
        return Err(refused(format!("the layout {} has no role of a tenant's own", order.layout.name)));
    };
    let own = order.tenants.iter().map(|tenant| own_role(role, &tenant.name, order.role));
    let roles = own.collect::<Result<Vec<_>, _>>()?;
    let there = roles_there(session, &roles, order.role).await?;
    if !there.is_empty() {
        return Err(role_there::refusal(target, &order.layout, &there).await);
    }
    Ok(if order.role { roles } else { vec![None; order.tenants.len()] })
}

/// The role of a new tenant by the layout's rule; `None`: there can be none, and none is made.
fn own_role(role: &Role, name: &CheckedName, made: bool) -> Result<Option<TenantRole>, OrderError> {
    let wrong = |error: NameError| refused(error.to_string());
    let path = role.rule.path_of(&name.schema).map_err(wrong);
    match (role.rule.name_of(&name.slug, &name.schema).map_err(wrong), path) {
        (Ok(own), Ok(path)) => Ok(Some(TenantRole {
            name: own.raw().to_owned(),
            search_path: path.iter().map(|schema| schema.raw().to_owned()).collect(),
        })),
        // A tenant that gets none has no use for the name.
        (Err(_), _) | (_, Err(_)) if !made => Ok(None),
        (Err(wrong), _) | (_, Err(wrong)) => Err(wrong),
    }
}

/// Those of the tenants' roles that are in the way.
async fn roles_there(session: &impl Asks, roles: &[Option<TenantRole>], made: bool) -> Result<Vec<String>, OrderError> {
    let names: Vec<&str> = roles.iter().flatten().map(|role| role.name.as_str()).collect();
    if made {
        role_there::any(session, &names).await
    } else {
        // One that is not made now is the tenant's all the same, by its name, and whoever has its password gets in.
        role_there::left(session, &names).await
    }
}

/// Why single ones of these tenants cannot be made as they are asked for, by their places: all that [`provision`] would
/// refuse of them, one after the other.
pub(in crate::jobs) async fn unfit(
    target: &Target,
    session: &impl Asks,
    layout: &Layout,
    tenants: &[NewTenant],
    role: bool,
) -> Result<Vec<(usize, OrderError)>, OrderError> {
    let trash = trash::list(session, &target.config.name).await?;
    let mut found = Vec::new();
    let mut note = |place: usize, checked: Result<(), OrderError>| match checked {
        Ok(()) => Ok(true),
        Err(why @ OrderError::Refused(_)) => {
            found.push((place, why));
            Ok(false)
        }
        Err(trouble) => Err(trouble),
    };
    let mut roles = vec![None; tenants.len()];
    let mut allowed = Allowed::default();
    for (place, tenant) in tenants.iter().enumerate() {
        // What is said of the trash is said of the role in it, too.
        if note(place, none_in_trash(target, session, layout, tenant, &trash).await)?
            && let Some(rule) = &layout.role
        {
            let own = own_role(rule, &tenant.name, role).map(|own| roles[place] = own);
            note(place, own)?;
        }
        let row = match &layout.registry {
            Registry::Table { columns, oid, .. } => {
                row_values(session, layout, tenant, *oid, columns, &mut allowed).await.map(drop)
            }
            Registry::Scan { .. } => without_registry(tenant).map(drop),
            // Nothing can be made there, whatever the lines say.
            Registry::Query { .. } => Ok(()),
        };
        note(place, row)?;
    }
    let there = roles_there(session, &roles, role).await?;
    let of = |name: &String| roles.iter().position(|role| role.as_ref().is_some_and(|role| role.name == *name));
    for (at, (name, place)) in there.iter().filter_map(|name| Some((name, of(name)?))).enumerate() {
        let why = match at {
            // Whose it may be takes a session and a look each time.
            ..LOOKED_AT => role_there::refusal(target, layout, std::slice::from_ref(name)).await,
            _ => role_there::unexplained(name),
        };
        note(place, Err(why))?;
    }
    Ok(found)
}

async fn privileges(
    target: &Target,
    session: &impl Asks,
    table: Option<&QualifiedName>,
    role: bool,
) -> Result<(), OrderError> {
    let insert = table.map_or_else(
        || "true".to_owned(),
        |table| format!("pg_catalog.has_table_privilege({}::regclass, 'INSERT')", literal(&table.quoted())),
    );
    let rows = session
        .ask(&format!(
            "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), {insert}, \
             r.rolsuper OR r.rolcreaterole FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user"
        ))
        .await?;
    let row = rows.iter().flatten().next();
    let has = |column| row.is_some_and(|row| row.is_true(column));
    let mut missing = Vec::new();
    if !has(0) {
        missing.push("GRANT CREATE ON DATABASE".to_owned());
    }
    if let (false, Some(table)) = (has(1), table) {
        missing.push(format!("GRANT INSERT ON {}", table.quoted()));
    }
    if role && !has(2) {
        missing.push("ALTER ROLE ... CREATEROLE".to_owned());
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "{} may not provision in {}: {} is missing",
        session.facts().user.raw(),
        target.config.name,
        missing.join(" and ")
    )))
}
