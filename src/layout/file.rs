//! Layout files: what is known of a framework's databases, as data. The embedded ones and a user's have one form.

mod checked;
mod error;

use std::path::Path;

use serde::Deserialize;

use self::error::place;
pub use self::error::{LayoutFileError, Wrong};
use super::access::AccessRule;
use super::question::Question;
use super::role::{Grants, RoleRule};

/// The embedded layouts, in the order in which `auto` tries them: those that a table names before those that are
/// found by what their schemas hold.
const EMBEDDED: [(&str, &str); 7] = [
    ("boundary", include_str!("../../assets/layouts/boundary.toml")),
    ("plain", include_str!("../../assets/layouts/plain.toml")),
    ("django-tenants", include_str!("../../assets/layouts/django-tenants.toml")),
    ("brokkr", include_str!("../../assets/layouts/brokkr.toml")),
    ("cloacina", include_str!("../../assets/layouts/cloacina.toml")),
    ("apartment", include_str!("../../assets/layouts/apartment.toml")),
    ("triplex", include_str!("../../assets/layouts/triplex.toml")),
];

/// One layout file, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayoutFile {
    /// `boundary`...
    pub name: String,
    /// The name in sentences.
    pub title: String,
    /// How it is recognised.
    #[serde(default)]
    pub fingerprint: Fingerprint,
    /// Where tenants are listed.
    pub registry: RegistryRule,
    /// Names.
    pub naming: NamingRule,
    /// The expected ledger.
    #[serde(default)]
    pub ledger: LedgerRule,
    /// Words of the status column.
    #[serde(default)]
    pub statuses: StatusRule,
    /// The tenant's role.
    #[serde(default)]
    pub role: Option<RoleRule>,
    /// What it is granted.
    #[serde(default)]
    pub grants: Option<Grants>,
    /// Keys of a tenant that a purge revokes.
    #[serde(default)]
    pub access: Option<AccessRule>,
    /// Cache keys.
    #[serde(default)]
    pub cache: CacheRule,
    /// Schemas that are no tenants.
    #[serde(default)]
    pub schemas: SchemasRule,
    /// Who is inside a tenant: rows of `id`, `name`, `active`, `last_active_at`.
    #[serde(default)]
    pub members: Vec<Question>,
    /// How a tenant is: one row of `value`, `detail`, `problem`.
    #[serde(default)]
    pub health: Vec<Question>,
    /// What is wrong with tenants, asked once for all: rows of `schema` and `problem`.
    #[serde(default)]
    pub fleet: Vec<Question>,
    /// Versions of the framework that the database may tell.
    #[serde(default)]
    pub variant: Vec<VariantRule>,
}

/// `[[variant]]`: a version of the framework that its databases may tell, and what differs in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantRule {
    /// `v4`.
    pub name: String,
    /// One SELECT of a text that says what tells it; no row, or null, where nothing does.
    pub query: String,
    /// The rule of names in it, where it differs.
    pub rule: Option<RuleWord>,
}

/// `[fingerprint]`: all that is named must be there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The registry's table must be there, with a slug.
    #[serde(default)]
    pub registry: bool,
    /// Where `tables` must be.
    #[serde(default)]
    pub within: Within,
    /// Tables that one schema must hold together.
    #[serde(default)]
    pub tables: Vec<TableMark>,
}

/// Where the tables of a fingerprint must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Within {
    /// In a schema other than `public`.
    #[default]
    Tenant,
    /// In any schema.
    Anywhere,
}

/// A table by name and some of its columns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableMark {
    /// Its name.
    pub table: String,
    /// `name`, or `name type` with the type as `format_type` prints it without a length.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl TableMark {
    /// Column names and types; an empty type is any.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().map(|column| column.split_once(' ').unwrap_or((column, "")))
    }
}

/// `[registry]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistryRule {
    /// A table or a scan.
    pub kind: RegistryKind,
    /// `schema.table`.
    pub table: Option<String>,
    /// One SELECT, whose column names are those of a registry.
    pub query: Option<String>,
    /// How the table is found where its name is the application's own.
    pub find: Option<FindTable>,
    /// A LIKE pattern in which `_` is literal.
    pub pattern: Option<String>,
    /// Tables that a tenant's schema holds.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Names of the columns, the first that the table has counts.
    #[serde(default)]
    pub columns: ColumnNames,
    /// The table of the tenants' domains, known by its foreign key to the registry's.
    pub domains: Option<DomainsRule>,
}

/// `registry.domains`: the columns of a table that points at the registry's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainsRule {
    /// With the registry's id.
    pub tenant: String,
    /// With the domain.
    pub domain: String,
    /// Which says whether it is the primary one.
    pub primary: Option<String>,
}

