//! The dashboard as a state machine: no I/O, no await, no clock of its own.
//!
//! [`App::update`] takes one [`event::Event`] and returns [`command::Command`]s; [`App::draw`] draws the state. The
//! loop (`tui::run`) draws only where [`App::is_dirty`] says so.

mod act;
pub mod action;
pub mod allowed;
pub mod audit;
pub mod clock;
mod columns;
pub mod command;
pub mod control;
pub mod derive;
mod detail;
pub mod event;
mod farewell;
pub mod filter;
mod finder;
pub mod flush;
mod front;
mod hints;
pub mod keymap;
mod keys;
mod life;
mod lists;
pub mod lock;
pub mod menu;
pub mod messages;
mod migrating;
mod mouse;
pub mod nav;
mod order;
mod orders;
pub mod output;
mod parts;
mod picture;
mod prompts;
pub mod results;
mod row_text;
mod selection;
pub mod server;
pub mod server_lists;
mod several;
pub mod state;
mod table;
mod tenant_columns;
mod told;
pub mod trend;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ratatui::Frame;

use self::audit::AuditState;
use self::command::Command;
use self::detail::REST;
use self::event::{Event, Now};
use self::keymap::{Chord, Keymap};
use self::nav::History;
use self::orders::{AfterShared, Pending};
use self::server::ServerState;
use self::state::{
    Counters, Header, JobsState, KeyNames, Level, List, MigrationsState, Prompt, State, TenantsState, WriteLock,
};
use self::trend::Trend;
use super::kept::KeptView;
use super::theme::Theme;
use crate::config;
use crate::fleet::Watched;
pub use crate::model::causes;
use crate::model::filter::SavedFilters;
use crate::model::fleet::Snapshot;
use crate::model::job::{JobId, JobState};
use crate::model::secret::Credentials;
use crate::model::tenant::{DatabaseName, TenantKey};
use crate::text::{Untrusted, counted};

/// Lines of job logs that are kept.
const LOG_LINES: usize = 2_000;

/// From this width on the Tenants screen shows the cursor's tenant beside the list.
pub const WIDE: u16 = 160;

/// Tenants that jobs changed are read again together, this long after the first.
const GATHER: Duration = Duration::from_millis(700);

/// What a dashboard is made of.
#[derive(Debug)]
pub struct AppInput {
    /// The databases: configuration and `user@host`, without a password.
    pub databases: Vec<(Arc<config::Database>, Untrusted)>,
    /// Time between two readings.
    pub refresh: Duration,
    /// The keys.
    pub keymap: Keymap,
    /// The configuration's saved filters.
    pub filters: SavedFilters,
    /// The colours.
    pub theme: Theme,
    /// Draw with ASCII only.
    pub ascii: bool,
    /// Columns and rows.
    pub size: (u16, u16),
    /// The time.
    pub now: Now,
    /// The time zone of times of day: the system's; fixed in tests.
    pub zone: jiff::tz::TimeZone,
    /// How this fleet was looked at the last time.
    pub kept: KeptView,
    /// It is the first run: begin with five lines of help.
    pub welcome: bool,
}

/// The dashboard.
#[derive(Debug)]
pub struct App {
    state: State,
    theme: Theme,
    keymap: Keymap,
    databases: Vec<Arc<config::Database>>,
    history: History,
    typed: Vec<Chord>,
    dirty: bool,
    dialog_drawn: bool,
    /// Databases initialised in this session; the picture learns it later.
    initialised: BTreeSet<DatabaseName>,
    waiting_for_init: Option<Pending>,
    /// By database.
    sent_orders: BTreeMap<DatabaseName, Pending>,
    /// The form of the new tenant that was ordered last, until it is known to be recorded.
    sent_form: Option<Box<super::dialogs::NewTenant>>,
    /// By database.
    after_shared: BTreeMap<DatabaseName, AfterShared>,
    expected_tenant: Option<(DatabaseName, String)>,
    touched: BTreeSet<TenantKey>,
    touched_since: Option<Duration>,
    /// Whom the collector has been asked to read in detail.
    detail_of: Option<TenantKey>,
    cursor_rests_since: Duration,
    rests_on: Option<TenantKey>,
    /// What the collector has been told is looked at.
    watched_now: Watched,
    /// What is looked at, and since when.
    watch_wanted: Watched,
    watch_since: Duration,
    /// Jobs without a worker: when they were seen to lose it; `None` where they had none from the first.
    orphaned_since: BTreeMap<(DatabaseName, JobId), Option<jiff::Timestamp>>,
    /// The attempt and the state of each job as they were told last: what is known of the record may be newer.
    told_standing: BTreeMap<(DatabaseName, JobId), (i32, JobState)>,
    /// Jobs that were running when last looked at.
    watched: BTreeSet<(DatabaseName, JobId)>,
    results: results::Results,
    /// Passwords that nobody has seen yet.
    credentials: Vec<Credentials>,
    /// Jobs that were ordered here.
    ordered: BTreeSet<(DatabaseName, JobId)>,
    /// Orders of any kind that were given here.
    written: usize,
}

