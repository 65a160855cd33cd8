//! What `[ui]` says of finding and doing: `keymap`, and `[ui.filters]`, whose options are the operator's own names.

use std::path::PathBuf;

use crate::config::document::Section;
use crate::config::error::ConfigError;
use crate::model::filter::SavedFilters;

/// `keymap`.
pub(super) fn keymap(section: &mut Section<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let Some((path, at)) = section.path("keymap")? else { return Ok(None) };
    if path.is_file() { Ok(Some(path)) } else { Err(section.wrong("keymap", at, "there is no such file")) }
}

/// `[ui.filters]`.
pub(super) fn read(section: &mut Section<'_>) -> Result<SavedFilters, ConfigError> {
    let mut filters = SavedFilters::default();
    for (name, text) in section.named_texts()? {
        filters.add(name, &text.value).map_err(|what| section.wrong(name, text.at, what))?;
    }
    Ok(filters)
}
