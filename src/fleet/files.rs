//! Migration folders on disk, read again when they look different.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::picture::Files;
use crate::migrations::dialects::{LedgerScope, of_counted_apps};
use crate::migrations::folder::{Folder, is_foreign};
use crate::migrations::verify;
use crate::model::ledger::Tool;

/// What decides by whose rules a folder is read.
#[derive(Debug, Clone, Default)]
pub struct Whose {
    /// The configuration says so.
    pub configured: Option<Tool>,
    /// The ledgers' tool: where the files do not tell.
    pub ledgers: Option<Tool>,
    /// What counts of the files.
    pub scope: LedgerScope,
}

impl Whose {
    fn tool(&self, detected: Option<Tool>) -> Option<Tool> {
        let by_files = match (detected, self.ledgers) {
            // Their files are called alike.
            (Some(Tool::Sqlx), Some(Tool::Supabase)) => Some(Tool::Supabase),
            (detected, _) => detected,
        };
        self.configured.or(by_files).or(self.ledgers).map(untied)
    }
}

/// Files are of one tool or the other, never of a tie.
const fn untied(tool: Tool) -> Tool {
    match tool {
        Tool::RailsOrDbmate => Tool::Dbmate,
        other => other,
    }
}

/// Whether other rules would be taken now than when it was read.
#[must_use]
pub fn is_of_another_tool(known: &Files, whose: &Whose) -> bool {
    known.signature != 0 && whose.tool(known.detected) != known.tool
}

/// Reads a folder where it changed since it was last read, or is to be read by another tool's rules.
/// `verify` is where verify files of its migrations are kept, if anywhere.
pub async fn refresh(known: &Files, path: Option<&PathBuf>, verify: Option<&PathBuf>, whose: Whose) -> Option<Files> {
    let verify = verify.cloned();
    let Some(path) = path.cloned() else {
        return (known.folder.is_some() || known.error.is_some()).then(Files::default);
    };
    let (last, last_tool, last_detected) = (known.signature, known.tool, known.detected);
    let read = move || {
        let signature = signature(&path, verify.as_deref());
        // Signature 0 is "never read"; the hash of a real folder is as good as never 0.
        let is_same = signature == last && last != 0;
        let detected = if is_same { last_detected } else { Folder::detect(&path) };
        let tool = whose.tool(detected);
        (!is_same || tool != last_tool)
            .then(|| Files { detected, ..read(&path, verify.as_deref(), tool, signature, &whose.scope) })
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(files) => files,
        Err(error) => Some(Files {
            error: Some(format!("the migration folder could not be read: {error}").into()),
            ..Files::default()
        }),
    }
}

fn read(path: &Path, verify: Option<&Path>, tool: Option<Tool>, signature: u64, scope: &LedgerScope) -> Files {
    let Some(tool) = tool else {
        let error = missing(path).map_or_else(
            || Files::default().error,
            |why| Some(format!("{}: {why}; correct path in [database.migrations]", path.display()).into()),
        );
        return Files { error, signature, ..Files::default() };
    };
    let folder = Folder::read(path, tool).and_then(|folder| match verify {
        Some(verify) => verify::attach(folder, verify),
        None => Ok(folder),
    });
    match folder {
        Ok(folder) => {
            let folder = Arc::new(of_counted_apps(&folder, scope));
            Files { folder: Some(folder), signature, tool: Some(tool), ..Files::default() }
        }
        Err(error) => Files { error: Some(error.message), signature, tool: Some(tool), ..Files::default() },
    }
}

/// Why the folder itself cannot be listed, where that is so.
fn missing(path: &Path) -> Option<std::io::Error> {
    std::fs::read_dir(path).err()
}

/// How deep files are looked at, and how many: a project may have its migrations far down.
const DEPTH: u8 = 7;
const MOST: usize = 20_000;

/// Names, sizes and times of the files.
fn signature(path: &Path, verify: Option<&Path>) -> u64 {
    let mut hash = DefaultHasher::new();
    sign(path, DEPTH, &mut MOST.clone(), &mut hash);
    if let Some(verify) = verify {
        sign(verify, 1, &mut MOST.clone(), &mut hash);
    }
    hash.finish()
}

fn sign(path: &Path, depth: u8, left: &mut usize, hash: &mut DefaultHasher) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    let mut entries: Vec<_> = entries.flatten().map(|entry| (entry.path(), entry.file_type())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (entry, kind) in entries {
        let Some(less) = left.checked_sub(1) else { return };
        *left = less;
        if is_foreign(&entry) {
            continue;
        }
        entry.hash(hash);
        if let Ok(facts) = std::fs::metadata(&entry) {
            facts.len().hash(hash);
            facts.modified().ok().hash(hash);
            if kind.is_ok_and(|kind| kind.is_dir()) && depth > 1 {
                sign(&entry, depth - 1, left, hash);
            }
        }
    }
}
