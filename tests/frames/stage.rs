//! A dashboard on a stage: a real `App` that is driven by events and keys, and whose frames are looked at.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tenantui::config;
use tenantui::fleet::JobContext;
use tenantui::jobs::service::ServiceCommand;
use tenantui::layout::TakenNames;
use tenantui::model::audit::AuditFilter;
use tenantui::model::environment::Environment;
use tenantui::model::filter::SavedFilters;
use tenantui::model::fleet::Snapshot;
use tenantui::model::job::JobEvent;
use tenantui::model::tenant::Tenant;
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::{Event, Now};
use tenantui::tui::app::keymap::Keymap;
use tenantui::tui::app::state::Screen;
use tenantui::tui::app::{App, AppInput};
use tenantui::tui::kept::KeptView;
use tenantui::tui::theme::{Depth, Theme};

use super::sample::{at, database, detail, eu1, folder, jobs, layout, log, tenants};

/// The saved filters of the configuration.
pub fn filters() -> SavedFilters {
    let mut filters = SavedFilters::default();
    filters.add("lagging", "behind>1 !status:suspended").expect("a filter");
    filters.add("big", "size>1GB").expect("a filter");
    filters
}

/// A dashboard on a stage: events go in, frames come out.
pub struct Stage {
    pub app: App,
    pub snapshot: Snapshot,
    /// The last question for the audit.
    pub audit_asked: Option<AuditFilter>,
}

impl Stage {
    /// A dashboard that has heard nothing yet.
    pub fn silent(size: (u16, u16), environment: Environment, theme: &str) -> Self {
        Self::begin(size, environment, theme, (false, false))
    }

    /// The first run on the sample fleet.
    pub fn first(size: (u16, u16)) -> Self {
        let mut stage = Self::begin(size, Environment::Production, "default", (true, false));
        stage.snapshot.tenants = tenants(193).into_iter().map(Arc::new).collect();
        stage.show();
        stage
    }

    /// A dashboard with these tenants on a terminal without UTF-8.
    pub fn without_utf8(size: (u16, u16), tenants: Vec<Tenant>) -> Self {
        let mut stage = Self::begin(size, Environment::Production, "default", (false, true));
        stage.snapshot.tenants = tenants.into_iter().map(Arc::new).collect();
        stage.show();
        stage
    }

    fn begin(size: (u16, u16), environment: Environment, theme: &str, (welcome, ascii): (bool, bool)) -> Self {
        let config = config::Database {
            name: eu1(),
            environment,
            url: String::from("postgresql://saas@db1/app").into(),
            password_command: None,
            read_only: false,
            pooler: config::Pooler::Auto,
            layout: config::LayoutChoice::Auto,
            tenants: config::TenantsOverride::default(),
            migrations: config::Migrations::default(),
            cache: None,
            jobs: config::Jobs::default(),
            among_several: false,
        };
        let app = App::new(AppInput {
            databases: vec![(Arc::new(config), "saas@db1".into())],
            refresh: Duration::from_secs(5),
            keymap: Keymap::embedded().expect("the embedded keys"),
            filters: filters(),
            theme: Theme::read(theme, Depth::True).expect("a theme"),
            ascii,
            kept: KeptView::default(),
            welcome,
            size,
            now: Now { wall: at(0), elapsed: Duration::ZERO },
            zone: jiff::tz::TimeZone::UTC,
        });
        let snapshot =
            Snapshot { revision: 1, databases: vec![database(environment)], jobs: jobs(), ..Snapshot::default() };
        Self { app, snapshot, audit_asked: None }
    }

    /// A dashboard with the sample fleet.
    pub fn new(size: (u16, u16)) -> Self {
        Self::with(size, Environment::Production, tenants(193))
    }

    /// A dashboard with these tenants.
    pub fn with(size: (u16, u16), environment: Environment, tenants: Vec<Tenant>) -> Self {
        let mut stage = Self::silent(size, environment, "default");
        stage.snapshot.tenants = tenants.into_iter().map(Arc::new).collect();
        stage.show();
        stage.event(Event::Contexts(Arc::new(vec![JobContext {
            database: eu1(),
            layout: Arc::new(layout()),
            folder: Some(Arc::new(folder())),
            folder_error: None,
            shared: None,
            found: Arc::default(),
            lens: Arc::default(),
            initialised: true,
            taken: Arc::new(TakenNames {
                slugs: vec!["acme".into()],
                schemas: vec!["public".into(), "tenant_acme".into()],
                owners: Default::default(),
                rows_hidden: false,
            }),
            read_only_why: None,
        }])));
        for line in log() {
            stage.event(Event::Job(JobEvent::Log(line)));
        }
        stage
    }

    /// Delivers the picture as it is now.
    pub fn show(&mut self) {
        self.snapshot.revision += 1;
        self.event(Event::Snapshot(Arc::new(self.snapshot.clone())));
    }

    /// Opens the tenant and delivers what was read of it.
    pub fn open(&mut self, slug: &str) {
        self.keys(&format!("/ {} Enter", slug.chars().map(String::from).collect::<Vec<_>>().join(" ")));
        if self.app.state().screen == Screen::Tenants {
            self.keys("Enter");
        }
        let tenant = self.snapshot.tenants.iter().find(|tenant| tenant.slug.raw() == slug).expect("the tenant");
        self.snapshot.detail = Some(Arc::new(detail(tenant)));
        self.show();
    }

    /// One event; no time passes.
    pub fn event(&mut self, event: Event) {
        for command in self.app.update(Now { wall: at(0), elapsed: Duration::ZERO }, event) {
            if let Command::Service { command: ServiceCommand::ReadAudit(filter), .. } = command {
                self.audit_asked = Some(filter);
            }
        }
        self.app.frame_made();
        self.app.frame_shown();
    }

    /// Keys by name, apart by blanks: `j Enter M`.
    pub fn keys(&mut self, keys: &str) {
        for key in keys.split(' ').filter(|key| !key.is_empty()) {
            let code = match key {
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Tab" => KeyCode::Tab,
                "BackTab" => KeyCode::BackTab,
                "Space" => KeyCode::Char(' '),
                "Down" => KeyCode::Down,
                "Right" => KeyCode::Right,
                "Backspace" => KeyCode::Backspace,
                one => KeyCode::Char(one.chars().next().expect("a key")),
            };
            self.event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
    }

    /// The frame in another theme.
    pub fn frame_in(&self, theme: &Theme) -> Buffer {
        let (columns, rows) = self.app.state().size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
        terminal.draw(|frame| tenantui::tui::screens::draw(frame, self.app.state(), theme)).expect("a frame");
        terminal.backend().buffer().clone()
    }

    /// The frame.
    pub fn frame(&self) -> Buffer {
        let (columns, rows) = self.app.state().size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
        terminal.draw(|frame| self.app.draw(frame)).expect("a frame");
        terminal.backend().buffer().clone()
    }
}

/// The rows of a frame, blanks at the right cut; a wide character takes one place, as in an editor.
pub fn text(buffer: &Buffer) -> String {
    use unicode_width::UnicodeWidthStr;
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(symbol.width().clamp(1, 2)).expect("narrow");
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}
