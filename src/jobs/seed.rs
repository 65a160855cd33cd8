//! The seed of a provisioning job, found again by whoever runs it: by path and hash.

use super::gate;
use super::orders::OrderError;
use super::params::{Params, hex};
use crate::migrations::folder::MigrationFile;
use crate::migrations::seed;

/// The seed as it was confirmed; `None` where there is none.
///
/// # Errors
/// When it is not there any more, or is not what was confirmed.
pub(super) async fn of(params: &Params) -> Result<Option<MigrationFile>, OrderError> {
    let Some(wanted) = params.seed.clone() else { return Ok(None) };
    let path = wanted.path.clone();
    let read = tokio::task::spawn_blocking(move || seed::read(&path)).await;
    let file =
        read.map_err(|error| gate::refused(error.to_string()))?.map_err(|error| gate::refused(error.to_string()))?;
    if hex(&file.sha256) != wanted.sha256 {
        return Err(gate::refused(format!(
            "{} changed since the job was ordered: its bytes are not those that were confirmed",
            file.path.display()
        )));
    }
    Ok(Some(file))
}