/// `registry.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryKind {
    /// A table lists the tenants.
    Table,
    /// A query does.
    Query,
    /// The schemas themselves are the list.
    Scan,
}

/// `registry.find`: a table of `public` known by a column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindTable {
    /// The column.
    pub column: String,
    /// Its type, as `format_type` prints it with its length.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Columns of another table that has a foreign key to it: it decides between several.
    #[serde(default)]
    pub pointed_at_by: Vec<String>,
}

/// `[registry.columns]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "named like the columns")]
pub struct ColumnNames {
    pub id: Vec<String>,
    pub slug: Vec<String>,
    pub name: Vec<String>,
    pub schema_name: Vec<String>,
    pub status: Vec<String>,
    pub plan: Vec<String>,
    pub domain: Vec<String>,
    pub settings: Vec<String>,
    pub created_at: Vec<String>,
    pub updated_at: Vec<String>,
    pub deleted_at: Vec<String>,
}

/// `[naming]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamingRule {
    /// Whose rule.
    pub rule: RuleWord,
    /// `tenant_{slug}`.
    pub schema: String,
    /// Whether hyphens become underscores.
    pub hyphens_become_underscores: bool,
    /// How the framework writes the schema's name into SQL, where it is not as its rule has it.
    pub quoting: Option<Quoting>,
}

/// `naming.quoting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quoting {
    /// Quoted: capitals are kept, and keywords are names.
    Kept,
    /// Unquoted: capitals fold to lower case, and keywords break.
    Folds,
}

/// `naming.rule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the systems say it")]
pub enum RuleWord {
    Boundary,
    Brokkr,
    Cloacina,
    CloacinaTutorial,
    ApartmentV3,
    ApartmentV4,
    Plain,
}

/// `[ledger]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRule {
    /// A tool's word.
    pub tool: Option<String>,
    /// Where the framework keeps the tenants' migration files, in the application's folder.
    #[serde(default)]
    pub folder: Vec<String>,
    /// Where it keeps those of the shared schema, if they are others.
    #[serde(default)]
    pub shared_folder: Vec<String>,
    /// The shared schema gets the tenants' own migrations, so that a tenant which lacks one of its is behind.
    #[serde(default)]
    pub shared_is_sibling: bool,
}

/// `[statuses]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named like the states")]
pub struct StatusRule {
    pub active: Option<String>,
    pub suspended: Option<String>,
    pub deleted: Option<String>,
}

/// `[cache]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheRule {
    /// Patterns with `{id}`, `{slug}`, `{schema}`.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Lists and sorted sets of waiting jobs; `*` is any text.
    #[serde(default)]
    pub queues: Vec<String>,
    /// The key of a job that a queue holds the id of, `{job}` in it.
    pub job: Option<String>,
    /// Where in the job's JSON its tenant stands.
    #[serde(default)]
    pub job_tenant: Vec<String>,
}

/// `[schemas]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemasRule {
    /// The shared schema.
    pub shared: Option<String>,
    /// Schemas that are no tenants.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Schemas that are no tenants and stand behind every tenant in the search path.
    #[serde(default)]
    pub persistent: Vec<String>,
    /// Tables that live in the shared schema and stand empty in the tenants'.
    #[serde(default)]
    pub excluded_tables: Vec<String>,
    /// Schemas behind the tenant's in the search path of a migration run.
    #[serde(default)]
    pub search_path_extra: Vec<String>,
}

/// The embedded layouts in the order in which they are tried.
///
/// # Errors
/// Never, as a test holds; the signature spares a panic.
pub fn embedded() -> Result<Vec<LayoutFile>, LayoutFileError> {
    EMBEDDED.iter().map(|(name, text)| parse(name, text)).collect()
}

/// The names of the embedded layouts.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

/// Reads a user's layout file.
///
/// # Errors
/// When it cannot be read, is no TOML of this form, or holds an impossible value.
pub fn load(path: &Path) -> Result<LayoutFile, LayoutFileError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| LayoutFileError::new(&shown, error))?;
    parse(&shown, &text)
}

/// Parses a layout file's text; `file` is for messages.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &str, text: &str) -> Result<LayoutFile, LayoutFileError> {
    let layout: LayoutFile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        LayoutFileError::at(file, text, at, error.message().replace('\n', ", "))
    })?;
    layout.check().map_err(|wrong| match place(text, &wrong.option) {
        Some(at) => LayoutFileError::at(file, text, at, &wrong),
        None => LayoutFileError::new(file, &wrong),
    })?;
    Ok(layout)
}

/// The text of an embedded layout, as a user's file begins.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
