//! Taking away a lock that a migration tool left behind in a schema, as the tool itself would.

use crate::model::ident::{Ident, IdentError, SchemaName};
use crate::model::ledger::Tool;

/// The statement that takes the tool's lock away; `None` where the tool keeps none in its schema. `ledger` is the
/// ledger's table.
///
/// # Errors
/// When the ledger's name is no identifier.
pub fn sql(tool: Tool, schema: &SchemaName, ledger: &str) -> Result<Option<String>, IdentError> {
    let of = |table: &str| Ident::new(table).map(|table| schema.qualify(&table));
    Ok(match tool {
        Tool::Migratus => Some(format!("DELETE FROM {} WHERE id = -1", of(ledger)?)),
        Tool::Knex => Some(format!("UPDATE {} SET is_locked = 0 WHERE is_locked = 1", of("knex_migrations_lock")?)),
        Tool::Yoyo => Some(format!("DELETE FROM {} WHERE locked = 1", of("yoyo_lock")?)),
        Tool::Liquibase => Some(format!(
            "UPDATE {} SET locked = false, lockgranted = NULL, lockedby = NULL WHERE locked",
            of("databasechangeloglock")?
        )),
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
        | Tool::Flyway
        | Tool::Goose
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
    })
}
