//! Layout files: what is known of a framework's databases, as data. The embedded ones and a user's have one form.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::role::{self, Grants, Role, RoleRule};
use super::{NameRule, Naming, Statuses};
use crate::model::ident::{Ident, QualifiedName, SchemaName};
use crate::model::ledger::Tool;
use crate::text::Untrusted;

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
    /// Cache keys.
    #[serde(default)]
    pub cache: CacheRule,
    /// Schemas that are no tenants.
    #[serde(default)]
    pub schemas: SchemasRule,
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
}

/// `registry.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryKind {
    /// A table lists the tenants.
    Table,
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
    ApartmentV4,
    Plain,
}

/// `[ledger]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRule {
    /// A tool's word.
    pub tool: Option<String>,
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
    /// Schemas behind the tenant's in the search path of a migration run.
    #[serde(default)]
    pub search_path_extra: Vec<String>,
}

/// Why a layout file cannot be used. Its `Display` names the file, the place and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", why.safe())]
pub struct LayoutFileError {
    /// In words.
    pub why: Untrusted,
}

impl LayoutFileError {
    fn new(file: &str, what: impl std::fmt::Display) -> Self {
        Self { why: Untrusted::new(format!("layout file {file}: {what}")) }
    }
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
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        LayoutFileError::new(file, format_args!("line {line}: {}", error.message()))
    })?;
    layout.check().map_err(|what| LayoutFileError::new(file, what))?;
    Ok(layout)
}

impl LayoutFile {
    fn check(&self) -> Result<(), String> {
        if self.naming.schema.matches(super::naming::SLUG_MARK).count() != 1 {
            return Err(format!("naming.schema: \"{}\" must hold {{slug}} once", self.naming.schema));
        }
        match self.registry.kind {
            RegistryKind::Table => {
                if self.registry.table.is_none() && self.registry.find.is_none() {
                    return Err("registry: a table needs `table` or `find`".to_owned());
                }
                if self.registry.columns.slug.is_empty() {
                    return Err("registry.columns: `slug` needs at least one name".to_owned());
                }
            }
            RegistryKind::Scan => {
                if self.registry.pattern.is_none() && self.registry.requires.is_empty() {
                    return Err("registry: a scan needs `pattern` or `requires`".to_owned());
                }
            }
        }
        self.table()?;
        self.requires()?;
        self.tool()?;
        self.exclude()?;
        self.search_path_extra()?;
        self.shared()?;
        role::check(self.role.as_ref(), self.grants.as_ref())
    }

    /// The tenant's role with its grants.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        let rule = self.role.clone()?;
        Some(Role { rule, grants: self.grants.clone().unwrap_or_default() })
    }

    /// `registry.table`, checked.
    ///
    /// # Errors
    /// When it is not `schema.table`.
    pub fn table(&self) -> Result<Option<QualifiedName>, String> {
        let Some(text) = &self.registry.table else { return Ok(None) };
        let (schema, name) =
            text.split_once('.').ok_or_else(|| format!("registry.table: \"{text}\" must be schema.table"))?;
        let schema = SchemaName::existing(schema).map_err(|error| format!("registry.table: {error}"))?;
        let name = Ident::new(name).map_err(|error| format!("registry.table: {error}"))?;
        Ok(Some(QualifiedName { schema, name }))
    }

    /// `registry.requires`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn requires(&self) -> Result<Vec<Ident>, String> {
        let ident = |name: &String| Ident::new(name).map_err(|error| format!("registry.requires: {error}"));
        self.registry.requires.iter().map(ident).collect()
    }

    /// `ledger.tool`, checked.
    ///
    /// # Errors
    /// When it is no tool's word.
    pub fn tool(&self) -> Result<Option<Tool>, String> {
        self.ledger
            .tool
            .as_deref()
            .map(|word| Tool::from_word(word).ok_or_else(|| format!("ledger.tool: \"{word}\" is no tool")))
            .transpose()
    }

    /// `schemas.exclude`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn exclude(&self) -> Result<Vec<SchemaName>, String> {
        schemas("schemas.exclude", &self.schemas.exclude)
    }

    /// `schemas.search_path_extra`, checked.
    ///
    /// # Errors
    /// When a name is none.
    pub fn search_path_extra(&self) -> Result<Vec<SchemaName>, String> {
        schemas("schemas.search_path_extra", &self.schemas.search_path_extra)
    }

    /// `schemas.shared`, checked.
    ///
    /// # Errors
    /// When it is no name.
    pub fn shared(&self) -> Result<Option<SchemaName>, String> {
        let name = |name: &String| SchemaName::existing(name).map_err(|error| format!("schemas.shared: {error}"));
        self.schemas.shared.as_ref().map(name).transpose()
    }

    /// The rule of names.
    #[must_use]
    pub fn naming(&self) -> Naming {
        Naming {
            rule: match self.naming.rule {
                RuleWord::Boundary => NameRule::Boundary,
                RuleWord::Brokkr => NameRule::Brokkr,
                RuleWord::Cloacina => NameRule::Cloacina,
                RuleWord::CloacinaTutorial => NameRule::CloacinaTutorial,
                RuleWord::ApartmentV4 => NameRule::ApartmentV4,
                RuleWord::Plain => NameRule::Plain,
            },
            schema_template: self.naming.schema.clone(),
            hyphens_become_underscores: self.naming.hyphens_become_underscores,
        }
    }

    /// The words of the status column.
    #[must_use]
    pub fn statuses(&self) -> Statuses {
        let StatusRule { active, suspended, deleted } = self.statuses.clone();
        Statuses { active, suspended, deleted }
    }

    /// The name, shared.
    #[must_use]
    pub fn shared_name(&self) -> Arc<str> {
        self.name.as_str().into()
    }
}

fn schemas(option: &str, names: &[String]) -> Result<Vec<SchemaName>, String> {
    let schema = |name: &String| SchemaName::existing(name).map_err(|error| format!("{option}: {error}"));
    names.iter().map(schema).collect()
}
