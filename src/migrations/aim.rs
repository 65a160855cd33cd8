//! How each tool's own command is brought to work in one schema, as the tools were seen to behave (ledgers.md 1 and 7).
//!
//! Most follow `PGOPTIONS` or the URL of the database. Some follow neither: run so they migrate `public`, and end well.
//! Those must be told the schema by an argument, and a command without it is refused before anything runs. What is said
//! here is never trusted: a run is proved by the ledgers behind it.

mod address;
mod told;

pub use address::{Address, pgoptions, search_path};
pub use told::{Driven, Example, limit, password_place, words};

use crate::model::ledger::Tool;

/// How a tool is aimed at one schema.
#[derive(Debug)]
pub struct Aim {
    /// It follows `PGOPTIONS`, as everything on libpq does.
    pub follows_pgoptions: bool,
    /// How the URL of its database names the schema.
    pub url: UrlAim,
    /// It works in one schema only where its command says which.
    pub needs_argument: bool,
    /// A command that aims it, for messages.
    pub example: &'static [&'static str],
    /// It takes the password from libpq's environment, or only from its URL.
    pub password: PasswordPlace,
    /// Variables of its own that it reads its database from.
    pub variables: &'static [(&'static str, Variable)],
}

/// What the URL of a database says of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlAim {
    /// Nothing: the tool ignores it, or refuses the URL for it.
    Nothing,
    /// `options=-c search_path=...`
    Options,
    /// The same, and Prisma's `schema=`.
    Schema,
    /// The same, and in the JDBC form `currentSchema=`.
    CurrentSchema,
}

/// Where a tool's password is put. Never into its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordPlace {
    /// `PGPASSWORD`.
    Environment,
    /// `DATABASE_URL`, for tools that read nothing else.
    Url,
}

/// What a tool's own variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// The URL, as `DATABASE_URL`.
    Url,
    /// The URL in the JDBC form, without user and password.
    Jdbc,
    /// The role.
    User,
    /// The password; the variable is not there where there is none.
    Password,
    /// A word that is always the same.
    Word(&'static str),
}

/// Programs on libpq, and drivers that do as it does.
const LIBPQ: Aim = Aim {
    follows_pgoptions: true,
    url: UrlAim::Options,
    needs_argument: false,
    example: &[],
    password: PasswordPlace::Environment,
    variables: &[],
};

/// Programs on pgjdbc, which reads none of libpq's variables.
const JDBC: Aim = Aim {
    follows_pgoptions: false,
    url: UrlAim::CurrentSchema,
    needs_argument: false,
    example: &[],
    password: PasswordPlace::Url,
    variables: &[],
};

/// Programs that must be told by an argument.
const ARGUMENT: Aim = Aim {
    follows_pgoptions: false,
    url: UrlAim::Nothing,
    needs_argument: true,
    example: &[],
    password: PasswordPlace::Environment,
    variables: &[],
};

static RAILS: Aim = Aim { example: &["bin/rails", "db:migrate"], ..LIBPQ };
static DBMATE: Aim = Aim { example: &["dbmate", "--no-dump-schema", "migrate"], ..LIBPQ };
static GOLANG_MIGRATE: Aim = Aim { example: &["migrate", "-path", "migrations", "-database", "{url}", "up"], ..LIBPQ };
static MIGRATUS: Aim = Aim { example: &["lein", "migratus", "migrate"], ..JDBC };
static ECTO: Aim = Aim { example: &["mix", "ecto.migrate", "--prefix", "{schema}"], ..ARGUMENT };
static DJANGO: Aim = Aim { example: &["python", "manage.py", "migrate", "--no-input"], ..LIBPQ };
static DJANGO_TENANTS: Aim =
    Aim { example: &["python", "manage.py", "migrate_schemas", "-s", "{schema}", "--noinput"], ..ARGUMENT };
