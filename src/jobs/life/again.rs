//! What there is to choose from where a tenant is made whose name is not free: pure.

use crate::layout::CheckedName;
use crate::model::life::{DropRecord, Trashed};
use crate::model::tenant::{Tenant, TenantState};
use crate::text::Untrusted;

/// The commands that make a name free again, or that bring back what has it; `None` where there is nothing to choose.
pub fn choice<'a>(
    name: &CheckedName,
    mut tenants: impl Iterator<Item = &'a Tenant>,
    trash: &[Trashed],
    has_table: bool,
) -> Option<String> {
    let is_it = |drop: &&DropRecord| drop.slug.raw() == name.slug || drop.original.raw() == name.schema.raw();
    if let Some(drop) = trash.iter().filter_map(|trashed| trashed.drop.as_ref()).find(is_it) {
        let slug = drop.slug.safe();
        return Some(format!(
            "it was dropped: `tenantui undrop {slug}` brings it back, `tenantui purge {slug}` removes it for good"
        ));
    }
    let schema = name.schema.raw();
    let has_schema = |tenant: &&Tenant| tenant.schema.as_ref().map(Untrusted::raw) == Some(schema);
    let tenant = tenants.find(has_schema)?;
    match tenant.state {
        // What is wrong says whether a job that began to make it can go on.
        TenantState::OrphanSchema => {
            let why = tenant.problems.first().map_or_else(String::new, |problem| format!("{}; ", problem.safe()));
            // Where nothing lists tenants no row makes it one: what its making lacks does.
            let row = if has_table {
                format!("`tenantui repair {schema}` gives the schema that is there a registry row, ")
            } else {
                String::new()
            };
            Some(format!("{why}{row}`tenantui drop {schema}` moves it into the trash"))
        }
        TenantState::MissingSchema => Some(format!(
            "`tenantui repair {0} --by make` gives the row that is there a schema, `--by forget` removes it",
            tenant.slug.safe()
        )),
        TenantState::NoAccess
        | TenantState::Conflict
        | TenantState::UnknownTool
        | TenantState::Dirty
        | TenantState::Locked
        | TenantState::NeverMigrated
        | TenantState::Ahead
        | TenantState::Behind
        | TenantState::Ok
        | TenantState::Unknown => None,
    }
}
