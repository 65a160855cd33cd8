//! Dialogs: one file each. A dialog freezes what it was opened on, takes keys and pasted text, and says what to do;
//! `app::update` turns that into commands. A dialog does no I/O.

use std::sync::Arc;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use uuid::Uuid;

use super::theme::Theme;
use crate::config::{Jobs, RunAs};
use crate::jobs::flush::FlushOrder;
use crate::jobs::granted::Granted;
use crate::jobs::life::plan::LifeRequest;
use crate::jobs::service::{Order, Sibling};
use crate::layout::{Layout, TakenNames};
use crate::migrations::aim::Driven;
use crate::migrations::folder::Folder;
use crate::migrations::plan::Plan;
use crate::model::environment::Environment;
use crate::model::ident::Ident;
use crate::model::job::{JobId, TenantOutcome};
use crate::model::life::Trashed;
use crate::model::tenant::DatabaseName;
use crate::model::times::StepTimes;
use crate::text::Untrusted;

mod card_keys;
mod card_words;
mod confirm;
mod credentials;
mod dry_run;
mod failure_card;
mod flush_cache;
mod life;
mod life_keys;
mod life_view;
mod migrate;
mod migrate_fleet;
mod migrate_fleet_view;
mod migrate_order;
mod migrate_text;
mod migrate_view;
mod migrate_words;
mod new_tenant;
mod new_tenant_view;
mod new_tenant_words;
mod offer_init;
mod parts;
mod quit;
mod scroll;
mod skip;
mod sql;
mod stop_job;
mod which_set;
mod write_lock;

pub use card_keys::CardKeys;
pub use confirm::Confirm;
pub use credentials::Credentials;
pub use failure_card::FailureCard;
pub use flush_cache::{FlushCache, FlushInput};
pub use life::{Life, LifeInput};
pub use migrate::{Blocked, Migrate};
pub use migrate_fleet::{FleetPart, MigrateFleet, MigrateFleetInput, PartOrder};
pub use new_tenant::NewTenant;
pub use offer_init::OfferInit;
pub use quit::Quit;
pub use skip::{Skip, SkipInput};
pub use sql::Sql;
pub use stop_job::StopJob;
pub use write_lock::WriteLock;

