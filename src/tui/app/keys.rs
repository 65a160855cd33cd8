//! Keys and pasted text: dialogs first, then text fields and menus, then the keymap.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::action::Action;
use super::allowed::allowed;
use super::command::Command;
use super::keymap::{Chord, Lookup};
use super::nav::{self, Step, View};
use super::state::{
    Level, Menu, MenuKind, MenuRun, Prefix, Prompt, QuickFilter, Screen, TableColumn, TenantColumn, TenantTab,
};
use super::{App, derive, menu, output};
use crate::fleet::FleetCommand;
use crate::jobs::service::ServiceCommand;
use crate::model::job::JobId;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::tui::dialogs::{Dialog, DialogInput, FailureCard, Sql};

/// Times between two readings that `+` and `-` go through; after the last one they stop.
const RATES: &[u64] = &[1, 2, 5, 10, 30, 60, 300];

/// The longest text that a field takes, in characters.
const FIELD: usize = 200;

impl App {
    /// One key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Command> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        self.dirty = true;
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
        // An error stays until a key: this one, which does its work all the same.
        self.state.message = None;
        match std::mem::take(&mut self.state.prompt) {
            Prompt::Filter(input) => self.filter_key(input, key),
            Prompt::Menu(menu) => self.menu_key(menu, key),
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

    fn filter_key(&mut self, mut input: Input, key: KeyEvent) -> Vec<Command> {
        match key.code {
            KeyCode::Enter => return Vec::new(),
            KeyCode::Esc => {
                self.state.tenants.filter.clear();
                derive::tenants(&mut self.state);
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
        self.state.tenants.filter = input.value().to_owned();
        self.state.tenants.list.cursor = None;
        self.state.tenants.list.at = 0;
        self.state.tenants.list.top = 0;
        derive::tenants(&mut self.state);
    }

    fn menu_key(&mut self, mut menu: Box<Menu>, key: KeyEvent) -> Vec<Command> {
        let last = menu.entries.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter => {
                let Some(entry) = menu.entries.get(menu.at) else {
                    let typed = crate::text::sanitise(menu.input.value());
                    self.say(Level::Warning, format!("nothing is called `{typed}`"));
                    return Vec::new();
                };
                return self.run_entry(&entry.run.clone());
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

    fn run_entry(&mut self, run: &MenuRun) -> Vec<Command> {
        match run {
            MenuRun::Action(action) => self.run(*action),
            MenuRun::Quick(quick) => {
                self.quick(quick.clone());
                Vec::new()
            }
            MenuRun::Tenant(key) => {
                self.open_tenant(key);
                Vec::new()
            }
            MenuRun::Database(database) => {
                self.state.only_database.clone_from(database);
                derive::all(&mut self.state);
                Vec::new()
            }
        }
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

    /// Does an action of the table, or says why not.
    pub(super) fn run(&mut self, action: Action) -> Vec<Command> {
        if let Err(why) = allowed(&self.state, action) {
            self.say(Level::Warning, format!("{}: {why}", action.info().title));
            return Vec::new();
        }
        let page = crate::tui::screens::list_rows(&self.state).max(1).cast_signed();
        match action {
            Action::Down => self.step(Step::By(1)),
            Action::Up => self.step(Step::By(-1)),
            Action::HalfPageDown => self.half_page(page / 2),
            Action::HalfPageUp => self.half_page(-(page / 2)),
            Action::PageDown => self.step(Step::By(page)),
            Action::PageUp => self.step(Step::By(-page)),
            Action::First => self.step(Step::First),
            Action::Last => self.step(Step::Last),
            Action::NextTab => self.tab(1),
            Action::PreviousTab => self.tab(TenantTab::ALL.len() - 1),
            Action::Open => return self.open(),
            Action::Back => self.back(),
            Action::Tenants => self.go(Screen::Tenants),
            Action::Migrations => self.go(Screen::Migrations),
            Action::Jobs => self.go(Screen::Jobs),
            Action::Messages => self.go(Screen::Messages),
            Action::Filter => self.state.prompt = Prompt::Filter(Input::new(self.state.tenants.filter.clone())),
            Action::Palette => self.open_menu(MenuKind::Palette),
            Action::Help => self.open_menu(MenuKind::Help),
            Action::Mark => self.mark(),
            Action::MarkRange => self.mark_range(),
            Action::MarkAll => self.mark_all(),
            Action::UnmarkAll => self.unmark_all(),
            Action::Sort => self.sort(),
            Action::ReverseSort => self.reverse_sort(),
            Action::Refresh => return self.refresh(),
            Action::Freeze => self.freeze(),
            Action::Slower => return self.rate(1),
            Action::Faster => return self.rate(-1),
            Action::CopyName => return self.copy(output::name_text(&self.state)),
            Action::CopyRow => return self.copy(output::row_text(&self.state)),
            Action::CopyError => return self.copy(output::error_text(&self.state)),
            Action::ExportCsv => return self.export(true),
            Action::ExportJson => return self.export(false),
            Action::Follow => {
                self.state.jobs.follow = !self.state.jobs.follow;
                self.state.jobs.log_back = 0;
            }
            Action::Inspect => self.inspect(),
            Action::SetTarget => self.set_target(),
            Action::HistoryBack => {
                let view = self.history.back();
                self.travel(view);
            }
            Action::HistoryForward => {
                let view = self.history.forward();
                self.travel(view);
            }
            Action::WriteLock => self.toggle_writes(),
            Action::NewTenant => self.open_new_tenant(),
            Action::Migrate => self.open_migrate(),
            Action::Retry => self.open_retry(),
            Action::Continue => self.open_continue(),
            Action::StopJob => self.open_stop(),
            Action::Suspend => return vec![Command::Suspend],
            Action::Quit => return self.leave(),
        }
        Vec::new()
    }

    fn step(&mut self, step: Step) {
        nav::step(&mut self.state, step);
    }

    fn half_page(&mut self, by: isize) {
        let jobs = &mut self.state.jobs;
        if self.state.screen == Screen::Jobs && !jobs.follow {
            let lines = self.state.jobs.list.cursor.as_ref().map_or(0, |key| self.state.log_of(Some(key)).count());
            let jobs = &mut self.state.jobs;
            jobs.log_back = jobs.log_back.saturating_add_signed(-by).min(lines.saturating_sub(1));
        } else {
            self.step(Step::By(by));
        }
    }

    fn tab(&mut self, by: usize) {
        if let Some(open) = &mut self.state.tenant {
            let at = TenantTab::ALL.iter().position(|tab| *tab == open.tab).unwrap_or(0);
            open.tab = TenantTab::ALL[(at + by) % TenantTab::ALL.len()];
        }
    }

    fn go(&mut self, screen: Screen) {
        self.travel_to(View { screen, tenant: None, job: None });
    }

    fn travel_to(&mut self, view: View) {
        nav::show(&mut self.state, &view);
        self.history.push(view);
    }

    fn travel(&mut self, view: Option<View>) {
        match view {
            Some(view) => nav::show(&mut self.state, &view),
            None => self.say(Level::Info, "there is no further view"),
        }
    }

    pub(super) fn open_tenant(&mut self, key: &TenantKey) {
        super::orders::select(&mut self.state, key);
        self.travel_to(View { screen: Screen::Tenant, tenant: Some(key.clone()), job: None });
    }

    fn open_job(&mut self, job: (DatabaseName, JobId)) -> Vec<Command> {
        let command = Command::Service { database: job.0.clone(), command: ServiceCommand::ReadOutcomes(job.1) };
        self.travel_to(View { screen: Screen::JobResult, tenant: None, job: Some(job) });
        vec![command]
    }

    /// Enter.
    fn open(&mut self) -> Vec<Command> {
        match self.state.screen {
            Screen::Tenants => {
                let Some(tenant) = self.state.cursor_tenant().cloned() else { return Vec::new() };
                let card = self.failure_card(&tenant);
                self.open_tenant(&tenant.key);
                if let Some(card) = card {
                    self.open_card(card);
                }
            }
            Screen::Migrations => {
                let Some(group) = self.state.cursor_group().cloned() else { return Vec::new() };
                if self.state.several_databases() {
                    self.state.only_database = Some(group.database);
                }
                self.quick(Some(QuickFilter::Version(group.version)));
            }
            Screen::Jobs => {
                if let Some(key) = self.state.jobs.list.cursor.clone() {
                    return self.open_job(key);
                }
            }
            Screen::Tenant => match self.state.tenant.as_ref().map(|open| open.tab) {
                Some(TenantTab::Jobs) => {
                    if let Some(key) = self.state.tenant.as_ref().and_then(|open| open.jobs.cursor.clone()) {
                        return self.open_job(key);
                    }
                }
                Some(TenantTab::Tables | TenantTab::Migrations | TenantTab::Cache) | None => self.inspect(),
            },
            Screen::JobResult | Screen::Messages => self.inspect(),
        }
        Vec::new()
    }

    fn open_card(&mut self, card: FailureCard) {
        self.open_dialog(Dialog::FailureCard(Box::new(card)));
    }

    /// Esc.
    fn back(&mut self) {
        match self.state.screen {
            Screen::Tenants => {
                let tenants = &mut self.state.tenants;
                if tenants.range_from.take().is_some() {
                    return;
                }
                if !tenants.filter.is_empty() {
                    tenants.filter.clear();
                } else if tenants.quick.is_some() {
                    tenants.quick = None;
                } else if self.state.only_database.take().is_some() {
                    return derive::all(&mut self.state);
                }
                derive::tenants(&mut self.state);
            }
            Screen::JobResult => self.go(Screen::Jobs),
            Screen::Tenant => self.go(Screen::Tenants),
            Screen::Migrations | Screen::Jobs => self.go(Screen::Tenants),
            Screen::Messages => {
                let view = self.history.back();
                match view {
                    Some(view) => nav::show(&mut self.state, &view),
                    None => self.go(Screen::Tenants),
                }
            }
        }
    }

    fn open_menu(&mut self, kind: MenuKind) {
        self.state.prompt = Prompt::Menu(Box::new(menu::open(kind, &self.state, &self.keymap)));
    }

    fn quick(&mut self, quick: Option<QuickFilter>) {
        self.state.tenants.quick = quick;
        self.state.tenants.filter.clear();
        derive::tenants(&mut self.state);
        self.go(Screen::Tenants);
    }

    fn marks_changed(&mut self) {
        if self.state.tenants.quick == Some(QuickFilter::Marked) {
            derive::tenants(&mut self.state);
        } else {
            derive::hidden_marks(&mut self.state);
        }
    }

    fn mark(&mut self) {
        let Some(key) = self.state.cursor_tenant().map(|tenant| tenant.key.clone()) else { return };
        if !self.state.tenants.marks.remove(&key) {
            self.state.tenants.marks.insert(key);
        }
        self.step(Step::By(1));
        self.marks_changed();
    }

    fn mark_range(&mut self) {
        let Some(key) = self.state.cursor_tenant().map(|tenant| tenant.key.clone()) else { return };
        let Some(from) = self.state.tenants.range_from.take() else {
            self.state.tenants.range_from = Some(key);
            return self.say(Level::Info, "range: move to its other end and press it again");
        };
        let shown = self.shown_keys();
        let place = |wanted: &TenantKey| shown.iter().position(|key| key == wanted);
        if let (Some(from), Some(to)) = (place(&from), place(&key)) {
            let (low, high) = (from.min(to), from.max(to));
            self.state.tenants.marks.extend(shown[low..=high].iter().cloned());
        }
        self.marks_changed();
    }

    fn shown_keys(&self) -> Vec<TenantKey> {
        (0..self.state.tenants.shown.len())
            .filter_map(|row| self.state.shown_tenant(row))
            .map(|tenant| tenant.key.clone())
            .collect()
    }

    fn mark_all(&mut self) {
        let shown = self.shown_keys();
        self.state.tenants.marks.extend(shown);
        self.marks_changed();
    }

    fn unmark_all(&mut self) {
        self.state.tenants.marks = BTreeSet::new();
        self.state.tenants.range_from = None;
        self.marks_changed();
    }

    fn sort(&mut self) {
        if self.state.screen == Screen::Tenant {
            if let Some(open) = &mut self.state.tenant {
                open.tables_sort.column = next(&TableColumn::ALL, open.tables_sort.column);
                open.tables_sort.descending = open.tables_sort.column != TableColumn::Table;
            }
            return derive::open_tenant(&mut self.state);
        }
        let mut column = next(&TenantColumn::ALL, self.state.tenants.sort.column);
        if column == TenantColumn::Database && !self.state.several_databases() {
            column = next(&TenantColumn::ALL, column);
        }
        self.state.tenants.sort.column = column;
        // Numbers are asked for because of the large ones.
        self.state.tenants.sort.descending =
            matches!(column, TenantColumn::Behind | TenantColumn::Size | TenantColumn::Keys);
        derive::tenants(&mut self.state);
    }

    fn reverse_sort(&mut self) {
        if self.state.screen == Screen::Tenant {
            if let Some(open) = &mut self.state.tenant {
                open.tables_sort.descending = !open.tables_sort.descending;
            }
            return derive::open_tenant(&mut self.state);
        }
        self.state.tenants.sort.descending = !self.state.tenants.sort.descending;
        derive::tenants(&mut self.state);
    }

    fn refresh(&mut self) -> Vec<Command> {
        self.say(Level::Info, "reading everything again");
        let mut commands = vec![Command::Fleet(FleetCommand::Refresh)];
        let cache_tab = self.state.tenant.as_ref().is_some_and(|open| open.tab == TenantTab::Cache);
        if self.state.screen == Screen::Tenant && cache_tab {
            commands.push(Command::Fleet(FleetCommand::CountCache));
        }
        if let Some(key) = self.state.jobs.result_of.clone().filter(|_| self.state.screen == Screen::JobResult) {
            commands.push(Command::Service { database: key.0, command: ServiceCommand::ReadOutcomes(key.1) });
        }
        commands
    }

    fn freeze(&mut self) {
        self.state.frozen = !self.state.frozen;
        if self.state.frozen {
            return self.say(Level::Info, "rows are frozen; the same key lets them go");
        }
        self.state.snapshot = Arc::clone(&self.state.latest);
        derive::all(&mut self.state);
        self.look_for_expected();
    }

    fn rate(&mut self, by: isize) -> Vec<Command> {
        let now = self.state.refresh.map_or(u64::MAX, |refresh| refresh.as_secs());
        let next = if by > 0 {
            RATES.iter().copied().find(|seconds| *seconds > now)
        } else {
            Some(RATES.iter().copied().rev().find(|seconds| *seconds < now).unwrap_or(RATES[0]))
        };
        self.state.refresh = next.map(Duration::from_secs);
        match next {
            Some(seconds) => self.say(Level::Info, format!("refresh every {seconds} s")),
            None => self.say(Level::Info, "no refresh until `r`, or `+`"),
        }
        vec![Command::Fleet(FleetCommand::Every(self.state.refresh))]
    }

    fn copy(&mut self, text: Option<String>) -> Vec<Command> {
        match text {
            Some(text) => vec![Command::Copy(text)],
            None => {
                self.say(Level::Warning, "there is nothing to copy here");
                Vec::new()
            }
        }
    }

    fn export(&mut self, csv: bool) -> Vec<Command> {
        let sheet = output::sheet(&self.state);
        let content = if csv { sheet.csv() } else { Ok(sheet.json()) };
        match content {
            Ok(content) => {
                let ending = if csv { "csv" } else { "json" };
                vec![Command::Export { name: output::file_name(&sheet, self.state.now.wall, ending), content }]
            }
            Err(why) => {
                self.say(Level::Error, format!("nothing was exported: {why}"));
                Vec::new()
            }
        }
    }

    /// `i`: the SQL of a migration, why a tenant failed, a text in full.
    fn inspect(&mut self) {
        match self.state.screen {
            Screen::Tenants => {
                let card = self.state.cursor_tenant().cloned().and_then(|tenant| self.failure_card(&tenant));
                match card {
                    Some(card) => self.open_card(card),
                    None => self.open_text(output::name_text(&self.state), output::row_text(&self.state)),
                }
            }
            Screen::Migrations => {
                let Some(group) = self.state.cursor_group() else { return };
                if let Some(version) = group.version.clone() {
                    let database = group.database.clone();
                    self.open_sql(&database, &version);
                }
            }
            Screen::Tenant => {
                let Some(open) = &self.state.tenant else { return };
                let migration = open.migrations.cursor.clone().filter(|_| open.tab == TenantTab::Migrations);
                let database = open.key.database.clone();
                match migration {
                    Some(version) => self.open_sql(&database, &version),
                    None => {
                        let card = self.state.open_tenant().cloned().and_then(|tenant| self.failure_card(&tenant));
                        match card {
                            Some(card) => self.open_card(card),
                            None => self.open_text(output::name_text(&self.state), output::row_text(&self.state)),
                        }
                    }
                }
            }
            Screen::JobResult => match self.result_card() {
                Some(card) => self.open_card(card),
                None => self.open_text(output::name_text(&self.state), output::row_text(&self.state)),
            },
            Screen::Jobs => self.open_text(output::name_text(&self.state), output::row_text(&self.state)),
            Screen::Messages => self.open_text(Some("message".to_owned()), output::name_text(&self.state)),
        }
    }

    fn open_text(&mut self, title: Option<String>, text: Option<String>) {
        if let Some(text) = text {
            let title = title.unwrap_or_default();
            self.open_dialog(Dialog::Sql(Box::new(Sql::new((title, text.replace('\t', "\n"))))));
        }
    }

    fn open_sql(&mut self, database: &DatabaseName, version: &crate::model::ledger::Version) {
        let file = self
            .state
            .context(database)
            .and_then(|context| context.folder.as_ref())
            .and_then(|folder| folder.file(version))
            .cloned();
        let shown = version.untrusted().safe();
        match file {
            Some(file) => {
                let title = format!("{shown} {}", file.name.safe());
                self.open_dialog(Dialog::Sql(Box::new(Sql::new((title, file.sql.to_string())))));
            }
            None => self.say(Level::Warning, format!("there is no file of {shown} in the migration folder")),
        }
    }

    fn set_target(&mut self) {
        let Some(group) = self.state.cursor_group().cloned() else { return };
        let Some(version) = group.version else { return };
        let shown = version.untrusted().safe();
        if self.state.targets.get(&group.database) == Some(&version) {
            self.state.targets.remove(&group.database);
            self.say(Level::Info, "target: the newest");
        } else {
            self.state.targets.insert(group.database, version);
            self.say(Level::Info, format!("target: {shown}; t here again: the newest"));
        }
        derive::migrations(&mut self.state);
    }
}

fn next<T: PartialEq + Copy>(all: &[T], current: T) -> T {
    let at = all.iter().position(|one| *one == current).map_or(0, |at| (at + 1) % all.len());
    all[at]
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
