//! Parts of the state that keys go to before the keymap: the text field at the bottom, the menus, a prefix key.

use tui_input::Input;

use super::action::Action;
use super::filter::Fuzzy;
use super::parts::QuickFilter;
use super::tenant_columns::TenantColumn;
use crate::model::job::JobId;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::Untrusted;

/// A text field at the bottom, or a menu over the screen.
#[derive(Debug, Clone, Default)]
pub enum Prompt {
    /// None.
    #[default]
    None,
    /// `/`: the tenants' filter.
    Filter(Input),
    /// `:` or `?`.
    Menu(Box<Menu>),
    /// The column chooser: which line of it.
    Columns(usize),
}

/// The palette, or the help of the screen.
#[derive(Debug, Clone)]
pub struct Menu {
    /// Which.
    pub kind: MenuKind,
    /// What was typed.
    pub input: Input,
    /// Matches it.
    pub fuzzy: Fuzzy,
    /// What matches, best first.
    pub entries: Vec<MenuEntry>,
    /// The chosen one.
    pub at: usize,
}

/// The menus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuKind {
    /// `:`.
    Palette,
    /// `?`.
    Help,
}

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// What one types after `:`.
    pub name: String,
    /// In words.
    pub title: String,
    /// The keys, as `g g`; empty where there is none.
    pub keys: String,
    /// A line of help.
    pub help: String,
    /// The section of the help in which it stands; empty for what is no action.
    pub section: &'static str,
    /// It writes.
    pub writes: bool,
    /// Why it cannot be done now.
    pub disabled: Option<String>,
    /// What it does.
    pub run: MenuRun,
}

/// What a line of a menu does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuRun {
    /// An action of the table.
    Action(Action),
    /// A quick filter of the Tenants screen; `None`: all.
    Quick(Option<QuickFilter>),
    /// Opens a tenant.
    Tenant(TenantKey),
    /// Shows the tenants of this name, which are in several databases.
    Named(Untrusted),
    /// Shows only this database; `None`: all.
    Database(Option<DatabaseName>),
    /// Shows the tenants that fit a filter, as written.
    Filter(String),
    /// Sorts the tenants.
    Sort(TenantColumn),
    /// Opens the results of a job.
    Job((DatabaseName, JobId)),
}

/// A prefix key that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// The keys so far, as shown: `g`.
    pub keys: String,
    /// What may follow: key and title.
    pub choices: Vec<(String, String)>,
}
