//! Migration tools and what a schema's ledger says.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::text::Untrusted;

/// The migration tools whose ledgers are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names of the tools say it")]
pub enum Tool {
    Rails,
    Dbmate,
    /// The one true tie: columns, key and values of Rails 5+ and dbmate are identical.
    RailsOrDbmate,
    GolangMigrate,
    Migratus,
    Ecto,
    Django,
    Diesel,
    Sqlx,
    Refinery,
    Alembic,
    Yoyo,
    Flyway,
    Liquibase,
    Goose,
    Knex,
    NodePgMigrate,
    Prisma,
    Drizzle,
    TypeOrm,
    Sequelize,
    Sqitch,
    Sequel,
    Supabase,
    Laravel,
    EntityFramework,
}

impl Tool {
    /// Every tool, in the order of the enum.
    pub const ALL: [Self; 26] = [
        Self::Rails,
        Self::Dbmate,
        Self::RailsOrDbmate,
        Self::GolangMigrate,
        Self::Migratus,
        Self::Ecto,
        Self::Django,
        Self::Diesel,
        Self::Sqlx,
        Self::Refinery,
        Self::Alembic,
        Self::Yoyo,
        Self::Flyway,
        Self::Liquibase,
        Self::Goose,
        Self::Knex,
        Self::NodePgMigrate,
        Self::Prisma,
        Self::Drizzle,
        Self::TypeOrm,
        Self::Sequelize,
        Self::Sqitch,
        Self::Sequel,
        Self::Supabase,
        Self::Laravel,
        Self::EntityFramework,
    ];

    /// The word of the configuration, of JSON and of the screen.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rails => "rails",
            Self::Dbmate => "dbmate",
            Self::RailsOrDbmate => "rails-or-dbmate",
            Self::GolangMigrate => "golang-migrate",
            Self::Migratus => "migratus",
            Self::Ecto => "ecto",
            Self::Django => "django",
            Self::Diesel => "diesel",
            Self::Sqlx => "sqlx",
            Self::Refinery => "refinery",
            Self::Alembic => "alembic",
            Self::Yoyo => "yoyo",
            Self::Flyway => "flyway",
            Self::Liquibase => "liquibase",
            Self::Goose => "goose",
            Self::Knex => "knex",
            Self::NodePgMigrate => "node-pg-migrate",
            Self::Prisma => "prisma",
            Self::Drizzle => "drizzle",
            Self::TypeOrm => "typeorm",
            Self::Sequelize => "sequelize",
            Self::Sqitch => "sqitch",
            Self::Sequel => "sequel",
            Self::Supabase => "supabase",
            Self::Laravel => "laravel",
            Self::EntityFramework => "entity-framework",
        }
    }

    /// The tool of a configuration word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.word() == word)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A migration's version exactly as its tool writes it. Never read as a date.
///
/// Ordering: as numbers where both are all digits (lengths differ in old Rails ledgers), else as text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// A version from a ledger row or a file name.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self(version.into())
    }

    /// The version as data: for SQL parameters, comparison and JSON; never for the screen.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The version as text for the screen.
    #[must_use]
    pub fn untrusted(&self) -> Untrusted {
        Untrusted::new(&*self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        fn digits(text: &str) -> Option<&str> {
            (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.trim_start_matches('0'))
        }
        match (digits(&self.0), digits(&other.0)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| self.0.cmp(&other.0)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What one ledger holds. Shared by reference between the tenants that hold the same (most of a fleet does).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AppliedSet {
    /// Successfully applied versions as the ledger holds them, sorted. For a ledger without history
    /// (golang-migrate) only the position.
    pub versions: Vec<Version>,
    /// The newest applied version; what the tool itself would print.
    pub current: Option<Version>,
    /// Everything up to this version counts as applied: the ledger was begun in a schema that had it (Flyway).
    pub baseline: Option<Version>,
    /// The checksums of applied versions, where the tool keeps any; of long ones the beginning.
    pub checksums: Vec<(Version, Box<str>)>,
}

/// How far the reading of a schema's ledger came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerState {
    /// Not read yet in this session: unknown, drawn as such.
    Unread,
    /// The schema has no ledger table.
    Absent,
    /// Read.
    Read(LedgerReading),
    /// The role may not read it; the text names the missing grant.
    NoAccess(Untrusted),
    /// The schema has no ledger of its own: the tool keeps one for the whole database, which says nothing about a
    /// single schema (Drizzle, Sqitch).
    DatabaseWide {
        /// The tool.
        tool: Tool,
        /// Where its ledger is, in words.
        why: Untrusted,
    },
    /// There is a table that looks like a ledger, of a tool that is recognised but not read, or of none that is known.
    Unreadable {
        /// The tool, where the columns name one.
        tool: Option<Tool>,
        /// Why, in words.
        why: Untrusted,
    },
}

impl LedgerState {
    /// The reading, where there is one.
    #[must_use]
    pub const fn reading(&self) -> Option<&LedgerReading> {
        match self {
            Self::Read(reading) => Some(reading),
            Self::Unread | Self::Absent | Self::NoAccess(_) | Self::DatabaseWide { .. } | Self::Unreadable { .. } => {
                None
            }
        }
    }
}

/// One ledger, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerReading {
    /// Which tool keeps it.
    pub tool: Tool,
    /// The ledger table's name, which may be configured.
    pub table: Arc<str>,
    /// What it holds.
    pub applied: Arc<AppliedSet>,
    /// The tool recorded a failure.
    pub dirty: bool,
    /// A lock left behind in this ledger, in words (Migratus: row -1).
    pub locked: Option<Untrusted>,
}
