//! TOML, environment and flags become one validated [`Config`]. Errors name file, line, column and option, and never
//! echo a secret. This module reads files and the environment; it opens no connection.

pub mod cacheurl;
pub mod conninfo;
mod document;
mod error;
mod load;
mod sections;
pub mod surroundings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::model::environment::Environment;
use crate::model::filter::SavedFilters;
use crate::model::fleet::database_flag;
use crate::model::ident::{Ident, QualifiedName, SchemaName};
use crate::model::ledger::Tool;
use crate::model::tenant::DatabaseName;

pub use error::{ConfigError, Place};
pub use load::{LoadRequest, keymap_file, load, path, template};
pub use sections::pause;

/// The whole configuration, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// The interface.
    pub ui: Ui,
    /// The fleet's databases, at least one.
    pub databases: Vec<Arc<Database>>,
    /// Those that `--database` leaves out: nothing is done with them, but their servers may know more of a promotion.
    pub left_out: Vec<Arc<Database>>,
    /// Where it came from, for messages: a file's path, `--url`, `DATABASE_URL` or `libpq environment`.
    pub source: Source,
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// `--url`.
    Url,
    /// The variable `DATABASE_URL`.
    DatabaseUrl,
    /// libpq's variables alone.
    Libpq,
    /// Built in memory: the demo and tests.
    Memory,
}

/// `[ui]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ui {
    /// `default`, `mono`, `high-contrast` or a file.
    pub theme: String,
    /// Time between two readings of the fleet.
    pub refresh: Duration,
    /// Whether the mouse is captured.
    pub mouse: bool,
    /// The operator's keys, as a file; `None`: `keymap.toml` of the configuration's folder, where it is there.
    pub keymap: Option<PathBuf>,
    /// `[ui.filters]`: filters with a name.
    pub filters: SavedFilters,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: "default".to_owned(),
            refresh: Duration::from_secs(5),
            mouse: false,
            keymap: None,
            filters: SavedFilters::default(),
        }
    }
}

/// `[[database]]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name in the fleet.
    pub name: DatabaseName,
    /// How careful to be; derived from the host where it is not configured.
    pub environment: Environment,
    /// The connection as configured: a URL or conninfo string, possibly with a password. Empty: libpq's variables.
    pub url: SecretString,
    /// A command that prints the password.
    pub password_command: Option<Vec<String>>,
    /// Never written, whatever a key or flag says.
    pub read_only: bool,
    /// What the operator says of poolers.
    pub pooler: Pooler,
    /// Which layout.
    pub layout: LayoutChoice,
    /// Overrides of the layout.
    pub tenants: TenantsOverride,
    /// Migration folders and tool.
    pub migrations: Migrations,
    /// The cache.
    pub cache: Option<Cache>,
    /// How jobs run.
    pub jobs: Jobs,
    /// The configuration has others besides: a command that is printed has to name it.
    pub among_several: bool,
}

impl Database {
    /// A command that means something in this database, as it can be pasted.
    #[must_use]
    pub fn command(&self, command: &str) -> String {
        let flag = if self.among_several { database_flag(&self.name) } else { String::new() };
        format!("{command}{flag}")
    }

    /// A database with the default of every option: for the demo and tests, and the start of every other.
    #[must_use]
    pub fn new(name: DatabaseName, environment: Environment, url: SecretString) -> Self {
        Self {
            name,
            environment,
            url,
            password_command: None,
            read_only: false,
            pooler: Pooler::Auto,
            layout: LayoutChoice::Auto,
            tenants: TenantsOverride::default(),
            migrations: Migrations::default(),
            cache: None,
            jobs: Jobs::default(),
            among_several: false,
        }
    }
}

/// `pooler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Behind a pooler nothing is ever written.
    Auto,
    /// The operator states session pooling.
    Session,
}

/// `layout`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutChoice {
    /// By fingerprint.
    Auto,
    /// One of the embedded ones.
    Named(String),
    /// A file of the user.
    File(PathBuf),
}

/// `[database.tenants]`.
#[derive(Debug, Clone, Default)]
pub struct TenantsOverride {
    /// `table`.
    pub table: Option<QualifiedName>,
    /// `query`: one SELECT.
    pub query: Option<String>,
    /// `scan`: a LIKE pattern in which `_` is literal and `%` is the wildcard.
    pub scan: Option<String>,
    /// `schema`: `tenant_{slug}`.
    pub schema: Option<String>,
    /// `exclude`: schemas that are no tenants.
    pub exclude: Vec<SchemaName>,
    /// `values`: what a new row gets in columns whose meaning no layout knows.
    pub values: Vec<(Ident, String)>,
    /// `owner`: the role that a new tenant's schema belongs to; `None`: the one that makes it.
    pub owner: Option<Ident>,
    /// `grant_to`: roles that get of a new tenant's schema what the layout gives a tenant's own role.
    pub grant_to: Vec<Ident>,
}

