//! Migration tools: one file for each, and the one table of them all.
//!
//! A [`Dialect`] is what tenantui knows of a tool: by which columns its ledger is recognised, and, where this version
//! goes so far, how that ledger is read, how the tool names and cuts up its files, and how its rows are written. The
//! parts are data and small pure functions. Nothing here talks to a server: `postgres::ledgers` brings the catalog's
//! facts and carries the statements.

mod alembic;
mod dbmate;
mod diesel;
mod django;
mod drizzle;
mod ecto;
mod entity_framework;
mod flyway;
mod found;
mod golang_migrate;
mod goose;
mod interner;
mod knex;
mod laravel;
mod liquibase;
pub mod migratus;
mod names;
mod node_pg_migrate;
mod order;
mod prisma;
mod rails;
mod rails_or_dbmate;
mod recognise;
pub mod refinery;
mod rows;
mod sequel;
mod sequelize;
mod sqitch;
mod sqlx;
mod supabase;
mod typeorm;
mod yoyo;

use std::sync::Arc;

use super::folder::{MigrationFile, Statement};
use super::{alone, split};
use crate::model::ident::QualifiedName;
use crate::model::ledger::{AppliedSet, Tool, Version};
use crate::postgres::session::{QueryError, TextRow};
use crate::text::Untrusted;

pub use django::of_counted_apps;
pub use found::{Found, FoundLedger, Ledgers, Readable};
pub use interner::{CHECKSUM_CHARACTERS, Interner, Listing, PAIR, SEPARATOR, abbreviated};
pub use names::{FIELD, LedgerScope, Names, Seen, database_wide_schema};
use names::{hex, without_stamp};
pub(crate) use names::{lister, names};
pub use order::Order;
pub use recognise::{Hints, candidate_names, recognise};

/// What is known of one migration tool.
#[derive(Debug)]
pub struct Dialect {
    /// Which.
    pub tool: Tool,
    /// By which tables its ledger is recognised; any of them.
    pub shapes: &'static [Shape],
    /// How its versions follow each other.
    pub order: Order,
    /// Whether `001` and `1` are one version.
    pub zeros_are_equal: bool,
    /// What it does with a file older than a schema's version.
    pub gap: Gap,
    /// A further table of the tool that belongs to the ledger and stands in the same schema: where it says who holds
    /// its lock, or what failed.
    pub companion: Option<&'static Shape>,
    /// What keeps two runs of the tool apart.
    pub lock: ToolLock,
    /// How its ledger is read.
    pub reading: Reading,
    /// How its migration files are named and cut up; `None` where its folders are not read yet.
    pub files: Option<FileRules>,
    /// How its ledger is written; `None` where tenantui does not write it.
    pub writing: Option<Writing>,
}

/// A ledger table of a tool: decided by the set of columns and their types, not by the name alone.
#[derive(Debug)]
pub struct Shape {
    /// The tool's default names of it.
    pub tables: &'static [&'static str],
    /// Columns that must be there, with their types: `int` is int4 or int8, `varchar` has no length, `varchar*` any or
    /// none, `timestamp*` is with or without time zone.
    pub columns: &'static [(&'static str, &'static str)],
    /// Columns that may be there.
    pub optional: &'static [&'static str],
    /// Whether any other column may be there too.
    pub open: bool,
    /// Whether there must (or must not) be a primary key.
    pub primary_key: Option<bool>,
}

impl Shape {
    /// A table of exactly these columns.
    const fn exactly(tables: &'static [&'static str], columns: &'static [(&'static str, &'static str)]) -> Self {
        Self { tables, columns, optional: &[], open: false, primary_key: None }
    }

    /// A table of at least these columns.
    const fn at_least(tables: &'static [&'static str], columns: &'static [(&'static str, &'static str)]) -> Self {
        Self { tables, columns, optional: &[], open: true, primary_key: None }
    }
}

