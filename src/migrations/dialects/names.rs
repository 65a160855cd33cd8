//! Tools whose ledgers or folders say less than all: which look into their files, and what their ledgers' entries are
//! called. Everything else about a tool is in its [`super::Dialect`].

use std::collections::BTreeSet;
use std::fmt;

use super::{alembic, django, drizzle, entity_framework, liquibase, sqitch, typeorm, yoyo};
use crate::migrations::folder::{Folder, Lister};
use crate::model::ledger::Tool;

/// Parts the fields of an entry, where a tool knows a migration by more than one.
pub const FIELD: char = '\u{1f}';

/// What decides which entries of a schema's ledger count for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerScope {
    /// Django: the configured apps.
    pub apps: Option<Vec<String>>,
    /// Django: apps that count for other schemas.
    pub without: Vec<String>,
    /// The name of the table that lists the tenants.
    pub tenants_table: Option<String>,
}

/// What a tool's entries are named after.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The tool's folder, where there is one.
    pub folder: Option<&'a Folder>,
    /// Every entry that a ledger of the fleet holds.
    pub entries: &'a BTreeSet<&'a str>,
    /// What counts.
    pub scope: &'a LedgerScope,
}

/// What an entry is called; `None` where it does not count.
pub type Rename = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the entries of a tool's ledgers are called.
pub struct Names {
    /// Their names; `None` where the entries are the versions.
    pub rename: Option<Rename>,
    /// The order of versions where the ledger holds none of its own: of the files.
    pub order: Option<Vec<String>>,
    /// Versions that stand for others, and come in their place: the tool records them later than what follows.
    pub behind: Vec<(String, Vec<String>)>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("rename", &self.rename.is_some()).field("order", &self.order).finish()
    }
}

/// How the names of a tool's entries are found, for tools whose entries are not their versions.
pub(crate) const fn names(tool: Tool) -> Option<fn(&Seen<'_>) -> Names> {
    match tool {
        Tool::Django => Some(django::names),
        Tool::Alembic => Some(alembic::names),
        Tool::Liquibase => Some(liquibase::names),
        Tool::Drizzle => Some(drizzle::names),
        Tool::Sqitch => Some(sqitch::names),
        Tool::Rails
        | Tool::Dbmate
        | Tool::RailsOrDbmate
        | Tool::GolangMigrate
        | Tool::Migratus
        | Tool::Ecto
        | Tool::Diesel
        | Tool::Sqlx
        | Tool::Refinery
        | Tool::Yoyo
        | Tool::Flyway
        | Tool::Goose
        | Tool::Knex
        | Tool::NodePgMigrate
        | Tool::Prisma
        | Tool::TypeOrm
        | Tool::Sequelize
        | Tool::Sequel
        | Tool::Supabase
        | Tool::Laravel
        | Tool::EntityFramework => None,
    }
}

/// The reader of a tool's folder, where the names of files do not say everything.
pub(crate) const fn lister(tool: Tool) -> Option<Lister> {
    match tool {
        Tool::Django => Some(django::list),
        Tool::Alembic => Some(alembic::list),
        Tool::Yoyo => Some(yoyo::list),
        Tool::Liquibase => Some(liquibase::list),
        Tool::Drizzle => Some(drizzle::list),
        Tool::TypeOrm => Some(typeorm::list),
        Tool::Sqitch => Some(sqitch::list),
        Tool::EntityFramework => Some(entity_framework::list),
        Tool::Rails
        | Tool::Dbmate
        | Tool::RailsOrDbmate
        | Tool::GolangMigrate
        | Tool::Migratus
        | Tool::Ecto
        | Tool::Diesel
        | Tool::Sqlx
        | Tool::Refinery
        | Tool::Flyway
        | Tool::Goose
        | Tool::Knex
        | Tool::NodePgMigrate
        | Tool::Prisma
        | Tool::Sequelize
        | Tool::Sequel
        | Tool::Supabase
        | Tool::Laravel => None,
    }
}

/// The schema in which a tool keeps one ledger for the whole database by default.
#[must_use]
pub const fn database_wide_schema(tool: Tool) -> Option<&'static str> {
    match tool {
        Tool::Drizzle => Some("drizzle"),
        Tool::Sqitch => Some("sqitch"),
        Tool::Supabase => Some("supabase_migrations"),
        Tool::Rails
        | Tool::Dbmate
        | Tool::RailsOrDbmate
        | Tool::GolangMigrate
        | Tool::Migratus
        | Tool::Ecto
        | Tool::Django
        | Tool::Diesel
        | Tool::Sqlx
        | Tool::Refinery
        | Tool::Alembic
        | Tool::Yoyo
        | Tool::Flyway
        | Tool::Liquibase
        | Tool::Goose
        | Tool::Knex
        | Tool::NodePgMigrate
        | Tool::Prisma
        | Tool::TypeOrm
        | Tool::Sequelize
        | Tool::Sequel
        | Tool::Laravel
        | Tool::EntityFramework => None,
    }
}

/// A file's stem without the stamp or number in front: what is left for people.
pub(super) fn without_stamp(stem: &str) -> &str {
    let name = stem.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(['-', '_', '.']);
    if name.is_empty() { stem } else { name }
}

/// Bytes in small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
