//! A dashboard without a terminal: keys go in as a script, commands come out.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tenantui::config;
use tenantui::fleet::JobContext;
use tenantui::jobs::service::ServiceCommand;
use tenantui::layout::TakenNames;
use tenantui::migrations::folder::Folder;
use tenantui::model::environment::Environment;
use tenantui::model::filter::SavedFilters;
use tenantui::model::job::{JobEvent, JobView};
use tenantui::model::ledger::Tool;
use tenantui::model::tenant::{DatabaseName, Tenant, TenantKey};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::{Event, Now};
use tenantui::tui::app::keymap::Keymap;
use tenantui::tui::app::{App, AppInput};
use tenantui::tui::kept::KeptView;
use tenantui::tui::theme::Theme;

// The bench of frames takes this file in by its path, too.
#[path = "desk_sample.rs"]
mod sample;
pub use sample::*;

/// Versions of the fleet's files, oldest first.
pub const FILES: [&str; 4] = ["20260101000000", "20260102000000", "20260103000000", "20260104000000"];

/// The saved filters of the configuration.
pub fn filters() -> SavedFilters {
    let mut filters = SavedFilters::default();
    filters.add("lagging", "behind>1 !status:suspended").expect("a filter");
    filters.add("big", "size>1GB").expect("a filter");
    filters
}

/// The moment at which scripts begin.
pub fn epoch() -> jiff::Timestamp {
    "2026-02-14T10:30:00Z".parse().expect("a timestamp")
}

/// A migration folder as Migratus has them, read by the real reader.
pub fn folder() -> Arc<Folder> {
    let place = tempfile::tempdir().expect("a folder");
    for (version, name) in FILES.iter().zip(["users", "orders", "invoices", "notes"]) {
        let up = format!("create table {name} (id bigint primary key);\n");
        std::fs::write(place.path().join(format!("{version}-{name}.up.sql")), up).expect("written");
        std::fs::write(place.path().join(format!("{version}-{name}.down.sql")), format!("drop table {name};\n"))
            .expect("written");
    }
    Arc::new(Folder::read(place.path(), Tool::Migratus).expect("a readable folder"))
}

/// A dashboard on a screen in memory.
pub struct Desk {
    pub app: App,
    pub commands: Vec<Command>,
    pub terminal: Terminal<TestBackend>,
    elapsed: Duration,
}

impl Desk {
    /// A dashboard of this size over database `eu-1`, with nothing read yet.
    pub fn blank(environment: Environment, size: (u16, u16)) -> Self {
        Self::over(&[("eu-1", environment)], size)
    }

    /// A dashboard over `eu-1` and `us-1`, each with the same six tenants and the same folder.
    pub fn two(first: Environment, second: Environment) -> Self {
        Self::two_on((80, 24), first, second)
    }

    /// As [`Self::two`], on a terminal of this size.
    pub fn two_on(size: (u16, u16), first: Environment, second: Environment) -> Self {
        let mut desk = Self::over(&[("eu-1", first), ("us-1", second)], size);
        let mut picture = snapshot(first);
        let us: DatabaseName = "us-1".into();
        picture.databases.push(database("us-1", second));
        let theirs: Vec<_> = picture
            .tenants
            .iter()
            .map(|tenant| {
                Arc::new(Tenant {
                    key: TenantKey::row(&us, &format!("id-{}", tenant.slug.raw())),
                    ..Tenant::clone(tenant)
                })
            })
            .collect();
        picture.tenants.extend(theirs);
        desk.event(Event::Snapshot(Arc::new(picture)));
        desk.event(Event::Contexts(Arc::new(vec![context(), JobContext { database: us, ..context() }])));
        desk.draw();
        desk
    }

    /// As [`Self::new`], on a terminal of this size.
    pub fn sized(environment: Environment, size: (u16, u16)) -> Self {
        Self::blank(environment, size).read(environment)
    }

    /// The next run, which has heard nothing yet.
    pub fn again(kept: KeptView, welcome: bool) -> Self {
        Self::begin(
            &[("eu-1", Environment::Production)],
            (80, 24),
            Keymap::embedded().expect("keymap"),
            (kept, welcome),
        )
    }