/// What keeps two runs of a tool apart. A live lock is seen in `pg_locks`; tenantui takes it before it writes.
#[derive(Debug, Clone, Copy)]
pub enum ToolLock {
    /// Nothing: two runs can race.
    None,
    /// A row in the ledger or in its companion.
    Row,
    /// An advisory lock whose key names the schema.
    Schema(fn(&LockPlace<'_>) -> i64),
    /// An advisory lock for the whole database: whoever holds it keeps the tool out of every schema.
    Database(fn(&LockPlace<'_>) -> i64),
    /// The ledger itself, in this mode as `pg_locks` writes it.
    Table(&'static str),
}

/// What the keys of locks are made of; names as they are, not quoted.
#[derive(Debug, Clone, Copy)]
pub struct LockPlace<'a> {
    /// The database's name in the server.
    pub database: &'a str,
    /// The schema.
    pub schema: &'a str,
    /// The ledger.
    pub table: &'a str,
}

/// The tables of one schema's ledger, qualified and quoted.
#[derive(Debug, Clone, Copy)]
pub struct LedgerTables<'a> {
    /// The ledger.
    pub ledger: &'a str,
    /// [`Dialect::companion`], where it is there and may be read.
    pub companion: Option<&'a str>,
}

impl<'a> LedgerTables<'a> {
    /// A ledger alone.
    #[must_use]
    pub const fn alone(ledger: &'a str) -> Self {
        Self { ledger, companion: None }
    }
}

/// What a tool does with a file that is older than a schema's version and not in its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// It is applied.
    Applied,
    /// It is never applied, and nothing is said.
    NeverApplied,
    /// The run stops with an error.
    Refused,
    /// The files say (a graph of dependencies).
    ByGraph,
}

/// How a ledger is read.
#[derive(Debug)]
pub struct Reading {
    /// One SELECT over the ledger; it gives one row or none, so that ten thousand ledgers are ten thousand rows.
    pub sql: fn(&LedgerTables<'_>) -> String,
    /// Its answer.
    pub parse: fn(&[TextRow], &mut Interner) -> Result<Parsed, QueryError>,
    /// One SELECT with a row per migration: version, name, applied at, failed (`t`/`f`), checksum as text. What the
    /// ledger lacks is NULL.
    pub history: fn(&str) -> String,
    /// The checksum that the ledger should hold for a file, where the tool keeps one.
    pub checksum: Option<fn(&MigrationFile) -> String>,
    /// The ledger keeps the position only, no history (golang-migrate).
    pub position_only: bool,
}

/// What a ledger said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What is applied.
    pub applied: Arc<AppliedSet>,
    /// The tool recorded a failure.
    pub dirty: bool,
    /// A lock left behind in the ledger, in words.
    pub locked: Option<Untrusted>,
}

/// How migration files are named and cut up.
#[derive(Debug)]
pub struct FileRules {
    /// How deep below the folder files are looked for; 1 is the folder itself.
    pub depth: usize,
    /// What a file is, by its path below the folder (with `/`).
    pub classify: fn(&str) -> Class,
    /// The pieces of an up file that are sent as one message each.
    pub pieces: fn(&str) -> Vec<Statement>,
    /// Whether an up file runs in a transaction, by its text and the text of its settings file.
    pub transactional: fn(&str, Option<&str>) -> bool,
    /// What undoes an up file, for tools that keep both in one file; `None` where a file has no such part.
    pub down_pieces: Option<fn(&str) -> Option<DownPart>>,
}

/// The part of a file that undoes the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownPart {
    /// The pieces that are sent as one message each.
    pub pieces: Vec<Statement>,
    /// Whether it runs in a transaction.
    pub transactional: bool,
}

/// What a file has that its tool stops at, or would do and tenantui does not: the file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The rule's word, for `allow`: `sections` or `placeholder`.
    pub rule: &'static str,
    /// 1 for the first line of the file.
    pub line: u32,
    /// In words.
    pub message: String,
}

impl Objection {
    /// The markers of a file's sections are not as the tool wants them.
    fn sections(line: u32, message: &str) -> Self {
        Self { rule: "sections", line, message: message.to_owned() }
    }
}

impl FileRules {
    /// Files that are known by their names and texts, and run by their tool alone.
    const fn not_run(depth: usize, classify: fn(&str) -> Class) -> Self {
        Self { depth, classify, pieces: |_| Vec::new(), transactional: always_transactional, down_pieces: None }
    }
}

/// What a file in a migration folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// An up file.
    Up(FileName),
    /// A down file.
    Down(FileName),
    /// Settings of one migration.
    Settings(FileName),
    /// A migration that is a program: known by name, not run here.
    Code(FileName),
    /// Nothing of the tool's.
    Other,
    /// It looks like a migration, and the tool would skip or refuse it; why.
    Strange(&'static str),
}

/// Version and name of a migration, from its file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// As the ledger writes it.
    pub version: String,
    /// Without version and ending.
    pub name: String,
}

impl FileName {
    pub(crate) fn new(version: &str, name: &str) -> Self {
        Self { version: version.to_owned(), name: name.to_owned() }
    }
}

