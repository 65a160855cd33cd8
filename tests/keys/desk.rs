//! A dashboard without a terminal: keys go in as a script, commands come out.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tenantui::config;
use tenantui::fleet::JobContext;
use tenantui::jobs::service::ServiceCommand;
use tenantui::layout::{About, Column, Layout, NameRule, Naming, Registry, RegistryColumns, Statuses, TakenNames};
use tenantui::migrations::folder::Folder;
use tenantui::model::environment::Environment;
use tenantui::model::filter::SavedFilters;
use tenantui::model::fleet::{CacheView, DatabaseView, FileView, Snapshot};
use tenantui::model::ident::{Ident, QualifiedName, SchemaName};
use tenantui::model::job::{JobEvent, JobId, JobKind, JobState, JobView};
use tenantui::model::ledger::{AppliedSet, LedgerReading, LedgerState, Tool, Version};
use tenantui::model::link::LinkState;
use tenantui::model::server::ServerRole;
use tenantui::model::tenant::{DatabaseName, Tenant, TenantKey, TenantState};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::{Event, Now};
use tenantui::tui::app::keymap::Keymap;
use tenantui::tui::app::{App, AppInput};
use tenantui::tui::kept::KeptView;
use tenantui::tui::theme::Theme;

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

fn column(name: &str, type_name: &str) -> Column {
    let name = Ident::new(name).expect("a name");
    Column { name, type_name: type_name.to_owned(), not_null: true, has_default: false }
}

/// Boundary's layout.
pub fn layout() -> Layout {
    Layout {
        name: "boundary".into(),
        evidence: Vec::new(),
        registry: Registry::Table {
            table: QualifiedName {
                schema: SchemaName::existing("public").expect("a name"),
                name: Ident::new("tenants").expect("a name"),
            },
            oid: 1,
            columns: RegistryColumns {
                id: Some(column("id", "uuid")),
                slug: column("slug", "text"),
                name: Some(column("name", "text")),
                schema_name: Some(column("schema_name", "text")),
                status: Some(column("status", "text")),
                plan: None,
                domain: None,
                settings: None,
                created_at: Some(column("created_at", "timestamp with time zone")),
                updated_at: None,
                deleted_at: None,
            },
        },
        naming: Naming {
            rule: NameRule::Boundary,
            schema_template: "tenant_{slug}".to_owned(),
            hyphens_become_underscores: true,
            folds: false,
        },
        expected_tool: Some(Tool::Migratus),
        statuses: Statuses {
            active: Some("active".to_owned()),
            suspended: Some("suspended".to_owned()),
            deleted: Some("deleted".to_owned()),
        },
        role: None,
        access: None,
        domains: None,
        about: About::default(),
        cache_keys: Vec::new(),
        search_path_extra: Vec::new(),
        exclude: Vec::new(),
        shared_schema: None,
        found_on: None,
        tenant_tables: Vec::new(),
    }
}

/// A tenant at the first `applied` files.
pub fn tenant(database: &DatabaseName, slug: &str, number: usize, applied: usize) -> Tenant {
    let versions: Vec<Version> = FILES[..applied].iter().map(|version| Version::new(version)).collect();
    let pending: Vec<Version> = FILES[applied..].iter().map(|version| Version::new(version)).collect();
    let state = match applied {
        0 => TenantState::NeverMigrated,
        4 => TenantState::Ok,
        _ => TenantState::Behind,
    };
    Tenant {
        key: TenantKey::row(database, &number.to_string()),
        id: Some(number.to_string().into()),
        slug: slug.into(),
        name: Some(slug.replace('-', " ").to_uppercase().into()),
        status: Some("active".into()),
        plan: None,
        domains: Vec::new(),
        deleted: false,
        schema: Some(format!("tenant_{}", slug.replace('-', "_")).into()),
        schema_oid: Some(10_000 + u32::try_from(number).expect("small")),
        owner: Some("app".into()),
        state,
        ledger: LedgerState::Read(LedgerReading {
            tool: Tool::Migratus,
            table: "schema_migrations".into(),
            applied: Arc::new(AppliedSet { current: versions.last().cloned(), versions, ..AppliedSet::default() }),
            dirty: false,
            locked: None,
        }),
        applied: Some(u32::try_from(applied).expect("small")),
        pending: Some(pending.into()),
        ahead: Some(Arc::from([])),
        tables: Some(20),
        size_bytes: Some(1_000_000 * (number as u64 + 1)),
        size_exact: false,
        cache_keys: Some(number as u64),
        created_at: Some("2026-02-09T10:00:00Z".into()),
        changed: std::sync::Arc::default(),
        failed_step: None,
        problems: Vec::new(),
    }
}

