//! The rows that a tool's ledger gets, as its dialect writes them, and what the ledger says before a step.

use std::cmp::Ordering;

use crate::migrations::dialects::{Dialect, Interner, LedgerTables, LockPlace, ToolLock, Writing, dialect};
use crate::migrations::folder::MigrationFile;
use crate::model::ident::{Ident, IdentError, QualifiedName, SchemaName};
use crate::model::ledger::{AppliedSet, Tool, Version};
use crate::postgres::session::{QueryError, TextRow};

/// Which way a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// The migration is applied.
    Up {
        /// Where the plan found the schema before it.
        from: Option<&'a Version>,
    },
    /// It is undone.
    Down {
        /// Where the schema comes to.
        to: Option<&'a Version>,
    },
}

impl Way<'_> {
    /// The audit's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up { .. } => "migrate",
            Self::Down { .. } => "rollback",
        }
    }

    /// Whether the ledger has the version when the step is done.
    #[must_use]
    pub const fn leaves_it(self) -> bool {
        match self {
            Self::Up { .. } => true,
            Self::Down { .. } => false,
        }
    }
}

/// The ledger of a tool that tenantui writes itself.
#[derive(Debug, Clone)]
pub struct WritableLedger {
    dialect: &'static Dialect,
    writing: &'static Writing,
    /// Its table's name in every schema.
    name: Ident,
}

/// What the ledger says of a schema before a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The step can run.
    Free,
    /// The ledger says already what the step would make it say.
    Already,
    /// The ledger is not as it was when the plan was made; how.
    Moved(String),
    /// Nobody should write before an operator looked: the tool's own lock is there, or a failure that it recorded.
    Locked(String),
}

impl WritableLedger {
    /// The ledger of a tool, where tenantui writes it, under the tool's own name.
    #[must_use]
    pub fn of(tool: Tool) -> Option<Self> {
        Self::named(tool, None)
    }

    /// The same under another name, where one is given. `None` also where that is no name.
    #[must_use]
    pub fn named(tool: Tool, name: Option<&str>) -> Option<Self> {
        let dialect = dialect(tool);
        let writing = dialect.writing.as_ref()?;
        let name = Ident::new(name.unwrap_or(writing.table)).ok()?;
        Some(Self { dialect, writing, name })
    }

    /// The tool.
    #[must_use]
    pub const fn tool(&self) -> Tool {
        self.dialect.tool
    }

    /// What its table is called in every schema.
    #[must_use]
    pub const fn name(&self) -> &Ident {
        &self.name
    }

    /// Whether a migration takes rows away as well: a position that moves, a mark while it runs.
    #[must_use]
    pub fn is_rewritten(&self) -> bool {
        matches!(self.dialect.tool, Tool::GolangMigrate | Tool::Migratus)
    }

    /// The ledger's table in a schema.
    ///
    /// # Errors
    /// Never: kept for callers that check names.
    pub fn table(&self, schema: &SchemaName) -> Result<QualifiedName, IdentError> {
        Ok(QualifiedName { schema: schema.clone(), name: self.name.clone() })
    }

    /// The table as the tool makes it.
    #[must_use]
    pub fn create_sql(&self, table: &QualifiedName) -> String {
        ended((self.writing.create_ledger)(table))
    }

    /// One SELECT over the ledger.
    #[must_use]
    pub fn read_sql(&self, table: &QualifiedName) -> String {
        ended((self.dialect.reading.sql)(&LedgerTables::alone(&table.quoted())))
    }

    /// What its answer means for a step.
    ///
    /// # Errors
    /// When the ledger holds what its tool never writes.
    pub fn judge(&self, rows: &[TextRow], version: &Version, way: Way<'_>) -> Result<Before, QueryError> {
        let parsed = (self.dialect.reading.parse)(rows, &mut Interner::default())?;
        if let Some(why) = parsed.locked {
            return Ok(Before::Locked(why.raw().to_owned()));
        }
        if parsed.dirty {
            return Ok(Before::Locked(format!("{} recorded a failure in this schema's ledger", self.tool())));
        }
        let applied = &*parsed.applied;
        if self.has(applied, version) == way.leaves_it() {
            return Ok(Before::Already);
        }
        Ok(match way {
            // A ledger without history says by its position what is applied: one that moved may have passed files over.
            Way::Up { from } if self.dialect.reading.position_only && !self.same(applied.current.as_ref(), from) => {
                Before::Moved(self.moved(applied, from))
            }
            Way::Up { .. } => Before::Free,
            Way::Down { .. } if self.same(applied.current.as_ref(), Some(version)) => Before::Free,
            Way::Down { .. } => Before::Moved(self.moved(applied, Some(version))),
        })
    }

    /// Whether the version counts as applied.
    fn has(&self, applied: &AppliedSet, version: &Version) -> bool {
        if self.dialect.reading.position_only {
            let position = applied.current.as_ref();
            return position.is_some_and(|position| self.dialect.order.compare(version, position) != Ordering::Greater);
        }
        applied.versions.iter().any(|known| self.dialect.key(known) == self.dialect.key(version))
    }

    fn same(&self, a: Option<&Version>, b: Option<&Version>) -> bool {
        a.map(|version| self.dialect.key(version)) == b.map(|version| self.dialect.key(version))
    }

