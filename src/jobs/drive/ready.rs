//! What is decided before any step: which command, for which versions, and whether it may run here at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::jobs::gate;
use crate::jobs::orders::OrderError;
use crate::jobs::params::{CommandRef, Params};
use crate::migrations::aim::{self, Aim, PasswordPlace};
use crate::migrations::dialects::{Hints, LedgerScope, of_counted_apps};
use crate::migrations::folder::Folder;
use crate::model::job::JobId;
use crate::model::ledger::{Tool, Version};
use crate::postgres::session::Target;

/// The command of a job, as it is configured where the job runs.
pub(in crate::jobs) struct Drive<'a> {
    pub(super) target: &'a Target,
    pub(super) job: JobId,
    pub(super) command: &'a [String],
    pub(super) aim: &'static Aim,
    /// The files, to say what is still pending.
    pub(super) folder: Arc<Folder>,
    /// What no tenant may lack behind its step: every version that the plan runs anywhere. A tenant that was not to get
    /// one of them has it already.
    pub(super) planned: Vec<Version>,
    /// For one tenant.
    pub(super) limit: Duration,
    pub(super) password: PasswordPlace,
    pub(super) hints: Hints,
    /// What counts of a tenant's ledger.
    pub(super) scope: LedgerScope,
    /// Held by a command while none is proved.
    pub(super) turn: Mutex<()>,
    proved: AtomicBool,
}

impl<'a> Drive<'a> {
    /// Whether a command of this run did what it was to do, where it was to do it.
    pub(super) fn is_proved(&self) -> bool {
        self.proved.load(Ordering::Relaxed)
    }

    /// One did.
    pub(super) fn prove(&self) {
        self.proved.store(true, Ordering::Relaxed);
    }

    /// The command of this job; `None` where tenantui writes the ledgers itself.
    ///
    /// # Errors
    /// When it is not the command that was confirmed, or its folder cannot be read.
    pub(in crate::jobs) async fn of(
        target: &'a Target,
        job: JobId,
        params: &Params,
    ) -> Result<Option<Self>, OrderError> {
        same_command(target, params)?;
        let migrations = &target.config.migrations;
        let (Some(_), Some(command)) = (&params.command, &migrations.command) else { return Ok(None) };
        let tool = params.tool.as_deref().and_then(Tool::from_word);
        let (Some(tool), Some(path)) = (tool, migrations.path.clone()) else {
            return Err(gate::refused("the job's migration tool or its folder is not known here"));
        };
        let read = tokio::task::spawn_blocking(move || Folder::read(&path, tool)).await;
        let folder = read
            .map_err(|error| gate::refused(error.to_string()))?
            .map_err(|error| gate::refused(error.to_string()))?;
        // As the plan saw it: of Django's apps only those that count for a tenant.
        let scope = LedgerScope {
            apps: migrations.apps.clone(),
            without: Vec::new(),
            tenants_table: params.registry.as_ref().map(|registry| registry.table.clone()),
        };
        let folder = of_counted_apps(&folder, &scope);
        let aim = aim::aim(tool, command);
        Ok(Some(Self {
            target,
            job,
            command,
            aim,
            hints: Hints {
                configured: migrations.tool,
                folder: Some(folder.tool),
                table: migrations.ledger_table.clone(),
            },
            scope,
            folder: Arc::new(folder),
            planned: params.files.iter().map(|file| Version::new(&file.version)).collect(),
            limit: aim::limit(migrations),
            password: aim::password_place(migrations, aim),
            turn: Mutex::new(()),
            proved: AtomicBool::new(false),
        }))
    }
}

/// Refuses a job whose command is not the one that is configured here.
///
/// # Errors
/// When it differs, or there is none.
pub(in crate::jobs) fn same_command(target: &Target, params: &Params) -> Result<(), OrderError> {
    let here = target.config.migrations.command.as_deref().map(CommandRef::of);
    match (&params.command, here) {
        // A job that tenantui writes itself goes on so, whatever was configured since.
        (None, _) => Ok(()),
        (Some(wanted), Some(here)) if *wanted == here => Ok(()),
        (Some(wanted), Some(here)) => Err(gate::refused(format!(
            "the job was ordered with another command ({}) than the one configured here for {} ({}): run it where that \
             one is configured, or cancel it and plan again",
            wanted.program, target.config.name, here.program
        ))),
        (Some(wanted), None) => Err(gate::refused(format!(
            "the job runs the command {}, and none is configured here for {}: set command in [database.migrations]",
            wanted.program, target.config.name
        ))),
    }
}

/// Refuses a plan whose command is not the configured one any more, or whose program is not there.
///
/// # Errors
/// When it could not be started.
pub(in crate::jobs) fn startable(target: &Target, planned: Option<&Vec<String>>) -> Result<(), OrderError> {
    let migrations = &target.config.migrations;
    if planned != migrations.command.as_ref() {
        return Err(gate::refused("the command was configured anew since the plan was made: plan again"));
    }
    let Some(program) = migrations.command.as_ref().and_then(|command| command.first()) else {
        return Err(gate::refused("no command is configured"));
    };
    if program.contains('/') {
        return runs(Path::new(program)).map_err(|why| gate::refused(format!("command: {program} {why}")));
    }
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    if folders.iter().any(|folder| runs(&folder.join(program)).is_ok()) {
        return Ok(());
    }
    Err(gate::refused(format!(
        "command: there is no program {program} in PATH; write its path, relative to the configuration file"
    )))
}

/// Whether a file is there and may be run.
fn runs(path: &Path) -> Result<(), &'static str> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Err(_) => Err("does not exist, or may not be looked at"),
        Ok(facts) if !facts.is_file() => Err("is no file"),
        Ok(facts) if facts.permissions().mode() & 0o111 == 0 => Err("is not executable: chmod +x it"),
        Ok(_) => Ok(()),
    }
}