/// What a dialog is given.
#[derive(Debug, Clone)]
pub enum DialogInput {
    /// A key that was pressed after the dialog was drawn.
    Key(KeyEvent),
    /// Pasted text: only into a field, never a confirmation.
    Paste(String),
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum DialogOutcome {
    /// It stays open.
    Stay,
    /// It closes, nothing happens.
    Close,
    /// It closes, and this is done.
    Do(Vec<DialogAction>),
    /// It stays open, and this is done: copying, for example.
    DoAndStay(Vec<DialogAction>),
}

/// What a dialog decides. Turned into commands by `app::update`, which checks again that writing is allowed.
#[derive(Debug, Clone)]
pub enum DialogAction {
    /// Open the write lock of a database for this many minutes.
    OpenWrites(DatabaseName, u8),
    /// Order a job of this database.
    Order {
        /// Where.
        database: DatabaseName,
        /// What.
        order: Box<Order>,
        /// Made when the dialog opened.
        key: Uuid,
        /// Another job that has to go well first: that of the shared schema.
        first: Option<Box<(Order, Uuid)>>,
    },
    /// Plan what is done to a tenant as a whole; reads only.
    PlanLife(Box<LifeRequest>),
    /// Look for code with other rights in the schemas of a plan; reads only.
    ReadCode {
        /// Where.
        database: DatabaseName,
        /// The key of the plan's order.
        plan: Uuid,
        /// The schemas (oids).
        schemas: Vec<u32>,
    },
    /// Make the `tenantui` schema in this database; an order that waits for it is sent afterwards.
    Init(DatabaseName),
    /// Run the failed steps of a job again.
    Retry(DatabaseName, JobId),
    /// Go on with a paused or orphaned job.
    Resume(DatabaseName, JobId),
    /// Pause a job after its current steps.
    Pause(DatabaseName, JobId),
    /// Stop a job after its current tenants; the second time now.
    Cancel {
        /// Where.
        database: DatabaseName,
        /// Which.
        job: JobId,
        /// It is the second cancel: running statements are cancelled.
        now: bool,
    },
    /// Leave tenants out of the rest of a job.
    Skip {
        /// Where.
        database: DatabaseName,
        /// In which job.
        job: JobId,
        /// Whom.
        schemas: Vec<String>,
        /// The operator's words.
        note: String,
    },
    /// Run blocked tenants again as soon as nobody is in their way.
    RetryWhenFree {
        /// Where.
        database: DatabaseName,
        /// In which job.
        job: JobId,
        /// Whom.
        schemas: Vec<String>,
    },
    /// Ask about skipping a tenant: a card does.
    AskSkip {
        /// Where.
        database: DatabaseName,
        /// In which job.
        job: JobId,
        /// The tenant's result.
        outcome: Box<TenantOutcome>,
    },
    /// Ask about retrying a tenant when free: a card does.
    AskRetryWhenFree {
        /// Where.
        database: DatabaseName,
        /// In which job.
        job: JobId,
        /// The tenant's result.
        outcome: Box<TenantOutcome>,
    },
    /// Ask about going on with a job: a card does.
    AskContinue(DatabaseName, JobId),
    /// Remove a tenant's cache keys.
    Flush(Box<FlushOrder>),
    /// Stop that.
    StopFlush(DatabaseName),
    /// Copy text.
    Copy(String),
    /// Leave.
    Quit,
}

impl DialogAction {
    /// The database that it writes to, or leads to writing to.
    #[must_use]
    pub const fn writes_to(&self) -> Option<&DatabaseName> {
        match self {
            Self::Order { database, .. }
            | Self::Init(database)
            | Self::Retry(database, _)
            | Self::Resume(database, _)
            | Self::Pause(database, _)
            | Self::Cancel { database, .. }
            | Self::Skip { database, .. }
            | Self::RetryWhenFree { database, .. }
            | Self::AskSkip { database, .. }
            | Self::AskRetryWhenFree { database, .. }
            | Self::AskContinue(database, _) => Some(database),
            Self::Flush(order) => Some(&order.tenant.database),
            // What stops a write needs no open lock.
            Self::OpenWrites(..)
            | Self::PlanLife(_)
            | Self::ReadCode { .. }
            | Self::StopFlush(_)
            | Self::Copy(_)
            | Self::Quit => None,
        }
    }
}

/// What the migrate dialog is opened on.
#[derive(Debug, Clone)]
pub struct MigrateInput {
    /// Where.
    pub database: DatabaseName,
    /// How careful to be.
    pub environment: Environment,
    /// In words, what the set is: `filter behind`, `12 marked, 10 hidden`, `group 0039`.
    pub set: String,
    /// The plan of the whole set.
    pub plan: Arc<Plan>,
    /// Where marks are hidden by the filter: the plan of those shown. The dialog asks `2 shown / all 12` first.
    pub shown: Option<Arc<Plan>>,
    /// The plan of the shared schema where it is behind, with the key of its order: it is migrated first.
    pub shared: Option<(Arc<Plan>, Uuid)>,
    /// The layout.
    pub layout: Arc<Layout>,
    /// Timeouts and the like, for the dialog's lines.
    pub jobs: Jobs,
    /// The tool's own command, where that does the work: none of our timeouts and SQL are its.
    pub driven: Option<Driven>,
    /// For the order.
    pub key: Uuid,
}

/// What the provisioning form is opened on.
#[derive(Debug, Clone)]
pub struct NewTenantInput {
    /// Where.
    pub database: DatabaseName,
    /// How careful to be.
    pub environment: Environment,
    /// The layout: naming, statuses, columns.
    pub layout: Arc<Layout>,
    /// Names that exist.
    pub taken: Arc<TakenNames>,
    /// Tenants that were dropped and can be brought back, or not any more.
    pub trash: Arc<[Trashed]>,
    /// The migrations that will run.
    pub folder: Option<Arc<Folder>>,
    /// Words of the plan column in use, most frequent first; empty where there is no such column.
    pub plans: Vec<Untrusted>,
    /// Tenants that stand where the new one will: its structure is compared with theirs.
    pub siblings: Vec<Sibling>,
    /// How long the migrations took before.
    pub times: Arc<StepTimes>,
    /// The role that the new schema will belong to; `None`: the one that makes it.
    pub owner: Option<Ident>,
    /// What roles that are there get of it.
    pub granted: Option<Granted>,
    /// Whose rights the files run with.
    pub run_as: RunAs,
    /// The tool's own command, where that runs the migrations; or why a new tenant cannot get them.
    pub drives: Result<Option<Driven>, Untrusted>,
    /// For the order.
    pub key: Uuid,
}

/// A question with two buttons (level 1): Cancel is focused, `y` does not confirm.
#[derive(Debug, Clone)]
pub struct ConfirmInput {
    /// How careful to be: the badge in the title.
    pub environment: Option<Environment>,
    /// `Retry failed tenants of job 17`.
    pub title: String,
    /// What will happen, a line each.
    pub lines: Vec<String>,
    /// The button's words.
    pub button: String,
    /// What it does.
    pub action: DialogAction,
    /// Behind `Show SQL`, where there is SQL to show: title and text.
    pub sql: Option<(String, String)>,
}

/// The dialog that is open.
#[derive(Debug, Clone)]
pub enum Dialog {
    /// Opens the write lock.
    WriteLock(Box<WriteLock>),
    /// The provisioning form.
    NewTenant(Box<NewTenant>),
    /// The plan of a migration.
    Migrate(Box<Migrate>),
    /// The plans of a migration in several databases.
    MigrateFleet(Box<MigrateFleet>),
    /// Offers to make the `tenantui` schema.
    OfferInit(Box<OfferInit>),
    /// Stops a job.
    StopJob(Box<StopJob>),
    /// Asks before leaving while a job runs.
    Quit(Box<Quit>),
    /// Why one tenant failed.
    FailureCard(Box<FailureCard>),
    /// Text to read: a file's SQL, a value in full. `(title, text)`; the text is untrusted line by line.
    Sql(Box<Sql>),
    /// A question with two buttons.
    Confirm(Box<Confirm>),
    /// Leaves a tenant out of the rest of its job.
    Skip(Box<Skip>),
    /// Does something to a tenant as a whole.
    Life(Box<Life>),
    /// Removes a tenant's cache keys.
    FlushCache(Box<FlushCache>),
    /// Passwords of roles that were made.
    Credentials(Box<Credentials>),
}

impl Dialog {
    /// Gives it a key or pasted text.
    pub fn handle(&mut self, input: DialogInput) -> DialogOutcome {
        match self {
            Self::WriteLock(dialog) => dialog.handle(input),
            Self::NewTenant(dialog) => dialog.handle(input),
            Self::Migrate(dialog) => dialog.handle(input),
            Self::MigrateFleet(dialog) => dialog.handle(input),
            Self::OfferInit(dialog) => dialog.handle(input),
            Self::StopJob(dialog) => dialog.handle(input),
            Self::Quit(dialog) => dialog.handle(input),
            Self::FailureCard(dialog) => dialog.handle(input),
            Self::Sql(dialog) => dialog.handle(input),
            Self::Confirm(dialog) => dialog.handle(input),
            Self::Skip(dialog) => dialog.handle(input),
            Self::Life(dialog) => dialog.handle(input),
            Self::FlushCache(dialog) => dialog.handle(input),
            Self::Credentials(dialog) => dialog.handle(input),
        }
    }