static DIESEL: Aim = Aim { example: &["diesel", "migration", "run"], ..LIBPQ };
static SQLX: Aim = Aim { example: &["sqlx", "migrate", "run"], ..LIBPQ };
static REFINERY: Aim = Aim { example: &["./migrate-tenant", "{schema}"], ..ARGUMENT };
static ALEMBIC: Aim = Aim { example: &["alembic", "upgrade", "head"], ..LIBPQ };
static YOYO: Aim = Aim { example: &["yoyo", "apply", "--batch", "--database", "{url}"], ..LIBPQ };
static FLYWAY: Aim = Aim {
    example: &["flyway", "migrate"],
    password: PasswordPlace::Environment,
    variables: &[
        ("FLYWAY_URL", Variable::Jdbc),
        ("FLYWAY_USER", Variable::User),
        ("FLYWAY_PASSWORD", Variable::Password),
    ],
    ..JDBC
};
static LIQUIBASE: Aim = Aim {
    example: &["liquibase", "update"],
    password: PasswordPlace::Environment,
    variables: &[
        ("LIQUIBASE_COMMAND_URL", Variable::Jdbc),
        ("LIQUIBASE_COMMAND_USERNAME", Variable::User),
        ("LIQUIBASE_COMMAND_PASSWORD", Variable::Password),
    ],
    ..JDBC
};
static GOOSE: Aim = Aim {
    example: &["goose", "-dir", "migrations", "up"],
    variables: &[("GOOSE_DRIVER", Variable::Word("postgres")), ("GOOSE_DBSTRING", Variable::Url)],
    ..LIBPQ
};
static KNEX: Aim = Aim { example: &["npx", "knex", "migrate:latest"], ..LIBPQ };
static NODE_PG_MIGRATE: Aim = Aim { example: &["npx", "node-pg-migrate", "up", "-s", "{schema}"], ..ARGUMENT };
static PRISMA: Aim = Aim {
    example: &["npx", "prisma", "migrate", "deploy"],
    url: UrlAim::Schema,
    password: PasswordPlace::Url,
    ..LIBPQ
};
static DRIZZLE: Aim = Aim { example: &["npx", "drizzle-kit", "migrate"], ..LIBPQ };
static TYPEORM: Aim = Aim { example: &["npx", "typeorm", "migration:run", "-d", "data-source.js"], ..LIBPQ };
/// It cuts its URL up by itself and drops what the URL says of the schema.
static SEQUELIZE: Aim = Aim { example: &["npx", "sequelize-cli", "db:migrate"], url: UrlAim::Nothing, ..LIBPQ };
/// `PGOPTIONS` moves what it makes; where it keeps its ledger must be said. A URL with `options` it refuses.
static SQITCH: Aim = Aim {
    example: &["sqitch", "deploy", "--registry", "{schema}"],
    url: UrlAim::Nothing,
    needs_argument: true,
    ..LIBPQ
};
static SEQUEL: Aim = Aim { example: &["bundle", "exec", "sequel", "-m", "migrations", "{url}"], ..LIBPQ };
static SUPABASE: Aim = Aim { example: &["supabase", "db", "push", "--db-url", "{url}"], ..ARGUMENT };
static LARAVEL: Aim = Aim { example: &["./migrate-tenant", "{schema}"], ..ARGUMENT };
static ENTITY_FRAMEWORK: Aim = Aim { example: &["./migrate-tenant", "{schema}"], ..ARGUMENT };

/// How this tool is aimed by this command. Two programs keep Django's ledger: the one of django-tenants sets the search
/// path by itself, whatever its environment says.
#[must_use]
pub fn aim(tool: Tool, command: &[String]) -> &'static Aim {
    match tool {
        Tool::Rails | Tool::RailsOrDbmate => &RAILS,
        Tool::Dbmate => &DBMATE,
        Tool::GolangMigrate => &GOLANG_MIGRATE,
        Tool::Migratus => &MIGRATUS,
        Tool::Ecto => &ECTO,
        Tool::Django if command.iter().any(|word| word.contains("migrate_schemas")) => &DJANGO_TENANTS,
        Tool::Django => &DJANGO,
        Tool::Diesel => &DIESEL,
        Tool::Sqlx => &SQLX,
        Tool::Refinery => &REFINERY,
        Tool::Alembic => &ALEMBIC,
        Tool::Yoyo => &YOYO,
        Tool::Flyway => &FLYWAY,
        Tool::Liquibase => &LIQUIBASE,
        Tool::Goose => &GOOSE,
        Tool::Knex => &KNEX,
        Tool::NodePgMigrate => &NODE_PG_MIGRATE,
        Tool::Prisma => &PRISMA,
        Tool::Drizzle => &DRIZZLE,
        Tool::TypeOrm => &TYPEORM,
        Tool::Sequelize => &SEQUELIZE,
        Tool::Sqitch => &SQITCH,
        Tool::Sequel => &SEQUEL,
        Tool::Supabase => &SUPABASE,
        Tool::Laravel => &LARAVEL,
        Tool::EntityFramework => &ENTITY_FRAMEWORK,
    }
}

