//! Taking away a lock that a migration tool left behind in a schema, as the tool itself would; and telling that lock
//! from one that is taken later.

use crate::model::ident::{Ident, IdentError, SchemaName, literal};
use crate::model::ledger::Tool;

/// Where a tool keeps its lock in a schema, and how it takes it away.
pub struct LockPlace {
    /// The table, qualified and quoted.
    table: String,
    /// What its rows are while it is held.
    held: &'static str,
    /// Who holds it since when, as an expression of the rows; a tool that writes neither has none.
    by: &'static str,
    away: Away,
}

/// How a lock is taken away.
#[derive(Clone, Copy)]
enum Away {
    /// Its row goes.
    Delete,
    /// Its row says so.
    Set(&'static str),
}

impl LockPlace {
    /// Of this tool; `None` where it keeps no lock in its schema. `ledger` is the ledger's table.
    ///
    /// # Errors
    /// When the ledger's name is no identifier.
    pub fn of(tool: Tool, schema: &SchemaName, ledger: &str) -> Result<Option<Self>, IdentError> {
        let place = |table: &str, held: &'static str, by: &'static str, away: Away| {
            Ok(Some(Self { table: schema.qualify(&Ident::new(table)?), held, by, away }))
        };
        match tool {
            Tool::Migratus => place(ledger, "id = -1", "NULL", Away::Delete),
            Tool::Knex => place("knex_migrations_lock", "is_locked = 1", "NULL", Away::Set("is_locked = 0")),
            Tool::Yoyo => {
                place("yoyo_lock", "locked = 1", "pg_catalog.concat('process ', pid, ' since ', ctime)", Away::Delete)
            }
            Tool::Liquibase => place(
                "databasechangeloglock",
                "locked",
                "pg_catalog.concat(lockedby, ' since ', lockgranted)",
                Away::Set("locked = false, lockgranted = NULL, lockedby = NULL"),
            ),
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
            | Tool::EntityFramework => Ok(None),
        }
    }

    /// The question for its rows while it is held: which transaction wrote each, and who holds it since when. Migratus
    /// and Knex write neither, so the transaction alone tells a lock from one that was taken after it: whoever takes it
    /// anew writes its row anew.
    #[must_use]
    pub fn rows_sql(&self) -> String {
        let Self { table, held, by, .. } = self;
        format!("SELECT xmin::text, {by} FROM {table} WHERE {held} ORDER BY 1, 2")
    }

    /// The statement as the tool would write it, for reading.
    #[must_use]
    pub fn sql(&self) -> String {
        let Self { table, held, away, .. } = self;
        match away {
            Away::Delete => format!("DELETE FROM {table} WHERE {held}"),
            Away::Set(what) => format!("UPDATE {table} SET {what} WHERE {held}"),
        }
    }

    /// The statement for the rows that these transactions wrote, and no others; a row for each.
    #[must_use]
    pub fn away_sql(&self, xids: &[&str]) -> String {
        let xids: Vec<String> = xids.iter().map(|xid| format!("{}::xid", literal(xid))).collect();
        format!("{} AND xmin IN ({}) RETURNING 1", self.sql(), xids.join(", "))
    }
}
