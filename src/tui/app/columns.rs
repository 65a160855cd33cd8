//! The column chooser of the Tenants screen.

use crossterm::event::{KeyCode, KeyEvent};

use super::App;
use super::command::Command;
use super::state::{ColumnChoice, Level, Prompt, TenantColumn};
use crate::tui::screens::{ColumnState, tenant_columns};

impl App {
    pub(super) fn open_columns(&mut self) {
        self.state.prompt = Prompt::Columns(0);
    }

    /// A key of the chooser; it has been taken out of the prompt.
    pub(super) fn columns_key(&mut self, at: usize, key: KeyEvent) -> Vec<Command> {
        let last = TenantColumn::ALL.len() - 1;
        let at = match key.code {
            KeyCode::Esc | KeyCode::Char('q' | 'c') => return Vec::new(),
            KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => (at + 1).min(last),
            KeyCode::Up | KeyCode::BackTab | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            KeyCode::Char(' ') | KeyCode::Enter => {
                self.toggle_column(at);
                at
            }
            KeyCode::Char('u') => {
                self.state.tenants.columns = ColumnChoice::default();
                self.order_by_what_is_shown();
                at
            }
            _ => at,
        };
        self.state.prompt = Prompt::Columns(at);
        Vec::new()
    }

    /// Hides a column that is shown or wanted, and asks for one that is not.
    pub(super) fn toggle_column(&mut self, at: usize) {
        let Some((column, shown)) = tenant_columns(&self.state).get(at).copied() else { return };
        let choice = &mut self.state.tenants.columns;
        if column == TenantColumn::Tenant {
            // A list without names would be none.
            return self.say(Level::Info, "the names of the tenants are always shown");
        }
        match shown {
            ColumnState::Shown | ColumnState::NoRoom => {
                choice.asked.remove(&column);
                choice.hidden.insert(column);
            }
            ColumnState::Hidden => {
                choice.hidden.remove(&column);
                choice.asked.insert(column);
            }
            ColumnState::Absent if column == TenantColumn::Activity => {
                let words = format!("{} takes a screen of {} columns and 30 rows", column.word(), super::WIDE);
                return self.say(Level::Info, words);
            }
            ColumnState::Absent => {
                return self.say(Level::Info, format!("this fleet has nothing to show as {}", column.word()));
            }
        }
        self.order_by_what_is_shown();
    }

    /// An order by a column that was just hidden would look like none.
    fn order_by_what_is_shown(&mut self) {
        if self.state.tenants.columns.hidden.contains(&self.state.tenants.sort.column) {
            self.sort_by(TenantColumn::Tenant);
        }
    }
}
