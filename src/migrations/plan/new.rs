//! What plan time says of the files that make a new tenant. Pure.

use super::make::warning;
use crate::migrations::folder::MigrationFile;
use crate::text::Untrusted;

/// Rules about tables with rows and about those who work with them: nobody does in a new tenant. What reaches out of it
/// is said by other rules.
const OF_OLD_TENANTS: [&str; 9] = [
    "blocking-index",
    "data-move",
    "drop-column",
    "drop-table",
    "lock-table",
    "not-null",
    "rewrite",
    "truncate",
    "validated-constraint",
];

/// The warnings of these files where they make a tenant. `allow`: refusals that the configuration lifts, by version and
/// rule; `driven`: the tool's own command runs them, and refusals are no more than told.
#[must_use]
pub fn warnings_of_new<'a>(
    files: impl Iterator<Item = &'a MigrationFile>,
    allow: &[(String, String)],
    driven: bool,
) -> Vec<Untrusted> {
    let mut warnings = Vec::new();
    for file in files {
        for finding in file.findings.iter().filter(|finding| !OF_OLD_TENANTS.contains(&finding.rule)) {
            let lifted = allow.iter().any(|(version, rule)| version == file.version.raw() && rule == finding.rule);
            let is_told = if driven { finding.rule != "code" } else { lifted || !finding.refuses };
            if is_told {
                warnings.push(warning(file, finding, lifted));
            }
        }
    }
    warnings
}
