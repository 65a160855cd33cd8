//! The files below a migration folder, and their texts.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::FolderError;

/// The largest file that is read: 50 MiB. Data of that size belongs into a load, not into a migration.
pub const MAX_FILE_BYTES: u64 = 50 * 1024 * 1024;

/// The most files below a folder; more means that the path is wrong.
const MAX_ENTRIES: usize = 20_000;

/// Folders of other people's code: what is in them is not the application's.
const FOREIGN: [&str; 5] = ["node_modules", "site-packages", "dist-packages", "__pycache__", "venv"];

/// Whether a path is hidden, or a folder of other people's code.
#[must_use]
pub fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') || FOREIGN.contains(&name)
}

/// A path below the folder, with `/`, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub below: String,
    pub path: PathBuf,
}

pub(super) fn error(text: String) -> FolderError {
    FolderError { message: text.into() }
}

/// All files below the folder, down to this depth, sorted; hidden ones are left out (editors' and Kubernetes' own).
/// A link to a file is a file; a link to a folder is not followed, so that no circle is.
pub(super) fn entries(folder: &Path, depth: usize) -> Result<Vec<Entry>, FolderError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new(), depth)];
    while let Some((at, below, depth)) = folders.pop() {
        let listing = fs::read_dir(&at).map_err(|cause| cannot_list(&at, &cause, below.is_empty()))?;
        for entry in listing {
            let entry = entry.map_err(|cause| cannot_list(&at, &cause, false))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(error(format!(
                    "{}: the file name {} is not UTF-8; rename it",
                    at.display(),
                    name.display()
                )));
            };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let kind = entry.file_type().map_err(|cause| cannot_read(&path, &cause))?;
            if kind.is_dir() {
                if depth > 1 && !is_foreign(&path) {
                    folders.push((path, format!("{below}{name}/"), depth - 1));
                }
            } else {
                found.push(Entry { below: format!("{below}{name}"), path });
            }
            if found.len() > MAX_ENTRIES {
                return Err(error(format!(
                    "{} holds more than {MAX_ENTRIES} files; is it the migration folder?",
                    folder.display()
                )));
            }
        }
    }
    found.sort_by(|a, b| a.below.cmp(&b.below));
    Ok(found)
}

fn cannot_list(path: &Path, cause: &std::io::Error, is_root: bool) -> FolderError {
    let hint = match cause.kind() {
        std::io::ErrorKind::NotFound if is_root => "; correct path in [database.migrations], or make the folder",
        std::io::ErrorKind::PermissionDenied => "; let this user list it",
        _ => "",
    };
    error(format!("the migration folder {} cannot be read: {cause}{hint}", path.display()))
}

fn cannot_read(path: &Path, cause: &std::io::Error) -> FolderError {
    cannot_read_as("migration file", path, cause)
}

fn cannot_read_as(what: &str, path: &Path, cause: &std::io::Error) -> FolderError {
    error(format!("the {what} {} cannot be read: {cause}", path.display()))
}

/// The text of a file, byte for byte: read once, and what was read is what is hashed and what runs.
pub(crate) fn read_text(path: &Path) -> Result<String, FolderError> {
    read_text_as("migration file", path)
}

/// The same of a file that is called something else.
pub(crate) fn read_text_as(what: &str, path: &Path) -> Result<String, FolderError> {
    let cannot_read = |cause: std::io::Error| cannot_read_as(what, path, &cause);
    let kind = fs::metadata(path).map_err(cannot_read)?;
    if !kind.is_file() {
        return Err(error(format!("{} is no ordinary file", path.display())));
    }
    let file = fs::File::open(path).map_err(cannot_read)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(error(format!(
            "{} is larger than {} MiB: load data of that size apart from migrations",
            path.display(),
            MAX_FILE_BYTES / 1024 / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|cause| {
        let at = cause.utf8_error().valid_up_to();
        let line = 1 + cause.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        error(format!("{}:{line}: not UTF-8 at byte {at}; save the file as UTF-8", path.display()))
    })
}