    fn over(databases: &[(&str, Environment)], size: (u16, u16)) -> Self {
        Self::with_keys(databases, size, Keymap::embedded().expect("keymap"))
    }

    fn with_keys(databases: &[(&str, Environment)], size: (u16, u16), keymap: Keymap) -> Self {
        Self::begin(databases, size, keymap, (KeptView::default(), false))
    }

    /// A dashboard over a database in which the tool's own command migrates.
    pub fn driven(command: &[&str]) -> Self {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let (keymap, kept) = (Keymap::embedded().expect("keymap"), (KeptView::default(), false));
        Self::configured(&[("eu-1", Environment::Development)], (120, 40), keymap, kept, |config| {
            config.migrations.command = Some(command.clone());
        })
        .read(Environment::Development)
    }

    fn begin(databases: &[(&str, Environment)], size: (u16, u16), keymap: Keymap, kept: (KeptView, bool)) -> Self {
        Self::configured(databases, size, keymap, kept, |_| {})
    }

    fn configured(
        databases: &[(&str, Environment)],
        size: (u16, u16),
        keymap: Keymap,
        (kept, welcome): (KeptView, bool),
        change: impl Fn(&mut config::Database),
    ) -> Self {
        let config = |(name, environment): &(&str, Environment)| {
            let mut config = config::Database::new((*name).into(), *environment, String::new().into());
            change(&mut config);
            (Arc::new(config), "ops@db1".into())
        };
        let app = App::new(AppInput {
            databases: databases.iter().map(config).collect(),
            refresh: Duration::from_secs(5),
            keymap,
            filters: filters(),
            theme: Theme::default(),
            ascii: false,
            kept,
            welcome,
            size,
            zone: jiff::tz::TimeZone::UTC,
            now: Now { wall: epoch(), elapsed: Duration::ZERO },
        });
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("terminal");
        let mut desk = Self { app, commands: Vec::new(), terminal, elapsed: Duration::ZERO };
        desk.draw();
        desk
    }

    /// A dashboard that has read the six tenants and their folder.
    pub fn new(environment: Environment) -> Self {
        Self::blank(environment, (80, 24)).read(environment)
    }

    /// As [`Self::new`], with keys of the operator's own.
    pub fn rebound(environment: Environment, keymap: &str) -> Self {
        let keymap = Keymap::with_user(keymap, "keymap.toml").expect("keymap");
        Self::with_keys(&[("eu-1", environment)], (80, 24), keymap).read(environment)
    }

    fn read(self, environment: Environment) -> Self {
        let mut desk = self;
        desk.event(Event::Snapshot(Arc::new(snapshot(environment))));
        desk.event(Event::Contexts(Arc::new(vec![context()])));
        desk.draw();
        desk
    }

    pub fn now(&self) -> Now {
        let wall = epoch() + jiff::SignedDuration::try_from(self.elapsed).expect("short");
        Now { wall, elapsed: self.elapsed }
    }

    /// Time passes; a clock event comes if the dashboard asked for one.
    pub fn wait(&mut self, duration: Duration) {
        self.elapsed += duration;
        self.event(Event::Clock);
    }

    pub fn event(&mut self, event: Event) {
        let commands = self.app.update(self.now(), event);
        self.commands.extend(commands);
    }

    /// Draws where something changed, as the loop does. Whether it drew.
    pub fn draw(&mut self) -> bool {
        if !self.app.is_dirty() {
            return false;
        }
        let app = &self.app;
        self.terminal.draw(|frame| app.draw(frame)).expect("draws");
        self.app.frame_made();
        self.app.frame_shown();
        true
    }

