//! What is said of a tool's own command before it runs: its words, where and how long it may run, and what it finds in
//! its environment. Both faces say it in these words.

use std::path::PathBuf;
use std::time::Duration;

use super::{Aim, Fill, PasswordPlace, UrlAim, Variable, aim, filled, pgoptions, search_path};
use crate::config::{self, COMMAND_TIMEOUT, CommandPassword};
use crate::model::ident::SchemaName;
use crate::model::ledger::Tool;
use crate::text::{duration, sanitise};

/// The command of a database as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driven {
    tool: Tool,
    command: Vec<String>,
    limit: Duration,
    folder: Option<PathBuf>,
    password: PasswordPlace,
    extra: Vec<SchemaName>,
}

/// The tenant that stands for all: whose command is shown filled in.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// Its slug.
    pub slug: &'a str,
    /// Its schema.
    pub schema: &'a SchemaName,
    /// The registry's id, where there is one.
    pub id: Option<&'a str>,
    /// The newest version that it is to get.
    pub version: &'a str,
}

impl Driven {
    /// The configured command for this tool; `None` where tenantui does the work itself. `extra`: the schemas that the
    /// layout has behind a tenant's in the search path.
    #[must_use]
    pub fn of(tool: Tool, database: &config::Database, extra: &[SchemaName]) -> Option<Self> {
        let migrations = &database.migrations;
        let command = migrations.command.clone()?;
        Some(Self {
            tool,
            limit: limit(migrations),
            folder: migrations.command_folder.clone(),
            password: password_place(migrations, aim(tool, &command)),
            // As the run leaves it out: several tools take the ledger of `public` for the tenant's.
            extra: extra.iter().filter(|schema| schema.raw() != "public").cloned().collect(),
            command,
        })
    }

    /// The tool that does the work.
    #[must_use]
    pub const fn tool(&self) -> Tool {
        self.tool
    }

    /// The command's words, safe to show.
    #[must_use]
    pub fn words(&self) -> String {
        words(&self.command)
    }

    /// What limits hold, in a line.
    #[must_use]
    pub fn limits(&self) -> String {
        format!("{} for each tenant; lock and statement timeouts are its own", duration(self.limit))
    }

    /// All of it, a line each and safe to show: what runs, where, for how long, and what it finds in its environment.
    #[must_use]
    pub fn facts(&self, example: Option<Example<'_>>) -> Vec<String> {
        let tool = self.tool;
        let folder = self.folder.as_ref().map(|folder| sanitise(&folder.display().to_string()));
        let mut lines = vec![
            format!("-- {tool} does the work, by its own command: once per tenant and"),
            "-- without a shell. The ledgers behind it prove what it did.".to_owned(),
            String::new(),
            format!("command     {}", self.words()),
        ];
        if let Some(example) = example {
            let filled = self.filled(example);
            if filled != self.command {
                lines.push(format!("such as     {}", words(&filled)));
            }
        }
        lines.extend([
            format!("runs in     {}", folder.as_deref().unwrap_or("the folder in which tenantui was started")),
            format!("time limit  {} for each tenant (command_timeout): then it is ended", duration(self.limit)),
            "timeouts    those of [database.jobs] do not hold: it has those of its".to_owned(),
            format!("            role and database, or what {tool} sets itself"),
            String::new(),
            "Its environment is tenantui's own without PG* and TENANTUI_*, and with".to_owned(),
        ]);
        lines.extend(self.variables(example).into_iter().map(|(name, value)| format!("  {name}: {value}")));
        lines
    }

    fn filled(&self, example: Example<'_>) -> Vec<String> {
        let Example { slug, id, version, .. } = example;
        // Where the database is depends on the host that the run is linked to.
        filled(&self.command, &Fill { schema: example.schema.raw(), slug, id, version, url: "{url}" })
    }

    /// What is set for it; a secret is named, not shown.
    fn variables(&self, example: Option<Example<'_>>) -> Vec<(&'static str, String)> {
        let aim = aim(self.tool, &self.command);
        let secret = match self.password {
            PasswordPlace::Url => ", with the password where there is one",
            PasswordPlace::Environment => "",
        };
        let (url, jdbc) = match aim.url {
            UrlAim::Nothing => ("the database; the schema is not in it", false),
            UrlAim::Options | UrlAim::Schema => ("the database, aimed at the tenant's schema", false),
            UrlAim::CurrentSchema => ("the database, aimed at the tenant's schema", true),
        };
        let mut out = vec![
            ("PGHOST, PGPORT, PGUSER, PGDATABASE", "server and role of tenantui".to_owned()),
            ("PGPASSWORD", "the password, where there is one".to_owned()),
            ("PGOPTIONS", sanitise(&pgoptions(&self.path(example)))),
            ("DATABASE_URL", format!("{url}{secret}")),
        ];
        if jdbc {
            out.push(("JDBC_DATABASE_URL", format!("the same in the JDBC form{secret}")));
        }
        out.push(("TENANTUI_SCHEMA, TENANTUI_TENANT", "the tenant's schema, its slug".to_owned()));
        out.extend(aim.variables.iter().map(|(name, what)| {
            let value = match what {
                Variable::Url => format!("{url}{secret}"),
                Variable::Jdbc => "the database in the JDBC form, aimed at the tenant's schema".to_owned(),
                Variable::User => "the role of tenantui".to_owned(),
                Variable::Password => "the password, where there is one".to_owned(),
                Variable::Word(word) => (*word).to_owned(),
            };
            (*name, value)
        }));
        out
    }

    fn path(&self, example: Option<Example<'_>>) -> String {
        let behind = self.extra.iter();
        match example {
            Some(example) => search_path(&std::iter::once(example.schema).chain(behind).collect::<Vec<_>>()),
            None if self.extra.is_empty() => "{schema}".to_owned(),
            None => format!("{{schema}},{}", search_path(&behind.collect::<Vec<_>>())),
        }
    }
}

/// A command's words, safe to show; those with a space in quotes, so that it is seen where one ends.
#[must_use]
pub fn words(command: &[String]) -> String {
    let word = |word: &String| if word.contains(' ') { format!("{word:?}") } else { word.clone() };
    sanitise(&command.iter().map(word).collect::<Vec<_>>().join(" "))
}

/// How long a command may take for one tenant.
#[must_use]
pub fn limit(migrations: &config::Migrations) -> Duration {
    migrations.command_timeout.unwrap_or(COMMAND_TIMEOUT)
}

/// Where its password is put: as configured, else as the tool needs it.
#[must_use]
pub const fn password_place(migrations: &config::Migrations, aim: &Aim) -> PasswordPlace {
    match migrations.command_password {
        Some(CommandPassword::Environment) => PasswordPlace::Environment,
        Some(CommandPassword::Url) => PasswordPlace::Url,
        None => aim.password,
    }
}
