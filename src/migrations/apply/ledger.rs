//! The rows that a tool's ledger gets, as its dialect writes them, and what the ledger says before a step.

use crate::migrations::dialects::{Interner, LedgerTables, Reading, Writing, dialect};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName};
use crate::model::ledger::{Tool, Version};
use crate::postgres::session::{QueryError, TextRow};

/// The ledger of a tool that tenantui writes itself.
#[derive(Debug, Clone, Copy)]
pub struct WritableLedger {
    tool: Tool,
    writing: &'static Writing,
    reading: &'static Reading,
}

/// What the ledger says of a schema before a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The step can run.
    Free,
    /// The ledger has the version already.
    Applied,
    /// Nobody should write before an operator looked: the tool's own lock is there, or a failure that it recorded.
    Locked(String),
}

impl WritableLedger {
    /// The ledger of a tool, where tenantui writes it.
    #[must_use]
    pub fn of(tool: Tool) -> Option<Self> {
        let dialect = dialect(tool);
        match (&dialect.writing, &dialect.reading) {
            (Some(writing), Some(reading)) => Some(Self { tool, writing, reading }),
            (Some(_) | None, _) => None,
        }
    }

    /// The ledger's table in a schema.
    ///
    /// # Errors
    /// Never for the names of tools; kept so that a configured name can be checked.
    pub fn table(self, schema: &SchemaName) -> Result<QualifiedName, IdentError> {
        Ok(QualifiedName { schema: schema.clone(), name: Ident::new(self.writing.table)? })
    }

    /// The table as the tool makes it.
    #[must_use]
    pub fn create_sql(self, table: &QualifiedName) -> String {
        format!("{}; ", (self.writing.create_ledger)(table))
    }

    /// One SELECT over the ledger.
    #[must_use]
    pub fn read_sql(self, table: &QualifiedName) -> String {
        format!("{};", (self.reading.sql)(&LedgerTables::alone(&table.quoted())))
    }

    /// What its answer means for a version.
    ///
    /// # Errors
    /// When the ledger holds what its tool never writes.
    pub fn judge(self, rows: &[TextRow], version: &Version) -> Result<Before, QueryError> {
        let parsed = (self.reading.parse)(rows, &mut Interner::default())?;
        if let Some(why) = parsed.locked {
            return Ok(Before::Locked(why.raw().to_owned()));
        }
        if parsed.dirty {
            return Ok(Before::Locked(format!("{} recorded a failure in this schema's ledger", self.tool)));
        }
        let dialect = dialect(self.tool);
        let applied = parsed.applied.versions.iter().any(|known| dialect.key(known) == dialect.key(version));
        Ok(if applied { Before::Applied } else { Before::Free })
    }

    /// What the tool writes before the file, within the transaction.
    #[must_use]
    pub fn before_sql(self, table: &QualifiedName) -> String {
        format!("{};", (self.writing.before)(table))
    }

    /// Whether the ledger has a migration: one row with one boolean. The table must be there.
    #[must_use]
    pub fn is_applied_sql(self, table: &QualifiedName, file: &MigrationFile) -> String {
        (self.writing.is_applied)(table, file)
    }

    /// What records a migration as applied, and no more: for an operator who knows that it is.
    #[must_use]
    pub fn applied_sql(self, table: &QualifiedName, file: &MigrationFile) -> String {
        (self.writing.applied)(table, file)
    }

    /// What it writes after the file.
    #[must_use]
    pub fn after_sql(self, table: &QualifiedName, file: &MigrationFile) -> String {
        format!("{}; {};", (self.writing.applied)(table, file), (self.writing.after)(table))
    }
}

impl PartialEq for WritableLedger {
    fn eq(&self, other: &Self) -> bool {
        self.tool == other.tool
    }
}

impl Eq for WritableLedger {}
