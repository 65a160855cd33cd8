//! The command line: commands, flags and their help. Only what works is offered here.

mod cache;
mod import;
mod jobs;
mod life;
mod provision;
mod rollout;
mod server;
mod tenants;
mod undo;

use std::path::PathBuf;

pub use cache::Cache;
pub use import::Import;
pub use jobs::{Audit, Job, JobAction, Jobs, Worker};
pub use life::{Activate, Mend, Purge, Removal, Remove, Rename, Undrop, Way, Withdraw};
pub use provision::Provision;
pub use rollout::Rollout;
pub use server::Server;
pub use tenants::{SortBy, Tenants};
pub use undo::Undo;

use clap::{Args, Parser, Subcommand};

use crate::model::filter::FilterText;
use crate::model::tenant::TenantState;

/// The exit statuses, for `--help` and the man page.
pub const EXIT_STATUS: &str = "\
Exit status:
  0      done (reading commands: whatever the states)
  1      failed, unknown tenant or job
  2      usage, configuration, a name that the layout refuses, no target named
  3      no link to a database
  4      some tenants failed or were left out
  5      refused: exists already, read-only, no confirmation, no privilege, busy, not initialised
  128+n  ended by signal n";

/// Admin dashboard for PostgreSQL databases with a schema per tenant.
///
/// Without a command it opens the dashboard. Every command reads the same configuration as the dashboard.
#[derive(Debug, Parser)]
#[command(name = "tenantui", version, after_long_help = EXIT_STATUS, max_term_width = 100)]
pub struct Arguments {
    /// Where to connect, and how careful to be.
    #[command(flatten)]
    pub connection: Connection,
    /// What to do; without it the dashboard opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Connection {
    /// Read this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only this database of the configuration
    #[arg(long, global = true, value_name = "NAME")]
    pub database: Option<String>,
    /// Exactly this one database; of the file only [ui] counts
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Write nothing, whatever else is said
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Draw the dashboard with ASCII only (so it is where the locale is not UTF-8)
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Let the dashboard use the mouse
    #[arg(long, global = true)]
    pub mouse: bool,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct Format {
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV with a header line
    #[arg(long)]
    pub csv: bool,
}

/// JSON or text, where there is no list.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct JsonFormat {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the dashboard on a private, throwaway fleet with real data
    Demo(Demo),
    /// List the tenants
    Tenants(Tenants),
    /// Show one tenant: tables, migrations, cache, problems
    Tenant(Tenant),
    /// Show a tenant's cache keys by prefix; --flush removes them
    Cache(Cache),
    /// List the migrations, and how many tenants stand at each version
    Migrations(Migrations),
    /// Make tenants: registry row, schema, role, migrations, seed, status
    Provision(Provision),
    /// Bring data that one customer has in public into a tenant
    Import(Import),
    /// Apply pending migrations to tenants
    Migrate(Migrate),
    /// Undo the newest migrations of tenants, where they have down files
    Rollback(Undo),
    /// Undo the newest migrations of tenants and apply them again
    Redo(Undo),
    /// Give a tenant another display name
    Rename(Rename),
    /// Mark a tenant as suspended in the registry
    Suspend(Withdraw),
    /// Mark a suspended or archived tenant as active again
    Activate(Activate),
    /// Mark a tenant as deleted in the registry; its schema stays
    Archive(Withdraw),
    /// Move a tenant's schema into the trash
    Drop(Remove),
    /// Bring a dropped tenant back, within seven days; or list the trash
    Undrop(Undrop),
    /// Remove a dropped tenant for good (schema, role, cache keys, row), or list the trash
    Purge(Purge),
    /// List what can be repaired, or repair one tenant
    Repair(Mend),
    /// List the jobs, newest first
    Jobs(Jobs),
    /// Show a job and its results, or go on with it
    Job(Job),
    /// Show what operators did, newest first
    Audit(Audit),
    /// Is the database well? Sessions, locks, long transactions, vacuum, cache memory
    Server(Server),
    /// Run queued and orphaned jobs without a terminal
    Worker(Worker),
    /// Create or upgrade the schema `tenantui` (jobs, audit)
    Init(Init),
    /// Check configuration, link, privileges, layout, ledgers, clocks and cache
    Doctor(Doctor),
    /// Show, check or find the configuration
    Config {
        /// What about it.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print the dashboard's keys
    Keys(Keys),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// How many tenants to make
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    pub tenants: u32,
}

/// `tenant`.
#[derive(Debug, Clone, Args)]
pub struct Tenant {
    /// The tenant's slug, or its schema
    pub slug: String,
    /// Output.
    #[command(flatten)]
    pub format: JsonFormat,
}

/// `migrations`.
#[derive(Debug, Clone, Args)]
pub struct Migrations {
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// How a writing command asks.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Consent {
    /// Answer every question of this command with yes
    #[arg(long)]
    pub yes: bool,
    /// Print the plan, connect read-only, change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `migrate`.
#[derive(Debug, Clone, Default, Args)]
pub struct Migrate {
    /// Slugs or schemas of tenants
    #[arg(value_name = "SLUG", conflicts_with_all = ["all", "state", "filter"])]
    pub slugs: Vec<String>,
    /// Every tenant that is not deleted, the suspended ones included, orphans never
    #[arg(long, conflicts_with = "state")]
    pub all: bool,
    /// Every tenant in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub state: Vec<TenantState>,
    /// The shared schema instead of tenants
    #[arg(long, conflicts_with_all = ["slugs", "all", "state", "filter"])]
    pub shared: bool,
    /// Run it on the canaries in one transaction each, and roll back: nothing of it is left
    #[arg(long)]
    pub rehearse: bool,
    /// Every tenant that fits this filter, written as for `tenants`: 'plan:pro behind>2'
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    pub filter: Option<FilterText>,
    /// Up to and including this version
    #[arg(long, value_name = "VERSION", conflicts_with = "only")]
    pub to: Option<String>,
    /// Only this version
    #[arg(long, value_name = "VERSION")]
    pub only: Option<String>,
    /// How it goes through the tenants.
    #[command(flatten)]
    pub rollout: Rollout,
    /// Go on although this version's file changed after it was applied
    #[arg(long, value_name = "VERSION")]
    pub accept_changed: Vec<String>,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `init`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Init {
    /// Also create the table public.tenants where there is no registry
    #[arg(long)]
    pub registry: bool,
    /// Questions.
    #[command(flatten)]
    pub consent: Consent,
}

/// `doctor`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Doctor {
    /// Print the smallest roles for reading and for writing, as SQL; nothing is executed
    #[arg(long)]
    pub grants: bool,
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `keys`.
#[derive(Debug, Clone, Copy, Args)]
pub struct Keys {
    /// Output.
    #[command(flatten)]
    pub format: Format,
}

/// `config`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConfigAction {
    /// Print a configuration file with every option, its default and its allowed values
    Template,
    /// Check the configuration and print what it says
    Check,
    /// Print which file is read
    Path,
    /// Print a layout, for one of your own to begin with
    Layout {
        /// boundary, brokkr, cloacina, apartment, django-tenants, triplex or plain
        name: String,
    },
}

fn filter(text: &str) -> Result<FilterText, String> {
    FilterText::parse(text).map_err(|error| error.to_string())
}

fn state(word: &str) -> Result<TenantState, String> {
    TenantState::from_word(word).filter(|state| *state != TenantState::Unknown).ok_or_else(|| {
        let words: Vec<&str> = TenantState::ALL
            .into_iter()
            .filter(|state| *state != TenantState::Unknown)
            .map(TenantState::word)
            .collect();
        format!("one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn names_and_sets_exclude_each_other() {
        for wrong in [
            &["tenantui", "migrate", "acme", "--all"][..],
            &["tenantui", "migrate", "--all", "--state", "behind"],
            &["tenantui", "migrate", "--to", "1", "--only", "2"],
            &["tenantui", "migrate", "--shared", "--all"],
            &["tenantui", "rollback", "acme", "--steps", "1", "--to", "2"],
            &["tenantui", "redo", "acme", "--steps", "0"],
            &["tenantui", "migrate", "acme", "--filter", "plan:pro"],
            &["tenantui", "migrate", "--filter", "plam:pro"],
            &["tenantui", "migrate", "--all", "--canary", "1", "--canary-tenants", "acme"],
            &["tenantui", "migrate", "--all", "--pause", "2h"],
            &["tenantui", "redo", "--all", "--canary", "1", "--canary-tenants", "acme"],
            &["tenantui", "tenants", "state:happy"],
            &["tenantui", "tenants", "--json", "--csv"],
            &["tenantui", "tenants", "--state", "happy"],
            &["tenantui", "tenants", "--state", "unknown"],
        ] {
            assert!(Arguments::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
        let parsed = Arguments::try_parse_from(["tenantui", "tenants", "--state", "behind,ahead", "--read-only"]);
        assert!(parsed.is_ok_and(|arguments| arguments.connection.read_only));
    }
}