/// How a ledger is written. All statements name the ledger with its schema and are complete: they carry no parameters,
/// values in them are literals, and several are parted by semicolons. They run inside the step's transaction.
#[derive(Debug)]
pub struct Writing {
    /// The ledger's default name.
    pub table: &'static str,
    /// What in a file's text keeps it from being run here.
    pub objections: fn(&str) -> Vec<Objection>,
    /// Makes the ledger exactly as the tool does. Fails where it exists.
    pub create_ledger: fn(&QualifiedName) -> String,
    /// What the tool writes before a file; empty where it writes nothing. Migratus takes its lock so: it fails where
    /// that is held (23505).
    pub before: fn(&QualifiedName) -> String,
    /// What takes that back; empty where there is nothing to take back.
    pub after: fn(&QualifiedName) -> String,
    /// Whether the version is in the ledger: one row with one boolean column `applied`.
    pub is_applied: fn(&QualifiedName, &MigrationFile) -> String,
    /// Records a migration as applied.
    pub applied: fn(&QualifiedName, &MigrationFile) -> String,
    /// Records a migration as undone. The version is that of the file before it in the folder, for ledgers that keep
    /// the position only.
    pub undone: fn(&QualifiedName, &MigrationFile, Option<&Version>) -> String,
}

/// The dialect of a tool.
#[must_use]
pub const fn dialect(tool: Tool) -> &'static Dialect {
    match tool {
        Tool::Rails => &rails::DIALECT,
        Tool::Dbmate => &dbmate::DIALECT,
        Tool::RailsOrDbmate => &rails_or_dbmate::DIALECT,
        Tool::GolangMigrate => &golang_migrate::DIALECT,
        Tool::Migratus => &migratus::DIALECT,
        Tool::Ecto => &ecto::DIALECT,
        Tool::Django => &django::DIALECT,
        Tool::Diesel => &diesel::DIALECT,
        Tool::Sqlx => &sqlx::DIALECT,
        Tool::Refinery => &refinery::DIALECT,
        Tool::Alembic => &alembic::DIALECT,
        Tool::Yoyo => &yoyo::DIALECT,
        Tool::Flyway => &flyway::DIALECT,
        Tool::Liquibase => &liquibase::DIALECT,
        Tool::Goose => &goose::DIALECT,
        Tool::Knex => &knex::DIALECT,
        Tool::NodePgMigrate => &node_pg_migrate::DIALECT,
        Tool::Prisma => &prisma::DIALECT,
        Tool::Drizzle => &drizzle::DIALECT,
        Tool::TypeOrm => &typeorm::DIALECT,
        Tool::Sequelize => &sequelize::DIALECT,
        Tool::Sqitch => &sqitch::DIALECT,
        Tool::Sequel => &sequel::DIALECT,
        Tool::Supabase => &supabase::DIALECT,
        Tool::Laravel => &laravel::DIALECT,
        Tool::EntityFramework => &entity_framework::DIALECT,
    }
}

impl Dialect {
    /// What makes two versions one: the text, or the number where zeros in front mean nothing.
    #[must_use]
    pub fn key<'v>(&self, version: &'v Version) -> &'v str {
        let text = match self.order {
            Order::Parts => without_zero_parts(version.raw()),
            Order::Number | Order::Text | Order::Stamp | Order::AsListed => version.raw(),
        };
        let is_number = text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || (byte == b'.' && self.order == Order::Parts));
        if !self.zeros_are_equal || !is_number {
            return text;
        }
        // The last zero in front stays where nothing but it is left of the number.
        let trimmed = text.trim_start_matches('0');
        if trimmed.starts_with(|first: char| first.is_ascii_digit()) {
            trimmed
        } else {
            &text[text.len() - trimmed.len() - 1..]
        }
    }
}

/// The digits at the start of a name, and the rest.
pub(crate) fn leading_digits(name: &str) -> Option<(&str, &str)> {
    let end = name.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(name.len());
    (end > 0).then(|| name.split_at(end))
}

/// A number as a ledger's int8 writes it: without zeros in front. `None` where it is none or too large.
pub(crate) fn int8(digits: &str) -> Option<String> {
    digits.parse::<i64>().ok().map(|number| number.to_string())
}

/// `1.0` is `1`.
fn without_zero_parts(mut version: &str) -> &str {
    while let Some((front, last)) = version.rsplit_once('.')
        && last.bytes().all(|byte| byte == b'0')
    {
        version = front;
    }
    version
}

/// Always in a transaction.
pub(crate) const fn always_transactional(_text: &str, _settings: Option<&str>) -> bool {
    true
}

/// For tools that send a file as one message and open no transaction: the server makes one of it, unless its only
/// statement is one that runs outside of transactions.
pub(crate) fn implicit_transaction(text: &str, _settings: Option<&str>) -> bool {
    match alone::judge(&split::whole(text)) {
        Ok(Some(alone)) => alone.leaves_doubt(),
        Ok(None) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests;
