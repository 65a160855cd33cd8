//! `[database.migrations]`.

use std::path::PathBuf;
use std::time::Duration;

use super::command;
use crate::config::document::Section;
use crate::config::error::ConfigError;
use crate::config::{Allow, CommandPassword, LedgerTable, Migrations, RunAs};
use crate::model::ident::written_table;
use crate::model::ledger::Tool;

const COMMAND_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));

/// The section.
pub(super) fn migrations(section: &mut Section<'_>) -> Result<Migrations, ConfigError> {
    let tool = match section.text("tool")? {
        None => None,
        Some(text) if text.value == "auto" => None,
        Some(text) => match Tool::from_word(&text.value) {
            Some(tool) => Some(tool),
            None => {
                let words: Vec<&str> = Tool::ALL.iter().map(|tool| tool.word()).collect();
                let what = format!("impossible value; allowed: auto, {}", words.join(", "));
                return Err(section.wrong("tool", text.at, what));
            }
        },
    };
    let path = folder(section, "path")?;
    let shared_path = folder(section, "shared_path")?;
    let verify_path = folder(section, "verify_path")?;
    let ledger_table = match section.text("ledger_table")? {
        None => None,
        Some(text) => Some(table_name(&text.value).map_err(|what| section.wrong("ledger_table", text.at, what))?),
    };
    let mut apps = None;
    for text in section.list("apps")?.unwrap_or_default() {
        if text.value.is_empty() || text.value.contains('.') {
            return Err(section.wrong("apps", text.at, "must be labels of Django's apps, such as [\"shop\"]"));
        }
        apps.get_or_insert_with(Vec::new).push(text.value);
    }
    let command = command(section, "command")?;
    let command_timeout = section.duration("command_timeout", COMMAND_TIMEOUT)?;
    let places = [("env", CommandPassword::Environment), ("url", CommandPassword::Url)];
    let command_password = section.word("command_password", &places)?;
    let command_folder = command.as_ref().map(|_| section.resolve("."));
    let mut allow = Vec::new();
    for text in section.list("allow")?.unwrap_or_default() {
        match text.value.rsplit_once(':') {
            Some((version, rule)) if !version.is_empty() && !rule.is_empty() => {
                allow.push(Allow { version: version.to_owned(), rule: rule.to_owned() });
            }
            _ => {
                let what = "must be a file's version and a rule, such as \"20240101000000:extension\"";
                return Err(section.wrong("allow", text.at, what));
            }
        }
    }
    let roles = [("login", RunAs::Login), ("owner", RunAs::Owner)];
    let run_as = section.word("run_as", &roles)?.unwrap_or_default();
    section.finish()?;
    Ok(Migrations {
        tool,
        path,
        shared_path,
        verify_path,
        ledger_table,
        apps,
        command,
        command_timeout,
        command_password,
        command_folder,
        allow,
        run_as,
    })
}

/// An absent folder is a mistake; an empty one means that there are no files.
fn folder(section: &mut Section<'_>, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
    match section.path(key)? {
        None => Ok(None),
        Some((path, _)) if path.is_dir() => Ok(Some(path)),
        Some((path, at)) => {
            let what = format!("there is no such folder: {} (paths are relative to this file)", path.display());
            Err(section.wrong(key, at, what))
        }
    }
}

/// `schema.table` or `table`, each part in quotes where it has dots or quotes of its own.
pub(super) fn table_name(text: &str) -> Result<LedgerTable, String> {
    let (schema, name) = written_table(text)?;
    Ok(LedgerTable { schema, name })
}
