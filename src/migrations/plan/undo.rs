//! The plan of a rollback or a redo: per tenant the applied migrations that are undone, newest first, and what stays.

use std::sync::Arc;

use super::driven;
use super::make::{collect_findings, common_ledger, empty, left_out, position, target_of, unfit};
use super::{Direction, Plan, PlanError, PlanOptions, TenantPlan};
use crate::migrations::dialects::{Order, dialect};
use crate::migrations::folder::{Folder, MigrationFile};
use crate::model::ledger::{LedgerReading, LedgerState, Tool, Version};
use crate::model::tenant::{DatabaseName, Tenant, TenantState};
use crate::text::Untrusted;

/// How far is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// So many applied migrations, the newest first.
    Steps(u32),
    /// Down to this version, which stays.
    To(Version),
}

/// Makes the plan: `direction` is [`Direction::Down`], or [`Direction::Again`] for a redo.
///
/// # Errors
/// When no plan can be made at all: an unknown version, a tool whose ledger is not written here, or one that undoes
/// nothing.
pub fn undo(
    database: &DatabaseName,
    tenants: &[Arc<Tenant>],
    folder: &Folder,
    (direction, reach): (Direction, &Reach),
    options: PlanOptions,
) -> Result<Plan, PlanError> {
    let tool = folder.tool;
    if undoes_nothing(tool) {
        let message = format!(
            "{tool} keeps no files that undo a migration: write a new migration that takes the change back, and apply it"
        );
        return Err(PlanError { message: message.into() });
    }
    driven::only_applies(tool, &options, "undo")?;
    if let Reach::To(version) = reach {
        position(folder, version)?;
    }
    let mut plan = Plan { direction, ..empty(database, tool, options) };
    for tenant in tenants.iter().filter(|tenant| !tenant.deleted && tenant.state != TenantState::OrphanSchema) {
        match judge(tenant, folder, reach) {
            Ok(None) => plan.up_to_date += 1,
            Ok(Some(planned)) => plan.tenants.push(planned),
            Err(why) => plan.left_out.push(left_out(tenant, why)),
        }
    }
    common_ledger(&mut plan, tenants);
    plan.left_out.sort_by(|a, b| (a.slug.raw(), &a.key).cmp(&(b.slug.raw(), &b.key)));
    plan.put_canaries_first()?;
    plan.target = match (reach, direction) {
        (Reach::To(version), Direction::Down) => Some(version.clone()),
        (Reach::Steps(_), Direction::Down) => None,
        (_, Direction::Up | Direction::Again) => target_of(&plan),
    };
    let scripts = plan.scripts();
    collect_findings(&mut plan, &scripts, &[]);
    plan.estimate = plan.estimated();
    Ok(plan)
}

/// Tools that know no way back.
fn undoes_nothing(tool: Tool) -> bool {
    matches!(tool, Tool::Flyway | Tool::Refinery | Tool::Prisma)
}

/// What is undone in one tenant; `None` where nothing is.
fn judge(tenant: &Tenant, folder: &Folder, reach: &Reach) -> Result<Option<TenantPlan>, Untrusted> {
    if let Some(why) = unfit(tenant, folder) {
        return Err(why);
    }
    let LedgerState::Read(reading) = &tenant.ledger else { return Ok(None) };
    let applied = newest_first(reading, folder)?;
    let count = match reach {
        Reach::Steps(steps) => usize::try_from(*steps).unwrap_or(usize::MAX).min(applied.len()),
        Reach::To(version) => down_to(version, &applied, folder)?,
    };
    let (undone, stay) = applied.split_at(count);
    if undone.is_empty() {
        return Ok(None);
    }
    let mut files: Vec<Arc<MigrationFile>> = Vec::with_capacity(undone.len());
    for version in undone {
        files.push(Arc::clone(with_down(version, folder)?));
    }
    let (Some(schema), Some(schema_oid)) = (&tenant.schema, tenant.schema_oid) else {
        return Err("its schema does not exist".into());
    };
    let name = crate::model::ident::SchemaName::tenant(schema.raw())
        .map_err(|error| Untrusted::new(format!("its schema is no tenant's: {error}")))?;
    let warnings = changed(tenant, &files);
    Ok(Some(TenantPlan {
        key: tenant.key.clone(),
        id: tenant.id.clone(),
        slug: tenant.slug.clone(),
        schema: name,
        schema_oid,
        size_bytes: tenant.size_bytes,
        from: tenant.version().cloned(),
        files,
        stays: stay.first().cloned(),
        warnings,
    }))
}

/// What is applied, the newest first, as the tool itself would undo it.
fn newest_first(reading: &LedgerReading, folder: &Folder) -> Result<Vec<Version>, Untrusted> {
    let dialect = dialect(reading.tool);
    let applied = &reading.applied;
    if !dialect.reading.position_only {
        return Ok(applied.versions.iter().rev().cloned().collect());
    }
    // A ledger without history: its position says that all files up to it are applied.
    let Some(current) = &applied.current else { return Ok(Vec::new()) };
    let Some(at) = folder.files.iter().position(|file| dialect.key(&file.version) == dialect.key(current)) else {
        return Err(no_file(current));
    };
    Ok(folder.files[..=at].iter().rev().map(|file| file.version.clone()).collect())
}

/// How many of these stand above a version.
fn down_to(version: &Version, applied: &[Version], folder: &Folder) -> Result<usize, Untrusted> {
    let dialect = dialect(folder.tool);
    if let Some(count) = applied.iter().position(|known| dialect.key(known) == dialect.key(version)) {
        return Ok(count);
    }
    let newer = match dialect.order {
        Order::Number | Order::Text | Order::Stamp | Order::Parts => {
            applied.iter().any(|known| dialect.order.compare(known, version).is_gt())
        }
        Order::AsListed => !applied.is_empty(),
    };
    if newer {
        return Err(
            format!("{} is not applied here, so nothing can be undone down to it", version.untrusted().safe()).into()
        );
    }
    Ok(0)
}

fn no_file(version: &Version) -> Untrusted {
    format!("its ledger has {}, of which there is no file: it cannot be undone", version.untrusted().safe()).into()
}

fn with_down<'f>(version: &Version, folder: &'f Folder) -> Result<&'f Arc<MigrationFile>, Untrusted> {
    let dialect = dialect(folder.tool);
    let file = folder.files.iter().find(|file| dialect.key(&file.version) == dialect.key(version));
    let file = file.ok_or_else(|| no_file(version))?;
    if file.is_code {
        return Err(format!("{} is a program: undo it with {} itself", version.untrusted().safe(), folder.tool).into());
    }
    if file.down.is_none() {
        let name = file.path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        return Err(format!("no down file: nothing undoes {} ({name})", version.untrusted().safe()).into());
    }
    Ok(file)
}

fn changed(tenant: &Tenant, files: &[Arc<MigrationFile>]) -> Vec<Untrusted> {
    let changed = files.iter().filter(|file| tenant.changed.contains(&file.version));
    changed
        .map(|file| {
            let version = file.version.untrusted();
            format!("the file of {} is not what was applied here: look whether its down file fits", version.safe())
                .into()
        })
        .collect()
}

#[cfg(test)]
mod tests;