/// What a tenant's command is filled in with.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    /// The schema's name, as it is.
    pub schema: &'a str,
    /// The slug.
    pub slug: &'a str,
    /// The registry's id, where there is one.
    pub id: Option<&'a str>,
    /// The newest version that the tenant is to get.
    pub version: &'a str,
    /// The aimed URL, without a password: arguments are read by everybody on the machine.
    pub url: &'a str,
}

/// Words of a command that say which tenant.
const OF_THE_TENANT: [&str; 4] = ["{schema}", "{slug}", "{tenant}", "{id}"];
/// Words that say up to which version.
const OF_THE_VERSION: [&str; 2] = ["{version}", "{to}"];

fn holds(command: &[String], words: &[&str]) -> bool {
    command.iter().any(|word| words.iter().any(|wanted| word.contains(wanted)))
}

/// The command of one tenant. Every word stays one word, whatever it is filled in with.
#[must_use]
pub fn filled(command: &[String], fill: &Fill<'_>) -> Vec<String> {
    let values = [
        ("{schema}", fill.schema),
        ("{slug}", fill.slug),
        ("{tenant}", fill.slug),
        ("{id}", fill.id.unwrap_or_default()),
        ("{version}", fill.version),
        ("{to}", fill.version),
        ("{url}", fill.url),
    ];
    command.iter().map(|word| filled_word(word, &values)).collect()
}

/// Filled in from left to right, once: what a value holds is not filled in again.
fn filled_word(word: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match values.iter().find(|(name, _)| from.starts_with(name)) {
            Some((name, value)) => {
                out.push_str(value);
                rest = &from[name.len()..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether the command can be told how far to go.
#[must_use]
pub fn takes_version(command: &[String]) -> bool {
    holds(command, &OF_THE_VERSION)
}

/// Why this command is not run for this tool, in words that say what to write; `None` where it can be aimed.
#[must_use]
pub fn unaimed(tool: Tool, command: &[String]) -> Option<String> {
    let aim = aim(tool, command);
    let told = holds(command, &OF_THE_TENANT) || (tool == Tool::Supabase && holds(command, &["{url}"]));
    if !aim.needs_argument || told {
        return None;
    }
    let name = if std::ptr::eq(aim, &DJANGO_TENANTS) { "django-tenants".to_owned() } else { tool.to_string() };
    Some(format!(
        "the command does not say which schema, and {name} is not aimed at one by its environment: it would work in \
         another, and end well. Write the schema into it, such as command = {} in [database.migrations]",
        listed(aim)
    ))
}

/// What `command` may be for a tool, as the configuration writes it.
#[must_use]
pub fn example(tool: Tool) -> String {
    let own = listed(aim(tool, &[]));
    // Its ledgers are Django's: whose they are only the project knows.
    if tool == Tool::Django { format!("{own}, of django-tenants {}", listed(&DJANGO_TENANTS)) } else { own }
}

fn listed(aim: &Aim) -> String {
    let words: Vec<String> = aim.example.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(", "))
}

/// Whether two runs of the tool in one database get in each other's way, whatever their schemas are.
#[must_use]
pub const fn locks_database(tool: Tool) -> bool {
    match tool {
        Tool::Rails | Tool::RailsOrDbmate | Tool::Sqlx | Tool::Prisma | Tool::NodePgMigrate | Tool::Sqitch => true,
        Tool::Dbmate
        | Tool::GolangMigrate
        | Tool::Migratus
        | Tool::Ecto
        | Tool::Django
        | Tool::Diesel
        | Tool::Refinery
        | Tool::Alembic
        | Tool::Yoyo
        | Tool::Flyway
        | Tool::Liquibase
        | Tool::Goose
        | Tool::Knex
        | Tool::Drizzle
        | Tool::TypeOrm
        | Tool::Sequelize
        | Tool::Sequel
        | Tool::Supabase
        | Tool::Laravel
        | Tool::EntityFramework => false,
    }
}

#[cfg(test)]
mod tests;
