//! Migration folders on disk, read again when they look different.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::picture::Files;
use crate::migrations::folder::Folder;
use crate::migrations::verify;
use crate::model::ledger::Tool;

/// Reads a folder where it changed since it was last read, or is to be read by another tool's rules.
/// `verify` is where verify files of its migrations are kept, if anywhere.
pub async fn refresh(
    known: &Files,
    path: Option<&PathBuf>,
    verify: Option<&PathBuf>,
    tool: Option<Tool>,
) -> Option<Files> {
    let verify = verify.cloned();
    let Some(path) = path.cloned() else {
        return (known.folder.is_some() || known.error.is_some()).then(Files::default);
    };
    let (last, last_tool) = (known.signature, known.tool);
    let read = move || {
        let signature = signature(&path, verify.as_deref());
        // Signature 0 is "never read"; the hash of a real folder is as good as never 0.
        let same = signature == last && last != 0 && (tool == last_tool || tool.is_none());
        (!same).then(|| read(&path, verify.as_deref(), tool, signature))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(files) => files,
        Err(error) => Some(Files {
            error: Some(format!("the migration folder could not be read: {error}").into()),
            ..Files::default()
        }),
    }
}

fn read(path: &Path, verify: Option<&Path>, tool: Option<Tool>, signature: u64) -> Files {
    let Some(tool) = tool.or_else(|| Folder::detect(path)) else {
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
        Ok(folder) => Files { folder: Some(Arc::new(folder)), error: None, signature, tool: Some(tool) },
        Err(error) => Files { folder: None, error: Some(error.message), signature, tool: Some(tool) },
    }
}

/// Why the folder itself cannot be listed, where that is so.
fn missing(path: &Path) -> Option<std::io::Error> {
    std::fs::read_dir(path).err()
}

/// Names, sizes and times of the files, two levels deep.
fn signature(path: &Path, verify: Option<&Path>) -> u64 {
    let mut hash = DefaultHasher::new();
    sign(path, 2, &mut hash);
    if let Some(verify) = verify {
        sign(verify, 1, &mut hash);
    }
    hash.finish()
}

fn sign(path: &Path, depth: u8, hash: &mut DefaultHasher) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        entry.hash(hash);
        if let Ok(facts) = std::fs::metadata(&entry) {
            facts.len().hash(hash);
            facts.modified().ok().hash(hash);
            if facts.is_dir() && depth > 1 {
                sign(&entry, depth - 1, hash);
            }
        }
    }
}
