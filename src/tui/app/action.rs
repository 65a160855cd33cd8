//! The one table of actions. Footer, `?`, the `:` palette, the key table of the README, the man page and
//! `tenantui keys` are made from it. Keys stand in `assets/keymap.toml`; whether an action is allowed now, in
//! `allowed`.

use super::keymap::{Keymap, KeymapError};
use super::state::Screen;
pub use super::table::ACTIONS;

/// Everything an operator can do with a key or by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table says what each does")]
pub enum Action {
    Down,
    Up,
    HalfPageDown,
    HalfPageUp,
    PageDown,
    PageUp,
    First,
    Last,
    NextTab,
    PreviousTab,
    Open,
    Back,
    Tenants,
    Migrations,
    Jobs,
    Server,
    Filter,
    Palette,
    Help,
    Mark,
    MarkRange,
    MarkAll,
    UnmarkAll,
    Sort,
    ReverseSort,
    Refresh,
    Freeze,
    Slower,
    Faster,
    CopyName,
    CopyRow,
    CopyError,
    ExportCsv,
    ExportJson,
    Follow,
    Inspect,
    NextDatabase,
    SetTarget,
    HistoryBack,
    HistoryForward,
    Messages,
    Audit,
    AuditHere,
    WriteLock,
    NewTenant,
    Migrate,
    Rename,
    Suspend,
    Activate,
    Archive,
    Drop,
    Undrop,
    Purge,
    Repair,
    Retry,
    RetryWhenFree,
    Skip,
    Continue,
    PauseJob,
    StopJob,
    FlushCache,
    ToShell,
    Quit,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    /// Which.
    pub action: Action,
    /// Its name in the keymap and after `:`.
    pub name: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// A line of help.
    pub help: &'static str,
    /// It writes into a database; always through a dialog.
    pub writes: bool,
    /// The screens on which it means something; empty: all.
    pub screens: &'static [Screen],
    /// The screens whose footer names it: place (lowest first, dropped last) and words.
    pub footer: &'static [(Screen, u8, &'static str)],
}

impl Action {
    /// Its line of the table.
    #[must_use]
    pub fn info(self) -> &'static ActionInfo {
        // The table has a line for each variant in the enum's order; a test holds that.
        &ACTIONS[self as usize]
    }

    /// The action of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|info| info.name == name).map(|info| info.action)
    }

    /// Whether it means something on this screen.
    #[must_use]
    pub fn applies_to(self, screen: Screen) -> bool {
        let screens = self.info().screens;
        screens.is_empty() || screens.contains(&screen)
    }
}

/// The table, in the order of the help.
#[must_use]
pub const fn actions() -> &'static [ActionInfo] {
    ACTIONS
}

/// Where an action means something, in words.
#[must_use]
pub fn scope_words(info: &ActionInfo) -> String {
    if info.screens.is_empty() {
        return "everywhere".to_owned();
    }
    info.screens.iter().map(|screen| screen.word()).collect::<Vec<_>>().join(", ")
}

/// The key table of the README: Markdown, one line for each action.
///
/// # Errors
/// When the embedded keymap is wrong, which a test excludes.
pub fn key_table_markdown() -> Result<String, KeymapError> {
    let keymap = Keymap::embedded()?;
    let mut out = String::from("| Keys | `:` name | What it does | Where |\n|---|---|---|---|\n");
    for info in ACTIONS {
        let keys: Vec<String> = keymap.keys_of(info.action).iter().map(|keys| format!("`{keys}`")).collect();
        let keys = keys.join(", ").replace('|', "\\|");
        let writes = if info.writes { " **Writes.**" } else { "" };
        out.push_str(&format!("| {keys} | {} | {}{writes} | {} |\n", info.name, info.help, scope_words(info)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_action_in_order() {
        for (place, info) in ACTIONS.iter().enumerate() {
            assert_eq!(info.action as usize, place, "{}", info.name);
            assert_eq!(Action::from_name(info.name), Some(info.action));
        }
        assert_eq!(Action::Quit as usize + 1, ACTIONS.len());
    }

    #[test]
    fn every_action_that_writes_has_a_capital_and_no_other_key() {
        let keymap = Keymap::embedded().expect("keymap");
        for info in ACTIONS.iter().filter(|info| info.writes) {
            for keys in keymap.keys_of(info.action) {
                assert!(keys.chars().all(|c| c.is_ascii_uppercase()), "{}: {keys}", info.name);
            }
        }
    }

    #[test]
    fn the_key_table_names_every_action() {
        let table = key_table_markdown().expect("table");
        for info in ACTIONS {
            assert!(table.contains(&format!("| {} |", info.name)), "{}", info.name);
        }
        assert!(table.contains("`g g`"), "{table}");
    }
}
