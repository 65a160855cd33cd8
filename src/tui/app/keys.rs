//! Keys and pasted text: dialogs first, then text fields and menus, then the keymap.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::command::Command;
use super::keymap::{Chord, Lookup};
use super::nav::{self, Step};
use super::state::{Level, Menu, MenuEntry, MenuRun, Prefix, Prompt, Screen};
use super::{App, derive, menu};
use crate::model::filter::Filter;
use crate::tui::dialogs::{Dialog, DialogInput};

/// The longest text that a field takes, in characters.
const FIELD: usize = 200;

impl App {
    /// One key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Command> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        self.dirty = true;
        if !self.dialog_unseen() {
            // An error stays until a key: this one, which does its work all the same, and may be answered in that line.
            self.hush();
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return self.interrupt(),
                KeyCode::Char('z') => return vec![Command::Suspend],
                _ => {}
            }
        }
        if self.state.dialog.is_some() {
            return self.dialog_input(DialogInput::Key(key));
        }
        self.state.welcome = None;
        match std::mem::take(&mut self.state.prompt) {
            Prompt::Filter(input) => self.filter_key(input, key),
            Prompt::Menu(menu) => self.menu_key(menu, key),
            Prompt::Columns(at) => self.columns_key(at, key),
            Prompt::None => self.plain_key(key),
        }
    }

    /// ctrl-c: closes what is open, else leaves.
    fn interrupt(&mut self) -> Vec<Command> {
        if matches!(self.state.dialog, Some(Dialog::Quit(_))) && self.dialog_unseen() {
            return Vec::new();
        }
        if let Some(dialog) = self.state.dialog.take() {
            self.dialog_left(&dialog);
            return Vec::new();
        }
        if !matches!(self.state.prompt, Prompt::None) {
            self.state.prompt = Prompt::None;
            return Vec::new();
        }
        self.leave()
    }

    /// Pasted text goes into fields only, and never confirms.
    pub(super) fn paste(&mut self, text: String) -> Vec<Command> {
        if self.state.dialog.is_some() {
            return self.dialog_input(DialogInput::Paste(text));
        }
        let line: String = text.chars().map(|c| if crate::text::is_unsafe(c) { ' ' } else { c }).collect();
        match std::mem::take(&mut self.state.prompt) {
            Prompt::None => {}
            Prompt::Columns(at) => self.state.prompt = Prompt::Columns(at),
            Prompt::Filter(mut input) => {
                insert(&mut input, line.trim());
                self.filter_changed(&input);
                self.state.prompt = Prompt::Filter(input);
            }
            Prompt::Menu(mut menu) => {
                insert(&mut menu.input, line.trim());
                menu::search(&mut menu, &self.state, &self.keymap);
                self.state.prompt = Prompt::Menu(menu);
            }
        }
        self.dirty = true;
        Vec::new()
    }

    /// The filter of the screen in front, as typed.
    pub(super) fn filter_in_front(&self) -> &str {
        if self.state.screen == Screen::Server { &self.state.server.filter } else { &self.state.tenants.filter }
    }

    fn filter_key(&mut self, mut input: Input, key: KeyEvent) -> Vec<Command> {
        match key.code {
            // Plain words: nothing can be wrong with them.
            KeyCode::Enter if self.state.screen == Screen::Server => return Vec::new(),
            KeyCode::Esc if self.state.screen == Screen::Server => {
                self.filter_server("");
                return Vec::new();
            }
            KeyCode::Enter => match Filter::parse_with(input.value(), &self.state.filters) {
                // The one that is left is the one that was looked for.
                Ok(filter) if !filter.is_empty() && self.state.tenants.shown.len() == 1 => return self.open(),
                Ok(_) => return Vec::new(),
                // It stays open: the line says what is wrong, and the cursor stands behind it to correct it.
                Err(error) => input = input.with_cursor(error.at + error.length),
            },
            KeyCode::Esc => {
                self.state.tenants.filter.clear();
                derive::filtered(&mut self.state);
                return Vec::new();
            }
            KeyCode::Down => nav::step(&mut self.state, Step::By(1)),
            KeyCode::Up => nav::step(&mut self.state, Step::By(-1)),
            _ => {
                if edit(&mut input, key) {
                    self.filter_changed(&input);
                }
            }
        }
        self.state.prompt = Prompt::Filter(input);
        Vec::new()
    }

    /// While typing, the cursor is on the best match.
    fn filter_changed(&mut self, input: &Input) {
        if self.state.screen == Screen::Server {
            return self.filter_server(input.value());
        }
        self.state.tenants.filter = input.value().to_owned();
        self.state.tenants.list.cursor = None;
        self.state.tenants.list.at = 0;
        self.state.tenants.list.top = 0;
        derive::filtered(&mut self.state);
    }

    pub(super) fn menu_key(&mut self, mut menu: Box<Menu>, key: KeyEvent) -> Vec<Command> {
        let last = menu.entries.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter => {
                let Some(entry) = menu.entries.get(menu.at) else {
                    let typed = crate::text::sanitise(menu.input.value());
                    self.say(Level::Warning, format!("nothing is called `{typed}`"));
                    return Vec::new();
                };
                return self.run_entry(&entry.clone());
            }
            KeyCode::Down | KeyCode::Tab => menu.at = (menu.at + 1).min(last),
            KeyCode::Up | KeyCode::BackTab => menu.at = menu.at.saturating_sub(1),
            KeyCode::PageDown => menu.at = (menu.at + 10).min(last),
            KeyCode::PageUp => menu.at = menu.at.saturating_sub(10),
            KeyCode::Backspace if menu.input.value().is_empty() => return Vec::new(),
            _ => {
                if edit(&mut menu.input, key) {
                    menu::search(&mut menu, &self.state, &self.keymap);
                }
            }
        }
        self.state.prompt = Prompt::Menu(menu);
        Vec::new()
    }

    fn run_entry(&mut self, entry: &MenuEntry) -> Vec<Command> {
        if let MenuRun::Action(action) = entry.run {
            // Whether it can be done is asked again: the menu may have been open for a while.
            return self.run(action);
        }
        if let Some(why) = &entry.disabled {
            self.say(Level::Warning, format!("{}: {why}", entry.title));
            return Vec::new();
        }
        match &entry.run {
            MenuRun::Action(_) => {}
            MenuRun::Quick(quick) => {
                self.quick(quick.clone());
            }
            MenuRun::Tenant(key) => {
                self.open_tenant(key);
            }
            MenuRun::Named(slug) => self.show_named(slug),
            MenuRun::Filter(filter) => self.filter_by(filter),
            MenuRun::Sort(column) => self.sort_by(*column),
            MenuRun::Job(job) => return self.open_job(job.clone()),
            MenuRun::Database(database) => {
                derive::only(&mut self.state, database.clone());
            }
        }
        Vec::new()
    }

    fn plain_key(&mut self, key: KeyEvent) -> Vec<Command> {
        let Some(chord) = Chord::of(key) else { return Vec::new() };
        let mut typed = std::mem::take(&mut self.typed);
        let pending = !typed.is_empty();
        self.state.prefix = None;
        if pending && key.code == KeyCode::Esc {
            return Vec::new();
        }
        typed.push(chord);
        match self.keymap.lookup(self.state.screen, &typed) {
            Lookup::Action(action) => self.run(action),
            Lookup::Prefix(choices) => {
                self.state.prefix = Some(Prefix {
                    keys: typed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                    choices: choices.into_iter().map(|(key, action)| (key, action.info().title.to_owned())).collect(),
                });
                self.typed = typed;
                Vec::new()
            }
            // Unknown keys say nothing.
            Lookup::Nothing => Vec::new(),
        }
    }
}

fn insert(input: &mut Input, text: &str) {
    for character in text.chars().take(FIELD.saturating_sub(input.value().chars().count())) {
        input.handle(InputRequest::InsertChar(character));
    }
}

/// Edits a field. Whether its text changed.
fn edit(input: &mut Input, key: KeyEvent) -> bool {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let request = match key.code {
        KeyCode::Char('u') if ctrl => InputRequest::DeleteFromStart,
        KeyCode::Char('w') if ctrl => InputRequest::DeletePrevWord,
        KeyCode::Char('k') if ctrl => InputRequest::DeleteTillEnd,
        KeyCode::Char('e') if ctrl => InputRequest::GoToEnd,
        KeyCode::Char(character)
            if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) && !crate::text::is_unsafe(character) =>
        {
            if input.value().chars().count() >= FIELD {
                return false;
            }
            InputRequest::InsertChar(character)
        }
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return false,
    };
    input.handle(request).is_some_and(|changed| changed.value)
}
