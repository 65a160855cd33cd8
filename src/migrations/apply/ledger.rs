//! The row that a tool's ledger gets, as SQL text: what is written for a file that ran.

use crate::migrations::folder::MigrationFile;
use crate::model::ident::{Ident, IdentError, SchemaName, literal};
use crate::model::ledger::{Tool, Version};

/// The ledger of a tool that tenantui writes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritableLedger {
    /// Boundary's.
    Migratus,
}

/// What the ledger says of a schema before a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The step can run.
    Free,
    /// The ledger has the version already.
    Applied,
    /// The tool's own lock row is there.
    Locked(String),
}

impl WritableLedger {
    /// The ledger of a tool, where tenantui writes it.
    #[must_use]
    pub const fn of(tool: Tool) -> Option<Self> {
        match tool {
            Tool::Migratus => Some(Self::Migratus),
            Tool::Rails
            | Tool::Dbmate
            | Tool::RailsOrDbmate
            | Tool::GolangMigrate
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
            | Tool::Drizzle
            | Tool::TypeOrm
            | Tool::Sequelize
            | Tool::Sqitch
            | Tool::Sequel
            | Tool::Supabase
            | Tool::Laravel
            | Tool::EntityFramework => None,
        }
    }

    /// `"schema"."table"`.
    ///
    /// # Errors
    /// Never for the names of tools; kept so that a configured name can be checked.
    pub fn table(self, schema: &SchemaName) -> Result<String, IdentError> {
        match self {
            Self::Migratus => Ok(schema.qualify(&Ident::new("schema_migrations")?)),
        }
    }

    /// Whether a version can be a key of this ledger at all.
    #[must_use]
    pub fn accepts(self, version: &Version) -> bool {
        match self {
            Self::Migratus => version.raw().parse::<i64>().is_ok_and(|id| id > 0),
        }
    }

    /// The table as the tool makes it.
    #[must_use]
    pub fn create_sql(self, table: &str) -> String {
        match self {
            Self::Migratus => format!(
                "CREATE TABLE {table} (id bigint UNIQUE NOT NULL, applied timestamp, description varchar(1024));"
            ),
        }
    }

    /// One SELECT whose rows are the keys among lock and version that are there.
    #[must_use]
    pub fn read_sql(self, table: &str, version: &Version) -> String {
        match self {
            Self::Migratus => format!("SELECT id::text FROM {table} WHERE id IN (-1, {}::bigint);", literal(version.raw())),
        }
    }

    /// What those rows mean.
    #[must_use]
    pub fn judge<'a>(self, keys: impl Iterator<Item = &'a str>) -> Before {
        match self {
            Self::Migratus => {
                let mut before = Before::Free;
                for key in keys {
                    if key == "-1" {
                        return Before::Locked("Migratus left its lock (row -1) in this schema's ledger".to_owned());
                    }
                    before = Before::Applied;
                }
                before
            }
        }
    }

    /// What the tool writes before the file, within the transaction.
    #[must_use]
    pub fn before_sql(self, table: &str) -> String {
        match self {
            Self::Migratus => format!("INSERT INTO {table} (id) VALUES (-1);"),
        }
    }

    /// What it writes after the file.
    #[must_use]
    pub fn after_sql(self, table: &str, file: &MigrationFile) -> String {
        match self {
            Self::Migratus => format!(
                "INSERT INTO {table} (id, applied, description) VALUES ({}::bigint, \
                 (pg_catalog.clock_timestamp())::timestamp, {}); DELETE FROM {table} WHERE id = (-1)::bigint;",
                literal(file.version.raw()),
                literal(super::wire::cut(file.name.raw(), 1024)),
            ),
        }
    }
}