    /// One key, and no frame after it: what is typed ahead.
    pub fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.event(Event::Key(KeyEvent::new(code, modifiers)));
    }

    /// Types a script as a person does, each key after the frame of the one before: characters, and names in angle
    /// brackets (`<Enter>`, `<Esc>`, `<Tab>`, `<Space>`, `<C-d>`).
    pub fn keys(&mut self, script: &str) -> &mut Self {
        for (code, modifiers) in parse(script) {
            self.press(code, modifiers);
            self.draw();
        }
        self
    }

    /// Without a frame between.
    pub fn keys_ahead(&mut self, script: &str) {
        for (code, modifiers) in parse(script) {
            self.press(code, modifiers);
        }
    }

    pub fn paste(&mut self, text: &str) {
        self.event(Event::Paste(text.to_owned()));
        self.draw();
    }

    pub fn job(&mut self, job: JobView) {
        self.event(Event::Job(JobEvent::Job(Box::new(job))));
        self.draw();
    }

    /// The screen as text.
    pub fn text(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width).max(1);
        let symbols: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        symbols.chunks(width).map(|row| row.concat().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    pub fn cursor(&self) -> String {
        self.app.state().cursor_tenant().map_or_else(|| "-".to_owned(), |tenant| tenant.slug.raw().to_owned())
    }

    /// The slugs that are shown.
    pub fn shown(&self) -> Vec<String> {
        let state = self.app.state();
        (0..state.tenants.shown.len())
            .filter_map(|row| state.shown_tenant(row))
            .map(|tenant| tenant.slug.raw().to_owned())
            .collect()
    }

    pub fn message(&self) -> String {
        self.app.state().message.as_ref().map(|message| message.text.safe().to_string()).unwrap_or_default()
    }

    /// What writes, since the last call.
    pub fn writes(&mut self) -> Vec<ServiceCommand> {
        self.commands
            .drain(..)
            .filter(Command::writes)
            .filter_map(|command| match command {
                Command::Service { command, .. } => Some(command),
                _ => None,
            })
            .collect()
    }

    /// Whether the write lock of a database is open.
    pub fn is_open(&self, database: &str) -> bool {
        self.app.state().lock.left(database, self.elapsed).is_some()
    }

    /// Opens the write lock of the database in the header as an operator does.
    pub fn open_writes(&mut self) -> &mut Self {
        let database = self.app.state().header.database.clone().expect("a database in the header");
        self.keys("Wproduction<Enter>");
        assert!(self.is_open(&database), "{}", self.text());
        self
    }

    /// Opens the write lock of one of several databases, and shows them all again.
    pub fn open_writes_to(&mut self, database: &str) -> &mut Self {
        self.keys(&format!(":database {database}<Enter>W"));
        let confirm = if self.app.state().environment(database) == Environment::Production {
            "production<Enter>"
        } else {
            "<Tab><Enter>"
        };
        self.keys(confirm).keys("<Esc>");
        assert!(self.is_open(database) && self.app.state().only_database.is_none(), "{}", self.text());
        self
    }
}

/// What jobs of `eu-1` are ordered with.
pub fn context() -> JobContext {
    let slugs = ["abacus", "acme", "acorn", "agora", "alba", "zebra-corp"];
    JobContext {
        database: "eu-1".into(),
        layout: Arc::new(layout()),
        folder: Some(folder()),
        folder_error: None,
        shared: None,
        found: Arc::default(),
        lens: Arc::default(),
        initialised: true,
        taken: Arc::new(TakenNames {
            slugs: slugs.iter().map(|slug| (*slug).to_owned()).collect(),
            schemas: slugs.iter().map(|slug| format!("tenant_{}", slug.replace('-', "_"))).collect(),
            owners: Default::default(),
            rows_hidden: false,
        }),
        read_only_why: None,
    }
}

fn parse(script: &str) -> Vec<(KeyCode, KeyModifiers)> {
    let mut keys = Vec::new();
    let mut rest = script;
    while let Some(character) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|after| after.split_once('>'));
        if let Some((name, after)) = named {
            let code = match name {
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Tab" => KeyCode::Tab,
                "S-Tab" => KeyCode::BackTab,
                "Space" => KeyCode::Char(' '),
                "BS" => KeyCode::Backspace,
                "Down" => KeyCode::Down,
                "Up" => KeyCode::Up,
                "End" => KeyCode::End,
                "PgDn" => KeyCode::PageDown,
                _ => KeyCode::Char(name.strip_prefix("C-").and_then(|c| c.chars().next()).expect("a key's name")),
            };
            let held = if name.starts_with("C-") { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            keys.push((code, held));
            rest = after;
        } else {
            let held = if character.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            keys.push((KeyCode::Char(character), held));
            rest = &rest[character.len_utf8()..];
        }
    }
    keys
}
