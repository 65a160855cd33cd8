//! Files that are older than a tenant's version and not in its ledger. Pending they are; what happens to them is their
//! tool's rule, so that a folder comes to the same schemas whoever applies it.

use std::sync::Arc;

use super::{PlanOptions, Standing};
use crate::migrations::dialects::{Dialect, Gap, Order, dialect, refinery};
use crate::migrations::folder::{Folder, MigrationFile};
use crate::model::ledger::{LedgerReading, Tool};
use crate::model::tenant::Tenant;
use crate::text::Untrusted;

/// What runs of a tenant's pending files.
#[derive(Debug)]
pub(super) struct Settled {
    /// In order.
    pub files: Vec<Arc<MigrationFile>>,
    /// What is to be said of the older ones.
    pub warning: Option<Untrusted>,
}

/// Settles which of the files run. One that the operator named runs, whatever the rule.
///
/// # Errors
/// With the reason for which the tenant is left out.
pub(super) fn settle(
    tenant: &Tenant,
    standing: &Standing,
    folder: &Folder,
    files: Vec<Arc<MigrationFile>>,
    options: &PlanOptions,
) -> Result<Settled, Untrusted> {
    let Some(reading) = tenant.ledger.reading() else { return Ok(Settled { files, warning: None }) };
    let (known, only) = (dialect(reading.tool), options.only.is_some());
    if let (true, Some(why)) = (only, jumps(known, standing, &files)) {
        return Err(why);
    }
    let (older, newer): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| is_older(folder, reading, file));
    if older.is_empty() {
        return Ok(Settled { files, warning: None });
    }
    let tool = reading.tool;
    let count = older.len();
    let first = older[0].version.untrusted().safe().to_string();
    // What a command applies is its tool's to pick.
    let alone =
        if options.command.is_some() { String::new() } else { format!(", or apply it alone with --only {first}") };
    match (known.gap, only) {
        (Gap::Applied, _) => {
            warn(files, format!("{count} pending below its version: applied now, out of order, as the tool does"))
        }
        (Gap::ByGraph, _) => warn(files, format!("{count} pending below its version: applied now")),
        (Gap::Refused, true) if tool == Tool::NodePgMigrate => warn(
            files,
            format!(
                "{first} is below its version: applied now; {tool} itself stops at this tenant from then on, unless it is run with --no-check-order"
            ),
        ),
        (Gap::Refused, true) => {
            warn(files, format!("{first} is below its version: applied now; the tool itself stops at it with an error"))
        }
        (Gap::NeverApplied, true) => {
            warn(files, format!("{first} is below its version: applied now; the tool itself would never apply it"))
        }
        (Gap::Refused, false) => Err(format!(
            "gap: {first} is older than its version and not in its ledger ({count} such); {tool} stops at that with an \
             error, so nothing is applied here. Give the file a newer number{alone}"
        )
        .into()),
        (Gap::NeverApplied, false) if newer.is_empty() => Err(format!(
            "gap: {first} is older than its version and not in its ledger ({count} such); {tool} never applies such a \
             file. Give it a newer number{alone}"
        )
        .into()),
        (Gap::NeverApplied, false) => warn(
            newer,
            format!(
                "{count} pending below its version: passed over, as {tool} does. Give {first} a newer number{alone}"
            ),
        ),
    }
}

fn warn(files: Vec<Arc<MigrationFile>>, warning: String) -> Result<Settled, Untrusted> {
    Ok(Settled { files, warning: Some(warning.into()) })
}

fn is_older(folder: &Folder, reading: &LedgerReading, file: &MigrationFile) -> bool {
    let known = dialect(reading.tool);
    let may_come_late = match known.gap {
        // Behind which files a branch of the graph stands says nothing.
        Gap::ByGraph if known.order == Order::AsListed => true,
        Gap::ByGraph | Gap::Applied | Gap::Refused | Gap::NeverApplied => {
            known.tool == Tool::Refinery && refinery::is_unordered(file)
        }
    };
    let newest = reading.applied.versions.last();
    !may_come_late && newest.is_some_and(|newest| folder.is_before(&file.version, newest) == Some(true))
}

/// A ledger that is a position cannot say that a file was left out: those in between would count as applied.
fn jumps(known: &Dialect, standing: &Standing, files: &[Arc<MigrationFile>]) -> Option<Untrusted> {
    let position_only = known.reading.position_only;
    let first = standing.pending.as_ref()?.first()?;
    let file = files.first().filter(|file| position_only && file.version != *first)?;
    let (version, first) = (file.version.untrusted(), first.untrusted());
    Some(
        format!(
            "the ledger of {} is one position: with {} alone {} would count as applied too. Use --to {}",
            known.tool,
            version.safe(),
            first.safe(),
            version.safe()
        )
        .into(),
    )
}