impl App {
    /// A dashboard that has heard nothing yet.
    #[must_use]
    pub fn new(input: AppInput) -> Self {
        let views = input.databases.iter().map(|(config, address)| picture::first_view(config, address)).collect();
        let snapshot = Arc::new(Snapshot { databases: views, ..Snapshot::default() });
        let state = State {
            now: input.now,
            zone: input.zone,
            size: input.size,
            ascii: input.ascii,
            screen: input.kept.screen(),
            latest: Arc::clone(&snapshot),
            snapshot,
            digests: derive::Digests::default(),
            frozen: false,
            loaded: false,
            contexts: Arc::default(),
            header: Header::default(),
            counters: Counters::default(),
            trend: Trend::default(),
            tenants: TenantsState { sort: input.kept.sort(), columns: input.kept.columns(), ..TenantsState::default() },
            tenant: None,
            migrations: MigrationsState::default(),
            jobs: JobsState::default(),
            audit: AuditState::default(),
            server: ServerState::default(),
            messages_list: List::default(),
            prompt: Prompt::None,
            prefix: None,
            welcome: input.welcome.then(|| hints::welcome(&input.keymap)),
            message: None,
            kept_back: 0,
            messages: VecDeque::new(),
            dialog: None,
            dialog_off: None,
            hints: Vec::new(),
            lock: WriteLock::default(),
            refresh: Some(input.refresh),
            filters: input.filters,
            zoom: false,
            keys: KeyNames::of(&input.keymap),
            only_database: None,
            targets: BTreeMap::new(),
            flush: None,
            stopping: false,
        };
        let mut app = Self {
            state,
            theme: input.theme,
            keymap: input.keymap,
            databases: input.databases.into_iter().map(|(config, _)| config).collect(),
            history: History::default(),
            typed: Vec::new(),
            dirty: true,
            dialog_drawn: true,
            initialised: BTreeSet::new(),
            waiting_for_init: None,
            sent_orders: BTreeMap::new(),
            sent_form: None,
            after_shared: BTreeMap::new(),
            expected_tenant: None,
            touched: BTreeSet::new(),
            touched_since: None,
            detail_of: None,
            cursor_rests_since: Duration::ZERO,
            rests_on: None,
            watched_now: Watched::default(),
            watch_wanted: Watched::default(),
            watch_since: Duration::ZERO,
            orphaned_since: BTreeMap::new(),
            told_standing: BTreeMap::new(),
            watched: BTreeSet::new(),
            results: results::Results::default(),
            credentials: Vec::new(),
            ordered: BTreeSet::new(),
            written: 0,
        };
        app.history.push(nav::view(&app.state));
        derive::all(&mut app.state);
        clock::header(&mut app.state);
        app.refresh_hints();
        app
    }

    /// What is shown.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The keys.
    #[must_use]
    pub const fn keymap(&self) -> &Keymap {
        &self.keymap
    }

    /// Whether something visible changed since the last frame.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// A frame of this state was made.
    pub const fn frame_made(&mut self) {
        self.dirty = false;
    }

    /// A frame has reached the terminal. Keys that were typed before a dialog could be seen do not count for it.
    pub const fn frame_shown(&mut self) {
        self.dialog_drawn = true;
    }