    fn moved(&self, applied: &AppliedSet, planned: Option<&Version>) -> String {
        let shown = |version: Option<&Version>| {
            version.map_or_else(|| "nothing".to_owned(), |version| version.untrusted().safe().to_string())
        };
        format!("its ledger is at {} now, and was at {} in the plan", shown(applied.current.as_ref()), shown(planned))
    }

    /// What the tool writes before the file, within the transaction.
    #[must_use]
    pub fn before_sql(&self, table: &QualifiedName) -> String {
        ended((self.writing.before)(table))
    }

    /// Whether the ledger has a migration: one row with one boolean. The table must be there.
    #[must_use]
    pub fn is_applied_sql(&self, table: &QualifiedName, file: &MigrationFile) -> String {
        (self.writing.is_applied)(table, file)
    }

    /// What records the step, and no more: for an operator who knows that its work is done.
    #[must_use]
    pub fn record_sql(&self, table: &QualifiedName, file: &MigrationFile, way: Way<'_>) -> String {
        match way {
            Way::Up { .. } => (self.writing.applied)(table, file),
            Way::Down { to } => (self.writing.undone)(table, file, to),
        }
    }

    /// What is written after the file.
    #[must_use]
    pub fn after_sql(&self, table: &QualifiedName, file: &MigrationFile, way: Way<'_>) -> String {
        format!("{} {}", ended(self.record_sql(table, file, way)), ended((self.writing.after)(table)))
    }

    /// The key of the tool's lock of one schema, where its lock is of that kind.
    #[must_use]
    pub fn schema_key(&self, database: &str, schema: &SchemaName) -> Option<i64> {
        match self.dialect.lock {
            ToolLock::Schema(key) => Some(key(&self.place(database, schema.raw()))),
            ToolLock::None | ToolLock::Row | ToolLock::Database(_) | ToolLock::Table(_) => None,
        }
    }

    /// The key of the tool's lock of the whole database, where its lock is of that kind.
    #[must_use]
    pub fn database_key(&self, database: &str) -> Option<i64> {
        match self.dialect.lock {
            ToolLock::Database(key) => Some(key(&self.place(database, ""))),
            ToolLock::None | ToolLock::Row | ToolLock::Schema(_) | ToolLock::Table(_) => None,
        }
    }

    /// One statement that takes the tool's lock of the ledger's table, or takes nothing. It waits for nobody.
    #[must_use]
    pub fn table_lock_sql(&self, table: &QualifiedName) -> String {
        match self.dialect.lock {
            ToolLock::Table(mode) => format!("LOCK TABLE {} IN {} MODE NOWAIT;", table.quoted(), lock_mode(mode)),
            ToolLock::None | ToolLock::Row | ToolLock::Schema(_) | ToolLock::Database(_) => "SELECT 1;".to_owned(),
        }
    }

    fn place<'a>(&'a self, database: &'a str, schema: &'a str) -> LockPlace<'a> {
        LockPlace { database, schema, table: self.name.raw() }
    }
}

/// `ShareUpdateExclusiveLock` as LOCK TABLE writes it: `SHARE UPDATE EXCLUSIVE`.
fn lock_mode(name: &str) -> String {
    let mut words = String::new();
    for character in name.strip_suffix("Lock").unwrap_or(name).chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(character.to_ascii_uppercase());
    }
    words
}

/// Statements of a dialect as a part of a message; nothing where the tool writes nothing.
fn ended(sql: String) -> String {
    if sql.is_empty() { sql } else { format!("{sql};") }
}

impl PartialEq for WritableLedger {
    fn eq(&self, other: &Self) -> bool {
        self.tool() == other.tool() && self.name == other.name
    }
}

impl Eq for WritableLedger {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_the_statement_writes_them() {
        assert_eq!(lock_mode("ShareUpdateExclusiveLock"), "SHARE UPDATE EXCLUSIVE");
        assert_eq!(lock_mode("ExclusiveLock"), "EXCLUSIVE");
    }

    #[test]
    fn a_ledger_is_judged_by_the_way_of_the_step() {
        let ledger = WritableLedger::of(Tool::Migratus).expect("written");
        let row = |text: &str| [TextRow::new(vec![Some(text.into())])];
        let version = Version::new;
        let judge = |ids: &str, at: &str, way: Way<'_>| ledger.judge(&row(ids), &version(at), way).expect("read");
        let (up, down) = (Way::Up { from: None }, Way::Down { to: None });
        let ids = "1\u{1e}3";
        assert_eq!(judge(ids, "2", up), Before::Free, "a gap is filled");
        assert_eq!(judge(ids, "3", up), Before::Already);
        assert_eq!(judge(ids, "3", down), Before::Free);
        assert_eq!(judge(ids, "2", down), Before::Already, "it was undone before");
        // Somebody applied 3 since the plan was made: undoing 1 below it is nobody's plan.
        assert!(matches!(judge(ids, "1", down), Before::Moved(words) if words.contains("at 3 now")));
        for way in [up, down] {
            assert!(matches!(judge("1\u{1e}-1", "1", way), Before::Locked(_)));
        }
    }

    #[test]
    fn a_configured_name_is_checked_and_used() {
        let named = WritableLedger::named(Tool::Migratus, Some("my_ledger")).expect("a name");
        let table = named.table(&SchemaName::existing("t").expect("a name")).expect("a table");
        assert_eq!(table.quoted(), "\"t\".\"my_ledger\"");
        assert_eq!(WritableLedger::named(Tool::Migratus, Some("")), None);
    }
}
