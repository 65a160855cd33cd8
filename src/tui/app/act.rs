//! Does the actions of the table that show something else: screens, tabs, lists, menus.

use tui_input::Input;

use super::action::Action;
use super::allowed::allowed;
use super::audit::AuditScope;
use super::command::Command;
use super::nav::{self, Step, View};
use super::output::Form;
use super::state::{Level, MenuKind, Prompt, QuickFilter, Screen, TenantTab};
use super::{App, derive, menu, output};
use crate::model::job::JobId;
use crate::model::life::LifeKind;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::{Untrusted, sanitise};
use crate::tui::dialogs::{Dialog, FailureCard};

impl App {
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
            Action::NextTab if self.state.screen == Screen::Server => self.server_tab(1),
            Action::PreviousTab if self.state.screen == Screen::Server => self.server_tab(3),
            Action::NextTab => self.tab(1),
            Action::PreviousTab => self.tab(TenantTab::ALL.len() - 1),
            Action::Open => return self.open(),
            Action::Back => self.back(),
            Action::Tenants => self.go(Screen::Tenants),
            Action::Migrations => self.go(Screen::Migrations),
            Action::Jobs => self.go(Screen::Jobs),
            Action::Server => self.go(Screen::Server),
            Action::NextDatabase => self.next_database(),
            Action::Messages => self.go(Screen::Messages),
            Action::Audit => return self.open_audit(AuditScope::All),
            Action::AuditHere => {
                if let Ok(scope) = super::audit::here(&self.state) {
                    return self.open_audit(scope);
                }
            }
            Action::Filter => self.state.prompt = Prompt::Filter(Input::new(self.filter_in_front().to_owned())),
            Action::Palette => self.open_menu(MenuKind::Palette),
            Action::Help => self.open_menu(MenuKind::Help),
            Action::Mark => self.mark(),
            Action::MarkRange => self.mark_range(),
            Action::MarkAll => self.mark_all(),
            Action::UnmarkAll => self.unmark_all(),
            Action::Sort => self.sort(),
            Action::ReverseSort => self.reverse_sort(),
            Action::Columns => self.open_columns(),
            Action::Refresh => return self.refresh(),
            Action::Freeze => self.freeze(),
            Action::Slower => return self.rate(1),
            Action::Faster => return self.rate(-1),
            Action::CopyName => return self.copy(output::name_text(&self.state)),
            Action::CopyRow => return self.copy(output::row_text(&self.state)),
            Action::CopyError => return self.copy(output::error_text(&self.state)),
            Action::ExportCsv => return self.export(Form::Csv),
            Action::ExportJson => return self.export(Form::Json),
            Action::ExportText => return self.export(Form::Text),
            Action::Wrap => self.state.jobs.wrap = !self.state.jobs.wrap,
            Action::Zoom => self.state.zoom = !self.state.zoom,
            Action::DumpScreen => return vec![Command::DumpScreen { name: output::dump_name(&self.state) }],
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
            Action::Migrate => return self.open_migrate(),
            Action::Rename => return self.open_life(LifeKind::Rename),
            Action::Suspend => return self.open_life(LifeKind::Suspend),
            Action::Activate => return self.open_life(LifeKind::Activate),
            Action::Archive => return self.open_life(LifeKind::Archive),
            Action::Drop => return self.open_life(LifeKind::Drop),
            Action::Undrop => return self.open_life(LifeKind::Undrop),
            Action::Purge => return self.open_life(LifeKind::Purge),
            Action::Repair => return self.open_life(LifeKind::Repair),
            // The command does it, as `allowed` says.
            Action::Import | Action::Seed => {}
            Action::Retry => self.open_retry(),
            Action::RetryWhenFree => self.open_retry_when_free(),
            Action::Skip => self.open_skip(),
            Action::Continue => self.open_continue(),
            Action::PauseJob => self.open_pause(),
            Action::StopJob => self.open_stop(),
            Action::FlushCache => self.open_flush(),
            Action::ToShell => return vec![Command::Suspend],
            Action::Quit => return self.leave(),
        }
        Vec::new()
    }

    pub(super) fn step(&mut self, step: Step) {
        nav::step(&mut self.state, step);
    }

    pub(super) fn half_page(&mut self, by: isize) {
        if self.state.screen == Screen::Jobs && !self.state.jobs.follow {
            self.scroll_log(by, 1);
        } else {
            self.step(Step::By(by));
        }
    }

    /// Moves the log of the chosen job, so that so many of its lines are seen at its beginning.
    fn scroll_log(&mut self, by: isize, seen: usize) {
        let key = self.state.cursor_job().map(|job| (job.database.clone(), job.id));
        let lines = key.map_or(0, |key| self.state.log_of(Some(&key)).count());
        let jobs = &mut self.state.jobs;
        let back = if jobs.follow { 0 } else { jobs.log_back };
        jobs.log_back = back.saturating_add_signed(-by).min(lines.saturating_sub(seen));
    }

    /// The wheel over the log: back leaves its end, and at its end it is followed again.
    pub(super) fn wheel_log(&mut self, rows: isize, visible: usize) {
        self.scroll_log(rows, if self.state.jobs.wrap { 1 } else { visible });
        self.state.jobs.follow = self.state.jobs.log_back == 0;
    }

    pub(super) fn tab(&mut self, by: usize) {
        if let Some(open) = &mut self.state.tenant {
            let at = TenantTab::ALL.iter().position(|tab| *tab == open.tab).unwrap_or(0);
            open.tab = TenantTab::ALL[(at + by) % TenantTab::ALL.len()];
        }
    }

    pub(super) fn go(&mut self, screen: Screen) {
        self.travel_to(View { screen, ..View::default() });
    }

    pub(super) fn travel_to(&mut self, view: View) {
        nav::show(&mut self.state, &view);
        self.history.push(view);
    }

    pub(super) fn travel(&mut self, view: Option<View>) {
        match view {
            Some(view) => nav::show(&mut self.state, &view),
            None => self.say(Level::Info, "there is no further view"),
        }
    }

    pub(super) fn open_tenant(&mut self, key: &TenantKey) {
        super::orders::select(&mut self.state, key);
        self.travel_to(View { screen: Screen::Tenant, tenant: Some(key.clone()), ..View::default() });
    }

    pub(super) fn open_job(&mut self, job: (DatabaseName, JobId)) -> Vec<Command> {
        let command = self.ask_results(job.clone());
        self.travel_to(View { screen: Screen::JobResult, job: Some(job), ..View::default() });
        vec![command]
    }

    /// Enter.
    pub(super) fn open(&mut self) -> Vec<Command> {
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
                    derive::only(&mut self.state, Some(group.database));
                }
                self.quick(Some(QuickFilter::Version(group.version)));
            }
            Screen::Jobs => {
                if let Some(job) = self.state.cursor_job() {
                    return self.open_job((job.database.clone(), job.id));
                }
            }
            Screen::Tenant => match self.state.tenant.as_ref().map(|open| open.tab) {
                Some(TenantTab::Jobs) => {
                    if let Some(key) = self.state.tenant.as_ref().and_then(|open| open.jobs.cursor.clone()) {
                        return self.open_job(key);
                    }
                }
                Some(TenantTab::Tables | TenantTab::Cache) => {
                    let card = self.state.open_tenant().cloned().and_then(|tenant| self.failure_card(&tenant));
                    match card {
                        Some(card) => self.open_card(card),
                        None => self.inspect(),
                    }
                }
                Some(TenantTab::Migrations) | None => self.inspect(),
            },
            Screen::Server => self.open_text(output::name_text(&self.state), super::row_text::row_lines(&self.state)),
            Screen::JobResult | Screen::Messages | Screen::Audit => self.inspect(),
        }
        Vec::new()
    }

    pub(super) fn open_card(&mut self, card: FailureCard) {
        self.open_dialog(Dialog::FailureCard(Box::new(card)));
    }

    /// Esc.
    pub(super) fn back(&mut self) {
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
                } else if self.state.only_database.is_some() {
                    return derive::only(&mut self.state, None);
                }
                derive::tenants(&mut self.state);
            }
            Screen::JobResult => self.go(Screen::Jobs),
            Screen::Tenant => self.go(Screen::Tenants),
            Screen::Server if !self.state.server.filter.is_empty() => self.filter_server(""),
            Screen::Migrations | Screen::Jobs | Screen::Server => self.go(Screen::Tenants),
            Screen::Messages | Screen::Audit => {
                let view = self.history.back();
                match view {
                    Some(view) => nav::show(&mut self.state, &view),
                    None => self.go(Screen::Tenants),
                }
            }
        }
    }

    pub(super) fn open_menu(&mut self, kind: MenuKind) {
        self.state.prompt = Prompt::Menu(Box::new(menu::open(kind, &self.state, &self.keymap)));
    }

    pub(super) fn quick(&mut self, quick: Option<QuickFilter>) {
        self.state.tenants.quick = quick;
        self.state.tenants.filter.clear();
        derive::tenants(&mut self.state);
        self.go(Screen::Tenants);
    }

    /// Shows the tenants of a name that several databases have: which is meant, only the operator knows.
    pub(super) fn show_named(&mut self, slug: &Untrusted) {
        derive::only(&mut self.state, None);
        self.quick(Some(QuickFilter::Slug(slug.clone())));
        let named = self.state.tenants.shown.iter().filter_map(|index| self.state.snapshot.tenants.get(*index));
        let databases: Vec<String> = named.map(|tenant| sanitise(&tenant.key.database)).collect();
        let opens = self.state.key(Action::Open);
        let text = format!("{} is in {}: {opens} opens the one under the cursor", slug.safe(), databases.join(" and "));
        self.say(Level::Info, text);
    }

    /// Shows the tenants that fit a filter.
    pub(super) fn filter_by(&mut self, filter: &str) {
        self.state.tenants.quick = None;
        filter.clone_into(&mut self.state.tenants.filter);
        derive::tenants(&mut self.state);
        self.go(Screen::Tenants);
    }

    pub(super) fn marks_changed(&mut self) {
        if self.state.tenants.quick == Some(QuickFilter::Marked) {
            derive::tenants(&mut self.state);
        } else {
            derive::hidden_marks(&mut self.state);
        }
    }
}