    /// Whether a dialog is open that the operator cannot have seen yet: what is typed until then is dropped.
    #[must_use]
    pub const fn dialog_unseen(&self) -> bool {
        self.state.dialog.is_some() && !self.dialog_drawn
    }

    /// Draws the state.
    pub fn draw(&self, frame: &mut Frame) {
        super::screens::draw(frame, &self.state, &self.theme);
    }

    /// Takes one event. No I/O, no waiting.
    pub fn update(&mut self, now: Now, event: Event) -> Vec<Command> {
        self.dirty |= clock::advance(&mut self.state, now);
        let mut commands = match event {
            Event::Key(key) => self.key(key),
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Note(words) => {
                self.say(Level::Warning, words);
                Vec::new()
            }
            Event::Paste(text) => self.paste(text),
            Event::Resize { columns, rows } => {
                self.dirty |= self.state.size != (columns, rows);
                self.state.size = (columns, rows);
                Vec::new()
            }
            Event::Redraw => {
                self.dirty = true;
                Vec::new()
            }
            Event::Snapshot(snapshot) => {
                self.picture(snapshot);
                Vec::new()
            }
            Event::Contexts(contexts) => {
                self.contexts(contexts);
                Vec::new()
            }
            Event::Job(event) => self.told(event),
            Event::Exported(Ok(path)) => {
                self.say(Level::Info, format!("written: {}", path.display()));
                Vec::new()
            }
            Event::Exported(Err(why)) => {
                self.say(Level::Error, format!("nothing was exported: {why}"));
                Vec::new()
            }
            Event::Copied(Ok(bytes)) => {
                self.say(Level::Info, format!("sent {} to the terminal's clipboard", counted(bytes, "byte")));
                Vec::new()
            }
            Event::Copied(Err(why)) => {
                self.say(Level::Error, format!("nothing was copied: {why}"));
                Vec::new()
            }
            Event::Undelivered { what, why } => {
                self.state.audit.asked.clear();
                self.say(Level::Error, format!("not done: {what}: {why}; try again"));
                vec![Command::Bell]
            }
            Event::Signal(number) => {
                self.state.stopping = true;
                vec![Command::Quit(u8::try_from(128 + number).unwrap_or(255))]
            }
            Event::Clock => Vec::new(),
        };
        commands.extend(self.after(now));
        self.written += commands.iter().filter(|command| command.writes()).count();
        commands
    }

    /// What is kept of how this fleet was looked at.
    #[must_use]
    pub fn kept(&self) -> KeptView {
        let tenants = &self.state.tenants;
        KeptView::of(self.state.screen, tenants.sort, &tenants.columns, self.state.now.wall)
    }

    /// What follows any event: the header, visible cursors, hints, what the collector should read.
    fn after(&mut self, now: Now) -> Vec<Command> {
        self.dirty |= clock::header(&mut self.state);
        self.show_credentials();
        self.refresh_dialog_off();
        derive::scroll_all(&mut self.state);
        self.dirty |= self.refresh_hints();
        let mut commands = Vec::new();
        if self.touched_since.is_some_and(|since| now.elapsed >= since + GATHER) {
            commands.extend(self.flush_touched());
        }
        commands.extend(self.read_detail(now));
        commands.extend(self.read_results(now));
        commands.extend(audit::older(&mut self.state));
        commands.extend(self.watch());
        commands
    }

    /// How long until an [`Event::Clock`] is needed; `None`: nothing ages, nothing is waited for.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let now = self.state.now.elapsed;
        let gather = self.touched_since.map(|since| (since + GATHER).saturating_sub(now));
        let rest =
            (self.wanted_detail() != self.detail_of).then(|| (self.cursor_rests_since + REST).saturating_sub(now));
        let results = self.results_due().map(|due| due.saturating_sub(now));
        let watch = self.watch_due().map(|due| due.saturating_sub(now));
        [clock::next_tick(&self.state), gather, rest, results, watch]
            .into_iter()
            .flatten()
            .min()
            .map(|t| t.max(Duration::from_millis(5)))
    }

    fn database_config(&self, name: &str) -> Option<&Arc<config::Database>> {
        self.databases.iter().find(|database| &*database.name == name)
    }
}
