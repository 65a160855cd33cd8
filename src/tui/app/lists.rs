//! Does the actions of the table that work on the list in front: marks, order, freezing, copying, exporting, looking.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::command::Command;
use super::nav::Step;
use super::output::Form;
use super::state::{Level, Screen, Sort, TableColumn, TablesSort, TenantColumn, TenantTab};
use super::{App, derive, output};
use crate::fleet::FleetCommand;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::tui::dialogs::{Dialog, Sql};

/// Times between two readings that `+` and `-` go through; after the last one they stop.
const RATES: &[u64] = &[1, 2, 5, 10, 30, 60, 300];

impl App {
    pub(super) fn mark(&mut self) {
        let Some(key) = self.state.cursor_tenant().map(|tenant| tenant.key.clone()) else { return };
        if !self.state.tenants.marks.remove(&key) {
            self.state.tenants.marks.insert(key);
        }
        self.step(Step::By(1));
        self.marks_changed();
    }

    pub(super) fn mark_range(&mut self) {
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

    pub(super) fn shown_keys(&self) -> Vec<TenantKey> {
        (0..self.state.tenants.shown.len())
            .filter_map(|row| self.state.shown_tenant(row))
            .map(|tenant| tenant.key.clone())
            .collect()
    }

    pub(super) fn mark_all(&mut self) {
        let shown = self.shown_keys();
        self.state.tenants.marks.extend(shown);
        self.marks_changed();
    }

    pub(super) fn unmark_all(&mut self) {
        self.state.tenants.marks = BTreeSet::new();
        self.state.tenants.range_from = None;
        self.marks_changed();
    }

    pub(super) fn sort(&mut self) {
        if self.state.screen == Screen::Server {
            return self.sort_server();
        }
        if self.state.screen == Screen::Tenant {
            let by = self.state.tenant.as_ref().map(|open| open.tables_sort.column);
            return self.sort_tables_by(by.map_or(TableColumn::Table, |column| next(&TableColumn::ALL, column)));
        }
        // An order by what cannot be seen would look like none.
        let shown = crate::tui::screens::shown_columns(&self.state);
        let mut column = self.state.tenants.sort.column;
        for _ in TenantColumn::ALL {
            column = next(&TenantColumn::ALL, column);
            if column.sorts() && shown.contains(&column) {
                break;
            }
        }
        self.sort_by(column);
    }

    pub(super) fn sort_by(&mut self, column: TenantColumn) {
        self.state.tenants.sort = Sort { column, descending: column.largest_first() };
        derive::tenants(&mut self.state);
    }

    pub(super) fn sort_tables_by(&mut self, column: TableColumn) {
        if let Some(open) = &mut self.state.tenant {
            open.tables_sort = TablesSort { column, descending: column != TableColumn::Table };
        }
        derive::open_tenant(&mut self.state);
    }

    pub(super) fn reverse_sort(&mut self) {
        if self.state.screen == Screen::Server {
            return self.reverse_server();
        }
        if self.state.screen == Screen::Tenant {
            if let Some(open) = &mut self.state.tenant {
                open.tables_sort.descending = !open.tables_sort.descending;
            }
            return derive::open_tenant(&mut self.state);
        }
        self.state.tenants.sort.descending = !self.state.tenants.sort.descending;
        derive::tenants(&mut self.state);
    }

    pub(super) fn refresh(&mut self) -> Vec<Command> {
        let lost: Vec<String> = self
            .state
            .latest
            .databases
            .iter()
            .filter(|view| !view.link.is_up())
            .map(|view| crate::text::sanitise(&view.name))
            .collect();
        let words = if lost.is_empty() {
            "reading everything again".to_owned()
        } else {
            format!("trying {} again now", lost.join(", "))
        };
        self.say(Level::Info, words);
        let mut commands = vec![Command::Fleet(FleetCommand::Refresh)];
        let cache_tab = self.state.tenant.as_ref().is_some_and(|open| open.tab == TenantTab::Cache);
        if self.state.screen == Screen::Tenant && cache_tab {
            commands.push(Command::Fleet(FleetCommand::CountCache));
        }
        if let Some(key) = self.state.jobs.result_of.clone().filter(|_| self.state.screen == Screen::JobResult) {
            commands.push(self.ask_results(key));
        }
        if self.state.screen == Screen::Audit {
            commands.extend(super::audit::questions(&self.state));
        }
        commands
    }

    pub(super) fn freeze(&mut self) {
        self.state.frozen = !self.state.frozen;
        if self.state.frozen {
            return self.say(Level::Info, "rows are frozen; the same key lets them go");
        }
        self.state.snapshot = Arc::clone(&self.state.latest);
        derive::all(&mut self.state);
        self.look_for_expected();
    }

    pub(super) fn rate(&mut self, by: isize) -> Vec<Command> {
        let now = self.state.refresh.map_or(u64::MAX, |refresh| refresh.as_secs());
        let next = if by > 0 {
            RATES.iter().copied().find(|seconds| *seconds > now)
        } else {
            Some(RATES.iter().copied().rev().find(|seconds| *seconds < now).unwrap_or(RATES[0]))
        };
        self.state.refresh = next.map(Duration::from_secs);
        match next {
            Some(seconds) => self.say(Level::Info, format!("refresh every {seconds} s")),
            None => {
                let (again, faster) = (self.state.key(Action::Refresh), self.state.key(Action::Faster));
                self.say(Level::Info, format!("no refresh until `{again}`, or `{faster}`"));
            }
        }
        vec![Command::Fleet(FleetCommand::Every(self.state.refresh))]
    }

    pub(super) fn copy(&mut self, text: Option<String>) -> Vec<Command> {
        match text {
            Some(text) => vec![Command::Copy(text)],
            None => {
                self.say(Level::Warning, "there is nothing to copy here");
                Vec::new()
            }
        }
    }

    pub(super) fn export(&mut self, form: Form) -> Vec<Command> {
        let sheet = output::sheet(&self.state);
        match form.of(&sheet) {
            Ok(content) => {
                let name = output::file_name(&sheet, self.state.now.wall, form.ending());
                vec![Command::Export { name, content }]
            }
            Err(why) => {
                self.say(Level::Error, format!("nothing was exported: {why}"));
                Vec::new()
            }
        }
    }

    /// `i`: the SQL of a migration, why a step failed, every value of a row in full. Enter says why a tenant failed.
    pub(super) fn inspect(&mut self) {
        match self.state.screen {
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
                    None => self.open_row(),
                }
            }
            Screen::JobResult => match self.result_card() {
                Some(card) => self.open_card(card),
                None => self.open_row(),
            },
            Screen::Server => {
                let text = super::server::wrong(&self.state);
                self.open_text(Some("What is not well".to_owned()), text);
            }
            Screen::Tenants | Screen::Jobs => self.open_row(),
            Screen::Messages => self.open_text(Some("message".to_owned()), output::name_text(&self.state)),
            Screen::Audit => {
                if let Some((title, text)) =
                    super::audit::cursor_line(&self.state).map(|line| super::audit::in_full(line, &self.state))
                {
                    self.open_dialog(Dialog::Sql(Box::new(Sql::new((title, text)))));
                }
            }
        }
    }

    /// Every value of the row under the cursor, in full.
    fn open_row(&mut self) {
        self.open_text(output::name_text(&self.state), super::row_text::row_lines(&self.state));
    }

    pub(super) fn open_text(&mut self, title: Option<String>, text: Option<String>) {
        if let Some(text) = text {
            let title = title.unwrap_or_default();
            self.open_dialog(Dialog::Sql(Box::new(Sql::new((title, text)))));
        }
    }

    pub(super) fn open_sql(&mut self, database: &DatabaseName, version: &crate::model::ledger::Version) {
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
                self.open_dialog(Dialog::Sql(Box::new(Sql::new((title, output::file_text(&file))))));
            }
            None => self.say(Level::Warning, format!("there is no file of {shown} in the migration folder")),
        }
    }

    pub(super) fn set_target(&mut self) {
        let Some(group) = self.state.cursor_group().cloned() else { return };
        let Some(version) = group.version else { return };
        let shown = version.untrusted().safe();
        if self.state.targets.get(&group.database) == Some(&version) {
            self.state.targets.remove(&group.database);
            self.say(Level::Info, "target: the newest");
        } else {
            self.state.targets.insert(group.database, version);
            self.say(
                Level::Info,
                format!("target: {shown}; {} here again: the newest", self.state.key(Action::SetTarget)),
            );
        }
        derive::migrations(&mut self.state);
    }
}

fn next<T: PartialEq + Copy>(all: &[T], current: T) -> T {
    let at = all.iter().position(|one| *one == current).map_or(0, |at| (at + 1) % all.len());
    all[at]
}
