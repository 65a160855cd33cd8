//! What a plan says where the tool's own command does the work: one step per tenant, whatever is pending, and what
//! cannot be asked of such a command.

use super::{PlanError, PlanOptions};
use crate::migrations::aim;
use crate::migrations::dialects::{ToolLock, dialect};
use crate::migrations::folder::Folder;
use crate::model::ledger::Tool;
use crate::text::Untrusted;

/// Whether the tool's own command brings a new tenant to the newest version; `false` where tenantui does.
///
/// # Errors
/// When neither can: why, and what to configure.
pub fn drives(folder: &Folder, options: &PlanOptions) -> Result<bool, PlanError> {
    check(folder, options)
}

/// Whether the configured command can do what was asked; `false` where tenantui writes the ledger itself.
pub(super) fn check(folder: &Folder, options: &PlanOptions) -> Result<bool, PlanError> {
    let tool = folder.tool;
    let Some(command) = &options.command else {
        return if dialect(tool).writing.is_some() { Ok(false) } else { Err(PlanError { message: not_written(tool) }) };
    };
    match refusal(tool, command, options) {
        Some(words) => Err(PlanError { message: words.into() }),
        None => Ok(true),
    }
}

/// Why a command is not asked for this. `None` where tenantui writes the ledger itself.
pub(super) fn only_applies(tool: Tool, options: &PlanOptions, what: &str) -> Result<(), PlanError> {
    if options.command.is_some() {
        let message = format!(
            "{tool} is driven by its own command (command in [database.migrations]), which applies the tenants' \
             migrations and nothing else: {what} with {tool} itself"
        );
        return Err(PlanError { message: message.into() });
    }
    if dialect(tool).writing.is_none() {
        return Err(PlanError {
            message: format!("{tool} ledgers are not written by tenantui: {what} with {tool} itself").into(),
        });
    }
    Ok(())
}

fn not_written(tool: Tool) -> Untrusted {
    format!(
        "{tool} ledgers are not written by tenantui: let {tool} do it itself, run by tenantui once per tenant. Set \
         command in [database.migrations] to its own, {}; until then tenantui goes on showing where each tenant stands",
        aim::example(tool)
    )
    .into()
}

fn refusal(tool: Tool, command: &[String], options: &PlanOptions) -> Option<String> {
    if let Some(words) = aim::unaimed(tool, command) {
        return Some(words);
    }
    if options.only.is_some() {
        return Some(format!(
            "--only picks files, and the files are {tool}'s to pick: it applies all that are pending, or with --to those \
             up to a version"
        ));
    }
    if options.to.is_some() && !aim::takes_version(command) {
        return Some(format!(
            "--to needs a command that can be told how far to go: write {{version}} where {tool} takes the version, in \
             command of [database.migrations]"
        ));
    }
    None
}

/// A tool that locks the whole database shuts its own second run out.
pub(super) fn one_at_a_time(tool: Tool, options: &mut PlanOptions) -> Option<Untrusted> {
    let alone = matches!(dialect(tool).lock, ToolLock::Database(_)) || aim::locks_database(tool);
    if !alone || options.parallel <= 1 {
        return None;
    }
    let asked = std::mem::replace(&mut options.parallel, 1);
    Some(
        format!(
            "{tool} locks the whole database while it migrates: one tenant at a time, not {asked}, and slower by that"
        )
        .into(),
    )
}
