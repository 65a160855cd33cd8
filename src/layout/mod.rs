//! Which framework made a database, and what follows from it: where its tenants are listed, how schemas are named,
//! which ledger is expected, which statuses exist, how cache keys look. Layouts are data (`assets/layouts/*.toml`).
//! Nothing here talks to a server: `postgres::survey` brings the catalog facts, this module judges them.

pub mod access;
mod apply;
mod facts;
pub mod file;
pub mod judge;
pub mod naming;
pub mod question;
pub mod role;
pub mod statement;
mod taken;

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::ident::{Ident, QualifiedName, SchemaName};
use crate::model::ledger::Tool;
use crate::model::server::ServerIdentity;
use crate::text::Untrusted;

/// A layout as it applies to one database: the data of its file, the configuration's overrides, and the columns
/// that the registry really has.
#[derive(Debug, Clone)]
pub struct Layout {
    /// `boundary`, `plain`, `cloacina`...
    pub name: Arc<str>,
    /// How it was found out, a line each, for `doctor`.
    pub evidence: Vec<Untrusted>,
    /// Where tenants are listed.
    pub registry: Registry,
    /// The table of the tenants' domains, where there is one besides.
    pub domains: Option<Domains>,
    /// The rule of slugs and schema names.
    pub naming: Naming,
    /// The expected ledger's tool.
    pub expected_tool: Option<Tool>,
    /// Words of the status column.
    pub statuses: Statuses,
    /// The role of a tenant and its grants, where the layout has one.
    pub role: Option<role::Role>,
    /// Keys of a tenant that a purge revokes, where the layout has a table of them.
    pub access: Option<access::Access>,
    /// What else the layout knows of its databases.
    pub about: About,
    /// Patterns of cache keys with `{id}`, `{slug}`, `{schema}`.
    pub cache_keys: Vec<String>,
    /// Schemas added behind the tenant's in the search path of a migration run.
    pub search_path_extra: Vec<SchemaName>,
    /// Schemas that are no tenants.
    pub exclude: Vec<SchemaName>,
    /// What a new row of the registry gets in columns whose meaning the layout does not know.
    pub new_values: Vec<(Ident, String)>,
    /// Tables that every tenant's schema holds: by them a schema without a row is known for a tenant's where the
    /// names follow no pattern.
    pub tenant_tables: Vec<Ident>,
    /// The shared schema that is a migratable target of its own.
    pub shared_schema: Option<SchemaName>,
    /// Where it was found out: what is ordered by it is for that server alone. `None` before a server was asked.
    pub found_on: Option<ServerIdentity>,
}

/// What a layout knows besides where tenants are and how they are named.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Its name in sentences.
    pub title: String,
    /// The version of the framework, where the database tells it.
    pub variant: Option<String>,
    /// Layouts that were tried too, and what each missed.
    pub missed: Vec<judge::Missed>,
    /// Layouts that fit as well, and why this one was taken all the same.
    pub doubts: Vec<Untrusted>,
    /// That rows of the registry may be hidden from this role, where they may: then no schema is known to have none.
    pub hidden_rows: Option<HiddenRows>,
    /// Who is inside a tenant.
    pub members: Vec<question::Question>,
    /// How a tenant is.
    pub health: Vec<question::Question>,
    /// What is wrong with tenants, asked once for all.
    pub fleet: Vec<question::Question>,
    /// Where the framework keeps the tenants' migration files.
    pub folder: Vec<String>,
    /// Where it keeps the shared schema's.
    pub shared_folder: Vec<String>,
    /// The shared schema gets the tenants' own migrations: what it has, a tenant should have.
    pub shared_is_sibling: bool,
    /// Tables of the shared schema that stand empty in the tenants'.
    pub excluded_tables: Vec<Ident>,
    /// Waiting jobs in Redis.
    pub queues: Queues,
}

/// That rows of the registry may be hidden from this role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenRows {
    /// By what.
    pub why: Untrusted,
    /// What would show them all.
    pub mend: &'static str,
}

impl HiddenRows {
    /// Both, as one sentence.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{}; {}", self.why.raw(), self.mend)
    }
}

impl About {
    /// The questions of a tenant's health that are asked of every tenant.
    pub fn of_all(&self) -> impl Iterator<Item = &question::Question> {
        self.health.iter().filter(|question| question.of_all)
    }
}