/// A database that answers.
pub fn database(name: &str, environment: Environment) -> DatabaseView {
    DatabaseView {
        name: name.into(),
        environment,
        address: "ops@db1".into(),
        user: "ops".into(),
        layout: Some("boundary".into()),
        tool: Some(Tool::Migratus),
        server_version: Some("15.20".into()),
        read_only: false,
        read_only_why: None,
        warnings: Vec::new(),
        link: LinkState::Up { latency_ms: 3 },
        server: ServerRole::Primary { timeline: Some("00000001".to_owned()) },
        pooled: false,
        back: None,
        error: None,
        taken_at: Some(epoch()),
        progress: None,
        files: Some(
            FILES
                .iter()
                .map(|version| FileView {
                    version: Version::new(version),
                    name: "a-change".into(),
                    has_down: true,
                    notes: Vec::new(),
                })
                .collect(),
        ),
        target: Some(Version::new(FILES[3])),
        times: std::sync::Arc::default(),
        cache: CacheView::NotConfigured,
        initialised: Some(true),
        schema_rule: Some("tenant_{slug}".into()),
        trash: std::sync::Arc::default(),
    }
}

/// Six tenants: two behind, one never migrated, three up to date.
pub fn snapshot(environment: Environment) -> Snapshot {
    let name: DatabaseName = "eu-1".into();
    let tenants = [("abacus", 4), ("acme", 2), ("acorn", 3), ("agora", 4), ("alba", 0), ("zebra-corp", 4)];
    Snapshot {
        revision: 1,
        databases: vec![database("eu-1", environment)],
        tenants: tenants
            .iter()
            .enumerate()
            .map(|(number, (slug, applied))| Arc::new(tenant(&name, slug, number, *applied)))
            .collect(),
        shared: Vec::new(),
        jobs: Vec::new(),
        detail: None,
        vitals: Vec::new(),
        activity: Arc::default(),
    }
}

/// A job of database `eu-1`.
pub fn job(id: i32, kind: JobKind, state: JobState, counts: [u32; 4]) -> JobView {
    let [total, done, failed, pending] = counts;
    JobView {
        database: "eu-1".into(),
        id: JobId(id),
        kind,
        what: "3 tenants to 20260104000000".into(),
        state,
        reason: None,
        attempt: 1,
        total,
        done,
        failed,
        blocked: 0,
        pending,
        created_by: "ops".into(),
        created_at: epoch(),
        started_at: Some(epoch()),
        ended_at: None,
        worker: Some("host 1".into()),
        mine: true,
        rate_per_minute: None,
        left_seconds: None,
        waits: None,
        steps: (0, 0),
        pause_requested: false,
        cancel_requested: false,
        stop_now: false,
    }
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
        let mut desk = Self::over(&[("eu-1", first), ("us-1", second)], (80, 24));
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

    fn begin(
        databases: &[(&str, Environment)],
        size: (u16, u16),
        keymap: Keymap,
        (kept, welcome): (KeptView, bool),
    ) -> Self {
        let config = |(name, environment): &(&str, Environment)| {
            let config = config::Database::new((*name).into(), *environment, String::new().into());
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

    /// Opens the write lock as an operator does.
    pub fn open_writes(&mut self) -> &mut Self {
        self.keys("Wproduction<Enter>");
        assert!(self.app.state().lock.open_until.is_some(), "{}", self.text());
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