    /// The databases that its confirmation writes to.
    #[must_use]
    pub fn writes_to(&self) -> Vec<&DatabaseName> {
        match self {
            Self::NewTenant(dialog) => vec![&dialog.input.database],
            Self::Migrate(dialog) => vec![&dialog.input.database],
            Self::MigrateFleet(dialog) => dialog.databases(),
            Self::OfferInit(dialog) => vec![dialog.database()],
            Self::StopJob(dialog) => vec![&dialog.job().database],
            Self::FailureCard(dialog) => vec![&dialog.job().database],
            Self::Confirm(dialog) => dialog.input.action.writes_to().into_iter().collect(),
            Self::Skip(dialog) => vec![&dialog.job().database],
            Self::Life(dialog) => vec![&dialog.input.database],
            Self::FlushCache(dialog) => vec![dialog.database()],
            Self::WriteLock(_) | Self::Quit(_) | Self::Sql(_) | Self::Credentials(_) => Vec::new(),
        }
    }

    /// Draws it over the screen; `off` says why its confirmation does nothing now.
    pub fn draw(&self, frame: &mut Frame, area: Rect, off: Option<&str>, theme: &Theme) {
        match self {
            Self::WriteLock(dialog) => dialog.draw(frame, area, theme),
            Self::NewTenant(dialog) => dialog.draw(frame, area, off, theme),
            Self::Migrate(dialog) => dialog.draw(frame, area, off, theme),
            Self::MigrateFleet(dialog) => dialog.draw(frame, area, off, theme),
            Self::OfferInit(dialog) => dialog.draw(frame, area, off, theme),
            Self::StopJob(dialog) => dialog.draw(frame, area, off, theme),
            Self::Quit(dialog) => dialog.draw(frame, area, theme),
            Self::FailureCard(dialog) => dialog.draw(frame, area, off, theme),
            Self::Sql(dialog) => dialog.draw(frame, area, theme),
            Self::Confirm(dialog) => dialog.draw(frame, area, off, theme),
            Self::Skip(dialog) => dialog.draw(frame, area, off, theme),
            Self::Life(dialog) => dialog.draw(frame, area, off, theme),
            Self::FlushCache(dialog) => dialog.draw(frame, area, off, theme),
            Self::Credentials(dialog) => dialog.draw(frame, area, theme),
        }
    }
}
