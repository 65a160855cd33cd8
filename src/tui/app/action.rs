//! The one table of actions. Footer, `?`, the `:` palette, the key table of the README, the man page and
//! `tenantui keys` are made from it. Keys stand in `assets/keymap.toml`; whether an action is allowed now, in
//! `allowed`.

use super::state::Screen;
pub use super::table::{ACTIONS, SECTIONS};

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
    Columns,
    Refresh,
    Freeze,
    Slower,
    Faster,
    CopyName,
    CopyRow,
    CopyError,
    ExportCsv,
    ExportJson,
    ExportText,
    DumpScreen,
    Follow,
    Wrap,
    Zoom,
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
    Import,
    Seed,
    FlushCache,
    Retry,
    RetryWhenFree,
    Skip,
    Continue,
    PauseJob,
    StopJob,
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

    /// The section of the help in which it stands.
    #[must_use]
    pub fn section(self) -> &'static str {
        // Sections are made of neighbours: the last one that begins at it or before it.
        let begun = SECTIONS.iter().rev().find(|(first, _)| *first as usize <= self as usize);
        begun.map_or("", |(_, title)| title)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::app::keymap::Keymap;

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
    fn every_action_stands_in_a_section_and_every_section_has_some() {
        for (_, title) in SECTIONS {
            let count = ACTIONS.iter().filter(|info| info.action.section() == *title).count();
            assert!(count > 1, "{title}: {count}");
        }
        assert!(ACTIONS.iter().all(|info| !info.action.section().is_empty()));
        assert_eq!(Action::Filter.section(), "Views and finding");
    }
}