/// Where jobs wait in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queues {
    /// Lists and sorted sets of jobs' ids; `*` is any text.
    pub keys: Vec<String>,
    /// The key of a job, with `{job}` for its id, where jobs say whose they are.
    pub job: Option<String>,
    /// The way to the tenant in the job's JSON.
    pub job_tenant: Vec<String>,
}

/// Where tenants are listed.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one for each database")]
pub enum Registry {
    /// A table.
    Table {
        /// Which.
        table: QualifiedName,
        /// Its oid.
        oid: u32,
        /// Its columns.
        columns: RegistryColumns,
    },
    /// A query of the configuration.
    Query {
        /// One SELECT, whose column names are those of a registry table.
        sql: String,
    },
    /// A scan of schemas by pattern or fingerprint.
    Scan {
        /// A LIKE pattern in which `_` is literal, or `None` for every schema that is not a system's.
        pattern: Option<String>,
        /// Tables that a schema must have to be a tenant's.
        requires: Vec<Ident>,
    },
}

/// A table in which a tenant has any number of domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    /// Which.
    pub table: QualifiedName,
    /// The column with the registry's id.
    pub tenant: Ident,
    /// The column of the domain.
    pub domain: Ident,
    /// The column that says which is the primary one.
    pub primary: Option<Ident>,
}

/// The columns of a registry table. What it lacks is `None`, and left out of the screen, never invented.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named like the columns")]
pub struct RegistryColumns {
    pub id: Option<Column>,
    pub slug: Column,
    pub name: Option<Column>,
    pub schema_name: Option<Column>,
    pub status: Option<Column>,
    pub plan: Option<Column>,
    pub domain: Option<Column>,
    pub settings: Option<Column>,
    pub created_at: Option<Column>,
    pub updated_at: Option<Column>,
    pub deleted_at: Option<Column>,
}

/// A column as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type, as `format_type` prints it.
    pub type_name: String,
    /// NOT NULL.
    pub not_null: bool,
    /// It has a default (or is an identity).
    pub has_default: bool,
    /// The server makes its values of other columns, and takes none.
    pub is_generated: bool,
}

/// Words of the status column; what a layout lacks is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the states")]
pub struct Statuses {
    pub active: Option<String>,
    pub suspended: Option<String>,
    pub deleted: Option<String>,
}

impl Statuses {
    /// Whether a word of the registry says active here; the usual word where the layout has none.
    #[must_use]
    pub fn says_active(&self, word: &str) -> bool {
        word.eq_ignore_ascii_case(self.active.as_deref().unwrap_or("active"))
    }

    /// Whether a word of the registry says suspended here; the usual word where the layout has none.
    #[must_use]
    pub fn says_suspended(&self, word: &str) -> bool {
        word.eq_ignore_ascii_case(self.suspended.as_deref().unwrap_or("suspended"))
    }
}

/// How slugs are checked and become schema names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// The rule of slugs (layouts.md E.1).
    pub rule: NameRule,
    /// `tenant_{slug}`; hyphens become underscores where `hyphens_become_underscores`.
    pub schema_template: String,
    /// Whether a hyphen of the slug becomes an underscore of the schema.
    pub hyphens_become_underscores: bool,
    /// The framework writes names into SQL unquoted: capitals fold, and keywords break.
    pub folds: bool,
    /// Schemas alone list the tenants: a slug is what is read back out of its schema's name.
    pub read_back: bool,
}

/// The rules of layouts.md E.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the systems say it")]
pub enum NameRule {
    Boundary,
    Brokkr,
    Cloacina,
    /// The stricter check of Cloacina's tutorial, which its users copy.
    CloacinaTutorial,
    /// Every name that is not blank.
    ApartmentV3,
    ApartmentV4,
    /// Any identifier that tenantui may create.
    Plain,
}

/// A slug that passed the layout's rule, and the schema it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedName {
    /// The slug as it will be stored: in lower case where the framework writes names unquoted; as it is read back where
    /// schemas alone list the tenants.
    pub slug: String,
    /// The schema.
    pub schema: SchemaName,
}

/// Why a slug is refused: which rule, which character. Its `Display` is for the form and the command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", why.safe())]
pub struct NameError {
    /// In words.
    pub why: Untrusted,
}

/// Existing names that a new one may collide with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenNames {
    /// Slugs of the registry, deleted rows included.
    pub slugs: Vec<String>,
    /// Every schema of the database.
    pub schemas: Vec<String>,
    /// Whose schema it is, by the registry: slugs by schema.
    pub owners: HashMap<String, String>,
    /// Rows may be hidden: a schema without an owner may have one.
    pub rows_hidden: bool,
}
