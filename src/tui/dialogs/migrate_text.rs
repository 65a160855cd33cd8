//! What a migration sends, as a text to read: the files' SQL, or the command that does the work.

use std::sync::Arc;

use super::migrate::Migrate;
use crate::config::RunAs;
use crate::migrations::aim::{Driven, Example};
use crate::migrations::alone;
use crate::migrations::folder::MigrationFile;
use crate::migrations::plan::Plan;
use crate::text::Untrusted;

impl Migrate {
    /// The text behind `Show SQL`.
    pub(super) fn sql_text(&self) -> String {
        if let Some(driven) = &self.input.driven {
            return self.command_text(driven);
        }
        let mut out = String::from(
            "-- In each tenant each file is one transaction: its statements, its row in the ledger, the job's step.\n\
             -- The search path is set to the tenant's schema, for that transaction only.\n",
        );
        if self.plan.shared {
            out = String::from(
                "-- Each file is one transaction: its statements, its row in the ledger, the job's step.\n\
                 -- The search path is set to the shared schema, for that transaction only.\n",
            );
        }
        match self.plan.runs_as() {
            RunAs::Login => {}
            RunAs::Owner => {
                out.push_str("-- The role is that of the schema's owner, until the job's step is written.\n")
            }
        }
        let shared = self.input.shared.iter().flat_map(|(plan, _)| plan.files());
        for file in shared {
            out.push_str(&format!(
                "\n-- the shared schema, first: {} {}\n{}\n",
                file.version.raw(),
                file.name.raw(),
                file.sql.trim_end()
            ));
        }
        for file in self.plan.files() {
            let how = if matches!(alone::of(&file), Ok(None)) { "" } else { "  (outside a transaction)" };
            out.push_str(&format!("\n-- {} {}{how}\n{}\n", file.version.raw(), file.name.raw(), file.sql.trim_end()));
        }
        out
    }

    /// The command, and what it is to apply: which statements that takes is the tool's own affair.
    fn command_text(&self, driven: &Driven) -> String {
        let mut lines = facts(&self.plan, driven);
        lines.extend([String::new(), format!("Pending, for {} to apply", driven.tool())]);
        let files = self.plan.files();
        let line = |file: &Arc<MigrationFile>| format!("  {} {}", file.version.untrusted().safe(), file.name.safe());
        lines.extend(files.iter().map(line));
        lines.join("\n")
    }
}

/// What is known of the command before it runs, with the first tenant of the plan as the example.
pub(super) fn facts(plan: &Plan, driven: &Driven) -> Vec<String> {
    let first = plan.tenants.first();
    driven.facts(first.map(|tenant| Example {
        slug: tenant.slug.raw(),
        schema: &tenant.schema,
        id: tenant.id.as_ref().map(Untrusted::raw),
        version: tenant.files.last().map_or("", |file| file.version.raw()),
    }))
}
