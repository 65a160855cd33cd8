//! The one table of actions. Footer, `?`, the `:` palette, the key table of the README, the man page and
//! `tenantui keys` are made from it. Keys stand in `assets/keymap.toml`; whether an action is allowed now, in
//! `allowed`.

use super::keymap::{Keymap, KeymapError};
use super::state::Screen;

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
    SetTarget,
    HistoryBack,
    HistoryForward,
    Messages,
    WriteLock,
    NewTenant,
    Migrate,
    Retry,
    Continue,
    StopJob,
    Suspend,
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

/// The table, in the order of the help.
pub const ACTIONS: &[ActionInfo] = &[
    ActionInfo {
        action: Action::Down,
        name: "down",
        title: "down",
        help: "The next row.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Up,
        name: "up",
        title: "up",
        help: "The row before.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::HalfPageDown,
        name: "half-page-down",
        title: "half a page down",
        help: "Half a page down; in the log of Jobs, where it does not follow, towards its end.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::HalfPageUp,
        name: "half-page-up",
        title: "half a page up",
        help: "Half a page up; in the log of Jobs, where it does not follow, back in time.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::PageDown,
        name: "page-down",
        title: "page down",
        help: "One page down.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::PageUp,
        name: "page-up",
        title: "page up",
        help: "One page up.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::First,
        name: "first",
        title: "first row",
        help: "The first row.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Last,
        name: "last",
        title: "last row",
        help: "The last row.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::NextTab,
        name: "next-tab",
        title: "next tab",
        help: "The next tab of a tenant.",
        writes: false,
        screens: &[Screen::Tenant],
        footer: &[(Screen::Tenant, 1, "next tab")],
    },
    ActionInfo {
        action: Action::PreviousTab,
        name: "previous-tab",
        title: "previous tab",
        help: "The tab before.",
        writes: false,
        screens: &[Screen::Tenant],
        footer: &[],
    },
    ActionInfo {
        action: Action::Open,
        name: "open",
        title: "open",
        help: "Opens what the cursor is on.",
        writes: false,
        screens: &[
            Screen::Tenants,
            Screen::Tenant,
            Screen::Migrations,
            Screen::Jobs,
            Screen::JobResult,
            Screen::Messages,
        ],
        footer: &[
            (Screen::Tenants, 0, "open"),
            (Screen::Migrations, 0, "list them"),
            (Screen::Jobs, 0, "result"),
            (Screen::JobResult, 0, "why"),
            (Screen::Messages, 0, "in full"),
        ],
    },
    ActionInfo {
        action: Action::Back,
        name: "back",
        title: "back",
        help: "Back, close, clear the filter.",
        writes: false,
        screens: &[],
        footer: &[(Screen::Tenant, 0, "back"), (Screen::JobResult, 1, "back"), (Screen::Messages, 1, "back")],
    },
    ActionInfo {
        action: Action::Tenants,
        name: "tenants",
        title: "Tenants",
        help: "Who is in which state?",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Migrations,
        name: "migrations",
        title: "Migrations",
        help: "How far is the fleet?",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Jobs,
        name: "jobs",
        title: "Jobs",
        help: "What runs, what failed?",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Filter,
        name: "filter",
        title: "filter",
        help: "Filters the tenants while you type: name, slug, schema, id, database. Enter keeps it, Esc clears it.",
        writes: false,
        screens: &[Screen::Tenants],
        footer: &[(Screen::Tenants, 1, "filter")],
    },
    ActionInfo {
        action: Action::Palette,
        name: "palette",
        title: "all",
        help: "All actions and views by name; `:tenant NAME` opens a tenant.",
        writes: false,
        screens: &[],
        footer: &[
            (Screen::Tenants, 20, "all"),
            (Screen::Tenant, 20, "all"),
            (Screen::Migrations, 20, "all"),
            (Screen::Jobs, 20, "all"),
            (Screen::JobResult, 20, "all"),
            (Screen::Messages, 20, "all"),
        ],
    },
    ActionInfo {
        action: Action::Help,
        name: "help",
        title: "help",
        help: "The keys of this screen; searchable, Enter runs.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Mark,
        name: "mark",
        title: "mark",
        help: "Marks the tenant, or unmarks it.",
        writes: false,
        screens: &[Screen::Tenants],
        footer: &[(Screen::Tenants, 2, "mark")],
    },
    ActionInfo {
        action: Action::MarkRange,
        name: "mark-range",
        title: "mark range",
        help: "Marks from here to where it is pressed again.",
        writes: false,
        screens: &[Screen::Tenants],
        footer: &[],
    },
    ActionInfo {
        action: Action::MarkAll,
        name: "mark-all",
        title: "mark all shown",
        help: "Marks all tenants that are shown.",
        writes: false,
        screens: &[Screen::Tenants],
        footer: &[],
    },
    ActionInfo {
        action: Action::UnmarkAll,
        name: "unmark-all",
        title: "unmark all",
        help: "Takes all marks away, hidden ones too.",
        writes: false,
        screens: &[Screen::Tenants],
        footer: &[],
    },
    ActionInfo {
        action: Action::Sort,
        name: "sort",
        title: "sort",
        help: "Sorts by the next column.",
        writes: false,
        screens: &[Screen::Tenants, Screen::Tenant],
        footer: &[(Screen::Tenants, 3, "sort"), (Screen::Tenant, 6, "sort")],
    },
    ActionInfo {
        action: Action::ReverseSort,
        name: "reverse-sort",
        title: "reverse order",
        help: "Turns the order round.",
        writes: false,
        screens: &[Screen::Tenants, Screen::Tenant],
        footer: &[],
    },
    ActionInfo {
        action: Action::Refresh,
        name: "refresh",
        title: "refresh",
        help: "Reads everything again now; exact sizes in a tenant.",
        writes: false,
        screens: &[],
        footer: &[(Screen::Tenants, 4, "refresh"), (Screen::Tenant, 5, "measure again")],
    },
    ActionInfo {
        action: Action::Freeze,
        name: "freeze",
        title: "freeze",
        help: "Keeps the rows as they are until it is pressed again.",
        writes: false,
        screens: &[],
        footer: &[(Screen::Jobs, 4, "freeze")],
    },
    ActionInfo {
        action: Action::Slower,
        name: "slower",
        title: "refresh slower",
        help: "More time between two readings.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Faster,
        name: "faster",
        title: "refresh faster",
        help: "Less time between two readings.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::CopyName,
        name: "copy-name",
        title: "copy name",
        help: "Sends the name to the terminal's clipboard.",
        writes: false,
        screens: &[],
        footer: &[(Screen::Tenant, 3, "copy"), (Screen::Jobs, 5, "copy")],
    },
    ActionInfo {
        action: Action::CopyRow,
        name: "copy-row",
        title: "copy row",
        help: "Sends the row to the terminal's clipboard, columns apart by tabs.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::CopyError,
        name: "copy-error",
        title: "copy error",
        help: "Sends the error of the row, or the message, to the terminal's clipboard.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::ExportCsv,
        name: "export-csv",
        title: "export CSV",
        help: "Writes the list into a CSV file in the working directory.",
        writes: false,
        screens: &[],
        footer: &[(Screen::Tenant, 4, "export")],
    },
    ActionInfo {
        action: Action::ExportJson,
        name: "export-json",
        title: "export JSON",
        help: "Writes the list into a JSON file in the working directory.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Follow,
        name: "follow",
        title: "follow log",
        help: "The log follows its end, or stays.",
        writes: false,
        screens: &[Screen::Jobs],
        footer: &[(Screen::Jobs, 3, "follow")],
    },
    ActionInfo {
        action: Action::Inspect,
        name: "inspect",
        title: "inspect",
        help: "The SQL of a migration; why a tenant failed; a text in full.",
        writes: false,
        screens: &[],
        footer: &[(Screen::Migrations, 2, "SQL"), (Screen::JobResult, 3, "why")],
    },
    ActionInfo {
        action: Action::SetTarget,
        name: "set-target",
        title: "set target",
        help: "Migrates up to this version instead of the newest; again: the newest.",
        writes: false,
        screens: &[Screen::Migrations],
        footer: &[(Screen::Migrations, 3, "set target")],
    },
    ActionInfo {
        action: Action::HistoryBack,
        name: "history-back",
        title: "previous view",
        help: "The view before.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::HistoryForward,
        name: "history-forward",
        title: "next view",
        help: "The next view.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Messages,
        name: "messages",
        title: "messages",
        help: "What was told, with times.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::WriteLock,
        name: "write-lock",
        title: "write lock",
        help: "Opens writes for 10 minutes, or closes them.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::NewTenant,
        name: "new-tenant",
        title: "new tenant",
        help: "Makes a tenant: registry row, schema, migrations.",
        writes: true,
        screens: &[],
        footer: &[(Screen::Tenants, 6, "new tenant")],
    },
    ActionInfo {
        action: Action::Migrate,
        name: "migrate",
        title: "migrate",
        help: "Plans pending migrations: of the marked tenants, of the cursor's, or of the group.",
        writes: true,
        screens: &[Screen::Tenants, Screen::Tenant, Screen::Migrations],
        footer: &[
            (Screen::Tenants, 5, "migrate"),
            (Screen::Tenant, 2, "migrate this tenant"),
            (Screen::Migrations, 1, "migrate this group"),
        ],
    },
    ActionInfo {
        action: Action::Retry,
        name: "retry",
        title: "retry failed",
        help: "Runs the failed steps of the job again.",
        writes: true,
        screens: &[Screen::Tenant, Screen::Jobs, Screen::JobResult],
        footer: &[(Screen::Jobs, 1, "retry failed"), (Screen::JobResult, 2, "retry failed")],
    },
    ActionInfo {
        action: Action::Continue,
        name: "continue",
        title: "continue job",
        help: "Goes on with a job that waits or that lost its worker.",
        writes: true,
        screens: &[Screen::Tenant, Screen::Jobs, Screen::JobResult],
        footer: &[],
    },
    ActionInfo {
        action: Action::StopJob,
        name: "stop-job",
        title: "stop job",
        help: "Stops the job after its current tenants.",
        writes: true,
        screens: &[Screen::Tenant, Screen::Jobs, Screen::JobResult],
        footer: &[(Screen::Jobs, 2, "stop")],
    },
    ActionInfo {
        action: Action::Suspend,
        name: "suspend",
        title: "suspend",
        help: "Back to the shell; `fg` comes back.",
        writes: false,
        screens: &[],
        footer: &[],
    },
    ActionInfo {
        action: Action::Quit,
        name: "quit",
        title: "quit",
        help: "Leaves; asks only if a job runs here.",
        writes: false,
        screens: &[],
        footer: &[],
    },
];

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
