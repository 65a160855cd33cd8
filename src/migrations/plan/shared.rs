//! The plan of the shared schema: one target, which is no tenant, with files and a ledger of its own.

use std::sync::Arc;

use super::driven;
use super::make::{Range, cannot_write, collect_findings, empty, target_of};
use super::{LeftOut, Plan, PlanError, PlanOptions, TenantPlan};
use crate::migrations::dialects::dialect;
use crate::migrations::folder::{Folder, MigrationFile};
use crate::migrations::standing::standing;
use crate::model::ident::SchemaName;
use crate::model::ledger::{LedgerState, Version};
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::{Untrusted, grouped};

/// Rules that speak of a tenant's files only: the shared schema is the place for what they find.
const TENANTS_ONLY: [&str; 3] = ["extension", "public-table", "shared-object"];

/// The shared schema as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTarget {
    /// Its name.
    pub schema: SchemaName,
    /// Its oid.
    pub oid: u32,
    /// Its ledger.
    pub ledger: LedgerState,
    /// Its migrations, where a folder is configured and could be read.
    pub folder: Option<Arc<Folder>>,
    /// Why there is no folder although one is configured.
    pub folder_error: Option<Untrusted>,
    /// The command that takes a lock away which was left behind in it.
    pub unlock: String,
}

impl SharedTarget {
    /// How many of its migrations are pending; `None` where no folder is configured, or its ledger could not be read.
    #[must_use]
    pub fn behind(&self) -> Option<u32> {
        let pending = standing(&self.ledger, self.folder.as_ref()?).pending?;
        u32::try_from(pending.len()).ok()
    }
}

impl Plan {
    /// Where the shared schema gets the tenants' own migrations and no folder is configured for it: what it lacks of
    /// them is the operator's to apply, and before the tenants, whose files may build on it. One without a ledger is no
    /// such sibling.
    pub fn tell_sibling(&mut self, target: &SharedTarget, folder: &Folder) {
        if let Some(words) = self.sibling_lacks(target, folder) {
            self.warnings.insert(0, words.into());
        }
    }

    /// What the shared schema lacks of the tenants' files, where it gets the same and no folder of its own is known.
    #[must_use]
    pub fn sibling_lacks(&self, target: &SharedTarget, folder: &Folder) -> Option<String> {
        if target.folder.is_some() || target.folder_error.is_some() || target.ledger.reading().is_none() {
            return None;
        }
        let pending = standing(&target.ledger, folder).pending.map_or(0, |pending| pending.len());
        if pending == 0 {
            return None;
        }
        let name = target.schema.raw();
        let how = if self.is_driven() || dialect(self.tool).writing.is_none() {
            format!("with {} itself", self.tool)
        } else {
            "for which shared_path in [database.migrations] names the same folder".to_owned()
        };
        Some(format!(
            "{name}, the shared schema, gets the same migrations and lacks {} of them: migrate it first, {how}",
            grouped(pending as u64)
        ))
    }
}

/// Makes the plan.
///
/// # Errors
/// When no plan can be made at all: no folder, an unknown `to`, a tool that is not written here.
pub fn shared(database: &DatabaseName, target: &SharedTarget, options: PlanOptions) -> Result<Plan, PlanError> {
    let Some(folder) = &target.folder else {
        let why = target.folder_error.as_ref().map_or_else(
            || "no folder is configured for the shared schema; set shared_path in [database.migrations]".into(),
            Untrusted::clone,
        );
        return Err(PlanError { message: why });
    };
    driven::only_applies(folder.tool, &options, "migrate the shared schema")?;
    let range = Range::new(folder, &options)?;
    // One target: there is nobody to go first, and nobody to go on with.
    let options = PlanOptions {
        canary: 0,
        canary_tenants: Vec::new(),
        batches: Vec::new(),
        parallel: 1,
        max_failures: 1,
        ..options
    };
    let mut plan = Plan { shared: true, ..empty(database, folder.tool, options) };
    let standing = standing(&target.ledger, folder);
    let pending = standing.pending.as_deref().unwrap_or_default();
    let files: Vec<Arc<MigrationFile>> =
        range.files().iter().filter(|file| pending.contains(&file.version)).cloned().collect();
    let key = TenantKey::schema(database, target.schema.raw());
    let slug = Untrusted::new(target.schema.raw());
    let from: Option<Version> = target.ledger.reading().and_then(|reading| reading.applied.current.clone());
    match cannot_write(&target.ledger, folder.tool).map(|why| in_the_way(target, why)) {
        Some(why) => plan.left_out.push(LeftOut { key, schema: Some(slug.clone()), slug, version: from, why }),
        None if files.is_empty() => plan.up_to_date = 1,
        None => plan.tenants.push(TenantPlan {
            key,
            id: None,
            slug,
            schema: target.schema.clone(),
            schema_oid: target.oid,
            size_bytes: None,
            from,
            files,
            stays: None,
            warnings: Vec::new(),
        }),
    }
    plan.ledger = own_name(&target.ledger, folder);
    plan.target = target_of(&plan).or_else(|| range.files().last().map(|file| file.version.clone()));
    let scripts = plan.scripts();
    collect_findings(&mut plan, &scripts, &TENANTS_ONLY);
    plan.estimate = plan.estimated();
    Ok(plan)
}

/// Why it cannot be written; of a lock that was left behind, what takes it away.
fn in_the_way(target: &SharedTarget, why: Untrusted) -> Untrusted {
    match target.ledger.reading() {
        Some(reading) if reading.locked.is_some() && !reading.dirty => format!(
            "locked: the lock of {} was left behind, or is held; once no migration runs there, `{}` takes it away",
            reading.tool, target.unlock
        )
        .into(),
        Some(_) | None => why,
    }
}

fn own_name(ledger: &LedgerState, folder: &Folder) -> Option<Arc<str>> {
    let usual = dialect(folder.tool).writing.as_ref().map(|writing| writing.table)?;
    ledger.reading().map(|reading| &reading.table).filter(|table| &***table != usual).cloned()
}
