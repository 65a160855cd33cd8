//! The mouse: what it does is what keys do. A click on a hint presses its key, one on a button goes there by Tab and
//! presses Enter; so nothing is confirmed by a click that Enter would not confirm, typed words included.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::command::Command;
use super::keymap::Chord;
use super::nav::{self, Step};
use super::server::ServerTab;
use super::state::{MenuEntry, Prompt, QuickFilter, Screen, TableColumn, TenantColumn, TenantTab};
use super::{App, derive};
use crate::model::filter::Filter;
use crate::model::tenant::TenantState;
use crate::tui::pointer::Frame;

/// Rows that one notch of the wheel moves.
const NOTCH: isize = 3;

/// The most stops of a dialog.
const STOPS: usize = 24;

fn plain(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

impl App {
    /// One event of the mouse. What is clicked before a dialog could be seen does not count for it.
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Vec<Command> {
        if self.dialog_unseen() {
            return Vec::new();
        }
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => self.click(mouse.column, mouse.row),
            // As a hand on the keyboard: back, close, clear.
            MouseEventKind::Down(MouseButton::Right) => self.key(plain(KeyCode::Esc)),
            MouseEventKind::ScrollDown => self.wheel(NOTCH, mouse.column, mouse.row),
            MouseEventKind::ScrollUp => self.wheel(-NOTCH, mouse.column, mouse.row),
            MouseEventKind::Down(MouseButton::Middle)
            | MouseEventKind::Up(_)
            | MouseEventKind::Drag(_)
            | MouseEventKind::Moved
            | MouseEventKind::ScrollLeft
            | MouseEventKind::ScrollRight => Vec::new(),
        }
    }

    fn wheel(&mut self, rows: isize, x: u16, y: u16) -> Vec<Command> {
        self.dirty = true;
        self.state.welcome = None;
        if self.state.dialog.is_some() {
            // A short page: texts take it, buttons and fields do not.
            let code = if rows > 0 { KeyCode::PageDown } else { KeyCode::PageUp };
            return self.key(KeyEvent::new(code, KeyModifiers::SHIFT));
        }
        match &mut self.state.prompt {
            Prompt::Menu(menu) => {
                menu.at = menu.at.saturating_add_signed(rows).min(menu.entries.len().saturating_sub(1))
            }
            Prompt::Columns(at) => *at = at.saturating_add_signed(rows).min(TenantColumn::ALL.len() - 1),
            Prompt::Filter(_) | Prompt::None => match crate::tui::screens::log_rows(&self.state, x, y) {
                Some(visible) => self.wheel_log(rows, visible),
                None => nav::step(&mut self.state, Step::By(rows)),
            },
        }
        Vec::new()
    }

    fn click(&mut self, x: u16, y: u16) -> Vec<Command> {
        self.dirty = true;
        self.state.welcome = None;
        let Some(frame) = Frame::of(&self.state) else { return Vec::new() };
        if self.state.dialog.is_some() {
            return self.click_dialog(&frame, x, y);
        }
        // The choices of a prefix stand in the message line; a click anywhere else gives the prefix up.
        if y + 2 != self.state.size.1 {
            self.typed.clear();
            self.state.prefix = None;
        }
        self.hush();
        let hint = frame.key(x, y).and_then(|key| Chord::parse(&key));
        // The hints beside what is typed are keys of the field.
        if let (Prompt::Filter(_), Some(chord)) = (&self.state.prompt, hint)
            && y + 2 == self.state.size.1
        {
            return self.key(chord.event());
        }
        match std::mem::take(&mut self.state.prompt) {
            Prompt::Menu(menu) => {
                self.state.prompt = Prompt::Menu(menu);
                return self.click_menu(&frame, x, y);
            }
            Prompt::Columns(at) => {
                self.state.prompt = Prompt::Columns(at);
                return self.click_columns(&frame, at, x, y);
            }
            // What is typed is kept, as with Enter; what is wrong with it has to be mended first.
            Prompt::Filter(input) if self.state.screen == Screen::Tenants && Filter::parse(input.value()).is_err() => {
                self.state.prompt = Prompt::Filter(input);
                return Vec::new();
            }
            Prompt::Filter(_) | Prompt::None => {}
        }
        match hint {
            Some(chord) => self.key(chord.event()),
            None => self.click_screen(&frame, x, y),
        }
    }

    fn click_dialog(&mut self, frame: &Frame, x: u16, y: u16) -> Vec<Command> {
        if let Some(chord) = frame.key(x, y).and_then(|key| Chord::parse(&key)) {
            return self.key(chord.event());
        }
        if let Some(columns) = frame.field(x, y) {
            self.reach_field(&columns, y);
            return Vec::new();
        }
        match frame.button(x, y).as_deref() {
            None => Vec::new(),
            // Whatever was typed so far: who clicks on it wants out.
            Some("Cancel") => self.key(plain(KeyCode::Esc)),
            Some(title) => self.press(title),
        }
    }

    /// Goes from stop to stop until the button of this title has the focus, and presses it. What is no button is never
    /// reached, and nothing is pressed then.
    fn press(&mut self, title: &str) -> Vec<Command> {
        let mut commands = Vec::new();
        for _ in 0..STOPS {
            let focused = Frame::of(&self.state).and_then(|frame| frame.focused_button());
            if focused.as_deref() == Some(title) {
                commands.extend(self.key(plain(KeyCode::Enter)));
                break;
            }
            commands.extend(self.key(plain(KeyCode::Tab)));
        }
        commands
    }

    /// Goes from stop to stop until the keys go into the field that stands there. One that cannot be reached takes none.
    fn reach_field(&mut self, columns: &std::ops::Range<u16>, y: u16) {
        for _ in 0..STOPS {
            if Frame::of(&self.state).is_none_or(|frame| frame.takes_keys(columns, y)) {
                return;
            }
            // Between stops nothing is done but going on.
            self.key(plain(KeyCode::Tab));
        }
    }

    fn click_menu(&mut self, frame: &Frame, x: u16, y: u16) -> Vec<Command> {
        let Prompt::Menu(menu) = &mut self.state.prompt else { return Vec::new() };
        let row = frame.cursor().filter(|(_, columns)| columns.contains(&x)).and_then(|(cursor, columns)| {
            // Headings stand between the rows: it is the nearest entry of the name that is to be read there.
            let about = menu.at.saturating_add_signed(isize::from(y.cast_signed() - cursor.cast_signed()));
            let text = frame.text(columns, y);
            let fits = |(_, entry): &(usize, &MenuEntry)| names(&text, &crate::text::sanitise(&entry.name));
            menu.entries.iter().enumerate().filter(fits).map(|(at, _)| at).min_by_key(|at| at.abs_diff(about))
        });
        match row {
            Some(at) => {
                menu.at = at;
                self.key(plain(KeyCode::Enter))
            }
            None if frame.role(x, y) == Some("stale") => self.key(plain(KeyCode::Esc)),
            // The last row has hints. Keys in other rows are what is told of the actions.
            None if frame.role(x, y + 1) == Some("border") => {
                match frame.key(x, y).and_then(|key| Chord::parse(&key)) {
                    Some(chord) => self.key(chord.event()),
                    None => Vec::new(),
                }
            }
            None => Vec::new(),
        }
    }

    fn click_columns(&mut self, frame: &Frame, at: usize, x: u16, y: u16) -> Vec<Command> {
        if let Some(chord) = frame.key(x, y).and_then(|key| Chord::parse(&key)) {
            return self.key(chord.event());
        }
        let row = frame.cursor().filter(|(_, columns)| columns.contains(&x)).and_then(|(cursor, columns)| {
            let at = at.checked_add_signed(isize::from(y.cast_signed() - cursor.cast_signed()))?;
            let column = TenantColumn::ALL.get(at)?;
            frame.text(columns, y).contains(column.word()).then_some(at)
        });
        if let Some(at) = row {
            self.state.prompt = Prompt::Columns(at);
            return self.key(plain(KeyCode::Char(' ')));
        }
        Vec::new()
    }

    fn click_screen(&mut self, frame: &Frame, x: u16, y: u16) -> Vec<Command> {
        if self.click_tab(frame, x, y) {
            return Vec::new();
        }
        if y == 1 && self.state.screen == Screen::Tenants {
            self.click_counter(frame, x);
            return Vec::new();
        }
        let Some((cursor, columns)) = frame.cursor().filter(|(_, columns)| columns.contains(&x)) else {
            return Vec::new();
        };
        let (at, top) = nav::place(&self.state);
        let above = u16::try_from(at.saturating_sub(top)).unwrap_or(u16::MAX);
        let first = cursor.saturating_sub(above);
        if y + 1 == first {
            self.click_heading(frame, x, y);
            return Vec::new();
        }
        let visible = u16::try_from(crate::tui::screens::list_rows(&self.state)).unwrap_or(u16::MAX);
        let row = top + usize::from(y.saturating_sub(first));
        if y < first || y >= first.saturating_add(visible) || row >= nav::rows(&self.state) {
            return Vec::new();
        }
        // Below the list something else may be drawn over its columns.
        if frame.text(columns, y).trim().is_empty() {
            return Vec::new();
        }
        if row == at {
            return self.key(plain(KeyCode::Enter));
        }
        nav::step(&mut self.state, Step::By(row.cast_signed() - at.cast_signed()));
        Vec::new()
    }

    /// Whether a tab was there.
    fn click_tab(&mut self, frame: &Frame, x: u16, y: u16) -> bool {
        let Some((word, Some("title" | "muted"))) = frame.word(x, y) else { return false };
        let word = word.trim_start_matches('[').trim_end_matches(']');
        match (self.state.screen, &mut self.state.tenant) {
            (Screen::Tenant, Some(open)) => {
                let tab = TenantTab::ALL.into_iter().find(|tab| tab.word() == word);
                open.tab = tab.unwrap_or(open.tab);
                tab.is_some()
            }
            (Screen::Server, _) => {
                let tab = ServerTab::ALL.into_iter().find(|tab| tab.word() == word);
                self.state.server.tab = tab.unwrap_or(self.state.server.tab);
                tab.is_some()
            }
            (
                Screen::Tenant
                | Screen::Tenants
                | Screen::Migrations
                | Screen::Jobs
                | Screen::JobResult
                | Screen::Messages
                | Screen::Audit,
                _,
            ) => false,
        }
    }

    /// The same column again turns the order round.
    fn click_heading(&mut self, frame: &Frame, x: u16, y: u16) {
        let Some(title) = frame.heading(x, y) else { return };
        // A narrow column's heading is cut: its beginning has to do.
        let (title, cut) = title.strip_suffix("..").map_or((title.as_str(), false), |title| (title, true));
        let is = |of: &str| of == title || cut && of.starts_with(title);
        match self.state.screen {
            Screen::Tenants => {
                let column = TenantColumn::ALL.into_iter().find(|column| is(column.word()));
                if let Some(column) = column.filter(|column| column.sorts()) {
                    if self.state.tenants.sort.column == column {
                        return self.reverse_sort();
                    }
                    self.sort_by(column);
                }
            }
            Screen::Tenant => {
                let sorted = self.state.tenant.as_ref().map(|open| open.tables_sort.column);
                if let Some(column) = TableColumn::ALL.into_iter().find(|column| is(column.word())) {
                    if sorted == Some(column) {
                        return self.reverse_sort();
                    }
                    self.sort_tables_by(column);
                }
            }
            Screen::Server => {
                let column = self.state.server.tab.columns().iter().find(|column| is(column.title));
                if let Some(column) = column {
                    self.sort_server_by(column.title);
                }
            }
            Screen::Migrations | Screen::Jobs | Screen::JobResult | Screen::Messages | Screen::Audit => {}
        }
    }

    /// Counters are filters.
    fn click_counter(&mut self, frame: &Frame, x: u16) {
        let Some(words) = frame.words(x, 1) else { return };
        let Some((word, _)) = words.split_once(' ') else { return };
        let quick = match word {
            "Tenants" => None,
            "failed" => Some(QuickFilter::Failed),
            "active" => Some(QuickFilter::Active),
            "suspended" => Some(QuickFilter::Suspended),
            other => match TenantState::from_word(other) {
                Some(state) => Some(QuickFilter::State(state)),
                None => return,
            },
        };
        self.state.tenants.quick = quick;
        self.state.tenants.filter.clear();
        derive::tenants(&mut self.state);
    }
}

/// Whether a row of a menu is the one of this name: one of its parts, or the end of one that begins with long keys.
fn names(row: &str, name: &str) -> bool {
    let is = |part: &str| part == name || part.strip_suffix(name).is_some_and(|keys| keys.ends_with(' '));
    row.split("  ").map(str::trim).any(is) || (name.len() > 16 && row.contains(name.get(..16).unwrap_or(name)))
}