/// `[database.migrations]`.
#[derive(Debug, Clone, Default)]
pub struct Migrations {
    /// `tool`; `None` is `auto`.
    pub tool: Option<Tool>,
    /// `path`, absolute.
    pub path: Option<PathBuf>,
    /// `shared_path`, absolute.
    pub shared_path: Option<PathBuf>,
    /// `verify_path`, absolute.
    pub verify_path: Option<PathBuf>,
    /// `ledger_table`, where the application renamed its tool's ledger.
    pub ledger_table: Option<LedgerTable>,
    /// `apps`: the apps of Django that count for a tenant; `None` is the rule of the manual.
    pub apps: Option<Vec<String>>,
    /// `command`: the tool's own program, run once per tenant instead of tenantui's own writing.
    pub command: Option<Vec<String>>,
    /// `command_timeout`; `None`: [`COMMAND_TIMEOUT`].
    pub command_timeout: Option<Duration>,
    /// `command_password`; `None`: as the tool needs it.
    pub command_password: Option<CommandPassword>,
    /// The folder in which `command` runs: the configuration file's; `None`: this process's own.
    pub command_folder: Option<PathBuf>,
    /// `allow`: plan-time refusals lifted.
    pub allow: Vec<Allow>,
    /// `run_as`: whose rights the files run with.
    pub run_as: RunAs,
}

impl Migrations {
    /// Whose rights files run with: a command logs in by itself.
    #[must_use]
    pub const fn runs_as(&self) -> RunAs {
        if self.command.is_some() { RunAs::Login } else { self.run_as }
    }
}

/// `run_as`: whose rights migration files run with, and who owns what they make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunAs {
    /// The role that tenantui logs in as.
    #[default]
    Login,
    /// The owner of the tenant's schema.
    Owner,
}

/// `ledger_table`: the name of the ledger in each schema, or with a schema the one ledger of the whole database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerTable {
    /// The schema, where there is one ledger for all.
    pub schema: Option<SchemaName>,
    /// The table.
    pub name: Ident,
}

impl LedgerTable {
    /// Whether a ledger may stand in this schema.
    #[must_use]
    pub fn is_in(&self, schema: &SchemaName) -> bool {
        self.schema.as_ref().is_none_or(|own| own == schema)
    }
}

/// How long `command` may take for one tenant where nothing is configured.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);

/// `command_password`: where the command finds the password. Never in its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandPassword {
    /// In `PGPASSWORD`.
    Environment,
    /// In `DATABASE_URL` too.
    Url,
}

/// `"20240101000000:extension"`: one refusal lifted for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The file's version.
    pub version: String,
    /// The rule's word.
    pub rule: String,
}

/// `[database.cache]`.
#[derive(Debug, Clone)]
pub struct Cache {
    /// `redis://`, `rediss://`, `unix://`, `redis-sentinel://` or `rediss-sentinel://`, possibly with a password.
    pub url: SecretString,
    /// `ca`: the authority of the server's certificate, as a PEM file; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// `cert` and `key`: the certificate with which to log in and its private key, as PEM files.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Patterns with `{id}`, `{slug}`, `{schema}`; empty: the layout's.
    pub keys: Vec<String>,
}

impl Cache {
    /// A cache with the default of every other option.
    #[must_use]
    pub const fn new(url: SecretString) -> Self {
        Self { url, ca: None, client: None, keys: Vec::new() }
    }
}

/// `[database.jobs]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Tenants at a time, 1 to 64.
    pub parallel: u32,
    /// Canary tenants; 0 for none.
    pub canary: u32,
    /// Batch sizes after the canary, then the rest.
    pub batches: Vec<u32>,
    /// How long the next batch waits after one.
    pub pause: Duration,
    /// Failed tenants at which the job stops.
    pub max_failures: u32,
    /// Per statement, before a lock is given up.
    pub lock_timeout: Duration,
    /// Per statement.
    pub statement_timeout: Duration,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            parallel: 4,
            canary: 1,
            batches: vec![5, 25],
            pause: Duration::ZERO,
            max_failures: 3,
            lock_timeout: Duration::from_millis(500),
            statement_timeout: Duration::from_secs(600),
        }
    }
}
