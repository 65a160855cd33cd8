//! A plan in the words of the migrate dialog's page.

use super::migrate_view::WIDTH;
use super::parts::LABEL;
use crate::migrations::plan::Plan;
use crate::text::{counted, duration, fit};

pub(super) fn steps(count: usize) -> String {
    counted(count, "step")
}

pub(super) fn target_line(plan: &Plan) -> String {
    let target: String =
        plan.target.as_ref().map_or_else(|| "-".to_owned(), |version| version.untrusted().safe().into());
    let counts = plan.tenants.iter().map(|tenant| tenant.files.len());
    let (Some(fewest), Some(most)) = (counts.clone().min(), counts.max()) else {
        return format!("{target}  (no steps)");
    };
    // A command is one step, whatever is pending.
    let counted = if plan.is_driven() { |count| counted(count, "migration") } else { steps };
    let how = if fewest == most { counted(most) } else { format!("{fewest} to {}", counted(most)) };
    let names: Vec<String> = plan.files().iter().map(|file| file.name.safe().into()).collect();
    fit(&format!("{target}  ({how}: {})", names.join(", ")), usize::from(WIDTH - 4 - LABEL))
}

/// `public is 2 behind: it is migrated first`; or why it cannot be.
pub(super) fn shared_line(plan: &Plan) -> String {
    if let Some(refusal) = plan.refusals.first() {
        let (version, finding) = (refusal.file.version.untrusted().safe(), &refusal.finding);
        return format!("{version} line {} is refused: {}", finding.line, finding.message.safe());
    }
    match (plan.tenants.first(), plan.left_out.first()) {
        (Some(shared), _) => format!("{} is {} behind: it is migrated first", shared.slug.safe(), shared.files.len()),
        (None, Some(left)) => format!("{} cannot be migrated: {}", left.slug.safe(), left.why.safe()),
        (None, None) => "up to date".to_owned(),
    }
}

pub(super) fn left_out_line(plan: &Plan) -> String {
    let first: Vec<String> =
        plan.left_out.iter().take(2).map(|left| format!("{}: {}", left.slug.safe(), left.why.safe())).collect();
    let more = plan.left_out.len().saturating_sub(first.len());
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}  {}{more}", plan.left_out.len(), first.join("; "))
}

pub(super) fn then_line(plan: &Plan) -> String {
    let rest = plan.tenants.len().saturating_sub(plan.canary);
    let mut sizes: Vec<String> = Vec::new();
    let mut covered = 0;
    for size in &plan.options.batches {
        if covered >= rest {
            break;
        }
        let size = usize::try_from(*size).unwrap_or(usize::MAX).min(rest - covered);
        covered += size;
        sizes.push(size.to_string());
    }
    if covered < rest {
        sizes.push("rest".to_owned());
    }
    let batches =
        if sizes.len() == 1 { "all in one batch".to_owned() } else { format!("batches {}", sizes.join(", ")) };
    let failures = plan.options.max_failures;
    let words = if failures == 1 { "failure" } else { "failures" };
    let gaps = sizes.len() + usize::from(plan.canary > 0);
    let pause = match plan.options.pause {
        pause if pause.is_zero() || gaps < 2 => String::new(),
        pause => format!(", {} apart", duration(pause)),
    };
    // With a pause the line is full.
    let gap = if pause.is_empty() { "    " } else { "  " };
    format!("{batches}{pause}{gap}at once {}{gap}stop after {failures} {words}", plan.options.parallel)
}
