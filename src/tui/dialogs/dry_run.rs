//! A plan as a text: what is refused, what is warned of, and each tenant's steps. Nothing is written by it.

use super::migrate_words::steps;
use crate::migrations::plan::Plan;
use crate::text::counted;

/// What is refused, and the warnings, each with its label.
pub(super) fn findings(plan: &Plan) -> impl Iterator<Item = (&'static str, String)> {
    let refusals = plan.refusals.iter().map(|refusal| {
        let finding = &refusal.finding;
        let version = refusal.file.version.untrusted().safe();
        ("refused  ", format!("{version} line {}: {}", finding.line, finding.message.safe()))
    });
    refusals.chain(plan.warnings.iter().map(|warning| ("warning  ", warning.safe().to_string())))
}

/// The warnings of the schema that all tenants share, where it is migrated first.
pub(super) fn shared_warnings(plan: &Plan) -> impl Iterator<Item = String> {
    plan.warnings.iter().map(|warning| format!("{SHARED}{}", warning.safe()))
}

/// As [`findings`], of the shared schema.
pub(super) fn findings_of_shared(plan: &Plan) -> impl Iterator<Item = (&'static str, String)> {
    findings(plan).map(|(label, words)| (label, format!("{SHARED}{words}")))
}

const SHARED: &str = "in the shared schema, ";

/// Rows of the tenants: those that are migrated, and those that are left out.
pub(super) fn rows(plan: &Plan) -> usize {
    plan.tenants.len() + plan.left_out.len()
}

/// One of them, as text.
pub(super) fn row(plan: &Plan, row: usize) -> String {
    let Some(tenant) = plan.tenants.get(row) else {
        let left = plan.left_out.get(row - plan.tenants.len());
        return left.map_or_else(String::new, |left| format!("left out {}  {}", left.slug.safe(), left.why.safe()));
    };
    let from = tenant.from.as_ref().map_or_else(|| "none".to_owned(), |version| version.untrusted().safe().into());
    let to: String = tenant.files.last().map_or_else(|| "-".to_owned(), |file| file.version.untrusted().safe().into());
    let what = if row < plan.canary && has_canary(plan) { "canary " } else { "migrate" };
    let names: Vec<String> = tenant.files.iter().map(|file| file.name.safe().into()).collect();
    let warnings: String = tenant.warnings.iter().map(|warning| format!("  ! {}", warning.safe())).collect();
    let slug = tenant.slug.safe();
    // A command is one step, whatever is pending.
    let count =
        if plan.is_driven() { format!("1 step for {}", counted(names.len(), "migration")) } else { steps(names.len()) };
    format!("{what}  {slug}  {from} > {to}  {count}: {}{warnings}", names.join(", "))
}

/// Whether somebody goes before the others.
pub(super) fn has_canary(plan: &Plan) -> bool {
    plan.canary > 0 && plan.tenants.len() > 1
}
